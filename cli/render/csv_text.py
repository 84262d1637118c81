"""The text of an export to CSV."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import click

from cli.render import summary
from cli.render.text import plural, printable, styled
from wootric_map.deliver.csv_end_users import OMISSIONS, Omission
from wootric_map.write_csv import WriteCsvResult

_NAMED: Final = 5
"""Properties that are named with the number of their cells."""

_REASONS: Final[Mapping[Omission, str]] = {
    "no_email": "without an email, by which a CSV names them",
    "email_changes": "whose email changes, so that a CSV would make somebody new of them",
    "no_property_differs": "of whom no property differs",
    "formula_email": "whose email a spreadsheet would take for a formula; --keep-formulas takes them in",
}

_FIELDS: Final = {
    "external_id": ("external id", "external ids"),
    "phone_number": ("phone number", "phone numbers"),
    "external_created_at": ("creation date", "creation dates"),
}


def show(result: WriteCsvResult, *, to_stream: bool) -> None:
    """Show what was written, and what was not.

    Args:
        result: the result.
        to_stream: whether the CSV is on standard output, so that nothing else may be there.
    """
    report = result.report
    lines = [*summary.warnings(report.shown_warnings)] if report.warnings.counts else []
    lines += ["", *_counts(result)] if lines else _counts(result)
    for line in (*lines, *_omissions(result), *_without_column(result), *_harmless(result)):
        click.echo(line, err=to_stream)
    for line in _next(result):
        click.echo(line, err=to_stream)


def show_problems(result: WriteCsvResult) -> None:
    """Show on standard error what was rejected, and which choices match nothing."""
    for line in (
        *summary.matching_nothing(result.report),
        *summary.findings("Rejected", result.report.rejected, "red"),
        *summary.findings("Failed", result.report.failed, "red"),
    ):
        click.echo(line, err=True)


def _counts(result: WriteCsvResult) -> Iterator[str]:
    """Yield lines about the records, and about the files."""
    report = result.report
    yield from summary.passed_over(report.passed_over)
    yield f"{plural(report.records, 'record')}: {report.mapped:,} mapped"
    yield from summary.left_out(report)
    yield styled(_written(result), bold=True)
    if result.stale:
        are, it = ("are", "them") if result.stale[1:] else ("is", "it")
        yield f"{_names(result.stale)} {are} of an earlier run, and no part of this: delete {it}."


def _written(result: WriteCsvResult) -> str:
    """Return a line about the files, and how many end users are in them."""
    if not result.rows:
        return "There is nobody to write: no file was made."
    rows, columns = plural(result.rows, "end user"), plural(result.columns, "column")
    if not result.files:
        return f"Wrote {rows}, {columns}"
    return f"Wrote {_names([each.path for each in result.files])}: {rows}, {columns}"


def _names(paths: Sequence[Path]) -> str:
    """Return the name of a file, or the names of the first and the last one of several."""
    first, last = printable(str(paths[0])), printable(str(paths[-1]))
    return f"{first} to {last} ({len(paths):,} files)" if paths[1:] else first


def _omissions(result: WriteCsvResult) -> Iterator[str]:
    """Yield a line for each reason to leave end users out, with the first few of them."""
    for reason in OMISSIONS:
        count = result.left_out_counts[reason]
        if count:
            named = [printable(each) for each in result.left_out[reason]]
            more = " …" if count > len(named) else ""
            who = plural(count, "end user")
            yield f"Left out {who} {_REASONS[reason]}: {', '.join(named)}{more}"


def _without_column(result: WriteCsvResult) -> Iterator[str]:
    """Yield a line about what a CSV can't hold."""
    done = result.report.done
    told = [
        plural(result.without_column[name], *words)
        for name, words in _FIELDS.items()
        if result.without_column[name]
    ]
    for action, one in (("eligibility_check", "eligibility check"), ("page_view", "page view")):
        if done[action]:
            told.append(plural(done[action], one))
    if result.surveys_off:
        told.append(plural(result.surveys_off, "survey opt-out"))
    if told:
        yield f"A CSV holds emails and properties alone. Not in it: {', '.join(told)}"


def _harmless(result: WriteCsvResult) -> Iterator[str]:
    """Yield a line about cells that a spreadsheet would take for formulas."""
    cells, columns = result.harmless_cells, result.harmless_columns
    if not (cells or columns):
        return
    told = []
    if cells:
        first = result.harmless_by_property[:_NAMED]
        named = ", ".join(f"{printable(name)} {count:,}" for name, count in first)
        more = " …" if len(cells) > _NAMED else ""
        told.append(f"{plural(cells.total(), 'cell')} ({named}{more})")
    if columns:
        named = ", ".join(printable(each) for each in islice(columns, _NAMED))
        more = " …" if len(columns) > _NAMED else ""
        told.append(f"{plural(len(columns), 'column name')} ({named}{more})")
    yield (
        f"Made harmless by a ' before {' and '.join(told)}, which a spreadsheet would take for formulas; "
        "--keep-formulas leaves them as they are"
    )


def _next(result: WriteCsvResult) -> Iterator[str]:
    """Yield lines about what to do with the files."""
    if not result.rows:
        return
    if result.updates:
        held = plural(result.updates, "end user")
        yield (
            f"Of {held} Wootric holds already, all planned properties are there, changed or not; ask Wootric "
            "what an import does to properties that a row leaves empty."
        )
    it = "them" if result.files[1:] else "it"
    yield (
        f"Next: send {it} to Wootric's support, who import {it}, or give {it} to Wootric's bulk e-mail "
        "endpoint. Then push the same export: that sends what a CSV does not hold."
    )
