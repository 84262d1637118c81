"""Where a plan keeps its records: read again by end user, in time order, whatever comes how."""

import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from threading import Barrier
from typing import Any

import orjson
import pytest
from bounded import giants
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from planned import Planned, PlanOf, alias, identify, millis, page, planned, track

from wootric_map import Choice, PlanOptions
from wootric_map.mapping.record_keys import line_digest
from wootric_map.plan.engine import intake
from wootric_map.plan.engine.found import Row
from wootric_map.plan.engine.rows import IDENTIFY, PAGE, TRACK
from wootric_map.plan.people import EMAIL, NO_TIME, USER


@pytest.fixture(params=["as it is", "by the database", "giants"])
def any_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep records in each way, which must make no difference."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "by the database":
            patch.setattr(intake, "_SMALL", 0)
        if request.param != "giants":
            yield
            return
        with giants():
            yield


def rows(made: Planned) -> list[list[Row]]:
    """Of each end user their records: the identifies, then what comes in its turn."""
    return [
        list(each.replayed_rows)
        if any(row.kind == IDENTIFY for row in each.replayed_rows)
        else [*each.identifies, *each.replayed_rows]
        for each in made.plan.spool.people()
    ]


def lines(made: Planned) -> list[list[int]]:
    """The same, of each record its line."""
    return [[row.line for row in own] for own in rows(made)]


def left_out(made: Planned) -> list[tuple[str, int]]:
    """The code and the line of each skipped record of which the place is kept."""
    places = made.report.skipped.places
    return sorted((code, place.line) for code, found in places.items() for place in found)


def moment(milliseconds: int) -> str:
    """A time in the year 2024, or before 1970."""
    year = 2024 if milliseconds >= 0 else 1969
    return f"{year}-03-01T00:00:00.{abs(milliseconds):03}Z"


# Records in their order


def test_records_come_in_time_order_those_without_a_time_first(
    any_way: None, plan_of: PlanOf
) -> None:
    times = [moment(30), None, moment(-5), moment(0), moment(10)]
    made = plan_of(*(track("1", messageId=f"m{n}", timestamp=each) for n, each in enumerate(times)))
    assert lines(made) == [[2, 3, 4, 5, 1]]
    assert rows(made)[0][0].time is None


def test_records_of_one_time_are_ordered_by_message_id_those_without_by_their_line_first(
    any_way: None, plan_of: PlanOf
) -> None:
    ids = ["b", "a", None, None, "\uffff", "\U00010000"]
    letters = "xyzyxx"
    made = plan_of(
        *(
            track("1", 7, properties={"x": letter}) | ({"messageId": each} if each else {})
            for letter, each in zip(letters, ids, strict=True)
        )
    )
    assert lines(made) == [[4, 3, 2, 1, 5, 6]]
    assert [row.message_id for row in rows(made)[0]][2:] == ["a", "b", "\uffff", "\U00010000"]


def test_lines_that_are_the_same_to_the_letter_stay_in_the_order_they_came(
    any_way: None, plan_of: PlanOf
) -> None:
    made = plan_of(*[track("1", 7)] * 10)
    assert lines(made) == [list(range(1, 11))]
    assert len({event.key for event in made.events()}) == 10


def test_a_row_tells_where_its_record_stands(any_way: None, tmp_path: Path) -> None:
    last = track("1", 3)
    first = identify("1", 1, messageId="m1"), page("1", 2, messageId="m2")
    with planned(tmp_path, [b"", *first], [last]) as made:
        (own,) = rows(made)
    assert [each[:4] for each in own] == [
        (1 + 1, IDENTIFY, True, millis(1)),
        (2 + 1, PAGE, True, millis(2)),
        (3 + 1, TRACK, True, millis(3)),
    ]
    assert [(each.message_id, each.digest) for each in own] == [
        ("m1", b""),
        ("m2", b""),
        (None, line_digest(orjson.dumps(last))),
    ]
    assert [(Path(each.source).name, each.line) for each in own] == [
        ("0.ndjson", 2),
        ("0.ndjson", 3),
        ("1.ndjson", 1),
    ]


def test_a_digest_is_the_same_for_the_same_line_alone() -> None:
    """Journals hold it, so it must never change."""
    assert line_digest(b'{"type":"track"}') == blake2b(b'{"type":"track"}', digest_size=16).digest()
    assert line_digest(b"") == bytes.fromhex("cae66941d9efbd404e4d88758ea67670")


