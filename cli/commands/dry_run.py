"""`dry-run`: the diff of what a push would change."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import click

from cli import account, comparison, embedded, files, keeping, options
from cli.interrupt import gentle_interruption
from cli.render import diff, summary
from cli.render.foretold import as_data, each_kind, takes
from cli.render.progress import reading_progress
from cli.render.summary_json import write_summary
from cli.render.text import json_line, plural, printable, styled
from cli.unidentified import UnidentifiedFile, unidentified_option
from wootric_map import run_files as paths_of_run
from wootric_map.deliver.fingerprints import Known
from wootric_map.deliver.forecast import Speed, by_kind, speed_of
from wootric_map.deliver.overview import overview
from wootric_map.deliver.rehearse import Rehearsed, rehearse, rehearse_end_user
from wootric_map.errors import SettingsError, StoppedError
from wootric_map.model import CALLS, EndUser, EndUserUpsert
from wootric_map.plan.engine.names import Tally
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.plan import Plan
from wootric_map.plan.plan_file import PlanWriter
from wootric_map.plan.planning import intake_workers, plan_records
from wootric_map.plan.steps import Find, Write
from wootric_map.read.process_pool import SideBySide
from wootric_map.report import Report
from wootric_map.wootric.regions import account_fingerprint

if TYPE_CHECKING:
    from wootric_map.deliver.journal import Journal
    from wootric_map.redaction import Redaction

EXIT_CHANGES: Final = 3

_LABELS: Final = 20
"""Event names and paths that the text shows of each."""


@click.command("dry-run")
@options.paths_argument()
@options.reading_options
@options.ignore_warning_option
@options.planning_options
@options.processes_option
@options.against_option(options.NOTHING)
@click.option(
    "--out",
    type=options.LocalPath(),
    metavar="PLAN",
    help="Save the plan, for push --plan.",
)
@unidentified_option
@options.format_option()
@click.option(
    "--limit-users",
    type=options.Count(),
    metavar="N",
    help="Show this many end users at most; the totals count all.",
)
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 3 if there is anything to send, with 0 only if there is nothing.",
)
@click.option(
    "--next",
    "is_next",
    is_flag=True,
    help="Show what the next push would do: what the account's journal says is delivered is taken off.",
)
@click.option(
    "--journal",
    type=options.LocalPath(),
    metavar="FILE",
    help="Show what the next push with this --journal would do. The journal stays as it is.",
)
@click.option(
    "--registered-event",
    "registered_events",
    multiple=True,
    metavar="NAME",
    help="An event that the account has registered, letter for letter; may be given several times. Then no "
    "other is counted. Without it all are, unless the account is asked.",
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
    unidentified: Path | None,
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
    report = Report(ignored_warnings=frozenset(given["ignored_warnings"]))
    written = files.written(out=out, unidentified=unidentified)
    kept_files = files.of_journal(given, writes=False)
    left_out = paths_of_run.left_out(written.values())
    sources = options.sources(
        paths, report.passed_over, given["min_age"], leave_out=(options.REJECTS, *left_out)
    )
    with ExitStack() as stack:
        interruption = stack.enter_context(gentle_interruption())
        compared = None if against in comparison.NAMES else Path(against)
        paths_of_run.check(
            [
                *paths_of_run.uses_of_sources(sources),
                *files.read("--against", compared),
                *files.of_login(given),
                *written.values(),
                *files.read("push's --rejects", options.REJECTS),
                *kept_files,
            ]
        )
        nobodys = stack.enter_context(UnidentifiedFile(unidentified, report, sources))
        how = options.reading(given)
        planning = options.planning(given, keep_lines=unidentified is not None)
        saved: PlanWriter | None = None
        try:
            # Its processes are forked before anything starts a thread.
            with intake_workers(sources, how, planning, processes=given["processes"]) as workers:
                held = _compared(against, given, stack, interruption.stop.wait)
                memory = held.memory
                spool = stack.enter_context(Spool())
                fills = planning.existing == "fill"
                if out:
                    saved = stack.enter_context(_plan_file(out, held, against, fills=fills))
                with reading_progress(sources, lines=style == "text") as on_bytes:
                    plan = plan_records(
                        sources,
                        how,
                        planning,
                        spool,
                        report,
                        stdin=options.standard_input(),
                        workers=None if memory else workers,
                        snapshot=None if held.asks else held.find,
                        evidence=memory,
                        history=memory,
                        on_bytes=on_bytes,
                    )
            tally = Tally(spool.names)
            show = partial(
                _shown,
                style=style,
                redaction=options.redaction(),
                ignored=report.ignored_warnings,
            )
            if held.is_known or saved or given["no_fold"]:
                at_once = given["workers"] if held.asks else 1
                changes = _changes(plan, report, tally, held, saved, at_once, show)
            else:
                changes = _overview(plan, report, tally, given, show)
            ended = partial(_ended, report, nobodys, plan, detailed=detailed_exitcode)
            if style == "json":
                _write_data(changes, report, tally, held, options.redaction(), ended)
            else:
                _write_text(changes, report, tally, held, limit_users)
                ended()
        except StoppedError:
            click.echo(f"stopped; {summary.records(report.records)} read so far.", err=True)
            return interruption.exit_code
        if saved:
            saved.finish()
    names = given["registered_events"]
    for line in (
        *summary.matching_nothing(report),
        *summary.without_checks(report, names),
        *nobodys.lines(),
    ):
        click.echo(line, err=True)
    for title, found in (("Rejected", report.rejected), ("Failed", report.failed)):
        for line in summary.findings(title, found, "red"):
            click.echo(line, err=True)
    return _exit_code(report, detailed=detailed_exitcode)


def _ended(
    report: Report, nobodys: UnidentifiedFile, plan: Plan, *, detailed: bool
) -> dict[str, object]:
    """Keep the records that name nobody; gives what the summary has beside the report."""
    nobodys.keep(plan)
    code = _exit_code(report, detailed=detailed)
    return {"unidentified_file": nobodys.as_data(), "exit_code": code}


def _exit_code(report: Report, *, detailed: bool) -> int:
    """What a dry run ends with; `detailed` tells whether a change is told as one."""
    if not report.flawless:
        return 1
    return EXIT_CHANGES if detailed and report.api_calls else 0


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
    memory: "Journal | None"
    """What earlier runs did, if that is to be taken off."""
    speed: Callable[[], Speed]
    """Tells how fast the account's calls may go."""

    @property
    def is_known(self) -> bool:
        """Whether anything is known of the account."""
        return bool(self.find or self.memory) or self.registered is not None


