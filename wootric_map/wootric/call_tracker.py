"""What a journal is told of a call under way, so that a crash leaves in doubt only what truly was."""

from typing import Final, Protocol


class Flight(Protocol):
    """One call that must not be lost and not be sent twice; told of each of its exchanges."""

    def departs(self) -> None:
        """The call is about to be sent; returns once that is on record.

        May raise to keep it from being sent.
        """

    def returns(self) -> None:
        """The call is known not to have been taken."""


class _Untracked:
    def departs(self) -> None:
        pass

    def returns(self) -> None:
        pass


UNTRACKED: Final[Flight] = _Untracked()
"""A call that nobody keeps a record of."""
