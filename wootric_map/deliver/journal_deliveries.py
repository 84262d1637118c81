"""The deliveries in a journal: made, under way, in doubt, or failed."""

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
from wootric_map.deliver.journal_contents import KINDS, MARK
from wootric_map.deliver.journal_session import Session
from wootric_map.errors import JournalFailedError, StoppedError
from wootric_map.model import Action, EndUserUpsert

NOWHERE: Final = Provenance()
"""The provenance of a write about which nothing is known."""

_NUMBERS: Final = {name: number for number, name in KINDS.items()}
WRITE: Final = _NUMBERS["write"]

KIND_OF: Final[Mapping[Action, int]] = {
    "create": WRITE,
    "update": WRITE,
    "unchanged": WRITE,
    "left": WRITE,
    "eligibility_check": _NUMBERS["eligibility_check"],
    "page_view": _NUMBERS["page_view"],
    "response": _NUMBERS["response"],
    "decline": _NUMBERS["decline"],
    "surveys_off": _NUMBERS["surveys_off"],
    "kept_off": MARK,
}

_KEY: Final = 16

_A_DAY: Final = 86_400.0
"""Seconds. No clock is taken to be wrong by more (segment.md 5, `future_timestamp`)."""


class Doubt(NamedTuple):
    """A write that an earlier run sent without getting an answer."""

    key: bytes
    wanted: EndUserUpsert
    """The ids of the end user."""
    fields: Prints
    """The fingerprints of the fields that Wootric holds if the write has arrived."""
    provenance: Provenance
    """When the fields were stated, and about which ids."""


