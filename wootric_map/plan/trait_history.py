"""When each trait of an end user was stated last: a later identify counts, whichever run pushes it.

What an identify states about a trait never undoes what a later identify stated about that trait
(segment.md 8, rule 7). This module orders identifies, and leaves out of a write what later identifies have
stated otherwise.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from wootric_map.model import EndUserUpsert

K = TypeVar("K", str, bytes)
"""The name under which something is stated, or a fingerprint of that name."""

MOST_UNMARKED: Final = 64
"""Of identifies with one time and without message ids, only the last ones keep a remembered order."""


class Order(NamedTuple):
    """The place of an identify among all identifies; a later identify has a greater order."""

    time: int
    """Milliseconds since the epoch, or `NO_TIME`."""
    has_message: bool
    """Whether the identify has a message id; of one time, identifies without one come first."""
    tie: str
    """The message id, or a digest of a very long message id, or a digest of the line of an identify without
    message id. Digests of lines tell identifies apart, but not which is later: `Statements.unmarked` does."""


class Statement(NamedTuple):
    """The last statement of any identify about a trait."""

    order: Order
    """The place of the identify that makes the statement."""
    counts: bool
    """Whether the statement gives Wootric a value that no weaker value replaces: an id, a creation date, or
    a property that is spelled like its trait. A null is no such value."""


@dataclass(frozen=True, slots=True)
class Statements(Generic[K]):
    """The last statements about an end user."""

    by_name: Mapping[K, Statement] = field(default_factory=dict)
    """Each statement, by the name under which it is made."""
    unmarked: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """By time, the digests of identifies without message ids, in their order. Identifies that were folded
    together are ordered by the bytes of their lines; others by when they were pushed, as no line is kept."""


@dataclass(frozen=True, slots=True)
class TraitHistory:
    """When identifies stated each trait of an end user."""

    statements: Statements[str] = field(default_factory=Statements)
    """The statements; each name is one of `STATED_AS`, or one that `trait` returns."""
    traits: Mapping[str, str] = field(default_factory=dict)
    """The key of the trait of each property that is not spelled like its trait."""
    derived: frozenset[str] = frozenset()
    """The names of the properties that are no traits, but come from groups or the history of events. Each
    gives way to a trait that is spelled like it, whenever that was stated."""

    def of_fields(self, written: EndUserUpsert) -> "TraitHistory":
        """Return the history of the fields in `written` alone."""
        names = self._names_of(written)
        return self._where(lambda name: name in names)

    def without_fields(self, withheld: EndUserUpsert, left: EndUserUpsert) -> "TraitHistory":
        """Return the history without some fields.

        Args:
            withheld: the fields to leave out.
            left: fields that stay, with every trait that they share with a field of `withheld`.
        """
        names = self._names_of(withheld) - self._names_of(left)
        return self._where(lambda name: name not in names)

    def _names_of(self, fields: EndUserUpsert) -> set[str]:
        """Return the names under which the values of `fields` may be stated."""
        names = {trait(self.traits.get(name, name)) for name in fields.properties}
        for each, own in stated_as(fields).items():
            if getattr(fields, each) is not None:
                names.update(own)
        return names

    def _where(self, stays: Callable[[str], bool]) -> "TraitHistory":
        """Return the history of the names that `stays` returns true for."""
        by_name = {name: each for name, each in self.statements.by_name.items() if stays(name)}
        return replace(self, statements=replace(self.statements, by_name=by_name))


NO_HISTORY: Final = TraitHistory()
"""The history of an end user about whom nothing was stated, or nobody knows when."""

LazyHistory: TypeAlias = Callable[[], TraitHistory]
"""Returns a history, which is worked out on demand, since most runs never ask for it."""


STATED_AS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("email", "email from userId", "email from events"),
    "external_id": ("external_id",),
    "phone_number": ("phone_number", "phone_number from events"),
    "external_created_at": ("created", "createdAt"),
}
"""By each field of an end user, the names under which a value is stated, the strongest first. A value under
a stronger name counts, whatever the times: a `userId` that looks like an email replaces no email that is a
trait, and `created` counts before `createdAt` (segment.md 4)."""


def stated_as(fields: EndUserUpsert) -> Mapping[str, tuple[str, ...]]:
    """Return `STATED_AS` for these fields, whose external id a trait may give in place of the `userId`."""
    rule = fields.external_id_from
    return {**STATED_AS, "external_id": (external_id_by(rule),)} if rule else STATED_AS


def external_id_by(rule: str) -> str:
    """Return the name under which statements about the external id are kept, by the trait that makes them."""
    return f"external_id by {rule}"


def trait(key: str) -> str:
    """Return the name under which statements about a trait are kept, by the trait's key."""
    return f"traits.{key}"


def opt_out_by(rule: str) -> str:
    """Return the name under which statements about surveys are kept, by the trait that makes them."""
    return f"surveys off by {rule}"


class OtherStatements(Protocol):
    """The last statements of other identifies about an end user."""

    def of(self, name: str) -> Statement | None:
        """Return the last statement under a name."""

    @property
    def unmarked(self) -> Mapping[int, Sequence[str]]:
        """By time, the digests of identifies without message ids, in their order."""


@dataclass(frozen=True, slots=True)
class EarlierStatements:
    """The last statements of earlier identifies of this run about an end user."""

    by_name: Mapping[str, Statement]
    unmarked: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def of(self, name: str) -> Statement | None:
        """Return the last statement under a name."""
        return self.by_name.get(name)


