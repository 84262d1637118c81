"""The rejects file: records that were rejected or failed, with their lines, to be corrected and pushed."""

import base64
import errno
import filecmp
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final, Protocol, Self

import orjson

from wootric_map.model import Failure, Rejection, Skip
from wootric_map.ownership import open_special, place_of_ours
from wootric_map.private_file import (
    LONGEST_LINE,
    PrivateFile,
    naming,
    remove_abandoned,
    write_whole,
)
from wootric_map.read.rejects_lines import is_rejects_line, kept_line

REJECTS: Final = Path("rejects.ndjson")
"""The default place of the rejects file."""


@dataclass(frozen=True, slots=True)
class KeptRecords:
    """The file in which a run has kept records, at the end of the run."""

    path: Path
    """The place of the file."""
    count: int
    """The number of records that the run has kept; with 0 it has written no file."""
    before: Path | None
    """The new place of the file that stood there before; None if none was moved."""
    is_left_over: bool
    """Whether a file of an earlier run still stands there."""


class TakesRejected(Protocol):
    """Gets each rejected record."""

    def reject(self, source: str, line: int, rejection: Rejection, raw: bytes) -> None:
        """Take a rejected record by its line."""


class TakesFailed(TakesRejected, Protocol):
    """Gets each rejected record, and each that could not be delivered."""

    def fail(self, source: str, line: int, failure: Failure, raw: bytes) -> None:
        """Take a record that could not be delivered, by its line."""


