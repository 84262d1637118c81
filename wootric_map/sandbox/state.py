"""The state of a sandbox. The server's thread changes the state; any thread may read it."""

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from wootric_map.sandbox.end_user_index import EndUser
from wootric_map.sandbox.end_users import PAGE_MOST, PER_PAGE_MOST, EndUserStore
from wootric_map.sandbox.events import (
    EligibilityCheck,
    PageView,
    check_eligibility,
    registered_events,
    view_page,
)
from wootric_map.sandbox.limits import RateLimits
from wootric_map.sandbox.oauth import SignIns
from wootric_map.sandbox.settings import SandboxSettings
from wootric_map.sandbox.surveys import (
    Decline,
    SurveyResponse,
    SurveyStore,
    listed,
)
from wootric_map.sandbox.wire import Reply, SandboxRequest

REQUESTS_KEPT: Final = 10_000
"""The number of last requests in `SandboxState.requests`; the counts include all requests."""


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """The numbers of requests, without those to `/_sandbox/`."""

    total: int
    by_endpoint: Mapping[str, int]
    """By method and path template, such as `POST /v1/end_users`."""
    by_status: Mapping[int, int]
    """By status code; 0 stands for a reply that a fault cut short."""

    def to_json(self) -> dict[str, object]:
        """Return the counts as `/_sandbox/state` shows them."""
        return {
            "total": self.total,
            "by_endpoint": dict(self.by_endpoint),
            "by_status": {str(status): count for status, count in self.by_status.items()},
        }


class _RequestLog:
    """The last requests, and the counts of all."""

    def __init__(self) -> None:
        self.requests: deque[Mapping[str, object]] = deque(maxlen=REQUESTS_KEPT)
        self._by_endpoint: Counter[str] = Counter()
        self._by_status: Counter[int] = Counter()

    def add(self, endpoint: str, record: Mapping[str, object], status: int) -> None:
        """Count and keep a request; arguments as in `SandboxState.note`."""
        self.requests.append(record)
        self._by_endpoint[endpoint] += 1
        self._by_status[status] += 1

    @property
    def counts(self) -> RequestCounts:
        """The numbers of requests."""
        return RequestCounts(
            self._by_endpoint.total(), dict(self._by_endpoint), dict(self._by_status)
        )


