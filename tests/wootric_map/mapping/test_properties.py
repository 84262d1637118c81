"""Wootric's property rules: wootric.md, section 6."""

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

import pytest
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wootric_map.mapping.plain_properties import cannot_warn, plain_properties
from wootric_map.mapping.properties import map_properties, stored
from wootric_map.mapping.property_names import Kinds, Naming
from wootric_map.values import dates
from wootric_map.values.json_values import PropertyValue, decimal_text

OMIT_NOTHING = frozenset[str]().__contains__
NEW_YEAR_2015 = 1420070400
TEN_O_CLOCK = NEW_YEAR_2015 + 36000


def mapped(
    fields: Mapping[str, object], *, amounts: bool = False, arrays: bool = False
) -> dict[str, str | int]:
    naming = Naming(amounts, arrays)
    properties, _ = map_properties(fields, "traits", omit=OMIT_NOTHING, naming=naming)
    return {found.name: found.value for found in properties}


def warnings(fields: Mapping[str, object], *, arrays: bool = False) -> list[str]:
    naming = Naming(arrays=arrays)
    _, found = map_properties(fields, "traits", omit=OMIT_NOTHING, naming=naming)
    return sorted(warning.code for warning in found)


# Text


@pytest.mark.parametrize("text", ["pro", " pro ", "42", "true", "null", "Zoë 😀", "a\nb", "a, b"])
def test_a_string_stays_itself(text: str) -> None:
    assert mapped({"plan": text}) == {"plan": text}
    assert warnings({"plan": text}) == []


# Dates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015-01-01", NEW_YEAR_2015),
        ("2015-01-01T10:00:00Z", TEN_O_CLOCK),
        ("2015-01-01 12:00+02:00", TEN_O_CLOCK),
        ("2018-08-03T15:28:46.493Z", 1533310126),
        ("2018-08-03T15:28:46.500Z", 1533310127),
        ("1969-12-31", -86400),
    ],
)
def test_a_date_becomes_unix_seconds_under_a_key_that_ends_in_date(
    text: str, expected: int
) -> None:
    assert mapped({"signup": text}) == {"signup_date": expected}
    assert warnings({"signup": text}) == []


def test_a_key_that_already_ends_in_date_keeps_its_name() -> None:
    assert mapped({"signup_date": "2015-01-01"}) == {"signup_date": NEW_YEAR_2015}


@pytest.mark.parametrize("key", ["date", "update", "signupDate"])
def test_a_key_without_the_whole_ending_is_given_it(key: str) -> None:
    assert mapped({key: "2015-01-01"}) == {f"{key}_date": NEW_YEAR_2015}


@pytest.mark.parametrize(
    "text",
    [
        "2015",
        "2015-01",
        "20150101",
        "01/01/2015",
        "1420070400",
        "1420070400000",
        "2015-02-30",
        "2015-01-01 and later",
        "2015-01-01\n",
    ],
)
def test_text_that_is_no_whole_iso_date_stays_text(text: str) -> None:
    assert mapped({"signup": text}) == {"signup": text}


# Numbers


@pytest.mark.parametrize("number", [0, 1, -1, 42, 2**31, 2**53 + 1, -(2**63)])
def test_an_integer_stays_itself(number: int) -> None:
    assert mapped({"age_amount": number}) == {"age_amount": number}
    assert mapped({"age": number}) == {"age": number}


def test_an_integer_under_a_key_without_amount_is_warned_of() -> None:
    assert warnings({"age": 42}) == ["integer_without_amount"]
    assert warnings({"amount": 42}) == ["integer_without_amount"]
    assert warnings({"order": {"total": 42}}) == ["integer_without_amount"]


def test_an_integer_under_a_key_with_amount_is_not_warned_of() -> None:
    assert warnings({"age_amount": 42, "order": {"total_amount": 1}}) == []


def test_the_warning_stands_once_for_each_key() -> None:
    fields = {"a": 1, "b": 2, "c": {"d": 3, "e": 4}}
    _, found = map_properties(fields, "traits", omit=OMIT_NOTHING)
    assert [warning.code for warning in found] == ["integer_without_amount"] * 4
    assert len({warning.field for warning in found}) == 4


