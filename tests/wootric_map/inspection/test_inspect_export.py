"""What an inspection counts is what a plan of the same export has."""

import io
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from made_up import RECORDS
from planned import alias, at, identify, page, track

from wootric_map import (
    DryRun,
    DryRunSettings,
    Inspect,
    Inspection,
    InspectSettings,
    PlanOptions,
    ReadingOptions,
    Spool,
    TraitSummary,
    discover,
    plan_records,
)
from wootric_map.inspection import inspected_part
from wootric_map.inspection.inspection import DayCount, IdCounts, Placeholder
from wootric_map.inspection.record_counts import MOST_NAMES
from wootric_map.mapping.entries import PART_BYTES
from wootric_map.plan.engine.taken import PAGE, SURVEY, TRACK
from wootric_map.plan.people import ANONYMOUS, USER
from wootric_map.plan.steps import EndUserPlan, page_label
from wootric_map.report import Report

SAMPLES = Path(__file__).parents[3] / "sample_events"


def inspect(*paths: Path, processes: int = 1) -> Inspection:
    return Inspect(InspectSettings(paths=list(map(str, paths)), processes=processes)).run()


def check_beside_a_plan(*paths: Path) -> Inspection:
    """Compare each number with the plan, and with the dry run, of the same export."""
    found = inspect(*paths)
    named = list(map(str, paths))
    with DryRun(DryRunSettings(paths=named)).compare() as diff:
        for _ in diff:
            pass
        report = diff.report
    assert found.end_users.written == report.done["create"] + report.done["unchanged"]
    assert found.records == report.records
    skipped = dict(report.skipped.counts)
    skipped.pop("unidentified", None)
    assert found.skipped == skipped
    assert found.rejected == dict(report.rejected.counts)
    warned = report.warnings.counts
    assert found.ids.ambiguous_user_ids == warned["ambiguous_user_id"]
    assert found.ids.ambiguous_emails == warned["ambiguous_email"]
    assert len(found.ids.placeholders) == warned["placeholder_id"]
    with Spool() as spool:
        plan = plan_records(
            discover(named), ReadingOptions(), PlanOptions(), spool, Report(), stdin=io.BytesIO()
        )
        check_people(found, list(plan))
    return found


def check_people(found: Inspection, users: Sequence[EndUserPlan]) -> None:
    counts = found.end_users
    assert counts.total == len(users)
    assert counts.identified == sum(len(each.person.identifies) > 0 for each in users)
    assert counts.ambiguous == sum(each.is_ambiguous for each in users)
    told = [each.person.kinds for each in users if not each.is_ambiguous]
    assert counts.anonymous == sum(each == ANONYMOUS for each in told)
    assert counts.user_id_alone <= sum(bool(each & USER) for each in told)
    rows = [row for each in users for row in each.person.replayed_rows]
    assert {each.name: each.records for each in found.events.names} == Counter(
        row.topic if row.kind == TRACK else row.payload[-1]
        for row in rows
        if row.kind in {TRACK, SURVEY}
    )
    assert {each.name: each.records for each in found.pages.names} == Counter(
        page_label(*row.topic) for row in rows if row.kind == PAGE
    )
    identifies = [row for each in users for row in each.person.identifies]
    assert sum(each.records for each in found.days) + found.undated == len(rows) + len(identifies)
    days = Counter(row.time // 86_400_000 for row in (*rows, *identifies) if row.time is not None)
    assert [each.records for each in found.days] == [days[day] for day in sorted(days)]


def without_phone_removals(record: dict[str, Any]) -> dict[str, Any]:
    """Whether a phone is removed again by null depends on time, which only a fold follows."""
    traits = record.get("traits")
    if traits and traits.get("phone", "") is None:
        traits = {key: value for key, value in traits.items() if key != "phone"}
        return {**record, "traits": traits}
    return record


def with_wootric_id(record: dict[str, Any], wootric_id: str | None) -> dict[str, Any]:
    """Name an end user of Wootric's in the record."""
    if wootric_id is None:
        return record
    named = {"externalId": [{"type": "wootricEndUserId", "id": wootric_id}]}
    return {**record, "context": {**record.get("context", {}), **named}}


EXPORTS = st.lists(
    st.builds(
        with_wootric_id,
        RECORDS.map(without_phone_removals),
        st.sampled_from([None, None, None, None, "7", "8"]),
    ),
    max_size=20,
)
"""Exports in which ids are shared, messages repeated, and emails mentioned."""


def write(path: Path, records: Sequence[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in records))
    return path


@pytest.mark.parametrize("folder", sorted(each.name for each in SAMPLES.iterdir() if each.is_dir()))
def test_the_numbers_are_those_of_a_dry_run_of_the_samples(folder: str) -> None:
    found = check_beside_a_plan(SAMPLES / folder)
    assert found.end_users.total


@examples(300)
@given(EXPORTS)
def test_the_numbers_are_those_of_a_dry_run_of_any_export(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any]
) -> None:
    check_beside_a_plan(write(tmp_path_factory.mktemp("export") / "export.ndjson", records))


