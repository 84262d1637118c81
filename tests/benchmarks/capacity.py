"""How many requests a second a sandbox can serve, whatever a push makes of it."""

import http.client
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import orjson

_SCRIPT: Final = """
local threads = 0
function setup(thread)
   threads = threads + 1
   thread:set("number", threads)
end
function init(arguments)
   sent = 0
   headers = {{
      ["Authorization"] = "Bearer {token}",
      ["Content-Type"] = "application/x-www-form-urlencoded",
   }}
end
function request()
   sent = sent + 1
   return wrk.format("POST", nil, headers, "email=u" .. number .. "." .. sent .. "@example.org")
end
"""
"""For wrk: each request makes another end user, as a push does."""


def requests_a_second(account: Mapping[str, str], connections: int, seconds: float) -> float:
    """Make end users over so many connections for so long, with wrk if it is installed.

    Args:
        account: the environment variables that a push signs in with, and the address.
        connections: how many are open at once.
        seconds: how long it takes, roughly.
    """
    address = account["WOOTRIC_BASE_URL"]
    token = _token(account)
    wrk = shutil.which("wrk")
    if not wrk:
        return _by_threads(address, token, connections, seconds)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "create.lua")
        script.write_text(_SCRIPT.format(token=token))
        # The token stands in the script, since others may see a command line.
        command = (wrk, "-t2", f"-c{connections}", f"-d{seconds:.0f}s", "-s", script)
        done = subprocess.run(
            [*command, f"{address}/v1/end_users"], capture_output=True, text=True, check=True
        )
    found = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    if not found or "Non-2xx" in done.stdout:
        raise RuntimeError(f"wrk could not measure the sandbox: {done.stdout}")
    return float(found[1])


def _token(account: Mapping[str, str]) -> str:
    url = f"{account['WOOTRIC_BASE_URL']}/oauth/token?account_token={account['WOOTRIC_ACCOUNT_TOKEN']}"
    form = {
        "grant_type": "client_credentials",
        "client_id": account["WOOTRIC_CLIENT_ID"],
        "client_secret": account["WOOTRIC_CLIENT_SECRET"],
    }
    with urllib.request.urlopen(url, urlencode(form).encode()) as reply:  # noqa: S310 - loopback
        return str(orjson.loads(reply.read())["access_token"])


def _by_threads(address: str, token: str, connections: int, seconds: float) -> float:
    host = urlsplit(address).netloc
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    end = time.monotonic() + seconds

    def make(number: int) -> int:
        connection = http.client.HTTPConnection(host)
        sent = 0
        while time.monotonic() < end:
            sent += 1
            body = f"email=u{number}.{sent}@example.org"
            connection.request("POST", "/v1/end_users", body, headers)
            with connection.getresponse() as reply:
                reply.read()
                if reply.status != http.HTTPStatus.CREATED:
                    raise RuntimeError(f"the sandbox answered {reply.status}")
        connection.close()
        return sent

    with ThreadPoolExecutor(connections) as threads:
        return sum(threads.map(make, range(connections))) / seconds
