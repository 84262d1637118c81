"""Which of Wootric's replies can be believed: those about the expected end user (wootric.md 3).

An `id`, an `email` and an `external_id` each belong to one end user of an account. A reply with another value
is about somebody else, and a write would overwrite that person: a proxy has mixed up two replies, or the
server is not Wootric's. A value that the server changed on storing it is still the same: the server may trim
it, put an email in lower case, compose its letters, write a phone in the international form, send an id as a
number, and leave fields out.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from wootric_map.errors import NotBelievedError
from wootric_map.model import EndUser, EndUserUpsert, LookUpKey
from wootric_map.values.contact import comparable

MOST_IN_A_ROW: Final = 5
"""How many replies in a row that can't be believed end the run."""

MOST_VALUES: Final = 20_000
"""Values that the JSON of one end user may hold; each takes two bytes or more, and a hundred in memory."""

_MOST_ON_A_PAGE: Final = 50
"""End users on a page of the list, at most."""

_DEEPEST: Final = 500
"""Levels of a reply's JSON; Wootric's have a few, and Python fails to write more than about a thousand."""

_BEFORE_VALUES: Final = (b",", b":", b"[", b"{")

_Field: TypeAlias = Literal["external_id", "email", "phone_number"]

_FIELDS: Final[tuple[_Field, ...]] = ("external_id", "email", "phone_number")

_NAMES: Final = {"external_id": "external id", "email": "email", "phone_number": "phone"}

_NO_DIGIT: Final = re.compile(r"\(0\)|[^0-9]")
_FEWEST_DIGITS: Final = 5
"""Digits that a phone has at least (segment.md 4)."""

_LONGEST_EMAIL: Final = 320
"""Characters of an email whose domain is compared in its ASCII form, which takes time for long ones."""

_LATEST: Final = 86_400
"""Seconds that a time in a reply may be ahead of this machine's clock: the time may lack its zone."""


def not_asked_for(by: LookUpKey, key: str, wanted: EndUserUpsert, told: EndUser) -> str | None:
    """Return why the end user in the reply to a look-up is not the wanted one; None if it is.

    A reply without the field that was looked up is believed if it tells the wanted external id or email, each
    of which belongs to one end user alone, and contradicts neither. A phone that several share tells nothing.

    Args:
        by: the field that the end user was looked up by.
        key: the value of that field.
        wanted: all that is known about the wanted end user.
        told: the end user in the reply.
    """
    if by == "id":
        is_the_one = str(told.id) == key.strip().lstrip("0")
    elif by == "phone_number" and told.phone_number:
        is_the_one = _plain_phone(key) == _plain_phone(told.phone_number)
    elif getattr(told, by):
        is_the_one = _is_same(by, key, told)
    else:
        both = [each for each in _both(wanted, told) if each != "phone_number"]
        is_the_one = bool(both) and all(
            _is_same(each, getattr(wanted, each), told) for each in both
        )
    if is_the_one:
        return None
    name = _NAMES.get(by, "id")
    return (
        f"Wootric's reply to a look-up by {name} is of another end user ({told.id}), not of the one who "
        "was asked for"
    )


def not_as_sent(
    sent: EndUserUpsert, told: EndUser, number: int | None = None, held: EndUser | None = None
) -> str | None:
    """Return why the reply to a write can't be about the end user that was written; None if it can.

    Args:
        sent: the fields that were sent.
        told: the end user in the reply.
        number: Wootric's id of the end user in the address of a PUT; None for a POST.
        held: the end user before a PUT, as far as that is known.
    """
    if number is not None and told.id != number:
        return f"Wootric's reply to an update of end user {number} is of another one ({told.id})"
    if held is not None and _is_somebody_else(held, sent, told):
        return (
            f"Wootric's reply to an update of end user {number} shows somebody else than it told before; "
            "what was sent may stand with them"
        )
    both = _both(sent, told)
    if "external_id" in both or "email" in both:
        both = [
            each for each in both if each != "phone_number"
        ]  # several end users may share a phone
    for each in both:
        if not _is_same(each, getattr(sent, each), told):
            return (
                f"Wootric's reply to a write is of another end user ({told.id}): its {_NAMES[each]} is "
                "not the one that was sent"
            )
    return None


def _is_somebody_else(held: EndUser, sent: EndUserUpsert, told: EndUser) -> bool:
    """Tell whether no id of the end user in a reply is one that they had before, or were sent."""
    known: list[_Field] = [
        each
        for each in ("external_id", "email")
        if getattr(told, each) and (getattr(held, each) or getattr(sent, each))
    ]
    return bool(known) and not any(
        _is_same(each, value, told)
        for each in known
        for value in (getattr(held, each), getattr(sent, each))
        if value
    )


def says_who(sent: EndUserUpsert, told: EndUser) -> bool:
    """Tell whether the reply to a POST shows who was created: an id alone may be anybody's.

    Args:
        sent: the fields that were sent.
        told: the end user in the reply.
    """
    return bool(_both(sent, told))


