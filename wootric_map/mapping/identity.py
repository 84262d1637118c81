"""The user that a record names: userId, email, phone, creation date and language (segment.md 4)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from wootric_map.model import MappingWarning, WarningCode
from wootric_map.read.placeholders import is_placeholder, placeholder_warning
from wootric_map.read.record import NO_FIELDS, Fields, Group, Identify, Record, Track
from wootric_map.values import dates
from wootric_map.values.contact import email_in, phone_in, plain_email
from wootric_map.values.json_values import decimal_text
from wootric_map.values.trait_names import spelled

CREATED: Final = ("created", "createdAt")
"""The traits that hold the creation date; the first one that can be read counts (segment.md 4)."""

WOOTRIC_ID: Final = re.compile(r"[1-9][0-9]{0,17}")
"""Wootric's own id of an end user, as text."""

_EMAIL_PLACES: Final = ("traits", "context.traits", "properties", "userId")


class Origin(NamedTuple):
    """Where a field of a user came from."""

    source: str
    """The place in the record, such as `traits.createdAt`."""
    original: object
    """The value at that place."""


class User(NamedTuple):
    """What a record itself says of its user."""

    user_id: str | None = None
    """The customer's id of the user, Wootric's `external_id`."""
    email: str | None = None
    phone: str | None = None
    wootric_id: str | None = None
    """Wootric's own id of the user."""
    created_at: int | None = None
    """Unix seconds."""
    language: str | None = None

    @property
    def identified(self) -> bool:
        """Whether the record names its user by anything that Wootric knows (segment.md 2, `unidentified`)."""
        return bool(self.user_id or self.email or self.phone or self.wootric_id)


def looks_like_email(text: str) -> bool:
    """Tell whether a text has something, `@`, something, `.` and something, in this order (segment.md 4)."""
    at, dot = text.find("@", 1), text.rfind(".", 0, -1)
    return 0 < at < dot - 1


class Named(NamedTuple):
    """The user that a record names, and where in the record."""

    user: User
    origins: Mapping[str, Origin]
    """Where the fields of `user` came from, by Wootric's names for the fields."""
    warnings: list[MappingWarning]

    @property
    def email_from(self) -> str | None:
        """The place of the email: `traits`, `context.traits`, `properties` or `userId`; None without one."""
        origin = self.origins.get("email")
        if origin is None:
            return None
        return next(place for place in _EMAIL_PLACES if origin.source.startswith(place))

    @property
    def may_be_other(self) -> bool:
        """Whether the email is a property of the event, and so may be another person's."""
        return self.email_from == "properties"


def user_of(record: Record) -> Named:
    """Return the user that a record names by itself, without what other records say (segment.md 4)."""
    origins: dict[str, Origin] = {}
    warnings: list[MappingWarning] = []
    record_user_id, context = record.user_id, record.context
    language_fields = traits = NO_FIELDS
    if isinstance(record, Identify):
        language_fields = traits = record.traits
        parent = record.parent
        email = _email(traits, parent, origins, warnings)
    elif isinstance(record, Group):
        parent, email = "traits", None  # its traits are the group's
    else:
        of_context = context.get("traits")
        if of_context and isinstance(of_context, dict):
            traits = of_context
        parent = "context.traits"
        properties = record.properties
        email = _email(traits, parent, origins, warnings) if traits else None
        if email is None and properties:
            email = _email(properties, "properties", origins, warnings)
        # The language of a track stands in its properties (segment.md 4, last line).
        language_fields = properties if isinstance(record, Track) else traits
    user_id = None
    if record_user_id:
        if email is None and "@" in record_user_id and looks_like_email(record_user_id):
            email = email_in(record_user_id)
            if email is not None:
                origins["email"] = Origin("userId", record_user_id)
        # White space is not an id: Wootric does not keep it, and several users would share it.
        if not record_user_id.isspace():
            origins["external_id"] = Origin("userId", record_user_id)
            user_id = record_user_id
    phone = created_at = None
    if traits:
        keys = spelled(traits)
        if "created" in keys or "createdat" in keys:
            created_at = _created_at(traits, keys, parent, origins, warnings)
        if "phone" in keys:
            phone = _phone(traits, parent, origins, warnings)
    language = language_fields.get("language")
    if language is not None and not (isinstance(language, str) and language):
        language = None
    external_ids = context.get("externalId")
    wootric_id = _wootric_id(external_ids) if external_ids else None
    user = User(user_id, email, phone, wootric_id, created_at, language)
    return Named(user, origins, warnings)


