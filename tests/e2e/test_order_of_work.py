"""Whoever is to be created or changed goes before events and page views, unless `--events-first`."""

import re
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from replaying import Replay, at, identify, page, refusing, track, until

from wootric_map.sandbox import SandboxSettings

Replaying = Callable[[SandboxSettings], Replay]

WRITES = ("POST", "PUT")


def sent(replay: Replay, since: int = 0) -> list[tuple[str, str]]:
    """What went to Wootric beside signing in and look-ups, in order: the call, and whose it is."""
    calls = []
    for request in replay.sandbox.requests[since:]:
        path, query, form = str(request["path"]), request["query"], request["form"]
        assert isinstance(query, dict)
        assert isinstance(form, dict)
        if path == "/pixel.gif":
            calls.append(("page", query["email"]))
        elif path == "/eligible.json":
            calls.append(("track", query["email"]))
        elif path.startswith("/v1/end_users") and request["method"] != "GET":
            calls.append((str(request["method"]), form.get("email", path)))
    return calls


def without_time(query: object) -> dict[str, str]:
    """The query without the time since when end users have changed."""
    assert isinstance(query, dict)
    return {name: "" if name == "updated[gte]" else value for name, value in query.items()}


def in_full(replay: Replay) -> Counter[tuple[str, str, bytes]]:
    """All calls but signing in, with what they say, in no order.

    Without the numbers of end users, which depend on the order, and since when changes are asked for.
    """
    return Counter(
        (
            str(request["method"]),
            re.sub(r"\d+", "#", str(request["path"])),
            orjson.dumps(
                [without_time(request["query"]), request["form"]], option=orjson.OPT_SORT_KEYS
            ),
        )
        for request in replay.sandbox.requests
        if not str(request["path"]).startswith("/oauth")
    )


def are_writes_first(calls: list[tuple[str, str]]) -> bool:
    """Whether there are writes and events, and no event stands before a write."""
    kinds = [kind in WRITES for kind, _ in calls]
    return kinds == sorted(kinds, reverse=True) and len(set(kinds)) == 2


def export(replay: Replay, users: int) -> Path:
    return replay.write(
        record
        for n in range(users)
        for record in (
            at(1, identify(f"u{n}", f"u{n}@x.io")),
            at(2, track(f"u{n}")),
            at(3, page(f"u{n}", f"/{n}")),
        )
    )


# One has no events, and one no identify.
MIXED = [
    at(1, identify("quiet", "quiet@x.io")),
    at(2, identify("ada", "ada@x.io")),
    at(3, track("ada")),
    at(4, page("guest", context={"traits": {"email": "guest@x.io"}})),
    at(5, identify("bob", "bob@x.io")),
    at(6, page("bob")),
    at(7, page("ada")),
]

IN_TWO_PASSES = [
    ("POST", "quiet@x.io"), ("POST", "ada@x.io"), ("POST", "bob@x.io"),
    ("track", "ada@x.io"), ("page", "ada@x.io"), ("page", "guest@x.io"), ("page", "bob@x.io"),
]  # fmt: skip
EVENTS_FIRST = [
    ("POST", "ada@x.io"), ("track", "ada@x.io"), ("page", "ada@x.io"),
    ("page", "guest@x.io"),
    ("POST", "bob@x.io"), ("page", "bob@x.io"),
    ("POST", "quiet@x.io"),
]  # fmt: skip


@pytest.mark.parametrize("is_saved", [False, True])
@pytest.mark.parametrize(
    ("options", "expected"), [((), IN_TWO_PASSES), (("--events-first",), EVENTS_FIRST)]
)
def test_all_writes_go_before_any_event_unless_events_go_first(
    replay: Replay, options: tuple[str, ...], expected: list[tuple[str, str]], *, is_saved: bool
) -> None:
    path = replay.write(MIXED)
    what = ("--plan", replay.plan(path)) if is_saved else (path,)
    done = replay.push("--workers", "1", *options, *what)
    assert done.returncode == 0, done.stderr
    assert sent(replay) == expected


