"""Lines → records → settings: the steps that every command takes."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final, NamedTuple, Protocol, TypeVar

from wootric_map.mapping.property_names import AS_WRITTEN, Kinds, Naming
from wootric_map.mapping.rewriting import Rewriting
from wootric_map.mapping.rules import DEFAULT_RULES, MappingRules
from wootric_map.mapping.settings import Mapped, map_record, note_kinds
from wootric_map.model import MappingWarning, Rejection, Skip
from wootric_map.read.blocks import ByteStream
from wootric_map.read.exact_numbers import with_exact_numbers
from wootric_map.read.files import Source
from wootric_map.read.json_lines import parse_roughly
from wootric_map.read.lines import MAX_LINE_BYTES, Lines, read_lines
from wootric_map.read.ordinary_record import has_large_number, is_ordinary, ordinary
from wootric_map.read.parts import parts
from wootric_map.read.process_pool import SideBySide
from wootric_map.read.record import Group, Identify, Reading, Rules, Track, TraitsFrom, read_parsed
from wootric_map.read.suppression import NOBODY_SUPPRESSED, Suppression


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """The user's choices about how records are read and mapped."""

    max_line_bytes: int = MAX_LINE_BYTES
    """The longest line that is read."""
    ignore_integrations: bool = False
    """Whether a record is valid even if its `integrations` turn Wootric off."""
    amount_suffix: bool = False
    """Whether number properties get the ending `_amount` if their key lacks it."""
    array_suffix: bool = False
    """Whether list properties get the ending `_array` if their key lacks it."""
    traits_from: TraitsFrom = "auto"
    """The place of an identify's traits (segment.md 1)."""
    consent_categories: tuple[str, ...] = ()
    """Categories of consent that a record's user must have agreed to (segment.md 3)."""
    configured: MappingRules = DEFAULT_RULES
    """What the user configures about the mapping."""
    suppression: Suppression = NOBODY_SUPPRESSED
    """The people of whom nothing is sent."""

    @property
    def rules(self) -> Rules:
        """The choices that decide whether a record is valid."""
        return Rules(
            self.ignore_integrations,
            self.traits_from,
            self.consent_categories,
            placeholders=self.configured.identity.all_placeholders,
            takes_groups=self.configured.group_prefix is not None,
        )

    def rewriting(self) -> Rewriting:
        """Return what applies the user's rules to records; it notes which rules were met."""
        return Rewriting(self.configured, self.suppression)

    @property
    def naming(self) -> Naming:
        """The naming of the properties of a record by itself, without the other records of a run."""
        if not (self.amount_suffix or self.array_suffix):
            return AS_WRITTEN
        return Naming(self.amount_suffix, self.array_suffix)


class Entry(NamedTuple):
    """One record with its place, and what became of it; or a warning about a source."""

    source: str
    line: int
    raw: bytes
    """A line that holds this record alone; empty if no such line was kept."""
    outcome: Mapped | Skip | Rejection | MappingWarning
    """What became of the record; a warning is about the source, and no record."""

    @property
    def place(self) -> str:
        """Source and line, in the form that editors take."""
        return f"{self.source}:{self.line}"


class Located(NamedTuple):
    """One record with its place, read but not mapped; or a warning about a source."""

    source: str
    line: int
    raw: bytes
    """A line that holds this record alone; empty if no such line was kept."""
    reading: Reading | MappingWarning
    """What became of the record; a warning is about the source, and no record."""


PART_BYTES: Final = 4 * 1024 * 1024
"""The smallest size of a part: large enough that handing it to a process costs little beside reading it."""


class Counted(Protocol):
    """The result of a part, which knows the part's number of lines."""

    @property
    def lines(self) -> int:
        """How many lines the part has. What follows the last line ending counts as a line."""


C = TypeVar("C", bound=Counted)


def worth(processes: int, sources: Iterable[Source]) -> int:
    """Return how many processes to read sources with: `processes`, or 1 if the sources are one small part."""
    size = sum(PART_BYTES if each.size is None else each.size for each in sources)
    return processes if size >= PART_BYTES else 1


def read_in_parts(
    workers: SideBySide[Source, C],
    sources: Iterable[Source],
    *,
    stdin: ByteStream,
    max_line_bytes: int,
    on_bytes: Callable[[int], object] = int,
    live: bool = False,
) -> Iterator[tuple[Source, int, C]]:
    """Cut sources into parts, and have processes work on the parts side by side.

    Args:
        workers: the processes.
        sources: the sources, as `discover` returns them.
        stdin: standard input, for the source that names it.
        max_line_bytes: the longest line that is read.
        on_bytes: called with the number of bytes that were read, before decompression.
        live: whether lines from a pipe are handed over as soon as they come.

    Yields:
        Each part in order, the number of lines of its source before it, and the result.
    """
    cut = (
        parts(
            each,
            1 if live and each.size is None else PART_BYTES,
            stdin=stdin,
            max_line_bytes=max_line_bytes,
            on_bytes=on_bytes,
        )
        for each in sources
    )
    lines = 0
    for part, result in workers.each(chain.from_iterable(cut)):
        on_bytes(part.unread)
        lines = lines if part.nth else 0
        yield part, lines, result
        lines += result.lines


