"""Decisions about the survey responses and declines of an end user: none is sent twice (wootric.md 7).

Wootric takes the same response any number of times, and lists those that it holds. So before the first is
sent to an end user who was there before this run, those are listed; and after one that got no answer.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from wootric_map.deliver.fingerprints import Delivered, Held, PastDelivery
from wootric_map.deliver.questions import (
    Deciding,
    Decision,
    Inconclusive,
    ListSurveys,
)
from wootric_map.deliver.verdicts import Settled
from wootric_map.errors import CallFailedError
from wootric_map.model import Failure, Skip
from wootric_map.plan.plan_lines import PlannedCall
from wootric_map.plan.steps import Event
from wootric_map.survey_calls import (
    Given,
    HeldSurveys,
    SurveyCall,
    SurveyKind,
    given_of,
    kind_of_survey,
)

SurveyStep: TypeAlias = Event | PlannedCall


@dataclass(slots=True)
class SurveyDecisions:
    """The state of the decisions about the responses and declines of one end user."""

    _held: dict[SurveyKind, set[Given]] = field(default_factory=dict)
    """What the account holds, as far as it was listed; and what this run has sent since."""
    _sent: set[tuple[SurveyKind, Given]] = field(default_factory=set)
    """What this run has sent."""
    _is_partial: set[SurveyKind] = field(default_factory=set)
    """The kinds of which the account holds more than a list shows."""
    _may_be_there: bool = False
    """Whether a response or decline of this run has no answer, so that it may come to be there."""

    def decide(
        self,
        step: SurveyStep,
        call: SurveyCall,
        held: Held,
        past: PastDelivery | None,
        *,
        is_new: bool,
    ) -> Deciding[None]:
        """Decide about a response or decline that no earlier run is known to have delivered.

        Args:
            step: the response or decline.
            call: its call, with Wootric's own id of the end user.
            held: the end user.
            past: `in_doubt` if an earlier run sent it and got no answer.
            is_new: whether this run has created the end user, who then holds nothing else yet.
        """
        try:
            is_there = yield from self._is_there(call, must_ask=not is_new or past is not None)
        except CallFailedError as error:
            yield Decision(step, error.failure, held)
            return
        if is_there:
            yield Decision(step, Settled(_already_there(step.type, past)), held)
        else:
            yield from self._send(step, call, held)

    def _is_there(self, call: SurveyCall, *, must_ask: bool) -> Deciding[bool]:
        """Return whether the account holds a response or decline, which is listed if need be."""
        kind, given = kind_of_survey(call), given_of(call)
        if (kind, given) in self._sent:
            return True
        if not (must_ask or self._may_be_there):
            return False
        if kind not in self._held:
            told = yield from _listed(call, at=None)
            self._held[kind] = set(told.given)
            if not told.is_whole:
                self._is_partial.add(kind)
        if given in self._held[kind]:
            return True
        if kind not in self._is_partial:
            return False
        told = yield from _listed(call, at=call.created_at)
        return given in told.given

    def _send(self, step: SurveyStep, call: SurveyCall, held: Held) -> Deciding[None]:
        """Have a response or decline sent; once more only if the account does not hold it then."""
        kind, given = kind_of_survey(call), given_of(call)
        answer = yield Decision(step, call, held)
        while isinstance(answer, Inconclusive):
            failure = answer.failure
            try:
                told = yield from _listed(call, at=call.created_at)
            except CallFailedError as error:
                told = None
                failure = failure._replace(message=f"{failure.message}; {error.failure.message}")
            if told and given in told.given:
                answer = yield Decision(step, Settled(None), held)
            elif told is None or answer.is_last:
                # Whatever comes next of the end user is listed anew before it is sent.
                self._held.clear()
                self._may_be_there = True
                yield Decision(step, failure, held)
                return
            else:
                answer = yield Decision(step, call, held)
        if not isinstance(answer, Failure):
            self._sent.add((kind, given))


def _listed(call: SurveyCall, at: int | None) -> Deciding[HeldSurveys]:
    """Return what the account holds of an end user; nothing if it can't be asked.

    Args:
        call: a response or decline of the end user.
        at: the only time that matters, in unix seconds; None for all.
    """
    told = yield ListSurveys(int(call.wootric_id or 0), kind_of_survey(call), at)
    return told if isinstance(told, HeldSurveys) else HeldSurveys(frozenset())


def _already_there(kind: str, past: PastDelivery | None) -> Skip:
    """Return the skip of a response or decline that the account holds; `kind` is the record's type."""
    if past is not None and not isinstance(past, Delivered):
        message = "an earlier run sent it and saw no answer, and the account holds it"
        return Skip("delivered_before", kind, "messageId", message)
    message = "the account holds one of this end user, score and second already"
    return Skip("already_there", kind, None, message)
