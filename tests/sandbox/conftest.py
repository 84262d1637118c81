from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import requests

from wootric_map.sandbox import RunningSandbox, SandboxSettings, run_sandbox

NOON = 1_700_000_000.0

Call = Callable[..., requests.Response]


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def session_clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def shared_sandbox(session_clock: Clock) -> Iterator[RunningSandbox]:
    with run_sandbox(SandboxSettings(), clock=session_clock) as running:
        yield running


@pytest.fixture
def clock(session_clock: Clock) -> Clock:
    session_clock.now = NOON
    return session_clock


@pytest.fixture
def tick(clock: Clock) -> Callable[[float], None]:
    """Move the sandbox's clock on by some seconds."""

    def move(seconds: float) -> None:
        clock.now += seconds

    return move


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox, clock: Clock) -> RunningSandbox:
    """An empty sandbox with the default settings, at 1,700,000,000."""
    shared_sandbox.state.reset()
    return shared_sandbox


@pytest.fixture
def start(clock: Clock) -> Iterator[Callable[..., RunningSandbox]]:
    """Start a sandbox with the settings of a test."""
    with ExitStack() as stack:

        def run(**settings: object) -> RunningSandbox:
            log = settings.pop("log", None)
            return stack.enter_context(
                run_sandbox(SandboxSettings(**settings), clock=clock, log=log)  # type: ignore[arg-type]
            )

        yield run


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def sign_in(http: requests.Session) -> Callable[[RunningSandbox], Call]:
    """Sign in to a sandbox, and return `call(method, path, form=…)`."""

    def do(running: RunningSandbox) -> Call:
        settings = running.settings
        reply = http.post(
            f"{running.base_url}/oauth/token?account_token={settings.account_token}",
            data={
                "grant_type": "client_credentials",
                "client_id": settings.client_id,
                "client_secret": settings.client_secret,
            },
        )
        assert reply.status_code == 200, reply.text
        bearer = {"Authorization": f"Bearer {reply.json()['access_token']}"}

        def call(
            method: str,
            path: str,
            form: dict[str, str] | bytes | None = None,
            headers: dict[str, str] | None = None,
        ) -> requests.Response:
            return http.request(
                method, running.base_url + path, data=form, headers=bearer | (headers or {})
            )

        return call

    return do


@pytest.fixture
def call(sandbox: RunningSandbox, sign_in: Callable[[RunningSandbox], Call]) -> Call:
    """Send a signed-in request to `sandbox`."""
    return sign_in(sandbox)
