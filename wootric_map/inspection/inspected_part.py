"""A part of a source → what is counted of its records, without the records themselves.

What comes of a part depends on nothing but the part, so that parts may be inspected side by side.
"""

import marshal
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from operator import floordiv, sub
from typing import Any, Final, NamedTuple, TypeAlias
from zlib import crc32

from wootric_map.inspection.opt_out_counts import SaidOptOut, packed
from wootric_map.inspection.trait_rows import TraitRows
from wootric_map.inspection.trait_table import PackedTable, Path, TraitTable
from wootric_map.mapping.group_rewriting import GroupRewriting
from wootric_map.model import Skip
from wootric_map.plan.engine.intake import Intake, IntakeOptions, address, contents, read_into
from wootric_map.plan.engine.quick_identity import named_by_email, names_user_id_alone
from wootric_map.plan.engine.taken import (
    GROUP,
    IDENTIFY,
    MENTIONED,
    PAGE,
    SUPPRESSED,
    SURVEY,
    TRACK,
    Taken,
)
from wootric_map.plan.people import EMAIL, NO_TIME, USER
from wootric_map.plan.steps import page_label
from wootric_map.read.files import Source
from wootric_map.read.record import NO_FIELDS, OptOut
from wootric_map.values import dates
from wootric_map.values.contact import comparable

# What a record states of the end user that it is filed under, each one bit.
IDENTIFIES: Final = 1
"""The record is an identify."""
HAS_EMAIL: Final = 2
"""The identify states an email."""
HAS_PHONE: Final = 4
"""The identify states a phone."""
HAS_WOOTRIC_ID: Final = 8
"""The identify states Wootric's own id."""
EVENT_HAS_EMAIL: Final = 16
"""The track or page record states an email in `context.traits`."""
EVENT_HAS_PHONE: Final = 32
"""The track or page record states a phone in `context.traits`."""

DAY: Final = 86_400_000
"""Milliseconds of a day."""

_LONGEST_LABEL: Final = 1000
"""Characters of an event's or page's name that are kept."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_NONE: Final = -1

_Noted: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int]
"""A row of `RecordColumns`."""
_Quick: TypeAlias = tuple[str, str, str | None, str | None, str, str, str, bytes]
"""A track or page record that names its user by a `userId` alone: its type, `userId`, `anonymousId`, the name
that a repeat has in common, the name of the event or page, `messageId`, `timestamp`, and line."""


class RecordColumns(NamedTuple):
    """What is kept of each record of a part, one record after the other."""

    messages: "array[int]"
    """A hash of the message id, the same in all processes of a run; 0 without one."""
    checks: "array[int]"
    """Another hash of the message id."""
    contents: "array[int]"
    """A hash of what a repeat has in common beside the message id (segment.md 2, `duplicate`)."""
    digests: "array[int]"
    """A hash of the line, for records with a message id."""
    times: "array[int]"
    """Milliseconds since the epoch, or `NO_TIME`."""
    numbers: "array[int]"
    """The id that the record is filed under by itself."""
    others: "array[int]"
    """The id to file the record under if the first names nobody or several people; `NOBODY` is none, and
    -1 before ids have their numbers in the run."""
    marks: "array[int]"
    """`IDENTIFY`, `TRACK`, `PAGE` or `GROUP_CALL`, and `MENTIONED` and `SUPPRESSED` if that is so."""
    stated: "array[int]"
    """Which of `IDENTIFIES` and the others hold."""
    labels: "array[int]"
    """The number of the event's or page's name; 0 for an identify or a group call."""

    def kinds(self) -> list[int]:
        """Return the kind of each record."""
        return [mark & KIND for mark in self.marks]


KIND: Final = 3
"""The bits of a mark that are the kind."""
GROUP_CALL: Final = 3
"""The kind of a group call."""
TYPES: Final = ("identify", "track", "page", "group")
"""The records' types, each in the place of the number of its kind."""

_CODES_IN_PART: Final = ("q", "I", "q", "I", "q", "i", "i", "B", "B", "I")
COLUMN_CODES: Final = ("q", "I", "q", "I", "q", "I", "I", "B", "B", "I")
"""The type of the numbers in each of `RecordColumns`, once ids have their numbers in the run."""


class Filled(NamedTuple):
    """Which traits have values in the identifies of a part."""

    paths: list[Path]
    """The traits."""
    sets: list[tuple[int, ...]]
    """Sets of traits, by their places in `paths`."""
    records: "array[int]"
    """Places of identifies among the records of the part, beside"""
    numbers: "array[int]"
    """the number of the set of traits that the identify has values for."""


