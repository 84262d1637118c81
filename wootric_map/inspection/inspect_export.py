"""Inspect: what an export holds, before anything is planned."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, Final

from wootric_map.account import AccountSettings, Connect, ConnectionSettings, connected, opened
from wootric_map.errors import UnfitSettingsError
from wootric_map.export import ExportSettings, ReadingObserver, find_sources, reading_of, stream_of
from wootric_map.findings import CountedWarnings
from wootric_map.inspection.end_user_counts import counted, id_counts
from wootric_map.inspection.inspected_part import InspectedPart, inspect_part
from wootric_map.inspection.inspected_records import InspectedRecords
from wootric_map.inspection.inspection import (
    Destination,
    GroupTraitSummary,
    Inspection,
    TraitSummary,
)
from wootric_map.inspection.record_counts import RecordCounts
from wootric_map.inspection.sensitive import NEVER_SHOWN, looks_like, without_secrets
from wootric_map.inspection.trait_destinations import group_trait_mappings, own_path, trait_mappings
from wootric_map.inspection.trait_table import Path, TraitStats, TraitTable
from wootric_map.mapping.entries import ReadingOptions, read_in_parts, worth
from wootric_map.mapping.filters import Choice
from wootric_map.mapping.property_names import Kinds
from wootric_map.plan.engine.intake import IntakeOptions
from wootric_map.plan.engine.names import Names
from wootric_map.plan.engine.scratch_file import ScratchFile
from wootric_map.plan.engine.taken import PAGE, TRACK
from wootric_map.read.blocks import ByteStream
from wootric_map.read.process_pool import SideBySide
from wootric_map.report import Report
from wootric_map.stopping import Stop

EXAMPLES: Final = 3
"""Examples of each trait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectSettings(ExportSettings):
    """What is inspected, and how."""

    processes: int = 1
    """How many processes read a large export side by side."""
    registered_events: tuple[str, ...] = ()
    """The registered events, letter for letter, which are marked."""
    ask_account: bool = False
    """Whether the account is asked for its registered events; nothing else needs a connection."""
    account: AccountSettings = field(default_factory=AccountSettings)
    """The account that is asked."""
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    """How the account is asked."""