def test_a_setting_renames_integers_to_amounts() -> None:
    fields = {"age": 42, "total_amount": 7, "order": {"lines": 3}, "plan": "pro", "ratio": 0.5}
    assert mapped(fields, amounts=True) == {
        "age_amount": 42,
        "total_amount": 7,
        "order_lines_amount": 3,
        "plan": "pro",
        "ratio": "0.5",
    }


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.5, "0.5"),
        (-0.5, "-0.5"),
        (0.1, "0.1"),
        (19.99, "19.99"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1234567.875, "1234567.875"),
    ],
)
def test_another_number_becomes_its_shortest_decimal_text(number: float, text: str) -> None:
    assert mapped({"ratio": number}) == {"ratio": text}
    assert decimal_text(number) == text
    assert warnings({"ratio": number}) == []


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
@example(5e-324)
@example(1.7976931348623157e308)
@example(1e21)
@example(1e22)
@example(1e-7)
def test_the_decimal_text_is_exact_and_no_longer_than_need_be(number: float) -> None:
    text = decimal_text(number)
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]*[1-9])?", text)
    assert float(text) == number
    digits = text.replace(".", "").replace("-", "").strip("0")
    shortest = repr(number).partition("e")[0].replace(".", "").replace("-", "").strip("0")
    assert digits == shortest


# True, false, null


def test_true_and_false_become_text() -> None:
    assert mapped({"paying": True, "trial": False}) == {"paying": "true", "trial": "false"}
    assert warnings({"paying": True, "trial": False}) == []


def test_null_is_left_out() -> None:
    assert mapped({"plan": None, "company": {"name": None, "size_amount": 3}}) == {
        "company_size_amount": 3
    }
    assert warnings({"plan": None}) == []


# Objects


def test_an_object_is_flattened() -> None:
    assert mapped({"address": {"city": "Bonn"}}) == {"address_city": "Bonn"}
    assert warnings({"address": {"city": "Bonn"}}) == []


def test_every_rule_holds_inside_an_object() -> None:
    company = {
        "founded": "2015-01-01",
        "closed_date": "2015-01-01",
        "size_amount": 3,
        "ratio": 0.5,
        "public": True,
        "parent": None,
        "tags": ["a", "b"],
        "seat": {"city": "Bonn", "since": "2015-01-01"},
    }
    assert mapped({"company": company}) == {
        "company_founded_date": NEW_YEAR_2015,
        "company_closed_date": NEW_YEAR_2015,
        "company_size_amount": 3,
        "company_ratio": "0.5",
        "company_public": "true",
        "company_tags": "a, b",
        "company_seat_city": "Bonn",
        "company_seat_since_date": NEW_YEAR_2015,
    }


@pytest.mark.parametrize("depth", [1, 2, 10, 100, 500, 1000])
def test_an_object_is_flattened_to_any_depth(depth: int) -> None:
    fields: dict[str, object] = {"leaf": "x"}
    for _ in range(depth):
        fields = {"a": fields, "beside": "y"}
    found = mapped(fields)
    assert found["a_" * depth + "leaf"] == "x"
    assert found["a_" * (depth - 1) + "beside"] == "y"
    assert len(found) == depth + 1


def test_a_property_tells_where_it_came_from() -> None:
    [found], _ = map_properties({"address": {"since": "2015-01-01"}}, "traits", omit=OMIT_NOTHING)
    assert found.source == "traits.address.since"
    assert found.original == "2015-01-01"


def test_an_omitted_key_is_left_out_at_the_top_alone() -> None:
    fields = {"email": "a@b.co", "company": {"email": "c@d.co"}, "plan": "pro"}
    properties, found = map_properties(fields, "traits", omit=lambda key: key == "email")
    assert {each.name: each.value for each in properties} == {
        "company_email": "c@d.co",
        "plan": "pro",
    }
    assert found == []


# Lists


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["a", "b"], "a, b"),
        (["a"], "a"),
        ([1, 2, 3], "1, 2, 3"),
        (["a", 1, 0.5, True, False], "a, 1, 0.5, true, false"),
        (["a, b", "c"], "a, b, c"),
        (["a", None, "b"], "a, b"),
    ],
)
def test_a_list_of_scalars_is_joined(value: list[object], text: str) -> None:
    assert mapped({"tags": value}) == {"tags": text}
    assert warnings({"tags": value}) == ["list_without_array"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["a", "b"], "a,b"),
        ([1, 2.5, True, None], "1,2.5,true"),
        (["a, b", "c"], "a, b,c"),
        ([], ""),
    ],
)
def test_under_a_key_that_ends_in_array_a_list_is_joined_without_blanks(
    value: list[object], text: str
) -> None:
    assert mapped({"tags_array": value, "a": {"tags_array": value}}) == {
        "tags_array": text,
        "a_tags_array": text,
    }
    assert warnings({"tags_array": value}) == []


