"""What goes wrong on the way: each fault costs what it must and no more."""

import socket
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from certified import certificate_in, server_context
from raw_server import RawServer, raw_server, read_request
from replaying import Replay, identify, page, track
from starlette.responses import JSONResponse, Response

from wootric_map.sandbox import Fault, ResetConnection, SandboxRequest, SandboxSettings

Start = Callable[[SandboxSettings], Replay]


def first(number: int, path: str, answer: Any, *, carried_out: bool = False) -> Any:
    """A fault rule for the first requests of a path."""
    seen = count(1)

    def rule(request: SandboxRequest) -> Fault | None:
        if request.path.startswith(path) and next(seen) <= number:
            return Fault(answer, carried_out)
        return None

    return rule


def about(text: str, answer: Any) -> Any:
    """A fault rule for the requests whose path holds a text."""
    return lambda request: Fault(answer) if text in request.path else None


@pytest.mark.parametrize("status", [502, 504])
@pytest.mark.parametrize("path", ["/eligible.json", "/pixel.gif"])
def test_a_gateways_error_leaves_what_cannot_be_repeated_in_doubt(
    replaying: Start, status: int, path: str
) -> None:
    lost = first(1, path, Response("", status), carried_out=True)
    replay = replaying(SandboxSettings(faults=(lost,)))
    done = replay.push(replay.write([identify("1", "ada@example.com"), track("1"), page("1")]))
    assert done.returncode == 1
    assert [entry["code"] for entry in replay.rejects()] == ["in_doubt"]
    assert len(replay.sandbox.state.eligibility_checks) == 1
    assert len(replay.sandbox.state.page_views) == 1
    assert "in doubt" in done.stderr


@pytest.mark.parametrize(
    "settings", [SandboxSettings(faults=(about("/v1/end_users/2", ResetConnection()),))]
)
def test_one_end_user_without_an_answer_does_not_end_the_run(replay: Replay) -> None:
    users = [identify(str(n), f"u{n}@example.com") for n in range(1, 6)]
    done = replay.push(replay.write(users), "--workers", "1", "--retries", "1")
    assert done.returncode == 1, done.stderr
    assert sorted(replay.users()) == ["1", "3", "4", "5"]
    assert [entry["code"] for entry in replay.rejects()] == ["unreachable"]


@pytest.mark.parametrize("answer", [ResetConnection(), JSONResponse({"error": "Down"}, 503)])
def test_when_wootric_stays_down_the_run_ends_with_5_and_the_next_does_what_is_left(
    replaying: Start, answer: Any
) -> None:
    down = [answer]
    done_before = count(1)

    def rule(request: SandboxRequest) -> Fault | None:
        after_some = request.path.startswith("/v1") and next(done_before) > 20
        return Fault(down[0]) if down and after_some else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    export = replay.write([identify(str(n), f"u{n}@example.com") for n in range(50)])
    patience = ("--retries", "1000", "--give-up-after", "0.5")
    done = replay.push(export, "--workers", "4", *patience)
    assert done.returncode == 5, done.stderr
    assert "did not finish" in done.stderr
    assert "--give-up-after" in done.stderr
    assert replay.rejects() == []
    assert 0 < len(replay.users()) < 50
    down.clear()
    assert replay.push(export).returncode == 0
    assert len(replay.users()) == 50


def test_what_is_shown_of_the_calls_holds_nobody_and_no_secret(replaying: Start) -> None:
    lost = first(1, "/v1/end_users", JSONResponse({"error": "ada@example.com is down"}, 503))
    replay = replaying(SandboxSettings(faults=(lost,)))
    records = [identify("person-7", "ada@example.com"), track("person-7"), page("person-7")]
    done = replay.push(replay.write(records), "--verbose", "--rate", "6000/min")
    assert done.returncode == 0, done.stderr
    for words in (
        "signing in by client_credentials",
        "GET end_users/{}: 503 in",
        "after status 503",
        "GET end_users/{}: 404 in",
        "POST end_users/create: 201 in",
        "GET eligible: 200 in",
        "GET pixel: 200 in",
    ):
        assert words in done.stderr
    settings = replay.sandbox.settings
    for secret in ("ada", "person-7", settings.client_secret, settings.account_token, "earer"):
        assert secret not in done.stderr


@pytest.mark.parametrize("command", [["push"], ["dry-run", "--against", "account"]])
def test_calls_are_shown_only_if_asked_for(replay: Replay, command: list[str]) -> None:
    export = replay.write([identify("1", "ada@example.com")])
    assert " ms, attempt " not in replay.run(*command, export).stderr
    assert " ms, attempt 1" in replay.run(*command, "-v", export).stderr


