"""The HTTP side of Wootric: signing in, look-ups and retries, against a sandbox over real HTTP."""

import logging
import socket
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from raw_server import RawServer, raw_server, read_request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp
from virtual_time import NOON, VirtualTime

from wootric_map.errors import (
    CallFailedError,
    NoAnswerError,
    NotBelievedError,
    SignInRefusedError,
    StoppedError,
    UnreachableError,
    WootricError,
)
from wootric_map.model import EligibilityCheck, EndUser, EndUserUpsert, PageView
from wootric_map.sandbox import (
    Fault,
    FaultRule,
    ResetConnection,
    RunningSandbox,
    SandboxRequest,
    SandboxSettings,
    TruncatedReply,
    run_sandbox,
)
from wootric_map.wootric.auth import ClientCredentials, Credentials, PasswordCredentials
from wootric_map.wootric.client import Wootric
from wootric_map.wootric.http import LARGEST_REPLY
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.regions import Services, services
from wootric_map.wootric.replies import MOST_IN_A_ROW, MOST_VALUES
from wootric_map.wootric.requests import HttpCall
from wootric_map.wootric.secret_mask import SecretMask

ADA = EndUserUpsert(email="ada@example.com", external_id="1")
VIEW = PageView(random="r", email="ada@example.com", path="/")
CHECK = EligibilityCheck("Signed Up", email="ada@example.com")
END_USERS = "/v1/end_users"


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


# Wootric: an account, over HTTP.


@dataclass(frozen=True)
class Account:
    """A sandbox and what is needed to be its client, in virtual time."""

    sandbox: RunningSandbox
    time: VirtualTime
    stack: ExitStack

    def client(
        self,
        credentials: Credentials | None = None,
        *,
        at: Services | None = None,
        account_token: str | None = None,
        **options: Any,
    ) -> Wootric:
        settings = self.sandbox.settings
        token = account_token or settings.account_token
        client = Wootric(
            at or services(settings.account_token, self.sandbox.base_url),
            token,
            credentials or ClientCredentials(settings.client_id, settings.client_secret),
            options.pop("pace", None) or self.pace(options.pop("rate", None)),
            wait=self.time.wait,
            clock=self.time,
            monotonic=self.time,
            **options,
        )
        return self.stack.enter_context(closing(client))

    def pace(self, rate: float | None) -> Pace:
        return Pace(rate, wait=self.time.wait, clock=self.time, monotonic=self.time)

    def password(self) -> PasswordCredentials:
        return PasswordCredentials(self.sandbox.settings.username, self.sandbox.settings.password)

    def asked(self, start: str = "") -> list[str]:
        """Method, path and what the query says of the look-up, of each request but sign-ins."""
        return [
            f"{each['method']} {each['path']}{_look_up(each)}"
            for each in self.sandbox.requests
            if str(each["path"]).startswith(start or ("/v1", "/eligible", "/registered", "/pixel"))
        ]

    def grants(self) -> list[str]:
        """How tokens were asked for."""
        return [
            dict(each["form"])["grant_type"]  # type: ignore[call-overload]
            for each in self.sandbox.requests
            if each["path"] == "/oauth/token"
        ]


def _look_up(request: Mapping[str, Any]) -> str:
    return "".join(f"?{name}" for name in request["query"] if name.startswith("lookup_"))


AccountOf = Callable[..., Account]


@dataclass(frozen=True)
class Shared:
    """One sandbox for all tests that want no settings of their own, since each takes a while to end."""

    sandbox: RunningSandbox
    time: VirtualTime
    faults: list[FaultRule]


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    time = VirtualTime()
    faults: list[FaultRule] = []

    def rule(request: SandboxRequest) -> Fault | None:
        return next((fault for each in faults if (fault := each(request))), None)

    numbers = count(1)
    with run_sandbox(
        SandboxSettings(faults=(rule,)),
        clock=time,
        new_token=lambda: f"secret-token-{next(numbers)}",
    ) as running:
        yield Shared(running, time, faults)


@pytest.fixture
def account_of(shared: Shared) -> Iterator[AccountOf]:
    """Gives an empty sandbox with faults and settings of the test's own."""
    shared.sandbox.state.reset()
    shared.faults.clear()
    shared.time.now, shared.time.stopped = NOON, False
    shared.time.waits.clear()
    free = [shared]
    with ExitStack() as stack:

        def start(*faults: FaultRule, host: str = "127.0.0.1", **settings: Any) -> Account:
            if free and host == "127.0.0.1" and not settings:
                free.clear()
                shared.faults.extend(faults)
                return Account(shared.sandbox, shared.time, stack)
            numbers = count(1)
            running = run_sandbox(
                SandboxSettings(faults=faults, **settings),
                host=host,
                clock=shared.time,
                new_token=lambda: f"secret-token-{next(numbers)}",
            )
            return Account(stack.enter_context(running), shared.time, stack)

        yield start


@pytest.fixture
def account(account_of: AccountOf) -> Account:
    return account_of()


def answering(
    answer: Callable[[], ASGIApp],
    times: int | None = None,
    *,
    method: str = "",
    path: str = "/",
    carried_out: bool = False,
) -> FaultRule:
    """A fault for the first requests of a method below a path; without a number for all of them."""
    seen = count(1)

    def rule(request: SandboxRequest) -> Fault | None:
        wanted = request.method == (method or request.method) and request.path.startswith(path)
        if wanted and (times is None or next(seen) <= times):
            return Fault(answer(), carried_out)
        return None

    return rule


def status(number: int, headers: Mapping[str, str] | None = None) -> Callable[[], ASGIApp]:
    return lambda: JSONResponse({"error": "As asked for"}, number, headers)


def one_by_one(numbers: list[int]) -> Callable[[], ASGIApp]:
    left = iter(numbers)

    def answer() -> ASGIApp:
        return status(next(left))()

    return answer


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


# Look-ups (wootric.md 3).


def test_an_end_user_is_looked_up_by_id_external_id_then_email(account: Account) -> None:
    wanted = EndUserUpsert("a+b@example.com", "a/1 ü", "+49 30/1", wootric_id="7")
    assert account.client().find(wanted) is None
    assert account.asked() == [
        "GET /v1/end_users/7",
        "GET /v1/end_users/a%2F1%20%C3%BC?lookup_by_external_id",
        "GET /v1/end_users/a%2Bb%40example.com?lookup_by_email",
    ]


def test_an_end_user_without_email_is_looked_up_by_phone_last(account: Account) -> None:
    wanted = EndUserUpsert(None, "a/1 ü", "+49 30/1", wootric_id="7")
    assert account.client().find(wanted) is None
    assert account.asked() == [
        "GET /v1/end_users/7",
        "GET /v1/end_users/a%2F1%20%C3%BC?lookup_by_external_id",
        "GET /v1/end_users/phone_number/%2B49%2030%2F1",
    ]


def test_an_email_decides_even_where_the_phone_would_find_somebody(account: Account) -> None:
    client = account.client()
    client.create(EndUserUpsert(phone_number="+491"))
    assert client.find(EndUserUpsert("ada@example.com", phone_number="+491")) is None
    assert client.find(EndUserUpsert(phone_number="+491")) is not None


@pytest.mark.parametrize(
    ("wanted", "look_ups"),
    [
        (EndUserUpsert("other@example.com", "other", "+2", wootric_id="1"), 1),
        (EndUserUpsert("other@example.com", "a/1", "+2"), 1),
        (EndUserUpsert("ADA@example.com", "other", "+2"), 2),
        (EndUserUpsert("ADA@example.com", phone_number="+2"), 1),
        (EndUserUpsert(phone_number="+491"), 1),
        (EndUserUpsert(wootric_id="99", external_id="a/1"), 2),
    ],
)
def test_the_first_look_up_that_finds_somebody_ends_the_search(
    account: Account, wanted: EndUserUpsert, look_ups: int
) -> None:
    client = account.client()
    ada = client.create(EndUserUpsert("ada@example.com", "a/1", "+491"))
    client.create(EndUserUpsert(phone_number="+2"))
    assert client.find(wanted) == ada
    assert len([each for each in account.asked() if each.startswith("GET")]) == look_ups


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (EndUserUpsert("bob@example.com"), EndUserUpsert("ada@example.com")),
        (EndUserUpsert(external_id="2"), EndUserUpsert(external_id="1")),
        (EndUserUpsert("ada@example.com", "2"), EndUserUpsert(external_id="1")),
    ],
)
def test_a_phone_finds_nobody_with_another_email_or_external_id(
    account: Account, held: EndUserUpsert, wanted: EndUserUpsert
) -> None:
    client = account.client()
    client.create(EndUserUpsert(held.email, held.external_id, "+491"))
    assert client.find(EndUserUpsert(wanted.email, wanted.external_id, "+491")) is None


