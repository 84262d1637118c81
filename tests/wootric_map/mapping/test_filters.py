"""Which records are replayed, each judged by itself."""

from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map import Choice
from wootric_map.mapping.filters import ago, since, until
from wootric_map.read.record import Identify, Page, Record, Track, read_line

NOON = 1_709_294_400_000
"""2024-03-01T12:00:00Z."""
DAY = 86_400_000
FIRST = NOON - DAY // 2
"""2024-03-01T00:00:00Z."""


def record(kind: str = "track", time: int | str | None = None, **fields: Any) -> Record:
    line: dict[str, Any] = {"type": kind, "userId": "1", "event": "Signed Up"} | fields
    if time is not None:
        line["timestamp"] = time
    ((_, reading),) = read_line(orjson.dumps(line))
    assert isinstance(reading, Identify | Track | Page), reading
    return reading


def at(millisecond: int) -> Record:
    return record()._replace(time=millisecond)


# A window of time


def test_since_takes_its_very_moment_and_nothing_before() -> None:
    choice = Choice(since=NOON)
    assert [choice.takes(at(NOON + late)) for late in (-1, 0, 1)] == [False, True, True]


def test_until_leaves_its_very_moment_out_and_all_after() -> None:
    choice = Choice(until=NOON)
    assert [choice.takes(at(NOON + late)) for late in (-1, 0, 1)] == [True, False, False]


def test_since_and_until_one_moment_take_nothing() -> None:
    choice = Choice(since=NOON, until=NOON)
    assert not any(choice.takes(at(NOON + late)) for late in (-1, 0, 1))


def test_a_window_may_begin_at_the_epoch() -> None:
    assert not Choice(since=0).takes(record(time="1969-12-31T23:59:59.999Z"))
    assert not Choice(until=0).takes(record(time="1970-01-01"))
    assert not Choice(since=0).is_everything


@pytest.mark.parametrize("kind", ["identify", "track", "page"])
@pytest.mark.parametrize(
    "choice", [Choice(since=-(2**62)), Choice(until=2**62), Choice(since=0, until=1)]
)
def test_a_record_without_a_time_is_in_no_window(kind: str, choice: Choice) -> None:
    assert not choice.takes(record(kind))
    assert Choice(types=frozenset({kind})).takes(record(kind))


@pytest.mark.parametrize(
    ("text", "past"),
    [
        ("2024-03-01", "2024-03-02"),
        ("20240301", "2024-03-02"),
        ("2024-02-28", "2024-02-29"),
        ("2023-02-28", "2023-03-01"),
        ("2024-12-31", "2025-01-01"),
        ("2024-02", "2024-03-01"),
        ("202402", "2024-03-01"),
        ("2024-11", "2024-12-01"),
        ("2024-12", "2025-01-01"),
        ("2024", "2025-01-01"),
        ("1969", "1970-01-01"),
    ],
)
def test_until_a_day_month_or_year_takes_it_whole(text: str, past: str) -> None:
    first, end = since(text), until(text)
    assert first is not None
    assert end is not None
    assert end == since(past)
    choice = Choice(since=first, until=end)
    moments = (first - 1, first, end - 1, end)
    assert [choice.takes(at(each)) for each in moments] == [False, True, True, False]


@pytest.mark.parametrize(
    "text",
    ["2024-03-01T12:00:00Z", "2024-03-01 12:00", "2024-03-01T14:00+02:00", str(NOON), "1709294400"],
)
def test_a_moment_is_taken_to_the_millisecond(text: str) -> None:
    assert since(text) == until(text) == NOON


def test_until_midnight_told_as_a_time_takes_nothing_of_that_day() -> None:
    assert until("2024-03-01T00:00:00Z") == since("2024-03-01") == FIRST
    assert until("2024-03-01") == FIRST + DAY


@pytest.mark.parametrize(
    "text", ["", "soon", "2024-13", "2024-02-30", "2024-3-1", "-1", "24-03-01"]
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert since(text) is until(text) is None


@pytest.mark.parametrize("text", ["9999", "9999-12", "9999-12-31"])
def test_where_the_calendar_ends_there_is_still_an_until(text: str) -> None:
    assert until(text) == since(text)


@given(st.dates())
def test_a_day_ends_where_the_next_begins(day: date) -> None:
    first, end = since(day.isoformat()), until(day.isoformat())
    assert first is not None
    assert end == (first if day.isoformat() == "9999-12-31" else first + DAY)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7d", 604_800), ("2w", 1_209_600), ("12h", 43_200), ("90m", 5_400), ("90min", 5_400),
     ("1.5h", 5_400), ("30s", 30), ("0d", 0)],
)  # fmt: skip
def test_how_long_ago_is_a_moment_before_now(text: str, seconds: int) -> None:
    assert ago(text, NOON / 1000) == NOON - 1000 * seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-7d", "7 d", "7D", "1y", "2024-03-01", "7d12h"])
