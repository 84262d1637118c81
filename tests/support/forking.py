"""The installed command as a process of its own, forked from one that has imported it already.

To start Python and import the command takes ten times as long as most of what tests do with it. A forked
command is a process like any other: with its own streams, environment, folder and end.
"""

import array
import atexit
import contextlib
import importlib
import io
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Any, Final, NoReturn, Self

import orjson

COMMAND: Final = Path(sys.executable).with_name("wootric-replay")

_MODULES: Final = (
    "cli.commands.dry_run", "cli.commands.journal", "cli.commands.map", "cli.commands.push",
    "cli.commands.snapshot", "cli.commands.status", "cli.commands.validate",
    "concurrent.futures.process", "multiprocessing.connection", "multiprocessing.popen_fork",
    "multiprocessing.queues", "platformdirs", "rich.live", "rich.progress", "rich.table",
    "wootric_map.wootric.client", "wootric_map.deliver.journal", "wootric_map.redaction.redaction",
    "wootric_map.sandbox", "wootric_map.snapshot.snapshot_reader",
)  # fmt: skip
"""What commands import when they are run."""

_OF_THE_INTERPRETER: Final = ("PYTHON", "LC_", "LANG", "LD_")
"""How variables begin that are read when Python starts."""

_STREAMS: Final = 3
_LENGTH: Final = 4


