"""Options about what is shown."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from cli import redacting
from cli.formats import FORMATS
from cli.options.types import LocalPath, together

F = TypeVar("F", bound=Callable[..., Any])


def format_option(
    what: str = "For people, or for programs.", *, more: Sequence[str] = ()
) -> Callable[[F], F]:
    """Return the option that chooses the form of the output.

    Args:
        what: its help.
        more: the forms besides text and JSON.
    """
    return click.option(
        "--format",
        "style",
        type=click.Choice(["text", "json", *more]),
        default="text",
        show_default=True,
        help=what,
    )


def report_options(what: str) -> Callable[[F], F]:
    """Return the options of a command that reports findings; `what` is the help of --format."""
    return together(
        click.option(
            "--output",
            type=LocalPath(),
            metavar="FILE",
            help="Write what --format says to this file, and show text on the screen. Only you can read it.",
        ),
        format_option(
            f"{what} markdown, github, junit and sarif report the findings.", more=FORMATS
        ),
    )


redact_option = click.option(
    redacting.OPTION,
    is_flag=True,
    expose_value=False,
    help="Show emails, phones and names as short keyed hashes, to share what is shown. Plans, "
    "snapshots and rejects keep them, since another command is to read those.  [env: "
    f"{redacting.KEY}: a secret, for the same hashes in every run]",
)
"""The option `--redact`, whose value was read before the arguments were parsed."""


record_options = together(
    click.option(
        "--summary",
        type=LocalPath(),
        metavar="FILE",
        help="Write the summary to this file, too, as JSON, also if the run ends early. Only you can "
        "read it.",
    ),
    click.option(
        "--textfile",
        type=LocalPath(),
        metavar="FILE",
        help="Write figures of the run to this file, whose name ends in .prom, for the textfile collector of "
        "Prometheus's node exporter. Anybody can read it: it holds counts and times alone.",
    ),
)
"""Where a run leaves what came of it, for whoever watches it from afar."""
