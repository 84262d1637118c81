"""A raw line → the records in it, each valid, skipped or rejected (segment.md 1 to 3).

Faults are judged in the order of segment.md 2, so that a record with several always gets the same code.
"""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from wootric_map.model import MappingWarning, Rejection, Skip
from wootric_map.read import consent
from wootric_map.read.foreign import ARRAY_HINT
from wootric_map.read.json_lines import Joined, parse
from wootric_map.read.json_text import to_json
from wootric_map.read.other_formats import CALLS, advice
from wootric_map.read.own_files import own_file_like
from wootric_map.read.placeholders import PLACEHOLDERS
from wootric_map.read.record_fields import (
    has_email,
    identity,
    in_lower_case,
    kind_of,
    objects_of,
    quoted,
    time_of,
    valid_id,
    with_traits_as_object,
)
from wootric_map.read.rejects_lines import is_rejects_line, kept_line
from wootric_map.read.survey_records import survey_kind
from wootric_map.read.useless import unsupported, without_group
from wootric_map.survey_calls import SurveyKind

Fields: TypeAlias = Mapping[str, Any]
"""A JSON object as the parser gives it."""


class OptOut(NamedTuple):
    """What an identify says about whether its user wants surveys (wootric.md 8)."""

    is_off: bool
    """Whether the user wants no surveys."""
    rule: str
    """The trait that decides, in the spelling that all its spellings share."""
    source: str
    """Where the value stands in the record, such as `traits.unsubscribed`."""
    original: str | int | float | bool | None
    """The value."""


class ExternalId(NamedTuple):
    """What an identify says about its user's external id, where a trait gives that."""

    rule: str
    """The trait that gives it, in the spelling that all its spellings share."""
    text: str | None = None
    """The external id; None if the identify states none, or takes it away."""
    is_stated: bool = False
    """Whether the identify says anything about it."""
    source: str = ""
    """Where the value stands in the record, such as `traits.accountId`."""
    original: str | int | None = None
    """The value."""


class Identify(NamedTuple):
    """A valid identify record: what the customer knows of a user."""

    user_id: str | None
    anonymous_id: str | None
    message_id: str | None
    time: int | None
    """Milliseconds since the epoch; None if the record has no time."""
    context: Fields
    traits: Fields
    parent: str = "traits"
    """The place of the traits: `traits`, or `context.traits` in RudderStack's archives (segment.md 1)."""
    warnings: tuple[MappingWarning, ...] = ()
    """Warnings about the record as it was read."""
    opt_out: OptOut | None = None
    """What the record says about surveys, by the user's rule; None if it says nothing."""
    external_id: ExternalId | None = None
    """What the record says about the external id, by the user's rule; None if the `userId` is that."""

    @property
    def type(self) -> Literal["identify"]:
        """The record's type, as Segment spells it."""
        return "identify"


class Survey(NamedTuple):
    """What a track record says that is a survey response or decline (wootric.md 7)."""

    kind: SurveyKind
    created_at: int
    """When the end user responded or declined, in unix seconds."""
    score: int | None = None
    """From 0 to 10; None for a decline."""
    text: str | None = None
    ip_address: str | None = None
    origin_url: str | None = None


class Track(NamedTuple):
    """A valid track record: something that a user did."""

    user_id: str | None
    anonymous_id: str | None
    message_id: str | None
    time: int | None
    """Milliseconds since the epoch; None if the record has no time."""
    context: Fields
    event: str
    properties: Fields
    warnings: tuple[MappingWarning, ...] = ()
    """Warnings about the record as it was read."""
    has_email_elsewhere: bool = False
    """Whether the record's own `traits`, from which no email is taken, hold one (segment.md 4)."""
    sent_as: str | None = None
    """The name under which the event is sent; None for `event`."""
    known_as: tuple[str | None, str | None] | None = None
    """The `userId` and `anonymousId` in the record's key, if configured placeholders make others of them."""
    survey_kind: SurveyKind | None = None
    """What the record's `integrations` say that it is (wootric.md 7)."""
    survey: Survey | None = None
    """What the record says as a survey response or decline; None if it is neither."""

    @property
    def type(self) -> Literal["track"]:
        """The record's type, as Segment spells it."""
        return "track"


