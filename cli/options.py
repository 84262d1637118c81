"""The options that commands share."""

import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click
from click.core import ParameterSource

from wootric_map.reading import ReadingOptions
from wootric_map.source import MAX_LINE_BYTES, STDIN, ByteStream, Source, discover

if TYPE_CHECKING:
    from wootric_map.client import Credentials

F = TypeVar("F", bound=Callable[..., Any])

REJECTS: Final = Path("rejects.ndjson")
"""Where `push` leaves what was rejected, unless told otherwise."""

_LONGEST_SECRET: Final = 64 * 1024
_SLOWEST, _FASTEST = 0.01, 1e9

_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/min)?")


class Rate(click.ParamType[float]):
    """Calls a minute: `100` or `100/min`."""

    name = "N/min"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a rate; more than none."""
        if isinstance(value, float):
            return value
        matched = _RATE.fullmatch(str(value).strip())
        rate = float(matched[1]) if matched else 0.0
        if not _SLOWEST <= rate <= _FASTEST:
            self.fail("write calls a minute, such as 100 or 100/min", param, ctx)
        return rate


def reading_options(command: F) -> F:
    """PATHS and how they are read."""
    for option in (
        click.option(
            "--amount-suffix",
            is_flag=True,
            help="Send integer properties under a name ending in _amount, as Wootric expects them.",
        ),
        click.option(
            "--ignore-integrations",
            is_flag=True,
            help="Take records even if their integrations turn Wootric off.",
        ),
        click.option(
            "--max-line-bytes",
            type=click.IntRange(min=1),
            default=MAX_LINE_BYTES,
            show_default=True,
            help="The longest line taken; longer ones are rejected.",
        ),
        click.argument("paths", nargs=-1, required=True, metavar="PATHS..."),
    ):
        command = option(command)
    return command


def account_options(command: F) -> F:
    """Which account it is, and where it stands."""
    for option in (
        click.option(
            "--base-url",
            envvar="WOOTRIC_BASE_URL",
            metavar="URL",
            help="One host for all of Wootric's services, in place of the region's.",
        ),
        click.option(
            "--account-token",
            envvar="WOOTRIC_ACCOUNT_TOKEN",
            metavar="NPS-…",
            help="The account; its region picks the addresses.  [env: WOOTRIC_ACCOUNT_TOKEN]",
        ),
    ):
        command = option(command)
    return command


def credential_options(command: F) -> F:
    """What to sign in with; secrets come from the environment, a file or a prompt."""
    for option in (
        click.option(
            "--password-file",
            metavar="FILE",
            help="The file that holds the password; - asks for it.  [env: WOOTRIC_PASSWORD]",
        ),
        click.option(
            "--username",
            envvar="WOOTRIC_USERNAME",
            metavar="EMAIL",
            help="A person's login, in place of a client.  [env: WOOTRIC_USERNAME]",
        ),
        click.option(
            "--client-secret-file",
            metavar="FILE",
            help="The file that holds the secret; - asks for it.  [env: WOOTRIC_CLIENT_SECRET]",
        ),
        click.option(
            "--client-id",
            envvar="WOOTRIC_CLIENT_ID",
            metavar="ID",
            help="The API client to sign in as.  [env: WOOTRIC_CLIENT_ID]",
        ),
    ):
        command = option(command)
    return command


def credentials(
    client_id: str | None,
    client_secret_file: str | None,
    username: str | None,
    password_file: str | None,
) -> "Credentials":
    """The credentials that the options and the environment give.

    Raises:
        click.UsageError: they are missing or incomplete.
    """
    from wootric_map.client import ClientCredentials, PasswordCredentials  # noqa: PLC0415 - slow

    as_client = _given("client_id", "client_secret_file")
    as_person = _given("username", "password_file")
    if as_client and as_person:
        raise click.UsageError("two logins: give a client id or a username, not both")
    # What stands on the command line is meant, whatever the environment holds.
    if client_id and not as_person:
        secret = _secret("client secret", "WOOTRIC_CLIENT_SECRET", client_secret_file)
        return ClientCredentials(client_id, secret)
    if username and not as_client:
        return PasswordCredentials(username, _secret("password", "WOOTRIC_PASSWORD", password_file))
    if as_client or as_person:
        missing = "--client-id" if as_client else "--username"
        raise click.UsageError(f"a secret without its owner: give {missing} too")
    raise click.UsageError(
        "no credentials: set WOOTRIC_ACCOUNT_TOKEN, and WOOTRIC_CLIENT_ID with "
        "WOOTRIC_CLIENT_SECRET (or WOOTRIC_USERNAME with WOOTRIC_PASSWORD); to rehearse without an "
        "account, add --sandbox"
    )


def _given(*names: str) -> bool:
    """Whether any of these options stands on the command line."""
    source = click.get_current_context().get_parameter_source
    return any(source(name) is ParameterSource.COMMANDLINE for name in names)


def _secret(what: str, variable: str, file: str | None) -> str:
    """A secret from a file, a prompt or the environment; never from the command line."""
    keyboard = _has_input() and sys.stdin.isatty()
    if file == "-" and not keyboard:
        raise click.UsageError(f"the {what} can only be asked for at a terminal; name a file")
    if keyboard and (file == "-" or (file is None and variable not in os.environ)):
        secret = click.prompt(what.capitalize(), hide_input=True, err=True)
    elif file is not None:
        try:
            with Path(file).open(encoding="utf-8") as held:
                secret = held.read(_LONGEST_SECRET)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise click.UsageError(f"the {what} can't be read from {file}: {reason}") from error
    else:
        secret = os.environ.get(variable, "")
    secret = str(secret).strip()
    if not secret:
        raise click.UsageError(f"no {what}: set {variable}, or name a file that holds it")
    return secret


def standard_input() -> ByteStream:
    """Standard input as bytes."""
    return cast("io.BufferedReader", sys.stdin.buffer) if _has_input() else io.BytesIO()


def _has_input() -> bool:
    return cast("object", sys.stdin) is not None  # it is None where it was closed


def sources(paths: tuple[str, ...], leave_out: Path = REJECTS) -> list[Source]:
    """What the paths name; standard input must be there, and more than a keyboard.

    Args:
        paths: as given.
        leave_out: a rejects file, which no folder's search brings in.
    """
    if STDIN in paths and not _has_input():
        raise click.UsageError("standard input is closed; pipe an export in: zcat *.gz | … -")
    if STDIN in paths and sys.stdin.isatty():
        raise click.UsageError("standard input is a keyboard; pipe an export in: zcat *.gz | … -")
    return discover(paths, leave_out=leave_out)


def reading(
    *, max_line_bytes: int, ignore_integrations: bool, amount_suffix: bool
) -> ReadingOptions:
    """The options of `reading_options`, together."""
    return ReadingOptions(max_line_bytes, ignore_integrations, amount_suffix)
