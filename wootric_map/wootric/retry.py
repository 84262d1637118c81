"""When to try a call again, and when to give up: one call, or all calls while Wootric is down."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from wootric_map.errors import ServerFaultError, TooFastError

if TYPE_CHECKING:
    from tenacity import RetryCallState

RETRIES: Final = 5
"""How often a call is tried again after a fault."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds to wait for a connection."""

READ_TIMEOUT: Final = 60.0
"""Seconds that a server may be silent once a request is sent."""

DEADLINE: Final = 300.0
"""Seconds for all tries of a call and the pauses between them, without the waits for a turn."""

GIVE_UP_AFTER: Final = 120.0
"""Seconds that Wootric may be down for every call before the run ends."""

_TOO_FAST_RETRIES: Final = 100
"""How often a call is tried again after a 429; many, since other traffic may fill every window."""

_FIRST_PAUSE: Final = 0.5
"""Seconds between two tries at most after the first fault, before doubling."""

_LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries at most, after many faults or where Wootric asks for more."""

_LEAST: Final = 0.001
"""Seconds that even a call past its deadline has left, since a timeout must not be 0."""


class Tries:
    """The tries of one call: their number, the pauses between them, and their deadline.

    Tries that end in a 429 are counted by themselves, since other traffic may fill many windows.
    """

    def __init__(
        self,
        retries: int,
        deadline: float,
        *,
        clock: Callable[[], float],
        jitter: Callable[[float, float], float],
    ) -> None:
        """Begin without a try.

        Args:
            retries: how many tries there may be after the first.
            deadline: seconds for all tries together.
            clock: returns seconds by a clock that is never set.
            jitter: returns a random number between two numbers.
        """
        self._retries = retries
        self._deadline = deadline
        self._clock = clock
        self._jitter = jitter
        self._spent = 0.0
        self._faults = 0
        self._too_fast = 0
        self.made = 0
        """How often the call was sent."""
        self.in_doubt = False
        """Whether Wootric may have carried out one of the tries."""

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return max(self._deadline - self._spent, _LEAST)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time in this context towards the deadline."""
        begun = self._clock()
        try:
            yield
        finally:
            self._spent += self._clock() - begun

    def should_stop(self, state: "RetryCallState") -> bool:
        """Tell whether to give up; to be called once after each try, when the coming pause is known."""
        if self._spent + state.upcoming_sleep >= self._deadline:
            return True
        if was_too_fast(state):
            self._too_fast += 1
            return self._too_fast > _TOO_FAST_RETRIES
        self._faults += 1
        return self._faults > self._retries

    def pause(self, state: "RetryCallState") -> float:
        """Return the seconds to wait before the next try.

        After a 429 that is 0, since `Pace` waits for the limit (rate_limit.py). After a fault the pause grows
        exponentially, with jitter; it is no shorter than Wootric asked for, up to `_LONGEST_PAUSE`.
        """
        if was_too_fast(state):
            return 0.0
        pause = self._jitter(0.0, min(_FIRST_PAUSE * 2**self._faults, _LONGEST_PAUSE))
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, ServerFaultError) else 0.0
        return max(pause, min(asked, _LONGEST_PAUSE))


def was_too_fast(state: "RetryCallState") -> bool:
    """Tell whether a try ended in a 429."""
    return state.outcome is not None and isinstance(state.outcome.exception(), TooFastError)


class Outage:
    """Measures how long Wootric has been down: since the first fault after the last good answer.

    Time counts only while a call is under way or waits to be tried again. While all calls wait for their
    turns, perhaps for an hour, nobody knows whether Wootric is down.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin with Wootric up.

        Args:
            clock: returns seconds by a clock that is never set, and that stands still while the machine
                sleeps.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._counting = 0
        self._since = 0.0
        self._seconds = 0.0
        self._latest: str | None = None

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the time in this context: a call is under way, or waits to be tried again."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def fault(self, what: str) -> None:
        """Note that a call failed in a way that shows that Wootric may be down.

        Args:
            what: what happened, without personal data.
        """
        with self._lock:
            self._pass()
            self._latest = what

    def answered(self) -> None:
        """Note a good answer, which ends the outage."""
        with self._lock:
            self._latest = None
            self._seconds = 0.0

    @property
    def seconds(self) -> float:
        """How many seconds the outage has lasted."""
        with self._lock:
            self._pass()
            return self._seconds

    @property
    def latest(self) -> str:
        """The latest fault, in words."""
        return self._latest or "no fault"

    def _count(self, more: int) -> None:
        """Add to the number of calls that are under way or wait to be tried again."""
        with self._lock:
            self._pass()
            self._counting += more

    def _pass(self) -> None:
        """Add the time since the last look to the outage, if it counts."""
        now = self._clock()
        if self._counting and self._latest is not None:
            self._seconds += now - self._since
        self._since = now
