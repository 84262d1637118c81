"""A raw line → the records in it, each read, skipped or rejected (segment.md 1 to 3).

Every fault is judged in the order of segment.md 2, so that a record with several has always the same code.
"""

import base64
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from wootric_map.model import REJECTIONS, MappingWarning, Rejection, Skip
from wootric_map.read import consent
from wootric_map.read.foreign import ARRAY_HINT
from wootric_map.read.json_lines import Joined, as_object, parse, to_json
from wootric_map.read.other_formats import CALLS, advice
from wootric_map.read.own_files import own_file_like
from wootric_map.read.placeholders import is_placeholder, placeholder_warning
from wootric_map.values import dates
from wootric_map.values.json_values import decimal_text
from wootric_map.values.trait_names import find

Fields: TypeAlias = Mapping[str, Any]
"""A JSON object as the parser gives it."""


class Identify(NamedTuple):
    """What is known of a user."""

    user_id: str | None
    anonymous_id: str | None
    message_id: str | None
    time: int | None
    """When it happened, in milliseconds since the epoch; None where the record has no time."""
    context: Fields
    traits: Fields
    parent: str = "traits"
    """Where the traits stand: `traits`, or `context.traits` in RudderStack's archives (segment.md 1)."""
    warnings: tuple[MappingWarning, ...] = ()
    """What was wrong with a record that is read all the same."""

    @property
    def type(self) -> Literal["identify"]:
        """The record's type, as Segment spells it."""
        return "identify"


class Track(NamedTuple):
    """Something a user did."""

    user_id: str | None
    anonymous_id: str | None
    message_id: str | None
    time: int | None
    """As in `Identify`."""
    context: Fields
    event: str
    properties: Fields
    warnings: tuple[MappingWarning, ...] = ()
    """What was wrong with a record that is read all the same."""
    has_email_elsewhere: bool = False
    """Whether an email stands in its own `traits`, where none is looked for (segment.md 4)."""

    @property
    def type(self) -> Literal["track"]:
        """The record's type, as Segment spells it."""
        return "track"


class Page(NamedTuple):
    """A page a user saw."""

    user_id: str | None
    anonymous_id: str | None
    message_id: str | None
    time: int | None
    """As in `Identify`."""
    context: Fields
    name: str | None
    category: str | None
    properties: Fields
    warnings: tuple[MappingWarning, ...] = ()
    """What was wrong with a record that is read all the same."""
    has_email_elsewhere: bool = False
    """Whether an email stands in its own `traits`, where none is looked for (segment.md 4)."""

    @property
    def type(self) -> Literal["page"]:
        """The record's type, as Segment spells it."""
        return "page"


Record: TypeAlias = Identify | Track | Page
Reading: TypeAlias = Record | Skip | Rejection


class Read(NamedTuple):
    """One record of a line."""

    raw: bytes
    """A line that holds this record alone, to be tried again; empty where none can be written."""
    reading: Reading


SUPPORTED: Final = frozenset({"identify", "track", "page"})
_OTHERS: Final = frozenset({"screen", "group"})
"""Of the calls that Wootric has no use for, those that tell nothing of who is who either."""
_OBJECTS: Final = ("traits", "properties", "context", "integrations")
"""Fields that must be objects in a record of any type (segment.md 2)."""
_TIME_FIELDS: Final = ("timestamp", "originalTimestamp", "receivedAt", "sentAt")
"""Where a record's time stands, first found first taken (segment.md 1)."""
_ENVELOPE_FIELDS: Final = ("context", "integrations", "sentAt")
"""What a batch envelope lends to an element that has none of its own (segment.md 1)."""
_LENT_LIMIT: Final = 64 * 1024 * 1024
"""Bytes that an envelope may lend its elements in all: each takes a copy, which makes a small line grow."""
_DAY: Final = 86_400_000
"""Milliseconds that a record's time may lie behind its `receivedAt` (segment.md 5)."""

NO_FIELDS: Final[Fields] = {}

TraitsFrom: TypeAlias = Literal["auto", "traits", "context"]
"""Where the traits of an identify are taken from; `auto` is `context.traits` where it has none of its own."""


class Rules(NamedTuple):
    """How a record is judged."""

    ignore_integrations: bool = False
    """Take a record even if its `integrations` turn Wootric off."""
    traits_from: TraitsFrom = "auto"
    """Where RudderStack's archives hold an identify's traits (segment.md 1)."""
    consent_categories: Collection[str] = ()
    """Categories of consent that a record's user must have agreed to (segment.md 3)."""


USUAL: Final = Rules()


