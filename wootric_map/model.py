"""The calls a record becomes: pure data, with their HTTP form (wootric.md 3 and 5)."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import quote_plus

import orjson

from wootric_map.mapping.properties import MappingWarning, PropertyValue, decimal_text
from wootric_map.mapping.settings import Mapped
from wootric_map.read.record import Fields, Identify, Page, Track
from wootric_map.values.key_cache import KeyTable
from wootric_map.wootric.regions import Services, services

Pairs: TypeAlias = list[tuple[str, str]]
"""Names and values, in the order they are sent."""

_CACHEABLE: Final = 128
"""Longer texts are not kept: a hostile export must not fill the cache with megabytes of them."""

_ENCODED: Final = {chr(code): quote_plus(chr(code)) for code in range(128)}
_TO_ENCODE: Final = re.compile(r"[^A-Za-z0-9_.~-]")
_to_encode: Final = _TO_ENCODE.search

_LONGEST_KEY: Final = 200
"""Characters; of a longer message id a digest stands for it."""

LONGEST_ADDRESS: Final = 8_000
"""Bytes; servers commonly take no more than these."""
_ANY_TOKEN: Final = "NPS-EU-00000000"  # noqa: S105 - as long as a token is, and nobody's
_FIXED: Final = 1_000
"""Bytes that all of an address but the texts of its values and properties comes to at most."""
_EACH_PROPERTY: Final = 32
"""Bytes that a property takes beside its name and value."""
_MOST_ENCODED: Final = 12
"""Bytes that a character may become in an address; one of ASCII becomes `_MOST_ENCODED_ASCII` at most."""
_MOST_ENCODED_ASCII: Final = 3
_LENT: Final = 1_800
"""Bytes of an address that are left for what a call is lent of its end user."""
_SHORT_CHECK: Final = 1_100
_FEW_PROPERTIES: Final = 50
_SHORT_VIEW: Final = 1_600
"""Bytes of a line, and properties of one value each, of which no address is longer than `LONGEST_ADDRESS`:
a byte of a line becomes three at most, and `_LENT` are left."""

LookUpKey: TypeAlias = Literal["id", "external_id", "email", "phone_number"]

USUAL_RATE: Final = 100.0
"""Calls a minute that many endpoints allow an account (wootric.md 4)."""


class HttpCall(NamedTuple):
    """A request as it goes over the wire, but for the bearer token."""

    method: str
    url: str
    form: Mapping[str, str] | None = None
    """What a POST or PUT carries, form-encoded."""

    def __repr__(self) -> str:
        """The call without its form, which may hold a secret."""
        return f"HttpCall({self.method} {self.url.partition('?')[0]})"


# The class's own constructor takes twice as long.
_http_call: Callable[[tuple[object, ...]], HttpCall] = partial(tuple.__new__, HttpCall)


@dataclass(frozen=True, slots=True)
class EndUserUpsert:
    """An end user as Wootric should hold it; None, or an absent property, is left as it is."""

    email: str | None = None
    external_id: str | None = None
    phone_number: str | None = None
    external_created_at: int | None = None
    """Unix seconds."""
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    wootric_id: str | None = None
    """Wootric's own id, where it is known; never sent as a field."""

    def look_up_keys(self) -> Iterator[tuple[LookUpKey, str]]:
        """What they are looked up by, in this order; who has an email is not looked up by phone."""
        if self.wootric_id:
            yield "id", self.wootric_id
        if self.external_id:
            yield "external_id", self.external_id
        if self.email:
            yield "email", self.email
        elif self.phone_number:
            yield "phone_number", self.phone_number

    @property
    def look_ups(self) -> int:
        """How many look-ups it takes to know that Wootric does not hold them."""
        return sum(1 for _ in self.look_up_keys())

    def fields(self) -> Pairs:
        """The form of `POST /end_users` and `PUT /end_users/{id}`."""
        own = self.email, self.external_id, self.phone_number, self.external_created_at
        return list(_end_user_form(own, self.properties).items())

    def create(self, services: Services) -> HttpCall:
        """The call that creates the end user."""
        return HttpCall("POST", f"{services.rest}/end_users", dict(self.fields()))

    def update(self, services: Services, wootric_id: int) -> HttpCall:
        """The call that changes the end user with that id."""
        return HttpCall("PUT", f"{services.rest}/end_users/{wootric_id}", dict(self.fields()))


