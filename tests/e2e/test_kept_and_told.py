"""What a run tells programs, what it leaves unsaid, and what it keeps of whom nobody knows."""

import gzip
import json
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from replaying import Replay, at, identify, page, refusing, track, until

from wootric_map.properties import WARNINGS
from wootric_map.sandbox import SandboxSettings

DAY = 86_400
ADA, BYRON = "ada@example.com", "byron@example.com"
UNTITLED = {"type": "track", "userId": "1"}


# How long ago


def ago(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds, UTC).isoformat()


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--since", "7d"), ["/6d", "/13h", "/11h", "/now"]),
        (("--since", "12h"), ["/11h", "/now"]),
        (("--until", "12h"), ["/15d", "/6d", "/13h"]),
        (("--since", "2w", "--until", "90m"), ["/6d", "/13h", "/11h"]),
    ],
)
def test_records_are_chosen_by_how_long_ago_they_were(
    replay: Replay, options: tuple[str, ...], left: list[str]
) -> None:
    times = {"/15d": 15 * DAY, "/6d": 6 * DAY, "/13h": 46_800, "/11h": 39_600, "/now": 60}
    context = {"traits": {"email": ADA}}
    views = [at(ago(seconds), page("1", path, context=context)) for path, seconds in times.items()]
    export = replay.write(views)
    lines = replay.diff(*options, export).lines
    assert sorted(each["path"] for each in lines[:-1]) == sorted(left)
    assert replay.push(*options, export).returncode == 0
    assert len(replay.sandbox.state.page_views) == len(left)


def test_an_until_before_a_since_is_told_also_of_how_long_ago(replay: Replay) -> None:
    done = replay.run("dry-run", "--since", "1d", "--until", "2d", replay.write([page("1")]))
    assert done.returncode == 2
    assert "--until is before --since" in done.stderr
    done = replay.run("dry-run", "--since", "7x", replay.write([page("1")]))
    assert done.returncode == 2
    assert "7d or 12h" in done.stderr


# What a push tells programs


