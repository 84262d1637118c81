"""Whether a journal that a run has open is still the one that stands in its place.

SQLite goes on with a file that was deleted, and with one that was emptied or written over: whatever is
written to it then, the next run does not find. So the journal is looked at after each commit, before
anything leaves that the commit puts on record. A file's time of change is too coarse to tell, and SQLite
changes it as well; so what stands in the files is compared:

- A page of the database that is written once a run, and holds a random number, is still as it was. Nothing
  that somebody copies over the file has it.
- The log (the `-wal` file) still begins with the salts of its index (the `-shm` file), and holds the last
  frame that the index knows of, and the last one at the look before, each with its checksum. Both formats:
  https://sqlite.org/walformat.html.
"""

import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

WAL: Final = "-wal"
_SHM: Final = "-shm"
COMPANIONS: Final = (WAL, _SHM, "-journal")
"""What SQLite puts behind the name of a database, for the files that it keeps beside it."""

_INDEX: Final = struct.Struct("=I8xBxHI4x2I8s8x")
"""The header of a log's index: its version, whether it is valid, the size of a page, how many frames the log
has, the checksum up to the last, and the salts. In the byte order of the machine, but for the salts."""
_INDEX_VERSION: Final = 3_007_000
_LOG_HEADER: Final = 32
"""Bytes before a log's first frame; the last 16 begin with the salts."""
_FRAME: Final = struct.Struct(">8x8s2I")
"""The header of a frame: the salts, and the checksum up to it."""

_WRITTEN: Final = "was written to by another program"
_EMPTIED: Final = "was emptied or cut short"


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
    if not _is_same(before, now):
        return Loss("was replaced by another file", True)
    if now.size < before.size:
        return Loss(_EMPTIED, False)
    if only_ours and now.changed != before.changed:
        return Loss(_WRITTEN, False)
    return None


class Witness(NamedTuple):
    """Where in a journal stands what tells it from whatever is put in its place."""

    offset: int
    """Where the page begins, in bytes."""
    size: int
    """Of any page, in bytes."""
    nonce: bytes
    """What the page holds in this run alone."""


class _Frame(NamedTuple):
    """A frame of the log."""

    number: int
    """Counted from 1; 0 where there is none."""
    checksum: tuple[int, int]
    """Of the log up to it."""
    salts: bytes
    """What tells frames from those of the log before it was begun anew."""


class Watch:
    """Looks after an open journal's files."""

    def __init__(self, path: Path, witness: Witness) -> None:
        """Take them as they are now.

        Args:
            path: the journal; all its links followed. It is open, and changed by checkpoints alone.
            witness: what tells it from others; a checkpoint was made since it was written.

        Raises:
            OSError: one of them can't be looked at.
        """
        self._path = path
        self._wal = path.with_name(path.name + WAL)
        self._shm = path.with_name(path.name + _SHM)
        self._witness = witness
        states = {path: _state(path) for path in (path, self._wal, self._shm)}
        self._states = {path: state for path, state in states.items() if state}
        if self._wal in self._states:
            # SQLite may cut it short; what must stand there is compared.
            self._states[self._wal] = self._states[self._wal]._replace(size=0)
        # To close any of them lets go of SQLite's locks on it: they stay open as long as the journal.
        self._files = {
            each: os.open(each, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC) for each in states
        }
        self._page: bytes | None = None
        self._last: _Frame | None = None
        self.take_note()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Look no more; the journal must be closed."""
        for descriptor in self._files.values():
            with suppress(OSError):
                os.close(descriptor)
        self._files.clear()

    @property
    def frames(self) -> int:
        """How many frames the log has that are on record, as of the last look."""
        return self._last.number if self._last else 0

    def take_note(self) -> None:
        """Take the journal as it is after a checkpoint has written to it."""
        before, now = self._states[self._path], _state(self._path)
        if now and _is_same(before, now):
            self._states[self._path] = now._replace(size=max(before.size, now.size))
        if self._page is None:
            # While others read the journal, a checkpoint may leave the page in the log.
            page = self._read_page()
            self._page = page if self._witness.nonce in page else None

    def look(self) -> tuple[Path, Loss] | None:
        """Return which of them is not what it was, and what became of it; None where all is well.

        Raises:
            OSError: one of them can't be looked at.
        """
        for path, before in self._states.items():
            found = loss(before, _state(path), only_ours=path == self._path)
            if found:
                return path, found
        if self.is_overwritten:
            return self._path, self._written_over(self._read_page())
        return self._look_at_log()

    @property
    def is_overwritten(self) -> bool:
        """Whether the journal holds something else, in the same file."""
        return self._page is not None and self._read_page() != self._page

    def leave_alone(self) -> None:
        """Have nothing written from the log over what somebody else put in the journal as it is closed.

        One that holds nothing is written to: the next run refuses what comes of it, and does not take it for
        a new journal.
        """
        with suppress(OSError):
            if (
                self.is_overwritten
                and any(self._read_page())
                and _is_same(self._states[self._wal], _state(self._wal))
            ):
                os.truncate(self._wal, 0)

    def _look_at_log(self) -> tuple[Path, Loss] | None:
        raw = os.pread(self._files[self._shm], _INDEX.size, 0)
        version, valid, _, number, *checksum, salts = _INDEX.unpack(raw.ljust(_INDEX.size, b"\0"))
        if version != _INDEX_VERSION or not valid:
            return self._shm, self._written_over(raw)
        before, self._last = self._last, _Frame(number, (checksum[0], checksum[1]), salts)
        if not number:
            return None  # it was begun anew, and what it held before is in the journal
        log = self._files[self._wal]
        header = os.pread(log, _LOG_HEADER, 0)
        if header[16:24] != salts:
            return self._wal, self._written_over(header)
        for frame in (before, self._last):
            if frame and frame.number and frame.salts == salts:
                at = _LOG_HEADER + (frame.number - 1) * (_FRAME.size + self._witness.size)
                raw = os.pread(log, _FRAME.size, at).ljust(_FRAME.size, b"\0")
                if _FRAME.unpack(raw) != (salts, *frame.checksum):
                    return self._wal, self._written_over(raw)
        return None

    def _read_page(self) -> bytes:
        return os.pread(self._files[self._path], self._witness.size, self._witness.offset)

    def _written_over(self, found: bytes) -> Loss:
        return Loss(_WRITTEN if any(found) else _EMPTIED, False)

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
        if not found and self.is_overwritten:
            found = self._written_over(self._read_page())
        return (self._path, found) if found else None


def _is_same(before: State, now: State | None) -> bool:
    return now is not None and (now.device, now.inode) == (before.device, before.inode)


def _state(path: Path) -> State | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return State(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
