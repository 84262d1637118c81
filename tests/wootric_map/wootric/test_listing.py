"""wootric.md 3: the whole list of end users, by pages of 50 and windows of 1,500."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listed import Listed

from wootric_map.errors import CallFailedError
from wootric_map.wootric import listing
from wootric_map.wootric.end_users import Reached
from wootric_map.wootric.listing import Fetch, Query, Row, walk

T = 1_700_000_000
NOW = T + 1_000_000
"""Past all creations of these tests."""
WINDOW = 1500

# Windows of 12 in place of 1,500 show the same in less time.
SMALL_PAGE, SMALL_PAGES = 3, 4
SMALL_WINDOW = SMALL_PAGE * SMALL_PAGES


def small() -> AbstractContextManager[Any]:
    return patch.multiple(listing, PER_PAGE=SMALL_PAGE, PAGES=SMALL_PAGES)


def crowded(most: int) -> st.SearchStrategy[list[int]]:
    """Seconds in which end users were created, up to so many in each."""
    crowds = st.lists(st.tuples(st.integers(1, 3), st.integers(1, most)), max_size=8)

    def spread(found: list[tuple[int, int]]) -> list[int]:
        second, seconds = T, []
        for gap, count in found:
            second += gap
            seconds += [second] * count
        return seconds

    return crowds.map(spread)


def ids(rows: Sequence[Row]) -> list[int]:
    return [row["id"] for row in rows]


def walked(fetch: Fetch, **options: Any) -> list[Row]:
    return [row for rows in walk(fetch, now=lambda: NOW, **options) for row in rows]


def calls_needed(seconds: Sequence[int], per_page: int, window: int) -> int:
    """How many calls it takes: every page of a window but none after the last, windows as far apart as
    they can be, and a crowded second from its other end no further than it must."""
    seconds = sorted(seconds)
    calls = start = 0
    while len(seconds) - start >= window:
        calls += window // per_page
        last = seconds[start + window - 1]
        if seconds[start] < last:
            start = seconds.index(last)
        else:
            calls += (seconds.count(last) - window) // per_page + 1
            start += seconds.count(last)
    return calls + (len(seconds) - start) // per_page + 1


@given(crowded(2 * SMALL_WINDOW - 1))
def test_every_end_user_comes_once_in_order_and_with_no_call_too_many(seconds: list[int]) -> None:
    account = Listed(seconds)
    with small():
        found = walked(account)
    assert [row["created_at"] for row in found] == sorted(seconds)
    assert sorted(ids(found)) == list(range(1, len(seconds) + 1))
    assert len(account.queries) == calls_needed(seconds, SMALL_PAGE, SMALL_WINDOW)


@given(crowded(2 * SMALL_WINDOW - 1), st.data())
def test_a_walk_goes_on_where_it_was_stopped(seconds: list[int], data: st.DataObject) -> None:
    with small():
        whole = walked(Listed(seconds))
        stopped = data.draw(st.integers(0, len(whole)))
        before = whole[:stopped]
        reached = None
        if before:
            last = before[-1]["created_at"]
            there = frozenset(row["id"] for row in before if row["created_at"] == last)
            reached = Reached(last, there)
        assert before + walked(Listed(seconds), reached=reached) == whole


@given(crowded(4 * SMALL_WINDOW))
def test_too_many_in_a_second_end_it_and_none_is_lost_unseen(seconds: list[int]) -> None:
    account = Listed(seconds)
    too_many = any(seconds.count(each) >= 2 * SMALL_WINDOW for each in seconds)
    with small():
        if too_many:
            with pytest.raises(
                CallFailedError, match="24 end users or more were created in"
            ) as error:
                walked(account)
            assert error.value.code == "too_many_in_a_second"
        else:
            assert sorted(ids(walked(account))) == list(range(1, len(seconds) + 1))


@pytest.mark.parametrize(
    ("crowd", "calls"),
    [
        (0, 1),
        (49, 1),
        (50, 2),
        (1499, 30),
        (1500, 30 + 1 + 1),
        (1501, 30 + 1 + 1),
        (1550, 30 + 2 + 1),
        (2999, 30 + 30 + 1),
    ],
)
def test_a_crowd_in_one_second(crowd: int, calls: int) -> None:
    account = Listed([T] * crowd)
    assert sorted(ids(walked(account))) == list(range(1, crowd + 1))
    assert len(account.queries) == calls


@pytest.mark.parametrize("crowd", [3000, 3001, 10_000])
def test_3000_in_one_second_or_more_are_told(crowd: int) -> None:
    with pytest.raises(CallFailedError, match=r"3,000 end users or more .* 2023-11-14T22:13:20Z"):
        walked(Listed([T - 1] * 5 + [T] * crowd))


def test_the_window_moves_to_the_second_of_its_last_row() -> None:
    seconds = [T + number // 300 for number in range(4000)]
    account = Listed(seconds)
    assert ids(walked(account)) == list(range(1, 4001))
    starts = [query.get("created[gte]") for query in account.queries if query["page"] == "1"]
    # The last row of the first window is the last of its second: all 300 of them come again.
    assert starts == [None, str(T + 4), str(T + 8), str(T + 12)]
    assert len(account.queries) == 30 + 30 + 30 + 9
    assert {query["per_page"] for query in account.queries} == {"50"}


def test_an_update_asks_only_for_what_changed_in_every_window() -> None:
    account = Listed(T + number for number in range(2000))
    for row in account.rows[::2]:
        row["updated_at"] = T + 9000
    found = walked(account, updated_since=T + 8000)
    assert ids(found) == list(range(1, 2001, 2))
    assert {query["updated[gte]"] for query in account.queries} == {str(T + 8000)}


def test_an_update_reads_a_crowded_second_from_the_other_end_too() -> None:
    account = Listed([T] * 30)
    for row in account.rows[::2]:
        row["updated_at"] = T + 9000
    with small():
        found = walked(account, updated_since=T + 8000)
    assert sorted(ids(found)) == list(range(1, 31, 2))


def test_a_run_that_stopped_while_reading_from_the_other_end_loses_none() -> None:
    # What the stopped run had from the other end must not be taken for where the two readings meet.
    with small():
        account = Listed([T] * 22)
        pages = list(walk(account, now=lambda: NOW))
        stopped = [row for rows in pages[: SMALL_PAGES + 1] for row in rows]
        assert ids(stopped)[SMALL_WINDOW:] == [22, 21, 20]
        rest = walked(account, reached=Reached(T, frozenset(ids(stopped))))
    assert sorted(ids(stopped + rest)) == list(range(1, 23))


def test_one_created_while_a_second_is_read_from_the_other_end_hides_none() -> None:
    # The new one pushes the rows on, so that a page begins with the end of the page before.
    account = Listed([T] * 20)

    def fetch(query: Query) -> Sequence[Row]:
        rows = account(query)
        if query["sort_order"] == "desc" and query["page"] == "1":
            account.add(T)
        return rows

    with small():
        found = ids(walked(fetch))
    assert len(found) == len(set(found))
    assert set(range(1, 21)) <= set(found)


def test_rows_that_move_on_between_two_pages_come_once() -> None:
    # As when an end user is updated while an update lists who was.
    account = Listed(range(T, T + 20))

    def fetch(query: Query) -> Sequence[Row]:
        rows = account(query)
        if query["page"] == "2":
            account.rows.insert(0, {"id": 99, "created_at": T - 1})
        return rows

    with small():
        assert ids(walked(fetch)) == list(range(1, 21))


def in_the_same_order(account: Listed) -> Fetch:
    """A server that gives those of one second in the same order, whichever it is asked for."""
    return lambda query: account(query | {"sort_order": "asc"})


def test_a_second_that_has_no_other_end_is_told() -> None:
    # 20 of which 12 can be seen, from either end.
    with small(), pytest.raises(CallFailedError, match="one order or another"):
        walked(in_the_same_order(Listed([T] * 20)))


Lie = Callable[[list[Row], Query], list[Row]]


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (lambda rows, query: [*rows, {"id": 999, "created_at": T + 999}], "more than the 3 asked"),
        (lambda rows, query: rows[::-1], "not in the order"),
        (lambda rows, query: [{**row, "id": None} for row in rows], "it is no end user"),
        (lambda rows, query: [{**row, "created_at": "?"} for row in rows], "its created_at"),
        (lambda rows, query: [{"id": row["id"]} for row in rows], "its created_at"),
        (lambda rows, query: [{**row, "properties": [1]} for row in rows], "it is no end user"),
        (lambda rows, query: [rows[0], rows[0], rows[2]], "holds an end user twice"),
        (
            lambda rows, query: [{**row, "created_at": NOW + 100_000} for row in rows],
            "still to be created",
        ),
    ],
)
def test_a_page_that_makes_no_sense_ends_it(lie: Lie, words: str) -> None:
    account = Listed(range(T, T + 20))
    with small(), pytest.raises(CallFailedError, match=words) as error:
        walked(lambda query: lie(list(account(query)), query))
    assert error.value.code == "bad_reply"
    assert len(account.queries) == 1


@pytest.mark.parametrize("seconds", [range(T, T + 40), [T] * 40])
@pytest.mark.parametrize(
    ("ignored", "words"),
    [("page", "page 2 holds nobody but"), ("created[gte]", "outside the created window|order")],
)
def test_a_server_that_ignores_part_of_the_query_keeps_nobody_waiting_for_ever(
    ignored: str, words: str, seconds: Sequence[int]
) -> None:
    account = Listed(seconds)

    def fetch(query: Query) -> Sequence[Row]:
        lax = {name: value for name, value in query.items() if name != ignored}
        return account({"page": "1"} | lax)

    with small(), pytest.raises(CallFailedError, match=words + "|24 end users or more"):
        walked(fetch)
    assert len(account.queries) <= 2 * SMALL_PAGES + 1


def test_two_pages_in_turn_keep_nobody_waiting_for_ever() -> None:
    account = Listed([T] * 40)

    def fetch(query: Query) -> Sequence[Row]:
        return account(query | {"page": str(2 - int(query["page"]) % 2)})

    with small(), pytest.raises(CallFailedError, match="page 3 holds nobody but whom"):
        walked(fetch)


def test_a_page_that_goes_back_in_time_ends_it() -> None:
    pages = {"1": [T + 5, T + 6, T + 7], "2": [T + 1, T + 2, T + 3]}

    def fetch(query: Query) -> Sequence[Row]:
        return [{"id": second, "created_at": second} for second in pages[query["page"]]]

    with small(), pytest.raises(CallFailedError, match="page 2 is not in the order"):
        walked(fetch)


def test_nobody_is_created_twice() -> None:
    pages = {"1": [(1, T), (2, T), (3, T)], "2": [(3, T + 1), (4, T + 1), (5, T + 1)]}

    def fetch(query: Query) -> Sequence[Row]:
        return [{"id": number, "created_at": second} for number, second in pages[query["page"]]]

    with small(), pytest.raises(CallFailedError, match="two times of creation"):
        walked(fetch)


def test_a_list_that_is_made_up_as_it_is_asked_for_ends_with_the_present() -> None:
    asked: list[Query] = []

    def fetch(query: Query) -> Sequence[Row]:
        asked.append(query)
        first = int(query.get("created[gte]", NOW)) + SMALL_PAGE * (int(query["page"]) - 1)
        return [{"id": each, "created_at": each} for each in range(first, first + SMALL_PAGE)]

    with small(), pytest.raises(CallFailedError, match="still to be created"):
        walked(fetch)
    assert len(asked) < 100_000 / SMALL_PAGE


def test_pages_of_which_none_is_new_come_to_an_end() -> None:
    with small():
        account = Listed([T] * 13 + [T + 1] * 3)
        everybody = frozenset(range(1, 14))
        assert ids(walked(account, reached=Reached(T, everybody))) == [14, 15, 16]


def test_a_list_of_a_past_without_end_makes_no_sense() -> None:
    calls = 0

    def fetch(query: Query) -> Sequence[Row]:
        nonlocal calls
        calls += 1
        low, first = int(query.get("created[gte]", -62_000_000_000)), int(query["page"]) * 50 - 50
        return [
            {"id": low % 10**11 + first + each, "created_at": low + first + each}
            for each in range(50)
        ]

    with pytest.raises(CallFailedError, match="before there was a Wootric"):
        walked(fetch)
    assert calls == 1
