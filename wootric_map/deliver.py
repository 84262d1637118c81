"""Carrying a plan out: each end user's calls in order, many end users at once."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, TypeAlias

import requests

from wootric_map.addressing import Change, change, unregistered
from wootric_map.calls import EligibilityCheck, EndUser, EndUserUpsert, PageView
from wootric_map.client import NoAnswerError, Wootric
from wootric_map.comparing import difference
from wootric_map.course import Answer, Course, LookUp, Turn, after, course
from wootric_map.outcome import Action, CallFailedError, Failure, Outcome, Skip, StoppedError
from wootric_map.plan import EndUserPlan, Find, Plan, Write
from wootric_map.plan_file import PlanFile, PlannedWrite

_ATTEMPTS: Final = 3
"""How often an end user is looked up anew after a write that nobody answered."""

Run: TypeAlias = Callable[[], Iterator[Outcome]]
"""Makes one end user's calls."""

_BACKLOG: Final = 1000
"""Outcomes that may wait for the caller before the workers do."""


def deliver(
    plan: Plan,
    wootric: Wootric,
    *,
    registered: frozenset[str],
    workers: int,
    stop: threading.Event,
    find: Find | None,
) -> Iterator[Outcome]:
    """Carry a plan out.

    One end user's calls are always in order and never at once; end users are spread over the workers.

    Args:
        plan: closed.
        wootric: the account.
        registered: the events that count for eligibility.
        workers: how many end users are under way at once.
        stop: set it to make no new calls; those under way are finished and their outcomes given.
        find: looks end users up, in the account or a snapshot; None takes Wootric to hold nobody.

    Yields:
        An outcome for every call, as they come.

    Raises:
        WootricError: the run can't go on: signing in was refused, or Wootric can't be reached.
    """
    turns = _Turns()

    def runs() -> Iterator[Run]:
        for end_user in plan:
            delivery = _Delivery(plan, end_user, wootric, find, registered, turns, stop)
            yield delivery.run

    return _spread(runs(), workers=workers, stop=stop)


def deliver_file(
    plan: PlanFile,
    wootric: Wootric,
    *,
    registered: frozenset[str],
    workers: int,
    stop: threading.Event,
) -> Iterator[Outcome]:
    """Carry out a plan that was saved, to the letter; arguments and outcomes as in `deliver`.

    An end user to create who is there by now is not changed, since that was not in the plan.
    """

    def runs() -> Iterator[Run]:
        for index in range(len(plan)):
            yield _ExactDelivery(plan, index, wootric, registered, stop).run

    return _spread(runs(), workers=workers, stop=stop)


def _spread(runs: Iterator[Run], *, workers: int, stop: threading.Event) -> Iterator[Outcome]:
    """Do the runs, as many at once as there are workers."""
    turn = threading.Lock()
    outcomes: queue.Queue[Outcome | BaseException | None] = queue.Queue(_BACKLOG)

    def work() -> None:
        try:
            while not stop.is_set():
                with turn:
                    run = next(runs, None)
                if run is None:
                    break
                for outcome in run():
                    outcomes.put(outcome)
        except StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where it can be seen
            stop.set()
            outcomes.put(error)
        finally:
            outcomes.put(None)

    threads = [threading.Thread(target=work, name=f"worker-{n}") for n in range(workers)]
    for thread in threads:
        thread.start()
    running = workers
    failed: BaseException | None = None
    try:
        while running:
            outcome = outcomes.get()
            if outcome is None:
                running -= 1
            elif isinstance(outcome, BaseException):
                failed = failed or outcome
            else:
                yield outcome
    finally:
        if running:  # the caller wants no more
            stop.set()
        while running:
            running -= outcomes.get() is None
        for thread in threads:
            thread.join()
    if failed:
        raise failed


