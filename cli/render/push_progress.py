"""The progress of a push on standard error."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import click

from cli.interrupt import Interruption
from cli.render.forecast_text import promise
from cli.render.progress import (
    ReadingProgress,
    SendingProgress,
    sending_progress,
    working,
)
from cli.render.text import plural, printable
from wootric_map.deliver.account_lock import describe_holder
from wootric_map.deliver.doubts import ResolvedDoubts
from wootric_map.deliver.forecast import ForecastRange
from wootric_map.deliver.push_observer import ForetoldCalls, PushObserver, Sending
from wootric_map.deliver.run_lock import Holder
from wootric_map.model import Outcome
from wootric_map.read.json_lines import parse

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction


class PushProgress(ReadingProgress, PushObserver):
    """Shows the progress of a push, and messages about it."""

    def __init__(
        self,
        interruption: Interruption,
        *,
        shown: bool,
        live: bool,
        quiet: bool,
        redaction: "Redaction | None",
    ) -> None:
        """Begin without progress.

        Args:
            interruption: shows its messages above what is drawn.
            shown: whether to show progress.
            live: whether to draw a bar, and not lines.
            quiet: whether to say only what went wrong.
            redaction: the redaction, if one is asked for.
        """
        super().__init__(shown=shown, lines=True)
        self._interruption = interruption
        self._live = live
        self._quiet = quiet
        self._redaction = redaction
        self._progress: SendingProgress | None = None

    def waiting_for_run(self, holder: Holder) -> None:
        """Say which run is waited for."""
        if not self._quiet:
            name = printable(describe_holder(holder, time.time()))
            click.echo(f"Waiting for another run to end: {name}", err=True)

    def failed(self, raw: bytes) -> None:
        """Have values of the record redacted, since Wootric's reply may quote them."""
        if self._redaction:
            self._redaction.learn_from(parse(raw))

    def journal_cleared(self) -> None:
        """Say that the journal begins anew."""
        words = "This stand-in was started anew since the last push: so is its journal."
        click.echo(words, err=True)

    def doubts_resolved(self, resolved: ResolvedDoubts) -> None:
        """Say what became of the writes without an answer."""
        if not self._quiet:
            left = f", {resolved.left:,} could not be looked up" if resolved.left else ""
            click.echo(
                f"An earlier run left {plural(sum(resolved), 'write')} without an answer: "
                f"{resolved.arrived:,} had arrived, {resolved.undone:,} had not{left}.",
                err=True,
            )

    def counting_calls(self) -> AbstractContextManager[None]:
        """Show on a terminal that something is going on."""
        return working("Counting the calls", shown=self._shown)

    def account_read(self, unread: str | None, unkept: str | None) -> None:
        """Say why the list of the account's end users can't be used, or kept."""
        if not self._quiet:
            super().account_read(unread, unkept)

    @contextmanager
    def sending(self, sending: Sending) -> Iterator[None]:
        """Show how much has been delivered."""
        self._progress = progress = SendingProgress(
            sending.total,
            sending.pace,
            unit=sending.unit,
            remaining_calls=sending.remaining_calls,
            speed=sending.speed,
        )
        with (
            sending_progress(progress, sending.total, shown=self._shown, live=self._live),
            self._interruption.shown_by(progress.say),
        ):
            yield

    def forecast_made(self, foretold: ForetoldCalls, forecast: ForecastRange) -> None:
        """Say how many calls are to come, and how long they take."""
        if self._progress:
            self._progress.say(promise(foretold, forecast))

    def delivered(self, outcome: Outcome) -> None:
        """Count what became of a call."""
        if self._progress:
            self._progress.add(outcome)
