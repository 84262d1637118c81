"""What a user configures about properties of end users that are not their traits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from wootric_map.errors import UnfitSettingsError
from wootric_map.mapping.property_names import name_of
from wootric_map.values.trait_names import spelling

STANDARD_TRAITS: Final = frozenset({"email", "phone", "created", "createdat", "language"})
"""Spellings of the traits that are more than properties (segment.md 4)."""
LONGEST_KEY: Final = 200
"""Characters of the name that a rule gives a property."""
_LONGEST_PREFIX: Final = 50
"""Characters of the prefix of properties that groups give."""


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

    def __post_init__(self) -> None:
        """Make sure that the rules can be followed.

        Raises:
            SettingsError: no property is named, two have one name, or a name is not fit for its property.
        """
        places: dict[str, str] = {}
        for what, name, endings in self.named():
            _check_rollup_name(what, name, endings)
            if places.setdefault(name, what) != what:
                raise UnfitSettingsError(
                    f"{what} and {places[name]} are both named {name}; each property takes a name of its own"
                )
        if not places:
            raise UnfitSettingsError("it gives no property; add one, such as count = orders_amount")

    def with_parts(self, parts: Mapping[str, Any]) -> "Rollup":
        """Return the roll-up with further properties, which stand in place of its own of the same kind.

        Args:
            parts: the values of fields, by their names.

        Raises:
            SettingsError: the two together can't be followed.
        """
        both: dict[str, Any] = {
            name: {**getattr(self, name), **part} if isinstance(part, Mapping) else part
            for name, part in parts.items()
        }
        return replace(self, **both)

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


def with_rollups(
    rollups: Mapping[str, Rollup], parts: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Rollup]:
    """Return roll-ups with further properties, which stand in place of those of the same kind.

    Args:
        rollups: the roll-ups, by event.
        parts: by event, the values of fields of `Rollup`, by their names.

    Raises:
        SettingsError: the two together can't be followed.
    """
    found = dict(rollups)
    for event, more in parts.items():
        before = rollups.get(event)
        try:
            found[event] = before.with_parts(more) if before else Rollup(**more)
        except UnfitSettingsError as error:
            raise UnfitSettingsError(f"the roll-up of {event}: {error}") from error
    return found


def check_prefix(prefix: str) -> None:
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


def _check_rollup_name(what: str, name: str, endings: tuple[str, ...]) -> None:
    """Make sure that a property that history becomes can have its name; else raise `UnfitSettingsError`."""
    if not name.strip() or len(name) > LONGEST_KEY or name_of(name) != name:
        raise UnfitSettingsError(
            f"{what} has a name that is empty, is longer than {LONGEST_KEY} characters, or holds a "
            "character that no property's name may hold (wootric.md 6)"
        )
    if spelling(name) in STANDARD_TRAITS or name == "id":
        raise UnfitSettingsError(
            f"{what} is named {name}, which is a standard trait; choose another name"
        )
    if endings and not name.endswith(endings):
        better = " or ".join(f"{name}{each}" for each in endings)
        raise UnfitSettingsError(
            f"{what} is named {name}, and Wootric takes its type only under a name that ends in "
            f"{' or '.join(endings)}: write {better}"
        )
