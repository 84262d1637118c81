"""Records as the user's rules want them (`rules.MappingRules`)."""

import re
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Any, Final

from wootric_map.mapping.external_ids import ExternalIds
from wootric_map.mapping.group_rewriting import GroupRewriting
from wootric_map.mapping.identity import User, any_user_of
from wootric_map.mapping.opt_outs import OptOuts
from wootric_map.mapping.patterns import matches
from wootric_map.mapping.rules import MappingRules, NameRules, TraitRules
from wootric_map.mapping.settings import page_address
from wootric_map.mapping.survey_answers import SurveyRecords
from wootric_map.mapping.trait_rewriting import TraitRewriting
from wootric_map.model import MappingWarning, NamedRule, Rejection, Skip
from wootric_map.read.placeholders import placeholder_warning
from wootric_map.read.record import (
    NO_FIELDS,
    Fields,
    Group,
    Identify,
    Page,
    Reading,
    Record,
    Track,
)
from wootric_map.read.suppression import NOBODY_SUPPRESSED, Suppression
from wootric_map.values.key_cache import KeyTable
from wootric_map.values.trait_names import spelled

_AROUND_PATH: Final = re.compile(r"\A(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*|[?#].*", re.DOTALL)
"""What stands before and after the path in a url, however odd that is."""


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
        # What of `context.traits` is sent: email, phone, creation date. Other traits there go nowhere.
        has_rules = bool(traits.exclude or traits.rename or traits.as_date or traits.as_amount)
        self._of_context = TraitRewriting(replace(traits, constants={})) if has_rules else None
        self._groups = GroupRewriting(rules)
        self._suppression = suppression or None
        self._placeholders = rules.identity.further_placeholders
        self._events = _Names(rules.events)
        self._pages = _Names(rules.pages)
        self._surveys = SurveyRecords(rules.responses)
        self._concerns_events = self._events.any or self._surveys.any
        self._opt_outs = OptOuts(rules.surveys_disabled)
        identity = rules.identity
        self._external_ids = ExternalIds(identity.external_id, identity.all_placeholders)

    @property
    def met(self) -> set[NamedRule]:
        """The rules that something was named in, up to now."""
        found = {
            "trait": self._traits.met
            | self._properties.met
            | self._groups.met
            | (self._of_context.met if self._of_context else set())
            | self._opt_outs.met
            | self._external_ids.met,
            "event": self._events.met | self._surveys.met,
            "page": self._pages.met,
        }
        return {NamedRule(kind, name) for kind, names in found.items() for name in names}

    def concerns(self, data: dict[str, Any]) -> bool:
        """Tell whether the rules may change or leave out an ordinary record; True in case of doubt.

        Args:
            data: the JSON of a record for which `is_ordinary` is true.
        """
        kind = data["type"]
        if (
            self._of_context
            and kind != "identify"
            and (data.get("context") or NO_FIELDS).get("traits")
        ):
            return True
        if self._suppression or (self._placeholders and self._may_have_placeholder(data)):
            return True
        if kind == "page":
            return self._pages.any and self._concerns_page(data)
        if kind == "identify":
            if self._external_ids.rule:
                return True
            traits = data.get("traits") or NO_FIELDS
            return self._traits.touches(traits) or self._opt_outs.concerns(traits)
        if self._concerns_events and self._concerns_event(data["event"]):
            return True
        return self._properties.touches(data.get("properties") or NO_FIELDS)

    def _concerns_page(self, data: dict[str, Any]) -> bool:
        name = data.get("name") or None
        names = self._names_of_page(
            name, data.get("properties") or NO_FIELDS, data.get("context") or NO_FIELDS
        )
        return any(map(self._pages.concerns, names))

    def _concerns_event(self, name: str) -> bool:
        return self._surveys.named(name) is not None or (
            self._events.any and self._events.concerns(name)
        )

    def of(self, reading: Reading) -> Reading:
        """Return a record as the rules want it; a skip or a rejection as it is.

        A track record that is a survey response or decline says what it says as one, or is rejected.
        """
        if isinstance(reading, Rejection):
            return reading
        if isinstance(reading, Skip):
            if reading.withheld is None:
                return reading
            withheld = reading.withheld
            if self._placeholders:
                withheld = self._without_placeholders(withheld)
            return reading._replace(withheld=self._external_ids.added_to(withheld))
        reading = self._without_placeholders(reading) if self._placeholders else reading
        if self._suppression and names_suppressed(
            reading, any_user_of(reading).user, self._suppression
        ):
            return suppressed(reading.type)
        if isinstance(reading, Identify):
            return self._identify(reading)
        if isinstance(reading, Group):
            return self._groups.rewritten(reading)
        if self._of_context and isinstance(of_context := reading.context.get("traits"), dict):
            rewritten = self._of_context.rewritten(of_context, "context.traits")
            if rewritten:
                context = {**reading.context, "traits": rewritten.fields}
                reading = reading._replace(context=context)
        return self._track(reading) if isinstance(reading, Track) else self._page(reading)

    def _identify(self, record: Identify) -> Identify:
        # A trait that is left out, or renamed, may say all the same that its user wants no surveys, and which
        # external id they have.
        record = self._external_ids.added_to(record)
        opt_out, warning = self._opt_outs.stated(record.traits, record.parent)
        if opt_out or warning:
            more = (warning,) if warning else ()
            record = record._replace(opt_out=opt_out, warnings=(*record.warnings, *more))
        rewritten = self._traits.rewritten(record.traits, record.parent)
        if rewritten is None:
            return record
        warnings = (*record.warnings, *rewritten.warnings)
        return record._replace(traits=rewritten.fields, warnings=warnings)

    def _may_have_placeholder(self, data: dict[str, Any]) -> bool:
        """Tell whether any text that may be an id of an ordinary record is a configured placeholder."""
        context = data.get("context") or NO_FIELDS
        fields = [data.get("traits"), data.get("properties"), context.get("traits")]
        texts = [
            data.get("messageId"),
            *chain.from_iterable(each.values() for each in fields if each),
        ]
        return any(map(self._is_placeholder, texts))

    def _is_placeholder(self, value: object) -> bool:
        """Tell whether a value is a configured placeholder."""
        return isinstance(value, str) and value.strip().lower() in self._placeholders

    def _without_placeholders(self, record: Record) -> Record:
        """Return a record without configured placeholders in its message id, emails and phones."""
        warnings: list[MappingWarning] = []
        message_id = record.message_id
        if message_id and self._is_placeholder(message_id):
            warnings.append(placeholder_warning("messageId", message_id))
            record = record._replace(message_id=None)
        context = record.context
        of_context = context.get("traits")
        if isinstance(of_context, dict):
            left = self._without(of_context, "context.traits", warnings)
            if left is not of_context:
                record = record._replace(context={**context, "traits": left})
        if isinstance(record, Identify):
            left = self._without(record.traits, record.parent, warnings)
            record = record._replace(traits=left)
        elif isinstance(record, Track | Page):
            record = record._replace(
                properties=self._without(record.properties, "properties", warnings)
            )
        return record._replace(warnings=(*record.warnings, *warnings)) if warnings else record

    def _without(self, fields: Fields, parent: str, warnings: list[MappingWarning]) -> Fields:
        """Return traits or properties without emails and phones that are configured placeholders."""
        keys = spelled(fields)
        wrong = [
            key
            for key in (*keys.get("email", ()), *keys.get("phone", ()))
            if self._is_placeholder(fields[key])
        ]
        if not wrong:
            return fields
        warnings += (placeholder_warning(f"{parent}.{key}", fields[key]) for key in wrong)
        return {key: value for key, value in fields.items() if key not in wrong}

    def _track(self, record: Track) -> Track | Skip | Rejection:
        scored = record
        survey = self._surveys.kind_of(record)
        # An event that the rules name as a response or decline is not meant by those for other events.
        is_named = survey is not None and self._surveys.named(record.event) is not None
        if not is_named and self._events.leaves_out(record.event):
            return _left_out(record, "event", "events")
        sent_as = self._events.new_name(record.event)
        rewritten = self._properties.rewritten(record.properties, "properties")
        if rewritten:
            warnings = (*record.warnings, *rewritten.warnings)
            record = record._replace(properties=rewritten.fields, warnings=warnings)
        if survey:
            return self._surveys.read(record, survey, scored)
        return record._replace(sent_as=sent_as) if sent_as else record

    def _page(self, record: Page) -> Page | Skip:
        if not self._pages.any:
            return record
        names = self._names_of_page(record.name, record.properties, record.context)
        if self._pages.leaves_out(*names):
            return _left_out(record, "name", "pages")
        _, name, _ = page_address(record.name, record.properties, record.context)
        sent_as = self._pages.new_name(name) if isinstance(name, str) else None
        return record._replace(sent_as=sent_as) if sent_as else record

    @staticmethod
    def _names_of_page(name: str | None, properties: Fields, context: Fields) -> list[str]:
        """Return the name and the path of a page, as far as it has them."""
        url, known_as, path = page_address(name, properties, context)
        if path in (None, "") and isinstance(url, str):
            path = _path_in(url)
        return [each for each in (known_as, path) if isinstance(each, str)]


def _path_in(url: str) -> str:
    """Return the path in a url, which may be none; `/` if there is no path in it."""
    return _AROUND_PATH.sub("", url) or "/"


def _left_out(record: Track | Page, field: str, rules: str) -> Skip:
    message = f"left out by the rules for {rules} (exclude, only)"
    return Skip("filtered_out", record.type, field, message, warnings=record.warnings)


def names_suppressed(record: Record, user: User, suppression: Suppression) -> bool:
    """Tell whether a record itself names somebody on a suppression list; `user` is its `any_user_of`."""
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
