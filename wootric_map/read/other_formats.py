"""JSON that is not a Segment record is recognised, to say how to convert it (segment.md 1).

Wrappers and other spellings are never read on a guess: a person who knows the export converts it. People
paste the commands into a shell, so that they consist of fixed parts and of plain names only.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

import orjson

from wootric_map.values.trait_names import spelling

CALLS: Final = frozenset({"identify", "track", "page", "screen", "group", "alias"})
"""The types of Segment's calls."""

_FIELDS: Final = {
    name.lower(): name
    for name in (
        "type", "userId", "anonymousId", "messageId", "previousId", "timestamp",
        "originalTimestamp", "receivedAt", "sentAt", "event", "traits", "properties", "context",
        "integrations", "batch",
    )
}  # fmt: skip
"""The fields of a record by their spellings, as `trait_names.spelling` returns them."""

_WRAPPERS: Final = frozenset(
    {
        "json", "airbytedata", "body", "record", "payload", "after", "data", "message", "value",
        "recordcontent", "raw", "content", "event", "detail", "document", "src", "log",
    }
)  # fmt: skip
"""Fields of wrappers that are known to hold a record, so that a row of columns in one counts as a record."""

_ROW_TIMES: Final = frozenset({"received_at", "original_timestamp", "uuid_ts", "loaded_at"})
"""Columns that hardly any table but a warehouse's table of records has."""

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_RESERVED: Final = frozenset(
    {
        "and", "as", "catch", "def", "elif", "else", "end", "foreach", "if", "import", "include",
        "label", "or", "reduce", "then", "try",
    }
)  # fmt: skip
"""Keywords of `jq`, which some of its versions do not take for the name of a field."""
_LONG_NUMBER: Final = re.compile(rb"[:,\[\s]-?[0-9]{16}")
"""A number with more digits than a double may hold."""

_DEEPEST: Final = 4
"""Levels of wrappers that are examined."""
_MOST_KEYS: Final = 200
"""Keys of an object that are examined."""
_LONGEST_TEXT: Final = 4 * 1024 * 1024
"""Characters of a text that is examined for JSON."""

_RENAMED: Final = (
    "with_entries(select(.value != null) | .key |= ({"
    + ", ".join(f'{key}: "{name}"' for key, name in _FIELDS.items() if key != name)
    + '}[ascii_downcase | gsub("[^a-z]"; "")] // ascii_downcase))'
)
_ACTION: Final = ".type //= .action"
_LOWER: Final = "with_entries(.key |= ascii_downcase)"
_IDS: Final = "messageId: .id, userId: .user_id, anonymousId: .anonymous_id"
_TIME: Final = "timestamp: (.timestamp // .original_timestamp // .received_at)"
_OTHERS: Final = (
    'with_entries(select(.key | test("^(id|user_id|anonymous_id|event|event_text|timestamp|'
    'original_timestamp|(received|sent|loaded)_at|uuid|uuid_ts|context_.*)$") | not))'
)
_ROWS: Final = {
    "identify": f'{{type: "identify", {_IDS}, {_TIME}, traits: {_OTHERS}}}',
    "track": f'{{type: "track", event: (.event_text // .event), {_IDS}, {_TIME}, '
    f"properties: {_OTHERS}}}",
    "page": f'{{type: "page", name, {_IDS}, {_TIME}, properties: {_OTHERS}}}',
    "user": f'{{type: "identify", userId: .id, timestamp: .received_at, traits: {_OTHERS}}}',
}
"""The `jq` programs that turn a row of a warehouse's table into a record, by the kind of table."""
_ROW: Final = (
    f"if .event_text // .event then {_ROWS['track']} "
    f"elif (.url // .path // .referrer) and (.email | not) then {_ROWS['page']} "
    f"elif .user_id // .anonymous_id then {_ROWS['identify']} else {_ROWS['user']} end"
)
_UNLESS_RECORD: Final = 'if has("type") then . else {} end'
_FROM_TEXT: Final = "(fromjson? // .)"
"""The `jq` program that reads JSON in a text, and leaves anything else as it is."""
_IN_BATCH: Final = "if .batch then .batch = [.batch[] | {0}] else {0} end"


class _Found(NamedTuple):
    """What a JSON value looks like."""

    looks: str
    """The words for a message."""
    steps: tuple[str, ...]
    """The `jq` programs that turn the value into a record, in their order; none for a record."""


_RECORD: Final = _Found("a record", ())


def conversion(command: str, line: bytes) -> str:
    """Return the advice to convert a file with a command, for the end of a message.

    Args:
        command: the command, without the name of the file.
        line: a line of the file.
    """
    note = ""
    if _LONG_NUMBER.search(line):
        note = ", with jq 1.7 or newer, since older ones round its long numbers"
    return f"convert it: {command} FILE > users.ndjson{note}"


def advice(value: object, line: bytes, *, is_element: bool = False) -> str:
    """Return what JSON that is not a record looks like and how to convert it, for the end of a message.

    Args:
        value: the JSON.
        line: the line that holds the JSON.
        is_element: whether the JSON is an element of a batch; `line` then holds the element alone.

    Returns:
        The advice with a semicolon before it, or empty text if the JSON looks like nothing known.
    """
    found = _look(value, 0, is_known=True)
    if found is None or not found.steps:
        return ""
    first, *others = found.steps
    program = " | ".join((_FROM_TEXT if first == "fromjson" else first, *others))
    if is_element:
        program = _IN_BATCH.format(program)
    how = conversion(f"jq -c '{program}'", line)
    return f"; this looks like {found.looks}; {how}"