def _compared(
    against: str, given: Mapping[str, Any], stack: ExitStack, wait: Callable[[float], bool]
) -> _Held:
    """Open what `--against` names."""
    token = given["account_token"]
    names = given["registered_events"]
    if names and (given["sandbox"] or against == options.ACCOUNT):
        beside = "--sandbox" if given["sandbox"] else "--against account"
        raise click.UsageError(
            f"--registered-event has no place beside {beside}, which is asked for them"
        )
    if against != options.ACCOUNT:
        registered = frozenset(names) if names else None
        if given["sandbox"]:
            registered = embedded.registered_events(stack.enter_context(embedded.running_sandbox()))
        snapshot = stack.enter_context(comparison.snapshot_of(against, token))
        memory = _memory(given, stack, snapshot.as_of if snapshot else None)
        fingerprint = account_fingerprint(token) if token else snapshot and snapshot.account
        speed = Speed(given["rate"], given["reserve"], remembered=by_kind(_limits(given, memory)))
        find = snapshot and snapshot.find
        return _Held(find, registered, False, fingerprint, memory, lambda: speed)
    memory = _memory(given, stack, None)
    limits = _limits(given, memory)
    from wootric_map.wootric.pace import Pace  # noqa: PLC0415 - as above

    to = account.account(given, stack)
    pace = Pace(given["rate"], wait=wait, reserve=given["reserve"])
    connected = account.connected(to, pace, given, connections=given["workers"])
    wootric = stack.enter_context(connected)
    wootric.sign_in()
    registered = wootric.registered_events()
    return _Held(
        wootric.find,
        registered,
        True,
        account_fingerprint(to.token),
        memory,
        lambda: speed_of(pace, limits),
    )


