"""Carrying out a plan, live or saved: each end user's calls in order, many end users at once."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, TypeVar

from wootric_map.deliver.account_view import AccountView
from wootric_map.deliver.answers import Answers, Work
from wootric_map.deliver.attempts import is_gone, may_be_retried
from wootric_map.deliver.carried_over import CarriedOverFile
from wootric_map.deliver.compare import written
from wootric_map.deliver.end_user_locks import EndUserLocks, LockedEndUser
from wootric_map.deliver.fingerprints import (
    Held,
    Provenance,
    RememberedEndUser,
)
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.journaled_calls import JournaledCalls
from wootric_map.deliver.passes import EndUsers, MaySend
from wootric_map.deliver.questions import (
    Answer,
    Decision,
    Inconclusive,
    WriteStep,
    next_decision,
)
from wootric_map.deliver.saved_decisions import PastRuns
from wootric_map.deliver.teams import teams_of
from wootric_map.deliver.turning_off import settled_by, turn_off
from wootric_map.deliver.verdicts import Change, Settled
from wootric_map.deliver.workers import GRACE, Job, spread
from wootric_map.deliver.works import PlanFileWorks, PlanWorks
from wootric_map.errors import CallFailedError, JournalFailedError, NoAnswerError
from wootric_map.model import (
    EligibilityCheck,
    EndUser,
    EndUserUpsert,
    Failure,
    Outcome,
    PageView,
    Ref,
    Skip,
    event_name,
)
from wootric_map.plan.engine.spool import Person
from wootric_map.plan.people import EMAIL
from wootric_map.plan.plan import Plan
from wootric_map.plan.plan_file import PlanFile
from wootric_map.plan.plan_lines import PlannedCall
from wootric_map.plan.steps import Event, Part, TurnOff, Write
from wootric_map.survey_calls import SurveyCall, SurveyDecline, SurveyResponse, SurveysOff
from wootric_map.wootric.client import Wootric

T = TypeVar("T")

_ATTEMPTS: Final = 3
"""How often a write is tried that gets no answer, or is refused as out of date."""

_SURVEY_ATTEMPTS: Final = 2
"""How often a survey response or decline is sent that gets no answer, and that the account does not hold."""


def deliver(
    plan: Plan,
    wootric: Wootric,
    *,
    registered: frozenset[str],
    workers: int,
    stop: threading.Event,
    grace: float = GRACE,
    account: AccountView,
    journal: Journal,
    events_first: bool = False,
    may_send_beside: MaySend | None = None,
) -> Iterator[Outcome]:
    """Carry out a plan, in the order of work that passes.py gives.

    One end user's calls are made in order, one at a time; end users are spread over the workers.

    Args:
        plan: the closed plan.
        wootric: the account.
        registered: the registered events.
        workers: how many end users are under way at once.
        stop: once it is set, no new call is made; calls under way are finished if that takes no longer than
            `grace`.
        grace: seconds that calls under way may take to finish once `stop` is set.
        account: what the plan is compared with.
        journal: tells what earlier runs have delivered, and records every call.
        events_first: as in `teams_of`.
        may_send_beside: as in `teams_of`; `may_send_beside_writes` decides it.

    Yields:
        The outcome of every call, as they come.

    Raises:
        WootricError: the run can't go on: signing in was refused, or Wootric can't be reached.
        JournalFailedError: the journal can't be written, so nothing more may be sent.
    """
    with CarriedOverFile() as kept:
        works = PlanWorks(plan, registered, account, journal, kept)
        end_users = EndUsers(
            plan.spool.people,
            lambda person: person.number,
            plan.is_written,
            lambda person: person.has_events,
            needs_no_look_up=lambda person: (
                account.is_read_whole or _needs_no_look_up(plan, person)
            ),
        )
        yield from _carry_out(
            end_users,
            works.work,
            wootric,
            journal,
            workers=workers,
            stop=stop,
            grace=grace,
            events_first=events_first,
            may_send_beside=may_send_beside,
        )


def _needs_no_look_up(plan: Plan, person: Person) -> bool:
    """Return whether the events of an end user take no look-up, as far as their ids tell.

    The address of a survey response names the end user, which their write tells if there is one.
    """
    if not person.kinds & EMAIL:
        return False
    return person.has_replayed_identifies or not (plan.has_surveys and person.has_surveys)


def deliver_file(
    plan: PlanFile,
    wootric: Wootric,
    *,
    registered: frozenset[str],
    workers: int,
    stop: threading.Event,
    grace: float = GRACE,
    journal: Journal,
    events_first: bool = False,
    may_send_beside: MaySend | None = None,
) -> Iterator[Outcome]:
    """Carry out a saved plan to the letter; arguments and outcomes as in `deliver`.

    An end user that the plan creates and that exists by now is not changed.
    """
    with CarriedOverFile() as kept:
        works = PlanFileWorks(plan, registered, PastRuns.of(journal), kept)
        end_users = EndUsers(
            lambda: iter(range(len(plan))),
            int,
            plan.has_writes,
            plan.has_events,
            needs_no_look_up=lambda _: True,
        )
        yield from _carry_out(
            end_users,
            works.work,
            wootric,
            journal,
            workers=workers,
            stop=stop,
            grace=grace,
            events_first=events_first,
            may_send_beside=may_send_beside,
        )


def _carry_out(
    end_users: EndUsers[T],
    work: Callable[[T, Part], Work],
    wootric: Wootric,
    journal: Journal,
    *,
    workers: int,
    stop: threading.Event,
    grace: float,
    events_first: bool,
    may_send_beside: MaySend | None,
) -> Iterator[Outcome]:
    """Carry out the work on end users; `work` returns a part of it, all else is as in `deliver`."""
    calls, locks = JournaledCalls(wootric, journal), EndUserLocks()

    def job(end_user: T, part: Part) -> Job:
        return _Delivery(work(end_user, part), wootric, calls, locks, stop).run

    for teams in teams_of(
        end_users,
        job,
        workers,
        stop.wait,
        events_first=events_first,
        may_send_beside=may_send_beside,
    ):
        yield from spread(teams, stop=stop, grace=grace)
        if journal.failure:
            raise JournalFailedError(journal.failure)


class _Delivery:
    """The delivery of one end user: answers the questions of the decisions, and makes the calls."""

    def __init__(
        self,
        work: Work,
        wootric: Wootric,
        calls: JournaledCalls,
        locks: EndUserLocks,
        stop: threading.Event,
    ) -> None:
        self._work = work
        self._calls = calls
        self._journal = calls.journal
        self._stop = stop
        self._lock = LockedEndUser(locks)
        self._answers = Answers(work, wootric, calls.journal, self._lock)
        self._attempts = 0
        """How often the current write has been tried."""

    def run(self) -> Iterator[Outcome]:
        """Make the end user's calls in order."""
        answer: Answer = None
        with self._lock:
            while self._attempts or not self._stop.is_set():
                try:
                    decision = next_decision(self._work.decisions, answer, self._answers.answer)
                except StopIteration as end:
                    self._unmark_creation()
                    self._journal.fills.unmark(self._answers.fills)
                    self._work.carry_over(end.value)
                    return
                outcome, answer = self._carry_out_decision(decision)
                if outcome:
                    settles = settled_by(decision.step)
                    yield outcome._replace(look_ups=self._answers.look_ups, settles=settles)
                    self._answers.look_ups = self._attempts = 0

    def _carry_out_decision(self, decision: Decision) -> tuple[Outcome | None, Answer]:
        """Carry out a decision; return no outcome for a write that is tried again."""
        step, verdict, action = decision.step, decision.verdict, decision.action
        if isinstance(step, TurnOff) or (
            isinstance(step, PlannedCall) and isinstance(step.call, SurveysOff)
        ):
            return turn_off(step, decision, self._calls, self._answers), None
        if isinstance(step, Event | PlannedCall):
            if isinstance(verdict, SurveyResponse | SurveyDecline):
                return self._send_survey(step, verdict)
            return self._send_event(step, decision), None
        if isinstance(verdict, Change):
            return self._write(step, verdict, decision)
        if isinstance(verdict, Failure):
            self._calls.failed(step.key, action, verdict, step.whole)
        assert isinstance(verdict, Skip | Failure)  # noqa: S101 - a write makes no other call
        return Outcome(action, step.refs, verdict, about=_about(step)), None

    def _send_event(self, step: Event | PlannedCall, decision: Decision) -> Outcome:
        """Send an event, or return why it is not sent."""
        verdict, action = decision.verdict, decision.action
        key = step.key if isinstance(step, Event) else None
        outcome = Outcome(action, step.refs, None, key, event_name(step.call))
        if isinstance(verdict, Settled):
            self._journal.deliveries.delivered(step.key, action, step.former_key)
            return outcome._replace(result=verdict.skip)
        if isinstance(verdict, EligibilityCheck | PageView):
            sent = self._calls.send(step.key, action, verdict, step.former_key)
            if isinstance(sent, Failure):
                return outcome._replace(result=sent)
            return outcome._replace(is_eligible=sent)
        if isinstance(verdict, Failure):
            self._calls.failed(step.key, action, verdict)
        assert isinstance(verdict, Skip | Failure)  # noqa: S101 - nothing is written of an event
        return outcome._replace(result=verdict)

    def _send_survey(
        self, step: Event | PlannedCall, survey: SurveyCall
    ) -> tuple[Outcome | None, Answer]:
        """Send a survey response or decline; return no outcome if it got no answer."""
        key = step.key if isinstance(step, Event) else None
        outcome = Outcome(step.action, step.refs, None, key)
        self._lock.take(int(survey.wootric_id or 0))
        self._attempts += 1
        try:
            self._calls.add_survey(step.key, step.action, survey, step.former_key)
        except NoAnswerError as error:
            # What comes to be there later would be there twice: the next run sees.
            is_last = self._attempts == _SURVEY_ATTEMPTS or error.may_be_under_way
            message = f"{error}; the next run looks whether the account holds it"
            failure = Failure("in_doubt", message)
            return None, Inconclusive(failure, is_unanswered=True, is_last=is_last)
        except CallFailedError as error:
            failure = self._calls.failed(step.key, step.action, error.failure)
            return outcome._replace(result=failure), failure
        return outcome, None

    def _write(
        self, step: WriteStep, change: Change, decision: Decision
    ) -> tuple[Outcome | None, Answer]:
        """Make a write, or put on record that nothing is left to write."""
        held, answers = decision.held, self._answers
        outcome = Outcome(change.action, step.refs, None, about=_about(step))
        if change.fields is None:
            self._note(step, held)
            return outcome, held
        self._attempts += 1
        is_last = self._attempts == _ATTEMPTS
        try:
            made = self._call_api(step, change.fields, held)
        except NoAnswerError as error:
            if held:
                answers.doubt(held.id)
            failure = Failure("in_doubt", str(error))
            return None, Inconclusive(failure, is_unanswered=True, is_last=is_last)
        except CallFailedError as error:
            answers.note_failure(error.failure, held)
            if decision.assumes_absent and error.code == "refused":
                # If the end user is there, what differs may not be what was refused.
                if may_be_retried(error.failure):
                    answers.note_presence(is_there=True)
                self._attempts = 0
                return None, Inconclusive(error.failure, is_unanswered=False, is_last=False)
            if may_be_retried(error.failure):
                return None, Inconclusive(error.failure, is_unanswered=False, is_last=is_last)
            self._calls.failed(step.key, change.action, error.failure, step.whole)
            return outcome._replace(result=error.failure), error.failure
        if decision.assumes_absent:
            answers.note_presence(is_there=False)
        after = _as_sent(made, change.fields, held)
        if made.knows_properties or not isinstance(held, RememberedEndUser):
            answers.learn(after)
        else:
            answers.doubt(after.id)  # the properties that were not sent are not known
        return outcome, after

    def _note(self, step: WriteStep, held: Held) -> None:
        """Put on record that nothing is left to write."""
        writes = self._journal.writes
        if held is not None:
            writes.written(
                step.key,
                held.id,
                step.to_hold,
                provenance=self._provenance(step),
                is_written=self._work.counts_as_written,
            )
        elif isinstance(step, Write) and self._journal.deliveries.is_without_statements(
            self._answers.past
        ):
            writes.note_statements(step.key, step.whole, self._provenance(step))

    def _provenance(self, step: WriteStep) -> Provenance:
        """Return when the fields of a write were stated, and about which ids."""
        return self._journal.fingerprints.provenance(
            step.sent_history(), self._work.identifiers(step)
        )

    def _call_api(self, step: WriteStep, fields: EndUserUpsert, held: Held) -> EndUser:
        """Write the fields; return the end user after that."""
        calls, key, to_hold = self._calls, step.key, step.to_hold
        provenance = self._provenance(step)
        if held is not None:
            if self._work.fills(step) and not self._answers.creation:
                self._answers.fills.add(key)
                self._journal.fills.mark(key, fields)
            known = held if isinstance(held, EndUser) else None
            return calls.update(key, held.id, fields, to_hold, provenance, known)
        if fields.wootric_id is not None:
            # The export gives Wootric's own id, and look-ups are off.
            changed = replace(fields, last_surveyed=None)
            try:
                return calls.update(key, int(fields.wootric_id), changed, to_hold, provenance)
            except CallFailedError as error:
                if not (is_gone(error.failure) and (fields.email or fields.phone_number)):
                    raise
        if self._work.marks_creation and isinstance(step, Write):
            self._answers.creation = step.key_where("begun")
            self._journal.deliveries.mark_creation(self._answers.creation)
        try:
            created = calls.create(key, fields, to_hold, provenance)
        except CallFailedError:
            self._unmark_creation()  # a later run must not take who is there for the runs' own
            raise
        self._lock.take(created.id)
        return created

    def _unmark_creation(self) -> None:
        """Delete the journal's mark that the end user was created and more is to be written."""
        if self._answers.creation:
            self._journal.deliveries.unmark_creation(self._answers.creation)
            self._answers.creation = None


def _about(step: WriteStep) -> tuple[Ref, ...]:
    """Return a record that makes for a write of no record."""
    return step.about if isinstance(step, Write) else ()


def _as_sent(told: EndUser, sent: EndUserUpsert, before: Held) -> EndUser:
    """Return an end user after a write: as the reply shows them, with the sent properties if it shows none.

    Args:
        told: the end user in the reply.
        sent: the fields that were written.
        before: the end user before the write.
    """
    if told.knows_properties:
        return told
    held = written(sent, before if isinstance(before, EndUser) else None)
    return replace(told, properties=held.properties, knows_properties=True)
