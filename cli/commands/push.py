"""`push`: plan, and carry the plan out."""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from cli import account, comparison, files, keeping, options, streams
from cli.interrupt import Interruption, gentle_interruption, time_limit
from cli.render import summary
from cli.render.foretold import promise
from cli.render.progress import SendingProgress, reading_progress, sending_progress, working
from cli.render.summary_json import PushSummary, ending, kept_in
from cli.render.text import by_number, duration, plural, printable
from cli.unidentified import UnidentifiedFile, unidentified_option
from wootric_map import run_files as paths_of_run
from wootric_map.deliver.delivery import calls_left, deliver, deliver_file
from wootric_map.deliver.doubts import OLDEST, is_another, settle
from wootric_map.deliver.forecast import Agenda, Speed, speed_of
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.rehearse import rehearse
from wootric_map.errors import CallFailedError, JournalFailedError, PlanFileError, StoppedError
from wootric_map.model import Failure, Outcome, Skip
from wootric_map.plan.earlier_rejects import REFUSED
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.plan import Plan
from wootric_map.plan.plan_file import PlanFile, holds_plan_lines, plan_of_rejects
from wootric_map.plan.planning import plan_records
from wootric_map.plan.steps import Find
from wootric_map.read.files import Source
from wootric_map.rejects import RejectsFile
from wootric_map.report import Report
from wootric_map.wootric.client import Wootric
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.regions import account_fingerprint

_UNFINISHED: Final = (
    "The run did not finish. Run the same command again to go on: what has been delivered is in the "
    "journal, and is not sent again."
)


