"""The text at the end of a push: what was done, what went wrong, and what to do next."""

import sys
from collections.abc import Iterator
from typing import Final

import click

from cli import streams
from cli.render import summary
from cli.render.text import by_number, plural, printable
from wootric_map.checks.thresholds import ThresholdError
from wootric_map.push import PushResult, PushSettings
from wootric_map.values.durations import duration

_UNFINISHED: Final = (
    "The run did not finish. Run the same command again to go on: what has been delivered is in the "
    "journal, and is not sent again."
)
_NOTHING_SENT: Final = "The run did not finish, and has sent nothing. Run the same command again."


def show(result: PushResult, seconds: float) -> None:
    """Write the summary table to standard output, unless the push was cut short before it read anything.

    Args:
        result: the result of the push.
        seconds: how long the push took.
    """
    report, doubts = result.report, result.doubts
    if not (result.is_complete or report.records):
        return
    done = report.done
    unidentified = summary.reasons(report)
    rows = (
        ("Calls planned", report.records, "")
        if result.from_plan
        else ("Records", report.records, f"{report.mapped:,} mapped"),
        ("Created", done["create"], "end users"),
        ("Updated", done["update"], "end users"),
        ("Unchanged", done["unchanged"], "end users"),
        *([("Left as they are", done["left"], "end users who differ")] if done["left"] else ()),
        ("Eligibility checks", done["eligibility_check"], ""),
        ("Page views", done["page_view"], ""),
        *([("Survey responses", done["response"], "")] if done["response"] else ()),
        *([("Survey declines", done["decline"], "")] if done["decline"] else ()),
        *([("Survey opt-outs", done["surveys_off"], "")] if done["surveys_off"] else ()),
        ("Skipped", report.skipped.counts.total(), summary.codes(report.skipped)),
        *(
            [("Delivered before", report.delivered_before, "of these, by an earlier run")]
            if report.delivered_before
            else ()
        ),
        *([("Unidentified", report.unidentified.total(), unidentified)] if unidentified else ()),
        ("Rejected", report.rejected.counts.total(), summary.codes(report.rejected)),
        ("Failed", report.failed.counts.total(), summary.codes(report.failed)),
        *(
            [("In doubt", doubts, "sent by this run or an earlier one, never answered")]
            if doubts
            else ()
        ),
        ("API calls", result.calls, f"look-ups included, in {duration(seconds)}"),
    )
    for line in summary.table(rows, streams.width_of(sys.stdout)):
        click.echo(line)
    for lines in (
        summary.eligible(report),
        summary.kept_off(report),
        summary.unregistered(report),
        summary.passed_over(report.passed_over),
    ):
        for line in lines:
            click.echo(line)


def show_problems(result: PushResult, *, quiet: bool) -> None:
    """Write what went wrong to standard error; with `quiet`, only faults."""
    report = result.report
    lines = [
        *summary.matching_nothing(report),
        *summary.findings("Rejected", report.rejected, "red"),
        *summary.findings("Failed", report.failed, "red"),
    ]
    if not quiet:
        lines += (
            *summary.warnings(report.shown_warnings),
            *summary.unidentified(result.unidentified),
        )
    for line in lines:
        click.echo(line, err=True)


def advice(result: PushResult, settings: PushSettings, *, quiet: bool) -> Iterator[str]:
    """Yield what to do next.

    Args:
        result: the result of the push.
        settings: the settings of the push.
        quiet: whether to yield nothing if all is well.
    """
    report = result.report
    left = _left(result, settings.max_duration)
    # A time limit that is too short to send anything is worth a message.
    if quiet and report.flawless and (result.is_complete or (left and report.api_calls)):
        return
    path, before = result.rejects.path, result.rejects.before
    name = printable(str(path))
    if before:
        yield f"The {name} that was there before is now {printable(str(path.with_name(before.name)))}."
    if result.rejects.count:
        yield f"{plural(result.rejects.count, 'record')} kept in {name}."
    if left:
        yield left
    elif isinstance(result.error, ThresholdError):
        yield "Nothing was sent. Mend what is wrong, or allow more of it; then run the same command again."
    elif result.stopped_with and not report.records:
        yield "Interrupted before anything was sent."
    elif not result.is_complete and report.records:
        is_idle = not (report.api_calls or report.failed.counts)
        yield _NOTHING_SENT if is_idle else _UNFINISHED
    elif result.rejects.count:
        yield from _on_rejects(result)
    elif report.skipped.counts["in_doubt"]:
        doubtful = report.skipped.counts["in_doubt"]
        they, them = by_number(doubtful, "it", "they"), by_number(doubtful, "it", "them")
        yield (
            f"{plural(doubtful, 'record')} left out in doubt: an earlier run sent {them}, and got no answer. "
            f"--in-doubt resend sends {them} again; {they} may count twice then."
        )
    elif result.went_through:
        yield f"{name} is of an earlier run; each of its records has gone through since, so that it may go."
    elif result.is_complete and result.rejects.is_left_over:
        yield (
            f"{name} is of an earlier run, and holds what that run could not send: mend it and push it, or "
            "delete it once nothing in it is wanted."
        )


def _on_rejects(result: PushResult) -> Iterator[str]:
    """Yield what to do with the rejects file that a push has written."""
    if result.from_plan:
        yield (
            "Push that file, as it is or once it is mended; or make a new plan, with --against account, for "
            "what did not go through."
        )
        return
    count, doubtful = result.rejects.count, result.report.doubtful_events
    yield f"Mend {by_number(count, 'it', 'them')} there, then push that file."
    if doubtful:
        they, are = by_number(doubtful, "it", "they"), by_number(doubtful, "is", "are")
        of_them = by_number(count, "It is", f"{doubtful:,} of them {are}")
        yield (
            f"{of_them} in doubt: sent, but never answered. Pushed again {they} {are} left "
            f"out, unless with --in-doubt resend; {they} may count twice then."
        )


def _left(result: PushResult, limit: float | None) -> str | None:
    """Return what is left after `--max-duration` has stopped a push; None if it has not."""
    if not result.out_of_time or limit is None:
        return None
    stopped = f"Stopped after {duration(limit)}, as --max-duration says"
    if result.left is None:
        return f"{stopped}, before anything was sent. Run the same command again, with more time."
    unit = "call" if result.from_plan else "record"
    return f"{stopped}: {plural(result.left, unit)} left. Run the same command again to go on."
