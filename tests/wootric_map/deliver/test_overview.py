"""The short way of a dry run says what the long way says, of whatever export."""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import RECORDS
from made_up_traits import traits_of_one_shape
from planned import Planned, PlanOf, alias, identify, page, planned, track, wootric_id

from wootric_map import Choice, EndUserUpsert, PlanOptions
from wootric_map.deliver.overview import Overview, overview
from wootric_map.deliver.rehearse import Rehearsed, rehearse, rehearse_end_user
from wootric_map.deliver.ways import Account, StepCounter
from wootric_map.model import EligibilityCheck, PageView
from wootric_map.plan.change_shapes import QuickChange
from wootric_map.plan.engine import spool
from wootric_map.plan.steps import Event, Write
from wootric_map.report import Report
from wootric_map.unidentified import UnidentifiedRecords
from wootric_map.wootric.regions import services
from wootric_map.wootric.requests import request

ADA = {"email": "ada@b.co"}
OPTIONS = st.builds(
    PlanOptions,
    link_anonymous=st.booleans(),
    amount_suffix=st.booleans(),
    array_suffix=st.booleans(),
    choice=st.builds(
        Choice,
        types=st.sampled_from([frozenset(), frozenset({"identify", "page"})]),
        limit=st.sampled_from([None, None, 3]),
    ),
)


class Told:
    """What a dry run tells of a plan."""

    def __init__(self) -> None:
        self.report = Report(unidentified_records=UnidentifiedRecords())
        self.calls: Counter[tuple[str, str]] = Counter()
        self.shown: list[object] = []
        self.short = 0
        self.steps = StepCounter("update")

    def step(self, each: Rehearsed) -> None:
        self.steps.add(each)
        self.report.deliver(each.outcome)
        self.report.done["look_up"] += each.look_ups
        if each.call is not None:
            for ref, warning in each.warnings:
                self.report.warn(ref.source, ref.line, warning)
            if isinstance(each.step, Write):
                self.shown.append(shown(each))
                folded = each.end_user.folded
                self.report.done["in_csv"] += bool(folded and folded.upsert.email)
            elif isinstance(each.step, Event):
                self.calls[each.step.action, each.step.label] += 1


def shown(each: Rehearsed | QuickChange) -> object:
    """All that is shown of a write: what is sent, and where it came from."""
    if isinstance(each, QuickChange):
        return each.upsert, list(each.upsert.properties), each.origins, list(each.warnings)
    assert isinstance(each.call, EndUserUpsert)
    assert isinstance(each.step, Write)
    origins = each.step.origins
    sent = {"email", "external_id", "phone_number", "external_created_at"}
    names = sent | {f"properties.{name}" for name in each.call.properties}
    return (
        each.call,
        list(each.call.properties),
        {name: origins[name] for name in names & origins.keys() if _has(each.call, name)},
        [warning for _, warning in each.warnings],
    )


def _has(call: EndUserUpsert, name: str) -> bool:
    return name.startswith("properties.") or getattr(call, name) is not None


def the_long_way(made: Planned, registered: frozenset[str] | None = None) -> Told:
    told = Told()
    for each in rehearse(made.plan, registered):
        told.step(each)
    return told


def in_short(made: Planned, registered: frozenset[str] | None = None) -> Told:
    told = Told()
    for stretch in range(made.plan.spool.stretches):
        people = {each.number: each for each in made.plan.spool.people_of(stretch)}
        found = overview(made.plan, stretch, shown, registered=registered, keeps_unidentified=True)
        for part in found:
            if isinstance(part, Overview):
                told.report.add(part.report)
                look_ups = sum(each.look_ups(made.plan) for each in part.sought)
                told.report.done["look_up"] += look_ups
                told.steps.add_created(part.report.done + Counter(look_up=look_ups))
                told.calls.update(part.calls)
                told.shown += part.shown
                for event, count in part.unregistered.items():
                    told.report.unregistered.add(event, count)
                told.short += 1
            elif part in people:
                end_user = made.plan.end_user(people[part])
                for each in rehearse_end_user(made.plan, end_user, registered):
                    told.step(each)
    return told


