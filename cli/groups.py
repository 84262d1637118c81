"""Groups of commands, and what all commands share."""

from collections.abc import Iterable
from typing import Any, Final

import click

from cli import colour
from cli.config import options as config_options
from wootric_map.errors import UnfitSettingsError

_HYPHEN: Final = "\ue000"
"""Stands for a hyphen at which no line is broken; click would break the names of options."""


class _HelpFormatter(click.HelpFormatter):
    """Formats help with bold headings, and breaks lines at blanks alone."""

    def write(self, string: str) -> None:
        super().write(string.replace(_HYPHEN, "-"))

    def write_text(self, text: str) -> None:
        super().write_text(text.replace("-", _HYPHEN))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        kept = [(name, text.replace("-", _HYPHEN)) for name, text in rows]
        super().write_dl(kept, col_max, col_spacing)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or click.style("Usage:", bold=True) + " ")

    def write_heading(self, heading: str) -> None:
        super().write_heading(click.style(heading, bold=True))


class _Context(click.Context):
    formatter_class = _HelpFormatter

    def invoke(self, callback: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run a command, and turn an `UnfitSettingsError` into a usage error of the command."""
        try:
            return super().invoke(callback, *args, **kwargs)
        except UnfitSettingsError as error:
            raise click.UsageError(str(error), self) from error


class Group(click.Group):
    """A group that suggests commands for a wrong name, and adds the options of every command.

    These are `--color`, and those about the configuration files.
    """

    context_class = _Context

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params.append(colour.option())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command with the options that every command has."""
        command = self.find(ctx, cmd_name)
        if command and not has_option(command, colour.OPTION):
            command.context_class = _Context
            if not isinstance(command, click.Group) and not has_option(
                command, config_options.OPTION
            ):
                command.params += config_options.options(config_options.Loading)
            command.params.append(colour.option())
        return command

    def find(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command with a name; None if there is none."""
        return super().get_command(ctx, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command at the beginning of the arguments, or suggest one."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            commands = self.list_commands(ctx)
            import difflib

            close = difflib.get_close_matches(name.lower().replace("_", "-"), commands)
            likely = " or ".join(f"'{ctx.command_path} {each}'" for each in close)
            hint = f"Did you mean {likely}?" if close else f"There are: {', '.join(commands)}."
            raise click.UsageError(f"No such command '{name}'. {hint}", ctx)
        return super().resolve_command(ctx, args)


def has_option(command: click.Command, name: str) -> bool:
    """Return whether a command has an option."""
    return any(name in each.opts for each in command.params)


def hint_for(error: click.ClickException) -> str:
    """Return a hint to append to the message of an error; mostly none."""
    if isinstance(error, click.NoSuchOption) and error.option_name in {"--dry-run", "--dryrun"}:
        return " Did you mean the command 'wootric-replay dry-run'?"
    return ""
