"""Thresholds and baselines, in every command that has them: what fails a check, and what is sent."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest
from replaying import Replay, at, identify, refusing, track

from wootric_map.sandbox import SandboxSettings

if TYPE_CHECKING:
    from tests.conftest import Run, Write

NOBODY: Final = {"type": "identify", "traits": {}, "messageId": "m"}
GOOD: Final = at(1, identify("1", "a@example.com"))
SEATS: Final = at(1, identify("1", "a@example.com", seats=3))
COMMANDS: Final = (("validate",), ("dry-run",), ("push", "--sandbox", "--no-progress"))


def rejected(number: int) -> dict[str, Any]:
    return NOBODY | {"messageId": f"m-{number}"}


# Exit codes


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ((), 1, ""),
        (("--max-rejected", "2"), 0, ""),
        (("--max-rejected", "50%"), 0, ""),
        (("--max-rejected", "1"), 7, "--max-rejected 1: 2 of 4 records rejected, 1 more than the 1"),
        (("--max-rejected", "49.9%"), 7, r"--max-rejected 49.9%: 2 of 4 records rejected \(50.000%\)"),
        (("--max-rejected", "2", "--max-warnings", "1"), 0, ""),
        (("--max-warnings", "1"), 1, ""),
        (("--max-warnings", "0"), 7, "--max-warnings 0: 1 different warning, 1 more"),
        (("--max-warnings", "0", "--ignore-warning", "integer_without_amount"), 1, ""),
        (("--fail-on", "missing_identity"), 7, "--fail-on missing_identity: found 2 times"),
        (("--fail-on", "integer_without_amount"), 7, "--fail-on integer_without_amount: found"),
        (("--fail-on", "UNSUPPORTED_type"), 7, "--fail-on unsupported_type: found once"),
        (("--fail-on", "invalid_json"), 1, ""),
        (("--max-rejected", "2", "--min-records", "4"), 0, ""),
        (("--min-records", "5"), 7, "--min-records 5: 4 records read, 1 fewer"),
    ],
)  # fmt: skip
def test_thresholds_decide(
    command: tuple[str, ...],
    options: tuple[str, ...],
    code: int,
    told: str,
    run: "Run",
    write: "Write",
) -> None:
    write("a.ndjson", rejected(1), SEATS, rejected(2), {"type": "screen", "userId": "1"})
    done = run(*command, *options, "a.ndjson")
    assert done.returncode == code, done.stderr
    assert re.search(told, done.stderr), done.stderr
    assert ("threshold" in done.stderr) == bool(told)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--max-rejected", "101%"), "write a number of records, such as 10, or a share"),
        (("--max-rejected", "-1"), "write a number of records"),
        (("--max-rejected", "1e3"), "write a number of records"),
        (("--fail-on", "invald_json"), "did you mean invalid_json"),
        (("--fail-on", "zzz"), "no code of a finding"),
        (("--fail-on", "mixed_types", "--ignore-warning", "mixed_types"), "contradict"),
        (("--baseline", "nowhere.json"), "nowhere.json: No such file"),
        (("--baseline", "a.ndjson"), "name one file|is no baseline"),
    ],
)
def test_options_that_can_not_be_meant_are_wrong_usage(
    options: tuple[str, ...], why: str, run: "Run", write: "Write"
) -> None:
    write("a.ndjson", GOOD)
    for command in COMMANDS:
        done = run(*command, *options, "a.ndjson")
        assert done.returncode == 2
        assert re.search(why, done.stderr), done.stderr


def test_changes_have_their_own_exit_code_only_if_the_check_passes(
    run: "Run", write: "Write"
) -> None:
    write("a.ndjson", GOOD, NOBODY)
    many = ("dry-run", "--detailed-exitcode", "--max-rejected")
    assert run(*many, "1", "a.ndjson").returncode == 3
    assert run(*many, "0", "a.ndjson").returncode == 7


def test_a_plan_is_saved_only_if_the_check_passes(
    run: "Run", write: "Write", tmp_path: Path
) -> None:
    write("a.ndjson", GOOD, NOBODY)
    done = run("dry-run", "--max-rejected", "0", "--out", "plan.ndjson", "a.ndjson")
    assert (done.returncode, "The plan is not saved." in done.stderr) == (7, True)
    assert not (tmp_path / "plan.ndjson").exists()
    assert run("dry-run", "--max-rejected", "1", "--out", "plan.ndjson", "a.ndjson").returncode == 0
    assert (tmp_path / "plan.ndjson").exists()


def test_a_saved_plan_was_judged_when_it_was_made(run: "Run", write: "Write") -> None:
    write("a.ndjson", GOOD)
    run("dry-run", "--out", "plan.ndjson", "a.ndjson")
    done = run("push", "--sandbox", "--plan", "plan.ndjson", "--max-rejected", "1")
    assert (done.returncode, "has no place beside --plan" in done.stderr) == (2, True)


def test_thresholds_stand_in_a_configuration_file(
    run: "Run", write: "Write", tmp_path: Path
) -> None:
    write("a.ndjson", GOOD, NOBODY)
    config = tmp_path / "wootric-replay.toml"
    config.write_text('max_rejected = "1%"\nfail_on = ["missing_identity"]\nmin_records = 1\n')
    config.chmod(0o600)
    done = run("validate", "a.ndjson")
    assert done.returncode == 7
    assert "--max-rejected 1%" in done.stderr
    assert "--fail-on missing_identity" in done.stderr


# A push is judged before it sends anything


@pytest.mark.parametrize(
    "options",
    [
        ("--max-rejected", "0"),
        ("--max-warnings", "0"),
        ("--fail-on", "integer_without_amount"),
        ("--min-records", "9"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_a_push_over_a_threshold_writes_nothing_however_often_it_is_tried(
    options: tuple[str, ...], quiet: tuple[str, ...], replay: Replay
) -> None:
    export = replay.write([SEATS, NOBODY, track("1")])
    for _ in range(2):
        done = replay.run("push", *quiet, *options, export)
        assert done.returncode == 7
        assert f"nothing was sent: {' '.join(options)}: " in done.stderr
        assert "Nothing was sent. Mend what is wrong, or allow more of it" in done.stderr
        assert "did not finish" not in done.stderr
    assert replay.paths("POST")[0].startswith("/oauth/token")
    assert {each.split("?")[0] for each in replay.paths("POST")} == {"/oauth/token"}
    assert not replay.paths("PUT")
    assert not [each for each in replay.paths("GET") if "eligible" in each or "pixel" in each]
    assert [each["code"] for each in replay.rejects()] == ["missing_identity"]
    assert replay.run("push", export).returncode == 1
    assert list(replay.users())


def test_a_push_within_its_threshold_remembers_what_it_has_rejected(replay: Replay) -> None:
    export = replay.write([GOOD, NOBODY])
    assert replay.run("push", "--max-rejected", "1", export).returncode == 0
    done = replay.run("push", "--max-rejected", "0", "--format", "json", export)
    assert orjson.loads(done.stdout)["summary"]["skipped"]["known_reject"] == 1
    assert done.returncode == 0


@pytest.mark.parametrize("settings", [SandboxSettings(faults=(refusing("no@example.com"),))])
def test_what_only_wootric_can_tell_fails_the_check_afterwards(replay: Replay) -> None:
    export = replay.write([GOOD, at(1, identify("2", "no@example.com"))])
    done = replay.run("push", "--fail-on", "refused", "--max-rejected", "5", export)
    assert (done.returncode, "--fail-on refused: found once" in done.stderr) == (7, True)
    assert list(replay.users())


# Baselines


@pytest.mark.parametrize("command", COMMANDS)
def test_known_findings_do_not_count_and_new_ones_do(
    command: tuple[str, ...], run: "Run", write: "Write"
) -> None:
    write("a.ndjson", rejected(1), SEATS, b"{oops")
    assert run("validate", "--write-baseline", "known.json", "a.ndjson").returncode == 0
    strict = (*command, "--baseline", "known.json", "--max-warnings", "0")
    done = run(*strict, "a.ndjson")
    assert (done.returncode, "Known by the baseline: 3 findings" in done.stderr) == (0, True)
    write("a.ndjson", rejected(1), SEATS, b"{oops", rejected(2))
    assert run(*strict, "a.ndjson").returncode == 1
    found = json.loads(run(*strict, "--format", "sarif", "a.ndjson").stdout)["runs"][0]["results"]
    assert [each["ruleId"] for each in found] == ["missing_identity"]
    assert found[0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 4
    write("a.ndjson", rejected(1), SEATS, b"{oops", at(1, identify("2", "b@example.com", logins=1)))
    assert run(*strict, "a.ndjson").returncode == 7


def test_a_finding_is_known_whatever_its_file_and_line(run: "Run", write: "Write") -> None:
    write("a.ndjson", rejected(1), SEATS)
    run("validate", "--write-baseline", "known.json", "a.ndjson")
    write("elsewhere/b.ndjson", GOOD, GOOD, rejected(1), SEATS)
    assert run("validate", "--baseline", "known.json", "elsewhere").returncode == 0


def test_another_file_that_breaks_off_is_not_known(
    run: "Run", write: "Write", tmp_path: Path
) -> None:
    cut = Path(__file__).parents[2] / "sample_events" / "broken" / "cut-off.ndjson.gz"
    write("a.gz", cut.read_bytes())
    (tmp_path / "a.gz").write_bytes(cut.read_bytes())
    assert run("validate", "--write-baseline", "known.json", "a.gz").returncode == 0
    (tmp_path / "b.gz").write_bytes(cut.read_bytes())
    assert run("validate", "--baseline", "known.json", "a.gz").returncode == 0
    assert run("validate", "--baseline", "known.json", "a.gz", "b.gz").returncode == 1


def test_what_is_gone_is_told_and_the_baseline_can_be_written_anew(
    run: "Run", write: "Write", tmp_path: Path
) -> None:
    write("a.ndjson", rejected(1), rejected(2), SEATS)
    run("validate", "--write-baseline", "known.json", "a.ndjson")
    write("a.ndjson", rejected(2))
    for command in ("validate", "dry-run"):
        done = run(command, "--baseline", "known.json", "a.ndjson")
        assert done.returncode == 0
        told = "Gone from the baseline: integer_without_amount 1, missing_identity 1."
        assert told in done.stderr
    both = ("--baseline", "known.json", "--write-baseline", "known.json")
    assert run("validate", *both, "a.ndjson").returncode == 0
    assert len(json.loads((tmp_path / "known.json").read_text())["findings"]) == 1


def test_a_baseline_tells_nothing_of_whom_it_is_about(
    run: "Run", write: "Write", tmp_path: Path
) -> None:
    write("a.ndjson", {"type": "x", "userId": "ada@example.com", "traits": {"name": "Ada"}})
    write("b.ndjson", identify("undefined", "ada@example.com", **{"Ada.Lovelace": 1}))
    run("dry-run", "--write-baseline", "known.json", "a.ndjson", "b.ndjson")
    text = (tmp_path / "known.json").read_text()
    assert "ada" not in text.lower()
    assert set(re.findall(r'"(\w+)":', text)) == {"version", "findings", "code", "fingerprint"}


def test_a_baseline_beside_the_exports_is_none_of_them(
    run: "Run", write: "Write", tmp_path: Path
) -> None:
    write("logs/a.ndjson", rejected(1))
    run("validate", "--write-baseline", "logs/known.json", "logs")
    for command in COMMANDS:
        done = run(*command, "--baseline", "logs/known.json", "logs")
        assert done.returncode == 0, done.stderr
    before = (tmp_path / "logs/known.json").read_bytes()
    assert run("validate", "--write-baseline", "logs/known.json", "logs").returncode == 0
    assert (tmp_path / "logs/known.json").read_bytes() == before


@pytest.mark.parametrize("processes", ["1", "2"])
def test_all_processes_judge_alike(processes: str, run: "Run", write: "Write") -> None:
    padding = {"context": {"page": {"title": "x" * 400}}}
    good = [
        at(1, identify(str(number), f"u{number}@example.com")) | padding for number in range(9000)
    ]
    records: list[dict[str, Any]] = [*good, *(rejected(number) for number in range(300)), *good]
    write("a.ndjson", *records)
    run("validate", "--processes", processes, "--write-baseline", "known.json", "a.ndjson")
    write("a.ndjson", *records, rejected(300))
    for command in ("validate", "dry-run"):
        done = run(
            command,
            "--processes",
            processes,
            "--baseline",
            "known.json",
            "--format",
            "sarif",
            "a.ndjson",
        )
        (found,) = json.loads(done.stdout)["runs"][0]["results"]
        region = found["locations"][0]["physicalLocation"]["region"]
        assert (region["startLine"], done.returncode) == (18_301, 1)
