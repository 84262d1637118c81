"""Wootric's property rules (wootric.md 6): what each trait or property becomes, and under which name."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from wootric_map import dates

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


class _Leaf(NamedTuple):
    """A value with the name it will have; `exact` where the record itself spells it so."""

    name: str
    source: str
    value: object
    top: bool
    exact: bool


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
        omit: tells of a top-level key whether it is left out (segment.md 6).
        amount_suffix: give integers whose key lacks it the ending `_amount`.

    Returns:
        The properties in the record's order, no name twice; and the warnings
        `integer_without_amount`, `unsupported_value`, `key_renamed` and `key_collision`.
    """
    warnings: list[MappingWarning] = []
    chosen: dict[str, tuple[Property, bool]] = {}
    for name, source, value, top, exact in _leaves(fields, parent, omit, warnings):
        mapped = _value(value)
        if mapped is None:
            message = "a list with objects or lists in it cannot be a Wootric property; left out"
            warnings.append(MappingWarning("unsupported_value", source, message))
            continue
        final = name
        if mapped[1]:
            if not name.endswith("_date"):
                final, exact = f"{name}_date", False  # noqa: PLW2901
        elif isinstance(mapped[0], int) and not name.endswith("_amount"):
            message = (
                f"Wootric expects an integer under a name ending in _amount; {name!r} is sent "
                "as it is unless you ask for the ending with --amount-suffix"
            )
            if amount_suffix and not name.endswith("_date"):
                final, exact = f"{name}_amount", False  # noqa: PLW2901
                message = f"sent as {final!r}: Wootric expects integers under names ending so"
            warnings.append(MappingWarning("integer_without_amount", source, message))
        candidate = Property(final, mapped[0], source, value, top)
        rival = chosen.get(final)
        if rival is None:
            chosen[final] = candidate, exact
            continue
        winner, loser = (candidate, rival[0]) if exact else (rival[0], candidate)
        chosen[final] = winner, exact or rival[1]
        message = f"{winner.source} has the name {final!r} already; this value is left out"
        warnings.append(MappingWarning("key_collision", loser.source, message))
    return [each for each, _ in chosen.values()], warnings


def _leaves(
    fields: Mapping[str, object],
    parent: str,
    omit: Callable[[str], bool],
    warnings: list[MappingWarning],
) -> Iterator[_Leaf]:
    """Flatten objects to any depth, in the record's order; nulls are left out.

    A loop with its own stack: nesting is bounded by the parser, but not by Python's call stack.
    """
    joined = 0
    stack: list[tuple[str, str, Iterator[tuple[str, object]]]] = [
        ("", parent, iter(fields.items()))
    ]
    while stack:
        prefix, place, items = stack[-1]
        for key, value in items:
            if value is None or (not prefix and omit(key)):
                continue
            name = key.translate(_FORBIDDEN) or "_"
            source = f"{place}.{key}"
            if name != key:
                message = f"a name may not be empty or hold $, ., NUL or brackets; sent as {name!r}"
                warnings.append(MappingWarning("key_renamed", source, message))
            if prefix:
                name = f"{prefix}_{name}"
                joined += len(name) + len(source)
                if joined > _JOINED_LIMIT:
                    message = "nested too widely to be flattened; this and what follows is left out"
                    warnings.append(MappingWarning("unsupported_value", parent, message))
                    return
            if isinstance(value, dict):
                stack.append((name, source, iter(value.items())))
                break
            yield _Leaf(name, source, value, not prefix, not prefix and name == key)
        else:
            stack.pop()


def _value(value: object) -> tuple[PropertyValue, bool] | None:
    """The value Wootric takes, and whether it is a date; None where it can't be one."""
    if isinstance(value, str):
        moment = dates.parse_iso_day(value)
        return (value, False) if moment is None else (dates.unix_seconds(moment), True)
    if isinstance(value, list):
        if any(isinstance(item, dict | list) for item in value):
            return None
        return ", ".join(_text(item) for item in value if item is not None), False
    return _scalar(value), False


def _scalar(value: object) -> PropertyValue:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # 3.0 and 3 are one number in JSON, and so in the published destination.
        return int(value) if value.is_integer() and abs(value) < _INT64 else decimal_text(value)
    return value if isinstance(value, int) else str(value)


def _text(value: object) -> str:
    return str(_scalar(value))


def decimal_text(number: float) -> str:
    """The shortest decimal digits that give `number` back, without an exponent.

    >>> decimal_text(0.1), decimal_text(3.0), decimal_text(1e-7), decimal_text(1e21)
    ('0.1', '3', '0.0000001', '1000000000000000000000')
    """
    if isinstance(number, int):
        return str(number)
    text = format(Decimal(repr(number)), "f")
    return text.removesuffix(".0")
