"""A record → the settings object of the published destination (segment.md 4 and 6).

Calls need more than the settings show: the phone number, Wootric's own id, and the properties that an end
user keeps. `Mapped` holds all of it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from wootric_map.mapping.identity import User, phone_of, user_of
from wootric_map.mapping.plain_properties import plain_properties
from wootric_map.mapping.properties import Property, map_properties, stored
from wootric_map.mapping.property_names import AS_WRITTEN, Kinds, Naming
from wootric_map.model import MappingWarning, Skip
from wootric_map.read.record import NO_FIELDS, Fields, Group, Identify, Page, Record, Track
from wootric_map.values.json_values import PropertyValue
from wootric_map.values.trait_names import spelled, spelling

_LEFT_OUT: Final = frozenset({"email", "created", "createdat"})
"""Spellings of traits that are settings of their own, and so not properties (segment.md 6)."""

GROUP_TRAITS: Final = "group traits"
"""The place of a group's traits, as it is shown: `group traits.name`."""
_NO_GROUP_PROPERTIES: Final = _LEFT_OUT | {"phone"}
"""Spellings of names that no property of a group may have, since they are fields of its members."""

_CONTAINERS: Final = (dict, list)
_DEEPEST: Final = 100
"""Levels of a page's property. The JSON writer stops at 254 levels in all."""


class WootricSettings(NamedTuple):
    """The settings object of the published destination (segment.md 6). None stands for no value."""

    segment_user_id: str | None = None
    email: str | None = None
    created_at: int | None = None
    """Unix seconds."""
    language: str | None = None
    event_name: str | None = None
    properties: Mapping[str, str | int] | None = None
    page_info: Mapping[str, object] | None = None
    group_info: Mapping[str, str | int] | None = None
    """Of a group record, the properties that its traits become in the members (wootric.md 8)."""

    def as_dict(self) -> dict[str, Any]:
        """Return the settings that have a value, by name."""
        return {name: value for name, value in zip(_SETTINGS, self) if value is not None}  # noqa: B905


_SETTINGS: Final = WootricSettings._fields


class Mapped(NamedTuple):
    """A record with its settings, its user and its warnings."""

    record: Record
    settings: WootricSettings
    user: User
    stored: Mapping[str, PropertyValue]
    """For an identify, the properties that its end user keeps (`properties.stored`); for a group record,
    those that the group gives; else empty."""
    warnings: tuple[MappingWarning, ...]


def map_record(record: Record, *, naming: Naming = AS_WRITTEN) -> Mapped:
    """Map one record by itself, without what other records say of its user.

    Args:
        record: a valid record, as `read_line` returns it.
        naming: which properties get an ending for the type of their values.
    """
    if isinstance(record, Identify):
        mapped = _map_identify(record, naming)
    elif isinstance(record, Track):
        mapped = _map_track(record, naming)
    elif isinstance(record, Group):
        mapped = _map_group(record, naming)
    else:
        mapped = _map_page(record)
    if record.warnings:
        return mapped._replace(warnings=(*record.warnings, *mapped.warnings))
    return mapped


def traits_as_properties(
    traits: Fields, *, has_user_id: bool, naming: Naming, parent: str = "traits"
) -> tuple[list[Property], list[MappingWarning]]:
    """Turn the traits of identifies into properties (segment.md 6).

    Args:
        traits: the traits of one identify, or of several folded into one.
        has_user_id: whether there is a `userId`, which replaces a trait `id`.
        naming: which properties get an ending for the type of their values.
        parent: the place of the traits in the record.

    Returns:
        The properties in the traits' order, and the warnings.
    """
    omit = _omit_with_id if has_user_id else _omit
    return map_properties(traits, parent, omit=omit, naming=naming)


