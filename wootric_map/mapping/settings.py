"""A record → the settings that the Wootric destination would hold (segment.md 4 and 6).

Beside the settings stands what the calls need and the settings do not show: the phone, Wootric's own id,
and which properties an end user keeps.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from wootric_map.mapping.properties import (
    MappingWarning,
    Property,
    PropertyValue,
    WarningCode,
    decimal_text,
    map_properties,
    plain_properties,
    stored,
)
from wootric_map.mapping.property_names import AS_WRITTEN, Kinds, Naming
from wootric_map.model_outcome import Skip
from wootric_map.read.record import NO_FIELDS, Fields, Identify, Page, Record, Track
from wootric_map.values import dates
from wootric_map.values.contact import email_in, phone_in, plain_email
from wootric_map.values.placeholders import is_placeholder, placeholder_warning
from wootric_map.values.trait_names import spelled, spelling

_LEFT_OUT: Final = frozenset({"email", "created", "createdat"})
"""Spellings that are settings of their own and so no properties (segment.md 6)."""

CREATED: Final = ("created", "createdAt")
"""The traits that hold the creation date, the better first (segment.md 4)."""

WOOTRIC_ID: Final = re.compile(r"[1-9][0-9]{0,17}")

_EMAIL_PLACES: Final = ("traits", "context.traits", "properties", "userId")

_NESTING: Final = (dict, list)
_NESTING_LIMIT: Final = 100
"""How deep a page's property may be nested; the JSON writer stops at 254 levels in all."""


class Origin(NamedTuple):
    """Where a value came from."""

    source: str
    """Its place in the record, as in `traits.createdAt`."""
    original: object
    """The value that stands there."""


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


class User(NamedTuple):
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
        return bool(self.user_id or self.email or self.phone or self.wootric_id)


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


# A class's own constructor takes twice as long, and there are several of these a record.
_origin: Callable[[tuple[str, object]], Origin] = partial(tuple.__new__, Origin)
_user: Callable[[tuple[object, ...]], User] = partial(tuple.__new__, User)
_named: Callable[[tuple[object, ...]], Named] = partial(tuple.__new__, Named)
_settings: Callable[[tuple[object, ...]], WootricSettings] = partial(tuple.__new__, WootricSettings)
_mapped: Callable[[tuple[object, ...]], Mapped] = partial(tuple.__new__, Mapped)


def user_of(record: Record) -> Named:
    """Whom a record names, looked at alone (segment.md 4)."""
    origins: dict[str, Origin] = {}
    warnings: list[MappingWarning] = []
    own_id, context = record.user_id, record.context
    spoken = traits = NO_FIELDS
    if isinstance(record, Identify):
        spoken = traits = record.traits
        parent = record.parent
        email = _email(traits, parent, origins, warnings)
    else:
        known = context.get("traits")
        if known and isinstance(known, dict):
            traits = known
        parent = "context.traits"
        properties = record.properties
        email = _email(traits, parent, origins, warnings) if traits else None
        if email is None and properties:
            email = _email(properties, "properties", origins, warnings)
        # The browser reads a track's language from its properties (segment.md 4, last line).
        spoken = properties if isinstance(record, Track) else traits
    user_id = None
    if own_id:
        if email is None and "@" in own_id and looks_like_email(own_id):
            email = email_in(own_id)
            if email is not None:
                origins["email"] = _origin(("userId", own_id))
        # Nothing but blanks is no id: Wootric holds none, and it would be shared by whoever has it.
        if not own_id.isspace():
            origins["external_id"] = _origin(("userId", own_id))
            user_id = own_id
    phone = created_at = None
    if traits:
        keys = spelled(traits)
        if "created" in keys or "createdat" in keys:
            created_at = _created_at(traits, keys, parent, origins, warnings)
        if "phone" in keys:
            phone = _phone(traits, parent, origins, warnings)
    language = spoken.get("language")
    if language is not None and not (isinstance(language, str) and language):
        language = None
    external_ids = context.get("externalId")
    wootric_id = _wootric_id(external_ids) if external_ids else None
    user = _user((user_id, email, phone, wootric_id, created_at, language))
    return _named((user, origins, warnings))


