"""wootric.md 4: pace."""

from collections.abc import Callable

import pytest
import requests

from wootric_map.sandbox import RunningSandbox, SandboxSettings
from wootric_map.sandbox.limits import RateLimits
from wootric_map.sandbox.wire import RefusedError

Call = Callable[..., requests.Response]
ACCOUNT = "account_token=NPS-5a4db0c5"


def rate_headers(reply: requests.Response) -> tuple[str | None, str | None, str | None]:
    limit, remaining, reset = (
        reply.headers.get(f"X-Rate-Limit-{name}") for name in ("Limit", "Remaining", "Reset")
    )
    return limit, remaining, reset


def test_no_limit_means_no_headers(call: Call) -> None:
    assert rate_headers(call("GET", "/v1/end_users")) == (None, None, None)


def test_past_the_limit_is_429_until_the_reset(
    start: Callable[..., RunningSandbox],
    sign_in: Callable[[RunningSandbox], Call],
    tick: Callable[[float], None],
) -> None:
    running = start(rate_limit=2)
    call = sign_in(running)
    tick(0.5)
    assert rate_headers(call("GET", "/v1/end_users")) == ("2", "1", "1700000061")
    tick(30)
    assert rate_headers(call("GET", "/v1/end_users")) == ("2", "0", "1700000061")
    refused = call("GET", "/v1/end_users")
    assert refused.status_code == 429
    assert refused.json()["error"]
    assert rate_headers(refused) == ("2", "0", "1700000061")
    tick(30.4)
    assert call("GET", "/v1/end_users").status_code == 429
    tick(0.1)
    assert rate_headers(call("GET", "/v1/end_users")) == ("2", "1", "1700000121")


def test_each_endpoint_has_its_own_limit(
    start: Callable[..., RunningSandbox], sign_in: Callable[[RunningSandbox], Call]
) -> None:
    call = sign_in(start(rate_limit=1))
    assert call("GET", "/v1/end_users").status_code == 200
    assert call("POST", "/v1/end_users", {"email": "a@x.io"}).status_code == 201
    assert call("GET", "/v1/end_users/1").status_code == 200
    assert call("GET", "/v1/end_users/2").status_code == 429, "ids share an endpoint"
    assert call("PUT", "/v1/end_users/1").status_code == 200
    for path in ("/eligible.json", "/registered_events.json", "/pixel.gif"):
        assert call("GET", f"{path}?{ACCOUNT}").status_code == 200
        assert call("GET", f"{path}?{ACCOUNT}").status_code == 429


def test_refusals_tell_the_pace_too(
    start: Callable[..., RunningSandbox], sign_in: Callable[[RunningSandbox], Call]
) -> None:
    call = sign_in(start(rate_limit=9))
    assert rate_headers(call("POST", "/v1/end_users", {}))[1] == "8"
    json = {"Content-Type": "application/json"}
    assert rate_headers(call("POST", "/v1/end_users", b"{}", json))[1] == "7"
    assert rate_headers(call("GET", "/v1/end_users/5"))[1] == "8"


def test_signing_in_and_strangers_use_nothing_up(
    start: Callable[..., RunningSandbox],
    sign_in: Callable[[RunningSandbox], Call],
    http: requests.Session,
) -> None:
    running = start(rate_limit=1)
    for _ in range(3):
        call = sign_in(running)
        assert http.get(f"{running.base_url}/v1/end_users").status_code == 401
        reply = http.get(f"{running.base_url}/pixel.gif?account_token=NPS-00000000")
        assert (reply.status_code, rate_headers(reply)) == (200, (None, None, None))
    assert rate_headers(call("GET", "/v1/end_users"))[1] == "0"
    assert call("GET", f"/pixel.gif?{ACCOUNT}").status_code == 200


def test_a_reset_opens_fresh_windows(
    start: Callable[..., RunningSandbox], sign_in: Callable[[RunningSandbox], Call]
) -> None:
    running = start(rate_limit=1)
    call = sign_in(running)
    call("GET", "/v1/end_users")
    running.state.reset()
    assert call("GET", "/v1/end_users").status_code == 200


def test_a_window_ends_on_the_whole_second_it_tells() -> None:
    limits = RateLimits(SandboxSettings(rate_limit=1, rate_window=0.25))
    assert limits.take("a", 10.5)["X-Rate-Limit-Reset"] == "11"
    with pytest.raises(RefusedError):
        limits.take("a", 10.999)
    assert limits.take("a", 11.0)["X-Rate-Limit-Reset"] == "12"