@pytest.mark.parametrize("held", [EndUserUpsert(), EndUserUpsert("Ada@Example.com ")])
def test_a_phone_finds_who_says_nothing_else_of_themselves(
    account: Account, held: EndUserUpsert
) -> None:
    client = account.client()
    there = client.create(EndUserUpsert(held.email, phone_number="+491"))
    assert client.find(EndUserUpsert(external_id="1", phone_number="+491")) == there


def test_whoever_has_their_phone_for_an_external_id_is_found_by_it(account: Account) -> None:
    client = account.client()
    held = client.create(EndUserUpsert("old@example.com", "+491"))
    number = "+491"
    assert client.find(EndUserUpsert("new@example.com", number, number)) == held


@pytest.mark.parametrize("external_id", [".", "..", "..."])
def test_an_id_of_dots_alone_is_not_asked_for(account: Account, external_id: str) -> None:
    client = account.client()
    assert client.find(EndUserUpsert(external_id=external_id)) is None
    assert account.asked() == []


def test_an_end_user_is_created_with_all_fields_and_told_back(account: Account) -> None:
    wanted = EndUserUpsert("ada@example.com", "1", "+491", 1_420_099_200, {"plan": "pro", "n": 5})
    made = account.client().create(wanted)
    (held,) = account.sandbox.state.end_users
    assert (made.id, made.email, made.external_id) == (held.id, "ada@example.com", "1")
    assert (made.phone_number, made.external_created_at) == ("+491", 1_420_099_200)
    assert made.properties == held.properties == {"plan": "pro", "n": "5"}
    assert held.last_surveyed is None


def test_an_update_changes_what_it_names_and_nothing_else(account: Account) -> None:
    client = account.client()
    made = client.create(EndUserUpsert("ada@example.com", "1", properties={"plan": "pro"}))
    updated = client.update(made.id, EndUserUpsert(properties={"seats": 3}))
    assert updated.email == "ada@example.com"
    assert updated.properties == {"plan": "pro", "seats": "3"}


def test_registered_events_are_those_of_the_account(account_of: AccountOf) -> None:
    account = account_of(registered_events=("A", "a b"))
    assert account.client().registered_events() == {"A", "a b"}


@pytest.mark.parametrize("number", [404, 423])
def test_an_account_without_targeted_sampling_has_no_registered_events(
    account_of: AccountOf, number: int
) -> None:
    assert account_of(answering(status(number))).client().registered_events() == frozenset()


@pytest.mark.parametrize("answer", [status(400), status(500), lambda: JSONResponse({"a": 1})])
def test_a_list_of_registered_events_that_cannot_be_had_ends_the_run(
    account_of: AccountOf, answer: Callable[[], ASGIApp]
) -> None:
    with pytest.raises(UnreachableError, match="registered events"):
        account_of(answering(answer)).client(retries=1).registered_events()


# Signing in (wootric.md 2).


def test_signing_in_once_serves_every_call(account: Account) -> None:
    client = account.client()
    client.sign_in()
    client.find(ADA)
    client.create(ADA)
    assert account.grants() == ["client_credentials"]


@pytest.mark.parametrize("expiry", ["refused", "by the clock"])
def test_threads_that_meet_an_expired_token_sign_in_once_between_them(
    account_of: AccountOf, expiry: str
) -> None:
    account = account_of(latency=0.02)
    client = account.client()
    # The first reply tells that there is no limit, so that the calls that follow go side by side.
    client.find(EndUserUpsert(external_id="first"))
    if expiry == "refused":
        account.sandbox.state.expire_tokens()
    else:
        account.time.now += 7200
    ready = threading.Barrier(8)

    def call(number: int) -> object:
        ready.wait(5)
        return client.find(EndUserUpsert(external_id=str(number)))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [None] * 8
    assert account.grants() == ["client_credentials"] * 2


def test_a_token_is_renewed_before_its_end(account: Account) -> None:
    client = account.client()
    client.sign_in()
    account.time.now += 7130
    client.find(ADA)
    assert account.grants() == ["client_credentials"]
    account.time.now += 20
    client.find(ADA)
    assert account.grants() == ["client_credentials"] * 2
    assert 401 not in account.sandbox.state.request_counts.by_status


def test_a_password_is_sent_once_and_refresh_tokens_do_the_rest(account: Account) -> None:
    client = account.client(account.password())
    client.sign_in()
    for _ in range(2):  # each refresh brings the token for the next
        account.time.now += 7200
        client.find(ADA)
    assert account.grants() == ["password", "refresh_token", "refresh_token"]


def test_a_refresh_token_that_is_used_up_is_made_up_for_by_the_password(
    account_of: AccountOf,
) -> None:
    account = account_of(token_lifetime=7200)
    client = account.client(account.password())
    client.sign_in()
    settings = account.sandbox.settings
    taken = requests.post(
        f"{account.sandbox.base_url}/oauth/token?account_token={settings.account_token}",
        data={"grant_type": "refresh_token", "refresh_token": "secret-token-2"},
        timeout=5,
    )
    assert taken.status_code == 200
    account.time.now += 7200
    assert client.find(ADA) is None
    assert account.grants() == ["password", "refresh_token", "refresh_token", "password"]


def test_a_token_refused_twice_ends_the_run(account_of: AccountOf) -> None:
    account = account_of(answering(status(401), path=END_USERS))
    with pytest.raises(SignInRefusedError, match="As asked for"):
        account.client().find(EndUserUpsert(external_id="1"))
    assert account.grants() == ["client_credentials"] * 2
    assert len(account.asked()) == 2


OFF = b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
SIGN_INS = {
    "reset": b"",
    "down": OFF,
    "refused": b"HTTP/1.1 403 No\r\nContent-Length: 16\r\n\r\n{'wrong-secret'}",
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nwrong-secret",
    "no token": b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"wrong-secret":"\\ud800"}',
    "redirect": b"HTTP/1.1 302 Go\r\nLocation: /wrong-secret\r\nContent-Length: 0\r\n\r\n",
}
"""What a server may answer to a sign-in; its words may repeat what it was sent."""


@dataclass
class SigningIn:
    """An account where signing in goes wrong."""

    account: Account
    server: RawServer

    def client(self, **options: Any) -> Wootric:
        there = services(None, self.account.sandbox.base_url)
        oauth = f"http://127.0.0.1:{self.server.port}/oauth/token"
        login = ClientCredentials("sandbox-client-id", "wrong-secret")
        return self.account.client(login, at=replace(there, oauth=oauth), **options)


@pytest.fixture
def signing_in(account: Account) -> Iterator[Callable[..., SigningIn]]:
    with ExitStack() as stack:

        def start(answer: bytes, wait: threading.Event | None = None) -> SigningIn:
            def script(_: RawServer, connection: socket.socket) -> None:
                read_request(connection)
                if wait:
                    wait.wait(20)
                connection.sendall(answer)

            return SigningIn(account, stack.enter_context(raw_server(script)))

        yield start


@pytest.mark.parametrize("answer", SIGN_INS)
def test_threads_that_wait_for_a_sign_in_share_its_failure(
    signing_in: Callable[..., SigningIn], answer: str
) -> None:
    turns = threading.Semaphore(0)
    everybody = threading.Event()

    class Counted(Turns):
        def take_turn(self, endpoint: str) -> None:
            turns.release()

    failing = signing_in(SIGN_INS[answer], everybody)
    client = failing.client(pace=Counted(), retries=0)

    def call(number: int) -> str:
        with pytest.raises((UnreachableError, SignInRefusedError)) as raised:
            client.find(EndUserUpsert(external_id=str(number)))
        assert "wrong-secret" not in all_said(raised.value)
        return str(raised.value)

    with ThreadPoolExecutor(6) as pool:
        ends = pool.map(call, range(6))
        for _ in range(7):  # the turns of six look-ups and of one sign-in
            turns.acquire(timeout=20)
        threading.Event().wait(0.1)  # what comes after a turn
        everybody.set()
        assert len(set(ends)) == 1
    assert failing.server.connections == 1


