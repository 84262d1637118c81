"""An account with a limit, and a run against it, in virtual time."""

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from wootric_map.wootric.rate_limit import Allowance, LimitHeaders


@dataclass
class Window:
    limit: int
    ours: int = 0
    others: int = 0
    refused: int = 0
    """Calls of ours that were answered with a 429."""

    @property
    def share(self) -> float:
        return (self.ours + self.others) / self.limit


@dataclass
class LimitedEndpoint:
    """Counts calls in windows that end on a whole second, as `wootric_map.sandbox` does."""

    limits: Callable[[int], int]
    """The limit of each window, by its number."""
    length: float = 60.0
    by_the_clock: bool = False
    """Whether windows follow each other by the clock; else the first call after one opens the next."""
    ahead: float = 0.0
    """Seconds by which the server's clock is ahead of the caller's."""
    reset: float = 0.0
    windows: list[Window] = field(default_factory=list)

    def take(self, now: float, *, ours: bool = True) -> tuple[bool, LimitHeaders]:
        """Count a call; gives whether it passed, and what its reply tells."""
        now += self.ahead
        if now >= self.reset:
            self.windows.append(Window(self.limits(len(self.windows))))
            self.reset = (
                (now // self.length + 1) * self.length
                if self.by_the_clock
                else math.ceil(now + self.length)
            )
        window = self.windows[-1]
        passes = window.ours + window.others < window.limit
        if passes and ours:
            window.ours += 1
        elif passes:
            window.others += 1
        elif ours:
            window.refused += 1
        remaining = window.limit - window.ours - window.others
        return passes, LimitHeaders(
            window.limit, remaining, self.reset, date=float(math.floor(now))
        )


@dataclass
class Run:
    """Workers that call one endpoint as fast as an allowance lets them."""

    endpoint: LimitedEndpoint
    workers: int = 8
    latency: float = 0.1
    """Seconds between call and reply, on average; it varies, so that calls overtake each other."""
    others: float = 0.0
    """Calls a second by the account's other traffic, on average."""
    reserve: float = 0.0
    begin: float = 1_700_000_000.3
    seed: int = 1
    sent: list[float] = field(default_factory=list)
    refused: int = 0

    def last(self, seconds: float) -> list[Window]:
        """Let so much time pass; gives the windows that began and ended in it."""
        random_ = random.Random(self.seed)
        allowance = Allowance(self.reserve)
        order = count()
        events: list[tuple[float, int, Callable[[float], None]]] = []
        idle, is_looking = self.workers, False

        def at(when: float, do: Callable[[float], None]) -> None:
            heapq.heappush(events, (when, next(order), do))

        def look(now: float) -> None:
            nonlocal idle, is_looking
            is_looking = False
            while idle:
                opens = allowance.opens(now)
                if opens > now:
                    is_looking = True
                    at(min(opens, now + 2.0) + random_.uniform(0, 0.001), look)
                    return
                allowance.send(now)
                self.sent.append(now)
                idle -= 1
                way = self.latency * random_.uniform(0.1, 0.9)
                at(now + way, lambda now: reach(now, self.latency * random_.uniform(0.1, 0.9)))

        def reach(now: float, way_back: float) -> None:
            passes, told = self.endpoint.take(now)
            at(now + way_back, lambda now: come_back(now, told, passes=passes))

        def come_back(now: float, told: LimitHeaders, *, passes: bool) -> None:
            nonlocal idle
            if passes:
                allowance.answered(now, told)
            else:
                allowance.refused(now, told)
                self.refused += 1
            idle += 1
            if not is_looking:
                look(now)

        def disturb(now: float) -> None:
            self.endpoint.take(now, ours=False)
            at(now + random_.expovariate(self.others), disturb)

        at(self.begin, look)
        if self.others:
            at(self.begin, disturb)
        while events[0][0] < self.begin + seconds:
            when, _, do = heapq.heappop(events)
            do(when)
        return self.endpoint.windows[:-1]
