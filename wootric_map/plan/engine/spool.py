"""Where a plan keeps its records until all are read: in temporary files, sorted in the end by end user.

The files have no name from the start, so they are gone when the run ends, also by a crash. Memory holds
a few bytes a record and an id. Records come in parts (`taken.Taken`); once all are
in, and it is known whose each id is, they are gathered into stretches: all records of so many end users,
in the order these were first met. A stretch is read whole, and may be read in another process; an end
user who alone is too much for that is sorted on disk.
"""

import heapq
import marshal
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, chain, compress, pairwise
from operator import attrgetter, itemgetter
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias

from wootric_map.mapping.record_keys import line_digest
from wootric_map.plan.engine.filing import NOBODY, Filing
from wootric_map.plan.engine.names import Names
from wootric_map.plan.engine.repeats import Messages, repeats
from wootric_map.plan.engine.runs import Runs
from wootric_map.plan.engine.scratch_file import ScratchFile
from wootric_map.plan.engine.taken import (
    CHOSEN,
    CODES,
    DETACHED,
    GROUP,
    IDENTIFY,
    KINDS,
    SUPPRESSED,
    SURVEY,
    Columns,
    Taken,
)
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import NEVER, NO_TIME

# What becomes of a record once all are in.
_TAKEN: Final = 0
_REPEATED: Final = 1
_LEFT_OUT: Final = 2
_OF_SUPPRESSED: Final = 3
_FATE: Final = 3
"""Which bits tell that. Beside them:"""
_SHARES_ID: Final = 4
"""Another message has the record's message id."""

_STRETCH_BYTES: Final = 2 * 1024 * 1024
"""About what the records of a stretch take on disk; in memory it is several times that."""
_GIANT_BYTES: Final = 16 * 1024 * 1024
"""More than that of one end user is sorted on disk, in runs of about that."""
_GATHERED_BYTES: Final = 32 * 1024 * 1024
"""What is held of all stretches before it is written."""

Found: TypeAlias = tuple[int, bool, str | bytes, int, int, int, Any, bytes, int, int]
"""`Kept`, read again: `CHOSEN` says whether it is replayed after all; behind it the number of its part."""

in_order: Final = itemgetter(0, 1, 2, 8)
"""By time, then those without a message id by their line, then by message id and a digest of the line."""


class Row(NamedTuple):
    """A record as the plan reads it again."""

    number: int
    """Counted from 1 in the order in which records were read."""
    kind: int
    """`IDENTIFY`, `TRACK`, `PAGE` or `SURVEY`."""
    chosen: bool
    """Whether it is replayed; else it only serves to know who is who."""
    time: int | None
    """Milliseconds since the epoch."""
    message_id: str | None
    digest: bytes
    """Of the record's line, where it has no message id; else empty."""
    source: str
    line: int
    topic: Any
    payload: Any
    detached: bool = False
    """Whether it belongs to the end user of its email alone (segment.md 8)."""
    is_group: bool = False
    """Whether it is a group call."""


Reason: TypeAlias = Literal["repeated", "not_chosen", "suppressed"]
"""Why a record is left out: its `messageId` was taken already; it was not chosen; or its user is on a
suppression list."""


class SkippedRow(NamedTuple):
    """A record that was found to be left out once all were read."""

    source: str
    line: int
    kind: str
    reason: Reason


class Noticed(NamedTuple):
    """A record, and an id that it names."""

    source: str
    line: int
    id: Any
    """The number of a `userId` or email; or the text of a message id."""


class KeptLine(NamedTuple):
    """A record's line, as the spool has kept it."""

    number: int
    """As in `Row`."""
    source: str
    line: int
    message_id: str | None
    raw: bytes


_REASONS: Final[Mapping[int, Reason]] = {
    _REPEATED: "repeated",
    _LEFT_OUT: "not_chosen",
    _OF_SUPPRESSED: "suppressed",
}


