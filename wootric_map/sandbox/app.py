"""The sandbox as a Starlette application: from HTTP to the rules, and back."""

import asyncio
import enum
import ipaddress
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wootric_map.sandbox.faults import FaultRule, random_errors
from wootric_map.sandbox.settings import SandboxSettings
from wootric_map.sandbox.state import SandboxState
from wootric_map.sandbox.wire import RefusedError, Reply, SandboxRequest, failure, parse_pairs

LogRequest = Callable[[Mapping[str, object]], None]
"""Called with each answered request; its secrets are masked."""

Handler = Callable[[SandboxRequest], Reply]
"""Answers a request, or raises `RefusedError`."""

_FORM: Final = "application/x-www-form-urlencoded"
_MASK: Final = "***"
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
_SECRET_PARAMS: Final = frozenset({"access_token", "client_secret", "password", "refresh_token"})


class _Access(enum.Enum):
    """Who may use an endpoint, and which limits and faults apply."""

    SIGN_IN = enum.auto()
    """Open to all, without a rate limit, with faults of its own."""
    REST = enum.auto()
    """Requires an access token."""
    PUBLIC = enum.auto()
    """Open to all; `account_token` in the query names the account."""
    INTROSPECTION = enum.auto()
    """Requires a loopback name for this machine; requests are neither logged nor counted."""


def create_app(
    settings: SandboxSettings,
    *,
    clock: Callable[[], float] = time.time,
    new_token: Callable[[], str] = lambda: secrets.token_hex(32),
    log: LogRequest | None = None,
) -> Starlette:
    """Create a sandbox that any ASGI server can serve.

    Args:
        settings: the sandbox's account and behaviour.
        clock: returns the unix time in seconds.
        new_token: returns a new access or refresh token.
        log: called with each answered request; its secrets are masked.

    Returns:
        The application. Its `state.sandbox` is the `SandboxState`.
    """
    return build_app(SandboxState(settings, clock=clock, new_token=new_token), log)


def build_app(state: SandboxState, log: LogRequest | None = None) -> Starlette:
    """Create the application of a sandbox around its state.

    Args:
        state: the state, which the caller can look into.
        log: called with each answered request; its secrets are masked.
    """
    app = Starlette(middleware=[Middleware(_RouteByRawPath)], routes=list(_routes(state, log)))
    app.state.sandbox = state
    return app


def _routes(state: SandboxState, log: LogRequest | None) -> Iterator[Route]:
    """Yield the routes of the sandbox; arguments as in `build_app`."""
    faults = _faults_by_access(state.settings)
    for path, access, handlers in _endpoints(state):
        yield Route(path, _Endpoint(path, access, handlers, state, faults[access], log))


def _faults_by_access(settings: SandboxSettings) -> dict[_Access, tuple[FaultRule, ...]]:
    faults = settings.faults
    if settings.error_rate:
        rng = random.Random(settings.seed)  # noqa: S311 - it draws errors, not secrets
        faults = (random_errors(settings.error_rate, rng), *faults)
    return {
        _Access.REST: faults,
        _Access.PUBLIC: faults,
        _Access.SIGN_IN: settings.sign_in_faults,
        _Access.INTROSPECTION: (),
    }


def _endpoints(state: SandboxState) -> list[tuple[str, _Access, Mapping[str, Handler]]]:
    """Return each path, who may use it, and what answers each method; the first path that matches counts."""
    end_users, end_user = "/v1/end_users", "/v1/end_users/{id}"
    by_phone = f"{end_users}/phone_number/{{number:path}}"
    rest, public, introspection = _Access.REST, _Access.PUBLIC, _Access.INTROSPECTION
    responses = {"GET": state.list_responses, "POST": state.create_response}
    settings = {"GET": state.get_settings, "PUT": state.change_settings}
    declines = {"GET": state.list_declines, "POST": state.create_decline}
    return [
        (end_users, rest, {"GET": state.list_end_users, "POST": state.create_end_user}),
        (by_phone, rest, {"GET": state.get_end_user_by_phone_number}),
        (end_user, rest, {"GET": state.get_end_user, "PUT": state.update_end_user}),
        (f"{end_user}/settings", rest, settings),
        (f"{end_user}/responses", rest, responses),
        (f"{end_user}/declines", rest, declines),
        ("/eligible.json", public, {"GET": state.check_eligibility}),
        ("/registered_events.json", public, {"GET": state.list_registered_events}),
        ("/pixel.gif", public, {"GET": state.view_page}),
        ("/oauth/token", _Access.SIGN_IN, {"POST": state.token}),
        ("/_sandbox/about", introspection, {"GET": state.tell_of_itself}),
        ("/_sandbox/state", introspection, {"GET": state.show_state}),
        ("/_sandbox/reset", introspection, {"POST": state.take_reset}),
        ("/{path:path}", _Access.SIGN_IN, {}),
    ]


