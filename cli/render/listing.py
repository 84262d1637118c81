"""The progress of a snapshot; the number of end users is not known before its end."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import click

from cli.interrupt import Interruption
from cli.render.progress import LINE_EVERY, REDRAWS, Paced, can_draw, console, regularly, waiting
from cli.render.text import plural, printable
from wootric_map.snapshot.snapshot import SnapshotObserver


class ListingProgress:
    """Counts the end users that were listed."""

    def __init__(self, held: int, pace: Paced) -> None:
        self._pace = pace
        self._begun = time.monotonic()
        self.end_users = held
        self.say: Callable[[str], None] = partial(click.echo, err=True)
        """Shows a line that stays above what is drawn."""

    def add(self, count: int) -> None:
        """Count end users that have come."""
        self.end_users += count

    @property
    def text(self) -> str:
        """The counts in one line."""
        elapsed = max(time.monotonic() - self._begun, 0.001)
        calls = self._pace.calls
        parts = [
            plural(self.end_users, "end user"),
            plural(calls, "call"),
            f"{calls / elapsed:,.1f}/s",
        ]
        return ", ".join([*parts, *waiting(self._pace)])


class SnapshotProgress(SnapshotObserver):
    """Shows how far a snapshot has come."""

    def __init__(self, interruption: Interruption, *, shown: bool, live: bool) -> None:
        """Begin without progress.

        Args:
            interruption: shows its messages above what is drawn.
            shown: whether to show anything.
            live: whether to draw on a terminal; if not, it gets lines too.
        """
        self._interruption = interruption
        self._shown = shown
        self._live = live
        self._progress: ListingProgress | None = None

    @contextmanager
    def listing(self, held: int, pace: Paced) -> Iterator[None]:
        """Show how many end users have come: drawn on a terminal, elsewhere a line now and then."""
        self._progress = progress = ListingProgress(held, pace)
        context: AbstractContextManager[None] = nullcontext()
        if self._shown and self._live and can_draw():
            context = _drawn(progress)
        elif self._shown:
            context = regularly(
                LINE_EVERY, lambda: click.echo(f"listing: {progress.text}", err=True)
            )
        with context, self._interruption.shown_by(progress.say):
            yield

    def listed(self, count: int) -> None:
        """Count end users that have come."""
        if self._progress:
            self._progress.add(count)

    def broke_off(self, partial: Path, end_users: int) -> None:
        """Say what a run that was cut short has written."""
        kept = f"{plural(end_users, 'end user')} kept in {printable(str(partial))}"
        click.echo(f"{kept}; run the same command again to go on.", err=True)


@contextmanager
def _drawn(progress: ListingProgress) -> Iterator[None]:
    from rich.live import Live
    from rich.text import Text

    def draw() -> Text:
        return Text(f"Listing  {progress.text}")

    drawn = Live(get_renderable=draw, console=console(), transient=True, refresh_per_second=REDRAWS)
    with drawn:
        progress.say = lambda line: drawn.console.print(Text(line))
        yield
