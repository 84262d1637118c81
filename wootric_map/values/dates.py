"""Segment's dates (segment.md 5).

Every date becomes whole milliseconds since 1970-01-01T00:00:00Z, because records are ordered more finely
than by the second. `unix_seconds` rounds to the seconds that Wootric takes. No function here raises: each
returns None for a value that is not a date.
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
"""The form in which Segment itself writes a time. `datetime.fromisoformat` reads it, too."""
_ZONED: Final = re.compile(
    r"(?P<time>[0-9]{4}-?[0-9]{2}-?[0-9]{2}[ T][0-9]{2}:?[0-9]{2}(?::?[0-9]{2}(?:[,.][0-9]+)?)?)"
    r"(?: ?(?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?))?"
    r"(?: ?(?P<name>Z|UTC|GMT)| (?P<local>[A-Z]{3,5}))?"
    r"(?:\[(?P<region>[A-Z0-9_+/-]{1,64})\])?",
    re.IGNORECASE | re.ASCII,
)
"""`_ISO` in any case, with the zone behind a blank or spelled out, as Go, Java and Ruby write it."""

_MAIL: Final = re.compile(
    r"(?:(?:Mon|Tue|Tues|Wed|Wednes|Thu|Thurs|Fri|Sat|Satur|Sun)(?:day)?,[ \t]*)?"
    r"([0-9]{1,2})(-|[ \t]+)(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\2([0-9]{4}|[0-9]{2})[ \t]+"
    r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?[ \t]+"
    r"(?:([+-])([0-9]{2})([0-9]{2})|(UTC?|GMT|Z|[ECMP][SD]T))(?:[ \t]+\([A-Z ]{1,64}\))?",
    re.IGNORECASE | re.ASCII,
)
"""A date as mail (RFC 5322) and HTTP (RFC 9110, including its obsolete form with dashes) write it."""

_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_UTC_NAMES: Final = frozenset({"z", "ut", "utc", "gmt"})
_AMERICAN_OFFSETS: Final = {"e": -5, "c": -6, "m": -7, "p": -8}
"""UTC offsets in hours of the standard times of RFC 5322, by first letter: EST, CST, MST, PST."""

_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LEADING_DIGITS: Final = re.compile(r"[0-9]{10,}")
MONTH_DAY_YEAR: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")

_MILLISECOND_DIGITS: Final = 13
_FIRST_MILLISECONDS: Final = 31_557_600_000
"""The smallest JSON number that counts milliseconds; a smaller one counts seconds."""

FIRST_DAY_ENDS: Final = 86_400
FIRST_OF_2100: Final = 4_102_444_800
"""An end user was created between `FIRST_DAY_ENDS` and `FIRST_OF_2100`, in unix seconds."""

_LAST_INSTANT: Final = 8_640_000_000_000_000
"""The largest distance from 1970 in milliseconds that a JavaScript date can have.

