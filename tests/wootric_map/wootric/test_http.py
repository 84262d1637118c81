"""The wire: what becomes of one exchange, whatever the other side does."""

import gzip
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from certified import HOST, certificate_in, server_context
from raw_server import RawServer, raw_server, read_request

from wootric_map.errors import NoAnswerError, UnreachableError, WootricError
from wootric_map.wootric.http import LARGEST_REPLY, NotSentError, Reply, Wire
from wootric_map.wootric.requests import HttpCall

LONG = 60.0
"""Seconds in which every exchange of a test ends unless it waits for ever."""


def wire(**options: Any) -> Wire:
    given = {"connect_timeout": 10.0, "read_timeout": 30.0, "loopback": True, "ca_bundle": None}
    return Wire(connections=4, **(given | options))


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


def test_a_reply_is_its_status_headers_and_body() -> None:
    with raw_server(saying(ok(b"{}", b"X-Rate-Limit-Remaining: 7"))) as server:
        reply = get(server.port)
    assert (reply.status, reply.body) == (200, b"{}")
    assert reply.headers.get("x-rate-limit-remaining") == "7"


def test_what_is_asked_for_goes_out_as_it_is_however_the_scheme_is_written() -> None:
    asked: list[bytes] = []

    def script(_: RawServer, connection: socket.socket) -> None:
        while len(asked) < 3:
            asked.append(read_request(connection))
            connection.sendall(ok(b"{}"))

    with raw_server(script) as server, closing(wire()) as made:
        url = f"HTTP://127.0.0.1:{server.port}/v1/end_users/a%2Fb%40c.d?lookup_by_email=true"
        made.exchange(HttpCall("GET", url), "token", LONG)
        form = {"email": "ada+l@example.com", "properties[First Name]": "Ada & Bé"}
        made.exchange(HttpCall("PUT", f"HTTP://127.0.0.1:{server.port}/1", form), "token", LONG)
        made.exchange(HttpCall("POST", f"HTTP://127.0.0.1:{server.port}/2", {}), None, LONG)
    assert asked[0].startswith(b"GET /v1/end_users/a%2Fb%40c.d?lookup_by_email=true HTTP/1.1\r\n")
    head, _, body = asked[1].partition(b"\r\n\r\n")
    assert body == b"email=ada%2Bl%40example.com&properties%5BFirst+Name%5D=Ada+%26+B%C3%A9"
    assert b"\r\nContent-Type: application/x-www-form-urlencoded" in head
    assert b"\r\nAuthorization: Bearer token" in head
    assert b"\r\nContent-Length: 0\r\n" in asked[2]
    assert b"Authorization" not in asked[2]


def test_a_connection_is_used_again() -> None:
    with (
        raw_server(saying(ok(b"1"), ok(b"2"), ok(b"3"))) as server,
        closing(wire()) as made,
    ):
        call = HttpCall("GET", f"http://127.0.0.1:{server.port}/")
        assert [made.exchange(call, None, LONG).body for _ in range(3)] == [b"1", b"2", b"3"]
        assert server.connections == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wootric_map.wootric.http._LONGEST_IDLE", 0.0)
    with raw_server(saying(ok(b"1"), ok(b"2"))) as server, closing(wire()) as made:
        call = HttpCall("GET", f"http://127.0.0.1:{server.port}/")
        assert [made.exchange(call, None, LONG).body for _ in range(2)] == [b"1", b"1"]
        assert server.connections == 2


# Deadlines: a socket's timeout begins anew with each byte.

HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "status line": (b"", b"HTTP/1.1 " + b"2" * 500),
    "headers": (HEAD, b"X-Drip: " + b"a" * 500),
    "body of a length": (HEAD + b"Content-Length: 400\r\n\r\n", b" "),
    "body in chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "body to the end": (HEAD + b"Connection: close\r\n\r\n", b" "),
}


