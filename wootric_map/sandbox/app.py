"""The sandbox as a Starlette application: sockets on one side, the rules on the other."""

import asyncio
import enum
import ipaddress
import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
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
"""Gets each request once it has been answered, secrets masked."""

Handler = Callable[[SandboxRequest], Reply]

_FORM: Final = "application/x-www-form-urlencoded"
_MASK: Final = "***"
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
_SECRET_PARAMS: Final = frozenset({"access_token", "client_secret", "password", "refresh_token"})


class _Door(enum.Enum):
    """Who may come in by an endpoint, and what stands in the way."""

    SIGN_IN = enum.auto()
    """Anyone; no rate limit, and faults of its own."""
    REST = enum.auto()
    """Whoever has an access token."""
    PUBLIC = enum.auto()
    """Anyone; an account is named by `account_token` in the query."""
    INTROSPECTION = enum.auto()
    """Whoever calls this machine by a loopback name; leaves no trace in log and counts."""


def create_app(
    settings: SandboxSettings,
    *,
    clock: Callable[[], float] = time.time,
    new_token: Callable[[], str] = lambda: secrets.token_hex(32),
    log: LogRequest | None = None,
) -> Starlette:
    """Make a sandbox to be served by any ASGI server.

    Args:
        settings: the account.
        clock: tells the unix time in seconds.
        new_token: makes an access or refresh token.
        log: gets each request once it has been answered, secrets masked.

    Returns:
        The application; its `state.sandbox` is the `SandboxState`.
    """
    return build_app(SandboxState(settings, clock=clock, new_token=new_token), log)


def build_app(state: SandboxState, log: LogRequest | None = None) -> Starlette:
    """Make a sandbox around a `state` that the caller keeps hold of; see `create_app`."""
    settings = state.settings
    faults = settings.faults
    if settings.error_rate:
        rng = random.Random(settings.seed)  # noqa: S311 - it draws errors, not secrets
        faults = (random_errors(settings.error_rate, rng), *faults)
    faults_by_door = {
        _Door.REST: faults,
        _Door.PUBLIC: faults,
        _Door.SIGN_IN: settings.sign_in_faults,
        _Door.INTROSPECTION: (),
    }

    def route(path: str, door: _Door, **handlers: Handler) -> Route:
        return Route(path, _Endpoint(path, door, handlers, state, faults_by_door[door], log))

    end_user = "/v1/end_users/{id}"
    app = Starlette(
        middleware=[Middleware(_RouteByRawPath)],
        routes=[
            route(
                "/v1/end_users", _Door.REST, GET=state.list_end_users, POST=state.create_end_user
            ),
            route(
                "/v1/end_users/phone_number/{number:path}",
                _Door.REST,
                GET=state.get_end_user_by_phone_number,
            ),
            route(end_user, _Door.REST, GET=state.get_end_user, PUT=state.update_end_user),
            route(
                f"{end_user}/responses",
                _Door.REST,
                GET=state.list_responses,
                POST=state.create_response,
            ),
            route(
                f"{end_user}/declines",
                _Door.REST,
                GET=state.list_declines,
                POST=state.create_decline,
            ),
            route("/eligible.json", _Door.PUBLIC, GET=state.check_eligibility),
            route("/registered_events.json", _Door.PUBLIC, GET=state.list_registered_events),
            route("/pixel.gif", _Door.PUBLIC, GET=state.view_page),
            route("/oauth/token", _Door.SIGN_IN, POST=state.token),
            route("/_sandbox/state", _Door.INTROSPECTION, GET=state.show_state),
            route("/_sandbox/reset", _Door.INTROSPECTION, POST=state.take_reset),
            route("/{path:path}", _Door.SIGN_IN),
        ],
    )
    app.state.sandbox = state
    return app


class _RouteByRawPath:
    """Routes by the path as it was sent, so that `%2F` in an email or external id is no slash."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = scope["raw_path"].decode("latin-1")
        await self._app(scope, receive, send)


class _Endpoint:
    """One path, from bytes to bytes."""

    def __init__(
        self,
        path: str,
        door: _Door,
        handlers: Mapping[str, Handler],
        state: SandboxState,
        faults: tuple[FaultRule, ...],
        log: LogRequest | None,
    ) -> None:
        self._path = path.replace(":path}", "}")
        self._door = door
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
        came_at = state.clock()
        if state.settings.latency and self._door is not _Door.INTROSPECTION:
            await asyncio.sleep(state.settings.latency)

        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        endpoint = f"{scope['method']} {self._path}"
        query: list[tuple[str, str]] = []
        form: list[tuple[str, str]] = []
        with state.lock:
            answer: ASGIApp
            try:
                is_form = headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
                query = parse_pairs(scope["query_string"])
                form = parse_pairs(body) if is_form else []
                request = SandboxRequest(
                    endpoint=endpoint,
                    method=scope["method"],
                    path=scope["path"],
                    path_params={
                        name: unquote(value, errors="strict")
                        for name, value in scope["path_params"].items()
                    },
                    query=dict(query),
                    form=dict(form),
                    headers=headers,
                    has_other_body=bool(body) and not is_form,
                )
                answer = self._answer(request)
            except UnicodeDecodeError:
                answer = _response(failure(400, "bad_request", "The request is not UTF-8").reply)
            if self._door is _Door.INTROSPECTION:
                record = None
            else:
                status = answer.status_code if isinstance(answer, Response) else None
                record = {
                    "time": came_at,
                    "endpoint": endpoint,
                    "method": scope["method"],
                    "path": scope["path"],
                    "query": _masked(query, _SECRET_PARAMS),
                    "form": _masked(form, _SECRET_PARAMS),
                    "headers": _masked(headers.items(), _SECRET_HEADERS),
                    "status": status,
                }
                state.note(endpoint, record, status)
        if record is not None and self._log is not None:
            self._log(record)
        await answer(scope, receive, send)

    def _answer(self, request: SandboxRequest) -> ASGIApp:
        rate_headers: Mapping[str, str] = {}
        try:
            handler = self._handler(request)
            rate_headers = self._pass(request)
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

    def _pass(self, request: SandboxRequest) -> Mapping[str, str]:
        state = self._state
        match self._door:
            case _Door.SIGN_IN:
                return {}
            case _Door.INTROSPECTION:
                if not _is_loopback_name(request.headers.get("host", "")):
                    # A web page can point a name of its own at 127.0.0.1 and have the browser ask.
                    raise failure(403, "forbidden", "Only by a loopback address")
                return {}
            case _Door.REST:
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
            case _Door.PUBLIC:
                if request.query.get("account_token") != state.settings.account_token:
                    return {}  # Limits are an account's, and this is none.
                return state.limits.take(request.endpoint, state.clock())


async def _read_body(receive: Receive) -> bytes | None:
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
    try:
        handler(request)
    except RefusedError:
        return


def _response(reply: Reply, rate_headers: Mapping[str, str] | None = None) -> Response:
    content = reply.body if isinstance(reply.body, bytes) else orjson.dumps(reply.body)
    headers = {**(reply.headers or {}), **(rate_headers or {})}
    return Response(content, reply.status, headers, reply.media_type)


def _masked(pairs: Iterable[tuple[str, str]], secret: frozenset[str]) -> dict[str, str | list[str]]:
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
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
