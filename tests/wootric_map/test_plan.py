"""From records to a plan: end users folded, repeats dropped, events given what is known of their user."""

import io
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wootric_map import EligibilityCheck, EndUserUpsert, PageView, ReadingOptions, Skip, discover
from wootric_map.plan import (
    EndUser,
    EndUserPlan,
    Event,
    Folded,
    Plan,
    address,
    difference,
    rehearse,
)
from wootric_map.planning import plan_entries
from wootric_map.report import Report
from wootric_map.spool import Spool

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Planned:
    """A closed plan and what its intake was counted as."""

    plan: Plan
    report: Report

    @property
    def users(self) -> list[EndUserPlan]:
        return list(self.plan)

    @property
    def user(self) -> EndUserPlan:
        (user,) = self.plan
        return user

    @property
    def folded(self) -> Folded:
        folded = self.user.folded
        assert folded is not None
        return folded

    @property
    def upsert(self) -> EndUserUpsert:
        return self.folded.upsert

    def events(self) -> list[Event]:
        return [event for user in self.plan for event in self.plan.events(user)]

    def calls(self) -> list[EligibilityCheck | PageView | Skip]:
        """What each track and page record would send, in the order of sending."""
        return [
            address(event, user.folded) for user in self.plan for event in self.plan.events(user)
        ]


PlanOf = Callable[..., Planned]


@contextmanager
def planned(folder: Path, *files: Iterable[Fields | bytes]) -> Iterator[Planned]:
    """Write the files, and plan what is in them."""
    paths = []
    for number, records in enumerate(files):
        path = folder / f"{number}.ndjson"
        lines = (each if isinstance(each, bytes) else orjson.dumps(each) for each in records)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        paths.append(str(path))
    report = Report()
    with Spool() as spool:
        plan = plan_entries(discover(paths), ReadingOptions(), spool, report, stdin=io.BytesIO())
        yield Planned(plan, report)


@pytest.fixture
def plan_of(tmp_path: Path) -> Iterator[PlanOf]:
    """Plans the records of one file; or, given lists of records, of several files."""
    with ExitStack() as stack:

        def make(*records: Fields | bytes | list[Fields]) -> Planned:
            files: list[Any] = list(records) if isinstance(records[0], list) else [records]
            return stack.enter_context(planned(tmp_path, *files))

        yield make


def at(minute: int) -> str:
    return f"2024-03-01T10:{minute:02}:00.000Z"


def millis(minute: int) -> int:
    return 1_709_287_200_000 + minute * 60_000


def identify(user_id: str | None = "1", minute: int | None = None, **fields: Any) -> dict[str, Any]:
    traits = {name: value for name, value in fields.items() if name not in _ENVELOPE}
    rest = {name: value for name, value in fields.items() if name in _ENVELOPE}
    return _record("identify", user_id, minute, traits=traits, **rest)


def track(user_id: str | None = "1", minute: int | None = None, **fields: Any) -> dict[str, Any]:
    return _record("track", user_id, minute, **{"event": "Signed Up"} | fields)


def page(user_id: str | None = "1", minute: int | None = None, **fields: Any) -> dict[str, Any]:
    return _record("page", user_id, minute, **{"properties": {"path": "/home"}} | fields)


_ENVELOPE = ("messageId", "context", "anonymousId", "integrations")


def _record(kind: str, user_id: str | None, minute: int | None, **fields: Any) -> dict[str, Any]:
    record = {"type": kind, "anonymousId": "a"} | fields
    if user_id is not None:
        record["userId"] = user_id
    if minute is not None:
        record["timestamp"] = at(minute)
    return record


# Folding


def test_identifies_of_one_user_are_one_end_user(plan_of: PlanOf) -> None:
    made = plan_of(identify(email="a@b.co"), identify(plan="pro"), identify(city="Rome"))
    assert made.upsert.email == "a@b.co"
    assert made.upsert.external_id == "1"
    assert made.upsert.properties == {"plan": "pro", "city": "Rome"}
    assert len(made.user.refs) == 3


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_later_trait_wins_over_an_earlier_one_whatever_the_order_of_lines(
    plan_of: PlanOf, order: tuple[int, ...]
) -> None:
    records = [
        identify(minute=1, email="old@b.co", plan="free", city="Rome", phone="+1"),
        identify(minute=2, email="new@b.co", plan="pro", createdAt=1_420_099_200),
        identify(minute=3, plan="team", createdAt=1_500_000_000),
    ]
    upsert = plan_of(*(records[each] for each in order)).upsert
    assert upsert.email == "new@b.co"
    assert upsert.phone_number == "+1"
    assert upsert.external_created_at == 1_500_000_000
    assert upsert.properties == {"plan": "team", "city": "Rome"}


