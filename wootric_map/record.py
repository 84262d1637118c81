"""A raw line → the records in it, each read, skipped or rejected (segment.md 1 to 3).

Every fault is judged in the order of segment.md 2, so that a record with several has always the same code.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeGuard

import orjson

from wootric_map import dates
from wootric_map.outcome import REJECTIONS, Rejection, Skip
from wootric_map.properties import MappingWarning, decimal_text
from wootric_map.shape import ARRAY_HINT, escaped_newline_hint

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


# A class's own constructor takes twice as long.
_identify: Callable[[tuple[object, ...]], Identify] = partial(tuple.__new__, Identify)
_track: Callable[[tuple[object, ...]], Track] = partial(tuple.__new__, Track)
_page: Callable[[tuple[object, ...]], Page] = partial(tuple.__new__, Page)

SUPPORTED: Final = frozenset({"identify", "track", "page"})
_TYPES: Final = SUPPORTED | {"screen", "group", "alias"}
"""Segment's calls."""
_OBJECTS: Final = ("traits", "properties", "context", "integrations")
"""Fields that must be objects in a record of any type (segment.md 2)."""
_TIME_FIELDS: Final = ("timestamp", "originalTimestamp", "receivedAt", "sentAt")
"""Where a record's time stands, first found first taken (segment.md 1)."""
_ENVELOPE_FIELDS: Final = ("context", "integrations", "sentAt")
"""What a batch envelope lends to an element that has none of its own (segment.md 1)."""
_LENT_LIMIT: Final = 64 * 1024 * 1024
"""Bytes that an envelope may lend its elements in all: each takes a copy, which makes a small line grow."""
_NAMES: Final = frozenset({"wootric", "inmoment (wootric)"})
"""The destination's names, in lower case (segment.md 3)."""

_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_ORDINARY_TIMES: Final = frozenset({b"0000-00-00T00:00:00.000Z", b"0000-00-00T00:00:00Z"})
"""How Segment itself writes a time, with 0 for each digit."""

NO_FIELDS: Final[Fields] = {}

_TEXT_OR_NONE: Final = frozenset({str, type(None)})
_OBJECT_OR_NONE: Final = frozenset({dict, type(None)})

_IDS: Final = ("userId", "anonymousId", "messageId")

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Any JSON escape; group 1 is half of a surrogate pair that lacks the other half."""


def read_line(line: bytes, *, ignore_integrations: bool = False) -> Iterator[Read]:
    """Read the records in a line of an export.

    Most lines are one record. A batch envelope is one for each element (segment.md 1), and a line of
    a rejects file stands for the raw line in it.

    Args:
        line: without its line ending.
        ignore_integrations: take a record even if its `integrations` turn Wootric off.

    Yields:
        Each record with its reading; at least one.
    """
    return read_parsed(line, parse(line), ignore_integrations=ignore_integrations)


def type_named(data: object) -> str | None:
    """The type that a record's JSON names, as Segment spells it, whatever else is wrong with it."""
    named = data.get("type") if isinstance(data, dict) else None
    return _in_lower_case(named) if isinstance(named, str) else None


def _in_lower_case(named: str) -> str:
    """A type in lower case; the Kelvin sign is no k."""
    return named.lower() if named.isascii() else named


def is_ordinary(data: object) -> TypeGuard[dict[str, Any]]:
    """Whether a line's JSON is a record of the commonest form, with nothing wrong and nothing special.

    `read_parsed` gives a record with a userId for it, and no more than that. Any doubt is a no.
    """
    if not isinstance(data, dict):
        return False
    get = data.get
    kind, user_id, time = get("type"), get("userId"), get("timestamp")
    if not (type(kind) is str and type(user_id) is str and user_id and type(time) is str):
        return False
    if kind == "track":
        event = get("event")
        if type(event) is not str or not event:
            return False
    elif kind == "page":
        if not (type(get("name")) in _TEXT_OR_NONE and type(get("category")) in _TEXT_OR_NONE):
            return False
    elif kind != "identify":
        return False
    integrations = get("integrations")
    return (
        type(get("traits")) in _OBJECT_OR_NONE
        and type(get("properties")) in _OBJECT_OR_NONE
        and type(get("context")) in _OBJECT_OR_NONE
        and (
            integrations is None
            or (type(integrations) is dict and False not in integrations.values())
        )
        and type(get("messageId")) in _TEXT_OR_NONE
        and type(get("anonymousId")) in _TEXT_OR_NONE
        and "batch" not in data
        and time.encode().translate(_DIGITS) in _ORDINARY_TIMES
        and dates.is_in_the_calendar(time)
    )


