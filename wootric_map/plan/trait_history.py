"""When each trait of an end user was said last: a later identify counts, whichever run pushes it.

What an identify says of a trait never undoes what a later identify said of that trait (segment.md 8,
rule 7). Here stand the order of identifies, and what is left to write of an end user once it is known what
later identifies said.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from wootric_map.model import EndUserUpsert

K = TypeVar("K", str, bytes)
"""The name under which something is said, or a fingerprint of that name."""

MOST_UNMARKED: Final = 64
"""Identifies of one time without message ids whose order is remembered: the last ones."""


class Order(NamedTuple):
    """The place of an identify among all identifies; of two, the later is the greater."""

    time: int
    """Milliseconds since the epoch, or `NO_TIME`."""
    has_message: bool
    """Whether it has a message id; who has none comes first of those of one time."""
    tie: str
    """The message id, or a digest of a very long one, or of the line of an identify without one. Such
    digests tell identifies apart, and not which is the later: that is what `Sayings.unmarked` is for."""


class Say(NamedTuple):
    """The last that was said of a trait."""

    order: Order
    """The place of the identify that said it."""
    counts: bool
    """Whether it gives Wootric a value that no weaker one takes the place of: an id, a creation date, or a
    property that is spelled like its trait. A null does not."""


@dataclass(frozen=True, slots=True)
class Sayings(Generic[K]):
    """What was said last of an end user."""

    says: Mapping[K, Say] = field(default_factory=dict)
    """By name."""
    unmarked: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """By time, the digests of identifies without message ids, in their order: of those that were folded
    together by the lines' bytes, of others by when they were pushed, since no line is kept."""


@dataclass(frozen=True, slots=True)
class Said:
    """What identifies say of an end user, and when."""

    sayings: Sayings[str] = field(default_factory=Sayings)
    """Each name is one of `SAID_OF`, or as `trait` gives it."""
    traits: Mapping[str, str] = field(default_factory=dict)
    """Of each property that is not spelled like its trait, the key of that trait."""

    def of_fields(self, written: EndUserUpsert) -> "Said":
        """Return when the values of some fields alone were said.

        Args:
            written: the fields.
        """
        names = self._names_of(written)
        return self._where(lambda name: name in names)

    def without_fields(self, withheld: EndUserUpsert, left: EndUserUpsert) -> "Said":
        """Return what was said but for the values of some fields.

        Args:
            withheld: the fields.
            left: other fields; what they share a trait with stays said.
        """
        names = self._names_of(withheld) - self._names_of(left)
        return self._where(lambda name: name not in names)

    def _names_of(self, fields: EndUserUpsert) -> set[str]:
        """Return the names under which the values of some fields may have been said."""
        names = {trait(self.traits.get(name, name)) for name in fields.properties}
        for each, own in SAID_OF.items():
            if getattr(fields, each) is not None:
                names.update(own)
        return names

    def _where(self, counts: Callable[[str], bool]) -> "Said":
        says = {name: say for name, say in self.sayings.says.items() if counts(name)}
        return replace(self, sayings=replace(self.sayings, says=says))


NOTHING_SAID: Final = Said()

Telling: TypeAlias = Callable[[], Said]
"""Works out what was said when, which most runs never ask."""


def nothing_said() -> Said:
    """Return that nothing is known of when anything was said."""
    return NOTHING_SAID


SAID_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("email", "email from userId", "email from events"),
    "external_id": ("external_id",),
    "phone_number": ("phone_number", "phone_number from events"),
    "external_created_at": ("created", "createdAt"),
}
"""By each field of an end user, the names under which it is said, the strongest first: what stands under
a stronger name counts, whatever the times. An email that only a userId looks like replaces none that is a
trait, and `created` counts before `createdAt` (segment.md 4)."""


def trait(key: str) -> str:
    """Return the name under which it stands what was said of a trait."""
    return f"traits.{key}"


class Heard(Protocol):
    """What other identifies said of an end user."""

    def of(self, name: str) -> Say | None:
        """Return the last that was said under a name."""

    @property
    def unmarked(self) -> Mapping[int, Sequence[str]]:
        """What `Sayings.unmarked` is."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What earlier identifies of this run said of an end user."""

    says: Mapping[str, Say]
    unmarked: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def of(self, name: str) -> Say | None:
        """Return the last that was said under a name."""
        return self.says.get(name)


