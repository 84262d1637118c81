"""Where a plan keeps its records: by end user, in time order, on disk when there are many."""

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wootric_map.spool import (
    _BATCH,
    _CHUNK,
    _LABELS_AT_HAND,
    IDENTIFY,
    NO_TIME,
    PAGE,
    TRACK,
    Person,
    Row,
    SkippedRow,
    Spool,
    Tally,
)

Member: TypeAlias = tuple[int, int, int, int | None]
KINDS = 1


@pytest.fixture
def spool() -> Iterator[Spool]:
    with Spool() as opened:
        yield opened


def add(
    spool: Spool,
    payload: bytes = b"",
    *,
    identity: int = 0,
    kind: int = TRACK,
    time: int | None = None,
    message: str | None = None,
    line: bytes = b"",
    place: tuple[str, int] = ("a.ndjson", 1),
    **options: Any,
) -> None:
    spool.add(identity, kind, time, message, line, place, payload, **options)


def close(spool: Spool, roots: Sequence[int] = (0,), *, apart: bool = True, **choice: Any) -> None:
    """Close the intake; each id, by its number, has a root, and end users are met in their order."""
    members = [(number, root, KINDS, root) for number, root in enumerate(roots)]
    spool.keep_identities((f"id {number}", number) for number in range(len(roots)))
    spool.close_intake(members, events_apart=apart, **choice)


def rows(spool: Spool, index: int = 0) -> list[Row]:
    people = list(spool.people())
    person = people[index]
    return list(spool.rows(person.first, person.past))


def payloads(spool: Spool, index: int = 0) -> list[bytes]:
    return [row.payload for row in rows(spool, index)]


def left_out(spool: Spool) -> list[tuple[int, bool]]:
    """The line of each, and whether it was repeated."""
    return [(each.line, each.repeated) for each in spool.left_out()]


# Rows in their order


def test_rows_come_in_time_order_those_without_a_time_first(spool: Spool) -> None:
    for time in (30, None, -5, 0, 10):
        add(spool, str(time).encode(), time=time)
    close(spool)
    assert payloads(spool) == [b"None", b"-5", b"0", b"10", b"30"]
    assert [row.time for row in rows(spool)] == [None, -5, 0, 10, 30]


def test_rows_of_one_time_are_ordered_by_message_id_those_without_by_their_line_first(
    spool: Spool,
) -> None:
    for message, line, payload in (
        ("b", b"1", b"3"),
        ("a", b"2", b"2"),
        (None, b"z", b"1"),
        (None, b"y", b"0"),
        ("é", b"0", b"4"),
    ):
        add(spool, payload, time=7, message=message, line=line)
    close(spool)
    assert payloads(spool) == [b"0", b"1", b"2", b"3", b"4"]
    assert [row.message_id for row in rows(spool)] == [None, None, "a", "b", "é"]


def test_lines_that_are_the_same_to_the_letter_stay_in_the_order_they_came(spool: Spool) -> None:
    for payload in (b"1", b"2", b"3"):
        add(spool, payload, line=b"{}")
    close(spool)
    assert payloads(spool) == [b"1", b"2", b"3"]


def test_a_row_tells_where_its_record_stands(spool: Spool) -> None:
    add(spool, b"x", kind=IDENTIFY, place=("a.ndjson", 3), time=1, line=b"{1}")
    add(spool, b"y", kind=PAGE, place=("b.ndjson", 9), time=2, message="m", line=b"{2}")
    add(spool, b"z", kind=TRACK, place=("a.ndjson", 4), time=3, line=b"{3}")
    close(spool)
    digests = [blake2b(line, digest_size=16).digest() for line in (b"{1}", b"{2}", b"{3}")]
    assert rows(spool) == [
        Row(1, IDENTIFY, True, 1, None, digests[0], "a.ndjson", 3, b"x"),
        Row(2, PAGE, True, 2, "m", digests[1], "b.ndjson", 9, b"y"),
        Row(3, TRACK, True, 3, None, digests[2], "a.ndjson", 4, b"z"),
    ]


def test_events_come_after_all_identifies_or_each_in_its_turn(spool: Spool) -> None:
    with Spool() as other:
        for each, apart in ((spool, True), (other, False)):
            for time, kind in ((1, TRACK), (2, IDENTIFY), (3, PAGE), (4, IDENTIFY)):
                add(each, str(time).encode(), time=time, kind=kind)
            close(each, apart=apart)
        assert payloads(spool) == [b"2", b"4", b"1", b"3"]
        assert payloads(other) == [b"1", b"2", b"3", b"4"]
        (person,) = spool.people()
        assert [row.payload for row in spool.rows(person.events, person.past)] == [b"1", b"3"]
        (person,) = other.people()
        assert person.events == person.first
        identifies = other.rows(person.first, person.past, only_identifies=True)
        assert [row.payload for row in identifies] == [b"2", b"4"]


