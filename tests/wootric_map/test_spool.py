"""Where a plan keeps its records: by end user, in time order, on disk when there are many."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wootric_map.spool import _BATCH, _CHUNK, _LABELS_AT_HAND, EVENT, IDENTIFY, Row, Spool, Tally


@pytest.fixture
def spool() -> Iterator[Spool]:
    with Spool() as opened:
        yield opened


def add(
    spool: Spool,
    payload: bytes = b"",
    *,
    identity: int = 0,
    stage: int = EVENT,
    time: int | None = None,
    tie: bytes = b"",
    place: tuple[str, int] = ("a.ndjson", 1),
    raw: bytes | None = None,
) -> None:
    spool.add(identity, stage, time, tie, place, payload, raw)


def payloads(spool: Spool, person: int = 0, stage: int = EVENT) -> list[bytes]:
    return [row.payload for row in spool.rows(person, stage)]


def test_rows_come_in_time_order_those_without_a_time_first(spool: Spool) -> None:
    for time in (30, None, -5, 0, 10):
        add(spool, str(time).encode(), time=time)
    spool.close_intake([0])
    assert payloads(spool) == [b"None", b"-5", b"0", b"10", b"30"]
    assert [row.time for row in spool.rows(0, EVENT)] == [None, -5, 0, 10, 30]


def test_rows_of_one_time_are_ordered_by_their_tie_then_as_they_came(spool: Spool) -> None:
    for tie, payload in ((b"\1b", b"3"), (b"\1a", b"1"), (b"\1a", b"2"), (b"\0z", b"0")):
        add(spool, payload, time=7, tie=tie)
    spool.close_intake([0])
    assert payloads(spool) == [b"0", b"1", b"2", b"3"]


def test_a_row_tells_where_its_record_stands(spool: Spool) -> None:
    add(spool, b"x", place=("a.ndjson", 3), time=1)
    add(spool, b"y", place=("b.ndjson", 9), time=2)
    add(spool, b"z", place=("a.ndjson", 4), time=3)
    spool.close_intake([0])
    assert list(spool.rows(0, EVENT)) == [
        Row(1, 1, "a.ndjson", 3, b"x"),
        Row(2, 2, "b.ndjson", 9, b"y"),
        Row(3, 3, "a.ndjson", 4, b"z"),
    ]


def test_stages_are_kept_apart(spool: Spool) -> None:
    add(spool, b"event", stage=EVENT)
    add(spool, b"identify", stage=IDENTIFY)
    spool.close_intake([0])
    assert payloads(spool, stage=IDENTIFY) == [b"identify"]
    assert payloads(spool, stage=EVENT) == [b"event"]


def test_ids_of_one_end_user_share_their_rows_and_others_have_none_of_them(spool: Spool) -> None:
    for identity, time in ((0, 3), (1, 2), (2, 1)):
        add(spool, str(identity).encode(), identity=identity, time=time)
    spool.close_intake([0, 1, 0])
    assert payloads(spool, 0) == [b"2", b"0"]
    assert payloads(spool, 1) == [b"1"]
    assert payloads(spool, 2) == []


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
        tie = b"" if same_time else b"\1%d" % (time % 3)
        add(spool, str(time).encode(), time=None if same_time else time, tie=tie)
    add(spool, b"another's", identity=1)
    spool.close_intake([0, 1])
    expected = times if same_time else sorted(times)
    assert [int(payload) for payload in payloads(spool)] == expected


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.none() | st.integers(-2, 2) | st.sampled_from([-(2**62), 2**62]),
            st.sampled_from([b"", b"\0", b"\1a", b"\1\xff"]),
        ),
        max_size=30,
    ),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
)
def test_every_record_is_one_row_of_its_end_user_in_order(
    records: list[tuple[int, int | None, bytes]], people: list[int]
) -> None:
    with Spool() as spool:
        for number, (identity, time, tie) in enumerate(records):
            add(spool, str(number).encode(), identity=identity, time=time, tie=tie)
        spool.close_intake(people)
        found = [payloads(spool, person) for person in range(4)]
    for person, given_payloads in enumerate(found):
        own = [
            (time is not None, time or 0, tie, number)
            for number, (identity, time, tie) in enumerate(records)
            if people[identity] == person
        ]
        assert [int(payload) for payload in given_payloads] == [each[3] for each in sorted(own)]


def test_a_records_line_is_given_back_byte_for_byte_and_empty_where_none_was_kept(
    spool: Spool,
) -> None:
    add(spool, raw=b"\xff\0{}", time=1)
    add(spool, raw=None, time=2)
    spool.close_intake([0])
    kept, none = (row.number for row in spool.rows(0, EVENT))
    assert spool.raw(kept) == b"\xff\0{}"
    assert spool.raw(none) == b""


def test_a_message_id_is_taken_once(spool: Spool) -> None:
    names = ["m", "M", "m ", "", "é", "e\u0301", "x" * 100_000]
    assert [spool.take(name) for name in names] == [True] * len(names)
    assert [spool.take(name) for name in names] == [False] * len(names)


def test_a_message_id_is_taken_once_by_all_threads_together(spool: Spool) -> None:
    names = [f"message {number % 300}" for number in range(2400)]
    with ThreadPoolExecutor(8) as pool:
        taken = Counter(
            name for name, first in zip(names, pool.map(spool.take, names), strict=True) if first
        )
    assert taken == Counter(set(names))


def test_several_threads_read_at_once_and_each_gets_its_own_rows(spool: Spool) -> None:
    people, each = 8, _CHUNK + 20
    for number in range(people * each):
        payload = f"{number % people}:{number // people:05}".encode()
        add(spool, payload, identity=number % people, time=number, raw=b"line " + payload)
    spool.close_intake(range(people))

    def read(person: int) -> list[bytes]:
        return [spool.raw(row.number) for row in spool.rows(person, EVENT)]

    with ThreadPoolExecutor(people) as pool:
        found = list(pool.map(read, range(people)))
    for person, lines in enumerate(found):
        assert lines == [f"line {person}:{n:05}".encode() for n in range(each)]


def test_one_readers_rows_go_on_where_they_were_while_another_reads(spool: Spool) -> None:
    count = 2 * _CHUNK
    for number in range(count):
        add(spool, str(number).encode(), time=number)
    spool.close_intake([0])
    pairs = list(zip(spool.rows(0, EVENT), spool.rows(0, EVENT), strict=True))
    assert len(pairs) == count
    assert all(one == other for one, other in pairs)


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
from wootric_map.spool import EVENT, Spool

folder = Path(os.environ["SQLITE_TMPDIR"])
with Spool() as spool:
    for number in range(800):
        spool.add(0, EVENT, number, b"", ("a", number), os.urandom(65536), None)
    spool.close_intake([0])
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
