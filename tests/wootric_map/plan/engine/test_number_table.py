"""Numbers of names that aren't kept: each is found again, and no other is taken for it."""

import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.plan.engine.number_table import UNMET, NumberTable

_NAME = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@given(st.lists(st.lists(_NAME), max_size=6), st.lists(_NAME))
def test_a_dict_finds_the_same(batches: list[list[str]], asked: list[str]) -> None:
    table, plain = NumberTable(), dict[str, int]()
    for batch in batches:
        new = [name for name in dict.fromkeys(batch) if name not in plain]
        table.extend(new)
        plain.update(zip(new, range(len(plain), len(plain) + len(new)), strict=True))
        for names in (list(plain), asked):
            assert list(table.find(names)) == [plain.get(name, UNMET) for name in names]
        assert len(table) == len(plain)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lambda name: 7, hash),
        (lambda name: len(name) << 32, hash),
        (lambda name: -len(name), hash),
        (lambda name: zlib.crc32(name.encode()) << 31, lambda name: 7),
    ],
)
def test_names_that_share_a_hash_or_a_slot_are_told_apart(
    first: Callable[[str], int], second: Callable[[str], int]
) -> None:
    table = NumberTable(lambda text: second(text) if text.startswith("\0") else first(text))
    names = [f"u:{number}" for number in range(200)]
    for at in range(0, 200, 50):
        table.extend(names[at : at + 50])
    assert list(table.find(names)) == list(range(200))
    assert list(table.find(["u:200", "e:1", ""])) == [UNMET] * 3


def test_a_name_takes_few_bytes_however_long_it_is() -> None:
    count = 20_000
    tracemalloc.start()
    try:
        table = NumberTable()
        table.extend(f"{number}".rjust(1000) for number in range(count))
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now < 40 * count
    assert len(table) == count
