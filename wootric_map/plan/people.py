"""Who is who: ids that name one end user, tied together once all records are read (segment.md 8).

Until then nothing is tied, since an id that several people carry shows as such only when all identifies are
known. The ids' names wait in `Names`, so that memory grows by a few bytes an id.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import chain, groupby, islice, repeat
from operator import itemgetter
from typing import Final, NamedTuple, Protocol, TypeAlias

from wootric_map.plan.engine.names import Names
from wootric_map.plan.engine.number_table import UNMET, NumberTable
from wootric_map.plan.engine.pairs import Pairs
from wootric_map.plan.tie_graph import Tie

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
SEVERAL_PEOPLE: Final = 64
"""Beside `USER`: several people carry the userId, so it ties nobody and names none (segment.md 8, rule 2)."""

UNIQUE: Final = USER | EMAIL | WOOTRIC
"""Kinds of which two groups of ids can't both have one and still be one end user."""

PREFIXES: Final = {USER: "u:", EMAIL: "e:", WOOTRIC: "w:", PHONE: "p:", ANONYMOUS: "a:"}
_KINDS: Final = {prefix: kind for kind, prefix in PREFIXES.items()}

NO_TIME: Final = -(2**63)
"""Stands for no time, and sorts before every one."""

DIGEST: Final = "\0"
"""What the name of a longer id begins with, which is its digest, and nothing to look it up by."""

_LONGEST_ID: Final = 200

_NAMES_AT_HAND: Final = 200_000
"""Ids whose names are kept in memory; those of the others wait in `Names`."""

_HINTS_AT_HAND: Final = 50_000
_ALIASES_AT_ONCE: Final = 1000

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


def id_name(kind: int, text: str) -> str:
    """The name of an id, as `Identity.name` is; a very long text is named by its digest."""
    if len(text) > _LONGEST_ID:
        text = DIGEST + blake2b(text.encode()).hexdigest()
    return PREFIXES[kind] + text


Held: TypeAlias = Callable[[Identity], int | None]
"""Tells Wootric's own id of the end user whom an id names."""


