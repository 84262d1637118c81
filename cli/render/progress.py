"""The progress of a run on standard error: bars on a terminal, elsewhere a line now and then."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Final, Protocol

import click

from cli import colour
from cli.render.text import plural, printable
from wootric_map.deliver.call_range import made_by_kind
from wootric_map.deliver.forecast import RemainingCalls, Speed, time_left
from wootric_map.export import ReadingObserver
from wootric_map.model import Failure, Outcome
from wootric_map.read.files import Source
from wootric_map.values.durations import duration

LINE_EVERY: Final = 10.0
"""Seconds between two lines without a terminal."""

REDRAWS: Final = 10
"""How often a bar is drawn, per second."""


_COUNTED: Final[Mapping[str, str]] = {
    "create": "created",
    "update": "updated",
    "unchanged": "unchanged",
    "left": "left as they are",
    "eligibility_check": "checked",
    "eligible": "eligible",
    "page_view": "viewed",
    "response": "responses",
    "decline": "declines",
    "surveys_off": "opt-outs",
    "failed": "failed",
}
"""The names of the counts, in the order in which they are shown."""


class Paced(Protocol):
    """The part of a `Pace` that is shown."""

    made: Counter[str]
    waiting_until: float | None
    waiting_for: str

    @property
    def calls(self) -> int:
        """The number of calls that were made."""

    @property
    def limit(self) -> str | None:
        """The limit of Wootric's that holds calls back; None if none does."""


class ReadingProgress(ReadingObserver):
    """Shows how much of an export has been read: a bar with an end if the sizes of all sources are known."""

    def __init__(self, *, shown: bool = True, lines: bool = False) -> None:
        """Begin without progress.

        Args:
            shown: whether to show anything.
            lines: whether to write lines without a terminal.
        """
        self._shown = shown
        self._lines = lines

    def reading(self, sources: Sequence[Source]) -> AbstractContextManager[Callable[[int], object]]:
        """Show the progress within the context."""
        sizes = [source.size for source in sources]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        if self._shown and can_draw():
            return _bar("Reading", total)
        if self._shown and self._lines:
            return nullcontext(_Lines(total).read)
        return super().reading(sources)

    def reading_account(self) -> AbstractContextManager[None]:
        """Show on a terminal that something is going on."""
        return working("Reading the list of the account's end users", shown=self._shown)

    def account_read(self, unread: str | None, unkept: str | None) -> None:
        """Say why the list of the account's end users can't be used, or kept."""
        if unkept is not None:
            words = f"The list of the account's end users is not kept: {printable(unkept)}"
            click.echo(f"{words}; delete that file, and the next push keeps it anew.", err=True)
        if unread is not None:
            words = f"The list of the account's end users can't be used: {printable(unread)}"
            click.echo(f"{words}. The account is asked about end users one by one.", err=True)


@contextmanager
def working(title: str, *, shown: bool) -> Iterator[None]:
    """Show on a terminal that something without a known end is going on."""
    if shown and can_draw():
        with console().status(title):
            yield
    else:
        yield


@contextmanager
def _bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console(),
        transient=True,
        refresh_per_second=REDRAWS,
    ) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)