def summary(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """What the only line on standard output tells."""
    (line,) = done.stdout.splitlines()
    told: dict[str, Any] = json.loads(line)
    assert list(told) == ["summary"]
    found: dict[str, Any] = told["summary"]
    return found


@pytest.mark.parametrize("settings", [SandboxSettings(faults=(refusing(BYRON),))])
@pytest.mark.parametrize("quiet", [True, False])
def test_a_push_tells_programs_all_that_it_found(replay: Replay, quiet: bool) -> None:
    records = [
        identify("1", ADA, tags=["a"]), identify("2", BYRON), UNTITLED, page("3"),
        {"type": "screen", "userId": "1"},
    ]  # fmt: skip
    (replay.folder / "logs").mkdir()
    replay.write(records, "logs/a.ndjson")
    (replay.folder / "logs/notes.txt").write_text("")
    done = replay.push(
        "--format", "json", *(["--quiet"] if quiet else []), "--event", "Left", "--user", "nobody",
        "--user", "1", "--user", "2", "--user", "3", "logs",
    )  # fmt: skip
    told = summary(done)
    assert (told["exit_code"], told["error"]) == (done.returncode, None) == (1, None)
    assert (told["records"], told["mapped"], told["create"], told["api_calls"]) == (5, 2, 1, 1)
    assert told["skipped"] == {"unidentified": 1, "unsupported_type": 1}
    assert told["unidentified"] == {"unknown_user": 1}
    (rejected,), (failed,) = told["rejected_details"], told["failed_details"]
    assert (rejected["code"], rejected["count"]) == ("missing_event", 1)
    (place,) = rejected["places"]
    assert (place["source"], place["line"], place["field"]) == ("logs/a.ndjson", 3, "event")
    assert "event" in place["message"]
    assert (failed["code"], failed["places"][0]["line"]) == ("refused", 2)
    assert "Email is invalid" in failed["places"][0]["message"]
    assert told["warnings"] == {"list_without_array": 1}
    assert told["warning_details"][0]["field"] == "traits.tags"
    assert told["unknown_users"] == ["nobody"]
    assert told["unknown_events"] == ["Left"]
    assert told["passed_over"] == {"count": 1, "files": ["logs/notes.txt"]}
    assert told["in_doubt"] == 0
    assert told["calls"] > told["api_calls"]
    assert 0 < told["seconds"] < 60
    assert told["rejects_file"] == {"path": "rejects.ndjson", "records": 2, "before": None}
    assert "missing_event" in done.stderr
    assert ("list_without_array" in done.stderr) is not quiet


def test_a_push_and_a_dry_run_have_the_same_keys_and_numbers(replay: Replay) -> None:
    export = replay.write([identify("1", ADA, tags=["a"]), track("1"), page("1"), page("2")])
    foreseen = replay.diff("--against", "account", "--user", "x", "--user", "1", export).summary
    told = summary(replay.push("--format", "json", "--user", "x", "--user", "1", export))
    assert foreseen["unknown_users"] == ["x"]
    assert {name: told[name] for name in foreseen} == foreseen


def test_quiet_and_json_print_nothing_but_json(replay: Replay) -> None:
    export = replay.write([identify("1", ADA), page("2")])
    done = replay.push("--quiet", "--format", "json", export)
    assert summary(done)["create"] == 1
    assert done.stderr == ""


def test_personal_data_is_hidden_in_what_programs_are_told(replay: Replay) -> None:
    (replay.folder / ADA).mkdir()
    records = [identify("1", ADA), identify("2", BYRON, createdAt=ADA), UNTITLED]
    export = replay.write(records, f"{ADA}/a.ndjson")
    options = ("--redact", "--user", ADA, "--user", BYRON, "--user", "x@example.com")
    done = replay.push(
        "--format", "json", *options, "--event", BYRON, "--rejects", f"{ADA}/r.ndjson", export
    )
    told = summary(done)
    assert told["unknown_users"][0].startswith("email:")
    assert told["unknown_events"][0].startswith("email:")
    assert told["rejects_file"]["records"] == 1
    assert "@" not in done.stdout
    dry = replay.run("dry-run", "--format", "json", *options, "--event", BYRON, export)
    assert "@" not in dry.stdout


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({"WOOTRIC_CLIENT_SECRET": "wrong"}, 4, "sign"),
        ({"WOOTRIC_BASE_URL": "http://127.0.0.1:9"}, 5, "no connection"),
    ],
)
def test_a_push_that_could_not_begin_tells_programs_why(
    replay: Replay, environment: dict[str, str], code: int, words: str
) -> None:
    export = replay.write([identify("1", ADA)])
    options = ("--format", "json", "--give-up-after", "1", "--retries", "0")
    done = replay.push(*options, export, env=environment)
    told = summary(done)
    assert (told["exit_code"], told["records"], told["rejects_file"]) == (code, 0, None)
    assert done.returncode == code
    assert words in told["error"]
    assert told["error"] in done.stderr


def test_a_push_beside_another_tells_programs_so(replay: Replay) -> None:
    export = replay.write([identify(f"u{n}", f"u{n}@example.com") for n in range(20)])
    started = replay.start("push", "--format", "json", "--rate", "60", export)
    until(lambda: len(replay.sandbox.state.end_users) > 0)
    second = replay.push("--format", "json", export)
    assert second.returncode == summary(second)["exit_code"] == 6
    assert "another run is at work" in summary(second)["error"]
    started.send_signal(signal.SIGTERM)
    output, errors = started.communicate(timeout=60)
    first = summary(subprocess.CompletedProcess([], started.returncode, output, errors))
    assert first["exit_code"] == started.returncode == 143
    assert first["error"] == "interrupted"
    assert first["create"] == len(replay.sandbox.state.end_users) < 20


def test_wrong_usage_is_told_to_people_alone(replay: Replay, tmp_path: Path) -> None:
    for arguments in ((tmp_path / "none.ndjson",), ("--plan", replay.write([page("1")]))):
        done = replay.push("--format", "json", *arguments)
        assert (done.returncode, done.stdout) == (2, "")


def test_a_push_of_a_plan_tells_programs_what_it_came_to(replay: Replay) -> None:
    plan = replay.plan(replay.write([identify("1", ADA), page("1", "/a")]))
    told = summary(replay.push("--format", "json", "--plan", plan))
    assert (told["create"], told["page_views"], told["exit_code"]) == (1, 1, 0)


