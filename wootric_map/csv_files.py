"""CSV files in their places: numbered, readable by their owner alone, and all of them or none."""

import csv
import errno
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, Protocol, Self

from wootric_map.errors import UnfitSettingsError
from wootric_map.ownership import place_of_ours
from wootric_map.private_file import PrivateFile

_BUFFER: Final = 64 * 1024


class Bytes(Protocol):
    """What takes bytes, such as a file."""

    def write(self, piece: bytes, /) -> object:
        """Write a piece."""


class _Text:
    """Encodes the text of a CSV as UTF-8."""

    def __init__(self, file: Bytes) -> None:
        self._file = file

    def write(self, text: str) -> None:
        self._file.write(text.encode())


def write_rows(file: Bytes, rows: Iterable[Sequence[str]]) -> None:
    """Write rows as CSV (RFC 4180) in UTF-8."""
    csv.writer(_Text(file)).writerows(rows)


def numbered(path: Path, number: int) -> Path:
    """Return the place of a file of a set, counted from 1: `users.csv`, `users-2.csv`, `users-3.csv`."""
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def others_of_set(path: Path) -> list[Path]:
    """Return the numbered files beside the first of a set that are there, in the order of their numbers."""
    is_numbered = re.compile(rf"{re.escape(path.stem)}-([1-9][0-9]*){re.escape(path.suffix)}")
    found = []
    with suppress(OSError):
        for each in path.parent.iterdir():
            matched = is_numbered.fullmatch(each.name)
            if matched and int(matched[1]) > 1:
                found.append((int(matched[1]), each))
    return [each for _, each in sorted(found)]


_BEGINNING: Final = b"email"
"""How every file begins: with the name of its first column."""


class CsvFiles:
    """The files of one set; a context that throws them away unless `finish` has put them in their places."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        """Begin the first file, so that it shows early whether anything can be written there.

        Args:
            path: the place of the first file.
            overwrite: whether files that are there are replaced.

        Raises:
            SettingsError: there is a file already, or nothing can be written there.
        """
        self._path = path
        self._overwrite = overwrite
        self._stack = ExitStack()
        self._files: list[tuple[PrivateFile, Path]] = []
        self._begin(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, parts: Iterator[Iterable[Sequence[str]]], count: int) -> None:
        """Write the files.

        Args:
            parts: the rows of each file.
            count: how many files there are.

        Raises:
            SettingsError: a file is there already, or can't be made.
            OSError: the disk does not take them.
        """
        for number in range(2, count + 1):
            self._check(numbered(self._path, number))
        for number, rows in enumerate(parts, 1):
            if number > 1:
                self._begin(number)
            file, _ = self._files[-1]
            write_rows(file, rows)
            file.sync()

    def finish(self) -> None:
        """Put all files in their places, the first one last: where it is, all are.

        Raises:
            SettingsError: a file has come there meanwhile.
            OSError: they can't be moved; then none is there.
        """
        for _, place in self._files:
            self._check(place)
        if self._overwrite and len(self._files) > 1:
            place_of_ours(self._path).unlink(missing_ok=True)
        moved: list[Path] = []
        try:
            for file, place in reversed(self._files):
                file.finish()
                moved.append(place)
        except BaseException:
            for place in moved:
                place.unlink(missing_ok=True)
            raise

    def _begin(self, number: int) -> None:
        place = numbered(self._path, number)
        self._check(place)
        try:
            file = PrivateFile.beside(place_of_ours(place), buffer=_BUFFER)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise UnfitSettingsError(
                    f"--output {place}: no more than {number - 1:,} files can be open at once here; allow "
                    "more with ulimit -n, or put more rows into a file with --rows"
                ) from error
            raise UnfitSettingsError(f"--output {place}: {error.strerror or error}") from error
        self._files.append((self._stack.enter_context(file), place))

    def _check(self, place: Path) -> None:
        """Make sure that a file may be put at a place."""
        try:
            if not (place.exists() or place.is_symlink()):
                return
            is_file = place.is_file() or not place.exists()
        except OSError as error:
            raise UnfitSettingsError(f"--output {place}: {error.strerror or error}") from error
        if not is_file:
            raise UnfitSettingsError(
                f"--output {place}: it is no plain file; - writes to standard output"
            )
        if place.exists() and not self._overwrite:
            raise UnfitSettingsError(
                f"--output {place}: there is a file already; choose another name, or replace it with "
                "--overwrite"
            )
        if place.exists() and not _is_ours(place):
            raise UnfitSettingsError(
                f"--output {place}: what is there does not begin as a CSV of end users does, so it is not "
                "replaced; choose another name"
            )


def _is_ours(place: Path) -> bool:
    """Tell whether a file is empty, or begins as those that are written here."""
    try:
        with place.open("rb") as file:
            return file.read(len(_BEGINNING)) in (b"", _BEGINNING)
    except OSError as error:
        raise UnfitSettingsError(f"--output {place}: {error.strerror or error}") from error
