"""Whether a journal that a run has open is still the one that stands in its place.

SQLite goes on with a file that was deleted, and with one that was emptied: whatever is written to it then,
the next run does not find.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

WAL: Final = "-wal"
_SHM: Final = "-shm"
COMPANIONS: Final = (WAL, _SHM, "-journal")
"""What SQLite puts behind the name of a database, for the files that it keeps beside it."""

_WAL_MAGIC: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")


class State(NamedTuple):
    """What is seen of a file."""

    device: int
    inode: int
    size: int
    """Bytes."""
    changed: int
    """When it was written to last, in nanoseconds of unix time."""


class Loss(NamedTuple):
    """What became of a file that a run keeps."""

    what: str
    """The end of a sentence about it."""
    is_elsewhere: bool
    """Whether the file is whole all the same, and only has no name, or another."""


def loss(before: State, now: State | None, *, only_ours: bool) -> Loss | None:
    """Return what somebody else did to a file; None where nobody did anything.

    Args:
        before: as it was when it was written last.
        now: what stands in its place; None where nothing does.
        only_ours: whether nobody else ever writes to it.
    """
    if now is None:
        return Loss("was removed or moved away", True)
    if (now.device, now.inode) != (before.device, before.inode):
        return Loss("was replaced by another file", True)
    if now.size < before.size:
        return Loss("was emptied or cut short", False)
    if only_ours and now.changed != before.changed:
        return Loss("was written to by another program", False)
    return None


class Watch:
    """Looks after an open journal's files."""

    def __init__(self, path: Path) -> None:
        """Take them as they are now.

        Args:
            path: the journal; all its links followed.

        Raises:
            OSError: one of them can't be looked at.
        """
        self._path = path
        self._wal = path.with_name(path.name + WAL)
        self._shm = path.with_name(path.name + _SHM)
        # Locks are on the other two: to open and close this one lets go of none.
        self._wal_file = os.open(self._wal, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        states = {path: _state(path) for path in (path, self._wal, self._shm)}
        self._states = {path: state for path, state in states.items() if state}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Look no more at what only stands there while the journal is open."""
        with suppress(OSError):
            os.close(self._wal_file)
        self._wal_file = -1

    def take_note(self) -> None:
        """Take them as they are after they were written to."""
        for path, before in self._states.items():
            now = _state(path)
            if now and (now.device, now.inode) == (before.device, before.inode):
                # The log alone may be begun anew by SQLite itself, and be shorter then.
                size = now.size if path == self._wal else max(before.size, now.size)
                self._states[path] = now._replace(size=size)

    def look(self) -> tuple[Path, Loss] | None:
        """Return which of them is not what it was, and what became of it; None where all is well.

        Raises:
            OSError: one of them can't be looked at.
        """
        for path, before in self._states.items():
            found = loss(before, _state(path), only_ours=path == self._path)
            if found:
                return path, found
        if self._states[self._wal].size and os.pread(self._wal_file, 4, 0) not in _WAL_MAGIC:
            return self._wal, Loss("was emptied or cut short", False)
        return None

    def remove_companions(self) -> None:
        """Delete what SQLite left of a journal that was closed when it was gone: it fits no other."""
        for path in (self._wal, self._shm):
            before, now = self._states.get(path), _state(path)
            if before and now and loss(before, now, only_ours=False) is None:
                with suppress(OSError):
                    path.unlink()

    def look_at_the_end(self) -> tuple[Path, Loss] | None:
        """Do the same for the journal alone, after it was closed."""
        found = loss(self._states[self._path], _state(self._path), only_ours=False)
        return (self._path, found) if found else None


def _state(path: Path) -> State | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return State(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
