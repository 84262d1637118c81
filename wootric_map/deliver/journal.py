"""The journal: what was delivered to an account, and what was under way, in SQLite.

A call is put on record before it is sent and after it is answered. So after a crash only those calls are
in doubt that were under way. The journal holds fingerprints of end users; it holds their ids themselves
only while a write has no answer. It also holds when each trait was last stated, so that an older export
undoes nothing (segment.md 8, rule 7), and which `userId`s and emails end users had before.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final, Self

from wootric_map.deliver.fingerprints import (
    Fingerprints,
    PastDelivery,
    PastOptOut,
    RememberedEndUser,
    RememberedFill,
    RememberedStatements,
)
from wootric_map.deliver.group_commit import GroupCommit
from wootric_map.deliver.journal_claims import Claims
from wootric_map.deliver.journal_deliveries import Deliveries
from wootric_map.deliver.journal_end_users import EndUsers
from wootric_map.deliver.journal_file import copy_of, explained, open_file
from wootric_map.deliver.journal_fills import Fills
from wootric_map.deliver.journal_former_ids import FormerIds
from wootric_map.deliver.journal_histories import JournalHistories
from wootric_map.deliver.journal_opt_outs import OptOuts
from wootric_map.deliver.journal_rejects import RejectedRecords
from wootric_map.deliver.journal_runs import Runs
from wootric_map.deliver.journal_schema import migrate, spoilt
from wootric_map.deliver.journal_session import Session
from wootric_map.deliver.journal_watch import Watch
from wootric_map.deliver.journal_writes import Writes
from wootric_map.errors import JournalError
from wootric_map.model import EndUserUpsert
from wootric_map.temporary_database import temporary_database


class Journal:
    """An account's journal, open for one run; may be used from several threads."""

    def __init__(
        self,
        database: sqlite3.Connection,
        name: str,
        clock: Callable[[], float],
        *,
        recalls: bool = True,
        resends: bool = False,
        since: float | None = None,
        watch: Watch | None = None,
    ) -> None:
        """Begin a run; arguments as in `open`."""
        query = "SELECT secret, silent_until, EXISTS (SELECT 1 FROM end_user) FROM account"
        secret, last_run_without_statements, met = database.execute(query).fetchone()
        (run,) = database.execute(
            "INSERT INTO run (began) VALUES (?) RETURNING number", (clock(),)
        ).fetchone()
        self._commits = GroupCommit(database, name, watch)
        self.fingerprints: Final = Fingerprints(secret)
        self.resends: Final = resends
        """Whether deliveries in doubt are sent again."""
        session = Session(
            self._commits,
            self.fingerprints,
            run,
            last_run_without_statements,
            clock,
            recalls=recalls,
            resends=resends,
            since=since,
        )
        self._session: Final = session
        self.external_id_since: float = 0
        """The first run since which nothing else has given the external ids; see `note_external_id`."""
        self.runs: Final = Runs(session)
        self.claims: Final = Claims(session)
        self.rejects: Final = RejectedRecords(session)
        self.deliveries: Final = Deliveries(session)
        self.fills: Final = Fills(session)
        self.end_users: Final = EndUsers(session, self.claims)
        self.opt_outs: Final = OptOuts(session, self.deliveries, self.end_users)
        self.writes: Final = Writes(session, self.deliveries, self.end_users)
        self.remembers: Final = recalls and bool(self.deliveries.are_any or met)
        """Whether the journal knows anything of earlier runs that counts."""
        self.may_have_end_users: Final = bool(self.deliveries.has_doubts or met)
        """Whether earlier runs met any end user, or may have; also if their deliveries do not count."""
        self.histories: Final = JournalHistories(session, self.claims)
        self._former_ids = FormerIds(
            session, self.claims, may_have_end_users=self.may_have_end_users
        )

    @classmethod
    def open(
        cls,
        path: Path,
        account: str,
        *,
        recalls: bool = True,
        resends: bool = False,
        since: float | None = None,
        token_fingerprint: str | None = None,
        base_url: str | None = None,
        clock: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
    ) -> Self:
        """Open an account's journal; make it if there is none.

        Args:
            path: the place of the file, which only its owner may read. A link of the user's own is followed.
            account: the account, as `journal_account` gives it.
            recalls: whether the deliveries of earlier runs count; those of this run are recorded in any case.
            resends: whether eligibility checks and page views in doubt are sent again.
            since: a unix time; end users that no run has met since then do not count: a snapshot is newer.
            token_fingerprint, base_url: what the journal is found by later, as in `Contents`.
            clock: returns the unix time.
            random: returns so many random bytes.

        Raises:
            JournalError: the file is no journal, another account's, of a newer release, or another user's.
            JournalFailedError: the file can't be written.
        """
        about = (token_fingerprint, base_url)
        path, database, watch = open_file(path, account, random, about)
        with ExitStack() as undo:
            undo.callback(watch.close)
            undo.enter_context(explained(path))
            undo.callback(database.close)
            undo.callback(watch.let_log_be_written_back)
            journal = cls(
                database,
                str(path),
                clock,
                recalls=recalls,
                resends=resends,
                since=since,
                watch=watch,
            )
            undo.pop_all()
        return journal

    @classmethod
    @contextmanager
    def copied(
        cls, path: Path, account: str | None = None, *, since: float | None = None
    ) -> Iterator[Self]:
        """Open a temporary copy of a journal, which a run may have open; the journal itself does not change.

        Args:
            path: the journal.
            account: the account that the journal must be about; None for any.
            since: as in `open`.

        Raises:
            JournalError: there is no journal, it is another account's, or it can't be read.
        """
        with closing(copy_of(path, account)) as database:
            try:
                journal = cls(database, str(path), time.time, since=since)
            except sqlite3.Error as error:
                raise JournalError(spoilt(path, error)) from error
            with journal:
                yield journal

    @classmethod
    def temporary(
        cls, *, clock: Callable[[], float] = time.time, random: Callable[[int], bytes] = os.urandom
    ) -> Self:
        """Return an empty journal that is deleted when it is closed."""
        database = temporary_database()
        migrate(database, Path("temporary"), "", random)
        return cls(database, "temporary", clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is left, and close the file; what comes later is not written."""
        self._commits.close()

    def note_external_id(self, rule: str | None) -> None:
        """Take note of which trait gives the external ids of this run; None for the `userId`.

        A write that was made while something else gave them may have been undone since.
        """
        query = "SELECT external_id_from, external_id_since FROM account"
        before, since = self._commits.first(query) or (None, 0)
        self.external_id_since = since
        if before != rule:
            self.external_id_since = self._session.run
            query = "UPDATE account SET external_id_from = ?, external_id_since = ?"
            self._commits.enqueue(query, (rule, self._session.run))

    @property
    def failure(self) -> str | None:
        """Why the journal can't be written, or is not what the next run finds; None if all is well."""
        return self._commits.failure

    # The `Memory` of a dry run and a push.

    def past_delivery(
        self, key: str, former_key: str | None = None, time: int | None = None
    ) -> PastDelivery | None:
        """Return what an earlier run has done about a delivery; see `Deliveries.past_delivery`."""
        return self.deliveries.past_delivery(key, former_key, time)

    def filled_in(self, keys: Collection[str]) -> RememberedFill | None:
        """Return the values that runs which were cut short have filled in; see `Fills.recalled`."""
        return self.fills.recalled(keys)

    def find(self, wanted: EndUserUpsert) -> RememberedEndUser | None:
        """Return an end user that an earlier write left in Wootric; see `EndUsers.find`."""
        return self.end_users.find(wanted)

    def past_opt_out(self, key: str, identifiers: Iterable[EndUserUpsert]) -> PastOptOut | None:
        """Return whether an earlier run has turned surveys off for an end user; see `OptOuts.recalled`."""
        return self.opt_outs.recalled(key, identifiers)

    def is_anothers(
        self, number: int, identifiers: Iterable[EndUserUpsert], earlier_ids: Collection[int]
    ) -> bool:
        """Return whether earlier runs know an end user as somebody else; see `EndUsers.is_anothers`."""
        return self.end_users.is_anothers(number, identifiers, earlier_ids)

    def has_turned_off(self, number: int) -> bool:
        """Return whether a run has turned surveys off for an end user; see `OptOuts.is_off`."""
        return self.opt_outs.is_off(number)

    def statements_of(self, number: int) -> RememberedStatements | None:
        """Return what earlier writes stated about an end user; see `EndUsers.statements_of`."""
        return self.end_users.statements_of(number)

    def find_by_former_id(
        self,
        identifiers: Sequence[EndUserUpsert],
        earlier_ids: Sequence[int] = (),
        *,
        journal_only: bool,
    ) -> RememberedEndUser | None:
        """Return an end user who had one of these ids before; see `FormerIds.find_by_former_id`."""
        return self._former_ids.find_by_former_id(
            identifiers, earlier_ids, journal_only=journal_only
        )

    def forget_all(self) -> None:
        """Delete what earlier runs did."""
        for table in (
            "delivered", "in_flight", "failed", "end_user", "former_id", "claim", "tie", "alias", "reject",
            "filled", "pace", "group_trait", "membership", "rolled_event", "rolled_up",
            "external_id",
        ):  # fmt: skip
            self._commits.enqueue(f"DELETE FROM {table}", ())  # noqa: S608
