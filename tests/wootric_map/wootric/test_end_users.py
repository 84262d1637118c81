"""End users as a reply tells them."""

from typing import Any

import pytest

from wootric_map.model import EndUser
from wootric_map.wootric.end_users import Place, end_user_from, place_of


@pytest.mark.parametrize(
    ("created_at", "seconds"),
    [
        (1417804971, 1417804971),
        ("1417804971", 1417804971),
        (1417804971.9, 1417804971),
        (-1.5, -2),
        (0, 0),
        ("2014-12-05T18:42:51Z", 1417804971),
        ("2014-12-05T18:42:51.999Z", 1417804971),
        ("2014-12-05 10:42:51 -0800", 1417804971),
        ("2014-12-05 18:42:51 UTC", 1417804971),
        ("2014-12-05T10:42:51-08:00", 1417804971),
        ("1969-12-31T23:59:59.5Z", -1),
    ],
)
def test_a_time_is_cut_to_its_second_whatever_its_form(created_at: object, seconds: int) -> None:
    assert place_of({"id": 7, "created_at": created_at}) == Place(seconds, 7)
    assert place_of({"id": "7", "created_at": created_at}) == Place(seconds, 7)


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"created_at": 1},
        {"id": 1},
        {"id": None, "created_at": 1},
        {"id": True, "created_at": 1},
        {"id": 1.0, "created_at": 1},
        {"id": "x", "created_at": 1},
        {"id": 2**63, "created_at": 1},
        {"id": 1, "created_at": None},
        {"id": 1, "created_at": True},
        {"id": 1, "created_at": ""},
        {"id": 1, "created_at": "yesterday"},
        {"id": 1, "created_at": "2014-13-05T18:42:51Z"},
        {"id": 1, "created_at": 1417804971000},
        {"id": 1, "created_at": float("inf")},
        {"id": 1, "created_at": float("nan")},
        {"id": 1, "created_at": [1]},
    ],
)
def test_an_end_user_without_an_id_or_a_time_has_no_place(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"its (id|created_at) is missing or no"):
        place_of(row)


def test_an_end_user_is_read_as_it_is_told() -> None:
    told = {
        "id": 7,
        "email": "ada@example.com",
        "external_id": 1001,
        "phone_number": None,
        "external_created_at": "1420099200",
        "properties": {"plan": "pro", "seats_amount": 3},
        "settings": {},
    }
    properties = {"plan": "pro", "seats_amount": "3"}
    assert end_user_from(told) == EndUser(
        7, "ada@example.com", "1001", None, 1420099200, properties
    )
    assert end_user_from({"id": 7, "external_created_at": "", "properties": None}) == EndUser(
        7, None, None, None, None, {}
    )


@pytest.mark.parametrize(
    "told",
    [None, [], "x", 7, {}, {"id": "x"}, {"id": 1, "properties": [1]}, {"id": float("inf")}],
)
def test_what_is_no_end_user_is_not_read_as_one(told: object) -> None:
    with pytest.raises(ValueError, match="no end user"):
        end_user_from(told)


@pytest.mark.parametrize(
    ("properties", "known"),
    [
        ('{"plan":"pro","seats":3}', {"plan": "pro", "seats": "3"}),
        ("", {}),
        ("{}", {}),
        ('{"plan"=>"pro"}', None),
        ("pro", None),
        ("[1]", None),
        ("7", None),
        ("[" * 100_000, None),
    ],
)
def test_properties_may_be_told_as_text(properties: str, known: dict[str, str] | None) -> None:
    told = end_user_from({"id": 7, "email": "a@b.co", "properties": properties})
    assert told.knows_properties is (known is not None)
    assert told.properties == (known or {})


@pytest.mark.parametrize(
    ("settings", "are_off"),
    [
        ({"email_nps": False, "mobile_nps": False, "web_nps": False}, True),
        ({"email_nps": False, "mobile_nps": False, "web_nps": True}, False),
        ({"email_nps": False, "mobile_nps": False}, False),
        ({"email_nps": None, "mobile_nps": False, "web_nps": False}, False),
        ({"email_nps": 0, "mobile_nps": 0, "web_nps": 0}, False),
        ({}, False),
        (None, False),
        ("off", False),
        ([False, False, False], False),
    ],
)
def test_surveys_are_off_only_if_a_reply_says_so_of_each(settings: object, are_off: bool) -> None:
    assert end_user_from({"id": 1, "settings": settings}).has_surveys_off is are_off
    assert not end_user_from({"id": 1}).has_surveys_off