def test_a_sign_in_that_failed_is_tried_again_when_it_is_asked_for_again(
    signing_in: Callable[..., SigningIn],
) -> None:
    failing = signing_in(OFF)
    client = failing.client(retries=1)
    for _ in range(2):
        with pytest.raises(UnreachableError, match="signing in failed with status 503"):
            client.sign_in()
    assert failing.server.connections == 4


def test_a_stop_ends_the_tries_of_signing_in_too(signing_in: Callable[..., SigningIn]) -> None:
    failing = signing_in(OFF)
    failing.account.time.stopped = True
    with pytest.raises(StoppedError):
        failing.client().find(ADA)
    assert failing.server.connections == 1
    assert failing.account.asked() == []


@pytest.mark.parametrize(
    "credentials",
    [
        ClientCredentials("sandbox-client-id", "wrong-secret"),
        ClientCredentials("nobody", "sandbox-client-secret"),
        PasswordCredentials("sandbox@example.com", "wrong-secret"),
    ],
)
def test_wrong_credentials_are_refused_after_one_try(
    account: Account, credentials: Credentials
) -> None:
    with pytest.raises(SignInRefusedError):
        account.client(credentials).sign_in()
    assert len(account.grants()) == 1


def test_an_account_token_of_another_account_is_refused(account: Account) -> None:
    with pytest.raises(SignInRefusedError, match="account token"):
        account.client(account_token="NPS-00000000").sign_in()


def test_secrets_never_go_into_a_query(account: Account) -> None:
    client = account.client(account.password())
    client.find(ADA)
    client.create(ADA)
    client.send(CHECK)
    client.send(VIEW)
    client.registered_events()
    names = {name for each in account.sandbox.requests for name in dict(each["query"])}  # type: ignore[call-overload]
    assert "account_token" in names
    assert not names & {"password", "client_secret", "access_token", "refresh_token", "username"}


def test_only_rest_calls_carry_the_token(account: Account) -> None:
    client = account.client()
    client.find(ADA)
    client.send(CHECK)
    client.send(VIEW)
    client.registered_events()
    signed = {
        str(each["path"]).split("/")[1]
        for each in account.sandbox.requests
        if "authorization" in dict(each["headers"])  # type: ignore[call-overload]
    }
    assert signed == {"v1"}


# Retries.


@pytest.mark.parametrize("number", [500, 501, 503])
@pytest.mark.parametrize("retries", [0, 3])
def test_a_server_error_is_tried_again_as_often_as_told(
    account_of: AccountOf, number: int, retries: int
) -> None:
    account = account_of(answering(status(number), path=END_USERS))
    with pytest.raises(CallFailedError) as raised:
        account.client(retries=retries).find(EndUserUpsert(external_id="1"))
    assert (raised.value.code, raised.value.status) == ("server_error", number)
    assert raised.value.body == '{"error":"As asked for"}'
    assert len(account.asked()) == retries + 1
    assert len(account.time.waits) == retries


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (lambda client: client.find(ADA), END_USERS),
        (lambda client: client.create(ADA), END_USERS),
        (lambda client: client.send(CHECK), "/eligible.json"),
        (lambda client: client.send(VIEW), "/pixel.gif"),
    ],
)
def test_a_server_error_that_passes_costs_the_call_nothing(
    account_of: AccountOf, call: Callable[[Wootric], object], path: str
) -> None:
    failing = [answering(status(number), 1, path=path) for number in (500, 503)]
    account = account_of(*failing)
    client = account.client(retries=2)
    client.sign_in()
    call(client)
    counts = account.sandbox.state.request_counts.by_status
    assert (counts[500], counts[503]) == (1, 1)


def test_waits_between_tries_grow_but_never_past_half_a_minute(account_of: AccountOf) -> None:
    account = account_of(answering(status(503), path="/pixel.gif"))
    with pytest.raises(CallFailedError):
        account.client(retries=30, deadline=1e4, give_up_after=1e4).send(VIEW)
    waits = account.time.waits
    assert len(waits) == 30
    assert all(seconds <= 0.5 * 2**tried for tried, seconds in enumerate(waits))
    assert 1 < max(waits) <= 30


@pytest.mark.parametrize("number", [400, 403, 404, 409, 422, 423])
def test_what_wootric_refuses_is_not_tried_again(account_of: AccountOf, number: int) -> None:
    account = account_of(answering(status(number), method="POST"))
    with pytest.raises(CallFailedError, match="As asked for") as raised:
        account.client().create(ADA)
    assert (raised.value.code, raised.value.status) == ("refused", number)
    assert len(account.asked()) == 1


UNREPEATABLE = pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client: client.create(ADA), id="create"),
        pytest.param(lambda client: client.send(CHECK), id="eligibility"),
        pytest.param(lambda client: client.send(VIEW), id="page"),
    ],
)


@UNREPEATABLE
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(status(502), id="502"),
        pytest.param(status(504), id="504"),
        pytest.param(ResetConnection, id="reset"),
        pytest.param(lambda: TruncatedReply(b'{"id":1}'), id="truncated"),
    ],
)
def test_an_unrepeatable_call_without_an_answer_is_not_sent_again(
    account_of: AccountOf, answer: Callable[[], ASGIApp], call: Callable[[Wootric], object]
) -> None:
    account = account_of(answering(answer, carried_out=True))
    with pytest.raises(NoAnswerError):
        call(account.client())
    assert len(account.asked()) == 1
    assert account.time.waits == []


@UNREPEATABLE
def test_an_unrepeatable_call_that_times_out_is_not_sent_again(
    account_of: AccountOf, call: Callable[[Wootric], object]
) -> None:
    account = account_of()
    client = account.client(read_timeout=0.15)
    client.sign_in()
    with account.sandbox.state.lock, pytest.raises(NoAnswerError, match="timed out"):
        call(client)  # the sandbox can't answer while its lock is held
    client.close()
    slow = account.client()
    slow.find(EndUserUpsert(external_id="behind"))  # so that the first has been seen by now
    assert len([each for each in account.asked() if "behind" not in each]) == 1


def test_a_create_answered_with_no_json_may_have_been_taken(account_of: AccountOf) -> None:
    account = account_of(answering(lambda: Response("<html>"), method="POST"))
    with pytest.raises(NoAnswerError):
        account.client().create(ADA)
    assert len(account.asked()) == 1


@pytest.mark.parametrize(
    "answer", [ResetConnection, status(502), status(504), lambda: TruncatedReply(b'{"id":1}')]
)
def test_a_look_up_or_update_without_an_answer_is_sent_again(
    account_of: AccountOf, answer: Callable[[], ASGIApp]
) -> None:
    account = account_of(answering(answer, 2, method="GET"), answering(answer, 2, method="PUT"))
    client = account.client(retries=2)
    made = client.create(ADA)
    assert client.find(ADA) == made
    assert client.update(made.id, EndUserUpsert(phone_number="+491")).phone_number == "+491"
    methods = Counter(each.split()[0] for each in account.asked())
    assert methods == {"POST": 1, "GET": 3, "PUT": 3}


def test_being_too_fast_uses_up_no_retry(account_of: AccountOf) -> None:
    account = account_of(answering(status(429), 20))
    assert account.client(retries=0).find(EndUserUpsert(external_id="1")) is None
    assert len(account.asked()) == 21


def test_a_server_error_between_two_refusals_for_speed_counts_alone(account_of: AccountOf) -> None:
    account = account_of(answering(one_by_one([429, 503, 429, 429, 503, 429, 503])))
    with pytest.raises(CallFailedError) as raised:
        account.client(retries=2).send(VIEW)
    assert raised.value.code == "server_error"
    assert len(account.asked()) == 7


