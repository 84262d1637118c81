"""Random errors, and faults on purpose."""

from collections.abc import Callable

import pytest
import requests
from starlette.responses import Response

from wootric_map.sandbox import (
    Fault,
    ResetConnection,
    RunningSandbox,
    SandboxRequest,
    TruncatedReply,
)

Call = Callable[..., requests.Response]
Start = Callable[..., RunningSandbox]
SignIn = Callable[[RunningSandbox], Call]


def on_create(fault: Fault) -> Callable[[SandboxRequest], Fault | None]:
    return lambda request: fault if request.endpoint == "POST /v1/end_users" else None


def statuses(call: Call, count: int = 40) -> list[int]:
    return [
        call("POST", "/v1/end_users", {"external_id": str(number)}).status_code
        for number in range(count)
    ]


def test_a_share_of_requests_fails_and_is_not_carried_out(start: Start, sign_in: SignIn) -> None:
    running = start(error_rate=0.5, seed=7)
    seen = statuses(sign_in(running))
    assert set(seen) == {201, 500, 503}
    assert seen.count(201) == len(running.state.end_users)
    assert seen == statuses(sign_in(start(error_rate=0.5, seed=7))), "the seed decides"


def test_an_error_rate_of_one_spares_signing_in(start: Start, sign_in: SignIn) -> None:
    running = start(error_rate=1.0)
    call = sign_in(running)
    for path in ("/v1/end_users", "/eligible.json", "/registered_events.json", "/pixel.gif"):
        reply = call("GET", path)
        assert reply.status_code in (500, 503)
        assert reply.json()["error"]


def test_signing_in_has_faults_of_its_own(start: Start) -> None:
    down = Fault(Response("", 503))
    running = start(
        faults=(lambda _: Fault(Response("", 500)),),
        sign_in_faults=(lambda request: down if request.path == "/oauth/token" else None,),
    )
    replies = [
        requests.request(method, f"{running.base_url}{path}", timeout=10).status_code
        for method, path in (("POST", "/oauth/token"), ("GET", "/nowhere"), ("GET", "/pixel.gif"))
    ]
    assert replies == [503, 404, 500]


def test_a_reply_may_be_replaced(start: Start, sign_in: SignIn) -> None:
    fault = Fault(Response("<html>", 200, media_type="application/json"))
    running = start(faults=(on_create(fault),), rate_limit=5)
    call = sign_in(running)
    reply = call("POST", "/v1/end_users", {"email": "a@x.io"})
    assert (reply.status_code, reply.text) == (200, "<html>")
    assert reply.headers["X-Rate-Limit-Remaining"] == "4"
    assert running.state.end_users == ()
    assert call("GET", "/v1/end_users").json() == []


def test_a_reply_may_be_lost_after_the_request_was_carried_out(
    start: Start, sign_in: SignIn
) -> None:
    running = start(faults=(on_create(Fault(Response(status_code=503), carried_out=True)),))
    call = sign_in(running)
    assert call("POST", "/v1/end_users", {"email": "a@x.io"}).status_code == 503
    assert len(running.state.end_users) == 1
    assert call("POST", "/v1/end_users", {"email": "a@x.io"}).status_code == 503
    assert len(running.state.end_users) == 1


@pytest.mark.parametrize("answer", [TruncatedReply(b'{"id": 1}'), ResetConnection()])
def test_a_connection_may_break(
    start: Start,
    sign_in: SignIn,
    answer: TruncatedReply | ResetConnection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    running = start(faults=(on_create(Fault(answer, carried_out=True)),))
    call = sign_in(running)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        call("POST", "/v1/end_users", {"email": "a@x.io"})
    assert len(call("GET", "/v1/end_users").json()) == 1
    assert running.state.request_counts.by_status[0] == 1
    assert running.requests[1]["status"] is None
    assert caplog.records == []
