"""What the events of one name have come to: how many, when, and what their properties add up to.

Histories are added in any order, by any number of runs, and come to the same: all sums are exact.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Context, Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, TypeVar

from wootric_map.plan.group_traits import json_text
from wootric_map.read.json_text import to_json
from wootric_map.values import dates
from wootric_map.values.amounts import number_in

T = TypeVar("T")

_EXACT: Final = Context(prec=500)
"""Numbers below 2**63 down to the smallest fraction of a float have fewer digits together."""
_LARGEST: Final = 2**63
"""Numbers from here on are no amounts."""
_HALF: Final = Decimal("0.5")


class Latest(NamedTuple):
    """The value of the latest event that has one; of two, the greater is the later."""

    time: int
    """Milliseconds since the epoch, or `NO_TIME`."""
    has_message: bool
    """Whether the event has a message id; of one time, events without one come first."""
    tie: str
    """The event's key."""
    value: str
    """The value as JSON."""


class Wants(NamedTuple):
    """What is worked out of the properties of events."""

    numbers: bool
    """Whether sums and extremes of numbers are."""
    dates: bool
    """Whether the earliest and the latest date are."""
    latest: frozenset[str]
    """The properties whose latest values are."""


@dataclass(slots=True)
class PropertyHistory:
    """What one property of the events has come to."""

    total: Decimal | None = None
    """The sum of all numbers; None if there was none."""
    least: Decimal | None = None
    greatest: Decimal | None = None
    first_date: int | None = None
    """The earliest date, in milliseconds since the epoch."""
    last_date: int | None = None
    """The latest date, in milliseconds since the epoch."""
    latest: Latest | None = None

    def add(self, other: "PropertyHistory") -> None:
        """Add what the property has come to in other events."""
        self.total = _either(_EXACT.add, self.total, other.total)
        self.least = _either(min, self.least, other.least)
        self.greatest = _either(max, self.greatest, other.greatest)
        self.first_date = _either(min, self.first_date, other.first_date)
        self.last_date = _either(max, self.last_date, other.last_date)
        self.latest = _either(max, self.latest, other.latest)


@dataclass(slots=True)
class EventHistory:
    """What the events of one name and one end user have come to."""

    count: int = 0
    first: int | None = None
    """The earliest time, in milliseconds since the epoch; None if no event has a time."""
    last: int | None = None
    """The latest time, in milliseconds since the epoch."""
    properties: dict[str, PropertyHistory] = field(default_factory=dict)

    def add(self, other: "EventHistory") -> None:
        """Add what other events have come to."""
        self.count += other.count
        self.first = _either(min, self.first, other.first)
        self.last = _either(max, self.last, other.last)
        for key, each in other.properties.items():
            mine = self.properties.get(key)
            if mine is None:
                mine = self.properties[key] = PropertyHistory()
            mine.add(each)

    def packed(self) -> str:
        """Return the history as text, for `unpacked_history`."""
        properties = {
            key: [
                *(None if each is None else str(each) for each in (p.total, p.least, p.greatest)),
                p.first_date,
                p.last_date,
                p.latest and [*p.latest],
            ]
            for key, p in sorted(self.properties.items())
        }
        return to_json([self.count, self.first, self.last, properties]).decode()


def unpacked_history(packed: str) -> EventHistory:
    """Return the history that `EventHistory.packed` made text of.

    Raises:
        ValueError: it is spoilt.
    """
    try:
        count, first, last, properties = json.loads(packed)
        history = EventHistory(int(count), _whole(first), _whole(last))
        for key, (*numbers, first_date, last_date, latest) in properties.items():
            total, least, greatest = (None if each is None else Decimal(each) for each in numbers)
            history.properties[key] = PropertyHistory(
                total, least, greatest, _whole(first_date), _whole(last_date), _latest(latest)
            )
    except (TypeError, ValueError, AttributeError, RecursionError, InvalidOperation) as error:
        raise ValueError("the history of an event is spoilt") from error
    return history


def _latest(parts: list[Any] | None) -> Latest | None:
    if parts is None:
        return None
    time, has_message, tie, value = parts
    return Latest(int(time), bool(has_message), str(tie), str(value))


def _whole(value: object) -> int | None:
    """Return an integer or None as it is; raise TypeError for anything else."""
    if value is not None and type(value) is not int:
        raise TypeError
    return value


def event_history(
    time: int | None,
    properties: Mapping[str, Any],
    keys: Iterable[str],
    *,
    order: Callable[[], tuple[int, bool, str]],
    wants: Wants,
) -> EventHistory:
    """Return the history of one event.

    Args:
        time: when it happened, in milliseconds since the epoch; None if it has no time.
        properties: the event's properties.
        keys: the properties that count.
        order: returns the first three members of `Latest`.
        wants: what is worked out of the properties.
    """
    history = EventHistory(1, time, time)
    for key in keys:
        value = properties.get(key)
        if value is None:
            continue
        number = amount_of(value) if wants.numbers else None
        moment = date_of(value) if wants.dates else None
        text = json_text(value) if key in wants.latest else None
        latest = None if text is None else Latest(*order(), text)
        each = PropertyHistory(number, number, number, moment, moment, latest)
        history.properties[key] = each
    return history


def amount_of(value: object) -> Decimal | None:
    """Return a number, or a text of one, exactly; None for anything else, and from 2**63 on."""
    number = number_in(value)
    if number is None:
        return None
    exact = number if isinstance(number, Decimal) else Decimal(repr(number))
    return exact if -_LARGEST < exact < _LARGEST else None


def date_of(value: object) -> int | None:
    """Return a date in any form of segment.md 5, in milliseconds since the epoch; None if it is none."""
    moment = dates.parse(value)
    if moment is None or not dates.is_plausible(dates.unix_seconds(moment)):
        return None
    return moment


def as_integer(number: Decimal) -> int:
    """Round to the nearest integer, halves up."""
    return int(_EXACT.add(number, _HALF).to_integral_value(ROUND_FLOOR, _EXACT))


def _either(both: Callable[[T, T], T], one: T | None, other: T | None) -> T | None:
    """Return what `both` makes of two values, or the only one that there is."""
    if one is None:
        return other
    return one if other is None else both(one, other)
