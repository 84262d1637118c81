"""Several processes do the same work on many items; the results come in the order of the items."""

import gc
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, cast

from wootric_map.errors import LostProcessError

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor
    from multiprocessing.process import BaseProcess

T = TypeVar("T")
R = TypeVar("R")

_AHEAD: Final = 2
"""Items in work or done for each process: enough that no process waits, and few enough for the memory."""


class SideBySide(Generic[T, R]):
    """Several processes that do the same work on many items; a context manager.

    The processes are forked at once, while this process has no other thread: a fork copies only one thread,
    and a lock that another one holds would stay locked for ever. Forked processes start quickly, and inherit
    all data of this process.
    """

    def __init__(self, work: Callable[[T], R], processes: int) -> None:
        """Start the processes.

        Args:
            work: the work on one item. The item and the result must be picklable.
            processes: the number of processes beside this one. With 1, this process does the work itself.
        """
        self._work = work
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        if processes > 1:
            # Slow to import, and not every run needs them.
            import multiprocessing
            from concurrent import futures

            context = multiprocessing.get_context("fork")
            # Keeps the collectors of the children from touching, and so copying, the memory they share.
            gc.freeze()
            try:
                self._pool = futures.ProcessPoolExecutor(processes, context, _begin, (work,))
                before = set(multiprocessing.active_children())
                self._pool.submit(int).result()
            finally:
                gc.unfreeze()
            children = set(multiprocessing.active_children()) - before
            _end_answers_with(self._pool, children)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            # Waits, since the end of the interpreter would break the pool's pipes.
            self._pool.shutdown(wait=True, cancel_futures=True)

    def each(self, items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Do the work on each item.

        Args:
            items: the items; each is asked for when a process is free for it.

        Yields:
            Each item with its result, in the order of the items.

        Raises:
            LostProcessError: a process was ended from outside.
        """
        if self._pool is None:
            for item in items:
                yield item, self._work(item)
            return
        coming = iter(items)
        waiting: deque[tuple[T, Future[R]]] = deque()
        while True:
            for item in islice(coming, _AHEAD * self._processes - len(waiting)):
                with _lost_process_as_error():
                    waiting.append((item, self._pool.submit(_do, item)))
            if not waiting:
                return
            item, future = waiting.popleft()
            with _lost_process_as_error():
                result = future.result()
            yield item, result


def _end_answers_with(pool: "ProcessPoolExecutor", children: "Collection[BaseProcess]") -> None:
    """Make the pool notice a process that was ended while it wrote a result.

    The pool would wait for the rest of the result for ever: the pipe stays open in the other processes, and
    in this one. So this one closes its end, for which there is no public way, and the others are killed.
    """
    pool._result_queue._writer.close()  # type: ignore[attr-defined]
    threading.Thread(target=_kill_with_the_first, args=(children,), daemon=True).start()


def _kill_with_the_first(children: "Collection[BaseProcess]") -> None:
    """Wait for the end of the processes; kill those that are left once one was ended from outside."""
    from multiprocessing.connection import wait

    left = {child.sentinel: child for child in children}
    while left:
        for sentinel in wait(list(left)):
            ended = left.pop(cast("int", sentinel))
            ended.join()
            if ended.exitcode:
                for child in left.values():
                    child.kill()


@contextmanager
def _lost_process_as_error() -> Iterator[None]:
    """Raise `LostProcessError` in place of the pool's own error if a process was ended."""
    from concurrent.futures import BrokenExecutor

    try:
        yield
    except BrokenExecutor as error:
        raise LostProcessError(
            "a process that worked beside this one was ended from outside, as happens where memory "
            "runs out; run it again with --processes 1"
        ) from error


_work: Callable[[Any], Any] = int
"""The work of this process, if it is one of several."""


def _do(item: Any) -> Any:
    return _work(item)


def _begin(work: Callable[[Any], Any]) -> None:
    """Prepare a forked process: leave Ctrl-C to the parent process, and end however the parent ends.

    Args:
        work: the work on one item.
    """
    global _work  # noqa: PLW0603 - the fork hands the work over, without pickling
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """Wait for the end of the parent process, and end this one."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)
