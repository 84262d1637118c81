"""`status`: the contents of the journals."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from cli import options, redacting
from cli.options import Age, Count
from cli.render.status_text import lines
from cli.render.text import json_line, printable
from wootric_map.deliver import journal_place
from wootric_map.deliver.account_lock import current_holder
from wootric_map.deliver.freshness import overdue
from wootric_map.deliver.journal_contents import Contents, contents
from wootric_map.deliver.journal_list import Listed, is_of_token
from wootric_map.deliver.run_lock import Holder
from wootric_map.errors import JournalError

_RUNS: Final = 5
"""The number of last runs that are shown."""


@click.command()
@options.journal_option
@options.account_options
@click.option(
    "--runs",
    type=Count(),
    default=_RUNS,
    show_default=True,
    metavar="N",
    help="How many runs of each account are shown, the last first.",
)
@click.option(
    "--max-age",
    type=Age(),
    help="Exit with 1 if no push has come to its end for so long, such as 26h: for whoever watches a nightly "
    "run. Of the account, if one is given; else of each.",
)
@options.format_option()
@options.redact_option
def status(
    journal: Path | None,
    account_token: str | None,
    base_url: str | None,
    runs: int,
    max_age: float | None,
    style: str,
) -> int:
    """Show what has been delivered, for each account: the last runs, what is in doubt, what failed.

    Nothing is sent, and no credentials are needed. Accounts are told apart by a fingerprint of their token,
    and of --base-url where it was given; those of WOOTRIC_ACCOUNT_TOKEN are marked.

    \b
    Example:
      wootric-replay status
      wootric-replay status --runs 100 --format json | jq .runs
      wootric-replay status --max-age 26h
    """
    if journal:
        paths = [journal.resolve()]
    else:
        folder = journal_place.state_folder()
        paths = sorted(folder.glob(f"*{journal_place.JOURNAL}"))
    token = _Token(account_token, journal_place.account_of(account_token, base_url))
    now = time.time()
    code = 0
    is_late: bool | None = None
    for path in paths:
        try:
            held = contents(path, runs=runs)
        except JournalError as error:
            if journal:
                raise
            click.echo(f"Error: {printable(str(error))}", err=True)
            code = 1
            continue
        under_way = current_holder(path)
        is_own = token.owns(path, held)
        _show(path, held, under_way, style, now=now, is_own=is_own)
        if max_age is not None and (is_own or journal or not account_token):
            began = under_way.since if under_way else None
            late = overdue(held, began=began, now=now, max_age=max_age)
            is_late = bool(late) or bool(is_late)
            if late:
                click.echo(f"Error: account {printable(held.account)}: {late}", err=True)
    if not paths and style == "text":
        click.echo(
            f"Nothing has been delivered yet: there is no journal in {printable(str(folder))}."
        )
    if max_age is not None and is_late is None and not code:
        click.echo("Error: no journal knows of a push to this account", err=True)
        return 1
    return 1 if is_late else code


class _Token(NamedTuple):
    """The account token that is given, if any, and its account."""

    text: str | None
    account: str | None

    def owns(self, path: Path, held: Contents) -> bool:
        """Tell whether a journal is of this account token."""
        journal = Listed(path, held.account, held.token_fingerprint, held.base_url)
        return bool(self.text and self.account and is_of_token(journal, self.text, self.account))


def _show(
    path: Path, held: Contents, under_way: Holder | None, style: str, *, now: float, is_own: bool
) -> None:
    if style == "json":
        data = _data(path, held, under_way)
        redaction = redacting.current()
        shown = redaction.value("", data) if redaction else data
        click.echo(json_line(shown), nl=False)
    else:
        for line in lines(path, held, under_way, now=now, is_own=is_own):
            click.echo(line)


def _data(path: Path, held: Contents, under_way: Holder | None) -> dict[str, object]:
    data: dict[str, Any] = {"journal": str(path)} | asdict(held)
    data["runs"] = [run._asdict() for run in held.runs]
    data["last_finished"] = held.last_finished._asdict() if held.last_finished else None
    data["under_way"] = under_way._asdict() if under_way else None
    return data
