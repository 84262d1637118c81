"""The text of a run's counts and findings."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from cli.render.text import by_number, plural, printable, styled
from cli.wrapping import KEPT, broken
from wootric_map.checks.checks import Verdict
from wootric_map.codes import page
from wootric_map.findings import CountedNames, CountedWarning, CountedWarnings, Findings
from wootric_map.read.files import NAMED, PassedOver
from wootric_map.rejects import KeptRecords
from wootric_map.report import Report

_WARNINGS: Final = 10
"""The number of warnings of one code that are shown."""
_EVENTS: Final = 20
"""The number of events that are shown."""
_GAP: Final = "  "
_COUNTED: Final = re.compile(r" (?=[0-9,]+(?:,|$))")
"""The blank between a code and its count."""
_PLACES: Final = 3
"""The number of places of one warning that are shown."""


def table(rows: Iterable[tuple[str, int, str]], width: int) -> Iterator[str]:
    """Yield the lines of a table of names, counts and notes.

    Args:
        rows: a name, a count, and a note, which may be empty.
        width: the columns of the terminal, for which notes are broken at blanks; 0 for no terminal.
    """
    cells = [(name, f"{count:,}", note) for name, count, note in rows]
    name_width = max(len(name) for name, _, _ in cells)
    count_width = max(len(count) for _, count, _ in cells)
    begin = name_width + count_width + 2 * len(_GAP)
    for name, count, note in cells:
        left = f"{styled(f'{name:{name_width}}', bold=True)}{_GAP}{count:>{count_width}}"
        # A code and its count stay together.
        kept = _COUNTED.sub(KEPT, note)
        lines = broken(kept, max(width - begin, 1), "") if width and note else [note]
        yield left + (_GAP + styled(lines[0], dim=True) if note else "")
        for line in lines[1:]:
            yield " " * begin + styled(line, dim=True)


def findings(title: str, found: Findings, colour: str) -> Iterator[str]:
    """Yield lines about findings: each code with its count and its first few places."""
    if not found.counts:
        return
    yield styled(f"{title}: {found.counts.total():,}", fg=colour, bold=True)
    for code, count in found.counts.most_common():
        yield f"  {styled(code, fg=colour)}  {count:,}{_page(code)}"
        places = found.places[code]
        for place in places:
            at = f" {printable(place.field)}:" if place.field else ""
            yield f"    {printable(place.source)}:{place.line}{at} {printable(place.message, 500)}"
        if count > len(places):
            yield f"    … {count:,} in all"


def warnings(found: CountedWarnings) -> Iterator[str]:
    """Yield lines about warnings: each code with its most frequent warnings and their first places."""
    if found.counts:
        yield from _by_code(found)
    if found.ignored:
        yield ignored(found.ignored)


def ignored(count: int) -> str:
    """Return a line with the number of warnings that are not shown."""
    return f"Ignored warnings: {count:,}"


def _by_code(found: CountedWarnings) -> Iterator[str]:
    most = "more than " if found.more else ""
    total = found.counts.total()
    yield styled(f"Warnings: {most}{total:,}", fg="yellow", bold=True)
    # The codes with the most warnings first, then alphabetically.
    for code, each in sorted(found.by_code(), key=lambda item: -len(item[1])):
        most = "more than " if found.more[code] else ""
        yield f"  {styled(code, fg='yellow')}  {most}{len(each):,}{_page(code)}"
        for warning in sorted(each, key=lambda one: -one.count)[:_WARNINGS]:
            yield f"    {_warning(warning)}"
        hidden = len(each) - _WARNINGS
        if hidden > 0:
            yield f"    … and {most}{hidden:,} more"


def _page(code: str) -> str:
    """Return where a code is explained, to go behind its count."""
    return styled(f"  {page(code)}", dim=True)


def _warning(warning: CountedWarning) -> str:
    """Return one line: the field, the message, the count and the first few places."""
    about = f"{printable(warning.field)}: " if warning.field else ""
    times = "once" if warning.count == 1 else f"{warning.count:,} times"
    places = [f"{printable(source)}:{line}" for source, line in warning.places[:_PLACES]]
    if warning.count > len(places):
        places.append("…")
    return f"{about}{printable(warning.message, 500)}  ({times}: {', '.join(places)})"


def codes(found: Findings) -> str:
    """Return each code with its count, the most frequent first."""
    return ", ".join(f"{code} {count:,}" for code, count in found.counts.most_common())


def counts(title: str, found: Findings) -> str:
    """Return a line of codes with their counts."""
    return f"{title}: {codes(found) or 'none'}"


def passed_over(found: PassedOver) -> Iterator[str]:
    """Yield lines about files that were not read."""
    if found.count:
        named = _named(found.names, found.count)
        files = plural(found.count, "file")
        yield f"Passed over {files}: {named}; to read one all the same, name it"
    for own, names in found.own.items():
        count = len(names)
        named = _named(names[:NAMED], count)
        exports = by_number(count, "not an export", "not exports")
        yield f"Passed over {plural(count, own.kind)}: {named} ({exports}: {own.use(count)})"
    if found.recent:
        named = _named(found.recent_names, found.recent)
        files = plural(found.recent, "file")
        yield f"Left {files} for the next run, changed less than --min-age ago: {named}"


def _named(names: Sequence[str], count: int) -> str:
    """Return the first few names out of `count`."""
    more = count - len(names)
    return ", ".join(map(printable, names)) + (f" … and {more:,} more" if more else "")


def left_out(report: Report) -> Iterator[str]:
    """Yield lines about records that are not sent, with the reasons."""
    if report.skipped.counts:
        yield counts("Skipped", report.skipped)
    if report.unidentified or report.ambiguous_anonymous_ids:
        yield f"Unidentified: {reasons(report)}"
    if report.rejected.counts:
        yield counts("Rejected", report.rejected)


def unidentified(kept: KeptRecords | None) -> Iterator[str]:
    """Yield lines about the file of unidentified records, if there is one."""
    if kept is None:
        return
    name = printable(str(kept.path))
    if kept.before:
        before = printable(str(kept.path.with_name(kept.before.name)))
        yield f"The {name} that was there before is now {before}."
    if kept.count:
        records = plural(kept.count, "record that names", "records that name")
        yield f"{records} nobody kept in {name}. Push that file once it is known who they are."
    elif kept.is_left_over:
        yield f"{name} is of an earlier run; this one has met no record that names nobody."


def eligible(report: Report) -> Iterator[str]:
    """Yield lines about the eligibility checks of each event that found their user eligible."""
    if report.checked.counts:
        yield styled("Eligible", bold=True)
        for name, count in report.checked.most_common(_EVENTS):
            found = report.eligible.counts[name]
            yield f"  {printable(name)}: eligible {found:,} of {count:,}"
        yield from _other_events(report.checked)


def kept_off(report: Report) -> Iterator[str]:
    """Yield a line about end users for whom surveys stay off, though their trait says otherwise by now."""
    count = report.done["kept_off"]
    if count:
        yield (
            f"Surveys stay off for {plural(count, 'end user')} whose trait no longer asks for that: no push "
            "turns them on again; do that in Wootric."
        )


def unregistered(report: Report) -> Iterator[str]:
    """Yield lines about events that the account has not registered."""
    if report.unregistered.counts:
        yield styled("Not registered", bold=True)
        for name, count in report.unregistered.most_common(_EVENTS):
            yield f"  {printable(name)}: {plural(count, 'record')}"
        yield from _other_events(report.unregistered)


def _other_events(found: CountedNames) -> Iterator[str]:
    """Yield a line for the events that are not shown."""
    others = len(found.counts) - _EVENTS
    if others > 0:
        named = sum(count for _, count in found.most_common(_EVENTS))
        more = "more than " if found.more else ""
        total = found.counts.total() + found.more - named
        yield f"  … and {more}{plural(others, 'other event')}: {plural(total, 'record')}"


def matching_nothing(report: Report) -> Iterator[str]:
    """Yield lines about each `--user`, `--event` and rule of the mapping that no record matches."""
    for user in report.unknown_users:
        yield f"--user {printable(user)}: no record names them"
    for event in report.unknown_events:
        yield f"--event {printable(event)}: no track record has that name"
    for kind, name in report.unmet_rules:
        yield f"The rules name the {kind} {printable(name)}: no {kind} has that name"


def without_checks(report: Report, registered: Sequence[str]) -> Iterator[str]:
    """Yield lines about registered events without any eligibility check."""
    for event in registered:
        if not report.checked.more and event not in report.checked.counts:
            yield f"--registered-event {printable(event)}: there is nothing to check for it"


def verdict(found: Verdict, *, tells_gone: bool = True) -> Iterator[str]:
    """Yield lines about the baseline, and about each threshold that was exceeded.

    Args:
        found: whether the run passes.
        tells_gone: whether to tell which findings of the baseline are gone; a push does not meet all.
    """
    if found.known:
        words = by_number(found.known, "finding does not count", "findings do not count")
        yield f"Known by the baseline: {found.known:,} {words}."
    if found.gone and tells_gone:
        told = ", ".join(f"{code} {count:,}" for code, count in sorted(found.gone.items()))
        yield f"Gone from the baseline: {told}. --write-baseline writes it without them."
    for each in found.exceeded:
        yield styled(f"Over a threshold: {each.threshold}: {each.message}", fg="red", bold=True)


def reasons(report: Report) -> str:
    """Return the reasons why records are unidentified with their counts, the most frequent first."""
    found = [f"{name} {count:,}" for name, count in report.unidentified.most_common()]
    several = report.ambiguous_anonymous_ids
    if several:
        found.append(f"{plural(several, 'anonymousId')} of several end users left alone")
    return ", ".join(found)