@click.command()
@options.paths_argument(required=False)
@options.reading_options
@options.ignore_warning_option
@options.planning_options
@options.against_option(options.ACCOUNT)
@click.option(
    "--plan",
    "plan_path",
    type=options.LocalPath(),
    metavar="PLAN",
    help="Do what this file of dry-run --out says, to the letter; then there are no PATHS.",
)
@options.account_options
@options.credential_options
@click.option(
    "--sandbox", is_flag=True, help="Push to an embedded sandbox; no credentials are needed."
)
@options.workers_option
@options.pace_options()
@options.patience_options
@click.option(
    "--max-duration",
    type=options.Age(),
    metavar="TIME",
    help="Stop in good order after so long, such as 4h; what is left is for the next run.",
)
@options.journal_options
@click.option(
    "--rejects",
    type=options.LocalPath(),
    default=options.REJECTS,
    show_default=True,
    help="Where rejected records and failed deliveries go; written only if there are any.",
)
@unidentified_option
@click.option(
    "--keep-rejects",
    type=click.IntRange(0, 1000),
    default=5,
    show_default=True,
    metavar="N",
    help="How many rejects files of earlier runs are kept, numbered; and how many of --unidentified.",
)
@click.option(
    "--retry-rejects",
    is_flag=True,
    help="Try what earlier runs rejected, or saw refused, once more, though it is unchanged; else it is "
    "left out until it is mended.",
)
@options.format_option(
    "Print the summary as a table, or as a line of JSON, also if the run ends early."
)
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but what went wrong.")
@click.option("--no-progress", is_flag=True, help="Show no progress, only the summary.")
@options.redact_option
def push(
    paths: tuple[str, ...],
    against: str,
    plan_path: Path | None,
    rejects: Path,
    unidentified: Path | None,
    keep_rejects: int,
    style: str,
    quiet: bool,
    no_progress: bool,
    **given: Any,
) -> int:
    """Send an export's history to Wootric.

    End users are created or updated, events checked for eligibility, page views sent; one end user's
    calls always in order. What is delivered is kept in a journal: run again, also after a crash, it goes
    on where it was, and sends nothing twice.

    \b
    Example:
      wootric-replay push --sandbox sample_events/segment-logs
      wootric-replay push --reserve 20% segment-logs
      wootric-replay push --plan plan.ndjson
      wootric-replay push rejects.ndjson
    """
    paths, plan_path = _what_is_pushed(paths, plan_path)
    if given["sandbox"] and given["journal"]:
        raise click.UsageError(
            "--journal has no place beside --sandbox, which holds nobody at first"
        )
    report = Report(ignored_warnings=frozenset(given["ignored_warnings"]))
    told = PushSummary(report, style == "json", options.redaction())
    written = files.written(rejects=rejects, unidentified=unidentified)
    kept_files = [] if given["sandbox"] else files.of_journal(given, writes=True)
    sources = options.sources(
        paths,
        report.passed_over,
        given["min_age"],
        leave_out=paths_of_run.left_out([*written.values(), *kept_files]),
    )
    with told, ExitStack() as stack:
        compared = None if against in comparison.NAMES else Path(against)
        replayed = paths_of_run.check(
            [
                *paths_of_run.uses_of_sources(sources, written["rejects"]),
                *_uses_of_plan(plan_path),
                *files.read("--against", compared),
                *files.of_login(given),
                *written.values(),
                *kept_files,
            ]
        )
        rejects_file = stack.enter_context(_rejects_file(rejects, keep_rejects, sources))
        nobodys = stack.enter_context(
            UnidentifiedFile(unidentified, report, sources, keep=keep_rejects)
        )
        saved = stack.enter_context(_plan_file(plan_path)) if plan_path else None
        to = account.account(given, stack)
        if saved and saved.account not in (None, account_fingerprint(to.token)):
            raise click.UsageError(f"--plan {plan_path}: it was made for another account")
        snapshot = stack.enter_context(comparison.snapshot_of(against, to.token))
        interruption = stack.enter_context(gentle_interruption())
        journal = stack.enter_context(
            keeping.kept(
                to,
                given,
                interruption.stop.wait,
                since=snapshot.as_of if snapshot else None,
                temporary=given["sandbox"],
                quiet=quiet,
            )
        )
        pace = Pace(given["rate"], wait=interruption.stop.wait, reserve=given["reserve"])
        workers = given["workers"]
        connected = account.connected(to, pace, given, connections=workers)
        wootric = stack.enter_context(connected)
        find = None if against == options.NOTHING else wootric.find
        run = _Run(
            wootric,
            pace,
            interruption,
            report,
            rejects_file,
            journal,
            journal.limits(),
            to.services.is_stand_in,
            snapshot.find if snapshot else find,
            snapshot is not None,
            workers,
            nobodys,
            quiet=quiet,
            rehearses=not quiet or style == "json",
            shown=not (quiet or no_progress),
            live=not given["verbose"],
        )
        limit = given["max_duration"]
        seconds = None if limit is None else max(limit - (told.seconds), 0.0)
        with time_limit(seconds, interruption.stop) as time_is_up:
            ended = run.go(saved, sources, given, stack)
        error = ended.error
        is_cut = time_is_up() and not interruption.exit_code and ended.left != 0
        complete = error is None and not interruption.exit_code and not is_cut
        kept, went_through, fault = _settle_rejects(
            rejects_file, journal, replayed=replayed, complete=complete, from_plan=bool(saved)
        )
        error, complete = error or fault, complete and not fault
        code = interruption.exit_code or (0 if report.flawless else 1)
        doubts = journal.doubts()
        journal.note_limits(pace.limits())
        journal.end_run(
            ending(error)[1] if error else code, report.done, report.failed.counts.total()
        )
        journal.close()
        if journal.failure and (error is None or isinstance(error, JournalFailedError)):
            error = JournalFailedError(journal.failure)  # closed, it knows what became of it
    told.write(
        exit_code=code,
        error=error,
        calls=pace.calls,
        doubts=doubts,
        left=ended.left,
        rejects=kept_in(rejects, rejects_file, kept),
        unidentified=nobodys.as_data(),
    )
    if style == "text" and not quiet and (complete or report.records):
        _show(report, pace.calls, doubts, told.seconds, from_plan=bool(saved))
    _show_problems(report, nobodys, quiet=quiet)
    for line in _advice(
        rejects,
        rejects_file,
        report,
        kept,
        complete=complete,
        interrupted=bool(interruption.exit_code),
        from_plan=bool(saved),
        went_through=went_through,
        left=_left(ended, limit, "call" if saved else "record") if is_cut else None,
        quiet=quiet,
    ):
        click.echo(line, err=True)
    if error:
        raise error
    return code


