"""The real command against every fault, alone and mixed: nothing is lost, and nothing arrives twice."""

import asyncio
import os
import signal
import socket
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count, product
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from faulty import (
    CHECK,
    CREATE,
    FAULTS,
    LISTING,
    LOOK_UP,
    NO_ANSWER,
    REFUSED,
    REGISTERED,
    SIGN_IN,
    TURNED_AWAY,
    UPDATE,
    VIEW,
    Drips,
    Person,
    Weather,
    all_records,
    is_whole,
    place,
    put_into,
    said,
    taken,
    unlisted,
    whose,
)
from raw_server import RawServer, raw_server, read_request
from replaying import Replay, by_device, identify, page, track, until
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wootric_map import (
    AccountSettings,
    ClientCredentials,
    JournalSettings,
    Push,
    PushSettings,
    Stop,
)
from wootric_map.sandbox import (
    Fault,
    FaultRule,
    ResetConnection,
    SandboxRequest,
    SandboxSettings,
    run_sandbox,
)

Start = Callable[[SandboxSettings], Replay]

EVENTS: Final = (CHECK, VIEW)
AT_HOME: Final = {"POST /oauth/token", "GET /registered_events.json", "GET /v1/end_users"}
"""What every push asks for, whatever there is to do: the last, whether the sandbox was started anew."""


def once_more(args: Sequence[str | Path]) -> list[str | Path]:
    """The arguments of a push that also tries what was refused before, as it is."""
    return [*args] if "--plan" in args else [*args, "--retry-rejects"]


def made_by(replay: Replay, *args: str | Path) -> list[str]:
    """The requests that a push makes, which must end well, but for those of every push."""
    before = len(replay.sandbox.requests)
    done = replay.push(*once_more(args))
    assert done.returncode == 0, done.stderr
    made = (f"{each['method']} {each['path']}" for each in replay.sandbox.requests[before:])
    return [call for call in made if call not in AT_HOME]


def rejected(replay: Replay) -> dict[str, str]:
    """The code of each record in the rejects, by `messageId`."""
    return {_message_id(orjson.loads(entry["record"])): entry["code"] for entry in replay.rejects()}


def _message_id(line: dict[str, Any]) -> str:
    """That of a record; a line of a plan stands for the last of its own."""
    if "fields" in line:
        message_id: str = line["said"][-1][2]
        return message_id
    return str(line.get("messageId") or line["former_key"])


def on(where: str, answer: Callable[[], ASGIApp], turns: range = range(1)) -> FaultRule:
    """A fault rule for those requests of a place whose turns these are; from 0."""
    came = count()

    def rule(request: SandboxRequest) -> Fault | None:
        return Fault(answer()) if place(request) == where and next(came) in turns else None

    return rule


def everything(people: Iterable[Person]) -> set[str]:
    return set[str]().union(*(person.events for person in people))


# Each fault alone: every end user meets one of them, at one place.


@dataclass(frozen=True)
class Cell:
    """What befalls an end user."""

    person: Person
    fault: str
    where: str
    carried_out: bool
    lasts: bool
    """Whether it strikes at every try of the first push, or at the first alone."""

    def __str__(self) -> str:
        parts = (
            self.where,
            self.fault,
            *(["carried out"] if self.carried_out else ()),
            *(["lasting"] if self.lasts else ()),
            *(["by phone"] if self.person.by_phone else ()),
            *(["held"] if self.person.is_held and self.where != UPDATE else ()),
        )
        return ", ".join(parts)

    @property
    def is_harmless(self) -> bool:
        """Whether it makes no difference: a pixel that says anything has taken the view."""
        return (self.where, self.fault) == (VIEW, "no JSON")

    @property
    def makes_doubtful(self) -> bool:
        """Whether it leaves an event in doubt, once its tries are over."""
        return self.where in EVENTS and self.fault in NO_ANSWER and not self.is_harmless

    def code(self, *, resends: bool) -> str | None:
        """The code under which what it strikes is rejected; None where that goes through."""
        if self.is_harmless:
            return None
        if self.where == CREATE and self.person.is_held:
            # They are looked up all the same, unless Wootric does not answer for itself.
            return "server_error" if self.lasts and self.fault in TURNED_AWAY else None
        if self.fault == "404" and self.where in (LOOK_UP, CREATE, UPDATE):
            # Nobody is there, it says: they are created then, or looked up anew.
            is_there = self.where != LOOK_UP or self.person.is_held
            return "refused" if self.lasts and is_there else None
        if self.fault in REFUSED:
            return "refused"
        if self.makes_doubtful and (self.lasts or not resends):
            return "in_doubt"
        if not self.lasts or (self.where == CREATE and self.carried_out):
            return None
        if self.where == CREATE and self.fault in NO_ANSWER:
            return "in_doubt"
        if self.fault == "no JSON":
            return "bad_reply"
        return "server_error" if self.fault.isdigit() else "unreachable"

    def rejects(self, *, resends: bool) -> dict[str, str]:
        """What the first push keeps of the end user's records, and under which code."""
        code = self.code(resends=resends)
        if code is None:
            return {}
        struck = {CHECK: "track", VIEW: "page"}.get(self.where)
        if struck:
            return {f"{struck} {self.person.name}": code}
        held_back = dict.fromkeys(self.person.events, "end_user_failed")
        identifies = (f"earlier identify {self.person.name}", f"identify {self.person.name}")
        return dict.fromkeys(identifies, code) | held_back

    def strikes(self, request: SandboxRequest) -> bool:
        return place(request) == self.where


