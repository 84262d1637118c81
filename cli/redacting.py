"""`--redact`: what hides personal data in all that is shown; `streams` has all text pass it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from cli.run_context import RunContext

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction

OPTION: Final = "--redact"
KEY: Final = "WOOTRIC_REDACT_KEY"


def current() -> "Redaction | None":
    """Return what hides personal data in output that is no text; None where nothing is to be hidden."""
    context: RunContext | None = click.get_current_context().obj
    return context.redaction if context else None


def redaction_for(
    arguments: Sequence[str], given: str | None, random_key: bytes
) -> "Redaction | None":
    """The redaction that a command line asks for, if any.

    The arguments are looked at before they are understood: what is wrong with them is redacted too.

    Args:
        arguments: of the command line.
        given: the key, if the environment held one.
        random_key: is used where it did not.

    Raises:
        click.UsageError: the key is empty.
    """
    if OPTION not in arguments:
        return None
    from wootric_map.redaction.redaction import Redaction  # noqa: PLC0415 - most runs need none

    if given is None:
        return Redaction(random_key).of_an_output()
    try:
        return Redaction.keyed(given.encode(errors="surrogateescape")).of_an_output()
    except ValueError as error:
        raise click.UsageError(
            f"{KEY} is empty: give it a secret, or unset it for a new key each run"
        ) from error
