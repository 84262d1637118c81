"""A sandbox inside the process, for rehearsals without an account."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from wootric_map.sandbox import RunningSandbox

MISSING = "the sandbox is an extra: pip install 'wootric-replay[sandbox]'"
"""What is said where Starlette and uvicorn are not installed."""


@contextmanager
def running_sandbox() -> "Iterator[RunningSandbox]":
    """Start a sandbox on a free port of loopback, and stop it at the end.

    Raises:
        click.ClickException: the extra is not installed.
    """
    try:
        from wootric_map.sandbox import run_sandbox  # noqa: PLC0415 - optional
    except ImportError as error:
        raise click.ClickException(MISSING) from error
    with run_sandbox() as sandbox:
        yield sandbox