class _Lines:
    """Writes a line to standard error every ten seconds."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._read = 0
        self._next = time.monotonic() + LINE_EVERY

    def read(self, count: int) -> None:
        self._read += count
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_EVERY
            share = f" of {self._total / 1e6:,.0f}" if self._total else ""
            click.echo(f"reading: {self._read / 1e6:,.0f}{share} MB", err=True)


def waiting(pace: Paced) -> Iterator[str]:
    """Yield how long calls wait and for what, or what they are spaced by, if they are."""
    until = pace.waiting_until
    wait = until - time.time() if until is not None else 0.0
    limit = pace.limit
    if wait > 1:
        yield f"waiting {duration(wait)} {pace.waiting_for}"
    elif limit:
        yield f"spaced by Wootric's limit of {limit}"


class SendingProgress:
    """Counts what was sent."""

    def __init__(
        self,
        total: int,
        pace: Paced,
        *,
        unit: str = "record",
        remaining_calls: RemainingCalls | None = None,
        speed: Callable[[], Speed] = Speed,
    ) -> None:
        """Begin to count.

        Args:
            total: the number of records, or of the calls of a saved plan.
            pace: tells what the run is waiting for.
            unit: what `total` counts.
            remaining_calls: the calls that are still to be made.
            speed: returns how fast calls may go.
        """
        self._total = total
        self._pace = pace
        self._unit = unit
        self._remaining_calls = remaining_calls
        self._speed = speed
        self._before = Counter(pace.made)
        self._begun = time.monotonic()
        self.counts: Counter[str] = Counter()
        self.finished = 0
        self.say: Callable[[str], None] = partial(click.echo, err=True)
        """Shows a line that stays above what is drawn."""

    def add(self, outcome: Outcome) -> None:
        """Count what became of a call."""
        self.finished += outcome.settled
        if self._remaining_calls:
            self._remaining_calls.count(outcome)
        if outcome.result is None:
            self.counts[outcome.action] += 1
            self.counts["eligible"] += outcome.is_eligible
        elif isinstance(outcome.result, Failure):
            self.counts["failed"] += len(outcome.refs)

    @property
    def text(self) -> str:
        """The counts in one line."""
        elapsed = max(time.monotonic() - self._begun, 0.001)
        counts = self.counts
        calls = self._pace.calls - self._before.total()
        parts = [plural(calls, "call"), f"{calls / elapsed:,.1f}/s"]
        for kind, name in _COUNTED.items():
            if counts[kind]:
                parts.append(f"{name} {counts[kind]:,}")
        return ", ".join([*parts, *waiting(self._pace)])

    @property
    def remaining(self) -> str:
        """The time left, by the limits of calls, else by the speed so far."""
        if not self._remaining_calls:
            return "?"
        made = made_by_kind(Counter(self._pace.made) - self._before)
        seconds = time_left(
            self._remaining_calls.remaining(made),
            self._speed(),
            made=self._pace.calls - self._before.total(),
            elapsed=time.monotonic() - self._begun,
            is_held=any(waiting(self._pace)),
        )
        return "?" if seconds is None else duration(seconds)

    @property
    def line(self) -> str:
        """All of it in one line."""
        return f"{self.share}, {self.text}, {self.remaining} left"

    @property
    def share(self) -> str:
        """How many were dealt with, out of how many."""
        return f"{self.finished:,} of {plural(self._total, self._unit)}"


def sending_progress(
    progress: SendingProgress, total: int, *, shown: bool, live: bool
) -> AbstractContextManager[None]:
    """Return a context that shows how much of a plan has been delivered.

    Args:
        progress: the counts.
        total: the total of the bar.
        shown: whether to show anything.
        live: whether to draw on a terminal; if not, it gets lines too.
    """
    if not shown:
        return nullcontext()
    if live and can_draw():
        return _drawn(progress, total)
    return regularly(LINE_EVERY, lambda: click.echo(f"sending: {progress.line}", err=True))


@contextmanager
def _drawn(progress: SendingProgress, total: int) -> Iterator[None]:
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.text import Text

    bar = Progress(
        TextColumn("Sending"),
        BarColumn(),
        TextColumn("{task.fields[share]}, {task.fields[remaining]} left", markup=False),
        auto_refresh=False,
    )
    task = bar.add_task("", total=total, share="", remaining="?")

    def draw() -> Group:
        bar.update(
            task,
            completed=progress.finished,
            share=progress.share,
            remaining=progress.remaining,
        )
        return Group(bar.get_renderable(), Text(progress.text, style="dim"))

    drawn = Live(get_renderable=draw, console=console(), transient=True, refresh_per_second=REDRAWS)
    with drawn:
        progress.say = lambda line: drawn.console.print(Text(line))
        yield


@contextmanager
def regularly(seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """Call a function every so many seconds within the context, in another thread."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(seconds):
            action()

    thread = threading.Thread(target=run, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def console() -> Any:
    """Return rich's console for standard error, coloured if click's output is."""
    from rich.console import Console

    context = click.get_current_context(silent=True)
    is_plain = context is not None and context.color is False
    return Console(stderr=True, color_system=None if is_plain else "auto", no_color=is_plain)


def can_draw() -> bool:
    """Return whether there is a terminal, and drawing on it is allowed."""
    return sys.stderr.isatty() and colour.allows_drawing()
