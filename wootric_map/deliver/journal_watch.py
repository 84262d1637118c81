"""A watch over an open journal: whether its files are still those that stand in its place.

SQLite goes on with a file that was deleted, emptied or written over; the next run would not find what is
written to it then. So the files are checked after each commit, before the call is sent that the commit
puts on record. The time of a file's last change is too coarse, and SQLite changes it too, so the
contents are compared:

- A page of the database that is written once a run, and holds a random number, must not change. No file
  that is copied over the journal has that number.
- The log (the `-wal` file) must begin with the salts of its index (the `-shm` file), and hold the last
  frame of the index, and the last frame at the check before, each with its checksum
  (https://sqlite.org/walformat.html).
- Before the log is written back to the database, the checksums of all its frames must fit: SQLite itself
  would write back whatever stands there. A log that does not fit is left as it is; the next run goes on with
  its frames before the first wrong one.
"""

import os
import sqlite3
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from wootric_map.deliver.journal_companions import SHM, WAL
from wootric_map.deliver.journal_schema import connected
from wootric_map.deliver.log_checksums import FRAME_HEADER, HEADER, beginning_of, checksum_of

_INDEX: Final = struct.Struct("=I8xBxHI4x2I8s8x")
"""The header of a log's index: its version, whether it is valid, the size of a page, how many frames the log
has, the checksum up to the last, and the salts. In the byte order of the machine, but for the salts."""
_INDEX_VERSION: Final = 3_007_000
_FRAME: Final = struct.Struct(">8x8s2I")
"""The header of a frame: the salts, and the checksum up to it."""

_AT_ONCE: Final = 1_000
"""Frames that are read at once."""

_WRITTEN: Final = "was written to by another program"
_EMPTIED: Final = "was emptied or cut short"


class State(NamedTuple):
    """The status of a file, as far as it matters here."""

    device: int
    inode: int
    size: int
    """Bytes."""
    changed: int
    """When the file was last written to, in nanoseconds of unix time."""


class Loss(NamedTuple):
    """What somebody did to a file of the journal."""

    what: str
    """The end of a sentence about the file."""
    is_intact: bool
    """Whether the file is intact, and only moved or without a name."""


