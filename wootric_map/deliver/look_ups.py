"""The results of look-ups: the end user, somebody else, or an outdated state of the end user."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from wootric_map.deliver.compare import difference, restrict
from wootric_map.deliver.fingerprints import Held, RememberedEndUser
from wootric_map.deliver.questions import (
    AssumedAbsent,
    Deciding,
    LookUp,
    LookUpAgain,
    RecallStranger,
)
from wootric_map.model import EndUser, EndUserUpsert, Existing
from wootric_map.plan.steps import EndUserPlan
from wootric_map.values.contact import comparable


def look_up(
    question: LookUp | LookUpAgain,
    again: Callable[[EndUserUpsert], LookUp | LookUpAgain],
    end_user: EndUserPlan,
    is_other_persons_email: Callable[[str], bool],
) -> Deciding[tuple[Held | AssumedAbsent, bool]]:
    """Look an end user up; a second time without the external id if that finds somebody else.

    Args:
        question: the first look-up.
        again: returns the look-up by other ids.
        end_user: the end user.
        is_other_persons_email: as in `decide`.

    Returns:
        The end user, or the answer that there is none as far as is known; and whether somebody else has their
        external id.
    """
    wanted = question.wanted
    answer = yield question
    if isinstance(answer, AssumedAbsent):
        return answer, False
    is_taken = isinstance(answer, EndUser) and (
        is_anothers(answer, wanted, is_other_persons_email)
        or (yield from _is_stranger(answer, wanted, end_user))
    )
    if is_taken:
        rest = replace(wanted, external_id=None)
        answer = (yield again(rest)) if any(rest.look_up_keys()) else None
    return (answer if isinstance(answer, EndUser | RememberedEndUser) else None), is_taken


def _is_stranger(held: EndUser, wanted: EndUserUpsert, end_user: EndUserPlan) -> Deciding[bool]:
    """Return whether earlier runs know whoever was found by an external id as somebody else.

    What a trait states of one end user may be another's `userId`, and runs may have sent either.
    """
    if (
        not end_user.external_id_may_be_anothers
        or wanted.external_id is None
        or held.external_id != wanted.external_id
        or wanted.wootric_id == str(held.id)
    ):
        return False
    identifiers = (wanted, *end_user.identifiers())
    return (yield RecallStranger(held.id, identifiers, end_user.earlier_ids)) is True


def find_in_account(
    identifiers: Iterable[EndUserUpsert],
    end_user: EndUserPlan,
    is_other_persons_email: Callable[[str], bool],
) -> Deciding[tuple[EndUser | None, bool]]:
    """Look an end user up in the account itself, by each of these ids until one finds somebody.

    Args:
        identifiers: the ids of the end user, the surest first.
        end_user: the end user.
        is_other_persons_email: as in `decide`.

    Returns:
        The end user, and whether somebody else has their external id.
    """
    is_taken = False
    for wanted in identifiers:
        answer, is_anothers_id = yield from look_up(
            LookUpAgain(wanted), LookUpAgain, end_user, is_other_persons_email
        )
        is_taken = is_taken or is_anothers_id
        if isinstance(answer, EndUser):
            return answer, is_taken
    return None, is_taken


def is_anothers(
    held: EndUser, wanted: EndUserUpsert, is_other_persons_email: Callable[[str], bool]
) -> bool:
    """Return whether a `userId` has found somebody else (segment.md 8, rule 4).

    An email that several people carry is an end user of its own, whatever external id that has.

    Args:
        held: the end user that was found.
        wanted: the end user that was looked for.
        is_other_persons_email: as in `decide`.
    """
    email = comparable(held.email)
    return bool(
        wanted.external_id
        and held.external_id == wanted.external_id
        and wanted.wootric_id != str(held.id)
        and email
        and email != comparable(wanted.email)
        and is_other_persons_email(email)
    )


@dataclass(frozen=True, slots=True)
class Staleness:
    """Tells whether the account must be asked about an end user that was found elsewhere."""

    end_user: EndUserPlan
    existing: Existing
    is_met: Callable[[int], bool]
    """Returns whether any run, this one included, has met an end user since the snapshot."""
    is_snapshot: bool
    """Whether the end user was found in a snapshot."""

    def may_be_outdated(self, found: EndUser | RememberedEndUser) -> bool:
        """Return whether the end user may have values that must stay and that `found` does not show."""
        if self.existing != "fill" or not isinstance(found, EndUser):
            return False
        if not found.knows_properties or self.is_met(found.id):
            return True
        # Others may have filled in since the snapshot what is empty there.
        folded = self.end_user.folded
        return self.is_snapshot and (
            folded is None
            or difference(restrict(folded.upsert, found, "fill").left, found) is not None
        )
