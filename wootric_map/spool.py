"""Where a plan keeps its records until all are read: a private temporary SQLite database.

SQLite makes it on disk when it outgrows the cache and removes it by itself, also after a crash, since
the file has no name from the start.
"""

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple, Self

IDENTIFY: Final = 0
TRACK: Final = 1
PAGE: Final = 2
KINDS: Final = ("identify", "track", "page")
"""The records' types, each in the place of its number."""

NO_TIME: Final = -(2**63)
"""Stands for no time, and sorts before every one."""

# What a record's `chosen` may be.
_LEFT_OUT: Final = 0
_CHOSEN: Final = 1
_LEFT_OUT_LATE: Final = 2
_REPEATED: Final = 3
"""A repeated message is so far from what it was: `_LEFT_OUT` or `_CHOSEN`."""

_NOBODY: Final = -1
"""In place of an id."""

_BATCH: Final = 2000
_BATCH_BYTES: Final = 4 * 1024 * 1024
_CHUNK: Final = 64
"""Rows fetched at once; each may hold a megabyte."""
_NAMES_SHOWN: Final = 100
_LABELS_AT_HAND: Final = 10_000
_CACHE_KIB: Final = 32 * 1024

_SCHEMA: Final = f"""
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA temp_store = FILE;
    PRAGMA cache_size = -{_CACHE_KIB};
    CREATE TABLE record (
        number INTEGER PRIMARY KEY, identity INTEGER, other INTEGER, kind INTEGER, chosen INTEGER,
        time INTEGER, tie BLOB, message BLOB, digest BLOB, source INTEGER, line INTEGER,
        payload BLOB, raw BLOB
    );
    CREATE TABLE name (name TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
    CREATE TABLE hint (
        shared INTEGER, number INTEGER, PRIMARY KEY (shared, number)
    ) WITHOUT ROWID;
    CREATE TABLE alias (previous TEXT, user TEXT, PRIMARY KEY (previous, user)) WITHOUT ROWID;
    CREATE TABLE identity (
        number INTEGER PRIMARY KEY, root INTEGER, kinds INTEGER, first_seen INTEGER
    );
    CREATE TABLE person (person INTEGER PRIMARY KEY, root INTEGER UNIQUE, kinds INTEGER);
    CREATE TABLE span (person INTEGER PRIMARY KEY, first INTEGER, events INTEGER, past INTEGER);
    CREATE TABLE turn (position INTEGER PRIMARY KEY, person INTEGER, kind INTEGER, record INTEGER);
    CREATE TABLE tally (
        kind TEXT, label TEXT, count INTEGER, PRIMARY KEY (kind, label)
    ) WITHOUT ROWID;
    BEGIN;
"""

_NEXT_ROWS: Final = (
    "SELECT position, number, record.kind, chosen, time, "
    "CASE WHEN message IS NULL THEN NULL ELSE substr(tie, 2) END, digest, source, line, payload "
    "FROM turn JOIN record ON number = record "
    "WHERE position >= ? AND position < ? AND (record.kind = ? OR ?) ORDER BY position LIMIT ?"
)


class Row(NamedTuple):
    """A record as the spool keeps it."""

    number: int
    kind: int
    """`IDENTIFY`, `TRACK` or `PAGE`."""
    chosen: bool
    """Whether it is replayed; else it only serves to know who is who."""
    time: int | None
    """Milliseconds since the epoch."""
    message_id: str | None
    digest: bytes
    """Of the record's line."""
    source: str
    line: int
    payload: bytes


class Person(NamedTuple):
    """An end user's place in the spool."""

    number: int
    kinds: int
    """The kinds of ids they have (identities.py), added up."""
    first: int
    """Where their rows begin."""
    events: int
    """Where their track and page records begin, if these are kept apart."""
    past: int
    """Where the next one's rows begin."""


class SkippedRow(NamedTuple):
    """A record that was found to be left out once all were read."""

    source: str
    line: int
    kind: str
    repeated: bool
    """Whether its `messageId` was taken already; else it was not chosen."""


