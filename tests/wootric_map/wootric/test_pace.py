"""The turns of calls, in virtual time (wootric.md 4)."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import NOON, VirtualTime

from wootric_map.errors import StoppedError
from wootric_map.wootric.pace import Pace

SETTLES = 0.1
"""Seconds after a reset that are let pass."""


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


def pace_of(time: VirtualTime, rate: float | None = None, reserve: float = 0.0) -> Pace:
    return Pace(rate, wait=time.wait, reserve=reserve, clock=time, monotonic=time)


def limit(remaining: object, reset: object, of: object = 100) -> dict[str, str]:
    return {
        "X-Rate-Limit-Limit": str(of),
        "X-Rate-Limit-Remaining": str(remaining),
        "X-Rate-Limit-Reset": str(reset),
    }


def turn(pace: Pace, time: VirtualTime, endpoint: str = "e") -> float:
    """Take a turn; gives when it came, in seconds since the beginning."""
    pace.take_turn(endpoint)
    return time.now - NOON


def call(
    pace: Pace,
    time: VirtualTime,
    headers: Mapping[str, str] | None = None,
    endpoint: str = "e",
    *,
    refused: bool = False,
) -> float:
    """Take a turn and have a reply at once; gives when the turn came."""
    at = turn(pace, time, endpoint)
    pace.learn(endpoint, headers or {}, refused=refused)
    return at


# A rate of the caller's.


def test_without_a_rate_or_a_limit_no_call_waits(time: VirtualTime) -> None:
    pace = pace_of(time)
    for _ in range(1000):
        call(pace, time)
    assert time.waits == []
    assert pace.calls == 1000


def test_an_endpoint_without_a_limit_is_limited_by_the_workers_alone(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time)
    assert [turn(pace, time) for _ in range(100)] == [0] * 100


@pytest.mark.parametrize("rate", [1, 7, 60, 100, 600])
def test_no_minute_sees_more_calls_than_the_rate(time: VirtualTime, rate: float) -> None:
    pace = pace_of(time, rate)
    turns = [call(pace, time, endpoint=f"e{n % 3}") for n in range(int(rate) * 2 + 2)]
    spans = [later - sooner for sooner, later in zip(turns, turns[int(rate) :], strict=False)]
    assert min(spans) >= 59.999


@pytest.mark.parametrize("idle", [0.5, 1.5, 59.0, 3600.0])
def test_time_that_nobody_used_is_not_made_up_for_in_a_burst(
    time: VirtualTime, idle: float
) -> None:
    pace = pace_of(time, 60)
    for _ in range(3):
        call(pace, time)
    time.now += idle
    turns = [call(pace, time) for _ in range(10)]
    assert turns[-1] - turns[0] >= 8.0


def test_a_rate_is_kept_up_however_many_calls_there_are(time: VirtualTime) -> None:
    pace = pace_of(time, 60)
    turns = [call(pace, time) for _ in range(601)]
    assert turns[-1] == pytest.approx(600, abs=1.5)


def test_the_rate_holds_over_all_threads_and_endpoints_together(time: VirtualTime) -> None:
    pace = pace_of(time, 600)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: call(pace, time, endpoint=f"e{n % 4}"), range(100)))
    assert pace.calls == 100
    assert time.now - NOON >= 9.7


def test_the_rate_caps_what_a_limit_would_let_through(time: VirtualTime) -> None:
    pace = pace_of(time, 30)
    turns = [call(pace, time, limit(99 - n, NOON + 60)) for n in range(20)]
    assert all(later - sooner == pytest.approx(2) for sooner, later in pairwise(turns))


# A limit of Wootric's.


def test_what_is_left_of_a_window_is_spread_over_it_and_the_rest_waits_for_its_reset(
    time: VirtualTime,
) -> None:
    pace = pace_of(time)
    turns = [call(pace, time, limit(3 - n, NOON + 40, of=4)) for n in range(4)]
    turns.append(turn(pace, time))
    # The last call of a window goes shortly before its end.
    assert turns == pytest.approx([0, 39.2 / 3, 39.2 * 2 / 3, 39.2, 40 + SETTLES])


def test_until_the_first_reply_one_call_alone_is_under_way(time: VirtualTime) -> None:
    waits = 0

    def wait(seconds: float) -> bool:
        nonlocal waits
        waits += 1
        if waits == 5:
            pace.learn("e", {}, refused=False)
        return time.wait(seconds)

    pace = Pace(None, wait=wait, clock=time, monotonic=time)
    pace.take_turn("e")
    pace.take_turn("e")
    assert waits == 5


def test_if_the_first_call_has_no_reply_the_next_one_finds_out(time: VirtualTime) -> None:
    pace = pace_of(time)
    pace.take_turn("e")
    pace.unanswered("e")
    assert call(pace, time, limit(1, NOON + 40)) == 0
    assert turn(pace, time) > 1


def test_a_first_call_whose_end_nobody_tells_is_not_waited_for_for_ever(
    time: VirtualTime,
) -> None:
    pace = pace_of(time)
    pace.take_turn("e")
    assert 4 < turn(pace, time) < 10, "another one asks beside it"


def test_windows_are_an_endpoints_own(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time, limit(0, NOON + 40), "full")
    assert turn(pace, time, "other") == 0
    assert turn(pace, time, "full") == pytest.approx(40 + SETTLES)


def test_a_reply_without_headers_in_a_window_that_is_known_does_not_open_it(
    time: VirtualTime,
) -> None:
    pace = pace_of(time)
    call(pace, time, limit(1, NOON + 40))
    call(pace, time, {})  # a gateway's, say
    assert turn(pace, time) == pytest.approx(40 + SETTLES)


def test_a_reply_with_a_wrong_reset_in_a_window_that_is_known_does_not_open_it(
    time: VirtualTime,
) -> None:
    pace = pace_of(time)
    call(pace, time, limit(1, NOON + 40))
    call(pace, time, limit(50, NOON * 1000))
    assert turn(pace, time) == pytest.approx(40 + SETTLES)


def test_a_limit_that_is_no_longer_told_in_the_next_window_is_gone(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time, limit(0, NOON + 40))
    turns = [call(pace, time) for _ in range(5)]
    assert turns == pytest.approx([40 + SETTLES] * 5)


def test_a_limit_that_is_told_later_is_kept_to_from_then_on(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time)
    call(pace, time, limit(0, NOON + 40))
    assert turn(pace, time) == pytest.approx(40 + SETTLES)


@pytest.mark.parametrize("order", [(5, 2, 4, 3), (2, 3, 4, 5), (5, 4, 3, 2)])
def test_of_replies_that_overtake_each_other_the_smallest_figure_counts(
    time: VirtualTime, order: tuple[int, ...]
) -> None:
    pace = pace_of(time)
    call(pace, time)
    for _ in order:
        pace.take_turn("e")
    for remaining in order:
        pace.learn("e", limit(remaining, NOON + 40), refused=False)
    turns = [turn(pace, time) for _ in range(3)]
    assert turns[1] < 40 < turns[2]


def test_calls_under_way_count_against_what_a_reply_says_is_left(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time)
    for _ in range(3):
        pace.take_turn("e")
    # The first of the three comes back; the two others are still under way.
    pace.learn("e", limit(2, NOON + 40), refused=False)
    assert turn(pace, time) >= 40


def test_a_reply_that_shows_something_left_lets_the_next_call_go_at_once(
    time: VirtualTime,
) -> None:
    def wait(seconds: float) -> bool:
        if len(time.waits) == 3:
            pace.learn("e", limit(1, NOON + 40), refused=False)  # it had been counted already
        return time.wait(seconds)

    pace = Pace(None, wait=wait, clock=time, monotonic=time)
    call(pace, time)
    pace.take_turn("e")
    pace.take_turn("e")
    pace.learn("e", limit(1, NOON + 40), refused=False)
    time.now = NOON + 39.5
    assert turn(pace, time) < 39.8


def test_calls_that_ended_without_a_reply_count_too(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time, limit(1, NOON + 40))
    pace.take_turn("e")
    pace.unanswered("e")
    assert turn(pace, time) >= 40


def test_a_new_window_is_taken_to_be_like_the_last_until_a_reply_tells(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time, limit(0, NOON + 40, of=4))
    turns = [turn(pace, time) for _ in range(4)]
    assert turns[0] == pytest.approx(40 + SETTLES)
    assert max(turns) < 80
    for _ in range(4):  # It was smaller, and all of it is used up by now.
        pace.learn("e", limit(0, NOON + 100, of=1), refused=False)
    assert turn(pace, time) == pytest.approx(100 + SETTLES)


def test_a_late_refusal_of_the_last_window_does_not_close_the_new_one(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time, limit(2, NOON + 40))
    time.now = NOON + 39.5
    pace.take_turn("e")
    time.now = NOON + 40.2
    pace.take_turn("e")
    pace.learn("e", limit(0, NOON + 40), refused=True)
    pace.learn("e", limit(99, NOON + 100), refused=False)
    assert turn(pace, time) < 40.9


def test_calls_that_never_end_do_not_close_the_windows_after_theirs(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time, limit(2, NOON + 40, of=3))
    turns = [turn(pace, time) for _ in range(4)]
    assert turns[1] < 40 < turns[2] < turns[3] < 41 + 40


def test_a_late_reply_of_the_last_window_does_not_close_the_new_one(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time, limit(1, NOON + 40, of=2))
    pace.take_turn("e")
    time.now = NOON + 41
    pace.take_turn("e")
    pace.learn("e", limit(0, NOON + 40, of=2), refused=False)
    assert turn(pace, time) < 85
    pace.learn("e", limit(99, NOON + 100), refused=False)
    pace.learn("e", limit(0, NOON + 40, of=2), refused=False)
    assert turn(pace, time) < 100


def test_a_late_reply_is_known_where_the_new_window_opened_sooner_than_expected(
    time: VirtualTime,
) -> None:
    pace = pace_of(time)
    call(pace, time, limit(2, NOON + 40, of=5))
    time.now = NOON + 38.5
    pace.take_turn("e")
    pace.take_turn("e")
    time.now += 0.5
    pace.learn("e", limit(4, NOON + 99, of=5), refused=False)
    pace.learn("e", limit(0, NOON + 40, of=5), refused=False)
    assert [turn(pace, time) < 99 for _ in range(5)] == [True] * 4 + [False]


def test_a_reset_that_comes_nearer_is_believed(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time, limit(50, NOON + 3000))
    time.now += 1
    call(pace, time, limit(1, NOON + 100))
    assert [turn(pace, time) for _ in range(2)] == pytest.approx([99, 100 + SETTLES], abs=1)


def test_a_window_that_is_over_stops_nobody(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time, limit(0, NOON - 1))
    assert [turn(pace, time) for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("ahead", [-3000, -5, 5, 3000])
def test_a_reset_is_by_the_clock_of_the_server_which_its_replies_tell(
    time: VirtualTime, ahead: float
) -> None:
    pace = pace_of(time)
    date = {"Date": formatdate(NOON + ahead, usegmt=True)}
    call(pace, time, limit(0, NOON + ahead + 40) | date)
    assert turn(pace, time) == pytest.approx(40 + SETTLES)


def test_each_date_of_a_window_tells_more_of_the_servers_clock(time: VirtualTime) -> None:
    pace = pace_of(time)
    for after, date in ((0.9, 5), (1.0, 6), (1.9, 6)):  # it is 5 s ahead
        time.now = NOON + after
        told = {"Date": formatdate(NOON + date, usegmt=True)}
        pace.learn("e", limit(0, NOON + 45) | told, refused=False)
    assert turn(pace, time) == pytest.approx(40 + SETTLES)


@pytest.mark.parametrize("ahead", [-1, 0, 1])
def test_a_difference_within_what_a_date_leaves_open_changes_nothing(
    time: VirtualTime, ahead: float
) -> None:
    pace = pace_of(time)
    date = {"Date": formatdate(NOON - 1 + ahead / 2, usegmt=True)}
    call(pace, time, limit(0, NOON + 40) | date)
    assert turn(pace, time) == pytest.approx(40 + SETTLES)


def test_a_machine_that_slept_goes_on_when_the_clock_on_the_wall_says_so() -> None:
    time, awake = VirtualTime(), VirtualTime()

    def wait(seconds: float) -> bool:
        awake.wait(seconds)
        time.now += seconds if awake.now - NOON < 100 else 2000 + seconds
        return False

    pace = Pace(None, wait=wait, clock=time, monotonic=awake)
    call(pace, time, limit(0, NOON + 3600))
    pace.take_turn("e")
    assert awake.now - NOON <= 110


@pytest.mark.parametrize("back", [10, 7200, 10**8])
def test_a_clock_that_is_set_back_makes_no_wait_longer(back: float) -> None:
    time, steady = VirtualTime(), VirtualTime()

    def wait(seconds: float) -> bool:
        steady.wait(seconds)
        time.now += seconds
        if len(steady.waits) == 3:
            time.now -= back
        return False

    pace = Pace(None, wait=wait, clock=time, monotonic=steady)
    call(pace, time, limit(0, NOON + 3600))
    pace.take_turn("e")
    assert steady.now - NOON == pytest.approx(3600 + SETTLES)


# The share that is left to others.


@pytest.mark.parametrize(
    ("of", "reserve", "ours"), [(10, 0.2, 8), (10, 0.0, 10), (100, 0.07, 93), (3, 0.9, 1)]
)
def test_the_reserve_is_taken_of_the_limit(
    time: VirtualTime, of: int, reserve: float, ours: int
) -> None:
    pace = pace_of(time, reserve=reserve)
    turns = [call(pace, time, limit(of - 1 - n, NOON + 60, of=of)) for n in range(ours)]
    assert turns[-1] < 60
    assert turn(pace, time) == pytest.approx(60 + SETTLES)


def test_calls_on_their_way_at_the_reset_are_taken_of_the_new_windows_share(
    time: VirtualTime,
) -> None:
    pace = pace_of(time, reserve=0.2)
    call(pace, time, limit(9, NOON + 60, of=10))
    time.now = NOON + 59.9
    for _ in range(3):
        pace.take_turn("e")
    time.now = NOON + 60.2
    pace.take_turn("e")
    pace.learn("e", limit(6, NOON + 60, of=10), refused=False)  # one was counted before it
    pace.learn("e", limit(7, NOON + 130, of=10), refused=False)
    turns = [call(pace, time, limit(6 - n, NOON + 130, of=10)) for n in range(5)]
    assert 60 < turns[0] < turns[-1] < 130 < turn(pace, time)


def test_calls_that_are_refused_are_not_taken_of_the_share(time: VirtualTime) -> None:
    pace = pace_of(time, reserve=0.2)
    for n in range(4):
        call(pace, time, limit(9 - n, NOON + 60, of=10))
    call(pace, time, {"Retry-After": "1"}, refused=True)
    for n in range(4):
        assert call(pace, time, limit(5 - n, NOON + 60, of=10)) < 60
    assert turn(pace, time) > 60


def test_resets_that_are_rounded_in_two_ways_are_one(time: VirtualTime) -> None:
    pace = pace_of(time, reserve=0.2)
    for n in range(8):
        assert call(pace, time, limit(9 - n, NOON + 60 + n % 2, of=10)) < 60
    assert turn(pace, time) > 60


def test_no_more_is_taken_than_is_left_however_small_the_reserve(time: VirtualTime) -> None:
    pace = pace_of(time, reserve=0.2)
    call(pace, time, limit(1, NOON + 60))
    call(pace, time, limit(0, NOON + 60))
    assert turn(pace, time) == pytest.approx(60 + SETTLES)


def test_an_endpoint_without_a_limit_has_no_reserve(time: VirtualTime) -> None:
    pace = pace_of(time, reserve=0.99)
    assert [call(pace, time) for _ in range(5)] == [0] * 5


# What headers may hold.


@pytest.mark.parametrize("reset", [NOON * 1000, NOON + 10**9, NOON + 4000])
def test_a_reset_further_away_than_an_hour_is_a_mistake(time: VirtualTime, reset: float) -> None:
    pace = pace_of(time)
    call(pace, time, limit(0, reset))
    assert turn(pace, time) == 0
    pace.learn("e", limit(0, reset), refused=True)
    assert turn(pace, time) == 1


GARBAGE = (
    *("", " ", "nan", "-nan", "inf", "-inf", "1e999", "soon", "0x10", "1,5", "-1", "1e300", "3.7"),
    *(str(NOON), str(NOON + 20), "Wed, 21 Oct 2026 07:28:00 GMT", "٣", "0", "-0.0"),
    *(formatdate(NOON - 50_000, usegmt=True), "Fri, 31 Dec 9999 23:59:59 GMT", "0 Jan 0 0:0:0"),
)
garbage = st.sampled_from(GARBAGE) | st.text(max_size=5)
NAMES = (*limit(0, 0), "Retry-After", "Date")


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from(NAMES), garbage), st.sampled_from("ruax")),
        max_size=6,
    ),
    st.sampled_from([0.0, 0.5, 0.99]),
)
def test_whatever_the_headers_say_a_turn_comes_within_the_hour(
    replies: list[tuple[dict[str, str], str]], reserve: float
) -> None:
    time = VirtualTime()
    pace = pace_of(time, reserve=reserve)
    for headers, end in replies:
        if end == "u":
            pace.unanswered("e")
        elif end != "x":
            pace.learn("e", headers, refused=end == "r")
    pace.take_turn("e")
    assert 0 <= time.now - NOON <= 3603
    assert all(seconds > 0 for seconds in time.waits)


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from(NAMES), garbage), st.sampled_from("ruax")),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_replies_say_the_next_turn_comes_within_the_hour(
    replies: list[tuple[dict[str, str], str]],
) -> None:
    time = VirtualTime()
    pace = pace_of(time)
    for headers, end in replies:
        before = time.now
        pace.take_turn("e")
        assert time.now - before <= 3603
        if end == "u":
            pace.unanswered("e")
        elif end != "x":
            pace.learn("e", headers, refused=end == "r")


# Past the limit.


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (limit(0, NOON + 25), 25 + SETTLES),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "2.5"}, 2.5),
        (limit(0, NOON + 25) | {"Retry-After": "7"}, 7),
        (limit(0, NOON + 25) | {"Retry-After": "70"}, 25 + SETTLES),
        (limit(0, NOON - 5), 1),
        (limit(0, NOON - 5) | {"Retry-After": "7"}, 7),
        ({}, 1),
        ({"Retry-After": "nan"}, 1),
        ({"Retry-After": "-3"}, 1),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 1),
        (limit("nan", "inf"), 1),
        ({"Retry-After": "1e9"}, 3600),
    ],
)
def test_past_the_limit_the_reply_says_when_to_go_on_else_a_second_later(
    time: VirtualTime, headers: Mapping[str, str], seconds: float
) -> None:
    pace = pace_of(time)
    call(pace, time, headers, refused=True)
    assert turn(pace, time, "other") == 0
    assert turn(pace, time) == pytest.approx(seconds)


def test_refusals_that_do_not_say_how_long_are_waited_for_longer_each_time(
    time: VirtualTime,
) -> None:
    pace = pace_of(time)
    turns = [call(pace, time, refused=True) for _ in range(10)]
    waits = [later - sooner for sooner, later in pairwise(turns)]
    assert waits[:4] == pytest.approx([1, 2, 4, 8])
    assert max(waits) <= 64
    call(pace, time)
    at = call(pace, time, refused=True)
    assert turn(pace, time) - at == pytest.approx(1)


def test_refusals_of_calls_that_were_under_way_together_count_once(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time)
    for _ in range(8):
        pace.take_turn("e")
    for _ in range(8):
        pace.learn("e", {}, refused=True)
    assert turn(pace, time) == pytest.approx(1)


def test_after_a_refusal_one_call_finds_out_what_is_allowed(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time)
    call(pace, time, {"Retry-After": "7"}, refused=True)
    assert turn(pace, time) == pytest.approx(7)
    assert turn(pace, time) > 8  # nobody has answered yet


def test_replies_to_calls_sent_before_a_refusal_do_not_undo_it(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time)
    for _ in range(3):
        pace.take_turn("e")
    for is_refused in (True, False, False):
        pace.learn("e", {}, refused=is_refused)
    assert call(pace, time, refused=True) == pytest.approx(1)
    assert turn(pace, time) == pytest.approx(3)
    assert turn(pace, time) > 10  # one finds out alone


def test_a_reply_without_headers_after_a_refusal_leaves_it_to_the_next_to_find_out(
    time: VirtualTime,
) -> None:
    pace = pace_of(time)
    call(pace, time, limit(50, NOON + 60))
    call(pace, time, {"Retry-After": "7"}, refused=True)
    call(pace, time, {})  # a gateway's, say
    at = turn(pace, time)
    assert turn(pace, time) > at + 4
    time.now = NOON + 300
    call(pace, time, {})
    assert turn(pace, time) == turn(pace, time)  # by now there is no limit any more


# What it tells.


def test_a_call_that_is_told_to_stop_does_not_get_its_turn(time: VirtualTime) -> None:
    pace = pace_of(time)
    call(pace, time, limit(0, NOON + 40))
    time.stopped = True
    with pytest.raises(StoppedError):
        pace.take_turn("e")
    assert pace.calls == 1


def test_all_calls_that_wait_for_one_endpoint_are_told_to_stop(time: VirtualTime) -> None:
    stop = threading.Event()
    pace = Pace(None, wait=stop.wait, clock=time, monotonic=time)
    call(pace, time, limit(0, NOON + 40))
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(pace.take_turn, "e") for _ in range(4)]
        stop.set()
        for each in waiting:
            with pytest.raises(StoppedError):
                each.result(timeout=30)


@dataclass(frozen=True)
class Seen:
    until: float | None
    reason: str


@pytest.mark.parametrize(
    ("rate", "headers", "until", "reason"),
    [
        (60, lambda _: {}, 1, "for --rate"),
        (None, lambda now: limit(0, now + 40), 40 + SETTLES, "for Wootric's limit"),
        (60, lambda now: limit(0, now + 40), 40 + SETTLES, "for Wootric's limit"),
        (1, lambda now: limit(0, now + 10), 60, "for --rate"),
    ],
)
def test_while_a_call_waits_the_pace_tells_until_when_and_for_what(
    rate: float | None, headers: Callable[[float], dict[str, str]], until: float, reason: str
) -> None:
    time = VirtualTime()
    seen: list[Seen] = []

    def look(seconds: float) -> bool:
        seen.append(Seen(pace.waiting_until, pace.waiting_for))
        return time.wait(seconds)

    pace = Pace(rate, wait=look, clock=time, monotonic=time)
    call(pace, time, endpoint="other")
    assert pace.waiting_until is None
    call(pace, time, headers(time.now + (60 / rate if rate else 0)))
    begun = time.now
    seen.clear()
    pace.take_turn("e")
    assert seen[0].until == pytest.approx(begun + until, abs=0.001)
    assert {each.reason for each in seen} == {reason}
    assert pace.waiting_until is None


def test_a_call_that_need_not_wait_leaves_word_of_one_that_does(time: VirtualTime) -> None:
    seen: list[float | None] = []

    def look(seconds: float) -> bool:
        pace.take_turn("free")
        seen.append(pace.waiting_until)
        return time.wait(seconds)

    pace = Pace(None, wait=look, clock=time, monotonic=time)
    call(pace, time, endpoint="free")
    call(pace, time, limit(0, NOON + 40))
    pace.take_turn("e")
    assert None not in seen


def test_a_wait_for_something_else_is_told_too(time: VirtualTime) -> None:
    pace = pace_of(time)
    pace.note_wait(12, "after a fault")
    assert (pace.waiting_until, pace.waiting_for) == (NOON + 12, "after a fault")


@pytest.mark.parametrize(
    ("of", "length", "words"),
    [(100, 60, "100 a minute"), (6000, 61, "6,000 a minute"), (50, 10, "50 in 10 s")],
)
def test_the_limit_that_holds_calls_back_is_told(
    time: VirtualTime, of: int, length: int, words: str
) -> None:
    pace = pace_of(time)
    call(pace, time, limit(0, NOON + 5, of=of))
    assert pace.limit is None
    call(pace, time, limit(of - 1, NOON + 5 + length, of=of))
    turn(pace, time)
    assert pace.limit == words
    time.now += 20
    assert pace.limit is None


def test_a_limit_that_holds_nothing_back_is_not_told(time: VirtualTime) -> None:
    pace = pace_of(time, 6)
    for n in range(5):
        call(pace, time, limit(99 - n, NOON + 60))
    assert pace.limit is None


# Which endpoints are held back: events go beside writes where Wootric's limits hold the writes back.

HELD = {"e"}


@dataclass
class Held:
    """What a pace tells to be held back, each time that a call waits."""

    time: VirtualTime
    rate: float | None = None
    seen: list[frozenset[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pace = Pace(self.rate, wait=self._wait, clock=self.time, monotonic=self.time)

    def _wait(self, seconds: float) -> bool:
        self.seen.append(self.pace.held())
        return self.time.wait(seconds)

    def calls(self, count: int, headers: Mapping[str, str], *, every: float = 0.0) -> None:
        """Make calls that get this reply, the next so many seconds after each."""
        for _ in range(count):
            call(self.pace, self.time, headers)
            self.time.now += every


def test_an_endpoint_is_held_once_five_calls_in_a_row_had_to_wait_for_its_limit(
    time: VirtualTime,
) -> None:
    held = Held(time)
    held.calls(1, limit(99, NOON + 60))
    assert held.seen == []  # the first one need not wait
    for waited in range(8):
        assert held.pace.held() == (HELD if waited >= 5 else set())
        held.calls(1, limit(98 - waited, NOON + 60))


def test_an_endpoint_is_held_until_its_calls_no_longer_wait_or_there_are_none(
    time: VirtualTime,
) -> None:
    held = Held(time)
    held.calls(20, limit(50, NOON + 60))
    assert held.pace.held() == HELD
    time.now += 4
    assert held.pace.held() == HELD
    time.now += 2
    assert held.pace.held() == set()
    for late in range(5):
        held.calls(1, limit(40 - late, NOON + 60), every=2)
        assert held.pace.held() == (HELD if late < 2 else set())


def test_calls_that_now_and_then_meet_are_not_held(time: VirtualTime) -> None:
    held = Held(time)
    for n in range(20):
        held.calls(2, limit(99 - 2 * n, NOON + 60), every=0.01 if n % 2 else 3.0)
        assert held.pace.held() == set()
    assert held.seen


@pytest.mark.parametrize(("of", "expected"), [(10_000, HELD), (20_000, set())])
def test_a_limit_that_leaves_no_more_than_a_moment_between_calls_holds_nothing_back(
    time: VirtualTime, of: int, expected: set[str]
) -> None:
    held = Held(time)
    for n in range(20):
        held.calls(1, limit(of - n, NOON + 60, of=of))
    assert len(held.seen) == 19
    assert held.pace.held() == expected


def test_an_endpoint_whose_calls_wait_for_long_is_held_all_the_while(time: VirtualTime) -> None:
    # Of four calls a minute, each waits for longer than the last one counts.
    held = Held(time)
    held.calls(6, limit(3, NOON + 60, of=4))
    held.seen.clear()
    begun = time.now
    held.calls(2, limit(2, time.now + 60, of=4))
    assert time.now - begun > 10
    assert set(held.seen) == {frozenset(HELD)}


def test_the_callers_rate_holds_no_endpoint(time: VirtualTime) -> None:
    held = Held(time, rate=60)
    held.calls(9, limit(99, NOON + 60))
    assert len(held.seen) == 8
    assert set(held.seen) == {frozenset()}


@pytest.mark.parametrize("told", [{}, {"X-Rate-Limit-Limit": "100"}])
def test_an_endpoint_that_tells_no_limit_is_not_held(
    time: VirtualTime, told: Mapping[str, str]
) -> None:
    held = Held(time)
    held.calls(9, told)
    assert held.pace.held() == set()


def test_calls_that_wait_for_the_first_reply_are_not_held_by_a_limit(time: VirtualTime) -> None:
    held = Held(time)
    for _ in range(8):
        turn(held.pace, time)  # no reply comes, and each waits for that of the one before
    assert len(held.seen) > 100
    assert set(held.seen) == {frozenset()}
    assert held.pace.held() == set()


def test_an_endpoint_that_refuses_is_held_by_the_limit_that_it_told(time: VirtualTime) -> None:
    held = Held(time)
    held.calls(6, limit(50, NOON + 60))
    call(held.pace, time, limit(0, NOON + 60), refused=True)
    held.seen.clear()
    turn(held.pace, time)
    assert len(held.seen) > 10
    assert set(held.seen) == {frozenset(HELD)}