@pytest.mark.parametrize("options", [(), ("--no-fold",)])
@pytest.mark.parametrize("is_saved", [False, True])
def test_no_event_goes_before_the_last_write_with_many_workers(
    replay: Replay, options: tuple[str, ...], *, is_saved: bool
) -> None:
    path = export(replay, 40)
    what: tuple[str | Path, ...] = (*options, path)
    if is_saved:
        what = ("--plan", replay.plan(*what))
    assert replay.push("--workers", "16", *what).returncode == 0
    calls = sent(replay)
    assert len(calls) == 120
    assert are_writes_first(calls)


# The calls of one order are those of the other.


def by_wootric_id(number: int, record: dict[str, Any]) -> dict[str, Any]:
    """The record, of a visitor whom Wootric's own id alone names."""
    named = [{"type": "wootricEndUserId", "id": str(number)}]
    return record | {"anonymousId": "visitor", "context": {"externalId": named}}


def by_email(email: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record, of a visitor whom only their email names."""
    return record | {"anonymousId": "guest", "context": {"traits": {"email": email}}}


def odd_end_users(replay: Replay) -> list[dict[str, Any]]:
    """End users whose events need what only their writes, or look-ups for these, have told."""
    replay.holds("first", "first@x.io")
    replay.holds(None, None, phone_number="+15550101")
    replay.holds("known", "known@x.io")
    replay.holds("german", "german@x.io", language="de", plan="free")
    replay.holds("phoned", "phoned@x.io", phone_number="+15550103")
    replay.holds("listed", "listed@x.io")
    replay.holds("old", "old@x.io", external_created_at=1420099200)
    replay.holds(None, "unlisted@x.io")
    replay.holds("lent", "owner@x.io")
    return [
        at(1, record)
        for record in (
            identify("called", phone="+15550101", plan="pro"),
            track("called"),
            identify("new", phone="+15550102"),
            track("new"),
            by_wootric_id(1, {"type": "identify", "traits": {"plan": "pro"}}),
            by_wootric_id(1, {"type": "track", "event": "Signed Up"}),
            identify("known", plan="pro"),
            track("known"),
            page("known", "/known"),
            identify("nobody", plan="pro"),
            track("nobody"),
            page("nobody", "/nobody"),
            identify("german", "german@x.io", plan="pro"),
            track("german"),
            identify("phoned", "phoned@x.io"),
            track("phoned"),
            by_email("listed@x.io", {"type": "identify"}),
            by_email("listed@x.io", {"type": "track", "event": "Signed Up"}),
            identify("old", "old@x.io"),
            page("old", "/old"),
            {"type": "identify", "anonymousId": "a3", "traits": {"email": "unlisted@x.io"}},
            page("", "/a3", anonymousId="a3") | {"userId": None},
            # Two people carry the owner's email, so whoever has `lent` there is somebody else.
            identify("lent", "lender@x.io"),
            track("lent"),
            identify("one", "one@x.io"),
            identify("two", "two@x.io"),
            identify("one", "owner@x.io"),
            identify("two", "owner@x.io"),
            identify("refused", "refused@x.io"),
            track("refused"),
            track("only an event"),
        )
    ]


@pytest.mark.parametrize("fold", [(), ("--no-fold",)])
@pytest.mark.parametrize("existing", [(), ("--fill-missing",), ("--create-only",)])
@pytest.mark.parametrize("again", [False, True])
def test_the_calls_are_the_same_in_both_orders_and_only_their_order_differs(
    replaying: Replaying, fold: tuple[str, ...], existing: tuple[str, ...], *, again: bool
) -> None:
    made: list[Counter[tuple[str, str, bytes]]] = []
    for order in ((), ("--events-first",)):
        replay = replaying(SandboxSettings(faults=(refusing("refused@x.io"),)))
        path = replay.write(odd_end_users(replay))
        env = {"XDG_STATE_HOME": str(replay.folder / f"state{len(made)}")}
        for _ in range(1 + again):
            done = replay.push("--workers", "1", *fold, *existing, *order, path, env=env)
            assert done.returncode in {0, 1}, done.stderr
        made.append(in_full(replay))
    assert made[0] == made[1]


def test_an_event_says_what_only_the_account_tells_of_its_end_user(replay: Replay) -> None:
    records = odd_end_users(replay)
    replay.push("--workers", "1", replay.write(records))
    checks = [check.params for check in replay.sandbox.state.eligibility_checks]
    told = {check.get("email") or check["phone_number"]: check for check in checks}
    assert {
        "+15550101",
        "+15550102",
        "first@x.io",
        "known@x.io",
        "german@x.io",
        "phoned@x.io",
        "listed@x.io",
        "lender@x.io",
        "refused@x.io",
    } == set(told)
    assert told["german@x.io"]["language[code]"] == "de"
    assert told["phoned@x.io"]["phone_number"] == "+15550103"
    assert told["listed@x.io"]["external_id"] == "listed"
    assert "external_id" not in told["lender@x.io"]
    views = {
        view.params["page_info[path]"]: view.params for view in replay.sandbox.state.page_views
    }
    assert views["/known"]["email"] == "known@x.io"
    assert views["/old"]["created_at"] == "1420099200"


def test_whoever_has_but_one_identify_that_is_chosen_is_written(replay: Replay) -> None:
    records = [
        at(1, identify("ada", "ada@x.io")),
        at(2, track("ada")),
        at(3, identify("ada", "ada@x.io", plan="pro")),
        at(4, page("ada")),
    ]
    done = replay.push("--since", "2024-01-03", replay.write(records))
    assert done.returncode == 0, done.stderr
    assert sent(replay) == [("POST", "ada@x.io"), ("page", "ada@x.io")]


# Refused end users.


@pytest.mark.parametrize("is_saved", [False, True])
def test_the_events_of_many_refused_end_users_fail_and_all_others_are_sent(
    replaying: Replaying, *, is_saved: bool
) -> None:
    refused = {f"u{n}@x.io" for n in range(0, 300, 2)}
    replay = replaying(SandboxSettings(faults=(refusing(*refused),)))
    path = export(replay, 300)
    what = ("--plan", replay.plan(path)) if is_saved else ("--against", "nothing", path)
    done = replay.push(*what)
    assert done.returncode == 1
    codes = Counter(each["code"] for each in replay.rejects())
    assert codes == {"refused": 150, "end_user_failed": 300}
    events = [email for kind, email in sent(replay) if kind not in WRITES]
    assert Counter(events) == {f"u{n}@x.io": 2 for n in range(1, 300, 2)}


# Cut short.


def test_a_push_cut_short_has_sent_no_event_before_the_last_write(replaying: Replaying) -> None:
    replay = replaying(SandboxSettings())
    path = export(replay, 60)
    args = ("--against", "nothing", "--rate", "1800", path)
    done = replay.push("--max-duration", "1s", *args)
    assert "Stopped after 1 s" in done.stderr
    calls = sent(replay)
    assert 0 < len(calls) < 60
    assert {kind for kind, _ in calls} == {"POST"}
    assert replay.push(*args[:2], path).returncode == 0
    calls = sent(replay)
    assert are_writes_first(calls)
    assert Counter(kind for kind, _ in calls) == {"POST": 60, "track": 60, "page": 60}
    assert set(Counter(calls).values()) == {1}


@pytest.fixture
def killed_at(replaying: Replaying) -> Callable[[int], Replay]:
    def kill(calls: int) -> Replay:
        """A push of 20 end users, killed after so many calls."""
        replay = replaying(SandboxSettings(latency=0.02))
        args = ("push", "--against", "nothing", "--workers", "1", export(replay, 20))
        with replay.start(*args) as process:
            until(lambda: len(sent(replay)) >= calls)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=30)
        return replay

    return kill


@pytest.mark.parametrize("calls", [18, 20, 21])
def test_a_push_killed_around_the_end_of_the_writes_goes_on_and_sends_nothing_twice(
    killed_at: Callable[[int], Replay], calls: int
) -> None:
    replay = killed_at(calls)
    assert replay.push("--in-doubt", "resend", replay.folder / "export.ndjson").returncode == 0
    made = sent(replay)
    assert are_writes_first(made)
    counted = Counter(made)
    assert {each for each in counted if each[0] == "POST"} == {
        ("POST", f"u{n}@x.io") for n in range(20)
    }
    assert len(replay.sandbox.state.end_users) == 20
    assert len(counted) == 60
    # Of what the kill has cut off, one call may be sent again, as asked for.
    assert counted.total() <= 61
