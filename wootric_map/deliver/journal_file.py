"""The file of a journal: opened in private, copied, saved, put back and deleted."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from wootric_map.deliver.journal_companions import COMPANIONS, WAL
from wootric_map.deliver.journal_contents import check_companions, check_is_there, contents
from wootric_map.deliver.journal_schema import (
    account_of,
    check_is_one,
    check_whole,
    connected,
    migrate,
    reason,
    spoilt,
    version_of,
)
from wootric_map.deliver.journal_watch import Watch, Witness
from wootric_map.errors import JournalError, JournalFailedError, NotOursError
from wootric_map.ownership import open_ours, place_of_ours
from wootric_map.run_files import KEPT_LISTS
from wootric_map.temporary_database import temporary_database

_BEGINNING: Final = b"SQLite format 3\0"

_NONCE: Final = 16

_FINISHED: Final = (0, 1)
"""Exit codes of runs that came to their end."""

TORN: Final = (
    "What this run has put on record may be lost: put back a copy of the journal, if there is any, before "
    "the next push; else eligibility checks and page views are sent again"
)


def open_file(
    path: Path,
    account: str,
    random: Callable[[int], bytes],
    about: tuple[str | None, str | None],
) -> tuple[Path, sqlite3.Connection, Watch]:
    """Open the file of an account's journal; make it if there is none.

    Args:
        path: the place of the file; a link of the user's own is followed.
        account: the account that the journal is about.
        random: `random(n)` returns `n` random bytes.
        about: for `status`, the fingerprint of the account's token, and the base URL.

    Returns:
        The place with links followed, the database, and the watch over the file.

    Raises:
        JournalError: the file is no journal, another account's, of a newer release, or another user's.
        JournalFailedError: the file can't be written.
    """
    try:
        path = place_of_ours(path)
        identity = _make_private(path)
    except NotOursError as error:
        raise JournalError(str(error)) from error
    except OSError as error:
        raise JournalFailedError(f"{path} can't be written: {error.strerror}") from error
    except sqlite3.Error as error:
        raise JournalError(spoilt(path, error)) from error
    with ExitStack() as undo:
        undo.enter_context(explained(path))
        database = connected(path)
        undo.callback(database.close)
        migrate(database, path, account, random)
        check_whole(database, path)
        query = (
            "UPDATE account SET token_fingerprint = coalesce(?, token_fingerprint), base_url = ?"
        )
        database.execute(query, about)
        watch = _watched(path, identity, _witness(database, random(_NONCE)))
        undo.pop_all()
    return path, database, watch


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into those of a journal.

    Raises:
        JournalError: the journal can't be used.
        JournalFailedError: the file can't be written.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        raise JournalFailedError(f"{path} can't be written: {reason(error)}") from error
    except sqlite3.Error as error:
        raise JournalError(spoilt(path, error)) from error


def copy_of(path: Path, account: str | None) -> sqlite3.Connection:
    """Copy a journal, which a run may have open, to a temporary database.

    Args:
        path: the journal.
        account: the account that the journal must be about; None for any.

    Raises:
        JournalError: there is no journal, it is another account's or user's, or it can't be read.
    """
    check_is_there(path)
    database = temporary_database()
    try:
        with closing(connected(path)) as original:
            check_is_one(original, path)
            original.backup(database)
        migrate(database, path, account or account_of(database), os.urandom)
        check_whole(database, path)
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.Error):
            raise JournalError(spoilt(path, error)) from error
        raise
    return database


def _make_private(path: Path) -> os.stat_result:
    """Make a journal's file readable by its owner alone; SQLite gives the files beside it the same mode.

    A file that is no journal is not changed.

    Returns:
        The file's status.

    Raises:
        JournalError: the path leads to no file, or no journal.
        NotOursError: the file, or one that SQLite uses beside it, is somebody else's.
        OSError: the file can't be made.
    """
    if path.exists() and not path.is_file():
        raise JournalError(f"{path} is no file; a journal is one")
    if not path.parent.is_dir():
        raise JournalError(f"{path}: the folder {path.parent} is missing")
    check_companions(path)
    descriptor = open_ours(path, os.O_RDWR | os.O_CREAT)
    try:
        status = os.fstat(descriptor)
        is_new = not status.st_size
        # A change that was interrupted may have left any beginning; SQLite undoes it.
        is_cut = path.with_name(f"{path.name}-journal").exists()
        if not (is_new or is_cut) and os.pread(descriptor, len(_BEGINNING), 0) != _BEGINNING:
            raise JournalError(spoilt(path, "file is not a database"))
        if is_new:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(
            descriptor
        )  # before SQLite opens the file: to close it later would release its locks
    if is_new:
        return status
    wal = path.with_name(path.name + WAL)
    has_log = wal.exists() and wal.stat().st_size > 0
    # Without a log no run has the journal open, and SQLite must leave nothing beside it.
    with (
        suppress(sqlite3.OperationalError),  # opening it to write will meet the same error
        closing(connected(path, "mode=ro" if has_log else "immutable=1")) as database,
    ):
        version_of(database, path)
    descriptor = open_ours(path, os.O_RDWR)
    try:
        os.fchmod(descriptor, 0o600)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _witness(database: sqlite3.Connection, nonce: bytes) -> Witness:
    """Write a page into a journal that tells it from any other file put in its place.

    From then on SQLite does not write the log back by itself, so that each change of the database is known.
    """
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("BEGIN IMMEDIATE")
    database.execute("DELETE FROM witness")
    database.execute("INSERT INTO witness VALUES (?)", (nonce,))
    database.execute("COMMIT")
    write_log_back(database)
    (page,) = database.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'witness'"
    ).fetchone()
    (size,) = database.execute("PRAGMA page_size").fetchone()
    return Witness((page - 1) * size, size, nonce)


def write_log_back(database: sqlite3.Connection) -> None:
    """Write the log back to the database, as far as no reader needs it."""
    database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _watched(path: Path, identity: os.stat_result, witness: Witness) -> Watch:
    """Watch a journal that was just opened, if it is still the file that `identity` describes."""
    try:
        if not os.path.samestat(identity, path.lstat()):
            raise JournalFailedError(f"{path} was replaced by another file just now; try again")
        check_companions(path)
        return Watch(path, witness)
    except NotOursError as error:
        raise JournalError(str(error)) from error
    except OSError as error:
        raise JournalFailedError(f"{path} can't be looked at: {error.strerror}") from error


def save_copy(database: sqlite3.Connection, path: Path) -> Path | Exception:
    """Copy an open journal whose file was taken away beside its place; return where to, or why not."""
    try:
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f"{path.name}.", suffix=".saved"
        )
        os.close(descriptor)
    except OSError as error:
        return error
    try:
        with closing(connected(Path(name))) as copy:
            database.backup(copy)
    except sqlite3.Error as error:
        Path(name).unlink(missing_ok=True)
        return error
    return Path(name)


def put_back(copy: Path, path: Path) -> str:
    """Move a copy of a journal to its place, unless a file stands there; return what to tell the user."""
    try:
        path.hardlink_to(copy)
    except OSError:
        return (
            f"All that it held is in {copy} now: move that file to {path}, then run the same command again; "
            "without it, eligibility checks and page views are sent again"
        )
    copy.unlink()
    return "It was written anew, with all that it held: run the same command again"


def forget(path: Path) -> None:
    """Delete a journal that no run has open, and the list of end users beside it."""
    contents(path, runs=0)  # raises if it is no journal
    _delete(path, ("", *COMPANIONS, *KEPT_LISTS))


def forget_list(path: Path) -> bool:
    """Delete the list of end users that was kept beside a journal; return whether there was one."""
    is_kept = any(path.with_name(path.name + suffix).exists() for suffix in KEPT_LISTS)
    _delete(path, KEPT_LISTS)
    return is_kept


def _delete(path: Path, suffixes: Iterable[str]) -> None:
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def discard_unused(path: Path) -> None:
    """Delete a journal that holds nothing but one run which was cut short before it did anything.

    Args:
        path: the journal; the caller has its lock and has closed it.
    """
    if not path.is_file():
        return
    with suppress(OSError, sqlite3.Error):
        with closing(connected(path)) as database:
            is_used = _is_used(database)
        if not is_used:
            contents(path, runs=0)  # raises if it is no journal
            _delete(path, ("", *COMPANIONS))


def _is_used(database: sqlite3.Connection) -> bool:
    runs = database.execute("SELECT exit_code FROM run").fetchall()
    if len(runs) != 1 or runs[0][0] in _FINISHED:
        return True
    query = (
        "SELECT name FROM sqlite_master "
        "WHERE type = 'table' AND name NOT IN ('account', 'run', 'pace', 'witness')"
    )
    tables = [name for (name,) in database.execute(query)]
    return any(database.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)  # noqa: S608
