"""The course of an end user, driven by hand: what is asked for, and what follows from the answers."""

from planned import PlanOf, identify, page, track

from wootric_map import EndUserUpsert
from wootric_map.addressing import Change
from wootric_map.calls import EndUser
from wootric_map.course import LookUp, Turn, course
from wootric_map.outcome import CallFailedError, Failure

HELD = EndUser(7, "a@b.co", "1", None, None, {"plan": "free"})
BROKEN = CallFailedError("server_error", "Wootric failed with 500", 500, None)


def test_a_write_is_looked_up_first_and_changes_only_what_differs(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro"))
    way = course(made.user, made.plan.steps(made.user), None, asks=True)
    asked = way.send(None)
    assert asked == LookUp(made.upsert, True)
    turn = way.send(HELD)
    assert isinstance(turn, Turn)
    assert turn.fate == Change("update", EndUserUpsert(properties={"plan": "pro"}))


def test_where_nobody_is_to_be_asked_nobody_is(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co"), track(), page("2"))
    for user in made.plan:
        way = course(user, made.plan.steps(user), None, asks=False)
        asked = way.send(None)
        while isinstance(asked, Turn):
            try:
                asked = way.send(None)
            except StopIteration:
                break
        assert not isinstance(asked, LookUp)


def test_a_look_up_that_fails_costs_the_write_and_what_follows_it(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co"), track())
    way = course(made.user, made.plan.steps(made.user), None, asks=True)
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
    way = course(made.user, made.plan.steps(made.user), None, asks=True)
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
    way = course(made.user, made.plan.steps(made.user), None, asks=False)
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
