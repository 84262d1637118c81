"""All ids of a run, and which of them belong to one end user (segment.md 8).

While records are read, the ids are only numbered, and what the records say is only noted: whether several
people carry an id shows when all identifies are known. `tying.tie_ids` ties the ids then. The names of the
ids wait in `Names`, so that memory grows by a few bytes an id.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import repeat

from wootric_map.plan.engine.names import Names
from wootric_map.plan.engine.number_table import UNMET, NumberTable
from wootric_map.plan.engine.pairs import Pairs
from wootric_map.plan.people import KINDS, NEVER

_NAMES_IN_MEMORY = 200_000
"""Ids whose names are kept in memory; the names of all others wait in `Names`."""

_HINTS_IN_MEMORY = 50_000
"""Hints that are kept in memory before they go to `Names`."""


class Identities:
    """The ids of a run as a union-find: each group of ids is one end user."""

    def __init__(
        self,
        names: Names,
        *,
        names_in_memory: int = _NAMES_IN_MEMORY,
        hints_in_memory: int = _HINTS_IN_MEMORY,
    ) -> None:
        """Start without any id.

        Args:
            names: keeps the names of the ids, and the ids that each phone and anonymous id was seen with.
            names_in_memory: how many names are kept in memory before they go to `names`.
            hints_in_memory: how many hints are kept in memory before they go to `names`.
        """
        self.names = names
        self._names_in_memory = names_in_memory
        self._hints_in_memory = hints_in_memory
        # The ids met most recently, and all others, whose names are in `Names`.
        self._recent: dict[str, int] = {}
        self._earlier = NumberTable()
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
        self.named = Pairs()
        """Ids that any record names together, if there is a suppression list; they tie nobody."""
        self.suppressed: set[int] = set()
        """The ids that are on a suppression list."""
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

        self.prints = array("q")
        """With evidence of earlier runs, the fingerprint of each `userId` and email, by its number; 0 for ids
        of other kinds, and none for the last ids. Filled by `tie_ids`."""

    def __len__(self) -> int:
        """Return how many ids there are; their numbers begin at 0."""
        return len(self._parents)

    def see(self, seen: Iterable[tuple[int, int]]) -> None:
        """Note that records are filed under ids; each pair is an id, and the record's time or `NO_TIME`."""
        first_seen = self.first_seen
        for number, time in seen:
            if time < first_seen[number]:  # noqa: PLR1730 - seldom so, and min() takes longer
                first_seen[number] = time

    def see_anew(self, seen: Iterable[tuple[int, int]]) -> None:
        """Replace all first-seen times by those of these records."""
        self.first_seen = array("q", [NEVER]) * len(self)
        self.see(seen)

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
        return self.numbers((name,))[0]

    def numbers(self, names: Sequence[str]) -> "array[int]":
        """Return the numbers of ids by their names; each new id is given a new number."""
        numbers = array("q", map(self._recent.get, names, repeat(UNMET)))
        missed = [place for place, number in enumerate(numbers) if number == UNMET]
        if self._earlier:
            for place, number in zip(
                missed, self._earlier.find([names[each] for each in missed]), strict=True
            ):
                numbers[place] = number
            missed = [each for each in missed if numbers[each] == UNMET]
        self._add(dict.fromkeys(names[each] for each in missed))
        for place in missed:
            numbers[place] = self._recent[names[place]]
        if len(self._recent) >= self._names_in_memory:
            self.keep_names()
        return numbers

    def _add(self, names: Collection[str]) -> None:
        """Give new ids their numbers."""
        numbers = range(len(self), len(self) + len(names))
        self._recent.update(zip(names, numbers, strict=True))
        self._parents.extend(numbers)
        self.group_kinds.extend(KINDS[name[:2]] for name in names)
        self.first_seen.extend(repeat(NEVER, len(names)))

    def keep_names(self) -> None:
        """Move the names in memory to `Names`."""
        self.names.keep(self._recent.items())
        self._earlier.extend(self._recent)
        self._recent = {}

    def keep_hints(self) -> None:
        """Move the hints in memory to `Names`."""
        self.names.keep_hints(self._hints)
        self._hints.clear()

    def close(self) -> None:
        """Number no more ids; from here on `Names.identity` returns the number of an id."""
        if self._earlier:
            self.keep_names()
        self.names.keep_later(self._recent.items)
        # Nobody asks for numbers any more, and the steps to come need the memory.
        self._recent, self._earlier = {}, NumberTable()
