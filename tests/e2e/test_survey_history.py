"""Survey responses and declines of an export: each is in the account once, whatever comes (wootric.md 7)."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from examples import examples
from faulty import NO_ANSWER, Silence, said
from hypothesis import given
from hypothesis import strategies as st
from killing import Kill, Trouble
from replaying import Replay, at, empty_account, identify, page, track, until
from starlette.responses import JSONResponse

from wootric_map.sandbox import (
    Fault,
    FaultRule,
    ResetConnection,
    RunningSandbox,
    SandboxRequest,
    SandboxSettings,
    run_sandbox,
)

ADA: Final = "ada@example.com"
OPTIONS: Final = ("--response-event", "NPS Submitted", "--decline-event", "NPS Declined")
START: Final = 1_704_067_200
"""The first second of 2024, in unix time."""

LATE: Final = ("silence", "504")
"""Faults after which Wootric may still be at work."""

Replaying = Callable[[SandboxSettings], Replay]


def response(user: str, second: int, score: object = 9, **fields: Any) -> dict[str, Any]:
    """A response so many seconds after the start of 2024, by the name of its event."""
    told = {"properties": {"score": score}} | fields
    return at(_time(second), track(user, "NPS Submitted", **told))


def decline(user: str, second: int, **fields: Any) -> dict[str, Any]:
    return at(_time(second), track(user, "NPS Declined", **fields))


def marked(kind: str, user: str, second: int, **fields: Any) -> dict[str, Any]:
    """A response or decline as RudderStack marks it."""
    integrations = {"All": True, "Wootric": {"eventType": f"create {kind}"}}
    return at(_time(second), track(user, "Survey", integrations=integrations, **fields))


def _time(second: int) -> str:
    return f"2024-01-01T00:{second // 60:02}:{second % 60:02}.700Z"


def held(replay: Replay) -> Counter[tuple[str, int, int | None]]:
    """How often the account holds each: whose it is, how many seconds after the start, and the score."""
    state = replay.sandbox.state
    names = {user.id: str(user.external_id) for user in state.end_users}
    return Counter(
        [(names[each.end_user_id], each.created_at - START, each.score) for each in state.responses]
        + [(names[each.end_user_id], each.created_at - START, None) for each in state.declines]
    )


def calls(replay: Replay, since: int = 0) -> list[str]:
    """The requests about responses and declines, from the one of this number on."""
    made = (f"{each['method']} {each['path']}" for each in replay.sandbox.requests[since:])
    return [each for each in made if each.endswith(("/responses", "/declines"))]


HISTORY: Final = [
    identify("u1", ADA, plan="pro"),
    response("u1", 1, 9, context={"ip": "192.0.2.7", "page": {"url": "https://example.com/a"}}),
    marked("response", "u1", 61, properties={"feedbackScore": "7", "feedbackText": " fine "}),
    marked("decline", "u1", 62, context={"page": {"url": "https://example.com/b"}}),
    decline("u1", 63),
    page("u1", "/home"),
    track("u1", "Signed Up"),
]


def test_responses_and_declines_go_from_the_dry_run_to_the_account_and_once(
    replay: Replay,
) -> None:
    export = replay.write(HISTORY)
    diff = replay.diff(*OPTIONS, export)
    assert (diff.summary["responses"], diff.summary["declines"]) == (2, 2)
    assert (diff.events, diff.writes) == ((1, 1), (1, 0))
    assert diff.summary["forecast"]["kinds"]["response"]["calls"] == 2
    shown = [line for line in diff.lines if line.get("action") in {"response", "decline"}]
    assert shown == [
        {"action": "response", "score": "7", "count": 1},
        {"action": "response", "score": "9", "count": 1},
        {"action": "decline", "origin_url": "(no page)", "count": 1},
        {"action": "decline", "origin_url": "https://example.com/b", "count": 1},
    ]
    done = replay.push(*OPTIONS, "--format", "json", export)
    assert done.returncode == 0, done.stderr
    summary = orjson.loads(done.stdout)["summary"]
    assert (summary["responses"], summary["declines"]) == (2, 2)
    assert calls(replay) == [
        f"POST /v1/end_users/1/{each}s" for each in ("response", "response", "decline", "decline")
    ]
    (user,) = replay.sandbox.state.end_users
    assert user.last_surveyed is None
    assert user.properties == {"plan": "pro"}
    first, second = replay.sandbox.state.responses
    assert (first.score, first.text, first.ip_address, first.origin_url, first.created_at) == (
        9, None, "192.0.2.7", "https://example.com/a", START + 1,
    )  # fmt: skip
    assert (second.score, second.text, second.created_at) == (7, "fine", START + 61)
    assert [(each.origin_url, each.created_at - START) for each in replay.sandbox.state.declines] == [
        ("https://example.com/b", 62), (None, 63),
    ]  # fmt: skip
    again = replay.push(*OPTIONS, "--format", "json", export)
    assert orjson.loads(again.stdout)["summary"]["skipped"]["delivered_before"] == 6
    assert len(calls(replay)) == 4
    told = orjson.loads(replay.run("status", "--format", "json").stdout)
    assert (told["delivered"]["response"], told["delivered"]["decline"]) == (2, 2)
    assert (told["runs"][1]["responses"], told["runs"][1]["declines"]) == (2, 2)
    assert "2 survey responses, 2 survey declines" in replay.run("status").stdout


def test_a_saved_plan_holds_them_and_sends_them_once(replay: Replay) -> None:
    export = replay.write(HISTORY)
    plan = replay.plan(*OPTIONS, export)
    *_, last = plan.read_bytes().splitlines()
    assert orjson.loads(last)["end"]["response"] == 2
    for _ in range(2):
        done = replay.push("--plan", plan)
        assert done.returncode == 0, done.stderr
        assert set(held(replay).values()) == {1}
        assert held(replay).total() == 4
    assert len(calls(replay)) == 4


def test_a_plan_without_them_is_the_same_as_before_there_were_any(replay: Replay) -> None:
    plan = replay.plan(replay.write([identify("u1", ADA)]))
    *_, last = plan.read_bytes().splitlines()
    assert orjson.loads(last)["end"] == {
        "create": 1, "update": 0, "eligibility_check": 0, "page_view": 0,
    }  # fmt: skip


@pytest.mark.parametrize("against", ["account", "auto", "snapshot"])
@pytest.mark.parametrize("saved", [False, True])
def test_what_the_account_holds_already_is_not_sent_though_no_journal_knows_it(
    replay: Replay, against: str, *, saved: bool
) -> None:
    export = replay.write(HISTORY)
    assert replay.push(*OPTIONS, export).returncode == 0
    before = held(replay)
    assert replay.run("journal", "forget", "--yes").returncode == 0
    export = replay.write([*HISTORY, response("u1", 5, 3)])
    way = str(replay.snapshot()) if against == "snapshot" else against
    since = len(replay.sandbox.requests)
    if saved:
        done = replay.push("--plan", replay.plan("--against", way, *OPTIONS, export))
    else:
        done = replay.push("--against", way, *OPTIONS, export)
    assert done.returncode == 0, done.stderr
    assert held(replay) == before + Counter({("u1", 5, 3): 1})
    made = Counter(calls(replay, since))
    assert made["POST /v1/end_users/1/responses"] == 1
    # A list of each kind an end user, not one a response; a dry run that asks the account has its own.
    lists = made["GET /v1/end_users/1/responses"], made["GET /v1/end_users/1/declines"]
    asks = saved and against != "snapshot"
    assert lists == ((2, 1) if asks else (1, 1))
    assert replay.push(*OPTIONS, "--again", export).returncode == 0
    assert held(replay) == before + Counter({("u1", 5, 3): 1})


def test_a_dry_run_that_asks_the_account_shows_what_is_there_already(replay: Replay) -> None:
    export = replay.write(HISTORY)
    assert replay.push(*OPTIONS, export).returncode == 0
    export = replay.write([*HISTORY, response("u1", 5, 3)])
    for against in ("account", "auto"):
        diff = replay.diff("--against", against, *OPTIONS, export)
        assert (diff.summary["responses"], diff.summary["declines"]) == (1, 0)
        assert diff.skipped("already_there") == 4
    assert diff.summary["forecast"]["kinds"]["survey_list"]["calls"] == 2
    diff = replay.diff("--next", *OPTIONS, export)
    assert (diff.summary["responses"], diff.skipped("delivered_before")) == (1, 6)


def test_the_same_second_and_score_is_one_response(replay: Replay) -> None:
    records = [
        identify("u1", ADA),
        response("u1", 1, 9, messageId="a"),
        response("u1", 1, 9, messageId="b"),
        response("u1", 1, 8, messageId="c"),
        decline("u1", 1, messageId="d"),
    ]
    diff = replay.diff(*OPTIONS, replay.write(records))
    assert (diff.summary["responses"], diff.skipped("already_there")) == (2, 1)
    assert replay.push(*OPTIONS, replay.write(records)).returncode == 0
    assert held(replay) == Counter({("u1", 1, 9): 1, ("u1", 1, 8): 1, ("u1", 1, None): 1})


@pytest.mark.parametrize("score", [11, -1, 9.5, "ten", "", None, True, [9], {"a": 1}, "9 of 10"])
def test_any_other_score_is_rejected_and_can_be_mended(replay: Replay, score: object) -> None:
    export = replay.write([identify("u1", ADA), response("u1", 1, score)])
    done = replay.push(*OPTIONS, export)
    assert done.returncode == 1
    (rejected,) = replay.rejects()
    assert (rejected["code"], rejected["field"]) == ("invalid_score", "properties.score")
    assert not held(replay)
    replay.write([response("u1", 1, "10.0")], "mended.ndjson")
    assert replay.push(*OPTIONS, "mended.ndjson").returncode == 0
    assert held(replay) == Counter({("u1", 1, 10): 1})


def test_whoever_the_account_holds_needs_no_identify_and_nobody_is_made_up(replay: Replay) -> None:
    replay.holds("u1", ADA)
    named = [{"type": "wootricEndUserId", "id": "1"}]
    records = [
        response("u1", 1),
        response("u2", 2, properties={"score": 1, "email": "new@example.com"}),
        response("u1", 3, properties={"score": 2, "email": "other@example.com"}),
        response("u1", 4, properties={"score": 3, "email": ADA}),
        response("x", 5, context={"externalId": named}),
    ]
    export = replay.write(records)
    for against in ("account", "auto", str(replay.snapshot())):
        diff = replay.diff("--against", against, *OPTIONS, export)
        assert diff.summary["unidentified"] == {"another_email": 1, "no_end_user": 1}, against
    done = replay.push(*OPTIONS, "--unidentified", "nobody.ndjson", export)
    assert done.returncode == 0, done.stderr
    assert held(replay) == Counter({("u1", 1, 9): 1, ("u1", 4, 3): 1, ("u1", 5, 9): 1})
    assert len(replay.sandbox.state.end_users) == 1
    later = replay.write([identify("u2", "new@example.com")], "later.ndjson")
    assert replay.push(*OPTIONS, later, "nobody.ndjson").returncode == 0
    assert held(replay)["u2", 2, 1] == 1


def test_the_writes_of_an_end_user_go_before_and_if_they_fail_nothing_is_sent(
    replaying: Replaying,
) -> None:
    def refuses(request: SandboxRequest) -> Fault | None:
        is_bad = request.form.get("email") == "bad@example.com"
        return Fault(JSONResponse({"error": "Email is invalid"}, 422)) if is_bad else None

    replay = replaying(SandboxSettings(faults=(refuses,)))
    export = replay.write(
        [
            identify("u1", "bad@example.com"),
            response("u1", 1),
            identify("u2", ADA),
            response("u2", 2),
        ]
    )
    for how in ((), ("--events-first",), ("--no-fold",)):
        done = replay.push(*OPTIONS, *how, "--retry-rejects", export)
        assert done.returncode == 1
        assert Counter(each["code"] for each in replay.rejects())["end_user_failed"] == 1
        assert held(replay) == Counter({("u2", 2, 9): 1})


@pytest.mark.parametrize("against", ["nothing", "account", "auto"])
def test_whoever_only_the_journal_knows_and_nothing_is_written_of_gets_theirs(
    replay: Replay, against: str
) -> None:
    who = identify("u1", ADA, plan="pro")
    assert replay.push(replay.write([who])).returncode == 0
    export = replay.write([who, who, response("u1", 1)])  # of another key, and nothing new
    done = replay.push("--against", against, *OPTIONS, export)
    assert done.returncode == 0, done.stderr
    assert held(replay) == Counter({("u1", 1, 9): 1})
    assert len(replay.paths("PUT")) == 0


# In doubt.


def on(ending: str, answers: Sequence[Fault | None]) -> FaultRule:
    """A fault rule that answers the first requests of which the method and path end so."""
    left = list(answers)

    def rule(request: SandboxRequest) -> Fault | None:
        is_meant = f"{request.method} {request.path}".endswith(ending)
        return left.pop(0) if is_meant and left else None

    return rule


def posts(*answers: Fault | None) -> FaultRule:
    method = [on(f"POST /v1/end_users/1/{kind}", answers) for kind in ("responses", "declines")]
    return lambda request: method[0](request) or method[1](request)


@pytest.mark.parametrize("fault", [name for name in NO_ANSWER if name not in LATE])
@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("saved", [False, True])
def test_one_without_an_answer_is_listed_and_sent_once_more_if_it_is_not_there(
    replaying: Replaying, fault: str, *, carried_out: bool, saved: bool
) -> None:
    rule = posts(Fault(NO_ANSWER[fault](), carried_out))
    replay = replaying(SandboxSettings(faults=(rule,)))
    export = replay.write([identify("u1", ADA), response("u1", 1), decline("u1", 2)])
    args: tuple[str | Path, ...] = (*OPTIONS, export)
    if saved:
        args = ("--plan", replay.plan(*args))
    done = replay.push("--format", "json", *args)
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout)["summary"]["responses"] == 1
    assert held(replay) == Counter({("u1", 1, 9): 1, ("u1", 2, None): 1})
    assert replay.in_doubt().total() == 0
    made = Counter(calls(replay))
    assert made["POST /v1/end_users/1/responses"] == (1 if carried_out else 2)
    assert made["GET /v1/end_users/1/responses"] == 1


@pytest.mark.parametrize("fault", LATE)
def test_one_that_may_still_be_under_way_is_sent_again_by_no_run_but_the_next(
    replaying: Replaying, fault: str
) -> None:
    late: list[SandboxRequest] = []

    def first(request: SandboxRequest) -> Fault | None:
        if late or request.method != "POST" or not request.path.endswith("/responses"):
            return None
        late.append(request)
        return Fault(NO_ANSWER[fault]())

    replay = replaying(SandboxSettings(faults=(first,)))
    export = replay.write([identify("u1", ADA), response("u1", 1)])
    assert replay.push(*OPTIONS, "--read-timeout", "1", export).returncode == 1
    assert Counter(calls(replay))["POST /v1/end_users/1/responses"] == 1
    with replay.sandbox.state.lock:
        replay.sandbox.state.create_response(late[0])
    assert replay.push(*OPTIONS, export).returncode == 0
    assert held(replay) == Counter({("u1", 1, 9): 1})


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize("options", [(), ("--in-doubt", "resend"), ("--again",)])
def test_one_that_stays_without_an_answer_is_settled_by_the_next_run(
    replaying: Replaying, options: tuple[str, ...], *, arrives: bool
) -> None:
    lost = Fault(ResetConnection())
    answers = (lost, Fault(ResetConnection(), carried_out=arrives))
    unlisted = on("GET /v1/end_users/1/responses", [None, Fault(said(422)())])
    replay = replaying(SandboxSettings(faults=(posts(*answers), unlisted)))
    export = replay.write([identify("u1", ADA), response("u1", 1)])
    done = replay.push(*OPTIONS, export)
    assert done.returncode == 1
    (rejected,) = replay.rejects()
    assert rejected["code"] == "in_doubt"
    assert "--in-doubt resend" not in done.stderr
    assert replay.in_doubt()["response"] == 1
    assert "1 survey response" in replay.run("status").stdout
    done = replay.push(*OPTIONS, *options, export)
    assert done.returncode == 0, done.stderr
    assert held(replay) == Counter({("u1", 1, 9): 1})
    assert replay.in_doubt().total() == 0
    done = replay.push(*OPTIONS, replay.folder / "rejects.ndjson")
    assert done.returncode == 0, done.stderr
    assert held(replay) == Counter({("u1", 1, 9): 1})


def test_one_in_doubt_that_is_not_there_and_refused_then_is_in_doubt_no_more(
    replaying: Replaying,
) -> None:
    lost = Fault(ResetConnection())
    replay = replaying(SandboxSettings(faults=(posts(lost, lost, Fault(said(422)())),)))
    export = replay.write([identify("u1", ADA), response("u1", 1)])
    assert replay.push(*OPTIONS, export).returncode == 1
    assert replay.in_doubt()["response"] == 1
    assert replay.push(*OPTIONS, export).returncode == 1
    assert replay.in_doubt().total() == 0


def test_one_that_was_refused_is_made_up_for_by_its_record_among_the_rejects(
    replaying: Replaying,
) -> None:
    replay = replaying(SandboxSettings(faults=(posts(Fault(said(422)())),)))
    export = replay.write([identify("u1", ADA), response("u1", 1)])

    def failed() -> int:
        told = orjson.loads(replay.run("status", "--format", "json").stdout)
        return int(told["failed"]["response"])

    assert replay.push(*OPTIONS, export).returncode == 1
    assert failed() == 1
    assert replay.push(*OPTIONS, "rejects.ndjson").returncode == 0
    assert failed() == 0
    again = replay.push(*OPTIONS, "--retry-rejects", export)
    assert "delivered_before 1" in again.stdout
    assert held(replay) == Counter({("u1", 1, 9): 1})


def test_an_event_that_is_named_as_a_response_later_is_sent_as_one(
    replaying: Replaying,
) -> None:
    replay = replaying(SandboxSettings(registered_events=("NPS Submitted",)))
    for message in ({"messageId": "m"}, {}):
        export = replay.write([identify("u1", ADA), response("u1", 1 + len(message), **message)])
        assert replay.push(export).returncode == 0
        assert replay.push(*OPTIONS, export).returncode == 0
        assert replay.push(export).returncode == 0
    assert len(replay.sandbox.state.eligibility_checks) == 2
    assert held(replay) == Counter({("u1", 1, 9): 1, ("u1", 2, 9): 1})


def test_one_whose_end_user_cannot_be_listed_is_not_sent(replaying: Replaying) -> None:
    refused = on("GET /v1/end_users/1/responses", [Fault(said(422)())])
    replay = replaying(SandboxSettings(faults=(refused,)))
    replay.holds("u1", ADA)
    export = replay.write([response("u1", 1)])
    assert replay.push(*OPTIONS, export).returncode == 1
    assert not held(replay)
    assert replay.push(*OPTIONS, "--retry-rejects", export).returncode == 0
    assert held(replay).total() == 1


@pytest.mark.parametrize(
    "told",
    [
        [{"id": 1, "end_user_id": 7, "score": 9, "created_at": START + 1}],
        [{"id": 1, "end_user_id": 1, "score": None, "created_at": START + 1}],
        [{"id": 1, "end_user_id": 1, "score": 9}],
        {"responses": []},
        ["x"],
    ],
)
def test_a_list_that_makes_no_sense_lets_nothing_be_sent(replaying: Replaying, told: Any) -> None:
    lies = on("GET /v1/end_users/1/responses", [Fault(JSONResponse(told))])
    replay = replaying(SandboxSettings(faults=(lies,)))
    replay.holds("u1", ADA)
    assert replay.push(*OPTIONS, replay.write([response("u1", 1)])).returncode == 1
    (rejected,) = replay.rejects()
    assert rejected["code"] == "bad_reply"
    assert not held(replay)


@pytest.mark.parametrize("written", ["2023-12-31 16:00:01 -0800", "2024-01-01T00:00:01Z"])
def test_the_time_in_a_list_may_be_written_in_any_way(replaying: Replaying, written: str) -> None:
    row = {"id": "1", "end_user_id": "1", "score": "9", "created_at": written}
    tells = on("GET /v1/end_users/1/responses", [Fault(JSONResponse([row]))])
    replay = replaying(SandboxSettings(faults=(tells,)))
    replay.holds("u1", ADA)
    done = replay.push(*OPTIONS, replay.write([response("u1", 1)]))
    assert done.returncode == 0, done.stderr
    assert "already_there 1" in done.stdout
    assert not held(replay)


@pytest.mark.parametrize("per_page", [50, 25, 10])
def test_a_long_list_is_read_to_its_end_though_its_pages_are_short(
    replaying: Replaying, per_page: int
) -> None:
    class Short:
        """A server that gives fewer to a page than asked for."""

        def __call__(self, request: SandboxRequest) -> Fault | None:
            if request.method != "GET" or not request.path.endswith("/responses"):
                return None
            rows = [each.to_json() for each in replay.sandbox.state.responses]
            first = (int(request.query["page"]) - 1) * per_page
            return Fault(JSONResponse(rows[first : first + per_page]))

    replay = replaying(SandboxSettings(faults=(Short(),)))
    many = [identify("u1", ADA), *(response("u1", n, n % 11) for n in range(120))]
    assert replay.push(*OPTIONS, replay.write(many)).returncode == 0
    assert replay.run("journal", "forget", "--yes").returncode == 0
    assert replay.push(*OPTIONS, replay.write([*many, response("u1", 200)])).returncode == 0
    assert set(held(replay).values()) == {1}
    assert held(replay).total() == 121


def test_a_list_that_has_no_end_is_asked_for_each_second(replaying: Replaying) -> None:
    class Endless:
        """An account that holds more than may be listed."""

        def __call__(self, request: SandboxRequest) -> Fault | None:
            if request.method != "GET" or not request.path.endswith("/responses"):
                return None
            if "created[eq]" in request.query:
                return None
            first = int(request.query["page"]) * 50
            row = {"end_user_id": 1, "score": 0, "created_at": 1}
            return Fault(JSONResponse([row | {"id": first + n} for n in range(50)]))

    replay = replaying(SandboxSettings(faults=(Endless(),)))
    replay.holds("u1", ADA)
    export = replay.write([response("u1", 1), response("u1", 2)])
    assert replay.push(*OPTIONS, export).returncode == 0
    assert replay.run("journal", "forget", "--yes").returncode == 0
    assert replay.push(*OPTIONS, export).returncode == 0
    assert held(replay) == Counter({("u1", 1, 9): 1, ("u1", 2, 9): 1})


# Killed anywhere, in parts and in any order.


@pytest.fixture(scope="module")
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture(scope="module")
def sandbox(trouble: Trouble) -> Iterator[RunningSandbox]:
    with run_sandbox(SandboxSettings(faults=(trouble,))) as running:
        yield running


@dataclass
class Losses:
    """A fault rule by which calls about responses and declines get no answer, now and then."""

    turns: Mapping[int, bool]
    """Whether the call is carried out, by its turn."""
    turn: int = -1

    def __call__(self, request: SandboxRequest) -> Fault | None:
        if not request.path.endswith(("/responses", "/declines")):
            return None
        self.turn += 1
        carried_out = self.turns.get(self.turn)
        return None if carried_out is None else Fault(ResetConnection(), carried_out)


USERS: Final = ("u0", "u1", "u2")
SURVEYS: Final = st.tuples(st.sampled_from(USERS), st.integers(0, 3), st.none() | st.integers(0, 2))
"""Whose it is, the second, and the score; None for a decline."""
MESSAGES: Final = st.booleans()
WAYS: Final = st.sampled_from(
    [
        (),
        (),
        ("--create-only",),
        ("--fill-missing",),
        ("--events-first",),
        ("--no-fold",),
        ("--against", "account"),
        ("--workers", "1"),
    ]
)


@st.composite
def histories(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """An export in parts, of which each names the end users that it tells of, in any order of lines."""
    surveys = draw(st.lists(SURVEYS, max_size=8))
    records = []
    for number, (user, second, score) in enumerate(surveys):
        made = decline(user, second) if score is None else response(user, second, score)
        if draw(MESSAGES):
            made["messageId"] = f"m{number}"
        records.append(made)
    parts: list[list[dict[str, Any]]] = [[] for _ in range(draw(st.integers(1, 3)))]
    for record in draw(st.permutations(records)):
        draw(st.sampled_from(parts)).append(record)
    who = [identify(user, f"{user}@example.com") for user in USERS]
    return [draw(st.permutations([*who, *part])) for part in parts]


@examples(12)
@given(
    parts=histories(),
    already=st.sets(st.sampled_from(USERS)),
    kills=st.lists(st.builds(Kill, st.integers(0, 14), st.booleans()), max_size=3),
    losses=st.dictionaries(st.integers(0, 12), st.booleans(), max_size=4),
    way=WAYS,
    forgets=st.booleans(),
)
def test_each_is_in_the_account_once_whatever_happens(
    sandbox: RunningSandbox,
    trouble: Trouble,
    parts: list[list[dict[str, Any]]],
    already: set[str],
    kills: list[Kill],
    losses: dict[int, bool],
    way: tuple[str, ...],
    *,
    forgets: bool,
) -> None:
    expected = Counter(
        {
            (
                each["userId"],
                int(each["timestamp"][17:19]),
                each.get("properties", {}).get("score"),
            ): 1
            for part in parts
            for each in part
            if each["type"] == "track"
        }
    )
    try:
        with empty_account(sandbox) as replay:
            for user in sorted(already):
                replay.holds(user, f"{user}@example.com")
            exports = [replay.write(part, f"{n}.ndjson") for n, part in enumerate(parts)]
            for drawn, export in zip(kills, exports * 3, strict=False):
                trouble.rule = kill = replace(drawn)
                with replay.start("push", "--no-progress", *OPTIONS, *way, export) as process:
                    kill.process = process
                    process.communicate(timeout=60)
            trouble.rule = Losses(losses)
            for export in exports:
                assert replay.push(*OPTIONS, *way, export).returncode in (0, 1)
            trouble.rule = None
            for _ in range(2):
                if forgets:
                    replay.run("journal", "forget", "--yes")
                done = replay.push(*OPTIONS, *way, "--retry-rejects", *exports)
                assert done.returncode == 0, done.stderr
                assert held(replay) == expected
            assert replay.in_doubt().total() == 0
    finally:
        trouble.rule = None


@examples(8)
@given(parts=histories(), losses=st.dictionaries(st.integers(0, 12), st.booleans(), max_size=4))
def test_a_saved_plan_sends_each_once_whatever_happens(
    sandbox: RunningSandbox,
    trouble: Trouble,
    parts: list[list[dict[str, Any]]],
    losses: dict[int, bool],
) -> None:
    try:
        with empty_account(sandbox) as replay:
            for part in parts:
                export = replay.write(part)
                plan = replay.plan("--against", "auto", *OPTIONS, export)
                trouble.rule = Losses(losses)
                done = replay.push("--plan", plan)
                trouble.rule = None
                if done.returncode:
                    rejects = replay.folder / "rejects.ndjson"
                    assert replay.push("--plan", rejects).returncode == 0
            assert set(held(replay).values()) <= {1}
            whole = replay.write([each for part in parts for each in part])
            assert replay.push(*OPTIONS, whole).returncode == 0
            assert set(held(replay).values()) <= {1}
            diff = replay.diff("--against", "account", *OPTIONS, whole)
            assert (diff.summary["responses"], diff.summary["declines"]) == (0, 0)
    finally:
        trouble.rule = None


def test_a_kill_while_one_is_under_way_leaves_it_in_doubt_and_the_next_run_settles_it(
    replaying: Replaying,
) -> None:
    has_come: list[SandboxRequest] = []

    def waits(request: SandboxRequest) -> Fault | None:
        if request.method == "POST" and request.path.endswith("/responses") and not has_come:
            has_come.append(request)
            return Fault(Silence(), carried_out=True)
        return None

    replay = replaying(SandboxSettings(faults=(waits,)))
    export = replay.write([identify("u1", ADA), response("u1", 1), response("u1", 2)])
    with replay.start("push", "--no-progress", *OPTIONS, export) as process:
        until(lambda: bool(has_come))
        until(lambda: replay.in_doubt()["response"] == 1)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    assert replay.in_doubt() == Counter({"response": 1})
    diff = replay.diff("--next", "--against", "account", *OPTIONS, export)
    assert (diff.summary["responses"], diff.skipped("delivered_before")) == (1, 1)
    done = replay.push(*OPTIONS, export)
    assert done.returncode == 0, done.stderr
    assert "delivered_before 1" in done.stdout
    assert held(replay) == Counter({("u1", 1, 9): 1, ("u1", 2, 9): 1})
    assert replay.in_doubt().total() == 0
