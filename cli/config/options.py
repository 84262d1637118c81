"""`--config`, `--profile` and `--no-config`: which configuration files are read.

This loads nothing that reads a file: most runs have none, and start as quickly as if there could be none.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

NAME: Final = "wootric-replay.toml"
"""The name of a configuration file that is looked for."""

OPTION: Final = "--config"
_CHOICE: Final = f"{__name__}.choice"
"""The key under which a context keeps what is chosen."""

_PARAMETERS: Final = ("config", "profile", "no_config")


class Choice(NamedTuple):
    """What the user says about the configuration files."""

    config: str | None = None
    """The file in place of the one in the working folder; None if none is named."""
    profile: str | None = None
    """The name of the profile; None for none."""
    no_config: bool = False
    """Whether no file is read."""


def options(kind: type[click.Option] = click.Option) -> list[click.Option]:
    """Return the three options for a command.

    Args:
        kind: the class of `--config`.
    """
    return [
        kind(
            [OPTION],
            metavar="FILE",
            envvar="WOOTRIC_REPLAY_CONFIG",
            expose_value=False,
            is_eager=True,
            help=f"The configuration file, in place of {NAME} in the working folder.  "
            "[env: WOOTRIC_REPLAY_CONFIG]",
        ),
        click.Option(
            ["--profile"],
            metavar="NAME",
            envvar="WOOTRIC_REPLAY_PROFILE",
            expose_value=False,
            help="Take what [profile.NAME] of the configuration says before the rest of it.  "
            "[env: WOOTRIC_REPLAY_PROFILE]",
        ),
        click.Option(
            ["--no-config"], is_flag=True, expose_value=False, help="Read no configuration file."
        ),
    ]


class Loading(click.Option):
    """`--config` of a command; before the command's other options it looks for their values in the files."""

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Take the values of the files, unless help is asked for."""
        result = super().handle_parse_result(ctx, opts, args)
        if not ctx.resilient_parsing and "help" not in opts:
            choice = ctx.meta[_CHOICE] = choice_of(ctx, opts)
            found = places(choice)
            if found or choice.profile:
                from cli.config.loading import load

                load(ctx, opts, choice)
        return result


class Noting(click.Option):
    """`--config` of a command about the configuration, which `noted_choice` tells what is chosen."""

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Note what is chosen."""
        result = super().handle_parse_result(ctx, opts, args)
        if "help" not in opts:
            ctx.meta[_CHOICE] = choice_of(ctx, opts)
        return result


def noted_choice(ctx: click.Context) -> Choice:
    """Return what a command line says about the files."""
    choice: Choice = ctx.meta[_CHOICE]
    return choice


def words_for(choice: Choice) -> list[str]:
    """Return the options with which another command reads the same files."""
    if choice.no_config:
        return ["--no-config"]
    named = (("--config", choice.config), ("--profile", choice.profile))
    return [word for option, value in named if value is not None for word in (option, value)]


def noting_options(command: click.Command) -> click.Command:
    """Add the three options to a command about the configuration; a decorator."""
    command.params += options(Noting)
    return command


def choice_of(ctx: click.Context, opts: Mapping[str, Any]) -> Choice:
    """Return what the command line, else the environment, says about the files.

    Args:
        ctx: the context of a command with the three options.
        opts: the options of the command line, as click's parser returns them.

    Raises:
        click.UsageError: `--config` and `--no-config` are given.
    """
    by_name = {each.name: each for each in ctx.command.params}
    values = {
        name: opts.get(name, by_name[name].value_from_envvar(ctx) if name in by_name else None)
        for name in _PARAMETERS
    }
    if opts.get("no_config"):
        if opts.get("config") or opts.get("profile"):
            raise click.UsageError(
                "--no-config reads no file, so that --config and --profile have no place beside it",
                ctx,
            )
        return Choice(no_config=True)
    return Choice(values["config"] or None, values["profile"] or None)


def places(choice: Choice) -> list[tuple[Path, bool]]:
    """Return the files to read, the stronger first, and of each whether the user named it.

    A file that is named need not be there; the others are.
    """
    if choice.no_config:
        return []
    found = [(Path(choice.config), True)] if choice.config else [(Path(NAME), False)]
    home = _home()
    if home is not None:
        found.append((home, False))
    return [(path, is_named) for path, is_named in found if is_named or os.path.lexists(path)]


def _home() -> Path | None:
    """Return the place of the file in the platform's folder for configuration; None without such a folder."""
    if sys.platform == "linux":
        # As platformdirs has it, which takes an eighth of a start to load.
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - it raises nothing
        folder = Path(base, "wootric-replay")
    else:
        from platformdirs import user_config_path

        try:
            folder = user_config_path("wootric-replay", appauthor=False)
        except RuntimeError:
            return None
    # The XDG specification has relative paths ignored: they would lead into any working folder.
    return folder / NAME if folder.is_absolute() else None
