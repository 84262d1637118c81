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
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote_plus, unquote, unquote_plus

from wootric_map.mapping.identity import looks_like_email
from wootric_map.redaction.known_values import Found, KnownValues
from wootric_map.redaction.personal_forms import (
    canonical_email,
    canonical_phone,
    is_email,
    is_phone,
    is_told_by_form,
    may_be_personal,
    personal_in,
)
from wootric_map.redaction.personal_keys import Kind, kind_above, kind_of
from wootric_map.redaction.plain_text import PlainText
from wootric_map.values.json_values import decimal_text

_DIGEST_BYTES: Final = 6
"""With fewer, some two of a million emails would be shown as one."""

_HIDDEN: Final = re.compile(r"(?:email|phone|name):[0-9a-f]{12}")
_ONLY_HIDDEN: Final = re.compile(r"\W*(?:email|phone|name):[0-9a-f]{12}(?:'s)?\W*")
"""What has nothing but a hidden value in it, with brackets or the like around it."""

_CACHEABLE: Final = 128
"""Longer values are not kept: a hostile export must not fill the cache with megabytes of names."""

# This takes a text run by run and never looks at a character twice: no export can make it slow.
_PAIRS: Final = re.compile(r'[^\s"<>?&#;…]+')

_BETWEEN_PAIRS: Final = re.compile(r'[\s"<>?&#;…]')
"""What stands between the runs of `_PAIRS`."""

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


_FEW: Final = 8
"""Values that were noted last, of which none is noted again: most stand twice in what is shown."""


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

    def json_text(self, text: str) -> str | None:
        """Hide what is known in a JSON object, without reading it.

        Args:
            text: the object as text, in which what is told by its own keys is hidden.

        Returns:
            The object as text; None where it has to be read to tell what is to be hidden in it.
        """
        plain = PlainText.of(text).text
        if may_be_personal(plain):
            return None
        found = list(self.known.find(plain)) if self.known is not None else []
        if not found:
            return text
        return None if "\\" in text or plain != text else _in_strings(text, found)

    def value(self, place: str, value: Any) -> Any:
        """A value with all that is personal in it hidden, at any depth.

        Args:
            place: the keys that lead to it, as in `traits.address.name`; empty where none does.
            value: as it comes out of JSON; it is left as it is.
        """
        if isinstance(value, Mapping):
            keys, above = self.keys(value), kind_above(place)
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
        may_be_form = self.known is not None or _MAY_BE_FORM.search(text) is not None
        if "=" in text:
            if may_be_form:
                # A name or phone may have blanks, at which a pair ends: no part of one may stay.
                text = self._without_forms(text, beyond_pairs=True)
            text = _PAIRS.sub(lambda run: self._pairs(run[0], decodings), text)
        if may_be_form:
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
        hidden = _cached_hidden if len(text) <= _CACHEABLE else _hidden
        told, is_to_find = hidden(self.key, kind, text)
        if is_to_find and self.told is not None and told not in self.told[-_FEW:]:
            self.told.append(told)
        if is_to_find and self.known is not None:
            self.known.learn(*told)
        return told.shown

    def _without_forms(self, text: str, *, beyond_pairs: bool = False) -> str:
        """Hide what is told by its form, or is known.

        Args:
            text: the text.
            beyond_pairs: whether only what no `key=value` can hold is hidden.
        """
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
            if beyond_pairs and not _BETWEEN_PAIRS.search(text, first, last):
                continue
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
        if _ONLY_HIDDEN.fullmatch(plain):
            return text
        if kind in ("email", "phone", "name"):
            hidden = self._hash(kind, plain)
        elif kind == "id" and looks_like_email(plain):
            hidden = self._hash("email", plain)
        elif decodings and plain != text:
            hidden = self._text(plain, decodings - 1)
        else:
            return text
        return text if hidden == plain else quote_plus(hidden, ":[]/", errors="replace")


def _hidden(key: bytes, kind: Kind, text: str) -> tuple[Told, bool]:
    """A value and its hash, and whether it takes that value to find it: most emails are told by form."""
    # One value has one hash, wherever it stands: a username may be an email.
    if kind != "email" and is_email(text):
        kind = "email"
    elif kind == "name" and is_phone(text):
        kind = "phone"
    canonical = _CANONICAL[kind](text)
    digest = blake2b(
        canonical.encode(errors="surrogatepass"),
        key=key,
        person=kind.encode(),
        digest_size=_DIGEST_BYTES,
    ).hexdigest()
    shown = f"{kind}:{digest}"
    if kind != "email":
        return Told(kind, text, shown), True
    local, at, _ = canonical.rpartition("@")
    has_words = not at or any(map(str.isalnum, local))
    return Told(kind, canonical, shown), has_words and not is_told_by_form(canonical)


_cached_hidden = lru_cache(maxsize=4096)(_hidden)


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


def _in_strings(text: str, found: Iterable[Found]) -> str | None:
    """Replace values in a JSON object without escapes; None where one is not in a string, or in a key."""
    pieces: list[str] = []
    at = quotes = 0
    for begin, end, shown in sorted(found):
        quotes += text.count('"', at, begin)
        behind = text.find('"', end) + 1
        if begin < at or not quotes % 2 or '"' in text[begin:end] or text[behind] == ":":
            return None
        pieces += (text[at:begin], shown)
        at = end
    pieces.append(text[at:])
    return "".join(pieces)


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
