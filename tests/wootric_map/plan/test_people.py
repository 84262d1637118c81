"""Ids tied together as records are read: who is who, whatever the order the records came in."""

import random
from collections.abc import Iterator
from itertools import chain
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.plan.engine.names import Names
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import (
    AMBIGUOUS,
    ANONYMOUS,
    EMAIL,
    NEVER,
    NO_TIME,
    PHONE,
    PREFIXES,
    USER,
    WOOTRIC,
    Identity,
)
from wootric_map.plan.tying import tie_ids

Seen: TypeAlias = tuple[tuple[Identity, ...], tuple[Identity, ...], int | None]
"""What a record names: its own ids, the phone and anonymous id beside them, and its time."""


@pytest.fixture
def names() -> Iterator[Names]:
    with Names() as opened:
        yield opened


@pytest.fixture
def identities(names: Names) -> Identities:
    return Named(names)


def user(name: str) -> Identity:
    return Identity(USER, name)


def email(name: str) -> Identity:
    return Identity(EMAIL, f"{name}@b.co")


def phone(name: str) -> Identity:
    return Identity(PHONE, name)


def device(name: str) -> Identity:
    return Identity(ANONYMOUS, name)


def wootric(name: str) -> Identity:
    return Identity(WOOTRIC, name)


class Named(Identities):
    """Identities whose names can be looked up from outside."""

    def __init__(self, names: Names, **in_memory: int) -> None:
        super().__init__(names, **in_memory)
        self.names = names


def tie(identities: Identities, *ids: Identity, time: int | None = None) -> int:
    """File a record under the first of its ids; gives the number of that."""
    first, *more = (identities.number(each.name) for each in ids)
    for other in more:
        identities.unite(first, other)
    identities.see([(first, NO_TIME if time is None else time)])
    return first


def see(identities: Identities, *seen: Seen) -> None:
    """Tie as a plan does."""
    for own, shared, time in seen:
        number = tie(identities, *(own or shared[:1]), time=time)
        for each in shared if own else shared[1:]:
            identities.hint(identities.number(each.name), number)


def number(identities: Named, identity: Identity) -> int:
    """The number of an id, also once they are resolved."""
    kept = identities.names.identity(identity.name)
    return identities.number(identity.name) if kept is None else kept


def kinds(identities: Named, *ids: Identity) -> list[int]:
    """Of each id the kinds of all that its end user has."""
    return [identities.kinds(number(identities, each)) for each in ids]


def same(identities: Named, *ids: Identity) -> bool:
    return len(roots(identities, *ids)) == 1


def roots(identities: Named, *ids: Identity) -> set[int]:
    return {identities.root(number(identities, each)) for each in ids}


# Ids of one end user


def test_ids_that_a_record_names_are_one_end_user(identities: Named) -> None:
    ids = (user("1"), email("a"), wootric("7"))
    tie(identities, *ids)
    assert same(identities, *ids)
    assert kinds(identities, *ids) == [USER | EMAIL | WOOTRIC] * 3


def test_the_time_of_an_id_is_that_of_the_first_record_filed_under_it(
    identities: Named,
) -> None:
    one, other, undated = (
        identities.number(each.name) for each in (user("1"), email("a"), user("2"))
    )
    for number, time in ((one, 7), (one, 5), (one, 9), (undated, NO_TIME), (undated, -(2**62))):
        identities.see([(number, time)])
    assert list(identities.first_seen) == [5, NEVER, NO_TIME]
    identities.unite(one, other)
    assert [is_filed for *_, is_filed in identities.members()] == [True, False, True]


def test_an_id_has_one_number_however_often_it_is_met(identities: Named) -> None:
    ids = [user("1"), user("2"), user("1"), email("1"), user("2")]
    assert [identities.number(each.name) for each in ids] == [0, 1, 0, 2, 1]
    assert len(identities) == 3


_NAMES = st.lists(st.lists(st.sampled_from([user(n).name for n in "123456"]), max_size=6))


