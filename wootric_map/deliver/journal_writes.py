"""What a journal knows of writes: the delivery, and what it left of the end user."""

from functools import partial

from wootric_map.deliver.fingerprints import Prints, Provenance
from wootric_map.deliver.journal_deliveries import NOWHERE, WRITE, Deliveries, Doubt, key_of
from wootric_map.deliver.journal_end_users import EndUsers
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
            key: what tells the write from every other.
            number: Wootric's own id of the end user.
            wanted: all that was asked for, whether it had to be sent or not.
            fields: the fingerprints of that, where they are known already.
            provenance: when that was said, and of whom; of what later identifies left out, too.
            is_written: whether this run counts as the one that wrote them.
        """
        if fields is None:
            fields = self._fingerprints.of(wanted)
        run = self._session.run if is_written else None
        self._record(key_of(key), number, wanted, fields, provenance, run)

    def learn(self, key: str, wanted: EndUserUpsert, provenance: Provenance) -> None:
        """Put on record when that was said what an earlier release has written of an end user.

        Args:
            key: what tells the write from every other.
            wanted: what they are looked up by.
            provenance: when their traits were said.
        """
        known = self._end_users.find(wanted)
        if known:
            self._commits.note_down(partial(self._learn, key_of(key), known.id, provenance.said))

    def resolve(self, doubt: Doubt, held: EndUser | None) -> bool:
        """Find out what became of a write of an earlier run, given what Wootric holds.

        Returns:
            Whether it had arrived; else it is forgotten, and so still to be made.
        """
        if held is None or not self._arrived(doubt, held):
            self._commits.note("DELETE FROM in_flight WHERE key = ?", (doubt.key,))
            return False
        self._record(doubt.key, held.id, doubt.wanted, doubt.fields, doubt.provenance, 0)
        return True

    def _learn(self, key: bytes, number: int, said: bytes) -> None:
        self._end_users.add_sayings(number, said)
        query = "UPDATE delivered SET run = ? WHERE key = ?"
        self._commits.execute(query, (self._session.run, key))

    def _arrived(self, doubt: Doubt, held: EndUser) -> bool:
        """Whether an end user holds all that a write would have left."""
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
        external_id = identity("external_id", wanted.external_id)
        email = identity("email", wanted.email)
        phone = identity("phone_number", wanted.phone_number)
        ids = (number, external_id, email, phone)
        name, met = identity("id", str(number)), self._session.clock()
        self._commits.note_down(partial(self._arrive, key, name, ids, fields, provenance, met, run))

    def _arrive(
        self,
        key: bytes,
        name: bytes | None,
        ids: tuple[int, bytes | None, bytes | None, bytes | None],
        fields: Prints,
        provenance: Provenance,
        met: float,
        run: int | None,
    ) -> None:
        """Write down that a write has arrived, which makes up for those of the end user that failed."""
        known_as = dict.fromkeys(provenance.each_id())
        self._deliveries.done(key, WRITE, name, *ids[1:], *known_as)
        self._end_users.hold(ids, fields, provenance, met, run)
