"""What a value is of a person, told by the keys that lead to it."""

import re
from functools import lru_cache
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["email", "phone", "name"]
"""What a value is of a person."""

_PHONES: Final = (
    "phone", "phones", "phonenumber", "phonenumbers", "phoneno", "mobilenumber", "mobileno",
    "cellnumber", "telnumber", "telno", "faxnumber", "faxno", "telefon", "telefono", "msisdn",
)  # fmt: skip
"""What the spelling of a phone's key ends in."""

_PHONE_WORDS: Final = frozenset({"mobile", "mobiles", "cell", "tel", "fax", "whatsapp"})
"""Keys of phones, but only as words of their own: a hotel has no phone in it."""

_NAMES: Final = ("names", "name")

_THINGS: Final = (
    "event", "page", "pageinfo", "plan", "product", "item", "brand", "category", "campaign",
    "company", "organization", "organisation", "domain", "project", "workspace", "tenant", "team",
    "group", "store", "service", "feature", "segment", "template", "library", "version", "browser",
    "school", "university", "city", "region", "state", "country", "language", "currency",
)  # fmt: skip
"""Whose name is no person's."""

_EMAILS: Final = ("email", "emails", "mailaddress", "mailaddresses")
_EMAIL_WORDS: Final = frozenset({"mail", "mails"})
"""Keys of emails, but only as words of their own: airmail has no address."""

_IDS: Final = ("userid", "externalid")

_LONGEST_ENDING: Final = 64
"""Characters of a spelling that its ending is looked for in; more than any above has."""

_CACHEABLE: Final = 128
"""Longer places are not kept: a hostile export must not fill the cache with megabytes of names."""

_KEY_WORD: Final = re.compile(r"[A-Z]?[^\W_A-Z]+|[A-Z]+")
"""A word of a key: `firstName`, `first_name` and `FIRST NAME` have two."""


def kind_of(place: str) -> Kind | Literal["id"] | None:
    """What the value at a place is of a person.

    Names are those of people: `name`, `firstName`, `user_name`, `address.name`, in any spelling
    (segment.md 4); not `event_name`, `company.name`, or a page's. What stands below one is one too.

    Args:
        place: a key, or the keys that lead to the value, as in `properties[address_name]`.

    Returns:
        Its kind; `id` for the customer's own id of a user, which may be an email.
    """
    return _cached(place) if len(place) <= _CACHEABLE else _kind_of(place)


def _kind_of(place: str) -> Kind | Literal["id"] | None:
    ending = word = ""
    for match in _KEY_WORD.finditer(place):
        word = match[0].lower()
        ending = (ending + word)[-_LONGEST_ENDING:]
        if word in _PHONE_WORDS or ending.endswith(_PHONES):
            return "phone"
        if ending.endswith(_NAMES):
            owner = ending.removesuffix("s").removesuffix("name")
            if not owner.endswith(_THINGS):
                return "name"
    if ending.endswith(_EMAILS) or word in _EMAIL_WORDS:
        return "email"
    return "id" if word == "id" or ending.endswith(_IDS) else None


_cached = lru_cache(maxsize=4096)(_kind_of)


def kind_above(place: str) -> str:
    """What of a place tells the kinds of what stands below it: a long key may have many below."""
    kind = kind_of(place)
    return kind if kind in ("phone", "name") else place[-_LONGEST_ENDING:]