@examples(150)
@given(EXPORTS, st.data())
def test_neither_the_order_of_lines_nor_the_files_they_are_in_change_anything(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("export")
    whole = inspect(write(folder / "whole.ndjson", records))
    shuffled = data.draw(st.permutations(records))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=3)))
    bounds = [0, *cuts, len(records)]
    paths = [
        write(folder / f"part-{nth}.ndjson", shuffled[begin:end])
        for nth, (begin, end) in enumerate(itertools.pairwise(bounds))
    ]
    found = inspect(*paths)
    assert replace(found, files=1) == whole


def test_an_email_that_only_looks_like_one_of_an_alias_writes_nobody(tmp_path: Path) -> None:
    records = [
        identify("1", plan="pro"),
        alias("x@y.zz", "1"),
        track("x@y.zz"),
    ]
    found = check_beside_a_plan(write(tmp_path / "export.ndjson", records))
    assert (found.end_users.with_email, found.end_users.written) == (1, 0)


@pytest.mark.parametrize("reverse", [False, True])
def test_which_of_two_repeats_counts_does_not_depend_on_their_order(
    tmp_path: Path, reverse: bool
) -> None:
    common = {"type": "identify", "anonymousId": "a", "messageId": "m", "timestamp": at(1)}
    records = [{**common, "traits": {"email": "a@b.co"}}, {**common, "traits": {"plan": "pro"}}]
    found = check_beside_a_plan(
        write(tmp_path / "export.ndjson", records[::-1] if reverse else records)
    )
    assert found.skipped == {"duplicate": 1}
    assert (found.end_users.with_email, found.end_users.anonymous) == (1, 0)


def test_ids_of_several_people_and_placeholders_are_counted(tmp_path: Path) -> None:
    records = [
        identify("agent", email="a@b.co"),
        identify("agent", email="c@d.co"),
        identify("1", email="a@b.co"),
        identify("2", email="c@d.co"),
        alias("device", "1"),
        alias("device", "2"),
        identify("null", email="n/a"),
        track("NULL"),
        track("agent"),
    ]
    found = check_beside_a_plan(write(tmp_path / "export.ndjson", records))
    assert found.ids == IdCounts(
        ambiguous_user_ids=1,
        ambiguous_emails=0,
        ambiguous_aliases=1,
        shared_phones=0,
        placeholders=(Placeholder("null", 2), Placeholder("n/a", 1)),
    )
    assert found.end_users.ambiguous == 1
    assert found.end_users.written == 2


def test_who_opted_out_is_counted_by_code(tmp_path: Path) -> None:
    refused = {"consent": {"categoryPreferences": {"analytics": False}}}
    records = [
        {**identify("1", email="a@b.co"), "integrations": {"Wootric": False}},
        {**track("2"), "context": refused},
        {"type": "group", "userId": "1", "groupId": "g"},
    ]
    found = inspect(write(tmp_path / "export.ndjson", records))
    assert found.skipped == {
        "consent_withheld": 1,
        "integration_disabled": 1,
        "unsupported_type": 1,
    }
    assert found.types == {"identify": 1, "track": 1, "group": 1}
    assert found.end_users.total == 0


def test_rejected_records_are_counted_by_code(tmp_path: Path) -> None:
    path = tmp_path / "export.ndjson"
    path.write_text('{"type":"identify"}\nnonsense\n{"type":"track","userId":"1"}\n')
    found = inspect(path)
    assert found.records == 3
    assert found.rejected == {"invalid_json": 1, "missing_event": 1, "missing_identity": 1}
    assert found.types == {}
    assert (found.first, found.days, found.traits) == (None, (), ())


def test_records_are_counted_by_day_in_utc(tmp_path: Path) -> None:
    records = [
        {**identify("1"), "timestamp": "2024-02-29T23:30:00-01:00"},
        {**track("1"), "timestamp": "2024-02-29T23:59:59.999Z"},
        {**track("1"), "timestamp": "0033-04-03T15:00:00Z"},
        page("1"),
    ]
    found = inspect(write(tmp_path / "export.ndjson", records))
    assert found.days == (DayCount("2024-02-29", 0, 1, 0), DayCount("2024-03-01", 1, 0, 0))
    assert found.undated == 2
    assert found.last == 1_709_253_000_000


def test_registered_events_are_marked_letter_for_letter(tmp_path: Path) -> None:
    path = write(tmp_path / "export.ndjson", [track("1"), track("1", event="signed up")])
    settings = InspectSettings(paths=[str(path)], registered_events=("Signed Up", "Gone"))
    found = Inspect(settings).run()
    assert [(each.name, each.is_registered) for each in found.events.names] == [
        ("Signed Up", True),
        ("signed up", False),
    ]
    assert found.unmet_events == ("Gone",)


