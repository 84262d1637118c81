"""Reading the sources into a plan: what `dry-run` and `push` begin with."""

from collections.abc import Callable, Iterable

from wootric_map.outcome import Rejection, Skip
from wootric_map.plan import Plan
from wootric_map.reading import ReadingOptions, read_entries
from wootric_map.report import RejectsFile, Report
from wootric_map.source import ByteStream, Source
from wootric_map.spool import Spool


def plan_entries(
    sources: Iterable[Source],
    options: ReadingOptions,
    spool: Spool,
    report: Report,
    *,
    stdin: ByteStream,
    rejects: RejectsFile | None = None,
    on_bytes: Callable[[int], object] | None = None,
) -> Plan:
    """Read every record into a plan.

    Args:
        sources: as `discover` gives them.
        options: how to read and map.
        spool: where the plan keeps its records.
        report: counts the records, skips, rejections and warnings.
        stdin: standard input, for the source that names it.
        rejects: gets the rejected records; with it the plan keeps each record's line.
        on_bytes: told how many bytes were read, before decompression.

    Returns:
        The plan, closed.
    """
    plan = Plan(spool, keep_raw=rejects is not None)
    for entry in read_entries(sources, options, stdin=stdin, on_bytes=on_bytes):
        source, line, raw, outcome = entry
        report.records += 1
        if isinstance(outcome, Rejection):
            report.reject(source, line, outcome)
            if rejects:
                rejects.reject(source, line, outcome, raw)
            continue
        if isinstance(outcome, Skip):
            report.skip(source, line, outcome)
            continue
        for warning in outcome.warnings:
            report.warn(source, line, warning)
        skip = plan.add(entry, outcome)
        if skip:
            report.skip(source, line, skip)
    plan.close()
    return plan
