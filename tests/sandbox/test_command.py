"""`wootric-replay sandbox`, as a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from wootric_map.sandbox import RunningSandbox

PROGRAM = "from cli.commands.sandbox import sandbox; sandbox()"
Spawn = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Run the command, and return the process and the base URL that it prints."""
    with ExitStack() as stack:

        def run(*args: str) -> tuple["subprocess.Popen[str]", str]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", PROGRAM, *args],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert found is not None
            return process, found.group()

        yield run


def finish(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *args],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_how_to_sign_in_and_ends_at_a_signal(spawn: Spawn, number: signal.Signals) -> None:
    process, base_url = spawn()
    assert requests.get(f"{base_url}/_sandbox/state", timeout=5).status_code == 200
    process.send_signal(number)
    assert process.wait(timeout=10) == 0
    # Not communicate(), which would miss what readline() has already taken into its buffer.
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = process.stdout.read(), process.stderr.read()
    assert err == ""
    exports = dict(re.findall(r"export (WOOTRIC_\w+)=(\S+)", out))
    assert exports["WOOTRIC_ACCOUNT_TOKEN"] == "NPS-5a4db0c5"
    assert exports["WOOTRIC_CLIENT_ID"] == "sandbox-client-id"
    assert exports["WOOTRIC_CLIENT_SECRET"] == "sandbox-client-secret"
    assert f"export WOOTRIC_BASE_URL={base_url}" in out


def test_the_options_reach_the_account(spawn: Spawn) -> None:
    _, base_url = spawn(
        *("--rate-limit", "3", "--latency", "200", "--token-lifetime", "60"),
        *("--registered-event", "A", "--registered-event", "B b"),
        *("--account-token", "NPS-EU-0a1b2c3d"),
    )
    began = time.perf_counter()
    reply = requests.get(
        f"{base_url}/registered_events.json?account_token=NPS-EU-0a1b2c3d", timeout=5
    )
    assert time.perf_counter() - began >= 0.2
    assert reply.json() == ["A", "B b"]
    assert reply.headers["X-Rate-Limit-Limit"] == "3"
    token = requests.post(
        f"{base_url}/oauth/token?account_token=NPS-EU-0a1b2c3d",
        data={
            "grant_type": "password",
            "username": "sandbox@example.com",
            "password": "sandbox-password",
        },
        timeout=5,
    )
    assert token.json()["expires_in"] == 60


def test_an_account_without_events_that_always_fails(spawn: Spawn) -> None:
    _, base_url = spawn("--no-registered-events", "--error-rate", "1", "--seed", "3")
    reply = requests.get(f"{base_url}/registered_events.json", timeout=5)
    assert reply.status_code in (500, 503)


def test_the_log_is_private_appended_and_there_at_once(spawn: Spawn, tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    for expected in (1, 2):
        process, base_url = spawn("--log", str(log))
        requests.get(f"{base_url}/pixel.gif?email=a@x.io", timeout=5)
        lines = log.read_text(encoding="utf-8").splitlines()
        assert len(lines) == expected
        process.terminate()
        process.communicate(timeout=10)
    assert json.loads(lines[-1])["query"] == {"email": "a@x.io"}
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_that_cannot_be_written_ends_it(spawn: Spawn) -> None:
    process, base_url = spawn("--log", "/dev/full")
    assert requests.get(f"{base_url}/pixel.gif", timeout=5).status_code == 200
    _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert err == "Error: cannot write /dev/full: No space left on device\n"


def test_a_port_in_use(sandbox: RunningSandbox) -> None:
    port = sandbox.base_url.rpartition(":")[2]
    done = finish("--port", port)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--log", "/nowhere/at/all"], "No such file or directory"),
        (["--account-token", "x"], "account_token"),
        (["--account-token", ""], "account_token"),
        (["--error-rate", "2"], "--error-rate"),
        (["--latency", "inf"], "latency"),
        (["--registered-event", "A", "--no-registered-events"], "exclude each other"),
    ],
)
def test_a_wrong_option_is_exit_2(args: list[str], message: str) -> None:
    done = finish(*args)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    program = f"import sys; sys.modules['starlette'] = None; {PROGRAM}"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=env,
    )
    assert done.returncode == 1
    assert "pip install 'wootric-replay[sandbox]'" in done.stderr


def test_importing_the_command_imports_no_server() -> None:
    program = (
        "import sys, cli.commands.sandbox; print({'starlette', 'uvicorn'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "set()\n"


def test_help_has_an_example() -> None:
    done = finish("--help")
    assert done.returncode == 0
    assert "wootric-replay sandbox --port" in done.stdout
