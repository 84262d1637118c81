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
from cli.render.text import json_line
from wootric_map.errors import EXIT_UNFORESEEN, EXIT_USAGE
from wootric_map.rejects import KeptRecords
from wootric_map.report import Report

if TYPE_CHECKING:
    from wootric_map.push import PushResult
    from wootric_map.redaction.redaction import Redaction

_TEXTS: Final = (
    "events_not_registered", "eligible", "unknown_users", "unknown_events", "unmet_rules", "passed_over",
    "rejected_details", "failed_details", "warning_details", "rejects_file", "unidentified_file", "error",
    "csv",
)  # fmt: skip
"""The parts of a summary that hold texts of an export, of Wootric or of the command line."""


def write_summary(
    report: Report, more: Mapping[str, object], redaction: "Redaction | None"
) -> None:
    """Write the summary of a run to standard output.

    Args:
        report: the report of the run.
        more: further parts of the summary.
        redaction: the redaction, if one is asked for.
    """
    told = report.summary() | dict(more)
    if redaction:
        texts = {name: told[name] for name in _TEXTS if name in told}
        redaction.learn_from(texts)
        told |= {name: redaction.value("", text) for name, text in texts.items()}
    sys.stdout.buffer.write(json_line({"summary": told}))
    sys.stdout.buffer.flush()


@dataclass(slots=True)
class PushSummary:
    """Writes the summary of a push once, however the push ends; a context.

    If an exception ends the context before `write` is called, the summary is written then, unless the
    exception is about wrong usage.
    """

    report: Report
    is_wanted: bool
    """Whether a summary is still to be written."""
    redaction: "Redaction | None"
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
        more: dict[str, Any] = {
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
            "exit_code": exit_code,
            "error": message,
        }
        write_summary(self.report, more, self.redaction)


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
