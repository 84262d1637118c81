"""Validate: check every record of an export alone, without a plan."""

import io
import marshal
import time
import zlib
from array import array
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeAlias, TypeVar

from wootric_map import run_files
from wootric_map.checks.checks import Checks, CheckSettings
from wootric_map.checks.finding import digest_of
from wootric_map.export import ExportSettings, ReadingObserver, find_sources, reading_of, stream_of
from wootric_map.findings import WarningKey
from wootric_map.mapping.entries import ReadingOptions, read_in_parts, worth
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.record_warnings import WarningsOfRecords, has_short_call, of_call
from wootric_map.mapping.settings import Mapped, WootricSettings, map_record, unidentified
from wootric_map.model import MappingWarning, Rejection, Skip
from wootric_map.read.blocks import ByteStream
from wootric_map.read.exact_numbers import with_exact_numbers
from wootric_map.read.files import Source
from wootric_map.read.json_lines import parse_roughly
from wootric_map.read.lines import read_lines
from wootric_map.read.ordinary_record import has_large_number, is_ordinary, ordinary
from wootric_map.read.process_pool import SideBySide
from wootric_map.read.record import NO_FIELDS, Page, Reading, Record, Track, read_parsed
from wootric_map.rejects import REJECTS
from wootric_map.report import Report

K = TypeVar("K", bound=Hashable)

_MOST_NUMBERS: Final = 1000
_LARGEST: Final = 2**32 - 1

ShowText: TypeAlias = Callable[[str | None, str], bytes]
"""Gives what is shown of a field and a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateSettings(ExportSettings):
    """What is checked, and how."""

    processes: int = 1
    """How many processes read a large export side by side."""
    checks: CheckSettings = field(default_factory=CheckSettings)
    """What makes the check fail."""


class PlaceKeeper(Protocol):
    """Gets every place of what is found, and not the first few alone, as a report has them."""

    def text(self, field: str | None, message: str) -> bytes:
        """Return what is kept of a field and a message; several processes call it."""

    def add(self, source: str, lines_before: int, places: "PackedPlaces", report: Report) -> None:
        """Take the places of a part.

        Args:
            source: its name.
            lines_before: lines of the same source before the part.
            places: the places.
            report: what all parts came to, this one among them.
        """


class Validate:
    """Checks every record of an export, each alone."""

    def __init__(
        self,
        settings: ValidateSettings,
        *,
        observer: ReadingObserver | None = None,
        places: PlaceKeeper | None = None,
        stdin: ByteStream | None = None,
        clock: Callable[[], float] = time.time,
        also_written: Sequence[run_files.Use] = (),
    ) -> None:
        """Read nothing yet.

        Args:
            settings: what is checked, and how.
            observer: is told how much has been read.
            places: gets every place of what is found; None leaves it at the first few.
            stdin: standard input, where the settings name it.
            clock: gives the unix time.
            also_written: files that the caller writes; none of them may be read.
        """
        self._settings = settings
        self._observer = observer or ReadingObserver()
        self._places = places
        self._stdin = stdin
        self._clock = clock
        self._also_written = also_written
        self.report = Report(ignored_warnings=settings.ignored_warnings)
        """What was found up to now."""
        self.checks = Checks(settings.checks)
        """Judges what was found up to now."""

    def run(self) -> Report:
        """Check every record; return what was found.

        Raises:
            SettingsError: the settings can't be right.
            SourceError: a path is missing or can't be read, or is no export; or the baseline can't be used.
        """
        settings, report, kept = self._settings, self.report, self._places
        reading = reading_of(settings)
        self.checks.open()
        sources = self._find_sources()
        looks = settings.checks.looks_at_records
        checker = Checker(reading, kept.text if kept else None, keeps_rejected=looks)
        # Its processes are forked before anything starts a thread.
        with (
            SideBySide(checker, worth(settings.processes, sources)) as workers,
            self._observer.reading(sources) as on_bytes,
        ):
            for part, lines, checked in read_in_parts(
                workers,
                sources,
                stdin=stream_of(self._stdin),
                max_line_bytes=reading.max_line_bytes,
                on_bytes=on_bytes,
            ):
                report.add(checked.report, lines)
                for line, rejection, digest in checked.rejected:
                    self.checks.note(part.name, lines + line, rejection, digest)
                if kept and checked.places:
                    kept.add(part.name, lines, checked.places, report)
        report.note_unmet(reading.configured.named())
        self.checks.finish(report)
        return report

    def _find_sources(self) -> list[Source]:
        """Return what is read.

        Raises:
            OneFileError: the run would use a file in two ways that exclude each other.
        """
        settings = self._settings
        own = [*settings.checks.uses(), *self._also_written]
        sources = find_sources(
            settings,
            self.report.passed_over,
            stdin=self._stdin,
            clock=self._clock,
            leave_out=(REJECTS, *settings.checks.baselines, *run_files.left_out(own)),
        )
        lists = run_files.uses_of_lists(settings.suppress)
        run_files.check([*run_files.uses_of_sources(sources), *lists, *own])
        return sources


class Places:
    """Every place of what was found in a part, which may have millions: as numbers, and packed."""

    def __init__(self, show: ShowText) -> None:
        self._show = show
        self._texts = bytearray()
        """What is shown of fields and messages, one behind the other."""
        self._ends = array("Q")
        """Where each of these ends."""
        self._numbers: dict[tuple[str | None, str], int] = {}
        """The numbers of the first few of them: most exports have no more, each a thousand times."""
        self._found: dict[tuple[str, str], array[int]] = {}
        """By `rejected` or `skipped` and code, lines and numbers of texts, alternating."""
        self._warned: dict[WarningKey, array[int]] = {}
        """The lines of each warning."""

    def add(self, finding: Rejection | Skip, line: int) -> None:
        """Add the place of a rejection or a skip."""
        text = finding.field, finding.message
        number = self._numbers.get(text)
        if number is None:
            number = len(self._ends)
            if number < _MOST_NUMBERS:
                self._numbers[text] = number
            self._texts += self._show(*text)
            self._ends.append(len(self._texts))
        kind = "rejected" if isinstance(finding, Rejection) else "skipped"
        _append(self._found, (kind, finding.code), line, number)

    def add_warning(self, key: WarningKey, line: int) -> None:
        """Add a place of a warning; `key` is that of the part's report."""
        _append(self._warned, key, line)

    def packed(self) -> "PackedPlaces":
        """Return all of it, small."""
        found, warned = (
            {key: (each.typecode, each.tobytes()) for key, each in by_key.items()}
            for by_key in (self._found, self._warned)
        )
        data = bytes(self._texts), self._ends.tobytes(), found, warned
        return PackedPlaces(zlib.compress(marshal.dumps(data, 2), 1))


