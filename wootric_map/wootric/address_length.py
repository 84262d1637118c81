"""How long the address of a call becomes: servers commonly refuse one of more than 8,000 bytes."""

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import quote_plus

from wootric_map.model import EligibilityCheck, MappingWarning, PageView
from wootric_map.values.json_values import PropertyValue
from wootric_map.wootric.regions import services
from wootric_map.wootric.requests import request

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


def is_short_check(line: bytes, properties: Mapping[str, object]) -> bool:
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


_SHOWN: Final = 80


_SOMEWHERE: Final = services(_ANY_TOKEN)
