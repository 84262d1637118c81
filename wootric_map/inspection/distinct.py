"""How many distinct values there are, and a few of them, in little memory and whatever their order."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

EXACT: Final = 1024
"""Up to so many values less one are counted exactly."""

_HASH_BYTES: Final = 8
_HASHES: Final = 2 ** (8 * _HASH_BYTES)


def hash_of(text: bytes) -> bytes:
    """Return the hash by which a value is told from others; it is the same in every process and run."""
    return blake2b(text, digest_size=_HASH_BYTES).digest()


def hashes_of(texts: Iterable[bytes]) -> list[bytes]:
    """Return the hash of each value; quicker than `hash_of` for many."""
    return [blake2b(text, digest_size=_HASH_BYTES).digest() for text in texts]


class DistinctValues:
    """Counts distinct values by the least of their hashes ("k minimum values").

    Fewer than `EXACT` values are counted exactly. Of more, the `EXACT` least hashes tell how densely all
    hashes lie; the standard error is 1 / sqrt(EXACT - 2), about 3 %. The result depends neither on the order
    of the values nor on how often each comes, nor on the parts that they come in.
    """

    __slots__ = ("_hashes", "_worst")

    def __init__(self, hashes: Iterable[bytes] = ()) -> None:
        """Count values by their hashes."""
        self._hashes: set[bytes] = set()
        self._worst: bytes | None = None
        """The greatest hash that is held, once there are `EXACT`."""
        self.add(hashes)

    def add(self, hashes: Iterable[bytes]) -> None:
        """Add values by their hashes; it does not matter which of them were added before."""
        worst = self._worst
        if worst is None:
            self._hashes.update(hashes)
        else:
            self._hashes.update([each for each in hashes if each < worst])
        if len(self._hashes) >= EXACT and (worst is None or len(self._hashes) > EXACT):
            least = sorted(self._hashes)[:EXACT]
            self._hashes, self._worst = set(least), least[-1]

    @property
    def least(self) -> Sequence[bytes]:
        """The least hashes, in order; `add` takes them for the values that they stand for."""
        return sorted(self._hashes)

    @property
    def is_exact(self) -> bool:
        """Whether `count` is no estimate."""
        return self._worst is None

    @property
    def count(self) -> int:
        """How many distinct values there are, or about how many."""
        if self._worst is None:
            return len(self._hashes)
        return round((EXACT - 1) * _HASHES / max(int.from_bytes(self._worst), 1))
