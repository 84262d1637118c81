"""The calls to Wootric and their HTTP form: wootric.md, sections 3 and 5 (and 6 for what is left out)."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wootric_map.mapping.calls import call_for, page_view
from wootric_map.mapping.properties import Property, stored
from wootric_map.mapping.record_keys import record_key
from wootric_map.mapping.settings import map_record
from wootric_map.model import EligibilityCheck, EndUserUpsert, PageView
from wootric_map.read.record import Identify, Page, Track, read_line
from wootric_map.wootric.regions import services
from wootric_map.wootric.requests import HttpCall, create_end_user, request, update_end_user

TOKEN = "NPS-4aeb53c1"
SERVICES = services(TOKEN)
NEW_YEAR_2015 = 1420070400


def http(line: Mapping[str, Any] | str) -> HttpCall:
    line = line if isinstance(line, str) else json.dumps(line)
    [read] = read_line(line.encode())
    assert isinstance(read.reading, Identify | Track | Page), read.reading
    record = read.reading
    key = record_key(record.message_id, b"the line's digest")
    return request(call_for(map_record(record), key), SERVICES, TOKEN)


def form(line: Mapping[str, Any] | str) -> dict[str, str]:
    call = http(line)
    assert call.form is not None
    return dict(call.form)


def query(call: HttpCall) -> dict[str, str]:
    assert call.method == "GET"
    assert call.form is None
    pairs = parse_qsl(urlsplit(call.url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def address(call: HttpCall) -> str:
    return call.url.partition("?")[0]


# End users


def test_an_identify_creates_an_end_user_with_exactly_these_fields() -> None:
    call = http(
        {
            "type": "identify",
            "userId": "u1",
            "anonymousId": "a1",
            "messageId": "m1",
            "timestamp": "2018-08-03T12:00:00Z",
            "traits": {
                "email": "ada@example.com",
                "createdAt": "2015-01-01T00:00:00.500Z",
                "phone": "+15551234567",
                "language": "en",
                "plan": "pro",
                "seats_amount": 3,
                "renewal": "2015-01-01",
                "paying": True,
                "ratio": 0.5,
                "company": {"name": "Acme", "parent": None},
            },
        }
    )
    assert (call.method, call.url) == ("POST", "https://api.wootric.com/v1/end_users")
    assert call.form == {
        "email": "ada@example.com",
        "external_id": "u1",
        "external_created_at": str(NEW_YEAR_2015 + 1),
        "phone_number": "+15551234567",
        "properties[language]": "en",
        "properties[plan]": "pro",
        "properties[seats_amount]": "3",
        "properties[renewal_date]": str(NEW_YEAR_2015),
        "properties[paying]": "true",
        "properties[ratio]": "0.5",
        "properties[company_name]": "Acme",
    }


def test_what_is_not_known_is_not_sent() -> None:
    assert form({"type": "identify", "userId": "u1", "traits": {"email": "ada@example.com"}}) == {
        "email": "ada@example.com",
        "external_id": "u1",
    }


def test_an_anonymous_id_is_no_external_id() -> None:
    record = {"type": "identify", "anonymousId": "a1", "traits": {"email": "ada@example.com"}}
    assert form(record) == {"email": "ada@example.com"}


@pytest.mark.parametrize("key", ["phone", "Phone", "PHONE"])
def test_id_and_phone_are_no_properties_of_an_end_user(key: str) -> None:
    traits = {"id": "crm-7", key: "+15551234567", "language": "en"}
    assert form({"type": "identify", "userId": "u1", "traits": traits}) == {
        "external_id": "u1",
        "phone_number": "+15551234567",
        "properties[language]": "en",
    }


def test_an_email_that_is_the_user_id_is_both_email_and_external_id() -> None:
    assert form({"type": "identify", "userId": "ada@example.com"}) == {
        "email": "ada@example.com",
        "external_id": "ada@example.com",
    }


@pytest.mark.parametrize("user_id", ["u1", 123456789012345678901234567890])
@pytest.mark.parametrize(
    "number",
    [
        "18446744073709551615",
        "-9223372036854775808",
        "18446744073709551617",
        "-9223372036854775809",
        "123456789012345678901234567890",
    ],
)
def test_integers_reach_wootric_digit_for_digit(user_id: object, number: str) -> None:
    traits = f'{{"n_amount":{number},"o":{{"m_amount":{number}}},"l":[{number},1]}}'
    line = f'{{"type":"identify","userId":{json.dumps(user_id)},"traits":{traits}}}'
    assert form(line) == {
        "external_id": str(user_id),
        "properties[n_amount]": number,
        "properties[o_m_amount]": number,
        "properties[l]": f"{number}, 1",
    }


USER = EndUserUpsert(
    email="ada@example.com",
    external_id="u1",
    phone_number="+15551234567",
    external_created_at=NEW_YEAR_2015,
    properties={"plan": "pro", "seats_amount": 3},
    wootric_id="77",
)
USER_FORM = {
    "email": "ada@example.com",
    "external_id": "u1",
    "phone_number": "+15551234567",
    "external_created_at": str(NEW_YEAR_2015),
    "properties[plan]": "pro",
    "properties[seats_amount]": "3",
}


def test_an_end_user_is_created_by_post() -> None:
    assert create_end_user(USER, SERVICES) == HttpCall(
        "POST", "https://api.wootric.com/v1/end_users", USER_FORM
    )


def test_an_end_user_is_changed_by_put_under_its_id() -> None:
    assert update_end_user(USER, SERVICES, 77) == HttpCall(
        "PUT", "https://api.wootric.com/v1/end_users/77", USER_FORM
    )


# Track


def test_a_track_checks_eligibility_with_exactly_this_query() -> None:
    call = http(
        {
            "type": "track",
            "userId": "u1",
            "anonymousId": "a1",
            "messageId": "m1",
            "timestamp": "2018-08-03T12:00:00Z",
            "event": "Order Completed",
            "context": {"traits": {"email": "ada@example.com"}, "ip": "192.0.2.1"},
            "properties": {
                "language": "de",
                "total_amount": 42,
                "paid": "2015-01-01",
                "email": "other@example.com",
                "created_at": "2015-01-01",
                "note": None,
            },
        }
    )
    assert address(call) == "https://eligibility.wootric.com/eligible.json"
    assert query(call) == {
        "account_token": TOKEN,
        "email": "ada@example.com",
        "external_id": "u1",
        "event_name": "Order Completed",
        "language[code]": "de",
        "properties[language]": "de",
        "properties[total_amount]": "42",
        "properties[paid_date]": str(NEW_YEAR_2015),
    }


def test_a_property_named_id_of_an_event_is_sent() -> None:
    record = {"type": "track", "userId": "u1", "event": "Paid", "properties": {"id": "order-1"}}
    assert query(http(record)) == {
        "account_token": TOKEN,
        "external_id": "u1",
        "event_name": "Paid",
        "properties[id]": "order-1",
    }


def test_an_eligibility_check_sends_all_that_is_known() -> None:
    check = EligibilityCheck(
        event_name="Paid",
        email="ada@example.com",
        external_id="u1",
        phone_number="+15551234567",
        end_user_created_at=NEW_YEAR_2015,
        language="de",
        properties={"plan": "pro", "total_amount": 42},
    )
    assert query(request(check, SERVICES, TOKEN)) == {
        "account_token": TOKEN,
        "email": "ada@example.com",
        "event_name": "Paid",
        "external_id": "u1",
        "phone_number": "+15551234567",
        "end_user_created_at": str(NEW_YEAR_2015),
        "language[code]": "de",
        "properties[plan]": "pro",
        "properties[total_amount]": "42",
    }


# Page


def test_a_page_asks_for_the_pixel_with_exactly_this_query() -> None:
    call = http(
        {
            "type": "page",
            "userId": "u1",
            "messageId": "m1",
            "timestamp": "2018-08-03T12:00:00Z",
            "name": "Home",
            "category": "Docs",
            "properties": {"url": "https://example.com/?a=b&c=d#e", "title": "Start"},
            "context": {"page": {"path": "/"}, "traits": {"email": "ada@example.com"}},
        }
    )
    assert address(call) == "https://d8myem934l1zi.cloudfront.net/pixel.gif"
    pairs = query(call)
    assert pairs.pop("random")
    assert pairs == {
        "account_token": TOKEN,
        "email": "ada@example.com",
        "url": "https://example.com/?a=b&c=d#e",
        "page_info[name]": "Home",
        "page_info[path]": "/",
    }


def test_a_page_view_sends_all_that_is_known() -> None:
    view = PageView(
        random="5f2c",
        email="ada@example.com",
        created_at=NEW_YEAR_2015,
        url="https://example.com/",
        name="Home",
        path="/",
    )
    assert query(request(view, SERVICES, TOKEN)) == {
        "account_token": TOKEN,
        "email": "ada@example.com",
        "created_at": str(NEW_YEAR_2015),
        "url": "https://example.com/",
        "random": "5f2c",
        "page_info[name]": "Home",
        "page_info[path]": "/",
    }


def test_the_same_page_record_always_makes_the_same_call() -> None:
    first = {"type": "page", "userId": "a@b.co", "messageId": "m1", "name": "Home"}
    assert http(first) == http(first)
    assert query(http(first))["random"] != query(http({**first, "messageId": "m2"}))["random"]


def test_a_records_key_is_its_message_id_else_its_lines_digest() -> None:
    assert record_key("m1", b"\xab\x01") == "m1"
    assert record_key("", b"\xab\x01") == ""
    assert record_key(None, b"\xab\x01") == "ab01"


def test_a_very_long_message_id_has_a_short_key_of_its_own() -> None:
    longest = "x" * 200
    assert record_key(longest, b"") == longest
    long, longer = (record_key("x" * length, b"") for length in (201, 100_000))
    assert long != longer
    assert {len(long), len(longer)} == {32}


def test_a_page_views_random_comes_from_its_key_alone() -> None:
    one, same, other = (
        page_view(key, email=email, created_at=1, url="u", name=None, path=None)
        for key, email in (("m1", "a@b.co"), ("m1", "c@d.co"), ("m2", "a@b.co"))
    )
    assert one.random == same.random != other.random


@pytest.mark.parametrize(
    ("given", "sent"),
    [("x", "x"), ("", None), (7, "7"), (1.5, "1.5"), (True, None), (None, None), ({"a": 1}, None)],
)
def test_what_is_no_text_or_number_is_left_out_of_a_page_view(
    given: object, sent: str | None
) -> None:
    view = page_view("m1", email=None, created_at=None, url=given, name=given, path=given)
    assert (view.url, view.name, view.path) == (sent, sent, sent)


@pytest.mark.parametrize(
    ("user", "look_ups"),
    [
        (EndUserUpsert(), 0),
        (EndUserUpsert(phone_number="+1"), 1),
        (EndUserUpsert("a@b.co", phone_number="+1"), 1),
        (EndUserUpsert("a@b.co", "1", "+1"), 2),
        (EndUserUpsert("a@b.co", "1", "+1", wootric_id="7"), 3),
    ],
)
def test_an_email_spares_the_look_up_by_phone(user: EndUserUpsert, look_ups: int) -> None:
    assert user.look_ups == look_ups


# Nothing invented

RICH: Mapping[str, Any] = {
    "userId": "ada@example.com",
    "anonymousId": "a1",
    "messageId": "m1",
    "timestamp": "2018-08-03T12:00:00Z",
    "receivedAt": "2018-08-03T12:00:01Z",
    "sentAt": "2018-08-03T12:00:01Z",
    "event": "Paid",
    "name": "Home",
    "context": {"ip": "192.0.2.1", "userAgent": "x", "page": {"url": "https://example.com/"}},
}
FIELDS = {
    "identify": {"email", "external_id"},
    "track": {"account_token", "email", "external_id", "event_name"},
    "page": {"account_token", "email", "url", "random", "page_info[name]"},
}


@pytest.mark.parametrize("record_type", FIELDS)
def test_nothing_is_invented(record_type: str) -> None:
    call = http({**RICH, "type": record_type})
    assert set(call.form or query(call)) == FIELDS[record_type]


@pytest.mark.parametrize("record_type", ["track", "page"])
def test_without_an_account_token_a_call_shows_all_but_that(record_type: str) -> None:
    [read] = read_line(json.dumps({**RICH, "type": record_type}).encode())
    assert isinstance(read.reading, Track | Page)
    call = call_for(map_record(read.reading), "m1")
    with_token = query(request(call, SERVICES, TOKEN))
    assert with_token.pop("account_token") == TOKEN
    assert query(request(call, SERVICES, None)) == with_token


@pytest.mark.parametrize(
    ("token", "rest", "eligibility"),
    [
        ("NPS-EU-4aeb53c1", "https://app.wootric.eu/api/v1", "https://eligibility.wootric.eu"),
        ("NPS-AU-4aeb53c1", "https://app.wootric.au/api/v1", "https://eligibility.wootric.au"),
    ],
)
def test_a_call_goes_to_the_region_of_the_account(token: str, rest: str, eligibility: str) -> None:
    region = services(token)
    assert create_end_user(USER, region).url == f"{rest}/end_users"
    assert update_end_user(USER, region, 77).url == f"{rest}/end_users/77"
    check = request(EligibilityCheck(event_name="Paid"), region, token)
    assert address(check) == f"{eligibility}/eligible.json"
    assert query(check)["account_token"] == token


KEPT = st.builds(
    lambda key, top, value: Property(key, "x", f"traits.{key}", value, top),
    st.sampled_from(["phone", "Phone", "p.hone", "_phone", "mobile.phone", "phones", "id", "name"]),
    st.booleans(),
    st.sampled_from(["+15550001", 1, 1.5, True, [1]]),
)


@given(st.lists(KEPT | st.just(Property("id", "u1", "userId", "u1"))))
def test_an_end_user_keeps_all_properties_but_the_id_and_the_phone(
    properties: list[Property],
) -> None:
    def is_kept(each: Property) -> bool:
        letters = re.sub(r"[^a-z]", "", each.source.lower().removeprefix("traits."))
        return each.name != "id" and not (each.top and letters == "phone")

    assert stored(properties) == list(filter(is_kept, properties))


# The quick way to a record's HTTP form, and the long way round

TRAITS = st.dictionaries(
    st.sampled_from(
        ["email", "phone", "Phone", "id", "createdAt", "language", "url", "path", "a.b", "plan"]
    ),
    st.sampled_from(
        [
            None,
            "",
            " a@b.co ",
            "+1 555 0100",
            "+1 2",
            "2015-01-01",
            7,
            1.0,
            2.5,
            True,
            [1, "x"],
            {"in": "x y"},
        ]
    ),
)
RECORDS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["identify", "track", "page"]),
        "userId": st.sampled_from(["u 1", "a@b.co", "42"]),
        "event": st.just("Signed Up"),
        "traits": TRAITS,
        "properties": TRAITS,
    },
    optional={
        "messageId": st.sampled_from(["m1", "m" * 1000]),
        "name": st.just("Home & co"),
        "context": st.fixed_dictionaries({"traits": TRAITS, "page": TRAITS}),
    },
)


# Percent-encoding

HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.sampled_from(
    ["a&b=c", "a+b@x.co", "100%", "%41", "a#b", "a?b", "a;b", "a b", "\r\nHost: x", "ключ[é]", "😀"]
)
SAFE_URL = re.compile(r"https://[A-Za-z0-9./_-]+\?[A-Za-z0-9._~*%&=+\[\]/:@!$'(),;?-]*")


TEXTS = HOSTILE | st.text(st.characters(max_codepoint=127), max_size=200)


def encoded(event: str, properties: dict[str, str]) -> tuple[str, str]:
    """Return the query of an eligibility check, and the standard library's encoding of it."""
    url = request(EligibilityCheck(event, properties=properties), SERVICES, None).url
    fields = {f"properties[{name}]": value for name, value in properties.items()}
    return url.partition("?")[2], urlencode({"event_name": event, **fields})


