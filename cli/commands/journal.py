"""`journal`: what can be done about the journal of what was delivered."""

import sys
import threading
from pathlib import Path

import click

from cli import keeping, options
from cli.render.text import plural, printable
from wootric_map.journal import contents, forget
from wootric_map.services import journal_account, services


@click.group()
def journal() -> None:
    """Look after the journal of what was delivered to an account."""


@journal.command("forget")
@options.journal_option
@options.account_options
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def forget_command(
    journal: Path | None, account_token: str | None, base_url: str | None, yes: bool
) -> int:
    """Delete the journal, after asking: the next push takes everything for new.

    End users come out right all the same, if they are looked up; eligibility checks and page views that
    were sent before are sent again, and count twice.

    \b
    Example:
      wootric-replay journal forget
      wootric-replay journal forget --journal backfill.journal --yes
    """
    if journal:
        path = journal.resolve()
        account = contents(path, runs=0).account
    elif account_token:
        account = journal_account(account_token, services(account_token, base_url))
        path = keeping.place(account, None)
    else:
        raise click.UsageError("which one? set WOOTRIC_ACCOUNT_TOKEN, or add --journal FILE")
    with keeping.locked(account, path, patience=0, wait=threading.Event().wait):
        held = contents(path, runs=0)
        if not yes:
            if sys.stdin is None or not sys.stdin.isatty():
                raise click.UsageError("this asks at a terminal; add --yes where there is none")
            count = plural(sum(held.delivered.values()), "delivery", "deliveries")
            click.confirm(
                f"Forget {count} of account {printable(account)} ({printable(str(path))})?",
                abort=True,
                err=True,
            )
        forget(path)
    click.echo(f"Forgotten: {printable(str(path))}", err=True)
    return 0
