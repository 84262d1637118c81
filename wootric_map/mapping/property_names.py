"""The names of properties: a key has one name, whatever its values (wootric.md 6)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from wootric_map.values.json_values import read_value
from wootric_map.values.key_cache import KeyTable

_FORBIDDEN: Final = str.maketrans("$.\0[]", "_____")
"""Characters that a name may not hold, and what replaces them.

wootric.md 6 names `$`, `.` and NUL. Brackets are replaced, too, since a form field `properties[a[b]]` means a
hash inside a hash, which Wootric does not take.
"""

TYPED_ENDINGS: Final = ("_amount", "_date")
"""Endings of names under which Wootric takes values of one type only."""
LAST_LETTERS_OF_TYPED: Final = frozenset(each[-4:] for each in TYPED_ENDINGS)
"""The last four letters of `TYPED_ENDINGS`: a quick look at them rules most names out."""

JOINED_LIMIT: Final = 8 * 1024 * 1024
"""Characters of all flattened names of one record.

Each name repeats the names above it, so that a hostile line of a megabyte could grow to hundreds.
"""

_MOST_NAMES: Final = 100_000
"""Names whose kinds of values are remembered: a hostile export may have new names in each record."""
_MOST_CHARACTERS: Final = 8 * 1024 * 1024
"""Characters of these names together."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Which properties get an ending for the type of their values (wootric.md 6).

    A key has one name, whatever its values, so that its name depends on all records of a run.
    """

    amounts: bool = False
    """Whether numbers go under names that end in `_amount`."""
    arrays: bool = False
    """Whether lists go under names that end in `_array`."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """A mask of the kinds of values by name without an ending. Other names depend on the value alone."""

    @property
    def renames(self) -> bool:
        """Whether any property gets an ending."""
        return self.amounts or self.arrays


AS_WRITTEN: Final = Naming()
"""The naming in which no property gets an ending, except for dates."""


class Kinds:
    """Collects the kinds of values of all names in a run, or in a part of one.

    If there are too many names, all are forgotten, so that the result never depends on the order of records.
    """

    def __init__(self, most_names: int = _MOST_NAMES) -> None:
        """Start with no names.

        Args:
            most_names: of more names than that, all are forgotten.
        """
        self._most_names = most_names
        self._masks: dict[str, int] = {}
        self._characters = 0
        self._overflowed = False

    @property
    def masks(self) -> dict[str, int] | None:
        """The mask of kinds by name; None if there are too many names."""
        return None if self._overflowed else self._masks

    def see(self, fields: Mapping[str, object], omit: Callable[[str], bool]) -> None:
        """Add the kinds of the values of one record.

        Args:
            fields: the record's `traits` or `properties`.
            omit: tells whether a top-level key is left out (segment.md 6). The same function must always
                give the same answer for a key.
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
        """Add the `masks` of another part."""
        if masks is None:
            self._forget()
            return
        for name, kind in masks.items():
            if self._overflowed:
                return
            self._note(name, kind)

    def _see_object(self, name: str, fields: Mapping[str, object]) -> None:
        """Add the kinds of the values in an object, at any depth; no more of them than are mapped."""
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
                    return  # `map_properties` maps no more either
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
            if len(self._masks) >= self._most_names or self._characters > _MOST_CHARACTERS:
                self._forget()
                return
            before = 0
        if before | kind != before:
            self._masks[name] = before | kind

    def _forget(self) -> None:
        self._overflowed = True
        self._masks = {}


def name_of(key: str) -> str:
    """Return the name for a key: each character that no name may hold becomes an underscore."""
    return key.translate(_FORBIDDEN) or "_"


@lru_cache(maxsize=16)
def _names(omit: Callable[[str], bool]) -> KeyTable[tuple[tuple[str, str], ...]]:
    """Return a table of the keys that become properties, each with its name, by all keys of an object."""

    def compute(keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        return tuple((key, name_of(key)) for key in keys if not omit(key))

    return KeyTable(compute)
