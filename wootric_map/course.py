"""What is to be done about an end user, step by step: the one course that a dry run and a push take.

`course` decides and does no I/O. Whoever drives it looks up and sends, or only acts as if.
"""

from collections.abc import Generator, Iterable
from typing import NamedTuple, TypeAlias

from wootric_map.addressing import (
    Change,
    address,
    change,
    needs_look_up,
    unregistered,
)
from wootric_map.calls import EligibilityCheck, EndUser, EndUserUpsert, PageView
from wootric_map.outcome import Action, CallFailedError, Failure, Skip
from wootric_map.plan import EndUserPlan, Event, Step, Write

Fate: TypeAlias = Change | EligibilityCheck | PageView | Skip | Failure
"""What becomes of a step."""


class LookUp(NamedTuple):
    """An end user to be looked up; to be answered with whoever is found."""

    wanted: EndUserUpsert


class Turn(NamedTuple):
    """A step whose turn it is; to be answered with what Wootric then holds, or why it failed."""

    step: Step
    fate: Fate
    """What is to be written or sent, or why nothing is."""
    held: EndUser | None
    """The end user as Wootric holds them."""

    @property
    def action(self) -> Action:
        """What it is counted as."""
        if isinstance(self.fate, Change):
            return self.fate.action
        return "create" if isinstance(self.step, Write) else self.step.action


Answer: TypeAlias = EndUser | Failure | None
Course: TypeAlias = Generator[LookUp | Turn, Answer, None]


def course(
    end_user: EndUserPlan,
    steps: Iterable[Step],
    registered: frozenset[str] | None,
    *,
    asks: bool,
) -> Course:
    """Take an end user's steps in their order.

    Whoever drives it throws a `CallFailedError` into it where a look-up fails.

    Args:
        end_user: whose steps they are.
        steps: as `Plan.steps` gives them.
        registered: the events that count; None, where that is not known, counts them all.
        asks: whether anybody may be looked up; else Wootric is taken to hold nobody.
    """
    held: EndUser | None = None
    refused: Failure | None = None
    looked_up = not asks
    for step in steps:
        fate: Fate | None = None
        if isinstance(step, Event):
            fate = unregistered(step.call, registered) or after(refused)
        if fate is None and not looked_up and needs_look_up(step, end_user):
            try:
                held = yield from _found(end_user)
                looked_up = True
            except CallFailedError as error:
                fate = error.failure
        if fate is None:
            fate = (
                change(end_user, step, held, asked=asks)
                if isinstance(step, Write)
                else address(step, end_user, held)
            )
        answer = yield Turn(step, fate, held)
        failure = answer if isinstance(answer, Failure) else None
        if isinstance(step, Write):
            refused = fate if isinstance(fate, Failure) else failure
        if isinstance(answer, EndUser):
            held, looked_up = answer, True


def _found(end_user: EndUserPlan) -> Generator[LookUp | Turn, Answer, EndUser | None]:
    """Look the end user up: by what they are known as now, then by what they were known as before."""
    for wanted in end_user.known_as():
        answer = yield LookUp(wanted)
        if isinstance(answer, EndUser):
            return answer
    return None


def after(refused: Failure | None) -> Failure | None:
    """Why a call is not sent whose end user could not be written."""
    if refused is None:
        return None
    message = f"not sent, since its end user could not be written: {refused.message}"
    return Failure("end_user_failed", message)