def has_too_many_values(body: bytes, most: int = MOST_VALUES) -> bool:
    """Tell whether JSON may hold more than `most` values, without parsing it."""
    return len(body) > most and sum(body.count(each) for each in _BEFORE_VALUES) > most


def is_too_deep(told: object) -> bool:
    """Tell whether JSON has lists or objects inside each other, so many that what reads them could fail."""
    level = [told]
    for _ in range(_DEEPEST):
        level = [
            inner for each in level for inner in _inside(each) if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    """Return the values in a list or object of JSON; nothing for any other value."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def has_more_than_asked(rows: Sequence[object], query: Mapping[str, str]) -> bool:
    """Tell whether a page holds more end users than were asked for.

    Args:
        rows: the rows of the page.
        query: the parameters of the call.
    """
    return len(rows) > int(query.get("per_page", _MOST_ON_A_PAGE))


def is_to_come(second: int, now: float) -> bool:
    """Tell whether a time in a reply is surely in the future, and so wrong.

    Args:
        second: the time, in unix seconds.
        now: this machine's time, in unix seconds.
    """
    return second > now + _LATEST


def begun_at(told: int | None, now: float) -> int:
    """Return when a snapshot begins, in unix seconds, if possible by Wootric's clock.

    A time that is too early costs a few more calls, but a time that is too late would hide changes.

    Args:
        told: the time in Wootric's latest reply; None if it has none.
        now: this machine's time, in unix seconds.
    """
    return int(now) if told is None or is_to_come(told, now) else told


class Trust:
    """Counts the replies in a row that can't be believed; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._latest = ""

    def note_believed(self) -> None:
        """Note a reply about the expected end user."""
        with self._lock:
            if not self._is_lost:
                self._in_a_row = 0

    def note_unbelieved(self, what: str) -> None:
        """Note a reply that can't be believed.

        Args:
            what: what is wrong with the reply, without personal data.

        Raises:
            NotBelievedError: too many replies in a row can't be believed.
        """
        with self._lock:
            self._in_a_row += 1
            self._latest = what
        self.check()

    def check(self) -> None:
        """Raise an error if no more calls may be made.

        Raises:
            NotBelievedError: too many replies in a row can't be believed.
        """
        if self._is_lost:
            raise NotBelievedError(
                f"{MOST_IN_A_ROW} replies in a row can't be believed (the latest: {self._latest}), so "
                "that nothing more is sent; check WOOTRIC_BASE_URL and whatever proxy stands before it"
            )

    @property
    def _is_lost(self) -> bool:
        return self._in_a_row >= MOST_IN_A_ROW


def _both(wanted: EndUserUpsert, told: EndUser) -> list[_Field]:
    """Return the fields that both end users have."""
    return [each for each in _FIELDS if getattr(wanted, each) and getattr(told, each)]


def _is_same(field: _Field, value: str, told: EndUser) -> bool:
    """Tell whether a field in a reply holds this value, as a server may have stored it."""
    held: str = getattr(told, field)
    if field == "phone_number":
        return _is_same_phone(value, held)
    if field == "email":
        ours, theirs = _composed(comparable(value)), _composed(comparable(held))
        return ours == theirs or _ascii_email(ours) == _ascii_email(theirs)
    return _composed(value).strip() == _composed(held).strip()


def _plain_phone(phone: str) -> str:
    """Return a phone without its formatting: the digits after `+` or `00`; the text itself if it has none."""
    text = _composed(phone).strip()
    digits = _NO_DIGIT.sub("", text)
    return digits.removeprefix("00") or text


def _is_same_phone(value: str, held: str) -> bool:
    """Tell whether two phones may be one; either may lack the code of its country."""
    ours, theirs = (_composed(each).strip() for each in (value, held))
    if ours == theirs:
        return True
    shorter, longer = sorted((_digits(ours), _digits(theirs)), key=len)
    return len(shorter) >= _FEWEST_DIGITS and longer.endswith(shorter)


def _digits(phone: str) -> str:
    """Return the digits of a phone without zeros at its beginning."""
    return _NO_DIGIT.sub("", phone).lstrip("0")


def _composed(text: str) -> str:
    """Return a text in Unicode's composed form; half of a surrogate pair becomes `?`, as in `clean`."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.encode(errors="replace").decode())


def _ascii_email(email: str) -> str:
    """Return an email with its domain in the ASCII form of name servers, or as it is if that fails."""
    if email.isascii() or len(email) > _LONGEST_EMAIL:
        return email
    name, at, domain = email.rpartition("@")
    try:
        return f"{name}{at}{domain.encode('idna').decode()}"
    except UnicodeError:
        return email


def contradicts(wanted: EndUserUpsert, held: EndUser) -> bool:
    """Tell whether an end user found by phone is somebody else, with another email or external id."""
    return bool(
        (wanted.email and held.email and comparable(wanted.email) != comparable(held.email))
        or (wanted.external_id and held.external_id and wanted.external_id != held.external_id)
    )
