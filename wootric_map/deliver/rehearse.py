"""The rehearsal of a plan: what a push would do, without sending anything."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple, TypeAlias

from wootric_map.deliver.compare import written
from wootric_map.deliver.decisions import decide
from wootric_map.deliver.fingerprints import (
    Held,
    Memory,
    PastDelivery,
    PastOptOut,
    RememberedEndUser,
    RememberedFill,
    RememberedStatements,
)
from wootric_map.deliver.knowledge import NOT_ASKED, Asked, Knowledge, look_ups_that_tell
from wootric_map.deliver.look_ups import Staleness
from wootric_map.deliver.questions import (
    Answer,
    Decision,
    Decisions,
    ListSurveys,
    LookAtAccount,
    LookUp,
    LookUpAgain,
    Question,
    RecallCreation,
    RecallDelivery,
    RecallFill,
    RecallFormerId,
    RecallOptOut,
    RecallStatements,
    RecallStranger,
    RecallTurnedOff,
    next_decision,
)
from wootric_map.deliver.verdicts import Change, Settled, needs_look_up
from wootric_map.model import (
    EligibilityCheck,
    EndUser,
    EndUserUpsert,
    Failure,
    MappingWarning,
    Outcome,
    PageView,
    RecordCall,
    Skip,
    event_name,
)
from wootric_map.plan.folding import PlacedWarning
from wootric_map.plan.plan import Plan
from wootric_map.plan.steps import EndUserPlan, Event, Find, Step, TurnOff, Write
from wootric_map.survey_calls import HeldSurveys, SurveyDecline, SurveyKind, SurveyResponse

SurveysOf: TypeAlias = Callable[[int, SurveyKind, int | None], HeldSurveys]
"""Lists the survey responses, or declines, of an end user, as `Wootric.list_surveys` does."""


class Rehearsed(NamedTuple):
    """What a push would do in one step of a plan."""

    end_user: EndUserPlan
    step: Step
    outcome: Outcome
    call: EndUserUpsert | RecordCall | None
    """The call that would be sent; None if there is none."""
    held: Held
    """The end user before the step, as Wootric would hold them or an earlier run left them."""
    look_ups: int
    """How many look-ups a push that looks up each end user would make before the step."""
    warnings: tuple[PlacedWarning, ...] = ()
    """Warnings about the call."""
    is_provisional: bool = False
    """Whether a push would look the end user up first, and might then write something else."""
    asked: Asked = NOT_ASKED
    """What a push would ask the account before the step, if it is told what is known without a call."""
    surveys_off: "Rehearsed | None" = None
    """For a write, the step that turns surveys off for the same end user after it, if one does."""


def rehearse(
    plan: Plan,
    registered: frozenset[str] | None = None,
    find: Find | None = None,
    *,
    workers: int = 1,
    look_ups_are_free: bool = False,
    memory: Memory | None = None,
    knowledge: Knowledge | None = None,
    surveys: SurveysOf | None = None,
) -> Iterator[Rehearsed]:
    """Yield what a push would do, step by step.

    Args:
        plan: the closed plan.
        registered: the registered events; None if they are not known: then all count.
        find: looks an end user up; None if the account is taken to hold nobody.
        workers: how many end users are looked up at once.
        look_ups_are_free: whether to look up also who has each new email and external id, to warn about
            writes that Wootric would refuse.
        memory: what earlier runs did, if that counts; then no end user is looked up ahead.
        knowledge: what is known of the account without a call; `find` is for whoever is not known by that,
            and without `find` they are taken not to be there.
        surveys: lists the survey responses and declines of end users who are there; None if that is not to
            be asked: then they are taken to have none.
    """
    if find is None or workers == 1 or memory:
        look = None if look_ups_are_free else find
        for end_user in plan:
            for each in rehearse_end_user(
                plan, end_user, registered, find, memory, None, look, knowledge, surveys
            ):
                if find and look_ups_are_free and isinstance(each.call, EndUserUpsert):
                    taken = tuple(_taken(each, each.call, find))
                    yield each._replace(warnings=each.warnings + taken)
                else:
                    yield each
        return
    with ThreadPoolExecutor(workers, "look-up") as pool:
        try:
            for end_user, found in _looked_up_ahead(plan, find, pool, 2 * workers):
                yield from rehearse_end_user(
                    plan,
                    end_user,
                    registered,
                    find,
                    None,
                    found,
                    knowledge=knowledge,
                    surveys=surveys,
                )
        finally:
            pool.shutdown(cancel_futures=True)


def _looked_up_ahead(
    plan: Plan, find: Find, pool: ThreadPoolExecutor, ahead: int
) -> Iterator[tuple[EndUserPlan, Future[EndUser | None] | None]]:
    """Yield the end users in their order, while the next ones are looked up."""
    end_users = iter(plan)
    waiting: deque[tuple[EndUserPlan, Future[EndUser | None] | None]] = deque()
    while True:
        for end_user in islice(end_users, ahead - len(waiting)):
            first = next(end_user.identifiers(), None) if end_user.is_written else None
            waiting.append((end_user, pool.submit(find, first) if first else None))
        if not waiting:
            return
        yield waiting.popleft()


def rehearse_end_user(
    plan: Plan,
    end_user: EndUserPlan,
    registered: frozenset[str] | None = None,
    find: Find | None = None,
    memory: Memory | None = None,
    found: Future[EndUser | None] | None = None,
    look: Find | None = None,
    knowledge: Knowledge | None = None,
    surveys: SurveysOf | None = None,
) -> Iterator[Rehearsed]:
    """Yield what a push would do for one end user.

    Args:
        plan, registered, find, memory, knowledge, surveys: as in `rehearse`.
        end_user: the end user.
        found: the result of the first look-up, which is under way already.
        look: looks an end user up in the account itself.
    """
    asks = find is not None or knowledge is not None
    decisions = _decisions(plan, end_user, registered, memory, knowledge, asks=asks)
    stale = Staleness(end_user, plan.existing, knowledge.is_met, True) if knowledge else None
    answers = _Answers(find, memory, found, look, knowledge, stale, surveys)
    answer: Answer = None
    expected = 0
    while True:
        try:
            decision = next_decision(decisions, answer, answers.answer)
        except StopIteration:
            return
        if not asks and not expected:
            answers.look_ups = expected = _expected_look_ups(end_user, decision)
        rehearsed = _rehearsed(end_user, decision, answers.look_ups)
        asked = answers.asked._replace(may_be_there=answers.surveys_are_unknown)
        yield rehearsed._replace(is_provisional=answers.is_provisional, asked=asked)
        answer = _afterwards(decision)
        answers.look_ups, answers.is_provisional, answers.asked = 0, False, NOT_ASKED


def _decisions(
    plan: Plan,
    end_user: EndUserPlan,
    registered: frozenset[str] | None,
    memory: Memory | None,
    knowledge: Knowledge | None,
    *,
    asks: bool,
) -> Decisions:
    """Return the decisions about an end user that a push takes."""
    return decide(
        end_user,
        plan.steps(end_user),
        registered,
        asks=asks,
        is_other_persons_email=plan.is_anothers(end_user),
        is_suppressed=plan.is_suppressed if plan.suppresses else None,
        recalls=memory is not None and memory.remembers,
        recalls_statements=memory is not None and memory.may_have_end_users,
        existing=plan.existing,
        creates_first=(knowledge is not None and knowledge.creates_first and not plan.suppresses),
        counts_from=memory.external_id_since if memory else 0,
    )


class _Answers:
    """Answers the questions of the decisions about one end user, as far as a rehearsal can."""

    def __init__(
        self,
        find: Find | None,
        memory: Memory | None,
        found: Future[EndUser | None] | None,
        look: Find | None,
        knowledge: Knowledge | None,
        stale: Staleness | None,
        surveys: SurveysOf | None,
    ) -> None:
        self._find = find
        self._memory = memory
        self._found = found
        self._look = look
        self._knowledge = knowledge
        self._stale = stale
        self._surveys = surveys
        self.surveys_are_unknown = False
        """Whether a push would list survey responses or declines, which a rehearsal can't."""
        self.asked = NOT_ASKED
        """What a push would ask the account before the current step."""
        self.look_ups = 0
        """How many look-ups a push that looks up each end user would make before the current step."""
        self.is_provisional = False
        """Whether a push would ask the account, which a rehearsal can't."""

    def answer(self, asked: Question) -> Answer:
        """Return the answer to a question.

        Raises:
            CallFailedError: a look-up failed.
        """
        if isinstance(asked, ListSurveys):
            self.asked = self.asked._replace(lists=self.asked.lists + 1)
            self.surveys_are_unknown = self.surveys_are_unknown or self._surveys is None
            return self._surveys(*asked) if self._surveys else None
        if isinstance(asked, LookAtAccount) and not self._look:
            # The snapshot may be older than what the journal knows.
            self.is_provisional = True
            self.asked = self.asked._replace(checks=self.asked.checks + 1)
            return asked.remembered
        if isinstance(asked, LookUpAgain):
            return self._found_again(asked)
        answer = _recalled(asked, self._memory)
        if answer or not isinstance(asked, LookUp | LookAtAccount):
            return answer
        if isinstance(asked, LookAtAccount):
            self.look_ups += 1
            self.asked = self.asked._replace(checks=self.asked.checks + 1)
            return self._look(asked.wanted) if self._look else None
        told = self._known(asked, self._knowledge) if self._knowledge else self._told(asked.wanted)
        self.look_ups += look_ups_that_tell(asked.wanted, told)
        return told

    def _found_again(self, asked: LookUpAgain) -> EndUser | None:
        """Return an end user as the account itself holds them, as far as a rehearsal asks it."""
        wanted = asked.wanted
        self.is_provisional = self._find is None
        if self._knowledge:
            self.asked = self.asked.opened(wanted, wanted, may_create=False)
        told = self._told(wanted)
        self.look_ups += look_ups_that_tell(wanted, told)
        return told

    def _told(self, wanted: EndUserUpsert) -> EndUser | None:
        """Return an end user as the account holds them; None if nobody is asked."""
        found, self._found = self._found, None
        if found:
            return found.result()
        return self._find(wanted) if self._find else None

    def _known(self, asked: LookUp, knowledge: Knowledge) -> EndUser | None:
        """Return an end user as far as can be known, and take note of what a push would ask."""
        wanted = asked.wanted
        known, unasked = knowledge.look_up(wanted)
        if unasked:
            self.asked = self.asked.opened(wanted, unasked, may_create=asked.may_assume_absent)
            return self._told(wanted)
        self._found = None
        if known and self._stale and self._stale.may_be_outdated(known):
            checks = look_ups_that_tell(wanted, known)
            self.asked = self.asked._replace(checks=self.asked.checks + checks)
        return known


