"""What all commands share, and the groups that they are in."""

from collections.abc import Iterable
from typing import Any, Final

import click

from cli import colour
from wootric_map.errors import UnfitSettingsError

_HYPHEN: Final = "\ue000"
"""Stands for a hyphen at which no line is broken, as click would break the names of options."""


class _HelpFormatter(click.HelpFormatter):
    """Help whose headings stand out, and whose lines are broken at blanks alone."""

    def write(self, string: str) -> None:
        """Write some text as it is."""
        super().write(string.replace(_HYPHEN, "-"))

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        super().write_text(text.replace("-", _HYPHEN))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write a list of names, each with what it means."""
        kept = [(name, text.replace("-", _HYPHEN)) for name, text in rows]
        super().write_dl(kept, col_max, col_spacing)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write how a command is called."""
        super().write_usage(prog, args, prefix or click.style("Usage:", bold=True) + " ")

    def write_heading(self, heading: str) -> None:
        """Write what a section begins with."""
        super().write_heading(click.style(heading, bold=True))


class _Context(click.Context):
    formatter_class = _HelpFormatter

    def invoke(self, callback: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run a command; settings that do not fit are wrong usage of it.

        Raises:
            click.UsageError: the settings contradict each other, or name what can't be used.
        """
        try:
            return super().invoke(callback, *args, **kwargs)
        except UnfitSettingsError as error:
            raise click.UsageError(str(error), self) from error


class Group(click.Group):
    """A group that knows commands by names that are nearly right, and colours them as it is asked to."""

    context_class = _Context

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params.append(colour.option())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, which has the option that all have."""
        command = self.find(ctx, cmd_name)
        if command and not any(colour.OPTION in each.opts for each in command.params):
            command.context_class = _Context
            command.params.append(colour.option())
        return command

    def find(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command of a name."""
        return super().get_command(ctx, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with, or say which it may be."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            commands = self.list_commands(ctx)
            import difflib

            close = difflib.get_close_matches(name.lower().replace("_", "-"), commands)
            likely = " or ".join(f"'{ctx.command_path} {each}'" for each in close)
            hint = f"Did you mean {likely}?" if close else f"There are: {', '.join(commands)}."
            raise click.UsageError(f"No such command '{name}'. {hint}", ctx)
        return super().resolve_command(ctx, args)


def hint_for(error: click.ClickException) -> str:
    """Return what to do instead of what was asked for, to be put behind the message; mostly nothing."""
    if isinstance(error, click.NoSuchOption) and error.option_name in {"--dry-run", "--dryrun"}:
        return " Did you mean the command 'wootric-replay dry-run'?"
    return ""
