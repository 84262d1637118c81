"""What one part of a source comes to: its odd lines, and the counts of those that the database has taken."""

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from typing import Any, Final, NamedTuple

from wootric_map.findings import PLACES
from wootric_map.mapping.entries import ReadingOptions
from wootric_map.mapping.filters import Choice, not_chosen
from wootric_map.mapping.property_names import AS_WRITTEN, Naming
from wootric_map.model import Rejection, Skip
from wootric_map.plan.earlier_rejects import REJECTED, KnownRejects, fingerprint, known_reject
from wootric_map.plan.engine.database import Database
from wootric_map.plan.engine.exact_rows import ExactRows
from wootric_map.plan.engine.rows import CHOSEN, KINDS, ODD, SKIPPED, Rows
from wootric_map.read.exact_numbers import with_exact_numbers
from wootric_map.read.files import Source
from wootric_map.read.json_lines import parse, parse_roughly
from wootric_map.read.lines import read_lines
from wootric_map.read.ordinary_lines import KINDS as ALL_KINDS
from wootric_map.read.ordinary_record import has_large_number, is_ordinary, ordinary
from wootric_map.read.record import Reading, read_parsed, type_named, unsupported
from wootric_map.read.rejects_lines import is_rejects_line
from wootric_map.report import Report

_MOST_BYTES: Final = 2 * 1024 * 1024
"""Bytes of exactly read records that are held at once: a batch lends each of its elements a context."""
_ODD_AT_ONCE: Final = 2000
"""Odd lines that are held at once."""


@dataclass(frozen=True, slots=True)
class IntakeOptions:
    """How records are taken in."""

    reading: ReadingOptions
    choice: Choice
    """What is replayed."""
    link_anonymous: bool
    """Whether it matters what an anonymousId was seen with."""
    keep_lines: bool
    """Keep each record's line."""
    keep_rejected: bool
    """Keep the rejected records with their lines."""
    naming: Naming = AS_WRITTEN
    """How properties are named."""
    known_rejects: KnownRejects | None = None
    """What earlier runs rejected or saw refused, which is left out."""
    retries: bool = False
    """Try what is known once more all the same, as what comes from a rejects file is."""

    @property
    def is_exact(self) -> bool:
        """Whether only the exact reader tells what is needed of a record."""
        return self.link_anonymous or self.naming.renames


class Taken(NamedTuple):
    """What a part came to, beside its records; lines are counted within it."""

    part: int
    """The number of the part in the database."""
    report: Report
    """Counts the records, skips, rejections and warnings."""
    lines: int
    """How many lines the part has, with what follows the last line ending if there is anything."""
    slots: int
    """How many numbers of records the part takes."""
    rejected: Sequence[tuple[int, Rejection, bytes]]
    """The rejected records with their lines, if these are kept."""
    kinds: Any
    """The kinds of values that each property's name was seen with, if any are renamed."""
    retried: Sequence[bytes]
    """The fingerprints of records that earlier runs rejected or saw refused, and that are tried once more."""
    first_row: int = 0
    """The first row of the part, if its rows are in the order of its lines."""


