"""Answers to the questions of decisions: from the journal, a snapshot and the account."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from wootric_map.deliver.attempts import is_gone
from wootric_map.deliver.carried_over import CarriedOver
from wootric_map.deliver.end_user_locks import LockedEndUser
from wootric_map.deliver.fingerprints import Held, PastDelivery, RememberedEndUser, RememberedFill
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.known_end_users import KnownEndUsers
from wootric_map.deliver.questions import (
    ASSUMED_ABSENT,
    Answer,
    AssumedAbsent,
    Decisions,
    ListSurveys,
    LookAtAccount,
    LookUp,
    LookUpAgain,
    LookUpEmailOwner,
    Question,
    RecallCreation,
    RecallDelivery,
    RecallFill,
    RecallFormerId,
    RecallOptOut,
    RecallStatements,
    RecallStranger,
    RecallTurnedOff,
    RecallWritten,
    WriteStep,
)
from wootric_map.errors import CallFailedError
from wootric_map.model import EndUser, EndUserUpsert, Failure
from wootric_map.plan.steps import Find
from wootric_map.wootric.client import Wootric


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done about one end user."""

    decisions: Decisions
    identifiers: Callable[[WriteStep], Iterable[EndUserUpsert]]
    """Returns all ids of the end user of a write."""
    find: Find | None = None
    """Looks end users up before they are written; None if Wootric is taken to hold nobody."""
    may_be_outdated: Callable[[EndUser | RememberedEndUser], bool] = lambda _: False
    """Returns whether the account must be asked about an end user that was found elsewhere."""
    known: KnownEndUsers | None = None
    """The end users that need no look-up; None to look each up with `find`."""
    counts_as_written: bool = True
    """Whether an end user that this run leaves unchanged counts as written by this run."""
    marks_creation: bool = False
    """Whether the journal marks end users as created, for the run that goes on if this one stops."""
    fills: Callable[[WriteStep], bool] = lambda _: False
    """Returns whether a write of an end user who is there fills in what is empty, and later writes may change
    that, also those of the run that goes on if this one stops."""
    carry_over: Callable[[CarriedOver], None] = lambda _: None
    """Keeps what is known of the end user after the last step, for the end user's events."""