def test_a_setting_renames_lists_to_arrays() -> None:
    fields = {"tags": ["a", 1], "ids_array": [1, 2], "order": {"skus": ["x"]}, "n": 3}
    assert mapped(fields, arrays=True) == {
        "tags_array": "a,1",
        "ids_array": "1,2",
        "order_skus_array": "x",
        "n": 3,
    }
    assert warnings(fields, arrays=True) == [
        "integer_without_amount",
        "list_without_array",
        "list_without_array",
    ]


# The types of names


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("price_amount", "12.50"),
        ("seats_amount", "12"),
        ("seats_amount", ""),
        ("cost_amount", 12.5),
        ("cost_amount", True),
        ("cost_amount", [1]),
        ("cost_amount", "2019-02-03"),
        ("renewal_date", "N/A"),
        ("trial_end_date", 1549166706000),
        ("trial_end_date", "1549166706"),
        ("signup_date", "3 Feb 2019"),
        ("last_order_date", "2019-02-03 04:05:06 UTC"),
        ("us_date", "02/03/2019"),
        ("zero_date", "0001-01-01T00:00:00Z"),
        ("mysql_date", "0000-00-00"),
        ("old_date", "1975-01-01"),
        ("paid_date", False),
        ("paid_date", 1549166706.5),
        ("paid_date", 0),
        ("paid_date", -1549166706),
        ("paid_date", ["2019-02-03"]),
    ],
)
def test_what_does_not_fit_the_end_of_its_key_is_warned_of(key: str, value: object) -> None:
    for fields in ({key: value}, {"in": {key: value}}):
        _, found = map_properties(fields, "traits", omit=OMIT_NOTHING)
        assert "wrong_type_for_suffix" in [each.code for each in found]
        assert "integer_without_amount" not in [each.code for each in found]


@pytest.mark.parametrize(
    ("key", "value", "held"),
    [
        ("ok_date", 1549166706, 1549166706),
        ("ok_date", 1549166706.0, 1549166706),
        ("ok_date", "2019-02-03T04:05:06Z", 1549166706),
        ("total_amount", 12, 12),
        ("total_amount", 12.0, 12),
        ("total_amount", -1, -1),
        ("big_amount", 12345678901234567890, 12345678901234567890),
        ("signup", "1969-12-31", -86400),
    ],
)
def test_what_fits_the_end_of_its_key_is_not_warned_of(key: str, value: object, held: int) -> None:
    assert list(mapped({key: value}).values()) == [held]
    assert warnings({key: value}) == []


def test_null_under_a_typed_key_gives_nothing() -> None:
    assert mapped({"nps_amount": None, "end_date": None}) == {}
    assert warnings({"nps_amount": None, "end_date": None}) == []


@pytest.mark.parametrize("key", ["phone", "Phone", "PHO_NE"])
@pytest.mark.parametrize("naming", [Naming(), Naming(True, True)])
def test_a_phone_is_no_amount_and_no_array(key: str, naming: Naming) -> None:
    for value, held in ((15551234567, 15551234567), (1.5, "1.5"), ([1, 2], "1, 2")):
        properties, found = map_properties({key: value}, "traits", omit=OMIT_NOTHING, naming=naming)
        assert [(each.name, each.value) for each in properties] == [(key, held)]
        assert found == []
    assert warnings({"work": {"phone": 15551234567}}) == ["integer_without_amount"]


# One name a key


def named(
    fields: Mapping[str, object], *others: Mapping[str, object], naming: Naming
) -> tuple[dict[str, str | int], list[str]]:
    """Return the properties of a record in a run with others, and the warnings."""
    kinds = Kinds()
    for each in (fields, *others):
        kinds.see(each, OMIT_NOTHING)
    naming = Naming(naming.amounts, naming.arrays, kinds.masks or {})
    properties, found = map_properties(fields, "traits", omit=OMIT_NOTHING, naming=naming)
    return {each.name: each.value for each in properties}, [each.code for each in found]


AMOUNTS, ARRAYS = Naming(amounts=True), Naming(arrays=True)


@pytest.mark.parametrize(
    ("number", "whole"),
    [(70.21, 70), (70.5, 71), (69.5, 70), (-0.5, 0), (-1.5, -1), (-1.51, -2),
     (0.49999999999999994, 0), (1e21, "1" + "0" * 21), (1e-7, 0)],
)  # fmt: skip
def test_a_key_that_holds_integers_in_some_records_is_an_amount_in_all(
    number: float, whole: PropertyValue
) -> None:
    assert named({"mrr": number}, {"mrr": 43}, naming=AMOUNTS) == (
        {"mrr_amount": whole},
        ["amount_rounded"],
    )
    assert named({"mrr": 43.0}, {"mrr": number}, naming=AMOUNTS) == (
        {"mrr_amount": 43},
        ["integer_without_amount"],
    )


