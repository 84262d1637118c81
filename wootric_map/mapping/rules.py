"""What a user configures about the mapping: what is left out, renamed, converted or added."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, TypeAlias

from wootric_map.errors import UnfitSettingsError
from wootric_map.mapping.derived_rules import (
    LONGEST_KEY,
    STANDARD_TRAITS,
    Rollup,
    check_prefix,
)
from wootric_map.mapping.patterns import matches
from wootric_map.mapping.trait_places import TraitPlace, check_place
from wootric_map.model import NamedRule
from wootric_map.read.placeholders import PLACEHOLDERS
from wootric_map.values.trait_names import spelling

Place: TypeAlias = tuple[str, ...]
"""Where a rule stands: the names of its table, and of its key in it."""

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

    def __post_init__(self) -> None:
        """Make sure that the rules can be followed.

        Raises:
            SettingsError: a rule names nothing, or one trait twice.
        """
        for key in (*self.rename.values(), *self.constants):
            if not key.strip() or len(key) > LONGEST_KEY:
                raise UnfitSettingsError(
                    f"a rule gives a trait a name that is empty or longer than {LONGEST_KEY} characters"
                )
        if "id" in self.rename.values():
            raise UnfitSettingsError(
                "no trait becomes id: that is the userId; rename it to something else"
            )
        old_names = [spelling(name) for name in self.rename]
        if len({*old_names}) < len(old_names):
            raise UnfitSettingsError("one trait is renamed twice, in two spellings; name it once")
        for key in self.constants:
            if spelling(key) in STANDARD_TRAITS or key == "id":
                raise UnfitSettingsError(
                    f"the constant {key} would be one for all end users; name another property"
                )
        _check_no_patterns(self.rename)


@dataclass(frozen=True, slots=True)
class NameRules:
    """Which events, or pages, are sent, and under which names.

    Names are compared letter for letter; `*` in a name stands for any text.
    """

    exclude: tuple[str, ...] = ()
    """What is left out; of pages, by name or path; the path is that in the url if there is no other."""
    only: tuple[str, ...] = ()
    """What is sent; none stands for all; of pages, by name or path as well."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """The new name by the old one; no patterns."""

    def __post_init__(self) -> None:
        """Make sure that the rules can be followed.

        Raises:
            SettingsError: something is renamed to nothing, or by a pattern.
        """
        _check_no_patterns(self.rename)
        if not all(map(str.strip, self.rename.values())):
            raise UnfitSettingsError("an event or page is renamed to nothing; exclude it instead")

    def leaves_out(self, name: str) -> bool:
        """Return whether an event, or a page of this name or path, is not sent."""
        if any(matches(name, each) for each in self.exclude):
            return True
        return bool(self.only) and not any(matches(name, each) for each in self.only)


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """Whose ids are ids (segment.md 8)."""

    placeholders: tuple[str, ...] = ()
    """Texts that are no ids, besides those of segment.md 8."""
    real_ids: tuple[str, ...] = ()
    """Placeholders of segment.md 8 that are real ids of users all the same."""
    external_id: str | None = None
    """The place of the trait that is the external id in Wootric in place of the `userId`, such as
    `traits.accountId`, with dots between the keys within objects. It ties nobody. None if the `userId` is the
    external id."""

    def __post_init__(self) -> None:
        """Make sure that the rules can be followed.

        Raises:
            SettingsError: a text is said to be no placeholder that is none, or to be one and none; or the
                external id has no place.
        """
        if self.external_id is not None:
            check_place("external_id", self.external_id, "traits.accountId")
        for each in self.real_ids:
            text = each.strip().lower()
            if text not in PLACEHOLDERS:
                raise UnfitSettingsError(
                    f"the real id {each} is no placeholder, so it needs no rule"
                )
            if text in self.further_placeholders:
                raise UnfitSettingsError(f"{each} is named both a placeholder and a real id")
        if not all(map(str.strip, self.placeholders)):
            raise UnfitSettingsError("a placeholder is empty; empty ids count as absent already")

    @property
    def external_id_from(self) -> str | None:
        """The trait that is the external id, in the spelling that all its spellings share; None for none."""
        return TraitPlace(self.external_id).rule if self.external_id else None

    @property
    def all_placeholders(self) -> frozenset[str]:
        """The texts that stand in place of an id of a user, trimmed and in lower case."""
        if not (self.placeholders or self.real_ids):
            return PLACEHOLDERS
        real = {each.strip().lower() for each in self.real_ids}
        return PLACEHOLDERS - real | self.further_placeholders

    @property
    def further_placeholders(self) -> frozenset[str]:
        """The configured placeholders, trimmed and in lower case."""
        return frozenset(each.strip().lower() for each in self.placeholders)


@dataclass(frozen=True, slots=True)
class ResponseRules:
    """Which track records are survey responses and declines (wootric.md 7), in place of eligibility checks.

    Names are compared letter for letter; `*` in a name stands for any text. A place is written with dots, and
    begins with `properties.` or `context.`.
    """

    event: str | None = None
    """The event that is a response; None for none."""
    score: str = "properties.score"
    """The place of the score of such an event."""
    text: str | None = None
    """The place of the text of such an event; None for no text."""
    decline_event: str | None = None
    """The event that is a decline; None for none."""
    by_event_type: bool = True
    """Whether a record is a response or decline, too, if its `integrations` say so as RudderStack writes it:
    `{"Wootric": {"eventType": "create response"}}`."""

    def __post_init__(self) -> None:
        """Make sure that the rules can be followed; raise `SettingsError` if not."""
        for name in (self.event, self.decline_event):
            if name is not None and not name.strip():
                raise UnfitSettingsError(
                    "the event that is a survey response or decline has no name"
                )
        if self.event is not None and self.event == self.decline_event:
            raise UnfitSettingsError(
                f"{self.event} would be both a survey response and a decline; name two events"
            )
        for place in (self.score, self.text):
            parent, _, rest = (place or "properties.text").partition(".")
            if parent not in {"properties", "context"} or not rest.strip(". "):
                raise UnfitSettingsError(
                    f"{place} is no place in a survey response: it begins with properties. or context., "
                    "as in properties.score"
                )


@dataclass(frozen=True, slots=True)
class MappingRules:
    """What a user configures about the mapping."""

    traits: TraitRules = field(default_factory=TraitRules)
    events: NameRules = field(default_factory=NameRules)
    pages: NameRules = field(default_factory=NameRules)
    identity: IdentityRules = field(default_factory=IdentityRules)
    responses: ResponseRules = field(default_factory=ResponseRules)
    rollup: Mapping[str, Rollup] = field(default_factory=dict)
    """What the history of an event becomes, by the event's name in the export, letter for letter."""
    group_prefix: str | None = None
    """How the properties are named that the traits of groups become in their members: `PREFIX_name`. None
    leaves group records out."""
    surveys_disabled: str | None = None
    """The place of the trait of whoever wants no surveys, such as `traits.unsubscribed`, with dots between
    the keys within objects: where it is true, surveys are turned off. None if no trait does that."""

    def __post_init__(self) -> None:
        """Make sure of the prefix for the traits of groups, and of the place of the opt-out.

        Raises:
            SettingsError: they can't be what they are said to be.
        """
        if self.group_prefix is not None:
            check_prefix(self.group_prefix)
        if self.surveys_disabled is not None:
            check_place("surveys_disabled", self.surveys_disabled, "traits.unsubscribed")

    @property
    def derives(self) -> bool:
        """Whether end users get properties that are no traits: of groups, or of the history of events."""
        return bool(self.rollup) or self.group_prefix is not None

    def check(self) -> None:
        """Make sure that the rules can be followed together.

        Raises:
            SettingsError: they contradict each other. What a rule says alone is checked when it is made.
        """
        for _, words in self.contradictions():
            raise UnfitSettingsError(words)

    def contradictions(self) -> Iterator[tuple[Place, str]]:
        """Yield where rules contradict each other, and what to do about it.

        The email may not be left out, by which end users are known, nor an event that is a survey response
        or is rolled up; and each property that history becomes takes a name of its own.
        """
        targets = {spelling(key) for key in self.traits.rename.values()}
        for rule, names in (("exclude", self.traits.exclude), ("rename", self.traits.rename)):
            for name in names:
                if spelling(name) == "email" and "*" not in name and "email" not in targets:
                    yield (
                        ("traits", rule),
                        f"the rules for traits leave {name} out, by which Wootric knows end users: rename "
                        "another trait to email beside it, or leave the email in",
                    )
        for survey in self._surveys:
            if any(matches(survey, each) for each in self.events.exclude):
                yield (
                    ("events", "exclude"),
                    f"the rules for events leave {survey} out, which is to be sent as a survey response or "
                    "decline",
                )
        yield from self._contradictions_of_rollups()

    @property
    def _surveys(self) -> Iterator[str]:
        """The events that are survey responses or declines."""
        return filter(None, (self.responses.event, self.responses.decline_event))

    def _contradictions_of_rollups(self) -> Iterator[tuple[Place, str]]:
        """Yield what `contradictions` yields of roll-ups."""
        taken = dict.fromkeys(
            (*self.traits.constants, *self.traits.rename.values()), "another rule"
        )
        for event, rollup in self.rollup.items():
            place = "rollup", event
            if not event.strip():
                yield place, "a roll-up is of an event without a name; name the event"
            if any(matches(event, each) for each in self._surveys):
                yield (
                    place,
                    f"{event} is a survey response or decline, which is no part of a history: take it out of "
                    "the roll-ups",
                )
            elif self.events.leaves_out(event):
                yield place, f"the rules for events leave {event} out, which is to be rolled up"
            for what, name, _ in rollup.named():
                if name in taken:
                    yield (
                        (*place, what.partition(".")[0]),
                        f"the roll-up {what} of {event} is named {name}, and so is {taken[name]}; each "
                        "property takes a name of its own",
                    )
                taken.setdefault(name, f"{what} of {event}")

    def named(self) -> Iterator[NamedRule]:
        """Yield the names and patterns that something should have; a misspelt one lets things pass."""
        traits, events, pages = self.traits, self.events, self.pages
        converted = chain(traits.as_date, traits.as_amount, traits.as_array)
        of_events = chain(events.exclude, events.only, events.rename, self._surveys, self.rollup)
        for kind, names in (
            ("trait", chain(traits.exclude, traits.only, traits.rename, converted)),
            ("event", of_events),
            ("page", chain(pages.exclude, pages.only, pages.rename)),
        ):
            yield from (NamedRule(kind, name) for name in names)
        for place in (self.surveys_disabled, self.identity.external_id):
            if place is not None:
                yield NamedRule("trait", place)


def _check_no_patterns(rename: Mapping[str, str]) -> None:
    for written in rename:
        if "*" in written:
            raise UnfitSettingsError(
                f"rename {written}: one name is renamed to one other; * has no place in it"
            )


DEFAULT_RULES: Final = MappingRules()
"""The rules of a user who configures nothing: only secrets are left out."""
