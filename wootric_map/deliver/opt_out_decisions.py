"""Decisions about end users who want no surveys (wootric.md 8): turned off once, and never on again."""

from dataclasses import replace
from typing import Final

from wootric_map.deliver.fingerprints import Held, PastOptOut, RememberedStatements
from wootric_map.deliver.questions import (
    Deciding,
    Decision,
    RecallOptOut,
    RecallStatements,
    RecallTurnedOff,
)
from wootric_map.deliver.verdicts import Settled
from wootric_map.model import EndUser, EndUserUpsert, Failure, Skip
from wootric_map.plan.plan_lines import PlannedCall
from wootric_map.plan.steps import TurnOff
from wootric_map.plan.trait_history import TraitHistory, is_stated_later
from wootric_map.survey_calls import SurveysOff

ALREADY_OFF: Final = Skip(
    "already_there", "identify", None, "surveys are off for this end user already"
)
"""The skip of a call that would turn off what is off."""

_SUPERSEDED: Final = Skip(
    "superseded", "identify", None, "a later identify, of an earlier run, says otherwise"
)
"""The skip of a call that an end user wants no longer."""


_NOTHING: Final = Skip("unchanged", "identify", None, "there is nothing to do about surveys")
"""The skip of a call that is not to be made, by what is known already."""


def turned_off(
    step: TurnOff | PlannedCall,
    number: int,
    held: Held,
    *,
    history: TraitHistory | None,
) -> Deciding[None]:
    """Decide about turning surveys off for an end user of whom a write has gone through.

    Args:
        step: the identify that says so, or the line of a saved plan.
        number: Wootric's own id of the end user; 0 if a dry run takes them to be created only now.
        held: the end user as Wootric holds them, or as an earlier run left them; None if that is not known.
        history: when the identify said so; None if statements of earlier runs do not count.
    """
    step = _numbered(step, number)
    if number and (yield RecallTurnedOff(number)) is True:
        yield Decision(step, Settled(ALREADY_OFF), held)
    elif number and history and (yield from _is_outdated(history, number)):
        yield Decision(step, _SUPERSEDED, held)
    elif isinstance(held, EndUser) and held.has_surveys_off:
        yield Decision(step, Settled(ALREADY_OFF), held)
    elif not number and held is None:
        message = "the account does not hold its end user; push with --against account, which asks"
        yield Decision(step, Failure("end_user_failed", message), None)
    else:
        yield Decision(step, step.call, held)


def is_settled(
    step: TurnOff, identifiers: tuple[EndUserUpsert, ...], *, history: TraitHistory | None
) -> Deciding[bool]:
    """Decide about what the journal alone can tell, and return whether that was all.

    Nothing is sent for whom surveys were turned off. If the trait says otherwise by now, that is told once.

    Args:
        step: the identify that says what the end user wants.
        identifiers: the ids of the end user; empty if earlier runs do not count.
        history: as in `turned_off`.
    """
    past = (yield RecallOptOut(step.key, identifiers)) if identifiers else None
    known = past if isinstance(past, PastOptOut) else None
    if step.said.is_off:
        if known:
            yield from left_alone(step)
        return known is not None
    number = known.number if known and not known.is_told else None
    if number and not (history and (yield from _is_outdated(history, number))):
        yield Decision(_numbered(step, number), Settled(None), None)
    return True


def left_alone(step: TurnOff) -> Deciding[None]:
    """Decide that nothing is to be done for an end user, for whom surveys might have been turned off."""
    if step.said.is_off:
        yield Decision(step, _NOTHING, None)


def _numbered(step: TurnOff | PlannedCall, number: int) -> TurnOff | PlannedCall:
    """Return a step with Wootric's own id of its end user; 0 if that is not known."""
    assert isinstance(step.call, SurveysOff)  # noqa: S101 - the caller has seen to it
    return replace(step, call=replace(step.call, wootric_id=str(number) if number else None))


def _is_outdated(history: TraitHistory, number: int) -> Deciding[bool]:
    """Return whether a later identify of an earlier run has said anything else (segment.md 8, rule 7)."""
    earlier = yield RecallStatements(number)
    if not isinstance(earlier, RememberedStatements):
        return False
    return any(is_stated_later(name, history, earlier) for name in history.statements.by_name)
