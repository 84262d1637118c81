"""How long a push takes: what limits say, and what is left of what was foreseen."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import VirtualTime

from wootric_map.deliver.call_range import CallRange, Kind, made_by_kind
from wootric_map.deliver.forecast import Foretold, RemainingCalls, Speed, time_left
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
    calls: dict[Kind, float] = {
        "look_up": 100,
        "create": 200,
        "eligibility_check": 100,
        "page_view": 50,
    }
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


KINDS: tuple[Kind, ...] = ("look_up", "create", "page_view")


@given(st.dictionaries(st.sampled_from(KINDS), COUNTS), COUNTS)
def test_more_calls_never_take_less_time(calls: dict[Kind, int], more: int) -> None:
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


def open_writes(number: int) -> CallRange:
    """Of each, only the account can tell: a create, or a look-up and more."""
    most: dict[Kind, int] = {"look_up": 2 * number, "create": 2 * number, "update": number}
    return CallRange({}, most, number, 4 * number)


def test_the_least_time_is_that_of_the_best_split_over_the_kinds() -> None:
    speed = Speed(
        told={"create": Throughput(100), "look_up": Throughput(50), "update": Throughput(1)}
    )
    # In two minutes, 200 can be created and 100 looked up: one may be either.
    told = speed.forecast_range(open_writes(300))
    assert told.least == pytest.approx(120)
    assert told.most.seconds == 300 * 60
    exact = speed.forecast_range(CallRange.exactly({"create": 100}))
    assert exact.least == exact.most.seconds == 60


def test_a_rate_counts_the_calls_of_all_kinds_together() -> None:
    told = Speed(rate=60).forecast_range(open_writes(60))
    assert (told.least, told.most.seconds, told.most.slowest) == (60, 240, None)


@given(
    st.dictionaries(st.sampled_from(KINDS), st.integers(0, 300)),
    st.dictionaries(st.sampled_from(KINDS), st.integers(0, 300)),
    st.data(),
)
def test_whatever_calls_are_made_within_a_range_take_a_time_within_its_forecast(
    sure: dict[Kind, int], more: dict[Kind, int], data: st.DataObject
) -> None:
    made = {
        kind: data.draw(st.integers(sure.get(kind, 0), sure.get(kind, 0) + more.get(kind, 0)))
        for kind in KINDS
    }
    total = sum(made.values())
    most = {kind: sure.get(kind, 0) + more.get(kind, 0) for kind in KINDS}
    calls = CallRange(sure, most, total, total)
    speed = Speed(
        rate=data.draw(st.sampled_from([None, 40.0, 4000.0])),
        told={"look_up": Throughput(100, 40, 30.0)},
        remembered={"create": 50.0},
    )
    told, true = speed.forecast_range(calls), speed.forecast(made).seconds
    assert told.least <= true * 1.000001
    assert told.most.seconds >= true * 0.999999


def test_what_is_left_is_what_was_foretold_less_what_was_done() -> None:
    calls = CallRange.exactly({"create": 3, "eligibility_check": 2, "page_view": 1})
    remaining_calls = RemainingCalls(Foretold(calls))
    before = Skip("delivered_before", "track", "messageId", "…")
    for each in (
        outcome("create", records=5),
        outcome("unchanged"),  # an earlier run has written them: it was not foretold
        outcome("eligibility_check", result=before),
        outcome("eligibility_check", result=Failure("refused", "…")),
        outcome("page_view"),
    ):
        remaining_calls.count(each)
    made: dict[Kind, int] = {"create": 1, "eligibility_check": 1, "page_view": 1}
    assert remaining_calls.range(made).is_exact
    left = {kind: count for kind, count in remaining_calls.remaining(made).items() if count}
    assert left == {"create": 2, "eligibility_check": 1}


def test_what_the_open_steps_took_so_far_stands_for_the_others() -> None:
    most: dict[Kind, int] = {"look_up": 200, "create": 100, "update": 100}
    looked_up = CallRange({"look_up": 100}, most, 100, 300)
    sure = CallRange.exactly({"update": 10})
    remaining_calls = RemainingCalls(Foretold(sure, looked_up, 100))
    # Before the first of them, nobody is expected to be there.
    assert remaining_calls.remaining({}) == {
        "look_up": 200, "create": 100, "update": 10, "eligibility_check": 0, "page_view": 0,
        "survey_list": 0, "response": 0, "decline": 0, "surveys_off": 0,
    }  # fmt: skip
    for number in range(20):
        action: Action = "unchanged" if number < 10 else "update" if number < 15 else "create"
        remaining_calls.count(outcome(action, look_ups=2))
    left = remaining_calls.remaining({"look_up": 20, "update": 5, "create": 5})
    assert left["look_up"] == 80
    assert left["create"] == 20
    assert left["update"] == 30


def test_somebody_who_is_created_first_is_expected_to_take_one_call() -> None:
    remaining_calls = RemainingCalls(Foretold(open=open_writes(10), open_steps=10))
    assert remaining_calls.remaining({})["create"] == 10
    assert sum(remaining_calls.remaining({}).values()) == 10
    for _ in range(5):
        remaining_calls.count(outcome("unchanged", look_ups=1))  # created first, and refused
    left = remaining_calls.remaining({"create": 5, "look_up": 5})
    assert (left["create"], left["look_up"], left["update"]) == (5, 5, 0)


@given(st.integers(1, 50), st.data())
def test_what_is_expected_to_be_left_is_within_what_can_be_left(
    steps: int, data: st.DataObject
) -> None:
    calls = open_writes(steps)
    remaining_calls = RemainingCalls(Foretold(open=calls, open_steps=steps))
    made: dict[Kind, int] = {"look_up": 0, "create": 0, "update": 0}
    for _ in range(data.draw(st.integers(0, steps))):
        look_ups, creates, updates = data.draw(
            st.sampled_from([(0, 1, 0), (1, 1, 0), (1, 1, 1), (2, 2, 0), (2, 0, 1)])
        )
        made = {
            "look_up": made["look_up"] + look_ups,
            "create": made["create"] + creates,
            "update": made["update"] + updates,
        }
        remaining_calls.count(outcome("update" if updates else "create", look_ups=look_ups))
        left, expected = remaining_calls.range(made), remaining_calls.remaining(made)
        assert left.least - 0.001 <= sum(expected.values()) <= left.most + 0.001
        for kind, count in expected.items():
            assert left.least_by_kind.get(kind, 0) <= count <= left.most_by_kind.get(kind, 0)


def test_look_ups_by_phone_are_look_ups() -> None:
    made = made_by_kind({"end_users/{}": 2, "end_users/phone_number/{}": 1, "oauth": 1})
    assert {kind: count for kind, count in made.items() if count} == {"look_up": 3}


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
