"""The counts of a run, and the rejects file, which can be corrected and replayed."""

import io
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wootric_map import (
    Entry,
    Mapped,
    MappingWarning,
    PlanOptions,
    ReadingOptions,
    Rejection,
    Skip,
    discover,
    plan_records,
    read_entries,
    rehearse,
)
from wootric_map.model import Failure, Outcome, Ref
from wootric_map.plan.engine.spool import Spool
from wootric_map.rejects import RejectsFile
from wootric_map.report import Report

BROKEN = Rejection("missing_type", "type", "name the call")
REFUSED = Failure("refused", "Email is invalid", 422, '{"error":"Email is invalid"}')
LINE = b'{"userId":"1"}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rejects.ndjson"


def kept(record: str) -> bytes:
    """A rejects file of an earlier run."""
    return orjson.dumps({"code": "invalid_json", "record": record}) + b"\n"


def entries(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def read(*paths: Path, limit: int = 1000) -> list[Entry]:
    options = ReadingOptions(max_line_bytes=limit)
    return list(read_entries(discover(map(str, paths)), options, stdin=io.BytesIO()))


def write_one(path: Path, raw: bytes = LINE) -> Path | None:
    with RejectsFile(path) as rejects:
        rejects.reject("a.ndjson", 3, BROKEN, raw)
        return rejects.finish(replayed=False, complete=True)


def keep(path: Path, found: Iterable[Entry]) -> int:
    """Write the rejected entries to a rejects file, and return how many there were."""
    with RejectsFile(path) as rejects:
        for source, line, raw, outcome in found:
            if isinstance(outcome, Rejection):
                rejects.reject(source, line, outcome, raw)
        rejects.finish(replayed=False, complete=True)
        return rejects.count


# The rejects file


def test_a_rejected_record_is_kept_with_its_place_its_fault_and_its_line(path: Path) -> None:
    write_one(path)
    assert entries(path) == [
        {
            "source": "a.ndjson",
            "line": 3,
            "code": "missing_type",
            "field": "type",
            "message": "name the call",
            "http": None,
            "record": '{"userId":"1"}',
        }
    ]


def test_a_failed_delivery_is_kept_with_wootrics_answer(path: Path) -> None:
    with RejectsFile(path) as rejects:
        rejects.fail("a.ndjson", 3, REFUSED, LINE)
        rejects.finish(replayed=False, complete=True)
    (entry,) = entries(path)
    assert entry["code"] == "refused"
    assert entry["http"] == {"status": 422, "body": '{"error":"Email is invalid"}'}
    assert entry["record"] == '{"userId":"1"}'


def test_a_delivery_that_got_no_answer_has_none(path: Path) -> None:
    with RejectsFile(path) as rejects:
        rejects.fail("a.ndjson", 3, Failure("in_doubt", "no answer"), LINE)
        rejects.finish(replayed=False, complete=True)
    assert entries(path)[0]["http"] is None


def test_only_its_owner_may_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        write_one(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_written_when_nothing_is_rejected(path: Path) -> None:
    with RejectsFile(path) as rejects:
        assert rejects.finish(replayed=False, complete=True) is None
    assert list(path.parent.iterdir()) == []


def test_an_earlier_file_stays_when_nothing_is_rejected(path: Path) -> None:
    path.write_bytes(kept("earlier"))
    with RejectsFile(path) as rejects:
        assert rejects.finish(replayed=False, complete=True) is None
    assert path.read_bytes() == kept("earlier")


def test_an_earlier_file_is_kept_under_the_next_free_number(path: Path) -> None:
    path.write_bytes(kept("first"))
    assert write_one(path) == path.with_name("rejects.ndjson.1")
    path.write_bytes(kept("second"))
    assert write_one(path) == path.with_name("rejects.ndjson.2")
    assert path.with_name("rejects.ndjson.1").read_bytes() == kept("first")
    assert path.with_name("rejects.ndjson.2").read_bytes() == kept("second")
    assert len(entries(path)) == 1


def test_nothing_is_moved_before_the_run_is_over(path: Path) -> None:
    path.write_bytes(kept("earlier"))
    with RejectsFile(path) as rejects:
        rejects.reject("a.ndjson", 1, BROKEN, LINE)
        assert path.read_bytes() == kept("earlier")


def test_what_is_discarded_leaves_no_trace(path: Path) -> None:
    path.write_bytes(kept("earlier"))
    with RejectsFile(path) as rejects:
        rejects.reject("a.ndjson", 1, BROKEN, LINE)
        rejects.discard()
        assert rejects.count == 0
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == kept("earlier")


def test_a_run_that_fails_leaves_nothing_half_written(path: Path) -> None:
    def fail() -> None:
        with RejectsFile(path) as rejects:
            rejects.reject("a.ndjson", 1, BROKEN, LINE)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(path.parent.iterdir()) == []


def test_a_folder_is_refused_before_anything_is_done(path: Path) -> None:
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        RejectsFile(path)


def test_a_folder_that_is_missing_is_found_out_before_anything_is_done(path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        RejectsFile(path / "deeper.ndjson")


def test_a_device_or_pipe_is_written_to_and_never_replaced(path: Path) -> None:
    """A run by root with /dev/null as its rejects file must leave that device in place."""
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        write_one(path)
        assert stat.S_ISFIFO(path.stat().st_mode)
        assert orjson.loads(os.read(descriptor, 10_000))["record"] == LINE.decode()
    finally:
        os.close(descriptor)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


# Trying its records again


def test_a_rejects_file_gives_the_raw_lines_back(tmp_path: Path, path: Path) -> None:
    lines = [b'{"type":"identify"}', b"{not json", b"[1]", b'"\\u001b[2J [red] \\" \xe2\x80\xa8"']
    export = tmp_path / "export.ndjson"
    export.write_bytes(b'{"userId":"1","type":"page"}\n' + b"\n".join(lines))
    first = read(export)
    assert keep(path, first) == 4
    again = read(path)
    assert [entry.raw for entry in again] == lines
    assert [entry.outcome for entry in again] == [entry.outcome for entry in first[1:]]


def test_a_line_that_is_not_utf8_comes_back_byte_for_byte(tmp_path: Path, path: Path) -> None:
    raw = b'{"type":"identify","userId":"Ren\xe9\xff\x00"}'
    export = tmp_path / "export.ndjson"
    export.write_bytes(b'{"userId":"1","type":"page"}\n' + raw + b"\n")
    assert keep(path, read(export)) == 1
    (entry,) = entries(path)
    assert "Ren\N{REPLACEMENT CHARACTER}" in entry["record"], "a person can still read it"
    assert [each.raw for each in read(path)] == [raw]


def test_a_rejects_file_of_a_rejects_file_still_holds_the_first_line(
    tmp_path: Path, path: Path
) -> None:
    raw = b'{"type":"identify","userId":"\xe9"}'
    export = tmp_path / "export.ndjson"
    export.write_bytes(raw)
    for _ in range(3):
        keep(path, read(path if path.exists() else export))
    assert len(entries(path)) == 1
    assert read(path)[0].raw == raw


def test_a_record_mended_in_the_rejects_file_is_taken(path: Path) -> None:
    write_one(path, b'{"type":"identify","userId":""}')
    path.write_bytes(path.read_bytes().replace(b'\\"userId\\":\\"\\"', b'\\"userId\\":\\"42\\"'))
    (entry,) = read(path)
    assert isinstance(entry.outcome, Mapped)
    assert entry.outcome.user.user_id == "42"


@pytest.mark.parametrize("content", [b"x" * 5000 + b"\n", b"\x1f\x8b\x08\x00"])
def test_a_line_that_was_not_kept_keeps_its_code_and_its_first_place(
    tmp_path: Path, path: Path, content: bytes
) -> None:
    export = tmp_path / "export.ndjson"
    export.write_bytes(content)
    (first,) = read(export)
    assert isinstance(first.outcome, Rejection)
    assert keep(path, [first]) == 1
    (again,) = read(path)
    assert isinstance(again.outcome, Rejection)
    assert again.outcome.code == first.outcome.code
    assert f"{export}:1" in again.outcome.message


def test_a_rejects_file_may_be_replayed_under_its_own_name(path: Path) -> None:
    write_one(path, b'{"type":"identify","userId":""}')
    before = path.read_bytes()
    with RejectsFile(path) as rejects:
        for source, line, raw, outcome in read(path):
            assert isinstance(outcome, Rejection)
            rejects.reject(source, line, outcome, raw)
        kept = rejects.finish(replayed=True, complete=True)
    assert kept is not None
    assert kept.read_bytes() == before
    assert [entry["record"] for entry in entries(path)] == ['{"type":"identify","userId":""}']


def test_a_replayed_file_is_set_aside_when_all_of_it_went_well(path: Path) -> None:
    """If the file stayed, the next run would send its records a second time."""
    write_one(path)
    with RejectsFile(path) as rejects:
        kept = rejects.finish(replayed=True, complete=True)
    assert kept == path.with_name("rejects.ndjson.1")
    assert not path.exists()


# The counts


def test_a_report_is_flawless_until_something_is_rejected_or_fails() -> None:
    report = Report(records=1)
    report.skip("a", 1, Skip("duplicate", "track", "messageId", "taken"))
    report.warn("a", 1, MappingWarning("key_renamed", "traits.$a", "renamed"))
    assert report.flawless
    report.reject("a", 1, BROKEN)
    assert not report.flawless
    failed = Report(records=1)
    failed.deliver(Outcome("create", (Ref(1, "a", 1),), REFUSED))
    assert not failed.flawless


def test_a_call_is_counted_once_and_its_records_each() -> None:
    refs = tuple(Ref(number, "a", number) for number in (1, 2, 3))
    report = Report(records=9)
    report.deliver(Outcome("create", refs, None))
    report.deliver(Outcome("update", refs, REFUSED))
    report.deliver(Outcome("create", refs, Skip("unidentified", "identify", "userId", "who?")))
    assert report.done == {"create": 1}
    assert report.failed.counts == {"refused": 3}
    assert report.skipped.counts == {"unidentified": 3}
    assert report.mapped == 6


def test_the_first_few_places_of_a_code_are_kept_and_all_are_counted() -> None:
    report = Report()
    for line in range(1, 101):
        report.reject("a", line, BROKEN)
    lines = [place.line for place in report.rejected.places["missing_type"]]
    assert report.rejected.counts == {"missing_type": 100}
    assert lines == list(range(1, len(lines) + 1))
    assert len(lines) < 20


def test_the_unidentified_are_counted_by_reason_too() -> None:
    report = Report(records=4)
    for reason in ("no_email", "anonymous", "no_email"):
        report.skip("a", 1, Skip("unidentified", "page", "userId", "who?", reason))
    report.skip("a", 1, Skip("duplicate", "track", "messageId", "taken"))
    assert report.unidentified == {"no_email": 2, "anonymous": 1}
    assert report.skipped.counts == {"unidentified": 3, "duplicate": 1}


def test_warnings_about_one_key_are_one_and_those_about_none_one_each() -> None:
    report = Report()
    for line in (1, 2):
        report.warn("a", line, MappingWarning("key_renamed", "traits.$a", "renamed"))
        report.warn("a", line, MappingWarning("shared_email", "", f"the ids {line}"))
    assert report.warnings.counts == {"key_renamed": 1, "shared_email": 2}
    places = report.warnings.places
    assert [place.line for place in places["key_renamed"]] == [1]
    assert [each.count for each in report.warnings] == [2, 1, 1]
    assert [place.message for place in places["shared_email"]] == ["the ids 1", "the ids 2"]


def test_the_summary_lists_codes_in_an_order_of_their_own() -> None:
    report = Report()
    for code in ("zeta", "alpha"):
        report.skip("a", 1, Skip(code, "track", None, ""))
    assert list(report.summary()["skipped"]) == ["alpha", "zeta"]  # type: ignore[call-overload]


def test_the_summary_has_the_issues_keys_and_nothing_else() -> None:
    assert list(Report().summary()) == [
        "records",
        "mapped",
        "skipped",
        "unidentified",
        "rejected",
        "failed",
        "warnings",
        "ignored_warnings",
        "ambiguous_anonymous_ids",
        "create",
        "update",
        "unchanged",
        "left",
        "eligibility_checks",
        "page_views",
        "responses",
        "declines",
        "surveys_off",
        "kept_off",
        "api_calls",
        "events_not_registered",
        "unknown_users",
        "unknown_events",
        "unmet_rules",
        "passed_over",
        "rejected_details",
        "failed_details",
        "warning_details",
    ]


_LINES = st.sampled_from(
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff",
        b"x" * 600,
        b'{"type":"screen","userId":"1"}',
        b'{"type":"identify","userId":"1"}',
        b'{"type":"identify","userId":"2","messageId":"m-1"}',
        b'{"type":"identify","userId":"2","traits":{"email":"a@b.co"},"messageId":"m-2"}',
        b'{"type":"identify","userId":"3","traits":{"email":"a@b.co","phone":"+1"}}',
        b'{"type":"identify","anonymousId":"a","traits":{"phone":"+1"}}',
        b'{"type":"identify","anonymousId":"a"}',
        b'{"type":"track","userId":"1","event":"E"}',
        b'{"type":"track","userId":"2","event":"E","messageId":"m-3"}',
        b'{"type":"track","userId":"2","integrations":{"All":false},"event":"E"}',
        b'{"type":"track","userId":"2"}',
        b'{"type":"page","userId":"4","timestamp":"garbage"}',
        b'{"type":"page","anonymousId":"a","context":{"traits":{"phone":"+1"}}}',
        b'{"type":"page","userId":"2"}',
        b'{"batch":[]}',
        b'{"batch":[{"type":"page","userId":"1"},3,{"type":"identify","userId":"2","traits":[]}]}',
    ]
)


@settings(deadline=None)
@given(lines=st.lists(_LINES, max_size=40))
def test_every_record_ends_as_mapped_skipped_or_rejected(lines: list[bytes]) -> None:
    """`mapped` is counted here by the calls that a push would make, not by what is left over."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder, Spool() as spool:
        export = Path(folder, "export")
        export.write_bytes(b"\n".join([b'{"type":"page","userId":"9"}', *lines]))
        options = ReadingOptions(max_line_bytes=500)
        read_alone = sum(1 for _ in read(export, limit=500))
        sources = discover([str(export)])
        plan = plan_records(sources, options, PlanOptions(), spool, report, stdin=io.BytesIO())
        outcomes = []
        carried_out = 0
        for each in rehearse(plan):
            outcomes.append(each.outcome)
            report.deliver(each.outcome)
            carried_out += 0 if each.outcome.result else len(each.outcome.refs)
    skipped, rejected = report.skipped.counts.total(), report.rejected.counts.total()
    assert report.records == read_alone
    assert report.mapped == carried_out
    assert report.records == carried_out + skipped + rejected
    assert report.unidentified.total() == report.skipped.counts["unidentified"]
    assert report.summary()["api_calls"] == sum(1 for each in outcomes if each.result is None)


def test_a_line_that_a_person_has_mended_is_known_by_what_it_says_now(path: Path) -> None:
    write_one(path, b'{"userId":"\xff"}')
    (entry,) = entries(path)
    asked: list[bytes] = []

    def note(raw: bytes) -> bool:
        asked.append(raw)
        return True

    for record, raw in (
        (entry["record"], b'{"userId":"\xff"}'),
        ('{"userId":"1"}', b'{"userId":"1"}'),
        ({"userId": "1"}, b'{"userId":"1"}'),
    ):
        path.write_bytes(orjson.dumps(entry | {"record": record}))
        assert RejectsFile(path).all_lines(note)
        assert asked.pop() == raw
    path.write_bytes(orjson.dumps(entry) + b"\n{}\n")
    assert not RejectsFile(path).all_lines(note)
