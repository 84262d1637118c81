"""Quick answers about properties of the commonest form, which `properties.map_properties` need not map.

Each function gives up in case of doubt, and then `map_properties` decides.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final

from wootric_map.mapping.property_names import LAST_LETTERS_OF_TYPED, TYPED_ENDINGS, name_of
from wootric_map.values.json_values import (
    DATE,
    INTEGER,
    PropertyValue,
    decimal_text,
    fits,
    read_value,
)
from wootric_map.values.key_cache import KeyTable
from wootric_map.values.trait_names import spelling

_NO_WARNING_TYPES: Final = frozenset({str, bool, type(None)})
"""Types of values that become properties without a warning; so do most floats that are not integers."""
_SHORT_TYPES: Final = frozenset({str, int, bool, type(None)})
"""Types of values that become no longer than they are written; so do most floats."""
_TINY: Final = 1e-9
_HUGE: Final = 1e16
"""The decimal text of a number below `_TINY` or from `_HUGE` on may be longer than the line has it."""

_MOST_KEYS: Final = 100
_MOST_CHARACTERS: Final = 4096
"""More or longer keys in one object may exceed `property_names.JOINED_LIMIT`."""


def cannot_warn(fields: Mapping[str, object], rounds: bool = False) -> bool:
    """Tell whether `map_properties` certainly gives no warning about an object; False in case of doubt.

    If True, the object is flat, and no value becomes much longer than it is written.

    Args:
        fields: a record's `traits` or `properties`.
        rounds: whether a number may be given the ending `_amount`.
    """
    if not _WELL_NAMED[tuple(fields)]:
        return False
    for value in fields.values():
        if type(value) not in _NO_WARNING_TYPES and (
            type(value) is not float or rounds or value.is_integer() or -_TINY < value < _TINY
        ):
            return False
    return True


def stay_short(fields: Mapping[str, object]) -> bool:
    """Tell whether the properties are certainly no longer than their JSON; False in case of doubt.

    Flattened objects repeat names, and very large and very small numbers get all their digits.

    Args:
        fields: a record's `properties`.
    """
    for value in fields.values():
        if type(value) not in _SHORT_TYPES and (
            type(value) is not float or not (_TINY < abs(value) < _HUGE or value == 0)
        ):
            return False
    return True


def _are_well_named(keys: tuple[str, ...]) -> bool:
    """Tell whether each key keeps its name, and takes values of any type."""
    return all(name_of(key) == key and not key.endswith(TYPED_ENDINGS) for key in keys)


_WELL_NAMED: Final = KeyTable(_are_well_named)


def plain_properties(
    fields: Mapping[str, object], *, omit: Callable[[str], bool]
) -> dict[str, PropertyValue] | None:
    """Return what `map_properties` makes of an object in a third of the time, or None in case of doubt.

    The result is certain only if there is no warning, with or without endings for types, and if an end user
    keeps all of the properties (`properties.stored`).

    Args:
        fields: a record's `traits` or `properties`.
        omit: tells whether a top-level key is left out (segment.md 6). The same function must always give
            the same answer for a key.

    Returns:
        The properties' names and values.
    """
    names: Sequence[str] | None = _kept_names(omit)[tuple(fields)]
    if names is None:
        return None
    values: Collection[object] = fields.values()
    if len(names) < len(values):
        values = [fields[name] for name in names]
    return _plain(names, values)


def _plain(
    names: Sequence[str], values: Collection[object], *, is_inner: bool = False
) -> dict[str, PropertyValue] | None:
    """Return the properties of an object whose keys keep their names, or None in case of doubt.

    One long function, since a call for each value would take as long as `map_properties` does.

    Args:
        names: the names, in the order of `values`.
        values: the values.
        is_inner: whether the object stands within another one.
    """
    found: dict[str, PropertyValue] = {}
    expected = len(names)
    for name, value in zip(names, values, strict=True):
        may_be_typed = name[-4:] in LAST_LETTERS_OF_TYPED
        if isinstance(value, str) and not may_be_typed and value[4:5] != "-":
            found[name] = value
        elif value is None:
            expected -= 1
        elif isinstance(value, dict):
            inner_names = None if is_inner else _INNER_NAMES[(name, *value)]
            inner = (
                None if inner_names is None else _plain(inner_names, value.values(), is_inner=True)
            )
            if inner is None:
                return None
            found |= inner
            expected += len(inner) - 1
        elif may_be_typed and name.endswith(TYPED_ENDINGS):
            typed = _of_its_type(name, value)
            if typed is None:
                return None
            found[name] = typed
        elif isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, float) and not value.is_integer():
            found[name] = decimal_text(value)
        else:
            read = read_value(value)
            kind, result = read or (INTEGER, 0)
            if kind == DATE:
                found[f"{name}_date"] = result if isinstance(result, int) else 0
            elif isinstance(result, list):
                if not name.endswith("_array"):
                    return None
                found[name] = ",".join(result)
            elif kind == INTEGER:
                return None
            else:
                found[name] = result
    # Fewer than expected are two properties with one name.
    return found if len(found) == expected else None


def _of_its_type(name: str, value: object) -> int | None:
    """Return the integer or unix seconds that a name ending in `_amount` or `_date` promises, or None."""
    read = read_value(value)
    if read is None or not fits(name, *read):
        return None
    return read[1] if isinstance(read[1], int) else None


def _are_plain(keys: Sequence[str]) -> bool:
    """Tell whether each key keeps its name, and the keys are no more and no longer than usual."""
    return (
        len(keys) <= _MOST_KEYS
        and sum(map(len, keys)) <= _MOST_CHARACTERS
        and all(name_of(key) == key for key in keys)
    )


@lru_cache(maxsize=16)
def _kept_names(omit: Callable[[str], bool]) -> KeyTable[tuple[str, ...] | None]:
    """Return a table of the top-level keys that become properties, by all keys of an object.

    A result is None in case of doubt: a key changes its name, or has a field of its own in an end user.
    """

    def compute(keys: tuple[str, ...]) -> tuple[str, ...] | None:
        kept = tuple(key for key in keys if not omit(key))
        has_own_field = "id" in kept or any(spelling(key) == "phone" for key in kept)
        return kept if _are_plain(kept) and not has_own_field else None

    return KeyTable(compute)


def _inner_names(keys: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the names of the properties within an object, or None if a key changes its name.

    Args:
        keys: the object's own key, and the keys within.
    """
    own, *inner = keys
    names = tuple(f"{own}_{key}" for key in inner)
    return names if _are_plain(inner) and _are_plain(names) else None


_INNER_NAMES: Final = KeyTable(_inner_names)
