"""Files that one run at a time has open. A lock goes with its process, however that ends."""

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
    """Open a file to read and write, made if there is none, that no other run has open.

    Only its owner may read one that is made; of one that is there nothing is changed.

    Raises:
        LockedError: another run has it.
        NotAFileError: it is a folder, a link, a device or a pipe.
        NotOursError: it is somebody else's.
        OSError: it can't be opened.
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
            pass  # as below
        except BaseException:
            file.close()
            raise
        file.close()  # the run that had it moved it away just now


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
        patience: float,
        wait: Callable[[float], bool],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> Self:
        """Take the lock, and leave a note of who has it.

        Args:
            path: the lock's file; it stays when the lock is let go, unless `remove` was called.
            patience: seconds to wait for whoever has it.
            wait: waits so many seconds; True if the run was told to stop.
            clock: the unix time.
            monotonic: seconds that only ever grow.

        Raises:
            LockedError: somebody else still has it.
            NotAFileError: it is no file, or one that is no lock's.
            NotOursError: it is somebody else's.
            OSError: it can't be written.
        """
        # Whoever only looks who has it keeps it for a moment too.
        deadline = monotonic() + max(patience, _LOOK_EVERY)
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
        """Delete the lock's file, if it can be deleted; from then on another run may begin.

        Whoever has the file open, to wait for this lock, finds out in `open_alone` that another file or
        none stands in its place.
        """
        with suppress(OSError):
            if os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
                self._path.unlink()


def holder(path: Path) -> Holder | None:
    """Who has a lock, as far as can be told; None where nobody has it."""
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
    """Whether a file holds no more than who has it, or had it."""
    return not content.strip(b"\0") or content.startswith(b'{"process":')


def _noted(note: bytes) -> Holder:
    try:
        said: Any = orjson.loads(note)
        return Holder(int(said["process"]), str(said["host"]), float(said["since"]))
    except (ValueError, TypeError, KeyError):
        return Holder(0, "", 0.0)  # it has been taken, and not noted yet
