"""What records of all runs say about `userId`s and emails (segment.md 8, rule 7)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from wootric_map.plan.tie_graph import Tie


class Evidence(Protocol):
    """Remembers over all runs which ids stand in one record; each id is known by its fingerprint."""

    def fingerprint(self, name: str) -> int:
        """Return the fingerprint of an id by its name; every run gives the same fingerprint."""

    def add_claims(self, claims: Iterable[tuple[int, int]], *, ties: bool) -> None:
        """Add the `userId` and the email of each identify that has both; `ties` tells whether they tie."""

    def add_ties(self, ties: Iterable[tuple[int, int]]) -> None:
        """Add the `userId` and the email of each track or page record that has both."""

    def add_aliases(self, aliases: Iterable[tuple[int, int]]) -> None:
        """Add the `previousId` and the `userId` of each alias."""

    def shared_ids(self) -> Mapping[int, int]:
        """Return the ids that several people carry, each with the number of ids that it was seen with."""

    def shared_previous_ids(self) -> Mapping[int, int]:
        """Return each `previousId` that is aliased to several `userId`s, with the number of these."""

    def ids_beside_shared(self) -> Collection[int]:
        """Return the ids that share a record with an id that several people carry."""

    def are_different_people(self, ours: Iterable[str], theirs: str) -> bool:
        """Tell whether `theirs` is another person's, though an id of several once tied it to `ours`."""

    def is_shared_id(self, name: str) -> bool:
        """Tell whether several people carry an id, by its name."""

    @property
    def has_had_stated_ids(self) -> bool:
        """Whether a trait has given the external ids of any run."""

    def external_id_print(self, rule: str, text: str) -> int:
        """Return the fingerprint of an external id that a trait states; it is never that of a `userId`.

        Args:
            rule: the trait, in the spelling that all its spellings share: each has ids of its own.
            text: the external id.
        """

    def external_ids(self, prints: Collection[int]) -> Iterable[tuple[int, int]]:
        """Yield some of these external ids, each with an id of one person who has stated it in any run."""

    def add_external_ids(self, stated: Iterable[tuple[int, int]]) -> None:
        """Add external ids that traits state, each with an id of whoever states it."""

    def ties(self, own: Sequence[int]) -> Iterable[Tie]:
        """Yield the ties that lead from `own` to other ids without passing an id of several people."""