@pytest.mark.parametrize("where", DRIPS)
def test_a_server_that_drips_bytes_holds_no_call_past_its_deadline(where: str) -> None:
    start, drops = DRIPS[where]

    def script(server: RawServer, connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        server.drip(connection, drops)

    begun = time.monotonic()
    with raw_server(script) as server, pytest.raises(NoAnswerError, match="timed out"):
        get(server.port, seconds=0.3)
    assert time.monotonic() - begun >= 0.3


def test_a_tls_handshake_that_drips_never_left() -> None:
    def script(server: RawServer, connection: socket.socket) -> None:
        connection.recv(65536)
        # A record of the handshake, and so long that it never ends.
        connection.sendall(b"\x16\x03\x03\x40\x00")
        server.drip(connection, b"\x00")

    with (
        raw_server(script) as server,
        closing(wire()) as made,
        pytest.raises(NotSentError, match="timed out"),
    ):
        made.exchange(HttpCall("GET", f"https://127.0.0.1:{server.port}/"), None, 0.3)


def test_a_server_that_is_silent_is_waited_for_as_long_as_told() -> None:
    def script(server: RawServer, connection: socket.socket) -> None:
        read_request(connection)
        server.over.wait(20)

    with (
        raw_server(script) as server,
        closing(wire(read_timeout=0.2)) as made,
        pytest.raises(NoAnswerError, match="timed out"),
    ):
        made.exchange(HttpCall("GET", f"http://127.0.0.1:{server.port}/"), None, LONG)


def test_one_thread_watches_all_exchanges_and_ends_with_the_wire() -> None:
    ready = threading.Barrier(9)

    def script(server: RawServer, connection: socket.socket) -> None:
        read_request(connection)
        ready.wait(20)
        server.over.wait(20)

    made = wire()
    failed: list[WootricError] = []

    def send(number: int) -> None:
        call = HttpCall("GET", f"http://127.0.0.1:{server.port}/")
        try:
            made.exchange(call, None, 0.5 + number / 100)
        except NoAnswerError as error:
            failed.append(error)

    def watchdogs() -> int:
        return sum(each.name == "watchdog" for each in threading.enumerate())

    with raw_server(script) as server:
        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        ready.wait(20)
        assert watchdogs() == 1
        for thread in threads:
            thread.join()
    assert len(failed) == 8
    made.close()
    assert watchdogs() == 0


def test_an_exchange_in_time_leaves_its_connection_alone_for_the_next() -> None:
    with raw_server(saying(ok(b"1"), ok(b"2"))) as server, closing(wire()) as made:
        call = HttpCall("GET", f"http://127.0.0.1:{server.port}/")
        made.exchange(call, None, 0.5)
        threading.Event().wait(0.6)  # past the first one's deadline
        assert made.exchange(call, None, LONG).body == b"2"
        assert server.connections == 1


# How much of a reply is kept.


def test_a_reply_that_unpacks_to_gigabytes_costs_no_memory() -> None:
    zeros = gzip.compress(bytes(64 * 1024 * 1024))
    bomb = zeros * 32  # members of one gzip file: two gigabytes

    with raw_server(saying(ok(bomb, b"Content-Encoding: gzip"))) as server:
        tracemalloc.start()
        try:
            reply = get(server.port)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (reply.body, reply.is_too_long) == (b"", True)
    assert peak < 8 * LARGEST_REPLY


@pytest.mark.parametrize(("size", "is_taken"), [(1000, True), (1001, False)])
@pytest.mark.parametrize("sent", ["whole", "packed", "in chunks", "without a length"])
def test_of_a_reply_no_more_than_asked_for_is_taken_in(
    sent: str, size: int, *, is_taken: bool
) -> None:
    body = b"x" * size
    reply = {
        "whole": ok(body),
        "packed": ok(gzip.compress(body), b"Content-Encoding: gzip"),
        "in chunks": HEAD
        + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (size, body),
        "without a length": HEAD + b"\r\n" + body,
    }[sent]
    with raw_server(saying(reply)) as server, closing(wire()) as made:
        call = HttpCall("GET", f"http://127.0.0.1:{server.port}/")
        got = made.exchange(call, None, LONG, 1000)
    assert (got.body, got.is_too_long) == ((body, False) if is_taken else (b"", True))


@pytest.mark.parametrize("status", [b"302 Found\r\nLocation: /elsewhere", b"500 Oh", b"404 No"])
def test_of_a_refusal_only_the_beginning_is_kept(status: bytes) -> None:
    zeros = gzip.compress(bytes(64 * 1024 * 1024))
    with raw_server(saying(ok(zeros, b"Content-Encoding: gzip", status=status))) as server:
        tracemalloc.start()
        try:
            reply = get(server.port)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(reply.body) == 64 * 1024
    assert peak < 8 * 1024 * 1024


def test_a_packed_reply_is_unpacked() -> None:
    packed = ok(gzip.compress(b'{"id":1}'), b"Content-Encoding: gzip")
    with raw_server(saying(packed)) as server:
        assert get(server.port).body == b'{"id":1}'


# Replies that are none, or not whole.

BROKEN = {
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "half a status line": b"HTTP/1.1 ",
    "half a body": HEAD + b"Content-Length: 10\r\n\r\n12345",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n12345",
    "no length of a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12",
    "a header without end": HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    "headers without end": HEAD + b"X: y\r\n" * 1000 + b"\r\n",
    "a head of megabytes": ok(b"{}", *[b"X: " + b"a" * 60_000] * 90),
    "no gzip": ok(b"12345", b"Content-Encoding: gzip"),
    "packed often": ok(b"12345", b"Content-Encoding: " + b", ".join([b"gzip"] * 20)),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_reply_is_no_answer_and_its_error_holds_no_personal_data(what: str) -> None:
    with (
        raw_server(saying(BROKEN[what])) as server,
        pytest.raises(NoAnswerError, match=r"no answer from 127\.0\.0\.1") as raised,
    ):
        get(server.port)
    error: BaseException | None = raised.value
    while error is not None:
        assert "ada" not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("status", [b"404 Not Found", b"422 Unprocessable", b"503 Down"])
def test_a_refusal_that_is_cut_short_is_still_one(status: bytes) -> None:
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 10\r\n\r\n12345"
    with raw_server(saying(head)) as server:
        reply = get(server.port)
    assert reply.status == int(status[:3])
    assert b"12345".startswith(reply.body)


def test_a_reply_that_comes_after_a_provisional_one_is_not_taken_for_the_next_calls() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n"

    def script(server: RawServer, connection: socket.socket) -> None:
        first = server.connections == 1
        read_request(connection)
        connection.sendall(early if first else ok(b"the second's"))
        if first:
            server.over.wait(0.2)
            connection.sendall(ok(b"the first's"))
            server.over.wait(20)

    with raw_server(script) as server, closing(wire()) as made:
        call = HttpCall("GET", f"http://127.0.0.1:{server.port}/")
        assert made.exchange(call, None, LONG).status == 103
        assert made.exchange(call, None, LONG).body == b"the second's"


def test_a_cookie_is_not_kept() -> None:
    asked: list[bytes] = []

    def script(_: RawServer, connection: socket.socket) -> None:
        while len(asked) < 2:
            asked.append(read_request(connection))
            connection.sendall(ok(b"", b"Set-Cookie: who=ada"))

    with raw_server(script) as server, closing(wire()) as made:
        for _ in range(2):
            made.exchange(HttpCall("GET", f"http://127.0.0.1:{server.port}/"), None, LONG)
    assert len(asked) == 2
    assert b"ookie" not in asked[1]


# What never left.


def test_a_refused_connection_never_left() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(NotSentError, match=r"no connection to 127\.0\.0\.1.*refused"):
            get(free.getsockname()[1])


def test_a_connection_that_does_not_come_about_is_waited_for_as_long_as_told() -> None:
    with socket.socket() as busy, ExitStack() as stack:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for _ in range(4):  # more than may wait for a server that takes none of them
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(busy.getsockname())
        with (
            closing(wire(connect_timeout=0.2)) as made,
            pytest.raises(NotSentError, match="timed out"),
        ):
            made.exchange(HttpCall("GET", f"http://127.0.0.1:{busy.getsockname()[1]}/"), None, LONG)


def test_a_tls_handshake_that_breaks_never_left() -> None:
    def script(_: RawServer, connection: socket.socket) -> None:
        connection.recv(10)

    with (
        raw_server(script) as server,
        closing(wire()) as made,
        pytest.raises(NotSentError),
    ):
        made.exchange(HttpCall("GET", f"https://127.0.0.1:{server.port}/"), None, LONG)


# TLS and proxies.


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_in(tmp_path_factory.mktemp("tls"))


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


@pytest.fixture
def serve() -> Iterator[Callable[[ThreadingHTTPServer], int]]:
    """Runs a server until the test ends; gives its port."""
    with ExitStack() as stack:

        def start(server: ThreadingHTTPServer) -> int:
            stack.enter_context(server)
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            port: int = server.server_port
            return port

        yield start


Serve = Callable[[ThreadingHTTPServer], int]


@pytest.fixture
def tls_port(certificate: Path, serve: Serve) -> int:
    server = QuietServer(("127.0.0.1", 0), Page)
    server.socket = server_context(certificate).wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    return serve(server)


def test_a_certificate_that_nobody_trusts_ends_the_run_and_says_what_to_do(tls_port: int) -> None:
    with (
        closing(wire()) as made,
        pytest.raises(UnreachableError, match=r"certificate was refused.*REQUESTS_CA_BUNDLE"),
    ):
        made.exchange(HttpCall("GET", f"https://127.0.0.1:{tls_port}/"), None, LONG)


def test_a_certificate_authority_of_ones_own_is_trusted_on_loopback(
    tls_port: int, certificate: Path
) -> None:
    with closing(wire(ca_bundle=str(certificate))) as made:
        call = HttpCall("GET", f"https://127.0.0.1:{tls_port}/")
        assert [made.exchange(call, None, LONG).body for _ in range(2)] == [b"{}"] * 2


def test_a_bundle_of_authorities_that_is_not_there_is_said(tls_port: int, tmp_path: Path) -> None:
    with (
        closing(wire(ca_bundle=str(tmp_path / "gone.pem"))) as made,
        pytest.raises(UnreachableError, match="REQUESTS_CA_BUNDLE"),
    ):
        made.exchange(HttpCall("GET", f"https://127.0.0.1:{tls_port}/"), None, LONG)


def test_a_server_that_drips_under_tls_is_cut_off_too_on_a_connection_used_before(
    certificate: Path,
) -> None:
    context = server_context(certificate)

    def script(server: RawServer, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            read_request(tls)
            tls.sendall(ok(b"1"))
            read_request(tls)
            tls.sendall(HEAD + b"Content-Length: 400\r\n\r\n")
            server.drip(tls, b" ")

    with raw_server(script) as server, closing(wire(ca_bundle=str(certificate))) as made:
        call = HttpCall("GET", f"https://127.0.0.1:{server.port}/")
        assert made.exchange(call, None, LONG).body == b"1"
        with pytest.raises(NoAnswerError, match="timed out"):
            made.exchange(call, None, 0.3)
        assert server.connections == 1


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


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Name a proxy in the environment, and nothing else that bears on TLS."""
    for name in list(os.environ):
        if name.lower() in {"no_proxy", "all_proxy", "https_proxy", "http_proxy"}:
            monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return lambda port: monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")


def elsewhere() -> Reply:
    with closing(wire(loopback=False)) as made:
        return made.exchange(HttpCall("GET", f"https://{HOST}/v1/x"), "token", LONG)


def test_a_proxy_and_the_authorities_of_the_environment_are_used_for_other_machines(
    tls_port: int,
    certificate: Path,
    serve: Serve,
    proxied: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = TunnelServer(tls_port)
    proxied(serve(proxy))
    with pytest.raises(UnreachableError, match="certificate was refused"):
        elsewhere()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert elsewhere().body == b"{}"
    assert proxy.asked == [f"{HOST}:443"] * 2


def test_a_call_that_a_proxy_refuses_never_left(
    serve: Serve, proxied: Callable[[int], None]
) -> None:
    proxy = TunnelServer(None)
    proxied(serve(proxy))
    with pytest.raises(NotSentError, match="by way of the proxy"):
        elsewhere()
    assert proxy.asked == [f"{HOST}:443"]


def test_a_server_behind_a_proxy_that_drips_is_cut_off_too(
    serve: Serve, proxied: Callable[[int], None]
) -> None:
    def script(server: RawServer, connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00")
        server.drip(connection, b"\x00")

    with raw_server(script) as server:
        proxied(serve(TunnelServer(server.port)))
        with closing(wire(loopback=False)) as made, pytest.raises(NotSentError, match="timed out"):
            made.exchange(HttpCall("GET", f"https://{HOST}/"), None, 0.4)