class Page(NamedTuple):
    """A valid page record: a page that a user saw."""

    user_id: str | None
    anonymous_id: str | None
    message_id: str | None
    time: int | None
    """Milliseconds since the epoch; None if the record has no time."""
    context: Fields
    name: str | None
    category: str | None
    properties: Fields
    warnings: tuple[MappingWarning, ...] = ()
    """Warnings about the record as it was read."""
    has_email_elsewhere: bool = False
    """Whether the record's own `traits`, from which no email is taken, hold one (segment.md 4)."""
    sent_as: str | None = None
    """The name under which the page is sent; None for `name`."""
    known_as: tuple[str | None, str | None] | None = None
    """The `userId` and `anonymousId` in the record's key, if configured placeholders make others of them."""

    @property
    def type(self) -> Literal["page"]:
        """The record's type, as Segment spells it."""
        return "page"


class Group(NamedTuple):
    """A valid group record: the group that a user is in, and what the customer knows of the group."""

    user_id: str | None
    anonymous_id: str | None
    message_id: str | None
    time: int | None
    """Milliseconds since the epoch; None if the record has no time."""
    context: Fields
    group_id: str
    traits: Fields
    """The traits of the group; once the user's rules are applied, each under `prefix` and an underscore."""
    warnings: tuple[MappingWarning, ...] = ()
    """Warnings about the record as it was read."""
    prefix: str = ""
    """How the names of the properties begin that the traits become in the group's members."""
    own: Fields = MappingProxyType({})
    """The traits under the group's own names, without those that the user's rules leave out."""

    @property
    def type(self) -> Literal["group"]:
        """The record's type, as Segment spells it."""
        return "group"


Record: TypeAlias = Identify | Track | Page | Group
Reading: TypeAlias = Record | Skip | Rejection
"""What became of a record: it is valid, skipped or rejected."""


class Read(NamedTuple):
    """One record of a line, and what became of it."""

    raw: bytes
    """A line that holds this record alone, for a rejects file; empty if no such line can be written."""
    reading: Reading


SUPPORTED: Final = frozenset({"identify", "track", "page"})
"""The record types that Wootric has a use for."""
_WITHOUT_IDENTITY: Final = frozenset({"screen", "group"})
"""Unsupported types that do not even tell which ids are one user's, as an alias does."""
_LENT_FIELDS: Final = ("context", "integrations", "sentAt")
"""Fields of a batch envelope that serve an element that lacks them (segment.md 1)."""
_MOST_LENT_BYTES: Final = 64 * 1024 * 1024
"""Bytes of an envelope's lent fields for all elements together.

Each element gets a copy, so that a small hostile line could fill the memory.
"""
NO_FIELDS: Final[Fields] = {}
"""An empty JSON object."""

TraitsFrom: TypeAlias = Literal["auto", "traits", "context"]
"""The place of an identify's traits (segment.md 1); `auto` is `traits`, or else `context.traits`."""


class Rules(NamedTuple):
    """The user's choices about which records are valid and where their traits stand."""

    ignore_integrations: bool = False
    """Whether a record is valid even if its `integrations` turn Wootric off."""
    traits_from: TraitsFrom = "auto"
    """The place of an identify's traits."""
    consent_categories: Collection[str] = ()
    """Categories of consent that a record's user must have agreed to (segment.md 3)."""
    placeholders: Collection[str] = PLACEHOLDERS
    """The texts that stand in place of an id of a user, trimmed and in lower case (segment.md 8, rule 1)."""
    takes_groups: bool = False
    """Whether Wootric has a use for group records: their traits become properties of the members."""

    @property
    def unusual_ids(self) -> Collection[str]:
        """The texts that are placeholders, or would be without the user's choices."""
        if self.placeholders is PLACEHOLDERS:
            return PLACEHOLDERS
        return PLACEHOLDERS.union(self.placeholders)


_DEFAULT_RULES: Final = Rules()


def read_line(
    line: bytes,
    *,
    ignore_integrations: bool = False,
    traits_from: TraitsFrom = "auto",
    consent_categories: Collection[str] = (),
) -> Iterator[Read]:
    """Read the records in a line of an export.

    Most lines hold one record. Others hold several, or a batch envelope with one for each element
    (segment.md 1). A line of a rejects file stands for the raw line in it.

    Args:
        line: a line without its ending.
        ignore_integrations: whether a record is valid even if its `integrations` turn Wootric off. Consent
            that a user withholds is never ignored.
        traits_from: the place of an identify's traits.
        consent_categories: categories of consent that a record's user must have agreed to.

    Yields:
        Each record, and what became of it; at least one.
    """
    rules = Rules(ignore_integrations, traits_from, consent_categories)
    return read_parsed(line, parse(line), rules)


