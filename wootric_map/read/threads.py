"""Several threads do the same work on many items; the results come in the order of the items."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD: Final = 1
"""Items that wait for each thread: enough that none is idle, and few enough for the memory."""


_MOST_THREADS: Final = 8
"""Threads that are used unless the user asks for more."""


def available_threads() -> int:
    """Return how many threads the machine lets this process run at once, eight at most."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    return min(os.cpu_count() or 1, _MOST_THREADS)


class InThreads(Generic[T, R]):
    """Threads that do the same work on many items, mostly outside of the interpreter."""

    def __init__(self, work: Callable[[T], R], threads: int) -> None:
        """Take note of the work; `threads` is how many threads do it."""
        self._work = work
        self._threads = threads

    def each(self, items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Do the work on each item.

        Args:
            items: the items; each is asked for when a thread is free for it.

        Yields:
            Each item with its result, in the order of the items.
        """
        if self._threads == 1:
            for item in items:
                yield item, self._work(item)
            return
        coming = iter(items)
        waiting: deque[tuple[T, Future[R]]] = deque()
        with ThreadPoolExecutor(self._threads, "intake") as pool:
            try:
                while True:
                    ahead = (1 + _AHEAD) * self._threads - len(waiting)
                    for item in islice(coming, ahead):
                        waiting.append((item, pool.submit(self._work, item)))
                    if not waiting:
                        return
                    item, future = waiting.popleft()
                    yield item, future.result()
            finally:
                pool.shutdown(cancel_futures=True)