class Evidence(Protocol):
    """The `userId`s and emails that records of all runs have together, as fingerprints."""

    def fingerprint(self, name: str) -> int:
        """Return the fingerprint of an id by its name: the same in every run."""

    def add_claims(self, claims: Iterable[tuple[int, int]], *, ties: bool) -> None:
        """Add the `userId` and the email of each identify that has both; `ties` tells whether they tie."""

    def add_ties(self, ties: Iterable[tuple[int, int]]) -> None:
        """Add the `userId` and the email of each track or page record that has both."""

    def add_aliases(self, aliases: Iterable[tuple[int, int]]) -> None:
        """Add the `previousId` and the `userId` of each alias."""

    def several_people(self) -> Mapping[int, int]:
        """Return the ids that several people carry, each with the number of ids that it was seen with."""

    def several_aliased(self) -> Mapping[int, int]:
        """Return each `previousId` that is aliased to several `userId`s, with the number of these."""

    def beside_several(self) -> Collection[int]:
        """Return the ids that a record has together with one that several people carry."""

    def are_apart(self, ours: Iterable[str], theirs: str) -> bool:
        """Return whether an id is another person's, though an id of several people once tied it to others."""

    def carries_several(self, name: str) -> bool:
        """Return whether several people carry an id, by its name."""

    def ties(self, own: Sequence[int]) -> Iterable[Tie]:
        """Return the ties that lead from these ids to others, over no id of several people."""


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
        self._claims = Pairs()
        self._withheld = Pairs()
        self._ties = Pairs()
        self._beside: Collection[int] = frozenset()
        """The fingerprints of ids that a record of any run has together with one of several people."""
        self.ambiguous_users: Mapping[int, int] = {}
        """The userIds that several people carry, each with the number of emails that it was identified with;
        known once resolved."""
        self.ambiguous_emails: Mapping[int, int] = {}
        """The emails that several people carry, each with the number of userIds that it was identified
        with; known once resolved."""
        self.entangled: Collection[int] = frozenset()
        """By the number that their ids share, the end users with an id that a record of any run has
        together with one that several people carry: before that was known, they may have been written as
        somebody else; known once resolved, where there is evidence."""
        self.elsewhere: Mapping[int, Sequence[int]] = {}
        """The fingerprints of ids that no record of this run is filed under, and that are those of one of its
        end users by what records of any run say, by the number that the end user's ids share; known once
        resolved."""
        self.ambiguous_aliases: Mapping[str, int] = {}
        """The `previousId`s that this run aliases to one `userId`, and earlier runs to others, each with the
        number of these; known once resolved."""
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

    def see_anew(self, seen: Iterable[tuple[int, int]]) -> None:
        """Say which ids the records are filed under after all; what was said before is forgotten."""
        self.first_seen = array("q", [NEVER]) * len(self)
        self.see(seen)

    def claim(self, user: int, email: int) -> None:
        """Say that an identify has this userId and this email; what that means, `resolve` decides."""
        self._claims.add(user, email)

    def withhold(self, user: int, email: int) -> None:
        """Say that an identify has this userId and this email, which must not be sent.

        It ties nobody, but counts where it is asked whether an id is several people's.
        """
        self._withheld.add(user, email)

    def tie(self, one: int, other: int) -> None:
        """Say that a record names two ids; they name one end user unless one of them is several people's."""
        self._ties.add(one, other)

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

    def resolve(self, held: Held | None = None, evidence: Evidence | None = None) -> None:
        """Tie the ids together, once everything is read.

        From then on ids are no longer numbered: what number one has, `Names.identity` tells.

        A userId and an email tie unless either is several people's. An alias ties a `previousId`, which
        may be a userId or an anonymousId, if that is aliased to one userId alone.

        A phone ties all it was seen with, as long as no two of them have a userId, an email or an id of
        Wootric's each. An anonymous id is tied to the one end user that it was seen with.

        Args:
            held: the number of the end user whom Wootric knows by a userId, email or phone, where that
                can be told without asking it; None where it knows nobody.
            evidence: what the identifies of earlier runs claimed; gets those of this run as well. None
                leaves it at this run.
        """
        prints = self._find_ambiguous(evidence)
        self._tie_pairs()
        self._tie_aliases()
        named = self._tie_as_before(evidence, prints) if evidence else {}
        if self._has_hints or held:
            self._resolve(held)
        if self._earlier:
            self._keep_names()
        self._names.keep_later(self._recent.items)
        self.elsewhere = self._grouped(named)
        self.entangled = frozenset(map(self.root, self.entangled))
        self._beside = frozenset()
        # Nobody asks for numbers any more, and what comes now needs memory, too.
        self._recent, self._earlier = {}, NumberTable()

    def _find_ambiguous(self, evidence: Evidence | None) -> "array[int]":
        """Find the ids that several people carry, by this run's identifies and by those of earlier ones.

        Returns:
            The fingerprint of each userId and email by its number, where there is evidence.
        """
        prints = array("q")
        if evidence is None:
            pairs = self._claims
            if self._withheld:
                pairs = Pairs()
                for pair in chain(self._claims, self._withheld):
                    pairs.add(*pair)
            self.ambiguous_users, self.ambiguous_emails = _several_people(pairs, len(self))
        else:
            prints = self._ask(evidence)
        self._withheld = Pairs()
        for user in self.ambiguous_users:
            self._group_kinds[user] |= SEVERAL_PEOPLE
        return prints

    def _ask(self, evidence: Evidence) -> "array[int]":
        """Add what this run says to the evidence, and find what that tells of this run's ids."""
        evidence.add_aliases(
            (
                evidence.fingerprint(id_name(USER, previous)),
                evidence.fingerprint(id_name(USER, user)),
            )
            for previous, user in self._names.alias_pairs()
        )
        self._note_ambiguous_aliases(evidence)
        for aliases in self._aliases():
            self.numbers([id_name(USER, each) for alias in aliases for each in alias])
        self._keep_names()
        prints = array("q", bytes(8 * len(self)))
        for kind in (USER, EMAIL):
            for name, number in self._names.beginning(PREFIXES[kind]):
                prints[number] = evidence.fingerprint(name)
        for pairs, ties in ((self._claims, True), (self._withheld, False)):
            claims = ((prints[user], prints[email]) for user, email in pairs)
            evidence.add_claims(claims, ties=ties)
        together = ((prints[one], prints[other]) for one, other in self._ties)
        evidence.add_ties(pair for pair in together if all(pair))
        several = evidence.several_people()
        found: dict[int, dict[int, int]] = {USER: {}, EMAIL: {}}
        if several:
            self._beside = beside = evidence.beside_several()
            entangled = set()
            for number, print_ in enumerate(prints):
                kind = self._group_kinds[number]
                if kind in found and print_ in several:
                    found[kind][number] = several[print_]
                elif kind in found and print_ in beside:
                    entangled.add(number)
            self.entangled = entangled
        self.ambiguous_users, self.ambiguous_emails = found[USER], found[EMAIL]
        return prints

    def _tie_as_before(self, evidence: Evidence, prints: "array[int]") -> dict[int, int]:
        """Tie what records of earlier runs tie (segment.md 8, rule 7).

        Returns:
            Of each id under which no record of this run is filed, by its fingerprint, the number of one that
            it is tied to.
        """
        named: dict[int, int] = {}
        has_earlier = False
        for one, one_print, other, other_print in evidence.ties(prints):
            has_earlier = True
            near = one if one >= 0 else named.get(one_print, -1)
            far = other if other >= 0 else named.get(other_print, -1)
            if near < 0:
                named[one_print] = far
            elif far < 0:
                named[other_print] = near
            else:
                self.unite(near, far)
        beside = (number for each, number in named.items() if each in self._beside)
        self.entangled = {*self.entangled, *beside}
        if has_earlier:
            for aliases in self._aliases():
                for number in self.numbers(
                    [id_name(USER, each) for pair in aliases for each in pair]
                ):
                    if self.first_seen[number] == NEVER and number not in self.ambiguous_users:
                        named[prints[number]] = number
        return named

    def _grouped(self, named: Mapping[int, int]) -> dict[int, list[int]]:
        """Gather ids under which no record is filed by the root of their end user."""
        found: dict[int, list[int]] = {}
        for each, number in named.items():
            found.setdefault(self.root(number), []).append(each)
        return {root: sorted(prints) for root, prints in found.items()}

    def _tie_pairs(self) -> None:
        users, emails = self.ambiguous_users, self.ambiguous_emails
        for one, other in chain(self._claims, self._ties):
            if one not in users and other not in emails:
                self.unite(one, other)
        # What comes now needs the memory.
        self._claims, self._ties = Pairs(), Pairs()

    def _aliases(self) -> Iterator[list[tuple[str, str]]]:
        """Yield the aliases that tie, many at once: of each its `previousId` and its `userId`."""
        told = self._names.aliases()
        while aliases := list(islice(told, _ALIASES_AT_ONCE)):
            yield [
                (previous, user)
                for previous, user, users in aliases
                if users == 1 and previous not in self.ambiguous_aliases
            ]

    def _note_ambiguous_aliases(self, evidence: Evidence) -> None:
        """Note which `previousId`s of this run only earlier runs show to be aliased to several userIds."""
        several = evidence.several_aliased()
        if several:
            self.ambiguous_aliases = {
                previous: several[print_]
                for aliases in self._aliases()
                for previous, _ in aliases
                if (print_ := evidence.fingerprint(id_name(USER, previous))) in several
            }

    def _tie_aliases(self) -> None:
        """Tie what aliases say: of each a `previousId`, which may be anonymous, and a userId."""
        for aliases in self._aliases():
            names = [
                id_name(kind, text)
                for previous, user in aliases
                for kind, text in ((USER, user), (USER, previous), (ANONYMOUS, previous))
            ]
            numbers = iter(self.numbers(names))
            for user, *others in zip(numbers, numbers, numbers, strict=True):
                if not self.ambiguous_users.keys() & {user, others[0]}:
                    for other in others:
                        self.unite(user, other)

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
                if number in self.ambiguous_users or number in self.ambiguous_emails:
                    continue
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
        for number in seen:
            root = self.root(number)
            if root not in roots and number not in self.ambiguous_users:
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


def _several_people(pairs: Pairs, count: int) -> tuple[dict[int, int], dict[int, int]]:
    """Find the ids that several people carry (segment.md 8, rules 2 and 3).

    Only userIds with several emails matter to either rule, and most have one.

    Args:
        pairs: the userId and the email of each identify that has both.
        count: how many ids there are.

    Returns:
        The userIds, each with the number of its emails; and the emails, each with that of its userIds.
    """
    emails_of = pairs.several()
    if not emails_of:
        return {}, {}
    users_of = array("I", bytes(4 * count))
    for _, email in pairs:
        users_of[email] += 1
    shared_emails: Counter[int] = Counter()
    changing_users: Counter[int] = Counter()
    for user, email in pairs.of(emails_of):
        shared_emails[user] += users_of[email] > 1
        changing_users[email] += 1
    return (
        {user: emails_of[user] for user, times in shared_emails.items() if times > 1},
        {email: users_of[email] for email, times in changing_users.items() if times > 1},
    )