class Rows(Collection[Row]):
    """Some of an end user's records in their order; may be gone through more than once."""

    def __init__(self, row: Callable[[Found], Row], found: Collection[Found]) -> None:
        self.row = row
        """Makes a row of one of them."""
        self.found = found
        """The same as plain tuples."""

    def only(self, found: Collection[Found]) -> "Rows":
        """Return some of them alone."""
        return Rows(self.row, found)

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Row]:
        return map(self.row, self.found)

    def __contains__(self, row: object) -> bool:
        return any(row == each for each in self)


class Person(NamedTuple):
    """An end user with their records."""

    number: int
    """Counted from 1 in the order in which end users were first met."""
    root: int
    """The number that all their ids share."""
    kinds: int
    """The kinds of ids they have (people.py), added up."""
    identifies: Rows
    """Those of them that are replayed, or serve to know who they are."""
    replayed_rows: Rows
    """What is replayed beside one write for all identifies; or, unfolded, everything in its turn."""

    @property
    def has_replayed_identifies(self) -> bool:
        """Whether any identify of theirs is replayed."""
        return any(each[3] & CHOSEN for each in self.identifies.found)

    @property
    def has_events(self) -> bool:
        """Whether any track or page record of theirs is replayed."""
        return any(each[3] & 3 != IDENTIFY for each in self.replayed_rows.found)

    @property
    def has_surveys(self) -> bool:
        """Whether any survey response or decline of theirs is replayed."""
        return any(each[3] & 3 == SURVEY for each in self.replayed_rows.found)


@dataclass(frozen=True, slots=True)
class _Part:
    """Where a part's records lie in the file of the intake."""

    source: str
    lines_before: int
    first: int
    """The number of its first record, less one."""
    count: int
    """How many records it has."""
    data: tuple[int, int]
    """Offset and length of the records."""
    others: tuple[int, int]
    """Of the ids to file them under if the first names nobody or several people; `NOBODY` is none."""
    sizes: tuple[int, int]
    """Of the records' lengths."""
    columns: tuple[tuple[int, int], ...]
    raw: int
    """Where the lines begin, if they are kept."""


