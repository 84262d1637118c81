"""DryRun: what a push would change, field by field, sending nothing."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wootric_map import run_files
from wootric_map.account import Connect, connected, opened, uses_of_login
from wootric_map.checks.checks import Checks, CheckSettings
from wootric_map.comparison import ACCOUNT, AUTO, name_of, snapshot_of, snapshot_path
from wootric_map.deliver import journal_place
from wootric_map.deliver.forecast import Speed, by_kind, speed_of
from wootric_map.deliver.knowledge import Knowledge
from wootric_map.deliver.ways import Account, StepCounter
from wootric_map.diff import Changes, Compared, Diff, EndUserChange, shown
from wootric_map.errors import JournalError, SettingsError, StoppedError, UnfitSettingsError
from wootric_map.export import ReadingObserver, find_sources, reading_of, stream_of
from wootric_map.plan.engine.names import Tally
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.plan import Plan
from wootric_map.plan.plan_writer import PlanWriter
from wootric_map.plan.planning import intake_workers, plan_records
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import Source
from wootric_map.rejects import REJECTS, KeptRecords
from wootric_map.replay_settings import ReplaySettings, check_choice, plan_options
from wootric_map.report import Report
from wootric_map.stopping import Stop
from wootric_map.unidentified_file import UnidentifiedFile
from wootric_map.wootric.regions import account_fingerprint

if TYPE_CHECKING:
    from wootric_map.deliver.journal import Journal

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunSettings(ReplaySettings):
    """What is compared, with what, and what is kept."""

    processes: int = 1
    """How many processes read a large export side by side."""
    out: Path | None = None
    """Where to save the plan, for `PushSettings.plan`."""
    subtract_delivered: bool = False
    """Whether to subtract what the account's journal says is delivered: what the next push would do."""
    journal: Path | None = None
    """A journal whose deliveries are subtracted, in place of the account's own."""
    registered_events: tuple[str, ...] = ()
    """The registered events, letter for letter; if there are none, all events count."""
    checks: CheckSettings = field(default_factory=CheckSettings)
    """What makes the check fail."""

    def __post_init__(self) -> None:
        check_choice(self)


