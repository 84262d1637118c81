"""What is to be done about an end user, step by step: the one course that a dry run and a push take.

`course` decides and does no I/O. Whoever drives it looks up and sends, or only acts as if.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Final, NamedTuple, TypeAlias

from wootric_map.deliver.addressing import (
    Change,
    address,
    change,
    needs_look_up,
    unregistered,
)
from wootric_map.deliver.compare import restrict_write
from wootric_map.deliver.fingerprints import Delivered, Fate, Fingerprints, Known, Remembered
from wootric_map.errors import CallFailedError
from wootric_map.model import (
    Action,
    EligibilityCheck,
    EndUser,
    EndUserUpsert,
    Existing,
    Failure,
    PageView,
    Skip,
)
from wootric_map.plan.steps import EndUserPlan, Event, Step, Write
from wootric_map.plan.trait_history import EarlierStatements, Statement
from wootric_map.values.contact import comparable

Turned: TypeAlias = Change | EligibilityCheck | PageView | Skip | Failure
"""What becomes of a step."""


class Recall(NamedTuple):
    """A step of which an earlier run may have taken care; to be answered with what it did about it."""

    key: str
    former_key: str | None
    """What an earlier release knew it by."""
    time: int | None
    """When it happened, if it is a track or page record."""


class LookUp(NamedTuple):
    """An end user to be looked up; to be answered with whoever is found."""

    wanted: EndUserUpsert
    compares: bool
    """Whether it will do to know what an earlier run left of them."""


class Hear(NamedTuple):
    """An end user of Wootric's of whom identifies of earlier runs may have said something later; to be
    answered with what they said."""

    number: int
    """Wootric's own id."""


class Recollect(NamedTuple):
    """An end user whom nobody knows by their ids of now; to be answered with whom an earlier run left, if
    one of these was theirs before."""

    known_as: tuple[EndUserUpsert, ...]
    elsewhere: Sequence[int]
    """Fingerprints of ids that are theirs by what earlier runs claimed."""
    alone: bool
    """Whether only the journal may be asked."""


class Inspect(NamedTuple):
    """An end user of whom it takes a look at the account to know what may be written; to be answered with
    how it holds them, or with what is known where nobody can look."""

    known: Known

    @property
    def wanted(self) -> EndUserUpsert:
        """The end user, to be looked up by Wootric's own id."""
        return EndUserUpsert(wootric_id=str(self.known.id))


class Begun(NamedTuple):
    """A write that was delivered; to be answered with what an earlier run did, if it has created an end
    user with it and then broke off."""

    key: str


class Met(NamedTuple):
    """An end user who turned out to be there, or to be otherwise, when they were written."""

    now: EndUser
    before: EndUser
    """As they were before that."""


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

Answer: TypeAlias = EndUser | Known | Remembered | Met | Failure | Fate | None
Asked: TypeAlias = Recall | LookUp | Hear | Recollect | Inspect | Begun
Course: TypeAlias = Generator[Asked | Turn, Answer, None]


