"""`map`: the settings and calls of each record, one JSON object a line."""

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cli import options, redacting, settings, streams
from cli.render import summary
from cli.render.redacted import redacted_line
from cli.render.text import json_line
from wootric_map.map_records import Map

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction, Told


@click.command("map")
@options.paths_argument()
@options.reading_options
@options.external_id_option
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
    """Writes objects as lines of JSON, redacted if that is asked for; an `Encoding`."""

    redaction: "Redaction | None"

    @property
    def is_plain(self) -> bool:
        """Whether printable text is written as it is, but for quotation marks and backslashes."""
        return not self.redaction

    def encoded(self, data: dict[str, Any]) -> "tuple[bytes, Sequence[Told]]":
        """Return an object as a line, and the values that were redacted in it."""
        if not self.redaction:
            return json_line(data), ()
        of_record = self.redaction.of_a_record()
        return json_line(of_record.value("", data)), of_record.told or ()

    def finished(self, line: bytes, note: "Sequence[Told]") -> bytes:
        """Return a line in which also values are redacted that were redacted in earlier lines."""
        return redacted_line(self.redaction, line, note) if self.redaction else line
