"""Carrying a plan out: each end user's calls in order, many end users at once."""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from math import inf
from typing import Final, TypeAlias

import requests

from wootric_map.deliver.addressing import Change, change, unregistered
from wootric_map.deliver.compare import difference, restrict, restrict_write, written
from wootric_map.deliver.decisions import (
    Answer,
    Asked,
    Begun,
    Course,
    Hear,
    Inspect,
    Met,
    Recall,
    Recollect,
    Turn,
    after,
    course,
    is_anothers,
    left_out,
    still_holds,
)
from wootric_map.deliver.fingerprints import Delivered, Fate, Known, Provenance
from wootric_map.deliver.journal import NOWHERE, Journal
from wootric_map.errors import CallFailedError, JournalFailedError, StoppedError
from wootric_map.model import (
    NOBODY,
    Action,
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
from wootric_map.plan.people import EMAIL, USER, id_name
from wootric_map.plan.plan import Plan
from wootric_map.plan.plan_file import PlanFile, Planned, PlannedWrite
from wootric_map.plan.steps import EndUserPlan, Event, Find, Write
from wootric_map.plan.trait_history import NO_HISTORY, without_outdated
from wootric_map.values.contact import comparable
from wootric_map.wootric.client import NoAnswerError, Wootric

_ATTEMPTS: Final = 3
"""How often an end user is looked up anew after a write that nobody answered."""

GRACE: Final = 10.0
"""Seconds that calls under way may take to finish once the run is told to stop."""

Run: TypeAlias = Callable[[], Iterator[Outcome]]
"""Makes one end user's calls."""

_BACKLOG: Final = 1000
"""Outcomes that may wait for the caller before the workers do."""

_GATHER: Final = 0.01
"""Seconds in which more outcomes may come: to be woken for each takes the workers' time."""

_UNPROCESSABLE: Final = int(requests.codes.unprocessable_entity)

_LOOK_EVERY: Final = 0.25
"""Seconds between two looks at how long a stop has lasted."""


def deliver(
    plan: Plan,
    wootric: Wootric,
    *,
    registered: frozenset[str],
    workers: int,
    stop: threading.Event,
    find: Find | None,
    journal: Journal,
) -> Iterator[Outcome]:
    """Carry a plan out.

    One end user's calls are always in order and never at once; end users are spread over the workers.

    Args:
        plan: closed.
        wootric: the account.
        registered: the events that count for eligibility.
        workers: how many end users are under way at once.
        stop: set it to make no new calls; those under way are finished and their outcomes given, if that
            takes no longer than `GRACE`.
        find: looks end users up, in the account or a snapshot; None takes Wootric to hold nobody.
        journal: what earlier runs did, which is not done again; is told of every call.

    Yields:
        An outcome for every call, as they come.

    Raises:
        WootricError: the run can't go on: signing in was refused, or Wootric can't be reached.
        JournalFailedError: the journal can't be written, so that nothing more may be sent.
    """
    turns = _Turns()
    sender = _Sender(wootric, journal)

    def runs() -> Iterator[Run]:
        for end_user in plan:
            delivery = _Delivery(plan, end_user, wootric, find, registered, turns, stop, sender)
            yield delivery.run

    return _spread(runs(), journal, workers=workers, stop=stop)


def deliver_file(
    plan: PlanFile,
    wootric: Wootric,
    *,
    registered: frozenset[str],
    workers: int,
    stop: threading.Event,
    journal: Journal,
) -> Iterator[Outcome]:
    """Carry out a plan that was saved, to the letter; arguments and outcomes as in `deliver`.

    An end user to create who is there by now is not changed, since that was not in the plan.
    """

    sender = _Sender(wootric, journal)

    def runs() -> Iterator[Run]:
        for index in range(len(plan)):
            yield _ExactDelivery(plan, index, wootric, registered, stop, sender).run

    return _spread(runs(), journal, workers=workers, stop=stop)


def calls_left(plan: PlanFile, registered: frozenset[str], journal: Journal) -> Counter[str]:
    """Count the calls of a saved plan that are still to be made, by what each does.

    Args:
        plan: that was saved.
        registered: the events that count for eligibility.
        journal: what earlier runs did, which is not done again.
    """
    calls: Counter[str] = Counter()
    if not journal.remembers:
        calls.update(plan.counts)
        calls["eligibility_check"] = sum(
            count for name, count in plan.checks.items() if name in registered
        )
        return calls
    for index in range(len(plan)):
        latest: float = 0
        for step in plan.steps(index):
            fate = journal.fate(step.key, step.former_key, step.time)
            if not isinstance(step, PlannedWrite):
                skip = unregistered(step.call, registered) or left_out(step.type, fate)
                is_done = skip is not None
            else:
                is_done = isinstance(fate, Delivered) and _holds(step, fate, latest, journal)
                latest = fate.run if is_done and isinstance(fate, Delivered) else inf
            calls[step.action] += not is_done
    return calls


def _spread(
    runs: Iterator[Run], journal: Journal, *, workers: int, stop: threading.Event
) -> Iterator[Outcome]:
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

    # As daemons they keep no run from ending whose last calls get no answer in time.
    threads = [
        threading.Thread(target=work, name=f"worker-{n}", daemon=True) for n in range(workers)
    ]
    for thread in threads:
        thread.start()
    coming = _Coming(outcomes, workers, stop)
    failed: BaseException | None = None
    try:
        for outcome in coming:
            if isinstance(outcome, BaseException):
                failed = failed or outcome
            else:
                yield outcome
    finally:
        if coming.running:  # the caller wants no more, or the last calls get no answer
            stop.set()
        for _ in coming:
            pass
        if not coming.running:
            for thread in threads:
                thread.join()
    if failed:
        raise failed
    if journal.failure:
        raise JournalFailedError(journal.failure)


class _Coming:
    """What workers put into a queue, until each has put None or is waited for no more.

    It may be asked again for the rest.
    """

    def __init__(
        self,
        outcomes: "queue.Queue[Outcome | BaseException | None]",
        workers: int,
        stop: threading.Event,
    ) -> None:
        self._outcomes = outcomes
        self._patience = _Patience(stop)
        self.running = workers
        """Workers that have not ended."""

    def __iter__(self) -> Iterator[Outcome | BaseException]:
        while self.running and not self._patience.is_over:
            if self._outcomes.empty():
                time.sleep(_GATHER)
            try:
                outcome = self._outcomes.get(timeout=_LOOK_EVERY)
            except queue.Empty:
                continue
            if outcome is None:
                self.running -= 1
            else:
                yield outcome


class _Patience:
    """How long calls under way are waited for once the run is told to stop."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._since: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end."""
        if not self._stop.is_set():
            return False
        now = time.monotonic()
        self._since = self._since or now
        return now - self._since >= GRACE


class _Departure:
    """Keeps the journal of one call."""

    def __init__(
        self,
        journal: Journal,
        key: str,
        action: Action,
        wanted: EndUserUpsert | None = None,
        provenance: Provenance = NOWHERE,
    ) -> None:
        self._journal = journal
        self._key = key
        self._action: Action = action
        self._wanted = wanted
        self._provenance = provenance
        self.fields = journal.fingerprints.of(wanted) if wanted else None
        """The fingerprints of what is wanted, which two entries need."""

    def about_to_send(self) -> None:
        self._journal.depart(self._key, self._action, self._wanted, self.fields, self._provenance)

    def not_carried_out(self) -> None:
        self._journal.returned(self._key)


class _Sender:
    """Makes calls, and keeps the journal of them."""

    def __init__(self, wootric: Wootric, journal: Journal) -> None:
        self._wootric = wootric
        self.journal = journal

    def send(
        self,
        key: str,
        action: Action,
        call: EligibilityCheck | PageView,
        former_key: str | None = None,
    ) -> Failure | bool:
        """Send a call that can't be taken back; gives why it failed, or whether the user is eligible."""
        departure = _Departure(self.journal, key, action)
        try:
            is_eligible = self._wootric.send(call, departure, again=self.journal.resends)
        except CallFailedError as error:
            return self.failed(key, action, error.failure)
        except NoAnswerError as error:
            message = f"{error}; it may have been counted, and sent again it would count twice"
            return self.failed(key, action, Failure("in_doubt", message))
        self.journal.delivered(key, action, former_key)
        return is_eligible

    def failed(
        self, key: str, action: Action, failure: Failure, wanted: EndUserUpsert | None = None
    ) -> Failure:
        """Put on record that a delivery failed; what is in doubt is on record already."""
        if failure.code != "in_doubt":
            self.journal.failed(key, action, wanted)
        return failure

    def create(
        self, key: str, fields: EndUserUpsert, wanted: EndUserUpsert, provenance: Provenance
    ) -> EndUser:
        """Create an end user, who then holds what is wanted; raises as the client does."""
        departure = _Departure(self.journal, key, "create", wanted, provenance)
        created = self._wootric.create(fields, departure)
        self.journal.written(key, created.id, wanted, departure.fields, provenance)
        return created

    def update(
        self,
        key: str,
        number: int,
        fields: EndUserUpsert,
        wanted: EndUserUpsert,
        provenance: Provenance,
    ) -> EndUser:
        """Change an end user, who then holds what is wanted; raises as the client does."""
        known = replace(wanted, wootric_id=str(number))
        departure = _Departure(self.journal, key, "update", known, provenance)
        updated = self._wootric.update(number, fields, departure)
        self.journal.written(key, updated.id, wanted, departure.fields, provenance)
        return updated


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
        sender: _Sender,
    ) -> None:
        self._plan = plan
        self._end_user = end_user
        self._wootric = wootric
        self._sender = sender
        self._journal = sender.journal
        self._find = find
        self._is_anothers = plan.is_anothers(end_user)
        self._registered = registered
        self._stop = stop
        self._turns = turns
        self._stack = ExitStack()
        self._holds = False
        self._fate: Fate | None = None
        """What an earlier run has done about the step under way."""
        self._look_ups = 0
        """How many look-ups that step has asked for, at most."""
        self._created: int | None = None
        """The end user whom this delivery has created, by Wootric's own id."""
        self._begun: str | None = None
        """The mark of that in the journal, while more is to be written of them."""

    def run(self) -> Iterator[Outcome]:
        """Make the end user's calls in order."""
        way = course(
            self._end_user,
            self._plan.steps(self._end_user),
            self._registered,
            asks=self._find is not None,
            is_shared=self._is_anothers,
            recalls=self._journal.remembers,
            heeds=self._journal.met_anybody,
            existing=self._plan.existing,
        )
        answer: Answer = None
        with self._stack:
            while not self._stop.is_set():
                try:
                    asked = way.send(answer)
                    while not isinstance(asked, Turn):
                        asked = self._answer(way, asked)
                except StopIteration:
                    if self._begun:
                        self._journal.end(self._begun)
                    return
                outcome, answer = self._take(asked)
                yield outcome._replace(look_ups=self._look_ups)
                self._look_ups = 0

    def _answer(self, way: Course, asked: Asked) -> Asked | Turn:
        if isinstance(asked, Recall):
            self._fate = self._journal.fate(*asked)
            return way.send(self._fate)
        if isinstance(asked, Hear):
            return way.send(self._journal.heard(asked.number))
        if isinstance(asked, Recollect):
            return way.send(self._recollected(asked))
        if isinstance(asked, Begun):
            begun = self._journal.fate(asked.key)
            self._begun = asked.key if begun else None
            return way.send(begun)
        if isinstance(asked, Inspect):
            self._have_to_oneself(asked.known.id)
            try:
                seen = self._wootric.find(asked.wanted)
            except CallFailedError as error:
                return way.throw(error)
            return way.send(seen)
        found: EndUser | Known | None = None
        if asked.compares and self._journal.remembers:
            found = self._journal.find(asked.wanted)
        try:
            if found is None and self._find:
                self._look_ups += asked.wanted.look_ups
                found = self._find(asked.wanted)
            if found and (self._have_to_oneself(found.id) or self._may_be_outdated(found)):
                # Somebody else has changed them since; no snapshot knows that.
                found = self._wootric.find(asked.wanted)
        except CallFailedError as error:
            return way.throw(error)
        return way.send(found)

    def _may_be_outdated(self, found: EndUser | Known) -> bool:
        """Whether a value may be there by now, or is not told, that is to stay.

        What another delivery of this run has written before it let go of them is in the journal, too.
        """
        if self._plan.existing != "fill" or not isinstance(found, EndUser):
            return False
        if not found.knows_properties or self._journal.met(found.id):
            return True
        # A snapshot does not tell what others have written since: whoever lacks something is looked at.
        folded = self._end_user.folded
        return self._find != self._wootric.find and (
            folded is None
            or difference(restrict(folded.upsert, found, "fill").left, found) is not None
        )

    def _recollected(self, asked: Recollect) -> Known | None:
        """Whom the journal alone remembers."""
        known = self._journal.recollect(asked.known_as, asked.elsewhere, alone=asked.alone)
        if known and self._have_to_oneself(known.id):
            # Somebody else has changed them since, and may be who they are now.
            known = self._journal.recollect(asked.known_as, asked.elsewhere, alone=asked.alone)
        return known

    def _take(self, turn: Turn) -> tuple[Outcome, Answer]:
        """Do what a step's turn asks for."""
        step, fate = turn.step, turn.fate
        if isinstance(step, Write) and isinstance(fate, Change):
            outcome, answer = self._write(step, fate, turn.held)
            if isinstance(outcome.result, Failure):
                self._sender.failed(step.key, outcome.action, outcome.result, step.whole)
            return outcome, answer
        event = event_name(step.call) if isinstance(step, Event) else None
        if isinstance(fate, EligibilityCheck | PageView):
            sent = self._sender.send(step.key, turn.action, fate, step.former_key)
            return _outcome(turn.action, step.refs, sent, step.key, event), None
        result = fate if isinstance(fate, Skip | Failure) else None
        if isinstance(result, Failure):
            whom = step.whole if isinstance(step, Write) else None
            self._sender.failed(step.key, turn.action, result, whom)
        key = step.key if isinstance(step, Event) else None
        return Outcome(turn.action, step.refs, result, key, event), None

    def _write(
        self, write: Write, wanted: Change, held: EndUser | Known | None
    ) -> tuple[Outcome, Answer]:
        """Create or update the end user; looks again where it turns out that they have changed."""
        if wanted.fields is None and held is None:
            if self._journal.is_silent(self._fate):
                self._journal.learn(write.key, write.whole, self._provenance(write))
            return Outcome(wanted.action, write.refs, None), None
        existing = self._plan.existing
        found: EndUser | None = None
        unanswered = False
        attempt = 0
        provenance = self._provenance(write)
        while wanted.fields is not None:
            attempt += 1
            failure: Failure | None = None
            try:
                made = self._made(write, wanted.fields, held, provenance)
                answer = _as_sent(made, wanted.fields, held)
                return Outcome(wanted.action, write.refs, None), self._met(answer, found)
            except NoAnswerError as error:
                unanswered = True
                failure = Failure("in_doubt", str(error))
            except CallFailedError as error:
                failure = error.failure
                if not _outdated(error):
                    return Outcome(wanted.action, write.refs, failure), failure
            if attempt == _ATTEMPTS:
                return Outcome(wanted.action, write.refs, failure), failure
            # It may be there by now: looking tells, sending it again would not.
            try:
                before, (found, is_taken) = held, self._looked_up_anew(write)
                held = found
            except CallFailedError as error:
                return Outcome(wanted.action, write.refs, error.failure), error.failure
            if failure.status == _UNPROCESSABLE and before and held and before.id == held.id:
                try:
                    held = self._owner_of_email(wanted.fields, held)
                except CallFailedError as error:
                    return Outcome(wanted.action, write.refs, error.failure), error.failure
                if held is None:
                    # It is somebody else who has this external id.
                    return Outcome(wanted.action, write.refs, failure), failure
                found, is_taken = held, True
            if is_taken:
                write = write.without_external_id()
            heard = self._journal.heard(held.id) if held else None
            write = write.without_outdated(heard) if heard else write.without_outdated()
            if held and held.id != self._created:
                write = restrict_write(write, held, existing)
            provenance = self._provenance(write)
            changed = change(self._end_user, write, held)
            if isinstance(changed, Skip):
                return Outcome(wanted.action, write.refs, changed), None
            if changed.action == "unchanged" and unanswered:
                # With nothing left to do, a write that nobody answered has been taken.
                self._note(write, held, provenance)
                self._created = held.id if held and wanted.action == "create" else self._created
                return Outcome(wanted.action, write.refs, None), held
            wanted = changed
        self._note(write, held, provenance)
        return Outcome(wanted.action, write.refs, None), self._met(held, found)

    def _met(self, now: EndUser | Known | None, before: EndUser | None) -> Answer:
        """What Wootric holds after a write, and how an end user was who turned out to be there."""
        if before is None or before.id == self._created or not isinstance(now, EndUser):
            return now
        return Met(now, before)

    def _provenance(self, write: Write) -> Provenance:
        """When what a write says was said, and of whom."""
        known_as = (write.whole, *self._end_user.known_as())
        return self._journal.fingerprints.provenance(write.sent_history(), known_as)

    def _note(self, write: Write, held: EndUser | Known | None, provenance: Provenance) -> None:
        """Put on record that there is nothing left to do about a write."""
        if held is not None:
            # Where whoever is there stays, they are not held apart from others who may be them, too.
            self._journal.written(
                write.key,
                held.id,
                write.to_hold,
                provenance=provenance,
                is_written=self._plan.existing == "update",
            )

    def _made(
        self,
        write: Write,
        fields: EndUserUpsert,
        held: EndUser | Known | None,
        provenance: Provenance,
    ) -> EndUser:
        """Write the fields; gives what Wootric then holds."""
        sender, key, wanted = self._sender, write.key, write.to_hold
        if held is not None:
            return sender.update(key, held.id, fields, wanted, provenance)
        if fields.wootric_id is not None:
            # The export names them by Wootric's own id, and nobody was to be asked.
            try:
                return sender.update(key, int(fields.wootric_id), fields, wanted, provenance)
            except CallFailedError as error:
                if not (_gone(error) and (fields.email or fields.phone_number)):
                    raise
        if self._plan.existing != "update" and not self._plan.folds:
            # A run that goes on where this one stops must know them as its own.
            self._begun = write.key_where("begun")
            self._journal.begin(self._begun)
        created = sender.create(key, fields, wanted, provenance)
        self._created = created.id
        self._have_to_oneself(created.id)
        return created

    def _looked_up_anew(self, write: Write) -> tuple[EndUser | None, bool]:
        """Ask the account itself, by all that the write and its end user are known by.

        Returns:
            The end user, and whether somebody else has their external id.
        """
        is_taken = False
        for wanted in (write.whole, *self._end_user.known_as()):
            found = self._wootric.find(wanted)
            if found and is_anothers(found, wanted, self._is_anothers):
                is_taken = True
                rest = replace(wanted, external_id=None)
                found = self._wootric.find(rest) if any(rest.look_up_keys()) else None
            if found:
                self._have_to_oneself(found.id)
                return found, is_taken
        return None, is_taken

    def _owner_of_email(self, fields: EndUserUpsert, held: EndUser) -> EndUser | None:
        """Ask the account who else has the email that an end user was to get: that is who they are now.

        Only where earlier runs left both, who were two until more was known of them.
        """
        if not (fields.email and self._journal.met(held.id)):
            return None
        owner = self._wootric.find(EndUserUpsert(fields.email))
        if owner is None or owner.id == held.id or not self._journal.met(owner.id):
            return None
        self._have_to_oneself(owner.id)
        return owner

    def _have_to_oneself(self, number: int) -> bool:
        """Whether somebody else was at work on them until now."""
        if self._holds:
            return False  # one at a time, or two deliveries could wait for each other
        self._holds = True
        return self._stack.enter_context(self._turns.of(number))


