"""Any bytes as Wootric's reply, over real HTTP on loopback: believed of whom was asked for, or an error.

The first byte says whether what follows is a whole reply or the body of one, and with what status; the
second, to what call.
"""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import orjson

from wootric_map.errors import StoppedError, WootricError
from wootric_map.model import EligibilityCheck, EndUserUpsert, PageView
from wootric_map.wootric.auth import ClientCredentials
from wootric_map.wootric.client import Wootric
from wootric_map.wootric.listing import walk
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.regions import services

_ADA: Final = EndUserUpsert("ada@example.com", "1", "+44 1", None, {"plan": "pro"})
_STATUSES: Final = (200, 201, 400, 401, 404, 422, 429, 500, 503, 302)
_TOKEN: Final = b'{"access_token":"t","expires_in":7200}'


def seeds() -> Iterator[bytes]:
    """Replies of each kind, to each call."""
    for reply in _replies():
        for call in range(len(_CALLS)):
            yield reply[:1] + bytes((call,)) + reply[1:]


def _replies() -> Iterator[bytes]:
    ada = b'{"id":7,"email":"ada@example.com","external_id":"1","created_at":1704067200}'
    for status in range(len(_STATUSES)):
        yield bytes((status,)) + ada
    yield b"\x00[" + ada + b"]"
    yield b'\x00{"id":"7","email":"Ada@EXAMPLE.com","properties":"{\\"plan\\":\\"pro\\"}"}'
    yield b'\x00{"id":999,"email":"eve@example.com","external_id":"1","phone_number":441}'
    yield b'\x02{"type":"error_list","errors":[{"status":"x","message":"no","field":"email"}]}'
    yield b'\x02{"error":"invalid","error_description":"\\ud83d no"}'
    for depth in (40, 600, 990, 5_000):
        for deep in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
            told = ada.replace(b'"ada@example.com"', deep)
            yield b"\x00" + told
            yield b"\x00[" + told + b"]"
            yield b"\x00" + ada[:-1] + b',"properties":{"a":' + deep + b"}}"
            yield (
                b"\x00"
                + ada[:-1]
                + b',"properties":'
                + orjson.dumps((b'{"a":%b}' % deep).decode())
                + b"}"
            )
            yield b'\x02{"errors":[{"message":' + deep + b"}]}"
            yield b'\x00{"eligible":' + deep + b"}"
    yield b'\x00{"eligible":true}'
    yield b'\x00["Signed Up"]'
    yield b"\xff" + b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ada), ada)
    yield b"\xff" + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    yield b"\xff" + b"HTTP/1.1 429 No\r\nRetry-After: 1\r\nX-RateLimit-Remaining: 0\r\n\r\n"
    yield (
        b"\xff"
        + b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\0"
    )


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):
            self.request.settimeout(5)
            head = b""
            while b"\r\n\r\n" not in head:
                more = self.request.recv(65_536)
                if not more:
                    return
                head += more
            body = _TOKEN if b"/oauth/" in head.partition(b"\r\n")[0] else None
            self.request.sendall(_reply(200, body) if body else _current[0])
            self.request.shutdown(socket.SHUT_WR)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


def _reply(status: int, body: bytes) -> bytes:
    head = b"HTTP/1.1 %d Some\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, len(body)) + body


_current: Final = [b""]
"""What the server says."""
_server: Final = _Server(("127.0.0.1", 0), _Handler)
threading.Thread(target=_server.serve_forever, daemon=True).start()
_SERVICES: Final = services(None, f"http://127.0.0.1:{_server.server_address[1]}")


def check(data: bytes) -> None:
    """Make the call, with this for a reply."""
    if len(data) < 2:
        return
    body = data[2:]
    whole = data[0] >= 128
    _current[0] = body if whole else _reply(_STATUSES[data[0] % len(_STATUSES)], body)
    wootric = Wootric(
        _SERVICES,
        "NPS-1",
        ClientCredentials("id", "secret"),
        Pace(None, wait=_never),
        wait=_never,
        retries=0,
        connect_timeout=5,
        read_timeout=5,
        deadline=10,
    )
    try:
        with suppress(WootricError, StoppedError):
            _CALLS[data[1] % len(_CALLS)](wootric)
    finally:
        wootric.close()


def _never(seconds: float) -> bool:
    """Told to wait, it says that the run is to stop."""
    return True


def _find(wootric: Wootric) -> None:
    found = wootric.find(_ADA)
    if found and found.external_id:
        assert found.external_id.strip() == "1" or found.email


def _update(wootric: Wootric) -> None:
    assert wootric.update(7, _ADA).id == 7


def _list(wootric: Wootric) -> None:
    met: set[Any] = set()
    for rows in walk(wootric.list_end_users, now=lambda: 1_800_000_000.0):
        for row in rows:
            assert str(row["id"]) not in met
            met.add(str(row["id"]))


_CALLS: Final[tuple[Callable[[Wootric], object], ...]] = (
    _find,
    lambda wootric: wootric.find(EndUserUpsert(email="ada@example.com")),
    lambda wootric: wootric.find(EndUserUpsert(wootric_id="7")),
    lambda wootric: wootric.create(_ADA),
    _update,
    _list,
    lambda wootric: wootric.send(EligibilityCheck("Signed Up", email="ada@example.com")),
    lambda wootric: wootric.send(PageView(random="r", email="ada@example.com", path="/")),
    lambda wootric: wootric.registered_events(),
)
