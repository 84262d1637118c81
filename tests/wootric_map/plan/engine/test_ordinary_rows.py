"""What the database takes for ordinary is what the exact reader would make of it."""

import random
import tempfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from nasty_lines import nasty_export, nasty_line
from planned import identify, page, track
from told import WAYS, everything, read_by

from wootric_map import Choice, PlanOptions, ReadingOptions
from wootric_map.plan.engine.exact_rows import ExactRows


def in_all_ways(
    path: Path,
    options: PlanOptions | None = None,
    reading: ReadingOptions | None = None,
    **how: int,
) -> dict[str, Any]:
    """All that a plan tells, made by the exact reader alone; with the database's proof it is the same."""
    told = {}
    for way in WAYS:
        with read_by(way):
            told[way] = everything([path], options, reading, **how)
    exact = told["exact"]
    for way, other in told.items():
        for key, same in exact.items():
            assert other[key] == same, (way, key)
    return exact


_CHOICES = st.sampled_from(
    [
        *[Choice()] * 4,
        Choice(since=1_709_287_200_000, limit=20),
        Choice(until=1_719_287_200_000),
        Choice(types=frozenset({"identify"})),
        Choice(types=frozenset({"track", "page"}), events=("Sign*", "under_*")),
        Choice(types=frozenset({"page"}), limit=3),
        Choice(events=("*%*", "it's", 'Say "Hi"')),
        Choice(users=frozenset({"user-1", "user-2@example.com", "it's"}), limit=9),
    ]
)
_OPTIONS = st.builds(
    PlanOptions,
    fold=st.sampled_from([True, True, False]),
    keep_lines=st.booleans(),
    choice=_CHOICES,
    array_suffix=st.sampled_from([False, False, False, True]),
)
_READING = st.builds(
    ReadingOptions,
    max_line_bytes=st.sampled_from([1024 * 1024, 1024 * 1024, 800]),
    ignore_integrations=st.booleans(),
    traits_from=st.sampled_from(["auto", "auto", "traits", "context"]),
    consent_categories=st.sampled_from([(), (), ("a",)]),
)


