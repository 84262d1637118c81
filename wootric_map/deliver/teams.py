"""Which workers do what: the passes through a plan, shared out among teams of workers."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import ceil
from typing import TypeVar

from wootric_map.deliver.passes import (
    EndUsers,
    MaySend,
    Pass,
    WritesFirst,
    end_users_with_events_first,
)
from wootric_map.deliver.workers import Job, Line, Team
from wootric_map.model import Outcome
from wootric_map.plan.steps import Part

T = TypeVar("T")


def beside(workers: int) -> int:
    """Return how many workers send events while so many make writes: a quarter, in addition."""
    return ceil(workers / 4)


def teams_of(
    end_users: EndUsers[T],
    job: Callable[[T, Part], Job],
    workers: int,
    wait: Callable[[float], bool],
    *,
    events_first: bool,
    may_send_beside: MaySend | None,
) -> Iterator[Sequence[Team]]:
    """Yield the teams that carry out a plan; the next are at work once all jobs of those before are done.

    Args:
        end_users: the end users of the plan.
        job: returns the job of a part of an end user's steps.
        workers: how many end users are under way at once, without those whose events are sent beside writes.
        wait: waits so many seconds; returns true if the run was told to stop.
        events_first: begin with the end users that have events, and carry out all their steps together.
        may_send_beside: returns whether events may be sent now though writes are still to be made; None if no
            event may be sent before the last write.
    """
    if events_first:
        for each in end_users_with_events_first(end_users):
            yield (Team(workers, (_line(each, job),)),)
        return
    passes = WritesFirst(end_users, wait)
    writes = _line(passes.writes(), job, then=passes.written)
    teams = [Team(workers, (writes, _line(passes.events(), job)))]
    if may_send_beside:
        meanwhile = _line(passes.events_beside(may_send_beside), job)
        teams.append(Team(beside(workers), (meanwhile,)))
    yield teams


def _line(
    end_users: Pass[T], job: Callable[[T, Part], Job], then: Callable[[T], None] | None = None
) -> Line:
    """Return the jobs of a pass; `then` is called with each end user whose job is done."""
    jobs = ((each, job(each, part)) for each, part in end_users)
    if then is None:
        return Line(made for _, made in jobs)
    return Line(partial(_done, made, partial(then, each)) for each, made in jobs)


def _done(job: Job, then: Callable[[], None]) -> Iterator[Outcome]:
    """Do a job, and what is to be done after it."""
    yield from job()
    then()