@pytest.mark.parametrize(
    "value",
    [1.5, -0.0, 2**70, -(2**70), 2**63, True, None, "\U0001f600", "\0", "", [{"b": [1, None]}]],
)
def test_a_value_is_given_back_as_it_was(any_way: None, plan_of: PlanOf, value: object) -> None:
    line = orjson.dumps(track("1", 1, messageId="m", properties={"é": {"": 0}}))
    made = plan_of(line.replace(b'{"":0}', json.dumps(value).encode()))
    ((row,),) = rows(made)
    assert repr(row.payload[3]) == repr({"é": value})


def test_events_come_after_all_identifies_or_each_in_its_turn(
    any_way: None, plan_of: PlanOf
) -> None:
    records = track("1", 1), identify("1", 2), page("1", 3), identify("1", 4)
    found = []
    for fold in (True, False):
        (person,) = plan_of(*records, options=PlanOptions(fold=fold)).plan.spool.people()
        found.append([[row.line for row in each] for each in (person[3], person[4])])
    assert found == [[[2, 4], [1, 3]], [[2, 4], [1, 2, 3, 4]]]


@pytest.mark.parametrize("record", [identify("1"), track("1")])
def test_an_end_user_may_have_no_events_or_nothing_else(
    any_way: None, plan_of: PlanOf, record: dict[str, Any]
) -> None:
    (person,) = plan_of(record).plan.spool.people()
    is_identify = record["type"] == "identify"
    assert [len(person.identifies), len(person.replayed_rows)] == [is_identify, not is_identify]


def test_an_end_users_records_may_be_gone_through_again_and_looked_for(
    any_way: None, plan_of: PlanOf
) -> None:
    made = plan_of(*(track("1", minute) for minute in range(9)))
    (person,) = made.plan.spool.people()
    first = list(person.replayed_rows)
    assert list(person.replayed_rows) == first
    assert first[4] in person.replayed_rows
    assert first[4]._replace(payload="another") not in person.replayed_rows
    pairs = list(zip(person.replayed_rows, person.replayed_rows, strict=True))
    assert all(row == same for row, same in pairs)
    assert [each.number for each in made.plan.spool.people()] == [1]


def test_end_users_are_numbered_from_1_by_when_they_were_first_met(
    any_way: None, plan_of: PlanOf
) -> None:
    made = plan_of(
        identify("1", 30, email="a@b.co"),
        track(None, 20, properties={"email": "c@d.co"}),
        track("3", None),
        track(None, 10, properties={"email": "a@b.co"}),
    )
    people = list(made.plan.spool.people())
    assert [(each.number, each.kinds) for each in people] == [
        (1, USER),
        (2, USER | EMAIL),
        (3, EMAIL),
    ]
    assert lines(made) == [[3], [1, 4], [2]]
    ids = [made.plan.spool.names.of(each.root) for each in people]
    assert ids == [[("u:3", True)], [("e:a@b.co", True), ("u:1", True)], [("e:c@d.co", True)]]


def test_end_users_met_at_one_time_are_numbered_by_their_least_name(
    any_way: None, plan_of: PlanOf
) -> None:
    # An id without records may be the least name: that of 2 is a:9.
    users = [track(each, 5) for each in ("4", "3", "1", "2")]
    made = plan_of(*users, track(None, 5, properties={"email": "z@z.co"}), alias("9", "2"))
    assert lines(made) == [[4], [5], [3], [2], [1]]


def test_of_somebody_who_is_not_chosen_only_identifies_are_met(
    any_way: None, plan_of: PlanOf
) -> None:
    late = PlanOptions(choice=Choice(since=millis(2)))
    made = plan_of(
        track("1", 1, messageId="m"), track("2", 1), identify("3", 1), track("4", 2), options=late
    )
    assert [[(row.line, row.chosen) for row in own] for own in rows(made)] == [
        [(3, False)],
        [(4, True)],
    ]
    assert left_out(made) == [("filtered_out", line) for line in (1, 2, 3)]


def test_an_end_user_of_whom_all_was_repeated_has_no_records(
    any_way: None, plan_of: PlanOf
) -> None:
    repeated = (
        track(None, n, messageId="m", properties={"email": f"{n}@b.co"}, anonymousId="a")
        for n in (1, 2)
    )
    made = plan_of(*repeated, track("3", 3))
    assert [each.number for each in made.plan.spool.people()] == [1, 3]
    assert lines(made) == [[1], [3]]


@pytest.mark.parametrize("content", [b"", b"\n", b"{", b"\xff\n\n"])
def test_nothing_read_is_nobody(any_way: None, tmp_path: Path, content: bytes) -> None:
    with planned(tmp_path, [content]) as made:
        assert list(made.plan.spool.people()) == []
        assert list(made.plan.spool.left_out()) == []
        assert made.plan.raw is not None


_RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "3"]),
        st.none() | st.integers(-2, 2) | st.sampled_from([999]),
        st.sampled_from(["", "x", "\x7f", "é"]),
        st.sampled_from([IDENTIFY, TRACK, PAGE]),
    ),
    max_size=30,
)


@examples(25)
@given(_RECORDS, st.booleans(), st.booleans(), st.booleans())
def test_every_record_is_one_row_of_its_end_user_in_order(
    records: list[tuple[str, int | None, str, int]], fold: bool, is_giant: bool, by_database: bool
) -> None:
    makes: Sequence[Callable[..., dict[str, Any]]] = (identify, track, page)
    written = []
    for user, time, text, kind in records:
        own = {} if kind == IDENTIFY else {"properties": {"text": text}}
        stamp = {} if time is None else {"timestamp": moment(time)}
        written.append(orjson.dumps(makes[kind](user, None, **own) | stamp))
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        giants(giant_bytes=1 if is_giant else 1_000_000),
    ):
        if by_database:
            patch.setattr(intake, "_SMALL", 0)
        with planned(Path(folder), written, options=PlanOptions(fold=fold)) as made:
            found = lines(made)
    expected = []
    for user in "123":
        theirs = [
            (fold and kind != IDENTIFY, NO_TIME if time is None else time, written[at], at + 1)
            for at, (own, time, _, kind) in enumerate(records)
            if own == user
        ]
        if theirs:
            first = min(time for _, time, _, _ in theirs)
            expected.append((first, user, [line for *_, line in sorted(theirs)]))
    assert found == [theirs for _, _, theirs in sorted(expected)]


# Lines


def test_a_records_line_is_given_back_byte_for_byte(any_way: None, tmp_path: Path) -> None:
    own = [orjson.dumps(track("1", n, messageId=f"m{n}")) for n in (1, 2, 3)]
    own += [b" " + orjson.dumps(track("1", 4)), orjson.dumps(track("1", 5, x="y" * 70_000))]
    batch = orjson.dumps({"batch": [track("1", 6), track("1", 7), {"type": "no"}, track("1", 8)]})
    files = [own[0], b"", own[1], batch], [b"{", own[2], own[3], own[4]]
    with planned(tmp_path, *files, options=PlanOptions(keep_lines=True)) as made:
        (found,) = rows(made)
        kept = [made.plan.raw(each) for event in made.events() for each in event.refs]
        assert kept[:5] == own
        assert [orjson.loads(each)["timestamp"] for each in kept[5:]] == [
            track("1", n)["timestamp"] for n in (6, 7, 8)
        ]
        assert len({row.number for row in found}) == 8
        marks = bytearray(max(row.number for row in found) + 1)
        for row in found[::2]:
            marks[row.number] = 1
        told = list(made.plan.spool.lines_of(marks))
        assert sorted((each.number, each.raw) for each in told) == sorted(
            (row.number, raw) for row, raw in list(zip(found, kept, strict=True))[::2]
        )
        places = [(each.source, each.line) for each in told]
        assert places == sorted(places)
        assert [each.message_id for each in told if each.line == 1] == ["m1"]


def test_a_line_is_empty_where_none_was_kept(any_way: None, plan_of: PlanOf) -> None:
    made = plan_of(*(track("1", minute, messageId=f"m{minute}") for minute in range(4)))
    assert [made.plan.spool.raw(row.number) for row in rows(made)[0]] == [b""] * 4


# Threads


def test_several_threads_go_through_all_people_at_once(any_way: None, plan_of: PlanOf) -> None:
    made = plan_of(*(track(str(n % 5), None, messageId=f"{n:04}") for n in range(300)))
    alone = lines(made)
    assert [len(each) for each in alone] == [60] * 5
    together = Barrier(4)

    def go_through(_: int) -> list[list[int]]:
        together.wait()
        return lines(made)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(go_through, range(4))) == [alone] * 4


def test_several_threads_read_at_once_and_each_gets_its_own_rows(
    any_way: None, plan_of: PlanOf
) -> None:
    people, each = 6, 40
    records = [
        track(str(n % people), None, messageId=f"{n:04}", properties={"n": f"{n}"})
        for n in range(people * each)
    ]
    random.Random(1).shuffle(records)
    made = plan_of(*records, options=PlanOptions(keep_lines=True))
    spool = made.plan.spool
    with ThreadPoolExecutor(people) as pool:
        found = list(
            pool.map(
                lambda person: [
                    (row.payload[3]["n"], orjson.loads(spool.raw(row.number))["properties"]["n"])
                    for row in person.replayed_rows
                ],
                spool.people(),
            )
        )
    assert found == [
        [(str(n), str(n)) for n in range(own, people * each, people)] for own in range(people)
    ]
