"""Work on many things in several processes, its results in the order of the things."""

import gc
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from wootric_map.errors import LostProcessError

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

_AHEAD: Final = 2
"""Things under way or done for each process, so that none waits and memory stays small."""


class SideBySide(Generic[T, R]):
    """Several processes that do the same work on many things; used as a context.

    They are there from the beginning: forked, they start at once and know all that this process knows,
    and no thread may be running yet that could be torn in two.
    """

    def __init__(self, work: Callable[[T], R], processes: int) -> None:
        """Start the processes.

        Args:
            work: what to do; what it takes and gives must be picklable.
            processes: how many there may be beside this one; with 1 it does all itself.
        """
        self._work = work
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        if processes > 1:
            # Slow to import, and not every run needs them.
            import multiprocessing  # noqa: PLC0415
            from concurrent import futures  # noqa: PLC0415

            context = multiprocessing.get_context("fork")
            # Nothing that is there already is looked at by the children's collector, which would copy it.
            gc.freeze()
            try:
                self._pool = futures.ProcessPoolExecutor(processes, context, _begin, (work,))
                self._pool.submit(int).result()
            finally:
                gc.unfreeze()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            # Waited for, since an interpreter that ends meanwhile stumbles over the pool's pipes.
            self._pool.shutdown(wait=True, cancel_futures=True)

    def each(self, things: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Do the work on each thing.

        Args:
            things: asked for as they are needed.

        Yields:
            The things with the results, in the order of the things.

        Raises:
            LostProcessError: a process was ended from outside.
        """
        if self._pool is None:
            for thing in things:
                yield thing, self._work(thing)
            return
        coming = iter(things)
        waiting: deque[tuple[T, Future[R]]] = deque()
        while True:
            for thing in islice(coming, _AHEAD * self._processes - len(waiting)):
                with _nobody_lost():
                    waiting.append((thing, self._pool.submit(_do, thing)))
            if not waiting:
                return
            thing, future = waiting.popleft()
            with _nobody_lost():
                result = future.result()
            yield thing, result


@contextmanager
def _nobody_lost() -> Iterator[None]:
    """Say it in our own words if a process was ended."""
    from concurrent.futures import BrokenExecutor  # noqa: PLC0415 - as above

    try:
        yield
    except BrokenExecutor as error:
        raise LostProcessError(
            "a process that worked beside this one was ended from outside, as happens where memory "
            "runs out; run it again with --processes 1"
        ) from error


_work: Callable[[Any], Any] = int
"""What this process does, if it is one of several."""


def _do(thing: Any) -> Any:
    return _work(thing)


def _begin(work: Callable[[Any], Any]) -> None:
    """Leave Ctrl-C to the parent, and end when it ends, however that is."""
    global _work  # noqa: PLW0603 - handed over by the fork, not through a pipe
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    from multiprocessing import parent_process  # noqa: PLC0415 - as above

    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)
