"""The decisions about survey responses and declines, driven by hand: what is asked, and what follows."""

from collections.abc import Generator
from typing import Any

import pytest

from wootric_map.deliver.questions import Decision, Inconclusive, ListSurveys
from wootric_map.deliver.survey_decisions import SurveyDecisions
from wootric_map.deliver.verdicts import Settled
from wootric_map.errors import CallFailedError
from wootric_map.model import Failure, Ref
from wootric_map.plan.steps import Event
from wootric_map.survey_calls import HeldSurveys, SurveyDecline, SurveyResponse

CALL = SurveyResponse(9, 100, wootric_id="7")
STEP = Event(Ref(1, "a", 1), "k", CALL)
LATE = Failure("in_doubt", "no answer")
BROKEN = CallFailedError("server_error", "Wootric failed with 500", 500, None)
NONE = HeldSurveys(frozenset())
THERE = HeldSurveys(frozenset({(100, 9)}))


def way(
    deciding: SurveyDecisions | None = None, call: Any = CALL, past: Any = None, *, is_new: bool
) -> Generator[Any, Any, None]:
    made = deciding or SurveyDecisions()
    return made.decide(Event(Ref(1, "a", 1), "k", call), call, None, past, is_new=is_new)


def skip_of(decision: Decision) -> str | None:
    """The code that a settled one is skipped with; None if it counts as delivered."""
    assert isinstance(decision.verdict, Settled)
    return decision.verdict.skip.code if decision.verdict.skip else None


def test_nothing_is_listed_of_an_end_user_that_this_run_has_created() -> None:
    asked = way(is_new=True).send(None)
    assert asked == Decision(STEP, CALL, None)


def test_whoever_was_there_before_is_listed_once_for_each_kind() -> None:
    deciding = SurveyDecisions()
    first = way(deciding, is_new=False)
    assert first.send(None) == ListSurveys(7, "response", None)
    assert first.send(NONE) == Decision(STEP, CALL, None)
    with pytest.raises(StopIteration):
        first.send(None)
    second = way(deciding, SurveyResponse(8, 100, wootric_id="7"), is_new=False)
    assert isinstance(second.send(None), Decision)
    decline = way(deciding, SurveyDecline(100, wootric_id="7"), is_new=False)
    assert decline.send(None) == ListSurveys(7, "decline", None)


def test_what_was_sent_is_not_sent_again_whatever_the_list_said() -> None:
    deciding = SurveyDecisions()
    first = way(deciding, is_new=True)
    first.send(None)
    with pytest.raises(StopIteration):
        first.send(None)
    assert skip_of(way(deciding, is_new=True).send(None)) == "already_there"


def test_what_was_refused_does_not_count_as_sent() -> None:
    deciding = SurveyDecisions()
    first = way(deciding, is_new=True)
    first.send(None)
    with pytest.raises(StopIteration):
        first.send(Failure("refused", "no", 422))
    assert isinstance(way(deciding, is_new=True).send(None), Decision)


def test_one_in_doubt_is_listed_also_of_a_new_end_user() -> None:
    doubtful = way(past="in_doubt", is_new=True)
    assert doubtful.send(None) == ListSurveys(7, "response", None)
    assert skip_of(doubtful.send(THERE)) == "delivered_before"


def test_without_an_answer_it_is_listed_and_sent_once_more() -> None:
    deciding = way(is_new=True)
    deciding.send(None)
    asked = deciding.send(Inconclusive(LATE, is_unanswered=True, is_last=False))
    assert asked == ListSurveys(7, "response", 100)
    assert deciding.send(NONE) == Decision(STEP, CALL, None)
    asked = deciding.send(Inconclusive(LATE, is_unanswered=True, is_last=True))
    assert asked == ListSurveys(7, "response", 100)
    assert deciding.send(NONE) == Decision(STEP, LATE, None)


def test_without_an_answer_and_there_it_counts_as_delivered() -> None:
    deciding = way(is_new=True)
    deciding.send(None)
    deciding.send(Inconclusive(LATE, is_unanswered=True, is_last=True))
    assert skip_of(deciding.send(THERE)) is None


def test_what_stays_in_doubt_has_the_next_one_listed_anew() -> None:
    deciding = SurveyDecisions()
    first = way(deciding, is_new=True)
    first.send(None)
    first.send(Inconclusive(LATE, is_unanswered=True, is_last=True))
    decision = first.throw(BROKEN)
    assert isinstance(decision.verdict, Failure)
    assert decision.verdict.code == "in_doubt"
    assert "500" in decision.verdict.message
    assert way(deciding, is_new=True).send(None) == ListSurveys(7, "response", None)


def test_a_list_that_cannot_be_had_lets_nothing_be_sent() -> None:
    deciding = way(is_new=False)
    deciding.send(None)
    assert deciding.throw(BROKEN).verdict == BROKEN.failure


def test_a_list_with_more_than_may_be_asked_for_is_asked_for_each_second() -> None:
    deciding = way(is_new=False)
    deciding.send(None)
    asked = deciding.send(HeldSurveys(frozenset({(1, 1)}), is_whole=False))
    assert asked == ListSurveys(7, "response", 100)
    assert skip_of(deciding.send(THERE)) == "already_there"
