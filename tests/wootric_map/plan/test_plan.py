"""From records to a plan: who is who, repeats dropped, what is not chosen left out, all in its turn."""

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import RECORDS
from planned import (
    Fields,
    Planned,
    PlanOf,
    alias,
    identify,
    millis,
    page,
    planned,
    track,
    wootric_id,
)

from wootric_map import Choice, EligibilityCheck, EndUserUpsert, PageView, PlanOptions, Skip
from wootric_map.deliver.verdicts import enrich
from wootric_map.mapping.record_keys import event_key
from wootric_map.model import EndUser
from wootric_map.plan.plan_file import PlanFile
from wootric_map.plan.plan_writer import PlanWriter
from wootric_map.plan.steps import TurnOff, Write

UNFOLDED = PlanOptions(fold=False)
LINKED = PlanOptions(link_anonymous=True)


def chosen(**choice: Any) -> PlanOptions:
    return PlanOptions(choice=Choice(**choice))


def external_ids(made: Planned) -> list[str | None]:
    return [user.folded.upsert.external_id if user.folded else None for user in made.users]


def warnings(made: Planned) -> list[str]:
    return [placed.warning.code for write in made.writes() for placed in write.warnings]


def lines(made: Planned) -> list[int]:
    """Of all steps in their order."""
    return [
        ref.line
        for user in made.plan
        for step in made.plan.steps(user)
        for ref in (step.refs if isinstance(step, Write) else (step.ref,))
    ]


# Who is who


@pytest.mark.parametrize("second", ["a@b.co", "A@B.co", " a@b.co "])
def test_two_user_ids_with_one_email_are_one_end_user(plan_of: PlanOf, second: str) -> None:
    made = plan_of(identify("1", 1, email="a@b.co"), identify("2", 2, email=second))
    assert made.upsert.external_id == "2", "the later one"
    assert warnings(made) == ["shared_email"]


def test_user_ids_are_tied_by_an_email_that_only_comes_later(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, plan="pro"),
        identify("2", 2, email="a@b.co"),
        track("1", 3),
        identify("1", 4, email="a@b.co"),
    )
    assert [len(write.refs) for write in made.writes()] == [3]
    assert len(made.events()) == 1


def test_two_user_ids_with_two_emails_are_two_end_users(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", email="a@b.co"), identify("2", email="c@d.co"))
    assert [each.folded and each.folded.upsert.email for each in made.users] == ["a@b.co", "c@d.co"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (identify("1", phone="+15550001"), identify("2", phone="+15550001")),
        (
            identify(None, email="a@b.co", phone="+15550001"),
            identify(None, email="c@d.co", phone="+15550001"),
        ),
        (identify("1", phone="+15550001"), track("2", context={"traits": {"phone": "+15550001"}})),
    ],
)
def test_a_shared_phone_makes_nobody_one_end_user(
    plan_of: PlanOf, one: Fields, other: Fields
) -> None:
    assert len(plan_of(one, other).users) == 2


def test_a_phone_ties_records_where_nothing_contradicts(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, phone="+15550001"),
        identify(None, 2, phone="+15550001", email="a@b.co"),
        track(None, 3, context={"traits": {"phone": "+15550001"}}),
    )
    assert (made.upsert.external_id, made.upsert.email) == ("1", "a@b.co")
    assert len(made.events()) == 1


def test_a_phone_of_several_end_users_names_nobody(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, phone="+15550001"),
        identify("2", 2, phone="+15550001"),
        identify(None, 3, phone="+15550001", plan="pro"),
    )
    assert [user.is_ambiguous for user in made.users] == [False, False, True]
    assert [user.is_written for user in made.users] == [True, True, True]
    assert [len(list(user.identifiers())) for user in made.users] == [1, 1, 0]


def test_wootrics_own_id_ties_records_of_one_end_user(plan_of: PlanOf) -> None:
    context = wootric_id("77")
    made = plan_of(identify("1", context=context), identify("2", email="a@b.co", context=context))
    assert made.upsert.wootric_id == "77"


