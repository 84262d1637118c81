"""Opt-outs and consent: segment.md 3."""

import json
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.model import Skip
from wootric_map.read.record import Identify, Page, Record, Track, read_line

IDENTIFY: Mapping[str, Any] = {"type": "identify", "userId": "u1", "traits": {"email": "a@b.co"}}
TRACK: Mapping[str, Any] = {"type": "track", "userId": "u1", "event": "Signed Up"}
PAGE: Mapping[str, Any] = {"type": "page", "userId": "u1"}

NAMES = ["Wootric", "wootric", "WOOTRIC", " Wootric ", "InMoment", "INMOMENT", "InMoment (Wootric)",
         "Wootric (InMoment)", "Actions InMoment v2", "inmoment-web"]  # fmt: skip
NOES: list[Any] = [
    False, "false", "False", " FALSE ", "no", " NO ", 0, 0.0, "0", "", "  ", None, "off", "disabled",
    {"enabled": False}, {"enabled": "no"}, {"Enabled": 0}, {"enabled": None, "a": 1},
    {"a": 1, "enabled": ""}, {"disabled": True}, '{"enabled":false}',
]  # fmt: skip
YESES: list[Any] = [
    True,
    "true",
    " Yes ",
    1,
    "1",
    {},
    {"enabled": True},
    {"a": False},
    {"disabled": False},
    [],
]


def read(record: object, **rules: Any) -> Record | Skip:
    [(_, reading)] = read_line(json.dumps(record).encode(), **rules)
    assert isinstance(reading, Identify | Track | Page | Skip), reading
    return reading


def code(record: object, **rules: Any) -> str | None:
    """Return the code of a skip, or None if the record is valid."""
    reading = read(record, **rules)
    return reading.code if isinstance(reading, Skip) else None


def placed(place: str, names: object, record: Mapping[str, Any] = TRACK) -> dict[str, Any]:
    """Return a record with a dictionary of destinations in a place."""
    outer, _, inner = place.partition(".")
    return {**record, outer: {inner: names} if inner else names}


