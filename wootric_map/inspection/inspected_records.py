"""What is known of each record and of whose it is, until all parts are in.

Parts come in their order and wait in a temporary file. Once all are in, repeats are told apart, ids are tied,
and the rest is counted end user by end user.
"""

import marshal
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from operator import not_
from typing import Final, Literal, NamedTuple, TypeAlias, TypeVar

from wootric_map.inspection.end_user_counts import FILED, TraitSets
from wootric_map.inspection.inspected_part import (
    COLUMN_CODES,
    IDENTIFIES,
    KIND,
    InspectedPart,
    RecordColumns,
    unpacked,
)
from wootric_map.inspection.opt_out_counts import Said, opted_out
from wootric_map.inspection.opt_out_counts import unpacked as of_opt_outs
from wootric_map.inspection.trait_table import Path
from wootric_map.plan.engine.external_ids import StatedIds
from wootric_map.plan.engine.filing import Filing
from wootric_map.plan.engine.names import Names
from wootric_map.plan.engine.repeats import Messages, repeats
from wootric_map.plan.engine.scratch_file import ScratchFile
from wootric_map.plan.engine.taken import SUPPRESSED
from wootric_map.plan.identities import Identities
from wootric_map.plan.suppressed_people import suppressed_roots
from wootric_map.plan.taking_ids import take_ids
from wootric_map.plan.tying import tie_ids
from wootric_map.read.suppression import Suppression

T = TypeVar("T")

_REPEATED: Final = 1
_SUPPRESSED: Final = 2
_CODES: Final[Mapping[int, Literal["duplicate", "suppressed"]]] = {
    _REPEATED: "duplicate",
    _SUPPRESSED: "suppressed",
}
"""Why a record is skipped, by the number for it."""

_Place: TypeAlias = tuple[int, int]
"""Offset and length of something in the file."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Where what is kept of a part lies in the file."""

    first: int
    """How many records come before the part's."""
    count: int
    """How many records the part has."""
    columns: tuple[_Place, ...]
    labels: _Place
    filled: _Place
    opt_outs: _Place


class LeftOut(NamedTuple):
    """A record that is left out once all records are in."""

    code: Literal["duplicate", "suppressed"]
    """Why it is skipped: it repeats another record, or its user is on a suppression list."""
    kind: int
    """`IDENTIFY`, `TRACK`, `PAGE` or `GROUP_CALL`."""
    time: int
    """Milliseconds since the epoch, or `NO_TIME`."""
    name: str
    """The name of the event or page."""


