"""Which records of an export are replayed: by time, type, event name, end user and number."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property
from typing import Final

from wootric_map.errors import UnfitSettingsError
from wootric_map.model import Skip
from wootric_map.read.record import SUPPORTED, Record, Track
from wootric_map.values import dates
from wootric_map.values.durations import seconds_in

_DAY: Final = re.compile(r"([0-9]{4})(?:-?([0-9]{2})(?:-?([0-9]{2}))?)?")
"""A date without a time: a day, a month or a year."""


_EVENTS: Final = frozenset({"track", "page", "screen", "group"})
"""Types that tie nobody to anybody if they are left out, unlike identifies and aliases."""


@dataclass(frozen=True)
class Choice:
    """What is replayed; a record that is not chosen still serves to know who is who."""

    since: int | None = None
    """Milliseconds since the epoch; records from then on."""
    until: int | None = None
    """Milliseconds since the epoch; records before then."""
    types: frozenset[str] = frozenset()
    """`identify`, `track`, `page`; none stands for all."""
    events: tuple[str, ...] = ()
    """Names of track records, letter for letter but for `*`; none stands for all."""
    users: frozenset[str] = frozenset()
    """End users, each by a userId or an email of theirs; none stands for all."""
    limit: int | None = None
    """So many records at most, the first in time order."""

    def check(self) -> None:
        """Make sure that something can be chosen.

        Raises:
            SettingsError: the choice contradicts itself.
        """
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise UnfitSettingsError("--until is before --since, so that nothing is replayed")
        if self.events and self.types and "track" not in self.types:
            raise UnfitSettingsError(
                "--event chooses among the track records, and --type leaves all of them out: add --type "
                "track, or leave one of the two out"
            )
        if not all(name.strip() for name in self.users):
            raise UnfitSettingsError("--user is empty; write a userId or an email")

    @cached_property
    def is_everything(self) -> bool:
        """Whether every record is chosen, looked at alone."""
        return self.since is self.until is None and not (self.types or self.events)

    @cached_property
    def whole_types(self) -> frozenset[str]:
        """The types of which every record is chosen, looked at alone."""
        if self.since is self.until is None and not self.events:
            return self.types or SUPPORTED
        return frozenset()

    @cached_property
    def passed_over(self) -> frozenset[str]:
        """The types of records that are neither replayed nor serve to know who is who."""
        return _EVENTS - self.types if self.types else frozenset()

    def takes(self, record: Record) -> bool:
        """Whether a record, looked at alone, is chosen.

        A record without a time is in no window.
        """
        if self.is_everything:
            return True
        time = record.time
        if self.since is not None and (time is None or time < self.since):
            return False
        if self.until is not None and (time is None or time >= self.until):
            return False
        if self.types and record.type not in self.types:
            return False
        return not (
            self.events
            and isinstance(record, Track)
            and not any(_matches(record.event, pattern) for pattern in self.events)
        )

    def patterns_of(self, event: str) -> Iterator[str]:
        """Yield each of `events` that an event's name is as it says."""
        return (pattern for pattern in self.events if _matches(event, pattern))


def _matches(name: str, pattern: str) -> bool:
    """Whether a name is as a pattern says, in which `*` stands for anything.

    No regular expression: hostile names would keep one busy for hours.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    if not (name.startswith(first) and name.endswith(last, len(first))):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return at <= end


@cache
def not_chosen(kind: str) -> Skip:
    """The skip of a record that the run was told to leave out."""
    message = "left out by --since, --until, --type, --event, --user or --limit"
    return Skip("filtered_out", kind, None, message)


def ago(text: str, now: float) -> int | None:
    """Return the moment that lies a length of time before now, in milliseconds since the epoch.

    Args:
        text: a length of time, such as `7d`; see `lengths`.
        now: in unix time.

    Returns:
        The moment; None if the text is no length of time.
    """
    seconds = seconds_in(text)
    return None if seconds is None else round((now - seconds) * 1000)


def since(text: str) -> int | None:
    """The first moment of a date, or of a time, in any form of segment.md 5; None if it is neither."""
    return dates.parse(text)


def until(text: str) -> int | None:
    """The moment before which records are chosen: a day, month or year is taken whole."""
    first = dates.parse(text)
    matched = _DAY.fullmatch(text)
    american = dates.MONTH_DAY_YEAR.fullmatch(text)
    if first is None or not (matched or american):
        return first
    if american:
        month, day, year = american.groups()
    elif matched:
        year, month, day = matched.groups()
    try:
        if day:
            after = date(int(year), int(month), int(day)) + timedelta(days=1)
        elif month:
            after = date(int(year) + int(month) // 12, int(month) % 12 + 1, 1)
        else:
            after = date(int(year) + 1, 1, 1)
    except (ValueError, OverflowError):
        return first  # the calendar ends there
    return dates.parse(after.isoformat())
