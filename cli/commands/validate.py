"""`validate`: check every record, say what is wrong and how to mend it."""

import sys
from contextlib import ExitStack
from typing import Any

import click

from cli import options
from cli.render import summary
from cli.render.findings_json import EveryPlace
from cli.render.progress import reading_progress
from wootric_map.mapping.entries import read_in_parts, worth
from wootric_map.read.process_pool import SideBySide
from wootric_map.report import Report
from wootric_map.validate import Checker


@click.command()
@options.paths_argument()
@options.reading_options
@options.ignore_warning_option
@options.processes_option
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text")
@options.redact_option
def validate(paths: tuple[str, ...], style: str, processes: int, **reading: Any) -> int:
    """Check every record; report what is rejected, how to mend it, and what to know of the others.

    The text shows the first few places of each code; --format json has them all.

    \b
    Example:
      wootric-replay validate sample_events/segment-logs
      wootric-replay validate --format json export.ndjson.gz | jq .warnings
    """
    report = Report(ignored_warnings=frozenset(reading["ignored_warnings"]))
    found = options.sources(paths, report.passed_over, reading["min_age"])
    how = options.reading(reading)
    interrupted = False
    with ExitStack() as stack:
        every = stack.enter_context(EveryPlace(options.redaction())) if style == "json" else None
        try:
            checker = Checker(how, every.text if every else None)
            # Its processes are forked before anything starts a thread.
            with (
                SideBySide(checker, worth(processes, found)) as workers,
                reading_progress(found) as on_bytes,
            ):
                for part, lines, checked in read_in_parts(
                    workers,
                    found,
                    stdin=options.standard_input(),
                    max_line_bytes=how.max_line_bytes,
                    on_bytes=on_bytes,
                ):
                    report.add(checked.report, lines)
                    if every and checked.places:
                        every.add(part.name, lines, checked.places, report)
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
    for line in summary.passed_over(report.passed_over):
        click.echo(line)
    rejected = report.rejected.counts.total()
    verdict = f"{rejected:,} rejected" if rejected else "none rejected"
    click.echo(f"{summary.records(report.records)}: {report.mapped:,} fit to be sent, {verdict}.")
