"""What each record becomes: segment.md, sections 4, 6 and 7."""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wootric_map.mapping.calls import plain
from wootric_map.mapping.identity import User, looks_like_email, user_of
from wootric_map.mapping.settings import Mapped, map_record, page_address, page_info, unidentified
from wootric_map.plan.engine.quick_identity import named_by_email, names_user_id_alone
from wootric_map.read.placeholders import is_placeholder
from wootric_map.read.record import Identify, Page, Track, read_line
from wootric_map.values import dates
from wootric_map.values.json_values import decimal_text

NEW_YEAR_2015 = 1420070400


def mapped(record: Mapping[str, Any]) -> Mapped:
    [read] = read_line(json.dumps(record).encode())
    assert isinstance(read.reading, Identify | Track | Page), read.reading
    return map_record(read.reading)


def settings_of(record: Mapping[str, Any]) -> dict[str, Any]:
    return mapped(record).settings.as_dict()


def identify(traits: Mapping[str, Any], **fields: object) -> dict[str, Any]:
    return {"type": "identify", "userId": "u1", **fields, "traits": traits}


def track(properties: Mapping[str, Any], **fields: object) -> dict[str, Any]:
    return {"type": "track", "userId": "u1", "event": "Paid", **fields, "properties": properties}


def page(properties: Mapping[str, Any], **fields: object) -> dict[str, Any]:
    return {"type": "page", "userId": "u1", **fields, "properties": properties}


def codes(record: Mapping[str, Any]) -> list[str]:
    return sorted(warning.code for warning in mapped(record).warnings)


# The settings of each type


def test_an_identify_becomes_the_settings_of_the_user() -> None:
    record = identify(
        {
            "email": "ada@example.com",
            "createdAt": "2015-01-01T00:00:00Z",
            "language": "en",
            "plan": "pro",
            "seats_amount": 3,
            "renewal": "2015-01-01",
            "paying": True,
            "company": {"name": "Acme"},
            "tags_array": ["a", "b"],
        },
        anonymousId="a1",
        messageId="m1",
        timestamp="2018-08-03T12:00:00Z",
    )
    assert settings_of(record) == {
        "segment_user_id": "u1",
        "email": "ada@example.com",
        "created_at": NEW_YEAR_2015,
        "language": "en",
        "properties": {
            "id": "u1",
            "language": "en",
            "plan": "pro",
            "seats_amount": 3,
            "renewal_date": NEW_YEAR_2015,
            "paying": "true",
            "company_name": "Acme",
            "tags_array": "a,b",
        },
    }
    assert mapped(record).warnings == ()


def test_a_track_becomes_the_settings_of_the_event() -> None:
    record = track(
        {"language": "de", "plan": "pro", "paid_at": "2015-01-01"},
        event="Order Completed",
        context={"traits": {"email": "ada@example.com"}},
    )
    assert settings_of(record) == {
        "email": "ada@example.com",
        "language": "de",
        "event_name": "Order Completed",
        "properties": {"language": "de", "plan": "pro", "paid_at_date": NEW_YEAR_2015},
    }


def test_a_page_becomes_page_info_alone() -> None:
    record = page(
        {"title": "Start", "url": "https://example.com/home", "path": "/home"},
        name="Home",
        category="Docs",
        context={"traits": {"email": "ada@example.com"}},
    )
    assert settings_of(record) == {
        "page_info": {
            "title": "Start",
            "url": "https://example.com/home",
            "path": "/home",
            "name": "Home",
            "category": "Docs",
        }
    }


def test_a_field_without_a_value_is_left_out() -> None:
    assert settings_of(identify({"plan": "pro"})) == {
        "segment_user_id": "u1",
        "properties": {"plan": "pro", "id": "u1"},
    }
    assert settings_of(track({"plan": "pro"})) == {
        "event_name": "Paid",
        "properties": {"plan": "pro"},
    }
    assert settings_of(page({"title": "Start"})) == {"page_info": {"title": "Start"}}


def test_an_identify_without_user_id_goes_by_its_anonymous_id() -> None:
    record = {"type": "identify", "anonymousId": "a1", "traits": {"plan": "pro"}}
    assert settings_of(record) == {"segment_user_id": "a1", "properties": {"plan": "pro"}}


