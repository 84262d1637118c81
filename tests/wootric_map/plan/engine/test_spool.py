"""Where a plan keeps its records: on disk, and read again by end user, in time order."""

import os
import random
import resource
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from threading import Barrier
from typing import Any, TypeAlias

import orjson
import pytest
from bounded import BOUNDS, bounds, giants, small
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from spooled import Filling, name, payloads, rows

from wootric_map.mapping.record_keys import line_digest
from wootric_map.plan.engine import scratch_file
from wootric_map.plan.engine.spool import Person, Row, SkippedRow, Spool
from wootric_map.plan.engine.taken import IDENTIFY, PAGE, TRACK
from wootric_map.plan.people import EMAIL, NO_TIME, USER, WOOTRIC


@pytest.fixture
def spool() -> Iterator[Spool]:
    with Spool() as opened:
        yield opened


@pytest.fixture
def filling(spool: Spool) -> Filling:
    return Filling(spool)


@pytest.fixture(params=BOUNDS)
def any_bounds(request: pytest.FixtureRequest) -> Iterator[None]:
    with BOUNDS[request.param]():
        yield


def left_out(spool: Spool) -> list[tuple[int, bool]]:
    """The line of each, and whether it was repeated."""
    return [(each.line, each.reason == "repeated") for each in spool.left_out()]


# Records in their order


def test_records_come_in_time_order_those_without_a_time_first(
    any_bounds: None, filling: Filling
) -> None:
    for time in (30, None, -5, 0, 10):
        filling.add(str(time), time=time)
    filling.close()
    assert payloads(filling.spool) == [["None", "-5", "0", "10", "30"]]
    assert [row.time for row in rows(filling.spool)[0]] == [None, -5, 0, 10, 30]


def test_records_of_one_time_are_ordered_by_message_id_those_without_by_their_line_first(
    any_bounds: None, filling: Filling
) -> None:
    for message, line, payload in (
        ("b", b"1", 3),
        ("a", b"2", 2),
        (None, b"z", 1),
        (None, b"y", 0),
        ("\uffff", b"1", 4),
        ("\U00010000", b"0", 5),
    ):
        filling.add(payload, time=7, message=message, line=line)
    filling.close()
    assert payloads(filling.spool) == [[0, 1, 2, 3, 4, 5]]
    ids = [row.message_id for row in rows(filling.spool)[0]]
    assert ids == [None, None, "a", "b", "\uffff", "\U00010000"]


def test_lines_that_are_the_same_to_the_letter_stay_in_the_order_they_came(
    any_bounds: None, filling: Filling
) -> None:
    for payload in range(10):
        filling.add(payload, line=b"{}")
    filling.close()
    assert payloads(filling.spool) == [list(range(10))]


def test_a_row_tells_where_its_record_stands(any_bounds: None, filling: Filling) -> None:
    filling.add("x", kind=IDENTIFY, place=("a.ndjson", 3), time=1, line=b"{1}")
    filling.add("y", kind=PAGE, place=("b.ndjson", 9), time=2, message="m", line=b"{2}")
    filling.add("z", kind=TRACK, place=("a.ndjson", 4), time=3, line=b"{3}")
    filling.close()
    assert rows(filling.spool) == [
        [
            Row(1, IDENTIFY, True, 1, None, line_digest(b"{1}"), "a.ndjson", 3, None, "x"),
            Row(2, PAGE, True, 2, "m", b"", "b.ndjson", 9, None, "y"),
            Row(3, TRACK, True, 3, None, line_digest(b"{3}"), "a.ndjson", 4, None, "z"),
        ]
    ]


def test_a_digest_is_the_same_for_the_same_line_alone() -> None:
    """Journals hold it, so it must never change."""
    assert line_digest(b'{"type":"track"}') == blake2b(b'{"type":"track"}', digest_size=16).digest()
    assert line_digest(b"") == bytes.fromhex("cae66941d9efbd404e4d88758ea67670")


@pytest.mark.parametrize(
    "payload",
    [
        ("properties", ("1", "a@b.co", None, None, 7, "en"), "Signed Up", {"n": 1.5, "m": -0.0}),
        (None, None, {"deep": {"a": [{"b": [1, 2**70, -(2**70), True, None, "\U0001f600"]}]}}),
        (None, "7", {"": "", "\0": "\0", "é": ["x" * 1000] * 10}),
    ],
)
def test_a_payload_is_given_back_as_it_was(
    any_bounds: None, filling: Filling, payload: tuple[object, ...]
) -> None:
    filling.add(payload)
    filling.close()
    (((found,)),) = payloads(filling.spool)
    assert repr(found) == repr(payload)


