"""`--redact`: the redaction of all that a command shows; `streams` applies it to all text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from cli.run_context import RunContext

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction

OPTION: Final = "--redact"
KEY: Final = "WOOTRIC_REDACT_KEY"


def current() -> "Redaction | None":
    """Return the redaction for output that is not text; None without `--redact`."""
    context: RunContext | None = click.get_current_context().obj
    return context.redaction if context else None


def redaction_for(
    arguments: Sequence[str], given: str | None, random_key: bytes
) -> "Redaction | None":
    """Return the redaction that a command line asks for; None if it asks for none.

    This is known before the arguments are parsed, since errors about them are redacted too.

    Args:
        arguments: the arguments of the command line.
        given: the key from the environment, if there is one.
        random_key: the key if there is none.

    Raises:
        click.UsageError: the key is empty.
    """
    if OPTION not in arguments:
        return None
    from wootric_map.redaction.redaction import Redaction

    if given is None:
        return Redaction(random_key).of_an_output()
    try:
        return Redaction.keyed(given.encode(errors="surrogateescape")).of_an_output()
    except ValueError as error:
        raise click.UsageError(
            f"{KEY} is empty: give it a secret, or unset it for a new key each run"
        ) from error
