"""The records that runs on a journal rejected, or that Wootric refused."""

import zlib
from collections.abc import Iterable
from struct import Struct
from typing import Final

from wootric_map.deliver.journal_session import Session
from wootric_map.plan.earlier_rejects import GONE_THROUGH, KnownRejects, fingerprint

_HELD: Final = Struct("=16sIB")
"""The fingerprint of a record, the checksum of its line, and its state."""


class RejectedRecords:
    """The records that were rejected or refused; a `RejectHistory`."""

    def __init__(self, session: Session) -> None:
        self._commits = session.commits
        self._secret = session.fingerprints.secret
        self._retried: set[bytes] = set()
        self._through: set[bytes] = set()
        self._held: bytearray | None = None
        """The records that are rejected while nothing is kept, packed."""

    def known_rejects(self) -> KnownRejects | None:
        """Return the records that were rejected or refused in earlier runs; None if there are none."""
        with self._commits.reading() as database:
            query = "SELECT record, crc, state FROM reject WHERE state <> ?"
            rows = database.execute(query, (GONE_THROUGH,)).fetchall()
        if not rows:
            return None
        return KnownRejects(
            self._secret,
            {record: state for record, _, state in rows},
            frozenset(crc for _, crc, _ in rows),
        )

    def reject(self, raw: bytes, state: int) -> None:
        """Keep that a record was rejected or refused.

        Args:
            raw: the record's line.
            state: `REJECTED` or `REFUSED`.
        """
        if raw:
            record = fingerprint(raw, self._secret)
            self._retried.discard(record)
            if self._held is None:
                self._keep(record, zlib.crc32(raw), state)
            else:
                self._held += _HELD.pack(record, zlib.crc32(raw), state)

    def hold(self) -> None:
        """Keep nothing of what is rejected from now on until `release` is called.

        A run that is not to send anything has not dealt with what it rejects: to the next run that is new.
        """
        self._held = bytearray()

    def release(self) -> None:
        """Keep what was rejected since `hold` was called, and all that follows."""
        held, self._held = self._held or b"", None
        for row in _HELD.iter_unpack(held):
            self._keep(*row)

    def _keep(self, record: bytes, checksum: int, state: int) -> None:
        query = "INSERT OR REPLACE INTO reject VALUES (?, ?, ?)"
        self._commits.enqueue(query, (record, checksum, state))

    def retry(self, fingerprints: Iterable[bytes]) -> None:
        """Take note of records that are tried once more."""
        self._retried.update(fingerprints)

    @property
    def retries(self) -> bool:
        """Whether any record is tried once more."""
        return bool(self._retried)

    def note_success(self, raw: bytes) -> None:
        """Take note that a record went through, if it was tried once more."""
        record = fingerprint(raw, self._secret)
        if record in self._retried:
            self._through.add(record)

    def note_failure(self, raw: bytes) -> None:
        """Take note that a record did not go through."""
        if self._retried:
            self._retried.discard(fingerprint(raw, self._secret))

    def end_retries(self) -> None:
        """Keep which of the records that were tried once more went through; for the end of a run."""
        for record in self._retried & self._through:
            query = "UPDATE reject SET state = ? WHERE record = ?"
            self._commits.enqueue(query, (GONE_THROUGH, record))
        self._retried.clear()

    def went_through(self, raw: bytes) -> bool:
        """Return whether a record that was rejected or refused has gone through since."""
        record = fingerprint(raw, self._secret)
        found = self._commits.first("SELECT state FROM reject WHERE record = ?", record)
        return found == (GONE_THROUGH,)
