"""What an end user's steps become: a write, a call, or a skip."""

from collections.abc import Callable
from typing import Any

import pytest
from planned import Fields, Planned, PlanOf, identify, page, track, wootric_id

from wootric_map import EligibilityCheck, EndUserUpsert, PageView, PlanOptions, Skip
from wootric_map.deliver.verdicts import (
    Change,
    change,
    enrich,
    needs_look_up,
    unidentified,
    unregistered,
)
from wootric_map.model import EndUser

HELD = EndUser(7, "held@b.co", "1", "+15550001", 1_420_099_200, {"language": "de"})
BOTH = pytest.mark.parametrize("event", [track, page])

Make = Callable[..., dict[str, Any]]


def calls(made: Planned, held: EndUser | None = None) -> list[EligibilityCheck | PageView | Skip]:
    """What each track and page record would send, in the order of sending."""
    return [
        enrich(step, user, held)
        for user in made.plan
        for step in made.plan.steps(user)
        if step in made.events()
    ]


def addressed(
    plan_of: PlanOf, *records: Fields, held: EndUser | None = None
) -> EligibilityCheck | PageView:
    (call,) = calls(plan_of(*records), held)
    assert not isinstance(call, Skip), call.reason
    return call


# What an event carries from its user


@BOTH
def test_an_event_carries_the_email_its_user_had_at_its_time(plan_of: PlanOf, event: Make) -> None:
    call = addressed(
        plan_of,
        identify(minute=8, email="late@b.co"),
        identify(minute=1, email="early@b.co"),
        identify(minute=4, email="mid@b.co"),
        identify(minute=5, plan="pro"),
        event(minute=7),
    )
    assert call.email == "mid@b.co"


@BOTH
def test_an_identify_of_the_same_instant_counts(plan_of: PlanOf, event: Make) -> None:
    records = (
        identify(minute=1, email="old@b.co"),
        event(minute=4),
        identify(minute=4, email="a@b.co"),
    )
    assert addressed(plan_of, *records).email == "a@b.co"


@BOTH
def test_an_event_before_its_user_had_an_email_carries_the_earliest(
    plan_of: PlanOf, event: Make
) -> None:
    call = addressed(
        plan_of,
        event(minute=2),
        identify(minute=1, plan="free"),
        identify(minute=9, email="later@b.co"),
        identify(minute=5, email="first@b.co"),
    )
    assert call.email == "first@b.co"


def test_what_an_event_says_itself_stands(plan_of: PlanOf) -> None:
    call = addressed(
        plan_of,
        identify(
            minute=1, email="a@b.co", createdAt=1_400_000_000, language="en", phone="+15550001"
        ),
        track(
            minute=2,
            properties={"language": "fr"},
            context={
                "traits": {"email": "own@b.co", "createdAt": 1_500_000_000, "phone": "+15550002"}
            },
        ),
        held=HELD,
    )
    assert call == EligibilityCheck(
        event_name="Signed Up",
        email="own@b.co",
        external_id="1",
        phone_number="+15550002",
        end_user_created_at=1_500_000_000,
        language="fr",
        properties={"language": "fr"},
    )


def test_a_track_carries_what_is_known_of_its_user(plan_of: PlanOf) -> None:
    call = addressed(
        plan_of,
        identify(
            minute=1, email="a@b.co", createdAt=1_420_099_200, language="en", phone="+15550001"
        ),
        track(minute=2),
    )
    assert call == EligibilityCheck(
        event_name="Signed Up",
        email="a@b.co",
        external_id="1",
        phone_number="+15550001",
        end_user_created_at=1_420_099_200,
        language="en",
    )


def test_a_page_carries_its_users_email_and_creation_date(plan_of: PlanOf) -> None:
    call = addressed(
        plan_of, identify(minute=1, email="a@b.co", createdAt=1_420_099_200), page(minute=2)
    )
    assert isinstance(call, PageView)
    assert (call.email, call.created_at, call.path) == ("a@b.co", 1_420_099_200, "/home")


@pytest.mark.parametrize("minute", [None, 1, 9])
def test_of_user_ids_that_share_one_end_user_a_track_carries_the_latest(
    plan_of: PlanOf, minute: int | None
) -> None:
    call = addressed(
        plan_of,
        identify("old", 2, email="a@b.co"),
        identify("new", 5, email="a@b.co"),
        track("old", minute),
    )
    assert isinstance(call, EligibilityCheck)
    assert call.external_id == "new"


@BOTH
def test_a_user_created_at_the_epoch_has_no_creation_date_in_the_export(
    plan_of: PlanOf, event: Make
) -> None:
    call = addressed(
        plan_of, identify(minute=1, email="a@b.co", createdAt=0), event(minute=2), held=HELD
    )
    created = call.end_user_created_at if isinstance(call, EligibilityCheck) else call.created_at
    assert created == HELD.external_created_at


