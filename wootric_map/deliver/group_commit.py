"""Writes of many threads to a journal, in their order and committed together.

A commit waits for the disk. Whoever must wait for one takes along what others have noted meanwhile.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from wootric_map.deliver.journal_file import TORN, put_back, save_copy, write_log_back
from wootric_map.deliver.journal_schema import is_in_use, reason
from wootric_map.deliver.journal_watch import Watch

_FRAMES: Final = 1_000
"""Frames of the log from which on it is written back to the database, as SQLite does by itself."""

SOON: Final = 0.01
"""Seconds in which the next call to leave may take along to the disk what nobody waits for."""


class GroupCommit:
    """A journal's database; may be used from several threads."""

    def __init__(self, database: sqlite3.Connection, name: str, watch: Watch | None) -> None:
        """Begin to commit what is noted.

        Args:
            database: the journal's; closed by `close`.
            name: its place, for messages.
            watch: tells whether somebody took the file away; None where it has none.
        """
        self._database = database
        self.name: Final = name
        """The place of the journal, for messages."""
        self._watch = watch
        self._lock = threading.Lock()
        self._commit_lock = threading.Lock()
        self._note_lock = threading.Lock()
        self._notes: deque[Callable[[], object]] = deque()
        # How many notes there were, how many of them were written down, and are on the disk.
        self._noted = self._written = self._durable = 0
        self._news = threading.Event()
        self._closed = threading.Event()
        self._failure: str | None = None
        self._loss: str | None = None
        """What somebody did to its file, though it can still be written."""
        self.execute: Final = database.execute
        """Runs a statement; for a note that is being written down, or under `reading`."""
        database.execute("BEGIN")
        self._committer = threading.Thread(target=self._commit_news, name="journal", daemon=True)
        self._committer.start()

    @property
    def is_closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._closed.is_set()

    @property
    def noted(self) -> int:
        """How many notes there were."""
        return self._noted

    @property
    def failure(self) -> str | None:
        """Why it can't be written any more, or is not what the next run finds; None where all is well."""
        return self._failure or self._loss

    def is_durable(self, noted: int) -> bool:
        """Return whether the disk has so many notes."""
        return self._durable >= noted

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hold the database, with all that was noted written down."""
        with self._lock:
            self._write_down()
            yield self._database

    def first(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """Return the first row that a query finds; None where there is none."""
        with self.reading() as database:
            found: tuple[Any, ...] | None = database.execute(query, values).fetchone()
        return found

    def note(self, query: str, values: tuple[object, ...]) -> int:
        """Have a statement run with the next commit; returns how many notes there were."""
        return self.note_down(partial(self._database.execute, query, values))

    def note_down(self, write: Callable[[], object]) -> int:
        """Have something written down with the next commit.

        Nobody waits here, while others wait for the disk: one of them takes it along.

        Returns:
            How many such notes there were.
        """
        with self._note_lock:
            self._notes.append(write)
            self._noted += 1
            noted = self._noted
        if not self._news.is_set():  # to set it again would wake its waiters again
            self._news.set()
        return noted

    def commit(self, reached: int) -> None:
        """Bring to disk what was noted by then, for all threads that wait for that at once."""
        with self._commit_lock:
            if self._durable < reached:
                with self._lock:
                    self._bring_to_disk()

    def close(self) -> None:
        """Write down what is left, and close the file; whatever comes later is not taken any more."""
        with self._commit_lock, self._lock:
            if self._closed.is_set():
                return
            self._bring_to_disk()
            self._closed.set()
            with suppress(sqlite3.Error):
                # What is torn must not get worse.
                self._database.execute("ROLLBACK" if self._failure else "COMMIT")
            self._end_watch()
        self._news.set()
        self._committer.join()

    def _write_down(self) -> None:
        """Write down what was noted, in that order; what can't be is known by `failure`."""
        while self._notes:
            write = self._notes.popleft()
            if not self._failure:
                try:
                    write()
                except (sqlite3.Error, ValueError, OverflowError) as error:
                    self._fail(error)
            self._written += 1

    def _bring_to_disk(self) -> None:
        if self._closed.is_set():
            return
        self._look()
        self._write_down()
        if self._failure:
            return
        try:
            self._database.execute("COMMIT")
            # What leaves now must be on record in the file that the next run finds.
            self._look()
            self._write_back()
            self._database.execute("BEGIN")
        except sqlite3.Error as error:
            self._fail(error)
        else:
            self._durable = self._written

    def _write_back(self) -> None:
        """Write a log that has grown long back to the database; what can't be written stays in the log."""
        watch = self._watch
        if watch and watch.frames >= _FRAMES and not self.failure:
            with suppress(sqlite3.OperationalError):
                write_log_back(self._database)
            watch.take_note()

    def _look(self) -> None:
        """Find out whether somebody has taken the file away, or has written to it."""
        if self._watch is None or self._failure or self._loss:
            return
        try:
            found = self._watch.look()
        except OSError as error:
            self._fail(error)
            return
        if found:
            path, loss = found
            told = (
                f"{path} {loss.what} while this run kept its journal there; nothing more was sent"
            )
            if loss.is_elsewhere:
                self._loss = told
            else:
                self._failure = f"{told}. {TORN}"

    def _end_watch(self) -> None:
        """Close the file; where it was taken away, save what it held."""
        watch = self._watch
        found = watch.look_at_the_end() if watch and not self._failure else None
        kept = "The journal is whole: run the same command again"  # SQLite writes it out as it is closed
        copy: Path | Exception | None = None
        if found and found[1].is_elsewhere:
            self._loss = self._loss or f"{self.name} {found[1].what} as this run ended"
            copy = save_copy(self._database, Path(self.name))
        if watch:
            watch.leave_alone()
        self._database.close()
        if watch is None:
            return
        if isinstance(copy, Path):
            watch.remove_companions()
            kept = put_back(copy, Path(self.name))
        elif copy:
            kept = (
                f"It could not be written anew: {getattr(copy, 'strerror', None) or copy}. {TORN}"
            )
        with watch:
            if self._loss:
                self._loss = f"{self._loss}. {kept}"
            elif not self._failure and (found := watch.look_at_the_end()):
                self._failure = f"{self.name} {found[1].what} as this run ended. {TORN}"

    def _commit_news(self) -> None:
        """Commit what nobody waits for, unless a call that leaves meanwhile has done it."""
        while not self._closed.is_set():
            self._news.wait()
            self._news.clear()
            noted = self._noted
            self._closed.wait(SOON)
            self.commit(noted)

    def _fail(self, error: Exception) -> None:
        self._failure = (
            f"the journal can't be written: {reason(error)} ({self.name}); nothing more was sent. "
            f"{'Wait for its end' if is_in_use(error) else 'Make room'}, then run the same command "
            "again: it goes on where this run stopped"
        )