def without_outdated(
    wanted: EndUserUpsert, history: TraitHistory, others: OtherStatements
) -> EndUserUpsert:
    """Return `wanted` without the fields that later identifies have set otherwise.

    Args:
        wanted: all fields that some identifies set.
        history: when these identifies stated the fields.
        others: what other identifies stated about the same end user.
    """
    outdated = {
        name: None
        for name, names in stated_as(wanted).items()
        if _is_outdated(names, history, others)
    }
    properties = {
        name: value
        for name, value in wanted.properties.items()
        if not _is_property_outdated(name, history, others)
    }
    return replace(wanted, **outdated, properties=properties)


def _is_outdated(names: tuple[str, ...], history: TraitHistory, others: OtherStatements) -> bool:
    """Tell whether other identifies state a field's value later, or under a stronger name."""
    for name in names:
        own, other = history.statements.by_name.get(name), others.of(name)
        if own is not None and own.counts:
            return is_stated_later(name, history, others)
        if other is not None and other.counts and is_stated_later(name, history, others):
            return True
    return False


def _is_property_outdated(name: str, history: TraitHistory, others: OtherStatements) -> bool:
    """Tell whether other identifies state a property's trait later, or a trait spelled like the property."""
    if name in history.derived:
        own = others.of(trait(name))
        return own is not None and own.counts
    own_key = history.traits.get(name)
    if is_stated_later(trait(name if own_key is None else own_key), history, others):
        return True
    if own_key is None:
        return False
    # The trait that is spelled like the property has the name (wootric.md 6).
    exact = others.of(trait(name))
    return exact is not None and exact.counts and is_stated_later(trait(name), history, others)


def is_stated_later(name: str, history: TraitHistory, others: OtherStatements) -> bool:
    """Tell whether `others` has a statement under a name, and `history` has none or an earlier one.

    Args:
        name: the name.
        history: one's own statements.
        others: what other identifies stated about the same end user.
    """
    own, other = history.statements.by_name.get(name), others.of(name)
    return other is not None and (
        own is None
        or _is_later(other.order, own.order, others.unmarked, history.statements.unmarked)
    )


def _is_later(
    other: Order,
    own: Order,
    theirs: Mapping[int, Sequence[str]],
    ours: Mapping[int, Sequence[str]],
) -> bool:
    """Tell whether an identify is known to be later than one's own.

    Args:
        other: the place of the other identify.
        own: the place of one's own identify.
        theirs: by time, the order of identifies without message ids that was known before.
        ours: by time, their order as one's own fold found it; the fold has seen the lines, so it decides.
    """
    if other.time != own.time or other.has_message or own.has_message:
        return other > own
    for ties in (ours.get(own.time, ()), theirs.get(own.time, ())):
        if own.tie in ties and other.tie in ties:
            return ties.index(other.tie) > ties.index(own.tie)
    return False


def merged(before: Statements[K], after: Statements[K]) -> Statements[K]:
    """Return the last statement under each name of `before` and `after`; `after` was pushed later."""
    unmarked = {
        time: _merged_digests(before.unmarked.get(time, ()), after.unmarked.get(time, ()))
        for time in {*before.unmarked, *after.unmarked}
    }
    by_name = dict(before.by_name)
    for name, statement in after.by_name.items():
        earlier = by_name.get(name)
        if earlier is None or not _is_later(earlier.order, statement.order, unmarked, unmarked):
            by_name[name] = statement
    times = {order.time for order, _ in by_name.values() if not order.has_message}
    return Statements(by_name, {time: unmarked.get(time, []) for time in times})


def _merged_digests(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return the digests of identifies of one time in their order.

    The order in `after` stays as it is, since the lines gave it. A digest of `before` alone keeps its place
    behind all digests that stand before it in `before`, and comes as early as that allows.
    """
    ties = list(after)
    place = 0
    for each in before:
        if each in after:
            place = max(place, ties.index(each) + 1)
        else:
            ties.insert(place, each)
            place += 1
    return ties[-MOST_UNMARKED:]


class Group(NamedTuple, Generic[K]):
    """The statements of one identify; none if only the place of the identify is known."""

    order: Order
    counting: list[K]
    """The names of the statements that count (see `Statement.counts`)."""
    others: list[K]
    """The names of all other statements."""


def grouped(statements: Statements[K]) -> list[Group[K]]:
    """Return statements grouped by the identifies that made them, in the form in which they are stored.

    Identifies of one time without message ids stand in their order.
    """
    groups: dict[Order, Group[K]] = {}
    for time, ties in statements.unmarked.items():
        for tie in ties:
            order = Order(time, False, tie)
            groups[order] = Group(order, [], [])
    for name, (order, counts) in statements.by_name.items():
        group = groups.get(order)
        if group is None:
            group = groups[order] = Group(order, [], [])
        (group.counting if counts else group.others).append(name)
    return list(groups.values())


def ungrouped(groups: Iterable[Group[K]]) -> Statements[K]:
    """Return the statements that `grouped` put into groups."""
    by_name: dict[K, Statement] = {}
    unmarked: dict[int, deque[str]] = {}
    for order, counting, others in groups:
        by_name.update((name, Statement(order, True)) for name in counting)
        by_name.update((name, Statement(order, False)) for name in others)
        if not order.has_message:
            unmarked.setdefault(order.time, deque(maxlen=MOST_UNMARKED)).append(order.tie)
    return Statements(by_name, unmarked)
