"""When a call may go: by a rate of the caller's, and by what replies say (wootric.md 4)."""

import threading
import time
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Final

from wootric_map.outcome import StoppedError

_SHORTEST_WAIT: Final = 1.0
"""Seconds after a 429 that does not say how long."""


_LONGEST_WAIT: Final = 3600.0
"""Seconds; a reset time further away than this is a mistake, of a clock for instance."""


class Pace:
    """When the next call may go: by a rate of the caller's, and by what replies say (wootric.md 4)."""

    def __init__(
        self,
        rate: float | None,
        *,
        wait: Callable[[float], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start with nothing known of the account's limits.

        Args:
            rate: calls a minute at most, over all endpoints; None leaves it to the replies.
            wait: waits so many seconds; True if the run was told to stop.
            clock: the unix time.
        """
        self._interval = 60.0 / rate if rate else 0.0
        self.wait = wait
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        self._windows: dict[str, tuple[int, float]] = {}
        self.calls = 0
        """How many calls have had their turn."""
        self.waiting_until: float | None = None
        """Unix time at which a call that waits will go."""
        self.waiting_for = ""
        """What it waits for."""

    def take_turn(self, endpoint: str) -> None:
        """Wait until a call to this endpoint may go.

        Raises:
            StoppedError: the run was told to stop.
        """
        while True:
            with self._lock:
                now = self._clock()
                at = max(self._next, self._opens(endpoint, now))
                if at <= now:
                    self._next = max(self._next, now) + self._interval
                    remaining, reset = self._windows.get(endpoint, (1, now))
                    self._windows[endpoint] = remaining - 1, reset
                    self.waiting_until = None
                    self.calls += 1
                    return
                self.waiting_until = at
                by_rate = at == self._next
                self.waiting_for = "for --rate" if by_rate else "for Wootric's limit"
            if self.wait(min(at - now, _LONGEST_WAIT)):
                raise StoppedError

    def note_wait(self, seconds: float, reason: str) -> None:
        """Say that a call waits for something else than its turn."""
        self.waiting_until = self._clock() + seconds
        self.waiting_for = reason

    def learn(self, endpoint: str, headers: Mapping[str, str], *, refused: bool) -> None:
        """Take in what a reply says of its endpoint's limit."""
        with self._lock:
            now = self._clock()
            reset = number(headers.get("X-Rate-Limit-Reset"))
            retry_after = number(headers.get("Retry-After"))
            if refused:
                opens = now + max(retry_after or 0.0, _SHORTEST_WAIT)
                if reset is not None and reset > now:
                    opens = min(reset, opens) if retry_after else reset
                self._windows[endpoint] = 0, min(opens, now + _LONGEST_WAIT)
                return
            remaining = number(headers.get("X-Rate-Limit-Remaining"))
            if remaining is None or reset is None:
                self._windows.pop(endpoint, None)
                return
            known, known_reset = self._windows.get(endpoint, (int(remaining), reset))
            if reset < known_reset and known_reset > now:
                return  # a late reply, of a window that has ended
            # Replies overtake each other: within one window the smaller figure is the newer.
            left = min(known, int(remaining)) if known_reset == reset else int(remaining)
            self._windows[endpoint] = left, min(reset, now + _LONGEST_WAIT)

    def unanswered(self, endpoint: str) -> None:
        """Note that a call which had its turn ended without a reply."""

    def _opens(self, endpoint: str, now: float) -> float:
        remaining, reset = self._windows.get(endpoint, (1, 0.0))
        if remaining <= 0 and reset <= now:
            del self._windows[endpoint]
        return reset if remaining <= 0 else 0.0


def number(text: str | None) -> float | None:
    """A finite number out of a header or a reply; None where it is none."""
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is None or isfinite(number) else None
