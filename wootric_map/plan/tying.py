"""Tying ids: which ids of a run name one end user, once all records are read (segment.md 8)."""

from array import array
from collections.abc import Iterator, Mapping
from itertools import chain, groupby
from operator import itemgetter
from typing import Final

from wootric_map.plan.ambiguous_ids import (
    EvidenceFindings,
    find_ambiguous_ids,
    mark_ambiguous_users,
    tying_aliases,
)
from wootric_map.plan.engine.pairs import Pairs
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import (
    AMBIGUOUS,
    ANONYMOUS,
    EMAIL,
    NEVER,
    PHONE,
    PREFIXES,
    UNIQUE,
    USER,
    WOOTRIC,
    FindWootricId,
    Identity,
    id_name,
)

_SEVERAL: Final = -1
"""Stands for Wootric's id of an end user where a group of ids has several such ids."""


def tie_ids(
    identities: Identities,
    find_id: FindWootricId | None = None,
    evidence: Evidence | None = None,
) -> None:
    """Tie the ids of a run together, once everything is read; no id can be numbered from then on.

    A `userId` and an email tie unless several people carry either. An alias ties its `previousId`, which
    may be a `userId` or an `anonymousId`, if the `previousId` is aliased to one `userId` alone.

    A phone ties all ids it was seen with, as long as no two of them have a `userId`, an email or an id of
    Wootric's each. An anonymous id is tied to the one end user that it was seen with.

    Args:
        identities: the ids of the run; gets the groups and the ambiguous ids.
        find_id: returns Wootric's id of the end user that a `userId`, email or phone names, without a call;
            None if nothing is known about Wootric's end users.
        evidence: what the records of earlier runs say; gets what this run says. None uses this run alone.
    """
    findings = None
    if evidence is None:
        find_ambiguous_ids(identities)
    else:
        findings = EvidenceFindings(identities, evidence)
        identities.prints = findings.prints
    identities.withheld = Pairs()
    mark_ambiguous_users(identities)
    _tie_pairs(identities)
    _tie_aliases(identities)
    neighbours: Mapping[int, int] = {}
    if evidence and findings:
        neighbours = _tie_as_earlier_runs(identities, evidence, findings)
    if identities.has_hints or find_id:
        _tie_by_hints(identities, find_id)
    identities.close()
    identities.earlier_ids = _by_root(identities, neighbours)
    identities.misidentified = frozenset(map(identities.root, identities.misidentified))


def _tie_pairs(identities: Identities) -> None:
    """Tie each `userId` to its emails, unless several people carry either."""
    users, emails = identities.ambiguous_users, identities.ambiguous_emails
    for one, other in chain(identities.claims, identities.ties):
        if one not in users and other not in emails:
            identities.unite(one, other)
    # The steps to come need the memory.
    identities.claims, identities.ties = Pairs(), Pairs()


def _tie_aliases(identities: Identities) -> None:
    """Tie the `userId` of each alias to its `previousId`, be that a `userId` or an anonymous id."""
    for aliases in tying_aliases(identities):
        names = [
            id_name(kind, text)
            for previous, user in aliases
            for kind, text in ((USER, user), (USER, previous), (ANONYMOUS, previous))
        ]
        numbers = iter(identities.numbers(names))
        for user, *others in zip(numbers, numbers, numbers, strict=True):
            if not identities.ambiguous_users.keys() & {user, others[0]}:
                for other in others:
                    identities.unite(user, other)


def _tie_as_earlier_runs(
    identities: Identities, evidence: Evidence, findings: EvidenceFindings
) -> dict[int, int]:
    """Tie the ids that records of earlier runs tie (segment.md 8, rule 7).

    Returns:
        By the fingerprint of each id that no record of this run is filed under, the number of an id of
        this run that it is tied to.
    """
    neighbours: dict[int, int] = {}
    has_earlier = False
    for one, one_print, other, other_print in evidence.ties(findings.prints):
        has_earlier = True
        near = one if one >= 0 else neighbours.get(one_print, -1)
        far = other if other >= 0 else neighbours.get(other_print, -1)
        if near < 0:
            neighbours[one_print] = far
        elif far < 0:
            neighbours[other_print] = near
        else:
            identities.unite(near, far)
    beside = (number for print_, number in neighbours.items() if print_ in findings.beside)
    identities.misidentified = {*identities.misidentified, *beside}
    if has_earlier:
        for aliases in tying_aliases(identities):
            for number in identities.numbers(
                [id_name(USER, each) for pair in aliases for each in pair]
            ):
                is_filed = identities.first_seen[number] != NEVER
                if not is_filed and number not in identities.ambiguous_users:
                    neighbours[findings.prints[number]] = number
    return neighbours


