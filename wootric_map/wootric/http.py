"""One exchange over HTTP: a request out, a reply in, never past its deadline."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from wootric_map.errors import NoAnswerError, UnreachableError, WootricError
from wootric_map.wootric.requests import HttpCall, form_encoded

LARGEST_REPLY: Final = 1024 * 1024
"""Bytes of a reply, unpacked, that are taken in where nothing else is said."""

_LARGEST_REFUSAL: Final = 64 * 1024
"""Bytes of any reply but a 2xx that are kept: its words stand at the beginning. The rest is not read."""

_LARGEST_HEAD: Final = 64 * 1024
"""Bytes of a reply's status line and headers."""

_CHUNK: Final = 64 * 1024

_ONCE: Final = Retry(False, redirect=False)
"""Tries of urllib3's own: none. What is worth another try is not for the wire to say."""

_LONGEST_IDLE: Final = 15.0
"""Seconds. Many servers hang up on a connection that was idle for 20 or more; a request that crosses
with that gets no answer, and would leave an event in doubt."""


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """In any case of their names."""
    body: bytes
    """Unpacked; of a refusal that is longer than what is kept, the beginning."""
    is_too_long: bool = False
    """Whether it is a 2xx of which nothing was kept, since it is longer than what is taken in."""


class NotSentError(WootricError):
    """There was no connection, so the call can't have been taken."""


