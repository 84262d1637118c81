"""Records taken in: a plan is the same, however its sources are cut, kept and read side by side."""

import gzip
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from bounded import giants
from examples import examples
from generate import records as generated
from hypothesis import given
from hypothesis import strategies as st
from planned import PlanOf, alias, at, identify, millis, page, planned, track, wootric_id
from told import WAYS, everything, read_by

from wootric_map import Choice, PlanOptions

_MEGABYTE = 1024 * 1024

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


@examples(15)
@given(
    _FILES,
    st.integers(0, 7),
    _OPTIONS,
    st.integers(1, 2000),
    st.sampled_from(WAYS),
    st.sampled_from([1, 4]),
    st.sampled_from([None, 1, 800]),
)
def test_a_plan_is_the_same_however_it_is_cut_and_kept(
    folder: Path,
    files: list[list[bytes]],
    packed: int,
    options: PlanOptions,
    part: int,
    way: str,
    threads: int,
    giant: int | None,
) -> None:
    paths = written(folder, files, packed)
    with read_by("exact"):
        at_one_go = everything(paths, options)
    with read_by(way), giants(giant or 8 * _MEGABYTE, part):
        others = everything(paths, options, part=part, block=64, threads=threads)
    if giant:  # whoever is a giant is not told in short
        others["overview"] = at_one_go["overview"]
    for told, same in at_one_go.items():
        assert others[told] == same, told


def written_in(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).split(b"\n")


def test_an_export_of_some_size_is_the_same_with_threads_and_little_memory(folder: Path) -> None:
    made = (
        each for each in generated(1200, 100, 1) if each["type"] in ("identify", "track", "page")
    )
    lines = list({each["messageId"]: orjson.dumps(each) for each in made}.values())[:900]
    random.Random(1).shuffle(lines)
    again = random.Random(2).sample(lines, 150)
    paths = written(folder, [lines[:600], lines[600:] + again, again], 0b10)
    options = PlanOptions(keep_lines=True)
    alone = everything(paths, options)
    held = {str(path): written_in(path) for path in paths}
    placed = [
        (ref, raw)
        for user in alone["users"]
        for refs, raws, *_ in user["steps"]
        for ref, raw in zip(refs, raws, strict=True)
    ]
    assert len(placed) == len(lines)
    assert all(held[ref.source][ref.line - 1] == raw for ref, raw in placed)
    assert everything(paths, options, part=15_000, threads=4) == alone
    with read_by("parts"):
        assert everything(paths, options, threads=4, memory=64 * _MEGABYTE) == alone
    loose = everything(paths)
    with read_by("file"):
        assert everything(paths, threads=4, memory=64 * _MEGABYTE) == loose
        giants_told = everything(paths, giant=1)
    assert giants_told["users"] == loose["users"]
    assert giants_told["rehearsed"] == loose["rehearsed"]


def test_several_records_of_a_line_have_numbers_of_their_own(tmp_path: Path) -> None:
    batch = orjson.dumps({"batch": [track("1", 3), identify("1", 1), {"type": "no"}, page("1", 2)]})
    files: list[list[Any]] = [[batch, track("1", 4), batch + batch], [b"", batch]]
    with planned(tmp_path, *files, options=PlanOptions(fold=False)) as made:
        (person,) = made.plan.spool.people()
        found = [(Path(each.source).name, each.line) for each in person.replayed_rows]
        numbers = [each.number for each in person.replayed_rows]
    expected = (
        [("0.ndjson", 1)] * 3 + [("0.ndjson", 2)] + [("0.ndjson", 3)] * 6 + [("1.ndjson", 2)] * 3
    )
    assert sorted(found) == expected
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) >= 1
    assert made.report.rejected.counts == {"unknown_type": 4}


# What is told of records that are only read


@pytest.mark.parametrize("link_anonymous", [False, True])
def test_records_with_nothing_but_placeholders_for_ids_are_nobodys(
    plan_of: PlanOf, link_anonymous: bool
) -> None:
    nobody = {"userId": "undefined", "anonymousId": "null"}
    records: list[Mapping[str, Any]] = [
        {"type": "identify", "traits": {"plan": "pro"}, "messageId": "m1", **nobody},
        {"type": "track", "event": "Left", "messageId": "m2", **nobody},
        {"type": "page", "messageId": "m3", **nobody},
        {"type": "identify", "traits": {"email": "a@b.co"}, "messageId": "m4", **nobody},
        {"type": "identify", "traits": {"email": "c@d.co"}, "messageId": "m5", **nobody},
    ]
    made = plan_of(*records, options=PlanOptions(link_anonymous=link_anonymous))
    assert made.report.warnings.counts == {"placeholder_id": 2}
    found = [
        sorted(row.line for rows in (each.identifies, each.replayed_rows) for row in rows)
        for each in made.plan.spool.people()
    ]
    assert sorted(found) == [[1, 2, 3], [4], [5]]


def test_the_warnings_of_records_and_of_skipped_ones_are_counted(plan_of: PlanOf) -> None:
    late = {"timestamp": "2031-01-01T00:00:00Z", "receivedAt": "2024-01-01T00:00:00Z"}
    some = {"consent": {"categoryPreferences": {"a": True, "b": False}}}
    made = plan_of(
        {"type": "page", "userId": "1", "messageId": "m1", **late},
        {"type": "page", "userId": "1", "messageId": "m2", "context": some},
        {"type": "page", "userId": "1", "messageId": "m3", "context": some},
        {"type": "page", "userId": "1", "anonymousId": "null", "integrations": {"all": 0}},
        {"type": "alias", "userId": "1", "previousId": "undefined"},
    )
    assert made.report.warnings.counts == {
        "future_timestamp": 1,
        "consent_not_judged": 1,
        "placeholder_id": 2,
    }
    assert made.report.skipped.counts == {"integration_disabled": 1, "unsupported_type": 1}


def test_an_alias_is_counted_and_ties(plan_of: PlanOf) -> None:
    made = plan_of(alias("2", "1"), track("1", 1), track("2", 2))
    assert made.report.skipped.counts == {"unsupported_type": 1}
    (person,) = made.plan.spool.people()
    assert len(person.replayed_rows) == 2


def test_a_phone_is_a_hint_and_an_anonymous_id_one_if_asked_for(plan_of: PlanOf) -> None:
    records = (
        identify("1", 1, phone="+15550001"),
        track(None, 2),
        identify(None, 3, phone="+15550001"),
    )
    for link, expected in ((False, [[1, 3], [2]]), (True, [[1, 3, 2]])):
        made = plan_of(*records, options=PlanOptions(link_anonymous=link))
        found = [
            [row.line for rows in (each.identifies, each.replayed_rows) for row in rows]
            for each in made.plan.spool.people()
        ]
        assert found == expected
