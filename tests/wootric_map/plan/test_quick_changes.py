"""What is told by the shape of traits is what the fold says, of whatever traits."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_traits import traits_of_one_shape

from wootric_map.deliver.knowledge import look_ups_that_tell
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.property_names import Naming
from wootric_map.model import Ref
from wootric_map.plan.change_shapes import QuickChange
from wootric_map.plan.folding import Folded, fold
from wootric_map.plan.identified import Identified
from wootric_map.plan.quick_changes import QuickChanges
from wootric_map.read.record import Identify

PLAIN = {"email": "ada@b.co", "plan": "pro", "seats_amount": 3, "tags_array": ["a", "b"]}
NAMINGS = st.builds(
    Naming,
    st.booleans(),
    st.booleans(),
    st.dictionaries(st.sampled_from(["plan", "seats", "a", "a_b"]), st.integers(1, 31)),
)


def folded(
    user_id: str | None, traits: Mapping[str, Any], parent: str, naming: Naming, *, detached: bool
) -> tuple[Folded, list[Any]]:
    """The fold of one identify, and the warnings about what it says of its user."""
    named = user_of(Identify(user_id, None, None, None, {}, traits, parent))
    user, origins = named.user, dict(named.origins)
    if detached:
        user = user._replace(user_id=None)
        origins.pop("external_id", None)
    identify = Identified(Ref(1, "a", 1), None, True, user, origins, traits, parent=parent)
    found = fold([identify], naming=naming)
    assert found is not None
    return found, named.warnings


def assert_tells(quick: QuickChange, found: Folded, language: str | None) -> None:
    upsert = found.upsert
    assert quick.upsert == upsert
    assert list(map(type, quick.sent)) == [
        type(value)
        for value in (
            *(upsert.email, upsert.external_id, upsert.phone_number, upsert.external_created_at),
            *upsert.properties.values(),
        )
        if value is not None
    ]
    assert list(quick.upsert.properties) == list(upsert.properties)
    assert {name: (at, repr(value)) for name, (at, value) in quick.origins.items()} == {
        name: (at, repr(value)) for name, (at, value) in found.origins.items()
    }
    assert list(quick.warnings) == [warning for _, warning in found.warnings]
    assert quick.look_ups == look_ups_that_tell(upsert, None)
    state = found.state_at(None)
    texts = [upsert.external_id, upsert.phone_number, state.email, state.language]
    texts.append(str(upsert.properties.get("language") or ""))
    assert sorted(quick.lent) == sorted(filter(None, texts))
    assert quick.language == language


@given(
    all_traits=traits_of_one_shape(),
    user_ids=st.lists(
        st.sampled_from(["1", "2", "..", " ", None, "x@y.zz"]), min_size=5, max_size=5
    ),
    parent=st.sampled_from(["traits", "context.traits"]),
    naming=NAMINGS,
    detached=st.booleans(),
)
def test_a_shape_tells_what_the_fold_does(
    all_traits: list[dict[str, Any]],
    user_ids: list[str | None],
    parent: str,
    naming: Naming,
    detached: bool,
) -> None:
    quick_changes = QuickChanges(naming)
    for user_id, traits in zip(user_ids * 2, all_traits * 2, strict=False):
        quick = quick_changes.of(user_id, traits, detached=detached, parent=parent)
        if quick is not None:
            found, warnings = folded(user_id, traits, parent, naming, detached=detached)
            assert not warnings
            assert_tells(quick, found, found.state_at(None).language)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"language": "en"},
        {"created_at": "2018-08-03T15:28:46.493Z"},
        {"createdAt": 1_400_000_000},
        {"phone": "+1 555 0100"},
        {"address": {"city": "Rome", "geo": {"lat": 41.9, "in": "it"}}},
        {"born": "1815-12-10", "trial_date": "2024-02-29"},
        {"vip": True, "score": 0.25, "nothing": None, "empty": ""},
        {"tags": ["a", 1, None]},
        {"Email": "other@b.co"},
    ],
)
def test_common_traits_are_told_by_their_shape(more: dict[str, Any]) -> None:
    quick_changes = QuickChanges(Naming())
    told = [quick_changes.of("1", PLAIN | more) for _ in range(3)]
    # A shape that is met once may never be met again.
    assert [each is not None for each in told] == [False, True, True]


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ({"born_date": "2024-02-29"}, {"born_date": "1815-12-10"}),
        ({"born_date": 1_400_000_000}, {"born_date": 5}),
        ({"score": 0.5}, {"score": 2.0}),
        ({"seats": 5}, {"seats": 2**64}),
        ({"tags": ["a"]}, {"tags": [{}]}),
        ({"createdAt": 1_400_000_000}, {"createdAt": 5}),
        ({"phone": "+1 555 0100"}, {"phone": "none"}),
        ({"phone": "+1 555 0100"}, {"phone": ""}),
        ({"email": "a@b.co"}, {"email": "nobody"}),
        ({"email": "a@b.co"}, {"email": " a@b.co"}),
    ],
)
def test_what_a_shape_does_not_tell_is_left_to_the_fold(
    first: dict[str, Any], other: dict[str, Any]
) -> None:
    quick_changes = QuickChanges(Naming())
    for _ in range(2):
        quick_changes.of("1", PLAIN | first)
    assert quick_changes.of("1", PLAIN | first) is not None
    assert quick_changes.of("1", PLAIN | other) is None


def test_a_shape_survives_end_users_of_whom_it_does_not_tell() -> None:
    quick_changes = QuickChanges(Naming())
    for phone in ("none", "n/a", "", "+1 555 0100", "+1 555 0101"):
        quick = quick_changes.of("1", PLAIN | {"phone": phone})
    assert quick is not None
    assert quick.upsert.phone_number == "+1 555 0101"


def test_ever_new_shapes_take_no_more_memory() -> None:
    quick_changes = QuickChanges(Naming())
    for number in range(20_000):
        assert quick_changes.of("1", PLAIN | {f"key {number}": "x"}) is None
    kept = [len(each) for each in quick_changes._shapes.values()]
    assert sum(kept) < 2000


def test_very_deep_and_very_wide_traits_have_no_shape() -> None:
    deep: dict[str, Any] = {"a": "b"}
    for _ in range(10):
        deep = {"a": deep}
    for more in (deep, {f"key {number}": "x" for number in range(300)}, {"k" * 10_000: "x"}):
        quick_changes = QuickChanges(Naming())
        assert [quick_changes.of("1", PLAIN | more) for _ in range(4)] == [None] * 4
