"""Events and pages (wootric.md 5): eligibility, registered events and the page pixel.

The sandbox's own rules where wootric.md says nothing:

- The codes of the answers are the integers below. A check of a registered event is always eligible, without
  a draw.
- An email, external id or phone number names the end user of a check. A check creates no end user.
- A check whose `end_user_created_at` or `properties` break the rules of wootric.md 3 and 6 is refused with
  422 and not kept.
- The pixel answers 200 to any request, as a content network does. Only page views and checks of this account
  are kept.
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
    """An eligibility check that the account received."""

    time: float
    """When the check came, in unix seconds."""

    params: Mapping[str, str]
    """The parameters as they were sent, by name, such as `properties[plan]`."""

    eligible: bool
    """Whether the answer was that the end user is eligible."""

    def to_json(self) -> dict[str, object]:
        """Return the fields as `/_sandbox/state` shows them."""
        return {"time": self.time, "eligible": self.eligible, "params": dict(self.params)}


@dataclass(frozen=True, slots=True)
class PageView:
    """A page view that the account received through the pixel."""

    time: float
    """When the page view came, in unix seconds."""

    params: Mapping[str, str]
    """The parameters as they were sent, by name, such as `page_info[path]`."""

    def to_json(self) -> dict[str, object]:
        """Return the fields as `/_sandbox/state` shows them."""
        return {"time": self.time, "params": dict(self.params)}


def check_eligibility(
    settings: SandboxSettings, query: Mapping[str, str], now: float
) -> tuple[Reply, EligibilityCheck | None]:
    """Answer `GET /eligible.json`.

    Args:
        settings: the sandbox's account.
        query: the parameters.
        now: the unix time.

    Returns:
        The reply, and the check to keep; None in its place if the check is for another account.

    Raises:
        RefusedError: 422 with every rule that the query breaks.
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
    """Answer `GET /registered_events.json` with an array, which is empty for another account."""
    is_account = query.get("account_token") == settings.account_token
    return Reply(list(settings.registered_events) if is_account else [])


def view_page(
    settings: SandboxSettings, query: Mapping[str, str], now: float
) -> tuple[Reply, PageView | None]:
    """Answer `GET /pixel.gif`.

    Args:
        settings: the sandbox's account.
        query: the parameters.
        now: the unix time.

    Returns:
        The pixel, and the page view to keep; None in its place if the page view is for another account.
    """
    is_account = query.get("account_token") == settings.account_token
    reply = Reply(PIXEL, headers=_NO_STORE, media_type="image/gif")
    return reply, PageView(now, query) if is_account else None


def _not_eligible(code: int, why: str) -> Reply:
    return Reply({"eligible": False, "details": {"code": code, "why": why}}, headers=_NO_STORE)
