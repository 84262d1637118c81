"""A guard of the file of an open journal: notices what others do to it, and saves what it held."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from wootric_map.deliver.journal_file import TORN, put_back, save_copy, write_log_back
from wootric_map.deliver.journal_schema import is_in_use, reason
from wootric_map.deliver.journal_watch import Loss, Watch

_FRAMES: Final = 1_000
"""Frames of the log from which on it is written back to the database, as SQLite does by itself."""


class JournalGuard:
    """Guards an open journal's file; `failure` and `loss` are what its run has to say of it."""

    def __init__(self, database: sqlite3.Connection, name: str, watch: Watch | None) -> None:
        """Begin with nothing wrong.

        Args:
            database: the journal's.
            name: its place, for messages.
            watch: looks at the journal's file; None if it has none.
        """
        self._database = database
        self._name = name
        self._watch = watch
        self._tried_at = 0
        """The frames of the log when it was last tried to write it back."""
        self.failure: str | None = None
        """Why the journal can't be written any more; None if it can."""
        self.loss: str | None = None
        """What somebody did to the file, though it can still be written; None if nobody did anything."""

    def fail(self, error: Exception) -> None:
        """Keep why the journal can't be written any more."""
        self.failure = (
            f"the journal can't be written: {reason(error)} ({self._name}); nothing more was sent. "
            f"{'Wait for its end' if is_in_use(error) else 'Make room'}, then run the same command "
            "again: it goes on where this run stopped"
        )

    def check(self) -> None:
        """Find out whether somebody has taken the file away, or has written to it."""
        if self._watch:
            self._check(self._watch.check)

    def _check(self, check: Callable[[], tuple[Path, Loss] | None]) -> None:
        if self.failure or self.loss:
            return
        try:
            found = check()
        except OSError as error:
            self.fail(error)
            return
        if found:
            path, loss = found
            told = (
                f"{path} {loss.what} while this run kept its journal there; nothing more was sent"
            )
            if loss.is_intact:
                self.loss = told
            else:
                self.failure = f"{told}. {TORN}"

    def write_log_back(self) -> None:
        """Write a log that has grown long back to the database, if it is whole.

        What can't be written because somebody reads the journal stays in the log, which may then grow by as
        much again.
        """
        watch = self._watch
        if watch is None:
            return
        if watch.frames < self._tried_at:
            self._tried_at = 0  # the log has begun anew
        if watch.frames - self._tried_at < _FRAMES:
            return
        self._tried_at = watch.frames
        self._check(watch.check_log)
        if not (self.failure or self.loss):
            with suppress(sqlite3.OperationalError):
                write_log_back(self._database)
            watch.note_checkpoint()

    def close(self) -> None:
        """Close the database; if its file was taken away, save what it held."""
        watch = self._watch
        if watch is None:
            self._database.close()
            return
        spoilt = self._spoilt_log(watch)
        if spoilt and not self.failure:
            self.failure = f"{spoilt} as this run ended. {TORN}"
        copy = self._saved_copy(watch)
        watch.discard_overwritten_log()
        if not spoilt:
            watch.let_log_be_written_back()
        self._database.close()
        kept = "The journal is whole: run the same command again"  # SQLite writes it out as it is closed
        if isinstance(copy, Path):
            watch.remove_companions()
            kept = put_back(copy, Path(self._name))
        elif copy:
            kept = (
                f"It could not be written anew: {getattr(copy, 'strerror', None) or copy}. {TORN}"
            )
        with watch:
            if self.loss:
                self.loss = f"{self.loss}. {kept}"
            elif not self.failure and (found := watch.check_journal()):
                self.failure = f"{self._name} {found[1].what} as this run ended. {TORN}"

    def _spoilt_log(self, watch: Watch) -> str | None:
        """Return which file of the log was spoilt, and how; None if the log is whole."""
        try:
            found = watch.check_log()
        except OSError as error:
            return f"{self._name} can't be looked at ({error.strerror})"
        return f"{found[0]} {found[1].what}" if found else None

    def _saved_copy(self, watch: Watch) -> Path | Exception | None:
        """Copy a journal that was taken away; return where to, or why that failed; None if it is there."""
        found = None if self.failure else watch.check_journal()
        if not (found and found[1].is_intact):
            return None
        self.loss = self.loss or f"{self._name} {found[1].what} as this run ended"
        return save_copy(self._database, Path(self._name))
