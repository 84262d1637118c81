"""The keys that tell records apart over files, runs and years (segment.md 2, `duplicate`)."""

import hashlib
from typing import Final

import orjson

from wootric_map.model import EndUserUpsert
from wootric_map.read.record import Page, Track
from wootric_map.survey_calls import SurveyKind

_LONGEST_KEY: Final = 200
"""Characters of a message id that is its record's key; a longer one is replaced by a digest."""


def event_key_of(record: Track | Page, line: bytes) -> str:
    """Return the key of a track or page record.

    Args:
        record: the record.
        line: a line that holds the record alone; it decides for a record without a `messageId`.
    """
    if record.message_id is None:
        return record_key(None, line_digest(line))
    name = record.event if isinstance(record, Track) else record.name
    user_id, anonymous_id = record.known_as or (record.user_id, record.anonymous_id)
    return event_key(record.message_id, record.type, user_id, anonymous_id, name)


def survey_key(kind: SurveyKind, key: str) -> str:
    """Return the key of a survey response or decline whose record has no `messageId`.

    It differs from the key of the eligibility check that the record may have been before.

    Args:
        kind: what the record is.
        key: the key of the record, as `record_key` returns it.
    """
    return f"{kind}:{key}"


def former_survey_key(kind: SurveyKind, message_id: str) -> str | None:
    """Return the key of a survey record whose `messageId` it is, as in a rejects file; else None."""
    return record_key(message_id, b"") if message_id.startswith(survey_key(kind, "")) else None


def record_key(message_id: str | None, digest: bytes) -> str:
    """Return the key of a record of any type.

    Args:
        message_id: the record's `messageId`, if there is one.
        digest: the digest of the record's line, used without a `messageId`.
    """
    if message_id is None:
        return digest.hex()
    if len(message_id) <= _LONGEST_KEY:
        return message_id
    return hashlib.blake2b(message_id.encode(), digest_size=16).hexdigest()


def event_key(
    message_id: str, kind: str, user_id: str | None, anonymous_id: str | None, name: str | None
) -> str:
    """Return the key of a track or page record with a `messageId` (segment.md 2).

    Args:
        message_id: the record's `messageId`.
        kind: the record's type, `track` or `page`; or `response` or `decline`, if a track record is that.
        user_id: the record's `userId`.
        anonymous_id: the record's `anonymousId`.
        name: the name of the event or page.
    """
    parts = orjson.dumps([message_id, kind, user_id, anonymous_id, name])
    return hashlib.blake2b(parts, digest_size=16).hexdigest()


def line_digest(line: bytes) -> bytes:
    """Return the digest of a line that holds one record, for `record_key`."""
    return hashlib.blake2b(line, digest_size=16).digest()


def turn_off_key(identify: str, ids: EndUserUpsert, *, is_off: bool) -> str:
    """Return the key of what an identify says about surveys.

    Args:
        identify: the key of the identify, which one of somebody else may have, too.
        ids: the ids of its end user.
        is_off: whether the end user wants no surveys.
    """
    parts = [identify, ids.segment_user_id, ids.email, ids.phone_number, ids.wootric_id, is_off]
    return f"surveys:{hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()}"
