"""Lines → records → settings: the part of the way that every command goes."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final, NamedTuple, Protocol, TypeVar

from wootric_map.mapping.property_names import AS_WRITTEN, Kinds, Naming
from wootric_map.mapping.settings import Mapped, map_record, note_kinds
from wootric_map.model import MappingWarning, Rejection, Skip
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import Source
from wootric_map.read.json_lines import parse_roughly, with_exact_numbers
from wootric_map.read.lines import MAX_LINE_BYTES, read_lines
from wootric_map.read.ordinary_record import has_large_number, is_ordinary, ordinary
from wootric_map.read.parts import parts
from wootric_map.read.process_pool import SideBySide
from wootric_map.read.record import Identify, Reading, Rules, Track, TraitsFrom, read_parsed


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How records are read and mapped."""

    max_line_bytes: int = MAX_LINE_BYTES
    ignore_integrations: bool = False
    """Take a record even if its `integrations` turn Wootric off."""
    amount_suffix: bool = False
    """Give number properties whose key lacks it the ending `_amount`."""
    array_suffix: bool = False
    """Give list properties whose key lacks it the ending `_array`."""
    traits_from: TraitsFrom = "auto"
    """Where the traits of an identify are taken from (segment.md 1)."""
    consent_categories: tuple[str, ...] = ()
    """Categories of consent that a record's user must have agreed to (segment.md 3)."""

    @property
    def rules(self) -> Rules:
        """How a record is judged."""
        return Rules(self.ignore_integrations, self.traits_from, self.consent_categories)

    @property
    def naming(self) -> Naming:
        """How the properties of a record looked at alone are named."""
        if not (self.amount_suffix or self.array_suffix):
            return AS_WRITTEN
        return Naming(self.amount_suffix, self.array_suffix)


class Entry(NamedTuple):
    """What became of one record, and where it stands."""

    source: str
    line: int
    raw: bytes
    """A line that holds this record alone; empty where it was not kept."""
    outcome: Mapped | Skip | Rejection | MappingWarning
    """A warning is about the source, and stands for no record."""

    @property
    def place(self) -> str:
        """Source and line, as an editor takes them."""
        return f"{self.source}:{self.line}"


class Located(NamedTuple):
    """One record as it was read, not mapped yet, and where it stands; or a warning about its source."""

    source: str
    line: int
    raw: bytes
    """As in `Entry`."""
    reading: Reading | MappingWarning


PART_BYTES: Final = 4 * 1024 * 1024
"""What a part has at least: enough that handing it over costs nothing beside reading it."""


class Counted(Protocol):
    """What came of a part."""

    @property
    def lines(self) -> int:
        """How many lines the part has, with what follows the last line ending if there is anything."""


C = TypeVar("C", bound=Counted)


def worth(processes: int, sources: Iterable[Source]) -> int:
    """How many processes these sources are worth reading with: one alone where all is one part."""
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
    """Cut the sources into parts, and have them worked on side by side.

    Args:
        workers: who works on them.
        sources: as `discover` gives them.
        stdin: standard input, for the source that names it.
        max_line_bytes: the longest line taken.
        on_bytes: told how many bytes were read, before decompression.
        live: hand over what comes through a pipe as soon as a line is there.

    Yields:
        Each part in its order, how many lines of its source come before it, and what came of it.
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
    """Read every record of the sources, in their order.

    Args:
        sources: as `discover` gives them.
        options: how to read.
        stdin: standard input, for the source that names it.
        on_bytes: told how many bytes were read, before decompression.
    """
    rules, traits_from = options.rules, options.traits_from
    for source in sources:
        lines = read_lines(
            source, stdin=stdin, max_line_bytes=options.max_line_bytes, on_bytes=on_bytes
        )
        for name, number, _, content in lines:
            if not isinstance(content, bytes):
                yield Located(name, number, b"", content)
                continue
            data = parse_roughly(content)
            if is_ordinary(data, traits_from) and not has_large_number(data):
                yield Located(name, number, content, ordinary(data))
                continue
            data = with_exact_numbers(content, data)
            for raw, reading in read_parsed(content, data, rules):
                fitted = (
                    lines.fitted(reading, number) if isinstance(reading, Rejection) else reading
                )
                yield Located(name, number, raw, fitted)


def read_entries(
    sources: Iterable[Source],
    options: ReadingOptions,
    *,
    stdin: ByteStream,
    on_bytes: Callable[[int], object] | None = None,
) -> Iterator[Entry]:
    """Read and map every record of the sources, in their order; arguments as in `read_records`."""
    naming = options.naming
    records = read_records(sources, options, stdin=stdin, on_bytes=on_bytes)
    for source, line, raw, reading in records:
        outcome = (
            reading
            if isinstance(reading, Skip | Rejection | MappingWarning)
            else map_record(reading, naming=naming)
        )
        yield Entry(source, line, raw, outcome)


class _Seen(NamedTuple):
    """What a part shows of the kinds of values."""

    masks: Mapping[str, int] | None
    """As in `Kinds`."""
    lines: int


def kinds_in(
    sources: Sequence[Source], options: ReadingOptions, processes: int
) -> Mapping[str, int]:
    """Read files for the kinds of values that the names of their properties have (wootric.md 6).

    Args:
        sources: as `discover` gives them, all of them files.
        options: how to read.
        processes: how many there may be.

    Returns:
        What `Naming.kinds` is to be.
    """
    kinds = Kinds()
    with SideBySide(partial(_kinds_in_part, options=options), worth(processes, sources)) as workers:
        for _, _, seen in read_in_parts(
            workers, sources, stdin=io.BytesIO(), max_line_bytes=options.max_line_bytes
        ):
            kinds.add(seen.masks)
    return kinds.masks or {}


def _kinds_in_part(part: Source, *, options: ReadingOptions) -> _Seen:
    kinds, lines = Kinds(), 0
    for each in read_records([part], options, stdin=io.BytesIO()):
        lines = each.line
        if isinstance(each.reading, Identify | Track):
            note_kinds(each.reading, kinds)
    return _Seen(kinds.masks, lines)
