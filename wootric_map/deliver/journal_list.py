"""Finding one of several journals by its account: by the token, or the beginning of a fingerprint."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from wootric_map.errors import SettingsError
from wootric_map.wootric.regions import account_fingerprint, journal_account, services

SHORTEST: Final = 6
"""The least number of characters of a fingerprint that may name a journal."""


class Listed(NamedTuple):
    """A journal among others."""

    path: Path
    account: str
    """As `journal_account` gives it."""
    token_fingerprint: str | None = None
    base_url: str | None = None
    """Both as in `Contents`."""

    @property
    def place(self) -> str:
        """The journal as messages name it."""
        at = f" at {self.base_url}" if self.base_url else ""
        return f"{self.account}{at}"


def by_fingerprint(journals: Iterable[Listed], beginning: str) -> Listed:
    """Return the only journal whose account begins with `beginning`.

    Raises:
        SettingsError: `beginning` is too short, or begins no account, or several.
    """
    wanted = beginning.strip().lower()
    if len(wanted) < SHORTEST:
        raise SettingsError(
            f"{beginning}: write {SHORTEST} characters of the account's fingerprint at least, as "
            "wootric-replay status shows it"
        )
    found = [each for each in journals if each.account.startswith(wanted)]
    if not found:
        raise SettingsError(
            f"{beginning}: no account here begins so; wootric-replay status shows which there are"
        )
    if len(found) > 1:
        raise SettingsError(f"{beginning}: several accounts begin so: {_named(found)}; write more")
    return found[0]


def of_token(
    journals: Iterable[Listed], account_token: str, base_url: str | None = None
) -> Listed | None:
    """Return the journal of an account's token; None if there is none.

    Args:
        journals: all journals.
        account_token: the token of the account.
        base_url: the address of the account; None for any, if the token has one journal only.

    Raises:
        SettingsError: the token has several journals, or only journals at other addresses than `base_url`; or
            `account_token` is no token, or `base_url` no address.
    """
    exact = journal_account(account_token, services(account_token, base_url))
    found = [each for each in journals if is_of_token(each, account_token, exact)]
    if base_url is not None:
        at_place = [each for each in found if each.account == exact]
        if found and not at_place:
            raise SettingsError(
                f"nothing was delivered to this account at {base_url}; its journals are "
                f"{_named(found)}: name one, by its fingerprint"
            )
        found = at_place
    if len(found) > 1:
        raise SettingsError(
            f"this account has several journals: {_named(found)}; name one, by its fingerprint"
        )
    return found[0] if found else None


def is_of_token(journal: Listed, account_token: str, exact: str) -> bool:
    """Return whether a journal is about the account of a token, at whatever address.

    Args:
        journal: the journal.
        account_token: the token of the account.
        exact: the account as `journal_account` gives it; a journal of an early release is known by it alone.
    """
    return exact == journal.account or journal.token_fingerprint == account_fingerprint(
        account_token
    )


def _named(journals: Sequence[Listed]) -> str:
    return ", ".join(each.place for each in journals)
