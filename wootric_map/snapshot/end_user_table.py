"""A temporary table of an account's end users, in which they are found as Wootric finds them."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import fields
from operator import attrgetter
from typing import Final, cast

from wootric_map.mapping.identity import WOOTRIC_ID
from wootric_map.model import EndUser, EndUserUpsert, LookUpKey
from wootric_map.snapshot.snapshot_lines import dump, load
from wootric_map.temporary_database import scratch_database
from wootric_map.values.contact import comparable
from wootric_map.wootric.replies import contradicts

_CACHE_KIB: Final = 32 * 1024
_SCHEMA: Final = """
    CREATE TABLE end_user (
        id INTEGER PRIMARY KEY, external_id TEXT, email TEXT, phone TEXT, content BLOB
    );
"""
_INDEXES: Final = "".join(
    f"CREATE INDEX by_{name} ON end_user ({name}) WHERE {name} IS NOT NULL;"
    for name in ("external_id", "email", "phone")
)
_CONTENT: Final = attrgetter(*(each.name for each in fields(EndUser) if each.name != "id"))
"""Returns what the column `content` holds: all fields of an end user but the id."""

_Row = tuple[int, str | None, str | None, str | None, bytes]


class EndUserTable:
    """End users in a temporary SQLite database, so that memory does not grow with their number.

    May be used from several threads.
    """

    def __init__(self) -> None:
        """Begin with nobody."""
        self._database = scratch_database(_SCHEMA, cache_kib=_CACHE_KIB)
        self._lock = threading.Lock()
        self._is_indexed = False

    def close(self) -> None:
        """Delete the table."""
        self._database.close()

    def __len__(self) -> int:
        """Return how many end users the table holds."""
        with self._lock:
            row = self._database.execute("SELECT count(*) FROM end_user").fetchone()
        return cast("int", row[0])

    def put(self, end_users: Iterable[EndUser]) -> None:
        """Add end users, each in place of one with the same id."""
        self._insert("INSERT OR REPLACE", end_users)

    def put_missing(self, end_users: Iterable[EndUser]) -> None:
        """Add end users, but those whose id is there already."""
        self._insert("INSERT OR IGNORE", end_users)

    def clear(self) -> None:
        """Remove all end users."""
        with self._lock:
            self._database.execute("DELETE FROM end_user")

    def find(self, wanted: EndUserUpsert) -> EndUser | None:
        """Look an end user up as Wootric does: by id, then external id, then email, or phone.

        A phone counts only if no email is given, and finds nobody who has another external id.
        """
        return next(
            (found for by, key in wanted.look_up_keys() if (found := self.by(by, key, wanted))),
            None,
        )

    def by(self, by: LookUpKey, key: str, wanted: EndUserUpsert) -> EndUser | None:
        """Return the oldest end user that one look-up finds.

        Args:
            by: the field that is looked up.
            key: the value of that field.
            wanted: all that is known about the wanted end user; a phone finds nobody who contradicts it.
        """
        if by == "id":
            return self._where("id", int(key)) if WOOTRIC_ID.fullmatch(key) else None
        if by == "external_id":
            return self._where("external_id", key)
        if by == "email":
            return self._where("email", comparable(key))
        found = self._where("phone", key.strip())
        return None if found and contradicts(wanted, found) else found

    def _where(self, column: str, value: str | int) -> EndUser | None:
        query = f"SELECT id, content FROM end_user WHERE {column} = ? ORDER BY id LIMIT 1"  # noqa: S608
        with self._lock:
            if not self._is_indexed:
                # Later than the first rows: to fill an index at once takes less time.
                self._database.executescript(_INDEXES)
                self._is_indexed = True
            row = self._database.execute(query, (value,)).fetchone()
        return None if row is None else EndUser(row[0], *load(row[1]))

    def _insert(self, how: str, end_users: Iterable[EndUser]) -> None:
        query = f"{how} INTO end_user VALUES (?, ?, ?, ?, ?)"
        with self._lock:
            self._database.execute("BEGIN")
            try:
                self._database.executemany(query, _rows(end_users))
            finally:
                self._database.execute("COMMIT")


def _rows(end_users: Iterable[EndUser]) -> Iterator[_Row]:
    """Yield the rows of the table `end_user`."""
    for held in end_users:
        yield (
            held.id,
            held.external_id or None,
            comparable(held.email) or None,
            (held.phone_number or "").strip() or None,
            dump(_CONTENT(held)),
        )
