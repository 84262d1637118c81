"""`push`: plan, and carry the plan out."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import embedded, options
from cli.interrupt import gentle_interruption
from cli.render import summary
from cli.render.progress import reading_progress, sending_progress
from cli.render.text import duration, plural, printable
from wootric_map.client import (
    RETRIES,
    Credentials,
    Pace,
    Wootric,
)
from wootric_map.deliver import deliver
from wootric_map.outcome import Failure, Outcome, StoppedError
from wootric_map.plan import Plan
from wootric_map.planning import plan_entries
from wootric_map.report import RejectsFile, Report, is_rejects_file
from wootric_map.services import Services, services
from wootric_map.spool import Spool

_UNFINISHED: Final = (
    "The run did not finish. Run the same command again to go on: end users that are written already "
    "are found unchanged, but eligibility checks and page views sent so far would count twice."
)


@click.command()
@options.reading_options
@options.account_options
@options.credential_options
@click.option(
    "--sandbox", is_flag=True, help="Push to an embedded sandbox; no credentials are needed."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="End users under way at once.",
)
@click.option(
    "--rate",
    type=options.Rate(),
    help="Calls a minute at most; else as many as Wootric's replies allow.",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=RETRIES,
    show_default=True,
    help="How often a call is tried again after a fault that may pass.",
)
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    default=options.REJECTS,
    show_default=True,
    help="Where rejected records and failed deliveries go; written only if there are any.",
)
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but what went wrong.")
@click.option("--no-progress", is_flag=True, help="Show no progress, only the summary.")
def push(
    paths: tuple[str, ...],
    account_token: str | None,
    base_url: str | None,
    client_id: str | None,
    client_secret_file: str | None,
    username: str | None,
    password_file: str | None,
    sandbox: bool,
    workers: int,
    rate: float | None,
    retries: int,
    rejects: Path,
    quiet: bool,
    no_progress: bool,
    **reading: Any,
) -> int:
    """Send an export's history to Wootric.

    End users are created or updated, events checked for eligibility, page views sent; one end user's
    calls always in order.

    \b
    Example:
      wootric-replay push --sandbox sample_events/segment-logs
      wootric-replay push --rate 80/min segment-logs
      wootric-replay push rejects.ndjson
    """
    sources = options.sources(paths, leave_out=rejects)
    report = Report()
    shown = not (quiet or no_progress)
    begun = time.monotonic()
    with ExitStack() as stack:
        rejects_file = stack.enter_context(_rejects_file(rejects))
        replayed = rejects.exists() and any(
            each.path and each.path.samefile(rejects) for each in sources
        )
        if replayed and not is_rejects_file(rejects):
            raise click.UsageError(f"--rejects names an export, {rejects}, which it would replace")
        account: tuple[Services, str, Credentials]
        if sandbox:
            account = embedded.account(stack.enter_context(embedded.running_sandbox()))
        else:
            if not account_token:
                raise click.UsageError("no account: set WOOTRIC_ACCOUNT_TOKEN, or add --sandbox")
            login = options.credentials(client_id, client_secret_file, username, password_file)
            account = services(account_token, base_url), account_token, login
        interruption = stack.enter_context(gentle_interruption())
        wait = interruption.stop.wait
        pace = Pace(rate, wait=wait)
        wootric = stack.enter_context(
            closing(
                Wootric(
                    *account,
                    pace,
                    wait=wait,
                    connections=workers,
                    retries=retries,
                    ca_bundle=os.environ.get("REQUESTS_CA_BUNDLE"),
                )
            )
        )
        spool = stack.enter_context(Spool())
        error: Exception | None = None
        try:
            # Wrong credentials should not cost the time of reading a million records.
            wootric.sign_in()
            with reading_progress(sources, shown=shown, lines=True) as on_bytes:
                plan = plan_entries(
                    sources,
                    options.reading(**reading),
                    spool,
                    report,
                    stdin=options.standard_input(),
                    rejects=rejects_file,
                    on_bytes=on_bytes,
                )
            # From here on, to the end of the summing up, a signal only asks for a stop.
            stack.enter_context(interruption.sending())
            with sending_progress(report.mapped, pace, shown=shown, lines=True) as progress:
                for outcome in deliver(plan, wootric, workers=workers, stop=interruption.stop):
                    report.deliver(outcome)
                    progress.add(outcome)
                    try:
                        _keep_failed(outcome, plan, rejects_file)
                    except OSError as fatal:
                        # What can't be kept must not be sent; what is under way is still counted.
                        error = fatal
                        interruption.stop.set()
        except StoppedError:
            pass
        except Exception as fatal:  # noqa: BLE001 - whatever it is, what was done is summed up first
            error = fatal
        complete = error is None and not interruption.exit_code
        kept = rejects_file.finish(replayed=replayed, complete=complete)
    if not quiet and (complete or report.records):
        _show(report, pace.calls, time.monotonic() - begun)
    _show_problems(report, quiet=quiet)
    for line in _advice(rejects, rejects_file, report, kept, complete=complete):
        click.echo(line, err=True)
    if error:
        raise error
    return interruption.exit_code or (0 if report.flawless else 1)


def _keep_failed(outcome: Outcome, plan: Plan, rejects_file: RejectsFile) -> None:
    """Write the records of a failed delivery to the rejects file."""
    if isinstance(outcome.result, Failure):
        for ref in outcome.refs:
            rejects_file.fail(ref.source, ref.line, outcome.result, plan.raw(ref))


def _show(report: Report, calls: int, seconds: float) -> None:
    """The summary table."""
    done = report.done
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for title, count, note in (
        ("Records", report.records, f"{report.mapped:,} mapped"),
        ("Created", done["create"], "end users"),
        ("Updated", done["update"], "end users"),
        ("Unchanged", done["unchanged"], "end users"),
        ("Eligibility checks", done["eligibility_check"], ""),
        ("Page views", done["page_view"], ""),
        ("Skipped", report.skipped.counts.total(), summary.codes(report.skipped)),
        ("Rejected", report.rejected.counts.total(), summary.codes(report.rejected)),
        ("Failed", report.failed.counts.total(), summary.codes(report.failed)),
        ("API calls", calls, f"look-ups included, in {duration(seconds)}"),
    ):
        table.add_row(title, f"{count:,}", Text(note))
    Console().print(table)


def _show_problems(report: Report, *, quiet: bool) -> None:
    lines = [
        *summary.findings("Rejected", report.rejected, "red"),
        *summary.findings("Failed", report.failed, "red"),
    ]
    if not quiet:
        lines += summary.findings("Warnings", report.warnings, "yellow")
    for line in lines:
        click.echo(line, err=True)


def _advice(
    path: Path, rejects: RejectsFile, report: Report, kept: Path | None, *, complete: bool
) -> Iterator[str]:
    """What to do next."""
    name = printable(str(path))
    if kept:
        yield f"The {name} that was there before is now {printable(str(kept))}."
    if rejects.count:
        yield f"{plural(rejects.count, 'record')} kept in {name}."
    if not complete and report.records:
        yield _UNFINISHED
    elif rejects.count:
        yield "Mend them there, then push that file."
        doubtful = report.failed.counts["in_doubt"]
        if doubtful:
            yield (
                f"{doubtful:,} of them in doubt: sent, but never answered. Take those out unless "
                "you would rather have them count twice than not at all."
            )
    elif rejects.is_left_over:
        yield (
            f"{name} is of an earlier run. If this run had the same records, they went through "
            "now: pushing that file would send them twice."
        )


def _rejects_file(path: Path) -> RejectsFile:
    try:
        return RejectsFile(path)
    except OSError as error:
        raise click.UsageError(f"--rejects: {error}") from error