class Inspect:
    """Looks at every record of an export, and tells what there is."""

    def __init__(
        self,
        settings: InspectSettings,
        *,
        observer: ReadingObserver | None = None,
        stdin: ByteStream | None = None,
        connect: Connect = connected,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read nothing yet.

        Args:
            settings: what is inspected, and how.
            observer: is told how much has been read.
            stdin: standard input, if the settings name it.
            connect: makes a client of the account, if it is asked.
            clock: returns the unix time.
        """
        self._settings = settings
        self._observer = observer or ReadingObserver()
        self._stdin = stdin
        self._connect = connect
        self._clock = clock

    def run(self) -> Inspection:
        """Read everything; return what was found.

        Rejected records are counted, and are no error; `Validate` says what is wrong with them.

        Raises:
            SettingsError: the settings can't be right.
            SourceError: a path is missing or can't be read, or is no export.
            WootricError: the account can't be asked.
        """
        settings, reading = self._settings, reading_of(self._settings)
        if settings.ask_account and settings.registered_events:
            beside = "--sandbox" if settings.account.sandbox else "--account"
            raise UnfitSettingsError(
                f"--registered-event has no place beside {beside}, which is asked for them"
            )
        report = Report(ignored_warnings=settings.ignored_warnings)
        sources = find_sources(settings, report.passed_over, stdin=self._stdin, clock=self._clock)
        work = partial(inspect_part, options=_options(_with_secrets(reading)))
        with ExitStack() as stack:
            # The processes are forked before anything starts a thread.
            workers = stack.enter_context(SideBySide(work, worth(settings.processes, sources)))
            registered = self._registered()
            names = stack.enter_context(Names())
            rule = reading.configured.identity.external_id_from
            found = _Found(names, stack.enter_context(ScratchFile()), report, rule)
            on_bytes = stack.enter_context(self._observer.reading(sources))
            for part, lines, inspected in read_in_parts(
                workers,
                sources,
                stdin=stream_of(self._stdin),
                max_line_bytes=reading.max_line_bytes,
                on_bytes=on_bytes,
            ):
                found.add(inspected, part.name, lines)
            inspection = found.inspection(reading, registered)
        return replace(inspection, files=len(sources), asked_account=settings.ask_account)

    def _registered(self) -> frozenset[str] | None:
        """Return the registered events; None if nobody knows them."""
        settings = self._settings
        if not settings.ask_account:
            return frozenset(settings.registered_events) or None
        from wootric_map.wootric.pace import Pace

        connection = settings.connection
        pace = Pace(connection.rate, wait=Stop().wait, reserve=connection.reserve)
        with (
            opened(settings.account) as account,
            self._connect(account, pace, connection, connections=1) as wootric,
        ):
            wootric.sign_in()
            return wootric.registered_events()


class _Found:
    """What was found up to now."""

    def __init__(
        self, names: Names, file: ScratchFile, report: Report, external_id_from: str | None
    ) -> None:
        self.report = report
        self.counts = RecordCounts(names)
        self.records = InspectedRecords(names, file, external_id_from)
        self.traits = TraitTable()
        self.group_traits = TraitTable()
        self.kinds = Kinds()

    def add(self, part: InspectedPart, source: str, lines_before: int) -> None:
        """Add the next part.

        Args:
            part: the part.
            source: the name of the part's source.
            lines_before: how many lines of the source stand before the part.
        """
        self.report.add(part.taken.report, lines_before)
        self.counts.add(part)
        self.records.take(part, source, lines_before)
        self.traits.include(part.traits)
        self.group_traits.include(part.group_traits)
        self.kinds.add(part.taken.kinds)

    def inspection(self, reading: ReadingOptions, registered: frozenset[str] | None) -> Inspection:
        """Return what all parts came to.

        Args:
            reading: how a run would read and map the records.
            registered: the registered events; None if nobody knows them.
        """
        report, counts, records = self.report, self.counts, self.records
        skipped = report.skipped.counts.copy()
        for left_out in records.close(reading.suppression):
            counts.take_back(left_out)
            skipped[left_out.code] += 1
        kept = self.traits.kept()
        stated, sets = records.by_end_user(list(kept))
        opted_out = records.opted_out() if reading.configured.surveys_disabled else None
        external_ids = records.external_ids
        stating = external_ids.stating if external_ids else None
        end_users = counted(records.identities, stated, opted_out, stating)
        ids = id_counts(records.identities, stated, report.warnings)
        if external_ids:
            ids = replace(ids, ambiguous_external_ids=external_ids.ambiguous_count)
            external_ids.close()
        filled = sets.end_users(stated)
        traits, ignored = self._traits(kept, filled, end_users.identified, reading)
        broken_off = (each.source for each in report.rejected.places.get("truncated_input", ()))
        return Inspection(
            passed_over=report.passed_over,
            records=report.records,
            types=dict(+counts.types),
            rejected=dict(sorted(report.rejected.counts.items())),
            broken_off=tuple(dict.fromkeys(broken_off)),
            skipped=dict(sorted(skipped.items())),
            warnings=_records_by_code(report.shown_warnings),
            ignored_warnings=report.shown_warnings.ignored + ignored,
            first=counts.first,
            last=counts.last,
            days=tuple(counts.days()),
            undated=counts.undated,
            end_users=end_users,
            ids=ids,
            events=counts.names(TRACK, registered),
            pages=counts.names(PAGE),
            traits=traits,
            more_traits=max(self.traits.names.count - len(kept), 0),
            is_more_traits_exact=self.traits.names.is_exact,
            unmet_events=tuple(counts.unmet(registered or frozenset())),
            group_traits=tuple(self._group_traits(reading)),
        )

    def _traits(
        self,
        kept: Mapping[Path, TraitStats],
        filled: Mapping[Path, int],
        identified: int,
        reading: ReadingOptions,
    ) -> tuple[tuple[TraitSummary, ...], int]:
        """Return the traits, and how many of their warnings are ignored.

        Args:
            kept: what is known of each trait.
            filled: how many end users have a value for each.
            identified: how many end users have an identify.
            reading: how a run would read and map the records.
        """
        naming = replace(reading.naming, kinds=self.kinds.masks or {})
        mappings = trait_mappings(kept, naming, reading.configured.traits.include)
        told = _warned(self.report)
        codes_to_ignore = self.report.ignored_warnings
        traits, ignored = [], 0
        for path, stats in kept.items():
            becomes, codes = mappings[path]
            own = told.get(".".join(path), set())
            ignored += len(codes_to_ignore.intersection(codes) - own)
            shown = {*codes, *own} - codes_to_ignore
            share = filled[path] / identified if identified else 0.0
            facts = _facts(path, stats, becomes, shown, share, path)
            traits.append(TraitSummary(end_users=filled[path], **facts))
        return tuple(traits), ignored

    def _group_traits(self, reading: ReadingOptions) -> Iterator[GroupTraitSummary]:
        """Yield the traits of groups; `reading` is how a run would read and map the records."""
        rules, naming = reading.configured, replace(reading.naming, kinds=self.kinds.masks or {})
        kept = self.group_traits.kept()
        records = self.counts.types["group"]
        mappings = group_trait_mappings(kept, naming, rules)
        for path, stats in kept.items():
            becomes, codes = mappings[path]
            filled = min(sum(stats.types.values()), records)
            own = own_path(path, rules)
            shown = set(codes) - self.report.ignored_warnings
            yield GroupTraitSummary(
                records=filled,
                **_facts(path, stats, becomes, shown, filled / records if records else 0.0, own),
            )


def _with_secrets(reading: ReadingOptions) -> ReadingOptions:
    """Return options that leave no trait out for its name alone: what a run leaves out is shown as well."""
    rules = reading.configured
    every = replace(rules, traits=replace(rules.traits, include=("*",)))
    return replace(reading, configured=every)


def _options(reading: ReadingOptions) -> IntakeOptions:
    """Return the options with which parts are read: those of a plan of everything."""
    return IntakeOptions(
        reading,
        Choice(),
        link_anonymous=False,
        keep_lines=False,
        keep_rejected=False,
        naming=reading.naming,
    )


def _records_by_code(warnings: CountedWarnings) -> Mapping[str, int]:
    counts = Counter(warnings.more)
    for each in warnings:
        counts[each.code] += each.count
    return dict(sorted(counts.items()))


def _warned(report: Report) -> Mapping[str, set[str]]:
    """Return the codes of the warnings that records gave about each trait at the top level."""
    found: dict[str, set[str]] = {}
    for warning in report.warnings:
        for parent in ("traits.", "context.traits."):
            if warning.field.startswith(parent):
                found.setdefault(warning.field.removeprefix(parent), set()).add(warning.code)
    return found


def _facts(
    path: Path,
    stats: TraitStats,
    becomes: tuple[Destination, ...],
    warnings: Collection[str],
    fill_rate: float,
    own: Path,
) -> dict[str, Any]:
    """Return what is told of a trait, as `TraitFacts` has it.

    Args:
        path: the keys that lead to it.
        stats: what its values are.
        becomes: what it becomes.
        warnings: the codes of its warnings.
        fill_rate: as in `TraitFacts`.
        own: the keys that lead to it in its own records.
    """
    samples = sorted(chain.from_iterable(stats.samples.values()), key=attrgetter("digest"))
    values = [each.value for each in samples]
    what = looks_like(path, values)
    if what not in NEVER_SHOWN:
        what = looks_like(own, values) or what
    ordered = sorted(stats.types.items(), key=lambda item: (-item[1], item[0]))
    return {
        "name": ".".join(path),
        "types": dict(ordered),
        "fill_rate": fill_rate,
        "distinct": stats.distinct.count,
        "is_distinct_exact": stats.distinct.is_exact,
        "examples": () if what in NEVER_SHOWN else tuple(map(without_secrets, values[:EXAMPLES])),
        "becomes": becomes,
        "warnings": tuple(sorted(warnings)),
        "looks_like": what,
    }
