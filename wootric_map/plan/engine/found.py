"""A record as the database gives it back, and as the plan reads it."""

import marshal
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from wootric_map.mapping.record_keys import line_digest
from wootric_map.plan.engine.rows import CHOSEN, DETACHED, IDENTIFY, TRACK

WITHOUT_WOOTRIC_ID: Final = 64
"""Added to the kind of a detached identify whose email is several people's: Wootric's own id is the id of
whoever's `userId` it came with."""

_COLUMNS: Final = (
    "time",
    "NULL",
    "raw",
    "mark",
    "line",
    "number",
    "topic",
    "packed",
    "source",
    "message",
    "user_id",
    "anonymous_id",
    "name",
    "url",
    "path",
    "fields",
    "person",
    "root",
)

Found: TypeAlias = tuple[Any, ...]
"""A record of the table `arranged`, as `found_columns` takes it out."""


class Row(NamedTuple):
    """A record as the plan reads it again."""

    number: int
    """Counted from 1 in the order in which records were read."""
    kind: int
    """`IDENTIFY`, `TRACK` or `PAGE`."""
    chosen: bool
    """Whether it is replayed; else it only serves to know who is who."""
    time: int | None
    """Milliseconds since the epoch."""
    message_id: str | None
    digest: bytes
    """Of the record's line, where it has no message id; else empty."""
    source: str
    line: int
    topic: Any
    payload: Any
    detached: bool = False
    """Whether it belongs to the end user of its email alone (segment.md 8)."""


def found_columns() -> str:
    """Return what is selected of the table `arranged`."""
    return ", ".join(_COLUMNS)


def topic_of(found: Found) -> Any:
    """Return the event of a track record, the url, name and path of a page record.

    For an identify, what is equal for identifies of which each says again all that those before it said.
    """
    kind = found[3] & 3
    if kind == IDENTIFY:
        return found[6]
    if found[7] is not None:
        return marshal.loads(found[7])[4]  # noqa: S302 - our own
    if kind == TRACK:
        return found[12]
    return found[13], found[12], found[14]


def payload_of(found: Found) -> Any:
    """Return what else is kept of a record.

    For an identify: its `userId`, Wootric's own id, its traits and their place. For a track record: where
    its email stands, its user, its anonymousId, its properties; for a page record, in place of the last its
    name.
    """
    mark, packed = found[3], found[7]
    if packed is not None:
        own = marshal.loads(packed)[:4]  # noqa: S302 - our own
        if mark & WITHOUT_WOOTRIC_ID:
            return own[0], None, *own[2:]
        return own
    user_id, anonymous_id, name, fields = found[10], found[11], found[12], found[15]
    kind = mark & 3
    if kind == IDENTIFY:
        return user_id, None, orjson.loads(fields), "traits"
    is_email = user_id is not None and "@" in user_id
    user = user_id, user_id if is_email else None, None, None, None, None
    email_from = "userId" if is_email else None
    return email_from, user, anonymous_id, orjson.loads(fields) if kind == TRACK else name


def row_of(found: Found, sources: Sequence[str]) -> Row:
    """Return a record as the plan reads it; `sources` are the names of the sources."""
    time, _, raw, mark, line, number, _, _, source, message, *_ = found
    return Row(
        number,
        mark & 3,
        bool(mark & CHOSEN),
        time,
        message,
        b"" if message is not None else line_digest(bytes(raw)),
        sources[source],
        line,
        topic_of(found),
        payload_of(found),
        bool(mark & DETACHED),
    )
