"""What events come to does not depend on the order in which they are added, nor on the runs that add them."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.plan.event_history import (
    EventHistory,
    Wants,
    amount_of,
    as_integer,
    event_history,
    unpacked_history,
)

KEYS = ("revenue", "plan")
WANTS = Wants(numbers=True, dates=True, latest=frozenset(KEYS))
VALUES = st.one_of(
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**20), 10**20),
    st.sampled_from(["0.1", " 7 ", "-3", "none", "2024-05-06", True, ["x"], {"a": 1}, "1e5"]),
)
EVENTS = st.tuples(st.none() | st.integers(0, 5), st.dictionaries(st.sampled_from(KEYS), VALUES))


def of(number: int, time: int | None, properties: dict[str, Any]) -> EventHistory:
    return event_history(
        time, properties, KEYS, order=lambda: (time or 0, True, f"m{number}"), wants=WANTS
    )


def total(histories: list[EventHistory]) -> EventHistory:
    whole = EventHistory()
    for each in histories:
        whole.add(each)
    return whole


@given(events=st.lists(EVENTS, max_size=8), data=st.data())
def test_no_order_and_no_split_changes_what_events_come_to(
    events: list[tuple[int | None, dict[str, Any]]], data: st.DataObject
) -> None:
    each = [of(number, *event) for number, event in enumerate(events)]
    whole = total(each)
    order = data.draw(st.permutations(each))
    cut = data.draw(st.integers(0, len(order)))
    parts = [unpacked_history(total(part).packed()) for part in (order[cut:], order[:cut])]
    assert total(parts) == whole
    numbers = [
        number
        for _, properties in events
        if (number := amount_of(properties.get("revenue"))) is not None
    ]
    if numbers:
        assert Fraction(whole.properties["revenue"].total or 0) == sum(map(Fraction, numbers))
        assert whole.properties["revenue"].least == min(numbers)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0.5", 1), ("-0.5", 0), ("2.4999", 2), ("-2.5", -2), ("9223372036854775807.5", 2**63)],
)
def test_halves_go_up(value: str, expected: int) -> None:
    assert as_integer(Decimal(value)) == expected


@pytest.mark.parametrize("value", [True, None, "", "x", "1e3", 2**63, -(2**63), 1e300, [], {}])
def test_what_is_no_amount_is_passed_over(value: object) -> None:
    assert amount_of(value) is None


@pytest.mark.parametrize(
    "spoilt", ["", "{}", "[1]", '[1,"x",2,{}]', '[1,1,1,{"a":["x",null,null,null,null,null]}]']
)
def test_what_is_no_history_is_refused(spoilt: str) -> None:
    with pytest.raises(ValueError, match="spoilt"):
        unpacked_history(spoilt)
