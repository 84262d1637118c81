"""The contents of a journal, counted for a person."""

import os
import sqlite3
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from wootric_map.deliver.journal_companions import COMPANIONS
from wootric_map.deliver.journal_schema import (
    account_of,
    check_is_one,
    check_whole,
    connected,
    migrate,
    spoilt,
)
from wootric_map.errors import JournalError, NotOursError
from wootric_map.ownership import check_is_ours, place_of_ours

KINDS: Final[Mapping[int, str]] = {
    0: "write",
    1: "eligibility_check",
    2: "page_view",
    4: "response",
    5: "decline",
    6: "surveys_off",
}
"""The kinds of deliveries, by their numbers in the journal."""

MARK: Final = 3
"""The number of a mark, which stands among the deliveries and does not count as one."""


class Run(NamedTuple):
    """A push as the journal remembers it."""

    number: int
    began: float
    """Unix time."""
    ended: float | None
    """Unix time; None if the run was killed, or is still under way."""
    exit_code: int | None
    created: int | None
    updated: int | None
    unchanged: int | None
    eligibility_checks: int | None
    page_views: int | None
    responses: int | None
    declines: int | None
    surveys_off: int | None
    failed: int | None


@dataclass(frozen=True, slots=True)
class Contents:
    """The counts of what a journal holds."""

    account: str
    """As `journal_account` gives it."""
    runs: tuple[Run, ...]
    """The last runs, the latest first."""
    last_finished: Run | None
    """The latest run that came to its end by itself, whatever failed in it (exit codes 0 and 1)."""
    end_users: int
    """The number of end users that runs have met."""
    delivered: Mapping[str, int]
    """The number of deliveries of each of `KINDS`."""
    in_doubt: Mapping[str, int]
    """The number that were sent and not answered."""
    failed: Mapping[str, int]
    """The number that failed when they were last tried."""
    limits: Mapping[str, float | None]
    """The limits that replies told last, in calls a minute by endpoint; None for no limit."""
    token_fingerprint: str | None
    """The fingerprint of the account's token (`account_fingerprint`); None if no run has told it yet."""
    base_url: str | None
    """As `base_url_of` gives it."""


def contents(path: Path, *, runs: int = 10) -> Contents:
    """Return what a journal holds; a run may have it open.

    Args:
        path: the journal.
        runs: the number of last runs to return.

    Raises:
        JournalError: there is no journal, it is another user's, or it can't be read.
    """
    check_is_there(path)
    try:
        database = connected(path)
    except sqlite3.Error as error:
        raise JournalError(spoilt(path, error)) from error
    try:
        check_is_one(database, path)
        migrate(database, path, account_of(database), os.urandom)
        check_whole(database, path)
        database.execute("BEGIN")
        columns = ", ".join(Run._fields)
        query = f"SELECT {columns} FROM run ORDER BY number DESC LIMIT ?"  # noqa: S608
        last = tuple(Run(*row) for row in database.execute(query, (runs,)))
        query = f"SELECT {columns} FROM run WHERE exit_code IN (0, 1) ORDER BY ended DESC LIMIT 1"  # noqa: S608
        finished = database.execute(query).fetchone()
        (end_users,) = database.execute("SELECT count(*) FROM end_user").fetchone()
        limits = database.execute("SELECT endpoint, per_minute FROM pace ORDER BY endpoint")
        query = "SELECT token_fingerprint, base_url FROM account"
        token_fingerprint, base_url = database.execute(query).fetchone()
        return Contents(
            account_of(database),
            last,
            Run(*finished) if finished else None,
            end_users,
            delivered=_counts(database, "delivered"),
            in_doubt=_counts(database, "in_flight"),
            failed=_counts(database, "failed"),
            limits=dict(limits),
            token_fingerprint=token_fingerprint,
            base_url=base_url,
        )
    except sqlite3.Error as error:
        raise JournalError(spoilt(path, error)) from error
    finally:
        database.close()


def _counts(database: sqlite3.Connection, table: str) -> dict[str, int]:
    query = f"SELECT kind, count(*) FROM {table} GROUP BY kind ORDER BY kind"  # noqa: S608
    found = dict(database.execute(query))
    return {name: found.get(kind, 0) for kind, name in KINDS.items()}


def check_is_there(path: Path) -> None:
    """Make sure that a journal exists and is the user's own, since SQLite may write also to one it reads."""
    if not path.is_file():
        raise JournalError(f"{path}: there is no such journal")
    try:
        check_companions(place_of_ours(path))
    except NotOursError as error:
        raise JournalError(str(error)) from error
    except OSError as error:
        raise JournalError(f"{path} can't be read: {error.strerror}") from error


def check_companions(path: Path, suffixes: Sequence[str] = COMPANIONS) -> None:
    """Make sure that the files beside a journal are plain files of the user's own.

    Args:
        path: the journal.
        suffixes: what their names add to that of the journal; by default those of SQLite's files.

    Raises:
        JournalError: there is something else.
        NotOursError: there is a file of somebody else's.
    """
    for each in suffixes:
        companion = path.with_name(path.name + each)
        try:
            status = companion.lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(status.st_mode):
            raise JournalError(f"{companion} is no plain file; move or delete it")
        check_is_ours(companion, status)
