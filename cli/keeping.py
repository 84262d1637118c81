"""The journal that a push keeps: where it stands, and that one run at a time has it."""

import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.account import Account
from cli.render.text import duration, printable
from wootric_map.deliver.run_lock import Holder, RunLock, holder
from wootric_map.errors import LockedError, NotAFileError, NotOursError
from wootric_map.ownership import place_of_ours
from wootric_map.run_files import LOCK
from wootric_map.wootric.regions import account_fingerprint, base_url_of, journal_account, services

if TYPE_CHECKING:
    from wootric_map.deliver.journal import Journal
    from wootric_map.deliver.journal_list import Listed

JOURNAL: Final = ".journal"
"""What an account's journal is called behind its fingerprint; its lock is called `LOCK` there."""


def state_folder() -> Path:
    """Where journals stand unless told otherwise, as the platform has it.

    Raises:
        click.UsageError: whoever runs this has no home.
    """
    from platformdirs import user_state_path  # noqa: PLC0415 - not every command needs it

    try:
        return user_state_path("wootric-replay", appauthor=False)
    except RuntimeError as error:
        raise click.UsageError(
            "there is no home folder to keep the journal in: set HOME or XDG_STATE_HOME, or name a "
            "place with --journal FILE"
        ) from error


def account_of(account_token: str | None, base_url: str | None) -> str | None:
    """The account as its journal names it; None where no token names any.

    Raises:
        SettingsError: the account token or base URL is none.
    """
    return (
        journal_account(account_token, services(account_token, base_url)) if account_token else None
    )


def place(account: str, journal: Path | None) -> Path:
    """Where an account's journal is; by one name, since a link to it has no companions of its own.

    Raises:
        click.UsageError: it is a folder.
    """
    if journal and journal.is_dir():
        raise click.UsageError(f"--journal {journal} is a folder; name a file in it")
    return journal.resolve() if journal else state_folder() / f"{account}{JOURNAL}"


def _own_place(account: str, journal: Path | None) -> Path:
    """Where an account's journal is that is to be written.

    Raises:
        click.UsageError: as in `place`, or it is somebody else's.
    """
    found = place(account, journal)
    try:
        place_of_ours(journal or found)
    except (NotADirectoryError, PermissionError) as error:
        if isinstance(error, NotOursError):
            raise click.UsageError(f"--journal: {error}") from error
        # Whoever is to write there says why it can't be.
    except OSError as error:
        raise click.UsageError(f"--journal: {error}") from error
    return found


def listed() -> "list[Listed]":
    """The journals in the state folder; of one that can't be read, what its name tells.

    Raises:
        click.UsageError: as in `state_folder`.
    """
    from wootric_map.deliver.journal_contents import contents  # noqa: PLC0415
    from wootric_map.deliver.journal_list import Listed  # noqa: PLC0415 - as above
    from wootric_map.errors import JournalError  # noqa: PLC0415

    found = []
    for path in sorted(state_folder().glob(f"*{JOURNAL}")):
        try:
            held = contents(path, runs=0)
        except JournalError:
            found.append(Listed(path, path.stem))
        else:
            found.append(Listed(path, held.account, held.token_fingerprint, held.base_url))
    return found


@contextmanager
def kept(
    to: Account,
    given: Mapping[str, Any],
    wait: Any,
    *,
    since: float | None,
    temporary: bool,
    quiet: bool,
) -> "Iterator[Journal]":
    """The account's journal, which no other run has meanwhile.

    Args:
        to: the account.
        given: the values of `options.journal_options`.
        wait: waits so many seconds; True if the run was told to stop.
        since: as in `Journal.open`.
        temporary: whether to keep one for this run alone.
        quiet: whether not to say that it waits.

    Raises:
        LockedError: another run is at work on the account.
        JournalError: the journal can't be used.
    """
    from wootric_map.deliver.journal import Journal  # noqa: PLC0415 - SQLite is slow to import
    from wootric_map.deliver.journal_file import discard_unused  # noqa: PLC0415

    if temporary:
        with Journal.temporary() as journal:
            yield journal
        return
    account = journal_account(to.token, to.services)
    path = _own_place(account, given["journal"])
    with ExitStack() as stack:
        locks = locked(account, path, patience=given["wait"], wait=wait, quiet=quiet)
        stack.enter_context(locks)
        opened = Journal.open(
            path,
            account,
            recalls=not given["again"],
            resends=given["in_doubt"] == "resend",
            since=since,
            token_fingerprint=account_fingerprint(to.token),
            base_url=base_url_of(to.token, to.services),
        )
        stack.callback(discard_unused, path)  # once it is closed
        yield stack.enter_context(opened)


