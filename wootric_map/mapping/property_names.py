"""Under which names properties go: one for a key, whatever its values (wootric.md 6)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from wootric_map.values.json_values import read_value
from wootric_map.values.key_cache import KeyTable

_FORBIDDEN: Final = str.maketrans("$.\0[]", "_____")
"""wootric.md 6 names `$`, `.` and NUL. Brackets join them because a form field `properties[a[b]]` is
read as a hash inside a hash, which Wootric does not take either."""

JOINED_LIMIT: Final = 8 * 1024 * 1024
"""Characters that the flattened names of one record may come to. Names repeat their parents', so a
line of one megabyte could otherwise grow into hundreds; no honest record comes near."""

_MOST_NAMES: Final = 100_000
_MOST_CHARACTERS: Final = 8 * 1024 * 1024
"""Names of which the kinds of values are remembered; a hostile export may have a new one in each record."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Which properties are given the ending of their type (wootric.md 6).

    A key has one name, whatever its values, so that it takes a look at all records of a run to name one.
    """

    amounts: bool = False
    """Whether numbers go under names that end in `_amount`."""
    arrays: bool = False
    """Whether lists go under names that end in `_array`."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """The kinds of values that each name was seen with, before any ending is given to it. A value under a
    name that is not there is named by itself."""

    @property
    def renames(self) -> bool:
        """Whether any property is given an ending."""
        return self.amounts or self.arrays


AS_WRITTEN: Final = Naming()
"""No property is given an ending, but for dates."""


class Kinds:
    """The kinds of values that the names of a run, or of a part of one, were seen with.

    Of too many names all are forgotten, so that what is known never depends on the order of records.
    """

    def __init__(self) -> None:
        """Start with no names."""
        self._masks: dict[str, int] = {}
        self._characters = 0
        self._overflowed = False

    @property
    def masks(self) -> dict[str, int] | None:
        """The mask of each name; None where there are too many names."""
        return None if self._overflowed else self._masks

    def see(self, fields: Mapping[str, object], omit: Callable[[str], bool]) -> None:
        """Take in the values of one record.

        Args:
            fields: the record's `traits` or `properties`.
            omit: as in `map_properties`.
        """
        for key, name in _names(omit)[tuple(fields)]:
            if self._overflowed:
                return
            value = fields[key]
            if isinstance(value, dict):
                self._see_object(name, value)
            elif value is not None:
                self._see(name, value)

    def add(self, masks: Mapping[str, int] | None) -> None:
        """Take in what another part has seen: its `masks`."""
        if masks is None:
            self._forget()
            return
        for name, kind in masks.items():
            if self._overflowed:
                return
            self._note(name, kind)

    def _see_object(self, name: str, fields: Mapping[str, object]) -> None:
        stack = [(name, iter(fields.items()))]
        characters = 0
        while stack:
            prefix, items = stack[-1]
            for key, value in items:
                if value is None:
                    continue
                inner = f"{prefix}_{name_of(key)}"
                characters += len(inner)
                if self._overflowed or characters > JOINED_LIMIT:
                    return  # `map_properties` takes no more either
                if isinstance(value, dict):
                    stack.append((inner, iter(value.items())))
                    break
                self._see(inner, value)
            else:
                stack.pop()

    def _see(self, name: str, value: object) -> None:
        read = read_value(value)
        if read:
            self._note(name, read[0])

    def _note(self, name: str, kind: int) -> None:
        before = self._masks.get(name)
        if before is None:
            self._characters += len(name)
            if len(self._masks) >= _MOST_NAMES or self._characters > _MOST_CHARACTERS:
                self._forget()
                return
            before = 0
        if before | kind != before:
            self._masks[name] = before | kind

    def _forget(self) -> None:
        self._overflowed = True
        self._masks = {}


def name_of(key: str) -> str:
    """The name that a key becomes: what Wootric takes in no name is an underscore."""
    return key.translate(_FORBIDDEN) or "_"


@lru_cache(maxsize=16)
def _names(omit: Callable[[str], bool]) -> KeyTable[tuple[tuple[str, str], ...]]:
    """Top-level keys with their names, by the keys that stand together."""

    def work_out(keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        return tuple((key, name_of(key)) for key in keys if not omit(key))

    return KeyTable(work_out)
