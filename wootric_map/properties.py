"""Wootric's property rules (wootric.md 6): what each trait or property becomes, and under which name."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache, partial
from typing import Final, NamedTuple, TypeAlias

from wootric_map import dates
from wootric_map.key_table import KeyTable

PropertyValue: TypeAlias = str | int
"""What Wootric takes: text, an integer, or a date as unix seconds."""

_FORBIDDEN: Final = str.maketrans("$.\0[]", "_____")
"""wootric.md 6 names `$`, `.` and NUL. Brackets join them because a form field `properties[a[b]]` is
read as a hash inside a hash, which Wootric does not take either."""

_JOINED_LIMIT: Final = 8 * 1024 * 1024
"""Characters that the flattened names of one record may come to. Names repeat their parents', so a
line of one megabyte could otherwise grow into hundreds; no honest record comes near."""

_INT64: Final = 2**63


class MappingWarning(NamedTuple):
    """Something a person should know of a record that is mapped all the same."""

    code: str
    field: str
    message: str


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
            elif isinstance(item, dict | list):
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
