"""The place of one trait of identifies, as the user names it: `traits.preferences.unsubscribed`."""

from collections.abc import Iterator
from typing import Any, Final

from wootric_map.errors import UnfitSettingsError
from wootric_map.read.record import Fields
from wootric_map.values.trait_names import spelled, spelling

PARENT: Final = "traits."
"""What the place of such a trait begins with."""


class TraitPlace:
    """Finds the values at a place within traits, in whatever spelling."""

    def __init__(self, place: str | None) -> None:
        """Prepare to find values.

        Args:
            place: the place of the trait, with dots between the keys within objects; None finds none.
        """
        self._keys = (
            [spelling(key) for key in place.removeprefix(PARENT).split(".")] if place else []
        )
        # A key may hold dots itself, so that the first key may be any beginning of the place.
        self._firsts = ["".join(self._keys[:end]) for end in range(1, len(self._keys) + 1)]
        self.rule = ".".join(self._keys)
        """The place in the spelling that all its spellings share, without `traits.`."""

    def concerns(self, traits: Fields) -> bool:
        """Tell whether traits may hold a value at the place; quick for most."""
        if not self._firsts:
            return False
        keys = spelled(traits)
        return any(each in keys for each in self._firsts)

    def values(self, traits: Fields) -> Iterator[tuple[str, Any]]:
        """Yield each value at the place, with the keys that lead there as they are spelled.

        Null in place of an object around the trait is yielded as the value.
        """
        return self._values(traits, self._keys)

    def _values(self, fields: Fields, keys: list[str]) -> Iterator[tuple[str, Any]]:
        by_spelling = spelled(fields)
        for end in range(1, len(keys) + 1):
            for key in by_spelling.get("".join(keys[:end]), ()):
                value = fields[key]
                if end == len(keys) or value is None:
                    yield key, value
                elif isinstance(value, dict):
                    yield from (
                        (f"{key}.{path}", each) for path, each in self._values(value, keys[end:])
                    )


def check_place(name: str, place: str, example: str) -> None:
    """Make sure that a place is that of one trait.

    Args:
        name: the name of the setting.
        place: the place.
        example: a place that would be right.

    Raises:
        SettingsError: it is not.
    """
    keys = place.removeprefix(PARENT).split(".")
    if not place.startswith(PARENT) or not all(map(spelling, keys)) or "*" in place:
        raise UnfitSettingsError(
            f"{name}: {place} is no place of a trait: it begins with traits., names one trait "
            f"without *, and has dots between the keys within objects, as in {example}"
        )