def _memory(given: Mapping[str, Any], stack: ExitStack, since: float | None) -> "Journal | None":
    """Open a copy of the journal that is to be taken off, if any is."""
    if not (given["is_next"] or given["journal"]):
        return None
    from wootric_map.deliver.journal import Journal  # noqa: PLC0415 - SQLite is slow to import

    account = keeping.account_of(given["account_token"], given["base_url"])
    if given["is_next"] and account is None:
        raise click.UsageError(
            "--next: which account? set WOOTRIC_ACCOUNT_TOKEN, or add --journal FILE"
        )
    path = keeping.place(account or "", given["journal"])
    if not (given["journal"] or path.exists()):
        return None  # nothing has been pushed to it
    return stack.enter_context(Journal.copied(path, account, since=since))


def _limits(given: Mapping[str, Any], memory: "Journal | None") -> Mapping[str, float]:
    """The limits that pushes to the account were told."""
    if memory:
        return memory.limits()
    if not given["account_token"]:
        return {}
    from wootric_map.deliver.journal import contents  # noqa: PLC0415
    from wootric_map.errors import JournalError  # noqa: PLC0415

    # No more than a better guess depends on them.
    with suppress(JournalError, SettingsError, click.UsageError):
        account = keeping.account_of(given["account_token"], given["base_url"])
        assert account  # noqa: S101 - there is a token
        found = contents(keeping.place(account, None), runs=0).limits
        return {name: inf if limit is None else limit for name, limit in found.items()}
    return {}


def _plan_file(out: Path, held: _Held, against: str, *, fills: bool) -> PlanWriter:
    try:
        name = comparison.name(against)
        return PlanWriter(out, account=held.account, against=name, fills=fills)
    except OSError as error:
        raise click.UsageError(f"--out {out}: {error.strerror or error}") from error


class _Change(NamedTuple):
    """An end user who would be created or updated."""

    is_update: bool
    shown: str | bytes
    """What is shown of it: text, or a line of JSON."""


def _shown(
    each: Rehearsed, *, style: str, redaction: "Redaction | None", ignored: frozenset[str]
) -> _Change:
    """What is shown of a write."""
    assert isinstance(each.call, EndUserUpsert)  # noqa: S101 - the caller has seen to it
    assert isinstance(each.step, Write)  # noqa: S101 - as above
    before = each.held if isinstance(each.held, EndUser) else None
    warnings = tuple(
        (warning.code, warning.message)
        for _, warning in each.warnings
        if warning.code not in ignored
    )
    left = None
    if isinstance(each.held, Known):
        left = replace(each.step.whole, wootric_id=str(each.held.id))
    changed = diff.Changed(each.call, before, each.step.origins, warnings, left)
    if redaction:
        changed = diff.redacted(changed, redaction)
    if style == "json":
        return _Change(changed.is_update, json_line(diff.end_user_data(changed)))
    text = "".join(f"{line}\n" for line in (*diff.end_user_text(changed), ""))
    return _Change(changed.is_update, text)


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
    fills = plan.existing == "fill" and held.find is not None and not held.asks
    for each in rehearse(
        plan,
        held.registered,
        held.find,
        workers=workers,
        look_ups_are_free=not held.asks,
        memory=held.memory if held.memory and held.memory.remembers else None,
    ):
        # A snapshot does not tell what was given since: whoever is to be filled in is looked at first.
        if fills and each.call is not None and each.outcome.action == "update":
            report.done["look_up_first"] += 1
        if saved:
            saved.add(each)
        yield from _counted(each, report, tally, show)


