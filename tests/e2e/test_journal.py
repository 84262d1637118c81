"""What a push does that follows another: nothing twice, nothing lost."""

import re
import resource
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest
import requests
from forking import Forked
from replaying import Replay, at, by_device, identify, page, track, until
from starlette.responses import JSONResponse, Response

from wootric_map.sandbox import Fault, FaultRule, ResetConnection, SandboxRequest, SandboxSettings

Start = Callable[[SandboxSettings], Replay]

ADA = identify("1", "ada@example.com", plan="pro")
BOB = identify("2", "bob@example.com", seats=3)
EXPORT = [ADA, BOB, track("1", messageId="t-1"), page("2"), page("2", "/b", messageId="p-2")]


def calls(replay: Replay) -> list[str]:
    """All requests but signing in, asking for the registered events, and whether it is the same sandbox."""
    return [
        f"{request['method']} {request['path']}"
        for request in replay.sandbox.requests
        if request["path"] not in ("/oauth/token", "/registered_events.json")
        and (request["method"], request["path"]) != ("GET", "/v1/end_users")
    ]


def made_by(replay: Replay, push: Callable[[], subprocess.CompletedProcess[str]]) -> list[str]:
    """The requests that a push makes, which must end well."""
    before = len(calls(replay))
    done = push()
    assert done.returncode == 0, done.stderr
    return calls(replay)[before:]


def lost_reply(path: str, number: int = 1, *, carried_out: bool = True) -> FaultRule:
    """Loses the replies to the first requests of a path."""
    left = iter(range(number))

    def rule(request: SandboxRequest) -> Fault | None:
        if request.path.startswith(path) and next(left, None) is not None:
            return Fault(ResetConnection(), carried_out=carried_out)
        return None

    return rule


@pytest.mark.parametrize("against", ["account", "nothing"])
def test_the_same_export_pushed_twice_makes_no_call_the_second_time(
    replay: Replay, against: str
) -> None:
    export = replay.write(EXPORT)
    first = made_by(replay, lambda: replay.push(export, "--against", against))
    assert len([call for call in first if not call.startswith("GET /v1")]) == 5
    held = replay.sandbox.state.to_json() | {"requests": None}
    assert made_by(replay, lambda: replay.push(export, "--against", against)) == []
    assert replay.sandbox.state.to_json() | {"requests": None} == held


def test_what_was_delivered_before_is_named_and_is_no_failure(replay: Replay) -> None:
    export = replay.write(EXPORT)
    replay.push(export)
    done = replay.push(export)
    assert done.returncode == 0
    assert "Delivered before" in done.stdout
    assert "delivered_before 3" in done.stdout
    assert "0 API calls to make" in done.stderr


def test_a_longer_export_sends_only_what_is_new(replay: Replay) -> None:
    replay.push(replay.write(EXPORT))
    longer = [
        *EXPORT,
        at(9, identify("1", plan="team")),
        at(9, identify("2", seats=3)),
        identify("3", "cy@example.com"),
        page("1", "/new"),
    ]
    made = made_by(replay, lambda: replay.push(replay.write(longer, "longer.ndjson")))
    number = replay.users()["1"]["id"]
    assert sorted(made) == [
        "GET /pixel.gif",
        "POST /v1/end_users",
        f"PUT /v1/end_users/{number}",
    ]
    (update,) = [each for each in replay.sandbox.requests if each["method"] == "PUT"]
    assert update["form"] == {"external_id": "1", "properties[plan]": "team"}


def test_an_older_export_pushed_once_more_takes_nothing_back(replay: Replay) -> None:
    older = replay.write([at(1, ADA)], "older.ndjson")
    replay.push(older)
    replay.push(replay.write([at(2, identify("1", plan="team"))], "newer.ndjson"))
    assert made_by(replay, lambda: replay.push(older)) == []
    assert replay.users()["1"]["properties"]["plan"] == "team"


def test_a_value_that_comes_back_is_sent_again(replay: Replay) -> None:
    history = [at(day, identify("1", "ada@example.com", plan=plan)) for day, plan in PLANS]
    for day in range(1, len(history) + 1):
        replay.push(replay.write(history[:day]))
        assert replay.users()["1"]["properties"]["plan"] == PLANS[day - 1][1]