@given(_NAMES, st.integers(1, 7))
def test_ids_are_numbered_as_they_are_first_met_however_many_are_asked_for_at_once(
    batches: list[list[str]], at_hand: int
) -> None:
    plain = {name: place for place, name in enumerate(dict.fromkeys(chain(*batches)))}
    with Names() as kept:
        identities = Named(kept, names_in_memory=at_hand)
        for batch in batches:
            assert list(identities.numbers(batch)) == [plain[name] for name in batch]
        tie_ids(identities)
        assert [kept.identity(name) for name in plain] == list(plain.values())
        assert list(identities.members()) == [(n, n, False) for n in range(len(plain))]


def test_the_same_text_of_two_kinds_is_two_ids(identities: Named) -> None:
    every = (user("x"), Identity(EMAIL, "x"), wootric("x"), phone("x"), device("x"))
    assert len({each.name for each in every}) == 5
    assert len(roots(identities, *every)) == 5
    assert kinds(identities, *every) == [USER, EMAIL, WOOTRIC, PHONE, ANONYMOUS]


def test_nobody_tied_is_nobody(identities: Named) -> None:
    tie_ids(identities)
    assert list(identities.members()) == []
    assert len(identities) == 0


def test_an_alias_ties_without_a_record(identities: Named) -> None:
    one, other = (identities.number(user(each).name) for each in ("old", "new"))
    identities.unite(one, other)
    assert same(identities, user("old"), user("new"))
    assert [(number, is_filed) for number, _, is_filed in identities.members()] == [
        (one, False),
        (other, False),
    ]


@pytest.mark.parametrize("backwards", [True, False])
def test_a_very_long_chain_is_one_end_user(identities: Named, backwards: bool) -> None:
    for number in range(20_000):
        pair = user(str(number + 1)), user(str(number))
        tie(identities, *(pair[::-1] if backwards else pair))
    assert len({root for _, root, _ in identities.members()}) == 1


# Phones


def phones(identities: Named, *seen: Seen) -> Named:
    see(identities, *seen)
    tie_ids(identities)
    return identities


def test_a_phone_ties_what_nothing_contradicts(identities: Named) -> None:
    made = phones(
        identities,
        ((user("1"),), (phone("+1"),), 1),
        ((email("a"),), (phone("+1"),), 2),
        ((wootric("7"),), (phone("+1"),), 3),
        ((), (phone("+1"),), 4),
    )
    ids = (user("1"), email("a"), wootric("7"), phone("+1"))
    assert same(made, *ids)
    assert kinds(made, *ids) == [USER | EMAIL | WOOTRIC | PHONE] * 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((user("1"),), (user("2"),)),
        ((email("a"),), (email("b"),)),
        ((wootric("7"),), (wootric("8"),)),
        ((user("1"), email("a")), (email("b"),)),
        ((user("1"), email("a")), (user("2"),)),
    ],
)
def test_a_phone_ties_nobody_where_two_have_an_id_of_one_kind(
    identities: Named, one: tuple[Identity, ...], other: tuple[Identity, ...]
) -> None:
    made = phones(identities, (one, (phone("+1"),), 1), (other, (phone("+1"),), 2))
    assert not same(made, one[0], other[0])
    assert kinds(made, phone("+1")) == [PHONE | AMBIGUOUS]
    assert not any(each & AMBIGUOUS for each in kinds(made, one[0], other[0]))


def test_ids_tied_elsewhere_contradict_no_more(identities: Named) -> None:
    made = phones(
        identities,
        ((user("1"),), (phone("+1"),), 1),
        ((user("2"),), (phone("+1"),), 2),
        ((user("1"), email("a")), (), 3),
        ((user("2"), email("a")), (), 4),
    )
    assert same(made, user("1"), user("2"), phone("+1"))


