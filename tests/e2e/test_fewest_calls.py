"""How few calls a push makes to know the account: by the sandbox's own log of requests."""

import os
import re
import stat
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from replaying import Replay, identify, page, track
from starlette.responses import JSONResponse

from wootric_map.sandbox import Fault, SandboxRequest, SandboxSettings

ADA, BYRON = "ada@example.com", "byron@example.com"


def calls(replay: Replay, start: int = 0) -> Counter[str]:
    """How many calls of each kind the requests from that number on are."""
    kinds: Counter[str] = Counter()
    for request in replay.sandbox.requests[start:]:
        method, path = str(request["method"]), str(request["path"])
        if path == "/v1/end_users" and cast("Any", request["query"]).get("per_page") == "1":
            continue  # whether a sandbox is the one of the run before
        if path == "/v1/end_users":
            kinds["page" if method == "GET" else "create"] += 1
        elif path.startswith("/v1/end_users/"):
            kinds["look-up" if method == "GET" else "update"] += 1
    return kinds


def fill(replay: Replay, count: int, begin: int = 0) -> None:
    """Put so many end users into the account whom no export here names."""
    for number in range(begin, begin + count):
        replay.holds(f"x{number}", f"x{number}@example.com")


def with_clock(replay: Replay, *, days_ago: int) -> None:
    """Set the account's clock, which tells when an end user was created or changed."""
    replay.sandbox.state.clock = lambda: time.time() - days_ago * 86_400


def person(number: int, **traits: Any) -> dict[str, Any]:
    return identify(f"u{number}", f"u{number}@example.com", **traits)


def kept(replay: Replay) -> list[Path]:
    return sorted((replay.folder / "state").rglob("*.end_users*"))


def test_a_new_account_takes_a_call_for_each_end_user_and_one_to_know_that_it_is_new(
    replay: Replay,
) -> None:
    done = replay.push(replay.write(map(person, range(120))))
    assert done.returncode == 0, done.stderr
    assert calls(replay) == {"page": 1, "create": 120}
    assert replay.paths()[0] == "/oauth/token"
    assert len(replay.paths()) == 1 + 1 + 120


def test_a_small_account_is_known_by_one_page(replay: Replay) -> None:
    fill(replay, 30)
    replay.holds("u1", "u1@example.com", plan="free")
    replay.holds(None, "u2@example.com")
    replay.holds("u3", "u3@example.com", plan="pro")
    replay.push(replay.write(person(n, plan="pro") for n in range(5)))
    assert calls(replay) == {"page": 1, "update": 2, "create": 2}


def test_the_list_is_read_on_as_long_as_that_may_save_more_look_ups(replay: Replay) -> None:
    fill(replay, 120)
    replay.push(replay.write(map(person, range(3))))
    assert calls(replay) == {"page": 3, "create": 3}


def test_it_is_not_read_further_than_there_are_end_users_to_be_looked_up(replay: Replay) -> None:
    fill(replay, 120)
    replay.push(replay.write(map(person, range(2))))
    assert calls(replay) == {"page": 2, "create": 2}


def test_whoever_is_met_in_the_list_needs_no_further_page(replay: Replay) -> None:
    replay.holds("u0", "u0@example.com")
    replay.holds(None, "byron@example.com")
    fill(replay, 120)
    replay.push(replay.write([person(0), {"type": "identify", "traits": {"email": BYRON}}]))
    assert calls(replay) == {"page": 1}


def test_an_email_alone_does_not_tell_who_somebody_with_a_user_id_is(replay: Replay) -> None:
    replay.holds(None, "u0@example.com")
    fill(replay, 120)
    replay.holds("u0", "other@example.com")
    replay.push(replay.write([person(0)]))
    # Wootric goes by the external id first.
    assert replay.users()["u0"]["email"] == "other@example.com"
    assert calls(replay)["look-up"] >= 1
    assert calls(replay)["create"] == 0


@pytest.mark.parametrize("there", ["u0", None])
def test_whoever_is_there_after_all_is_found_by_the_refusal(
    replay: Replay, there: str | None
) -> None:
    fill(replay, 60)
    replay.holds(there, "u0@example.com", plan="free")
    done = replay.push("--format", "json", replay.write([person(0, plan="pro")]))
    assert done.returncode == 0, done.stderr
    assert replay.users()["u0"]["properties"] == {"plan": "pro"}
    assert calls(replay) == {"page": 1, "create": 1, "look-up": 1, "update": 1}
    summary = orjson.loads(done.stdout)["summary"]
    assert (summary["create"], summary["update"], summary["in_doubt"]) == (0, 1, 0)
    assert replay.in_doubt().total() == 0


def test_a_refused_create_may_leave_nothing_to_write(replay: Replay) -> None:
    fill(replay, 60)
    replay.holds("u0", "u0@example.com", plan="pro")
    replay.push(replay.write([person(0, plan="pro")]))
    assert calls(replay) == {"page": 1, "create": 1, "look-up": 1}


