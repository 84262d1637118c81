"""What an endpoint lets through, in virtual time (wootric.md 4)."""

from typing import Any

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from limited import LimitedEndpoint, Run

from wootric_map.wootric.rate_limit import Allowance, LimitHeaders, Skew

NOON = 1_700_000_000.0


def steady(limit: int, **options: Any) -> LimitedEndpoint:
    return LimitedEndpoint(lambda _: limit, **options)


by_the_clock = pytest.mark.parametrize("by_the_clock", [False, True], ids=["first", "clock"])


@by_the_clock
@pytest.mark.parametrize(
    ("limit", "workers", "latency"),
    [
        (1, 8, 0.1),
        (3, 32, 0.1),
        (100, 8, 0.1),
        (100, 8, 1.0),
        (100, 32, 2.0),
        (600, 8, 0.08),
        (6000, 8, 0.04),
        (6000, 32, 0.2),
    ],
)
def test_a_limit_is_used_and_never_passed(
    limit: int, workers: int, latency: float, by_the_clock: bool
) -> None:
    run = Run(steady(limit, by_the_clock=by_the_clock), workers, latency)
    windows = run.last(400)
    assert len(windows) >= 6
    assert sum(window.ours for window in windows[1:]) >= 0.95 * limit * len(windows[1:])
    assert run.refused == 0


@examples(40)
@given(
    limit=st.integers(1, 400),
    length=st.integers(5, 120),
    workers=st.integers(1, 32),
    latency=st.floats(0.005, 0.3),
    by_the_clock=st.booleans(),
    begin=st.floats(0, 100),
    seed=st.integers(0, 1000),
)
def test_a_limit_is_used_and_never_passed_whatever_it_is(
    limit: int,
    length: int,
    workers: int,
    latency: float,
    by_the_clock: bool,
    begin: float,
    seed: int,
) -> None:
    endpoint = steady(limit, length=length, by_the_clock=by_the_clock)
    run = Run(endpoint, workers, latency, begin=NOON + begin, seed=seed)
    windows = run.last(length * 5)[1:]
    # What few workers get done, or what is left in the last moments of a short window, is less.
    able = min(limit, int(workers * length / latency / 2))
    assert all(window.ours >= 0.95 * able - 1 for window in windows)
    assert run.refused == 0


@by_the_clock
@pytest.mark.parametrize("ahead", [-3000, -90, -5, -0.7, -0.2, 0.2, 0.7, 5, 90, 3000])
def test_a_clock_that_is_wrong_costs_next_to_nothing(ahead: float, by_the_clock: bool) -> None:
    run = Run(steady(100, by_the_clock=by_the_clock, ahead=ahead))
    windows = run.last(900)
    assert sum(window.ours for window in windows[1:]) >= 95 * len(windows[1:])
    assert len(windows) >= 900 / 62 - 1
    # Less than a second can't be told before the first call that comes too early.
    assert run.refused <= (1 if abs(ahead) < 1 else 0)


@by_the_clock
@pytest.mark.parametrize("others", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_other_traffic_leaves_is_used(others: float, seed: int, by_the_clock: bool) -> None:
    run = Run(steady(100, by_the_clock=by_the_clock), others=others, seed=seed)
    windows = run.last(1800)
    assert sum(window.share for window in windows) / len(windows) >= 0.98
    assert run.refused < 0.01 * len(run.sent)


@by_the_clock
@pytest.mark.parametrize(("limit", "share", "ours"), [(100, 0.2, 80), (3, 0.5, 1), (1, 0.9, 1)])
def test_the_reserve_is_left_to_others(
    limit: int, share: float, ours: int, by_the_clock: bool
) -> None:
    windows = Run(steady(limit, by_the_clock=by_the_clock), reserve=share).last(600)
    assert {window.ours for window in windows[1:]} == {ours}


def test_with_a_reserve_others_are_hardly_ever_refused() -> None:
    run = Run(steady(100), others=0.2, reserve=0.3)
    windows = run.last(1800)
    assert all(window.ours <= 70 for window in windows)
    assert all(window.others + window.ours < 100 for window in windows)


@by_the_clock
def test_a_limit_that_changes_is_taken_up_with_the_first_reply(by_the_clock: bool) -> None:
    limits = (100, 50, 400)
    run = Run(LimitedEndpoint(lambda number: limits[number % 3], by_the_clock=by_the_clock))
    windows = run.last(900)
    assert all(window.share >= 0.95 for window in windows[1:])
    assert run.refused == 0


def test_calls_are_spread_over_the_window() -> None:
    run = Run(steady(60))
    run.last(58)
    gaps = [later - sooner for sooner, later in zip(run.sent, run.sent[1:], strict=False)]
    assert min(gaps[1:]) > 0.9
    assert max(gaps) < 1.2


def test_time_that_nobody_used_is_made_up_for_evenly() -> None:
    allowance = told(LimitHeaders(100, 60, NOON + 60))
    allowance.send(NOON + 30)
    # 59 are left for half a minute less one second.
    assert allowance.opens(NOON + 30) == pytest.approx(NOON + 30 + 29 / 58, abs=0.02)


def told(first: LimitHeaders) -> Allowance:
    """An allowance that has had this reply."""
    allowance = Allowance()
    allowance.send(NOON)
    allowance.answered(NOON, first)
    return allowance


def test_calls_that_nobody_gives_an_end_do_not_close_the_endpoint_for_good() -> None:
    allowance = told(LimitHeaders(3, 2, NOON + 60))
    now, turns = NOON, 0
    while now < NOON + 600:
        opens = allowance.opens(now)
        if opens <= now:
            allowance.send(now)
            turns += 1
        now = max(opens, now)
    assert 8 <= turns <= 33


@given(
    ahead=st.floats(-80_000, 80_000),
    calls=st.lists(st.tuples(st.floats(0, 60), st.floats(0.001, 2)), min_size=1, max_size=30),
)
def test_the_skew_that_dates_tell_is_right_within_their_uncertainty(
    ahead: float, calls: list[tuple[float, float]]
) -> None:
    skew = Skew()
    for sent, latency in calls:
        received = NOON + sent + latency
        skew = skew.narrowed(float(int(received - latency / 2 + ahead)), NOON + sent, received)
    longest = max(latency for _, latency in calls)
    assert skew.least - 1e-6 <= ahead <= skew.most + 1e-6
    assert -1.0 - longest <= skew.seconds - ahead <= (2.0 + longest if skew.seconds == 0 else 1e-6)
    if abs(ahead) > 2.0 + longest:
        assert skew.seconds != 0


@pytest.mark.parametrize("set_by", [-100, 100])
def test_the_skew_is_learned_anew_when_a_clock_was_set(set_by: float) -> None:
    skew = Skew().narrowed(NOON, NOON, NOON).narrowed(NOON + set_by, NOON, NOON)
    assert skew.seconds == set_by
