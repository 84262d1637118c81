"""`validate`: check every record, and say what is wrong and how to correct it."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from cli import options, redacting, settings, streams
from cli.render import summary
from cli.render.findings_json import EveryPlace
from cli.render.progress import ReadingProgress
from cli.render.text import plural
from cli.report_output import ReportOutput
from wootric_map.checks.run_report import RunReport
from wootric_map.errors import EXIT_INTERRUPTED
from wootric_map.report import Report
from wootric_map.validate import Validate


@click.command()
@options.paths_argument()
@options.reading_options
@options.surveys_disabled_option
@options.external_id_option
@options.ignore_warning_option
@options.processes_option
@options.threshold_options
@options.write_baseline_option
@options.report_options("For people, or for programs.")
@options.redact_option
def validate(style: str, output: Path | None, **values: Any) -> int:
    """Check every record; report what is rejected, how to mend it, and what to know of the others.

    The text shows the first few places of each code; --format json has them all.

    \b
    Example:
      wootric-replay validate sample_events/segment-logs
      wootric-replay validate --format json export.ndjson.gz | jq .warnings
      wootric-replay validate --max-rejected 1% --format junit --output report.xml segment-logs
    """
    redaction = redacting.current()
    to = ReportOutput(style, output, redaction)
    error = None
    with ExitStack() as stack:
        every = stack.enter_context(EveryPlace(redaction)) if to.is_json else None
        checking = Validate(
            settings.validate({**values, "style": style}),
            observer=ReadingProgress(),
            places=every,
            stdin=streams.standard_input(),
            also_written=to.uses(),
        )
        report = checking.report
        try:
            checking.run()
        except KeyboardInterrupt as interruption:
            error = interruption
        verdict = checking.checks.verdict(report)
        exit_code = EXIT_INTERRUPTED if error else verdict.exit_code
        if every:
            with to.opened() as sink:
                for piece in every.pieces(report, verdict, exit_code):
                    sink.write(piece)
        if to.shows_text:
            _show(report)
        why = "interrupted" if error else None
        to.write(RunReport.of("validate", report, checking.checks, exit_code=exit_code, error=why))
    if error:
        raise error
    for line in summary.verdict(verdict):
        click.echo(line, err=True)
    return exit_code


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
