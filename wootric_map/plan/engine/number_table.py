"""Names → the numbers that they were given, in few bytes a name."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Final

UNMET: Final = -1
"""In place of the number of a name that was not added."""

_SALT: Final = "\0"
"""Put before a name it makes another hash of it."""


class NumberTable:
    """Numbers names from 0 in the order in which they are added, and doesn't keep them.

    A name is known by two hashes, 128 bits, which no two names share; nor can anybody make names that do,
    since the hashes are others in every run (unless PYTHONHASHSEED is set).
    """

    def __init__(self, hash_of: Callable[[str], int] = hash) -> None:
        """An empty table.

        Args:
            hash_of: returns the hash of a name, of 64 bits.
        """
        self._hash_of = hash_of
        # Two of each name, side by side.
        self._hashes = array("q")
        # Open addressing: from a name's first hash on, the first slot that was free tells where its hashes
        # end. 0 is a free one.
        self._slots = array("I", [0])

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._hashes) // 2

    def extend(self, names: Iterable[str]) -> None:
        """Add names, of which none is there yet."""
        hashes, begin, hash_of = self._hashes, len(self._hashes), self._hash_of
        for name in names:
            hashes.append(hash_of(name))
            hashes.append(hash_of(_SALT + name))
        if len(hashes) >= len(self._slots):
            # At most half of the slots are taken, at least a quarter.
            self._slots = array("I", [0]) * (1 << len(hashes).bit_length())
            begin = 0
        slots, mask = self._slots, len(self._slots) - 1
        for place in range(begin, len(hashes), 2):
            slot = hashes[place] & mask
            while slots[slot]:
                slot = (slot + 1) & mask
            slots[slot] = place + 2

    def find(self, names: Iterable[str]) -> Iterator[int]:
        """The number of each name, or `UNMET`."""
        hashes, slots, mask = self._hashes, self._slots, len(self._slots) - 1
        hash_of = self._hash_of
        for name in names:
            wanted = hash_of(name)
            slot = wanted & mask
            while end := slots[slot]:
                if hashes[end - 2] == wanted and hashes[end - 1] == hash_of(_SALT + name):
                    break
                slot = (slot + 1) & mask
            yield end // 2 - 1