class Forking:
    """Runs the command in forked processes; may be used from several threads."""

    def __init__(self, command: Path) -> None:
        """Start the process that they are forked from.

        Args:
            command: what is run where forking is no use.
        """
        self._command = command
        self._folder = tempfile.TemporaryDirectory(prefix="forking-")
        self._address = str(Path(self._folder.name, "socket"))
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self._address)
            listening.listen()
            self._server = subprocess.Popen(
                [sys.executable, __file__, str(listening.fileno()), str(command)],
                pass_fds=[listening.fileno()],
                env=_plain(os.environ),
            )

    def close(self) -> None:
        """End the process that they are forked from."""
        self._server.kill()
        self._server.wait()
        self._folder.cleanup()

    def run(
        self,
        args: Sequence[str | bytes | Path],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: bytes,
        timeout: float,
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run the command to its end, as `subprocess.run` does."""
        command = [self._command, *args]
        if decides_how_python_starts(env):
            return subprocess.run(
                command,
                cwd=cwd,
                env=env,
                input=stdin,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        with self.start(args, cwd=cwd, env=env, stdin=subprocess.PIPE) as process:
            output, errors = process.communicate(stdin, timeout)
            return subprocess.CompletedProcess(command, process.wait(timeout), output, errors)

    def start(
        self,
        args: Sequence[str | bytes | Path],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: int | IO[Any] = subprocess.DEVNULL,
        stdout: int | IO[Any] = subprocess.PIPE,
        stderr: int | IO[Any] = subprocess.PIPE,
        start_new_session: bool = False,
        text: bool = False,
        limits: Mapping[int, tuple[int, int]] = MappingProxyType({}),
    ) -> "Forked":
        """Start the command, as `subprocess.Popen` does.

        Args:
            limits: the soft and the hard limit of each resource, by its number in `resource`.
        """
        asked = {
            "args": [os.fsencode(each).hex() for each in args],
            "cwd": os.fsencode(cwd).hex(),
            "env": {
                os.fsencode(name).hex(): os.fsencode(value).hex() for name, value in env.items()
            },
            "leads_session": start_new_session,
            "limits": [[number, *limit] for number, limit in limits.items()],
        }
        data = orjson.dumps(asked)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address)
        with contextlib.ExitStack() as stack:
            streams = (_Stream(stdin, os.O_RDONLY), _Stream(stdout), _Stream(stderr))
            ends = array.array("i", [stack.enter_context(each) for each in streams])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, ends)]
            connection.sendmsg([len(data).to_bytes(_LENGTH)], rights)
        connection.sendall(data)
        return Forked(connection, [each.ours for each in streams], text=text)


class _Stream:
    """A stream of a process to be started: within the context, the descriptor that is handed to it."""

    def __init__(self, wanted: int | IO[Any], flags: int = os.O_WRONLY) -> None:
        self._wanted = wanted
        self._flags = flags
        self.ours: int | None = None
        """The other end, if it is a pipe."""
        self._closed = -1

    def __enter__(self) -> int:
        if self._wanted == subprocess.PIPE:
            ends = os.pipe()
            self.ours, self._closed = ends if self._flags == os.O_WRONLY else ends[::-1]
        elif self._wanted == subprocess.DEVNULL:
            self._closed = os.open(os.devnull, self._flags)
        else:
            return self._wanted if isinstance(self._wanted, int) else self._wanted.fileno()
        return self._closed

    def __exit__(self, *_: object) -> None:
        if self._closed >= 0:
            os.close(self._closed)


class Forked:
    """The command at work in a process of its own: what tests use of a `subprocess.Popen`."""

    def __init__(
        self, connection: socket.socket, pipes: Sequence[int | None], *, text: bool
    ) -> None:
        """Take over a process that is being forked.

        Args:
            connection: tells its number, and how it ends.
            pipes: our ends of its input, output and errors; None for what is no pipe.
            text: whether they take and give text.
        """
        self._connection = connection
        self.pid = int.from_bytes(_exactly(connection, _LENGTH))
        self.stdin, self.stdout, self.stderr = (
            None if each is None else os.fdopen(each, mode if text else f"{mode}b")
            for each, mode in zip(pipes, ("w", "r", "r"), strict=True)
        )
        self.returncode: Any = None
        """The exit code; None as long as it is not known."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Close the pipes, and wait for the end."""
        for each in (self.stdin, self.stdout, self.stderr):
            if each:
                with contextlib.suppress(BrokenPipeError):
                    each.close()
        if error:
            self.kill()
        self.wait()

    def poll(self) -> int | None:
        """Return the exit code, or None as long as it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return None if self.returncode is None else int(self.returncode)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return its exit code."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                told = _exactly(self._connection, _LENGTH)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(COMMAND), timeout or 0) from None
            self._connection.close()
            self.returncode = int.from_bytes(told, signed=True)
        code: int = self.returncode
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tell it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, stdin: Any = "", timeout: float | None = None) -> tuple[Any, Any]:
        """Feed it, and read all that it writes, until its end."""
        with ThreadPoolExecutor(_STREAMS) as pool:
            fed = pool.submit(_feed, self.stdin, stdin)
            told = [pool.submit(_drain, each) for each in (self.stdout, self.stderr)]
            try:
                fed.result(timeout)
                output, errors = (each.result(timeout) for each in told)
            except TimeoutError:
                self.kill()
                raise subprocess.TimeoutExpired(str(COMMAND), timeout or 0) from None
        self.wait(timeout)
        return output, errors


@cache
def forking() -> Forking:
    """What this process runs the command with."""
    started = Forking(COMMAND)
    atexit.register(started.close)
    return started


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what is read when Python starts."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(_OF_THE_INTERPRETER)
    }


def decides_how_python_starts(env: Mapping[str, str]) -> bool:
    """Return whether Python has to be started anew to heed an environment."""
    usual = {"LC_ALL": {"C.UTF-8"}}
    return any(
        value not in usual.get(name, {os.environ.get(name)})
        for name, value in env.items()
        if name.startswith(_OF_THE_INTERPRETER)
    )


def _feed(pipe: IO[Any] | None, data: Any) -> None:
    if pipe:
        with contextlib.suppress(BrokenPipeError), pipe:
            if data:
                pipe.write(data)


def _drain(pipe: IO[Any] | None) -> Any:
    if not pipe:
        return None
    with pipe:
        return pipe.read()


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


# The process that the commands are forked from


def _serve(listening: socket.socket, command: str) -> NoReturn:
    for name in _MODULES:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, _bury)
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with contextlib.suppress(EOFError, OSError):
                _watch(connection, command)
            os._exit(0)
        connection.close()


def _bury(*_: object) -> None:
    """Wait for those that have ended, so that their time counts as the suite's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _watch(connection: socket.socket, command: str) -> None:
    """Run one command, and tell how it ended."""
    ends = array.array("i")
    size, rights, _, _ = connection.recvmsg(_LENGTH, socket.CMSG_LEN(_STREAMS * ends.itemsize))
    for _, _, data in rights:
        ends.frombytes(data)
    asked = orjson.loads(_exactly(connection, int.from_bytes(size)))
    process = os.fork()
    if process == 0:
        connection.close()
        _become(asked, ends, command)
    for end in ends:
        os.close(end)
    connection.sendall(process.to_bytes(_LENGTH))
    _, status = os.waitpid(process, 0)
    connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(_LENGTH, signed=True))


def _become(asked: Mapping[str, Any], ends: Sequence[int], command: str) -> NoReturn:
    """Be the command, as if Python had started with it."""
    if asked["leads_session"]:
        os.setsid()
    for number, *limit in asked["limits"]:
        resource.setrlimit(number, limit)
    for number, end in enumerate(ends):
        os.dup2(end, number)
    os.closerange(_STREAMS, 1024)
    os.chdir(bytes.fromhex(asked["cwd"]))
    os.environb.clear()
    for name, value in asked["env"].items():
        os.environb[bytes.fromhex(name)] = bytes.fromhex(value)
    time.tzset()
    tempfile.tempdir = None
    sys.argv = [command, *(os.fsdecode(bytes.fromhex(each)) for each in asked["args"])]
    sys.stdin = sys.__stdin__ = _stream(0, "r", "surrogateescape")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _stream(1, "w", "surrogateescape")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, "w", "backslashreplace")  # type: ignore[misc]
    code: object = 1
    try:
        importlib.import_module("cli.app").main()
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _stream(number: int, mode: str, errors: str) -> io.TextIOWrapper:
    binary: Any = open(number, f"{mode}b", closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(
        binary, "utf-8", errors, line_buffering=number == 2 or os.isatty(number)
    )


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