def test_events_come_after_all_identifies_or_each_in_its_turn(any_bounds: None) -> None:
    found = []
    for apart in (True, False):
        with Spool() as spool:
            filling = Filling(spool)
            for time, kind in ((1, TRACK), (2, IDENTIFY), (3, PAGE), (4, IDENTIFY)):
                filling.add(time, time=time, kind=kind)
            filling.close(apart=apart)
            (person,) = spool.people()
            found.append([[row.payload for row in each] for each in (person[3], person[4])])
    assert found == [[[2, 4], [1, 3]], [[2, 4], [1, 2, 3, 4]]]


@pytest.mark.parametrize("kind", [IDENTIFY, TRACK])
def test_an_end_user_may_have_no_events_or_nothing_else(
    any_bounds: None, filling: Filling, kind: int
) -> None:
    filling.add(kind=kind)
    filling.close()
    (person,) = filling.spool.people()
    assert [len(person.identifies), len(person.replayed_rows)] == (
        [1, 0] if kind == IDENTIFY else [0, 1]
    )


def test_an_end_users_records_may_be_gone_through_again_and_looked_for(
    any_bounds: None, filling: Filling
) -> None:
    for time in range(9):
        filling.add(time, time=time)
    filling.close()
    (person,) = filling.spool.people()
    first = list(person.replayed_rows)
    assert list(person.replayed_rows) == first
    assert first[4] in person.replayed_rows
    assert first[4]._replace(payload="another") not in person.replayed_rows
    assert [each.number for each in filling.spool.people()] == [1]


def test_ids_of_one_end_user_share_their_records_and_others_have_none_of_them(
    any_bounds: None, filling: Filling
) -> None:
    for identity, time in ((0, 3), (1, 2), (2, 1)):
        filling.add(identity, identity=identity, time=time)
    filling.close([0, 1, 0])
    assert payloads(filling.spool) == [[2, 0], [1]]


def test_end_users_are_numbered_from_1_by_when_they_were_first_met(
    any_bounds: None, filling: Filling
) -> None:
    for identity, time in ((0, 30), (1, 20), (2, 10), (3, None)):
        filling.add(identity, identity=identity, time=time)
    filling.close([0, 1, 0, 3, 4], names=["u:1", "e:2", "u:3", "w:4", "p:5"])
    people = list(filling.spool.people())
    assert [(each.number, each.kinds) for each in people] == [(1, WOOTRIC), (2, USER), (3, EMAIL)]
    assert [next(iter(each.replayed_rows)).payload for each in people] == [3, 2, 1]
    ids = [filling.spool.names.of(each.root) for each in people]
    assert ids == [[("w:4", True)], [("u:1", True), ("u:3", True)], [("e:2", True)]]


def test_end_users_met_at_one_time_are_numbered_by_their_least_name(
    any_bounds: None, filling: Filling
) -> None:
    times = [5, 5, 5, 9, 1, 9, None, None]
    for identity, time in enumerate(times):
        filling.add(identity, identity=identity, time=time)
    names = ["u:g", "u:f", "w:e", "u:d", "u:c", "e:z", "u:b", "u:a"]
    # The last two are one, and so are those named e:z and u:f.
    filling.close([0, 1, 2, 3, 4, 1, 6, 6], names=names)
    assert payloads(filling.spool) == [[6, 7], [4], [1, 5], [0], [2], [3]]


def test_an_id_without_records_may_be_the_least_name_of_an_end_user(
    any_bounds: None, filling: Filling
) -> None:
    for identity in (0, 1):
        filling.add(identity, identity=identity, time=5)
    filling.close([0, 1, 1], names=["u:b", "u:c", "u:a"])
    assert payloads(filling.spool) == [[1], [0]]


def test_an_end_user_without_a_record_that_is_replayed_is_none(
    any_bounds: None, filling: Filling
) -> None:
    filling.add("not even kept", identity=0, message="m", chosen=False)
    filling.add(identity=1, kind=IDENTIFY, chosen=False, time=1)
    filling.add(identity=2, time=2)
    filling.close([0, 1, 2])
    assert [[row.chosen for row in own] for own in rows(filling.spool)] == [[False], [True]]


