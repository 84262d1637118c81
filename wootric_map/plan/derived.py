"""Properties of an end user that are no traits: what a group's traits and the history of events become."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import NamedTuple

from wootric_map.mapping.identity import Origin
from wootric_map.mapping.properties import Property
from wootric_map.model import MappingWarning, Ref
from wootric_map.plan.folding import Folded, PlacedWarning
from wootric_map.plan.trait_history import Statement, TraitHistory, trait


class Given(NamedTuple):
    """What the group of an end user, or the history of their events, gives them."""

    properties: Sequence[Property]
    warnings: Sequence[MappingWarning]
    state: bytes
    """What the properties were made of, as a text that is another one whenever that changes."""
    ref: Ref | None
    """The last record of this run that they were made of; None if only earlier runs read any."""


@dataclass(frozen=True, slots=True)
class Derived:
    """The derived properties of one end user."""

    properties: Sequence[Property]
    """The properties; of two of one name the first counts."""
    warnings: Sequence[PlacedWarning]
    state: bytes
    """What the properties were made of, as a text that is another one whenever that changes."""
    last: Ref
    """A record that makes the end user have these properties."""

    @property
    def names(self) -> frozenset[str]:
        """The names of the properties."""
        return frozenset(each.name for each in self.properties)


def with_derived(folded: Folded, derived: Derived) -> Folded:
    """Return a fold with derived properties; an own trait of one name counts, with a warning.

    Args:
        folded: the identifies of an end user as one.
        derived: the end user's derived properties.
    """
    own = folded.upsert.properties
    added, warnings = _without_collisions(derived, own)
    origins = {
        **folded.origins,
        **{f"properties.{each.name}": Origin(each.source, each.original) for each in added},
    }
    properties = {**own, **{each.name: each.value for each in added}}
    names = frozenset(each.name for each in added)
    history = folded.history
    return replace(
        folded,
        upsert=replace(folded.upsert, properties=properties),
        origins=origins,
        warnings=(*folded.warnings, *warnings),
        key=blake2b(folded.key + derived.state, digest_size=16).digest(),
        history=lambda: replace(history(), derived=names),
    )


def with_own_names(folded: Folded, may_be_derived: Callable[[str], bool]) -> Folded:
    """Return a fold whose history tells which own properties have a name that derived ones may have.

    A derived property gives way to an own one of its name, also to one that another run sends: so it must be
    known that there is one, though its trait has another name (`company`, an object with a `name`).

    Args:
        folded: the identifies of an end user, all or one.
        may_be_derived: returns whether any end user may have a derived property of a name.
    """
    history = folded.history
    return replace(folded, history=lambda: _with_own_names(history(), may_be_derived))


def only_derived(derived: Derived, base: Folded | None, name: str) -> Folded:
    """Return derived properties in the form in which an end user is written, with nothing else.

    Args:
        derived: the end user's derived properties.
        base: the identifies of the end user, written or not; an own trait of theirs of one name counts.
        name: tells the end user from others, whose events may have come to the same.
    """
    own = base.upsert.properties if base else {}
    added, warnings = _without_collisions(derived, own)
    names = frozenset(each.name for each in added)
    empty = Folded.empty(derived.last)
    return replace(
        empty,
        upsert=replace(empty.upsert, properties={each.name: each.value for each in added}),
        origins={f"properties.{each.name}": Origin(each.source, each.original) for each in added},
        warnings=tuple(warnings),
        key=blake2b(
            name.encode(errors="surrogatepass") + b"\0" + derived.state, digest_size=16
        ).digest(),
        history=lambda: TraitHistory(derived=names),
    )


def _without_collisions(
    derived: Derived, own: Collection[str]
) -> tuple[list[Property], list[PlacedWarning]]:
    """Return the derived properties that no other has the name of, and the warnings about all."""
    added: dict[str, Property] = {}
    warnings = list(derived.warnings)
    for each in derived.properties:
        if each.name in own or each.name in added:
            rival = added[each.name].source if each.name in added else "a trait of the user's own"
            message = f"{rival} has the name {each.name!r} already; this value is left out"
            warning = MappingWarning("key_collision", each.source, message)
            warnings.append(PlacedWarning(derived.last, warning))
        else:
            added[each.name] = each
    return list(added.values()), warnings


def _with_own_names(history: TraitHistory, may_be_derived: Callable[[str], bool]) -> TraitHistory:
    by_name = dict(history.statements.by_name)
    for name, key in history.traits.items():
        statement = by_name.get(trait(key))
        if statement is not None and may_be_derived(name):
            by_name[trait(name)] = Statement(statement.order, True)
    return replace(history, statements=replace(history.statements, by_name=by_name))
