"""What follows from the shape of an identify's traits, as the fold of one end user shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from wootric_map.mapping.identity import Origin, user_of
from wootric_map.mapping.property_names import Naming
from wootric_map.model import EndUserUpsert, MappingWarning, Ref
from wootric_map.plan.derived import Derived
from wootric_map.plan.fills import Fill, fill_of
from wootric_map.plan.folding import Folded, fold
from wootric_map.plan.identified import Identified
from wootric_map.plan.shapes import paths_of, shape_of
from wootric_map.read.record import NO_FIELDS, Identify
from wootric_map.values.json_values import PropertyValue
from wootric_map.values.trait_names import spelled

PROPERTY: Final = "properties."
"""How the name of a field that is a property begins."""

_OWN: Final = ("email", "external_id", "phone_number", "external_created_at")
"""The fields that are no properties, in the order in which they are sent."""

_PHONES: Final = frozenset({str, int, type(None)})
"""Types of which a value may be a phone, and of which all values that are none are alike."""

_BY_VALUE: Final = frozenset({"key_collision", "unsupported_value"})
"""Codes of warnings that may depend on more than the shape."""

_MOST_EXTENDED: Final = 64
"""Of each shape, so many are remembered that have further properties."""

_NOWHERE: Final = Ref(0, "", 0)


@dataclass(frozen=True, slots=True, eq=False)
class ChangeShape:
    """What is equal in all changes that come from traits of one shape."""

    fields: tuple[str, ...]
    """The fields in the order in which they are sent: `email`, `properties.plan`."""
    sources: tuple[str, ...]
    """Of each field, where its value stands in the record."""
    warnings: tuple[MappingWarning, ...]
    places: tuple[int, ...]
    """Of each field, the place of its value among all values of the traits; -1 for the `userId`."""
    fills: tuple[tuple[int, Fill], ...]
    """The fields, by their place in `fields`, whose values are not sent as they are."""
    language: int
    """The place of the trait `language` among all values of the traits; -1 if it is no text."""
    lends: tuple[int, ...]
    """The fields, by their place in `fields`, that may be added to the calls of events."""
    shown: tuple[int, ...] = ()
    """The fields, by their place in `fields`, that are derived; their values may have any form."""
    _extended: dict[tuple[tuple[str, ...], tuple[str, ...]], "ChangeShape | None"] = field(
        default_factory=dict, repr=False
    )
    """The shapes with derived properties, by the names of these and their places."""

    def extended(self, names: tuple[str, ...], sources: tuple[str, ...]) -> "ChangeShape | None":
        """Return the shape with derived properties; None if traits have the name of one.

        Args:
            names: the fields.
            sources: where the values come from.
        """
        key = names, sources
        try:
            return self._extended[key]
        except KeyError:
            pass
        if len(self._extended) >= _MOST_EXTENDED:
            self._extended.clear()
        count = len(self.fields)
        shape = None
        if not set(names).intersection(self.fields):
            shape = replace(
                self,
                fields=(*self.fields, *names),
                sources=(*self.sources, *sources),
                shown=tuple(range(count, count + len(names))),
                _extended={},
            )
        self._extended[key] = shape
        return shape


class QuickChange(NamedTuple):
    """What is written of an end user whom the account does not hold."""

    shape: ChangeShape
    sent: Sequence[PropertyValue]
    """The value of each field of the shape."""
    originals: Sequence[Any]
    """Of each field, the value that stands in the record."""
    look_ups: int
    """How many look-ups show that the account does not hold the end user."""
    language: str | None
    """The language of the end user."""

    def with_derived(self, derived: Derived) -> "QuickChange | None":
        """Return the change with derived properties; None if there is anything to warn of."""
        properties = derived.properties
        names = tuple([f"{PROPERTY}{each.name}" for each in properties])
        if derived.warnings or len(set(names)) < len(names):
            return None
        shape = self.shape.extended(names, tuple([each.source for each in properties]))
        if shape is None:
            return None
        return self._replace(
            shape=shape,
            sent=[*self.sent, *[each.value for each in properties]],
            originals=[*self.originals, *[each.original for each in properties]],
        )

    @property
    def upsert(self) -> EndUserUpsert:
        """The fields in the form in which they are sent."""
        own: dict[str, Any] = {}
        properties: dict[str, PropertyValue] = {}
        for name, value in zip(self.shape.fields, self.sent, strict=True):
            if name.startswith(PROPERTY):
                properties[name.removeprefix(PROPERTY)] = value
            else:
                own[name] = value
        return EndUserUpsert(**own, properties=properties)

    @property
    def origins(self) -> dict[str, Origin]:
        """Where each field comes from."""
        shape = self.shape
        each = zip(shape.fields, map(Origin, shape.sources, self.originals), strict=True)
        return dict(each)

    @property
    def warnings(self) -> tuple[MappingWarning, ...]:
        """The warnings about the traits."""
        return self.shape.warnings

    @property
    def lent(self) -> list[str]:
        """The texts that may be added to the calls of the end user's events."""
        sent = self.sent
        texts = [str(sent[place]) for place in self.shape.lends if sent[place]]
        return [*texts, self.language] if self.language else texts