class _ExactDelivery:
    """One end user's part of a saved plan."""

    def __init__(
        self,
        plan: PlanFile,
        index: int,
        wootric: Wootric,
        registered: frozenset[str],
        stop: threading.Event,
        sender: _Sender,
    ) -> None:
        self._plan = plan
        self._index = index
        self._sender = sender
        self._journal = sender.journal
        self._wootric = wootric
        self._registered = registered
        self._stop = stop
        self._created: int | None = None
        self._before: EndUser | None = None
        """Of one who is only to be given what they lack: how they were before the plan's writes."""
        self._has_failed = False
        self._refused: Failure | None = None
        self._latest: float = 0
        """The run that made the writes up to here; infinite where it is this one."""

    def run(self) -> Iterator[Outcome]:
        """Make the calls in order."""
        for step in self._plan.steps(self._index):
            if self._stop.is_set():
                return
            yield self._take(step)

    def _take(self, step: Planned) -> Outcome:
        """Do one step."""
        fate = self._journal.fate(step.key, step.former_key, step.time)
        refs = (step.ref,)
        if isinstance(step, PlannedWrite):
            if isinstance(fate, Delivered) and _holds(step, fate, self._latest, self._journal):
                self._latest = fate.run
                self._refused = None
                if step.action == "create":
                    self._created = step.id or self._number_of(step.fields)
                return Outcome("unchanged", refs, None)
            action, self._refused = self._written(step)
            if action != "unchanged":
                self._latest = inf
            if self._refused:
                self._has_failed = True
                self._sender.failed(step.key, step.action, self._refused, step.fields)
            return Outcome(action, refs, self._refused)
        skip = unregistered(step.call, self._registered) or left_out(step.type, fate)
        event = event_name(step.call)
        if skip:
            return Outcome(step.action, refs, skip, event=event)
        refused = after(self._refused)
        if refused:
            self._sender.failed(step.key, step.action, refused)
        sent = refused or self._sender.send(step.key, step.action, step.call, step.former_key)
        return _outcome(step.action, refs, sent, None, event)

    def _written(self, step: PlannedWrite) -> tuple[Action, Failure | None]:
        """Make a write, but for values that somebody has given an end user who is only to be filled in.

        Returns:
            What it was counted as in the end, and why it failed.
        """
        if not step.fills or step.id is None:
            return self._write(step)
        try:
            before = self._before = self._before or self._looked_at(step.id)
        except CallFailedError as error:
            return step.action, error.failure
        filled = restrict(step.fields, before, "fill")
        if not filled.withheld:
            return self._write(step)
        if difference(filled.left, before) is None:
            return "left", None
        said = step.history and step.history.of_fields(filled.left)
        return self._write(step._replace(fields=filled.left, history=said))

    def _write(self, step: PlannedWrite) -> tuple[Action, Failure | None]:
        """Make a write; gives what it was counted as in the end, and why it failed."""
        number = self._created if step.id is None and step.action == "update" else step.id
        if number is None and step.action == "update" and step.known_as and not self._has_failed:
            # What is left of a plan may lack the line that has created them.
            number = self._number_of(step.known_as[0])
        if number is None and step.action == "update":
            message = "not sent, since its end user was not created"
            return step.action, Failure("end_user_failed", message)
        shared = self._shared_id(step)
        if shared:
            message = (
                f"the {shared} is several people's, by what pushes since have seen: it ties nobody. Push "
                "the export itself, which tells them apart"
            )
            return step.action, Failure("ambiguous_id", message)
        sender, key, fields = self._sender, step.key, step.fields
        fingerprints = self._journal.fingerprints
        said = step.history or NO_HISTORY
        if self._has_failed:
            # A write counts on those before it for what it does not hold itself, and one of them failed.
            said = said.of_fields(fields)
        provenance = fingerprints.provenance(said, (fields, *step.known_as))
        if number is not None and step.history:
            heard = self._journal.heard(number)
            left = without_outdated(fields, step.history, heard) if heard else fields
            if not left.fields():
                # Later identifies have said it all otherwise.
                self._created = number
                self._journal.written(key, number, left, provenance=provenance)
                return "unchanged", None
            fields = left
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if number is None:
                    self._created = sender.create(key, fields, fields, provenance).id
                else:
                    self._created = sender.update(key, number, fields, fields, provenance).id
            except CallFailedError as error:
                named = fields.email or fields.phone_number
                if step.action != "create" or number is None or not (_gone(error) and named):
                    return step.action, error.failure
                number = None  # the id that the export names does not exist, so they are created
            except NoAnswerError as error:
                failure = Failure("in_doubt", str(error))
                try:
                    held = self._wootric.find(fields)
                except CallFailedError as other:
                    return step.action, other.failure
                if held and difference(fields, held) is None:
                    self._created = held.id
                    self._journal.written(key, held.id, fields, provenance=provenance)
                    return step.action, None  # it was taken after all
                if held or attempt == _ATTEMPTS:
                    return step.action, failure
            else:
                return step.action, None
        return step.action, Failure("in_doubt", "given up after several attempts")

    def _looked_at(self, number: int) -> EndUser:
        """The end user as the account holds them now."""
        return self._wootric.find(EndUserUpsert(wootric_id=str(number))) or NOBODY

    def _shared_id(self, step: PlannedWrite) -> str | None:
        """Return which id of a write several people carry (segment.md 8, rule 4), unknown to the plan."""
        known_as = (step.fields, *step.known_as)
        users = [each.external_id for each in known_as if each.external_id]
        if any(self._journal.carries_several(id_name(USER, each)) for each in users):
            return "userId"
        emails = [comparable(each.email) for each in known_as if each.email]
        if users and any(self._journal.carries_several(id_name(EMAIL, each)) for each in emails):
            return "email"
        return None

    def _number_of(self, fields: EndUserUpsert) -> int | None:
        """Wootric's own id of an end user whom an earlier run has created."""
        known = self._journal.find(fields)
        if known:
            return known.id
        try:
            found = self._wootric.find(fields)
        except CallFailedError:
            return None
        return found.id if found else None