@pytest.mark.parametrize("kind", [IDENTIFY, TRACK])
def test_an_end_user_may_have_no_events_or_nothing_else(spool: Spool, kind: int) -> None:
    add(spool, kind=kind)
    close(spool)
    (person,) = spool.people()
    assert (person.past - person.first, person.past - person.events) == (1, int(kind == TRACK))


def test_ids_of_one_end_user_share_their_rows_and_others_have_none_of_them(spool: Spool) -> None:
    for identity, time in ((0, 3), (1, 2), (2, 1)):
        add(spool, str(identity).encode(), identity=identity, time=time)
    close(spool, [0, 1, 0])
    assert [payloads(spool, index) for index in range(2)] == [[b"2", b"0"], [b"1"]]


def test_end_users_are_numbered_from_1_by_when_they_were_first_met(spool: Spool) -> None:
    members: list[Member] = [
        (0, 0, 1, 30),
        (1, 1, 2, 20),
        (2, 0, 1, 10),
        (3, 3, 4, NO_TIME),
        (4, 4, 8, None),
    ]
    spool.keep_identities((f"id {number}", number) for number in range(5))
    for number in range(4):
        add(spool, identity=number)
    spool.close_intake(members, events_apart=True)
    assert [(each.number, each.kinds) for each in spool.people()] == [(1, 4), (2, 1), (3, 2)]


def test_end_users_met_at_one_time_are_numbered_by_their_least_name(spool: Spool) -> None:
    spool.keep_identities([("c", 0), ("b", 1), ("a", 2)])
    for number in range(3):
        add(spool, str(number).encode(), identity=number)
    spool.close_intake([(0, 0, 1, 5), (1, 1, 1, 5), (2, 0, 1, 9)], events_apart=True)
    assert [payloads(spool, index) for index in range(2)] == [[b"0", b"2"], [b"1"]]


def test_an_end_user_without_a_record_that_is_replayed_is_none(spool: Spool) -> None:
    add(spool, identity=0, chosen=False)
    add(spool, identity=1, kind=IDENTIFY, chosen=False)
    add(spool, identity=2)
    close(spool, [0, 1, 2])
    assert [each.number for each in spool.people()] == [2, 3]
    assert [row.chosen for row in rows(spool)] == [False]


@pytest.mark.parametrize("count", [_CHUNK - 1, _CHUNK, _CHUNK + 1, 3 * _CHUNK])
def test_no_end_user_is_lost_where_a_chunk_ends(spool: Spool, count: int) -> None:
    for number in range(count):
        add(spool, identity=number)
    close(spool, range(count))
    assert [each.number for each in spool.people()] == list(range(1, count + 1))


@pytest.mark.parametrize("same_time", [True, False])
@pytest.mark.parametrize(
    "count", [1, _CHUNK - 1, _CHUNK, _CHUNK + 1, 2 * _CHUNK, _BATCH, _BATCH + 1, 2 * _BATCH + 7]
)
def test_no_row_is_lost_or_doubled_where_a_chunk_or_batch_ends(
    spool: Spool, count: int, same_time: bool
) -> None:
    times = list(range(count))
    random.Random(count).shuffle(times)
    for time in times:
        add(spool, str(time).encode(), time=None if same_time else time)
    add(spool, b"another's", identity=1)
    close(spool, [0, 1])
    expected = times if same_time else sorted(times)
    assert [int(payload) for payload in payloads(spool)] == expected


_TIMES = st.none() | st.integers(-2, 2) | st.sampled_from([-(2**62), 2**62])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            _TIMES,
            st.sampled_from([b"", b"x", b"\xff"]),
            st.sampled_from([IDENTIFY, TRACK, PAGE]),
        ),
        max_size=30,
    ),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
    st.booleans(),
)
def test_every_record_is_one_row_of_its_end_user_in_order(
    records: list[tuple[int, int | None, bytes, int]], roots: list[int], apart: bool
) -> None:
    with Spool() as spool:
        for number, (identity, time, line, kind) in enumerate(records):
            payload = b"%d" % number
            add(spool, payload, identity=identity, time=time, line=line, kind=kind)
        close(spool, roots, apart=apart)
        found = [
            [int(row.payload) for row in spool.rows(person.first, person.past)]
            for person in spool.people()
        ]
    expected = []
    for root in sorted(set(roots)):
        own = [
            (apart and kind != IDENTIFY, time is not None, time or 0, line, number)
            for number, (identity, time, line, kind) in enumerate(records)
            if roots[identity] == root
        ]
        expected.append([each[-1] for each in sorted(own)])
    assert found == [each for each in expected if each]


