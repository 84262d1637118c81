"""Which of Wootric's replies can be believed: those of the end user who was asked for (wootric.md 3).

An `id`, an `email` and an `external_id` each belong to one end user of an account. So a reply that tells
another one is of somebody else, whom a write would overwrite: a proxy has mixed up two replies, or the
server is none of Wootric's. What a server may do to a value as it stores it is no contradiction: it may
trim it, put an email in lower case, compose its letters, write a phone in the international form, tell an
id as a number, and leave fields out.
"""

import re
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from wootric_map.errors import NotBelievedError
from wootric_map.model import EndUser, EndUserUpsert, LookUpKey
from wootric_map.values.contact import comparable

MOST_IN_A_ROW: Final = 5
"""Replies one after the other that can't be believed before no call is made any more."""

MOST_VALUES: Final = 20_000
"""Values in the JSON of one end user: each takes a hundred bytes of memory or more, and two in a reply."""

_MOST_ON_A_PAGE: Final = 50
"""End users on a page of the list at most."""

_BEFORE_VALUES: Final = (b",", b":", b"[", b"{")

_Field: TypeAlias = Literal["external_id", "email", "phone_number"]

_FIELDS: Final[tuple[_Field, ...]] = ("external_id", "email", "phone_number")

_NAMES: Final = {"external_id": "external id", "email": "email", "phone_number": "phone"}

_NO_DIGIT: Final = re.compile(r"\(0\)|[^0-9]")
_FEWEST_DIGITS: Final = 5
"""Digits that a phone has at least (segment.md 4)."""

_LONGEST_EMAIL: Final = 320
"""Characters; of longer ones the domain is not looked at, which takes time."""

_LATEST: Final = 86_400
"""Seconds that a time of Wootric's may be ahead of this machine's clock: it may lack its zone."""


def not_asked_for(by: LookUpKey, key: str, wanted: EndUserUpsert, told: EndUser) -> str | None:
    """Tell why the end user in the reply to a look-up is not the one who was asked for; None if it is.

    A reply that leaves out what was looked up is believed if all else that it tells of what is wanted is
    the same.

    Args:
        by: what the end user was looked up by.
        key: its value.
        wanted: all that the end user is known by.
        told: the end user in the reply.
    """
    if by == "id":
        is_the_one = str(told.id) == key.strip().lstrip("0")
    elif getattr(told, by):
        is_the_one = _is_same(by, key, told)
    else:
        told_alike = [_is_same(each, getattr(wanted, each), told) for each in _both(wanted, told)]
        is_the_one = bool(told_alike) and all(told_alike)
    if is_the_one:
        return None
    name = _NAMES.get(by, "id")
    return (
        f"Wootric's reply to a look-up by {name} is of another end user ({told.id}), not of the one who "
        "was asked for"
    )


def not_as_sent(sent: EndUserUpsert, told: EndUser, number: int | None = None) -> str | None:
    """Tell why the reply to a write can't be of the end user who was written; None if it can.

    Args:
        sent: the fields that were sent.
        told: the end user in the reply.
        number: Wootric's id in the path of a PUT.
    """
    if number is not None and told.id != number:
        return f"Wootric's reply to an update of end user {number} is of another one ({told.id})"
    both = _both(sent, told)
    if "external_id" in both or "email" in both:
        both = [each for each in both if each != "phone_number"]  # which several may share
    for each in both:
        if not _is_same(each, getattr(sent, each), told):
            return (
                f"Wootric's reply to a write is of another end user ({told.id}): its {_NAMES[each]} is "
                "not the one that was sent"
            )
    return None


def says_who(sent: EndUserUpsert, told: EndUser) -> bool:
    """Tell whether the reply to a POST says more of whom it has created than an id, which may be anybody's.

    Args:
        sent: the fields that were sent.
        told: the end user in the reply.
    """
    return bool(_both(sent, told))


