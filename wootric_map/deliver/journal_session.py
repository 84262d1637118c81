"""The data that all parts of an open journal share."""

from collections.abc import Callable
from dataclasses import dataclass

from wootric_map.deliver.fingerprints import Fingerprints
from wootric_map.deliver.group_commit import GroupCommit


@dataclass(frozen=True, slots=True)
class Session:
    """One run's use of a journal."""

    commits: GroupCommit
    """The journal's database."""
    fingerprints: Fingerprints
    run: int
    """The number of this run; later runs have greater numbers."""
    last_run_without_statements: int
    """The last run of a release that did not record when traits were stated."""
    clock: Callable[[], float]
    """Returns the unix time."""
    recalls: bool
    """Whether the deliveries of earlier runs count."""
    resends: bool
    """Whether deliveries in doubt are sent again."""
    since: float | None
    """A unix time; end users that no run has met since then do not count: a snapshot is newer."""
