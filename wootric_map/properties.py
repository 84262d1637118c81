"""Wootric's property rules (wootric.md 6): what each trait or property becomes, and under which name."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache, partial
from typing import Final, NamedTuple, TypeAlias

from wootric_map import dates
from wootric_map.key_table import KeyTable
from wootric_map.spelling import spelling

PropertyValue: TypeAlias = str | int
"""What Wootric takes: text, an integer, or a date as unix seconds."""

_FORBIDDEN: Final = str.maketrans("$.\0[]", "_____")
"""wootric.md 6 names `$`, `.` and NUL. Brackets join them because a form field `properties[a[b]]` is
read as a hash inside a hash, which Wootric does not take either."""

_JOINED_LIMIT: Final = 8 * 1024 * 1024
"""Characters that the flattened names of one record may come to. Names repeat their parents', so a
line of one megabyte could otherwise grow into hundreds; no honest record comes near."""

_INT64: Final = 2**63

_NESTING: Final = (dict, list)


class MappingWarning(NamedTuple):
    """Something a person should know of a record that is mapped all the same."""

    code: str
    field: str
    """The place in the record, as in `traits.plan`; empty where it is about no single field."""
    message: str
    subject: str | None = None
    """The id that the warning is about. Warnings of one code about one subject, or without a subject about
    one field, are one warning with a count."""


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


# A class's own constructor takes twice as long, and there are many of these a record.
_property: Callable[[tuple[object, ...]], Property] = partial(tuple.__new__, Property)


class _Column(NamedTuple):
    """What becomes of a top-level key, whatever stands under it."""

    key: str
    name: str
    source: str
    renamed: MappingWarning | None


def map_properties(
    fields: Mapping[str, object],
    parent: str,
    *,
    omit: Callable[[str], bool],
    amount_suffix: bool = False,
) -> tuple[list[Property], list[MappingWarning]]:
    """Turn traits or properties into what Wootric stores.

    Args:
        fields: the record's `traits` or `properties`.
        parent: the name of that field, for sources and warnings.
        omit: tells of a top-level key whether it is left out (segment.md 6); always the same of the
            same key, since it is asked once for many records.
        amount_suffix: give integers whose key lacks it the ending `_amount`.

    Returns:
        The properties in the record's order, no name twice; and the warnings
        `integer_without_amount`, `unsupported_value`, `key_renamed` and `key_collision`.
    """
    warnings: list[MappingWarning] = []
    chosen = _Chosen(parent, amount_suffix, warnings)
    for key, name, source, renamed in _columns(parent, omit)[tuple(fields)]:
        value = fields[key]
        if value is None:
            continue
        if renamed:
            warnings.append(renamed)
        if isinstance(value, dict):
            if not chosen.take_object(name, source, value):
                break
        else:
            chosen.take(name, source, value, top=True)
    return list(chosen.by_name.values()), warnings


def cannot_warn(fields: Mapping[str, object]) -> bool:
    """Whether a quick look shows that `map_properties` has no warning for these; any doubt is a no."""
    if not _WELL_NAMED[tuple(fields)]:
        return False
    for value in fields.values():
        if type(value) not in _QUIET and (type(value) is not float or value.is_integer()):
            return False
    return True


_QUIET: Final = frozenset({str, bool, type(None)})
"""Types of values that become properties without a warning; so do floats that are no integers."""


def _are_well_named(keys: tuple[str, ...]) -> bool:
    """Whether each key keeps its name, and no date's new name can be another's."""
    return all(key.translate(_FORBIDDEN) == key != "" and key[-5:] != "_date" for key in keys)


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
        if isinstance(value, str) and value[4:5] != "-":
            found[name] = value
        elif isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, int):
            if not name.endswith("_amount"):
                return None
            found[name] = value
        elif isinstance(value, dict):
            below = None if is_inner else _BELOW[(name, *value)]
            inner = None if below is None else _plain(below, value.values(), is_inner=True)
            if inner is None:
                return None
            found |= inner
            expected += len(inner) - 1
        elif value is None:
            expected -= 1
        elif isinstance(value, float) and not value.is_integer():
            found[name] = decimal_text(value)
        else:
            mapped = _value(value)
            if mapped is None:
                return None
            text, is_date = mapped
            if is_date:
                found[name if name.endswith("_date") else f"{name}_date"] = text
            elif isinstance(text, str) or name.endswith("_amount"):
                found[name] = text
            else:
                return None
    return found if len(found) == expected else None


_PLAIN_KEYS: Final = 100
_PLAIN_CHARACTERS: Final = 4096
"""Of more or longer names that stand together, there is doubt whether they fit (`_JOINED_LIMIT`)."""


def _are_plain(keys: Sequence[str]) -> bool:
    """Whether each key keeps its name, and they are no more and no longer than usual."""
    return (
        len(keys) <= _PLAIN_KEYS
        and sum(map(len, keys)) <= _PLAIN_CHARACTERS
        and all(key.translate(_FORBIDDEN) == key != "" for key in keys)
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

    wootric.md 6: `id` is the `external_id`, and `phone`, in any spelling, the `phone_number`.
    """
    kept = [each for each in properties if each.name != "id"]
    phones = _PHONES[tuple([each.source for each in kept])]
    return [each for each in kept if not _is_phone(each, phones)] if phones else kept