class InspectedRecords:
    """The records of all parts: take the parts, `close`, then ask."""

    def __init__(
        self, names: Names, file: ScratchFile, external_id_from: str | None = None
    ) -> None:
        """Start without records.

        Args:
            names: keeps the names of ids.
            file: keeps what is known of records.
            external_id_from: the trait that gives external ids; None if these are the `userId`s.
        """
        self.identities = Identities(names)
        """The ids; tied by `close`."""
        self.external_ids = None
        """What a trait states to be external ids, decided by `close`; None if these are the `userId`s."""
        if external_id_from:
            self.external_ids = StatedIds(self.identities, external_id_from)
        self._file = file
        self._parts: list[_Part] = []
        self._count = 0
        self._has_mentions = False
        self._left_out = bytearray()
        """Of each record whether it is left out: `_REPEATED`, `_SUPPRESSED`, or 0; empty if none is."""

    def take(self, part: InspectedPart, source: str, lines_before: int) -> None:
        """Add the records of the next part.

        Args:
            part: the part.
            source: the name of the part's source.
            lines_before: how many lines of the source stand before the part.
        """
        numbers = take_ids(self.identities, part.taken, source, lines_before)
        if self.external_ids:
            self.external_ids.take(part.taken, numbers, source, lines_before)
        self._has_mentions = self._has_mentions or part.taken.has_mentions
        add = self._file.add
        columns = part.columns._replace(
            numbers=array("I", map(numbers.__getitem__, part.columns.numbers)),
            others=array("I", map(numbers.__getitem__, part.columns.others)),
        )
        self._parts.append(
            _Part(
                self._count,
                len(columns.times),
                tuple(add(each.tobytes()) for each in columns),
                add(marshal.dumps(part.labels, 2)),
                add(part.filled),
                add(part.opt_outs),
            )
        )
        self._count += len(columns.times)

    def close(self, suppression: Suppression) -> Iterator[LeftOut]:
        """Take no more parts: tie the ids, and tell what is left out.

        Args:
            suppression: the people of whom nothing is sent.

        Yields:
            Each record that repeats another one, or is about somebody suppressed.
        """
        tie_ids(self.identities)
        if self.external_ids:
            self.external_ids.decide(None)
        for met in repeats(self._messages, self._count):
            if met.repeats:
                self._leave_out(met.number, _REPEATED)
        if suppression:
            self._leave_out_suppressed(suppression)
        if not self._left_out:
            return
        for part in self._parts:
            left_out = self._left_out[part.first : part.first + part.count]
            if any(left_out):
                columns = self._columns(part)
                labels = marshal.loads(self._file.read(*part.labels))  # noqa: S302 - our own
                for place in compress(range(part.count), left_out):
                    name = labels[columns.labels[place]]
                    kind, time = columns.marks[place] & KIND, columns.times[place]
                    yield LeftOut(_CODES[left_out[place]], kind, time, name)

    def _leave_out_suppressed(self, suppression: Suppression) -> None:
        roots = suppressed_roots(self.identities, suppression, None)
        filing = self._filing()
        for part in self._parts:
            columns = self._filed(part, filing)
            for place, (number, mark) in enumerate(
                zip(columns.numbers, columns.marks, strict=True), part.first
            ):
                if mark & SUPPRESSED or filing.roots[number] in roots:
                    self._leave_out(place, _SUPPRESSED)

    def _leave_out(self, number: int, why: int) -> None:
        """Leave a record out, unless it is left out already."""
        self._left_out = self._left_out or bytearray(self._count)
        self._left_out[number] = self._left_out[number] or why

    def _filing(self) -> Filing:
        """Return what decides under which id each record is filed."""
        identities = self.identities
        roots = array("I", map(identities.root, range(len(identities))))
        filing = Filing(roots, identities.ambiguous_users, identities.ambiguous_emails)
        if self._has_mentions:
            filing = filing._replace(identified=frozenset(self._identified(filing)))
        return filing

    def by_end_user(self, traits: Sequence[Path]) -> tuple[bytearray, TraitSets]:
        """Bring together what records state, once `close` has tied the ids.

        Args:
            traits: the traits that are looked at.

        Returns:
            By the root of each end user what records state, and `FILED` if any record is filed there; and
            the traits that each end user has values for.
        """
        filing = self._filing()
        roots = filing.roots
        stated = bytearray(len(roots))
        sets = TraitSets(traits, len(roots))
        for part in self._parts:
            columns = self._filed(part, filing)
            of_records = array("I", map(roots.__getitem__, columns.numbers))
            for root, each in self._taken(part, zip(of_records, columns.stated, strict=True)):
                stated[root] |= each | FILED
            sets.add(unpacked(self._file.read(*part.filled)), of_records)
        return stated, sets

    def opted_out(self) -> bytearray:
        """Return by the root of each end user whether they want no surveys, once `close` has tied the ids."""
        filing = self._filing()
        return opted_out(len(filing.roots), partial(self._said, filing))

    def _said(self, filing: Filing) -> Iterator[Said]:
        """Yield what identifies say about surveys, each with the root of its end user and its time."""
        for part in self._parts:
            told = of_opt_outs(self._file.read(*part.opt_outs))
            if not told:
                continue
            columns = self._filed(part, filing)
            left_out = self._left_out[part.first : part.first + part.count]
            for each in told:
                if not (left_out and left_out[each.place]):
                    root = filing.roots[columns.numbers[each.place]]
                    yield root, columns.times[each.place], each

    def _identified(self, filing: Filing) -> Iterator[int]:
        """Yield the roots of the end users that an identify names."""
        for part in self._parts:
            columns = self._filed(part, filing)
            filed = zip(columns.numbers, columns.stated, strict=True)
            for number, stated in self._taken(part, filed):
                if stated & IDENTIFIES:
                    yield filing.roots[number]

    def _filed(self, part: _Part, filing: Filing) -> RecordColumns:
        """Return the records of a part under the ids that they are filed under."""
        columns = self._columns(part)
        if filing.may_move:
            filing.move(columns.numbers, columns.others, columns.marks)
        return columns

    def _taken(self, part: _Part, of_records: Iterable[T]) -> Iterable[T]:
        """Return what belongs to the records of a part that are not left out."""
        left_out = self._left_out[part.first : part.first + part.count]
        return compress(of_records, map(not_, left_out)) if any(left_out) else of_records

    def _columns(self, part: _Part) -> RecordColumns:
        return RecordColumns(
            *(
                array(code, self._file.read(*at))
                for code, at in zip(COLUMN_CODES, part.columns, strict=True)
            )
        )

    def _messages(self) -> Iterator[Messages]:
        for part in self._parts:
            hashes, checks, contents, digests, times, *_ = self._columns(part)
            numbers = range(part.first, part.first + part.count)
            yield Messages(hashes, checks, contents, digests, times, numbers)
