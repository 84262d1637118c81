"""Texts that a spreadsheet takes for formulas, which may run a program or send data away."""

import re
from typing import Final

MARK: Final = "'"
"""What is put before such a text, so that a spreadsheet takes it for text."""

_INVISIBLE: Final = re.compile(r"\A[\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u2028\u2029\u2060\ufeff]*")
"""What some programs pass over before they look for a formula."""

_BEGINS: Final = "=+-@\uff1d\uff0b\uff0d\uff20"
"""What a formula begins with, also in the wide forms of East Asian keyboards."""

_LINE_CHARACTERS: Final = "\t\r\n"
"""Characters at the beginning at which some programs begin a cell anew."""

_NUMBER: Final = re.compile(
    r"(?=[^0-9]*[0-9])[+-][ 0-9().,/+-]+|[+-][0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+"
)
"""A number with its sign, or a phone number. Nothing in it can be a name, a reference or a call."""


def may_be_formula(text: str) -> bool:
    """Tell whether a spreadsheet may take a text for a formula.

    Args:
        text: the text of a cell. A number with its sign and a phone number, such as `-5` or `+1 555-0100`,
            are none.
    """
    if not text or text[0].isalnum():
        return False  # as nearly all texts are
    if text[0] in _LINE_CHARACTERS:
        return True
    seen = _INVISIBLE.sub("", text, count=1)
    return bool(seen) and seen[0] in _BEGINS and not _NUMBER.fullmatch(seen)


def harmless(text: str) -> str:
    """Return a text as no spreadsheet takes it for a formula: with a quote mark before it if need be."""
    return f"{MARK}{text}" if may_be_formula(text) else text
