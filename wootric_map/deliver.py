"""Carrying a plan out: each end user's calls in order, many end users at once."""

import queue
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from wootric_map.calls import EndUserUpsert
from wootric_map.client import CallFailedError, NoAnswerError, Wootric
from wootric_map.outcome import Action, Failure, Outcome, Skip, StoppedError
from wootric_map.plan import (
    EndUser,
    EndUserPlan,
    Event,
    Ids,
    Plan,
    address,
    difference,
    needs_look_up,
    unregistered,
)

_ATTEMPTS: Final = 3
"""How often an end user is looked up anew after a write that nobody answered."""

_BACKLOG: Final = 1000
"""Outcomes that may wait for the caller before the workers do."""


def deliver(
    plan: Plan, wootric: Wootric, *, workers: int, stop: threading.Event
) -> Iterator[Outcome]:
    """Carry a plan out.

    One end user's calls are always in order and never at once; end users are spread over the workers.

    Args:
        plan: closed.
        wootric: the account.
        workers: how many end users are under way at once.
        stop: set it to make no new calls; those under way are finished and their outcomes given.

    Yields:
        An outcome for every call, as they come.

    Raises:
        WootricError: the run can't go on: signing in was refused, or Wootric can't be reached.
    """
    events = frozenset[str]() if not plan.has_tracks else wootric.registered_events()
    end_users = iter(plan)
    turn = threading.Lock()
    turns = _Turns()
    outcomes: queue.Queue[Outcome | BaseException | None] = queue.Queue(_BACKLOG)

    def work() -> None:
        try:
            while not stop.is_set():
                with turn:
                    end_user = next(end_users, None)
                if end_user is None:
                    break
                for outcome in _Delivery(plan, end_user, wootric, events, turns, stop).run():
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
        registered: frozenset[str],
        turns: "_Turns",
        stop: threading.Event,
    ) -> None:
        self._plan = plan
        self._end_user = end_user
        self._wootric = wootric
        self._registered = registered
        self._stop = stop
        self._known: EndUser | None = None
        self._looked_up: set[Ids] = set()
        self._turns = turns
        self._stack = ExitStack()
        self._holds = False

    def run(self) -> Iterator[Outcome]:
        """Make the end user's calls in order."""
        with self._stack:
            yield from self._run()

    def _run(self) -> Iterator[Outcome]:
        written = None
        if self._end_user.folded:
            written = self._write(self._end_user.folded.upsert)
            yield written
        for event in self._plan.events(self._end_user):
            if self._stop.is_set():
                return
            yield self._send(event, written)

    def _write(self, wanted: EndUserUpsert) -> Outcome:
        """Create or update the end user, unless Wootric holds them as wanted."""
        refs = self._end_user.refs
        action: Action = "create"
        unanswered = False
        self._looked_up.add((wanted.wootric_id, wanted.external_id))
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                self._find(wanted)
                if self._known is None and not (wanted.email or wanted.phone_number):
                    message = "it has no email or phone, and the account does not know its userId"
                    return Outcome(
                        action, refs, Skip("unidentified", "identify", "userId", message)
                    )
                changes = wanted if self._known is None else difference(wanted, self._known)
                if changes is None:
                    # With nothing left to do, a write that nobody answered has been taken.
                    return Outcome(action if unanswered else "unchanged", refs, None)
                action = "create" if self._known is None else "update"
                try:
                    if self._known is None:
                        self._known = self._wootric.create(changes)
                        self._have_to_oneself(self._known)
                    else:
                        self._known = self._wootric.update(self._known.id, changes)
                except NoAnswerError:
                    unanswered = True
                    # It may be there by now: looking tells, sending it again would not.
                    if attempt == _ATTEMPTS:
                        raise
                except CallFailedError as error:
                    # Somebody else created them since they were looked up.
                    if action == "update" or attempt == _ATTEMPTS or not _taken(error):
                        raise
                else:
                    break
        except CallFailedError as error:
            return Outcome(action, refs, _failure(error))
        except NoAnswerError as error:
            return Outcome(action, refs, Failure("in_doubt", str(error)))
        return Outcome(action, refs, None)

    def _send(self, event: Event, written: Outcome | None) -> Outcome:
        """Send a track or page record, unless it is not for Wootric or its end user failed."""
        result: Skip | Failure | None = unregistered(event, self._registered)
        if result is None and written and isinstance(written.result, Failure):
            message = f"not sent, since its end user could not be written: {written.result.message}"
            result = Failure("end_user_failed", message)
        if result is None:
            result = self._send_to_known(event)
        return Outcome(event.action, (event.ref,), result)

    def _send_to_known(self, event: Event) -> Skip | Failure | None:
        try:
            self._look_up(event)
            call = address(event, self._end_user.folded, self._known)
            if isinstance(call, Skip):
                return call
            self._wootric.send(call)
        except CallFailedError as error:
            return _failure(error)
        except NoAnswerError as error:
            message = f"{error}; it may have been counted, and sent again it would count twice"
            return Failure("in_doubt", message)
        return None

    def _look_up(self, event: Event) -> None:
        """Ask the account for a user of whom the export says too little."""
        folded = self._end_user.folded
        if self._known is None and needs_look_up(event, folded, self._looked_up):
            self._looked_up.add(event.ids)
            wanted = EndUserUpsert(wootric_id=event.wootric_id, external_id=event.user_id)
            self._find(wanted)

    def _find(self, wanted: EndUserUpsert) -> None:
        """Look the end user up, and have them to oneself for the rest of the delivery.

        Two entries of the plan may turn out to be one end user whom only the account knows by both ids.
        """
        self._known = self._wootric.find(wanted)
        if self._known and self._have_to_oneself(self._known):
            self._known = self._wootric.find(wanted)

    def _have_to_oneself(self, known: EndUser) -> bool:
        """Whether somebody else was at work on them until now."""
        if self._holds:
            return False  # one at a time, or two deliveries could wait for each other
        self._holds = True
        return self._stack.enter_context(self._turns.of(known.id))


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


def _failure(error: CallFailedError) -> Failure:
    return Failure(error.code, str(error), error.status, error.body)


def _taken(error: CallFailedError) -> bool:
    return "already been taken" in str(error)
