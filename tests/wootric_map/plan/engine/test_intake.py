"""Parts taken in: a plan is the same, however its sources are cut, kept and read side by side."""

import gzip
import io
import marshal
import pickle
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import orjson
import pytest
from bounded import BOUNDS
from examples import examples
from generate import records as generated
from hypothesis import given
from hypothesis import strategies as st
from planned import alias, at, identify, millis, page, track, wootric_id

from wootric_map import Choice, PlanOptions, ReadingOptions, Report, discover, plan_records
from wootric_map.mapping import entries as reading
from wootric_map.model import Rejection
from wootric_map.plan.engine import intake
from wootric_map.plan.engine.intake import IntakeOptions, take_in
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.engine.taken import (
    CHOSEN,
    IDENTIFY,
    KINDS,
    PAGE,
    QUIET,
    TRACK,
    UNFILED,
    Taken,
)
from wootric_map.plan.people import NO_TIME
from wootric_map.plan.planning import intake_workers
from wootric_map.plan.steps import TurnOff, Write
from wootric_map.read import blocks
from wootric_map.read.files import Source
from wootric_map.read.parts import parts
from wootric_map.rejects import RejectsFile

# What a part comes to


def taken_of(
    *records: Mapping[str, Any] | bytes,
    choice: Choice | None = None,
    link_anonymous: bool = False,
    keep: bool = False,
) -> Taken:
    """Take in a part that holds these records."""
    lines = (each if isinstance(each, bytes) else orjson.dumps(each) for each in records)
    part = Source("-", None, None, held=b"".join(line + b"\n" for line in lines))
    options = IntakeOptions(
        ReadingOptions(),
        choice or Choice(),
        link_anonymous=link_anonymous,
        keep_lines=keep,
        keep_rejected=keep,
    )
    handed_over: Taken = pickle.loads(pickle.dumps(take_in(part, options)))  # noqa: S301 - our own
    return handed_over


def test_a_record_is_filed_under_its_first_id_and_ties_the_others() -> None:
    both = identify("1", 1, email=" A@b.co", context=wootric_id("7"))
    taken = taken_of(both, track("1", 2), both)
    assert taken.names == ["u:1", "w:7", "e:a@b.co"]
    assert taken.claims == [(0, 2)]
    assert sorted(taken.ties) == [(0, 1), (1, 2)]
    assert list(taken.columns.numbers) == [0, 0, 0]
    assert list(taken.others) == [2, -1, 2]
    assert not taken.hints


def test_the_lines_and_kinds_of_records_are_told_one_by_one() -> None:
    taken = taken_of(identify("1", 1), b"", track("1", messageId="m"), b"{", page("2", 3), b"")
    assert taken.lines == 5
    assert list(taken.columns.lines) == [1, 3, 5]
    assert [mark & 3 for mark in taken.columns.marks] == [0, 1, 2]
    assert list(taken.columns.times) == [millis(1), NO_TIME, millis(3)]
    assert list(taken.columns.numbers) == [0, 0, 1]
    assert [bool(each) for each in taken.columns.messages] == [False, True, False]
    assert taken.has_tracks


def test_an_email_in_an_events_properties_is_another_id_to_be_filed_under() -> None:
    taken = taken_of(
        track("1", properties={"email": "guest@b.co"}),
        track(None, properties={"email": "a@b.co"}),
        page(None, properties={"email": "a@b.co"}, context=wootric_id("7")),
    )
    assert taken.names == ["u:1", "e:guest@b.co", "e:a@b.co", "w:7"]
    assert taken.ties == []
    assert list(zip(taken.columns.numbers, taken.others, strict=True)) == [(0, 1), (2, -1), (3, 2)]


@pytest.mark.parametrize("link", [True, False])
def test_a_phone_is_a_hint_and_an_anonymous_id_one_if_asked_for(link: bool) -> None:
    taken = taken_of(identify("1", phone="+15550001"), page(None), link_anonymous=link)
    assert taken.names == ["u:1", "p:+15550001", "a:a"]
    assert taken.hints == ([(1, 0), (2, 0)] if link else [(1, 0)])
    assert taken.ties == []


