"""Whoever wants no surveys, by a trait, has them turned off in the account: once, and never on again."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from examples import examples
from faulty import NO_ANSWER, TURNED_AWAY, Silence, said
from hypothesis import given
from hypothesis import strategies as st
from killing import Kill, Trouble
from replaying import Replay, at, empty_account, identify, refusing, track, until
from starlette.responses import JSONResponse

from wootric_map.sandbox import (
    Fault,
    FaultRule,
    RunningSandbox,
    SandboxRequest,
    SandboxSettings,
    run_sandbox,
)

ADA: Final = "ada@example.com"
OPTION: Final = ("--surveys-disabled", "traits.unsubscribed")
OFF: Final = {"email_nps": False, "mobile_nps": False, "web_nps": False}

Replaying = Callable[[SandboxSettings], Replay]


def says(day: int, value: object, user: str = "u1", **traits: Any) -> dict[str, Any]:
    """An identify of a day of January 2024 that says whether its user wants no surveys."""
    return at(day, identify(user, f"{user}@example.com", unsubscribed=value, **traits))


def turned_off(replay: Replay) -> list[str]:
    """Whose settings the calls about settings were for, by external id, in their order."""
    names = {user["id"]: name for name, user in replay.users().items()}
    paths = [each.split("/") for each in replay.paths("PUT") if each.endswith("/settings")]
    return [names[int(path[-2])] for path in paths]


def come_before_events(replay: Replay) -> bool:
    """Whether the calls about settings were made before any event was sent."""
    paths = replay.paths()
    last = max(nth for nth, path in enumerate(paths) if path.endswith("/settings"))
    return last < paths.index("/eligible.json")


def off(replay: Replay) -> set[str]:
    """The end users of the account for whom surveys are off."""
    return {name for name, user in replay.users().items() if user["settings"] == OFF}


def summary(done: Any) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])["summary"]
    return told


def settings_of(request: SandboxRequest) -> bool:
    return request.path.endswith("/settings")


def on_settings(*answers: Fault | None) -> FaultRule:
    """A fault rule that answers the first calls about settings so."""
    left = list(answers)
    return lambda request: left.pop(0) if settings_of(request) and left else None


EXPORT: Final = [
    says(1, True, plan="pro"),
    says(1, False, "u2"),
    at(1, identify("u3", "u3@example.com")),
    at(2, track("u1", "Signed Up")),
]


def test_it_goes_from_the_dry_run_to_the_account_and_once(replay: Replay) -> None:
    export = replay.write(EXPORT)
    diff = replay.diff(*OPTION, export)
    assert (diff.summary["surveys_off"], diff.summary["api_calls"]) == (1, 5)
    assert diff.summary["eligible_at_once"] == 2
    assert diff.summary["forecast"]["kinds"]["surveys_off"] == {"calls": 1, "seconds": 0.6}
    marked = [line for line in diff.lines if "surveys_off" in line]
    assert [line["end_user"]["external_id"] for line in marked] == ["u1"]
    assert marked[0]["surveys_off"] == {"source": "traits.unsubscribed", "original": True}
    text = replay.run("dry-run", *OPTION, export).stdout
    assert "    ! surveys off  ← traits.unsubscribed\n" in text
    assert "1 survey opt-out; 5 API calls" in text
    done = replay.push("--format", "json", *OPTION, export)
    assert done.returncode == 0, done.stderr
    assert (summary(done)["surveys_off"], summary(done)["mapped"]) == (1, 4)
    assert turned_off(replay) == ["u1"]
    assert off(replay) == {"u1"}
    # Nobody who wants no surveys is checked for one before they are off.
    assert come_before_events(replay)
    # The trait is a property as any other.
    assert replay.users()["u1"]["properties"] == {"unsubscribed": "true", "plan": "pro"}
    again = replay.push("--format", "json", *OPTION, export)
    assert summary(again)["surveys_off"] == 0
    assert summary(again)["skipped"] == {"delivered_before": 1}
    assert turned_off(replay) == ["u1"]
    told = orjson.loads(replay.run("status", "--format", "json").stdout)
    assert told["delivered"]["surveys_off"] == 1
    assert [run["surveys_off"] for run in told["runs"]] == [0, 1]
    assert "1 survey opt-out" in replay.run("status").stdout


def test_the_summary_of_a_push_counts_it(replay: Replay) -> None:
    done = replay.push(*OPTION, replay.write(EXPORT))
    assert "Survey opt-outs     1" in done.stdout


def test_without_the_option_nobody_is_turned_off(replay: Replay) -> None:
    assert replay.push(replay.write(EXPORT)).returncode == 0
    assert turned_off(replay) == []


def test_an_option_that_comes_later_counts_for_what_was_pushed_before(replay: Replay) -> None:
    export = replay.write(EXPORT)
    assert replay.push(export).returncode == 0
    diff = replay.diff("--next", *OPTION, export)
    assert (diff.summary["unchanged"], diff.summary["surveys_off"]) == (3, 1)
    (line,) = [each for each in diff.lines if each.get("action") == "surveys_off"]
    assert line["end_user"]["email"] == "u1@example.com"
    assert line["fields"] == []
    before = len(replay.sandbox.requests)
    done = replay.push("--format", "json", *OPTION, export)
    assert done.returncode == 0, done.stderr
    assert turned_off(replay) == ["u1"]
    assert summary(done)["forecast"]["least"] == summary(done)["forecast"]["most"] == 1
    # It signs in, asks for events and for the oldest end user: nobody is looked up for it.
    assert len(replay.sandbox.requests) - before == 4


@pytest.mark.parametrize("against", ["nothing", "auto", "account"])
def test_a_saved_plan_holds_it_and_sends_it_once(replay: Replay, against: str) -> None:
    export = replay.write(EXPORT)
    plan = replay.plan("--against", against, *OPTION, export)
    *lines, last = map(orjson.loads, plan.read_bytes().splitlines())
    assert last["end"]["surveys_off"] == 1
    (line,) = [each for each in lines if each.get("action") == "surveys_off"]
    assert line["call"] == {"email": "u1@example.com", "external_id": "u1"}
    for _ in range(2):
        done = replay.push("--plan", plan)
        assert done.returncode == 0, done.stderr
        assert turned_off(replay) == ["u1"]
        assert off(replay) == {"u1"}
    assert come_before_events(replay)
    assert summary(replay.push("--format", "json", *OPTION, export))["surveys_off"] == 0


def test_a_saved_plan_turns_them_off_before_the_events_of_anybody(replay: Replay) -> None:
    records = [says(1, False, "u0"), at(2, track("u0", "Signed Up")), says(1, True)]
    plan = replay.plan(*OPTION, replay.write(records))
    assert replay.push("--plan", plan, "--workers", "1").returncode == 0
    assert come_before_events(replay)
    done = replay.push("--format", "json", "--plan", plan)
    assert summary(done)["skipped"] == {"delivered_before": 2}


def test_a_plan_of_whom_the_account_holds_names_them_by_wootrics_id(replay: Replay) -> None:
    replay.holds("u1", "u1@example.com")
    plan = replay.plan("--against", "account", *OPTION, replay.write([says(1, True)]))
    assert b'"action":"surveys_off","key":' in plan.read_bytes()
    lines = [orjson.loads(line) for line in plan.read_bytes().splitlines()]
    assert [line["id"] for line in lines if line.get("action") == "surveys_off"] == [1]
    done = replay.push("--plan", plan)
    assert done.returncode == 0, done.stderr
    assert off(replay) == {"u1"}


def test_what_a_saved_plan_could_not_do_is_in_its_rejects_and_pushed_by_them(
    replaying: Replaying,
) -> None:
    rule = on_settings(Fault(said(422)()))
    replay = replaying(SandboxSettings(faults=(rule,)))
    plan = replay.plan(*OPTION, replay.write(EXPORT))
    done = replay.push("--plan", plan)
    assert done.returncode == 1
    assert [entry["code"] for entry in replay.rejects()] == ["refused"]
    done = replay.push("rejects.ndjson")
    assert done.returncode == 0, done.stderr
    assert off(replay) == {"u1"}


# What a trait says.


@pytest.mark.parametrize(
    ("traits", "place"),
    [
        ({"Un-Subscribed": "TRUE"}, "traits.unsubscribed"),
        ({"preferences": {"no_surveys": 1}}, "traits.preferences.noSurveys"),
        ({"preferences.no_surveys": "1"}, "traits.preferences.noSurveys"),
    ],
)
def test_the_trait_is_found_in_any_spelling_and_within_objects(
    replay: Replay, traits: dict[str, Any], place: str
) -> None:
    export = replay.write([identify("u1", ADA, **traits)])
    assert replay.push("--surveys-disabled", place, export).returncode == 0
    assert off(replay) == {"u1"}


def test_a_trait_in_the_context_counts_as_in_rudderstacks_archives(replay: Replay) -> None:
    record = {
        "type": "identify",
        "userId": "u1",
        "context": {"traits": {"email": ADA, "unsubscribed": True}},
    }
    diff = replay.diff(*OPTION, replay.write([record]))
    assert diff.lines[0]["surveys_off"]["source"] == "context.traits.unsubscribed"
    assert replay.push(*OPTION, replay.folder / "export.ndjson").returncode == 0
    assert off(replay) == {"u1"}


@pytest.mark.parametrize(
    "options",
    [
        ("--exclude-trait", "unsubscribed"),
        ("--only-trait", "plan"),
        ("--rename-trait", "unsubscribed=wants_none"),
    ],
)
def test_a_trait_that_is_left_out_or_renamed_decides_all_the_same(
    replay: Replay, options: tuple[str, ...]
) -> None:
    export = replay.write(EXPORT)
    done = replay.push(*OPTION, *options, export)
    assert done.returncode == 0, done.stderr
    assert off(replay) == {"u1"}
    assert "unsubscribed" not in replay.users()["u1"]["properties"]


def test_a_value_that_is_neither_is_warned_of_and_changes_nothing(replay: Replay) -> None:
    export = replay.write([says(1, True), says(2, "maybe"), says(1, "yes", "u2")])
    done = replay.push("--format", "json", *OPTION, export)
    assert done.returncode == 0, done.stderr
    assert summary(done)["warnings"] == {"invalid_opt_out": 2}
    messages = [each["message"] for each in summary(done)["warning_details"]]
    assert any('"maybe"' in each for each in messages)
    assert off(replay) == {"u1"}


def test_a_place_that_no_trait_has_is_told(replay: Replay) -> None:
    done = replay.push("--surveys-disabled", "traits.unsubscribd", replay.write(EXPORT))
    assert "The rules name the trait traits.unsubscribd: no trait has that name" in done.stderr


@pytest.mark.parametrize("place", ["unsubscribed", "traits.", "traits.*", "traits.a..b"])
def test_what_is_no_place_of_a_trait_is_refused(replay: Replay, place: str) -> None:
    done = replay.push("--surveys-disabled", place, replay.write(EXPORT))
    assert done.returncode == 2
    assert "as in traits.unsubscribed" in done.stderr
    assert replay.sandbox.requests == ()


def test_it_has_no_place_beside_a_plan(replay: Replay) -> None:
    plan = replay.plan(*OPTION, replay.write(EXPORT))
    done = replay.push(*OPTION, "--plan", plan)
    assert done.returncode == 2
    assert "--surveys-disabled has no place beside --plan" in done.stderr


# Which identify counts.


def test_the_latest_identify_counts_whatever_the_order_of_lines(replay: Replay) -> None:
    export = replay.write(
        [says(3, True), says(1, False), says(3, False, "u2"), says(1, True, "u2")]
    )
    assert replay.push(*OPTION, export).returncode == 0
    assert off(replay) == {"u1"}


def test_null_takes_it_back_and_an_identify_without_the_trait_does_not(replay: Replay) -> None:
    silent = at(3, identify("u1", "u1@example.com", plan="pro"))
    export = replay.write([says(1, True), silent, says(1, True, "u2"), says(2, None, "u2")])
    assert replay.push(*OPTION, export).returncode == 0
    assert off(replay) == {"u1"}


def test_an_older_export_does_not_undo_what_a_later_one_said(replay: Replay) -> None:
    assert replay.push(*OPTION, replay.write([says(5, False)])).returncode == 0
    older = replay.write([says(1, True)])
    assert replay.diff("--next", *OPTION, older).summary["surveys_off"] == 0
    assert replay.push(*OPTION, older).returncode == 0
    assert turned_off(replay) == []


def test_a_saved_plan_does_not_undo_what_a_later_export_said(replay: Replay) -> None:
    plan = replay.plan(*OPTION, replay.write([says(1, True)]))
    replay.holds("u1", "u1@example.com")
    assert replay.push(*OPTION, replay.write([says(5, False)], "later.ndjson")).returncode == 0
    replay.push("--plan", plan)
    assert turned_off(replay) == []


def test_who_wants_surveys_again_gets_no_call_and_is_told_of_once(replay: Replay) -> None:
    assert replay.push(*OPTION, replay.write([says(1, True)])).returncode == 0
    later = replay.write([says(2, False)])
    assert replay.diff("--next", *OPTION, later).summary["kept_off"] == 1
    done = replay.push(*OPTION, later)
    assert done.returncode == 0, done.stderr
    assert "Surveys stay off for 1 end user" in done.stdout
    assert turned_off(replay) == ["u1"]
    assert off(replay) == {"u1"}
    for export in (later, replay.write([says(3, False)])):
        assert replay.diff("--next", *OPTION, export).summary["kept_off"] == 0
        assert summary(replay.push("--format", "json", *OPTION, export))["kept_off"] == 0
    # An older export that says otherwise is no news.
    assert summary(replay.push("--format", "json", *OPTION, later))["kept_off"] == 0
    done = replay.push("--format", "json", *OPTION, replay.write([says(9, True)]))
    assert summary(done)["surveys_off"] == 0
    assert turned_off(replay) == ["u1"]


def test_an_older_export_that_wants_surveys_is_not_told_of(replay: Replay) -> None:
    assert replay.push(*OPTION, replay.write([says(5, True)])).returncode == 0
    done = replay.push("--format", "json", *OPTION, replay.write([says(1, False)]))
    assert summary(done)["kept_off"] == 0


@pytest.mark.parametrize("against", ["nothing", "auto"])
def test_an_excluded_trait_that_only_the_first_identify_has_still_counts(
    replay: Replay, against: str
) -> None:
    silent = at(3, identify("u1", "u1@example.com", plan="pro"))
    export = replay.write([says(1, True, plan="free"), silent])
    args: tuple[str | Path, ...] = ("--exclude-trait", "unsubscribed", *OPTION, export)
    assert replay.diff("--against", against, *args).summary["surveys_off"] == 1
    assert replay.push(*args).returncode == 0
    assert off(replay) == {"u1"}


@pytest.mark.parametrize("days", [(1, 2), (2, 1)])
def test_of_equal_identifies_the_last_decides_in_a_dry_run_against_nothing(
    replay: Replay, days: tuple[int, int]
) -> None:
    export = replay.write([says(days[0], True), says(days[1], False)])
    diff = replay.diff(*OPTION, export)
    assert diff.summary["surveys_off"] == int(days[0] > days[1])


def test_two_who_are_one_in_the_account_take_one_call(replay: Replay) -> None:
    replay.holds("u1", ADA)
    by_email, by_id = identify("", ADA, unsubscribed=True), identify("u1", unsubscribed=True)
    del by_email["userId"]
    export = replay.write([at(1, by_email | {"anonymousId": "a"}), at(2, by_id)])
    done = replay.push(*OPTION, "--against", "account", export)
    assert done.returncode == 0, done.stderr
    assert turned_off(replay) == ["u1"]


def test_one_message_id_of_two_people_leaves_nobody_out(replay: Replay) -> None:
    for user in ("u1", "u2"):
        export = replay.write([says(1, True, user) | {"messageId": "m"}], f"{user}.ndjson")
        assert replay.push(*OPTION, export).returncode == 0
    assert off(replay) == {"u1", "u2"}
    assert len(turned_off(replay)) == 2


def test_who_is_renamed_in_the_account_is_still_the_same(replay: Replay) -> None:
    assert replay.push(*OPTION, replay.write([says(1, True)])).returncode == 0
    changed = at(2, identify("u1", "new@example.com", unsubscribed=True))
    assert replay.push(*OPTION, replay.write([changed])).returncode == 0
    assert replay.users()["u1"]["email"] == "new@example.com"
    assert turned_off(replay) == ["u1"]


# Who gets no call.


def test_who_is_not_sent_gets_no_call(replay: Replay) -> None:
    (replay.folder / "suppressed.txt").write_text("u1@example.com\n")
    refused = says(1, True, "u2") | {"integrations": {"Wootric": False}}
    unknown = at(1, identify("u3", unsubscribed=True))
    export = replay.write([says(1, True), refused, unknown])
    done = replay.push(*OPTION, "--suppress", "suppressed.txt", "--format", "json", export)
    assert done.returncode == 0, done.stderr
    assert summary(done)["skipped"] == {
        "integration_disabled": 1,
        "suppressed": 1,
        "unidentified": 1,
    }
    assert (turned_off(replay), replay.users()) == ([], {})


def test_whom_only_the_account_knows_to_be_suppressed_gets_no_call(replay: Replay) -> None:
    replay.holds("u1", "hidden@example.com")
    (replay.folder / "suppressed.txt").write_text("hidden@example.com\n")
    export = replay.write([at(1, identify("u1", unsubscribed=True))])
    done = replay.push(*OPTION, "--suppress", "suppressed.txt", export)
    assert done.returncode == 0, done.stderr
    assert turned_off(replay) == []


def test_whom_a_list_names_only_later_gets_no_call(replay: Replay) -> None:
    replay.holds("u1", "hidden@example.com")
    export = replay.write([at(1, identify("u1", unsubscribed=True))])
    assert replay.push(export).returncode == 0
    (replay.folder / "suppressed.txt").write_text("hidden@example.com\n")
    done = replay.push(*OPTION, "--suppress", "suppressed.txt", export)
    assert done.returncode == 0, done.stderr
    assert turned_off(replay) == []
    assert replay.push(*OPTION, export).returncode == 0
    assert turned_off(replay) == ["u1"]


def test_who_is_known_by_an_id_alone_is_turned_off_if_the_account_has_them(replay: Replay) -> None:
    replay.holds("u1", ADA)
    export = replay.write([at(1, identify("u1", unsubscribed=True))])
    assert replay.push(*OPTION, export).returncode == 0
    assert off(replay) == {"u1"}


def test_what_is_not_replayed_turns_nothing_off(replay: Replay) -> None:
    export = replay.write([says(1, True), says(5, True, "u2")])
    done = replay.push(*OPTION, "--since", "2024-01-03", export)
    assert done.returncode == 0, done.stderr
    assert off(replay) == {"u2"}


@pytest.mark.parametrize("against", ["auto", "account", "snapshot"])
def test_who_has_them_off_already_saves_the_call(replay: Replay, against: str) -> None:
    replay.holds("u1", "u1@example.com", unsubscribed="true")
    turn_off_behind_the_back(replay, 1)
    export = replay.write([says(1, True)])
    if against == "snapshot":
        replay.snapshot()
    diff = replay.diff("--against", against, *OPTION, export)
    assert (diff.summary["surveys_off"], diff.summary["unchanged"]) == (0, 1)
    done = replay.push("--against", against, *OPTION, export)
    assert done.returncode == 0, done.stderr
    assert turned_off(replay) == []
    # It is on record as if this had done it.
    told = orjson.loads(replay.run("status", "--format", "json").stdout)
    assert told["delivered"]["surveys_off"] == 1


def turn_off_behind_the_back(replay: Replay, number: int) -> None:
    """Turn surveys off for an end user of the account, as somebody else may."""
    state = replay.sandbox.state
    with state.lock:
        state.change_settings(
            SandboxRequest(
                "", "PUT", "", {"id": str(number)}, {}, _form(OFF), {}, has_other_body=False
            )
        )


def _form(settings: Mapping[str, bool]) -> dict[str, str]:
    return {name: str(value).lower() for name, value in settings.items()}


def test_again_asks_the_account_which_says_that_they_are_off(replay: Replay) -> None:
    export = replay.write(EXPORT)
    assert replay.push(*OPTION, export).returncode == 0
    assert replay.push("--again", "--against", "account", *OPTION, export).returncode == 0
    assert turned_off(replay) == ["u1"]
    # Without asking, it is sent once more, as all values are.
    assert replay.push("--again", "--against", "nothing", *OPTION, export).returncode in (0, 1)
    assert set(turned_off(replay)) == {"u1"}


# Other ways to push.


@pytest.mark.parametrize(
    "way",
    [
        ("--no-fold",),
        ("--events-first",),
        ("--no-fold", "--events-first"),
        ("--create-only",),
        ("--fill-missing",),
        ("--fill-missing", "--no-fold"),
        ("--against", "account"),
        ("--against", "nothing"),
        ("--workers", "1"),
    ],
)
@pytest.mark.parametrize("is_held", [False, True])
def test_every_way_turns_them_off_once(
    replay: Replay, way: tuple[str, ...], *, is_held: bool
) -> None:
    if is_held and "nothing" not in way:
        replay.holds("u1", "u1@example.com", plan="free")
    records = [says(1, False), says(2, True, plan="pro"), at(3, track("u1", "Signed Up"))]
    export = replay.write([*records, at(4, identify("u1", "u1@example.com", seats=3))])
    for _ in range(2):
        done = replay.push(*OPTION, *way, export)
        assert done.returncode == 0, done.stderr
        assert turned_off(replay) == ["u1"]
        assert off(replay) == {"u1"}
    assert come_before_events(replay)


def test_an_end_user_with_an_id_of_wootrics_own(replay: Replay) -> None:
    replay.holds("u1", ADA)
    named = identify("u9", ADA, unsubscribed=True) | {
        "context": {"externalId": [{"type": "wootricEndUserId", "id": "1"}]}
    }
    export = replay.write([at(1, named)])
    assert replay.diff(*OPTION, export).summary["surveys_off"] == 1
    assert replay.push(*OPTION, "--against", "nothing", export).returncode == 0
    assert turned_off(replay) == ["u9"]


def test_a_csv_says_that_it_cannot_carry_it(replay: Replay) -> None:
    export = replay.write(EXPORT)
    done = replay.run("export", "-o", "users.csv", "--against", "nothing", *OPTION, export)
    assert done.returncode == 0, done.stderr
    assert "1 survey opt-out" in done.stderr + done.stdout
    rows = (replay.folder / "users.csv").read_text().splitlines()
    assert len(rows) == 4


def test_a_csv_holds_nobody_of_whom_only_surveys_are_turned_off(replay: Replay) -> None:
    replay.holds("u1", "u1@example.com", unsubscribed="true")
    export = replay.write([says(1, True)])
    done = replay.run("export", "-o", "users.csv", "--against", "account", *OPTION, export)
    assert done.returncode == 0, done.stderr
    assert "There is nobody to write" in done.stderr + done.stdout


def test_a_configuration_file_may_name_the_trait(replay: Replay) -> None:
    config = replay.folder / "wootric-replay.toml"
    config.write_text('surveys_disabled = "traits.unsubscribed"\n')
    config.chmod(0o600)
    export = replay.write(EXPORT)
    assert replay.diff(export).summary["surveys_off"] == 1
    assert replay.push(export).returncode == 0
    assert off(replay) == {"u1"}
    assert replay.run("validate", export).returncode == 0


def test_redact_hides_nothing_but_what_is_personal(replay: Replay) -> None:
    done = replay.run("dry-run", "--redact", *OPTION, replay.write(EXPORT))
    assert done.returncode == 0, done.stderr
    assert "! surveys off  ← traits.unsubscribed" in done.stdout
    assert "u1@example.com" not in done.stdout


def test_end_users_that_are_not_shown_are_counted(replay: Replay) -> None:
    export = replay.write(EXPORT)
    assert replay.push(export).returncode == 0
    done = replay.run("dry-run", "--next", "--limit-users", "0", *OPTION, export)
    if done.returncode == 2:
        export = replay.write([*EXPORT, says(1, True, "u4")], "more.ndjson")
        done = replay.run("dry-run", "--next", "--limit-users", "1", *OPTION, export)
    assert "more end user" in done.stdout


# Faults.


def test_a_refusal_is_a_reject_with_its_line_and_made_up_for_by_pushing_that(
    replaying: Replaying,
) -> None:
    replay = replaying(SandboxSettings(faults=(on_settings(Fault(said(404)())),)))
    export = replay.write(EXPORT)
    done = replay.push("--format", "json", *OPTION, export)
    assert done.returncode == 1
    told = summary(done)
    assert told["failed"] == {"refused": 1}
    assert (told["create"], told["eligibility_checks"], told["records_left"]) == (3, 1, 0)
    (entry,) = replay.rejects()
    assert (entry["source"], entry["line"], entry["code"]) == (str(export), 1, "refused")
    status = orjson.loads(replay.run("status", "--format", "json").stdout)
    assert (status["failed"]["surveys_off"], status["in_doubt"]["surveys_off"]) == (1, 0)
    done = replay.push(*OPTION, "rejects.ndjson")
    assert done.returncode == 0, done.stderr
    assert off(replay) == {"u1"}
    status = orjson.loads(replay.run("status", "--format", "json").stdout)
    assert status["failed"]["surveys_off"] == 0


def test_a_refusal_is_made_up_for_by_any_later_identify(replaying: Replaying) -> None:
    replay = replaying(SandboxSettings(faults=(on_settings(Fault(said(422)())),)))
    assert replay.push(*OPTION, replay.write([says(1, True)])).returncode == 1
    assert replay.push(*OPTION, replay.write([says(2, True)])).returncode == 0
    status = orjson.loads(replay.run("status", "--format", "json").stdout)
    assert status["failed"]["surveys_off"] == 0


def test_who_could_not_be_written_is_one_reject_and_turned_off_with_it(
    replaying: Replaying,
) -> None:
    rule = refusing("u1@example.com")
    trouble = [rule]
    replay = replaying(
        SandboxSettings(faults=(lambda request: trouble[0](request) if trouble else None,))
    )
    export = replay.write([says(1, True), says(1, True, "u2")])
    done = replay.push("--format", "json", *OPTION, export)
    assert summary(done)["failed"] == {"refused": 1}
    assert len(replay.rejects()) == 1
    assert off(replay) == {"u2"}
    trouble.clear()
    assert replay.push(*OPTION, "rejects.ndjson").returncode == 0
    assert off(replay) == {"u1", "u2"}


@pytest.mark.parametrize("fault", sorted({*NO_ANSWER, *TURNED_AWAY}))
@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("saved", [False, True])
def test_a_call_without_an_answer_is_simply_made_again(
    replaying: Replaying, fault: str, *, carried_out: bool, saved: bool
) -> None:
    answer = {**NO_ANSWER, **TURNED_AWAY}[fault]()
    replay = replaying(SandboxSettings(faults=(on_settings(Fault(answer, carried_out)),)))
    args: tuple[str | Path, ...] = (*OPTION, replay.write(EXPORT))
    if saved:
        args = ("--plan", replay.plan(*args))
    done = replay.push("--read-timeout", "0.5", *args)
    assert done.returncode == 0, done.stderr
    assert turned_off(replay) == ["u1", "u1"]
    assert off(replay) == {"u1"}
    assert replay.in_doubt().total() == 0


@pytest.mark.parametrize(
    "reply",
    [
        {"email_nps": False, "mobile_nps": True, "web_nps": False},
        {**OFF, "end_user_id": 7},
        ["off"],
    ],
)
def test_a_reply_that_says_otherwise_is_not_believed(
    replaying: Replaying, reply: dict[str, object] | list[str]
) -> None:
    rule = on_settings(Fault(JSONResponse(reply)))
    replay = replaying(SandboxSettings(faults=(rule,)))
    done = replay.push("--format", "json", *OPTION, replay.write([says(1, True)]))
    assert summary(done)["failed"] == {"bad_reply": 1}
    assert replay.push(*OPTION, replay.folder / "export.ndjson").returncode == 0
    assert off(replay) == {"u1"}


def test_a_kill_between_the_call_and_the_journal_loses_nothing(replaying: Replaying) -> None:
    has_come: list[SandboxRequest] = []

    def waits(request: SandboxRequest) -> Fault | None:
        if settings_of(request) and not has_come:
            has_come.append(request)
            return Fault(Silence(), carried_out=True)
        return None

    replay = replaying(SandboxSettings(faults=(waits,)))
    export = replay.write(EXPORT)
    with replay.start("push", "--no-progress", *OPTION, export) as process:
        until(lambda: bool(has_come))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    assert replay.in_doubt()["surveys_off"] == 0
    assert replay.push(*OPTION, export).returncode == 0
    assert turned_off(replay) == ["u1", "u1"]
    assert replay.push(*OPTION, export).returncode == 0
    assert turned_off(replay) == ["u1", "u1"]


def test_it_keeps_to_the_limit_of_its_endpoint(replaying: Replaying) -> None:
    replay = replaying(SandboxSettings(rate_limit=2, rate_window=1))
    export = replay.write([says(1, True, f"u{n}") for n in range(5)])
    done = replay.push("--against", "nothing", *OPTION, export)
    assert done.returncode == 0, done.stderr
    assert len(turned_off(replay)) == len(off(replay)) == 5
    assert replay.sandbox.state.request_counts.by_status.get(429, 0) == 0


# Whatever happens.


@pytest.fixture(scope="module")
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture(scope="module")
def sandbox(trouble: Trouble) -> Iterator[RunningSandbox]:
    with run_sandbox(SandboxSettings(faults=(trouble,))) as running:
        yield running


USERS: Final = ("u0", "u1", "u2")
VALUES: Final = st.sampled_from(
    [True, True, "true", 1, False, "false", None, "maybe", "", "silent"]
)
WAYS: Final = st.sampled_from(
    [
        (),
        ("--create-only",),
        ("--fill-missing",),
        ("--events-first",),
        ("--no-fold",),
        ("--against", "account"),
        ("--exclude-trait", "unsubscribed"),
        ("--workers", "1"),
    ]
)


@st.composite
def histories(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """An export in parts, of identifies at different times, in any order of lines."""
    days = draw(st.permutations(range(1, 11)))[: draw(st.integers(1, 8))]
    parts: list[list[dict[str, Any]]] = [[] for _ in range(draw(st.integers(1, 3)))]
    for day in days:
        user, value = draw(st.sampled_from(USERS)), draw(VALUES)
        record = (
            at(day, identify(user, f"{user}@example.com", seats=day))
            if value == "silent"
            else says(day, value, user)
        )
        if draw(st.booleans()):
            record["messageId"] = f"m{day}"
        draw(st.sampled_from(parts)).append(record)
    return parts


def expected(parts: list[list[dict[str, Any]]]) -> set[str]:
    """For whom surveys are off once the parts are pushed one after the other.

    They are turned off if what was pushed up to then says so last, and never on again.
    """
    last: dict[str, tuple[str, bool]] = {}
    found: set[str] = set()
    for part in parts:
        for record in part:
            value = record["traits"].get("unsubscribed", "")
            if value not in ("maybe", ""):
                user, said = record["userId"], (record["timestamp"], value in (True, "true"))
                last[user] = max(last.get(user, said), said)
        found |= {user for user, (_, is_off) in last.items() if is_off}
    return found


@examples(25)
@given(
    parts=histories(),
    way=WAYS,
    already=st.sets(st.sampled_from(USERS)),
    are_off=st.sets(st.sampled_from(USERS)),
)
def test_any_split_in_any_order_makes_the_calls_that_time_tells_each_once(
    sandbox: RunningSandbox,
    trouble: Trouble,
    parts: list[list[dict[str, Any]]],
    way: tuple[str, ...],
    already: set[str],
    are_off: set[str],
) -> None:
    trouble.rule = None
    with empty_account(sandbox) as replay:
        for number, user in enumerate(sorted(already), 1):
            replay.holds(user, f"{user}@example.com")
            if user in are_off:
                turn_off_behind_the_back(replay, number)
        are_off &= already
        exports = [replay.write(part, f"{n}.ndjson") for n, part in enumerate(parts)]
        for nth, export in enumerate(exports, 1):
            diff = replay.diff("--next", "--against", "auto", *OPTION, *way_of_dry_run(way), export)
            done = replay.push("--format", "json", *OPTION, *way, export)
            assert done.returncode == 0, done.stderr
            # That surveys are off already may show only in the answer to a write, after the dry run.
            spared = diff.summary["surveys_off"] - summary(done)["surveys_off"]
            assert 0 <= spared <= len(are_off)
            assert diff.summary["kept_off"] == summary(done)["kept_off"]
            forecast = summary(done)["forecast"]
            assert forecast["least"] <= summary(done)["calls"] - forecast["made_before"]
            assert summary(done)["calls"] - forecast["made_before"] <= forecast["most"]
            assert off(replay) == expected(parts[:nth]) | are_off
        assert set(Counter(turned_off(replay)).values()) <= {1}
        assert replay.push(*OPTION, *way, *exports).returncode == 0
        assert set(Counter(turned_off(replay)).values()) <= {1}


def way_of_dry_run(way: tuple[str, ...]) -> tuple[str, ...]:
    """The options of a push that a dry run has, too, without what it compares with."""
    return () if way[:1] in (("--events-first",), ("--against",)) else way


@examples(10)
@given(
    parts=histories(),
    kills=st.lists(st.builds(Kill, st.integers(0, 10), st.booleans()), max_size=3),
    way=WAYS,
)
def test_nothing_is_lost_however_often_a_push_is_killed(
    sandbox: RunningSandbox,
    trouble: Trouble,
    parts: list[list[dict[str, Any]]],
    kills: list[Kill],
    way: tuple[str, ...],
) -> None:
    try:
        with empty_account(sandbox) as replay:
            exports = [replay.write(part, f"{n}.ndjson") for n, part in enumerate(parts)]
            for nth, export in enumerate(exports, 1):
                for drawn in kills:
                    trouble.rule = kill = replace(drawn)
                    with replay.start("push", "--no-progress", *OPTION, *way, export) as process:
                        kill.process = process
                        process.communicate(timeout=60)
                trouble.rule = None
                done = replay.push(*OPTION, *way, export)
                assert done.returncode == 0, done.stderr
                assert off(replay) == expected(parts[:nth])
            made = len(turned_off(replay))
            assert replay.push(*OPTION, *way, *exports).returncode == 0
            assert len(turned_off(replay)) == made
    finally:
        trouble.rule = None


@examples(12)
@given(parts=histories())
def test_saved_plans_make_the_same_calls(
    sandbox: RunningSandbox, trouble: Trouble, parts: list[list[dict[str, Any]]]
) -> None:
    trouble.rule = None
    with empty_account(sandbox) as replay:
        for nth, part in enumerate(parts, 1):
            plan = replay.plan("--against", "account", *OPTION, replay.write(part))
            for _ in range(2):
                done = replay.push("--plan", plan)
                assert done.returncode == 0, done.stderr
                assert off(replay) == expected(parts[:nth])
        assert set(Counter(turned_off(replay)).values()) <= {1}


@examples(20)
@given(parts=histories(), suppressed=st.sets(st.sampled_from(USERS), max_size=1))
def test_inspect_counts_whom_a_push_turns_off(
    sandbox: RunningSandbox,
    trouble: Trouble,
    parts: list[list[dict[str, Any]]],
    suppressed: set[str],
) -> None:
    trouble.rule = None
    with empty_account(sandbox) as replay:
        exports = [replay.write(part, f"{n}.ndjson") for n, part in enumerate(parts)]
        listed = replay.folder / "suppressed.txt"
        listed.write_text("".join(f"{each}\n" for each in suppressed) or "nobody-at-all\n")
        args: tuple[str | Path, ...] = (*OPTION, "--suppress", listed, *exports)
        done = replay.run("inspect", "--format", "json", *args)
        assert done.returncode == 0, done.stderr
        counts = orjson.loads(done.stdout)["end_users"]
        diff = replay.diff(*args)
        assert counts["opted_out"] == diff.summary["surveys_off"]
        whole = [record for part in parts for record in part]
        assert counts["opted_out"] == len(expected([whole]) - suppressed)
        assert counts["written"] == diff.summary["create"]


def test_inspect_says_nothing_of_opt_outs_unless_asked(replay: Replay) -> None:
    export = replay.write(EXPORT)
    done = replay.run("inspect", "--format", "json", export)
    assert orjson.loads(done.stdout)["end_users"]["opted_out"] is None
    text = replay.run("inspect", *OPTION, export).stdout
    assert "A push turns surveys off for 1 end user." in text
    assert f"push --surveys-disabled traits.unsubscribed {export}" in text


def test_a_run_that_is_cut_short_before_it_counts_the_record_as_left(replaying: Replaying) -> None:
    down = [True]

    def rule(request: SandboxRequest) -> Fault | None:
        return Fault(said(503)()) if down[0] and settings_of(request) else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    export = replay.write([says(1, True), says(2, True, plan="pro")])
    done = replay.push(
        "--max-duration", "1", "--retries", "50", "--format", "json", *OPTION, export
    )
    told = summary(done)
    assert (told["create"], told["surveys_off"], told["records_left"]) == (1, 0, 1)
    assert done.returncode == 0, done.stderr
    down[0] = False
    done = replay.push("--format", "json", *OPTION, export)
    assert done.returncode == 0, done.stderr
    assert (summary(done)["surveys_off"], summary(done)["records_left"]) == (1, 0)
    assert off(replay) == {"u1"}


def test_end_users_whose_traits_all_look_alike_are_told_apart_by_what_they_want(
    replay: Replay,
) -> None:
    export = replay.write([says(1, n % 2 == 0, f"u{n}", plan="pro") for n in range(80)])
    diff = replay.diff(*OPTION, export)
    marked = [line["end_user"]["external_id"] for line in diff.lines if "surveys_off" in line]
    assert sorted(marked) == sorted(f"u{n}" for n in range(0, 80, 2))
    assert (diff.summary["surveys_off"], diff.summary["create"]) == (40, 80)
