"""How many distinct values there are: exactly while they are few, else about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.inspection.distinct import EXACT, DistinctValues, hash_of


def hashes(*numbers: int) -> list[bytes]:
    return [hash_of(b"%d" % each) for each in numbers]


@pytest.mark.parametrize("count", [0, 1, EXACT - 1])
def test_few_values_are_counted_exactly(count: int) -> None:
    found = DistinctValues(hashes(*range(count), *range(count)))
    assert (found.count, found.is_exact) == (count, True)


@pytest.mark.parametrize("count", [EXACT + 1, 5_000, 100_000])
def test_many_are_estimated_within_four_standard_errors(count: int) -> None:
    found = DistinctValues(hashes(*range(count)))
    assert not found.is_exact
    assert found.count == pytest.approx(count, rel=4 / (EXACT - 2) ** 0.5)
    assert len(found.least) == EXACT


@given(
    st.lists(st.lists(st.integers(0, 3000), max_size=50), max_size=5),
    st.integers(0, 2500),
    st.data(),
)
def test_neither_order_nor_parts_change_the_count(
    parts: list[list[int]], more: int, data: st.DataObject
) -> None:
    """`more` values make most of the examples estimates."""
    parts = [*parts, list(range(more))]
    whole = DistinctValues(hashes(*(each for part in parts for each in part)))
    merged = DistinctValues()
    for part in data.draw(st.permutations(parts)):
        merged.add(DistinctValues(hashes(*part[::-1])).least)
    assert (merged.count, merged.is_exact, merged.least) == (
        whole.count,
        whole.is_exact,
        whole.least,
    )


def test_a_value_has_one_hash_in_all_processes_and_runs() -> None:
    assert hash_of(b"a").hex() == "40f89e395b66422f"
