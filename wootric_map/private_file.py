"""Files that are written beside their place, and moved there once they are whole.

A run keeps a file locked while it writes it, and a lock ends with its process. So a file that a killed
run has left is known from one that is being written.
"""

import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Final, Self

from wootric_map.ownership import place_of_ours

PARTIAL: Final = ".partial"
"""What the name of a file ends in until it is whole; a later run goes on with a snapshot of that name."""

LONGEST_LINE: Final = 64 * 1024 * 1024
"""Bytes that are read as one line of such a file; a longer line is none that a run wrote."""

_RANDOM: Final = "[a-z0-9_]{8}"
"""What `mkstemp` puts between a prefix and an ending."""


class PrivateFile:
    """A file that only its owner can read, and that stands in its place whole or not at all.

    As a context it is thrown away at the end, unless `finish` has put it in its place.
    """

    def __init__(
        self,
        file: FileIO,
        path: Path,
        place: Path,
        *,
        size: int = 0,
        buffer: int = 0,
        shown: Path | None = None,
    ) -> None:
        """Go on with a file; a new one is made by `beside`.

        Args:
            file: the file, open to be read and written, which no other run has open.
            path: its name.
            place: where it is moved in the end.
            size: its first bytes that are kept; what follows is cut off.
            buffer: bytes that may wait in memory; 0 writes each piece at once.
            shown: the name in errors about a full disk; None for the place.
        """
        self.path = path
        """Where it stands until it is finished."""
        self._file = file
        self._place = place
        self._shown = shown or place
        self._buffer = buffer
        self._waiting = bytearray()
        self._size = size
        self._cut()

    @classmethod
    def beside(cls, place: Path, *, buffer: int = 0) -> Self:
        """Make a file beside its place, where what killed runs have left is deleted.

        Args:
            place: where it is moved in the end, links followed; what is one's own there is replaced.
            buffer: bytes that may wait in memory; 0 writes each piece at once.

        Raises:
            OSError: it can't be made.
        """
        remove_abandoned(place)
        return cls(*_created(place), place, buffer=buffer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.is_closed:
            self.discard()

    @property
    def is_closed(self) -> bool:
        """Whether it was finished, discarded or closed."""
        return self._file.closed

    def write(self, piece: bytes) -> None:
        """Write a piece whole or not at all: a full disk leaves no half of one.

        Raises:
            OSError: the disk does not take it, or another program has changed the file; the file name
                is the one that its user knows.
        """
        before = len(self._waiting)
        self._waiting += piece
        if len(self._waiting) > self._buffer:
            try:
                self._flush()
            except BaseException:
                del self._waiting[before:]
                raise

    def check(self) -> None:
        """Make sure that the file still has its name, and holds all that was written.

        Raises:
            OSError: another program removed, replaced or changed it.
        """
        check_untouched(self._file.fileno(), self.path, self._size)

    def regain(self) -> None:
        """Give the file a name again, if another program has removed or replaced it.

        Raises:
            OSError: it can't be made anew.
        """
        if has_its_name(self._file.fileno(), self.path):
            return
        with self._file as lost:
            self._file, self.path = _created(self._place)
            lost.seek(0)
            shutil.copyfileobj(lost, self._file)

    def sync(self) -> None:
        """Have all that was written on the disk; the file stays where it is.

        Raises:
            OSError: as in `check`, or it can't be written.
        """
        self._flush()
        self.check()
        os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Put the whole file in its place, once it is on the disk.

        Raises:
            NotOursError: what stands there by now is somebody else's.
            OSError: as in `check`, or it can't be written or moved.
        """
        self.sync()
        place_of_ours(self._place)
        self.path.rename(self._place)
        self._file.close()

    def discard(self) -> None:
        """Throw the file away; what another program has put under its name stays."""
        if has_its_name(self._file.fileno(), self.path):
            self.path.unlink()
        self._file.close()

    def close(self) -> None:
        """Leave the file where it stands, for another run to go on with."""
        self._file.close()

    def _flush(self) -> None:
        check_size(self._file.fileno(), self.path, self._size)
        try:
            with naming(self._shown):
                write_whole(self._file, self._waiting)
        except OSError:
            self._cut()
            raise
        self._size += len(self._waiting)
        self._waiting.clear()

    def _cut(self) -> None:
        """Cut off what follows the bytes that were written whole."""
        self._file.truncate(self._size)
        self._file.seek(self._size)


@contextmanager
def naming(place: Path) -> Iterator[None]:
    """Have an error of the system that names no file name this one, so that the full disk is known.

    Args:
        place: the file that is being written, as its user knows it.

    Raises:
        OSError: as within, with a file name.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(place)) from error


def write_whole(file: FileIO, piece: bytes | bytearray) -> None:
    """Write all bytes of a piece to an unbuffered file, which may take only some of them at a time.

    Raises:
        OSError: the file does not take them; it may hold some of them.
    """
    written = 0
    while written < len(piece):
        written += file.write(piece[written:]) or 0


def _created(place: Path) -> tuple[FileIO, Path]:
    """Make a file beside a place that only its owner can read, locked where the file system has locks.

    Raises:
        OSError: it can't be made.
    """
    while True:
        descriptor, name = tempfile.mkstemp(
            dir=place.parent, prefix=f".{place.name}.", suffix=PARTIAL
        )
        file, path = FileIO(descriptor, "r+"), Path(name)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()  # another run takes it for abandoned just now, and deletes it
            continue
        except OSError:
            return file, path
        if has_its_name(descriptor, path):
            return file, path
        file.close()


def remove_abandoned(place: Path) -> None:
    """Delete what killed runs have left beside a place: files of this user that no process has locked.

    Args:
        place: where they would have been moved in the end.
    """
    is_partial = re.compile(rf"\.{re.escape(place.name)}\.{_RANDOM}{re.escape(PARTIAL)}").fullmatch
    with suppress(OSError), os.scandir(place.parent) as found:
        for name in [each.path for each in found if is_partial(each.name)]:
            with suppress(OSError):
                _remove_if_abandoned(name)


def _remove_if_abandoned(name: str) -> None:
    descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if has_its_name(descriptor, Path(name)):
            Path(name).unlink()
    finally:
        os.close(descriptor)


def check_untouched(descriptor: int, partial: Path, size: int) -> None:
    """Make sure that a file which is being written still has its name, and all that was written.

    Args:
        descriptor: the open file's.
        partial: its name.
        size: bytes that were written to it.

    Raises:
        OSError: another program removed, replaced or changed it; the file name is its own.
    """
    check_size(descriptor, partial, size)
    if not has_its_name(descriptor, partial):
        what = "another program has removed or replaced this file while it was written"
        raise OSError(errno.ENOENT, what, str(partial))


def check_size(descriptor: int, partial: Path, size: int) -> None:
    """Make sure that a file which is being written holds as much as was written.

    Args:
        descriptor: the open file's.
        partial: its name.
        size: bytes that were written to it.

    Raises:
        OSError: another program changed it; the file name is its own.
    """
    if os.fstat(descriptor).st_size != size:
        what = "another program has changed this file while it was written"
        raise OSError(errno.EIO, what, str(partial))


def has_its_name(descriptor: int, path: Path) -> bool:
    """Return whether an open file is what stands at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
