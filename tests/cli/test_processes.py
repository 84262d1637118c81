"""One process or many, with the extra `fast` or without: the output is the same, to the byte."""

import gzip
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from forking import Forked
from generate import records

from tests.conftest import Result, Run, Start
from wootric_map.mapping.entries import PART_BYTES

LATE = b'{"type":"track","userId":"1"}'
BROKEN = (b"{", b"", b'{"type":"identify"}', b'{"type":"group","userId":"1"}', b"[]", b"\r")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two exports, one of them large enough to be cut, and one packed; with faults in all of them.

    The last line of the large one has a fault that no other has.
    """

    def lines(count: int, padding: str = "") -> Iterator[bytes]:
        for number, record in enumerate(records(count, count // 10, 1)):
            record["context"]["padding"] = padding
            yield orjson.dumps(record)
            if number % 200 == 0:
                yield BROKEN[number // 200 % len(BROKEN)]

    folder = tmp_path_factory.mktemp("exports")
    (folder / "a.ndjson").write_bytes(b"\n".join(lines(100)))
    large = b"\r\n".join((*lines(2500, "x" * 3000), LATE))
    assert len(large) > 2 * PART_BYTES
    (folder / "b.ndjson").write_bytes(large)
    (folder / "c.ndjson").write_bytes(gzip.compress(b"\n".join(lines(100)), 1))
    return folder


@pytest.fixture
def exports(made: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return shutil.copytree(made, tmp_path / "exports")


def test_processes_change_nothing_of_what_a_map_shows(run: Run, exports: Path) -> None:
    # More comes of it than one process may hold: the rest is shown by the command's own.
    much = {"type": "identify", "userId": "ada@example.com", "traits": {"about": "x" * 4000}}
    packed = gzip.compress(b"\n".join([orjson.dumps(much)] * 3000), 1)
    (exports / "c.ndjson").write_bytes(packed)
    for redact, numbers in (([], ("2", "5")), (["--redact"], ("2",))):
        command = ["map", *redact, str(exports), "-", "--processes"]
        settings: dict[str, Any] = {"stdin": b"[]", "environment": {"WOOTRIC_REDACT_KEY": "key"}}
        alone = run(*command, "1", **settings)
        assert alone.returncode == 1
        places = [(each["source"], each["line"]) for each in map(orjson.loads, lines(alone))]
        assert places == sorted(places, key=lambda place: (place[0] == "-", *place))
        assert ("ada@example.com" in alone.stdout) == (not redact)
        for processes in numbers:
            many = run(*command, processes, **settings)
            assert (many.stdout, many.stderr) == (alone.stdout, alone.stderr)
            assert many.returncode == 1


def test_a_pipe_among_large_exports_is_read_once_and_whole(
    start: Start, exports: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    much = {"type": "identify", "userId": "ada@example.com", "traits": {"about": "x" * 4000}}
    shown = tmp_path / "shown.ndjson"
    with shown.open("wb") as output:
        process = start("map", "--processes", "2", pipe, exports, stdout=output)
        with pipe.open("wb") as writing:
            writing.write(b"\n".join([orjson.dumps(much)] * 3000))
        assert process.wait(timeout=60) == 1
    found = [orjson.loads(line) for line in shown.read_bytes().splitlines()]
    assert [each["line"] for each in found if each["source"] == str(pipe)] == [*range(1, 3001)]
    assert found[3000]["source"] == str(exports / "a.ndjson")


def lines(done: Result) -> list[str]:
    return done.stdout.splitlines()


@pytest.mark.parametrize("processes", ["1", "3"])
def test_a_map_ends_when_its_reader_has_seen_enough(
    start: Start, exports: Path, processes: str
) -> None:
    process = start("map", "--processes", processes, exports)
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline().startswith(b'{"source":')
    process.stdout.close()
    assert process.stderr.read() == b""  # to its end: no process is left that could write to it
    assert process.wait(timeout=30) == 141


@pytest.mark.parametrize("processes", ["1", "3"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_stopped_leaves_no_process_behind(
    start: Start, exports: Path, processes: str, number: signal.Signals
) -> None:
    process = start("map", "--processes", processes, exports)
    assert process.stdout
    assert process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=30)  # to the end of its output
    assert process.returncode == (130 if number == signal.SIGINT else -number)


@pytest.mark.parametrize(
    ("command", "is_piped", "processes"),
    [
        (["validate"], False, "2"),
        (["validate"], True, "5"),
        (["validate", "--format", "json"], False, "5"),
        (["dry-run"], True, "2"),
        (["dry-run", "--format", "json"], False, "5"),
        (["dry-run", "--format", "json", "--no-fold"], False, "2"),
    ],
)
def test_processes_change_nothing(
    run: Run, made: Path, command: list[str], is_piped: bool, processes: str
) -> None:
    stdin = b""
    given: list[str | Path] = [made]
    if is_piped:
        stdin = (made / "b.ndjson").read_bytes()
        given = ["-"]
    alone = run(*command, "--processes", "1", *given, stdin=stdin)
    assert alone.returncode == 1
    told = alone.stdout + alone.stderr
    assert str((made / "b.ndjson").read_bytes().count(b"\n") + 1) in told, "the line of LATE"
    many = run(*command, "--processes", processes, *given, stdin=stdin)
    assert (many.stdout, many.stderr) == (alone.stdout, alone.stderr)
    assert many.returncode == 1


@pytest.mark.parametrize("command", [["validate", "--format", "json"], ["map"]])
def test_the_extra_for_gzip_changes_nothing(run: Run, tmp_path: Path, command: list[str]) -> None:
    lines = b"\n".join(map(orjson.dumps, records(2000, 200, 1)))
    whole = gzip.compress(lines, 6)
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "cut.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "checksum.gz").write_bytes(whole[:-8] + bytes(8))
    (folder / "members.gz").write_bytes(whole + bytes(512) + whole + b"<html>")
    corrupt = bytearray(whole)
    corrupt[len(whole) // 2] ^= 1
    (folder / "corrupt.gz").write_bytes(corrupt)
    hidden = tmp_path / "hidden" / "zlib_ng.py"
    hidden.parent.mkdir()
    hidden.write_text("raise ModuleNotFoundError(name='zlib_ng')")

    fast = run(*command, folder)
    slow = run(*command, folder, environment={"PYTHONPATH": str(hidden.parent)})
    assert fast.returncode == 1
    assert fast.stdout.count("the file broke off or is corrupt here") == 3
    if command == ["map"]:
        assert fast.stdout.count('"trailing_data"') == 1
    assert (slow.stdout, slow.stderr, slow.returncode) == (fast.stdout, fast.stderr, 1)


# Runs that end before their time. The processes hold the output open: that ends once they all have.


@pytest.fixture
def reading(start: Start) -> Iterator[Callable[..., Forked]]:
    """Starts a command that reads standard input, which does not end, and is at work on it."""
    started: list[Forked] = []

    def start_reading(*command: str) -> Forked:
        arguments = (*command, "--processes", "2", "-")
        process = start(*arguments, stdin=subprocess.PIPE, start_new_session=True)
        started.append(process)
        feed(process, 12)  # two parts, and half of one
        return process

    yield start_reading
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


LINE = orjson.dumps({"type": "page", "userId": "1", "properties": {"path": "/" + "x" * 1000}})


def feed(process: Forked, megabytes: int) -> None:
    """Write so much to it; all but what a pipe holds is read then."""
    assert process.stdin
    process.stdin.write((LINE + b"\n") * (megabytes * 1_000_000 // len(LINE)))
    process.stdin.flush()


def finish(process: Forked) -> tuple[int, bytes]:
    """What it exits with, and its errors; no process of its is left."""
    assert process.stdout
    assert process.stderr
    with ThreadPoolExecutor(2) as pool:
        output, errors = (pool.submit(each.read) for each in (process.stdout, process.stderr))
        output.result(timeout=30)
        told = errors.result(timeout=30)
    assert b"Traceback" not in told
    return process.wait(timeout=30), told


@pytest.mark.parametrize("everybody", [False, True])
@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("dry-run", signal.SIGINT, 130),
        ("dry-run", signal.SIGTERM, 143),
        ("dry-run", signal.SIGHUP, 129),
        ("validate", signal.SIGINT, 130),
        ("inspect", signal.SIGINT, 130),
        ("inspect", signal.SIGTERM, -signal.SIGTERM),
        ("validate", signal.SIGTERM, -signal.SIGTERM),
    ],
)
def test_a_signal_ends_all_processes(
    reading: Callable[..., Forked],
    command: str,
    number: signal.Signals,
    code: int,
    everybody: bool,
) -> None:
    """Sent to one of them, or to all, as a terminal does."""
    process = reading(command)
    if everybody:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert finish(process)[0] == code


@pytest.mark.parametrize("command", ["dry-run", "inspect", "validate"])
def test_nothing_is_left_of_a_run_that_is_killed(
    reading: Callable[..., Forked], command: str
) -> None:
    process = reading(command)
    process.kill()
    assert finish(process) == (-signal.SIGKILL, b"")


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux lists children there")
@pytest.mark.parametrize("command", ["dry-run", "inspect", "validate"])
def test_a_process_that_is_killed_ends_the_run_with_a_word(
    reading: Callable[..., Forked], command: str
) -> None:
    process = reading(command)
    first, _ = children(process.pid)
    os.kill(first, signal.SIGKILL)
    with suppress(BrokenPipeError):
        feed(process, 40)
    code, errors = finish(process)
    assert code == 70
    assert b"--processes 1" in errors


def test_a_reader_that_goes_away_ends_all_processes(start: Start, exports: Path) -> None:
    process = start("dry-run", "--format", "json", "--processes", "2", str(exports))
    assert process.stdout
    assert orjson.loads(process.stdout.readline())["action"] == "create"
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 141
