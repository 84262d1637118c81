"""Wootric's property rules (wootric.md 6): the value and the name of each trait or property."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from wootric_map.mapping.property_names import (
    AS_WRITTEN,
    JOINED_LIMIT,
    LAST_LETTERS_OF_TYPED,
    TYPED_ENDINGS,
    Naming,
    name_of,
)
from wootric_map.model import MappingWarning, WarningCode
from wootric_map.values.json_values import (
    DATE,
    INTEGER,
    LIST,
    NUMBER,
    TEXT,
    PropertyValue,
    fits,
    read_value,
    rounded,
)
from wootric_map.values.key_cache import KeyTable
from wootric_map.values.trait_names import spelling

_OTHER_THAN_NUMBERS: Final = TEXT | LIST | DATE
_OTHER_THAN_LISTS: Final = TEXT | INTEGER | NUMBER | DATE
"""Masks of kinds of values that keep a name from getting the ending for numbers or for lists."""


class Property(NamedTuple):
    """One property for Wootric, and the value in the record that it comes from."""

    name: str
    value: PropertyValue
    source: str
    """The place in the record, such as `traits.address.city`."""
    original: object
    """The value at that place."""
    top: bool = True
    """Whether the place is at the top level of the traits or properties."""


class _TopLevelKey(NamedTuple):
    """What follows from a top-level key alone."""

    key: str
    name: str
    source: str
    """The key's place in the record."""
    warning: MappingWarning | None
    """The warning `key_renamed`, if the name is not the key."""
    is_typed: bool
    """Whether the name has one of `TYPED_ENDINGS`."""


def map_properties(
    fields: Mapping[str, object],
    parent: str,
    *,
    omit: Callable[[str], bool],
    naming: Naming = AS_WRITTEN,
) -> tuple[list[Property], list[MappingWarning]]:
    """Turn traits or properties into Wootric's properties (wootric.md 6).

    Args:
        fields: a record's `traits` or `properties`.
        parent: the place of `fields` in the record, such as `traits`.
        omit: tells whether a top-level key is left out (segment.md 6). The same function must always give
            the same answer for a key, since answers are cached.
        naming: which properties get an ending for the type of their values.

    Returns:
        The properties in the record's order, without two of one name; and the warnings
        `integer_without_amount`, `list_without_array`, `wrong_type_for_suffix`, `mixed_types`,
        `amount_rounded`, `unsupported_value`, `key_renamed` and `key_collision`.
    """
    warnings: list[MappingWarning] = []
    collected = _Properties(parent, naming, warnings)
    by_name = collected.by_name
    for key, name, source, warning, is_typed in _top_level_keys(parent, omit)[tuple(fields)]:
        value = fields[key]
        if value is None:
            continue
        if warning:
            warnings.append(warning)
        if isinstance(value, str) and not is_typed and value[4:5] != "-" and name not in by_name:
            # Most values are text, and nearly all text has no hyphen where a date has one.
            by_name[name] = Property(name, value, source, value, True)
        elif isinstance(value, dict):
            if not collected.add_object(name, source, value):
                break
        else:
            collected.add(name, source, value, top=True)
    return list(by_name.values()), warnings


def stored(properties: Iterable[Property]) -> list[Property]:
    """Return the properties that an end user keeps: all without a field of their own (wootric.md 6).

    `id` is the field `external_id`, and `phone`, in any spelling, is the field `phone_number`. A `phone` that
    is not a phone number is left out, too (segment.md 4).
    """
    kept = [each for each in properties if each.name != "id"]
    phones = _PHONE_PLACES[tuple([each.source for each in kept])]
    return [each for each in kept if not (each.top and each.source in phones)] if phones else kept


def _phone_places(places: tuple[str, ...]) -> frozenset[str]:
    """Return the places in traits that spell `phone`."""
    return frozenset(
        place
        for place in places
        if spelling(place.removeprefix("context.").removeprefix("traits.")) == "phone"
    )


_PHONE_PLACES: Final = KeyTable(_phone_places)


