"""An adapter for requests that keeps each exchange to its deadline, and tells what was never sent.

A socket's own timeout begins anew with each byte, so that a server that drips them could hold a call for
ever. And without more ado a connection that broke before the request looks like one that broke after it.
"""

import io
import time
from contextvars import ContextVar
from functools import cache
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of a reply's status line and headers."""

LONGEST_IDLE: Final = 15.0
"""Seconds. Many servers hang up on a connection that was idle for 20 or more. A request that crosses with
that gets no answer, and would leave an event in doubt."""

_TLS_RECORD: Final = 16 * 1024
"""Bytes that TLS sends at a time; a socket's timeout begins anew with each record."""

_ends: Final[ContextVar[float]] = ContextVar("ends")
"""When the exchange of this thread must have ended, by the monotonic clock. Connections are made by
urllib3, which hands them no deadline."""


class DeadlineAdapter(HTTPAdapter):
    """An adapter for which the total of a timeout holds until the last byte of the reply.

    Whatever keeps a connection from coming about, with a proxy and with TLS too, is raised as a
    `requests.ConnectionError` with a `urllib3.exceptions.NewConnectionError` among its causes.
    """

    def send(self, *args: Any, **options: Any) -> Any:
        """Send a request; its `timeout` is a `urllib3.Timeout` that has a total."""
        _ends.set(time.monotonic() + options["timeout"].total)
        return super().send(*args, **options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of connections."""
        super().init_poolmanager(*args, **options)
        _watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Return the pools of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        _watch(manager)
        return manager


def _watch(manager: PoolManager) -> None:
    """Have a manager make connections that keep to the deadline, of whatever kind it makes."""
    manager.pool_classes_by_scheme = {
        scheme: _watched(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }


@cache
def _watched(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
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
    """What a socket receives until the deadline; a head that is too long is not read to its end."""

    def __init__(self, received: Any, socket: Any) -> None:
        self._received = received
        self._socket = socket
        self._silence: float = socket.gettimeout()
        self._end = _ends.get()
        self.head_left: float = LARGEST_HEAD
        """How many bytes the head may still have; infinite once it is read."""

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
    fp: Any

    def __init__(self, socket: Any, *args: Any, **options: Any) -> None:
        super().__init__(socket, *args, **options)
        self._incoming = _Incoming(self.fp.detach(), socket)
        self.fp = io.BufferedReader(self._incoming)

    def begin(self) -> None:
        super().begin()
        self._incoming.head_left = float("inf")
        if self.status < HTTPStatus.OK:
            # The reply proper may still come, and must not be taken for the next call's.
            self.will_close = True


class _Connection(HTTPConnection):
    response_class = _Response
    timeout: float
    _used = 0.0
    """When a request was last sent, by the monotonic clock."""
    _pieces: list[bytes] | None = None
    """The head and the body of a request, while they are put together."""

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
        # In two pieces it would be two packets, and wake the server twice.
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
