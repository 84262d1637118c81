"""Folding: all identifies of an end user as one desired state, trait by trait, later over earlier."""

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from wootric_map.mapping.identity import CREATED, Origin, User, created_in
from wootric_map.mapping.properties import Property, stored
from wootric_map.mapping.property_names import AS_WRITTEN, Naming
from wootric_map.mapping.settings import traits_as_properties
from wootric_map.model import EndUserUpsert, MappingWarning, Ref
from wootric_map.plan.people import NO_TIME
from wootric_map.plan.trait_history import (
    MOST_UNMARKED,
    SAID_OF,
    Order,
    Said,
    Say,
    Sayings,
    Telling,
    nothing_said,
    trait,
)
from wootric_map.read.record import Fields
from wootric_map.values.contact import comparable
from wootric_map.values.trait_names import spelled, spelling

_MOST_SHARED: Final = 100
"""User ids with one email that are remembered; a shared mailbox may have a million."""

_NO_PROPERTIES: Final = frozenset({"email", *map(str.lower, CREATED)})
"""Spellings of traits that have a field of their own, and so give no property (segment.md 6)."""

_DIGITS: Final = 16
"""Of a digest that stands for a line, so many tell it from those of the same time."""

_MOST_TIMES: Final = 1000
"""Times of identifies without message ids after which those are forgotten that do not count any more."""

_MOST_DOTS: Final = 64
"""In the key of a trait that holds an object: of one with more it is not known when it was said."""


_EMAIL, _EMAIL_FROM_USER_ID, _EMAIL_FROM_EVENTS = SAID_OF["email"]
_PHONE, _PHONE_FROM_EVENTS = SAID_OF["phone_number"]


class Identified(NamedTuple):
    """One identify record, as folding needs it."""

    ref: Ref
    time: int | None
    chosen: bool
    """Whether it is replayed; else it only serves to know who is who."""
    user: User
    origins: Mapping[str, Origin]
    """As in `Named`."""
    traits: Fields
    key: str = ""
    """What tells it from every other record, whatever file it stands in."""
    has_message: bool = False
    """Whether that is its message id."""
    is_event: bool = False
    """Whether it is a track or page record, which tells an email or phone where no identify does."""
    parent: str = "traits"
    """Where its traits stand, as in `record.Identify`."""

    @property
    def order(self) -> Order:
        """Its place among all identifies, whichever run they are pushed in."""
        tie = self.key if self.has_message else self.key[:_DIGITS]
        return Order(NO_TIME if self.time is None else self.time, self.has_message, tie)


class State(NamedTuple):
    """What the identifies up to a time said of an end user; track and page records carry it."""

    email: str | None
    created_at: int | None
    language: str | None


NOTHING_KNOWN: Final = State(None, None, None)


class PlacedWarning(NamedTuple):
    """A warning, and the record that it is about."""

    ref: Ref
    warning: MappingWarning


@dataclass(frozen=True, slots=True)
class Folded:
    """All identifies of one end user as one."""

    upsert: EndUserUpsert
    """What Wootric is to hold; who they are is in it also where only records say so that are not
    replayed."""
    replayed: int
    """How many of the identifies are replayed; without any, nothing is to be written."""
    origins: Mapping[str, Origin]
    """Where each field came from, under Wootric's name for it; a property's is `properties.name`."""
    states: tuple[State, ...]
    """What was known when, in time order: from the first email on, if there ever was one."""
    times: "array[int]"
    """From when on each of `states` holds, in milliseconds; no time is before all others."""
    shared: tuple[tuple[str, str], ...]
    """Pairs of userIds, the earlier first, that said to have one email."""
    last: Ref
    """The last of the identifies."""
    warnings: tuple[PlacedWarning, ...]
    key: bytes
    """A digest of the replayed identifies' keys, in their order."""
    said: Telling = field(default=nothing_said, compare=False)
    """When the traits of `upsert` were said last."""

    def state_at(self, time: int | None) -> State:
        """What is known at or before a time, else the earliest after it."""
        index = bisect_right(self.times, NO_TIME if time is None else time) - 1
        return self.states[max(index, 0)] if self.states else NOTHING_KNOWN