@dataclass(frozen=True)
class _Run:
    """A push under way."""

    wootric: Wootric
    pace: Pace
    interruption: Interruption
    report: Report
    rejects: RejectsFile
    journal: Journal
    remembered: Mapping[str, float]
    """The limits that earlier runs were told, by endpoint."""
    is_stand_in: bool
    """Whether it is no account of Wootric's, but something on this machine that may have forgotten all."""
    find: Find | None
    """Looks an end user up; None takes Wootric to hold nobody."""
    is_snapshot: bool
    """Whether that takes no call."""
    workers: int
    unidentified: UnidentifiedFile
    quiet: bool
    rehearses: bool
    """Whether the warnings, and how many calls there are, are to be known before any is made."""
    shown: bool
    live: bool
    """Whether a bar may be drawn, rather than lines."""

    def go(
        self,
        saved: PlanFile | None,
        sources: list[Source],
        given: dict[str, Any],
        stack: ExitStack,
    ) -> "_Ending":
        """Send the saved plan, else the sources."""
        try:
            # Wrong credentials should not cost the time of reading a million records.
            self.wootric.sign_in()
            self.settle()
            return self.send_file(saved) if saved else self.send(sources, given, stack)
        except StoppedError:
            # What a signal ended may not have been read whole.
            left = None if self.interruption.exit_code else self.report.mapped
            return _Ending(None, left or None)
        except Exception as fatal:  # noqa: BLE001 - whatever it is, what was done is summed up first
            return _Ending(fatal, None)

    def settle(self) -> None:
        """Find out what became of the writes that an earlier run sent and got no answer to."""
        if self.is_stand_in and self.journal.knows_anybody:
            with suppress(CallFailedError):
                if is_another(self.journal, self.wootric.list_end_users(OLDEST)):
                    self.journal.begin_anew()
                    words = "This stand-in was started anew since the last push: so is its journal."
                    click.echo(words, err=True)
        settled = settle(self.journal, self.wootric.find)
        if any(settled) and not self.quiet:
            left = f", {settled.left:,} could not be looked up" if settled.left else ""
            click.echo(
                f"An earlier run left {plural(sum(settled), 'write')} without an answer: "
                f"{settled.arrived:,} had arrived, {settled.undone:,} had not{left}.",
                err=True,
            )

    def send(self, sources: list[Source], given: dict[str, Any], stack: ExitStack) -> "_Ending":
        """Plan the sources, and deliver the plan."""
        spool = stack.enter_context(Spool())
        report = self.report
        with reading_progress(sources, shown=self.shown, lines=True) as on_bytes:
            plan = plan_records(
                sources,
                options.reading(given),
                options.planning(given, keep_lines=True, retry_rejects=given["retry_rejects"]),
                spool,
                report,
                stdin=options.standard_input(),
                snapshot=self.find if self.is_snapshot else None,
                evidence=self.journal,
                rejects=self.rejects,
                history=self.journal,
                on_bytes=on_bytes,
            )
        registered = self._registered(has_tracks=plan.has_tracks)
        foreseen: Counter[str] | None = None
        if self.rehearses:
            with working("Counting the calls", shown=self.shown):
                foreseen = self._foresee(plan, registered)
        # From here on, to the end of the summing up, a signal only asks for a stop.
        self.interruption.hold()
        outcomes = deliver(
            plan,
            self.wootric,
            registered=registered,
            workers=self.workers,
            stop=self.interruption.stop,
            find=self.find,
            journal=self.journal,
        )
        asks = self.find is not None and not self.is_snapshot
        ended = self._take(outcomes, report.mapped, plan, foreseen, asks=asks)
        if not self.interruption.stop.is_set():
            self.unidentified.keep(plan)
        return ended

    def send_file(self, saved: PlanFile) -> "_Ending":
        """Deliver a plan that was saved."""
        calls = saved.counts.total()
        self.report.records = calls
        registered = self._registered(has_tracks=saved.has_tracks)
        foreseen = None
        if not self.quiet:
            with working("Counting the calls", shown=self.shown):
                foreseen = calls_left(saved, registered, self.journal)
        self.interruption.hold()
        outcomes = deliver_file(
            saved,
            self.wootric,
            registered=registered,
            workers=self.workers,
            stop=self.interruption.stop,
            journal=self.journal,
        )
        return self._take(outcomes, calls, saved, foreseen, asks=False)

    def _registered(self, *, has_tracks: bool) -> frozenset[str]:
        return self.wootric.registered_events() if has_tracks else frozenset()

    def _foresee(self, plan: Plan, registered: frozenset[str]) -> Counter[str]:
        """Note the warnings, and count the calls the plan takes: exactly, if nobody is to be asked."""
        find = self.find if self.is_snapshot else None
        asks = self.find is not None and not self.is_snapshot
        memory = self.journal if self.journal.remembers else None
        calls: Counter[str] = Counter()
        for each in rehearse(plan, registered, find, look_ups_are_free=True, memory=memory):
            if self.interruption.exit_code:
                raise StoppedError
            # Whoever the export does not name may still be known to the account.
            unknown = asks and isinstance(each.outcome.result, Skip) and each.look_ups > 0
            action = each.outcome.action
            if each.call is not None or unknown:
                calls[action] += 1
            elif each.is_unseen:
                calls["update"] += 1
            is_old = self.is_snapshot and plan.existing == "fill" and action == "update"
            calls["look_up"] += (each.look_ups if asks else 0) + (each.is_unseen or is_old)
            for ref, warning in each.warnings:
                self.report.warn(ref.source, ref.line, warning)
        return calls

    def _speed(self) -> Speed:
        return speed_of(self.pace, self.remembered)

    def _promise(
        self, progress: SendingProgress, foreseen: Counter[str] | None, *, asks: bool
    ) -> bool:
        """Say how many calls are to come, and how long they take."""
        if foreseen is not None:
            forecast = self._speed().forecast(foreseen)
            progress.say(promise(foreseen, forecast, at_most=asks or bool(foreseen["look_up"])))
        return True

    def _take(
        self,
        outcomes: Iterator[Outcome],
        total: int,
        plan: Plan | PlanFile,
        foreseen: Counter[str] | None,
        *,
        asks: bool,
    ) -> "_Ending":
        """Count the outcomes, and keep the records of those that failed."""
        error: Exception | None = None
        progress = SendingProgress(
            total,
            self.pace,
            unit="call" if isinstance(plan, PlanFile) else "record",
            agenda=None if foreseen is None else Agenda(foreseen, asks=asks),
            speed=self._speed,
        )
        promised = foreseen is None or self.quiet
        with (
            sending_progress(progress, total, shown=self.shown, lines=True, live=self.live),
            self.interruption.shown_by(progress.say),
        ):
            if self._speed().is_known or not (foreseen and foreseen.total()):
                promised = promised or self._promise(progress, foreseen, asks=asks)
            for outcome in outcomes:
                # The first reply tells the limit, where no run before was told it.
                promised = promised or self._promise(progress, foreseen, asks=asks)
                self.report.deliver(outcome)
                progress.add(outcome)
                try:
                    self._keep_failed(outcome, plan)
                except OSError as fatal:
                    # What can't be kept must not be sent; what is under way is still counted.
                    error = fatal
                    self.interruption.stop.set()
        return _Ending(error, max(total - progress.finished, 0))

    def _keep_failed(self, outcome: Outcome, plan: Plan | PlanFile) -> None:
        """Write the records of a failed delivery to the rejects file; note what goes through at last."""
        skip = outcome.result if isinstance(outcome.result, Skip) else None
        if self.journal.retries and (
            outcome.result is None or (skip and skip.code == "delivered_before")
        ):
            for ref in outcome.refs:
                self.journal.through(plan.raw(ref))
        if isinstance(outcome.result, Failure):
            for ref in outcome.refs:
                raw = plan.raw(ref)
                of_plan = {"account": plan.account} if isinstance(plan, PlanFile) else None
                self.rejects.fail(ref.source, ref.line, outcome.result, raw, outcome.key, of_plan)
                if of_plan:
                    continue
                if outcome.result.code == "refused":
                    self.journal.reject(raw, REFUSED)
                else:
                    self.journal.not_through(raw)


