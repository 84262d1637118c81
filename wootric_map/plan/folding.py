"""Folding: all identifies of an end user as one desired state, trait by trait, later over earlier."""

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from wootric_map.mapping.identity import CREATED, Origin, User
from wootric_map.mapping.properties import Property, stored
from wootric_map.mapping.property_names import AS_WRITTEN, Naming
from wootric_map.mapping.settings import traits_as_properties
from wootric_map.model import EndUserUpsert, MappingWarning, Ref
from wootric_map.plan.identified import Identified
from wootric_map.plan.people import NO_TIME
from wootric_map.plan.trait_history import (
    MOST_UNMARKED,
    STATED_AS,
    LazyHistory,
    Order,
    Statement,
    Statements,
    TraitHistory,
    opt_out_by,
    stated_as,
    trait,
)
from wootric_map.plan.user_fields import UserFields
from wootric_map.read.record import OptOut
from wootric_map.values.contact import comparable
from wootric_map.values.trait_names import spelling

_MOST_SHARED: Final = 100
"""`userId`s with one email that are remembered; a shared mailbox may have a million."""

_NO_PROPERTIES: Final = frozenset({"email", *map(str.lower, CREATED)})
"""Spellings of traits that have a field of their own, and so give no property (segment.md 6)."""

_MOST_TIMES: Final = 1000
"""Times of identifies without message ids that are remembered before superseded ones are forgotten."""

_MOST_DOTS: Final = 64
"""Dots that are looked at in the key of a trait that holds an object; a key with more is not recognised."""


class State(NamedTuple):
    """What the identifies up to a time state about an end user; track and page records send it."""

    email: str | None
    created_at: int | None
    language: str | None


NOTHING_KNOWN: Final = State(None, None, None)


class FoldedOptOut(NamedTuple):
    """What the last of an end user's identifies that says anything about surveys says."""

    is_off: bool
    """Whether the end user wants no surveys."""
    name: str
    """The name under which this is stated in a `TraitHistory`."""
    origin: Origin
    """Where it stands, and the value there."""
    ref: Ref
    key: str
    """The key of the identify."""
    order: Order
    """The place of the identify among all identifies."""


class PlacedWarning(NamedTuple):
    """A warning, and the record that it is about."""

    ref: Ref
    warning: MappingWarning


@dataclass(frozen=True, slots=True)
class Folded:
    """All identifies of one end user as one."""

    upsert: EndUserUpsert
    """The fields that Wootric is to hold. The ids of the end user also come from records that are not
    replayed."""
    replayed: int
    """How many of the identifies are replayed; nothing is written if none is."""
    origins: Mapping[str, Origin]
    """Where each field comes from, by Wootric's name of the field, such as `email` or `properties.plan`."""
    states: tuple[State, ...]
    """The states of the end user in time order; they begin with the first email, if there is one."""
    times: "array[int]"
    """When each of `states` begins, in milliseconds since the epoch, or `NO_TIME`."""
    shared: tuple[tuple[str, str], ...]
    """Pairs of `userId`s that identifies give one email, the earlier `userId` first."""
    last: Ref
    """The last of the identifies."""
    warnings: tuple[PlacedWarning, ...]
    key: bytes
    """A digest of the replayed identifies' keys, in their order."""
    history: LazyHistory = field(default=TraitHistory, compare=False)
    """Returns when the fields of `upsert` were stated last."""
    opt_out: "FoldedOptOut | None" = None
    """What the last replayed identify that says anything about surveys says; None if none does."""

    @classmethod
    def empty(cls, last: Ref) -> "Folded":
        """Return the fold of identifies that state nothing; `last` is where the last one stands."""
        return cls(EndUserUpsert(), 0, {}, (), array("q"), (), last, (), b"")

    def without_external_id(self) -> "Folded":
        """Return this fold without an external id that several end users state."""
        return replace(self, upsert=replace(self.upsert, external_id=None))

    def state_at(self, time: int | None) -> State:
        """Return the state at a time, or the first state if all states begin later."""
        index = bisect_right(self.times, NO_TIME if time is None else time) - 1
        return self.states[max(index, 0)] if self.states else NOTHING_KNOWN


