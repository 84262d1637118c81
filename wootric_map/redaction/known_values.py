"""Values that were hidden once, to be found wherever they stand again, as whole words."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from wootric_map.redaction.personal_forms import canonical_phone, digits_in
from wootric_map.redaction.plain_text import PlainText

MOST: Final = 100_000
"""Values that are remembered; the oldest are forgotten first."""

_LONGEST: Final = 128
_MOST_WORDS: Final = 8
_FEWEST_LETTERS: Final = 2
_FEWEST_DIGITS: Final = 5
"""Letters and digits of the shortest value that is looked for: others stand everywhere."""
_MOST_DIGITS: Final = 18
_WIDEST_GAP: Final = 3
"""Characters that may stand between two words, as in `ada-lovelace` and `ADA_LOVELACE`."""

_UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Scripts without blanks between words, of which each character counts as one."""
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_ASCII_WORD: Final = re.compile("[0-9A-Za-z]+")
"""A word where there are no other letters, in a third of the time."""
_ANY_LETTERS: Final = re.compile("[^\\x00-\\x7f…→←]")
_HASH: Final = re.compile(r":[0-9a-f]{12}")
"""What stands behind the kind of a value that was hidden."""
_NUMBER: Final = re.compile(
    r"(?:email|phone|name):[0-9a-f]{12}|\d(?:[ \t\xa0()._\-/\u2010-\u2015\u2212·]{0,3}\d){4,}"
)
_GROUP: Final = re.compile(r"\d+")

_COMMON_WORDS: Final = """
    a account action address after all also an and anonymous any api array as at be before but by
    call calls can case code codes command company context could count create created customer customers
    data date day default delivered digits do done dry each email emails empty end error event events
    exit export fail failed false field fields file files find first fit folder for form found from get
    given go had has have held help here hour http https id if in integer into is it its json key keys
    known last left less like limit line lines list long look made make many map mapped mark may me mend
    message method might min minute month more most mr mrs ms my name names new next no nobody none not
    null number of old on one only or order other our out over page pages pass path phone phones place
    plan pm post properties property push put read record records redact registered rejected reply
    request run sandbox say second see send sent server settings shall short skip skipped snapshot so
    some source status stop summary take test text than that the them then there they this time times
    title to token too trait traits true two type undefined under unknown up update updated url usage
    use user users value values view views wait want warning warnings was way we what when where which
    who why will with without wootric word write www year yes you your
"""
_COMMON: Final = frozenset(_COMMON_WORDS.split())
"""Single words of these say nothing of anybody, since the commands' own messages are made of them."""


class Found(NamedTuple):
    """A known value in a plain text."""

    begin: int
    end: int
    shown: str