class _RouteByRawPath:
    """Routes by the path as it was sent, so that `%2F` in an email or external id is not a slash."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = scope["raw_path"].decode("latin-1")
        await self._app(scope, receive, send)


class _Endpoint:
    """Answers the requests for one path."""

    def __init__(
        self,
        path: str,
        access: _Access,
        handlers: Mapping[str, Handler],
        state: SandboxState,
        faults: tuple[FaultRule, ...],
        log: LogRequest | None,
    ) -> None:
        self._path = path.replace(":path}", "}")
        self._access = access
        self._handlers = handlers
        self._allow = ", ".join(handlers)
        self._state = state
        self._faults = faults
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        if body is None:
            return
        state = self._state
        received_at = state.clock()
        if state.settings.latency and self._access is not _Access.INTROSPECTION:
            await asyncio.sleep(state.settings.latency)

        received = _Received(scope, f"{scope['method']} {self._path}", body)
        record: dict[str, object] | None = None
        with state.lock:
            answer: ASGIApp
            try:
                answer = self._answer(received.request())
            except UnicodeDecodeError:
                answer = _response(failure(400, "bad_request", "The request is not UTF-8").reply)
            if self._access is not _Access.INTROSPECTION:
                status = answer.status_code if isinstance(answer, Response) else None
                record = received.record(received_at, status)
                state.note(received.endpoint, record, status)
        if record is not None and self._log is not None:
            self._log(record)
        await answer(scope, receive, send)

    def _answer(self, request: SandboxRequest) -> ASGIApp:
        """Return the reply to a request, a refusal, or the answer of a fault."""
        rate_headers: Mapping[str, str] = {}
        try:
            handler = self._handler(request)
            rate_headers = self._admit(request)
            for rule in self._faults:
                fault = rule(request)
                if fault is not None:
                    if fault.carried_out:
                        _carry_out(handler, request)
                    if isinstance(fault.answer, Response):
                        fault.answer.headers.update(rate_headers)
                    return fault.answer
            return _response(handler(request), rate_headers)
        except RefusedError as refusal:
            return _response(refusal.reply, rate_headers)

    def _handler(self, request: SandboxRequest) -> Handler:
        """Return the handler for a request's method.

        Raises:
            RefusedError: 404 without any handler, 405 without one for the method.
        """
        handler = self._handlers.get(request.method)
        if handler is None:
            if not self._handlers:
                raise failure(404, "not_found", "There is nothing at this address")
            raise failure(
                405,
                "method_not_allowed",
                f"{request.method} is not among the methods of this address: {self._allow}",
                headers={"Allow": self._allow},
            )
        return handler

    def _admit(self, request: SandboxRequest) -> Mapping[str, str]:
        """Check the access and count the request for the rate limit; return the rate-limit headers.

        Raises:
            RefusedError: the request lacks access, is over the limit, or has a body that is not a form.
        """
        state = self._state
        match self._access:
            case _Access.SIGN_IN:
                return {}
            case _Access.INTROSPECTION:
                if not _is_loopback_name(request.headers.get("host", "")):
                    # A web page can point a name of its own at 127.0.0.1 and have the browser ask.
                    raise failure(403, "forbidden", "Only by a loopback address")
                return {}
            case _Access.REST:
                now = state.clock()
                state.sign_ins.authorize(request.headers.get("authorization"), now)
                rate_headers = state.limits.take(request.endpoint, now)
                if request.has_other_body:
                    raise failure(
                        415,
                        "unsupported_media_type",
                        f"The body must be {_FORM}",
                        headers=rate_headers,
                    )
                return rate_headers
            case _Access.PUBLIC:
                if request.query.get("account_token") != state.settings.account_token:
                    return {}  # only an account has limits
                return state.limits.take(request.endpoint, state.clock())


class _Received:
    """A request as it came."""

    def __init__(self, scope: Scope, endpoint: str, body: bytes) -> None:
        self.endpoint = endpoint
        self._scope = scope
        self._body = body
        self._headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self._query: list[tuple[str, str]] = []
        self._form: list[tuple[str, str]] = []

    def request(self) -> SandboxRequest:
        """Return the request with its parts decoded.

        Raises:
            UnicodeDecodeError: a part is not UTF-8.
        """
        scope = self._scope
        content_type = self._headers.get("content-type", "").partition(";")[0].strip().lower()
        is_form = content_type == _FORM
        self._query = parse_pairs(scope["query_string"])
        self._form = parse_pairs(self._body) if is_form else []
        return SandboxRequest(
            endpoint=self.endpoint,
            method=scope["method"],
            path=scope["path"],
            path_params={
                name: unquote(value, errors="strict")
                for name, value in scope["path_params"].items()
            },
            query=dict(self._query),
            form=dict(self._form),
            headers=self._headers,
            has_other_body=bool(self._body) and not is_form,
        )

    def record(self, received_at: float, status: int | None) -> dict[str, object]:
        """Return the entry for the log, with masked secrets."""
        return {
            "time": received_at,
            "endpoint": self.endpoint,
            "method": self._scope["method"],
            "path": self._scope["path"],
            "query": _masked(self._query, _SECRET_PARAMS),
            "form": _masked(self._form, _SECRET_PARAMS),
            "headers": _masked(self._headers.items(), _SECRET_HEADERS),
            "status": status,
        }


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body of a request, or None if the client hangs up before its end."""
    message: Message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        return body
    parts: list[bytes] = []
    while message["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()
    return None


def _carry_out(handler: Handler, request: SandboxRequest) -> None:
    """Carry a request out, and drop its reply or refusal."""
    try:
        handler(request)
    except RefusedError:
        return


def _response(reply: Reply, rate_headers: Mapping[str, str] | None = None) -> Response:
    """Return a reply as an HTTP response, with further headers."""
    content = reply.body if isinstance(reply.body, bytes) else orjson.dumps(reply.body)
    headers = {**(reply.headers or {}), **(rate_headers or {})}
    return Response(content, reply.status, headers, reply.media_type)


def _masked(pairs: Iterable[tuple[str, str]], secret: frozenset[str]) -> dict[str, str | list[str]]:
    """Return names and values with the values of secret names masked, for the log.

    A name that comes several times has a list of values.
    """
    masked: dict[str, str | list[str]] = {}
    for name, value in pairs:
        shown = _MASK if name in secret else value
        earlier = masked.get(name)
        if earlier is None:
            masked[name] = shown
        elif isinstance(earlier, list):
            earlier.append(shown)
        else:
            masked[name] = [earlier, shown]
    return masked


def _is_loopback_name(host: str) -> bool:
    """Tell whether a `Host` header names this machine by `localhost` or a loopback address."""
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