class PackedPlaces(NamedTuple):
    """Every place of what was found in a part."""

    data: bytes

    def places(self) -> Iterator[tuple[tuple[str, str] | WarningKey, int, bytes]]:
        """Yield each place.

        Yields:
            `rejected` or `skipped` and the code, or the key of a warning; the line; and what is shown of
            the field and message, which is nothing for a warning.
        """
        texts, packed_ends, found, warned = marshal.loads(zlib.decompress(self.data))  # noqa: S302 - ours
        ends = memoryview(packed_ends).cast("Q")
        for key, (code, packed) in found.items():
            numbers = memoryview(packed).cast(code)
            for line, number in zip(numbers[::2], numbers[1::2], strict=True):
                begin = ends[number - 1] if number else 0
                yield key, line, texts[begin : ends[number]]
        for key, (code, packed) in warned.items():
            for line in memoryview(packed).cast(code):
                yield key, line, b""


def _append(found: dict[K, "array[int]"], key: K, *numbers: int) -> None:
    """Append numbers to those of a key; hardly ever are they too large for four bytes each."""
    held = found.get(key)
    if held is None:
        held = found[key] = array("I")
    if held.typecode == "I" and max(numbers) > _LARGEST:
        held = found[key] = array("Q", held)
    held.extend(numbers)


class Checked(NamedTuple):
    """What a source, or a part of one, came to."""

    report: Report
    """Its places count lines from the beginning of what was read."""
    lines: int
    """How many lines that was, with what follows the last line ending if there is anything."""
    places: PackedPlaces | None
    """Every place, where these are asked for; the lines count as those of the report."""
    rejected: list[tuple[int, Rejection, bytes]]
    """The line of each rejected record, why, and the record's digest, where these are asked for."""