def read_records(
    sources: Iterable[Source],
    options: ReadingOptions,
    *,
    stdin: ByteStream,
    on_bytes: Callable[[int], object] | None = None,
) -> Iterator[Located]:
    """Read every record of the sources, in order.

    Args:
        sources: the sources, as `discover` returns them.
        options: how records are read.
        stdin: standard input, for the source that names it.
        on_bytes: called with the number of bytes that were read, before decompression.
    """
    rules, traits_from = options.rules, options.traits_from
    placeholders, rewriting = rules.unusual_ids, options.rewriting()
    for source in sources:
        lines = read_lines(
            source, stdin=stdin, max_line_bytes=options.max_line_bytes, on_bytes=on_bytes
        )
        for name, number, _, content in lines:
            if not isinstance(content, bytes):
                yield Located(name, number, b"", content)
                continue
            data = parse_roughly(content)
            if is_ordinary(data, traits_from, placeholders) and not has_large_number(data):
                yield Located(name, number, content, rewriting.of(ordinary(data)))
                continue
            for each in unusual_records(name, number, content, data, lines, rules):
                yield rewritten(each, rewriting)


def rewritten(located: Located, rewriting: Rewriting) -> Located:
    """Return a record as the user's rules want it; a warning about a source as it is."""
    reading = located.reading
    if isinstance(reading, MappingWarning):
        return located
    return located._replace(reading=rewriting.of(reading))


def unusual_records(
    source: str, number: int, content: bytes, data: object, lines: Lines, rules: Rules
) -> Iterator[Located]:
    """Read the records in a line that is not one ordinary record.

    Args:
        source: the source's name.
        number: the line's number.
        content: the line.
        data: the line's JSON, as `json_lines.parse_roughly` returns it.
        lines: the lines of the source.
        rules: the user's choices about which records are valid.
    """
    for raw, reading in read_parsed(content, with_exact_numbers(content, data), rules):
        fitted = lines.fitted(reading, number) if isinstance(reading, Rejection) else reading
        yield Located(source, number, raw, fitted)


def read_entries(
    sources: Iterable[Source],
    options: ReadingOptions,
    *,
    stdin: ByteStream,
    on_bytes: Callable[[int], object] | None = None,
) -> Iterator[Entry]:
    """Read and map every record of the sources, in order.

    Args:
        sources: the sources, as `discover` returns them.
        options: how records are read and mapped.
        stdin: standard input, for the source that names it.
        on_bytes: called with the number of bytes that were read, before decompression.
    """
    naming = options.naming
    records = read_records(sources, options, stdin=stdin, on_bytes=on_bytes)
    for source, line, raw, reading in records:
        outcome = (
            reading
            if isinstance(reading, Skip | Rejection | MappingWarning)
            else map_record(reading, naming=naming)
        )
        yield Entry(source, line, raw, outcome)


class _KindsOfPart(NamedTuple):
    """The kinds of values in a part, and the number of its lines."""

    masks: Mapping[str, int] | None
    """The mask of kinds by name; None if there are too many names."""
    lines: int


def kinds_in(
    sources: Sequence[Source], options: ReadingOptions, processes: int
) -> Mapping[str, int]:
    """Read files to collect the kinds of values of all property names (wootric.md 6).

    Args:
        sources: files, as `discover` returns them; no pipe and no standard input.
        options: how records are read.
        processes: the greatest number of processes.

    Returns:
        The mask of kinds by name, for `Naming.kinds`; empty if there are too many names.
    """
    kinds = Kinds()
    with SideBySide(partial(_kinds_in_part, options=options), worth(processes, sources)) as workers:
        for _, _, of_part in read_in_parts(
            workers, sources, stdin=io.BytesIO(), max_line_bytes=options.max_line_bytes
        ):
            kinds.add(of_part.masks)
    return kinds.masks or {}


def _kinds_in_part(part: Source, *, options: ReadingOptions) -> _KindsOfPart:
    kinds, lines = Kinds(), 0
    for each in read_records([part], options, stdin=io.BytesIO()):
        lines = each.line
        if isinstance(each.reading, Identify | Track | Group):
            note_kinds(each.reading, kinds)
    return _KindsOfPart(kinds.masks, lines)
