"""The credentials of a command, from its options, the environment, a file or a prompt."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import click
from click.core import ParameterSource

from cli import secrets
from cli.options.types import NO_TEXT, is_text
from wootric_map.wootric.regions import bare, services

if TYPE_CHECKING:
    from cli.config.secret_command import SecretCommand
    from wootric_map.wootric.auth import Credentials

_CLIENT: Final = ("WOOTRIC_CLIENT_ID", "WOOTRIC_CLIENT_SECRET")
_PERSON: Final = ("WOOTRIC_USERNAME", "WOOTRIC_PASSWORD")
"""The variables of the two kinds of login: the name, and the secret."""

_STANDS_FOR: Final = {
    "WOOTRIC_ACCOUNT_TOKEN": "account",
    "WOOTRIC_CLIENT_ID": "client id",
    "WOOTRIC_CLIENT_SECRET": "client secret",
    "WOOTRIC_USERNAME": "username",
    "WOOTRIC_PASSWORD": "password",
}

_FILES: Final = {
    "WOOTRIC_CLIENT_SECRET": "--client-secret-file",
    "WOOTRIC_PASSWORD": "--password-file",
}
"""The option that names a file with a secret, by the variable for the secret."""

_LONGEST_SECRET: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The login as the options, the environment and the configuration files name it."""

    account_token: str | None
    base_url: str | None
    client_id: str | None
    client_secret_file: str | None
    username: str | None
    password_file: str | None
    as_client: bool
    """Whether the command line has an option of a client's login."""
    as_person: bool
    """Whether the command line has an option of a person's login."""
    client_secret_command: "SecretCommand | None" = None
    """The command of a configuration file that writes the client secret."""
    password_command: "SecretCommand | None" = None
    """The command of a configuration file that writes the password."""

    @property
    def secret_files(self) -> tuple[tuple[str, str], ...]:
        """The files that secrets are read from: the option, and the path."""
        named = (
            ("--client-secret-file", self.client_secret_file),
            ("--password-file", self.password_file),
        )
        return tuple((name, path) for name, path in named if path and path != "-")

    @property
    def is_given(self) -> bool:
        """Whether there are an account token and credentials, without a question at the terminal."""
        named = (
            (self.client_id, self.client_secret_file or self.client_secret_command, _CLIENT[1]),
            (self.username, self.password_file or self.password_command, _PERSON[1]),
        )
        return bool(self.account_token) and any(
            name and (origin is not None or _is_set(variable)) for name, origin, variable in named
        )

    def credentials(self) -> "Credentials":
        """Return the credentials; read secrets, or ask for them.

        Raises:
            SettingsError: the account token or base URL is wrong.
            click.UsageError: something is missing, there are two logins, or a secret can't be read.
        """
        missing = [] if self.account_token else ["WOOTRIC_ACCOUNT_TOKEN"]
        missing += self._missing()
        if missing:
            raise click.UsageError(_all_missing(missing))
        services(self.account_token, self.base_url)  # raises before a secret is asked for
        from wootric_map.wootric.auth import ClientCredentials, PasswordCredentials

        if self.as_client and self.as_person:
            raise click.UsageError("two logins: give a client id or a username, not both")
        # The command line counts before the environment.
        if self.client_id and not self.as_person:
            secret = _secret(
                "client secret", _CLIENT[1], self.client_secret_file, self.client_secret_command
            )
            return ClientCredentials(self.client_id, secret)
        secret = _secret("password", _PERSON[1], self.password_file, self.password_command)
        return PasswordCredentials(cast("str", self.username), secret)

    def _missing(self) -> list[str]:
        """Return the variables of the login that are missing."""
        as_person = not self.as_client and (
            self.as_person
            or bool(
                not self.client_id
                and (self.username or (_is_set(_PERSON[1]) and not _is_set(_CLIENT[1])))
            )
        )
        variables = _PERSON if as_person else _CLIENT
        owner = self.username if as_person else self.client_id
        file = self.password_file if as_person else self.client_secret_file
        command = self.password_command if as_person else self.client_secret_command
        held = (
            file is not None
            or command is not None
            or _is_set(variables[1])
            or _is_asked_for(variables[1], file)
        )
        return [name for name, has in zip(variables, (owner, held), strict=True) if not has]


def is_given(*names: str) -> bool:
    """Return whether any of these options stands on the command line."""
    source = click.get_current_context().get_parameter_source
    return any(source(name) is ParameterSource.COMMANDLINE for name in names)


def _all_missing(variables: Sequence[str]) -> str:
    """Return the message if these variables are not set, and no options are in place of them."""
    told = [_STANDS_FOR[name] for name in variables]
    *names, last = variables
    text = f"{', '.join(names)} and {last}" if names else last
    if set(_CLIENT) <= set(variables):
        told[-len(_CLIENT) :] = ["credentials"]
        text += f" (or {_PERSON[0]} and {_PERSON[1]} in place of the last two)"
    elif last in _FILES:
        text += f" (or {_FILES[last]} FILE in place of the {'last' if names else 'variable'})"
    return f"no {' and no '.join(told)}: set {text}; to rehearse without an account, add --sandbox"


def _secret(what: str, variable: str, file: str | None, command: "SecretCommand | None") -> str:
    """Return a secret from a command, a file, a prompt or the environment; never from the command line."""
    if command is not None:
        return _usable(command.secret(), what, variable, "it")
    if file == "-" and not _has_keyboard():
        raise click.UsageError(f"the {what} can only be asked for at a terminal; name a file")
    if _is_asked_for(variable, file):
        secret = click.prompt(what.capitalize(), hide_input=True, err=True)
    elif file is not None:
        try:
            with Path(file).open(encoding="utf-8") as held:
                secret = held.read(_LONGEST_SECRET)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8 text; save it as UTF-8"
            raise click.UsageError(f"the {what} can't be read from {file}: {reason}") from error
    else:
        secret = secrets.given(variable) or ""
    origin = "it" if file or _is_asked_for(variable, file) else variable
    return _usable(bare(str(secret)), what, variable, origin)


def _usable(secret: str, what: str, variable: str, origin: str) -> str:
    """Return a secret if it can be one; else raise `click.UsageError`."""
    if not is_text(secret):
        raise click.UsageError(f"the {what} can't be used: {origin} {NO_TEXT}")
    if "\0" in secret:
        # As in UTF-16 text.
        raise click.UsageError(f"the {what} holds NUL characters; save it as UTF-8 text")
    if not secret:
        raise click.UsageError(f"no {what}: set {variable}, or name a file that holds it")
    return secret


def _is_asked_for(variable: str, file: str | None) -> bool:
    """Return whether a secret is asked for at the terminal."""
    return _has_keyboard() and (file == "-" or (file is None and secrets.given(variable) is None))


def _is_set(variable: str) -> bool:
    return bool(bare(secrets.given(variable) or ""))


def _has_keyboard() -> bool:
    has_input = cast("object", sys.stdin) is not None  # it is None if it was closed
    return has_input and sys.stdin.isatty()
