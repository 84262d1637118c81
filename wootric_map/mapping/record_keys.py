"""The keys that tell records from one another over files, runs and years (segment.md 2, `duplicate`)."""

import hashlib
from typing import Final

import orjson

from wootric_map.read.record import Page, Track

_LONGEST_KEY: Final = 200
"""Characters; of a longer message id a digest stands for it."""


def event_key_of(record: Track | Page, line: bytes) -> str:
    """Return the key of a track or page record that is looked at alone.

    Args:
        record: the record.
        line: its line, for one without a `messageId`.
    """
    if record.message_id is None:
        return record_key(None, line_digest(line))
    name = record.event if isinstance(record, Track) else record.name
    return event_key(record.message_id, record.type, record.user_id, record.anonymous_id, name)


def record_key(message_id: str | None, digest: bytes) -> str:
    """Return what tells a record from every other.

    Args:
        message_id: the record's, if it has one.
        digest: of its line, where it has none.
    """
    if message_id is None:
        return digest.hex()
    if len(message_id) <= _LONGEST_KEY:
        return message_id
    return hashlib.blake2b(message_id.encode(), digest_size=16).hexdigest()


def event_key(
    message_id: str, kind: str, user_id: str | None, anonymous_id: str | None, name: str | None
) -> str:
    """Return what tells a track or page record with a `messageId` from every other (segment.md 2).

    Args:
        message_id: the record's.
        kind: `track` or `page`.
        user_id: the record's.
        anonymous_id: the record's.
        name: the event, or the page's name.
    """
    told = orjson.dumps([message_id, kind, user_id, anonymous_id, name])
    return hashlib.blake2b(told, digest_size=16).hexdigest()


def line_digest(line: bytes) -> bytes:
    """Return a digest of a record's line, for `record_key`."""
    return hashlib.blake2b(line, digest_size=16).digest()
