"""Putting a file in its place that was written beside it, unless somebody has changed it on the way."""

import errno
import os
from pathlib import Path

from wootric_map.ownership import place_of_ours


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
