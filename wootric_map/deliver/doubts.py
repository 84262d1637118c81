"""What became of the writes that got no answer, and whether the account is still the same."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from wootric_map.deliver.journal import Journal
from wootric_map.errors import CallFailedError
from wootric_map.plan.steps import Find
from wootric_map.wootric.end_users import place_of


class ResolvedDoubts(NamedTuple):
    """The numbers of writes without an answer, by what became of them."""

    arrived: int = 0
    undone: int = 0
    """Writes that did not arrive, and so are still to be made."""
    left: int = 0
    """Writes that stay in doubt, since the look-up failed."""


OLDEST_END_USER: Final = {
    "page": "1",
    "per_page": "1",
    "sort_key": "created_at",
    "sort_order": "asc",
}
"""The query for the oldest end user of an account."""


def is_another_account(journal: Journal, oldest: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether an account can't be the one that a journal is about.

    A stand-in that was started anew has the same address and token, and has forgotten everything.

    Args:
        journal: the open journal.
        oldest: the account's answer to `OLDEST_END_USER`.
    """
    if not oldest:
        return journal.end_users.has_any
    until = journal.runs.knows_until
    try:
        return until is not None and place_of(oldest[0]).created_at > until
    except ValueError:
        return False  # the reply does not say when


def resolve_doubts(journal: Journal, find: Find) -> ResolvedDoubts:
    """Look up the end user of each write without an answer, and note whether the write has arrived.

    Args:
        journal: the open journal.
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
    return ResolvedDoubts(arrived, undone, left)