@dataclass(frozen=True)
class _Ending:
    """How a push ended."""

    error: Exception | None
    """What ended it early, if anything."""
    left: int | None
    """Records, or calls of a plan, that it has not come to; None where it was not yet known which."""


def _left(ended: _Ending, limit: float, unit: str) -> str:
    """Tell what a push has left that was stopped by `--max-duration`."""
    stopped = f"Stopped after {duration(limit)}, as --max-duration says"
    if ended.left is None:
        return f"{stopped}, before anything was sent. Run the same command again, with more time."
    return f"{stopped}: {plural(ended.left, unit)} left. Run the same command again to go on."


def _what_is_pushed(
    paths: tuple[str, ...], plan: Path | None
) -> tuple[tuple[str, ...], Path | None]:
    """Return the paths or the plan; the rejects of a plan are one, however they are named.

    Raises:
        click.UsageError: they don't go together with each other, or with an option.
    """
    if plan is None and len(paths) == 1 and holds_plan_lines(Path(paths[0])):
        plan, paths = Path(paths[0]), ()
    _check_use(paths, plan)
    return paths, plan


def _check_use(paths: tuple[str, ...], plan: Path | None) -> None:
    # What contradicts itself is said before anybody is asked anything.
    options.planning(click.get_current_context().params)
    if plan is None and not paths:
        raise click.UsageError("Missing argument 'PATHS...'.")
    if plan is None:
        return
    if paths:
        raise click.UsageError("--plan takes no PATHS: the plan says all that is sent")
    source = click.get_current_context().get_parameter_source
    for name in _NOT_WITH_PLAN:
        if source(name) is ParameterSource.COMMANDLINE:
            option = _SINGULAR.get(name, name)
            advice = "" if name == "retry_rejects" else ": give it to the dry-run"
            raise click.UsageError(
                f"--{option.replace('_', '-')} has no place beside --plan{advice}"
            )