def test_an_email_in_an_events_properties_ties_nobody(plan_of: PlanOf) -> None:
    """Somebody who invites a friend is not that friend."""
    made = plan_of(
        identify("1", 1, email="host@b.co"),
        track("1", 2, event="Invited", properties={"email": "guest@b.co"}),
        identify("2", 3, email="guest@b.co"),
    )
    upserts = [each.folded.upsert for each in made.users if each.folded]
    assert [(each.external_id, each.email) for each in upserts] == [
        ("1", "host@b.co"),
        ("2", "guest@b.co"),
    ]


def test_an_email_in_an_events_properties_names_whoever_has_no_other_id(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, email="a@b.co"), page(None, 2, properties={"email": "A@b.co", "path": "/"})
    )
    assert len(made.users) == 1
    assert len(made.events()) == 1


def test_an_event_of_nobody_known_is_its_emails_if_the_export_identifies_that(
    plan_of: PlanOf,
) -> None:
    """A kit that sends a user id nobody was ever identified by, and the email beside it."""
    made = plan_of(
        identify("1", 1, email="a@b.co"),
        track("other", 2, properties={"email": "a@b.co"}),
        track("other", 3, properties={"email": "c@d.co"}),
    )
    assert [len(list(made.plan.steps(user))) for user in made.users] == [2, 1]
    calls = [event.call for event in made.events()]
    assert [call.external_id for call in calls if isinstance(call, EligibilityCheck)] == [
        "other",
        "other",
    ]


def test_whoever_is_named_by_no_more_than_an_events_email_is_one_end_user(plan_of: PlanOf) -> None:
    made = plan_of(
        page(None, 1, anonymousId="a", properties={"email": "a@b.co"}),
        track(None, 2, anonymousId="b", properties={"email": "A@b.co"}),
    )
    assert len(made.users) == 1
    assert len(made.events()) == 2


def test_an_end_user_is_looked_up_as_they_are_known_last_then_by_whatever_else(
    plan_of: PlanOf,
) -> None:
    made = plan_of(
        identify("1", 1, email="a@b.co", context=wootric_id("77")),
        identify("1", 2, email="c@d.co"),
        identify("2", 3, email="c@d.co", phone="+15550001"),
    )
    assert list(made.user.identifiers()) == [
        replace(made.upsert, wootric_id="77"),
        EndUserUpsert(external_id="1"),
        EndUserUpsert(email="a@b.co"),
    ]
    assert made.upsert == EndUserUpsert("c@d.co", "2", "+15550001", wootric_id="77")


def test_whoever_has_very_many_ids_is_looked_up_by_a_few(plan_of: PlanOf) -> None:
    made = plan_of(*(identify(f"u{n}", n % 60, email="a@b.co") for n in range(300)))
    assert len(list(made.user.identifiers())) == 6


def test_without_an_identify_an_end_user_is_looked_up_by_what_their_events_name(
    plan_of: PlanOf,
) -> None:
    made = plan_of(track("1", 1, context=wootric_id("77")), page("1", 2))
    assert list(made.user.identifiers()) == [
        EndUserUpsert(wootric_id="77"),
        EndUserUpsert(external_id="1"),
    ]
    assert not made.user.is_written
    assert list(plan_of(page(None)).user.identifiers()) == []


def test_a_user_id_of_blanks_names_nobody_but_tells_visitors_apart(plan_of: PlanOf) -> None:
    made = plan_of(
        track(" ", 1, anonymousId=None), track("  ", 2, anonymousId=None), identify("1", 3)
    )
    assert len(made.users) == 3
    assert [list(user.identifiers()) for user in made.users][:2] == [[], []]


