"""Personal data as short keyed hashes: emails, phones and names, wherever they stand.

Some are told by where they stand, under `phone` or `First Name`; others by their form, as in
`/users/ada%40example.com` or an error that repeats what it was sent. Where in doubt, it is hidden.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias
from urllib.parse import quote_plus, unquote, unquote_plus

from wootric_map.mapping.identity import looks_like_email
from wootric_map.redaction.known_values import KnownValues
from wootric_map.redaction.personal_forms import (
    canonical_email,
    canonical_phone,
    is_email,
    is_phone,
    is_told_by_form,
    may_be_personal,
    personal_in,
)
from wootric_map.redaction.plain_text import PlainText
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

# This takes a text run by run and never looks at a character twice: no export can make it slow.
_PAIRS: Final = re.compile(r'[^\s"<>?&#;…]+')

_MAY_BE_FORM: Final = re.compile(r"[@+%&\\\x00-\x08\x0e-\x1b]|[^\x00-\x7e]")
"""What a text has to have in it for an email or a phone to be told by its form."""

_CUT: Final = re.compile(r" \([\d,]+ characters\)| is no ")
"""What follows the `…` of a value that was cut."""

_BREAKS: Final = ' \n\t"'

_DECODINGS: Final = 5
"""How often a text may have been percent-encoded for its pairs to be taken apart."""

_BETWEEN_NAMES: Final = re.compile(r"[\s_.+-]+")
_LONGEST: Final = 4096
"""Characters of a name that is looked at closely."""
_FEWEST_DIGITS: Final = 7
"""Digits of a number that is taken for a phone which was told before."""


class Told(NamedTuple):
    """A value that was hidden, and what was shown in its place."""

    kind: Kind
    value: str
    shown: str


@dataclass(frozen=True, slots=True)
class Redaction:
    """Hides personal data; the same value is always shown as the same hash under one key."""

    key: bytes = field(repr=False)
    """At most 64 bytes."""
    known: KnownValues | None = field(default=None, repr=False, compare=False)
    """What was hidden before, to be hidden wherever it stands; None where each text is taken alone."""
    told: list[Told] | None = field(default=None, repr=False, compare=False)
    """Takes what is hidden, where somebody else is to look for it; what only they can tell is left."""

    @classmethod
    def keyed(cls, secret: bytes) -> Self:
        """A redaction under a secret of any length.

        Raises:
            ValueError: it is empty, so that everybody could find out whose hash it is.
        """
        if not secret.strip():
            raise ValueError("the key is empty")
        return cls(blake2b(secret, digest_size=32).digest())

    def of_an_output(self) -> Self:
        """Return a redaction that remembers what it hides, for all that one process prints."""
        return replace(self, known=KnownValues())

    def of_a_record(self) -> Self:
        """Return a redaction that notes in `told` what it hides, for the output's to learn from.

        Processes that work side by side see the records in no order: what was hidden in other records is
        left to the one that prints, and so is an email that may be longer than it looks, as in `/a/b@c.io`.
        """
        return replace(self, known=None, told=[])

    def learn(self, told: Iterable[Told]) -> None:
        """Remember what another redaction under the same key has hidden."""
        if self.known is not None:
            for each in told:
                self.known.learn(*each)

    def learn_from(self, value: Any) -> None:
        """Remember what is told in a value that comes out of JSON, for what is shown after it."""
        if self.known is not None:
            self.value("", value)

    def may_change(self, text: str) -> bool:
        """Tell whether a text may hold anything to hide beside what is told by its key."""
        plain = PlainText.of(text).text
        return may_be_personal(plain) or bool(self.known and self.known.may_be_in(plain))

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
            if kind in ("phone", "name"):
                return self._hash(kind, decimal_text(value))
            return self._number(value) if self.known is not None else value
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
        if self.known is not None or _MAY_BE_FORM.search(text):
            text = self._without_forms(text)
        return _without_cut_words(text) if "…" in text else text

    def _standing_at(self, place: str, text: str) -> str:
        kind = kind_of(place)
        if kind == "id":
            return self._hash("email", text) if looks_like_email(text) else self.text(text)
        return self._hash(kind, text) if kind else self.text(text)

    def _number(self, number: float) -> Any:
        digits = decimal_text(number)
        hidden = self.text(digits) if len(digits) >= _FEWEST_DIGITS else digits
        return number if hidden == digits else hidden

    def _hash(self, kind: Kind, text: str) -> str:
        if not text.strip() or text in ("true", "false") or _HIDDEN.fullmatch(text):
            return text
        is_short = len(text) <= _CACHEABLE
        kind, canonical = _cached_meaning(kind, text) if is_short else _meaning(kind, text)
        digest = blake2b(
            canonical.encode(errors="surrogatepass"),
            key=self.key,
            person=kind.encode(),
            digest_size=_DIGEST_BYTES,
        ).hexdigest()
        told = Told(kind, text, f"{kind}:{digest}")
        if kind == "email":
            local, at, _ = canonical.rpartition("@")
            if is_told_by_form(canonical) or (at and not any(map(str.isalnum, local))):
                return told.shown
            told = told._replace(value=canonical)
        if self.told is not None:
            self.told.append(told)
        self.learn((told,))
        return told.shown

    def _without_forms(self, text: str) -> str:
        """Hide what is told by its form, or is known."""
        plain = PlainText.of(text)
        forms = list(personal_in(plain))
        found = [
            (begin, end, self._hash(kind, plain.text[begin:end]))
            for begin, end, kind, is_certain in forms
            if is_certain
        ]
        if self.known is not None:
            found += self.known.find(plain.text)
        if self.told is None:
            # Where an email begins that stands behind a slash, is told best by one that is known.
            emails = sorted(each for each in found if "@" in plain.text[each[0] : each[1]])
            found += [
                (begin, end, self._hash(kind, plain.text[begin:end]))
                for begin, end, kind, is_certain in forms
                if not is_certain and not _is_any_in(emails, begin, end)
            ]
        if not found:
            return text
        pieces: list[str] = []
        at = 0
        for begin, end, shown in _apart(found):
            first, last = plain.written_at(begin, end)
            # One character may be read as several.
            pieces += (text[at : max(first, at)], shown)
            at = last
        pieces.append(text[at:])
        return "".join(pieces)

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
        if not text:
            return text
        # A plus is a blank in a query, but whoever writes ada+news@example.com means a plus.
        plain = unquote(text)
        if not is_email(plain):
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


def _meaning(kind: Kind, text: str) -> tuple[Kind, str]:
    """The kind of a value, and what its spellings share, of which its hash is made."""
    # One value has one hash, wherever it stands: a username may be an email.
    if kind != "email" and is_email(text):
        kind = "email"
    elif kind == "name" and is_phone(text):
        kind = "phone"
    return kind, _CANONICAL[kind](text)


_cached_meaning = lru_cache(maxsize=4096)(_meaning)


def _canonical_name(text: str) -> str:
    """What two spellings of a name share."""
    plain = PlainText.of(text).text if len(text) <= _LONGEST else text
    return _BETWEEN_NAMES.sub(" ", plain.casefold()).strip() or plain.strip()


_CANONICAL: Final[Mapping[Kind, Callable[[str], str]]] = {
    "email": canonical_email,
    "phone": canonical_phone,
    "name": _canonical_name,
}


def _is_any_in(found: Sequence[tuple[int, int, str]], begin: int, end: int) -> bool:
    """Whether any value, of some in their order that do not overlap, ends between the two."""
    nth = bisect_right(found, begin, key=itemgetter(1))
    return nth < len(found) and found[nth][1] <= end


def _apart(found: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Values in their order, those that overlap as one: an email rather than what stands in it."""
    begin, end, shown = -1, -1, ""
    for first, last, each in sorted(found):
        if first < end:
            longer = last - first > end - begin
            if each.startswith("email:") and (longer or not shown.startswith("email:")):
                shown = each
            end = max(end, last)
            continue
        if end > 0:
            yield begin, end, shown
        begin, end, shown = first, last, each
    yield begin, end, shown


def _without_cut_words(text: str) -> str:
    """Take away words that were cut: one may be the beginning of an email."""
    pieces = text.split("…")
    for index, after in enumerate(pieces[1:]):
        piece = pieces[index]
        if _CUT.match(after):
            pieces[index] = piece[: max(piece.rfind(each) for each in _BREAKS) + 1]
    return "…".join(pieces)
