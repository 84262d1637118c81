"""The id that each record is filed under, once it is known which ids several people carry (segment.md 8)."""

from array import array
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from wootric_map.plan.engine.taken import MENTIONED

NOBODY: Final = 2**32 - 1
"""In place of the id that a record is filed under: no more is kept than that its message was met."""


class Filing(NamedTuple):
    """Decides which of its ids a record is filed under."""

    roots: "array[int]"
    """By the number of each id, the number that all ids of its end user share."""
    users: Collection[int] = frozenset()
    """The `userId`s that several people carry."""
    emails: Collection[int] = frozenset()
    """The emails that several people carry."""
    identified: Collection[int] = frozenset()
    """The roots of the end users that an identify names; needed only if any record is `MENTIONED`."""

    @property
    def may_move(self) -> bool:
        """Whether any record may be filed under another id than its first."""
        return bool(self.users or self.emails or self.identified)

    def move(self, numbers: "array[int]", others: Sequence[int], marks: Sequence[int]) -> list[int]:
        """File records under their other ids where their first ids name nobody or several people.

        A record whose `userId` or email is several people's goes to its email. A record whose email may be
        somebody else's goes there if nobody is identified by its `userId`.

        Args:
            numbers: the id that each record is filed under by itself; gets the id to file it under.
            others: another id of each record, or `NOBODY`.
            marks: the kind of each record, with what is added to it.

        Returns:
            The places of the records that belong to the end user of their email alone.
        """
        detached: list[int] = []
        roots, users, emails, identified = self
        for place, other in enumerate(others):
            if other == NOBODY:
                continue
            number = numbers[place]
            if number in users or (other in emails and not marks[place] & MENTIONED):
                numbers[place] = other
                detached.append(place)
            elif identified and roots[number] not in identified and roots[other] in identified:
                numbers[place] = other
        return detached
