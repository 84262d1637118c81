"""From sources to entries and to a plan: each record is counted once, whatever becomes of it."""

import gzip
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from replaying import identify, page, track

from wootric_map import (
    Entry,
    Mapped,
    PlanOptions,
    ReadingOptions,
    Rejection,
    Skip,
    discover,
    plan_records,
    read_entries,
)
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.plan import Plan
from wootric_map.plan.steps import Write
from wootric_map.rejects import RejectsFile
from wootric_map.report import Report

Line = Mapping[str, Any] | bytes
PlanOf = Callable[..., tuple[Plan, Report]]

NOT_JSON = b'{"type":"identify",'
NOBODY = {"type": "track", "event": "Signed Up"}
SCREEN = {"type": "screen", "userId": "1"}
OFF = identify("1", "ada@example.com") | {"integrations": {"Wootric": False}}


def write(path: Path, *lines: Line) -> Path:
    path.write_bytes(
        b"".join(
            (each if isinstance(each, bytes) else orjson.dumps(each)) + b"\n" for each in lines
        )
    )
    return path


def read(*paths: Path, **options: Any) -> list[Entry]:
    return list(
        read_entries(discover(map(str, paths)), ReadingOptions(**options), stdin=io.BytesIO())
    )


def kinds(entries: list[Entry]) -> list[str]:
    """Return `mapped`, or the code of the skip or rejection."""
    return ["mapped" if isinstance(each.outcome, Mapped) else each.outcome.code for each in entries]


@pytest.fixture
def plan_of(tmp_path: Path) -> Iterator[PlanOf]:
    with ExitStack() as stack:

        def make(
            *lines: Line,
            rejects: RejectsFile | None = None,
            planning: PlanOptions | None = None,
            **options: Any,
        ) -> tuple[Plan, Report]:
            sources = discover([str(write(tmp_path / "export.ndjson", *lines))])
            report = Report()
            plan = plan_records(
                sources,
                ReadingOptions(**options),
                planning or PlanOptions(),
                stack.enter_context(Spool()),
                report,
                stdin=io.BytesIO(),
                rejects=rejects,
            )
            return plan, report

        yield make


def held(plan: Plan) -> int:
    """Return how many records a plan holds."""
    steps = (step for user in plan for step in plan.steps(user))
    return sum(len(step.refs) if isinstance(step, Write) else 1 for step in steps)


def test_each_line_is_one_entry_at_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", identify("1"), b"", NOT_JSON, SCREEN)
    entries = read(path)
    assert [(each.line, kind) for each, kind in zip(entries, kinds(entries), strict=True)] == [
        (1, "mapped"),
        (3, "invalid_json"),
        (4, "unsupported_type"),
    ]
    assert [each.place for each in entries] == [f"{path}:1", f"{path}:3", f"{path}:4"]


def test_each_element_of_a_batch_is_an_entry_with_a_line_of_its_own(tmp_path: Path) -> None:
    batch = {"batch": [identify("1"), SCREEN, NOBODY], "sentAt": "2024-03-01T10:00:00Z"}
    path = write(tmp_path / "a.ndjson", batch)
    entries = read(path)
    assert kinds(entries) == ["mapped", "unsupported_type", "missing_identity"]
    assert {each.line for each in entries} == {1}
    alone = write(tmp_path / "b.ndjson", *(each.raw for each in entries))
    assert kinds(read(alone)) == kinds(entries)


def test_sources_are_read_in_the_order_given(tmp_path: Path) -> None:
    late, early = write(tmp_path / "z", page("1")), write(tmp_path / "a", page("2"))
    assert [each.source for each in read(late, early)] == [str(late), str(early)]


def test_an_entry_keeps_its_raw_line_byte_for_byte(tmp_path: Path) -> None:
    odd = b'  {"type" :"page", "userId":"\\u00e9"}\t'
    (entry,) = read(write(tmp_path / "a.ndjson", odd))
    assert entry.raw == odd


