"""Whom a record names: their userId, email, phone, creation date and language (segment.md 4)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from wootric_map.model import MappingWarning, WarningCode
from wootric_map.read.placeholders import is_placeholder, placeholder_warning
from wootric_map.read.record import NO_FIELDS, Fields, Identify, Record, Track
from wootric_map.values import dates
from wootric_map.values.contact import email_in, phone_in, plain_email
from wootric_map.values.json_values import decimal_text
from wootric_map.values.trait_names import spelled

CREATED: Final = ("created", "createdAt")
"""The traits that hold the creation date, the better first (segment.md 4)."""


WOOTRIC_ID: Final = re.compile(r"[1-9][0-9]{0,17}")


_EMAIL_PLACES: Final = ("traits", "context.traits", "properties", "userId")


class Origin(NamedTuple):
    """Where a value came from."""

    source: str
    """Its place in the record, as in `traits.createdAt`."""
    original: object
    """The value that stands there."""


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
                origins["email"] = Origin("userId", own_id)
        # Nothing but blanks is no id: Wootric holds none, and it would be shared by whoever has it.
        if not own_id.isspace():
            origins["external_id"] = Origin("userId", own_id)
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
    user = User(user_id, email, phone, wootric_id, created_at, language)
    return Named(user, origins, warnings)


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
        origins["email"] = Origin(f"{parent}.email", email)
        return email
    if "email" not in spelled(fields):
        return None
    for key in _spellings(fields, "email"):
        value, place = fields[key], f"{parent}.{key}"
        email = email_in(value)
        if email is not None:
            origins["email"] = Origin(place, value)
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
            origins["external_created_at"] = Origin(f"{parent}.{key}", traits[key])
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
                origins["external_created_at"] = Origin(place, value)
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
            origins["phone_number"] = Origin(place, value)
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
