"""Whom a look-up finds: the end user who was looked for, somebody else, or one who has changed since."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from wootric_map.deliver.compare import difference, restrict
from wootric_map.deliver.fingerprints import Held, RememberedEndUser
from wootric_map.deliver.questions import Deciding, LookUp, LookUpAgain
from wootric_map.model import EndUser, EndUserUpsert, Existing
from wootric_map.plan.steps import EndUserPlan
from wootric_map.values.contact import comparable


def look_up(
    question: LookUp | LookUpAgain,
    again: Callable[[EndUserUpsert], LookUp | LookUpAgain],
    is_shared: Callable[[str], bool],
) -> Deciding[tuple[Held, bool]]:
    """Ask for an end user; again without the external id where that finds somebody else.

    Args:
        question: asks for them.
        again: asks for them by other ids.
        is_shared: as in `decide`.

    Returns:
        The end user, and whether somebody else has their external id.
    """
    wanted = question.wanted
    answer = yield question
    is_taken = isinstance(answer, EndUser) and is_anothers(answer, wanted, is_shared)
    if is_taken:
        rest = replace(wanted, external_id=None)
        answer = (yield again(rest)) if any(rest.look_up_keys()) else None
    return (answer if isinstance(answer, EndUser | RememberedEndUser) else None), is_taken


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


@dataclass(frozen=True, slots=True)
class Staleness:
    """Tells of whom was found whether the account itself must be asked."""

    end_user: EndUserPlan
    existing: Existing
    is_met: Callable[[int], bool]
    """Tells whether any run has met an end user since the snapshot; what another delivery of this run has
    written before it let go of them counts, too."""
    is_snapshot: bool
    """Whether they were found in a snapshot."""

    def may_be_outdated(self, found: EndUser | RememberedEndUser) -> bool:
        """Return whether a value may be there by now, or is not told, that is to stay."""
        if self.existing != "fill" or not isinstance(found, EndUser):
            return False
        if not found.knows_properties or self.is_met(found.id):
            return True
        # A snapshot does not tell what others have written since: whoever lacks something is looked at.
        folded = self.end_user.folded
        return self.is_snapshot and (
            folded is None
            or difference(restrict(folded.upsert, found, "fill").left, found) is not None
        )
