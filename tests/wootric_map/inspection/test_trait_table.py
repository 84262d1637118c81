"""Traits are looked at column by column, and found as they would be one by one."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.inspection.trait_rows import TraitRows
from wootric_map.inspection.trait_table import (
    DEEPEST,
    LONGEST,
    SAMPLES,
    Path,
    TraitStats,
    TraitTable,
)

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        ["", "x", "y", "2024-02-29", "2024-02-30", 0, 1, 1.0, 2.5, True, False, None, []]
    )
    | st.integers(-3, 3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)
RECORDS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), max_size=12)


def table_of(records: list[dict[str, Any]], most: int = 500) -> tuple[TraitTable, TraitRows]:
    table = TraitTable(most)
    rows = TraitRows(table)
    for number, record in enumerate(records):
        rows.add(record, number, 10)
    rows.flush()
    return table, rows


def told(stats: TraitStats) -> tuple[Any, ...]:
    return dict(stats.types), stats.distinct.count, {k: list(v) for k, v in stats.samples.items()}


def one_by_one(record: dict[str, Any], above: Path = ()) -> set[Path]:
    """The traits that a record has a value for."""
    found: set[Path] = set()
    for key, value in record.items():
        if isinstance(value, dict):
            found |= one_by_one(value, (*above, key))
        elif value is not None and value not in ("", []):
            found.add((*above, key))
    return found


@given(RECORDS)
def test_each_record_has_values_for_what_it_holds(records: list[dict[str, Any]]) -> None:
    _, rows = table_of(records)
    sets = list(rows.filled)
    held: dict[int, set[Path]] = {}
    for number, filled in zip(rows.keys, rows.sets, strict=True):
        held[number] = {rows.paths[place] for place in sets[filled]}
    assert held == {number: one_by_one(record) for number, record in enumerate(records)}


@given(RECORDS)
def test_the_values_of_many_are_those_of_each(records: list[dict[str, Any]]) -> None:
    table, _ = table_of(records)
    merged = TraitTable()
    for record in records:
        merged.include(table_of([record])[0].packed())
    assert {path: told(each) for path, each in table.kept().items()} == {
        path: told(each) for path, each in merged.kept().items()
    }


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", "text"),
        ("2024-02-29", "date"),
        ("2024-02-29T10:00:00Z", "date"),
        ("2024-02-30", "text"),
        (1, "integer"),
        (1.0, "integer"),
        (10**30, "integer"),
        (1.5, "number"),
        (True, "boolean"),
        (["a", None], "list"),
        ([{}], "list_of_objects"),
        ([[]], "list_of_objects"),
        (["{"], "list"),
    ],
)
def test_each_value_has_one_type(value: object, kind: str) -> None:
    table, _ = table_of([{"k": value}])
    assert table.kept()["k",].types == {kind: 1}


def test_true_is_not_one_and_text_is_no_number() -> None:
    table, _ = table_of([{"k": each} for each in (1, True, "1", 1.0, [1], "true")])
    stats = table.kept()["k",]
    assert stats.types == {"integer": 2, "boolean": 1, "text": 2, "list": 1}
    assert stats.distinct.count == 5


def test_nesting_is_followed_so_far_and_no_further() -> None:
    value: Any = "x"
    for _ in range(900):
        value = {"a": value}
    table, _ = table_of([{"a": value}])
    ((path, stats),) = table.kept().items()
    assert len(path) == DEEPEST
    assert stats.types == {"object": 1}


def test_which_traits_are_kept_follows_from_their_names_alone() -> None:
    records = [{f"t{nth:04}": nth, f"t{nth:04}-{'x' * (nth % 7)}": 1} for nth in range(300)]
    kept = list(table_of(records, most=50)[0].kept())
    assert len(kept) == 50
    assert list(table_of(records[::-1], most=50)[0].kept()) == kept
    merged = TraitTable(50)
    for each in (records[200:], records[:100], records[100:200]):
        merged.include(table_of(each, most=50)[0].packed())
    assert list(merged.kept()) == kept
    assert merged.names.count == 600


def test_a_trait_that_is_kept_has_been_seen_from_its_first_value_on() -> None:
    records: list[dict[str, Any]] = [{"a": 1}]
    records += [{"x" * length: 1} for length in range(2, 300)]
    records += [{"a": 2}]
    assert table_of(records, most=10)[0].kept()["a",].types == {"integer": 2}


@pytest.mark.parametrize(
    "value", ["x" * 10**6, ["y" * 10**6], [["z" * 10**6]], ["item"] * 10**5, [{"a": "b" * 10**6}]]
)
def test_no_sample_takes_much_memory(value: object) -> None:
    table, _ = table_of([{"k": value}])
    ((sample,),) = table.kept()["k",].samples.values()
    assert len(json.dumps(sample.value)) < 2 * LONGEST


def test_samples_are_as_many_as_wanted_and_the_same_in_any_order() -> None:
    records = [{"k": f"value {nth}"} for nth in range(200)]
    samples = {
        tuple(table_of(list(order))[0].kept()["k",].samples["text"])
        for order in (records, records[::-1], records[100:] + records[:100])
    }
    ((first, *rest),) = samples
    assert 1 + len(rest) == SAMPLES
    assert all(one.digest < other.digest for one, other in itertools.pairwise([first, *rest]))


def test_names_of_a_megabyte_are_cut_and_told_apart() -> None:
    table, _ = table_of([{"n" * 10**6: 1}, {"n" * 10**6 + "m": 2}])
    first, second = table.kept()
    assert first != second
    assert max(map(len, (*first, *second))) < 1100
