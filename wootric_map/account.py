"""The account that a run works on, or an embedded sandbox, and the connection to it."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from wootric_map.errors import SettingsError
from wootric_map.run_files import Use, use
from wootric_map.wootric import retry

if TYPE_CHECKING:
    from wootric_map.wootric.auth import Credentials
    from wootric_map.wootric.client import Wootric
    from wootric_map.wootric.pace import Pace
    from wootric_map.wootric.regions import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """Which account a run works on, and how the run signs in."""

    account_token: str | None = None
    """The account's token; its region picks the addresses."""
    base_url: str | None = None
    """One host for all of Wootric's services, in place of the region's."""
    credentials: "Credentials | Callable[[], Credentials] | None" = None
    """The credentials, or a function that returns them once they are needed."""
    secret_files: tuple[tuple[str, str], ...] = ()
    """The files that `credentials` and settings come from: the name for messages, and the path."""
    sandbox: bool = False
    """Whether to work on an embedded sandbox, which is empty; then no other field counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """How fast calls go, and how long faults are tolerated."""

    rate: float | None = None
    """Calls a minute at most; None for as many as Wootric's replies allow."""
    reserve: float = 0.0
    """The share of each of Wootric's limits, from 0 up to but not including 1, left to live traffic."""
    retries: int = retry.RETRIES
    """How often a call is tried again after a fault that may pass."""
    connect_timeout: float = retry.CONNECT_TIMEOUT
    """Seconds to wait for a connection."""
    read_timeout: float = retry.READ_TIMEOUT
    """Seconds of silence to tolerate once a call is sent."""
    deadline: float = retry.DEADLINE
    """Seconds for all tries of a call together, without its waits for Wootric's limit."""
    give_up_after: float = retry.GIVE_UP_AFTER
    """Seconds that Wootric may be down before the run ends."""
    ca_bundle: str | None = None
    """The file of the certificate authorities to trust; None for the usual ones."""


class Account(NamedTuple):
    """What is needed to reach an account."""

    services: "Services"
    token: str
    credentials: "Credentials"


class Connect(Protocol):
    """Makes a client of an account, as `connected` does; a test may hand in another."""

    def __call__(
        self, account: Account, pace: "Pace", settings: ConnectionSettings, *, connections: int
    ) -> "AbstractContextManager[Wootric]":
        """Return a context that gives the client and closes it."""


@contextmanager
def opened(settings: AccountSettings) -> Iterator[Account]:
    """Give the account that the settings name; an embedded sandbox runs within the context.

    Raises:
        SettingsError: a setting is missing or can't be used.
    """
    from wootric_map.wootric.regions import services

    if settings.sandbox:
        from wootric_map import embedded_sandbox

        with embedded_sandbox.running() as running:
            yield Account(*embedded_sandbox.account(running))
        return
    found = settings.credentials
    credentials = found() if callable(found) else found
    if settings.account_token is None or credentials is None:
        missing = "account token" if settings.account_token is None else "credentials"
        raise SettingsError(f"no {missing}: give the run's AccountSettings some, or sandbox=True")
    at = services(settings.account_token, settings.base_url)
    yield Account(at, settings.account_token, credentials)


@contextmanager
def connected(
    account: Account,
    pace: "Pace",
    settings: ConnectionSettings,
    *,
    connections: int,
    jitter: Callable[[float, float], float] = random.uniform,
) -> "Iterator[Wootric]":
    """Give a client of an account; nothing is sent yet.

    Args:
        account: the account.
        pace: gives each call its turn.
        settings: how long faults are tolerated.
        connections: the greatest number of open connections.
        jitter: returns a random number between two numbers, for the pauses between tries.
    """
    from wootric_map.wootric.client import Wootric

    wootric = Wootric(
        *account,
        pace,
        wait=pace.wait,
        connections=connections,
        retries=settings.retries,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        deadline=settings.deadline,
        give_up_after=settings.give_up_after,
        jitter=jitter,
        ca_bundle=settings.ca_bundle,
    )
    with closing(wootric):
        yield wootric


def uses_of_login(account: AccountSettings, connection: ConnectionSettings) -> Iterator[Use]:
    """Yield the uses of the files of secrets, settings and certificates."""
    for name, path in account.secret_files:
        yield use(name, Path(path))
    if connection.ca_bundle:
        yield use("REQUESTS_CA_BUNDLE", connection.ca_bundle)