class InspectedPart(NamedTuple):
    """What a part of a source came to."""

    taken: Taken
    """What a plan needs of the part, without records and columns."""
    columns: RecordColumns
    labels: list[str]
    """The names of events and pages, by number; the first is of no event."""
    filled: bytes
    """`Filled`, packed."""
    traits: PackedTable
    group_traits: PackedTable
    """The traits of groups, under the names of their members' properties."""
    days: Mapping[tuple[int, int], int]
    """The number of records by kind and day since the epoch."""
    names: Mapping[tuple[int, int], int]
    """The number of records by kind and label."""
    skipped_types: Counter[str]
    """The number of skipped records by type."""
    opt_outs: bytes
    """What identifies say about surveys, as `opt_out_counts.packed` gives it."""

    @property
    def lines(self) -> int:
        """How many lines the part has."""
        return self.taken.lines


def inspect_part(source: Source, options: IntakeOptions) -> InspectedPart:
    """Inspect the records of a source, or of a part of one, that is a file or was read already.

    Args:
        source: what to read.
        options: how.
    """
    intake = _Inspecting(source.name, options)
    lines, _ = read_into(intake, source, options)
    return intake.inspected(lines)


def unpacked(data: bytes) -> Filled:
    """Return what was packed as `InspectedPart.filled`."""
    paths, sets, records, numbers = marshal.loads(data)  # noqa: S302 - our own
    return Filled(paths, sets, array("I", records), array("I", numbers))