def fold(identifies: Iterable[Identified], *, naming: Naming = AS_WRITTEN) -> Folded | None:
    """Fold an end user's identifies into one.

    A trait is taken whole: a later `address` replaces an earlier one with all that was in it, and null
    takes it out. An email stays all the same, since it is who they are.

    Args:
        identifies: in time order.
        naming: which properties are given the ending of their type.

    Returns:
        None where there are none.
    """
    each = None
    folding = _Folding()
    for each in identifies:
        folding.add(each)
    return None if each is None else folding.result(each.ref, naming=naming)


def write_of(identified: Identified, folded: Folded, *, naming: Naming = AS_WRITTEN) -> Folded:
    """One identify for itself, as it is replayed unfolded.

    Args:
        identified: the record.
        folded: all identifies of its end user, of which it takes who they are at its time.
        naming: as in `fold`.
    """
    folding = _Folding()
    folding.add(identified)
    own = folding.result(identified.ref, naming=naming)
    upsert = own.upsert
    if upsert.email:
        return own
    known = folded.state_at(identified.time).email
    upsert = replace(upsert, email=known, wootric_id=upsert.wootric_id or folded.upsert.wootric_id)
    if known is None or known != folded.upsert.email:
        return replace(own, upsert=upsert)
    return replace(own, upsert=upsert, said=partial(_with_email_of, folded.said, own.said))


def _with_email_of(all_said: Telling, own: Telling) -> Said:
    """When one identify said what it says, and others the email that stands beside it."""
    said = own()
    says = all_said().sayings.says
    email = {name: says[name] for name in SAID_OF["email"] if name in says}
    return replace(said, sayings=replace(said.sayings, says={**email, **said.sayings.says}))


