"""The traits of groups come to the same, in whatever order and portions they are added."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.plan.group_traits import (
    GroupFold,
    GroupTraits,
    merge_into,
    packed_fold,
    stated,
    traits_of,
    unpacked_fold,
)
from wootric_map.plan.people import NO_TIME

VALUES = st.sampled_from(["Acme", None, 5, 10**30, 0.5, {"city": "Rome"}, ["x"], ""])
FOLDS = st.builds(
    lambda traits, time, has_message, tie: stated(traits, time, has_message=has_message, tie=tie),
    st.dictionaries(st.sampled_from(["name", "plan", "é"]), VALUES),
    st.sampled_from([NO_TIME, 1, 2]),
    st.booleans(),
    st.sampled_from(["a", "b"]),
)
CALLS = st.lists(st.tuples(st.sampled_from(["g", "h", "i"]), FOLDS), max_size=12)


def at(time: int, **traits: object) -> GroupFold:
    return stated(traits, time, has_message=True, tie="m")


def folded(*folds: GroupFold) -> GroupFold:
    whole: GroupFold = {}
    for each in folds:
        merge_into(whole, each)
    return whole


def test_the_latest_statement_counts_and_null_takes_a_trait_out() -> None:
    fold = folded(at(2, name="New", plan=None), at(1, name="Old", plan="pro", seats=5))
    assert traits_of(fold) == {"name": "New", "seats": 5}


@given(calls=CALLS, data=st.data())
def test_no_order_changes_what_groups_come_to(
    calls: list[tuple[str, GroupFold]], data: st.DataObject
) -> None:
    of_one = [fold for _, fold in calls]
    assert folded(*data.draw(st.permutations(of_one))) == folded(*of_one)


@given(calls=CALLS, held=st.sampled_from([1, 700, 10_000]))
def test_what_waits_on_disk_is_what_stays_in_memory(
    calls: list[tuple[str, GroupFold]], held: int
) -> None:
    with closing(GroupTraits(held=held)) as groups:
        for group_id, fold in calls:
            groups.add(group_id, fold)
        groups.finish()
        for name in "ghij":
            expected = folded(*(fold for group_id, fold in calls if group_id == name))
            assert groups.of(name) == expected


@given(fold=FOLDS)
def test_a_fold_is_read_as_it_was_written(fold: GroupFold) -> None:
    assert unpacked_fold(packed_fold(fold)) == fold


@pytest.mark.parametrize("spoilt", ["", "[]", "{", '{"a":1}', '{"a":["x",true,"m","1"]}', "7"])
def test_what_is_no_fold_is_refused(spoilt: str) -> None:
    with pytest.raises(ValueError, match="spoilt"):
        unpacked_fold(spoilt)


def nested(levels: int) -> Iterator[object]:
    inner: object = "x"
    for _ in range(levels):
        inner = {"a": inner}
    yield inner


@pytest.mark.parametrize("levels", [100, 900, 100_000])
def test_a_trait_that_is_nested_very_deep_does_no_harm(levels: int) -> None:
    (value,) = nested(levels)
    fold = at(1, name="Acme", deep=value)
    assert traits_of(fold)["name"] == "Acme"
    assert ("deep" in fold) == (levels < 1000)
