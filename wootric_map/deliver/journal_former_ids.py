"""End users in a journal by ids that they had in earlier runs."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from wootric_map.deliver.fingerprints import RememberedEndUser, short, unpacked
from wootric_map.deliver.journal_claims import Claims
from wootric_map.deliver.journal_session import Session
from wootric_map.model import EndUserUpsert

_COLUMNS: Final = "id, fields, end_user.external_id, end_user.email, met, run"


class _Row(NamedTuple):
    """An end user as the journal holds it."""

    number: int
    """Wootric's own id."""
    fields: bytes
    external_id: bytes | None
    email: bytes | None
    met: float | None
    run: int | None


class FormerIds:
    """The `userId`s and emails that end users had in earlier runs."""

    def __init__(self, session: Session, claims: Claims, *, may_have_end_users: bool) -> None:
        """Take the ids as earlier runs left them.

        Args:
            session: this run's use of the journal.
            claims: tell which ids several people carry.
            may_have_end_users: whether earlier runs met any end user, or may have.
        """
        self._session = session
        self._commits = session.commits
        self._fingerprints = session.fingerprints
        self._claims = claims
        self._may_have_end_users = may_have_end_users

    def find_by_former_id(
        self,
        identifiers: Sequence[EndUserUpsert],
        earlier_ids: Sequence[int] = (),
        *,
        journal_only: bool,
    ) -> RememberedEndUser | None:
        """Return an end user of an earlier run who had one of these `userId`s or emails, or None.

        End users do not count who have another `userId` or email than all of these, whom only an id of
        several people ties to these, or whom this run has written.

        Args:
            identifiers: the ids of an end user that no look-up found; first the ids of now.
            earlier_ids: fingerprints of further ids of the end user, by identifies of earlier runs.
            journal_only: whether Wootric was not asked, so that the owner of the email may be found here.
        """
        ids = self._fingerprints.ids(identifiers)
        names = [
            each for each in ids["external_id"] + ids["email"] if not self._claims.is_shared(each)
        ]
        if not ((names or earlier_ids) and self._may_have_end_users):
            return None
        email = self._fingerprints.identity("email", identifiers[0].email) if journal_only else None
        with self._commits.reading() as database:
            owner = _email_owner(database, email)
            found = [*_by_former_id(database, names), *_by_claim(database, earlier_ids)]
        theirs: dict[int, set[bytes | None]] = {}
        for name, row in found:
            theirs.setdefault(row.number, {row.external_id, row.email}).add(name)
        candidates = [owner] if owner else []
        candidates += [row for _, row in found if self._may_be_taken(row)]
        ours = {*map(short, names), *earlier_ids}
        for row in candidates:
            if self._session.since is not None and (row.met or 0.0) < self._session.since:
                continue
            if row is owner or (
                self._is_same_person(row, ours)
                and not _has_other_id(row, ids, theirs[row.number], earlier_ids)
            ):
                fields = unpacked(row.fields) if self._session.recalls else {}
                return RememberedEndUser(row.number, fields, self._fingerprints)
        return None

    def _may_be_taken(self, row: _Row) -> bool:
        return row.run != self._session.run and not self._claims.is_shared(row.email)

    def _is_same_person(self, row: _Row, ours: Collection[int]) -> bool:
        """Return whether no id of several people alone ties an end user to `ours`."""
        own = row.email or row.external_id
        return own is not None and not self._claims.prints_are_different_people(ours, short(own))


def _email_owner(database: sqlite3.Connection, email: bytes | None) -> _Row | None:
    query = f"SELECT {_COLUMNS} FROM end_user WHERE email = ?"  # noqa: S608
    row = database.execute(query, (email,)).fetchone()
    return _Row(*row) if row else None


def _by_former_id(
    database: sqlite3.Connection, names: Sequence[bytes]
) -> list[tuple[bytes | None, _Row]]:
    """Return who had these ids that nobody has now, in the order of the ids."""
    some = ", ".join("?" * len(names))
    query = (
        f"SELECT former_id.name, {_COLUMNS} FROM former_id JOIN end_user ON end_user = id "  # noqa: S608
        f"WHERE former_id.name IN ({some}) AND NOT EXISTS (SELECT 1 FROM end_user AS other "
        "WHERE other.external_id = former_id.name OR other.email = former_id.name)"
    )
    rows = database.execute(query, names).fetchall()
    return [(name, _Row(*row)) for name, *row in sorted(rows, key=lambda row: names.index(row[0]))]


def _by_claim(
    database: sqlite3.Connection, earlier_ids: Sequence[int]
) -> Iterator[tuple[bytes | None, _Row]]:
    """Yield who has an id that identifies of earlier runs claim."""
    query = (
        f"SELECT {_COLUMNS} FROM end_user WHERE external_id BETWEEN ?1 AND ?2 "  # noqa: S608
        f"UNION SELECT {_COLUMNS} FROM end_user WHERE email BETWEEN ?1 AND ?2"
    )
    for shortened in earlier_ids:
        for row in database.execute(query, prints_of(shortened)):
            yield None, _Row(*row)


def prints_of(shortened: int) -> tuple[bytes, bytes]:
    """Return the least and the greatest fingerprint that `short` shortens to a number."""
    start = shortened.to_bytes(8, signed=True)
    return start + bytes(8), start + b"\xff" * 8


def _has_other_id(
    row: _Row,
    ids: Mapping[str, Sequence[bytes]],
    theirs: Collection[bytes | None],
    earlier_ids: Collection[int],
) -> bool:
    """Return whether an end user has a `userId` or email, and no id of that kind is among theirs.

    Args:
        row: the end user.
        ids: the ids that the end user was looked for by.
        theirs: all ids that the end user has or had.
        earlier_ids: further ids of the end user that was looked for.
    """
    return any(
        own
        and short(own) not in earlier_ids
        and ids[kind]
        and not any(each in theirs for each in ids[kind])
        for kind, own in (("external_id", row.external_id), ("email", row.email))
    )
