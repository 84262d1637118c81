"""All ids of a run, and which of them belong to one end user (segment.md 8).

The ids are numbered once all records are read, and what the records say is only noted: whether several
people carry an id shows when all identifies are known. `tying.tie_ids` ties the ids then. The names of the
ids wait in `Names`, so that memory grows by a few bytes an id.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from wootric_map.plan.engine.names import Names
from wootric_map.plan.engine.pairs import Pairs
from wootric_map.plan.people import ANONYMOUS, KINDS, NEVER, USER, id_name

_HINTS_IN_MEMORY = 50_000
"""Hints that are kept in memory before they go to `Names`."""


class Alias(NamedTuple):
    """A `previousId`, and a `userId` that it is aliased to."""

    previous: str
    user: str
    users: int
    """How many `userId`s it is aliased to."""
    number: int
    """The number of the `userId`."""
    as_user: int
    """The number of the `previousId` as a `userId`."""
    as_anonymous: int
    """The number of the `previousId` as an anonymousId."""


class Identities:
    """The ids of a run as a union-find: each group of ids is one end user."""

    def __init__(self, names: Names, *, hints_in_memory: int = _HINTS_IN_MEMORY) -> None:
        """Start without any id.

        Args:
            names: keeps the names of the ids, and the ids that each phone and anonymous id was seen with.
            hints_in_memory: how many hints are kept in memory before they go to `names`.
        """
        self.names = names
        self._hints_in_memory = hints_in_memory
        self._new: dict[str, int] = {}
        """The ids that `names` does not hold yet."""
        self._numbered_aliases: Callable[[], Iterable[tuple[str, str, int, int, int, int]]] | None
        self._numbered_aliases = None
        self._hints: dict[tuple[int, int], None] = {}
        self.has_hints = False
        """Whether any phone or anonymous id was seen with another id."""
        self._parents = array("I")
        self.group_kinds = array("B")
        """The kinds of all ids of a group, as one bit field, by the number of the group's root."""
        self.first_seen = array("q")
        """The time of the first record filed under each id; `NEVER` for an id without records."""
        self.claims = Pairs()
        """The `userId` and the email of each identify that has both."""
        self.withheld = Pairs()
        """The `userId` and the email of each identify that has both and must not be sent; the pairs tie
        nobody, but count when ids of several people are looked for."""
        self.ties = Pairs()
        """Ids that a track or page record names together; they tie unless several people carry
        one of them."""
        self.ambiguous_users: Mapping[int, int] = {}
        """The `userId`s of several people, each with the number of its emails; filled by `tie_ids`."""
        self.ambiguous_emails: Mapping[int, int] = {}
        """The emails of several people, each with the number of its `userId`s; filled by `tie_ids`."""
        self.ambiguous_aliases: Mapping[str, int] = {}
        """The `previousId`s that this run aliases to one `userId` and earlier runs alias to others, each with
        the number of these; filled by `tie_ids`."""
        self.ambiguous_anonymous_ids = 0
        """How many anonymous ids were seen with several end users; filled by `tie_ids`."""
        self.misidentified: Collection[int] = frozenset()
        """The roots of the end users that earlier runs may have written as somebody else: an id of theirs
        shares a record of any run with an id of several people. Filled by `tie_ids`, if there is evidence."""
        self.earlier_ids: Mapping[int, Sequence[int]] = {}
        """By the root of an end user, the fingerprints of further ids that records of earlier runs tie to
        this end user, and that no record of this run is filed under; filled by `tie_ids`."""

    def __len__(self) -> int:
        """Return how many ids there are; their numbers begin at 0."""
        return len(self._parents)

    def load(
        self,
        ids: Iterable[tuple[str, int]],
        aliases: Callable[[], Iterable[tuple[str, str, int, int, int, int]]],
    ) -> None:
        """Take ids that are numbered already, from 0.

        Args:
            ids: of each id the beginning of its name, and the time of the first record filed under it, or
                `NEVER`.
            aliases: returns the fields of an `Alias` for each `previousId`.
        """
        for prefix, first in ids:
            self.group_kinds.append(KINDS[prefix])
            self.first_seen.append(first)
        self._parents.extend(range(len(self.group_kinds)))
        self._numbered_aliases = aliases

    def see_anew(self, seen: Iterable[tuple[int, int]]) -> None:
        """Replace all first-seen times; each pair is an id, and when a record was first filed under it."""
        self.first_seen = array("q", [NEVER]) * len(self)
        for number, time in seen:
            self.first_seen[number] = time

    def aliases(self) -> Iterator[Alias]:
        """Yield each `previousId` with one `userId` that it is aliased to."""
        if self._numbered_aliases:
            yield from map(Alias._make, self._numbered_aliases())
            return
        for previous, user, users in self.names.aliases():
            names = id_name(USER, user), id_name(USER, previous), id_name(ANONYMOUS, previous)
            yield Alias(previous, user, users, *self.numbers(names))

    def hint(self, shared: int, number: int) -> None:
        """Note that a phone or anonymous id was seen with an id."""
        self.has_hints = True
        hint = shared, number
        if hint not in self._hints:
            self._hints[hint] = None
            if len(self._hints) >= self._hints_in_memory:
                self.keep_hints()

    def unite(self, one: int, other: int) -> None:
        """Make the groups of two ids one end user."""
        one, other = self.root(one), self.root(other)
        if one != other:
            self._parents[other] = one
            self.group_kinds[one] |= self.group_kinds[other]

    def root(self, number: int) -> int:
        """Return the number that stands for all ids of the end user to whom an id belongs."""
        parents = self._parents
        while parents[number] != number:
            # Halving the path as it is walked keeps it short.
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def kinds(self, number: int) -> int:
        """Return the kinds of all ids of the end user to whom an id belongs, as one bit field."""
        return self.group_kinds[self.root(number)]

    def members(self) -> Iterator[tuple[int, int, bool]]:
        """Yield each id: its number, its root, and whether records are filed under it."""
        for number, first in enumerate(self.first_seen):
            yield number, self.root(number), first != NEVER

    def number(self, name: str) -> int:
        """Return the number of an id by its name; a new id is given a new number."""
        number = self._new.get(name)
        if number is None:
            number = self.names.identity(name)
        if number is None:
            number = self._new[name] = len(self)
            self._parents.append(number)
            self.group_kinds.append(KINDS[name[:2]])
            self.first_seen.append(NEVER)
        return number

    def numbers(self, names: Sequence[str]) -> list[int]:
        """Return the numbers of ids by their names; each new id is given a new number."""
        return [self.number(name) for name in names]

    def keep_names(self) -> None:
        """Move the names in memory to `Names`."""
        self.names.keep(self._new.items())
        self._new = {}

    def keep_hints(self) -> None:
        """Move the hints in memory to `Names`."""
        self.names.keep_hints(self._hints)
        self._hints.clear()

    def close(self) -> None:
        """Number no more ids; from here on `Names.identity` returns the number of an id."""
        if self._new:
            self.keep_names()
