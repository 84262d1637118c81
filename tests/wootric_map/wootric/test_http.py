"""The wire: what a reply is, how much of it is read, and whom a server and a proxy are trusted as."""

import gzip
import socket
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from certified import HOST
from raw_server import RawServer, raw_server, read_request
from wired import HEAD, LONG, Serve, TunnelServer, elsewhere, get, ok, saying, wire

from wootric_map.errors import NoAnswerError, NotSentError, UnreachableError
from wootric_map.wootric.http import LARGEST_REPLY
from wootric_map.wootric.requests import HttpCall


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
    monkeypatch.setattr("wootric_map.wootric.deadline.LONGEST_IDLE", 0.0)
    with raw_server(saying(ok(b"1"), ok(b"2"))) as server, closing(wire()) as made:
        call = HttpCall("GET", f"http://127.0.0.1:{server.port}/")
        assert [made.exchange(call, None, LONG).body for _ in range(2)] == [b"1", b"1"]
        assert server.connections == 2


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
    "a chunk below zero": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "an enormous chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n{}" % 10**30,
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


# TLS and proxies.


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
