"""Checking records without mapping them: what `validate` reports."""

import io
from typing import NamedTuple

from wootric_map.mapping import map_record, unidentified
from wootric_map.ordinary import is_ordinary
from wootric_map.outcome import Rejection, Skip
from wootric_map.parsing import parse_roughly, with_exact_numbers
from wootric_map.reading import ReadingOptions
from wootric_map.record import Record, read_parsed
from wootric_map.report import Report
from wootric_map.source import Source, read_lines


class Checked(NamedTuple):
    """What a source, or a part of one, came to."""

    report: Report
    """Its places count lines from the beginning of what was read."""
    lines: int
    """How many lines that was, with what follows the last line ending if there is anything."""


def check(source: Source, options: ReadingOptions) -> Checked:
    """Check every record of a source, or of a part of one, that is a file or was read already.

    Args:
        source: what to read.
        options: how to read.
    """
    report, number, ordinary, rules = Report(), 0, 0, options.rules
    lines = read_lines(source, stdin=io.BytesIO(), max_line_bytes=options.max_line_bytes)
    for name, number, _, content in lines:
        if not isinstance(content, bytes):
            if isinstance(content, Rejection):
                report.records += 1
                report.reject(name, number, content)
            else:
                report.warn(name, number, content)
            continue
        data = parse_roughly(content)
        if is_ordinary(data, rules.traits_from) and not data["userId"].isspace():
            ordinary += 1
            continue
        data = with_exact_numbers(content, data)
        for _, reading in read_parsed(content, data, rules):
            report.records += 1
            if isinstance(reading, Rejection):
                report.reject(name, number, lines.fitted(reading))
            else:
                _count(name, number, reading, report)
    report.records += ordinary
    return Checked(report, number)


def _count(source: str, line: int, reading: Record | Skip, report: Report) -> None:
    for warning in reading.warnings:
        report.warn(source, line, warning)
    if isinstance(reading, Skip):
        report.skip(source, line, reading)
    # A userId names somebody, but for blanks: only a record without one has to be mapped to tell.
    elif (reading.user_id or " ").isspace() and (skip := unidentified(map_record(reading))):
        report.skip(source, line, skip)
