"""Records as the user's rules want them (`rules.MappingRules`)."""

from functools import cache
from typing import Any

from wootric_map.mapping.group_rewriting import GroupRewriting
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.patterns import matches
from wootric_map.mapping.rules import MappingRules, NameRules, TraitRules
from wootric_map.mapping.settings import page_address
from wootric_map.mapping.trait_rewriting import TraitRewriting
from wootric_map.model import NamedRule, Rejection, Skip
from wootric_map.read.record import Group, Identify, Page, Reading, Record, Track
from wootric_map.read.suppression import NOBODY_SUPPRESSED, Suppression
from wootric_map.values.key_cache import KeyTable


class Rewriting:
    """Applies the user's rules to records, each by itself."""

    def __init__(self, rules: MappingRules, suppression: Suppression = NOBODY_SUPPRESSED) -> None:
        """Prepare the rules.

        Args:
            rules: what the user configures, checked.
            suppression: the people whose records are skipped.
        """
        traits = rules.traits
        self._traits = TraitRewriting(traits)
        self._properties = TraitRewriting(
            TraitRules(exclude=traits.exclude, include=traits.include)
        )
        self._groups = GroupRewriting(rules)
        self._suppression = suppression
        self._events = _Names(rules.events)
        self._pages = _Names(rules.pages)

    @property
    def met(self) -> set[NamedRule]:
        """The rules that something was named in, up to now."""
        found = {
            "trait": self._traits.met | self._properties.met | self._groups.met,
            "event": self._events.met,
            "page": self._pages.met,
        }
        return {NamedRule(kind, name) for kind, names in found.items() for name in names}

    def concerns(self, data: dict[str, Any]) -> bool:
        """Tell whether the rules may change or leave out an ordinary record; True in case of doubt.

        Args:
            data: the JSON of a record for which `is_ordinary` is true.
        """
        kind = data["type"]
        if self._suppression:
            return True
        if kind == "page":
            return self._pages.any
        if kind == "identify":
            fields, rewriting = data.get("traits"), self._traits
        else:
            if self._events.any and self._events.concerns(data["event"]):
                return True
            fields, rewriting = data.get("properties"), self._properties
        if not fields:
            return rewriting.adds
        return rewriting.touches_keys[tuple(fields)] or (
            dict in map(type, fields.values()) and rewriting.touches(fields)
        )

    def of(self, reading: Reading) -> Reading:
        """Return a record as the rules want it; a skip or a rejection as it is."""
        if isinstance(reading, Skip | Rejection):
            return reading
        if self._suppression and names_suppressed(reading, self._suppression):
            return suppressed(reading.type)
        if isinstance(reading, Identify):
            rewritten = self._traits.rewritten(reading.traits, reading.parent)
            if rewritten is None:
                return reading
            warnings = (*reading.warnings, *rewritten.warnings)
            return reading._replace(traits=rewritten.fields, warnings=warnings)
        if isinstance(reading, Track):
            return self._track(reading)
        if isinstance(reading, Group):
            return self._groups.rewritten(reading)
        return self._page(reading)

    def _track(self, record: Track) -> Track | Skip:
        if self._events.leaves_out(record.event):
            return _left_out(record, "event", "events")
        sent_as = self._events.new_name(record.event)
        rewritten = self._properties.rewritten(record.properties, "properties")
        if rewritten:
            warnings = (*record.warnings, *rewritten.warnings)
            record = record._replace(properties=rewritten.fields, warnings=warnings)
        return record._replace(sent_as=sent_as) if sent_as else record

    def _page(self, record: Page) -> Page | Skip:
        if not self._pages.any:
            return record
        _, name, path = page_address(record.name, record.properties, record.context)
        if self._pages.leaves_out(*(each for each in (name, path) if isinstance(each, str))):
            return _left_out(record, "name", "pages")
        sent_as = self._pages.new_name(name) if isinstance(name, str) else None
        return record._replace(sent_as=sent_as) if sent_as else record


def _left_out(record: Track | Page, field: str, rules: str) -> Skip:
    message = f"left out by the rules for {rules} (exclude, only)"
    return Skip("filtered_out", record.type, field, message, warnings=record.warnings)


def names_suppressed(record: Record, suppression: Suppression) -> bool:
    """Tell whether a record itself names somebody on a suppression list."""
    user = user_of(record).user
    return (
        suppression.has_id(record.user_id)
        or suppression.has_id(record.anonymous_id)
        or suppression.has_email(user.email)
        or suppression.has_phone(user.phone)
    )


@cache
def suppressed(kind: str) -> Skip:
    """Return the skip of a record of type `kind` whose user is on a suppression list (segment.md 2)."""
    return Skip(
        "suppressed", kind, None, "its user is on a suppression list, or is tied to one who is"
    )


class _Names:
    """Which events or pages are left out or renamed."""

    def __init__(self, rules: NameRules) -> None:
        self.any = bool(rules.exclude or rules.only or rules.rename)
        """Whether there are any rules."""
        self.met: set[str] = set()
        """The patterns and names in the rules that something had, up to now."""
        self._rules = rules
        self._concerned: KeyTable[bool] = KeyTable(self._is_concerned)

    def concerns(self, name: str) -> bool:
        """Tell whether something of a name is left out or renamed."""
        return self._concerned[(name,)]

    def _is_concerned(self, names: tuple[str, ...]) -> bool:
        return self.leaves_out(*names) or any(map(self.new_name, names))

    def leaves_out(self, *names: str) -> bool:
        """Tell whether something is left out that has several names, of which any may be meant."""
        excluded = self._met(names, self._rules.exclude)
        only = self._rules.only
        return excluded or bool(only and not self._met(names, only))

    def new_name(self, name: str) -> str | None:
        """Return the name under which something is sent; None for its own."""
        found = self._rules.rename.get(name)
        if found is not None:
            self.met.add(name)
        return found

    def _met(self, names: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
        found = [each for each in patterns if any(matches(name, each) for name in names)]
        self.met.update(found)
        return bool(found)