@BOTH
def test_an_event_of_somebody_else_carries_nothing_of_this_user(
    plan_of: PlanOf, event: Make
) -> None:
    (call,) = calls(plan_of(identify("1", email="a@b.co"), event("2")))
    assert isinstance(call, Skip)


def test_what_the_account_has_serves_where_the_export_is_silent(plan_of: PlanOf) -> None:
    assert addressed(plan_of, track(minute=1), held=HELD) == EligibilityCheck(
        event_name="Signed Up",
        email="held@b.co",
        external_id="1",
        phone_number="+15550001",
        end_user_created_at=1_420_099_200,
        language="de",
    )
    view = addressed(plan_of, page(minute=1), held=HELD)
    assert isinstance(view, PageView)
    assert (view.email, view.created_at) == ("held@b.co", 1_420_099_200)


@BOTH
def test_what_the_export_says_stands_before_what_the_account_has(
    plan_of: PlanOf, event: Make
) -> None:
    call = addressed(
        plan_of,
        identify(minute=1, email="a@b.co", createdAt=1_400_005_000),
        event(minute=2),
        held=HELD,
    )
    created = call.end_user_created_at if isinstance(call, EligibilityCheck) else call.created_at
    assert (call.email, created) == ("a@b.co", 1_400_005_000)


def test_an_event_about_somebody_else_carries_nothing_of_its_user(plan_of: PlanOf) -> None:
    """Somebody who invites a friend is not that friend."""
    records = (
        identify(
            "1", 1, email="host@b.co", createdAt=1_400_005_000, language="en", phone="+15550001"
        ),
        track("1", 2, properties={"email": "guest@b.co"}),
        page("1", 3, properties={"email": "guest@b.co", "path": "/a"}),
    )
    check, view = calls(plan_of(*records), HELD)
    assert check == EligibilityCheck(event_name="Signed Up", email="guest@b.co")
    assert isinstance(view, PageView)
    assert (view.email, view.created_at) == ("guest@b.co", None)


@pytest.mark.parametrize("own", ["host@b.co", " HOST@b.co"])
def test_an_event_whose_email_is_its_users_carries_all_that_is_known(
    plan_of: PlanOf, own: str
) -> None:
    call = addressed(
        plan_of,
        identify("1", 1, email="host@b.co", createdAt=1_400_005_000),
        track("1", 2, properties={"email": own}),
    )
    assert isinstance(call, EligibilityCheck)
    assert (call.email, call.external_id, call.end_user_created_at) == (
        own.strip(),
        "1",
        1_400_005_000,
    )


@BOTH
def test_a_user_id_that_looks_like_an_email_stands_in_only_where_the_export_has_none(
    plan_of: PlanOf, event: Make
) -> None:
    assert addressed(plan_of, event("old@b.co"), held=HELD).email == "old@b.co"
    call = addressed(
        plan_of, identify("old@b.co", 1, email="a@b.co"), event("old@b.co", 2), held=HELD
    )
    assert call.email == "a@b.co"


# Whoever can't be found


def reasons(made: Planned) -> list[str | None]:
    results = [each.outcome.result for each in made.rehearsed()]
    assert all(each is None or each.code == "unidentified" for each in results)
    return [each.reason if isinstance(each, Skip) else None for each in results]


def in_context(**traits: Any) -> dict[str, Any]:
    return {"context": {"traits": traits}}


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([identify(None, plan="pro")], ["anonymous"]),
        ([track(None)], ["anonymous"]),
        ([page(None)], ["anonymous"]),
        ([identify("1", plan="pro"), track("1", 2), page("1", 3)], ["unknown_user"] * 3),
        ([track("1")], ["unknown_user"]),
        ([track(None, context=wootric_id("77"))], ["unknown_user"]),
        ([identify("1", phone="+15550001"), track("1", 2), page("1", 3)], [None, None, "no_email"]),
        ([track(None, **in_context(phone="+15550001"))], [None]),
        ([page(None, **in_context(phone="+15550001"))], ["no_email"]),
        ([track("1", 1), page("1", 2), identify("1", 9, email="a@b.co")], [None, None, None]),
    ],
)
def test_a_record_of_nobody_known_is_unidentified_for_a_reason(
    plan_of: PlanOf, records: list[Fields], expected: list[str | None]
) -> None:
    assert reasons(plan_of(*records)) == expected


@pytest.mark.parametrize("make", [identify, track, page])
def test_what_only_names_a_shared_phone_is_unidentified(plan_of: PlanOf, make: Make) -> None:
    phone = {"phone": "+15550001"} if make is identify else in_context(phone="+15550001")
    made = plan_of(
        identify("1", 1, email="a@b.co", phone="+15550001"),
        identify("2", 2, email="c@d.co", phone="+15550001"),
        make(None, 3, **phone),
    )
    assert reasons(made) == [None, None, "shared_phone"]
    skip = made.rehearsed()[-1].outcome.result
    assert isinstance(skip, Skip)
    assert skip.type == make(None)["type"]


