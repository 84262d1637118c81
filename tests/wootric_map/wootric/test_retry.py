"""How long faults are borne with: the decisions alone, in virtual time."""

from dataclasses import dataclass
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import Future, RetryCallState, Retrying

from wootric_map.errors import CallFailedError, ServerFaultError, TooFastError
from wootric_map.wootric.retry import Outage, Tries

FAULT = CallFailedError("server_error", "down", 503, None)
TOO_FAST = TooFastError("too_fast", "too fast", 429, None)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def ended(error: Exception) -> RetryCallState:
    """A try that ended so, as tenacity tells it."""
    state = RetryCallState(Retrying(), None, (), {})
    state.outcome = Future.construct(1, error, has_exception=True)
    return state


@given(
    retries=st.integers(0, 20),
    deadline=st.floats(0.001, 1000),
    tries=st.lists(st.tuples(st.sampled_from([FAULT, TOO_FAST]), st.floats(0, 50)), min_size=1),
    share=st.floats(0, 1),
)
def test_no_call_is_tried_more_often_or_for_longer_than_told(
    retries: int, deadline: float, tries: list[tuple[CallFailedError, float]], share: float
) -> None:
    clock = Clock()
    made = Tries(retries, deadline, clock=clock, jitter=lambda least, most: most * share)
    faults = spent = 0.0
    for error, seconds in islice(cycle(tries), 5000):
        allowed = min(seconds, made.left)
        with made.timed():
            clock.now += allowed
        spent += allowed
        state = ended(error)
        state.upcoming_sleep = pause = made.pause(state)
        assert 0 <= pause <= (0 if error is TOO_FAST else min(0.5 * 2**faults, 30))
        faults += error is FAULT
        if made.should_stop(state):
            break
        assert spent + pause < deadline + 1e-6
        assert faults <= retries
        with made.timed():
            clock.now += pause
        spent += pause
    else:
        raise AssertionError("it was never enough")
    assert spent <= deadline + 0.002


@pytest.mark.parametrize(
    ("asked", "seconds"), [(0.0, 0.25), (7.0, 7.0), (3600.0, 30.0), (-3.0, 0.25)]
)
def test_the_pause_is_as_long_as_wootric_asks_for(asked: float, seconds: float) -> None:
    fault = ServerFaultError("server_error", "down", 503, None)
    fault.retry_after = asked
    made = Tries(5, 300, clock=Clock(), jitter=lambda least, most: (least + most) / 2)
    assert made.pause(ended(fault)) == seconds


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["begin", "end", "fault", "answer", "nothing"]), st.floats(0, 1000)
        )
    )
)
def test_wootric_is_down_from_a_fault_to_an_answer_while_anybody_calls(
    steps: list[tuple[str, float]],
) -> None:
    clock = Clock()
    outage = Outage(clock)
    calls = []
    down, seconds = False, 0.0
    for step, later in steps:
        if step == "begin":
            calls.append(outage.counting())
            calls[-1].__enter__()
        elif step == "end" and calls:
            calls.pop().__exit__(None, None, None)
        elif step == "fault":
            outage.fault("status 503")
            down = True
        elif step == "answer":
            outage.answered()
            down, seconds = False, 0.0
        clock.now += later
        seconds += later if down and calls else 0.0
        assert abs(outage.seconds - seconds) < 1e-6


def test_the_latest_fault_is_what_is_told() -> None:
    outage = Outage(Clock())
    for what in ("no answer", "status 503"):
        outage.fault(what)
        assert outage.latest == what