def test_a_key_that_never_holds_an_integer_keeps_its_name() -> None:
    assert named({"ratio": 0.5}, {"ratio": 0.7}, {"ratio": "x"}, naming=AMOUNTS) == (
        {"ratio": "0.5"},
        [],
    )


@pytest.mark.parametrize("other", ["n/a", "", True, ["a"], "2019-02-03"])
@pytest.mark.parametrize(("number", "held"), [(43, 43), (70.21, "70.21")])
def test_a_key_that_holds_no_number_in_some_keeps_its_name_in_all(
    other: object, number: float, held: PropertyValue
) -> None:
    several: tuple[dict[str, object], ...] = (
        {"mrr": 43},
        {"mrr": other},
        {"mrr": None},
        {"mrr": {"in": 1}},
    )
    assert named({"mrr": number}, *several, naming=AMOUNTS) == ({"mrr": held}, ["mixed_types"])


@pytest.mark.parametrize("other", ["n/a", "", True, 43, 70.21, "2019-02-03"])
def test_a_key_that_holds_no_list_in_some_keeps_its_name_in_all(other: object) -> None:
    several: tuple[dict[str, object], ...] = ({"tags": other}, {"tags": None}, {"tags": [{}]})
    assert named({"tags": ["a", "b"]}, *several, naming=ARRAYS) == (
        {"tags": "a, b"},
        ["mixed_types"],
    )


def test_a_number_under_an_amount_is_rounded_where_the_setting_says_so() -> None:
    assert named({"cost_amount": 12.5}, naming=AMOUNTS) == ({"cost_amount": 13}, ["amount_rounded"])
    assert named({"cost_amount": 12.5}, naming=ARRAYS) == (
        {"cost_amount": "12.5"},
        ["wrong_type_for_suffix"],
    )


def test_a_key_within_an_object_has_one_name_too() -> None:
    assert named({"a": {"b.c": 1.5}}, {"a_b_c": 2}, naming=AMOUNTS)[0] == {"a_b_c_amount": 2}


def test_of_too_many_names_all_are_forgotten() -> None:
    few, many = Kinds(most_names=3), Kinds(most_names=3)
    few.see({"a": 1, "b": {"c": 2, "d": "x"}, "e": None}, OMIT_NOTHING)
    assert few.masks == {"a": 1, "b_c": 1, "b_d": 4}
    many.see({"a": 1, "b": {"c": 2, "d": "x"}, "e": 5}, OMIT_NOTHING)
    assert many.masks is None
    few.add(many.masks)
    assert few.masks is None


@pytest.mark.parametrize(
    "fields",
    [
        {f"k{number}": number for number in range(200_000)},
        {"k" * 9_000_000: 1},
        {"a": {"k" * 500_000: {f"b{number}": 1 for number in range(50_000)}}},
    ],
)
def test_what_is_remembered_of_names_is_bounded(fields: dict[str, object]) -> None:
    kinds = Kinds()
    kinds.see(fields, OMIT_NOTHING)
    assert sum(map(len, kinds.masks or ())) <= 8 * 1024 * 1024


@pytest.mark.parametrize(
    "value", [[{}], [[]], [{"sku": "1"}], ["a", {"sku": "1"}], [["a"], "b"], ["a", []]]
)
def test_a_list_with_objects_or_lists_in_it_is_left_out(value: list[object]) -> None:
    assert mapped({"items": value, "plan": "pro"}) == {"plan": "pro"}
    assert warnings({"items": value, "plan": "pro"}) == ["unsupported_value"]


# Keys


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a.b", "a_b"),
        ("$a", "_a"),
        ("a\0", "a_"),
        ("$.\0", "___"),
        ("a..b", "a__b"),
    ],
)
def test_each_forbidden_character_of_a_key_becomes_an_underscore(key: str, name: str) -> None:
    assert mapped({key: "x"}) == {name: "x"}
    assert warnings({key: "x"}) == ["key_renamed"]


def test_a_forbidden_character_inside_an_object_is_replaced_too() -> None:
    assert mapped({"a": {"b.c": "x"}}) == {"a_b_c": "x"}
    assert warnings({"a": {"b.c": "x"}}) == ["key_renamed"]


