"""The list of an account's end users, as a push reads and keeps it, and a dry run only reads it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from wootric_map.account import Account
from wootric_map.deliver import journal_place
from wootric_map.deliver.account_walk import AccountWalk
from wootric_map.deliver.known_end_users import KnownEndUsers
from wootric_map.errors import StoppedError
from wootric_map.stopping import Stop
from wootric_map.wootric.client import Wootric
from wootric_map.wootric.listing import Fetch, Query, Row
from wootric_map.wootric.regions import account_fingerprint, journal_account
from wootric_map.wootric.replies import begun_at


def kept_list(account: Account, journal: Path | None) -> Path:
    """Return the file that keeps an account's list from run to run.

    Args:
        account: the account.
        journal: the journal that the user names; None for the account's own.

    Raises:
        SettingsError: what stands there is somebody else's, or no file.
    """
    return journal_place.kept_list(journal_account(account.token, account.services), journal)


def kept_list_to_read(account: Account, journal: Path | None, wootric: Wootric) -> Path | None:
    """Return the file that keeps an account's list, if there is one that still holds.

    Args:
        account, journal: as in `kept_list`.
        wootric: tells when a sandbox was started or emptied, which has forgotten what it held before.

    Raises:
        SettingsError: what stands there is somebody else's, or no file.
    """
    kept = kept_list(account, journal)
    if not kept.exists():
        return None
    began = wootric.sandbox_began() if account.services.is_stand_in else None
    return None if began and kept.stat().st_mtime < began else kept


def pages_until_stopped(wootric: Wootric, stop: Stop) -> Fetch:
    """Return a function that gives pages of the list, and raises `StoppedError` once told to stop."""

    def fetch(query: Query) -> Sequence[Row]:
        if stop.event.is_set():
            raise StoppedError
        return wootric.list_end_users(query)

    return fetch


def latest_clock(wootric: Wootric, clock: Callable[[], float]) -> Callable[[], float]:
    """Return a clock that gives the unix time by Wootric's replies, or by `clock` if that is later."""
    return lambda: max(clock(), wootric.server_time or 0)


def account_walk(
    account: Account,
    wootric: Wootric,
    known: KnownEndUsers,
    stop: Stop,
    *,
    clock: Callable[[], float],
    kept: Path | None,
    writes: bool,
) -> AccountWalk:
    """Return what reads the list of an account's end users.

    Args:
        account: the account.
        wootric: gives the pages of the list.
        known: is told what is read.
        stop: ends the reading with a `StoppedError`.
        clock: returns the unix time.
        kept: the file that keeps the list; None for none.
        writes: whether that file is written, or only read.
    """
    return AccountWalk(
        pages_until_stopped(wootric, stop),
        known,
        account_fingerprint(account.token),
        now=latest_clock(wootric, clock),
        begun_at=lambda: begun_at(wootric.server_time, clock()),
        kept=kept,
        writes=writes,
    )
