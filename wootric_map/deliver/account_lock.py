"""The lock of an account, which one run at a time has, and with it the account's journal."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
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
    """Where the journal stands, and how earlier runs count."""

    path: Path | None = None
    """The journal's file; None for the account's own, in the state folder."""
    again: bool = False
    """Whether to send once more what the journal says is delivered."""
    resend_doubtful: bool = False
    """Whether to send eligibility checks and page views again that got no answer; they may count twice."""
    wait: float = 0.0
    """Seconds to wait for another run on the account to end."""


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
    """Open the account's journal, and keep other runs from the account within the context.

    Args:
        account_token: the token of the account.
        at: the addresses of the account.
        settings: where the journal stands, and how earlier runs count.
        wait: waits so many seconds; returns true if the run was told to stop.
        since: as in `Journal.open`.
        on_waiting: is told which run is waited for, if any is.
        clock: returns the unix time.
        monotonic: returns seconds by a clock that is never set.

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
                timeout=settings.wait,
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


@dataclass(frozen=True, slots=True)
class _LockFile:
    """The file of one of the locks that a run takes."""

    path: Path
    is_temporary: bool
    """Whether the file stands in a runtime folder, and goes with the run."""
    is_optional: bool
    """Whether the run goes on without the lock if the file can't be written."""

    def taken(self, take: Callable[[Path], RunLock]) -> RunLock | None:
        """Take the lock; return None if the run goes on without it.

        Raises:
            LockedError: another run has it.
            JournalFailedError: the file can't be written.
            SettingsError: what stands in the file's place is no file, or somebody else's.
        """
        try:
            return take(self.path)
        except NotAFileError as error:
            if self.is_temporary:
                return None
            raise UnfitSettingsError(f"{self.path} is in the way; move or delete it") from error
        except NotOursError as error:
            raise UnfitSettingsError(str(error)) from error
        except OSError as error:
            if self.is_optional:
                return None
            raise JournalFailedError(
                f"{self.path} can't be written: {error.strerror}; --journal FILE keeps the journal elsewhere"
            ) from error


@contextmanager
def locked(
    account: str,
    path: Path,
    *,
    timeout: float,
    wait: Callable[[float], bool],
    on_waiting: Callable[[Holder], object] | None = None,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Keep every other run from working on an account, and from writing to a journal.

    The files of the locks stay if the journal exists in the end.

    Args:
        account: the account, as `journal_account` gives it.
        path: the journal.
        timeout: seconds to wait for another run to end.
        wait, on_waiting, clock, monotonic: as in `account_journal`.

    Raises:
        LockedError: another run is still at work; the message says which.
        JournalFailedError: there is no place for the lock.
        SettingsError: what stands in the lock's place is no file, or somebody else's.
    """
    deadline = monotonic() + timeout
    state = _state_folder(account)

    def take(lock: Path) -> RunLock:
        if lock.parent == state:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = holder(lock) if timeout and on_waiting else None
        if found and on_waiting:
            on_waiting(found)
        left = deadline - monotonic()
        try:
            return RunLock.take(lock, timeout=left, wait=wait, clock=clock, monotonic=monotonic)
        except LockedError:
            raise LockedError(_busy(holder(lock), clock())) from None

    with ExitStack() as stack:
        for lock in _lock_files(account, path):
            taken = lock.taken(take)
            if taken:
                stack.enter_context(taken)
                if lock.is_temporary:
                    stack.callback(taken.remove)
                else:
                    stack.callback(_remove_without_journal, taken, path)
        yield


def _state_folder(account: str) -> Path | None:
    own = lock_of(account)
    return own.parent if own else None


def _lock_files(account: str, path: Path) -> Iterator[_LockFile]:
    """Yield the files that lock an account, wherever its journal stands, and a journal, whosever it is."""
    state = _state_folder(account)
    runtime = [each for each in _runtime_folders() if not state or each != state.resolve()]
    paths = [folder / f"{account}{LOCK}" for folder in (*runtime, state) if folder]
    if path.parent != state:
        paths.append(path.with_name(path.name + LOCK))
    for each in paths:
        is_temporary = each.parent in runtime
        beside_another = each.parent == state and path.parent != state
        yield _LockFile(each, is_temporary, is_optional=is_temporary or beside_another)


def current_holder(path: Path) -> Holder | None:
    """Return which run has a journal now; None if none has."""
    own = path.with_name(path.name + LOCK)
    return holder(path.with_suffix(LOCK) if path.suffix == JOURNAL else own) or holder(own)


def describe_holder(found: Holder, now: float) -> str:
    """Return words for the process that has a lock; `now` is the unix time."""
    if not found.process:
        return "another process"
    since = datetime.fromtimestamp(found.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    length = duration(max(now - found.since, 0))
    return f"process {found.process} on {found.host}, since {since} ({length})"


def _runtime_folders() -> list[Path]:
    """Return the folders in which this user's runs find each other, whatever their state folders are.

    The one in `/tmp` does not depend on the environment, which a cron job's shell sets otherwise; but another
    user may have taken its name. What platformdirs falls back to depends on TMPDIR. Only folders that this
    user alone can write to are returned.
    """
    user = os.geteuid()
    folders = [Path(f"/tmp/wootric-replay-{user}")]  # noqa: S108 - its owner is looked at
    of_system, told = Path(f"/run/user/{user}"), os.environ.get("XDG_RUNTIME_DIR")
    if of_system.is_dir():
        folders.append(of_system / "wootric-replay")
    if told:
        folders.append(Path(told, "wootric-replay"))
    given = set()  # of resolved paths: one folder may have two, and a lock is taken once
    for folder in folders:
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = folder.lstat()
            is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == user
            if is_own and not status.st_mode & 0o022:
                given.add(folder.resolve())
    return sorted(given)


def _remove_without_journal(lock: RunLock, path: Path) -> None:
    """Delete the file of a lock, unless the journal exists."""
    if not path.exists():
        lock.remove()


def _busy(found: Holder | None, now: float) -> str:
    name = describe_holder(found, now) if found else "another process, which has just ended"
    return f"another run is at work on this account: {name}; --wait SECONDS waits for its end"