def test_an_end_user_of_whom_all_was_repeated_has_no_records(
    any_bounds: None, filling: Filling
) -> None:
    for identity, time in ((0, 1), (1, 2), (2, 3)):
        filling.add(identity, identity=identity, time=time, message="m" if identity < 2 else "n")
    filling.close([0, 1, 2])
    assert [each.number for each in filling.spool.people()] == [1, 3]


def test_nothing_added_is_nobody(any_bounds: None, filling: Filling) -> None:
    filling.close([])
    assert list(filling.spool.people()) == []
    assert left_out(filling.spool) == []
    assert filling.spool.stretches == 0


_RECORDS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.none() | st.integers(-2, 2) | st.sampled_from([-(2**62), 2**62]),
        st.sampled_from([b"", b"x", b"\xff"]),
        st.sampled_from([IDENTIFY, TRACK, PAGE]),
    ),
    max_size=30,
)
_ROOTS = st.lists(st.integers(0, 3), min_size=4, max_size=4)


@given(_RECORDS, _ROOTS, st.booleans(), st.integers(1, 31), st.sampled_from(sorted(BOUNDS)))
def test_every_record_is_one_row_of_its_end_user_in_order(
    records: list[tuple[int, int | None, bytes, int]],
    roots: list[int],
    apart: bool,
    part: int,
    kept: str,
) -> None:
    # What a line says decides whose it is, and its kind.
    lines = [b"%d%d" % (identity, kind) + text for identity, _, text, kind in records]
    with BOUNDS[kept](), Spool() as spool:
        filling = Filling(spool, part)
        for number, (identity, time, _, kind) in enumerate(records):
            filling.add(number, identity=identity, time=time, line=lines[number], kind=kind)
        filling.close(roots, apart=apart)
        found = payloads(spool)
        people = [each.number for each in spool.people()]
    groups = [{each} for each in range(4)]
    for own, root in enumerate(roots):
        whole = next(each for each in groups if own in each) | next(
            each for each in groups if root in each
        )
        groups = [each for each in groups if not each & whole] + [whole]
    expected = []
    for group in groups:
        theirs = [
            (apart and kind != IDENTIFY, NO_TIME if time is None else time, lines[number], number)
            for number, (identity, time, _, kind) in enumerate(records)
            if identity in group
        ]
        if theirs:
            first = min(time for _, time, _, _ in theirs)
            expected.append((first, min(group), [number for *_, number in sorted(theirs)]))
    assert found == [theirs for _, _, theirs in sorted(expected)]
    assert people == list(range(1, len(found) + 1))


# Repeated messages


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (2, 1, 3)])
@pytest.mark.parametrize("part", [1, 3])
def test_of_a_repeated_message_the_earliest_is_taken(
    any_bounds: None, filling: Filling, order: tuple[int, ...], part: int
) -> None:
    filling.part = part
    for time in order:
        filling.add(time, time=time, message="m", place=("a", time))
    filling.close()
    assert payloads(filling.spool) == [[1]]
    assert sorted(left_out(filling.spool)) == [(2, True), (3, True)]


def test_of_a_message_repeated_at_one_time_it_is_the_same_line_that_is_taken() -> None:
    taken = []
    for backwards in (True, False):
        with Spool() as spool:
            filling = Filling(spool, part=2)
            for line in sorted((b"{a}", b"{b}", b"{c}"), reverse=backwards):
                filling.add(line, time=1, message="m", line=line)
            filling.close()
            taken.append(payloads(spool))
    assert taken[0] == taken[1]
    assert len(taken[0][0]) == 1


def test_a_message_without_a_time_is_earlier_than_any(filling: Filling) -> None:
    filling.add("dated", time=-(2**62), message="m")
    filling.add("undated", time=None, message="m")
    filling.close()
    assert payloads(filling.spool) == [["undated"]]


def test_messages_are_told_apart_to_the_letter_and_those_without_id_always(
    any_bounds: None, filling: Filling
) -> None:
    names = ["m", "M", "m ", "", "é", "e\u0301", "x" * 100_000, "x" * 100_001, None, None]
    for each in names:
        filling.add(message=each, line=b"{}")
    filling.close()
    assert len(rows(filling.spool)[0]) == len(names)
    assert left_out(filling.spool) == []


