"""What a plan keeps of names: found again by name, by beginning, by end user; and labels with counts."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.plan.engine.names import Names, Tally


@pytest.fixture
def names() -> Iterator[Names]:
    with Names() as opened:
        yield opened


# Ids by name


def test_names_are_found_again_to_the_letter(names: Names) -> None:
    names.keep([("u:b", 2), ("u:a", 1), ("p:x", 3)])
    names.keep([("u:", 4), ("v:a", 5), ("u:é", 6), ("u:e\u0301", 7)])
    asked = ("u:a", "p:x", "u:", "u:é", "u:e\u0301", "u:A", "u", "", "u:a ")
    assert [names.identity(each) for each in asked] == [1, 3, 4, 6, 7, None, None, None, None]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(st.sets(st.tuples(st.sampled_from(["u:", "e:", "p:"]), _TEXT)), st.integers(1, 5))
def test_the_names_of_a_kind_are_listed_in_order(kept: set[tuple[str, str]], batch: int) -> None:
    with Names(batch=batch) as names:
        numbered = {prefix + text: number for number, (prefix, text) in enumerate(kept)}
        names.keep(numbered.items())
        for prefix in ("u:", "e:", "p:"):
            own = sorted(each for each in numbered if each.startswith(prefix) and each != prefix)
            assert list(names.beginning(prefix)) == [(each, numbered[each]) for each in own]


def test_more_may_be_kept_while_names_are_listed() -> None:
    with Names(batch=2) as names:
        names.keep([("u:a", 1), ("u:b", 2), ("u:c", 3)])
        listed = []
        for name, number in names.beginning("u:"):
            listed.append(number)
            names.keep([(f"w:{name}", number + 10)])
        assert listed == [1, 2, 3]
        assert names.identity("w:u:b") == 12


# Hints


def test_hints_come_once_each_in_the_order_of_the_shared_ids_names(names: Names) -> None:
    names.keep([("u:b", 2), ("u:a", 1), ("p:x", 3)])
    names.keep_hints([(2, 9), (1, 9), (2, 8), (3, 7)])
    names.keep_hints([(2, 9)])
    assert list(names.hints("u:")) == [(1, 9), (2, 8), (2, 9)]
    assert list(names.hints("p:")) == [(3, 7)]
    assert list(names.hints("w:")) == []


# End users


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12),
    st.sets(st.integers(0, 3)),
    st.integers(0, 12),
    st.randoms(use_true_random=False),
)
def test_end_users_are_ordered_by_time_then_least_name(
    ids: list[tuple[int, int]], others: set[int], kept: int, rng: random.Random
) -> None:
    texts = [f"u:{number:02}" for number in range(len(ids))]
    rng.shuffle(texts)
    with Names() as names:
        named = [(text, number) for number, text in enumerate(texts)]
        names.keep(named[:kept])
        names.keep_later(lambda: named[kept:])
        # An end user has one time, that of the first of their ids here.
        times = dict(reversed(ids))
        roots = [root for root, _ in ids]
        chosen = [root not in others for root in roots]
        least = {
            root: min(text for text, (own, _) in zip(texts, ids, strict=True) if own == root)
            for root in times
        }
        expected = sorted(times.keys() - others, key=lambda root: (times[root], least[root]))
        by_root = [times.get(root, 0) for root in range(4)]
        for _ in range(2):
            assert list(names.by_least_name(chosen, roots, by_root)) == expected
        for text, number in named:
            assert names.identity(text) == number


def test_an_end_users_names_are_told_in_order_with_whether_they_are_filed(names: Names) -> None:
    names.keep([("u:b", 0), ("e:c", 1), ("u:a", 2), ("u:z", 3)])
    names.keep_members(lambda: [(0, 1, True), (1, 1, False), (2, 1, True), (3, 3, True)])
    assert names.of(1) == [("e:c", False), ("u:a", True), ("u:b", True)]
    assert names.of(3) == [("u:z", True)]
    assert names.of(0) == []


def test_of_very_many_names_of_an_end_user_only_the_first_are_told(names: Names) -> None:
    names.keep((f"u:{number:04}", number) for number in range(1000))
    names.keep_members(lambda: ((number, 0, True) for number in range(1000)))
    assert names.of(0) == [(f"u:{number:04}", True) for number in range(100)]


def test_members_are_asked_for_only_once_somebody_wants_to_know(names: Names) -> None:
    asked = []

    def members() -> Iterator[tuple[int, int, bool]]:
        asked.append(True)
        yield 0, 0, True

    names.keep([("u:a", 0)])
    names.keep_members(members)
    assert not asked
    assert names.of(0) == names.of(0) == [("u:a", True)]
    assert len(asked) == 1


def test_several_threads_may_ask_at_once(names: Names) -> None:
    count = 500
    names.keep((f"u:{number}", number) for number in range(count))
    names.keep_members(lambda: ((number, number, True) for number in range(count)))

    def ask(number: int) -> tuple[int | None, list[tuple[str, bool]]]:
        return names.identity(f"u:{number}"), names.of(number)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(count)))
    assert found == [(number, [(f"u:{number}", True)]) for number in range(count)]


# Aliases


@pytest.mark.parametrize(("previous", "user"), [("a", "b"), ("b", "a")])
def test_an_alias_is_known_whichever_way_round(names: Names, previous: str, user: str) -> None:
    for line in range(2):
        names.keep_aliases([(previous, user, "x", line), ("c", "d", "x", line)])
    assert names.has_alias("a", "b")
    assert names.has_alias("b", "a")
    assert not names.has_alias("a", "a")
    assert not names.has_alias("a", "c")
    assert names.has_alias("d", "c")


def test_an_alias_to_several_users_ties_nobody_and_is_told_with_its_places(names: Names) -> None:
    names.keep_aliases([("kiosk", "1", "x", 7), ("kiosk", "2", "y", 3), ("a", "1", "x", 8)])
    assert list(names.aliases()) == [("a", "1", 1), ("kiosk", "1", 2)]
    assert not names.has_alias("kiosk", "1")
    assert list(names.alias_pairs()) == [("a", "1"), ("kiosk", "1"), ("kiosk", "2")]
    own = [("kiosk", 2, "x", 7), ("kiosk", 2, "y", 3)]
    assert list(names.ambiguous_aliases({})) == own
    assert list(names.ambiguous_aliases({"a": 3})) == [("a", 3, "x", 8), *own]


# Tallies


@given(
    st.lists(
        st.tuples(st.sampled_from(["event", "page"]), st.sampled_from("abcd"), st.integers(1, 3)),
        max_size=20,
    ),
    st.integers(1, 5),
)
def test_a_tally_counts_whatever_fits_in_memory(
    added: list[tuple[str, str, int]], at_hand: int
) -> None:
    with Names() as names:
        tally = Tally(names, at_hand=at_hand)
        counts: Counter[tuple[str, str]] = Counter()
        for kind, label, count in added:
            tally.add(kind, label, count)
            counts[kind, label] += count
        for kind in ("event", "page", "nothing"):
            expected = [(label, count) for (own, label), count in counts.items() if own == kind]
            expected.sort(key=lambda each: (-each[1], each[0]))
            assert list(tally.most_common(kind)) == expected


def test_a_tally_can_be_asked_and_go_on_counting(names: Names) -> None:
    tally = Tally(names)
    tally.add("event", "a")
    assert list(tally.most_common("event")) == [("a", 1)]
    tally.add("event", "a")
    assert list(tally.most_common("event")) == [("a", 2)]


def test_labels_do_not_pile_up_in_memory(names: Names) -> None:
    tally = Tally(names, at_hand=10)
    for number in range(100):
        tally.add("page", f"/{number}")
        assert len(list(names.tallies("page"))) > number + 1 - 10
