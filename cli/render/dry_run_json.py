"""The JSON of a dry run: a line for each change, then the summary."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from cli.render.diff import Shown
from cli.render.forecast_text import as_data, ways_as_data
from cli.render.redacted import redacted_line
from cli.render.summary_json import kept_in, write_summary
from cli.render.text import json_line
from cli.report_output import Sink
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


def write(
    diff: Diff[Shown],
    redaction: "Redaction | None",
    sink: Sink,
    more: Callable[[], Mapping[str, object]],
) -> None:
    """Write the changes, as far as nobody has gone through them, and the summary.

    Args:
        diff: the changes, as `cli.render.diff` shows them.
        redaction: the redaction, if one is asked for.
        sink: what it is written to.
        more: returns further parts of the summary, once all changes are known.
    """
    for change in diff:
        write_change(change, redaction, sink)
    for action, name in _LABELS:
        for label, count in diff.labels(action):
            told = redaction.text(label) if redaction else label
            sink.write(json_line({"action": action, name: told, "count": count}))
    forecast = as_data(diff.calls, diff.forecast)
    kept = diff.keep_unidentified()
    parts = {
        "forecast": forecast,
        "eligible_at_once": diff.eligible_at_once,
        "ways": ways_as_data(diff.ways, diff.end_users_in_csv, diff.speed),
        "unidentified_file": kept_in(kept),
        **more(),
    }
    write_summary(diff.report, parts, redaction, sink)


def write_change(change: Shown, redaction: "Redaction | None", sink: Sink) -> None:
    """Write the line of JSON of one end user's change."""
    line = change.line
    assert line is not None  # noqa: S101 - as `shown` makes it
    sink.write(redacted_line(redaction, line, change.told) if redaction else line)
