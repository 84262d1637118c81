"""Checks: what a run's findings are judged by."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from wootric_map import run_files
from wootric_map.checks.baseline import MOST, read_baseline, write_baseline
from wootric_map.checks.finding import (
    Finding,
    digest_of,
    fingerprint,
    of_record,
    of_warning,
    warning_fingerprint,
)
from wootric_map.checks.thresholds import (
    Counts,
    Exceeded,
    ThresholdError,
    Thresholds,
    exceeded,
)
from wootric_map.findings import CountedWarning, CountedWarnings
from wootric_map.model import Failure, Rejection
from wootric_map.report import Report

EXAMPLES: Final = 100
"""How many findings of one code are kept; the others are counted. So memory stays small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """What makes a check fail, and what is kept of the findings."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    """How much may be found."""
    baseline: Path | None = None
    """A file of known findings, which do not count."""
    write_baseline: Path | None = None
    """Where all findings of this run are written as known; they do not count in this run either."""
    keeps_findings: bool = False
    """Whether the first findings of each code are kept, for `Checks.findings`."""

    @property
    def looks_at_records(self) -> bool:
        """Whether each finding about a record is looked at, and not only counted."""
        return bool(self.baseline or self.write_baseline or self.keeps_findings)

    @property
    def may_hold(self) -> bool:
        """Whether there is any threshold, so that nothing is sent before all is judged."""
        return self.thresholds != Thresholds()

    @property
    def looks_at_warnings(self) -> bool:
        """Whether warnings make a difference."""
        named = self.thresholds.max_warnings is not None or bool(self.thresholds.fail_on)
        return named or self.looks_at_records

    @property
    def baselines(self) -> tuple[Path, ...]:
        """The baselines, which are no exports though a folder of exports may hold them."""
        return tuple(filter(None, (self.baseline, self.write_baseline)))

    def uses(self) -> list[run_files.Use]:
        """Return the uses of the baselines; one may be read and then replaced."""
        written = run_files.written(**{"write-baseline": self.write_baseline})
        read = run_files.read("--baseline", self.baseline, gives_way_to="--write-baseline")
        return [*read, *written.values()]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a run passes."""

    exceeded: tuple[Exceeded, ...]
    """The thresholds that were exceeded."""
    counts: Counts
    """What was found, without what is known."""
    failed: int
    """How many records could not be delivered."""
    known: int
    """How many findings the baseline knows; they do not count."""
    gone: Mapping[str, int]
    """How many findings of the baseline were not found any more, by code."""
    allows_rejected: bool
    """Whether a threshold says how many records may be rejected."""

    @property
    def is_flawless(self) -> bool:
        """Whether nothing was rejected or failed that counts."""
        return not self.failed and (self.allows_rejected or not self.counts.rejected)

    @property
    def exit_code(self) -> int:
        """The exit code of a run that came to its end."""
        if self.exceeded:
            return ThresholdError.exit_code
        return 0 if self.is_flawless else 1


