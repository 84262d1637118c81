"""Whom a journal knows by an id that was theirs before."""

from collections.abc import Collection, Sequence

from wootric_map.deliver.fingerprints import RememberedEndUser, short, unpacked
from wootric_map.deliver.journal_claims import Claims
from wootric_map.deliver.journal_session import Session
from wootric_map.model import EndUserUpsert


class FormerIds:
    """The userIds and emails that end users had before."""

    def __init__(self, session: Session, claims: Claims, *, met_anybody: bool) -> None:
        """Take them as earlier runs left them.

        Args:
            session: this run's use of the journal.
            claims: tell which ids several people carry.
            met_anybody: whether earlier runs met any end user, or may have.
        """
        self._session = session
        self._commits = session.commits
        self._fingerprints = session.fingerprints
        self._claims = claims
        self._met_anybody = met_anybody

    def recollect(
        self, known_as: Sequence[EndUserUpsert], elsewhere: Sequence[int] = (), *, alone: bool
    ) -> RememberedEndUser | None:
        """Return an end user whom an earlier run left, and who had one of these userIds or emails before.

        Nobody whom anything contradicts: who has another userId or another email than all of these, or
        whom only an id tied to these that has proved to be several people's, or who was written by this
        run, which holds them apart.

        Args:
            known_as: what an end user is known by whom nobody was found by: first what they have now.
            elsewhere: the fingerprints of ids that are theirs by what identifies of earlier runs claimed.
            alone: whether Wootric was not asked, so that whoever has the email now is not found yet.
        """
        ids = self._fingerprints.ids(known_as)
        names = [
            each for each in ids["external_id"] + ids["email"] if not self._claims.is_shared(each)
        ]
        if not ((names or elsewhere) and self._met_anybody):
            return None
        columns = "id, fields, end_user.external_id, end_user.email, met, run"
        some = ", ".join("?" * len(names))
        email = self._fingerprints.identity("email", known_as[0].email) if alone else None
        others = set(elsewhere)
        ours = {*map(short, names), *others}
        with self._commits.reading() as database:
            query = f"SELECT {columns} FROM end_user WHERE email = ?"  # noqa: S608
            owner = database.execute(query, (email,)).fetchone()
            query = (
                f"SELECT former_id.name, {columns} FROM former_id JOIN end_user ON end_user = id "  # noqa: S608
                f"WHERE former_id.name IN ({some}) AND NOT EXISTS (SELECT 1 FROM end_user AS other "
                "WHERE other.external_id = former_id.name OR other.email = former_id.name)"
            )
            rows = database.execute(query, names).fetchall()
            query = (
                f"SELECT NULL, {columns} FROM end_user WHERE external_id BETWEEN ?1 AND ?2 "  # noqa: S608
                f"UNION SELECT NULL, {columns} FROM end_user WHERE email BETWEEN ?1 AND ?2"
            )
            for shortened in elsewhere:
                rows += database.execute(query, _prints_of(shortened)).fetchall()
        theirs: dict[int, set[bytes]] = {}
        candidates = [owner] if owner else []
        for name, *row in sorted(
            rows, key=lambda row: (row[0] is None, row[0] and names.index(row[0]))
        ):
            number, _, external_id, email, _, run = row
            theirs.setdefault(number, {external_id, email}).add(name)
            if run != self._session.run and not self._claims.is_shared(email):
                candidates.append(tuple(row))
        for each in candidates:
            number, fields, external_id, email, met, _ = each
            if self._session.since is not None and (met or 0.0) < self._session.since:
                continue
            if each is owner or (
                (external_id or email)
                and not self._claims.prints_are_apart(ours, short(email or external_id))
                and not (
                    external_id
                    and short(external_id) not in others
                    and _is_another(ids["external_id"], theirs[number])
                )
                and not (
                    email
                    and short(email) not in others
                    and _is_another(ids["email"], theirs[number])
                )
            ):
                return RememberedEndUser(
                    number, unpacked(fields) if self._session.recalls else {}, self._fingerprints
                )
        return None


def _prints_of(shortened: int) -> tuple[bytes, bytes]:
    """Return the least and the greatest fingerprint that `short` gives this number of."""
    start = shortened.to_bytes(8, signed=True)
    return start + bytes(8), start + b"\xff" * 8


def _is_another(told: Sequence[bytes], theirs: Collection[bytes]) -> bool:
    """Whether ids of one kind are told, and none of them is theirs."""
    return bool(told) and not any(each in theirs for each in told)
