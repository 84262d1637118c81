"""That one run at a time works on an account, and that this run has the account's journal."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wootric_map.deliver.journal_place import JOURNAL, lock_of, own_place
from wootric_map.deliver.run_lock import Holder, RunLock, holder
from wootric_map.errors import (
    JournalFailedError,
    LockedError,
    NotAFileError,
    NotOursError,
    UnfitSettingsError,
)
from wootric_map.run_files import LOCK
from wootric_map.values.durations import duration
from wootric_map.wootric.regions import (
    Services,
    account_fingerprint,
    base_url_of,
    journal_account,
)

if TYPE_CHECKING:
    from wootric_map.deliver.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """Where the journal of what was delivered stands, and how earlier runs count."""

    path: Path | None = None
    """The journal's file; None for the account's own, in the state folder."""
    again: bool = False
    """Send once more what the journal says is delivered."""
    resend_doubtful: bool = False
    """Send eligibility checks and page views again that got no answer; they may count twice."""
    wait: float = 0.0
    """Seconds to wait for a run that is at work on the account."""


@contextmanager
def account_journal(
    account_token: str,
    at: Services,
    settings: JournalSettings,
    *,
    wait: Callable[[float], bool],
    since: float | None = None,
    on_waiting: Callable[[Holder], object] | None = None,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> "Iterator[Journal]":
    """Give the account's journal, which no other run has meanwhile.

    Args:
        account_token: the account's.
        at: where the account stands.
        settings: where the journal stands, and how earlier runs count.
        wait: waits so many seconds; True if the run was told to stop.
        since: as in `Journal.open`.
        on_waiting: told who is at work on the account, if the run waits for them.
        clock: gives the unix time.
        monotonic: gives seconds that only ever grow.

    Raises:
        LockedError: another run is at work on the account.
        JournalError: the journal can't be used.
        SettingsError: what stands in the journal's place is no file, or somebody else's.
    """
    from wootric_map.deliver.journal import Journal
    from wootric_map.deliver.journal_file import discard_unused

    account = journal_account(account_token, at)
    path = own_place(account, settings.path)
    with ExitStack() as stack:
        stack.enter_context(
            locked(
                account,
                path,
                patience=settings.wait,
                wait=wait,
                on_waiting=on_waiting,
                clock=clock,
                monotonic=monotonic,
            )
        )
        opened = Journal.open(
            path,
            account,
            recalls=not settings.again,
            resends=settings.resend_doubtful,
            since=since,
            token_fingerprint=account_fingerprint(account_token),
            base_url=base_url_of(account_token, at),
        )
        stack.callback(discard_unused, path)  # once it is closed
        yield stack.enter_context(opened)


@contextmanager
def locked(
    account: str,
    path: Path,
    *,
    patience: float,
    wait: Callable[[float], bool],
    on_waiting: Callable[[Holder], object] | None = None,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Keep every other run from working on an account, and from writing to a journal.

    The files of the locks stay if there is a journal in the end.

    Args:
        account: as `journal_account` gives it.
        path: the journal.
        patience: seconds to wait for whoever is at work on it.
        wait, on_waiting, clock, monotonic: as in `account_journal`.

    Raises:
        LockedError: somebody still is; the message says who.
        JournalFailedError: there is no place for the lock.
        SettingsError: what is in its place is no file, or somebody else's.
    """
    own = lock_of(account)
    folder = own.parent if own else None
    # Wherever the journal stands, the account is one; and wherever its lock stands, so is the journal.
    common = _runtime_folder()
    locks = [each for each in (common and common / f"{account}{LOCK}", own) if each]
    if path.parent != folder:
        locks.append(path.with_name(path.name + LOCK))
    deadline = monotonic() + patience
    with ExitStack() as stack:
        for lock in locks:
            try:
                if folder and lock.parent == folder:
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                found = holder(lock) if patience and on_waiting else None
                if found and on_waiting:
                    on_waiting(found)
                taken = RunLock.take(
                    lock,
                    patience=deadline - monotonic(),
                    wait=wait,
                    clock=clock,
                    monotonic=monotonic,
                )
            except LockedError:
                raise LockedError(_busy(holder(lock), clock())) from None
            except NotAFileError as error:
                if lock.parent == common:
                    continue  # as below
                raise UnfitSettingsError(f"{lock} is in the way; move or delete it") from error
            except NotOursError as error:
                raise UnfitSettingsError(str(error)) from error
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


def under_way(path: Path) -> Holder | None:
    """Return who is at work with a journal just now; None where nobody is."""
    own = path.with_name(path.name + LOCK)
    return holder(path.with_suffix(LOCK) if path.suffix == JOURNAL else own) or holder(own)


def described(found: Holder, now: float) -> str:
    """Return who has a lock, for a person.

    Args:
        found: who has it.
        now: the unix time.
    """
    if not found.process:
        return "another process"
    since = datetime.fromtimestamp(found.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    length = duration(max(now - found.since, 0))
    return f"process {found.process} on {found.host}, since {since} ({length})"


def _runtime_folder() -> Path | None:
    """Return where this user's runs on this machine find each other, whatever their state folders are.

    It is None where there is no such folder that is this user's alone.
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


def _busy(found: Holder | None, now: float) -> str:
    name = described(found, now) if found else "another process, which has just ended"
    return f"another run is at work on this account: {name}; --wait SECONDS waits for its end"
