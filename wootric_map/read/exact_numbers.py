"""Numbers keep all the digits that a line has, although the fast parser makes floats of long ones.

This matters for ids, since two users must never become one, and for integers beyond 64 bits anywhere in the
traits and properties. Other numbers stay floats, as they are in the published destination.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from wootric_map.read.json_text import parse_value

_ZERO_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_LONG: Final = b"0" * 20
_LONG_NEGATIVE: Final = b"-" + b"0" * 19
"""The fewest digits of an integer beyond 64 bits, each digit written as 0."""
_LARGEST: Final = b"18446744073709551615"
_LARGEST_NEGATIVE: Final = b"9223372036854775808"
"""The digits of the largest integers of 64 bits, upwards and downwards."""

_DEEPEST: Final = 100
"""Levels of objects and lists that are searched for integers beyond 64 bits."""
_MOST_DIGITS: Final = 1_000
"""An integer with more digits becomes text."""

_IDS: Final = ("userId", "anonymousId", "previousId", "messageId")

_NUMBER: Final = re.compile(
    rb'((?:"(?:[^"\\]++|\\.)*+"?|[^"0-9-]++)*+)(-?[0-9]++(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+|\Z)',
    re.DOTALL,
)
"""A number (group 2) and what precedes it from the number before on (group 1); at the end, no number."""

_Quote: TypeAlias = Callable[[re.Match[bytes]], bytes]
"""Returns a match of `_NUMBER` with the number as a JSON text, or unchanged."""


def has_long_integer(line: bytes) -> bool:
    """Tell whether a line may hold an integer beyond 64 bits, which the fast parser makes a float."""
    digits = line.translate(_ZERO_DIGITS)
    return _LONG in digits or _LONG_NEGATIVE in digits


def with_exact_numbers(line: bytes, data: object) -> object:
    """Return `data` with the digits that the line has, for ids and for integers beyond 64 bits.

    Ids that are floats become text. An ordinary record (`ordinary_record.is_ordinary`) without large numbers
    (`ordinary_record.has_large_number`) needs no such correction.

    Args:
        line: a line of an export.
        data: the line's JSON, as `json_lines.parse_roughly` returns it; changed in place.
    """
    if isinstance(data, dict):
        if has_long_integer(line):
            exact = _reread(line, _quote_long_integer)
            for record, its_exact in zip(_records(data), _records(exact), strict=True):
                _restore_traits_and_properties(record, its_exact)
        if _has_float_id(data):
            exact = _reread(line, _quote_number)
            for record, its_exact in zip(_records(data), _records(exact), strict=True):
                for field in _IDS:
                    if isinstance(value := record.get(field), float):
                        record[field] = _decimal_text(its_exact[field], value)
    return data


def restore_long_integers(text: bytes, value: dict[str, Any]) -> None:
    """Put the integers beyond 64 bits back that became floats in an object.

    Args:
        text: the object's JSON.
        value: the object, as the fast parser reads it; changed in place.
    """
    if has_long_integer(text):
        _restore(value, _reread(text, _quote_long_integer))


def _reread(line: bytes, quote: _Quote) -> dict[str, Any]:
    """Return the object on a line with the numbers that `quote` picks as text."""
    data = parse_value(_NUMBER.sub(quote, line))
    return data if isinstance(data, dict) else {}


def _quote_number(found: re.Match[bytes]) -> bytes:
    before, number = found.groups()
    return b'%b"%b"' % (before, number) if number else before


def _quote_long_integer(found: re.Match[bytes]) -> bytes:
    before, number = found.groups()
    if number[:1] == b"-":
        largest, digits = _LARGEST_NEGATIVE, number[1:]
    else:
        largest, digits = _LARGEST, number
    is_long = digits.isdigit() and (len(digits), digits) > (len(largest), largest)
    return b'%b"%b"' % (before, number) if is_long else found[0]


def _has_float_id(data: Mapping[str, Any]) -> bool:
    """Tell whether an id of a record, or of an element of a batch, is a float."""
    get = data.get
    # Written out, since this is asked for most lines.
    return (
        type(get("userId")) is float
        or type(get("anonymousId")) is float
        or type(get("messageId")) is float
        or type(get("previousId")) is float
        or (
            "batch" in data
            and any(type(each.get(field)) is float for each in _records(data) for field in _IDS)
        )
    )


def _decimal_text(literal: object, value: float) -> str:
    """Return all digits of a number, without an exponent and without trailing zeros.

    Args:
        literal: the number as the line has it.
        value: the number as a float.
    """
    if not (isinstance(literal, str) and value):
        return "0"
    # The exponent of a double that is not zero is too small to make this long.
    text = format(Decimal(literal), "f")
    return text.rstrip("0").removesuffix(".") if "." in text else text


def _restore_traits_and_properties(record: dict[str, Any], exact: Mapping[str, Any]) -> None:
    """Put the integers beyond 64 bits back into a record's traits and properties.

    Args:
        record: a record; changed in place.
        exact: the same record with these integers as text.
    """
    for field in ("traits", "properties"):
        if field in record:
            _restore(record[field], exact[field])
    context = record.get("context")
    if isinstance(context, dict) and "traits" in context:
        _restore(context["traits"], exact["context"]["traits"])


def _restore(value: object, exact: object) -> None:
    """Put the integers beyond 64 bits back in place of the floats that they became.

    Args:
        value: a JSON value; changed in place.
        exact: the same value with these integers as text.
    """
    level: list[tuple[Any, Any]] = [(value, exact)]
    for _ in range(_DEEPEST):
        below: list[tuple[Any, Any]] = []
        for container, its_exact in level:
            if isinstance(container, dict):
                items: Iterable[tuple[Any, Any]] = container.items()
            elif isinstance(container, list):
                items = enumerate(container)
            else:
                continue
            for key, each in items:
                if isinstance(each, float) and isinstance(its_exact[key], str):
                    digits = its_exact[key]
                    container[key] = int(digits) if len(digits) <= _MOST_DIGITS else digits
                elif isinstance(each, dict | list):
                    below.append((each, its_exact[key]))
        level = below


def _records(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the object on a line, and the elements of its batch."""
    batch = data.get("batch")
    elements = batch if isinstance(batch, list) else ()
    return [record for record in (data, *elements) if isinstance(record, dict)]