def _recalled(
    asked: Question, memory: Memory | None
) -> (
    PastDelivery
    | PastOptOut
    | RememberedEndUser
    | RememberedFill
    | RememberedStatements
    | bool
    | None
):
    """Return the answer of earlier runs to a question; None if they have none."""
    if memory is None:
        return None
    if isinstance(asked, RecallDelivery | RecallCreation):
        return memory.past_delivery(*asked)
    if isinstance(asked, RecallFill):
        return memory.filled_in(asked.keys)
    if isinstance(asked, RecallStatements):
        return memory.statements_of(asked.number)
    if isinstance(asked, RecallFormerId):
        return memory.find_by_former_id(
            asked.identifiers, asked.earlier_ids, journal_only=asked.journal_only
        )
    if isinstance(asked, RecallOptOut):
        return memory.past_opt_out(*asked)
    if isinstance(asked, RecallTurnedOff):
        return memory.has_turned_off(asked.number)
    if isinstance(asked, RecallStranger):
        return memory.is_anothers(*asked)
    if not (isinstance(asked, LookUp) and asked.compares and memory.remembers):
        return None
    return memory.find(asked.wanted)


def _expected_look_ups(end_user: EndUserPlan, decision: Decision) -> int:
    """Return the look-ups of a step in a push that looks up each end user, and finds nobody."""
    step, verdict = decision.step, decision.verdict
    done = isinstance(verdict, Change) and verdict.fields is None
    if decision.held is not None or done or not isinstance(step, Write | Event):
        return 0
    is_skipped = isinstance(verdict, Skip) and verdict.code != "unidentified"
    if is_skipped or not needs_look_up(step, end_user):
        return 0
    return sum(look_ups_that_tell(each, None) for each in end_user.identifiers())