def test_an_account_that_asks_for_a_pause_after_a_fault_is_given_it(account_of: AccountOf) -> None:
    account = account_of(answering(status(503, {"Retry-After": "20"}), 1))
    account.client().send(VIEW)
    assert len(account.asked()) == 2
    assert account.time.waits == [20]


def test_an_account_that_is_always_too_fast_fails_the_call_in_the_end(
    account_of: AccountOf,
) -> None:
    account = account_of(answering(status(429)))
    with pytest.raises(CallFailedError) as raised:
        account.client(retries=0).send(VIEW)
    assert (raised.value.code, raised.value.status) == ("too_fast", 429)
    assert len(account.asked()) > 20


def test_a_limited_account_is_never_asked_more_than_it_allows(account_of: AccountOf) -> None:
    account = account_of(rate_limit=5, rate_window=60)
    client = account.client()
    for number in range(16):
        client.find(EndUserUpsert(external_id=str(number)))
    assert 429 not in account.sandbox.state.request_counts.by_status
    # A window that the first call after the reset opens lasts up to a second more, as resets are whole.
    assert 180 <= account.time.now - NOON <= 184


def test_an_account_whose_limit_others_use_up_is_waited_for(account_of: AccountOf) -> None:
    account = account_of(rate_limit=3, rate_window=60)
    ours, theirs = account.client(retries=0), account.client(retries=0)
    for number in range(6):
        for client in (ours, theirs):
            assert client.find(EndUserUpsert(external_id=str(number))) is None
    assert account.sandbox.state.request_counts.by_status[429] > 0


def test_a_call_told_to_stop_while_it_waits_is_not_sent_again(account_of: AccountOf) -> None:
    account = account_of(answering(status(503)))
    account.time.stopped = True
    with pytest.raises(StoppedError):
        account.client().send(VIEW)
    assert len(account.asked()) == 1


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client: client.find(ADA), id="find"),
        pytest.param(lambda client: client.create(ADA), id="create"),
        pytest.param(lambda client: client.send(VIEW), id="page"),
    ],
)
def test_redirects_are_not_followed(
    account_of: AccountOf, number: int, call: Callable[[Wootric], object]
) -> None:
    # A relative address leads to the sandbox itself, which would answer it.
    account = account_of(answering(status(number, {"Location": "/pixel.gif?landed=here"}), 1))
    with pytest.raises(CallFailedError) as raised:
        call(account.client())
    assert (raised.value.code, raised.value.status) == ("redirected", number)
    assert len(account.asked()) == 1


# No connection.


def test_a_host_that_cannot_be_reached_ends_the_run(account: Account) -> None:
    nobody = services(None, f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(UnreachableError, match=r"no connection to 127\.0\.0\.1"):
        account.client(at=nobody, retries=2).sign_in()
    assert len(account.time.waits) == 2
    with pytest.raises(UnreachableError):
        account.client(at=nobody, retries=0).registered_events()
    with pytest.raises(UnreachableError):
        account.client(at=nobody, retries=0).find(ADA)


def test_one_call_in_vain_is_its_own_failure(account_of: AccountOf) -> None:
    account = account_of(answering(ResetConnection, path=END_USERS))
    client = account.client(retries=1)
    for _ in range(20):
        with pytest.raises(CallFailedError) as raised:
            client.find(ADA)
        assert raised.value.code == "unreachable"
        client.send(VIEW)  # an answer, to whatever call: Wootric is not down


def test_a_call_that_never_left_is_tried_again_even_if_it_is_unrepeatable(
    account: Account,
) -> None:
    nobody = services(None, f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(CallFailedError) as raised:
        account.client(at=nobody, retries=3).send(VIEW)
    assert raised.value.code == "unreachable"
    assert len(account.time.waits) == 3


@pytest.mark.parametrize(
    "reply",
    [
        Response("<html>"),
        Response("[" * 100_000),
        JSONResponse([]),
        JSONResponse({"id": None}),
        JSONResponse({"id": 1, "properties": [1]}),
        JSONResponse({"id": 1, "external_created_at": "soon"}),
    ],
)
def test_a_reply_that_is_no_end_user_fails_its_call(account_of: AccountOf, reply: Response) -> None:
    account = account_of(answering(lambda: reply, method="GET"))
    with pytest.raises(CallFailedError) as raised:
        account.client().find(ADA)
    assert raised.value.code == "bad_reply"


def test_every_call_says_who_makes_it(account: Account) -> None:
    client = account.client()
    client.find(ADA)
    client.send(VIEW)
    agents = {dict(each["headers"])["user-agent"] for each in account.sandbox.requests}  # type: ignore[call-overload]
    assert agents == {f"wootric-replay/{version('wootric-replay')}"}


@dataclass
class Turns:
    """A pace that keeps a list of what it was told."""

    told: list[str] = field(default_factory=list)

    def take_turn(self, endpoint: str) -> None:
        self.told.append(f"turn {endpoint}")

    def learn(self, endpoint: str, _: Mapping[str, str], *, refused: bool) -> None:
        self.told.append(f"{'refused' if refused else 'reply'} {endpoint}")

    def unanswered(self, endpoint: str) -> None:
        self.told.append(f"nothing {endpoint}")

    def note_wait(self, _: float, reason: str) -> None:
        self.told.append(reason)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (status(404), ["turn pixel", "reply pixel"]),
        (status(429), ["turn pixel", "refused pixel", "turn pixel", "reply pixel"]),
        (status(503), ["turn pixel", "reply pixel", "after a fault", "turn pixel", "reply pixel"]),
        (ResetConnection, ["turn pixel", "nothing pixel"]),
    ],
)
def test_every_exchange_takes_one_turn_and_tells_the_pace_what_came_of_it(
    account_of: AccountOf, answer: Callable[[], ASGIApp], told: list[str]
) -> None:
    account = account_of(answering(answer, 1))
    turns = Turns()
    with suppress(WootricError):
        account.client(pace=turns, jitter=longest).send(VIEW)
    assert turns.told == told


def test_a_call_that_is_not_sent_after_all_gives_its_turn_back(account: Account) -> None:
    turns = Turns()
    with suppress(OSError):
        account.client(pace=turns).create(ADA, Recorded(account, refuses=True))
    create = "end_users/create"
    assert turns.told == [f"turn {create}", "turn oauth", "reply oauth", f"nothing {create}"]
    turns.told.clear()
    wrong = ClientCredentials("nobody", "wrong-secret")
    with suppress(SignInRefusedError):
        account.client(wrong, pace=turns).create(ADA)
    assert turns.told == [f"turn {create}", "turn oauth", "reply oauth", f"nothing {create}"]


def test_a_refused_token_costs_the_call_a_second_turn(account: Account) -> None:
    turns = Turns()
    client = account.client(pace=turns)
    client.sign_in()
    account.sandbox.state.expire_tokens()
    turns.told.clear()
    client.create(ADA)
    create, oauth = "end_users/create", "oauth"
    assert turns.told == [
        *(f"turn {create}", f"reply {create}"),
        *(f"turn {create}", f"turn {oauth}", f"reply {oauth}", f"reply {create}"),
    ]


def test_every_call_takes_a_turn(account: Account) -> None:
    client = account.client(rate=60)
    client.sign_in()
    for _ in range(9):
        client.send(VIEW)
    assert account.time.now - NOON >= 8


# Deadlines, and when Wootric stays down; every pause is as long as it may be.


def longest(_: float, most: float) -> float:
    return most


@pytest.mark.parametrize("deadline", [1.0, 10.0, 100.0])
def test_a_call_is_given_up_before_a_pause_would_go_past_its_deadline(
    account_of: AccountOf, deadline: float
) -> None:
    account = account_of(answering(status(503)))
    client = account.client(deadline=deadline, retries=99, give_up_after=1e9, jitter=longest)
    with pytest.raises(CallFailedError) as raised:
        client.send(VIEW)
    assert raised.value.code == "server_error"
    spent = account.time.now - NOON
    assert spent < deadline <= spent + account.time.waits[-1] * 2