def test_events_beyond_the_most_are_only_counted(tmp_path: Path) -> None:
    records = [track("1", event=f"event {nth}") for nth in range(MOST_NAMES + 5)]
    found = inspect(write(tmp_path / "export.ndjson", [*records, *records[-3:]]))
    assert len(found.events.names) == MOST_NAMES
    assert (found.events.more, found.events.more_records) == (5, 5)
    assert found.events.names[0].records == 2


def traits_of(found: Inspection) -> dict[str, TraitSummary]:
    return {each.name: each for each in found.traits}


def test_a_trait_is_told_as_it_is_mapped(tmp_path: Path) -> None:
    records = [
        identify("1", email="a@b.co", seats=3, tags=["x"], address={"city": "Rome"}),
        identify("2", email="c@d.co", seats="many", born="1990-01-02", address={"city": "Oslo"}),
        identify("3", email="", seats=None, password="hunter2", vip=True),
    ]
    found = traits_of(inspect(write(tmp_path / "export.ndjson", records)))
    assert {name: [each.name for each in trait.becomes] for name, trait in found.items()} == {
        "email": ["email"],
        "seats": ["seats"],
        "tags": ["tags"],
        "address.city": ["address_city"],
        "born": ["born_date"],
        "password": [],
        "vip": ["vip"],
    }
    assert found["seats"].types == {"integer": 1, "text": 1}
    assert found["seats"].warnings == ("integer_without_amount",)
    assert found["tags"].warnings == ("list_without_array",)
    assert (found["email"].end_users, found["seats"].end_users) == (2, 2)
    assert found["vip"].fill_rate == pytest.approx(1 / 3)
    assert found["password"].looks_like == "secret"
    assert found["password"].examples == ()
    assert found["born"].looks_like == "birth_date"


def test_names_depend_on_the_options_as_those_of_a_push_do(tmp_path: Path) -> None:
    records = [identify("1", seats=3, spend=1.5), identify("2", spend=2), identify("3", seats="x")]
    path = write(tmp_path / "export.ndjson", records)
    reading = ReadingOptions(amount_suffix=True)
    found = traits_of(Inspect(InspectSettings(paths=[str(path)], reading=reading)).run())
    assert [each.name for each in found["spend"].becomes] == ["spend_amount"]
    assert [each.name for each in found["seats"].becomes] == ["seats"]
    assert found["seats"].warnings == ("mixed_types",)
    assert "amount_rounded" in found["spend"].warnings


def test_two_traits_of_one_name_collide(tmp_path: Path) -> None:
    records = [identify("1", address={"city": "Rome"}, address_city="Oslo")]
    found = traits_of(inspect(write(tmp_path / "export.ndjson", records)))
    assert found["address.city"].warnings == ("key_collision",)
    assert found["address_city"].warnings == ()


def test_what_records_warn_of_is_told_of_the_trait(tmp_path: Path) -> None:
    records = [
        identify(f"{nth}", email=f"{nth}@b.co", createdAt="2018-08-03") for nth in range(1, 51)
    ]
    records += [identify("x", email="none at all", createdAt="someday")]
    path = write(tmp_path / "export.ndjson", records)
    found = traits_of(inspect(path))
    assert found["email"].warnings == ("invalid_email",)
    assert found["createdAt"].warnings == ("invalid_created_at",)
    ignoring = InspectSettings(paths=[str(path)], ignored_warnings=frozenset({"invalid_email"}))
    quiet = Inspect(ignoring).run()
    assert (traits_of(quiet)["email"].warnings, quiet.ignored_warnings) == ((), 1)
    assert quiet.warnings == {"invalid_created_at": 1}


def test_a_fill_rate_is_a_share_of_end_users_and_not_of_records(tmp_path: Path) -> None:
    records = [
        identify("1", email="a@b.co"),
        identify("1", plan="pro"),
        identify(None, email="A@b.co", plan="free", anonymousId="q"),
        identify("2", plan=""),
    ]
    found = inspect(write(tmp_path / "export.ndjson", records))
    assert found.end_users.identified == 2
    assert traits_of(found)["plan"].end_users == 1
    assert traits_of(found)["plan"].distinct == 2


def big_export(path: Path, records: int) -> Path:
    """An export of several parts, in which end users come again in each."""
    lines = []
    for nth in range(records):
        user = str(nth % 700)
        if nth % 3:
            record = track(user, nth % 60, messageId=f"m{nth // 2}", event=f"e{nth % 7}")
        else:
            record = identify(user, nth % 60, email=f"{user}@b.co", n=nth, text="x" * 2000)
        lines.append(json.dumps(record))
    path.write_text("\n".join(lines))
    assert path.stat().st_size > 2 * PART_BYTES
    return path


def test_any_number_of_processes_finds_the_same(tmp_path: Path) -> None:
    path = big_export(tmp_path / "export.ndjson", 16_000)
    assert inspect(path, processes=3) == inspect(path)


def test_the_quick_way_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = big_export(tmp_path / "export.ndjson", 16_000)
    quick = inspect(path)
    monkeypatch.setattr(inspected_part._Inspecting, "add_quickly", lambda *_: False)
    assert inspect(path) == quick