def course(
    end_user: EndUserPlan,
    steps: Iterable[Step],
    registered: frozenset[str] | None,
    *,
    asks: bool,
    is_shared: Callable[[str], bool],
    recalls: bool = False,
    heeds: bool = False,
    existing: Existing = "update",
) -> Course:
    """Take an end user's steps in their order.

    Whoever drives it throws a `CallFailedError` into it where a look-up fails.

    Args:
        end_user: whose steps they are.
        steps: as `Plan.steps` gives them.
        registered: the events that count; None, where that is not known, counts them all.
        asks: whether anybody may be looked up; else Wootric is taken to hold nobody.
        is_shared: tells whether several people carry an email, which is an end user of its own then.
        recalls: whether earlier runs are asked what they did.
        heeds: whether they are asked what was said later than what is to be written, and who had which
            id before.
        existing: what becomes of whom Wootric holds. What this run has created, or filled in, is its own,
            and later steps may change it.
    """
    held: EndUser | Known | None = None
    is_taken = False  # whether somebody else has their external id
    refused: Failure | None = None
    asked = _NOBODY
    latest: float = 0
    before: list[Write] = []
    spoken: dict[str, Statement] = {}
    there = _There(existing)
    most = _ACCOUNT if asks else _JOURNAL if recalls or heeds else _NOBODY
    for planned in steps:
        step: Step = planned
        fate: Turned | None = None
        done = False
        if isinstance(step, Event):
            fate = unregistered(step.call, registered)
        if fate is None and recalls and not (end_user.is_entangled and isinstance(step, Write)):
            fate, latest = yield from _recalled(step, latest, there)
            done = fate is not None
        if fate is None and isinstance(step, Event):
            fate = after(refused)
        if fate is None and needs_look_up(step, end_user):
            # To compare with, it will do to know what an earlier run left of them.
            compares = isinstance(step, Write)
            try:
                if asked < min(_JOURNAL if compares else _ACCOUNT, most):
                    held, is_taken = yield from _found(
                        end_user,
                        is_shared,
                        compares=compares,
                        asks=asks,
                        recollects=compares and heeds,
                    )
                if isinstance(step, Write):
                    held = yield from there.seen(step, held, asks=asks)
                asked = _asked(held, most)
            except CallFailedError as error:
                fate = error.failure
        if fate is None and isinstance(step, Write):
            heard = (yield from _heard(step, held, asks=asks)) if heeds else None
            _speak(before, spoken)
            step = _left_of(step, heard, spoken, is_taken=is_taken)
            step = there.left_of(step, held)
        if fate is None:
            fate = (
                change(end_user, step, held, asked=asks or there.has_looked)
                if isinstance(step, Write)
                else _addressed(step, end_user, held, is_taken=is_taken)
            )
        if isinstance(step, Write) and isinstance(fate, Change) and fate.fields is not None:
            latest = inf
        # Of whom an earlier run wrote so, nothing is compared or written down anew.
        answer = yield Turn(step, fate, None if done else held)
        failure = answer if isinstance(answer, Failure) else None
        if isinstance(step, Write):
            refused = fate if isinstance(fate, Failure) else failure
            if isinstance(fate, Change) and failure is None:
                before.append(step)
                answer = there.written(fate, answer)
        if isinstance(answer, EndUser):
            held, asked = answer, _ACCOUNT
        elif isinstance(answer, Known):
            held = answer


def _recalled(
    step: Step, latest: float, there: "_There"
) -> Generator[Asked | Turn, Answer, tuple[Turned | None, float]]:
    """What earlier runs have made of a step, and the run that made the end user's writes up to here."""
    answer = yield Recall(step.key, step.former_key, step.time)
    fate = _done(step, answer, latest)
    if isinstance(step, Write):
        latest = answer.run if fate and isinstance(answer, Delivered) else latest
        fate = yield from there.recalled(step, fate)
    return fate, latest


def _asked(held: EndUser | Known | None, most: int) -> int:
    """Who has been asked, by who was found: a journal knows nobody whom the account does not hold."""
    if isinstance(held, EndUser):
        return _ACCOUNT
    return _JOURNAL if isinstance(held, Known) else most


def _speak(before: list[Write], spoken: dict[str, Statement]) -> None:
    """Add what the writes before have said."""
    for write in before:
        spoken.update(write.history().statements.by_name)
    before.clear()


class _There:
    """What may be written of an end user who may be there already."""

    def __init__(self, existing: Existing) -> None:
        self._existing: Existing = existing
        self._before: EndUser | Known | None = None
        """The end user before this run wrote anything."""
        self._is_ours = False
        """Whether this run, or the one that it goes on with, has created them."""
        self.has_looked = False
        """Whether the account itself was asked."""

    @property
    def _may_change(self) -> bool:
        return self._existing == "update" or self._is_ours

    def recalled(
        self, write: Write, fate: Turned | None
    ) -> Generator[Asked | Turn, Answer, Turned | None]:
        """What an earlier run has made of a write; `fate` is that where all of it was delivered."""
        if self._may_change:
            return fate
        if fate is not None:
            self._is_ours = (yield Begun(write.key_where("begun"))) is not None
            return fate
        answer = yield Recall(write.key_where(self._existing), None, None)
        return Change("left", None) if isinstance(answer, Delivered) else None

    def seen(
        self, write: Write, held: EndUser | Known | None, *, asks: bool
    ) -> Generator[Asked | Turn, Answer, EndUser | Known | None]:
        """Look at the account where it takes that to know what may be written."""
        if self._may_change or self.has_looked:
            return held
        known = self._unseen(write, held, asks=asks)
        if known is None:
            return held
        answer = yield Inspect(known)
        self.has_looked = True
        return answer if isinstance(answer, EndUser | Known) else None

    def _unseen(self, write: Write, held: EndUser | Known | None, *, asks: bool) -> Known | None:
        """Whom the account must be asked after; None where enough is known of them."""
        if isinstance(held, Known):
            return held if self._existing == "fill" and held.may_lack(write.whole) else None
        number = write.whole.wootric_id
        if held is None and not asks and number:
            # Nobody was to be asked after them; they are taken to be there.
            return Known(int(number), {}, Fingerprints(b""))
        return None

    def left_of(self, write: Write, held: EndUser | Known | None) -> Write:
        """Return what may be written: what this run has created or filled in itself, it may change."""
        if held is None or self._is_ours:
            return write
        if self._before is None or isinstance(self._before, Known):
            self._before = held
        return restrict_write(write, self._before, self._existing)

    def written(self, change: Change, answer: Answer) -> Answer:
        """Take note of what came of a write; gives what Wootric then holds."""
        if isinstance(answer, Met):
            self._is_ours = False
            self._before = answer.before
            return answer.now
        self._is_ours = self._is_ours or change.action == "create"
        return answer