_NOT_WITH_PLAN: Final = (
    "against", "no_fold", "link_anonymous", "since", "until", "types", "events", "users", "limit",
    "amount_suffix", "array_suffix", "typed_names", "ignore_integrations", "traits_from",
    "consent_categories", "retry_rejects", "min_age", "create_only", "fill_missing",
    "ignored_warnings", "unidentified",
)  # fmt: skip

_SINGULAR: Final = {
    "types": "type",
    "events": "event",
    "users": "user",
    "consent_categories": "consent_category",
    "ignored_warnings": "ignore_warning",
}
"""The options that may be given several times."""


def _uses_of_plan(path: Path | None) -> list[paths_of_run.Use]:
    """The plan that is pushed, if any; what was left of one gives way to what is left of that."""
    is_rejects = path is not None and holds_plan_lines(path)
    return files.read("--plan", path, gives_way_to="--rejects" if is_rejects else None)


def _plan_file(path: Path) -> PlanFile:
    """The plan, or what was left of one: the rejects of a push of it."""
    try:
        if holds_plan_lines(path):
            # It is read from the open file. So nothing of it is left, however the run ends.
            with tempfile.TemporaryDirectory(prefix="wootric-replay-") as folder:
                made = Path(folder, path.name)
                plan_of_rejects(path, made)
                return PlanFile(made)
        return PlanFile(path)
    except PlanFileError as error:
        raise click.UsageError(f"--plan: {error}") from error
    except OSError as error:
        raise click.UsageError(f"--plan {path}: {error.strerror or error}") from error


def _settle_rejects(
    rejects: RejectsFile, journal: Journal, *, replayed: bool, complete: bool, from_plan: bool
) -> tuple[Path | None, bool, OSError | None]:
    """Put the rejects file in its place.

    Returns:
        Where the one before is now; whether all that is in the one of an earlier run that still stands
        there has gone through since; and why the file could not be put there, if it could not.
    """
    try:
        kept = rejects.finish(replayed=replayed, complete=complete)
    except OSError as error:
        rejects.discard()
        why = f"{error.strerror or error}; to have the rejects written anew, push with --retry-rejects"
        return None, False, OSError(error.errno, why, error.filename)
    if complete and not from_plan:
        journal.end_retries()
    return kept, rejects.is_left_over and rejects.all_lines(journal.went_through), None