def test_the_wait_for_a_turn_is_no_part_of_a_calls_deadline(account_of: AccountOf) -> None:
    slow = {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": str(NOON + 3000)}
    account = account_of(answering(status(503, slow), 1))
    account.client(deadline=10, jitter=longest).send(VIEW)
    assert account.time.now - NOON >= 3000


def test_a_run_that_meets_nothing_but_faults_ends_before_a_pause_would_go_past_its_patience(
    account_of: AccountOf,
) -> None:
    account = account_of(answering(status(503), path=END_USERS))
    client = account.client(retries=2, give_up_after=60, jitter=longest)
    client.sign_in()
    ends: list[type[WootricError]] = []
    while UnreachableError not in ends:
        with pytest.raises((CallFailedError, UnreachableError)) as raised:
            client.find(EndUserUpsert(external_id="1"))
        ends.append(raised.type)
    assert "status 503" in str(raised.value)
    assert "--give-up-after" in str(raised.value)
    assert len(ends) > 2
    assert 58 <= account.time.now - NOON < 60


def test_where_no_call_is_ever_tried_again_none_is_sent_once_patience_has_run_out(
    account_of: AccountOf, shared: Shared
) -> None:
    def slow() -> ASGIApp:
        shared.time.now += 25
        return ResetConnection()

    account = account_of(answering(slow))
    client = account.client(give_up_after=60)
    for _ in range(4):  # of which the first begins the count
        with pytest.raises(NoAnswerError):
            client.send(VIEW)
    with pytest.raises(UnreachableError, match="75 s"):
        client.send(VIEW)
    assert len(account.asked()) == 4


@pytest.mark.parametrize("number", [200, 302, 404, 422])
def test_any_good_answer_ends_the_time_that_wootric_was_down(
    account_of: AccountOf, number: int
) -> None:
    account = account_of(
        answering(status(503), path=END_USERS), answering(status(number), path="/pixel.gif")
    )
    client = account.client(retries=2, give_up_after=6, jitter=longest)
    for _ in range(10):
        with pytest.raises(CallFailedError):
            client.find(EndUserUpsert(external_id="1"))
        with suppress(CallFailedError):
            client.send(VIEW)
    assert account.time.now - NOON == 15


def test_being_too_fast_neither_begins_nor_ends_the_time_that_wootric_was_down(
    account_of: AccountOf,
) -> None:
    account = account_of(
        answering(one_by_one([429] * 50 + [503, 429, 429] * 50), path="/pixel.gif")
    )
    client = account.client(retries=99, deadline=1e9, give_up_after=60, jitter=longest)
    with pytest.raises(UnreachableError):
        client.send(VIEW)
    assert account.time.now - NOON > 50, "it was waited for, and none of that counts"
    assert account.sandbox.state.request_counts.by_status[503] >= 5


def test_an_hour_for_a_limit_is_no_time_that_wootric_was_down(
    account_of: AccountOf, shared: Shared
) -> None:
    def answer() -> ASGIApp:
        until = str(int(shared.time.now) + 3000)
        return status(503, {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": until})()

    account = account_of(answering(answer, 4))
    account.client(give_up_after=20, jitter=longest).send(VIEW)
    assert account.time.now - NOON >= 4 * 3000


def test_an_event_without_an_answer_is_in_doubt_even_when_wootric_stays_down(
    account_of: AccountOf,
) -> None:
    account = account_of(answering(ResetConnection))
    client = account.client(give_up_after=60)
    for _ in range(2):
        with pytest.raises(NoAnswerError):
            client.send(VIEW)
        account.time.now += 100  # which passes while nobody calls, and does not count
    assert len(account.asked()) == 2


# Replies that are no JSON, or the wrong one.


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"[" * 10_000, b'{"id":1} {"id":2}'])
def test_a_look_up_or_update_that_is_answered_with_no_json_is_sent_again(
    account_of: AccountOf, body: bytes
) -> None:
    account = account_of(
        answering(lambda: Response(body), 2, method="GET"),
        answering(lambda: Response(body), 2, method="PUT"),
    )
    client = account.client(retries=2)
    made = client.create(ADA)
    assert client.find(ADA) == made
    assert client.update(made.id, EndUserUpsert(phone_number="+491")).phone_number == "+491"
    assert Counter(each.split()[0] for each in account.asked()) == {"POST": 1, "GET": 3, "PUT": 3}


def test_no_json_to_the_end_is_a_bad_reply(account_of: AccountOf) -> None:
    account = account_of(answering(lambda: Response("<html>"), method="GET"))
    with pytest.raises(CallFailedError) as raised:
        account.client(retries=2).find(ADA)
    assert (raised.value.code, raised.value.status) == ("bad_reply", 200)
    assert len(account.asked()) == 3


def test_an_eligibility_check_answered_with_no_json_may_have_been_counted(
    account_of: AccountOf,
) -> None:
    account = account_of(answering(lambda: Response("<html>")))
    tracker = Recorded(account)
    with pytest.raises(NoAnswerError):
        account.client().send(CHECK, tracker)
    assert tracker.words == ["departs"]
    assert len(account.asked()) == 1


@pytest.mark.parametrize("body", [b"null", b"[]", b"{}", b'{"id":"seven"}'])
def test_a_create_answered_with_no_end_user_may_have_been_taken(
    account_of: AccountOf, body: bytes
) -> None:
    account = account_of(answering(lambda: Response(body), method="POST", path=END_USERS))
    tracker = Recorded(account)
    with pytest.raises(NoAnswerError, match="no end user"):
        account.client().create(ADA, tracker)
    assert tracker.words == ["departs"]


# Replies of somebody else, and replies that are too long (wootric.md 3).

BOB = {"id": 999, "email": "bob@example.com", "external_id": "2"}


def telling(**fields: object) -> Callable[[], ASGIApp]:
    return lambda: JSONResponse(BOB | fields)


@pytest.mark.parametrize(
    "wanted",
    [
        EndUserUpsert(wootric_id="7"),
        EndUserUpsert(external_id="1"),
        EndUserUpsert(email="ada@example.com"),
        EndUserUpsert(phone_number="+49 30 123456"),
    ],
)
def test_a_look_up_that_is_answered_with_somebody_else_finds_nobody_and_fails(
    account_of: AccountOf, wanted: EndUserUpsert
) -> None:
    account = account_of(answering(telling(), method="GET"))
    with pytest.raises(CallFailedError, match=r"of another end user \(999\)") as raised:
        account.client().find(wanted)
    assert raised.value.code == "bad_reply"
    assert "bob" not in str(raised.value)
    assert len(account.asked()) == 1


def test_an_external_id_past_64_bits_is_told_apart_though_it_comes_as_a_number(
    account_of: AccountOf,
) -> None:
    body = b'{"id":7,"external_id":92233720368547758071}'
    client = account_of(answering(lambda: Response(body), method="GET")).client()
    found = client.find(EndUserUpsert(external_id="92233720368547758071"))
    assert found is not None
    assert found.external_id == "92233720368547758071"
    with pytest.raises(CallFailedError):
        client.find(EndUserUpsert(external_id="92233720368547758072"))


def test_a_create_answered_with_somebody_else_may_have_been_taken(account_of: AccountOf) -> None:
    account = account_of(answering(telling(), method="POST", path=END_USERS))
    tracker = Recorded(account)
    with pytest.raises(NoAnswerError, match="its external id is not the one that was sent, so it"):
        account.client().create(ADA, tracker)
    assert tracker.words == ["departs"]


def test_a_create_answered_with_an_id_alone_is_to_be_looked_up_and_shakes_no_trust(
    account_of: AccountOf,
) -> None:
    reply = JSONResponse({"id": 999})
    account = account_of(answering(lambda: reply, method="POST", path=END_USERS))
    client = account.client()
    for _ in range(2 * MOST_IN_A_ROW):
        with pytest.raises(NoAnswerError, match="does not say who was created"):
            client.create(ADA)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"email": "ada@example.com"}, "of another one"),
        ({"id": 1}, "its email is not the one that was sent"),
    ],
)
def test_an_update_answered_with_somebody_else_fails_and_stays_in_flight(
    account_of: AccountOf, fields: dict[str, object], words: str
) -> None:
    account = account_of(answering(telling(**fields), method="PUT"))
    tracker = Recorded(account)
    with pytest.raises(CallFailedError, match=words) as raised:
        account.client().update(1, EndUserUpsert("ada@example.com"), tracker)
    assert raised.value.code == "bad_reply"
    assert tracker.words == ["departs"]


