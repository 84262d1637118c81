"""The shapes of traits: most end users of an export have the same keys, with values of the same types."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

T = TypeVar("T")

ShapeKey: TypeAlias = tuple[object, ...]
"""Equal for two objects of one shape: of each object within, its keys and the types of its values."""

_MOST_LEVELS: Final = 4
_MOST_LEAVES: Final = 200
"""Traits with more levels or values than that have no shape: they are seldom alike."""

_CAPACITY: Final = 512 * 1024
"""Characters of all keys in a table: a hostile export must not fill the memory with shapes."""
_LARGEST: Final = _CAPACITY // 64
"""Characters of the keys of one shape, of which anything is kept."""
_OVERHEAD: Final = 128
"""Characters that each key counts for beside its own."""


def shape_of(traits: Mapping[str, Any]) -> tuple[ShapeKey, list[Any]] | None:
    """Return the key of the shape of traits, and all values in the order that `paths_of` tells.

    Returns None if the traits have too many values, or too many levels, to be told by their shape.
    """
    key: list[object] = []
    leaves: list[Any] = []
    return (tuple(key), leaves) if _collect(traits, 1, key, leaves) else None


def _collect(fields: Mapping[str, Any], level: int, key: list[object], leaves: list[Any]) -> bool:
    """Add an object's keys, types and values; return False if there are too many."""
    values = fields.values()
    types = tuple(map(type, values))
    key.append(tuple(fields))
    key.append(types)
    leaves.extend(values)
    if dict in types:
        if level == _MOST_LEVELS:
            return False
        for value in values:
            if type(value) is dict and not _collect(value, level + 1, key, leaves):
                return False
    return len(leaves) <= _MOST_LEAVES


def paths_of(traits: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the keys that lead to each value of traits, in the order of the values of `shape_of`."""
    paths: list[tuple[str, ...]] = []
    _collect_paths(traits, (), paths)
    return paths


def _collect_paths(
    fields: Mapping[str, Any], above: tuple[str, ...], paths: list[tuple[str, ...]]
) -> None:
    """Add the keys that lead to each value of an object; `above` lead to the object."""
    paths += ((*above, key) for key in fields)
    for key, value in fields.items():
        if type(value) is dict:
            _collect_paths(value, (*above, key), paths)


class ShapeTable(Generic[T]):
    """What is known by the shape, of the shapes that were met lately and more than once."""

    def __init__(self) -> None:
        self._known: dict[ShapeKey, T | None] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: ShapeKey) -> T | None:
        """Return what is kept of a shape; None if nothing is."""
        return self._known.get(key)

    def is_worth_keeping(self, key: ShapeKey, paths: Sequence[tuple[str, ...]]) -> bool:
        """Return whether a shape, of which nothing is kept, was met before; note that it is met now.

        Args:
            key: the shape.
            paths: the keys that lead to its values; a shape with very long ones is never worth it.
        """
        if key in self._known:
            return True
        size = sum(len(path[-1]) + _OVERHEAD for path in paths)
        if size <= _LARGEST:
            if self._size + size > _CAPACITY:
                self._known.clear()
                self._size = 0
            self._known[key] = None
            self._size += size
        return False

    def keep(self, key: ShapeKey, what: T) -> None:
        """Keep something by a shape that is worth it."""
        self._known[key] = what