def ordinary(data: dict[str, Any]) -> Record:
    """The record in a line's JSON of which `is_ordinary` says yes, in half the time."""
    get = data.get
    kind, user_id, context = data["type"], data["userId"], get("context") or NO_FIELDS
    anonymous_id, message_id = get("anonymousId") or None, get("messageId") or None
    time = dates.parse_common(data["timestamp"])
    if kind == "identify":
        traits = get("traits") or NO_FIELDS
        return _identify((user_id, anonymous_id, message_id, time, context, traits, "traits", ()))
    properties = get("properties") or NO_FIELDS
    if kind == "track":
        event = data["event"]
        return _track((user_id, anonymous_id, message_id, time, context, event, properties, ()))
    name, category = get("name") or None, get("category") or None
    return _page((user_id, anonymous_id, message_id, time, context, name, category, properties, ()))


def read_parsed(line: bytes, data: object, *, ignore_integrations: bool = False) -> Iterator[Read]:
    """Read the records in a line that is parsed already; see `read_line`.

    Args:
        line: without its line ending.
        data: as `parse` gives it.
        ignore_integrations: as above.
    """
    if isinstance(data, dict) and "type" not in data:
        if is_rejects_line(data):
            kept = _kept_line(data)
            if isinstance(kept, Rejection):
                yield Read(line, kept)
                return
            key, line, data = data.get("key"), kept, parse(kept)
            if isinstance(data, dict) and isinstance(key, str) and not data.get("messageId"):
                # It keeps the key that it failed under: what is mended has other bytes.
                data["messageId"] = key
        if isinstance(data, dict) and "type" not in data and isinstance(data.get("batch"), list):
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
                    record = lent | {
                        k: v for k, v in element.items() if v is not None or k not in lent
                    }
                yield _read_element(record, ignore_integrations)
            return
    yield Read(line, _read(data, ignore_integrations))


def parse(line: bytes) -> object:
    """The line's JSON, or a Rejection."""
    return with_exact_ids(line, parse_roughly(line))


def parse_roughly(line: bytes) -> object:
    """The same as `parse`, but for what `with_exact_ids` has still to put right."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # JavaScript that cuts a text in the middle of an emoji writes half of a pair: JSON all the
        # same, but no text, so the half becomes the replacement character.
        mended = _ESCAPE.sub(_mend_escape, line) if "surrogate" in error.msg else line
        if mended != line:
            return parse(mended)
        return Rejection("invalid_json", None, _json_message(line, error))


def with_exact_ids(line: bytes, data: object) -> object:
    """A line's JSON with ids of more than 64 bits as text, digit by digit; or a Rejection.

    An ordinary record (`is_ordinary`) has none.

    Args:
        line: the line.
        data: as `parse_roughly` gives it.
    """
    if isinstance(data, dict) and _has_imprecise_id(data):
        try:
            _take_exact_ids(data, json.loads(line, parse_int=str))
        except (ValueError, RecursionError):
            message = "an id of more than 64 bits in a record nested too deep; write the id as text"
            return Rejection("invalid_json", None, message)
    return data


def _read(data: object, ignore_integrations: bool) -> Reading:
    if isinstance(data, Rejection):
        return data
    if not isinstance(data, dict):
        hint = f"; if this is the whole file, it {ARRAY_HINT}" if isinstance(data, list) else ""
        message = f"a record must be a JSON object, and this is {_kind(data)}{hint}"
        return Rejection("not_an_object", None, message)
    named = data.get("type")
    if not isinstance(named, str) or not named:
        message = 'name the call in "type": identify, track or page'
        if "wootric_replay_plan" in data or {"end_user", "action"} <= data.keys():
            message = "this is a plan, not an export: push it with --plan"
        elif {"account", "as_of"} <= data.keys():
            message = "this is a snapshot, not an export: compare with it by --against"
        return Rejection("missing_type", "type", message)
    kind = _in_lower_case(named)
    if kind not in _TYPES:
        message = f"{_quoted(named)} is no Segment call; use identify, track or page"
        return Rejection("unknown_type", "type", message)
    user_id, anonymous_id = identity(data.get("userId")), identity(data.get("anonymousId"))
    if user_id is None and anonymous_id is None:
        message = "give the record a userId or an anonymousId, as text that is not empty"
        return Rejection("missing_identity", "userId", message)
    event = data.get("event")
    if kind == "track" and (not isinstance(event, str) or not event):
        message = 'a track record needs the event\'s name in "event", as text that is not empty'
        return Rejection("missing_event", "event", message)
    for field in _OBJECTS:
        value = data.get(field)
        if value is not None and not isinstance(value, dict):
            message = f"must be an object, and this is {_kind(value)}; correct it or leave it out"
            return Rejection(f"invalid_{field}", field, message)
    time = _time(data)
    if isinstance(time, Rejection):
        return time
    integrations = data.get("integrations")
    enabled = ignore_integrations or not integrations or _enabled(integrations)
    if kind not in SUPPORTED:
        previous = identity(data.get("previousId"))
        ties = (previous, user_id) if kind == "alias" and enabled and previous and user_id else None
        return unsupported(kind)._replace(ties=ties)
    if not enabled:
        message = "its integrations turn Wootric off; --ignore-integrations sends it all the same"
        return Skip("integration_disabled", kind, "integrations", message)
    message_id = identity(data.get("messageId"))
    context, properties = data.get("context") or {}, data.get("properties") or {}
    if kind == "identify":
        traits = data.get("traits") or {}
        return Identify(user_id, anonymous_id, message_id, time, context, traits)
    if kind == "track":
        return Track(user_id, anonymous_id, message_id, time, context, str(event), properties)
    name, category = identity(data.get("name")), identity(data.get("category"))
    return Page(user_id, anonymous_id, message_id, time, context, name, category, properties)


@cache
def unsupported(kind: str) -> Skip:
    """The skip of a record of a type that Wootric has no use for (segment.md 2)."""
    return Skip("unsupported_type", kind, "type", f"Wootric has no use for {kind} records")


def _read_element(element: object, ignore_integrations: bool) -> Read:
    """Read an element of a batch, with a line of its own to keep it in."""
    try:
        try:
            line = orjson.dumps(element)
        except TypeError:  # nested deeper than it writes, though not than it reads
            line = json.dumps(element).encode()
    except RecursionError:
        return Read(
            b"", Rejection("invalid_json", "batch", "an element is nested too deep; flatten it")
        )
    return Read(line, _read(element, ignore_integrations))


def _written_size(value: object) -> int:
    """Bytes that a value takes as JSON; past the limit where it is nested too deep to be written."""
    try:
        return len(orjson.dumps(value))
    except TypeError:
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


def _time(data: Fields) -> int | Rejection | None:
    """The record's time in milliseconds (segment.md 1)."""
    for field in _TIME_FIELDS:
        value = data.get(field)
        if value is not None:
            time = dates.parse(value)
            if time is None:
                message = f"{_quoted(value)} is no date; write it as 2018-08-03T15:28:46.493Z"
                return Rejection("invalid_timestamp", field, message)
            return time
    return None


