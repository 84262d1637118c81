"""Options about what is shown."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli import redacting

F = TypeVar("F", bound=Callable[..., Any])


def format_option(what: str = "For people, or for programs.") -> Callable[[F], F]:
    """Return the option that chooses between text and JSON; `what` is its help."""
    return click.option(
        "--format",
        "style",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help=what,
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
