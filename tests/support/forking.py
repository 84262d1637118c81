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
from typing import Any, Final, NoReturn

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
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._address)
            connection.settimeout(timeout)
            output, errors = self._exchange(connection, args, cwd, env, stdin, timeout)
            code = int.from_bytes(_exactly(connection, _LENGTH), signed=True)
        return subprocess.CompletedProcess(command, code, output, errors)

    def _exchange(
        self,
        connection: socket.socket,
        args: Sequence[str | bytes | Path],
        cwd: Path,
        env: Mapping[str, str],
        stdin: bytes,
        timeout: float,
    ) -> tuple[bytes, bytes]:
        """Hand the streams over, and give what comes out of them."""
        (input_end, input_), (output, output_end), (errors, errors_end) = (
            os.pipe() for _ in range(_STREAMS)
        )
        asked = {
            "args": [os.fsencode(each).hex() for each in args],
            "cwd": os.fsencode(cwd).hex(),
            "env": {
                os.fsencode(name).hex(): os.fsencode(value).hex() for name, value in env.items()
            },
        }
        data = orjson.dumps(asked)
        ends = array.array("i", [input_end, output_end, errors_end])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, ends)]
        connection.sendmsg([len(data).to_bytes(_LENGTH)], rights)
        connection.sendall(data)
        for end in ends:
            os.close(end)
        process = int.from_bytes(_exactly(connection, _LENGTH))
        with ThreadPoolExecutor(_STREAMS) as pool:
            fed = pool.submit(_feed, input_, stdin)
            told = [pool.submit(_drain, each) for each in (output, errors)]
            try:
                fed.result(timeout)
                first, second = (each.result(timeout) for each in told)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired([self._command, *args], timeout) from None
        return first, second


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


def _feed(pipe: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(pipe, "wb", buffering=0) as file:
        while data:
            data = data[file.write(data) :]


def _drain(pipe: int) -> bytes:
    with open(pipe, "rb") as file:
        return file.read()


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
    return io.TextIOWrapper(binary, "utf-8", errors, line_buffering=number == 2)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
