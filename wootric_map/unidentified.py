"""The records that name nobody, by their numbers in the plan: there may be millions."""

from array import array
from dataclasses import dataclass, field
from functools import partial

from wootric_map.model import Skip


@dataclass(slots=True)
class UnidentifiedRecords:
    """Records that were skipped as `unidentified`, each with its skip; a few bytes a record."""

    _numbers: "array[int]" = field(default_factory=partial(array, "I"))
    _which: "array[int]" = field(default_factory=partial(array, "B"))
    """Of each record the number of its skip."""
    _skips: dict[Skip, int] = field(default_factory=dict)
    """Their numbers, from 1: skips differ in the type, the reason and the message alone."""

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, skip: Skip) -> None:
        """Take a record.

        Args:
            number: its number in the plan.
            skip: why it is skipped.
        """
        self._numbers.append(number)
        self._which.append(self._skips.setdefault(skip, len(self._skips) + 1))

    def extend(self, other: "UnidentifiedRecords") -> None:
        """Take the records of another part of the same plan."""
        skips = list(other._skips)
        for number, which in zip(other._numbers, other._which, strict=True):
            self.add(number, skips[which - 1])

    def marks(self) -> bytearray:
        """Return a byte for each number up to the greatest: 0, or of such a record its place in `skips`."""
        marks = bytearray(max(self._numbers, default=-1) + 1)
        for number, which in zip(self._numbers, self._which, strict=True):
            marks[number] = which
        return marks

    def skips(self) -> list[Skip | None]:
        """Return the skips that `marks` stands for, from place 1 on."""
        return [None, *self._skips]
