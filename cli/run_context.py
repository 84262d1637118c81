"""What `main` hands to all commands, as the object of click's context."""

from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from cli.config.configuration import Configuration
    from wootric_map.account import Connect
    from wootric_map.redaction.redaction import Redaction


class RunContext(NamedTuple):
    """What all commands of a run share."""

    redaction: "Redaction | None"
    """Hides personal data; None where nothing is to be hidden."""
    connect: "Connect | None"
    """Makes a client of an account; None for the library's own."""
    configuration: "Configuration | None" = None
    """What the configuration files say; None where there is none."""


def configuration() -> "Configuration | None":
    """Return what the configuration files say for the command that is run; None where there is none."""
    context: RunContext | None = click.get_current_context().obj
    return context.configuration if context else None
