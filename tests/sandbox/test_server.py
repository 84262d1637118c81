"""The sandbox as a server: what it shows, and how it starts and stops."""

import errno
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from wootric_map.sandbox import RunningSandbox, SandboxSettings, create_app, run_sandbox

Call = Callable[..., requests.Response]


def test_state_shows_all_that_was_taken_and_needs_no_token(
    sandbox: RunningSandbox, call: Call, http: requests.Session
) -> None:
    call("POST", "/v1/end_users", {"email": "a@x.io"})
    call("POST", "/v1/end_users/1/responses", {"score": "3"})
    call("POST", "/v1/end_users/1/declines")
    call("GET", "/eligible.json?account_token=NPS-5a4db0c5&email=a@x.io&event_name=Signed+Up")
    call("GET", "/pixel.gif?account_token=NPS-5a4db0c5&email=a@x.io")
    call("GET", "/v1/end_users/9")
    state = http.get(f"{sandbox.base_url}/_sandbox/state").json()
    assert [row["email"] for row in state["end_users"]] == ["a@x.io"]
    assert [row["score"] for row in state["responses"]] == [3]
    assert len(state["declines"]) == 1
    assert state["eligibility_checks"][0]["params"]["event_name"] == "Signed Up"
    assert state["page_views"][0]["params"]["email"] == "a@x.io"
    assert state["requests"]["total"] == 7
    assert state["requests"]["by_endpoint"]["GET /v1/end_users/{id}"] == 1
    assert state["requests"]["by_status"] == {"200": 3, "201": 3, "404": 1}
    assert http.get(f"{sandbox.base_url}/_sandbox/state").json() == state, "it counts no looks"

    assert http.post(f"{sandbox.base_url}/_sandbox/reset").json() == {"reset": True}
    state = http.get(f"{sandbox.base_url}/_sandbox/state").json()
    assert state.pop("requests")["total"] == 0
    assert not any(state.values())
    assert call("POST", "/v1/end_users", {"email": "a@x.io"}).json()["id"] == 1


def test_it_tells_what_it_is_and_since_when_it_holds_anything(
    sandbox: RunningSandbox, http: requests.Session, tick: Callable[[float], None]
) -> None:
    began = []
    for _ in range(2):
        http.post(f"{sandbox.base_url}/_sandbox/reset")
        told = http.get(f"{sandbox.base_url}/_sandbox/about").json()
        assert told["sandbox"] == "wootric-replay"
        began.append(told["began"])
        tick(60)
    assert began[1] - began[0] == 60


def test_state_is_not_for_web_pages_that_rename_loopback(
    sandbox: RunningSandbox, http: requests.Session
) -> None:
    url = f"{sandbox.base_url}/_sandbox/state"
    for host in ("localhost:1", "127.0.0.1", "[::1]:80"):
        assert http.get(url, headers={"Host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example:80"):
        assert http.get(url, headers={"Host": host}).status_code == 403


def test_state_in_process_can_look_one_up(sandbox: RunningSandbox, call: Call) -> None:
    form = {"email": "a@x.io", "external_id": "7", "phone_number": "+1"}
    call("POST", "/v1/end_users", form)
    (end_user,) = sandbox.state.end_users
    assert sandbox.state.find_end_user(email="A@x.io") is end_user
    assert sandbox.state.find_end_user(external_id="7") is end_user
    assert sandbox.state.find_end_user(phone_number="+1") is end_user
    assert sandbox.state.find_end_user(email="b@x.io") is None


def test_each_request_is_logged_with_secrets_masked(
    start: Callable[..., RunningSandbox], sign_in: Callable[[RunningSandbox], Call]
) -> None:
    file = io.StringIO()
    running = start(log=file)
    call = sign_in(running)
    call("POST", "/v1/end_users", {"external_id": "ä/b", "properties[a]": "1"})
    call("GET", "/v1/end_users/%C3%A4%2Fb?lookup_by_external_id=true&a=1&a=2&a=3")
    call("GET", "/oauth/token?client_secret=sandbox-client-secret&password=sandbox-password")
    assert "sandbox-client-secret" not in file.getvalue()
    assert "sandbox-password" not in file.getvalue()
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert lines == list(running.requests)

    signed_in, created, found, _ = lines
    assert signed_in["query"] == {"account_token": "NPS-5a4db0c5"}
    assert signed_in["form"]["client_secret"] == "***"
    headers = created.pop("headers")
    assert headers["authorization"] == "***"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert created == {
        "time": 1_700_000_000.0,
        "endpoint": "POST /v1/end_users",
        "method": "POST",
        "path": "/v1/end_users",
        "query": {},
        "form": {"external_id": "ä/b", "properties[a]": "1"},
        "status": 201,
    }
    assert found["path"] == "/v1/end_users/%C3%A4%2Fb"
    assert found["query"] == {"lookup_by_external_id": "true", "a": ["1", "2", "3"]}


def test_a_log_may_be_a_function(start: Callable[..., RunningSandbox]) -> None:
    seen: list[Mapping[str, object]] = []
    running = start(log=seen.append)
    requests.get(f"{running.base_url}/nothing", timeout=5)
    assert [(record["path"], record["status"]) for record in seen] == [("/nothing", 404)]


def test_requests_wait_out_the_latency_side_by_side(start: Callable[..., RunningSandbox]) -> None:
    running = start(latency=0.3)

    def fetch(_: int) -> int:
        return requests.get(f"{running.base_url}/pixel.gif", timeout=5).status_code

    began = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(fetch, range(8))) == {200}
    assert 0.3 <= time.perf_counter() - began < 1.5