class KnownValues:
    """Values, and what is shown in the place of each."""

    def __init__(self, most: int = MOST) -> None:
        """Begin with none.

        Args:
            most: how many are remembered.
        """
        self._most = most
        self._shown: dict[str, str] = {}
        """By the words of a value, with a blank between, or by the digits of a phone."""
        self._lengths: dict[str, tuple[int, ...]] = {}
        """By its first word, how many words a value may have, most first."""
        self._has_phones = False

    def __len__(self) -> int:
        return len(self._shown)

    def learn(self, kind: str, value: str, shown: str) -> None:
        """Remember a value, unless it is too long, or so short or common that it says nothing of anybody."""
        if len(value) > _LONGEST * 6:
            return
        if kind == "phone":
            digits = canonical_phone(value)
            if digits.isdecimal() and len(digits) <= _MOST_DIGITS:
                if len(digits) >= _FEWEST_DIGITS:
                    self._remember(digits, shown)
                    self._has_phones = True
                return
        words = _words(PlainText.of(value).text)
        key = " ".join(words)
        if key in self._shown:
            return
        if is_looked_for(words):
            self._remember(key, shown)
            self._note(words)

    def find(self, text: str) -> Iterator[Found]:
        """Yield the known values in a plain text, from left to right, then the phones."""
        if self._lengths:
            yield from self._in_words(text)
        if self._has_phones:
            yield from self._in_numbers(text)

    def _remember(self, key: str, shown: str) -> None:
        self._shown[key] = shown
        if len(self._shown) > self._most:
            for old in list(self._shown)[: len(self._shown) // 2]:
                del self._shown[old]
            self._lengths.clear()
            for each in self._shown:
                if not each.isdecimal():
                    self._note(each.split(" "))

    def _note(self, words: list[str]) -> None:
        lengths = self._lengths.get(words[0], ())
        if len(words) not in lengths:
            self._lengths[words[0]] = tuple(sorted({*lengths, len(words)}, reverse=True))

    def _in_words(self, text: str) -> Iterator[Found]:
        if _ANY_LETTERS.search(text):
            written = _WORD.findall(text)
            words = _without_case(written)
        else:
            text = text.lower()  # as long as before
            words = written = _ASCII_WORD.findall(text)
        lengths = self._lengths
        if lengths.keys().isdisjoint(words):
            return
        at = after = 0  # the next word to find in the text, and where the one before it ends
        for nth in [nth for nth, word in enumerate(words) if word in lengths]:
            if nth < at:
                continue
            for length in lengths[words[nth]]:
                shown = self._shown.get(" ".join(words[nth : nth + length]))
                if not shown:
                    continue
                # Only what is no word stands between two words, so each is the first of its letters.
                for each in written[at:nth]:
                    after = text.index(each, after) + len(each)
                at = nth
                begin, end = _place(text, written[nth : nth + length], after)
                if begin < end and not _HASH.match(text, end):
                    yield Found(begin, end, shown)
                    at, after = nth + length, end
                    break

    def _in_numbers(self, text: str) -> Iterator[Found]:
        for number in _NUMBER.finditer(text):
            if not number[0][0].isdecimal():
                continue
            groups = list(_GROUP.finditer(number[0]))
            after = 0
            for at, group in enumerate(groups):
                if at < after:
                    continue
                digits = ""
                for last in range(at, len(groups)):
                    digits += digits_in(groups[last][0])
                    if len(digits) > _MOST_DIGITS:
                        break
                    shown = self._shown.get(digits) if len(digits) >= _FEWEST_DIGITS else None
                    if shown:
                        begin, end = (
                            number.start() + group.start(),
                            number.start() + groups[last].end(),
                        )
                        yield Found(begin - (text[begin - 1 : begin] == "+"), end, shown)
                        after = last + 1
                        break


def is_looked_for(words: list[str]) -> bool:
    """Tell whether a value of these words, without case, is remembered and looked for.

    Single words have to have two letters, or five digits, and to be none of those that the messages of the
    commands are made of; several have to have three letters or digits in all.
    """
    letters = sum(map(len, words))
    if not words or len(words) > _MOST_WORDS or letters > _LONGEST:
        return False
    if len(words) == 1:
        (word,) = words
        fewest = _FEWEST_DIGITS if word.isdecimal() else _FEWEST_LETTERS
        return letters >= fewest and word not in _COMMON
    if all(word.isdecimal() for word in words):
        return letters >= _FEWEST_DIGITS
    return letters > _FEWEST_LETTERS or any(word[0] >= "\u0e00" for word in words)


def _words(text: str) -> list[str]:
    return _without_case(_WORD.findall(text))


def _without_case(words: list[str]) -> list[str]:
    return " ".join(words).casefold().split(" ") if words else []


def _place(text: str, words: list[str], after: int) -> tuple[int, int]:
    """Where the next words of a text begin and end; at one place if they are too far apart to be a value."""
    begin = end = text.index(words[0], after)
    for each in words:
        at = text.index(each, end)
        if at - end > _WIDEST_GAP:
            return begin, begin
        end = at + len(each)
    return begin, end
