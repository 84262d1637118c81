"""Whether the last push is recent enough."""

import pytest

from wootric_map.deliver.freshness import overdue
from wootric_map.deliver.journal_contents import Contents, Run

NOW = 1_700_000_000.0
HOUR = 3600.0


def run(number: int, ended_ago: float | None, exit_code: int | None = 0) -> Run:
    ended = None if ended_ago is None else NOW - ended_ago
    return Run(number, NOW - 40 * HOUR, ended, exit_code, *[None] * (len(Run._fields) - 4))


def held(*runs: Run) -> Contents:
    """The contents of a journal with these runs, the latest first."""
    finished = [each for each in runs if each.exit_code in (0, 1)]
    last = finished[0] if finished else None
    return Contents("NPS-1", runs, last, 0, {}, {}, {}, {}, None, None)


def told(*runs: Run, began: float | None = None) -> str | None:
    return overdue(held(*runs), began=began, now=NOW, max_age=26 * HOUR)


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_run_that_came_to_its_end_counts_whatever_failed_in_it(exit_code: int) -> None:
    assert told(run(1, 25 * HOUR, exit_code)) is None
    assert told(run(1, 26 * HOUR, exit_code)) is None
    assert told(run(1, 27 * HOUR, exit_code)) == (
        "2023-11-13 19:13 UTC ended the last push, 1 d 3 h ago"
    )


@pytest.mark.parametrize("exit_code", [4, 5, 70, 130])
def test_a_run_that_ended_otherwise_does_not_count_and_is_told(exit_code: int) -> None:
    late = told(run(2, HOUR, exit_code), run(1, 27 * HOUR))
    assert late
    assert late.endswith(f"; run 2 ended with {exit_code}")
    assert told(run(2, HOUR, exit_code), run(1, 25 * HOUR)) is None


def test_a_run_that_was_cut_off_does_not_count_and_is_told() -> None:
    late = told(run(1, None, None))
    assert late == "no push has come to its end yet; run 1 was cut off"


def test_a_run_under_way_counts_from_its_beginning() -> None:
    runs = run(2, None, None), run(1, 50 * HOUR)
    assert told(*runs, began=NOW - HOUR) is None
    late = told(*runs, began=NOW - 30 * HOUR)
    assert late == "2023-11-13 16:13 UTC began the push that is still under way, 1 d 6 h ago"


def test_without_any_run_there_is_none() -> None:
    assert told() == "no push has come to its end yet"
