"""What is to be done about an end user of a saved plan: what the plan says, to the letter.

An end user to create who is there by now is not changed, since that was not in the plan.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from math import inf

from wootric_map.deliver.addressing import Change, unregistered
from wootric_map.deliver.compare import difference, restrict
from wootric_map.deliver.decisions import after, left_out, still_holds
from wootric_map.deliver.fingerprints import (
    Delivered,
    Fingerprints,
    PastDelivery,
    RememberedEndUser,
    RememberedSayings,
)
from wootric_map.deliver.questions import (
    Answer,
    Deciding,
    Decision,
    Decisions,
    Inconclusive,
    LookAtAccount,
    LookUpAgain,
    RecallDelivery,
    RecallSayings,
    RecallWritten,
)
from wootric_map.errors import CallFailedError
from wootric_map.model import NOBODY, EndUser, EndUserUpsert, Failure, Ref
from wootric_map.plan.people import EMAIL, USER, id_name
from wootric_map.plan.plan_lines import Planned, PlannedWrite
from wootric_map.plan.trait_history import NO_HISTORY, TraitHistory, without_outdated
from wootric_map.values.contact import comparable


@dataclass(frozen=True, slots=True)
class PastRuns:
    """What a saved plan asks of earlier runs beside its questions."""

    is_silent: Callable[[PastDelivery | None], bool]
    """Tells whether a delivery was made by a release that did not note when anything was said."""
    carries_several: Callable[[str], bool]
    """Tells whether several people carry an id, by its name."""

    def still_holds(self, step: PlannedWrite, past: Answer, latest: float) -> bool:
        """Return whether nothing has undone what an earlier run wrote.

        What is known to have been said earlier undoes nothing.

        Args:
            step: the write.
            past: what an earlier run did about it.
            latest: the run that made the writes up to here; infinite where it is this one.
        """
        if not isinstance(past, Delivered):
            return False
        told = step.history is not None and not self.is_silent(past)
        return told or still_holds(past, latest)

    def shared_id(self, known_as: Iterable[EndUserUpsert]) -> str | None:
        """Return which of these ids several people carry (segment.md 8, rule 4), unknown to the plan."""
        ids = tuple(known_as)
        users = [each.external_id for each in ids if each.external_id]
        if any(self.carries_several(id_name(USER, each)) for each in users):
            return "userId"
        emails = [comparable(each.email) for each in ids if each.email]
        if users and any(self.carries_several(id_name(EMAIL, each)) for each in emails):
            return "email"
        return None


@dataclass(frozen=True, slots=True)
class SavedWrite:
    """A write of a saved plan, as much of it as is to be made."""

    planned: PlannedWrite
    to_hold: EndUserUpsert
    """What Wootric holds once it is written."""
    known_as: tuple[EndUserUpsert, ...]
    """The ids that it speaks of."""
    history: TraitHistory

    @property
    def key(self) -> str:
        """What tells it from every other write."""
        return self.planned.key

    @property
    def refs(self) -> Collection[Ref]:
        """Its line."""
        return (self.planned.ref,)

    @property
    def whole(self) -> EndUserUpsert:
        """All that the plan says."""
        return self.planned.fields

    def sent_history(self) -> TraitHistory:
        """Return when what is written was said."""
        return self.history


def decide_saved(
    steps: Iterable[Planned], registered: frozenset[str], past_runs: PastRuns
) -> Decisions:
    """Take one end user's steps of a saved plan in their order.

    Args:
        steps: as `PlanFile.steps` gives them.
        registered: the events that count for eligibility.
        past_runs: what earlier runs did.
    """
    end_user = _SavedEndUser(past_runs)
    for step in steps:
        past = yield RecallDelivery(step.key, step.former_key, step.time)
        if isinstance(step, PlannedWrite):
            yield from end_user.write(step, past)
        else:
            skip = unregistered(step.call, registered) or left_out(step.type, past)
            yield Decision(step, skip or after(end_user.refused) or step.call, None)


class _SavedEndUser:
    """What has been decided about an end user of a saved plan so far."""

    def __init__(self, past_runs: PastRuns) -> None:
        self._past_runs = past_runs
        self.refused: Failure | None = None
        """Why their last write failed."""
        self._has_failed = False
        """Whether any write of theirs failed."""
        self._number: int | None = None
        """Wootric's own id, once it is known."""
        self._before: EndUser | None = None
        """Of one who is only to be given what they lack: how they were before the plan's writes."""
        self._latest: float = 0
        """The run that made the writes up to here; infinite where it is this one."""

    def write(self, step: PlannedWrite, past: Answer) -> Deciding[None]:
        """Decide about a write.

        Args:
            step: the write.
            past: what an earlier run did about it.
        """
        if isinstance(past, Delivered) and self._past_runs.still_holds(step, past, self._latest):
            self._latest = past.run
            self.refused = None
            if step.action == "create":
                self._number = step.id or (yield from _number_of(step.fields))
            yield Decision(_saved(step), Change("unchanged", None), None)
            return
        try:
            failure = yield from self._filled(step)
        except CallFailedError as error:
            failure = error.failure
            self._latest = inf
            yield Decision(_saved(step), failure, None, step.action)
        self.refused = failure
        self._has_failed = self._has_failed or failure is not None

    def _filled(self, step: PlannedWrite) -> Deciding[Failure | None]:
        """Make a write, but for values that somebody has given one who is only to be filled in."""
        write = _saved(step)
        if not step.fills or step.id is None:
            return (yield from self._made(write))
        if self._before is None:
            answer = yield LookAtAccount(_by_number(step.id))
            self._before = answer if isinstance(answer, EndUser) else NOBODY
        filled = restrict(step.fields, self._before, "fill")
        if not filled.withheld:
            return (yield from self._made(write))
        if difference(filled.left, self._before) is None:
            self._latest = inf
            yield Decision(write, Change("left", None), None)
            return None
        left = filled.left
        known_as = (left, *step.known_as)
        said = write.history.of_fields(left)
        return (
            yield from self._made(replace(write, to_hold=left, known_as=known_as, history=said))
        )

    def _made(self, write: SavedWrite) -> Deciding[Failure | None]:
        """Make a write; returns why it failed."""
        step, fields = write.planned, write.to_hold
        number = step.id
        if step.action == "update":
            number = step.id or self._number
            if number is None and step.known_as and not self._has_failed:
                # What is left of a plan may lack the line that has created them.
                number = yield from _number_of(step.known_as[0])
        failure = self._refusal(write, number)
        if failure:
            self._latest = inf
            yield Decision(write, failure, None, step.action)
            return failure
        told = write.history if step.history else None
        if self._has_failed:
            # A write counts on those before it for what it does not hold itself, and one of them failed.
            write = replace(write, history=write.history.of_fields(fields))
        sayings = (yield RecallSayings(number)) if number is not None and told else None
        if number is not None and told and isinstance(sayings, RememberedSayings):
            write = replace(write, to_hold=without_outdated(fields, told, sayings))
            if not write.to_hold.fields():
                # Later identifies have said it all otherwise.
                self._number = number
                yield Decision(write, Change("unchanged", None), _by_number(number))
                return None
        self._latest = inf
        return (yield from self._attempted(write, number))

    def _refusal(self, write: SavedWrite, number: int | None) -> Failure | None:
        """Return why a write is not made."""
        if number is None and write.planned.action == "update":
            return Failure("end_user_failed", "not sent, since its end user was not created")
        shared = self._past_runs.shared_id(write.known_as)
        if shared is None:
            return None
        message = (
            f"the {shared} is several people's, by what pushes since have seen: it ties nobody. Push "
            "the export itself, which tells them apart"
        )
        return Failure("ambiguous_id", message)

    def _attempted(self, write: SavedWrite, number: int | None) -> Deciding[Failure | None]:
        """Make a write, again where nobody answered and it was not made; returns why it failed."""
        action, fields = write.planned.action, write.to_hold
        held = None
        sent = fields
        if action == "create" and number is not None:
            # The export names them by Wootric's own id.
            sent = replace(fields, wootric_id=str(number))
        elif number is not None:
            held = _by_number(number)
        while True:
            answer = yield Decision(write, Change(action, sent), held)
            if not isinstance(answer, Inconclusive):
                break
            failure = answer.failure
            if answer.is_unanswered:
                sent = fields  # it was to be created, also if the export names it by an id
                try:
                    found = yield LookUpAgain(fields)
                except CallFailedError as error:
                    failure = error.failure
                else:
                    if isinstance(found, EndUser) and difference(fields, found) is None:
                        # It was taken after all.
                        answer = yield Decision(write, Change(action, None), found)
                        break
                    if not (found or answer.is_last):
                        continue
            yield Decision(write, failure, held, action)
            return failure
        if isinstance(answer, Failure):
            return answer
        self._number = answer.id if isinstance(answer, EndUser) else self._number
        return None


def _saved(step: PlannedWrite) -> SavedWrite:
    known_as = (step.fields, *step.known_as)
    return SavedWrite(step, step.fields, known_as, step.history or NO_HISTORY)


def _by_number(number: int) -> RememberedEndUser:
    """Return an end user of whom nothing is known but Wootric's own id."""
    return RememberedEndUser(number, {}, Fingerprints(b""))


def _number_of(wanted: EndUserUpsert) -> Deciding[int | None]:
    """Return Wootric's own id of an end user whom an earlier run has created."""
    answer = yield RecallWritten(wanted)
    return answer.id if isinstance(answer, EndUser | RememberedEndUser) else None