def test_a_very_long_id_is_named_by_its_digest() -> None:
    taken = taken_of(identify("x" * 201), identify("x" * 202), identify("x" * 200))
    assert [len(each) < 210 for each in taken.names] == [True] * 3
    assert len(set(taken.names)) == 3
    assert taken.names[2] == "u:" + "x" * 200


def test_of_a_record_that_is_not_chosen_only_what_serves_later_is_kept() -> None:
    late = Choice(since=millis(9))
    early = identify("1", 1), track("2", 1, messageId="m"), track("3", 1)
    taken = taken_of(*early, page("4", 9), choice=late)
    assert taken.names == ["u:1", "u:4"]
    assert list(taken.columns.numbers) == [0, UNFILED, 1]
    assert list(taken.columns.marks) == [IDENTIFY, TRACK, PAGE | CHOSEN | QUIET]
    assert taken.report.skipped.counts == {"filtered_out": 3}
    assert not taken.has_tracks


@pytest.mark.parametrize("keep", [True, False])
def test_lines_and_rejected_records_are_kept_where_asked_to(keep: bool) -> None:
    record = orjson.dumps(identify("1"))
    batch = orjson.dumps({"batch": [identify("1"), {"type": "nothing"}]})
    taken = taken_of(record, b"{", batch, keep=keep)
    assert taken.report.records == 4
    assert taken.report.rejected.counts == {"invalid_json": 1, "unknown_type": 1}
    assert taken.raw == (record * 2 if keep else b"")
    assert list(taken.columns.raw) == ([len(record)] * 2 if keep else [])
    told = [(line, rejection.code, raw) for line, rejection, raw in taken.rejected]
    expected = [(2, "invalid_json", b"{"), (3, "unknown_type", b'{"type":"nothing"}')]
    assert told == (expected if keep else [])


def test_an_alias_is_told_beside_its_skip() -> None:
    taken = taken_of(alias("a", "1"))
    assert taken.aliases == [("a", "1", 1)]
    assert taken.names == []
    assert taken.report.skipped.counts == {"unsupported_type": 1}


def test_a_part_without_records_comes_to_nothing() -> None:
    taken = taken_of(b"", b"{", b" ")
    assert taken.lines == 2
    assert (taken.data, taken.raw, len(taken.sizes)) == (b"", b"", 0)
    assert [len(column) for column in taken.columns] == [0] * 9


_VALUES = st.sampled_from(
    [
        None,
        "",
        " ",
        "x",
        "a@b.co",
        "n/a",
        "+15550001",
        "2024-03-05",
        "soon",
        7,
        1.0,
        1.5,
        True,
        ["x"],
        {"a": 1},
    ]
)
_FIELDS = st.dictionaries(
    st.sampled_from(
        ["email", "E-mail", "phone", "createdAt", "language", "url", "path", "name", "plan", "a.b"]
    ),
    _VALUES,
    max_size=4,
)
_COMMON = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["identify", "track", "page"]),
        "userId": st.sampled_from(["1", "2", " ", "c@d.co"]),
        "messageId": st.sampled_from(["m1", "m2", "m3", ""]),
        "timestamp": st.sampled_from(["2024-03-05T01:02:03.004Z", "2024-02-30T00:00:00Z"]),
        "event": st.sampled_from(["Left", "Came"]),
        "traits": st.just({"email": "a@b.co"}) | _FIELDS,
        "properties": st.just({"plan": "pro"}) | _FIELDS,
        "context": st.fixed_dictionaries(
            {},
            optional={
                "traits": _FIELDS,
                "page": _FIELDS,
                "externalId": st.just([{"type": "wootricEndUserId", "id": "7"}]),
            },
        ),
    },
    optional={"name": _VALUES},
)

_CHOICES = st.sampled_from(
    [
        Choice(),
        Choice(types=frozenset({"identify", "page"})),
        Choice(types=frozenset({"page"})),
        Choice(events=("Came",)),
        Choice(since=NO_TIME),
    ]
)


