"""The end users in a journal: what earlier runs left of each in Wootric, and what was stated about them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from wootric_map.deliver.fingerprints import (
    Prints,
    Provenance,
    RememberedEndUser,
    RememberedStatements,
    merged_statements,
    packed,
    short,
    unpacked,
    unpacked_statements,
)
from wootric_map.deliver.journal_claims import Claims
from wootric_map.deliver.journal_schema import spoilt
from wootric_map.deliver.journal_session import Session
from wootric_map.errors import JournalFailedError
from wootric_map.mapping.identity import WOOTRIC_ID
from wootric_map.model import EndUserUpsert, LookUpKey

_COLUMNS: Final[Mapping[LookUpKey, str]] = {
    "id": "id",
    "external_id": "external_id",
    "email": "email",
    "phone_number": "phone",
}


class IdPrints(NamedTuple):
    """Wootric's own id of an end user, and the fingerprints of the other ids."""

    number: int
    external_id: bytes | None
    email: bytes | None
    phone: bytes | None


class _Match(NamedTuple):
    """An end user that an id has found."""

    by: LookUpKey
    number: int
    """Wootric's own id."""
    fields: bytes
    external_id: bytes | None
    email: bytes | None
    met: float | None


class EndUsers:
    """The end users that the runs on a journal have met."""

    def __init__(self, session: Session, claims: Claims) -> None:
        self._session = session
        self._commits = session.commits
        self._fingerprints = session.fingerprints
        self._claims = claims

    def find(self, wanted: EndUserUpsert) -> RememberedEndUser | None:
        """Return an end user that an earlier run left in Wootric, found by the ids that Wootric goes by.

        Returns None also if only Wootric can tell: somebody found by email or phone who has another
        `userId` may be another end user by now.
        """
        if not self._session.recalls:
            return None
        found, is_taken = self._matching(wanted)
        if found is None:
            return None
        if self._session.since is not None and (found.met or 0.0) < self._session.since:
            return None
        if found.by == "phone_number" and (found.email or found.external_id):
            return None
        other = self._fingerprints.identity("external_id", wanted.segment_user_id)
        if found.by == "email" and found.external_id and other and found.external_id != other:
            query = "SELECT 1 FROM former_id WHERE name = ? AND end_user = ?"
            is_theirs = self._commits.first(query, other, found.number)
            if not (is_theirs or (is_taken and self._claims.are_tied(other, found.external_id))):
                return None
        return RememberedEndUser(found.number, unpacked(found.fields), self._fingerprints, is_taken)

    def _matching(self, wanted: EndUserUpsert) -> tuple["_Match | None", bool]:
        """Return the surest match of a look-up, and whether somebody else has the `userId`."""
        matches = self._matches(wanted)
        owner = next((each.number for each in matches if each.by == "email"), None)
        is_taken = False
        for each in matches:
            # If two end users are one person by now, the one with the email counts.
            is_former = owner not in (None, each.number) and each.email is not None
            if each.by != "external_id" or not (is_former or self._is_anothers(each.email, wanted)):
                return each, is_taken
            is_taken = is_taken or self._has_external_id(each, wanted)
        return None, is_taken

    def _matches(self, wanted: EndUserUpsert) -> list["_Match"]:
        """Return the end users that any id finds, in the order of the ids."""
        identity = self._fingerprints.identity
        keys: list[tuple[LookUpKey, object]] = [
            ("id", int(value)) if by == "id" else (by, identity(by, value))
            for by, value in wanted.known_keys()
            if by != "id" or WOOTRIC_ID.fullmatch(value)
        ]
        if not keys:
            return []
        # One query for all ids, since each query waits for a commit that is under way.
        query = " UNION ALL ".join(
            f"SELECT {nth}, id, fields, external_id, email, met FROM end_user "  # noqa: S608
            f"WHERE {_COLUMNS[by]} = ?"
            for nth, (by, _) in enumerate(keys)
        )
        with self._commits.reading() as database:
            rows = database.execute(f"{query} ORDER BY 1, 2", [value for _, value in keys])
            return [_Match(keys[nth][0], *row) for nth, *row in rows]

    def _has_external_id(self, match: "_Match", wanted: EndUserUpsert) -> bool:
        """Return whether an end user with the `userId` has the external id, which may be another value."""
        if wanted.external_id_from is None:
            return True
        held = RememberedEndUser(match.number, unpacked(match.fields), self._fingerprints)
        return bool(wanted.external_id and held.holds("external_id", wanted.external_id))

    def _is_anothers(self, email: bytes | None, wanted: EndUserUpsert) -> bool:
        """Return whether an email shows that a `userId` has found somebody else.

        Args:
            email: the fingerprint of the email of the end user who was found.
            wanted: who was looked for.
        """
        ids = self._fingerprints.ids((wanted,))
        if email is None or email in ids["email"]:
            return False
        ours = map(short, ids["external_id"] + ids["email"])
        return self._claims.is_shared(email) or self._claims.prints_are_different_people(
            ours, short(email), is_told=True
        )

    def statements_of(self, number: int) -> RememberedStatements | None:
        """Return what earlier writes stated about an end user, by Wootric's id; None if that is not known.

        It is returned also if the run ignores what earlier runs delivered: an older export undoes nothing,
        however often it is sent.
        """
        found = self._commits.first("SELECT said, external_id FROM end_user WHERE id = ?", number)
        if not (found and found[0]):
            return None
        try:
            statements = unpacked_statements(found[0])
        except ValueError as error:
            raise JournalFailedError(spoilt(Path(self._commits.name), error)) from error
        if self._claims.is_shared(found[1]):
            # An id of several people is nobody's.
            mine = self._fingerprints.field("external_id")
            others = {name: each for name, each in statements.by_name.items() if name != mine}
            statements = replace(statements, by_name=others)
        return RememberedStatements(statements, self._fingerprints)

    def is_anothers(
        self, number: int, identifiers: Iterable[EndUserUpsert], earlier_ids: Collection[int]
    ) -> bool:
        """Return whether earlier runs know an end user of the account as somebody else.

        Args:
            number: Wootric's own id of the end user.
            identifiers: the ids of the end user that was looked for.
            earlier_ids: fingerprints of further ids of theirs.
        """
        query = "SELECT external_id, email, phone FROM end_user WHERE id = ?"
        user_id, email, phone = self._commits.first(query, number) or (None, None, None)
        identifiers = tuple(identifiers)
        ids = self._fingerprints.ids(identifiers)
        ours = {*map(short, ids["external_id"] + ids["email"]), *earlier_ids}
        known = [short(each) for each in (user_id, email) if each is not None]
        if known or phone is None:
            return bool(known) and ours.isdisjoint(known)
        identity = self._fingerprints.identity
        return phone not in {identity("phone_number", each.phone_number) for each in identifiers}

    def has_met(self, number: int) -> bool:
        """Return whether any run, this one included, has met an end user since the snapshot."""
        found = self._commits.first("SELECT met FROM end_user WHERE id = ?", number)
        return found is not None and (
            self._session.since is None or (found[0] or 0.0) >= self._session.since
        )

    @property
    def has_any(self) -> bool:
        """Whether earlier runs met any end user."""
        return self._commits.first("SELECT 1 FROM end_user LIMIT 1") is not None

    def save(
        self,
        ids: IdPrints,
        fields: Prints,
        provenance: Provenance,
        met: float,
        run: int | None,
    ) -> None:
        """Write what Wootric holds of an end user.

        Args:
            ids: the ids of the end user.
            fields: the fingerprints of the fields.
            provenance: when the fields were stated, and about which ids.
            met: the unix time.
            run: the run that wrote the end user; None if none did.
        """
        execute = self._commits.execute
        self._take_from_others(ids)
        query = "SELECT fields, said, external_id, email FROM end_user WHERE id = ?"
        row = execute(query, (ids.number,)).fetchone()
        before, statements, *had = row or (b"", b"", None, None)
        statements = merged_statements(statements or b"", provenance.statements)
        execute(
            "INSERT INTO end_user (id, external_id, email, phone, fields, met, said, run) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "external_id = coalesce(excluded.external_id, external_id), "
            "email = coalesce(excluded.email, email), "
            "phone = coalesce(excluded.phone, phone), fields = excluded.fields, "
            "met = excluded.met, said = excluded.said, run = coalesce(excluded.run, run)",
            (*ids, packed({**unpacked(before), **fields}), met, statements or None, run),
        )
        now = (ids.external_id or had[0], ids.email or had[1])
        for each in dict.fromkeys([*provenance.each_id(), *had]):
            if each is not None and each not in now:
                execute("INSERT OR REPLACE INTO former_id VALUES (?, ?)", (each, ids.number))

    def _take_from_others(self, ids: IdPrints) -> None:
        """Take a `userId` and an email from others: both are unique in an account (wootric.md 3).

        What the others have instead, only Wootric can tell; when their traits were stated stays true.
        """
        self._commits.execute(
            "UPDATE end_user SET external_id = NULL, email = NULL, phone = NULL, fields = x'' "
            "WHERE (external_id = ? OR email = ?) AND id <> ?",
            (ids.external_id, ids.email, ids.number),
        )

    def add_statements(self, number: int, statements: bytes) -> None:
        """Write what else was stated about an end user."""
        found = self._commits.execute(
            "SELECT said FROM end_user WHERE id = ?", (number,)
        ).fetchone()
        query = "UPDATE end_user SET said = ? WHERE id = ?"
        self._commits.execute(
            query, (merged_statements(statements, found[0] or b"") if found else statements, number)
        )