def test_messages_of_one_hash_are_told_apart(
    filling: Filling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spooled.hash", lambda _: 7, raising=False)
    for time, message in enumerate(("m", "n", "m", "o", "n")):
        filling.add(time, time=time, message=message, place=("a", time + 1))
    filling.close()
    assert payloads(filling.spool) == [[0, 1, 3]]
    assert left_out(filling.spool) == [(3, True), (5, True)]


def test_a_repeat_is_told_with_its_place_and_type(any_bounds: None, filling: Filling) -> None:
    filling.add(message="m", time=1)
    filling.add(message="m", time=2, kind=IDENTIFY, place=("b", 4), identity=1)
    filling.add(message="m", time=3, kind=PAGE, place=("c", 5))
    filling.close([0, 1])
    assert list(filling.spool.left_out()) == [
        SkippedRow("b", 4, "identify", "repeated"),
        SkippedRow("c", 5, "page", "repeated"),
    ]


def test_a_message_that_was_left_out_is_not_taken_again_later(
    any_bounds: None, filling: Filling
) -> None:
    filling.add("late", time=5, message="m", place=("a", 2))
    filling.add(time=1, message="m", chosen=False)
    filling.add("other", time=5, message="n", place=("a", 3))
    filling.add(time=9, message="n", chosen=False)
    filling.close()
    assert payloads(filling.spool) == [["other"]]
    assert left_out(filling.spool) == [(2, True)]


def test_a_repeat_that_was_not_chosen_is_told_no_second_time(
    any_bounds: None, filling: Filling
) -> None:
    filling.add("first", time=1, message="m", kind=IDENTIFY)
    filling.add("again", time=2, message="m", kind=IDENTIFY, chosen=False)
    filling.close()
    assert payloads(filling.spool) == [["first"]]
    assert left_out(filling.spool) == []


_MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([None, "m", "n"]), st.none() | st.integers(0, 2), st.sampled_from("abc")
    ),
    max_size=10,
)


@examples(60)
@given(_MESSAGES, st.randoms(use_true_random=False), st.integers(1, 10), st.integers(1, 10))
def test_what_is_taken_does_not_depend_on_the_order_it_came_in(
    messages: list[tuple[str | None, int | None, str]], rng: random.Random, one: int, other: int
) -> None:
    def taken(
        given: list[tuple[str | None, int | None, str]], part: int
    ) -> tuple[object, list[bool]]:
        with small(), Spool() as spool:
            filling = Filling(spool, part)
            for message, time, line in given:
                filling.add(line, time=time, message=message, line=line.encode())
            filling.close()
            found = [(row.message_id, row.time, row.payload) for own in rows(spool) for row in own]
            return found, [each.reason == "repeated" for each in spool.left_out()]

    shuffled = list(messages)
    rng.shuffle(shuffled)
    found, repeats = taken(messages, one)
    assert (found, repeats) == taken(shuffled, other)
    named = [message for message, _, _ in messages if message]
    assert repeats == [True] * (len(named) - len(set(named)))


# What is chosen


def test_users_are_chosen_by_any_name_of_theirs(any_bounds: None, filling: Filling) -> None:
    for identity in range(4):
        filling.add(identity, identity=identity, place=("a", identity), time=identity)
    filling.close([0, 1, 0, 3], users=[name(2), name(3), "u:nobody's"])
    assert payloads(filling.spool) == [[0, 2], [3]]
    assert left_out(filling.spool) == [(1, False)]


def test_identifies_of_a_user_who_is_not_chosen_serve_no_one(
    any_bounds: None, filling: Filling
) -> None:
    filling.add(kind=IDENTIFY, identity=0)
    filling.add(kind=IDENTIFY, identity=1)
    filling.close([0, 1], users=[name(1)])
    assert [[row.chosen for row in own] for own in rows(filling.spool)] == [[False], [True]]


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 9, sys.maxsize])
def test_a_limit_takes_the_first_in_time_order_of_all_end_users(
    any_bounds: None, filling: Filling, limit: int
) -> None:
    for time in (3, 1, 4, 2):
        filling.add(time, identity=time % 2, time=time, place=("a", time))
    filling.add(0, time=0, chosen=False, message="m")
    filling.close([0, 1], limit=limit)
    found = [each for own in payloads(filling.spool) for each in own]
    assert sorted(found) == [time for time in (1, 2, 3, 4) if time <= limit]
    late = [(time, False) for time in (1, 2, 3, 4) if time > limit]
    assert sorted(left_out(filling.spool)) == late


