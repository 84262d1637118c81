"""The pace of calls: the user's own rate, and the limits that replies tell (wootric.md 4)."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from math import inf, isfinite
from typing import Final

from wootric_map.errors import StoppedError
from wootric_map.wootric.rate_limit import Allowance, LimitHeaders, Throughput

_SLICE: Final = 2.0
"""Seconds to wait at a time; after each, a reply or the machine's sleep may have changed the wait."""

_LATELY: Final = 5.0
"""Seconds for which a call that had to wait shows that calls of its endpoint have to wait."""

_FELT: Final = 0.005
"""Seconds that a call waits where it is the limit that holds calls back; less is lost on the way anyhow."""

_WEIGHT: Final = 0.2
"""The weight of the latest call in the share of calls that had to wait."""

_MOST: Final = 0.6
"""The share of calls that have to wait where a limit holds calls back: five in a row reach it, and after
many, three that need not wait fall short of it. Of calls that something else holds back, some meet by chance
and wait for each other; and after a pause of the machine, some that a limit holds back need not wait."""

_LARGEST: Final = 1e9
"""The largest limit that is believed."""


class Pace:
    """Gives each call its turn; may be used from several threads.

    After each `take_turn`, call either `learn` or `unanswered`, once.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        wait: Callable[[float], bool],
        reserve: float = 0.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with nothing known of the account's limits.

        Args:
            rate: calls a minute at most, over all endpoints; None leaves the pace to the replies.
            wait: waits so many seconds; returns true if the run was told to stop.
            reserve: the share of each endpoint's limit, from 0 up to but not including 1, that is left
                to the account's other traffic.
            clock: returns the unix time.
            monotonic: returns seconds by a clock that is never set.
        """
        self.rate: Final = rate
        self._interval = 60.0 / rate if rate else 0.0
        self.wait = wait
        self.reserve: Final = reserve
        self._clock = clock
        self._monotonic = monotonic
        self._ahead = -inf
        self._lock = threading.Lock()
        self._next = 0.0
        self._endpoints: dict[str, _Endpoint] = {}
        self.made: Counter[str] = Counter()
        """How many calls have had their turn, by endpoint."""
        self.waiting_until: float | None = None
        """The unix time at which a waiting call will be sent; None if no call waits."""
        self.waiting_for = ""
        """What the waiting call waits for, such as `for --rate`."""

    @property
    def calls(self) -> int:
        """How many calls have had their turn."""
        with self._lock:
            return self.made.total()

    def limits(self) -> dict[str, float]:
        """Return the calls a minute that Wootric takes, by endpoint that has been called; may be infinite."""
        with self._lock:
            told = {name: each.allowance.per_minute for name, each in self._endpoints.items()}
        return {name: limit for name, limit in told.items() if limit is not None}

    def throughputs(self) -> dict[str, Throughput]:
        """Return the throughput to expect, by endpoint that has been called."""
        with self._lock:
            now = self._now()
            told = {name: each.allowance.throughput(now) for name, each in self._endpoints.items()}
        return {name: each for name, each in told.items() if each is not None}

    @property
    def limit(self) -> str | None:
        """The limit that makes calls wait, such as `100 a minute`; None if no limit does."""
        with self._lock:
            since = self._now() - _LATELY
            held = [each for each in self._endpoints.values() if each.is_held and each.turn > since]
            return max(held, key=lambda each: each.turn).allowance.limit if held else None

    def held(self) -> frozenset[str]:
        """Return the endpoints whose calls are held back by the limits that replies have told."""
        with self._lock:
            since = self._now() - _LATELY
            return frozenset(
                name
                for name, each in self._endpoints.items()
                if each.held_share >= _MOST and (each.is_waiting or each.turn > since)
            )

    def take_turn(self, endpoint: str) -> None:
        """Wait until a call to this endpoint may go.

        Raises:
            StoppedError: the run was told to stop.
        """
        with self._lock:
            known = self._endpoint(endpoint)
        # One call of an endpoint watches the clock, and all others wait for that call.
        with known.queue:
            held_for, waited = 0.0, False
            while True:
                with self._lock:
                    now = self._now()
                    opens = known.allowance.opens(now)
                    at = max(self._next, opens)
                    if at <= now:
                        self._next = max(self._next, now) + self._interval
                        known.send(now, held_for)
                        self.made[endpoint] += 1
                        if waited:
                            self.waiting_until = None
                        return
                    by_rate = at == self._next
                    # Before the first reply, a call waits for that, and not for a limit.
                    known.is_waiting = not by_rate and known.allowance.limit is not None
                    held_for = max(held_for, at - now) if known.is_waiting else 0.0
                    waited = True
                    self.waiting_until = self._clock() + at - now
                    self.waiting_for = "for --rate" if by_rate else "for Wootric's limit"
                if self.wait(min(at - now, _SLICE)):
                    raise StoppedError

    def note_wait(self, seconds: float, reason: str) -> None:
        """Note that a call waits for something else than its turn, for so many seconds."""
        self.waiting_until = self._clock() + seconds
        self.waiting_for = reason

    def learn(self, endpoint: str, headers: Mapping[str, str], *, refused: bool) -> None:
        """Learn an endpoint's limit from a reply.

        Args:
            endpoint: the endpoint that the call's `take_turn` was given.
            headers: the headers of the reply; nothing in them is trusted.
            refused: whether the status of the reply is 429.
        """
        limits = _limit_headers(headers)
        with self._lock:
            allowance = self._endpoint(endpoint).allowance
            if refused:
                allowance.refused(self._now(), limits)
            else:
                allowance.answered(self._now(), limits)

    def unanswered(self, endpoint: str) -> None:
        """Note that a call which had its turn ended without a reply."""
        with self._lock:
            self._endpoint(endpoint).allowance.unanswered()

    def _endpoint(self, endpoint: str) -> "_Endpoint":
        """Return the state of an endpoint by its name; a new one if it is called for the first time."""
        known = self._endpoints.get(endpoint)
        if known is None:
            known = self._endpoints[endpoint] = _Endpoint(Allowance(self.reserve))
        return known

    def _now(self) -> float:
        """Return the unix time by a clock that never runs backwards.

        The monotonic clock stands still while the machine sleeps, and the other clock may be set back. The
        one that is further ahead is right.
        """
        wall = self._clock()
        passed = self._monotonic()
        self._ahead = max(self._ahead, wall - passed)
        return passed + self._ahead


