"""End users as Wootric tells them (wootric.md 3): read with care, since a reply may hold anything."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, isfinite
from typing import Any, Final, NamedTuple

from wootric_map.model import EndUser
from wootric_map.values.dates import parse_iso_day
from wootric_map.values.json_values import decimal_text

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_ZONE: Final = re.compile(r" ?(?:UTC|([+-][0-9]{2}:?[0-9]{2}))$")
"""A time zone as Ruby writes it: ` -0800` or ` UTC`."""

_LARGEST: Final = 2**63 - 1
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999; a number past it was not in seconds."""


class Place(NamedTuple):
    """What the list of end users goes by, and what tells its rows apart."""

    created_at: int
    """Unix seconds, cut to the second."""
    id: int


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a walk through the list has come."""

    created_at: int
    """The latest second of which an end user is known; unix."""
    ids: frozenset[int]
    """The ids that are known of that second."""


def end_user_from(reply: Any) -> EndUser:
    """An end user out of what Wootric's JSON held.

    Properties may be told as text (wootric.md 3): of a text that is no JSON object they are not known.

    Raises:
        ValueError: it is no end user.
    """
    try:
        told = reply.get("properties") or {}
        properties = _object_in(told) if isinstance(told, str) else told
        created_at = reply.get("external_created_at")
        return EndUser(
            id=_number(reply["id"]),
            email=_held_text(reply.get("email")),
            external_id=_held_text(reply.get("external_id")),
            phone_number=_held_text(reply.get("phone_number")),
            external_created_at=None if created_at in (None, "") else int(created_at),
            properties={
                clean(str(name)): _property_text(value)
                for name, value in (properties or {}).items()
                if value is not None
            },
            knows_properties=properties is not None,
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError("it is no end user") from error


def _object_in(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is; None where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def place_of(row: Mapping[str, Any]) -> Place:
    """Where an end user stands in the list.

    `created_at` may be unix seconds, as a number or text, or an ISO 8601 time, also as Ruby writes it
    (`2014-12-05 10:42:51 -0800`).

    Raises:
        ValueError: the id or the time is missing or can't be read.
    """
    number = _integer(row.get("id"))
    if number is None:
        raise ValueError("its id is missing or no whole number")
    created_at = _seconds(row.get("created_at"))
    if created_at is None:
        raise ValueError("its created_at is missing or no time")
    return Place(created_at, number)


def _number(value: object) -> int:
    """Wootric's own id of an end user."""
    number = _integer(value)
    if number is None or number < 1:
        raise ValueError("its id is no positive whole number")
    return number


def _integer(value: object) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST:
        return None
    return value


def _seconds(value: object) -> int | None:
    seconds = _integer(value)
    if seconds is None and isinstance(value, float) and isfinite(value):
        seconds = floor(value)
    if seconds is None and isinstance(value, str):
        milliseconds = parse_iso_day(_ZONE.sub(lambda zone: zone[1] or "Z", value.strip()))
        seconds = None if milliseconds is None else milliseconds // 1000
    return None if seconds is None or abs(seconds) > _LAST_SECOND else seconds


def _held_text(value: object) -> str | None:
    """A text field; Wootric may tell an id that looks like a number as one.

    Half of a surrogate pair, which a reply may hold, can't be written down.
    """
    return None if value is None else clean(str(value))


def _property_text(value: object) -> str:
    """A property as the text that Wootric stores, whatever JSON tells it as."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return decimal_text(value)
    return clean(json.dumps(value, ensure_ascii=False))


def clean(text: str) -> str:
    """Text that can be written down: a reply may hold half of a surrogate pair."""
    return text.encode(errors="replace").decode()
