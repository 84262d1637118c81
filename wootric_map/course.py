"""What is to be done about an end user, step by step: the one course that a dry run and a push take.

`course` decides and does no I/O. Whoever drives it looks up and sends, or only acts as if.
"""

from collections.abc import Generator, Iterable
from math import inf
from typing import Final, NamedTuple, TypeAlias

from wootric_map.addressing import (
    Change,
    address,
    change,
    needs_look_up,
    unregistered,
)
from wootric_map.calls import EligibilityCheck, EndUser, EndUserUpsert, PageView
from wootric_map.known import Delivered, Fate, Known
from wootric_map.outcome import Action, CallFailedError, Failure, Skip
from wootric_map.plan import EndUserPlan, Event, Step, Write

Turned: TypeAlias = Change | EligibilityCheck | PageView | Skip | Failure
"""What becomes of a step."""


class Recall(NamedTuple):
    """A step of which an earlier run may have taken care; to be answered with what it did about it."""

    key: str
    former_key: str | None
    """What an earlier release knew it by."""


class LookUp(NamedTuple):
    """An end user to be looked up; to be answered with whoever is found."""

    wanted: EndUserUpsert
    compares: bool
    """Whether it will do to know what an earlier run left of them."""


class Turn(NamedTuple):
    """A step whose turn it is; to be answered with what Wootric then holds, or why it failed."""

    step: Step
    fate: Turned
    """What is to be written or sent, or why nothing is."""
    held: EndUser | Known | None
    """The end user as Wootric holds them, or as an earlier run left them."""

    @property
    def action(self) -> Action:
        """What it is counted as."""
        if isinstance(self.fate, Change):
            return self.fate.action
        return "create" if isinstance(self.step, Write) else self.step.action


_NOBODY: Final = 0
_JOURNAL: Final = 1
_ACCOUNT: Final = 2
"""Who has been asked after an end user."""

Answer: TypeAlias = EndUser | Known | Failure | Fate | None
Asked: TypeAlias = Recall | LookUp
Course: TypeAlias = Generator[Asked | Turn, Answer, None]


def course(
    end_user: EndUserPlan,
    steps: Iterable[Step],
    registered: frozenset[str] | None,
    *,
    asks: bool,
    recalls: bool = False,
) -> Course:
    """Take an end user's steps in their order.

    Whoever drives it throws a `CallFailedError` into it where a look-up fails.

    Args:
        end_user: whose steps they are.
        steps: as `Plan.steps` gives them.
        registered: the events that count; None, where that is not known, counts them all.
        asks: whether anybody may be looked up; else Wootric is taken to hold nobody.
        recalls: whether earlier runs are asked what they did.
    """
    held: EndUser | Known | None = None
    refused: Failure | None = None
    asked = _NOBODY
    latest: float = 0
    most = _ACCOUNT if asks else _JOURNAL if recalls else _NOBODY
    for step in steps:
        fate: Turned | None = None
        if isinstance(step, Event):
            fate = unregistered(step.call, registered)
        if fate is None and recalls:
            answer = yield Recall(step.key, step.former_key)
            fate = _done(step, answer, latest)
            if fate and isinstance(step, Write) and isinstance(answer, Delivered):
                latest = answer.run
        if fate is None and isinstance(step, Event):
            fate = after(refused)
        # To compare with, it will do to know what an earlier run left of them.
        compares = isinstance(step, Write)
        enough = min(_JOURNAL if compares else _ACCOUNT, most)
        if fate is None and asked < enough and needs_look_up(step, end_user):
            try:
                held = yield from _found(end_user, compares=compares)
                asked = _JOURNAL if isinstance(held, Known) else most
            except CallFailedError as error:
                fate = error.failure
        if fate is None:
            fate = (
                change(end_user, step, held, asked=asks)
                if isinstance(step, Write)
                else address(step, end_user, held if isinstance(held, EndUser) else None)
            )
        if isinstance(step, Write) and isinstance(fate, Change) and fate.fields is not None:
            latest = inf
        answer = yield Turn(step, fate, held)
        failure = answer if isinstance(answer, Failure) else None
        if isinstance(step, Write):
            refused = fate if isinstance(fate, Failure) else failure
        if isinstance(answer, EndUser):
            held, asked = answer, _ACCOUNT
        elif isinstance(answer, Known):
            held = answer


def _done(step: Step, answer: Answer, latest: float) -> Turned | None:
    """What becomes of a step that an earlier run took care of; None where it did not.

    `latest` is the run that made the end user's writes up to here, infinite where it is this one.
    """
    if isinstance(step, Event):
        return left_out(step.type, answer)
    return Change("unchanged", None) if still_holds(answer, latest) else None


def still_holds(fate: object, latest: float) -> bool:
    """Whether a write was delivered, and none that comes before it later on, which may have undone it."""
    return isinstance(fate, Delivered) and fate.run >= latest


def left_out(kind: str, fate: object) -> Skip | None:
    """The skip of a track or page record that an earlier run has sent; None where it has not."""
    if isinstance(fate, Delivered):
        message = "an earlier run has delivered it"
        return Skip("duplicate", kind, "messageId", message)
    if fate == "in_doubt":
        message = "an earlier run sent it and saw no answer; sent again it may count twice"
        return Skip("in_doubt", kind, "messageId", message)
    return None


def _found(
    end_user: EndUserPlan, *, compares: bool
) -> Generator[Asked | Turn, Answer, EndUser | Known | None]:
    """Look the end user up: by what they are known as now, then by what they were known as before."""
    for wanted in end_user.known_as():
        answer = yield LookUp(wanted, compares)
        if isinstance(answer, EndUser | Known):
            return answer
    return None


def after(refused: Failure | None) -> Failure | None:
    """Why a call is not sent whose end user could not be written."""
    if refused is None:
        return None
    message = f"not sent, since its end user could not be written: {refused.message}"
    return Failure("end_user_failed", message)
