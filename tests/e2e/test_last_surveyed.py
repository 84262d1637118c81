"""`--set-last-surveyed`: whoever a push creates counts as surveyed; nobody else, and never unasked."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import given
from replaying import Replay, at, empty_account, identify, page, track
from somebody import PEOPLE, Somebody, fill

from wootric_map.errors import SettingsError
from wootric_map.plan.plan_options import PlanOptions
from wootric_map.sandbox import (
    Fault,
    FaultRule,
    ResetConnection,
    RunningSandbox,
    SandboxRequest,
    SandboxSettings,
    run_sandbox,
)

Start = Callable[[SandboxSettings], Replay]

WHEN = 1_700_000_000
OPTION = ("--set-last-surveyed", str(WHEN))
ADA = identify("1", "ada@example.com", plan="pro")
BYRON = identify("2", "byron@example.com", plan="free")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


def surveyed(replay: Replay) -> dict[str, Any]:
    """When each end user was surveyed last, by external id, else email."""
    return {name: each["last_surveyed"] for name, each in replay.users().items()}


def writes(replay: Replay) -> int:
    return sum("/end_users" in path for path in (*replay.paths("POST"), *replay.paths("PUT")))


@pytest.mark.parametrize("against", ["auto", "account", "nothing"])
def test_only_who_is_created_counts_as_surveyed(replay: Replay, against: str) -> None:
    if against != "nothing":
        replay.holds("1", "ada@example.com", plan="old")
    done = replay.push(*OPTION, "--against", against, replay.write([ADA, BYRON]))
    assert done.returncode == 0, done.stderr
    assert surveyed(replay) == {"1": None if against != "nothing" else WHEN, "2": WHEN}
    assert replay.users()["1"]["properties"] == {"plan": "pro"}


def test_without_the_option_nobody_does(replay: Replay) -> None:
    assert replay.push(replay.write([ADA, BYRON])).returncode == 0
    assert surveyed(replay) == {"1": None, "2": None}


@pytest.mark.parametrize("how", [(), ("--no-fold",), ("--events-first",), ("--fill-missing",)])
def test_whoever_is_updated_later_keeps_their_own_time(
    replay: Replay, how: tuple[str, ...]
) -> None:
    first = replay.write([at(1, ADA), page("1")])
    assert replay.push(*OPTION, *how, first).returncode == 0
    (held,) = replay.sandbox.state.end_users
    assert held.last_surveyed == WHEN
    later = replay.write([at(2, identify("1", "ada@example.com", seats="5"))], "later.ndjson")
    assert replay.push("--set-last-surveyed", "2001-01-01", *how, later).returncode == 0
    assert surveyed(replay) == {"1": WHEN}
    assert replay.users()["1"]["properties"] == {"plan": "pro", "seats": "5"}


def test_of_several_writes_only_the_first_sends_it(replay: Replay) -> None:
    records = [at(day, identify("1", "ada@example.com", plan=str(day))) for day in (1, 2, 3)]
    assert replay.push(*OPTION, "--no-fold", replay.write(records)).returncode == 0
    assert writes(replay) == 3
    assert surveyed(replay) == {"1": WHEN}


@pytest.mark.parametrize("again", [OPTION, ("--set-last-surveyed", "now"), ()])
def test_a_second_push_sends_nothing_whatever_the_time(
    replay: Replay, again: tuple[str, ...]
) -> None:
    export = replay.write([ADA, BYRON, track("1")])
    assert replay.push(*OPTION, export).returncode == 0
    before = writes(replay)
    assert replay.push(*again, export).returncode == 0
    assert replay.push(*again, "--again", export).returncode == 0
    assert writes(replay) == before
    assert surveyed(replay) == {"1": WHEN, "2": WHEN}


def test_a_saved_plan_keeps_the_time_and_shows_it(replay: Replay) -> None:
    export = replay.write([ADA])
    plan = replay.plan(*OPTION, export)
    (created,) = [
        line for line in map(orjson.loads, plan.read_bytes().splitlines()) if "key" in line
    ]
    assert created["fields"]["last_surveyed"] == WHEN
    for _ in range(2):
        assert replay.push("--plan", plan).returncode == 0
    assert writes(replay) == 1
    assert surveyed(replay) == {"1": WHEN}
    assert replay.push(export).returncode == 0
    assert writes(replay) == 1  # the journal knows what the plan has left there


def test_a_plan_must_not_set_it_of_whoever_is_there(replay: Replay) -> None:
    replay.holds("1", "ada@example.com")
    plan = replay.plan("--against", "account", replay.write([ADA]))
    plan.write_text(plan.read_text().replace('"fields":{', f'"fields":{{"last_surveyed":{WHEN},'))
    done = replay.push("--plan", plan)
    assert done.returncode == 2
    assert "no part of a plan" in done.stderr
    assert writes(replay) == 0


def test_beside_a_plan_the_option_belongs_to_the_dry_run(replay: Replay) -> None:
    plan = replay.plan(replay.write([ADA]))
    done = replay.push("--plan", plan, *OPTION)
    assert done.returncode == 2
    assert "--set-last-surveyed has no place beside --plan: give it to the dry-run" in done.stderr


def lost_reply(*, carried_out: bool) -> FaultRule:
    """Loses the replies to the first three requests that would create somebody."""
    left = iter(range(3))

    def rule(request: SandboxRequest) -> Fault | None:
        is_create = (request.method, request.path) == ("POST", "/v1/end_users")
        if is_create and next(left, None) is not None:
            return Fault(ResetConnection(), carried_out=carried_out)
        return None

    return rule


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("saved", [True, False])
def test_who_was_created_without_an_answer_is_surveyed_once(
    replaying: Start, carried_out: bool, saved: bool
) -> None:
    replay = replaying(SandboxSettings(faults=(lost_reply(carried_out=carried_out),)))
    export = replay.write([ADA])
    push = ("--plan", replay.plan(*OPTION, export)) if saved else (*OPTION, export)
    for _ in range(3):
        assert replay.push(*push).returncode in (0, 1)
    assert surveyed(replay) == {"1": WHEN}
    before = writes(replay)
    assert replay.push(*push).returncode == 0
    assert writes(replay) == before


@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_an_id_of_wootrics_decides_it(replay: Replay, saved: bool, there: bool) -> None:
    replay.holds("other", "other@example.com")
    number = replay.users()["other"]["id"] if there else 4242
    known = {"context": {"externalId": [{"type": "wootricEndUserId", "id": str(number)}]}}
    export = replay.write([{**ADA, **known}])
    how = ("--against", "nothing", *OPTION, export)
    assert replay.push(*(("--plan", replay.plan(*how)) if saved else how)).returncode == 0
    assert surveyed(replay) == ({"1": None} if there else {"other": None, "1": WHEN})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2099-01-01", "in the future"),
        ("1970-01-01", "no unix time"),
        ("0001-01-01", "no unix time"),
        ("nonsense", "write a date or time"),
        ("", "write a date or time"),
        ("-7d", "write a date or time"),
    ],
)
@pytest.mark.parametrize("command", ["push", "dry-run"])
def test_a_time_that_can_be_none_is_refused(
    replay: Replay, command: str, text: str, why: str
) -> None:
    done = replay.run(command, "--set-last-surveyed", text, replay.write([ADA]))
    assert done.returncode == 2
    assert why in done.stderr
    assert not replay.users()


@pytest.mark.parametrize("text", ["now", "NOW", "7d", "2024-03-01", "2024-03-01T08:00:00Z"])
def test_a_time_may_have_any_form(replay: Replay, text: str) -> None:
    assert replay.push("--set-last-surveyed", text, replay.write([ADA])).returncode == 0
    (found,) = surveyed(replay).values()
    assert found > 1_600_000_000


def test_milliseconds_from_python_are_refused() -> None:
    with pytest.raises(SettingsError, match="in seconds"):
        PlanOptions(last_surveyed=WHEN * 1000).check_last_surveyed(WHEN)


@pytest.mark.parametrize("against", ["nothing", "account"])
def test_a_dry_run_tells_how_many_are_eligible_at_once(replay: Replay, against: str) -> None:
    replay.holds("1", "ada@example.com")
    export = replay.write([ADA, BYRON, track("1")])
    created = 2 if against == "nothing" else 1
    assert replay.diff("--against", against, export).summary["eligible_at_once"] == created
    told = replay.run("dry-run", "--against", against, export).stdout.splitlines()
    count = "2 end users" if created == 2 else "1 end user"
    assert [each for each in told if each.startswith("Eligible for a survey")] == [
        f"Eligible for a survey at once: {count}, unless --set-last-surveyed says when they were last "
        "surveyed."
    ]
    assert replay.diff("--against", against, *OPTION, export).summary["eligible_at_once"] == 0
    told = replay.run("dry-run", "--against", against, *OPTION, export).stdout.splitlines()
    assert (
        "Eligible for a survey at once: none; whoever is created counts as last surveyed on "
        "2023-11-14T22:13:20Z."
    ) in told


def test_where_nobody_is_created_nothing_is_told(replay: Replay) -> None:
    done = replay.run(
        "dry-run", replay.write([track("1", context={"traits": {"email": "a@x.io"}})])
    )
    assert "Eligible for a survey" not in done.stdout


def without_time(line: dict[str, Any]) -> dict[str, Any]:
    if "summary" in line:
        return {"summary": {**line["summary"], "eligible_at_once": None}}
    if "fields" not in line:
        return line
    kept = [field for field in line["fields"] if field["field"] != "last_surveyed"]
    assert len(line["fields"]) - len(kept) == (line["action"] == "create")
    return {**line, "fields": kept}


@examples(25)
@given(people=PEOPLE)
def test_nothing_else_of_a_plan_or_an_account_changes(
    sandbox: RunningSandbox, people: list[Somebody]
) -> None:
    with empty_account(sandbox) as replay:
        fill(replay, people, is_large=False)
        records = [each for nth, one in enumerate(people) for each in one.records(nth)]
        export = replay.write(records)
        for against in ("nothing", "account"):
            plain = replay.diff("--against", against, export).lines
            timed = replay.diff("--against", against, *OPTION, export).lines
            assert [without_time(each) for each in timed] == [
                {"summary": {**each["summary"], "eligible_at_once": None}}
                if "summary" in each
                else each
                for each in plain
            ]
        before = {each.id for each in sandbox.state.end_users}
        assert replay.push(*OPTION, export).returncode in (0, 1)
        for each in sandbox.state.end_users:
            assert each.last_surveyed == (None if each.id in before else WHEN)
