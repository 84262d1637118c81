"""How long a push takes, by the calls that it makes and the limits that they keep to (wootric.md 4)."""

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
"""A kind of call: each has a limit of its own."""

KINDS: Final[tuple[Kind, ...]] = ("look_up", "create", "update", "eligibility_check", "page_view")

ENDPOINTS: Final[Mapping[Kind, str]] = {
    "look_up": "end_users/{}",
    "create": "end_users/create",
    "update": "end_users/update",
    "eligibility_check": "eligible",
    "page_view": "pixel",
}
"""The endpoint of each, by the name that the pace knows it by."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long calls take."""

    seconds: float
    """Until the last of them; 0 where nothing but Wootric's replies holds them back."""
    by_kind: Mapping[Kind, float]
    """Seconds that each kind would take alone."""
    slowest: Kind | None
    """The kind whose limit decides; None where `--rate` does, or nothing."""
    per_minute: float
    """Calls a minute that what decides lets through; infinite where nothing does."""
    is_assumed: bool
    """Whether no reply has told that limit."""
    reserve: float = 0.0
    """The share of the limit that is left to others, which `per_minute` is without."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast calls may go."""

    rate: float | None = None
    """Calls a minute at most, all kinds together; None where the caller sets none."""
    reserve: float = 0.0
    """The share of each limit that is left to others."""
    told: Mapping[Kind, Throughput] = field(default_factory=lambda: MappingProxyType({}))
    """What replies of this run have told."""
    remembered: Mapping[Kind, float] = field(default_factory=lambda: MappingProxyType({}))
    """The limits, in calls a minute, that earlier runs were told; infinite where there was none."""

    @property
    def is_known(self) -> bool:
        """Whether anything is known of how fast calls may go."""
        return bool(self.rate or self.told or self.remembered)

    def throughput(self, kind: Kind) -> Throughput:
        """How calls of a kind go.

        Of a kind that nobody has told anything of, it is taken to be the account's lowest limit, else the
        caller's, else Wootric's usual one.
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
        """Tell how long calls take that are made as fast as they may.

        Kinds do not wait for each other, since many end users are under way at once.
        """
        by_kind = {
            kind: self.throughput(kind).seconds(calls[kind]) for kind in KINDS if calls.get(kind)
        }
        slowest = max(by_kind, key=lambda kind: by_kind[kind], default=None)
        seconds = by_kind[slowest] if slowest else 0.0
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
    """What is known of endpoints, by the kind of call; of those that a push calls."""
    return {kind: endpoints[name] for kind, name in ENDPOINTS.items() if name in endpoints}


def speed_of(pace: Pace, remembered: Mapping[str, float]) -> Speed:
    """How fast calls may go now.

    Args:
        pace: what replies of this run have told.
        remembered: the limits that earlier runs were told, by endpoint.
    """
    told = by_kind(pace.throughputs())
    return Speed(pace.rate, pace.reserve, told, by_kind(remembered))


class Agenda:
    """The calls that a push has still to make: those that were foreseen, less those that are made.

    What the account holds shows only as it is asked: how many look-ups an end user takes, and how many of
    those who would have been created are there already. What was seen of those asked so far stands for the
    others.
    """

    def __init__(self, foreseen: Mapping[str, int], *, asks: bool) -> None:
        """Begin with everything to do.

        Args:
            foreseen: the calls of each kind, at most.
            asks: whether end users are looked up in the account, of whom nothing was known then.
        """
        self._foreseen: Counter[str] = Counter(foreseen)
        self._asks = asks
        self._made: Counter[str] = Counter()
        self._looked_up = 0
        # What became of whoever was asked for. All keys are there from the start, since another thread reads.
        self._found = Counter({"create": 0, "update": 0, "unchanged": 0, "left": 0, "skipped": 0})

    def take(self, outcome: Outcome) -> None:
        """Take note of what became of a call."""
        is_skip = isinstance(outcome.result, Skip)
        asked = outcome.look_ups if self._asks else 0
        self._looked_up += asked
        if outcome.action in {"create", "update", "unchanged", "left"} and asked:
            self._found["skipped" if is_skip else outcome.action] += 1
        elif outcome.action not in {"unchanged", "left"} and (asked or not is_skip):
            self._made[outcome.action] += 1

    def left(self, look_ups: int = 0) -> dict[str, float]:
        """The calls of each kind that are left.

        Args:
            look_ups: how many the run has made.
        """
        left: dict[str, float] = {
            kind: max(self._foreseen[kind] - self._made[kind], 0) for kind in KINDS
        }
        left["look_up"] = max(self._foreseen["look_up"] - self._looked_up, 0)
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
    """Seconds that calls take which are left; None where nothing tells.

    What holds calls back tells it better than their speed so far, and is all that is known at first. Where
    nothing does, or the replies are slower than the limits, the speed so far tells.

    Args:
        left: calls of each kind.
        speed: how fast they may go.
        made: calls that have been made.
        elapsed: seconds that these took.
        is_held: whether calls wait for their turn at present.
    """
    if not any(left.values()):
        return 0.0
    forecast = speed.forecast(left)
    if is_held and forecast.seconds:
        return forecast.seconds
    if not made:
        return forecast.seconds or None
    return max(forecast.seconds, sum(left.values()) * elapsed / made)