PLANS = [(1, "pro"), (2, "free"), (3, "pro"), (4, "free")]


def test_unfolded_each_write_is_made_once(replay: Replay) -> None:
    history = [at(day, identify("1", "ada@example.com", plan=plan)) for day, plan in PLANS]
    export = replay.write(history)
    made = made_by(replay, lambda: replay.push(export, "--no-fold"))
    assert len([call for call in made if not call.startswith("GET")]) == 4
    assert made_by(replay, lambda: replay.push(export, "--no-fold")) == []


def test_again_sends_it_all_once_more(replay: Replay) -> None:
    export = replay.write(EXPORT)
    replay.push(export)
    made = made_by(replay, lambda: replay.push(export, "--again"))
    assert [call for call in made if call.startswith(("POST", "PUT"))] == []
    assert len(replay.sandbox.state.eligibility_checks) == 2
    assert len(replay.sandbox.state.page_views) == 4
    assert made_by(replay, lambda: replay.push(export)) == []


def test_what_wootric_refused_is_tried_again(replaying: Start) -> None:
    refuses = [True]

    def rule(request: SandboxRequest) -> Fault | None:
        if refuses and request.path == "/pixel.gif":
            return Fault(Response('{"error":"no"}', 422))
        return None

    replay = replaying(SandboxSettings(faults=(rule,)))
    export = replay.write(EXPORT)
    assert replay.push(export).returncode == 1
    assert failed(replay) == NONE | {"write": 0, "eligibility_check": 0, "page_view": 2}
    refuses.clear()
    assert made_by(replay, lambda: replay.push(export)) == []
    retry = lambda: replay.push("--retry-rejects", export)  # noqa: E731
    assert made_by(replay, retry) == ["GET /pixel.gif"] * 2
    assert failed(replay) == NONE | {"write": 0, "eligibility_check": 0, "page_view": 0}


@pytest.mark.parametrize("from_plan", [False, True])
def test_what_failed_is_made_up_for_by_what_was_mended(replaying: Start, from_plan: bool) -> None:
    def rule(request: SandboxRequest) -> Fault | None:
        if request.method == "POST" and request.form.get("properties[plan]") == "pro":
            return Fault(Response('{"error":"no"}', 422))
        return None

    replay = replaying(SandboxSettings(faults=(rule,)))
    export = replay.write([ADA, track("1"), page("1")])
    pushed = replay.push("--plan", replay.plan(export)) if from_plan else replay.push(export)
    assert pushed.returncode == 1
    assert failed(replay) == NONE | {"write": 1, "eligibility_check": 1, "page_view": 1}
    mended = [identify("1", "ada@example.com", plan="team"), track("1"), page("1")]
    assert replay.push(replay.write(mended)).returncode == 0
    assert failed(replay) == NONE | {"write": 0, "eligibility_check": 0, "page_view": 0}


NONE = dict.fromkeys(
    ("write", "eligibility_check", "page_view", "response", "decline", "surveys_off"), 0
)


def failed(replay: Replay) -> dict[str, int]:
    """What `status` says has failed."""
    held: dict[str, int] = orjson.loads(replay.run("status", "--format", "json").stdout)["failed"]
    return held


def test_an_end_user_deleted_since_is_made_anew(replay: Replay) -> None:
    replay.holds("9", "eve@example.com")
    replay.push(replay.write([ADA]))
    state = replay.sandbox.state
    state.reset()
    with state.lock:  # as if she, who was there before, were the only one left
        now = state.clock
        state.clock = lambda: 1.0
        replay.holds("9", "eve@example.com")
        state.clock = now
    changed = identify("1", "ada@example.com", plan="team", seats=1)
    assert replay.push(replay.write([at(1, changed)], "b.ndjson")).returncode == 0
    assert replay.users()["1"]["properties"] == {"plan": "team", "seats": "1"}


def test_an_email_that_somebody_else_has_by_now_is_looked_up(replay: Replay) -> None:
    """The journal knows end user 1 by an email that live traffic has given to another since."""
    replay.push(replay.write([by_device("d", identify("", "shared@example.com", plan="pro"))]))
    state = replay.sandbox.state
    (user,) = state.end_users
    form = {"email": "moved@example.com"}
    with state.lock:
        path = {"id": str(user.id)}
        state.update_end_user(SandboxRequest("", "PUT", "", path, {}, form, {}, False))
    replay.holds("9", "shared@example.com")
    done = replay.push(
        replay.write([at(1, identify("9", "shared@example.com", plan="x"))], "b.ndjson")
    )
    assert done.returncode == 0, done.stderr
    assert replay.users()["9"]["properties"] == {"plan": "x"}


