"""Going through a plan as a push would, sending nothing: what a dry run shows."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

from wootric_map.deliver.addressing import Change
from wootric_map.deliver.compare import written
from wootric_map.deliver.decisions import (
    Answer,
    Asked,
    Begun,
    Course,
    Hear,
    Inspect,
    LookUp,
    Recall,
    Recollect,
    Turn,
    course,
)
from wootric_map.deliver.fingerprints import Fate, Known, Memory, Remembered
from wootric_map.errors import CallFailedError
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
    held: EndUser | Known | None
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
    way: Course = course(
        end_user,
        plan.steps(end_user),
        registered,
        asks=find is not None,
        is_shared=plan.is_anothers(end_user),
        recalls=memory is not None,
        heeds=memory is not None and memory.met_anybody,
        existing=plan.existing,
    )
    answer: Answer = None
    look_ups = foretold = 0
    is_unseen = False
    while True:
        try:
            asked = way.send(answer)
            while not isinstance(asked, Turn):
                if isinstance(asked, Inspect) and not look:
                    # What a snapshot tells of whom an earlier run has met may be older than that.
                    is_unseen = True
                    asked = way.send(asked.known)
                    continue
                answer = _recalled(asked, memory)
                if answer or not isinstance(asked, LookUp | Inspect):
                    asked = way.send(answer)
                    continue
                look_ups += asked.wanted.look_ups
                try:
                    if isinstance(asked, Inspect):
                        answer = look(asked.wanted) if look else None
                    else:
                        answer = found.result() if found else find(asked.wanted) if find else None
                except CallFailedError as error:
                    asked = way.throw(error)
                else:
                    asked = way.send(answer)
                found = None
        except StopIteration:
            return
        if find is None and not foretold:
            look_ups = foretold = _foretold(end_user, asked)
        yield _rehearsed(end_user, asked, look_ups)._replace(is_unseen=is_unseen)
        answer = _afterwards(asked)
        look_ups, is_unseen = 0, False


def _recalled(asked: Asked, memory: Memory | None) -> Fate | Known | Remembered | None:
    """What earlier runs know to answer."""
    if memory is None:
        return None
    if isinstance(asked, Recall | Begun):
        return memory.fate(*asked)
    if isinstance(asked, Hear):
        return memory.heard(asked.number)
    if isinstance(asked, Recollect):
        return memory.recollect(asked.known_as, asked.elsewhere, alone=asked.alone)
    return memory.find(asked.wanted) if isinstance(asked, LookUp) and asked.compares else None


def _foretold(end_user: EndUserPlan, turn: Turn) -> int:
    """How many look-ups a step takes at most, where a push will ask the account."""
    done = isinstance(turn.fate, Change) and turn.fate.fields is None
    if turn.held is not None or done:
        return 0
    if isinstance(turn.step, Write):
        return next((each.look_ups for each in end_user.known_as()), 0)
    return int(_is_unknown(turn))  # the account may know them all the same


def _rehearsed(end_user: EndUserPlan, turn: Turn, look_ups: int) -> Rehearsed:
    step, fate, held = turn
    refs = step.refs
    event = event_name(step.call) if isinstance(step, Event) else None
    if isinstance(fate, Skip | Failure):
        outcome = Outcome(turn.action, refs, fate, event=event)
        return Rehearsed(end_user, step, outcome, None, held, look_ups)
    call = fate.fields if isinstance(fate, Change) else fate
    outcome = Outcome(turn.action, refs, None, event=event)
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


def _is_unknown(turn: Turn) -> bool:
    return isinstance(turn.fate, Skip) and turn.fate.reason in UNKNOWN


def _afterwards(turn: Turn) -> EndUser | Known | None:
    """What Wootric would hold after a step."""
    fate, held = turn.fate, turn.held
    if not (isinstance(fate, Change) and fate.fields):
        return None
    return held.written(fate.fields) if isinstance(held, Known) else written(fate.fields, held)
