"""When an endpoint takes the next call, learned from its replies (wootric.md 4); nothing here waits."""

from collections import deque
from dataclasses import dataclass, field
from math import ceil, floor, inf
from typing import Final

LONGEST_WAIT: Final = 3600.0
"""Seconds until a reset, at most; a reset further away is a mistake, for instance of a clock."""

_SHORTEST_WAIT: Final = 1.0
"""Seconds to wait after a 429 that does not say how long; doubled with each further 429."""

_DOUBLINGS: Final = 6
"""How often the wait is doubled at most."""

_LOOK_AGAIN: Final = 0.02
"""Seconds to wait before looking again whether a call under way has been answered."""

_ASKS: Final = 5.0
"""Seconds to wait for the answer to a first call before another call is sent beside it."""

_LOST: Final = 120.0
"""Seconds after which a call under way counts as unanswered, if nobody reports how it ended."""

_ARRIVES: Final = 10.0
"""Seconds within which the server counts a call, however late the reply comes."""

_DATE_LASTS: Final = 2.0
"""Seconds that a `Date` header may be old: it has whole seconds, and servers make it once a second."""

_LARGEST_SKEW: Final = 86_400.0
"""Seconds that a `Date` may differ from our clock; with a larger difference, TLS would have failed."""

_SETTLES: Final = 0.1
"""Seconds to wait after a reset, for the small differences between two clocks that are set."""

_SETTLES_LATE, _SETTLES_LAST = 1.0, 2.0
"""Seconds to wait after a reset once the server's clock has been late: at first, and at most."""

_EARLY, _EARLIEST = 0.02, 1.0
"""How long before the end of a window its last call is sent: a share of the window, and seconds at most. The
server should count that call in the window, and calls that replies show to be left should still be sent."""

_SAME_WINDOW: Final = 1.0
"""Seconds by which two resets may differ and be the same one, rounded in two ways."""

_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class LimitHeaders:
    """What the headers of a reply tell about a limit; None for what they do not tell."""

    limit: int | None = None
    """Calls in a window that the server takes from all users of the account; at least 1."""
    remaining: int | None = None
    """Calls that the server still takes in this window; at least 0."""
    reset: float | None = None
    """When the window ends: unix time by the server's clock."""
    retry_after: float | None = None
    """Seconds in which to send no call."""
    date: float | None = None
    """When the reply was made: unix time by the server's clock, in whole seconds."""


@dataclass(frozen=True, slots=True)
class Skew:
    """Bounds, learned from replies, on how many seconds the server's clock is ahead of ours."""

    least: float = -inf
    most: float = inf

    def narrowed(self, date: float | None, sent: float, received: float) -> "Skew":
        """Return narrower bounds by one more reply; by that reply alone if a clock was set in between.

        Args:
            date: the unix time in the `Date` header of the reply.
            sent: the unix time of the call, by our clock.
            received: the unix time of the reply, by our clock.
        """
        if date is None or abs(date - received) > _LARGEST_SKEW:
            return self
        latest = Skew(date - received, date + _DATE_LASTS - sent)
        both = Skew(max(self.least, latest.least), min(self.most, latest.most))
        return both if both.least <= both.most else latest

    @property
    def seconds(self) -> float:
        """0 unless the clocks surely differ, else the lower bound, which is the safer one."""
        return 0.0 if self.least <= 0.0 <= self.most else self.least


@dataclass(frozen=True, slots=True)
class Throughput:
    """How many calls to an endpoint can be sent from now on."""

    per_minute: float
    """Calls a minute; infinite if there is no limit."""
    at_first: int = 0
    """Calls that can be sent in the rest of the present window."""
    until: float = 0.0
    """Seconds until the present window ends."""

    def seconds(self, calls: float) -> float:
        """Return how many seconds so many calls take."""
        if calls <= self.at_first:
            return self.until * calls / self.at_first if self.at_first else 0.0
        return self.until + (calls - self.at_first) * 60 / self.per_minute


