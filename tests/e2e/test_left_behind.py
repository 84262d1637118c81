"""What a run leaves to others: its processes' environment, its files; and what it does with odd ones."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Final

import orjson
import pytest
from forking import COMMAND, Forked
from replaying import Replay, identify, refusing, until

from wootric_map.plan.plan_writer import PlanWriter
from wootric_map.sandbox import SandboxSettings

ADA = identify("1", "ada@example.com")
LONG = identify("1", "ada@example.com") | {"context": {"padding": "x" * 3000}}
"""Of 2,000 of these an export is large enough to be read by several processes."""

needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


def children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children")
    return [int(number) for number in found.read_text().split()] if found.exists() else []


@needs_proc
def test_no_process_of_a_run_shows_a_secret_in_its_environment(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    secrets = {
        "WOOTRIC_CLIENT_SECRET": "first-of-the-secrets",
        "WOOTRIC_PASSWORD": "second-of-the-secrets",
        "WOOTRIC_REDACT_KEY": "third-of-the-secrets",
    }
    large = tmp_path / "large.ndjson"
    large.write_bytes((orjson.dumps(LONG) + b"\n") * 2000)
    # Started anew: what is forked shows the environment of what it is forked from.
    with subprocess.Popen(
        [COMMAND, "validate", "--redact", "--processes", "2", large, "pipe"],
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), **secrets},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        until(lambda: len(children(process.pid)) >= 2)
        shown = [
            Path(f"/proc/{number}/{what}").read_bytes()
            for number in (process.pid, *children(process.pid))
            for what in ("environ", "cmdline")
        ]
        with (tmp_path / "pipe").open("wb"):
            pass
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert len(shown) >= 6
    assert any(b"XDG_STATE_HOME" in each for each in shown)
    assert not any(b"of-the-secrets" in each for each in shown)


_EXECUTED: Final = """
import ctypes, os, sys
def array(texts):
    return (ctypes.c_char_p * (len(texts) + 1))(*map(os.fsencode, texts), None)
