"""What a push leaves in Wootric, and what it says: the installed command against real HTTP."""

import socket
import stat
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from certified import certificate_in, server_context
from raw_server import RawServer, raw_server, read_request
from replaying import SAMPLES, Replay, identify, page, refusing, track, until
from starlette.responses import JSONResponse, RedirectResponse

from wootric_map.sandbox import (
    Fault,
    SandboxRequest,
    SandboxSettings,
)


def only(path: str, answer: Any, *, carried_out: bool = False, method: str | None = None) -> Any:
    """A fault rule for the requests of one path."""

    def rule(request: SandboxRequest) -> Fault | None:
        matches = request.path.startswith(path) and method in (None, request.method)
        return Fault(answer, carried_out) if matches else None

    return rule


def test_the_sample_export_goes_through_whole(replay: Replay) -> None:
    done = replay.push(SAMPLES / "segment-logs")
    assert done.returncode == 0, done.stderr
    users = replay.users()
    assert set(users) == {"1001", "grace@example.com", "1006"}
    ada = users["1001"]
    assert ada["email"] == "ada.lovelace@example.com"
    assert ada["phone_number"] == "+442079460001"
    assert ada["external_created_at"] == 1533310126
    assert ada["last_surveyed"] is None
    assert ada["properties"] == {
        "name": "Ada Lovelace",
        "plan": "pro",
        "language": "en",
        "address_city": "London",
        "address_country": "GB",
        "vip": "true",
        "tags": "beta, import",
        "seats_amount": "5",
    }
    assert users["1006"]["external_created_at"] == 1440547200
    checks = [check.params["event_name"] for check in replay.sandbox.state.eligibility_checks]
    assert sorted(checks) == ["Order Completed", "Plan Upgraded", "Signed Up"]
    paths = {view.params["page_info[path]"] for view in replay.sandbox.state.page_views}
    assert paths == {"/pricing", "/dashboard"}
    assert not (replay.folder / "rejects.ndjson").exists()


def test_the_embedded_sandbox_needs_no_credentials(replay: Replay) -> None:
    nothing: dict[str, str | None] = dict.fromkeys(
        ("WOOTRIC_ACCOUNT_TOKEN", "WOOTRIC_CLIENT_ID", "WOOTRIC_CLIENT_SECRET", "WOOTRIC_BASE_URL")
    )
    done = replay.push("--sandbox", SAMPLES / "segment-logs", env=nothing)
    assert done.returncode == 0, done.stderr
    assert replay.paths() == []


@pytest.mark.parametrize("is_file", [False, True])
def test_blanks_line_ends_and_marks_around_a_token_or_a_secret_do_not_count(
    replay: Replay, *, is_file: bool
) -> None:
    export = replay.write([identify("1", "ada@example.com")])
    assert replay.push(export).returncode == 0
    account = replay.sandbox.settings
    options: list[str | Path] = []
    env: dict[str, str | None] = {
        "WOOTRIC_ACCOUNT_TOKEN": f"\ufeff {account.account_token}\r\n",
        "WOOTRIC_CLIENT_ID": f"{account.client_id}\n",
        "WOOTRIC_CLIENT_SECRET": f"\ufeff{account.client_secret} \r\n",
    }
    if is_file:
        (replay.folder / "secret").write_text(f"\ufeff\n {account.client_secret}\r\n\n", "utf-8")
        options = [
            "--client-secret-file",
            "secret",
            "--account-token",
            f" {account.account_token}\n",
        ]
        env = {"WOOTRIC_CLIENT_SECRET": None}
    done = replay.push(*options, export, env=env)
    assert done.returncode == 0, done.stderr
    assert len(list((replay.folder / "state").rglob("*.journal"))) == 1, "it is one account"
    assert len(replay.paths("POST")) == 2 + 1


def test_a_second_push_writes_no_end_user(replay: Replay) -> None:
    export = replay.write([identify("1", "ada@example.com", seats=5, vip=True, born="1815-12-10")])
    assert replay.push(export).returncode == 0
    done = replay.push(export)
    assert done.returncode == 0
    assert len(replay.paths("POST")) == 2 + 1  # signing in twice, one create
    assert replay.paths("PUT") == []


def test_an_update_sends_only_what_differs_and_keeps_what_wootric_has(replay: Replay) -> None:
    replay.holds("1", "ada@example.com", plan="free", city="London")
    replay.push(replay.write([identify("1", "ADA@example.com", plan="pro", seats=3)]))
    (update,) = [each for each in replay.sandbox.requests if each["method"] == "PUT"]
    assert update["form"] == {"properties[plan]": "pro", "properties[seats]": "3"}
    assert replay.users()["1"]["properties"] == {"plan": "pro", "city": "London", "seats": "3"}