def _look(value: object, depth: int, *, is_known: bool) -> _Found | None:
    """Return what a value looks like, or None if it looks like nothing known.

    Args:
        value: the JSON of a line, or a value within.
        depth: the number of levels above the value.
        is_known: whether the value is where a record is expected, so that a row of columns with nothing but
            a user's id is taken for one.
    """
    if depth > _DEEPEST:
        return None
    if isinstance(value, str):
        held = _held(value)
        found = None if held is None else _look(held, depth + 1, is_known=is_known)
        return found and _Found("text that holds " + found.looks, ("fromjson", *found.steps))
    if isinstance(value, list):
        found = _look(value[0], depth + 1, is_known=is_known) if value else None
        return found and _Found("a list of records", (".[]", *found.steps))
    if not isinstance(value, dict) or not value:
        return None
    names: dict[str, str] = {}
    for key, inner in islice(value.items(), _MOST_KEYS):
        if inner is not None:
            names.setdefault(spelling(key), key)
    if _is_record(value):
        return _RECORD
    if isinstance(batch := value.get("batch"), str) and isinstance(_held(batch), list):
        return _Found(
            'an envelope with text for its "batch"', (".batch = ((.batch | fromjson?) // .batch)",)
        )
    return _wrapped(value, depth) or _spelled_otherwise(value, names) or (
        _row(value) if is_known else None
    )  # fmt: skip


def _held(text: str) -> object:
    """Return the object, list or text that a text holds as JSON, or None if it holds none."""
    if len(text) > _LONGEST_TEXT or text.lstrip()[:1] not in {"{", "[", '"'}:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _is_record(value: dict[str, Any]) -> bool:
    """Tell whether an object is a record or a batch envelope without any conversion."""
    if isinstance(value.get("batch"), list):
        return True
    return _is_call(value.get("type")) and (
        _is_id(value.get("userId")) or _is_id(value.get("anonymousId"))
    )


def _is_call(value: object) -> bool:
    return isinstance(value, str) and value.lower() in CALLS


def _is_id(value: object) -> bool:
    return isinstance(value, str | int | float) and value != "" and not isinstance(value, bool)


def _wrapped(value: dict[str, Any], depth: int) -> _Found | None:
    """Return how to convert a wrapper that holds a record in one of its fields, or None."""
    for key, inner in _candidates(value):
        found = _look(inner, depth + 1, is_known=spelling(key) in _WRAPPERS)
        if found is None:
            continue
        if value.get("type") == "RECORD" and "stream" in value:
            return _Found(
                "a message of Singer's", ('select(.type == "RECORD")', f".{key}", *found.steps)
            )
        # Lines that are not wrapped stay as they are; not so with a list, since no record is one.
        match found.steps[:1]:
            case ("fromjson",):
                steps = (f"(.{key} | fromjson?) // .", *found.steps[1:])
            case (".[]",):
                steps = (f".{key}[]", *found.steps[1:])
            case _:
                steps = (f".{key} // .", *found.steps)
        return _Found(f'a wrapper, with the record in "{key}"', steps)
    return None


def _candidates(value: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield the fields of an object that may hold a record and are safe to name in a command."""
    for key, inner in islice(value.items(), _MOST_KEYS):
        if (
            isinstance(inner, dict | list | str)
            and _PLAIN.fullmatch(key)
            and key not in _RESERVED
            and (spelling(key) not in _FIELDS or spelling(key) in _WRAPPERS)
        ):
            yield key, inner


def _spelled_otherwise(value: dict[str, Any], names: dict[str, str]) -> _Found | None:
    """Return how to convert a record with other spellings of its fields, or its type in `action`; or None."""
    kind, steps, looks = names.get("type"), [], []
    other = [
        f"{key} for {_FIELDS[name]}"
        for name, key in names.items()
        if name in _FIELDS and key != _FIELDS[name] and _PLAIN.fullmatch(key)
    ]
    is_action = kind is None and _is_call(value.get(names.get("action", "")))
    if not is_action and not (kind and _is_call(value[kind])):
        return None
    if not any(name in names and _is_id(value[names[name]]) for name in ("userid", "anonymousid")):
        return None
    if other:
        steps.append(_RENAMED)
        looks.append(f"a record with other names ({', '.join(other[:3])})")
    if is_action:
        steps.append(_ACTION)
        looks.append('a record with its type in "action"')
    return _Found(" and ".join(looks), tuple(steps)) if steps else None


def _row(value: dict[str, Any]) -> _Found | None:
    """Return how to convert a row of a table of Segment's or RudderStack's in a warehouse, or None."""
    columns = {key.lower() for key in islice(value, _MOST_KEYS) if value[key] is not None}
    if "type" in columns or not columns & {"user_id", "anonymous_id", "id"}:
        return None
    if not columns & {"user_id", "anonymous_id"}:
        if not columns & _ROW_TIMES:
            return None
        kind = "user"
    elif columns & {"event", "event_text"}:
        kind = "track"
    elif columns & {"url", "path", "referrer"} and "email" not in columns:
        kind = "page"
    else:
        kind = "identify"
    is_upper = not any(key in value for key in ("user_id", "anonymous_id", "id"))
    steps = f"{_LOWER} | {_ROW}" if is_upper else _ROW
    looks = f"a row of a warehouse's table ({kind})"
    return _Found(looks, (_UNLESS_RECORD.format(steps),))