def same(one: Told, other: Told) -> bool:
    assert one.shown == other.shown
    assert one.calls == other.calls
    assert +one.report.done == +other.report.done
    assert one.steps.ways(Account()) == other.steps.ways(Account())
    assert one.steps.end_users_in_csv == other.steps.end_users_in_csv
    assert one.report.unidentified == other.report.unidentified
    assert one.report.skipped == other.report.skipped
    assert one.report.unregistered == other.report.unregistered
    assert one.report.warnings == other.report.warnings
    assert unidentified(one) == unidentified(other)
    assert len(unidentified(one)) == one.report.unidentified.total()
    return True


def unidentified(told: Told) -> dict[int, object]:
    """The records that name nobody, by their numbers, each with its skip."""
    found = told.report.unidentified_records
    assert found is not None
    skips = found.skips()
    return {number: skips[mark] for number, mark in enumerate(found.marks()) if mark}


@given(records=st.lists(RECORDS, max_size=15), options=OPTIONS)
def test_it_says_what_a_rehearsal_says(records: list[dict[str, Any]], options: PlanOptions) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        planned(Path(folder), records, options=options) as made,
    ):
        assert same(in_short(made), the_long_way(made))


@given(
    records=st.lists(RECORDS, max_size=15),
    options=OPTIONS,
    registered=st.frozensets(st.sampled_from(["Signed Up", "Left"])),
)
def test_it_says_so_where_the_registered_events_are_known(
    records: list[dict[str, Any]], options: PlanOptions, registered: frozenset[str]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        planned(Path(folder), records, options=options) as made,
    ):
        assert same(in_short(made, registered), the_long_way(made, registered))


@given(records=st.lists(RECORDS, max_size=15), options=OPTIONS)
def test_it_says_so_of_any_stretch(records: list[dict[str, Any]], options: PlanOptions) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(spool, "_STRETCH_BYTES", 100)
        patch.setattr(spool, "_GIANT_BYTES", 300)
        with planned(Path(folder), records, options=options) as made:
            assert same(in_short(made), the_long_way(made))


_MORE = st.lists(
    st.sampled_from(
        [
            track("1", 3, properties={"seats": 3}),
            track("2", 4, properties={"note": "\u00e9" * 1500}),
            page("3", 5),
            track("4", 5, context={"traits": {"email": "4@f.co"}}),
            identify("3", 6, email="new@b.co"),
            identify("9", 7, email="1@b.co"),
            identify("8", 7, plan="x"),
            alias("old", "1"),
            alias("old too", "2"),
            alias("7", "2"),
            track("7", 1),
            alias("none", "8"),
            track("8", 2),
            alias("..", "3"),
            alias("6", "5"),
            track("5", 3),
        ]
    ),
    max_size=6,
)


@given(all_traits=traits_of_one_shape(), more=_MORE, options=OPTIONS, are_own=st.booleans())
def test_it_says_so_of_end_users_of_one_shape(
    all_traits: list[dict[str, Any]],
    more: list[dict[str, Any]],
    options: PlanOptions,
    are_own: bool,
) -> None:
    records = []
    for number, traits in enumerate(all_traits, 1):
        own = {"email": f"{number}@b.co"} if are_own else {}
        records.append(identify(str(number), number) | {"traits": traits | own})
    lines = [json.dumps(each).encode() for each in (*records, *more)]
    with (
        tempfile.TemporaryDirectory() as folder,
        planned(Path(folder), lines, options=options) as made,
    ):
        assert same(in_short(made), the_long_way(made))


def test_whoever_has_other_ids_by_an_alias_alone_is_told_in_short(plan_of: PlanOf) -> None:
    people = [identify(str(number), number, email=f"{number}@b.co") for number in range(1, 5)]
    aliases = [alias(f"visitor {number}", str(number)) for number in range(1, 5)]
    made = plan_of(*people, *aliases, track("visitor 3", 9), track("7", 9), alias("visitor 7", "7"))
    told = in_short(made)
    assert told.short == 1
    assert same(told, the_long_way(made))


