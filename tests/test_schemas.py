"""The published JSON schemas describe what the commands print, and no key is missing in them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from jsonschema import Draft202012Validator, ValidationError
from replaying import Replay, at, identify, page, refusing, track

from wootric_map.sandbox import SandboxSettings

if TYPE_CHECKING:
    from tests.conftest import Run, Write

ROOT: Final = Path(__file__).parents[1]
SCHEMAS: Final = ROOT / "docs" / "schemas"
SAMPLES: Final = ROOT / "sample_events"


def closed(schema: Any) -> Any:
    """The schema, in which no object may have a key that is not described."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(found.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


def check(name: str, text: str) -> list[Any]:
    """Check each line of an output; return what the lines hold."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines
    for validator in (Draft202012Validator(schema), Draft202012Validator(closed(schema))):
        for line in lines:
            validator.validate(line)
    return lines


@pytest.mark.parametrize(
    "options", [(), ("--redact",), ("--max-rejected", "1%", "--fail-on", "duplicate")]
)
def test_what_validate_prints(run: "Run", options: tuple[str, ...]) -> None:
    done = run("validate", "--format", "json", *options, SAMPLES)
    (found,) = check("validate", done.stdout)
    assert found["exit_code"] == done.returncode


def test_warnings_about_an_id_and_about_very_many_keys(run: "Run", write: "Write") -> None:
    keys = {f"key.{number}": number for number in range(10_002)}
    write("a.ndjson", identify("undefined", "a@example.com", **keys))
    (found,) = check("validate", run("validate", "--format", "json", "a.ndjson").stdout)
    assert found["warnings"]["key_renamed"]["more"] == 2
    assert found["warnings"]["placeholder_id"]["findings"][0]["subject"] == "undefined"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--redact", "--unidentified", "nobody.ndjson"),
        ("--no-fold", "--max-warnings", "0"),
        ("--response-event", "NPS Submitted", "--decline-event", "NPS Dismissed"),
        ("--sandbox",),
    ],
)
def test_what_a_dry_run_prints(run: "Run", options: tuple[str, ...]) -> None:
    done = run("dry-run", "--format", "json", *options, SAMPLES)
    *changes, last = check("dry-run", done.stdout)
    assert changes
    assert last["summary"]["exit_code"] == done.returncode


@pytest.mark.parametrize("settings", [SandboxSettings(faults=(refusing("no@example.com"),))])
def test_what_a_push_and_a_dry_run_against_an_account_print(replay: Replay) -> None:
    first = [
        at(1, identify("1", "a@example.com", plan="free")),
        at(1, identify("2", "no@example.com")),
    ]
    export = replay.write([*first, at(2, track("1")), at(2, page("1")), {"type": "identify"}])
    pushed = replay.run("push", "--format", "json", export)
    (found,) = check("push", pushed.stdout)
    assert found["summary"]["failed"] == {"refused": 1}
    assert found["summary"]["rejects_file"]["records"] == 2
    export = replay.write([at(3, identify("1", "a@example.com", plan="pro"))])
    *changes, _ = check(
        "dry-run", replay.run("dry-run", "--format", "json", export, against="auto").stdout
    )
    assert [each["action"] for each in changes] == ["update"]


def test_a_push_that_a_threshold_stops_prints_its_summary_too(run: "Run") -> None:
    done = run("push", "--sandbox", "--format", "json", "--max-rejected", "0", SAMPLES / "broken")
    (found,) = check("push", done.stdout)
    assert found["summary"]["exit_code"] == done.returncode == 7
    assert [each["threshold"] for each in found["summary"]["thresholds"]] == ["--max-rejected 0"]


def test_the_baseline(run: "Run", tmp_path: Path) -> None:
    run("validate", "--write-baseline", "known.json", SAMPLES)
    check("baseline", " ".join((tmp_path / "known.json").read_text(encoding="utf-8").split("\n")))


def test_a_schema_that_is_closed_refuses_what_it_does_not_describe() -> None:
    schema = closed({"type": "object", "properties": {"a": {"type": "object", "properties": {}}}})
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate({"a": {"b": 1}})