@dataclass(slots=True)
class _Window:
    """A span of time in which the server takes so many calls. Times are by our clock, unless noted."""

    reset: float
    """When the window ends by the server's clock; until a reply tells, when the window before ended."""
    ends: float
    """When the window ends."""
    limit: int
    """Calls that the window takes from all users of the account."""
    remaining: int
    """Calls left, by the smallest number that a reply told: replies may overtake each other."""
    taken: int
    """Calls of our own that the server has counted in the window, or may have."""
    opened: float
    """When we first knew of the window."""
    told_at: float
    """When a reply last told about the window."""
    confirmed: bool
    """Whether any reply has told about the window; else it is assumed to be like the one before."""
    used_by_others: int
    """Calls in the window before we knew of it, of others and of ours that are not in `taken`."""
    skew: Skew = field(default_factory=Skew)
    """How far the server's clock is ahead."""
    last: float | None = None
    """When the latest call of our own was sent; None if none was."""

    def is_same(self, reset: float) -> bool:
        """Tell whether a reply with this reset is about this window."""
        return self.confirmed and abs(reset - self.reset) <= _SAME_WINDOW

    def is_late(self, reset: float, sent: float) -> bool:
        """Tell whether a late reply, to a call sent at `sent`, is about an earlier window."""
        if self.confirmed:
            return sent < self.opened and reset < self.reset - _SAME_WINDOW
        return reset <= self.reset

    def others(self, now: float) -> float:
        """Return how many calls others are likely to make in this window after the latest reply."""
        return self.others_rate(now) * (self.ends - self.told_at)

    def others_rate(self, now: float) -> float:
        """Return how many calls a second others have made since we knew of this window."""
        seen = self.limit - self.remaining - self.taken - self.used_by_others
        return max(seen, 0) / max(now - self.opened, _SHORTEST_WAIT)

    def due(self, left: int) -> float:
        """Return when to send the next call, so that `left` calls are spread evenly over the rest."""
        if self.last is None:
            return self.opened
        end = self.ends - min(_EARLY * (self.ends - self.opened), _EARLIEST)
        return self.last + max(end - self.last, 0.0) / left