def test_the_properties_of_an_identify_hold_the_user_id_as_id() -> None:
    found = settings_of(identify({"plan": "pro"}, userId=42))
    assert found["segment_user_id"] == "42"
    assert found["properties"]["id"] == "42"


def test_the_user_id_is_the_id_even_beside_a_trait_of_that_name() -> None:
    assert settings_of(identify({"id": "crm-7"}))["properties"] == {"id": "u1"}


def test_a_trait_named_id_stays_where_there_is_no_user_id() -> None:
    record = {"type": "identify", "anonymousId": "a1", "traits": {"id": "crm-7"}}
    assert settings_of(record)["properties"] == {"id": "crm-7"}


@pytest.mark.parametrize("event", ["paid", " Paid ", "PAID!", "Bezahlt: 10 €", "a  b", "42"])
def test_the_event_name_is_letter_for_letter(event: str) -> None:
    assert settings_of(track({}, event=event))["event_name"] == event


# Looking a trait up


@pytest.mark.parametrize("key", ["email", "Email", "EMAIL", "e-mail", "E_Mail", " e.mail "])
def test_the_email_of_an_identify_is_found_in_any_spelling(key: str) -> None:
    found = settings_of(identify({key: "ada@example.com", "plan": "pro"}))
    assert found["email"] == "ada@example.com"
    assert found["properties"] == {"plan": "pro", "id": "u1"}  # segment.md 7, 6


@pytest.mark.parametrize("key", ["email", "Email", "EMAIL", "e-mail", "E_Mail"])
def test_the_email_of_a_track_is_found_in_any_spelling(key: str) -> None:
    found = settings_of(track({key: "ada@example.com", "plan": "pro"}))
    assert found["email"] == "ada@example.com"
    assert found["properties"] == {"plan": "pro"}
    in_context = track({"plan": "pro"}, context={"traits": {key: "ada@example.com"}})
    assert settings_of(in_context)["email"] == "ada@example.com"


@pytest.mark.parametrize("key", ["emails", "my email", "mail", "email2"])
def test_a_trait_of_another_name_is_no_email(key: str) -> None:
    found = settings_of(identify({key: "ada@example.com"}))
    assert "email" not in found
    assert found["properties"] == {key: "ada@example.com", "id": "u1"}


CREATED = ["created", "Created", "CREATED", "createdAt", "created_at", "Created At", "CREATEDAT"]


@pytest.mark.parametrize("key", [*CREATED, "created-at", "Created_At"])
def test_the_created_date_is_found_in_any_spelling_and_is_no_property(key: str) -> None:
    found = settings_of(identify({key: "2015-01-01", "plan": "pro"}))
    assert found["created_at"] == NEW_YEAR_2015
    assert found["properties"] == {"plan": "pro", "id": "u1"}  # segment.md 7, 1 and 6


@pytest.mark.parametrize("key", [*CREATED, "email", "E-Mail"])
def test_the_properties_of_a_track_leave_the_same_keys_out(key: str) -> None:
    assert settings_of(track({key: "2015-01-01", "plan": "pro"}))["properties"] == {"plan": "pro"}


@pytest.mark.parametrize("key", ["phone", "Phone", "PHONE", "pho-ne"])
def test_the_phone_is_found_in_any_spelling(key: str) -> None:
    assert mapped(identify({key: "+15551234567"})).user.phone == "+15551234567"


def test_a_phone_that_is_a_number_is_taken_as_text() -> None:
    assert mapped(identify({"phone": 15551234567})).user.phone == "15551234567"


@pytest.mark.parametrize("key", ["Language", "LANGUAGE", "lang-uage"])
def test_language_alone_is_looked_up_exactly(key: str) -> None:
    found = settings_of(identify({key: "en"}))
    assert "language" not in found
    assert found["properties"] == {key: "en", "id": "u1"}
    assert "language" not in settings_of(track({key: "en"}))


def test_the_language_of_a_track_is_not_that_of_its_user() -> None:
    record = track({"plan": "pro"}, context={"traits": {"language": "en"}})
    assert "language" not in settings_of(record)


# Which email


