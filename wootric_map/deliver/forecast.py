"""How long the calls of a push take, by the limits that they keep to (wootric.md 4)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, TypeVar

from wootric_map.model import Outcome, Skip
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.rate_limit import Throughput
from wootric_map.wootric.requests import USUAL_RATE

Kind: TypeAlias = Literal["look_up", "create", "update", "eligibility_check", "page_view"]
"""A kind of call; each kind has a limit of its own."""

KINDS: Final[tuple[Kind, ...]] = ("look_up", "create", "update", "eligibility_check", "page_view")

ENDPOINTS: Final[Mapping[Kind, str]] = {
    "look_up": "end_users/{}",
    "create": "end_users/create",
    "update": "end_users/update",
    "eligibility_check": "eligible",
    "page_view": "pixel",
}
"""The name of each kind's endpoint in the pace."""


_PASSES: Final[tuple[tuple[Kind, ...], ...]] = (
    ("look_up", "create", "update"),
    ("eligibility_check", "page_view"),
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

    def forecast(self, calls: Mapping[str, float]) -> Forecast:
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


class RemainingCalls:
    """The calls that a push has still to make: the counted calls less those that were made.

    Only look-ups show how many look-ups an end user takes, and how many end users exist already. The shares
    among the end users that were looked up so far stand for the others.
    """

    def __init__(self, counted: Mapping[str, int], *, asks: bool) -> None:
        """Begin with all calls to make.

        Args:
            counted: the calls of each kind, at most.
            asks: whether end users are looked up in the account.
        """
        self._counted: Counter[str] = Counter(counted)
        self._asks = asks
        self._made: Counter[str] = Counter()
        self._looked_up = 0
        # The end users that were looked up. All keys exist at once, since another thread reads.
        self._found = Counter({"create": 0, "update": 0, "unchanged": 0, "left": 0, "skipped": 0})

    def count(self, outcome: Outcome) -> None:
        """Count what became of a call."""
        is_skip = isinstance(outcome.result, Skip)
        asked = outcome.look_ups if self._asks else 0
        self._looked_up += asked
        if outcome.action in {"create", "update", "unchanged", "left"} and asked:
            self._found["skipped" if is_skip else outcome.action] += 1
        elif outcome.action not in {"unchanged", "left"} and (asked or not is_skip):
            self._made[outcome.action] += 1

    def remaining(self, look_ups: int = 0) -> dict[str, float]:
        """Return the calls of each kind that are left.

        Args:
            look_ups: the number of look-ups that the run has made.
        """
        left: dict[str, float] = {
            kind: max(self._counted[kind] - self._made[kind], 0) for kind in KINDS
        }
        left["look_up"] = max(self._counted["look_up"] - self._looked_up, 0)
        if self._looked_up:
            left["look_up"] *= min(look_ups / self._looked_up, 1)
        asked = self._found.total()
        if asked:
            unasked = max(left["create"] - asked, 0)
            left["create"] = unasked * self._found["create"] / asked
            left["update"] += unasked * self._found["update"] / asked
        return left


def time_left(
    left: Mapping[str, float], speed: Speed, *, made: int, elapsed: float, is_held: bool
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
