"""Where a plan keeps its records: in a database, arranged by end user once all are read."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, Self

from wootric_map.plan.engine import arranging
from wootric_map.plan.engine.database import Database
from wootric_map.plan.engine.found import Found, Row, found_columns, row_of
from wootric_map.plan.engine.memory import MEMORY
from wootric_map.plan.engine.names import Names
from wootric_map.plan.engine.part_intake import Taken
from wootric_map.plan.engine.rows import (
    CHOSEN,
    CLAIM,
    HINT,
    IDENTIFY,
    KINDS,
    SCHEMA,
    TIE,
    WITHHELD,
)
from wootric_map.plan.identities import Identities

_GIANT_BYTES: Final = 8 * 1024 * 1024
"""Bytes of one end user's records that are not held in memory all at once."""


class SkippedRow(NamedTuple):
    """A record that was found to be left out once all were read."""

    source: str
    line: int
    kind: str
    repeated: bool
    """Whether its `messageId` was taken already; else it was not chosen."""


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


class Rows(Collection[Row]):
    """Some of an end user's records in their order; may be gone through more than once."""

    def __init__(self, spool: "Spool", found: Collection[Found]) -> None:
        self.row = spool.row
        """Makes a row of one of them."""
        self.found = found
        """The same as plain tuples."""

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Row]:
        return map(self.row, self.found)

    def __contains__(self, row: object) -> bool:
        return any(row == each for each in self)


class _Giant(Collection[Found]):
    """Records that are read from the database each time anew, since there are very many."""

    def __init__(self, database: Database, condition: str, count: int) -> None:
        self._database = database
        self._condition = condition
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Found]:
        query = f"SELECT {found_columns()} FROM arranged WHERE {self._condition}"
        return self._database.stream(query, at_once=100)

    def __contains__(self, found: object) -> bool:
        return any(found == each for each in self)


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
    def is_giant(self) -> bool:
        """Whether their records are more than are held in memory."""
        return isinstance(self.identifies.found, _Giant)

    @property
    def has_replayed_identifies(self) -> bool:
        """Whether any identify of theirs is replayed."""
        return any(each[3] & CHOSEN for each in self.identifies.found)

    @property
    def has_events(self) -> bool:
        """Whether any track or page record of theirs is replayed."""
        return any(each[3] & 3 != IDENTIFY for each in self.replayed_rows.found)