def test_an_external_id_that_somebody_else_has_by_now_is_looked_up(replay: Replay) -> None:
    """The journal knows end user 1 by a userId that live traffic has given to another since."""
    replay.push(replay.write([identify("1", "ada@example.com", plan="pro")]))
    state = replay.sandbox.state
    (ada,) = state.end_users
    with state.lock:
        path = {"id": str(ada.id)}
        form = {"external_id": "one"}
        state.update_end_user(SandboxRequest("", "PUT", "", path, {}, form, {}, False))
    replay.holds("1", "bob@example.com")
    done = replay.push(replay.write([at(1, identify("1", plan="x"))], "b.ndjson"))
    assert done.returncode == 0, done.stderr
    assert replay.users()["1"]["properties"] == {"plan": "x"}
    assert replay.users()["one"]["properties"] == {"plan": "pro"}


@pytest.mark.parametrize("meanwhile", [[], ["somebody"]])
def test_a_stand_in_that_was_started_anew_gets_everything_once_more(
    replay: Replay, meanwhile: list[str]
) -> None:
    export = replay.write(EXPORT)
    replay.push(export)
    replay.sandbox.state.reset()
    time.sleep(1.1)  # the age of end users is told in whole seconds
    for name in meanwhile:
        replay.holds(name, f"{name}@example.com")
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    assert "started anew" in done.stderr
    assert len(replay.sandbox.state.page_views) == 2
    assert {"1", "2"} <= set(replay.users())


def delivered(replay: Replay) -> dict[str, int]:
    """What `status` says has been delivered."""
    held: dict[str, int] = orjson.loads(replay.run("status", "--format", "json").stdout)[
        "delivered"
    ]
    return held


@pytest.mark.parametrize("told", [[], [{"id": 1, "created_at": 4_000_000_000}]])
def test_one_reply_makes_no_journal_forgotten(replaying: Start, told: list[object]) -> None:
    empty = [False]

    def rule(request: SandboxRequest) -> Fault | None:
        is_list = request.endpoint == "GET /v1/end_users"
        return Fault(JSONResponse(told)) if empty[0] and is_list else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    export = replay.write(EXPORT)
    replay.push(export)
    before = delivered(replay)
    empty[0] = True
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    assert "started anew" not in done.stderr
    assert delivered(replay) == before
    assert len(replay.sandbox.state.page_views) == 2


class Forwarding(BaseHTTPRequestHandler):
    """A proxy on this machine, behind which Wootric itself might be, that has nothing of a sandbox's own."""

    protocol_version = "HTTP/1.1"
    to = ""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.path.startswith("/_"):
            status, content = 404, b"{}"
        else:
            names = ("Authorization", "Content-Type")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            reply = requests.request(
                self.command, f"{self.to}{self.path}", headers=headers, data=body, timeout=30
            )
            status, content = reply.status_code, reply.content
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        pass


def test_what_is_no_sandbox_makes_no_journal_forgotten(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Forwarding, "to", replay.sandbox.base_url)
    export = replay.write(EXPORT)
    with ThreadingHTTPServer(("127.0.0.1", 0), Forwarding) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        env = {"WOOTRIC_BASE_URL": f"http://127.0.0.1:{server.server_port}"}
        try:
            assert replay.push(export, env=env).returncode == 0
            before = delivered(replay)
            replay.sandbox.state.reset()
            done = replay.push(export, env=env)
        finally:
            server.shutdown()
            serving.join()
    assert done.returncode == 0, done.stderr
    assert "started anew" not in done.stderr
    assert delivered(replay) == before
    assert sum(before.values()) == 5


