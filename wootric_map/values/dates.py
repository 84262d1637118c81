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
_ZONED: Final = re.compile(
    r"(?P<time>[0-9]{4}-?[0-9]{2}-?[0-9]{2}[ T][0-9]{2}:?[0-9]{2}(?::?[0-9]{2}(?:[,.][0-9]+)?)?)"
    r"(?: ?(?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?))?"
    r"(?: ?(?P<name>Z|UTC|GMT)| (?P<local>[A-Z]{3,5}))?"
    r"(?:\[(?P<region>[A-Z0-9_+/-]{1,64})\])?",
    re.IGNORECASE | re.ASCII,
)
"""`_ISO` in small letters, and with its zone behind a blank or written out, as Go, Java and Ruby do."""

_MAIL: Final = re.compile(
    r"(?:(?:Mon|Tue|Tues|Wed|Wednes|Thu|Thurs|Fri|Sat|Satur|Sun)(?:day)?,[ \t]*)?"
    r"([0-9]{1,2})(-|[ \t]+)(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\2([0-9]{4}|[0-9]{2})[ \t]+"
    r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?[ \t]+"
    r"(?:([+-])([0-9]{2})([0-9]{2})|(UTC?|GMT|Z|[ECMP][SD]T))(?:[ \t]+\([A-Z ]{1,64}\))?",
    re.IGNORECASE | re.ASCII,
)
"""A date as mail (RFC 5322) and HTTP (RFC 9110, also its old form with dashes) write it."""

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
_UNIVERSAL: Final = frozenset({"z", "ut", "utc", "gmt"})
_AMERICAN_HOURS: Final = {"e": -5, "c": -6, "m": -7, "p": -8}
"""Hours that the standard times of RFC 5322 are ahead of UTC, by their first letters."""

_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LEADING_DIGITS: Final = re.compile(r"[0-9]{10,}")
MONTH_DAY_YEAR: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")

_MILLISECOND_DIGITS: Final = 13
_FIRST_MILLISECONDS: Final = 31_557_600_000
"""A JSON number from here on counts milliseconds, one below it seconds."""

FIRST_DAY_ENDS: Final = 86_400
FIRST_OF_2100: Final = 4_102_444_800
"""Unix seconds between which an end user may have been created."""

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


def is_beyond_all(value: object) -> bool:
    """Tell whether a value that `parse` takes for no date counts a time past the last instant.

    Args:
        value: a number, or text that starts with digits, such as nanoseconds taken for milliseconds.
    """
    if isinstance(value, str):
        return bool(_LEADING_DIGITS.match(value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_plausible(seconds: int) -> bool:
    """Tell whether an end user may have been created then: after the epoch's first day, before 2100.

    Args:
        seconds: the unix time (segment.md 5).
    """
    return FIRST_DAY_ENDS < seconds < FIRST_OF_2100


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
    """The instant that a match of `_ZONED` names.

    A name tells the zone only where no offset does, and then it must be that of UTC; one that contradicts
    its offset makes it no date.
    """
    offset, name, region = matched["offset"] or "", matched["name"], matched["region"] or ""
    if not (offset or name or region or matched["local"]):
        return _parse_iso(matched["time"].upper())
    is_universal = bool(name) or region.lower() in _UNIVERSAL
    if is_universal and offset.strip("+-0:"):
        return None
    if not (is_universal or offset):
        return None
    return _parse_iso(matched["time"].upper() + (offset or "Z"))


def _parse_mail(text: str) -> int | None:
    matched = _MAIL.fullmatch(text)
    if not matched:
        return None
    day, _, month, year, hour, minute, second, sign, hours, minutes, name = matched.groups()
    if len(year) == 2:  # noqa: PLR2004 - RFC 5322: 50 to 99 are of the last century
        year = f"{'19' if year >= '50' else '20'}{year}"
    zone = "Z"
    if sign:
        zone = f"{sign}{hours}{minutes}"
    elif name.lower() not in _UNIVERSAL:
        ahead = _AMERICAN_HOURS[name[0].lower()] + (name[1] in "dD")
        zone = f"{ahead:+03}00"
    number = _MONTHS.index(month.lower()) + 1
    return _parse_iso(f"{year}-{number:02}-{int(day):02}T{hour}:{minute}:{second or '00'}{zone}")


def _from_iso(group: Callable[[int], str | None]) -> int | None:
    """The instant that a match of `_ISO` names; no zone is UTC, an impossible date is none."""
    midnight = _midnight(int(group(1) or 0), int(group(2) or 1), int(group(3) or 1))
    if midnight is None:
        return None
    hour, minute, second = int(group(4) or 0), int(group(5) or 0), int(group(6) or 0)
    millisecond = int((group(7) or "0")[:3].ljust(3, "0"))
    offset_hour, offset_minute = int(group(9) or 0), int(group(10) or 0)
    # A leap second, or a clock that rounds up, is the first second of the next minute.
    if minute > 59 or second > 60 or offset_hour > 23 or offset_minute > 59:  # noqa: PLR2004
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
