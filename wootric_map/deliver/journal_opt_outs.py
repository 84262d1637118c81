"""The end users in a journal for whom runs have turned surveys off (wootric.md 8): once is enough."""

from collections.abc import Iterable
from functools import partial

from wootric_map.deliver.fingerprints import PastOptOut
from wootric_map.deliver.journal_deliveries import KIND_OF, Deliveries, key_of
from wootric_map.deliver.journal_end_users import EndUsers
from wootric_map.deliver.journal_session import Session
from wootric_map.model import EndUserUpsert


class OptOuts:
    """The end users for whom runs on a journal have turned surveys off.

    It is on record by Wootric's own id of the end user, whatever other ids they have later, and by the key of
    the identify that said so, which spares look-ups.
    """

    def __init__(self, session: Session, deliveries: Deliveries, end_users: EndUsers) -> None:
        self._session = session
        self._commits = session.commits
        self._deliveries = deliveries
        self._end_users = end_users
        query = "SELECT 1 FROM delivered WHERE kind = ? LIMIT 1"
        self._are_any = self._commits.first(query, KIND_OF["surveys_off"]) is not None
        """Whether earlier runs have turned surveys off for anybody."""

    def recalled(self, key: str, identifiers: Iterable[EndUserUpsert]) -> PastOptOut | None:
        """Return what earlier runs did about an end user; None if they turned nothing off, or do not count.

        Args:
            key: the key of the identify that says what the end user wants.
            identifiers: the ids of the end user.
        """
        if not (self._session.recalls and self._are_any):
            return None
        if self._has(key):
            return PastOptOut(None, is_told=True)
        for wanted in identifiers:
            known = self._end_users.find(wanted)
            if known:
                if not self._has(off_key(known.id)):
                    return None
                return PastOptOut(known.id, is_told=self._has(_told_key(known.id)))
        return None

    def is_off(self, number: int) -> bool:
        """Return whether this run has turned surveys off for an end user, or an earlier one that counts."""
        found = self._commits.first(
            "SELECT run FROM delivered WHERE key = ?", key_of(off_key(number))
        )
        return found is not None and (self._session.recalls or found[0] == self._session.run)

    def turned_off(self, key: str, number: int) -> None:
        """Put on record that surveys are off for an end user.

        Args:
            key: the key of the identify that says so.
            number: Wootric's own id of the end user.
        """
        self._deliveries.mark(key)
        names = key_of(off_key(number)), KIND_OF["surveys_off"], key_of(key)
        self._commits.enqueue_write(partial(self._deliveries.done, *names))

    def told(self, key: str, number: int) -> None:
        """Put on record that it was told that an end user's trait says otherwise by now."""
        self._deliveries.mark(key)
        self._deliveries.mark(_told_key(number))

    def _has(self, key: str) -> bool:
        return self._commits.first("SELECT 1 FROM delivered WHERE key = ?", key_of(key)) is not None


def off_key(number: int) -> str:
    """Return the key of the call that turns surveys off, by Wootric's own id of the end user."""
    return f"surveys off for {number}"


def _told_key(number: int) -> str:
    return f"surveys kept off for {number}"