@pytest.mark.parametrize(
    ("record", "email"),
    [
        (identify({"email": "trait@x.co"}, userId="id@x.co"), "trait@x.co"),
        (identify({}, userId="id@x.co"), "id@x.co"),
        (identify({"email": None}, userId="id@x.co"), "id@x.co"),
        (identify({}, userId="u1"), None),
        (identify({}, userId="u1", anonymousId="anonymous@x.co"), None),
        (identify({}, userId="u1", context={"traits": {"email": "rudder@x.co"}}), "rudder@x.co"),
        (identify({"a": 1}, userId="u1", context={"traits": {"email": "rudder@x.co"}}), None),
    ],
)
def test_the_email_of_an_identify_is_the_trait_else_the_user_id(
    record: dict[str, Any], email: str | None
) -> None:
    assert settings_of(record).get("email") == email
    assert mapped(record).user.email == email


IN_CONTEXT: Mapping[str, Any] = {"traits": {"email": "context@x.co"}}
IN_PROPERTIES: Mapping[str, Any] = {"email": "property@x.co"}


@pytest.mark.parametrize("record", [track, page])
@pytest.mark.parametrize(
    ("properties", "fields", "email"),
    [
        (IN_PROPERTIES, {"context": IN_CONTEXT, "userId": "id@x.co"}, "context@x.co"),
        (IN_PROPERTIES, {"userId": "id@x.co"}, "property@x.co"),
        (IN_PROPERTIES, {"context": {"traits": {}}, "userId": "id@x.co"}, "property@x.co"),
        (IN_PROPERTIES, {"context": {"traits": None}, "userId": "id@x.co"}, "property@x.co"),
        ({}, {"context": IN_CONTEXT, "userId": "id@x.co"}, "context@x.co"),
        ({}, {"userId": "id@x.co"}, "id@x.co"),
        ({}, {"userId": "u1"}, None),
        ({}, {"userId": "u1", "anonymousId": "anonymous@x.co"}, None),
    ],
)
def test_the_email_of_a_track_or_page_is_of_context_then_properties_then_the_user_id(
    record: Any, properties: Mapping[str, Any], fields: dict[str, Any], email: str | None
) -> None:
    found = mapped(record(properties, **fields))
    assert found.user.email == email
    if record is track:
        assert found.settings.email == email


@pytest.mark.parametrize("text", ["a@b.c", "ada@example.com", "a+b@mail.example.com", "ä@ö.ü"])
def test_something_at_something_dot_something_looks_like_an_email(text: str) -> None:
    assert looks_like_email(text)


@pytest.mark.parametrize(
    "text", ["", "u1", "@", "a@b", "ab.c", "@b.c", "a@.c", "a@b.", "a@", "a.b@c", "@."]
)
def test_anything_less_does_not_look_like_an_email(text: str) -> None:
    assert not looks_like_email(text)


# Created


def test_created_comes_before_created_at() -> None:
    first = {"created": "2015-01-01", "createdAt": "2018-08-03"}
    last = {"createdAt": "2018-08-03", "created": "2015-01-01"}
    for traits in (first, last):
        found = settings_of(identify(traits))
        assert found["created_at"] == NEW_YEAR_2015
        assert found["properties"] == {"id": "u1"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2018-08-03T15:28:46.493Z", 1533310126),
        ("2018-08-03T15:28:46.500Z", 1533310127),
        ("20150101", NEW_YEAR_2015),
        ("2015", NEW_YEAR_2015),
        ("01/01/2015", NEW_YEAR_2015),
        ("1420070400", NEW_YEAR_2015),
        ("1420070400000", NEW_YEAR_2015),
        (1420070400, NEW_YEAR_2015),
        (1420070400000, NEW_YEAR_2015),
        (1420070400.435, NEW_YEAR_2015),
    ],
)
def test_the_created_date_may_have_any_form(value: object, expected: int) -> None:
    record = identify({"createdAt": value})
    assert settings_of(record)["created_at"] == expected
    assert codes(record) == []


