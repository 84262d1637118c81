"""Writes that nobody answered, or that met another end user than was known."""

from collections.abc import Callable
from http import HTTPStatus

from wootric_map.deliver.addressing import Change, change
from wootric_map.deliver.compare import restrict_write
from wootric_map.deliver.fingerprints import Held, RememberedSayings
from wootric_map.deliver.look_ups import look_up
from wootric_map.deliver.questions import (
    Answer,
    Deciding,
    Decision,
    Inconclusive,
    LookUpAgain,
    LookUpEmailOwner,
    RecallSayings,
)
from wootric_map.errors import CallFailedError
from wootric_map.model import EndUser, Existing, Failure, Skip
from wootric_map.plan.steps import EndUserPlan, Write


class Attempts:
    """A write that nobody answered, or that met another end user than was known, until that is certain."""

    def __init__(
        self,
        end_user: EndUserPlan,
        is_shared: Callable[[str], bool],
        existing: Existing,
        created: int | None,
        first: Change,
    ) -> None:
        """Begin with what was tried first.

        Args:
            end_user: whose write it is.
            is_shared, existing: as in `decide`.
            created: the end user whom this run has created, by Wootric's own id.
            first: what was to be written.
        """
        self._end_user = end_user
        self._is_shared = is_shared
        self._existing: Existing = existing
        self.created = created
        """As given, or whom this write has created."""
        self._change = first
        self._is_unanswered = False
        """Whether any attempt got no answer."""
        self._was_taken = False
        """Whether it turned out that one of these has been taken all the same."""

    def conclude(
        self, write: Write, held: Held, inconclusive: Inconclusive
    ) -> Deciding[tuple[Answer, EndUser | None]]:
        """Look the end user up anew and make what is left of the write, until it is made or given up.

        Args:
            write: what is to be written.
            held: the end user as they were known.
            inconclusive: what came of the first attempt.

        Returns:
            What came of the last decision; and how the end user was before, who turned out to be there.
        """
        while True:
            failure = inconclusive.failure
            self._is_unanswered = self._is_unanswered or inconclusive.is_unanswered
            if inconclusive.is_last:
                break
            before = held
            try:
                # They may be there by now: looking tells, sending it again would not.
                held, is_taken = yield from self._found_anew(write)
                if held and _is_anothers_value(failure, before, held):
                    # The end user who has the email is who they are now; an external id is another's.
                    held, is_taken = (yield from self._email_owner(held)), True
                    if held is None:
                        break
            except CallFailedError as error:
                failure = error.failure
                break
            decision = yield from self._decided_anew(write, held, is_taken=is_taken)
            answer = yield decision
            if not isinstance(answer, Inconclusive):
                return answer, self._note(decision, answer)
            inconclusive = answer
            if isinstance(decision.step, Write):
                write = decision.step
        yield Decision(write, failure, held, self._change.action)
        return failure, None

    def _email_owner(self, held: EndUser) -> Deciding[EndUser | None]:
        """Ask who else has the email that an end user was to get, if this write has one."""
        email = self._change.fields.email if self._change.fields else None
        owner = (yield LookUpEmailOwner(email, held.id)) if email else None
        return owner if isinstance(owner, EndUser) else None

    def _decided_anew(
        self, write: Write, held: EndUser | None, *, is_taken: bool
    ) -> Deciding[Decision]:
        """Return what is to be done about a write by whom the account holds now."""
        if is_taken:
            write = write.without_external_id()
        sayings = (yield RecallSayings(held.id)) if held else None
        write = write.without_outdated(
            *([sayings] if isinstance(sayings, RememberedSayings) else [])
        )
        if held and held.id != self.created:
            write = restrict_write(write, held, self._existing)
        changed = change(self._end_user, write, held)
        if isinstance(changed, Skip):
            return Decision(write, changed, held, self._change.action)
        if changed.action == "unchanged" and self._is_unanswered:
            # With nothing left to do, a write that nobody answered has been taken.
            self._was_taken = True
            return Decision(write, Change(self._change.action, None), held)
        self._change = changed
        return Decision(write, changed, held)

    def _note(self, decision: Decision, answer: Answer) -> EndUser | None:
        """Take note of how it ended; returns how the end user was before, who turned out to be there."""
        verdict, held = decision.verdict, decision.held
        if (
            isinstance(verdict, Change)
            and verdict.action == "create"
            and isinstance(answer, EndUser)
        ):
            self.created = answer.id
        if self._was_taken or not isinstance(held, EndUser) or held.id == self.created:
            return None
        return held if isinstance(answer, EndUser) else None

    def _found_anew(self, write: Write) -> Deciding[tuple[EndUser | None, bool]]:
        """Ask the account itself, by all that the write and its end user are known by.

        Returns:
            The end user, and whether somebody else has their external id.
        """
        is_taken = False
        for wanted in (write.whole, *self._end_user.known_as()):
            answer, is_anothers_id = yield from look_up(
                LookUpAgain(wanted), LookUpAgain, self._is_shared
            )
            is_taken = is_taken or is_anothers_id
            if isinstance(answer, EndUser):
                return answer, is_taken
        return None, is_taken


def _is_anothers_value(failure: Failure, before: Held, held: EndUser) -> bool:
    """Return whether it is somebody else who has the email or external id that Wootric refused."""
    is_refused = failure.status == HTTPStatus.UNPROCESSABLE_ENTITY
    return is_refused and before is not None and before.id == held.id


def may_be_retried(error: CallFailedError) -> bool:
    """Return whether a write failed since what was known of the end user holds no more.

    Somebody has created or removed them, or has taken their email or external id, by now.
    """
    return is_gone(error) or "already been taken" in str(error)


def is_gone(error: CallFailedError) -> bool:
    """Return whether Wootric does not hold the end user of a call."""
    return error.status == HTTPStatus.NOT_FOUND
