"""`validate`: check every record, say what is wrong and how to mend it."""

from functools import partial
from typing import Any

import click

from cli import options
from cli.render import summary
from cli.render.progress import reading_progress
from cli.render.text import json_line
from wootric_map.checking import check
from wootric_map.reading import read_in_parts, worth
from wootric_map.report import Findings, Report
from wootric_map.side_by_side import SideBySide


@click.command()
@options.paths_argument()
@options.reading_options
@options.processes_option
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text")
@options.redact_option
def validate(paths: tuple[str, ...], style: str, processes: int, **reading: Any) -> int:
    """Check every record; report what is rejected, and how to mend it.

    \b
    Example:
      wootric-replay validate sample_events/segment-logs
    """
    report = Report()
    found = options.sources(paths, report.passed_over)
    how = options.reading(reading)
    interrupted = False
    try:
        with (
            SideBySide(partial(check, options=how), worth(processes, found)) as workers,
            reading_progress(found) as on_bytes,
        ):
            for _, lines, checked in read_in_parts(
                workers,
                found,
                stdin=options.standard_input(),
                max_line_bytes=how.max_line_bytes,
                on_bytes=on_bytes,
            ):
                report.add(checked.report, lines)
    except KeyboardInterrupt:
        interrupted = True
    if style == "json":
        data, redaction = _as_data(report), options.redaction()
        click.echo(json_line(redaction.value("", data) if redaction else data), nl=False)
    else:
        _show(report)
    if interrupted:
        raise KeyboardInterrupt
    return 0 if report.flawless else 1


def _show(report: Report) -> None:
    for line in summary.findings("Rejected", report.rejected, "red"):
        click.echo(line)
    if report.skipped.counts:
        click.echo(summary.counts("Skipped", report.skipped))
    for line in summary.passed_over(report.passed_over):
        click.echo(line)
    rejected = report.rejected.counts.total()
    verdict = f"{rejected:,} rejected" if rejected else "none rejected"
    click.echo(f"{summary.records(report.records)}: {report.mapped:,} fit to be sent, {verdict}.")


def _as_data(report: Report) -> dict[str, object]:
    return {
        "records": report.records,
        "passed_over": report.passed_over.as_data(),
        "valid": report.mapped,
        "skipped": _findings_as_data(report.skipped),
        "rejected": _findings_as_data(report.rejected),
    }


def _findings_as_data(found: Findings) -> dict[str, object]:
    return {
        code: {"count": count, "places": [place._asdict() for place in found.places[code]]}
        for code, count in found.counts.items()
    }