@pytest.mark.parametrize("make", [identify, track, page])
def test_what_only_names_a_shared_device_is_unidentified(plan_of: PlanOf, make: Make) -> None:
    made = plan_of(
        identify("1", 1, email="a@b.co"),
        identify("2", 2, email="c@d.co"),
        make(None, 3),
        options=PlanOptions(link_anonymous=True),
    )
    assert reasons(made) == [None, None, "shared_anonymous_id"]


@BOTH
def test_whoever_has_a_shared_phone_is_not_settled_by_the_account(
    plan_of: PlanOf, event: Make
) -> None:
    made = plan_of(
        identify("1", 1, phone="+15550001"),
        identify("2", 2, phone="+15550001"),
        event(None, 3, **in_context(phone="+15550001")),
    )
    (call,) = calls(made, None)
    assert isinstance(call, Skip)
    assert call.reason == "shared_phone"


def test_an_unidentified_record_names_its_type(plan_of: PlanOf) -> None:
    skip = unidentified("page", plan_of(page("1")).user)
    assert (skip.code, skip.type, skip.field) == ("unidentified", "page", "userId")


# Writes


def test_an_end_user_whom_wootric_does_not_hold_is_created(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co", plan="pro"))
    (write,) = made.writes()
    assert change(made.user, write, None) == Change("create", write.upsert)


def test_an_end_user_whom_wootric_holds_is_changed_where_they_differ(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="Held@b.co", plan="pro", phone="+15550001"))
    (write,) = made.writes()
    assert change(made.user, write, HELD) == Change(
        "update", EndUserUpsert(properties={"plan": "pro"})
    )
    same = plan_of(identify(email="Held@b.co", phone="+15550001"))
    (write,) = same.writes()
    assert change(same.user, write, HELD) == Change("unchanged", None)


def test_whoever_has_no_email_or_phone_is_changed_but_not_created(plan_of: PlanOf) -> None:
    made = plan_of(identify(plan="pro"))
    (write,) = made.writes()
    skip = change(made.user, write, None)
    assert isinstance(skip, Skip)
    assert skip.reason == "unknown_user"
    assert change(made.user, write, HELD) == Change(
        "update", EndUserUpsert(properties={"plan": "pro"})
    )


def test_wootrics_own_id_is_believed_only_where_nobody_was_asked(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", context=wootric_id("77"), plan="pro"))
    (write,) = made.writes()
    assert isinstance(change(made.user, write, None), Skip)
    assert change(made.user, write, None, asked=False) == Change("create", write.upsert)
    named = plan_of(identify("1", context=wootric_id("77"), email="a@b.co"))
    (write,) = named.writes()
    assert change(named.user, write, None) == Change("create", EndUserUpsert("a@b.co", "1"))


def test_nothing_is_written_of_whom_only_wootrics_own_id_is_said(plan_of: PlanOf) -> None:
    made = plan_of(identify(None, context=wootric_id("77")))
    (write,) = made.writes()
    assert change(made.user, write, None, asked=False) == Change("unchanged", None)


def test_nobody_is_written_by_a_shared_phone_whoever_the_account_holds(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, phone="+15550001"),
        identify("2", 2, phone="+15550001"),
        identify(None, 3, phone="+15550001"),
    )
    user, write = made.users[2], made.writes()[2]
    skip = change(user, write, HELD)
    assert isinstance(skip, Skip)
    assert skip.reason == "shared_phone"


# Look-ups for events


@BOTH
@pytest.mark.parametrize(
    ("record", "known", "needed"),
    [
        ({"user_id": "1"}, {}, True),
        ({"user_id": "1"}, {"plan": "pro"}, True),
        ({"user_id": "1"}, {"phone": "+15550001"}, True),
        ({"user_id": None, "context": wootric_id("77")}, {}, True),
        ({"user_id": "1"}, {"email": "a@b.co"}, False),
        ({"user_id": "1", **in_context(email="a@b.co")}, {}, False),
    ],
)
def test_an_events_user_has_to_be_looked_up_where_the_export_has_no_email(
    plan_of: PlanOf, event: Make, record: dict[str, Any], known: dict[str, Any], needed: bool
) -> None:
    made = plan_of(event(**record), *([identify("1", **known)] if known else []))
    (step,) = made.events()
    assert needs_look_up(step, made.user) is needed


def test_a_write_always_takes_a_look_up(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", email="a@b.co"))
    (write,) = made.writes()
    assert needs_look_up(write, made.user)


# Registered events


def test_a_track_is_sent_only_if_its_event_is_registered_to_the_letter() -> None:
    check = EligibilityCheck(event_name="Signed Up")
    assert unregistered(check, frozenset({"Signed Up"})) is None
    for registered in (frozenset({"signed up", "Signed Up "}), frozenset[str]()):
        skip = unregistered(check, registered)
        assert skip is not None
        assert skip.code == "event_not_registered"
    assert unregistered(check, None) is None, "not known, they all count"


def test_a_page_view_needs_no_registered_event() -> None:
    assert unregistered(PageView("r", "a@b.co"), frozenset()) is None
