"""Push: send an export's history, or a saved plan, to Wootric, nothing twice."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wootric_map import run_files
from wootric_map.account import Account, Connect, connected, opened, uses_of_login
from wootric_map.account_list import account_walk, kept_list
from wootric_map.checks.checks import Checks, CheckSettings, Verdict
from wootric_map.comparison import AUTO, NOTHING, snapshot_of, snapshot_path
from wootric_map.deliver import journal_place
from wootric_map.deliver.account_lock import JournalSettings, account_journal
from wootric_map.deliver.account_view import AccountView
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.known_end_users import KnownEndUsers
from wootric_map.deliver.push_observer import ForetoldCalls, Preview, PushObserver
from wootric_map.deliver.replay import Ending, Replay
from wootric_map.deliver.teams import beside
from wootric_map.deliver.workers import GRACE
from wootric_map.errors import (
    JournalFailedError,
    UnfitSettingsError,
    exit_code_of,
)
from wootric_map.export import find_sources, reading_of, stream_of
from wootric_map.mapping.entries import ReadingOptions
from wootric_map.plan.plan_file import PlanFile
from wootric_map.plan.plan_rejects import holds_plan_lines
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import Source
from wootric_map.rejects import REJECTS, KeptRecords, RejectsFile, TakesFailed
from wootric_map.replay_settings import ReplaySettings, check_choice, plan_options
from wootric_map.report import Report
from wootric_map.saved_plan import open_plan, uses_of_plan
from wootric_map.stopping import Stop, time_limit
from wootric_map.unidentified_file import UnidentifiedFile
from wootric_map.wootric.client import Wootric
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.regions import account_fingerprint

if TYPE_CHECKING:
    from wootric_map.snapshot.snapshot_reader import SnapshotReader


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSettings(ReplaySettings):
    """What is sent, to which account, and what is kept."""

    against: str = AUTO
    """What the plan is compared with: the account, known with the fewest calls (`auto`) or with a look-up for
    each end user (`account`); `nothing`; or a snapshot's path."""
    plan: Path | None = None
    """A plan that a dry run has saved, or its rejects, to be sent in place of `paths`."""
    journal: JournalSettings = field(default_factory=JournalSettings)
    """Where the journal stands; an embedded sandbox has one for the run alone."""
    rejects: Path = REJECTS
    """The file for rejected records and failed deliveries; written only if there are any."""
    keep_rejects: int = 5
    """How many rejects files of earlier runs are kept under numbers; and how many of `unidentified`."""
    max_duration: float | None = None
    """Seconds after which the run stops; what is left is for the next run."""
    events_first: bool = False
    """Whether the end users with events are dealt with first; else events wait for all writes, as far as they
    would hold these up."""
    grace: float = GRACE
    """Seconds that calls under way may take to finish once the push is told to stop."""
    preview: Preview = field(default_factory=lambda: Preview(calls=True, warnings=True))
    """What is to be known before the first call, which takes a further pass through the plan."""
    checks: CheckSettings = field(default_factory=CheckSettings)
    """What keeps the push from sending anything, or makes it fail; not for a saved plan."""

    def __post_init__(self) -> None:
        check_choice(self)
        if self.plan and self.paths:
            raise UnfitSettingsError("--plan takes no PATHS: the plan says all that is sent")
        if not (self.plan or self.paths):
            raise UnfitSettingsError("there is nothing to send: name paths, or a plan")
        if self.account.sandbox and self.journal.path:
            raise UnfitSettingsError(
                "--journal has no place beside --sandbox, which holds nobody at first"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """The result of a push, however it ended."""

    report: Report
    """The counts of the records."""
    error: Exception | None
    """The exception that ended the push early; None if there was none."""
    stopped_with: int
    """The exit code of a requested stop; 0 if no stop was requested."""
    out_of_time: bool
    """Whether `max_duration` has ended the push."""
    is_complete: bool
    """Whether the push has come to its end."""
    calls: int
    """The number of calls, with look-ups and failed tries."""
    foretold: ForetoldCalls | None
    """The calls that were foretold; None if nobody asked for that, or it did not come to that."""
    doubts: int
    """The number of deliveries of all runs that were sent and not answered."""
    left: int | None
    """Records, or calls of a saved plan, that were not dealt with; None if their number is not known."""
    rejects: KeptRecords
    """The rejects file."""
    went_through: bool
    """Whether all records in the rejects file of an earlier run have gone through since."""
    unidentified: KeptRecords | None
    """The file of unidentified records; None if none is asked for, or the push was cut short."""
    from_plan: bool
    """Whether a saved plan was sent."""
    verdict: Verdict
    """Whether the push passes."""

    @property
    def exit_code(self) -> int:
        """The exit code of the command line."""
        if self.error:
            return exit_code_of(self.error)
        return self.stopped_with or self.verdict.exit_code

    def raise_for_error(self) -> None:
        """Raise `error`, if there is one."""
        if self.error:
            raise self.error


def what_is_pushed(paths: Sequence[str], plan: Path | None) -> tuple[Sequence[str], Path | None]:
    """Return the paths and the plan to push; the rejects of a saved plan count as a plan."""
    if plan is None and len(paths) == 1 and holds_plan_lines(Path(paths[0])):
        return (), Path(paths[0])
    return paths, plan


class _Opened(NamedTuple):
    """What a push has opened before its first call."""

    replay: Replay
    sources: list[Source]
    reading: ReadingOptions
    saved: PlanFile | None
    replaces: bool
    """Whether a rejects file is read that the run replaces."""
    stack: ExitStack


class Push:
    """Sends an export's history, or a saved plan, to Wootric.

    One end user's calls are made in order. A journal keeps what was delivered, so that the push, run again,
    goes on where it stopped, also after a crash, and sends nothing twice.
    """

    def __init__(
        self,
        settings: PushSettings,
        *,
        observer: PushObserver | None = None,
        stop: Stop | None = None,
        stdin: ByteStream | None = None,
        connect: Connect = connected,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        also_written: Sequence[run_files.Use] = (),
    ) -> None:
        """Send nothing yet.

        Args:
            settings: what is sent, and to which account.
            observer: is told how far the push has come.
            stop: tells the push to stop.
            stdin: standard input, if the settings name it.
            connect: makes a client of the account.
            clock: returns the unix time.
            monotonic: returns seconds by a clock that is never set.
            also_written: files that the caller writes; none of them may be read.
        """
        paths, plan = what_is_pushed(settings.paths, settings.plan)
        self._settings = replace(settings, paths=paths, plan=plan)
        self._observer = observer or PushObserver()
        self._stop = stop or Stop()
        self._stdin = stdin
        self._connect = connect
        self._clock = clock
        self._monotonic = monotonic
        self._also_written = also_written
        self.report = Report(ignored_warnings=settings.ignored_warnings)
        """The counts of the records up to now."""
        self.checks = Checks(settings.checks)
        """Judges what was found up to now."""

    def run(self) -> PushResult:
        """Push, and return the result, also if an exception has ended the calls early.

        Raises:
            SettingsError: the settings can't be right.
            SourceError: a path is missing, can't be read, or is no export; or the journal can't be used.
            LockedError: another run is at work on the account.
            JournalFailedError: there is no place for the account's lock.
        """
        settings, stop = self._settings, self._stop
        begun = self._monotonic()
        with ExitStack() as stack:
            opened = self._open(stack)
            replay, journal = opened.replay, opened.replay.journal
            limit = settings.max_duration
            passed = self._monotonic() - begun
            seconds = None if limit is None else max(limit - passed, 0.0)
            with time_limit(seconds, stop.event) as time_is_up:
                ended = replay.run(lambda: self._deliver(opened))
            is_cut = time_is_up() and not stop.exit_code and ended.left != 0
            complete = ended.error is None and not stop.exit_code and not is_cut
            rejects, went_through, fault = self._finish_rejects(opened, complete=complete)
            result = PushResult(
                report=self.report,
                error=ended.error or fault,
                stopped_with=stop.exit_code,
                out_of_time=is_cut,
                is_complete=complete and not fault,
                calls=0,
                foretold=ended.foretold,
                doubts=journal.deliveries.in_doubt(),
                left=ended.left,
                rejects=rejects,
                went_through=went_through,
                unidentified=replay.unidentified.kept,
                from_plan=opened.saved is not None,
                verdict=self.checks.verdict(self.report),
            )
            journal.runs.note_limits(replay.pace.limits())
            failed = self.report.failed.counts.total()
            journal.runs.end(result.exit_code, self.report.done, failed)
            journal.close()
            error = result.error
            if journal.failure and (error is None or isinstance(error, JournalFailedError)):
                error = JournalFailedError(journal.failure)  # known once it is closed
        return replace(result, error=error, calls=replay.calls)

    def _open(self, stack: ExitStack) -> _Opened:
        """Open all that the push needs; the stack closes it."""
        settings, report, stop = self._settings, self.report, self._stop
        connection = settings.connection
        settings.planning.check_last_surveyed(self._clock())
        self.checks.open()
        sources, used, replaces = self._find_sources()
        reading = reading_of(settings)
        also = self.checks if settings.checks.looks_at_records else None
        rejects = stack.enter_context(_rejects_file(settings, used, also))
        unidentified = stack.enter_context(
            UnidentifiedFile(settings.unidentified, report, used, keep=settings.keep_rejects)
        )
        saved = None
        if settings.plan:
            saved = stack.enter_context(open_plan(settings.plan, reading.suppression))
        account = stack.enter_context(opened(settings.account))
        if saved is not None and saved.account not in (None, account_fingerprint(account.token)):
            raise UnfitSettingsError(f"--plan {settings.plan}: it was made for another account")
        snapshot = stack.enter_context(snapshot_of(settings.against, account.token))
        stack.enter_context(stop)
        journal = stack.enter_context(self._journal(account, snapshot))
        pace = Pace(connection.rate, wait=stop.wait, reserve=connection.reserve)
        connections = settings.workers + beside(settings.workers)
        client = self._connect(account, pace, connection, connections=connections)
        wootric = stack.enter_context(client)
        replay = Replay(
            wootric=wootric,
            pace=pace,
            stop=stop,
            observer=self._observer,
            report=report,
            rejects=rejects,
            unidentified=unidentified,
            journal=journal,
            earlier_limits=journal.runs.limits(),
            is_stand_in=account.services.is_stand_in,
            account=self._view(account, wootric, snapshot, stack),
            workers=settings.workers,
            grace=settings.grace,
            preview=settings.preview,
            hold=partial(self.checks.hold, report) if settings.checks.may_hold else None,
            events_first=settings.events_first,
        )
        return _Opened(replay, sources, reading, saved, replaces, stack)

    def _view(
        self,
        account: Account,
        wootric: Wootric,
        snapshot: "SnapshotReader | None",
        stack: ExitStack,
    ) -> AccountView:
        """Return what the plan is compared with; the stack closes it."""
        settings = self._settings
        if snapshot:
            return AccountView(find=snapshot.find, is_snapshot=True)
        if settings.against == NOTHING:
            return AccountView()
        if settings.against != AUTO or settings.plan:
            return AccountView(find=wootric.find)
        known = stack.enter_context(closing(KnownEndUsers()))
        kept = None if settings.account.sandbox else kept_list(account, settings.journal.path)
        walk = account_walk(
            account, wootric, known, self._stop, clock=self._clock, kept=kept, writes=True
        )
        return AccountView(find=wootric.find, known=known, walk=walk)

    def _find_sources(self) -> tuple[list[Source], list[Path], bool]:
        """Return what is read, all files of the run, and whether a rejects file is read that it replaces.

        Raises:
            OneFileError: the run would use a file in two ways that exclude each other.
        """
        settings = self._settings
        written = run_files.written(rejects=settings.rejects, unidentified=settings.unidentified)
        account = settings.account
        kept_files = []
        if not account.sandbox:
            kept_files = journal_place.uses(
                account.account_token, account.base_url, settings.journal.path, writes=True
            )
        own = [*written.values(), *settings.checks.uses(), *self._also_written, *kept_files]
        sources = find_sources(
            settings,
            self.report.passed_over,
            stdin=self._stdin,
            clock=self._clock,
            leave_out=[*settings.checks.baselines, *run_files.left_out(own)],
        )
        uses = [
            *run_files.uses_of_sources(sources, written["rejects"]),
            *run_files.uses_of_lists(settings.suppress),
            *uses_of_plan(settings.plan),
            *run_files.read("--against", snapshot_path(settings.against)),
            *uses_of_login(account, settings.connection),
            *own,
        ]
        replaces = run_files.check(uses)
        return sources, [each.place.path for each in uses], replaces

    def _deliver(self, opened: _Opened) -> Ending:
        settings, replay = self._settings, opened.replay
        if opened.saved is not None:
            return replay.deliver_plan(opened.saved)
        options = plan_options(settings, keep_lines=True)
        stdin = stream_of(self._stdin)
        reading = opened.reading
        return replay.deliver_export(opened.sources, reading, options, stdin, opened.stack)

    def _journal(
        self, account: Account, snapshot: "SnapshotReader | None"
    ) -> AbstractContextManager[Journal]:
        if self._settings.account.sandbox:
            return Journal.temporary()
        return account_journal(
            account.token,
            account.services,
            self._settings.journal,
            wait=self._stop.wait,
            since=snapshot.as_of if snapshot else None,
            on_waiting=self._observer.waiting_for_run,
            clock=self._clock,
            monotonic=self._monotonic,
        )

    def _finish_rejects(
        self, opened: _Opened, *, complete: bool
    ) -> tuple[KeptRecords, bool, OSError | None]:
        """Put the rejects file in its place.

        Returns:
            The file; whether all records in a file of an earlier run have gone through since; and why the
            file can't be put in its place, or None.
        """
        rejects, history = opened.replay.rejects, opened.replay.journal.rejects
        path = self._settings.rejects
        try:
            before = rejects.finish(replayed=opened.replaces, complete=complete)
        except OSError as error:
            rejects.discard()
            why = f"{error.strerror or error}; to have the rejects written anew, push with --retry-rejects"
            return rejects.kept(path, None), False, OSError(error.errno, why, error.filename)
        if complete and opened.saved is None:
            history.end_retries()
        kept = rejects.kept(path, before)
        return kept, kept.is_left_over and rejects.all_lines(history.went_through), None


def _rejects_file(
    settings: PushSettings, used: Sequence[Path], also: TakesFailed | None
) -> RejectsFile:
    """Return the rejects file, which never deletes a file of the push as too old."""
    try:
        return RejectsFile(settings.rejects, keep=settings.keep_rejects, spare=used, also=also)
    except OSError as error:
        raise UnfitSettingsError(f"--rejects: {error}") from error
