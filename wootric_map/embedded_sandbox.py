"""A sandbox inside the process, for rehearsals without an account."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from wootric_map.errors import SettingsError
from wootric_map.wootric.auth import ClientCredentials, Credentials
from wootric_map.wootric.client import Wootric
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.regions import Services, services

if TYPE_CHECKING:
    from wootric_map.sandbox import RunningSandbox

MISSING = "the sandbox is an extra: pip install 'wootric-replay[sandbox]'"
"""The message if Starlette and uvicorn are not installed."""


@contextmanager
def running() -> "Iterator[RunningSandbox]":
    """Start a sandbox on a free port of loopback, and stop it at the end.

    Raises:
        SettingsError: the extra is not installed.
    """
    try:
        from wootric_map.sandbox import run_sandbox
    except ImportError as error:
        raise SettingsError(MISSING) from error
    with run_sandbox() as sandbox:
        yield sandbox


def registered_events(sandbox: "RunningSandbox") -> frozenset[str]:
    """Ask a sandbox which events it has registered, as a push would."""
    wait = threading.Event().wait
    with closing(Wootric(*account(sandbox), Pace(None, wait=wait), wait=wait)) as wootric:
        return wootric.registered_events()


def account(sandbox: "RunningSandbox") -> tuple[Services, str, Credentials]:
    """Return a sandbox's addresses, account token and credentials."""
    settings = sandbox.settings
    login = ClientCredentials(settings.client_id, settings.client_secret)
    return services(settings.account_token, sandbox.base_url), settings.account_token, login