def test_an_end_user_may_have_several_phones(identities: Named) -> None:
    made = phones(
        identities,
        ((user("1"),), (phone("+1"),), 1),
        ((user("1"),), (phone("+2"),), 2),
        ((email("a"),), (phone("+2"),), 3),
    )
    assert same(made, user("1"), email("a"), phone("+1"), phone("+2"))


@pytest.mark.parametrize(("first", "second"), [("+1", "+2"), ("+2", "+1")])
def test_what_one_phone_has_tied_contradicts_the_next_in_the_order_of_numbers(
    identities: Named, first: str, second: str
) -> None:
    made = phones(
        identities,
        ((user("1"),), (phone(first),), 1),
        ((user("1"),), (phone(second),), 2),
        ((email("a"),), (phone("+1"),), 3),
        ((email("b"),), (phone("+2"),), 4),
    )
    assert same(made, user("1"), email("a"), phone("+1"))
    assert not same(made, user("1"), email("b"))
    assert kinds(made, phone("+2")) == [PHONE | AMBIGUOUS]


# Anonymous ids


def test_an_anonymous_id_is_its_only_users(identities: Named) -> None:
    made = phones(identities, ((user("1"),), (device("a"),), 1), ((), (device("a"),), 2))
    assert same(made, user("1"), device("a"))
    assert made.ambiguous_anonymous_ids == 0


def test_an_anonymous_id_of_several_users_is_nobodys(identities: Named) -> None:
    made = phones(
        identities,
        ((user("1"),), (device("a"),), 1),
        ((user("2"),), (device("a"),), 2),
        ((user("2"),), (device("b"),), 3),
    )
    assert kinds(made, device("a"), user("1")) == [
        ANONYMOUS | AMBIGUOUS,
        USER,
    ]
    assert same(made, user("2"), device("b"))
    assert made.ambiguous_anonymous_ids == 1


def test_emails_of_others_make_a_device_nobodys_as_user_ids_do(identities: Named) -> None:
    made = phones(
        identities,
        ((user("1"),), (device("a"),), 1),
        ((email("x"),), (device("a"),), 2),
    )
    assert kinds(made, device("a")) == [ANONYMOUS | AMBIGUOUS]
    assert made.ambiguous_anonymous_ids == 1


@pytest.mark.parametrize("make", [email, wootric])
def test_without_a_user_id_an_email_or_wootrics_id_will_do(identities: Named, make: type) -> None:
    made = phones(
        identities,
        ((make("x"),), (device("a"),), 1),
        ((make("x"),), (device("b"),), 2),
        ((make("y"),), (device("b"),), 3),
    )
    assert same(made, make("x"), device("a"))
    assert kinds(made, device("b")) == [ANONYMOUS | AMBIGUOUS]


def test_two_user_ids_of_one_end_user_share_a_device(identities: Named) -> None:
    made = phones(
        identities,
        ((user("1"),), (device("a"),), 1),
        ((user("2"),), (device("a"),), 2),
        ((user("1"), email("x")), (), 3),
        ((user("2"), email("x")), (), 4),
    )
    assert same(made, user("1"), user("2"), device("a"))


def test_a_device_follows_a_phone_that_ties(identities: Named) -> None:
    made = phones(
        identities,
        ((), (phone("+1"), device("a")), 1),
        ((user("1"),), (phone("+1"),), 2),
    )
    assert same(made, user("1"), phone("+1"), device("a"))


def test_a_device_of_a_shared_phone_is_nobodys(identities: Named) -> None:
    made = phones(
        identities,
        ((), (phone("+1"), device("a")), 1),
        ((user("1"),), (phone("+1"),), 2),
        ((user("2"),), (phone("+1"),), 3),
    )
    assert kinds(made, device("a")) == [PHONE | ANONYMOUS | AMBIGUOUS]


def aliased(identities: Named, previous: str, name: str) -> None:
    number = identities.number(user(name).name)
    for each in (user(previous), device(previous)):
        identities.unite(number, identities.number(each.name))


