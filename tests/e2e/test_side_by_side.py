"""Events go beside writes where Wootric's limits hold the writes back, and nowhere else (wootric.md 4)."""

import logging
import re
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from replaying import Replay, at, identify, page, refusing, track, until
from starlette.responses import JSONResponse
from windows import WINDOW, windows

from wootric_map.sandbox import Fault, SandboxRequest, SandboxSettings

Replaying = Callable[[SandboxSettings], Replay]
Call = tuple[str, int]
"""What is called, and the number of the end user."""

LIMIT = 600
"""Calls a minute to each endpoint: one in a tenth of a second, which nothing else takes so long."""

USERS = 25


@pytest.fixture
def limited(replaying: Replaying) -> Replay:
    return replaying(SandboxSettings(rate_limit=LIMIT))


def export(replay: Replay, users: int = USERS) -> Path:
    """Each end user with an identify, a track and a page record; in the plan they go by number."""
    return replay.write(
        record
        for n in range(users)
        for record in (
            at(1, identify(f"u{n:03}", f"u{n:03}@x.io")),
            at(2, track(f"u{n:03}")),
            at(3, page(f"u{n:03}", f"/{n}")),
        )
    )


def calls_of(replay: Replay, since: int = 0) -> list[Call]:
    """The creates, checks and page views that went to Wootric, in their order."""
    found = []
    for request in replay.sandbox.requests[since:]:
        path, told = str(request["path"]), str(request["form"]) + str(request["query"])
        kind = {"/pixel.gif": "page", "/eligible.json": "track", "/v1/end_users": "create"}.get(
            path
        )
        named = re.search(r"u(\d+)@x\.io", told)
        if kind and named and (kind != "create" or request["method"] == "POST"):
            found.append((kind, int(named[1])))
    return found


def places(calls: Sequence[Call], *kinds: str) -> list[int]:
    return [place for place, (kind, _) in enumerate(calls) if kind in kinds]


def are_in_order(calls: Sequence[Call]) -> bool:
    """Whether each end user's calls came in their order."""
    own: dict[int, list[str]] = {}
    for kind, number in calls:
        own.setdefault(number, []).append(kind)
    return all(["create", "track", "page"][: len(each)] == each for each in own.values())


def are_writes_first(calls: Sequence[Call]) -> bool:
    return max(places(calls, "create")) < min(places(calls, "track", "page"))


def all_calls(users: int = USERS) -> Counter[Call]:
    return Counter((kind, n) for n in range(users) for kind in ("create", "track", "page"))


# Where events go beside writes.


@pytest.mark.parametrize("workers", ["1", "8"])
@pytest.mark.parametrize("options", [(), ("--no-fold",)])
@pytest.mark.parametrize("is_saved", [False, True])
def test_events_go_beside_writes_that_a_limit_holds_back(
    limited: Replay, options: tuple[str, ...], workers: str, *, is_saved: bool
) -> None:
    path = export(limited)
    what: tuple[str | Path, ...] = ("--against", "nothing", *options, path)
    if is_saved:
        what = ("--plan", limited.plan(*what))
    done = limited.push("--workers", workers, *what)
    assert done.returncode == 0, done.stderr
    calls = calls_of(limited)
    assert Counter(calls) == all_calls()
    assert are_in_order(calls)
    # The first event does not wait for half of the writes, and by the last write, most events are sent.
    writes, events = places(calls, "create"), places(calls, "track", "page")
    assert sum(place < events[0] for place in writes) < USERS / 2
    assert sum(place < writes[-1] for place in events) > USERS
    # The writes keep the order of the plan, and so do the events.
    if workers == "1":
        for kind in ("create", "track", "page"):
            assert [number for each, number in calls if each == kind] == list(range(USERS))


def test_the_writes_lose_no_turn_to_the_events(replaying: Replaying) -> None:
    limit = 40
    replay = replaying(SandboxSettings(rate_limit=limit, rate_window=WINDOW))
    done = replay.push("--against", "nothing", export(replay, 2 * limit + 1))
    assert done.returncode == 0, done.stderr
    creates = [
        float(str(each["time"]))
        for each in replay.sandbox.requests
        if each["path"] == "/v1/end_users"
    ]
    assert len(creates) == 2 * limit + 1
    # Two windows are used to the end, as without any event.
    assert sum(windows(creates)[:2]) >= 0.95 * 2 * limit
    assert replay.sandbox.state.request_counts.by_status.get(429, 0) == 0
    calls = calls_of(replay)
    assert sum(place < places(calls, "create")[-1] for place in places(calls, "track")) > limit


def test_all_workers_keep_their_connections(
    replaying: Replaying, caplog: pytest.LogCaptureFixture
) -> None:
    replay = replaying(SandboxSettings(rate_limit=LIMIT, latency=0.06))
    with caplog.at_level(logging.WARNING, "urllib3"):
        done = replay.push("--against", "nothing", "--workers", "1", export(replay, 12))
    assert done.returncode == 0, done.stderr
    assert not are_writes_first(calls_of(replay))
    assert "pool is full" not in caplog.text


def test_the_events_of_refused_end_users_fail_and_all_others_are_sent(replaying: Replaying) -> None:
    refused = range(0, USERS, 3)
    rule = refusing(*(f"u{n:03}@x.io" for n in refused))
    replay = replaying(SandboxSettings(rate_limit=LIMIT, faults=(rule,)))
    assert replay.push("--against", "nothing", export(replay)).returncode == 1
    codes = Counter(each["code"] for each in replay.rejects())
    assert codes == {"refused": len(refused), "end_user_failed": 2 * len(refused)}
    calls = calls_of(replay)
    events = {number for kind, number in calls if kind != "create"}
    assert events == set(range(USERS)) - set(refused)
    assert not are_writes_first(calls)