def read_parsed(line: bytes, data: object, rules: Rules = _DEFAULT_RULES) -> Iterator[Read]:
    """Read the records in a line of an export that is parsed already.

    Args:
        line: the line without its ending.
        data: the line's JSON, as `json_lines.parse` returns it.
        rules: the user's choices.

    Yields:
        Each record, and what became of it; at least one.
    """
    if isinstance(data, Joined):
        for each, value in data.parsed():
            yield from read_parsed(each, value, rules)
    elif not isinstance(data, dict) or "type" in data:
        yield Read(line, _read(line, data, rules))
    elif is_rejects_line(data):
        kept = kept_line(data)
        if isinstance(kept, Rejection):
            yield Read(line, kept)
        else:
            yield from read_parsed(kept, _with_key(parse(kept), data.get("key")), rules)
    elif isinstance(data.get("batch"), list):
        yield from _read_batch(line, data, rules)
    else:
        yield Read(line, _read(line, data, rules))


def _with_key(data: object, key: object) -> object:
    """Return the JSON of a record from a rejects file with the key that it failed under as its `messageId`.

    A record without a `messageId` is known by its bytes, which a person may have changed in the file.
    """
    if isinstance(data, dict) and isinstance(key, str) and not valid_id(data, "messageId"):
        data["messageId"] = key
    return data


def _read_batch(line: bytes, data: Fields, rules: Rules) -> Iterator[Read]:
    """Read the elements of a batch envelope."""
    lent = {key: data[key] for key in _LENT_FIELDS if data.get(key) is not None}
    if len(data["batch"]) * _written_size(lent) > _MOST_LENT_BYTES:
        message = "its context, lent to each element, grows too large; lend each its own"
        yield Read(line, Rejection("line_too_long", "batch", message))
        return
    if not data["batch"]:
        message = "the envelope holds no record; leave the line out"
        yield Read(line, Rejection("missing_type", "batch", message))
    for element in data["batch"]:
        record = element
        if isinstance(element, dict):
            record = lent | {k: v for k, v in element.items() if v is not None or k not in lent}
        yield _read_element(record, rules)


def _read(line: bytes, data: object, rules: Rules, *, is_element: bool = False) -> Reading:
    """Read one record: judge what makes any JSON a Segment call, then the call's fields.

    Args:
        line: a line that holds the record alone.
        data: the record's JSON, or the rejection of a line that is not JSON.
        rules: the user's choices.
        is_element: whether the record is an element of a batch.
    """
    if isinstance(data, Rejection):
        return data
    if not isinstance(data, dict):
        is_list = isinstance(data, list)
        hint = f"; if this is the whole file, it {ARRAY_HINT}" if is_list else ""
        hint = hint or advice(data, line, is_element=is_element)
        what = "" if hint and not is_list else f", and this is {kind_of(data)}"
        message = f"a record must be a JSON object{what}{hint}"
        return Rejection("not_an_object", None, message)
    named = data.get("type")
    if not isinstance(named, str) or not named:
        own = own_file_like(data)
        if own:
            message = own.message
        else:
            message = 'name the call in "type": identify, track or page'
            message += advice(data, line, is_element=is_element)
        return Rejection("missing_type", "type", message)
    kind = in_lower_case(named)
    if kind not in CALLS:
        message = f"{quoted(named)} is no Segment call; use identify, track or page"
        return Rejection(
            "unknown_type", "type", message + advice(data, line, is_element=is_element)
        )
    if identity(data.get("userId")) is identity(data.get("anonymousId")) is None:
        message = "give the record a userId or an anonymousId, as text that is not empty"
        return Rejection(
            "missing_identity", "userId", message + advice(data, line, is_element=is_element)
        )
    event = data.get("event")
    if kind == "track" and (not isinstance(event, str) or not event):
        message = 'a track record needs the event\'s name in "event", as text that is not empty'
        return Rejection("missing_event", "event", message)
    return _read_call(kind, data, rules)


