"""What is known of each record and of whose it is, until all parts are in.

Parts come in their order and wait in a temporary file. Once all are in, repeats are told apart, ids are tied,
and the rest is counted end user by end user.
"""

import marshal
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple, TypeAlias, TypeVar

from wootric_map.inspection.end_user_counts import FILED, TraitSets
from wootric_map.inspection.inspected_part import (
    COLUMN_CODES,
    IDENTIFIES,
    KIND,
    InspectedPart,
    RecordColumns,
    unpacked,
)
from wootric_map.inspection.trait_table import Path
from wootric_map.plan.engine.filing import Filing
from wootric_map.plan.engine.names import Names
from wootric_map.plan.engine.repeats import Messages, repeats
from wootric_map.plan.engine.scratch_file import ScratchFile
from wootric_map.plan.identities import Identities
from wootric_map.plan.taking_ids import take_ids
from wootric_map.plan.tying import tie_ids

T = TypeVar("T")

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


class Repeat(NamedTuple):
    """A record that repeats another one."""

    kind: int
    """`IDENTIFY`, `TRACK` or `PAGE`."""
    time: int
    """Milliseconds since the epoch, or `NO_TIME`."""
    name: str
    """The name of the event or page."""


class InspectedRecords:
    """The records of all parts: take the parts, `close`, then ask."""

    def __init__(self, names: Names, file: ScratchFile) -> None:
        """Start without records.

        Args:
            names: keeps the names of ids.
            file: keeps what is known of records.
        """
        self.identities = Identities(names)
        """The ids; tied by `close`."""
        self._file = file
        self._parts: list[_Part] = []
        self._count = 0
        self._has_mentions = False
        self._repeated = bytearray()
        """Of each record whether it is a repeat; empty if none is."""

    def take(self, part: InspectedPart, source: str, lines_before: int) -> None:
        """Add the records of the next part.

        Args:
            part: the part.
            source: the name of the part's source.
            lines_before: how many lines of the source stand before the part.
        """
        numbers = take_ids(self.identities, part.taken, source, lines_before)
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
            )
        )
        self._count += len(columns.times)

    def close(self) -> Iterator[Repeat]:
        """Take no more parts: tie the ids, and tell repeats apart.

        Yields:
            Each record that repeats another one.
        """
        tie_ids(self.identities)
        for met in repeats(self._messages, self._count):
            if met.repeats:
                self._repeated = self._repeated or bytearray(self._count)
                self._repeated[met.number] = 1
        if not self._repeated:
            return
        for part in self._parts:
            repeated = self._repeated[part.first : part.first + part.count]
            if any(repeated):
                columns = self._columns(part)
                labels = marshal.loads(self._file.read(*part.labels))  # noqa: S302 - our own
                for place in compress(range(part.count), repeated):
                    name = labels[columns.labels[place]]
                    yield Repeat(columns.marks[place] & KIND, columns.times[place], name)

    def by_end_user(self, traits: Sequence[Path]) -> tuple[bytearray, TraitSets]:
        """Bring together what records state, once `close` has tied the ids.

        Args:
            traits: the traits that are looked at.

        Returns:
            By the root of each end user what records state, and `FILED` if any record is filed there; and
            the traits that each end user has values for.
        """
        identities = self.identities
        roots = array("I", map(identities.root, range(len(identities))))
        filing = Filing(roots, identities.ambiguous_users, identities.ambiguous_emails)
        if self._has_mentions:
            filing = filing._replace(identified=frozenset(self._identified(filing)))
        stated = bytearray(len(roots))
        sets = TraitSets(traits, len(roots))
        for part in self._parts:
            columns = self._filed(part, filing)
            of_records = array("I", map(roots.__getitem__, columns.numbers))
            for root, each in self._taken(part, zip(of_records, columns.stated, strict=True)):
                stated[root] |= each | FILED
            sets.add(unpacked(self._file.read(*part.filled)), of_records)
        return stated, sets

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
        """Return what belongs to the records of a part that are no repeats."""
        repeated = self._repeated[part.first : part.first + part.count]
        if not any(repeated):
            return of_records
        return compress(of_records, map((1).__sub__, repeated))

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
