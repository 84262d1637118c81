"""`dry-run`: the diff of what a push would change."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import click

from cli import account, comparison, embedded, options
from cli.interrupt import gentle_interruption
from cli.render import diff, summary
from cli.render.progress import reading_progress
from cli.render.text import duration, json_line, plural, printable, styled
from wootric_map.calls import USUAL_RATE, EndUser, EndUserUpsert
from wootric_map.names import Tally
from wootric_map.outcome import StoppedError
from wootric_map.overview import overview
from wootric_map.plan import Find, Plan, Write
from wootric_map.plan_file import PlanWriter
from wootric_map.planning import intake_workers, plan_records
from wootric_map.rehearsal import Rehearsed, rehearse, rehearse_end_user
from wootric_map.report import Report
from wootric_map.services import account_fingerprint
from wootric_map.side_by_side import SideBySide
from wootric_map.spool import Spool

if TYPE_CHECKING:
    from wootric_map.redaction import Redaction

EXIT_CHANGES: Final = 3

_LABELS: Final = 20
"""Event names and paths that the text shows of each."""


@click.command("dry-run")
@options.paths_argument()
@options.reading_options
@options.planning_options
@options.processes_option
@options.against_option(options.NOTHING)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PLAN",
    help="Save the plan, for push --plan.",
)
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--limit-users",
    type=click.IntRange(0, sys.maxsize),
    metavar="N",
    help="Show this many end users at most; the totals count all.",
)
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 3 if there is anything to send, with 0 only if there is nothing.",
)
@options.account_options
@options.credential_options
@options.workers_option
@options.patience_options
@options.pace_options(
    rate="The account's pace, to tell how long a push takes; look-ups keep to it too.  [default: "
    "100/min, and look-ups as many as Wootric's replies allow]",
)
@click.option("--sandbox", is_flag=True, help="Ask an embedded sandbox which events it knows.")
@options.redact_option
def dry_run(
    paths: tuple[str, ...],
    against: str,
    out: Path | None,
    style: str,
    limit_users: int | None,
    detailed_exitcode: bool,
    **given: Any,
) -> int:
    """Show what a push would change: each end user's fields, and where each value comes from.

    Without --against it compares with an account that holds nothing; then, and with a snapshot, it needs
    no credentials and opens no connection.

    \b
    Example:
      wootric-replay dry-run sample_events/segment-logs
      wootric-replay dry-run --against account.ndjson --out plan.ndjson segment-logs
      wootric-replay dry-run --format json export.ndjson.gz | tail -n 1 | jq .summary
    """
    report = Report()
    sources = options.sources(paths, report.passed_over, given["min_age"])
    with ExitStack() as stack:
        interruption = stack.enter_context(gentle_interruption())
        how, planning = options.reading(given), options.planning(given)
        if out and out.exists() and any(each.path and each.path.samefile(out) for each in sources):
            raise click.UsageError(f"--out names what is read, {out}, which it would replace")
        saved: PlanWriter | None = None
        try:
            # Its processes are forked before anything starts a thread.
            with intake_workers(sources, how, planning, processes=given["processes"]) as workers:
                held = _compared(against, given, stack, interruption.stop.wait)
                spool = stack.enter_context(Spool())
                saved = stack.enter_context(_plan_file(out, held, against)) if out else None
                with reading_progress(sources, lines=style == "text") as on_bytes:
                    plan = plan_records(
                        sources,
                        how,
                        planning,
                        spool,
                        report,
                        stdin=options.standard_input(),
                        workers=workers,
                        snapshot=None if held.asks else held.find,
                        on_bytes=on_bytes,
                    )
            tally = Tally(spool.names)
            show = partial(_shown, style=style, redaction=options.redaction())
            if held.find or held.registered is not None or saved or given["no_fold"]:
                at_once = given["workers"] if held.asks else 1
                changes = _changes(plan, report, tally, held, saved, at_once, show)
            else:
                changes = _overview(plan, report, tally, given, show)
            if style == "json":
                _write_data(changes, report, tally, options.redaction())
            else:
                _write_text(changes, report, tally, held, limit_users, given["rate"] or USUAL_RATE)
        except StoppedError:
            click.echo(f"stopped; {summary.records(report.records)} read so far.", err=True)
            return interruption.exit_code
        if saved:
            saved.finish()
    for line in summary.matching_nothing(report):
        click.echo(line, err=True)
    for title, found in (("Rejected", report.rejected), ("Failed", report.failed)):
        for line in summary.findings(title, found, "red"):
            click.echo(line, err=True)
    if not report.flawless:
        return 1
    return EXIT_CHANGES if detailed_exitcode and report.api_calls else 0


@dataclass(frozen=True)
class _Held:
    """What the plan is compared with."""

    find: Find | None
    """Looks an end user up; None where the account is taken to hold nothing."""
    registered: frozenset[str] | None
    """The events that count; None where that is not known."""
    asks: bool
    """Whether it takes calls to look somebody up."""
    account: str | None
    """The account's fingerprint, if any is named."""


