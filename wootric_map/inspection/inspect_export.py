"""Inspect: what an export holds, before anything is planned."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Final

from wootric_map.account import AccountSettings, Connect, ConnectionSettings, connected, opened
from wootric_map.errors import UnfitSettingsError
from wootric_map.export import ExportSettings, ReadingObserver, find_sources, stream_of
from wootric_map.findings import CountedWarnings
from wootric_map.inspection.end_user_counts import counted, id_counts
from wootric_map.inspection.inspected_part import inspect_part
from wootric_map.inspection.inspected_records import InspectedRecords
from wootric_map.inspection.inspection import Destination, Inspection, TraitSummary
from wootric_map.inspection.record_counts import RecordCounts
from wootric_map.inspection.sensitive import NEVER_SHOWN, looks_like, without_secrets
from wootric_map.inspection.trait_destinations import trait_mappings
from wootric_map.inspection.trait_table import Path, TraitStats, TraitTable
from wootric_map.mapping.entries import read_in_parts, worth
from wootric_map.mapping.filters import Choice
from wootric_map.mapping.property_names import Kinds, Naming
from wootric_map.plan.engine.intake import IntakeOptions
from wootric_map.plan.engine.names import Names
from wootric_map.plan.engine.scratch_file import ScratchFile
from wootric_map.plan.engine.taken import PAGE, TRACK
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import Source
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
        settings, report = self._settings, Report(ignored_warnings=self._settings.ignored_warnings)
        if settings.ask_account and settings.registered_events:
            beside = "--sandbox" if settings.account.sandbox else "--account"
            raise UnfitSettingsError(
                f"--registered-event has no place beside {beside}, which is asked for them"
            )
        sources = find_sources(settings, report.passed_over, stdin=self._stdin, clock=self._clock)
        reading = settings.reading
        naming = Naming(reading.amount_suffix, reading.array_suffix)
        options = IntakeOptions(
            reading,
            Choice(),
            link_anonymous=False,
            keep_lines=False,
            keep_rejected=False,
            naming=naming,
        )
        with ExitStack() as stack:
            # The processes are forked before anything starts a thread.
            workers = stack.enter_context(
                SideBySide(
                    partial(inspect_part, options=options), worth(settings.processes, sources)
                )
            )
            registered = self._registered()
            names = stack.enter_context(Names())
            found = _Found(names, stack.enter_context(ScratchFile()), report)
            on_bytes = stack.enter_context(self._observer.reading(sources))
            for part, lines, inspected in read_in_parts(
                workers,
                sources,
                stdin=stream_of(self._stdin),
                max_line_bytes=reading.max_line_bytes,
                on_bytes=on_bytes,
            ):
                report.add(inspected.taken.report, lines)
                found.counts.add(inspected)
                found.records.take(inspected, part.name, lines)
                found.traits.include(inspected.traits)
                found.kinds.add(inspected.taken.kinds)
            return found.inspection(sources, naming, registered, asked_account=settings.ask_account)

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

    def __init__(self, names: Names, file: ScratchFile, report: Report) -> None:
        self.report = report
        self.counts = RecordCounts(names)
        self.records = InspectedRecords(names, file)
        self.traits = TraitTable()
        self.kinds = Kinds()

    def inspection(
        self,
        sources: list[Source],
        naming: Naming,
        registered: frozenset[str] | None,
        *,
        asked_account: bool,
    ) -> Inspection:
        """Return what all parts came to.

        Args:
            sources: what was read.
            naming: how properties are named, without kinds.
            registered: the registered events; None if nobody knows them.
            asked_account: whether the account told them.
        """
        report, counts, records = self.report, self.counts, self.records
        skipped = report.skipped.counts.copy()
        for repeat in records.close():
            counts.take_back(*repeat)
            skipped["duplicate"] += 1
        kept = self.traits.kept()
        stated, sets = records.by_end_user(list(kept))
        end_users, filled = counted(records.identities, stated), sets.end_users(stated)
        naming = Naming(naming.amounts, naming.arrays, self.kinds.masks or {})
        mappings = trait_mappings(kept, naming)
        told = _warned(report)
        return Inspection(
            files=len(sources),
            passed_over=report.passed_over,
            records=report.records,
            types=dict(+counts.types),
            rejected=dict(sorted(report.rejected.counts.items())),
            broken_off=tuple(
                dict.fromkeys(each.source for each in report.rejected.places["truncated_input"])
            )
            if report.rejected.counts["truncated_input"]
            else (),
            skipped=dict(sorted(skipped.items())),
            warnings=_records_by_code(report.shown_warnings),
            first=counts.first,
            last=counts.last,
            days=tuple(counts.days()),
            undated=counts.undated,
            end_users=end_users,
            ids=id_counts(records.identities, stated, report.warnings),
            events=counts.names(TRACK, registered),
            pages=counts.names(PAGE),
            traits=tuple(
                _summary(
                    path,
                    stats,
                    mappings[path].becomes,
                    {*mappings[path].warnings, *told.get(".".join(path), ())}
                    - report.ignored_warnings,
                    filled[path],
                    end_users.identified,
                )
                for path, stats in kept.items()
            ),
            more_traits=max(self.traits.names.count - len(kept), 0),
            is_more_traits_exact=self.traits.names.is_exact,
            asked_account=asked_account,
            unmet_events=tuple(counts.unmet(registered or frozenset())),
        )


def _records_by_code(warnings: CountedWarnings) -> Mapping[str, int]:
    counts = Counter(warnings.more)
    for each in warnings:
        counts[each.code] += each.count
    return dict(sorted(counts.items()))


def _warned(report: Report) -> Mapping[str, Collection[str]]:
    """Return the codes of the warnings that records gave about each trait at the top level."""
    found: dict[str, set[str]] = {}
    for warning in report.warnings:
        for parent in ("traits.", "context.traits."):
            if warning.field.startswith(parent):
                found.setdefault(warning.field.removeprefix(parent), set()).add(warning.code)
    return found


def _summary(
    path: Path,
    stats: TraitStats,
    becomes: tuple[Destination, ...],
    warnings: Collection[str],
    end_users: int,
    identified: int,
) -> TraitSummary:
    samples = sorted(chain.from_iterable(stats.samples.values()), key=attrgetter("digest"))
    values = [each.value for each in samples]
    what = looks_like(path, values)
    ordered = sorted(stats.types.items(), key=lambda item: (-item[1], item[0]))
    return TraitSummary(
        name=".".join(path),
        types=dict(ordered),
        end_users=end_users,
        fill_rate=end_users / identified if identified else 0.0,
        distinct=stats.distinct.count,
        is_distinct_exact=stats.distinct.is_exact,
        examples=() if what in NEVER_SHOWN else tuple(map(without_secrets, values[:EXAMPLES])),
        becomes=becomes,
        warnings=tuple(sorted(warnings)),
        looks_like=what,
    )
