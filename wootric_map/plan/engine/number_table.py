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
    since the hashes are others in every run (unless PYTHONHASHSEED is set).
    """

    def __init__(self) -> None:
        """An empty table."""
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
        hashes, begin = self._hashes, len(self._hashes)
        for name in names:
            hashes.append(hash(name))
            hashes.append(hash(_SALT + name))
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
        for name in names:
            wanted = hash(name)
            slot = wanted & mask
            while end := slots[slot]:
                if hashes[end - 2] == wanted and hashes[end - 1] == hash(_SALT + name):
                    break
                slot = (slot + 1) & mask
            yield end // 2 - 1
