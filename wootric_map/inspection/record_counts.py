"""How many records there are by type, by day, and by event or page."""

from array import array
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from wootric_map.inspection.inspected_part import DAY, GROUP_CALL, TYPES, InspectedPart
from wootric_map.inspection.inspected_records import LeftOut
from wootric_map.inspection.inspection import DayCount, NameCount, NameCounts
from wootric_map.plan.engine.names import Names, Tally
from wootric_map.plan.engine.taken import IDENTIFY, PAGE, TRACK
from wootric_map.plan.people import NO_TIME

MOST_NAMES: Final = 1000
"""Events, and pages, that are told; further ones are only counted."""

_NAMED: Final = (TRACK, PAGE)
"""The kinds of records that have names."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAST_DAYS: Final = (datetime(2100, 1, 1, tzinfo=UTC) - _EPOCH).days
"""The days since the epoch on which the days end that are told apart."""


class RecordCounts:
    """Counts records; many names of events and pages wait in a database, not in memory."""

    def __init__(self, names: Names) -> None:
        """Count nothing yet; `names` keeps the names that memory does not hold."""
        self._tally = Tally(names)
        self._days: Counter[tuple[int, int]] = Counter()
        self.types: Counter[str] = Counter()
        """The records by type."""
        self.undated = 0
        """The records without a time on a day that is told apart."""
        self.first: int | None = None
        """The earliest time, in milliseconds since the epoch."""
        self.last: int | None = None
        """The latest time."""

    def add(self, part: InspectedPart) -> None:
        """Add the records of a part."""
        columns = part.columns
        for (kind, day), count in part.days.items():
            self._add_day(kind, day, count)
        self.types.update(part.skipped_types)
        for (kind, label), count in part.names.items():
            self.types[TYPES[kind]] += count
            if kind in _NAMED:
                self._tally.add(TYPES[kind], part.labels[label], count)
        times = sorted({max(columns.times, default=NO_TIME), _earliest(columns.times)} - {NO_TIME})
        if times:
            self.first = times[0] if self.first is None else min(self.first, times[0])
            self.last = times[-1] if self.last is None else max(self.last, times[-1])

    def take_back(self, left_out: LeftOut) -> None:
        """Take a record back that `add` has counted."""
        _, kind, time, name = left_out
        self.types[TYPES[kind]] -= 1
        self._add_day(kind, time // DAY, -1)
        if kind in _NAMED:
            self._tally.add(TYPES[kind], name, -1)

    def days(self) -> Iterator[DayCount]:
        """Yield the days that have records, in order."""
        for day in sorted({day for _, day in +self._days}):
            counts = (self._days[kind, day] for kind in (IDENTIFY, TRACK, PAGE, GROUP_CALL))
            yield DayCount((_EPOCH + timedelta(days=day)).date().isoformat(), *counts)

    def names(self, kind: int, registered: frozenset[str] | None = None) -> NameCounts:
        """Return the names of all events or pages.

        Args:
            kind: `TRACK` or `PAGE`.
            registered: the registered events; None if nobody knows.
        """
        told: list[NameCount] = []
        more = more_records = 0
        for name, count in self._tally.most_common(TYPES[kind]):
            if count <= 0:
                continue
            if len(told) < MOST_NAMES:
                is_registered = None if registered is None else name in registered
                told.append(NameCount(name, count, is_registered))
            else:
                more += 1
                more_records += count
        return NameCounts(tuple(told), more, more_records)

    def unmet(self, registered: frozenset[str]) -> Iterator[str]:
        """Yield the registered events that no record has, in order."""
        met = {name for name, _ in self._tally.most_common(TYPES[TRACK]) if name in registered}
        yield from sorted(registered - met)

    def _add_day(self, kind: int, day: int, count: int) -> None:
        if 0 <= day < _PAST_DAYS:
            self._days[kind, day] += count
        else:
            self.undated += count


def _earliest(times: "array[int]") -> int:
    return min(filter(NO_TIME.__ne__, times), default=NO_TIME)