def filled(shape: ChangeShape, user_id: str | None, leaves: Sequence[Any]) -> QuickChange | None:
    """Return the change of a shape with the values of one end user; None if the shape can't tell."""
    originals: list[Any] = [leaves[place] if place >= 0 else user_id for place in shape.places]
    sent: list[Any] = originals
    if shape.fills:
        sent = originals.copy()
        for place, fill in shape.fills:
            value = fill(originals[place])
            if value is None:
                return None
            sent[place] = value
    # An id of dots alone can't be looked up; an email has an @.
    look_ups = 1 + (user_id is not None and bool(user_id.strip(".")))
    language = leaves[shape.language] if shape.language >= 0 else None
    return QuickChange(shape, sent, originals, look_ups, language or None)


def change_shape(
    user_id: str | None,
    traits: Mapping[str, Any],
    parent: str,
    own_id: str | None,
    naming: Naming,
) -> ChangeShape | None:
    """Return what follows from the shape of traits, as the fold of one end user shows it.

    Args:
        user_id: the `userId` of the identify.
        traits: the traits of the identify.
        parent: where the traits stand.
        own_id: the `userId` if it is the end user's.
        naming: how properties are named.

    Returns:
        The shape; None if values decide about more than the shape tells.
    """
    folded = _fold(user_id, traits, parent, own_id, naming)
    found = shape_of(traits)
    if folded is None or found is None or _may_differ(traits, folded):
        return None
    fields = [name for name in _OWN if getattr(folded.upsert, name) is not None]
    fields += [f"{PROPERTY}{name}" for name in folded.upsert.properties]
    places = _places(fields, folded, traits)
    if places is None:
        return None
    leaves = found[1]
    language = traits.get("language")
    lends = [name for name in (*_OWN[:3], f"{PROPERTY}language") if name in fields]
    shape = ChangeShape(
        tuple(fields),
        tuple(folded.origins[name].source for name in fields),
        tuple(warning for _, warning in folded.warnings),
        tuple(places),
        _fills(fields, places, folded, traits),
        list(traits).index("language") if type(language) is str else -1,
        tuple(map(fields.index, lends)),
    )
    return shape if _tells(shape, own_id, leaves, folded) else None


def _fold(
    user_id: str | None,
    traits: Mapping[str, Any],
    parent: str,
    own_id: str | None,
    naming: Naming,
) -> Folded | None:
    """Return the fold of one identify; None if anything is wrong with what it says of its user."""
    user, origins, warnings = user_of(
        Identify(user_id, None, None, None, NO_FIELDS, traits, parent)
    )
    if warnings:
        return None
    if own_id is None:
        origins = {name: origin for name, origin in origins.items() if name != "external_id"}
    user = user._replace(user_id=own_id)
    identify = Identified(_NOWHERE, None, True, user, origins, traits, parent=parent)
    return fold((identify,), naming=naming)


def _may_differ(traits: Mapping[str, Any], folded: Folded) -> bool:
    """Return whether another end user with traits of the same shape may have other fields or warnings."""
    keys = spelled(traits)
    if len(keys.get("created", ())) + len(keys.get("createdat", ())) > 1:
        return True
    phones = keys.get("phone", ())
    if len(phones) > 1 or any(type(traits[key]) not in _PHONES for key in phones):
        return True
    # Empty text is no phone, and gives no warning either.
    has_phone = folded.upsert.phone_number is not None
    if not has_phone and any(traits[key] is not None for key in phones):
        return True
    # Without a userId, `id` is mapped, but not kept: of these two types the values decide about warnings.
    if type(traits.get("id")) in {float, list}:
        return True
    return any(warning.code in _BY_VALUE for _, warning in folded.warnings)


def _places(fields: Sequence[str], folded: Folded, traits: Mapping[str, Any]) -> list[int] | None:
    """Return of each field the place of its value among all values of the traits; None if in doubt."""
    by_source: dict[str, int] = {}
    for place, path in enumerate(paths_of(traits)):
        source = ".".join(path)
        if source in by_source:
            return None
        by_source[source] = place
    places: list[int] = []
    for name in fields:
        origin = folded.origins.get(name)
        if origin is None:
            return None
        source = origin.source.removeprefix("context.").removeprefix("traits.")
        if name != "external_id" and source not in by_source:
            return None
        places.append(-1 if name == "external_id" else by_source[source])
    return places


def _fills(
    fields: Sequence[str], places: Sequence[int], folded: Folded, traits: Mapping[str, Any]
) -> tuple[tuple[int, Fill], ...]:
    """Return what makes the values of the fields that are not sent as they stand in the traits."""
    found = shape_of(traits)
    assert found is not None  # noqa: S101 - the caller has seen to it
    paths, leaves = paths_of(traits), found[1]
    fills = []
    for at, (name, place) in enumerate(zip(fields, places, strict=True)):
        if place < 0:
            continue
        own = name in _OWN
        sent = None if own else folded.upsert.properties[name.removeprefix(PROPERTY)]
        fill = fill_of(name, paths[place], leaves[place], sent)
        if fill:
            fills.append((at, fill))
    return tuple(fills)


def _tells(shape: ChangeShape, user_id: str | None, leaves: Sequence[Any], folded: Folded) -> bool:
    """Return whether a shape and the fold agree about an end user."""
    told = filled(shape, user_id, leaves)
    if told is None:
        return False
    upsert = told.upsert
    return (
        upsert == folded.upsert
        and list(upsert.properties) == list(folded.upsert.properties)
        and all(origin == folded.origins[name] for name, origin in told.origins.items())
    )