def _compared(
    against: str, given: Mapping[str, Any], stack: ExitStack, wait: Callable[[float], bool]
) -> _Held:
    """Open what `--against` names."""
    token = given["account_token"]
    if against != options.ACCOUNT:
        registered = None
        if given["sandbox"]:
            registered = embedded.registered_events(stack.enter_context(embedded.running_sandbox()))
        snapshot = stack.enter_context(comparison.snapshot_of(against, token))
        fingerprint = account_fingerprint(token) if token else snapshot and snapshot.account
        return _Held(snapshot and snapshot.find, registered, False, fingerprint)
    from wootric_map.pace import Pace  # noqa: PLC0415 - slow, and most dry runs need none

    to = account.account(given, stack)
    pace = Pace(given["rate"], wait=wait, reserve=given["reserve"])
    connected = account.connected(to, pace, given, connections=given["workers"])
    wootric = stack.enter_context(connected)
    wootric.sign_in()
    registered = wootric.registered_events()
    return _Held(wootric.find, registered, True, account_fingerprint(to.token))


def _plan_file(out: Path, held: _Held, against: str) -> PlanWriter:
    try:
        return PlanWriter(out, account=held.account, against=comparison.name(against))
    except OSError as error:
        raise click.UsageError(f"--out {out}: {error.strerror or error}") from error


class _Change(NamedTuple):
    """An end user who would be created or updated."""

    is_update: bool
    shown: str | bytes
    """What is shown of it: text, or a line of JSON."""


def _shown(each: Rehearsed, *, style: str, redaction: "Redaction | None") -> _Change:
    """What is shown of a write."""
    assert isinstance(each.call, EndUserUpsert)  # noqa: S101 - the caller has seen to it
    assert isinstance(each.step, Write)  # noqa: S101 - as above
    before = each.held if isinstance(each.held, EndUser) else None
    warnings = tuple((warning.code, warning.message) for _, warning in each.warnings)
    changed = diff.Changed(each.call, before, each.step.origins, warnings)
    if redaction:
        changed = diff.redacted(changed, redaction)
    if style == "json":
        return _Change(before is not None, json_line(diff.end_user_data(changed)))
    text = "".join(f"{line}\n" for line in (*diff.end_user_text(changed), ""))
    return _Change(before is not None, text)


_Show: TypeAlias = Callable[[Rehearsed], _Change]


def _changes(
    plan: Plan,
    report: Report,
    tally: Tally,
    held: _Held,
    saved: PlanWriter | None,
    workers: int,
    show: _Show,
) -> Iterator[_Change]:
    """Count everything, save it, and give the end users that would be created or updated."""
    for each in rehearse(
        plan,
        held.registered,
        held.find,
        workers=workers,
        look_ups_are_free=not held.asks,
    ):
        if saved:
            saved.add(each)
        yield from _counted(each, report, tally, show)


