"""What a trait says about whether its user wants surveys (wootric.md 8)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.errors import SettingsError
from wootric_map.mapping.opt_outs import OptOuts
from wootric_map.mapping.rewriting import Rewriting
from wootric_map.mapping.rules import MappingRules, TraitRules
from wootric_map.read.record import Fields, Identify

PLACE = "traits.unsubscribed"

TRUE = [True, 1, 1.0, "true", " TRUE ", "1"]
FALSE = [False, 0, 0.0, "false", "False", "0", None]
NEITHER = [
    "yes",
    "no",
    "maybe",
    2,
    -1,
    0.5,
    float("nan"),
    [],
    [True],
    {},
    {"on": True},
    "null",
    " ",
]


def said(traits: Fields, place: str = PLACE) -> tuple[bool | None, str | None]:
    """What traits say, and where."""
    found, _ = OptOuts(place).stated(traits, "traits")
    return (found.is_off, found.source) if found else (None, None)


def warned(value: Any) -> bool:
    _, warning = OptOuts(PLACE).stated({"unsubscribed": value}, "traits")
    assert warning is None or warning.code == "invalid_opt_out"
    return warning is not None


@pytest.mark.parametrize("value", TRUE)
def test_true(value: object) -> None:
    assert said({"unsubscribed": value}) == (True, PLACE)
    assert not warned(value)


@pytest.mark.parametrize("value", FALSE)
def test_false(value: object) -> None:
    assert said({"unsubscribed": value}) == (False, PLACE)
    assert not warned(value)


@pytest.mark.parametrize("value", NEITHER)
def test_neither_says_nothing_and_is_warned_of(value: object) -> None:
    assert said({"unsubscribed": value}) == (None, None)
    assert warned(value)


@pytest.mark.parametrize(
    "traits", [{}, {"unsubscribed": ""}, {"subscribed": True}, {"unsub": True}]
)
def test_no_value_says_nothing(traits: dict[str, object]) -> None:
    assert OptOuts(PLACE).stated(traits, "traits") == (None, None)


@pytest.mark.parametrize(
    ("traits", "found"),
    [
        ({"a": {"b": {"c": True}}}, (True, "traits.a.b.c")),
        ({"A": {"b.c": True}}, (True, "traits.A.b.c")),
        ({"a.b.c": True}, (True, "traits.a.b.c")),
        ({"a.b": {"C": "true"}}, (True, "traits.a.b.C")),
        ({"a": {"b": None}}, (False, "traits.a.b")),
        ({"a": None}, (False, "traits.a")),
        ({"a": {"b": {}}}, (None, None)),
        ({"a": "true"}, (None, None)),
        ({"a": {"b": True}}, (None, None)),
        ({"a": [{"b": {"c": True}}]}, (None, None)),
    ],
)
def test_dots_lead_into_objects_and_may_stand_in_keys(
    traits: Fields, found: tuple[bool | None, str | None]
) -> None:
    assert said(traits, "traits.a.b.c") == found


@pytest.mark.parametrize("place", [PLACE, "traits.un_subscribed", "traits.UNSUBSCRIBED"])
@pytest.mark.parametrize("key", ["unsubscribed", "Unsubscribed", "un-subscribed"])
def test_any_spelling_is_the_same(place: str, key: str) -> None:
    assert said({key: True}, place) == (True, f"traits.{key}")


@given(st.lists(st.sampled_from([*TRUE, *FALSE, *NEITHER, ""]), min_size=1, max_size=3))
def test_of_several_spellings_one_that_is_true_decides(values: list[Any]) -> None:
    keys = ("unsubscribed", "Unsubscribed", "un_subscribed")
    traits = dict(zip(keys, values, strict=False))
    is_off, _ = said(traits)
    truths = [said({"unsubscribed": each})[0] for each in values]
    if True in truths:
        assert is_off is True
    elif any(map(warned, values)):
        assert is_off is None
    else:
        assert is_off == (False if False in truths else None)


@given(
    traits=st.dictionaries(
        st.sampled_from(["unsubscribed", "UNSUBSCRIBED", "a", "a.b", "plan"]),
        st.sampled_from([True, "x", None, {"b": True}, {"b": "no"}, {"b": {"c": 1}}]),
    ),
    place=st.sampled_from([PLACE, "traits.a.b", "traits.a.b.c"]),
)
def test_what_is_no_concern_says_nothing(traits: dict[str, Any], place: str) -> None:
    outs = OptOuts(place)
    if not outs.concerns(traits):
        assert outs.stated(traits, "traits") == (None, None)
    assert (place in outs.met) <= outs.concerns(traits)


@pytest.mark.parametrize(
    "traits",
    [
        TraitRules(exclude=("unsubscribed",)),
        TraitRules(only=("plan",)),
        TraitRules(rename={"unsubscribed": "quiet"}),
        TraitRules(constants={"unsubscribed": "false"}),
    ],
)
def test_the_rules_for_traits_make_no_difference(traits: TraitRules) -> None:
    rewriting = Rewriting(MappingRules(traits=traits, surveys_disabled=PLACE))
    record = Identify("u", None, None, None, {}, {"unsubscribed": True, "plan": "pro"})
    found = rewriting.of(record)
    assert isinstance(found, Identify)
    assert found.opt_out is not None
    assert found.opt_out.is_off
    assert found.traits.get("unsubscribed") is not True


@pytest.mark.parametrize(
    "place",
    ["", "unsubscribed", "traits", "traits.", "traits.a.", "traits..a", "traits.un*", "traits.-"],
)
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(SettingsError, match="surveys_disabled"):
        MappingRules(surveys_disabled=place)
