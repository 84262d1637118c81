"""How long a push takes: what limits say, and what is left of what was foreseen."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import VirtualTime

from wootric_map.deliver.forecast import Kind, RemainingCalls, Speed, time_left
from wootric_map.model import Action, Failure, Outcome, Ref, Skip
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.rate_limit import Allowance, LimitHeaders, Throughput

COUNTS = st.integers(0, 10**7)


def outcome(
    action: Action, *, look_ups: int = 0, result: Skip | Failure | None = None, records: int = 1
) -> Outcome:
    refs = [Ref(number, "export", number) for number in range(records)]
    return Outcome(action, refs, result, look_ups=look_ups)


def test_the_kind_that_takes_longest_decides() -> None:
    told: dict[Kind, Throughput] = {
        "create": Throughput(50),
        "look_up": Throughput(100),
        "page_view": Throughput(inf),
    }
    forecast = Speed(told=told).forecast({"create": 100, "look_up": 150, "page_view": 10**6})
    assert (forecast.seconds, forecast.slowest, forecast.per_minute) == (120, "create", 50)
    assert forecast.by_kind == {"create": 120, "look_up": 90, "page_view": 0}
    assert not forecast.is_assumed


@pytest.mark.parametrize(
    ("rate", "events_first", "seconds"),
    [(None, False, 120), (None, True, 120), (1000, False, 120 + 60), (1000, True, 120)],
)
def test_events_wait_for_the_last_write_under_a_rate_unless_they_come_first(
    rate: float | None, *, events_first: bool, seconds: float
) -> None:
    calls = {"look_up": 100, "create": 200, "eligibility_check": 100, "page_view": 50}
    told: dict[Kind, Throughput] = {"create": Throughput(100)}
    forecast = Speed(rate=rate, told=told, events_first=events_first).forecast(calls)
    assert (forecast.seconds, forecast.slowest) == (seconds, "create")


def test_events_after_writes_that_no_limit_holds_back_take_their_own_time() -> None:
    told: dict[Kind, Throughput] = {"create": Throughput(inf), "page_view": Throughput(100)}
    forecast = Speed(told=told).forecast({"create": 10**6, "page_view": 100})
    assert (forecast.seconds, forecast.slowest) == (60, "page_view")


def test_a_rate_of_the_callers_counts_all_kinds_together() -> None:
    forecast = Speed(rate=60).forecast({"create": 100, "look_up": 200})
    assert (forecast.seconds, forecast.slowest, forecast.per_minute) == (300, None, 60)
    # A limit of Wootric's that is lower for one kind still holds.
    slow = Speed(rate=60, told={"create": Throughput(10), "look_up": Throughput(100)})
    assert slow.forecast({"create": 100, "look_up": 200}).seconds == 600


def test_where_nothing_was_told_wootrics_usual_limit_stands_for_it() -> None:
    forecast = Speed(reserve=0.5).forecast({"create": 100})
    assert (forecast.seconds, forecast.is_assumed) == (120, True)
    assert not Speed().is_known


def test_what_one_kind_was_told_stands_for_the_others() -> None:
    speed = Speed(told={"look_up": Throughput(600)}, remembered={"update": 300.0})
    assert speed.forecast({"create": 600}).seconds == 120
    assert speed.forecast({"update": 600}).seconds == 120
    assert speed.forecast({"look_up": 600}).seconds == 60


def test_nothing_takes_no_time_and_no_limit_is_told_as_none() -> None:
    assert Speed().forecast({}).seconds == 0
    unlimited = Speed(told={"create": Throughput(inf)}).forecast({"create": 5})
    assert (unlimited.seconds, unlimited.per_minute) == (0, inf)


@given(st.dictionaries(st.sampled_from(["look_up", "create", "page_view"]), COUNTS), COUNTS)
def test_more_calls_never_take_less_time(calls: dict[str, int], more: int) -> None:
    speed = Speed(told={"look_up": Throughput(100, 40, 30.0)}, remembered={"create": 50.0})
    longer = calls | {"create": calls.get("create", 0) + more}
    assert speed.forecast(longer).seconds >= speed.forecast(calls).seconds
    assert speed.forecast(calls).seconds >= max(speed.forecast(calls).by_kind.values(), default=0)


def test_the_rest_of_a_window_counts_for_what_it_still_takes() -> None:
    throughput = Throughput(100, 40, 30.0)
    assert throughput.seconds(20) == 15
    assert throughput.seconds(40) == 30
    assert throughput.seconds(140) == 90
    assert Throughput(100, 0, 30.0).seconds(1) == pytest.approx(30.6)


def test_a_pace_tells_what_replies_have_told_of_each_endpoint() -> None:
    time = VirtualTime()
    pace = Pace(None, wait=time.wait, clock=time, monotonic=time, reserve=0.2)
    assert pace.throughputs() == {}
    pace.take_turn("a")
    headers = {"Limit": "100", "Remaining": "59", "Reset": str(time.now + 30)}
    told = {f"X-Rate-Limit-{name}": value for name, value in headers.items()}
    pace.learn("a", told, refused=False)
    pace.take_turn("b")
    pace.learn("b", {}, refused=False)
    assert pace.limits() == {"a": 100, "b": inf}
    assert pace.made == {"a": 1, "b": 1}
    throughputs = pace.throughputs()
    assert throughputs["a"].per_minute == 80
    assert throughputs["a"].at_first == 59
    assert throughputs["a"].until == pytest.approx(30, abs=0.2)
    assert throughputs["b"] == Throughput(inf)


def test_an_endpoint_that_has_refused_goes_on_once_it_opens() -> None:
    allowance = Allowance()
    allowance.send(1000.0)
    allowance.answered(1000.0, LimitHeaders(limit=60, remaining=0, reset=1060.0))
    allowance.send(1001.0)
    allowance.refused(1001.0, LimitHeaders(limit=60, remaining=0, reset=1060.0))
    throughput = allowance.throughput(1001.0)
    assert throughput is not None
    assert throughput.seconds(30) == pytest.approx(59 + 30, abs=0.5)


def test_what_is_left_is_what_was_foreseen_less_what_was_done() -> None:
    remaining_calls = RemainingCalls(
        {"create": 3, "eligibility_check": 2, "page_view": 1}, asks=False
    )
    before = Skip("delivered_before", "track", "messageId", "…")
    for each in (
        outcome("create", records=5),
        outcome("unchanged"),  # an earlier run has written them: it was not foreseen
        outcome("eligibility_check", result=before),
        outcome("eligibility_check", result=Failure("refused", "…")),
        outcome("page_view"),
    ):
        remaining_calls.count(each)
    left = {kind: count for kind, count in remaining_calls.remaining().items() if count}
    assert left == {"create": 2, "eligibility_check": 1}


def test_what_was_seen_of_those_asked_stands_for_the_others() -> None:
    remaining_calls = RemainingCalls({"look_up": 200, "create": 100, "update": 10}, asks=True)
    for number in range(20):
        action: Action = "unchanged" if number < 10 else "update" if number < 15 else "create"
        remaining_calls.count(outcome(action, look_ups=2))
    left = remaining_calls.remaining(look_ups=20)  # each was found by the first of the two
    assert left["look_up"] == 80
    assert left["create"] == 20
    assert left["update"] == 30


def test_an_event_of_somebody_nobody_knows_was_foreseen_and_is_done() -> None:
    remaining_calls = RemainingCalls({"look_up": 1, "page_view": 1}, asks=True)
    remaining_calls.count(
        outcome("page_view", look_ups=1, result=Skip("unidentified", "page", "userId", "…"))
    )
    assert not any(remaining_calls.remaining(1).values())


@pytest.mark.parametrize(
    ("is_held", "made", "elapsed", "seconds"),
    [
        (True, 10, 1000.0, 60),  # what holds calls back decides
        (False, 10, 1.0, 60),  # the replies are fast, but the limit is still to come
        (False, 10, 10.0, 100),  # the replies are slower than the limit
        (False, 0, 0.0, 60),
    ],
)
def test_the_time_left(is_held: bool, made: int, elapsed: float, seconds: float) -> None:
    speed = Speed(told={"create": Throughput(100)})
    left = time_left({"create": 100}, speed, made=made, elapsed=elapsed, is_held=is_held)
    assert left == pytest.approx(seconds)


def test_without_a_limit_the_speed_so_far_tells_the_time_left() -> None:
    speed = Speed(told={"create": Throughput(inf)})
    assert time_left({"create": 100}, speed, made=50, elapsed=5.0, is_held=False) == 10
    assert time_left({"create": 100}, speed, made=0, elapsed=5.0, is_held=False) is None
    assert time_left({"create": 0}, speed, made=50, elapsed=5.0, is_held=False) == 0
