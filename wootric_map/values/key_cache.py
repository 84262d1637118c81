"""Results that follow from an object's keys alone, computed once for all objects with the same keys."""

from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_CAPACITY: Final = 512 * 1024
"""Characters of all the keys in a table: a hostile export must not fill the memory with names."""

_LARGEST_ENTRY: Final = _CAPACITY // 64
"""Characters of one set of keys. The result for a larger set is not kept, so that it displaces no other."""

_OVERHEAD: Final = 64
"""Characters that each key, and each set of keys, counts for beside its own."""


class KeyTable(dict[tuple[str, ...], T]):
    """A cache of results by the keys that they follow from: `table[tuple(fields)]`.

    An export usually has few sets of keys, each in a million objects. The table is emptied when it is full,
    so that an export with ever new keys costs a computation each time, but no memory.
    """

    def __init__(self, compute: Callable[[tuple[str, ...]], T]) -> None:
        """Create an empty table.

        Args:
            compute: returns the result for a set of keys; must always return the same for the same keys.
        """
        super().__init__()
        self._compute = compute
        self._size = 0

    def __missing__(self, keys: tuple[str, ...]) -> T:
        """Compute the result for `keys`, and keep it unless `keys` is unusually large."""
        result = self._compute(keys)
        size = sum(map(len, keys)) + _OVERHEAD * (len(keys) + 1)
        if size <= _LARGEST_ENTRY:
            if self._size + size > _CAPACITY:
                self.clear()
                self._size = 0
            self[keys] = result
            self._size += size
        return result