def lock_of(account: str) -> Path | None:
    """The lock of an account; None without a home of one's own, where the journal's lock has to do."""
    with suppress(click.UsageError):
        return state_folder() / f"{account}{LOCK}"
    return None


@contextmanager
def locked(
    account: str, path: Path, *, patience: float, wait: Any, quiet: bool = False
) -> Iterator[None]:
    """Keep every other run from working on an account, and from writing to a journal.

    The files of the locks stay if there is a journal in the end.

    Args:
        account: as `journal_account` gives it.
        path: the journal.
        patience: seconds to wait for whoever is at work on it.
        wait, quiet: as above.

    Raises:
        LockedError: somebody still is; the message says who.
        JournalFailedError: there is no place for the lock.
        click.UsageError: what is in its place is no file, or somebody else's.
    """
    from wootric_map.errors import JournalFailedError  # noqa: PLC0415

    own = lock_of(account)
    folder = own.parent if own else None
    # Wherever the journal stands, the account is one; and wherever its lock stands, so is the journal.
    common = _runtime_folder()
    locks = [each for each in (common and common / f"{account}{LOCK}", own) if each]
    if path.parent != folder:
        locks.append(path.with_name(path.name + LOCK))
    deadline = time.monotonic() + patience
    with ExitStack() as stack:
        for lock in locks:
            try:
                if folder and lock.parent == folder:
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                found = holder(lock) if patience and not quiet else None
                if found:
                    click.echo(f"Waiting for another run to end: {who(found)}", err=True)
                taken = RunLock.take(
                    lock,
                    patience=deadline - time.monotonic(),
                    wait=wait,
                    clock=time.time,
                    monotonic=time.monotonic,
                )
            except LockedError:
                raise LockedError(_busy(holder(lock))) from None
            except NotAFileError as error:
                if lock.parent == common:
                    continue  # as below
                raise click.UsageError(f"{lock} is in the way; move or delete it") from error
            except NotOursError as error:
                raise click.UsageError(str(error)) from error
            except OSError as error:
                if lock.parent == common or (lock.parent == folder and path.parent != folder):
                    continue  # as above
                raise JournalFailedError(
                    f"{lock} can't be written: {error.strerror}; --journal FILE keeps the journal elsewhere"
                ) from error
            stack.enter_context(taken)
            if lock.parent == common:
                stack.callback(taken.remove)
            else:
                stack.callback(_remove_without_journal, taken, path)
        yield


def _runtime_folder() -> Path | None:
    """Where this user's runs on this machine find each other, whatever their state folders are.

    None where there is no such folder that is this user's alone.
    """
    # What platformdirs falls back to depends on TMPDIR, which a cron job's shell sets otherwise.
    of_system = Path(f"/run/user/{os.geteuid()}")
    told = os.environ.get("XDG_RUNTIME_DIR")
    if told or of_system.is_dir():
        folder = Path(told or of_system, "wootric-replay")
    else:
        folder = Path(f"/tmp/wootric-replay-{os.geteuid()}")  # noqa: S108 - its owner is looked at
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return folder if is_own and not status.st_mode & 0o022 else None


def _remove_without_journal(lock: RunLock, path: Path) -> None:
    """Delete the file of a lock that is about to be let go, unless there is a journal."""
    if not path.exists():
        lock.remove()


def under_way(path: Path) -> Holder | None:
    """Who is at work with a journal just now; None where nobody is."""
    own = path.with_name(path.name + LOCK)
    return holder(path.with_suffix(LOCK) if path.suffix == JOURNAL else own) or holder(own)


def who(found: Holder) -> str:
    """Who has a lock, for people."""
    if not found.process:
        return "another process"
    since = datetime.fromtimestamp(found.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    length = duration(max(time.time() - found.since, 0))
    return f"process {found.process} on {printable(found.host)}, since {since} ({length})"


def _busy(found: Holder | None) -> str:
    name = who(found) if found else "another process, which has just ended"
    return f"another run is at work on this account: {name}; --wait SECONDS waits for its end"
