"""Teams of workers, each with jobs of its own: how they end."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from wootric_map.deliver.teams import beside
from wootric_map.deliver.workers import Job, Line, Team, spread
from wootric_map.errors import StoppedError
from wootric_map.model import Outcome, Ref

GIVEN = Outcome("create", (Ref(1, "a", 1),), None)


def ends(*errors: Exception) -> Iterator[Job]:
    """Jobs that each have an outcome, and raise an error after it."""
    for error in errors:

        def job(error: Exception = error) -> Iterator[Outcome]:
            yield GIVEN
            raise error

        yield job


def waits(stop: threading.Event) -> Iterator[Job]:
    """No job, but only after the run was told to stop."""
    assert stop.wait(30)
    yield from ()


@pytest.mark.parametrize("is_first", [True, False])
def test_an_error_in_one_team_ends_the_other_and_is_raised_once(*, is_first: bool) -> None:
    stop = threading.Event()
    failing = Team(1, (Line(ends(OSError("disk"), OSError("more"))),))
    waiting = Team(3, (Line(waits(stop)), Line(ends(ValueError("not begun")))))
    teams = (failing, waiting) if is_first else (waiting, failing)
    given: list[Outcome] = []
    with pytest.raises(OSError, match="disk"):
        given.extend(spread(teams, stop=stop))
    assert given == [GIVEN]
    assert stop.is_set()


def test_a_job_that_was_told_to_stop_ends_all_who_wait_for_it() -> None:
    stop = threading.Event()
    teams = (Team(1, (Line(ends(StoppedError())),)), Team(1, (Line(waits(stop)),)))
    assert list(spread(teams, stop=stop)) == [GIVEN]
    assert stop.is_set()


def test_a_team_does_all_jobs_of_a_line_before_the_next() -> None:
    order: list[int] = []

    def jobs(*numbers: int) -> Line:
        def job(number: int) -> Iterator[Outcome]:
            order.append(number)
            yield GIVEN

        return Line(partial(job, number) for number in numbers)

    team = Team(1, (jobs(1, 2, 3), jobs(), jobs(4, 5)))
    assert list(spread((team,), stop=threading.Event())) == [GIVEN] * 5
    assert order == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("workers", "expected"), [(1, 1), (4, 1), (5, 2), (8, 2), (256, 64)])
def test_a_quarter_of_the_workers_comes_in_addition(workers: int, expected: int) -> None:
    assert beside(workers) == expected