def has_too_many_values(body: bytes, most: int = MOST_VALUES) -> bool:
    """Tell whether JSON may hold more values than are taken in, before it is parsed.

    Args:
        body: the JSON.
        most: how many values are taken in.
    """
    return len(body) > most and sum(body.count(each) for each in _BEFORE_VALUES) > most


def has_more_than_asked(rows: Sequence[object], query: Mapping[str, str]) -> bool:
    """Tell whether a page holds more end users than were asked for.

    Args:
        rows: the page's.
        query: what was asked for.
    """
    return len(rows) > int(query.get("per_page", _MOST_ON_A_PAGE))


def is_to_come(second: int, now: float) -> bool:
    """Tell whether a time of Wootric's is still to come, so that nothing can have happened then.

    Args:
        second: the time, in unix seconds.
        now: this machine's time, in unix seconds.
    """
    return second > now + _LATEST


def begun_at(told: int | None, now: float) -> int:
    """Return when a snapshot is begun, in unix seconds: by Wootric's clock, which its times are told by.

    A time that is too early costs a few calls more, and one that is too late would hide changes.

    Args:
        told: the time in Wootric's latest reply, if it told one.
        now: this machine's time, in unix seconds.
    """
    return int(now) if told is None or is_to_come(told, now) else told


class Trust:
    """How many replies in a row can't be believed; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._latest = ""

    def earned(self) -> None:
        """Note a reply of the end user who was asked for or written."""
        with self._lock:
            if not self._is_lost:
                self._in_a_row = 0

    def shaken(self, what: str) -> None:
        """Note a reply that can't be believed.

        Args:
            what: what is wrong with it; without personal data.

        Raises:
            NotBelievedError: it is one too many.
        """
        with self._lock:
            self._in_a_row += 1
            self._latest = what
        self.check()

    def check(self) -> None:
        """Make sure that Wootric may still be asked.

        Raises:
            NotBelievedError: too many replies in a row could not be believed.
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
    """The fields that are both wanted and told."""
    return [each for each in _FIELDS if getattr(wanted, each) and getattr(told, each)]


def _is_same(field: _Field, value: str, told: EndUser) -> bool:
    """Tell whether what is told of a field is this value, as a server may have stored it."""
    held: str = getattr(told, field)
    if field == "phone_number":
        return _is_same_phone(value, held)
    if field == "email":
        ours, theirs = _composed(comparable(value)), _composed(comparable(held))
        return ours == theirs or _ascii_email(ours) == _ascii_email(theirs)
    return _composed(value).strip() == _composed(held).strip()


def _is_same_phone(value: str, held: str) -> bool:
    """Tell whether two phones may be one, of which one is without its country's code."""
    ours, theirs = (_composed(each).strip() for each in (value, held))
    if ours == theirs:
        return True
    shorter, longer = sorted((_digits(ours), _digits(theirs)), key=len)
    return len(shorter) >= _FEWEST_DIGITS and longer.endswith(shorter)


def _digits(phone: str) -> str:
    return _NO_DIGIT.sub("", phone).lstrip("0")


def _composed(text: str) -> str:
    """A text in its composed form; half of a surrogate pair becomes what `end_users.clean` makes of it."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.encode(errors="replace").decode())


def _ascii_email(email: str) -> str:
    """An email with its domain as name servers know it; as it is where that can't be told."""
    if email.isascii() or len(email) > _LONGEST_EMAIL:
        return email
    name, at, domain = email.rpartition("@")
    try:
        return f"{name}{at}{domain.encode('idna').decode()}"
    except UnicodeError:
        return email


def contradicts(wanted: EndUserUpsert, held: EndUser) -> bool:
    """Whether an end user found by phone is somebody else: their email or external id differs."""
    return bool(
        (wanted.email and held.email and comparable(wanted.email) != comparable(held.email))
        or (wanted.external_id and held.external_id and wanted.external_id != held.external_id)
    )
