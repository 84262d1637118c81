"""`journal`: commands for the journal of what was delivered."""

import sys
import threading
from pathlib import Path

import click
from click.core import ParameterSource

from cli import options
from cli.groups import Group
from cli.render.text import plural, printable
from wootric_map.deliver import journal_place
from wootric_map.deliver.account_lock import locked
from wootric_map.deliver.journal_contents import contents
from wootric_map.deliver.journal_file import forget, forget_list
from wootric_map.deliver.journal_list import by_fingerprint, of_token
from wootric_map.wootric.regions import journal_account, services


@click.group(cls=Group)
def journal() -> None:
    """Look after the journal of what was delivered to an account."""


@journal.command("forget", short_help="Delete the journal, after asking.")
@click.argument("account", required=False, metavar="[ACCOUNT]")
@options.journal_option
@options.account_options
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@options.redact_option
def forget_command(
    account: str | None,
    journal: Path | None,
    account_token: str | None,
    base_url: str | None,
    yes: bool,
) -> int:
    """Delete the journal, after asking: the next push takes everything for new.

    ACCOUNT is a fingerprint as `status` shows it, or its first six characters or more. Without it, the
    journal is that of WOOTRIC_ACCOUNT_TOKEN.

    End users come out right all the same, if they are looked up; eligibility checks and page views that
    were sent before are sent again, and count twice.

    \b
    Example:
      wootric-replay journal forget
      wootric-replay journal forget 0fe2c9
      wootric-replay journal forget --journal backfill.journal --yes
    """
    path = _meant(account, journal, account_token, base_url)
    if not path.exists() and forget_list(path):
        click.echo(f"Forgotten: the list of end users beside {printable(str(path))}", err=True)
        return 0
    owner = contents(path, runs=0).account
    with locked(owner, path, timeout=0, wait=threading.Event().wait):
        held = contents(path, runs=0)
        if not yes:
            if sys.stdin is None or not sys.stdin.isatty():
                raise click.UsageError("this asks at a terminal; add --yes where there is none")
            count = plural(sum(held.delivered.values()), "delivery", "deliveries")
            click.confirm(
                f"Forget {count} of account {printable(owner)} ({printable(str(path))})?",
                abort=True,
                err=True,
            )
        forget(path)
    click.echo(f"Forgotten: {printable(str(path))}", err=True)
    return 0


def _meant(
    account: str | None, journal: Path | None, account_token: str | None, base_url: str | None
) -> Path:
    """Return the journal that the argument, the options or the environment name."""
    if account is not None:
        source = click.get_current_context().get_parameter_source
        for name in ("journal", "account_token", "base_url"):
            if source(name) is ParameterSource.COMMANDLINE:
                option = name.replace("_", "-")
                raise click.UsageError(f"ACCOUNT and --{option} both name a journal: give one")
        return by_fingerprint(journal_place.listed(), account).path
    if journal:
        return journal.resolve()
    if account_token:
        found = of_token(journal_place.listed(), account_token, base_url)
        own = journal_account(account_token, services(account_token, base_url))
        return found.path if found else journal_place.place(own, None)
    raise click.UsageError(
        "which one? name the account as wootric-replay status shows it, set WOOTRIC_ACCOUNT_TOKEN, or add "
        "--journal FILE"
    )