@examples(8)
@given(
    st.lists(st.randoms(use_true_random=False).map(nasty_line), min_size=50, max_size=80),
    st.randoms(use_true_random=False),
    _OPTIONS,
    _READING,
    st.sampled_from([1_000_000, 5_000]),
)
def test_a_plan_is_the_same_without_the_proof(
    lines: list[bytes],
    chance: random.Random,
    options: PlanOptions,
    reading: ReadingOptions,
    part: int,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.ndjson"
        path.write_bytes(nasty_export(lines, chance))
        in_all_ways(path, options, reading, part=part)


# Faults that were found once


def taken(folder: Path, *records: dict[str, Any] | bytes, **options: Any) -> dict[str, Any]:
    """All that a plan tells of these records, which is the same without the proof."""
    path = folder / "export.ndjson"
    path.write_bytes(b"".join(line_of(each) + b"\n" for each in records))
    return in_all_ways(path, PlanOptions(**options))


def line_of(record: dict[str, Any] | bytes) -> bytes:
    return record if isinstance(record, bytes) else orjson.dumps(record)


def ordinary(record: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """The record with all that Segment writes, so that it may be ordinary."""
    time = f"2024-03-01T10:00:{number:02}.000Z"
    return {
        "messageId": f"m{number}",
        "timestamp": time,
        "receivedAt": time,
        "context": {},
    } | record


PLAIN = (
    ordinary(identify("1", email="a@b.co", plan="pro")),
    ordinary(track("1", properties={"sum": 1.5}), 2),
    ordinary(page("1", properties={"url": "https://b.co/", "path": "/"}), 3),
)


def test_plain_records_are_proved_to_be_ordinary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all other tests here would compare the exact reader with itself."""
    exactly: list[object] = []
    add = ExactRows.add

    def noted(own: ExactRows, *record: Any, **how: Any) -> None:
        exactly.append(record)
        add(own, *record, **how)

    monkeypatch.setattr(ExactRows, "add", noted)
    path = tmp_path / "export.ndjson"
    path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in PLAIN))
    for way in WAYS:
        with read_by(way):
            told = everything([path])
        assert told["report"].records == 3
        assert len(exactly) == (3 if way == "exact" else 0)


def test_a_number_that_is_none_is_rejected_wherever_it_stands(tmp_path: Path) -> None:
    places = ("context", "traits", "properties", "_metadata", "name")
    numbers = ("1e400", "-1E+400", "NaN", "-Infinity", "[1e400]", "nan", "1e5", "-0", "1.0")
    lines = [
        orjson.dumps(PLAIN[1])[:-1] + f',"{place}":{written}}}'.encode()
        for place in places
        for number in numbers
        for written in ([number] if place == "name" else [f'{{"x":{number}}}'])
    ]
    told = taken(tmp_path, *lines, *PLAIN)
    assert told["report"].rejected.counts == {"invalid_json": 6 * len(places)}


def test_a_field_does_not_hide_behind_a_number_that_is_read_longer_than_it_is(
    tmp_path: Path,
) -> None:
    """1e1 is written again as 10.0, one byte longer."""
    lines = []
    for field in ('"userId":"2"', '"options":{}', '"batch":[1]', '"type":"page"'):
        grows = ",".join(["1e1"] * (len(field) + 1))
        line = orjson.dumps(PLAIN[1] | {"context": 0}).replace(
            b'"context":0', f'"context":{{"x":[{grows}]}}'.encode()
        )
        lines += [line[:-1] + f",{field}}}".encode(), b"{" + field.encode() + b"," + line[1:]]
    taken(tmp_path, *lines, *PLAIN)


def test_a_long_id_is_kept_by_its_digest(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []
    for size in (190, 196, 197, 198, 199, 200, 201, 300):
        long = "x" * (size - 5) + "@b.co"
        records.append(PLAIN[0] | {"traits": {"email": long}, "messageId": f"e{size}"})
        records += (
            PLAIN[0] | {"messageId": f"m{size}"} | {where: long, "type": kind}
            for where in ("userId", "anonymousId", "messageId", "previousId")
            for kind in ("identify", "alias")
        )
    taken(tmp_path, *records, *PLAIN)


_EMPTY: tuple[Any, ...] = (None, {}, [])


def test_an_object_may_be_null_or_empty(tmp_path: Path) -> None:
    records = [
        each | {field: value, "messageId": f"{number} {field} {value}"}
        for number, each in enumerate(PLAIN)
        for field in ("traits", "properties", "context", "integrations")
        for value in _EMPTY
    ]
    told = taken(tmp_path, *records)
    assert not told["report"].rejected.counts
    assert not told["report"].skipped.counts


def test_integrations_in_any_spelling_turn_a_record_off(tmp_path: Path) -> None:
    ours = (
        "Wootric",
        "in moment",
        "In-Moment",
        "i.n.moment",
        "InMoment (Wootric)",
        "a-l-l",
        "W OOTRIC",
        "ALL ",
    )
    others = ("Mixpanel", "Google Ads", "small", "Webhooks", "Wootrics")
    records = [
        each | {"integrations": {name: False}, "messageId": name}
        for each in PLAIN
        for name in (*ours, *others)
    ]
    told = taken(tmp_path, *records)
    assert told["report"].skipped.counts == {"integration_disabled": 3 * len(ours)}


@pytest.mark.parametrize("choice", [Choice(limit=1), Choice(users=frozenset({"nobody"}))])
def test_who_shares_a_message_id_and_is_left_out_is_met_once(
    tmp_path: Path, choice: Choice
) -> None:
    one = ordinary(identify("1", email="a@b.co"))
    other = ordinary(identify("2", email="c@d.co"), 5) | {"messageId": "m1"}
    told = taken(tmp_path, one, other, choice=choice)
    rows = [(row.line, row.chosen) for each in told["users"] for row in each["rows"]]
    assert rows == [(1, choice.limit == 1), (2, False)]
    assert told["report"].skipped.counts == {"filtered_out": 1 if choice.limit else 2}


def test_a_date_is_found_under_any_spelling(tmp_path: Path) -> None:
    keys = (
        "created*at", "*created*", "created[0]", "$.created", "created.at", "cre\\u0061ted", "created\\\"at",
        "cr\\u00e9ated", "CREATED AT", "'created'", "created_at", "created]", "#created", "created",
    )  # fmt: skip
    values = ('"2020-01-01T00:00:00Z"', '"soon"', "5", "null", "[1]")
    lines = [
        orjson.dumps(PLAIN[0] | {"userId": f"{key} {value}", "traits": 0}).replace(
            b'"traits":0', f'"traits":{{"{key}":{value}}}'.encode()
        )
        for key in keys
        for value in values
    ]
    taken(tmp_path, *lines, *PLAIN)