class _Endpoint:
    """An endpoint's limit, and the calls that wait for it."""

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.queue = threading.Lock()
        self.is_held = False
        """Whether the latest call had to wait for the limit."""
        self.held_share = 0.0
        """The share of calls that had to wait for the limit, and not only for a moment, of late."""
        self.is_waiting = False
        """Whether a call waits for the limit now."""
        self.turn = 0.0
        """When the latest call was sent, by the clock of `Pace`."""

    def send(self, now: float, held_for: float) -> None:
        """Note that a call is sent now.

        Args:
            now: the time by the clock of `Pace`.
            held_for: seconds that the call was to wait for the limit; 0 if it was not.
        """
        self.allowance.send(now)
        self.turn = now
        self.is_waiting = False
        self.is_held = held_for > 0
        self.held_share += ((held_for >= _FELT) - self.held_share) * _WEIGHT


def _limit_headers(headers: Mapping[str, str]) -> LimitHeaders:
    """Return what the headers of a reply tell about the limit of its endpoint."""
    limit = number(headers.get("X-Rate-Limit-Limit"))
    remaining = number(headers.get("X-Rate-Limit-Remaining"))
    return LimitHeaders(
        limit=None if limit is None else int(min(max(limit, 1.0), _LARGEST)),
        remaining=None if remaining is None else int(min(max(remaining, 0.0), _LARGEST)),
        reset=number(headers.get("X-Rate-Limit-Reset")),
        retry_after=number(headers.get("Retry-After")),
        date=unix_time(headers.get("Date")),
    )


@lru_cache(maxsize=4)  # many replies of one second have the same date
def unix_time(date: str | None) -> float | None:
    """Return the unix time in a `Date` header; None if the header holds no time."""
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except (OverflowError, TypeError, ValueError):
        return None


def number(text: str | None) -> float | None:
    """Return the finite number in a text; None if the text holds no such number."""
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is None or isfinite(number) else None
