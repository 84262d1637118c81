"""The rejects file: records that were rejected or failed, with their lines, to be mended and pushed."""

import base64
import errno
import filecmp
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final, Self

import orjson

from wootric_map.model import Failure, Rejection, Skip
from wootric_map.ownership import place_of_ours
from wootric_map.private_file import PrivateFile, naming, remove_abandoned, write_whole
from wootric_map.read.rejects_lines import is_rejects_line, kept_line

REJECTS: Final = Path("rejects.ndjson")
"""Where a push leaves what was rejected, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class KeptRecords:
    """The file that a run has kept records in, as it stands at the run's end."""

    path: Path
    """Its place."""
    count: int
    """How many records the run has kept there; with none it has written no file."""
    before: Path | None
    """Where the file is now that stood there before; None where none was moved."""
    is_left_over: bool
    """Whether a file of an earlier run stands there, since this run has written none."""


class RejectsFile:
    """The records that were rejected or failed, each with its raw line, to be mended and tried again.

    It is written beside its final place and moved there at the end, so that a run may read the
    rejects of the one before under the same name. A file that it would replace is kept, numbered.
    """

    def __init__(self, path: Path, *, keep: int = 5, spare: Iterable[Path] = ()) -> None:
        """Nothing is written until there is something.

        Args:
            path: its place.
            keep: how many of the files that it replaces are kept, numbered: the newest.
            spare: files that are never deleted as the oldest of these, such as what the run reads.

        Raises:
            NotOursError: what stands there is somebody else's.
            OSError: nothing can be written there.
        """
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        # A device or pipe, such as /dev/null, is written to; it must not be replaced.
        self._is_special = path.exists() and not path.is_file()
        # A link stays one: what it leads to is replaced.
        place = place_of_ours(path)
        path = path if self._is_special else place
        if (
            not self._is_special
            and path.is_file()
            and path.stat().st_size
            and not is_rejects_file(path)
        ):
            raise FileExistsError(
                f"{path} is there, and no rejects file; it would be replaced: choose another name"
            )
        if not self._is_special and not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
            raise PermissionError(f"the folder {path.parent} is missing or can't be written to")
        self._path = path
        self._keep = keep
        start = f"{path.name}."
        self._spared = {each.resolve() for each in spare if each.name.startswith(start)}
        self._device = _opened(path) if self._is_special else None
        self._file: PrivateFile | None = None
        self.count = 0
        if not self._is_special:
            remove_abandoned(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def reject(self, source: str, line: int, rejection: Rejection, raw: bytes) -> None:
        """Write a rejected record."""
        self._write(source, line, rejection.code, rejection.field, rejection.message, None, raw)

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
            source: where it stands.
            line: its line there.
            failure: why it failed.
            raw: the line itself.
            key: what tells a track or page record from every other, also once mended.
            plan: what is said of the saved plan that the line is of.
        """
        http: dict[str, object] | None = None
        if failure.status is not None:
            http = {"status": failure.status, "body": failure.body}
        self._write(source, line, failure.code, None, failure.message, http, raw, key, plan)

    def skip(self, source: str, line: int, skip: Skip, raw: bytes, key: str | None = None) -> None:
        """Write a skipped record; arguments as in `fail`."""
        self._write(source, line, skip.code, skip.field, skip.message, None, raw, key)

    def finish(self, *, replayed: bool, complete: bool) -> Path | None:
        """Move what was written to its place.

        Args:
            replayed: whether the file that is there now was an input of this run.
            complete: whether the run came to its end. A file replayed to its end is set aside, since
                trying its records once more would send them twice; one replayed in part stays, and
                holds all that is left to do.

        Returns:
            Where the file that was there before is kept; None where it was not moved.

        Raises:
            NotOursError: what stands there by now is somebody else's.
            OSError: it can't be moved, or another program has changed it on the way.
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
            kept = self._set_aside()
        if self._file:
            self._file.finish()
            self._file = None
        self._close_device()
        return kept

    @property
    def is_left_over(self) -> bool:
        """Whether a file of an earlier run stands where this run has written none."""
        return not self.count and self._path.is_file()

    def kept(self, path: Path, before: Path | None) -> KeptRecords:
        """Return what the run has kept, once it is finished.

        Args:
            path: the place of the file, as the caller has named it.
            before: what `finish` has returned.
        """
        return KeptRecords(path, self.count, before, self.is_left_over)

    def discard(self) -> None:
        """Throw away what was written and not moved to its place."""
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
        self,
        source: str,
        line: int,
        code: str,
        at: str | None,
        message: str,
        http: dict[str, object] | None,
        raw: bytes,
        key: str | None = None,
        plan: Mapping[str, object] | None = None,
    ) -> None:
        entry: dict[str, object] = {
            "source": source,
            "line": line,
            "code": code,
            "field": at,
            "message": message,
            "http": http,
        }
        if key is not None:
            entry["key"] = key
        if plan is not None:
            entry["plan"] = plan
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
        """Return whether something holds of each record in the file that stands there.

        Args:
            holds: tells it of a record's line.
        """
        try:
            with self._path.open("rb") as file:
                while line := file.readline(_LONGEST_LINE):
                    entry = orjson.loads(line)
                    raw = kept_line(entry) if is_rejects_line(entry) else None
                    if not (isinstance(raw, bytes) and holds(raw)):
                        return False
        except (OSError, ValueError):
            return False
        return True

    def _is_there_already(self, partial: Path) -> bool:
        """Return whether the file that stands there says the same as what was written."""
        return self._path.is_file() and filecmp.cmp(self._path, partial, shallow=False)

    def _set_aside(self) -> Path | None:
        """Number the file that stands there, and delete the oldest of those numbered; give its new name."""
        numbered = self._numbered()
        name = self._path.with_name(f"{self._path.name}.{max(numbered, default=0) + 1}")
        self._path.rename(name)
        own = {
            number: path
            for number, path in self._numbered().items()
            if self._may_be_deleted(path) and is_rejects_file(path)
        }
        for number in sorted(own)[: max(len(own) - self._keep, 0)]:
            own[number].unlink()
        return name if name.exists() else None

    def _may_be_deleted(self, path: Path) -> bool:
        status = path.lstat()
        is_own = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        return is_own and path not in self._spared

    def _numbered(self) -> dict[int, Path]:
        """What stands under the names of files that were set aside, by their numbers."""
        start = f"{self._path.name}."
        return {
            int(number): path
            for path in self._path.parent.iterdir()
            if path.name.startswith(start) and (number := path.name.removeprefix(start)).isdecimal()
        }


_LONGEST_LINE: Final = 64 * 1024 * 1024
"""Bytes; an entry holds a whole line of an export, escaped."""


def _opened(path: Path) -> FileIO:
    """Open a device or pipe, to be written to.

    Raises:
        OSError: it can't be opened, or is a pipe that nobody reads, which would be waited for for ever.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        words = (
            f"{path} is a pipe or socket that nobody reads; start its reader first, or name a file"
        )
        raise OSError(words) from error
    os.set_blocking(descriptor, True)
    return FileIO(descriptor, "w")


def is_rejects_file(path: Path) -> bool:
    """Whether a file begins as a rejects file does."""
    with path.open("rb") as file, suppress(orjson.JSONDecodeError):
        return is_rejects_line(orjson.loads(file.readline(_LONGEST_LINE)))
    return False