def test_repeated_identifies_of_one_user_are_one_write_whatever_the_line_order(
    replay: Replay,
) -> None:
    later = identify("1", "new@example.com", plan="pro") | {"timestamp": "2024-02-01T00:00:00Z"}
    early = identify("1", "old@example.com", plan="free", city="Rome")
    replay.push(replay.write([later, early | {"timestamp": "2024-01-01T00:00:00Z"}]))
    assert replay.users()["1"]["email"] == "new@example.com"
    assert replay.users()["1"]["properties"] == {"plan": "pro", "city": "Rome"}
    assert replay.paths("PUT") == []


def test_track_and_page_carry_email_creation_date_and_language_of_their_user(
    replay: Replay,
) -> None:
    known = identify("1", "ada@example.com", createdAt="2018-08-03T15:28:46.493Z", language="it")
    replay.push(replay.write([track("1"), page("1", "/a"), known]))
    (check,) = replay.sandbox.state.eligibility_checks
    assert check.params["email"] == "ada@example.com"
    assert check.params["external_id"] == "1"
    assert check.params["end_user_created_at"] == "1533310126"
    assert check.params["language[code]"] == "it"
    (view,) = replay.sandbox.state.page_views
    assert view.params["email"] == "ada@example.com"
    assert view.params["created_at"] == "1533310126"


def test_a_user_whom_only_the_account_knows_lends_what_the_account_has(replay: Replay) -> None:
    replay.push(
        replay.write([identify("1", "ada@example.com", createdAt=1420099200, language="it")])
    )
    done = replay.push(replay.write([track("1"), page("1"), page("1", "/b")]))
    assert done.returncode == 0
    (check,) = replay.sandbox.state.eligibility_checks
    assert check.params["email"] == "ada@example.com"
    assert check.params["end_user_created_at"] == "1420099200"
    assert check.params["language[code]"] == "it"
    assert [view.params["email"] for view in replay.sandbox.state.page_views] == [
        "ada@example.com"
    ] * 2


def test_nobody_is_created_without_email_or_phone(replay: Replay) -> None:
    done = replay.push(replay.write([identify("1", plan="pro"), track("1"), page("1")]))
    assert done.returncode == 0
    assert replay.users() == {}
    assert replay.sandbox.state.page_views == ()
    assert "unidentified 3" in done.stdout


def test_an_identify_without_email_updates_a_user_whom_the_account_knows(replay: Replay) -> None:
    replay.push(replay.write([identify("1", "ada@example.com")]))
    replay.push(replay.write([identify("1", plan="pro")]))
    assert replay.users()["1"]["properties"] == {"plan": "pro"}


def test_a_user_known_by_email_alone_gets_the_external_id(replay: Replay) -> None:
    anonymous = {"type": "identify", "anonymousId": "a", "traits": {"email": "ada@example.com"}}
    replay.push(replay.write([anonymous]))
    replay.push(replay.write([identify("1", "Ada@Example.com")]))
    assert list(replay.users()) == ["1"]


def test_wootrics_own_id_names_the_end_user_directly(replay: Replay) -> None:
    replay.push(replay.write([identify("1", "ada@example.com")]))
    number = replay.users()["1"]["id"]
    named = {"context": {"externalId": [{"type": "wootricEndUserId", "id": str(number)}]}}
    replay.push(replay.write([{**identify("2", "countess@example.com"), **named}]))
    assert {user["email"] for user in replay.users().values()} == {"countess@example.com"}


def test_a_shared_phone_does_not_make_two_people_one(replay: Replay) -> None:
    replay.push(replay.write([identify("1", "ada@example.com", phone="+44 1111")]))
    replay.push(replay.write([identify("2", "byron@example.com", phone="+44 1111")]))
    assert set(replay.users()) == {"1", "2"}


def test_only_registered_events_are_checked_and_the_list_is_asked_for_once(replay: Replay) -> None:
    users = [identify(f"u{n}", f"u{n}@example.com") for n in range(5)]
    events = [
        track(f"u{n}", event) for n in range(5) for event in ("Signed Up", "signed up", "Other")
    ]
    done = replay.push(replay.write(users + events))
    assert len(replay.sandbox.state.eligibility_checks) == 5
    assert replay.paths().count("/registered_events.json") == 1
    assert "event_not_registered 10" in done.stdout


