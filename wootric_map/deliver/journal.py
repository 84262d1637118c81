"""The journal: what has been delivered to an account, and what was under way, in SQLite.

It outlives the run. A call is on record before it is sent and when it was answered, so that after a
crash no more is in doubt than what was truly under way. Of end users it holds fingerprints, and what
they are looked up by only while a write about them has no answer. With each stands when their traits were
said last, and by which identify, so that an older file undoes nothing (segment.md 8, rule 7), and which
userIds and emails they had before.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final, Self

from wootric_map.deliver.fingerprints import (
    Fingerprints,
    PastDelivery,
    RememberedEndUser,
    RememberedSayings,
)
from wootric_map.deliver.group_commit import GroupCommit
from wootric_map.deliver.journal_claims import Claims
from wootric_map.deliver.journal_deliveries import Deliveries
from wootric_map.deliver.journal_end_users import EndUsers
from wootric_map.deliver.journal_file import copy_of, explained, open_file
from wootric_map.deliver.journal_former_ids import FormerIds
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
        secret, silent_until, met = database.execute(query).fetchone()
        (run,) = database.execute(
            "INSERT INTO run (began) VALUES (?) RETURNING number", (clock(),)
        ).fetchone()
        self._commits = GroupCommit(database, name, watch)
        self.fingerprints: Final = Fingerprints(secret)
        self.resends: Final = resends
        """Whether what is in doubt is sent again."""
        session = Session(
            self._commits,
            self.fingerprints,
            run,
            silent_until,
            clock,
            recalls=recalls,
            resends=resends,
            since=since,
        )
        self.runs: Final = Runs(session)
        self.claims: Final = Claims(session)
        self.rejects: Final = RejectedRecords(session)
        self.deliveries: Final = Deliveries(session)
        self.end_users: Final = EndUsers(session, self.claims)
        self.writes: Final = Writes(session, self.deliveries, self.end_users)
        self.remembers: Final = recalls and bool(self.deliveries.are_any or met)
        """Whether there is anything to ask it of earlier runs."""
        self.met_anybody: Final = bool(self.deliveries.has_doubts or met)
        """Whether earlier runs met any end user, or may have; told also where it ignores what they did."""
        self._former_ids = FormerIds(session, self.claims, met_anybody=self.met_anybody)

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
        """Open an account's journal, made if there is none.

        Args:
            path: its place; only its owner may read the file. A link of one's own is followed.
            account: which account it is about, as `journal_account` gives it.
            recalls: whether it tells what earlier runs did; it writes down what this one does either way.
            resends: whether eligibility checks and page views that are in doubt are sent again.
            since: whom no run has met since then, in unix time, is not known: a snapshot knows better.
            token_fingerprint, base_url: what the journal is found by later, as in `Contents`.
            clock: the unix time.
            random: so many random bytes.

        Raises:
            JournalError: the file is no journal, another account's, of a newer release, or another user's.
            JournalFailedError: it can't be written to.
        """
        about = (token_fingerprint, base_url)
        path, database, watch = open_file(path, account, random, about)
        with ExitStack() as undo:
            undo.callback(watch.close)
            undo.enter_context(explained(path))
            undo.callback(database.close)
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
        """Open a copy of a journal, whether a run has it open or not; what it is told goes with the copy.

        Args:
            path: the journal, which stays as it is.
            account: which account it should be about; None where any will do.
            since: as in `open`.

        Raises:
            JournalError: there is none, or it is another account's, or it can't be read.
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
        """A journal that knows nothing, and is gone when it is closed."""
        database = temporary_database()
        migrate(database, Path("temporary"), "", random)
        return cls(database, "temporary", clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write down what is left, and close the file; whatever comes later is not taken any more."""
        self._commits.close()

    @property
    def failure(self) -> str | None:
        """Why it can't be written any more, or is not what the next run finds; None where all is well."""
        return self._commits.failure

    # What earlier runs did: the journal is the `Memory` of a dry run and a push.

    def past_delivery(
        self, key: str, former_key: str | None = None, time: int | None = None
    ) -> PastDelivery | None:
        """Return what an earlier run has done about a delivery; see `Deliveries.past_delivery`."""
        return self.deliveries.past_delivery(key, former_key, time)

    def find(self, wanted: EndUserUpsert) -> RememberedEndUser | None:
        """Look an end user up among those whom earlier writes left; see `EndUsers.find`."""
        return self.end_users.find(wanted)

    def sayings_of(self, number: int) -> RememberedSayings | None:
        """Return what earlier writes said of an end user; see `EndUsers.sayings_of`."""
        return self.end_users.sayings_of(number)

    def recollect(
        self, known_as: Sequence[EndUserUpsert], elsewhere: Sequence[int] = (), *, alone: bool
    ) -> RememberedEndUser | None:
        """Return an end user who had one of these ids before; see `FormerIds.recollect`."""
        return self._former_ids.recollect(known_as, elsewhere, alone=alone)

    def begin_anew(self) -> None:
        """Forget what earlier runs did."""
        for table in (
            "delivered", "in_flight", "failed", "end_user", "former_id", "claim", "tie", "alias", "reject",
            "pace",
        ):  # fmt: skip
            self._commits.note(f"DELETE FROM {table}", ())  # noqa: S608
