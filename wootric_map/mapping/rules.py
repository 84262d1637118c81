"""What a user configures about the mapping: what is left out, renamed, converted or added."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, TypeAlias

from wootric_map.errors import UnfitSettingsError
from wootric_map.mapping.property_names import name_of
from wootric_map.model import NamedRule
from wootric_map.values.trait_names import spelling

STANDARD_TRAITS: Final = frozenset({"email", "phone", "created", "createdat", "language"})
"""Spellings of the traits that are more than properties (segment.md 4)."""

_LONGEST_KEY: Final = 200
"""Characters of the name that a rule gives a property."""
_LONGEST_PREFIX: Final = 50
"""Characters of the prefix of properties that groups give."""

Constant: TypeAlias = str | int | float | bool
"""The value of a property that all end users get."""


@dataclass(frozen=True, slots=True)
class TraitRules:
    """Which traits of identifies become which properties.

    A trait is named by its key, one within objects by the keys with dots between them: `address.city`. Names
    are compared as `trait_names.spelling` gives them, so that `createdAt` is `created_at`; `*` in a name
    stands for any text. A name stands for all traits within an object, too.
    """

    exclude: tuple[str, ...] = ()
    """Traits, and properties of events, that are left out."""
    include: tuple[str, ...] = ()
    """Traits, and properties of events, that are not left out though their names are those of secrets."""
    only: tuple[str, ...] = ()
    """The traits that become properties; none stands for all. Standard traits count as named."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """The new key by the name of a trait; no patterns."""
    as_date: tuple[str, ...] = ()
    """Traits that are dates in any form of segment.md 5, and go under a name that ends in `_date`."""
    as_amount: tuple[str, ...] = ()
    """Traits that are numbers, or texts of numbers, and go under a name that ends in `_amount`."""
    as_array: tuple[str, ...] = ()
    """Traits that are lists, or single values, and go under a name that ends in `_array`."""
    constants: Mapping[str, Constant] = field(default_factory=dict)
    """Properties that every end user gets who has an identify, by name; a trait of this name is replaced."""
    flatten: bool = True
    """Whether objects are flattened; else they are left out."""


@dataclass(frozen=True, slots=True)
class NameRules:
    """Which events, or pages, are sent, and under which names.

    Names are compared letter for letter; `*` in a name stands for any text.
    """

    exclude: tuple[str, ...] = ()
    """What is left out; of pages, by name or path."""
    only: tuple[str, ...] = ()
    """What is sent; none stands for all; of pages, by name or path."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """The new name by the old one; no patterns."""


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """Whose ids are ids (segment.md 8)."""

    external_id: str | None = None
    """The place of the external id, such as `traits.accountId`, in place of the `userId`."""
    placeholders: tuple[str, ...] = ()
    """Texts that are no ids, besides those of segment.md 8."""
    real_ids: tuple[str, ...] = ()
    """Placeholders of segment.md 8 that are real ids all the same."""


@dataclass(frozen=True, slots=True)
class Rollup:
    """Which properties of an end user the history of one event becomes.

    A name ends as the type of its values demands (wootric.md 6). `sum`, `min`, `max` and `latest` are by the
    name of a property of the event, at the top level and letter for letter.
    """

    count: str | None = None
    """The name for the number of the events; ends in `_amount`."""
    first: str | None = None
    """The name for the time of the first event; ends in `_date`."""
    last: str | None = None
    """The name for the time of the last event; ends in `_date`."""
    sum: Mapping[str, str] = field(default_factory=dict)
    """The names for sums of numbers, rounded to integers; they end in `_amount`."""
    min: Mapping[str, str] = field(default_factory=dict)
    """The names for the least values: numbers under a name in `_amount`, dates under one in `_date`."""
    max: Mapping[str, str] = field(default_factory=dict)
    """The names for the greatest values: numbers under a name in `_amount`, dates under one in `_date`."""
    latest: Mapping[str, str] = field(default_factory=dict)
    """The names for the values of the latest events that have one; like traits, they may be of any type."""

    def named(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Yield of each property what it is, its name, and the endings that its name may have.

        No endings stand for any.
        """
        for what, name, ending in (
            ("count", self.count, "_amount"),
            ("first", self.first, "_date"),
            ("last", self.last, "_date"),
        ):
            if name is not None:
                yield what, name, (ending,)
        for what, names, endings in (
            ("sum", self.sum, ("_amount",)),
            ("min", self.min, ("_amount", "_date")),
            ("max", self.max, ("_amount", "_date")),
            ("latest", self.latest, ()),
        ):
            yield from ((f"{what}.{key}", name, endings) for key, name in names.items())