@pytest.mark.parametrize("value", ["garbage", True, {}, [], "2015-02-30", "02/30/2015"])
@pytest.mark.parametrize("key", ["created", "createdAt", "created_at"])
def test_a_created_date_that_is_none_is_left_out_with_a_warning(key: str, value: object) -> None:
    record = identify({key: value, "plan": "pro"})
    assert settings_of(record) == {
        "segment_user_id": "u1",
        "properties": {"plan": "pro", "id": "u1"},
    }
    assert codes(record) == ["invalid_created_at"]


@pytest.mark.parametrize(
    "value",
    [0, -1, 86_400, 2019, 4_102_444_800, 1420099200000000, 1420099200000000000, "0001-01-01",
     "1900-01-01", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2100-01-01",
     "1420099200000000", "1420099200000000000"],
)  # fmt: skip
@pytest.mark.parametrize("key", ["created", "created_at"])
def test_a_created_date_that_nobody_can_have_is_left_out_with_a_warning(
    key: str, value: object
) -> None:
    record = identify({key: value})
    assert "created_at" not in settings_of(record)
    [warning] = mapped(record).warnings
    assert (warning.code, warning.field) == ("implausible_created_at", f"traits.{key}")


@pytest.mark.parametrize("unusable", ["garbage", 0, True])
def test_created_at_counts_where_created_can_be_none(unusable: object) -> None:
    record = identify({"created": unusable, "createdAt": "2015-01-01"})
    assert settings_of(record)["created_at"] == NEW_YEAR_2015
    assert len(mapped(record).warnings) == 1


# What is no email and no phone

NO_EMAILS = ["a@b@c", "Cy <cy@b.co>", "x@b.co, y@b.co", "a@b.co\u200b", "  ", 7, True, False,
             ["a@b.co"], {"value": "a@b.co"}]  # fmt: skip


@pytest.mark.parametrize("value", NO_EMAILS)
def test_what_is_no_email_is_left_out_with_a_warning(value: object) -> None:
    for record in (
        identify({"Email": value, "plan": "pro"}),
        track({"Email": value, "plan": "pro"}),
    ):
        found = mapped(record)
        assert found.settings.email is found.user.email is None
        assert "Email" not in (found.settings.properties or {})
        [warning] = found.warnings
        place = "traits.Email" if record["type"] == "identify" else "properties.Email"
        assert (warning.code, warning.field) == ("invalid_email", place)


@pytest.mark.parametrize("value", NO_EMAILS)
def test_in_place_of_what_is_no_email_the_next_place_is_looked_at(value: object) -> None:
    fields: dict[str, Any] = {"userId": "id@x.co"}
    assert mapped(identify({"email": value}, **fields)).user.email == "id@x.co"
    for make in (track, page):
        in_context = {"context": {"traits": {"email": value}}, **fields}
        assert mapped(make({"email": "property@x.co"}, **in_context)).user.email == "property@x.co"
        assert mapped(make({"email": value}, **in_context)).user.email == "id@x.co"


def test_another_spelling_counts_where_the_first_is_no_email() -> None:
    record = identify({"email": "N/A", "E-Mail": "a@b.co", "$email": "c@d.co"})
    assert mapped(record).user.email == "a@b.co"
    assert codes(record) == ["placeholder_id"]


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_an_email_and_a_phone_that_say_nothing_are_not_warned_of(nothing: object) -> None:
    assert codes(identify({"email": nothing, "phone": nothing})) == []


@pytest.mark.parametrize("user_id", ["Cy <cy@x.co>", "a@b@x.co", "a b@x.co", "mailto:a@x.co"])
def test_a_user_id_that_is_no_email_gives_none_and_no_warning(user_id: str) -> None:
    for record in (identify({}, userId=user_id), track({}, userId=user_id)):
        assert mapped(record).user.email is None
        assert codes(record) == []


def test_an_email_is_trimmed() -> None:
    assert settings_of(identify({"email": "\u00a0gil@em.example\n"}))["email"] == "gil@em.example"


@pytest.mark.parametrize("text", ["N/A", " undefined ", "-", "0", "[object Object]"])
def test_a_placeholder_is_no_email_and_no_phone(text: str) -> None:
    found = mapped(identify({"email": text, "phone": text, "plan": "pro"}))
    assert (found.user.email, found.user.phone) == (None, None)
    assert [(each.code, each.subject, each.field) for each in found.warnings] == [
        ("placeholder_id", text.strip().lower(), "traits.email"),
        ("placeholder_id", text.strip().lower(), "traits.phone"),
    ]
    assert found.stored == {"plan": "pro"}


