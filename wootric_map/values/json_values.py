"""JSON's values as Wootric takes them, and of what kind each is (wootric.md 6)."""

from decimal import Decimal
from math import floor
from typing import Final, TypeAlias

from wootric_map.values import dates

PropertyValue: TypeAlias = str | int
"""What Wootric takes: text, an integer, or a date as unix seconds."""

_INT64: Final = 2**63
_UINT64: Final = 2**64

_NESTING: Final = (dict, list)

INTEGER: Final = 1
NUMBER: Final = 2
"""A number that is no integer."""
TEXT: Final = 4
"""Text that is no date, or true or false."""
LIST: Final = 8
DATE: Final = 16
"""What kinds of values a name was seen with: bits of a mask."""

_FIRST_OF_TEN_DIGITS: Final = 1_000_000_000
_FIRST_OF_ELEVEN_DIGITS: Final = 10_000_000_000


def fits(name: str, kind: int, value: PropertyValue | list[str]) -> bool:
    """Whether a value is of the type that a name ending in `_amount` or `_date` says (wootric.md 6)."""
    if name.endswith("_amount"):
        return kind == INTEGER or (kind == NUMBER and isinstance(value, int))
    return isinstance(value, int) and _FIRST_OF_TEN_DIGITS <= value < _FIRST_OF_ELEVEN_DIGITS


def rounded(number: float) -> PropertyValue:
    """Round to the nearest integer; halves go up, as those of seconds do.

    Past 64 bits a number has no fraction, and stays the decimal text that it is elsewhere.
    """
    if abs(number) >= _INT64:
        return decimal_text(number)
    whole = floor(number)
    return whole + (number - whole >= 0.5)  # noqa: PLR2004


def read_value(value: object) -> tuple[int, PropertyValue | list[str]] | None:
    """The kind of a value, and what Wootric takes of it; None where it can't be a property.

    Args:
        value: neither null nor an object.

    Returns:
        Of a list, the texts of which it consists; of an integer past 64 bits, its digits.
    """
    if isinstance(value, str):
        moment = dates.parse_iso_day(value) if value[4:5] == "-" else None
        return (TEXT, value) if moment is None else (DATE, dates.unix_seconds(moment))
    if isinstance(value, list):
        texts = []
        for item in value:
            if isinstance(item, str):
                texts.append(item)
            elif isinstance(item, _NESTING):
                return None
            elif item is not None:
                texts.append(str(_scalar(item)))
        return LIST, texts
    found = _scalar(value)
    if isinstance(found, int) or type(value) is int:
        return INTEGER, found
    return (TEXT if isinstance(value, bool) else NUMBER), found


def _scalar(value: object) -> PropertyValue:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # 3.0 and 3 are one number in JSON, and so in the published destination.
        return int(value) if value.is_integer() and abs(value) < _INT64 else decimal_text(value)
    if isinstance(value, int):
        return value if -_INT64 <= value < _UINT64 else str(value)
    return str(value)


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


def first(*values: int | None) -> int | None:
    """The first that is there; 0 is a time like any other."""
    return next((value for value in values if value is not None), None)
