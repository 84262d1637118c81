"""The decide of an end user, driven by hand: what is asked for, and what follows from the answers."""

from dataclasses import replace

import pytest
from planned import PlanOf, identify, millis, page, track, wootric_id

from wootric_map import EndUserUpsert, PlanOptions
from wootric_map.deliver.decisions import decide
from wootric_map.deliver.fingerprints import (
    Delivered,
    Fingerprints,
    RememberedEndUser,
    RememberedFill,
    RememberedStatements,
)
from wootric_map.deliver.questions import (
    Answer,
    Decision,
    Inconclusive,
    LookAtAccount,
    LookUp,
    LookUpAgain,
    RecallCreation,
    RecallDelivery,
    RecallFill,
    RecallFormerId,
    RecallStatements,
)
from wootric_map.deliver.verdicts import Change
from wootric_map.errors import CallFailedError
from wootric_map.model import EndUser, Existing, Failure
from wootric_map.plan.steps import Write
from wootric_map.plan.trait_history import Order, Statement, Statements

HELD = EndUser(7, "a@b.co", "1", None, None, {"plan": "free"})
BROKEN = CallFailedError("server_error", "Wootric failed with 500", 500, None)


def test_a_write_is_looked_up_first_and_changes_only_what_differs(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro"))
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=True,
    )
    asked = way.send(None)
    assert asked == LookUp(made.upsert, True)
    decision = way.send(HELD)
    assert isinstance(decision, Decision)
    assert decision.verdict == Change("update", EndUserUpsert(properties={"plan": "pro"}))


def test_where_nobody_is_to_be_asked_nobody_is(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co"), track(), page("2"))
    for user in made.plan:
        way = decide(
            user,
            made.plan.steps(user),
            None,
            is_other_persons_email=made.plan.is_shared,
            asks=False,
        )
        asked = way.send(None)
        while isinstance(asked, Decision):
            try:
                asked = way.send(None)
            except StopIteration:
                break
        assert not isinstance(asked, LookUp)


def test_a_look_up_that_fails_costs_the_write_and_what_follows_it(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co"), track())
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=True,
    )
    way.send(None)
    decision = way.throw(BROKEN)
    assert isinstance(decision, Decision)
    assert decision.verdict == BROKEN.failure
    after = way.send(None)
    assert isinstance(after, Decision)
    assert isinstance(after.verdict, Failure)
    assert after.verdict.code == "end_user_failed"


def test_an_event_whose_look_up_failed_leaves_the_next_one_its_own(plan_of: PlanOf) -> None:
    made = plan_of(page(minute=1), page(minute=2))
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=True,
    )
    assert isinstance(way.send(None), LookUp)
    decision = way.throw(BROKEN)
    assert isinstance(decision, Decision)
    assert decision.verdict == BROKEN.failure
    assert isinstance(way.send(None), LookUp)
    decision = way.send(HELD)
    assert isinstance(decision, Decision)
    assert getattr(decision.verdict, "email", None) == "a@b.co"


def test_a_refused_write_keeps_its_events_back(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co"), track())
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=False,
    )
    way.send(None)
    decision = way.send(Failure("refused", "Wootric refused it", 422, None))
    assert isinstance(decision, Decision)
    assert isinstance(decision.verdict, Failure)


