"""Faults on purpose, to try how a client takes them.

A rule in `SandboxSettings.faults` gets each request and returns a `Fault` or None. The answer of a fault is
any ASGI application: a Starlette `Response` for a wrong status or wrong JSON, `TruncatedReply`,
`ResetConnection`, or another one.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from wootric_map.sandbox.wire import SandboxRequest

ABORT_EXTENSION: Final = "wootric_map.sandbox.abort"
"""The key in `scope["extensions"]` of the server's function that resets the connection."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request instead of its reply."""

    answer: ASGIApp
    """The application that answers."""

    carried_out: bool = False
    """Whether the request is carried out before, so that only its reply, or its refusal, is lost."""


FaultRule = Callable[[SandboxRequest], Fault | None]
"""Called with each request that has access and is within its limit, before the request is carried out."""


@dataclass(frozen=True, slots=True)
class TruncatedReply:
    """A reply that announces all of `body`, sends half of it and ends the connection."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the head and half of the body; uvicorn ends the connection of an unfinished answer."""
        headers = [
            (b"content-type", self.media_type.encode("ascii")),
            (b"content-length", str(len(self.body)).encode("ascii")),
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        half = self.body[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


@dataclass(frozen=True, slots=True)
class ResetConnection:
    """A connection that is reset without any reply."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Reset the connection, and wait until the server notices."""
        scope["extensions"][ABORT_EXTENSION]()
        # uvicorn would answer 500 if this returned before it noticed the reset.
        while (await receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)


def random_errors(rate: float, rng: random.Random) -> FaultRule:
    """Return a rule that answers some requests with 500 or 503, and does not carry them out.

    Args:
        rate: the share of requests, from 0 to 1.
        rng: draws the requests. With the same seed, the same requests of the same sequence are drawn.
    """

    def rule(_request: SandboxRequest) -> Fault | None:
        if rng.random() >= rate:
            return None
        if rng.random() < 0.5:  # noqa: PLR2004
            return Fault(JSONResponse({"error": "Internal server error"}, 500))
        return Fault(JSONResponse({"error": "Service unavailable"}, 503))

    return rule