def named_by_user_id(record: Record) -> User | None:
    """Whom a track or page record names, if it says nothing of them but a userId: as most do.

    Any doubt gives None: then `user_of` tells, of which this is a part.
    """
    user_id = record.user_id
    if (
        user_id is None
        or isinstance(record, Identify)
        or not names_user_id_alone(user_id, record.context, record.properties)
    ):
        return None
    return _user((user_id, None, None, None, None, None))


def names_user_id_alone(user_id: str, context: Fields, properties: Fields) -> bool:
    """Whether a track or page record of these says nothing of its user but the userId; doubt is a no."""
    return not (
        "traits" in context
        or "externalId" in context
        or "@" in user_id
        or user_id.isspace()
        or "language" in properties
        or "email" in spelled(properties)
    )


def named_by_email(user_id: str, context: Fields, traits: Fields) -> User | None:
    """Whom an identify names by a userId and the trait `email`, and gives no warning: as most do.

    Any doubt gives None: then `user_of` tells, of which this is a part.
    """
    email, keys, created_at = traits.get("email"), spelled(traits), None
    if (
        not (isinstance(email, str) and plain_email(email))
        or user_id.isspace()
        or "phone" in keys
        or "externalId" in context
    ):
        return None
    if "created" in keys or "createdat" in keys:
        spellings = keys.get("created") or keys["createdat"]
        moment = dates.parse(traits[spellings[0]]) if len(spellings) == 1 else None
        if moment is None:
            return None
        created_at = dates.unix_seconds(moment)
        if not dates.FIRST_DAY_ENDS < created_at < dates.FIRST_OF_2100:
            return None
    language = traits.get("language")
    if not (isinstance(language, str) and language):
        language = None
    return _user((user_id, email, None, None, created_at, language))


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
    user, warnings = _whom(record)
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
    settings = _settings(
        (named_by, user.email, user.created_at, user.language, None, properties, None)
    )
    return _mapped((record, settings, user, kept, tuple(warnings)))


def _map_track(record: Track, naming: Naming) -> Mapped:
    user, warnings = _whom(record)
    properties = None if naming.kinds else plain_properties(record.properties, omit=_omit)
    if properties is None:
        found, more = event_properties(record.properties, naming=naming)
        warnings += more
        properties = {each.name: each.value for each in found}
    settings = _settings((None, user.email, None, user.language, record.event, properties, None))
    return _mapped((record, settings, user, NO_FIELDS, tuple(warnings)))


def _map_page(record: Page) -> Mapped:
    user, warnings = _whom(record)
    info, more = page_info(record)
    settings = _settings((None, None, None, None, None, None, info))
    return _mapped((record, settings, user, NO_FIELDS, (*warnings, *more)))


def _whom(record: Record) -> tuple[User, list[MappingWarning]]:
    """Whom a record names, and what was wrong with that."""
    user_id = record.user_id
    if not isinstance(record, Identify):
        user = named_by_user_id(record)
    else:
        user = named_by_email(user_id, record.context, record.traits) if user_id else None
    if user is not None:
        return user, []
    user, _, warnings = user_of(record)
    return user, warnings


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


_BLANK: Final[tuple[object, ...]] = (None, "")
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})
"""Values that say nothing; PHP writes an empty object as a list."""


def _spellings(fields: Fields, name: str, empty: tuple[object, ...] = _EMPTY) -> Iterator[str]:
    """The keys that spell a trait and are not empty: spelled exactly so, then in the record's order."""
    if fields.get(name) not in empty:
        yield name
    for key in spelled(fields).get(name.lower(), ()):
        if key != name and fields[key] not in empty:
            yield key


def _email(
    fields: Fields, parent: str, origins: dict[str, Origin], warnings: list[MappingWarning]
) -> str | None:
    """The email, trimmed, if a trait or property of that name is one (segment.md 4)."""
    email = fields.get("email")
    if isinstance(email, str) and plain_email(email):
        origins["email"] = _origin((f"{parent}.email", email))
        return email
    if "email" not in spelled(fields):
        return None
    for key in _spellings(fields, "email"):
        value, place = fields[key], f"{parent}.{key}"
        email = email_in(value)
        if email is not None:
            origins["email"] = _origin((place, value))
            return email
        if isinstance(value, str) and is_placeholder(value):
            warnings.append(placeholder_warning(place, value))
        else:
            message = (
                "no email that can be sent to; left out: write one address alone, as in a@b.com"
            )
            warnings.append(MappingWarning("invalid_email", place, message))
    return None


