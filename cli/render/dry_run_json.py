"""The JSON of a dry run: a line for each change, then the summary."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cli.render.diff import Shown
from cli.render.forecast_text import as_data, ways_as_data
from cli.render.redacted import redacted_line
from cli.render.summary_json import kept_in, write_summary
from cli.render.text import json_line
from wootric_map.diff import Diff
from wootric_map.model import Action

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction

_LABELS: Final[tuple[tuple[Action, str], ...]] = (
    ("eligibility_check", "event_name"),
    ("page_view", "path"),
    ("response", "score"),
    ("decline", "origin_url"),
)


def write(diff: Diff[Shown], redaction: "Redaction | None", exit_code: Callable[[], int]) -> None:
    """Write the changes and the summary to standard output.

    Args:
        diff: the changes, as `cli.render.diff` shows them.
        redaction: the redaction, if one is asked for.
        exit_code: returns the exit code of the command, once all changes are known.
    """
    output = sys.stdout.buffer
    for change in diff:
        line = change.content
        assert isinstance(line, bytes)  # noqa: S101 - as `shown` makes it
        output.write(redacted_line(redaction, line, change.told) if redaction else line)
    for action, name in _LABELS:
        for label, count in diff.labels(action):
            told = redaction.text(label) if redaction else label
            output.write(json_line({"action": action, name: told, "count": count}))
    forecast = as_data(diff.calls, diff.forecast)
    kept = diff.keep_unidentified()
    more = {
        "forecast": forecast,
        "eligible_at_once": diff.eligible_at_once,
        "ways": ways_as_data(diff.ways, diff.end_users_in_csv, diff.speed),
        "unidentified_file": kept_in(kept),
        "exit_code": exit_code(),
    }
    write_summary(diff.report, more, redaction)