def _holds(step: PlannedWrite, fate: Delivered, latest: float, journal: Journal) -> bool:
    """Whether nothing has undone what an earlier run wrote; what is known as earlier undoes nothing.

    `latest` is the run that made the writes up to here; infinite where it is this one.
    """
    told = step.history is not None and not journal.is_silent(fate)
    return told or still_holds(fate, latest)


def _outcome(
    action: Action,
    refs: Collection[Ref],
    sent: Failure | bool,
    key: str | None,
    event: str | None,
) -> Outcome:
    """What became of a check or page view that was sent."""
    if isinstance(sent, Failure):
        return Outcome(action, refs, sent, key, event)
    return Outcome(action, refs, None, key, event, is_eligible=sent)


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


def _as_sent(told: EndUser, sent: EndUserUpsert, before: EndUser | Known | None) -> EndUser:
    """An end user as the reply to a write tells them; where it leaves the properties open, as was sent.

    Args:
        told: the end user in the reply.
        sent: the fields that were written.
        before: the end user before the write.
    """
    if told.knows_properties:
        return told
    held = written(sent, before if isinstance(before, EndUser) else None)
    return replace(told, properties=held.properties, knows_properties=True)


def _outdated(error: CallFailedError) -> bool:
    """Whether a write failed since what was known of the end user holds no more: somebody has created or
    removed them, or has taken their email or external id, by now."""
    return _gone(error) or "already been taken" in str(error)


def _gone(error: CallFailedError) -> bool:
    return bool(error.status == requests.codes.not_found)
