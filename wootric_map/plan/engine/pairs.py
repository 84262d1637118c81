"""Pairs of numbers, in a few bytes each where most numbers stand in one pair alone."""

from array import array
from collections import Counter
from collections.abc import Iterator
from itertools import repeat
from typing import Final

_NONE: Final = 2**32 - 1
_SHIFT: Final = 32


class Pairs:
    """A set of pairs of numbers below 2**32 - 1."""

    def __init__(self) -> None:
        """Start with none."""
        # By the first number of a pair: the second of its first pair. Its other pairs are packed in one.
        self._first = array("I")
        self._more: set[int] = set()

    def add(self, one: int, other: int) -> None:
        """Add a pair; it does not matter whether it is there."""
        first = self._first
        if one >= len(first):
            first.extend(repeat(_NONE, one + 1 - len(first)))
        known = first[one]
        if known == _NONE:
            first[one] = other
        elif known != other:
            self._more.add(one << _SHIFT | other)

    def __bool__(self) -> bool:
        return bool(self._first)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for one, other in enumerate(self._first):
            if other != _NONE:
                yield one, other
        for packed in self._more:
            yield packed >> _SHIFT, packed & _NONE

    def several(self) -> dict[int, int]:
        """Return the first numbers that stand in more than one pair, each with its number of pairs."""
        counts = Counter(packed >> _SHIFT for packed in self._more)
        return {one: count + 1 for one, count in counts.items()}

    def of(self, ones: dict[int, int]) -> Iterator[tuple[int, int]]:
        """Yield the pairs whose first number is one of these, each of which stands in more than one."""
        for one in ones:
            yield one, self._first[one]
        for packed in self._more:
            if packed >> _SHIFT in ones:
                yield packed >> _SHIFT, packed & _NONE