class DryRun:
    """Compares an export with what an account holds, or with nothing."""

    def __init__(
        self,
        settings: DryRunSettings,
        *,
        observer: ReadingObserver | None = None,
        stop: Stop | None = None,
        stdin: ByteStream | None = None,
        connect: Connect = connected,
        clock: Callable[[], float] = time.time,
        also_written: Sequence[run_files.Use] = (),
    ) -> None:
        """Read nothing yet.

        Args:
            settings: what is compared, and with what.
            observer: is told how much has been read.
            stop: tells the run to stop.
            stdin: standard input, if the settings name it.
            connect: makes a client of the account, if it is asked.
            clock: returns the unix time.
            also_written: files that the caller writes; none of them may be read.
        """
        self._settings = settings
        self._observer = observer or ReadingObserver()
        self._stop = stop or Stop()
        self._stdin = stdin
        self._connect = connect
        self._clock = clock
        self._also_written = also_written
        self.report = Report(ignored_warnings=settings.ignored_warnings)
        """The counts up to now."""
        self.checks = Checks(settings.checks)
        """Judges what was found up to now."""

    def compare(self) -> "AbstractContextManager[Diff[EndUserChange]]":
        """Return a context that plans, and gives what would change; exceptions as in `compare_shown`."""
        return self.compare_shown(_as_it_is)

    @contextmanager
    def compare_shown(self, show: Callable[[EndUserChange], T]) -> "Iterator[Diff[T]]":
        """Plan, and give what would change.

        The plan is saved if the context ends without an exception, and no threshold is exceeded.

        Args:
            show: returns what is shown of an end user; it may be called in several processes.

        Raises:
            SettingsError: the settings can't be right.
            SourceError: a path is missing or can't be read, or is no export.
            StoppedError: the run was told to stop.
            WootricError: the account can't be asked.
        """
        settings, report = self._settings, self.report
        surveyed = settings.planning.last_surveyed
        settings.planning.check_last_surveyed(self._clock())
        self.checks.open()
        sources, used = self._find_sources()
        stopped: StoppedError | None = None
        with ExitStack() as stack:
            stop = stack.enter_context(self._stop)
            unidentified = stack.enter_context(
                UnidentifiedFile(settings.unidentified, report, used)
            )
            try:
                plan, compared, saved = self._plan(sources, stop, stack)
                tally = Tally(plan.spool.names)
                steps = StepCounter(plan.existing)
                change = partial(shown, show=show, ignored=report.ignored_warnings)
                changes = Changes(plan, report, tally, steps, change)
                if compared.is_about_end_users or saved or not settings.planning.fold:
                    workers = settings.workers if compared.asks else 1
                    found = changes.rehearsed(compared, saved, workers)
                else:
                    found = changes.overviewed(compared.registered, settings.processes)
                keep = partial(_keep, unidentified, plan)
                yield Diff(found, report, tally, compared, steps, keep, last_surveyed=surveyed)
                self.checks.finish(report)
                if saved and not self.checks.verdict(report).exceeded:
                    saved.finish()
            except StoppedError as error:
                stopped = error  # after the stop's context, which would treat it as a signal
        if stopped:
            raise stopped

    def _find_sources(self) -> tuple[list[Source], list[Path]]:
        """Return what is read, and all files of the run.

        Raises:
            OneFileError: the run would use a file in two ways that exclude each other.
        """
        settings, account = self._settings, self._settings.account
        own = run_files.written(out=settings.out, unidentified=settings.unidentified)
        written = [*own.values(), *settings.checks.uses(), *self._also_written]
        journal = journal_place.uses(
            account.account_token, account.base_url, settings.journal, writes=False
        )
        sources = find_sources(
            settings,
            self.report.passed_over,
            stdin=self._stdin,
            clock=self._clock,
            leave_out=(REJECTS, *settings.checks.baselines, *run_files.left_out(written)),
        )
        uses = [
            *run_files.uses_of_sources(sources),
            *run_files.uses_of_lists(settings.suppress),
            *run_files.read("--against", snapshot_path(settings.against)),
            *uses_of_login(account, settings.connection),
            *written,
            *run_files.read("push's --rejects", REJECTS),
            *journal,
        ]
        run_files.check(uses)
        return sources, [each.place.path for each in uses]

    def _plan(
        self, sources: list[Source], stop: Stop, stack: ExitStack
    ) -> tuple[Plan, Compared, PlanWriter | None]:
        settings, reading = self._settings, reading_of(self._settings)
        options = plan_options(settings, keep_lines=settings.unidentified is not None)
        looks = settings.checks.looks_at_records
        # The workers are forked before any thread is started.
        with intake_workers(
            sources, reading, options, processes=settings.processes, keep_rejected=looks
        ) as workers:
            compared = _Comparison(
                settings, self._connect, stop, stack, self._observer, self._clock
            ).opened()
            memory = compared.memory
            spool = stack.enter_context(Spool())
            saved = None
            if settings.out:
                fills = options.existing == "fill"
                tells = options.rules.derives
                rule = options.rules.identity.external_id_from
                writer = _plan_file(
                    settings.out, compared, settings.against, fills=fills, tells=tells, rule=rule
                )
                saved = stack.enter_context(writer)
            with self._observer.reading(sources) as on_bytes:
                plan = plan_records(
                    sources,
                    reading,
                    options,
                    spool,
                    self.report,
                    stdin=stream_of(self._stdin),
                    workers=None if memory else workers,
                    snapshot=None if compared.asks else compared.find,
                    evidence=memory.claims if memory else None,
                    histories=memory.histories if memory else None,
                    rejects=self.checks if looks else None,
                    history=memory.rejects if memory else None,
                    on_bytes=on_bytes,
                )
        if memory:
            memory.note_external_id(plan.external_id_from)
        if saved and plan.derives:
            saved.tell(plan.told())
        return plan, compared.complete(plan), saved


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Opens what a plan is compared with."""

    settings: DryRunSettings
    connect: Connect
    stop: Stop
    stack: ExitStack
    """Closes what was opened."""
    observer: ReadingObserver
    clock: Callable[[], float]
    """Returns the unix time."""

    def opened(self) -> Compared:
        """Return what the settings name; sign in if that is the account."""
        settings = self.settings
        names, asks = settings.registered_events, settings.against in {ACCOUNT, AUTO}
        if names and (settings.account.sandbox or asks):
            beside = "--sandbox" if settings.account.sandbox else f"--against {settings.against}"
            raise UnfitSettingsError(
                f"--registered-event has no place beside {beside}, which is asked for them"
            )
        return self._account() if asks else self._snapshot_or_nothing()

    def _snapshot_or_nothing(self) -> Compared:
        settings, connection = self.settings, self.settings.connection
        token, names = settings.account.account_token, settings.registered_events
        registered = frozenset(names) if names else None
        if settings.account.sandbox:
            from wootric_map import embedded_sandbox

            running = self.stack.enter_context(embedded_sandbox.running())
            registered = embedded_sandbox.registered_events(running)
        snapshot = self.stack.enter_context(snapshot_of(settings.against, token))
        memory = self._memory(snapshot.as_of if snapshot else None)
        fingerprint = account_fingerprint(token) if token else snapshot and snapshot.account
        speed = Speed(connection.rate, connection.reserve, remembered=by_kind(self._limits(memory)))
        compared = Compared(None, registered, False, fingerprint, memory, lambda: speed)
        if snapshot is None:
            return compared
        return replace(
            compared,
            find=snapshot.find,
            knowledge=Knowledge.whole(snapshot.find, _met(memory)),
            holds=Account(holds=len(snapshot)),
        )

    def _account(self) -> Compared:
        from wootric_map.wootric.pace import Pace

        settings, connection = self.settings, self.settings.connection
        memory = self._memory(None)
        limits = self._limits(memory)
        account = self.stack.enter_context(opened(settings.account))
        pace = Pace(connection.rate, wait=self.stop.wait, reserve=connection.reserve)
        client = self.connect(account, pace, connection, connections=settings.workers)
        wootric = self.stack.enter_context(client)
        wootric.sign_in()
        compared = Compared(
            wootric.find,
            wootric.registered_events(),
            True,
            account_fingerprint(account.token),
            memory,
            lambda: speed_of(pace, limits),
            Knowledge.none(_met(memory)),
            surveys=wootric.list_surveys,
            looks_up_each=True,
            holds=Account(is_whole=False, holds=None),
        )
        if settings.against == ACCOUNT:
            return compared
        from wootric_map.listed_account import ListedAccount

        listed = ListedAccount(
            account, wootric, self.stop, self.observer, self.clock, settings.journal
        )
        return replace(compared, completed=self.stack.enter_context(listed).know)

    def _memory(self, since: float | None) -> "Journal | None":
        """Open a copy of the journal whose deliveries are subtracted; return None if there is none.

        Args:
            since: as in `Journal.open`.
        """
        settings = self.settings
        if not (settings.subtract_delivered or settings.journal):
            return None
        from wootric_map.deliver.journal import Journal

        account = journal_place.account_of(
            settings.account.account_token, settings.account.base_url
        )
        if settings.subtract_delivered and account is None:
            raise UnfitSettingsError(
                "--next: which account? set WOOTRIC_ACCOUNT_TOKEN, or add --journal FILE"
            )
        path = journal_place.place(account or "", settings.journal)
        if not (settings.journal or path.exists()):
            return None  # nothing has been pushed to the account
        return self.stack.enter_context(Journal.copied(path, account, since=since))

    def _limits(self, memory: "Journal | None") -> Mapping[str, float]:
        """Return the limits that replies told earlier pushes, in calls a minute by endpoint."""
        if memory:
            return memory.runs.limits()
        named = self.settings.account
        if not named.account_token:
            return {}
        from wootric_map.deliver.journal_contents import contents

        # A journal that can't be read only makes the forecast less exact.
        with suppress(JournalError, SettingsError):
            account = journal_place.account_of(named.account_token, named.base_url)
            assert account  # noqa: S101 - there is a token
            found = contents(journal_place.place(account, None), runs=0).limits
            return {name: inf if limit is None else limit for name, limit in found.items()}
        return {}


def _met(memory: "Journal | None") -> Callable[[int], bool]:
    """Return what tells whether any run has met an end user."""
    return memory.end_users.has_met if memory else lambda _: False


def _as_it_is(change: EndUserChange) -> EndUserChange:
    return change


def _keep(file: UnidentifiedFile, plan: Plan) -> KeptRecords | None:
    file.keep(plan)
    return file.kept


def _plan_file(
    out: Path, compared: Compared, against: str, *, fills: bool, tells: bool, rule: str | None
) -> PlanWriter:
    account, name = compared.account, name_of(against)
    try:
        return PlanWriter(
            out, account=account, against=name, fills=fills, tells=tells, external_id_from=rule
        )
    except OSError as error:
        raise UnfitSettingsError(f"--out {out}: {error.strerror or error}") from error
