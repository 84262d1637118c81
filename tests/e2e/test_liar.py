"""A server that lies, and one whose replies have no end: nobody is overwritten, and no memory is filled."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from forking import Forked
from huge import HUGE, giving
from raw_server import raw_server
from replaying import Replay, identify, page, track
from starlette.responses import JSONResponse

from wootric_map.sandbox import Fault, FaultRule, SandboxRequest, SandboxSettings
from wootric_map.wootric.replies import MOST_IN_A_ROW

Start = Callable[[SandboxSettings], Replay]

OTHER: Final = {"email": "other@example.com", "external_id": "other", "phone_number": "+4930999"}
"""Somebody else, who is in the account."""

LOOK_UPS: Final = "GET /v1/end_users/"
CREATES: Final = "POST /v1/end_users"
UPDATES: Final = "PUT /v1/end_users/"

MOST_MEMORY: Final = 250
"""Megabytes."""


def telling(told: object, *starts: str, carried_out: bool = False) -> FaultRule:
    """Answer each request that begins so with this, after it was carried out or in place of that."""

    def rule(request: SandboxRequest) -> Fault | None:
        sent = f"{request.method} {request.path}"
        return Fault(JSONResponse(told), carried_out) if sent.startswith(starts) else None

    return rule


def start(replaying: Start, *rules: FaultRule) -> Replay:
    """A sandbox that holds somebody else, whose id is 1."""
    replay = replaying(SandboxSettings(faults=rules))
    replay.holds(OTHER["external_id"], OTHER["email"], phone_number=OTHER["phone_number"])
    return replay


def without_list(request: SandboxRequest) -> Fault | None:
    """Refuse the account's list, so that only look-ups tell who is there."""
    if (request.method, request.path) == ("GET", "/v1/end_users"):
        return Fault(JSONResponse({"error": "off"}, 423))
    return None


def people(number: int) -> list[dict[str, Any]]:
    users = [f"u{each}" for each in range(number)]
    return [
        *(identify(user, f"{user}@example.com", plan="pro") for user in users),
        *(track(user) for user in users),
        *(page(user) for user in users),
    ]


def codes(replay: Replay) -> dict[str, set[str]]:
    """The codes of the rejects, by the type of their records."""
    found: dict[str, set[str]] = {}
    for entry in replay.rejects():
        kind = orjson.loads(entry["record"])["type"]
        found.setdefault(kind, set()).add(entry["code"])
    return found


@pytest.mark.parametrize(
    "record",
    [
        identify("u1", "ada@example.com", phone="+49 30 123456", plan="pro"),
        {"type": "identify", "anonymousId": "a", "traits": {"email": "ada@example.com"}},
        {"type": "identify", "userId": "u1", "traits": {"phone": "+49 30 123456"}},
        {**identify("u1"), "context": {"externalIds": [{"type": "wootricEndUserId", "id": "7"}]}},
    ],
)
def test_nobody_is_written_whom_a_look_up_did_not_ask_for(
    replaying: Start, record: dict[str, Any]
) -> None:
    replay = start(replaying, telling({"id": 1, **OTHER}, LOOK_UPS))
    done = replay.push("--against", "account", replay.write([record]))
    assert done.returncode == 1, done.stderr
    assert [entry["code"] for entry in replay.rejects()] == ["bad_reply"]
    assert replay.paths("PUT") == []
    assert replay.paths("POST") == ["/oauth/token"]


def test_nobody_is_written_whom_a_look_up_after_a_refusal_did_not_ask_for(
    replaying: Start,
) -> None:
    replay = start(replaying, without_list, telling({"id": 1, **OTHER}, LOOK_UPS))
    replay.holds("u1", "ada@example.com", plan="free")
    done = replay.push(replay.write([identify("u1", "ada@example.com", plan="pro")]))
    assert done.returncode == 1, done.stderr
    assert [entry["code"] for entry in replay.rejects()] == ["bad_reply"]
    assert replay.paths("PUT") == []
    assert replay.users()["u1"]["properties"] == {"plan": "free"}


