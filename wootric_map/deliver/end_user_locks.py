"""Locks by which one delivery at a time works on an end user of the account."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self


class EndUserLocks:
    """Lets one delivery at a time work on an end user of the account."""

    def __init__(self) -> None:
        self._busy: set[int] = set()
        self._freed = threading.Condition()

    @contextmanager
    def lock(self, number: int) -> Iterator[bool]:
        """Lock an end user within the context; give whether another delivery had to be waited for."""
        with self._freed:
            waited = number in self._busy
            self._freed.wait_for(lambda: number not in self._busy)
            self._busy.add(number)
        try:
            yield waited
        finally:
            with self._freed:
                self._busy.discard(number)
                self._freed.notify_all()


class LockedEndUser:
    """The lock of one delivery; a context that releases it."""

    def __init__(self, locks: EndUserLocks) -> None:
        self._locks = locks
        self._stack = ExitStack()
        self._is_taken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, number: int) -> bool:
        """Wait until no other delivery has an end user; return whether one had.

        A delivery locks one end user only, or two deliveries could wait for each other.
        """
        if self._is_taken:
            return False
        self._is_taken = True
        return self._stack.enter_context(self._locks.lock(number))
