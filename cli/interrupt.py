"""Ctrl-C and SIGTERM while calls are under way: finish those, start no more."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from wootric_map.errors import StoppedError


class Interruption:
    """Whether, and by what, the run was told to stop."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.exit_code = 0
        self._say: Callable[[str], None] = say
        self._sending = False

    def handle(self, number: int, _: FrameType | None) -> None:
        """Stop at the first signal, gently while calls are under way; at once at the second."""
        if self.exit_code:
            os._exit(128 + number)
        self.exit_code = 128 + number
        self.stop.set()
        if not self._sending:
            raise StoppedError
        self._say("stopping: the calls under way are finished first; again ends at once")

    @contextmanager
    def shown_by(self, show: Callable[[str], None]) -> Iterator[None]:
        """Have what is said of a stop shown by whoever draws on the terminal, so that it stays there."""
        self._say = show
        try:
            yield
        finally:
            self._say = say

    def hold(self) -> None:
        """From here on to the end a stop is only asked for: what follows sums up, and closes files."""
        self._sending = True

    @contextmanager
    def sending(self) -> Iterator[None]:
        """For as long as calls are under way, which a stop lets finish."""
        self._sending = True
        try:
            yield
        finally:
            self._sending = False


def say(line: str) -> None:
    """Write a line to standard error."""
    click.echo(line, err=True)


@contextmanager
def gentle_interruption() -> Iterator[Interruption]:
    """Turn Ctrl-C and SIGTERM into a stop that the run can finish by itself.

    Raises:
        click.exceptions.Exit: the run was told to stop, and did not see to that itself.
    """
    interruption = Interruption()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interruption.handle) for number in signals]
    try:
        yield interruption
    except StoppedError as error:
        click.echo("Error: interrupted", err=True)
        raise click.exceptions.Exit(interruption.exit_code) from error
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def time_limit(seconds: float | None, stop: threading.Event) -> Iterator[Callable[[], bool]]:
    """Tell the run to stop once its time is up.

    Args:
        seconds: how long it may take; None for no limit.
        stop: is set then.

    Yields:
        What tells whether the time is up.
    """
    is_up = threading.Event()

    def end() -> None:
        is_up.set()
        stop.set()

    timer = threading.Timer(seconds or 0.0, end)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield is_up.is_set
    finally:
        timer.cancel()