Way = tuple[str, str, bool, bool, bool]
"""A place, a fault, whether it is carried out, whether it lasts, whether the end user is known by phone."""


def _ways() -> Iterator[Way]:
    ways = product((LOOK_UP, CREATE, UPDATE, CHECK, VIEW), FAULTS, (False, True), (False, True))
    for where, fault, carried_out, lasts in ways:
        if lasts and (where, fault) == (CREATE, "silence"):
            continue  # three times waited for in vain is long, and a reset is no different
        if carried_out and (where == LOOK_UP or fault not in NO_ANSWER):
            continue  # it would be the same as not carried out, or a lie
        if lasts and fault in ("429", "400", "422", "423"):
            continue  # Wootric's limit is waited for without end, and nobody tries a refusal again
        if not carried_out and (where, fault) == (VIEW, "no JSON"):
            continue
        for by_phone in (False, True):
            if not (by_phone and where == VIEW):
                yield where, fault, carried_out, lasts, by_phone


def _held(where: str, against: str, *, by_phone: bool) -> tuple[bool, ...]:
    """Whether the account holds an end user whom a fault meets at a place; or both, one after the other.

    Where end users are created first, only those who are there are looked up, and a create may meet them.
    """
    if by_phone or against == "account" or where not in (LOOK_UP, CREATE):
        return (where == UPDATE,)
    return (True,) if where == LOOK_UP else (False, True)


def _cells(against: str) -> Iterator[Cell]:
    """All cells, numbered from the number of newcomers on.

    First come those of end users who are there and whose create a fault meets. They are too few to make a
    look-up first the cheaper way, so they are created first, in whatever order the replies come. Any order of
    the others will do.
    """
    drawn = [
        (is_held, way) for way in _ways() for is_held in _held(way[0], against, by_phone=way[-1])
    ]
    drawn.sort(key=lambda each: not _is_created_though_there(*each))
    created = sum(_is_created_though_there(*each) for each in drawn)
    assert created < 35, "half of the replies that count would be about those who are there"
    for number, (is_held, way) in enumerate(drawn, start=NEWCOMERS):
        where, fault, carried_out, lasts, by_phone = way
        yield Cell(Person(number, by_phone, is_held), fault, where, carried_out, lasts)


def _is_created_though_there(is_held: bool, way: Way) -> bool:
    return is_held and way[0] == CREATE


WORKERS: Final = 64
NEWCOMERS: Final = 2 * WORKERS
"""How many end users whom no fault meets come first where end users are created first; they are new."""
CELLS: Final = {against: tuple(_cells(against)) for against in ("account", "auto")}
TABLES: Final = tuple(product((False, True), CELLS))
"""Whether events in doubt are sent again, and against what a push compares."""
IN_TABLES: Final = [
    pytest.param(nth, cell, id=f"{'resend' if resends else 'skip'}, {against}: {cell}")
    for nth, (resends, against) in enumerate(TABLES)
    for cell in CELLS[against]
]


@dataclass
class Table:
    """What became of all cells after a first push, and after a second without faults."""

    replay: Replay
    resends: bool
    first: subprocess.CompletedProcess[str]
    rejects: dict[str, str]
    second: subprocess.CompletedProcess[str]
    third: list[str]
    """The calls of one push more."""
    sent: Counter[tuple[int | None, str]] = field(default_factory=Counter)
    """How often the first push sent something, by end user and place."""


@contextmanager
def _table(folder: Path, *, resends: bool, against: str) -> Iterator[Table]:
    is_bad = [True]
    cells = {cell.person.number: cell for cell in CELLS[against]}
    struck: set[int] = set()
    sent: Counter[tuple[int | None, str]] = Counter()

    def rule(request: SandboxRequest) -> Fault | None:
        number = whose(request)
        if not is_bad or number not in cells:
            return None
        sent[number, place(request)] += 1
        cell = cells[number]
        if not cell.strikes(request) or (number in struck and not cell.lasts):
            return None
        struck.add(number)
        return Fault(FAULTS[cell.fault](), cell.carried_out)

    with run_sandbox(SandboxSettings(faults=(unlisted, rule))) as sandbox:
        replay = Replay(folder, sandbox, forks=True)
        newcomers = map(Person, range(NEWCOMERS if against == "auto" else 0))
        people = [*newcomers, *(cell.person for cell in cells.values())]
        put_into(replay, people)
        push: tuple[str | Path, ...] = (
            replay.write(all_records(people)),
            *(
                "--against",
                against,
                "--workers",
                str(WORKERS),
                "--retries",
                "1",
                "--read-timeout",
                "3",
            ),
            *(("--in-doubt", "resend") if resends else ()),
        )
        first = replay.push(*push)
        assert struck == cells.keys(), first.stderr
        rejects = rejected(replay)
        is_bad.clear()
        second = replay.push(*once_more(push))
        yield Table(replay, resends, first, rejects, second, made_by(replay, *push), sent)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Table]]:
    """All at once, since most of their time is spent waiting."""
    ways = [
        _table(tmp_path_factory.mktemp("table"), resends=resends, against=against)
        for resends, against in TABLES
    ]
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        yield list(pool.map(stack.enter_context, ways))


