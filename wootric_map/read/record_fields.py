"""The fields of a record, each judged by itself (segment.md 1, 2, 5 and 8)."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from wootric_map.model import MappingWarning, Rejection
from wootric_map.read.json_lines import as_object
from wootric_map.read.placeholders import PLACEHOLDERS, placeholder_warning
from wootric_map.values import dates
from wootric_map.values.json_values import decimal_text
from wootric_map.values.trait_names import find

_NO_FIELDS: Final[Mapping[str, Any]] = {}

_OBJECT_FIELDS: Final = ("traits", "properties", "context", "integrations")
"""Fields that must be objects in a record of any type (segment.md 2)."""
_TIME_FIELDS: Final = ("timestamp", "originalTimestamp", "receivedAt", "sentAt")
"""The fields that may hold a record's time; the first that is present counts (segment.md 1)."""
_DAY: Final = 86_400_000
"""Milliseconds by which a record's time may be later than its `receivedAt` (segment.md 5)."""
_LONGEST_QUOTE: Final = 60
"""Characters of a value in a message."""


def identity(value: object) -> str | None:
    """Return an id as text: a number as its decimal text, None for anything else (segment.md 2).

    Empty text counts as absent.
    """
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return decimal_text(value)
    return None


def type_named(data: object) -> str | None:
    """Return the type that a record's JSON names, in lower case, even if the record is not valid."""
    named = data.get("type") if isinstance(data, dict) else None
    return in_lower_case(named) if isinstance(named, str) else None


def in_lower_case(named: str) -> str:
    """Return the type that a record names in lower case."""
    # Only ASCII: `lower` would turn the Kelvin sign into a k.
    return named.lower() if named.isascii() else named


def valid_id(
    data: Mapping[str, Any],
    field: str,
    warnings: list[MappingWarning] | None = None,
    placeholders: Collection[str] = PLACEHOLDERS,
) -> str | None:
    """Return an id of a record, or None if it is absent or a placeholder (segment.md 8, rule 1).

    Args:
        data: the record's JSON.
        field: the name of the id's field, such as `userId`.
        warnings: gets the warning about a placeholder.
        placeholders: the texts that are no ids, trimmed and in lower case.
    """
    value = data.get(field)
    if value is None:
        return None
    text = identity(value)
    if text is None or text.strip().lower() not in placeholders:
        return text
    if warnings is not None:
        warnings.append(placeholder_warning(field, text))
    return None


def objects_of(
    data: Mapping[str, Any],
) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]] | Rejection:
    """Return a record's traits, properties, context and integrations (segment.md 1 and 2).

    A field that is absent is an empty object. The rejection is about the first field that is no object and
    stands for none.
    """
    found = []
    for field in _OBJECT_FIELDS:
        value = data.get(field)
        if value is None or type(value) is dict:
            found.append(value or _NO_FIELDS)
            continue
        held = as_object(value)
        if held is None:
            kind = "text that holds none" if isinstance(value, str) else kind_of(value)
            message = f"must be an object, and this is {kind}; correct it or leave it out"
            return Rejection(f"invalid_{field}", field, message)
        found.append(held)
    traits, properties, context, integrations = found
    return traits, properties, context, integrations


def with_traits_as_object(context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record's context; if its `traits` are text or a list that stands for an object, with that."""
    traits = context.get("traits")
    if not isinstance(traits, str | list) or (held := as_object(traits)) is None:
        return context
    return {**context, "traits": held}


def has_email(traits: Mapping[str, Any]) -> bool:
    """Tell whether traits hold what may be an email."""
    found = find(traits, "email") if traits else None
    return found is not None and isinstance(found.value, str) and "@" in found.value


def time_of(
    data: Mapping[str, Any],
) -> tuple[int | None, tuple[MappingWarning, ...]] | Rejection:
    """Return the time of a record, and the warning `future_timestamp` if its clock was wrong.

    The time is in milliseconds since the epoch, or None if the record has none (segment.md 1). A time more
    than a day after `receivedAt` is wrong, and `receivedAt` takes its place (segment.md 5).
    """
    for field in _TIME_FIELDS:
        value = data.get(field)
        if value is None:
            continue
        time = dates.parse(value)
        if time is None:
            message = f"{quoted(value)} is no date; write it as 2018-08-03T15:28:46.493Z"
            return Rejection("invalid_timestamp", field, message)
        received_at = data.get("receivedAt")
        received = None if received_at == value else dates.parse(received_at)
        if received is None or time - received <= _DAY:
            return time, ()
        message = (
            "more than a day after its receivedAt, so that a clock was wrong; it is ordered by "
            "receivedAt instead"
        )
        return received, (MappingWarning("future_timestamp", field, message),)
    return None, ()


def kind_of(value: object) -> str:
    """Return the words for the kind of a JSON value in a message, such as `a number`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"


def quoted(value: object) -> str:
    """Return a value for a message: as JSON, cut to `_LONGEST_QUOTE`; objects and lists by their kind."""
    if isinstance(value, dict | list):
        return kind_of(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 3]}…"
