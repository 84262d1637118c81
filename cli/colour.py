"""Whether output is coloured: `--color`, the environment, and the terminal.

`NO_COLOR` and `FORCE_COLOR` count if they are set and not empty (no-color.org, force-color.org).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

OPTION: Final = "--color"
ALWAYS: Final = "always"
NEVER: Final = "never"
AUTO: Final = "auto"
_CHOICES: Final = (ALWAYS, NEVER, AUTO)


def wanted(arguments: Sequence[str], environment: Mapping[str, str]) -> bool | None:
    """Return whether output is coloured; None if it is at a terminal alone.

    This is known before the arguments are parsed, since errors about them are coloured too.

    Args:
        arguments: the arguments of the command line; `--color` counts before the environment.
        environment: the environment, in which `NO_COLOR` counts before `FORCE_COLOR`.
    """
    choice = _choice(arguments)
    if choice != AUTO:
        return choice == ALWAYS
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return False if environment.get("TERM") == "dumb" else None


def _choice(arguments: Sequence[str]) -> str:
    """Return the last value of the option."""
    choice = AUTO
    for nth, argument in enumerate(arguments):
        if argument == "--":
            break
        name, equals, value = argument.partition("=")
        if name == OPTION:
            value = value if equals else "".join(arguments[nth + 1 : nth + 2])
            choice = value if value in _CHOICES else choice
    return choice


def option() -> click.Option:
    """Return the option for a command; its value was read by `wanted` already."""
    return click.Option(
        [OPTION],
        type=click.Choice(_CHOICES),
        expose_value=False,
        callback=_remember,
        help="Whether output is coloured: auto is at a terminal alone; never leaves out all escapes, "
        "so that progress comes in lines.  [default: auto; env: NO_COLOR, else FORCE_COLOR, if not empty]",
    )


def _remember(context: click.Context, _: click.Parameter, value: Any) -> None:
    if value is not None:
        context.meta[OPTION] = value


def allows_drawing() -> bool:
    """Return whether escape sequences may move the cursor."""
    context = click.get_current_context(silent=True)
    return context is None or context.meta.get(OPTION) != NEVER