@pytest.fixture
def table(request: pytest.FixtureRequest, tables: list[Table]) -> Table:
    index: int = request.param
    return tables[index]


@pytest.mark.xdist_group("table")
@pytest.mark.parametrize("table", range(len(TABLES)), indirect=True)
def test_the_table_ends_as_documented(table: Table) -> None:
    assert table.first.returncode == 1, table.first.stderr
    assert table.second.returncode == 0, table.second.stderr
    assert table.third == []
    for done in (table.first, table.second):
        assert "Traceback" not in done.stderr


@pytest.mark.xdist_group("table")
@pytest.mark.parametrize(("table", "cell"), IN_TABLES, indirect=["table"])
def test_a_fault_alone(table: Table, cell: Cell) -> None:
    person, state = cell.person, table.replay.sandbox.state
    assert is_whole(person, state)
    expected = cell.rejects(resends=table.resends)
    kept = {key: code for key, code in table.rejects.items() if key.split()[-1] == person.name}
    assert kept == expected
    counts = taken(state)
    struck = {CHECK: f"track {person.name}", VIEW: f"page {person.name}"}.get(cell.where)
    for key in person.events:
        if key == struck and cell.makes_doubtful and table.resends:
            # Each time that it was carried out without an answer, and once with one.
            tries = 2 if cell.lasts else 1
            assert counts[key] == 1 + tries * cell.carried_out
        elif key == struck and cell.makes_doubtful:
            assert counts[key] == cell.carried_out
            assert table.sent[person.number, cell.where] == 1
        else:
            assert counts[key] == 1
    if cell.where == CREATE and cell.carried_out:
        assert table.sent[person.number, CREATE] == 1, "looking tells, sending it again would not"


# Many faults at once.

SOME: Final = tuple(Person(n, by_phone=n % 4 == 3, is_held=n % 3 == 0) for n in range(20))


def check_mixed(
    replay: Replay, weather: Weather, *push: str | Path, options: tuple[str, ...] = ()
) -> None:
    """Push in bad weather, then in good; what is sent must be all that is wanted, and nothing more."""
    resends = "resend" in options
    state, wanted = replay.sandbox.state, everything(SOME)
    done = replay.push(*push)
    assert "Traceback" not in done.stderr
    assert weather.hits.total() > 0, "nothing was hit"
    rejects = rejected(replay)
    assert done.returncode == (1 if rejects else 0), done.stderr
    # The rejects hold exactly what failed, and what is in doubt.
    missing = {key for key in wanted if not taken(state)[key]}
    doubtful = set() if resends else set(weather.doubtful)
    assert rejects.keys() & wanted == missing | doubtful
    assert {key for key, code in rejects.items() if code == "in_doubt"} == doubtful
    unwritten = {each.name for each in SOME if not is_whole(each, state)}
    refused = {key.split()[-1] for key in rejects if "identify" in key}
    # Record by record, an earlier identify may have failed whose user came out right later on; and of a
    # create that was carried out without an answer, the look-up may be refused.
    is_plain = "--no-fold" not in options and unlisted not in replay.sandbox.settings.faults
    assert refused == unwritten if is_plain else refused >= unwritten
    weather.is_bad = False
    made_by(replay, *push)
    assert [each.name for each in SOME if not is_whole(each, state)] == [], (
        state.end_users,
        replay.rejects(),
    )
    assert len(state.end_users) == len(SOME)
    again = 1 if resends else 0
    assert taken(state) == Counter(
        {
            key: weather.doubtful[key] + again if key in weather.doubtful else 1
            for key in wanted
            if again or weather.doubtful.get(key, True)
        }
    )
    assert made_by(replay, *push) == []
    assert replay.in_doubt().total() == (0 if resends else len(doubtful))


QUICK: Final = tuple(name for name in FAULTS if name not in ("silence", "429"))
"""Faults that need no patience."""


@pytest.mark.parametrize(
    ("workers", "share", "names", "options", "is_listed"),
    [
        (1, 0.08, (*QUICK, "401"), (), True),
        (1, 0.08, (*QUICK, "401"), (), False),
        (1, 0.08, (*QUICK, "401"), ("--no-fold",), True),
        (8, 0.25, (*QUICK, "401", "429"), (), False),
        (8, 0.25, QUICK, ("--in-doubt", "resend"), True),
        (32, 0.25, (*NO_ANSWER, *TURNED_AWAY, "401"), (), True),
        (32, 0.5, QUICK, (), False),
        (32, 0.5, QUICK, ("--no-fold",), True),
        (32, 0.5, QUICK, ("--no-fold",), False),
        (32, 0.5, QUICK, ("--in-doubt", "resend", "--no-fold"), True),
        (32, 0.5, QUICK, ("--against", "account"), True),
    ],
)
def test_faults_mixed(
    tmp_path: Path,
    workers: int,
    share: float,
    names: tuple[str, ...],
    options: tuple[str, ...],
    is_listed: bool,
) -> None:
    """Where the account gives no list, end users are created first, and half of them in vain."""
    weather = Weather(workers, share, names)
    rules = (weather,) if is_listed else (unlisted, weather)
    with run_sandbox(SandboxSettings(faults=rules)) as sandbox:
        replay = Replay(tmp_path, sandbox)
        put_into(replay, SOME)
        patience = ("--read-timeout", "3", "--retries", "3")
        export = replay.write(all_records(SOME))
        check_mixed(
            replay, weather, export, "--workers", str(workers), *patience, *options, options=options
        )


