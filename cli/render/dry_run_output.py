"""What a dry run writes: text, JSON, or both."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

from cli.render import dry_run_json, dry_run_text, summary
from cli.render.diff import Shown
from cli.report_output import ReportOutput
from wootric_map.checks.checks import Verdict
from wootric_map.checks.run_report import checks_as_data
from wootric_map.diff import Diff
from wootric_map.dry_run import DryRun

EXIT_CHANGES: Final = 3
"""The exit code if there is anything to send, where changes are given a code of their own."""


class Ended(NamedTuple):
    """How a dry run ended."""

    verdict: Verdict
    exit_code: int

    def as_data(self) -> dict[str, object]:
        """Return it as data for JSON."""
        return checks_as_data(self.verdict) | {"exit_code": self.exit_code}


def ended(comparing: DryRun, *, detailed: bool) -> Ended:
    """Return how a dry run ended; `detailed` gives changes an exit code of their own."""
    verdict = comparing.checks.verdict(comparing.report)
    changes = EXIT_CHANGES if detailed and comparing.report.api_calls else 0
    return Ended(verdict, verdict.exit_code or changes)


def on_checks(comparing: DryRun, *, has_plan: bool) -> Iterator[str]:
    """Yield lines about thresholds and the baseline; `has_plan` says whether a plan was to be saved."""
    verdict = comparing.checks.verdict(comparing.report)
    yield from summary.verdict(verdict)
    if verdict.exceeded and has_plan:
        yield "The plan is not saved."


def write(
    changes: Diff[Shown],
    to: ReportOutput,
    limit_users: int | None,
    ended: Callable[[], Ended],
) -> None:
    """Write the changes and the totals.

    Args:
        changes: the changes.
        to: the form of the output, and where it goes.
        limit_users: the number of end users that are shown as text; None for all.
        ended: returns how the dry run ended, once all changes are known.
    """
    redaction = to.redaction
    if not to.is_json:
        if to.shows_text:
            dry_run_text.write(changes, limit_users, redaction)
        deque(changes, maxlen=0)  # of another form, the report is made of what is counted here
        return
    with to.opened() as sink:
        if to.shows_text:
            also = partial(dry_run_json.write_change, redaction=redaction, sink=sink)
            dry_run_text.write(changes, limit_users, redaction, also)
        dry_run_json.write(changes, redaction, sink, lambda: ended().as_data())
