"""Delivering what a push has opened: an export, which is planned first, or a saved plan."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Literal, NamedTuple

from wootric_map.deliver.account_view import AccountView
from wootric_map.deliver.call_counter import CallCounter, saved_calls
from wootric_map.deliver.delivery import deliver, deliver_file
from wootric_map.deliver.doubts import (
    OLDEST_END_USER,
    has_lost_all,
    resolve_doubts,
    was_begun_since,
)
from wootric_map.deliver.failed_records import FailedRecords
from wootric_map.deliver.forecast import Foretold, RemainingCalls, Speed, speed_of
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.passes import may_send_beside_writes
from wootric_map.deliver.push_observer import ForetoldCalls, Preview, PushObserver, Sending
from wootric_map.deliver.rehearse import rehearse
from wootric_map.deliver.wanted import end_users_to_ask_about
from wootric_map.errors import CallFailedError, StoppedError
from wootric_map.mapping.entries import ReadingOptions
from wootric_map.model import Outcome, Skip
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.plan import Plan
from wootric_map.plan.plan_file import PlanFile
from wootric_map.plan.plan_options import PlanOptions
from wootric_map.plan.planning import plan_records
from wootric_map.plan.told import remember
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import Source
from wootric_map.rejects import RejectsFile
from wootric_map.report import Report
from wootric_map.stopping import Stop
from wootric_map.unidentified_file import UnidentifiedFile
from wootric_map.wootric.client import ABOUT_SANDBOX, Wootric
from wootric_map.wootric.pace import Pace


class Ending(NamedTuple):
    """How a delivery ended."""

    error: Exception | None
    """What ended it early; None if nothing did."""
    left: int | None
    """Records, or calls of a saved plan, that were not dealt with; None if their number is not known."""
    foretold: ForetoldCalls | None = None
    """The calls that were foretold; None if nobody asked for that, or it did not come to that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A push under way, with all that it has opened."""

    wootric: Wootric
    pace: Pace
    stop: Stop
    observer: PushObserver
    report: Report
    rejects: RejectsFile
    unidentified: UnidentifiedFile
    journal: Journal
    earlier_limits: Mapping[str, float]
    """The limits that replies told earlier runs, in calls a minute by endpoint."""
    is_stand_in: bool
    """Whether the account is at an address of this machine, and may be a sandbox that has forgotten all."""
    account: AccountView
    """What the plan is compared with."""
    workers: int
    """How many end users are under way at once, without those whose events are sent beside writes."""
    grace: float
    """Seconds that calls under way may take to finish once the push is told to stop."""
    preview: Preview
    hold: Callable[[], None] | None = None
    """Raises if too much was found for anything to be sent; None if that is not asked for."""
    events_first: bool = False
    """Whether the end users with events are dealt with first; else events wait for all writes, as far as they
    would hold these up."""

    @property
    def calls(self) -> int:
        """The number of calls to the account up to now; asking a sandbox about itself is none."""
        return self.pace.calls - self.pace.made[ABOUT_SANDBOX]

    def run(self, deliver_all: Callable[[], Ending]) -> Ending:
        """Sign in, resolve doubts of earlier runs, and deliver; return how that ended, without raising.

        Args:
            deliver_all: calls `deliver_export` or `deliver_plan`.
        """
        try:
            # First, so that wrong credentials do not cost the time of reading a million records.
            self.wootric.sign_in()
            self._resolve_doubts()
            return deliver_all()
        except StoppedError:
            # After a signal, the export may not have been read to its end.
            left = None if self.stop.exit_code else self.report.mapped
            return Ending(None, left or None)
        except Exception as fatal:  # noqa: BLE001 - the caller sums up first
            return Ending(fatal, None)

    def _resolve_doubts(self) -> None:
        """Find out what became of the writes of earlier runs that got no answer."""
        if self.is_stand_in and self.journal.end_users.has_any and self._is_sandbox_anew():
            self.journal.forget_all()
            self.observer.journal_cleared()
        resolved = resolve_doubts(self.journal, self.wootric.find)
        if any(resolved):
            self.observer.doubts_resolved(resolved)

    def _is_sandbox_anew(self) -> bool:
        """Return whether the account is a sandbox that was started or emptied since the last run."""
        with suppress(CallFailedError):
            oldest = self.wootric.list_end_users(OLDEST_END_USER)
            if has_lost_all(self.journal, oldest):
                return was_begun_since(self.journal, self.wootric.sandbox_began())
        return False

    def deliver_export(
        self,
        sources: Sequence[Source],
        reading: ReadingOptions,
        options: PlanOptions,
        stdin: ByteStream,
        stack: ExitStack,
    ) -> Ending:
        """Plan an export, and deliver the plan.

        Args:
            sources: the files of the export.
            reading: how records are read.
            options: how records become a plan.
            stdin: standard input, for the source that names it.
            stack: closes the plan in the end.
        """
        spool = stack.enter_context(Spool())
        report = self.report
        if self.hold:
            self.journal.rejects.hold()
        with self.observer.reading(sources) as on_bytes:
            plan = plan_records(
                sources,
                reading,
                options,
                spool,
                report,
                stdin=stdin,
                snapshot=self.account.snapshot,
                evidence=self.journal.claims,
                histories=self.journal.histories,
                rejects=self.rejects,
                history=self.journal.rejects,
                on_bytes=on_bytes,
            )
        if self.hold:
            self.hold()
        self.journal.note_external_id(plan.external_id_from)
        registered = self._registered(has_tracks=plan.has_tracks)
        self._know_account(plan, registered)
        calls: Foretold | None = None
        if self.preview.calls or self.preview.warnings:
            with self.observer.counting_calls():
                calls = self._preview(plan, registered)
        if self.hold:
            self.hold()
            self.journal.rejects.release()
        # From here on, to the end of the summing up, a signal only asks for a stop.
        self.stop.hold()
        outcomes = deliver(
            plan,
            self.wootric,
            registered=registered,
            workers=self.workers,
            stop=self.stop.event,
            grace=self.grace,
            account=self.account,
            journal=self.journal,
            events_first=self.events_first,
            may_send_beside=self._may_send_beside,
        )
        ended = self._consume(outcomes, report.mapped, plan, calls)
        self.account.end()
        if not self.stop.event.is_set():
            self.unidentified.keep(plan)
        return ended

    def deliver_plan(self, saved: PlanFile) -> Ending:
        """Deliver a saved plan."""
        total = self.report.records = saved.counts.total()
        remember(saved.told(), self.journal.claims, self.journal.histories)
        if saved.has_any_writes:
            self.journal.note_external_id(saved.external_id_from)
        registered = self._registered(has_tracks=saved.has_tracks)
        calls = None
        if self.preview.calls:
            with self.observer.counting_calls():
                calls = Foretold(saved_calls(saved, registered, self.journal))
        self.stop.hold()
        outcomes = deliver_file(
            saved,
            self.wootric,
            registered=registered,
            workers=self.workers,
            stop=self.stop.event,
            grace=self.grace,
            journal=self.journal,
            events_first=self.events_first,
            may_send_beside=self._may_send_beside,
        )
        return self._consume(outcomes, total, saved, calls)

    def _may_send_beside(self) -> bool:
        """Return whether events may be sent now though writes are still to be made."""
        return may_send_beside_writes(self.pace.rate, self.pace.held())

    def _registered(self, *, has_tracks: bool) -> frozenset[str]:
        return self.wootric.registered_events() if has_tracks else frozenset()

    def _know_account(self, plan: Plan, registered: frozenset[str]) -> None:
        """Read the list of the account's end users, as far as that saves look-ups."""
        walk = self.account.walk
        if walk is None:
            return
        with self.observer.counting_calls():
            wanted = end_users_to_ask_about(
                plan,
                registered,
                memory=self.journal,
                knowledge=self.account.knowledge(plan, self.journal),
                stop=self.stop,
            )
        if not wanted.count:
            return
        if self.is_stand_in and walk.keeps_any:
            # A sandbox that was started or emptied since has forgotten what was kept.
            walk.forget_kept(before=self.wootric.sandbox_began() or 0.0)
        with self.observer.reading_account():
            problems = walk.read(wanted)
        self.observer.account_read(*problems)

    def _preview(self, plan: Plan, registered: frozenset[str]) -> Foretold:
        """Report the warnings, and count the calls of a plan."""
        calls = CallCounter(plan.existing)
        for each in rehearse(
            plan,
            registered,
            self.account.find_without_calls,
            look_ups_are_free=True,
            memory=self.journal,
            knowledge=self.account.knowledge(plan, self.journal),
        ):
            if self.stop.exit_code:
                raise StoppedError
            calls.add(each)
            for ref, warning in each.warnings:
                self.report.warn(ref.source, ref.line, warning)
        return calls.foretold

    def _speed(self) -> Speed:
        return speed_of(self.pace, self.earlier_limits, events_first=self.events_first)

    def _consume(
        self,
        outcomes: Iterator[Outcome],
        total: int,
        plan: Plan | PlanFile,
        calls: Foretold | None,
    ) -> Ending:
        """Make the calls of a plan, count their outcomes, and keep the records that failed.

        Args:
            outcomes: makes the calls as outcomes are asked for.
            total: the number of records, or of the calls of a saved plan.
            plan: the plan.
            calls: the calls that are to be made; None if they were not counted.
        """
        failed = FailedRecords(plan, self.rejects, self.journal.rejects, self.observer)
        error: Exception | None = None
        finished = 0
        remaining = None if calls is None else RemainingCalls(calls)
        unit: Literal["call", "record"] = "call" if isinstance(plan, PlanFile) else "record"
        foretold = None
        if calls is not None and self.preview.calls:
            foretold = ForetoldCalls(calls.calls, self.calls)
        promise = _Promise(foretold, self._speed, self.observer)
        with self.observer.sending(Sending(total, unit, self.pace, remaining, self._speed)):
            promise.tell_if_known()
            for outcome in outcomes:
                # The reply to the first call tells the limit, if no reply told an earlier run.
                if not isinstance(outcome.result, Skip):
                    promise.tell()
                self.report.deliver(outcome)
                finished += outcome.settled
                self.observer.delivered(outcome)
                try:
                    failed.keep(outcome)
                except OSError as fatal:
                    # No record may fail without being kept; calls under way are still counted.
                    error = fatal
                    self.stop.event.set()
            if finished:
                promise.tell()
        return Ending(error, max(total - finished, 0), foretold)


class _Promise:
    """Tells how many calls are to come and how long they take, once."""

    def __init__(
        self, foretold: ForetoldCalls | None, speed: Callable[[], Speed], observer: PushObserver
    ) -> None:
        self._untold = foretold
        self._speed = speed
        self._observer = observer

    def tell_if_known(self) -> None:
        """Tell it, if it is known how fast calls may go, or none is to come."""
        if self._untold and (self._speed().is_known or not self._untold.calls.most):
            self.tell()

    def tell(self) -> None:
        """Tell it, unless it was told."""
        told, self._untold = self._untold, None
        if told:
            self._observer.forecast_made(told, self._speed().forecast_range(told.calls))
