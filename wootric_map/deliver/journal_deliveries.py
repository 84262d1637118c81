"""What a journal knows of deliveries: which were made, are under way, are in doubt, or failed."""

import sqlite3
from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from typing import Final, NamedTuple

from wootric_map.deliver.fingerprints import (
    Delivered,
    PastDelivery,
    Prints,
    Provenance,
    packed,
    unpacked,
)
from wootric_map.deliver.journal_contents import KINDS
from wootric_map.deliver.journal_session import Session
from wootric_map.errors import JournalFailedError, StoppedError
from wootric_map.model import Action, EndUserUpsert

NOWHERE: Final = Provenance()
"""Of a write of which nobody knows when it was said."""

WRITE: Final = 0
ELIGIBILITY_CHECK: Final = 1
PAGE_VIEW: Final = 2

MARK: Final = len(KINDS)
"""Of what stands among the deliveries, and is none that counts."""

KIND_OF: Final[Mapping[Action, int]] = {
    "create": WRITE,
    "update": WRITE,
    "unchanged": WRITE,
    "left": WRITE,
    "eligibility_check": ELIGIBILITY_CHECK,
    "page_view": PAGE_VIEW,
}

_KEY: Final = 16

_A_DAY: Final = 86_400.0
"""Seconds. A clock that is wrong by more is not believed (segment.md 5, `future_timestamp`)."""


class Doubt(NamedTuple):
    """A write that an earlier run sent, and whose answer it did not see."""

    key: bytes
    wanted: EndUserUpsert
    """What its end user is looked up by."""
    fields: Prints
    """The fingerprints of what Wootric holds if it has arrived."""
    provenance: Provenance
    """When that was said, and of whom."""


