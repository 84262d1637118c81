"""Ids that several people carry: such an id ties nobody (segment.md 8, rules 2, 3 and 5)."""

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import chain, islice
from typing import Final

from wootric_map.plan.engine.names import Names
from wootric_map.plan.engine.pairs import Pairs
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import EMAIL, PREFIXES, SEVERAL_PEOPLE, USER, id_name

_ALIASES_AT_ONCE: Final = 1000


def find_ambiguous_ids(identities: Identities) -> None:
    """Find the `userId`s and emails that several people carry by the identifies of this run alone."""
    pairs = identities.claims
    if identities.withheld:
        pairs = Pairs()
        for pair in chain(identities.claims, identities.withheld):
            pairs.add(*pair)
    users, emails = _several_people(pairs, len(identities))
    identities.ambiguous_users, identities.ambiguous_emails = users, emails


def mark_ambiguous_users(identities: Identities) -> None:
    """Give each `userId` that several people carry the flag `SEVERAL_PEOPLE`, before any id is tied."""
    for user in identities.ambiguous_users:
        identities.group_kinds[user] |= SEVERAL_PEOPLE


class EvidenceFindings:
    """What the evidence of all runs says about the ids of this run."""

    def __init__(self, identities: Identities, evidence: Evidence) -> None:
        """Add what this run says to the evidence, and find the ids that several people carry.

        Args:
            identities: the ids of this run; gets the ambiguous ids and the end users that are entangled.
            evidence: what records of earlier runs say.
        """
        self.beside: Collection[int] = frozenset()
        """The fingerprints of the ids that share a record of any run with an id of several people, or that an
        alias tied until another contradicted it."""
        names = identities.names
        evidence.add_aliases(
            (
                evidence.fingerprint(id_name(USER, previous)),
                evidence.fingerprint(id_name(USER, user)),
            )
            for previous, user in names.alias_pairs()
        )
        self._find_ambiguous_aliases(identities, evidence)
        for aliases in tying_aliases(identities):
            identities.numbers([id_name(USER, each) for alias in aliases for each in alias])
        identities.keep_names()
        self.prints = _prints(names, len(identities), evidence)
        """The fingerprint of each `userId` and email, by its number; 0 for ids of other kinds."""
        self._add_pairs(identities, evidence)
        self._find_ambiguous_ids(identities, evidence)

    def _add_pairs(self, identities: Identities, evidence: Evidence) -> None:
        """Add to the evidence which `userId`s and emails this run's records have together."""
        prints = self.prints
        for pairs, ties in ((identities.claims, True), (identities.withheld, False)):
            claims = ((prints[user], prints[email]) for user, email in pairs)
            evidence.add_claims(claims, ties=ties)
        together = ((prints[one], prints[other]) for one, other in identities.ties)
        evidence.add_ties(pair for pair in together if all(pair))

    def _find_ambiguous_ids(self, identities: Identities, evidence: Evidence) -> None:
        """Find which ids of this run several people carry, and which share a record with such an id."""
        several = evidence.shared_ids()
        self.beside = beside = evidence.ids_beside_shared()
        found: dict[int, dict[int, int]] = {USER: {}, EMAIL: {}}
        if several or beside:
            misidentified = set()
            for number, print_ in enumerate(self.prints):
                kind = identities.group_kinds[number]
                if kind in found and print_ in several:
                    found[kind][number] = several[print_]
                elif kind in found and print_ in beside:
                    misidentified.add(number)
            identities.misidentified = misidentified
        identities.ambiguous_users, identities.ambiguous_emails = found[USER], found[EMAIL]

    @staticmethod
    def _find_ambiguous_aliases(identities: Identities, evidence: Evidence) -> None:
        """Find the `previousId`s of this run that only earlier runs alias to several `userId`s."""
        several = evidence.shared_previous_ids()
        if several:
            identities.ambiguous_aliases = {
                previous: several[print_]
                for aliases in tying_aliases(identities)
                for previous, _ in aliases
                if (print_ := evidence.fingerprint(id_name(USER, previous))) in several
            }


def tying_aliases(identities: Identities) -> Iterator[list[tuple[str, str]]]:
    """Yield the aliases that tie, many at a time; each is a `previousId` and its only `userId`."""
    told = identities.names.aliases()
    while aliases := list(islice(told, _ALIASES_AT_ONCE)):
        yield [
            (previous, user)
            for previous, user, users in aliases
            if users == 1 and previous not in identities.ambiguous_aliases
        ]


def _prints(names: Names, count: int, evidence: Evidence) -> "array[int]":
    """Return the fingerprints of `count` ids by their numbers; 0 for all but `userId`s and emails."""
    prints = array("q", bytes(8 * count))
    for kind in (USER, EMAIL):
        for name, number in names.beginning(PREFIXES[kind]):
            prints[number] = evidence.fingerprint(name)
    return prints


def _several_people(pairs: Pairs, count: int) -> tuple[dict[int, int], dict[int, int]]:
    """Find the ids that several people carry (segment.md 8, rules 2 and 3).

    Both rules concern only `userId`s with several emails, and most `userId`s have one. Over all runs on a
    journal, a query of `deliver/journal_claims.py` decides by the same rules.

    Args:
        pairs: the `userId` and the email of each identify that has both.
        count: how many ids there are.

    Returns:
        The `userId`s, each with the number of its emails; and the emails, each with the number of its
        `userId`s.
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