def _show(
    report: Report, calls: int, doubts: int, seconds: float, *, from_plan: bool = False
) -> None:
    """The summary table."""
    done = report.done
    unidentified = summary.reasons(report)
    rows = (
        ("Calls planned", report.records, "")
        if from_plan
        else ("Records", report.records, f"{report.mapped:,} mapped"),
        ("Created", done["create"], "end users"),
        ("Updated", done["update"], "end users"),
        ("Unchanged", done["unchanged"], "end users"),
        *([("Left as they are", done["left"], "end users who differ")] if done["left"] else ()),
        ("Eligibility checks", done["eligibility_check"], ""),
        ("Page views", done["page_view"], ""),
        ("Skipped", report.skipped.counts.total(), summary.codes(report.skipped)),
        *(
            [("Delivered before", report.delivered_before, "of these, by an earlier run")]
            if report.delivered_before
            else ()
        ),
        *([("Unidentified", report.unidentified.total(), unidentified)] if unidentified else ()),
        ("Rejected", report.rejected.counts.total(), summary.codes(report.rejected)),
        ("Failed", report.failed.counts.total(), summary.codes(report.failed)),
        *(
            [("In doubt", doubts, "sent by this run or an earlier one, never answered")]
            if doubts
            else ()
        ),
        ("API calls", calls, f"look-ups included, in {duration(seconds)}"),
    )
    for line in summary.table(rows, streams.width_of(sys.stdout)):
        click.echo(line)
    for lines in (
        summary.eligible(report),
        summary.unregistered(report),
        summary.passed_over(report.passed_over),
    ):
        for line in lines:
            click.echo(line)


def _show_problems(report: Report, nobodys: UnidentifiedFile, *, quiet: bool) -> None:
    lines = [
        *summary.matching_nothing(report),
        *summary.findings("Rejected", report.rejected, "red"),
        *summary.findings("Failed", report.failed, "red"),
    ]
    if not quiet:
        lines += (*summary.warnings(report.shown_warnings), *nobodys.lines())
    for line in lines:
        click.echo(line, err=True)


def _advice(
    path: Path,
    rejects: RejectsFile,
    report: Report,
    kept: Path | None,
    *,
    complete: bool,
    interrupted: bool,
    from_plan: bool,
    went_through: bool,
    left: str | None,
    quiet: bool,
) -> Iterator[str]:
    """What to do next; where all is well, a quiet run says nothing."""
    # Of a window that is too short for anything to be sent, somebody has to hear.
    if quiet and report.flawless and (complete or (left and report.api_calls)):
        return
    name = printable(str(path))
    if kept:
        yield f"The {name} that was there before is now {printable(str(path.with_name(kept.name)))}."
    if rejects.count:
        yield f"{plural(rejects.count, 'record')} kept in {name}."
    if left:
        yield left
    elif interrupted and not report.records:
        yield "Interrupted before anything was sent."
    elif not complete and report.records and not (report.api_calls or report.failed.counts):
        yield "The run did not finish, and has sent nothing. Run the same command again."
    elif not complete and report.records:
        yield _UNFINISHED
    elif rejects.count and from_plan:
        yield (
            "Push that file, as it is or once it is mended; or make a new plan, with --against account, for "
            "what did not go through."
        )
    elif rejects.count:
        yield f"Mend {by_number(rejects.count, 'it', 'them')} there, then push that file."
        doubtful = report.failed.counts["in_doubt"]
        if doubtful:
            they, are = by_number(doubtful, "it", "they"), by_number(doubtful, "is", "are")
            of_them = by_number(rejects.count, "It is", f"{doubtful:,} of them {are}")
            yield (
                f"{of_them} in doubt: sent, but never answered. Pushed again {they} {are} left "
                f"out, unless with --in-doubt resend; {they} may count twice then."
            )
    elif report.skipped.counts["in_doubt"]:
        doubtful = report.skipped.counts["in_doubt"]
        they, them = by_number(doubtful, "it", "they"), by_number(doubtful, "it", "them")
        yield (
            f"{plural(doubtful, 'record')} left out in doubt: an earlier run sent {them}, and got no answer. "
            f"--in-doubt resend sends {them} again; {they} may count twice then."
        )
    elif went_through:
        yield f"{name} is of an earlier run; each of its records has gone through since, so that it may go."
    elif complete and rejects.is_left_over:
        yield (
            f"{name} is of an earlier run, and holds what that run could not send: mend it and push it, or "
            "delete it once nothing in it is wanted."
        )


def _rejects_file(path: Path, keep: int, sources: list[Source]) -> RejectsFile:
    """The rejects file; what is pushed is never deleted as one that is too old."""
    try:
        return RejectsFile(path, keep=keep, spare=(each.path for each in sources if each.path))
    except OSError as error:
        raise click.UsageError(f"--rejects: {error}") from error
