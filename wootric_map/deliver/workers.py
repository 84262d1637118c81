"""Workers that make the calls of many end users at once, with their outcomes in one stream."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from wootric_map.errors import StoppedError
from wootric_map.model import Outcome

GRACE: Final = 10.0
"""Seconds that calls under way may take once the run is told to stop."""

Job: TypeAlias = Callable[[], Iterator[Outcome]]
"""Makes one end user's calls."""

_Queue: TypeAlias = "queue.Queue[Outcome | BaseException | None]"
"""What workers report; None from a worker that has ended."""

_BACKLOG: Final = 1000
"""How many outcomes may wait for the caller before the workers wait."""

_GATHER: Final = 0.01
"""Seconds to wait for more outcomes, since to wake the caller for each takes the workers' time."""

_LOOK_EVERY: Final = 0.25
"""Seconds between two checks of how long ago the stop was."""


def spread(
    jobs: Iterator[Job], *, workers: int, stop: threading.Event, grace: float = GRACE
) -> Iterator[Outcome]:
    """Do jobs, one at a time in each worker.

    Args:
        jobs: each makes one end user's calls.
        workers: the number of threads.
        stop: once it is set, no more jobs are begun; calls under way are waited for no longer than `grace`.
        grace: seconds that calls under way may take to finish once `stop` is set.

    Yields:
        The outcomes, as they come.

    Raises:
        Exception: the first exception of a job.
    """
    one_at_a_time = threading.Lock()
    outcomes: _Queue = queue.Queue(_BACKLOG)
    # Daemons, so that calls without an answer do not keep the process from ending.
    threads = [
        threading.Thread(
            target=_work,
            args=(jobs, one_at_a_time, outcomes, stop),
            name=f"worker-{n}",
            daemon=True,
        )
        for n in range(workers)
    ]
    for thread in threads:
        thread.start()
    coming = _Outcomes(outcomes, workers, stop, grace)
    failed: BaseException | None = None
    try:
        for outcome in coming:
            if isinstance(outcome, BaseException):
                failed = failed or outcome
            else:
                yield outcome
    finally:
        if coming.running:  # the caller has stopped asking, or calls get no answer
            stop.set()
        for _ in coming:
            pass
        if not coming.running:
            for thread in threads:
                thread.join()
    if failed:
        raise failed


def _work(
    jobs: Iterator[Job], one_at_a_time: threading.Lock, outcomes: _Queue, stop: threading.Event
) -> None:
    """Do jobs until there are no more or the run is told to stop."""
    try:
        while not stop.is_set():
            with one_at_a_time:
                job = next(jobs, None)
            if job is None:
                break
            for outcome in job():
                outcomes.put(outcome)
    except StoppedError:
        pass
    except BaseException as error:  # noqa: BLE001 - `spread` raises it
        stop.set()
        outcomes.put(error)
    finally:
        outcomes.put(None)


class _Outcomes:
    """The outcomes in a queue, until all workers have ended or the grace period is over.

    A second iteration goes on with the rest.
    """

    def __init__(
        self,
        outcomes: _Queue,
        workers: int,
        stop: threading.Event,
        grace: float,
    ) -> None:
        self._outcomes = outcomes
        self._grace = _GracePeriod(stop, grace)
        self.running = workers
        """The number of workers that have not ended."""

    def __iter__(self) -> Iterator[Outcome | BaseException]:
        while self.running and not self._grace.is_over:
            if self._outcomes.empty():
                time.sleep(_GATHER)
            try:
                outcome = self._outcomes.get(timeout=_LOOK_EVERY)
            except queue.Empty:
                continue
            if outcome is None:
                self.running -= 1
            else:
                yield outcome


class _GracePeriod:
    """The time for which calls under way are waited for once the run is told to stop."""

    def __init__(self, stop: threading.Event, seconds: float) -> None:
        self._stop = stop
        self._seconds = seconds
        self._since: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        if not self._stop.is_set():
            return False
        now = time.monotonic()
        self._since = self._since or now
        return now - self._since >= self._seconds