def test_a_dry_run_goes_on_past_a_look_up_that_fails(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", email="a@b.co"), identify("2", email="c@d.co"))

    def find(wanted: EndUserUpsert) -> EndUser | None:
        if wanted.external_id == "1":
            raise BROKEN
        return None

    for workers in (1, 4):
        assert made.results(None, find, workers) == ["server_error", "create"]


# What earlier runs know was said later.


def remembered(**times: int) -> RememberedStatements:
    fingerprints = Fingerprints(bytes(32))
    says = {
        fingerprints.field(name): Statement(Order(millis(time), True, "m"), True)
        for name, time in times.items()
    }
    return RememberedStatements(Statements(says), fingerprints)


def test_what_a_later_identify_said_otherwise_is_not_written(plan_of: PlanOf) -> None:
    made = plan_of(identify(minute=1, email="a@b.co", plan="pro", city="Rome"))
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=True,
        recalls_statements=True,
    )
    assert isinstance(way.send(None), LookUp)
    assert way.send(HELD) == RecallStatements(7)
    decision = way.send(remembered(**{"traits.plan": 2}))
    assert isinstance(decision, Decision)
    assert decision.verdict == Change("update", EndUserUpsert(properties={"city": "Rome"}))
    assert isinstance(decision.step, Write)
    assert decision.step.whole == made.upsert
    assert decision.step.key == made.writes()[0].key


def test_a_write_of_which_nothing_is_left_is_unchanged(plan_of: PlanOf) -> None:
    made = plan_of(identify(minute=1, plan="pro"))
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=True,
        recalls_statements=True,
    )
    way.send(None)
    way.send(HELD)
    decision = way.send(remembered(external_id=2, **{"traits.plan": 2}))
    assert isinstance(decision, Decision)
    assert decision.verdict == Change("unchanged", None)


def test_whom_nobody_knows_the_journal_may_remember(plan_of: PlanOf) -> None:
    made = plan_of(identify(None, 1, email="a@b.co", plan="pro"))
    for asks in (True, False):
        way = decide(
            made.user,
            made.plan.steps(made.user),
            None,
            is_other_persons_email=made.plan.is_shared,
            asks=asks,
            recalls_statements=True,
        )
        assert isinstance(way.send(None), LookUp)
        assert way.send(None) == RecallFormerId((made.upsert,), (), journal_only=not asks)
        known = RememberedEndUser(7, {}, Fingerprints(bytes(32)))
        assert way.send(known) == RecallStatements(7)
        decision = way.send(None)
        assert isinstance(decision, Decision)
        assert decision.held is known
        assert decision.verdict == Change("update", made.upsert)


def test_an_id_of_wootrics_own_is_heard_of_though_nobody_is_asked(plan_of: PlanOf) -> None:
    made = plan_of(identify(minute=1, plan="pro", context=wootric_id("7")))
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=False,
        recalls_statements=True,
    )
    assert isinstance(way.send(None), LookUp)
    assert isinstance(way.send(None), RecallFormerId)
    assert way.send(None) == RecallStatements(7)


def test_unfolded_an_identify_heeds_those_before_it_whose_say_is_the_stronger(
    plan_of: PlanOf,
) -> None:
    records = [
        identify("x@y.zz", 1, email="a@b.co", created=1_420_099_200),
        identify("x@y.zz", 2, createdAt=5_000_000, plan="pro"),
    ]
    made = plan_of(*records, options=PlanOptions(fold=False))
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=False,
    )
    assert isinstance(way.send(None), Decision)
    decision = way.send(HELD)
    assert isinstance(decision, Decision)
    assert decision.verdict == Change(
        "update", EndUserUpsert(external_id="x@y.zz", properties={"plan": "pro"})
    )


# Who is there already, and is to stay as they are.


def test_of_whom_an_earlier_run_left_a_fill_asks_the_account_before_it_writes(
    plan_of: PlanOf,
) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro", city="Rome"))
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=True,
        existing="fill",
    )
    assert isinstance(way.send(None), LookUp)
    known = RememberedEndUser(7, {}, Fingerprints(bytes(32)))
    asked = way.send(known)
    assert asked == LookAtAccount(known)
    assert isinstance(asked, LookAtAccount)
    assert asked.wanted == EndUserUpsert(wootric_id="7")
    decision = way.send(HELD)
    assert isinstance(decision, Decision)
    assert decision.verdict == Change("update", EndUserUpsert(properties={"city": "Rome"}))
    assert isinstance(decision.step, Write)
    assert decision.step.withheld == EndUserUpsert(properties={"plan": "pro"})
    assert decision.step.kept == EndUserUpsert(properties={"plan": "free"})
    assert decision.step.key != made.writes()[0].key


