"""An adapter for requests that ends each exchange at its deadline, and tells which requests were never sent.

A socket's own timeout begins anew with each byte, so a server that sends one byte at a time could hold a call
for ever. And urllib3 alone does not tell a connection that broke before the request from one that broke after
it.
"""

import io
import time
from contextvars import ContextVar
from functools import cache
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of a reply's status line and headers that are read."""

LONGEST_IDLE: Final = 15.0
"""Seconds that a connection may be idle and still be used. Many servers close a connection after 20 seconds
or more; a request sent at that moment gets no answer, and nobody knows whether its event counted."""

_TLS_RECORD: Final = 16 * 1024
"""Bytes that TLS sends at a time; the timeout of a socket begins anew with each record."""

_ends: Final[ContextVar[float]] = ContextVar("ends")
"""When the exchange of this thread must end, by the monotonic clock. A context variable, since urllib3 makes
the connections and hands them no deadline."""


class DeadlineAdapter(HTTPAdapter):
    """An adapter that applies the total of a timeout to the whole exchange, to the last byte of the reply.

    A connection that can't be made, with a proxy and with TLS too, raises a `requests.ConnectionError` with
    a `urllib3.exceptions.NewConnectionError` among its causes.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._pools: dict[tuple[str, ...], Any] = {}
        """The pool of each server, kept because working out its key takes a tenth of a request's time."""

    def send(self, *args: Any, **options: Any) -> Any:
        """Send a request, and return its response; `timeout` is a `urllib3.Timeout` with a total."""
        _ends.set(time.monotonic() + options["timeout"].total)
        return super().send(*args, **options)

    def get_connection_with_tls_context(self, request: Any, *args: Any, **options: Any) -> Any:
        """Return the pool for a request's server; the other arguments are the same for all its requests."""
        server = urlsplit(request.url)[:2]
        pool = self._pools.get(server)
        if pool is None:
            pool = super().get_connection_with_tls_context(request, *args, **options)
            self._pools[server] = pool
        return pool

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pool manager for direct connections."""
        super().init_poolmanager(*args, **options)
        _watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Return the pool manager for connections through a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        _watch(manager)
        return manager


def _watch(manager: PoolManager) -> None:
    """Make a pool manager use connections that keep to the deadline, for each scheme."""
    manager.pool_classes_by_scheme = {
        scheme: _watched(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }


@cache
def _watched(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Return a class of pools like `pool` whose connections keep to the deadline."""
    made: Any = pool.ConnectionCls
    if issubclass(made, _Connection):
        return pool
    connection = type(made.__name__, (_Connection, made), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


def _seconds_until(end: float) -> float:
    """Return the seconds until a deadline.

    Raises:
        TimeoutError: the deadline has passed.
    """
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Incoming(io.RawIOBase):
    """The bytes that a socket receives until the deadline; a head that is too long raises an error."""

    def __init__(self, received: Any, socket: Any) -> None:
        self._received = received
        self._socket = socket
        self._silence: float = socket.gettimeout()
        self._end = _ends.get()
        self.head_left: float = LARGEST_HEAD
        """How many bytes the head may still have; infinite once the head is read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.head_left <= 0:
            raise HTTPException("the head of the reply is too long")
        self._socket.settimeout(min(self._silence, _seconds_until(self._end)))
        size: int = self._received.readinto(buffer)
        self.head_left -= size
        return size

    def close(self) -> None:
        self._received.close()
        super().close()


class _Response(HTTPResponse):
    """A response that is read until the deadline."""

    fp: Any

    def __init__(self, socket: Any, *args: Any, **options: Any) -> None:
        super().__init__(socket, *args, **options)
        self._incoming = _Incoming(self.fp.detach(), socket)
        self.fp = io.BufferedReader(self._incoming)

    def begin(self) -> None:
        super().begin()
        self._incoming.head_left = float("inf")
        if self.status < HTTPStatus.OK:
            # The final reply may still come, and must not be taken for the reply to the next call.
            self.will_close = True


class _Connection(HTTPConnection):
    """A connection that is made, sends and receives until the deadline."""

    response_class = _Response
    timeout: float
    _used = 0.0
    """When a request was last sent, by the monotonic clock."""
    _pieces: list[bytes] | None = None
    """The head and the body of a request while they are collected; None if `send` is to send at once."""

    @property
    def is_connected(self) -> bool:
        return time.monotonic() - self._used < LONGEST_IDLE and super().is_connected

    def connect(self) -> None:
        try:
            super().connect()
            _seconds_until(_ends.get())
        except (OSError, HTTPError, HTTPException, ValueError) as error:
            raise NewConnectionError(self, "it did not come about") from error

    def request(self, *args: Any, **options: Any) -> None:
        # Sent in two pieces, the request would be two packets, and wake the server twice.
        pieces: list[bytes] = []
        self._pieces = pieces
        super().request(*args, **options)
        self._pieces = None
        if self.is_closed:
            self.connect()
        self._used = time.monotonic()
        whole = b"".join(pieces)
        for start in range(0, len(whole), _TLS_RECORD):
            self.sock.settimeout(min(self.timeout, _seconds_until(_ends.get())))
            self.send(whole[start : start + _TLS_RECORD])

    def send(self, data: Any) -> None:
        if self._pieces is None:
            super().send(data)
        else:
            self._pieces.append(data)
