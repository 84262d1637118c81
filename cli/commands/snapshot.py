"""`snapshot`: write the account's end users to a file, or bring such a file up to date."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from cli import account, files, options
from cli.interrupt import Interruption, gentle_interruption
from cli.render.listing import listing_progress
from cli.render.text import duration, plural, printable
from wootric_map import run_files as paths_of_run
from wootric_map.errors import SnapshotError, StoppedError
from wootric_map.snapshot.snapshot_file import PARTIAL, EarlierSnapshot, PartialSnapshot
from wootric_map.wootric.client import Wootric
from wootric_map.wootric.listing import Query, Row, walk
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.regions import account_fingerprint
from wootric_map.wootric.replies import begun_at


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
@options.patience_options
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but what went wrong.")
@click.option("--no-progress", is_flag=True, help="Show no progress, only the summary.")
@options.redact_option
def snapshot(
    output: Path | None,
    update: Path | None,
    quiet: bool,
    no_progress: bool,
    **given: Any,
) -> int:
    """Write the account's end users to a file, a line of JSON each.

    50 come with a call. Stopped before its end, it goes on where it was when the same command is run
    again. What is written is personal data: only you may read the file.

    \b
    Example:
      wootric-replay snapshot -o end-users.ndjson
      wootric-replay snapshot --update end-users.ndjson
      wootric-replay snapshot --rate 50/min --update end-users.ndjson -o newer.ndjson
    """
    target = output or update
    if target is None:
        raise click.UsageError("nowhere to write to: add -o FILE, or --update FILE")
    if target.name.endswith(PARTIAL):
        raise click.UsageError(
            f"a name in {PARTIAL} is kept for what is unfinished; choose another"
        )
    paths_of_run.check(_uses(output, update, target, given))
    begun = time.monotonic()
    shown = not (quiet or no_progress)
    with ExitStack() as stack:
        to = account.account(given, stack)
        interruption = stack.enter_context(gentle_interruption())
        pace = Pace(given["rate"], wait=interruption.stop.wait, reserve=given["reserve"])
        wootric = stack.enter_context(account.connected(to, pace, given, connections=1))
        since = None
        try:
            fingerprint = account_fingerprint(to.token)
            earlier = None
            if update is not None:
                earlier = stack.enter_context(_earlier(update, fingerprint, in_place=not output))
                since = earlier.updated_since
            with (
                PartialSnapshot(target, fingerprint, updated_since=since) as partial,
                _saying_what_is_kept(partial),
            ):
                wootric.sign_in()
                partial.begin(begun_at(wootric.server_time, time.time()))
                # A page under way is written before a signal stops the run.
                with (
                    listing_progress(
                        partial.count, pace, shown=shown, live=not given["verbose"]
                    ) as progress,
                    interruption.shown_by(progress.say),
                    interruption.sending(),
                ):
                    for rows in _pages(wootric, interruption, partial, since):
                        partial.append(rows)
                        progress.add(len(rows))
                held = earlier.merge(partial, target) if earlier else partial.finish()
        except StoppedError:
            return interruption.exit_code
    if not quiet:
        changed = f" ({partial.count:,} new or updated)" if earlier else ""
        found = f"{plural(held, 'end user')}{changed} in {printable(str(target))}"
        seconds = duration(time.monotonic() - begun)
        click.echo(f"{found}, {plural(pace.calls, 'call')}, {seconds}", err=True)
    return 0


def _uses(
    output: Path | None, update: Path | None, target: Path, given: Mapping[str, Any]
) -> list[paths_of_run.Use]:
    """All files of the run; an earlier snapshot may be brought up to date in its place."""
    name = "-o" if output else "--update"
    return [
        *(files.read("--update", update, gives_way_to=name) if output else ()),
        paths_of_run.use(name, target, writes=True),
        paths_of_run.use_beside(name, target, PARTIAL, writes=True),
        *files.of_login(given),
        *([] if given["sandbox"] else files.of_journal(given, writes=False)),
    ]


def _pages(
    wootric: Wootric, interruption: Interruption, partial: PartialSnapshot, since: int | None
) -> Iterator[list[Row]]:
    """The end users that are still to come; a signal keeps the next page from being asked for."""

    def fetch(query: Query) -> Sequence[Row]:
        if interruption.stop.is_set():
            raise StoppedError
        return wootric.list_end_users(query)

    def now() -> float:
        return max(time.time(), wootric.server_time or 0)

    return walk(fetch, now=now, reached=partial.reached, updated_since=since)


@contextmanager
def _saying_what_is_kept(partial: PartialSnapshot) -> Iterator[None]:
    """Say what a run that does not come to its end has written."""
    try:
        yield
    except Exception:
        if partial.count:
            kept = f"{plural(partial.count, 'end user')} kept in {printable(str(partial.path))}"
            click.echo(f"{kept}; run the same command again to go on.", err=True)
        raise


def _earlier(path: Path, fingerprint: str, *, in_place: bool) -> EarlierSnapshot:
    """The snapshot to bring up to date, if it is of the account."""
    earlier = EarlierSnapshot(path)
    if earlier.account not in (None, fingerprint):
        earlier.close()
        raise SnapshotError(f"{path} is a snapshot of another account; check WOOTRIC_ACCOUNT_TOKEN")
    if in_place and earlier.is_gzip:
        earlier.close()
        raise SnapshotError(f"{path} is gzip, and would not be any more; name a file with -o")
    return earlier
