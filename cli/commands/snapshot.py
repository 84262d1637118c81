"""`snapshot`: write the account's end users to a file, or bring such a file up to date."""

from typing import Any

import click

from cli import options, settings
from cli.interrupt import Interruption
from cli.render.calls import connect
from cli.render.listing import SnapshotProgress
from cli.render.text import plural, printable
from wootric_map.errors import StoppedError
from wootric_map.snapshot.snapshot import Snapshot
from wootric_map.values.durations import duration


@click.command()
@click.option(
    "--output",
    "-o",
    type=options.LocalPath(),
    metavar="FILE",
    help="Where the snapshot goes; FILE.partial holds it until it is whole.",
)
@click.option(
    "--update",
    type=options.LocalPath(),
    metavar="FILE",
    help="Bring this snapshot up to date, in its place or in that of -o: only end users updated since "
    "are asked for. Those deleted in Wootric stay in it.",
)
@options.account_options
@options.credential_options
@click.option(
    "--sandbox", is_flag=True, help="Ask an embedded sandbox, which is empty; to rehearse."
)
@options.pace_options()
@options.connection_options
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but what went wrong.")
@click.option("--no-progress", is_flag=True, help="Show no progress, only the summary.")
@options.redact_option
def snapshot(quiet: bool, no_progress: bool, verbose: bool, **values: Any) -> int:
    """Write the account's end users to a file, a line of JSON each.

    50 come with a call. Stopped before its end, it goes on where it was when the same command is run
    again. What is written is personal data: only you may read the file.

    \b
    Example:
      wootric-replay snapshot -o end-users.ndjson
      wootric-replay snapshot --update end-users.ndjson
      wootric-replay snapshot --rate 50/min --update end-users.ndjson -o newer.ndjson
    """
    interruption = Interruption()
    shown = not (quiet or no_progress)
    taking = Snapshot(
        settings.snapshot(values),
        observer=SnapshotProgress(interruption, shown=shown, live=not verbose),
        stop=interruption,
        connect=connect(verbose=verbose),
    )
    try:
        result = taking.run()
    except StoppedError:
        return interruption.exit_code
    if not quiet:
        changed = "" if result.updated is None else f" ({result.updated:,} new or updated)"
        found = f"{plural(result.end_users, 'end user')}{changed} in {printable(str(result.path))}"
        seconds = duration(result.seconds)
        click.echo(f"{found}, {plural(result.calls, 'call')}, {seconds}", err=True)
    return 0