@given(st.lists(_COMMON, max_size=4), _CHOICES, st.booleans())
def test_the_quick_way_takes_in_what_the_long_one_does(
    records: list[dict[str, Any]], choice: Choice, link_anonymous: bool
) -> None:
    quick = taken_of(*records, choice=choice, link_anonymous=link_anonymous)
    # Nothing is turned off by it, but it is worth a longer look.
    looked_at = ({**record, "options": {}} for record in records)
    long = taken_of(*looked_at, choice=choice, link_anonymous=link_anonymous)
    if all(record["messageId"] for record in records):  # else the lines themselves are kept
        # The lines are not the same, and so are their digests.
        columns = quick.columns._replace(digests=long.columns.digests)
        quick_rest = quick._replace(columns=columns, data=b"", sizes=long.sizes)
        assert quick_rest == long._replace(data=b"")
        assert _without_digests(quick) == _without_digests(long)
    assert quick.report == long.report
    assert list(quick.columns.numbers) == list(long.columns.numbers)
    assert list(map(bool, quick.columns.messages)) == list(map(bool, long.columns.messages))


def _without_digests(taken: Taken) -> list[tuple[Any, ...]]:
    data, records = io.BytesIO(taken.data), []
    for size in taken.sizes:
        if size:
            *kept, _ = marshal.loads(data.read(size))  # noqa: S302 - our own
            records.append(tuple(kept))
    return records


# What all parts come to

_EMAILS = st.sampled_from(["a@b.co", "A@b.co ", "c@d.co", "e@f.co"])
_USERS = st.sampled_from(["1", "2", "3", "x@y.zz", " ", "x" * 300])
_TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "email": _EMAILS,
        "phone": st.sampled_from(["+15550001", "+15550002", None]),
        "plan": st.sampled_from(["free", "pro", None]),
        "createdAt": st.sampled_from([1_400_000_000, "2018-08-03", "never", None]),
        "created": st.sampled_from(["soon", 1]),
    },
)
_KINDS = (
    st.fixed_dictionaries({"type": st.just("identify"), "traits": _TRAITS})
    | st.fixed_dictionaries(
        {
            "type": st.sampled_from(["track", "page"]),
            "event": st.sampled_from(["Signed Up", "Left", ""]),
            "properties": st.fixed_dictionaries(
                {}, optional={"email": _EMAILS, "path": st.just("/a"), "seats": st.just(5)}
            ),
            "context": st.fixed_dictionaries(
                {}, optional={"traits": _TRAITS, "externalId": st.just(wootric_id("7"))}
            ),
        }
    )
    | st.fixed_dictionaries({"type": st.just("alias"), "previousId": _USERS})
    | st.fixed_dictionaries({"type": st.sampled_from(["group", "nothing"])})
)
_OBJECTS = st.builds(
    lambda kind, ids, time: {**kind, **ids, "timestamp": time},
    _KINDS,
    st.fixed_dictionaries(
        {},
        optional={
            "anonymousId": st.sampled_from("ab"),
            "userId": _USERS,
            "messageId": st.sampled_from("mno"),
        },
    ),
    st.none() | st.integers(0, 5).map(at) | st.just("once"),
)
_LINES = st.one_of(
    _OBJECTS.map(orjson.dumps),
    _OBJECTS.map(orjson.dumps),
    st.lists(_OBJECTS, max_size=3).map(lambda batch: orjson.dumps({"batch": batch})),
    st.sampled_from([b"", b" ", b"\r", b"{", b"[]", b"\xff"]),
)
_FILES = st.lists(st.lists(_LINES, max_size=12), min_size=1, max_size=3)
_OPTIONS = st.builds(
    PlanOptions,
    fold=st.booleans(),
    link_anonymous=st.booleans(),
    keep_lines=st.booleans(),
    choice=st.builds(
        Choice,
        since=st.sampled_from([None, None, millis(2)]),
        types=st.sampled_from([frozenset(), frozenset(), frozenset({"identify", "page"})]),
        events=st.sampled_from([(), (), ("Sign*",)]),
        users=st.sampled_from([frozenset(), frozenset(), frozenset({"1", "c@d.co", "nobody"})]),
        limit=st.sampled_from([None, None, 0, 3]),
    ),
)

Bounds = Callable[[], AbstractContextManager[None]]


