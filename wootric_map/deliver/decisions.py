"""What is to be done about an end user, step by step: a dry run and a push decide it alike.

`decide` does no I/O. Whoever drives it looks up and sends, or only acts as if.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

from wootric_map.deliver.addressing import Change, address, change, needs_look_up, unregistered
from wootric_map.deliver.attempts import Attempts
from wootric_map.deliver.existing_policy import ExistingPolicy
from wootric_map.deliver.fingerprints import Delivered, Held, RememberedEndUser, RememberedSayings
from wootric_map.deliver.look_ups import look_up
from wootric_map.deliver.questions import (
    Answer,
    Deciding,
    Decision,
    Decisions,
    Inconclusive,
    LookUp,
    RecallDelivery,
    RecallFormerId,
    RecallSayings,
    Verdict,
)
from wootric_map.errors import CallFailedError
from wootric_map.model import (
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

_NOBODY: Final = 0
_JOURNAL: Final = 1
_ACCOUNT: Final = 2
"""Who has been asked after an end user."""


def decide(
    end_user: EndUserPlan,
    steps: Iterable[Step],
    registered: frozenset[str] | None,
    *,
    asks: bool,
    is_shared: Callable[[str], bool],
    recalls: bool = False,
    recalls_sayings: bool = False,
    existing: Existing = "update",
) -> Decisions:
    """Take an end user's steps in their order.

    Whoever drives it throws a `CallFailedError` into it where a look-up fails.

    Args:
        end_user: whose steps they are.
        steps: as `Plan.steps` gives them.
        registered: the events that count; None, where that is not known, counts them all.
        asks: whether anybody may be looked up; else Wootric is taken to hold nobody.
        is_shared: tells whether several people carry an email, which is an end user of its own then.
        recalls: whether earlier runs are asked what they did.
        recalls_sayings: whether they are asked what was said later than what is to be written, and who
            had which id before.
        existing: what becomes of whom Wootric holds. What this run has created, or filled in, is its own,
            and later steps may change it.
    """
    deciding = _EndUserDecisions(
        end_user,
        registered,
        is_shared,
        existing,
        asks,
        recalls,
        recalls_sayings,
        ExistingPolicy(existing),
    )
    for step in steps:
        yield from deciding.about(step)


@dataclass(slots=True)
class _EndUserDecisions:
    """What has been decided about an end user so far, and what is next; arguments as in `decide`."""

    end_user: EndUserPlan
    registered: frozenset[str] | None
    is_shared: Callable[[str], bool]
    existing: Existing
    asks: bool
    recalls: bool
    recalls_sayings: bool
    policy: ExistingPolicy
    held: Held = None
    is_taken: bool = False
    """Whether somebody else has their external id."""
    refused: Failure | None = None
    """Why their last write failed."""
    asked: int = _NOBODY
    latest: float = 0
    """The run that made the writes up to here; infinite where it is this one."""
    before: list[Write] = field(default_factory=list)
    """Writes of which it is not noted yet what they said."""
    spoken: dict[str, Statement] = field(default_factory=dict)
    created: int | None = None
    """The end user whom this run has created, by Wootric's own id."""

    @property
    def _most(self) -> int:
        """Whom may be asked after the end user at most."""
        if self.asks:
            return _ACCOUNT
        return _JOURNAL if self.recalls or self.recalls_sayings else _NOBODY

    def about(self, step: Step) -> Deciding[None]:
        """Decide about the next step."""
        verdict: Verdict | None = None
        done = False
        if isinstance(step, Event):
            verdict = unregistered(step.call, self.registered)
        is_entangled = self.end_user.is_entangled and isinstance(step, Write)
        if verdict is None and self.recalls and not is_entangled:
            verdict = yield from self._recalled(step)
            done = verdict is not None
        if verdict is None and isinstance(step, Event):
            verdict = after(self.refused)
        if verdict is None and needs_look_up(step, self.end_user):
            try:
                yield from self._look_up(step)
            except CallFailedError as error:
                verdict = error.failure
        if verdict is None and isinstance(step, Write):
            step = yield from self._left_of(step)
            asked = self.asks or self.policy.has_looked
            verdict = change(self.end_user, step, self.held, asked=asked)
        elif verdict is None and isinstance(step, Event):
            verdict = _addressed(step, self.end_user, self.held, is_taken=self.is_taken)
        assert verdict is not None  # noqa: S101 - a step is a write or an event
        # Of whom an earlier run wrote so, nothing is compared or written down anew.
        decision = Decision(step, verdict, None if done else self.held)
        if isinstance(step, Write):
            yield from self._written(decision, step)
        else:
            yield decision

    def _recalled(self, step: Step) -> Deciding[Verdict | None]:
        """Return what earlier runs have made of a step."""
        answer = yield RecallDelivery(step.key, step.former_key, step.time)
        if isinstance(step, Event):
            return left_out(step.type, answer)
        verdict = Change("unchanged", None) if still_holds(answer, self.latest) else None
        if verdict and isinstance(answer, Delivered):
            self.latest = answer.run
        return (yield from self.policy.recalled(step, verdict))

    def _look_up(self, step: Step) -> Deciding[None]:
        """Find out whom Wootric holds, as far as the step needs it and it is not known yet."""
        # To compare with, it will do to know what an earlier run left of them.
        compares = isinstance(step, Write)
        if self.asked < min(_JOURNAL if compares else _ACCOUNT, self._most):
            yield from self._find(compares=compares)
        if isinstance(step, Write):
            self.held = yield from self.policy.seen(step, self.held, asks=self.asks)
        self.asked = _asked(self.held, self._most)

    def _find(self, *, compares: bool) -> Deciding[None]:
        """Look the end user up: by what they are known as now, then by what they were known as before.

        Then by what the journal alone remembers as theirs: an email that has changed since, as an earlier
        run has seen.
        """
        is_taken = False
        tried: list[EndUserUpsert] = []
        for wanted in self.end_user.known_as():
            held, is_anothers_id = yield from look_up(
                LookUp(wanted, compares), lambda rest: LookUp(rest, compares), self.is_shared
            )
            is_taken = is_taken or is_anothers_id
            if isinstance(held, RememberedEndUser):
                is_taken = is_taken or held.external_id_is_taken
            if held:
                self.held, self.is_taken = held, is_taken
                return
            tried.append(wanted)
        known: Answer = None
        if compares and self.recalls_sayings and tried:
            elsewhere = self.end_user.earlier_ids
            known = yield RecallFormerId(tuple(tried), elsewhere, alone=not self.asks)
        self.held = known if isinstance(known, RememberedEndUser) else None
        self.is_taken = is_taken

    def _left_of(self, write: Write) -> Deciding[Write]:
        """Return what is left of a write by what else was said, whose its external id is, and who it is."""
        sayings = (yield from self._sayings(write)) if self.recalls_sayings else None
        for each in self.before:
            self.spoken.update(each.history().statements.by_name)
        self.before.clear()
        left = write.without_external_id() if self.is_taken else write
        spoken = [EarlierStatements(self.spoken)] if self.spoken else []
        left = left.without_outdated(*([sayings] if sayings else []), *spoken)
        return self.policy.left_of(left, self.held)

    def _sayings(self, write: Write) -> Deciding[RememberedSayings | None]:
        """Return what identifies of earlier runs have said of whom a write is about."""
        number = self.held.id if self.held else 0
        if self.held is None and not self.asks and write.upsert.wootric_id:
            number = int(write.upsert.wootric_id)
        sayings = (yield RecallSayings(number)) if number else None
        return sayings if isinstance(sayings, RememberedSayings) else None

    def _written(self, decision: Decision, write: Write) -> Deciding[None]:
        """Have a write made, again where that tells more, and take note of what came of it."""
        verdict = decision.verdict
        if isinstance(verdict, Change) and verdict.fields is not None:
            self.latest = inf
        answer = yield decision
        found = None
        if isinstance(answer, Inconclusive) and isinstance(verdict, Change):
            attempts = Attempts(self.end_user, self.is_shared, self.existing, self.created, verdict)
            answer, found = yield from attempts.conclude(write, decision.held, answer)
            self.created = attempts.created
        elif decision.action == "create" and isinstance(answer, EndUser):
            self.created = answer.id
        failure = answer if isinstance(answer, Failure) else None
        self.refused = verdict if isinstance(verdict, Failure) else failure
        if isinstance(verdict, Change) and failure is None:
            self.before.append(write)
            self.policy.written(verdict, found)
        if isinstance(answer, EndUser):
            self.held, self.asked = answer, _ACCOUNT
        elif isinstance(answer, RememberedEndUser):
            self.held = answer


