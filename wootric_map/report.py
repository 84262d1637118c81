"""What a run came to: counts, rejections and warnings."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from wootric_map.findings import (
    CountedNames,
    CountedWarning,
    CountedWarnings,
    Findings,
    Place,
    distinct,
)
from wootric_map.model import CALLS, Failure, MappingWarning, Outcome, Rejection, Skip
from wootric_map.read.files import PassedOver
from wootric_map.unidentified import UnidentifiedRecords


@dataclass(slots=True)
class Report:
    """The counts of a run."""

    records: int = 0
    skipped: Findings = field(default_factory=Findings)
    rejected: Findings = field(default_factory=Findings)
    failed: Findings = field(default_factory=Findings)
    warnings: CountedWarnings = field(default_factory=CountedWarnings)
    done: Counter[str] = field(default_factory=Counter)
    """Calls by action, delivered or planned."""
    unidentified: Counter[str] = field(default_factory=Counter)
    """Records skipped as `unidentified`, by reason."""
    ambiguous_anonymous_ids: int = 0
    """anonymousIds that were seen with several end users, and left alone."""
    checked: CountedNames = field(default_factory=CountedNames)
    """Eligibility checks that were delivered, or are planned, by event."""
    eligible: CountedNames = field(default_factory=CountedNames)
    """How many of these found their user eligible."""
    unregistered: CountedNames = field(default_factory=CountedNames)
    """Track records skipped as `event_not_registered`, by event."""
    delivered_before: int = 0
    """Track and page records that an earlier run had delivered."""
    unknown_users: tuple[str, ...] = ()
    """End users who were chosen, and whom no record names."""
    met_events: set[str] = field(default_factory=set)
    """The events that were chosen, as they were written, of which there is any record."""
    unknown_events: tuple[str, ...] = ()
    """The events that were chosen of which there is none."""
    passed_over: PassedOver = field(default_factory=PassedOver)
    """Files in the folders that were not read."""
    ignored_warnings: frozenset[str] = frozenset()
    """The codes of warnings of which only the number is shown."""
    unidentified_records: UnidentifiedRecords | None = None
    """Which records are skipped as `unidentified`; None where nobody asks."""

    def add(self, other: "Report", lines_before: int = 0) -> None:
        """Add what was counted of records that come after those counted so far.

        Args:
            other: what was counted of a part; failures, and what only a whole run has, are not added.
            lines_before: lines of the same source before those that its places count from.
        """
        self.records += other.records
        self.done += other.done
        self.unidentified += other.unidentified
        self.met_events |= other.met_events
        for mine, theirs in ((self.skipped, other.skipped), (self.rejected, other.rejected)):
            mine.extend(theirs, lines_before)
        if self.unidentified_records is not None and other.unidentified_records is not None:
            self.unidentified_records.extend(other.unidentified_records)
        self.warnings.extend(other.warnings, lines_before)

    @property
    def mapped(self) -> int:
        """Records that are neither skipped nor rejected."""
        return self.records - self.skipped.counts.total() - self.rejected.counts.total()

    @property
    def api_calls(self) -> int:
        """Calls that change something: writes, eligibility checks and page views."""
        return sum(self.done[action] for action in CALLS)

    @property
    def shown_warnings(self) -> CountedWarnings:
        """The warnings but for those that are ignored, of which it has the number."""
        return self.warnings.without(self.ignored_warnings)

    @property
    def flawless(self) -> bool:
        """Whether nothing was rejected and nothing failed."""
        return not self.rejected.counts and not self.failed.counts

    def skip(self, source: str, line: int, skip: Skip, number: int | None = None) -> None:
        """Count a skipped record.

        Args:
            source: where it stands.
            line: its line there.
            skip: why it is skipped.
            number: its number in the plan, if it has one.
        """
        if self.skipped.has_enough(skip.code):
            self.skipped.counts[skip.code] += 1
        else:
            self.skipped.add(skip.code, Place(source, line, skip.field, skip.message))
        if skip.reason:
            self.unidentified[skip.reason] += 1
            if self.unidentified_records is not None and number is not None:
                self.unidentified_records.add(number, skip)

    def reject(self, source: str, line: int, rejection: Rejection) -> None:
        """Count a rejected record."""
        place = Place(source, line, rejection.field, rejection.message)
        self.rejected.add(rejection.code, place)

    def warn(self, source: str, line: int, warning: MappingWarning) -> None:
        """Count a warning that concerns one more end user or record."""
        self.warnings.add(source, line, warning)

    def warn_of_record(
        self, source: str, line: int, warnings: Sequence[MappingWarning]
    ) -> list[CountedWarning]:
        """Count the warnings of one record, which is one record also where it has one of them twice.

        Returns:
            What they are counted under, as far as they are still told apart.
        """
        once = warnings if len(warnings) < 2 else distinct(warnings)  # noqa: PLR2004
        counted = [self.warnings.add(source, line, warning) for warning in once]
        return [each for each in counted if each]

    def deliver(self, outcome: Outcome) -> None:
        """Count what became of a call."""
        if outcome.result is None:
            self.done[outcome.action] += 1
            if outcome.event is not None:
                self.checked.add(outcome.event)
                if outcome.is_eligible:
                    self.eligible.add(outcome.event)
            return
        for ref in outcome.refs:
            if isinstance(outcome.result, Skip):
                if outcome.result.code == "event_not_registered" and outcome.event is not None:
                    self.unregistered.add(outcome.event)
                self.delivered_before += outcome.result.code == "delivered_before"
                self.skip(ref.source, ref.line, outcome.result, ref.number)
            elif isinstance(outcome.result, Failure):
                place = Place(ref.source, ref.line, None, outcome.result.message)
                self.failed.add(outcome.result.code, place)

    def summary(self) -> dict[str, object]:
        """The counts as data, for programs."""
        warnings = self.shown_warnings
        return {
            "records": self.records,
            "mapped": self.mapped,
            "skipped": _sorted(self.skipped.counts),
            "unidentified": _sorted(self.unidentified),
            "rejected": _sorted(self.rejected.counts),
            "failed": _sorted(self.failed.counts),
            "warnings": _sorted(warnings.counts),
            "ignored_warnings": warnings.ignored,
            "ambiguous_anonymous_ids": self.ambiguous_anonymous_ids,
            "create": self.done["create"],
            "update": self.done["update"],
            "unchanged": self.done["unchanged"],
            "left": self.done["left"],
            "eligibility_checks": self.done["eligibility_check"],
            "page_views": self.done["page_view"],
            "api_calls": self.api_calls,
            "events_not_registered": [
                {"event": name, "count": count} for name, count in self.unregistered.most_common()
            ],
            "unknown_users": list(self.unknown_users),
            "unknown_events": list(self.unknown_events),
            "passed_over": self.passed_over.as_data(),
            "rejected_details": self.rejected.details(),
            "failed_details": self.failed.details(),
            "warning_details": warnings.details(),
        }


def _sorted(counts: Counter[str]) -> dict[str, int]:
    """The counts in an order that does not depend on that of the records."""
    return dict(sorted(counts.items()))
