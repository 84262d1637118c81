"""What the identifies of all runs claim: which userId and email are one person's (segment.md 8)."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from wootric_map.deliver.fingerprints import short
from wootric_map.deliver.journal_session import Session
from wootric_map.model import LookUpKey
from wootric_map.plan.people import EMAIL, PREFIXES, USER, Tie

_KIND_NAMES: Final[Mapping[str, LookUpKey]] = {
    PREFIXES[USER]: "external_id",
    PREFIXES[EMAIL]: "email",
}
"""What end users are looked up by, by the prefix of an id's name."""

_CLAIMS_AT_ONCE: Final = 50_000
_ASKED_AT_ONCE: Final = 500

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
"""userIds of which two or more emails have another userId as well; and emails of which two or more userIds
have another email as well."""

_TIES: Final = (
    "SELECT coalesce(users.number, -1), claim.user, coalesce(emails.number, -1), claim.email "
    "FROM {} LEFT JOIN own AS users ON users.print = claim.user "
    "LEFT JOIN own AS emails ON emails.print = claim.email WHERE claim.ties AND {}"
)
_TIES_OF_OWN: Final = " UNION ALL ".join(
    (
        _TIES.format("own CROSS JOIN claim ON claim.user = own.print", "1"),
        _TIES.format("own CROSS JOIN claim ON claim.email = own.print", "users.number IS NULL"),
    )
)
_TIES_OF_OTHERS: Final = " UNION ".join(
    (_TIES.format("claim", "claim.user IN ({0})"), _TIES.format("claim", "claim.email IN ({0})"))
)
"""Claims as `Tie` has them: those that name an id of this run, and those that name one of some others."""


class Claims:
    """The claims of all runs on a journal; an `Evidence`."""

    def __init__(self, session: Session) -> None:
        self._commits = session.commits
        self._fingerprints = session.fingerprints
        self._claimed = 0
        """How many claims this run has added."""
        self._shared: Mapping[int, int] | None = None

    def fingerprint(self, name: str) -> int:
        """Return the fingerprint of an id by its name: the same in every run on this journal."""
        found = self._fingerprints.identity(_KIND_NAMES[name[:2]], name[2:])
        return 0 if found is None else short(found)

    def add(self, claims: Iterable[tuple[int, int]], *, ties: bool) -> None:
        """Add pairs of the fingerprints of a `userId` and an email that an identify has together.

        Args:
            claims: the pairs, each once.
            ties: whether they tie, or only count to tell ids of several people.
        """
        query = (
            f"INSERT INTO claim VALUES (?, ?, {int(ties)}) "  # noqa: S608
            "ON CONFLICT DO UPDATE SET ties = 1 WHERE excluded.ties > claim.ties"
        )
        coming = iter(claims)
        while batch := sorted(islice(coming, _CLAIMS_AT_ONCE)):
            self._claimed += len(batch)
            with self._commits.reading() as database:
                database.executemany(query, batch)
        self._shared = None

    def several_people(self) -> Mapping[int, int]:
        """Return the ids that several people carry, each with the number of ids that it was seen with.

        Which these are: segment.md 8, rules 2 and 3, over the identifies of all runs.
        """
        with self._commits.reading() as database:
            shared = dict(database.execute(_SEVERAL_PEOPLE).fetchall())
        self._shared = shared
        return shared

    def beside_several(self) -> Collection[int]:
        """Return the ids that an identify of any run has together with one that several people carry."""
        beside: set[int] = set()
        several = iter(self._several)
        while some := list(islice(several, _ASKED_AT_ONCE)):
            marks = ", ".join("?" * len(some))
            query = (
                f"SELECT email FROM claim WHERE user IN ({marks}) "  # noqa: S608
                f"UNION SELECT user FROM claim WHERE email IN ({marks})"
            )
            with self._commits.reading() as database:
                beside.update(each for (each,) in database.execute(query, some + some))
        return beside

    def carries_several(self, name: str) -> bool:
        """Return whether several people carry an id, by its name."""
        return self.fingerprint(name) in self._several

    def ties(self, own: Sequence[int]) -> Iterator[Tie]:
        """Yield the ties of all runs that lead from these ids to others, over no id of several people.

        An end of each tie is one of these, or an end of a tie before it.

        Args:
            own: the fingerprints of the ids of this run, each at the place of its number; 0 of an id that
                is to be left out.
        """
        several = self._several
        with self._commits.reading() as database:
            (known,) = database.execute("SELECT count(*) FROM claim").fetchone()
            if known == self._claimed:
                return  # it is all of this run
            execute = database.execute
            execute("CREATE TEMP TABLE own (print INTEGER PRIMARY KEY, number INTEGER NOT NULL)")
            database.executemany(
                "INSERT OR IGNORE INTO own VALUES (?, ?)",
                sorted(
                    (each, number)
                    for number, each in enumerate(own)
                    if each and each not in several
                ),
            )
            met: set[int] = set()
            ahead: set[int] = set()
            for tie in execute(_TIES_OF_OWN):
                found = Tie(*tie)
                if not found.crosses(several):
                    ahead.update(found.foreign())
                    yield found
            while ahead:
                met |= ahead
                coming, ahead = iter(ahead), set()
                while some := list(islice(coming, _ASKED_AT_ONCE)):
                    marks = ", ".join("?" * len(some))
                    for tie in execute(_TIES_OF_OTHERS.format(marks), some + some):
                        found = Tie(*tie)
                        if not found.crosses(several):
                            ahead.update(each for each in found.foreign() if each not in met)
                            yield found
            execute("DROP TABLE own")

    def is_shared(self, identity: bytes | None) -> bool:
        """Return whether several people carry a userId or an email, by its fingerprint."""
        return identity is not None and short(identity) in self._several

    @property
    def _several(self) -> Mapping[int, int]:
        """What `several_people` returns, asked once."""
        return self.several_people() if self._shared is None else self._shared