@dataclass(frozen=True, slots=True)
class EndUser:
    """An end user as Wootric holds them, of which a plan compares these fields."""

    id: int
    email: str | None
    external_id: str | None
    phone_number: str | None
    external_created_at: int | None
    """Unix seconds."""
    properties: Mapping[str, str]
    knows_properties: bool = True
    """Whether `properties` are those that Wootric holds; it may tell them as text that nobody can read."""

    def holds(self, field: str, value: str | int) -> bool:
        """Whether a field has this value; a number and its text are equal, and emails in any case."""
        held = getattr(self, field)
        if field == "email":
            return comparable(str(value)) == comparable(held)
        return held is not None and str(value) == str(held)

    def holds_property(self, name: str, value: PropertyValue) -> bool:
        """The same of a property."""
        held = self.properties.get(name)
        return held is not None and str(value) == str(held)


NOBODY: Final = EndUser(0, None, None, None, None, {})
"""An end user of whom Wootric holds nothing."""


@dataclass(frozen=True, slots=True)
class EligibilityCheck:
    """A track record, as Wootric's kits report it (wootric.md 5)."""

    event_name: str
    email: str | None = None
    external_id: str | None = None
    phone_number: str | None = None
    end_user_created_at: int | None = None
    """Unix seconds."""
    language: str | None = None
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)

    def call(self, services: Services, account_token: str | None) -> HttpCall:
        """The request; without an account token it shows all but that."""
        own = (
            account_token,
            self.email,
            self.event_name,
            self.external_id,
            self.phone_number,
            self.end_user_created_at,
            self.language or None,
        )
        return _eligibility_check(services, own, self.properties)


@dataclass(frozen=True, slots=True)
class PageView:
    """A page record, as the page pixel takes it (wootric.md 5)."""

    random: str
    """Keeps a cache from answering for Wootric; the same record always has the same."""
    email: str | None = None
    created_at: int | None = None
    """Unix seconds."""
    url: str | None = None
    name: str | None = None
    path: str | None = None

    def call(self, services: Services, account_token: str | None) -> HttpCall:
        """The request; without an account token it shows all but that."""
        own = (
            account_token,
            self.email,
            self.created_at,
            self.url,
            self.random,
            self.name or None,
            self.path or None,
        )
        return _page_view(services, own)


Call: TypeAlias = EndUserUpsert | EligibilityCheck | PageView


def event_name(call: EligibilityCheck | PageView) -> str | None:
    """The event that a call asks about; None of a page view."""
    return call.event_name if isinstance(call, EligibilityCheck) else None


def call_for(mapped: Mapped, key: str) -> Call:
    """The call that one record makes, taken alone.

    Args:
        mapped: the record.
        key: as `record_key` gives it.
    """
    record, settings, user = mapped.record, mapped.settings, mapped.user
    email = trimmed(user.email)
    if isinstance(record, Identify):
        return EndUserUpsert(
            email=email,
            external_id=user.user_id,
            phone_number=user.phone,
            external_created_at=user.created_at,
            properties=mapped.stored,
            wootric_id=user.wootric_id,
        )
    if isinstance(record, Track):
        return EligibilityCheck(
            event_name=record.event,
            email=email,
            external_id=user.user_id,
            phone_number=user.phone,
            end_user_created_at=user.created_at,
            language=user.language,
            properties=settings.properties or {},
        )
    info = settings.page_info or {}
    return page_view(
        key,
        email=email,
        created_at=user.created_at,
        url=info.get("url"),
        name=info.get("name"),
        path=info.get("path"),
    )


def page_view(
    key: str, *, email: str | None, created_at: int | None, url: object, name: object, path: object
) -> PageView:
    """A page view; what is no text or number in it is left out.

    Args:
        key: as `record_key` gives it.
        email: its user's.
        created_at: its user's, in unix seconds.
        url: the page's.
        name: the page's.
        path: the page's.
    """
    return PageView(_random(key), email, created_at, plain(url), plain(name), plain(path))


def _random(key: str) -> str:
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def event_key_of(record: Track | Page, line: bytes) -> str:
    """Return the key of a track or page record that is looked at alone.

    Args:
        record: the record.
        line: its line, for one without a `messageId`.
    """
    if record.message_id is None:
        return record_key(None, line_digest(line))
    name = record.event if isinstance(record, Track) else record.name
    return event_key(record.message_id, record.type, record.user_id, record.anonymous_id, name)


def record_key(message_id: str | None, digest: bytes) -> str:
    """What tells a record from every other.

    Args:
        message_id: the record's, if it has one.
        digest: of its line, where it has none.
    """
    if message_id is None:
        return digest.hex()
    if len(message_id) <= _LONGEST_KEY:
        return message_id
    return hashlib.blake2b(message_id.encode(), digest_size=16).hexdigest()