class _Inspecting(Intake):
    """Counts what stands in records; keeps a few numbers of each."""

    def __init__(self, source: str, options: IntakeOptions) -> None:
        super().__init__(source, options)
        self._table = TraitTable()
        self._rows = TraitRows(self._table)
        self._group_table = TraitTable()
        self._group_rows = TraitRows(self._group_table)
        self._groups = GroupRewriting(options.reading.configured)
        self._labels: dict[str, int] = {"": 0}
        self._noted: list[_Noted] = []
        self._quick: list[_Quick] = []
        self._skipped_types: Counter[str] = Counter()
        self._opt_outs: list[SaidOptOut] = []

    def skip(self, line: int, skip: Skip) -> None:
        """Count a skipped record by its type, too."""
        self._skipped_types[skip.type] += 1
        super().skip(line, skip)

    def add_quickly(self, line: int, raw: bytes, data: dict[str, Any]) -> bool:
        """`add` the record of which `is_ordinary` says yes, as `Intake.add_quickly` does.

        Most of the work is left for later, when it is done for many records at once.
        """
        kind, user_id, message = data["type"], data["userId"], data.get("messageId")
        if kind not in self._quick_types or not message or self._suppresses:
            return False
        context, anonymous_id = data.get("context") or NO_FIELDS, data.get("anonymousId") or None
        if kind == "identify":
            traits = data.get("traits") or NO_FIELDS
            named = named_by_email(user_id, context, traits)
            if named is None:
                return False
            number, other = self._id(USER, user_id), self._id(EMAIL, comparable(named.email))
            self._claims[number, other] = None
            content = hash(contents(kind, user_id, anonymous_id, None))
            time = dates.parse_common(data["timestamp"])
            ids = number, other, IDENTIFY, IDENTIFIES | HAS_EMAIL
            self._note(raw, time, message, content, ids, 0)
            self._rows.add(traits, len(self._noted) - 1, len(raw))
            self._report.records += 1
            return True
        properties = data.get("properties") or NO_FIELDS
        if not names_user_id_alone(user_id, context, properties):
            return False
        if kind == "track":
            name = label = data["event"]
        else:
            name, label = data.get("name") or None, properties.get("path")
            if not label or type(label) is not str:
                label = page_label(*address(name, properties, context))
        self._quick.append(
            (kind, user_id, anonymous_id, name, label, message, data["timestamp"], raw)
        )
        return True

    def _keep(
        self,
        raw: bytes,
        facts: tuple[int, int | None, str | None, int, int, int],
        topic: Any,
        payload: Any,
        user: Any,
        other: int,
    ) -> None:
        """Note a record; the arguments are those of `Intake._keep`."""
        _, time, message, content, mark, number = facts
        _, email, phone, wootric_id, _, _ = user
        kind, label, stated = mark & KIND, 0, 0
        if kind == SURVEY:  # a track record that says what somebody answered
            kind, topic = TRACK, payload[-1]
        if mark & GROUP:
            kind = GROUP_CALL
            if not mark & SUPPRESSED:
                self._group_rows.add(self._groups.of_group(payload[4]), 0, len(raw))
        elif kind == IDENTIFY:
            stated = (
                IDENTIFIES
                | (HAS_EMAIL if email else 0)
                | (HAS_PHONE if phone else 0)
                | (HAS_WOOTRIC_ID if wootric_id else 0)
            )
            if not mark & SUPPRESSED:  # what somebody on a list is like is shown nowhere
                self._rows.add(payload[2], len(self._noted), len(raw))
            _, _, _, _, *said = payload
            if said and said[0] and not mark & GROUP:
                order = (False, raw) if message is None else (True, message)
                self._opt_outs.append(SaidOptOut(len(self._noted), OptOut(*said[0]).is_off, order))
        else:
            if email and payload[0] == "context.traits":
                stated |= EVENT_HAS_EMAIL
            if phone:
                stated |= EVENT_HAS_PHONE
            label = self._label(topic if kind == TRACK else page_label(*topic))
        ids = number, other, kind | mark & (MENTIONED | SUPPRESSED), stated
        self._note(raw, time, message, content, ids, label)

    def _note(
        self,
        raw: bytes,
        time: int | None,
        message: str | None,
        content: int,
        ids: tuple[int, int, int, int],
        label: int,
    ) -> None:
        """Note a record; `ids` are its number, other, mark and what it states, as in `RecordColumns`."""
        when = NO_TIME if time is None else time
        if message is None:
            self._noted.append((0, 0, 0, 0, when, *ids, label))
        else:
            hashed = hash(message) or 1, crc32(message.encode()), content, crc32(raw)
            self._noted.append((*hashed, when, *ids, label))

    def _label(self, name: str) -> int:
        return self._labels.setdefault(name[:_LONGEST_LABEL], len(self._labels))

    def inspected(self, lines: int) -> InspectedPart:
        """Return what it all came to; `lines` is how many lines were read."""
        self._report.records += len(self._quick)
        self._rows.flush()
        self._group_rows.flush()
        columns = RecordColumns(
            *(
                array(code, chain(*each))
                for code, *each in zip(
                    _CODES_IN_PART,
                    _transposed(self._noted, len(_CODES_IN_PART)),
                    self._quick_columns(),
                    strict=True,
                )
            )
        )
        rows = self._rows
        filled = rows.paths, list(rows.filled), rows.keys.tobytes(), rows.sets.tobytes()
        kinds = columns.kinds()
        days = [time // DAY for time in columns.times]
        return InspectedPart(
            self.taken(lines, None),
            columns,
            list(self._labels),
            marshal.dumps(filled, 2),
            self._table.packed(),
            self._group_table.packed(),
            dict(Counter(zip(kinds, days, strict=True))),
            dict(Counter(zip(kinds, columns.labels, strict=True))),
            self._skipped_types,
            packed(self._opt_outs),
        )

    def _quick_columns(self) -> Sequence[Iterable[int]]:
        """Return the columns of the records in `_quick`, each made by functions that are quick."""
        if not self._quick:
            return [()] * len(_CODES_IN_PART)
        kinds, users, anonymous, names, labels, messages, times, raws = zip(
            *self._quick, strict=True
        )
        moments = map(sub, map(datetime.fromisoformat, times), repeat(_EPOCH))
        users_by_number = {user: self._id(USER, user) for user in dict.fromkeys(users)}
        numbers_of_labels = {name: self._label(name) for name in dict.fromkeys(labels)}
        count = len(kinds)
        return (
            [each or 1 for each in map(hash, messages)],
            map(crc32, map(str.encode, messages)),
            map(hash, zip(kinds, users, anonymous, names, strict=True)),  # as `contents` gives it
            map(crc32, raws),
            map(floordiv, moments, repeat(_MILLISECOND)),
            map(users_by_number.__getitem__, users),
            repeat(_NONE, count),
            map({"track": TRACK, "page": PAGE}.__getitem__, kinds),
            repeat(0, count),
            map(numbers_of_labels.__getitem__, labels),
        )


def _transposed(rows: Iterable[tuple[int, ...]], count: int) -> Sequence[Sequence[int]]:
    """Return the columns of rows that have so many numbers each."""
    return list(zip(*rows, strict=True)) or [()] * count
