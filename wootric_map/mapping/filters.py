"""Which records of an export are replayed: by time, type, event name, end user and number."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property
from typing import Final

from wootric_map.errors import UnfitSettingsError
from wootric_map.mapping.patterns import matches
from wootric_map.model import Skip
from wootric_map.read.record import SUPPORTED, Record, Track
from wootric_map.values import dates
from wootric_map.values.durations import seconds_in

_DAY: Final = re.compile(r"([0-9]{4})(?:-?([0-9]{2})(?:-?([0-9]{2}))?)?")
"""A date without a time: a day, a month or a year."""

_TYPES_WITHOUT_IDENTITY: Final = frozenset({"track", "page", "screen", "group"})
"""Types that do not tell which ids are one user's, as identifies and aliases do."""


@dataclass(frozen=True)
class Choice:
    """The user's choice of records to replay.

    Identifies and aliases that are not chosen still tell which ids are one user's.
    """

    since: int | None = None
    """The earliest time of a record, in milliseconds since the epoch."""
    until: int | None = None
    """The time that a record must be earlier than, in milliseconds since the epoch."""
    types: frozenset[str] = frozenset()
    """Record types: `identify`, `track`, `page`, `group`. An empty set stands for all."""
    events: tuple[str, ...] = ()
    """Patterns for the event names of track records; `*` stands for any text. No pattern stands for all."""
    users: frozenset[str] = frozenset()
    """End users, each by a userId or an email. An empty set stands for all."""
    limit: int | None = None
    """The greatest number of records; the first ones in time order are chosen."""

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
        """Whether every record passes `takes`."""
        return self.since is self.until is None and not (self.types or self.events)

    @cached_property
    def timed_types(self) -> frozenset[str]:
        """The types whose records pass `takes` if they pass `takes_time`."""
        return frozenset() if self.events else self.types or SUPPORTED

    @cached_property
    def passed_over(self) -> frozenset[str]:
        """The types whose records are neither replayed nor needed to tell which ids are one user's."""
        return _TYPES_WITHOUT_IDENTITY - self.types if self.types else frozenset()

    def takes_time(self, time: int | None) -> bool:
        """Tell whether a record is chosen by its time, as far as that goes; None is that of one without."""
        if self.since is not None and (time is None or time < self.since):
            return False
        return self.until is None or (time is not None and time < self.until)

    def takes(self, record: Record) -> bool:
        """Tell whether a record is chosen by its time, type and event name.

        `users` and `limit` depend on other records, and are not looked at. With `since` or `until`, a record
        without a time is not chosen.
        """
        if self.is_everything:
            return True
        if not self.takes_time(record.time):
            return False
        if self.types and record.type not in self.types:
            return False
        return not (
            self.events
            and isinstance(record, Track)
            and not any(matches(record.event, pattern) for pattern in self.events)
        )

    def patterns_of(self, event: str) -> Iterator[str]:
        """Yield the patterns in `events` that an event's name matches."""
        return (pattern for pattern in self.events if matches(event, pattern))


@cache
def not_chosen(kind: str) -> Skip:
    """Return the skip of a record of type `kind` that is not chosen."""
    message = "left out by --since, --until, --type, --event, --user or --limit"
    return Skip("filtered_out", kind, None, message)


def ago(text: str, now: float) -> int | None:
    """Return the time that lies a duration before now.

    Args:
        text: a duration, such as `7d`; see `values.durations`.
        now: the unix time.

    Returns:
        Milliseconds since the epoch, or None if `text` is not a duration.
    """
    seconds = seconds_in(text)
    return None if seconds is None else round((now - seconds) * 1000)


def since(text: str) -> int | None:
    """Return the first moment of a date or time in any form of segment.md 5.

    Returns:
        Milliseconds since the epoch, or None if `text` is neither.
    """
    return dates.parse(text)


def until(text: str) -> int | None:
    """Return the time before which records are chosen, if `text` is given as the last time.

    A day, month or year without a time counts to its end.

    Args:
        text: a date or time in any form of segment.md 5.

    Returns:
        Milliseconds since the epoch, or None if `text` is neither.
    """
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
        return first  # the calendar ends with the year 9999
    return dates.parse(after.isoformat())
