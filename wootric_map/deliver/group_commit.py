"""Writes of many threads to a journal, in their order and committed together.

A commit waits for the disk. The thread that commits takes along what other threads have queued meanwhile.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from wootric_map.deliver.journal_guard import JournalGuard
from wootric_map.deliver.journal_schema import spoilt
from wootric_map.deliver.journal_watch import Watch
from wootric_map.errors import JournalError

SOON: Final = 0.01
"""Seconds for which a write that nobody waits for is left to the commit before the next call."""


class GroupCommit:
    """A journal's database; may be used from several threads."""

    def __init__(self, database: sqlite3.Connection, name: str, watch: Watch | None) -> None:
        """Begin to commit what is queued.

        Args:
            database: the journal's; closed by `close`.
            name: its place, for messages.
            watch: tells whether somebody took the file away; None if there is no file.
        """
        self._database = database
        self.name: Final = name
        """The place of the journal, for messages."""
        self._guard = JournalGuard(database, name, watch)
        self._lock = threading.Lock()
        self._commit_lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: deque[Callable[[], object]] = deque()
        # How many writes were queued, how many of them were made, and how many are on the disk.
        self._enqueued = self._written = self._durable = 0
        self._news = threading.Event()
        self._closed = threading.Event()
        self.execute: Final = database.execute
        """Runs a statement; for a queued write that is being made, or under `reading`."""
        database.execute("BEGIN")
        self._committer = threading.Thread(target=self._commit_news, name="journal", daemon=True)
        self._committer.start()

    @property
    def is_closed(self) -> bool:
        """Whether the journal is closed."""
        return self._closed.is_set()

    @property
    def enqueued(self) -> int:
        """The number of writes that were queued up to now."""
        return self._enqueued

    @property
    def failure(self) -> str | None:
        """Why the journal can't be written, or is not what the next run finds; None if all is well."""
        return self._guard.failure or self._guard.loss

    def is_durable(self, enqueued: int) -> bool:
        """Return whether the first so many queued writes are on the disk."""
        return self._durable >= enqueued

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the database to one thread, once all queued writes are made.

        Raises:
            JournalError: SQLite finds damage that it had not found as the journal was opened.
            sqlite3.OperationalError: the journal can't be read now, as while another run writes to it.
        """
        with self._lock:
            self._make_writes()
            try:
                yield self._database
            except sqlite3.OperationalError:
                raise
            except sqlite3.Error as error:
                raise JournalError(spoilt(Path(self.name), error)) from error

    def first(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """Return the first row that a query finds; None if there is none."""
        with self.reading() as database:
            found: tuple[Any, ...] | None = database.execute(query, values).fetchone()
        return found

    def enqueue(self, query: str, values: tuple[object, ...]) -> int:
        """Queue a statement for the next commit; return the number of writes queued up to now."""
        return self.enqueue_write(partial(self._database.execute, query, values))

    def enqueue_write(self, write: Callable[[], object]) -> int:
        """Queue a write for the next commit, without waiting for the disk.

        Returns:
            The number of writes queued up to now.
        """
        with self._queue_lock:
            self._queue.append(write)
            self._enqueued += 1
            enqueued = self._enqueued
        self._news.set()
        return enqueued

    def commit(self, enqueued: int) -> None:
        """Bring the first so many queued writes to the disk; one commit serves all threads that wait."""
        with self._commit_lock:
            if self._durable < enqueued:
                with self._lock:
                    self._bring_to_disk()

    def close(self) -> None:
        """Make the queued writes, and close the file; what is queued later is not written."""
        with self._commit_lock, self._lock:
            if self._closed.is_set():
                return
            self._bring_to_disk()
            self._closed.set()
            with suppress(sqlite3.Error):
                # What is torn must not get worse.
                self._database.execute("ROLLBACK" if self._guard.failure else "COMMIT")
            self._guard.close()
        self._news.set()
        self._committer.join()

    def _make_writes(self) -> None:
        """Make the queued writes in their order; a write that can't be made leaves `failure`."""
        while self._queue:
            write = self._queue.popleft()
            if not self._guard.failure:
                try:
                    write()
                except (sqlite3.Error, ValueError, OverflowError) as error:
                    self._guard.fail(error)
            self._written += 1

    def _bring_to_disk(self) -> None:
        if self._closed.is_set():
            return
        self._guard.check()
        self._make_writes()
        if self._guard.failure:
            return
        try:
            self._database.execute("COMMIT")
            # The call that is sent next must be on record in the file that the next run finds.
            self._guard.check()
            self._guard.write_log_back()
            self._database.execute("BEGIN")
        except sqlite3.Error as error:
            self._guard.fail(error)
        else:
            self._durable = self._written

    def _commit_news(self) -> None:
        """Commit what no thread waits for, unless another commit takes it along first."""
        while not self._closed.is_set():
            self._news.wait()
            self._news.clear()
            enqueued = self._enqueued
            self._closed.wait(SOON)
            self.commit(enqueued)
