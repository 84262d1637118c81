"""Faults for a sandbox to have, and the end users and requests that they hit."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote

from replaying import Replay, at, by_device, identify, page, track
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wootric_map.sandbox import Fault, ResetConnection, SandboxRequest, SandboxState, TruncatedReply

LOOK_UP: Final = "look-up"
LISTING: Final = "list of end users"
CREATE: Final = "create"
UPDATE: Final = "update"
CHECK: Final = "eligibility check"
VIEW: Final = "page view"
REGISTERED: Final = "registered events"
SIGN_IN: Final = "signing in"

_PLACES: Final = (
    ("POST /oauth", SIGN_IN),
    ("GET /registered_events.json", REGISTERED),
    ("GET /eligible.json", CHECK),
    ("GET /pixel.gif", VIEW),
    ("GET /v1/end_users/", LOOK_UP),
    ("GET /v1/end_users", LISTING),
    ("POST /v1/end_users", CREATE),
    ("PUT /v1/end_users", UPDATE),
)


class Silence:
    """No answer, until the other side hangs up."""

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


class Drips:
    """An answer that comes byte by byte, and never to its end."""

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.create_task(_hung_up(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.wait([gone], timeout=0.05)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def said(status: int) -> Callable[[], ASGIApp]:
    return lambda: JSONResponse({"error": f"Wootric says {status}"}, status)


NO_ANSWER: Final[Mapping[str, Callable[[], ASGIApp]]] = MappingProxyType(
    {
        "reset": ResetConnection,
        "cut short": lambda: TruncatedReply(b'{"id": 1, "properties": {}}'),
        "silence": Silence,
        "no JSON": lambda: Response("<html>Hello</html>"),
        "502": said(502),
        "504": said(504),
    }
)
"""Faults that leave open whether the request was carried out."""
TURNED_AWAY: Final = MappingProxyType({"429": said(429), "500": said(500), "503": said(503)})
"""Faults that say it was not, and that it may be tried again."""
REFUSED: Final = MappingProxyType({str(code): said(code) for code in (400, 404, 422, 423)})
"""Faults that say it never will be."""
FAULTS: Final = MappingProxyType({**NO_ANSWER, **TURNED_AWAY, **REFUSED})


def place(request: SandboxRequest) -> str:
    """What a request is for."""
    sent = f"{request.method} {request.path}"
    return next(name for start, name in _PLACES if sent.startswith(start))


def unlisted(request: SandboxRequest) -> Fault | None:
    """A fault rule of an account without a list of end users: nothing is known of it but by asking."""
    return Fault(said(423)()) if place(request) == LISTING else None


@dataclass(frozen=True)
class Person:
    """An end user of an export; each of their requests tells their number. They are pushed in its order."""

    number: int
    by_phone: bool = False
    """Whether nothing but a phone names them: created twice, they would be there twice."""
    is_held: bool = False
    """Whether the account holds them already, and another plan of theirs."""

    @property
    def name(self) -> str:
        return f"u{self.number:05}"

    @property
    def names(self) -> dict[str, str]:
        """What names them to Wootric."""
        if self.by_phone:
            return {"phone_number": f"+44 {self.number:05}"}
        return {"external_id": self.name, "email": f"{self.name}@example.com"}

    @property
    def properties(self) -> dict[str, str]:
        return {"plan": "pro", "mark": self.name}

    def records(self) -> list[dict[str, Any]]:
        """Who they were, what they did, who they are now, and what they saw where an email allows it."""
        did: dict[str, Any] = {"properties": {"mark": self.name}}
        if self.by_phone:
            traits = {"phone": self.names["phone_number"], "mark": self.name}
            history = [
                identify("", **traits, plan="trial"),
                track("", **did, context={"traits": traits}),
                identify("", **traits, plan="pro"),
            ]
            history = [by_device(f"a{self.number}", record) for record in history]
        else:
            email = self.names["email"]
            history = [
                identify(self.name, email, mark=self.name, plan="trial"),
                track(self.name, **did),
                identify(self.name, email, mark=self.name, plan="pro"),
                page(self.name, f"/{self.name}"),
            ]
        kinds = ("earlier identify", "track", "identify", "page")
        return [
            at(day, {**record, "messageId": f"{kind} {self.name}"})
            for day, (kind, record) in enumerate(zip(kinds, history, strict=False), 1)
        ]

    @property
    def events(self) -> set[str]:
        return {f"track {self.name}"} | ({f"page {self.name}"} if not self.by_phone else set())


def whose(request: SandboxRequest) -> int | None:
    """The number of the end user whom a request is about."""
    told = (unquote(request.path), *request.query.values(), *request.form.values())
    found = re.search(r"(?:\bu|\+44 )([0-9]+)\b", "\n".join(told))
    return int(found[1]) if found else None


def event(request: SandboxRequest) -> str:
    """The `messageId` of the record that an eligibility check or page view was made from."""
    return f"{'track' if place(request) == CHECK else 'page'} u{whose(request):05}"


def taken(state: SandboxState) -> Counter[str]:
    """How often each event was taken, by `messageId`."""
    return Counter(
        [f"track {check.params['properties[mark]']}" for check in state.eligibility_checks]
        + [f"page {view.params['page_info[path]'][1:]}" for view in state.page_views]
    )


def is_whole(person: Person, state: SandboxState) -> bool:
    """Whether the account holds an end user, once, with all that the export says of them."""
    found = [
        user
        for user in state.end_users
        if any(getattr(user, name) == value for name, value in person.names.items())
    ]
    return [
        (user.properties, user.email, user.external_id, user.phone_number) for user in found
    ] == [
        (
            person.properties,
            *(person.names.get(name) for name in ("email", "external_id", "phone_number")),
        )
    ]


@dataclass
class Weather:
    """A rule by which a share of all requests is hit, the first time that they come.

    Who is hit is drawn by what a request holds, and not by its turn, so that a seed hits the same ones
    however many workers there are.
    """

    seed: int
    share: float
    names: tuple[str, ...] = tuple(FAULTS)
    places: tuple[str, ...] = (LISTING, LOOK_UP, CREATE, UPDATE, CHECK, VIEW)
    is_bad: bool = True
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each fault struck, and where."""
    doubtful: dict[str, bool] = field(default_factory=dict)
    """The events that got no answer, and whether they were taken all the same."""
    _seen: set[str] = field(default_factory=set)

    def __call__(self, request: SandboxRequest) -> Fault | None:
        where = place(request)
        told = f"{self.seed} {request.method} {request.path} {request.query} {request.form}"
        if not self.is_bad or where not in self.places or told in self._seen:
            return None
        self._seen.add(told)
        draw = random.Random(told)
        if draw.random() >= self.share:
            return None
        name = draw.choice(self.names)
        if (where, name) == (VIEW, "no JSON"):
            return None  # whatever the pixel answers with a 2xx, it has taken the view
        carried_out = name in NO_ANSWER and draw.random() < 0.5
        self.hits[name, where] += 1
        if name in NO_ANSWER and where in (CHECK, VIEW):
            self.doubtful[event(request)] = carried_out
        return Fault((FAULTS | {"401": said(401)})[name](), carried_out)


def all_records(people: Iterable[Person]) -> list[dict[str, Any]]:
    return [record for person in people for record in person.records()]


def put_into(replay: Replay, people: Iterable[Person]) -> None:
    """Have the account hold those whom it is to hold already, with another plan."""
    for person in people:
        if person.is_held:
            names = {"external_id": None, "email": None} | person.names
            replay.holds(**names, plan="free")