def test_a_limit_counts_neither_repeats_nor_other_users(any_bounds: None, filling: Filling) -> None:
    for line, (identity, time, message) in enumerate(
        [(0, 1, "a"), (0, 2, "a"), (1, 3, "b"), (0, 4, "c"), (0, 5, "d")], 1
    ):
        filling.add(identity=identity, time=time, message=message, place=("a", line))
    filling.close([0, 1], users=[name(0)], limit=2)
    assert [row.line for row in rows(filling.spool)[0]] == [1, 4]
    assert left_out(filling.spool) == [(2, True), (3, False), (5, False)]


_Tied: TypeAlias = tuple[int | None, str | None, bytes, bool]
_TIED = st.lists(
    st.tuples(
        st.none() | st.integers(0, 1),
        st.none() | st.uuids().map(str),
        st.binary(min_size=2, max_size=4),
        st.sampled_from([True, True, True, False]),
    ),
    max_size=12,
    unique_by=lambda each: each[2],
)


@examples(60)
@given(_TIED, st.integers(0, 12), st.integers(1, 12), st.randoms(use_true_random=False))
def test_of_records_of_one_time_a_limit_takes_the_first_in_order(
    records: list[_Tied], limit: int, part: int, rng: random.Random
) -> None:
    def order(record: _Tied) -> tuple[bool, int, bool, str | bytes]:
        time, message, line, _ = record
        return time is not None, time or 0, message is not None, message or line

    with Spool() as spool:
        filling = Filling(spool, part)
        for each in rng.sample(records, len(records)):
            time, message, line, chosen = each
            identity = rng.randrange(2)
            filling.add(
                each,
                identity=identity,
                time=time,
                message=message,
                line=line,
                chosen=chosen,
                kind=IDENTIFY,
            )
        filling.close([0, 1], limit=limit)
        found = [row.payload for own in rows(spool) for row in own if row.chosen]
    choosable = [each for each in records if each[-1]]
    assert sorted(found, key=order) == sorted(choosable, key=order)[:limit]


# The other id of a record


@pytest.mark.parametrize(("identified", "goes_to"), [((), 0), ((0,), 0), ((1,), 1), ((0, 1), 0)])
def test_a_record_is_filed_by_its_other_id_only_if_that_alone_has_identifies(
    any_bounds: None, filling: Filling, identified: tuple[int, ...], goes_to: int
) -> None:
    for identity in identified:
        filling.add("identify", identity=identity, kind=IDENTIFY)
    filling.add("event", identity=0, other=1)
    filling.add("another", identity=1)
    filling.close([0, 1])
    found = {each.number - 1: own for each, own in people_with_payloads(filling.spool)}
    assert "event" in found[goes_to]
    assert "event" not in found.get(1 - goes_to, [])


def people_with_payloads(spool: Spool) -> list[tuple[Person, list[Any]]]:
    return list(zip(spool.people(), payloads(spool), strict=True))


def test_an_identify_under_another_id_of_the_same_end_user_counts_too(
    any_bounds: None, filling: Filling
) -> None:
    filling.add("identify", identity=2, kind=IDENTIFY)
    filling.add("event", identity=0, other=1)
    filling.close([0, 1, 1])
    assert payloads(filling.spool) == [["identify", "event"]]


def test_a_repeated_identify_identifies_nobody(any_bounds: None, filling: Filling) -> None:
    filling.add("first", identity=2, kind=TRACK, time=1, message="m")
    filling.add("again", identity=1, kind=IDENTIFY, time=2, message="m")
    filling.add("event", identity=0, other=1)
    filling.close([0, 1, 2])
    assert payloads(filling.spool) == [["event"], ["first"]]


def test_an_identify_that_is_not_chosen_identifies_all_the_same(
    any_bounds: None, filling: Filling
) -> None:
    filling.add("identify", identity=1, kind=IDENTIFY, chosen=False)
    filling.add("event", identity=0, other=1)
    filling.close([0, 1])
    assert payloads(filling.spool) == [["identify", "event"]]


