"""How long the calls of a push take, by the limits that they keep to (wootric.md 4)."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from types import MappingProxyType
from typing import Final, TypeVar

from wootric_map.deliver.call_range import ENDPOINTS, KINDS, CallRange, Kind, kind_of
from wootric_map.model import Outcome, Skip
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.rate_limit import Throughput
from wootric_map.wootric.requests import USUAL_RATE

_TRIES: Final = 60
"""Halvings of a span of time, after which a float is as exact as it can be."""


_PASSES: Final[tuple[tuple[Kind, ...], ...]] = (
    ("look_up", "create", "update", "surveys_off"),
    ("eligibility_check", "page_view", "survey_list", "response", "decline"),
)
"""The kinds of calls of each pass through a plan (passes.py)."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long a number of calls takes."""

    seconds: float
    """Seconds until the last call; 0 if only Wootric's replies hold the calls back."""
    by_kind: Mapping[Kind, float]
    """Seconds that the calls of each kind take alone."""
    slowest: Kind | None
    """The kind whose calls take longest; None if `--rate` decides, or nothing."""
    per_minute: float
    """Calls a minute that the deciding limit allows; infinite if there is none."""
    is_assumed: bool
    """Whether the limit is assumed, since no reply has told it."""
    reserve: float = 0.0
    """The share of the limit that is left to others; `per_minute` is without it."""


@dataclass(frozen=True, slots=True)
class ForecastRange:
    """How long a range of calls takes."""

    least: float
    """Seconds that the calls take at least."""
    most: Forecast
    """How long they take at most."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast calls may go."""

    rate: float | None = None
    """Calls a minute at most, all kinds together; None for no such limit."""
    reserve: float = 0.0
    """The share of each limit that is left to others."""
    told: Mapping[Kind, Throughput] = field(default_factory=lambda: MappingProxyType({}))
    """The limits that replies of this run have told."""
    remembered: Mapping[Kind, float] = field(default_factory=lambda: MappingProxyType({}))
    """The limits that replies told earlier runs, in calls a minute; infinite for no limit."""
    events_first: bool = False
    """Whether the end users with events are dealt with first, so that writes and events go side by side."""

    @property
    def _passes(self) -> tuple[tuple[Kind, ...], ...]:
        """The kinds of calls that go side by side, in groups one after the other.

        Writes that only Wootric's limits hold back leave room for events beside them, and writes that nothing
        holds back take no time (passes.py, `may_send_beside_writes`).
        """
        return (KINDS,) if self.events_first or self.rate is None else _PASSES

    @property
    def is_known(self) -> bool:
        """Whether any limit is known."""
        return bool(self.rate or self.told or self.remembered)

    def throughput(self, kind: Kind) -> Throughput:
        """Return how fast calls of a kind may go.

        If no reply has told the limit of the kind, it is the lowest limit of other kinds, else `rate`, else
        Wootric's usual limit.
        """
        if kind in self.told:
            return self.told[kind]
        known = self.remembered.get(kind)
        if known is None:
            limits = [each.per_minute for each in self.told.values()]
            limits += [limit * (1 - self.reserve) for limit in self.remembered.values()]
            usual = self.rate or USUAL_RATE * (1 - self.reserve)
            return Throughput(min(limits, default=usual))
        return Throughput(known * (1 - self.reserve))

    def forecast(self, calls: Mapping[Kind, float]) -> Forecast:
        """Return how long calls take, by kind, if they are made as fast as allowed.

        Kinds that go side by side do not wait for each other, since many end users are under way at once.
        """
        by_kind = {
            kind: self.throughput(kind).seconds(calls[kind]) for kind in KINDS if calls.get(kind)
        }
        slowest = max(by_kind, key=lambda kind: by_kind[kind], default=None)
        seconds = sum(
            max((by_kind[kind] for kind in kinds if kind in by_kind), default=0.0)
            for kinds in self._passes
        )
        together = sum(calls.values()) * 60 / self.rate if self.rate else 0.0
        if self.rate and together >= seconds:
            return Forecast(together, by_kind, None, self.rate, is_assumed=False)
        if slowest is None or not seconds:
            return Forecast(0.0, by_kind, None, inf, is_assumed=False)
        is_assumed = not (self.told or self.remembered)
        per_minute = self.throughput(slowest).per_minute
        return Forecast(seconds, by_kind, slowest, per_minute, is_assumed, self.reserve)

    def forecast_range(self, calls: CallRange) -> ForecastRange:
        """Return how long a range of calls takes."""
        by_kind = self.forecast(calls.most_by_kind)
        together = calls.most * 60 / self.rate if self.rate else 0.0
        most = by_kind
        if self.rate and by_kind.slowest is None and together < by_kind.seconds:
            # Not all calls are made that may be made of each kind.
            seconds = max(together, *by_kind.by_kind.values())
            most = replace(by_kind, seconds=seconds)
        return ForecastRange(min(self._least_seconds(calls), most.seconds), most)

    def _least_seconds(self, calls: CallRange) -> float:
        """Return the seconds that calls take at least, whichever of the possible kinds they are of."""
        at_least = self.forecast(calls.least_by_kind).seconds
        if self.rate:
            at_least = max(at_least, calls.least * 60 / self.rate)
        low, high = 0.0, self.forecast(calls.most_by_kind).seconds
        for _ in range(_TRIES):
            middle = (low + high) / 2
            if self._most_within(middle, calls) >= calls.least:
                high = middle
            else:
                low = middle
        return max(at_least, low)

    def _most_within(self, seconds: float, calls: CallRange) -> int:
        """Return how many of the possible calls can be made within some seconds."""
        return sum(
            bisect_right(range(1, most + 1), seconds, key=self.throughput(kind).seconds)
            for kind, most in calls.most_by_kind.items()
        )