class Deliveries:
    """The deliveries of all runs on a journal."""

    def __init__(self, session: Session) -> None:
        """Take the deliveries as earlier runs left them."""
        self._session = session
        self._commits = session.commits
        self._run = session.run
        with session.commits.reading() as database:
            self._doubts, self._failures, has_delivered = database.execute(
                "SELECT (SELECT count(*) FROM in_flight), EXISTS (SELECT 1 FROM failed), "
                "EXISTS (SELECT 1 FROM delivered)"
            ).fetchone()
        self.has_doubts: Final = bool(self._doubts)
        """Whether any delivery of earlier runs has no answer."""
        self.are_any: Final = bool(self._doubts or has_delivered)
        """Whether earlier runs made any delivery, or may have."""

    def past_delivery(
        self, key: str, former_key: str | None = None, time: int | None = None
    ) -> PastDelivery | None:
        """Return what an earlier run has done about a delivery; None if it is still to be made.

        Args:
            key: the key of the delivery.
            former_key: the key that earlier releases gave it, or that it has in a rejects file.
            time: when the event happened, in milliseconds since the epoch; None if that is not known. Several
                events may share a former key: a run has not sent those that happened after it.
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
        """Return whether a run may have sent an event of some time, if its clock was right to a day."""
        if time is None or run > self._session.last_run_without_statements:
            return True
        query = (
            "SELECT coalesce(ended, (SELECT min(began) FROM run AS later WHERE later.number > run.number)) "
            "FROM run WHERE number = ?"
        )
        found = database.execute(query, (run,)).fetchone()
        return not (found and found[0]) or time / 1000 <= found[0] + _A_DAY

    def is_without_statements(self, past: PastDelivery | None) -> bool:
        """Return whether a delivery was made by a release that did not record when traits were stated."""
        return isinstance(past, Delivered) and past.run <= self._session.last_run_without_statements

    def doubtful_writes(self) -> list[Doubt]:
        """Return the writes that earlier runs sent without getting an answer."""
        query = (
            "SELECT key, wootric_id, external_id, email, phone, fields, said, ids, external_id_from, user_id "
            "FROM in_flight "
            "WHERE kind = ? AND run < ?"
        )
        with self._commits.reading() as database:
            found = database.execute(query, (WRITE, self._run)).fetchall()
        return [
            Doubt(
                key,
                EndUserUpsert(
                    wootric_id=wootric_id,
                    external_id=external_id,
                    email=email,
                    phone_number=phone,
                    external_id_from=external_id_from,
                    user_id=user_id,
                ),
                unpacked(fields),
                Provenance(statements or b"", ids or b""),
            )
            for (
                key,
                wootric_id,
                external_id,
                email,
                phone,
                fields,
                statements,
                ids,
                external_id_from,
                user_id,
            ) in found
        ]

    def in_doubt(self) -> int:
        """Commit, and count the deliveries that were sent and have no known answer, under way or not."""
        self._commits.commit(self._commits.enqueued)
        found = self._commits.first("SELECT count(*) FROM in_flight")
        return int(found[0]) if found else 0

    def about_to_send(
        self,
        key: str,
        action: Action,
        wanted: EndUserUpsert | None = None,
        fields: Prints | None = None,
        provenance: Provenance = NOWHERE,
    ) -> None:
        """Put on record that a delivery is about to be sent; return once the record is on the disk.

        Args:
            key: the key of the delivery.
            action: the action.
            wanted: for a write, the end user after it.
            fields: the fingerprints of `wanted`, if they are known already.
            provenance: when the fields were stated, and about which ids.

        Raises:
            JournalFailedError: the record can't be made, so the delivery must not be sent.
            StoppedError: the journal is closed.
        """
        about: tuple[object, ...] = (None,) * 9
        if wanted is not None:
            about = (
                wanted.wootric_id, wanted.external_id, wanted.email, wanted.phone_number,
                packed(fields or self._session.fingerprints.of(wanted)), *provenance,
                wanted.external_id_from, wanted.user_id,
            )  # fmt: skip
        reached = self._commits.enqueue(
            "INSERT INTO in_flight "
            "(key, kind, run, wootric_id, external_id, email, phone, fields, said, ids, external_id_from, "
            "user_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (key_of(key), KIND_OF[action], self._run, *about),
        )
        self._commits.commit(reached)
        if self._commits.is_closed and not self._commits.is_durable(reached):
            raise StoppedError
        failure = self._commits.failure
        if failure:
            self.not_carried_out(key)  # it is not in doubt, since it was not sent
            raise JournalFailedError(failure)

    def not_carried_out(self, key: str) -> None:
        """Put on record that a delivery was not carried out; one in doubt from an earlier run stays so."""
        query = "DELETE FROM in_flight WHERE key = ? AND run = ?"
        self._commits.enqueue(query, (key_of(key), self._run))

    def settled(self, key: str, former_key: str | None = None) -> None:
        """Put on record that a delivery in doubt from an earlier run was not carried out."""
        if self._doubts:
            names = [key_of(each) for each in (key, former_key) if each is not None]
            some = ", ".join("?" * len(names))
            query = f"DELETE FROM in_flight WHERE key IN ({some}) AND run < ?"  # noqa: S608
            self._commits.enqueue(query, (*names, self._run))

    def delivered(self, key: str, action: Action, former_key: str | None = None) -> None:
        """Put on record that an event was delivered; arguments as in `past_delivery`."""
        former = key_of(former_key) if former_key else None
        self._commits.enqueue_write(partial(self._taken, key_of(key), KIND_OF[action], former))

    def failed(self, key: str, action: Action, wanted: EndUserUpsert | None = None) -> None:
        """Put on record that a delivery failed, until it is made.

        Args:
            key: the key of the delivery.
            action: the action.
            wanted: for a write, the end user: the next write of the end user makes up for this one.
        """
        self._failures = True
        name = next(self._session.fingerprints.each_id(wanted), None) if wanted else None
        query = "INSERT OR REPLACE INTO failed VALUES (?, ?)"
        self._commits.enqueue(query, (name or key_of(key), KIND_OF[action]))

    def mark_creation(self, key: str) -> None:
        """Put on record that an end user is about to be created, and that later writes are to come.

        Args:
            key: the key by which the run that goes on after this one finds the mark.
        """
        self.mark(key)

    def mark(self, key: str) -> None:
        """Put a key on record that counts as no delivery."""
        query = "INSERT OR REPLACE INTO delivered VALUES (?, ?, ?)"
        self._commits.enqueue(query, (key_of(key), MARK, self._run))

    def unmark_creation(self, key: str) -> None:
        """Delete the mark: all writes of the end user were made, or the end user was not created."""
        self._commits.enqueue("DELETE FROM delivered WHERE key = ?", (key_of(key),))

    def _taken(self, key: bytes, kind: int, former: bytes | None) -> None:
        """Write that an event was delivered."""
        self.done(key, kind)
        if former is None or not (self._failures or self._doubts):
            return
        execute = self._commits.execute
        undone = execute("DELETE FROM in_flight WHERE key = ?", (former,)).rowcount
        undone += execute("DELETE FROM failed WHERE key = ?", (former,)).rowcount
        if undone:
            # The event was tried under the former key: this delivery makes up for that.
            execute("INSERT OR REPLACE INTO delivered VALUES (?, ?, ?)", (former, kind, self._run))

    def done(self, key: bytes, kind: int, *names: bytes | None) -> None:
        """Write that a delivery was made, which makes up for failures under its key and `names`."""
        execute = self._commits.execute
        execute("DELETE FROM in_flight WHERE key = ?", (key,))
        if self._failures:
            some = ", ".join("?" * (1 + len(names)))
            execute(f"DELETE FROM failed WHERE key IN ({some})", (key, *names))  # noqa: S608
        execute("INSERT OR REPLACE INTO delivered VALUES (?, ?, ?)", (key, kind, self._run))


def key_of(key: str) -> bytes:
    """Return the digest of a key, which the journal holds in its place."""
    return blake2b(key.encode(errors="surrogatepass"), digest_size=_KEY).digest()