def event_properties(
    properties: Fields, *, naming: Naming
) -> tuple[list[Property], list[MappingWarning]]:
    """Turn the properties of a track record into Wootric's (segment.md 6).

    Args:
        properties: the record's `properties`.
        naming: which properties get an ending for the type of their values.

    Returns:
        The properties in the record's order, and the warnings.
    """
    return map_properties(properties, "properties", omit=_omit, naming=naming)


def _map_identify(record: Identify, naming: Naming) -> Mapped:
    user, _, warnings = user_of(record)
    user_id = record.user_id
    stored_properties = None
    if not naming.kinds:  # with kinds, names depend on other records
        omit = omitted(has_user_id=bool(user_id))
        stored_properties = plain_properties(record.traits, omit=omit)
    if stored_properties is not None:
        properties = dict(stored_properties)
    else:
        found, more = traits_as_properties(
            record.traits, has_user_id=bool(user_id), naming=naming, parent=record.parent
        )
        warnings += more
        properties = {each.name: each.value for each in _without_bad_phones(record, found)}
        stored_properties = {each.name: each.value for each in stored(found)}
    if user_id:
        properties["id"] = user_id
    segment_user_id = user_id or record.anonymous_id
    settings = WootricSettings(
        segment_user_id, user.email, user.created_at, user.language, None, properties, None
    )
    return Mapped(record, settings, user, stored_properties, tuple(warnings))


def _map_track(record: Track, naming: Naming) -> Mapped:
    user, _, warnings = user_of(record)
    properties = None if naming.kinds else plain_properties(record.properties, omit=_omit)
    if properties is None:
        found, more = event_properties(record.properties, naming=naming)
        if record.survey is None:  # else its properties go nowhere
            warnings += more
        properties = {each.name: each.value for each in found}
    settings = WootricSettings(
        None, user.email, None, user.language, record.sent_as or record.event, properties, None
    )
    return Mapped(record, settings, user, NO_FIELDS, tuple(warnings))


def group_properties(
    traits: Fields, prefix: str, *, naming: Naming
) -> tuple[list[Property], list[MappingWarning]]:
    """Turn the traits of a group into properties of its members (wootric.md 6 and 8).

    Args:
        traits: the traits, as `Group.traits` has them once the user's rules are applied.
        prefix: how their names begin.
        naming: which properties get an ending for the type of their values.

    Returns:
        The properties in the traits' order, and the warnings; places are those in a group record.
    """
    found, warnings = map_properties(traits, GROUP_TRAITS, omit=_omit_of_group, naming=naming)
    return (
        [each._replace(source=shown_group_place(each.source, prefix)) for each in found],
        [each._replace(field=shown_group_place(each.field, prefix)) for each in warnings],
    )


def shown_group_place(place: str, prefix: str) -> str:
    """Return where a property of a group stands in the group's own record.

    Args:
        place: where it stands among the traits that have the prefix: `group traits.company_name`.
        prefix: the prefix.
    """
    begin = f"{GROUP_TRAITS}.{prefix}_"
    return f"{GROUP_TRAITS}.{place.removeprefix(begin)}" if place.startswith(begin) else place


def _map_group(record: Group, naming: Naming) -> Mapped:
    user, _, warnings = user_of(record)
    found, more = group_properties(record.traits, record.prefix, naming=naming)
    info = {each.name: each.value for each in found}
    settings = WootricSettings(segment_user_id=user.user_id or record.anonymous_id, group_info=info)
    return Mapped(record, settings, user, info, (*warnings, *more))


def _map_page(record: Page) -> Mapped:
    user, _, warnings = user_of(record)
    info, more = page_info(record)
    settings = WootricSettings(None, None, None, None, None, None, info)
    return Mapped(record, settings, user, NO_FIELDS, (*warnings, *more))