def whole(
    paths: Sequence[Path],
    options: PlanOptions,
    *,
    part: int,
    block: int = 1024 * 1024,
    processes: int = 1,
    bounds: Bounds = BOUNDS["as it is"],
    most: int | None = None,
) -> tuple[Any, ...]:
    """All that a plan holds and tells, with the place of each record; `part` is about a part's bytes."""
    report = Report()
    rejects = paths[0].with_name("rejects")
    with (
        pytest.MonkeyPatch.context() as patch,
        bounds(),
        Spool() as spool,
        RejectsFile(rejects) as rejected,
    ):
        patch.setattr(reading, "PART_BYTES", part)
        patch.setattr(blocks, "BLOCK_BYTES", block)
        if most is not None:
            patch.setattr(intake, "_MOST_BYTES", most)
        found, how = discover(map(str, paths)), ReadingOptions()
        with intake_workers(
            found, how, options, processes=processes, keep_rejected=True
        ) as workers:
            plan = plan_records(
                found,
                how,
                options,
                spool,
                report,
                stdin=io.BytesIO(),
                workers=workers,
                rejects=rejected,
            )
        users = [
            (
                end_user.person.number,
                end_user.person.kinds,
                list(end_user.identifiers()),
                [
                    (
                        list(step.refs),
                        [plan.raw(ref) for ref in step.refs],
                        step.key,
                        () if isinstance(step, TurnOff) else step.warnings,
                        (step.upsert, step.origins) if isinstance(step, Write) else step.call,
                    )
                    for step in plan.steps(end_user)
                ],
            )
            for end_user in plan
        ]
        rejected.finish(replayed=False, complete=True)
        told = rejects.read_bytes() if rejects.exists() else b""
        rejects.unlink(missing_ok=True)
        return users, report, plan.has_tracks, plan.unknown_users, told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("intake")


def written(folder: Path, files: Sequence[Sequence[bytes]], packed: int) -> list[Path]:
    """Write the files; of the bits of `packed` each says whether one is gzip."""
    paths = []
    for number, lines in enumerate(files):
        content = b"\n".join(lines)
        path = folder / f"{number}.ndjson"
        path.write_bytes(gzip.compress(content) if packed >> number & 1 else content)
        paths.append(path)
    return paths


@given(_FILES, st.integers(0, 7), _OPTIONS, st.integers(1, 2000), st.sampled_from(sorted(BOUNDS)))
def test_a_plan_is_the_same_however_it_is_cut_and_kept(
    folder: Path,
    files: list[list[bytes]],
    packed: int,
    options: PlanOptions,
    part: int,
    kept: str,
) -> None:
    paths = written(folder, files, packed)
    at_one_go = whole(paths, options, part=1_000_000)
    assert whole(paths, options, part=part, block=64, bounds=BOUNDS[kept]) == at_one_go


@examples(8)
@given(
    st.lists(st.lists(_LINES, min_size=12, max_size=20), min_size=1, max_size=3),
    st.integers(0, 7),
    _OPTIONS,
    st.integers(50, 500),
)
def test_a_plan_is_the_same_however_many_processes_read(
    folder: Path, files: list[list[bytes]], packed: int, options: PlanOptions, part: int
) -> None:
    paths = written(folder, files, packed)
    alone = whole(paths, options, part=1_000_000)
    for processes in (2, 5):
        assert whole(paths, options, part=part, block=64, processes=processes) == alone


@examples(50)
@given(
    st.lists(st.lists(_LINES, max_size=20), min_size=1, max_size=2),
    _OPTIONS,
    st.integers(50, 2000),
    st.integers(0, 1000),
)
def test_a_plan_is_the_same_however_much_of_a_part_is_taken_in_at_once(
    folder: Path, files: list[list[bytes]], options: PlanOptions, part: int, most: int
) -> None:
    paths = written(folder, files, 0)
    assert whole(paths, options, part=part, most=most) == whole(paths, options, part=1_000_000)