@dataclass(frozen=True, slots=True)
class MappingRules:
    """What a user configures about the mapping."""

    traits: TraitRules = field(default_factory=TraitRules)
    events: NameRules = field(default_factory=NameRules)
    pages: NameRules = field(default_factory=NameRules)
    identity: IdentityRules = field(default_factory=IdentityRules)
    group_prefix: str | None = None
    """How the properties are named that the traits of groups become in their members: `PREFIX_name`. None
    leaves group records out."""
    rollups: Mapping[str, Rollup] = field(default_factory=dict)
    """What the history of an event becomes, by the event's name in the export, letter for letter."""

    @property
    def derives(self) -> bool:
        """Whether end users get properties that are no traits: of groups, or of the history of events."""
        return bool(self.rollups) or self.group_prefix is not None

    def check(self) -> None:
        """Make sure that the rules can be followed.

        Raises:
            SettingsError: a rule contradicts another, or would hide who a record is about.
        """
        traits = self.traits
        targets = {spelling(key) for key in traits.rename.values()}
        for name in (*traits.exclude, *traits.rename):
            if spelling(name) == "email" and "*" not in name and "email" not in targets:
                raise UnfitSettingsError(
                    f"the rules for traits leave {name} out, by which Wootric knows end users: rename "
                    "another trait to email beside it, or leave the email in"
                )
        for key in (*traits.rename.values(), *traits.constants):
            if not key.strip() or len(key) > _LONGEST_KEY:
                raise UnfitSettingsError(
                    f"a rule gives a trait a name that is empty or longer than {_LONGEST_KEY} characters"
                )
        for key in traits.constants:
            if spelling(key) in STANDARD_TRAITS or key == "id":
                raise UnfitSettingsError(
                    f"the constant {key} would be one for all end users; name another property"
                )
        for written in (*traits.rename, *self.events.rename, *self.pages.rename):
            if "*" in written:
                raise UnfitSettingsError(
                    f"rename {written}: one name is renamed to one other; * has no place in it"
                )
        for new in (*self.events.rename.values(), *self.pages.rename.values()):
            if not new.strip():
                raise UnfitSettingsError(
                    "an event or page is renamed to nothing; exclude it instead"
                )
        if self.group_prefix is not None:
            _check_prefix(self.group_prefix)
        _check_rollups(self.rollups, taken=(*traits.constants, *traits.rename.values()))

    def named(self) -> Iterator[NamedRule]:
        """Yield the names and patterns that something should have; a misspelt one lets things pass."""
        traits, events, pages = self.traits, self.events, self.pages
        converted = chain(traits.as_date, traits.as_amount, traits.as_array)
        for kind, names in (
            ("trait", chain(traits.exclude, traits.only, traits.rename, converted)),
            ("event", chain(events.exclude, events.only, events.rename, self.rollups)),
            ("page", chain(pages.exclude, pages.only, pages.rename)),
        ):
            yield from (NamedRule(kind, name) for name in names)


def _check_prefix(prefix: str) -> None:
    """Make sure that the properties of groups can have a prefix; else raise `UnfitSettingsError`."""
    if not prefix.strip() or prefix != prefix.strip() or len(prefix) > _LONGEST_PREFIX:
        raise UnfitSettingsError(
            f"the prefix for the traits of groups is empty, has blanks at an end, or is longer than "
            f"{_LONGEST_PREFIX} characters; write one such as company"
        )
    if name_of(prefix) != prefix:
        raise UnfitSettingsError(
            "the prefix for the traits of groups holds a character that no property's name may hold "
            "(wootric.md 6); write one such as company"
        )
    spelled = spelling(prefix)
    standard = next((each for each in sorted(STANDARD_TRAITS) if each.startswith(spelled)), None)
    if standard is not None:
        raise UnfitSettingsError(
            f"the prefix {prefix} for the traits of groups is the standard trait {standard}, or makes one "
            "of a group's trait; choose another, such as company"
        )


def _check_rollups(rollups: Mapping[str, Rollup], taken: Iterable[str]) -> None:
    """Make sure that each property that history becomes has a name of its own, and of the right type.

    Args:
        rollups: the roll-ups, by event.
        taken: the names that other rules give.

    Raises:
        UnfitSettingsError: a name is not fit.
    """
    places = dict.fromkeys(taken, "another rule")
    for event, rollup in rollups.items():
        if not event.strip():
            raise UnfitSettingsError("a roll-up is of an event without a name; name the event")
        told = list(rollup.named())
        if not told:
            raise UnfitSettingsError(
                f"the roll-up of {event} gives no property; add one, such as count = orders_amount"
            )
        for what, name, endings in told:
            place = f"{what} of {event}"
            _check_rollup_name(place, name, endings)
            if name in places:
                raise UnfitSettingsError(
                    f"the roll-up {place} is named {name}, and so is {places[name]}; each property takes "
                    "a name of its own"
                )
            places[name] = place


def _check_rollup_name(place: str, name: str, endings: tuple[str, ...]) -> None:
    """Make sure that a property that history becomes can have its name; else raise `UnfitSettingsError`."""
    if not name.strip() or len(name) > _LONGEST_KEY or name_of(name) != name:
        raise UnfitSettingsError(
            f"the roll-up {place} has a name that is empty, is longer than {_LONGEST_KEY} characters, or "
            "holds a character that no property's name may hold (wootric.md 6)"
        )
    if spelling(name) in STANDARD_TRAITS or name == "id":
        raise UnfitSettingsError(
            f"the roll-up {place} is named {name}, which is a standard trait; choose another name"
        )
    if endings and not name.endswith(endings):
        better = " or ".join(f"{name}{each}" for each in endings)
        raise UnfitSettingsError(
            f"the roll-up {place} is named {name}, and Wootric takes its type only under a name that ends "
            f"in {' or '.join(endings)}: write {better}"
        )


DEFAULT_RULES: Final = MappingRules()
"""The rules of a user who configures nothing: only secrets are left out."""