def page_address(
    name: str | None, properties: Fields, context: Fields
) -> tuple[object, object, object]:
    """Return the url, name and path that `page_info` has for a page, without the rest (segment.md 6).

    Args:
        name: the record's `name`.
        properties: the record's `properties`.
        context: the record's `context`.
    """
    url, path = properties.get("url"), properties.get("path")
    if not (url and path and type(url) is type(path) is str):
        page = context.get("page")
        of_context = page if isinstance(page, dict) else NO_FIELDS
        url = _own_or_of_context(_unless_too_deep(url), of_context.get("url"))
        path = _own_or_of_context(_unless_too_deep(path), of_context.get("path"))
    return url, name or _unless_too_deep(properties.get("name")), path


def _own_or_of_context(own: object, of_context: object) -> object:
    """Return a page's own value, or the one in `context.page` if the page has none (segment.md 6)."""
    return of_context if own in (None, "") and isinstance(of_context, str) and of_context else own


def page_info(record: Page) -> tuple[dict[str, object], list[MappingWarning]]:
    """Return the `page_info` of a page (segment.md 6), and warnings about values that were left out."""
    warnings: list[MappingWarning] = []
    page = record.context.get("page")
    info: dict[str, object] = {}
    for key, value in record.properties.items():
        if _is_too_deep(value):
            message = f"nested deeper than {_DEEPEST} levels; left out"
            warnings.append(MappingWarning("unsupported_value", f"properties.{key}", message))
        elif value is not None:
            info[key] = value
    for key in ("url", "path"):
        of_context = page.get(key) if isinstance(page, dict) else None
        value = _own_or_of_context(info.get(key), of_context)
        if value is not None:
            info[key] = value
    if name := record.sent_as or record.name:
        info["name"] = name
    if record.category:
        info["category"] = record.category
    return info, warnings


def _without_bad_phones(record: Identify, properties: list[Property]) -> list[Property]:
    """Return the properties without each trait `phone` that is not a phone number (segment.md 7)."""
    traits, parent = record.traits, record.parent
    phones = spelled(traits).get("phone", ())
    bad = {f"{parent}.{key}" for key in phones if phone_of(traits[key]) is None}
    return [each for each in properties if not (each.top and each.source in bad)]


def omitted(*, has_user_id: bool) -> Callable[[str], bool]:
    """Return the function that tells whether a top-level key becomes no property (segment.md 6).

    Args:
        has_user_id: whether there is a `userId`, which replaces a trait `id`.
    """
    return _omit_with_id if has_user_id else _omit


def _omit(key: str) -> bool:
    return spelling(key) in _LEFT_OUT


def _omit_with_id(key: str) -> bool:
    return key == "id" or spelling(key) in _LEFT_OUT


def _omit_of_group(key: str) -> bool:
    return key == "id" or spelling(key) in _NO_GROUP_PROPERTIES


def _unless_too_deep(value: object) -> object:
    """Return a page's value, or None if it is nested too deep to be written."""
    return None if _is_too_deep(value) else value


def _is_too_deep(value: object) -> bool:
    return isinstance(value, _CONTAINERS) and _is_deeper(value, _DEEPEST)


def _is_deeper(value: object, limit: int) -> bool:
    """Tell whether a value has more than `limit` levels; a loop, since Python's call stack ends earlier."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            if isinstance(outer, _CONTAINERS)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return any(isinstance(each, _CONTAINERS) for each in level)


def unidentified(mapped: Mapped) -> Skip | None:
    """Return the skip of a record that names no user by itself, or None if it does (segment.md 2)."""
    if mapped.user.identified:
        return None
    message = "it has no userId, email or phone; Wootric ties nothing to a user before that"
    return Skip("unidentified", mapped.record.type, "userId", message)


def note_kinds(record: Record, kinds: Kinds) -> None:
    """Add the kinds of values of a record's properties to `kinds`, if they are sent (wootric.md 6)."""
    if isinstance(record, Identify):
        kinds.see(record.traits, omitted(has_user_id=bool(record.user_id)))
    elif isinstance(record, Track) and record.survey is None:
        kinds.see(record.properties, omitted(has_user_id=False))
    elif isinstance(record, Group):
        kinds.see(record.traits, _omit_of_group)