# Repeated messages


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (2, 1, 3)])
def test_of_a_repeated_message_the_earliest_is_taken(spool: Spool, order: tuple[int, ...]) -> None:
    for time in order:
        add(spool, b"%d" % time, time=time, message="m", place=("a", time))
    close(spool)
    assert payloads(spool) == [b"1"]
    assert sorted(left_out(spool)) == [(2, True), (3, True)]


def test_of_a_message_repeated_at_one_time_it_is_the_same_line_that_is_taken() -> None:
    taken = []
    for backwards in (True, False):
        with Spool() as spool:
            for line in sorted((b"{a}", b"{b}", b"{c}"), reverse=backwards):
                add(spool, line, time=1, message="m", line=line)
            close(spool)
            taken.append(payloads(spool))
    assert taken[0] == taken[1]
    assert len(taken[0]) == 1


def test_a_message_without_a_time_is_earlier_than_any(spool: Spool) -> None:
    add(spool, b"dated", time=-(2**62), message="m")
    add(spool, b"undated", time=None, message="m")
    close(spool)
    assert payloads(spool) == [b"undated"]


def test_messages_are_told_apart_to_the_letter_and_those_without_id_always(spool: Spool) -> None:
    names = ["m", "M", "m ", "", "é", "e\u0301", "x" * 100_000, "x" * 100_001, None, None]
    for name in names:
        add(spool, message=name, line=b"{}")
    close(spool)
    assert len(rows(spool)) == len(names)
    assert left_out(spool) == []


def test_a_repeat_is_told_with_its_place_and_type(spool: Spool) -> None:
    add(spool, message="m", time=1)
    add(spool, message="m", time=2, kind=IDENTIFY, place=("b", 4), identity=1)
    add(spool, message="m", time=3, kind=PAGE, place=("c", 5))
    close(spool, [0, 1])
    assert list(spool.left_out()) == [
        SkippedRow("b", 4, "identify", True),
        SkippedRow("c", 5, "page", True),
    ]


def test_a_message_that_was_left_out_is_not_taken_again_later(spool: Spool) -> None:
    add(spool, b"late", time=5, message="m", place=("a", 2))
    spool.add_left_out(1, "m", b"{}")
    add(spool, b"other", time=5, message="n", place=("a", 3))
    spool.add_left_out(9, "n", b"{}")
    close(spool)
    assert payloads(spool) == [b"other"]
    assert left_out(spool) == [(2, True)]


def test_a_repeat_that_was_not_chosen_is_told_no_second_time(spool: Spool) -> None:
    add(spool, b"first", time=1, message="m", kind=IDENTIFY)
    add(spool, b"again", time=2, message="m", kind=IDENTIFY, chosen=False)
    close(spool)
    assert payloads(spool) == [b"first"]
    assert left_out(spool) == []


_MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([None, "m", "n"]), st.none() | st.integers(0, 2), st.sampled_from("abc")
    ),
    max_size=10,
)


@settings(max_examples=60, deadline=None)
@given(_MESSAGES, st.randoms(use_true_random=False))
def test_what_is_taken_does_not_depend_on_the_order_it_came_in(
    messages: list[tuple[str | None, int | None, str]], rng: random.Random
) -> None:
    def taken(given: list[tuple[str | None, int | None, str]]) -> tuple[object, int]:
        with Spool() as spool:
            for message, time, line in given:
                add(spool, time=time, message=message, line=line.encode())
            close(spool)
            found = [
                (row.message_id, row.time, row.digest)
                for person in spool.people()
                for row in spool.rows(person.first, person.past)
            ]
            return found, len(left_out(spool))

    shuffled = list(messages)
    rng.shuffle(shuffled)
    found, repeats = taken(messages)
    assert (found, repeats) == taken(shuffled)
    named = [message for message, _, _ in messages if message]
    assert repeats == len(named) - len(set(named))


# What is chosen