def any_user_of(record: Record) -> Named:
    """Return the user that a record names, also by what ties nobody: who said no is looked for by all.

    A group call ties its user to nobody by its `context.traits`, which yet are the user's.
    """
    if isinstance(record, Group) and isinstance(traits := record.context.get("traits"), dict):
        record = Identify(*record[:5], traits, "context.traits")
    return user_of(record)


_NO_DATES: Final[tuple[object, ...]] = (None, "")
"""Values that are not even a wrong creation date."""
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})
"""Values that say nothing. PHP writes an empty object as a list."""


def _spellings(fields: Fields, name: str, empty: tuple[object, ...] = _EMPTY) -> Iterator[str]:
    """Yield the keys that spell a trait and have a value: the exact spelling, then in the record's order.

    Args:
        fields: traits or properties.
        name: the trait's name.
        empty: the values that do not count.
    """
    if fields.get(name) not in empty:
        yield name
    for key in spelled(fields).get(name.lower(), ()):
        if key != name and fields[key] not in empty:
            yield key


def _email(
    fields: Fields, parent: str, origins: dict[str, Origin], warnings: list[MappingWarning]
) -> str | None:
    """Return the trimmed email of traits or properties, or None if there is none (segment.md 4).

    Args:
        fields: traits or properties.
        parent: the place of `fields` in the record.
        origins: gets the origin of the email.
        warnings: gets a warning about each `email` that is not an email.
    """
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
    """Return the first creation date that can be read, in unix seconds (segment.md 4 and 5).

    False and empty text give a warning only if nothing else does.

    Args:
        traits: an identify's traits, or a context's.
        keys: the traits' keys by their spelling.
        parent: the place of the traits in the record.
        origins: gets the origin of the date.
        warnings: gets the warnings about dates that can't be read or are not plausible.
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
        for key in _spellings(traits, name, _NO_DATES):
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
        value: a value from a record's JSON.

    Returns:
        Unix seconds, or the code of the warning if `value` is not a plausible creation date.
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
    """Find the creation date in the trait of one name.

    Args:
        traits: an identify's traits.
        name: the trait's name, one of `CREATED`.

    Returns:
        The key as the record spells it, the value, and the unix seconds; None if there is no plausible date.
    """
    for key in _spellings(traits, name, _NO_DATES):
        seconds = created_seconds(traits[key])
        if isinstance(seconds, int):
            return key, traits[key], seconds
    return None


def _phone(
    traits: Fields, parent: str, origins: dict[str, Origin], warnings: list[MappingWarning]
) -> str | None:
    """Return the phone number of traits as text, or None if there is none (segment.md 4).

    Args:
        traits: an identify's traits, or a context's.
        parent: the place of the traits in the record.
        origins: gets the origin of the phone number.
        warnings: gets a warning about each `phone` that is not a phone number.
    """
    for key in _spellings(traits, "phone"):
        value, place = traits[key], f"{parent}.{key}"
        phone, text = phone_of(value), _text(value)
        if phone is not None:
            origins["phone_number"] = Origin(place, value)
            return phone
        if text is not None and is_placeholder(text):
            warnings.append(placeholder_warning(place, text))
        else:
            message = "no phone that can be called: left out; write it in digits, as in +1 555 0100"
            warnings.append(MappingWarning("invalid_phone", place, message))
    return None


def phone_of(value: object) -> str | None:
    """Return the phone number that a trait's value is, or None if it is not one (segment.md 4 and 8)."""
    text = _text(value)
    return None if text is None or is_placeholder(text) else phone_in(text)


def _wootric_id(external_ids: object) -> str | None:
    """Return Wootric's id of the user if `context.externalId` names one, else None (segment.md 4)."""
    for each in external_ids if isinstance(external_ids, list) else ():
        if isinstance(each, dict) and each.get("type") == "wootricEndUserId":
            number = _text(each.get("id"))
            # The id becomes a part of an address: anything but an integer could lead elsewhere.
            if number and WOOTRIC_ID.fullmatch(number):
                return number
    return None


def _text(value: object) -> str | None:
    """Return text without surrounding white space, or a number as text; None for anything else."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return decimal_text(value)
    return None
