"""Locks on files, which the system releases when their process ends."""

import fcntl
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import orjson

from wootric_map.errors import LockedError, NotAFileError
from wootric_map.ownership import open_ours

_LOOK_EVERY: Final = 0.25
"""Seconds between two looks at a lock that somebody else has."""

_LONGEST_NOTE: Final = 4096


class Holder(NamedTuple):
    """Who has a lock."""

    process: int
    host: str
    since: float
    """Unix time."""


def open_alone(path: Path) -> FileIO:
    """Open a file to read and write, for one run alone; make it, with mode 600, if there is none.

    Raises:
        LockedError: another run has the file open.
        NotAFileError: the path leads to a folder, a link, a device or a pipe.
        NotOursError: the file is somebody else's.
        OSError: the file can't be opened.
    """
    while True:
        try:
            file = FileIO(open_ours(path, os.O_RDWR | os.O_CREAT), "r+")
        except IsADirectoryError as error:
            raise NotAFileError from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.lstat()):
                return file
        except BlockingIOError as error:
            file.close()
            raise LockedError from error
        except FileNotFoundError:
            pass  # another run has just moved the file away
        except BaseException:
            file.close()
            raise
        file.close()  # another run has just moved or replaced the file


class RunLock:
    """Keeps two runs from working on one account at once."""

    def __init__(self, file: FileIO, path: Path) -> None:
        self._file = file
        self._path = path

    @classmethod
    def take(
        cls,
        path: Path,
        *,
        timeout: float,
        wait: Callable[[float], bool],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> Self:
        """Take the lock, and write into its file which process has it.

        Args:
            path: the lock's file; it stays when the lock is released, unless `remove` was called.
            timeout: seconds to wait for another run that has the lock.
            wait: waits so many seconds; returns true if the run was told to stop.
            clock: returns the unix time.
            monotonic: returns seconds by a clock that is never set.

        Raises:
            LockedError: another run still has the lock.
            NotAFileError: the path leads to no file, or to one that is not a lock's.
            NotOursError: the file is somebody else's.
            OSError: the file can't be written.
        """
        # A process that only looks who has the lock has it for a moment.
        deadline = monotonic() + max(timeout, _LOOK_EVERY)
        while True:
            try:
                file = open_alone(path)
            except LockedError:
                left = deadline - monotonic()
                if left <= 0 or wait(min(left, _LOOK_EVERY)):
                    raise
            else:
                note = Holder(os.getpid(), socket.gethostname(), clock())
                if not _is_note(file.read(_LONGEST_NOTE)):
                    file.close()
                    raise NotAFileError
                file.seek(0)
                file.truncate(0)
                file.write(orjson.dumps(note._asdict()))
                return cls(file, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def remove(self) -> None:
        """Delete the lock's file if possible; from then on another run may begin.

        A run that waits for this lock sees in `open_alone` that the file is gone.
        """
        with suppress(OSError):
            if os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
                self._path.unlink()


def holder(path: Path) -> Holder | None:
    """Return which process has a lock, as far as its file tells; None if none has."""
    try:
        with FileIO(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _noted(file.read(_LONGEST_NOTE))
    except OSError:
        return None
    return None


def _is_note(content: bytes) -> bool:
    """Return whether a file is empty or holds what a lock's file does."""
    return not content.strip(b"\0") or content.startswith(b'{"process":')


def _noted(note: bytes) -> Holder:
    try:
        said: Any = orjson.loads(note)
        return Holder(int(said["process"]), str(said["host"]), float(said["since"]))
    except (ValueError, TypeError, KeyError):
        return Holder(0, "", 0.0)  # the lock was taken just now
