"""What decisions about an end user ask, and what they come to.

Decisions do no I/O: they are generators that yield questions and decisions, and whoever drives one sends the
answers.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from wootric_map.deliver.addressing import Change
from wootric_map.deliver.fingerprints import (
    Held,
    PastDelivery,
    RememberedEndUser,
    RememberedSayings,
)
from wootric_map.errors import CallFailedError
from wootric_map.model import (
    Action,
    EligibilityCheck,
    EndUserUpsert,
    Failure,
    PageView,
    Ref,
    Skip,
)
from wootric_map.plan.plan_lines import PlannedCall
from wootric_map.plan.steps import Event
from wootric_map.plan.trait_history import TraitHistory


class RecallDelivery(NamedTuple):
    """Asks what an earlier run has done about a step."""

    key: str
    former_key: str | None
    """What an earlier release knew it by."""
    time: int | None
    """When it happened, if it is a track or page record."""


class RecallCreation(NamedTuple):
    """Asks what an earlier run did, if it created an end user with a write and then broke off."""

    key: str


class RecallSayings(NamedTuple):
    """Asks what identifies of earlier runs have said of an end user."""

    number: int
    """Wootric's own id."""


class RecallFormerId(NamedTuple):
    """Asks whom an earlier run left who had one of these ids before; nobody is found by those of now."""

    known_as: tuple[EndUserUpsert, ...]
    elsewhere: Sequence[int]
    """Fingerprints of ids that are theirs by what earlier runs claimed."""
    alone: bool
    """Whether only the journal may be asked."""


class RecallWritten(NamedTuple):
    """Asks for an end user whom this run or an earlier one has written, in the journal or else the account.

    The answer is None where nobody is found, and where the look-up fails.
    """

    wanted: EndUserUpsert


class LookUp(NamedTuple):
    """Asks for an end user where the run compares with: the account, a snapshot, or nothing."""

    wanted: EndUserUpsert
    compares: bool
    """Whether it will do to know what an earlier run left of them."""


class LookUpAgain(NamedTuple):
    """Asks the account itself for an end user, after a write of theirs that did not go as was expected."""

    wanted: EndUserUpsert


class LookUpEmailOwner(NamedTuple):
    """Asks the account who else has the email that an end user was to get.

    The answer is None but where earlier runs left both, who were two until more was known of them.
    """

    email: str
    number: int
    """Wootric's own id of the end user who was to get the email."""


class LookAtAccount(NamedTuple):
    """Asks how the account holds an end user who is known to be there.

    Where nobody can look, the answer is what is known of them.
    """

    remembered: RememberedEndUser

    @property
    def wanted(self) -> EndUserUpsert:
        """The end user, to be looked up by Wootric's own id."""
        return EndUserUpsert(wootric_id=str(self.remembered.id))


Question: TypeAlias = (
    RecallDelivery
    | RecallCreation
    | RecallSayings
    | RecallFormerId
    | RecallWritten
    | LookUp
    | LookUpAgain
    | LookUpEmailOwner
    | LookAtAccount
)


class WriteStep(Protocol):
    """Identifies of one end user that are written as one call, of a live plan or a saved one."""

    @property
    def key(self) -> str:
        """What tells it from every other write."""

    @property
    def refs(self) -> Collection[Ref]:
        """The records that it was made from."""

    @property
    def whole(self) -> EndUserUpsert:
        """All that the identifies say."""

    @property
    def to_hold(self) -> EndUserUpsert:
        """What Wootric holds once it is written, of the fields that the identifies speak of."""

    def sent_history(self) -> TraitHistory:
        """Return when the identifies said what is written."""


AnyStep: TypeAlias = WriteStep | Event | PlannedCall
Verdict: TypeAlias = Change | EligibilityCheck | PageView | Skip | Failure
"""What is to be written or sent for a step, or why nothing is."""


class Decision(NamedTuple):
    """What is to be done about a step.

    The answer is how Wootric then holds the end user, a `Failure`, or `Inconclusive`.
    """

    step: AnyStep
    verdict: Verdict
    held: Held
    """The end user as Wootric holds them, or as an earlier run left them."""
    tried: Action | None = None
    """What was tried before, where the verdict is that it failed."""

    @property
    def action(self) -> Action:
        """What it is counted as."""
        if isinstance(self.verdict, Change):
            return self.verdict.action
        if isinstance(self.step, Event | PlannedCall):
            return self.step.action
        return self.tried or "create"


class Inconclusive(NamedTuple):
    """The answer to a write that may have been made all the same, or met another end user than was known."""

    failure: Failure
    is_unanswered: bool
    """Whether no answer came, so that it may have been made."""
    is_last: bool
    """Whether it has been tried often enough."""


Answer: TypeAlias = Held | RememberedSayings | Inconclusive | Failure | PastDelivery
Decisions: TypeAlias = Generator[Question | Decision, Answer, None]

T = TypeVar("T")
Deciding: TypeAlias = Generator[Question | Decision, Answer, T]
"""Decides a part, and returns what it comes to."""


def next_decision(
    decisions: Decisions, answer: Answer, answers: Callable[[Question], Answer]
) -> Decision:
    """Answer what is asked until something is decided.

    Args:
        decisions: about one end user.
        answer: that to the decision before; None at first.
        answers: returns the answer to a question, or raises `CallFailedError` where a look-up fails.

    Raises:
        StopIteration: all is decided.
    """
    asked = decisions.send(answer)
    while not isinstance(asked, Decision):
        try:
            answer = answers(asked)
        except CallFailedError as error:
            asked = decisions.throw(error)
        else:
            asked = decisions.send(answer)
    return asked