@given(TEXTS, st.dictionaries(TEXTS, TEXTS))
def test_a_query_is_encoded_as_the_standard_library_does(
    event: str, properties: dict[str, str]
) -> None:
    ours, theirs = encoded(event, properties)
    assert ours == theirs


def test_each_character_is_encoded_as_the_standard_library_does() -> None:
    for character in map(chr, range(0x3000)):
        ours, theirs = encoded(character, {character: f"a{character}b"})
        assert ours == theirs


@settings(deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_an_eligibility_check_round_trips_hostile_values(
    event: str, email: str, key: str, value: str
) -> None:
    check = EligibilityCheck(
        event_name=event,
        email=email,
        external_id=value,
        phone_number=value,
        language=value,
        properties={key: value},
    )
    call = request(check, SERVICES, TOKEN)
    assert SAFE_URL.fullmatch(call.url)
    assert query(call) == {
        "account_token": TOKEN,
        "email": email,
        "event_name": event,
        "external_id": value,
        "phone_number": value,
        "language[code]": value,
        f"properties[{key}]": value,
    }


@settings(deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_a_page_view_round_trips_hostile_values(email: str, url: str, name: str) -> None:
    call = request(PageView(random="1", email=email, url=url, name=name, path=url), SERVICES, TOKEN)
    assert SAFE_URL.fullmatch(call.url)
    assert query(call) == {
        "account_token": TOKEN,
        "email": email,
        "url": url,
        "random": "1",
        "page_info[name]": name,
        "page_info[path]": url,
    }


@settings(deadline=None)
@given(HOSTILE, HOSTILE)
def test_the_form_of_an_end_user_holds_values_as_they_are(key: str, value: str) -> None:
    user = EndUserUpsert(email=value, external_id=value, properties={key: value, "n_amount": 7})
    expected = {"email": value, "external_id": value, f"properties[{key}]": value}
    assert create_end_user(user, SERVICES).form == {"properties[n_amount]": "7"} | expected