@pytest.mark.parametrize(
    ("workers", "options"), [("1", ()), ("8", ("--no-fold",)), ("32", ("--no-fold",))]
)
def test_faults_mixed_on_the_way_of_a_saved_plan(
    tmp_path: Path, workers: str, options: tuple[str, ...]
) -> None:
    weather = Weather(7, 0.2, (*QUICK, "401"), is_bad=False)
    with run_sandbox(SandboxSettings(faults=(weather,))) as sandbox:
        replay = Replay(tmp_path, sandbox)
        put_into(replay, SOME)
        export = replay.write(all_records(SOME))
        plan = replay.plan(export, "--against", "account", *options)
        weather.is_bad = True
        check_mixed(replay, weather, "--plan", plan, "--workers", workers, options=options)


# Before the first record: signing in, and the events that count.


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        *product([SIGN_IN], FAULTS),
        *product([REGISTERED], ["reset", "cut short", "no JSON", "503", *REFUSED]),
    ],
)
def test_a_fault_before_the_first_record(replaying: Start, where: str, fault: str) -> None:
    is_bad = [True]
    left = count()

    def rule(request: SandboxRequest) -> Fault | None:
        # What passes strikes once; a refusal is an answer.
        strikes = is_bad and place(request) == where and (fault in REFUSED or not next(left))
        return Fault(FAULTS[fault]()) if strikes else None

    replay = replaying(SandboxSettings(faults=(rule,), sign_in_faults=(rule,)))
    some = SOME[:4]
    export = replay.write(all_records(some))
    done = replay.push(export, "--read-timeout", "1")
    state = replay.sandbox.state
    if fault not in REFUSED:
        assert done.returncode == 0, done.stderr
        assert replay.paths().count("/oauth/token") == (2 if where == SIGN_IN else 1)
    elif where == SIGN_IN:
        assert done.returncode == (4 if fault == "400" else 5), done.stderr
        assert len(replay.sandbox.requests) == 1
    elif fault in ("404", "423"):
        # Targeted Sampling is off: no event counts, and all the rest is sent.
        assert done.returncode == 0, done.stderr
        assert "event_not_registered 4" in done.stdout
        assert state.eligibility_checks == ()
        assert all(is_whole(each, state) for each in some)
    else:
        assert done.returncode == 5, done.stderr
        assert state.end_users == ()
    assert replay.rejects() == []
    is_bad.clear()
    if fault in REFUSED:
        made_by(replay, export)
    assert all(is_whole(each, state) for each in some)
    assert taken(state) == dict.fromkeys(everything(some), 1)


# What no server says, but a network does.


@contextmanager
def between(
    replay: Replay, breaks: Callable[[bytes, socket.socket], bool]
) -> Iterator[dict[str, str]]:
    """Stand between the command and the sandbox; gives the environment that leads there.

    What `breaks` sees of a request that comes is its beginning, and it may do away with the connection.
    """
    port = int(replay.sandbox.base_url.rpartition(":")[2])

    def script(_: RawServer, connection: socket.socket) -> None:
        while beginning := connection.recv(400, socket.MSG_PEEK):
            if breaks(beginning, connection):
                return
            request = read_request(connection)
            with socket.create_connection(("127.0.0.1", port)) as onward:
                onward.sendall(request)
                connection.sendall(read_request(onward))

    with raw_server(script) as server:
        yield {"WOOTRIC_BASE_URL": f"http://127.0.0.1:{server.port}"}


def reset(connection: socket.socket) -> None:
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_connection_reset_in_the_middle_of_each_request(replay: Replay) -> None:
    """The second request of each kind is read in part, and its connection reset."""
    seen: Counter[bytes] = Counter()

    def breaks(beginning: bytes, connection: socket.socket) -> bool:
        kind = b"/".join(beginning.split(b"?")[0].split(b"/")[:4])
        kind = b"look-up" if kind.startswith(b"GET /v1") else kind[:9]
        seen[kind] += 1
        if seen[kind] != 2:
            return False
        reset(connection)
        return True

    people = [Person(n, is_held=n % 2 == 0) for n in range(6)]
    put_into(replay, people)
    export = replay.write(all_records(people))
    with between(replay, breaks) as env:
        done = replay.push(export, env=env)
        assert done.returncode == 1, done.stderr
        assert sorted(rejected(replay).values()) == ["in_doubt"] * 2
        lost = set(rejected(replay))
        state = replay.sandbox.state
        assert all(is_whole(each, state) for each in people)
        assert taken(state) == dict.fromkeys(everything(people) - lost, 1)
        done = replay.push(export, "--in-doubt", "resend", env=env)
        assert done.returncode == 0, done.stderr
    assert taken(state) == dict.fromkeys(everything(people), 1)
    assert min(seen.values()) > 1