def test_a_later_record_in_an_earlier_file_wins(plan_of: PlanOf) -> None:
    made = plan_of([identify(minute=9, plan="new")], [identify(minute=1, plan="old")])
    assert made.upsert.properties["plan"] == "new"


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_email_does_not_wipe_the_one_before(plan_of: PlanOf, nothing: str | None) -> None:
    made = plan_of(identify(minute=1, email="a@b.co"), identify(minute=2, email=nothing))
    assert made.upsert.email == "a@b.co"


def test_a_null_trait_does_not_wipe_the_value_before(plan_of: PlanOf) -> None:
    made = plan_of(identify(minute=1, plan="pro"), identify(minute=2, plan=None))
    assert made.upsert.properties == {"plan": "pro"}


def test_every_field_knows_the_record_its_value_came_from(plan_of: PlanOf) -> None:
    folded = plan_of(
        identify(minute=2, plan="pro", Email="new@b.co"),
        identify(minute=1, plan="free", seats=True),
    ).folded
    assert folded.origins["email"] == ("traits.Email", "new@b.co")
    assert folded.origins["properties.plan"] == ("traits.plan", "pro")
    assert folded.origins["properties.seats"] == ("traits.seats", True)
    assert folded.origins["external_id"] == ("userId", "1")


def test_milliseconds_order_records_of_one_second(plan_of: PlanOf) -> None:
    late = identify(plan="late") | {"timestamp": "2024-03-01T10:00:00.002Z"}
    early = identify(plan="early") | {"timestamp": "2024-03-01T10:00:00.001Z"}
    assert plan_of(late, early).upsert.properties["plan"] == "late"


def test_an_email_is_trimmed_before_it_is_sent(plan_of: PlanOf) -> None:
    assert plan_of(identify(email="  a@b.co ")).upsert.email == "a@b.co"


def test_refs_lead_back_to_the_lines_in_time_order(plan_of: PlanOf) -> None:
    user = plan_of(identify(minute=3), identify(minute=1), identify(minute=2)).user
    assert [ref.line for ref in user.refs] == [2, 3, 1]


# Who is who


@pytest.mark.parametrize("second", ["a@b.co", "A@B.co", " a@b.co "])
def test_two_user_ids_with_one_email_are_one_end_user(plan_of: PlanOf, second: str) -> None:
    made = plan_of(identify("1", 1, email="a@b.co"), identify("2", 2, email=second))
    assert made.upsert.external_id == "2", "the later one"
    assert [warning.code for warning in made.folded.warnings] == ["shared_email"]


def test_user_ids_are_tied_by_an_email_that_only_comes_later(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, plan="pro"),
        identify("2", 2, email="a@b.co"),
        track("1", 3),
        identify("1", 4, email="a@b.co"),
    )
    assert len(made.user.refs) == 3
    assert len(made.events()) == 1