The published destination is JavaScript, and has no date beyond it.
"""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def parse(value: object) -> int | None:
    """Read a date in any form that segment.md 5 lists.

    Args:
        value: a value from a record's JSON. Only text and numbers can be dates.

    Returns:
        Milliseconds since the epoch, or None if `value` is not a date.
    """
    if isinstance(value, str):
        return parse_common(value) if _COMMON.fullmatch(value) else _parse_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and isnan(value):
        return None
    return _instant(value * 1000 if value < _FIRST_MILLISECONDS else value)


def is_beyond_all(value: object) -> bool:
    """Tell whether a value that is not a date is a number too large for one, such as nanoseconds.

    Args:
        value: a value for which `parse` returns None.
    """
    if isinstance(value, str):
        return bool(_LEADING_DIGITS.match(value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_plausible(seconds: int) -> bool:
    """Tell whether an end user may have been created at a time (segment.md 5).

    Args:
        seconds: the unix time. Plausible is later than the first day of 1970 and earlier than 2100.
    """
    return FIRST_DAY_ENDS < seconds < FIRST_OF_2100


def parse_iso_day(text: str) -> int | None:
    """Read the text of a free trait or property as a date (segment.md 5, last paragraph).

    Only text that begins `YYYY-MM-DD` and is a complete ISO 8601 date is read. A plan named `2015` and an
    order number of thirteen digits stay text.

    Returns:
        Milliseconds since the epoch, or None if `text` is not a date.
    """
    if not _ISO_DAY.match(text):
        return None
    return parse_common(text) if _COMMON.fullmatch(text) else _parse_iso(text)


def parse_common(text: str) -> int | None:
    """Read a date in the form that Segment itself writes (segment.md 5), four times as fast as `parse`.

    Args:
        text: date, `T`, time to the second or finer, and zone, as in `2018-08-03T15:28:46.493Z`.

    Returns:
        Milliseconds since the epoch, or None if there is no such day or time.
    """
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except (ValueError, OverflowError):
        return _parse_iso(text)  # Python refuses 24:00:00, which is a valid time here
    return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000


def is_in_the_calendar(text: str) -> bool:
    """Tell whether Python accepts this text as a date. It refuses 24:00:00, which `parse_common` accepts."""
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
    zoned = _ZONED.fullmatch(text)
    if zoned:
        return _from_zoned(zoned)
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
    return _parse_mail(text)


def _parse_iso(text: str) -> int | None:
    matched = _ISO.fullmatch(text)
    return _from_iso(matched.group) if matched else None


def _from_zoned(matched: re.Match[str]) -> int | None:
    """Return the instant of a match of `_ZONED` in milliseconds, or None if it is not a date.

    A zone's name counts only without an offset, and then must be a name of UTC. A name of UTC beside another
    offset contradicts it: that is not a date.
    """
    offset, name, region = matched["offset"] or "", matched["name"], matched["region"] or ""
    if not (offset or name or region or matched["local"]):
        return _parse_iso(matched["time"].upper())
    is_utc = bool(name) or region.lower() in _UTC_NAMES
    if is_utc and offset.strip("+-0:"):
        return None
    if not (is_utc or offset):
        return None
    return _parse_iso(matched["time"].upper() + (offset or "Z"))


def _parse_mail(text: str) -> int | None:
    """Return the instant of a mail or HTTP date in milliseconds, or None if `text` is not one."""
    matched = _MAIL.fullmatch(text)
    if not matched:
        return None
    day, _, month, year, hour, minute, second, sign, hours, minutes, name = matched.groups()
    if len(year) == 2:  # noqa: PLR2004 - RFC 5322: 50 to 99 are of the last century
        year = f"{'19' if year >= '50' else '20'}{year}"
    zone = "Z"
    if sign:
        zone = f"{sign}{hours}{minutes}"
    elif name.lower() not in _UTC_NAMES:
        is_daylight_time = name[1] in "dD"
        zone = f"{_AMERICAN_OFFSETS[name[0].lower()] + is_daylight_time:+03}00"
    number = _MONTHS.index(month.lower()) + 1
    return _parse_iso(f"{year}-{number:02}-{int(day):02}T{hour}:{minute}:{second or '00'}{zone}")


def _from_iso(group: Callable[[int], str | None]) -> int | None:
    """Return the instant of a match of `_ISO` in milliseconds; None if there is no such day or time.

    Without a zone the time is UTC.

    Args:
        group: the match's method `group`.
    """
    midnight = _midnight(int(group(1) or 0), int(group(2) or 1), int(group(3) or 1))
    if midnight is None:
        return None
    hour, minute, second = int(group(4) or 0), int(group(5) or 0), int(group(6) or 0)
    millisecond = int((group(7) or "0")[:3].ljust(3, "0"))
    offset_hour, offset_minute = int(group(9) or 0), int(group(10) or 0)
    # Second 60, a leap second or a clock that rounds up, is the first second of the next minute.
    if minute > 59 or second > 60 or offset_hour > 23 or offset_minute > 59:  # noqa: PLR2004
        return None
    # ISO 8601 lets a day end at 24:00:00, but no later.
    if hour > 23 and (hour, minute, second, millisecond) != (24, 0, 0, 0):  # noqa: PLR2004
        return None
    offset = (offset_hour * 60 + offset_minute) * (-1 if group(8) == "-" else 1)
    minutes = hour * 60 + minute - offset
    return midnight + (minutes * 60 + second) * 1000 + millisecond


def _midnight(year: int, month: int, day: int) -> int | None:
    """Return the first millisecond of a day in UTC, or None if the calendar has no such day."""
    try:
        return (date(year, month, day).toordinal() - _EPOCH_DAY) * 86_400_000
    except ValueError:
        return None


def _instant(milliseconds: float) -> int | None:
    """Return `milliseconds` without its fraction, or None if it is beyond the last instant."""
    return floor(milliseconds) if abs(milliseconds) <= _LAST_INSTANT else None