def test_nobody_is_created_first_who_is_known_by_a_phone_alone(replay: Replay) -> None:
    fill(replay, 60)
    replay.holds(None, None, phone_number="+442079460001")
    replay.push(replay.write([identify("u0", phone="+442079460001")]))
    assert calls(replay) == {"page": 1, "look-up": 2, "update": 1}
    assert len(replay.users()) == 61


def test_where_most_are_there_look_ups_go_first(replay: Replay) -> None:
    fill(replay, 1500)
    for number in range(20):
        replay.holds(f"u{number}", f"u{number}@example.com")
    replay.push("--workers", "1", replay.write(map(person, range(20))))
    made = calls(replay)
    assert made["page"] == 20
    assert made["create"] == 2
    assert made["look-up"] == 20


def test_with_create_only_whoever_is_there_stays_as_they_are(replay: Replay) -> None:
    fill(replay, 60)
    replay.holds("u0", "u0@example.com", plan="free")
    replay.push("--create-only", replay.write([person(0, plan="pro")]))
    assert replay.users()["u0"]["properties"] == {"plan": "free"}
    assert calls(replay) == {"page": 1, "create": 1, "look-up": 1}


def test_nothing_is_read_where_nobody_is_to_be_looked_up(replay: Replay) -> None:
    event = track("u0", context={"traits": {"email": ADA}})
    replay.push(replay.write([event]))
    assert replay.paths() == ["/oauth/token", "/registered_events.json", "/eligible.json"]


def test_look_ups_are_no_further_ahead_of_writes_than_there_are_workers(replay: Replay) -> None:
    for number in range(60):
        replay.holds(f"u{number}", f"u{number}@example.com", plan="free")
    export = replay.write(person(number, plan="pro") for number in range(60))
    replay.push("--against", "account", "--workers", "4", export)
    ahead, most = 0, 0
    for request in replay.sandbox.requests:
        if str(request["path"]).startswith("/v1/end_users/"):
            ahead += 1 if request["method"] == "GET" else -1
            most = max(most, ahead)
    assert 0 < most <= 4


# The list is kept beside the journal.


def test_the_kept_list_is_brought_up_to_date_in_place_of_read_again(replay: Replay) -> None:
    with_clock(replay, days_ago=9)
    fill(replay, 120)
    for number in range(3):
        replay.holds(f"u{number}", f"u{number}@example.com")
    export = replay.write(map(person, range(3)))
    replay.push(export)
    assert calls(replay) == {"page": 3}
    first = len(replay.sandbox.requests)
    with_clock(replay, days_ago=0)
    replay.holds("u3", "u3@example.com")
    replay.push("--again", replay.write(map(person, range(4))))
    assert calls(replay, first) == {"page": 1}


def test_the_kept_list_is_private(replay: Replay) -> None:
    fill(replay, 120)
    before = os.umask(0)
    try:
        replay.push(replay.write(map(person, range(2))))
        replay.push(replay.write(map(person, range(9))))
    finally:
        os.umask(before)
    assert kept(replay)
    for path in kept(replay):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_kept_list_goes_with_the_journal(replay: Replay) -> None:
    replay.push(replay.write(map(person, range(2))))
    assert kept(replay)
    done = replay.run("journal", "forget", "--yes")
    assert done.returncode == 0, done.stderr
    assert kept(replay) == []


@pytest.mark.parametrize("content", [b"", b"{}\n", b"no list\n", b'{"id":1,"created_at":1}\n'])
def test_what_is_no_list_is_told_and_left_there(replay: Replay, content: bytes) -> None:
    replay.push(replay.write(map(person, range(2))))
    (path,) = kept(replay)
    path.write_bytes(content)
    more = replay.write([person(5)], "more.ndjson")
    done = replay.push(more)
    assert done.returncode == 0, done.stderr
    assert "u5" in replay.users()
    if content:
        assert "is not kept: " in done.stderr
        assert str(path) in done.stderr
        assert path.read_bytes() == content
        path.unlink()
        replay.push(replay.write([person(6)], "another.ndjson"))
    assert b"u1@example.com" in path.read_bytes()


def test_a_journal_in_the_place_of_the_list_is_left_there(replay: Replay) -> None:
    view = [identify("u1", ADA), page("u1")]
    first, second = replay.folder / "j.end_users", replay.folder / "j"
    for journal in (first, second, first):
        done = replay.push("--journal", journal, replay.write(view))
        assert done.returncode == 0, done.stderr
    assert len(replay.sandbox.state.page_views) == 2


def test_the_kept_list_is_forgotten_though_its_journal_is_gone(replay: Replay) -> None:
    replay.push(replay.write(map(person, range(2))))
    for path in (replay.folder / "state").rglob("*.journal"):
        path.unlink()
    done = replay.run("journal", "forget", "--yes")
    assert done.returncode == 0, done.stderr
    assert kept(replay) == []


def test_a_list_that_was_kept_long_ago_is_read_anew(replay: Replay) -> None:
    replay.holds("u1", "u1@example.com")
    replay.push(replay.write([person(0)]))
    (path,) = kept(replay)
    path.write_bytes(re.sub(rb'"as_of":[0-9]+', b'"as_of":1500000000', path.read_bytes()))
    first = len(replay.sandbox.requests)
    replay.push("--again", replay.write([person(0)]))
    queries = [cast("Any", each["query"]) for each in replay.sandbox.requests[first:]]
    assert not any("updated[gte]" in query for query in queries)
    assert b'"as_of":1500000000' not in path.read_bytes()