class SandboxState:
    """The state of a sandbox, and the requests that change it.

    Any thread may read the properties, which are copies. The methods that answer requests are for the server,
    which holds `lock` while it calls them.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        *,
        clock: Callable[[], float],
        new_token: Callable[[], str],
    ) -> None:
        """Start empty.

        Args:
            settings: the sandbox's account and behaviour.
            clock: returns the unix time in seconds.
            new_token: returns a new access or refresh token.
        """
        self.settings = settings
        self.clock = clock
        self.lock = threading.RLock()
        self._began = clock()
        self.sign_ins = SignIns(settings, new_token)
        self.limits = RateLimits(settings)
        self._end_users = EndUserStore()
        self._checks: list[EligibilityCheck] = []
        self._page_views: list[PageView] = []
        self._surveys = SurveyStore()
        self._log = _RequestLog()

    # For any thread.

    @property
    def end_users(self) -> tuple[EndUser, ...]:
        """All end users in the order of their ids."""
        with self.lock:
            return self._end_users.index.all()

    @property
    def eligibility_checks(self) -> tuple[EligibilityCheck, ...]:
        """All eligibility checks in the order in which they came."""
        with self.lock:
            return tuple(self._checks)

    @property
    def page_views(self) -> tuple[PageView, ...]:
        """All page views in the order in which they came."""
        with self.lock:
            return tuple(self._page_views)

    @property
    def responses(self) -> tuple[SurveyResponse, ...]:
        """All responses in the order of their ids."""
        with self.lock:
            return tuple(self._surveys.responses)

    @property
    def declines(self) -> tuple[Decline, ...]:
        """All declines in the order of their ids."""
        with self.lock:
            return tuple(self._surveys.declines)

    @property
    def requests(self) -> tuple[Mapping[str, object], ...]:
        """The last `REQUESTS_KEPT` requests as `--log` writes them, with `***` for secrets."""
        with self.lock:
            return tuple(self._log.requests)

    @property
    def request_counts(self) -> RequestCounts:
        """The numbers of requests since the start or the last reset."""
        with self.lock:
            return self._log.counts

    def find_end_user(
        self,
        *,
        email: str | None = None,
        external_id: str | None = None,
        phone_number: str | None = None,
    ) -> EndUser | None:
        """Return the end user with the first of these values that is given; None if there is none."""
        with self.lock:
            if email is not None:
                return self._end_users.index.by_email(email)
            if external_id is not None:
                return self._end_users.index.by_external_id(external_id)
            return self._end_users.index.by_phone_number(phone_number or "")

    def to_json(self) -> dict[str, object]:
        """Return the whole state as `GET /_sandbox/state` shows it."""
        with self.lock:
            return {
                "end_users": [row.to_json() for row in self.end_users],
                "eligibility_checks": [row.to_json() for row in self.eligibility_checks],
                "page_views": [row.to_json() for row in self.page_views],
                "responses": [row.to_json() for row in self.responses],
                "declines": [row.to_json() for row in self.declines],
                "requests": self.request_counts.to_json(),
            }

    def reset(self) -> None:
        """Forget all that was received, and end all rate windows. Issued tokens stay valid."""
        with self.lock:
            self._began = self.clock()
            self.limits.clear()
            self._end_users = EndUserStore()
            self._checks.clear()
            self._page_views.clear()
            self._surveys = SurveyStore()
            self._log = _RequestLog()

    def expire_tokens(self) -> None:
        """Let all issued access tokens expire now."""
        with self.lock:
            self.sign_ins.expire_all()

    # For the server, which holds the lock.

    def note(self, endpoint: str, record: Mapping[str, object], status: int | None) -> None:
        """Count a request and keep it for `requests`.

        Args:
            endpoint: the method and path template.
            record: the request with masked secrets.
            status: the status of the reply; None for a reply that was cut short.
        """
        self._log.add(endpoint, record, status or 0)

    def token(self, request: SandboxRequest) -> Reply:
        """Answer `POST /oauth/token` (wootric.md 2)."""
        return self.sign_ins.token(request, self.clock())

    def list_end_users(self, request: SandboxRequest) -> Reply:
        """Answer `GET /end_users` (wootric.md 3)."""
        return Reply([row.to_json() for row in self._end_users.list_page(request.query)])

    def create_end_user(self, request: SandboxRequest) -> Reply:
        """Answer `POST /end_users` (wootric.md 3)."""
        created = self._end_users.create(request.form, int(self.clock()))
        as_text = self.settings.properties_as_text
        return Reply(_written(created, properties_as_text=as_text), 201)

    def get_end_user(self, request: SandboxRequest) -> Reply:
        """Answer `GET /end_users/{id}`, by id, email or external id (wootric.md 3)."""
        return Reply(self._end_users.look_up(request).to_json())

    def get_end_user_by_phone_number(self, request: SandboxRequest) -> Reply:
        """Answer `GET /end_users/phone_number/{+number}` (wootric.md 3)."""
        return Reply(self._end_users.look_up_phone_number(request).to_json())

    def update_end_user(self, request: SandboxRequest) -> Reply:
        """Answer `PUT /end_users/{id}` (wootric.md 3)."""
        end_user_id, now = request.path_params["id"], int(self.clock())
        updated = self._end_users.update(end_user_id, request.form, now)
        return Reply(_written(updated, properties_as_text=self.settings.properties_as_text))

    def get_settings(self, request: SandboxRequest) -> Reply:
        """Answer `GET /end_users/{id}/settings` (wootric.md 8)."""
        return Reply(dict(self._end_users.by_id(request.path_params["id"]).settings))

    def change_settings(self, request: SandboxRequest) -> Reply:
        """Answer `PUT /end_users/{id}/settings` (wootric.md 8)."""
        end_user_id, sent = request.path_params["id"], {**request.query, **request.form}
        changed = self._end_users.change_settings(end_user_id, sent, int(self.clock()))
        return Reply(dict(changed.settings))

    def create_response(self, request: SandboxRequest) -> Reply:
        """Answer `POST /end_users/{id}/responses` (wootric.md 7)."""
        end_user, now = self._end_users.by_id(request.path_params["id"]), int(self.clock())
        response, properties = self._surveys.respond(end_user.id, request.form, now)
        self._end_users.note_survey(end_user, properties, response, now)
        return Reply(response.to_json(), 201)

    def list_responses(self, request: SandboxRequest) -> Reply:
        """Answer `GET /end_users/{id}/responses` (wootric.md 7)."""
        return self._listed(self._surveys.responses, request)

    def create_decline(self, request: SandboxRequest) -> Reply:
        """Answer `POST /end_users/{id}/declines` (wootric.md 7)."""
        end_user, now = self._end_users.by_id(request.path_params["id"]), int(self.clock())
        decline, properties = self._surveys.decline(end_user.id, request.form, now)
        self._end_users.note_survey(end_user, properties, None, now)
        return Reply(decline.to_json(), 201)

    def list_declines(self, request: SandboxRequest) -> Reply:
        """Answer `GET /end_users/{id}/declines` (wootric.md 7)."""
        return self._listed(self._surveys.declines, request)

    def _listed(
        self, rows: Sequence[SurveyResponse] | Sequence[Decline], request: SandboxRequest
    ) -> Reply:
        end_user = self._end_users.by_id(request.path_params["id"])
        own = [row for row in rows if row.end_user_id == end_user.id]
        page = listed(own, request.query, per_page_most=PER_PAGE_MOST, page_most=PAGE_MOST)
        return Reply([row.to_json() for row in page])

    def check_eligibility(self, request: SandboxRequest) -> Reply:
        """Answer `GET /eligible.json` (wootric.md 5)."""
        reply, check = check_eligibility(self.settings, request.query, self.clock())
        if check is not None:
            self._checks.append(check)
        return reply

    def list_registered_events(self, request: SandboxRequest) -> Reply:
        """Answer `GET /registered_events.json` (wootric.md 5)."""
        return registered_events(self.settings, request.query)

    def view_page(self, request: SandboxRequest) -> Reply:
        """Answer `GET /pixel.gif` (wootric.md 5)."""
        reply, page_view = view_page(self.settings, request.query, self.clock())
        if page_view is not None:
            self._page_views.append(page_view)
        return reply

    def show_state(self, _request: SandboxRequest) -> Reply:
        """Answer `GET /_sandbox/state`, which Wootric does not have."""
        return Reply(self.to_json())

    def tell_of_itself(self, _request: SandboxRequest) -> Reply:
        """Answer `GET /_sandbox/about`, which Wootric does not have."""
        return Reply({"sandbox": "wootric-replay", "began": self._began})

    def take_reset(self, _request: SandboxRequest) -> Reply:
        """Answer `POST /_sandbox/reset`, which Wootric does not have."""
        self.reset()
        return Reply({"reset": True})


def _written(end_user: EndUser, *, properties_as_text: bool) -> dict[str, object]:
    """Return an end user as the reply to a POST or PUT shows it."""
    shown = end_user.to_json()
    if properties_as_text:
        pairs = (
            f"{json.dumps(name)}=>{json.dumps(value)}"
            for name, value in end_user.properties.items()
        )
        shown["properties"] = "{" + ", ".join(pairs) + "}"
    return shown