@lru_cache(maxsize=16)
def _top_level_keys(parent: str, omit: Callable[[str], bool]) -> KeyTable[tuple[_TopLevelKey, ...]]:
    """Return a table of the keys that become properties, by all keys of an object."""

    def compute(keys: tuple[str, ...]) -> tuple[_TopLevelKey, ...]:
        return tuple(
            _TopLevelKey(key, name, source, warning, name.endswith(TYPED_ENDINGS))
            for key in keys
            if not omit(key)
            for source in [f"{parent}.{key}"]
            for name, warning in [_name_and_warning(key, source)]
        )

    return KeyTable(compute)


def _name_and_warning(key: str, source: str) -> tuple[str, MappingWarning | None]:
    """Return the name for a key, and the warning `key_renamed` if the name is not the key.

    Args:
        key: the key.
        source: the key's place in the record.
    """
    name = name_of(key)
    if name == key:
        return name, None
    message = f"a name may not be empty or hold $, ., NUL or brackets; sent as {name!r}"
    return name, MappingWarning("key_renamed", source, message)


class _Properties:
    """Collects the properties of one record, without two of one name."""

    def __init__(self, parent: str, naming: Naming, warnings: list[MappingWarning]) -> None:
        self.by_name: dict[str, Property] = {}
        self._parent = parent
        self._naming = naming
        self._warnings = warnings
        self._joined = 0
        """Characters of all flattened names and places so far."""

    def add_object(self, name: str, source: str, fields: Mapping[str, object]) -> bool:
        """Flatten an object to any depth, and add its values in the record's order.

        A loop with a stack of its own: the parser allows more levels than Python's call stack does.

        Returns:
            False if the flattened names grow too long, so that no further value may be added.
        """
        stack = [(name, source, iter(fields.items()))]
        while stack:
            prefix, place, items = stack[-1]
            for key, value in items:
                if value is None:
                    continue
                source = f"{place}.{key}"
                name = f"{prefix}_{key}"
                if not key.isidentifier():  # identifiers hold no forbidden character
                    last, warning = _name_and_warning(key, source)
                    name = f"{prefix}_{last}"
                    if warning:
                        self._warnings.append(warning)
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
                self.add(name, source, value, top=False)
            else:
                stack.pop()
        return True

    def add(self, name: str, source: str, value: object, *, top: bool) -> None:
        """Add a value that is not an object.

        Args:
            name: the name without an ending for its type.
            source: the value's place in the record.
            value: the value.
            top: whether the place is at the top level of the traits or properties.
        """
        if (
            isinstance(value, str)
            and value[4:5] != "-"
            and name[-4:] not in LAST_LETTERS_OF_TYPED
            and name not in self.by_name
        ):
            self.by_name[name] = Property(name, value, source, value, top)
            return
        read = read_value(value)
        if read is None:
            message = "a list with objects or lists in it cannot be a Wootric property; left out"
            self._warn("unsupported_value", source, message)
            return
        kind, result = read
        final_name = name
        sent: PropertyValue
        is_typed = name[-4:] in LAST_LETTERS_OF_TYPED and name.endswith(TYPED_ENDINGS)
        if isinstance(result, list):
            final_name, sent = self._list(name, source, result, top=top)
        else:
            sent = result
        if kind == DATE:
            final_name = name if name.endswith("_date") else f"{name}_date"
        elif isinstance(value, float) and kind == NUMBER and self._naming.amounts:
            final_name, sent = self._fraction(name, source, value, sent, top=top)
        elif kind == INTEGER and not is_typed:
            final_name = self._integer_name(name, source, top=top)
        if is_typed and not fits(name, kind, sent):
            self._warn("wrong_type_for_suffix", source, _WRONG_TYPE_MESSAGES[name[-5:] == "_date"])
        self._keep(Property(final_name, sent, source, value, top))

    def _keep(self, candidate: Property) -> None:
        """Add a property, or decide between it and an earlier one of the same name (wootric.md 6)."""
        name = candidate.name
        rival = self.by_name.get(name)
        if rival is None:
            self.by_name[name] = candidate
            return
        winner, loser = (candidate, rival) if self._is_spelled_so(candidate) else (rival, candidate)
        self.by_name[name] = winner
        message = f"{winner.source} has the name {name!r} already; this value is left out"
        self._warn("key_collision", loser.source, message)

    def _integer_name(self, name: str, source: str, *, top: bool) -> str:
        """Return the final name of an integer, with a warning if it lacks the ending `_amount`.

        Args:
            name: the name, which has none of `TYPED_ENDINGS`.
            source: the integer's place in the record.
            top: whether the place is at the top level.
        """
        if top and self._spells_phone(source):
            return name
        naming, final_name = self._naming, name
        if naming.amounts:
            if naming.kinds.get(name, 0) & _OTHER_THAN_NUMBERS:
                self._warn("mixed_types", source, _mixed_types_message(name, "numbers"))
                return name
            final_name = f"{name}_amount"
        message = _NO_ENDING_MESSAGES[name, final_name, "an integer", "amount"]
        self._warn("integer_without_amount", source, message)
        return final_name

    def _fraction(
        self, name: str, source: str, value: float, sent: PropertyValue, *, top: bool
    ) -> tuple[str, PropertyValue]:
        """Return the final name and value of a number that is not an integer, if numbers get an ending.

        Args:
            name: the name.
            source: the number's place in the record.
            value: the number.
            sent: the number as it is sent without an ending.
            top: whether the place is at the top level.
        """
        final_name = name
        if not name.endswith(TYPED_ENDINGS):
            kinds = self._naming.kinds.get(name, 0)
            if not kinds & INTEGER or (top and self._spells_phone(source)):
                return name, sent
            if kinds & _OTHER_THAN_NUMBERS:
                self._warn("mixed_types", source, _mixed_types_message(name, "numbers"))
                return name, sent
            final_name = f"{name}_amount"
        if not final_name.endswith("_amount"):
            return name, sent
        message = f"rounded to the nearest integer: under {final_name!r} Wootric takes no other"
        self._warn("amount_rounded", source, message)
        return final_name, rounded(value)

    def _list(self, name: str, source: str, texts: list[str], *, top: bool) -> tuple[str, str]:
        """Return the final name and value of a list, with a warning if it lacks the ending `_array`.

        Args:
            name: the name.
            source: the list's place in the record.
            texts: the elements as text.
            top: whether the place is at the top level.
        """
        if name.endswith("_array"):
            return name, ",".join(texts)
        sent = ", ".join(texts)
        if top and self._spells_phone(source):
            return name, sent
        naming, final_name = self._naming, name
        if naming.arrays:
            if naming.kinds.get(name, 0) & _OTHER_THAN_LISTS:
                self._warn("mixed_types", source, _mixed_types_message(name, "lists"))
                return name, sent
            final_name, sent = f"{name}_array", ",".join(texts)
        message = _NO_ENDING_MESSAGES[name, final_name, "a list", "array"]
        self._warn("list_without_array", source, message)
        return final_name, sent

    def _spells_phone(self, source: str) -> bool:
        return spelling(source[len(self._parent) + 1 :]) == "phone"

    def _warn(self, code: WarningCode, source: str, message: str) -> None:
        self._warnings.append(MappingWarning(code, source, message))

    def _is_spelled_so(self, candidate: Property) -> bool:
        """Tell whether the record itself spells the property's name."""
        return candidate.top and candidate.source == f"{self._parent}.{candidate.name}"


_WRONG_TYPE_MESSAGES: Final = (
    "under a name ending in _amount Wootric takes integers only; send an integer, or rename it",
    "under a name ending in _date Wootric takes unix seconds of ten digits only; send these, or an ISO "
    "date, or rename it",
)
"""The messages about names ending in `_amount` and in `_date`."""


def _no_ending_message(parts: tuple[str, ...]) -> str:
    """Return the message about a value whose key does not end as its type demands.

    Args:
        parts: the name, the final name, the kind of value, and the ending of the type.
    """
    name, final_name, what, ending = parts
    if final_name != name:
        return f"sent as {final_name!r}: Wootric expects {what} under a name ending so"
    sent = "as text" if ending == "array" else "as it is"
    return (
        f"Wootric expects {what} under a name ending in _{ending}; {name!r} is sent {sent} unless you "
        f"ask for the ending with --{ending}-suffix"
    )


_NO_ENDING_MESSAGES: Final = KeyTable(_no_ending_message)


def _mixed_types_message(name: str, what: str) -> str:
    return (
        f"{name!r} holds {what} in some records and other values in others, so that it keeps its name; "
        "have whatever writes it write one type"
    )
