"""JSON values as Wootric takes them, and the kind of each (wootric.md 6)."""

from decimal import Decimal
from math import floor
from typing import Final, TypeAlias

from wootric_map.values import dates

PropertyValue: TypeAlias = str | int
"""The values that Wootric takes: text, an integer, or a date as unix seconds."""

_INT64: Final = 2**63
_UINT64: Final = 2**64

_CONTAINERS: Final = (dict, list)

# The kinds of values, each one bit, so that a mask holds all kinds that one name was seen with.
INTEGER: Final = 1
NUMBER: Final = 2
"""A number that is not an integer."""
TEXT: Final = 4
"""Text that is not a date, or true or false."""
LIST: Final = 8
DATE: Final = 16
"""Text that is a date (segment.md 5, last paragraph)."""

_SMALLEST_OF_TEN_DIGITS: Final = 1_000_000_000
_SMALLEST_OF_ELEVEN_DIGITS: Final = 10_000_000_000


def fits(name: str, kind: int, value: PropertyValue | list[str]) -> bool:
    """Tell whether a value has the type that the end of its name promises (wootric.md 6).

    Args:
        name: the property's name, which ends in `_amount` or `_date`.
        kind: the value's kind, as `read_value` returns it.
        value: the value as it is sent.
    """
    if name.endswith("_amount"):
        return kind == INTEGER or (kind == NUMBER and isinstance(value, int))
    return isinstance(value, int) and _SMALLEST_OF_TEN_DIGITS <= value < _SMALLEST_OF_ELEVEN_DIGITS


def rounded(number: float) -> PropertyValue:
    """Round to the nearest integer; halves go up, as in the rounding of seconds (segment.md 5).

    A number beyond 64 bits has no fraction: its decimal text is returned.
    """
    if abs(number) >= _INT64:
        return decimal_text(number)
    whole = floor(number)
    return whole + (number - whole >= 0.5)  # noqa: PLR2004


def read_value(value: object) -> tuple[int, PropertyValue | list[str]] | None:
    """Return the kind of a value and the value as Wootric takes it; None if it can't be a property.

    Args:
        value: a value from a record's JSON that is neither null nor an object.

    Returns:
        A list becomes the list of its elements as text, a date unix seconds, and an integer beyond 64 bits
        its digits. A list that holds objects or lists can't be a property.
    """
    if isinstance(value, str):
        moment = dates.parse_iso_day(value) if value[4:5] == "-" else None
        return (TEXT, value) if moment is None else (DATE, dates.unix_seconds(moment))
    if isinstance(value, list):
        texts = []
        for item in value:
            if isinstance(item, str):
                texts.append(item)
            elif isinstance(item, _CONTAINERS):
                return None
            elif item is not None:
                texts.append(str(_scalar(item)))
        return LIST, texts
    found = _scalar(value)
    if isinstance(found, int) or type(value) is int:
        return INTEGER, found
    return (TEXT if isinstance(value, bool) else NUMBER), found


def _scalar(value: object) -> PropertyValue:
    """Return a text, number or truth value as Wootric takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # JSON does not tell 3.0 from 3, and neither does the published destination.
        return int(value) if value.is_integer() and abs(value) < _INT64 else decimal_text(value)
    if isinstance(value, int):
        return value if -_INT64 <= value < _UINT64 else str(value)
    return str(value)


def decimal_text(number: float) -> str:
    """Return the shortest decimal text that reads back as `number`, without an exponent.

    >>> decimal_text(0.1), decimal_text(3.0), decimal_text(1e-7), decimal_text(1e21)
    ('0.1', '3', '0.0000001', '1000000000000000000000')
    """
    if isinstance(number, int):
        return str(number)
    text = repr(number)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


def first(*values: int | None) -> int | None:
    """Return the first of `values` that is not None (0 counts), or None if there is none."""
    return next((value for value in values if value is not None), None)
