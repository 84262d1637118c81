"""Finding end users in a snapshot, as Wootric finds them in an account."""

import os
import threading
from collections.abc import Iterator
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Final, Literal, Self, cast

from wootric_map.errors import SnapshotError
from wootric_map.mapping.identity import WOOTRIC_ID
from wootric_map.model import EndUser, EndUserUpsert
from wootric_map.snapshot.snapshot_lines import PARTIAL, SnapshotLines, dump, load
from wootric_map.temporary_database import scratch_database
from wootric_map.values.contact import comparable
from wootric_map.wootric.end_users import end_user_from
from wootric_map.wootric.replies import contradicts

_CACHE_KIB: Final = 32 * 1024
_SCHEMA: Final = """
    CREATE TABLE end_user (
        id INTEGER PRIMARY KEY, external_id TEXT, email TEXT, phone TEXT, content BLOB
    );
    BEGIN;
"""
_INDEXES: Final = "".join(
    f"CREATE INDEX by_{name} ON end_user ({name}) WHERE {name} IS NOT NULL;"
    for name in ("external_id", "email", "phone")
)
_CONTENT: Final = attrgetter(*(each.name for each in fields(EndUser) if each.name != "id"))
"""Returns what the column `content` holds: all fields of an end user but the id."""


class SnapshotReader:
    """A snapshot to find end users in; may be used from several threads.

    The end users are kept in a temporary SQLite database, so that memory does not grow with their number.
    """

    def __init__(self, path: Path) -> None:
        """Read a snapshot, plain or gzip, from its first line to its last.

        Raises:
            SnapshotError: the file is no snapshot, or not a whole one.
        """
        if path.name.endswith(PARTIAL):
            raise SnapshotError(
                f"{path}: this is the part of a snapshot that an interrupted run left; run the same "
                "snapshot command again to complete it"
            )
        self._database = scratch_database(_SCHEMA, cache_kib=_CACHE_KIB)
        self._lock = threading.Lock()
        try:
            lines = SnapshotLines(path)
            self._database.executemany(
                "INSERT OR REPLACE INTO end_user VALUES (?, ?, ?, ?, ?)", _rows(lines)
            )
            self._database.execute("COMMIT")
            self._database.executescript(_INDEXES)
            query = "SELECT count(*) FROM end_user"
            (self._count,) = self._database.execute(query).fetchone()
        except BaseException:
            self.close()
            raise
        self.account = lines.account
        """The fingerprint of the account; None if the snapshot holds nobody."""
        self.as_of = lines.as_of
        """The unix second from which on the snapshot may have missed a change; None if it holds nobody."""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Read a snapshot by its name; raises what `SnapshotReader` raises."""
        return cls(Path(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the database."""
        self._database.close()

    def __len__(self) -> int:
        """Return how many end users the snapshot holds."""
        return cast("int", self._count)

    def __bool__(self) -> Literal[True]:
        """Return true, also for the snapshot of an account without end users."""
        return True

    def find(self, wanted: EndUserUpsert) -> EndUser | None:
        """Look an end user up as Wootric does: by id, then external id, then email, or phone.

        A phone counts only if no email is given, and finds nobody who has another external id.
        """
        for by, key in wanted.look_up_keys():
            found = None
            if by == "id" and WOOTRIC_ID.fullmatch(key):
                found = self._by("id", int(key))
            elif by == "external_id":
                found = self._by("external_id", key)
            elif by == "email":
                found = self._by("email", comparable(key))
            elif by == "phone_number":
                found = self._by("phone", key.strip())
            if found and not (by == "phone_number" and contradicts(wanted, found)):
                return found
        return None

    def _by(self, column: str, value: str | int) -> EndUser | None:
        """Return the oldest end user with a value in a column."""
        query = f"SELECT id, content FROM end_user WHERE {column} = ? ORDER BY id LIMIT 1"  # noqa: S608
        with self._lock:
            row = self._database.execute(query, (value,)).fetchone()
        return None if row is None else EndUser(row[0], *load(row[1]))


def _rows(lines: SnapshotLines) -> Iterator[tuple[int, str | None, str | None, str | None, bytes]]:
    """Yield the rows of the table `end_user`."""
    for line in lines:
        try:
            held = end_user_from(line.row)
        except ValueError as error:
            lines.refuse(line.number, str(error))
        yield (
            line.place.id,
            held.external_id or None,
            comparable(held.email) or None,
            (held.phone_number or "").strip() or None,
            dump(_CONTENT(held)),
        )
