"""SARIF 2.1.0, as GitHub's code scanning and others read it."""

from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from cli.formats.base import file_of
from cli.render.text import json_line
from wootric_map import codes
from wootric_map.checks.finding import Finding
from wootric_map.checks.run_report import RunReport

MOST: Final = 5_000
"""How many results of a run GitHub shows."""

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_BASE: Final = "%SRCROOT%"
"""The folder that relative paths begin at: that in which the command was run."""


class Sarif:
    """Writes a log of one run, result by result."""

    def pieces(self, report: RunReport) -> Iterator[str]:
        """Yield the JSON of a report."""
        chosen = report.findings[:MOST]
        rules = sorted({each.code for each in chosen})
        yield f'{{"$schema":"{_SCHEMA}","version":"2.1.0","runs":[{{"tool":{{"driver":'
        yield _json(_driver(rules))
        yield '},"columnKind":"unicodeCodePoints","results":['
        numbers = {code: number for number, code in enumerate(rules)}
        for nth, finding in enumerate(chosen):
            yield ("," if nth else "") + "\n" + _json(_result(finding, numbers[finding.code]))
        yield '\n],"invocations":['
        yield _json(_invocation(report, len(report.findings) - len(chosen)))
        yield "]}]}\n"


FORMAT: Final = Sarif()


def _driver(rules: list[str]) -> dict[str, Any]:
    told: dict[str, Any] = {"name": "wootric-replay", "rules": [_rule(code) for code in rules]}
    with suppress(PackageNotFoundError):
        told["version"] = version("wootric-replay")
    return told


def _rule(code: str) -> dict[str, Any]:
    kinds = codes.CODES[code].kinds if code in codes.CODES else ("warning",)
    level = "warning" if kinds == ("warning",) else "error"
    rule: dict[str, Any] = {
        "id": code,
        "shortDescription": {"text": codes.title(code)},
        "defaultConfiguration": {"level": level},
        "help": {"text": f"{codes.title(code)} See {codes.page(code)}"},
    }
    if codes.pages_address():
        rule["helpUri"] = codes.page(code)
    return rule


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    at = f"{finding.field}: " if finding.field else ""
    told: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": f"{at}{finding.message}"},
        "locations": [_location(finding)],
        "occurrenceCount": finding.count,
    }
    if finding.fingerprint:
        told["partialFingerprints"] = {"wootricReplay/v1": finding.fingerprint}
    return told


def _location(finding: Finding) -> dict[str, Any]:
    told: dict[str, Any] = {}
    file = file_of(finding)
    if file is not None:
        path = PurePath(file)
        name = quote(path.as_posix(), safe="/")
        artifact = (
            {"uri": f"file://{name}"} if path.is_absolute() else {"uri": name, "uriBaseId": _BASE}
        )
        told["physicalLocation"] = {
            "artifactLocation": artifact,
            "region": {"startLine": max(finding.line, 1)},
        }
    if finding.field:
        told["logicalLocations"] = [{"fullyQualifiedName": finding.field}]
    return told


def _invocation(report: RunReport, not_chosen: int) -> dict[str, Any]:
    """Return how the run ended, with what is told of it as a whole."""
    notes = [
        {"level": "error", "message": {"text": f"{each.threshold}: {each.message}"}}
        for each in report.verdict.exceeded
    ]
    if report.error and not notes:
        notes.append({"level": "error", "message": {"text": report.error}})
    left_off = sum(report.left_off.values()) + not_chosen
    if left_off:
        words = f"{left_off:,} more findings are left off: {_counts(report)}"
        notes.append({"level": "note", "message": {"text": words}})
    return {
        "executionSuccessful": report.error is None,
        "exitCode": report.exit_code,
        "toolExecutionNotifications": notes,
        "properties": {
            "records": report.records,
            "skipped": dict(report.skipped),
            "leftOff": dict(report.left_off),
            "known": report.verdict.known,
        },
    }


def _counts(report: RunReport) -> str:
    return ", ".join(f"{code} {count:,}" for code, count in report.left_off.items())


def _json(data: Any) -> str:
    return json_line(data).decode().rstrip("\n")