class Answers:
    """Answers the questions of the decisions about one end user."""

    def __init__(self, work: Work, wootric: Wootric, journal: Journal, lock: LockedEndUser) -> None:
        self._work = work
        self._wootric = wootric
        self._journal = journal
        self._lock = lock
        self.past: PastDelivery | None = None
        """What an earlier run has done about the current step."""
        self.look_ups = 0
        """The greatest number of look-ups for the current step."""
        self.creation: str | None = None
        """The key of the journal's mark that the end user was created and more is to be written."""
        self.fills: set[str] = set()
        """The keys of deliveries by which the journal has values that were filled in."""

    def answer(self, asked: Question) -> Answer:
        """Return the answer to a question.

        Raises:
            CallFailedError: a look-up failed.
        """
        journal = self._journal
        match asked:
            case RecallDelivery():
                self.past = journal.past_delivery(*asked)
                return self.past
            case RecallCreation():
                creation = journal.past_delivery(asked.key)
                self.creation = asked.key if creation else None
                return creation
            case RecallFill():
                return self._recalled_fill(asked)
            case RecallStatements():
                self._lock.take(asked.number)
                return journal.statements_of(asked.number)
            case RecallFormerId():
                return self._recalled_by_former_id(asked)
            case RecallWritten():
                with suppress(CallFailedError):
                    return journal.find(asked.wanted) or self._written(asked.wanted)
                return None
            case LookAtAccount():
                self._lock.take(asked.remembered.id)
                return self._find(asked.wanted)
            case LookUpAgain():
                return self._find(asked.wanted)
            case LookUpEmailOwner():
                return self._email_owner(asked)
            case ListSurveys():
                self._lock.take(asked.number)
                return self._wootric.list_surveys(asked.number, asked.kind, asked.at)
            case RecallOptOut():
                return journal.past_opt_out(*asked)
            case RecallTurnedOff():
                self._lock.take(asked.number)
                return journal.has_turned_off(asked.number)
            case RecallStranger():
                return journal.is_anothers(*asked)
            case LookUp():
                return self._looked_up(asked)

    def _written(self, wanted: EndUserUpsert) -> EndUser | None:
        """Return an end user of the account, unless external ids by a trait may have found somebody else."""
        if wanted.external_id_from:
            return self._find(replace(wanted, external_id=None))
        found = self._find(wanted)
        if found is None or not self._journal.claims.has_had_stated_ids:
            return found
        return None if self._journal.is_anothers(found.id, (wanted,), ()) else found

    def _recalled_fill(self, asked: RecallFill) -> RememberedFill | None:
        filled = self._journal.filled_in(asked.keys)
        if filled:
            self.fills.update(asked.keys)
        return filled

    def _email_owner(self, asked: LookUpEmailOwner) -> EndUser | None:
        met = self._journal.end_users.has_met
        if not met(asked.number):
            return None
        owner = self._find(EndUserUpsert(asked.email))
        if owner is None or owner.id == asked.number or not met(owner.id):
            return None
        self._lock.take(owner.id)
        return owner

    def _looked_up(self, asked: LookUp) -> Held | AssumedAbsent:
        found: Held | AssumedAbsent = None
        is_fresh = False
        if asked.compares and self._journal.remembers:
            found = self._journal.find(asked.wanted)
        if found is None and self._work.known:
            found, is_fresh = self._known_or_looked_up(asked, self._work.known)
        elif found is None and self._work.find:
            self.look_ups += asked.wanted.look_ups
            found = self._work.find(asked.wanted)
        if found is None or isinstance(found, AssumedAbsent):
            return found
        is_changed = self._lock.take(found.id)
        if is_changed or (not is_fresh and self._work.may_be_outdated(found)):
            # Another delivery or run has changed the end user since.
            return self._found_anew(asked.wanted, found)
        return found

    def _found_anew(
        self, wanted: EndUserUpsert, found: EndUser | RememberedEndUser
    ) -> EndUser | None:
        """Look an end user up who was found before; `found` is how they were."""
        is_journals = isinstance(found, RememberedEndUser)
        if is_journals and not wanted.wootric_id and self._journal.claims.has_had_stated_ids:
            # The account may have another external id by now, by which nobody is found.
            wanted = replace(wanted, wootric_id=str(found.id))
        return self._find(wanted)

    def _known_or_looked_up(
        self, asked: LookUp, known: KnownEndUsers
    ) -> tuple[EndUser | AssumedAbsent | None, bool]:
        """Return an end user with as few look-ups as are enough, and whether a look-up has found them."""
        found, unasked = known.look_up(asked.wanted)
        if found and unasked is None:
            # Until the end user is locked, another delivery may change what is known.
            self._lock.take(found.id)
            found, unasked = known.look_up(asked.wanted)
        if unasked is None:
            return found, False
        absence_takes = asked.wanted.look_ups
        if (
            found is None
            and asked.may_assume_absent
            and known.share.favours_creation(absence_takes)
        ):
            return ASSUMED_ABSENT, False
        self.look_ups += unasked.look_ups
        told = self._find(unasked)
        if asked.may_assume_absent:
            known.share.note(is_there=bool(told or found))
        return told or found, told is not None

    def _find(self, wanted: EndUserUpsert) -> EndUser | None:
        """Look an end user up in the account, and take note of how they are."""
        found = self._wootric.find(wanted)
        if found:
            self.learn(found)
        return found

    def learn(self, end_user: EndUser) -> None:
        """Take note of how the account holds an end user now."""
        if self._work.known:
            self._work.known.learn(end_user)

    def doubt(self, number: int) -> None:
        """Take note that nobody knows how the account holds an end user now; `number` is Wootric's id."""
        if self._work.known:
            self._work.known.doubt(number)

    def note_failure(self, failure: Failure, held: Held) -> None:
        """Take note that an update failed, if that shows that what is known of the account is wrong."""
        if self._work.known and isinstance(held, EndUser):
            if failure.code == "bad_reply":
                self._work.known.distrust()
            elif is_gone(failure):
                self._work.known.note_absence()

    def note_presence(self, *, is_there: bool) -> None:
        """Take note of whether an end user was there who was created without a look-up."""
        if self._work.known:
            self._work.known.share.note(is_there=is_there)

    def _recalled_by_former_id(self, asked: RecallFormerId) -> RememberedEndUser | None:
        recalled = partial(
            self._journal.find_by_former_id,
            asked.identifiers,
            asked.earlier_ids,
            journal_only=asked.journal_only,
        )
        found = recalled()
        if found and self._lock.take(found.id):
            # Another delivery has changed the end user since.
            found = recalled()
        return found
