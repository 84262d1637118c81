"""What a journal knows of end users: what earlier runs left of each in Wootric, and what was said of them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from wootric_map.deliver.fingerprints import (
    Prints,
    Provenance,
    RememberedEndUser,
    RememberedSayings,
    merged_sayings,
    packed,
    short,
    unpacked,
    unpacked_sayings,
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


class EndUsers:
    """The end users whom the runs on a journal have met."""

    def __init__(self, session: Session, claims: Claims) -> None:
        self._session = session
        self._commits = session.commits
        self._fingerprints = session.fingerprints
        self._claims = claims

    def find(self, wanted: EndUserUpsert) -> RememberedEndUser | None:
        """Look an end user up among those whom earlier writes left in Wootric.

        By the same ids as Wootric does. Whoever is found by email or phone but was never known by this
        external id, and is by another, is somebody else by now, perhaps: only Wootric can tell.
        """
        if not self._session.recalls:
            return None
        identity = self._fingerprints.identity
        keys: list[tuple[LookUpKey, object]] = [
            ("id", int(value)) if by == "id" else (by, identity(by, value))
            for by, value in wanted.look_up_keys()
            if by != "id" or WOOTRIC_ID.fullmatch(value)
        ]
        if not keys:
            return None
        # All in one query, since each waits for whatever is being brought to disk.
        query = " UNION ALL ".join(
            f"SELECT {nth}, id, fields, external_id, email, met FROM end_user "  # noqa: S608
            f"WHERE {_COLUMNS[by]} = ?"
            for nth, (by, _) in enumerate(keys)
        )
        with self._commits.reading() as database:
            rows = database.execute(
                f"{query} ORDER BY 1, 2", [value for _, value in keys]
            ).fetchall()
        owner = next((row[1] for row in rows if keys[row[0]][0] == "email"), None)
        is_taken = False
        for row in rows:
            by = keys[row[0]][0]
            # Of two end users, who are one person by now, the one with the email is who they are.
            is_former = owner not in (None, row[1]) and row[4] is not None
            if by != "external_id" or not (is_former or self._is_anothers(row[4], wanted)):
                break
            is_taken = True
        else:
            return None
        _, number, fields, external_id, email, met = row
        if self._session.since is not None and (met or 0.0) < self._session.since:
            return None
        if by == "phone_number" and (email or external_id):
            return None
        other = identity("external_id", wanted.external_id)
        if by == "email" and external_id and other and external_id != other:
            query = "SELECT 1 FROM former_id WHERE name = ? AND end_user = ?"
            is_theirs = self._commits.first(query, other, number)
            if not (is_theirs or (is_taken and self._claims.are_tied(other, external_id))):
                return None
        return RememberedEndUser(number, unpacked(fields), self._fingerprints, is_taken)

    def _is_anothers(self, email: bytes | None, wanted: EndUserUpsert) -> bool:
        """Return whether an email makes an end user who was found by a userId somebody else.

        Args:
            email: the fingerprint of the email of whoever was found.
            wanted: who was looked for.
        """
        ids = self._fingerprints.ids((wanted,))
        if email is None or email in ids["email"]:
            return False
        ours = map(short, ids["external_id"] + ids["email"])
        return self._claims.is_shared(email) or self._claims.prints_are_apart(
            ours, short(email), is_told=True
        )

    def sayings_of(self, number: int) -> RememberedSayings | None:
        """What earlier writes said of an end user of Wootric's; None where that is not known.

        Told also where it ignores what earlier runs did: what an older file says undoes nothing, however
        often it is sent.
        """
        found = self._commits.first("SELECT said, external_id FROM end_user WHERE id = ?", number)
        if not (found and found[0]):
            return None
        try:
            statements = unpacked_sayings(found[0])
        except ValueError as error:
            raise JournalFailedError(spoilt(Path(self._commits.name), error)) from error
        if self._claims.is_shared(found[1]):
            # Whoever said that it is theirs, it is nobody's.
            mine = self._fingerprints.field("external_id")
            others = {name: each for name, each in statements.by_name.items() if name != mine}
            statements = replace(statements, by_name=others)
        return RememberedSayings(statements, self._fingerprints)

    def met(self, number: int) -> bool:
        """Return whether any run, this one too, has met an end user of Wootric's since the snapshot."""
        found = self._commits.first("SELECT met FROM end_user WHERE id = ?", number)
        return found is not None and (
            self._session.since is None or (found[0] or 0.0) >= self._session.since
        )

    @property
    def knows_anybody(self) -> bool:
        """Whether earlier runs met any end user."""
        return self._commits.first("SELECT 1 FROM end_user LIMIT 1") is not None

    def hold(
        self,
        ids: tuple[int, bytes | None, bytes | None, bytes | None],
        fields: Prints,
        provenance: Provenance,
        met: float,
        run: int | None,
    ) -> None:
        """Write down that Wootric holds an end user.

        Args:
            ids: Wootric's own id, and the fingerprints of the external id, email and phone.
            fields: what they hold.
            provenance: when that was said, and of whom.
            met: the unix time.
            run: the run that wrote them; None where none did.
        """
        number, external_id, email, phone = ids
        known_as: dict[bytes | None, None] = dict.fromkeys(provenance.each_id())
        execute = self._commits.execute
        query = (
            "SELECT id, fields, said, external_id, email FROM end_user "
            "WHERE id = ? OR external_id = ? OR email = ?"
        )
        before: Prints = {}
        said = provenance.said
        now: tuple[bytes | None, bytes | None] = (external_id, email)
        for other, held, heard, *was in execute(query, (number, external_id, email)).fetchall():
            if other == number:
                before, said = unpacked(held), merged_sayings(heard or b"", said)
                known_as |= dict.fromkeys(was)
                now = (external_id or was[0], email or was[1])
            else:
                # Both are unique in an account (wootric.md 3): whoever had one has it no more. What they
                # have instead, only Wootric can tell; when their traits were said stays true.
                execute(
                    "UPDATE end_user SET external_id = NULL, email = NULL, phone = NULL, fields = x'' "
                    "WHERE id = ?",
                    (other,),
                )
        execute(
            "INSERT INTO end_user (id, external_id, email, phone, fields, met, said, run) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "external_id = coalesce(excluded.external_id, external_id), "
            "email = coalesce(excluded.email, email), "
            "phone = coalesce(excluded.phone, phone), fields = excluded.fields, "
            "met = excluded.met, said = excluded.said, run = coalesce(excluded.run, run)",
            (
                number,
                external_id,
                email,
                phone,
                packed({**before, **fields}),
                met,
                said or None,
                run,
            ),
        )
        for each in known_as:
            if each is not None and each not in now:
                execute("INSERT OR REPLACE INTO former_id VALUES (?, ?)", (each, number))

    def add_sayings(self, number: int, said: bytes) -> None:
        """Write down what more is known to have been said of an end user."""
        found = self._commits.execute(
            "SELECT said FROM end_user WHERE id = ?", (number,)
        ).fetchone()
        query = "UPDATE end_user SET said = ? WHERE id = ?"
        self._commits.execute(
            query, (merged_sayings(said, found[0] or b"") if found else said, number)
        )
