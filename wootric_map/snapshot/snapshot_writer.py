"""Writing a snapshot anew, or bringing one up to date.

`FILE.partial` holds what has come until all of it is there. What an interrupted run wrote stays there, and
the same command goes on with it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, Final, Self, cast

from wootric_map.deliver.run_lock import open_alone
from wootric_map.errors import LockedError, NotAFileError, NotOursError, SnapshotError
from wootric_map.ownership import place_of_ours
from wootric_map.private_file import PARTIAL, PrivateFile, remove_abandoned
from wootric_map.snapshot.snapshot_lines import (
    BLOCK,
    UPDATED_SINCE,
    SnapshotLines,
    ending,
    line_of,
    with_ending,
)
from wootric_map.temporary_database import scratch_database
from wootric_map.wootric.end_users import Place, Reached, place_of

_MARGIN: Final = 120
"""Seconds that an update looks further back than it needs to, since clocks differ."""

_CACHE_KIB: Final = 32 * 1024
_SCHEMA: Final = """
    CREATE TABLE line (id INTEGER PRIMARY KEY, number INTEGER, update_at INTEGER);
    BEGIN;
"""
"""By the id of an end user: the number of their last line in the snapshot, and the offset of their last line
in the file of the update."""


class PartialSnapshot:
    """A snapshot, or an update of one, that is being written; only its owner may read the file.

    No other run may write the file at the same time.
    """

    def __init__(self, path: Path, account: str, *, updated_since: int | None = None) -> None:
        """Open what an earlier run left, or an empty file.

        Args:
            path: where the snapshot itself goes.
            account: the fingerprint that `account_fingerprint` returns.
            updated_since: the unix second from which on changes are asked for; None asks for all end users.

        Raises:
            SnapshotError: the file can't be written, or an earlier run left something else there.
        """
        self.target = target = _replaceable(path, account)
        """Where the snapshot itself goes, with links followed."""
        self.path = target.with_name(target.name + PARTIAL)
        """Where the file stands until it is whole."""
        self.account = account
        """The fingerprint of the account."""
        self._updated_since = updated_since
        self.as_of: int | None = None
        """When the snapshot was begun, in unix seconds; None before `begin` if the file holds nobody."""
        self.count = 0
        """How many end users the file holds."""
        self._last: int | None = None
        self._ids: set[int] = set()
        file = _locked(self.path)
        remove_abandoned(target)
        try:
            end = self._resume()
            self._file = PrivateFile(file, self.path, target, size=end, shown=self.path)
            os.fchmod(file.fileno(), 0o600)
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the file there to go on with, unless it holds nobody."""
        if self.count:
            self._file.close()
        elif not self._file.is_closed:
            self._file.discard()

    @property
    def reached(self) -> Reached | None:
        """Where the reading of the list goes on; None at the beginning."""
        return None if self._last is None else Reached(self._last, frozenset(self._ids))

    @property
    def changed_since(self) -> int | None:
        """The unix second from which on what the file holds may have changed; None if it holds nobody."""
        return None if self.as_of is None else self.as_of - _MARGIN

    def begin(self, now: int) -> int:
        """Return when the snapshot was begun: `now`, in unix seconds, unless an earlier run began it."""
        if self.as_of is None:
            self.as_of = now
        return self.as_of

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write end users, all of them or none.

        Raises:
            OSError: the disk does not take them, or another program has taken the file away.
            SnapshotError: one of them can't be written down.
        """
        tail = ending(self.account, self.as_of, self._updated_since)
        listed = [(place_of(row), line_of(row, tail)) for row in rows]
        self._file.check()
        self._file.write(b"".join(line for _, line in listed))
        self._file.check()
        for place, _ in listed:
            self._note(place)

    def finish(self) -> int:
        """Move the file to the place of the snapshot, and return how many end users it holds."""
        self._file.finish()
        return self.count

    def discard(self) -> None:
        """Delete the file."""
        self._file.discard()

    def _resume(self) -> int:
        """Take note of what an earlier run left, and return where the last whole line ends."""
        end = 0
        lines = SnapshotLines(self.path, partial=True)
        for line in lines:
            if lines.account != self.account:
                raise SnapshotError(
                    f"{self.path} was left by a snapshot of another account; name another file with "
                    "-o, or delete it"
                )
            if line.row.get(UPDATED_SINCE) != self._updated_since:
                raise SnapshotError(
                    f"{self.path} was left by another snapshot command; run that one to its end, name "
                    "another file with -o, or delete it"
                )
            self._note(line.place)
            end = lines.end
        self.as_of = lines.as_of
        return end

    def _note(self, place: Place) -> None:
        """Count an end user, and take note of how far the list was read."""
        self.count += 1
        if self._last is None or place.created_at > self._last:
            self._last = place.created_at
            self._ids.clear()
        if place.created_at == self._last:
            self._ids.add(place.id)


class EarlierSnapshot:
    """A snapshot that is to be brought up to date."""

    def __init__(self, path: Path) -> None:
        """Read the snapshot, and take note of the end users that it holds.

        Raises:
            SnapshotError: the file is no snapshot, or not a whole one.
        """
        if path.name.endswith(PARTIAL):
            raise SnapshotError(f"{path} is no whole snapshot; run the command that left it again")
        if path.exists() and not path.is_file():
            raise SnapshotError(
                f"{path} is no file; a snapshot is read twice to bring it up to date"
            )
        self._path = path
        self._database = scratch_database(_SCHEMA, cache_kib=_CACHE_KIB)
        try:
            lines = SnapshotLines(path)
            self._database.executemany(
                "INSERT OR REPLACE INTO line VALUES (?, ?, NULL)",
                ((line.place.id, line.number) for line in lines),
            )
        except BaseException:
            self.close()
            raise
        self.account = lines.account
        """The fingerprint of the account; None if the snapshot holds nobody."""
        self.updated_since = None if lines.as_of is None else lines.as_of - _MARGIN
        """The unix second from which on changes are to be asked for; None asks for all end users."""
        self.is_gzip = lines.is_gzip
        """Whether the file is compressed; the updated one will not be."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the database."""
        self._database.close()

    def merge(self, partial: PartialSnapshot) -> int:
        """Write the snapshot anew, and delete the file of the update.

        Updated end users keep their place, and new ones follow all others.

        Args:
            partial: the update; its target is replaced at once, and may be the earlier snapshot itself.

        Returns:
            How many end users the new snapshot holds.

        Raises:
            OSError: the disk does not take the file.
            SnapshotError: the earlier snapshot was changed meanwhile.
        """
        tail = ending(partial.account, partial.as_of)
        count = 0
        with (
            PrivateFile.beside(partial.target, buffer=BLOCK) as file,
            partial.path.open("rb") as updates,
        ):
            self._database.executemany(
                "INSERT INTO line VALUES (?, NULL, ?) "
                "ON CONFLICT (id) DO UPDATE SET update_at = excluded.update_at",
                ((line.place.id, line.offset) for line in SnapshotLines(partial.path)),
            )
            for content in self._merged(updates):
                file.write(with_ending(content, tail))
                count += 1
            file.finish()
        partial.discard()
        return count

    def _merged(self, updates: BinaryIO) -> Iterator[bytes]:
        """Yield the lines of the new snapshot; `updates` is the file of the update."""
        for line in SnapshotLines(self._path):
            query = "SELECT number, update_at FROM line WHERE id = ?"
            row = self._database.execute(query, (line.place.id,)).fetchone()
            if row is None or row[0] is None:
                raise SnapshotError(
                    f"{self._path} was changed meanwhile; run the same command again"
                )
            number, update_at = row
            if number != line.number:
                continue  # a later line of the same end user counts
            yield line.content if update_at is None else _line_at(updates, update_at)
        query = "SELECT update_at FROM line WHERE number IS NULL ORDER BY update_at"
        for (update_at,) in self._database.execute(query):
            yield _line_at(updates, update_at)


