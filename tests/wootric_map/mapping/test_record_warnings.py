"""The warnings that are found without mapping a record are those that mapping it gives."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import RECORDS

from wootric_map import map_record, read_line
from wootric_map.mapping.property_names import AS_WRITTEN, Naming
from wootric_map.mapping.record_warnings import WarningsOfRecords
from wootric_map.read.ordinary_record import is_ordinary
from wootric_map.read.record import Identify, Page, Record, Track

KEYS = (
    "email", "Email", "created", "createdAt", "created_at", "phone", "language", "id", "name",
    "seats", "seats_amount", "due", "due_date", "tags", "tags_array", "$cost", "a.b", "a_b", "", "a",
    "update", "amount", "total.amount", "Phone Number",
)  # fmt: skip
TEXTS = (
    "", " ", "text", "ada@example.com", "ada@@example", "undefined", "2019-02-03", "1999-12-31",
    "2018-08-03T15:28:46.493Z", "2019-02-30T00:00:00Z", "2019-02-29T00:00:00Z",
    "2020-04-31T00:00:00Z", "0001-01-01T00:00:00Z", "2199-01-01T00:00:00Z", "1970-01-01T00:00:00Z",
    "2023-12-31T00:00:00+00:00", "1549166706", "never", "+1 555 0100",
)  # fmt: skip
SCALARS = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from([0, 1, 43, 1549166706, 1549166706000, 2**63, 0.5, 43.0, 1e300, 1e-320]),
    st.booleans(),
    st.none(),
)
VALUES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=3),
    lambda inner: (
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=3) | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)
FIELDS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
TRAITS = st.builds(
    lambda usual, others: usual | others,
    st.fixed_dictionaries(
        {"email": st.just("ada@example.com") | st.sampled_from(TEXTS)},
        optional={"createdAt": st.sampled_from(TEXTS)},
    ),
    st.dictionaries(st.sampled_from([key for key in KEYS if key[-1:] != "t"]), VALUES, max_size=3),
)
"""Traits and properties; the warnings about most can be found without mapping."""
ANY = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["identify", "track", "page"]),
        "userId": st.sampled_from(["1", "user-1", "ada@example.com", "ada@"]),
        "event": st.just("E"),
        "timestamp": st.just("2024-01-01T00:00:00Z"),
        "traits": FIELDS | TRAITS,
        "properties": FIELDS,
    },
    optional={"context": st.fixed_dictionaries({}, optional={"traits": FIELDS})},
)

QUICK = {renames: WarningsOfRecords(Naming(renames, renames)) for renames in (False, True)}
"""Shared by all examples, so that warnings are cached from one to the next."""


def check(data: dict[str, Any], *, amount_suffix: bool) -> None:
    (read,) = read_line(orjson.dumps(data))
    record = read.reading
    if not isinstance(record, Identify | Track | Page) or not (record.user_id or "").strip():
        return
    naming = Naming(amount_suffix, amount_suffix)
    slow = [*map_record(record._replace(warnings=()), naming=naming).warnings]
    quick = WarningsOfRecords(naming)
    for each in (quick, quick, QUICK[amount_suffix]):
        assert [*each.of_record(record)] == slow
        if is_ordinary(data):
            assert [*each.of_ordinary(data)] == slow


@given(ANY, st.booleans())
def test_the_warnings_are_those_of_mapping_the_record(
    data: dict[str, Any], amount_suffix: bool
) -> None:
    check(data, amount_suffix=amount_suffix)


@given(RECORDS)
def test_the_warnings_of_usual_records_are_too(data: dict[str, Any]) -> None:
    if data["type"] != "alias":
        check(data, amount_suffix=False)


@given(st.data(), FIELDS)
def test_values_of_the_same_types_make_no_difference(data: st.DataObject, fields: Any) -> None:
    """Warnings that are cached for one record hold for the next one with the same names and types."""
    for _ in range(3):
        check(
            {
                "type": "identify",
                "userId": "1",
                "timestamp": "2024-01-01T00:00:00Z",
                "traits": fields,
            },
            amount_suffix=False,
        )
        fields = data.draw(st.fixed_dictionaries({key: like(fields[key]) for key in fields}))


def like(value: object) -> st.SearchStrategy[Any]:
    """Return another value of the same type."""
    if isinstance(value, dict):
        return st.fixed_dictionaries({key: like(each) for key, each in value.items()})
    if isinstance(value, list):
        return st.tuples(*map(like, value)).map(list)
    if isinstance(value, str):
        return st.sampled_from(TEXTS)
    if isinstance(value, float):
        return st.sampled_from([0.5, 43.0, 1e300])
    return st.sampled_from([1, 43]) if type(value) is int else st.just(value)


def shapes(count: int) -> list[dict[str, Any]]:
    """Return records, each with keys of its own."""
    return [
        {
            "type": "track",
            "userId": "1",
            "event": "E",
            "timestamp": "2024-01-01T00:00:00Z",
            "properties": {f"k{number}-{nth}": nth for nth in range(40)},
        }
        for number in range(count)
    ]


def test_what_is_remembered_of_hostile_records_is_bounded() -> None:
    tracemalloc = pytest.importorskip("tracemalloc")
    quick = WarningsOfRecords(AS_WRITTEN)
    tracemalloc.start()
    try:
        for data in shapes(500):
            assert len(quick.of_ordinary(data)) == 40
        of_shapes, _ = tracemalloc.get_traced_memory()
        data = shapes(1)[0]
        for number in range(1500):
            kinds = [1 if number >> nth & 1 else "x" for nth in range(12)]
            data["properties"] = {f"k{nth}": kind for nth, kind in enumerate(kinds)}
            assert len(quick.of_ordinary(data)) == kinds.count(1)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert of_shapes < 8_000_000
    assert held - of_shapes < 600_000


def test_a_record_is_judged_by_where_its_traits_stand() -> None:
    record: Record = Identify(
        "1", None, None, None, {}, {"email": "ada@example.com", "seats": 5}, "context.traits"
    )
    quick = WarningsOfRecords(AS_WRITTEN)
    assert [*quick.of_record(record)] == [*map_record(record).warnings]


@pytest.mark.parametrize(
    "day",
    [
        f"20{year}-{month:02}-{day:02}"
        for year in (23, 24)
        for month in range(1, 13)
        for day in (1, 28, 29, 30, 31)
    ],
)
@pytest.mark.parametrize("time", ["T23:59:59Z", "T00:00:00.000+00:00"])
def test_a_creation_date_is_told_at_a_glance_only_if_it_is_one(day: str, time: str) -> None:
    traits = {"email": "ada@example.com", "createdAt": day + time}
    check(
        {"type": "identify", "userId": "1", "timestamp": "2024-01-01T00:00:00Z", "traits": traits},
        amount_suffix=False,
    )