class _Delivery:
    """One end user's way through Wootric."""

    def __init__(
        self,
        plan: Plan,
        end_user: EndUserPlan,
        wootric: Wootric,
        find: Find | None,
        registered: frozenset[str],
        turns: "_Turns",
        stop: threading.Event,
    ) -> None:
        self._plan = plan
        self._end_user = end_user
        self._wootric = wootric
        self._find = find
        self._registered = registered
        self._stop = stop
        self._turns = turns
        self._stack = ExitStack()
        self._holds = False

    def run(self) -> Iterator[Outcome]:
        """Make the end user's calls in order."""
        way = course(
            self._end_user,
            self._plan.steps(self._end_user),
            self._registered,
            asks=self._find is not None,
        )
        answer: Answer = None
        with self._stack:
            while not self._stop.is_set():
                try:
                    asked = way.send(answer)
                    while isinstance(asked, LookUp):
                        asked = self._answer(way, asked)
                except StopIteration:
                    return
                outcome, answer = self._take(asked)
                yield outcome

    def _answer(self, way: Course, asked: LookUp) -> LookUp | Turn:
        try:
            found = self._find(asked.wanted) if self._find else None
            if found and self._have_to_oneself(found):
                # Somebody else has changed them since; no snapshot knows that.
                found = self._wootric.find(asked.wanted)
        except CallFailedError as error:
            return way.throw(error)
        return way.send(found)

    def _take(self, turn: Turn) -> tuple[Outcome, Answer]:
        """Do what a step's turn asks for."""
        step, fate = turn.step, turn.fate
        if isinstance(step, Write) and isinstance(fate, Change):
            return self._write(step, fate, turn.held)
        if isinstance(fate, EligibilityCheck | PageView):
            return Outcome(turn.action, step.refs, _sent(self._wootric, fate)), None
        result = fate if isinstance(fate, Skip | Failure) else None
        return Outcome(turn.action, step.refs, result), None

    def _write(self, write: Write, wanted: Change, held: EndUser | None) -> tuple[Outcome, Answer]:
        """Create or update the end user; looks again where it turns out that they have changed."""
        unanswered = False
        attempt = 0
        while wanted.fields is not None:
            attempt += 1
            failure: Failure | None = None
            try:
                answer = self._made(wanted.fields, held)
                return Outcome(wanted.action, write.refs, None), answer
            except NoAnswerError as error:
                unanswered = True
                failure = Failure("in_doubt", str(error))
            except CallFailedError as error:
                failure = error.failure
                if not _outdated(wanted.action, error):
                    return Outcome(wanted.action, write.refs, failure), failure
            if attempt == _ATTEMPTS:
                return Outcome(wanted.action, write.refs, failure), failure
            # It may be there by now: looking tells, sending it again would not.
            try:
                held = self._looked_up_anew(write)
            except CallFailedError as error:
                return Outcome(wanted.action, write.refs, error.failure), error.failure
            changed = change(self._end_user, write, held)
            if isinstance(changed, Skip):
                return Outcome(wanted.action, write.refs, changed), None
            if changed.fields is None and unanswered:
                # With nothing left to do, a write that nobody answered has been taken.
                return Outcome(wanted.action, write.refs, None), held
            wanted = changed
        return Outcome("unchanged", write.refs, None), held

    def _made(self, fields: EndUserUpsert, held: EndUser | None) -> EndUser:
        """Write the fields; gives what Wootric then holds."""
        if held is not None:
            return self._wootric.update(held.id, fields)
        if fields.wootric_id is not None:
            # The export names them by Wootric's own id, and nobody was to be asked.
            try:
                return self._wootric.update(int(fields.wootric_id), fields)
            except CallFailedError as error:
                if not (_gone(error) and (fields.email or fields.phone_number)):
                    raise
        created = self._wootric.create(fields)
        self._have_to_oneself(created)
        return created

    def _looked_up_anew(self, write: Write) -> EndUser | None:
        """Ask the account itself, by all that the write and its end user are known by."""
        for wanted in (write.upsert, *self._end_user.known_as()):
            found = self._wootric.find(wanted)
            if found:
                self._have_to_oneself(found)
                return found
        return None

    def _have_to_oneself(self, known: EndUser) -> bool:
        """Whether somebody else was at work on them until now."""
        if self._holds:
            return False  # one at a time, or two deliveries could wait for each other
        self._holds = True
        return self._stack.enter_context(self._turns.of(known.id))


class _ExactDelivery:
    """One end user's part of a saved plan."""

    def __init__(
        self,
        plan: PlanFile,
        index: int,
        wootric: Wootric,
        registered: frozenset[str],
        stop: threading.Event,
    ) -> None:
        self._plan = plan
        self._index = index
        self._wootric = wootric
        self._registered = registered
        self._stop = stop
        self._created: int | None = None

    def run(self) -> Iterator[Outcome]:
        """Make the calls in order."""
        refused: Failure | None = None
        for step in self._plan.steps(self._index):
            if self._stop.is_set():
                return
            result: Skip | Failure | None
            if isinstance(step, PlannedWrite):
                result = refused = self._write(step)
            else:
                result = unregistered(step.call, self._registered)
                if result is None:
                    result = after(refused) or _sent(self._wootric, step.call)
            yield Outcome(step.action, (step.ref,), result)

    def _write(self, step: PlannedWrite) -> Failure | None:
        number = self._created if step.id is None and step.action == "update" else step.id
        if number is None and step.action == "update":
            return Failure("end_user_failed", "not sent, since its end user was not created")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if number is None:
                    self._created = self._wootric.create(step.fields).id
                else:
                    self._created = self._wootric.update(number, step.fields).id
            except CallFailedError as error:
                named = step.fields.email or step.fields.phone_number
                if step.action != "create" or number is None or not (_gone(error) and named):
                    return error.failure
                number = None  # the id that the export names does not exist, so they are created
            except NoAnswerError as error:
                failure = Failure("in_doubt", str(error))
                try:
                    held = self._wootric.find(step.fields)
                except CallFailedError as other:
                    return other.failure
                if held and difference(step.fields, held) is None:
                    self._created = held.id
                    return None  # it was taken after all
                if held or attempt == _ATTEMPTS:
                    return failure
            else:
                return None
        return Failure("in_doubt", "given up after several attempts")


class _Turns:
    """Lets one delivery at a time work on an end user of the account."""

    def __init__(self) -> None:
        self._busy: set[int] = set()
        self._freed = threading.Condition()

    @contextmanager
    def of(self, number: int) -> Iterator[bool]:
        """Hold an end user; gives whether another delivery had to be waited for."""
        with self._freed:
            waited = number in self._busy
            self._freed.wait_for(lambda: number not in self._busy)
            self._busy.add(number)
        try:
            yield waited
        finally:
            with self._freed:
                self._busy.discard(number)
                self._freed.notify_all()


def _sent(wootric: Wootric, call: EligibilityCheck | PageView) -> Failure | None:
    """Send a call that can't be taken back; gives why it failed."""
    try:
        wootric.send(call)
    except CallFailedError as error:
        return error.failure
    except NoAnswerError as error:
        message = f"{error}; it may have been counted, and sent again it would count twice"
        return Failure("in_doubt", message)
    return None


def _outdated(action: Action, error: CallFailedError) -> bool:
    """Whether a write failed since somebody else has created or removed the end user by now."""
    return "already been taken" in str(error) if action == "create" else _gone(error)


def _gone(error: CallFailedError) -> bool:
    return bool(error.status == requests.codes.not_found)
