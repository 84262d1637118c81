"""What an endpoint lets through, learned from its replies (wootric.md 4): decisions, and no waiting."""

from collections import deque
from dataclasses import dataclass, field
from math import ceil, floor, inf
from typing import Final

LONGEST_WAIT: Final = 3600.0
"""Seconds; a reset further away than this is a mistake, of a clock for instance."""

_SHORTEST_WAIT: Final = 1.0
"""Seconds after a 429 that does not say how long; doubled as often as it is repeated."""

_DOUBLINGS: Final = 6

_LOOK_AGAIN: Final = 0.02
"""Seconds after which to look whether a call under way has been answered."""

_ASKS: Final = 5.0
"""Seconds for which the answer to a first call is waited for; then another one asks, beside it."""

_LOST: Final = 120.0
"""Seconds after which a call under way is taken for unanswered, if nobody says what became of it."""

_ARRIVES: Final = 10.0
"""Seconds within which a call is counted, whenever its reply comes."""

_DATE_LASTS: Final = 2.0
"""Seconds: a `Date` header has whole seconds, and servers make it once a second."""

_LARGEST_SKEW: Final = 86_400.0
"""Seconds; a `Date` further away is no clock's. TLS would not have let the call through."""

_SETTLES: Final = 0.1
"""Seconds to let pass after a reset, for the small differences between two clocks that are set."""

_SETTLES_LATE, _SETTLES_LAST = 1.0, 2.0

_EARLY, _EARLIEST = 0.02, 1.0
"""The last call of a window goes this share of it before its end, and so many seconds at most: it
should be counted in it, and what replies then show to be left over should still go."""

_SAME_WINDOW: Final = 1.0
"""Seconds: resets that differ by no more are one, rounded in two ways."""

_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a reply's headers say; None for what they do not."""

    limit: int | None = None
    """Calls that a window takes, of all who use the account; at least 1."""
    remaining: int | None = None
    """Calls that it still takes; at least 0."""
    reset: float | None = None
    """When it ends: unix time by the server's clock."""
    retry_after: float | None = None
    """Seconds to stay away."""
    date: float | None = None
    """Unix time by the server's clock, in whole seconds."""


@dataclass(frozen=True, slots=True)
class Skew:
    """By how many seconds the server's clock is ahead of ours: the bounds that replies give."""

    least: float = -inf
    most: float = inf

    def narrowed(self, date: float | None, sent: float, received: float) -> "Skew":
        """The same with what one more reply tells; that alone, if a clock was set in between.

        Args:
            date: what its `Date` says.
            sent, received: unix times of the call and its reply, by our clock.
        """
        if date is None or abs(date - received) > _LARGEST_SKEW:
            return self
        told = Skew(date - received, date + _DATE_LASTS - sent)
        both = Skew(max(self.least, told.least), min(self.most, told.most))
        return both if both.least <= both.most else told

    @property
    def seconds(self) -> float:
        """None, unless the clocks surely differ; then the safer bound, which is also the sharper."""
        return 0.0 if self.least <= 0.0 <= self.most else self.least


@dataclass(frozen=True, slots=True)
class Throughput:
    """How calls to an endpoint go from now on."""

    per_minute: float
    """Calls a minute; infinite where there is no limit."""
    at_first: int = 0
    """Calls that go in what is left of the present window."""
    until: float = 0.0
    """Seconds that are left of it."""

    def seconds(self, calls: float) -> float:
        """How long so many calls take."""
        if calls <= self.at_first:
            return self.until * calls / self.at_first if self.at_first else 0.0
        return self.until + (calls - self.at_first) * 60 / self.per_minute


@dataclass(slots=True)
class _Window:
    """A span of time that takes so many calls. Times are ours, unless said otherwise."""

    reset: float
    """Its end by the server's clock; that of the one before, until a reply has told of this one."""
    ends: float
    limit: int
    remaining: int
    """Calls left, by the smallest figure that was told: replies overtake each other."""
    taken: int
    """Calls of our own that were counted in it, or may be."""
    opened: float
    """When we first knew of it."""
    told_at: float
    """When a reply last told of it."""
    confirmed: bool
    """Whether one has; else it is taken to be like the one before."""
    used_by_others: int
    """Calls of others in it, and of ours that are not in `taken`, before we knew of it."""
    skew: Skew = field(default_factory=Skew)
    last: float | None = None
    """When the latest call of our own went."""

    def is_same(self, reset: float) -> bool:
        """Whether a reply with this reset tells of it."""
        return self.confirmed and abs(reset - self.reset) <= _SAME_WINDOW

    def is_late(self, reset: float, sent: float) -> bool:
        """Whether a reply is of a window before it, though it comes only now."""
        if self.confirmed:
            return sent < self.opened and reset < self.reset - _SAME_WINDOW
        return reset <= self.reset

    def others(self, now: float) -> float:
        """Calls that the account's other traffic is likely to make in it after the latest reply."""
        return self.others_rate(now) * (self.ends - self.told_at)

    def others_rate(self, now: float) -> float:
        """Calls a second that the account's other traffic has made since we knew of it."""
        seen = self.limit - self.remaining - self.taken - self.used_by_others
        return max(seen, 0) / max(now - self.opened, _SHORTEST_WAIT)

    def due(self, left: int) -> float:
        """When the next call should go, so that so many are spread evenly over the rest."""
        if self.last is None:
            return self.opened
        end = self.ends - min(_EARLY * (self.ends - self.opened), _EARLIEST)
        return self.last + max(end - self.last, 0.0) / left


