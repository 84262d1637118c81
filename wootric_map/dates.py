"""Segment's dates (segment.md 5).

Everything becomes whole milliseconds since 1970-01-01T00:00:00Z, because a record's time must order
records finer than a second; `unix_seconds` then rounds to what Wootric takes. No function here
raises: what is no date is `None`.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from math import floor, isnan
from typing import Final

_ISO: Final = re.compile(
    r"([0-9]{4})(?:-?([0-9]{2})(?:-?([0-9]{2}))?)?"
    r"(?:[ T]([0-9]{2}):?([0-9]{2})(?::?([0-9]{2})(?:[,.]([0-9]+))?)?"
    r"(?:Z|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)
_COMMON: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-5][0-9])"
)
"""How Segment itself writes a time: of `_ISO`, the form that Python's own reader takes as well."""
_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LEADING_DIGITS: Final = re.compile(r"[0-9]{10,}")
MONTH_DAY_YEAR: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")

_MILLISECOND_DIGITS: Final = 13
_FIRST_MILLISECONDS: Final = 31_557_600_000
"""A JSON number from here on counts milliseconds, one below it seconds."""

_LAST_INSTANT: Final = 8_640_000_000_000_000
"""The farthest millisecond from 1970 that a JavaScript date, and so the published destination, has."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def parse(value: object) -> int | None:
    """Read a date in any form that segment.md 5 lists.

    Args:
        value: what JSON held: text or a number is read, anything else is no date.

    Returns:
        Milliseconds since the epoch, or None where `value` is no date.
    """
    if isinstance(value, str):
        return parse_common(value) if _COMMON.fullmatch(value) else _parse_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and isnan(value):
        return None
    return _instant(value * 1000 if value < _FIRST_MILLISECONDS else value)


def parse_iso_day(text: str) -> int | None:
    """Read a free trait's or property's text as a date (segment.md 5, last paragraph).

    Only text that begins `YYYY-MM-DD` and is a whole ISO 8601 date counts: a plan called `2015` or an
    order number of thirteen digits stays text.

    Returns:
        Milliseconds since the epoch, or None.
    """
    if not _ISO_DAY.match(text):
        return None
    return parse_common(text) if _COMMON.fullmatch(text) else _parse_iso(text)


def parse_common(text: str) -> int | None:
    """Read text of the form that Segment itself writes, in a quarter of the time (segment.md 5).

    Args:
        text: date, `T`, time to the second or finer, and zone, as in `2018-08-03T15:28:46.493Z`.

    Returns:
        Milliseconds since the epoch, or None where there is no such day or time.
    """
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except (ValueError, OverflowError):
        return _parse_iso(text)  # 24:00:00 is a time here, and the year 0 and 30 February are none
    return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000


def is_in_the_calendar(text: str) -> bool:
    """Whether text of the form that `parse_common` takes is a day and time that Python has, too."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def unix_seconds(milliseconds: int) -> int:
    """Round to the nearest whole second, halves up (segment.md 5)."""
    return (milliseconds + 500) // 1000


def _parse_text(text: str) -> int | None:
    matched = _ISO.fullmatch(text)
    if matched:
        return _from_iso(matched.group)
    digits = _LEADING_DIGITS.match(text)
    if digits:
        # Cut before int(): nothing past the 17th digit can still be a date, and int() refuses
        # thousands of digits with an error.
        number = digits[0]
        if len(number) < _MILLISECOND_DIGITS:
            return _instant(int(number) * 1000)
        stripped = number.lstrip("0")
        return _instant(int(stripped or "0")) if len(stripped) <= 16 else None  # noqa: PLR2004
    american = MONTH_DAY_YEAR.fullmatch(text)
    if american:
        return _midnight(int(american[3]), int(american[1]), int(american[2]))
    return None


def _parse_iso(text: str) -> int | None:
    matched = _ISO.fullmatch(text)
    return _from_iso(matched.group) if matched else None


def _from_iso(group: Callable[[int], str | None]) -> int | None:
    """The instant that a match of `_ISO` names; no zone is UTC, an impossible date is none."""
    midnight = _midnight(int(group(1) or 0), int(group(2) or 1), int(group(3) or 1))
    if midnight is None:
        return None
    hour, minute, second = int(group(4) or 0), int(group(5) or 0), int(group(6) or 0)
    millisecond = int((group(7) or "0")[:3].ljust(3, "0"))
    offset_hour, offset_minute = int(group(9) or 0), int(group(10) or 0)
    if minute > 59 or second > 59 or offset_hour > 23 or offset_minute > 59:  # noqa: PLR2004
        return None
    # ISO 8601 lets a day end at 24:00:00, and at nothing later.
    if hour > 23 and (hour, minute, second, millisecond) != (24, 0, 0, 0):  # noqa: PLR2004
        return None
    offset = (offset_hour * 60 + offset_minute) * (-1 if group(8) == "-" else 1)
    minutes = hour * 60 + minute - offset
    return midnight + (minutes * 60 + second) * 1000 + millisecond


def _midnight(year: int, month: int, day: int) -> int | None:
    """The first millisecond of a day in UTC, or None for a day that no calendar has."""
    try:
        return (date(year, month, day).toordinal() - _EPOCH_DAY) * 86_400_000
    except ValueError:
        return None


def _instant(milliseconds: float) -> int | None:
    """Cut to whole milliseconds; past the last instant there is no date."""
    return floor(milliseconds) if abs(milliseconds) <= _LAST_INSTANT else None
