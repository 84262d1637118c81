"""How long faults are borne with: those of one call, and Wootric's being down for all of them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from wootric_map.errors import TooFastError

if TYPE_CHECKING:
    from tenacity import RetryCallState

RETRIES: Final = 5
"""How often a call is tried again after a fault."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds to wait for a connection."""

READ_TIMEOUT: Final = 60.0
"""Seconds of silence to bear once a request is sent."""

DEADLINE: Final = 300.0
"""Seconds for all tries of a call and the pauses between them, but not for its turns."""

GIVE_UP_AFTER: Final = 120.0
"""Seconds that Wootric may be down for every call before the run ends."""

_TOO_FAST_RETRIES: Final = 100
"""A 429 is no fault of the call's: other traffic of the account may take a share of every window."""

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries at most, after the first fault and after many."""

_LEAST: Final = 0.001
"""Seconds that even a call past its deadline has left, since no timeout may be nothing."""


class Tries:
    """One call's tries: how many there may be, after what pauses, and for how long.

    Being too fast is counted apart: other traffic may take a share of many windows.
    """

    def __init__(
        self,
        retries: int,
        deadline: float,
        *,
        clock: Callable[[], float],
        jitter: Callable[[float, float], float],
    ) -> None:
        """Begin with none.

        Args:
            retries: how many there may be after the first.
            deadline: seconds for all of them.
            clock: seconds that only pass.
            jitter: a random number between two.
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
        """Whether one of them may have been carried out."""

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return max(self._deadline - self._spent, _LEAST)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count what this takes towards the deadline."""
        begun = self._clock()
        try:
            yield
        finally:
            self._spent += self._clock() - begun

    def enough(self, state: "RetryCallState") -> bool:
        """Whether to give up; asked once after each try, when the pause to come is known."""
        if self._spent + state.upcoming_sleep >= self._deadline:
            return True
        if was_too_fast(state):
            self._too_fast += 1
            return self._too_fast > _TOO_FAST_RETRIES
        self._faults += 1
        return self._faults > self._retries

    def pause(self, state: "RetryCallState") -> float:
        """Seconds: none past a limit, where the pace waits; else exponential with full jitter."""
        if was_too_fast(state):
            return 0.0
        return self._jitter(0.0, min(_FIRST_PAUSE * 2**self._faults, _LONGEST_PAUSE))


def was_too_fast(state: "RetryCallState") -> bool:
    """Whether a try ended in a 429."""
    return state.outcome is not None and isinstance(state.outcome.exception(), TooFastError)


class Outage:
    """How long Wootric has been down: from the first fault after the last good answer to any call.

    Time counts only while a call is under way or waits to be tried again. While all wait for their
    turns, an hour perhaps, nobody knows how Wootric is.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin with Wootric up.

        Args:
            clock: seconds that only pass; a machine's sleep should not count.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._counting = 0
        self._since = 0.0
        self._seconds = 0.0
        self._latest: str | None = None

    @contextmanager
    def counting(self) -> Iterator[None]:
        """While a call is under way or waits to be tried again."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def fault(self, what: str) -> None:
        """Note that a call failed as it would if Wootric were down; without personal data."""
        with self._lock:
            self._pass()
            self._latest = what

    def answered(self) -> None:
        """Note a good answer."""
        with self._lock:
            self._latest = None
            self._seconds = 0.0

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        with self._lock:
            self._pass()
            return self._seconds

    @property
    def latest(self) -> str:
        """The latest fault."""
        return self._latest or "no fault"

    def _count(self, more: int) -> None:
        with self._lock:
            self._pass()
            self._counting += more

    def _pass(self) -> None:
        now = self._clock()
        if self._counting and self._latest is not None:
            self._seconds += now - self._since
        self._since = now
