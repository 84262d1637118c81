"""What is sent for a value, where its type and its place tell nearly all of that.

Each function gives None where it can't tell, and then `mapping.properties` decides.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Any, Final, TypeAlias

from wootric_map.mapping.identity import created_seconds, phone_of
from wootric_map.mapping.property_names import name_of
from wootric_map.values import dates
from wootric_map.values.json_values import PropertyValue, decimal_text, read_value, rounded

Fill: TypeAlias = Callable[[Any], PropertyValue | None]
"""Returns what is sent for a value; None if the shape can't tell."""

_FEWEST: Final = 1_000_000_000
_PAST: Final = 10_000_000_000
"""An integer of ten digits, which a name ending in `_date` promises, lies between these."""


def fill_of(
    name: str, path: tuple[str, ...], value: object, sent: PropertyValue | None
) -> Fill | None:
    """Return what makes the value of a field of a value in the traits; None if it is sent as it is.

    Args:
        name: the field.
        path: the keys that lead to the value.
        value: the value.
        sent: what is sent for the value, if the field is a property.
    """
    if sent is None:
        return _OF_OWN.get(name)
    is_date = "_".join(map(name_of, path)).endswith("_date")
    if isinstance(value, str):
        if isinstance(sent, str):
            return None
        return _date_of_ten_digits if is_date else _date
    if isinstance(value, bool):
        return _truth
    if isinstance(value, int):
        return _of_ten_digits if is_date else _integer
    if isinstance(value, float):
        return _rounded if isinstance(sent, int) else _decimal
    return _joined if name.endswith("_array") else _enumerated


def _created(value: object) -> int | None:
    """Return a creation date as unix seconds."""
    seconds = created_seconds(value)
    return seconds if isinstance(seconds, int) else None


_OF_OWN: Final[Mapping[str, Fill]] = {
    "phone_number": phone_of,
    "external_created_at": _created,
}


def _truth(value: bool) -> str:
    """Return true or false as text."""
    return "true" if value else "false"


def _integer(value: int) -> int | None:
    """Return an integer of 64 bits; others are sent as text."""
    return value if -(2**63) <= value < 2**64 else None


def _of_ten_digits(value: int | None) -> int | None:
    """Return an integer if a name ending in `_date` promises such a one."""
    return value if value is not None and _FEWEST <= value < _PAST else None


def _date(text: str) -> int | None:
    """Return a date as unix seconds."""
    moment = dates.parse_iso_day(text)
    return None if moment is None else dates.unix_seconds(moment)


def _date_of_ten_digits(text: str) -> int | None:
    """Return a date as unix seconds of ten digits."""
    return _of_ten_digits(_date(text))


def _is_fraction(value: float) -> bool:
    """Return whether a number is surely taken for one that is not an integer."""
    return isfinite(value) and not value.is_integer()


def _decimal(value: float) -> str | None:
    """Return a number that is not an integer as text."""
    return decimal_text(value) if _is_fraction(value) else None


def _rounded(value: float) -> PropertyValue | None:
    """Return a number that is not an integer as the nearest integer."""
    return rounded(value) if _is_fraction(value) else None


def _joined(value: list[Any], comma: str = ",") -> str | None:
    """Return a list as text with something between its elements; None if it can't be a property."""
    try:
        return comma.join(value)
    except TypeError:  # not all are texts
        read = read_value(value)
        return comma.join(read[1]) if read and isinstance(read[1], list) else None


_enumerated: Final = partial(_joined, comma=", ")