def test_an_alias_ties_two_user_ids_and_then_no_one_wonders_at_them(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", 1, email="a@b.co"), identify("2", 2), alias("1", "2"))
    assert (made.upsert.email, made.upsert.external_id) == ("a@b.co", "2")
    assert warnings(made) == []
    assert made.report.skipped.counts == {"unsupported_type": 1}


def test_an_alias_of_some_user_ids_leaves_the_others_to_be_warned_of(plan_of: PlanOf) -> None:
    made = plan_of(
        *(identify(f"u{n}", n, email="a@b.co") for n in range(1, 4)),
        alias("2", "1"),
        alias("9", "3"),
    )
    assert warnings(made) == ["shared_email"]


def test_many_user_ids_of_one_email_are_not_all_named_in_the_warning(plan_of: PlanOf) -> None:
    made = plan_of(*(identify(f"u{n:02}", n, email="a@b.co") for n in range(12)))
    (write,) = made.writes()
    ((ref, warning),) = write.warnings
    assert "u00, u01, u02, u03 and 8 more" in warning.message
    assert ref.line == 12, "the last"


def test_an_anonymous_id_ties_nobody_unless_asked(plan_of: PlanOf) -> None:
    records = (identify("1", 1, email="a@b.co"), page(None, 2))
    assert len(plan_of(*records).users) == 2
    assert len(plan_of(*records, options=LINKED).users) == 1


def test_an_anonymous_id_of_several_users_ties_none_of_them(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, email="a@b.co"),
        identify("2", 2, email="c@d.co"),
        page(None, 3),
        page(None, 4, anonymousId="b"),
        options=LINKED,
    )
    assert len(made.users) == 4
    assert made.plan.ambiguous_anonymous_ids == made.report.ambiguous_anonymous_ids == 1


def test_whoever_has_an_ambiguous_device_is_not_ambiguous_themselves(plan_of: PlanOf) -> None:
    made = plan_of(
        alias("a", "1"),
        identify("1", 1, email="a@b.co", anonymousId="z"),
        identify("2", 2, email="c@d.co", anonymousId="a"),
        page(None, 3, anonymousId="a"),
        options=LINKED,
    )
    assert made.plan.ambiguous_anonymous_ids == 1
    assert [user.is_ambiguous for user in made.users] == [False, False]
    assert made.results() == ["create", "page_view", "create"]


def test_an_identify_without_email_is_told_one_by_its_users_events(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, plan="pro"),
        track("1", 2, context={"traits": {"email": " a@b.co", "plan": "free"}}),
        page("1", 3, context={"traits": {"email": "late@b.co"}}),
    )
    assert made.upsert == EndUserUpsert("late@b.co", "1", properties={"plan": "pro"})
    (write,) = made.writes()
    assert [ref.line for ref in write.refs] == [1]


def test_an_email_in_an_events_properties_is_not_taken_for_its_users(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, phone="+15550001"), track("1", 2, properties={"email": "guest@b.co"})
    )
    assert made.upsert == EndUserUpsert(None, "1", "+15550001")


def test_an_email_in_an_identify_stands_before_those_of_events(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, email="a@b.co"), track("1", 2, context={"traits": {"email": "c@d.co"}})
    )
    assert made.upsert.email == "a@b.co"


def test_very_long_ids_tie_as_others_do(plan_of: PlanOf) -> None:
    long = "x" * 10_000
    made = plan_of(identify(long, 1, email="a@b.co"), track(long, 2), track(long + "y", 3))
    assert [len(list(made.plan.steps(user))) for user in made.users] == [2, 1]


def test_a_snapshot_may_know_that_two_ids_are_one_end_users(plan_of: PlanOf) -> None:
    records = (
        identify("1", 1, plan="pro"),
        identify(None, 2, email="A@b.co", city="Rome"),
        identify("2", 3, email="c@d.co"),
    )

    def snapshot(wanted: EndUserUpsert) -> EndUser | None:
        known = wanted.external_id == "1" or wanted.email == "a@b.co"
        return EndUser(7, "a@b.co", "1", None, None, {}) if known else None

    assert len(plan_of(*records).users) == 3
    made = plan_of(*records, snapshot=snapshot)
    assert [write.upsert for write in made.writes()] == [
        EndUserUpsert("A@b.co", "1", properties={"plan": "pro", "city": "Rome"}),
        EndUserUpsert("c@d.co", "2"),
    ]


def test_end_users_come_in_the_order_they_were_first_met(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("3", 5, email="c@b.co"),
        identify("1", 9, email="a@b.co"),
        identify("2", 7, email="b@b.co"),
        track("1", 1),
    )
    assert external_ids(made) == ["1", "3", "2"]
    assert [user.person.number for user in made.users] == [1, 2, 3]


# Repeats


