"""What `status` shows of a journal, for people."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cli.render.text import plural, printable, styled, surveys
from wootric_map.deliver.account_lock import describe_holder
from wootric_map.deliver.journal_contents import Contents, Run
from wootric_map.deliver.run_lock import Holder
from wootric_map.values.durations import duration

_NAMES: Final = {
    "write": "end user write",
    "eligibility_check": "eligibility check",
    "page_view": "page view",
    "response": "survey response",
    "decline": "survey decline",
    "surveys_off": "survey opt-out",
}


def lines(
    path: Path, held: Contents, under_way: Holder | None, *, now: float, is_own: bool
) -> Iterator[str]:
    """Yield what a journal holds.

    Args:
        path: the journal.
        held: its contents.
        under_way: which process has the account's lock, if any has.
        now: unix time.
        is_own: whether it is the journal of the account that the environment names.
    """
    yield (
        styled(f"Account {printable(held.account)}", bold=True)
        + f"  {printable(str(path))}{_mark(held, is_own=is_own)}"
    )
    if under_way:
        yield f"  A run is under way: {printable(describe_holder(under_way, now))}"
    yield f"  Delivered  {_counted(held.delivered)}; {plural(held.end_users, 'end user')} known"
    doubt = "Under way" if under_way else "In doubt"
    yield f"  {doubt:9}  {_counted(held.in_doubt)}"
    yield f"  Failed     {_counted(held.failed)}"
    for run in held.runs:
        yield f"  {_run(run, is_under_way=bool(under_way) and run is held.runs[0])}"
    yield ""


def _mark(held: Contents, *, is_own: bool) -> str:
    """Return the mark of a journal of the environment's account, or else its address."""
    at = f", --base-url {printable(held.base_url)}" if held.base_url else ""
    if is_own:
        return f"  ← WOOTRIC_ACCOUNT_TOKEN{at}"
    return f"  ({at.removeprefix(', ')})" if at else ""


def _counted(counts: Mapping[str, int]) -> str:
    found = [plural(count, _NAMES[kind]) for kind, count in counts.items() if count]
    return ", ".join(found) or "nothing"


def _run(run: Run, *, is_under_way: bool) -> str:
    began = datetime.fromtimestamp(run.began, UTC).strftime("%Y-%m-%d %H:%M UTC")
    name = f"Run {run.number}, {began}"
    if run.ended is None:
        return f"{name}: under way" if is_under_way else f"{name}: did not end by itself"
    lasted = duration(max(run.ended - run.began, 0))
    about_surveys = {
        "response": run.responses or 0,
        "decline": run.declines or 0,
        "surveys_off": run.surveys_off or 0,
    }
    return (
        f"{name}, {lasted}, exit {run.exit_code}: {run.created or 0:,} created, "
        f"{run.updated or 0:,} updated, {run.unchanged or 0:,} unchanged; "
        f"{plural(run.eligibility_checks or 0, 'eligibility check')}, "
        f"{plural(run.page_views or 0, 'page view')}"
        f"{surveys(about_surveys)}; "
        f"{run.failed or 0:,} failed"
    )
