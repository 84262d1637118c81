"""The files that a run reads or writes, and the check that no two uses of one file exclude each other.

A file that is written must have no other use, or the run would overwrite what it reads or keeps there. A
file that is only read may be named several times.
"""

import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from wootric_map.deliver.journal_companions import COMPANIONS
from wootric_map.errors import OneFileError
from wootric_map.ownership import names_open_file
from wootric_map.private_file import PARTIAL
from wootric_map.read.files import Source
from wootric_map.rejects import is_rejects_file

LOCK: Final = ".lock"
"""The ending of the name of a lock's file."""

KEPT_LIST: Final = ".end_users"
"""The ending of the name of the file beside a journal that keeps the list of the account's end users."""

KEPT_LISTS: Final = (KEPT_LIST, KEPT_LIST + PARTIAL)
"""The same, with the file of a list that is not read to its end."""


class Place(NamedTuple):
    """The place to which a path leads."""

    path: Path
    """The absolute path; if there is no file yet, with links followed."""
    identity: tuple[int, int] | None
    """The device and inode number of the file; None if there is no file yet."""
    is_stream: bool = False
    """Whether the place is a terminal, `/dev/null` or the like, which may be written to several times."""

    @property
    def key(self) -> object:
        """A value that two paths to one file share: by links, by two names, or before the file exists."""
        return self.identity or self.path


@dataclass(frozen=True, slots=True)
class Use:
    """What a run does with a file."""

    name: str
    """The name of the use in messages, such as the option that names the file."""
    place: Place
    shown: str
    """The path as the user gave it."""
    writes: bool = False
    """Whether the file is written, replaced or locked, and not only read."""
    gives_way_to: str | None = None
    """The name of the use that may replace the file once this use has read it."""


def use(
    name: str, path: Path | str, *, writes: bool = False, gives_way_to: str | None = None
) -> Use:
    """Return a use of the file at a path, which need not exist; arguments as in `Use`."""
    return Use(name, place_of(Path(path)), str(path), writes, gives_way_to)


def written(**options: Path | None) -> dict[str, Use]:
    """Return the uses of the files that are written, by the names of their options."""
    return {
        name: use(f"--{name}", path, writes=True)
        for name, path in options.items()
        if path is not None
    }


def read(name: str, path: Path | None, *, gives_way_to: str | None = None) -> list[Use]:
    """Return the use of a file that is read, if there is one; arguments as in `Use`."""
    return [use(name, path, gives_way_to=gives_way_to)] if path else []


def uses_of_journal(name: str, path: Path, *, writes: bool) -> list[Use]:
    """Return the uses of a journal and of the files beside it; arguments as in `Use`."""
    beside = [
        use_beside(name, path, suffix, writes=writes) for suffix in (*COMPANIONS, *KEPT_LISTS, LOCK)
    ]
    return [use(name, path, writes=writes), *beside]


def use_beside(name: str, path: Path, suffix: str, *, writes: bool) -> Use:
    """Return the use of the file whose name is that of the file at `path` with a suffix, links followed."""
    place = _resolved(path)
    return use(f"the {suffix} file of {name}", place.with_name(place.name + suffix), writes=writes)


def uses_of_sources(sources: Iterable[Source], rejects: Use | None = None) -> list[Use]:
    """Return the uses of the sources of a run.

    Args:
        sources: the sources.
        rejects: the use of the rejects file; None if the run has none. The rejects file of an earlier run
            may be read and then replaced: that is how rejects are tried again.
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


def uses_of_lists(paths: Iterable[Path]) -> list[Use]:
    """Return the uses of suppression lists."""
    return [use("--suppress", path) for path in paths]


def place_of(path: Path) -> Place:
    """Return the place to which a path leads."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return Place(_resolved(path), None)
    is_stream = stat.S_ISCHR(status.st_mode) or names_open_file(path)
    return Place(path, (status.st_dev, status.st_ino), is_stream)


def conflict(uses: Sequence[Use]) -> tuple[Use, Use] | None:
    """Return two uses of one file that exclude each other, in their order; None if there are none."""
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
    """Make sure that no file is used in two ways that exclude each other.

    Returns:
        Whether a file is read that the run replaces.

    Raises:
        OneFileError: a file is used so.
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
    """Return the written files that are not read as exports, though a folder holds them.

    A file with other contents may be an export: then it is read, and `check` refuses that it is also written.
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
        return True  # opening it will say why it can't be used


def _may_be_export(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) in (b"{", b"[", b"\x1f", b"\xef")


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links in a circle
        return path.absolute()
