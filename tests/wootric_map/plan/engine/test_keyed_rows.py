"""Rows come back by their key, in their order, however little is held."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.plan.engine import keyed_rows, scratch_file
from wootric_map.plan.engine.keyed_rows import KeyedRows


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.binary(max_size=20))),
    st.sampled_from([0, 10, 50, 10_000]),
    st.sampled_from([0, 30, 10_000]),
)
def test_the_rows_of_a_key_come_back_in_their_order(
    rows: list[tuple[str, bytes]], held: int, in_memory: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, KeyedRows[str]() as kept:
        patch.setattr(keyed_rows, "_HELD_BYTES", held)
        patch.setattr(scratch_file, "_HELD_BYTES", in_memory)
        for key, row in rows:
            kept.add(key, row)
        for key in "abcd":
            assert b"".join(kept.read(key)) == b"".join(row for each, row in rows if each == key)