def test_users_are_chosen_by_whom_a_record_is_filed_under_in_the_end(
    any_bounds: None, filling: Filling
) -> None:
    filling.add("identify", identity=1, kind=IDENTIFY, time=1)
    filling.add("event", identity=0, other=1, time=2)
    filling.close([0, 1], users=[name(1)])
    assert payloads(filling.spool) == [["identify", "event"]]
    assert left_out(filling.spool) == []


# Lines


def test_a_records_line_is_given_back_byte_for_byte(filling: Filling) -> None:
    filling.keep_lines = True
    lines = [b"\xff\0{}", b"", b"{}", b"\xfe\0{}", b"x" * 70_000]
    for time, line in enumerate(lines):
        filling.add(time=time, line=line, place=("ab"[time // 3], 1))
    filling.close()
    assert [filling.spool.raw(row.number) for row in rows(filling.spool)[0]] == lines


def test_a_line_is_empty_where_none_was_kept(filling: Filling) -> None:
    for time in range(4):
        filling.add(time=time, line=b"{}")
    filling.close()
    assert [filling.spool.raw(row.number) for row in rows(filling.spool)[0]] == [b""] * 4


# Giants, and what is read at once


def sized(filling: Filling, *sizes: int) -> None:
    """Fill it with one record for each end user, of about so many bytes."""
    for identity, size in enumerate(sizes):
        filling.add((identity, "x" * size), identity=identity, time=identity)
    filling.close(range(len(sizes)))


@pytest.mark.parametrize("first", [1, 900, 1100])
@pytest.mark.parametrize("second", [7000, 7900, 9000])
@pytest.mark.parametrize("third", [1, 9000])
def test_whoever_comes_beside_a_large_end_user_keeps_their_own_records(
    filling: Filling, first: int, second: int, third: int
) -> None:
    with bounds(stretch_bytes=1000, giant_bytes=8000):
        sized(filling, first, second, third)
        found = [
            (each.number, [row.payload[0] for row in each.replayed_rows])
            for each in filling.spool.people()
        ]
    assert found == [(1, [0]), (2, [1]), (3, [2])]


def test_one_end_user_alone_is_a_giant(filling: Filling) -> None:
    with bounds(stretch_bytes=1000, giant_bytes=8000):
        sized(filling, 10, 20, 9000, 30, 40, 7900, 50)
        spool = filling.spool
        people = [[each.number for each in spool.people_of(n)] for n in range(spool.stretches)]
        assert [own for n, own in enumerate(people) if spool.is_giant(n)] == [[3]]
        assert [number for own in people for number in own] == list(range(1, 8))


def test_a_stretch_ends_once_it_is_long_enough(filling: Filling) -> None:
    with bounds(stretch_bytes=1000):
        sized(filling, *[300] * 40)
        spool = filling.spool
        lengths = [len(list(spool.people_of(n))) for n in range(spool.stretches)]
    assert sum(lengths) == 40
    assert 10 <= len(lengths) <= 14, lengths


def test_a_giants_records_are_sorted_on_disk_once(filling: Filling) -> None:
    with giants():
        for number in range(200):
            filling.add(number, time=-number, line=b"%d" % number)
        filling.close()
        for _ in range(3):
            assert payloads(filling.spool) == [list(reversed(range(200)))]
        before = (filling.spool._sorted._size, len(filling.spool._giants))
        list(filling.spool.people())
        assert (filling.spool._sorted._size, len(filling.spool._giants)) == before


@pytest.mark.parametrize("size", [200, 200_000])
def test_memory_does_not_grow_with_the_records_of_one_end_user(size: int) -> None:
    """Whether they are many or large: four times as many, and about as much in memory."""

    def peak(total: int) -> int:
        with Spool() as spool:
            filling = Filling(spool, part=max(1, 50_000 // size))
            # Each part's records are spread over all of the time.
            count = total // size
            text = "x" * size
            for number in range(count):
                filling.add(text + str(number), time=number * 7919 % count)
            filling.close()
            filling.records.clear()
            tracemalloc.start()
            try:
                for person in spool.people():
                    assert sum(1 for _ in person.replayed_rows) == count
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    with bounds(giant_bytes=200_000, gathered_bytes=400_000, runs_at_once=4):
        small_peak, large_peak = peak(1_000_000), peak(4_000_000)
    assert large_peak < 2 * small_peak


# Threads


@pytest.mark.parametrize("kept", BOUNDS)
def test_several_threads_go_through_all_people_at_once_and_giants_are_sorted_once(
    kept: str,
) -> None:
    def read(threads: int) -> tuple[list[list[list[Any]]], int]:
        with Spool() as spool:
            filling = Filling(spool, part=100)
            for number in range(1500):
                filling.add(number, identity=number % 5, time=-number)
            filling.close(range(5))
            together = Barrier(threads)

            def go_through(_: int) -> list[list[Any]]:
                together.wait()
                return payloads(spool)

            with ThreadPoolExecutor(threads) as pool:
                return list(pool.map(go_through, range(threads))), spool._sorted._size

    with BOUNDS[kept]():
        (alone,), size = read(1)
        assert alone == [list(range(1495 + n, -1, -5)) for n in (4, 3, 2, 1, 0)]
        assert read(4) == ([alone] * 4, size)


@pytest.mark.parametrize("kept", BOUNDS)
def test_several_threads_read_at_once_and_each_gets_its_own_rows(kept: str) -> None:
    people, each = 8, 150
    with BOUNDS[kept](), Spool() as spool:
        filling = Filling(spool, part=100, keep_lines=True)
        for number in range(people * each):
            text = f"{number % people}:{number // people:05}"
            filling.add(text, identity=number % people, time=number, line=b"line " + text.encode())
        filling.close(range(people))

        def read(person: Person) -> list[tuple[str, bytes]]:
            return [(row.payload, spool.raw(row.number)) for row in person.replayed_rows]

        with ThreadPoolExecutor(people) as pool:
            found = list(pool.map(read, spool.people()))
    for index, lines in enumerate(found):
        texts = [f"{index}:{n:05}" for n in range(each)]
        assert lines == [(text, b"line " + text.encode()) for text in texts]


def test_one_readers_rows_go_on_where_they_were_while_another_reads(
    any_bounds: None, filling: Filling
) -> None:
    count = 200
    for number in range(count):
        filling.add(number, time=number)
    filling.close()
    (person,) = filling.spool.people()
    pairs = list(zip(person.replayed_rows, person.replayed_rows, strict=True))
    assert len(pairs) == count
    assert all(row == same for row, same in pairs)


def test_a_process_forked_then_reads_the_same(filling: Filling) -> None:
    for number in range(200):
        filling.add(number, identity=number % 7, time=number)
    filling.close(range(7))
    expected = payloads(filling.spool)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, orjson.dumps(payloads(filling.spool)))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        assert orjson.loads(told.read()) == expected
    assert os.waitpid(child, 0)[1] == 0


# On disk

_FILL: str = """
import os, sys, tempfile
from pathlib import Path
import orjson
from spooled import Filling
from wootric_map.plan.engine.spool import Spool

folder = Path(os.environ["TMPDIR"])
with Spool() as spool:
    filling = Filling(spool)
    for number in range(100):
        filling.add(os.urandom(65536), time=number)
    filling.close()
    spool.names.keep((os.urandom(512).hex(), number) for number in range(1, 60_000))
    links = [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    own = [link for link in links if link.startswith(str(folder))]
    names = [each.name for each in folder.iterdir()]
    print(orjson.dumps({"open": own, "names": names}).decode(), flush=True)
    if sys.argv[1] == "crash":
        os._exit(9)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux lists open files there")
@pytest.mark.parametrize("end", ["close", "crash"])
def test_the_files_go_where_temporary_files_go_and_have_no_name_there(
    tmp_path: Path, end: str
) -> None:
    root = Path(__file__).parents[4]
    environment = {"TMPDIR": str(tmp_path), "PYTHONPATH": f"{root}:{root / 'tests/support'}"}
    done = subprocess.run(
        [sys.executable, "-c", _FILL, end],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == (9 if end == "crash" else 0), done.stderr
    seen: dict[str, Any] = orjson.loads(done.stdout)
    assert len(seen["open"]) == 3, "two of records, one of names"
    assert seen["names"] == []
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_the_folder(
    monkeypatch: pytest.MonkeyPatch, filling: Filling
) -> None:
    monkeypatch.setattr(scratch_file, "_HELD_BYTES", 0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for number in range(100):
        filling.add(number)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            filling.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == tempfile.gettempdir()
