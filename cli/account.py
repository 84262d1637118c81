"""The account that a command works on: the customer's, or an embedded sandbox."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from cli import embedded, options

if TYPE_CHECKING:
    from wootric_map.wootric.client import Credentials, Wootric
    from wootric_map.wootric.pace import Pace
    from wootric_map.wootric.regions import Services


_PATIENCE: Final = ("retries", "connect_timeout", "read_timeout", "deadline", "give_up_after")
_LOGIN: Final = ("client_id", "client_secret_file", "username", "password_file")


class Account(NamedTuple):
    """What it takes to reach an account."""

    services: "Services"
    token: str
    credentials: "Credentials"


def account(given: Mapping[str, Any], stack: ExitStack) -> Account:
    """The account that the options and the environment name.

    Args:
        given: the values of `options.account_options`, `credential_options` and `sandbox_option`.
        stack: ends an embedded sandbox.

    Raises:
        click.UsageError: something is missing.
    """
    from wootric_map.wootric.regions import services  # noqa: PLC0415 - a dry run may need none

    if given["sandbox"]:
        return Account(*embedded.account(stack.enter_context(embedded.running_sandbox())))
    token = given["account_token"]
    login = [given[name] for name in _LOGIN]
    missing = [] if token else ["WOOTRIC_ACCOUNT_TOKEN"]
    missing += options.missing_credentials(*login)
    if missing:
        raise click.UsageError(options.all_missing(missing))
    return Account(services(token, given["base_url"]), token, options.credentials(*login))


@contextmanager
def connected(
    to: Account, pace: "Pace", given: Mapping[str, Any], *, connections: int
) -> "Iterator[Wootric]":
    """A client of the account; nothing is sent yet.

    Args:
        to: the account.
        pace: gives each call its turn.
        given: the values of `options.patience_options`.
        connections: how many are kept open at most.
    """
    from wootric_map.wootric.client import Wootric  # noqa: PLC0415 - slow, and a dry run may need none

    wootric = Wootric(
        *to,
        pace,
        wait=pace.wait,
        connections=connections,
        ca_bundle=os.environ.get("REQUESTS_CA_BUNDLE"),
        **{name: given[name] for name in _PATIENCE},
    )
    with _calls_shown(shown=given["verbose"]), closing(wootric):
        yield wootric


@contextmanager
def _calls_shown(*, shown: bool) -> Iterator[None]:
    """Write the client's own log to standard error; urllib3's would show addresses with emails."""
    log = logging.getLogger("wootric_map")
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter("%(asctime)s %(threadName)s %(message)s"))
    if shown:
        log.addHandler(lines)
        log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(lines)
