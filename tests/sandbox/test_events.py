"""wootric.md 5: eligibility, registered events, the page pixel."""

from collections.abc import Callable

import pytest
import requests

from wootric_map.sandbox import RunningSandbox

Get = Callable[..., requests.Response]
ACCOUNT = {"account_token": "NPS-5a4db0c5"}
CHECK = ACCOUNT | {"email": "ann@example.com", "event_name": "Signed Up"}


@pytest.fixture
def get(sandbox: RunningSandbox, http: requests.Session) -> Get:
    def send(path: str, params: dict[str, str]) -> requests.Response:
        return http.get(sandbox.base_url + path, params=params)

    return send


def test_a_registered_event_is_eligible_and_kept_with_all_it_sent(
    sandbox: RunningSandbox, get: Get
) -> None:
    params = CHECK | {
        "external_id": "7",
        "phone_number": "+1",
        "end_user_created_at": "1600000000",
        "language[code]": "fr",
        "properties[plan]": "gold",
        "properties[empty]": "",
    }
    reply = get("/eligible.json", params)
    assert reply.status_code == 200
    assert reply.json() == {
        "eligible": True,
        "details": {"code": 100, "why": "the event is registered"},
        "settings": {"account_token": "NPS-5a4db0c5", "language": "fr"},
        "sampling_rule": {"name": "Signed Up (sandbox)"},
    }
    (check,) = sandbox.state.eligibility_checks
    assert (check.time, check.eligible, check.params) == (1_700_000_000.0, True, params)


def test_the_same_check_twice_counts_twice_and_creates_no_end_user(
    sandbox: RunningSandbox, get: Get
) -> None:
    first, second = get("/eligible.json", CHECK), get("/eligible.json", CHECK)
    assert first.json() == second.json()
    assert len(sandbox.state.eligibility_checks) == 2
    assert sandbox.state.end_users == ()


@pytest.mark.parametrize("without", ["email", "event_name"])
def test_a_check_that_names_too_little(sandbox: RunningSandbox, get: Get, without: str) -> None:
    params = {name: value for name, value in CHECK.items() if name != without}
    reply = get("/eligible.json", params).json()
    assert reply["eligible"] is False
    assert reply["details"]["why"]
    assert [check.eligible for check in sandbox.state.eligibility_checks] == [False]


@pytest.mark.parametrize("event_name", ["signed up", "Signed Up ", "Signed", "Page Seen"])
def test_an_event_counts_letter_for_letter(
    sandbox: RunningSandbox, get: Get, event_name: str
) -> None:
    reply = get("/eligible.json", CHECK | {"event_name": event_name})
    assert reply.json() == {
        "eligible": False,
        "details": {"code": 204, "why": "the event is not registered"},
    }
    assert len(sandbox.state.eligibility_checks) == 1


@pytest.mark.parametrize("account_token", [None, "", "NPS-00000000"])
def test_an_unknown_account_is_told_so_and_leaves_nothing(
    sandbox: RunningSandbox, get: Get, account_token: str | None
) -> None:
    params = {name: value for name, value in CHECK.items() if name != "account_token"}
    if account_token is not None:
        params["account_token"] = account_token
    reply = get("/eligible.json", params)
    assert reply.status_code == 200
    assert reply.json()["eligible"] is False
    assert "account_token" in reply.json()["details"]["why"]
    assert get("/registered_events.json", params).json() == []
    assert get("/pixel.gif", params).status_code == 200
    assert sandbox.state.eligibility_checks == ()
    assert sandbox.state.page_views == ()


@pytest.mark.parametrize(
    "extra",
    [
        {"end_user_created_at": "2020-01-01"},
        {"properties[a.b]": "x"},
        {"properties[a][b]": "x"},
        {"properties[a][]": "x"},
    ],
)
def test_a_check_that_breaks_a_rule_is_refused(
    sandbox: RunningSandbox, get: Get, extra: dict[str, str]
) -> None:
    reply = get("/eligible.json", CHECK | extra)
    assert reply.status_code == 422
    assert reply.json()["error"].startswith("Validation failed: ")
    assert sandbox.state.eligibility_checks == ()


def test_registered_events(get: Get) -> None:
    reply = get("/registered_events.json", ACCOUNT)
    assert reply.json() == ["Order Completed", "Plan Upgraded", "Signed Up"]


def test_an_account_without_targeted_sampling(
    start: Callable[..., RunningSandbox], http: requests.Session
) -> None:
    base_url = start(registered_events=()).base_url
    assert http.get(f"{base_url}/registered_events.json", params=ACCOUNT).json() == []
    assert http.get(f"{base_url}/eligible.json", params=CHECK).json()["eligible"] is False


def test_the_pixel_is_a_gif_and_keeps_the_page_view(sandbox: RunningSandbox, get: Get) -> None:
    params = ACCOUNT | {
        "email": "a+b@x.io",
        "created_at": "1650000000",
        "url": "https://x.io/?q=a&b=c#d",
        "random": "0.1",
        "page_info[name]": "Home",
        "page_info[path]": "/",
    }
    reply = get("/pixel.gif", params)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "image/gif"
    assert reply.content[:10] == b"GIF89a\x01\x00\x01\x00"
    assert reply.content[-1:] == b";"
    (view,) = sandbox.state.page_views
    assert (view.time, view.params) == (1_700_000_000.0, params)
