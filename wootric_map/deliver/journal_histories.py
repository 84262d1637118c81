"""Who is in which group, what is stated about groups, and what events came to, over all runs on a journal.

A journal holds the traits of groups themselves, since a later run has to send them. Of events it holds what
they came to, and a digest of each, by which one that is read again is recognised: about 20 bytes an event.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from wootric_map.deliver.fingerprints import short
from wootric_map.deliver.journal_claims import Claims
from wootric_map.deliver.journal_former_ids import prints_of
from wootric_map.deliver.journal_schema import spoilt
from wootric_map.deliver.journal_session import Session
from wootric_map.errors import JournalFailedError
from wootric_map.plan.event_history import EventHistory, unpacked_history
from wootric_map.plan.group_traits import GroupFold, merge_into, packed_fold, unpacked_fold
from wootric_map.plan.histories import Ids, Member, Membership, RolledEvent
from wootric_map.plan.tie_graph import reached

_AT_ONCE: Final = 10_000
_ASKED_AT_ONCE: Final = 300

_ADD_MEMBERSHIP: Final = (
    "INSERT INTO membership VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "time = excluded.time, has_message = excluded.has_message, tie = excluded.tie, grp = excluded.grp "
    "WHERE (excluded.time, excluded.has_message, excluded.tie, excluded.grp) > "
    "(time, has_message, tie, grp)"
)
_ADD_EVENT: Final = "INSERT OR IGNORE INTO rolled_event VALUES (?)"
_END_USERS: Final = (
    "SELECT id, external_id, email FROM end_user WHERE external_id BETWEEN ?1 AND ?2 "
    "UNION SELECT id, external_id, email FROM end_user WHERE email BETWEEN ?1 AND ?2 "
    "UNION SELECT id, external_id, email FROM former_id JOIN end_user ON end_user = id "
    "WHERE name BETWEEN ?1 AND ?2"
)


class JournalHistories:
    """The groups, their members, and the events that are rolled up, as all runs have read them."""

    def __init__(self, session: Session, claims: Claims) -> None:
        self._commits = session.commits
        self._fingerprints = session.fingerprints
        self._claims = claims

    def group_print(self, group_id: str) -> bytes:
        """Return the fingerprint of a group."""
        found = self._fingerprints.identity("group", group_id)
        return found or b""

    def add_group_traits(self, folds: Iterable[tuple[bytes, GroupFold]]) -> None:
        """Add what group calls state about groups, each by its fingerprint."""
        with self._commits.reading() as database:
            for group, fold in folds:
                whole = self._fold(database, group)
                merge_into(whole, fold)
                database.execute(
                    "INSERT OR REPLACE INTO group_trait VALUES (?, ?)", (group, packed_fold(whole))
                )

    def group_traits(self, group: bytes) -> GroupFold:
        """Return what all runs state about a group, by its fingerprint."""
        with self._commits.reading() as database:
            return self._fold(database, group)

    def _fold(self, database: sqlite3.Connection, group: bytes) -> GroupFold:
        query = "SELECT packed FROM group_trait WHERE grp = ?"
        row = database.execute(query, (group,)).fetchone()
        try:
            return unpacked_fold(row[0]) if row else {}
        except ValueError as error:
            raise JournalFailedError(spoilt(Path(self._commits.name), error)) from error

    def add_memberships(self, told: Iterable[tuple[Ids, Membership]]) -> None:
        """Add who is in which group."""
        coming = iter(told)
        while batch := sorted((*ids, *membership) for ids, membership in islice(coming, _AT_ONCE)):
            with self._commits.reading() as database:
                database.executemany(_ADD_MEMBERSHIP, batch)

    @property
    def has_members(self) -> bool:
        """Whether anybody is in any group."""
        return self._commits.first("SELECT 1 FROM membership LIMIT 1") is not None

    def membership(self, prints: Collection[int]) -> Membership | None:
        """Return the latest membership of an end user, by all ids of theirs; None if there is none."""
        several = self._claims.several
        with self._commits.reading() as database:
            found = _memberships(database, prints, several)
        return max(found, default=None)

    def spec(self, event: str, keys: Sequence[str]) -> bytes:
        """Return the fingerprint of an event, by its name, and of what counts of it (`Rolled.counting`)."""
        return self._fingerprints.identity("event", json.dumps([event, *keys])) or b""

    def add_events(self, events: Iterable[RolledEvent]) -> None:
        """Add events; one that any run has added does not count again."""
        coming = iter(events)
        while batch := list(islice(coming, _AT_ONCE)):
            numbered = sorted(
                ((_event_number(each), nth) for nth, each in enumerate(batch)), key=itemgetter(0)
            )
            with self._commits.reading() as database:
                added: dict[tuple[int, int, bytes], EventHistory] = {}
                for number, nth in numbered:
                    if database.execute(_ADD_EVENT, (number,)).rowcount:
                        each = batch[nth]
                        place = (*each.ids, each.spec)
                        added.setdefault(place, EventHistory()).add(each.history)
                self._add_histories(database, added)

    def _add_histories(
        self,
        database: sqlite3.Connection,
        added: Mapping[tuple[int, int, bytes], EventHistory],
    ) -> None:
        query = "SELECT packed FROM rolled_up WHERE user = ? AND email = ? AND spec = ?"
        for place, history in sorted(added.items(), key=itemgetter(0)):
            row = database.execute(query, place).fetchone()
            if row:
                history.add(self._history(row[0]))
            database.execute(
                "INSERT OR REPLACE INTO rolled_up VALUES (?, ?, ?, ?)", (*place, history.packed())
            )

    def events(
        self, prints: Collection[int], specs: Collection[bytes]
    ) -> Mapping[bytes, EventHistory]:
        """Return what the events of an end user came to, by what `spec` returned; `prints` are all ids."""
        several = self._claims.several
        found: dict[bytes, EventHistory] = {}
        with self._commits.reading() as database:
            for user, email, spec, packed in _rows(database, "rolled_up", prints):
                if spec in specs and _belongs_to(user, email, several) in prints:
                    found.setdefault(spec, EventHistory()).add(self._history(packed))
        return found

    def _history(self, packed: str) -> EventHistory:
        try:
            return unpacked_history(packed)
        except ValueError as error:
            raise JournalFailedError(spoilt(Path(self._commits.name), error)) from error

    def members(self, groups: Collection[bytes]) -> Iterator[Member]:
        """Yield the end users, of those that any run has left in Wootric, who are in one of these groups."""
        several = self._claims.several
        met: set[int] = set()
        with self._commits.reading() as database:
            query = "SELECT DISTINCT user, email FROM membership WHERE grp = ?"
            named = [
                ids for group in groups for ids in database.execute(query, (group,)).fetchall()
            ]
            for user, email in named:
                print_ = _belongs_to(user, email, several)
                if not print_:
                    continue
                for number, *ids in database.execute(_END_USERS, prints_of(print_)).fetchall():
                    if number in met:
                        continue
                    met.add(number)
                    begin = {short(each) for each in ids if each is not None}
                    known = reached(database, begin, several).ids or begin
                    latest = max(_memberships(database, known, several), default=None)
                    if latest and latest.group in groups:
                        yield Member(number, known, latest.group)


def _memberships(
    database: sqlite3.Connection, prints: Collection[int], several: Mapping[int, int]
) -> list[Membership]:
    """Return the memberships that any of an end user's ids tells."""
    return [
        Membership(time, bool(has_message), tie, group)
        for user, email, time, has_message, tie, group in _rows(database, "membership", prints)
        if _belongs_to(user, email, several) in prints
    ]


def _rows(
    database: sqlite3.Connection, table: str, prints: Collection[int]
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table that name any of some ids, each row once."""
    coming = iter(sorted(prints))
    while some := list(islice(coming, _ASKED_AT_ONCE)):
        marks = ", ".join("?" * len(some))
        query = (
            f"SELECT * FROM {table} WHERE user IN ({marks}) "  # noqa: S608
            f"UNION ALL SELECT * FROM {table} WHERE email IN ({marks}) AND user NOT IN ({marks})"
        )
        yield from database.execute(query, (*some, *some, *some)).fetchall()


def _event_number(event: RolledEvent) -> int:
    """Return a number of 64 bits that no two events share."""
    digest = blake2b(event.key.encode(errors="surrogatepass"), digest_size=8, key=event.spec)
    return int.from_bytes(digest.digest(), signed=True)


def _belongs_to(user: int, email: int, several: Mapping[int, int]) -> int:
    """Return the id that a record belongs to; 0 if it names nobody (segment.md 8, rule 4).

    Args:
        user: the record's `userId`; 0 for none.
        email: the record's email; 0 for none.
        several: the ids that several people carry.
    """
    if email and (not user or user in several or email in several):
        return email
    return 0 if user in several else user
