"""A record → the settings that the Wootric destination would hold (segment.md 4 and 6).

Beside the settings stands what the calls need and the settings do not show: the phone, Wootric's own id,
and where each value came from.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from wootric_map import dates
from wootric_map.outcome import Skip
from wootric_map.properties import MappingWarning, Property, decimal_text, map_properties
from wootric_map.record import Fields, Identify, Page, Record, Track
from wootric_map.spelling import Found, find, spelling

_LEFT_OUT: Final = frozenset({"email", "created", "createdat"})
"""Spellings that are settings of their own and so no properties (segment.md 6)."""

CREATED: Final = ("created", "createdAt")
"""The traits that hold the creation date, the better first (segment.md 4)."""
_CREATED: Final = frozenset(map(str.lower, CREATED))

WOOTRIC_ID: Final = re.compile(r"[1-9][0-9]{0,17}")

_EMAIL_PLACES: Final = ("traits", "context.traits", "properties", "userId")

_NESTING_LIMIT: Final = 100
"""How deep a page's property may be nested; the JSON writer stops at 254 levels in all."""


class Origin(NamedTuple):
    """Where a value came from."""

    source: str
    """Its place in the record, as in `traits.createdAt`."""
    original: object
    """The value that stands there."""


@dataclass(frozen=True, slots=True)
class WootricSettings:
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
        return {
            name: value for name in self.__slots__ if (value := getattr(self, name)) is not None
        }


@dataclass(frozen=True, slots=True)
class User:
    """Whom a record is about: what it says itself of its end user."""

    user_id: str | None = None
    """The customer's own id, Wootric's `external_id`."""
    email: str | None = None
    phone: str | None = None
    wootric_id: str | None = None
    """Wootric's own id of the end user."""
    created_at: int | None = None
    """Unix seconds."""
    language: str | None = None

    @property
    def identified(self) -> bool:
        """Whether anything could tie the record to an end user (segment.md 2, `unidentified`)."""
        return bool(self.email or self.phone or self.user_id or self.wootric_id)


@dataclass(frozen=True, slots=True)
class Mapped:
    """A record as Wootric is to see it."""

    record: Record
    settings: WootricSettings
    user: User
    properties: tuple[Property, ...]
    """The properties of `settings`, with where each came from."""
    origins: Mapping[str, Origin]
    """Where the fields of `user` came from, under Wootric's names for them."""
    warnings: tuple[MappingWarning, ...]


def map_record(record: Record, *, amount_suffix: bool = False) -> Mapped:
    """Map one record, looked at alone.

    Args:
        record: as `read_line` gives it.
        amount_suffix: give integer properties whose key lacks it the ending `_amount`.
    """
    if isinstance(record, Identify):
        return _map_identify(record, amount_suffix)
    if isinstance(record, Track):
        return _map_track(record, amount_suffix)
    return _map_page(record)


def looks_like_email(text: str) -> bool:
    """Something, `@`, something, `.`, something (segment.md 4)."""
    at, dot = text.find("@", 1), text.rfind(".", 0, -1)
    return 0 < at < dot - 1


class Named(NamedTuple):
    """Whom a record names, and how."""

    user: User
    origins: Mapping[str, Origin]
    """Where the fields of `user` came from, under Wootric's names for them."""
    warnings: list[MappingWarning]

    @property
    def email_from(self) -> str | None:
        """Where the email stands: `traits`, `context.traits`, `properties` or `userId`."""
        origin = self.origins.get("email")
        if origin is None:
            return None
        return next(place for place in _EMAIL_PLACES if origin.source.startswith(place))

    @property
    def may_be_other(self) -> bool:
        """Whether its email is a property of the event, and so perhaps not its user's."""
        return self.email_from == "properties"


def user_of(record: Record) -> Named:
    """Whom a record names, looked at alone (segment.md 4)."""
    origins: dict[str, Origin] = {}
    warnings: list[MappingWarning] = []
    if isinstance(record, Identify):
        traits, parent = record.traits, "traits"
        email = _email(record, ((traits, parent),), origins)
    else:
        known = record.context.get("traits")
        traits, parent = (known if isinstance(known, dict) else {}), "context.traits"
        places = ((traits, parent), (record.properties, "properties"))
        email = _email(record, places, origins)
    user = _user(record, traits, parent, email, origins, warnings)
    return Named(user, origins, warnings)


def traits_as_properties(
    traits: Fields, *, has_user_id: bool, amount_suffix: bool
) -> tuple[list[Property], list[MappingWarning]]:
    """The properties that an identify's traits become (segment.md 6).

    Args:
        traits: of one identify, or of several folded into one.
        has_user_id: whether a `userId` takes the place of a trait `id`.
        amount_suffix: give integer properties whose key lacks it the ending `_amount`.
    """
    omit = _omit_with_id if has_user_id else _omit
    return map_properties(traits, "traits", omit=omit, amount_suffix=amount_suffix)


def event_properties(
    properties: Fields, *, amount_suffix: bool
) -> tuple[list[Property], list[MappingWarning]]:
    """The properties that a track record's become (segment.md 6); arguments as above."""
    return map_properties(properties, "properties", omit=_omit, amount_suffix=amount_suffix)