@dataclass(slots=True)
class _Stretch:
    """So many end users in their order, and where their records lie in the other file."""

    first: int
    """The place of the first of them among all."""
    past: int
    """The place of the first of the next."""
    size: int = 0
    """Bytes that their records take."""
    offsets: "array[int]" = field(default_factory=partial(array, "Q"))
    """Where each piece of them begins, of very many."""
    sizes: "array[int]" = field(default_factory=partial(array, "Q"))
    """How many bytes each has."""
    waiting: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Records that are not written yet: the place of their end user, the part, the record."""


class Spool:
    """Records by end user, in time order.

    Take the parts in, `close` the intake, then read. Several threads may read at once; and processes forked
    then, but for giants, of which what is sorted is kept.
    """

    def __init__(self) -> None:
        """Make the files, which are gone when the spool is closed."""
        self._open = ExitStack()
        self.names = self._open.enter_context(Names())
        """Where the plan keeps the ids' names."""
        self._intake = self._open.enter_context(ScratchFile())
        self._sorted = self._open.enter_context(ScratchFile())
        self._parts: list[_Part] = []
        self._count = 0
        self._fates = bytearray()
        self._has_mentions = False
        self._events_apart = True
        self._people = array("I")
        self._kinds = array("B")
        self._stretches: list[_Stretch] = []
        self._giants: dict[int, Person] = {}
        self._giants_lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def closes(self, also: Callable[[], object]) -> None:
        """Have something else closed when the spool is."""
        self._open.callback(also)

    def take(self, taken: Taken, source: str, lines_before: int) -> None:
        """Take a part in.

        Args:
            taken: the part, its records filed under the ids' numbers.
            source: the name of its source.
            lines_before: lines of the source before the part.
        """
        at = self._intake.add
        columns = taken.columns
        self._parts.append(
            _Part(
                source,
                lines_before,
                self._count,
                len(columns.marks),
                at(taken.data),
                at(taken.others.tobytes()),
                at(taken.sizes.tobytes()),
                tuple(at(column.tobytes()) for column in columns),
                at(taken.raw)[0],
            )
        )
        self._count += len(columns.marks)
        self._has_mentions = self._has_mentions or taken.has_mentions

    def close(
        self,
        identities: Identities,
        *,
        events_apart: bool,
        users: Iterable[str] = (),
        limit: int | None = None,
        suppressed: Collection[int] = frozenset(),
    ) -> None:
        """Say that all records are in, and whose each id is; only then may they be read.

        End users are numbered in the order they were first met, whatever order the records came in.

        Args:
            identities: resolved.
            events_apart: whether an end user's track and page records come after all identifies.
            users: names of ids; if there are any, only their end users' records are replayed.
            limit: so many records are replayed at most, the first in time order.
            suppressed: the roots of the end users of whom nothing is sent, if anybody is suppressed.
        """
        self._events_apart = events_apart
        roots = array("I", map(identities.root, range(len(identities))))
        filing = Filing(roots, identities.ambiguous_users, identities.ambiguous_emails)
        if filing.users or filing.emails:
            identities.see_anew(self._met(filing))
        self._leave_out_repeated()
        if self._has_mentions:
            filing = filing._replace(identified=self._identified(filing))
        self._leave_out_suppressed(suppressed, filing)
        names = list(users)
        if names:
            numbers = (self.names.identity(name) for name in names)
            wanted = {roots[number] for number in numbers if number is not None}
            self._leave_out_all_but(wanted, filing)
        if limit is not None:
            self._leave_out_past(limit)
        places = self._number_people(identities, roots)
        self._gather(places, filing)

    def left_out(self) -> Iterator[SkippedRow]:
        """The records that were found to be left out when the intake was closed."""
        if not any(self._fates):
            return
        for part in self._parts:
            lines, marks = self._column(part, "lines"), self._column(part, "marks")
            fates = self._fates_of(part)
            for fate, mark, line in zip(fates, marks, lines, strict=True):
                if fate & _FATE and mark & CHOSEN:
                    place = part.lines_before + line
                    yield SkippedRow(part.source, place, KINDS[mark & 3], _REASONS[fate & _FATE])

    def sharing_message_ids(self) -> Iterator[Noticed]:
        """The records, of those that are taken, whose message id another message has, with that id."""
        for part in self._parts:
            fates = self._fates_of(part)
            places = [place for place, fate in enumerate(fates) if fate & _SHARES_ID]
            if not places:
                continue
            records, lines = self._split(part), self._column(part, "lines")
            for place in places:
                if records[place] and fates[place] & _FATE == _TAKEN:
                    _, _, message_id, *_ = marshal.loads(records[place])  # noqa: S302 - our own
                    yield Noticed(part.source, part.lines_before + lines[place], message_id)

    def naming(self, ids: Collection[int]) -> Iterator[Noticed]:
        """The records that name any of these `userId`s and emails, each with the id's number."""
        for part in self._parts:
            lines, numbers = self._column(part, "lines"), self._column(part, "numbers")
            others = self._array("I", part.others)
            for line, *named in zip(lines, numbers, others, strict=True):
                for each in named:
                    if each in ids:
                        yield Noticed(part.source, part.lines_before + line, each)

    def group_calls(self, *, of_left_out: bool) -> Iterator[Found]:
        """The group calls that are taken, in the order in which they were read, marked if replayed.

        Args:
            of_left_out: whether those count that were found to be left out since they are not chosen.
        """
        counting = {_TAKEN, _LEFT_OUT} if of_left_out else {_TAKEN}
        for of, part in enumerate(self._parts):
            marks = self._column(part, "marks")
            wanted = GROUP | CHOSEN
            if not any(mark & wanted == wanted for mark in marks):
                continue
            fates, records = self._fates_of(part), self._split(part)
            for index, mark in enumerate(marks):
                fate = fates[index] & _FATE
                if mark & wanted == wanted and records[index] and fate in counting:
                    time, has_message, tie, mark_, *rest = marshal.loads(records[index])  # noqa: S302 - our own
                    if fate == _LEFT_OUT:
                        mark_ &= ~CHOSEN
                    yield (time, has_message, tie, mark_, *rest, of)

    @property
    def stretches(self) -> int:
        """How many stretches there are, counted from 0."""
        return len(self._stretches)

    def people(self) -> Iterator[Person]:
        """The end users that have records, in the order they were first met."""
        for index in range(len(self._stretches)):
            yield from self.people_of(index)

    def people_of(self, index: int) -> Iterator[Person]:
        """Those of one stretch."""
        stretch = self._stretches[index]
        if self.is_giant(index):
            with self._giants_lock:  # a scratch file is written by one thread at a time
                if index not in self._giants:
                    self._giants[index] = self._person(stretch.first, *self._sort_on_disk(stretch))
                giants = self._giants[index]
            if len(giants.identifies) or len(giants.replayed_rows):
                yield giants
            return
        by_person: dict[int, list[Found]] = {}
        for place, part, record in self._waiting(stretch):
            by_person.setdefault(place, []).append((*marshal.loads(record), part))  # noqa: S302
        for place in sorted(by_person):
            found = by_person.pop(place)
            if found:
                identifies = [each for each in found if not each[3] & 3]
                replayed_rows = (
                    [each for each in found if each[3] & 3] if self._events_apart else found
                )
                identifies.sort(key=in_order)
                replayed_rows.sort(key=in_order)
                yield self._person(place, identifies, replayed_rows)

    def first_of(self, index: int) -> int:
        """The number of a stretch's first end user."""
        return self._stretches[index].first + 1

    def is_giant(self, index: int) -> bool:
        """Whether a stretch is one end user who has too many records to be held in memory."""
        stretch = self._stretches[index]
        return stretch.size > _GIANT_BYTES and stretch.past == stretch.first + 1

    def row(self, found: Found) -> Row:
        """A record, made of what was kept of it."""
        time, _, tie, mark, line, number, topic, payload, _, of = found
        part = self._parts[of]
        return Row(
            part.first + number + 1,
            mark & 3,
            bool(mark & CHOSEN),
            None if time == NO_TIME else time,
            tie if isinstance(tie, str) else None,
            b"" if isinstance(tie, str) else line_digest(tie),
            part.source,
            part.lines_before + line,
            topic,
            marshal.loads(payload),  # noqa: S302 - our own
            bool(mark & DETACHED),
            bool(mark & GROUP),
        )

    def raw(self, number: int) -> bytes:
        """The line of a record, by its number; empty where lines were not kept."""
        at = bisect_right(self._parts, number - 1, key=attrgetter("first")) - 1
        part = self._parts[at]
        sizes = self._column(part, "raw")
        if not sizes:
            return b""
        index = number - 1 - part.first
        return self._intake.read(part.raw + sum(sizes[:index]), sizes[index])

    def lines_of(self, marks: bytes | bytearray) -> Iterator[KeptLine]:
        """Yield the lines of some of the records that are filed under anybody, in the order they were read.

        Args:
            marks: a byte for each number of a record up to the last one that is wanted, 0 for the others.
        """
        for part in self._parts:
            wanted = marks[part.first + 1 : part.first + part.count + 1]
            if not any(wanted):
                continue
            records, lines = self._split(part), self._column(part, "lines")
            sizes = self._column(part, "raw")
            begins = list(accumulate(sizes, initial=part.raw))
            for index in compress(range(len(wanted)), wanted):
                _, _, tie, *_ = marshal.loads(records[index])  # noqa: S302 - our own
                yield KeptLine(
                    part.first + index + 1,
                    part.source,
                    part.lines_before + lines[index],
                    tie if isinstance(tie, str) else None,
                    self._intake.read(begins[index], sizes[index]),
                )

    def _person(
        self, place: int, identifies: Collection[Found], replayed_rows: Collection[Found]
    ) -> Person:
        return Person(
            place + 1,
            self._people[place],
            self._kinds[place],
            Rows(self.row, identifies),
            Rows(self.row, replayed_rows),
        )

    def _judged(self, fate: int, record: bytes) -> bytes:
        """A record once it is known what becomes of it; nothing where it no longer serves anything."""
        is_left_out = fate & _FATE == _LEFT_OUT
        if fate & _FATE in {_REPEATED, _OF_SUPPRESSED}:
            return b""
        time, has_message, tie, mark, *rest = marshal.loads(record)  # noqa: S302 - our own
        if is_left_out and mark & 3 != IDENTIFY:
            return b""
        if is_left_out:
            mark &= ~CHOSEN  # it still tells who is who
        return marshal.dumps((time, has_message, tie, mark, *rest), 2)

    def _detached(self, record: bytes, *, is_email_ambiguous: bool) -> bytes:
        """A record that belongs to the end user of its email alone (segment.md 8, rule 4)."""
        *before, mark, line, number, topic, packed, digest = marshal.loads(record)  # noqa: S302 - our own
        if is_email_ambiguous and mark & 3 == IDENTIFY:
            # Wootric's own id is the id of whoever's userId it came with.
            user_id, _, *rest = marshal.loads(packed)  # noqa: S302 - our own
            packed = marshal.dumps((user_id, None, *rest), 2)
        kept = (*before, mark | DETACHED, line, number, topic, packed, digest)
        return marshal.dumps(kept, 2)

    def _waiting(self, stretch: _Stretch) -> Iterator[tuple[int, int, bytes]]:
        for piece in map(self._sorted.read, stretch.offsets, stretch.sizes):
            yield from marshal.loads(piece)  # noqa: S302 - our own

    def _column(self, part: _Part, name: str) -> "array[int]":
        index = Columns._fields.index(name)
        code = "I" if name == "numbers" else CODES[index]
        return self._array(code, part.columns[index])

    def _array(self, code: str, where: tuple[int, int]) -> "array[int]":
        return array(code, self._intake.read(*where))

    def _filed(self, part: _Part, filing: Filing) -> tuple["array[int]", list[int]]:
        """The ids that a part's records are filed under, and the places of those that are detached."""
        numbers = self._column(part, "numbers")
        if not filing.may_move:
            return numbers, []
        others, marks = self._array("I", part.others), self._column(part, "marks")
        return numbers, filing.move(numbers, others, marks)

    def _met(self, filing: Filing) -> Iterator[tuple[int, int]]:
        """Of each record the id that it is filed under, and when it happened."""
        for part in self._parts:
            numbers, _ = self._filed(part, filing)
            for met in zip(numbers, self._column(part, "times"), strict=True):
                if met[0] != NOBODY:
                    yield met

    def _leave_out_repeated(self) -> None:
        for number, is_repeat in repeats(self._messages, self._count):
            self._settle(number, _REPEATED if is_repeat else _SHARES_ID)

    def _messages(self) -> Iterator[Messages]:
        for part in self._parts:
            hashes, checks, contents, digests, times = (
                self._column(part, name)
                for name in ("messages", "checks", "contents", "digests", "times")
            )
            numbers = range(part.first, part.first + part.count)
            yield Messages(hashes, checks, contents, digests, times, numbers)

    def _fates_of(self, part: _Part) -> bytes | bytearray:
        """What becomes of each of a part's records, as far as anything is settled."""
        return self._fates[part.first : part.first + part.count] or bytes(part.count)

    def _settle(self, number: int, fate: int) -> None:
        if not self._fates:
            self._fates = bytearray(self._count)
        self._fates[number] |= fate

    def _identified(self, filing: Filing) -> frozenset[int]:
        """The roots of whom an identify names."""
        identified: set[int] = set()
        for part in self._parts:
            (numbers, _), marks = self._filed(part, filing), self._column(part, "marks")
            fates = self._fates_of(part)
            identified.update(
                filing.roots[number]
                for number, mark, fate in zip(numbers, marks, fates, strict=True)
                if not mark & (3 | GROUP) and number != NOBODY and fate & _FATE != _REPEATED
            )
        return frozenset(identified)

    def _choosable(self, part: _Part) -> Iterator[int]:
        """Of a part's records those that are replayed, as far as is known, by their place in it."""
        marks, fates = self._column(part, "marks"), self._fates_of(part)
        for index, (mark, fate) in enumerate(zip(marks, fates, strict=True)):
            if mark & CHOSEN and fate & _FATE == _TAKEN:
                yield index

    def _leave_out_suppressed(self, roots: Collection[int], filing: Filing) -> None:
        """Leave out every record of these end users, and each that names somebody suppressed itself."""
        for part in self._parts:
            marks, fates = self._column(part, "marks"), self._fates_of(part)
            named = (mark & SUPPRESSED for mark in marks)
            if not (roots or any(named)):
                continue
            numbers, _ = self._filed(part, filing)
            for index, number in enumerate(numbers):
                is_theirs = number != NOBODY and filing.roots[number] in roots
                if (is_theirs or marks[index] & SUPPRESSED) and fates[index] & _FATE == _TAKEN:
                    self._settle(part.first + index, _OF_SUPPRESSED)

    def _leave_out_all_but(self, wanted: Collection[int], filing: Filing) -> None:
        for part in self._parts:
            numbers, _ = self._filed(part, filing)
            for index in list(self._choosable(part)):
                if filing.roots[numbers[index]] not in wanted:
                    self._settle(part.first + index, _LEFT_OUT)

    def _leave_out_past(self, limit: int) -> None:
        first = heapq.nsmallest(limit, chain.from_iterable(map(self._choosable_times, self._parts)))
        last = first[-1] if first else NO_TIME
        left = limit - bisect_left(first, last)
        # Of those of the last time it takes more than the time to tell which come first.
        ties = chain.from_iterable(map(partial(self._ties, last), range(len(self._parts))))
        taken = {number for *_, number in heapq.nsmallest(left, ties)}
        for part in self._parts:
            times = self._column(part, "times")
            for index in list(self._choosable(part)):
                number = part.first + index
                if times[index] > last or (times[index] == last and number not in taken):
                    self._settle(number, _LEFT_OUT)

    def _choosable_times(self, part: _Part) -> Iterator[int]:
        times = self._column(part, "times")
        return (times[index] for index in self._choosable(part))

    def _ties(self, time: int, of: int) -> Iterator[tuple[bool, str | bytes, int, int]]:
        """What orders the choosable records of one time."""
        part = self._parts[of]
        records = self._split(part)
        for index in self._choosable(part):
            each = marshal.loads(records[index])  # noqa: S302 - our own
            if each[0] == time:
                yield each[1], each[2], each[8], part.first + index

    def _number_people(self, identities: Identities, roots: "array[int]") -> "array[int]":
        """Number the end users; gives of each id the place of its end user among them."""
        firsts = array("q", [NEVER]) * len(roots)
        for root, first in zip(roots, identities.first_seen, strict=True):
            firsts[root] = min(firsts[root], first)
        met = [root for root, first in enumerate(firsts) if first != NEVER]
        met.sort(key=firsts.__getitem__)
        self._sort_by_name(met, firsts, roots)
        self._people = array("I", met)
        self._kinds = array("B", map(identities.kinds, met))
        by_root = array("I", [NOBODY]) * len(roots)
        for place, root in enumerate(met):
            by_root[root] = place
        return array("I", map(by_root.__getitem__, roots))

    def _sort_by_name(self, met: list[int], firsts: "array[int]", roots: "array[int]") -> None:
        """Put those who were first met at one time in the order of their least names."""
        times = map(firsts.__getitem__, met)
        tied = {time for time, following in pairwise(times) if time == following}
        if not tied:
            return
        are_tied = bytes(firsts[root] in tied for root in roots)
        ordered = iter(self.names.by_least_name(are_tied, roots, firsts))
        met[:] = [next(ordered) if firsts[root] in tied else root for root in met]

    def _gather(self, places: "array[int]", filing: Filing) -> None:
        """Bring each end user's records together."""
        weights = array("Q", bytes(8 * len(self._people)))
        for part in self._parts:
            numbers, _ = self._filed(part, filing)
            for number, size in zip(numbers, self._array("I", part.sizes), strict=True):
                if size:
                    weights[places[number]] += size
        self._stretches = _stretches(weights)
        which = array("I")
        for index, stretch in enumerate(self._stretches):
            which.extend(array("I", [index]) * (stretch.past - stretch.first))
        waiting = [stretch.waiting for stretch in self._stretches]
        held = 0
        for of, part in enumerate(self._parts):
            records = self._split(part)
            fates = self._fates_of(part)
            for index in compress(range(part.count), fates):
                if records[index]:
                    records[index] = self._judged(fates[index], records[index])
            numbers, detached = self._filed(part, filing)
            for index in detached:
                if records[index]:
                    is_ambiguous = numbers[index] in filing.emails
                    records[index] = self._detached(records[index], is_email_ambiguous=is_ambiguous)
            for number, record in zip(numbers, records, strict=True):
                if record:
                    place = places[number]
                    waiting[which[place]].append((place, of, record))
            held += part.data[1]
            if held > _GATHERED_BYTES:
                self._write_waiting()
                held = 0
        self._write_waiting()

    def _split(self, part: _Part) -> list[bytes]:
        """A part's records; empty where none is kept."""
        data = self._intake.read(*part.data)
        ends = accumulate(self._array("I", part.sizes), initial=0)
        return [data[begin:end] for begin, end in pairwise(ends)]

    def _write_waiting(self) -> None:
        for stretch in self._stretches:
            if stretch.waiting:
                offset, size = self._sorted.add(marshal.dumps(stretch.waiting, 2))
                stretch.offsets.append(offset)
                stretch.sizes.append(size)
                stretch.waiting.clear()

    def _sort_on_disk(self, stretch: _Stretch) -> tuple[Runs[Found], Runs[Found]]:
        """A giant's records in their order: runs that are sorted, to be merged as they are read."""
        identifies: Runs[Found] = Runs(self._sorted, in_order)
        replayed_rows: Runs[Found] = Runs(self._sorted, in_order)
        held: list[Found] = []
        size = 0
        for _, of, record in chain(self._waiting(stretch), [(0, 0, b"")]):
            if size > _GIANT_BYTES or not record:
                identifies.add(each for each in held if not each[3] & 3)
                replayed_rows.add(each for each in held if each[3] & 3 or not self._events_apart)
                held, size = [], 0
            if record:
                held.append((*marshal.loads(record), of))  # noqa: S302 - our own
                size += len(record)
        identifies.merge()
        replayed_rows.merge()
        return identifies, replayed_rows


def _stretches(weights: Sequence[int]) -> list[_Stretch]:
    """Cut the end users, of whom this is what their records weigh, into stretches; giants are alone."""
    stretches: list[_Stretch] = []
    for place, weight in enumerate(weights):
        last = stretches[-1] if stretches else None
        if last is None or last.size > _STRETCH_BYTES or weight > _GIANT_BYTES:
            last = _Stretch(place, place)
            stretches.append(last)
        last.size += weight
        last.past = place + 1
    return stretches
