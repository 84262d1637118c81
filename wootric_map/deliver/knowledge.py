"""What is known of the account before a push makes its calls, and what a step is still to ask it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from wootric_map.model import EndUser, EndUserUpsert, LookUpKey
from wootric_map.plan.steps import Find
from wootric_map.values.contact import comparable


class Known(NamedTuple):
    """What is known of a wanted end user."""

    found: EndUser | None
    """The end user by the first id that is known; None if no id is."""
    unasked: EndUserUpsert | None
    """The ids that Wootric goes by before the one that found somebody, and of which nothing is known, so that
    only the account can tell; None if nothing is open."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of the account without a call."""

    look_up: Callable[[EndUserUpsert], Known]
    """Returns what is known of a wanted end user."""
    is_met: Callable[[int], bool]
    """Returns whether any run has met an end user, by Wootric's id, since the account became known."""
    creates_first: bool = False
    """Whether whoever may or may not be there may be created without a look-up before."""

    @classmethod
    def none(cls, is_met: Callable[[int], bool]) -> "Knowledge":
        """Return the knowledge of a push that looks up each end user in the account."""
        return cls(lambda wanted: Known(None, wanted), is_met)

    @classmethod
    def whole(cls, find: Find, is_met: Callable[[int], bool]) -> "Knowledge":
        """Return the knowledge of a push that knows the whole account; `find` looks end users up."""
        return cls(lambda wanted: Known(find(wanted), None), is_met)


class Asked(NamedTuple):
    """What a push asks the account before a step."""

    is_open: bool = False
    """Whether only the account can tell what the step takes."""
    least: int = 0
    """The least number of look-ups that answer what is open."""
    most: int = 0
    """The greatest number of look-ups that answer what is open."""
    may_create_first: bool = False
    """Whether the end user may be created without a look-up before."""
    checks: int = 0
    """The number of look-ups of an end user who is known, to see what they lack."""
    lists: int = 0
    """How many lists of survey responses, or of declines, are asked for."""
    may_be_there: bool = False
    """Whether only the account can tell whether it holds the survey response or decline already."""

    def opened(self, wanted: EndUserUpsert, unasked: EndUserUpsert, *, may_create: bool) -> "Asked":
        """Return what is asked if an end user has to be looked up as well.

        Args:
            wanted: all ids of the end user.
            unasked: the ids of which nothing is known.
            may_create: whether the end user may be created first.
        """
        most = unasked.look_ups
        if unasked.external_id:
            # If somebody else has it, the other ids are looked up without it, Wootric's own once more.
            most = max(most, wanted.look_ups + bool(wanted.wootric_id))
        return self._replace(
            is_open=True,
            least=self.least or min(look_ups_that_tell(unasked, None), 1),
            most=self.most + most,
            may_create_first=self.may_create_first or may_create,
        )


NOT_ASKED: Final = Asked()


def look_ups_that_tell(wanted: EndUserUpsert, found: EndUser | None) -> int:
    """Return how many look-ups it takes to find an end user, or to see that there is none.

    An id of dots alone can't be looked up.

    Args:
        wanted: all ids to look up.
        found: the end user whom they find; None if they find nobody.
    """
    count = 0
    for by, key in wanted.look_up_keys():
        count += bool(key.strip("."))
        if found and _has(found, by, key):
            break
    return count


def _has(held: EndUser, by: LookUpKey, key: str) -> bool:
    """Return whether an end user has an id."""
    if by == "id":
        return str(held.id) == key
    if by == "email":
        return comparable(held.email) == comparable(key)
    return (held.external_id if by == "external_id" else held.phone_number) == key


def with_only(wanted: EndUserUpsert, ids: Iterable[LookUpKey]) -> EndUserUpsert:
    """Return the wanted end user with no other ids than these to be looked up by."""
    kept = set(ids)
    return replace(
        wanted,
        wootric_id=wanted.wootric_id if "id" in kept else None,
        external_id=wanted.external_id if "external_id" in kept else None,
        email=wanted.email if "email" in kept else None,
        phone_number=wanted.phone_number if "phone_number" in kept else None,
    )
