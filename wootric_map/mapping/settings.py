"""A record → the settings that the Wootric destination would hold (segment.md 4 and 6).

Beside the settings stands what the calls need and the settings do not show: the phone, Wootric's own id,
and which properties an end user keeps.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from wootric_map.mapping.identity import User, _phone_in, user_of
from wootric_map.mapping.properties import Property, map_properties, plain_properties, stored
from wootric_map.mapping.property_names import AS_WRITTEN, Kinds, Naming
from wootric_map.model import MappingWarning, Skip
from wootric_map.read.record import NO_FIELDS, Fields, Identify, Page, Record, Track
from wootric_map.values.json_values import PropertyValue
from wootric_map.values.trait_names import spelled, spelling

_LEFT_OUT: Final = frozenset({"email", "created", "createdat"})
"""Spellings that are settings of their own and so no properties (segment.md 6)."""


_NESTING: Final = (dict, list)
_NESTING_LIMIT: Final = 100
"""How deep a page's property may be nested; the JSON writer stops at 254 levels in all."""


class WootricSettings(NamedTuple):
    """The settings object of the published destination (segment.md 6); None is left out."""

    segment_user_id: str | None = None
    email: str | None = None
    created_at: int | None = None
    """Unix seconds."""
    language: str | None = None
    event_name: str | None = None
    properties: Mapping[str, str | int] | None = None
    page_info: Mapping[str, object] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The settings that have a value, under their names."""
        return {name: value for name, value in zip(_SETTINGS, self) if value is not None}  # noqa: B905


_SETTINGS: Final = WootricSettings._fields


class Mapped(NamedTuple):
    """A record as Wootric is to see it."""

    record: Record
    settings: WootricSettings
    user: User
    stored: Mapping[str, PropertyValue]
    """Of an identify, those properties of `settings` that its end user keeps."""
    warnings: tuple[MappingWarning, ...]


def map_record(record: Record, *, naming: Naming = AS_WRITTEN) -> Mapped:
    """Map one record, looked at alone.

    Args:
        record: as `read_line` gives it.
        naming: which properties are given the ending of their type.
    """
    if isinstance(record, Identify):
        mapped = _map_identify(record, naming)
    elif isinstance(record, Track):
        mapped = _map_track(record, naming)
    else:
        mapped = _map_page(record)
    if record.warnings:
        return mapped._replace(warnings=(*record.warnings, *mapped.warnings))
    return mapped


def traits_as_properties(
    traits: Fields, *, has_user_id: bool, naming: Naming, parent: str = "traits"
) -> tuple[list[Property], list[MappingWarning]]:
    """The properties that an identify's traits become (segment.md 6).

    Args:
        traits: of one identify, or of several folded into one.
        has_user_id: whether a `userId` takes the place of a trait `id`.
        naming: which properties are given the ending of their type.
        parent: where the traits stand.
    """
    omit = _omit_with_id if has_user_id else _omit
    return map_properties(traits, parent, omit=omit, naming=naming)


def event_properties(
    properties: Fields, *, naming: Naming
) -> tuple[list[Property], list[MappingWarning]]:
    """The properties that a track record's become (segment.md 6); arguments as above."""
    return map_properties(properties, "properties", omit=_omit, naming=naming)


def _map_identify(record: Identify, naming: Naming) -> Mapped:
    user, _, warnings = user_of(record)
    user_id = record.user_id
    kept = None
    if not naming.kinds:  # else a name may depend on the other records
        kept = plain_properties(record.traits, omit=_omit_with_id if user_id else _omit)
    if kept is not None:
        properties = dict(kept)
    else:
        found, more = traits_as_properties(
            record.traits, has_user_id=bool(user_id), naming=naming, parent=record.parent
        )
        warnings += more
        properties = {each.name: each.value for each in _without_bad_phones(record, found)}
        kept = {each.name: each.value for each in stored(found)}
    if user_id:
        properties["id"] = user_id
    named_by = user_id or record.anonymous_id
    settings = WootricSettings(
        named_by, user.email, user.created_at, user.language, None, properties, None
    )
    return Mapped(record, settings, user, kept, tuple(warnings))


