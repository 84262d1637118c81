"""Decisions about an end user of a saved plan, which is carried out to the letter.

An end user that the plan creates and that exists by now is not changed.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from math import inf

from wootric_map.deliver.carried_over import NOTHING_CARRIED_OVER, CarriedOver
from wootric_map.deliver.compare import difference, restrict, without_filled
from wootric_map.deliver.earlier_runs import failure_after, past_of, skip_if_sent, still_holds
from wootric_map.deliver.fingerprints import (
    Delivered,
    Fingerprints,
    PastDelivery,
    RememberedEndUser,
    RememberedFill,
    RememberedStatements,
)
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.opt_out_decisions import turned_off
from wootric_map.deliver.questions import (
    Answer,
    Deciding,
    Decision,
    Decisions,
    Inconclusive,
    LookAtAccount,
    LookUpAgain,
    RecallDelivery,
    RecallFill,
    RecallStatements,
    RecallWritten,
)
from wootric_map.deliver.survey_decisions import SurveyDecisions
from wootric_map.deliver.verdicts import Change, unregistered
from wootric_map.errors import CallFailedError
from wootric_map.mapping.rewriting import suppressed
from wootric_map.model import NOBODY, EndUser, EndUserUpsert, Failure, Ref
from wootric_map.plan.people import EMAIL, USER, id_name
from wootric_map.plan.plan_lines import Planned, PlannedCall, PlannedWrite
from wootric_map.plan.trait_history import NO_HISTORY, TraitHistory, without_outdated
from wootric_map.survey_calls import SurveyCall, SurveyDecline, SurveyResponse, SurveysOff
from wootric_map.values.contact import comparable


@dataclass(frozen=True, slots=True)
class PastRuns:
    """What the decisions need to know of earlier runs besides the answers to their questions."""

    is_without_statements: Callable[[PastDelivery | None], bool]
    """Returns whether a delivery was made by a release that did not record when traits were stated."""
    is_shared_id: Callable[[str], bool]
    """Returns whether several people carry an id, by its name."""

    @classmethod
    def of(cls, journal: Journal) -> "PastRuns":
        """Return what a journal says of earlier runs."""
        return cls(journal.deliveries.is_without_statements, journal.claims.is_shared_id)

    def still_holds(self, step: PlannedWrite, past: Answer, latest: float) -> bool:
        """Return whether nothing has undone a write of an earlier run.

        Earlier statements undo nothing, if it is known when the statements were made.

        Args:
            step: the write.
            past: what an earlier run has done about the write.
            latest: the run that made the writes up to here; infinite for this run.
        """
        if not isinstance(past, Delivered):
            return False
        told = step.history is not None and not self.is_without_statements(past)
        return told or still_holds(past, latest)

    def shared_id(self, identifiers: Iterable[EndUserUpsert]) -> str | None:
        """Return which kind of these ids several people carry (segment.md 8, rule 4); None if none does."""
        ids = tuple(identifiers)
        users = [each.segment_user_id for each in ids if each.segment_user_id]
        if any(self.is_shared_id(id_name(USER, each)) for each in users):
            return "userId"
        emails = [comparable(each.email) for each in ids if each.email]
        if users and any(self.is_shared_id(id_name(EMAIL, each)) for each in emails):
            return "email"
        return None


@dataclass(frozen=True, slots=True)
class SavedWrite:
    """A write of a saved plan, with the fields that are to be sent."""

    planned: PlannedWrite
    to_hold: EndUserUpsert
    """What Wootric holds after the write."""
    identifiers: tuple[EndUserUpsert, ...]
    """The ids of the end user."""
    history: TraitHistory

    @property
    def key(self) -> str:
        """The key of the write."""
        return self.planned.key

    @property
    def fills(self) -> bool:
        """Whether the write only fills in what is empty of an end user who was there before the plan."""
        return self.planned.fills and self.planned.id is not None

    @property
    def refs(self) -> Collection[Ref]:
        """The line of the write in the plan."""
        return (self.planned.ref,)

    @property
    def whole(self) -> EndUserUpsert:
        """All fields of the write in the plan."""
        return self.planned.fields

    def sent_history(self) -> TraitHistory:
        """Return when the fields that are sent were stated."""
        return self.history


def decide_saved(
    steps: Iterable[Planned],
    registered: frozenset[str],
    past_runs: PastRuns,
    begin: CarriedOver = NOTHING_CARRIED_OVER,
) -> Decisions:
    """Decide about one end user's steps of a saved plan in their order.

    Args:
        steps: as `PlanFile.steps` gives them.
        registered: the registered events.
        past_runs: what earlier runs did.
        begin: what is known after earlier steps of the end user, if `steps` are only the events.
    """
    end_user = _SavedEndUser(past_runs, begin)
    for step in steps:
        past = yield RecallDelivery(step.key, step.former_key, step.time)
        if isinstance(step, PlannedWrite):
            yield from end_user.write(step, past)
        elif isinstance(step.call, SurveyResponse | SurveyDecline):
            yield from end_user.survey(step, step.call, past_of(past))
        elif isinstance(step.call, SurveysOff):
            yield from end_user.turn_off(step, step.call, past_of(past))
        else:
            skip = unregistered(step.call, registered) or skip_if_sent(step.type, past)
            yield Decision(step, skip or failure_after(end_user.refused) or step.call, None)
    return end_user.carried_over()


def withhold_saved(steps: Iterable[Planned]) -> Decisions:
    """Decide that nothing is sent of an end user of a saved plan who is on a suppression list.

    Args:
        steps: as `PlanFile.steps` gives them.
    """
    for step in steps:
        if isinstance(step, PlannedWrite):
            yield Decision(_saved(step), suppressed("identify"), None)
        else:
            yield Decision(step, suppressed(step.type), None)
    return NOTHING_CARRIED_OVER


class _SavedEndUser:
    """The state of the decisions about an end user of a saved plan."""

    def __init__(self, past_runs: PastRuns, begin: CarriedOver) -> None:
        self._past_runs = past_runs
        self.refused = begin.refused
        """Why the last write of the end user failed; None if it did not."""
        self.is_there = False
        """Whether any write of the end user went through."""
        self._has_failed = False
        """Whether any write of the end user failed."""
        self._number = begin.held.id if begin.held else None
        """Wootric's id of the end user, once it is known."""
        self._is_new = begin.is_new
        """Whether this run has surely created the end user: Wootric said so in its first answer."""
        self._surveys = SurveyDecisions()
        self._before: EndUser | None = None
        """With `fill`, the end user before the writes of the plan."""
        self._recalled: list[RememberedFill] = []
        """What the run that this one continues has filled in."""
        self._latest: float = 0
        """The run that made the writes up to here; infinite for this run."""

    def carried_over(self) -> CarriedOver:
        """Return what the events of the end user need to know."""
        refused = None if self.is_there else self.refused
        held = None if self._number is None else replace(NOBODY, id=self._number)
        return CarriedOver(refused, held, is_new=self._is_new)

    def survey(
        self, step: PlannedCall, call: SurveyCall, past: PastDelivery | None
    ) -> Deciding[None]:
        """Decide about a survey response or decline; `past` is what an earlier run has done about it."""
        if isinstance(past, Delivered):
            yield Decision(step, skip_if_sent(step.type, past) or call, None)
            return
        number = yield from self._numbered(step, call)
        if number is not None:
            call = replace(call, wootric_id=str(number))
            yield from self._surveys.decide(step, call, None, past, is_new=self._is_new)

    def turn_off(
        self, step: PlannedCall, call: SurveysOff, past: PastDelivery | None
    ) -> Deciding[None]:
        """Decide about turning surveys off; `past` is what an earlier run has done about it."""
        if isinstance(past, Delivered):
            yield Decision(step, skip_if_sent(step.type, past) or call, None)
            return
        number = yield from self._numbered(step, call)
        if number is not None:
            yield from turned_off(step, number, _by_number(number), history=step.history)

    def _numbered(self, step: PlannedCall, call: SurveyCall | SurveysOff) -> Deciding[int | None]:
        """Return Wootric's own id of the end user; have the step fail, and return None, if there is none."""
        failure = failure_after(self.refused)
        number = int(call.wootric_id) if call.wootric_id else self._number
        if failure is None and number is None:
            wanted = EndUserUpsert(call.email, call.external_id, call.phone_number)
            number = self._number = yield from _number_of(wanted)
        if number is None:
            failure = failure or Failure(
                "end_user_failed", "the account does not hold its end user"
            )
        if failure:
            yield Decision(step, failure, None)
            return None
        return number

    def write(self, step: PlannedWrite, past: Answer) -> Deciding[None]:
        """Decide about a write; `past` is what an earlier run has done about it."""
        if _saved(step).fills:
            recalled = yield RecallFill((step.key,))
            self._recalled += [recalled] if isinstance(recalled, RememberedFill) else []
        if isinstance(past, Delivered) and self._past_runs.still_holds(step, past, self._latest):
            self._latest = past.run
            self.refused = None
            self.is_there = True
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
        self.is_there = self.is_there or failure is None
        self._has_failed = self._has_failed or failure is not None

    def _filled(self, step: PlannedWrite) -> Deciding[Failure | None]:
        """Make a write, with `fill` without the fields that are no longer empty; return why it failed."""
        write = _saved(step)
        if step.id is None or not write.fills:
            return (yield from self._made(write))
        if self._before is None:
            answer = yield LookAtAccount(_by_number(step.id))
            held = answer if isinstance(answer, EndUser) else NOBODY
            self._before = without_filled(held, self._recalled)
        filled = restrict(step.fields, self._before, "fill")
        if not filled.withheld:
            return (yield from self._made(write))
        if difference(filled.left, self._before) is None:
            self._latest = inf
            yield Decision(write, Change("left", None), None)
            return None
        left = filled.left
        identifiers = (left, *step.identifiers)
        said = write.history.of_fields(left)
        return (
            yield from self._made(
                replace(write, to_hold=left, identifiers=identifiers, history=said)
            )
        )

    def _made(self, write: SavedWrite) -> Deciding[Failure | None]:
        """Make a write without what is outdated; return why it failed, or None."""
        step, fields = write.planned, write.to_hold
        number = step.id
        if step.action == "update":
            number = step.id or self._number
            if number is None and step.identifiers and not self._has_failed:
                # The rest of a plan may lack the line that created the end user.
                number = yield from _number_of(step.identifiers[0])
        failure = self._refusal(write, number)
        if failure:
            self._latest = inf
            yield Decision(write, failure, None, step.action)
            return failure
        told = write.history if step.history else None
        if self._has_failed:
            # The history covers fields of earlier writes, and one of these failed.
            write = replace(write, history=write.history.of_fields(fields))
        statements = (yield RecallStatements(number)) if number is not None and told else None
        if number is not None and told and isinstance(statements, RememberedStatements):
            write = replace(write, to_hold=without_outdated(fields, told, statements))
            if not write.to_hold.fields():
                # Later identifies have stated all fields otherwise.
                self._number = number
                yield Decision(write, Change("unchanged", None), _by_number(number))
                return None
        self._latest = inf
        return (yield from self._attempted(write, number))

    def _refusal(self, write: SavedWrite, number: int | None) -> Failure | None:
        """Return why a write is not made; None if it is."""
        if number is None and write.planned.action == "update":
            return Failure("end_user_failed", "not sent, since its end user was not created")
        shared = self._past_runs.shared_id(write.identifiers)
        if shared is None:
            return None
        message = (
            f"the {shared} is several people's, by what pushes since have seen: it ties nobody. Push "
            "the export itself, which tells them apart"
        )
        return Failure("ambiguous_id", message)

    def _attempted(self, write: SavedWrite, number: int | None) -> Deciding[Failure | None]:
        """Make a write, again if it got no answer and was not made; return why it failed, or None."""
        action, fields = write.planned.action, write.to_hold
        held = None
        if action == "create":
            fields = replace(fields, last_surveyed=write.planned.fields.last_surveyed)
        sent, is_first = fields, True
        if action == "create" and number is not None:
            # The export gives Wootric's own id.
            sent = replace(fields, wootric_id=str(number))
        elif number is not None:
            held = _by_number(number)
        while True:
            answer = yield Decision(write, Change(action, sent), held)
            if not isinstance(answer, Inconclusive):
                is_created = action == "create" and isinstance(answer, EndUser)
                self._is_new = self._is_new or (is_created and number is None and is_first)
                break
            is_first = False
            failure = answer.failure
            if answer.is_unanswered:
                sent = fields  # the end user was to be created, also if the export gives an id
                try:
                    found = yield LookUpAgain(fields)
                except CallFailedError as error:
                    failure = error.failure
                else:
                    if isinstance(found, EndUser) and difference(fields, found) is None:
                        # The write has arrived.
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
    identifiers = (step.fields, *step.identifiers)
    to_hold = replace(
        step.fields, last_surveyed=None
    )  # which later runs neither compare nor change
    return SavedWrite(step, to_hold, identifiers, step.history or NO_HISTORY)


def _by_number(number: int) -> RememberedEndUser:
    """Return an end user with nothing but Wootric's own id."""
    return RememberedEndUser(number, {}, Fingerprints(b""))


def _number_of(wanted: EndUserUpsert) -> Deciding[int | None]:
    """Return Wootric's own id of an end user that was created before; None if nobody is found."""
    answer = yield RecallWritten(wanted)
    return answer.id if isinstance(answer, EndUser | RememberedEndUser) else None