def test_what_an_interrupted_run_has_read_is_brought_up_to_date_and_used(replay: Replay) -> None:
    with_clock(replay, days_ago=9)
    for number in range(30):
        replay.holds(f"u{number}", f"u{number}@example.com")
    fill(replay, 1170)
    replay.push(replay.write([person(99)], "one.ndjson"))
    assert calls(replay) == {"page": 1, "create": 1}
    first = len(replay.sandbox.requests)
    replay.push(replay.write(map(person, range(30)), "thirty.ndjson"))
    # All thirty are among the fifty that were read before: one call tells that they have not changed.
    assert calls(replay, first) == {"page": 1}


def test_a_list_that_breaks_off_has_told_what_came_before(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    def second_page(request: SandboxRequest) -> Fault | None:
        is_list = request.method == "GET" and request.path.endswith("/end_users")
        if is_list and request.query.get("page") == "2":
            return Fault(JSONResponse({"error": "off"}, 423))
        return None

    replay = replaying(SandboxSettings(faults=(second_page,)))
    for number in range(40):
        replay.holds(f"u{number}", f"u{number}@example.com")
    fill(replay, 60)
    done = replay.push(replay.write(map(person, range(45))))
    assert "can't be used" in done.stderr
    assert calls(replay) == {"page": 2, "create": 5}


def test_whoever_is_gone_makes_the_kept_list_doubtful(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    """Wootric's list does not tell who was deleted."""
    gone: list[str] = []

    def rule(request: SandboxRequest) -> Fault | None:
        is_gone = request.method == "PUT" and request.path.rpartition("/")[2] in gone
        return Fault(JSONResponse({"error": "gone"}, 404)) if is_gone else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    with_clock(replay, days_ago=9)
    for number in range(4):
        replay.holds(f"u{number}", f"u{number}@example.com", plan="free")
    replay.push(replay.write(person(number, plan="free") for number in range(4)))
    assert kept(replay)
    gone.append(str(replay.users()["u0"]["id"]))
    again = ("--again", "--workers", "1")
    replay.push(*again, replay.write((person(n, plan="pro") for n in range(4)), "pro.ndjson"))
    asked = [path for path in replay.paths("GET") if path.startswith("/v1/end_users/")]
    assert {path.rpartition("/")[2] for path in asked} >= {"u0", "u1", "u2", "u3"}
    assert kept(replay) == []


# What nobody but the account can tell.


def test_a_phone_is_asked_for_though_the_whole_list_was_read(replay: Replay) -> None:
    replay.push(replay.write([identify("u0", phone="+442079460001")]))
    assert calls(replay) == {"page": 1, "look-up": 2, "create": 1}


def test_a_list_that_takes_one_for_another_fails_the_records_and_is_not_believed(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    def swapped(request: SandboxRequest) -> Fault | None:
        if request.method != "GET" or not request.path.endswith("/end_users"):
            return None
        told = [user.to_json() for user in replay.sandbox.state.end_users]
        ids = [each["id"] for each in told]
        rows = [each | {"id": other} for each, other in zip(told, reversed(ids), strict=True)]
        return Fault(JSONResponse(sorted(rows, key=lambda row: row["created_at"])))

    replay = replaying(SandboxSettings(faults=(swapped,)))
    for number in range(2):
        replay.holds(f"u{number}", f"u{number}@example.com", plan="free")
    export = replay.write(person(number, plan=f"new{number}") for number in range(2))
    done = replay.push("--workers", "1", export)
    assert done.returncode == 1, done.stderr
    assert [entry["code"] for entry in replay.rejects()] == ["bad_reply"]
    assert replay.users()["u1"]["properties"] == {"plan": "new1"}


def test_a_kept_list_of_a_sandbox_that_was_started_anew_is_forgotten(replay: Replay) -> None:
    export = replay.write(map(person, range(2)))
    replay.push(export)
    replay.sandbox.state.reset()
    done = replay.push("--again", export)
    assert done.returncode == 0, done.stderr
    assert set(replay.users()) == {"u0", "u1"}


# A list that can't be used.


def without_list(request: SandboxRequest) -> Fault | None:
    if request.method == "GET" and request.path.endswith("/end_users"):
        return Fault(JSONResponse({"error": "off"}, 423))
    return None


@pytest.mark.parametrize("settings", [SandboxSettings(faults=(without_list,))])
def test_an_account_without_a_list_is_known_by_refusals_and_look_ups(replay: Replay) -> None:
    replay.holds("u0", "u0@example.com", plan="free")
    done = replay.push(replay.write([person(0, plan="pro"), person(1)]))
    assert done.returncode == 0, done.stderr
    assert "can't be used" in done.stderr
    assert replay.users()["u0"]["properties"] == {"plan": "pro"}
    assert set(replay.users()) == {"u0", "u1"}
