"""What became of the writes that an earlier run sent, and whose answers it did not see."""

from typing import NamedTuple

from wootric_map.journal import Journal
from wootric_map.outcome import CallFailedError
from wootric_map.plan import Find


class Settled(NamedTuple):
    """How many writes were settled, and how."""

    arrived: int = 0
    undone: int = 0
    """Not there, and so still to be made."""
    left: int = 0
    """Still in doubt, since Wootric would not tell."""


def settle(journal: Journal, find: Find) -> Settled:
    """Look up whom each doubtful write was about, and compare.

    Args:
        journal: open for this run.
        find: looks an end user up in the account itself.

    Raises:
        WootricError: the account can't be asked.
    """
    arrived = undone = left = 0
    for doubt in journal.doubtful_writes():
        try:
            held = find(doubt.wanted)
        except CallFailedError:
            left += 1
            continue
        if journal.settle(doubt, held):
            arrived += 1
        else:
            undone += 1
    return Settled(arrived, undone, left)