def _map_track(record: Track, naming: Naming) -> Mapped:
    user, _, warnings = user_of(record)
    properties = None if naming.kinds else plain_properties(record.properties, omit=_omit)
    if properties is None:
        found, more = event_properties(record.properties, naming=naming)
        warnings += more
        properties = {each.name: each.value for each in found}
    settings = WootricSettings(
        None, user.email, None, user.language, record.event, properties, None
    )
    return Mapped(record, settings, user, NO_FIELDS, tuple(warnings))


def _map_page(record: Page) -> Mapped:
    user, _, warnings = user_of(record)
    info, more = page_info(record)
    settings = WootricSettings(None, None, None, None, None, None, info)
    return Mapped(record, settings, user, NO_FIELDS, (*warnings, *more))


def page_address(
    name: str | None, properties: Fields, context: Fields
) -> tuple[object, object, object]:
    """The url, name and path that a page's `page_info` has, without the rest of it."""
    url, path = properties.get("url"), properties.get("path")
    if not (url and path and type(url) is type(path) is str):
        known = context.get("page")
        of_page = known if isinstance(known, dict) else NO_FIELDS
        url = _own_or_known(_not_too_deep(url), of_page.get("url"))
        path = _own_or_known(_not_too_deep(path), of_page.get("path"))
    return url, name or _not_too_deep(properties.get("name")), path


def _own_or_known(own: object, known: object) -> object:
    """A page's own value, else the one that `context.page` knows (segment.md 6)."""
    return known if own in (None, "") and isinstance(known, str) and known else own


def page_info(record: Page) -> tuple[dict[str, object], list[MappingWarning]]:
    """A page's `page_info` (segment.md 6), and what had to be left out of it."""
    warnings: list[MappingWarning] = []
    page = record.context.get("page")
    info: dict[str, object] = {}
    for key, value in record.properties.items():
        if _is_too_deep(value):
            message = f"nested deeper than {_NESTING_LIMIT} levels; left out"
            warnings.append(MappingWarning("unsupported_value", f"properties.{key}", message))
        elif value is not None:
            info[key] = value
    for key in ("url", "path"):
        value = _own_or_known(info.get(key), page.get(key) if isinstance(page, dict) else None)
        if value is not None:
            info[key] = value
    if record.name:
        info["name"] = record.name
    if record.category:
        info["category"] = record.category
    return info, warnings


def _without_bad_phones(record: Identify, properties: list[Property]) -> list[Property]:
    """The properties but for a trait `phone` that is none (segment.md 7)."""
    traits, parent = record.traits, record.parent
    phones = spelled(traits).get("phone", ())
    bad = {f"{parent}.{key}" for key in phones if _phone_in(traits[key]) is None}
    return [each for each in properties if not (each.top and each.source in bad)]


def omitted(*, has_user_id: bool) -> Callable[[str], bool]:
    """What tells of a key of traits or properties whether it becomes no property (segment.md 6).

    Args:
        has_user_id: whether a `userId` takes the place of a trait `id`.
    """
    return _omit_with_id if has_user_id else _omit


def _omit(key: str) -> bool:
    return spelling(key) in _LEFT_OUT


def _omit_with_id(key: str) -> bool:
    return key == "id" or spelling(key) in _LEFT_OUT


def _not_too_deep(value: object) -> object:
    """A value of a page, if it is not nested too deep to be written."""
    return None if _is_too_deep(value) else value


def _is_too_deep(value: object) -> bool:
    return isinstance(value, _NESTING) and _nested_past(value, _NESTING_LIMIT)


def _nested_past(value: object, limit: int) -> bool:
    """Whether `value` is nested deeper than `limit`; a loop, since it may pass Python's stack too."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def unidentified(mapped: Mapped) -> Skip | None:
    """The skip of a record that, looked at alone, names nobody (segment.md 2)."""
    if mapped.user.identified:
        return None
    message = "it has no userId, email or phone; Wootric ties nothing to a user before that"
    return Skip("unidentified", mapped.record.type, "userId", message)


def note_kinds(record: Identify | Track, kinds: Kinds) -> None:
    """Note the kinds of values that the names of a record's properties have (wootric.md 6).

    Args:
        record: the record.
        kinds: what all records of a run have shown so far.
    """
    if isinstance(record, Identify):
        kinds.see(record.traits, omitted(has_user_id=bool(record.user_id)))
    else:
        kinds.see(record.properties, omitted(has_user_id=False))