@pytest.mark.parametrize(
    "value",
    [
        "123",
        "call me",
        " ",
        12,
        1.5,
        True,
        ["+15551234567"],
        {"home": "+15551234567"},
        "2015-01-01T00:00Z",
    ],
)
def test_what_is_no_phone_is_left_out_with_a_warning(value: object) -> None:
    found = mapped(identify({"Phone": value, "plan": "pro"}))
    assert found.user.phone is None
    assert {"Phone", "phone", "Phone_date"}.isdisjoint(found.settings.properties or {})
    assert {"Phone", "phone", "Phone_date"}.isdisjoint(found.stored)
    assert [
        (each.code, each.field) for each in found.warnings if each.code != "list_without_array"
    ] == [("invalid_phone", "traits.Phone")]


def test_traits_of_the_context_are_told_as_such() -> None:
    record = Identify("1", None, None, None, {}, {"email": "x", "seats": 3}, "context.traits")
    fields = {each.code: each.field for each in map_record(record).warnings}
    assert fields == {
        "invalid_email": "context.traits.email",
        "integer_without_amount": "context.traits.seats",
    }


# Wootric's own id


def test_the_external_id_of_wootric_names_the_end_user() -> None:
    external = [
        {"type": "ga4", "id": "1"},
        {"type": "wootricEndUserId", "id": "77"},
    ]
    for record in (identify({}), track({}), page({})):
        assert mapped({**record, "context": {"externalId": external}}).user.wootric_id == "77"


@pytest.mark.parametrize(
    "external",
    [None, [], {}, "77", 77, [77], ["wootricEndUserId"], [{"type": "ga4", "id": "77"}], [{}],
     {"type": "wootricEndUserId", "id": "77"}, [{"type": "wootricEndUserId"}]],
)  # fmt: skip
def test_anything_else_in_external_id_names_nobody(external: object) -> None:
    record = identify({}, context={"externalId": external})
    assert mapped(record).user.wootric_id is None


# Page info


@pytest.mark.parametrize(
    ("properties", "url", "path"),
    [
        ({"url": "https://p.example/", "path": "/p"}, "https://p.example/", "/p"),
        ({"url": "https://p.example/"}, "https://p.example/", "/c"),
        ({"path": "/p"}, "https://c.example/", "/p"),
        ({}, "https://c.example/", "/c"),
    ],
)
def test_url_and_path_come_from_the_page_of_the_context_where_properties_lack_them(
    properties: dict[str, str], url: str, path: str
) -> None:
    context = {
        "page": {
            "url": "https://c.example/",
            "path": "/c",
            "title": "C",
            "referrer": "https://r.example/",
            "search": "?q",
        }
    }
    record = page(properties, name="Home", context=context)
    assert settings_of(record) == {"page_info": {"name": "Home", "url": url, "path": path}}


def test_the_name_of_a_page_is_no_email() -> None:
    found = settings_of(page({}, name="ada@example.com"))
    assert found == {"page_info": {"name": "ada@example.com"}}


@pytest.mark.parametrize("fields", [{}, {"name": None, "category": None}])
def test_name_and_category_of_a_page_may_be_absent(fields: dict[str, object]) -> None:
    assert settings_of(page({"a": "b"}, **fields)) == {"page_info": {"a": "b"}}


# Where we part from the published destination


def test_the_creation_date_does_not_leak_into_the_properties() -> None:
    found = settings_of(identify({"createdAt": "2015-01-01", "created": "2015-01-01"}))
    assert found["properties"] == {"id": "u1"}


def test_a_date_time_written_with_a_space_is_read_as_utc() -> None:
    found = settings_of(identify({"createdAt": "2015-01-01 00:00", "seen": "2015-01-01 00:00"}))
    assert found["created_at"] == NEW_YEAR_2015
    assert found["properties"]["seen_date"] == NEW_YEAR_2015


