"""Records as the user's rules want them: what is left out, renamed, converted and added."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.errors import SettingsError
from wootric_map.mapping.entries import ReadingOptions
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.rewriting import Rewriting
from wootric_map.mapping.rules import IdentityRules, MappingRules, NameRules, TraitRules
from wootric_map.mapping.secrets import SECRET_NAMES, is_secret
from wootric_map.mapping.settings import map_record
from wootric_map.model import Skip
from wootric_map.read.record import Identify, Page, Track, read_line, read_parsed
from wootric_map.read.suppression import Entry, Suppression


def record_of(data: Mapping[str, Any]) -> Identify | Track | Page:
    [read] = read_line(json.dumps({"userId": "u1", **data}).encode())
    assert isinstance(read.reading, Identify | Track | Page)
    return read.reading


def rewritten(traits: Mapping[str, Any], **rules: Any) -> tuple[dict[str, Any], list[str]]:
    """The traits as the rules want them, and the codes and places of the warnings."""
    configured = MappingRules(traits=TraitRules(**rules))
    configured.check()
    found = Rewriting(configured).of(record_of({"type": "identify", "traits": traits}))
    assert isinstance(found, Identify)
    return dict(found.traits), [f"{each.code} {each.field}" for each in found.warnings]


def sent(traits: Mapping[str, Any], **rules: Any) -> dict[str, Any]:
    """The properties that an end user keeps."""
    found = Rewriting(MappingRules(traits=TraitRules(**rules))).of(
        record_of({"type": "identify", "traits": traits})
    )
    assert isinstance(found, Identify)
    return dict(map_record(found).stored)


# Secrets


@pytest.mark.parametrize(
    "name",
    [
        "password", "Password", "user_password", "reset-password-token", "ssn", "userSSN", "SSN",
        "creditCard", "credit_card", "CREDITCARD", "billingCreditCardNumber", "apiKey", "APIKey",
        "token", "stripeToken", "password_hash", "cvv2", "clientSecret", "card.number",
        "accesstoken", "userpassword", "password2", "passwords", "api_keys", "password_old",
        "ssn_number", "ssnLast4", "creditCardNo", "tokens", "\uff50assword",
    ],
)  # fmt: skip
def test_a_secret_is_left_out_and_said(name: str) -> None:
    traits, warnings = rewritten({"plan": "pro", name: "x"})
    assert traits == {"plan": "pro"}
    assert warnings == [f"secret_left_out traits.{name}"]


@pytest.mark.parametrize(
    "name",
    [
        "has_password", "passwordChangedAt", "password_age_days", "tokenCount", "secretary",
        "session", "classN", "needs_token", "card_number_of_visits", "pass", "key", "compass",
    ],
)  # fmt: skip
def test_what_only_sounds_like_a_secret_is_sent(name: str) -> None:
    assert rewritten({name: "x"}) == ({name: "x"}, [])


def test_secrets_within_objects_are_left_out_and_the_rest_stays() -> None:
    traits = {"card": {"number": "4111", "brand": "visa"}, "login": {"a": {"token": "t", "at": 1}}}
    assert rewritten(traits) == (
        {"card": {"brand": "visa"}, "login": {"a": {"at": 1}}},
        ["secret_left_out traits.card.number", "secret_left_out traits.login.a.token"],
    )


def test_an_object_that_is_a_secret_is_left_out_as_a_whole() -> None:
    assert rewritten({"creditCard": {"brand": "visa", "exp": "01/30"}}) == (
        {},
        ["secret_left_out traits.creditCard"],
    )


@pytest.mark.parametrize("include", ["password", "PassWord", "pass*", "*"])
def test_an_included_secret_is_sent(include: str) -> None:
    assert rewritten({"password": "x"}, include=(include,)) == ({"password": "x"}, [])


def test_an_included_object_is_sent_with_what_is_in_it() -> None:
    traits = {"auth": {"token": "t"}, "other": {"token": "t"}}
    found, _ = rewritten(traits, include=("auth",))
    assert found == {"auth": {"token": "t"}, "other": {}}


def test_properties_of_events_lose_their_secrets_too() -> None:
    record = record_of(
        {"type": "track", "event": "Paid", "properties": {"total": 1, "cardNumber": "4111"}}
    )
    found = Rewriting(MappingRules()).of(record)
    assert isinstance(found, Track)
    assert found.properties == {"total": 1}
    assert [each.field for each in found.warnings] == ["properties.cardNumber"]


@given(st.sampled_from(sorted(SECRET_NAMES)), st.sampled_from(["user", "my", "old", "x1"]))
def test_a_word_before_a_secret_s_name_makes_it_no_less_secret(name: str, before: str) -> None:
    for written in (name, f"{before}_{name}", f"{before}.{name}", f"{before}{name.capitalize()}"):
        assert is_secret((written,)), written
    assert is_secret((before, name))
    assert is_secret(("has_account", name))


# What the user leaves out


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (("plan",), {"address": {"city": "Rome", "geo": {"x": 1}}, "plan_name": "b", "n": 1}),
        (("PLAN_NAME",), {"plan": "a", "address": {"city": "Rome", "geo": {"x": 1}}, "n": 1}),
        (("plan*",), {"address": {"city": "Rome", "geo": {"x": 1}}, "n": 1}),
        (("address",), {"plan": "a", "plan_name": "b", "n": 1}),
        (("address.city",), {"plan": "a", "plan_name": "b", "address": {"geo": {"x": 1}}, "n": 1}),
        (("address_city",), {"plan": "a", "plan_name": "b", "address": {"geo": {"x": 1}}, "n": 1}),
        (("address.*",), {"plan": "a", "plan_name": "b", "address": {}, "n": 1}),
        (("address.geo.x",), {"plan": "a", "plan_name": "b", "address": {"city": "Rome", "geo": {}},
                              "n": 1}),
    ],
)  # fmt: skip
def test_excluded_traits_are_left_out(exclude: tuple[str, ...], left: dict[str, Any]) -> None:
    traits = {"plan": "a", "plan_name": "b", "address": {"city": "Rome", "geo": {"x": 1}}, "n": 1}
    assert rewritten(traits, exclude=exclude) == (left, [])


@pytest.mark.parametrize("name", ["address.city", "address_city", "ADDRESS CITY"])
@pytest.mark.parametrize("key", ["address.city", "address_city", "Address City"])
def test_all_keys_that_give_one_property_are_excluded_together(name: str, key: str) -> None:
    assert rewritten({key: "Rome", "a": 1}, exclude=(name,)) == ({"a": 1}, [])


def test_an_excluded_object_takes_keys_with_dots_along() -> None:
    assert rewritten({"address.city": "Rome", "a": 1}, exclude=("address",)) == ({"a": 1}, [])


@pytest.mark.parametrize(("name", "key"), [("é", "e\u0301"), ("straße", "STRASSE")])
def test_names_are_compared_however_they_are_encoded(name: str, key: str) -> None:
    assert rewritten({key: 1}, exclude=(name,)) == ({}, [])


@pytest.mark.parametrize("kind", ["track", "page"])
def test_an_excluded_phone_is_not_taken_from_the_context_either(kind: str) -> None:
    data = {
        "type": kind, "userId": "u", "event": "E", "timestamp": "2024-01-01T00:00:00Z",
        "context": {"traits": {"phone": "+15550199999", "createdAt": "2018-01-01", "mail": "a@b.co"}},
    }  # fmt: skip
    rules = MappingRules(TraitRules(exclude=("phone", "created_at"), rename={"mail": "email"}))
    rewriting = Rewriting(rules)
    assert rewriting.concerns(data)
    found = rewriting.of(record_of(data))
    assert isinstance(found, Track | Page)
    assert user_of(found).user[1:5] == ("a@b.co", None, None, None)


def test_a_pattern_leaves_the_traits_alone_that_tell_who_somebody_is() -> None:
    traits = {"email": "a@b.c", "phone": "12345", "createdAt": "2015", "e": 1}
    found, _ = rewritten(traits, exclude=("*",))
    assert found == {"email": "a@b.c", "phone": "12345", "createdAt": "2015"}


def test_a_phone_is_left_out_by_its_name() -> None:
    assert rewritten({"Phone": "12345", "a": 1}, exclude=("phone",)) == ({"a": 1}, [])


def test_the_email_can_only_be_left_out_for_another() -> None:
    with pytest.raises(SettingsError, match="by which Wootric knows end users"):
        MappingRules(traits=TraitRules(exclude=("E-Mail",))).check()
    traits = {"email": "private@a.b", "workEmail": "work@a.b"}
    found, _ = rewritten(traits, exclude=("email",), rename={"work_email": "email"})
    assert found == {"email": "work@a.b"}


def test_only_the_named_traits_become_properties_beside_the_standard_ones() -> None:
    traits = {
        "email": "a@b.c", "plan": 1, "seats": 2, "address": {"city": "Rome", "zip": 1},
        "company": {"name": "X"}, "created": "2015",
    }  # fmt: skip
    assert rewritten(traits, only=("plan", "address.city", "company")) == (
        {
            "email": "a@b.c",
            "plan": 1,
            "address": {"city": "Rome"},
            "company": {"name": "X"},
            "created": "2015",
        },
        [],
    )


def test_objects_are_left_out_where_they_are_not_flattened() -> None:
    assert rewritten({"a": 1, "b": {"c": 1}}, flatten=False) == ({"a": 1}, [])


# Renamed, converted, added


def test_a_trait_is_renamed_whatever_its_spelling() -> None:
    assert rewritten({"Plan Name": "pro"}, rename={"planName": "tier"}) == ({"tier": "pro"}, [])


def test_a_trait_within_an_object_is_renamed_to_one_of_its_own() -> None:
    traits = {"address": {"city": "Rome", "zip": 1}, "org": {"x": {"y": 1}}}
    found, _ = rewritten(traits, rename={"address.city": "town", "org": "company"})
    assert found == {"address": {"zip": 1}, "town": "Rome", "company": {"x": {"y": 1}}}


def test_a_trait_that_is_spelled_so_from_the_start_wins_over_a_renamed_one() -> None:
    assert rewritten({"plan": "a", "tier": "b"}, rename={"plan": "tier"}) == (
        {"tier": "b"},
        ["key_collision traits.plan"],
    )
    assert rewritten({"plan": "a", "tier": None}, rename={"plan": "tier"}) == ({"tier": "a"}, [])


@pytest.mark.parametrize("key", ["email", "Email", "E-MAIL"])
def test_a_standard_trait_that_is_there_wins_in_any_spelling(key: str) -> None:
    assert rewritten({key: "a@b.co", "mail": "x@y.z"}, rename={"mail": "email"}) == (
        {key: "a@b.co"},
        ["key_collision traits.mail"],
    )


@pytest.mark.parametrize(
    "rename", [{"uid": "id"}, {"aB": "b", "a_b": "c"}, {"a*": "b"}, {"a": " "}]
)
def test_renames_that_cannot_be_followed_are_refused(rename: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        MappingRules(traits=TraitRules(rename=rename)).check()


def test_traits_may_swap_their_names() -> None:
    assert rewritten({"a": 1, "b": 2}, rename={"a": "b", "b": "a"})[0] == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    ("value", "becomes", "warnings"),
    [
        ("2018-08-03 15:28:46Z", 1533310126, []),
        ("08/03/2018", 1533254400, []),
        (1533310126493, 1533310126, []),
        ("soon", None, ["wrong_type_for_suffix traits.since"]),
        (None, ..., []),
    ],
)
def test_a_trait_is_read_as_a_date(value: object, becomes: object, warnings: list[str]) -> None:
    found, told = rewritten({"since": value}, as_date=("since",))
    assert told == warnings
    assert found == ({"since_date": None if becomes is ... else becomes} if becomes else {})
    if not warnings and value:
        assert sent({"since": value}, as_date=("since",)) == {"since_date": becomes}


@pytest.mark.parametrize(
    ("value", "becomes", "warnings"),
    [
        (12, 12, []),
        (12.0, 12, []),
        (" 12 ", 12, []),
        ("-12.00", -12, []),
        (12.5, 13, ["amount_rounded traits.seats"]),
        ("12.4", 12, ["amount_rounded traits.seats"]),
        ("twelve", ..., ["wrong_type_for_suffix traits.seats"]),
        (True, ..., ["wrong_type_for_suffix traits.seats"]),
        (1e400, ..., ["wrong_type_for_suffix traits.seats"]),
    ],
)
def test_a_trait_is_read_as_an_amount(value: object, becomes: object, warnings: list[str]) -> None:
    record = record_of({"type": "identify", "traits": {}})
    assert isinstance(record, Identify)
    rules = MappingRules(traits=TraitRules(as_amount=("seats",)))
    found = Rewriting(rules).of(record._replace(traits={"seats": value}))
    assert isinstance(found, Identify)
    assert [f"{each.code} {each.field}" for each in found.warnings] == warnings
    assert found.traits == ({} if becomes is ... else {"seats_amount": becomes})


@pytest.mark.parametrize(("value", "becomes"), [(["a", "b"], "a,b"), ("a", "a"), (3, "3")])
def test_a_trait_is_read_as_an_array(value: object, becomes: object) -> None:
    assert sent({"tags": value}, as_array=("tags",)) == {"tags_array": becomes}


def test_a_trait_that_is_renamed_is_converted_too() -> None:
    assert sent({"a": {"since": "2018"}}, rename={"a.since": "member"}, as_date=("a.since",)) == {
        "member_date": 1514764800
    }


def test_constants_are_added_to_every_identify_and_win() -> None:
    assert rewritten({"source": "x", "a": 1}, constants={"source": "backfill", "wave": 2}) == (
        {"source": "backfill", "a": 1, "wave": 2},
        [],
    )
    assert rewritten({}, constants={"source": "backfill"}) == ({"source": "backfill"}, [])


@pytest.mark.parametrize("name", ["email", "Created_At", "phone", "id", " "])
def test_a_constant_that_says_who_somebody_is_is_refused(name: str) -> None:
    with pytest.raises(SettingsError):
        MappingRules(traits=TraitRules(constants={name: "x"})).check()


# Events and pages


def event(name: str) -> Track:
    record = record_of({"type": "track", "event": name, "messageId": "m1"})
    assert isinstance(record, Track)
    return record


def test_events_are_left_out_letter_for_letter_or_by_patterns() -> None:
    rewriting = Rewriting(MappingRules(events=NameRules(exclude=("Paid", "Debug*"))))
    assert isinstance(rewriting.of(event("Paid")), Skip)
    assert isinstance(rewriting.of(event("Debug click")), Skip)
    assert rewriting.of(event("paid")) == event("paid")
    rewriting = Rewriting(MappingRules(events=NameRules(only=("Paid",))))
    assert rewriting.of(event("Paid")) == event("Paid")
    skip = rewriting.of(event("Seen"))
    assert isinstance(skip, Skip)
    assert (skip.code, skip.field) == ("filtered_out", "event")


def test_a_renamed_event_is_sent_under_its_new_name_and_known_by_its_old_one() -> None:
    found = Rewriting(MappingRules(events=NameRules(rename={"Paid": "Order"}))).of(event("Paid"))
    assert isinstance(found, Track)
    assert (found.event, map_record(found).settings.event_name) == ("Paid", "Order")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://example.com/admin/users", "/admin/users"),
        ("https://example.com/admin/users?q=/home#top", "/admin/users"),
        ("//example.com:8080/admin/users", "/admin/users"),
        ("app+x://[::1/admin/users", "/admin/users"),
        ("/admin/users", "/admin/users"),
        ("https://example.com", "/"),
        ("https://example.com?a=b", "/"),
    ],
)
@pytest.mark.parametrize("place", ["properties", "context"])
def test_pages_without_a_path_are_left_out_by_that_in_their_url(
    url: str, path: str, place: str
) -> None:
    holder: dict[str, Any] = {"url": url} if place == "properties" else {"page": {"url": url}}
    page = record_of({"type": "page", place: holder})
    for pattern, is_meant in ((path, True), ("/other", False), ("*example*", False)):
        found = Rewriting(MappingRules(pages=NameRules(exclude=(pattern,)))).of(page)
        assert isinstance(found, Skip) == is_meant, pattern


def test_pages_are_left_out_by_name_or_path() -> None:
    page = record_of({"type": "page", "name": "Home", "properties": {"path": "/admin/x"}})
    for rules in (NameRules(exclude=("Home",)), NameRules(exclude=("/admin*",))):
        assert isinstance(Rewriting(MappingRules(pages=rules)).of(page), Skip)
    for rules in (NameRules(only=("Home",)), NameRules(only=("/admin/*",))):
        assert Rewriting(MappingRules(pages=rules)).of(page) == page
    found = Rewriting(MappingRules(pages=NameRules(rename={"Home": "Start"}))).of(page)
    assert isinstance(found, Page)
    info = map_record(found).settings.page_info
    assert info
    assert (found.name, info["name"]) == ("Home", "Start")


# Whose ids are ids


@pytest.mark.parametrize("text", ["TEST", " test ", "Test"])
def test_a_configured_placeholder_is_no_id_wherever_it_stands(text: str) -> None:
    identity = IdentityRules(placeholders=("test", "000-000"))
    options = ReadingOptions(configured=MappingRules(identity=identity))
    data = {
        "type": "identify", "userId": text, "anonymousId": text, "messageId": text,
        "traits": {"E-Mail": text, "phone": "000-000", "plan": "test"},
    }  # fmt: skip
    [read] = read_parsed(b"", data, options.rules)
    record = options.rewriting().of(read.reading)
    assert isinstance(record, Identify)
    assert record[:3] == (None, None, None)
    assert record.traits == {"plan": "test"}
    assert [f"{each.code} {each.field}" for each in record.warnings] == [
        f"placeholder_id {place}"
        for place in ("userId", "anonymousId", "messageId", "traits.E-Mail", "traits.phone")
    ]


def test_a_placeholder_of_ours_may_be_a_real_id_of_users() -> None:
    rules = MappingRules(identity=IdentityRules(real_ids=("Guest", "0")))
    rules.check()
    [read] = read_parsed(
        b"",
        {"type": "identify", "userId": "guest", "anonymousId": 0, "messageId": "0"},
        ReadingOptions(configured=rules).rules,
    )
    assert isinstance(read.reading, Identify)
    assert read.reading[:3] == ("guest", "0", None)


@pytest.mark.parametrize(
    "rules",
    [
        {"real_ids": ("abc",)},
        {"placeholders": (" ",)},
        {"real_ids": ("0",), "placeholders": ("0",)},
    ],
)
def test_rules_about_ids_that_cannot_be_followed_are_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        IdentityRules(**rules)


# Rules that nothing is named in


def test_the_rules_that_something_was_named_in_are_noted() -> None:
    rules = MappingRules(
        TraitRules(exclude=("plan", "plna"), rename={"a": "b", "c": "d"}),
        NameRules(exclude=("Paid", "Piad")),
    )
    rewriting = Rewriting(rules)
    rewriting.of(record_of({"type": "identify", "traits": {"Plan": 1, "a": 2}}))
    rewriting.of(event("Paid"))
    unmet = [tuple(each) for each in rules.named() if each not in rewriting.met]
    assert unmet == [("trait", "plna"), ("trait", "c"), ("event", "Piad")]


# In general

_KEYS = st.sampled_from(
    ["plan", "Plan", "email", "password", "token", "a", "b.c", "created", "\0", "n_date"]
)
_VALUES = st.recursive(
    st.none()
    | st.text(max_size=3)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)
_TRAITS = st.dictionaries(_KEYS, _VALUES, max_size=6)
_PATTERNS = st.lists(
    st.sampled_from(["plan", "*", "a", "a.b.c", "p*", "b_c", "a.*", "token"]), max_size=2
)


@given(
    _TRAITS,
    _PATTERNS,
    _PATTERNS,
    st.booleans(),
    st.text(min_size=1, max_size=3).filter(str.strip),
    st.booleans(),
)
def test_concerns_tells_whenever_a_record_changes(
    traits: dict[str, Any],
    exclude: list[str],
    only: list[str],
    flatten: bool,
    placeholder: str,
    suppresses: bool,
) -> None:
    rules = MappingRules(
        TraitRules(tuple(exclude), only=tuple(only), flatten=flatten),
        identity=IdentityRules(placeholders=(placeholder,)),
    )
    for record in (
        {"type": "identify", "userId": "u1", "traits": traits},
        {"type": "track", "userId": "u1", "event": "E", "properties": traits},
    ):
        before = record_of(record)
        rewriting = Rewriting(rules, Suppression((Entry("u2"),) if suppresses else ()))
        concerns = rewriting.concerns(record)
        after = rewriting.of(before)
        assert concerns or after == before
        assert rewriting.of(after) == after, "what is rewritten once stays as it is"


@given(_TRAITS, _PATTERNS)
def test_no_excluded_name_and_no_secret_is_sent(traits: dict[str, Any], exclude: list[str]) -> None:
    for name in sent(traits, exclude=tuple(exclude)):
        assert not any(each in name.lower() for each in ("password", "token"))
        assert not ("plan" in exclude and name.lower().startswith("plan"))


def test_an_object_nested_past_all_reason_is_looked_at_to_its_end() -> None:
    inner: dict[str, Any] = {"token": "t", "x": 1}
    for _ in range(900):
        inner = {"a": inner}
    rules = MappingRules(TraitRules(only=("a",), include=("b",)))
    found = Rewriting(rules).of(Identify("u", None, None, None, {}, inner))
    assert isinstance(found, Identify)
    assert [each.code for each in found.warnings] == ["secret_left_out"]