def test_no_connection_at_first(replaying: Start) -> None:
    """Nobody listens until the command has been turned away."""
    replay = replaying(SandboxSettings())
    export = replay.write(all_records(SOME))
    with socket.socket() as taken_port:
        taken_port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken_port.bind(("127.0.0.1", 0))
        port = taken_port.getsockname()[1]
        address = {"WOOTRIC_BASE_URL": f"http://127.0.0.1:{port}"}
        args = ("push", export, "--verbose", "--retries", "50")
        with replay.start(*args, env=address, stdout=subprocess.DEVNULL) as process:
            assert process.stderr
            while "no connection to 127.0.0.1" not in (line := process.stderr.readline()):
                assert line, "it has ended"
            taken_port.close()
            with run_sandbox(SandboxSettings(), port=port) as late:
                _, errors = process.communicate(timeout=60)
                assert process.returncode == 0, errors
                assert all(is_whole(each, late.state) for each in SOME)
                assert taken(late.state) == dict.fromkeys(everything(SOME), 1)


@pytest.mark.parametrize("where", [CREATE, VIEW])
def test_an_answer_that_drips_is_cut_off_at_the_deadline(replaying: Start, where: str) -> None:
    replay = replaying(SandboxSettings(faults=(on(where, Drips),)))
    some = [Person(n, is_held=n % 2 == 0) for n in range(4)]
    put_into(replay, some)
    export = replay.write(all_records(some))
    begun = time.monotonic()
    done = replay.push(export, "--deadline", "2")
    assert time.monotonic() - begun < 20, "it drips for ever"
    # A create is looked up, and made after all; for whatever else there is no time left.
    assert done.returncode == int(where != CREATE), done.stderr
    state = replay.sandbox.state
    made_by(replay, export)
    assert all(is_whole(each, state) for each in some)
    lost = 1 if where in EVENTS else 0
    assert taken(state).total() == len(everything(some)) - lost
    assert max(taken(state).values()) == 1


# Tokens.


def signed_in(replay: Replay) -> int:
    return replay.paths().count("/oauth/token")


def test_a_token_that_all_threads_find_refused_is_renewed_once(replaying: Start) -> None:
    """None of eight creates is answered until all have come, and then all with a 401.

    The first create of the run goes alone, and finds out that there is no limit.
    """
    hold = Held(8)
    replay = replaying(SandboxSettings(faults=(hold.rule,)))
    people = [Person(n) for n in range(16)]
    done = replay.push(replay.write(all_records(people)), "--workers", "8")
    assert done.returncode == 0, done.stderr
    assert hold.came == 8
    assert signed_in(replay) == 2
    assert all(is_whole(each, replay.sandbox.state) for each in people)
    assert taken(replay.sandbox.state) == dict.fromkeys(everything(people), 1)


