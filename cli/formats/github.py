"""Annotations of GitHub Actions: lines on standard output that it shows beside the files of a pull request.

The form is that of GitHub's workflow commands: `::error file=a,line=1,title=b::message`.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Final

from cli.formats.base import file_of
from wootric_map import codes
from wootric_map.checks.finding import Finding, Severity
from wootric_map.checks.run_report import RunReport

MOST: Final = 10
"""How many annotations of each kind GitHub shows for a step."""

_COMMANDS: Final[Mapping[Severity, str]] = {
    "error": "error",
    "warning": "warning",
    "note": "notice",
}

_OF_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_OF_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


class GitHub:
    """Writes annotations, as many as GitHub shows, and then how many it would not show."""

    def pieces(self, report: RunReport) -> Iterator[str]:
        """Yield the lines of a report."""
        by_severity: dict[Severity, list[Finding]] = {each: [] for each in _COMMANDS}
        for finding in report.findings:
            by_severity[finding.severity].append(finding)
        # A threshold is one of the errors that are shown.
        lines = [*_of_run(report)][:MOST]
        yield from lines
        left_off = sum(report.left_off.values())
        for severity, found in by_severity.items():
            room = MOST - len(lines) if severity == "error" else MOST
            chosen = _spread(found)[:room]
            yield from (_annotation(each) for each in chosen)
            left_off += len(found) - len(chosen)
        if left_off:
            yield f"{left_off:,} more findings are not annotated: GitHub shows {MOST} of each kind.\n"


FORMAT: Final = GitHub()


def _of_run(report: RunReport) -> Iterator[str]:
    """Yield an annotation for each threshold that was exceeded, and for what ended the run early."""
    for each in report.verdict.exceeded:
        yield _line("error", {"title": each.threshold}, each.message)
    if report.error and not report.verdict.exceeded:
        yield _line("error", {"title": report.command}, report.error)


def _spread(found: Sequence[Finding]) -> list[Finding]:
    """Return findings in an order in which the first of each code come first, then the second of each."""
    by_code: dict[str, list[Finding]] = {}
    for each in found:
        by_code.setdefault(each.code, []).append(each)
    rounds = chain.from_iterable(zip_longest(*by_code.values()))
    return [each for each in rounds if each is not None]


def _annotation(finding: Finding) -> str:
    file = file_of(finding)
    place = {} if file is None else {"file": file, "line": str(finding.line)}
    at = f"{finding.field}: " if finding.field else ""
    times = f" ({finding.count:,} times)" if finding.count > 1 else ""
    message = f"{at}{finding.message}{times}\n{codes.page(finding.code)}"
    return _line(_COMMANDS[finding.severity], place | {"title": finding.code}, message)


def _line(command: str, properties: Mapping[str, str], message: str) -> str:
    """Return a workflow command; nothing in its values can end it, or begin another."""
    told = ",".join(f"{name}={value.translate(_OF_PROPERTY)}" for name, value in properties.items())
    return f"::{command} {told}::{message.translate(_OF_DATA)}\n"
