"""Reports in the forms of CI: what other tools read, and that nothing in an export can break out of it."""

import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from replaying import Replay, at, identify, refusing

from cli.formats import FORMATS, format_named
from cli.formats.base import shown
from cli.formats.markdown import escaped
from wootric_map.checks.checks import Verdict
from wootric_map.checks.finding import Finding
from wootric_map.checks.run_report import RunReport
from wootric_map.checks.thresholds import Counts, Exceeded
from wootric_map.sandbox import SandboxSettings

if TYPE_CHECKING:
    from tests.conftest import Run, Start, Write

ROOT: Final = Path(__file__).parents[3]
BROKEN: Final = ROOT / "sample_events" / "broken"
SARIF: Final = Draft4Validator(json.loads((ROOT / "tests/data/sarif-2.1.0.json").read_text()))
NOBODY: Final = {"type": "identify", "traits": {}}
SEATS: Final = {"type": "identify", "userId": "1", "traits": {"email": "a@b.co", "seats": 3}}

HOSTILE: Final = (
    "::error::no%0A\n::set-output name=a::b\r,x=1:2",
    "| a | <script>alert(1)</script> `code` **b** [l](javascript:x) @all #1 http://x.io ~~a~~",
    "]]></failure>\x00\x1b[31m\ud800&amp;\"'",
)


def sarif(text: str) -> dict[str, Any]:
    """The only run of a log, which fits the schema."""
    log = json.loads(text)
    SARIF.validate(log)
    (found,) = log["runs"]
    run: dict[str, Any] = found
    return run


def report(*findings: Finding, **changes: Any) -> RunReport:
    """A report of a run with these findings."""
    counts = Counts(9, 3, 1, {})
    over = (Exceeded("--max-rejected 1", 1, 3, "3 of 9 records rejected"),)
    fields: dict[str, Any] = {
        "command": "validate",
        "records": 9,
        "mapped": 6,
        "skipped": {"duplicate": 2},
        "findings": findings,
        "left_off": {"invalid_json": 7},
        "verdict": Verdict(over, counts, 0, 0, {}, True),
        "exit_code": 7,
        "error": None,
    }
    return RunReport(**fields | changes)


def parsed(text: str) -> ElementTree.Element:
    """The root of a report in JUnit's XML."""
    return ElementTree.fromstring(text.encode())  # noqa: S314 - our own


def told(style: str, of: RunReport) -> str:
    return "".join(format_named(style).pieces(shown(of, None)))


# What each form says


def test_annotations_name_file_line_and_code(run: "Run", write: "Write") -> None:
    write("a.ndjson", SEATS, NOBODY)
    done = run("validate", "--format", "github", "a.ndjson")
    error, warning = done.stdout.splitlines()
    assert error.startswith(
        "::error file=a.ndjson,line=2,title=missing_identity::userId: give the "
    )
    assert error.endswith("%0Adocs/codes/missing_identity.md")
    assert warning.startswith(
        "::warning file=a.ndjson,line=1,title=integer_without_amount::traits.seats"
    )
    assert done.returncode == 1


def test_ten_annotations_of_a_kind_are_shown_each_code_first_and_the_rest_is_told(
    run: "Run", write: "Write"
) -> None:
    write("a.ndjson", *[NOBODY] * 500, b"{", SEATS)
    *annotations, rest = run("validate", "--format", "github", "a.ndjson").stdout.splitlines()
    kinds = [re.match(r"::(\w+) .*title=(\w+)::", each) for each in annotations]
    assert [each[1] for each in kinds if each] == ["error"] * 10 + ["warning"]
    assert {each[2] for each in kinds[:2] if each} == {"missing_identity", "invalid_json"}
    assert rest == "491 more findings are not annotated: GitHub shows 10 of each kind."


def test_what_comes_by_standard_input_has_no_file(run: "Run") -> None:
    found = run("validate", "--format", "github", "-", stdin=b"{\n").stdout
    assert found.startswith("::error title=invalid_json::")
    (result,) = sarif(run("validate", "--format", "sarif", "-", stdin=b"{\n").stdout)["results"]
    assert result["locations"] == [{}]