class Held:
    """Holds the first creates back until so many are there; then refuses the token of them all."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._is_first = True
        self.came = 0

    def rule(self, request: SandboxRequest) -> Fault | None:
        if place(request) != CREATE or self.came == self._number:
            return None
        if self._is_first:
            self._is_first = False
            return None
        self.came += 1
        return Fault(self._answer)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        while self.came < self._number:
            await asyncio.sleep(0.01)
        await JSONResponse({"error": "The access token expired"}, 401)(scope, receive, send)


@pytest.mark.parametrize(("where", "turn"), [(LISTING, 0), (LOOK_UP, 2), (CREATE, 2), (UPDATE, 2)])
def test_a_token_refused_once_is_renewed_and_the_call_goes_on(
    replaying: Start, where: str, turn: int
) -> None:
    refused = on(where, said(401), range(turn, turn + 1))
    replay = replaying(SandboxSettings(faults=(refused, unlisted)))
    put_into(replay, SOME)
    done = replay.push(replay.write(all_records(SOME)))
    assert done.returncode == 0, done.stderr
    assert signed_in(replay) == 2
    assert all(is_whole(each, replay.sandbox.state) for each in SOME)
    assert taken(replay.sandbox.state) == dict.fromkeys(everything(SOME), 1)


@pytest.mark.parametrize(
    ("where", "turn", "workers"),
    [(LISTING, 0, "8"), (LOOK_UP, 2, "8"), (CREATE, 2, "1"), (UPDATE, 2, "8")],
)
def test_a_token_refused_twice_ends_the_run_and_loses_nothing(
    replaying: Start, where: str, turn: int, workers: str
) -> None:
    is_bad = [True]
    left = count()

    def rule(request: SandboxRequest) -> Fault | None:
        strikes = is_bad and place(request) == where and next(left) >= turn
        return Fault(said(401)()) if strikes else None

    replay = replaying(SandboxSettings(faults=(rule, unlisted)))
    put_into(replay, SOME)
    export = replay.write(all_records(SOME))
    done = replay.push(export, "--workers", workers)
    assert done.returncode == 4, done.stderr
    assert "did not finish" in done.stderr
    assert replay.rejects() == []
    is_bad.clear()
    made_by(replay, export)
    assert all(is_whole(each, replay.sandbox.state) for each in SOME)
    assert taken(replay.sandbox.state) == dict.fromkeys(everything(SOME), 1)
    assert made_by(replay, export) == []


def test_tokens_that_expire_all_the_time(replaying: Start) -> None:
    asked = count(1)

    def rule(request: SandboxRequest) -> Fault | None:
        if next(asked) % 12 == 0:
            replay.sandbox.state.expire_tokens()
        return None

    replay = replaying(SandboxSettings(faults=(rule,)))
    done = replay.push(replay.write(all_records(SOME)), "--workers", "4")
    assert done.returncode == 0, done.stderr
    assert 2 <= signed_in(replay) <= 1 + next(asked) // 12
    assert all(is_whole(each, replay.sandbox.state) for each in SOME)
    assert taken(replay.sandbox.state) == dict.fromkeys(everything(SOME), 1)


# Down for good, and interrupted.


@pytest.mark.parametrize(
    ("fault", "options"),
    [("reset", ("--in-doubt", "resend")), ("silence", ())],
)
def test_when_wootric_stays_down_the_run_ends_with_5_and_the_next_does_what_is_left(
    replaying: Start, fault: str, options: tuple[str, ...]
) -> None:
    is_bad = [True]
    asked = count()

    def rule(request: SandboxRequest) -> Fault | None:
        return Fault(FAULTS[fault]()) if is_bad and next(asked) >= 30 else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    people = [Person(n) for n in range(40)]
    export = replay.write(all_records(people))
    patience = ("--retries", "1000", "--read-timeout", "1", "--give-up-after", "2")
    begun = time.monotonic()
    done = replay.push(export, "--workers", "4", *patience, *options)
    assert time.monotonic() - begun < 30, "a thousand tries take hours"
    assert done.returncode == 5, done.stderr
    assert "did not finish" in done.stderr
    assert "--give-up-after" in done.stderr
    rejects = rejected(replay)
    assert set(rejects.values()) <= {"in_doubt"}
    state = replay.sandbox.state
    assert 0 < len(state.end_users) < 40
    is_bad.clear()
    made_by(replay, export, *options)
    assert all(is_whole(each, state) for each in people)
    lost = set() if options else set(rejects)
    assert taken(state) == dict.fromkeys(everything(people) - lost, 1)
    assert made_by(replay, export, *options) == []


def test_stopped_twice_it_ends_at_once_and_loses_nothing(replaying: Start) -> None:
    replay = replaying(SandboxSettings(latency=0.1))
    people = [Person(n) for n in range(16)]
    export = replay.write(all_records(people))
    state = replay.sandbox.state
    with replay.start("push", export, "--no-progress") as process:
        until(lambda: len(state.page_views) > 2)
        process.send_signal(signal.SIGINT)
        assert process.stderr
        while "again ends at once" not in (line := process.stderr.readline()):
            assert line, "it has ended"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    made_by(replay, export)
    assert all(is_whole(each, state) for each in people)
    counts = taken(state)
    assert max(counts.values()) == 1
    lost = everything(people) - set(counts)
    assert len(lost) <= replay.in_doubt().total() <= 8
    made_by(replay, export, "--in-doubt", "resend")
    assert set(taken(state)) == everything(people)


def test_a_stop_waits_for_a_call_that_is_never_answered_no_longer_than_the_grace(
    replaying: Start,
) -> None:
    def rule(request: SandboxRequest) -> Fault | None:
        is_silent = place(request) == VIEW and len(state.page_views) == 7
        return Fault(FAULTS["silence"](), carried_out=True) if is_silent else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    people = [Person(n) for n in range(8)]
    export = replay.write(all_records(people))
    state = replay.sandbox.state
    journal = replay.folder / "journal"
    to = replay.sandbox.settings
    settings = PushSettings(
        paths=[str(export)],
        account=AccountSettings(
            account_token=to.account_token,
            base_url=replay.sandbox.base_url,
            credentials=ClientCredentials(to.client_id, to.client_secret),
        ),
        journal=JournalSettings(path=journal),
        rejects=replay.folder / "rejects.ndjson",
    )
    assert settings.grace == 10
    stop = Stop()
    pushing = Push(replace(settings, grace=0.7), stop=stop)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(pushing.run)
        until(lambda: len(state.page_views) == 8)
        begun = time.monotonic()
        stop.request(143)
        result = run.result(timeout=20)
    assert 0.7 <= time.monotonic() - begun < 9
    assert (result.exit_code, result.doubts) == (143, 1)
    made_by(replay, export, "--journal", journal)
    assert all(is_whole(each, state) for each in people)
    assert taken(state) == dict.fromkeys(everything(people), 1)


# Two that are one, and names that somebody else has.


def test_two_of_an_export_that_are_one_end_user_of_the_account(tmp_path: Path) -> None:
    """One is named by an email, and one by an id; only the account knows that they are the same."""
    weather = Weather(3, 0.3, ("reset", "502", "500", "no JSON"))
    with run_sandbox(SandboxSettings(faults=(weather,), latency=0.01)) as sandbox:
        replay = Replay(tmp_path, sandbox)
        numbers = range(12)
        records: list[dict[str, Any]] = []
        for n in numbers:
            replay.holds(f"u{n}", f"u{n}@example.com", plan="free")
            by_email = by_device(f"a{n}", identify("", f"u{n}@example.com", seats=n, mark=f"u{n}"))
            records += [by_email, identify(f"u{n}", plan="pro", mark=f"u{n}")]
        export = replay.write(records)
        assert replay.push(export, "--retries", "3").returncode == 0
        held = {user.external_id: (user.email, user.properties) for user in sandbox.state.end_users}
        assert held == {
            f"u{n}": (f"u{n}@example.com", {"plan": "pro", "seats": str(n), "mark": f"u{n}"})
            for n in numbers
        }
        assert weather.hits.total() > 0
        assert made_by(replay, export) == []


@pytest.mark.parametrize("taken_name", ["email", "external_id"])
def test_a_name_that_is_taken_while_an_end_user_is_created_makes_it_an_update(
    replaying: Start, taken_name: str
) -> None:
    """Live traffic creates them between the look-up and the create."""
    left = count()

    def rule(request: SandboxRequest) -> Fault | None:
        if place(request) == CREATE and not next(left):
            names = {"external_id": None, "email": None}
            replay.holds(**names | {taken_name: request.form[taken_name]}, plan="free")
        return None

    replay = replaying(SandboxSettings(faults=(rule,)))
    person = Person(1)
    export = replay.write(person.records())
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    assert is_whole(person, replay.sandbox.state)
    assert taken(replay.sandbox.state) == dict.fromkeys(person.events, 1)
    assert made_by(replay, export) == []


@pytest.mark.parametrize("rules", [(), (unlisted,)], ids=["listed", "unlisted"])
def test_a_create_that_arrives_after_the_look_up_makes_nobody_two(
    replaying: Start, rules: tuple[FaultRule, ...]
) -> None:
    """It is given up for lost, and carried out just before it is made again."""
    turns = count()

    def rule(request: SandboxRequest) -> Fault | None:
        turn = next(turns) if place(request) == CREATE else None
        if turn == 1:
            replay.holds(person.name, person.names["email"], **person.properties)
        return Fault(ResetConnection()) if turn == 0 else None

    replay = replaying(SandboxSettings(faults=(*rules, rule)))
    person = Person(1)
    export = replay.write(person.records())
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    assert next(turns) == 2
    assert is_whole(person, replay.sandbox.state)
    assert taken(replay.sandbox.state) == dict.fromkeys(person.events, 1)
    assert replay.in_doubt().total() == 0
    assert made_by(replay, export) == []


@pytest.mark.parametrize("taken_name", ["email", "external_id"])
def test_a_name_that_is_somebody_elses_on_an_update_is_rejected_in_wootrics_words(
    replay: Replay, taken_name: str
) -> None:
    person = Person(1)
    other = ({"external_id": "other", "email": "other@example.com"}) | {
        taken_name: person.names[taken_name]
    }
    own = {"external_id": None, "email": None} | person.names | {taken_name: None}
    # Who is looked up by Wootric's own id is found, whoever has their names.
    replay.holds(**own)
    replay.holds(**other)
    number = str(replay.sandbox.state.end_users[0].id)
    context = {"externalId": [{"type": "wootricEndUserId", "id": number}]}
    records = [record | {"context": context} for record in person.records()]
    export = replay.write(records)
    done = replay.push(export)
    assert done.returncode == 1
    refused = [entry for entry in replay.rejects() if entry["code"] == "refused"]
    assert len(refused) == 2
    assert all("already been taken" in entry["http"]["body"] for entry in refused)
    assert len(replay.sandbox.state.end_users) == 2
    assert taken(replay.sandbox.state) == {}
    # The other gives the name up.
    with replay.sandbox.state.lock:
        path = {"id": str(replay.sandbox.state.end_users[1].id)}
        form = {taken_name: ""}
        replay.sandbox.state.update_end_user(
            SandboxRequest("", "PUT", "", path, {}, form, {}, has_other_body=False)
        )
    made_by(replay, export)
    assert is_whole(person, replay.sandbox.state)
    assert taken(replay.sandbox.state) == dict.fromkeys(person.events, 1)


# The journal's file, between two runs.


def journal_of(replay: Replay) -> Path:
    (path,) = (replay.folder / "state").rglob("*.journal")
    return path


def half_done(replay: Replay) -> Path:
    """An export of which the first half has been pushed."""
    done = replay.push(replay.write(all_records(SOME[:10]), "half.ndjson"))
    assert done.returncode == 0, done.stderr
    return replay.write(all_records(SOME))


def filled(path: Path, begin: int, end: int | None = None) -> None:
    """Overwrite bytes of a file."""
    content = bytearray(path.read_bytes())
    end = len(content) if end is None else end
    content[begin:end] = b"\xa5" * (end - begin)
    path.write_bytes(content)


def in_the_way(path: Path) -> None:
    """Put a folder in a file's place."""
    path.unlink()
    path.mkdir()