def _phones(sources: tuple[str, ...]) -> frozenset[str]:
    """Those of the sources that spell `phone`."""
    return frozenset(
        source for source in sources if spelling(source.removeprefix("traits.")) == "phone"
    )


_PHONES: Final = KeyTable(_phones)


def _is_phone(each: Property, phones: frozenset[str]) -> bool:
    scalar = isinstance(each.original, str | int | float) and not isinstance(each.original, bool)
    return each.top and scalar and each.source in phones


@lru_cache(maxsize=16)
def _columns(parent: str, omit: Callable[[str], bool]) -> KeyTable[tuple[_Column, ...]]:
    """What becomes of top-level keys, by the keys that stand together."""

    def work_out(keys: tuple[str, ...]) -> tuple[_Column, ...]:
        return tuple(_Column(key, *_named(key, f"{parent}.{key}")) for key in keys if not omit(key))

    return KeyTable(work_out)


def _named(key: str, source: str) -> tuple[str, str, MappingWarning | None]:
    """The name that a key becomes, its place, and the warning if that is not the key itself."""
    name = key.translate(_FORBIDDEN) or "_"
    if name == key:
        return name, source, None
    message = f"a name may not be empty or hold $, ., NUL or brackets; sent as {name!r}"
    return name, source, MappingWarning("key_renamed", source, message)


class _Chosen:
    """The properties so far, no name twice."""

    def __init__(self, parent: str, amount_suffix: bool, warnings: list[MappingWarning]) -> None:
        self.by_name: dict[str, Property] = {}
        self._parent = parent
        self._amount_suffix = amount_suffix
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
                if self._joined > _JOINED_LIMIT:
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
        if isinstance(value, str) and value[4:5] != "-" and name not in self.by_name:
            # Most values are text, and most text shows at its fifth character that it is no date.
            self.by_name[name] = _property((name, value, source, value, top))
            return
        mapped = _value(value)
        if mapped is None:
            message = "a list with objects or lists in it cannot be a Wootric property; left out"
            self._warnings.append(MappingWarning("unsupported_value", source, message))
            return
        text, is_date = mapped
        final = name
        if is_date:
            if not name.endswith("_date"):
                final = f"{name}_date"
        elif isinstance(text, int) and not name.endswith("_amount"):
            message = (
                f"Wootric expects an integer under a name ending in _amount; {name!r} is sent "
                "as it is unless you ask for the ending with --amount-suffix"
            )
            if self._amount_suffix and not name.endswith("_date"):
                final = f"{name}_amount"
                message = f"sent as {final!r}: Wootric expects integers under names ending so"
            self._warnings.append(MappingWarning("integer_without_amount", source, message))
        candidate = _property((final, text, source, value, top))
        rival = self.by_name.get(final)
        if rival is None:
            self.by_name[final] = candidate
            return
        winner, loser = (candidate, rival) if self._is_exact(candidate) else (rival, candidate)
        self.by_name[final] = winner
        message = f"{winner.source} has the name {final!r} already; this value is left out"
        self._warnings.append(MappingWarning("key_collision", loser.source, message))

    def _is_exact(self, each: Property) -> bool:
        """Whether the record itself spells the name so."""
        return each.top and each.source == f"{self._parent}.{each.name}"


def _value(value: object) -> tuple[PropertyValue, bool] | None:
    """The value Wootric takes, and whether it is a date; None where it can't be one."""
    if isinstance(value, str):
        moment = dates.parse_iso_day(value)
        return (value, False) if moment is None else (dates.unix_seconds(moment), True)
    if isinstance(value, list):
        texts = []
        for item in value:
            if isinstance(item, str):
                texts.append(item)
            elif isinstance(item, _NESTING):
                return None
            elif item is not None:
                texts.append(str(_scalar(item)))
        return ", ".join(texts), False
    return _scalar(value), False


def _scalar(value: object) -> PropertyValue:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # 3.0 and 3 are one number in JSON, and so in the published destination.
        return int(value) if value.is_integer() and abs(value) < _INT64 else decimal_text(value)
    return value if isinstance(value, int) else str(value)


def decimal_text(number: float) -> str:
    """The shortest decimal digits that give `number` back, without an exponent.

    >>> decimal_text(0.1), decimal_text(3.0), decimal_text(1e-7), decimal_text(1e21)
    ('0.1', '3', '0.0000001', '1000000000000000000000')
    """
    if isinstance(number, int):
        return str(number)
    text = repr(number)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")