def test_a_renamed_key_obeys_the_other_rules() -> None:
    assert mapped({"a.b": "2015-01-01", "c._amount": 1}) == {
        "a_b_date": NEW_YEAR_2015,
        "c__amount": 1,
    }


@pytest.mark.parametrize("key", ["Plan", "plan name", "plan-name", "größe", "名前", "a/b", "a:b"])
def test_any_other_key_keeps_its_spelling(key: str) -> None:
    assert mapped({key: "x"}) == {key: "x"}
    assert warnings({key: "x"}) == []


# Collisions


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"address_city": "exact", "address": {"city": "made"}}, {"address_city": "exact"}),
        ({"address": {"city": "made"}, "address_city": "exact"}, {"address_city": "exact"}),
        ({"a.b": "made", "a_b": "exact"}, {"a_b": "exact"}),
        ({"a_b": "exact", "a.b": "made"}, {"a_b": "exact"}),
        ({"d": "2015-01-01", "d_date": "exact"}, {"d_date": "exact"}),
        ({"d_date": "exact", "d": "2015-01-01"}, {"d_date": "exact"}),
        ({"a": {"b": {"c": "made"}}, "a_b_c": "exact"}, {"a_b_c": "exact"}),
    ],
)
def test_the_key_spelled_so_from_the_start_wins(
    fields: dict[str, object], expected: dict[str, object]
) -> None:
    assert mapped(fields) == expected
    assert "key_collision" in warnings(fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"a": {"b_c": "first"}, "a_b": {"c": "second"}}, {"a_b_c": "first"}),
        ({"a_b": {"c": "first"}, "a": {"b_c": "second"}}, {"a_b_c": "first"}),
        ({"a.b": "first", "a$b": "second"}, {"a_b": "first"}),
        ({"a$b": "first", "a.b": "second"}, {"a_b": "first"}),
        ({"a": {"b": "first"}, "a.b": "second"}, {"a_b": "first"}),
        ({"a.b": "first", "a": {"b": "second"}}, {"a_b": "first"}),
        ({"a": {"b": "2015-01-01"}, "a_b": {"date": "second"}}, {"a_b_date": NEW_YEAR_2015}),
    ],
)
def test_between_other_keys_the_first_in_the_record_wins(
    fields: dict[str, object], expected: dict[str, object]
) -> None:
    assert mapped(fields) == expected
    assert "key_collision" in warnings(fields)


def test_the_key_spelled_so_wins_over_any_number_of_others() -> None:
    fields = {"a.b": "1", "a": {"b": "2"}, "a_b": "exact", "a$b": "4"}
    assert mapped(fields) == {"a_b": "exact"}


def test_an_amount_spelled_so_wins_over_a_renamed_integer() -> None:
    fields = {"total": 1, "total_amount": 2}
    properties, found = map_properties(
        fields, "traits", omit=OMIT_NOTHING, naming=Naming(amounts=True)
    )
    assert {each.name: each.value for each in properties} == {"total_amount": 2}
    assert [warning.code for warning in found if warning.code == "key_collision"]


def test_names_that_differ_do_not_collide() -> None:
    fields = {"plan": "a", "Plan": "b", "PLAN": "c"}
    assert mapped(fields) == fields
    assert warnings(fields) == []


# Properties of all records

KEYS = st.text(max_size=4) | st.sampled_from(
    ["a", "b", "a_b", "a.b", "a$b", "a_date", "b_amount", "a_array", "Phone", "\0", ""]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.dates().map(str)
    | st.sampled_from([1549166706, 1549166706000, 12.5, 3.0])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=6)