@pytest.mark.parametrize(("newer", "sent"), [(3600, ["PUT"]), (-3600, [])])
def test_the_newer_of_journal_and_snapshot_is_compared_with(
    replay: Replay, newer: int, sent: list[str]
) -> None:
    replay.push(replay.write([ADA]))
    state = replay.sandbox.state
    (ada,) = state.end_users
    with state.lock:
        path = {"id": str(ada.id)}
        form = {"properties[plan]": "live"}
        state.update_end_user(SandboxRequest("", "PUT", "", path, {}, form, {}, False))
    snapshot = replay.snapshot()
    taken = re.sub(r'(?<="as_of":)[0-9]+', lambda at: str(int(at[0]) + newer), snapshot.read_text())
    snapshot.write_text(taken)
    export = replay.write([at(1, ADA)], "newer.ndjson")
    made = made_by(replay, lambda: replay.push(export, "--against", snapshot))
    assert [call.split()[0] for call in made] == sent


# A plan that was saved.


def test_a_saved_plan_pushed_twice_makes_no_call_the_second_time(replay: Replay) -> None:
    plan = replay.plan(replay.write(EXPORT))
    made_by(replay, lambda: replay.push("--plan", plan))
    assert made_by(replay, lambda: replay.push("--plan", plan)) == []


def test_a_plan_and_its_export_know_each_others_deliveries(replay: Replay) -> None:
    export = replay.write(EXPORT)
    plan = replay.plan(export)
    made_by(replay, lambda: replay.push("--plan", plan))
    assert made_by(replay, lambda: replay.push(export)) == []
    other = replay.write([identify("5", "eve@example.com"), page("5")], "other.ndjson")
    plan = replay.plan(other, name="other")
    made_by(replay, lambda: replay.push(other))
    assert made_by(replay, lambda: replay.push("--plan", plan)) == []


def test_half_a_plan_goes_on_where_it_was(replaying: Start) -> None:
    broken = [True]

    def rule(request: SandboxRequest) -> Fault | None:
        if broken and request.form.get("properties[plan]") == "free":
            return Fault(Response('{"error":"no"}', 422))
        return None

    replay = replaying(SandboxSettings(faults=(rule,)))
    history = [at(day, identify("1", "ada@example.com", plan=plan)) for day, plan in PLANS]
    plan = replay.plan(replay.write(history), "--no-fold")
    assert replay.push("--plan", plan).returncode == 1
    broken.clear()
    before = len(calls(replay))
    assert replay.push("--plan", plan).returncode == 0
    # What the first of the two that failed says, a later one that went through has said otherwise.
    assert [call.split("/")[0] for call in calls(replay)[before:]] == ["PUT "]
    assert replay.users()["1"]["properties"] == {"plan": "free"}
    assert len(replay.users()) == 1


@pytest.mark.parametrize("saved", [False, True])
def test_an_earlier_write_that_failed_is_not_made_up_for_once_a_later_one_went_through(
    replaying: Start, saved: bool
) -> None:
    """The second of three writes fails at first, and what it says is outdone by then."""
    refused: list[str | None] = ["free"]

    def rule(request: SandboxRequest) -> Fault | None:
        if request.form.get("properties[plan]") in refused:
            return Fault(Response('{"error":"no"}', 422))
        return None

    replay = replaying(SandboxSettings(faults=(rule,)))
    plans = [(1, "pro"), (2, "free"), (3, "team")]
    export = replay.write([at(day, identify("1", "ada@example.com", plan=p)) for day, p in plans])
    push = ("--plan", replay.plan(export, "--no-fold")) if saved else (export, "--no-fold")
    assert replay.push(*push).returncode == 1
    assert replay.users()["1"]["properties"] == {"plan": "team"}
    refused.clear()
    for _ in range(2):
        assert made_by(replay, lambda: replay.push(*push)) == []
        assert replay.users()["1"]["properties"] == {"plan": "team"}
    assert failed(replay) == NONE | {"write": 0, "eligibility_check": 0, "page_view": 0}


# Records that were mended.


@pytest.fixture
def refusing(replaying: Start) -> tuple[Replay, list[str]]:
    """A sandbox that refuses the first page view of each of these paths."""
    paths: list[str] = []

    def rule(request: SandboxRequest) -> Fault | None:
        path = request.query.get("page_info[path]")
        if path in paths:
            paths.remove(path)
            return Fault(Response('{"error":"no"}', 422))
        return None

    return replaying(SandboxSettings(faults=(rule,))), paths


