"""The JSON of an export to CSV: its summary on one line."""

from pathlib import Path
from typing import TYPE_CHECKING

from cli.render.summary_json import write_summary
from wootric_map.write_csv import WriteCsvResult

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction


def write(result: WriteCsvResult, redaction: "Redaction | None") -> None:
    """Write the summary to standard output."""
    more = {"csv": _csv(result), "exit_code": result.exit_code}
    write_summary(result.report, more, redaction)


def _csv(result: WriteCsvResult) -> dict[str, object]:
    """Return what the files hold, and what they do not, as data for JSON."""
    done = result.report.done
    return {
        "files": [{"path": _text(each.path), "rows": each.rows} for each in result.files],
        "rows": result.rows,
        "updates": result.updates,
        "columns": result.columns,
        "left_out": {
            reason: {"count": count, "first": result.left_out[reason]}
            for reason, count in sorted(result.left_out_counts.items())
        },
        "not_in_csv": {
            **dict(sorted(result.without_column.items())),
            "eligibility_checks": done["eligibility_check"],
            "page_views": done["page_view"],
        },
        "made_harmless": {
            "cells": dict(result.harmless_by_property),
            "columns": list(result.harmless_columns),
        },
        "stale_files": [_text(each) for each in result.stale],
    }


def _text(path: Path) -> str:
    """Return a path as text; bytes that are not UTF-8 are escaped."""
    return str(path).encode(errors="backslashreplace").decode()