def _counted(each: Rehearsed, report: Report, tally: Tally, show: _Show) -> Iterator[_Change]:
    """Count one step, and give what is shown of it."""
    report.deliver(each.outcome)
    report.done["look_up"] += each.look_ups
    report.done["unseen"] += each.is_unseen
    report.done["look_up_first"] += each.is_unseen
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
    keeps = report.unidentified_records is not None
    work = partial(overview, plan, show=show, keeps_unidentified=keeps)
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
    changes: Iterator[_Change],
    report: Report,
    tally: Tally,
    held: _Held,
    redaction: "Redaction | None",
    ended: Callable[[], Mapping[str, object]],
) -> None:
    """Write the changes, then the summary, with what `ended` gives once all changes are known."""
    output = sys.stdout.buffer
    for _, line in changes:
        assert isinstance(line, bytes)  # noqa: S101 - as `_shown` makes it
        output.write(line)
    for action, name in (("eligibility_check", "event_name"), ("page_view", "path")):
        for label, count in tally.most_common(action):
            shown = redaction.text(label) if redaction else label
            output.write(json_line({"action": action, name: shown, "count": count}))
    calls = _calls(report, held)
    forecast = as_data(calls, held.speed().forecast(calls))
    write_summary(report, {"forecast": forecast, **ended()}, redaction)


def _write_text(
    changes: Iterator[_Change],
    report: Report,
    tally: Tally,
    held: _Held,
    limit_users: int | None,
) -> None:
    for change in islice(changes, limit_users):
        click.echo(change.shown, nl=False)
    hidden = Counter(change.is_update for change in changes)
    for count, what in ((hidden[False], "create"), (hidden[True], "update")):
        if count:
            click.echo(f"… and {plural(count, 'more end user')} to {what}\n")
    note = "all counted; --registered-event names those that the account has registered"
    _write_tally(
        "Eligibility checks",
        tally.most_common("eligibility_check"),
        note if held.registered is None else "",
    )
    _write_tally("Page views", tally.most_common("page_view"), "")
    if report.warnings.counts:
        for line in summary.warnings(report.shown_warnings):
            click.echo(line)
        click.echo()
    for line in summary.passed_over(report.passed_over):
        click.echo(line)
    click.echo(summary.records(report.records) + f": {report.mapped:,} mapped")
    for line in (*summary.left_out(report), *summary.unregistered(report)):
        click.echo(line)
    click.echo(styled(_totals(report, held), bold=True))
    calls = _calls(report, held)
    if any(calls.values()):
        forecast = held.speed().forecast(calls)
        click.echo(f"{takes(forecast)}:")
        for line in each_kind(calls, forecast):
            click.echo(line)


def _totals(report: Report, held: _Held) -> str:
    """What a push would do, in one line."""
    done = report.done
    left = f", {done['left']:,} left as they are" if done["left"] else ""
    text = (
        f"Plan: {done['create']:,} to create, {done['update']:,} to update, "
        f"{done['unchanged']:,} unchanged{left}; "
        f"{plural(done['eligibility_check'], 'eligibility check')}, "
        f"{plural(done['page_view'], 'page view')}; {plural(report.api_calls, 'API call')}"
    )
    first = done["look_up_first"]
    if held.find and not held.asks and first:
        return f"{text}, and {plural(first, 'look-up')} to see what they lack still."
    if held.find and not held.asks:
        return f"{text}, and no look-ups with this snapshot."
    return f"{text}, and at most {plural(done['look_up'], 'look-up')} before them."


def _calls(report: Report, held: _Held) -> Mapping[str, int]:
    """How many calls of each kind a push makes."""
    done = report.done
    look_ups = done["look_up_first"] if held.find and not held.asks else done["look_up"]
    updates = done["update"] + done["unseen"]
    return {**{action: done[action] for action in CALLS}, "update": updates, "look_up": look_ups}


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
