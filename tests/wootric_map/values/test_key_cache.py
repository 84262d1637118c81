"""The cache of results by an object's keys may forget, but is never wrong and never large."""

import tracemalloc

from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.values.key_cache import KeyTable


def asked_of(*sets: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Ask a table for sets of keys, and return those for which it computed the result."""
    asked = []

    def work_out(keys: tuple[str, ...]) -> str:
        asked.append(keys)
        return " ".join(keys)

    table = KeyTable(work_out)
    for keys in sets:
        assert table[keys] == " ".join(keys)
    return asked


@given(st.lists(st.lists(st.text(max_size=3), max_size=3).map(tuple)))
def test_keys_that_stood_together_before_are_not_worked_out_again(
    sets: list[tuple[str, ...]],
) -> None:
    assert asked_of(*sets) == list(dict.fromkeys(sets))


def test_the_order_of_keys_counts() -> None:
    assert asked_of(("a", "b"), ("b", "a")) == [("a", "b"), ("b", "a")]


def test_a_large_set_of_keys_is_not_kept_and_drives_out_no_other() -> None:
    usual = ("a", "b")
    for large in (("x" * 100_000,), tuple(map(str, range(10_000)))):
        assert asked_of(usual, large, large, usual) == [usual, large, large]


@examples(5)
@given(st.integers(1, 5000))
def test_new_keys_without_end_take_little_memory(length: int) -> None:
    table: KeyTable[tuple[str, ...]] = KeyTable(lambda keys: keys)
    tracemalloc.start()
    try:
        for number in range(20_000_000 // (length + 1000)):
            keys = (f"{number}".rjust(length),)
            assert table[keys] == keys
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * 1024 * 1024
