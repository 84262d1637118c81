"""`--verbose`: each call on standard error, without personal data."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cli.run_context import RunContext
from wootric_map.account import Account, Connect, ConnectionSettings, connected

if TYPE_CHECKING:
    from wootric_map.wootric.client import Wootric
    from wootric_map.wootric.pace import Pace


def connect(*, verbose: bool) -> Connect:
    """Return a function that makes clients; with `verbose`, their calls are shown."""
    context: RunContext | None = click.get_current_context().obj
    connecting = (context and context.connect) or connected

    @contextmanager
    def connected_and_shown(
        account: Account, pace: "Pace", settings: ConnectionSettings, *, connections: int
    ) -> "Iterator[Wootric]":
        client = connecting(account, pace, settings, connections=connections)
        with _calls_shown(), client as wootric:
            yield wootric

    return connected_and_shown if verbose else connecting


@contextmanager
def _calls_shown() -> Iterator[None]:
    """Write the library's log to standard error; urllib3's log would show addresses with emails."""
    log = logging.getLogger("wootric_map")
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter("%(asctime)s %(threadName)s %(message)s"))
    log.addHandler(lines)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(lines)