class Spool:
    """Records by end user, in time order.

    Have parts taken into `database`, tell of each with `take`, `close` the intake, then read. Several
    threads may read at once.
    """

    def __init__(self, *, threads: int = 1, memory: int = MEMORY) -> None:
        """Make an empty database, of which nothing is left when the spool is closed.

        Args:
            threads: how many threads read and sort.
            memory: bytes of memory that are used before a temporary folder is.
        """
        self.threads: Final = threads
        self.database = Database(threads=threads, memory=memory)
        """Gets the records."""
        self.database.run(SCHEMA)
        self.names = Names()
        """Where the plan looks the ids' names up."""
        self._sources: dict[str, int] = {}
        self._parts: list[tuple[int, ...]] = []
        self._numbers = 0
        self._events_apart = True
        self._source_names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit_of: object) -> None:
        self.names.close()
        self.database.__exit__(*exit_of)

    def take(self, taken: Taken, source: str, lines_before: int) -> None:
        """Take note of a part; the parts come in their order.

        Args:
            taken: what the part came to.
            source: the name of its source.
            lines_before: lines of the source before the part.
        """
        number, place = self._sources.setdefault(source, len(self._sources)), len(self._parts)
        self._parts.append(
            (
                *(taken.part, number, place, lines_before),
                *(self._numbers, taken.lines, taken.first_row),
            )
        )
        self._numbers += taken.slots

    def number_ids(self, identities: Identities) -> bool:
        """Number the ids of all records, which are in.

        Args:
            identities: gets the ids, and what the records say of them.

        Returns:
            Whether any track record is replayed.
        """
        database = self.database
        arranging.number_ids(database, self._parts)
        self._source_names = list(self._sources)
        self.names.keep_later(
            lambda: self.database.stream("SELECT name, number FROM name"),
            lambda: (
                (previous, user, self._source_names[source], line)
                for previous, user, source, line in self.database.stream(arranging.ALIASES)
            ),
        )

        identities.load(arranging.first_seen(database), lambda: arranging.aliases(database))
        for kind, note in (
            (CLAIM, identities.claims.add),
            (WITHHELD, identities.withheld.add),
            (TIE, identities.ties.add),
            (HINT, identities.hint),
        ):
            for pair in arranging.pairs(database, kind):
                note(*pair)
        ((has_tracks,),) = database.rows(arranging.HAS_TRACKS)
        return bool(has_tracks)

    def close(
        self,
        identities: Identities,
        *,
        events_apart: bool,
        users: Iterable[str] = (),
        limit: int | None = None,
    ) -> None:
        """Say that all records are in, and whose each id is; only then may they be read.

        End users are numbered in the order they were first met, whatever order the records came in.

        Args:
            identities: resolved.
            events_apart: whether an end user's track and page records come after all identifies.
            users: names of ids; if there are any, only their end users' records are replayed.
            limit: so many records are replayed at most, the first in time order.
        """
        self._events_apart = events_apart
        self._identities = identities
        arranging.file_records(self.database, identities)
        arranging.leave_out(self.database, list(users), limit)
        arranging.arrange(self.database, events_apart=events_apart)

    def left_out(self) -> Iterator[SkippedRow]:
        """Yield the records that were found to be left out when the intake was closed."""
        for source, line, mark, is_repeated in self.database.stream(arranging.LEFT_OUT):
            yield SkippedRow(self._source_names[source], line, KINDS[mark & 3], is_repeated)

    def sharing_message_ids(self) -> Iterator[Noticed]:
        """Yield the records, of those that are taken, whose message id another message has, with that id."""
        for source, line, message in self.database.stream(arranging.SHARING_MESSAGES):
            yield Noticed(self._source_names[source], line, message)

    def events(self) -> Iterator[str]:
        """Yield the names of all events that were read, each once."""
        return (name for (name,) in self.database.stream(arranging.MET_EVENTS))

    def naming(self, ids: Collection[int]) -> Iterator[Noticed]:
        """Yield the records that name any of these `userId`s and emails, each with the id's number."""
        for source, line, number in self.database.stream(arranging.naming(ids)):
            yield Noticed(self._source_names[source], line, number)

    def people(self) -> Iterator[Person]:
        """Yield the end users that have records, in the order they were first met."""
        giants = {
            number: (identifies, others)
            for number, identifies, others in self.database.rows(arranging.giants(_GIANT_BYTES))
        }
        waiting = sorted(giants)
        columns = found_columns()
        excluded = f"WHERE person NOT IN ({', '.join(map(str, waiting))})" if waiting else ""
        rows = self.database.stream(f"SELECT {columns} FROM arranged {excluded}")
        for number, found in groupby(rows, key=itemgetter(-2)):
            while waiting and waiting[0] < number:
                giant = waiting.pop(0)
                yield self._giant(giant, *giants[giant])
            yield self._person(number, list(found))
        for giant in waiting:
            yield self._giant(giant, *giants[giant])

    def row(self, found: Found) -> Row:
        """Return a record, made of what was kept of it."""
        return row_of(found, self._source_names)

    def raw(self, number: int) -> bytes:
        """Return the line of a record, by its number; empty where lines were not kept."""
        found = self.database.rows(arranging.RAW, {"number": number})
        return bytes(found[0][0]) if found else b""

    def lines_of(self, marks: bytes | bytearray) -> Iterator[KeptLine]:
        """Yield the lines of some of the records that are filed under anybody, in the order they were read.

        Args:
            marks: a byte for each number of a record up to the last one that is wanted, 0 for the others.
        """
        for number, source, line, message, raw in self.database.stream(arranging.KEPT_LINES):
            if number < len(marks) and marks[number]:
                yield KeptLine(number, self._source_names[source], line, message, bytes(raw))

    def _person(self, number: int, found: Sequence[Found]) -> Person:
        identifies = [each for each in found if each[3] & 3 == IDENTIFY]
        others = found
        if self._events_apart:
            others = found[len(identifies) :] if identifies else found
        return self._made(number, found[0][-1], identifies, others)

    def _giant(self, number: int, identifies: int, others: int) -> Person:
        (root,) = self.database.rows(f"SELECT root FROM person WHERE person = {number}")[0]
        database, of = self.database, f"person = {number}"
        apart = f"{of} AND mark & 3 <> {IDENTIFY}" if self._events_apart else of
        count = others if self._events_apart else identifies + others
        return self._made(
            number,
            root,
            _Giant(database, f"{of} AND mark & 3 = {IDENTIFY}", identifies),
            _Giant(database, apart, count),
        )

    def _made(
        self, number: int, root: int, identifies: Collection[Found], others: Collection[Found]
    ) -> Person:
        kinds = self._identities.kinds(root)
        return Person(number, root, kinds, Rows(self, identifies), Rows(self, others))
