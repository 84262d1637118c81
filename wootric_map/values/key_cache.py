"""What follows from an object's keys alone, worked out once for all objects that have the same keys."""

from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_ROOM: Final = 512 * 1024
"""Characters of all the keys that a table holds; a hostile export must not fill the memory with names."""

_LARGEST: Final = _ROOM // 64
"""Of one set of keys: a larger one is worked out each time, and drives no other out."""

_EACH: Final = 64
"""What a key, and a set of them, counts for beside its characters."""


class KeyTable(dict[tuple[str, ...], T]):
    """Results by the keys that they follow from; ask it as `table[tuple(fields)]`.

    An export has few sets of keys, each a million times. One that always comes with new ones costs the
    working out each time: the table begins anew when it is full.
    """

    def __init__(self, work_out: Callable[[tuple[str, ...]], T]) -> None:
        """An empty table.

        Args:
            work_out: gives the result for keys that were not met yet; always the same for the same.
        """
        super().__init__()
        self._work_out = work_out
        self._taken = 0

    def __missing__(self, keys: tuple[str, ...]) -> T:
        """Work the result out, and keep it if it is of a usual size."""
        result = self._work_out(keys)
        size = sum(map(len, keys)) + _EACH * (len(keys) + 1)
        if size <= _LARGEST:
            if self._taken + size > _ROOM:
                self.clear()
                self._taken = 0
            self[keys] = result
            self._taken += size
        return result
