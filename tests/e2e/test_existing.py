"""End users who are there already: left as they are, or given only what they lack."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from replaying import Replay, at, by_device, identify, page, refusing, track
from starlette.responses import JSONResponse

from wootric_map.sandbox import (
    Fault,
    FaultRule,
    ResetConnection,
    SandboxRequest,
    SandboxSettings,
)

ADA, BYRON, CLARA = "ada@example.com", "byron@example.com", "clara@example.com"
KEEP, FILL = "--create-only", "--fill-missing"
GIVING_UP = ("--retries", "1000", "--give-up-after", "0.2")
"""A push that ends once nothing but faults has come back, however many tries that is."""
EITHER = pytest.mark.parametrize("option", [KEEP, FILL])

EXPORT = [
    at(1, identify("1", ADA, plan="pro", city="Rome", phone="+15550001")),
    at(1, identify("2", BYRON, plan="max")),
    at(2, page("1", "/a")),
    at(2, track("1")),
    at(2, page("2", "/b")),
]

Replaying = Callable[[SandboxSettings], Replay]


def held(replay: Replay, user: str) -> dict[str, Any]:
    return replay.users()[user]


def writes(replay: Replay, start: int = 0) -> list[Mapping[str, Any]]:
    """The requests that create or change an end user, from the request of that number on."""
    return [
        each
        for each in replay.sandbox.requests[start:]
        if each["method"] in ("POST", "PUT") and str(each["path"]).startswith("/v1/end_users")
    ]


def pushed(replay: Replay, *args: str | Path) -> str:
    """The summary of a push, which must end well."""
    done = replay.push(*args)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


@pytest.fixture(params=["account", "snapshot", "nothing", "plan"])
def push(replay: Replay, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Pushes with what the account holds known in one way or another."""

    def run(*args: str | Path) -> str:
        if request.param == "plan":
            return pushed(replay, "--plan", replay.plan("--against", "account", *args))
        against = str(replay.snapshot()) if request.param == "snapshot" else request.param
        return pushed(replay, "--against", against, *args)

    return run


# What each does.


def test_end_users_who_are_there_are_left_as_they_are_and_the_others_are_created(
    replay: Replay, push: Callable[..., str]
) -> None:
    replay.holds("1", ADA, plan="free")
    before = held(replay, "1")
    push(KEEP, replay.write(EXPORT))
    assert held(replay, "1") == before
    assert held(replay, "2")["properties"] == {"plan": "max"}
    assert sorted(replay.paths()).count("/pixel.gif") == 2
    assert replay.paths().count("/eligible.json") == 1


def test_end_users_who_are_there_get_only_what_they_lack(
    replay: Replay, push: Callable[..., str]
) -> None:
    replay.holds("1", ADA, plan="free", city="")
    push(FILL, replay.write(EXPORT))
    after = held(replay, "1")
    assert after["properties"] == {"plan": "free", "city": "Rome"}
    assert after["phone_number"] == "+15550001"
    assert held(replay, "2")["properties"] == {"plan": "max"}
    assert replay.paths().count("/pixel.gif") == 2


@EITHER
def test_where_nothing_is_to_be_filled_nothing_is_written(
    replay: Replay, push: Callable[..., str], option: str
) -> None:
    replay.holds("1", ADA, plan="free", seats="0")
    push(option, replay.write([identify("1", ADA, plan="pro", seats=5)]))
    assert writes(replay) == [] or all(each["status"] == 422 for each in writes(replay))
    assert held(replay, "1")["properties"] == {"plan": "free", "seats": "0"}


@EITHER
def test_the_summary_tells_who_is_left_as_they_are(replay: Replay, option: str) -> None:
    replay.holds("1", ADA, plan="free", phone_number="+15550001", city="Rome")
    replay.holds("3", CLARA, plan="pro")
    export = replay.write([*EXPORT, identify("3", CLARA, plan="pro")])
    diff = replay.diff("--against", "account", option, export)
    assert diff.writes == (1, 0)
    assert (diff.summary["left"], diff.summary["unchanged"]) == (1, 1)
    told = replay.run("dry-run", "--against", "account", option, export).stdout
    assert "1 to create, 0 to update, 1 unchanged, 1 left as they are;" in told
    summary = pushed(replay, option, export)
    assert "Unchanged 1 end users Left as they are 1 end users who differ" in summary


