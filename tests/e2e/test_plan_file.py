"""The plan that a dry run saves, and the push that does exactly what it says."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from replaying import Environment, Replay, at, by_device, identify, page, refusing, track

from wootric_map.sandbox import SandboxSettings

ADA = "ada@example.com"
BYRON = "byron@example.com"

NO_ACCOUNT: Environment = {"WOOTRIC_ACCOUNT_TOKEN": None}


def lines(plan: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in plan.read_bytes().splitlines()]


def actions(plan: Path) -> list[str]:
    return [line["action"] for line in lines(plan) if "action" in line]


def calls(replay: Replay, start: int = 0) -> list[tuple[str, str]]:
    """The calls from the request of that number on, signing in and the list of events aside."""
    return [
        (str(request["method"]), str(request["path"]))
        for request in replay.sandbox.requests[start:]
        if request["path"] not in ("/oauth/token", "/registered_events.json")
    ]


EXPORT = [
    at(1, identify("1", ADA, plan="free", phone="+44 1111", createdAt=1420099200)),
    at(2, identify("1", ADA, plan="pro", seats=5)),
    at(3, track("1")),
    at(4, page("1", "/a")),
    at(5, page("2", "/b")),
    at(6, identify("2", BYRON)),
]


# The file.


def test_the_first_line_says_what_it_is_and_what_it_was_compared_with(replay: Replay) -> None:
    head = lines(replay.plan(replay.write(EXPORT)))[0]
    assert head.keys() == {"wootric_replay_plan", "account", "against"}
    assert (head["wootric_replay_plan"], head["against"]) == (1, "nothing")


def test_the_first_line_names_account_or_snapshot(replay: Replay) -> None:
    export = replay.write(EXPORT)
    assert lines(replay.plan("--against", "account", export))[0]["against"] == "account"
    snapshot = replay.snapshot()
    assert lines(replay.plan("--against", snapshot, export))[0]["against"] == "snapshot"


def test_the_last_line_counts_what_went_before(replay: Replay) -> None:
    assert lines(replay.plan(replay.write(EXPORT)))[-1] == {
        "end": {"create": 2, "update": 0, "eligibility_check": 1, "page_view": 2}
    }


def test_an_empty_plan_is_a_plan(replay: Replay) -> None:
    plan = replay.plan(replay.write([identify("1")]))
    assert lines(plan)[1:] == [
        {"end": {"create": 0, "update": 0, "eligibility_check": 0, "page_view": 0}}
    ]
    done = replay.push("--plan", plan)
    assert done.returncode == 0
    assert "0 API calls to make." in done.stderr
    assert done.stdout.startswith("Calls planned       0\n")
    assert calls(replay) == []


def test_a_create_holds_all_fields_and_the_number_of_its_records(replay: Replay) -> None:
    plan = replay.plan(replay.write(EXPORT[:2]))
    (create,) = [line for line in lines(plan) if line.get("action") == "create"]
    assert isinstance(create.pop("end_user"), int)
    assert isinstance(create.pop("key"), str)
    assert len(create.pop("said")) == 2
    assert create == {
        "action": "create",
        "fields": {
            "email": ADA,
            "external_id": "1",
            "phone_number": "+44 1111",
            "external_created_at": 1420099200,
            "properties": {"plan": "pro", "seats": 5},
        },
        "records": 2,
    }


def test_an_update_holds_the_id_and_only_the_fields_that_differ(replay: Replay) -> None:
    replay.holds("9", "other@example.com")
    replay.holds("1", ADA, plan="free", seats="5")
    plan = replay.plan("--against", "account", replay.write(EXPORT[1:2]))
    (update,) = [line for line in lines(plan) if line.get("action") == "update"]
    assert isinstance(update.pop("end_user"), int)
    assert isinstance(update.pop("key"), str)
    assert len(update.pop("said")) == 1
    assert update == {
        "action": "update",
        "id": 2,
        "fields": {"properties": {"plan": "pro"}},
        "known_as": [{"email": ADA, "external_id": "1"}],
        "records": 1,
    }


def test_an_unchanged_end_user_is_not_in_the_plan(replay: Replay) -> None:
    replay.holds("1", ADA)
    plan = replay.plan("--against", "account", replay.write([identify("1", ADA)]))
    assert actions(plan) == []


def test_an_event_holds_what_its_call_says(replay: Replay) -> None:
    plan = replay.plan(replay.write(EXPORT))
    (check,) = [line for line in lines(plan) if line.get("action") == "eligibility_check"]
    assert check["call"]["event_name"] == "Signed Up"
    assert check["call"]["email"] == ADA
    view, other = [line for line in lines(plan) if line.get("action") == "page_view"]
    assert {view["call"]["email"], other["call"]["email"]} == {ADA, BYRON}
    assert all(isinstance(line["key"], str) and line["key"] for line in (check, view, other))


def test_no_two_events_have_one_key(replay: Replay) -> None:
    views = [page("1", "/same") for _ in range(3)]
    checks = [track("1") for _ in range(3)]
    plan = replay.plan(replay.write([identify("1", ADA), *views, *checks]))
    keys = [line["key"] for line in lines(plan) if "call" in line]
    assert len(set(keys)) == len(keys) == 6


def test_an_end_users_lines_share_a_number_and_stand_together_write_first(replay: Replay) -> None:
    told = [
        (line["end_user"], line["action"])
        for line in lines(replay.plan(replay.write(EXPORT)))
        if "action" in line
    ]
    numbers = list(dict.fromkeys(number for number, _ in told))
    assert len(numbers) == 2
    assert told == sorted(told, key=lambda line: numbers.index(line[0]))
    assert sorted([action for other, action in told if other == number] for number in numbers) == [
        ["create", "eligibility_check", "page_view"],
        ["create", "page_view"],
    ]


def test_only_what_is_chosen_is_in_the_plan(replay: Replay) -> None:
    plan = replay.plan("--type", "page", "--user", "1", replay.write(EXPORT))
    assert actions(plan) == ["page_view"]


def test_a_plan_holds_no_file_name_and_no_time_of_making(replay: Replay) -> None:
    first = replay.plan(replay.write(EXPORT, "first-export.ndjson"), name="one")
    second = replay.plan(replay.write(EXPORT, "second-export.ndjson"), name="two")
    assert first.read_bytes() == second.read_bytes()
    assert b"-export" not in first.read_bytes()


def test_the_style_of_the_output_does_not_change_the_plan(replay: Replay) -> None:
    export = replay.write(EXPORT)
    as_text, as_json = replay.plan(export), replay.plan("--format", "json", export, name="other")
    assert as_text.read_bytes() == as_json.read_bytes()


def test_saving_the_plan_does_not_change_what_is_shown(replay: Replay) -> None:
    export = replay.write(EXPORT)
    assert replay.diff("--out", "plan", export) == replay.diff(export)


def test_a_plan_can_be_read_by_its_owner_alone(replay: Replay) -> None:
    plan = replay.plan(replay.write(EXPORT))
    assert stat.S_IMODE(plan.stat().st_mode) == 0o600


def test_a_plan_over_an_open_file_closes_it_to_others(replay: Replay) -> None:
    before = replay.folder / "plan"
    before.write_text('{"wootric_replay_plan":1}\n')
    before.chmod(0o644)
    assert stat.S_IMODE(replay.plan(replay.write(EXPORT)).stat().st_mode) == 0o600
    assert len(lines(before)) > 2


def test_the_way_to_a_plan_must_be_there(replay: Replay) -> None:
    done = replay.run("dry-run", "--out", "no/such/folder/plan", replay.write(EXPORT))
    assert done.returncode in (2, 5)
    assert "no/such/folder" in done.stderr
    assert "Traceback" not in done.stderr


# Whose it is.


def account(plan: Path) -> Any:
    return lines(plan)[0]["account"]


def test_without_an_account_the_plan_is_nobodys(replay: Replay) -> None:
    assert account(replay.plan(replay.write(EXPORT), env=NO_ACCOUNT)) is None


def test_the_account_is_told_by_the_option_as_by_the_environment(replay: Replay) -> None:
    export, token = replay.write(EXPORT), replay.sandbox.settings.account_token
    by_environment = account(replay.plan(export))
    by_option = account(replay.plan("--account-token", token, export, env=NO_ACCOUNT))
    assert by_environment is not None
    assert by_environment == by_option


def test_two_accounts_have_two_fingerprints(replay: Replay) -> None:
    export = replay.write(EXPORT)
    other = replay.plan(export, env={"WOOTRIC_ACCOUNT_TOKEN": "NPS-0ther123"}, name="other")
    assert account(other) != account(replay.plan(export))


def test_a_snapshot_tells_the_account_if_nothing_else_does(replay: Replay) -> None:
    replay.holds("1", ADA)
    snapshot, export = replay.snapshot(), replay.write(EXPORT)
    by_snapshot = account(replay.plan("--against", snapshot, export, env=NO_ACCOUNT))
    assert by_snapshot is not None
    assert by_snapshot == account(replay.plan("--against", snapshot, export))


# Doing it.


def test_a_plan_is_done_as_it_says_without_a_look_up(replay: Replay) -> None:
    plan = replay.plan(replay.write(EXPORT))
    done = replay.push("--plan", plan)
    assert done.returncode == 0, done.stderr
    assert sorted(calls(replay)) == [
        ("GET", "/eligible.json"),
        ("GET", "/pixel.gif"),
        ("GET", "/pixel.gif"),
        ("POST", "/v1/end_users"),
        ("POST", "/v1/end_users"),
    ]
    ada = replay.users()["1"]
    assert (ada["email"], ada["phone_number"], ada["external_created_at"]) == (
        ADA,
        "+44 1111",
        1420099200,
    )
    assert ada["properties"] == {"plan": "pro", "seats": "5"}


def test_a_plan_sends_what_a_push_of_the_export_sends(replay: Replay) -> None:
    export = replay.write(EXPORT)
    plan = replay.plan(export)

    def effect() -> tuple[Any, ...]:
        state = replay.sandbox.state
        left_aside = ("id", "created_at", "updated_at")
        users = {
            name: {key: value for key, value in user.items() if key not in left_aside}
            for name, user in replay.users().items()
        }
        checks = [dict(check.params) for check in state.eligibility_checks]
        views = [
            {key: value for key, value in view.params.items() if key != "random"}
            for view in state.page_views
        ]
        return users, checks, sorted(views, key=lambda view: view["page_info[path]"])

    replay.push(export)
    pushed = effect()
    replay.sandbox.state.reset()
    replay.push("--plan", plan, "--again")
    assert effect() == pushed


def test_a_plan_needs_no_export_any_more(replay: Replay) -> None:
    export = replay.write(EXPORT)
    plan = replay.plan(export)
    export.unlink()
    assert replay.push("--plan", plan).returncode == 0
    assert set(replay.users()) == {"1", "2"}


def test_an_update_in_a_plan_goes_to_its_id_with_its_fields_and_no_more(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free", city="Rome")
    export = replay.write([identify("1", ADA, plan="pro", city="Rome")])
    plan = replay.plan("--against", "account", export)
    asked = len(replay.paths())
    assert replay.push("--plan", plan).returncode == 0
    assert calls(replay, asked) == [("PUT", "/v1/end_users/1")]
    assert replay.sandbox.requests[-1]["form"] == {"properties[plan]": "pro"}


def test_a_plan_against_a_snapshot_is_done_too(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    plan = replay.plan("--against", replay.snapshot(), replay.write(EXPORT))
    asked = len(replay.paths())
    assert replay.push("--plan", plan).returncode == 0
    assert sorted(calls(replay, asked))[-2:] == [
        ("POST", "/v1/end_users"),
        ("PUT", "/v1/end_users/1"),
    ]
    assert replay.users()["1"]["properties"] == {"plan": "pro", "seats": "5"}


def test_a_plan_made_without_folding_is_done_step_by_step(replay: Replay) -> None:
    plan = replay.plan("--no-fold", replay.write(EXPORT[:2]))
    assert actions(plan) == ["create", "update"]
    assert replay.push("--plan", plan).returncode == 0
    assert calls(replay) == [("POST", "/v1/end_users"), ("PUT", "/v1/end_users/1")]
    assert replay.users()["1"]["properties"] == {"plan": "pro", "seats": "5"}


def test_what_only_the_account_knows_is_in_the_plan(replay: Replay) -> None:
    replay.holds("1", ADA, external_created_at=1420099200)
    plan = replay.plan("--against", "account", replay.write([page("1", "/a")]))
    asked = len(replay.paths())
    assert replay.push("--plan", plan).returncode == 0
    assert calls(replay, asked) == [("GET", "/pixel.gif")]
    (view,) = replay.sandbox.state.page_views
    assert (view.params["email"], view.params["created_at"]) == (ADA, "1420099200")


def test_one_end_users_calls_in_a_plan_go_in_its_order(replay: Replay) -> None:
    views = [at(day, page("1", f"/{day}")) for day in (5, 3, 8, 1, 9, 2)]
    plan = replay.plan(replay.write([*views, identify("1", ADA)]))
    replay.push("--plan", plan, "--workers", "16")
    assert calls(replay)[0] == ("POST", "/v1/end_users")
    paths = [view.params["page_info[path]"] for view in replay.sandbox.state.page_views]
    assert paths == ["/1", "/2", "/3", "/5", "/8", "/9"]


def test_somebody_known_by_phone_alone_is_created_by_a_plan(replay: Replay) -> None:
    plan = replay.plan(replay.write([by_device("d", identify("", phone="+44 1111"))]))
    assert replay.push("--plan", plan).returncode == 0
    (user,) = [each.to_json() for each in replay.sandbox.state.end_users]
    assert (user["phone_number"], user["external_id"]) == ("+44 1111", None)


def test_what_wootric_refuses_of_a_plan_is_told(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings(faults=(refusing("bad@example.com"),)))
    plan = replay.plan(replay.write([identify("1", "bad@example.com"), identify("2", BYRON)]))
    done = replay.push("--plan", plan)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert set(replay.users()) == {"2"}


# Not doing it.


def test_a_plan_and_paths_are_not_pushed_together(replay: Replay) -> None:
    export = replay.write(EXPORT)
    assert replay.push("--plan", replay.plan(export), export).returncode == 2
    assert replay.paths() == []


def test_a_push_needs_paths_or_a_plan(replay: Replay) -> None:
    assert replay.push().returncode == 2


@pytest.mark.parametrize("export", [EXPORT, [identify("1")]], ids=["with calls", "without"])
def test_a_plan_for_another_account_is_not_done(
    replay: Replay, export: list[dict[str, Any]]
) -> None:
    other = {"WOOTRIC_ACCOUNT_TOKEN": "NPS-0ther123"}
    done = replay.push("--plan", replay.plan(replay.write(export), env=other))
    assert done.returncode == 2
    assert "account" in done.stderr
    assert replay.paths() == []


def test_a_plan_for_no_account_goes_to_any(replay: Replay) -> None:
    plan = replay.plan(replay.write(EXPORT), env=NO_ACCOUNT)
    assert replay.push("--plan", plan).returncode == 0
    assert set(replay.users()) == {"1", "2"}


def _newer(plan: list[bytes]) -> list[bytes]:
    head = orjson.loads(plan[0])
    return [orjson.dumps({**head, "wootric_replay_plan": 4}), *plan[1:]]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_newer, id="a newer version"),
        pytest.param(lambda plan: plan[:-1], id="without its last line"),
        pytest.param(lambda plan: plan[:-2], id="without its last two lines"),
        pytest.param(lambda plan: plan[:1], id="the first line alone"),
        pytest.param(lambda plan: [*plan[:-1], plan[-1][:-9]], id="broken off in its last line"),
        pytest.param(lambda plan: [*plan[:2], plan[2][:9]], id="broken off within"),
        pytest.param(lambda plan: [*plan[:2], *plan[3:]], id="a line taken out"),
        pytest.param(lambda plan: plan[1:], id="without its first line"),
        pytest.param(lambda plan: [], id="empty"),
        pytest.param(lambda plan: [orjson.dumps(each) for each in EXPORT], id="an export"),
        pytest.param(lambda plan: [b"nonsense"], id="text"),
        pytest.param(lambda plan: [b"[1]", b"null", b"7"], id="other JSON"),
        pytest.param(lambda plan: [b"\xff\xfe\x00"], id="bytes"),
    ],
)
def test_what_is_no_whole_plan_is_not_begun(
    replay: Replay, spoil: Callable[[list[bytes]], list[bytes]]
) -> None:
    plan = replay.plan(replay.write(EXPORT), name="spoilt")
    plan.write_bytes(b"".join(line + b"\n" for line in spoil(plan.read_bytes().splitlines())))
    done = replay.push("--plan", plan)
    assert done.returncode == 2, done.stderr
    assert "spoilt" in done.stderr
    assert "Traceback" not in done.stderr
    assert replay.paths() == []


def test_a_plan_that_is_not_there_is_wrong_usage(replay: Replay) -> None:
    done = replay.push("--plan", "no-such-plan")
    assert done.returncode == 2
    assert "no-such-plan" in done.stderr
    assert replay.paths() == []


def test_a_plan_that_is_stopped_leaves_nothing_behind(replay: Replay) -> None:
    # What it reads never ends, so that the signal is sure to meet it at work.
    os.mkfifo(replay.folder / "export")
    with (
        replay.start("dry-run", "--out", "plan", "export") as process,
        (replay.folder / "export").open("wb") as export,
    ):
        export.write(orjson.dumps(identify("1", ADA)) + b"\n")
        export.flush()
        process.terminate()
        assert process.wait(20) == 143
    assert sorted(path.name for path in replay.folder.iterdir()) == ["export"]


@pytest.mark.parametrize("style", ["text", "json"])
def test_what_reads_the_diff_may_go_away(replay: Replay, style: str) -> None:
    export = replay.write(identify(f"u{number}", f"{number}@example.com") for number in range(3000))
    with replay.start("dry-run", "--format", style, export) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 141


def test_rejects_of_a_plan_are_placed_where_somebody_can_look(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    """In the plan that was reviewed if they fail again, and in the rejects if they were mended badly."""
    replay = replaying(SandboxSettings(faults=(refusing(ADA, BYRON),)))
    plan = replay.plan(replay.write(EXPORT))
    assert replay.push("--plan", plan).returncode == 1
    rejects = replay.folder / "rejects.ndjson"
    first = replay.rejects()
    assert len(first) >= 2
    rejects.write_bytes(b"".join(reversed(rejects.read_bytes().splitlines(keepends=True))))
    for options in ((rejects,), ("--plan", rejects)):
        done = replay.push("--format", "json", "--quiet", *options)
        assert done.returncode == 1, done.stderr
        again = replay.rejects()
        places = {(each["source"], each["line"], each["record"]) for each in again}
        assert places <= {(each["source"], each["line"], each["record"]) for each in first}
        assert {each["source"] for each in again} == {str(plan)}
        (told,) = map(orjson.loads, done.stdout.splitlines())
        where = [at for each in told["summary"]["failed_details"] for at in each["places"]]
        assert where
        assert {(at["source"], at["line"]) for at in where} <= {each[:2] for each in places}
    mended = [json.loads(line) for line in rejects.read_bytes().splitlines()]
    mended[-1]["record"] = mended[-1]["record"].replace('"email"', '"e_mail"')
    rejects.write_text("".join(json.dumps(each) + "\n" for each in mended))
    done = replay.push(rejects)
    assert done.returncode == 2, done.stderr
    assert f"{rejects}:{len(mended)}: the line is no part of a plan" in done.stderr


@pytest.mark.parametrize("folding", [(), ("--no-fold",)])
def test_whom_the_journal_knows_is_updated_after_an_event_too(
    replay: Replay, folding: tuple[str, ...]
) -> None:
    assert replay.sends(replay.write([at(1, identify("1", ADA))], "first"))
    rest = replay.write([at(2, track("1")), at(3, identify("1", plan="pro"))], "rest")
    plan = replay.plan("--next", *folding, rest)
    assert actions(plan).count("update") == 1
    assert replay.sends("--plan", plan)
    assert replay.users()["1"]["properties"] == {"plan": "pro"}
