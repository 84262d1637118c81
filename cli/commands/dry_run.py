"""`dry-run`: the diff of what a push would change, without a connection."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any, Final

import click

from cli import embedded, options
from cli.render import diff, summary
from cli.render.progress import reading_progress
from cli.render.text import duration, json_line, plural, printable, styled
from wootric_map.calls import USUAL_RATE
from wootric_map.plan import Folded, Plan, rehearse
from wootric_map.planning import plan_entries
from wootric_map.report import Report
from wootric_map.spool import Spool, Tally

_LABELS: Final = 20
"""Event names and paths that the text shows of each."""


@click.command("dry-run")
@options.reading_options
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--limit-users",
    type=click.IntRange(0, sys.maxsize),
    metavar="N",
    help="Show this many end users at most; the totals count all.",
)
@click.option(
    "--rate",
    type=options.Rate(),
    default=USUAL_RATE,
    show_default="100/min",
    help="The account's pace, to tell how long a push takes.",
)
@click.option("--sandbox", is_flag=True, help="Ask an embedded sandbox which events it knows.")
def dry_run(
    paths: tuple[str, ...],
    style: str,
    limit_users: int | None,
    rate: float,
    sandbox: bool,
    **reading: Any,
) -> int:
    """Show what a push would change: each end user's fields, and where each value comes from.

    It needs no credentials and opens no connection.

    \b
    Example:
      wootric-replay dry-run sample_events/segment-logs
      wootric-replay dry-run --format json export.ndjson.gz | tail -n 1 | jq .summary
    """
    report = Report()
    sources = options.sources(paths)
    with ExitStack() as stack:
        registered = None
        if sandbox:
            registered = embedded.registered_events(stack.enter_context(embedded.running_sandbox()))
        spool = stack.enter_context(Spool())
        try:
            with reading_progress(sources, lines=style == "text") as on_bytes:
                plan = plan_entries(
                    sources,
                    options.reading(**reading),
                    spool,
                    report,
                    stdin=options.standard_input(),
                    on_bytes=on_bytes,
                )
        except KeyboardInterrupt:
            click.echo(f"{summary.records(report.records)} read so far.", err=True)
            raise
        tally = Tally(spool)
        if style == "json":
            _write_data(plan, report, tally, registered)
        else:
            _write_text(plan, report, tally, registered, limit_users, rate)
    for line in summary.findings("Rejected", report.rejected, "red"):
        click.echo(line, err=True)
    return 0 if report.flawless else 1


def _created(
    plan: Plan, report: Report, tally: Tally, registered: frozenset[str] | None
) -> Iterator[Folded]:
    """Count everything, and give the end users that would be created."""
    for end_user, event, outcome, look_ups in rehearse(plan, registered):
        report.deliver(outcome)
        report.done["look_up"] += look_ups
        if outcome.result is None:
            if event:
                tally.add(event.action, event.label)
            elif end_user.folded:
                for warning in end_user.folded.warnings:
                    report.warn(end_user.refs[-1].source, end_user.refs[-1].line, warning)
                yield end_user.folded


def _write_data(
    plan: Plan, report: Report, tally: Tally, registered: frozenset[str] | None
) -> None:
    output = sys.stdout.buffer

    def write(data: object) -> None:
        output.write(json_line(data))

    for folded in _created(plan, report, tally, registered):
        write(diff.end_user_data(folded))
    for action, name in (("eligibility_check", "event_name"), ("page_view", "path")):
        for label, count in tally.most_common(action):
            write({"action": action, name: label, "count": count})
    write({"summary": report.summary()})
    output.flush()


def _write_text(
    plan: Plan,
    report: Report,
    tally: Tally,
    registered: frozenset[str] | None,
    limit_users: int | None,
    rate: float,
) -> None:
    created = _created(plan, report, tally, registered)
    for folded in islice(created, limit_users):
        for line in diff.end_user_text(folded):
            click.echo(line)
        click.echo()
    hidden = sum(1 for _ in created)
    if hidden:
        click.echo(f"… and {plural(hidden, 'more end user')} to create\n")
    note = (
        ""
        if registered is not None
        else "all counted: which events are registered is known only online"
    )
    _write_tally("Eligibility checks", tally.most_common("eligibility_check"), note)
    _write_tally("Page views", tally.most_common("page_view"), "")
    if report.warnings.counts:
        for line in summary.findings("Warnings", report.warnings, "yellow"):
            click.echo(line)
        click.echo()
    done, calls = report.done, int(str(report.summary()["api_calls"]))
    click.echo(summary.records(report.records) + f": {report.mapped:,} mapped")
    if report.skipped.counts:
        click.echo(summary.counts("Skipped", report.skipped))
    if report.rejected.counts:
        click.echo(summary.counts("Rejected", report.rejected))
    click.echo(
        styled(
            f"Plan: {done['create']:,} to create, {done['update']:,} to update, "
            f"{done['unchanged']:,} unchanged; "
            f"{plural(done['eligibility_check'], 'eligibility check')}, "
            f"{plural(done['page_view'], 'page view')}; {plural(calls, 'API call')}, "
            f"{duration(calls / rate * 60)} at {rate:g} a minute, and at most "
            f"{plural(done['look_up'], 'look-up')} before them, "
            f"{duration(done['look_up'] / rate * 60)} more.",
            bold=True,
        )
    )


def _write_tally(title: str, tallies: Iterator[tuple[str, int]], note: str) -> None:
    first = list(islice(tallies, _LABELS))
    if not first:
        return
    click.echo(styled(title, bold=True) + (styled(f"  ({note})", dim=True) if note else ""))
    for label, count in first:
        click.echo(f"  {count:>7,}  {printable(label)}")
    more = Counter(count for _, count in tallies)
    if more:
        rest = sum(count * times for count, times in more.items())
        click.echo(f"  {rest:>7,}  in {plural(more.total(), 'other')}")
    click.echo()