class Allowance:
    """Decides when the next call to one endpoint may be sent.

    Until the first reply, and after a 429, a single call finds out what the endpoint allows. From then on
    the calls left in a window are spread evenly over the rest of its time. Times are unix seconds by a clock
    of ours that never runs backwards.
    """

    def __init__(self, reserve: float = 0.0) -> None:
        """Start with nothing known.

        Args:
            reserve: the share of each window, from 0 up to but not including 1, that is left to other users
                of the account.
        """
        self._reserve = reserve
        self._under_way: deque[float] = deque()
        self._known = False
        self._window: _Window | None = None
        self._length: float | None = None
        self._closed_until = -inf
        self._refusals = 0
        self._settles = _SETTLES

    @property
    def limit(self) -> str | None:
        """The limit in words, such as `100 a minute`; None if no limit is known."""
        if self._window is None:
            return None
        length = self._span
        # A window that ends on a whole second may last up to one more.
        span = "a minute" if abs(length - _MINUTE) <= 1 + _SETTLES else f"in {length:.0f} s"
        return f"{self._window.limit:,} {span}"

    @property
    def per_minute(self) -> float | None:
        """Calls a minute that the endpoint takes from all users of the account.

        Infinite if the endpoint has no limit; None before the first reply.
        """
        if self._window is None:
            return inf if self._known else None
        return self._window.limit * 60 / self._span

    def throughput(self, now: float) -> Throughput | None:
        """Return how many calls can be sent from now on; None before the first reply."""
        window = self._window
        if window is None:
            return Throughput(inf) if self._known else None
        others = window.others_rate(now) * self._span
        per_minute = max(self._ours(window) - others, 1) * 60 / self._span
        if now < self._closed_until:
            return Throughput(per_minute, 0, self._closed_until - now)
        if now >= window.ends:
            return Throughput(per_minute)
        return Throughput(
            per_minute, max(self._share(window, now), 0), window.ends + self._settles - now
        )

    @property
    def _span(self) -> float:
        """Seconds that a window lasts: a minute, until a window was seen from its beginning to its end."""
        return self._length or _MINUTE

    def opens(self, now: float) -> float:
        """Return when the next call may be sent, as far as is known; at once, if that is not after `now`."""
        while self._under_way and self._under_way[0] < now - _LOST:
            self.unanswered()
        if now < self._closed_until:
            return self._closed_until
        if not self._known:
            newest = self._under_way[-1] if self._under_way else -inf
            patience = _LOST if self._refusals else _ASKS
            return now + _LOOK_AGAIN if newest > now - patience else now
        window = self._window
        if window is None:
            return now
        if now >= window.ends + self._settles:
            window = self._window = self._window_after(window, now)
        return self._turn(window, now)

    def send(self, now: float) -> None:
        """Note that a call is sent now."""
        self._under_way.append(now)
        if self._window:
            self._window.taken += 1
            self._window.last = now

    def unanswered(self) -> None:
        """Note that a call ended without a reply; the server may have counted it."""
        self._take_back()
        if self._window:
            self._window.remaining -= 1

    def answered(self, now: float, told: LimitHeaders) -> None:
        """Note that a call was answered, with anything but a 429."""
        sent = self._take_back(now)
        window = self._window
        was_sent_before_a_refusal = now < self._closed_until
        if not was_sent_before_a_refusal:
            self._refusals = 0
        if told.remaining is None or told.reset is None:
            if window and window.confirmed and now < window.ends:
                # The reply may be a gateway's, and the call may have been counted all the same.
                window.remaining -= 1
            elif not was_sent_before_a_refusal:
                self._known, self._window = True, None
            return
        if window and window.is_late(told.reset, sent):
            if sent < window.opened:
                window.taken -= 1
            else:  # by the server's clock, the reset is still to come
                window.remaining -= 1
            return
        same = window if window and window.is_same(told.reset) else None
        skew = (same.skew if same else Skew()).narrowed(told.date, sent, now)
        ends = told.reset - skew.seconds
        self._known = True
        if not now < ends <= now + LONGEST_WAIT + _DATE_LASTS:
            if window:
                window.remaining -= 1
        elif same:
            same.remaining = min(same.remaining, told.remaining)
            same.reset, same.ends, same.skew = max(same.reset, told.reset), ends, skew
            same.told_at = now
        else:
            if window and not window.confirmed:
                self._length = ends - window.opened
            limit = told.limit or told.remaining + 1
            self._window = _Window(
                reset=told.reset,
                ends=ends,
                limit=limit,
                remaining=told.remaining,
                taken=1 + len(self._under_way),
                opened=now,
                told_at=now,
                confirmed=True,
                used_by_others=max(limit - told.remaining - 1, 0),
                skew=skew,
                last=window.last if window else sent,
            )

    def refused(self, now: float, told: LimitHeaders) -> None:
        """Note that a call was answered with a 429."""
        sent = self._take_back(now)
        window = self._window
        skew = (window.skew if window else Skew()).narrowed(told.date, sent, now)
        if window:
            window.taken -= 1
            if told.reset is not None and window.is_late(told.reset, sent):
                if sent < window.opened:
                    return
                # By the server's clock, the reset was still to come.
                self._settles = min(max(_SETTLES_LATE, 2 * self._settles), _SETTLES_LAST)
        if now >= self._closed_until:
            self._refusals += 1
        pause = _SHORTEST_WAIT * 2 ** min(self._refusals - 1, _DOUBLINGS)
        opens = now + max(told.retry_after or pause, _SHORTEST_WAIT)
        reset = told.reset - skew.seconds if told.reset is not None else now
        if now < reset <= now + LONGEST_WAIT + _DATE_LASTS:
            reset += self._settles
            opens = min(reset, opens) if told.retry_after else reset
        self._closed_until = min(opens, now + LONGEST_WAIT)
        self._known = False

    def _turn(self, window: _Window, now: float) -> float:
        """Return when the next call of a window may be sent."""
        ours = self._ours(window) - window.taken
        share = self._share(window, now)
        closed_until = window.ends + self._settles
        if share > 0:
            return min(window.due(share), closed_until)
        if ours > 0 and window.remaining > 0:
            # A reply may yet show that calls under way were counted already, or that others make fewer.
            return min(now + _LOOK_AGAIN, closed_until)
        return closed_until

    def _ours(self, window: _Window) -> int:
        """Return how many calls of a window are not left to other users."""
        return max(window.limit - ceil(round(window.limit * self._reserve, 6)), 1)

    def _share(self, window: _Window, now: float) -> int:
        """Return how many more calls of our own a window is likely to take."""
        left = window.remaining - self._uncounted(window.told_at)
        return min(self._ours(window) - window.taken, floor(left - window.others(now)))

    def _window_after(self, window: _Window, now: float) -> _Window:
        """Return the window that the next call opens; assumed to be like the last until a reply tells."""
        length = self._length or max(window.ends - window.opened, _SHORTEST_WAIT)
        return _Window(
            reset=window.reset,
            ends=now + length,
            limit=window.limit,
            remaining=window.limit,
            # The server may count calls that are still under way in the new window.
            taken=self._uncounted(now),
            opened=now,
            told_at=now,
            confirmed=False,
            used_by_others=0,
        )

    def _uncounted(self, at: float) -> int:
        """Return how many calls under way the server may not have counted at that time."""
        return sum(sent > at - _ARRIVES for sent in self._under_way)

    def _take_back(self, now: float = 0.0) -> float:
        """Count one call fewer as under way, and return when the oldest was sent; `now` if there was none."""
        return self._under_way.popleft() if self._under_way else now