def test_what_is_no_length_of_time_is_none(text: str) -> None:
    assert ago(text, 0) is None


# Types and names


@pytest.mark.parametrize(
    ("choice", "timed", "passed_over"),
    [
        (Choice(), {"identify", "track", "page"}, set()),
        (Choice(types=frozenset({"page"})), {"page"}, {"track", "screen", "group"}),
        (
            Choice(types=frozenset({"identify"}), since=0),
            {"identify"},
            {"track", "page", "screen", "group"},
        ),
        (Choice(until=0), {"identify", "track", "page"}, set()),
        (Choice(events=("*",)), set(), set()),
    ],
)
def test_of_some_types_all_is_chosen_by_time_and_of_others_nothing_is_looked_at(
    choice: Choice, timed: set[str], passed_over: set[str]
) -> None:
    assert set(choice.timed_types) == timed
    assert set(choice.passed_over) == passed_over


def test_types_take_what_they_name_and_nothing_else() -> None:
    choice = Choice(types=frozenset({"identify", "page"}))
    kinds = ("identify", "track", "page")
    assert [choice.takes(record(kind)) for kind in kinds] == [True, False, True]


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("Signed Up", ["Signed Up"], ["signed up", "Signed Up ", "Signed", "A Signed Up"]),
        ("Signed*", ["Signed", "Signed Up", "Signed\nUp"], ["Has Signed", "signed"]),
        ("*Up", ["Up", "Signed Up"], ["Upper", "up"]),
        ("S*d*p", ["Sdp", "Signed Up", "Sxdxdxp"], ["Spd", "Signed Ups"]),
        ("*", ["", "anything", "*"], []),
        ("a**b", ["ab", "axb"], ["a", "ba"]),
        ("a.c", ["a.c"], ["abc"]),
        ("[ab]+", ["[ab]+"], ["a", "ab"]),
        ("a|b", ["a|b"], ["a", "b"]),
        ("a?", ["a?"], ["a", "ab"]),
    ],
)
def test_a_name_is_letter_for_letter_but_for_the_star(
    pattern: str, taken: list[str], left: list[str]
) -> None:
    choice = Choice(events=(pattern,))
    assert [name for name in taken + left if name and choice.takes(record(event=name))] == [
        name for name in taken if name
    ]


def test_one_of_several_names_is_enough_and_the_longer_is_found_too() -> None:
    choice = Choice(events=("Sign", "Signed*", "Left"))
    names = ("Sign", "Signed Up", "Left", "Signs")
    assert [choice.takes(record(event=name)) for name in names] == [True, True, True, False]


def test_names_of_events_leave_identifies_and_pages_alone() -> None:
    choice = Choice(events=("Nothing",))
    kinds = ("identify", "track", "page")
    assert [choice.takes(record(kind)) for kind in kinds] == [True, False, True]


def test_every_part_of_a_choice_must_take_a_record() -> None:
    choice = Choice(NOON, NOON + DAY, frozenset({"track"}), ("Signed*",))
    whole: dict[str, Any] = {"kind": "track", "time": str(NOON), "event": "Signed Up"}
    assert choice.takes(record(**whole))
    for other in ({"kind": "page"}, {"time": str(NOON - 1)}, {"time": None}, {"event": "Left"}):
        assert not choice.takes(record(**(whole | other))), other


def test_no_choice_takes_everything_and_a_choice_of_users_or_a_limit_is_not_made_here() -> None:
    for choice in (Choice(), Choice(users=frozenset({"other"})), Choice(limit=0)):
        assert choice.is_everything
        assert all(choice.takes(record(kind)) for kind in ("identify", "track", "page"))


_BOUNDS = st.none() | st.integers(-3, 3)


@given(_BOUNDS, _BOUNDS, st.integers(-4, 4))
def test_a_window_is_a_half_open_span(first: int | None, end: int | None, time: int) -> None:
    inside = (first is None or time >= first) and (end is None or time < end)
    assert Choice(first, end).takes(at(time)) is inside