def read_line(
    line: bytes,
    *,
    ignore_integrations: bool = False,
    traits_from: TraitsFrom = "auto",
    consent_categories: Collection[str] = (),
) -> Iterator[Read]:
    """Read the records in a line of an export.

    Most lines are one record. A batch envelope is one for each element, a line may hold several records
    (segment.md 1), and a line of a rejects file stands for the raw line in it.

    Args:
        line: without its line ending.
        ignore_integrations: take a record even if its `integrations` turn Wootric off; not if its user
            withholds consent.
        traits_from: where the traits of an identify are taken from.
        consent_categories: those that a record's user must have agreed to.

    Yields:
        Each record with its reading; at least one.
    """
    rules = Rules(ignore_integrations, traits_from, consent_categories)
    return read_parsed(line, parse(line), rules)


def type_named(data: object) -> str | None:
    """The type that a record's JSON names, as Segment spells it, whatever else is wrong with it."""
    named = data.get("type") if isinstance(data, dict) else None
    return _in_lower_case(named) if isinstance(named, str) else None


def _in_lower_case(named: str) -> str:
    """A type in lower case; the Kelvin sign is no k."""
    return named.lower() if named.isascii() else named


def read_parsed(line: bytes, data: object, rules: Rules = USUAL) -> Iterator[Read]:
    """Read the records in a line that is parsed already; see `read_line`.

    Args:
        line: without its line ending.
        data: as `parsing.parse` gives it.
        rules: how to judge.
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
            yield from read_parsed(kept, _under_its_key(parse(kept), data.get("key")), rules)
    elif isinstance(data.get("batch"), list):
        yield from _read_batch(line, data, rules)
    else:
        yield Read(line, _read(line, data, rules))


def _under_its_key(data: object, key: object) -> object:
    """A record that keeps the key that it failed under: what is mended has other bytes."""
    if isinstance(data, dict) and isinstance(key, str) and not _known(data, "messageId", []):
        data["messageId"] = key
    return data


def _read_batch(line: bytes, data: Fields, rules: Rules) -> Iterator[Read]:
    """Read the elements of an envelope."""
    lent = {key: data[key] for key in _ENVELOPE_FIELDS if data.get(key) is not None}
    if len(data["batch"]) * _written_size(lent) > _LENT_LIMIT:
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
    if isinstance(data, Rejection):
        return data
    if not isinstance(data, dict):
        is_list = isinstance(data, list)
        told = f"; if this is the whole file, it {ARRAY_HINT}" if is_list else ""
        told = told or advice(data, line, is_element=is_element)
        what = "" if told and not is_list else f", and this is {_kind(data)}"
        message = f"a record must be a JSON object{what}{told}"
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
    kind = _in_lower_case(named)
    if kind not in CALLS:
        message = f"{_quoted(named)} is no Segment call; use identify, track or page"
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
    """Read a record of a type that Segment has, with an identity and, of a track record, an event."""
    objects = _objects(data)
    if isinstance(objects, Rejection):
        return objects
    traits, properties, context, integrations = objects
    time = _time(data)
    if isinstance(time, Rejection):
        return time
    warnings: list[MappingWarning] = []
    user_id, anonymous_id = _known(data, "userId", warnings), _known(data, "anonymousId", warnings)
    message_id = _known(data, "messageId", warnings)
    if kind in _OTHERS:
        return (
            unsupported(kind)._replace(warnings=tuple(warnings)) if warnings else unsupported(kind)
        )
    place = consent.withholding(context, rules.consent_categories)
    if not rules.ignore_integrations:
        place = consent.refusing(data, integrations, context) or place
    if kind == "alias":
        previous = _known(data, "previousId", warnings)
        ties = (previous, user_id) if previous and user_id and not place else None
        return unsupported(kind)._replace(ties=ties, warnings=tuple(warnings))
    at, clock = time
    told = [*warnings, *clock]
    if not place and not rules.consent_categories and (refused := consent.not_judged(context)):
        told.append(refused)
    ids = user_id, anonymous_id, message_id, at, _with_traits(context)
    record: Record
    if kind == "identify":
        traits, parent = _traits(traits, ids[-1], rules.traits_from)
        record = Identify(*ids, traits, parent, tuple(told))
    elif kind == "track":
        elsewhere = _has_email(traits)
        record = Track(*ids, data["event"], properties, tuple(told), elsewhere)
    else:
        name, category = identity(data.get("name")), identity(data.get("category"))
        record = Page(*ids, name, category, properties, tuple(told), _has_email(traits))
    if place is None:
        return record
    withheld = record if isinstance(record, Identify) else None
    return consent.withheld(kind, place)._replace(withheld=withheld, warnings=tuple(warnings))


def _has_email(traits: Fields) -> bool:
    """Tell whether traits hold what may be an email."""
    found = find(traits, "email") if traits else None
    return found is not None and isinstance(found.value, str) and "@" in found.value


def _objects(data: Fields) -> tuple[Fields, Fields, Fields, Fields] | Rejection:
    """The fields that must be objects; empty where they are absent (segment.md 1 and 2)."""
    found = []
    for field in _OBJECTS:
        value = data.get(field)
        if value is None or type(value) is dict:
            found.append(value or NO_FIELDS)
            continue
        held = as_object(value)
        if held is None:
            kind = "text that holds none" if isinstance(value, str) else _kind(value)
            message = f"must be an object, and this is {kind}; correct it or leave it out"
            return Rejection(f"invalid_{field}", field, message)
        found.append(held)
    traits, properties, context, integrations = found
    return traits, properties, context, integrations


def _with_traits(context: Fields) -> Fields:
    """A record's context, with `traits` as an object where they are text that is one."""
    known = context.get("traits")
    if not isinstance(known, str | list) or (held := as_object(known)) is None:
        return context
    return {**context, "traits": held}


