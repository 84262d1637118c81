"""Records that earlier runs rejected, or that Wootric refused, recognised by their bytes.

These records are left out until somebody mends them: an unchanged record would fail again.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Protocol

from wootric_map.model import Skip

REJECTED: Final = 0
"""The state of a record that is wrong (segment.md 2)."""
REFUSED: Final = 1
"""The state of a record that Wootric has refused."""
GONE_THROUGH: Final = 2
"""The state of a record that was tried once more, and was accepted."""

_DIGEST: Final = 16


class RejectHistory(Protocol):
    """Remembers over all runs which records were rejected or refused."""

    def known_rejects(self) -> "KnownRejects | None":
        """Return the records that earlier runs rejected or saw refused; None if there are none."""

    def reject(self, raw: bytes, state: int) -> None:
        """Remember that a record, by its line, was rejected or refused; `state` tells which."""

    def retry(self, fingerprints: Iterable[bytes]) -> None:
        """Remember that records, by their fingerprints, are tried once more."""


@dataclass(frozen=True, slots=True)
class KnownRejects:
    """The rejected and refused records that nobody has mended yet."""

    secret: bytes
    """The key with which the fingerprints of records are made."""
    states: Mapping[bytes, int]
    """The state of each record, `REJECTED` or `REFUSED`, by the fingerprint of the record."""
    checks: frozenset[int]
    """A checksum of each record, which quickly rules out nearly all other records."""

    def state_of(self, raw: bytes) -> int | None:
        """Return the state of a record by its line; None if it was neither rejected nor refused."""
        if not raw or zlib.crc32(raw) not in self.checks:
            return None
        return self.states.get(fingerprint(raw, self.secret))


def fingerprint(raw: bytes, secret: bytes) -> bytes:
    """Return the fingerprint of a record by its line; without `secret` it tells nothing about the line."""
    return blake2b(raw, digest_size=_DIGEST, key=secret).digest()


def known_reject(kind: str, state: int) -> Skip:
    """Return the skip of a record of a type by its state, `REJECTED` or `REFUSED`."""
    done = "rejected it" if state == REJECTED else "saw Wootric refuse it"
    message = f"an earlier run {done}, and it is unchanged; --retry-rejects tries it again"
    return Skip("known_reject", kind, None, message)
