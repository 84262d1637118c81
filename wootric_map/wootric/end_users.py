"""End users in Wootric's replies (wootric.md 3), read with care, since a reply may hold anything."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, isfinite
from typing import Any, Final, NamedTuple

from wootric_map.model import EndUser
from wootric_map.survey_calls import SETTINGS
from wootric_map.values.dates import parse_iso_day
from wootric_map.values.json_values import decimal_text
from wootric_map.wootric.replies import is_too_deep

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_ZONE: Final = re.compile(r" ?(?:UTC|([+-][0-9]{2}:?[0-9]{2}))$")
"""A time zone as Ruby writes it: ` -0800` or ` UTC`."""

_LARGEST: Final = 2**63 - 1
_LAST_SECOND: Final = 253_402_300_799
"""The last second of the year 9999; a greater number is not in seconds."""


class Place(NamedTuple):
    """The place of an end user in the list, which is in the order of creation."""

    created_at: int
    """When the end user was created: unix time in whole seconds."""
    id: int


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the reading of the list has come."""

    created_at: int
    """The latest second, as unix time, in which an end user that was read was created."""
    ids: frozenset[int]
    """The ids of the end users created in that second that were read."""


def end_user_from(reply: Any) -> EndUser:
    """Return the end user in the JSON of a reply.

    Properties may come as text (wootric.md 3). If that text is no JSON object, the end user's properties are
    marked as unknown.

    Raises:
        ValueError: the JSON is no end user.
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
            has_surveys_off=_are_off(reply.get("settings")),
        )
    except (
        AttributeError,
        KeyError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError("it is no end user") from error


def _are_off(settings: object) -> bool:
    """Return whether the settings of an end user say that no survey is sent in any way (wootric.md 8)."""
    return isinstance(settings, dict) and all(settings.get(each) is False for each in SETTINGS)


def _object_in(text: str) -> dict[str, Any] | None:
    """Return the JSON object in a text; None if the text is no JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and not is_too_deep(found) else None


def place_of(row: Mapping[str, Any]) -> Place:
    """Return where an end user stands in the list.

    The row's `created_at` may be unix seconds, as a number or text, or an ISO 8601 time, also in the form
    that Ruby writes (`2014-12-05 10:42:51 -0800`).

    Raises:
        ValueError: the id or the time is missing or can't be read.
    """
    number = integer(row.get("id"))
    if number is None:
        raise ValueError("its id is missing or no whole number")
    created_at = seconds(row.get("created_at"))
    if created_at is None:
        raise ValueError("its created_at is missing or no time")
    return Place(created_at, number)


def _number(value: object) -> int:
    """Return Wootric's own id of an end user; raise ValueError if the value is no such id."""
    number = integer(value)
    if number is None or number < 1:
        raise ValueError("its id is no positive whole number")
    return number


def integer(value: object) -> int | None:
    """Return a whole number, which may be told as text; None if the value is no such number."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST:
        return None
    return value


def seconds(value: object) -> int | None:
    """Return a time as unix seconds; None if the value is no time."""
    told = integer(value)
    if told is None and isinstance(value, float) and isfinite(value):
        told = floor(value)
    if told is None and isinstance(value, str):
        milliseconds = parse_iso_day(_ZONE.sub(lambda zone: zone[1] or "Z", value.strip()))
        told = None if milliseconds is None else milliseconds // 1000
    return None if told is None or abs(told) > _LAST_SECOND else told


def _held_text(value: object) -> str | None:
    """Return a field as text: Wootric may send an id that looks like a number as a number."""
    return None if value is None else clean(str(value))


def _property_text(value: object) -> str:
    """Return a property as the text that Wootric stores, whatever its type in the JSON."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return decimal_text(value)
    return clean(json.dumps(value, ensure_ascii=False))


def clean(text: str) -> str:
    """Return text that can be encoded: half of a surrogate pair, which a reply may hold, becomes `?`."""
    return text.encode(errors="replace").decode()
