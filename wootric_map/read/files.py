"""Which files are read, and which are passed over (segment.md 1)."""

import difflib
import errno
import os
import re
import stat
from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wootric_map.errors import SourceError
from wootric_map.read.own_files import OwnFile, own_file_at

if TYPE_CHECKING:
    from wootric_map.read.lines import Line

STDIN: Final = "-"
"""The path and the name of standard input."""

_ENDINGS: Final = (".json", ".ndjson", ".jsonl", ".jsonlines", ".njson", ".gz")
"""Endings of the names of exports in a folder; a name may also have no ending (segment.md 1)."""
_LOOKED_FOR: Final = (
    "*.json, *.ndjson, *.jsonl, *.jsonlines, *.njson, *.gz, names without an ending"
)
_IGNORED_NAMES: Final = frozenset({"_SUCCESS", "__MACOSX"})
_IGNORED_ENDING: Final = ".crc"

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
REMOTE: Final = "addresses are not read, files on this machine are"
"""The message about a path for which `is_remote` is true."""
LOOP: Final = "it is a link that leads back to itself"
"""The message about a path for which `is_loop` is true."""

NAMED: Final = 20
"""How many of the files that were passed over are named."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file, pipe or standard input to read records from, or a part of one."""

    name: str
    """What messages call the source: the path as given, or `-` for standard input."""
    path: Path | None
    """None for standard input."""
    size: int | None
    """Bytes on disk; None if the size is not known, as for a pipe."""
    nth: int = 0
    """For a part, its place among the parts of the source, from 0."""
    begin: int = 0
    """The offset at which reading begins: 0, or the beginning of a line."""
    end: int | None = None
    """The offset at which reading ends: the end of a line. None is the end of the source."""
    held: "bytes | tuple[Line, ...] | None" = None
    """For a part that was read already, its content: whole lines, or single lines numbered from 1."""
    gzip_levels: int = 0
    """For a part that was read already, how many times the source is gzipped."""
    unended_line: int | None = None
    """For a part that holds single lines, the number of the line that has no line ending, if one has none."""

    @property
    def unread(self) -> int:
        """Bytes on disk that are still to be read; 0 if their number is not known."""
        if self.held is not None or self.size is None:
            return 0
        return (self.size if self.end is None else self.end) - self.begin


@dataclass(slots=True)
class PassedOver:
    """Files that are not read: not chosen in a folder (segment.md 1), changed too recently, or our own."""

    count: int = 0
    """How many files in folders were not chosen."""
    names: list[str] = field(default_factory=list)
    """The first `NAMED` of these files in sorted order, with their paths."""
    recent: int = 0
    """How many files were changed too recently."""
    recent_names: list[str] = field(default_factory=list)
    """The first `NAMED` of the files that were changed too recently."""
    own: dict[OwnFile, list[str]] = field(default_factory=dict)
    """Files that this program wrote and that are not exports, by their kind."""

    def leave(self, name: str) -> None:
        """Count a file that was changed too recently, and is left for the next run."""
        self.recent += 1
        if len(self.recent_names) < NAMED:
            self.recent_names.append(name)

    def add(self, name: str) -> None:
        """Count a file that was not chosen."""
        self.count += 1
        if len(self.names) < NAMED or name < self.names[-1]:
            insort(self.names, name)
            del self.names[NAMED:]

    def include(self, other: "PassedOver") -> None:
        """Add the files of `other` that were not chosen, or are our own."""
        count = self.count + other.count
        for name in other.names:
            self.add(name)
        self.count = count
        for kind, names in other.own.items():
            self.own[kind] = sorted([*self.own.get(kind, ()), *names])

    def as_data(self) -> dict[str, object]:
        """Return the counts and the names as data for programs."""
        data: dict[str, object] = {"count": self.count, "files": list(self.names)}
        if self.recent:
            data["left_for_later"] = {"count": self.recent, "files": list(self.recent_names)}
        if self.own:
            data["no_exports"] = [
                {"kind": kind.kind, "count": len(names), "files": names[:NAMED]}
                for kind, names in self.own.items()
            ]
        return data


def discover(
    paths: Iterable[str],
    *,
    leave_out: Path | Iterable[Path] = (),
    passed_over: PassedOver | None = None,
    unchanged_since: float | None = None,
) -> list[Source]:
    """Turn the paths of a command line into sources, in their order, each file once.

    Args:
        paths: files, folders, or `-`. A folder is searched for exports, in sorted order.
        leave_out: files that are not read as a part of a folder, such as the run's own rejects file. A file
            that `paths` names is read all the same.
        passed_over: counts the files that are not read.
        unchanged_since: a unix time. Files that were changed later are passed over; pipes are not.

    Raises:
        SourceError: a path is missing, can't be read, or names a snapshot, a plan or an address elsewhere;
            or a folder holds no export.
    """
    paths = list(paths)
    named = frozenset(filter(None, map(_identity, map(Path, paths))))
    passed_over = PassedOver() if passed_over is None else passed_over
    left_out = (leave_out,) if isinstance(leave_out, Path) else leave_out
    search = _FolderSearch(left_out, named, passed_over)
    sources: list[Source] = []
    seen: set[object] = set()
    for given in paths:
        if given == STDIN:
            if STDIN not in seen:
                sources.append(Source(STDIN, None, None))
            seen.add(STDIN)
            continue
        if not given:
            raise SourceError("a path is empty; an unset variable in the command, perhaps?")
        _check_local(given)
        for path in search.files(given):
            status = _status_of_readable(path, given)
            identity = (status.st_dev, status.st_ino)
            is_file = stat.S_ISREG(status.st_mode)
            if identity in seen:
                continue
            own = own_file_at(path) if is_file and identity in named else None
            if own:
                raise SourceError(f"{_as_given(given)}: {own.message}")
            if is_file and unchanged_since is not None and status.st_mtime > unchanged_since:
                passed_over.leave(_as_text(path))
            else:
                size = status.st_size if is_file else None
                sources.append(Source(_as_text(path), path, size))
            seen.add(identity)
    return sources