def _left_of(
    write: Write, heard: Remembered | None, spoken: Mapping[str, Statement], *, is_taken: bool
) -> Write:
    """Return what is left of a write by what other identifies have said, and by whose its external id is."""
    left = write.without_external_id() if is_taken else write
    return left.without_outdated(
        *([heard] if heard else ()), *([EarlierStatements(spoken)] if spoken else ())
    )


def _addressed(
    event: Event, end_user: EndUserPlan, held: EndUser | Known | None, *, is_taken: bool
) -> EligibilityCheck | PageView | Skip:
    """Give an event what is known of its user, but for an external id that somebody else has."""
    call = address(event, end_user, held if isinstance(held, EndUser) else None)
    return (
        replace(call, external_id=None) if is_taken and isinstance(call, EligibilityCheck) else call
    )


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
        return Skip("delivered_before", kind, "messageId", message)
    if fate == "in_doubt":
        message = "an earlier run sent it and saw no answer; sent again it may count twice"
        return Skip("in_doubt", kind, "messageId", message)
    return None


def _found(
    end_user: EndUserPlan,
    is_shared: Callable[[str], bool],
    *,
    compares: bool,
    asks: bool,
    recollects: bool,
) -> Generator[Asked | Turn, Answer, tuple[EndUser | Known | None, bool]]:
    """Look the end user up: by what they are known as now, then by what they were known as before.

    Then by what the journal alone remembers as theirs: an email that has changed since, as an earlier run
    has seen.

    Returns:
        The end user, and whether somebody else has their external id.
    """
    tried: list[EndUserUpsert] = []
    is_taken = False
    for wanted in end_user.known_as():
        answer = yield LookUp(wanted, compares)
        if isinstance(answer, EndUser) and is_anothers(answer, wanted, is_shared):
            is_taken = True
            rest = replace(wanted, external_id=None)
            answer = (yield LookUp(rest, compares)) if any(rest.look_up_keys()) else None
        if isinstance(answer, Known):
            return answer, is_taken or answer.external_id_is_taken
        if isinstance(answer, EndUser):
            return answer, is_taken
        tried.append(wanted)
    if not (recollects and tried):
        return None, is_taken
    known = yield Recollect(tuple(tried), end_user.earlier_ids, alone=not asks)
    return (known if isinstance(known, Known) else None), is_taken


def is_anothers(held: EndUser, wanted: EndUserUpsert, is_shared: Callable[[str], bool]) -> bool:
    """Return whether somebody who was found by a userId is not who was looked for (segment.md 8, rule 4).

    An email that several people carry is an end user of its own, whatever external id that has.

    Args:
        held: who was found.
        wanted: who was looked for.
        is_shared: tells whether several people carry an email.
    """
    email = comparable(held.email)
    return bool(
        wanted.external_id
        and held.external_id == wanted.external_id
        and wanted.wootric_id != str(held.id)
        and email
        and email != comparable(wanted.email)
        and is_shared(email)
    )


def _heard(
    write: Write, held: EndUser | Known | None, *, asks: bool
) -> Generator[Asked | Turn, Answer, Remembered | None]:
    """What identifies of earlier runs have said of whom a write is about."""
    number = held.id if held else 0
    if held is None and not asks and write.upsert.wootric_id:
        number = int(write.upsert.wootric_id)
    heard = (yield Hear(number)) if number else None
    return heard if isinstance(heard, Remembered) else None


def after(refused: Failure | None) -> Failure | None:
    """Why a call is not sent whose end user could not be written."""
    if refused is None:
        return None
    message = f"not sent, since its end user could not be written: {refused.message}"
    return Failure("end_user_failed", message)
