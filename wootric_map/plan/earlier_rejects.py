"""Records that earlier runs rejected, or Wootric refused, known by their own bytes.

They are left out until they are mended: what was wrong once is wrong the next night too.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Protocol

from wootric_map.model import Skip

REJECTED: Final = 0
"""The record is wrong (segment.md 2)."""
REFUSED: Final = 1
"""Wootric has refused what it says."""
GONE_THROUGH: Final = 2
"""It was tried once more, and went through."""

_DIGEST: Final = 16


class RejectHistory(Protocol):
    """Remembers over runs which records were rejected or refused."""

    def known_rejects(self) -> "KnownRejects | None":
        """Return the records that earlier runs rejected or saw refused; None where there are none."""

    def reject(self, raw: bytes, state: int) -> None:
        """Put on record that a record was rejected or refused."""

    def retry(self, fingerprints: Iterable[bytes]) -> None:
        """Take note of records that are tried once more."""


@dataclass(frozen=True, slots=True)
class KnownRejects:
    """The records that are still to be mended."""

    secret: bytes
    """What their fingerprints are made with."""
    states: Mapping[bytes, int]
    """`REJECTED` or `REFUSED`, by the fingerprint of the record."""
    checks: frozenset[int]
    """A short check of each, by which nearly all other records are told apart at once."""

    def state_of(self, raw: bytes) -> int | None:
        """Return the state of a record that is known; None of any other.

        Args:
            raw: its line.
        """
        if not raw or zlib.crc32(raw) not in self.checks:
            return None
        return self.states.get(fingerprint(raw, self.secret))


def fingerprint(raw: bytes, secret: bytes) -> bytes:
    """Return what stands for a record, of whose bytes it tells nothing."""
    return blake2b(raw, digest_size=_DIGEST, key=secret).digest()


def known_reject(kind: str, state: int) -> Skip:
    """Return the skip of a record that is known.

    Args:
        kind: its type.
        state: `REJECTED` or `REFUSED`.
    """
    done = "rejected it" if state == REJECTED else "saw Wootric refuse it"
    message = f"an earlier run {done}, and it is unchanged; --retry-rejects tries it again"
    return Skip("known_reject", kind, None, message)
