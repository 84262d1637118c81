"""A server of end users whose replies are as large as a hostile one could make them."""

import gzip
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Final

import orjson
from raw_server import RawServer, read_request

_MEBIBYTE: Final = 1024 * 1024
_BLOCK: Final = bytes(64 * 1024)
_WHO: Final = re.compile(rb"external_id=(u[0-9]+)|/end_users/(u[0-9]+)")


def head(*headers: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"", b""])


def ok(body: bytes, status: bytes = b"200 OK") -> bytes:
    return head(b"Content-Length: %d" % len(body), status=status) + body


def chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)


def without_end(piece: bytes = _BLOCK) -> Iterator[bytes]:
    while True:
        yield piece


@cache
def packed(times: int) -> bytes:
    """Zeros, of which a thousand become one each time."""
    zeros = gzip.compress(bytes(64 * _MEBIBYTE))
    return gzip.compress(zeros * 64) if times > 1 else zeros


def almost_too_large(who: bytes, text: str) -> bytes:
    """An end user of all the values and bytes that are taken in."""
    return _of_nobody(text).replace(b"NOBODY", who)


@cache
def _of_nobody(text: str) -> bytes:
    properties = {f"p{number}": "" for number in range(9_900)}
    user = {"id": 1, "external_id": "NOBODY", "properties": properties}
    left = _MEBIBYTE - len(orjson.dumps(user)) - 100
    properties["text"] = text * (left // len(text.encode()))
    return orjson.dumps(user)


Huge = Callable[[bytes], Iterator[bytes]]

HUGE: Final[Mapping[str, Huge]] = {
    "in chunks": lambda _: _joined(head(b"Transfer-Encoding: chunked"), chunked(without_end())),
    "without a length": lambda _: _joined(head(), without_end()),
    "of a gigabyte": lambda _: _joined(head(b"Content-Length: 1073741824"), without_end()),
    "packed": lambda _: _joined(
        head(b"Content-Encoding: gzip", b"Transfer-Encoding: chunked"),
        chunked(without_end(packed(1))),
    ),
    "packed twice": lambda _: _joined(
        head(b"Content-Encoding: gzip, gzip", b"Transfer-Encoding: chunked"),
        chunked(without_end(packed(2))),
    ),
    "a head": lambda _: _joined(
        b"HTTP/1.1 200 OK\r\n", without_end(b"X: " + b"x" * 60_000 + b"\r\n")
    ),
    "a chunk's line": lambda _: _joined(
        head(b"Transfer-Encoding: chunked") + b"5;", without_end(b"x" * 65_536)
    ),
    "an error": lambda _: _joined(
        head(b"Transfer-Encoding: chunked", status=b"422 No"),
        chunked(without_end(b'{"error":"' + b"no" * 40_000)),
    ),
    "many values": lambda _: iter([ok(b"[" + b"[]," * 340_000 + b"[]]")]),
    "an end user": lambda who: iter([ok(almost_too_large(who, "x"))]),
    "an end user in wide letters": lambda who: iter([ok(almost_too_large(who, "\U0001f600"))]),
}
"""Replies to one request, in pieces; for whom it is about."""


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def giving(huge: Huge, place: bytes) -> Callable[[RawServer, socket.socket], None]:
    """A script that gives such a reply to each request that begins so, and is a good account else.

    Args:
        huge: the reply.
        place: how the request begins.
    """

    def script(server: RawServer, connection: socket.socket) -> None:
        while request := read_request(connection):
            if request.startswith(place):
                who = _WHO.search(request)
                for piece in huge(next(filter(None, who.groups())) if who else b""):
                    connection.sendall(piece)
                    if server.over.is_set():
                        return
            else:
                connection.sendall(_good(request))

    return script


def _good(request: bytes) -> bytes:
    if request.startswith(b"POST /oauth"):
        return ok(b'{"access_token":"secret","expires_in":7200}')
    if request.startswith(b"GET /registered_events"):
        return ok(b'["Signed Up"]')
    if request.startswith(b"GET /eligible"):
        return ok(b'{"eligible":false}')
    if request.startswith(b"GET /v1/end_users?"):
        return ok(b"[]")
    if request.startswith(b"GET /v1/end_users/"):
        return ok(b'{"error":"none"}', b"404 Not Found")
    if request.startswith((b"POST /v1/end_users", b"PUT /v1/end_users")):
        who = _WHO.search(request)
        return ok(
            b'{"id":1,"external_id":"%b"}' % (next(filter(None, who.groups())) if who else b"")
        )
    return ok(b"")
