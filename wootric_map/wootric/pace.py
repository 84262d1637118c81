"""When a call may go: by a rate of the caller's, and by what replies say (wootric.md 4)."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from math import inf, isfinite
from typing import Final

from wootric_map.errors import StoppedError
from wootric_map.wootric.rate_limit import Allowance, Throughput, Told

_SLICE: Final = 2.0
"""Seconds to wait at a time: a machine that slept, or a reply, may have changed how long."""

_LATELY: Final = 5.0
"""Seconds after which a call that was held back no longer stands for those at present."""

_LARGEST: Final = 1e9
"""The largest limit that is believed."""


class Pace:
    """When the next call may go; may be used from several threads.

    After each turn either `learn` or `unanswered` is to be called, once.
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
            rate: calls a minute at most, over all endpoints; None leaves it to the replies.
            wait: waits so many seconds; True if the run was told to stop.
            reserve: the share of each endpoint's limit, from 0 up to but not including 1, that is left
                to the account's other traffic.
            clock: the unix time.
            monotonic: seconds since whenever, by a clock that is never set.
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
        """How many calls to each endpoint have had their turn."""
        self.waiting_until: float | None = None
        """Unix time at which a call that waits will go."""
        self.waiting_for = ""
        """What it waits for."""

    @property
    def calls(self) -> int:
        """How many calls have had their turn."""
        with self._lock:
            return self.made.total()

    def limits(self) -> dict[str, float]:
        """Calls a minute that each endpoint takes that has been asked; infinite where it has no limit."""
        with self._lock:
            told = {name: each.allowance.per_minute for name, each in self._endpoints.items()}
        return {name: limit for name, limit in told.items() if limit is not None}

    def throughputs(self) -> dict[str, Throughput]:
        """How calls go from now on to each endpoint that has been asked."""
        with self._lock:
            now = self._now()
            told = {name: each.allowance.throughput(now) for name, each in self._endpoints.items()}
        return {name: each for name, each in told.items() if each is not None}

    @property
    def limit(self) -> str | None:
        """The limit of Wootric's that holds calls back, such as `100 a minute`; None where none does."""
        with self._lock:
            since = self._now() - _LATELY
            held = [each for each in self._endpoints.values() if each.is_held and each.turn > since]
            return max(held, key=lambda each: each.turn).allowance.limit if held else None

    def take_turn(self, endpoint: str) -> None:
        """Wait until a call to this endpoint may go.

        Raises:
            StoppedError: the run was told to stop.
        """
        with self._lock:
            known = self._known(endpoint)
        # One call of an endpoint watches the clock, and those behind it wait for that one.
        with known.queue:
            is_held = waited = False
            while True:
                with self._lock:
                    now = self._now()
                    opens = known.allowance.opens(now)
                    at = max(self._next, opens)
                    if at <= now:
                        self._next = max(self._next, now) + self._interval
                        known.allowance.send(now)
                        known.is_held, known.turn = is_held, now
                        self.made[endpoint] += 1
                        if waited:
                            self.waiting_until = None
                        return
                    by_rate = at == self._next
                    is_held, waited = not by_rate, True
                    self.waiting_until = self._clock() + at - now
                    self.waiting_for = "for --rate" if by_rate else "for Wootric's limit"
                if self.wait(min(at - now, _SLICE)):
                    raise StoppedError

    def note_wait(self, seconds: float, reason: str) -> None:
        """Say that a call waits for something else than its turn."""
        self.waiting_until = self._clock() + seconds
        self.waiting_for = reason

    def learn(self, endpoint: str, headers: Mapping[str, str], *, refused: bool) -> None:
        """Take in what a reply says of its endpoint's limit.

        Args:
            endpoint: as it was given to `take_turn`.
            headers: the reply's; nothing in them is trusted.
            refused: whether it is a 429.
        """
        told = _told(headers)
        with self._lock:
            allowance = self._known(endpoint).allowance
            if refused:
                allowance.refused(self._now(), told)
            else:
                allowance.answered(self._now(), told)

    def unanswered(self, endpoint: str) -> None:
        """Take in that a call which had its turn ended without any reply."""
        with self._lock:
            self._known(endpoint).allowance.unanswered()

    def _known(self, endpoint: str) -> "_Endpoint":
        known = self._endpoints.get(endpoint)
        if known is None:
            known = self._endpoints[endpoint] = _Endpoint(Allowance(self.reserve))
        return known

    def _now(self) -> float:
        """The unix time by a clock that never runs backwards.

        The monotonic one stands still while the machine sleeps, and the other one may be set back:
        whichever has come further is right.
        """
        wall = self._clock()
        passed = self._monotonic()
        self._ahead = max(self._ahead, wall - passed)
        return passed + self._ahead


class _Endpoint:
    """An endpoint's limit, and whoever waits for it."""

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.queue = threading.Lock()
        self.is_held = False
        """Whether its latest call had to wait for the limit."""
        self.turn = 0.0
        """When that went."""


def _told(headers: Mapping[str, str]) -> Told:
    """What a reply's headers say of its endpoint's limit."""
    limit = number(headers.get("X-Rate-Limit-Limit"))
    remaining = number(headers.get("X-Rate-Limit-Remaining"))
    return Told(
        limit=None if limit is None else int(min(max(limit, 1.0), _LARGEST)),
        remaining=None if remaining is None else int(min(max(remaining, 0.0), _LARGEST)),
        reset=number(headers.get("X-Rate-Limit-Reset")),
        retry_after=number(headers.get("Retry-After")),
        date=unix_time(headers.get("Date")),
    )


@lru_cache(maxsize=4)  # servers make it once a second, and many replies carry the same
def unix_time(date: str | None) -> float | None:
    """The unix time that a `Date` header tells; None where it tells none."""
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except (OverflowError, TypeError, ValueError):
        return None


def number(text: str | None) -> float | None:
    """A finite number out of a header or a reply; None where it is none."""
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is None or isfinite(number) else None