def _map_identify(record: Identify, amount_suffix: bool) -> Mapped:
    user, origins, warnings = user_of(record)
    properties, more = traits_as_properties(
        record.traits, has_user_id=bool(record.user_id), amount_suffix=amount_suffix
    )
    if record.user_id:
        properties.append(Property("id", record.user_id, "userId", record.user_id))
    settings = WootricSettings(
        segment_user_id=record.user_id or record.anonymous_id,
        email=user.email,
        created_at=user.created_at,
        language=user.language,
        properties={each.name: each.value for each in properties},
    )
    return Mapped(record, settings, user, tuple(properties), origins, (*warnings, *more))


def _map_track(record: Track, amount_suffix: bool) -> Mapped:
    user, origins, warnings = user_of(record)
    properties, more = event_properties(record.properties, amount_suffix=amount_suffix)
    settings = WootricSettings(
        email=user.email,
        language=user.language,
        event_name=record.event,
        properties={each.name: each.value for each in properties},
    )
    return Mapped(record, settings, user, tuple(properties), origins, (*warnings, *more))


def _map_page(record: Page) -> Mapped:
    user, origins, warnings = user_of(record)
    info, more = page_info(record)
    settings = WootricSettings(page_info=info)
    return Mapped(record, settings, user, (), origins, (*warnings, *more))


def page_info(record: Page) -> tuple[dict[str, object], list[MappingWarning]]:
    """A page's `page_info` (segment.md 6), and what had to be left out of it."""
    warnings: list[MappingWarning] = []
    page = record.context.get("page")
    info: dict[str, object] = {}
    for key, value in record.properties.items():
        if _nested_past(value, _NESTING_LIMIT):
            message = f"nested deeper than {_NESTING_LIMIT} levels; left out"
            warnings.append(MappingWarning("unsupported_value", f"properties.{key}", message))
        elif value is not None:
            info[key] = value
    for key in ("url", "path"):
        known = page.get(key) if isinstance(page, dict) else None
        if isinstance(known, str) and known and info.get(key) in (None, ""):
            info[key] = known
    if record.name:
        info["name"] = record.name
    if record.category:
        info["category"] = record.category
    return info, warnings


def _user(
    record: Record,
    traits: Fields,
    parent: str,
    email: str | None,
    origins: dict[str, Origin],
    warnings: list[MappingWarning],
) -> User:
    # Nothing but blanks is no id: Wootric holds none, and it would be shared by whoever has it.
    user_id = record.user_id if record.user_id and not record.user_id.isspace() else None
    if user_id:
        origins["external_id"] = Origin("userId", user_id)
    created_at = None
    created = _created(traits)
    if created is not None:
        moment = dates.parse(created.value)
        place = f"{parent}.{created.key}"
        if moment is None:
            message = "no date that can be read; the creation date is left out"
            warnings.append(MappingWarning("invalid_created_at", place, message))
        else:
            created_at = dates.unix_seconds(moment)
            origins["external_created_at"] = Origin(place, created.value)
    phone = None
    found = find(traits, "phone")
    if found and (phone := _text(found.value)):
        origins["phone_number"] = Origin(f"{parent}.{found.key}", found.value)
    # The browser reads a track's language from its properties (segment.md 4, last line).
    spoken = record.properties if isinstance(record, Track) else traits
    language = spoken.get("language")
    return User(
        user_id=user_id,
        email=email,
        phone=phone,
        wootric_id=_wootric_id(record.context.get("externalId")),
        created_at=created_at,
        language=language if isinstance(language, str) and language else None,
    )


def _email(
    record: Record, places: Iterable[tuple[Fields, str]], origins: dict[str, Origin]
) -> str | None:
    """The email from the first place that has one, else a user id that looks like one."""
    for fields, parent in places:
        found = find(fields, "email")
        if found and isinstance(found.value, str) and not found.value.isspace():
            origins["email"] = Origin(f"{parent}.{found.key}", found.value)
            return found.value
    if record.user_id and looks_like_email(record.user_id):
        origins["email"] = Origin("userId", record.user_id)
        return record.user_id
    return None


def _created(traits: Fields) -> Found | None:
    """The creation date as it stands: `created`, else `createdAt` (segment.md 4)."""
    empty = None
    for name in CREATED:
        found = find(traits, name)
        if found and found.value is not False:
            return found
        empty = empty or found
    # What is there and says nothing still deserves its warning.
    blank = (key for key, value in traits.items() if value == "" and spelling(key) in _CREATED)
    key = next(blank, None)
    return empty or (None if key is None else Found(key, ""))


def _wootric_id(external_ids: object) -> str | None:
    """The end user's id, where `context.externalId` names one (segment.md 4)."""
    for each in external_ids if isinstance(external_ids, list) else ():
        if isinstance(each, dict) and each.get("type") == "wootricEndUserId":
            number = _text(each.get("id"))
            # Wootric's ids are integers; anything else would only be a path that leads elsewhere.
            if number and WOOTRIC_ID.fullmatch(number):
                return number
    return None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return decimal_text(value)
    return None


def _omit(key: str) -> bool:
    return spelling(key) in _LEFT_OUT


def _omit_with_id(key: str) -> bool:
    return key == "id" or spelling(key) in _LEFT_OUT


def _nested_past(value: object, limit: int) -> bool:
    """Whether `value` is nested deeper than `limit`; a loop, since it may pass Python's stack too."""
    if not isinstance(value, dict | list):
        return False
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
