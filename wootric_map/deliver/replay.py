"""Delivering what a push has opened: an export, planned first, or a saved plan."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from typing import Literal, NamedTuple

from wootric_map.deliver.delivery import calls_left, deliver, deliver_file
from wootric_map.deliver.doubts import OLDEST, Settled, is_another, settle
from wootric_map.deliver.forecast import Agenda, Forecast, Speed, speed_of
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.rehearse import rehearse
from wootric_map.deliver.run_lock import Holder
from wootric_map.errors import CallFailedError, StoppedError
from wootric_map.export import ReadingObserver
from wootric_map.mapping.entries import ReadingOptions
from wootric_map.model import Failure, Outcome, Skip
from wootric_map.plan.earlier_rejects import REFUSED
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.plan import Plan, PlanOptions
from wootric_map.plan.plan_file import PlanFile
from wootric_map.plan.planning import plan_records
from wootric_map.plan.steps import Find
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import Source
from wootric_map.rejects import RejectsFile
from wootric_map.report import Report
from wootric_map.stopping import Stop
from wootric_map.unidentified_file import UnidentifiedFile
from wootric_map.wootric.client import Wootric
from wootric_map.wootric.pace import Pace


@dataclass(frozen=True, slots=True)
class Sending:
    """What is about to be sent."""

    total: int
    """Records, or calls of a plan, that will be dealt with."""
    unit: Literal["record", "call"]
    """What one of them is."""
    pace: Pace
    """Tells how many calls there were, and what they wait for."""
    agenda: Agenda | None
    """The calls that were foreseen; None where nobody asked for that."""
    speed: Callable[[], Speed]
    """Tells how fast calls may go."""


class PushObserver(ReadingObserver):
    """Is told how far a push has come; does nothing unless a subclass does."""

    def waiting_for_run(self, holder: Holder) -> None:
        """Take note that the push waits for another run on the account to end."""

    def began_anew(self) -> None:
        """Take note that a stand-in has forgotten everybody, so that its journal does, too."""

    def settled(self, settled: Settled) -> None:
        """Take note of what became of the writes that an earlier run sent and got no answer to."""

    def counting_calls(self) -> AbstractContextManager[None]:
        """Return a context for the counting of the calls that are to be made."""
        return nullcontext()

    def sending(self, sending: Sending) -> AbstractContextManager[None]:
        """Return a context for the calls."""
        return nullcontext()

    def foretold(self, calls: Mapping[str, int], forecast: Forecast, *, at_most: bool) -> None:
        """Take note of how many calls are to come, and how long they take.

        Args:
            calls: how many of each kind.
            forecast: of these.
            at_most: whether fewer may turn out to do.
        """

    def delivered(self, outcome: Outcome) -> None:
        """Take note of what became of a call."""

    def failed(self, raw: bytes) -> None:
        """Take note of a record that failed.

        Args:
            raw: its line.
        """


class Ending(NamedTuple):
    """How a delivery ended."""

    error: Exception | None
    """What ended it early, if anything."""
    left: int | None
    """Records, or calls of a plan, that it has not come to; None where it was not yet known which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """What is to be known before the first call."""

    calls: bool
    """How many calls there are, and how long they take; the observer is told."""
    warnings: bool
    """What a person should know of each call; the report is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A push under way: all that it has opened."""

    wootric: Wootric
    pace: Pace
    stop: Stop
    observer: PushObserver
    report: Report
    rejects: RejectsFile
    unidentified: UnidentifiedFile
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
    grace: float
    """Seconds that calls under way may take to finish once the push is told to stop."""
    foresight: Foresight

    def go(self, deliver_all: Callable[[], Ending]) -> Ending:
        """Sign in, settle what is in doubt, and deliver; return how that ended, whatever it was.

        Args:
            deliver_all: delivers what there is, by `send` or `send_file`.
        """
        try:
            # Wrong credentials should not cost the time of reading a million records.
            self.wootric.sign_in()
            self._settle()
            return deliver_all()
        except StoppedError:
            # What a signal ended may not have been read whole.
            left = None if self.stop.exit_code else self.report.mapped
            return Ending(None, left or None)
        except Exception as fatal:  # noqa: BLE001 - whatever it is, what was done is summed up first
            return Ending(fatal, None)

    def _settle(self) -> None:
        """Find out what became of the writes that an earlier run sent and got no answer to."""
        if self.is_stand_in and self.journal.end_users.knows_anybody:
            with suppress(CallFailedError):
                if is_another(self.journal, self.wootric.list_end_users(OLDEST)):
                    self.journal.begin_anew()
                    self.observer.began_anew()
        settled = settle(self.journal, self.wootric.find)
        if any(settled):
            self.observer.settled(settled)

    def send(
        self,
        sources: Sequence[Source],
        reading: ReadingOptions,
        options: PlanOptions,
        stdin: ByteStream,
        stack: ExitStack,
    ) -> Ending:
        """Plan the sources, and deliver the plan.

        Args:
            sources: as `discover` gives them.
            reading: how to read.
            options: how records become a plan.
            stdin: standard input, for the source that names it.
            stack: ends what the plan takes, once all is done.
        """
        spool = stack.enter_context(Spool())
        report = self.report
        with self.observer.reading(sources) as on_bytes:
            plan = plan_records(
                sources,
                reading,
                options,
                spool,
                report,
                stdin=stdin,
                snapshot=self.find if self.is_snapshot else None,
                evidence=self.journal.claims,
                rejects=self.rejects,
                history=self.journal.rejects,
                on_bytes=on_bytes,
            )
        registered = self._registered(has_tracks=plan.has_tracks)
        foreseen: Counter[str] | None = None
        if self.foresight.calls or self.foresight.warnings:
            with self.observer.counting_calls():
                foreseen = self._foresee(plan, registered)
        # From here on, to the end of the summing up, a signal only asks for a stop.
        self.stop.hold()
        outcomes = deliver(
            plan,
            self.wootric,
            registered=registered,
            workers=self.workers,
            stop=self.stop.event,
            grace=self.grace,
            find=self.find,
            journal=self.journal,
        )
        asks = self.find is not None and not self.is_snapshot
        ended = self._take(outcomes, report.mapped, plan, foreseen, asks=asks)
        if not self.stop.event.is_set():
            self.unidentified.keep(plan)
        return ended

    def send_file(self, saved: PlanFile) -> Ending:
        """Deliver a plan that was saved."""
        calls = saved.counts.total()
        self.report.records = calls
        registered = self._registered(has_tracks=saved.has_tracks)
        foreseen = None
        if self.foresight.calls:
            with self.observer.counting_calls():
                foreseen = calls_left(saved, registered, self.journal)
        self.stop.hold()
        outcomes = deliver_file(
            saved,
            self.wootric,
            registered=registered,
            workers=self.workers,
            stop=self.stop.event,
            grace=self.grace,
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
            if self.stop.exit_code:
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

    def _foretell(self, foreseen: Counter[str], *, asks: bool) -> None:
        """Tell how many calls are to come, and how long they take."""
        forecast = self._speed().forecast(foreseen)
        at_most = asks or bool(foreseen["look_up"])
        self.observer.foretold(foreseen, forecast, at_most=at_most)

    def _take(
        self,
        outcomes: Iterator[Outcome],
        total: int,
        plan: Plan | PlanFile,
        foreseen: Counter[str] | None,
        *,
        asks: bool,
    ) -> Ending:
        """Count the outcomes, and keep the records of those that failed."""
        error: Exception | None = None
        finished = 0
        sending = Sending(
            total,
            "call" if isinstance(plan, PlanFile) else "record",
            self.pace,
            None if foreseen is None else Agenda(foreseen, asks=asks),
            self._speed,
        )
        untold = foreseen if self.foresight.calls else None
        with self.observer.sending(sending):
            if untold is not None and (self._speed().is_known or not untold.total()):
                self._foretell(untold, asks=asks)
                untold = None
            for outcome in outcomes:
                if untold is not None:
                    # The first reply tells the limit, where no run before was told it.
                    self._foretell(untold, asks=asks)
                    untold = None
                self.report.deliver(outcome)
                finished += len(outcome.refs)
                self.observer.delivered(outcome)
                try:
                    self._keep_failed(outcome, plan)
                except OSError as fatal:
                    # What can't be kept must not be sent; what is under way is still counted.
                    error = fatal
                    self.stop.event.set()
        return Ending(error, max(total - finished, 0))

    def _keep_failed(self, outcome: Outcome, plan: Plan | PlanFile) -> None:
        """Write the records of a failed delivery to the rejects file; note what goes through at last."""
        skip = outcome.result if isinstance(outcome.result, Skip) else None
        if self.journal.rejects.retries and (
            outcome.result is None or (skip and skip.code == "delivered_before")
        ):
            for ref in outcome.refs:
                self.journal.rejects.through(plan.raw(ref))
        if isinstance(outcome.result, Failure):
            for ref in outcome.refs:
                raw = plan.raw(ref)
                self.observer.failed(raw)
                of_plan = {"account": plan.account} if isinstance(plan, PlanFile) else None
                self.rejects.fail(ref.source, ref.line, outcome.result, raw, outcome.key, of_plan)
                if of_plan:
                    continue
                if outcome.result.code == "refused":
                    self.journal.rejects.reject(raw, REFUSED)
                else:
                    self.journal.rejects.not_through(raw)
