"""The form of a record: all that decides what its line looks like but for the values that stand in it.

A form holds the type of the record, the keys and the types of its traits or properties, and which of the
record's own fields have a value. `values_of` gives the values that fill the line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, TypeAlias

from wootric_map.mapping.calls import page_random
from wootric_map.mapping.identity import looks_like_email
from wootric_map.mapping.record_keys import event_key, line_digest, record_key
from wootric_map.read.record import NO_FIELDS
from wootric_map.values.contact import plain_email

Inside: TypeAlias = tuple[Any, ...]
"""The keys and the types within the objects of an object, at any depth, in the order of the values."""

MOST_VALUES: Final = 90
"""Values of a record that has a form; one with more is mapped by itself."""
MOST_LEVELS: Final = 4
"""Levels of a record that has a form; one with more is mapped by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What the form of a record holds beside its traits or properties; there is one object of each."""

    type: str
    is_email: bool
    """Whether the userId is an email."""
    has_name: bool = False
    has_category: bool = False
    """Whether a page has a name and a category of its own."""
    own_url: bool = True
    own_path: bool = True
    """Whether the url and the path of a page are properties; else they are in the context."""


_BOTH: Final = (False, True)
_IDENTIFIES: Final = tuple(Head("identify", each) for each in _BOTH)
_TRACKS: Final = tuple(Head("track", each) for each in _BOTH)
_PAGES: Final = {each: Head("page", *each) for each in product(_BOTH, repeat=5)}

Values: TypeAlias = tuple[Head, list[str], Mapping[str, Any]]
"""What fills the line of a record: its head, its other values, and its traits or properties."""


def values_of(data: dict[str, Any], line: bytes) -> Values | None:
    """Return what the line of an ordinary record is made of; None if the record has no form.

    Args:
        data: the JSON of a record for which `is_ordinary` is true.
        line: a line that holds this record alone.
    """
    get = data.get
    kind, user_id, context = data["type"], data["userId"], get("context") or NO_FIELDS
    is_email = "@" in user_id
    if is_email and not (plain_email(user_id) and looks_like_email(user_id)):
        return None
    if user_id.isspace() or (context.get("externalId")):
        return None
    if kind == "identify":
        return _IDENTIFIES[is_email], [user_id], get("traits") or NO_FIELDS
    if context.get("traits"):
        return None
    properties = get("properties") or NO_FIELDS
    if kind == "track":
        return _TRACKS[is_email], [user_id, data["event"]], properties
    return _values_of_page(data, line, properties, context, is_email=is_email)


def _values_of_page(
    data: dict[str, Any],
    line: bytes,
    properties: Mapping[str, Any],
    context: Mapping[str, Any],
    *,
    is_email: bool,
) -> Values | None:
    """Return what the line of an ordinary page record is made of; None if the record has no form.

    Args:
        data: the record's JSON.
        line: a line that holds this record alone.
        properties: the record's properties.
        context: the record's context.
        is_email: whether the userId is an email.
    """
    url, path = properties.get("url"), properties.get("path")
    of_context: Mapping[str, Any] = NO_FIELDS
    if not (url and path):
        page = context.get("page")
        of_context = page if type(page) is dict else NO_FIELDS
    name, category = data.get("name"), data.get("category")
    own_url, own_path = bool(url), bool(path)
    message_id = data.get("messageId")
    if message_id:
        anonymous_id = data.get("anonymousId") or None
        key = event_key(message_id, "page", data["userId"], anonymous_id, name or None)
    else:
        key = record_key(None, line_digest(line))
    own = [
        data["userId"],
        page_random(key),
        name or "",
        category or "",
        "" if url else of_context.get("url"),
        "" if path else of_context.get("path"),
    ]
    if not (own_url and own_path):
        for each, is_own in ((own[-2], own_url), (own[-1], own_path)):
            if not is_own and not (type(each) is str and each):
                return None
    return _PAGES[is_email, bool(name), bool(category), own_url, own_path], own, properties


def places_of_objects(first: int, types: tuple[type, ...]) -> tuple[int, ...]:
    """Return the places of the objects among values, the first of which has the place `first`."""
    return tuple([place for place, kind in enumerate(types, first) if kind is dict])


def inside(values: list[Any], objects: tuple[int, ...], level: int = 1) -> Inside | None:
    """Return the form within some objects; None if it has too many levels.

    Args:
        values: gets the values within these objects, each object's own before those further in.
        objects: the places of the objects in `values`.
        level: how many levels stand above the objects.
    """
    found: list[Any] = []
    for place in objects:
        fields = values[place]
        types = tuple(map(type, fields.values()))
        first = len(values)
        values += fields.values()
        found += (tuple(fields), types)
        if dict in types:
            inner = places_of_objects(first, types)
            further = inside(values, inner, level + 1) if level < MOST_LEVELS else None
            if further is None:
                return None
            found += further
    return tuple(found)
