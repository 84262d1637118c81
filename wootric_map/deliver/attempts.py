"""Further attempts at a write that got no answer, or that Wootric refused as out of date."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from wootric_map.deliver.compare import restrict_write
from wootric_map.deliver.fingerprints import Held, RememberedStatements
from wootric_map.deliver.look_ups import find_in_account
from wootric_map.deliver.questions import (
    Answer,
    Deciding,
    Decision,
    Inconclusive,
    LookUpEmailOwner,
    RecallStatements,
)
from wootric_map.deliver.verdicts import Change, change
from wootric_map.errors import CallFailedError
from wootric_map.model import EndUser, Existing, Failure, Skip
from wootric_map.plan.steps import EndUserPlan, Write
from wootric_map.wootric.taken_ids import taken_ids


class Attempts:
    """A write that got no answer, or was refused as out of date, until its outcome is certain."""

    def __init__(
        self,
        end_user: EndUserPlan,
        is_other_persons_email: Callable[[str], bool],
        existing: Existing,
        created: int | None,
        first: Change,
    ) -> None:
        """Begin after the first attempt.

        Args:
            end_user: the end user to write.
            is_other_persons_email, existing: as in `decide`.
            created: Wootric's id of the end user if this run has created them.
            first: what the first attempt was to write.
        """
        self._end_user = end_user
        self._is_other_persons_email = is_other_persons_email
        self._existing: Existing = existing
        self.created = created
        """Wootric's id of the end user, if this run has created them."""
        self._change = first
        self._is_unanswered = False
        """Whether any attempt got no answer."""
        self._was_taken = False
        """Whether an attempt without an answer turned out to have arrived."""

    def conclude(
        self, write: Write, held: Held, inconclusive: Inconclusive
    ) -> Deciding[tuple[Answer, EndUser | None]]:
        """Look the end user up and write what is left, until the write is made or given up.

        Args:
            write: what is to be written.
            held: the end user as they were known at the first attempt.
            inconclusive: the result of the first attempt.

        Returns:
            The answer to the last decision; and the end user before the write, if they turned out to exist.
        """
        while True:
            failure = inconclusive.failure
            self._is_unanswered = self._is_unanswered or inconclusive.is_unanswered
            if inconclusive.is_last:
                break
            before = held
            try:
                # A look-up shows whether the write has arrived; sending it again would not.
                held, is_taken = yield from self._found_anew(write, before)
                if held and self._is_only_id_taken(failure, before, held):
                    is_taken = True
                elif held and _is_anothers_value(failure, before, held):
                    # The owner of the email is the end user now; an external id is somebody else's.
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
        """Return who else has the email of this write; None if nobody has, or the write has no email."""
        email = self._change.fields.email if self._change.fields else None
        owner = (yield LookUpEmailOwner(email, held.id)) if email else None
        return owner if isinstance(owner, EndUser) else None

    def _decided_anew(
        self, write: Write, held: EndUser | None, *, is_taken: bool
    ) -> Deciding[Decision]:
        """Return the decision about a write, given the end user as the account holds them now."""
        if is_taken:
            write = write.without_external_id()
        statements = (yield RecallStatements(held.id)) if held else None
        write = write.without_outdated(
            *([statements] if isinstance(statements, RememberedStatements) else [])
        )
        if held and held.id != self.created:
            write = restrict_write(write, held, self._existing)
        changed = change(self._end_user, write, held)
        if isinstance(changed, Skip):
            return Decision(write, changed, held, self._change.action)
        if changed.action == "unchanged" and self._is_unanswered:
            # If nothing is left to do, the write without an answer has arrived.
            self._was_taken = True
            return Decision(write, Change(self._change.action, None), held)
        self._change = changed
        return Decision(write, changed, held)

    def _note(self, decision: Decision, answer: Answer) -> EndUser | None:
        """Note an end user that was created; return the end user before the write, if they existed."""
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

    def _is_only_id_taken(self, failure: Failure, before: Held, held: EndUser) -> bool:
        """Return whether somebody else has what a trait states to be the external id, and nothing else."""
        return (
            self._end_user.external_id_may_be_anothers
            and _is_anothers_value(failure, before, held)
            and taken_ids(failure.message) == {"external_id"}
        )

    def _found_anew(self, write: Write, before: Held) -> Deciding[tuple[EndUser | None, bool]]:
        """Look the end user up in the account by all ids of the write and the end user.

        Args:
            write: what is to be written.
            before: the end user as they were known; the account may have another external id of theirs, where
                a trait gives it.

        Returns:
            The end user, and whether somebody else has their external id.
        """
        whole = self._end_user.looked_up(write.whole)
        if before and self._end_user.external_id_may_be_anothers:
            whole = replace(whole, wootric_id=whole.wootric_id or str(before.id))
        return (
            yield from find_in_account(
                (whole, *self._end_user.identifiers()), self._end_user, self._is_other_persons_email
            )
        )


def _is_anothers_value(failure: Failure, before: Held, held: EndUser) -> bool:
    """Return whether Wootric refused a write because somebody else has its email or external id."""
    is_refused = failure.status == HTTPStatus.UNPROCESSABLE_ENTITY
    return is_refused and before is not None and before.id == held.id


def may_be_retried(failure: Failure) -> bool:
    """Return whether a write failed because the end user was created, removed or changed meanwhile."""
    return is_gone(failure) or "already been taken" in failure.message


def is_gone(failure: Failure) -> bool:
    """Return whether a call failed because Wootric does not hold the end user."""
    return failure.status == HTTPStatus.NOT_FOUND