def test_where_nobody_can_look_nothing_is_filled(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro"))
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=True,
        existing="fill",
    )
    way.send(None)
    known = RememberedEndUser(7, {}, Fingerprints(bytes(32)))
    way.send(known)
    decision = way.send(known)
    assert isinstance(decision, Decision)
    assert decision.verdict == Change("left", None)


def test_whom_an_earlier_run_left_is_there_and_kept_without_a_look(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro"))
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=True,
        existing="keep",
    )
    way.send(None)
    decision = way.send(RememberedEndUser(7, {}, Fingerprints(bytes(32))))
    assert isinstance(decision, Decision)
    assert decision.verdict == Change("left", None)


@pytest.mark.parametrize("existing", ["fill", "keep"])
def test_who_turned_out_to_be_there_is_not_the_runs_own(
    plan_of: PlanOf, existing: Existing
) -> None:
    made = plan_of(
        identify(minute=1, email="a@b.co", plan="pro"),
        identify(minute=2, email="a@b.co", plan="max"),
        options=PlanOptions(fold=False),
    )
    taken = Failure("refused", "Email has already been taken", 422, None)
    cases: list[tuple[list[Answer], Change]] = [
        ([HELD], Change("update", EndUserUpsert(properties={"plan": "max"}))),
        (
            [Inconclusive(taken, is_unanswered=False, is_last=False), HELD, None, HELD],
            Change("left", None),
        ),
    ]
    for answers, verdict in cases:
        way = decide(
            made.user,
            made.plan.steps(made.user),
            None,
            is_other_persons_email=made.plan.is_shared,
            asks=True,
            existing=existing,
        )
        way.send(None)
        decision = way.send(None)
        assert isinstance(decision, Decision)
        assert decision.action == "create"
        for answer in answers:
            decision = way.send(answer)
        assert isinstance(decision, Decision)
        assert decision.verdict == verdict


@pytest.mark.parametrize("existing", ["fill", "keep"])
def test_what_an_earlier_run_left_is_known_by_a_key_of_its_own(
    plan_of: PlanOf, existing: Existing
) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro"))
    (write,) = made.writes()
    for answers, expected in (
        (
            (Delivered(1),),
            [RecallDelivery(write.key, None, None), RecallCreation(write.key_where("begun"))],
        ),
        (
            (None,),
            [
                RecallDelivery(write.key, None, None),
                RecallDelivery(write.key_where(existing), None, None),
            ],
        ),
    ):
        way = decide(
            made.user,
            made.plan.steps(made.user),
            None,
            is_other_persons_email=made.plan.is_shared,
            asks=True,
            recalls=True,
            existing=existing,
        )
        assert [way.send(None), *(way.send(each) for each in answers)] == expected
        decision = way.send(None if answers[0] else Delivered(1))
        if existing == "fill":
            assert decision == RecallFill((write.key, write.key_where("fill")))
            decision = way.send(None)
        assert isinstance(decision, Decision)
        assert decision.verdict == Change("unchanged" if answers[0] else "left", None)


