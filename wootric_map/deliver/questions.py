"""The questions and results of decisions about an end user.

Decisions do no I/O: they are generators that yield questions and decisions, and their caller sends the
answers.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple, Protocol, TypeAlias, TypeVar

from wootric_map.deliver.carried_over import CarriedOver
from wootric_map.deliver.fingerprints import (
    Held,
    PastDelivery,
    PastOptOut,
    RememberedEndUser,
    RememberedFill,
    RememberedStatements,
)
from wootric_map.deliver.verdicts import Change, Settled
from wootric_map.errors import CallFailedError
from wootric_map.model import Action, EndUserUpsert, Failure, RecordCall, Ref, Skip
from wootric_map.plan.plan_lines import PlannedCall
from wootric_map.plan.steps import Event, EventCall, TurnOff
from wootric_map.plan.trait_history import TraitHistory
from wootric_map.survey_calls import HeldSurveys, SurveyKind


class RecallDelivery(NamedTuple):
    """Asks what an earlier run has done about a step."""

    key: str
    former_key: str | None
    """The key that earlier releases gave the step."""
    time: int | None
    """For an event, when it happened."""


class RecallCreation(NamedTuple):
    """Asks whether an earlier run created an end user with a write and was then cut short."""

    key: str


class RecallFill(NamedTuple):
    """Asks what runs which were cut short have filled in with a write of an end user who was there."""

    keys: tuple[str, ...]
    """The keys that the write may have had."""


class RecallStatements(NamedTuple):
    """Asks what identifies of earlier runs stated about an end user."""

    number: int
    """Wootric's own id."""


class RecallFormerId(NamedTuple):
    """Asks for an end user of an earlier run who had one of these ids, which no look-up finds now."""

    identifiers: tuple[EndUserUpsert, ...]
    earlier_ids: Sequence[int]
    """Fingerprints of further ids of the end user, by identifies of earlier runs."""
    journal_only: bool
    """Whether Wootric was not asked."""


class RecallWritten(NamedTuple):
    """Asks the journal, else the account, for an end user that this run or an earlier one has written.

    The answer is None if nobody is found, or the look-up fails.
    """

    wanted: EndUserUpsert


class LookUp(NamedTuple):
    """Asks for an end user in what the run compares with: the account, a snapshot, or nothing."""

    wanted: EndUserUpsert
    compares: bool
    """Whether the journal's knowledge of the end user is enough."""
    may_assume_absent: bool = False
    """Whether `ASSUMED_ABSENT` may be the answer: the end user is then to be created with all these ids, and
    Wootric refuses that if anybody has one of them (wootric.md 3)."""


class AssumedAbsent(Enum):
    """The answer that nobody has the ids, as far as is known without a call."""

    ASSUMED_ABSENT = auto()


ASSUMED_ABSENT: Final = AssumedAbsent.ASSUMED_ABSENT


class LookUpAgain(NamedTuple):
    """Asks the account for an end user after a write with an unexpected result."""

    wanted: EndUserUpsert


class LookUpEmailOwner(NamedTuple):
    """Asks the account who else has the email that an end user was to get.

    The answer is None unless earlier runs have met both end users.
    """

    email: str
    number: int
    """Wootric's own id of the end user that was to get the email."""


class LookAtAccount(NamedTuple):
    """Asks how the account holds an end user that exists; a dry run answers with what it knows already."""

    remembered: RememberedEndUser

    @property
    def wanted(self) -> EndUserUpsert:
        """The look-up by Wootric's own id."""
        return EndUserUpsert(wootric_id=str(self.remembered.id))


class RecallStranger(NamedTuple):
    """Asks whether earlier runs know an end user of the account as somebody else; the journal answers.

    It is asked of whoever was found by an external id that a trait states: it may be another's `userId`.
    """

    number: int
    """Wootric's own id of the end user who was found."""
    identifiers: tuple[EndUserUpsert, ...]
    """The ids of the end user who was looked for."""
    earlier_ids: Sequence[int]
    """Fingerprints of further ids of theirs, by identifies of earlier runs."""