@pytest.mark.parametrize("settings", [SandboxSettings(registered_events=())])
def test_an_account_without_targeted_sampling_gets_no_check(replay: Replay) -> None:
    done = replay.push(replay.write([identify("1", "ada@example.com"), track("1")]))
    assert done.returncode == 0
    assert replay.sandbox.state.eligibility_checks == ()


def test_a_message_is_taken_once(replay: Replay) -> None:
    view = page("1", messageId="m-1")
    first = replay.write([identify("1", "ada@example.com"), view, view], "a.ndjson")
    done = replay.push(first, replay.write([view], "b.ndjson"))
    assert len(replay.sandbox.state.page_views) == 1
    assert "duplicate 2" in done.stdout


@pytest.mark.parametrize("settings", [SandboxSettings(latency=0.03)])
def test_one_end_users_calls_go_in_time_order_and_never_at_once(replay: Replay) -> None:
    times = [5, 3, 8, 1, 9, 2, 7, 4, 6, 0]
    views = [
        page(f"u{user}", f"/{second}", timestamp=f"2024-01-01T00:00:0{second}Z")
        for second in times
        for user in range(4)
    ]
    users = [identify(f"u{user}", f"u{user}@example.com") for user in range(4)]
    assert replay.push(replay.write(views + users), "--workers", "16").returncode == 0
    for user in range(4):
        mine = [
            request
            for request in replay.sandbox.requests
            if request["query"].get("email") == f"u{user}@example.com"  # type: ignore[attr-defined]
            or request["form"].get("email") == f"u{user}@example.com"  # type: ignore[attr-defined]
        ]
        assert [each["method"] for each in mine] == ["POST"] + ["GET"] * 10
        seen = [each["query"]["page_info[path]"] for each in mine[1:]]  # type: ignore[index]
        assert seen == [f"/{second}" for second in range(10)]
        answered = [float(str(each["time"])) for each in mine]
        assert all(b - a > 0.025 for a, b in pairwise(answered))


def test_hostile_ids_reach_wootric_as_they_are(replay: Replay) -> None:
    ids = ["a/b", "..", ".", "%2e%2e/x", "a?b#c", "ü ñ", "a+b", "../../oauth/token", "x" * 300]
    export = replay.write([identify(each, f"u+{n}/%@example.com") for n, each in enumerate(ids)])
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    assert set(replay.users()) == set(ids)
    again = replay.push(export)
    assert again.returncode == 0, again.stderr
    assert len(replay.paths("PUT")) == 0
    assert len(replay.users()) == len(ids)


def test_what_wootric_refuses_goes_to_the_rejects_with_its_words_and_can_be_mended(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings(faults=(refusing("bad@example.com"),)))
    bad = identify("1", "bad@example.com", plan="pro")
    records = [bad, page("1", "/a"), identify("2", "fine@example.com"), page("2", "/b")]
    export = replay.write(records)
    export.write_bytes(export.read_bytes() + b"nonsense\n")
    done = replay.push(export)
    assert done.returncode == 1
    assert list(replay.users()) == ["2"]
    by_code = {entry["code"]: entry for entry in replay.rejects()}
    assert set(by_code) == {"invalid_json", "refused", "end_user_failed"}
    refused = by_code["refused"]
    assert refused["source"] == str(export)
    assert refused["line"] == 1
    assert refused["http"]["status"] == 422
    assert "Email is invalid" in refused["http"]["body"]
    assert orjson.loads(refused["record"]) == bad
    assert by_code["invalid_json"]["record"] == "nonsense"
    rejects = replay.folder / "rejects.ndjson"
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600

    mended = rejects.read_text().replace("bad@example.com", "ada@example.com")
    rejects.write_text(
        mended.replace(
            '"record":"nonsense"',
            f'"record":{orjson.dumps(orjson.dumps(page("2", "/c")).decode()).decode()}',
        )
    )
    again = replay.push("rejects.ndjson")
    assert again.returncode == 0, again.stderr
    assert set(replay.users()) == {"1", "2"}
    assert sorted(view.params["page_info[path]"] for view in replay.sandbox.state.page_views) == [
        "/a",
        "/b",
        "/c",
    ]
    # Read to its end, it is out of the way: pushed once more it would send the page views twice.
    assert not rejects.exists()
    assert (replay.folder / "rejects.ndjson.1").exists()


