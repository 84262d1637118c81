"""Which properties end users get from the groups that they are in, and from the history of their events."""

from collections.abc import Iterator
from typing import Final

from wootric_map.mapping.properties import Property
from wootric_map.mapping.property_names import Naming
from wootric_map.mapping.rules import MappingRules
from wootric_map.plan.derived import Derived
from wootric_map.plan.engine.spool import Person, Spool
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.folding import Folded, PlacedWarning
from wootric_map.plan.histories import Histories
from wootric_map.plan.member_groups import MemberGroups, is_reached
from wootric_map.plan.rolled_events import IdsOf, RolledEvents
from wootric_map.plan.told import Told


class Deriving:
    """Derives properties of end users: `close` it once all records are in, then ask."""

    def __init__(self, rules: MappingRules, spool: Spool) -> None:
        """Derive nothing yet.

        Args:
            rules: what the user configures, checked.
            spool: keeps the records.
        """
        prefix = rules.group_prefix
        self._names = () if prefix is None else (f"{prefix}_", *rules.traits.rename.values())
        """How the names of properties may begin that groups give."""
        self._groups = None if prefix is None else MemberGroups(rules, spool)
        self._events = RolledEvents(rules, spool) if rules.rollup else None
        self._ids: IdsOf | None = None
        """Tells of the ids of end users, if there are histories."""
        self.takes_groups: Final = prefix is not None
        """Whether the traits of groups become properties."""
        self.is_asked_for: Final = rules.derives
        """Whether any property is to be derived."""

    def close(
        self,
        naming: Naming,
        ids: IdsOf,
        *,
        of_left_out: bool,
        evidence: Evidence | None = None,
        histories: Histories | None = None,
    ) -> None:
        """Take in what groups and events of this run say, once the spool is closed.

        Args:
            naming: how properties are named.
            ids: tells of the ids of end users.
            of_left_out: whether the traits count in group calls of end users who are not chosen.
            evidence: makes the fingerprints of ids, if there are `histories`.
            histories: what earlier runs have read; gets what this run says. None uses this run alone.
        """
        if histories and evidence:
            self._ids = ids
        if self._groups:
            self._groups.close(naming, evidence, histories, of_left_out=of_left_out)
        if self._events:
            self._events.close(naming, evidence, histories, ids)

    def told(self, ids: IdsOf, *, of_left_out: bool) -> Iterator[Told]:
        """Yield what the groups and events of this run tell; arguments as in `close`."""
        if self._groups:
            yield from self._groups.told(of_left_out=of_left_out)
        if self._events:
            yield from self._events.told(ids)

    def may_name(self, name: str) -> bool:
        """Return whether any end user may have a derived property of a name."""
        if name.startswith(self._names):
            return True
        return self._events is not None and self._events.may_name(name)

    def is_due(self, person: Person) -> bool:
        """Return whether an end user is to be written if no identify of theirs is replayed."""
        if self._groups and any(map(is_reached, person.identifies.found)):
            return True
        return self._events is not None and self._events.are_of(person)

    def of(self, person: Person, folded: Folded | None) -> Derived | None:
        """Return the derived properties of an end user; None if there are none.

        Args:
            person: the end user.
            folded: all identifies of theirs as one.
        """
        prints = self._ids.prints(person) if self._ids else ()
        told = (
            self._groups.of(person, prints) if self._groups else None,
            self._events.of(person, prints) if self._events else None,
        )
        refs = (*(each.ref for each in told if each), folded.last if folded else None)
        ref = next(filter(None, refs), None)
        if ref is None:
            return None
        properties: list[Property] = []
        warnings: list[PlacedWarning] = []
        state = b""
        for each in filter(None, told):
            properties += each.properties
            warnings += (PlacedWarning(each.ref or ref, warning) for warning in each.warnings)
            # Under other rules the same becomes other properties.
            named = repr([(found.name, found.value) for found in each.properties])
            state += each.state + named.encode(errors="surrogatepass")
        return Derived(properties, warnings, state, ref) if properties or warnings else None
