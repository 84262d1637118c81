"""The order of work: whoever is to be created or changed goes before events and page views.

A run that is cut short has then done what matters most.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from math import inf
from typing import Final, Generic, TypeAlias, TypeVar

from wootric_map.deliver.call_range import ENDPOINTS
from wootric_map.plan.steps import Part

T = TypeVar("T")

Pass: TypeAlias = Iterator[tuple[T, Part]]
"""End users in their order, each with the steps of theirs that are carried out."""

MaySend: TypeAlias = Callable[[], bool]
"""Returns whether events may be sent now though writes are still to be made."""

_OF_WRITES: Final = frozenset(ENDPOINTS[kind] for kind in ("look_up", "create", "update"))
"""The endpoints that writes, and the look-ups before them, call."""

_LOOK_AGAIN: Final = 0.02
"""Seconds to wait before looking again whether events may go."""


@dataclass(frozen=True, slots=True)
class EndUsers(Generic[T]):
    """The end users of a plan, live or saved."""

    in_order: Callable[[], Iterator[T]]
    """Returns the end users in their order. Several threads may go through them at once."""
    number: Callable[[T], int]
    """Returns the number of an end user, from 0; each is greater than those before."""
    has_writes: Callable[[T], bool]
    """Returns whether anything is to be written of an end user."""
    has_events: Callable[[T], bool]
    """Returns whether an end user has events or page views."""
    needs_no_look_up: Callable[[T], bool]
    """Returns whether the events of an end user are known to take no look-up in the account."""


def may_send_beside_writes(rate: float | None, held: Collection[str]) -> bool:
    """Return whether events may be sent while writes are made, since that takes nothing from the writes.

    That is so while a limit of one of the writes' own endpoints makes them wait (wootric.md 4). Else writes
    share with events what makes them wait: the caller's rate, the connection, or the machine.

    Args:
        rate: calls a minute at most, over all endpoints; None for no such limit.
        held: the endpoints whose calls have to wait for limits that replies have told.
    """
    return rate is None and not _OF_WRITES.isdisjoint(held)


def end_users_with_events_first(end_users: EndUsers[T]) -> Iterator[Pass[T]]:
    """Yield two passes: all steps of whoever has events or page views, then the writes of all others."""
    with_events = filter(end_users.has_events, end_users.in_order())
    yield zip(with_events, repeat("all"), strict=False)
    for_writes = filter(end_users.has_writes, end_users.in_order())
    without = (each for each in for_writes if not end_users.has_events(each))
    yield zip(without, repeat("all"), strict=False)


class WritesFirst(Generic[T]):
    """The passes of all writes, of events beside them where that is allowed, and of the events left then.

    Threads may go through the passes at the same time, one thread at a time through each. No events of an end
    user come up before the end user's own writes are done.
    """

    def __init__(self, end_users: EndUsers[T], wait: Callable[[float], bool]) -> None:
        """Begin nothing yet.

        Args:
            end_users: the end users of the plan.
            wait: waits so many seconds; returns true if the run was told to stop, which ends the passes.
        """
        self._end_users = end_users
        self._wait = wait
        self._lock = threading.Lock()
        self._begun: float = -1
        """The number of the latest end user whose writes were begun; infinite once all were."""
        self._under_way: set[int] = set()
        """The numbers of the end users whose writes were begun and are not done."""
        self._sent_beside: int = -1
        """The number of the latest end user whose events were begun beside the writes."""

    def writes(self) -> Pass[T]:
        """Yield the end users with writes; the caller tells by `written` when those of one are done."""
        for each in filter(self._end_users.has_writes, self._end_users.in_order()):
            number = self._end_users.number(each)
            with self._lock:
                self._begun = number
                self._under_way.add(number)
            yield each, "writes"
        with self._lock:
            self._begun = inf

    def written(self, end_user: T) -> None:
        """Take note that the writes of an end user are done."""
        with self._lock:
            self._under_way.discard(self._end_users.number(end_user))

    def events_beside(self, may_send: MaySend) -> Pass[T]:
        """Yield end users with events that may be sent beside writes, until all writes are done.

        Args:
            may_send: returns whether events may be sent now though writes are still to be made.
        """
        # Where events never may, the plan is not even read.
        if not self._comes_up(may_send):
            return
        for each in filter(self._has_events_for_beside, self._end_users.in_order()):
            number = self._end_users.number(each)
            if not self._comes_up(partial(self._begin_beside, number, may_send)):
                return
            yield each, "events"

    def events(self) -> Pass[T]:
        """Yield the end users with events that were not sent beside the writes, once all writes are done."""
        while not self._are_written():
            if self._wait(_LOOK_AGAIN):
                return
        for each in filter(self._end_users.has_events, self._end_users.in_order()):
            is_left = self._end_users.number(each) > self._sent_beside
            if is_left or not self._end_users.needs_no_look_up(each):
                yield each, "events"

    def _has_events_for_beside(self, end_user: T) -> bool:
        """Return whether an end user has events, and these take no look-ups, whose limit writes share."""
        return self._end_users.has_events(end_user) and self._end_users.needs_no_look_up(end_user)

    def _comes_up(self, condition: Callable[[], bool]) -> bool:
        """Wait for a condition; return false if all writes were done before, or the run was told to stop."""
        while not condition():
            if self._are_written() or self._wait(_LOOK_AGAIN):
                return False
        return True

    def _are_written(self) -> bool:
        """Return whether all writes are done; from then on no events are begun beside them."""
        with self._lock:
            return self._is_over

    @property
    def _is_over(self) -> bool:
        """Whether all writes are done; for those who hold the lock."""
        return self._begun == inf and not self._under_way

    def _begin_beside(self, number: int, may_send: MaySend) -> bool:
        """Return whether the events of an end user may be sent beside the writes, and count them as begun."""
        with self._lock:
            is_written = number <= self._begun and number not in self._under_way
            if self._is_over or not is_written or not may_send():
                return False
            self._sent_beside = number
            return True
