"""An HTTP client of ours, and servers and proxies on loopback that it talks to."""

import socket
import threading
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from certified import HOST
from raw_server import RawServer, read_request

from wootric_map.wootric.http import Reply, Wire
from wootric_map.wootric.requests import HttpCall

Serve = Callable[[ThreadingHTTPServer], int]
"""Runs a server until the test ends, and returns its port."""

HEAD = b"HTTP/1.1 200 OK\r\n"

LONG = 60.0
"""Seconds in which every exchange of a test ends unless it waits for ever."""


def wire(**options: Any) -> Wire:
    given: dict[str, Any] = {
        "connections": 4,
        "connect_timeout": 10.0,
        "read_timeout": 30.0,
        "loopback": True,
        "ca_bundle": None,
    }
    return Wire(**(given | options))


def get(port: int, seconds: float = LONG, path: str = "/x?email=ada@example.com") -> Reply:
    with closing(wire()) as made:
        return made.exchange(HttpCall("GET", f"http://127.0.0.1:{port}{path}"), None, seconds)


Script = Callable[[RawServer, socket.socket], None]


def saying(*parts: bytes) -> Script:
    """Answer each request of a connection with the next of the replies, then hang up."""

    def script(_: RawServer, connection: socket.socket) -> None:
        for part in parts:
            read_request(connection)
            connection.sendall(part)

    return script


def ok(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def elsewhere() -> Reply:
    with closing(wire(loopback=False)) as made:
        return made.exchange(HttpCall("GET", f"https://{HOST}/v1/x"), "token", LONG)


class Page(BaseHTTPRequestHandler):
    """Says {} to everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class QuietServer(ThreadingHTTPServer):
    """Whose callers may refuse its certificate."""

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


class Tunnel(BaseHTTPRequestHandler):
    """A proxy that leads every tunnel to one port of loopback, and records where it should go."""

    def do_CONNECT(self) -> None:
        assert isinstance(self.server, TunnelServer)
        self.server.asked.append(self.path)
        if self.server.to is None:
            self.send_error(403)
            return
        with socket.create_connection(("127.0.0.1", self.server.to), 20) as far:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pipe, args=(far, self.connection))
            back.start()
            _pipe(self.connection, far)
            back.join()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class TunnelServer(QuietServer):
    """The proxy."""

    def __init__(self, to: int | None) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.to = to
        self.asked: list[str] = []