def test_nobody_is_written_for_a_phone_alone(replaying: Start) -> None:
    phone = "+44 20 7946 0001"
    users = [identify(f"u{each}", f"u{each}@example.com", phone=phone) for each in range(3)]
    for told in (phone, "60001"):
        replay = start(replaying, telling({"id": 1, "phone_number": told}, LOOK_UPS))
        done = replay.push("--against", "account", replay.write(users))
        assert done.returncode == 1, done.stderr
        assert [entry["code"] for entry in replay.rejects()] == ["bad_reply"] * 3
        assert replay.paths("PUT") == []


@pytest.mark.parametrize("workers", ["1", "8"])
def test_a_run_stops_after_a_few_replies_of_somebody_else_and_says_why(
    replaying: Start, workers: str
) -> None:
    replay = start(replaying, telling({"id": 1, **OTHER}, LOOK_UPS))
    export = replay.write(people(100))
    done = replay.push("--against", "account", export, "--workers", workers)
    assert done.returncode == 5
    assert "5 replies in a row can't be believed" in done.stderr
    assert "a look-up by external id is of another end user (1)" in done.stderr
    assert "other@example.com" not in done.stdout + done.stderr
    asked = [path for path in replay.paths("GET") if path.startswith("/v1/end_users/")]
    assert len(asked) < MOST_IN_A_ROW + int(workers)
    assert replay.paths("PUT") == []
    assert replay.users()["other"]["properties"] == {}


def test_a_dry_run_stops_too(replaying: Start) -> None:
    replay = start(replaying, telling({"id": 1, **OTHER}, LOOK_UPS))
    done = replay.run("dry-run", "--against", "account", replay.write(people(100)))
    assert done.returncode == 5, done.stderr
    assert "can't be believed" in done.stderr


def test_a_create_that_is_answered_with_somebody_else_leaves_their_id_alone(
    replaying: Start,
) -> None:
    replay = start(replaying, telling({"id": 1, **OTHER}, CREATES, carried_out=True))
    export = replay.write([identify("u1", "ada@example.com", plan="pro")])
    # It is looked up, as after no answer, and found as it was sent.
    assert replay.push(export).returncode == 0
    assert replay.users()["u1"]["id"] == 2
    more = replay.write([identify("u1", "ada@example.com", plan="max")], "more.ndjson")
    assert replay.push(more).returncode == 0
    assert replay.paths("PUT") == ["/v1/end_users/2"]


def test_a_create_that_is_answered_with_an_id_alone_is_looked_up(replaying: Start) -> None:
    replay = start(replaying, telling({"id": 1}, CREATES, carried_out=True))
    export = replay.write([identify(f"u{n}", f"u{n}@example.com") for n in range(20)])
    assert replay.push(export).returncode == 0
    more = replay.write([identify("u5", "u5@example.com", plan="max")], "more.ndjson")
    assert replay.push(more).returncode == 0
    assert replay.paths("PUT") == [f"/v1/end_users/{replay.users()['u5']['id']}"]


def test_an_update_that_is_answered_with_somebody_else_is_in_doubt_and_then_settled(
    replaying: Start,
) -> None:
    lies = [True]
    lie = telling({"id": 1, **OTHER}, UPDATES, carried_out=True)
    replay = start(replaying, lambda request: lie(request) if lies else None)
    replay.holds("u1", "ada@example.com")
    export = replay.write([identify("u1", "ada@example.com", plan="pro"), page("u1")])
    done = replay.push(export)
    assert done.returncode == 1
    assert codes(replay) == {"identify": {"bad_reply"}, "page": {"end_user_failed"}}
    assert replay.in_doubt()["write"] == 1
    lies.clear()
    done = replay.push("rejects.ndjson")
    assert done.returncode == 0, done.stderr
    assert "1 had arrived" in done.stderr
    assert replay.paths("PUT") == ["/v1/end_users/2"]
    assert replay.users()["other"]["properties"] == {}


def test_properties_told_as_text_are_believed(replaying: Start) -> None:
    replay = replaying(SandboxSettings(properties_as_text=True))
    assert replay.push(replay.write(people(20)), "--no-fold").returncode == 0
    assert replay.rejects() == []


