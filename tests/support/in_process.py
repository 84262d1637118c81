"""The command inside the test's own process: what it is given and what it leaves are those of a process.

To fork takes several times as long as most of what tests do with the command. Where a signal, a pipe, a
crash, a terminal or a second process is at stake, `forking` runs it. The pauses before a call is tried again
are short.
"""

import io
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from gc import get_threshold, set_threshold
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

from forking import COMMAND, decides_how_python_starts, forking

from cli.app import main
from wootric_map.account import connected
from wootric_map.mapping.entries import PART_BYTES

_PIPE: Final = 60_000
"""Bytes that a pipe holds until somebody reads them."""


def run_in_process(
    args: Sequence[str | bytes | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    timeout: float = 120,
) -> "subprocess.CompletedProcess[bytes]":
    """Run the command to its end, as `subprocess.run` does, through `cli.app.main`.

    A run whose environment decides how Python starts, or that may work in several processes, gets its own.
    """
    if decides_how_python_starts(env) or _may_fork(args, cwd):
        return forking().run(args, cwd=cwd, env=env, stdin=stdin, timeout=timeout)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        onto = (output.fileno(), errors.fileno())
        code = call_in_process(args, cwd=cwd, env=env, stdin=stdin, onto=onto, timeout=timeout)
        told = [_content(each) for each in (output, errors)]
    return subprocess.CompletedProcess([COMMAND, *args], code, *told)


def call_in_process(
    args: Sequence[str | bytes | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    onto: tuple[int, int],
    timeout: float = 120,
) -> int:
    """Run the command to its end, its output and errors going to these descriptors; returns its exit code.

    Raises:
        RuntimeError: this is not the main thread, so that the command gets no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("only the main thread can run the command in its own process")
    threads = set(threading.enumerate())
    with (
        _process_state(cwd, env),
        _descriptors(stdin, onto),
        _python_streams(),
        _at_most(timeout, args),
    ):
        sys.argv = [str(COMMAND), *(os.fsdecode(each) for each in args)]
        code = _code_of_main()
        for started in set(threading.enumerate()) - threads:
            if not started.daemon:
                started.join(timeout)
                assert not started.is_alive(), f"{started.name} goes on"
    return code


def _may_fork(args: Sequence[str | bytes | Path], cwd: Path) -> bool:
    """Whether a run may work in several processes: told to, or as what it reads is large or a pipe."""
    texts = [os.fsdecode(each) for each in args]
    return "-" in texts or any(
        each.startswith("--processes") or _is_large(cwd / each) for each in texts
    )


def _is_large(path: Path) -> bool:
    try:
        found = [path, *path.rglob("*")] if path.is_dir() else [path]
        statuses = [each.stat() for each in found if each.exists()]
    except (OSError, ValueError):
        return False
    is_pipe = any(stat.S_ISFIFO(each.st_mode) for each in statuses)
    return is_pipe or sum(each.st_size for each in statuses) >= PART_BYTES


def _never_fork() -> NoReturn:
    raise RuntimeError("the threads of the tests would be torn in two: run it in its own process")


@contextmanager
def _at_most(seconds: float, args: Sequence[str | bytes | Path]) -> Iterator[None]:
    def too_long(*_: object) -> NoReturn:
        raise subprocess.TimeoutExpired([*map(os.fsdecode, args)], seconds)

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _code_of_main() -> int:
    try:
        main(connect=partial(connected, jitter=_shorter_pause))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0 if error.code is None else 1


def _shorter_pause(least: float, most: float) -> float:
    """A pause between two tries: as in life, but for its length."""
    return random.uniform(least, most) / 20


@contextmanager
def _process_state(cwd: Path, env: Mapping[str, str]) -> Iterator[None]:
    """Set what belongs to the process, and set it back."""
    before = dict(os.environ)
    fork = os.fork
    folder, argv, temporary = os.open(".", os.O_RDONLY), sys.argv, tempfile.tempdir
    files, collected, mask = (
        resource.getrlimit(resource.RLIMIT_NOFILE),
        get_threshold(),
        os.umask(0),
    )
    os.umask(mask)
    try:
        os.chdir(cwd)
        _change_environment(env)
        tempfile.tempdir = None
        os.fork = _never_fork
        yield
    finally:
        os.fork = fork
        os.fchdir(folder)
        os.close(folder)
        _change_environment(before)
        sys.argv, tempfile.tempdir = argv, temporary
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
        set_threshold(*collected)
        os.umask(mask)


def _change_environment(wanted: Mapping[str, str]) -> None:
    has_zone = os.environ.get("TZ") != wanted.get("TZ")
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    if has_zone:
        time.tzset()


@contextmanager
def _descriptors(stdin: bytes, onto: tuple[int, int]) -> Iterator[None]:
    """Have the first three descriptors be a pipe that holds what is fed, and these two."""
    kept = [os.dup(number) for number in range(3)]
    input_, feed = os.pipe()
    feeding = None
    try:
        if len(stdin) <= _PIPE:
            _feed(feed, stdin)
        else:
            feeding = threading.Thread(target=_feed, args=(feed, stdin))
            feeding.start()
        os.dup2(input_, 0)
        os.close(input_)
        for number, each in enumerate(onto, start=1):
            os.dup2(each, number)
        yield
    finally:
        for number, each in enumerate(kept):
            os.dup2(each, number)
            os.close(each)
        if feeding:
            feeding.join()


def _feed(pipe: int, data: bytes) -> None:
    with suppress(BrokenPipeError), open(pipe, "wb", buffering=0) as file:
        while data:
            data = data[file.write(data) :]


@contextmanager
def _python_streams() -> Iterator[None]:
    names = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
    before = {name: getattr(sys, name) for name in names}
    made = (
        _stream(0, "r", "surrogateescape"),
        _stream(1, "w", "surrogateescape"),
        _stream(2, "w", "backslashreplace"),
    )
    try:
        for name, stream in zip(names, made * 2, strict=True):
            setattr(sys, name, stream)
        yield
        for each in (sys.stdout, sys.stderr):
            each.flush()
    finally:
        for name, kept in before.items():
            setattr(sys, name, kept)
        for each in made:
            each.close()


def _stream(number: int, mode: str, errors: str) -> io.TextIOWrapper:
    binary: Any = open(number, f"{mode}b", closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(binary, "utf-8", errors, line_buffering=number == 2)


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
