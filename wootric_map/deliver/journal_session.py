"""What the parts of an open journal share."""

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
    """The number of this run: later runs have greater ones."""
    silent_until: int
    """The last run of an earlier release, which did not note when anything was said."""
    clock: Callable[[], float]
    """The unix time."""
    recalls: bool
    """Whether it is told what earlier runs did."""
    resends: bool
    """Whether what is in doubt is sent again."""
    since: float | None
    """Whom no run has met since then, in unix time, is not known: a snapshot knows better."""