def _read_call(kind: str, data: Fields, rules: Rules) -> Reading:
    """Read a record that has a type of Segment's, an identity and, if it is a track, an event.

    Args:
        kind: the record's type.
        data: the record's JSON.
        rules: the user's choices.
    """
    objects = objects_of(data)
    if isinstance(objects, Rejection):
        return objects
    traits, properties, context, integrations = objects
    time = time_of(data)
    if isinstance(time, Rejection):
        return time
    warnings: list[MappingWarning] = []
    user_id, anonymous_id = (
        valid_id(data, "userId", warnings, rules.placeholders),
        valid_id(data, "anonymousId", warnings, rules.placeholders),
    )
    message_id = valid_id(data, "messageId", warnings)
    group_id = None
    if kind == "group" and rules.takes_groups:
        group_id = valid_id(data, "groupId", warnings, rules.unusual_ids)
    if kind in _WITHOUT_IDENTITY and not (kind == "group" and rules.takes_groups):
        skip = unsupported(kind)
        return skip._replace(warnings=tuple(warnings)) if warnings else skip
    opt_out = _opt_out_place(data, integrations, context, rules)
    if kind == "alias":
        previous_id = valid_id(data, "previousId", warnings, rules.placeholders)
        ties = (previous_id, user_id) if previous_id and user_id and not opt_out else None
        return unsupported(kind)._replace(ties=ties, warnings=tuple(warnings))
    moment, clock_warnings = time
    all_warnings = (*warnings, *clock_warnings)
    if not opt_out and not rules.consent_categories and (each := consent.not_judged(context)):
        all_warnings += (each,)
    common = user_id, anonymous_id, message_id, moment, with_traits_as_object(context)
    record: Record
    if kind == "identify":
        traits, parent = _traits(traits, common[-1], rules.traits_from)
        record = Identify(*common, traits, parent, all_warnings)
    elif kind == "track":
        record = Track(
            *common,
            data["event"],
            properties,
            all_warnings,
            has_email(traits),
            survey_kind=survey_kind(integrations) if integrations else None,
        )
    elif kind == "group":
        if opt_out is None and group_id is None:
            return without_group(all_warnings)
        record = Group(*common, group_id or "", traits, all_warnings)
    else:
        name, category = identity(data.get("name")), identity(data.get("category"))
        record = Page(*common, name, category, properties, all_warnings, has_email(traits))
    if rules.placeholders is not PLACEHOLDERS and isinstance(record, Track | Page):
        known_as = valid_id(data, "userId"), valid_id(data, "anonymousId")
        if known_as != (user_id, anonymous_id):
            record = record._replace(known_as=known_as)
    if opt_out is None:
        return record
    withheld = record if isinstance(record, Identify) else None
    return consent.opt_out_skip(kind, opt_out)._replace(withheld=withheld, warnings=tuple(warnings))


def _opt_out_place(data: Fields, integrations: Any, context: Fields, rules: Rules) -> str | None:
    """Return the place in a record where its user opts out; None if there is none (segment.md 3)."""
    withheld = consent.withheld_place(context, rules.consent_categories)
    if rules.ignore_integrations:
        return withheld
    return consent.turned_off_place(data, integrations, context) or withheld


def _traits(own: Fields, context: Fields, traits_from: TraitsFrom) -> tuple[Fields, str]:
    """Return the traits of an identify, and their place in the record (segment.md 1).

    Args:
        own: the record's own `traits`.
        context: the record's `context`.
        traits_from: the user's choice of the place.
    """
    if traits_from == "traits" or (traits_from == "auto" and own):
        return own, "traits"
    of_context = context.get("traits")
    if not (isinstance(of_context, dict) and of_context):
        return (own, "traits") if traits_from == "auto" else (NO_FIELDS, "context.traits")
    return of_context, "context.traits"


def _read_element(element: object, rules: Rules) -> Read:
    """Read an element of a batch, and write a line that holds the element alone."""
    try:
        line = to_json(element)
    except RecursionError:
        return Read(
            b"", Rejection("invalid_json", "batch", "an element is nested too deep; flatten it")
        )
    return Read(line, _read(line, element, rules, is_element=True))


def _written_size(value: object) -> int:
    """Return the bytes of a value as JSON; more than `_MOST_LENT_BYTES` if it is nested too deep to write."""
    try:
        return len(to_json(value))
    except RecursionError:
        return _MOST_LENT_BYTES + 1


def names_message(line: bytes) -> bool:
    """Tell whether a line that holds one record names a `messageId`."""
    data = parse(line)
    return isinstance(data, dict) and bool(valid_id(data, "messageId"))