def still_to_say(wanted: EndUserUpsert, said: Said, heard: Heard) -> EndUserUpsert:
    """Leave out what later identifies have said otherwise.

    Args:
        wanted: all that identifies say of an end user.
        said: when they said it.
        heard: what else was said of that end user.
    """
    outdone = {name: None for name, names in SAID_OF.items() if _is_outdone(names, said, heard)}
    properties = {
        name: value
        for name, value in wanted.properties.items()
        if not _is_property_outdone(name, said, heard)
    }
    return replace(wanted, **outdone, properties=properties)


def _is_outdone(names: tuple[str, ...], said: Said, heard: Heard) -> bool:
    """Whether a field's value is older than one that was heard, or weaker."""
    for name in names:
        own, other = said.sayings.says.get(name), heard.of(name)
        if own is not None and own.counts:
            return _was_later(name, said, heard)
        if other is not None and other.counts and _was_later(name, said, heard):
            return True
    return False


def _is_property_outdone(name: str, said: Said, heard: Heard) -> bool:
    """Whether a property's trait was heard later, or the property is another trait's own."""
    own_key = said.traits.get(name)
    if _was_later(trait(name if own_key is None else own_key), said, heard):
        return True
    if own_key is None:
        return False
    # The trait that is spelled like the property has the name (wootric.md 6).
    exact = heard.of(trait(name))
    return exact is not None and exact.counts and _was_later(trait(name), said, heard)


def _was_later(name: str, said: Said, heard: Heard) -> bool:
    """Whether what was heard under a name is later than what is said under it, if anything is."""
    own, other = said.sayings.says.get(name), heard.of(name)
    return other is not None and (
        own is None or _is_later(other.order, own.order, heard.unmarked, said.sayings.unmarked)
    )


def _is_later(
    other: Order,
    own: Order,
    theirs: Mapping[int, Sequence[str]],
    ours: Mapping[int, Sequence[str]],
) -> bool:
    """Whether another identify is known to be later than one's own.

    Args:
        other: the place of the other.
        own: the place of one's own.
        theirs: the order of identifies without message ids, as far as it was known before.
        ours: the same as far as one's own fold knows it, which has seen the lines themselves.
    """
    if other.time != own.time or other.has_message or own.has_message:
        return other > own
    for known in (ours.get(own.time, ()), theirs.get(own.time, ())):
        if own.tie in known and other.tie in known:
            return known.index(other.tie) > known.index(own.tie)
    return False


def merged(before: Sayings[K], after: Sayings[K]) -> Sayings[K]:
    """Return what was said last, of what was known before and what was pushed after that."""
    turns = {
        time: _in_turn(before.unmarked.get(time, ()), after.unmarked.get(time, ()))
        for time in {*before.unmarked, *after.unmarked}
    }
    says = dict(before.says)
    for name, say in after.says.items():
        known = says.get(name)
        if known is None or not _is_later(known.order, say.order, turns, turns):
            says[name] = say
    times = {order.time for order, _ in says.values() if not order.has_message}
    return Sayings(says, {time: turns.get(time, []) for time in times})


def _in_turn(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return the digests of identifies of one time in their order.

    The order of those pushed after counts, since the lines told it. Of others, those come last that were
    pushed last; whatever came after another before still does.
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
    """What one identify was the last to say; nothing where that alone is known, when it came."""

    order: Order
    counting: list[K]
    """The names that count."""
    others: list[K]


def grouped(sayings: Sayings[K]) -> list[Group[K]]:
    """Return what was said, by the identify that said it, in a form to be kept.

    Identifies of one time without message ids stand in their order.
    """
    groups: dict[Order, Group[K]] = {}
    for time, ties in sayings.unmarked.items():
        for tie in ties:
            order = Order(time, False, tie)
            groups[order] = Group(order, [], [])
    for name, (order, counts) in sayings.says.items():
        group = groups.get(order)
        if group is None:
            group = groups[order] = Group(order, [], [])
        (group.counting if counts else group.others).append(name)
    return list(groups.values())


def ungrouped(groups: Iterable[Group[K]]) -> Sayings[K]:
    """Return what `grouped` put into groups."""
    says: dict[K, Say] = {}
    unmarked: dict[int, deque[str]] = {}
    for order, counting, others in groups:
        says.update((name, Say(order, True)) for name in counting)
        says.update((name, Say(order, False)) for name in others)
        if not order.has_message:
            unmarked.setdefault(order.time, deque(maxlen=MOST_UNMARKED)).append(order.tie)
    return Sayings(says, unmarked)
