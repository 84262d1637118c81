"""Input and servers that mean harm: bounded, told once, and nothing lost or leaked."""

import re
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from forking import COMMAND
from replaying import Replay, identify, page, refusing
from starlette.responses import Response

from wootric_map.sandbox import Fault, SandboxRequest, SandboxSettings

Start = Callable[[SandboxSettings], Replay]
MEGABYTE = 1024 * 1024


def at(path: str, answer: Any) -> Callable[[SandboxRequest], Fault | None]:
    return lambda request: Fault(answer) if request.path.startswith(path) else None


def run_bounded(replay: Replay, *args: str, megabytes: int) -> "subprocess.CompletedProcess[str]":
    """Run the command with so much memory for its data, and 1 GB for any file."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes * MEGABYTE,) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000 * MEGABYTE,) * 2)

    return subprocess.run(
        [COMMAND, *args],
        cwd=replay.folder,
        env=replay.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=limit,
    )


def test_an_envelope_lends_no_more_than_can_be_kept(replay: Replay) -> None:
    elements = [{"type": "page", "userId": "u@example.com"}] * 15_000
    replay.write([{"batch": elements, "context": {"x": "c" * 500_000}}])
    done = run_bounded(replay, "dry-run", "export.ndjson", megabytes=300)
    assert done.returncode == 1
    assert "line_too_long" in done.stderr


def test_the_length_of_ids_does_not_fill_the_memory(replay: Replay) -> None:
    replay.write([identify(f"{n}" + "x" * 900_000, f"u{n}@example.com") for n in range(150)])
    done = run_bounded(replay, "dry-run", "--limit-users", "0", "export.ndjson", megabytes=300)
    assert done.returncode == 0, done.stderr
    assert "150 to create" in done.stdout


def test_ids_past_64_bits_stay_apart_however_deep_the_record(replay: Replay) -> None:
    deep = "[" * 990 + "]" * 990
    lines = [
        f'{{"type":"identify","userId":{number},"traits":{{"email":"u{number}@x.io","d":{deep}}}}}'
        for number in (92233720368547758071, 92233720368547758072)
    ]
    (replay.folder / "export.ndjson").write_text("\n".join(lines))
    done = replay.run("dry-run", "--format", "json", "export.ndjson")
    summary = orjson.loads(done.stdout.splitlines()[-1])["summary"]
    assert summary["create"] + summary["rejected"].get("invalid_json", 0) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Response('{"error":"half an emoji \\ud83d"}', 422),
        Response('{"id":1,"email":12}'),
        Response('{"id":1e999}'),
        Response('{"id":1,"external_created_at":1e999}'),
        Response("{", 422, media_type="text/plain; charset=idna"),
        Response("x", 422, media_type="text/plain; charset=undefined"),
    ],
)
def test_rubbish_from_a_server_is_never_unforeseen(replaying: Start, answer: Any) -> None:
    replay = replaying(SandboxSettings(faults=(at("/v1/end_users", answer),)))
    done = replay.push(replay.write([identify("1", "ada@example.com"), page("1")]))
    assert done.returncode in {0, 1}, done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def signing_in_answers(status: int, answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """A server that answers every POST with what becomes of its body; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [404, 401, 500])
def test_a_server_that_repeats_the_sign_in_makes_no_secret_public(
    replay: Replay, status: int
) -> None:
    export = replay.write([identify("1", "ada@example.com")])
    with signing_in_answers(status, lambda body: orjson.dumps({"error": body.decode()})) as url:
        done = replay.push(export, "--retries", "0", env={"WOOTRIC_BASE_URL": url})
    assert done.returncode in {4, 5}
    assert "signing in" in done.stderr
    assert replay.sandbox.settings.client_secret not in done.stdout + done.stderr


@pytest.mark.parametrize("token", ['"a\\r\\nX-Evil: 1"', '"caf\\u00e9"', '""', "null", "7"])
def test_a_token_that_no_header_can_hold_is_none(replay: Replay, token: str) -> None:
    export = replay.write([identify("1", "ada@example.com")])
    reply = f'{{"access_token":{token},"expires_in":7200}}'.encode()
    with signing_in_answers(200, lambda _: reply) as url:
        done = replay.push(export, env={"WOOTRIC_BASE_URL": url})
    assert done.returncode == 5
    assert "holds no token" in done.stderr


def test_a_full_disk_is_told_and_nothing_more_is_sent(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    emails = [f"{n}@example.com" for n in range(50)]
    replay = replaying(SandboxSettings(faults=(refusing(*emails),)))
    users = [identify(email, email) for email in emails]
    done = replay.push(replay.write(users), "--rejects", "/dev/full", "--workers", "1")
    assert done.returncode == 5
    assert "No space left" in done.stderr
    assert replay.paths("POST").count("/v1/end_users") < 50


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_disk_that_is_full_while_records_are_put_aside_is_said_with_5(
    replay: Replay, processes: str
) -> None:
    pages = [page(f"u{n % 100}@example.com", "/" + "x" * 5000) for n in range(2000)]
    temporary = replay.folder / "temporary"
    temporary.mkdir()
    # No file may grow past 2 MiB; only a temporary one would.
    limits = {resource.RLIMIT_FSIZE: (2 * MEGABYTE, 2 * MEGABYTE)}
    args = ("dry-run", "--processes", processes, replay.write(pages))
    limited = replay.run_within(limits, *args, env={"TMPDIR": str(temporary)})
    assert limited.returncode == 5, limited.stderr
    assert f"File too large ({temporary})" in limited.stderr
    assert "TMPDIR names another folder" in limited.stderr
    assert list(temporary.iterdir()) == []


def test_an_empty_path_is_not_the_current_folder(replay: Replay) -> None:
    replay.write([identify("1", "ada@example.com")])
    assert replay.push("").returncode == 2
    assert replay.users() == {}


def test_a_prompt_for_the_secret_does_not_eat_the_export(replay: Replay) -> None:
    export = replay.write([identify("1", "ada@example.com")]).read_text()
    done = replay.push("-", "--client-id", "x", "--client-secret-file", "-", stdin=export)
    assert done.returncode == 2
    assert replay.paths() == []


@pytest.mark.parametrize(
    "args",
    [
        ["validate", "x" * 300],
        ["push", "--rejects", "x" * 300, "export.ndjson"],
        ["dry-run", "--limit-users", "9" * 30, "export.ndjson"],
        ["dry-run", "--rate", "0." + "0" * 330 + "1", "export.ndjson"],
        ["push", "--base-url", "http://user:hunter2@127.0.0.1:999999", "export.ndjson"],
    ],
)
def test_a_careless_command_line_is_wrong_usage(replay: Replay, args: list[str]) -> None:
    replay.write([identify("1", "ada@example.com")])
    done = replay.run(*args)
    assert done.returncode == 2, done.stderr
    assert "hunter2" not in done.stderr


def test_no_color_is_honoured_on_a_terminal(replay: Replay) -> None:
    replay.write([identify("1", "ada@example.com")])
    script = f"{COMMAND} dry-run export.ndjson"
    environment = replay.environment({"NO_COLOR": "1", "TERM": "xterm"})
    shown = subprocess.run(
        ["script", "-qec", script, "/dev/null"],
        cwd=replay.folder,
        env=environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert b"ada@example.com" in shown.stdout
    assert not re.search(rb"\x1b\[[0-9;]*m", shown.stdout)