@pytest.mark.parametrize("against", ["account", "auto"])
def test_events_that_take_look_ups_wait_for_the_writes_whose_limit_they_share(
    limited: Replay, against: str
) -> None:
    limited.holds("known", "u999@x.io")
    records = [at(2, identify(f"u{n:03}", f"u{n:03}@x.io")) for n in range(USERS)]
    events = [at(3, track(f"u{n:03}")) for n in range(USERS)]
    # Only the account tells the email; and the guest's own record. A list of few end users is read whole at
    # first, so that nobody is looked up any more.
    odd = [at(1, page("known")), at(1, page("guest", context={"traits": {"email": "u500@x.io"}}))]
    done = limited.push("--against", against, limited.write([*odd, *records, *events]))
    assert done.returncode == 0, done.stderr
    calls = calls_of(limited)
    assert set(calls) == {
        *(("create", n) for n in range(USERS)),
        *(("track", n) for n in range(USERS)),
        ("page", 999),
        ("page", 500),
    }
    last = places(calls, "create")[-1]
    assert (calls.index(("page", 999)) > last) == (against == "account")
    assert calls.index(("page", 500)) < last


# Where they do not.


@pytest.mark.parametrize(
    ("limit", "options"),
    [(LIMIT, ("--rate", "1200")), (LIMIT, ("--rate", "100000")), (10**6, ())],
    ids=["a rate decides", "a rate hardly matters", "no limit is felt"],
)
def test_no_event_goes_before_the_last_write_where_both_share_what_holds_them_back(
    replaying: Replaying, limit: int, options: tuple[str, ...]
) -> None:
    replay = replaying(SandboxSettings(rate_limit=limit))
    done = replay.push("--against", "nothing", *options, export(replay, 12))
    assert done.returncode == 0, done.stderr
    calls = calls_of(replay)
    assert Counter(calls) == all_calls(12)
    assert are_writes_first(calls)


# Cut short.


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_push_cut_short_leaves_both_in_order_and_the_next_does_what_is_left(
    limited: Replay, *, is_saved: bool
) -> None:
    path = export(limited)
    what: tuple[str | Path, ...] = ("--against", "nothing", path)
    if is_saved:
        what = ("--plan", limited.plan(*what))
    done = limited.push("--max-duration", "2s", *what)
    assert "Stopped after 2 s" in done.stderr
    calls = calls_of(limited)
    kinds = Counter(kind for kind, _ in calls)
    assert 0 < kinds["page"] <= kinds["track"] <= kinds["create"] < USERS
    assert are_in_order(calls)
    assert limited.push(*what).returncode == 0
    assert Counter(calls_of(limited)) == all_calls()


@pytest.mark.parametrize("calls", [9, 30])
def test_a_push_killed_while_both_go_goes_on_and_sends_nothing_twice(
    limited: Replay, calls: int
) -> None:
    path = export(limited)
    args = ("--against", "nothing", "--workers", "1", path)
    with limited.start("push", *args) as process:
        until(lambda: len(calls_of(limited)) >= calls)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    assert places(calls_of(limited), "track")
    assert limited.push("--in-doubt", "resend", *args).returncode == 0
    counted = Counter(calls_of(limited))
    assert set(counted) == set(all_calls())
    # Of what the kill has cut off, a write and an event may be sent again, as asked for.
    assert counted.total() <= 3 * USERS + 2
    assert len(limited.sandbox.state.end_users) == USERS


def test_a_signal_ends_both_in_good_order(limited: Replay) -> None:
    path = export(limited)
    with limited.start("push", "--against", "nothing", path) as process:
        until(lambda: len(places(calls_of(limited), "page")) >= 5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.wait(30) == 130
    assert limited.in_doubt().total() == 0
    assert limited.push("--against", "nothing", path).returncode == 0
    assert Counter(calls_of(limited)) == all_calls()


def test_a_write_that_ends_the_run_ends_the_events_too(replaying: Replaying) -> None:
    broken = [True]

    def refuse(request: SandboxRequest) -> Fault | None:
        is_meant = request.form.get("email") == "u012@x.io"
        answer = JSONResponse({"error": "No API access"}, 401)
        return Fault(answer) if broken and is_meant else None

    replay = replaying(SandboxSettings(rate_limit=LIMIT, faults=(refuse,)))
    path = export(replay)
    done = replay.push("--against", "nothing", path)
    assert done.returncode == 4, done.stderr
    assert done.stderr.count("No API access") == 1
    calls = calls_of(replay)
    assert ("track", 3) in calls
    assert not any(number == 12 for kind, number in calls if kind != "create")
    broken.clear()
    assert replay.push("--against", "nothing", path).returncode == 0
    made = Counter(calls_of(replay))
    assert set(made) == set(all_calls())
    assert {each: count for each, count in made.items() if count > 1} == {
        ("create", 12): made["create", 12]
    }


def test_without_any_write_all_events_are_sent(limited: Replay) -> None:
    done = limited.push(
        "--against",
        "nothing",
        limited.write(
            at(1, page(f"g{n}", context={"traits": {"email": f"u{n}@x.io"}})) for n in range(6)
        ),
    )
    assert done.returncode == 0, done.stderr
    assert Counter(calls_of(limited)) == Counter(("page", n) for n in range(6))
