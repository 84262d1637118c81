"""Names → the numbers that they were given, in few bytes a name."""

from array import array
from collections.abc import Iterable, Iterator
from typing import Final

UNMET: Final = -1
"""In place of the number of a name that was not added."""

_SALT: Final = "\0"
"""Put before a name it makes another hash of it."""


class NumberTable:
    """Numbers names from 0 in the order in which they are added, and doesn't keep them.

    A name is known by two hashes, 128 bits, which no two names share; nor can anybody make names that do,
    since the hashes are others in every run.
    """

    def __init__(self) -> None:
        """An empty table."""
        # By a name's number.
        self._hashes = array("q")
        self._salted = array("q")
        # Open addressing: a name's number, and 1, is in the first slot from its hash on that was free, 0.
        self._slots = array("I", [0])

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._hashes)

    def extend(self, names: Iterable[str]) -> None:
        """Add names, of which none is there yet."""
        first = len(self)
        for name in names:
            self._hashes.append(hash(name))
            self._salted.append(hash(_SALT + name))
        if 2 * len(self) >= len(self._slots):
            # At most half of them are taken, at least a quarter.
            self._slots = array("I", [0]) * (1 << (2 * len(self)).bit_length())
            first = 0
        slots, mask = self._slots, len(self._slots) - 1
        for number in range(first, len(self)):
            slot = self._hashes[number] & mask
            while slots[slot]:
                slot = (slot + 1) & mask
            slots[slot] = number + 1

    def find(self, names: Iterable[str]) -> Iterator[int]:
        """The number of each name, or `UNMET`."""
        hashes, salted, slots = self._hashes, self._salted, self._slots
        mask = len(slots) - 1
        for name in names:
            wanted = hash(name)
            slot = wanted & mask
            while number := slots[slot]:
                if hashes[number - 1] == wanted and salted[number - 1] == hash(_SALT + name):
                    break
                slot = (slot + 1) & mask
            yield number - 1