def test_two_user_ids_with_two_emails_are_two_end_users(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", email="a@b.co"), identify("2", email="c@d.co"))
    assert [each.folded and each.folded.upsert.email for each in made.users] == ["a@b.co", "c@d.co"]


def test_a_shared_phone_makes_nobody_one_end_user(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", phone="+1"), identify("2", phone="+1"))
    assert len(made.users) == 2


def test_wootrics_own_id_ties_records_of_one_end_user(plan_of: PlanOf) -> None:
    context = {"externalId": [{"type": "wootricEndUserId", "id": "77"}]}
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


def test_end_users_come_in_the_order_they_were_first_met(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("3", 5, email="c@b.co"),
        identify("1", 9, email="a@b.co"),
        identify("2", 7, email="b@b.co"),
        track("1", 1),
    )
    met = [each.folded.upsert.external_id for each in made.users if each.folded]
    assert met == ["1", "3", "2"]


# Repeats


@pytest.mark.parametrize("make", [identify, track, page])
def test_a_message_id_that_was_taken_already_is_skipped_as_duplicate(
    plan_of: PlanOf, make: Callable[..., dict[str, Any]]
) -> None:
    record = make(messageId="m-1", context={"traits": {"email": "a@b.co"}})
    made = plan_of([record], [record, record])
    assert made.report.skipped.counts == {"duplicate": 2}
    assert len(made.events()) + sum(len(user.refs) for user in made.users) == 1


def test_a_repeat_is_known_by_its_message_id_alone(plan_of: PlanOf) -> None:
    made = plan_of(
        identify(messageId="m-1", email="a@b.co"),
        track(messageId="m-1"),
        identify("2", messageId="m-1", email="c@d.co"),
    )
    assert made.report.skipped.counts == {"duplicate": 2}
    assert made.upsert.email == "a@b.co"
    assert not made.events()


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
    actions = [outcome.action for _, _, outcome, _ in rehearse(made.plan)]
    assert actions == ["create", "eligibility_check", "page_view"]


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


def test_page_views_are_told_apart_and_each_keeps_its_mark_in_the_next_run(
    plan_of: PlanOf,
) -> None:
    """The mark keeps a cache from answering in Wootric's place."""
    record = page(context={"traits": {"email": "a@b.co"}})
    records = [record, record, record | {"messageId": "m-1"}]
    first, again = (
        [call.random for call in plan_of(*records).calls() if isinstance(call, PageView)]
        for _ in range(2)
    )
    assert first == again
    assert len(set(first)) == 3


# What an event carries from its user


def addressed(plan_of: PlanOf, *records: Fields) -> EligibilityCheck | PageView:
    (call,) = plan_of(*records).calls()
    assert not isinstance(call, Skip)
    return call


@pytest.mark.parametrize("event", [track, page])
def test_an_event_carries_the_email_its_user_had_at_its_time(
    plan_of: PlanOf, event: Callable[..., dict[str, Any]]
) -> None:
    call = addressed(
        plan_of,
        identify(minute=8, email="late@b.co"),
        identify(minute=1, email="early@b.co"),
        identify(minute=4, email="mid@b.co"),
        identify(minute=5, plan="pro"),
        event(minute=7),
    )
    assert call.email == "mid@b.co"


@pytest.mark.parametrize("event", [track, page])
def test_an_identify_of_the_same_instant_counts(
    plan_of: PlanOf, event: Callable[..., dict[str, Any]]
) -> None:
    records = (
        identify(minute=1, email="old@b.co"),
        event(minute=4),
        identify(minute=4, email="a@b.co"),
    )
    assert addressed(plan_of, *records).email == "a@b.co"


@pytest.mark.parametrize("event", [track, page])
def test_an_event_before_its_user_had_an_email_carries_the_earliest(
    plan_of: PlanOf, event: Callable[..., dict[str, Any]]
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
        identify(minute=1, email="a@b.co", createdAt=1_400_000_000, language="en", phone="+1"),
        track(
            minute=2,
            properties={"language": "fr"},
            context={"traits": {"email": "own@b.co", "createdAt": 1_500_000_000, "phone": "+2"}},
        ),
    )
    assert call == EligibilityCheck(
        event_name="Signed Up",
        email="own@b.co",
        external_id="1",
        phone_number="+2",
        end_user_created_at=1_500_000_000,
        language="fr",
        properties={"language": "fr"},
    )


def test_a_track_carries_its_users_email_creation_date_and_language(plan_of: PlanOf) -> None:
    call = addressed(
        plan_of,
        identify(minute=1, email="a@b.co", createdAt=1_420_099_200, language="en"),
        track(minute=2),
    )
    assert isinstance(call, EligibilityCheck)
    assert call.email == "a@b.co"
    assert call.end_user_created_at == 1_420_099_200
    assert call.language == "en"


def test_a_page_carries_its_users_email_and_creation_date(plan_of: PlanOf) -> None:
    call = addressed(
        plan_of, identify(minute=1, email="a@b.co", createdAt=1_420_099_200), page(minute=2)
    )
    assert isinstance(call, PageView)
    assert (call.email, call.created_at) == ("a@b.co", 1_420_099_200)


@pytest.mark.parametrize("event", [track, page])
def test_a_user_created_at_the_epoch_has_a_creation_date_all_the_same(
    plan_of: PlanOf, event: Callable[..., dict[str, Any]]
) -> None:
    call = addressed(plan_of, identify(minute=1, email="a@b.co", createdAt=0), event(minute=2))
    created = call.end_user_created_at if isinstance(call, EligibilityCheck) else call.created_at
    assert created == 0


def test_what_was_said_once_is_still_known_later(plan_of: PlanOf) -> None:
    """As in the browser, where the settings outlive the call."""
    call = addressed(
        plan_of,
        identify(minute=1, email="a@b.co", createdAt=1_420_099_200, language="en"),
        identify(minute=2, plan="pro"),
        track(minute=3),
    )
    assert isinstance(call, EligibilityCheck)
    assert (call.email, call.end_user_created_at, call.language) == (
        "a@b.co",
        1_420_099_200,
        "en",
    )


def test_an_event_of_somebody_else_carries_nothing_of_this_user(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", email="a@b.co"), track("2"))
    (call,) = made.calls()
    assert isinstance(call, Skip)


def test_what_the_account_has_serves_where_the_export_is_silent(plan_of: PlanOf) -> None:
    (event,) = plan_of(track(minute=1)).events()
    held = EndUser(7, "held@b.co", "1", "+1", 1_420_099_200, {"language": "de"})
    assert address(event, None, held) == EligibilityCheck(
        event_name="Signed Up",
        email="held@b.co",
        external_id="1",
        phone_number="+1",
        end_user_created_at=1_420_099_200,
        language="de",
    )


def test_what_the_export_says_stands_before_what_the_account_has(plan_of: PlanOf) -> None:
    made = plan_of(identify(minute=1, email="a@b.co", createdAt=5_000), page(minute=2))
    held = EndUser(7, "held@b.co", "1", None, 1_420_099_200, {})
    (event,) = made.events()
    call = address(event, made.folded, held)
    assert isinstance(call, PageView)
    assert (call.email, call.created_at) == ("a@b.co", 5_000)


# Unidentified


def unidentified(made: Planned) -> list[str]:
    results = [outcome.result for _, _, outcome, _ in rehearse(made.plan)]
    assert all(each is None or each.code == "unidentified" for each in results)
    return [each.type for each in results if isinstance(each, Skip)]


def test_a_record_that_names_nobody_is_unidentified_at_once(plan_of: PlanOf) -> None:
    made = plan_of(identify(None, plan="pro"), track(None), page(None))
    assert made.report.skipped.counts == {"unidentified": 3}
    assert not made.users


def test_records_of_a_user_nobody_knows_are_unidentified(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", plan="pro"), track("1"), page("1"))
    assert sorted(unidentified(made)) == ["identify", "page", "track"]


def test_one_email_anywhere_identifies_all_records_of_its_user(plan_of: PlanOf) -> None:
    made = plan_of(track("1", 1), page("1", 2), identify("1", 3), identify("1", 9, email="a@b.co"))
    assert unidentified(made) == []


def test_a_phone_identifies_an_end_user_and_a_track_but_no_page_view(plan_of: PlanOf) -> None:
    """The pixel knows a user by email alone."""
    made = plan_of(identify("1", 1, phone="+1"), track("1", 2), page("1", 3))
    assert unidentified(made) == ["page"]


def test_a_rehearsal_counts_only_registered_events_where_they_are_known(plan_of: PlanOf) -> None:
    made = plan_of(
        identify("1", 1, email="a@b.co"), track("1", 2), track("1", 3, event="signed up")
    )
    results = [
        outcome.result.code if outcome.result else outcome.action
        for _, _, outcome, _ in rehearse(made.plan, frozenset({"Signed Up"}))
    ]
    assert results == ["create", "eligibility_check", "event_not_registered"]


def test_an_empty_list_of_registered_events_registers_none(plan_of: PlanOf) -> None:
    made = plan_of(identify("1", 1, email="a@b.co"), track("1", 2))
    codes = [
        outcome.result.code
        for _, _, outcome, _ in rehearse(made.plan, frozenset())
        if outcome.result
    ]
    assert codes == ["event_not_registered"]


# The difference to what Wootric holds

HELD = EndUser(7, "a@b.co", "1", "+1", 1_420_099_200, {"plan": "pro", "seats_amount": "5"})
SAME = EndUserUpsert("a@b.co", "1", "+1", 1_420_099_200, {"plan": "pro", "seats_amount": 5})


def test_an_end_user_held_as_wanted_has_no_difference() -> None:
    assert difference(SAME, HELD) is None


@pytest.mark.parametrize(
    "changed",
    [
        EndUserUpsert(email="new@b.co"),
        EndUserUpsert(external_id="2"),
        EndUserUpsert(phone_number="+2"),
        EndUserUpsert(external_created_at=1_420_099_201),
        EndUserUpsert(properties={"plan": "free"}),
        EndUserUpsert(properties={"seats_amount": 6}),
        EndUserUpsert(properties={"city": "Rome"}),
    ],
)
def test_only_the_field_that_differs_is_sent(changed: EndUserUpsert) -> None:
    wanted = replace(
        SAME,
        **{
            name: getattr(changed, name)
            for name in ("email", "external_id", "phone_number", "external_created_at")
            if getattr(changed, name) is not None
        },
        properties={**SAME.properties, **changed.properties},
    )
    assert difference(wanted, HELD) == changed


def test_a_number_equals_its_text() -> None:
    assert difference(EndUserUpsert(properties={"seats_amount": 5}), HELD) is None
    held = replace(HELD, properties={"year": "2015", "zip": "01234"})
    assert difference(EndUserUpsert(properties={"year": 2015, "zip": "01234"}), held) is None
    assert difference(EndUserUpsert(properties={"zip": 1234}), held) is not None


@pytest.mark.parametrize("held", ["A@B.CO", " a@b.co ", "\ta@B.co\n"])
def test_an_email_is_compared_trimmed_and_without_case(held: str) -> None:
    assert difference(SAME, replace(HELD, email=held)) is None
    assert difference(replace(SAME, email=held), HELD) is None


def test_stored_properties_that_the_export_lacks_are_left_alone() -> None:
    held = replace(HELD, properties={**HELD.properties, "score": "9", "notes": "by hand"})
    assert difference(SAME, held) is None
    changed = difference(replace(SAME, properties={"plan": "free"}), held)
    assert changed == EndUserUpsert(properties={"plan": "free"})


def test_fields_that_the_export_lacks_are_left_alone() -> None:
    assert difference(EndUserUpsert(email="a@b.co"), HELD) is None


def test_fields_that_the_account_lacks_are_sent() -> None:
    held = EndUser(7, "a@b.co", None, None, None, {})
    assert difference(SAME, held) == replace(SAME, email=None)


def test_an_end_user_that_the_account_has_without_email_gets_it() -> None:
    assert difference(SAME, replace(HELD, email=None)) == EndUserUpsert(email="a@b.co")


_properties = st.dictionaries(
    st.sampled_from("abcd"), st.text("xy1", max_size=2) | st.integers(0, 3), max_size=4
)
_upserts = st.builds(
    EndUserUpsert,
    email=st.sampled_from([None, "a@b.co", "c@d.co"]),
    external_id=st.sampled_from([None, "1", "2"]),
    phone_number=st.sampled_from([None, "+1"]),
    external_created_at=st.sampled_from([None, 0, 1]),
    properties=_properties,
)


@given(before=_upserts, wanted=_upserts)
def test_sending_the_difference_leaves_no_difference(
    before: EndUserUpsert, wanted: EndUserUpsert
) -> None:
    held = _merged(EndUser(7, None, None, None, None, {}), before)
    changes = difference(wanted, held)
    after = held if changes is None else _merged(held, changes)
    assert difference(wanted, after) is None
    assert set(held.properties) <= set(after.properties)


def _merged(held: EndUser, sent: EndUserUpsert) -> EndUser:
    """What Wootric holds once a call was taken: what was sent over what was there (wootric.md 3)."""
    return EndUser(
        held.id,
        held.email if sent.email is None else sent.email,
        held.external_id if sent.external_id is None else sent.external_id,
        held.phone_number if sent.phone_number is None else sent.phone_number,
        held.external_created_at if sent.external_created_at is None else sent.external_created_at,
        {**held.properties, **{name: str(value) for name, value in sent.properties.items()}},
    )


# Order does not matter

_EMAILS = st.sampled_from(["a@b.co", "A@b.co", "c@d.co", "e@f.co"])
_USERS = st.sampled_from(["1", "2", "3", "4", "x@y.zz"])
_TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "email": _EMAILS,
        "phone": st.sampled_from(["+1", "+2"]),
        "plan": st.sampled_from(["free", "pro"]),
        "createdAt": st.sampled_from([1_400_000_000, "2018-08-03"]),
        "language": st.sampled_from(["en", "de"]),
        "address": st.fixed_dictionaries({"city": st.sampled_from(["Rome", "Oslo"])}),
    },
)
_EVENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["track", "page"]),
        "event": st.sampled_from(["Signed Up", "Left"]),
        "properties": st.fixed_dictionaries({}, optional={"email": _EMAILS, "path": st.just("/a")}),
        "context": st.fixed_dictionaries({}, optional={"traits": _TRAITS}),
    }
)
_RECORDS = st.tuples(
    st.fixed_dictionaries({"type": st.just("identify"), "traits": _TRAITS}) | _EVENTS,
    st.fixed_dictionaries({"anonymousId": st.just("a")}, optional={"userId": _USERS}),
    st.integers(0, 5),
).map(lambda parts: {**parts[0], **parts[1], "timestamp": at(parts[2])})


