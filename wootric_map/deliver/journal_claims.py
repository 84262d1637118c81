"""Which `userId` and email belong to one person, as the identifies of all runs claim (segment.md 8)."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final

from wootric_map.deliver.fingerprints import short
from wootric_map.deliver.journal_session import Session
from wootric_map.model import LookUpKey
from wootric_map.plan.people import EMAIL, PREFIXES, USER
from wootric_map.plan.tie_graph import Tie, is_empty, neighbours, reached, ties

_KIND_NAMES: Final[Mapping[str, LookUpKey]] = {
    PREFIXES[USER]: "external_id",
    PREFIXES[EMAIL]: "email",
}
"""The kind of id that end users are looked up by, by the prefix of an id's name."""

_CLAIMS_AT_ONCE: Final = 50_000

_SEVERAL_PEOPLE: Final = """
    WITH
        shared AS (SELECT email, count(*) AS users FROM claim GROUP BY email HAVING users > 1),
        changing AS (SELECT user, count(*) AS emails FROM claim GROUP BY user HAVING emails > 1)
    SELECT user, emails FROM changing JOIN claim USING (user) JOIN shared USING (email)
    GROUP BY user HAVING count(*) > 1
    UNION ALL
    SELECT email, users FROM shared JOIN claim USING (email) JOIN changing USING (user)
    GROUP BY email HAVING count(*) > 1
"""
"""`userId`s with two or more emails that have another `userId` as well; and emails with two or more `userId`s
that have another email as well: segment.md 8, rules 2 and 3, over all runs. `plan/ambiguous_ids.py` has the
same rules for one run."""