def test_nested_objects_and_lists_are_flattened() -> None:
    traits = {"company": {"seat": {"city": "Bonn"}, "tags": ["a", 1]}}
    assert settings_of(identify(traits))["properties"] == {
        "company_seat_city": "Bonn",
        "company_tags": "a, 1",
        "id": "u1",
    }


def test_null_placeholders_are_left_out() -> None:
    nothing = {"email": None, "phone": None, "createdAt": None, "language": None, "plan": None}
    assert settings_of(identify({**nothing, "a": "b"})) == {
        "segment_user_id": "u1",
        "properties": {"a": "b", "id": "u1"},
    }
    assert settings_of(track({**nothing, "a": "b"})) == {
        "event_name": "Paid",
        "properties": {"a": "b"},
    }
    assert settings_of(page({"title": None, "a": "b"})) == {"page_info": {"a": "b"}}


def test_an_impossible_date_does_not_roll_over() -> None:
    found = settings_of(identify({"createdAt": "2015-02-30", "renewal": "2015-02-30"}))
    assert "created_at" not in found
    assert found["properties"] == {"renewal": "2015-02-30", "id": "u1"}


def test_a_standard_trait_does_not_stay_behind_in_another_spelling() -> None:
    traits = {"Email": "ada@example.com", "created_at": "2015-01-01", "plan": "pro"}
    assert settings_of(identify(traits)) == {
        "segment_user_id": "u1",
        "email": "ada@example.com",
        "created_at": NEW_YEAR_2015,
        "properties": {"plan": "pro", "id": "u1"},
    }


# Whom nobody knows


@pytest.mark.parametrize(
    "record",
    [
        {"type": "identify", "anonymousId": "a1", "traits": {"plan": "pro"}},
        {"type": "track", "anonymousId": "a1", "event": "Paid"},
        {"type": "page", "anonymousId": "a1"},
    ],
)
def test_a_record_of_an_anonymous_user_is_unidentified(record: dict[str, Any]) -> None:
    skip = unidentified(mapped(record))
    assert skip is not None
    assert (skip.code, skip.type) == ("unidentified", record["type"])
    assert skip.message


@pytest.mark.parametrize(
    "record",
    [
        {"type": "identify", "anonymousId": "a1", "traits": {"email": "ada@example.com"}},
        {"type": "identify", "anonymousId": "a1", "traits": {"phone": "+15551234567"}},
        {"type": "identify", "userId": "ada@example.com"},
        {"type": "track", "anonymousId": "a1", "event": "Paid", "context": IN_CONTEXT},
        {"type": "page", "anonymousId": "a1", "properties": IN_PROPERTIES},
        {
            "type": "track",
            "anonymousId": "a1",
            "event": "Paid",
            "context": {"externalId": [{"type": "wootricEndUserId", "id": "77"}]},
        },
    ],
)
def test_an_email_a_phone_or_a_known_end_user_is_enough(record: dict[str, Any]) -> None:
    assert unidentified(mapped(record)) is None


# Properties of all records

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(
        ["a@b.co", " A@b.co", "a@b@c", "ä@ö", "n/a", "0", "2015-01-01", "9999-01-01", "\0",
         "+1 555 0100", "wootricEndUserId"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "id", "email", "a.b"]), inner, max_size=3)
    ),
    max_leaves=5,
)  # fmt: skip
TRAITS = st.dictionaries(
    st.text(max_size=4)
    | st.sampled_from(
        ["email", "E-mail", "created", "created_at", "createdAt", "phone", "language", "id",
         "url", "path", "name", "category"]
    ),
    JSON,
    max_size=6,
)  # fmt: skip
RECORDS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["identify", "track", "page"]),
        "userId": st.sampled_from(["u1", "a@b.co", 42, "1"]),
        "event": st.just("Paid"),
        "traits": TRAITS,
        "properties": TRAITS,
        "name": JSON,
        "category": JSON,
        "context": st.fixed_dictionaries(
            {}, optional={"traits": TRAITS | JSON, "externalId": JSON, "page": TRAITS | JSON}
        ),
    }
)


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """A standard trait in any case, with anything but letters and digits anywhere in it."""
    name = draw(st.sampled_from(["email", "created", "createdAt"]))
    between = st.text("_- .$/:'", max_size=2)
    letters = [draw(st.sampled_from([letter.lower(), letter.upper()])) for letter in name]
    return draw(between) + "".join(letter + draw(between) for letter in letters)