def test_of_two_that_are_the_same_the_one_that_failed_is_sent_from_the_rejects(
    refusing: tuple[Replay, list[str]],
) -> None:
    replay, paths = refusing
    paths.append("/same")
    export = replay.write([ADA, page("1", "/same"), page("1", "/same")])
    assert replay.push(export, "--workers", "1").returncode == 1
    done = replay.push("rejects.ndjson")
    assert done.returncode == 0, done.stderr
    assert len(replay.sandbox.state.page_views) == 2
    assert made_by(replay, lambda: replay.push(export)) == []


def test_what_was_mended_is_not_sent_once_more_as_it_was(
    refusing: tuple[Replay, list[str]],
) -> None:
    replay, paths = refusing
    paths.append("/wrong")
    export = replay.write([ADA, page("1", "/wrong")])
    assert replay.push(export).returncode == 1
    rejects = replay.folder / "rejects.ndjson"
    rejects.write_text(rejects.read_text().replace("/wrong", "/mended"))
    assert replay.push(rejects).returncode == 0
    assert made_by(replay, lambda: replay.push(export)) == []
    (view,) = replay.sandbox.state.page_views
    assert view.params["page_info[path]"] == "/mended"


# Doubt.


@pytest.mark.parametrize("path", ["/eligible.json", "/pixel.gif"])
@pytest.mark.parametrize("carried_out", [True, False])
def test_an_event_without_an_answer_is_left_out_the_next_time(
    replaying: Start, path: str, carried_out: bool
) -> None:
    replay = replaying(SandboxSettings(faults=(lost_reply(path, carried_out=carried_out),)))
    export = replay.write([ADA, track("1"), page("1")])
    done = replay.push(export)
    assert done.returncode == 1
    assert [entry["code"] for entry in replay.rejects()] == ["in_doubt"]
    assert "In doubt" in done.stdout
    done = replay.push(export)
    assert done.returncode == 0
    assert "in_doubt 1" in done.stdout
    assert "1 record left out in doubt" in done.stderr
    assert calls(replay).count(f"GET {path}") == 1
    assert replay.push("rejects.ndjson").returncode == 0
    assert calls(replay).count(f"GET {path}") == 1


@pytest.mark.parametrize("path", ["/eligible.json", "/pixel.gif"])
def test_asked_to_it_is_sent_again(replaying: Start, path: str) -> None:
    replay = replaying(SandboxSettings(faults=(lost_reply(path),)))
    export = replay.write([ADA, track("1"), page("1")])
    replay.push(export)
    done = replay.push(export, "--in-doubt", "resend")
    assert done.returncode == 0, done.stderr
    assert calls(replay).count(f"GET {path}") == 2
    assert "In doubt" not in done.stdout
    assert made_by(replay, lambda: replay.push(export, "--in-doubt", "resend")) == []


@pytest.mark.parametrize("path", ["/eligible.json", "/pixel.gif"])
def test_asked_to_it_is_sent_again_at_once(replaying: Start, path: str) -> None:
    replay = replaying(SandboxSettings(faults=(lost_reply(path, carried_out=False),)))
    export = replay.write([ADA, track("1"), page("1")])
    done = replay.push(export, "--in-doubt", "resend")
    assert done.returncode == 0, done.stderr
    assert len(replay.sandbox.state.eligibility_checks) == 1
    assert len(replay.sandbox.state.page_views) == 1


# One run at a time.


@pytest.fixture
def slow(replaying: Start) -> Replay:
    return replaying(SandboxSettings(latency=0.05))


@pytest.fixture
def running(slow: Replay) -> Iterator[Forked]:
    """A push of 60 end users that has just created the first."""
    export = slow.write(identify(f"u{n}", f"u{n}@example.com") for n in range(60))
    with slow.start("push", export, "--workers", "2") as process:
        try:
            until(lambda: bool(slow.sandbox.state.end_users))
            yield process
        finally:
            process.kill()


def test_a_second_push_exits_with_6_and_says_who_is_at_work(slow: Replay, running: Forked) -> None:
    done = slow.push(slow.write([ADA], "second.ndjson"))
    assert done.returncode == 6
    assert f"process {running.pid} on" in done.stderr
    assert "--wait" in done.stderr
    assert "1" not in slow.users() or "plan" not in slow.users()["1"]["properties"]
    (line,) = slow.run("status", "--format", "json").stdout.splitlines()
    assert orjson.loads(line)["under_way"]["process"] == running.pid
    forgetting = slow.run("journal", "forget", "--yes")
    assert forgetting.returncode == 6
    # Wherever its journal stands, the account is the same.
    elsewhere = slow.push(slow.folder / "second.ndjson", "--journal", slow.folder / "own.journal")
    assert elsewhere.returncode == 6