class Spool:
    """Records by end user, in time order; may be read from several threads."""

    def __init__(self) -> None:
        # "" is SQLite's own temporary file. One connection serves all threads, one at a time.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        self._sources: dict[str, int] = {}
        self._waiting_bytes = 0
        self._is_indexed = False
        self._names: list[str] = []
        self._waiting: list[tuple[object, ...]] = []
        self._database.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(
        self,
        identity: int,
        kind: int,
        time: int | None,
        message_id: str | None,
        line: bytes,
        place: tuple[str, int],
        payload: bytes,
        *,
        other: int | None = None,
        chosen: bool = True,
        keep_line: bool = False,
    ) -> None:
        """Keep a record.

        Args:
            identity: the number of an id of its end user.
            kind: `IDENTIFY`, `TRACK` or `PAGE`.
            time: when it happened; records without a time come first.
            message_id: tells a repeated delivery, and orders records of one time.
            line: the record's own bytes, which order what is left.
            place: source and line number.
            payload: what the plan needs of it.
            other: the number of an id that its end user has, if nothing is known of `identity`.
            chosen: whether it is replayed.
            keep_line: whether `raw` may ask for the line.
        """
        source = self._sources.setdefault(place[0], len(self._sources))
        when = NO_TIME if time is None else time
        if message_id is None:
            tie, message, raw = b"\0" + line, None, None
        else:
            named = message_id.encode()
            tie, message = b"\1" + named, blake2b(named, digest_size=16).digest()
            raw = line if keep_line else None
        digest = blake2b(line, digest_size=16).digest()
        self._waiting.append(
            (
                identity, other, kind, _CHOSEN if chosen else _LEFT_OUT,
                when, tie, message, digest, source, place[1], payload, raw,
            )
        )  # fmt: skip
        self._waiting_bytes += len(payload) + len(tie) + len(raw or b"")
        if len(self._waiting) >= _BATCH or self._waiting_bytes >= _BATCH_BYTES:
            self._flush()

    def add_left_out(self, time: int | None, message_id: str, line: bytes) -> None:
        """Keep no more of a record than that its message was met."""
        self.add(_NOBODY, TRACK, time, message_id, line, ("", 0), b"", chosen=False)

    def identity(self, name: str) -> int | None:
        """The number that was kept of a name."""
        with self._lock:
            query = "SELECT number FROM name WHERE name = ?"
            found = self._database.execute(query, (name,)).fetchone()
        return None if found is None else int(found[0])

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The names that begin so, with their numbers, in order; more may be kept meanwhile."""
        query = "SELECT name, number FROM name WHERE name > ? AND name < ? ORDER BY name LIMIT ?"
        after, past = prefix, _past(prefix)
        while True:
            with self._lock:
                found = self._database.execute(query, (after, past, _BATCH)).fetchall()
            yield from found
            if len(found) < _BATCH:
                return
            after = found[-1][0]

    def names_of(self, person: Person) -> list[tuple[str, bool]]:
        """The names of an end user's ids, in order, and whether records are filed under each.

        Of very many only the first.
        """
        query = (
            "SELECT name, first_seen IS NOT NULL FROM person "
            "JOIN identity USING (root) JOIN name USING (number) "
            "WHERE person = ? ORDER BY name LIMIT ?"
        )
        with self._lock:
            if not self._is_indexed:
                # Not every run looks anybody up.
                self._database.execute("CREATE INDEX identity_root ON identity (root)")
                self._database.execute("CREATE INDEX name_number ON name (number)")
                self._is_indexed = True
            found = self._database.execute(query, (person.number, _NAMES_SHOWN)).fetchall()
        return [(name, bool(is_filed)) for name, is_filed in found]

    def keep_identities(self, names: Iterable[tuple[str, int]]) -> None:
        """Keep ids' names with their numbers."""
        with self._lock:
            # Sorted, they go to neighbouring pages.
            self._database.executemany("INSERT INTO name VALUES (?, ?)", sorted(names))

    def keep_hints(self, hints: Iterable[tuple[int, int]]) -> None:
        """Keep which shared id was seen with which other, by their numbers."""
        with self._lock:
            self._database.executemany("INSERT OR IGNORE INTO hint VALUES (?, ?)", sorted(hints))

    def hints(self, prefix: str) -> Iterator[tuple[int, int]]:
        """The hints of all shared ids whose names begin so, in the order of these names."""
        query = (
            "SELECT shared, hint.number FROM name JOIN hint ON shared = name.number "
            "WHERE name >= ? AND name < ? ORDER BY name"
        )
        yield from self._database.execute(query, (prefix, _past(prefix)))

    def keep_alias(self, previous: str, user: str) -> None:
        """Keep that two ids were said to be one user's."""
        with self._lock:
            values = (min(previous, user), max(previous, user))
            self._database.execute("INSERT OR IGNORE INTO alias VALUES (?, ?)", values)

    def has_alias(self, previous: str, user: str) -> bool:
        """Whether two ids were said to be one user's."""
        query = "SELECT 1 FROM alias WHERE previous = ? AND user = ?"
        values = (min(previous, user), max(previous, user))
        with self._lock:
            return self._database.execute(query, values).fetchone() is not None

    def close_intake(
        self,
        members: Iterable[tuple[int, int, int, int | None]],
        *,
        events_apart: bool,
        users: Iterable[str] = (),
        limit: int | None = None,
    ) -> None:
        """Say that all records are in, and whose each id is; only then may they be read.

        End users are numbered in the order they were first met, whatever order the records came in.

        Args:
            members: of each id its number, a number that all ids of its end user share, the kinds of
                these ids, and the time of the first record filed under it.
            events_apart: whether an end user's track and page records come after all identifies.
            users: names of ids; if there are any, only their end users' records are replayed.
            limit: so many records are replayed at most, the first in time order.
        """
        self._flush()
        self._names = list(self._sources)
        names = list(users)
        with self._lock:
            self._database.executemany("INSERT INTO identity VALUES (?, ?, ?, ?)", members)
            self._leave_out_repeated()
            self._file_by_other()
            if names:
                self._leave_out_all_but(names)
            if limit is not None:
                self._leave_out_past(limit)
            self._number_people()
            self._give_turns(events_apart=events_apart)

    def _leave_out_repeated(self) -> None:
        """Take each message once: the earliest, then the one whose line comes first."""
        self._database.execute(
            "UPDATE record SET chosen = chosen + ? WHERE number IN (SELECT number FROM ("
            "SELECT number, row_number() OVER (PARTITION BY message ORDER BY time, digest, number) "
            "AS nth FROM record WHERE message IS NOT NULL) WHERE nth > 1)",
            (_REPEATED,),
        )

    def _file_by_other(self) -> None:
        """File a record by its other id, if that has identifies and the first has none."""
        query = "SELECT 1 FROM record WHERE other IS NOT NULL LIMIT 1"
        if self._database.execute(query).fetchone() is None:
            return
        self._database.execute(
            "CREATE TABLE identified AS SELECT DISTINCT root FROM record JOIN identity "
            "ON identity.number = record.identity WHERE kind = ? AND chosen < ?",
            (IDENTIFY, _REPEATED),
        )
        self._database.execute(
            "UPDATE record SET identity = other WHERE other IS NOT NULL "
            "AND (SELECT root FROM identity WHERE identity.number = record.identity) "
            "NOT IN identified "
            "AND (SELECT root FROM identity WHERE identity.number = record.other) IN identified"
        )

    def _leave_out_all_but(self, names: list[str]) -> None:
        roots: set[int] = set()
        for name in names:
            query = "SELECT root FROM identity JOIN name USING (number) WHERE name = ?"
            roots.update(root for (root,) in self._database.execute(query, (name,)))
        self._database.execute("CREATE TABLE wanted (root INTEGER PRIMARY KEY)")
        self._database.executemany("INSERT INTO wanted VALUES (?)", ((root,) for root in roots))
        self._database.execute(
            "UPDATE record SET chosen = ? WHERE chosen = ? AND identity NOT IN "
            "(SELECT number FROM identity WHERE root IN wanted)",
            (_LEFT_OUT_LATE, _CHOSEN),
        )

    def _leave_out_past(self, limit: int) -> None:
        self._database.execute(
            "UPDATE record SET chosen = ? WHERE chosen = ? AND number NOT IN "
            "(SELECT number FROM record WHERE chosen = ? ORDER BY time, tie, number LIMIT ?)",
            (_LEFT_OUT_LATE, _CHOSEN, _CHOSEN, limit),
        )

    def _number_people(self) -> None:
        self._database.execute(
            "INSERT INTO person (root, kinds) SELECT root, max(kinds) FROM identity "
            "JOIN name USING (number) GROUP BY root HAVING min(first_seen) IS NOT NULL "
            "ORDER BY min(first_seen), min(name)"
        )

    def _give_turns(self, *, events_apart: bool) -> None:
        """Put each end user's records in their order, one end user after the other."""
        self._database.execute(
            "INSERT INTO turn (person, kind, record) "
            "SELECT person, record.kind, record.number FROM record "
            "JOIN identity ON identity.number = record.identity "
            "JOIN person ON person.root = identity.root "
            "WHERE chosen = ? OR (chosen < ? AND kind = ?) "
            "ORDER BY person, record.kind != ? AND ?, time, tie, record.number",
            (_CHOSEN, _REPEATED, IDENTIFY, IDENTIFY, events_apart),
        )
        self._database.execute(
            "INSERT INTO span "
            "SELECT person, first, CASE WHEN ? THEN coalesce(event, past) ELSE first END, past FROM ("
            "SELECT person, min(position) AS first, max(position) + 1 AS past, "
            "min(CASE WHEN kind != ? THEN position END) AS event FROM turn GROUP BY person)",
            (events_apart, IDENTIFY),
        )

    def left_out(self) -> Iterator[SkippedRow]:
        """The records that were found to be left out when the intake was closed."""
        query = (
            "SELECT source, line, kind, chosen FROM record WHERE chosen IN (?, ?) ORDER BY number"
        )
        chosen = (_LEFT_OUT_LATE, _CHOSEN + _REPEATED)
        for source, line, kind, fate in self._database.execute(query, chosen):
            yield SkippedRow(self._names[source], line, KINDS[kind], fate != _LEFT_OUT_LATE)

    def people(self) -> Iterator[Person]:
        """The end users that have records, in the order they were first met."""
        after = 0
        while True:
            query = (
                "SELECT person, kinds, first, events, past FROM span JOIN person USING (person) "
                "WHERE person > ? ORDER BY person LIMIT ?"
            )
            with self._lock:
                found = self._database.execute(query, (after, _CHUNK)).fetchall()
            yield from (Person(*row) for row in found)
            if len(found) < _CHUNK:
                return
            after = found[-1][0]

    def rows(self, first: int, past: int, *, only_identifies: bool = False) -> Iterator[Row]:
        """The records that have these turns, in their order."""
        names = self._names
        while first < past:
            with self._lock:
                found = self._database.execute(
                    _NEXT_ROWS, (first, past, IDENTIFY, not only_identifies, _CHUNK)
                ).fetchall()
            for _, number, kind, chosen, time, message_id, digest, source, line, payload in found:
                yield Row(
                    number,
                    kind,
                    chosen == _CHOSEN,
                    None if time == NO_TIME else time,
                    None if message_id is None else message_id.decode(),
                    digest,
                    names[source],
                    line,
                    payload,
                )
            if len(found) < _CHUNK:
                return
            first = found[-1][0] + 1

    def raw(self, number: int) -> bytes:
        """The line of a record that was to be kept; empty where it was not."""
        query = (
            "SELECT coalesce(raw, CASE WHEN message IS NULL THEN substr(tie, 2) END) "
            "FROM record WHERE number = ?"
        )
        with self._lock:
            (raw,) = self._database.execute(query, (number,)).fetchone()
        return raw or b""

    def count(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Add to the tallies: how often each label of a kind occurred."""
        with self._lock:
            self._database.executemany(
                "INSERT INTO tally VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET count = count + excluded.count",
                ((kind, label, count) for (kind, label), count in counts.items()),
            )

    def tallies(self, kind: str) -> Iterator[tuple[str, int]]:
        """The labels of a kind with their counts, most frequent first."""
        query = "SELECT label, count FROM tally WHERE kind = ? ORDER BY count DESC, label"
        yield from self._database.execute(query, (kind,))

    def _flush(self) -> None:
        with self._lock:
            self._database.executemany(
                "INSERT INTO record VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                self._waiting,
            )
        self._waiting.clear()
        self._waiting_bytes = 0


def _past(prefix: str) -> str:
    """What sorts after everything that begins so."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


class Tally:
    """Counts by kind and label; many labels wait in the spool, not in memory."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._recent: Counter[tuple[str, str]] = Counter()

    def add(self, kind: str, label: str) -> None:
        """Count one."""
        self._recent[kind, label] += 1
        if len(self._recent) >= _LABELS_AT_HAND:
            self._flush()

    def most_common(self, kind: str) -> Iterator[tuple[str, int]]:
        """The labels of a kind with their counts, most frequent first."""
        self._flush()
        return self._spool.tallies(kind)

    def _flush(self) -> None:
        self._spool.count(self._recent)
        self._recent.clear()
