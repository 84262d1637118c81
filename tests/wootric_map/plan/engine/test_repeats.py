"""What is left out once all records are read: repeats, and what is not chosen; and whose a record is."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import pytest
from bounded import giants
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from planned import Planned, PlanOf, identify, page, planned, track

from wootric_map import Choice, PlanOptions
from wootric_map.plan.engine import intake

Left: TypeAlias = list[tuple[str, int]]


@pytest.fixture(params=["as it is", "by the database", "giants"])
def any_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep records in each way, which must make no difference."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "by the database":
            patch.setattr(intake, "_SMALL", 0)
        with giants(1 if request.param == "giants" else 1_000_000):
            yield


def taken(made: Planned) -> list[int]:
    """The lines of the records that are replayed."""
    return sorted(
        ref.line for user in made.plan for step in made.plan.steps(user) for ref in step.refs
    )


def people(made: Planned) -> list[list[int]]:
    """Of each end user the lines of all records that are kept."""
    return [
        [row.line for rows in (each.identifies, each.replayed_rows) for row in rows]
        for each in made.plan.spool.people()
    ]


def left_out(made: Planned) -> Left:
    places = made.report.skipped.places
    return sorted((code, place.line) for code, found in places.items() for place in found)


def whole(record: dict[str, Any], message: str) -> dict[str, Any]:
    return record | {"messageId": message}


# Repeated messages


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (2, 1, 3)])
@pytest.mark.parametrize("is_split", [False, True])
def test_of_a_repeated_message_the_earliest_is_taken(
    any_way: None, tmp_path: Path, order: tuple[int, ...], is_split: bool
) -> None:
    records = [whole(track("1", minute), "m") for minute in order]
    files = [[each] for each in records] if is_split else [records]
    with planned(tmp_path, *files) as made:
        (event,) = made.events()
        assert event.call.event_name == "Signed Up"  # type: ignore[union-attr]
        ((row,),) = ([*each.replayed_rows] for each in made.plan.spool.people())
        assert row.time == 1_709_287_200_000 + 60_000
        assert made.report.skipped.counts == {"duplicate": 2}


def test_a_message_without_a_time_is_earlier_than_any(any_way: None, plan_of: PlanOf) -> None:
    old = {"timestamp": "0001-01-01T00:00:00.000Z"}
    made = plan_of(whole(track("1") | old, "m"), whole(track("1"), "m"))
    assert taken(made) == [2]


def test_messages_are_told_apart_to_the_letter_and_those_without_id_always(
    any_way: None, plan_of: PlanOf
) -> None:
    ids = ["m", "M", "m ", "é", "e\u0301", "x" * 100_000, "x" * 100_001, "7", "07"]
    made = plan_of(
        *(whole(track("1", 1), each) for each in ids), *[track("1", 1)] * 3, whole(track("1"), "")
    )
    assert taken(made) == list(range(1, len(ids) + 5))
    assert left_out(made) == []


def test_a_number_is_the_message_of_its_digits(any_way: None, plan_of: PlanOf) -> None:
    made = plan_of(whole(track("1", 1), "7"), track("1", 2) | {"messageId": 7})
    assert (taken(made), left_out(made)) == ([1], [("duplicate", 2)])


@pytest.mark.parametrize(
    "other",
    [track("2", 2), track("1", 2, anonymousId="b"), track("1", 2, event="Left"), page("1", 2),
     identify("1", 2)],
)  # fmt: skip
def test_another_record_with_the_message_id_of_one_is_taken_too(
    any_way: None, plan_of: PlanOf, other: dict[str, Any]
) -> None:
    made = plan_of(whole(track("1", 1), "m"), whole(other, "m"), whole(track("1", 3), "n"))
    assert taken(made) == [1, 2, 3]
    assert made.report.warnings.counts == {"message_id_reused": 1}


def test_what_is_left_out_is_told_with_place_and_type(any_way: None, tmp_path: Path) -> None:
    files: list[list[Any]] = [[whole(page("1", 1), "m")], [b"", whole(page("1", 2), "m")]]
    with planned(tmp_path, *files) as made:
        (place,) = made.report.skipped.places["duplicate"]
        assert (Path(place.source).name, place.line) == ("1.ndjson", 2)


def test_a_message_that_was_left_out_is_not_taken_again_later(
    any_way: None, plan_of: PlanOf
) -> None:
    late = PlanOptions(choice=Choice(since=1_709_287_200_000 + 5 * 60_000))
    made = plan_of(
        whole(track("1", 5), "m"),
        whole(track("1", 1), "m"),
        whole(track("1", 5), "n"),
        whole(track("1", 2), "o"),
        whole(track("1", 1), "o"),
        options=late,
    )
    assert taken(made) == [3]
    assert left_out(made) == [("duplicate", 1), *(("filtered_out", line) for line in (2, 4, 5))]


_MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([None, "m", "n"]),
        st.none() | st.integers(0, 2),
        st.sampled_from("abc"),
        st.sampled_from("12"),
    ),
    max_size=10,
)


@examples(25)
@given(_MESSAGES, st.randoms(use_true_random=False), st.integers(0, 10), st.booleans())
def test_what_is_taken_does_not_depend_on_the_order_it_came_in(
    messages: list[tuple[str | None, int | None, str, str]],
    rng: random.Random,
    cut: int,
    by_database: bool,
) -> None:
    def found(records: list[dict[str, Any]]) -> tuple[object, int]:
        with (
            tempfile.TemporaryDirectory() as folder,
            planned(Path(folder), records[:cut], records[cut:]) as made,
        ):
            rows = [
                (row.message_id, row.time, row.payload)
                for each in made.plan.spool.people()
                for row in each.replayed_rows
            ]
            return rows, made.report.skipped.counts["duplicate"]

    records = [
        track(user, minute, properties={"letter": letter})
        | ({"messageId": message} if message else {})
        for message, minute, letter, user in messages
    ]
    shuffled = list(records)
    rng.shuffle(shuffled)
    with pytest.MonkeyPatch.context() as patch:
        if by_database:
            patch.setattr(intake, "_SMALL", 0)
        rows, repeats = found(records)
        assert (rows, repeats) == found(shuffled)
    named = [(message, user) for message, _, _, user in messages if message]
    assert repeats == len(named) - len(set(named))


# What is chosen


def test_users_are_chosen_by_any_name_of_theirs(any_way: None, plan_of: PlanOf) -> None:
    chosen = Choice(users=frozenset({"A@b.co", "3", "nobody", "it's"}))
    made = plan_of(
        identify("6", 1, email="a@b.co"),
        track("6", 2),
        track("1", 3),
        track("3", 4),
        identify("4", 5),
        track("it's", 6),
        options=PlanOptions(choice=chosen),
    )
    assert taken(made) == [1, 2, 4, 6]
    assert left_out(made) == [("filtered_out", 3), ("filtered_out", 5)]
    assert made.report.unknown_users == ("nobody",)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 9, 2**63 - 1])
def test_a_limit_takes_the_first_in_time_order_of_all_end_users(
    any_way: None, plan_of: PlanOf, limit: int
) -> None:
    records = [track(str(n % 2 + 1), n) for n in (3, 1, 4, 2)]
    made = plan_of(*records, options=PlanOptions(choice=Choice(limit=limit)))
    in_time = [2, 4, 1, 3]
    assert taken(made) == sorted(in_time[:limit])
    assert left_out(made) == [("filtered_out", line) for line in sorted(in_time[limit:])]


def test_a_limit_counts_neither_repeats_nor_other_users(any_way: None, plan_of: PlanOf) -> None:
    told = [("6", 1, "a"), ("6", 2, "a"), ("1", 3, "b"), ("6", 4, "c"), ("6", 5, "d")]
    made = plan_of(
        *(whole(track(user, minute), message) for user, minute, message in told),
        options=PlanOptions(choice=Choice(users=frozenset("6"), limit=2)),
    )
    assert taken(made) == [1, 4]
    assert left_out(made) == [("duplicate", 2), ("filtered_out", 3), ("filtered_out", 5)]


@examples(20)
@given(
    st.lists(
        st.tuples(st.none() | st.integers(0, 1), st.none() | st.uuids().map(str)), max_size=12
    ),
    st.integers(0, 12),
    st.randoms(use_true_random=False),
)
def test_of_records_of_one_time_a_limit_takes_the_first_in_order(
    told: list[tuple[int | None, str | None]], limit: int, rng: random.Random
) -> None:
    records = []
    for nth, (minute, message) in enumerate(told):
        record = track(rng.choice("12"), minute, properties={"n": nth})
        records.append(whole(record, message) if message else record)

    def order(nth: int) -> tuple[bool, int, bool, object]:
        minute, message = told[nth]
        tie = message or orjson.dumps(records[nth])
        return minute is not None, minute or 0, message is not None, tie

    with (
        tempfile.TemporaryDirectory() as folder,
        planned(Path(folder), records, options=PlanOptions(choice=Choice(limit=limit))) as made,
    ):
        found = {line - 1 for line in taken(made)}
    assert found == set(sorted(range(len(records)), key=order)[:limit])


# Whose a record is

INVITED = track("host", 5, properties={"email": "guest@b.co"})


@pytest.mark.parametrize(
    ("others", "with_it"),
    [
        ([], 0),
        ([identify("host", 1)], 1),
        ([identify(None, 1, email="guest@b.co")], 1),
        ([identify("host", 1), identify(None, 2, email="guest@b.co")], 1),
        ([identify("g", 1, email="guest@b.co"), track("host", 2)], 1),
    ],
)
def test_a_record_is_filed_by_the_email_it_mentions_only_if_that_alone_has_identifies(
    any_way: None, plan_of: PlanOf, others: list[dict[str, Any]], with_it: int
) -> None:
    made = plan_of(INVITED, *others)
    (own,) = (each for each in people(made) if 1 in each)
    assert set(own) - {1} == ({2} if with_it else set())


def test_a_repeated_identify_identifies_nobody(any_way: None, plan_of: PlanOf) -> None:
    first = whole(identify("x", 1, email="other@b.co"), "m") | {"userId": "undefined"}
    again = whole(identify("x", 2, email="guest@b.co"), "m") | {"userId": "undefined"}
    assert people(plan_of(first, again, INVITED)) == [[1], [3]]


def test_an_identify_that_is_not_chosen_identifies_all_the_same(
    any_way: None, plan_of: PlanOf
) -> None:
    late = PlanOptions(choice=Choice(since=1_709_287_200_000 + 5 * 60_000))
    made = plan_of(identify(None, 1, email="guest@b.co"), INVITED, options=late)
    assert (people(made), taken(made)) == ([[1, 2]], [2])


def test_users_are_chosen_by_whom_a_record_is_filed_under_in_the_end(
    any_way: None, plan_of: PlanOf
) -> None:
    guest = PlanOptions(choice=Choice(users=frozenset({"guest@b.co"})))
    made = plan_of(identify(None, 1, email="guest@b.co"), INVITED, options=guest)
    assert (taken(made), left_out(made)) == ([1, 2], [])


def test_records_of_a_shared_user_id_go_to_their_emails(any_way: None, plan_of: PlanOf) -> None:
    """An agent is identified with the email of each customer (segment.md 8, rule 2)."""
    customers = [identify(f"own-{n}", n, email=f"{n}@b.co") for n in (1, 2, 3)]
    agent = [identify("agent", n + 5, email=f"{n}@b.co") for n in (1, 2, 3)]
    made = plan_of(
        *customers, *agent, track("agent", 20), track("agent", 21, properties={"email": "2@b.co"})
    )
    assert people(made) == [[1, 4], [2, 5, 8], [3, 6], [7]]
    detached = [
        row.line
        for each in made.plan.spool.people()
        for rows in (each.identifies, each.replayed_rows)
        for row in rows
        if row.detached
    ]
    assert sorted(detached) == [4, 5, 6, 8]
    assert made.report.warnings.counts["ambiguous_user_id"] == 1
