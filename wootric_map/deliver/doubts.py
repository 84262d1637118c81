"""What has become, since the journal was written, of what it doubts and of the account itself."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from wootric_map.deliver.journal import Journal
from wootric_map.errors import CallFailedError
from wootric_map.plan.steps import Find
from wootric_map.wootric.end_users import place_of


class Settled(NamedTuple):
    """How many writes were settled, and how."""

    arrived: int = 0
    undone: int = 0
    """Not there, and so still to be made."""
    left: int = 0
    """Still in doubt, since Wootric would not tell."""


OLDEST: Final = {"page": "1", "per_page": "1", "sort_key": "created_at", "sort_order": "asc"}
"""Asks for the end user that an account has had for longest."""


def is_another(journal: Journal, oldest: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an account can't be the one that a journal was written of.

    A stand-in that is started anew has the same address and token, and has forgotten everybody.

    Args:
        journal: open for this run.
        oldest: the account's answer to `OLDEST`.
    """
    if not oldest:
        return journal.end_users.knows_anybody
    until = journal.runs.knows_until
    try:
        return until is not None and place_of(oldest[0]).created_at > until
    except ValueError:
        return False  # it does not say when


def settle(journal: Journal, find: Find) -> Settled:
    """Look up whom each doubtful write was about, and compare.

    Args:
        journal: open for this run.
        find: looks an end user up in the account itself.

    Raises:
        WootricError: the account can't be asked.
    """
    arrived = undone = left = 0
    for doubt in journal.deliveries.doubtful_writes():
        try:
            held = find(doubt.wanted)
        except CallFailedError:
            left += 1
            continue
        if journal.writes.resolve(doubt, held):
            arrived += 1
        else:
            undone += 1
    return Settled(arrived, undone, left)