def find_loss(before: State, now: State | None, *, only_ours: bool) -> Loss | None:
    """Return what somebody did to a file; None if nobody did anything.

    Args:
        before: the status after this run last wrote to the file.
        now: the status of what stands in its place; None if nothing does.
        only_ours: whether only this run ever writes to the file.
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
    """The page of a journal that tells it from any other file put in its place."""

    offset: int
    """Where the page begins, in bytes."""
    size: int
    """The bytes of each page."""
    nonce: bytes
    """The random bytes that the page holds in this run alone."""


class _Frame(NamedTuple):
    """A frame of the log."""

    number: int
    """Counted from 1; 0 if there is no frame."""
    checksum: tuple[int, int]
    """The checksum of the log up to the frame."""
    salts: bytes
    """The salts of the log, which change when the log begins anew."""


class Watch:
    """Checks the files of an open journal."""

    def __init__(self, path: Path, witness: Witness) -> None:
        """Take the files as they are now.

        Args:
            path: the open journal, links followed; only checkpoints change it.
            witness: the page that tells it from other files; a checkpoint has followed its write.

        Raises:
            OSError: a file can't be looked at.
        """
        self._path = path
        self._wal = path.with_name(path.name + WAL)
        self._shm = path.with_name(path.name + SHM)
        self._witness = witness
        states = {path: _state(path) for path in (path, self._wal, self._shm)}
        self._states = {path: state for path, state in states.items() if state}
        if self._wal in self._states:
            # SQLite may cut the log short; its contents are compared instead.
            self._states[self._wal] = self._states[self._wal]._replace(size=0)
        # They stay open as long as the journal, since closing a file releases SQLite's locks on it.
        self._files = {
            each: os.open(each, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC) for each in states
        }
        self._page: bytes | None = None
        self._last: _Frame | None = None
        # SQLite writes the log back as the last connection is closed, unless that can only read.
        self._reader: sqlite3.Connection | None = connected(path, "mode=ro")
        self._reader.execute("SELECT 1 FROM sqlite_master").fetchall()
        self.note_checkpoint()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; the journal must be closed before."""
        self.let_log_be_written_back()
        for descriptor in self._files.values():
            with suppress(OSError):
                os.close(descriptor)
        self._files.clear()

    def let_log_be_written_back(self) -> None:
        """Let SQLite write the log back when the journal is closed, and not leave the log as it is."""
        if self._reader:
            self._reader.close()
            self._reader = None

    @property
    def frames(self) -> int:
        """The number of frames in the log at the last check."""
        return self._last.number if self._last else 0

    def note_checkpoint(self) -> None:
        """Take the journal as a checkpoint has left it."""
        before, now = self._states[self._path], _state(self._path)
        if now and _is_same(before, now):
            self._states[self._path] = now._replace(size=max(before.size, now.size))
        if self._page is None:
            # A checkpoint may leave the page in the log while another process reads the journal.
            page = self._read_page()
            self._page = page if self._witness.nonce in page else None

    def check(self) -> tuple[Path, Loss] | None:
        """Return a file that somebody changed, and what became of it; None if all is well.

        Raises:
            OSError: a file can't be looked at.
        """
        for path, before in self._states.items():
            found = find_loss(before, _state(path), only_ours=path == self._path)
            if found:
                return path, found
        if self.is_overwritten:
            return self._path, self._written_over(self._read_page())
        return self._look_at_log()

    @property
    def is_overwritten(self) -> bool:
        """Whether something else was written over the journal, in the same file."""
        return self._page is not None and self._read_page() != self._page

    def discard_overwritten_log(self) -> None:
        """Empty the log if the journal was overwritten, so that to close it changes nothing of that.

        If the journal was emptied, the log stays: an empty file would be taken for a new journal, while the
        next run refuses what comes of the log.
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
            return None  # the log began anew, and its former contents are in the journal
        log = self._files[self._wal]
        header = os.pread(log, HEADER, 0)
        if header[16:24] != salts:
            return self._wal, self._written_over(header)
        for frame in (before, self._last):
            if frame and frame.number and frame.salts == salts:
                at = HEADER + (frame.number - 1) * (FRAME_HEADER + self._witness.size)
                raw = os.pread(log, _FRAME.size, at).ljust(_FRAME.size, b"\0")
                if _FRAME.unpack(raw) != (salts, *frame.checksum):
                    return self._wal, self._written_over(raw)
        return None

    def check_log(self) -> tuple[Path, Loss] | None:
        """Check all frames of the log; return what somebody did to the log, or None if it is whole.

        Raises:
            OSError: a file can't be looked at.
        """
        found = self._look_at_log()
        if found or not (self._last and self._last.number):
            return found
        log, size = self._files[self._wal], FRAME_HEADER + self._witness.size
        last, salts = self._last.number, self._last.salts
        begun = beginning_of(os.pread(log, HEADER, 0), salts)
        if begun is None:
            return self._wal, Loss(_WRITTEN, False)
        checksum: tuple[int, int] | None
        checksum, order = begun
        for number in range(0, last, _AT_ONCE):
            wanted = size * min(_AT_ONCE, last - number)
            frames = os.pread(log, wanted, HEADER + number * size)
            if len(frames) < wanted:
                return self._wal, Loss(_EMPTIED, False)
            checksum = checksum_of(frames, size, salts, checksum, order)
            if checksum is None:
                return self._wal, Loss(_WRITTEN, False)
        return None if checksum == self._last.checksum else (self._wal, Loss(_WRITTEN, False))

    def _read_page(self) -> bytes:
        return os.pread(self._files[self._path], self._witness.size, self._witness.offset)

    def _written_over(self, found: bytes) -> Loss:
        return Loss(_WRITTEN if any(found) else _EMPTIED, False)

    def remove_companions(self) -> None:
        """Delete the files that SQLite left beside a journal that is gone: they fit no other journal."""
        for path in (self._wal, self._shm):
            before, now = self._states.get(path), _state(path)
            if before and now and find_loss(before, now, only_ours=False) is None:
                with suppress(OSError):
                    path.unlink()

    def check_journal(self) -> tuple[Path, Loss] | None:
        """Return what became of the journal's own file; None if all is well. The journal may be closed."""
        found = find_loss(self._states[self._path], _state(self._path), only_ours=False)
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