class _FolderSearch:
    """The search of folders for exports. Each folder is searched once."""

    def __init__(
        self, leave_out: Iterable[Path], named: frozenset[object], passed_over: PassedOver
    ) -> None:
        self._leave_out = frozenset(filter(None, map(_identity, leave_out)))
        self._named = named
        self._passed_over = passed_over
        self._searched: set[object] = set()

    def files(self, given: str) -> list[Path]:
        """Return the exports below a folder, sorted by path; or the path itself if it is not a folder.

        Raises:
            SourceError: the folder can't be searched, or holds no export.
        """
        path = Path(given)
        try:
            if not path.is_dir():
                return [path]
        except OSError as error:
            raise SourceError(
                f"{_as_given(given)[:200]}: can't be read: {error.strerror}"
            ) from error
        exports: list[Path] = []
        passed_over = PassedOver()
        is_searched_already = False
        for folder, folders, names in os.walk(path, onerror=_raise_unsearchable, followlinks=True):
            identity = _identity(Path(folder))
            if identity in self._searched:  # by another path, or through a link that leads back up
                folders.clear()
                is_searched_already = True
                continue
            self._searched.add(identity)
            folders[:] = [name for name in folders if not _is_ignored(name)]
            exports += self._exports_in(Path(folder), names, passed_over)
        if not exports and not is_searched_already:
            raise SourceError(_no_export_message(given, passed_over))
        self._passed_over.include(passed_over)
        return sorted(exports)

    def _exports_in(
        self, folder: Path, names: Iterable[str], passed_over: PassedOver
    ) -> Iterator[Path]:
        """Yield the exports among the files of a folder, and count the others in `passed_over`."""
        for path in (folder / name for name in names if not _is_ignored(name)):
            if self._is_chosen(path):
                own = own_file_at(path) if path.is_file() else None
                if own is None:
                    yield path
                elif _identity(path) not in self._named:
                    passed_over.own.setdefault(own, []).append(_as_text(path))
            elif _identity(path) not in self._named:
                passed_over.add(_as_text(path))

    def _is_chosen(self, path: Path) -> bool:
        """Tell whether a file in a folder is read as an export, by its name and kind."""
        if "." in path.name and not path.name.lower().endswith(_ENDINGS):
            return False
        if is_loop(path):
            return False
        # Reading a pipe in a folder would wait for its writer for ever.
        is_regular = path.is_file() or not path.exists()
        return is_regular and not (self._leave_out and _identity(path) in self._leave_out)


def _raise_unsearchable(error: OSError) -> None:
    raise SourceError(f"{error.filename}: can't be searched: {error.strerror}") from error


def _no_export_message(given: str, passed_over: PassedOver) -> str:
    """Return the message about a folder without exports, with what to do about the files in it."""
    message = f"{_as_given(given)}: no export in this folder (looked for {_LOOKED_FOR})"
    for own, names in passed_over.own.items():
        message += f"; {names[0]} is a {own.kind}: {own.use()}"
    if passed_over.count == 1:
        message += f"; name {passed_over.names[0]}, the only file there, to read it all the same"
    elif passed_over.count:
        message += (
            f"; name a file to read it all the same, such as {passed_over.names[0]} of the "
            f"{passed_over.count:,} there"
        )
    return message


def _is_ignored(name: str) -> bool:
    """Tell whether a name in a folder can't be an export's, and is not worth mentioning either."""
    return name.startswith(".") or name in _IGNORED_NAMES or name.lower().endswith(_IGNORED_ENDING)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what all names of one file share; None if there is no file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _as_text(path: Path) -> str:
    """Return a path as text, with escapes for bytes that are not text."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _as_given(given: str) -> str:
    """Return a path as it was given, with escapes for bytes that are not text."""
    return os.fsencode(given).decode(errors="backslashreplace")


def is_loop(path: str | Path) -> bool:
    """Tell whether a path is a link that leads back to itself, so that no file can be there."""
    try:
        os.stat(path)  # noqa: PTH116 - `Path.stat` may raise something else
    except OSError as error:
        return error.errno == errno.ELOOP
    except ValueError:
        pass
    return False


def is_remote(given: str) -> bool:
    """Tell whether a path is an address on another machine, such as `s3://bucket/logs`."""
    return bool(_ADDRESS.match(given)) and not Path(given).exists()


def _check_local(given: str) -> None:
    if is_remote(given):
        raise SourceError(
            f"{_as_given(given)[:500]}: {REMOTE}; download what is there first and name that, or pipe it "
            "in, with - for its path"
        )


def _status_of_readable(path: Path, given: str) -> os.stat_result:
    """Return what the system knows of a file.

    Args:
        path: the file.
        given: the path as it was given: the file, or a folder that holds it.

    Raises:
        SourceError: the file can't be read.
    """
    try:
        status = path.stat()
        # A pipe can be opened only once, and opening one may wait for its writer.
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()
    except (OSError, ValueError) as error:
        reason = LOOP if is_loop(path) else getattr(error, "strerror", None) or str(error)
        name = _as_given(given) if path == Path(given) else _as_text(path)
        message = f"{name[:500]}: can't be read: {reason}{_similar_name_hint(path)}"
        raise SourceError(message) from error
    return status


def _similar_name_hint(path: Path) -> str:
    """Return a hint for a mistyped name: the file beside it with the most similar name, if any."""
    try:
        names = os.listdir(path.parent)  # noqa: PTH208 - names, not paths, are compared
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, set(names) - {path.name}, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""
