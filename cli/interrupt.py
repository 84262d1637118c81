"""Ctrl-C and SIGTERM while calls are under way: finish those, start no more."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from wootric_map.outcome import StoppedError


class Interruption:
    """Whether, and by what, the run was told to stop."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.exit_code = 0

    def handle(self, number: int, _: FrameType | None) -> None:
        """Stop gently at the first signal, at once at the second."""
        if self.stop.is_set():
            os._exit(128 + number)
        self.exit_code = 128 + number
        self.stop.set()
        click.echo("stopping: the calls under way are finished first; again ends at once", err=True)

    def checked(self, action: Callable[[int], object]) -> Callable[[int], None]:
        """The same action, which ends the reading once the run was told to stop."""

        def act(count: int) -> None:
            if self.stop.is_set():
                raise StoppedError
            action(count)

        return act


@contextmanager
def gentle_interruption() -> Iterator[Interruption]:
    """Turn Ctrl-C and SIGTERM into a stop that the run can finish by itself."""
    interruption = Interruption()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interruption.handle) for number in signals]
    try:
        yield interruption
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
