"""A record looked at alone → the call that it makes."""

import hashlib

from wootric_map.mapping.settings import Mapped
from wootric_map.model import Call, EligibilityCheck, EndUserUpsert, PageView
from wootric_map.read.record import Identify, Track
from wootric_map.values.contact import trimmed
from wootric_map.values.json_values import decimal_text


def call_for(mapped: Mapped, key: str) -> Call:
    """Return the call that one record makes, taken alone.

    Args:
        mapped: the record.
        key: as `record_key` gives it.
    """
    record, settings, user = mapped.record, mapped.settings, mapped.user
    email = trimmed(user.email)
    if isinstance(record, Identify):
        return EndUserUpsert(
            email=email,
            external_id=user.user_id,
            phone_number=user.phone,
            external_created_at=user.created_at,
            properties=mapped.stored,
            wootric_id=user.wootric_id,
        )
    if isinstance(record, Track):
        return EligibilityCheck(
            event_name=record.event,
            email=email,
            external_id=user.user_id,
            phone_number=user.phone,
            end_user_created_at=user.created_at,
            language=user.language,
            properties=settings.properties or {},
        )
    info = settings.page_info or {}
    return page_view(
        key,
        email=email,
        created_at=user.created_at,
        url=info.get("url"),
        name=info.get("name"),
        path=info.get("path"),
    )


def page_view(
    key: str, *, email: str | None, created_at: int | None, url: object, name: object, path: object
) -> PageView:
    """Return a page view; what is no text or number in it is left out.

    Args:
        key: as `record_key` gives it.
        email: its user's.
        created_at: its user's, in unix seconds.
        url: the page's.
        name: the page's.
        path: the page's.
    """
    return PageView(_random(key), email, created_at, plain(url), plain(name), plain(path))


def _random(key: str) -> str:
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def plain(value: object) -> str | None:
    """Return a page's value as it is sent: text, or a number as text; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return decimal_text(value)
    return value if isinstance(value, str) and value else None