def test_a_saved_plan_is_stopped_too(replaying: Start) -> None:
    lies: list[bool] = []
    lie = telling({"id": 999, **OTHER}, UPDATES)
    replay = replaying(SandboxSettings(faults=(lambda request: lie(request) if lies else None,)))
    for number in range(50):
        replay.holds(f"u{number}", f"u{number}@example.com")
    plan = replay.plan("--against", "account", replay.write(people(50)))
    lies.append(True)
    done = replay.push("--plan", plan, "--workers", "1")
    assert done.returncode == 5, done.stderr
    assert len(replay.paths("PUT")) == MOST_IN_A_ROW


def made_up(request: SandboxRequest) -> Fault | None:
    """A list that has fifty more end users, whatever is asked for."""
    if request.method != "GET" or request.path != "/v1/end_users":
        return None
    first = int(request.query.get("created[gte]", int(time.time()) + 80_000))
    first += 50 * (int(request.query["page"]) - 1)
    rows = [{"id": second, "created_at": second} for second in range(first, first + 50)]
    return Fault(JSONResponse(rows))


def test_a_list_that_never_ends_does_once_it_makes_up_the_future(replaying: Start) -> None:
    replay = replaying(SandboxSettings(faults=(made_up,)))
    done = replay.run("snapshot", "-o", "snapshot")
    assert done.returncode == 5
    assert "who are still to be created" in done.stderr
    assert "kept in" in done.stderr
    assert not (replay.folder / "snapshot").exists()


def peak_of(process: Forked) -> float:
    """Wait for a process's end; gives the most memory that it ever held, in megabytes."""
    peak = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:  # it has ended meanwhile
            continue
        held = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        peak = max(peak, *map(int, held), 0)
        time.sleep(0.01)
    return peak / 1024


def push_to(port: int, replay: Replay, workers: int) -> tuple[int, float, str]:
    """Push to a server on loopback; gives the exit code, the peak memory, and what was said."""
    replay.write(people(workers + 8))
    with (replay.folder / "said").open("w+") as said:
        how = ("--against", "account", "--workers", str(workers), "--retries", "0")
        args = ("push", *how, "export.ndjson")
        address = {"WOOTRIC_BASE_URL": f"http://127.0.0.1:{port}"}
        with replay.start(*args, env=address, stdout=said, stderr=said) as process:
            peak = peak_of(process)
        said.seek(0)
        return process.wait(), peak, said.read()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it is read there")
@pytest.mark.parametrize("workers", [pytest.param(8, marks=pytest.mark.soak), 32])
@pytest.mark.parametrize("kind", HUGE)
def test_look_ups_with_huge_replies_cost_little_memory(
    replay: Replay, kind: str, workers: int
) -> None:
    with raw_server(giving(HUGE[kind], b"GET /v1/end_users/")) as server:
        code, peak, said = push_to(server.port, replay, workers)
    assert code in ({0} if kind.startswith("an end user") else {1, 5}), said
    assert peak < MOST_MEMORY
    assert "Traceback" not in said


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it is read there")
@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("POST /v1/end_users", 5),
        ("GET /eligible", 1),
        ("GET /pixel", 0),
        ("POST /oauth", 5),
        ("GET /registered", 5),
    ],
)
@pytest.mark.parametrize("kind", ["packed twice", "many values"])
def test_no_other_call_has_a_reply_that_costs_more(
    replay: Replay, kind: str, place: str, code: int
) -> None:
    with raw_server(giving(HUGE[kind], place.encode())) as server:
        ended, peak, said = push_to(server.port, replay, 8)
    assert ended == code, said
    assert peak < MOST_MEMORY


def test_what_is_kept_of_an_error_is_short(replaying: Start) -> None:
    words = {"error": "Validation failed: " + "Email is invalid, " * 3_000}
    replay = replaying(SandboxSettings(faults=(telling_refused(words),)))
    done = replay.push(replay.write([identify("u1", "u1@example.com"), page("u1")]))
    assert done.returncode == 1
    assert len((replay.folder / "rejects.ndjson").read_bytes()) < 8_000
    assert len(done.stderr + done.stdout) < 8_000


def telling_refused(words: object) -> FaultRule:
    def rule(request: SandboxRequest) -> Fault | None:
        return Fault(JSONResponse(words, 422)) if request.method == "POST" else None

    return rule