def keys_in(value: object) -> Iterator[str]:
    """Yield all keys of objects at any depth."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else ():
        yield from keys_in(inner)


@given(OBJECTS, st.booleans())
def test_the_result_is_always_what_wootric_takes(fields: dict[str, Any], amounts: bool) -> None:
    properties, found = map_properties(fields, "traits", omit=OMIT_NOTHING, naming=Naming(amounts))
    names = [each.name for each in properties]
    assert len(set(names)) == len(names)
    for each in properties:
        assert type(each.value) in {str, int}
        assert not set(each.name) & set("$.\0")
        assert each.original is not None
    assert {warning.code for warning in found} <= {
        "integer_without_amount",
        "list_without_array",
        "wrong_type_for_suffix",
        "amount_rounded",
        "unsupported_value",
        "key_renamed",
        "key_collision",
    }
    once = [warning.field for warning in found if warning.code == "integer_without_amount"]
    # A key with a dot may be spelled as the way to another.
    assert len(set(once)) == len(once) or any("." in key for key in keys_in(fields))


def obvious_values(
    fields: Mapping[str, Any], above: str, place: str
) -> Iterator[tuple[str, str, Any, bool]]:
    """Yield the name, source and value of each property, and whether the record itself spells the name."""
    for key, value in fields.items():
        name = re.sub(r"[$.\0\[\]]", "_", key) or "_"
        if isinstance(value, dict):
            yield from obvious_values(value, f"{above}{name}_", f"{place}.{key}")
        elif value is not None:
            yield f"{above}{name}", f"{place}.{key}", value, not above and name == key


def obvious_text(value: object) -> str | int:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not (value.is_integer() and abs(value) < 2**63):
        return decimal_text(value)
    return value if isinstance(value, str) else int(value)  # type: ignore[call-overload]


def obvious_kind(value: object) -> str:
    """Return the kind of a value; empty text for a value that is left out."""
    if isinstance(value, list):
        return "" if any(isinstance(each, dict | list) for each in value) else "list"
    if isinstance(value, bool):
        return "text"
    if isinstance(value, str):
        return "text" if dates.parse_iso_day(value) is None else "date"
    return "integer" if isinstance(obvious_text(value), int) else "number"


def obvious_number(
    name: str, value: float, seen: set[str], naming: Naming, *, is_phone: bool
) -> tuple[str, str | int, set[str]]:
    """Return the name, value and warnings of a number."""
    text, codes = obvious_text(value), set[str]()
    renamed = name
    if not (is_phone or name.endswith(("_amount", "_date"))):
        if naming.amounts and "integer" in seen:
            if seen & {"text", "list", "date"}:
                return name, text, {"mixed_types"}
            renamed = f"{name}_amount"
        if isinstance(text, int):
            codes = {"integer_without_amount"}
    if isinstance(text, str) and naming.amounts and renamed.endswith("_amount"):
        whole = text if value.is_integer() else math.floor(Decimal(value) + Decimal("0.5"))
        return renamed, whole, {"amount_rounded"}
    return renamed, text, codes


def obvious_property(
    name: str, value: Any, seen: set[str], naming: Naming, *, is_phone: bool
) -> tuple[str, str | int, set[str]]:
    """Return the name, value and warnings of a property."""
    kind, codes = obvious_kind(value), set[str]()
    text: str | int
    final = name
    if kind == "date":
        text = dates.unix_seconds(dates.parse_iso_day(value) or 0)
        final = name if name.endswith("_date") else f"{name}_date"
    elif kind == "list":
        texts = [str(obvious_text(each)) for each in value if each is not None]
        text = ", ".join(texts)
        if name.endswith("_array"):
            text = ",".join(texts)
        elif naming.arrays and not is_phone and seen - {"list"}:
            codes = {"mixed_types"}
        elif not is_phone:
            codes = {"list_without_array"}
            if naming.arrays:
                final, text = f"{name}_array", ",".join(texts)
    elif kind == "text":
        text = obvious_text(value)
    else:
        final, text, codes = obvious_number(name, value, seen, naming, is_phone=is_phone)
    fits = isinstance(text, int)
    if name.endswith("_amount"):
        fits = fits and kind != "date"
    if name.endswith("_date"):
        fits = fits and len(str(text)) == 10 and str(text).isdigit()
    if name.endswith(("_amount", "_date")) and not fits:
        codes = codes | {"wrong_type_for_suffix"}
    return final, text, codes


Obvious: TypeAlias = dict[str, tuple[str | int, str, object]]


def obvious(
    fields: Mapping[str, Any], others: list[dict[str, Any]], naming: Naming
) -> tuple[Obvious, set[str]]:
    """Apply wootric.md 6 rule by rule, without any shortcut.

    Args:
        fields: the properties of one record.
        others: the properties of the other records of the run.
        naming: which properties get an ending.

    Returns:
        Values, sources and originals by name; and the codes of the warnings about types.
    """
    seen: dict[str, set[str]] = {}
    for each in (fields, *others):
        for name, _, value, _ in obvious_values(each, "", "traits"):
            seen.setdefault(name, set()).add(obvious_kind(value))
    found: Obvious = {}
    kept: dict[str, bool] = {}
    codes: set[str] = set()
    for name, source, value, exact in obvious_values(fields, "", "traits"):
        if not obvious_kind(value):
            continue
        letters = "".join(filter(str.isalnum, source.removeprefix("traits."))).lower()
        final, text, more = obvious_property(
            name,
            value,
            seen[name] - {""},
            naming,
            is_phone=letters == "phone" and source.removeprefix("traits.") in fields,
        )
        codes |= more
        first_choice = exact and final == name
        if final not in found or (first_choice and not kept[final]):
            kept[final] = first_choice
            is_long = isinstance(text, int) and not -(2**63) <= text < 2**64
            found[final] = str(text) if is_long else text, source, value
    return found, codes


NAMINGS = st.builds(Naming, st.booleans(), st.booleans())
OF_TYPES = {
    "integer_without_amount",
    "list_without_array",
    "wrong_type_for_suffix",
    "mixed_types",
    "amount_rounded",
}


@given(OBJECTS, st.lists(OBJECTS, max_size=3), NAMINGS)
@example({"a.b": 1, "a": {"b": "2015-01-01"}, "a_b": "x"}, [], Naming())
@example({"a": "2015-01-01", "a_date": "2015-01-02"}, [], Naming())
@example({"a": 1.5}, [{"a": 1}], Naming(amounts=True))
@example({"a": 1}, [{"a": "x"}], Naming(amounts=True))
@example({"a": [1]}, [{"a": "x"}], Naming(arrays=True))
def test_the_properties_are_those_of_the_rules_taken_one_by_one(
    fields: dict[str, Any], others: list[dict[str, Any]], naming: Naming
) -> None:
    kinds = Kinds()
    for each in (*others, fields):
        kinds.see(each, OMIT_NOTHING)
    informed = Naming(naming.amounts, naming.arrays, kinds.masks or {})
    for known in (False, True):  # the second time the keys have been met
        properties, found = map_properties(fields, "traits", omit=OMIT_NOTHING, naming=informed)
        codes = {each.code for each in found} & OF_TYPES
        assert (
            {each.name: (each.value, each.source, each.original) for each in properties},
            codes,
        ) == obvious(fields, others, naming), known


@given(st.lists(OBJECTS, max_size=6), st.randoms(use_true_random=False), st.integers(0, 6))
def test_what_is_known_of_names_depends_on_no_order_and_no_parts(
    records: list[dict[str, Any]], chance: random.Random, cut: int
) -> None:
    whole = Kinds()
    for each in records:
        whole.see(each, OMIT_NOTHING)
    shuffled = chance.sample(records, len(records))
    one, other = Kinds(), Kinds()
    for each in shuffled[:cut]:
        one.see(each, OMIT_NOTHING)
    for each in shuffled[cut:]:
        other.see(each, OMIT_NOTHING)
    other.add(one.masks)
    assert other.masks == whole.masks


@settings(deadline=None)
@given(OBJECTS)
def test_every_integer_is_an_amount_or_a_date_when_the_setting_is_on(
    fields: dict[str, Any],
) -> None:
    for name, value in mapped(fields, amounts=True).items():
        assert isinstance(value, str) or name.endswith(("_amount", "_date")) or name == "Phone"


@settings(deadline=None)
@given(st.dictionaries(st.text("abc_", min_size=1), SCALARS))
def test_each_scalar_under_a_plain_key_is_there_under_its_own_name(fields: dict[str, Any]) -> None:
    kept = {key for key, value in fields.items() if value is not None}
    names = set(mapped(fields))
    assert {key for key in kept if key in names or f"{key}_date" in names} == kept


@examples(30)
@given(st.integers(1, 1000), VALUES)
def test_any_value_can_stand_at_any_depth(depth: int, value: object) -> None:
    fields: dict[str, object] = {"leaf": value}
    for _ in range(depth):
        fields = {"a": fields}
    for name in mapped(fields):
        assert name.startswith("a_" * depth + "leaf")


def nested(inner: dict[str, object], keys: list[str]) -> dict[str, object]:
    """Return `inner` under `keys`, outermost first, with another value beside it at each level."""
    for key in reversed(keys):
        inner = {key: inner, "leaf": "x"}
    return inner


def leaves(fields: dict[str, object]) -> int:
    count, pending = 0, [fields]
    while pending:
        for value in pending.pop().values():
            if isinstance(value, dict):
                pending.append(value)
            else:
                count += 1
    return count


WIDE: dict[str, object] = {f"w{number}": "x" for number in range(50_000)}
BOMBS = {
    "a long name above many levels": nested({"leaf": "x"}, ["k" * 500_000, *["a"] * 900]),
    "a long name above many leaves": nested(WIDE, ["k" * 300_000]),
    "long names at every level": nested({"leaf": "x"}, ["k" * 1000] * 900),
    "many leaves below many levels": nested(WIDE, ["a"] * 900),
    "forbidden names at every level": nested({"leaf": "x"}, ["$" * 1000] * 900),
}


@pytest.mark.parametrize("fields", BOMBS.values(), ids=BOMBS)
def test_a_record_of_one_line_does_not_grow_without_bounds(fields: dict[str, object]) -> None:
    properties, found = map_properties(fields, "traits", omit=OMIT_NOTHING)
    size = sum(len(each.name) + len(each.source) for each in properties)
    size += sum(len(warning.field) + len(warning.message) for warning in found)
    assert size <= 64 * 1024 * 1024  # each of them is a line of less than 1 MiB
    assert len(properties) == leaves(fields) or found  # nothing is dropped unseen


# The quick look


@given(OBJECTS, st.booleans())
@example({"due": "2015-01-01", "due_date": "x"}, False)
@example({"a": 3.0}, False)
@example({"a.b": "x", "a_b": "y"}, False)
def test_what_cannot_warn_at_a_glance_does_not(fields: dict[str, Any], amounts: bool) -> None:
    kinds = dict.fromkeys(fields, 31)  # whatever the other records hold
    naming = Naming(amounts, amounts, kinds)
    if cannot_warn(fields, amounts):
        _, found = map_properties(fields, "properties", omit=OMIT_NOTHING, naming=naming)
        assert found == []


@pytest.mark.parametrize("value", ["text", "2015-01-01", 3.5, True, None])
def test_the_commonest_properties_cannot_warn_at_a_glance(value: object) -> None:
    assert cannot_warn({"plan": value, "currency": "EUR"})


PLAIN_KEYS = st.sampled_from(
    ["a", "b", "a_b", "a_b_c", "c", "a.b", "A[b]", "", "due", "due_date", "n_amount", "id", "Phone"]
)
PLAIN = st.dictionaries(
    PLAIN_KEYS, SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(PLAIN_KEYS, VALUES)
)


@given(PLAIN | OBJECTS, st.booleans(), st.sampled_from([OMIT_NOTHING, {"a"}.__contains__]))
@example({"due": "2015-01-01", "due_date": "x"}, False, OMIT_NOTHING)
@example({"a": {"b": "x"}, "a_b": "y"}, False, OMIT_NOTHING)
@example({"a": {"due": "2015-01-01"}, "n_amount": 3.0, "b": None}, True, OMIT_NOTHING)
@example({"phone": "+1", "id": "7"}, False, OMIT_NOTHING)
@example({"a": {"b": "2018-01-01", "b_date": "x"}}, False, OMIT_NOTHING)
def test_what_is_plain_at_a_glance_is_that_of_the_rules_without_a_warning(
    fields: dict[str, Any], amounts: bool, omit: Callable[[str], bool]
) -> None:
    plain = plain_properties(fields, omit=omit)
    if plain is not None:
        properties, found = map_properties(fields, "traits", omit=omit, naming=Naming(amounts))
        obviously = {each.name: each.value for each in properties}
        assert found == []
        assert typed(plain) == typed(obviously)
        assert stored(properties) == properties


def typed(values: Mapping[str, PropertyValue]) -> list[tuple[str, type, PropertyValue]]:
    """Return properties in their order, and tell 1 from True."""
    return [(name, type(value), value) for name, value in values.items()]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("text", {"plan": "text"}),
        ("2015-01-01", {"plan_date": NEW_YEAR_2015}),
        (3.5, {"plan": "3.5"}),
        (True, {"plan": "true"}),
        (None, {}),
        ({"seats_amount": 3, "is x": "y"}, {"plan_seats_amount": 3, "plan_is x": "y"}),
        ({}, {}),
    ],
)
def test_the_commonest_properties_are_plain_at_a_glance(
    value: object, found: dict[str, str | int]
) -> None:
    fields = {"email": "a@b.co", "plan": value, "currency": "EUR"}
    plain = plain_properties(fields, omit={"email"}.__contains__)
    assert plain == {**found, "currency": "EUR"}


@pytest.mark.parametrize("fields", BOMBS.values(), ids=BOMBS)
def test_a_record_that_grows_is_not_plain_at_a_glance(fields: dict[str, object]) -> None:
    assert plain_properties(fields, omit=OMIT_NOTHING) is None


def test_an_object_within_an_object_is_not_plain_at_a_glance() -> None:
    assert plain_properties({"a": {"b": "x"}}, omit=OMIT_NOTHING) == {"a_b": "x"}
    assert plain_properties({"a": {"b": {"c": "x"}}}, omit=OMIT_NOTHING) is None