def test_many_at_once_lose_nothing(sandbox: RunningSandbox, call: Call) -> None:
    authorization = call("GET", "/v1/end_users").request.headers["Authorization"]

    def create(number: int) -> int:
        reply = requests.post(
            f"{sandbox.base_url}/v1/end_users",
            data={"external_id": str(number // 2)},
            headers={"Authorization": authorization},
            timeout=5,
        )
        return reply.status_code

    with ThreadPoolExecutor(8) as pool:
        replies = sorted(pool.map(create, range(80)))
    assert replies == [201] * 40 + [422] * 40
    assert len(sandbox.state.end_users) == 40


def test_only_loopback() -> None:
    with pytest.raises(ValueError, match="loopback"), run_sandbox(host="192.0.2.1"):
        pass


def test_ipv6_loopback() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with run_sandbox(host="::1") as running:
            assert running.base_url.startswith("http://[::1]:")
            reply = requests.get(f"{running.base_url}/_sandbox/state", timeout=5)
            assert reply.status_code == 200
    except OSError as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        pytest.skip("no IPv6 here")


def test_a_port_in_use_is_an_error_of_the_caller(sandbox: RunningSandbox) -> None:
    port = int(sandbox.base_url.rpartition(":")[2])
    with pytest.raises(OSError, match=r".") as caught, run_sandbox(port=port):
        pass
    assert caught.value.errno == errno.EADDRINUSE


def test_a_stop_waits_for_no_stuck_client(caplog: pytest.LogCaptureFixture) -> None:
    threads = threading.active_count()
    began = time.perf_counter()
    with run_sandbox(SandboxSettings(latency=60)) as running:
        host, port = running.base_url.removeprefix("http://").split(":")
        idle = socket.create_connection((host, int(port)))
        half = socket.create_connection((host, int(port)))
        half.sendall(b"POST /v1/end_users HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        slow = socket.create_connection((host, int(port)))
        slow.sendall(b"GET /pixel.gif HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
    assert time.perf_counter() - began < 10
    for connection in (idle, half, slow):
        connection.close()
    assert caplog.records == []
    assert threading.active_count() == threads
    with pytest.raises(ConnectionError):
        socket.create_connection((host, int(port)))


def test_an_exception_in_the_block_stops_it_too() -> None:
    threads = threading.active_count()
    with pytest.raises(KeyError), run_sandbox():
        raise KeyError
    assert threading.active_count() == threads


def test_the_application_can_be_served_by_others() -> None:
    app = create_app(SandboxSettings())
    assert app.state.sandbox.end_users == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_token", "NPS-1"),
        ("account_token", "nps-5a4db0c5"),
        ("client_secret", ""),
        ("rate_limit", 0),
        ("rate_window", 0.0),
        ("latency", -1.0),
        ("latency", float("inf")),
        ("token_lifetime", 0),
        ("error_rate", 1.5),
        ("error_rate", float("nan")),
    ],
)
def test_settings_outside_their_range(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        SandboxSettings(**{field: value})  # type: ignore[arg-type]


def test_settings_show_no_secrets() -> None:
    shown = repr(SandboxSettings())
    assert "sandbox-client-secret" not in shown
    assert "sandbox-password" not in shown
