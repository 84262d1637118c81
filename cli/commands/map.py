"""`map`: what each record becomes, one JSON object a line."""

import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cli import options, redacting, settings, streams
from cli.render import summary
from cli.render.text import json_line
from wootric_map.map_records import Map

if TYPE_CHECKING:
    from wootric_map.redaction import Redaction


@click.command("map")
@options.paths_argument()
@options.reading_options
@options.ignore_warning_option
@options.processes_option
@options.account_options
@options.redact_option
def map_command(**values: Any) -> int:
    """Show what each record becomes: its settings and its calls, one JSON object a line.

    Each record is looked at alone, but for the names of properties, of which there is one a key: for
    --amount-suffix and --array-suffix files are read twice, and of a pipe each record is named by itself.
    Without an account token the calls show the default region.

    \b
    Example:
      wootric-replay map sample_events/segment-logs | jq .settings
    """
    output = sys.stdout.buffer
    mapping = Map(settings.map_(values), stdin=streams.standard_input())
    with closing(mapping.lines(_Json(redacting.current()))) as parts:
        for lines in parts:
            output.writelines(lines)
            if mapping.is_live:
                output.flush()
    output.flush()
    for told in summary.passed_over(mapping.passed_over):
        click.echo(told, err=True)
    if mapping.ignored:
        click.echo(summary.ignored(mapping.ignored), err=True)
    return 1 if mapping.any_rejected else 0


@dataclass(frozen=True, slots=True)
class _Json:
    """Writes an object as a line of JSON."""

    redaction: "Redaction | None"

    def __call__(self, data: dict[str, Any]) -> bytes:
        return json_line(self.redaction.value("", data) if self.redaction else data)