environment = [f"{name}={value}" for name, value in os.environ.items()]
twice = ["WOOTRIC_CLIENT_SECRET=second-of-the-secrets", "WOOTRIC_CLIENT_SECRET=third-of-the-secrets"]
ctypes.CDLL(None).execve(os.fsencode(sys.argv[1]), array(sys.argv[1:]), array(environment + twice))
"""
"""Executes a command with a variable that is given three times, as no shell does, but another program may."""


@needs_proc
def test_no_secret_stays_where_its_variable_is_given_several_times(replay: Replay) -> None:
    os.mkfifo(replay.folder / "pipe")
    secret = replay.sandbox.settings.client_secret
    command = [sys.executable, "-c", _EXECUTED, str(COMMAND), "push", "pipe"]
    with subprocess.Popen(
        command, cwd=replay.folder, env=replay.environment(), stderr=subprocess.PIPE
    ) as process:
        with (replay.folder / "pipe").open("wb"):
            until(lambda: bool(replay.sandbox.requests))
            shown = Path(f"/proc/{process.pid}/environ").read_bytes()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert shown.count(b"WOOTRIC_CLIENT_SECRET=") == 3
    assert b"of-the-secrets" not in shown
    assert secret.encode() not in shown


def test_a_secret_that_has_left_the_environment_still_signs_in(replay: Replay) -> None:
    with replay.start("push", replay.write([ADA])) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


@pytest.mark.parametrize(
    ("variable", "others"),
    [
        ("WOOTRIC_CLIENT_SECRET", {}),
        ("WOOTRIC_CLIENT_ID", {}),
        ("WOOTRIC_ACCOUNT_TOKEN", {}),
        ("WOOTRIC_BASE_URL", {}),
        ("WOOTRIC_PASSWORD", {"WOOTRIC_CLIENT_ID": None, "WOOTRIC_USERNAME": "ada"}),
        ("WOOTRIC_USERNAME", {"WOOTRIC_CLIENT_ID": None, "WOOTRIC_PASSWORD": "secret"}),
    ],
)
def test_credentials_that_are_no_text_are_named_and_never_shown(
    replay: Replay, variable: str, others: Mapping[str, str | None]
) -> None:
    bad = os.fsdecode(b"hush\xffhush")
    done = replay.push(replay.write([ADA]), env={**others, variable: bad})
    assert done.returncode == 2, done.stderr
    assert variable in done.stderr
    assert "no UTF-8 text" in done.stderr
    assert "hush" not in done.stderr


def test_a_file_of_a_secret_that_is_no_text_is_named(replay: Replay) -> None:
    (replay.folder / "secret").write_bytes(b"hush\xff")
    done = replay.push(replay.write([ADA]), "--client-secret-file", "secret")
    assert done.returncode == 2
    assert "can't be read from secret: it is no UTF-8 text" in done.stderr
    assert "hush" not in done.stderr


# What is no plain file


@pytest.mark.parametrize("option", ["--rejects", "--unidentified"])
def test_a_pipe_that_nobody_reads_is_refused_and_not_waited_for(
    replay: Replay, option: str
) -> None:
    os.mkfifo(replay.folder / "pipe")
    done = replay.push("--sandbox", replay.write([ADA]), option, "pipe")
    assert done.returncode == 2, done.stderr
    assert f"{option}: pipe is a pipe or socket that nobody reads" in done.stderr


def test_a_plan_goes_to_no_pipe_and_a_log_waits_for_no_reader(replay: Replay) -> None:
    os.mkfifo(replay.folder / "pipe")
    done = replay.run("dry-run", replay.write([ADA]), "--out", "pipe")
    assert done.returncode == 2
    assert "--out pipe" in done.stderr
    done = replay.run("sandbox", "--log", "pipe")
    assert done.returncode == 2
    assert "cannot open pipe: nobody reads this pipe" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("snapshot", "--update", "pipe"),
        ("snapshot", "--update", "pipe", "-o", "newer"),
        ("snapshot", "-o", "pipe"),
        ("dry-run", "--against", "pipe", "export.ndjson"),
        ("push", "--against", "pipe", "export.ndjson"),
        ("push", "--plan", "pipe"),
        ("push", "--journal", "pipe", "export.ndjson"),
        ("dry-run", "--journal", "pipe", "export.ndjson"),
        ("status", "--journal", "pipe"),
        ("journal", "forget", "--yes", "--journal", "pipe"),
    ],
)
def test_a_pipe_is_not_waited_for_where_a_file_is_needed(
    replay: Replay, args: tuple[str, ...]
) -> None:
    replay.write([ADA])
    os.mkfifo(replay.folder / "pipe")
    done = replay.run(*args)
    assert done.returncode == 2, done.stderr
    assert "pipe" in done.stderr


def test_rejects_go_to_a_pipe_that_is_read_and_exports_come_from_one(replay: Replay) -> None:
    os.mkfifo(replay.folder / "rejects")
    os.mkfifo(replay.folder / "export")
    reading = os.open(replay.folder / "rejects", os.O_RDONLY | os.O_NONBLOCK)
    with replay.start("push", "export", "--rejects", "rejects") as process:
        (replay.folder / "export").write_bytes(orjson.dumps(ADA) + b"\n{broken\n")
        _, errors = process.communicate(timeout=60)
    kept = orjson.loads(os.read(reading, 100_000))
    os.close(reading)
    assert process.returncode == 1, errors
    assert kept["record"] == "{broken"
    assert set(replay.users()) == {"1"}


def test_a_link_that_leads_back_to_itself_is_passed_over_in_a_folder(replay: Replay) -> None:
    folder = replay.folder / "logs"
    folder.mkdir()
    replay.write([ADA], "logs/a.ndjson")
    (folder / "loop.ndjson").symlink_to("loop.ndjson")
    (folder / "again").symlink_to("again")
    done = replay.push(folder)
    assert done.returncode == 0, done.stderr
    assert set(replay.users()) == {"1"}
    assert "loop.ndjson" in done.stdout
    assert "again" in done.stdout


@pytest.mark.parametrize(
    "args",
    [
        ("validate", "loop"),
        ("push", "export.ndjson", "--rejects", "loop"),
        ("push", "export.ndjson", "--unidentified", "loop"),
        ("push", "export.ndjson", "--journal", "loop"),
        ("push", "--plan", "loop"),
        ("dry-run", "export.ndjson", "--out", "loop"),
        ("dry-run", "export.ndjson", "--journal", "loop"),
        ("status", "--journal", "loop"),
        ("journal", "forget", "--yes", "--journal", "loop"),
        ("snapshot", "-o", "loop"),
        ("snapshot", "--update", "loop"),
        ("sandbox", "--log", "loop"),
    ],
)
def test_a_link_that_leads_back_to_itself_is_a_clear_error(
    replay: Replay, args: tuple[str, ...]
) -> None:
    replay.write([ADA])
    (replay.folder / "loop").symlink_to("loop")
    done = replay.run(*args)
    assert done.returncode == 2, done.stderr
    assert "loop" in done.stderr
    assert "a link that leads back to itself" in done.stderr


# What killed runs leave


def partials(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f".{name}.*.partial"))


def test_what_a_killed_push_has_written_is_removed_by_the_next_but_not_a_living_ones(
    replay: Replay,
) -> None:
    export = replay.folder / "export.ndjson"
    export.write_bytes(orjson.dumps(ADA) + b"\n{broken\n")
    for other in ("", "other"):
        # Half a minute lies between two of its calls.
        with replay.start("push", "--rate", "2", export) as process:
            until(lambda: bool(partials(replay.folder, "rejects.ndjson")))
            (written,) = partials(replay.folder, "rejects.ndjson")
            if other:
                done = replay.push("--sandbox", export)
                assert done.returncode == 1, done.stderr
                assert written.exists()
            process.kill()
            process.communicate()
        assert written.exists()
        done = replay.push("--sandbox", replay.write([ADA], "good"))
        assert done.returncode == 0, done.stderr
        assert not partials(replay.folder, "rejects.ndjson")


def test_left_overs_of_plans_and_snapshots_are_removed_and_nothing_else(replay: Replay) -> None:
    stay = [".plan.12345678.partial.x", ".plan.123.partial", ".planning.12345678.partial", ".link"]
    go = [".plan.abc_1234.partial", ".nobody.abc_1234.partial", ".account.12345678.partial"]
    for name in (*stay, *go):
        (replay.folder / name).write_text("x")
    (replay.folder / ".plan.87654321.partial").symlink_to(".link")
    export = replay.write([ADA])
    assert (
        replay.run("dry-run", export, "--out", "plan", "--unidentified", "nobody").returncode == 0
    )
    assert replay.run("snapshot", "-o", "account").returncode == 0
    left = {each.name for each in replay.folder.iterdir()}
    assert left >= {*stay, ".plan.87654321.partial"}
    assert not left & {*go}


def test_a_plan_that_is_being_written_stays(replay: Replay) -> None:
    export = replay.write([ADA])
    with PlanWriter(replay.folder / "plan", account=None, against="nothing") as plan:
        assert replay.run("dry-run", export, "--out", "plan").returncode == 0
        assert len(partials(replay.folder, "plan")) == 1
        plan.finish()
    assert not partials(replay.folder, "plan")


def test_a_killed_push_of_a_plans_rejects_leaves_no_copy_of_them(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings(faults=(refusing("ada@example.com"),)))
    assert replay.push("--plan", replay.plan(replay.write([ADA]))).returncode == 1
    temporary = replay.folder / "temporary"
    temporary.mkdir()
    calls = len(replay.sandbox.requests)
    with replay.start("push", "rejects.ndjson", env={"TMPDIR": str(temporary)}) as process:
        until(lambda: len(replay.sandbox.requests) > calls)
        process.kill()
        process.communicate()
    assert not list(temporary.iterdir())


# Few open files


def few_files(number: int, *, most: int | None = None) -> dict[int, tuple[int, int]]:
    return {resource.RLIMIT_NOFILE: (number, most or number)}


@pytest.mark.parametrize("number", [8, 12, 20])
@pytest.mark.parametrize(
    "args", [("push", "--sandbox", "export.ndjson"), ("validate", "--processes", "2", "large")]
)
def test_too_few_open_files_are_said_before_anything_is_done(
    replay: Replay, number: int, args: tuple[str, ...]
) -> None:
    replay.write([ADA])
    replay.write([LONG] * 2000, "large")
    done = replay.run_within(few_files(number), *args)
    assert done.returncode == 2, done.stderr
    assert f"no more than {number} files may be open at once" in done.stderr
    assert "ulimit -n 1024" in done.stderr


def test_few_open_files_are_enough_or_what_wants_more_is_named(replay: Replay) -> None:
    replay.write([ADA, *(identify(f"u{n}", f"{n}@example.com") for n in range(100))])
    replay.write([LONG] * 2000, "large")
    done = replay.run_within(few_files(56), "push", "--sandbox", "export.ndjson")
    assert done.returncode == 0, done.stderr
    done = replay.run_within(few_files(64), "validate", "--processes", "8", "large")
    assert done.returncode == 0, done.stderr
    for args in (
        ("push", "export.ndjson", "--workers", "200"),
        ("map", "large", "--processes", "99"),
    ):
        done = replay.run_within(few_files(64), *args)
        assert done.returncode == 2
        assert "no more than 64 files may be open at once" in done.stderr
        assert "give fewer --workers and --processes" in done.stderr
        assert not done.stdout


def test_a_soft_limit_on_open_files_is_raised(replay: Replay) -> None:
    few = few_files(12, most=4096)
    done = replay.run_within(few, "push", "--sandbox", replay.write([ADA]))
    assert done.returncode == 0, done.stderr


# Locks


OF_USER = Path(f"/tmp/wootric-replay-{os.geteuid()}")  # noqa: S108 - as the README says


def reading(replay: Replay, *lines: bytes) -> tuple[Forked, BinaryIO]:
    """A push that has got these lines through a pipe, and waits for more until that is closed."""
    pipe = replay.folder / "pipe"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    process = replay.start("push", pipe)
    feed = pipe.open("wb", buffering=0)
    feed.write(b"".join(line + b"\n" for line in lines))
    return process, feed


@pytest.mark.parametrize(
    "elsewhere",
    [{"XDG_RUNTIME_DIR": "runtime"}, {"XDG_RUNTIME_DIR": "other"}, {"XDG_RUNTIME_DIR": None}],
)
def test_runs_with_folders_of_their_own_do_not_overlap_either(
    replay: Replay, elsewhere: Mapping[str, str | None]
) -> None:
    export = replay.write([ADA])
    env = {name: each and str(replay.folder / each) for name, each in elsewhere.items()}
    process, feed = reading(replay, orjson.dumps(ADA))
    with process:
        with feed:
            until(lambda: bool(replay.sandbox.requests))
            done = replay.push(export, env={**env, "XDG_STATE_HOME": str(replay.folder / "other")})
            assert done.returncode == 6, done.stderr
            assert f"at work on this account: process {process.pid} " in done.stderr
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    (lock,) = replay.folder.rglob("state/**/*.lock")
    for folder in (replay.folder / "runtime", OF_USER):
        assert not list(folder.rglob(lock.name))


def test_a_run_whose_folders_are_one_takes_each_lock_once(replay: Replay) -> None:
    link = replay.folder / "link"
    link.symlink_to("one")
    env = {"XDG_RUNTIME_DIR": str(replay.folder / "one"), "XDG_STATE_HOME": str(link)}
    (replay.folder / "one").mkdir()
    for _ in range(2):
        done = replay.push(replay.write([ADA]), env=env)
        assert done.returncode == 0, done.stderr


def test_a_lock_that_is_deleted_during_a_run_is_named_as_the_cause(replay: Replay) -> None:
    export = replay.write([ADA])
    process, feed = reading(replay, orjson.dumps(ADA))
    with process:
        with feed:
            until(lambda: bool(replay.sandbox.requests))
            for lock in replay.folder.rglob("*.lock"):
                lock.unlink()
                (OF_USER / lock.name).unlink(missing_ok=True)
            done = replay.push(export)
        _, errors = process.communicate(timeout=60)
    told = [
        text
        for code, text in ((process.returncode, errors), (done.returncode, done.stderr))
        if code
    ]
    assert told
    for text in told:
        assert "as happens where the file of a lock is deleted while a run is at work" in text
        assert "database is locked" not in text
        assert "disk" not in text


# A full disk


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "command", ["inspect", "validate", "map", "dry-run", "push --sandbox", "status"]
)
def test_an_output_that_is_full_is_named(replay: Replay, command: str) -> None:
    export = replay.write([ADA])
    assert replay.push(export).returncode == 0
    args = command.split() + ([] if command == "status" else [str(export)])
    with Path("/dev/full").open("wb") as full, replay.start(*args, stdout=full) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 5, errors
    assert "No space left on device (standard output)" in errors


def test_a_full_disk_is_named_by_the_file_that_it_has_no_room_for(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings())
    # 32 KiB are too little for what is kept here, and the sandbox's journal is held in memory.
    export = replay.write([identify(f"u{n}", f"{n}@example.com", a="x" * 900) for n in range(100)])
    broken = replay.folder / "broken"
    broken.write_bytes((b"{broken" + b"x" * 900 + b"\n") * 100)
    full = {resource.RLIMIT_FSIZE: (32 * 1024, 32 * 1024)}
    done = replay.run_within(full, "push", "--sandbox", broken)
    assert done.returncode == 5, done.stderr
    assert f"File too large ({replay.folder / 'rejects.ndjson'})" in done.stderr
    done = replay.run_within(full, "dry-run", export, "--out", "plan")
    assert done.returncode == 5, done.stderr
    assert f"File too large ({replay.folder / 'plan'})" in done.stderr
    assert replay.push(export).returncode == 0
    done = replay.run_within(full, "snapshot", "-o", "account")
    assert done.returncode == 5, done.stderr
    assert "File too large (account.partial)" in done.stderr
