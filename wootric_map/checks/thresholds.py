"""Thresholds: how much may be found before a check fails."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from wootric_map.errors import EXIT_OVER_THRESHOLD, FatalError, UnfitSettingsError


@dataclass(frozen=True, slots=True)
class Limit:
    """The greatest number of records that may be rejected, or their greatest share of all records."""

    most: Fraction
    """The number, or the share in percent."""
    is_share: bool = False

    def allowed(self, of: int) -> int:
        """Return how many of a number of records may be rejected."""
        return int(self.most * of / 100 if self.is_share else self.most)

    def __str__(self) -> str:
        """Return the limit as it is written on the command line."""
        number = self.most
        text = str(number) if number.denominator == 1 else f"{float(number):.15g}"
        return text + "%" * self.is_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What a check allows; what is None, or names no code, allows everything."""

    max_rejected: Limit | None = None
    """How many records may be rejected; without it none may, and that is no threshold."""
    max_warnings: int | None = None
    """How many different warnings there may be."""
    fail_on: frozenset[str] = frozenset()
    """The codes of which nothing at all may be found."""
    min_records: int | None = None
    """How many records there must be: an empty export is a mistake somewhere before."""

    def check(self, ignored: frozenset[str]) -> None:
        """Make sure that no code is ignored of which nothing may be found.

        Raises:
            UnfitSettingsError: a code is.
        """
        both = sorted(self.fail_on & ignored)
        if both:
            raise UnfitSettingsError(
                f"--fail-on {both[0]} and --ignore-warning {both[0]} contradict each other: choose one"
            )


class Counts(NamedTuple):
    """What a run has found that is not known already."""

    records: int
    rejected: int
    warnings: int
    """The number of different warnings."""
    by_code: dict[str, int]
    """How often each code was found, of whatever kind."""


class Exceeded(NamedTuple):
    """A threshold that was exceeded, and by how much."""

    threshold: str
    """The option, with its value."""
    allowed: int
    found: int
    message: str


def exceeded(thresholds: Thresholds, found: Counts) -> Iterator[Exceeded]:
    """Yield the thresholds that were exceeded.

    Args:
        thresholds: what is allowed.
        found: what was found.
    """
    least, limit, most = thresholds.min_records, thresholds.max_rejected, thresholds.max_warnings
    if least is not None and found.records < least:
        words = (
            f"{_records(found.records)} read, {least - found.records:,} fewer than there must be"
        )
        yield Exceeded(f"--min-records {least}", least, found.records, words)
    if limit is not None and found.rejected > limit.allowed(found.records):
        allowed, records = limit.allowed(found.records), found.records
        share = f" ({found.rejected / records:.3%})" if limit.is_share and records else ""
        words = (
            f"{found.rejected:,} of {_records(records)} rejected{share}, "
            f"{found.rejected - allowed:,} more than the {allowed:,} allowed"
        )
        yield Exceeded(f"--max-rejected {limit}", allowed, found.rejected, words)
    if most is not None and found.warnings > most:
        different = "different warning" if found.warnings == 1 else "different warnings"
        words = f"{found.warnings:,} {different}, {found.warnings - most:,} more than allowed"
        yield Exceeded(f"--max-warnings {most}", most, found.warnings, words)
    for code in sorted(thresholds.fail_on):
        count = found.by_code.get(code, 0)
        if count:
            words = "found once" if count == 1 else f"found {count:,} times"
            yield Exceeded(f"--fail-on {code}", 0, count, words)


class ThresholdError(FatalError):
    """Thresholds are exceeded, so that nothing is sent."""

    exit_code = EXIT_OVER_THRESHOLD

    def __init__(self, found: tuple[Exceeded, ...]) -> None:
        told = "; ".join(f"{each.threshold}: {each.message}" for each in found)
        super().__init__(f"over a threshold, so that nothing was sent: {told}")
        self.exceeded = found
        """The thresholds."""


def _records(count: int) -> str:
    return f"{count:,} {'record' if count == 1 else 'records'}"
