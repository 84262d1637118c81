"""Going through a plan as a push would, sending nothing: what a dry run shows."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

from wootric_map.deliver.addressing import Change
from wootric_map.deliver.compare import written
from wootric_map.deliver.decisions import decide
from wootric_map.deliver.fingerprints import (
    Held,
    Memory,
    PastDelivery,
    RememberedEndUser,
    RememberedSayings,
)
from wootric_map.deliver.questions import (
    Answer,
    Decision,
    Decisions,
    LookAtAccount,
    LookUp,
    Question,
    RecallCreation,
    RecallDelivery,
    RecallFormerId,
    RecallSayings,
    next_decision,
)
from wootric_map.model import (
    UNKNOWN,
    EligibilityCheck,
    EndUser,
    EndUserUpsert,
    Failure,
    MappingWarning,
    Outcome,
    PageView,
    Skip,
    event_name,
)
from wootric_map.plan.folding import PlacedWarning
from wootric_map.plan.plan import Plan
from wootric_map.plan.steps import EndUserPlan, Event, Find, Step, Write


class Rehearsed(NamedTuple):
    """What a push would do at one point of a plan."""

    end_user: EndUserPlan
    step: Step
    outcome: Outcome
    call: EndUserUpsert | EligibilityCheck | PageView | None
    """What would be sent; None where nothing is."""
    held: Held
    """The end user as Wootric would hold them before, or as an earlier run left them."""
    look_ups: int
    """Look-ups that a push would make first at most, where it asks the account."""
    warnings: tuple[PlacedWarning, ...] = ()
    """What a person should know before it is sent."""
    is_unseen: bool = False
    """Whether a push looks them up first, and may then write what is not shown here."""


def rehearse(
    plan: Plan,
    registered: frozenset[str] | None = None,
    find: Find | None = None,
    *,
    workers: int = 1,
    look_ups_are_free: bool = False,
    memory: Memory | None = None,
) -> Iterator[Rehearsed]:
    """Go through a plan as a push would, sending nothing.

    Args:
        plan: closed.
        registered: the events that count; None, where that is not known, counts them all.
        find: looks an end user up; None stands for an account that nobody is asked about.
        workers: how many end users are looked up at once.
        look_ups_are_free: whether to look up as well whose each new email and external id is, to warn of
            writes that Wootric will refuse.
        memory: what earlier runs did, if that counts; nobody is looked up ahead then.
    """
    if find is None or workers == 1 or memory:
        look = None if look_ups_are_free else find
        for end_user in plan:
            for each in _rehearse(plan, end_user, registered, find, memory, None, look):
                if find and look_ups_are_free and isinstance(each.call, EndUserUpsert):
                    taken = tuple(_taken(each, each.call, find))
                    yield each._replace(warnings=each.warnings + taken)
                else:
                    yield each
        return
    with ThreadPoolExecutor(workers, "look-up") as pool:
        try:
            for end_user, found in _looked_up_ahead(plan, find, pool, 2 * workers):
                yield from _rehearse(plan, end_user, registered, find, None, found)
        finally:
            pool.shutdown(cancel_futures=True)


def _looked_up_ahead(
    plan: Plan, find: Find, pool: ThreadPoolExecutor, ahead: int
) -> Iterator[tuple[EndUserPlan, Future[EndUser | None] | None]]:
    """The end users in their order, while those who come next are looked up for their writes."""
    end_users = iter(plan)
    waiting: deque[tuple[EndUserPlan, Future[EndUser | None] | None]] = deque()
    while True:
        for end_user in islice(end_users, ahead - len(waiting)):
            first = next(end_user.known_as(), None) if end_user.is_written else None
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
) -> Iterator[Rehearsed]:
    """Go through one end user's steps as a push would, sending nothing; arguments as in `rehearse`."""
    return _rehearse(plan, end_user, registered, find, memory, None)


def _rehearse(
    plan: Plan,
    end_user: EndUserPlan,
    registered: frozenset[str] | None,
    find: Find | None,
    memory: Memory | None,
    found: Future[EndUser | None] | None,
    look: Find | None = None,
) -> Iterator[Rehearsed]:
    """Go through one end user's steps.

    Args:
        plan, end_user, registered, find, memory: as in `rehearse`.
        found: the answer to the first look-up, under way already.
        look: looks an end user up in the account itself.
    """
    decisions: Decisions = decide(
        end_user,
        plan.steps(end_user),
        registered,
        asks=find is not None,
        is_shared=plan.is_anothers(end_user),
        recalls=memory is not None,
        recalls_sayings=memory is not None and memory.met_anybody,
        existing=plan.existing,
    )
    answers = _Answers(find, memory, found, look)
    answer: Answer = None
    foretold = 0
    while True:
        try:
            decision = next_decision(decisions, answer, answers.to)
        except StopIteration:
            return
        if find is None and not foretold:
            answers.look_ups = foretold = _foretold(end_user, decision)
        rehearsed = _rehearsed(end_user, decision, answers.look_ups)
        yield rehearsed._replace(is_unseen=answers.is_unseen)
        answer = _afterwards(decision)
        answers.look_ups, answers.is_unseen = 0, False