class ListSurveys(NamedTuple):
    """Asks the account for the survey responses, or declines, of an end user.

    The answer is None if the account can't be asked.
    """

    number: int
    """Wootric's own id of the end user."""
    kind: SurveyKind
    at: int | None
    """The only time that matters, in unix seconds; None for all."""


class RecallOptOut(NamedTuple):
    """Asks whether an earlier run has turned surveys off for an end user; the journal alone answers."""

    key: str
    """The key of the identify that says what the end user wants."""
    identifiers: tuple[EndUserUpsert, ...]
    """The ids of the end user."""


class RecallTurnedOff(NamedTuple):
    """Asks whether this run or an earlier one has turned surveys off for an end user."""

    number: int
    """Wootric's own id."""


Question: TypeAlias = (
    RecallDelivery
    | RecallCreation
    | RecallFill
    | RecallStatements
    | RecallFormerId
    | RecallWritten
    | LookUp
    | LookUpAgain
    | LookUpEmailOwner
    | LookAtAccount
    | ListSurveys
    | RecallOptOut
    | RecallTurnedOff
    | RecallStranger
)


class WriteStep(Protocol):
    """The identifies of one end user that are written with one call, in a live or saved plan."""

    @property
    def key(self) -> str:
        """The key of the write."""

    @property
    def refs(self) -> Collection[Ref]:
        """The file and line of each identify in this write."""

    @property
    def whole(self) -> EndUserUpsert:
        """All fields of the identifies."""

    @property
    def to_hold(self) -> EndUserUpsert:
        """What Wootric holds after the write in the fields of the identifies."""

    def sent_history(self) -> TraitHistory:
        """Return when the identifies stated the fields that are written."""


AnyStep: TypeAlias = WriteStep | Event | TurnOff | PlannedCall
Verdict: TypeAlias = Change | RecordCall | Settled | Skip | Failure
"""What is to be written or sent for a step, or why nothing is."""


class Decision(NamedTuple):
    """What is to be done about a step. Answers: the end user after it, a `Failure`, or `Inconclusive`."""

    step: AnyStep
    verdict: Verdict
    held: Held
    """The end user as Wootric holds them, or as an earlier run left them."""
    tried: Action | None = None
    """The action that was tried, if the verdict is its failure."""
    assumes_absent: bool = False
    """Whether the end user is created without a look-up before."""

    @property
    def action(self) -> Action:
        """The action that the decision is counted as."""
        if isinstance(self.verdict, Change):
            return self.verdict.action
        if isinstance(self.step, EventCall):
            return self.step.action
        return self.tried or "create"


class Inconclusive(NamedTuple):
    """The answer to a write that may have been made, or was refused as out of date.

    So is that to a survey response or decline that may have been added.
    """

    failure: Failure
    is_unanswered: bool
    """Whether no answer came, so that the write may have been made."""
    is_last: bool
    """Whether the write must not be tried again."""


Answer: TypeAlias = (
    Held
    | RememberedStatements
    | RememberedFill
    | Inconclusive
    | Failure
    | PastDelivery
    | AssumedAbsent
    | HeldSurveys
    | PastOptOut
    | bool
)
Decisions: TypeAlias = Generator[Question | Decision, Answer, CarriedOver]
"""Decides about steps of an end user, and returns what later steps of the end user need to know."""

T = TypeVar("T")
Deciding: TypeAlias = Generator[Question | Decision, Answer, T]
"""Decides a part, and returns the result."""


def next_decision(
    decisions: Decisions, answer: Answer, answers: Callable[[Question], Answer]
) -> Decision:
    """Answer questions until the next decision, and return it.

    Args:
        decisions: the decisions about one end user.
        answer: the answer to the decision before; None at first.
        answers: returns the answer to a question, or raises `CallFailedError` if a look-up fails.

    Raises:
        StopIteration: there are no more decisions.
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
