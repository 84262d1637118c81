"""The text of a dry run."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from cli.render import summary
from cli.render.diff import Shown
from cli.render.forecast_text import each_kind, each_way, takes
from cli.render.summary import kept_off
from cli.render.text import plural, printable, styled, surveys
from wootric_map.diff import Diff
from wootric_map.model import Action

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction

_LABELS: Final = 20
"""The number of event names, and of paths, that the text shows."""


_HIDDEN: Final[tuple[tuple[Action, str], ...]] = (
    ("create", "to create"),
    ("update", "to update"),
    ("surveys_off", "to turn surveys off for"),
)
"""What is said of end users that are not shown, by what is done."""


def write(
    diff: Diff[Shown],
    limit_users: int | None,
    redaction: "Redaction | None",
    also: Callable[[Shown], None] | None = None,
) -> None:
    """Write the changes and the totals to standard output.

    Args:
        diff: the changes, as `cli.render.diff` shows them.
        limit_users: the number of end users that are shown; None for all.
        redaction: the redaction, if one is asked for.
        also: gets each change, shown or not.
    """
    changes: Iterator[Shown] = _told(diff, also) if also else iter(diff)
    report = diff.report
    for change in islice(changes, limit_users):
        if redaction:
            redaction.learn(change.told)
        click.echo(change.text, nl=False)
    hidden = Counter(change.action for change in changes)
    for action, what in _HIDDEN:
        if hidden[action]:
            click.echo(f"… and {plural(hidden[action], 'more end user')} {what}\n")
    note = "all counted; --registered-event names those that the account has registered"
    _write_tally(
        "Eligibility checks",
        diff.labels("eligibility_check"),
        note if diff.counts_all_events else "",
    )
    _write_tally("Page views", diff.labels("page_view"), "")
    _write_tally("Survey responses", diff.labels("response"), "by score")
    _write_tally("Survey declines", diff.labels("decline"), "by page")
    if report.warnings.counts:
        for line in summary.warnings(report.shown_warnings):
            click.echo(line)
        click.echo()
    for line in summary.passed_over(report.passed_over):
        click.echo(line)
    click.echo(f"{plural(report.records, 'record')}: {report.mapped:,} mapped")
    for line in (*summary.left_out(report), *summary.unregistered(report)):
        click.echo(line)
    click.echo(styled(_totals(diff), bold=True))
    for line in (*_eligible_at_once(diff), *kept_off(report)):
        click.echo(line)
    if diff.calls.most:
        for line in _costs(diff):
            click.echo(line)


def _told(diff: Diff[Shown], also: Callable[[Shown], None]) -> Iterator[Shown]:
    """Yield the changes, and give each to `also` first."""
    for change in diff:
        also(change)
        yield change


def _costs(diff: Diff[Shown]) -> Iterator[str]:
    """Yield how long a push takes, and what each way of pushing costs."""
    yield f"{takes(diff.forecast)}:"
    yield from each_kind(diff.calls, diff.forecast)
    yield from each_way(diff.ways, diff.end_users_in_csv, diff.speed, to_nobody=diff.is_of_nobody)


def _eligible_at_once(diff: Diff[Shown]) -> Iterator[str]:
    """Yield a line about how many end users Wootric may survey as soon as they are created."""
    created = diff.report.done["create"]
    if not created:
        return
    if diff.last_surveyed is None:
        eligible = diff.eligible_at_once
        yield (
            f"Eligible for a survey at once: {plural(eligible, 'end user')}, unless --set-last-surveyed says "
            "when they were last surveyed."
        )
    else:
        moment = datetime.fromtimestamp(diff.last_surveyed, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield (
            "Eligible for a survey at once: none; whoever is created counts as last surveyed on "
            f"{moment}."
        )


def _totals(diff: Diff[Shown]) -> str:
    """Return the totals in one line."""
    report = diff.report
    done = report.done
    left = f", {done['left']:,} left as they are" if done["left"] else ""
    text = (
        f"Plan: {done['create']:,} to create, {done['update']:,} to update, "
        f"{done['unchanged']:,} unchanged{left}; "
        f"{plural(done['eligibility_check'], 'eligibility check')}, "
        f"{plural(done['page_view'], 'page view')}{surveys(done)}; "
        f"{plural(report.api_calls, 'API call')}"
    )
    look_ups = diff.calls.most_by_kind.get("look_up", 0)
    at_most = "" if look_ups == diff.calls.least_by_kind.get("look_up", 0) else "at most "
    if look_ups:
        return f"{text}, and {at_most}{plural(look_ups, 'look-up')}."
    return f"{text}, and no look-ups." if diff.is_of_whole_account else f"{text}."


def _write_tally(title: str, tallies: Iterator[tuple[str, int]], note: str) -> None:
    first = list(islice(tallies, _LABELS))
    if not first:
        return
    click.echo(styled(title, bold=True) + (styled(f"  ({note})", dim=True) if note else ""))
    for label, count in first:
        click.echo(f"  {count:>7,}  {printable(label)}")
    more = Counter(count for _, count in tallies)
    if more:
        rest = sum(count * times for count, times in more.items())
        click.echo(f"  {rest:>7,}  in {plural(more.total(), 'other')}")
    click.echo()
