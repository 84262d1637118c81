"""Write an account's end users to a file, or bring such a file up to date."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from wootric_map.account import (
    AccountSettings,
    Connect,
    ConnectionSettings,
    connected,
    opened,
    uses_of_login,
)
from wootric_map.account_list import latest_clock, pages_until_stopped
from wootric_map.deliver import journal_place
from wootric_map.errors import SnapshotError, StoppedError, UnfitSettingsError
from wootric_map.private_file import PARTIAL
from wootric_map.run_files import Use, check, read, use, use_beside
from wootric_map.snapshot.snapshot_writer import EarlierSnapshot, PartialSnapshot
from wootric_map.stopping import Stop
from wootric_map.wootric.client import Wootric
from wootric_map.wootric.listing import Row, walk
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.regions import account_fingerprint
from wootric_map.wootric.replies import begun_at


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSettings:
    """Which account's end users are written, and where."""

    account: AccountSettings = field(default_factory=AccountSettings)
    output: Path | None = None
    """Where the snapshot goes; None writes over `update`. `FILE.partial` holds it until it is whole."""
    update: Path | None = None
    """A snapshot to bring up to date: only end users updated since it was taken are asked for."""
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    """How fast calls are made, and how long failing ones are tried again."""

    def __post_init__(self) -> None:
        if self.output is None and self.update is None:
            raise UnfitSettingsError("nowhere to write to: add -o FILE, or --update FILE")
        if self.target.name.endswith(PARTIAL):
            raise UnfitSettingsError(
                f"a name in {PARTIAL} is kept for what is unfinished; choose another"
            )

    @property
    def target(self) -> Path:
        """The file that is written."""
        target = self.output or self.update
        assert target  # noqa: S101 - `__post_init__` demands one of the two
        return target

    def uses(self) -> list[Use]:
        """Return all files that the run reads or writes."""
        name = "-o" if self.output else "--update"
        account = self.account
        uses = [
            *read("--update", self.update if self.output else None, gives_way_to=name),
            use(name, self.target, writes=True),
            use_beside(name, self.target, PARTIAL, writes=True),
            *uses_of_login(account, self.connection),
        ]
        if not account.sandbox:
            token, url = account.account_token, account.base_url
            uses += journal_place.uses(token, url, None, writes=False)
        return uses


@dataclass(frozen=True, slots=True)
class SnapshotResult:
    """A snapshot that was written."""

    path: Path
    end_users: int
    """How many end users the snapshot holds."""
    updated: int | None
    """How many end users are new or were updated; None if all were asked for."""
    calls: int
    """How many calls were made, with those that failed."""
    seconds: float


class SnapshotObserver:
    """Is told how far a snapshot has come; subclasses override what they want to know."""

    def listing(self, held: int, pace: Pace) -> AbstractContextManager[None]:
        """Return a context for the calls.

        Args:
            held: how many end users an interrupted run has written already.
            pace: knows how many calls were made, and what they wait for.
        """
        return nullcontext()

    def listed(self, count: int) -> None:
        """Take note that `count` more end users were written."""

    def broke_off(self, partial: Path, end_users: int) -> None:
        """Take note of the file that a run leaves unfinished, and of how many end users it holds."""


class Snapshot:
    """Writes an account's end users to a file, 50 a call; another run goes on where a stopped one was."""

    def __init__(
        self,
        settings: SnapshotSettings,
        *,
        observer: SnapshotObserver | None = None,
        stop: Stop | None = None,
        connect: Connect = connected,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a snapshot; no call is made yet.

        Args:
            settings: which account's end users are written, and where.
            observer: is told how far the snapshot has come.
            stop: tells the run to stop in good order.
            connect: makes a client of the account.
            clock: returns the unix time.
            monotonic: returns seconds that never go back.
        """
        self._settings = settings
        self._observer = observer or SnapshotObserver()
        self._stop = stop or Stop()
        self._connect = connect
        self._clock = clock
        self._monotonic = monotonic

    def run(self) -> SnapshotResult:
        """Write the snapshot.

        Raises:
            SettingsError: the settings can't be right.
            SnapshotError: a file is no snapshot, or a snapshot of another account.
            StoppedError: the run was told to stop; another run can go on with what was written.
            WootricError: a call failed.
        """
        settings = self._settings
        check(settings.uses())
        begun = self._monotonic()
        stopped: StoppedError | None = None
        with ExitStack() as stack:
            account = stack.enter_context(opened(settings.account))
            stop = stack.enter_context(self._stop)
            connection = settings.connection
            pace = Pace(connection.rate, wait=stop.wait, reserve=connection.reserve)
            wootric = stack.enter_context(self._connect(account, pace, connection, connections=1))
            try:
                held, updated = self._write(wootric, pace, account_fingerprint(account.token))
            except StoppedError as error:
                stopped = error  # raised outside of the contexts: no fault for them to handle
        if stopped:
            raise stopped
        seconds = self._monotonic() - begun
        return SnapshotResult(settings.target, held, updated, pace.calls, seconds)

    def _write(self, wootric: Wootric, pace: Pace, fingerprint: str) -> tuple[int, int | None]:
        """Write the snapshot, and return its number of end users, and how many of them an update brought."""
        settings = self._settings
        with ExitStack() as stack:
            earlier = None
            if settings.update is not None:
                in_place = not settings.output
                found = _earlier(settings.update, fingerprint, in_place=in_place)
                earlier = stack.enter_context(found)
            since = earlier.updated_since if earlier else None
            with (
                PartialSnapshot(settings.target, fingerprint, updated_since=since) as partial,
                self._telling_what_is_kept(partial),
            ):
                wootric.sign_in()
                partial.begin(begun_at(wootric.server_time, self._clock()))
                # A page under way is written before a signal stops the run.
                with self._observer.listing(partial.count, pace), self._stop.held():
                    for rows in self._pages(wootric, partial, since):
                        partial.append(rows)
                        self._observer.listed(len(rows))
                if earlier is None:
                    return partial.finish(), None
                return earlier.merge(partial), partial.count

    def _pages(
        self, wootric: Wootric, partial: PartialSnapshot, since: int | None
    ) -> Iterator[list[Row]]:
        """Yield the pages that are still to come; a stop raises before the next call."""
        return walk(
            pages_until_stopped(wootric, self._stop),
            now=latest_clock(wootric, self._clock),
            reached=partial.reached,
            updated_since=since,
        )

    @contextmanager
    def _telling_what_is_kept(self, partial: PartialSnapshot) -> Iterator[None]:
        try:
            yield
        except Exception:
            if partial.count:
                self._observer.broke_off(partial.path, partial.count)
            raise


def _earlier(path: Path, fingerprint: str, *, in_place: bool) -> EarlierSnapshot:
    """Return the snapshot to bring up to date.

    Raises:
        SnapshotError: it is a snapshot of another account, or can't be updated in place.
    """
    earlier = EarlierSnapshot(path)
    if earlier.account not in (None, fingerprint):
        earlier.close()
        raise SnapshotError(f"{path} is a snapshot of another account; check WOOTRIC_ACCOUNT_TOKEN")
    if in_place and earlier.is_gzip:
        earlier.close()
        raise SnapshotError(f"{path} is gzip, and would not be any more; name a file with -o")
    return earlier