class Checker:
    """Checks the records of one source, or part of one, after the other."""

    def __init__(
        self,
        options: ReadingOptions,
        show: ShowText | None = None,
        *,
        keeps_rejected: bool = False,
    ) -> None:
        """Begin with nothing known.

        Args:
            options: how to read.
            show: if every place of what is found is asked for, and not the first few alone, gives what is
                shown of a field and a message there.
            keeps_rejected: whether each rejected record is returned, with its digest.
        """
        self._options = options
        self._show = show
        self._keeps_rejected = keeps_rejected
        self._warnings = WarningsOfRecords(options.naming)

    def __call__(self, source: Source) -> Checked:
        """Check every record of a source, or of a part of one, that is a file or was read already."""
        options, of_ordinary = self._options, self._warnings.of_ordinary
        places = Places(self._show) if self._show else None
        checking = _Checking(
            source.name, options, self._warnings, places, keeps_rejected=self._keeps_rejected
        )
        report = checking.report
        number = count = 0
        rules, rewriting = options.rules, options.rewriting()
        unusual_ids = rules.unusual_ids
        lines = read_lines(source, stdin=io.BytesIO(), max_line_bytes=options.max_line_bytes)
        for _, number, _, content in lines:
            if isinstance(content, Rejection):
                report.records += 1
                checking.judge(number, b"", content)
                continue
            if isinstance(content, MappingWarning):
                checking.warn(number, (content,))
                continue
            data = parse_roughly(content)
            if (
                is_ordinary(data, rules.traits_from, unusual_ids)
                and not data["userId"].isspace()
                and not has_large_number(data)
                and not rewriting.concerns(data)
            ):
                count += 1
                found = of_ordinary(data)
                if not has_short_call(content, data["type"], data.get("properties") or NO_FIELDS):
                    found = [*found, *of_call(ordinary(data), options.naming)]
                if found:
                    checking.warn(number, found)
                continue
            data = with_exact_numbers(content, data)
            for raw, reading in read_parsed(content, data, rules):
                report.records += 1
                if isinstance(reading, Rejection):
                    checking.judge(number, raw, lines.fitted(reading, number))
                else:
                    checking.judge(number, raw, rewriting.of(reading))
        report.records += count
        report.met_rules |= rewriting.met
        packed = places.packed() if places else None
        return Checked(report, number, packed, checking.rejected)


class _Checking:
    """What was found in a part so far."""

    def __init__(
        self,
        source: str,
        options: ReadingOptions,
        warnings: WarningsOfRecords,
        places: Places | None,
        *,
        keeps_rejected: bool,
    ) -> None:
        self.report = Report()
        self.rejected: list[tuple[int, Rejection, bytes]] = []
        self._keeps_rejected = keeps_rejected
        self._places = places
        self._warnings = warnings
        self._source = source
        self._naming = options.naming

    def judge(self, line: int, raw: bytes, reading: Reading) -> None:
        """Count what is wrong with a record; `raw` is its line, or what would be one of its own."""
        if isinstance(reading, Rejection):
            self.report.reject(self._source, line, reading)
            if self._keeps_rejected:
                self.rejected.append((line, reading, digest_of(reading.code, raw)))
            if self._places:
                self._places.add(reading, line)
        elif isinstance(reading, Skip):
            self._skip(line, reading)
            self.warn(line, reading.warnings)
        elif reading.user_id and not reading.user_id.isspace():
            found = self._warnings.of_record(reading)
            self.warn(line, [*reading.warnings, *found, *self._of_call(raw, reading)])
        else:
            # Without a userId it takes a closer look to tell whether the record names anybody.
            named = user_of(reading)
            skip = unidentified(Mapped(reading, WootricSettings(), named.user, NO_FIELDS, ()))
            if skip:
                # Its properties go nowhere, so nothing is wrong with them.
                self._skip(line, skip)
                self.warn(line, [*reading.warnings, *named.warnings])
            else:
                mapped = map_record(reading, naming=self._naming)
                self.warn(line, [*mapped.warnings, *self._of_call(raw, reading)])

    def warn(self, line: int, warnings: Sequence[MappingWarning]) -> None:
        """Count the warnings of one record."""
        for found in self.report.warn_of_record(self._source, line, warnings):
            if self._places:
                self._places.add_warning(found.key, line)

    def _of_call(self, raw: bytes, record: Record) -> Sequence[MappingWarning]:
        properties = record.properties if isinstance(record, Track | Page) else NO_FIELDS
        if has_short_call(raw, record.type, properties):
            return ()
        return of_call(record, self._naming)

    def _skip(self, line: int, skip: Skip) -> None:
        self.report.skip(self._source, line, skip)
        if self._places:
            self._places.add(skip, line)