def _traits(own: Fields, context: Fields, traits_from: TraitsFrom) -> tuple[Fields, str]:
    """The traits of an identify, and where they stand (segment.md 1)."""
    if traits_from == "traits" or (traits_from == "auto" and own):
        return own, "traits"
    known = context.get("traits")
    if not (isinstance(known, dict) and known):
        return (own, "traits") if traits_from == "auto" else (NO_FIELDS, "context.traits")
    return known, "context.traits"


def _known(data: Fields, field: str, warnings: list[MappingWarning]) -> str | None:
    """An id of a record; a placeholder is none (segment.md 8, rule 1)."""
    value = data.get(field)
    if value is None:
        return None
    text = identity(value)
    if text is None or not is_placeholder(text):
        return text
    warnings.append(placeholder_warning(field, text))
    return None


@cache
def unsupported(kind: str) -> Skip:
    """The skip of a record of a type that Wootric has no use for (segment.md 2)."""
    return Skip("unsupported_type", kind, "type", f"Wootric has no use for {kind} records")


def _read_element(element: object, rules: Rules) -> Read:
    """Read an element of a batch, with a line of its own to keep it in."""
    try:
        line = to_json(element)
    except RecursionError:
        return Read(
            b"", Rejection("invalid_json", "batch", "an element is nested too deep; flatten it")
        )
    return Read(line, _read(line, element, rules, is_element=True))


def _written_size(value: object) -> int:
    """Bytes that a value takes as JSON; past the limit where it is nested too deep to be written."""
    try:
        return len(to_json(value))
    except RecursionError:
        return _LENT_LIMIT + 1


def identity(value: object) -> str | None:
    """An id as text: a number is its decimal text, an empty string is none (segment.md 2)."""
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return decimal_text(value)
    return None


def _time(data: Fields) -> tuple[int | None, tuple[MappingWarning, ...]] | Rejection:
    """The record's time in milliseconds (segment.md 1), and what is wrong with it (segment.md 5)."""
    for field in _TIME_FIELDS:
        value = data.get(field)
        if value is None:
            continue
        time = dates.parse(value)
        if time is None:
            message = f"{_quoted(value)} is no date; write it as 2018-08-03T15:28:46.493Z"
            return Rejection("invalid_timestamp", field, message)
        received_at = data.get("receivedAt")
        received = None if received_at == value else dates.parse(received_at)
        if received is None or time - received <= _DAY:
            return time, ()
        message = (
            "more than a day after its receivedAt, so that a clock was wrong; it is ordered by "
            "receivedAt instead"
        )
        return received, (MappingWarning("future_timestamp", field, message),)
    return None, ()


def names_message(line: bytes) -> bool:
    """Whether a record's own line has a `messageId`.

    Args:
        line: that of one record.
    """
    data = parse(line)
    return isinstance(data, dict) and bool(_known(data, "messageId", []))


def is_rejects_line(data: object) -> bool:
    """Whether parsed JSON is a line of a rejects file."""
    return isinstance(data, dict) and "type" not in data and "record" in data and "code" in data


def kept_line(entry: Fields) -> bytes | Rejection:
    """The raw line that a rejects file keeps, in `record` or, if it is not UTF-8, `record_base64`."""
    text, encoded = entry["record"], entry.get("record_base64")
    if isinstance(encoded, str):
        with suppress(ValueError):
            kept = base64.b64decode(encoded, validate=True)
            # A person mends the text they can read, not the bytes beside it.
            if text is None or text == kept.decode(errors="replace"):
                return kept
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, dict | list):  # mended with a tool that opened it
        with suppress(RecursionError):
            return to_json(text)
    code = entry["code"] if entry["code"] in tuple(REJECTIONS) else "invalid_json"
    origin = f"{_plain(entry.get('source'))}:{_plain(entry.get('line'))}"
    return Rejection(code, None, f"the line itself was not kept here; replay it from {origin}")


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return (
        "text" if isinstance(value, str) else "a list" if isinstance(value, list) else "an object"
    )


def _quoted(value: object) -> str:
    """A value for a message: as JSON, cut short, since it may be megabytes of nothing."""
    if isinstance(value, dict | list):
        return _kind(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004


def _plain(value: object) -> str:
    return str(value)[:200] if isinstance(value, str | int) else "?"
