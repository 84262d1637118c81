"""`config`: show which values count and where they come from, and check configuration files."""

import sys
from pathlib import Path

import click

from cli import options
from cli.config.options import NAME, Choice, noted_choice, noting_options, places
from cli.groups import Group
from cli.render.text import plural, printable
from wootric_map.errors import EXIT_USAGE, SettingsError


@click.group(cls=Group)
def config() -> None:
    """Show and check the configuration.

    It stands in wootric-replay.toml, in the working folder and in your folder for configuration.
    """


@noting_options
@config.command(
    "show",
    short_help="Show each value, and where it comes from.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("command", required=False, metavar="[COMMAND]")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENTS]...")
@options.format_option()
@options.redact_option
@click.pass_context
def show(ctx: click.Context, command: str | None, arguments: tuple[str, ...], style: str) -> None:
    """Show each value, and where it comes from: a file and line, a variable, or a default.

    With COMMAND only what that command would take, also from ARGUMENTS. Secrets are not shown.

    \b
    Example:
      wootric-replay config show
      wootric-replay config show --profile night push
      wootric-replay config show push --rate 100
    """
    from cli.config import shown
    from cli.config.loading import all_contexts
    from cli.render import configuration

    contexts = {str(each.info_name): each for each in all_contexts(ctx.find_root())}
    choice = noted_choice(ctx)
    if command is None:
        rows = shown.rows_of_all(choice, contexts.values())
    elif command in contexts:
        rows = shown.rows_of_one(choice, contexts[command], arguments)
    else:
        raise click.UsageError(
            f"no command '{command}' takes values of a configuration; there are: {', '.join(contexts)}"
        )
    if style == "json":
        sys.stdout.buffer.writelines(configuration.json_lines(rows))
        sys.stdout.buffer.flush()
        return
    for line in configuration.lines(rows):
        click.echo(line)


@noting_options
@config.command("check", short_help="Check configuration files, and tell all that is wrong.")
@click.argument("file", required=False, metavar="[FILE]")
@options.redact_option
@click.pass_context
def check(ctx: click.Context, file: str | None) -> int:
    """Check a configuration file, or those that a run would read here, and tell all that is wrong.

    The values of options are checked for every command, and suppression lists are read. Exits with 2 if
    anything is wrong.

    \b
    Example:
      wootric-replay config check
      wootric-replay config check sample_events/wootric-replay.toml
    """
    choice = noted_choice(ctx)
    if file is not None and choice != Choice():
        raise click.UsageError("FILE and the options name files to check: give one")
    found = [(Path(file), True)] if file is not None else places(choice)
    if not found:
        click.echo(
            f"There is no configuration file: no {NAME} here, and none in your folder for it."
        )
    count = sum(_faults(ctx, path, is_named=is_named) for path, is_named in found)
    if choice.profile is not None and not count:
        _check_profile(choice)
    return EXIT_USAGE if count else 0


def _faults(ctx: click.Context, path: Path, *, is_named: bool) -> int:
    """Tell what is wrong in a file; return how many faults it has."""
    from cli.config.files import read
    from cli.config.loading import all_contexts, faults_of, list_faults_of

    try:
        file = read(path, is_named=is_named)
    except SettingsError as error:
        click.echo(printable(str(error), None))
        return 1
    warning = file.warning()
    if warning:
        click.echo(f"Warning: {printable(warning, None)}", err=True)
    contexts = list(all_contexts(ctx.find_root()))
    faults = list(faults_of(file, contexts)) or list(list_faults_of(file, contexts))
    for each in faults:
        click.echo(printable(each, None))
    total = plural(len(faults), "fault") if faults else "no faults"
    click.echo(f"{printable(str(path))}: {total}")
    return len(faults)


def _check_profile(choice: Choice) -> None:
    from cli.config.files import read
    from cli.config.resolve import check_profile

    files = [read(path, is_named=is_named) for path, is_named in places(choice)]
    check_profile(files, choice.profile or "")