def test_users_are_chosen_by_any_name_of_theirs(spool: Spool) -> None:
    for identity in range(4):
        add(spool, b"%d" % identity, identity=identity, place=("a", identity), time=identity)
    close(spool, [0, 1, 0, 3], users=["id 2", "id 3", "nobody's"])
    assert [payloads(spool, index) for index in range(2)] == [[b"0", b"2"], [b"3"]]
    assert left_out(spool) == [(1, False)]


def test_identifies_of_a_user_who_is_not_chosen_serve_no_one(spool: Spool) -> None:
    add(spool, kind=IDENTIFY, identity=0)
    add(spool, kind=IDENTIFY, identity=1)
    close(spool, [0, 1], users=["id 1"])
    assert [[row.chosen for row in rows(spool, index)] for index in range(2)] == [[False], [True]]


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 9])
def test_a_limit_takes_the_first_in_time_order_of_all_end_users(spool: Spool, limit: int) -> None:
    for time in (3, 1, 4, 2):
        add(spool, b"%d" % time, identity=time % 2, time=time, place=("a", time))
    add(spool, b"0", time=0, chosen=False)
    close(spool, [0, 1], limit=limit)
    found = [
        int(row.payload)
        for person in spool.people()
        for row in spool.rows(person.first, person.past)
    ]
    assert sorted(found) == [time for time in (1, 2, 3, 4) if time <= limit]
    assert sorted(left_out(spool)) == [(time, False) for time in (1, 2, 3, 4) if time > limit]


def test_a_limit_counts_neither_repeats_nor_other_users(spool: Spool) -> None:
    for line, (identity, time, message) in enumerate(
        [(0, 1, "a"), (0, 2, "a"), (1, 3, "b"), (0, 4, "c"), (0, 5, "d")], 1
    ):
        add(spool, identity=identity, time=time, message=message, place=("a", line))
    close(spool, [0, 1], users=["id 0"], limit=2)
    assert [row.line for row in rows(spool)] == [1, 4]
    assert left_out(spool) == [(2, True), (3, False), (5, False)]


# The other id of a record


@pytest.mark.parametrize(("identified", "goes_to"), [((), 0), ((0,), 0), ((1,), 1), ((0, 1), 0)])
def test_a_record_is_filed_by_its_other_id_only_if_that_alone_has_identifies(
    spool: Spool, identified: tuple[int, ...], goes_to: int
) -> None:
    for identity in identified:
        add(spool, b"identify", identity=identity, kind=IDENTIFY)
    add(spool, b"event", identity=0, other=1)
    add(spool, b"another", identity=1)
    close(spool, [0, 1])
    found = {each.number - 1: payloads(spool, index) for index, each in enumerate(spool.people())}
    assert b"event" in found[goes_to]
    assert b"event" not in found.get(1 - goes_to, [])


def test_an_identify_under_another_id_of_the_same_end_user_counts_too(spool: Spool) -> None:
    add(spool, b"identify", identity=2, kind=IDENTIFY)
    add(spool, b"event", identity=0, other=1)
    close(spool, [0, 1, 1])
    assert payloads(spool) == [b"identify", b"event"]


def test_a_repeated_identify_identifies_nobody(spool: Spool) -> None:
    add(spool, b"first", identity=2, kind=TRACK, time=1, message="m")
    add(spool, b"again", identity=1, kind=IDENTIFY, time=2, message="m")
    add(spool, b"event", identity=0, other=1)
    close(spool, [0, 1, 2])
    assert payloads(spool) == [b"event"]


def test_an_identify_that_is_not_chosen_identifies_all_the_same(spool: Spool) -> None:
    add(spool, b"identify", identity=1, kind=IDENTIFY, chosen=False)
    add(spool, b"event", identity=0, other=1)
    close(spool, [0, 1])
    assert payloads(spool) == [b"identify", b"event"]


# Names, hints, aliases


def test_names_are_found_again_and_listed_by_their_beginning(spool: Spool) -> None:
    spool.keep_identities([("u:b", 2), ("u:a", 1), ("p:x", 3)])
    spool.keep_identities([("u:", 4), ("v:a", 5)])
    assert [spool.identity(name) for name in ("u:a", "p:x", "u:", "u", "")] == [1, 3, 4, None, None]
    spool.keep_hints([(2, 9), (1, 9), (2, 8), (3, 7)])
    spool.keep_hints([(2, 9)])
    assert list(spool.hints("u:")) == [(1, 9), (2, 8), (2, 9)]
    assert list(spool.hints("p:")) == [(3, 7)]
    assert list(spool.hints("w:")) == []


