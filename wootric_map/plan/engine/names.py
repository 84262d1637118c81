"""Where a plan keeps what there is of names: a private temporary SQLite database."""

import threading
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress, count
from typing import Final, Self, TypeAlias

from wootric_map.temporary_database import scratch_database

_BATCH: Final = 2000
_NAMES_SHOWN: Final = 100
_LABELS_AT_HAND: Final = 10_000
_CACHE_KIB: Final = 8 * 1024

_SCHEMA: Final = """
    CREATE TABLE name (number INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE hint (
        shared INTEGER, number INTEGER, PRIMARY KEY (shared, number)
    ) WITHOUT ROWID;
    CREATE TABLE alias (
        previous TEXT, user TEXT, source TEXT, line INTEGER, PRIMARY KEY (previous, user)
    ) WITHOUT ROWID;
    CREATE TABLE member (number INTEGER PRIMARY KEY, root INTEGER, is_filed INTEGER);
    CREATE TABLE tally (
        kind TEXT, label TEXT, count INTEGER, PRIMARY KEY (kind, label)
    ) WITHOUT ROWID;
    BEGIN;
"""

Members: TypeAlias = Callable[[], Iterable[tuple[int, int, bool]]]
"""Tells of each id its number, the number that all ids of its end user share, and whether records are
filed under it."""


