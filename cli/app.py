"""The command group, and what every command ends in: an exit code, never a traceback."""

import errno
import importlib
import io
import os
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from cli import colour, open_files, redacting, secrets, streams
from cli.groups import Group, hint_for
from cli.run_context import RunContext
from wootric_map.errors import (
    EXIT_INTERRUPTED,
    EXIT_UNFORESEEN,
    EXIT_USAGE,
    ReplayError,
    exit_code_of,
    is_of_disk,
)

if TYPE_CHECKING:
    from wootric_map.account import Connect

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""The errors of a disk that is full or broken."""

EXIT_BROKEN_PIPE: Final = 141

_COMMANDS: Final = {
    "inspect": ("inspect:inspect", "Show what is in an export."),
    "validate": ("validate:validate", "Check every record; say how to mend what is rejected."),
    "map": ("map:map_command", "Show what each record becomes, as JSON lines."),
    "dry-run": ("dry_run:dry_run", "Show what a push would change."),
    "export": ("export:export", "Write the end users to a CSV for Wootric's people."),
    "push": ("push:push", "Send an export to Wootric."),
    "status": ("status:status", "Show what was delivered, and what is in doubt."),
    "journal": ("journal:journal", "Forget what was delivered."),
    "snapshot": ("snapshot:snapshot", "Write the account's end users to a file."),
    "sandbox": ("sandbox:sandbox", "Run a stand-in Wootric on this machine."),
    "config": ("config:config", "Show and check the configuration."),
}
"""Each command's module and function below `cli.commands`, and a line about it."""


class _ReaderGoneError(Exception):
    """The reader of the output has gone."""


class _Commands(Group):
    """A group that imports a command only when it is run."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGoneError from error  # click would call it a failure

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def find(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, function = _COMMANDS[name][0].partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"cli.commands.{module}"), function
        )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in _COMMANDS.items()])


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all done; 1 finished, but something was rejected or failed; 2 wrong usage or "
    "configuration; 3 dry-run --detailed-exitcode: there is something to send; "
    "4 signing in was refused; 5 Wootric could not be reached or not be believed, "
    "or the disk not be written; 6 another run is at work on the account; 7 over a threshold, such as "
    "--max-rejected; 70 unforeseen; "
    "130 interrupted (143 by SIGTERM, 129 by a terminal that closed); "
    "141 the reader of the output went away.",
)
@click.version_option(package_name="wootric-replay")
def app() -> None:
    """Replay exported Segment history into Wootric.

    PATHS are files, folders (searched for exports by their names), or - for standard
    input.
    """


def main(connect: "Connect | None" = None) -> NoReturn:
    """Run the command line and exit with its code.

    Args:
        connect: makes a client of an account; None for the library's own.
    """
    _open_streams()
    color = colour.wanted(sys.argv[1:], os.environ)
    try:
        open_files.allow_many()
        secrets.take()
        key = secrets.given(redacting.KEY)
        redaction = redacting.redaction_for(sys.argv[1:], key, os.urandom(32))
        streams.change_streams(redaction)
        context = RunContext(redaction, connect)
        code = app(standalone_mode=False, obj=context, color=color) or 0
        sys.stdout.flush()
    except (BrokenPipeError, _ReaderGoneError):
        # The reader has gone, as `head` does; Python must not flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_BROKEN_PIPE
    except (KeyboardInterrupt, click.Abort):
        code = _say("interrupted", EXIT_INTERRUPTED)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        code = _misused(error, color)
    except Exception as error:  # noqa: BLE001 - the last resort
        meant = foreseen(error)
        code = _say(*meant) if meant else _unforeseen(error)
    sys.exit(code)


def _open_streams() -> None:
    """Make sure that the standard streams are open, and take every character."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Else its number would go to the next file opened, which would get the output.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _misused(error: click.ClickException, color: bool | None) -> int:
    """Show what was wrong with the command line; return the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True, color=color)
        return EXIT_USAGE
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context:
        help_line = f"Try '{context.command_path} --help' for help."
        click.echo(f"{context.get_usage()}\n{help_line}\n", err=True, color=color)
    return _say(error.format_message() + hint_for(error), EXIT_USAGE)


def foreseen(error: Exception) -> tuple[str, int] | None:
    """Return the message and exit code of an error that is no fault of the program; None for another."""
    if is_of_disk(error):
        return _of_the_disk(error), exit_code_of(error)
    return (str(error), exit_code_of(error)) if isinstance(error, ReplayError) else None


def _of_the_disk(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    if type(error).__qualname__ == "OperationalError":
        from wootric_map.deliver.journal_schema import IN_USE, is_in_use

        if is_in_use(error):
            return f"{IN_USE}; wait for its end, then run the same command again"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{reason}: {open_files.TOO_FEW}"
    at = error.filename if isinstance(error, OSError) else None
    is_of_sqlite = "database or disk is full" in reason
    if at is None:
        at = tempfile.gettempdir() if is_of_sqlite else None
    if at is None and getattr(error, "errno", None) in _FULL:
        at = "standard output"  # errors of all other output name a file
    place = f" ({at})" if at else ""
    if is_of_sqlite or at == tempfile.gettempdir():
        place += (
            "; the temporary files take up to twice as much room as the export: TMPDIR "
            "names another folder for them"
        )
    return f"the disk or output can't be used: {reason}{place}"


def _unforeseen(error: Exception) -> int:
    """Keep the details in a file that only its owner can read, and say where; return the exit code."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="wootric-replay-", suffix=".log")
        with os.fdopen(descriptor, "w", errors="backslashreplace") as file:
            details = "".join(traceback.format_exception(error))
            file.write(streams.redacted(details))
    except OSError as fault:
        details = f"the details could not be kept: {fault.strerror}"
    else:
        details = f"the details are in {name} (they may hold personal data: look before you share)"
    words = f"something unforeseen went wrong ({type(error).__name__}); {details}"
    return _say(words, EXIT_UNFORESEEN)


def _say(message: str, code: int) -> int:
    from cli.render.text import printable

    click.echo(f"Error: {printable(message, 1000)}", err=True)
    return code
