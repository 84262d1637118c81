"""Files that are written beside their place, and moved there once they are whole.

Whoever writes one keeps it locked, and a lock goes with its process. So what a killed run has left, and
nobody will go on with, is told from what is being written.
"""

import errno
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from wootric_map.ownership import place_of_ours

_ENDING: Final = ".partial"
_RANDOM: Final = "[a-z0-9_]{8}"
"""What `mkstemp` puts between a prefix and an ending."""


def create_partial(place: Path) -> tuple[int, Path]:
    """Make a file beside its place that only its owner can read.

    Args:
        place: where it is moved in the end; it must be moved, or deleted, before it is closed.

    Returns:
        The open file, which is locked where the file system has locks; and its path.

    Raises:
        OSError: it can't be made.
    """
    while True:
        descriptor, name = tempfile.mkstemp(
            dir=place.parent, prefix=f".{place.name}.", suffix=_ENDING
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)  # another run takes it for abandoned just now, and deletes it
            continue
        except OSError:
            return descriptor, Path(name)
        if has_its_name(descriptor, Path(name)):
            return descriptor, Path(name)
        os.close(descriptor)


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


def remove_abandoned(place: Path) -> None:
    """Delete what killed runs have left beside a place: files of this user that no process has locked.

    Args:
        place: where they would have been moved in the end.
    """
    is_partial = re.compile(rf"\.{re.escape(place.name)}\.{_RANDOM}{re.escape(_ENDING)}").fullmatch
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
        OSError: somebody removed, replaced or changed it; the file name is its own.
    """
    check_size(descriptor, partial, size)
    if not has_its_name(descriptor, partial):
        what = "another program has removed or replaced this file while it was written"
        raise OSError(errno.ENOENT, what, str(partial))


def check_size(descriptor: int, partial: Path, size: int) -> None:
    """Do the same for what it holds alone; arguments and error as above."""
    if os.fstat(descriptor).st_size != size:
        what = "another program has changed this file while it was written"
        raise OSError(errno.EIO, what, str(partial))


def has_its_name(descriptor: int, path: Path) -> bool:
    """Return whether an open file is what stands at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def put_in_place(descriptor: int, partial: Path, place: Path, size: int) -> None:
    """Move a whole file to its place, where it replaces what is one's own; arguments as above.

    Raises:
        NotOursError: what stands there now is somebody else's.
        OSError: as in `check_untouched`, or it can't be moved.
    """
    check_untouched(descriptor, partial, size)
    place_of_ours(place)
    partial.rename(place)
