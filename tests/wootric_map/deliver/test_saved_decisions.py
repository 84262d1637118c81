"""What is decided about an end user of a saved plan, with every answer made up."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from wootric_map import EndUserUpsert
from wootric_map.deliver.fingerprints import Delivered, Fingerprints, RememberedFill
from wootric_map.deliver.questions import (
    Answer,
    Decision,
    Inconclusive,
    LookAtAccount,
    LookUpAgain,
    Question,
    RecallDelivery,
    RecallFill,
    RecallWritten,
)
from wootric_map.deliver.saved_decisions import PastRuns, decide_saved
from wootric_map.deliver.verdicts import Change
from wootric_map.errors import CallFailedError
from wootric_map.model import EndUser, Failure, PageView, Ref
from wootric_map.plan.plan_lines import Planned, PlannedCall, PlannedWrite

ADA = EndUserUpsert("ada@example.com", "1", properties={"plan": "pro"})
HELD = EndUser(7, "ada@example.com", "1", None, None, {"plan": "pro"})
OTHERWISE = EndUser(7, "ada@example.com", "1", None, None, {"plan": "free"})
CREATE = PlannedWrite(Ref(0, "plan", 2), "create", None, ADA, "create")
UPDATE = PlannedWrite(Ref(9, "plan", 3), "update", None, ADA, "update")
FINGERPRINTS = Fingerprints(bytes(32))
VIEW = PlannedCall(Ref(20, "plan", 4), "view", PageView("view", "ada@example.com"))
IN_DOUBT = Failure("in_doubt", "no answer")
UNANSWERED = Inconclusive(IN_DOUBT, is_unanswered=True, is_last=False)

Decided = list[Question | Decision]


def past_runs(is_shared_id: Callable[[str], bool] = lambda _: False) -> PastRuns:
    return PastRuns(lambda _: False, is_shared_id)


def decided(
    steps: Sequence[Planned], *answers: Answer | CallFailedError, past: PastRuns | None = None
) -> Decided:
    """All that is asked and decided, answered in turn; after the last answer with None."""
    decisions = decide_saved(steps, frozenset(), past or past_runs())
    found = [decisions.send(None)]
    coming = iter(answers)
    while True:
        answer = next(coming, None)
        try:
            if isinstance(answer, CallFailedError):
                found.append(decisions.throw(answer))
            else:
                found.append(decisions.send(answer))
        except StopIteration:
            return found


def verdicts(found: Decided) -> list[Any]:
    return [each.verdict for each in found if isinstance(each, Decision)]


def test_what_the_plan_says_is_done_in_its_order() -> None:
    found = decided([CREATE, VIEW], None, HELD)
    assert [each for each in found if not isinstance(each, Decision)] == [
        RecallDelivery("create", None, None),
        RecallDelivery("view", None, None),
    ]
    assert verdicts(found) == [Change("create", ADA), VIEW.call]


def test_an_update_is_made_to_whom_the_plan_has_created() -> None:
    found = decided([CREATE, UPDATE], None, HELD)
    update = found[-1]
    assert isinstance(update, Decision)
    assert update.held
    assert update.held.id == 7


def test_an_update_of_whom_nobody_has_created_is_not_sent_nor_what_follows() -> None:
    found = decided([UPDATE, VIEW])
    assert [each.code for each in verdicts(found)] == ["end_user_failed", "end_user_failed"]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (HELD, [Change("create", ADA), Change("create", None)]),
        (OTHERWISE, [Change("create", ADA), IN_DOUBT]),
        (None, [Change("create", ADA), Change("create", ADA)]),
    ],
)
def test_a_create_that_nobody_answered_is_looked_for(
    there: EndUser | None, expected: list[object]
) -> None:
    found = decided([CREATE], None, UNANSWERED, there)
    assert found[2] == LookUpAgain(ADA)
    assert verdicts(found) == expected


def test_a_create_that_nobody_answers_at_last_is_in_doubt() -> None:
    last = UNANSWERED._replace(is_last=True)
    assert verdicts(decided([CREATE], None, last, None)) == [Change("create", ADA), IN_DOUBT]


def test_a_look_that_fails_tells_why() -> None:
    down = CallFailedError("server_error", "Down", 503, None)
    found = decided([CREATE, VIEW], None, UNANSWERED, down)
    assert verdicts(found)[1] == down.failure
    assert verdicts(found)[2].code == "end_user_failed"


def test_who_is_there_by_now_is_not_changed() -> None:
    refused = Failure("refused", "Email has already been taken", 422, None)
    answer = Inconclusive(refused, is_unanswered=False, is_last=False)
    found = decided([CREATE], None, answer)
    assert verdicts(found) == [Change("create", ADA), refused]
    assert not any(isinstance(each, LookUpAgain) for each in found)


def test_what_an_earlier_run_delivered_is_not_done_again() -> None:
    found = decided([CREATE, UPDATE], Delivered(1), HELD, None, None)
    assert found[1] == RecallWritten(ADA)
    assert verdicts(found) == [Change("unchanged", None), Change("update", ADA)]


def test_an_id_of_several_people_ties_nobody() -> None:
    found = decided([CREATE], past=past_runs(lambda name: name.endswith("1")))
    (verdict,) = verdicts(found)
    assert verdict.code == "ambiguous_id"
    assert "userId" in verdict.message


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (OTHERWISE, Change("left", None)),
        (EndUser(7, "ada@example.com", "1", None, None, {}), Change("update", ADA)),
    ],
)
def test_one_who_is_to_be_filled_in_is_looked_at_first(there: EndUser, expected: Change) -> None:
    found = decided([UPDATE._replace(id=7, fills=True)], None, None, there)
    assert found[1] == RecallFill(("update",))
    assert isinstance(found[2], LookAtAccount)
    assert verdicts(found) == [expected]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("free", Change("update", EndUserUpsert(properties={"plan": "pro"}))),
        ("max", Change("left", None)),
    ],
)
def test_what_a_run_that_was_cut_short_has_filled_in_may_be_changed(
    plan: str, expected: Change
) -> None:
    """Only if the account still holds what that run has left."""
    first, second = (
        UPDATE._replace(
            key=key, id=7, fills=True, fields=EndUserUpsert(properties={"plan": wanted})
        )
        for key, wanted in (("first", "free"), ("second", "pro"))
    )
    filled = RememberedFill(
        frozenset({FINGERPRINTS.value("properties[plan]", "free")}), FINGERPRINTS
    )
    held = EndUser(7, "ada@example.com", "1", None, None, {"plan": plan})
    found = decided([first, second], Delivered(1), filled, None, None, None, held)
    assert verdicts(found) == [Change("unchanged", None), expected]
