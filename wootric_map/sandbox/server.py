"""A sandbox that a background thread serves on a loopback port."""

import asyncio
import ipaddress
import json
import logging
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, TextIO

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from wootric_map.sandbox.app import LogRequest, build_app
from wootric_map.sandbox.faults import ABORT_EXTENSION
from wootric_map.sandbox.settings import SandboxSettings
from wootric_map.sandbox.state import SandboxState

_BACKLOG: Final = 2048
_KEEP_ALIVE: Final = 75
"""Seconds that an idle connection is kept: longer than a client's pauses between requests."""
_STOP_WITHIN: Final = 2
"""Seconds that running requests get to finish when the sandbox stops."""
_TICK: Final = 0.1
"""Seconds between two calls of uvicorn's `on_tick`, which updates the `Date` header."""
_SOON: Final = 0.002
"""Seconds between two looks at whether the last requests have finished."""


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers requests until its `run_sandbox` block ends."""

    base_url: str
    """The address of all four services of Wootric, such as `http://127.0.0.1:41234`."""

    settings: SandboxSettings
    """The settings that the sandbox was started with."""

    state: SandboxState
    """What the sandbox received."""

    @property
    def requests(self) -> tuple[Mapping[str, object], ...]:
        """The last requests with masked secrets, at most `state.REQUESTS_KEPT`."""
        return self.state.requests


@contextmanager
def run_sandbox(
    settings: SandboxSettings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    log: LogRequest | TextIO | None = None,
    clock: Callable[[], float] = time.time,
    new_token: Callable[[], str] = lambda: secrets.token_hex(32),
) -> Iterator[RunningSandbox]:
    """Run a sandbox in a background thread during a `with` block.

    Args:
        settings: the sandbox's account and behaviour; `SandboxSettings()` if None.
        host: a loopback address, IPv4 or IPv6.
        port: the port; 0 for any free one.
        log: called with each answered request, whose secrets are masked, in the server's thread; or a text
            file, to which each request is written as a line of JSON.
        clock: returns the unix time in seconds.
        new_token: returns a new access or refresh token.

    Yields:
        The sandbox, ready for requests.

    Raises:
        ValueError: `host` is not a loopback address.
        OSError: the port can't be opened; with `errno.EADDRINUSE` if it is in use.
    """
    settings = settings or SandboxSettings()
    address = ipaddress.ip_address(host)
    if not address.is_loopback:
        raise ValueError(f"the sandbox listens on loopback only, not on {host}")
    state = SandboxState(settings, clock=clock, new_token=new_token)
    app = build_app(state, _line_writer(log) if log is not None and not callable(log) else log)

    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    # Without the protocol, asyncio would not set TCP_NODELAY, and the body of each reply would wait 40 ms
    # for the client to acknowledge the head.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        # Bound in this thread, so that the caller gets the exception if the port is in use.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
        port = listener.getsockname()[1]
        url_host = host if address.version == 4 else f"[{host}]"  # noqa: PLR2004
        with _serving(app, listener):
            yield RunningSandbox(f"http://{url_host}:{port}", settings, state)


@contextmanager
def _serving(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Serve an application on a socket, in a background thread, during a `with` block."""
    server = _Server(
        uvicorn.Config(
            _WithAbort(app),
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_STOP_WITHIN,
        )
    )
    thread = threading.Thread(
        target=server.run, args=([listener],), name="wootric-sandbox", daemon=True
    )
    uvicorn_log = logging.getLogger("uvicorn.error")
    uvicorn_log.addFilter(_is_unexpected)
    try:
        thread.start()
        server.wait_until_ready(thread)
        yield
    finally:
        server.stop()
        thread.join()
        uvicorn_log.removeFilter(_is_unexpected)


class _Server(uvicorn.Server):
    """uvicorn in a thread: another thread can wait for its start and end it at once."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ready = threading.Event()
        self._stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        """Wait for the stop itself, so that it takes effect at once and not with the next tick."""
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait until the running requests have finished, at most `_STOP_WITHIN`."""
        for each in (*self.servers, *(sockets or ())):
            each.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_WITHIN):
                while state.connections or state.tasks:
                    await asyncio.sleep(_SOON)
        for task in state.tasks:
            task.cancel()

    def stop(self) -> None:
        """End the server; other threads may call this."""
        self.should_exit = True
        if self._loop:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stopped.set)

    def wait_until_ready(self, thread: threading.Thread) -> None:
        """Wait until the server answers requests.

        Args:
            thread: the thread that runs the server.

        Raises:
            RuntimeError: the thread ended before.
        """
        while not self._ready.wait(timeout=0.1):
            if not thread.is_alive():
                raise RuntimeError("the sandbox's server ended before it was ready")


class _WithAbort:
    """Gives the application a function that resets the connection, since ASGI has none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        def abort() -> None:
            # `send` is a method of uvicorn's request cycle, and only that knows the transport.
            transport = send.__self__.transport  # type: ignore[attr-defined]
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

        scope.setdefault("extensions", {})[ABORT_EXTENSION] = abort
        await self._app(scope, receive, send)


def _line_writer(file: TextIO) -> LogRequest:
    """Return a function that writes each request to a file as a line of JSON, and flushes the file."""

    def write(record: Mapping[str, object]) -> None:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
        file.flush()

    return write


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Tell whether a log message is about anything but faults on purpose and requests that a stop ends."""
    if record.exc_info and isinstance(record.exc_info[1], BaseException):
        return isinstance(record.exc_info[1], Exception)
    message = str(record.msg)
    return not message.startswith(
        ("ASGI callable returned without completing response", "Cancel %s running task")
    )
