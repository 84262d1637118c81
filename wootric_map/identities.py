"""Who is who: ids that name one end user, tied together as the records are read.

The ids' names wait in `Names`, so that memory grows by a few bytes an id.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby, repeat
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from wootric_map.names import Names
from wootric_map.number_table import UNMET, NumberTable

USER: Final = 1
"""A `userId`, Wootric's external id."""
EMAIL: Final = 2
"""An email as it compares: trimmed, in lower case."""
WOOTRIC: Final = 4
"""Wootric's own id of an end user."""
PHONE: Final = 8
"""A phone number. Households share phones, so it ties only what nothing contradicts."""
ANONYMOUS: Final = 16
"""An `anonymousId`. People share devices, so it ties only if asked to."""
AMBIGUOUS: Final = 32
"""Beside `PHONE` or `ANONYMOUS`: several end users have it, so it names none."""

UNIQUE: Final = USER | EMAIL | WOOTRIC
"""Kinds of which two groups of ids can't both have one and still be one end user."""

PREFIXES: Final = {USER: "u:", EMAIL: "e:", WOOTRIC: "w:", PHONE: "p:", ANONYMOUS: "a:"}
_KINDS: Final = {prefix: kind for kind, prefix in PREFIXES.items()}

NO_TIME: Final = -(2**63)
"""Stands for no time, and sorts before every one."""

_NAMES_AT_HAND: Final = 200_000
"""Ids whose names are kept in memory; those of the others wait in `Names`."""

_HINTS_AT_HAND: Final = 50_000

NEVER: Final = 2**63 - 1
"""The time of a record that does not exist."""

_SEVERAL: Final = -1
"""In place of one end user of Wootric's."""


class Identity(NamedTuple):
    """An id of an end user: its kind, and the text that names it."""

    kind: int
    text: str

    @property
    def name(self) -> str:
        """One text that tells it from every other."""
        return PREFIXES[self.kind] + self.text


Held: TypeAlias = Callable[[Identity], int | None]
"""Tells Wootric's own id of the end user whom an id names."""


