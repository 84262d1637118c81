"""The records that name no end user, by their numbers in the plan. There may be millions."""

from array import array
from dataclasses import dataclass, field
from functools import partial

from wootric_map.model import Skip


@dataclass(slots=True)
class UnidentifiedRecords:
    """Records that were skipped as `unidentified`, with their skips, in a few bytes a record."""

    _numbers: "array[int]" = field(default_factory=partial(array, "I"))
    """The numbers of the records in the plan."""
    _which: "array[int]" = field(default_factory=partial(array, "B"))
    """For each record, the number of its skip in `_skips`."""
    _skips: dict[Skip, int] = field(default_factory=dict)
    """The different skips with their numbers, from 1. There are few: types, reasons and messages are few."""

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, skip: Skip) -> None:
        """Add a record.

        Args:
            number: the record's number in the plan.
            skip: why the record is skipped.
        """
        self._numbers.append(number)
        self._which.append(self._skips.setdefault(skip, len(self._skips) + 1))

    def extend(self, other: "UnidentifiedRecords") -> None:
        """Add the records of another part of the same plan."""
        skips = list(other._skips)
        for number, which in zip(other._numbers, other._which, strict=True):
            self.add(number, skips[which - 1])

    def marks(self) -> bytearray:
        """Return a byte for each record of the plan up to the last one here.

        The byte is the record's place in `skips`; 0 stands for a record that is not here.
        """
        marks = bytearray(max(self._numbers, default=-1) + 1)
        for number, which in zip(self._numbers, self._which, strict=True):
            marks[number] = which
        return marks

    def skips(self) -> list[Skip | None]:
        """Return the skips by the places that `marks` holds; place 0 is None."""
        return [None, *self._skips]