def _created_at(
    traits: Fields,
    keys: Mapping[str, Sequence[str]],
    parent: str,
    origins: dict[str, Origin],
    warnings: list[MappingWarning],
) -> int | None:
    """The creation date in unix seconds: the first that can be one (segment.md 4 and 5).

    What is false or an empty text deserves its warning only where there is nothing better.
    """
    spellings = keys.get("created") or keys["createdat"]
    if len(spellings) == 1:
        key = spellings[0]
        seconds = created_seconds(traits[key])
        if isinstance(seconds, int):
            origins["external_created_at"] = _origin((f"{parent}.{key}", traits[key]))
            return seconds
    empty: str | None = None
    for name in CREATED:
        for key in keys.get(name.lower(), ()):
            if traits[key] == "" or traits[key] is False:
                empty = empty or key
        for key in _spellings(traits, name, _BLANK):
            value, place = traits[key], f"{parent}.{key}"
            seconds = created_seconds(value)
            if isinstance(seconds, int):
                origins["external_created_at"] = _origin((place, value))
                return seconds
            if value is not False:
                warnings.append(MappingWarning(seconds, place, _UNUSABLE_DATES[seconds]))
    if empty is not None and not any(each.code in _UNUSABLE_DATES for each in warnings):
        code: WarningCode = "invalid_created_at"
        warnings.append(MappingWarning(code, f"{parent}.{empty}", _UNUSABLE_DATES[code]))
    return None


def created_seconds(value: object) -> int | WarningCode:
    """Read a creation date (segment.md 5).

    Args:
        value: what JSON held.

    Returns:
        Unix seconds, or the code of the warning where no end user can have been created then.
    """
    moment = dates.parse(value)
    if moment is None:
        return "implausible_created_at" if dates.is_beyond_all(value) else "invalid_created_at"
    seconds = dates.unix_seconds(moment)
    return seconds if dates.is_plausible(seconds) else "implausible_created_at"


_UNUSABLE_DATES: Final[Mapping[WarningCode, str]] = {
    "invalid_created_at": "no date that can be read; the creation date is left out",
    "implausible_created_at": (
        "before the second day of 1970, or after 2099; the creation date is left out: write unix "
        "seconds or milliseconds, or an ISO date"
    ),
}


def created_in(traits: Fields, name: str) -> tuple[str, object, int] | None:
    """Find the creation date that one of `CREATED` holds; None where it holds none that can be one.

    Args:
        traits: an identify's.
        name: of the trait.

    Returns:
        The key as the record spells it, the value, and its unix seconds.
    """
    for key in _spellings(traits, name, _BLANK):
        seconds = created_seconds(traits[key])
        if isinstance(seconds, int):
            return key, traits[key], seconds
    return None


def _phone(
    traits: Fields, parent: str, origins: dict[str, Origin], warnings: list[MappingWarning]
) -> str | None:
    """The phone, as text, if a trait of that name is one (segment.md 4)."""
    for key in _spellings(traits, "phone"):
        value, place = traits[key], f"{parent}.{key}"
        phone, text = _phone_in(value), _text(value)
        if phone is not None:
            origins["phone_number"] = _origin((place, value))
            return phone
        if text is not None and is_placeholder(text):
            warnings.append(placeholder_warning(place, text))
        else:
            message = "no phone that can be called: left out; write it in digits, as in +1 555 0100"
            warnings.append(MappingWarning("invalid_phone", place, message))
    return None


def _phone_in(value: object) -> str | None:
    text = _text(value)
    return None if text is None or is_placeholder(text) else phone_in(text)


def _without_bad_phones(record: Identify, properties: list[Property]) -> list[Property]:
    """The properties but for a trait `phone` that is none (segment.md 7)."""
    traits, parent = record.traits, record.parent
    phones = spelled(traits).get("phone", ())
    bad = {f"{parent}.{key}" for key in phones if _phone_in(traits[key]) is None}
    return [each for each in properties if not (each.top and each.source in bad)]


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