@pytest.mark.parametrize(
    "settings",
    [
        SandboxSettings(
            faults=(
                first(6, "/v1/end_users", JSONResponse({"error": "Too many requests"}, 429)),
                first(4, "/v1/end_users", JSONResponse({"error": "Down"}, 503)),
            )
        )
    ],
)
def test_being_too_fast_uses_up_no_retry(replay: Replay) -> None:
    done = replay.push(
        replay.write([identify("1", "ada@example.com")]), "--retries", "4", "--workers", "1"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "settings",
    [
        SandboxSettings(
            faults=(about("/registered_events", JSONResponse({"error": "Feature off"}, 423)),)
        )
    ],
)
def test_an_account_whose_events_are_off_still_gets_its_end_users(replay: Replay) -> None:
    done = replay.push(replay.write([identify("1", "ada@example.com"), track("1")]))
    assert done.returncode == 0, done.stderr
    assert "event_not_registered 1" in done.stdout
    assert "1" in replay.users()


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>hello</html>"),
        Response("[" * 100_000, media_type="application/json"),
        Response("null", media_type="application/json"),
        Response('{"id":"seven"}', media_type="application/json"),
        Response("", 200, {"X-Rate-Limit-Remaining": "nan", "X-Rate-Limit-Reset": "inf"}),
    ],
)
def test_a_reply_that_makes_no_sense_fails_its_record_and_keeps_it(
    replaying: Start, answer: Any
) -> None:
    replay = replaying(SandboxSettings(faults=(about("/v1/end_users", answer),)))
    export = replay.write([identify("1", "ada@example.com"), page("1")])
    done = replay.push(export, "--retries", "1")
    assert done.returncode == 1, done.stderr
    assert {entry["code"] for entry in replay.rejects()} == {"bad_reply", "end_user_failed"}
    assert replay.sandbox.state.page_views == ()


@pytest.mark.parametrize("settings", [SandboxSettings(token_lifetime=3)])
def test_a_wait_for_the_rate_may_outlive_the_token(replay: Replay) -> None:
    users = [identify(str(n), f"u{n}@example.com") for n in range(3)]
    done = replay.push(replay.write(users), "--rate", "60/min", "--workers", "8")
    assert done.returncode == 0, done.stderr
    assert len(replay.users()) == 3


def test_a_certificate_of_ones_own_is_named_in_the_environment_and_no_redirect_is_followed(
    replay: Replay, tmp_path: Path
) -> None:
    certificate = certificate_in(tmp_path)
    context = server_context(certificate)
    asked: list[bytes] = []

    def script(_: RawServer, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            asked.append(read_request(tls))
            to = f"Location: {replay.sandbox.base_url}/oauth/token"
            tls.sendall(f"HTTP/1.1 307 There\r\n{to}\r\nContent-Length: 0\r\n\r\n".encode())

    export = replay.write([identify("1", "ada@example.com")])
    with raw_server(script) as server:
        there = {"WOOTRIC_BASE_URL": f"https://127.0.0.1:{server.port}"}
        untrusted = replay.push(export, env=there | {"REQUESTS_CA_BUNDLE": None})
        trusted = replay.push(export, env=there | {"REQUESTS_CA_BUNDLE": str(certificate)})
    assert untrusted.returncode == trusted.returncode == 5
    assert "REQUESTS_CA_BUNDLE names a certificate authority" in untrusted.stderr
    assert "signing in failed with status 307" in trusted.stderr
    assert len(asked) == 1
    assert replay.sandbox.requests == ()


def test_wootrics_own_id_is_looked_up_for_events_too(replay: Replay) -> None:
    replay.push(replay.write([identify("1", "ada@example.com")]))
    number = str(replay.users()["1"]["id"])
    named = {"context": {"externalId": [{"type": "wootricEndUserId", "id": number}]}}
    events = [
        {**event, "userId": None, "anonymousId": "a", **named} for event in (track("1"), page("1"))
    ]
    done = replay.push(replay.write(events))
    assert done.returncode == 0, done.stderr
    (check,) = replay.sandbox.state.eligibility_checks
    assert check.params["email"] == "ada@example.com"
    assert len(replay.sandbox.state.page_views) == 1


def test_an_event_that_speaks_of_somebody_else_does_not_mix_the_two(replay: Replay) -> None:
    invitation = track("1", properties={"email": "friend@example.com"})
    known = identify("1", "ada@example.com", createdAt=1420099200)
    replay.push(replay.write([known, invitation]))
    (check,) = replay.sandbox.state.eligibility_checks
    assert check.params["email"] == "friend@example.com"
    assert "external_id" not in check.params
    assert "end_user_created_at" not in check.params


def test_an_unknown_user_is_looked_up_once(replay: Replay) -> None:
    replay.push(replay.write([identify("1", plan="pro"), track("1"), page("1"), page("1")]))
    assert [path for path in replay.paths() if path.startswith("/v1/end_users")] == [
        "/v1/end_users/1"
    ]


def test_what_an_earlier_run_rejected_is_named(replay: Replay) -> None:
    replay.push(replay.write([{"type": "identify"}], "bad.ndjson"))
    done = replay.push(replay.write([identify("1", "ada@example.com")], "good.ndjson"))
    assert done.returncode == 0
    assert "rejects.ndjson is of an earlier run" in done.stderr


def test_a_login_on_the_command_line_beats_the_environments(replay: Replay) -> None:
    wrong = replay.folder / "wrong"
    wrong.write_text("wrong")
    export = replay.write([identify("1", "ada@example.com")])
    login = ("--username", "nobody@example.com", "--password-file", wrong)
    assert replay.push(export, *login).returncode == 4
    assert replay.push(export, *login, "--client-id", "x").returncode == 2


def test_a_long_line_in_the_rejects_can_be_tried_again(replay: Replay) -> None:
    record = identify("1", "no email", bio='"' * 400_000)
    assert replay.push(replay.write([record])).returncode == 1
    rejects = replay.folder / "rejects.ndjson"
    assert rejects.stat().st_size > 1024 * 1024
    rejects.write_text(rejects.read_text().replace("no email", "ada@example.com"))
    done = replay.push("rejects.ndjson")
    assert done.returncode == 0, done.stderr
    assert len(replay.users()["1"]["properties"]["bio"]) == 400_000
