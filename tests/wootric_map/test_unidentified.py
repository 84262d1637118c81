"""The records that name no end user are written with their lines, in the order in which they were read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from planned import Planned, PlanOf, millis, page, track

from wootric_map import Choice, PlanOptions, RejectsFile, rehearse
from wootric_map.model import Skip
from wootric_map.plan.planning import keep_unidentified
from wootric_map.read.record import names_message
from wootric_map.unidentified import UnidentifiedRecords

KEEPING = PlanOptions(keep_lines=True)


def skip(kind: str) -> Skip:
    return Skip("unidentified", kind, "userId", "nobody", "anonymous")


def kept(made: Planned, path: Path) -> list[dict[str, Any]]:
    """Return the file of unidentified records of a plan that was carried out."""
    made.report.unidentified_records = UnidentifiedRecords()
    for each in rehearse(made.plan):
        made.report.deliver(each.outcome)
    with RejectsFile(path) as file:
        keep_unidentified(made.plan, made.report, file)
        file.finish(replayed=False, complete=True)
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def test_parts_are_put_together_each_with_its_own_skips() -> None:
    whole, part = UnidentifiedRecords(), UnidentifiedRecords()
    whole.add(3, skip("page"))
    part.add(7, skip("track"))
    part.add(1, skip("page"))
    whole.extend(part)
    marks, skips = whole.marks(), whole.skips()
    assert {number: skips[mark] for number, mark in enumerate(marks) if mark} == {
        1: skip("page"), 3: skip("page"), 7: skip("track"),
    }  # fmt: skip
    assert len(whole) == 3
    assert UnidentifiedRecords().marks() == b""


def test_only_what_names_nobody_is_kept_with_its_line_and_place(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    strangers = [b'{"type":"page", "userId":"9"}', b'{"type":"identify","userId":"8","traits":{}}']
    elements = [{"type": "track", "userId": "7", "event": "E"}, {"type": "page", "userId": "1"}]
    made = plan_of(
        [{"type": "identify", "userId": "1", "traits": {"email": "a@b.co"}}, strangers[0], b"{"],
        [{"batch": elements}, strangers[1], {"type": "screen", "userId": "9"}],
        options=KEEPING,
    )
    found = kept(made, tmp_path / "kept")
    assert [(Path(each["source"]).name, each["line"]) for each in found] == [
        ("0.ndjson", 2),
        ("1.ndjson", 1),
        ("1.ndjson", 2),
    ]
    lines = [each["record"].encode() for each in found]
    assert lines == [strangers[0], orjson.dumps(elements[0]), strangers[1]]
    assert {each["code"] for each in found} == {"unidentified"}
    assert all("neither the export" in each["message"] for each in found)
    assert list(found[0]) == ["source", "line", "code", "field", "message", "http", "record"]


def test_what_is_filtered_out_or_repeated_names_somebody_for_all_that_is_known(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    first = page("9", 1, messageId="a")
    event = track("9", 6, event="E")
    repeated = page("9", 5, messageId="b")
    chosen = Choice(since=millis(5), types=frozenset({"page"}))
    made = plan_of(first, event, repeated, repeated, options=replace(KEEPING, choice=chosen))
    (found,) = kept(made, tmp_path / "kept")
    assert orjson.loads(found["record"]) == repeated
    assert made.report.skipped.counts == {"unidentified": 1, "duplicate": 1, "filtered_out": 2}


def test_nothing_is_written_where_all_name_somebody(plan_of: PlanOf, tmp_path: Path) -> None:
    made = plan_of([{"type": "page", "userId": "a@b.co"}], options=KEEPING)
    assert kept(made, tmp_path / "kept") == []
    assert not (tmp_path / "kept").exists()


def test_a_record_keeps_the_id_that_it_was_given_when_it_was_kept_before(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    entries = [
        {"code": "refused", "key": "given", "record": orjson.dumps(record).decode()}
        for record in (
            {"type": "track", "userId": "9", "event": "E"},
            {"type": "track", "userId": "9", "event": "F", "messageId": "own"},
        )
    ]
    first, second = kept(plan_of(entries, options=KEEPING), tmp_path / "kept")
    assert first["key"] == "given"
    assert "key" not in second


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b'{"messageId":"m"}', True),
        (b'{"messageId":5}', True),
        (b'{"messageId":""}', False),
        (b'{"messageId":null}', False),
        (b"{}", False),
        (b"[]", False),
        (b"{", False),
    ],
)
def test_a_line_names_its_message_or_not(line: bytes, named: bool) -> None:
    assert names_message(line) is named