class _Answers:
    """Answers what the decisions about one end user ask, as far as a rehearsal may."""

    def __init__(
        self,
        find: Find | None,
        memory: Memory | None,
        found: Future[EndUser | None] | None,
        look: Find | None,
    ) -> None:
        """Begin; arguments as in `_rehearse`."""
        self._find = find
        self._memory = memory
        self._found = found
        self._look = look
        self.look_ups = 0
        """How many look-ups the step under way has asked for, at most."""
        self.is_unseen = False
        """Whether a push would look at the account where a rehearsal may not."""

    def to(self, asked: Question) -> Answer:
        """Return the answer to a question.

        Raises:
            CallFailedError: a look-up failed.
        """
        if isinstance(asked, LookAtAccount) and not self._look:
            # What a snapshot tells of whom an earlier run has met may be older than that.
            self.is_unseen = True
            return asked.remembered
        answer = _recalled(asked, self._memory)
        if answer or not isinstance(asked, LookUp | LookAtAccount):
            return answer
        self.look_ups += asked.wanted.look_ups
        found, self._found = self._found, None
        if isinstance(asked, LookAtAccount):
            return self._look(asked.wanted) if self._look else None
        if found:
            return found.result()
        return self._find(asked.wanted) if self._find else None


def _recalled(
    asked: Question, memory: Memory | None
) -> PastDelivery | RememberedEndUser | RememberedSayings | None:
    """What earlier runs know to answer."""
    if memory is None:
        return None
    if isinstance(asked, RecallDelivery | RecallCreation):
        return memory.past_delivery(*asked)
    if isinstance(asked, RecallSayings):
        return memory.sayings_of(asked.number)
    if isinstance(asked, RecallFormerId):
        return memory.recollect(asked.known_as, asked.elsewhere, alone=asked.alone)
    return memory.find(asked.wanted) if isinstance(asked, LookUp) and asked.compares else None


def _foretold(end_user: EndUserPlan, decision: Decision) -> int:
    """How many look-ups a step takes at most, where a push will ask the account."""
    done = isinstance(decision.verdict, Change) and decision.verdict.fields is None
    if decision.held is not None or done:
        return 0
    if isinstance(decision.step, Write):
        return next((each.look_ups for each in end_user.known_as()), 0)
    return int(_is_unknown(decision))  # the account may know them all the same


def _rehearsed(end_user: EndUserPlan, decision: Decision, look_ups: int) -> Rehearsed:
    step, verdict, held = decision.step, decision.verdict, decision.held
    assert isinstance(step, Write | Event)  # noqa: S101 - the plan is a live one
    refs = step.refs
    event = event_name(step.call) if isinstance(step, Event) else None
    if isinstance(verdict, Skip | Failure):
        outcome = Outcome(decision.action, refs, verdict, event=event)
        return Rehearsed(end_user, step, outcome, None, held, look_ups)
    call = verdict.fields if isinstance(verdict, Change) else verdict
    outcome = Outcome(decision.action, refs, None, event=event)
    warnings: tuple[PlacedWarning, ...] = ()
    if isinstance(step, Event) and isinstance(call, EligibilityCheck | PageView):
        warnings = step.warnings_of(call)
    elif call is not None:
        warnings = step.warnings
    return Rehearsed(end_user, step, outcome, call, held, look_ups, warnings)


def _taken(rehearsed: Rehearsed, fields: EndUserUpsert, find: Find) -> Iterator[PlacedWarning]:
    """Warn of an email or external id that is another end user's: both are unique (wootric.md 3)."""
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


def _is_unknown(decision: Decision) -> bool:
    return isinstance(decision.verdict, Skip) and decision.verdict.reason in UNKNOWN


def _afterwards(decision: Decision) -> Held:
    """What Wootric would hold after a step."""
    verdict, held = decision.verdict, decision.held
    if not (isinstance(verdict, Change) and verdict.fields):
        return None
    return (
        held.written(verdict.fields)
        if isinstance(held, RememberedEndUser)
        else written(verdict.fields, held)
    )
