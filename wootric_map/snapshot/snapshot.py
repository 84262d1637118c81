"""Snapshot: write an account's end users to a file, or bring such a file up to date."""

import time
from collections.abc import Callable, Iterator, Sequence
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
from wootric_map.deliver import journal_place
from wootric_map.errors import SnapshotError, StoppedError, UnfitSettingsError
from wootric_map.run_files import Use, check, use, use_beside
from wootric_map.snapshot.snapshot_file import PARTIAL, EarlierSnapshot, PartialSnapshot
from wootric_map.stopping import Stop
from wootric_map.wootric.client import Wootric
from wootric_map.wootric.listing import Query, Row, walk
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.regions import account_fingerprint
from wootric_map.wootric.replies import begun_at


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSettings:
    """Whose end users are written, and where."""

    account: AccountSettings = field(default_factory=AccountSettings)
    """Which account it is."""
    output: Path | None = None
    """Where the snapshot goes; `FILE.partial` holds it until it is whole. None stands for `update`."""
    update: Path | None = None
    """A snapshot to bring up to date: only end users who were updated since are asked for."""
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    """How fast calls go, and how long faults are borne with."""

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
        assert target  # noqa: S101 - it was looked at when the settings were made
        return target

    def uses(self) -> list[Use]:
        """Return all files of the run; an earlier snapshot may be brought up to date in its place."""
        name = "-o" if self.output else "--update"
        account = self.account
        replaced = self.update if self.output else None
        return [
            *([use("--update", replaced, gives_way_to=name)] if replaced else ()),
            use(name, self.target, writes=True),
            use_beside(name, self.target, PARTIAL, writes=True),
            *uses_of_login(account, self.connection),
            *(
                ()
                if account.sandbox
                else journal_place.uses(account.account_token, account.base_url, None, writes=False)
            ),
        ]


@dataclass(frozen=True, slots=True)
class SnapshotResult:
    """What a snapshot came to."""

    path: Path
    """Where it stands."""
    end_users: int
    """How many end users it holds."""
    updated: int | None
    """How many of them are new or were updated; None where all were asked for."""
    calls: int
    """All that were made, tries that failed among them."""
    seconds: float
    """How long it took."""


class SnapshotObserver:
    """Is told how far a snapshot has come; does nothing unless a subclass does."""

    def listing(self, held: int, pace: Pace) -> AbstractContextManager[None]:
        """Return a context for the calls.

        Args:
            held: how many end users an earlier run has left.
            pace: tells how many calls there were, and what they wait for.
        """
        return nullcontext()

    def listed(self, count: int) -> None:
        """Take note of end users that have come."""

    def broke_off(self, partial: Path, end_users: int) -> None:
        """Take note of what a run leaves that does not come to its end."""


class Snapshot:
    """Writes an account's end users to a file, 50 a call; stopped, it goes on where it was when run again."""

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
        """Send nothing yet.

        Args:
            settings: whose end users are written, and where.
            observer: is told how far it has come.
            stop: tells it to stop in good order.
            connect: makes a client of the account.
            clock: gives the unix time.
            monotonic: gives seconds that only ever grow.
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
            SnapshotError: a file is no snapshot, or not one of the account.
            StoppedError: the run was told to stop; what it has written is kept to go on with.
            WootricError: the account can't be asked.
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
                stopped = error  # which the stop need not see to
        if stopped:
            raise stopped
        seconds = self._monotonic() - begun
        return SnapshotResult(settings.target, held, updated, pace.calls, seconds)

    def _write(self, wootric: Wootric, pace: Pace, fingerprint: str) -> tuple[int, int | None]:
        """Write the snapshot; return how many end users it holds, and how many of them an update brought."""
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
                return earlier.merge(partial, settings.target), partial.count

    def _pages(
        self, wootric: Wootric, partial: PartialSnapshot, since: int | None
    ) -> Iterator[list[Row]]:
        """Yield the end users that are still to come; a stop keeps the next page from being asked for."""

        def fetch(query: Query) -> Sequence[Row]:
            if self._stop.event.is_set():
                raise StoppedError
            return wootric.list_end_users(query)

        def now() -> float:
            return max(self._clock(), wootric.server_time or 0)

        return walk(fetch, now=now, reached=partial.reached, updated_since=since)

    @contextmanager
    def _telling_what_is_kept(self, partial: PartialSnapshot) -> Iterator[None]:
        try:
            yield
        except Exception:
            if partial.count:
                self._observer.broke_off(partial.path, partial.count)
            raise


def _earlier(path: Path, fingerprint: str, *, in_place: bool) -> EarlierSnapshot:
    """Return the snapshot to bring up to date, if it is of the account."""
    earlier = EarlierSnapshot(path)
    if earlier.account not in (None, fingerprint):
        earlier.close()
        raise SnapshotError(f"{path} is a snapshot of another account; check WOOTRIC_ACCOUNT_TOKEN")
    if in_place and earlier.is_gzip:
        earlier.close()
        raise SnapshotError(f"{path} is gzip, and would not be any more; name a file with -o")
    return earlier
