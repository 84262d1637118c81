"""What a push tells about its progress, and what somebody wants to know before the first call."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

from wootric_map.deliver.call_range import CallRange
from wootric_map.deliver.doubts import ResolvedDoubts
from wootric_map.deliver.forecast import ForecastRange, RemainingCalls, Speed
from wootric_map.deliver.run_lock import Holder
from wootric_map.export import ReadingObserver
from wootric_map.model import Outcome
from wootric_map.wootric.pace import Pace


@dataclass(frozen=True, slots=True)
class Sending:
    """What is about to be sent."""

    total: int
    """The number of records, or of the calls of a saved plan."""
    unit: Literal["record", "call"]
    """What `total` counts."""
    pace: Pace
    """Tells how many calls were made, and what calls wait for."""
    remaining_calls: RemainingCalls | None
    """The calls that are still to be made; None if nobody asked for a preview."""
    speed: Callable[[], Speed]
    """Returns how fast calls may go."""


@dataclass(frozen=True, slots=True)
class ForetoldCalls:
    """How many calls a push is to make, before the first of them."""

    calls: CallRange
    """The calls to come, faults apart."""
    made_before: int
    """The calls that were made to sign in and to know the account."""


class PushObserver(ReadingObserver):
    """Is told how far a push has come; does nothing unless a subclass does."""

    def waiting_for_run(self, holder: Holder) -> None:
        """Take note that the push waits for another run on the account to end."""

    def journal_cleared(self) -> None:
        """Take note that the journal was emptied, since its stand-in has forgotten everything."""

    def doubts_resolved(self, resolved: ResolvedDoubts) -> None:
        """Take note of what became of the writes of earlier runs that got no answer."""

    def counting_calls(self) -> AbstractContextManager[None]:
        """Return a context for the counting of the calls that are to be made."""
        return nullcontext()

    def sending(self, sending: Sending) -> AbstractContextManager[None]:
        """Return a context for the calls."""
        return nullcontext()

    def forecast_made(self, foretold: ForetoldCalls, forecast: ForecastRange) -> None:
        """Take note of how many calls are to come, and how long they take.

        Args:
            foretold: the calls.
            forecast: how long they take.
        """

    def delivered(self, outcome: Outcome) -> None:
        """Take note of what became of a call."""

    def failed(self, raw: bytes) -> None:
        """Take note of the line of a record that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What is to be known before the first call."""

    calls: bool
    """Whether the observer is told how many calls there are, and how long they take."""
    warnings: bool
    """Whether the report is told the warnings about each call."""