def _rehearsed(end_user: EndUserPlan, decision: Decision, look_ups: int) -> Rehearsed:
    step, verdict, held = decision.step, decision.verdict, decision.held
    assert isinstance(step, Write | Event | TurnOff)  # noqa: S101 - the plan is a live one
    refs = step.refs
    event = event_name(step.call) if isinstance(step, Event) else None
    if isinstance(verdict, Skip | Failure):
        outcome = Outcome(decision.action, refs, verdict, event=event)
        return Rehearsed(end_user, step, outcome, None, held, look_ups)
    if isinstance(verdict, Settled):
        outcome = Outcome(decision.action, refs, verdict.skip)
        return Rehearsed(end_user, step, outcome, None, held, look_ups)
    call = verdict.fields if isinstance(verdict, Change) else verdict
    outcome = Outcome(decision.action, refs, None, event=event)
    warnings: tuple[PlacedWarning, ...] = ()
    if isinstance(step, Event) and isinstance(
        call, EligibilityCheck | PageView | SurveyResponse | SurveyDecline
    ):
        warnings = step.warnings_of(call)
    elif call is not None and isinstance(step, Write):
        warnings = step.warnings
    return Rehearsed(end_user, step, outcome, call, held, look_ups, warnings)


def _taken(rehearsed: Rehearsed, fields: EndUserUpsert, find: Find) -> Iterator[PlacedWarning]:
    """Warn about an email or external id that another end user has, since both are unique (wootric.md 3)."""
    for name, wanted in (
        ("email", EndUserUpsert(email=fields.email)),
        ("external_id", EndUserUpsert(external_id=fields.external_id)),
    ):
        other = find(wanted) if any(wanted.look_up_keys()) else None
        if other and not (rehearsed.held and rehearsed.held.id == other.id):
            message = (
                f"Wootric's end user {other.id} has this {name} already: it will refuse the write"
            )
            ref = next(iter(rehearsed.step.refs))
            yield PlacedWarning(ref, MappingWarning("already_taken", "", message))


def _afterwards(decision: Decision) -> Held:
    """Return the end user as Wootric would hold them after a step."""
    verdict, held = decision.verdict, decision.held
    if not (isinstance(verdict, Change) and verdict.fields):
        return None
    return (
        held.written(verdict.fields)
        if isinstance(held, RememberedEndUser)
        else written(verdict.fields, held)
    )
