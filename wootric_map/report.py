"""The report of a run: counts, rejections and warnings."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from wootric_map.findings import (
    CountedNames,
    CountedWarning,
    CountedWarnings,
    Findings,
    Place,
    distinct,
)
from wootric_map.model import CALLS, Failure, MappingWarning, NamedRule, Outcome, Rejection, Skip
from wootric_map.read.files import PassedOver
from wootric_map.unidentified import UnidentifiedRecords


@dataclass(slots=True)
class Report:
    """The counts of a run."""

    records: int = 0
    """All records that were read."""
    skipped: Findings = field(default_factory=Findings)
    rejected: Findings = field(default_factory=Findings)
    failed: Findings = field(default_factory=Findings)
    warnings: CountedWarnings = field(default_factory=CountedWarnings)
    done: Counter[str] = field(default_factory=Counter)
    """Delivered or planned calls, by action."""
    unidentified: Counter[str] = field(default_factory=Counter)
    """Records skipped as `unidentified`, by reason."""
    ambiguous_anonymous_ids: int = 0
    """anonymousIds of several end users, which tie records to none of them."""
    checked: CountedNames = field(default_factory=CountedNames)
    """Delivered or planned eligibility checks, by event."""
    eligible: CountedNames = field(default_factory=CountedNames)
    """Eligibility checks that found their user eligible, by event."""
    unregistered: CountedNames = field(default_factory=CountedNames)
    """Track records skipped as `event_not_registered`, by event."""
    delivered_before: int = 0
    """Track and page records that an earlier run delivered."""
    doubtful_events: int = 0
    """Eligibility checks and page views of this run that got no answer, and can't be asked after."""
    unknown_users: tuple[str, ...] = ()
    """Chosen end users that no record names."""
    met_events: set[str] = field(default_factory=set)
    """Chosen patterns of event names that any record matches."""
    met_rules: set[NamedRule] = field(default_factory=set)
    """The user's rules that some trait, event or page is named in."""
    unmet_rules: tuple[NamedRule, ...] = ()
    """The user's rules that no trait, event or page is named in."""
    unknown_events: tuple[str, ...] = ()
    """Chosen patterns of event names that no record matches."""
    passed_over: PassedOver = field(default_factory=PassedOver)
    """Files that were not read."""
    ignored_warnings: frozenset[str] = frozenset()
    """The codes of warnings that are only counted."""
    unidentified_records: UnidentifiedRecords | None = None
    """The records skipped as `unidentified`; None if they are not collected."""

    def note_unmet(self, rules: Iterable[NamedRule]) -> None:
        """Note which of the user's rules nothing was named in, once all records are read."""
        self.unmet_rules = tuple(each for each in rules if each not in self.met_rules)

    def add(self, other: "Report", lines_before: int = 0) -> None:
        """Add the counts of records that come after all records here.

        Args:
            other: the counts of a part. Its failures, and the counts of a whole run, are not added.
            lines_before: the number of lines of the source before the part, in which lines count from 1.
        """
        self.records += other.records
        self.done += other.done
        self.unidentified += other.unidentified
        self.met_events |= other.met_events
        self.met_rules |= other.met_rules
        for mine, theirs in ((self.skipped, other.skipped), (self.rejected, other.rejected)):
            mine.extend(theirs, lines_before)
        if self.unidentified_records is not None and other.unidentified_records is not None:
            self.unidentified_records.extend(other.unidentified_records)
        self.warnings.extend(other.warnings, lines_before)

    @property
    def mapped(self) -> int:
        """The number of records that are neither skipped nor rejected."""
        return self.records - self.skipped.counts.total() - self.rejected.counts.total()

    @property
    def api_calls(self) -> int:
        """The number of calls that change something: writes, and what records of events make."""
        return sum(self.done[action] for action in CALLS)

    @property
    def shown_warnings(self) -> CountedWarnings:
        """The warnings without those of ignored codes, which are only counted."""
        return self.warnings.without(self.ignored_warnings)

    @property
    def flawless(self) -> bool:
        """Whether no record was rejected and no delivery failed."""
        return not self.rejected.counts and not self.failed.counts

    def skip(self, source: str, line: int, skip: Skip, number: int | None = None) -> None:
        """Count a skipped record.

        Args:
            source: the record's source.
            line: the record's line.
            skip: why the record is skipped.
            number: the record's number in the plan, if it has one.
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
        """Count a warning about one more end user or record."""
        self.warnings.add(source, line, warning)

    def warn_of_record(
        self, source: str, line: int, warnings: Sequence[MappingWarning]
    ) -> list[CountedWarning]:
        """Count the warnings about one record; the same warning twice counts once.

        Returns:
            The counted warnings, without those that are no longer told apart.
        """
        once = warnings if len(warnings) < 2 else distinct(warnings)  # noqa: PLR2004
        counted = [self.warnings.add(source, line, warning) for warning in once]
        return [each for each in counted if each]

    def deliver(self, outcome: Outcome) -> None:
        """Count the outcome of a call, and of its records if it was not delivered."""
        if outcome.result is None:
            self.done[outcome.action] += 1
            if outcome.event is not None:
                self.checked.add(outcome.event)
                if outcome.is_eligible:
                    self.eligible.add(outcome.event)
            return
        failed = isinstance(outcome.result, Failure)
        for ref in outcome.refs or (outcome.about if failed else ()):
            if isinstance(outcome.result, Skip):
                if outcome.result.code == "event_not_registered" and outcome.event is not None:
                    self.unregistered.add(outcome.event)
                self.delivered_before += outcome.result.code == "delivered_before"
                self.skip(ref.source, ref.line, outcome.result, ref.number)
            elif isinstance(outcome.result, Failure):
                place = Place(ref.source, ref.line, None, outcome.result.message)
                self.failed.add(outcome.result.code, place)
                if outcome.result.code == "in_doubt":
                    self.doubtful_events += outcome.action in {"eligibility_check", "page_view"}

    def summary(self) -> dict[str, object]:
        """Return the counts as data for programs."""
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
            "responses": self.done["response"],
            "declines": self.done["decline"],
            "surveys_off": self.done["surveys_off"],
            "kept_off": self.done["kept_off"],
            "api_calls": self.api_calls,
            "events_not_registered": [
                {"event": name, "count": count} for name, count in self.unregistered.most_common()
            ],
            "unknown_users": list(self.unknown_users),
            "unknown_events": list(self.unknown_events),
            "unmet_rules": [each._asdict() for each in self.unmet_rules],
            "passed_over": self.passed_over.as_data(),
            "rejected_details": self.rejected.details(),
            "failed_details": self.failed.details(),
            "warning_details": warnings.details(),
        }


def _sorted(counts: Counter[str]) -> dict[str, int]:
    """Return counts in alphabetical order, which does not depend on the order of the records."""
    return dict(sorted(counts.items()))