@pytest.mark.parametrize(
    ("plan", "city", "expected"),
    [
        ("p1", "Rome", Change("update", EndUserUpsert(properties={"plan": "p2"}))),
        ("p3", "Rome", Change("left", None)),
        (None, "Rome", Change("update", EndUserUpsert(properties={"plan": "p2"}))),
        ("p1", None, Change("update", EndUserUpsert(properties={"plan": "p2", "city": "Oslo"}))),
    ],
)
def test_a_fill_that_was_cut_short_may_change_what_it_has_filled_in(
    plan_of: PlanOf, plan: str | None, city: str | None, expected: Change
) -> None:
    """What the account held before, or has been given since, stays."""
    made = plan_of(
        identify(minute=1, email="a@b.co", plan="p1"),
        identify(minute=2, email="a@b.co", plan="p2", city="Oslo"),
        options=PlanOptions(fold=False),
    )
    fingerprints = Fingerprints(bytes(32))
    filled = RememberedFill(frozenset({fingerprints.value("properties[plan]", "p1")}), fingerprints)
    properties = {name: text for name, text in (("plan", plan), ("city", city)) if text}
    held = replace(HELD, properties=properties)
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=True,
        recalls=True,
        existing="fill",
    )
    left_by_an_earlier_run = RememberedEndUser(
        7, fingerprints.of(EndUserUpsert("a@b.co", "1", properties=properties)), fingerprints
    )
    by_question = {
        RecallDelivery: None,
        RecallFill: None,
        LookUp: left_by_an_earlier_run,
        LookUpAgain: None,
    }
    answers: list[Answer] = [None, Delivered(1), None, filled]
    asked = [way.send(answer) for answer in answers]
    assert isinstance(asked[-1], Decision)
    question = way.send(None)
    while not isinstance(question, LookAtAccount):
        question = way.send(by_question[type(question)])
    decision = way.send(held)
    assert isinstance(decision, Decision)
    assert decision.verdict == expected


# A write that may have been made all the same, or met another end user than was known.


IN_DOUBT = Failure("in_doubt", "no answer")
TAKEN = Failure("refused", "Email has already been taken", 422, None)
AS_WANTED = EndUser(7, "a@b.co", "1", None, None, {"plan": "pro"})


@pytest.mark.parametrize(
    ("before", "answers", "expected"),
    [
        # Nobody answered, and it was made: nothing is left to do.
        (
            None,
            [Inconclusive(IN_DOUBT, is_unanswered=True, is_last=False), AS_WANTED, None],
            ("create", Change("create", None)),
        ),
        # Nobody answered, and it was not made.
        (
            None,
            [Inconclusive(IN_DOUBT, is_unanswered=True, is_last=False), None],
            ("create", Change("create", EndUserUpsert("a@b.co", "1", properties={"plan": "pro"}))),
        ),
        # Nobody answered too often: it stays in doubt, and nobody is looked up.
        (
            None,
            [Inconclusive(IN_DOUBT, is_unanswered=True, is_last=True)],
            ("create", IN_DOUBT),
        ),
        # Somebody has created them meanwhile.
        (
            None,
            [Inconclusive(TAKEN, is_unanswered=False, is_last=False), HELD, None],
            ("update", Change("update", EndUserUpsert(properties={"plan": "pro"}))),
        ),
        # The email is somebody else's: the end user is as they were known.
        (
            HELD,
            [Inconclusive(TAKEN, is_unanswered=False, is_last=False), HELD],
            ("update", TAKEN),
        ),
        # They were removed meanwhile.
        (
            HELD,
            [
                Inconclusive(Failure("refused", "Not found", 404), False, False),
                None,
            ],
            ("create", Change("create", EndUserUpsert("a@b.co", "1", properties={"plan": "pro"}))),
        ),
    ],
)
def test_a_write_that_proves_nothing_is_decided_anew(
    plan_of: PlanOf,
    before: EndUser | None,
    answers: list[Answer],
    expected: tuple[str, object],
) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro"))
    way = decide(
        made.user,
        made.plan.steps(made.user),
        None,
        is_other_persons_email=made.plan.is_shared,
        asks=True,
    )
    way.send(None)
    asked = way.send(before)
    for answer in answers:
        if answer is None and isinstance(asked, LookUpAgain):
            while isinstance(asked, LookUpAgain):
                asked = way.send(None)
        else:
            asked = way.send(answer)
    assert isinstance(asked, Decision)
    assert (asked.action, asked.verdict) == expected