def _replaceable(path: Path, account: str) -> Path:
    """Return where a snapshot goes, with links followed.

    Raises:
        SnapshotError: nothing can be written there, or the file there is no snapshot of the account.
    """
    try:
        place = place_of_ours(path)
    except OSError as error:
        raise SnapshotError(error.strerror or str(error)) from error
    path = place if path.is_symlink() else path
    if path.is_dir():
        raise SnapshotError(f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise SnapshotError(f"{path} is no file; a snapshot needs one that it can go on with")
    if not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
        raise SnapshotError(f"the folder {path.parent} is missing or can't be written to")
    if not path.is_file() or not path.stat().st_size:
        return path
    lines = SnapshotLines(path)
    with closing(cast("Any", iter(lines))) as first:
        try:
            next(first, None)
        except SnapshotError as error:
            raise SnapshotError(
                f"{path} is no snapshot, and would be replaced; name another file with -o"
            ) from error
    if lines.account not in (None, account):
        raise SnapshotError(f"{path} is a snapshot of another account; name another file with -o")
    return path


def _locked(path: Path) -> FileIO:
    """Open a file that no other run has open; a missing file is made.

    Raises:
        SnapshotError: the file can't be opened.
    """
    try:
        return open_alone(path)
    except NotOursError as error:
        raise SnapshotError(str(error)) from error
    except NotAFileError as error:
        raise SnapshotError(f"{path} is in the way; move or delete it") from error
    except LockedError as error:
        raise SnapshotError(f"another run is writing {path} just now") from error
    except OSError as error:
        raise SnapshotError(f"{path}: can't be written to: {error.strerror}") from error


def _line_at(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    return file.readline().strip()
