"""A record by itself → the call that it makes."""

import hashlib

from wootric_map.mapping.settings import Mapped
from wootric_map.model import Call, EligibilityCheck, EndUserUpsert, PageView
from wootric_map.read.record import Group, Identify, Survey, Track
from wootric_map.survey_calls import SurveyCall, SurveyDecline, SurveyResponse
from wootric_map.values.contact import trimmed
from wootric_map.values.json_values import decimal_text


def call_for(mapped: Mapped, key: str, *, by_trait: bool = False) -> Call:
    """Return the call that a record makes by itself, without what other records say of its user.

    Args:
        mapped: the record with its settings.
        key: the record's key, as `record_keys.record_key` returns it.
        by_trait: whether a trait of identifies gives the external id, in place of the `userId`.
    """
    record, settings, user = mapped.record, mapped.settings, mapped.user
    email, external_id = trimmed(user.email), user.user_id
    if by_trait:
        said = record.external_id if isinstance(record, Identify) else None
        external_id = said.text if said else None
    if isinstance(record, Identify | Group):
        return EndUserUpsert(
            email=email,
            external_id=external_id,
            phone_number=user.phone,
            external_created_at=user.created_at,
            properties=mapped.stored,
            wootric_id=user.wootric_id,
        )
    if isinstance(record, Track) and record.survey:
        return survey_call(
            record.survey,
            wootric_id=user.wootric_id,
            email=email,
            external_id=external_id,
            phone_number=user.phone,
        )
    if isinstance(record, Track):
        return EligibilityCheck(
            event_name=record.sent_as or record.event,
            email=email,
            external_id=external_id,
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


def survey_call(
    survey: Survey,
    *,
    wootric_id: str | None = None,
    email: str | None = None,
    external_id: str | None = None,
    phone_number: str | None = None,
) -> SurveyCall:
    """Return the call that a survey response or decline makes.

    Args:
        survey: what the record says.
        wootric_id: Wootric's own id of the end user, if it is known.
        email: the end user's email.
        external_id: the end user's external id.
        phone_number: the end user's phone number.
    """
    kind, created_at, score, text, ip_address, origin_url = survey
    ids = (wootric_id, email, external_id, phone_number)
    if kind == "decline" or score is None:
        return SurveyDecline(created_at, origin_url, *ids)
    return SurveyResponse(score, created_at, text, ip_address, origin_url, *ids)


def page_view(
    key: str, *, email: str | None, created_at: int | None, url: object, name: object, path: object
) -> PageView:
    """Return a page view; a `url`, `name` or `path` that is neither text nor a number is left out.

    Args:
        key: the record's key, as `record_keys.record_key` returns it.
        email: the email of the page's user.
        created_at: when the user was created, in unix seconds.
        url: the page's URL.
        name: the page's name.
        path: the page's path.
    """
    return PageView(page_random(key), email, created_at, plain(url), plain(name), plain(path))


def page_random(key: str) -> str:
    """Return the text by which a page view differs from all others.

    Args:
        key: the key of the page's record, as `record_keys.record_key` returns it.
    """
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def plain(value: object) -> str | None:
    """Return text or a number as text, as a page view sends it; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return decimal_text(value)
    return value if isinstance(value, str) and value else None
