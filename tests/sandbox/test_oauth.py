"""wootric.md 2: signing in."""

from collections.abc import Callable

import pytest
import requests

from wootric_map.sandbox import RunningSandbox

CLIENT = {
    "grant_type": "client_credentials",
    "client_id": "sandbox-client-id",
    "client_secret": "sandbox-client-secret",
}
LOGIN = {
    "grant_type": "password",
    "username": "sandbox@example.com",
    "password": "sandbox-password",
}


@pytest.fixture
def token(sandbox: RunningSandbox, http: requests.Session) -> Callable[..., requests.Response]:
    def post(form: dict[str, str], query: str = "account_token=NPS-5a4db0c5") -> requests.Response:
        return http.post(f"{sandbox.base_url}/oauth/token?{query}", data=form)

    return post


def test_client_credentials_bring_no_refresh_token(
    token: Callable[..., requests.Response],
) -> None:
    reply = token(CLIENT)
    assert reply.status_code == 200
    body = reply.json()
    assert body.pop("access_token")
    assert body == {
        "token_type": "bearer",
        "expires_in": 7200,
        "scope": "api",
        "created_at": 1_700_000_000,
    }


def test_a_login_can_be_refreshed_once_with_each_refresh_token(
    token: Callable[..., requests.Response],
) -> None:
    first = token(LOGIN).json()
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = token(refresh)
    assert second.status_code == 200
    assert second.json()["access_token"] != first["access_token"]
    assert second.json()["refresh_token"] != first["refresh_token"]

    again = token(refresh)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_grant")
    third = token(refresh | {"refresh_token": second.json()["refresh_token"]})
    assert third.status_code == 200


@pytest.mark.parametrize(
    ("form", "query", "status", "error"),
    [
        (CLIENT | {"client_secret": "no"}, "account_token=NPS-5a4db0c5", 401, "invalid_client"),
        (CLIENT | {"client_id": "no"}, "account_token=NPS-5a4db0c5", 401, "invalid_client"),
        (LOGIN | {"password": "no"}, "account_token=NPS-5a4db0c5", 401, "invalid_grant"),
        (LOGIN | {"username": "nö"}, "account_token=NPS-5a4db0c5", 401, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "account_token=NPS-5a4db0c5", 401, "invalid_grant"),
        (CLIENT, "account_token=NPS-00000000", 401, "invalid_client"),
        (CLIENT, "", 400, "invalid_request"),
        ({}, "account_token=NPS-5a4db0c5", 400, "invalid_request"),
        (
            {"grant_type": "authorization_code"},
            "account_token=NPS-5a4db0c5",
            400,
            "unsupported_grant_type",
        ),
    ],
)
def test_a_wrong_sign_in_is_refused_in_oauths_form(
    token: Callable[..., requests.Response],
    form: dict[str, str],
    query: str,
    status: int,
    error: str,
) -> None:
    reply = token(form, query)
    assert reply.status_code == status
    assert reply.json()["error"] == error
    assert reply.json()["error_description"]


@pytest.mark.parametrize("name", ["client_secret", "password", "refresh_token"])
def test_a_secret_in_the_query_is_refused_even_if_it_is_right(
    token: Callable[..., requests.Response], name: str
) -> None:
    form = LOGIN | CLIENT
    reply = token(CLIENT, f"account_token=NPS-5a4db0c5&{name}={form.get(name, 'x')}")
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")


def test_a_sign_in_with_everything_in_the_query_is_refused(
    token: Callable[..., requests.Response],
) -> None:
    query = "&".join(f"{name}={value}" for name, value in CLIENT.items())
    assert token({}, f"account_token=NPS-5a4db0c5&{query}").status_code == 400


def test_a_sign_in_in_json_is_refused(sandbox: RunningSandbox, http: requests.Session) -> None:
    url = f"{sandbox.base_url}/oauth/token?account_token=NPS-5a4db0c5"
    assert http.post(url, json=CLIENT).status_code == 400


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer nonsense", "Basic c2FuZGJveA=="])
def test_rest_needs_a_token(
    sandbox: RunningSandbox, http: requests.Session, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    reply = http.get(f"{sandbox.base_url}/v1/end_users", headers=headers)
    assert reply.status_code == 401
    assert reply.json() == {"error": "The access token is invalid"}
    assert reply.headers["WWW-Authenticate"].startswith("Bearer ")


def test_rest_takes_no_token_from_the_query(
    sandbox: RunningSandbox, token: Callable[..., requests.Response], http: requests.Session
) -> None:
    access_token = token(CLIENT).json()["access_token"]
    reply = http.get(f"{sandbox.base_url}/v1/end_users?access_token={access_token}")
    assert reply.status_code == 401


def test_a_token_grows_old(
    call: Callable[..., requests.Response], tick: Callable[[float], None]
) -> None:
    tick(7199.9)
    assert call("GET", "/v1/end_users").status_code == 200
    tick(0.1)
    reply = call("GET", "/v1/end_users")
    assert reply.status_code == 401
    assert reply.json() == {"error": "The access token expired"}


def test_a_lifetime_can_be_set(
    start: Callable[..., RunningSandbox],
    sign_in: Callable[[RunningSandbox], Callable[..., requests.Response]],
    tick: Callable[[float], None],
) -> None:
    call = sign_in(start(token_lifetime=5))
    tick(5)
    assert call("GET", "/v1/end_users").status_code == 401


def test_tokens_can_be_made_old_by_a_test(
    sandbox: RunningSandbox, call: Callable[..., requests.Response]
) -> None:
    sandbox.state.expire_tokens()
    assert call("GET", "/v1/end_users").status_code == 401