@given(RECORDS)
def test_any_record_can_be_mapped(record: dict[str, Any]) -> None:
    found = mapped(record)
    as_dict = found.settings.as_dict()
    assert None not in as_dict.values()
    for value in as_dict.get("properties", {}).values():
        assert type(value) in {str, int}
    json.dumps(as_dict)


@settings(deadline=None)
@given(spellings())
def test_no_spelling_of_a_standard_trait_is_a_property(key: str) -> None:
    assert settings_of(identify({key: "2015-01-01", "plan": "pro"}))["properties"] == {
        "plan": "pro",
        "id": "u1",
    }
    assert settings_of(track({key: "2015-01-01", "plan": "pro"}))["properties"] == {"plan": "pro"}


def obvious_all(fields: Mapping[str, Any], name: str, empty: list[Any]) -> list[tuple[str, Any]]:
    """Return the spellings of a trait that are not empty, the exact one first."""
    given = [(key, value) for key, value in fields.items() if value not in empty]
    given.sort(key=lambda each: each[0] != name)
    return [
        (key, value)
        for key, value in given
        if "".join(filter(str.isalnum, key)).lower() == name.lower()
    ]


def obvious_email(value: object) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    before, *after = text.split("@")
    unseen = {"Zs", "Zl", "Zp", "Cc", "Cf", "Cs"} & set(map(unicodedata.category, text))
    fine = len(after) == 1 and before and after[0] and not unseen and not set(text) & set('<>,;:"')
    return text if fine else None


def obvious_phone(value: object) -> str | None:
    text = obvious_text(value) or ""
    fine = sum(map(text.count, "0123456789")) >= 5 and not set(text) - set("0123456789 +-().x/")
    return text if fine and not is_placeholder(text) else None


def obvious_created(value: object) -> int | str:
    moment = dates.parse(value)
    if moment is None:
        far = isinstance(value, int | float) and not isinstance(value, bool)
        return "implausible_created_at" if far else "invalid_created_at"
    seconds = dates.unix_seconds(moment)
    return seconds if 86_400 < seconds < 4_102_444_800 else "implausible_created_at"


def obvious_text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return (value.strip() if isinstance(value, str) else decimal_text(value)) or None


def obvious_user(  # noqa: PLR0915 - rule by rule
    record: Identify | Track | Page,
) -> tuple[User, dict[str, tuple[str, Any]], list[str]]:
    """Apply segment.md 4 and 5 rule by rule: return a record's user, the origins and the warnings."""
    known = record.context.get("traits")
    traits: Mapping[str, Any] = known if isinstance(known, dict) else {}
    parent = "context.traits"
    places: list[tuple[str, Mapping[str, Any]]]
    if isinstance(record, Identify):
        traits, parent = record.traits, record.parent
        places = [(parent, traits)]
    else:
        places = [(parent, traits), ("properties", record.properties)]
    origins: dict[str, tuple[str, Any]] = {}
    warnings: list[str] = []
    email = None
    for place, fields in places:
        for key, value in obvious_all(fields, "email", [None, "", [], {}]) if not email else ():
            if not email and (email := obvious_email(value)):
                origins["email"] = (f"{place}.{key}", value)
            elif not email:
                placeholder = isinstance(value, str) and is_placeholder(value)
                warnings.append("placeholder_id" if placeholder else "invalid_email")
    if record.user_id:
        if not email and looks_like_email(record.user_id):
            email = obvious_email(record.user_id)
            if email:
                origins["email"] = ("userId", record.user_id)
        if record.user_id.strip():
            origins["external_id"] = ("userId", record.user_id)
    created_at = None
    of_dates: list[str] = []
    for name in ("created", "createdAt"):
        for key, value in obvious_all(traits, name, [None, ""]) if created_at is None else ():
            found = obvious_created(value)
            if created_at is None and isinstance(found, int):
                created_at = found
                origins["external_created_at"] = (f"{parent}.{key}", value)
            elif created_at is None and value is not False:
                of_dates.append(str(found))
    given = [obvious_all(traits, name, [None]) for name in ("created", "createdAt")]
    if any(given) and created_at is None and not of_dates:
        of_dates.append("invalid_created_at")
    warnings += of_dates
    phone = None
    for key, value in obvious_all(traits, "phone", [None, "", [], {}]):
        if phone:
            continue
        phone = obvious_phone(value)
        if phone:
            origins["phone_number"] = (f"{parent}.{key}", value)
        else:
            text = obvious_text(value)
            warnings.append("placeholder_id" if text and is_placeholder(text) else "invalid_phone")
    spoken = record.properties if isinstance(record, Track) else traits
    language = spoken.get("language")
    ids = record.context.get("externalId")
    wootric_ids = [
        obvious_text(each.get("id")) or ""
        for each in (ids if isinstance(ids, list) else [])
        if isinstance(each, dict) and each.get("type") == "wootricEndUserId"
    ]
    user = User(
        user_id=origins["external_id"][1] if "external_id" in origins else None,
        email=email,
        phone=phone,
        wootric_id=next(
            (each for each in wootric_ids if re.fullmatch("[1-9][0-9]{0,17}", each)), None
        ),
        created_at=created_at,
        language=language if isinstance(language, str) and language else None,
    )
    return user, origins, warnings


