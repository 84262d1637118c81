"""`dry-run`: the diff of what a push would change."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from cli import options, redacting, settings, streams
from cli.interrupt import Interruption
from cli.render import diff, dry_run_output, summary
from cli.render.calls import connect
from cli.render.progress import ReadingProgress
from cli.render.text import plural
from cli.report_output import ReportOutput
from wootric_map.checks.run_report import RunReport
from wootric_map.dry_run import DryRun
from wootric_map.errors import StoppedError, WootricError


@click.command("dry-run")
@options.paths_argument()
@options.reading_options
@options.surveys_disabled_option
@options.external_id_option
@options.ignore_warning_option
@options.planning_options
@options.last_surveyed_option
@options.processes_option
@options.against_option()
@click.option(
    "--out",
    type=options.LocalPath(),
    metavar="PLAN",
    help="Save the plan, for push --plan.",
)
@options.unidentified_option
@options.threshold_options
@options.write_baseline_option
@options.report_options("For people, or for programs.")
@click.option(
    "--limit-users",
    type=options.Count(),
    metavar="N",
    help="Show this many end users at most; the totals count all.",
)
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 3 if there is anything to send, with 0 only if there is nothing.",
)
@click.option(
    "--next",
    "is_next",
    is_flag=True,
    help="Show what the next push would do: what the account's journal says is delivered is taken off.",
)
@click.option(
    "--journal",
    type=options.LocalPath(),
    metavar="FILE",
    help="Show what the next push with this --journal would do. The journal stays as it is.",
)
@click.option(
    "--registered-event",
    "registered_events",
    multiple=True,
    metavar="NAME",
    help="An event that the account has registered, letter for letter; may be given several times. Then no "
    "other is counted. Without it all are, unless the account is asked.",
)
@options.account_options
@options.credential_options
@options.workers_option
@options.connection_options
@options.pace_options(
    rate="The account's pace, to tell how long a push takes; look-ups keep to it too.  [default: "
    "100/min, and look-ups as many as Wootric's replies allow]",
)
@click.option("--sandbox", is_flag=True, help="Ask an embedded sandbox which events it knows.")
@options.redact_option
def dry_run(
    style: str,
    output: Path | None,
    limit_users: int | None,
    detailed_exitcode: bool,
    verbose: bool,
    **values: Any,
) -> int:
    """Show what a push would change: each end user's fields, and where each value comes from.

    Where credentials are given it compares with the account, known with the fewest calls, and else with one
    that holds nothing; then, and with a snapshot, it needs no credentials and opens no connection.

    \b
    Example:
      wootric-replay dry-run sample_events/segment-logs
      wootric-replay dry-run --against account.ndjson --out plan.ndjson segment-logs
      wootric-replay dry-run --format json export.ndjson.gz | tail -n 1 | jq .summary
    """
    redaction = redacting.current()
    to = ReportOutput(style, output, redaction)
    interruption = Interruption()
    comparing = DryRun(
        settings.dry_run({**values, "style": style}),
        observer=ReadingProgress(lines=style == "text"),
        stop=interruption,
        stdin=streams.standard_input(),
        connect=connect(verbose=verbose),
        also_written=to.uses(),
    )
    report = comparing.report
    ended = partial(dry_run_output.ended, comparing, detailed=detailed_exitcode)
    show = partial(diff.shown, redaction=redaction, texts=to.shows_text, lines=to.is_json)
    try:
        with comparing.compare_shown(show) as changes:
            dry_run_output.write(changes, to, limit_users, ended)
            kept = changes.keep_unidentified()
    except WootricError:
        if values["against"] is None:
            words = "Credentials are given, so it compares with the account; --against nothing asks nobody."
            click.echo(words, err=True)
        raise
    except StoppedError:
        click.echo(f"stopped; {plural(report.records, 'record')} read so far.", err=True)
        return interruption.exit_code
    for line in (
        *summary.matching_nothing(report),
        *summary.without_checks(report, values["registered_events"]),
        *summary.unidentified(kept),
    ):
        click.echo(line, err=True)
    for title, found in (("Rejected", report.rejected), ("Failed", report.failed)):
        for line in summary.findings(title, found, "red"):
            click.echo(line, err=True)
    exit_code = ended().exit_code
    to.write(RunReport.of("dry-run", report, comparing.checks, exit_code=exit_code))
    for line in dry_run_output.on_checks(comparing, has_plan=values["out"] is not None):
        click.echo(line, err=True)
    return exit_code