class Deliveries:
    """The deliveries of all runs on a journal."""

    def __init__(self, session: Session) -> None:
        """Take them as earlier runs left them."""
        self._session = session
        self._commits = session.commits
        self._run = session.run
        with session.commits.reading() as database:
            self._doubts, self._failures, has_delivered = database.execute(
                "SELECT (SELECT count(*) FROM in_flight), EXISTS (SELECT 1 FROM failed), "
                "EXISTS (SELECT 1 FROM delivered)"
            ).fetchone()
        self.has_doubts: Final = bool(self._doubts)
        """Whether earlier runs left any delivery without an answer."""
        self.are_any: Final = bool(self._doubts or has_delivered)
        """Whether earlier runs made any, or may have."""

    def past_delivery(
        self, key: str, former_key: str | None = None, time: int | None = None
    ) -> PastDelivery | None:
        """Return what an earlier run has done about a delivery; None where it is still to be made.

        Args:
            key: what tells the delivery from every other.
            former_key: what an earlier release, or the rejects file it was mended in, knows it by.
            time: when it happened, in milliseconds since the epoch, if that is known. Several messages may
                share what an earlier release knew them by: it has sent none that happened after it had run.
        """
        if not self._session.recalls:
            return None
        names = [key_of(key)] if former_key is None else [key_of(key), key_of(former_key)]
        some = ", ".join("?" * len(names))
        with self._commits.reading() as database:
            query = f"SELECT key, run FROM delivered WHERE key IN ({some})"  # noqa: S608
            for name, run in database.execute(query, names).fetchall():
                if name == names[0] or self._may_have_sent(database, run, time):
                    return Delivered(run)
            if self._doubts and not self._session.resends:
                query = f"SELECT key, run FROM in_flight WHERE key IN ({some}) AND run < ?"  # noqa: S608
                for name, run in database.execute(query, (*names, self._run)).fetchall():
                    if name == names[0] or self._may_have_sent(database, run, time):
                        return "in_doubt"
        return None

    def _may_have_sent(self, database: sqlite3.Connection, run: int, time: int | None) -> bool:
        """Return whether a run may have sent what happened then, by a clock that is a day wrong at most."""
        if time is None or run > self._session.silent_until:
            return True
        query = (
            "SELECT coalesce(ended, (SELECT min(began) FROM run AS later WHERE later.number > run.number)) "
            "FROM run WHERE number = ?"
        )
        found = database.execute(query, (run,)).fetchone()
        return not (found and found[0]) or time / 1000 <= found[0] + _A_DAY

    def is_silent(self, fate: PastDelivery | None) -> bool:
        """Return whether an earlier release made a delivery, which did not note when anything was said."""
        return isinstance(fate, Delivered) and fate.run <= self._session.silent_until

    def doubtful_writes(self) -> list[Doubt]:
        """Return the writes that earlier runs sent, and whose answers they did not see."""
        query = (
            "SELECT key, wootric_id, external_id, email, phone, fields, said, ids FROM in_flight "
            "WHERE kind = ? AND run < ?"
        )
        with self._commits.reading() as database:
            found = database.execute(query, (WRITE, self._run)).fetchall()
        return [
            Doubt(
                key,
                EndUserUpsert(
                    wootric_id=wootric_id, external_id=external_id, email=email, phone_number=phone
                ),
                unpacked(fields),
                Provenance(said or b"", ids or b""),
            )
            for key, wootric_id, external_id, email, phone, fields, said, ids in found
        ]

    def in_doubt(self) -> int:
        """Return how many deliveries are under way or in doubt, by what the disk has."""
        self._commits.commit(self._commits.noted)
        found = self._commits.first("SELECT count(*) FROM in_flight")
        return int(found[0]) if found else 0

    def depart(
        self,
        key: str,
        action: Action,
        wanted: EndUserUpsert | None = None,
        fields: Prints | None = None,
        provenance: Provenance = NOWHERE,
    ) -> None:
        """Put on record that something is about to be sent; returns once the disk has it.

        Args:
            key: what tells the delivery from every other.
            action: what it is.
            wanted: of a write, all that its end user is to hold.
            fields: the fingerprints of that, where they are known already.
            provenance: when that was said, and of whom.

        Raises:
            JournalFailedError: it can't be put on record, so it must not be sent.
            StoppedError: the journal is closed.
        """
        about: tuple[object, ...] = (None,) * 7
        if wanted is not None:
            about = (
                wanted.wootric_id, wanted.external_id, wanted.email, wanted.phone_number,
                packed(fields or self._session.fingerprints.of(wanted)), *provenance,
            )  # fmt: skip
        reached = self._commits.note(
            "INSERT INTO in_flight "
            "(key, kind, run, wootric_id, external_id, email, phone, fields, said, ids) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (key_of(key), KIND_OF[action], self._run, *about),
        )
        self._commits.commit(reached)
        if self._commits.is_closed and not self._commits.is_durable(reached):
            raise StoppedError
        failure = self._commits.failure
        if failure:
            self.returned(key)  # it is not in doubt: it was not sent
            raise JournalFailedError(failure)

    def returned(self, key: str) -> None:
        """Put on record that it has not been taken; what was in doubt before stays so."""
        query = "DELETE FROM in_flight WHERE key = ? AND run = ?"
        self._commits.note(query, (key_of(key), self._run))

    def delivered(self, key: str, action: Action, former_key: str | None = None) -> None:
        """Put on record that an eligibility check or page view was taken; arguments as in `fate`."""
        former = key_of(former_key) if former_key else None
        self._commits.note_down(partial(self._taken, key_of(key), KIND_OF[action], former))

    def failed(self, key: str, action: Action, wanted: EndUserUpsert | None = None) -> None:
        """Put on record that a delivery failed, for now.

        Args:
            key: what tells the delivery from every other.
            action: what it is.
            wanted: of a write, whom it is about: the next that they take makes up for it, be it mended
                or folded with more.
        """
        self._failures = True
        name = next(self._session.fingerprints.each_id(wanted), None) if wanted else None
        query = "INSERT OR REPLACE INTO failed VALUES (?, ?)"
        self._commits.note(query, (name or key_of(key), KIND_OF[action]))

    def begin(self, key: str) -> None:
        """Put on record that an end user is about to be created of whom more is to be written.

        Args:
            key: what a run is to know that by which goes on where this one stops, as `fate` tells.
        """
        query = "INSERT OR REPLACE INTO delivered VALUES (?, ?, ?)"
        self._commits.note(query, (key_of(key), MARK, self._run))

    def end(self, key: str) -> None:
        """Put on record that all of that was done; argument as in `begin`."""
        self._commits.note("DELETE FROM delivered WHERE key = ?", (key_of(key),))

    def _taken(self, key: bytes, kind: int, former: bytes | None) -> None:
        """Write down that an eligibility check or page view was taken."""
        self.done(key, kind)
        if former is None or not (self._failures or self._doubts):
            return
        execute = self._commits.execute
        undone = execute("DELETE FROM in_flight WHERE key = ?", (former,)).rowcount
        undone += execute("DELETE FROM failed WHERE key = ?", (former,)).rowcount
        if undone:
            # It was tried by that key before: this makes up for it.
            execute("INSERT OR REPLACE INTO delivered VALUES (?, ?, ?)", (former, kind, self._run))

    def done(self, key: bytes, kind: int, *names: bytes | None) -> None:
        """Write down that a delivery was made, which makes up for those that failed by any name."""
        execute = self._commits.execute
        execute("DELETE FROM in_flight WHERE key = ?", (key,))
        if self._failures:
            some = ", ".join("?" * (1 + len(names)))
            execute(f"DELETE FROM failed WHERE key IN ({some})", (key, *names))  # noqa: S608
        execute("INSERT OR REPLACE INTO delivered VALUES (?, ?, ?)", (key, kind, self._run))


def key_of(key: str) -> bytes:
    """Return the digest of a key that stands in a journal."""
    return blake2b(key.encode(errors="surrogatepass"), digest_size=_KEY).digest()
