"""The writes in a journal: the delivery of each, and what it left of the end user."""

from functools import partial

from wootric_map.deliver.fingerprints import Prints, Provenance
from wootric_map.deliver.journal_deliveries import NOWHERE, WRITE, Deliveries, Doubt, key_of
from wootric_map.deliver.journal_end_users import EndUsers, IdPrints
from wootric_map.deliver.journal_session import Session
from wootric_map.model import EndUser, EndUserUpsert


class Writes:
    """The writes of all runs on a journal."""

    def __init__(self, session: Session, deliveries: Deliveries, end_users: EndUsers) -> None:
        self._session = session
        self._commits = session.commits
        self._fingerprints = session.fingerprints
        self._deliveries = deliveries
        self._end_users = end_users

    def written(
        self,
        key: str,
        number: int,
        wanted: EndUserUpsert,
        fields: Prints | None = None,
        provenance: Provenance = NOWHERE,
        *,
        is_written: bool = True,
    ) -> None:
        """Put on record that Wootric holds an end user as wanted.

        Args:
            key: the key of the write.
            number: Wootric's own id of the end user.
            wanted: all wanted fields, whether they were sent or not.
            fields: the fingerprints of `wanted`, if they are known already.
            provenance: when the fields were stated, and about which ids.
            is_written: whether the end user counts as written by this run.
        """
        if fields is None:
            fields = self._fingerprints.of(wanted)
        run = self._session.run if is_written else None
        self._record(key_of(key), number, wanted, fields, provenance, run)

    def note_statements(self, key: str, wanted: EndUserUpsert, provenance: Provenance) -> None:
        """Put on record when the fields were stated that an earlier release wrote.

        Args:
            key: the key of the write.
            wanted: the ids of the end user.
            provenance: when the fields were stated.
        """
        known = self._end_users.find(wanted)
        if known:
            self._commits.enqueue_write(
                partial(self._write_statements, key_of(key), known.id, provenance.statements)
            )

    def resolve(self, doubt: Doubt, held: EndUser | None) -> bool:
        """Record whether a write without an answer has arrived, given the end user that Wootric holds.

        Returns:
            Whether it has; if not, the doubt is deleted, so that the write is still to be made.
        """
        if held is None or not self._arrived(doubt, held):
            self._commits.enqueue("DELETE FROM in_flight WHERE key = ?", (doubt.key,))
            return False
        self._record(doubt.key, held.id, doubt.wanted, doubt.fields, doubt.provenance, 0)
        return True

    def _write_statements(self, key: bytes, number: int, statements: bytes) -> None:
        self._end_users.add_statements(number, statements)
        query = "UPDATE delivered SET run = ? WHERE key = ?"
        self._commits.execute(query, (self._session.run, key))

    def _arrived(self, doubt: Doubt, held: EndUser) -> bool:
        """Return whether an end user has all fields of a write."""
        have = self._fingerprints.of(
            EndUserUpsert(
                held.email,
                held.external_id,
                held.phone_number,
                held.external_created_at,
                held.properties,
            )
        )
        return all(have.get(field) == value for field, value in doubt.fields.items())

    def _record(
        self,
        key: bytes,
        number: int,
        wanted: EndUserUpsert,
        fields: Prints,
        provenance: Provenance,
        run: int | None,
    ) -> None:
        identity = self._fingerprints.identity
        external_id = identity("external_id", wanted.segment_user_id)
        email = identity("email", wanted.email)
        phone = identity("phone_number", wanted.phone_number)
        ids = IdPrints(number, external_id, email, phone)
        name, met = identity("id", str(number)), self._session.clock()
        self._commits.enqueue_write(
            partial(self._arrive, key, name, ids, fields, provenance, met, run)
        )

    def _arrive(
        self,
        key: bytes,
        name: bytes | None,
        ids: IdPrints,
        fields: Prints,
        provenance: Provenance,
        met: float,
        run: int | None,
    ) -> None:
        """Write that a write has arrived, which makes up for failed writes of the end user."""
        identifiers = dict.fromkeys(provenance.each_id())
        self._deliveries.done(key, WRITE, name, *ids[1:], *identifiers)
        self._end_users.save(ids, fields, provenance, met, run)