class Claims:
    """The claims of all runs on a journal; an `Evidence`."""

    def __init__(self, session: Session) -> None:
        self._commits = session.commits
        self._fingerprints = session.fingerprints
        self._is_first: bool | None = None
        """Whether no earlier run has tied any ids; None until this run does."""
        self._shared: Mapping[int, int] | None = None
        self._of_contradicted: frozenset[int] | None = None

    def fingerprint(self, name: str) -> int:
        """Return the fingerprint of an id, by its name; every run on this journal gives the same."""
        found = self._fingerprints.identity(_KIND_NAMES[name[:2]], name[2:])
        return 0 if found is None else short(found)

    def add_claims(self, claims: Iterable[tuple[int, int]], *, ties: bool) -> None:
        """Add the `userId` and the email of identifies that have both.

        Args:
            claims: pairs of fingerprints.
            ties: whether the pairs tie ids, or only show which ids several people carry.
        """
        self._add_edges(
            f"INSERT INTO claim VALUES (?, ?, {int(ties)}) "  # noqa: S608
            "ON CONFLICT DO UPDATE SET ties = 1 WHERE excluded.ties > claim.ties",
            claims,
        )
        self._shared = None

    def add_ties(self, ties: Iterable[tuple[int, int]]) -> None:
        """Add the `userId` and the email of track and page records that have both.

        Args:
            ties: pairs of fingerprints; the claims of identifies must have been added before.
        """
        self._add_edges(
            "INSERT OR IGNORE INTO tie SELECT ?1, ?2 WHERE NOT EXISTS "
            "(SELECT 1 FROM claim WHERE user = ?1 AND email = ?2 AND ties)",
            ties,
        )

    def add_aliases(self, aliases: Iterable[tuple[int, int]]) -> None:
        """Add pairs of fingerprints of a `previousId` and the `userId` that it is aliased to."""
        self._add_edges("INSERT OR IGNORE INTO alias VALUES (?, ?)", aliases)
        self._of_contradicted = None

    @property
    def has_had_stated_ids(self) -> bool:
        """Whether a trait has given the external ids of any run."""
        query = "SELECT external_id_from IS NOT NULL OR external_id_since > 0 FROM account"
        found = self._commits.first(query)
        return bool(found and found[0])

    def external_id_print(self, rule: str, text: str) -> int:
        """Return the fingerprint of an external id that a trait states; it is never that of a `userId`."""
        found = self._fingerprints.identity(f"external id by {rule}", text)
        return 0 if found is None else short(found)

    def external_ids(self, prints: Collection[int]) -> Iterator[tuple[int, int]]:
        """Yield some of these external ids, each with an id of one person who has stated it in any run."""
        several = self._several
        some = ", ".join("?" * len(prints))
        query = f"SELECT value, id FROM external_id WHERE value IN ({some})"  # noqa: S608
        with self._commits.reading() as database:
            for value, claimed in database.execute(query, tuple(prints)):
                if claimed not in several:
                    yield value, claimed

    def add_external_ids(self, stated: Iterable[tuple[int, int]]) -> None:
        """Add external ids that traits state, each with an id of whoever states it."""
        with self._commits.reading() as database:
            database.executemany("INSERT OR IGNORE INTO external_id VALUES (?, ?)", sorted(stated))

    def _add_edges(self, query: str, pairs: Iterable[tuple[int, int]]) -> None:
        coming = iter(pairs)
        while batch := sorted(islice(coming, _CLAIMS_AT_ONCE)):
            with self._commits.reading() as database:
                if self._is_first is None:
                    self._is_first = is_empty(database)
                database.executemany(query, batch)

    def shared_ids(self) -> Mapping[int, int]:
        """Return the ids that several people carry, each with the number of ids that it was seen with.

        They are found by segment.md 8, rules 2 and 3, among the identifies of all runs.
        """
        with self._commits.reading() as database:
            shared = dict(database.execute(_SEVERAL_PEOPLE).fetchall())
        self._shared = shared
        return shared

    def shared_previous_ids(self) -> Mapping[int, int]:
        """Return each `previousId` that is aliased to several `userId`s, with the number of these."""
        query = "SELECT previous, count(*) FROM alias GROUP BY previous HAVING count(*) > 1"
        with self._commits.reading() as database:
            return dict(database.execute(query).fetchall())

    def ids_beside_shared(self) -> Collection[int]:
        """Return the ids that a record of any run has together with one that several people carry.

        Also those that an alias may have tied before another contradicted it: a `previousId` of several
        `userId`s, and these.
        """
        several = self._several
        with self._commits.reading() as database:
            beside = {far for _, far in neighbours(database, several)}
        return beside | self._contradicted

    def is_shared_id(self, name: str) -> bool:
        """Return whether several people carry an id, by its name."""
        return self.fingerprint(name) in self._several

    def are_different_people(self, ours: Iterable[str], theirs: str) -> bool:
        """Return whether an id is another person's, though an id of several people may have tied the two.

        Args:
            ours: the names of one person's ids.
            theirs: the name of the id.
        """
        if not (self._several or self._contradicted):
            return False
        return self.prints_are_different_people(
            map(self.fingerprint, ours), self.fingerprint(theirs), is_told=True
        )

    def prints_are_different_people(
        self, ours: Iterable[int], theirs: int, *, is_told: bool = False
    ) -> bool:
        """Return whether only an id of several people or a contradicted alias may tie an id to a person.

        Args:
            ours: the fingerprints of the person's ids.
            theirs: the fingerprint of the id.
            is_told: whether a record must show whose the id is.
        """
        several, contradicted = self._several, self._contradicted
        if not (several or contradicted):
            return False
        with self._commits.reading() as database:
            own = reached(database, ours, several)
            if theirs in own.ids:
                return False
            other = reached(database, (theirs,), several)
        if not contradicted.isdisjoint(other.ids):
            return True
        if is_told and len(other.ids) == 1 and not other.touches_several:
            return False
        return own.touches_several or other.touches_several or not contradicted.isdisjoint(own.ids)

    def are_tied(self, one: bytes, other: bytes) -> bool:
        """Return whether records of any run tie two ids, given by their fingerprints."""
        several = self._several
        with self._commits.reading() as database:
            return short(other) in reached(database, (short(one),), several).ids

    def ties(self, own: Sequence[int]) -> Iterator[Tie]:
        """Yield the ties of all runs that lead from these ids to others, as `tie_graph.ties` does.

        Args:
            own: the fingerprints of the ids of this run, each at the place of its number; 0 leaves an id out.
        """
        several = self._several
        with self._commits.reading() as database:
            is_first, self._is_first = self._is_first, None
            if not is_first:  # else all ties are of this run
                yield from ties(database, own, several)

    def is_shared(self, identity: bytes | None) -> bool:
        """Return whether several people carry an id, by its fingerprint."""
        return identity is not None and short(identity) in self._several

    @property
    def several(self) -> Mapping[int, int]:
        """The ids that several people carry, each with the number of ids that it was seen with."""
        return self._several

    @property
    def _contradicted(self) -> frozenset[int]:
        """The `previousId`s of several `userId`s, and these: an earlier run may have tied them."""
        if self._of_contradicted is None:
            query = (
                "SELECT previous, user FROM alias WHERE previous IN "
                "(SELECT previous FROM alias GROUP BY previous HAVING count(*) > 1)"
            )
            with self._commits.reading() as database:
                self._of_contradicted = frozenset(chain(*database.execute(query)))
        return self._of_contradicted

    @property
    def _several(self) -> Mapping[int, int]:
        """The result of `shared_ids`, kept until the claims change."""
        return self.shared_ids() if self._shared is None else self._shared