def test_an_alias_ties_a_device_that_its_user_alone_was_seen_with(identities: Named) -> None:
    aliased(identities, "a", "1")
    made = phones(
        identities,
        ((email("x"),), (device("a"),), 1),
        ((user("1"), email("x")), (), 2),
    )
    assert same(made, user("1"), device("a"), email("x"))
    assert made.ambiguous_anonymous_ids == 0


def test_an_aliased_device_that_somebody_else_uses_is_ambiguous_but_stays(
    identities: Named,
) -> None:
    aliased(identities, "a", "1")
    made = phones(identities, ((user("2"),), (device("a"),), 1))
    assert same(made, user("1"), device("a"))
    assert not same(made, user("2"), device("a"))
    assert made.ambiguous_anonymous_ids == 1


# What a snapshot knows


def test_ids_that_a_snapshot_holds_as_one_end_user_are_tied(identities: Named) -> None:
    held = {user("1"): 7, email("a"): 7, user("2"): 8, phone("+1"): 7, phone("+2"): 8}
    see(
        identities,
        ((user("1"),), (), 1),
        ((email("a"),), (), 2),
        ((user("2"),), (phone("+2"),), 3),
        ((user("3"),), (phone("+3"),), 4),
        ((wootric("8"),), (), 5),
        ((), (phone("+1"),), 6),
        ((user("4"),), (phone("+3"),), 7),
    )
    asked: list[Identity] = []

    def find(identity: Identity) -> int | None:
        asked.append(identity)
        return held.get(identity)

    tie_ids(identities, find)
    assert same(identities, user("1"), email("a"), phone("+1"))
    assert same(identities, user("2"), wootric("8"), phone("+2"))
    assert len(roots(identities, *map(user, "1234"), phone("+3"))) == 5
    # A phone is asked for where it is all that names somebody.
    assert sorted(asked) == [*map(user, "1234"), email("a"), phone("+1")]


def test_an_end_user_whom_a_snapshot_holds_as_two_is_tied_to_neither(identities: Named) -> None:
    held = {user("1"): 7, email("b"): 7, email("a"): 8, user("2"): 8}
    see(
        identities,
        ((user("1"), email("a")), (), 1),
        ((email("b"),), (), 2),
        ((user("2"),), (), 3),
    )
    tie_ids(identities, held.get)
    assert same(identities, user("1"), email("a"))
    assert len(roots(identities, user("1"), email("b"), user("2"))) == 3


def test_what_a_snapshot_ties_is_one_end_user_to_phones_and_devices_too(
    identities: Named,
) -> None:
    see(
        identities,
        ((user("1"),), (phone("+1"), device("a")), 1),
        ((user("2"),), (phone("+1"), device("a")), 2),
    )
    tie_ids(identities, lambda _: 7)
    assert same(identities, user("1"), user("2"), phone("+1"), device("a"))
    assert identities.ambiguous_anonymous_ids == 0


# In any order, whatever fits in memory

_OWN = st.lists(
    st.sampled_from([user(n) for n in "1234"] + [email(n) for n in "abc"] + [wootric("7")]),
    max_size=3,
    unique=True,
).map(tuple)
_SHARED = st.tuples(
    st.lists(st.sampled_from([phone("+1"), phone("+2")]), max_size=1),
    st.lists(st.sampled_from([device("a"), device("b")]), max_size=1),
).map(lambda parts: tuple(chain(*parts)))
_SEEN = st.lists(
    st.tuples(_OWN, _SHARED, st.none() | st.integers(-2, 2)).filter(
        lambda each: each[0] or each[1]
    ),
    max_size=12,
)

Person: TypeAlias = tuple[frozenset[str], int]
"""The ids of an end user, and their kinds."""


