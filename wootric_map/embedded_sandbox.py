"""A sandbox inside the process, for rehearsals without an account."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from wootric_map.errors import SettingsError

if TYPE_CHECKING:
    from wootric_map.sandbox import RunningSandbox
    from wootric_map.wootric.client import Credentials
    from wootric_map.wootric.regions import Services

MISSING = "the sandbox is an extra: pip install 'wootric-replay[sandbox]'"
"""What is said where Starlette and uvicorn are not installed."""


@contextmanager
def running() -> "Iterator[RunningSandbox]":
    """Start a sandbox on a free port of loopback, and stop it at the end.

    Raises:
        SettingsError: the extra is not installed.
    """
    try:
        from wootric_map.sandbox import run_sandbox  # noqa: PLC0415 - optional
    except ImportError as error:
        raise SettingsError(MISSING) from error
    with run_sandbox() as sandbox:
        yield sandbox


def registered_events(sandbox: "RunningSandbox") -> frozenset[str]:
    """Ask a sandbox which events it has registered, as a push would."""
    from wootric_map.wootric.client import Wootric  # noqa: PLC0415 - slow, and a dry run may need none
    from wootric_map.wootric.pace import Pace  # noqa: PLC0415 - as above

    wait = threading.Event().wait
    with closing(Wootric(*account(sandbox), Pace(None, wait=wait), wait=wait)) as wootric:
        return wootric.registered_events()


def account(sandbox: "RunningSandbox") -> "tuple[Services, str, Credentials]":
    """Return a sandbox's addresses, account token and credentials."""
    from wootric_map.wootric.client import ClientCredentials  # noqa: PLC0415 - as above
    from wootric_map.wootric.regions import services  # noqa: PLC0415 - a dry run may need none

    settings = sandbox.settings
    login = ClientCredentials(settings.client_id, settings.client_secret)
    return services(settings.account_token, sandbox.base_url), settings.account_token, login
