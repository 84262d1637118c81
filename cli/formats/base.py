"""What every form of a report is, and what several of them need."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from cli.render.text import printable
from wootric_map.checks.finding import Finding
from wootric_map.checks.run_report import RunReport
from wootric_map.read.files import STDIN

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction

LONGEST_MESSAGE = 500
"""The number of characters of a message that are shown."""


class ReportFormat(Protocol):
    """A form of a report."""

    def pieces(self, report: RunReport) -> Iterator[str]:
        """Yield the text of a report, piece by piece; `shown` has made its texts safe."""


def shown(report: RunReport, redaction: "Redaction | None") -> RunReport:
    """Return a report whose texts can be shown: without control characters, and without personal data.

    Args:
        report: the report, with texts of the export.
        redaction: the redaction, if one is asked for.
    """
    if redaction:
        for each in report.findings:
            redaction.learn_from([each.source, each.field, each.message])
    findings = tuple(_shown(each, redaction) for each in report.findings)
    error = report.error and _text(report.error, redaction)
    return replace(report, findings=findings, error=error)


def file_of(finding: Finding) -> str | None:
    """Return the file of a finding; None if the record came by standard input."""
    return None if finding.source == STDIN else finding.source


def _shown(finding: Finding, redaction: "Redaction | None") -> Finding:
    # Whoever guesses an id could tell by the fingerprint whether it is there.
    known_by = None if redaction else finding.fingerprint
    return replace(
        finding,
        source=_text(finding.source, redaction),
        field=finding.field and _text(finding.field, redaction),
        message=_text(finding.message, redaction),
        fingerprint=known_by,
    )


def _text(text: str, redaction: "Redaction | None") -> str:
    return printable(redaction.text(text) if redaction else text, LONGEST_MESSAGE)
