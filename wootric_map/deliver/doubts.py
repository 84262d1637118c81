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


def has_lost_all(journal: Journal, oldest: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether an account seems to hold nobody any more whom the runs on a journal have met.

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


def was_begun_since(journal: Journal, sandbox_began: float | None) -> bool:
    """Return whether a sandbox of this program was started or emptied after the last run on a journal.

    Such a sandbox has the address and token of the one before, and has forgotten everything. Nobody else's
    word counts: behind an address of this machine may also stand a proxy to Wootric itself.

    Args:
        journal: the open journal.
        sandbox_began: as `Wootric.sandbox_began` gives it.
    """
    until = journal.runs.knows_until
    return sandbox_began is not None and until is not None and sandbox_began > until


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
