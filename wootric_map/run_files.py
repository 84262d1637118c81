"""Every file that a run reads or writes, and that no two uses of one of them get into each other's way.

A file that is written must not be used in another way too: what is written would displace what is read or
kept there. One that is only read may be named as often as one likes.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from wootric_map.deliver.journal_watch import COMPANIONS
from wootric_map.errors import OneFileError
from wootric_map.read.files import Source
from wootric_map.rejects import is_rejects_file

LOCK: Final = ".lock"
"""What is put behind the name of a journal, for the file of its lock."""

_OPEN_FILES: Final = (Path("/dev"), Path("/proc"))


class Place(NamedTuple):
    """Where a path leads."""

    path: Path
    """Absolute; all links followed, where there is no file yet."""
    identity: tuple[int, int] | None
    """The device and number of the file that is there; None where there is none yet."""
    is_stream: bool = False
    """Whether it is a terminal, `/dev/null` or the like, which takes what is written to it from anybody."""

    @property
    def key(self) -> object:
        """What two paths share that lead to one file: by links, by two names, or before it is made."""
        return self.identity or self.path


@dataclass(frozen=True, slots=True)
class Use:
    """What a run does with a file."""

    name: str
    """What messages call it: the option that names the file, mostly."""
    place: Place
    shown: str
    """The path as it was given."""
    writes: bool = False
    """Whether the file is written, replaced or locked, rather than only read."""
    gives_way_to: str | None = None
    """The name of the use that may replace the file all the same, once this one has read it."""


def use(
    name: str, path: Path | str, *, writes: bool = False, gives_way_to: str | None = None
) -> Use:
    """Return a use of the file at a path, which need not be there yet; arguments as in `Use`."""
    return Use(name, place_of(Path(path)), str(path), writes, gives_way_to)


def written(**options: Path | None) -> dict[str, Use]:
    """Return the uses of the files that options name which are written, by the options' names."""
    return {
        name: use(f"--{name}", path, writes=True)
        for name, path in options.items()
        if path is not None
    }


def read(name: str, path: Path | None, *, gives_way_to: str | None = None) -> list[Use]:
    """Return the use of a file that is read, if any is named; arguments as in `Use`."""
    return [use(name, path, gives_way_to=gives_way_to)] if path else []


def uses_of_journal(name: str, path: Path, *, writes: bool) -> list[Use]:
    """Return the uses of a journal and of all that stands beside it.

    Args:
        name: what messages call it.
        path: the journal.
        writes: whether a run keeps it, or only reads it.
    """
    beside = [use_beside(name, path, suffix, writes=writes) for suffix in (*COMPANIONS, LOCK)]
    return [use(name, path, writes=writes), *beside]


def use_beside(name: str, path: Path, suffix: str, *, writes: bool) -> Use:
    """Return the use of a file that stands beside another, where that really is; other arguments as above.

    Args:
        suffix: what is put behind the other's name.
    """
    place = _resolved(path)
    return use(f"the {suffix} file of {name}", place.with_name(place.name + suffix), writes=writes)


def uses_of_sources(sources: Iterable[Source], rejects: Use | None = None) -> list[Use]:
    """Return the uses of what is read as an export.

    Args:
        sources: what is read.
        rejects: the use of the file for rejects, if the run has one. An earlier run's that is read gives
            way to it: that is how rejects are tried again.
    """
    found = []
    for each in sources:
        if each.path is None:
            continue
        read = use("PATHS", each.path)
        if rejects and read.place.key == rejects.place.key and is_rejects_file(each.path):
            read = replace(read, gives_way_to=rejects.name)
        found.append(read)
    return found


def place_of(path: Path) -> Place:
    """Return where a path leads."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return Place(_resolved(path), None, _is_open_file(path))
    is_stream = stat.S_ISCHR(status.st_mode) or _is_open_file(path)
    return Place(path, (status.st_dev, status.st_ino), is_stream)


def conflict(uses: Sequence[Use]) -> tuple[Use, Use] | None:
    """Return two uses of one file that get into each other's way, in their order; None where none do.

    Args:
        uses: all of a run.
    """
    written: dict[object, list[tuple[int, Use]]] = {}
    for number, each in enumerate(uses):
        if each.writes and not each.place.is_stream:
            written.setdefault(each.place.key, []).append((number, each))
    for number, each in enumerate(uses):
        for nth, other in written.get(each.place.key, ()):
            if nth != number and each.gives_way_to != other.name:
                return (each, other) if number < nth else (other, each)
    return None


def check(uses: Sequence[Use]) -> bool:
    """Make sure that no file is used in two ways that get into each other's way.

    Returns:
        Whether a file is read that the run is to replace.

    Raises:
        OneFileError: one is.
    """
    found = conflict(uses)
    if found:
        one, other = found
        raise OneFileError(
            f"{one.name} and {other.name} name one file, {one.shown}, so that one would replace or change "
            "what the other has there; give each its own"
        )
    written = {(each.name, each.place.key) for each in uses if each.writes}
    return any((each.gives_way_to, each.place.key) in written for each in uses)


def left_out(uses: Iterable[Use]) -> list[Path]:
    """Return the files which are written that no folder's search may bring in.

    What holds neither what a run writes there nor nothing may be an export: whoever writes to it, the search
    brings it in, and `check` says so.
    """
    return [each.place.path for each in uses if each.writes and _is_our_kind(each)]


def _is_our_kind(written: Use) -> bool:
    path = written.place.path
    if written.place.is_stream or written.place.identity is None:
        return True
    try:
        if not path.is_file() or not path.stat().st_size:
            return True
        return not _may_be_export(path) or is_rejects_file(path)
    except OSError:
        return True  # whoever opens it says why it can't be


def _may_be_export(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) in (b"{", b"[", b"\x1f", b"\xef")


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links that lead in a circle
        return path.absolute()


def _is_open_file(path: Path) -> bool:
    """Whether a path names what the process has open already, such as /dev/stdout."""
    above = Path(os.path.abspath(path)).parents  # noqa: PTH100 - links are not followed
    return any(each in above for each in _OPEN_FILES)