@pytest.mark.parametrize("make", [identify, track, page])
def test_a_message_id_that_was_taken_already_is_skipped_as_duplicate(
    plan_of: PlanOf, make: Callable[..., dict[str, Any]]
) -> None:
    record = make(messageId="m-1", context={"traits": {"email": "a@b.co"}})
    made = plan_of([record], [record, record])
    assert made.report.skipped.counts == {"duplicate": 2}
    assert len(lines(made)) == 1


def test_the_same_message_id_on_anything_else_is_another_message(plan_of: PlanOf) -> None:
    """segment.md 2: a repeat has the same messageId, type, userId, anonymousId and event or page name."""
    first = track("1", 2, messageId="m-1")
    made = plan_of(
        first,
        first | {"timestamp": "2024-03-01T10:09:00Z", "properties": {"other": "words"}},
        first | {"event": "Left"},
        first | {"anonymousId": "b"},
        first | {"userId": "2"},
        page("1", 2, messageId="m-1"),
        page("1", 2, messageId="m-1", name="Home"),
        identify("2", 3, messageId="m-1", email="c@d.co"),
        identify("1", 1, messageId="m-1", email="a@b.co"),
    )
    assert made.report.skipped.counts == {"duplicate": 1}
    assert made.report.warnings.counts == {"message_id_reused": 1}
    assert sorted(write.upsert.email or "" for write in made.writes()) == ["a@b.co", "c@d.co"]
    assert len({event.key for event in made.events()}) == 6


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_of_a_repeated_message_the_earliest_is_taken_whatever_the_order_of_lines(
    plan_of: PlanOf, order: tuple[int, ...]
) -> None:
    records = [
        identify("1", minute, messageId="m-1", email="a@b.co", plan=f"p{minute}")
        for minute in (1, 2, 3)
    ]
    made = plan_of(*(records[each] for each in order))
    assert made.upsert.properties == {"plan": "p1"}
    places = made.report.skipped.places["duplicate"]
    assert [place.line for place in places] == [
        number for number, each in enumerate(order, 1) if each
    ]


@pytest.mark.parametrize("order", [("121", "202"), ("202", "121")])
def test_of_a_message_repeated_at_one_time_the_same_is_taken_whatever_the_order_of_lines(
    plan_of: PlanOf, order: tuple[str, ...]
) -> None:
    """These two have one sum of their digits, and one sum of its sums."""
    records = [identify("1", 1, messageId="m-1", email="a@b.co", plan=each) for each in order]
    assert plan_of(*records).upsert.properties == {"plan": "202"}


def test_a_repeat_that_is_not_chosen_is_left_out_for_that(plan_of: PlanOf) -> None:
    made = plan_of(
        track("1", 1, messageId="m-1"),
        track("1", 5, messageId="m-1"),
        identify("1", 2, messageId="m-2"),
        identify("1", 3, messageId="m-2"),
        identify("1", 6, messageId="m-2"),
        options=chosen(since=millis(4)),
    )
    assert made.report.skipped.counts == {"filtered_out": 3, "duplicate": 2}
    assert lines(made) == []


def test_a_number_and_its_text_are_one_message_id(plan_of: PlanOf) -> None:
    made = plan_of(track(messageId=7), track(messageId="7"))
    assert made.report.skipped.counts == {"duplicate": 1}


@pytest.mark.parametrize("message_id", [None, ""])
def test_records_without_a_message_id_are_no_repeats_of_each_other(
    plan_of: PlanOf, message_id: str | None
) -> None:
    made = plan_of(track(messageId=message_id), track(messageId=message_id))
    assert not made.report.skipped.counts
    assert len(made.events()) == 2


def test_a_record_that_is_skipped_or_rejected_takes_no_message_id(plan_of: PlanOf) -> None:
    made = plan_of(
        track(messageId="m-1", integrations={"Wootric": False}),
        track(messageId="m-1", event=""),
        track(messageId="m-1"),
    )
    assert made.report.skipped.counts == {"integration_disabled": 1}
    assert made.report.rejected.counts == {"missing_event": 1}
    assert len(made.events()) == 1


# Events in their turn


def test_events_come_in_time_order_whatever_the_order_of_lines(plan_of: PlanOf) -> None:
    made = plan_of(
        track(minute=3, event="Third"),
        page(minute=2),
        identify(minute=9, email="a@b.co"),
        track(minute=1, event="First"),
    )
    assert [event.time for event in made.events()] == [millis(1), millis(2), millis(3)]
    assert [event.label for event in made.events()] == ["First", "/home", "Third"]


