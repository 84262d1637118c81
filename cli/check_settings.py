"""The settings of a check, from the values of its options by the names of their parameters."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wootric_map.checks.checks import CheckSettings


def checks_of(values: Mapping[str, Any]) -> "CheckSettings":
    """Return what makes a check fail.

    Raises:
        SettingsError: options contradict each other.
    """
    from cli.formats import FORMATS
    from wootric_map.checks.checks import CheckSettings
    from wootric_map.checks.thresholds import Thresholds

    thresholds = Thresholds(
        max_rejected=values["max_rejected"],
        max_warnings=values["max_warnings"],
        fail_on=frozenset(values["fail_on"]),
        min_records=values["min_records"],
    )
    thresholds.check(frozenset(values["ignored_warnings"]))
    return CheckSettings(
        thresholds=thresholds,
        baseline=values["baseline"],
        write_baseline=values.get("write_baseline"),
        keeps_findings=values["style"] in FORMATS,
    )
