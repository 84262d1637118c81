"""WriteCsv: the end users that a push would write, as a CSV for Wootric's people (wootric.md 8)."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Final

import orjson

from wootric_map import run_files
from wootric_map.account import Connect, connected
from wootric_map.csv_files import Bytes, CsvFiles, numbered, others_of_set, write_rows
from wootric_map.csv_rows import EMAIL, CsvRow, cells_of, csv_row, header
from wootric_map.deliver.csv_end_users import CSV_ROWS, Omission, csv_files
from wootric_map.diff import Diff
from wootric_map.dry_run import DryRun, DryRunSettings
from wootric_map.errors import UnfitSettingsError
from wootric_map.export import ReadingObserver
from wootric_map.read.blocks import ByteStream
from wootric_map.replay_settings import ReplaySettings
from wootric_map.report import Report
from wootric_map.stopping import Stop

_MOST_COLUMNS: Final = 16_384
"""Columns of a spreadsheet; more come of traits whose keys are ids."""

_NAMED: Final = 3
"""How many end users are named for each reason to leave them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCsvSettings(ReplaySettings):
    """Which end users go into a CSV, and where it goes."""

    output: Path | None = None
    """The place of the first file; further ones are numbered: `users-2.csv`. None for standard output."""
    rows: int = CSV_ROWS
    """End users in a file at most: 5,000, since Wootric takes no more."""
    overwrite: bool = False
    """Whether files that are there are replaced."""
    keep_formulas: bool = False
    """Whether cells stay as they are that a spreadsheet would take for formulas."""
    processes: int = 1
    """How many processes read a large export side by side."""

    def __post_init__(self) -> None:
        self.planning.choice.check()
        if not 1 <= self.rows <= CSV_ROWS:
            raise UnfitSettingsError(f"--rows: write a number from 1 to {CSV_ROWS:,}")
        if not self.planning.fold:
            raise UnfitSettingsError("a CSV has one row an end user: --no-fold has no place here")
        if self.planning.existing == "fill":
            raise UnfitSettingsError(
                "a CSV can't say that values which Wootric holds are to stay: --fill-missing has no place "
                "here; --create-only leaves out whoever is there"
            )
        if self.planning.last_surveyed is not None:
            raise UnfitSettingsError(
                "a CSV holds emails and properties alone: --set-last-surveyed has no place here"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """A file that was written."""

    path: Path
    rows: int
    """End users in it."""


@dataclass(slots=True, kw_only=True)
class WriteCsvResult:
    """What was written, and what was not."""

    report: Report
    """The counts of the records."""
    files: tuple[CsvFile, ...] = ()
    """The files, in their order; none if there is nobody to write, or all went to standard output."""
    rows: int = 0
    """End users in all files together."""
    updates: int = 0
    """Of these, how many Wootric holds already."""
    columns: int = 0
    """Columns of each file, the email included."""
    left_out: dict[Omission, list[str]] = field(default_factory=dict)
    """The first few end users that are left out, by the reason."""
    left_out_counts: Counter[Omission] = field(default_factory=Counter)
    """How many end users are left out, by the reason."""
    without_column: Counter[str] = field(default_factory=Counter)
    """How many end users in the files have a field that no column can hold, by the field."""
    surveys_off: int = 0
    """For how many end users, in the files or not, a push turns surveys off, which a CSV can't."""
    harmless_cells: Counter[str] = field(default_factory=Counter)
    """How many cells got a mark so that no spreadsheet takes them for formulas, by the property."""
    harmless_columns: tuple[str, ...] = ()
    """The names of properties that got such a mark."""
    stale: tuple[Path, ...] = ()
    """Numbered files beside the new ones that an earlier run must have written."""

    @property
    def exit_code(self) -> int:
        """The exit code of the command line: 1 if anything was rejected."""
        return 0 if self.report.flawless else 1

    @property
    def harmless_by_property(self) -> list[tuple[str, int]]:
        """The properties with such cells and the number of these, the most first."""
        return sorted(self.harmless_cells.items(), key=lambda each: (-each[1], each[0]))

    def add(self, row: CsvRow) -> None:
        """Count an end user."""
        self.surveys_off += row.surveys_off
        if not row.is_written:
            return
        if row.omission:
            self.left_out_counts[row.omission] += 1
            first = self.left_out.setdefault(row.omission, [])
            if len(first) < _NAMED:
                first.append(row.email)
            return
        self.rows += 1
        self.updates += row.is_update
        self.without_column.update(row.without_column)
        self.harmless_cells.update(row.made_harmless)


class WriteCsv:
    """Writes the end users that a push would create or update as CSV files."""

    def __init__(
        self,
        settings: WriteCsvSettings,
        *,
        observer: ReadingObserver | None = None,
        stop: Stop | None = None,
        stdin: ByteStream | None = None,
        stdout: Bytes | None = None,
        connect: Connect = connected,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read nothing yet.

        Args:
            settings: which end users, and where they go.
            observer: is told how much has been read.
            stop: tells the run to stop.
            stdin: standard input, if the settings name it.
            stdout: standard output, if the settings name no file.
            connect: makes a client of the account, if it is asked.
            clock: returns the unix time.
        """
        self._settings = settings
        self._stdout = stdout
        self._stop = stop or Stop()
        self._dry_run = DryRun(
            _compared(settings),
            observer=observer,
            stop=self._stop,
            stdin=stdin,
            connect=connect,
            clock=clock,
            also_written=_written(settings),
        )
        self.report = self._dry_run.report
        """The counts up to now."""

    def run(self) -> WriteCsvResult:
        """Plan, compare, and write the files: all of them or none.

        Raises:
            SettingsError: the settings can't be right, or a file is there already.
            SourceError: a path is missing or can't be read, or is no export.
            StoppedError: the run was told to stop.
            WootricError: the account can't be asked.
            OSError: the disk does not take the files.
        """
        settings, result = self._settings, WriteCsvResult(report=self.report)
        if settings.output is None and self._stdout is None:
            raise UnfitSettingsError("there is nowhere to write to: name a file")
        files = CsvFiles(settings.output, overwrite=settings.overwrite) if settings.output else None
        row = partial(csv_row, keeps_formulas=settings.keep_formulas)
        with (
            files or nullcontext(),
            tempfile.TemporaryFile() as spool,
            self._dry_run.compare_shown(row) as diff,
        ):
            names = _spooled(diff, spool, result)
            if result.rows:
                columns = header(names, keeps_formulas=settings.keep_formulas)
                result.columns = 1 + len(columns)
                result.harmless_columns = tuple(
                    name for name, each in columns.items() if each != name
                )
                self._write(files, spool, columns, result)
        return result

    def _write(
        self,
        files: CsvFiles | None,
        spool: IO[bytes],
        columns: dict[str, str],
        result: WriteCsvResult,
    ) -> None:
        """Write the rows that wait in the spool."""
        settings = self._settings
        count = csv_files(result.rows, settings.rows)
        first = [EMAIL, *columns.values()]
        spool.seek(0)
        parts = (_with_header(first, islice(spool, settings.rows), columns) for _ in range(count))
        if files is None or settings.output is None:
            if count > 1:
                raise UnfitSettingsError(
                    f"--output -: {result.rows:,} end users take {count:,} files of {settings.rows:,} rows "
                    "at most, and standard output is one; name a file"
                )
            assert self._stdout is not None  # noqa: S101 - `run` has seen to it
            write_rows(self._stdout, next(parts))
            return
        files.write(parts, count)
        with self._stop.held():
            files.finish()
        sizes = [min(settings.rows, result.rows - nth * settings.rows) for nth in range(count)]
        result.files = tuple(
            CsvFile(path=numbered(settings.output, nth), rows=size)
            for nth, size in enumerate(sizes, 1)
        )
        result.stale = tuple(_stale(settings.output, count))


def _compared(settings: WriteCsvSettings) -> DryRunSettings:
    """Return the settings of the dry run that finds whom to write."""
    shared = {each.name: getattr(settings, each.name) for each in fields(ReplaySettings)}
    return DryRunSettings(**shared, processes=settings.processes)


def _written(settings: WriteCsvSettings) -> Sequence[run_files.Use]:
    """Return the uses of the files that may be written."""
    if settings.output is None:
        return ()
    others = others_of_set(settings.output) if settings.overwrite else ()
    return [run_files.use("--output", each, writes=True) for each in (settings.output, *others)]


def _stale(path: Path, count: int) -> Iterator[Path]:
    """Yield the numbered files that follow the last one of a set, and so look like part of it."""
    number = count + 1
    while (found := numbered(path, number)).exists():
        yield found
        number += 1


def _spooled(diff: Diff[CsvRow], spool: IO[bytes], result: WriteCsvResult) -> set[str]:
    """Put the rows into a spool, a line of JSON each, and return the names of all properties.

    Raises:
        SettingsError: there are more columns than a spreadsheet has.
    """
    names: set[str] = set()
    for row in diff:
        result.add(row)
        if row.omission or not row.is_written:
            continue
        names.update(row.cells)
        if len(names) >= _MOST_COLUMNS:
            raise UnfitSettingsError(
                f"the CSV would have more than {_MOST_COLUMNS:,} columns, as when the keys of a trait are "
                "ids: leave such traits out with --exclude-trait, or name those you want with --only-trait"
            )
        spool.write(orjson.dumps([row.email, row.cells], option=orjson.OPT_APPEND_NEWLINE))
    return names


def _with_header(
    first: Sequence[str], lines: Iterable[bytes], columns: Iterable[str]
) -> Iterator[Sequence[str]]:
    """Yield the rows of one file, from the lines of the spool."""
    yield first
    for line in lines:
        email, cells = orjson.loads(line)
        yield cells_of(email, cells, columns)