class Allowance:
    """When the next call to one endpoint may go.

    Until the first reply, and after a 429, one call finds out what the endpoint allows. From then on
    what is left of a window is spread evenly over what is left of its time. Times are unix seconds by a
    clock of ours that never runs backwards.
    """

    def __init__(self, reserve: float = 0.0) -> None:
        """Start with nothing known.

        Args:
            reserve: the share of each window, from 0 up to but not including 1, that is left to others.
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
        """The limit in words, such as `100 a minute`; None where there is none."""
        if self._window is None:
            return None
        length = self._span
        # A window that ends on a whole second may last up to one more.
        span = "a minute" if abs(length - _MINUTE) <= 1 + _SETTLES else f"in {length:.0f} s"
        return f"{self._window.limit:,} {span}"

    @property
    def per_minute(self) -> float | None:
        """Calls a minute that the endpoint takes of all who use the account; infinite where it has no limit,
        None before any reply."""
        if self._window is None:
            return inf if self._known else None
        return self._window.limit * 60 / self._span

    def throughput(self, now: float) -> Throughput | None:
        """How calls go from now on, as far as replies have told; None before the first."""
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
        """Seconds that a window lasts: a minute, until one was seen from its beginning to its end."""
        return self._length or _MINUTE

    def opens(self, now: float) -> float:
        """When the next call may go, as far as is known now: at once, if that is not after `now`."""
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
        """A call goes now."""
        self._under_way.append(now)
        if self._window:
            self._window.taken += 1
            self._window.last = now

    def unanswered(self) -> None:
        """A call that went ended without a reply; it may have been counted."""
        self._take_back()
        if self._window:
            self._window.remaining -= 1

    def answered(self, now: float, told: Told) -> None:
        """A call that went was answered, with anything but a 429."""
        sent = self._take_back(now)
        window = self._window
        was_sent_before_a_refusal = now < self._closed_until
        if not was_sent_before_a_refusal:
            self._refusals = 0
        if told.remaining is None or told.reset is None:
            if window and window.confirmed and now < window.ends:
                # It comes from a gateway, say, and may have been counted all the same.
                window.remaining -= 1
            elif not was_sent_before_a_refusal:
                self._known, self._window = True, None
            return
        if window and window.is_late(told.reset, sent):
            if sent < window.opened:
                window.taken -= 1
            else:  # the server's clock has not come to the reset yet
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

    def refused(self, now: float, told: Told) -> None:
        """A call that went was answered with a 429."""
        sent = self._take_back(now)
        window = self._window
        skew = (window.skew if window else Skew()).narrowed(told.date, sent, now)
        if window:
            window.taken -= 1
            if told.reset is not None and window.is_late(told.reset, sent):
                if sent < window.opened:
                    return
                # The server's clock had not come to the reset yet.
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
        """When the next call of a window may go."""
        ours = self._ours(window) - window.taken
        share = self._share(window, now)
        closed_until = window.ends + self._settles
        if share > 0:
            return min(window.due(share), closed_until)
        if ours > 0 and window.remaining > 0:
            # A reply may show that calls under way were counted already, or others make fewer.
            return min(now + _LOOK_AGAIN, closed_until)
        return closed_until

    def _ours(self, window: _Window) -> int:
        """How many calls of a window are not left to others."""
        return max(window.limit - ceil(round(window.limit * self._reserve, 6)), 1)

    def _share(self, window: _Window, now: float) -> int:
        """How many calls of our own are likely to go yet in a window."""
        left = window.remaining - self._uncounted(window.told_at)
        return min(self._ours(window) - window.taken, floor(left - window.others(now)))

    def _window_after(self, window: _Window, now: float) -> _Window:
        """The window that the next call opens, taken to be like the last until a reply tells."""
        length = self._length or max(window.ends - window.opened, _SHORTEST_WAIT)
        return _Window(
            reset=window.reset,
            ends=now + length,
            limit=window.limit,
            remaining=window.limit,
            # What is still under way may be counted in the new one.
            taken=self._uncounted(now),
            opened=now,
            told_at=now,
            confirmed=False,
            used_by_others=0,
        )

    def _uncounted(self, at: float) -> int:
        """Calls under way that may not have been counted at that time."""
        return sum(sent > at - _ARRIVES for sent in self._under_way)

    def _take_back(self, now: float = 0.0) -> float:
        """One call fewer is under way; gives when the oldest went."""
        return self._under_way.popleft() if self._under_way else now