def test_standard_input_is_read_where_a_source_names_it() -> None:
    stdin = io.BytesIO(orjson.dumps(identify("1")))
    (entry,) = read_entries(discover(["-"]), ReadingOptions(), stdin=stdin)
    assert entry.place == "-:1"
    assert isinstance(entry.outcome, Mapped)


def test_a_line_past_the_limit_is_rejected_without_its_bytes_and_the_next_is_read(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.ndjson", identify("1", note="x" * 300), identify("2"))
    entries = read(path, max_line_bytes=200)
    assert kinds(entries) == ["line_too_long", "mapped"]
    assert entries[0].raw == b""
    assert kinds(read(path)) == ["mapped", "mapped"]


def test_records_turned_off_for_wootric_are_skipped_unless_integrations_are_ignored(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.ndjson", OFF, {"batch": [page("1")], "integrations": {"All": False}})
    assert kinds(read(path)) == ["integration_disabled"] * 2
    assert kinds(read(path, ignore_integrations=True)) == ["mapped"] * 2


def test_integers_are_given_the_amount_suffix_only_where_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", identify("1", seats=5), track("1", properties={"seats": 5}))

    def names(**options: Any) -> list[set[str]]:
        outcomes = [each.outcome for each in read(path, **options)]
        return [
            set(each.settings.properties or {}) - {"id"}
            for each in outcomes
            if isinstance(each, Mapped)
        ]

    assert names() == [{"seats"}, {"seats"}]
    assert names(amount_suffix=True) == [{"seats_amount"}, {"seats_amount"}]


def test_the_bytes_told_are_those_on_disk_whatever_they_decompress_to(tmp_path: Path) -> None:
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(orjson.dumps(identify("1", note="x" * 50_000))))
    plain = write(tmp_path / "b.ndjson", identify("1"), NOT_JSON)
    told: list[int] = []
    sources = discover([str(packed), str(plain)])
    list(read_entries(sources, ReadingOptions(), stdin=io.BytesIO(), on_bytes=told.append))
    assert sum(told) == packed.stat().st_size + plain.stat().st_size


def test_a_file_that_breaks_off_gives_what_came_before_and_one_rejection(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(orjson.dumps(identify(f"u{n}")) + b"\n" for n in range(50)))
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole[:-8])
    after = write(tmp_path / "after.ndjson", identify("1"))
    found = kinds(read(cut, after))
    assert found == ["mapped"] * (len(found) - 2) + ["truncated_input", "mapped"]
    assert len(found) > 2


lines = st.sampled_from(
    [
        orjson.dumps(identify("1", "ada@example.com") | {"messageId": "m1"}),
        orjson.dumps(identify("2")),
        orjson.dumps(track("1") | {"messageId": "m2"}),
        orjson.dumps(page("3")),
        orjson.dumps({"type": "page", "anonymousId": "a"}),
        orjson.dumps({"batch": [page("1"), SCREEN, NOBODY]}),
        orjson.dumps(SCREEN),
        orjson.dumps(OFF),
        orjson.dumps(NOBODY),
        b"[1]",
        NOT_JSON,
        b"\xff",
        b"",
    ]
)


