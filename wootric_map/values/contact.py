"""Which texts are an email address or a phone number that can be sent (segment.md 4)."""

import re
from typing import Final

_PLAIN_EMAIL: Final = re.compile(r"[!#-+\--9=?A-~]+@[!#-+\--9=?A-~]+")
"""An ASCII email: any printable ASCII character is allowed except those in `_NOT_IN_EMAILS`."""

_NOT_IN_EMAILS: Final = re.compile(
    '[ <>,;:"\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u2800\\u3164\\ufe00-\\ufe0f\\uffa0'
    "\\U000e0100-\\U000e01ef]"
)
"""Characters that no email holds: some of ASCII, and invisible fillers and selectors.

The fillers and selectors are listed here because `str.isprintable` accepts them.
"""

_PHONE: Final = re.compile(r"[0-9 \t\xa0\u2007\u202f+\-().x/]*")
_DIGIT: Final = re.compile(r"[0-9]")
_FEWEST_DIGITS: Final = 5


plain_email: Final = _PLAIN_EMAIL.fullmatch
"""Match the common case: an ASCII email without white space around it.

Text that does not match may still be an email; `email_in` decides.
"""


def email_in(value: object) -> str | None:
    """Return `value` without surrounding white space if it is an email address, else None.

    Args:
        value: a value from a record's JSON.
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
    # Not printable: control and format characters, lone surrogates, and all blanks but the space.
    return text if text.isprintable() and not _NOT_IN_EMAILS.search(text) else None


def phone_in(text: str) -> str | None:
    """Return `text` without surrounding white space if it is a phone number, else None.

    Args:
        text: a text from a record's JSON, or the decimal text of a number.
    """
    trimmed = text.strip()
    if _PHONE.fullmatch(trimmed) and len(_DIGIT.findall(trimmed)) >= _FEWEST_DIGITS:
        return trimmed
    return None


def trimmed(email: str | None) -> str | None:
    """Return `email` without surrounding white space, as it is sent; None for None or empty text."""
    return email.strip() if email else None


def comparable(email: str | None) -> str:
    """Return the form in which two spellings of one email are equal: trimmed and in lower case.

    None gives empty text.
    """
    return (email or "").strip().lower()