def event_key(
    message_id: str, kind: str, user_id: str | None, anonymous_id: str | None, name: str | None
) -> str:
    """Return what tells a track or page record with a `messageId` from every other (segment.md 2).

    Args:
        message_id: the record's.
        kind: `track` or `page`.
        user_id: the record's.
        anonymous_id: the record's.
        name: the event, or the page's name.
    """
    told = orjson.dumps([message_id, kind, user_id, anonymous_id, name])
    return hashlib.blake2b(told, digest_size=16).hexdigest()


def line_digest(line: bytes) -> bytes:
    """A digest of a record's line, for `record_key`."""
    return hashlib.blake2b(line, digest_size=16).digest()


def request(call: Call, services: Services, account_token: str | None) -> HttpCall:
    """The HTTP form of a call; an end user's is that of its creation."""
    if isinstance(call, EndUserUpsert):
        return call.create(services)
    return call.call(services, account_token)


def request_for(
    mapped: Mapped, line: bytes, services: Services, account_token: str | None
) -> HttpCall:
    """The HTTP form of the call that one record makes: `request` of `call_for`, in half the time.

    Args:
        mapped: the record.
        line: its line, for the key of one without a messageId.
        services: where to.
        account_token: the account's; None to show all but that.
    """
    record, settings, user, kept, _ = mapped
    user_id, email, phone, _, created_at, language = user
    email = trimmed(email)
    if isinstance(record, Track):
        check = account_token, email, record.event, user_id, phone, created_at, language
        return _eligibility_check(services, check, settings.properties or {})
    if isinstance(record, Identify):
        form = _end_user_form((email, user_id, phone, created_at), kept)
        return _http_call(("POST", f"{services.rest}/end_users", form))
    key = event_key_of(record, line)
    info = settings.page_info or {}
    url, name, path = plain(info.get("url")), plain(info.get("name")), plain(info.get("path"))
    return _page_view(services, (account_token, email, created_at, url, _random(key), name, path))


def is_surely_short(
    texts: Collection[str], properties: int = 0, *, is_lent_more: bool = False
) -> bool:
    """Tell whether an address that holds these cannot be longer than `LONGEST_ADDRESS`; doubt is a no.

    Args:
        texts: the values and the properties' names that stand in it.
        properties: how many properties it has.
        is_lent_more: whether the call is still to be lent what `is_little` says yes of.
    """
    room = LONGEST_ADDRESS - _FIXED - _EACH_PROPERTY * properties - _LENT * is_lent_more
    return _fits(texts, room)


def is_little(texts: Collection[str]) -> bool:
    """Tell whether the texts that an end user lends a call leave it as short as it seemed without them."""
    return _fits(texts, _LENT)


def _fits(texts: Collection[str], room: int) -> bool:
    """Tell whether texts are surely no longer than this many bytes in an address."""
    if _MOST_ENCODED * sum(map(len, texts)) <= room:
        return True
    most = (
        len(text) * (_MOST_ENCODED_ASCII if text.isascii() else _MOST_ENCODED) for text in texts
    )
    return sum(most) <= room


def is_short_check(line: bytes, properties: Fields) -> bool:
    """Tell whether a track record's line alone shows that its call is no longer than `LONGEST_ADDRESS`.

    Also with what its user lends it, if that `is_little`.

    Args:
        line: the record's.
        properties: the record's, of which `properties.stay_short` says yes.
    """
    return len(line) < _SHORT_CHECK and len(properties) <= _FEW_PROPERTIES


def is_short_view(line: bytes) -> bool:
    """Tell of a page record what `is_short_check` tells of a track record."""
    return len(line) < _SHORT_VIEW


