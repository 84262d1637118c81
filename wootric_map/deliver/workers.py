"""Workers that make the calls of many end users at once, with their outcomes in one stream."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
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


@dataclass(frozen=True, slots=True)
class Line:
    """Jobs in their order, which workers take one by one."""

    jobs: Iterator[Job]
    """Each makes one end user's calls; the next may be waited for."""
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> Job | None:
        """Return the next job; None if there are no more."""
        with self._one_at_a_time:
            return next(self.jobs, None)


@dataclass(frozen=True, slots=True)
class Team:
    """Workers that do the same jobs."""

    workers: int
    """The number of threads."""
    lines: Sequence[Line]
    """What the workers do: all jobs of the first line, then those of the next."""


def spread(
    teams: Sequence[Team], *, stop: threading.Event, grace: float = GRACE
) -> Iterator[Outcome]:
    """Do jobs, one at a time in each worker.

    Args:
        teams: the workers, with their jobs.
        stop: once it is set, no more jobs are begun; calls under way are waited for no longer than `grace`.
        grace: seconds that calls under way may take to finish once `stop` is set.

    Yields:
        The outcomes, as they come.

    Raises:
        Exception: the first exception of a job.
    """
    outcomes: _Queue = queue.Queue(_BACKLOG)
    # Daemons, so that calls without an answer do not keep the process from ending.
    threads = [
        threading.Thread(
            target=_work, args=(team.lines, outcomes, stop), name=f"worker-{n}", daemon=True
        )
        for n, team in enumerate(chain.from_iterable(repeat(each, each.workers) for each in teams))
    ]
    for thread in threads:
        thread.start()
    coming = _Outcomes(outcomes, len(threads), stop, grace)
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


def _work(lines: Sequence[Line], outcomes: _Queue, stop: threading.Event) -> None:
    """Do the jobs of each line until there are no more or the run is told to stop."""
    try:
        for line in lines:
            while not stop.is_set() and (job := line.next()):
                for outcome in job():
                    outcomes.put(outcome)
    except StoppedError:
        stop.set()  # others wait for what this worker has left undone
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
