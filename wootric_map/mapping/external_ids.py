"""The trait of an identify that is its user's external id in Wootric, in place of the `userId`."""

from collections.abc import Collection

from wootric_map.mapping.trait_places import TraitPlace
from wootric_map.model import MappingWarning
from wootric_map.read.placeholders import placeholder_warning
from wootric_map.read.record import ExternalId, Fields, Identify
from wootric_map.read.record_fields import identity, quoted


class ExternalIds:
    """Finds the external ids that identifies state, by the trait that the user names."""

    def __init__(self, place: str | None, placeholders: Collection[str]) -> None:
        """Prepare the rule.

        Args:
            place: the place of the trait, such as `traits.accountId`; None if the `userId` is the external
                id.
            placeholders: the texts that are no ids, trimmed and in lower case (segment.md 8, rule 1).
        """
        self._name = place or ""
        self._place = TraitPlace(place)
        self._placeholders = placeholders
        self.rule = self._place.rule or None
        """The trait, in the spelling that all its spellings share; None if the `userId` is the id."""
        self.met: set[str] = set()
        """The place, once some identify has a trait there."""

    def added_to(self, record: Identify) -> Identify:
        """Return an identify with what it says about the external id, and the warnings about that."""
        if self.rule is None:
            return record
        found, warnings = self.stated(record.traits, record.parent)
        return record._replace(external_id=found, warnings=(*record.warnings, *warnings))

    def stated(self, traits: Fields, parent: str) -> tuple[ExternalId, list[MappingWarning]]:
        """Return what traits say about the external id, and warnings about values that are none.

        A text or an integer is an id, by the rules for a `userId`. Null takes the id away. An empty text, a
        placeholder, and a value of another type say nothing. Of several spellings the first id counts.

        Args:
            traits: the traits of one identify, before the user's rules leave any out.
            parent: their place in the record, such as `traits`.
        """
        assert self.rule is not None  # noqa: S101 - the caller has seen to it
        said = ExternalId(self.rule)
        warnings: list[MappingWarning] = []
        for path, value in self._place.values(traits):
            self.met.add(self._name)
            source = f"{parent}.{path}"
            if value is None:
                if not said.is_stated:
                    said = ExternalId(self.rule, None, True, source, value)
                continue
            text = identity(value) if isinstance(value, str | int) else None
            if text is None and value != "":
                warnings.append(_unusable(source, value))
            elif text is not None and text.strip().lower() in self._placeholders:
                warnings.append(placeholder_warning(source, text))
            elif text is not None and not text.isspace() and said.text is None:
                said = ExternalId(self.rule, text, True, source, value)
        return said, warnings


def _unusable(source: str, value: object) -> MappingWarning:
    told = quoted(value)
    message = f"{told} is no external id: left out; write a text or an integer"
    return MappingWarning("invalid_external_id", source, message, told)
