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
from replaying import NOWHERE, Replay, at, by_device, identify, page, refusing, track, until

from wootric_map.model import WARNINGS
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
    of_its_own = {"forecast", "ways", "eligible_at_once"}
    assert {name: told[name] for name in foreseen if name not in of_its_own} == {
        name: each for name, each in foreseen.items() if name not in of_its_own
    }
    assert told["eligible"] == [{"event": "Signed Up", "checked": 1, "eligible": 1}]
    assert told["records_left"] == 0


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
        ({"WOOTRIC_BASE_URL": NOWHERE}, 5, "no connection"),
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


@pytest.mark.parametrize("command", ["inspect", "validate", "map", "dry-run", "push"])
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


# The records that name nobody


STRANGER, VISITOR = track("9", "Signed Up"), by_device("a", page("", "/visit"))
KEPT = "nobody.ndjson"
OLDER = '{"code":"unidentified","record":"{}"}\n'


def kept(replay: Replay, name: str = KEPT) -> list[dict[str, Any]]:
    path = replay.folder / name
    return list(map(json.loads, path.read_text().splitlines())) if path.exists() else []


def files(replay: Replay) -> list[str]:
    return sorted(path.name for path in replay.folder.glob("*nobody*"))


def test_what_names_nobody_is_kept_as_rejects_are(replay: Replay) -> None:
    export = replay.write([identify("1", ADA), STRANGER, VISITOR, UNTITLED, identify("8")])
    done = replay.push("--unidentified", KEPT, export)
    assert done.returncode == 1
    assert f"3 records that name nobody kept in {KEPT}" in done.stderr
    found = kept(replay)
    assert [(each["line"], each["code"]) for each in found] == [
        (line, "unidentified") for line in (2, 3, 5)
    ]
    assert list(found[0]) == list(replay.rejects()[0])
    lines = export.read_text().splitlines()
    assert [each["record"] for each in found] == [lines[each["line"] - 1] for each in found]
    assert "anonymousId alone" in found[1]["message"]
    assert (replay.folder / KEPT).stat().st_mode & 0o777 == 0o600
    assert [each["code"] for each in replay.rejects()] == ["missing_event"]


def test_nothing_is_kept_where_everybody_is_known_or_nobody_asks(replay: Replay) -> None:
    replay.holds("9", "nine@example.com")
    export = replay.write([identify("1", ADA), STRANGER])
    done = replay.push("--unidentified", KEPT, export)
    assert (done.returncode, files(replay)) == (0, [])
    assert len(replay.sandbox.state.eligibility_checks) == 1
    assert replay.push(replay.write([VISITOR])).returncode == 0
    assert files(replay) == []


@pytest.mark.parametrize(
    "options",
    [(), ("--processes", "2"), ("--against", "account"), ("--no-fold",), ("--format", "json")],
)
def test_a_dry_run_keeps_what_a_push_keeps(replay: Replay, options: tuple[str, ...]) -> None:
    records = [identify(f"u{n}", f"u{n}@example.com") for n in range(30)]
    strangers = [track(f"s{n}", "Signed Up", properties={"n": n}) for n in range(30)]
    mixed = [each for pair in zip(records, strangers, strict=True) for each in pair]
    export = replay.write([*mixed, VISITOR, page("u1"), at(1, page("s1")), identify("s3")])
    replay.holds("s5", "five@example.com")
    done = replay.run("dry-run", "--unidentified", "dry", *options, export)
    assert done.returncode == 0, done.stderr
    foreseen = kept(replay, "dry")
    if "account" not in options:
        assert len(foreseen) == 33
        foreseen = [each for each in foreseen if '"s5"' not in each["record"]]
    assert len(foreseen) == 32
    assert replay.push("--workers", "4", "--unidentified", KEPT, export).returncode == 0
    assert kept(replay) == foreseen