class Checks:
    """Judges the findings of a run; memory is bounded, however many there are."""

    def __init__(self, settings: CheckSettings) -> None:
        """Read nothing yet; until `open` nothing is known."""
        self.settings = settings
        self._known: Mapping[str, str] = {}
        self._seen: set[str] = set()
        self._known_counts: Counter[str] = Counter()
        """How often each code was found in records that the baseline knows."""
        self._examples: dict[str, list[Finding]] = {}
        self._to_write: dict[str, str] = {}

    def open(self) -> None:
        """Read the baseline, if there is one.

        Raises:
            BaselineError: it can't be read, or is none.
        """
        if self.settings.baseline:
            self._known = read_baseline(self.settings.baseline)

    def reject(self, source: str, line: int, rejection: Rejection, raw: bytes) -> None:
        """Take note of a rejected record by its line."""
        self.note(source, line, rejection, digest_of(rejection.code, raw))

    def fail(self, source: str, line: int, failure: Failure, raw: bytes) -> None:
        """Take note of a record that could not be delivered."""
        if self.settings.keeps_findings and self._has_room(failure.code):
            self._keep(of_record(source, line, failure, digest_of(failure.code, raw)))

    def note(self, source: str, line: int, rejection: Rejection, digest: bytes) -> None:
        """Take note of a rejected record by its digest (`checks.finding.digest_of`)."""
        settings, code = self.settings, rejection.code
        known_by = ""
        if settings.baseline or settings.write_baseline:
            known_by = fingerprint(source, line, code, digest)
        if settings.write_baseline:
            self._add(known_by, code)
        if known_by in self._known:
            self._seen.add(known_by)
            self._known_counts[code] += 1
        elif settings.keeps_findings and self._has_room(code):
            self._keep(of_record(source, line, rejection, digest))

    def verdict(self, report: Report) -> Verdict:
        """Return whether a run passes, by all that it has found up to now."""
        settings, warnings = self.settings, report.shown_warnings
        known_warnings = Counter(each.code for each in warnings if self._knows(each))
        known = self._known_counts + known_warnings
        if settings.write_baseline:
            known = report.rejected.counts + warnings.counts
        counts = Counter[str]()
        for found in (report.rejected, report.failed, report.skipped):
            counts += found.counts
        counts += warnings.counts + warnings.more
        new = counts - known
        # At least one more warning of each code of which not all are told apart.
        new_warnings = (warnings.counts - known).total() + len(warnings.more)
        rejected = (report.rejected.counts - known).total()
        judged = Counts(report.records, rejected, new_warnings, dict(new))
        return Verdict(
            tuple(exceeded(settings.thresholds, judged)),
            judged,
            report.failed.counts.total(),
            known.total(),
            self._gone(warnings),
            settings.thresholds.max_rejected is not None,
        )

    def hold(self, report: Report) -> None:
        """Make sure that no threshold is exceeded before anything is sent.

        Raises:
            ThresholdError: some are.
        """
        found = self.verdict(report).exceeded
        if found:
            raise ThresholdError(found)

    def findings(self, report: Report) -> Iterator[Finding]:
        """Yield what was found and is not known, at most `EXAMPLES` of each code; errors come first."""
        fail_on = self.settings.thresholds.fail_on
        for _, kept in sorted(self._examples.items()):
            yield from kept
        for code in sorted(fail_on & report.skipped.counts.keys()):
            for at in report.skipped.places.get(code, ()):
                yield Finding(code, "error", at.message, at.source, at.line, at.field)
        warnings = [
            (code, [each for each in found if not self._knows(each)][:EXAMPLES])
            for code, found in report.shown_warnings.by_code()
        ]
        for fails in (True, False):
            for code, found in warnings:
                if (code in fail_on) is fails:
                    for each in map(of_warning, found):
                        yield replace(each, severity="error") if fails else each

    def finish(self, report: Report) -> None:
        """Write the baseline, if that is asked for, at the end of a run.

        Raises:
            BaselineError: there are too many findings.
            OSError: it can't be written.
        """
        if self.settings.write_baseline:
            for each in report.shown_warnings:
                self._add(warning_fingerprint(each), each.code)
            write_baseline(self.settings.write_baseline, self._to_write)

    def _knows(self, warning: CountedWarning) -> bool:
        return bool(self._known) and warning_fingerprint(warning) in self._known

    def _gone(self, warnings: CountedWarnings) -> Counter[str]:
        """Return how many findings of the baseline were not found, by code."""
        if not self._known:
            return Counter()
        seen = self._seen | {warning_fingerprint(each) for each in warnings}
        return Counter(code for known_by, code in self._known.items() if known_by not in seen)

    def _has_room(self, code: str) -> bool:
        return len(self._examples.get(code, ())) < EXAMPLES

    def _keep(self, finding: Finding) -> None:
        self._examples.setdefault(finding.code, []).append(finding)

    def _add(self, known_by: str, code: str) -> None:
        """Have a finding in the baseline; of too many, one more than is allowed is enough to tell."""
        if len(self._to_write) <= MOST:
            self._to_write[known_by] = code
