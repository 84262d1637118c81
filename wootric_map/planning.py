"""Reading the sources into a plan: what `dry-run` and `push` begin with."""

from collections.abc import Callable, Iterable

from wootric_map.choosing import not_chosen
from wootric_map.mapping import user_of
from wootric_map.outcome import Rejection, Skip
from wootric_map.plan import Find, Plan, PlanOptions
from wootric_map.reading import ReadingOptions, read_records
from wootric_map.report import RejectsFile, Report
from wootric_map.source import ByteStream, Source
from wootric_map.spool import SkippedRow, Spool


def plan_records(
    sources: Iterable[Source],
    reading: ReadingOptions,
    options: PlanOptions,
    spool: Spool,
    report: Report,
    *,
    stdin: ByteStream,
    snapshot: Find | None = None,
    rejects: RejectsFile | None = None,
    on_bytes: Callable[[int], object] | None = None,
) -> Plan:
    """Read every record into a plan.

    Args:
        sources: as `discover` gives them.
        reading: how to read.
        options: how records become a plan.
        spool: where the plan keeps its records.
        report: counts the records, skips, rejections and warnings.
        stdin: standard input, for the source that names it.
        snapshot: looks an end user up, where that takes no call.
        rejects: gets the rejected records.
        on_bytes: told how many bytes were read, before decompression.

    Returns:
        The plan, closed.
    """
    plan = Plan(spool, options)
    for source, line, raw, record in read_records(sources, reading, stdin=stdin, on_bytes=on_bytes):
        report.records += 1
        if isinstance(record, Rejection):
            report.reject(source, line, record)
            if rejects:
                rejects.reject(source, line, record, raw)
            continue
        if isinstance(record, Skip):
            report.skip(source, line, record)
            if record.ties:
                plan.tie(*record.ties)
            continue
        named = user_of(record)
        for warning in named.warnings:
            report.warn(source, line, warning)
        skip = plan.add((source, line), raw, record, named)
        if skip:
            report.skip(source, line, skip)
    for left_out in plan.close(snapshot):
        report.skip(left_out.source, left_out.line, _skip_of(left_out))
    report.ambiguous_anonymous_ids = plan.ambiguous_anonymous_ids
    report.unknown_users = plan.unknown_users
    return plan


def _skip_of(row: SkippedRow) -> Skip:
    if row.repeated:
        message = "its messageId was taken already in this run"
        return Skip("duplicate", row.kind, "messageId", message)
    return not_chosen(row.kind)