def fold(identifies: Iterable[Identified], *, naming: Naming = AS_WRITTEN) -> Folded | None:
    """Fold an end user's identifies into one; return None if there are none.

    A trait is replaced as a whole: a later `address` leaves nothing of an earlier one, and null removes the
    trait. Null does not remove an email, since the email is who the end user is.

    Args:
        identifies: the identifies in time order.
        naming: how properties are named.
    """
    each = None
    folding = _Folding()
    for each in identifies:
        folding.add(each)
    return None if each is None else folding.result(each.ref, naming=naming)


def write_of(identified: Identified, folded: Folded, *, naming: Naming = AS_WRITTEN) -> Folded:
    """Return one identify in the form in which it is written unfolded.

    Args:
        identified: the identify.
        folded: the fold of all identifies of the end user; gives the email if `identified` has none.
        naming: how properties are named.
    """
    folding = _Folding()
    folding.add(identified)
    own = folding.result(identified.ref, naming=naming)
    upsert = own.upsert
    if upsert.email:
        return own
    email = folded.state_at(identified.time).email
    upsert = replace(upsert, email=email, wootric_id=upsert.wootric_id or folded.upsert.wootric_id)
    if email is None or email != folded.upsert.email:
        return replace(own, upsert=upsert)
    return replace(own, upsert=upsert, history=partial(_with_email_of, folded.history, own.history))


def _with_email_of(whole: LazyHistory, own: LazyHistory) -> TraitHistory:
    """Return the history of one identify, with the email's history from `whole`, where `own` has none.

    The identify that states the email may be of the same time, and come behind identifies that `own` does not
    know: then `whole` tells the place of each.
    """
    history, told = own(), whole().statements
    email = {name: told.by_name[name] for name in STATED_AS["email"] if name in told.by_name}
    times = {each.order.time for each in email.values() if not each.order.has_message}
    statements = Statements(
        {**email, **history.statements.by_name},
        {**history.statements.unmarked, **{time: told.unmarked[time] for time in times}},
    )
    return replace(history, statements=statements)