def test_the_end_user_is_written_before_their_events_are_sent(plan_of: PlanOf) -> None:
    made = plan_of(track("1", 1), page("1", 2), identify("1", 9, email="a@b.co"))
    assert made.results() == ["create", "eligibility_check", "page_view"]


def test_one_end_users_many_events_keep_their_order(plan_of: PlanOf) -> None:
    """More than are fetched at once, many of them at one time and some without any."""
    records: list[Fields] = [
        track(minute=number // 100, event=f"E{number:04}", messageId=f"m-{number:04}")
        for number in range(2500)
    ]
    records += [track(event=f"N{number:04}", messageId=f"n-{number:04}") for number in range(700)]
    random.Random(5).shuffle(records)
    events = plan_of(*records).events()
    assert sorted(event.label for event in events) == sorted(each["event"] for each in records)
    times = [event.time for event in events if event.time is not None]
    assert times == sorted(times)
    assert [event.time for event in events[:700]] == [None] * 700


def randoms(made: Planned) -> list[str]:
    calls = (event.call for event in made.events())
    return [call.random for call in calls if isinstance(call, PageView)]


def test_page_views_are_told_apart_and_each_keeps_its_mark_wherever_it_stands(
    plan_of: PlanOf,
) -> None:
    """The mark keeps a cache from answering in Wootric's place."""
    record = page(context={"traits": {"email": "a@b.co"}})
    records = [record, record, record, record | {"messageId": "m-1"}, page("2"), page(minute=1)]
    first = randoms(plan_of(*records))
    assert len(set(first)) == 6
    elsewhere = plan_of([page("3"), *reversed(records[3:])], [identify(), *records[:3]])
    assert set(first) < set(randoms(elsewhere))


def test_records_without_a_message_id_have_keys_of_their_own(plan_of: PlanOf) -> None:
    record = track(minute=1)
    made = plan_of(record, track(minute=1, event="Left"), record, record, track(messageId="m"))
    keys = [event.key for event in made.events()]
    assert len(set(keys)) == 5
    assert event_key("m", "track", "1", "a", "Signed Up") in keys
    assert [event.former_key for event in made.events()].count("m") == 1
    (base,) = {key.partition("#")[0] for key in keys if "#" in key}
    assert {f"{base}#1", f"{base}#2", base} < set(keys)


def test_unfolded_each_identify_is_written_in_its_turn(plan_of: PlanOf) -> None:
    made = plan_of(
        track("1", 2),
        identify("1", 3, plan="pro"),
        identify("1", 1, email="a@b.co", plan="free", city="Rome"),
        page("1", 4),
        options=UNFOLDED,
    )
    assert lines(made) == [3, 1, 2, 4]
    assert [write.upsert for write in made.writes()] == [
        EndUserUpsert("a@b.co", "1", properties={"plan": "free", "city": "Rome"}),
        EndUserUpsert("a@b.co", "1", properties={"plan": "pro"}),
    ]


def test_the_records_of_a_write_can_be_counted_and_looked_through_more_than_once(
    plan_of: PlanOf,
) -> None:
    made = plan_of(*(identify("1", n % 60, email="a@b.co", n=n) for n in range(150)), track("1", 3))
    (write,) = made.writes()
    assert len(write.refs) == 150
    assert sorted(ref.line for ref in write.refs) == list(range(1, 151))
    assert sorted([ref.line for ref in write.refs][:3]) == [1, 61, 121]
    (event,) = made.events()
    assert event.ref not in write.refs
    assert list(write.refs)[7] in write.refs


def test_the_amount_suffix_is_given_where_asked(plan_of: PlanOf) -> None:
    records = (identify("1", 1, email="a@b.co", seats=3), track("1", 2, properties={"n": 4}))
    for asked, names in ((False, {"seats", "n"}), (True, {"seats_amount", "n_amount"})):
        for fold in (True, False):
            made = plan_of(*records, options=PlanOptions(fold=fold, amount_suffix=asked))
            (write,), (event,) = made.writes(), made.events()
            assert isinstance(event.call, EligibilityCheck)
            assert {*write.upsert.properties, *event.call.properties} == names


def test_warnings_of_properties_stand_at_their_record(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", 1, email="a@b.co", seats=3), track("1", 2, properties={"n": 4}))
    placed = [each for write in made.writes() for each in write.warnings]
    placed += [each for event in made.events() for each in event.warnings]
    assert [(ref.line, warning.code, warning.field) for ref, warning in placed] == [
        (1, "integer_without_amount", "traits.seats"),
        (2, "integer_without_amount", "properties.n"),
    ]


@pytest.mark.parametrize(
    ("record", "label", "action"),
    [
        (track(), "Signed Up", "eligibility_check"),
        (page(), "/home", "page_view"),
        (page(properties={"url": "https://b.co/x"}, name="Home"), "https://b.co/x", "page_view"),
        (page(properties={}, name="Home"), "Home", "page_view"),
        (page(properties={"path": {"a": 1}}), "(no path)", "page_view"),
    ],
)
def test_an_event_is_listed_by_its_name_or_path(
    plan_of: PlanOf, record: Fields, label: str, action: str
) -> None:
    (event,) = plan_of(record).events()
    assert (event.label, event.action, event.type) == (label, action, record["type"])


# What is chosen


def test_what_is_not_chosen_still_serves_to_know_who_is_who(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, email="a@b.co", plan="pro", language="de", createdAt=1_400_005_000),
        track("1", 5),
        options=chosen(since=millis(3)),
    )
    assert made.writes() == []
    (event,) = made.events()
    call = enrich(event, made.user)
    assert not isinstance(call, Skip | PageView)
    assert (call.email, call.language, call.end_user_created_at) == ("a@b.co", "de", 1_400_005_000)
    assert made.report.skipped.counts == {"filtered_out": 1}


def test_a_write_takes_its_email_and_user_id_from_identifies_that_are_not_chosen(
    plan_of: PlanOf,
) -> None:
    made = plan_of(
        identify("1", 1, email="a@b.co", plan="pro", phone="+15550001"),
        identify(None, 5, email="a@b.co", city="Rome"),
        options=chosen(since=millis(3)),
    )
    (write,) = made.writes()
    assert write.upsert == EndUserUpsert("a@b.co", "1", properties={"city": "Rome"})
    assert [ref.line for ref in write.refs] == [2]


@pytest.mark.parametrize("fold", [True, False])
def test_users_are_chosen_by_any_id_of_theirs(plan_of: PlanOf, fold: bool) -> None:
    records = (
        identify("1", 1, email="A@b.co"),
        identify("one", 2, email="a@b.co"),
        track("one", 3),
        identify("2", 4, email="c@d.co"),
        page("2", 5),
    )
    for names in ({"1"}, {"one"}, {" a@B.co"}, {"1", "nobody"}):
        options = PlanOptions(fold=fold, choice=Choice(users=frozenset(names)))
        made = plan_of(*records, options=options)
        assert lines(made) == [1, 2, 3]
        assert made.report.skipped.counts == {"filtered_out": 2}
    everybody = plan_of(*records, options=chosen(users=frozenset({"1", "C@d.co"})))
    assert len(lines(everybody)) == 5
    assert lines(plan_of(*records, options=chosen(users=frozenset({"c@d"})))) == []


def test_a_limit_takes_the_first_in_time_order_repeats_not_counted(plan_of: PlanOf) -> None:
    made = plan_of(
        track("1", 5, messageId="e"),
        identify("1", 2, email="a@b.co", messageId="b"),
        identify("1", 3, email="a@b.co", messageId="b"),
        page("2", 1, messageId="a"),
        page("1", 4, messageId="d"),
        options=chosen(limit=3),
    )
    assert sorted(lines(made)) == [2, 4, 5]
    assert made.report.skipped.counts == {"filtered_out": 1, "duplicate": 1}


@pytest.mark.parametrize(("limit", "taken"), [(0, 0), (1, 1), (4, 4), (5, 4)])
def test_a_limit_counts_records(plan_of: PlanOf, limit: int, taken: int) -> None:
    made = plan_of(*(track("1", 1) for _ in range(4)), options=chosen(limit=limit))
    assert len(lines(made)) == taken
    assert made.report.skipped.counts.total() == 4 - taken


def test_a_limit_counts_only_what_is_otherwise_chosen(plan_of: PlanOf) -> None:
    made = plan_of(
        track("1", 1),
        track("2", 2),
        page("2", 3),
        page("2", 4),
        options=chosen(limit=1, users=frozenset({"2"}), types=frozenset({"page"})),
    )
    assert lines(made) == [3]


# Order does not matter

_OPTIONS = st.builds(
    PlanOptions,
    fold=st.booleans(),
    link_anonymous=st.booleans(),
    choice=st.builds(
        Choice,
        since=st.sampled_from([None, None, millis(2)]),
        types=st.sampled_from([frozenset(), frozenset(), frozenset({"identify", "page"})]),
        users=st.sampled_from([frozenset(), frozenset(), frozenset({"1", "c@d.co"})]),
        limit=st.sampled_from([None, None, 3]),
    ),
)


def _whole(folder: Path, options: PlanOptions, *files: Sequence[Fields]) -> object:
    """All that a plan decides, without the places of its records."""
    with planned(folder, *files, options=options) as made:
        steps = [
            (
                each.end_user.person.number,
                each.outcome.action,
                each.outcome.result,
                len(each.outcome.refs),
                each.call,
                each.held,
                each.look_ups,
                each.step.origins if isinstance(each.step, Write) else each.step.key,
                [
                    placed.warning
                    for placed in (() if isinstance(each.step, TurnOff) else each.step.warnings)
                ],
            )
            for each in made.rehearsed()
        ]
        return steps, made.report.skipped.counts, made.plan.ambiguous_anonymous_ids


@settings(deadline=None)
@given(records=st.lists(RECORDS, max_size=15), options=_OPTIONS, data=st.data())
def test_the_order_of_lines_and_files_does_not_matter(
    records: list[dict[str, Any]], options: PlanOptions, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(records))
    cut = data.draw(st.integers(0, len(records)))
    with tempfile.TemporaryDirectory() as folder:
        assert _whole(Path(folder), options, shuffled[:cut], shuffled[cut:]) == _whole(
            Path(folder), options, records
        )


@settings(deadline=None)
@given(
    records=st.lists(RECORDS, max_size=12),
    again=st.lists(st.integers(0, 11), max_size=6),
    options=_OPTIONS,
    data=st.data(),
)
def test_a_repeated_delivery_changes_nothing_but_the_count_of_duplicates(
    records: list[dict[str, Any]], again: list[int], options: PlanOptions, data: st.DataObject
) -> None:
    sent = [
        each | {"messageId": f"m-{number}"}
        for number, each in enumerate(records)
        if each["type"] != "alias"
    ]
    repeats = [sent[number] for number in again if number < len(sent)]
    with tempfile.TemporaryDirectory() as folder:
        steps, skipped, _ = _parts(_whole(Path(folder), options, sent))
        mixed = data.draw(st.permutations(sent + repeats))
        steps_again, skipped_again, _ = _parts(_whole(Path(folder), options, mixed))
    assert steps_again == steps
    assert sum(skipped_again.values()) == sum(skipped.values()) + len(repeats)


def _parts(whole: object) -> tuple[object, Mapping[str, int], object]:
    assert isinstance(whole, tuple)
    steps, skipped, ambiguous = whole
    return steps, skipped, ambiguous


@settings(deadline=None)
@given(records=st.lists(RECORDS, max_size=15), options=_OPTIONS)
def test_nothing_is_dropped_unseen(records: list[dict[str, Any]], options: PlanOptions) -> None:
    """Every record is in the plan once, or skipped."""
    with (
        tempfile.TemporaryDirectory() as folder,
        planned(Path(folder), records, options=options) as made,
    ):
        assert not made.report.rejected.counts
        found = lines(made)
        assert len(found) == len(set(found))
        assert len(found) + made.report.skipped.counts.total() == len(records)
        path = Path(folder, "plan")
        with PlanWriter(path, account=None, against="nothing") as saved:
            for each in made.rehearsed():
                made.report.deliver(each.outcome)
                saved.add(each)
            saved.finish()
        assert made.report.mapped >= 0
        with PlanFile(path) as read:
            assert read.counts.total() == made.report.api_calls
