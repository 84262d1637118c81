"""The values in a journal that a run under way has filled in of end users who were there already.

A run that is cut short leaves them for the run that goes on: later identifies may change these values, and no
others that Wootric holds (`--fill-missing`).
"""

from collections.abc import Collection

from wootric_map.deliver.fingerprints import RememberedFill, packed, unpacked
from wootric_map.deliver.journal_deliveries import key_of
from wootric_map.deliver.journal_session import Session
from wootric_map.model import EndUserUpsert


class Fills:
    """The values that runs on a journal have filled in of end users whose writes are not all made."""

    def __init__(self, session: Session) -> None:
        """Take the values as earlier runs left them."""
        self._session = session
        self._commits = session.commits
        self._are_any = self._commits.first("SELECT 1 FROM filled LIMIT 1") is not None
        """Whether earlier runs left any."""

    def recalled(self, keys: Collection[str]) -> RememberedFill | None:
        """Return the values that runs which were cut short have filled in; None if there are none.

        Args:
            keys: the keys of the deliveries that may have done so.
        """
        if not (self._session.recalls and self._are_any):
            return None
        some = ", ".join("?" * len(keys))
        query = f"SELECT fields FROM filled WHERE key IN ({some})"  # noqa: S608
        with self._commits.reading() as database:
            rows = database.execute(query, [key_of(each) for each in keys]).fetchall()
        values = frozenset(each for (fields,) in rows for each in unpacked(fields).values())
        return RememberedFill(values, self._session.fingerprints) if values else None

    def mark(self, key: str, fields: EndUserUpsert) -> None:
        """Put on record that fields are about to be filled in, and that later writes may be to come.

        Args:
            key: the key of the delivery.
            fields: the fields that are sent, all of which Wootric holds nothing of.
        """
        query = "INSERT OR REPLACE INTO filled VALUES (?, ?)"
        self._commits.enqueue(query, (key_of(key), packed(self._session.fingerprints.of(fields))))

    def unmark(self, keys: Collection[str]) -> None:
        """Delete what deliveries have filled in, since all writes of the end user were made."""
        for each in keys:
            self._commits.enqueue("DELETE FROM filled WHERE key = ?", (key_of(each),))