class Names:
    """The ids that were met, by number, and labels with their counts; may be read from several threads."""

    def __init__(self, *, batch: int = _BATCH) -> None:
        """Keep no names yet.

        Args:
            batch: how many names are read from the database at once.
        """
        self._batch = batch
        self._database = scratch_database(_SCHEMA, cache_kib=_CACHE_KIB)
        self._lock = threading.Lock()
        self._members: Members | None = None
        self._later: Callable[[], Iterable[tuple[str, int]]] = tuple

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def identity(self, name: str) -> int | None:
        """The number that was kept of a name."""
        with self._by_name():
            query = "SELECT number FROM name WHERE name = ?"
            found = self._database.execute(query, (name,)).fetchone()
        return None if found is None else int(found[0])

    def beginning(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The names that begin so, with their numbers, in order; more may be kept meanwhile."""
        query = "SELECT name, number FROM name WHERE name > ? AND name < ? ORDER BY name LIMIT ?"
        after, past = prefix, _past(prefix)
        while True:
            with self._by_name():
                found = self._database.execute(query, (after, past, self._batch)).fetchall()
            yield from found
            if len(found) < self._batch:
                return
            after = found[-1][0]

    def by_least_name(
        self, chosen: Sequence[int], roots: Sequence[int], times: Sequence[int]
    ) -> "array[int]":
        """Some end users by the time they were first met, and of one time by the least name of theirs.

        Args:
            chosen: of each id, by its number, whether its end user is one of them.
            roots: of each id the number that all of its end user share.
            times: of each such number when they were first met.
        """
        members = ((each, roots[each], times[roots[each]]) for each in compress(count(), chosen))
        with self._lock:
            self._database.execute(
                "CREATE TABLE met (number INTEGER PRIMARY KEY, root INTEGER, first INTEGER, own TEXT)"
            )
            self._database.executemany("INSERT INTO met VALUES (?, ?, ?, NULL)", members)
            # Few end users are met at one time, so not all names are put in order for them.
            at_hand = (each for each in self._later() if chosen[each[1]])
            self._database.executemany("UPDATE met SET own = ? WHERE number = ?", at_hand)
            query = (
                "SELECT root FROM met LEFT JOIN name USING (number) "
                "GROUP BY root ORDER BY first, min(coalesce(own, name))"
            )
            ordered = array("I", (root for (root,) in self._database.execute(query)))
            self._database.execute("DROP TABLE met")
        return ordered

    def name(self, number: int) -> str:
        """The name of an id by its number."""
        with self._whole():
            query = "SELECT name FROM name WHERE number = ?"
            (name,) = self._database.execute(query, (number,)).fetchone()
        return str(name)

    def of(self, root: int) -> list[tuple[str, bool]]:
        """The names of an end user's ids, in order, and whether records are filed under each.

        Of very many only the first.

        Args:
            root: the number that all their ids share.
        """
        query = (
            "SELECT name, is_filed FROM member JOIN name USING (number) "
            "WHERE root = ? ORDER BY name LIMIT ?"
        )
        with self._by_member():
            found = self._database.execute(query, (root, _NAMES_SHOWN)).fetchall()
        return [(name, bool(is_filed)) for name, is_filed in found]

    def count_of(self, root: int, prefix: str) -> int:
        """How many of an end user's ids, under which records are filed, have names that begin so."""
        query = (
            "SELECT count(*) FROM member JOIN name USING (number) "
            "WHERE root = ? AND is_filed AND name > ? AND name < ?"
        )
        with self._by_member():
            (count,) = self._database.execute(query, (root, prefix, _past(prefix))).fetchone()
        return int(count)

    def keep(self, names: Iterable[tuple[str, int]]) -> None:
        """Keep ids' names with their numbers."""
        with self._lock:
            self._keep(names)

    def keep_later(self, names: Callable[[], Iterable[tuple[str, int]]]) -> None:
        """Keep these names as well, once anybody wants to know."""
        self._later = names

    def _keep(self, names: Iterable[tuple[str, int]]) -> None:
        self._database.executemany("INSERT INTO name (name, number) VALUES (?, ?)", names)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """The database for oneself, with all names in it."""
        with self._lock:
            later, self._later = self._later, tuple
            self._keep(later())
            yield

    @contextmanager
    def _by_member(self) -> Iterator[None]:
        """The database for oneself, with whose each id is."""
        with self._whole():
            if self._members:
                # Not every run looks anybody up.
                members, self._members = self._members, None
                self._database.executemany("INSERT INTO member VALUES (?, ?, ?)", members())
                self._database.execute("CREATE INDEX member_root ON member (root)")
            yield

    @contextmanager
    def _by_name(self) -> Iterator[None]:
        """The database for oneself, with the names in order."""
        with self._whole():
            # Not every run asks by name, and to sort all names at once is far quicker than one by one.
            self._database.execute("CREATE INDEX IF NOT EXISTS by_name ON name (name)")
            yield

    def keep_members(self, members: Members) -> None:
        """Say whose each id is; it is asked for only if anybody wants to know."""
        self._members = members

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
        with self._by_name():
            found = self._database.execute(query, (prefix, _past(prefix)))
        yield from found

    def keep_aliases(self, aliases: Iterable[tuple[str, str, str, int]]) -> None:
        """Keep of each alias its `previousId`, its `userId`, its source and line."""
        with self._lock:
            self._database.executemany(
                "INSERT OR IGNORE INTO alias VALUES (?, ?, ?, ?)", sorted(aliases)
            )

    def aliases(self) -> Iterator[tuple[str, str, int]]:
        """Yield each `previousId` with one `userId` that it is aliased to, and how many these are."""
        query = (
            "SELECT previous, min(user), count(*) FROM alias WHERE previous > ? "
            "GROUP BY previous ORDER BY previous LIMIT ?"
        )
        after = ""
        while True:
            with self._lock:
                found = self._database.execute(query, (after, self._batch)).fetchall()
            yield from found
            if len(found) < self._batch:
                return
            after = found[-1][0]

    def alias_pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the `previousId` and the `userId` of every alias, each pair once."""
        query = (
            "SELECT previous, user FROM alias WHERE (previous, user) > (?, ?) "
            "ORDER BY previous, user LIMIT ?"
        )
        after = "", ""
        while True:
            with self._lock:
                found = self._database.execute(query, (*after, self._batch)).fetchall()
            yield from found
            if len(found) < self._batch:
                return
            after = found[-1]

    def ambiguous_aliases(
        self, in_all_runs: Mapping[str, int]
    ) -> Iterator[tuple[str, int, str, int]]:
        """Yield of each alias whose `previousId` has several `userId`s: it, how many, its source and line.

        Args:
            in_all_runs: how many it has of those that have several only with those of earlier runs.
        """
        for previous, _, own in self.aliases():
            users = in_all_runs.get(previous, own)
            if users > 1:
                query = "SELECT source, line FROM alias WHERE previous = ?"
                with self._lock:
                    places = self._database.execute(query, (previous,)).fetchmany(_NAMES_SHOWN)
                for source, line in places:
                    yield previous, users, source, line

    def has_alias(self, one: str, other: str) -> bool:
        """Whether an alias ties two ids: one of them is aliased to the other alone."""
        query = (
            "SELECT 1 FROM alias WHERE previous = ?1 GROUP BY previous "
            "HAVING count(*) = 1 AND min(user) = ?2"
        )
        with self._lock:
            return any(
                self._database.execute(query, pair).fetchone()
                for pair in ((one, other), (other, one))
            )

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


def _past(prefix: str) -> str:
    """What sorts after everything that begins so."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


class Tally:
    """Counts by kind and label; many labels wait in the database, not in memory."""

    def __init__(self, names: Names, *, at_hand: int = _LABELS_AT_HAND) -> None:
        """Count nothing yet.

        Args:
            names: keeps the counts that memory does not hold.
            at_hand: how many labels are counted in memory.
        """
        self._names = names
        self._at_hand = at_hand
        self._recent: Counter[tuple[str, str]] = Counter()

    def add(self, kind: str, label: str, count: int = 1) -> None:
        """Count so many more."""
        self._recent[kind, label] += count
        if len(self._recent) >= self._at_hand:
            self._flush()

    def most_common(self, kind: str) -> Iterator[tuple[str, int]]:
        """The labels of a kind with their counts, most frequent first."""
        self._flush()
        return self._names.tallies(kind)

    def _flush(self) -> None:
        self._names.count(self._recent)
        self._recent.clear()
