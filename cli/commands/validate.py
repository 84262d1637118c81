"""`validate`: check every record, and say what is wrong and how to correct it."""

import sys
from contextlib import ExitStack
from typing import Any

import click

from cli import options, redacting, settings, streams
from cli.render import summary
from cli.render.findings_json import EveryPlace
from cli.render.progress import ReadingProgress
from cli.render.text import plural
from wootric_map.report import Report
from wootric_map.validate import Validate


@click.command()
@options.paths_argument()
@options.reading_options
@options.ignore_warning_option
@options.processes_option
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text")
@options.redact_option
def validate(style: str, **values: Any) -> int:
    """Check every record; report what is rejected, how to mend it, and what to know of the others.

    The text shows the first few places of each code; --format json has them all.

    \b
    Example:
      wootric-replay validate sample_events/segment-logs
      wootric-replay validate --format json export.ndjson.gz | jq .warnings
    """
    interrupted = False
    with ExitStack() as stack:
        every = stack.enter_context(EveryPlace(redacting.current())) if style == "json" else None
        checking = Validate(
            settings.validate(values),
            observer=ReadingProgress(),
            places=every,
            stdin=streams.standard_input(),
        )
        report = checking.report
        try:
            checking.run()
        except KeyboardInterrupt:
            interrupted = True
        if every:
            for piece in every.pieces(report):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            _show(report)
    if interrupted:
        raise KeyboardInterrupt
    return 0 if report.flawless else 1


def _show(report: Report) -> None:
    for line in summary.findings("Rejected", report.rejected, "red"):
        click.echo(line)
    for line in summary.warnings(report.shown_warnings):
        click.echo(line)
    if report.skipped.counts:
        click.echo(summary.counts("Skipped", report.skipped))
    for line in (*summary.passed_over(report.passed_over), *summary.matching_nothing(report)):
        click.echo(line)
    rejected = report.rejected.counts.total()
    verdict = f"{rejected:,} rejected" if rejected else "none rejected"
    click.echo(f"{plural(report.records, 'record')}: {report.mapped:,} fit to be sent, {verdict}.")