def _by_root(identities: Identities, neighbours: Mapping[int, int]) -> dict[int, list[int]]:
    """Return fingerprints in order, gathered by the root of the end user that each is tied to."""
    found: dict[int, list[int]] = {}
    for print_, number in neighbours.items():
        found.setdefault(identities.root(number), []).append(print_)
    return {root: sorted(prints) for root, prints in found.items()}


def _tie_by_hints(identities: Identities, find_id: FindWootricId | None) -> None:
    """Tie by Wootric's own end users, by phones and by anonymous ids."""
    identities.keep_names()
    identities.keep_hints()
    if find_id:
        _tie_by_wootric_ids(identities, (USER, EMAIL), find_id)
    for phone, seen in _seen_with(identities, PREFIXES[PHONE]):
        _tie_by_phone(identities, phone, seen)
    if find_id:
        _tie_by_wootric_ids(identities, (PHONE,), find_id)
    for anonymous, seen in _seen_with(identities, PREFIXES[ANONYMOUS]):
        _tie_anonymous(identities, anonymous, seen)


def _tie_by_wootric_ids(
    identities: Identities, kinds: tuple[int, ...], find_id: FindWootricId
) -> None:
    """Tie ids that Wootric holds as one end user, but never ids that Wootric holds as two."""
    # By the number of a group's root: Wootric's id of the end user that the group's ids name.
    wootric_ids = array("q", bytes(8 * len(identities)))
    for kind in kinds:
        prefix = PREFIXES[kind]
        for name, number in identities.names.beginning(prefix):
            if number in identities.ambiguous_users or number in identities.ambiguous_emails:
                continue
            root = identities.root(number)
            # A phone counts only if nothing else names its end user.
            if kind == PHONE and identities.group_kinds[root] & (UNIQUE | AMBIGUOUS):
                continue
            found = find_id(Identity(kind, name.removeprefix(prefix)))
            if found is not None:
                wootric_ids[root] = found if wootric_ids[root] in (0, found) else _SEVERAL
    for root, wootric_id in enumerate(wootric_ids):
        if wootric_id > 0:
            own = Identity(WOOTRIC, str(wootric_id))
            identities.unite(root, identities.number(own.name))


def _tie_by_phone(identities: Identities, phone: int, seen: Iterator[int]) -> None:
    """Tie a phone to the ids it was seen with, or mark it as ambiguous if they are several people's."""
    roots: set[int] = set()
    kinds = 0
    for number in seen:
        root = identities.root(number)
        if root not in roots and number not in identities.ambiguous_users:
            if kinds & identities.group_kinds[root] & UNIQUE:
                identities.group_kinds[identities.root(phone)] |= AMBIGUOUS
                return
            roots.add(root)
            kinds |= identities.group_kinds[root]
    for root in roots:
        identities.unite(phone, root)


def _tie_anonymous(identities: Identities, anonymous: int, seen: Iterator[int]) -> None:
    """Tie an anonymous id to the one end user it was seen with, or mark it as ambiguous."""
    root = identities.root(anonymous)
    # An alias may have tied it already.
    roots = {root} if identities.group_kinds[root] & USER else set()
    for number in seen:
        if len(roots) <= 1:
            roots.add(identities.root(number))
    if len(roots) == 1:
        identities.unite(anonymous, roots.pop())
    else:
        identities.ambiguous_anonymous_ids += 1
        identities.group_kinds[identities.root(anonymous)] |= AMBIGUOUS


def _seen_with(identities: Identities, prefix: str) -> Iterator[tuple[int, Iterator[int]]]:
    """Yield each id of a kind, in the order of the names, with the ids it was seen with."""
    for shared, hints in groupby(identities.names.hints(prefix), key=itemgetter(0)):
        yield shared, (number for _, number in hints)