@pytest.mark.parametrize("language", [7, True, "en"])
def test_a_call_is_lent_the_language_that_its_user_is_created_with(
    plan_of: PlanOf, language: object
) -> None:
    # What is no text is a property all the same, and what Wootric then holds is lent to the call.
    told = []
    for size in range(7_800, 8_100, 10):
        long = track("1", 2, properties={"note": "x" * size})
        made = plan_of(identify("1", 1, **ADA, language=language), long)
        assert same(in_short(made), the_long_way(made))
        told.append(bool(in_short(made).report.warnings.counts["call_too_long"]))
    assert told == sorted(told)
    assert set(told) == {False, True}


@pytest.mark.parametrize("size", [1000, 2500, 7000, 7500, 8100, 20_000])
@pytest.mark.parametrize("letter", ["x", "%", "\u00e9", "\U0001f600"])
@pytest.mark.parametrize("kind", ["track", "page"])
def test_a_call_whose_address_is_too_long_is_warned_of(
    plan_of: PlanOf, size: int, letter: str, kind: str
) -> None:
    long = letter * (size // len(quote_plus(letter)))
    event = track("1", 2, properties={"note": long}) if kind == "track" else page("1", 2)
    if kind == "page":
        event["properties"] = {"url": long}
    made = plan_of(identify("1", 1, **ADA), event, track("1", 3, properties={"note": "x"}))
    told = in_short(made)
    assert told.short == 1
    assert same(told, the_long_way(made))
    first, _ = (each for each in made.rehearsed() if isinstance(each.step, Event))
    assert isinstance(first.call, EligibilityCheck | PageView)
    address = request(first.call, services("NPS-EU-00000000"), "NPS-EU-00000000").url
    assert (len(address) > 8000) == (told.report.warnings.counts["call_too_long"] == 1)
    assert (len(address) > 8000) == (size > 8000) == bool(first.warnings)
    for _, warning in first.warnings:
        field = "properties.url" if kind == "page" else "properties.note"
        assert (warning.code, warning.field) == ("call_too_long", field)
        assert f"{len(address):,} bytes" in warning.message
        assert f"{field} is the longest" in warning.message


@pytest.mark.parametrize(
    ("own", "fields"),
    [
        ({"email": f"{'e' * 900}@b.co", "phone": "+442079460001"}, {"note": "y" * 7000}),
        ({"email": f"{'é' * 255}@b.co"}, {"note": "y" * 6500}),
        ({"language": "é" * 400}, {"note": "y" * 5700}),
        ({}, {"note": "y" * 7900}),
    ],
)
def test_what_a_call_is_lent_of_its_user_counts_too(
    plan_of: PlanOf, own: dict[str, Any], fields: dict[str, Any]
) -> None:
    user = identify("1", 1, **({"email": "a@b.co"} | own))
    made = plan_of(user, track("1", 2, properties=fields), track("1", 3, properties={"note": "x"}))
    told = in_short(made)
    assert same(told, the_long_way(made))
    assert told.report.warnings.counts["call_too_long"] == 1
    (found,) = [each for each in told.report.warnings if each.code == "call_too_long"]
    assert found.count == 1


def test_an_events_own_email_may_make_its_address_too_long(plan_of: PlanOf) -> None:
    traits = {"context": {"traits": {"email": f"{'e' * 8200}@b.co"}}}
    made = plan_of(track("1", 2, **traits), page("1", 3, **traits))
    told = in_short(made)
    assert same(told, the_long_way(made))
    assert told.report.warnings.counts["call_too_long"] == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "e" * 8000},
        {"userId": "u" * 8000},
        {"properties": {f"k{number}": 1.5 for number in range(400)}},
        {"properties": {f"k{number}": "" for number in range(400)}},
        {"properties": {"a" * 3000: {"b": "x", "c": "y", "d": "z"}}},
        {"properties": {f"k{number}": 1e-300 for number in range(40)}},
        {"properties": {f"k{number}": 1e300 for number in range(40)}},
        {"properties": {"tags": ["\u00e9"] * 1000}},
    ],
)
def test_whatever_makes_an_address_long_is_warned_of(
    plan_of: PlanOf, fields: dict[str, Any]
) -> None:
    event = track("1", 2) | fields
    made = plan_of(identify(event["userId"], 1, **ADA), event)
    told = in_short(made)
    assert same(told, the_long_way(made))
    assert told.report.warnings.counts["call_too_long"] == 1


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([identify("1", 1, email="a@b.co", plan="pro"), track("1", 2)], id="known"),
        pytest.param([identify("1", n, email="a@b.co", plan=n) for n in (1, 2)], id="superseded"),
        pytest.param([track("1", 1), page("1", 2)], id="a userId alone"),
        pytest.param([track(None, 1), page(None, 2)], id="a visitor"),
        pytest.param([identify("1", 1, plan="pro"), track("1", 2)], id="no email"),
    ],
)
def test_the_commonest_end_users_are_told_in_short(
    plan_of: PlanOf, records: list[dict[str, Any]]
) -> None:
    made = plan_of(*records)
    told = in_short(made)
    assert told.short == 1
    assert same(told, the_long_way(made))


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([track("1", 1, properties={"email": "a@b.co"})], id="an event's email"),
        pytest.param([identify("1", 1, phone="+15550001"), track("1", 2)], id="a phone alone"),
        pytest.param([identify("1", 1, context=wootric_id("77")), track("1", 2)], id="own id"),
        pytest.param(
            [identify("1", 1, email="a@b.co"), identify("2", 2, email="a@b.co")], id="shared"
        ),
        pytest.param(
            [identify("1", 1, email="a@b.co"), identify("2", 2, email="a@b.co"), alias("1", "2")],
            id="alias",
        ),
        pytest.param([identify("1", 1, email="a@b.co"), identify("1", 2, email=None)], id="null"),
        pytest.param([identify("1", 1, email="a@b.co"), identify("1", 2, email=" ")], id="blank"),
        pytest.param(
            [identify("1", 1, phone="+15550001", **ADA), identify("1", 2, phone=True, **ADA)],
            id="phone",
        ),
        pytest.param(
            [identify("1", 1, phone="+15550001", **ADA), identify("1", 2, phone="", **ADA)],
            id="empty",
        ),
        pytest.param(
            [identify("a@b.co", 1, plan="x"), identify("a@b.co", 2, plan="y")], id="userId"
        ),
        pytest.param(
            [identify("e@f.co", 1, email="z@z.co"), identify("e@f.co", 2, email=7)], id="no text"
        ),
        pytest.param(
            [
                identify("1", 1, context=wootric_id("7"), **ADA),
                identify("1", 2, context=wootric_id("8"), **ADA),
            ],
            id="two ids of Wootric's",
        ),
        pytest.param(
            [identify("1", 1, context=wootric_id("7"), **ADA), identify("1", 2, **ADA)],
            id="an id of Wootric's, and none",
        ),
        pytest.param(
            [identify("1", 1, created=1, **ADA), identify("1", 2, created=True, **ADA)],
            id="a number and a boolean that are equal",
        ),
        pytest.param(
            [
                identify("1", 1, created=False, createdAt=1_400_000_005, **ADA),
                identify("1", 2, created=False, createdAt=1_400_000_006, **ADA),
            ],
            id="created",
        ),
        pytest.param(
            [identify("1", 1, plan=1, **ADA), identify("1", 2, plan=2, email=7)], id="number"
        ),
    ],
)
def test_others_come_to_the_same(plan_of: PlanOf, records: list[dict[str, Any]]) -> None:
    made = plan_of(*records)
    assert same(in_short(made), the_long_way(made))