def test_a_junit_report_has_a_test_for_each_code(run: "Run") -> None:
    root = parsed(run("validate", "--format", "junit", BROKEN).stdout)
    (suite,) = root
    cases = {case.attrib["name"]: case for case in suite.iter("testcase")}
    failed = {name for name, case in cases.items() if case.find("failure") is not None}
    assert len(failed) == int(suite.attrib["failures"]) == int(root.attrib["failures"]) == 14
    assert len(cases) == int(suite.attrib["tests"]) == int(root.attrib["tests"]) == 15
    failure = cases["invalid_json"].find("failure")
    assert failure is not None
    assert failure.attrib["type"] == "invalid_json"
    assert "records.ndjson:2 not JSON" in str(failure.text)
    assert cases["invalid_created_at"].find("system-out") is not None


def test_a_junit_report_fails_where_the_run_does(run: "Run") -> None:
    done = run("validate", "--format", "junit", "--max-rejected", "15", BROKEN)
    assert done.returncode == 0
    assert parsed(done.stdout).attrib["failures"] == "0"
    done = run("validate", "--format", "junit", "--max-rejected", "14", BROKEN)
    assert done.returncode == 7
    assert 'name="--max-rejected 14"' in done.stdout


def test_a_sarif_log_fits_its_schema_and_names_rules_places_and_fingerprints(run: "Run") -> None:
    found = sarif(run("validate", "--format", "sarif", BROKEN).stdout)
    rules = [each["id"] for each in found["tool"]["driver"]["rules"]]
    assert len(found["results"]) == 16
    for result in found["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert len(result["partialFingerprints"]["wootricReplay/v1"]) == 32
    (place,) = next(
        each["locations"] for each in found["results"] if each["ruleId"] == "unknown_type"
    )
    assert place["physicalLocation"]["region"] == {"startLine": 6}
    assert place["physicalLocation"]["artifactLocation"]["uri"].startswith("file:///")
    assert found["invocations"][0]["exitCode"] == 1


def test_memory_holds_a_hundred_findings_of_a_code_and_counts_the_rest(
    run: "Run", write: "Write"
) -> None:
    write("a.ndjson", *[NOBODY | {"messageId": str(number)} for number in range(3000)])
    for command in (["validate"], ["dry-run"], ["push", "--sandbox", "--quiet"]):
        found = sarif(run(*command, "--format", "sarif", "a.ndjson").stdout)
        assert len(found["results"]) == 100
        assert found["invocations"][0]["properties"]["leftOff"] == {"missing_identity": 2900}
    assert "… and 2,995 more" in run("validate", "--format", "markdown", "a.ndjson").stdout
    assert "… and 2,900 more" in run("validate", "--format", "junit", "a.ndjson").stdout


@pytest.mark.parametrize("style", FORMATS)
def test_the_commands_agree_on_what_they_report(style: str, run: "Run") -> None:
    found = [
        re.sub(r"validate|dry-run|push", "", run(*command, "--format", style, BROKEN).stdout)
        for command in (["validate"], ["dry-run"])
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("settings", [SandboxSettings(faults=(refusing("no@example.com"),))])
@pytest.mark.parametrize("style", FORMATS)
def test_what_wootric_refuses_is_reported_where_its_record_stands(
    style: str, replay: Replay
) -> None:
    records = [at(1, identify("1", "a@example.com")), at(1, identify("2", "no@example.com"))]
    export = replay.write(records)
    done = replay.run("push", "--format", style, "--quiet", "export.ndjson")
    assert export.exists()
    assert done.returncode == 1
    assert re.search(r"export\.ndjson(:2|,line=2|&#58;2|.*\"startLine\":2)", done.stdout)
    assert "refused" in done.stdout


# Where it goes


@pytest.mark.parametrize("style", ["json", *FORMATS])
@pytest.mark.parametrize(
    "command", [("validate",), ("dry-run",), ("push", "--sandbox", "--no-progress")]
)
def test_a_report_goes_to_a_file_beside_text_on_the_screen(
    command: tuple[str, ...], style: str, run: "Run", tmp_path: Path
) -> None:
    plain = run(*command, "--format", style, BROKEN).stdout
    text = (
        run(*command, "--rejects", "r.ndjson", BROKEN)
        if "push" in command
        else run(*command, BROKEN)
    )
    done = run(*command, "--format", style, "--output", "report", BROKEN)
    path = tmp_path / "report"
    seconds = re.compile(r'"seconds":[0-9.]+|in [0-9.]+ m?s|"(path|before)":"[^"]*"')
    assert seconds.sub("", path.read_text()) == seconds.sub("", plain)
    assert seconds.sub("", done.stdout) == seconds.sub("", text.stdout)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_report_of_an_interrupted_check_says_so(start: "Start", tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slow")
    process = start("validate", "--format", "junit", "--output", "report", "slow")
    with (tmp_path / "slow").open("wb"):  # opens once the command reads
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    root = parsed((tmp_path / "report").read_text())
    assert root.attrib["failures"] == "1"
    assert [each.attrib["message"] for each in root.iter("failure")] == ["interrupted"]


def test_an_output_that_can_not_be_is_refused(run: "Run", write: "Write") -> None:
    write("a.ndjson", SEATS)
    done = run("validate", "--output", "report", "a.ndjson")
    assert (done.returncode, "--output report: say with --format" in done.stderr) == (2, True)
    done = run("validate", "--format", "junit", "--output", "a.ndjson", "a.ndjson")
    assert (done.returncode, "name one file" in done.stderr) == (2, True)
    done = run("dry-run", "--format", "junit", "--output", "nowhere/report", "a.ndjson")
    assert (done.returncode, "the folder nowhere is missing" in done.stderr) == (2, True)
    done = run("push", "--sandbox", "--format", "junit", "--output", "/", "a.ndjson")
    assert (done.returncode, "this is a folder" in done.stderr) == (2, True)
    assert run("validate", "--format", "json", "--output", "/dev/null", "a.ndjson").returncode == 0


# Hostile values, and personal ones


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("style", FORMATS)
def test_no_value_breaks_out_of_a_report(style: str, text: str) -> None:
    hostile = Finding("invalid_json", "error", text, f"{text}.ndjson", 3, text)
    whole = told(style, report(hostile, error=text))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]|[\ud800-\udfff]", whole)
    if style == "github":
        *lines, _ = whole.splitlines()
        assert [each.split()[0] for each in lines] == ["::error", "::error"]
        properties, message = lines[1].removeprefix("::error ").split("::", 1)
        assert [each.split("=")[0] for each in properties.split(",")] == ["file", "line", "title"]
        assert "\r" not in message
    elif style == "junit":
        parsed(whole)
    elif style == "sarif":
        sarif(whole)
    else:
        for line in whole.splitlines():
            assert not re.search(r"<|javascript:|\*\*b|`code`|@all|http:|~~|\x1b", line)


@given(text=st.text(max_size=200))
def test_escaped_text_holds_no_markup(text: str) -> None:
    """What is left of it are letters, blanks, plain punctuation, and references by number."""
    plain = re.sub(r"&#\d+;", "", escaped(text))
    assert not set(plain) & set("|`<>&*[]()#@~\\!{}^")
    assert not re.search(r"(?<!\w)_|_(?!\w)|:(?! )", plain)


@given(text=st.text(max_size=100), line=st.integers(1, 10**9))
def test_an_annotation_is_one_line_that_reads_back(text: str, line: int) -> None:
    finding = Finding("invalid_json", "error", text, text or "a", line, None)
    over = Verdict((), Counts(1, 1, 0, {}), 0, 0, {}, False)
    (found,) = "".join(
        format_named("github").pieces(report(finding, verdict=over, left_off={}))
    ).split("\n")[:-1]
    place, message = found.removeprefix("::error ").split("::", 1)
    properties = dict(each.split("=", 1) for each in place.split(","))
    back = {"%3A": ":", "%2C": ",", "%0D": "\r", "%0A": "\n", "%25": "%"}

    def read(value: str) -> str:
        return re.sub("%(?:3A|2C|0D|0A|25)", lambda each: back[each[0]], value)

    if text != "-":
        assert (read(properties["file"]), properties["line"]) == (text or "a", str(line))
    assert read(message).startswith(f"{text}\n")


@pytest.mark.parametrize("style", ["json", *FORMATS])
@pytest.mark.parametrize("command", [("validate",), ("dry-run",), ("push", "--sandbox", "--quiet")])
def test_personal_data_is_hidden_in_every_form(
    command: tuple[str, ...], style: str, run: "Run", write: "Write", tmp_path: Path
) -> None:
    write("ada@example.com.ndjson", {"type": "ada@example.com", "userId": "1"})
    done = run(*command, "--redact", "--format", style, "ada@example.com.ndjson")
    assert "ada@" not in done.stdout + done.stderr
    assert "ada&#64;" not in done.stdout
    assert "email:" in done.stdout or "email&#58;" in done.stdout or "email%3A" in done.stdout
    assert "partialFingerprints" not in done.stdout
    run(*command, "--redact", "--format", style, "--output", "out", "ada@example.com.ndjson")
    assert "ada@" not in (tmp_path / "out").read_text()
