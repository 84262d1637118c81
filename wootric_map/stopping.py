"""Telling a run to stop: by a person, by a signal, or because its time is up."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from wootric_map.errors import EXIT_INTERRUPTED


class Stop:
    """Tells a run to stop; may be used from several threads.

    It is a context for as long as the run listens. A subclass may turn signals into requests there.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        """Is set once the run is to stop, for any reason."""
        self.exit_code = 0
        """The exit code of the run if a stop was requested; else 0."""
        self.is_held = False
        """Whether a stop is only noted, since calls are under way or files are being closed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Listen no more."""

    def request(self, exit_code: int = EXIT_INTERRUPTED) -> None:
        """Request that the run stops; `exit_code` is that of the run."""
        self.exit_code = exit_code
        self.event.set()

    def wait(self, seconds: float) -> bool:
        """Wait so many seconds; return true as soon as the run is to stop."""
        return self.event.wait(seconds)

    def hold(self) -> None:
        """Only note a stop from now on, since the run sums up and closes files."""
        self.is_held = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Only note a stop within the context, since calls under way are finished first."""
        self.is_held = True
        try:
            yield
        finally:
            self.is_held = False


@contextmanager
def time_limit(seconds: float | None, stop: threading.Event) -> Iterator[Callable[[], bool]]:
    """Tell a run to stop once its time is up.

    Args:
        seconds: how long the run may take; None for no limit.
        stop: is set when the time is up.

    Yields:
        A function that returns whether the time is up.
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