class PartIntake:
    """A part that is being taken in."""

    def __init__(
        self, source: Source, part: int, options: IntakeOptions, database: Database
    ) -> None:
        self.lines = 0
        self._source = source
        self._part = part
        self._options = options
        self._database = database
        self._report = Report()
        self._rejected: list[tuple[int, Rejection, bytes]] = []
        self._retried: list[bytes] = []
        self._skipped: Iterator[tuple[int, Skip]] = iter(())
        self._next_skipped: tuple[int, Skip] | None = None
        self._exact = self._begin()
        self._kinds = self._exact.kinds
        self._extra = 0
        self._held = 0

    def _begin(self) -> ExactRows:
        options = self._options
        return ExactRows(
            self._source.name,
            self._report,
            options.choice,
            options.naming,
            link_anonymous=options.link_anonymous,
            keep_lines=options.keep_lines,
        )

    def take_told(self, line: str, count: int, *, is_last_ended: bool) -> None:
        """Count what the database has taken of the part, and take the odd lines exactly.

        Args:
            line: the expression for the number of a line.
            count: how many lines the part has.
            is_last_ended: whether the last line has a line ending.
        """
        database, part = self._database, self._part
        counts = dict(
            database.rows(f"SELECT mark, count(*) FROM line WHERE part = {part} GROUP BY mark")
        )
        odd = counts.pop(ODD, 0)
        self._report.records += sum(counts.values())
        skips: Counter[Skip] = Counter()
        for mark, number in counts.items():
            if (skip := _skip_of(mark)) is not None:
                skips[skip] += number
        if skips:
            self._skipped = self._first_skipped(line, skips)
        if odd:
            self._take_odd(line, count, is_last_ended=is_last_ended)
        self.lines = count

    def _first_skipped(self, line: str, skips: "Counter[Skip]") -> Iterator[tuple[int, Skip]]:
        """Count the skipped records, and return the first few of each code."""
        rows = self._database.rows(
            f"""
            SELECT line, mark FROM (
                SELECT {line} AS line, mark, row_number() OVER (PARTITION BY mark ORDER BY {line}) AS nth
                FROM line WHERE part = {self._part} AND mark < {ODD}
                    AND (mark >= {SKIPPED} OR mark & {CHOSEN} = 0)
            ) WHERE nth <= {PLACES} ORDER BY line
            """
        )
        shown: Counter[str] = Counter()
        first = []
        for number, mark in rows:
            skip = _skip_of(mark)
            assert skip  # noqa: S101 - the query asks for no others
            if shown[skip.code] < PLACES:
                shown[skip.code] += 1
                first.append((number, skip))
        for skip, number in skips.items():
            self._report.skipped.counts[skip.code] += number
        self._report.skipped.counts.subtract(shown)
        return iter(first)

    def _take_odd(self, line: str, count: int, *, is_last_ended: bool) -> None:
        """Take the lines in that the database has left to the exact reader."""
        rows = self._database.stream(
            f"SELECT {line}, kept.raw FROM line WHERE part = {self._part} AND mark = {ODD} ORDER BY 1"
        )
        while some := list(islice(rows, _ODD_AT_ONCE)):
            numbers = [each[0] for each in some]
            content = b"\n".join([each[1] for each in some])
            if numbers[-1] != count or is_last_ended:
                content += b"\n"
            self.take_exactly(replace(self._source, held=content), numbers)

    def take_exactly(self, source: Source, numbers: Sequence[int] | None) -> None:
        """Take records in by the exact reader.

        Args:
            source: holds them.
            numbers: the numbers of its lines in the part; None if they are equal.
        """
        reading = self._options.reading
        rules, passed_over = reading.rules, self._options.choice.passed_over
        lines = read_lines(source, stdin=io.BytesIO(), max_line_bytes=reading.max_line_bytes)
        for _, number, _, content in lines:
            line = number if numbers is None else numbers[number - 1]
            self._skip_up_to(line)
            self.lines = line
            if not isinstance(content, bytes):
                if isinstance(content, Rejection):
                    self._reject(line, content, b"")
                else:
                    self._report.warn(self._source.name, line, content)
                continue
            data = parse_roughly(content)
            if passed_over and (kind := type_named(data)) in passed_over:
                self._pass_over(line, kind)
            elif is_ordinary(data, reading.traits_from) and not has_large_number(data):
                self._take(line, 0, content, ordinary(data), retries=self._options.retries)
            else:
                data = with_exact_numbers(content, data)
                retries = self._options.retries or is_rejects_line(data)
                for nth, (raw, each) in enumerate(read_parsed(content, data, rules)):
                    if passed_over and (kind := _type_of(raw, each)) in passed_over:
                        self._pass_over(line, kind)
                        continue
                    fitted = lines.fitted(each, number) if isinstance(each, Rejection) else each
                    self._take(line, nth, raw, fitted, retries=retries)

    def _skip_up_to(self, line: float) -> None:
        """Report the skipped records before a line that the database has taken."""
        while True:
            waiting = self._next_skipped or next(self._skipped, None)
            if waiting is None or waiting[0] >= line:
                self._next_skipped = waiting
                return
            self._next_skipped = None
            self._report.skip(self._source.name, *waiting)

    def taken(self) -> Taken:
        """Write what is left, and return what the part came to."""
        self._skip_up_to(inf)
        self._write()
        return Taken(
            self._part,
            self._report,
            self.lines,
            self.lines + self._extra,
            self._rejected,
            self._kinds.masks,
            self._retried,
        )

    def _write(self) -> None:
        self._exact.rows.write(self._database, self._part)
        self._exact.rows = Rows()
        self._held = 0

    def _take(self, line: int, nth: int, raw: bytes, reading: Reading, *, retries: bool) -> None:
        """Take a record as it was read; `nth` is its place on its line."""
        left_out = self._known_reject(raw, reading, retries=retries)
        if isinstance(reading, Skip):
            self._exact.skip(line, reading)
        elif isinstance(reading, Rejection):
            if left_out:
                self._exact.skip(line, left_out)
            else:
                self._reject(line, reading, raw)
        else:
            slot = line
            if nth:
                # Behind the numbers of the lines, of which it is not known yet how many there are.
                self._extra += 1
                slot = -self._extra
            self._exact.add(slot, line, raw, reading, left_out=left_out)
            self._held += len(raw)
            if self._held > _MOST_BYTES:
                self._write()

    def _known_reject(self, raw: bytes, reading: Reading, *, retries: bool) -> Skip | None:
        """Return the skip of a record that failed in an earlier run, unless it is tried once more."""
        known = self._options.known_rejects
        if known is None or isinstance(reading, Skip):
            return None
        state = known.state_of(raw)
        if state is None:
            return None
        is_wrong = isinstance(reading, Rejection)
        if retries or (state == REJECTED and not is_wrong):
            self._retried.append(fingerprint(raw, known.secret))
            return None
        return known_reject("record" if isinstance(reading, Rejection) else reading.type, state)

    def _reject(self, line: int, rejection: Rejection, raw: bytes) -> None:
        self._report.records += 1
        self._report.reject(self._source.name, line, rejection)
        if self._options.keep_rejected:
            self._rejected.append((line, rejection, raw))

    def _pass_over(self, line: int, kind: str) -> None:
        """Count a record of a type that is left out, and at which nobody looked any further."""
        self._exact.skip(line, not_chosen(kind) if kind in KINDS else unsupported(kind))


def _type_of(raw: bytes, reading: Reading) -> str | None:
    """Return the type of a record, also of one that was rejected, if it names any."""
    return type_named(parse(raw)) if isinstance(reading, Rejection) else reading.type


def _skip_of(mark: int) -> Skip | None:
    """Return why a line that the database has taken is left out; None if it is not."""
    if mark < SKIPPED:
        return None if mark & CHOSEN else not_chosen(KINDS[mark & 3])
    kind = ALL_KINDS[mark - SKIPPED]
    return not_chosen(kind) if kind in KINDS else unsupported(kind)
