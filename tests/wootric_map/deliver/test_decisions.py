"""The course of an end user, driven by hand: what is asked for, and what follows from the answers."""

import pytest
from planned import PlanOf, identify, millis, page, track, wootric_id

from wootric_map import EndUserUpsert, PlanOptions
from wootric_map.deliver.addressing import Change
from wootric_map.deliver.decisions import (
    Begun,
    Hear,
    Inspect,
    LookUp,
    Met,
    Recall,
    Recollect,
    Turn,
    course,
)
from wootric_map.deliver.fingerprints import Delivered, Fingerprints, Known, Remembered
from wootric_map.errors import CallFailedError
from wootric_map.model import EndUser, Existing, Failure
from wootric_map.plan.steps import Write
from wootric_map.plan.trait_history import Order, Statement, Statements

HELD = EndUser(7, "a@b.co", "1", None, None, {"plan": "free"})
BROKEN = CallFailedError("server_error", "Wootric failed with 500", 500, None)


def test_a_write_is_looked_up_first_and_changes_only_what_differs(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro"))
    way = course(
        made.user, made.plan.steps(made.user), None, is_shared=made.plan.is_shared, asks=True
    )
    asked = way.send(None)
    assert asked == LookUp(made.upsert, True)
    turn = way.send(HELD)
    assert isinstance(turn, Turn)
    assert turn.fate == Change("update", EndUserUpsert(properties={"plan": "pro"}))


def test_where_nobody_is_to_be_asked_nobody_is(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co"), track(), page("2"))
    for user in made.plan:
        way = course(user, made.plan.steps(user), None, is_shared=made.plan.is_shared, asks=False)
        asked = way.send(None)
        while isinstance(asked, Turn):
            try:
                asked = way.send(None)
            except StopIteration:
                break
        assert not isinstance(asked, LookUp)


def test_a_look_up_that_fails_costs_the_write_and_what_follows_it(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co"), track())
    way = course(
        made.user, made.plan.steps(made.user), None, is_shared=made.plan.is_shared, asks=True
    )
    way.send(None)
    turn = way.throw(BROKEN)
    assert isinstance(turn, Turn)
    assert turn.fate == BROKEN.failure
    after = way.send(None)
    assert isinstance(after, Turn)
    assert isinstance(after.fate, Failure)
    assert after.fate.code == "end_user_failed"


def test_an_event_whose_look_up_failed_leaves_the_next_one_its_own(plan_of: PlanOf) -> None:
    made = plan_of(page(minute=1), page(minute=2))
    way = course(
        made.user, made.plan.steps(made.user), None, is_shared=made.plan.is_shared, asks=True
    )
    assert isinstance(way.send(None), LookUp)
    turn = way.throw(BROKEN)
    assert isinstance(turn, Turn)
    assert turn.fate == BROKEN.failure
    assert isinstance(way.send(None), LookUp)
    turn = way.send(HELD)
    assert isinstance(turn, Turn)
    assert getattr(turn.fate, "email", None) == "a@b.co"


def test_a_refused_write_keeps_its_events_back(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co"), track())
    way = course(
        made.user, made.plan.steps(made.user), None, is_shared=made.plan.is_shared, asks=False
    )
    way.send(None)
    turn = way.send(Failure("refused", "Wootric refused it", 422, None))
    assert isinstance(turn, Turn)
    assert isinstance(turn.fate, Failure)


def test_a_dry_run_goes_on_past_a_look_up_that_fails(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", email="a@b.co"), identify("2", email="c@d.co"))

    def find(wanted: EndUserUpsert) -> EndUser | None:
        if wanted.external_id == "1":
            raise BROKEN
        return None

    for workers in (1, 4):
        assert made.results(None, find, workers) == ["server_error", "create"]


# What earlier runs know was said later.


def remembered(**times: int) -> Remembered:
    fingerprints = Fingerprints(bytes(32))
    says = {
        fingerprints.field(name): Statement(Order(millis(time), True, "m"), True)
        for name, time in times.items()
    }
    return Remembered(Statements(says), fingerprints)


def test_what_a_later_identify_said_otherwise_is_not_written(plan_of: PlanOf) -> None:
    made = plan_of(identify(minute=1, email="a@b.co", plan="pro", city="Rome"))
    way = course(
        made.user,
        made.plan.steps(made.user),
        None,
        is_shared=made.plan.is_shared,
        asks=True,
        heeds=True,
    )
    assert isinstance(way.send(None), LookUp)
    assert way.send(HELD) == Hear(7)
    turn = way.send(remembered(**{"traits.plan": 2}))
    assert isinstance(turn, Turn)
    assert turn.fate == Change("update", EndUserUpsert(properties={"city": "Rome"}))
    assert isinstance(turn.step, Write)
    assert turn.step.whole == made.upsert
    assert turn.step.key == made.writes()[0].key


def test_a_write_of_which_nothing_is_left_is_unchanged(plan_of: PlanOf) -> None:
    made = plan_of(identify(minute=1, plan="pro"))
    way = course(
        made.user,
        made.plan.steps(made.user),
        None,
        is_shared=made.plan.is_shared,
        asks=True,
        heeds=True,
    )
    way.send(None)
    way.send(HELD)
    turn = way.send(remembered(external_id=2, **{"traits.plan": 2}))
    assert isinstance(turn, Turn)
    assert turn.fate == Change("unchanged", None)


def test_whom_nobody_knows_the_journal_may_remember(plan_of: PlanOf) -> None:
    made = plan_of(identify(None, 1, email="a@b.co", plan="pro"))
    for asks in (True, False):
        way = course(
            made.user,
            made.plan.steps(made.user),
            None,
            is_shared=made.plan.is_shared,
            asks=asks,
            heeds=True,
        )
        assert isinstance(way.send(None), LookUp)
        assert way.send(None) == Recollect((made.upsert,), (), alone=not asks)
        known = Known(7, {}, Fingerprints(bytes(32)))
        assert way.send(known) == Hear(7)
        turn = way.send(None)
        assert isinstance(turn, Turn)
        assert turn.held is known
        assert turn.fate == Change("update", made.upsert)


def test_an_id_of_wootrics_own_is_heard_of_though_nobody_is_asked(plan_of: PlanOf) -> None:
    made = plan_of(identify(minute=1, plan="pro", context=wootric_id("7")))
    way = course(
        made.user,
        made.plan.steps(made.user),
        None,
        is_shared=made.plan.is_shared,
        asks=False,
        heeds=True,
    )
    assert isinstance(way.send(None), LookUp)
    assert isinstance(way.send(None), Recollect)
    assert way.send(None) == Hear(7)


def test_unfolded_an_identify_heeds_those_before_it_whose_say_is_the_stronger(
    plan_of: PlanOf,
) -> None:
    records = [
        identify("x@y.zz", 1, email="a@b.co", created=1_420_099_200),
        identify("x@y.zz", 2, createdAt=5_000_000, plan="pro"),
    ]
    made = plan_of(*records, options=PlanOptions(fold=False))
    way = course(
        made.user, made.plan.steps(made.user), None, is_shared=made.plan.is_shared, asks=False
    )
    assert isinstance(way.send(None), Turn)
    turn = way.send(HELD)
    assert isinstance(turn, Turn)
    assert turn.fate == Change(
        "update", EndUserUpsert(external_id="x@y.zz", properties={"plan": "pro"})
    )


# Who is there already, and is to stay as they are.


def test_of_whom_an_earlier_run_left_a_fill_asks_the_account_before_it_writes(
    plan_of: PlanOf,
) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro", city="Rome"))
    way = course(
        made.user,
        made.plan.steps(made.user),
        None,
        is_shared=made.plan.is_shared,
        asks=True,
        existing="fill",
    )
    assert isinstance(way.send(None), LookUp)
    known = Known(7, {}, Fingerprints(bytes(32)))
    asked = way.send(known)
    assert asked == Inspect(known)
    assert isinstance(asked, Inspect)
    assert asked.wanted == EndUserUpsert(wootric_id="7")
    turn = way.send(HELD)
    assert isinstance(turn, Turn)
    assert turn.fate == Change("update", EndUserUpsert(properties={"city": "Rome"}))
    assert isinstance(turn.step, Write)
    assert turn.step.withheld == EndUserUpsert(properties={"plan": "pro"})
    assert turn.step.kept == EndUserUpsert(properties={"plan": "free"})
    assert turn.step.key != made.writes()[0].key


def test_where_nobody_can_look_nothing_is_filled(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro"))
    way = course(
        made.user,
        made.plan.steps(made.user),
        None,
        is_shared=made.plan.is_shared,
        asks=True,
        existing="fill",
    )
    way.send(None)
    known = Known(7, {}, Fingerprints(bytes(32)))
    way.send(known)
    turn = way.send(known)
    assert isinstance(turn, Turn)
    assert turn.fate == Change("left", None)


def test_whom_an_earlier_run_left_is_there_and_kept_without_a_look(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro"))
    way = course(
        made.user,
        made.plan.steps(made.user),
        None,
        is_shared=made.plan.is_shared,
        asks=True,
        existing="keep",
    )
    way.send(None)
    turn = way.send(Known(7, {}, Fingerprints(bytes(32))))
    assert isinstance(turn, Turn)
    assert turn.fate == Change("left", None)


@pytest.mark.parametrize("existing", ["fill", "keep"])
def test_who_turned_out_to_be_there_is_not_the_runs_own(
    plan_of: PlanOf, existing: Existing
) -> None:
    made = plan_of(
        identify(minute=1, email="a@b.co", plan="pro"),
        identify(minute=2, email="a@b.co", plan="max"),
        options=PlanOptions(fold=False),
    )
    for answer, fate in (
        (HELD, Change("update", EndUserUpsert(properties={"plan": "max"}))),
        (Met(HELD, HELD), Change("left", None)),
    ):
        way = course(
            made.user,
            made.plan.steps(made.user),
            None,
            is_shared=made.plan.is_shared,
            asks=True,
            existing=existing,
        )
        way.send(None)
        turn = way.send(None)
        assert isinstance(turn, Turn)
        assert turn.action == "create"
        turn = way.send(answer)
        assert isinstance(turn, Turn)
        assert turn.fate == fate


@pytest.mark.parametrize("existing", ["fill", "keep"])
def test_what_an_earlier_run_left_is_known_by_a_key_of_its_own(
    plan_of: PlanOf, existing: Existing
) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro"))
    (write,) = made.writes()
    for answers, expected in (
        ((Delivered(1),), [Recall(write.key, None, None), Begun(write.key_where("begun"))]),
        ((None,), [Recall(write.key, None, None), Recall(write.key_where(existing), None, None)]),
    ):
        way = course(
            made.user,
            made.plan.steps(made.user),
            None,
            is_shared=made.plan.is_shared,
            asks=True,
            recalls=True,
            existing=existing,
        )
        assert [way.send(None), *(way.send(each) for each in answers)] == expected
        turn = way.send(None if answers[0] else Delivered(1))
        assert isinstance(turn, Turn)
        assert turn.fate == Change("unchanged" if answers[0] else "left", None)