def _counted(each: Rehearsed, report: Report, tally: Tally, show: _Show) -> Iterator[_Change]:
    """Count one step, and give what is shown of it."""
    report.deliver(each.outcome)
    report.done["look_up"] += each.look_ups
    if each.call is None:
        return
    for ref, warning in each.warnings:
        report.warn(ref.source, ref.line, warning)
    if isinstance(each.step, Write):
        yield show(each)
    else:
        tally.add(each.step.action, each.step.label)


def _overview(
    plan: Plan, report: Report, tally: Tally, given: Mapping[str, Any], show: _Show
) -> Iterator[_Change]:
    """The same where nobody is asked, by several processes side by side."""
    work = partial(overview, plan, show=show)
    stretches = range(plan.spool.stretches)
    processes = given["processes"] if len(stretches) > 1 else 1
    with SideBySide(work, processes) as workers:
        for stretch, told in workers.each(stretches):
            people = plan.spool.people_of(stretch)
            for part in told:
                if isinstance(part, int):
                    # Of a giant nothing may be left.
                    person = next((each for each in people if each.number == part), None)
                    end_user = plan.end_user(person) if person else None
                    for each in rehearse_end_user(plan, end_user) if end_user else ():
                        yield from _counted(each, report, tally, show)
                    continue
                report.add(part.report)
                for (action, label), count in part.calls.items():
                    tally.add(action, label, count)
                yield from part.shown


def _write_data(
    changes: Iterator[_Change], report: Report, tally: Tally, redaction: "Redaction | None"
) -> None:
    output = sys.stdout.buffer
    for _, line in changes:
        assert isinstance(line, bytes)  # noqa: S101 - as `_shown` makes it
        output.write(line)
    for action, name in (("eligibility_check", "event_name"), ("page_view", "path")):
        for label, count in tally.most_common(action):
            shown = redaction.text(label) if redaction else label
            output.write(json_line({"action": action, name: shown, "count": count}))
    told = report.summary()
    if redaction:
        for name in ("passed_over", "warning_details"):
            told[name] = redaction.value("", told[name])
    output.write(json_line({"summary": told}))
    output.flush()


def _write_text(
    changes: Iterator[_Change],
    report: Report,
    tally: Tally,
    held: _Held,
    limit_users: int | None,
    rate: float,
) -> None:
    for change in islice(changes, limit_users):
        click.echo(change.shown, nl=False)
    hidden = Counter(change.is_update for change in changes)
    for count, what in ((hidden[False], "create"), (hidden[True], "update")):
        if count:
            click.echo(f"… and {plural(count, 'more end user')} to {what}\n")
    note = "all counted: which events are registered is known only online"
    _write_tally(
        "Eligibility checks",
        tally.most_common("eligibility_check"),
        note if held.registered is None else "",
    )
    _write_tally("Page views", tally.most_common("page_view"), "")
    if report.warnings.counts:
        for line in summary.warnings(report.warnings):
            click.echo(line)
        click.echo()
    for line in summary.passed_over(report.passed_over):
        click.echo(line)
    click.echo(summary.records(report.records) + f": {report.mapped:,} mapped")
    for line in summary.left_out(report):
        click.echo(line)
    click.echo(styled(_totals(report, held, rate), bold=True))


def _totals(report: Report, held: _Held, rate: float) -> str:
    """What a push would do, in one line."""
    done, calls = report.done, report.api_calls
    text = (
        f"Plan: {done['create']:,} to create, {done['update']:,} to update, "
        f"{done['unchanged']:,} unchanged; "
        f"{plural(done['eligibility_check'], 'eligibility check')}, "
        f"{plural(done['page_view'], 'page view')}; {plural(calls, 'API call')}, "
        f"{duration(calls / rate * 60)} at {rate:g} a minute"
    )
    if held.find and not held.asks:
        return f"{text}, and no look-ups with this snapshot."
    return (
        f"{text}, and at most {plural(done['look_up'], 'look-up')} before them, "
        f"{duration(done['look_up'] / rate * 60)} more."
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