@pytest.mark.parametrize("call", ["look-up", "create", "update", "no end user", "too long"])
def test_after_a_few_replies_in_a_row_that_cannot_be_believed_nothing_more_is_sent(
    account_of: AccountOf, call: str
) -> None:
    answer: Callable[[], ASGIApp] = {
        "no end user": lambda: JSONResponse([]),
        "too long": lambda: Response(b'"' + b"x" * LARGEST_REPLY + b'"'),
    }.get(call, telling())
    account = account_of(answering(answer, path=END_USERS))
    client = account.client()

    def make() -> object:
        if call == "create":
            return client.create(ADA)
        return client.update(1, ADA) if call == "update" else client.find(ADA)

    for _ in range(MOST_IN_A_ROW - 1):
        with pytest.raises((CallFailedError, NoAnswerError)):
            make()
    for made in (make, make, lambda: client.send(VIEW), lambda: client.create(ADA)):
        with pytest.raises(NotBelievedError, match="5 replies in a row can't be believed"):
            made()
    assert len(account.asked()) == MOST_IN_A_ROW


def test_one_reply_that_can_be_believed_restores_trust(account_of: AccountOf) -> None:
    account = account_of(answering(telling(), path=f"{END_USERS}/other"))
    client = account.client()
    client.create(ADA)
    for _ in range(3 * MOST_IN_A_ROW):
        with pytest.raises(CallFailedError):
            client.find(EndUserUpsert(external_id="other"))
        assert client.find(ADA) is not None


def long_end_user(size: int) -> Callable[[], ASGIApp]:
    """Ada, with a property that makes the reply as long as this."""
    ada = {"id": 7, "email": ADA.email, "external_id": ADA.external_id, "properties": {"text": ""}}
    text = "x" * (size - len(JSONResponse(ada).body))
    return lambda: JSONResponse(ada | {"properties": {"text": text}})


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
@pytest.mark.parametrize("more", [0, 1])
def test_an_end_user_has_a_mebibyte_and_no_more(
    account_of: AccountOf, method: str, more: int
) -> None:
    account = account_of(
        answering(long_end_user(LARGEST_REPLY + more), method=method, path=END_USERS)
    )
    client = account.client()

    def make() -> EndUser | None:
        if method == "POST":
            return client.create(ADA)
        return client.update(7, ADA) if method == "PUT" else client.find(ADA)

    if not more:
        made = make()
        assert made is not None
        assert len(made.properties["text"]) > 1_000_000
        return
    error = NoAnswerError if method == "POST" else CallFailedError
    with pytest.raises(error, match="longer than any such reply"):
        make()
    assert len(account.asked()) == 1


def test_an_end_user_of_more_values_than_any_has_is_not_taken_in(account_of: AccountOf) -> None:
    many = {f"p{number}": "" for number in range(MOST_VALUES)}
    account = account_of(answering(telling(external_id="1", properties=many), method="GET"))
    with pytest.raises(CallFailedError, match="longer than any such reply"):
        account.client().find(ADA)


def test_an_eligibility_reply_that_is_too_long_may_have_been_counted(account_of: AccountOf) -> None:
    account = account_of(answering(lambda: Response(b'"' + b"x" * 300_000 + b'"')))
    with pytest.raises(NoAnswerError, match="so it may have been taken"):
        account.client().send(CHECK)
    assert len(account.asked()) == 1


def test_a_page_view_is_taken_however_long_the_reply(account_of: AccountOf) -> None:
    account = account_of(answering(lambda: Response(bytes(3 * LARGEST_REPLY))))
    assert account.client().send(VIEW) is False


def test_a_token_that_comes_in_a_long_reply_is_not_taken_in(account: Account) -> None:
    body = b'{"access_token":"secret","scope":"' + b"x" * 70_000 + b'"}'

    def script(_: RawServer, connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with raw_server(script) as server:
        client = account.client(at=services(None, f"http://127.0.0.1:{server.port}"))
        with pytest.raises(UnreachableError, match="signing in failed: Wootric's reply is longer"):
            client.sign_in()


@pytest.mark.parametrize(("megabytes", "is_taken"), [(7, True), (9, False)])
def test_a_page_of_the_list_has_eight_mebibytes(
    account_of: AccountOf, megabytes: int, is_taken: bool
) -> None:
    row = {"id": 1, "created_at": NOON, "properties": {"text": "x" * (megabytes * 1_000_000)}}
    client = account_of(answering(lambda: JSONResponse([row]), path=END_USERS)).client()
    if is_taken:
        assert len(client.list_end_users({"per_page": "50"})) == 1
    else:
        with pytest.raises(CallFailedError, match="longer than any such reply"):
            client.list_end_users({"per_page": "50"})


def test_a_page_has_no_more_end_users_than_asked_for(account_of: AccountOf) -> None:
    rows = [{"id": 1}, {"id": 2}]
    client = account_of(answering(lambda: JSONResponse(rows), path=END_USERS)).client()
    assert client.list_end_users({"per_page": "2"}) == rows
    with pytest.raises(CallFailedError, match="more than the 1 asked for") as raised:
        client.list_end_users({"per_page": "1"})
    assert raised.value.code == "bad_reply"


@pytest.mark.parametrize(
    "reply",
    [
        {"error": "no " * 20_000},
        {"errors": [{"message": "no"}] * 5_000},
        {"errors": [[]] * 10_000},
    ],
)
def test_of_an_error_a_thousand_characters_are_told_and_two_thousand_bytes_kept(
    account_of: AccountOf, reply: dict[str, object]
) -> None:
    account = account_of(answering(lambda: JSONResponse(reply, 422), method="POST", path=END_USERS))
    with pytest.raises(CallFailedError, match="Wootric refused it with 422") as raised:
        account.client().create(ADA)
    assert len(str(raised.value)) < 1_100
    assert len(raised.value.body or "") <= 2_000


def test_half_of_a_surrogate_pair_makes_no_reply_unreadable(account_of: AccountOf) -> None:
    body = b'{"id":7,"email":"ada@example.com","properties":{"name":"\\ud800Ada"}}'
    account = account_of(answering(lambda: Response(body), method="GET"))
    found = account.client().find(ADA)
    assert found is not None
    assert found.properties == {"name": "?Ada"}


# A call's tracker: what is on record of it, exchange by exchange.


@dataclass
class Recorded:
    """A tracker that remembers what it was told, and how many requests had come in by then."""

    account: Account
    told: list[tuple[str, int]] = field(default_factory=list)
    refuses: bool = False

    def about_to_send(self) -> None:
        self.told.append(("departs", len(self.account.asked())))
        if self.refuses:
            raise OSError("the disk is full")

    def not_carried_out(self) -> None:
        self.told.append(("returns", len(self.account.asked())))

    @property
    def words(self) -> list[str]:
        return [word for word, _ in self.told]


TRACKED = pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client, tracker: client.create(ADA, tracker), id="create"),
        pytest.param(lambda client, tracker: client.send(CHECK, tracker), id="eligibility"),
        pytest.param(lambda client, tracker: client.send(VIEW, tracker), id="page"),
    ],
)
TrackedCall = Callable[[Wootric, Recorded], object]


@TRACKED
def test_a_call_is_on_record_before_it_is_sent_and_stays_there_once_taken(
    account: Account, call: TrackedCall
) -> None:
    tracker = Recorded(account)
    call(account.client(), tracker)
    assert tracker.told == [("departs", 0)]
    assert len(account.asked()) == 1


def test_an_update_is_tracked_too(account: Account) -> None:
    client = account.client()
    made = client.create(ADA)
    tracker = Recorded(account)
    client.update(made.id, EndUserUpsert(phone_number="+491"), tracker)
    assert tracker.told == [("departs", 1)]