PLACES = ["integrations", "options.integrations", "context.integrations", "providers"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("no", NOES, ids=repr)
def test_a_user_who_opted_out_in_any_spelling_and_place_meant_it(place: str, no: object) -> None:
    for name in NAMES:
        for names in ({name: no}, {"All": True, name: no}, {name: no, "Wootric.": True}):
            skip = read(placed(place, names))
            assert isinstance(skip, Skip)
            assert (skip.code, skip.field) == ("integration_disabled", place)
            assert place in skip.message
            assert code(placed(place, names), ignore_integrations=True) is None


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("no", NOES, ids=repr)
def test_all_stands_for_whoever_is_not_named(place: str, no: object) -> None:
    for name in ("All", "all", "ALL"):
        assert code(placed(place, {name: no})) == "integration_disabled"
        assert code(placed(place, {name: no, "Mixpanel": True})) == "integration_disabled"
        assert code(placed(place, {name: no, "Wootric": True})) is None


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("yes", YESES, ids=repr)
def test_whoever_is_let_have_it_has_it_even_beside_all_false(place: str, yes: object) -> None:
    for name in NAMES:
        assert code(placed(place, {name: yes})) is None
        assert code(placed(place, {"All": False, name: yes})) is None


@pytest.mark.parametrize("neither", ["maybe", [1], "Wootric"])
def test_what_neither_agrees_nor_refuses_counts_as_not_named(neither: object) -> None:
    assert code(placed("integrations", {"Wootric": neither})) is None
    assert (
        code(placed("integrations", {"Wootric": neither, "All": False})) == "integration_disabled"
    )


@pytest.mark.parametrize(
    "names",
    [
        {},
        [],
        None,
        {"Mixpanel": False},
        {"Woo": False},
        {"In": False},
        {"All": True},
        '{"All":true}',
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_what_says_nothing_of_wootric_turns_nothing_off(place: str, names: object) -> None:
    assert code(placed(place, names)) is None


@pytest.mark.parametrize("place", PLACES)
def test_names_may_be_text_that_is_an_object(place: str) -> None:
    assert code(placed(place, '{"wootric":"no"}')) == "integration_disabled"
    outer = place.partition(".")[0]
    record = placed(place, {"wootric": "no"})
    assert code({**record, outer: json.dumps(record[outer])}) == "integration_disabled"


@pytest.mark.parametrize("place", PLACES[1:])
@pytest.mark.parametrize("odd", [["Wootric"], 1, True, "text", ""])
def test_an_old_place_that_holds_no_names_is_passed_over(place: str, odd: object) -> None:
    assert code(placed(place, odd)) is None


_SAID = st.dictionaries(
    st.sampled_from(["All", "all", "Wootric", "wootric", "InMoment", "Mixpanel"]),
    st.sampled_from([*NOES, *YESES, "maybe"]),
    max_size=4,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(PLACES, _SAID)), st.sampled_from(PLACES),
       st.sampled_from(NAMES), st.sampled_from(NOES))  # fmt: skip
def test_an_opt_out_anywhere_wins(
    said: dict[str, dict[str, Any]], place: str, name: str, no: object
) -> None:
    said = {**said, place: {**said.get(place, {}), name: no}}
    record = {
        **TRACK,
        "integrations": said.get("integrations"),
        "providers": said.get("providers"),
        "options": {"integrations": said.get("options.integrations")},
        "context": {"integrations": said.get("context.integrations")},
    }
    assert code(record) == "integration_disabled"
    assert code(record, ignore_integrations=True) is None


@given(st.permutations(PLACES), _SAID)
def test_a_record_is_taken_only_where_each_place_alone_would_let_it_pass(
    places: list[str], said: dict[str, Any]
) -> None:
    first, second, *_ = places
    outer, _, inner = second.partition(".")
    record = placed(first, said)
    known = record.get(outer)
    names = {"Wootric": True}
    record[outer] = {**(known if isinstance(known, dict) else {}), inner: names} if inner else names
    assert code(record) == code(placed(first, said))


# Consent


def asked(record: Mapping[str, Any] = TRACK, **consent: object) -> dict[str, Any]:
    return {**record, "context": {"consent": consent}}


@pytest.mark.parametrize("no", NOES, ids=repr)
def test_consent_is_withheld_by_destination_in_any_spelling(no: object) -> None:
    for name, default in product(NAMES, (None, "enable")):
        preferences = {"Amplitude": True, name: no}
        record = asked(destinationPreferences=preferences, defaultDestinationBehavior=default)
        assert code(record) == "consent_withheld"
        assert code(record, ignore_integrations=True) == "consent_withheld"


@pytest.mark.parametrize("disable", ["disable", "Disable", " DISABLE ", "disabled", False, "no"])
def test_what_is_disabled_by_default_is_withheld_unless_wootric_is_named(disable: object) -> None:
    nobody: list[object] = [{}, {"Amplitude": True}, [], None]
    for preferences in nobody:
        record = asked(defaultDestinationBehavior=disable, destinationPreferences=preferences)
        assert code(record) == "consent_withheld"
    assert code(asked(defaultDestinationBehavior=disable)) == "consent_withheld"
    for name in NAMES:
        record = asked(defaultDestinationBehavior=disable, destinationPreferences={name: True})
        assert code(record) is None


@pytest.mark.parametrize("default", ["enable", None, "", "something", True])
def test_any_other_default_withholds_nothing(default: object) -> None:
    assert code(asked(defaultDestinationBehavior=default)) is None


def test_destination_preferences_are_judged_like_integrations() -> None:
    assert code(asked(destinationPreferences={"All": False})) == "consent_withheld"
    assert code(asked(destinationPreferences={"All": False, "Wootric": True})) is None


@pytest.mark.parametrize("integrations", [{"Wootric": True}, {"All": True}])
def test_consent_comes_before_an_opt_in_by_integrations(integrations: dict[str, Any]) -> None:
    record = asked(destinationPreferences={"Wootric": False}) | {"integrations": integrations}
    assert code(record) == "consent_withheld"


def test_of_both_the_integrations_are_named_first() -> None:
    record = asked(destinationPreferences={"Wootric": False}) | {"integrations": {"All": False}}
    assert code(record) == "integration_disabled"
    assert code(record, ignore_integrations=True) == "consent_withheld"


def told(record: object, **rules: Any) -> list[tuple[str, str | None]]:
    reading = read(record, **rules)
    assert not isinstance(reading, Skip), reading
    return [(each.code, each.subject) for each in reading.warnings]


@pytest.mark.parametrize("no", [False, "false", 0, "no", None])
def test_categories_without_the_option(no: object) -> None:
    assert code(asked(categoryPreferences={"a": no, "b": False})) == "consent_withheld"
    once = [("consent_not_judged", "categoryPreferences")]
    assert told(asked(categoryPreferences={"a": True, "b": no})) == once
    for none in ({"a": True, "b": True}, {}, [], None, ["a"]):
        assert told(asked(categoryPreferences=none)) == []


@pytest.mark.parametrize(
    ("preferences", "categories", "taken"),
    [
        ({"a": True, "b": False}, ["a"], True),
        ({"a": True, "b": False}, ["b"], False),
        ({"a": True, "b": False}, ["a", "b"], False),
        ({"a": True, "b": True}, ["a", "b"], True),
        ({"a": True}, ["b"], False),
        ({"a": True}, ["a", "b"], False),
        ({}, ["a"], False),
        ({"A ": "true"}, ["a"], True),
        ({"a": "yes"}, [" A"], True),
        ({"a": "maybe"}, ["a"], False),
        ({"a": None}, ["a"], False),
        ({"a": True, "A": False}, ["a"], False),
        ({"a": False, "b": False}, ["a"], False),
    ],
)
def test_categories_with_the_option(
    preferences: dict[str, Any], categories: list[str], taken: bool
) -> None:
    record = asked(categoryPreferences=preferences)
    assert code(record, consent_categories=categories) == (None if taken else "consent_withheld")
    if taken:
        assert told(record, consent_categories=categories) == []


def test_who_was_never_asked_has_withheld_nothing() -> None:
    """Segment itself enforces nothing without a consent object."""
    for record in (TRACK, {**TRACK, "context": {"consent": {}}}, asked(categoryPreferences=None)):
        assert code(record, consent_categories=["a"]) is None


def test_consent_may_be_text_that_is_an_object() -> None:
    consent = {"destinationPreferences": json.dumps({"Wootric": False})}
    context = {"consent": json.dumps(consent)}
    for each in (context, json.dumps(context)):
        assert code({**TRACK, "context": each}) == "consent_withheld"
    assert code(asked(categoryPreferences='{"a":false}')) == "consent_withheld"


@pytest.mark.parametrize("consent", [False, "no", "false", 0])
def test_consent_that_is_one_word_is_taken_at_its_word(consent: object) -> None:
    assert code({**TRACK, "context": {"consent": consent}}) == "consent_withheld"


@pytest.mark.parametrize("consent", [None, "", True, "yes", 1, [], {}, ["a"]])
def test_consent_that_says_nothing_withholds_nothing(consent: object) -> None:
    assert code({**TRACK, "context": {"consent": consent}}) is None


def test_an_envelope_lends_its_consent() -> None:
    context = {"consent": {"destinationPreferences": {"Wootric": False}}}
    line = json.dumps({"batch": [TRACK, PAGE], "context": context}).encode()
    assert [getattr(each.reading, "code", None) for each in read_line(line)] == [
        "consent_withheld"
    ] * 2


# What is kept of those who said no

OFF = {"integrations": {"Wootric": False}}
WITHHELD = {"context": {"consent": {"destinationPreferences": {"Wootric": False}}}}


@pytest.mark.parametrize("refusal", [OFF, WITHHELD])
def test_the_skip_of_an_identify_keeps_what_it_would_have_been(refusal: dict[str, Any]) -> None:
    skip = read({**IDENTIFY, **refusal, "anonymousId": "undefined"})
    assert isinstance(skip, Skip)
    assert isinstance(skip.withheld, Identify)
    assert (skip.withheld.user_id, skip.withheld.traits) == ("u1", {"email": "a@b.co"})
    assert [each.code for each in skip.warnings] == ["placeholder_id"]
    for record in (TRACK, PAGE):
        other = read({**record, **refusal})
        assert isinstance(other, Skip)
        assert other.withheld is None


@pytest.mark.parametrize("refusal", [OFF, WITHHELD])
def test_an_alias_that_said_no_ties_nothing(refusal: dict[str, Any]) -> None:
    alias = {"type": "alias", "userId": "b", "previousId": "a"}
    for record, ties in ((alias, ("a", "b")), ({**alias, **refusal}, None)):
        skip = read(record)
        assert isinstance(skip, Skip)
        assert (skip.code, skip.ties) == ("unsupported_type", ties)