def test_told_to_wait_it_waits_and_then_does_its_own(slow: Replay, running: Forked) -> None:
    done = slow.push(slow.write([at(1, ADA)], "second.ndjson"), "--wait", "60")
    assert done.returncode == 0, done.stderr
    assert running.wait() == 0
    assert slow.users()["1"]["properties"] == {"plan": "pro"}
    assert len(slow.users()) == 61


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_to_stop_it_waits_no_longer(
    slow: Replay, running: Forked, number: int, code: int
) -> None:
    export = slow.write([at(1, ADA)], "second.ndjson")
    with slow.start("push", export, "--wait", "60") as waiting:
        assert waiting.stderr
        assert f"process {running.pid} on" in waiting.stderr.readline()
        waiting.send_signal(number)
        _, errors = waiting.communicate(timeout=30)
    assert waiting.returncode == code
    assert errors == "Error: interrupted\n"


def test_a_lock_of_a_dead_process_is_no_obstacle(slow: Replay, running: Forked) -> None:
    running.kill()
    running.wait()
    assert list((slow.folder / "state").rglob("*.lock"))
    done = slow.push(slow.folder / "export.ndjson")
    assert done.returncode == 0, done.stderr
    assert len(slow.users()) == 60
    assert calls(slow).count("POST /v1/end_users") <= 60 + 2


# Stopped, and continued.


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_push_that_was_stopped_goes_on(replaying: Start, number: int, code: int) -> None:
    replay = replaying(SandboxSettings(latency=0.02))
    records = [
        *(identify(f"u{n}", f"u{n}@example.com") for n in range(40)),
        *(track(f"u{n}") for n in range(40)),
        *(page(f"u{n}") for n in range(40)),
    ]
    export = replay.write(records)
    with replay.start("push", export) as process:
        until(lambda: len(replay.sandbox.state.page_views) > 5)
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Run the same command again to go on" in errors
    assert "Traceback" not in errors
    assert len(replay.sandbox.state.page_views) < 40
    assert "In doubt" not in output
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    state = replay.sandbox.state
    assert len(state.end_users) == len(state.eligibility_checks) == len(state.page_views) == 40
    assert calls(replay).count("POST /v1/end_users") == 40
    runs = orjson.loads(replay.run("status", "--format", "json").stdout)["runs"]
    assert [run["exit_code"] for run in runs] == [0, code]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_twice_it_stops_at_once_and_loses_nothing(
    replaying: Start, number: int, code: int
) -> None:
    replay = replaying(SandboxSettings(latency=0.5))
    export = replay.write([*(identify(f"u{n}", f"u{n}@example.com") for n in range(4)), page("u0")])
    with replay.start("push", export, "--workers", "2", "--no-progress") as process:
        assert process.stderr
        until(lambda: bool(replay.sandbox.state.end_users))
        process.send_signal(number)
        assert any("again ends at once" in line for line in process.stderr)
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == code
    assert output == "", "it took the time to sum up"
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    assert sorted(replay.users()) == ["u0", "u1", "u2", "u3"]
    assert len(replay.sandbox.state.end_users) == 4
    doubtful = orjson.loads(replay.run("status", "--format", "json").stdout)["in_doubt"]
    assert len(replay.sandbox.state.page_views) + doubtful["page_view"] >= 1
    assert len(replay.sandbox.state.page_views) <= 1


def test_stopped_before_anything_was_sent_it_says_so(replay: Replay) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with replay.start("push", replay.write([ADA]), "--base-url", url) as process:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert errors == "Interrupted before anything was sent.\n"


@pytest.mark.soak
def test_a_stop_waits_for_no_answer_longer_than_ten_seconds(replaying: Start) -> None:
    replay = replaying(SandboxSettings(latency=30))
    with replay.start("push", replay.write([ADA])) as process:
        # Signing in is waited for too, so that the stop comes while the sandbox holds its answer back.
        until(lambda: bool(list((replay.folder / "state").rglob("*.journal"))))
        time.sleep(0.5)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=25)
    assert process.returncode == 143
    assert time.monotonic() - begun < 15


