"""The summary of a run as one line of JSON."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import click

from cli.interrupt import SIGNALLED
from cli.metrics_file import MetricsFile
from cli.render.text import json_line
from cli.report_output import ReportOutput, Sink
from wootric_map.checks.checks import Checks
from wootric_map.checks.run_report import RunReport, checks_as_data
from wootric_map.errors import EXIT_UNFORESEEN, EXIT_USAGE
from wootric_map.rejects import KeptRecords
from wootric_map.report import Report

if TYPE_CHECKING:
    from wootric_map.push import PushResult
    from wootric_map.redaction.redaction import Redaction

VERSION: Final = 1
"""The version of the lines of JSON that end in a summary, which tells it; `docs/schemas` describes them."""

_TEXTS: Final = (
    "events_not_registered", "eligible", "unknown_users", "unknown_events", "unmet_rules", "passed_over",
    "rejected_details", "failed_details", "warning_details", "rejects_file", "unidentified_file", "error",
    "csv", "thresholds",
)  # fmt: skip
"""The parts of a summary that hold texts of an export, of Wootric or of the command line."""


def write_summary(
    report: Report,
    more: Mapping[str, object],
    redaction: "Redaction | None",
    sink: Sink | None = None,
) -> None:
    """Write the summary of a run.

    Args:
        report: the report of the run.
        more: further parts of the summary.
        redaction: the redaction, if one is asked for.
        sink: what it is written to; None for standard output.
    """
    told = report.summary() | dict(more)
    if redaction:
        texts = {name: told[name] for name in _TEXTS if name in told}
        redaction.learn_from(texts)
        told |= {name: redaction.value("", text) for name, text in texts.items()}
    (sink or sys.stdout.buffer).write(json_line({"summary": {"version": VERSION} | told}))
    if sink is None:
        sys.stdout.buffer.flush()


@dataclass(slots=True)
class PushSummary:
    """Writes the summary of a push once, however the push ends; a context.

    If an exception ends the context before `write` is called, the summary is written then, unless the
    exception is about wrong usage.
    """

    report: Report
    checks: Checks
    to: ReportOutput
    """Where the summary goes, as JSON or in another form; none is written where all is text."""
    also: ReportOutput | None = None
    """The file that the summary goes to as JSON, whatever else is written; None for none."""
    metrics: MetricsFile | None = None
    """The file for metrics."""
    is_wanted: bool = True
    """Whether a summary is still to be written."""
    begun: float = field(default_factory=time.monotonic)
    """When the push began, by `time.monotonic`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, click.exceptions.Exit):
            self.write(exit_code=error.exit_code)
        elif isinstance(error, Exception) and ending(error)[1] != EXIT_USAGE:
            self.write(exit_code=0, error=error)

    @property
    def seconds(self) -> float:
        """The seconds that the push has taken up to now."""
        return time.monotonic() - self.begun

    def write(
        self,
        *,
        exit_code: int,
        error: Exception | None = None,
        result: "PushResult | None" = None,
    ) -> None:
        """Write the summary.

        Args:
            exit_code: the exit code of the command, unless there is an error, which has its own.
            error: the exception that ended the push early; None if there was none.
            result: the result of the push, if there is one.
        """
        if not self.is_wanted:
            return
        self.is_wanted = False
        message = "interrupted" if exit_code > SIGNALLED else None
        if error:
            message, exit_code = ending(error)
        if self.to.is_report:
            told = RunReport.of(
                "push", self.report, self.checks, exit_code=exit_code, error=message
            )
            self.to.write(told)
        for to in (self.to, self.also):
            if to and to.is_json:
                with to.opened() as sink:
                    more = self._more(exit_code, message, result)
                    write_summary(self.report, more, to.redaction, sink)
        if self.metrics:
            self.metrics.write(self.report, result, exit_code=exit_code, seconds=self.seconds)

    def _more(
        self, exit_code: int, message: str | None, result: "PushResult | None"
    ) -> dict[str, Any]:
        """Return the parts of the summary that are not in the report."""
        return {
            "eligible": [
                {
                    "event": name,
                    "checked": count,
                    "eligible": self.report.eligible.counts[name],
                }
                for name, count in self.report.checked.most_common()
            ],
            "in_doubt": result.doubts if result else 0,
            "records_left": result.left if result else None,
            "calls": result.calls if result else 0,
            "forecast": _forecast(result),
            "seconds": round(self.seconds, 1),
            "rejects_file": kept_in(result.rejects) if result else None,
            "unidentified_file": kept_in(result.unidentified) if result else None,
            **checks_as_data(self.checks.verdict(self.report)),
            "exit_code": exit_code,
            "error": message,
        }


def _forecast(result: "PushResult | None") -> dict[str, int] | None:
    """Return the calls that were foretold as data for JSON; None if they were not counted."""
    if result is None or result.foretold is None:
        return None
    calls = result.foretold.calls
    return {
        "least": calls.least,
        "most": calls.most,
        "made_before": result.foretold.made_before,
    }


def kept_in(kept: KeptRecords | None) -> dict[str, object] | None:
    """Return the file in which records were kept as data for JSON; None if none were kept."""
    if kept is None or not kept.count:
        return None
    return {
        "path": _text(kept.path),
        "records": kept.count,
        "before": None if kept.before is None else _text(kept.before),
    }


def ending(error: Exception) -> tuple[str, int]:
    """Return the message and the exit code of an error."""
    from cli.app import foreseen  # which imports the commands, and they this module

    if isinstance(error, click.ClickException):
        return error.format_message(), EXIT_USAGE
    unforeseen = f"something unforeseen went wrong ({type(error).__name__})", EXIT_UNFORESEEN
    return foreseen(error) or unforeseen


def _text(path: Path) -> str:
    """Return a path as text; bytes that are not UTF-8 are escaped."""
    return str(path).encode(errors="backslashreplace").decode()
