"""Plans of made-up records, and servers with and without TLS."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from certified import certificate_in, server_context
from planned import Fields, Planned, PlanOf, planned
from wired import Page, QuietServer, Serve


@pytest.fixture
def plan_of(tmp_path: Path) -> Iterator[PlanOf]:
    """Plans the records of one file, or, given lists of records, of several; options as `planned` has."""
    with ExitStack() as stack:

        def make(*records: Fields | bytes | list[Fields], **planning: Any) -> Planned:
            several = bool(records) and isinstance(records[0], list)
            files: list[Any] = list(records) if several else [records]
            return stack.enter_context(planned(tmp_path, *files, **planning))

        yield make


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_in(tmp_path_factory.mktemp("tls"))


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


@pytest.fixture
def tls_port(certificate: Path, serve: Serve) -> int:
    server = QuietServer(("127.0.0.1", 0), Page)
    server.socket = server_context(certificate).wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    return serve(server)


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Name a proxy in the environment, and nothing else that bears on TLS."""
    for name in list(os.environ):
        if name.lower() in {"no_proxy", "all_proxy", "https_proxy", "http_proxy"}:
            monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return lambda port: monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
