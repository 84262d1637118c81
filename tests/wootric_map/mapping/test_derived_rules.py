"""The rules for groups and roll-ups: which are refused, and what they make of a group record."""

from typing import Any

import pytest

from wootric_map.errors import SettingsError
from wootric_map.mapping.derived_rules import Rollup
from wootric_map.mapping.entries import ReadingOptions
from wootric_map.mapping.rules import MappingRules, NameRules, ResponseRules, TraitRules
from wootric_map.mapping.settings import map_record
from wootric_map.read.record import Group, Rules, read_parsed


@pytest.mark.parametrize(
    "prefix", ["", " ", " company", "a.b", "a$", "x" * 51, "created", "e", "ph"]
)
def test_a_prefix_that_makes_no_good_names_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="prefix"):
        MappingRules(group_prefix=prefix)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"count": "orders"},
        {"count": "orders_date"},
        {"first": "first_amount"},
        {"last": "last"},
        {"sum": {"revenue": "revenue"}},
        {"min": {"revenue": "least"}},
        {"latest": {"plan": "email"}},
        {"latest": {"plan": "created_at"}},
        {"latest": {"plan": "id"}},
        {"latest": {"plan": ""}},
        {"latest": {"plan": "a.b"}},
        {"latest": {"plan": "last", "tier": "last"}},
    ],
)
def test_a_roll_up_without_a_name_of_its_own_and_of_its_type_is_refused(
    parts: dict[str, Any],
) -> None:
    with pytest.raises(SettingsError):
        Rollup(**parts)


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"traits": TraitRules(constants={"fixed_amount": 1})}, "fixed_amount"),
        ({"traits": TraitRules(rename={"x": "fixed_amount"})}, "fixed_amount"),
        ({"events": NameRules(exclude=("Ord*",))}, "leave Order out"),
        ({"events": NameRules(only=("Signed Up",))}, "leave Order out"),
        ({"responses": ResponseRules(event="Ord*")}, "survey response"),
        ({"responses": ResponseRules(decline_event="Order")}, "survey response"),
    ],
)
def test_a_roll_up_that_other_rules_contradict_is_refused(
    others: dict[str, Any], words: str
) -> None:
    rules = MappingRules(rollup={"Order": Rollup(count="fixed_amount")}, **others)
    with pytest.raises(SettingsError, match=words):
        rules.check()
    ((place, _),) = rules.contradictions()
    assert place[:2] == ("rollup", "Order")


def test_two_events_may_not_share_a_name() -> None:
    same = Rollup(count="orders_amount")
    with pytest.raises(SettingsError, match="orders_amount"):
        MappingRules(rollup={"Order": same, "Purchase": same}).check()


def test_good_rules_pass_and_name_the_events() -> None:
    rollup = Rollup(
        "orders_amount", "first_date", "last_date", {"x": "x_amount"}, {"x": "a_amount"},
        {"x": "b_date"}, {"x": "c"},
    )  # fmt: skip
    rules = MappingRules(group_prefix="company", rollup={"Order": rollup})
    rules.check()
    assert [*rules.named()] == [("event", "Order")]


def read(data: dict[str, Any], rules: MappingRules) -> Group:
    ((_, reading),) = read_parsed(b"", data, Rules(takes_groups=True))
    record = ReadingOptions(configured=rules).rewriting().of(reading)
    assert isinstance(record, Group)
    return record


GROUP = {
    "type": "group",
    "userId": "1",
    "groupId": 7,
    "traits": {
        "name": "Acme",
        "plan": "pro",
        "token": "x",
        "owner": {"email": "o@b.co", "ssn": "1"},
    },
}


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        (
            TraitRules(),
            {"company_name": "Acme", "company_plan": "pro", "company_owner_email": "o@b.co"},
        ),
        (TraitRules(exclude=("plan", "owner")), {"company_name": "Acme"}),
        (TraitRules(exclude=("company_*",)), {}),
        (TraitRules(only=("company_name",)), {"company_name": "Acme"}),
        (TraitRules(only=("name",)), {}),
        (
            TraitRules(rename={"company_plan": "tier", "plan": "mine"}, exclude=("owner",)),
            {"company_name": "Acme", "tier": "pro"},
        ),
        (
            TraitRules(exclude=("owner",), as_array=("company_name",), constants={"a": 1}),
            {"company_name_array": "Acme", "company_plan": "pro"},
        ),
        (
            TraitRules(include=("token",), exclude=("owner", "name", "plan")),
            {"company_token": "x"},
        ),
    ],
)
def test_the_rules_for_traits_hold_for_the_traits_of_groups(
    traits: TraitRules, expected: dict[str, Any]
) -> None:
    record = read(GROUP, MappingRules(traits=traits, group_prefix="company"))
    assert record.group_id == "7"
    mapped = map_record(record)
    assert mapped.stored == mapped.settings.group_info == expected
    if not traits.include and "owner" not in traits.exclude:
        left_out = {each.field for each in mapped.warnings if each.code == "secret_left_out"}
        assert left_out == {"group traits.token", "group traits.owner.ssn"}


def test_a_property_of_a_group_is_never_a_field_of_its_members() -> None:
    renamed = {f"company_{key}": key for key in ("email", "phone", "created_at")}
    rules = MappingRules(TraitRules(rename=renamed), group_prefix="company")
    data = GROUP | {"traits": {"email": "o@b.co", "phone": "+44 1111", "created_at": 7}}
    assert map_record(read(data, rules)).stored == {}