def too_long(
    call: EligibilityCheck | PageView, sources: Mapping[str, str] | None = None
) -> MappingWarning | None:
    """Warn of a call whose address is longer than servers take, and tell which of its values is the longest.

    Args:
        call: an end user's is no such call, since it carries its values in a form.
        sources: where in the record each property stands, by its name.
    """
    if isinstance(call, PageView):
        own = {"email": call.email}
        told = {"url": call.url, "name": call.name, "path": call.path}
        values: Mapping[str, PropertyValue] = {name: text for name, text in told.items() if text}
        count = 0
    else:
        own = {
            "event": call.event_name,
            "userId": call.external_id,
            "email": call.email,
            "phone": call.phone_number,
            "language": call.language,
        }
        values = call.properties
        count = len(values)
    texts = [*filter(None, own.values()), *values, *map(str, values.values())]
    if is_surely_short(texts, count):
        return None
    size = len(call.call(_SOMEWHERE, _ANY_TOKEN).url)
    if size <= LONGEST_ADDRESS:
        return None
    places = {name: (sources or {}).get(name, f"properties.{name}") for name in values}
    sizes = {places[name]: len(_encoded(str(value))) for name, value in values.items()}
    for name, text in own.items():
        if text:
            sizes[name] = len(_encoded(text))
    longest = max(sizes, key=sizes.__getitem__)
    shown = longest if len(longest) <= _SHOWN else f"{longest[:_SHOWN]}…"
    message = (
        f"the address of its call has {size:,} bytes, and servers commonly take no more than "
        f"{LONGEST_ADDRESS:,}; {shown} is the longest of its values, with {sizes[longest]:,}: "
        "shorten it, or leave it out"
    )
    return MappingWarning("call_too_long", longest, message)


_SHOWN: Final = 80
_SOMEWHERE: Final = services(_ANY_TOKEN)


def trimmed(email: str | None) -> str | None:
    """An email as it is sent and compared: without white space around it."""
    return email.strip() if email else None


def comparable(email: str | None) -> str:
    """What two spellings of one email share."""
    return (email or "").strip().lower()


def form_encoded(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values as a query or form has them: as `urlencode` writes it, in a fifth of the time."""
    return "&".join([f"{_encoded(name)}={_encoded(value)}" for name, value in pairs])


def _encoded(text: str) -> str:
    if _to_encode(text) is None:
        return text
    return _cached(text) if len(text) <= _CACHEABLE else quote_plus(text)


def _quoted(text: str) -> str:
    return _TO_ENCODE.sub(_of_ascii, text) if text.isascii() else quote_plus(text)


def _of_ascii(character: re.Match[str]) -> str:
    return _ENCODED[character[0]]


_cached = lru_cache(maxsize=4096)(_quoted)


_Values: TypeAlias = tuple[str | int | None, ...]
"""Those of the fields below, in their order; None is left out."""


def _end_user_form(own: _Values, properties: Mapping[str, PropertyValue]) -> dict[str, str]:
    form = {
        name: str(value)
        for name, value in zip(_END_USER_FIELDS, own, strict=True)
        if value is not None
    }
    form.update(
        zip(_PROPERTY_FIELDS[tuple(properties)], map(str, properties.values()), strict=True)
    )
    return form


def _eligibility_check(
    services: Services, own: _Values, properties: Mapping[str, PropertyValue]
) -> HttpCall:
    names = _CHECK_FIELDS_WITH[tuple(properties)]
    query = _query(names, (*own, *properties.values()))
    return _http_call(("GET", f"{services.eligibility}/eligible.json?{query}", None))


def _page_view(services: Services, own: _Values) -> HttpCall:
    return _http_call(("GET", f"{services.pixel}?{_query(_PAGE_FIELDS, own)}", None))


def _query(names: Iterable[str], values: _Values) -> str:
    """What is given, as `urlencode` writes it, in a fifth of the time.

    Args:
        names: as `_before_values` gives them.
        values: theirs.
    """
    return "&".join(
        [
            name + _encoded(str(value))
            for name, value in zip(names, values, strict=True)
            if value is not None
        ]
    )


def property_field(name: str) -> str:
    """The name that a property has in a form."""
    return f"properties[{name}]"


_END_USER_FIELDS: Final = ("email", "external_id", "phone_number", "external_created_at")


def _before_values(names: Iterable[str]) -> tuple[str, ...]:
    """What stands before each value in a query."""
    return tuple(f"{_encoded(name)}=" for name in names)


_CHECK_FIELDS: Final = _before_values(
    (
        "account_token",
        "email",
        "event_name",
        "external_id",
        "phone_number",
        "end_user_created_at",
        "language[code]",
    )
)
_PAGE_FIELDS: Final = _before_values(
    ("account_token", "email", "created_at", "url", "random", "page_info[name]", "page_info[path]")
)
_PROPERTY_FIELDS: Final = KeyTable(lambda names: tuple(map(property_field, names)))
_CHECK_FIELDS_WITH: Final = KeyTable(
    lambda names: _CHECK_FIELDS + _before_values(map(property_field, names))
)


def plain(value: object) -> str | None:
    """A page's value as it is sent: text, or a number as text; anything else is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return decimal_text(value)
    return value if isinstance(value, str) and value else None