def found(
    seen: list[Seen], *, names: int = 200_000, hints: int = 50_000
) -> tuple[set[Person], int]:
    """What comes of the records; so many names and hints are kept in memory."""
    with Names() as kept:
        identities = Named(kept, names_in_memory=names, hints_in_memory=hints)
        see(identities, *seen)
        tie_ids(identities)
        ids = {each for own, shared, _ in seen for each in (*own, *shared)}
        of = {each: identities.root(number(identities, each)) for each in ids}
        assert len(identities) == len(ids), "an id has two numbers"
        return {
            (
                frozenset(each.name for each, other in of.items() if other == root),
                identities.kinds(root),
            )
            for root in of.values()
        }, identities.ambiguous_anonymous_ids


def naive(seen: list[Seen]) -> tuple[set[Person], int]:
    """The same, by merging sets until nothing overlaps."""
    groups: list[set[Identity]] = [
        {each} for each in {each for own, shared, _ in seen for each in (*own, *shared)}
    ]

    def group(of: Identity) -> set[Identity]:
        return next(each for each in groups if of in each)

    def merge(*ids: Identity) -> None:
        whole = set().union(*map(group, ids))
        groups[:] = [each for each in groups if not each & whole]
        groups.append(whole)

    def kinds_of(of: set[Identity]) -> int:
        return sum({each.kind for each in of})

    for own, _, _ in seen:
        if own:
            merge(*own)
    hinted: dict[Identity, set[Identity]] = {}
    for own, shared, _ in seen:
        for each in shared if own else shared[1:]:
            hinted.setdefault(each, set()).add(own[0] if own else shared[0])
    ambiguous: set[Identity] = set()
    for each in sorted(hinted, key=lambda each: each.name):
        if each.kind == PHONE:
            met = {frozenset(group(other)) for other in hinted[each]}
            unique = [
                kind
                for other in met
                for kind in (USER, EMAIL, WOOTRIC)
                if kind & kinds_of(set(other))
            ]
            if len(unique) == len(set(unique)):
                merge(each, *hinted[each])
            else:
                ambiguous.add(each)
    count = 0
    for each in sorted(hinted, key=lambda each: each.name):
        if each.kind == ANONYMOUS:
            if len({frozenset(group(other)) for other in hinted[each]}) == 1:
                merge(each, *hinted[each])
            else:
                ambiguous.add(each)
                count += 1
    return {
        (
            frozenset(each.name for each in whole),
            kinds_of(whole) | (AMBIGUOUS if whole & ambiguous else 0),
        )
        for whole in groups
    }, count


@given(_SEEN)
def test_a_plain_union_find_finds_the_same(seen: list[Seen]) -> None:
    assert found(seen) == naive(seen)


@given(_SEEN, st.integers(1, 4), st.integers(1, 4))
def test_what_does_not_fit_in_memory_is_not_lost(seen: list[Seen], names: int, hints: int) -> None:
    assert found(seen, names=names, hints=hints) == naive(seen)


@given(_SEEN, st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(seen: list[Seen], rng: random.Random) -> None:
    shuffled = list(seen)
    rng.shuffle(shuffled)
    assert found(shuffled) == found(seen)


def test_many_ids_that_come_back_keep_their_numbers(names: Names) -> None:
    identities = Named(names, names_in_memory=10)
    first = [identities.number(user(str(n)).name) for n in range(100)]
    again = [identities.number(user(str(n)).name) for n in reversed(range(100))]
    assert first == list(range(100)) == again[::-1]
    # All but the last few are no more in memory.
    assert sum(names.identity(user(str(n)).name) is not None for n in range(100)) >= 90


def test_what_was_seen_together_does_not_pile_up_in_memory(names: Names) -> None:
    identities = Named(names, hints_in_memory=10)
    for number in range(100):
        see(identities, ((user(str(number)),), (device(str(number)),), 1))
    identities.keep_names()
    assert sum(1 for _ in names.hints(PREFIXES[ANONYMOUS])) > 90
    tie_ids(identities)
    assert all(same(identities, user(str(n)), device(str(n))) for n in (0, 50, 99))
