"""A text as people read it, however its characters are written, and where each stood in the text.

`%40`, `&#64;`, `\\u0040` and the full-width sign are all `@`; what nobody sees, such as a terminal's escape
sequence or a zero-width blank, is nothing. All of it takes linear time.
"""

import html
import json
import re
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

_LEVELS: Final = 8
"""How often a text may be encoded within itself; repeated percent signs count once."""

_MARKS: Final = "\u0300-\u036f\u3099\u309a"
"""Accents that are characters of their own."""

_MARK: Final = re.compile(f"[{_MARKS}]")

_UNSEEN: Final = re.compile(
    "[\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5"
    "\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\ufe00-\\ufe0f\\ufeff"
    "\\ufff9-\\ufffb\\U000e0000-\\U000e0fff]"
)

_START: Final = r"[^\x09-\x0d\x1c-$'-\[\]-~…→←]"
"""What a text has to have to differ from what is read; the arrows are those of a dry run."""
_MAY_BE_CODED: Final = re.compile(_START)

_HEX: Final = "[0-9a-fA-F]"
_MORE: Final = f"%[89abAB]{_HEX}"
_SEQUENCE: Final = r"[\[_][0-?]{0,32}[ -/]{0,8}[@-~]"
"""What makes an escape a sequence; the name of a property has `_` for the bracket."""

# That it begins with one set of characters lets the search pass quickly over all others.
_CODED: Final = re.compile(
    rf"""
    {_START} (?:
      (?<=%) (?:
          (?P<again>(?:25)+(?={_HEX}{{2}}))
        | (?P<percent>[0-7]{_HEX} | [cCdD]{_HEX}{_MORE} | [eE]{_HEX}(?:{_MORE}){{2}}
            | [fF][0-4](?:{_MORE}){{3}}) )
    | (?<=&) (?P<entity>\#0{{0,9}}[0-9]{{1,7}};?|\#[xX]0{{0,9}}{_HEX}{{1,6}};?|[A-Za-z][A-Za-z0-9]{{1,30}};)
    | (?<=\\) (?:
          (?P<escape>(?:x1[bB]|u001[bB])(?:{_SEQUENCE})?|(?:033|e){_SEQUENCE})
        | (?P<slashes>\\+)
        | (?P<json>u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}} | u{_HEX}{{4}} | [nrtbf"/])
        | (?P<short>x{_HEX}{{2}} | U{_HEX}{{8}}) )
    | (?<=\x1b) (?P<sequence>(?:{_SEQUENCE})?)
    | (?<=[^\x00-\x7e]) (?P<wide>[{_MARKS}]{{0,8}})
    | (?<=[\x00-\x1a\x7f]) (?P<control>)
    )
    """,
    re.VERBOSE,
)

_SHORT: Final = "\\xU"
"""What begins a short escape."""


@dataclass(frozen=True, slots=True)
class PlainText:
    """A text as it is read."""

    text: str
    _written: "PlainText | None" = None
    """What it was before a level of encoding was taken off; None where it is as it was written."""
    _at: Sequence[int] = ()
    """Where each part that was encoded begins in the text,"""
    _ends: Sequence[int] = ()
    """where it ends there,"""
    _from: Sequence[int] = ()
    """where it began before,"""
    _to: Sequence[int] = ()
    """and where it ended."""

    @classmethod
    def of(cls, written: str) -> "PlainText":
        """Return what is read in a text."""
        plain = cls(written)
        for _ in range(_LEVELS):
            further = plain._decoded() if plain._may_be_coded() else None
            if further is None:
                break
            plain = further
        return plain

    def written_at(self, begin: int, end: int) -> tuple[int, int]:
        """Return where the characters from `begin` to `end`, at least one, stand as they were written."""
        if self._written is None:
            return begin, end
        first, last = self._before(begin)[0], self._before(end - 1)[1]
        return self._written.written_at(first, last)

    def _before(self, at: int) -> tuple[int, int]:
        """Return where one character began and ended before."""
        nth = bisect_right(self._at, at) - 1
        # Parts of which nothing is left begin where the next one does.
        if nth >= 0 and at < self._ends[nth]:
            return self._from[nth], self._to[nth]
        began = at if nth < 0 else self._to[nth] + at - self._ends[nth]
        return began, began + 1

    def _may_be_coded(self) -> bool:
        text = self.text
        if _MAY_BE_CODED.search(text) is None:
            return False
        if "%" in text or "&" in text or "\\" in text or _UNSEEN.search(text):
            return True
        # Most of what is not ASCII is written in one way alone.
        return not unicodedata.is_normalized("NFKC", text)

    def _decoded(self) -> "PlainText | None":
        """Return the text with one level of encoding taken off; None where there is none."""
        pieces: list[str] = []
        places = at, ends, begins, to = array("Q"), array("Q"), array("Q"), array("Q")
        done = size = 0
        for match in _CODED.finditer(self.text):
            begin, end = match.span()
            kind = match.lastgroup
            if kind == "wide" and begin > done and _MARK.match(self.text, begin):
                begin -= 1  # an accent, and the letter that it is on
            coded = self.text[begin:end]
            meant = _meaning(kind, coded)
            if meant == coded:
                continue
            pieces += (self.text[done:begin], meant)
            size += begin - done
            at.append(size)
            size += len(meant)
            ends.append(size)
            begins.append(begin)
            to.append(end)
            done = end
        if not pieces:
            return None
        pieces.append(self.text[done:])
        return PlainText("".join(pieces), self, *places)


def may_be_coded(text: str) -> bool:
    """Tell whether a text may read otherwise than it is written."""
    return _MAY_BE_CODED.search(text) is not None


@lru_cache(maxsize=4096)
def _meaning(kind: str | None, coded: str) -> str:
    if kind == "wide":
        return unicodedata.normalize("NFKC", _UNSEEN.sub("", coded))
    if kind in ("escape", "sequence", "control"):
        return ""
    if kind in ("again", "slashes"):
        return coded[0]
    if kind == "percent":
        return unquote(coded)
    if kind == "entity":
        return html.unescape(coded)
    if kind == "short":
        number = int(coded.lstrip(_SHORT), 16)
        return chr(number) if number <= 0x10FFFF else coded  # noqa: PLR2004 - the last of Unicode
    meant: str = json.loads(f'"{coded}"')
    return meant
