"""What a user chooses about a plan."""

from dataclasses import dataclass, field
from typing import Final

from wootric_map.errors import UnfitSettingsError
from wootric_map.mapping.filters import Choice
from wootric_map.mapping.rules import DEFAULT_RULES, MappingRules
from wootric_map.model import Existing
from wootric_map.values import dates

LAST_SURVEYED_BY: Final = "--set-last-surveyed"
"""Where the time of a last survey comes from: never from the export."""

_A_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How records become a plan."""

    fold: bool = True
    """Fold all identifies of an end user into one write; else write each record by itself, in time order."""
    link_anonymous: bool = False
    """Tie an `anonymousId` to the one end user that it was ever seen with."""
    amount_suffix: bool = False
    """Give number properties whose key lacks it the ending `_amount`."""
    array_suffix: bool = False
    """Give list properties whose key lacks it the ending `_array`."""
    choice: Choice = field(default_factory=Choice)
    """Which records are replayed."""
    keep_lines: bool = False
    """Keep each record's line, for `Plan.raw`."""
    retry_rejects: bool = False
    """Take records that earlier runs rejected or saw refused once more, though they are unchanged."""
    existing: Existing = "update"
    """What is done about end users that Wootric already holds."""
    last_surveyed: int | None = None
    """Unix seconds that whoever is created gets as the time of their last survey, so that Wootric does not
    survey them at once; None for none. Whoever is there already keeps theirs."""
    rules: MappingRules = DEFAULT_RULES
    """What the user configures about the mapping: groups and roll-ups give end users properties."""

    def check_last_surveyed(self, now: float) -> None:
        """Make sure that `last_surveyed` can be the time of a survey.

        Args:
            now: the unix time; a day later still passes, since clocks and time zones differ.

        Raises:
            SettingsError: it lies before the second day of 1970, or in the future.
        """
        seconds = self.last_surveyed
        if seconds is None:
            return
        if not dates.is_plausible(seconds):
            raise UnfitSettingsError(
                f"{LAST_SURVEYED_BY}: {seconds} is no unix time in seconds at which a survey can have been"
            )
        if seconds > now + _A_DAY:
            raise UnfitSettingsError(
                f"{LAST_SURVEYED_BY}: the time lies in the future; write when they are to count as last "
                "surveyed, such as now, 30d or 2024-03-01"
            )
