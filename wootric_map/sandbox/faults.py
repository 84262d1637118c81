"""Faults on purpose: the seam by which a sandbox answers as a bad day would.

A rule in `SandboxSettings.faults` looks at a request and hands back a `Fault`, or `None`. What a
fault answers with is any ASGI application: a Starlette `Response` for a wrong status or wrong
JSON, `TruncatedReply`, `ResetConnection`, or one of your own.
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
"""Where in `scope["extensions"]` the server puts what cuts the connection."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of one request, in place of its reply."""

    answer: ASGIApp
    """What is sent back."""

    carried_out: bool = False
    """Whether the request is carried out first, so that only its reply is lost. What is carried
    out may be a refusal: then the fault hides it."""


FaultRule = Callable[[SandboxRequest], Fault | None]
"""Asked about each request once it is signed in and within its limit, before it is carried out."""


@dataclass(frozen=True, slots=True)
class TruncatedReply:
    """A reply that promises all of `body`, sends half of it and hangs up."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the head and half the body; uvicorn hangs up on an answer left unfinished."""
        headers = [
            (b"content-type", self.media_type.encode("ascii")),
            (b"content-length", str(len(self.body)).encode("ascii")),
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        half = self.body[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


@dataclass(frozen=True, slots=True)
class ResetConnection:
    """No reply at all: the connection is reset."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Cut the connection and see it gone."""
        scope["extensions"][ABORT_EXTENSION]()
        # uvicorn would answer 500 if this returned before it had seen the connection go.
        while (await receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)


def random_errors(rate: float, rng: random.Random) -> FaultRule:
    """Make the rule behind `SandboxSettings.error_rate`: some requests get 500 or 503, undone.

    Args:
        rate: the share of requests, from 0 to 1.
        rng: draws them; seeded, it draws the same ones for the same requests in the same order.
    """

    def rule(_request: SandboxRequest) -> Fault | None:
        if rng.random() >= rate:
            return None
        if rng.random() < 0.5:  # noqa: PLR2004
            return Fault(JSONResponse({"error": "Internal server error"}, 500))
        return Fault(JSONResponse({"error": "Service unavailable"}, 503))

    return rule
