"""Where a report goes: standard output, or a file beside text on the screen."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import click

from cli.formats import FORMATS, format_named
from wootric_map import run_files
from wootric_map.ownership import open_special, place_of_ours
from wootric_map.private_file import PrivateFile, naming, write_whole

if TYPE_CHECKING:
    from wootric_map.checks.run_report import RunReport
    from wootric_map.redaction.redaction import Redaction

_BUFFER: Final = 1 << 16


class Sink(Protocol):
    """Takes the bytes of a report."""

    def write(self, piece: bytes, /) -> object:
        """Write a piece."""


@dataclass(frozen=True, slots=True)
class ReportOutput:
    """The form of a report, and where it goes."""

    style: str
    """The value of --format."""
    path: Path | None
    """The file; None for standard output."""
    redaction: "Redaction | None"
    """The redaction, if one is asked for."""
    option: str = "output"
    """The name of the option that names the file."""

    def __post_init__(self) -> None:
        if self.path and self.style == "text":
            raise click.UsageError(
                f"--{self.option} {self.path}: say with --format in which form, such as --format junit; text "
                "is shown on the screen"
            )
        folder = self.path.parent if self.path else None
        if folder and not (folder.is_dir() and os.access(folder, os.W_OK)):
            # Known before a run of hours, and not after it.
            raise click.UsageError(
                f"--{self.option} {self.path}: the folder {folder} is missing or can't be written to"
            )
        if self.path and self.path.is_dir():
            raise click.UsageError(f"--{self.option} {self.path}: this is a folder; name a file")

    @property
    def shows_text(self) -> bool:
        """Whether text is shown on the screen."""
        return self.style == "text" or self.path is not None

    @property
    def is_json(self) -> bool:
        """Whether the report is JSON, which each command writes itself."""
        return self.style == "json"

    @property
    def is_report(self) -> bool:
        """Whether the report has a form of `cli.formats`."""
        return self.style in FORMATS

    def uses(self) -> list[run_files.Use]:
        """Return the use of the file, if there is one."""
        return list(run_files.written(**{self.option: self.path}).values())

    @contextmanager
    def opened(self) -> Iterator[Sink]:
        """Open what the report is written to; a file is there whole or not at all.

        Raises:
            NotOursError: a file of somebody else stands in the place.
            OSError: nothing can be written there.
        """
        if self.path is None:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif self.path.exists() and not stat.S_ISREG(self.path.stat().st_mode):
            with FileIO(open_special(self.path), "w") as device, naming(self.path):
                yield _Whole(device)
        else:
            place = place_of_ours(self.path)
            with naming(self.path), PrivateFile.beside(place, buffer=_BUFFER) as file:
                yield file
                file.finish()

    def write(self, report: "RunReport") -> None:
        """Write a report in a form of `cli.formats`; nothing if it has another."""
        if not self.is_report:
            return
        from cli.formats.base import shown

        told = shown(report, self.redaction)
        with self.opened() as sink:
            for piece in format_named(self.style).pieces(told):
                sink.write(piece.encode(errors="backslashreplace"))


@dataclass(frozen=True, slots=True)
class _Whole:
    """A device or pipe, to which each piece is written whole."""

    file: FileIO

    def write(self, piece: bytes) -> None:
        """Write a piece."""
        write_whole(self.file, piece)
