"""Personal data as short keyed hashes: emails, phones and names, wherever they stand.

Some are told by where they stand, under `phone` or `First Name`; others by their form, as in
`/users/ada%40example.com` or an error that repeats what it was sent. Where in doubt, it is hidden.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Final, Literal, Self, TypeAlias
from urllib.parse import quote_plus, unquote, unquote_plus

from wootric_map.mapping.identity import looks_like_email
from wootric_map.values.contact import comparable
from wootric_map.values.json_values import decimal_text

Kind: TypeAlias = Literal["email", "phone", "name"]
"""What a value is of a person."""

_DIGEST_BYTES: Final = 6
"""With fewer, some two of a million emails would be shown as one."""

_HIDDEN: Final = re.compile(r"(?:email|phone|name):[0-9a-f]{12}")

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

_EMAILS: Final = ("email", "emails", "emailaddress", "emailaddresses")
_IDS: Final = ("userid", "externalid")

_LONGEST_ENDING: Final = 64
"""Characters of a spelling that its ending is looked for in; more than any above has."""

_CACHEABLE: Final = 128
"""Longer places are not kept: a hostile export must not fill the cache with megabytes of names."""

_KEY_WORD: Final = re.compile(r"[A-Z]?[^\W_A-Z]+|[A-Z]+")
"""A word of a key: `firstName`, `first_name` and `FIRST NAME` have two."""

# Each of these takes a text run by run and never looks at a character twice: no export can make
# them slow.
_PAIRS: Final = re.compile(r'[^\s"<>?&#;]+')
_WORD: Final = re.compile(
    r"""
    "[^"\n]{1,64}"@[^\s"<>()\[\],;:/?&=→…\x00-\x1f\x7f]+
    | (?: [^\s"<>()\[\],;:/?&=→…\x00-\x1f\x7f] | [/?&=](?=@|%(?:25)*40) )+
    """,
    re.VERBOSE,
)
"""What an email would have to stand in alone; first the rare form `"Ada Lovelace"@example.com`."""
_EMAIL: Final = re.compile(r".(?:@|%(?:25)*40).", re.DOTALL)
"""In a word: something, an `@` however often it was encoded, something."""
_PHONE: Final = re.compile(r"(?:[+＋]|%(?:25)*2[Bb])(?:[ \t\xa0().\-/]{0,3}\d){7,}")  # noqa: RUF001

_MARKS: Final = "'`*#!.{}"
"""What may stand around an email and is no part of it."""

_CUT: Final = re.compile(r" \([\d,]+ characters\)| is no ")
"""What follows the `…` of a value that was cut."""

_BREAKS: Final = ' \n\t"'

_DECODINGS: Final = 5
"""How often a text may have been percent-encoded to be taken apart; emails are found in any case."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """Hides personal data; the same value is always shown as the same hash under one key."""

    key: bytes = field(repr=False)
    """At most 64 bytes."""

    @classmethod
    def keyed(cls, secret: bytes) -> Self:
        """A redaction under a secret of any length.

        Raises:
            ValueError: it is empty, so that everybody could find out whose hash it is.
        """
        if not secret.strip():
            raise ValueError("the key is empty")
        return cls(blake2b(secret, digest_size=32).digest())

    def value(self, place: str, value: Any) -> Any:
        """A value with all that is personal in it hidden, at any depth.

        Args:
            place: the keys that lead to it, as in `traits.address.name`; empty where none does.
            value: as it comes out of JSON; it is left as it is.
        """
        if isinstance(value, Mapping):
            keys, above = self.keys(value), _above(place)
            return {keys[key]: self.value(f"{above}.{key}", each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(place, each) for each in value]
        if isinstance(value, str):
            return self._standing_at(place, value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            kind = kind_of(place)
            return self._hash(kind, decimal_text(value)) if kind in ("phone", "name") else value
        return value

    def keys(self, keys: Iterable[str]) -> dict[str, str]:
        """What each key is shown as; no two as the same."""
        shown: dict[str, str] = {}
        taken: set[str] = set()
        for key in keys:
            name = hidden = self.text(key)
            number = len(taken)
            while name in taken:
                name, number = f"{hidden}#{number}", number + 1
            taken.add(name)
            shown[key] = name
        return shown

    def text(self, text: str) -> str:
        """A text with the emails, the phones that begin with `+`, and the personal parts of URLs hidden.

        What it has hidden it leaves as it is.
        """
        return self._text(text, _DECODINGS)

    def _text(self, text: str, decodings: int) -> str:
        if "=" in text:
            text = _PAIRS.sub(lambda run: self._pairs(run[0], decodings), text)
        if "@" in text or "40" in text:
            text = _WORD.sub(self._word, text)
        if "+" in text or "%" in text or "＋" in text:  # noqa: RUF001
            text = _PHONE.sub(lambda phone: self._hash("phone", phone[0]), text)
        return _without_cut_words(text) if "…" in text else text

    def _standing_at(self, place: str, text: str) -> str:
        kind = kind_of(place)
        if kind == "id":
            return self._hash("email", text) if looks_like_email(text) else self.text(text)
        return self._hash(kind, text) if kind else self.text(text)

    def _hash(self, kind: Kind, text: str) -> str:
        if not text.strip() or text in ("true", "false") or _HIDDEN.fullmatch(text):
            return text
        # One value has one hash, wherever it stands: a username may be an email.
        if kind != "email" and _is_email(text):
            kind = "email"
        elif kind == "name" and _PHONE.fullmatch(text.strip()):
            kind = "phone"
        same = _SAME[kind](text).encode(errors="surrogatepass")
        digest = blake2b(
            same, key=self.key, person=kind.encode(), digest_size=_DIGEST_BYTES
        ).hexdigest()
        return f"{kind}:{digest}"

    def _word(self, match: re.Match[str]) -> str:
        word = match[0]
        if "@" not in word and "40" not in word:
            return word
        if not _EMAIL.search(word):
            return word
        core = word.strip(_MARKS)
        if not _EMAIL.search(core):
            core = word  # it is all marks before or behind the @
        before, _, after = word.partition(core)
        return before + self._hash("email", core) + after

    def _pairs(self, run: str, decodings: int) -> str:
        """`key=value`, as queries and forms have it."""
        if "=" not in run:
            return run
        parts = run.split("=")
        shown = [self._part("", parts[0], decodings)]
        for key, value in pairwise(parts):
            shown.append(self._part(unquote_plus(key), value, decodings))
        return "=".join(shown)

    def _part(self, key: str, text: str, decodings: int) -> str:
        """A value as its key tells it; verbatim where it holds nothing to hide."""
        # A plus is a blank in a query, but whoever writes ada+news@example.com means a plus.
        plain = unquote(text)
        if not _is_email(plain):
            plain = unquote_plus(text)
        kind = kind_of(key)
        if kind in ("email", "phone", "name"):
            hidden = self._hash(kind, plain)
        elif kind == "id" and looks_like_email(plain):
            hidden = self._hash("email", plain)
        elif decodings and plain != text:
            hidden = self._text(plain, decodings - 1)
        else:
            return text
        return text if hidden == plain else quote_plus(hidden, ":[]/", errors="replace")


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
    if ending.endswith(_EMAILS):
        return "email"
    return "id" if word == "id" or ending.endswith(_IDS) else None


_cached = lru_cache(maxsize=4096)(_kind_of)


def _above(place: str) -> str:
    """What of a place tells the kinds of what stands below it: a long key may have many below."""
    kind = kind_of(place)
    return kind if kind in ("phone", "name") else place[-_LONGEST_ENDING:]


def _is_email(text: str) -> bool:
    return _WORD.fullmatch(text.strip()) is not None and _EMAIL.search(text.strip()) is not None


def _same_email(text: str) -> str:
    """What two spellings of an email share."""
    for _ in range(_DECODINGS):
        text = unquote(text)
    return comparable(text).strip(_MARKS)


def _same_phone(text: str) -> str:
    """A phone's digits, however they are set apart; all of it where there are none."""
    return "".join(filter(str.isdigit, unquote(text))) or text.strip()


_SAME: Final[Mapping[Kind, Callable[[str], str]]] = {
    "email": _same_email,
    "phone": _same_phone,
    "name": str.strip,
}
"""What the spellings of one value share, of which its hash is made."""


def _without_cut_words(text: str) -> str:
    """Take away words that were cut: one may be the beginning of an email."""
    pieces = text.split("…")
    for index, after in enumerate(pieces[1:]):
        piece = pieces[index]
        if _CUT.match(after):
            pieces[index] = piece[: max(piece.rfind(each) for each in _BREAKS) + 1]
    return "…".join(pieces)
