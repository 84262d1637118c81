"""Ids tied together as records are read: who is who, whatever the order the records came in."""

import random

from hypothesis import given
from hypothesis import strategies as st

from wootric_map.identities import Identities

Tie = tuple[tuple[str, ...], int | None]

ids = st.lists(
    st.sampled_from([f"user:{n}" for n in range(6)] + [f"email:{n}@example.com" for n in range(6)]),
    min_size=1,
    max_size=3,
).map(tuple)
# Few times, so that some of the ties happened at once, and some without a time.
ties = st.lists(st.tuples(ids, st.none() | st.integers(-3, 3)), max_size=12)


def numbered(ties: list[Tie]) -> dict[str, int]:
    """The number of each id's end user."""
    identities = Identities()
    numbers = {names: identities.tie(names, time) for names, time in ties}
    people = identities.people()
    of: dict[str, int] = {}
    for names, number in numbers.items():
        of |= dict.fromkeys(names, people[number])
    return of


def naive(ties: list[Tie]) -> set[frozenset[str]]:
    """The same, by merging sets until nothing overlaps."""
    groups: list[set[str]] = []
    for names, _ in ties:
        touched = [group for group in groups if group & set(names)]
        groups = [group for group in groups if not group & set(names)]
        groups.append(set(names).union(*touched))
    return {frozenset(group) for group in groups}


def groups(numbers: dict[str, int]) -> set[frozenset[str]]:
    return {
        frozenset(name for name in numbers if numbers[name] == person)
        for person in numbers.values()
    }


@given(ties)
def test_ids_that_a_chain_of_ties_joins_are_one_end_user_and_no_others(ties: list[Tie]) -> None:
    assert groups(numbered(ties)) == naive(ties)


@given(ties, st.randoms(use_true_random=False))
def test_the_numbering_does_not_depend_on_the_order_of_the_ties(
    ties: list[Tie], rng: random.Random
) -> None:
    shuffled = [(tuple(rng.sample(names, len(names))), time) for names, time in ties]
    rng.shuffle(shuffled)
    assert numbered(shuffled) == numbered(ties)


@given(ties)
def test_end_users_are_numbered_from_0_without_a_gap(ties: list[Tie]) -> None:
    numbers = set(numbered(ties).values())
    assert numbers == set(range(len(numbers)))


def test_end_users_are_numbered_by_when_they_were_first_met() -> None:
    numbers = numbered([(("late",), 30), (("early",), 20), (("late", "alias"), 10)])
    assert numbers == {"late": 0, "alias": 0, "early": 1}


def test_a_tie_without_a_time_is_before_every_other() -> None:
    assert numbered([(("dated",), -(10**15)), (("undated",), None)]) == {"undated": 0, "dated": 1}


def test_end_users_met_at_one_time_are_numbered_by_their_least_id() -> None:
    assert numbered([(("m", "b"), 5), (("c", "z"), 5)]) == {"b": 0, "m": 0, "c": 1, "z": 1}


def test_a_tie_gives_the_number_of_its_first_id() -> None:
    identities = Identities()
    first = identities.tie(("a", "b"), 1)
    assert identities.tie(("b", "a"), 2) != first
    assert identities.tie(("a",), 3) == first


def test_nobody_tied_is_nobody() -> None:
    assert Identities().people() == []


def test_a_very_long_chain_is_one_end_user() -> None:
    length = 200_000
    identities = Identities()
    for number in range(length):
        identities.tie((str(number + 1), str(number)), None)
    assert identities.people() == [0] * (length + 1)