SPOILT: Final[dict[str, Callable[[Path], object]]] = {
    "its beginning": lambda path: filled(path, 0, 100),
    "all but its beginning": lambda path: filled(path, 4096),
    "its second half": lambda path: filled(path, path.stat().st_size // 2 // 4096 * 4096),
    "its end, cut off": lambda path: os.truncate(path, path.stat().st_size // 2),
    "all, for text": lambda path: path.write_text("notes\n" * 1000),
    "all, for a folder": in_the_way,
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_journal_is_refused_before_anything_is_sent(replay: Replay, what: str) -> None:
    export = half_done(replay)
    journal = journal_of(replay)
    SPOILT[what](journal)
    before = len(replay.sandbox.requests)
    done = replay.push(export)
    assert done.returncode == 2, done.stderr
    assert journal.name in done.stderr
    assert "Traceback" not in done.stderr
    assert len(replay.sandbox.requests) == before
    status = replay.run("status")
    assert "Traceback" not in status.stderr
    assert status.returncode in (0, 1), status.stderr


def test_a_journal_that_was_deleted_costs_repeated_events_and_no_end_user(replay: Replay) -> None:
    export = half_done(replay)
    journal_of(replay).unlink()
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    state = replay.sandbox.state
    assert all(is_whole(each, state) for each in SOME)
    assert len(state.end_users) == len(SOME)
    assert max(taken(state).values()) == 2
    assert made_by(replay, export) == []


def test_an_older_copy_of_a_journal_knows_what_was_delivered_until_then(replay: Replay) -> None:
    half_done(replay)
    journal = journal_of(replay)
    copy = journal.read_bytes()
    made_by(replay, replay.write(all_records(SOME[:15])))
    journal.write_bytes(copy)
    export = replay.write(all_records(SOME))
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    state = replay.sandbox.state
    assert len(state.end_users) == len(SOME)
    counts = taken(state)
    assert {counts[key] for key in everything(SOME[:10]) | everything(SOME[15:])} == {1}
    assert {counts[key] for key in everything(SOME[10:15])} == {2}


def test_another_accounts_journal_is_refused(replay: Replay, replaying: Start) -> None:
    export = half_done(replay)
    journal = journal_of(replay)
    other = replaying(SandboxSettings(account_token="NPS-EU-abcd1234"))
    other.push(replay.write(Person(1).records(), "other.ndjson"), "--journal", "other")
    journal.write_bytes((replay.folder / "other").read_bytes())
    before = len(replay.sandbox.requests)
    done = replay.push(export)
    assert done.returncode == 2
    assert "another account" in done.stderr
    assert len(replay.sandbox.requests) == before


# What else faults must not do.


def test_what_is_shown_of_the_calls_holds_nobody_and_no_secret(replaying: Start) -> None:
    lost = on(LOOK_UP, lambda: JSONResponse({"error": "ada@example.com is down"}, 503))
    replay = replaying(SandboxSettings(faults=(lost,)))
    records = [identify("person-7", "ada@example.com"), track("person-7"), page("person-7")]
    against = ("--against", "account")
    done = replay.push(replay.write(records), *against, "--verbose", "--rate", "6000/min")
    assert done.returncode == 0, done.stderr
    for words in (
        "signing in by client_credentials",
        "GET end_users/{}: 503 in",
        "after status 503",
        "GET end_users/{}: 404 in",
        "POST end_users/create: 201 in",
        "GET eligible: 200 in",
        "GET pixel: 200 in",
    ):
        assert words in done.stderr
    settings = replay.sandbox.settings
    for secret in ("ada", "person-7", settings.client_secret, settings.account_token, "earer"):
        assert secret not in done.stderr


@pytest.mark.parametrize("command", [["push"], ["dry-run", "--against", "account"]])
def test_calls_are_shown_only_if_asked_for(replay: Replay, command: list[str]) -> None:
    export = replay.write([identify("1", "ada@example.com")])
    assert " ms, attempt " not in replay.run(*command, export).stderr
    assert " ms, attempt 1" in replay.run(*command, "-v", export).stderr


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>hello</html>"),
        Response("[" * 100_000, media_type="application/json"),
        Response("null", media_type="application/json"),
        Response('{"id":"seven"}', media_type="application/json"),
        Response("", 200, {"X-Rate-Limit-Remaining": "nan", "X-Rate-Limit-Reset": "inf"}),
    ],
)
def test_a_reply_that_makes_no_sense_fails_its_record_and_keeps_it(
    replaying: Start, answer: Any
) -> None:
    replay = replaying(SandboxSettings(faults=(on(LOOK_UP, lambda: answer, range(9)), unlisted)))
    replay.holds("1", "ada@example.com", plan="free")
    export = replay.write([identify("1", "ada@example.com"), page("1")])
    done = replay.push(export, "--retries", "1")
    assert done.returncode == 1, done.stderr
    assert {entry["code"] for entry in replay.rejects()} == {"bad_reply", "end_user_failed"}
    assert replay.sandbox.state.page_views == ()
