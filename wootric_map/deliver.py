"""Carrying a plan out: each end user's calls in order, many end users at once."""

import queue
import threading
from collections.abc import Iterator
from typing import Final

from wootric_map.calls import EndUserUpsert
from wootric_map.client import CallFailedError, NoAnswerError, Wootric
from wootric_map.outcome import Action, Failure, Outcome, Skip, StoppedError
from wootric_map.plan import (
    EndUser,
    EndUserPlan,
    Event,
    Plan,
    address,
    difference,
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
    outcomes: queue.Queue[Outcome | BaseException | None] = queue.Queue(_BACKLOG)

    def work() -> None:
        try:
            while not stop.is_set():
                with turn:
                    end_user = next(end_users, None)
                if end_user is None:
                    break
                for outcome in _Delivery(plan, end_user, wootric, events, stop).run():
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
        stop: threading.Event,
    ) -> None:
        self._plan = plan
        self._end_user = end_user
        self._wootric = wootric
        self._registered = registered
        self._stop = stop
        self._known: EndUser | None = None
        self._looked_up: set[tuple[str | None, str | None]] = set()

    def run(self) -> Iterator[Outcome]:
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
        self._looked_up.add((wanted.wootric_id, wanted.external_id))
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                self._known = self._wootric.find(wanted)
                if self._known is None and not (wanted.email or wanted.phone_number):
                    message = "it has no email or phone, and the account does not know its userId"
                    return Outcome(
                        action, refs, Skip("unidentified", "identify", "userId", message)
                    )
                changes = wanted if self._known is None else difference(wanted, self._known)
                action = "create" if self._known is None else "update"
                if changes is None:
                    return Outcome("unchanged", refs, None)
                try:
                    if self._known is None:
                        self._known = self._wootric.create(changes)
                    else:
                        self._known = self._wootric.update(self._known.id, changes)
                except NoAnswerError:
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
        ids = (event.wootric_id, event.user_id)
        folded = self._end_user.folded
        needed = not event.call.email and not (folded and folded.upsert.email) and any(ids)
        if needed and self._known is None and ids not in self._looked_up:
            self._looked_up.add(ids)
            wanted = EndUserUpsert(wootric_id=event.wootric_id, external_id=event.user_id)
            self._known = self._wootric.find(wanted)


def _failure(error: CallFailedError) -> Failure:
    return Failure(error.code, str(error), error.status, error.body)


def _taken(error: CallFailedError) -> bool:
    return "already been taken" in str(error)