@given(RECORDS)
@example(identify({"email": "a@b.co", "createdAt": "2018-08-03T15:28:46.500Z"}))
@example(identify({"email": "a@b.co", "language": 5}))
@example(identify({"email": "a@b.co", "created": None, "createdAt": "garbage"}))
@example(identify({}, context={"traits": {"phone": 10000}}))
def test_whom_a_record_names_is_what_the_rules_say_one_by_one(record: dict[str, Any]) -> None:
    [read] = read_line(json.dumps(record).encode())
    assert isinstance(read.reading, Identify | Track | Page)
    named = user_of(read.reading)
    assert (
        named.user,
        dict(named.origins),
        [each.code for each in named.warnings],
    ) == obvious_user(read.reading)
    if isinstance(read.reading, Identify) and read.reading.user_id:
        user_id, identify = read.reading.user_id, read.reading
        alone = named_by_email(user_id, identify.context, identify.traits)
        if alone is not None:
            assert (alone, "traits", []) == (named.user, named.email_from, named.warnings)


def address_of(record: Page) -> tuple[object, object, object]:
    return page_address(record.name, record.properties, record.context)


@given(RECORDS)
def test_a_pages_address_is_that_of_its_page_info(record: dict[str, Any]) -> None:
    [read] = read_line(json.dumps({**record, "type": "page"}).encode())
    assert isinstance(read.reading, Page)
    info, _ = page_info(read.reading)
    address = tuple(info.get(key) for key in ("url", "name", "path"))
    assert tuple(map(plain, address_of(read.reading))) == tuple(map(plain, address))


@pytest.mark.parametrize("key", ["url", "path"])
def test_an_address_nested_too_deep_is_left_to_the_page_of_the_context(key: str) -> None:
    deep: object = "x"
    for _ in range(200):
        deep = [deep]
    record = {
        "type": "page",
        "userId": "1",
        "properties": {key: deep},
        "context": {"page": {key: "known"}},
    }
    [read] = read_line(json.dumps(record).encode())
    assert isinstance(read.reading, Page)
    assert "known" in address_of(read.reading)


@pytest.mark.parametrize("user_id", ["1", " ", "\t\n"])
@pytest.mark.parametrize("kind", ["identify", "track", "page"])
def test_a_user_id_of_blanks_is_none_also_at_a_glance(kind: str, user_id: str) -> None:
    record = {"type": kind, "userId": user_id, "event": "Left", "traits": {"email": "a@b.co"}}
    [read] = read_line(json.dumps(record).encode())
    assert isinstance(read.reading, Identify | Track | Page)
    if isinstance(read.reading, Identify):
        seen = named_by_email(user_id, {}, read.reading.traits) is not None
    else:
        seen = names_user_id_alone(user_id, {}, {})
    assert seen == (user_of(read.reading).user.user_id is not None)
