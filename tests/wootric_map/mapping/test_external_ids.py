"""What a trait says about its user's external id in Wootric."""

from typing import Any

import pytest

from wootric_map.errors import SettingsError
from wootric_map.mapping.external_ids import ExternalIds
from wootric_map.mapping.rewriting import Rewriting
from wootric_map.mapping.rules import IdentityRules, MappingRules, TraitRules
from wootric_map.read.placeholders import PLACEHOLDERS
from wootric_map.read.record import Fields, Identify

PLACE = "traits.accountId"


def stated(traits: Fields, place: str = PLACE) -> tuple[str | None, bool, list[str]]:
    """The external id, whether anything is said about it, and the codes of the warnings."""
    said, warnings = ExternalIds(place, PLACEHOLDERS).stated(traits, "traits")
    return said.text, said.is_stated, [each.code for each in warnings]


@pytest.mark.parametrize(
    ("value", "text"), [("7", "7"), (7, "7"), (-7, "-7"), (" A ", " A "), (10**30, str(10**30))]
)
def test_a_text_or_an_integer_is_an_id(value: object, text: str) -> None:
    assert stated({"accountId": value}) == (text, True, [])


@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_blanks_say_nothing(value: str) -> None:
    assert stated({"accountId": value}) == (None, False, [])


@pytest.mark.parametrize("value", ["undefined", " NULL ", "0", 0, "-1", -1, "n/a"])
def test_a_placeholder_says_nothing_and_is_warned_of(value: object) -> None:
    assert stated({"accountId": value}) == (None, False, ["placeholder_id"])


@pytest.mark.parametrize("value", [True, False, 1.5, 2.0, [], ["7"], {}, {"id": 7}])
def test_any_other_type_says_nothing_and_is_warned_of(value: object) -> None:
    assert stated({"accountId": value}) == (None, False, ["invalid_external_id"])


def test_null_takes_it_away() -> None:
    assert stated({"accountId": None}) == (None, True, [])
    assert stated({"company": None}, "traits.company.id") == (None, True, [])


def test_of_several_spellings_the_first_id_counts() -> None:
    traits: dict[str, Any] = {
        "account_id": None,
        "Account ID": "",
        "accountId": "a",
        "ACCOUNTID": "b",
    }
    assert stated(traits) == ("a", True, [])


def test_a_trait_that_is_left_out_or_renamed_says_it_all_the_same() -> None:
    rules = MappingRules(
        traits=TraitRules(exclude=("accountId",), rename={"plan": "accountId"}),
        identity=IdentityRules(external_id=PLACE),
    )
    record = Identify("1", None, None, None, {}, {"accountId": "A", "plan": "pro"})
    rewritten = Rewriting(rules).of(record)
    assert isinstance(rewritten, Identify)
    assert rewritten.external_id
    assert rewritten.external_id.text == "A"
    assert rewritten.external_id.source == PLACE


def test_configured_placeholders_and_real_ids_count() -> None:
    rules = IdentityRules(placeholders=("acme",), real_ids=("0",), external_id=PLACE)
    ids = ExternalIds(rules.external_id, rules.all_placeholders)
    assert ids.stated({"accountId": "ACME"}, "traits")[0].text is None
    assert ids.stated({"accountId": 0}, "traits")[0].text == "0"


@pytest.mark.parametrize("place", ["", "traits", "traits.", "accountId", "traits.a*", "traits..a"])
def test_a_place_that_is_none_is_refused(place: str) -> None:
    with pytest.raises(SettingsError, match="external_id"):
        IdentityRules(external_id=place)


def test_without_a_place_an_identify_says_nothing_about_it() -> None:
    record = Identify("1", None, None, None, {}, {"accountId": "A"})
    assert ExternalIds(None, PLACEHOLDERS).added_to(record) is record
