"""Tracking of calls under way: after a crash, the journal tells which calls may have been made."""

from typing import Final, Protocol


class CallTracker(Protocol):
    """Keeps a record of one call that must neither be lost nor be made twice."""

    def about_to_send(self) -> None:
        """Put on record that the call is about to be sent, before each attempt.

        May raise an error to keep the call from being sent.
        """

    def not_carried_out(self) -> None:
        """Put on record that the attempt is known to have had no effect."""


class _NoTracker:
    def about_to_send(self) -> None:
        pass

    def not_carried_out(self) -> None:
        pass


NO_TRACKER: Final[CallTracker] = _NoTracker()
"""Keeps no record, for calls that may be made twice."""
