"""Reading the sources into a plan, which is how `dry-run` and `push` begin."""

from collections.abc import Callable, Sequence
from functools import partial

from wootric_map.mapping.entries import ReadingOptions, read_in_parts, worth
from wootric_map.mapping.filters import not_chosen
from wootric_map.mapping.property_names import Naming
from wootric_map.mapping.rewriting import suppressed
from wootric_map.model import SHARED, Skip
from wootric_map.plan.earlier_rejects import REJECTED, RejectHistory
from wootric_map.plan.engine.intake import IntakeOptions, take_in
from wootric_map.plan.engine.spool import SkippedRow, Spool
from wootric_map.plan.engine.taken import Taken
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.histories import Histories
from wootric_map.plan.plan import Plan
from wootric_map.plan.plan_options import PlanOptions
from wootric_map.plan.steps import Find
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import Source
from wootric_map.read.process_pool import SideBySide
from wootric_map.read.record import names_message
from wootric_map.rejects import RejectsFile, TakesRejected
from wootric_map.report import Report


def intake_workers(
    sources: Sequence[Source],
    reading: ReadingOptions,
    options: PlanOptions,
    *,
    processes: int = 1,
    keep_rejected: bool = False,
) -> SideBySide[Source, Taken]:
    """Return the processes that read records; enter this context before any thread is started.

    Args:
        sources: the sources that `discover` returns.
        reading: how to read the sources.
        options: how records become a plan.
        processes: how many processes there may be.
        keep_rejected: whether to keep the lines of rejected records.
    """
    intake = _intake(reading, options, keep_rejected=keep_rejected)
    return SideBySide(partial(take_in, options=intake), worth(processes, sources))


def _intake(
    reading: ReadingOptions,
    options: PlanOptions,
    *,
    keep_rejected: bool,
    history: RejectHistory | None = None,
) -> IntakeOptions:
    """Return the options with which a part of a source is read."""
    return IntakeOptions(
        reading,
        options.choice,
        link_anonymous=options.link_anonymous,
        keep_lines=options.keep_lines,
        keep_rejected=keep_rejected,
        naming=Naming(options.amount_suffix, options.array_suffix),
        known_rejects=history.known_rejects() if history else None,
        retries=options.retry_rejects,
    )


def plan_records(
    sources: Sequence[Source],
    reading: ReadingOptions,
    options: PlanOptions,
    spool: Spool,
    report: Report,
    *,
    stdin: ByteStream,
    workers: SideBySide[Source, Taken] | None = None,
    snapshot: Find | None = None,
    evidence: Evidence | None = None,
    histories: Histories | None = None,
    rejects: TakesRejected | None = None,
    history: RejectHistory | None = None,
    on_bytes: Callable[[int], object] = int,
) -> Plan:
    """Read every record into a plan.

    Args:
        sources: the sources that `discover` returns.
        reading: how to read the sources.
        options: how records become a plan.
        spool: keeps the records of the plan.
        report: counts the records, skips, rejections and warnings.
        stdin: standard input, for the source that names it.
        workers: the processes that `intake_workers` returns for equal arguments; None reads in this
            process.
        snapshot: looks an end user up without a call; None if there is no snapshot.
        evidence: what the identifies of earlier runs claimed; None uses this run alone.
        histories: what earlier runs read of groups; None uses this run alone.
        rejects: gets the rejected records.
        history: the records that earlier runs rejected or saw refused, which are left out; None leaves
            none out.
        on_bytes: called with the number of bytes that were read, before decompression.

    Returns:
        The plan, which is closed.
    """
    plan = Plan(spool, options)
    intake = _intake(reading, options, keep_rejected=rejects is not None, history=history)
    if workers is None:
        workers = SideBySide(partial(take_in, options=intake), 1)
    for part, lines, first in read_in_parts(
        workers, sources, stdin=stdin, max_line_bytes=reading.max_line_bytes, on_bytes=on_bytes
    ):
        taken = first
        while True:
            report.add(taken.report, lines)
            if history:
                history.retry(taken.retried)
            if rejects:
                for line, rejection, raw in taken.rejected:
                    rejects.reject(part.name, lines + line, rejection, raw)
                    if history:
                        history.reject(raw, REJECTED)
            plan.take(taken, part.name, lines)
            if taken.stopped_after is None:
                break
            taken = take_in(part, intake, after=taken.stopped_after)
    for left_out in plan.close(snapshot, evidence, reading.suppression, histories):
        report.skip(left_out.source, left_out.line, _skip_of(left_out))
    for ref, warning in plan.warnings():
        report.warn(ref.source, ref.line, warning)
    report.ambiguous_anonymous_ids = plan.ambiguous_anonymous_ids
    report.unknown_users = plan.unknown_users
    events = options.choice.events
    report.note_unmet(reading.configured.named())
    report.unknown_events = tuple(each for each in events if each not in report.met_events)
    return plan


def keep_unidentified(plan: Plan, report: Report, file: RejectsFile) -> None:
    """Write the records that were skipped as `unidentified` to a file, in the order they were read.

    A record whose id names several end users stays out: read without the other records, its id would seem
    to name one.

    Args:
        plan: the plan, which keeps the lines of its records.
        report: has noted which records were skipped.
        file: gets the records.

    Raises:
        OSError: the file can't be written.
    """
    found = report.unidentified_records
    if not found:
        return
    marks, skips = found.marks(), found.skips()
    for record in plan.spool.lines_of(marks):
        # A record that was mended or retried keeps the id that it was given at first.
        was_given_id = record.message_id is not None and not names_message(record.raw)
        key = record.message_id if was_given_id else None
        skip = skips[marks[record.number]]
        if skip and skip.reason not in SHARED:
            file.skip(record.source, record.line, skip, record.raw, key)


def _skip_of(row: SkippedRow) -> Skip:
    """Return why a record is left out once all records are read."""
    if row.reason == "suppressed":
        return suppressed(row.kind)
    if row.reason == "repeated":
        message = "its messageId was taken already in this run"
        return Skip("duplicate", row.kind, "messageId", message)
    return not_chosen(row.kind)
