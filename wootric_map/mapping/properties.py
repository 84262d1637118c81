"""Wootric's property rules (wootric.md 6): what each trait or property becomes, and under which name."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from wootric_map.mapping.property_names import AS_WRITTEN, JOINED_LIMIT, Naming, name_of
from wootric_map.model import WARNINGS, MappingWarning, WarningCode
from wootric_map.values.json_values import (
    DATE,
    INTEGER,
    LIST,
    NUMBER,
    TEXT,
    PropertyValue,
    decimal_text,
    fits,
    read_value,
    rounded,
)
from wootric_map.values.key_cache import KeyTable
from wootric_map.values.trait_names import spelling

__all__ = [
    "WARNINGS",
    "MappingWarning",
    "Property",
    "PropertyValue",
    "WarningCode",
    "cannot_warn",
    "decimal_text",
    "map_properties",
    "plain_properties",
    "stored",
]

_NO_NUMBER: Final = TEXT | LIST | DATE
_NO_LIST: Final = TEXT | INTEGER | NUMBER | DATE

_TYPED: Final = ("_amount", "_date")
"""Endings of names under which Wootric takes one type of value alone."""
_TYPED_ENDS: Final = frozenset(each[-4:] for each in _TYPED)
"""Their last four letters, by which most names are told to end otherwise."""


class Property(NamedTuple):
    """One property as Wootric is to hold it, and where it came from."""

    name: str
    value: PropertyValue
    source: str
    """Its place in the record, as in `traits.address.city`."""
    original: object
    """The value that stands there."""
    top: bool = True
    """Whether it stands in the traits or properties themselves, not deeper."""


class _Column(NamedTuple):
    """What becomes of a top-level key, whatever stands under it."""

    key: str
    name: str
    source: str
    renamed: MappingWarning | None
    is_typed: bool
    """Whether the name ends as those do under which Wootric takes one type of value alone."""


def map_properties(
    fields: Mapping[str, object],
    parent: str,
    *,
    omit: Callable[[str], bool],
    naming: Naming = AS_WRITTEN,
) -> tuple[list[Property], list[MappingWarning]]:
    """Turn traits or properties into what Wootric stores.

    Args:
        fields: the record's `traits` or `properties`.
        parent: the name of that field, for sources and warnings.
        omit: tells of a top-level key whether it is left out (segment.md 6); always the same of the
            same key, since it is asked once for many records.
        naming: which of them are given the ending of their type.

    Returns:
        The properties in the record's order, no name twice; and the warnings `integer_without_amount`,
        `list_without_array`, `wrong_type_for_suffix`, `mixed_types`, `amount_rounded`,
        `unsupported_value`, `key_renamed` and `key_collision`.
    """
    warnings: list[MappingWarning] = []
    chosen = _Chosen(parent, naming, warnings)
    by_name = chosen.by_name
    for key, name, source, renamed, is_typed in _columns(parent, omit)[tuple(fields)]:
        value = fields[key]
        if value is None:
            continue
        if renamed:
            warnings.append(renamed)
        if isinstance(value, str) and not is_typed and value[4:5] != "-" and name not in by_name:
            # Most values are text, and most text shows at its fifth character that it is no date.
            by_name[name] = Property(name, value, source, value, True)
        elif isinstance(value, dict):
            if not chosen.take_object(name, source, value):
                break
        else:
            chosen.take(name, source, value, top=True)
    return list(by_name.values()), warnings


def cannot_warn(fields: Mapping[str, object], rounds: bool = False) -> bool:
    """Tell whether a quick look shows that `map_properties` has no warning for these; any doubt is a no.

    All of them are flat then, and no value becomes much longer than it is written.

    Args:
        fields: the record's `traits` or `properties`.
        rounds: whether any number may be given the ending `_amount`.
    """
    if not _WELL_NAMED[tuple(fields)]:
        return False
    for value in fields.values():
        if type(value) not in _QUIET and (
            type(value) is not float or rounds or value.is_integer() or -_TINY < value < _TINY
        ):
            return False
    return True


_QUIET: Final = frozenset({str, bool, type(None)})
"""Types of values that become properties without a warning; so do floats that are no integers."""
_TINY: Final = 1e-9
"""The decimal text of a number below this may be hundreds of digits long."""


def stay_short(fields: Mapping[str, object]) -> bool:
    """Tell whether a quick look shows that the properties these become are no longer than they are written.

    Objects give theirs the names that lead to them, and numbers very large or small all of their digits. Any
    doubt is a no.

    Args:
        fields: the record's `properties`.
    """
    for value in fields.values():
        if type(value) not in _SHORT and (
            type(value) is not float or not (_TINY < abs(value) < _HUGE or value == 0)
        ):
            return False
    return True


_SHORT: Final = frozenset({str, int, bool, type(None)})
_HUGE: Final = 1e16


def _are_well_named(keys: tuple[str, ...]) -> bool:
    """Whether each key keeps its name, no date's new name can be another's, and any type may stand there."""
    return all(name_of(key) == key and not key.endswith(_TYPED) for key in keys)


_WELL_NAMED: Final = KeyTable(_are_well_named)


def plain_properties(
    fields: Mapping[str, object], *, omit: Callable[[str], bool]
) -> dict[str, PropertyValue] | None:
    """What `map_properties` makes of the commonest fields, in a third of the time: names and values alone.

    Only of such as give no warning, whether integers are given an ending or not, and of which an end user
    keeps all (`stored`). Any doubt gives None.

    Args:
        fields: the record's `traits` or `properties`.
        omit: as above.
    """
    names: Sequence[str] | None = _plain_keys(omit)[tuple(fields)]
    if names is None:
        return None
    values: Collection[object] = fields.values()
    if len(names) < len(values):
        values = [fields[name] for name in names]
    return _plain(names, values)


def _plain(
    names: Sequence[str], values: Collection[object], *, is_inner: bool = False
) -> dict[str, PropertyValue] | None:
    """The same of names that are plain, and their values; of an object within, where `is_inner`."""
    found: dict[str, PropertyValue] = {}
    expected = len(names)
    for name, value in zip(names, values, strict=True):
        is_typed = name[-4:] in _TYPED_ENDS
        if isinstance(value, str) and not is_typed and value[4:5] != "-":
            found[name] = value
        elif value is None:
            expected -= 1
        elif isinstance(value, dict):
            below = None if is_inner else _BELOW[(name, *value)]
            inner = None if below is None else _plain(below, value.values(), is_inner=True)
            if inner is None:
                return None
            found |= inner
            expected += len(inner) - 1
        elif is_typed and name.endswith(_TYPED):
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
            kind, text = read or (INTEGER, 0)
            if kind == DATE:
                found[f"{name}_date"] = text if isinstance(text, int) else 0
            elif isinstance(text, list):
                if not name.endswith("_array"):
                    return None
                found[name] = ",".join(text)
            elif kind == INTEGER:
                return None
            else:
                found[name] = text
    return found if len(found) == expected else None


def _of_its_type(name: str, value: object) -> int | None:
    """The integer or time that stands under a name that ends in `_amount` or `_date`; None if it is none."""
    read = read_value(value)
    if read is None or not fits(name, *read):
        return None
    return read[1] if isinstance(read[1], int) else None


_PLAIN_KEYS: Final = 100
_PLAIN_CHARACTERS: Final = 4096
"""Of more or longer names that stand together, there is doubt whether they fit (`JOINED_LIMIT`)."""


def _are_plain(keys: Sequence[str]) -> bool:
    """Whether each key keeps its name, and they are no more and no longer than usual."""
    return (
        len(keys) <= _PLAIN_KEYS
        and sum(map(len, keys)) <= _PLAIN_CHARACTERS
        and all(name_of(key) == key for key in keys)
    )


@lru_cache(maxsize=16)
def _plain_keys(omit: Callable[[str], bool]) -> KeyTable[tuple[str, ...] | None]:
    """Of top-level keys, by those that stand together, which are not left out; None where in doubt."""

    def work_out(keys: tuple[str, ...]) -> tuple[str, ...] | None:
        kept = tuple(key for key in keys if not omit(key))
        has_own_field = "id" in kept or any(spelling(key) == "phone" for key in kept)
        return kept if _are_plain(kept) and not has_own_field else None

    return KeyTable(work_out)


def _below(keys: tuple[str, ...]) -> tuple[str, ...] | None:
    """The names of what stands in an object, by its own key and theirs; None where in doubt."""
    above, *inner = keys
    names = tuple(f"{above}_{key}" for key in inner)
    return names if _are_plain(inner) and _are_plain(names) else None


_BELOW: Final = KeyTable(_below)


def stored(properties: Iterable[Property]) -> list[Property]:
    """The properties that an end user keeps: all but those with a field of their own.

    wootric.md 6: `id` is the `external_id`, and `phone`, in any spelling, the `phone_number`; what is no
    phone is left out all the same (segment.md 4).
    """
    kept = [each for each in properties if each.name != "id"]
    phones = _PHONES[tuple([each.source for each in kept])]
    return [each for each in kept if not (each.top and each.source in phones)] if phones else kept


def _phones(sources: tuple[str, ...]) -> frozenset[str]:
    """Those of the sources that spell `phone`."""
    return frozenset(
        source
        for source in sources
        if spelling(source.removeprefix("context.").removeprefix("traits.")) == "phone"
    )


_PHONES: Final = KeyTable(_phones)


@lru_cache(maxsize=16)
def _columns(parent: str, omit: Callable[[str], bool]) -> KeyTable[tuple[_Column, ...]]:
    """What becomes of top-level keys, by the keys that stand together."""

    def work_out(keys: tuple[str, ...]) -> tuple[_Column, ...]:
        return tuple(
            _Column(key, name, source, renamed, name.endswith(_TYPED))
            for key in keys
            if not omit(key)
            for name, source, renamed in [_named(key, f"{parent}.{key}")]
        )

    return KeyTable(work_out)


def _named(key: str, source: str) -> tuple[str, str, MappingWarning | None]:
    """The name that a key becomes, its place, and the warning if that is not the key itself."""
    name = name_of(key)
    if name == key:
        return name, source, None
    message = f"a name may not be empty or hold $, ., NUL or brackets; sent as {name!r}"
    return name, source, MappingWarning("key_renamed", source, message)


class _Chosen:
    """The properties so far, no name twice."""

    def __init__(self, parent: str, naming: Naming, warnings: list[MappingWarning]) -> None:
        self.by_name: dict[str, Property] = {}
        self._parent = parent
        self._naming = naming
        self._warnings = warnings
        self._joined = 0

    def take_object(self, name: str, source: str, fields: Mapping[str, object]) -> bool:
        """Take an object in, flattened to any depth, in the record's order; nulls are left out.

        A loop with its own stack: nesting is bounded by the parser, but not by Python's call stack.

        Returns:
            Whether there is room for what follows.
        """
        stack = [(name, source, iter(fields.items()))]
        while stack:
            prefix, place, items = stack[-1]
            for key, value in items:
                if value is None:
                    continue
                source = f"{place}.{key}"
                name = f"{prefix}_{key}"
                if not key.isidentifier():  # what is one, holds nothing that is forbidden
                    last, _, renamed = _named(key, source)
                    name = f"{prefix}_{last}"
                    if renamed:
                        self._warnings.append(renamed)
                self._joined += len(name) + len(source)
                if self._joined > JOINED_LIMIT:
                    message = "nested too widely to be flattened; this and what follows is left out"
                    self._warnings.append(
                        MappingWarning("unsupported_value", self._parent, message)
                    )
                    return False
                if isinstance(value, dict):
                    stack.append((name, source, iter(value.items())))
                    break
                self.take(name, source, value, top=False)
            else:
                stack.pop()
        return True

    def take(self, name: str, source: str, value: object, *, top: bool) -> None:
        """Take a value in that is no object."""
        if (
            isinstance(value, str)
            and value[4:5] != "-"
            and name[-4:] not in _TYPED_ENDS
            and name not in self.by_name
        ):
            self.by_name[name] = Property(name, value, source, value, top)
            return
        read = read_value(value)
        if read is None:
            message = "a list with objects or lists in it cannot be a Wootric property; left out"
            self._warn("unsupported_value", source, message)
            return
        kind, found = read
        final = name
        text: PropertyValue
        is_typed = name[-4:] in _TYPED_ENDS and name.endswith(_TYPED)
        if isinstance(found, list):
            final, text = self._list(name, source, found, top=top)
        else:
            text = found
        if kind == DATE:
            final = name if name.endswith("_date") else f"{name}_date"
        elif isinstance(value, float) and kind == NUMBER and self._naming.amounts:
            final, text = self._fraction(name, source, value, text, top=top)
        elif kind == INTEGER and not is_typed:
            final = self._integer(name, source, top=top)
        if is_typed and not fits(name, kind, text):
            self._warn("wrong_type_for_suffix", source, _WRONG_TYPES[name[-5:] == "_date"])
        candidate = Property(final, text, source, value, top)
        rival = self.by_name.get(final)
        if rival is None:
            self.by_name[final] = candidate
            return
        winner, loser = (candidate, rival) if self._is_exact(candidate) else (rival, candidate)
        self.by_name[final] = winner
        message = f"{winner.source} has the name {final!r} already; this value is left out"
        self._warn("key_collision", loser.source, message)

    def _integer(self, name: str, source: str, *, top: bool) -> str:
        """The name of an integer under a key that tells no type."""
        if top and self._spells_phone(source):
            return name
        naming, final = self._naming, name
        if naming.amounts:
            if naming.kinds.get(name, 0) & _NO_NUMBER:
                self._warn("mixed_types", source, _mixed(name, "numbers"))
                return name
            final = f"{name}_amount"
        self._warn("integer_without_amount", source, _UNTYPED[name, final, "an integer", "amount"])
        return final

    def _fraction(
        self, name: str, source: str, value: float, found: PropertyValue, *, top: bool
    ) -> tuple[str, PropertyValue]:
        """The name and value of a number that is no integer, where numbers are given their ending."""
        final = name
        if not name.endswith(_TYPED):
            seen = self._naming.kinds.get(name, 0)
            if not seen & INTEGER or (top and self._spells_phone(source)):
                return name, found
            if seen & _NO_NUMBER:
                self._warn("mixed_types", source, _mixed(name, "numbers"))
                return name, found
            final = f"{name}_amount"
        if not final.endswith("_amount"):
            return name, found
        message = f"rounded to the nearest integer: under {final!r} Wootric takes no other"
        self._warn("amount_rounded", source, message)
        return final, rounded(value)

    def _list(self, name: str, source: str, texts: list[str], *, top: bool) -> tuple[str, str]:
        """The name and value of a list."""
        if name.endswith("_array"):
            return name, ",".join(texts)
        together = ", ".join(texts)
        if top and self._spells_phone(source):
            return name, together
        naming, final = self._naming, name
        if naming.arrays:
            if naming.kinds.get(name, 0) & _NO_LIST:
                self._warn("mixed_types", source, _mixed(name, "lists"))
                return name, together
            final, together = f"{name}_array", ",".join(texts)
        self._warn("list_without_array", source, _UNTYPED[name, final, "a list", "array"])
        return final, together

    def _spells_phone(self, source: str) -> bool:
        return spelling(source[len(self._parent) + 1 :]) == "phone"

    def _warn(self, code: WarningCode, source: str, message: str) -> None:
        self._warnings.append(MappingWarning(code, source, message))

    def _is_exact(self, each: Property) -> bool:
        """Whether the record itself spells the name so."""
        return each.top and each.source == f"{self._parent}.{each.name}"


_WRONG_TYPES: Final = (
    "under a name ending in _amount Wootric takes integers only; send an integer, or rename it",
    "under a name ending in _date Wootric takes unix seconds of ten digits only; send these, or an ISO "
    "date, or rename it",
)
"""For `_amount` and for `_date`."""


def _untyped(parts: tuple[str, ...]) -> str:
    """What is said of a value whose key does not end as its type does."""
    name, final, what, ending = parts
    if final != name:
        return f"sent as {final!r}: Wootric expects {what} under a name ending so"
    sent = "as text" if ending == "array" else "as it is"
    return (
        f"Wootric expects {what} under a name ending in _{ending}; {name!r} is sent {sent} unless you "
        f"ask for the ending with --{ending}-suffix"
    )


_UNTYPED: Final = KeyTable(_untyped)


def _mixed(name: str, what: str) -> str:
    return (
        f"{name!r} holds {what} in some records and other values in others, so that it keeps its name; "
        "have whatever writes it write one type"
    )