@TRACKED
@pytest.mark.parametrize("number", [302, 400, 404, 422, 423, 429, 500, 503])
def test_a_reply_that_proves_a_call_not_taken_takes_it_off_the_record(
    account_of: AccountOf, call: TrackedCall, number: int
) -> None:
    account = account_of(answering(status(number), 1))
    tracker = Recorded(account)
    with suppress(CallFailedError):
        call(account.client(), tracker)
    assert tracker.told[:2] == [("departs", 0), ("returns", 1)]
    again = ["departs"] if number in {429, 500, 503} else []
    assert tracker.words[2:] == again


@TRACKED
@pytest.mark.parametrize("answer", [ResetConnection, status(502), status(504), status(520)])
def test_a_call_without_an_answer_stays_on_record(
    account_of: AccountOf, call: TrackedCall, answer: Callable[[], ASGIApp]
) -> None:
    account = account_of(answering(answer))
    tracker = Recorded(account)
    with pytest.raises(NoAnswerError):
        call(account.client(), tracker)
    assert tracker.words == ["departs"]


def test_a_token_that_is_refused_brings_the_call_back_and_signing_in_is_no_part_of_it(
    account: Account,
) -> None:
    client = account.client()
    client.sign_in()
    account.sandbox.state.expire_tokens()
    tracker = Recorded(account)
    client.create(ADA, tracker)
    assert tracker.words == ["departs", "returns", "departs"]
    assert account.grants() == ["client_credentials"] * 2


@TRACKED
def test_a_call_that_never_left_comes_back_each_time(account: Account, call: TrackedCall) -> None:
    there = account.client()
    there.sign_in()
    nobody = f"http://127.0.0.1:{closed_port()}"
    at = replace(services(None, nobody), oauth=f"{account.sandbox.base_url}/oauth/token")
    tracker = Recorded(account)
    with pytest.raises(CallFailedError):
        call(account.client(at=at, retries=2), tracker)
    assert tracker.words == ["departs", "returns"] * 3


@TRACKED
def test_a_call_that_cannot_be_put_on_record_is_not_sent(
    account: Account, call: TrackedCall
) -> None:
    with pytest.raises(OSError, match="disk is full"):
        call(account.client(), Recorded(account, refuses=True))
    assert account.asked() == []


def test_what_may_have_been_taken_once_is_not_said_to_have_come_back_later(
    account_of: AccountOf,
) -> None:
    account = account_of(answering(one_by_one([502, 503, 422])))
    tracker = Recorded(account)
    with pytest.raises(CallFailedError):
        account.client().send(VIEW, tracker, resends=True)
    assert tracker.words == ["departs"] * 3


@pytest.mark.parametrize("answer", [ResetConnection, status(502)])
def test_an_event_that_is_sent_again_in_vain_is_in_doubt(
    account_of: AccountOf, answer: Callable[[], ASGIApp]
) -> None:
    account = account_of(answering(answer))
    with pytest.raises(NoAnswerError):
        account.client(retries=2).send(VIEW, resends=True)
    assert len(account.asked()) == 3
    with pytest.raises(NoAnswerError):
        account.client(retries=99, give_up_after=10, jitter=longest).send(VIEW, resends=True)


@pytest.mark.parametrize("event", [CHECK, VIEW])
def test_an_event_that_may_count_twice_is_sent_again(
    account_of: AccountOf, event: EligibilityCheck | PageView
) -> None:
    account = account_of(answering(ResetConnection, 2))
    tracker = Recorded(account)
    account.client().send(event, tracker, resends=True)
    assert tracker.words == ["departs"] * 3
    assert len(account.asked()) == 3


# What must not leak.

SECRETS = ("sandbox-client-secret", "sandbox-password", "secret-token", "wrong-secret")


def all_said(error: BaseException) -> str:
    """All that an error, and those behind it, say of themselves."""
    said = ["".join(traceback.format_exception(error))]
    inner: BaseException | None = error
    while inner is not None:
        said += [str(inner), repr(inner), repr(inner.args), repr(getattr(inner, "__dict__", None))]
        inner = inner.__cause__ or inner.__context__
    return "\n".join(said)


