"""Which records repeat a message: the same ones, however many are held at once."""

import tracemalloc
from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TypeAlias

from bounded import bounds
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.plan.engine.repeats import Messages, repeats
from wootric_map.plan.engine.repeats import Met as Told

Met: TypeAlias = tuple[int, int, int, int, int]
"""The hash and the check of a message id, the hash of what else a repeat shares, the digest of its line, its
time."""


def batches(records: Sequence[Met], size: int) -> Iterator[Messages]:
    """The records, so many at once."""
    for at in range(0, len(records), size):
        some = records[at : at + size]
        hashes, checks, contents, digests, times = (
            array(code, (each[index] for each in some)) for index, code in enumerate("qIqIq")
        )
        yield Messages(hashes, checks, contents, digests, times, range(at, at + len(some)))


def found(records: Sequence[Met], *, size: int, at_once: int) -> list[Told]:
    with bounds(messages_at_once=at_once):
        return list(repeats(partial(batches, records, size), len(records)))


def plain(records: Sequence[Met]) -> list[Told]:
    """The same, with all records at hand."""
    ordered = sorted(
        range(len(records)), key=lambda number: (records[number][4], records[number][3], number)
    )
    taken: dict[tuple[int, int], dict[int, int]] = {}
    told: list[Told] = []
    for number in ordered:
        message, check, content, *_ = records[number]
        if not message:
            continue
        own = taken.setdefault((message, check), {})
        if content in own:
            told.append(Told(number, repeats=True))
        own.setdefault(content, number)
    for own in taken.values():
        if len(own) > 1:
            told += (Told(number, repeats=False) for number in own.values())
    return sorted(told)


_HASHES = st.sampled_from([0, 1, 2, 3, -1, -2, 2**63 - 1, -(2**63)])
_RECORDS = st.lists(
    st.tuples(_HASHES, st.integers(0, 1), st.integers(0, 1), st.integers(0, 2), st.integers(-1, 1)),
    max_size=30,
)


@given(_RECORDS, st.integers(1, 31), st.integers(1, 31))
def test_all_but_the_earliest_of_each_message_are_left_out(
    records: list[Met], size: int, at_once: int
) -> None:
    assert sorted(found(records, size=size, at_once=at_once)) == plain(records)


def test_memory_does_not_grow_with_the_messages() -> None:
    """Whether none is repeated, half of them, or one again and again."""
    at_once = 2000

    def peak(records: Sequence[Met]) -> int:
        tracemalloc.start()
        try:
            with bounds(messages_at_once=at_once, held_bytes=0):
                for _ in repeats(partial(batches, records, 100), len(records)):
                    pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    for messages in (lambda count: count, lambda count: count // 2, lambda _: 1):
        few, many = (
            peak([(hash(str(n % messages(count))) or 1, 0, 0, n, 0) for n in range(count)])
            for count in (4 * at_once, 16 * at_once)
        )
        assert many < 2 * few