def _asked(held: Held, most: int) -> int:
    """Who has been asked, by who was found: a journal knows nobody whom the account does not hold."""
    if isinstance(held, EndUser):
        return _ACCOUNT
    return _JOURNAL if isinstance(held, RememberedEndUser) else most


def _addressed(
    event: Event, end_user: EndUserPlan, held: Held, *, is_taken: bool
) -> EligibilityCheck | PageView | Skip:
    """Give an event what is known of its user, but for an external id that somebody else has."""
    call = address(event, end_user, held if isinstance(held, EndUser) else None)
    return (
        replace(call, external_id=None) if is_taken and isinstance(call, EligibilityCheck) else call
    )


def still_holds(verdict: object, latest: float) -> bool:
    """Whether a write was delivered, and none that comes before it later on, which may have undone it."""
    return isinstance(verdict, Delivered) and verdict.run >= latest


def left_out(kind: str, verdict: object) -> Skip | None:
    """The skip of a track or page record that an earlier run has sent; None where it has not."""
    if isinstance(verdict, Delivered):
        message = "an earlier run has delivered it"
        return Skip("delivered_before", kind, "messageId", message)
    if verdict == "in_doubt":
        message = "an earlier run sent it and saw no answer; sent again it may count twice"
        return Skip("in_doubt", kind, "messageId", message)
    return None


def after(refused: Failure | None) -> Failure | None:
    """Why a call is not sent whose end user could not be written."""
    if refused is None:
        return None
    message = f"not sent, since its end user could not be written: {refused.message}"
    return Failure("end_user_failed", message)