class _Folding:
    """The state of a fold while identifies are added."""

    def __init__(self) -> None:
        self._replayed = 0
        self._key = blake2b(digest_size=16)
        self._all = UserFields()
        # Those of the replayed identifies; the same object until an identify is not replayed.
        self._chosen = self._all
        self._traits: dict[str, object] = {}
        self._in_context: set[str] = set()
        """The keys of the traits that stand in the context of their record."""
        # By the key of each trait, the identify that states it last, be it as null.
        self._last: dict[str, tuple[Ref, Order]] = {}
        self._unmarked: dict[int, deque[str]] = {}
        self._states: list[State] = []
        self._same: dict[tuple[object, ...], State] = {}
        self._times = array("q")
        self._most_times = _MOST_TIMES
        self._claims: dict[str, str] = {}
        self._shared: dict[tuple[str, str], None] = {}
        self._opt_out: FoldedOptOut | None = None

    def add(self, identified: Identified) -> None:
        """Add the next identify."""
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
            if identified.opt_out:
                self._opt_out = _folded_opt_out(identified, identified.opt_out)
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
        """Remember the place of an identify without message id among those of its time."""
        ties = self._unmarked.get(order.time)
        if ties is None:
            if len(self._unmarked) >= self._most_times:
                self._forget_times()
            ties = self._unmarked[order.time] = deque(maxlen=MOST_UNMARKED)
        if not ties or ties[-1] != order.tie:
            ties.append(order.tie)

    def _forget_times(self) -> None:
        """Forget the times of identifies whose statements are all superseded."""
        counting = {order.time for _, order in self._last.values()}
        counting.update(
            statement.order.time
            for fields in (self._all, self._chosen)
            for statement in fields.stated.values()
        )
        if self._opt_out:
            counting.add(self._opt_out.order.time)
        self._unmarked = {time: self._unmarked[time] for time in counting & self._unmarked.keys()}
        self._most_times = _MOST_TIMES + 2 * len(self._unmarked)

    def _note_claim(self, user: User) -> None:
        """Note if two `userId`s have one email."""
        email = comparable(user.email)
        if email and user.user_id and len(self._shared) < _MOST_SHARED:
            before = self._claims.setdefault(email, user.user_id)
            if before != user.user_id:
                self._shared[before, user.user_id] = None
                self._claims[email] = user.user_id

    def _note_state(self, time: int | None) -> None:
        """Note the state of the end user from a time on."""
        user_fields = self._all
        created = user_fields.created
        created_at = created[2] if created else None
        state = State(user_fields.fields.get("email"), created_at, user_fields.language)
        if self._states and self._states[-1].email is None:
            # An email that comes later is better than none.
            self._states.clear()
            del self._times[:]
        if not self._states or self._states[-1] != state:
            # Equal states are kept once: an end user may change between two states very often.
            self._states.append(self._same.setdefault(state, state))
            self._times.append(NO_TIME if time is None else time)

    def result(self, last: Ref, *, naming: Naming) -> Folded:
        """Return the fold; `last` is where the last identify stands."""
        chosen = self._chosen
        fields = self._all.fields | chosen.fields
        origins: dict[str, Origin] = self._all.origins | chosen.origins
        if "email" in fields and "phone_number" not in chosen.fields:
            # The phone does not have to name the end user, so only replayed identifies set it.
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
                has_user_id="user_id" in fields
                or ("external_id" in fields and "external_id_from" not in fields),
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
            partial(self._history, fields, kept),
            self._opt_out,
        )

    def _history(self, fields: Mapping[str, Any], kept: Iterable[Property]) -> TraitHistory:
        """Return when the fields of the result were stated last.

        Args:
            fields: the fields that have a value.
            kept: the properties.
        """
        stated, chosen = self._all.stated, self._chosen.stated
        by_name: dict[str, Statement] = {}
        for name, names in stated_as(EndUserUpsert(**fields)).items():
            # Ids from records that are not replayed are written as well, so their statements count.
            told = [each for each in names if each in chosen]
            by_name.update((each, chosen[each]) for each in told)
            if not told and name in fields and name != "external_created_at":
                by_name.update((each, stated[each]) for each in names if each in stated)
        exact = {each.name for each in kept if each.top and each.source == f"traits.{each.name}"}
        by_name.update(
            (trait(key), Statement(order, key in exact))
            for key, (_, order) in self._last.items()
            if spelling(key) not in _NO_PROPERTIES
        )
        if self._opt_out:
            by_name[self._opt_out.name] = Statement(self._opt_out.order, True)
        times = {each.order.time for each in by_name.values() if not each.order.has_message}
        unmarked = {time: tuple(self._unmarked[time]) for time in times}
        traits = {each.name: self._trait_of(each) for each in kept if each.name not in exact}
        return TraitHistory(Statements(by_name, unmarked), traits)

    def _trait_of(self, each: Property) -> str:
        """Return the key of the trait that a property is made of."""
        source = each.source.removeprefix(trait(""))
        return source if each.top else self._key_above(source)

    def _key_above(self, place: str) -> str:
        """Return the key of the trait whose object holds a place: `address` for `address.city`.

        A key may hold dots itself.
        """
        end = first = place.find(".")
        for _ in range(_MOST_DOTS):
            if end < 0 or isinstance(self._traits.get(place[:end]), dict):
                break
            end = place.find(".", end + 1)
        found = first if end < 0 else end
        return place if found < 0 else place[:found]

    def _placed(self, warning: MappingWarning, last: Ref) -> PlacedWarning:
        """Return a warning with the record that states the trait, and with the trait's place there.

        Args:
            warning: the warning about a trait.
            last: the record to name if no record states the trait.
        """
        place = warning.field.removeprefix(trait(""))
        key = place if place in self._traits else self._key_above(place)
        if key in self._in_context:
            warning = warning._replace(field=f"context.{warning.field}")
        return PlacedWarning(self._last[key][0] if key in self._traits else last, warning)


def _folded_opt_out(identified: Identified, said: OptOut) -> FoldedOptOut:
    """Return what an identify says about surveys, with its place among all identifies."""
    origin = Origin(said.source, said.original)
    name = opt_out_by(said.rule)
    return FoldedOptOut(said.is_off, name, origin, identified.ref, identified.key, identified.order)