class Wire:
    """Connections that are kept open, for any number of threads."""

    def __init__(
        self,
        *,
        connections: int,
        connect_timeout: float,
        read_timeout: float,
        loopback: bool,
        ca_bundle: str | None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            connections: how many are kept open at most.
            connect_timeout: seconds to wait for a connection.
            read_timeout: seconds of silence to bear once a request is sent.
            loopback: whether the servers are on this machine.
            ca_bundle: certificate authorities to trust on loopback; elsewhere requests itself asks
                the environment.
        """
        self._timeouts = connect_timeout, read_timeout
        self._headers = {
            "User-Agent": f"wootric-replay/{version('wootric-replay')}",
            "Accept-Encoding": "gzip",
            "Accept": "*/*",
            "Connection": "keep-alive",
        }
        self._session = requests.Session()
        if loopback:
            # A proxy stands between machines, not between this one and itself. What else the
            # environment says, of certificates, holds here too.
            self._session.trust_env = False
            self._session.verify = ca_bundle or True
        self._adapter = _Adapter(pool_connections=4, pool_maxsize=connections)
        self._routes: dict[str, _Route] = {}
        self._watchdog = _Watchdog()

    def close(self) -> None:
        """Close the connections."""
        for route in tuple(self._routes.values()):
            route.pool.close()
        self._watchdog.close()

    def exchange(
        self, call: HttpCall, token: str | None, seconds: float, most: int = LARGEST_REPLY
    ) -> Reply:
        """Send a request and read its reply, whatever it says; redirects are not followed.

        Args:
            call: the request.
            token: what signs it.
            seconds: how long all of it may take.
            most: bytes of a reply's body, unpacked, that are taken in; the rest is not read.

        Raises:
            NotSentError: it never left.
            NoAnswerError: it may have arrived, but no whole reply came back.
            UnreachableError: the server can't be trusted.
        """
        with self._watchdog.watching(seconds) as exchange:
            try:
                return self._reply(call, token, exchange, seconds, most)
            except (OSError, HTTPError) as error:
                failure = _failure(error, urlsplit(call.url).netloc, exchange)
        # Out here it has no context: the texts of those below hold the query, and so personal data.
        raise failure

    def _reply(
        self, call: HttpCall, token: str | None, exchange: "_Exchange", seconds: float, most: int
    ) -> Reply:
        parts = urlsplit(call.url)
        server = f"{parts.scheme}://{parts.netloc}"
        path = call.url[len(server) :]
        route = self._routes.get(server) or self._route(server)
        headers = dict(self._headers)
        if call.form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connect, read = (min(each, seconds) for each in self._timeouts)
        response = route.pool.urlopen(
            call.method,
            route.prefix + path,
            body=form_encoded(call.form.items()) if call.form else None,
            headers=headers,
            retries=_ONCE,
            redirect=False,
            assert_same_host=False,
            timeout=Timeout(connect=connect, read=read),
            preload_content=False,
        )
        with closing(response):
            if response.status < requests.codes.ok and response.connection:
                # The reply proper may still come, and must not be taken for the next call's.
                response.connection.close()
            taken = response.status < requests.codes.multiple_choices
            limit = most if taken else _LARGEST_REFUSAL
            body = _body(response, exchange, limit, taken=taken)
            if body is None:
                return Reply(response.status, response.headers, b"", is_too_long=True)
            return Reply(response.status, response.headers, body)

    def _route(self, server: str) -> "_Route":
        """Ask the environment how a server is reached; once, since that takes longer than a call does."""
        settings: Any = self._session.merge_environment_settings(server, {}, True, None, None)
        _check_authorities(settings["verify"])
        route = self._adapter.route(server, settings["verify"], settings["proxies"])
        self._routes[server] = route
        return route


class _Route(NamedTuple):
    """How a server is reached."""

    pool: HTTPConnectionPool
    """Connections to it, or to the proxy before it."""
    prefix: str
    """What stands before the path in a request: nothing, but for a proxy the server's address."""


class _Exchange:
    """How far one exchange has come."""

    def __init__(self, ends: float) -> None:
        self.ends = ends
        """Its deadline, by the monotonic clock."""
        self.left = False
        """Whether any of the request may have reached the server."""
        self.expired = False
        """Whether its deadline cut it off."""
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def uses(self, connection: socket.socket) -> None:
        """Note the connection; by a descriptor of its own, which TLS does not take away."""
        with self._lock:
            if self._socket is None:
                self._socket = socket.fromfd(
                    connection.fileno(), socket.AF_INET, socket.SOCK_STREAM
                )
            if self.expired:
                self._cut()

    def expire(self) -> None:
        """End it: whoever reads from the connection, or writes to it, is woken."""
        with self._lock:
            self.expired = True
            self._cut()

    def finish(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._socket:
                self._socket.close()

    def _cut(self) -> None:
        if self._socket:
            with suppress(OSError):  # the other side was quicker
                self._socket.shutdown(socket.SHUT_RDWR)


class _Watchdog:
    """Ends exchanges at their deadlines.

    A timeout of a socket's begins anew with each byte, so that a server which drips them could hold a
    call for ever. One thread sees to all exchanges.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._exchanges: set[_Exchange] = set()
        self._wakes = float("inf")
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def watching(self, seconds: float) -> Iterator[_Exchange]:
        """Watch what this thread sends and reads meanwhile; it may take so many seconds."""
        exchange = _Exchange(time.monotonic() + seconds)
        with self._changed:
            self._exchanges.add(exchange)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
            if exchange.ends < self._wakes:
                self._changed.notify()
        before = _exchange.set(exchange)
        try:
            yield exchange
        finally:
            _exchange.reset(before)
            with self._changed:
                self._exchanges.discard(exchange)
            exchange.finish()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for each in [each for each in self._exchanges if each.ends <= now]:
                    self._exchanges.discard(each)
                    each.expire()
                self._wakes = min((each.ends for each in self._exchanges), default=float("inf"))
                wait = None if self._wakes == float("inf") else self._wakes - now
                self._changed.wait(wait)


_exchange: Final[ContextVar[_Exchange]] = ContextVar("exchange")
"""What a connection, which urllib3 makes and keeps, is used for at the moment."""


class _Head:
    """A reply's lines up to its body, which are not read for ever."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _LARGEST_HEAD

    def readline(self, most: int) -> bytes:
        """Read a line of at most so many bytes."""
        line = self._file.readline(most)
        self._left -= len(line)
        if self._left < 0:
            raise HTTPException("the head of the reply is too long")
        return line

    def close(self) -> None:
        """Close what is read from."""
        self._file.close()


class _Response(HTTPResponse):
    """A reply whose head is bounded: a hundred headers of 64 KiB each would be taken in else."""

    fp: Any

    def begin(self) -> None:
        """Read the head."""
        file, self.fp = self.fp, _Head(self.fp)
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = file


class _Watched(HTTPConnection):
    """A connection that tells the exchange under way of its socket, and when the request leaves."""

    response_class = _Response
    _is_open = False
    _used = 0.0
    """When it was last written to, by the monotonic clock."""
    _pieces: list[bytes] | None = None
    """Head and body of a request, while they are put together."""

    @property
    def is_connected(self) -> bool:
        fresh = time.monotonic() - self._used < _LONGEST_IDLE
        return fresh and super().is_connected

    def connect(self) -> None:
        self._is_open = False
        super().connect()
        self._is_open = True

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _exchange.get().uses(made)
        return made

    def request(self, *args: Any, **options: Any) -> None:
        # In two pieces it would be two packets, and wake the server twice.
        self._pieces = []
        try:
            super().request(*args, **options)
        finally:
            pieces, self._pieces = self._pieces, None
        self.send(b"".join(pieces))

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if self._pieces is not None:
            self._pieces.append(data)
            return
        if self._is_open:  # else it is to a proxy, to be connected
            exchange = _exchange.get()
            exchange.uses(self.sock)
            exchange.left = True
            self._used = time.monotonic()
        super().send(data)


class _Adapter(HTTPAdapter):
    """Makes watched connections, through proxies too.

    Calls are made by urllib3. What requests adds to it, proxies and certificate authorities by the
    environment, is the same for all calls to a server.
    """

    def route(self, server: str, verify: bool | str, proxies: dict[str, str]) -> _Route:
        """How a server is reached.

        Args:
            server: scheme, host and port, as a URL begins.
            verify: whether its certificate is checked, or by what authorities.
            proxies: the proxy for each scheme.
        """
        request = requests.Request("GET", f"{server}/").prepare()
        pool: Any = self.get_connection_with_tls_context(request, verify, proxies)
        self.cert_verify(pool, server, verify, None)  # type: ignore[no-untyped-call]
        return _Route(pool, self.request_url(request, proxies).removesuffix("/"))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _watch(self.poolmanager)

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        _watch(manager)
        return manager


def _watch(manager: PoolManager) -> None:
    """Have a manager make watched connections of whatever kind it makes."""
    manager.pool_classes_by_scheme = {
        scheme: _watched(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _watched(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    made: Any = pool.ConnectionCls
    if issubclass(made, _Watched):
        return pool
    connection = type(f"Watched{made.__name__}", (_Watched, made), {})
    return type(f"Watched{pool.__name__}", (pool,), {"ConnectionCls": connection})


def _body(
    response: BaseHTTPResponse, exchange: _Exchange, limit: int, *, taken: bool
) -> bytes | None:
    """What is kept of a reply's body; None of a 2xx that is longer than the limit."""
    kept: list[bytes] = []
    size = 0
    try:
        for chunk in response.stream(_CHUNK, decode_content=True):
            kept.append(chunk)
            size += len(chunk)
            if size > limit:
                break
        else:
            response.release_conn()
    except HTTPError:
        if taken:
            raise
        # A refusal stands in its status; of one cut short only words are missing.
    if taken and exchange.expired:
        # Where a body ends with its connection, cut short it looks whole.
        raise TimeoutError
    return None if taken and size > limit else b"".join(kept)[:limit]


def _failure(error: Exception, host: str, exchange: _Exchange) -> WootricError:
    """What a failed exchange means; in words without addresses, which may hold personal data."""
    if isinstance(error, _NoAuthoritiesError):
        return UnreachableError(
            "REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE) names certificate authorities that are not "
            "there; mend its path, or unset it"
        )
    chain = list(_causes(error))
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in chain):
        return UnreachableError(
            f"{host} can't be trusted: its TLS certificate was refused; "
            "REQUESTS_CA_BUNDLE names a certificate authority of your own"
        )
    if exchange.expired or any(map(_is_timeout, chain)):
        reason = "it timed out"
    else:
        told = (each.strerror for each in chain if isinstance(each, OSError) and each.strerror)
        reason = next(told, "the connection broke")
        if any(isinstance(each, ProxyError) for each in chain):
            reason = f"by way of the proxy: {reason}"
    if exchange.left:
        return NoAnswerError(f"no answer from {host} ({reason})")
    return NotSentError(f"no connection to {host} ({reason})")


def _is_timeout(error: BaseException) -> bool:
    # To urllib3 a connection that is refused is one that timed out, too.
    late = isinstance(error, ConnectTimeoutError | ReadTimeoutError)
    return late and not isinstance(error, NewConnectionError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it is about."""
    seen: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in seen:
        seen.append(inner)
        yield inner
        about = (inner.reason,) if isinstance(inner, MaxRetryError) else inner.args
        nested = (each for each in about if isinstance(each, BaseException))
        inner = next(nested, inner.__cause__ or inner.__context__)


class _NoAuthoritiesError(OSError):
    """There is nothing where the certificate authorities should be."""


def _check_authorities(verify: object) -> None:
    if isinstance(verify, str) and not Path(verify).exists():
        raise _NoAuthoritiesError