class _Known:
    """What identifies say, of which some traits have a field of their own."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.origins: dict[str, Origin] = {}
        """Where each of the fields came from."""
        self.said: dict[str, Say] = {}
        """When what stands under each of the names in `SAID_OF` was said last."""
        self.language: str | None = None
        self._created: dict[str, tuple[str, object, int]] = {}
        """Of each of `CREATED` the latest that can be a creation date, as `created_in` gives it."""
        self._has_email = False

    @property
    def created(self) -> tuple[str, object, int] | None:
        """The creation date: `created`, else `createdAt` (segment.md 4)."""
        return next((self._created[name] for name in CREATED if name in self._created), None)

    def copy(self) -> "_Known":
        """The same, to be told of different identifies from here on."""
        copied = _Known()
        vars(copied).update(vars(self))
        copied.fields, copied.origins = dict(self.fields), dict(self.origins)
        copied.said = dict(self.said)
        copied._created = dict(self._created)
        return copied

    def add(self, identified: Identified, order: Order) -> None:
        """Take the next identify in, trait by trait.

        Args:
            identified: the identify.
            order: its place among all.
        """
        user, origins, traits = identified.user, identified.origins, identified.traits
        user_id, email, phone, wootric_id, _, _ = user
        said = Say(order, True)
        if user_id is not None:
            self._take("external_id", user_id, origins)
            self.said["external_id"] = said
        if wootric_id is not None:
            self.fields["wootric_id"] = wootric_id
        if email:
            self._take_email(email, origins, said, is_event=identified.is_event)
        keys = spelled(traits)
        if phone is not None:
            self._take("phone_number", phone, origins)
            self.said[_PHONE_FROM_EVENTS if identified.is_event else _PHONE] = said
        elif any(traits[key] is None for key in keys.get("phone", ())):
            self.fields.pop("phone_number", None)  # what is no phone counts as not said
            self.said[_PHONE] = Say(order, False)
        if traits.get("language", "") != "":
            self.language = user.language
        if "created" in keys or "createdat" in keys:
            self._take_created(keys, traits, order)

    def _take_email(
        self, email: str, origins: Mapping[str, Origin], said: Say, *, is_event: bool
    ) -> None:
        """Take the email in; null leaves it, and a userId that looks like one is one only for want of one."""
        email = email.strip()
        if not email:
            return
        origin = origins.get("email")
        derived = origin is not None and origin.source == "userId"
        if not (derived and self._has_email):
            self._take("email", email, origins)
        told = _EMAIL_FROM_EVENTS if is_event else _EMAIL
        self.said[_EMAIL_FROM_USER_ID if derived else told] = said
        self._has_email = self._has_email or not derived

    def _take_created(
        self, keys: Mapping[str, Iterable[str]], traits: Fields, order: Order
    ) -> None:
        for name in CREATED:
            spellings = keys.get(name.lower())
            if not spellings:
                continue
            # A date that can be none counts as not said, whichever of two identifies comes first.
            found = created_in(traits, name)
            if found:
                self._created[name] = found
                self.said[name] = Say(order, True)
            elif any(traits[key] is None for key in spellings):
                self._created.pop(name, None)
                self.said[name] = Say(order, False)

    def _take(self, name: str, value: str, origins: Mapping[str, Origin]) -> None:
        self.fields[name] = value
        if name in origins:
            self.origins[name] = origins[name]


class _Folding:
    """The state of a fold between two identifies."""

    def __init__(self) -> None:
        self._replayed = 0
        self._key = blake2b(digest_size=16)
        self._all = _Known()
        self._chosen = self._all  # until one comes that is not chosen
        self._traits: dict[str, object] = {}
        self._in_context: set[str] = set()
        """The keys of those that stand in the context of their record."""
        # Of each trait, the place of the identify that said it last, be it as null.
        self._last: dict[str, tuple[Ref, Order]] = {}
        self._unmarked: dict[int, deque[str]] = {}
        self._states: list[State] = []
        self._same: dict[tuple[object, ...], State] = {}
        self._times = array("q")
        self._most_times = _MOST_TIMES
        self._claims: dict[str, str] = {}
        self._shared: dict[tuple[str, str], None] = {}

    def add(self, identified: Identified) -> None:
        """Take the next identify in."""
        if self._chosen is self._all and not identified.chosen:
            self._chosen = self._all.copy()
        order = identified.order
        if not order.has_message:
            self._note_unmarked(order)
        self._all.add(identified, order)
        if identified.user.email:
            self._note_claim(identified.user)
        if identified.chosen:
            self._replayed += 1
            self._key.update(identified.key.encode() + b"\0")
            if self._chosen is not self._all:
                self._chosen.add(identified, order)
            traits = identified.traits
            self._last.update(dict.fromkeys(traits, (identified.ref, order)))
            self._traits.update(traits)
            if identified.parent != "traits":
                self._in_context.update(traits)
            elif self._in_context:
                self._in_context.difference_update(traits)
            if None in traits.values():
                for key in [key for key, value in traits.items() if value is None]:
                    del self._traits[key]
        self._note_state(identified.time)

    def _note_unmarked(self, order: Order) -> None:
        """Note the order of identifies without message ids, as far as it may be asked for."""
        ties = self._unmarked.get(order.time)
        if ties is None:
            if len(self._unmarked) >= self._most_times:
                self._forget_times()
            ties = self._unmarked[order.time] = deque(maxlen=MOST_UNMARKED)
        if not ties or ties[-1] != order.tie:
            ties.append(order.tie)

    def _forget_times(self) -> None:
        """Forget of times at which nothing was said that still counts."""
        counting = {order.time for _, order in self._last.values()}
        counting.update(
            say.order.time for known in (self._all, self._chosen) for say in known.said.values()
        )
        self._unmarked = {time: self._unmarked[time] for time in counting & self._unmarked.keys()}
        self._most_times = _MOST_TIMES + 2 * len(self._unmarked)

    def _note_claim(self, user: User) -> None:
        """Note where two userIds have one email."""
        email = comparable(user.email)
        if email and user.user_id and len(self._shared) < _MOST_SHARED:
            before = self._claims.setdefault(email, user.user_id)
            if before != user.user_id:
                self._shared[before, user.user_id] = None
                self._claims[email] = user.user_id

    def _note_state(self, time: int | None) -> None:
        known = self._all
        created = known.created
        created_at = created[2] if created else None
        state = State(known.fields.get("email"), created_at, known.language)
        if self._states and self._states[-1].email is None:
            # An email that comes later is better than none.
            self._states.clear()
            del self._times[:]
        if not self._states or self._states[-1] != state:
            # One who goes to and fro is in few states, however often.
            self._states.append(self._same.setdefault(state, state))
            self._times.append(NO_TIME if time is None else time)

    def result(self, last: Ref, *, naming: Naming) -> Folded:
        """What all identifies come to, of which this is the last."""
        chosen = self._chosen
        fields = self._all.fields | chosen.fields
        origins: dict[str, Origin] = self._all.origins | chosen.origins
        if "email" in fields and "phone_number" not in chosen.fields:
            # A trait like others, where it is not all that names them.
            fields.pop("phone_number", None)
        warnings: list[PlacedWarning] = []
        kept: list[Property] = []
        if self._replayed:
            if chosen.created:
                key, value, fields["external_created_at"] = chosen.created
                place = f"context.traits.{key}" if key in self._in_context else f"traits.{key}"
                origins["external_created_at"] = Origin(place, value)
            properties, found = traits_as_properties(
                self._traits,
                has_user_id="external_id" in fields,
                naming=naming,
            )
            kept = stored(properties)
            fields["properties"] = {each.name: each.value for each in kept}
            for each in kept:
                place = each.source
                if self._in_context and self._trait_of(each) in self._in_context:
                    place = f"context.{place}"
                origins[f"properties.{each.name}"] = Origin(place, each.original)
            warnings += (self._placed(each, last) for each in found)
        return Folded(
            EndUserUpsert(**fields),
            self._replayed,
            origins,
            tuple(self._states),
            self._times,
            tuple(self._shared),
            last,
            tuple(warnings),
            self._key.digest(),
            partial(self._said, frozenset(fields), kept),
        )

    def _said(self, fields: Collection[str], kept: Iterable[Property]) -> Said:
        """When what the result holds was said last.

        Args:
            fields: the fields that have a value.
            kept: the properties.
        """
        known, chosen = self._all.said, self._chosen.said
        says: dict[str, Say] = {}
        for name, names in SAID_OF.items():
            # What only records say that are not replayed counts where it is written all the same.
            told = [each for each in names if each in chosen]
            says.update((each, chosen[each]) for each in told)
            if not told and name in fields and name != "external_created_at":
                says.update((each, known[each]) for each in names if each in known)
        exact = {each.name for each in kept if each.top and each.source == f"traits.{each.name}"}
        says.update(
            (trait(key), Say(order, key in exact))
            for key, (_, order) in self._last.items()
            if spelling(key) not in _NO_PROPERTIES
        )
        times = {say.order.time for say in says.values() if not say.order.has_message}
        unmarked = {time: tuple(self._unmarked[time]) for time in times}
        traits = {each.name: self._trait_of(each) for each in kept if each.name not in exact}
        return Said(Sayings(says, unmarked), traits)

    def _trait_of(self, each: Property) -> str:
        """The key of the trait that a property was made of."""
        source = each.source.removeprefix(trait(""))
        return source if each.top else self._key_above(source)

    def _key_above(self, place: str) -> str:
        """The key of the trait whose object holds a place, as in `address.city`; keys may have dots, too."""
        end = first = place.find(".")
        for _ in range(_MOST_DOTS):
            if end < 0 or isinstance(self._traits.get(place[:end]), dict):
                break
            end = place.find(".", end + 1)
        found = first if end < 0 else end
        return place if found < 0 else place[:found]

    def _placed(self, warning: MappingWarning, last: Ref) -> PlacedWarning:
        """A warning with the record that the trait came from which it is about, and where it stands there."""
        place = warning.field.removeprefix(trait(""))
        key = place if place in self._traits else self._key_above(place)
        if key in self._in_context:
            warning = warning._replace(field=f"context.{warning.field}")
        return PlacedWarning(self._last[key][0] if key in self._traits else last, warning)
