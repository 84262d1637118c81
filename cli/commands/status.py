"""`status`: the contents of the journals."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from cli import options, redacting
from cli.render.text import json_line, plural, printable, styled, surveys
from wootric_map.deliver import journal_place
from wootric_map.deliver.account_lock import current_holder, describe_holder
from wootric_map.deliver.journal_contents import Contents, Run, contents
from wootric_map.deliver.journal_list import Listed, is_of_token
from wootric_map.errors import JournalError
from wootric_map.values.durations import duration

_RUNS: Final = 5
"""The number of last runs that are shown."""

_NAMES: Final = {
    "write": "end user write",
    "eligibility_check": "eligibility check",
    "page_view": "page view",
    "response": "survey response",
    "decline": "survey decline",
    "surveys_off": "survey opt-out",
}


@click.command()
@options.journal_option
@options.account_options
@options.format_option()
@options.redact_option
def status(
    journal: Path | None, account_token: str | None, base_url: str | None, style: str
) -> int:
    """Show what has been delivered, for each account: the last runs, what is in doubt, what failed.

    Nothing is sent, and no credentials are needed. Accounts are told apart by a fingerprint of their token,
    and of --base-url where it was given; those of WOOTRIC_ACCOUNT_TOKEN are marked.

    \b
    Example:
      wootric-replay status
      wootric-replay status --format json | jq .in_doubt
    """
    if journal:
        paths = [journal.resolve()]
    else:
        folder = journal_place.state_folder()
        paths = sorted(folder.glob(f"*{journal_place.JOURNAL}"))
    own = journal_place.account_of(account_token, base_url)
    code = 0
    for path in paths:
        try:
            held = contents(path, runs=_RUNS)
        except JournalError as error:
            if journal:
                raise
            click.echo(f"Error: {printable(str(error))}", err=True)
            code = 1
            continue
        if style == "json":
            data = _data(path, held)
            redaction = redacting.current()
            shown = redaction.value("", data) if redaction else data
            click.echo(json_line(shown), nl=False)
        else:
            for line in _lines(path, held, mark=_mark(path, held, account_token, own)):
                click.echo(line)
    if not paths and style == "text":
        click.echo(
            f"Nothing has been delivered yet: there is no journal in {printable(str(folder))}."
        )
    return code


def _data(path: Path, held: Contents) -> dict[str, object]:
    found = current_holder(path)
    data: dict[str, Any] = {"journal": str(path)} | asdict(held)
    data["runs"] = [run._asdict() for run in held.runs]
    data["under_way"] = found._asdict() if found else None
    return data


def _mark(path: Path, held: Contents, account_token: str | None, own: str | None) -> str:
    """Return the mark of a journal of the given account token, or else its address."""
    at = f", --base-url {printable(held.base_url)}" if held.base_url else ""
    journal = Listed(path, held.account, held.token_fingerprint, held.base_url)
    if account_token and own and is_of_token(journal, account_token, own):
        return f"  ← WOOTRIC_ACCOUNT_TOKEN{at}"
    return f"  ({at.removeprefix(', ')})" if at else ""


def _lines(path: Path, held: Contents, *, mark: str) -> Iterator[str]:
    yield (
        styled(f"Account {printable(held.account)}", bold=True) + f"  {printable(str(path))}{mark}"
    )
    found = current_holder(path)
    if found:
        yield f"  A run is under way: {printable(describe_holder(found, time.time()))}"
    yield f"  Delivered  {_counted(held.delivered)}; {plural(held.end_users, 'end user')} known"
    doubt = "Under way" if found else "In doubt"
    yield f"  {doubt:9}  {_counted(held.in_doubt)}"
    yield f"  Failed     {_counted(held.failed)}"
    for run in held.runs:
        yield f"  {_run(run, is_under_way=bool(found) and run is held.runs[0])}"
    yield ""


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
