"""Lines → records → settings: the part of the way that every command goes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from wootric_map.mapping import Mapped, map_record
from wootric_map.outcome import Rejection, Skip
from wootric_map.record import Reading, read_line
from wootric_map.source import MAX_LINE_BYTES, ByteStream, Source, read_lines


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How records are read and mapped."""

    max_line_bytes: int = MAX_LINE_BYTES
    ignore_integrations: bool = False
    """Take a record even if its `integrations` turn Wootric off."""
    amount_suffix: bool = False
    """Give integer properties whose key lacks it the ending `_amount`."""


class Entry(NamedTuple):
    """What became of one record, and where it stands."""

    source: str
    line: int
    raw: bytes
    """A line that holds this record alone; empty where it was not kept."""
    outcome: Mapped | Skip | Rejection

    @property
    def place(self) -> str:
        """Source and line, as an editor takes them."""
        return f"{self.source}:{self.line}"


class Located(NamedTuple):
    """One record as it was read, not mapped yet, and where it stands."""

    source: str
    line: int
    raw: bytes
    """As in `Entry`."""
    reading: Reading


# The class's own constructor takes twice as long.
_located: Callable[[tuple[object, ...]], Located] = partial(tuple.__new__, Located)


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
    for source in sources:
        lines = read_lines(
            source, stdin=stdin, max_line_bytes=options.max_line_bytes, on_bytes=on_bytes
        )
        for name, number, _, content in lines:
            if isinstance(content, Rejection):
                yield Located(name, number, b"", content)
                continue
            for raw, reading in read_line(content, ignore_integrations=options.ignore_integrations):
                yield _located((name, number, raw, reading))


def read_entries(
    sources: Iterable[Source],
    options: ReadingOptions,
    *,
    stdin: ByteStream,
    on_bytes: Callable[[int], object] | None = None,
) -> Iterator[Entry]:
    """Read and map every record of the sources, in their order; arguments as in `read_records`."""
    records = read_records(sources, options, stdin=stdin, on_bytes=on_bytes)
    for source, line, raw, reading in records:
        outcome = (
            reading
            if isinstance(reading, Skip | Rejection)
            else map_record(reading, amount_suffix=options.amount_suffix)
        )
        yield Entry(source, line, raw, outcome)
