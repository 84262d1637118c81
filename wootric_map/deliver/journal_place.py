"""Where journals stand, and which journal is an account's."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wootric_map.errors import JournalError, NotOursError, SettingsError, UnfitSettingsError
from wootric_map.ownership import place_of_ours
from wootric_map.run_files import LOCK, Use, use, uses_of_journal
from wootric_map.wootric.regions import journal_account, services

if TYPE_CHECKING:
    from wootric_map.deliver.journal_list import Listed

JOURNAL: Final = ".journal"
"""What an account's journal is called behind its fingerprint; its lock is called `LOCK` there."""


def state_folder() -> Path:
    """Return where journals stand unless told otherwise, as the platform has it.

    Raises:
        SettingsError: whoever runs this has no home.
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
    """Return the account as its journal names it; None where no token names any.

    Raises:
        SettingsError: the account token or base URL is none.
    """
    return (
        journal_account(account_token, services(account_token, base_url)) if account_token else None
    )


def place(account: str, journal: Path | None) -> Path:
    """Return where an account's journal is; by one name, since a link to it has no companions of its own.

    Args:
        account: as `journal_account` gives it.
        journal: where the caller wants it to be; None leaves that to the state folder.

    Raises:
        SettingsError: it is a folder.
    """
    if journal and journal.is_dir():
        raise UnfitSettingsError(f"--journal {journal} is a folder; name a file in it")
    return journal.resolve() if journal else state_folder() / f"{account}{JOURNAL}"


def own_place(account: str, journal: Path | None) -> Path:
    """Return where an account's journal is that is to be written; arguments as in `place`.

    Raises:
        SettingsError: it is a folder, or somebody else's.
    """
    found = place(account, journal)
    try:
        place_of_ours(journal or found)
    except (NotADirectoryError, PermissionError) as error:
        if isinstance(error, NotOursError):
            raise UnfitSettingsError(f"--journal: {error}") from error
        # Whoever is to write there says why it can't be.
    except OSError as error:
        raise UnfitSettingsError(f"--journal: {error}") from error
    return found


def listed() -> "list[Listed]":
    """Return the journals in the state folder; of one that can't be read, what its name tells.

    Raises:
        SettingsError: whoever runs this has no home.
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
    """Return the lock of an account; None without a home, where the journal's lock has to do."""
    with suppress(SettingsError):
        return state_folder() / f"{account}{LOCK}"
    return None


def uses(
    account_token: str | None, base_url: str | None, journal: Path | None, *, writes: bool
) -> list[Use]:
    """Return the uses of the journal, of what stands beside it, and of the account's lock.

    Args:
        account_token: the account's.
        base_url: where the account stands, if not where its token says.
        journal: where the caller wants the journal to be.
        writes: whether the journal is kept, or only read.

    Raises:
        SettingsError: the journal is a folder; or, where it is kept, the account token or base URL is none.
    """
    account = None
    try:
        account = account_of(account_token, base_url)
    except SettingsError:
        if writes:
            raise  # else the run may need no account
    found: list[Use] = []
    lock = lock_of(account) if account else None
    if journal:
        place("", journal)  # no folder
        found += uses_of_journal("--journal", journal, writes=writes)
    elif account and (lock or writes):
        found += uses_of_journal("the journal", place(account, None), writes=writes)
    return [*found, *([use("the account's lock", lock, writes=writes)] if lock else [])]
