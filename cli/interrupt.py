"""Ctrl-C and SIGTERM during a run: calls under way are finished, and no more are begun."""

import _thread
import os
import signal
import threading
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

_TO_SAY_IT: Final = 1.0
"""Seconds that the end of a run waits for its message about a stop."""


class Interruption(Stop):
    """Turns Ctrl-C, SIGTERM and SIGHUP into requests to stop."""

    def __init__(self) -> None:
        super().__init__()
        self._say: Callable[[str], None] = say
        self._before: list[Any] = []
        self._saying = threading.Lock()

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
        self._saying.acquire(timeout=_TO_SAY_IT)
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
        self.exit_code = SIGNALLED + number
        # A handler runs wherever the main thread was, which may have the lock of the event or of a stream.
        # A `threading.Thread` would wait for a lock, too, when it is begun.
        if not self.is_held:
            _thread.start_new_thread(self.request, (self.exit_code,))
            raise StoppedError
        self._saying.acquire(blocking=False)
        _thread.start_new_thread(self._note, (self.exit_code,))

    def _note(self, exit_code: int) -> None:
        """Request a stop that is only noted, and say so."""
        self.request(exit_code)
        try:
            self._say("stopping: the calls under way are finished first; again ends at once")
        finally:
            self._saying.release()


def say(line: str) -> None:
    """Write a line to standard error."""
    click.echo(line, err=True)