def written_in(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).split(b"\n")


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_an_export_of_some_size_is_the_same_in_parts(folder: Path, processes: int) -> None:
    made = (each for each in generated(1200, 100, 1) if each["type"] in KINDS)
    lines = list({each["messageId"]: orjson.dumps(each) for each in made}.values())[:900]
    random.Random(1).shuffle(lines)
    again = random.Random(2).sample(lines, 150)
    paths = written(folder, [lines[:600], lines[600:] + again, again], 0b10)
    options = PlanOptions(keep_lines=True)
    alone = whole(paths, options, part=100_000_000)
    assert whole(paths, options, part=15_000, processes=processes) == alone
    users, *_ = alone
    held = {str(path): written_in(path) for path in paths}
    placed = [
        (ref, raw)
        for *_, steps in users
        for refs, raws, *_ in steps
        for ref, raw in zip(refs, raws, strict=True)
    ]
    assert len(placed) == len(lines)
    assert all(held[ref.source][ref.line - 1] == raw for ref, raw in placed)
    giants = BOUNDS["some giants"]
    assert whole(paths, options, part=15_000, processes=processes, bounds=giants) == alone


@given(st.lists(_LINES, max_size=25), st.integers(1, 1000))
def test_warnings_and_skips_are_counted_and_placed_as_at_one_go(
    folder: Path, lines: list[bytes], size: int
) -> None:
    """Of each code the first places, of each field the first one alone."""
    (path,) = written(folder, [lines], 0)
    (source,) = discover([str(path)])
    options = IntakeOptions(
        ReadingOptions(), Choice(), link_anonymous=True, keep_lines=False, keep_rejected=True
    )
    report, before = Report(), 0
    rejected: list[tuple[int, Rejection, bytes]] = []
    for part in parts(source, size, stdin=io.BytesIO()):
        taken = take_in(part, options)
        report.add(taken.report, before)
        rejected += ((line + before, why, raw) for line, why, raw in taken.rejected)
        before += taken.lines
    alone = take_in(source, options)
    assert report == alone.report
    assert list(report.warnings.counts) == list(alone.report.warnings.counts)
    assert rejected == alone.rejected
    assert before == alone.lines


# What is told of records that are only read


@pytest.mark.parametrize("link_anonymous", [False, True])
def test_records_with_nothing_but_placeholders_for_ids_are_nobodys(link_anonymous: bool) -> None:
    nobody = {"userId": "undefined", "anonymousId": "null"}
    records: list[dict[str, Any]] = [
        {"type": "identify", "traits": {"plan": "pro"}, "messageId": "m1", **nobody},
        {"type": "track", "event": "Left", "messageId": "m2", **nobody},
        {"type": "page", "messageId": "m3", **nobody},
        {"type": "identify", "traits": {"email": "a@b.co"}, "messageId": "m4", **nobody},
        {"type": "identify", "traits": {"email": "c@d.co"}, "messageId": "m5", **nobody},
    ]
    taken = taken_of(*records, link_anonymous=link_anonymous)
    assert taken.report.warnings.counts == {"placeholder_id": 2}
    first, *_, ada, bob = taken.columns.numbers
    assert list(taken.columns.numbers) == [first, first, first, ada, bob]
    assert len({first, ada, bob}) == 3
    assert not taken.ties
    assert not taken.hints


def test_the_warnings_of_records_and_of_skipped_ones_are_counted() -> None:
    late = {"timestamp": "2031-01-01T00:00:00Z", "receivedAt": "2024-01-01T00:00:00Z"}
    some = {"consent": {"categoryPreferences": {"a": True, "b": False}}}
    taken = taken_of(
        {"type": "page", "userId": "1", "messageId": "m1", **late},
        {"type": "page", "userId": "1", "messageId": "m2", "context": some},
        {"type": "page", "userId": "1", "messageId": "m3", "context": some},
        {"type": "page", "userId": "1", "anonymousId": "null", "integrations": {"all": 0}},
        {"type": "alias", "userId": "1", "previousId": "undefined"},
    )
    assert taken.report.warnings.counts == {
        "future_timestamp": 1,
        "consent_not_judged": 1,
        "placeholder_id": 2,
    }
    assert taken.report.skipped.counts == {"integration_disabled": 1, "unsupported_type": 1}
