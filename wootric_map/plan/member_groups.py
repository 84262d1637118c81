"""The properties that end users get from the groups that they are in (wootric.md 8)."""

from collections.abc import Collection, Iterator
from hashlib import blake2b
from operator import itemgetter
from typing import Final, NamedTuple

from wootric_map.mapping.group_rewriting import GroupRewriting
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.property_names import AS_WRITTEN, Naming
from wootric_map.mapping.record_keys import line_digest, record_key
from wootric_map.mapping.rules import MappingRules
from wootric_map.mapping.settings import group_properties
from wootric_map.model import Ref
from wootric_map.plan.derived import Given
from wootric_map.plan.engine.spool import Found, Person, Spool
from wootric_map.plan.engine.taken import CHOSEN, GROUP
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.group_traits import (
    GroupFold,
    GroupTraits,
    packed_fold,
    stated,
    traits_of,
)
from wootric_map.plan.histories import Histories, Membership
from wootric_map.plan.people import NO_TIME
from wootric_map.plan.told import Named, ToldCall, remember
from wootric_map.read.record import NO_FIELDS, Identify

_MOST_GROUPS: Final = 1000
"""Groups whose properties are remembered, since many members of one come after another."""


class _Call(NamedTuple):
    """A group call; of two of one end user, the greater is the later."""

    time: int
    has_message: bool
    tie: str
    group_id: str
    found: Found
    """The call as the spool keeps it."""


class MemberGroups:
    """The groups of a run, or of all runs: `close` once all records are in, then ask."""

    def __init__(self, rules: MappingRules, spool: Spool) -> None:
        """Know no group yet.

        Args:
            rules: what the user configures, checked; it has a prefix for the traits of groups.
            spool: keeps the records.
        """
        self._prefix = rules.group_prefix or ""
        self._rewriting = GroupRewriting(rules)
        self._spool = spool
        self._naming = AS_WRITTEN
        self._traits = GroupTraits()
        spool.closes(self._traits.close)
        self._known: dict[str | bytes, Given] = {}
        self._histories: Histories | None = None
        self._has_members = False
        """Whether anybody is a member of any group by what all runs have read."""

    def close(
        self,
        naming: Naming,
        evidence: Evidence | None,
        histories: Histories | None,
        *,
        of_left_out: bool,
    ) -> None:
        """Fold what group calls state, once the spool is closed.

        Args:
            naming: how properties are named.
            evidence: makes the fingerprints of ids, if there are `histories`.
            histories: what earlier runs have read; gets what this run says. None uses this run alone.
            of_left_out: whether the traits count in calls of end users who are not chosen.
        """
        self._naming = naming
        if histories is None or evidence is None:
            for call in self._told(of_left_out=of_left_out):
                self._traits.add(call.group_id, call.traits)
            self._traits.finish()
            return
        self._histories = histories
        remember(self._told(of_left_out=of_left_out), evidence, histories)
        self._has_members = histories.has_members

    def _told(self, *, of_left_out: bool) -> Iterator[ToldCall]:
        """Yield what the group calls tell that are taken; `of_left_out` as in `close`."""
        return map(self._told_by, self._spool.group_calls(of_left_out=of_left_out))

    def told(self, *, of_left_out: bool) -> Iterator[ToldCall]:
        """Yield what the group calls tell that are taken, in an order that does not depend on the files.

        Args:
            of_left_out: as in `close`.
        """
        for person in self._spool.people():
            for found in person.identifies.found:
                is_call = found[3] & GROUP and not is_reached(found)
                if is_call and (of_left_out or found[3] & CHOSEN):
                    yield self._told_by(found)

    def _told_by(self, found: Found) -> ToldCall:
        """Return what a group call tells."""
        call = _call(found)
        user_id, _, _, _, traits, *_ = self._spool.row(found).payload
        fold = stated(traits, call.time, has_message=call.has_message, tie=call.tie)
        named = _named(user_id) if found[3] & CHOSEN else Named(None, None)
        return ToldCall(named, call[:3], call.group_id, fold)

    def of(self, person: Person, prints: Collection[int]) -> Given | None:
        """Return what the group gives that an end user is in; None if they are in none.

        Args:
            person: the end user.
            prints: the fingerprints of all ids of theirs, if there are histories.
        """
        calls: list[_Call] = []
        reached: tuple[bytes, int, str, int] | None = None
        for found in person.identifies.found:
            if is_reached(found):
                reached = found[6]
            elif found[3] & GROUP and found[3] & CHOSEN:
                calls.append(_call(found))
        last = max(calls, key=itemgetter(0, 1, 2), default=None)
        ref = Ref(*reached[1:]) if reached else None
        if last:
            row = self._spool.row(last.found)
            ref = Ref(row.number, row.source, row.line)
        if self._histories is None:
            return self._given(last.group_id, last[:3], ref) if last else None
        own = _membership(last, self._histories) if last else None
        told = self._histories.membership(prints) if self._has_members else None
        latest = max(filter(None, (own, told)), default=None)
        if latest:
            return self._given(latest.group, latest[:3], ref)
        return self._given(reached[0], (NO_TIME, False, ""), ref) if reached else None

    def _given(self, group: str | bytes, order: tuple[int, bool, str], ref: Ref | None) -> Given:
        """Return what a group gives a member.

        Args:
            group: the id of the group, or its fingerprint.
            order: the place of the membership among others.
            ref: a group call of this run that shows the membership.
        """
        known = self._known.get(group)
        if known is None:
            known = self._of_group(group)
            if len(self._known) >= _MOST_GROUPS:
                self._known.clear()
            self._known[group] = known
        return known._replace(state=known.state + repr(order).encode(), ref=ref)

    def _of_group(self, group: str | bytes) -> Given:
        """Return what a group gives all members, by its id or its fingerprint."""
        fold: GroupFold = {}
        if isinstance(group, str):
            fold = self._traits.of(group)
        elif self._histories:
            fold = self._histories.group_traits(group)
        traits = self._rewriting.of_group(traits_of(fold))
        found, warnings = group_properties(traits, self._prefix, naming=self._naming)
        state = blake2b(packed_fold(dict(sorted(fold.items()))).encode()).digest()
        return Given(found, warnings, state, None)


def is_reached(found: Found) -> bool:
    """Return whether a record of the spool stands for a member whom earlier runs met (`reached_members`)."""
    return bool(found[3] & GROUP) and isinstance(found[6], tuple)


def _call(found: Found) -> _Call:
    """Return a group call of the spool as it is ordered among others."""
    time, has_message, tie, *_ = found
    key = record_key(tie, b"") if isinstance(tie, str) else line_digest(tie).hex()
    group = blake2b(found[6].encode(), digest_size=8).hexdigest()
    return _Call(time, has_message, f"{key} {group}", found[6], found)


def _membership(call: _Call, histories: Histories) -> Membership:
    """Return the membership that a group call tells."""
    return Membership(*call[:3], histories.group_print(call.group_id))


def _named(user_id: str | None) -> Named:
    """Return the ids by which a group call names its user."""
    user, _, _ = user_of(Identify(user_id, None, None, None, NO_FIELDS, NO_FIELDS))
    return Named(user.user_id, user.email)
