"""The files that a command reads and writes, by the options that name them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cli import keeping
from wootric_map.errors import SettingsError
from wootric_map.run_files import Use, use, uses_of_journal

_SECRETS = ("client_secret_file", "password_file")


def written(**options: Path | None) -> dict[str, Use]:
    """The files that options name which are written, by the parameters' names."""
    return {
        name: use(f"--{name}", path, writes=True)
        for name, path in options.items()
        if path is not None
    }


def read(name: str, path: Path | None, *, gives_way_to: str | None = None) -> list[Use]:
    """A file that an option names which is read, if it names any."""
    return [use(name, path, gives_way_to=gives_way_to)] if path else []


def of_login(given: Mapping[str, Any]) -> Iterator[Use]:
    """The files of secrets and certificates.

    Args:
        given: the values of `options.credential_options`.
    """
    for name in _SECRETS:
        path = given[name]
        if path and path != "-":
            yield use(f"--{name.replace('_', '-')}", path)
    bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    if bundle:
        yield use("REQUESTS_CA_BUNDLE", bundle)


def of_journal(given: Mapping[str, Any], *, writes: bool) -> list[Use]:
    """The journal, what stands beside it, and the account's lock.

    Args:
        given: the values of `options.account_options`, and the journal if there is an option for it.
        writes: whether the journal is kept, or only read.

    Raises:
        click.UsageError: as in `keeping.place`.
        SettingsError: the account token or base URL is none; only where the journal is kept.
    """
    token, journal = given["account_token"], given.get("journal")
    account = None
    try:
        account = keeping.account_of(token, given["base_url"])
    except SettingsError:
        if writes:
            raise  # else the run may need no account
    found: list[Use] = []
    lock = keeping.lock_of(account) if account else None
    if journal:
        keeping.place("", journal)  # no folder
        found += uses_of_journal("--journal", journal, writes=writes)
    elif account and (lock or writes):
        found += uses_of_journal("the journal", keeping.place(account, None), writes=writes)
    return [*found, *([use("the account's lock", lock, writes=writes)] if lock else [])]