# Warnings that are ignored


WARNED = [
    identify("1", ADA, tags=["a"], seats=5),
    identify("2", BYRON, phone="x", tags=["b"], logins=1),
    track("1", properties={"price": 3}),
]
IGNORE = ("--ignore-warning", "integer_without_amount", "--ignore-warning", "invalid_phone")


@pytest.mark.parametrize("command", ["validate", "dry-run", "push"])
def test_ignored_warnings_are_not_shown_but_counted(replay: Replay, command: str) -> None:
    export = replay.write(WARNED)
    done = replay.run(command, *IGNORE, export)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Warnings: 1" in said
    assert "traits.tags" in said
    assert "Ignored warnings: 4" in said
    assert "seats" not in said.partition("Warnings: 1")[2]
    assert "integer_without_amount" not in said
    assert "invalid_phone" not in said


def test_where_all_warnings_are_ignored_their_number_is_left(replay: Replay) -> None:
    export = replay.write(WARNED)
    every = (*IGNORE, "--ignore-warning", "list_without_array")
    for command in ("validate", "dry-run", "push"):
        done = replay.run(command, *every, export)
        said = done.stdout + done.stderr
        assert "Ignored warnings: 5" in said
        assert "Warnings: " not in said.replace("Ignored warnings: ", "")
    assert "Ignored" not in replay.push("--quiet", "--again", *every, export).stderr


@pytest.mark.parametrize("against", ["nothing", "account"])
def test_ignored_warnings_are_not_told_to_programs_either(replay: Replay, against: str) -> None:
    export = replay.write(WARNED)
    diff = replay.diff("--against", against, *IGNORE, export)
    assert "integer_without_amount" not in json.dumps(diff.lines)
    pushed = summary(replay.push("--format", "json", *IGNORE, export))
    for told in (diff.summary, pushed):
        assert told["warnings"] == {"list_without_array": 1}
        assert [each["code"] for each in told["warning_details"]] == ["list_without_array"]
        assert told["ignored_warnings"] == 4
    validated = json.loads(replay.run("validate", "--format", "json", *IGNORE, export).stdout)
    assert list(validated["warnings"]) == ["list_without_array"]
    assert len(validated["warnings"]["list_without_array"]["findings"][0]["places"]) == 2
    assert validated["ignored_warnings"] == 4


@pytest.mark.parametrize("processes", ["1", "2"])
def test_map_leaves_ignored_warnings_out_of_each_record(replay: Replay, processes: str) -> None:
    packed = replay.folder / "b.gz"
    packed.write_bytes(gzip.compress(json.dumps(WARNED[0]).encode()) + b"rubbish")
    export = replay.write(WARNED)
    arguments = ("map", "--processes", processes, export, packed)
    before = replay.run(*arguments)
    done = replay.run(*arguments, *IGNORE, "--ignore-warning", "trailing_data")
    assert (done.returncode, done.stderr) == (0, "Ignored warnings: 6\n")
    expected = []
    for line in map(json.loads, before.stdout.splitlines()):
        if "warning" not in line:
            line["warnings"] = [
                each for each in line["warnings"] if each["code"] == "list_without_array"
            ]
            expected.append(line)
    assert list(map(json.loads, done.stdout.splitlines())) == expected
    assert len(expected) == len(before.stdout.splitlines()) - 1 == 4


@pytest.mark.parametrize("command", ["validate", "map", "dry-run", "push"])
def test_a_code_that_there_is_not_is_wrong_usage_and_lists_those_that_there_are(
    replay: Replay, command: str
) -> None:
    done = replay.run(command, "--ignore-warning", "list", replay.write(WARNED))
    assert done.returncode == 2
    assert all(f"'{code}'" in done.stderr for code in WARNINGS)


def test_ignored_warnings_have_no_place_beside_a_plan(replay: Replay) -> None:
    plan = replay.plan(replay.write(WARNED))
    done = replay.push("--plan", plan, *IGNORE)
    assert done.returncode == 2
    assert "--ignore-warning has no place beside --plan" in done.stderr
