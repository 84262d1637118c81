"""Reading the list of an account's end users, as far as that saves more look-ups than it costs calls.

A page of the list holds 50 end users, so that a small account is known in a call or two. Of a large account
nobody knows how many pages there are. The walk ends once it has cost as many calls as there are end users
still to be looked up: so the walk and the look-ups together cost twice the better of the two at most.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from math import inf
from pathlib import Path
from typing import Final, NamedTuple, cast

from wootric_map.deliver.known_end_users import KnownEndUsers
from wootric_map.errors import CallFailedError, SnapshotError
from wootric_map.model import EndUser
from wootric_map.plan.plan import Plan
from wootric_map.private_file import PARTIAL
from wootric_map.snapshot.snapshot_lines import SnapshotLines
from wootric_map.snapshot.snapshot_reader import end_users_in
from wootric_map.snapshot.snapshot_writer import EarlierSnapshot, PartialSnapshot
from wootric_map.wootric.end_users import Reached, end_user_from
from wootric_map.wootric.listing import Fetch, Query, Row, walk

_LASTS: Final = 30 * 86_400
"""Seconds after which a kept list that was not brought up to date is read anew, since whoever was deleted in
Wootric stays in it."""


class ListProblems(NamedTuple):
    """What went wrong as the list was read."""

    unread: str | None
    """Why it can't be used any further, so that the account is asked about each end user; None if it can."""
    unkept: str | None
    """Why it is not kept for the next run; None if it is."""


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

    def meet(self, held: EndUser) -> None:
        """Remove whoever an end user of the account surely is."""
        for root in self._plan.surely_named_by(held):
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

    def read(self, wanted: WantedEndUsers) -> ListProblems:
        """Read the list, for as long as that is worth its calls; return what went wrong.

        Raises:
            OSError: the file can't be written.
            WootricError: Wootric could not be asked.
        """
        unkept = None
        try:
            try:
                self._known.is_complete = self._read_and_keep(wanted)
            except SnapshotError as error:
                # Whoever put it there may want it: it is not deleted.
                unkept = str(error)
                self._known.forget_all()
                self._known.is_complete = self._read(wanted)
        except CallFailedError as error:
            if error.code == "bad_reply":
                self._known.forget_all()
                self.forget_kept()
            return ListProblems(str(error), unkept)
        return ListProblems(None, unkept)

    def forget_kept(self, before: float = inf) -> None:
        """Delete what runs on this account have kept, if it was written before a unix time."""
        for each in self._files():
            with suppress(OSError):
                if self._writes and self._is_ours(each) and each.lstat().st_mtime < before:
                    each.unlink()

    @property
    def keeps_any(self) -> bool:
        """Whether earlier runs have kept anything of the list."""
        return any(each.exists() for each in self._files())

    def _files(self) -> list[Path]:
        kept = self._kept
        return [kept, kept.with_name(kept.name + PARTIAL)] if kept else []

    def _is_ours(self, path: Path) -> bool:
        """Return whether a file holds end users of this account."""
        lines = SnapshotLines(path, partial=True)
        with closing(cast("Generator[object]", iter(lines))) as each, suppress(SnapshotError):
            next(each, None)
        return lines.account == self._account

    def _read_and_keep(self, wanted: WantedEndUsers) -> bool:
        """Read what is new in the list since it was kept; return whether the whole list is known."""
        with ExitStack() as stack:
            earlier = self._earlier(stack)
            since = earlier.updated_since if earlier else None
            if self._kept is None or not self._writes:
                is_whole = self._read(wanted, since=since)
                if is_whole and self._kept and earlier:
                    self._known.add_earlier(end_users_in(SnapshotLines(self._kept)))
                return is_whole
            kept = PartialSnapshot(self._kept, self._account, updated_since=since)
            partial = stack.enter_context(kept)
            left = partial.changed_since
            partial.begin(self._begun_at())
            if left is not None and not self._is_brought_up_to_date(wanted, partial, left):
                return False
            if not self._read(wanted, partial.reached, since, partial):
                return False
            if earlier:
                self._known.add_earlier(end_users_in(SnapshotLines(self._kept)))
                earlier.merge(partial)
            else:
                partial.finish()
        return True

    def _earlier(self, stack: ExitStack) -> EarlierSnapshot | None:
        """Return the list that was kept, unless that is too long ago; the stack closes it.

        Raises:
            SnapshotError: it is no list of this account.
        """
        self.forget_kept(before=self._now() - _LASTS)
        if self._kept is None or not self._kept.exists():
            return None
        earlier = stack.enter_context(EarlierSnapshot(self._kept))
        if earlier.account not in (None, self._account):
            raise SnapshotError(f"{self._kept} is of another account")
        since = earlier.updated_since
        if since is None or self._now() - since <= _LASTS:
            return earlier
        # Wootric does not tell who was deleted.
        self.forget_kept()
        return None

    def _is_brought_up_to_date(
        self, wanted: WantedEndUsers, partial: PartialSnapshot, since: int
    ) -> bool:
        """Bring up to date what an interrupted run has read; return whether that was worth its calls.

        Args:
            wanted: the end users of whom nothing is known.
            partial: what was read.
            since: the unix second from which on it may have missed a change.
        """
        if not self._read(wanted, since=since):
            return False

        def met() -> Iterator[EndUser]:
            for held in end_users_in(SnapshotLines(partial.path, partial=True)):
                wanted.meet(held)
                yield held

        self._known.add_earlier(met())
        return True

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
                end_users = [end_user_from(row) for row in rows]
                self._known.add(end_users)
                for each in end_users:
                    wanted.meet(each)
        except _EnoughError:
            return False
        return True


class _EnoughError(Exception):
    """One more page would not be worth its call."""
