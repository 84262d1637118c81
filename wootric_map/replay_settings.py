"""What `dry-run` and `push` have in common: the settings of a replay."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from wootric_map.account import AccountSettings, ConnectionSettings
from wootric_map.comparison import NOTHING
from wootric_map.export import ExportSettings
from wootric_map.plan.plan import PlanOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings(ExportSettings):
    """Which records are replayed, into which account."""

    planning: PlanOptions = field(default_factory=PlanOptions)
    """How records become a plan; `reading` says which suffixes properties are given."""
    account: AccountSettings = field(default_factory=AccountSettings)
    """Which account it is, and how to sign in."""
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    """How fast calls go, and how long faults are borne with."""
    against: str = NOTHING
    """What the plan is compared with: `nothing`, the `account` itself, or a snapshot's path."""
    workers: int = 8
    """How many end users are under way at once."""
    unidentified: Path | None = None
    """Where the records are kept that name nobody; None keeps them nowhere."""


def plan_options(settings: ReplaySettings, *, keep_lines: bool) -> PlanOptions:
    """Return how records become the plan of a run.

    Args:
        settings: of the run.
        keep_lines: as in `PlanOptions`.
    """
    reading = settings.reading
    return replace(
        settings.planning,
        amount_suffix=reading.amount_suffix,
        array_suffix=reading.array_suffix,
        keep_lines=keep_lines,
    )