def test_every_rejection_of_the_broken_sample_is_kept_for_another_try(replay: Replay) -> None:
    done = replay.push(SAMPLES / "broken")
    assert done.returncode == 1
    codes = sorted(entry["code"] for entry in replay.rejects())
    assert len(codes) == 15
    assert len(set(codes)) == 14
    again = replay.run("dry-run", "--format", "json", "rejects.ndjson")
    summary = orjson.loads(again.stdout.splitlines()[-1])["summary"]
    assert sum(summary["rejected"].values()) == 15
    assert set(summary["rejected"]) == set(codes)


@pytest.mark.parametrize("settings", [SandboxSettings(rate_limit=20, rate_window=1.0)])
def test_a_limit_is_waited_out_and_nothing_is_lost(replay: Replay) -> None:
    users = [identify(f"u{n}", f"u{n}@example.com") for n in range(40)]
    done = replay.push(replay.write(users + [page(f"u{n}") for n in range(40)]))
    assert done.returncode == 0, done.stderr
    assert len(replay.users()) == 40
    assert len(replay.sandbox.state.page_views) == 40


@pytest.mark.parametrize("settings", [SandboxSettings(error_rate=0.2, seed=3)])
def test_server_errors_are_tried_again(replay: Replay) -> None:
    users = [identify(f"u{n}", f"u{n}@example.com") for n in range(15)]
    done = replay.push(replay.write(users + [page(f"u{n}") for n in range(15)]))
    assert done.returncode == 0, done.stderr
    assert len(replay.users()) == 15
    assert len(replay.sandbox.state.page_views) == 15


@pytest.mark.parametrize("settings", [SandboxSettings(token_lifetime=3, latency=0.05)])
def test_tokens_that_expire_are_renewed(replay: Replay) -> None:
    users = [identify(f"u{n}", f"u{n}@example.com") for n in range(60)]
    done = replay.push("--against", "account", replay.write(users), "--workers", "4")
    assert done.returncode == 0, done.stderr
    assert len(replay.users()) == 60
    assert replay.paths().count("/oauth/token") > 1


@pytest.mark.parametrize("settings", [SandboxSettings(token_lifetime=3)])
def test_a_wait_for_the_rate_may_outlive_the_token(replay: Replay) -> None:
    users = [identify(f"u{n}", f"u{n}@example.com") for n in range(3)]
    done = replay.push(replay.write(users), "--rate", "60/min", "--workers", "8")
    assert done.returncode == 0, done.stderr
    assert len(replay.users()) == 3


def test_being_too_fast_uses_up_no_retry(replaying: Callable[[SandboxSettings], Replay]) -> None:
    statuses = iter([429] * 2 + [503] * 4)

    def rule(request: SandboxRequest) -> Fault | None:
        status = next(statuses, None) if request.path.startswith("/v1") else None
        return Fault(JSONResponse({"error": "Not now"}, status)) if status else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    done = replay.push(
        replay.write([identify("1", "ada@example.com")]), "--retries", "4", "--workers", "1"
    )
    assert done.returncode == 0, done.stderr


def test_a_person_may_sign_in_with_a_password(replay: Replay) -> None:
    settings = replay.sandbox.settings
    password = replay.folder / "password"
    password.write_text(settings.password + "\n")
    export = replay.write([identify("1", "ada@example.com")])
    nobody: dict[str, str | None] = {"WOOTRIC_CLIENT_ID": None, "WOOTRIC_CLIENT_SECRET": None}
    login = ("--username", settings.username, "--password-file", password)
    done = replay.push(export, *login, env=nobody)
    assert done.returncode == 0, done.stderr
    assert "1" in replay.users()
    variables = {"WOOTRIC_USERNAME": settings.username, "WOOTRIC_PASSWORD": settings.password}
    done = replay.push(export, env=nobody | variables)
    assert done.returncode == 0, done.stderr


def test_a_wrong_secret_ends_with_4_and_is_not_shown(replay: Replay) -> None:
    done = replay.push(
        replay.write([identify("1", "ada@example.com")]),
        env={"WOOTRIC_CLIENT_SECRET": "hunter2hunter2"},
    )
    assert done.returncode == 4
    assert "signing in was refused" in done.stderr
    assert "hunter2hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_no_wootric_ends_with_5(replay: Replay) -> None:
    export = replay.write([identify("1", "ada@example.com")])
    done = replay.push(export, "--retries", "1", env={"WOOTRIC_BASE_URL": "http://127.0.0.1:9"})
    assert done.returncode == 5
    assert "no connection to 127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "settings",
    [SandboxSettings(faults=(only("/v1", RedirectResponse("http://127.0.0.1:9/elsewhere")),))],
)
def test_a_redirect_is_not_followed(replay: Replay) -> None:
    done = replay.push(replay.write([identify("1", "ada@example.com")]))
    assert done.returncode == 1
    (entry,) = replay.rejects()
    assert entry["code"] == "redirected"


