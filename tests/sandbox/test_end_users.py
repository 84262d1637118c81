"""wootric.md 3: end users, created, changed and looked up."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.sandbox import RunningSandbox
from wootric_map.sandbox.end_users import EndUserStore
from wootric_map.sandbox.wire import RefusedError

Call = Callable[..., requests.Response]

NOT_FOUND = {
    "type": "error_list",
    "errors": [
        {
            "status": "record_not_found",
            "message": "The record could not be found",
            "field": None,
        }
    ],
}


def test_create_replies_with_the_end_user(call: Call) -> None:
    reply = call(
        "POST",
        "/v1/end_users",
        {
            "email": " Ann@Example.com ",
            "external_id": "ann 1",
            "phone_number": "+14155550100",
            "external_created_at": "1600000000",
            "properties[plan]": "gold",
            "properties[seats_amount]": "3",
        },
    )
    assert reply.status_code == 201
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.json() == {
        "id": 1,
        "email": "Ann@Example.com",
        "external_id": "ann 1",
        "phone_number": "+14155550100",
        "external_created_at": 1_600_000_000,
        "last_surveyed": None,
        "last_seen_at": None,
        "created_at": 1_700_000_000,
        "updated_at": 1_700_000_000,
        "properties": {"plan": "gold", "seats_amount": "3"},
        "last_response": None,
        "settings": {"email_nps": True, "mobile_nps": True, "web_nps": True},
    }


def test_last_surveyed_is_stored_only_if_sent(call: Call) -> None:
    form = {"email": "ann@example.com", "last_surveyed": "1650000000"}
    assert call("POST", "/v1/end_users", form).json()["last_surveyed"] == 1_650_000_000


def test_update_changes_what_it_names_and_merges_properties(
    call: Call, tick: Callable[[float], None]
) -> None:
    form = {"email": "ann@example.com", "properties[plan]": "gold", "properties[city]": "Oslo"}
    before = call("POST", "/v1/end_users", form).json()
    tick(10)
    change = {"external_id": "1", "properties[plan]": "free", "properties[age]": "40"}
    reply = call("PUT", "/v1/end_users/1", change)
    assert reply.status_code == 200
    assert reply.json() == before | {
        "external_id": "1",
        "updated_at": 1_700_000_010,
        "properties": {"plan": "free", "city": "Oslo", "age": "40"},
    }
    assert call("GET", "/v1/end_users/1").json() == reply.json()


def test_an_update_that_changes_nothing_leaves_updated_at(
    call: Call, tick: Callable[[float], None]
) -> None:
    form = {"email": "ann@example.com", "properties[plan]": "gold"}
    before = call("POST", "/v1/end_users", form).json()
    tick(10)
    assert call("PUT", "/v1/end_users/1", form).json() == before
    assert call("PUT", "/v1/end_users/1").json() == before


def test_an_update_frees_what_it_replaces(call: Call) -> None:
    call("POST", "/v1/end_users", {"email": "a@x.io", "external_id": "a", "phone_number": "+1"})
    change = {"email": "b@x.io", "external_id": "", "phone_number": ""}
    assert call("PUT", "/v1/end_users/1", change).json()["external_id"] is None
    assert call("GET", "/v1/end_users/a%40x.io?lookup_by_email=true").status_code == 404
    assert call("GET", "/v1/end_users/phone_number/+1").status_code == 404
    form = {"email": "a@x.io", "external_id": "a"}
    assert call("POST", "/v1/end_users", form).json()["id"] == 2


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"email": "ANN@example.com "}, "Email has already been taken"),
        ({"external_id": "1"}, "External has already been taken"),
        (
            {"email": "ann@example.com", "external_id": "1"},
            "Email has already been taken, External has already been taken",
        ),
    ],
)
def test_email_and_external_id_are_unique(call: Call, form: dict[str, str], message: str) -> None:
    call("POST", "/v1/end_users", {"email": "Ann@example.com", "external_id": "1"})
    call("POST", "/v1/end_users", {"email": "bob@example.com", "external_id": "2"})
    created = call("POST", "/v1/end_users", form)
    changed = call("PUT", "/v1/end_users/2", form)
    for reply in (created, changed):
        assert reply.status_code == 422
        assert reply.json() == {"error": f"Validation failed: {message}"}
    assert call("GET", "/v1/end_users/2").json()["email"] == "bob@example.com"


def test_a_phone_number_need_not_be_unique_and_finds_the_oldest(call: Call) -> None:
    call("POST", "/v1/end_users", {"email": "a@x.io"})
    call("POST", "/v1/end_users", {"email": "b@x.io", "phone_number": "+1"})
    call("PUT", "/v1/end_users/1", {"phone_number": "+1"})
    assert call("GET", "/v1/end_users/phone_number/+1").json()["id"] == 1


def test_an_external_id_is_taken_letter_for_letter(call: Call) -> None:
    call("POST", "/v1/end_users", {"external_id": "a"})
    assert call("POST", "/v1/end_users", {"external_id": "A"}).status_code == 201


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"email": "ann"}, "Email is invalid"),
        ({"email": "ann @example.com"}, "Email is invalid"),
        ({"email": "@"}, "Email is invalid"),
        ({}, "Email, external or phone number must be present"),
        ({"email": " ", "external_id": ""}, "Email, external or phone number must be present"),
        ({"properties[plan]": "x"}, "Email, external or phone number must be present"),
        (
            {"external_id": "1", "external_created_at": "2020-01-01"},
            "External created at must be a whole number of unix seconds",
        ),
        (
            {"external_id": "1", "external_created_at": "1600000000.5"},
            "External created at must be a whole number of unix seconds",
        ),
        (
            {"external_id": "1", "external_created_at": "1600000000000"},
            "External created at must be a whole number of unix seconds",
        ),
        (
            {"external_id": "1", "last_surveyed": "today"},
            "Last surveyed must be a whole number of unix seconds",
        ),
        ({"external_id": "1", "properties": "x"}, "Properties must be a hash"),
        (
            {"external_id": "1", "properties[a][b]": "x"},
            "Properties must be a flat hash, without hashes or lists in it: properties[a][b]",
        ),
        (
            {"external_id": "1", "properties[a][]": "x"},
            "Properties must be a flat hash, without hashes or lists in it: properties[a][]",
        ),
        (
            {"external_id": "1", "properties[]": "x"},
            "Properties must be a flat hash, without hashes or lists in it: properties[]",
        ),
        (
            {"external_id": "1", "properties[a.b]": "x"},
            "Properties keys must not hold $, . or NUL: 'properties[a.b]'",
        ),
        (
            {"external_id": "1", "properties[$a]": "x"},
            "Properties keys must not hold $, . or NUL: 'properties[$a]'",
        ),
        (
            {"external_id": "1", "properties[a\0]": "x"},
            "Properties keys must not hold $, . or NUL: 'properties[a\\x00]'",
        ),
    ],
)
def test_what_breaks_a_rule_is_refused_and_not_stored(
    sandbox: RunningSandbox, call: Call, form: dict[str, str], message: str
) -> None:
    reply = call("POST", "/v1/end_users", form)
    assert reply.status_code == 422
    assert reply.json() == {"error": f"Validation failed: {message}"}
    assert sandbox.state.end_users == ()


def test_an_update_may_not_take_the_last_way_to_find_an_end_user(call: Call) -> None:
    call("POST", "/v1/end_users", {"email": "ann@example.com"})
    assert call("PUT", "/v1/end_users/1", {"email": ""}).status_code == 422


def test_values_stay_strings_and_may_be_empty_or_hold_anything(call: Call) -> None:
    values = {"empty": "", "euro": "€ 5", "sign": "a=b&c+d%20", "key with space": "1"}
    form = {"email": "a@x.io"} | {f"properties[{key}]": value for key, value in values.items()}
    assert call("POST", "/v1/end_users", form).json()["properties"] == values


def test_only_forms_are_taken(sandbox: RunningSandbox, call: Call) -> None:
    for kind, body in (
        ("application/json", b'{"email":"ann@example.com"}'),
        ("text/plain", b"email=ann%40example.com"),
    ):
        reply = call("POST", "/v1/end_users", body, {"Content-Type": kind})
        assert reply.status_code == 415
        assert reply.json()["errors"][0]["status"] == "unsupported_media_type"
    charset = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    assert call("POST", "/v1/end_users", b"email=a%40x.io", charset).status_code == 201
    assert len(sandbox.state.end_users) == 1


def test_what_is_not_utf8_is_refused(call: Call) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert call("POST", "/v1/end_users", b"email=%ff%40x.io", form).status_code == 400
    assert call("GET", "/v1/end_users?email=%ff").status_code == 400
    assert call("GET", "/v1/end_users/%ff?lookup_by_email=true").status_code == 400


@pytest.mark.parametrize("email", ["a+b@x.io", "a/b@x.io", "100%@x.io", "a?b#c@x.io", "é@x.io"])
def test_lookup_by_email(call: Call, email: str) -> None:
    end_user = call("POST", "/v1/end_users", {"email": email}).json()
    path = f"/v1/end_users/{quote(email, safe='')}?lookup_by_email=true"
    assert call("GET", path).json() == end_user
    assert call("GET", path.upper().replace("/V1/END_USERS", "/v1/end_users")).status_code == 404


def test_lookup_by_email_is_blind_to_case(call: Call) -> None:
    call("POST", "/v1/end_users", {"email": "Ann@Example.com"})
    reply = call("GET", "/v1/end_users/aNN%40example.COM?lookup_by_email=true")
    assert reply.json()["email"] == "Ann@Example.com"


EXTERNAL_IDS = ["7", "a/b", "a b", "日本", "a.b", "50%", "%2F", "a+b", "phone_number", " x ", "?&="]


@pytest.mark.parametrize("external_id", EXTERNAL_IDS)
def test_lookup_by_external_id(call: Call, external_id: str) -> None:
    end_user = call("POST", "/v1/end_users", {"external_id": external_id}).json()
    assert end_user["external_id"] == external_id
    path = f"/v1/end_users/{quote(external_id, safe='')}?lookup_by_external_id=true"
    assert call("GET", path).json() == end_user


@pytest.mark.parametrize("written", ["+14155550100", "%2B14155550100"])
def test_lookup_by_phone_number(call: Call, written: str) -> None:
    call("POST", "/v1/end_users", {"phone_number": "+14155550100"})
    reply = call("GET", f"/v1/end_users/phone_number/{written}")
    assert reply.json()["phone_number"] == "+14155550100"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/end_users/2"),
        ("GET", "/v1/end_users/0"),
        ("GET", "/v1/end_users/ann%40example.com"),
        ("GET", "/v1/end_users/7"),
        ("GET", "/v1/end_users/bob%40example.com?lookup_by_email=true"),
        ("GET", "/v1/end_users/1?lookup_by_external_id=true"),
        ("GET", "/v1/end_users/phone_number/+15"),
        ("PUT", "/v1/end_users/2"),
        ("PUT", "/v1/end_users/ann%40example.com?lookup_by_email=true"),
        ("GET", "/v1/end_users/2/responses"),
        ("POST", "/v1/end_users/2/declines"),
    ],
)
def test_what_is_not_there_is_a_404(call: Call, method: str, path: str) -> None:
    call("POST", "/v1/end_users", {"email": "ann@example.com", "external_id": "7"})
    reply = call(method, path)
    assert reply.status_code == 404
    assert reply.json() == NOT_FOUND


def test_two_ways_to_look_up_exclude_each_other(call: Call) -> None:
    path = "/v1/end_users/1?lookup_by_email=true&lookup_by_external_id=true"
    assert call("GET", path).status_code == 422


def test_an_address_or_method_that_is_not_listed(call: Call) -> None:
    assert call("GET", "/v1/nothing").status_code == 404
    assert call("GET", "/v1/end_users/").status_code == 404
    reply = call("DELETE", "/v1/end_users/1")
    assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, PUT")
    assert call("HEAD", "/pixel.gif").status_code == 405


_TEXTS = st.sampled_from(["", "a@x", "A@x ", "b@x", "c@x"])
_FORMS = st.fixed_dictionaries(
    {}, optional={"email": _TEXTS, "external_id": _TEXTS, "phone_number": _TEXTS}
)


@given(st.lists(st.tuples(st.integers(0, 4), _FORMS), max_size=25))
def test_every_way_to_look_up_agrees_with_what_is_held(
    steps: list[tuple[int, dict[str, str]]],
) -> None:
    store = EndUserStore()
    for end_user_id, form in steps:
        try:
            if end_user_id == 0:
                store.create(form, 0)
            else:
                store.update(str(end_user_id), form, 0)
        except RefusedError:
            continue
    held = store.index.all()
    for text in ("a@x", "A@x ", "b@x", "c@x"):
        with_email = [u for u in held if u.email and u.email.lower() == text.strip().lower()]
        with_external_id = [u for u in held if u.external_id == text]
        with_phone_number = [u for u in held if u.phone_number == text.strip()]
        assert len(with_email) <= 1
        assert len(with_external_id) <= 1
        assert store.index.by_email(text) == next(iter(with_email), None)
        assert store.index.by_external_id(text) == next(iter(with_external_id), None)
        assert store.index.by_phone_number(text) == next(iter(with_phone_number), None)
