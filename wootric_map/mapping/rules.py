"""What a user configures about the mapping: what is left out, renamed, converted or added."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

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
class MappingRules:
    """What a user configures about the mapping."""

    traits: TraitRules = field(default_factory=TraitRules)
    events: NameRules = field(default_factory=NameRules)
    pages: NameRules = field(default_factory=NameRules)
    identity: IdentityRules = field(default_factory=IdentityRules)


DEFAULT_RULES: Final = MappingRules()
"""The rules of a user who configures nothing: only secrets are left out."""
