"""The length of a call's address: servers commonly refuse an address of more than 8,000 bytes."""

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import quote_plus

from wootric_map.model import EligibilityCheck, MappingWarning, PageView
from wootric_map.values.json_values import PropertyValue
from wootric_map.wootric.regions import services
from wootric_map.wootric.requests import request

LONGEST_ADDRESS: Final = 8_000
"""Bytes of an address that servers commonly accept."""

_ANY_TOKEN: Final = "NPS-EU-00000000"  # noqa: S105 - as long as a token, and nobody's

_SOMEWHERE: Final = services(_ANY_TOKEN)

_FIXED: Final = 1_000
"""Bytes that an address has at most beside the texts of its values and properties."""

_EACH_PROPERTY: Final = 32
"""Bytes that a property takes beside its name and its value."""

_MOST_ENCODED: Final = 12
"""Bytes that a character becomes at most in an address."""

_MOST_ENCODED_ASCII: Final = 3
"""Bytes that an ASCII character becomes at most in an address."""

_LENT: Final = 1_800
"""Bytes of an address that are reserved for the values that the end user adds to a call."""

_SHORT_CHECK: Final = 1_100
"""Bytes of a track record's line whose address is never too long, if it has `_FEW_PROPERTIES` at most: a byte
of the line becomes three at most, and `_LENT` bytes are left."""

_FEW_PROPERTIES: Final = 50
"""Properties, of one value each, that a track record with a short line may have."""

_SHORT_VIEW: Final = 1_600
"""Bytes of a page record's line whose address is never too long."""

_SHOWN: Final = 80
"""Characters of a name that a message shows."""


def is_surely_short(
    texts: Collection[str], properties: int = 0, *, is_lent_more: bool = False
) -> bool:
    """Tell whether an address is surely no longer than `LONGEST_ADDRESS`; false if that is in doubt.

    Args:
        texts: the values and the names of properties in the address.
        properties: how many properties the address has.
        is_lent_more: whether the end user is still to add texts for which `is_little` returns true.
    """
    room = LONGEST_ADDRESS - _FIXED - _EACH_PROPERTY * properties - _LENT * is_lent_more
    return _fits(texts, room)


def is_little(texts: Collection[str]) -> bool:
    """Tell whether the texts that an end user adds to a call fit into the bytes reserved for them."""
    return _fits(texts, _LENT)


def _fits(texts: Collection[str], room: int) -> bool:
    """Tell whether texts surely take no more than `room` bytes in an address."""
    if _MOST_ENCODED * sum(map(len, texts)) <= room:
        return True
    most = (
        len(text) * (_MOST_ENCODED_ASCII if text.isascii() else _MOST_ENCODED) for text in texts
    )
    return sum(most) <= room


def is_short_check(line: bytes, properties: Mapping[str, object]) -> bool:
    """Tell whether a track record's line alone shows that the call's address is short enough.

    The answer also holds if the end user adds texts for which `is_little` returns true.

    Args:
        line: the line of the record.
        properties: the properties of the record; `properties.stay_short` returns true for them.
    """
    return len(line) < _SHORT_CHECK and len(properties) <= _FEW_PROPERTIES


def is_short_view(line: bytes) -> bool:
    """Tell whether a page record's line alone shows that the call's address is short enough."""
    return len(line) < _SHORT_VIEW


def has_room(call: EligibilityCheck | PageView) -> bool:
    """Tell whether a call's address is surely short enough, also with texts that the end user adds.

    `is_little` returns true for these texts.
    """
    texts = _texts_of(call)
    properties = call.properties if isinstance(call, EligibilityCheck) else ()
    return is_surely_short(texts, len(properties), is_lent_more=True)


def _texts_of(call: EligibilityCheck | PageView) -> list[str]:
    """Return the values in a call's address, and the names of those that are no settings of the user."""
    own, values = _values_of(call)
    return [*filter(None, own.values()), *values, *map(str, values.values())]


def _values_of(
    call: EligibilityCheck | PageView,
) -> tuple[Mapping[str, str | None], Mapping[str, PropertyValue]]:
    """Return the values in a call's address by name: those of the user and the event, and all others."""
    if isinstance(call, PageView):
        page = {"url": call.url, "name": call.name, "path": call.path}
        return {"email": call.email}, {name: text for name, text in page.items() if text}
    own = {
        "event": call.event_name,
        "userId": call.external_id,
        "email": call.email,
        "phone": call.phone_number,
        "language": call.language,
    }
    return own, call.properties


def too_long(
    call: EligibilityCheck | PageView, sources: Mapping[str, str] | None = None
) -> MappingWarning | None:
    """Return the warning `call_too_long` if servers may refuse a call's address; else None.

    The warning names the longest value of the call.

    Args:
        call: the call. (A write of an end user has a form, so that its address is always short.)
        sources: where in the record each property stands, by the property's name.
    """
    own, values = _values_of(call)
    count = 0 if isinstance(call, PageView) else len(values)
    if is_surely_short(_texts_of(call), count):
        return None
    size = len(request(call, _SOMEWHERE, _ANY_TOKEN).url)
    if size <= LONGEST_ADDRESS:
        return None
    places = {name: (sources or {}).get(name, f"properties.{name}") for name in values}
    sizes = {places[name]: len(quote_plus(str(value))) for name, value in values.items()}
    for name, text in own.items():
        if text:
            sizes[name] = len(quote_plus(text))
    longest = max(sizes, key=sizes.__getitem__)
    shown = longest if len(longest) <= _SHOWN else f"{longest[:_SHOWN]}…"
    message = (
        f"the address of its call has {size:,} bytes, and servers commonly take no more than "
        f"{LONGEST_ADDRESS:,}; {shown} is the longest of its values, with {sizes[longest]:,}: "
        "shorten it, or leave it out"
    )
    return MappingWarning("call_too_long", longest, message)
