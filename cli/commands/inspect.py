"""`inspect`: what an export holds, to look at before anything is planned."""

import sys
from typing import Any

import click

from cli import options, redacting, settings, streams
from cli.config.options import noted_choice, words_for
from cli.render import inspect_json, inspect_text
from cli.render.calls import connect
from cli.render.next_commands import hints, next_commands
from cli.render.progress import ReadingProgress
from wootric_map.inspection.inspect_export import Inspect


@click.command("inspect")
@options.paths_argument()
@options.reading_options
@options.surveys_disabled_option
@options.external_id_option
@options.ignore_warning_option
@options.processes_option
@options.format_option()
@click.option(
    "--registered-event",
    "registered_events",
    multiple=True,
    metavar="NAME",
    help="An event that the account has registered, letter for letter, to be marked; may be given several "
    "times.",
)
@click.option(
    "--account",
    "ask_account",
    is_flag=True,
    help="Ask the account which events it has registered. Without this no connection is opened.",
)
@click.option("--sandbox", is_flag=True, help="Ask an embedded sandbox which events it knows.")
@options.account_options
@options.credential_options
@options.connection_options
@options.redact_option
def inspect(style: str, verbose: bool, **values: Any) -> int:
    """Show what is in an export: records, end users, events, pages, and what each trait becomes in Wootric.

    Nothing is sent, and no credentials are needed. End users are those of a dry run. Rejected records are
    counted, and are no failure here: validate says how to mend them. The exit code is 0 unless nothing could
    be read.

    \b
    Example:
      wootric-replay inspect sample_events/segment-logs
      wootric-replay inspect --format json export.ndjson.gz | jq .end_users
    """
    found = Inspect(
        settings.inspect(values),
        observer=ReadingProgress(),
        stdin=streams.standard_input(),
        connect=connect(verbose=verbose),
    ).run()
    ctx = click.get_current_context()
    commands = next_commands(found, values, words_for(noted_choice(ctx)))
    redaction = redacting.current()
    if style == "json":
        inspect_json.write(found, commands, redaction)
    else:
        width = streams.width_of(sys.stdout)
        encoding = (sys.__stdout__ or sys.stdout).encoding
        told = hints(found, values)
        for line in inspect_text.lines(found, commands, told, width, encoding, redaction):
            click.echo(line)
    return 0