def test_the_diff_of_a_fill_shows_what_is_filled_alone(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    diff = replay.diff("--against", "account", FILL, replay.write(EXPORT[:1]))
    assert diff.user("update") == {"phone_number": "+15550001", "properties.city": "Rome"}
    assert replay.diff("--against", "account", KEEP, replay.write(EXPORT[:1])).writes == (0, 0)


@EITHER
def test_against_nothing_they_change_no_dry_run(replay: Replay, option: str) -> None:
    export = replay.write(EXPORT)
    assert replay.diff(option, export) == replay.diff(export)


# The fields that an end user is known by.


def test_an_end_user_without_an_external_id_is_given_one(
    replay: Replay, push: Callable[..., str]
) -> None:
    replay.holds(None, ADA, plan="free")
    push(FILL, replay.write(EXPORT[:1]))
    assert held(replay, "1")["email"] == ADA
    assert held(replay, "1")["properties"]["plan"] == "free"


def test_an_end_user_with_another_email_keeps_it(replay: Replay) -> None:
    replay.holds("1", "old@example.com")
    export = replay.write(EXPORT[:1])
    pushed(replay, FILL, export)
    assert held(replay, "1")["email"] == "old@example.com"
    assert held(replay, "1")["properties"] == {"plan": "pro", "city": "Rome"}
    pushed(replay, export)
    assert held(replay, "1")["email"] == ADA


def test_an_end_user_with_another_external_id_keeps_it(replay: Replay) -> None:
    replay.holds("old", ADA)
    export = replay.write(EXPORT[:1])
    pushed(replay, FILL, export)
    assert held(replay, "old")["properties"] == {"plan": "pro", "city": "Rome"}
    pushed(replay, export)
    assert set(replay.users()) == {"1"}


@EITHER
@pytest.mark.parametrize("against", ["nothing", "account"])
def test_whom_wootrics_own_id_names_is_looked_up_before_anything_is_sent(
    replay: Replay, option: str, against: str
) -> None:
    replay.holds("1", ADA, plan="free")
    record = by_device("d", identify("", BYRON, plan="pro", city="Rome"))
    record["context"] = {"externalId": [{"type": "wootricEndUserId", "id": "1"}]}
    export = replay.write([record])
    plan = replay.plan(option, export)
    assert len(plan.read_text().splitlines()) == 2  # none but the first and the last
    pushed(replay, option, "--against", against, export)
    filled = {"city": "Rome"} if option == FILL else {}
    assert held(replay, "1")["email"] == ADA
    assert held(replay, "1")["properties"] == {"plan": "free"} | filled


@EITHER
def test_an_id_of_wootrics_that_it_does_not_have_keeps_nobody_from_being_created(
    replay: Replay, option: str
) -> None:
    record = identify("x", ADA, plan="pro")
    record["context"] = {"externalId": [{"type": "wootricEndUserId", "id": "424242"}]}
    pushed(replay, option, "--against", "nothing", replay.write([record]))
    assert held(replay, "x")["properties"] == {"plan": "pro"}


# What the journal remembers of it.


def test_what_was_not_filled_is_updated_by_the_next_plain_push(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    export = replay.write(EXPORT[:1])
    pushed(replay, FILL, export)
    pushed(replay, export)
    assert held(replay, "1")["properties"] == {"plan": "pro", "city": "Rome"}


def test_who_was_left_is_updated_by_the_next_plain_push(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    export = replay.write(EXPORT[:1])
    pushed(replay, KEEP, export)
    pushed(replay, export)
    after = held(replay, "1")
    assert after["properties"] == {"plan": "pro", "city": "Rome"}
    assert after["phone_number"] == "+15550001"


def test_what_a_plan_has_filled_is_updated_by_the_next_plain_push(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    export = replay.write(EXPORT[:1])
    pushed(replay, "--plan", replay.plan("--against", "account", FILL, export))
    assert held(replay, "1")["properties"] == {"plan": "free", "city": "Rome"}
    pushed(replay, export)
    assert held(replay, "1")["properties"] == {"plan": "pro", "city": "Rome"}


def test_what_a_fill_did_not_send_outdoes_no_older_file(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    newer = replay.write([at(2, identify("1", ADA, plan="pro", city="Rome"))], "newer.ndjson")
    older = replay.write([at(1, identify("1", ADA, plan="max", city="Bonn"))], "older.ndjson")
    pushed(replay, FILL, newer)
    pushed(replay, older)
    assert held(replay, "1")["properties"] == {"plan": "max", "city": "Rome"}


@EITHER
def test_the_next_night_costs_no_call_for_whom_nothing_is_new(replay: Replay, option: str) -> None:
    replay.holds("1", ADA, plan="free")
    export = replay.write(EXPORT)
    pushed(replay, option, export)
    before = len(replay.sandbox.requests)
    summary = pushed(replay, option, export)
    assert "Unchanged 1 end users Left as they are 1 end users who differ" in summary
    after = [str(each["path"]) for each in replay.sandbox.requests[before:]]
    assert not [path for path in after if path.startswith("/v1/end_users/")]


@EITHER
@pytest.mark.parametrize("against", ["account", "nothing", "snapshot"])
@pytest.mark.parametrize("again", [(), ("--again",)])
def test_what_a_plain_push_has_written_is_not_overwritten_by_a_later_export(
    replay: Replay, option: str, against: str, again: tuple[str, ...]
) -> None:
    replay.holds("1", ADA, note="by hand")
    compared = str(replay.snapshot()) if against == "snapshot" else against
    pushed(replay, replay.write([at(1, identify("1", ADA, plan="free"))], "a.ndjson"))
    later = at(2, identify("1", ADA, plan="pro", note="ours", city="Rome"))
    export = replay.write([later], "b.ndjson")
    pushed(replay, option, "--against", compared, *again, export)
    filled = {"city": "Rome"} if option == FILL else {}
    assert held(replay, "1")["properties"] == {"note": "by hand", "plan": "free"} | filled
    pushed(replay, export)
    assert held(replay, "1")["properties"] == {"note": "ours", "plan": "pro", "city": "Rome"}


def test_the_look_ups_of_a_fill_are_foretold(replay: Replay) -> None:
    pushed(replay, replay.write([at(1, identify("1", ADA, plan="free"))], "a.ndjson"))
    export = replay.write([at(2, identify("1", ADA, plan="pro", city="Rome"))], "b.ndjson")
    done = replay.push(FILL, export)
    assert "between 1 and 2 API calls to make" in done.stderr
    assert "API calls" in done.stdout


def test_a_fill_sets_the_journal_right_about_what_was_changed_by_hand(replay: Replay) -> None:
    pushed(replay, replay.write([at(1, identify("1", ADA, plan="pro"))], "a.ndjson"))
    number = held(replay, "1")["id"]
    change_by_hand(replay, number, plan="free")
    export = replay.write([at(2, identify("1", ADA, plan="pro", city="Rome"))], "b.ndjson")
    pushed(replay, FILL, export)
    assert held(replay, "1")["properties"] == {"plan": "free", "city": "Rome"}
    pushed(replay, export)
    assert held(replay, "1")["properties"] == {"plan": "pro", "city": "Rome"}


def change_by_hand(replay: Replay, number: int, **properties: str) -> None:
    form = {f"properties[{name}]": value for name, value in properties.items()}
    state = replay.sandbox.state
    with state.lock:
        state.update_end_user(
            SandboxRequest("", "PUT", "", {"id": str(number)}, {}, form, {}, has_other_body=False)
        )


# Record by record.


@EITHER
def test_record_by_record_an_end_user_who_is_new_has_all_of_their_history(
    replay: Replay, option: str
) -> None:
    replay.holds("2", BYRON, plan="free")
    history = [
        at(day, identify(user, email, plan=f"p{day}", **{f"day{day}": "x"}))
        for user, email in (("1", ADA), ("2", BYRON))
        for day in (1, 2, 3)
    ]
    pushed(replay, "--no-fold", option, replay.write(history))
    days = {"day1": "x", "day2": "x", "day3": "x"}
    assert held(replay, "1")["properties"] == {"plan": "p3"} | days
    assert held(replay, "2")["properties"] == {"plan": "free"} | (days if option == FILL else {})


def test_record_by_record_the_last_value_of_what_was_missing_is_filled_in(replay: Replay) -> None:
    replay.holds("1", ADA)
    export = replay.write([at(day, identify("1", ADA, plan=f"p{day}")) for day in (1, 2)])
    pushed(replay, "--no-fold", FILL, export)
    assert held(replay, "1")["properties"] == {"plan": "p2"}


@EITHER
def test_a_push_record_by_record_goes_on_with_whom_it_has_created(
    replaying: Replaying, option: str
) -> None:
    down = [True]

    def rule(request: SandboxRequest) -> Fault | None:
        return Fault(ResetConnection()) if request.method == "PUT" and down[0] else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    export = replay.write([at(day, identify("1", ADA, plan=f"p{day}")) for day in (1, 2)])
    done = replay.push("--no-fold", option, *GIVING_UP, export)
    assert done.returncode == 5
    assert held(replay, "1")["properties"] == {"plan": "p1"}
    down[0] = False
    pushed(replay, "--no-fold", option, export)
    assert held(replay, "1")["properties"] == {"plan": "p2"}
    # From then on they are somebody who is there.
    more = replay.write([at(3, identify("1", ADA, plan="p3"))], "more.ndjson")
    pushed(replay, "--no-fold", option, export, more)
    assert held(replay, "1")["properties"] == {"plan": "p2"}


@pytest.mark.parametrize("way", ["auto", "account", "nothing", "snapshot", "plan"])
@pytest.mark.parametrize("by_hand", [None, "by hand"])
def test_a_push_record_by_record_goes_on_with_what_it_has_filled_in(
    replaying: Replaying, way: str, by_hand: str | None
) -> None:
    """What was there before it began stays, and so does what somebody else has given since."""
    down = [True]

    def rule(request: SandboxRequest) -> Fault | None:
        is_second = request.method == "PUT" and request.form.get("properties[plan]") == "p2"
        return Fault(ResetConnection()) if is_second and down[0] else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    replay.holds("1", ADA, city="c1")
    history = [at(day, identify("1", ADA, plan=f"p{day}", city=f"c{day}")) for day in (1, 2)]
    export = replay.write(history)
    how = ("--no-fold", FILL, export)
    compared = replay.snapshot() if way == "snapshot" else way
    again: tuple[str | Path, ...] = ("--against", compared, *how)
    if way == "plan":
        again = ("--plan", replay.plan("--against", "account", *how))
    assert replay.push(*GIVING_UP, *again).returncode == 5
    assert held(replay, "1")["properties"] == {"plan": "p1", "city": "c1"}
    down[0] = False
    if by_hand:
        change_by_hand(replay, held(replay, "1")["id"], plan=by_hand)
    pushed(replay, *again)
    expected = {"plan": by_hand or "p2", "city": "c1"}
    assert held(replay, "1")["properties"] == expected
    # From then on the values are somebody's who is there.
    more = replay.write([at(3, identify("1", ADA, plan="p3", city="c3"))], "more.ndjson")
    pushed(replay, *how, more)
    assert held(replay, "1")["properties"] == expected


def test_a_push_killed_after_all_has_been_filled_in_leaves_nothing_to_go_on_with(
    replaying: Replaying,
) -> None:
    down = [True]

    def rule(request: SandboxRequest) -> Fault | None:
        is_lost = request.method == "PUT" and down[0]
        return Fault(ResetConnection(), carried_out=True) if is_lost else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    replay.holds("1", ADA)
    export = replay.write([at(1, identify("1", ADA, plan="p1"))])
    how = ("--no-fold", FILL)
    assert replay.push(*GIVING_UP, *how, export).returncode == 5
    down[0] = False
    pushed(replay, *how, export)
    more = replay.write([at(2, identify("1", ADA, plan="p2"))], "more.ndjson")
    pushed(replay, *how, export, more)
    assert held(replay, "1")["properties"] == {"plan": "p1"}


@EITHER
def test_a_push_that_goes_on_knows_again_whose_user_id_is_somebody_elses(
    replaying: Replaying, option: str
) -> None:
    """Clara has Ada's `userId` in Wootric, and the run that is cut short has not come to her yet."""
    down = [True]

    def rule(request: SandboxRequest) -> Fault | None:
        return Fault(ResetConnection()) if request.method == "PUT" and down[0] else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    replay.holds("1", CLARA)
    history = [at(day, identify("1", ADA, plan=f"p{day}")) for day in (1, 2)]
    export = replay.write([*history, at(3, identify("4", CLARA))])
    how = ("--no-fold", option, "--workers", "1", export)
    assert replay.push(*GIVING_UP, *how).returncode == 5
    down[0] = False
    pushed(replay, *how)
    users = {user["email"]: user for user in replay.users().values()}
    assert users.keys() == {ADA, CLARA}
    assert (users[ADA]["external_id"], users[ADA]["properties"]) == (None, {"plan": "p2"})


# Who comes to be there meanwhile.


def appearing(replays: list[Replay], *, method: str = "POST", **fields: str) -> FaultRule:
    """A fault rule by which somebody else creates an end user just before the push does."""

    def rule(request: SandboxRequest) -> Fault | None:
        if request.method == method and request.path == "/v1/end_users" and replays:
            replays.pop().holds(**fields)
        return None

    return rule


@EITHER
@pytest.mark.parametrize("fold", [(), ("--no-fold",)])
def test_an_end_user_who_is_created_meanwhile_is_not_overwritten(
    replaying: Replaying, option: str, fold: tuple[str, ...]
) -> None:
    replays: list[Replay] = []
    rule = appearing(replays, external_id="other", email=ADA, plan="free")
    replay = replaying(SandboxSettings(faults=(rule,)))
    replays.append(replay)
    history = [
        at(1, identify("1", ADA, plan="pro")),
        at(2, identify("1", ADA, plan="max", city="Rome")),
    ]
    summary = pushed(replay, *fold, option, replay.write(history))
    filled = {"city": "Rome"} if option == FILL else {}
    assert held(replay, "other")["properties"] == {"plan": "free"} | filled
    assert set(replay.users()) == {"other"}
    assert "Left as they are" in summary or not (fold or option == KEEP)


@EITHER
def test_a_create_that_nobody_answered_counts_as_made_and_goes_on(
    replaying: Replaying, option: str
) -> None:
    left = [1]

    def rule(request: SandboxRequest) -> Fault | None:
        if request.method == "POST" and request.path == "/v1/end_users" and left[0]:
            left[0] -= 1
            return Fault(ResetConnection(), carried_out=True)
        return None

    replay = replaying(SandboxSettings(faults=(rule,)))
    history = [at(1, identify("1", ADA, plan="pro")), at(2, identify("1", ADA, plan="max"))]
    summary = pushed(replay, "--no-fold", option, replay.write(history))
    assert "Created 1 end users Updated 1 end users" in summary
    assert held(replay, "1")["properties"] == {"plan": "max"}


@EITHER
def test_what_is_in_doubt_of_a_plain_push_is_settled_and_then_not_overwritten(
    replaying: Replaying, option: str
) -> None:
    down = [True]

    def rule(request: SandboxRequest) -> Fault | None:
        return Fault(ResetConnection()) if request.method == "PUT" and down[0] else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    replay.holds("1", ADA, plan="free")
    export = replay.write([identify("1", ADA, plan="pro", city="Rome")])
    assert replay.push(*GIVING_UP, export).returncode == 5
    assert replay.in_doubt()["write"] == 1
    down[0] = False
    pushed(replay, option, export)
    assert replay.in_doubt()["write"] == 0
    filled = {"city": "Rome"} if option == FILL else {}
    assert held(replay, "1")["properties"] == {"plan": "free"} | filled


def test_a_fill_in_doubt_is_settled_and_claims_no_more_than_it_sent(replaying: Replaying) -> None:
    down = [True]

    def rule(request: SandboxRequest) -> Fault | None:
        lost = request.method == "PUT" and down[0]
        return Fault(ResetConnection(), carried_out=True) if lost else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    replay.holds("1", ADA, plan="free")
    export = replay.write([identify("1", ADA, plan="pro", city="Rome")])
    assert replay.push(FILL, *GIVING_UP, export).returncode == 5
    down[0] = False
    before = len(replay.sandbox.requests)
    done = replay.push(FILL, export)
    assert "1 had arrived" in done.stderr
    assert writes(replay, before) == []
    pushed(replay, export)
    assert held(replay, "1")["properties"] == {"plan": "pro", "city": "Rome"}


def untold(request: SandboxRequest) -> Fault | None:
    """A fault rule by which Wootric tells an end user's properties as a text that nobody can read."""
    if request.method != "GET" or not request.path.startswith("/v1/end_users/"):
        return None
    told = {"id": 1, "email": ADA, "external_id": "1", "properties": "{plan=>free}"}
    return Fault(JSONResponse(told))


@pytest.mark.parametrize("fold", [(), ("--no-fold",)])
@pytest.mark.parametrize("settings", [SandboxSettings(faults=(untold,))])
def test_properties_that_wootric_does_not_tell_are_not_sent(
    replay: Replay, fold: tuple[str, ...]
) -> None:
    replay.holds("1", ADA, plan="free")
    history = [
        at(1, identify("1", ADA, plan="pro", phone="+15550001")),
        at(2, identify("1", ADA, plan="max")),
    ]
    pushed(replay, *fold, FILL, replay.write(history))
    assert held(replay, "1")["properties"] == {"plan": "free"}
    assert held(replay, "1")["phone_number"] == "+15550001"


def test_two_end_users_of_the_export_who_are_one_do_not_overwrite_each_other(
    replay: Replay,
) -> None:
    """By what the account alone knows: one is found by external id, the other by email."""
    replay.holds("1", ADA)
    export = replay.write([identify("1", plan="pro"), identify("x", ADA, plan="max"), *crowd()])
    pushed(replay, FILL, "--workers", "8", export)
    put = [each for each in writes(replay) if each["method"] == "PUT"]
    assert sum("properties[plan]" in each["form"] for each in put) == 1


def crowd() -> list[dict[str, Any]]:
    return [identify(f"u{n}", f"u{n}@example.com") for n in range(20)]


# How they are asked for.


@pytest.mark.parametrize("command", ["push", "dry-run"])
def test_they_exclude_each_other(replay: Replay, command: str) -> None:
    done = replay.run(command, KEEP, FILL, replay.write(EXPORT))
    assert done.returncode == 2
    assert "choose one" in done.stderr
    assert replay.paths() == []


@EITHER
def test_they_are_given_to_the_dry_run_and_not_to_the_push_of_its_plan(
    replay: Replay, option: str
) -> None:
    plan = replay.plan(option, replay.write(EXPORT))
    done = replay.push("--plan", plan, option)
    assert done.returncode == 2
    assert f"{option} has no place beside --plan" in done.stderr


@EITHER
def test_a_refused_end_user_is_told_and_kept_as_ever(replaying: Replaying, option: str) -> None:
    replay = replaying(SandboxSettings(faults=(refusing(BYRON),)))
    replay.holds("1", ADA, plan="free")
    done = replay.push(option, replay.write(EXPORT))
    assert done.returncode == 1
    assert {each["code"] for each in replay.rejects()} == {"refused", "end_user_failed"}


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("folded", [True, False])
def test_a_value_that_was_given_since_the_snapshot_stays(
    replay: Replay, saved: bool, folded: bool
) -> None:
    replay.holds("1", ADA, plan="free")
    replay.holds("2", BYRON, plan="max")
    snapshot = replay.snapshot()
    export = replay.write(
        [
            at(1, identify("1", ADA, plan="pro", city="Rome", phone="+15550001")),
            at(2, identify("1", ADA, city="Oslo", team="red")),
            identify("2", BYRON, plan="pro"),
        ]
    )
    how = ("--against", snapshot, FILL, *(() if folded else ("--no-fold",)), export)
    plan = replay.plan(*how) if saved else None
    change_by_hand(replay, held(replay, "1")["id"], city="Bern")
    start = len(replay.sandbox.requests)
    if plan:
        pushed(replay, "--plan", plan)
    else:
        pushed(replay, *how)
    after = held(replay, "1")
    assert after["properties"] == {"plan": "free", "city": "Bern", "team": "red"}
    assert after["phone_number"] == "+15550001"
    looked = [each for each in replay.sandbox.requests[start:] if each["method"] == "GET"]
    assert (
        sum("/end_users/" in str(each["path"]) for each in looked) == 1
    )  # who lacks nothing is not


@EITHER
@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("ahead", [True, False])
def test_an_end_user_with_anothers_email_is_not_whoever_has_the_user_id(
    replay: Replay, option: str, folded: bool, ahead: bool
) -> None:
    # Wootric has Clara under a userId that is Ada's now: nobody's values may come to stand with another's.
    replay.holds("1", CLARA, plan="free")
    both = [identify("3", CLARA, seats="two"), identify("1", ADA, city="Oslo")]
    export = replay.write(both if ahead else both[::-1])
    args = (option, export) if folded else (option, "--no-fold", export)
    replay.push("--workers", "1", *args)
    users = {user["email"]: user for user in replay.users().values()}
    assert users.keys() == {ADA, CLARA}
    assert users[ADA]["properties"] == {"city": "Oslo"}
    filled = {"plan": "free", "seats": "two"} if option == FILL else {"plan": "free"}
    assert users[CLARA]["properties"] == filled
    assert (users[ADA]["external_id"], users[CLARA]["external_id"]) == (None, "1")


@pytest.mark.parametrize("folded", [True, False])
def test_nobody_is_created_beside_whoever_they_may_be_however_many_are_under_way(
    replaying: Replaying, folded: bool
) -> None:
    # Whoever is left as they are by their phone is not taken from whom an alias has made them.
    phone, alias_of = "+15550001", {"type": "alias", "userId": "2", "previousId": "3"}
    first = [at(1, by_device("p", identify("3", seats=1)) | {"userId": "3"}), at(1, alias_of)]
    more = [
        at(5, by_device("p", identify("3", phone=phone))),
        at(5, identify("3", CLARA, plan="free") | {"anonymousId": "p"}),
    ]
    how = ("--create-only", "--workers", "4", *(() if folded else ("--no-fold",)))
    for _ in range(6):
        replay = replaying(SandboxSettings())
        replay.holds("2", ADA, phone_number=phone)
        pushed(replay, *how, replay.write(first, "a.ndjson"))
        pushed(replay, *how, replay.write(first + more, "b.ndjson"))
        assert [user["email"] for user in replay.users().values()] == [ADA]


def test_a_dry_run_tells_the_look_ups_of_a_fill_by_a_snapshot(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    replay.holds("2", BYRON, plan="max")
    snapshot = replay.snapshot()
    export = replay.write([identify("1", ADA, city="Rome"), identify("2", BYRON, plan="pro")])
    how = ("--against", snapshot, FILL)
    done = replay.run("dry-run", *how, export)
    assert "1 to update" in done.stdout
    assert "and 1 look-up." in done.stdout
    assert replay.diff(*how, export).summary["forecast"]["kinds"] == {
        "look_up": {"calls": 1, "seconds": 0.6},
        "update": {"calls": 1, "seconds": 0.6},
    }
    start = len(replay.sandbox.requests)
    pushed(replay, *how, export)
    looked = [each for each in replay.sandbox.requests[start:] if each["method"] == "GET"]
    assert sum("/end_users/" in str(each["path"]) for each in looked) == 1