@pytest.mark.parametrize(("previous", "user"), [("a", "b"), ("b", "a")])
def test_an_alias_is_known_whichever_way_round(spool: Spool, previous: str, user: str) -> None:
    for _ in range(2):
        spool.keep_alias(previous, user)
    assert spool.has_alias("a", "b")
    assert spool.has_alias("b", "a")
    assert not spool.has_alias("a", "a")
    assert not spool.has_alias("a", "c")


# Lines


def test_a_records_line_is_given_back_byte_for_byte_and_empty_where_none_was_kept(
    spool: Spool,
) -> None:
    add(spool, line=b"\xff\0{}", time=1, message="m", keep_line=True)
    add(spool, line=b"{}", time=2, message="n")
    add(spool, line=b"\xfe\0{}", time=3)
    close(spool)
    kept, none, always = (row.number for row in rows(spool))
    assert spool.raw(kept) == b"\xff\0{}"
    assert spool.raw(none) == b""
    assert spool.raw(always) == b"\xfe\0{}", "it orders the record, so it is there anyway"


# Threads


def test_several_threads_read_at_once_and_each_gets_its_own_rows(spool: Spool) -> None:
    people, each = 8, _CHUNK + 20
    for number in range(people * each):
        payload = f"{number % people}:{number // people:05}".encode()
        add(spool, identity=number % people, time=number, line=b"line " + payload)
    close(spool, range(people))

    def read(person: Person) -> list[bytes]:
        return [spool.raw(row.number) for row in spool.rows(person.first, person.past)]

    with ThreadPoolExecutor(people) as pool:
        found = list(pool.map(read, spool.people()))
    for index, lines in enumerate(found):
        assert lines == [f"line {index}:{n:05}".encode() for n in range(each)]


def test_one_readers_rows_go_on_where_they_were_while_another_reads(spool: Spool) -> None:
    count = 2 * _CHUNK
    for number in range(count):
        add(spool, str(number).encode(), time=number)
    close(spool)
    (person,) = spool.people()
    one, other = (spool.rows(person.first, person.past) for _ in range(2))
    pairs = list(zip(one, other, strict=True))
    assert len(pairs) == count
    assert all(row == same for row, same in pairs)


# Tallies


def test_tallies_add_up_past_what_is_held_in_memory(spool: Spool) -> None:
    tally = Tally(spool)
    labels = 2 * _LABELS_AT_HAND + 500
    for _ in range(2):  # the second round meets labels that the spool has already
        for number in range(labels):
            tally.add("page", f"/{number}")
    tally.add("page", "/7")
    counts = list(tally.most_common("page"))
    assert counts[0] == ("/7", 3)
    assert len(counts) == labels
    assert {count for _, count in counts[1:]} == {2}


def test_a_tally_tells_the_most_frequent_first_then_by_label(spool: Spool) -> None:
    tally = Tally(spool)
    for label in ("c", "a", "b", "c", "b"):
        tally.add("event", label)
    tally.add("page", "a")
    assert list(tally.most_common("event")) == [("b", 2), ("c", 2), ("a", 1)]
    assert list(tally.most_common("page")) == [("a", 1)]
    assert list(tally.most_common("nothing")) == []


def test_a_tally_can_be_asked_and_go_on_counting(spool: Spool) -> None:
    tally = Tally(spool)
    tally.add("event", "a")
    assert list(tally.most_common("event")) == [("a", 1)]
    tally.add("event", "a")
    assert list(tally.most_common("event")) == [("a", 2)]


_FILL: str = """
import os, sys
import orjson
from pathlib import Path
from wootric_map.spool import TRACK, Spool

folder = Path(os.environ["SQLITE_TMPDIR"])
with Spool() as spool:
    for number in range(800):
        spool.add(0, TRACK, number, None, b"", ("a", number), os.urandom(65536))
    spool.keep_identities([("a", 0)])
    spool.close_intake([(0, 0, 1, 0)], events_apart=True)
    links = [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    own = [link for link in links if link.startswith(str(folder))]
    names = [each.name for each in folder.iterdir()]
    print(orjson.dumps({"open": own, "names": names}).decode(), flush=True)
    if sys.argv[1] == "crash":
        os._exit(9)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux lists open files there")
@pytest.mark.parametrize("end", ["close", "crash"])
def test_the_database_goes_to_disk_but_has_no_name_there(tmp_path: Path, end: str) -> None:
    environment = {"SQLITE_TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
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
    assert seen["open"], "nothing went to disk, so this shows nothing"
    assert seen["names"] == []
    assert list(tmp_path.iterdir()) == []
