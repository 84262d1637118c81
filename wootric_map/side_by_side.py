"""Work on parts of the sources in several processes, its results in the order of the parts."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Self, TypeVar

from wootric_map.source import Source, parts

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

R = TypeVar("R")

PART_BYTES: Final = 8 * 1024 * 1024
"""What a part has at least: enough that handing it over costs nothing beside reading it."""

_AHEAD: Final = 2
"""Parts under way or done for each process, so that none waits and memory stays small."""


class SideBySide:
    """Sources in parts, each worked on by one of several processes; used as a context.

    The processes are there from the beginning: forked, they start at once, and no thread is running yet
    that could be torn in two.
    """

    def __init__(self, sources: Sequence[Source], processes: int) -> None:
        """Start the processes, if there is work for more than one.

        Args:
            sources: what is to be read.
            processes: how many there may be beside this one; with 1 it does all itself.
        """
        self._sources = sources
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        size = sum(each.size or 0 for each in sources)
        if processes > 1 and size > PART_BYTES:
            # Slow to import, and a small export needs none.
            import multiprocessing  # noqa: PLC0415
            from concurrent import futures  # noqa: PLC0415

            context = multiprocessing.get_context("fork")
            self._pool = futures.ProcessPoolExecutor(
                processes, context, _leave_signals_to_the_parent
            )
            self._pool.submit(os.getpid).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def each(
        self,
        work: Callable[[Source], R],
        here: Callable[[Source], R],
        on_bytes: Callable[[int], object],
    ) -> Iterator[tuple[Source, R]]:
        """Do some work on each part.

        Args:
            work: what to do with a part; what it is and what it gives must be picklable.
            here: the same, for what this process does itself: standard input can't be handed over.
            on_bytes: told how many bytes were read by the others.

        Yields:
            The parts with their results, in the order of the parts.
        """
        if self._pool is None:
            for source in self._sources:
                yield source, here(source)
            return
        coming = chain.from_iterable(parts(each, PART_BYTES) for each in self._sources)
        waiting: deque[tuple[Source, Future[R] | None]] = deque()
        while True:
            for part in islice(coming, _AHEAD * self._processes - len(waiting)):
                waiting.append((part, self._pool.submit(work, part) if part.path else None))
            if not waiting:
                return
            part, future = waiting.popleft()
            if future:
                yield part, future.result()
                on_bytes(_bytes(part))
            else:
                yield part, here(part)


def _bytes(part: Source) -> int:
    end = part.size if part.end is None else part.end
    return (end or 0) - part.begin


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """Wait for the parent to be gone, however that came: nobody else would end this process."""
    from multiprocessing import parent_process  # noqa: PLC0415 - as above

    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)