def _enabled(integrations: Fields) -> bool:
    """Whether Wootric may have the record (segment.md 3); an opt-out in any spelling is meant."""
    everyone, named = True, None
    for key, value in integrations.items():
        name = key.lower()
        if name == "all":
            everyone = everyone and value is not False
        elif name in _NAMES and value is not None:
            named = value is not False and named is not False
    return everyone if named is None else named


def is_rejects_line(data: object) -> bool:
    """Whether parsed JSON is a line of a rejects file."""
    return isinstance(data, dict) and "type" not in data and "record" in data and "code" in data


def _kept_line(entry: Fields) -> bytes | Rejection:
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
    code = entry["code"] if entry["code"] in tuple(REJECTIONS) else "invalid_json"
    origin = f"{_plain(entry.get('source'))}:{_plain(entry.get('line'))}"
    return Rejection(code, None, f"the line itself was not kept here; replay it from {origin}")


def _has_imprecise_id(data: Fields) -> bool:
    """Whether an id is an integer past 64 bits, which the fast parser gives as a float."""
    get = data.get
    if not (
        type(get("userId")) is float
        or type(get("anonymousId")) is float
        or type(get("messageId")) is float
        or "batch" in data
    ):
        return False
    return any(
        isinstance(value := record.get(field), float) and abs(value) >= 2**63
        for record in _records(data)
        for field in _IDS
    )


def _take_exact_ids(data: Fields, exact: Fields) -> None:
    """Put the ids' own digits in place of the floats, which could make two users one.

    Other numbers stay as they are: a double is all that the published destination has of them, too.
    """
    for record, its_exact in zip(_records(data), _records(exact), strict=True):
        for field in _IDS:
            if isinstance(record.get(field), float) and isinstance(its_exact[field], str):
                record[field] = its_exact[field]


def _records(data: Fields) -> list[dict[str, Any]]:
    """The line itself, and the elements of its batch."""
    batch = data.get("batch")
    elements = batch if isinstance(batch, list) else ()
    return [record for record in (data, *elements) if isinstance(record, dict)]


def _mend_escape(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape[1] else escape[0]


def _json_message(line: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as fault:
        return (
            f"not UTF-8: byte 0x{line[fault.start]:02x} at byte {fault.start + 1}; save it as UTF-8"
        )
    if hint := escaped_newline_hint(line):
        return f"not JSON: {hint}"
    problem = error.msg.split(":")[0]
    if problem.startswith("depth limit"):
        return "nested deeper than the 1,024 levels that are read; flatten it"
    problem = problem[0].lower() + problem[1:]
    return f"not JSON: {problem}, at character {error.colno}; each line must hold one whole record"


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
