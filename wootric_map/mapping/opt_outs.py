"""The trait of an identify that says whether its user wants no surveys (wootric.md 8)."""

from collections.abc import Mapping
from typing import Final

from wootric_map.mapping.trait_places import TraitPlace
from wootric_map.model import MappingWarning
from wootric_map.read.record import Fields, OptOut
from wootric_map.read.record_fields import quoted

_TEXTS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}
"""What a text says, trimmed and in lower case."""


class OptOuts:
    """Finds what identifies say about surveys, by the trait that the user names."""

    def __init__(self, place: str | None) -> None:
        """Prepare the rule.

        Args:
            place: the place of the trait, with dots between the keys within objects, as in
                `traits.preferences.unsubscribed`; None if no trait turns surveys off.
        """
        self._name = place or ""
        self._place = TraitPlace(place)
        self.met: set[str] = set()
        """The place, once some identify has a trait there."""

    def concerns(self, traits: Fields) -> bool:
        """Tell whether traits may hold the one that decides; quick for most."""
        return self._place.concerns(traits)

    def stated(self, traits: Fields, parent: str) -> tuple[OptOut | None, MappingWarning | None]:
        """Return what traits say about surveys, and the warning about a value that says nothing.

        True, 1 and the texts `true` and `1` say that the user wants none; false, 0, their texts and null say
        otherwise, also null in place of an object around the trait. An empty text, and an object that lacks
        the trait, say nothing. If the trait stands there in several spellings, one that is true decides.

        Args:
            traits: the traits of one identify, before the user's rules leave any out.
            parent: their place in the record, such as `traits`.
        """
        if not self.concerns(traits):
            return None, None
        said: OptOut | None = None
        warning: MappingWarning | None = None
        for path, value in self._place.values(traits):
            self.met.add(self._name)
            if value == "":
                continue
            source = f"{parent}.{path}"
            is_off = _truth(value)
            if is_off is None:
                warning = _unreadable(source, value)
            elif said is None or (is_off and not said.is_off):
                said = OptOut(is_off, self._place.rule, source, value)
        return (None if warning and not (said and said.is_off) else said), warning


def _truth(value: object) -> bool | None:
    """Return whether a value is true or false; None if it is neither."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, int | float):
        return bool(value) if value in (0, 1) else None
    return _TEXTS.get(value.strip().lower()) if isinstance(value, str) else None


def _unreadable(source: str, value: object) -> MappingWarning:
    told = quoted(value)
    message = f"{told} is neither true nor false, so that it turns no surveys off; write true, false, 1 or 0"
    return MappingWarning("invalid_opt_out", source, message, told)
