"""Reading the list of an account's end users, as far as that saves more look-ups than it costs calls.

A page of the list holds 50 end users, so that a small account is known in a call or two. Of a large account
nobody knows how many pages there are. The walk ends once it has cost as many calls as there are end users
still to be looked up: so the walk and the look-ups together cost twice the better of the two at most.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

from wootric_map.deliver.known_end_users import KnownEndUsers
from wootric_map.errors import CallFailedError, SnapshotError
from wootric_map.plan.plan import Plan
from wootric_map.private_file import PARTIAL
from wootric_map.snapshot.snapshot_lines import SnapshotLines
from wootric_map.snapshot.snapshot_reader import end_users_in
from wootric_map.snapshot.snapshot_writer import EarlierSnapshot, PartialSnapshot
from wootric_map.wootric.end_users import Reached, end_user_from
from wootric_map.wootric.listing import Fetch, Query, Row, walk


class WantedEndUsers:
    """The end users of a plan who are to be looked up, as long as nothing is known of them."""

    def __init__(self, plan: Plan) -> None:
        """Begin with nobody."""
        self._plan = plan
        self._marks = bytearray(plan.ids)
        self.count = 0
        """How many end users they are."""

    def add(self, root: int) -> None:
        """Add an end user by the root of their ids; again makes no difference."""
        self.count += not self._marks[root]
        self._marks[root] = 1

    def meet(self, row: Row) -> None:
        """Remove whoever an end user of the account surely is."""
        for root in self._plan.surely_named_by(end_user_from(row)):
            self.count -= self._marks[root]
            self._marks[root] = 0


class AccountWalk:
    """Reads the list of an account's end users into what a run knows of the account."""

    def __init__(
        self,
        fetch: Fetch,
        known: KnownEndUsers,
        account: str,
        *,
        now: Callable[[], float],
        begun_at: Callable[[], int],
        kept: Path | None,
        writes: bool,
    ) -> None:
        """Read nothing yet.

        Args:
            fetch: returns the rows of a page of the list, which takes a call.
            known: what the run knows of the account.
            account: the account's fingerprint, as `account_fingerprint` gives it.
            now: returns the unix time, by Wootric's clock if that is later than this machine's.
            begun_at: returns the unix second from which on a list that is begun now may miss a change.
            kept: the file that keeps the list from run to run; None for none.
            writes: whether the file is written, or only read.
        """
        self._fetch = fetch
        self._known = known
        self._account = account
        self._now = now
        self._begun_at = begun_at
        self._kept = kept
        self._writes = writes
        self.calls: int = 0
        """How many pages were read."""

    def read(self, wanted: WantedEndUsers) -> None:
        """Read the list, for as long as that is worth its calls.

        A file that can't be used is deleted, and the list read anew.

        Raises:
            CallFailedError: the list makes no sense, or Wootric refuses to give it.
            OSError: the file can't be written.
            WootricError: Wootric could not be asked.
        """
        try:
            if self._kept is None:
                self._known.is_complete = self._read(wanted)
            elif self._writes:
                self._go_on(wanted, self._kept)
            else:
                self._look_into(wanted, self._kept)
        except SnapshotError:
            self.forget_kept_before(inf)
            self._known.forget_all()
            self._known.is_complete = self._read(wanted)

    def try_to_read(self, wanted: WantedEndUsers) -> str | None:
        """Read the list; return why it can't be used, so that nobody is known by it, or None.

        Raises:
            OSError: the file can't be written.
            WootricError: Wootric could not be asked.
        """
        try:
            self.read(wanted)
        except CallFailedError as error:
            self._known.forget_all()
            return str(error)
        return None

    def forget_kept_before(self, second: float) -> None:
        """Delete what was kept before a unix time, which a sandbox that began then has forgotten."""
        for each in self._files():
            with suppress(OSError):
                if each.lstat().st_mtime < second:
                    each.unlink()

    @property
    def keeps_any(self) -> bool:
        """Whether earlier runs have kept anything of the list."""
        return any(each.exists() for each in self._files())

    def _files(self) -> list[Path]:
        kept = self._kept
        return [kept, kept.with_name(kept.name + PARTIAL)] if kept and self._writes else []

    def _go_on(self, wanted: WantedEndUsers, kept: Path) -> None:
        """Bring the file up to date, or go on with one that an earlier run left unfinished.

        What an earlier run has read may have changed since: once it is whole, it is brought up to date.
        """
        while True:
            earlier = self._earlier(kept) if kept.exists() else None
            try:
                if self._is_brought_up_to_date(wanted, kept, earlier):
                    return
            finally:
                if earlier:
                    earlier.close()

    def _is_brought_up_to_date(
        self, wanted: WantedEndUsers, kept: Path, earlier: EarlierSnapshot | None
    ) -> bool:
        """Read what is new in the list; return whether no more is to be read."""
        since = earlier.updated_since if earlier else None
        with PartialSnapshot(kept, self._account, updated_since=since) as partial:
            is_resumed = partial.count > 0
            partial.begin(self._begun_at())
            if not self._read(wanted, partial.reached, since, partial):
                return True
            if earlier and not is_resumed:
                self._known.add_earlier(end_users_in(SnapshotLines(kept)))
            if earlier:
                earlier.merge(partial)
            else:
                partial.finish()
        self._known.is_complete = not is_resumed
        return not is_resumed

    def _look_into(self, wanted: WantedEndUsers, kept: Path) -> None:
        """Use what earlier runs have kept, without a change to it."""
        since = None
        if kept.exists():
            earlier = self._earlier(kept)
            since = earlier.updated_since
            earlier.close()
        is_complete = self._read(wanted, None, since)
        if is_complete and since is not None:
            self._known.add_earlier(end_users_in(SnapshotLines(kept)))
        self._known.is_complete = is_complete

    def _earlier(self, kept: Path) -> EarlierSnapshot:
        """Return what earlier runs have kept; raise SnapshotError if it is no list of this account."""
        earlier = EarlierSnapshot(kept)
        if earlier.account not in (None, self._account):
            earlier.close()
            raise SnapshotError(f"{kept} is of another account")
        return earlier

    def _read(
        self,
        wanted: WantedEndUsers,
        reached: Reached | None = None,
        since: int | None = None,
        partial: PartialSnapshot | None = None,
    ) -> bool:
        """Read the list on from where an earlier reading stopped.

        Args:
            wanted: the end users of whom nothing is known.
            reached: where the reading stopped; None for the beginning.
            since: unix seconds; only end users updated then or later are read. None for all.
            partial: where the rows are kept.

        Returns:
            Whether the list was read to its end.
        """

        def fetch(query: Query) -> Sequence[Row]:
            if self.calls >= wanted.count:
                raise _EnoughError
            self.calls += 1
            return self._fetch(query)

        try:
            for rows in walk(fetch, now=self._now, reached=reached, updated_since=since):
                if partial:
                    partial.append(rows)
                self._known.add(map(end_user_from, rows))
                for row in rows:
                    wanted.meet(row)
        except _EnoughError:
            return False
        return True


class _EnoughError(Exception):
    """One more page would not be worth its call."""