T = TypeVar("T")


def by_kind(endpoints: Mapping[str, T]) -> dict[Kind, T]:
    """Return what is known about endpoints, by the kind of call."""
    return {kind: endpoints[name] for kind, name in ENDPOINTS.items() if name in endpoints}


def speed_of(pace: Pace, remembered: Mapping[str, float], *, events_first: bool = False) -> Speed:
    """Return how fast calls may go now.

    Args:
        pace: knows the limits that replies of this run have told.
        remembered: the limits that replies told earlier runs, by endpoint.
        events_first: as in `Speed`.
    """
    told = by_kind(pace.throughputs())
    return Speed(pace.rate, pace.reserve, told, by_kind(remembered), events_first)


@dataclass(frozen=True, slots=True)
class Foretold:
    """The calls that a push is to make: those of steps that are certain, and of those that are open."""

    certain: CallRange = field(default_factory=CallRange)
    """The calls of steps for which enough is known."""
    open: CallRange = field(default_factory=CallRange)
    """The calls of steps for which only the account can tell."""
    open_steps: int = 0
    """How many steps are open."""

    @property
    def calls(self) -> CallRange:
        """The range of all calls."""
        return self.certain.plus(self.open)


class RemainingCalls:
    """The calls that a push has still to make: those foretold less those that were made.

    Only calls show who is there already. What the open steps have taken so far stands for the others; before
    the first of them, they are expected to take what they take in an account that holds nobody.
    """

    def __init__(self, foretold: Foretold) -> None:
        """Begin with all calls to make."""
        self._foretold: Final = foretold
        # The calls of steps that were certain. All keys exist at once, since another thread reads.
        self._certain: Counter[Kind] = Counter(dict.fromkeys(KINDS, 0))
        self._closed = 0
        """How many open steps are dealt with."""

    def count(self, outcome: Outcome) -> None:
        """Count what became of a step."""
        is_open = outcome.look_ups or outcome.action == "create"
        if self._closed < self._foretold.open_steps and is_open:
            self._closed += 1
        elif not (
            outcome.action in {"unchanged", "left", "kept_off"} or isinstance(outcome.result, Skip)
        ):
            self._certain[kind_of(outcome.action)] += 1

    def range(self, made: Mapping[Kind, int]) -> CallRange:
        """Return the range of the calls that are left, by the calls of each kind that were made."""
        return self._foretold.calls.less(made)

    def remaining(self, made: Mapping[Kind, int]) -> dict[Kind, float]:
        """Return the calls of each kind that are expected to be left; they are within the range.

        Args:
            made: the calls of each kind that were made.
        """
        foretold, left = self._foretold, self.range(made)
        expected: dict[Kind, float] = {}
        for kind in KINDS:
            certain, done = foretold.certain.most_by_kind.get(kind, 0), self._certain[kind]
            each = max(made.get(kind, 0) - done, 0) / self._closed if self._closed else 0.0
            if not self._closed and foretold.open_steps:
                each = self._at_first(kind)
            guess = max(certain - done, 0) + each * (foretold.open_steps - self._closed)
            least, most = left.least_by_kind.get(kind, 0), left.most_by_kind.get(kind, 0)
            expected[kind] = min(max(guess, least), most)
        return _within(expected, left)

    def _at_first(self, kind: Kind) -> float:
        """Return how many calls of a kind an open step takes in an account that holds nobody."""
        calls, steps = self._foretold.open, self._foretold.open_steps
        if kind == "update" or (kind == "look_up" and not calls.least_by_kind.get(kind)):
            return 0.0
        most = calls.most_by_kind.get(kind, 0) / steps
        return min(most, 1.0) if kind == "create" else most


def _within(expected: Mapping[Kind, float], left: CallRange) -> dict[Kind, float]:
    """Return numbers of calls by kind, changed so that their total is within a range, too."""
    total = sum(expected.values())
    bounds = left.least_by_kind if total > left.most else left.most_by_kind
    wanted = min(max(total, left.least), left.most)
    room = sum(bounds.get(kind, 0) for kind in expected) - total
    share = (wanted - total) / room if room else 0.0
    return {kind: count + (bounds.get(kind, 0) - count) * share for kind, count in expected.items()}


def time_left(
    left: Mapping[Kind, float], speed: Speed, *, made: int, elapsed: float, is_held: bool
) -> float | None:
    """Return the seconds that the remaining calls take; None if nothing tells.

    Limits tell it better than the speed so far, and are all that is known at first. The speed so far counts
    if there is no limit, or replies are slower than the limits.

    Args:
        left: the remaining calls of each kind.
        speed: how fast calls may go.
        made: the number of calls that were made.
        elapsed: the seconds that these calls took.
        is_held: whether calls wait for their turn now.
    """
    if not any(left.values()):
        return 0.0
    forecast = speed.forecast(left)
    if is_held and forecast.seconds:
        return forecast.seconds
    if not made:
        return forecast.seconds or None
    return max(forecast.seconds, sum(left.values()) * elapsed / made)