class RejectsFile:
    """Writes records that were rejected or failed, each with its line.

    The file is written beside its place and moved there at the end, so that a run may read the rejects of an
    earlier run under the same name. A file that it replaces is kept under a numbered name.
    """

    def __init__(
        self,
        path: Path,
        *,
        keep: int = 5,
        spare: Iterable[Path] = (),
        also: TakesFailed | None = None,
    ) -> None:
        """Write nothing before the first record.

        Args:
            path: the place of the file.
            keep: how many of the newest replaced files are kept.
            spare: the files that the run reads or writes, which are never deleted as too old.
            also: gets each rejected or failed record, too.

        Raises:
            NotOursError: a file of somebody else stands in the place.
            OSError: nothing can be written there.
        """
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        # A device or pipe, such as /dev/null, is written to and not replaced.
        self._is_special = path.exists() and not path.is_file()
        # A link stays; its target is replaced.
        place = place_of_ours(path)
        path = path if self._is_special else place
        if not self._is_special:
            _check_replaceable(path)
        self._path = path
        self._numbered = _NumberedFiles(path, keep, tuple(spare))
        self._device = _opened(path) if self._is_special else None
        self._file: PrivateFile | None = None
        self._also = also
        self.count = 0
        if not self._is_special:
            remove_abandoned(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def reject(self, source: str, line: int, rejection: Rejection, raw: bytes) -> None:
        """Write a rejected record."""
        if self._also:
            self._also.reject(source, line, rejection, raw)
        code, at, message = rejection
        self._write(source, line, _entry(code, at, message), raw)

    def fail(
        self,
        source: str,
        line: int,
        failure: Failure,
        raw: bytes,
        key: str | None = None,
        plan: Mapping[str, object] | None = None,
    ) -> None:
        """Write a failed delivery.

        Args:
            source: the source of the record.
            line: the number of the record's line.
            failure: why the delivery failed.
            raw: the line itself.
            key: the key of a track or page record, by which it is known also once it is mended.
            plan: what identifies the saved plan that the line is from.
        """
        if self._also:
            self._also.fail(source, line, failure, raw)
        http = None
        if failure.status is not None:
            http = {"status": failure.status, "body": failure.body}
        entry = _entry(failure.code, None, failure.message, http)
        self._write(source, line, entry, raw, key=key, plan=plan)

    def skip(self, source: str, line: int, skip: Skip, raw: bytes, key: str | None = None) -> None:
        """Write a skipped record; arguments as in `fail`."""
        self._write(source, line, _entry(skip.code, skip.field, skip.message), raw, key=key)

    def finish(self, *, replayed: bool, complete: bool) -> Path | None:
        """Move the written file to its place.

        Args:
            replayed: whether the file that stands there was an input of this run.
            complete: whether the run came to its end. Then a replayed file is set aside, or its records would
                be sent twice; after a part of the run it stays, since it holds all that is left to do.

        Returns:
            The new place of the file that stood there before; None if it was not moved.

        Raises:
            NotOursError: the file that stands there by now is somebody else's.
            OSError: the file can't be moved, or another program has changed it.
        """
        if replayed and not complete:
            self.discard()
            return None
        kept = None
        if self._file:
            self._file.regain()
            if not replayed and self._is_there_already(self._file.path):
                count = self.count
                self.discard()
                self.count = count
                return None
        if self._path.is_file() and (self._file or replayed):
            place_of_ours(self._path)
            kept = self._numbered.set_aside()
        if self._file:
            self._file.finish()
            self._file = None
        self._close_device()
        return kept

    @property
    def is_left_over(self) -> bool:
        """Whether a file of an earlier run stands in the place, and this run has written none."""
        return not self.count and self._path.is_file()

    def kept(self, path: Path, before: Path | None) -> KeptRecords:
        """Return the finished file.

        Args:
            path: the place of the file, as the user has named it.
            before: the result of `finish`.
        """
        return KeptRecords(path, self.count, before, self.is_left_over)

    def discard(self) -> None:
        """Delete what was written and not moved to its place."""
        if self._file or self._device:
            self.count = 0
        if self._file:
            self._file.discard()
            self._file = None
        self._close_device()

    def _close_device(self) -> None:
        if self._device:
            self._device.close()
            self._device = None

    def _write(
        self, source: str, line: int, entry: dict[str, object], raw: bytes, **more: object
    ) -> None:
        found = {name: value for name, value in more.items() if value is not None}
        entry = {"source": source, "line": line} | entry | found
        try:
            entry["record"] = raw.decode() or None
        except UnicodeDecodeError:
            entry["record"] = raw.decode(errors="replace")
            entry["record_base64"] = base64.b64encode(raw).decode()
        self._append(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        self.count += 1

    def _append(self, line: bytes) -> None:
        if self._device:
            with naming(self._path):
                write_whole(self._device, line)
            return
        if self._file is None:
            self._file = PrivateFile.beside(self._path)
        self._file.write(line)

    def all_lines(self, holds: Callable[[bytes], bool]) -> bool:
        """Return whether `holds` is true for the line of each record in the file that stands there."""
        try:
            with self._path.open("rb") as file:
                while line := file.readline(LONGEST_LINE):
                    entry = orjson.loads(line)
                    raw = kept_line(entry) if is_rejects_line(entry) else None
                    if not (isinstance(raw, bytes) and holds(raw)):
                        return False
        except (OSError, ValueError):
            return False
        return True

    def _is_there_already(self, partial: Path) -> bool:
        """Return whether the file that stands in the place is equal to what was written."""
        return self._path.is_file() and filecmp.cmp(self._path, partial, shallow=False)


@dataclass(frozen=True, slots=True)
class _NumberedFiles:
    """The rejects files that were set aside under numbered names, of which the newest are kept."""

    path: Path
    """The name without a number."""
    keep: int
    """How many are kept."""
    spared: Sequence[Path]
    """The files of the run, which are never deleted; some may still be to come."""

    def set_aside(self) -> Path | None:
        """Number the file at `path`, and delete the oldest; return the new name unless that was deleted."""
        name = self._new_name()
        self.path.rename(name)
        spared = set(filter(None, map(_identity, self.spared)))
        own = {
            number: path
            for number, path in self._numbered().items()
            if _identity(path) not in spared and _is_own(path) and is_rejects_file(path)
        }
        for number in sorted(own)[: max(len(own) - self.keep, 0)]:
            own[number].unlink()
        return name if name.exists() else None

    def _new_name(self) -> Path:
        """Return the first name after all that are there that no file of the run has, or will have."""
        start = f"{self.path.name}."
        taken = {os.path.realpath(each) for each in self.spared if each.name.startswith(start)}
        number = max(self._numbered(), default=0) + 1
        while str(name := self.path.with_name(f"{start}{number}")) in taken:
            number += 1
        return name

    def _numbered(self) -> dict[int, Path]:
        """Return whatever has a numbered name, by number."""
        start = f"{self.path.name}."
        return {
            int(number): path
            for path in self.path.parent.iterdir()
            if path.name.startswith(start) and (number := path.name.removeprefix(start)).isdecimal()
        }


def _is_own(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode number of a file, links followed; None if there is none."""
    with suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino
    return None


def _entry(code: str, at: str | None, message: str, http: object = None) -> dict[str, object]:
    """Return what an entry of the file says of a record beside its place and its line."""
    return {"code": code, "field": at, "message": message, "http": http}


def _check_replaceable(path: Path) -> None:
    """Make sure that a rejects file can be put in its place.

    Raises:
        OSError: it can't, or it would replace a file of another kind.
    """
    if path.is_file() and path.stat().st_size and not is_rejects_file(path):
        raise FileExistsError(
            f"{path} is there, and no rejects file; it would be replaced: choose another name"
        )
    if not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
        raise PermissionError(f"the folder {path.parent} is missing or can't be written to")


def _opened(path: Path) -> FileIO:
    """Open a device or pipe to write to.

    Raises:
        NotOursError: it is somebody else's.
        OSError: it can't be opened, or is a pipe without a reader, which would block for ever.
    """
    try:
        return FileIO(open_special(path), "w")
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        words = (
            f"{path} is a pipe or socket that nobody reads; start its reader first, or name a file"
        )
        raise OSError(words) from error


def is_rejects_file(path: Path) -> bool:
    """Return whether a file begins as a rejects file does."""
    with path.open("rb") as file, suppress(orjson.JSONDecodeError):
        return is_rejects_line(orjson.loads(file.readline(LONGEST_LINE)))
    return False
