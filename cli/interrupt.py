"""Ctrl-C and SIGTERM during a run: calls under way are finished, and no more are begun."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final, Self

import click

from wootric_map.errors import StoppedError
from wootric_map.stopping import Stop

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

SIGNALLED: Final = 128
"""The exit code after a signal is this plus the number of the signal."""


class Interruption(Stop):
    """Turns Ctrl-C, SIGTERM and SIGHUP into requests to stop."""

    def __init__(self) -> None:
        super().__init__()
        self._say: Callable[[str], None] = say
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        self._before = [signal.signal(number, self._handle) for number in _SIGNALS]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Listen no more.

        Raises:
            click.exceptions.Exit: the run ends with a `StoppedError`.
        """
        try:
            if isinstance(error, StoppedError):
                say("Error: interrupted")
                raise click.exceptions.Exit(self.exit_code) from error
        finally:
            for number, handler in zip(_SIGNALS, self._before, strict=True):
                signal.signal(number, handler)

    @contextmanager
    def shown_by(self, show: Callable[[str], None]) -> Iterator[None]:
        """Have messages about a stop shown by a function that keeps them above what is drawn."""
        self._say = show
        try:
            yield
        finally:
            self._say = say

    def _handle(self, number: int, _: FrameType | None) -> None:
        """Stop at the first signal, after the calls under way; end the process at the second."""
        if self.exit_code:
            os._exit(SIGNALLED + number)
        self.request(SIGNALLED + number)
        if not self.is_held:
            raise StoppedError
        self._say("stopping: the calls under way are finished first; again ends at once")


def say(line: str) -> None:
    """Write a line to standard error."""
    click.echo(line, err=True)
