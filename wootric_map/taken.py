"""What is known of the records of a part once it was taken in: what `intake` gives, and `spool` keeps."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Final, NamedTuple, TypeAlias

from wootric_map.outcome import Rejection
from wootric_map.report import Report

IDENTIFY: Final = 0
TRACK: Final = 1
PAGE: Final = 2
KINDS: Final = ("identify", "track", "page")
"""The records' types, each in the place of its number."""

CHOSEN: Final = 4
"""Added to a kind: the record is replayed, as far as can be told of it alone."""

QUIET: Final = 8
"""Added to a track or page record's kind: there is nothing to warn of in its properties."""

UNFILED: Final = -1
"""In place of the id that a record is filed under: no more is kept than that its message was met."""

Kept: TypeAlias = tuple[int, bool, str | bytes, int, int, int, Any, bytes]
"""A record as a part keeps it: its time (or `NO_TIME`), whether it has a message id, that or else its own
line, its kind (and `CHOSEN`, `QUIET`), its line number in the part, its number in the part, its topic, and
its packed payload. A plain tuple, which `marshal` takes, and whose first three put an end user's records in
their order.

The topic is the little that tells it from others at a glance: see `intake`. Most payloads are never unpacked.
"""


class Columns(NamedTuple):
    """What a part tells of each of its records, one after the other."""

    messages: "array[int]"
    """A hash of the message id, the same in all processes of a run; 0 where there is none."""
    checks: "array[int]"
    """Another, so that nothing but the same message has both."""
    digests: "array[int]"
    """Of the line, where there is a message id."""
    times: "array[int]"
    lines: "array[int]"
    numbers: "array[int]"
    """The id it is filed under: in a part by its place there, -1 for none; then by number, or `NOBODY`."""
    marks: "array[int]"
    """Its kind (and `CHOSEN`, `QUIET`)."""
    raw: "array[int]"
    """Bytes of its line, where lines are kept; else empty."""


CODES: Final = ("q", "I", "I", "q", "I", "i", "B", "I")
"""Of each column of a part the type of its numbers."""


def columns(facts: Sequence[tuple[int, ...]], raw: Iterable[int]) -> Columns:
    """Make columns of what is told of the records one by one, and of the sizes of their lines."""
    each = zip(*facts, strict=True) if facts else repeat(())
    return Columns(
        *(array(code, values) for code, values in zip(CODES, chain(each, [raw]), strict=False))
    )


class Taken(NamedTuple):
    """What a part came to; places and numbers are counted within it."""

    report: Report
    """Counts the records, skips, rejections and warnings; its places count lines from the beginning."""
    lines: int
    """How many lines the part has, with what follows the last line ending if there is anything."""
    stopped_after: int | None
    """The line up to which it was taken in; None where all was, as nearly always."""
    rejected: list[tuple[int, Rejection, bytes]]
    """The rejected records with their lines, if these are kept."""
    aliases: list[tuple[str, str]]
    """Ids that are said to be one user's."""
    has_tracks: bool
    names: list[str]
    """The names of all ids, which are known by their places here."""
    ties: list[tuple[int, ...]]
    """Ids that name one end user."""
    hints: list[tuple[int, int]]
    """A phone or anonymous id, and an id that it was seen with."""
    others: "array[int]"
    """Of each record, an id to file it under if nobody is identified by the first, or -1; empty where
    none has one."""
    sizes: "array[int]"
    """Of each record, its bytes in `data`."""
    data: bytes
    """The records that more is kept of than what stands in the columns, one behind the other."""
    columns: Columns
    raw: bytes
    """The records' lines, one behind the other, if these are kept."""
    kinds: Mapping[str, int] | None
    """The kinds of values that each property's name was seen with, if any are renamed: see `naming.Kinds`."""