@pytest.mark.parametrize("login", ["client credentials", "password"])
def test_no_object_shows_a_secret(account: Account, login: str) -> None:
    settings = account.sandbox.settings
    credentials: Credentials = (
        account.password()
        if login == "password"
        else ClientCredentials(settings.client_id, settings.client_secret)
    )
    client = account.client(credentials)
    client.sign_in()
    call = HttpCall("POST", "https://api.example/oauth/token?x=secret-token", credentials.grant())
    shown = f"{credentials!r} {credentials} {client!r} {client} {vars(client)!r} {call!r} {call}"
    assert settings.client_id in shown or settings.username in shown
    assert not [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize("answer", [status(500), status(422), status(401), ResetConnection])
@pytest.mark.parametrize("login", ["client credentials", "password"])
def test_no_error_of_a_call_shows_a_secret(
    account_of: AccountOf, answer: Callable[[], ASGIApp], login: str
) -> None:
    account = account_of(answering(answer))
    client = account.client(account.password() if login == "password" else None, retries=1)
    calls: tuple[Callable[[], object], ...] = (
        lambda: client.find(ADA),
        lambda: client.create(ADA),
        lambda: client.send(VIEW),
    )
    for call in calls:
        with pytest.raises(WootricError) as raised:
            call()
        said = all_said(raised.value)
        assert not [secret for secret in SECRETS if secret in said]


def test_no_error_of_signing_in_shows_a_secret(account: Account) -> None:
    nobody = services(None, f"http://127.0.0.1:{closed_port()}")
    for credentials in (
        ClientCredentials("sandbox-client-id", "wrong-secret"),
        PasswordCredentials("sandbox@example.com", "wrong-secret"),
    ):
        for at in (None, nobody):
            with pytest.raises((SignInRefusedError, UnreachableError)) as raised:
                account.client(credentials, at=at, retries=1).sign_in()
            assert "wrong-secret" not in all_said(raised.value)


def test_an_error_names_the_host_but_no_personal_data(account: Account) -> None:
    nobody = services(None, f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(CallFailedError) as raised:
        account.client(at=nobody, retries=0).send(VIEW)
    assert "127.0.0.1" in str(raised.value)
    assert "ada" not in str(raised.value)


def test_a_token_that_an_error_repeats_is_taken_out_of_it(account_of: AccountOf) -> None:
    def repeat(request: SandboxRequest) -> Fault | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return Fault(JSONResponse({"error": f"no good: {token}"}, 422)) if token else None

    with pytest.raises(CallFailedError, match=r"no good: \[token\]") as raised:
        account_of(repeat).client().find(ADA)
    assert "secret-token" not in all_said(raised.value)
    assert raised.value.body == '{"error":"no good: [token]"}'


REPEATED: tuple[Callable[[str], str], ...] = (
    str,
    lambda secret: secret.upper(),
    lambda secret: "".join(f"\\u{ord(each):04X}" for each in secret),
    lambda secret: secret[:3] + "".join(f"\\u{ord(each):04x}" for each in secret[3:]),
    lambda secret: "".join(f"%{ord(each):02x}" for each in secret),
)
"""Ways of a server to write a secret in JSON."""


@pytest.mark.parametrize("write", REPEATED)
@pytest.mark.parametrize("login", ["client credentials", "password"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_secrets_that_an_error_repeats_are_taken_out_of_it(
    account_of: AccountOf, write: Callable[[str], str], login: str, encoding: str
) -> None:
    tokens: list[str] = []
    refused: list[str] = []

    def repeat(request: SandboxRequest) -> Fault | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            return None
        tokens.append(token)
        if len(tokens) == 1:
            refused.append(token)
            return Fault(JSONResponse({"error": "too old"}, 401))
        secrets = (*SECRETS[:2], refused[0], token)
        body = '{{"error":"no good: {}"}}'.format(", ".join(write(each) for each in secrets))
        return Fault(Response(body.encode(encoding), 422))

    account = account_of(repeat)
    client = account.client(account.password() if login == "password" else None)
    with pytest.raises(CallFailedError, match=r"no good: .*\[token\], \[token\]") as raised:
        client.find(ADA)
    assert len(set(tokens)) == 2
    said = all_said(raised.value).replace("\0", "").lower()
    mine = SECRETS[1] if login == "password" else SECRETS[0]
    for each in (mine, *tokens):
        assert each.lower() not in said
        assert write(each).lower() not in said
    assert "[secret]" in said


def test_a_short_secret_is_hidden_as_a_word_alone() -> None:
    mask = SecretMask()
    mask.add("goo")
    assert mask("goo is no good: goo, %67oo") == "[secret] is no good: [secret], [secret]"


def test_a_secret_that_is_cut_off_with_the_kept_body_is_hidden(account_of: AccountOf) -> None:
    def repeat(request: SandboxRequest) -> Fault | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return Fault(Response("x" * 1990 + token, 422)) if token else None

    with pytest.raises(CallFailedError) as raised:
        account_of(repeat).client().find(ADA)
    assert raised.value.body == "x" * 1990 + "[token]"


@pytest.mark.parametrize("depth", [600, 900, 990, 5_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
@pytest.mark.parametrize("where", ["email", "properties", "errors"])
def test_a_reply_that_is_nested_without_end_is_no_fault_of_ours(
    account_of: AccountOf, depth: int, brackets: str, where: str
) -> None:
    opening = "[" if brackets == "[]" else '{"a":'
    deep = opening * depth + "1" + brackets[1] * depth
    bodies = {
        "email": f'{{"id":7,"external_id":"person-7","email":{deep}}}',
        "properties": f'{{"id":7,"external_id":"person-7","properties":{{"a":{deep}}}}}',
        "errors": f'{{"errors":[{{"message":{deep}}}]}}',
    }

    def nested(request: SandboxRequest) -> Fault | None:
        if "/end_users" not in request.path:
            return None
        return Fault(Response(bodies[where], 422 if where == "errors" else 200))

    client = account_of(nested).client(retries=0)
    with pytest.raises(CallFailedError) as raised:
        client.find(EndUserUpsert(external_id="person-7"))
    assert raised.value.code == ("refused" if where == "errors" else "bad_reply")
    with pytest.raises(CallFailedError):
        client.list_end_users({"per_page": "50"})


# What `--verbose` shows.


def test_each_exchange_is_a_line_of_the_log(
    account_of: AccountOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="wootric_map")
    account = account_of(
        answering(status(503), 1, method="POST"), answering(ResetConnection, 1, method="GET")
    )
    client = account.client(jitter=longest)
    made = client.create(ADA)
    client.find(EndUserUpsert(wootric_id=str(made.id)))
    host = account.sandbox.base_url.removeprefix("http://")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("woo")] == [
        "signing in by client_credentials",
        "POST oauth: 200 in 0 ms, attempt 1",
        "POST end_users/create: 503 in 0 ms, attempt 1",
        "trying again in 0.5 s, after status 503",
        "POST end_users/create: 201 in 0 ms, attempt 2",
        f"GET end_users/{{}}: no answer from {host} (Connection reset by peer) in 0 ms, attempt 1",
        f"trying again in 0.5 s, after no answer from {host} (Connection reset by peer)",
        "GET end_users/{}: 200 in 0 ms, attempt 2",
    ]


def test_giving_up_is_a_line_of_the_log(
    account_of: AccountOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="wootric_map")
    account = account_of(answering(status(503)))
    with pytest.raises(UnreachableError):
        account.client(give_up_after=10, jitter=longest).send(VIEW)
    assert caplog.records[-1].getMessage() == "giving up: down for 8 s, latest status 503"


@pytest.mark.parametrize("answer", [status(500), status(422), status(429), ResetConnection])
@pytest.mark.parametrize("login", ["client credentials", "password"])
def test_the_log_shows_neither_secrets_nor_people(
    account_of: AccountOf,
    caplog: pytest.LogCaptureFixture,
    answer: Callable[[], ASGIApp],
    login: str,
) -> None:
    caplog.set_level(logging.DEBUG, logger="wootric_map")
    account = account_of(answering(answer, 3))
    client = account.client(account.password() if login == "password" else None, retries=1)
    calls: tuple[Callable[[], object], ...] = (
        lambda: client.find(EndUserUpsert("ada@example.com", "person-7", "+4917", wootric_id="9")),
        lambda: client.create(ADA),
        lambda: client.send(VIEW),
        lambda: client.send(CHECK),
        lambda: client.list_end_users({"email": "ada@example.com"}),
    )
    for call in calls:
        with suppress(WootricError):
            call()
    lines = [record for record in caplog.records if record.name.startswith("wootric")]
    assert {record.name for record in lines} == {"wootric_map.wootric.caller"}
    assert len(lines) >= 7
    shown = "\n".join(record.getMessage() for record in lines)
    personal = ("ada", "person-7", "4917", "sandbox@", account.sandbox.settings.account_token)
    assert not [each for each in (*SECRETS, *personal, "?", "As asked") if each in shown]


@pytest.mark.parametrize("where", ["HOME", "NETRC"])
def test_netrc_signs_no_call(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1\nlogin somebody\npassword netrc-password\n")
    netrc.chmod(0o600)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv(where, str(tmp_path if where == "HOME" else netrc))

    def signed() -> list[bool]:
        return ["authorization" in dict(each["headers"]) for each in account.sandbox.requests]  # type: ignore[call-overload]

    requests.get(f"{account.sandbox.base_url}/registered_events.json", timeout=5)
    assert signed() == [True], "the file is not found, so this shows nothing"
    client = account.client()
    client.sign_in()
    client.registered_events()
    client.send(CHECK)
    client.send(VIEW)
    assert signed()[1:] == [False] * 4
    assert client.find(ADA) is None, "the token itself must not give way to it either"


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set a proxy in the environment for everything."""

    def to(url: str) -> None:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, url)

    return to


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_a_proxy_is_not_used_for_loopback(
    account_of: AccountOf, proxied: Callable[[str], None], host: str
) -> None:
    account = account_of(host="127.0.0.1" if host == "localhost" else host)
    proxied(f"http://127.0.0.1:{closed_port()}")
    base = account.sandbox.base_url.replace("127.0.0.1", host)
    client = account.client(at=services(None, base), retries=0)
    assert client.find(ADA) is None
    client.send(VIEW)
    assert len(account.sandbox.state.page_views) == 1


class Proxy(BaseHTTPRequestHandler):
    """A proxy on loopback that sends nothing on, and says that there is nothing."""

    def do_GET(self) -> None:
        assert isinstance(self.server, ProxyServer)
        self.server.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class ProxyServer(ThreadingHTTPServer):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Proxy)
        self.asked: list[str] = []


@pytest.fixture
def proxy(proxied: Callable[[str], None]) -> Iterator[ProxyServer]:
    with ProxyServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        proxied(f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


ELSEWHERE = Services(*(f"http://wootric.example/{name}" for name in ("v1", "oauth", "e", "p")))
"""Reached through a proxy on loopback alone, so that nothing leaves this machine."""


def test_a_proxy_is_used_for_other_machines(account: Account, proxy: ProxyServer) -> None:
    assert account.client(at=ELSEWHERE, retries=0).registered_events() == frozenset()
    (url,) = proxy.asked
    assert url.startswith("http://wootric.example/e/registered_events.json?")


def test_a_proxy_that_was_used_for_another_machine_is_still_not_used_for_loopback(
    account: Account, proxy: ProxyServer
) -> None:
    client = account.client(at=ELSEWHERE, retries=0)
    client.registered_events()
    account.client(retries=0).send(VIEW)
    assert len(account.sandbox.state.page_views) == 1
    assert len(proxy.asked) == 1


def test_no_call_changes_the_environment_which_all_threads_share(
    account: Account, proxy: ProxyServer
) -> None:
    client = account.client(at=ELSEWHERE, retries=0)
    changes: list[object] = []
    listening = True

    def hear(event: str, args: tuple[object, ...]) -> None:
        if listening and event in {"os.putenv", "os.unsetenv"}:
            changes.append((event, args[0]))

    sys.addaudithook(hear)  # which can't be taken away again, only told to be quiet
    try:
        for _ in range(3):
            client.registered_events()
    finally:
        listening = False
    assert len(proxy.asked) == 3
    assert changes == []
