"""What share of the end users the account holds already, learned from replies."""

import threading
from typing import Final

_LASTING: Final = 50
"""How many replies the share is an average of, about; older ones count less and less."""


class PresenceShare:
    """The share of end users who are there already; may be used from several threads.

    Before the first reply nobody is expected: a history is replayed to an account that lacks it.
    """

    def __init__(self) -> None:
        self._share = 0.0
        self._replies = 1
        self._lock = threading.Lock()

    @property
    def share(self) -> float:
        """The share, from 0 to 1."""
        return self._share

    def note(self, *, is_there: bool) -> None:
        """Take note of a reply that showed whether an end user was there before this run."""
        with self._lock:
            self._replies = min(self._replies + 1, _LASTING)
            self._share += (is_there - self._share) / self._replies

    def favours_creation(self, look_ups: int) -> bool:
        """Return whether it takes fewer calls on the average to create an end user first than to look first.

        To create somebody who is there costs two calls: the refused one, and the look-up that it leads to. To
        look for somebody costs one call if they are there, and all look-ups if they are not.

        Args:
            look_ups: the number of look-ups that show that the end user is not there.
        """
        return self._share * (look_ups + 1) < look_ups