def _whole(folder: Path, records: Sequence[Fields]) -> object:
    """All that a plan decides, without the places of its records."""
    with planned(folder, records) as made:
        users = [
            (
                user.person,
                user.folded,
                [address(each, user.folded) for each in made.plan.events(user)],
            )
            for user in made.plan
        ]
        outcomes = [
            (user.person, outcome.action, outcome.result, len(outcome.refs))
            for user, _, outcome, _ in rehearse(made.plan)
        ]
        return users, outcomes, made.report.skipped.counts


@settings(deadline=None)
@given(records=st.lists(_RECORDS, max_size=15), data=st.data())
def test_the_order_of_lines_does_not_matter_where_all_have_a_message_id_and_a_time(
    records: list[dict[str, Any]], data: st.DataObject
) -> None:
    sent = [each | {"messageId": f"m-{number}"} for number, each in enumerate(records)]
    shuffled = data.draw(st.permutations(sent))
    with tempfile.TemporaryDirectory() as folder:
        assert _whole(Path(folder), shuffled) == _whole(Path(folder), sent)


@settings(deadline=None)
@given(records=st.lists(_RECORDS, max_size=12), again=st.lists(st.integers(0, 11), max_size=6))
def test_a_repeated_delivery_changes_nothing_but_the_count_of_duplicates(
    records: list[dict[str, Any]], again: list[int]
) -> None:
    sent = [each | {"messageId": f"m-{number}"} for number, each in enumerate(records)]
    repeats = [sent[number] for number in again if number < len(sent)]
    with tempfile.TemporaryDirectory() as folder:
        users, outcomes, skipped = _parts(_whole(Path(folder), sent))
        users_again, outcomes_again, skipped_again = _parts(_whole(Path(folder), sent + repeats))
    assert (users_again, outcomes_again) == (users, outcomes)
    assert sum(skipped_again.values()) == sum(skipped.values()) + len(repeats)


def _parts(whole: object) -> tuple[object, object, Mapping[str, int]]:
    assert isinstance(whole, tuple)
    users, outcomes, skipped = whole
    return users, outcomes, skipped


@settings(deadline=None)
@given(records=st.lists(_RECORDS, max_size=15))
def test_nothing_is_dropped_unseen(records: list[dict[str, Any]]) -> None:
    """Every record is in the plan once, or skipped."""
    with tempfile.TemporaryDirectory() as folder, planned(Path(folder), records) as made:
        lines = [ref.line for user in made.plan for ref in user.refs]
        lines += [event.ref.line for event in made.events()]
        assert len(lines) == len(set(lines))
        assert len(lines) + made.report.skipped.counts.total() == len(records)
        for _, _, outcome, _ in rehearse(made.plan):
            made.report.deliver(outcome)
        assert made.report.mapped >= 0