@examples(60)
@given(st.lists(lines, max_size=25))
def test_every_record_is_planned_skipped_or_rejected_and_none_twice(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("reading")
    path = write(folder / "export.ndjson", *lines)
    entries = read(path)
    report = Report()
    with Spool() as spool, RejectsFile(folder / "rejects") as rejects:
        plan = plan_records(
            discover([str(path)]),
            ReadingOptions(),
            PlanOptions(),
            spool,
            report,
            stdin=io.BytesIO(),
            rejects=rejects,
        )
        planned, written = held(plan), rejects.count
    # Counted three times over: in the entries, in the report and in the plan itself.
    assert report.records == len(entries)
    assert report.records == (
        planned + report.skipped.counts.total() + report.rejected.counts.total()
    )
    assert report.mapped == planned
    rejected = Counter(each.outcome.code for each in entries if isinstance(each.outcome, Rejection))
    assert report.rejected.counts == rejected
    assert written == rejected.total()
    alone = Counter(each.outcome.code for each in entries if isinstance(each.outcome, Skip))
    found_in_planning = report.skipped.counts - alone
    assert set(found_in_planning) <= {"duplicate"}
    assert alone <= report.skipped.counts


def test_a_repeated_message_id_is_planned_once(plan_of: PlanOf) -> None:
    twice = identify("1", "ada@example.com") | {"messageId": "m"}
    plan, report = plan_of(twice, twice, track("1") | {"messageId": "m"}, page("1"))
    assert report.skipped.counts == {"duplicate": 1}
    assert report.warnings.counts == {"message_id_reused": 1}
    assert held(plan) == 3


def test_who_has_no_id_that_wootric_knows_is_kept_since_somebody_may_yet_be_found(
    plan_of: PlanOf,
) -> None:
    plan, report = plan_of({"type": "identify", "anonymousId": "a", "traits": {"plan": "pro"}})
    assert not report.skipped.counts
    assert held(plan) == 1


def test_the_options_reach_the_plan(plan_of: PlanOf) -> None:
    lines = (OFF, identify("2", seats=5), identify("3", note="x" * 300))
    _, strict = plan_of(*lines, max_line_bytes=250)
    assert strict.skipped.counts == {"integration_disabled": 1}
    assert strict.rejected.counts == {"line_too_long": 1}
    assert strict.mapped == 1
    suffix = PlanOptions(amount_suffix=True)
    plan, lenient = plan_of(*lines, ignore_integrations=True, planning=suffix)
    assert lenient.mapped == 3
    properties = {
        name
        for user in plan
        if user.folded
        for name in user.folded.upsert.properties
        if name.startswith("seats")
    }
    assert properties == {"seats_amount"}


def test_a_warning_about_whom_a_record_names_is_counted_at_its_place(plan_of: PlanOf) -> None:
    _, report = plan_of(page("1"), identify("1", createdAt="never"))
    assert report.warnings.counts == {"invalid_created_at": 1}
    (place,) = report.warnings.places["invalid_created_at"]
    assert (place.line, place.field) == (2, "traits.createdAt")


def test_a_warning_about_a_trait_waits_for_the_write_that_it_goes_into(plan_of: PlanOf) -> None:
    early, late = ({"timestamp": f"2024-03-0{day}"} for day in (1, 2))
    plan, report = plan_of(
        page("1"), identify("1", seats=5) | early, identify("1", seats="five") | late
    )
    assert not report.warnings.counts
    (user,) = plan
    assert [step.warnings for step in plan.steps(user) if isinstance(step, Write)] == [()]


def test_the_rejects_file_gets_each_rejected_record_with_its_line_and_nothing_else(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    path = tmp_path / "rejects.ndjson"
    batch = {"batch": [identify("1"), NOBODY]}
    with RejectsFile(path) as rejects:
        plan_of(page("1"), NOT_JSON, SCREEN, b"\xfe{}", batch, NOBODY, rejects=rejects)
        rejects.finish(replayed=False, complete=True)
    entries = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [(each["line"], each["code"]) for each in entries] == [
        (2, "invalid_json"),
        (4, "invalid_json"),
        (5, "missing_identity"),
        (6, "missing_identity"),
    ]
    assert entries[0]["record"] == NOT_JSON.decode()
    assert orjson.loads(entries[2]["record"]) == NOBODY
    assert kinds(read(path)) == [each["code"] for each in entries]


def test_the_plan_keeps_the_lines_of_messages_only_where_asked_to(plan_of: PlanOf) -> None:
    record = identify("1", "ada@example.com") | {"messageId": "m"}
    for keep, raw in ((True, orjson.dumps(record)), (False, b"")):
        plan, _ = plan_of(record, planning=PlanOptions(keep_lines=keep))
        (user,) = plan
        (write,) = plan.steps(user)
        assert isinstance(write, Write)
        assert [plan.raw(ref) for ref in write.refs] == [raw]


def test_no_source_makes_an_empty_plan() -> None:
    report = Report()
    with Spool() as spool:
        plan = plan_records([], ReadingOptions(), PlanOptions(), spool, report, stdin=io.BytesIO())
        assert (list(plan), report.records) == ([], 0)
