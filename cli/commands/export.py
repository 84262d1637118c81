"""`export`: the end users of a plan, as a CSV for Wootric's people."""

import sys
from typing import Any

import click

from cli import options, redacting, settings, streams
from cli.interrupt import Interruption
from cli.render import csv_json, csv_text
from cli.render.calls import connect
from cli.render.progress import ReadingProgress
from cli.render.text import plural
from wootric_map.deliver.csv_end_users import CSV_ROWS
from wootric_map.errors import StoppedError
from wootric_map.write_csv import WriteCsv


@click.command()
@options.paths_argument()
@click.option(
    "--output",
    "-o",
    type=options.LocalPath(dir_okay=False),
    required=True,
    metavar="FILE",
    help="Where the CSV goes; further files are numbered, as users-2.csv. - is standard output, for what "
    "one file holds.",
)
@click.option(
    "--rows",
    type=click.IntRange(1, CSV_ROWS),
    default=CSV_ROWS,
    show_default=True,
    metavar="N",
    help="End users in a file at most.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option(
    "--keep-formulas",
    is_flag=True,
    help="Leave cells as they are that a spreadsheet would take for formulas; else each gets a ' before it.",
)
@options.reading_options
@options.surveys_disabled_option
@options.external_id_option
@options.ignore_warning_option
@options.end_user_planning_options
@options.processes_option
@options.against_option(unless="--sandbox")
@options.format_option("Print the summary for people, or as a line of JSON.")
@options.account_options
@options.credential_options
@options.workers_option
@options.connection_options
@options.pace_options()
@click.option(
    "--sandbox", is_flag=True, help="Ask an embedded sandbox, which is empty; to rehearse."
)
@options.redact_option
def export(style: str, verbose: bool, **values: Any) -> int:
    """Write the end users that a push would create or update to a CSV, for Wootric's people to import.

    The first column is the email; every other one is a property. End users without an email, and all
    events, are left out. What is written is personal data: only you may read the files.

    \b
    Example:
      wootric-replay export sample_events/segment-logs -o users.csv
      wootric-replay export --against account.ndjson --typed-names segment-logs -o users.csv
      wootric-replay export --create-only segment-logs -o - | head -n 2
    """
    how = settings.write_csv(values)
    redaction = redacting.current()
    is_stream = how.output is None
    if is_stream and (redaction or style == "json"):
        option = "--redact" if redaction else "--format json"
        raise click.UsageError(
            f"{option} is about what is shown, and -o - shows the CSV itself: name a file"
        )
    interruption = Interruption()
    writing = WriteCsv(
        how,
        observer=ReadingProgress(lines=style == "text" and not is_stream),
        stop=interruption,
        stdin=streams.standard_input(),
        stdout=sys.stdout.buffer if is_stream else None,
        connect=connect(verbose=verbose),
    )
    try:
        result = writing.run()
    except StoppedError:
        read = plural(writing.report.records, "record")
        click.echo(f"stopped; {read} read so far, and nothing was written.", err=True)
        return interruption.exit_code
    if style == "json":
        csv_json.write(result, redaction)
    else:
        csv_text.show(result, to_stream=is_stream)
    csv_text.show_problems(result)
    return interruption.exit_code or result.exit_code
