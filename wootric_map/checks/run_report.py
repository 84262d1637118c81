"""What a report of a run holds, in whatever form it is shown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from wootric_map.checks.checks import Checks, Verdict
from wootric_map.checks.finding import Finding
from wootric_map.codes import CODES
from wootric_map.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A run and its findings, without those that are known."""

    command: str
    """The name of the command."""
    records: int
    mapped: int
    """How many of the records are neither skipped nor rejected."""
    skipped: Mapping[str, int]
    """How many records were skipped, by code."""
    findings: Sequence[Finding]
    """The findings, errors first; of each code the first few."""
    left_off: Mapping[str, int]
    """How many more there are, by code."""
    verdict: Verdict
    exit_code: int
    error: str | None
    """What ended the run early; None if nothing did."""

    @classmethod
    def of(
        cls,
        command: str,
        report: Report,
        checks: Checks,
        *,
        exit_code: int | None = None,
        error: str | None = None,
    ) -> Self:
        """Return what is told of a run.

        Args:
            command: the name of the command.
            report: what was found.
            checks: what judges it, and keeps the findings.
            exit_code: the exit code of the command; None for that of the verdict.
            error: what ended the run early; None if nothing did.
        """
        verdict = checks.verdict(report)
        findings = tuple(checks.findings(report))
        shown = Counter(each.code for each in findings)
        told = {
            code: count - shown[code]
            for code, count in sorted(verdict.counts.by_code.items())
            if count > shown[code] and _is_told(code, checks)
        }
        return cls(
            command=command,
            records=report.records,
            mapped=report.mapped,
            skipped=dict(sorted(report.skipped.counts.items())),
            findings=findings,
            left_off=told,
            verdict=verdict,
            exit_code=verdict.exit_code if exit_code is None else exit_code,
            error=error,
        )


def checks_as_data(verdict: Verdict) -> dict[str, Any]:
    """Return what the thresholds and the baseline came to, as data for JSON."""
    return {
        "thresholds": [each._asdict() for each in verdict.exceeded],
        "baseline": {"known": verdict.known, "gone": dict(sorted(verdict.gone.items()))},
    }


def _is_told(code: str, checks: Checks) -> bool:
    """Return whether findings of a code are told one by one: records that are left out are only counted."""
    is_skip = code in CODES and CODES[code].kinds == ("skipped",)
    return not is_skip or code in checks.settings.thresholds.fail_on
