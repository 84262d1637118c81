"""Events and pages (wootric.md 5): eligibility, registered events and the page pixel.

Where wootric.md is silent, this is what was chosen:

- The answers' codes are the integers below. An eligible one says so every time: no draw.
- Any of email, external id and phone number names the end user of a check. A check creates none.
- A check whose `end_user_created_at` or `properties` break the rules of wootric.md 3 and 6 is
  answered 422 and not kept.
- The pixel comes from a content network: it answers 200 to anything, and keeps what names the
  account. So do checks: those of another account are answered, and not kept.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wootric_map.sandbox.settings import SandboxSettings
from wootric_map.sandbox.wire import Reply, blank_to_none, flat_hash, invalid, read_seconds

ELIGIBLE: Final = 100
UNKNOWN_ACCOUNT: Final = 200
NO_END_USER: Final = 201
NO_TARGETED_SAMPLING: Final = 202
NO_EVENT_NAME: Final = 203
UNREGISTERED_EVENT: Final = 204

PIXEL: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one pixel."""

_NO_STORE: Final = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class EligibilityCheck:
    """An eligibility check that the account took."""

    time: float
    """When it came, unix seconds."""

    params: Mapping[str, str]
    """All that it sent, under the names it was sent by, such as `properties[plan]`."""

    eligible: bool
    """What it was told."""

    def to_json(self) -> dict[str, object]:
        """Return the check for `/_sandbox/state`."""
        return {"time": self.time, "eligible": self.eligible, "params": dict(self.params)}


@dataclass(frozen=True, slots=True)
class PageView:
    """A page view that the account took through the pixel."""

    time: float
    """When it came, unix seconds."""

    params: Mapping[str, str]
    """All that it sent, under the names it was sent by, such as `page_info[path]`."""

    def to_json(self) -> dict[str, object]:
        """Return the page view for `/_sandbox/state`."""
        return {"time": self.time, "params": dict(self.params)}


def check_eligibility(
    settings: SandboxSettings, query: Mapping[str, str], now: float
) -> tuple[Reply, EligibilityCheck | None]:
    """Answer `GET /eligible.json`.

    Returns:
        The reply, and the check to keep: `None` if it is not this account's.

    Raises:
        RefusedError: 422, listing every rule that the query breaks.
    """
    if query.get("account_token") != settings.account_token:
        return _not_eligible(UNKNOWN_ACCOUNT, "account_token is missing or unknown"), None

    problems: list[str] = []
    read_seconds(query, "end_user_created_at", problems, "End user created at")
    flat_hash(query, "properties", problems)
    if problems:
        raise invalid(*problems)

    event_name = query.get("event_name")
    if not any(blank_to_none(query.get(key)) for key in ("email", "external_id", "phone_number")):
        reply = _not_eligible(NO_END_USER, "no email, external_id or phone_number")
    elif not event_name:
        reply = _not_eligible(NO_EVENT_NAME, "no event_name")
    elif not settings.registered_events:
        reply = _not_eligible(NO_TARGETED_SAMPLING, "Targeted Sampling is off for this account")
    elif event_name not in settings.registered_events:
        reply = _not_eligible(UNREGISTERED_EVENT, "the event is not registered")
    else:
        body = {
            "eligible": True,
            "details": {"code": ELIGIBLE, "why": "the event is registered"},
            "settings": {
                "account_token": settings.account_token,
                "language": query.get("language[code]") or "en",
            },
            "sampling_rule": {"name": f"{event_name} (sandbox)"},
        }
        return Reply(body, headers=_NO_STORE), EligibilityCheck(now, query, eligible=True)
    return reply, EligibilityCheck(now, query, eligible=False)


def registered_events(settings: SandboxSettings, query: Mapping[str, str]) -> Reply:
    """Answer `GET /registered_events.json`: an array, empty for an account that is not this one."""
    known = query.get("account_token") == settings.account_token
    return Reply(list(settings.registered_events) if known else [])


def view_page(
    settings: SandboxSettings, query: Mapping[str, str], now: float
) -> tuple[Reply, PageView | None]:
    """Answer `GET /pixel.gif`.

    Returns:
        The pixel, and the page view to keep: `None` if it is not this account's.
    """
    known = query.get("account_token") == settings.account_token
    reply = Reply(PIXEL, headers=_NO_STORE, media_type="image/gif")
    return reply, PageView(now, query) if known else None


def _not_eligible(code: int, why: str) -> Reply:
    return Reply({"eligible": False, "details": {"code": code, "why": why}}, headers=_NO_STORE)