def test_what_a_dry_run_keeps_is_told_to_programs(replay: Replay) -> None:
    (replay.folder / KEPT).write_text(OLDER)
    told = replay.diff("--unidentified", KEPT, replay.write([VISITOR])).summary
    before = str((replay.folder / f"{KEPT}.1").resolve())
    assert told["unidentified_file"] == {"path": KEPT, "records": 1, "before": before}
    again = summary(
        replay.push("--format", "json", "--unidentified", KEPT, replay.write([VISITOR]))
    )
    assert again["unidentified_file"] == {"path": KEPT, "records": 1, "before": None}


@pytest.mark.parametrize(
    "stranger",
    [
        STRANGER,
        STRANGER | {"messageId": "m"},
        at(2, page("9", "/a")),
        {"batch": [STRANGER], "context": {"ip": "1"}},
    ],
)
def test_what_was_kept_is_sent_once_somebody_is_known_and_only_once(
    replay: Replay, stranger: dict[str, Any]
) -> None:
    export = replay.write([stranger, stranger | {"sentAt": "2024-01-03T00:00:00Z"}, VISITOR])
    if "messageId" in stranger:
        export = replay.write([stranger, stranger, VISITOR])
    sent = 1 if "messageId" in stranger else 2
    assert replay.push("--unidentified", KEPT, export).returncode == 0
    assert len(kept(replay)) == sent + 1
    assert replay.push(replay.write([identify("9", "nine@example.com")], "later")).returncode == 0

    def events() -> int:
        state = replay.sandbox.state
        return len(state.eligibility_checks) + len(state.page_views)

    assert events() == 0
    for paths in ((KEPT,), (KEPT,), (export,), (export, "later"), (KEPT,)):
        done = replay.push("--unidentified", "left.ndjson", *paths)
        assert done.returncode == 0, done.stderr
        assert events() == sent
    (left,) = kept(replay, "left.ndjson")
    assert left["record"] == json.dumps(VISITOR, separators=(",", ":"))
    assert files(replay) == [KEPT]


def test_an_identify_that_was_kept_counts_once_its_email_is_known(replay: Replay) -> None:
    export = replay.write([at(1, identify("9", plan="pro"))])
    assert replay.push("--unidentified", KEPT, export).returncode == 0
    assert len(kept(replay)) == 1
    replay.push(replay.write([at(2, identify("9", "nine@example.com"))], "later"))
    assert replay.push(KEPT).returncode == 0
    assert replay.users()["9"]["properties"] == {"plan": "pro"}


def test_two_lines_that_are_the_same_to_the_letter_are_two_records_here_too(replay: Replay) -> None:
    export = replay.write([STRANGER, STRANGER])
    replay.push("--unidentified", KEPT, export)
    replay.push(replay.write([identify("9", "nine@example.com")], "later"))
    for path in (KEPT, export, KEPT):
        replay.push(path)
        assert len(replay.sandbox.state.eligibility_checks) == 2


def test_what_is_left_out_names_nobody_only_by_chance(replay: Replay) -> None:
    records = [at(1, page("9", "/old")), at(5, page("9", "/new")), at(5, STRANGER)]
    export = replay.write(records)
    options = ("--since", "2024-01-04", "--type", "page")
    for command in ("dry-run", "push"):
        done = replay.run(command, *options, "--unidentified", f"{command}.nobody", export)
        assert done.returncode == 0, done.stderr
        (found,) = kept(replay, f"{command}.nobody")
        assert "/new" in found["record"]


