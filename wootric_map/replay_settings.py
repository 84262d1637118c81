"""The settings that `dry-run` and `push` share."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from wootric_map.account import AccountSettings, ConnectionSettings
from wootric_map.comparison import NOTHING
from wootric_map.errors import UnfitSettingsError
from wootric_map.export import ExportSettings
from wootric_map.plan.plan_options import PlanOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings(ExportSettings):
    """Which records are replayed into which account."""

    planning: PlanOptions = field(default_factory=PlanOptions)
    """How records become a plan; the suffixes of properties and the rules are taken from `reading`."""
    account: AccountSettings = field(default_factory=AccountSettings)
    """The account, and how to sign in."""
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    """How fast calls go, and how long faults are tolerated."""
    against: str = NOTHING
    """What the plan is compared with: `nothing`, the `account`, or the path of a snapshot."""
    workers: int = 8
    """How many end users are under way at once."""
    unidentified: Path | None = None
    """The file in which unidentified records are kept; None for no file."""


def check_choice(settings: ReplaySettings) -> None:
    """Make sure that something can be chosen.

    Raises:
        SettingsError: the choice contradicts itself, or the rules.
    """
    choice = settings.planning.choice
    choice.check()
    if "group" in choice.types and settings.reading.configured.group_prefix is None:
        raise UnfitSettingsError(
            "--type group replays the traits of groups, which have no names: add --group-traits PREFIX"
        )


def plan_options(settings: ReplaySettings, *, keep_lines: bool) -> PlanOptions:
    """Return the options of a run's plan; `keep_lines` as in `PlanOptions`."""
    reading = settings.reading
    return replace(
        settings.planning,
        amount_suffix=reading.amount_suffix,
        array_suffix=reading.array_suffix,
        keep_lines=keep_lines,
        rules=reading.configured,
    )
