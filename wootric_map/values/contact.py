"""Which texts are an email or a phone that can be sent (segment.md 4)."""

import re
from typing import Final

_PLAIN_EMAIL: Final = re.compile(r"[!#-+\--9=?A-~]+@[!#-+\--9=?A-~]+")
"""An email in ASCII: all that is printed there but what `_NOT_IN_EMAILS` holds."""

_NOT_IN_EMAILS: Final = re.compile(
    '[ <>,;:"\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u2800\\u3164\\ufe00-\\ufe0f\\uffa0'
    "\\U000e0100-\\U000e01ef]"
)
"""What no email holds; beside ASCII's, fillers and selectors, unseen though Python prints them."""

_PHONE: Final = re.compile(r"[0-9 \t\xa0\u2007\u202f+\-().x/]*")
_DIGIT: Final = re.compile(r"[0-9]")
_FEWEST_DIGITS: Final = 5


plain_email: Final = _PLAIN_EMAIL.fullmatch
"""Matches a text that is an email in ASCII with nothing around it, as most are; no match is no answer."""


def email_in(value: object) -> str | None:
    """Return the email that a value is, trimmed; None where it is none.

    Args:
        value: what JSON held.
    """
    if not isinstance(value, str):
        return None
    text = value.strip()
    if plain_email(text):
        return text
    if text.isascii():
        return None
    before, _, after = text.partition("@")
    if not (before and after) or "@" in after:
        return None
    # Python prints no blank but the common one, no control or format character and no half of a pair.
    return text if text.isprintable() and not _NOT_IN_EMAILS.search(text) else None


def phone_in(text: str) -> str | None:
    """Return the phone that a text is, trimmed; None where it is none.

    Args:
        text: what JSON held; of a number its decimal text.
    """
    trimmed = text.strip()
    if _PHONE.fullmatch(trimmed) and len(_DIGIT.findall(trimmed)) >= _FEWEST_DIGITS:
        return trimmed
    return None


def trimmed(email: str | None) -> str | None:
    """An email as it is sent and compared: without white space around it."""
    return email.strip() if email else None


def comparable(email: str | None) -> str:
    """What two spellings of one email share."""
    return (email or "").strip().lower()