def test_it_is_replaced_only_by_a_different_one_and_few_are_kept(replay: Replay) -> None:
    for nth in range(6):
        export = replay.write([VISITOR, page(f"s{nth}")])
        for _ in range(2):
            done = replay.push("--unidentified", KEPT, "--keep-rejects", "2", export)
            assert done.returncode == 0
    assert files(replay) == [KEPT, f"{KEPT}.4", f"{KEPT}.5"]
    assert "s5" in kept(replay)[1]["record"]
    done = replay.push("--unidentified", KEPT, replay.write([identify("1", ADA)]))
    assert "is of an earlier run" in done.stderr
    assert len(kept(replay)) == 2
    done = replay.push("--quiet", "--unidentified", KEPT, replay.write([VISITOR]))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_replaces_nothing_that_another_option_names_or_that_is_read(replay: Replay) -> None:
    export = replay.write([identify("1", ADA), VISITOR])
    snapshot, plan = replay.snapshot(), replay.plan(export)
    before = {path: path.read_bytes() for path in (export, snapshot, plan)}
    refused = [
        ("push", "--rejects", "x.ndjson", "--unidentified", "./x.ndjson", export),
        ("push", "--unidentified", "rejects.ndjson", export),
        ("push", "--unidentified", export, export),
        ("push", "--unidentified", snapshot, "--against", snapshot, export),
        ("push", "--journal", "j", "--unidentified", "j", export),
        ("push", "--plan", plan, "--unidentified", plan),
        ("push", "--unidentified", KEPT, "--plan", plan),
        ("push", "--unidentified", replay.folder, export),
        ("dry-run", "--out", "y", "--unidentified", "y", export),
        ("dry-run", "--unidentified", "rejects.ndjson", export),
        ("dry-run", "--unidentified", snapshot, "--against", snapshot, export),
        ("dry-run", "--unidentified", export, export),
    ]  # fmt: skip
    for arguments in refused:
        done = replay.run(*arguments)
        assert done.returncode == 2, arguments
        assert "--unidentified" in done.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert not (replay.folder / "y").exists()
    assert files(replay) == []
    assert not replay.sandbox.state.end_users


@pytest.mark.parametrize("command", ["push", "dry-run"])
def test_a_folder_that_it_lies_in_is_read_without_it(replay: Replay, command: str) -> None:
    (replay.folder / "logs").mkdir()
    replay.write([VISITOR], "logs/a.ndjson")
    path = "logs/nobody.ndjson"
    for _ in range(2):
        done = replay.run(command, "--unidentified", path, "logs")
        assert done.returncode == 0, done.stderr
        assert len(kept(replay, path)) == 1
    assert [each.name for each in (replay.folder / "logs").glob("nobody*")] == ["nobody.ndjson"]


@pytest.mark.parametrize("settings", [SandboxSettings(latency=0.05)])
def test_a_run_that_ends_early_leaves_it_as_it_was(replay: Replay) -> None:
    (replay.folder / KEPT).write_text(OLDER)
    records = [VISITOR, *(identify(f"u{n}", f"u{n}@example.com") for n in range(50))]
    export = replay.write(records)
    started = replay.start("push", "--rate", "60", "--unidentified", KEPT, export)
    until(lambda: len(replay.sandbox.state.end_users) > 0)
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=60)
    assert started.returncode == 130
    assert (replay.folder / KEPT).read_text() == OLDER
    assert [path.name for path in replay.folder.iterdir() if "nobody" in path.name] == [KEPT]


def test_what_names_several_people_is_not_kept(replay: Replay) -> None:
    # Pushed without the identifies beside it, a shared device's event would be taken for one person's.
    export = replay.write(
        [
            by_device("q", identify("2")) | {"userId": "2"},
            by_device("q", identify("7", "e@example.com")) | {"userId": "7"},
            by_device("q", page("0", "/a")),
        ]
    )
    options = ("--link-anonymous", "--unidentified", KEPT)
    assert replay.push(*options, export).returncode == 0
    kept = [json.loads(line) for line in (replay.folder / KEPT).read_text().splitlines()]
    assert [entry["message"] for entry in kept if "several" in entry["message"]] == []
    assert len(kept) == 1
    known = replay.write([identify("2", "c@example.com")], "later.ndjson")
    assert replay.push("--link-anonymous", known).returncode == 0
    assert replay.push("--link-anonymous", KEPT).returncode == 0
    assert replay.sandbox.state.page_views == ()
