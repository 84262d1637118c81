"""Deadlines of exchanges, and what tells a request that never left from one without an answer."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from certified import HOST, server_context
from raw_server import RawServer, raw_server, read_request
from wired import HEAD, LONG, Serve, TunnelServer, elsewhere, get, ok, saying, wire

from wootric_map.errors import NoAnswerError, NotSentError
from wootric_map.wootric.requests import HttpCall

# Deadlines: a socket's timeout begins anew with each byte.

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


def test_exchanges_side_by_side_each_have_their_own_deadline_and_need_no_thread_of_their_own() -> (
    None
):
    ready = threading.Barrier(9)

    def script(server: RawServer, connection: socket.socket) -> None:
        read_request(connection)
        ready.wait(20)
        server.over.wait(20)

    took: list[float] = []

    def send(seconds: float) -> None:
        begun = time.monotonic()
        with pytest.raises(NoAnswerError, match="timed out"):
            made.exchange(HttpCall("GET", f"http://127.0.0.1:{server.port}/"), None, seconds)
        took.append(time.monotonic() - begun - seconds)

    with raw_server(script) as server, closing(wire(connections=8)) as made:
        threads = [threading.Thread(target=send, args=(1 + number / 10,)) for number in range(8)]
        before = threading.active_count()
        for thread in threads:
            thread.start()
        ready.wait(20)
        assert threading.active_count() == before + 8 + 8, (
            "a thread for each call, and the server's"
        )
        for thread in threads:
            thread.join()
    assert len(took) == 8
    assert min(took) >= 0


def test_an_exchange_in_time_leaves_its_connection_alone_for_the_next() -> None:
    with raw_server(saying(ok(b"1"), ok(b"2"))) as server, closing(wire()) as made:
        call = HttpCall("GET", f"http://127.0.0.1:{server.port}/")
        made.exchange(call, None, 0.5)
        threading.Event().wait(0.6)  # past the first one's deadline
        assert made.exchange(call, None, LONG).body == b"2"
        assert server.connections == 1


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


def test_a_proxy_that_drips_is_cut_off_too_and_the_call_never_left(
    proxied: Callable[[int], None],
) -> None:
    def script(server: RawServer, connection: socket.socket) -> None:
        read_request(connection)
        server.drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"a" * 500)

    with raw_server(script) as server:
        proxied(server.port)
        with closing(wire(loopback=False)) as made, pytest.raises(NotSentError, match="timed out"):
            made.exchange(HttpCall("GET", f"https://{HOST}/"), None, 0.4)


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


@pytest.mark.parametrize("url", ["http://", "socks9://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_one_never_saw_the_call(
    url: str, proxied: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxied(1)
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(NotSentError, match="no connection"):
        elsewhere()


# What left, and may have arrived.


@pytest.mark.parametrize("secure", [False, True])
def test_a_server_that_does_not_read_a_request_holds_no_call_past_its_deadline(
    certificate: Path, secure: bool
) -> None:
    context = server_context(certificate)

    def script(server: RawServer, connection: socket.socket) -> None:
        if not secure:
            server.over.wait(20)
            return
        with context.wrap_socket(connection, server_side=True):
            server.over.wait(20)

    with raw_server(script) as server, closing(wire(ca_bundle=str(certificate))) as made:
        url = f"{'https' if secure else 'http'}://127.0.0.1:{server.port}/"
        call = HttpCall("POST", url, {"name": "x" * 32_000_000})
        with pytest.raises(NoAnswerError, match="timed out"):
            made.exchange(call, None, 1.0)


def test_tls_that_breaks_after_the_request_left_is_no_answer(certificate: Path) -> None:
    context = server_context(certificate)

    def script(_: RawServer, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            read_request(tls)
            # Past TLS, so that it is no record.
            with socket.fromfd(tls.fileno(), socket.AF_INET, socket.SOCK_STREAM) as bare:
                bare.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with (
        raw_server(script) as server,
        closing(wire(ca_bundle=str(certificate))) as made,
        pytest.raises(NoAnswerError, match="no answer"),
    ):
        made.exchange(HttpCall("POST", f"https://127.0.0.1:{server.port}/", {}), None, LONG)


def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew() -> None:
    asked: list[bytes] = []
    closed = threading.Event()

    def script(_: RawServer, connection: socket.socket) -> None:
        asked.append(read_request(connection))
        connection.sendall(ok(b"{}"))
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with raw_server(script) as server, closing(wire()) as made:
        for number in range(3):
            closed.clear()
            call = HttpCall("POST", f"http://127.0.0.1:{server.port}/{number}", {"a": "1"})
            assert made.exchange(call, None, LONG).body == b"{}"
            assert closed.wait(20)
        assert server.connections == 3
    assert [each.split()[1] for each in asked] == [b"/0", b"/1", b"/2"]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 2", HEAD + b"Content-Length: 9\r\n\r\n{"])
def test_a_connection_used_before_that_breaks_under_a_request_is_no_answer_and_sends_it_once(
    answer: bytes,
) -> None:
    with raw_server(saying(ok(b"{}"), answer)) as server, closing(wire()) as made:
        call = HttpCall("POST", f"http://127.0.0.1:{server.port}/", {"a": "1"})
        assert made.exchange(call, None, LONG).status == 200
        with pytest.raises(NoAnswerError):
            made.exchange(call, None, LONG)
        assert server.connections == 1
