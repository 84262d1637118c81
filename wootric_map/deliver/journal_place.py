"""The places of journals and locks."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wootric_map.errors import JournalError, NotOursError, SettingsError, UnfitSettingsError
from wootric_map.ownership import place_of_ours
from wootric_map.run_files import KEPT_LIST, KEPT_LISTS, LOCK, Use, use, uses_of_journal
from wootric_map.wootric.regions import journal_account, services

if TYPE_CHECKING:
    from wootric_map.deliver.journal_list import Listed

JOURNAL: Final = ".journal"
"""The ending of a journal's name, which begins with the account's fingerprint."""


def state_folder() -> Path:
    """Return the platform's folder for state, where journals stand by default.

    Raises:
        SettingsError: the user has no home.
    """
    from platformdirs import user_state_path

    try:
        return user_state_path("wootric-replay", appauthor=False)
    except RuntimeError as error:
        raise UnfitSettingsError(
            "there is no home folder to keep the journal in: set HOME or XDG_STATE_HOME, or name a "
            "place with --journal FILE"
        ) from error


def account_of(account_token: str | None, base_url: str | None) -> str | None:
    """Return the account as its journal names it; None without a token.

    Raises:
        SettingsError: the account token or base URL is none.
    """
    return (
        journal_account(account_token, services(account_token, base_url)) if account_token else None
    )


def place(account: str, journal: Path | None) -> Path:
    """Return the place of an account's journal, links followed, since SQLite's files stand beside the target.

    Args:
        account: the account, as `journal_account` gives it.
        journal: the journal that the user names; None for the one in the state folder.

    Raises:
        SettingsError: `journal` is a folder.
    """
    if journal and journal.is_dir():
        raise UnfitSettingsError(f"--journal {journal} is a folder; name a file in it")
    return journal.resolve() if journal else state_folder() / f"{account}{JOURNAL}"


def own_place(account: str, journal: Path | None) -> Path:
    """Return the place of a journal that is to be written; arguments as in `place`.

    Raises:
        SettingsError: it is a folder, or somebody else's.
    """
    found = place(account, journal)
    try:
        place_of_ours(journal or found)
    except (NotADirectoryError, PermissionError) as error:
        if isinstance(error, NotOursError):
            raise UnfitSettingsError(f"--journal: {error}") from error
        # Opening it will say why it can't be written.
    except OSError as error:
        raise UnfitSettingsError(f"--journal: {error}") from error
    return found


def kept_list(account: str, journal: Path | None) -> Path:
    """Return the place of the list of an account's end users, which is kept beside the account's journal.

    Args:
        account: the account, as `journal_account` gives it.
        journal: the journal that the user names; None for the one in the state folder.

    Raises:
        SettingsError: what stands there is somebody else's, or no file.
    """
    from wootric_map.deliver.journal_contents import check_companions

    beside = place(account, journal)
    try:
        check_companions(beside, KEPT_LISTS)
    except (JournalError, OSError) as error:
        raise UnfitSettingsError(f"--against auto: {error}") from error
    return beside.with_name(beside.name + KEPT_LIST)


def listed() -> "list[Listed]":
    """Return the journals in the state folder; one that can't be read, with the account in its name.

    Raises:
        SettingsError: the user has no home.
    """
    from wootric_map.deliver.journal_contents import contents
    from wootric_map.deliver.journal_list import Listed

    found = []
    for path in sorted(state_folder().glob(f"*{JOURNAL}")):
        try:
            held = contents(path, runs=0)
        except JournalError:
            found.append(Listed(path, path.stem))
        else:
            found.append(Listed(path, held.account, held.token_fingerprint, held.base_url))
    return found


def lock_of(account: str) -> Path | None:
    """Return the file of an account's lock; None if the user has no home."""
    with suppress(SettingsError):
        return state_folder() / f"{account}{LOCK}"
    return None


def uses(
    account_token: str | None, base_url: str | None, journal: Path | None, *, writes: bool
) -> list[Use]:
    """Return the uses of the journal, the files beside it, and the account's lock.

    Args:
        account_token: the token of the account.
        base_url: the address of the account, in place of the region's.
        journal: the journal that the user names; None for the one in the state folder.
        writes: whether the run writes to the journal, or only reads it.

    Raises:
        SettingsError: the journal is a folder; or it is written, and the account token or base URL is wrong.
    """
    account = None
    try:
        account = account_of(account_token, base_url)
    except SettingsError:
        if writes:
            raise  # a run that only reads may need no account
    found: list[Use] = []
    lock = lock_of(account) if account else None
    if journal:
        place("", journal)  # no folder
        found += uses_of_journal("--journal", journal, writes=writes)
    elif account and (lock or writes):
        found += uses_of_journal("the journal", place(account, None), writes=writes)
    return [*found, *([use("the account's lock", lock, writes=writes)] if lock else [])]
