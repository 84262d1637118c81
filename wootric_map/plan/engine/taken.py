"""What is known of the records of a part once it was taken in: what `intake` gives, and `spool` keeps."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Final, NamedTuple, TypeAlias

from wootric_map.model import Rejection
from wootric_map.report import Report

IDENTIFY: Final = 0
TRACK: Final = 1
PAGE: Final = 2
SURVEY: Final = 3
"""A track record that is a survey response or decline (wootric.md 7)."""
KINDS: Final = ("identify", "track", "page", "track")
"""The records' types, each in the place of its number."""

CHOSEN: Final = 4
"""Added to a kind: the record is replayed, as far as can be told of it alone."""

QUIET: Final = 8
"""Added to a track or page record's kind: there is nothing to warn of in its properties."""

MENTIONED: Final = 16
"""Added to a track or page record's kind: its email is perhaps not its user's, and ties nobody."""

DETACHED: Final = 32
"""Added to a kind once all records are read: the record belongs to the end user of its email alone, since
its `userId` or its email is several people's (segment.md 8)."""

SUPPRESSED: Final = 64
"""Added to a kind: the record itself names somebody on a suppression list."""

EMAIL_IN_TRAITS: Final = "traits"
"""In place of where a track or page record's email stands: nowhere, but in traits that it should not have."""

GROUP: Final = 128
"""Added to `IDENTIFY`: the record is a group call. It tells that its user is a member of a group, and states
traits of that group, but none of the user."""

UNFILED: Final = -1
"""In place of the id that a record is filed under: no more is kept than that its message was met."""

Kept: TypeAlias = tuple[int, bool, str | bytes, int, int, int, Any, bytes, int]
"""A record as a part keeps it: its time (or `NO_TIME`), whether it has a message id, that or else its own
line, its kind (and `CHOSEN`, `QUIET`), its line number in the part, its number in the part, its topic, its
packed payload, and a digest of its line where it has a message id. A plain tuple, which `marshal` takes.
The first three and the last put an end user's records in their order.

The topic of a group call is the `groupId`. Else it is the little that tells a record from others at a glance:
see `intake`. Most payloads are never unpacked.
"""


class Columns(NamedTuple):
    """What a part tells of each of its records, one after the other."""

    messages: "array[int]"
    """A hash of the message id, the same in all processes of a run; 0 where there is none."""
    checks: "array[int]"
    """Another, so that nothing but the same message id has both."""
    contents: "array[int]"
    """A hash of what a repeat has in common beside the message id (segment.md 2, `duplicate`)."""
    digests: "array[int]"
    """Of the line, where there is a message id."""
    times: "array[int]"
    lines: "array[int]"
    numbers: "array[int]"
    """The id it is filed under: in a part by its place there, -1 for none; then by number, or `NOBODY`."""
    marks: "array[int]"
    """Its kind (and what is added to it)."""
    raw: "array[int]"
    """Bytes of its line, where lines are kept; else empty."""


CODES: Final = ("q", "I", "q", "I", "q", "I", "i", "B", "I")
"""Of each column of a part the type of its numbers."""


def columns(facts: Sequence[tuple[int, ...]], raw: Iterable[int]) -> Columns:
    """Make columns of what is told of the records one by one, and of the sizes of their lines."""
    each = zip(*facts, strict=True) if facts else repeat(())
    return Columns(
        *(array(code, values) for code, values in zip(CODES, chain(each, [raw]), strict=False))
    )


class StatedId(NamedTuple):
    """That an identify states an external id, where a trait gives that."""

    number: int
    """An id of the identify: its place in the part, then its number in the run."""
    other: int
    """The id that the identify is filed under if the first names nobody or several people, or -1."""
    text: str
    """The external id, or a digest of a very long one."""
    is_withheld: bool = False
    """Whether the identify is not sent; it may be anybody's who has either id."""
    line: int = 0
    """Where one such identify stands."""


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
    aliases: list[tuple[str, str, int]]
    """Of each alias its `previousId`, its `userId` and its line."""
    has_tracks: bool
    has_surveys: bool
    names: list[str]
    """The names of all ids, which are known by their places here."""
    claims: list[tuple[int, int]]
    """The `userId` and the email of each identify that has both."""
    withheld: list[tuple[int, int]]
    """The `userId` and email of identifies whose users opted out: they show ambiguous ids, but tie nobody."""
    ties: list[tuple[int, int]]
    """Other pairs of ids that name one end user."""
    hints: list[tuple[int, int]]
    """A phone or anonymous id, and an id that it was seen with."""
    others: "array[int]"
    """Of each record, another id to file it under if the first names nobody or several people, or -1; empty
    where none has one."""
    has_mentions: bool
    """Whether any record is `MENTIONED`."""
    sizes: "array[int]"
    """Of each record, its bytes in `data`."""
    data: bytes
    """The records that more is kept of than what stands in the columns, one behind the other."""
    columns: Columns
    raw: bytes
    """The records' lines, one behind the other, if these are kept."""
    suppressed: list[int]
    """The places in `names` of the ids that are on a suppression list."""
    named: list[tuple[int, int]]
    """Pairs of ids that any record names together, if there is a suppression list: they tie nobody."""
    kinds: Mapping[str, int] | None
    """The kinds of values that each property's name was seen with, if any are renamed: see `naming.Kinds`."""
    retried: list[bytes]
    """The fingerprints of records that earlier runs rejected or saw refused, and that are tried once more."""
    external_ids: Sequence[StatedId] = ()
    """The external ids that identifies state, if a trait gives these."""
