"""`push`: plan an export, and carry out the plan."""

from pathlib import Path
from typing import Any, Final

import click

from cli import options, redacting, settings, streams
from cli.interrupt import Interruption
from cli.metrics_file import MetricsFile
from cli.render import push_text
from cli.render.calls import connect
from cli.render.push_progress import PushProgress
from cli.render.summary import verdict
from cli.render.summary_json import PushSummary
from cli.report_output import ReportOutput
from wootric_map import comparison
from wootric_map.push import Push
from wootric_map.rejects import REJECTS

_PLANNED_BEFORE: Final = (
    "Warning: of a saved plan, nothing is sent of whom it names by an id, email or phone on the list. Who is "
    "tied to such a one by other records, or in the account, shows only when a plan is made with the list: "
    "make it anew."
)


@click.command()
@options.paths_argument(required=False)
@options.reading_options
@options.surveys_disabled_option
@options.external_id_option
@options.ignore_warning_option
@options.planning_options
@options.last_surveyed_option
@options.against_option(comparison.AUTO)
@click.option(
    "--plan",
    "plan_path",
    type=options.LocalPath(),
    metavar="PLAN",
    help="Do what this file of dry-run --out says, to the letter; then there are no PATHS.",
)
@options.account_options
@options.credential_options
@click.option(
    "--sandbox", is_flag=True, help="Push to an embedded sandbox; no credentials are needed."
)
@options.workers_option
@options.pace_options()
@options.connection_options
@click.option(
    "--max-duration",
    type=options.Age(),
    metavar="TIME",
    help="Stop in good order after so long, such as 4h; what is left is for the next run.",
)
@click.option(
    "--events-first",
    is_flag=True,
    help="Deal first with the end users that have events or page views, each as a whole; else end users "
    "are created or updated before events are sent, or beside them where Wootric's limits leave room.",
)
@options.journal_options
@click.option(
    "--rejects",
    type=options.LocalPath(),
    default=REJECTS,
    show_default=True,
    help="Where rejected records and failed deliveries go; written only if there are any.",
)
@options.unidentified_option
@click.option(
    "--keep-rejects",
    type=click.IntRange(0, 1000),
    default=5,
    show_default=True,
    metavar="N",
    help="How many rejects files of earlier runs are kept, numbered; and how many of --unidentified.",
)
@click.option(
    "--retry-rejects",
    is_flag=True,
    help="Try what earlier runs rejected, or saw refused, once more, though it is unchanged; else it is "
    "left out until it is mended.",
)
@options.threshold_options
@options.report_options(
    "Print the summary as a table, or as a line of JSON, also if the run ends early."
)
@options.record_options
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but what went wrong.")
@click.option("--no-progress", is_flag=True, help="Show no progress, only the summary.")
@options.redact_option
def push(
    style: str,
    output: Path | None,
    summary: Path | None,
    textfile: Path | None,
    quiet: bool,
    no_progress: bool,
    verbose: bool,
    **values: Any,
) -> int:
    """Send an export's history to Wootric.

    End users are created or updated, events checked for eligibility, page views sent; one end user's
    calls always in order. What is delivered is kept in a journal: run again, also after a crash, it goes
    on where it was, and sends nothing twice.

    \b
    Example:
      wootric-replay push --sandbox sample_events/segment-logs
      wootric-replay push --reserve 20% segment-logs
      wootric-replay push --plan plan.ndjson
      wootric-replay push rejects.ndjson
    """
    redaction = redacting.current()
    to = ReportOutput(style, output, redaction)
    how = settings.push(
        {**values, "style": style}, tells=not quiet, warns=not quiet or style != "text"
    )
    also = ReportOutput("json", summary, redaction, "summary") if summary else None
    metrics = MetricsFile.of(textfile, how.account)
    if how.plan and how.suppress:
        click.echo(_PLANNED_BEFORE, err=True)
    interruption = Interruption()
    shown = not (quiet or no_progress)
    pushing = Push(
        how,
        observer=PushProgress(
            interruption, shown=shown, live=not verbose, quiet=quiet, redaction=redaction
        ),
        stop=interruption,
        stdin=streams.standard_input(),
        connect=connect(verbose=verbose),
        also_written=[*to.uses(), *(also.uses() if also else ()), *metrics.uses()],
    )
    with PushSummary(pushing.report, pushing.checks, to, also, metrics) as told:
        result = pushing.run()
        told.write(exit_code=result.exit_code, error=result.error, result=result)
    if to.shows_text and not quiet:
        push_text.show(result, told.seconds)
    push_text.show_problems(result, quiet=quiet)
    for line in push_text.advice(result, how, quiet=quiet):
        click.echo(line, err=True)
    result.raise_for_error()
    for line in verdict(result.verdict, tells_gone=False):
        click.echo(line, err=True)
    return result.exit_code