@pytest.mark.parametrize("settings", [SandboxSettings(latency=0.2)])
@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_a_signal_ends_the_run_gently_with_a_summary(
    replay: Replay, number: int, code: int
) -> None:
    export = replay.write([identify(f"u{n}", f"u{n}@example.com") for n in range(100)])
    with replay.start("push", export) as process:
        until(lambda: len(replay.sandbox.state.end_users) >= 5)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Created" in out
    assert "did not finish" in err
    assert "Traceback" not in err
    created = len(replay.users())
    assert f"{created}" in next(line for line in out.splitlines() if line.startswith("Created"))
    assert replay.push(export, "--workers", "64").returncode == 0
    assert len(replay.users()) == 100
    assert replay.paths("POST").count("/v1/end_users") == 100


def test_quiet_says_nothing_when_all_is_well(replay: Replay) -> None:
    done = replay.push(replay.write([identify("1", "ada@example.com", seats=1)]), "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_records_come_from_standard_input_too(replay: Replay) -> None:
    export = replay.write([identify("1", "ada@example.com"), page("1")])
    done = replay.push("-", stdin=export.read_text())
    assert done.returncode == 0, done.stderr
    assert len(replay.sandbox.state.page_views) == 1


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
    export = replay.write([identify("1", plan="pro"), track("1"), page("1"), page("1")])
    replay.push("--against", "account", export)
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


def test_a_long_line_in_the_rejects_can_be_tried_again(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings(faults=(refusing("bad@example.com"),)))
    record = identify("1", "bad@example.com", bio='"' * 400_000)
    assert replay.push(replay.write([record])).returncode == 1
    rejects = replay.folder / "rejects.ndjson"
    assert rejects.stat().st_size > 1024 * 1024
    rejects.write_text(rejects.read_text().replace("bad@example.com", "ada@example.com"))
    done = replay.push("rejects.ndjson")
    assert done.returncode == 0, done.stderr
    assert len(replay.users()["1"]["properties"]["bio"]) == 400_000


@pytest.mark.parametrize("options", [[], ["--no-fold"], ["--workers", "1"]])
def test_a_write_answered_with_properties_as_text_is_no_doubt(
    replaying: Callable[[SandboxSettings], Replay], options: list[str]
) -> None:
    replay = replaying(SandboxSettings(properties_as_text=True))
    first = [identify("1", "ada@example.com", plan='p"ro', vip=True), identify("2", "b@b.co")]
    export = replay.write([{**each, "messageId": f"a{n}"} for n, each in enumerate(first)])
    done = replay.push("--workers", "1", *options, export)
    assert done.returncode == 0, done.stderr
    again = [
        {"messageId": "b", "timestamp": "2024-03-01", **identify("1", plan="team")},
        {"messageId": "c", "timestamp": "2024-03-02", **identify("1", plan="team", seats_amount=3)},
    ]
    update = replay.write([*first, *again], "update.ndjson")
    done = replay.push(*options, update)
    assert done.returncode == 0, done.stderr
    assert replay.in_doubt().total() == 0
    assert replay.rejects() == []
    held = replay.users()["1"]["properties"]
    assert held == {"plan": "team", "vip": "true", "seats_amount": "3"}
    writes = [*replay.paths("PUT"), *replay.paths("POST")]
    assert replay.paths("PUT") == ["/v1/end_users/1"] * (2 if "--no-fold" in options else 1)
    assert replay.push(*options, update).returncode == 0
    signing_in = ["/oauth/token"]
    assert [*replay.paths("PUT"), *replay.paths("POST")] == writes + signing_in


def test_a_saved_plan_answered_with_properties_as_text_is_no_doubt(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings(properties_as_text=True))
    replay.holds("1", "ada@example.com", plan="free")
    export = replay.write([identify("1", "ada@example.com", plan="pro"), identify("2", "b@b.co")])
    plan = replay.plan("--against", "account", export)
    for _ in range(2):
        done = replay.push("--plan", plan)
        assert done.returncode == 0, done.stderr
        assert replay.in_doubt().total() == 0
    assert replay.users()["1"]["properties"] == {"plan": "pro"}
    assert replay.paths("PUT") == ["/v1/end_users/1"]
