"""The text of an inspection."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cli.render.inspect_json import iso_time
from cli.render.inspect_traits import group_trait_lines, trait_lines
from cli.render.next_commands import NextCommand
from cli.render.page import GAP, Page
from cli.render.summary import ignored, passed_over
from cli.render.text import by_number, plural, printable, quoted, styled
from wootric_map.inspection.inspection import (
    DayCount,
    EndUserCounts,
    IdCounts,
    Inspection,
    NameCounts,
    TraitFacts,
)

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction

T = TypeVar("T", bound=TraitFacts)

_NAMES: Final = 15
"""Events, and pages, that are shown."""
_PLACEHOLDERS: Final = 5
_MOST_BARS: Final = 31
"""Lines of the chart: of more days weeks are shown, of more weeks months, of more months years."""
_LONGEST_BAR: Final = 50
_OPT_OUTS: Final = frozenset({"integration_disabled", "consent_withheld", "suppressed"})
"""The codes of skips that somebody asked for."""


def lines(
    found: Inspection,
    commands: Sequence[NextCommand],
    hints: Sequence[str],
    width: int,
    encoding: str,
    redaction: "Redaction | None",
) -> Iterator[str]:
    """Yield the lines of an inspection.

    Args:
        found: what was found.
        commands: the commands to go on with.
        hints: what to know of these commands.
        width: the columns of the terminal; 0 for none.
        encoding: the encoding of the output, which may lack characters for charts.
        redaction: the redaction, if one is asked for.
    """
    page = Page.of(width, encoding)
    found = _hidden(found, redaction) if redaction else found
    traits = [*trait_lines(found, page), *group_trait_lines(found, page)]
    yield from _records(found)
    yield from _days(found.days, page)
    yield from _end_users(found.end_users)
    yield from _ids(found.ids)
    yield from _names("Events", "event", found.events, page)
    if found.asked_account and not any(each.is_registered for each in found.events.names):
        yield "  The account has registered none of these: no eligibility check is made."
    for name in found.unmet_events:
        yield f"  Registered, but in no record: {printable(name)}"
    yield from _names("Pages", "page", found.pages, page)
    yield from traits
    yield ""
    yield styled("Go on with", bold=True)
    for each in commands:
        yield f"  {printable(each.command, None)}"
        yield f"      {styled(each.what, dim=True)}"
    for hint in hints:
        yield f"  {hint}"


def _hidden(found: Inspection, redaction: "Redaction") -> Inspection:
    """Return what was found with personal data hidden, before any name is cut: half an email is one, too."""
    traits = _hidden_traits(found.traits, redaction)
    group_traits = _hidden_traits(found.group_traits, redaction)
    events, pages = (
        replace(
            kind, names=tuple(replace(each, name=redaction.text(each.name)) for each in kind.names)
        )
        for kind in (found.events, found.pages)
    )
    return replace(found, traits=traits, group_traits=group_traits, events=events, pages=pages)


def _hidden_traits(traits: Sequence[T], redaction: "Redaction") -> tuple[T, ...]:
    """Return traits with personal data hidden."""
    examples = {  # first, since they tell what is to be hidden
        each.name: tuple(redaction.value(each.name, example) for example in each.examples)
        for each in traits
    }
    return tuple(
        replace(
            each,
            name=redaction.text(each.name),
            examples=examples[each.name],
            becomes=tuple(replace(to, name=redaction.text(to.name)) for to in each.becomes),
        )
        for each in traits
    )


def _records(found: Inspection) -> Iterator[str]:
    span = ""
    if found.first is not None:
        span = f", {_minute(found.first)} to {_minute(found.last)} UTC"
    total = f"{plural(found.records, 'record')} in {plural(found.files, 'file')}"
    yield styled(f"{total}{span}", bold=True)
    ordered = sorted(found.types.items(), key=lambda item: (-item[1], item[0]))
    yield from _counts(ordered)
    if found.skipped:
        yield f"Skipped: {_codes(found.skipped)}"
    opted_out = sum(count for code, count in found.skipped.items() if code in _OPT_OUTS)
    if opted_out:
        yield f"Opted out or suppressed: {plural(opted_out, 'record')}"
    if found.rejected:
        rejected = sum(found.rejected.values())
        yield styled(f"Rejected: {rejected:,}", fg="red") + f" ({_codes(found.rejected)})"
    if found.broken_off:
        named = ", ".join(map(printable, found.broken_off))
        yield styled(f"Broken off, so that records are missing: {named}", fg="red")
    if found.warnings:
        yield f"Warnings about records: {_codes(found.warnings)}"
    if found.ignored_warnings:
        yield ignored(found.ignored_warnings)
    yield from passed_over(found.passed_over)


def _codes(counts: Any) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{code} {count:,}" for code, count in ordered)


def _counts(rows: Sequence[tuple[str, int]], notes: Sequence[str] = ()) -> Iterator[str]:
    """Yield lines of names and counts, under one another."""
    width = max((len(name) for name, _ in rows), default=0)
    digits = max((len(f"{count:,}") for _, count in rows), default=0)
    for nth, (name, count) in enumerate(rows):
        note = notes[nth] if notes else ""
        told = f"{GAP}{styled(note, dim=True)}" if note else ""
        yield f"  {name:{width}}{GAP}{count:>{digits},}{told}"


def _minute(milliseconds: int | None) -> str:
    return (iso_time(milliseconds) or "")[:16].replace("T", " ")


def _days(days: Sequence[DayCount], page: Page) -> Iterator[str]:
    if not days:
        return
    unit, bars = _bars(days)
    yield ""
    yield styled(f"Records by {unit}", bold=True) + " (UTC, fit to be sent)"
    most = max(bars.values())
    digits = len(f"{most:,}")
    label = max(map(len, bars))
    room = min(page.width - label - digits - 3 * len(GAP), _LONGEST_BAR)
    for name, count in bars.items():
        length = max(round(count * room / most), 1) if count else 0
        bar = page.bar * length
        yield f"  {name:{label}}{GAP}{count:>{digits},}{GAP}{styled(bar, fg='blue')}".rstrip()


def _bars(days: Sequence[DayCount]) -> tuple[str, dict[str, int]]:
    """Return what a line of the chart stands for, and the counts by the names of the lines."""
    first, last = date.fromisoformat(days[0].day), date.fromisoformat(days[-1].day)
    span = (last - first).days + 1
    units: Sequence[tuple[str, int, Callable[[date], str]]] = (
        ("day", 1, date.isoformat),
        ("week, from its Monday,", 7, lambda day: (day - timedelta(day.weekday())).isoformat()),
        ("month", 31, lambda day: day.isoformat()[:7]),
        ("year", 366, lambda day: day.isoformat()[:4]),
    )
    unit, _, name = next((each for each in units if span <= each[1] * _MOST_BARS), units[-1])
    counts: Counter[str] = Counter()
    for each in days:
        counts[name(date.fromisoformat(each.day))] += each.records
    if span > units[-1][1] * _MOST_BARS:
        return unit, dict(sorted(counts.items()))  # without the empty years
    every = (name(first + timedelta(days=nth)) for nth in range(span))
    return unit, {each: counts[each] for each, _ in groupby(every)}


def _end_users(counts: EndUserCounts) -> Iterator[str]:
    yield ""
    yield styled(f"End users: {counts.total:,}", bold=True)
    rows = (
        ("with an email", counts.with_email, ""),
        ("phone, no email", counts.phone_alone, ""),
        ("Wootric's id alone", counts.wootric_id_alone, ""),
        ("userId alone", counts.user_id_alone, "sent only if Wootric has them"),
        ("anonymous", counts.anonymous, "never identified: not sent"),
        ("ambiguous", counts.ambiguous, "ids of several people alone: not sent"),
    )
    shown = [each for each in rows if each[1]]
    yield from _counts([each[:2] for each in shown], [each[2] for each in shown])
    identified = by_number(counts.identified, "has", "have")
    written = (
        "all"
        if counts.written == counts.identified
        else f"{counts.written:,}"
        if counts.written
        else "none"
    )
    if counts.identified:
        yield f"  {counts.identified:,} {identified} an identify; a push writes {written} of them."
    if counts.opted_out is not None:
        yield f"  A push turns surveys off for {plural(counts.opted_out, 'end user')}."
    if counts.with_external_id is not None:
        of_them = f"{counts.with_external_id:,} of {counts.identified:,}"
        yield f"  The trait that gives external ids states one for {of_them}; no userId is sent as one."
    eligible = counts.written - (counts.opted_out or 0)
    if eligible:
        yield (
            f"  Eligible for a survey at once, as far as they are new: {eligible:,}, unless "
            "--set-last-surveyed says when they were last surveyed."
        )


def _ids(ids: IdCounts) -> Iterator[str]:
    told = [
        plural(count, what)
        for count, what in (
            (ids.ambiguous_user_ids, "ambiguous userId"),
            (ids.ambiguous_emails, "ambiguous email"),
            (ids.shared_phones, "shared phone"),
        )
        if count
    ]
    if ids.ambiguous_aliases:
        told.append(plural(ids.ambiguous_aliases, "ambiguous alias", "ambiguous aliases"))
    if told:
        yield f"  Ids of several people, which tie nobody: {', '.join(told)}"
    if ids.ambiguous_external_ids:
        count = plural(ids.ambiguous_external_ids, "external id")
        yield f"  Stated of several end users, and sent for none: {count}"
    if ids.placeholders:
        first = ids.placeholders[:_PLACEHOLDERS]
        named = [f"{quoted(each.text)} {plural(each.records, 'time')}" for each in first]
        more = len(ids.placeholders) - len(first)
        if more:
            named.append(f"{more:,} more")
        yield f"  Placeholders in place of ids: {', '.join(named)}"


def _names(title: str, one: str, counts: NameCounts, page: Page) -> Iterator[str]:
    if not counts.names:
        return
    yield ""
    total = len(counts.names) + counts.more
    is_known = any(each.is_registered is not None for each in counts.names)
    legend = " (* registered)" if is_known else ""
    yield styled(f"{title}: {total:,}", bold=True) + legend
    shown = counts.names[:_NAMES]
    digits = max(len(f"{each.records:,}") for each in shown)
    for each in shown:
        mark = "* " if each.is_registered else "  "
        name = page.fitted(printable(each.name), page.width - digits - 6).rstrip()
        yield f"  {each.records:>{digits},}  {mark if is_known else ''}{name}"
    hidden = total - len(shown)
    if hidden:
        records = sum(each.records for each in counts.names[_NAMES:]) + counts.more_records
        yield f"  {records:>{digits},}  in {plural(hidden, f'other {one}')}"