# The file.


def test_the_journal_and_its_folder_are_their_owners_alone(replay: Replay) -> None:
    replay.push(replay.write(EXPORT))
    found = list((replay.folder / "state").rglob("*.journal"))
    assert len(found) == 1
    assert stat.S_IMODE(found[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(found[0].parent.stat().st_mode) == 0o700


def test_secrets_and_emails_are_not_in_the_journal(replay: Replay) -> None:
    replay.push(replay.write(EXPORT))
    settings = replay.sandbox.settings
    for path in (replay.folder / "state").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for secret in (settings.client_secret, settings.account_token, "ada@example.com"):
                assert secret.encode() not in content


def test_a_journal_of_ones_own_choice(replay: Replay) -> None:
    export = replay.write(EXPORT)
    own = replay.folder / "own.journal"
    made_by(replay, lambda: replay.push(export, "--journal", own))
    assert made_by(replay, lambda: replay.push(export, "--journal", own)) == []
    assert len(made_by(replay, lambda: replay.push(export))) > 0
    (line,) = replay.run("status", "--journal", own, "--format", "json").stdout.splitlines()
    told = {"write": 2, "eligibility_check": 1, "page_view": 2}
    assert orjson.loads(line)["delivered"] == NONE | told


def test_a_link_to_a_journal_is_that_journal(replay: Replay) -> None:
    export, link = replay.write(EXPORT), replay.folder / "link"
    replay.push(export, "--journal", "own.journal")
    link.symlink_to("own.journal")
    assert made_by(replay, lambda: replay.push(export, "--journal", link)) == []
    assert [path.name for path in replay.folder.glob("*.lock")] == ["own.journal.lock"]
    assert replay.run("journal", "forget", "--journal", link, "--yes").returncode == 0
    assert not (replay.folder / "own.journal").exists()


@pytest.mark.parametrize("name", [".", "/"])
def test_a_folder_is_no_journal(replay: Replay, name: str) -> None:
    done = replay.push(replay.write(EXPORT), "--journal", name)
    assert done.returncode == 2
    assert "is a folder" in done.stderr


def test_another_address_is_another_account(replay: Replay, replaying: Start) -> None:
    export = replay.write(EXPORT)
    replay.push(export)
    other = replaying(SandboxSettings())
    assert len(made_by(other, lambda: other.push(export))) > 0


def test_the_embedded_sandbox_keeps_no_journal(replay: Replay) -> None:
    export = replay.write(EXPORT)
    for _ in range(2):
        done = replay.push("--sandbox", export)
        assert re.search(r"^Created +2 ", done.stdout, re.MULTILINE)
    assert not (replay.folder / "state").exists()
    done = replay.push("--sandbox", export, "--journal", replay.folder / "x")
    assert done.returncode == 2


@pytest.mark.parametrize("content", ["hello\n" * 1000, '{"type":"identify"}\n'])
def test_a_file_that_is_no_journal_is_refused_and_kept(replay: Replay, content: str) -> None:
    path = replay.folder / "other"
    path.write_text(content)
    done = replay.push(replay.write(EXPORT), "--journal", path)
    assert done.returncode == 2
    assert "other" in done.stderr
    assert path.read_text() == content
    assert calls(replay) == []


def test_a_full_disk_ends_the_run_with_5_before_what_it_could_not_put_on_record(
    replay: Replay,
) -> None:
    users = [identify(f"u{n}", f"u{n}@example.com") for n in range(200)]
    export = replay.write(users)
    # No file may grow past 192 KiB, which the journal needs and nothing else does.
    limits = {resource.RLIMIT_FSIZE: (192 * 1024, 192 * 1024)}
    limited = replay.run_within(limits, "push", export)
    assert limited.returncode == 5, limited.stderr
    assert "the journal can't be written" in limited.stderr
    assert "Traceback" not in limited.stderr
    assert 0 < len(replay.sandbox.state.end_users) < 200
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    assert len(replay.sandbox.state.end_users) == 200
    assert calls(replay).count("POST /v1/end_users") == 200


def test_a_disk_that_is_full_at_the_very_end_is_said_with_5(replaying: Start) -> None:
    started: list[Forked] = []

    def fill(request: SandboxRequest) -> Fault | None:
        if request.path == "/pixel.gif":
            resource.prlimit(started[0].pid, resource.RLIMIT_FSIZE, (0, 0))
        return None

    replay = replaying(SandboxSettings(faults=(fill,), latency=0.1))
    with replay.start("push", replay.write([ADA, page("1")])) as process:
        started.append(process)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 5, errors
    assert "the journal can't be written" in errors
    assert "never answered" in output
    assert calls(replay).count("GET /pixel.gif") == 1
    assert replay.push("export.ndjson").returncode == 0
    assert calls(replay).count("GET /pixel.gif") == 1


# status, and forgetting.


def test_status_without_a_journal_says_so(replay: Replay) -> None:
    done = replay.run("status")
    assert done.returncode == 0
    assert "Nothing has been delivered yet" in done.stdout


def test_status_shows_each_account_and_marks_ones_own(replay: Replay, replaying: Start) -> None:
    export = replay.write(EXPORT)
    replay.push(export)
    replaying(SandboxSettings(account_token="NPS-EU-abcd1234")).push(export)
    done = replay.run("status")
    assert done.returncode == 0
    assert done.stdout.count("Account ") == 2
    assert done.stdout.count("← WOOTRIC_ACCOUNT_TOKEN") == 1
    assert "2 end user writes, 1 eligibility check, 2 page views" in done.stdout
    assert "exit 0: 2 created, 0 updated" in done.stdout


def test_status_shows_as_many_runs_as_are_asked_for(replay: Replay) -> None:
    export = replay.write(EXPORT)
    for _ in range(7):
        assert replay.push(export).returncode == 0
    for asked, shown in (
        ((), 5),
        (("--runs", "2"), 2),
        (("--runs", "100"), 7),
        (("--runs", "0"), 0),
    ):
        assert replay.run("status", *asked).stdout.count("Run ") == shown
        told = orjson.loads(replay.run("status", *asked, "--format", "json").stdout)
        assert len(told["runs"]) == shown
        assert told["last_finished"]["number"] == 7


def test_a_push_that_is_long_ago_is_overdue(replay: Replay) -> None:
    done = replay.run("status", "--max-age", "26h")
    assert done.returncode == 1
    assert "no journal knows of a push to this account" in done.stderr
    assert replay.push(replay.write(EXPORT)).returncode == 0
    assert replay.run("status", "--max-age", "26h").returncode == 0
    done = replay.run("status", "--max-age", "0.001s")
    assert done.returncode == 1
    assert "ended the last push" in done.stderr
    assert "Delivered" in done.stdout


def test_of_another_account_no_push_is_overdue(replay: Replay, replaying: Start) -> None:
    export = replay.write(EXPORT)
    assert replay.push(export).returncode == 0
    other = replaying(SandboxSettings(account_token="NPS-EU-abcd1234"))
    done = other.run("status", "--max-age", "26h")
    assert done.returncode == 1
    assert done.stdout.count("Account ") == 1
    assert "no journal knows of a push to this account" in done.stderr


def test_forgetting_asks_first(replay: Replay) -> None:
    export = replay.write(EXPORT)
    replay.push(export)
    done = replay.run("journal", "forget")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert made_by(replay, lambda: replay.push(export)) == []
    assert replay.run("journal", "forget", "--yes").returncode == 0
    assert not list((replay.folder / "state").rglob("*.journal*"))
    assert len(made_by(replay, lambda: replay.push(export))) > 0


def test_there_is_nothing_to_forget_where_there_is_no_journal(replay: Replay) -> None:
    done = replay.run("journal", "forget", "--yes")
    assert done.returncode == 2
    assert "no such journal" in done.stderr


def test_a_state_folder_that_can_not_be_made_is_said_with_5(replay: Replay, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    env = {"XDG_STATE_HOME": str(tmp_path / "file")}
    done = replay.push(replay.write(EXPORT), env=env)
    assert done.returncode == 5
    assert "--journal" in done.stderr
    assert calls(replay) == []
    own = replay.folder / "own.journal"
    assert replay.push(replay.folder / "export.ndjson", "--journal", own, env=env).returncode == 0
    assert own.with_name("own.journal.lock").exists()
