"""Decisions about the steps of an end user: the same for a dry run and a push.

`decide` does no I/O. Its caller looks up and sends, or only pretends to.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

from wootric_map.deliver.attempts import Attempts, may_be_retried
from wootric_map.deliver.carried_over import NOTHING_CARRIED_OVER, CarriedOver
from wootric_map.deliver.earlier_runs import failure_after, past_of, skip_if_sent, still_holds
from wootric_map.deliver.existing_policy import ExistingPolicy
from wootric_map.deliver.fingerprints import (
    Delivered,
    Held,
    RememberedEndUser,
    RememberedStatements,
)
from wootric_map.deliver.look_ups import find_in_account, look_up
from wootric_map.deliver.opt_out_decisions import is_settled, left_alone, turned_off
from wootric_map.deliver.questions import (
    AssumedAbsent,
    Deciding,
    Decision,
    Decisions,
    Inconclusive,
    LookUp,
    RecallDelivery,
    RecallFormerId,
    RecallStatements,
    Verdict,
)
from wootric_map.deliver.survey_decisions import SurveyDecisions
from wootric_map.deliver.verdicts import (
    Change,
    change,
    compares,
    enriched,
    needs_look_up,
    survey_call_of,
    unregistered,
)
from wootric_map.errors import CallFailedError
from wootric_map.mapping.rewriting import suppressed
from wootric_map.model import (
    EndUser,
    EndUserUpsert,
    Existing,
    Failure,
    LookUpKey,
    Skip,
)
from wootric_map.plan.steps import EndUserPlan, Event, Step, TurnOff, Write
from wootric_map.plan.trait_history import EarlierStatements, Statement
from wootric_map.survey_calls import SurveyDecline, SurveyResponse
from wootric_map.wootric.taken_ids import taken_ids

_NOBODY: Final = 0
_JOURNAL: Final = 1
_ACCOUNT: Final = 2
"""Who has been asked about an end user."""


def decide(
    end_user: EndUserPlan,
    steps: Iterable[Step],
    registered: frozenset[str] | None,
    *,
    asks: bool,
    is_other_persons_email: Callable[[str], bool],
    is_suppressed: Callable[[EndUser], bool] | None = None,
    recalls: bool = False,
    recalls_statements: bool = False,
    existing: Existing = "update",
    creates_first: bool = False,
    begin: CarriedOver = NOTHING_CARRIED_OVER,
    counts_from: float = 0,
) -> Decisions:
    """Decide about an end user's steps in their order.

    The caller throws a `CallFailedError` into the generator if a look-up fails.

    Args:
        end_user: the end user.
        steps: as `Plan.steps` gives them.
        registered: the registered events; None if they are not known: then all count.
        asks: whether end users are looked up; if not, Wootric is taken to hold nobody.
        is_other_persons_email: returns whether an email is somebody else's, as `Plan.is_anothers` says; then
            it is an end user of its own.
        is_suppressed: returns whether an end user of the account is on a suppression list; None without a
            list. With one, everybody is looked up in the account before anything is sent of them.
        recalls: whether the deliveries of earlier runs count.
        recalls_statements: whether statements and former ids of earlier runs count.
        existing: which fields of existing end users are sent. Later steps may change what this run has
            created or filled in.
        creates_first: whether an end user may be created without a look-up before, where nobody can be taken
            for somebody else by that.
        begin: what is known after earlier steps of the end user, if `steps` are only the events.
        counts_from: the first run whose writes count by themselves: those of earlier runs may have been
            undone, and are compared.
    """
    deciding = _EndUserDecisions(
        end_user,
        registered,
        is_other_persons_email,
        is_suppressed,
        existing,
        asks,
        recalls,
        recalls_statements,
        creates_first,
        ExistingPolicy(existing),
        begin.held,
        begin.is_taken,
        begin.refused,
        begin.asked,
        latest=counts_from,
        is_new=begin.is_new,
    )
    for step in steps:
        yield from deciding.decide_step(step)
    held = deciding.held if isinstance(deciding.held, EndUser) else None
    refused = None if deciding.is_there else deciding.refused
    return CarriedOver(refused, held, deciding.is_taken, deciding.asked, deciding.is_new)


@dataclass(slots=True)
class _EndUserDecisions:
    """The state of the decisions about an end user; the first fields are the arguments of `decide`."""

    end_user: EndUserPlan
    registered: frozenset[str] | None
    is_other_persons_email: Callable[[str], bool]
    is_suppressed: Callable[[EndUser], bool] | None
    existing: Existing
    asks: bool
    recalls: bool
    recalls_statements: bool
    creates_first: bool
    policy: ExistingPolicy
    held: Held = None
    is_taken: bool = False
    """Whether somebody else has the external id of the end user."""
    refused: Failure | None = None
    """Why the last write of the end user failed; None if it did not."""
    asked: int = _NOBODY
    is_there: bool = False
    """Whether any write of the end user went through."""
    latest: float = 0
    """The run that made the writes up to here; infinite for this run."""
    before: list[Write] = field(default_factory=list)
    """Writes whose statements are not in `stated` yet."""
    stated: dict[str, Statement] = field(default_factory=dict)
    created: int | None = None
    """Wootric's id of the end user, if this run has created them."""
    is_new: bool = False
    """Whether this run has surely created the end user: Wootric said so in its first answer."""
    surveys: SurveyDecisions = field(default_factory=SurveyDecisions)
    assumed_absent: EndUserUpsert | None = None
    """The ids that nobody is assumed to have, though nobody was asked; None if nothing is assumed."""

    @property
    def _most(self) -> int:
        """The most that may be asked about the end user."""
        if self.asks:
            return _ACCOUNT
        return _JOURNAL if self.recalls or self.recalls_statements else _NOBODY

    def decide_step(self, step: Step) -> Deciding[None]:
        """Decide about the next step."""
        if isinstance(step, TurnOff):
            yield from self._turn_off(step)
            return
        if isinstance(step, Event) and isinstance(step.call, SurveyResponse | SurveyDecline):
            yield from self._survey(step)
            return
        verdict: Verdict | None = None
        done = False
        if isinstance(step, Event):
            verdict = unregistered(step.call, self.registered)
        may_be_misidentified = self.end_user.may_be_misidentified and isinstance(step, Write)
        if verdict is None and self.recalls and not may_be_misidentified:
            verdict = yield from self._recalled(step)
            done = verdict is not None
        if verdict is None and isinstance(step, Event):
            verdict = failure_after(self.refused)
        if verdict is None and (needs_look_up(step, self.end_user) or self._withholds):
            try:
                yield from self._look_up(step)
            except CallFailedError as error:
                verdict = error.failure
        if verdict is None and isinstance(step, Write):
            yield from self._write(step)
            return
        if verdict is None and isinstance(step, Event):
            verdict = self._withheld(step)
        if verdict is None and isinstance(step, Event):
            verdict = enriched(step, self.end_user, self.held, is_taken=self.is_taken)
        assert verdict is not None  # noqa: S101 - a step is a write or an event
        # What an earlier run has done is neither compared nor put on record again.
        decision = Decision(step, verdict, None if done else self.held)
        if isinstance(step, Write):
            yield from self._written(decision, step)
        else:
            yield decision

    def _survey(self, step: Event) -> Deciding[None]:
        """Decide about a survey response or decline."""
        past = past_of((yield _recall(step)) if self.recalls else None)
        if isinstance(past, Delivered):
            yield Decision(step, skip_if_sent(step.type, past) or step.call, None)
            return
        verdict: Verdict | None = failure_after(self.refused)
        if self.held is None and self.asked == _JOURNAL:
            self.asked = _NOBODY  # whom the journal knows is not carried over from the writes
        if verdict is None:
            try:
                yield from self._look_up(step)
            except CallFailedError as error:
                verdict = error.failure
        if verdict is None:
            verdict = self._withheld(step)
        if verdict is None:
            verdict = survey_call_of(step, self.end_user, self.held, asked=self.asks)
        if not isinstance(verdict, SurveyResponse | SurveyDecline):
            yield Decision(step, verdict, self.held)
            return
        if self.is_taken:
            verdict = replace(verdict, external_id=None)
        yield from self.surveys.decide(step, verdict, self.held, past, is_new=self.is_new)

    def _turn_off(self, step: TurnOff) -> Deciding[None]:
        """Decide about turning surveys off."""
        history = step.history() if self.recalls_statements else None
        recalls = self.recalls and not self.end_user.may_be_misidentified
        identifiers = tuple(self.end_user.identifiers()) if recalls else ()
        if not self.is_there:
            # The write's failure or skip tells of them, and the identify is tried once more with it.
            yield from left_alone(step)
        elif not (yield from is_settled(step, identifiers, history=history)):
            try:
                yield from self._look_up(step)
            except CallFailedError as error:
                yield Decision(step, error.failure, None)
                return
            if self._withheld(step):
                yield from left_alone(step)
            else:
                number = self.held.id if self.held else int(step.call.wootric_id or 0)
                yield from turned_off(step, number, self.held, history=history)

    def _write(self, step: Write) -> Deciding[None]:
        """Have an end user written as far as they differ, looked up only now if wrongly assumed absent."""
        decision = yield from self._changed(step)
        assumed, refusal = self.assumed_absent, (yield from self._written(decision, step))
        if assumed is None or refusal is None:
            return
        try:
            yield from self._ascertain(assumed, taken_ids(refusal.message))
        except CallFailedError as error:
            decision = Decision(step, error.failure, None)
        else:
            decision = Decision(step, refusal, None)
            if self.held or self.is_taken or may_be_retried(refusal):
                self.held = yield from self.policy.seen(step, self.held, asks=self.asks)
                decision = yield from self._changed(step)
        yield from self._written(decision, step)

    def _changed(self, step: Write) -> Deciding[Decision]:
        """Return the decision about a write, by what is known of the end user."""
        left = yield from self._left_of(step)
        asked = self.asks or self.policy.has_looked
        verdict = self._withheld(step) or change(self.end_user, left, self.held, asked=asked)
        assumes_absent = self.assumed_absent is not None
        return Decision(left, verdict, self.held, assumes_absent=assumes_absent)

    def _withheld(self, step: Step) -> Skip | None:
        """Return the skip of a step about somebody whom the account holds under a suppressed id."""
        if not (self.is_suppressed and isinstance(self.held, EndUser)):
            return None
        kind = step.type if isinstance(step, Event) else "identify"
        return suppressed(kind) if self.is_suppressed(self.held) else None

    @property
    def _withholds(self) -> bool:
        """Whether the account must be asked about everybody, since somebody may be on a suppression list."""
        return self.asks and self.is_suppressed is not None

    def _recalled(self, step: Write | Event) -> Deciding[Verdict | None]:
        """Return the verdict on a step that earlier runs have done; None if it is still to be done."""
        answer = yield _recall(step)
        if isinstance(step, Event):
            return skip_if_sent(step.type, answer)
        verdict = Change("unchanged", None) if still_holds(answer, self.latest) else None
        if verdict and isinstance(answer, Delivered):
            self.latest = answer.run
        return (yield from self.policy.recalled(step, verdict))

    def _look_up(self, step: Step) -> Deciding[None]:
        """Look the end user up, as far as the step needs that and it was not done before."""
        # For a comparison, or to know who it is, the journal is enough.
        is_compared = compares(step) and not self._withholds
        if self.asked < min(_JOURNAL if is_compared else _ACCOUNT, self._most):
            yield from self._find(step)
            if self.asks and self.policy.continues:
                yield from self._find_again()
        if isinstance(step, Write):
            self.held = yield from self.policy.seen(step, self.held, asks=self.asks)
        if is_compared or self.asks:  # about an event the journal is not asked
            self.asked = _asked(self.held, self._most)

    def _find(self, step: Step) -> Deciding[None]:
        """Look the end user up by the ids of now, by earlier ids, then by ids that only the journal knows.

        If nobody is assumed to have the ids of now, and another id finds somebody, or is somebody else's, it
        is made certain after all: Wootric goes by the ids of now first, and refuses no create without them.
        """
        is_compared = compares(step) and not self._withholds
        held, is_taken, assumed = None, False, None
        tried: list[EndUserUpsert] = []
        for wanted in self.end_user.identifiers():
            may_assume = not tried and self._may_be_created_first(step, wanted)
            answer, is_anothers_id = yield from self._found(LookUp(wanted, is_compared, may_assume))
            is_taken = is_taken or is_anothers_id
            if isinstance(answer, AssumedAbsent):
                assumed = wanted
            elif answer:
                held = answer
                break
            tried.append(wanted)
        if held is None and compares(step) and self.recalls_statements and tried:
            elsewhere = self.end_user.earlier_ids
            known = yield RecallFormerId(tuple(tried), elsewhere, journal_only=not self.asks)
            held = known if isinstance(known, RememberedEndUser) else None
        if assumed and (held or is_taken):
            surest, is_anothers_id = yield from self._found(LookUp(assumed, is_compared))
            if isinstance(surest, EndUser | RememberedEndUser):
                held, is_taken = surest, is_anothers_id
            is_taken, assumed = is_taken or is_anothers_id, None
        self.held, self.is_taken, self.assumed_absent = held, is_taken, assumed

    def _find_again(self) -> Deciding[None]:
        """Ask the account about an end user of the journal, which may not know whose the external id is."""
        known = self.held
        if isinstance(known, RememberedEndUser):
            identifiers, is_others = self.end_user.identifiers(), self.is_other_persons_email
            found, is_taken = yield from find_in_account(identifiers, self.end_user, is_others)
            self.is_taken = self.is_taken or is_taken
            self.held = found if found and found.id == known.id else known

    def _found(self, question: LookUp) -> Deciding[tuple[Held | AssumedAbsent, bool]]:
        """Look the end user up; return the answer, and whether somebody else has their external id."""
        compares = question.compares
        answer, is_taken = yield from look_up(
            question,
            lambda rest: LookUp(rest, compares),
            self.end_user,
            self.is_other_persons_email,
        )
        if isinstance(answer, RememberedEndUser):
            is_taken = is_taken or answer.external_id_is_taken
        return answer, is_taken

    def _may_be_created_first(self, step: Step, wanted: EndUserUpsert) -> bool:
        """Return whether a write can be tried without a look-up before.

        Wootric refuses it if anybody has the email or external id that it sends. Nobody is known by a phone
        alone, which several may have.
        """
        return (
            self.creates_first
            and isinstance(step, Write)
            and bool(step.upsert.email)
            and not (wanted.wootric_id or self.before or self.stated)
            and set(wanted.look_up_keys()) <= set(step.upsert.look_up_keys())
            and not self.end_user.may_be_misidentified
        )

    def _ascertain(self, wanted: EndUserUpsert, taken: Collection[LookUpKey]) -> Deciding[None]:
        """Look up whoever was wrongly assumed absent.

        Args:
            wanted: the ids that nobody was assumed to have.
            taken: those that somebody has, by Wootric's refusal; empty if it names none.
        """
        if "email" in taken and "external_id" not in taken and self.existing == "update":
            wanted = replace(wanted, external_id=None)  # nobody has it
        answer, self.is_taken = yield from self._found(LookUp(wanted, compares=True))
        self.held = answer if isinstance(answer, EndUser | RememberedEndUser) else None
        self.asked = _asked(self.held, self._most)

    def _left_of(self, write: Write) -> Deciding[Write]:
        """Return a write without what is outdated, may not be sent, or is somebody else's."""
        statements = (yield from self._statements(write)) if self.recalls_statements else None
        for each in self.before:
            self.stated.update(each.history().statements.by_name)
        self.before.clear()
        left = write.without_external_id() if self.is_taken else write
        stated = [EarlierStatements(self.stated)] if self.stated else []
        left = left.without_outdated(*([statements] if statements else []), *stated)
        return self.policy.left_of(left, self.held)

    def _statements(self, write: Write) -> Deciding[RememberedStatements | None]:
        """Return what identifies of earlier runs stated about the end user of a write."""
        number = self.held.id if self.held else 0
        if self.held is None and not self.asks and write.upsert.wootric_id:
            number = int(write.upsert.wootric_id)
        statements = (yield RecallStatements(number)) if number else None
        return statements if isinstance(statements, RememberedStatements) else None

    def _written(self, decision: Decision, write: Write) -> Deciding[Failure | None]:
        """Have a write made, with further attempts if its outcome is uncertain, and note the outcome.

        Returns:
            The refusal of a write that was tried in the wrong assumption that nobody is there; else None.
        """
        verdict = decision.verdict
        if isinstance(verdict, Change) and verdict.fields is not None:
            self.latest = inf
        answer = yield decision
        assumed, self.assumed_absent = self.assumed_absent, None
        if assumed:
            self.asked = _NOBODY  # unless the end user was created, the next step has to ask
        if isinstance(answer, Inconclusive) and assumed and not answer.is_unanswered:
            return answer.failure
        found = None
        if isinstance(answer, Inconclusive) and isinstance(verdict, Change):
            attempts = Attempts(
                self.end_user, self.is_other_persons_email, self.existing, self.created, verdict
            )
            answer, found = yield from attempts.conclude(write, decision.held, answer)
            self.created = attempts.created
        elif decision.action == "create" and isinstance(answer, EndUser):
            self.created = answer.id
            self.is_new = isinstance(verdict, Change) and not (
                verdict.fields and verdict.fields.wootric_id
            )
        failure = answer if isinstance(answer, Failure) else None
        self.refused = verdict if isinstance(verdict, Failure) else failure
        if isinstance(verdict, Change) and failure is None:
            self.is_there = True
            self.before.append(write)
            self.policy.written(verdict, found)
        if isinstance(answer, EndUser):
            self.held, self.asked = answer, _ACCOUNT
        elif isinstance(answer, RememberedEndUser):
            self.held = answer
        return None


def _recall(step: Write | Event) -> RecallDelivery:
    return RecallDelivery(step.key, step.former_key, step.time)


def _asked(held: Held, most: int) -> int:
    """Return how far the look-up counts as done, by the end user that was found.

    An end user from the journal may still be looked up in the account; one from the account needs no more.
    """
    if isinstance(held, EndUser):
        return _ACCOUNT
    return _JOURNAL if isinstance(held, RememberedEndUser) else most