class Identities:
    """A union-find over ids."""

    def __init__(self, names: Names) -> None:
        """Start with nobody.

        Args:
            names: keeps the ids' names, and what each phone and anonymous id was seen with.
        """
        self._names = names
        # The ids last met, and before them those whose names are in `Names`.
        self._recent: dict[str, int] = {}
        self._earlier = NumberTable()
        self._hints: dict[tuple[int, int], None] = {}
        self._has_hints = False
        # By an id's number: its parent, the kinds of its group, its first record's time.
        self._parents = array("I")
        self._group_kinds = array("B")
        self.first_seen = array("q")
        """Of each id the time of the first record that is filed under it; `NEVER` where none is."""
        self.ambiguous_anonymous_ids = 0
        """How many anonymous ids were seen with several end users; known once resolved."""

    def __len__(self) -> int:
        """How many ids there are; they are numbered from 0."""
        return len(self._parents)

    def see(self, seen: Iterable[tuple[int, int]]) -> None:
        """Say that records are filed under ids: of each the id, and when it happened, or `NO_TIME`."""
        first_seen = self.first_seen
        for number, time in seen:
            if time < first_seen[number]:  # noqa: PLR1730 - seldom so, and min() takes longer
                first_seen[number] = time

    def unite(self, one: int, other: int) -> None:
        """Say that two ids, by their numbers, name one end user."""
        one, other = self.root(one), self.root(other)
        if one != other:
            self._parents[other] = one
            self._group_kinds[one] |= self._group_kinds[other]

    def hint(self, shared: int, number: int) -> None:
        """Say that a phone or anonymous id was seen with an id; what that means, `resolve` decides."""
        self._has_hints = True
        hint = shared, number
        if hint not in self._hints:
            self._hints[hint] = None
            if len(self._hints) >= _HINTS_AT_HAND:
                self._keep_hints()

    def number(self, name: str) -> int:
        """The number of an id by its name, which is given one when it is first met."""
        return self.numbers((name,))[0]

    def numbers(self, names: Sequence[str]) -> "array[int]":
        """The numbers of many ids."""
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
        if len(self._recent) >= _NAMES_AT_HAND:
            self._keep_names()
        return numbers

    def _add(self, names: Collection[str]) -> None:
        """Give ids that were not met before their numbers."""
        numbers = range(len(self), len(self) + len(names))
        self._recent.update(zip(names, numbers, strict=True))
        self._parents.extend(numbers)
        self._group_kinds.extend(_KINDS[name[:2]] for name in names)
        self.first_seen.extend(repeat(NEVER, len(names)))

    def resolve(self, held: Held | None = None) -> None:
        """Find out, once everything is read, what phones and anonymous ids tie.

        From then on ids are no longer numbered: what number one has, `Names.identity` tells.

        A phone ties all it was seen with, as long as no two of them have a userId, an email or an id of
        Wootric's each. An anonymous id is tied to the one end user that it was seen with.

        Args:
            held: the number of the end user whom Wootric knows by a userId, email or phone, where that
                can be told without asking it; None where it knows nobody.
        """
        if self._has_hints or held:
            self._resolve(held)
        if self._earlier:
            self._keep_names()
        self._names.keep_later(self._recent.items)
        # Nobody asks for numbers any more, and what comes now needs memory, too.
        self._recent, self._earlier = {}, NumberTable()

    def _resolve(self, held: Held | None) -> None:
        self._keep_names()
        self._keep_hints()
        if held:
            self._tie_held((USER, EMAIL), held)
        for phone, seen in self._seen_with(PREFIXES[PHONE]):
            self._tie_by_phone(phone, seen)
        if held:
            self._tie_held((PHONE,), held)
        for anonymous, seen in self._seen_with(PREFIXES[ANONYMOUS]):
            self._tie_anonymous(anonymous, seen)

    def _tie_held(self, kinds: tuple[int, ...], held: Held) -> None:
        """Tie what Wootric holds as one end user, but never two whom it holds as two."""
        # By the number of a group's root: the one end user of Wootric's that its ids name.
        named = array("q", bytes(8 * len(self._parents)))
        for kind in kinds:
            prefix = PREFIXES[kind]
            for name, number in self._names.beginning(prefix):
                root = self.root(number)
                # A phone counts where it is all that names somebody.
                if kind == PHONE and self._group_kinds[root] & (UNIQUE | AMBIGUOUS):
                    continue
                known = held(Identity(kind, name.removeprefix(prefix)))
                if known is not None:
                    named[root] = known if named[root] in (0, known) else _SEVERAL
        for root, known in enumerate(named):
            if known > 0:
                self.unite(root, self.number(Identity(WOOTRIC, str(known)).name))

    def _tie_by_phone(self, phone: int, seen: Iterator[int]) -> None:
        roots: set[int] = set()
        kinds = 0
        for root in map(self.root, seen):
            if root not in roots:
                if kinds & self._group_kinds[root] & UNIQUE:
                    self._group_kinds[self.root(phone)] |= AMBIGUOUS
                    return
                roots.add(root)
                kinds |= self._group_kinds[root]
        for root in roots:
            self.unite(phone, root)

    def _tie_anonymous(self, anonymous: int, seen: Iterator[int]) -> None:
        root = self.root(anonymous)
        # An alias may have tied it already.
        roots = {root} if self._group_kinds[root] & USER else set()
        for number in seen:
            if len(roots) <= 1:
                roots.add(self.root(number))
        if len(roots) == 1:
            self.unite(anonymous, roots.pop())
        else:
            self.ambiguous_anonymous_ids += 1
            self._group_kinds[self.root(anonymous)] |= AMBIGUOUS

    def _seen_with(self, prefix: str) -> Iterator[tuple[int, Iterator[int]]]:
        """Each id of a kind, in the order of their names, with the numbers it was seen with."""
        for shared, hints in groupby(self._names.hints(prefix), key=itemgetter(0)):
            yield shared, (number for _, number in hints)

    def members(self) -> Iterator[tuple[int, int, bool]]:
        """Of each id its number, its root, and whether records are filed under it."""
        for number, first in enumerate(self.first_seen):
            yield number, self.root(number), first != NEVER

    def kinds(self, number: int) -> int:
        """The kinds of all ids of an end user, added up."""
        return self._group_kinds[self.root(number)]

    def root(self, number: int) -> int:
        """The number that an id shares with all others of its end user."""
        parents = self._parents
        while parents[number] != number:
            # Halving the path as it is walked keeps it short.
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def _keep_names(self) -> None:
        self._names.keep(self._recent.items())
        self._earlier.extend(self._recent)
        self._recent = {}

    def _keep_hints(self) -> None:
        self._names.keep_hints(self._hints)
        self._hints.clear()
