"""Whose external ids are, where a trait gives these: which end user states each, and which several state."""

import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from wootric_map.plan.engine.filing import NOBODY
from wootric_map.plan.engine.taken import Taken
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import shortened
from wootric_map.temporary_database import scratch_database

_CACHE_KIB: Final = 8 * 1024
_AT_ONCE: Final = 400
_TOLD_AT_ONCE: Final = 20_000

_SCHEMA: Final = """
    CREATE TABLE stated (
        text TEXT, is_withheld INTEGER, number INTEGER, other INTEGER, source TEXT, line INTEGER,
        PRIMARY KEY (text, is_withheld, number, other)
    ) WITHOUT ROWID;
    CREATE TABLE holder (text TEXT, root INTEGER, PRIMARY KEY (text, root)) WITHOUT ROWID;
    CREATE TABLE ambiguous (text TEXT PRIMARY KEY, people INTEGER) WITHOUT ROWID;
    CREATE TABLE own (print INTEGER, root INTEGER, PRIMARY KEY (print, root)) WITHOUT ROWID;
    BEGIN;
"""


class SeveralPeoplesId(NamedTuple):
    """An external id that several end users state."""

    text: str
    people: int
    """How many they are, as far as that is known."""
    source: str
    """Where one of them states it."""
    line: int


class StatedIds:
    """The external ids that identifies state, in a scratch database; used by one thread until it is decided.

    An external id ties nobody. One that several end users state is sent for none of them.
    """

    def __init__(self, identities: Identities, rule: str) -> None:
        """Begin with none.

        Args:
            identities: the ids of the run.
            rule: the trait that gives external ids, in the spelling that all its spellings share.
        """
        self._identities = identities
        self.rule = rule
        """The trait that gives external ids."""
        self._database = scratch_database(_SCHEMA, cache_kib=_CACHE_KIB)
        self._lock = threading.Lock()
        self._stating = bytearray()
        self._doubtful = bytearray()

    def close(self) -> None:
        """Delete what was stated."""
        self._database.close()

    def take(self, taken: Taken, numbers: Sequence[int], source: str, lines_before: int) -> None:
        """Add what identifies of a part state.

        Args:
            taken: the part.
            numbers: the number in the run of each id of the part, as `take_ids` returns them.
            source: the name of the part's source.
            lines_before: how many lines of the source stand before the part.
        """
        rows = (
            (text, is_withheld, numbers[number], numbers[other], source, lines_before + line)
            for number, other, text, is_withheld, line in taken.external_ids
        )
        self._database.executemany("INSERT OR IGNORE INTO stated VALUES (?, ?, ?, ?, ?, ?)", rows)

    def decide(self, evidence: Evidence | None) -> None:
        """Find out who states each external id, once all ids are tied, and which ids several people state.

        Args:
            evidence: what identifies of earlier runs state; gets what this run states.
        """
        count = len(self._identities)
        self._stating, self._doubtful = bytearray(count), bytearray(count)
        self._find_holders()
        self._database.execute(
            "INSERT INTO ambiguous SELECT text, count(*) FROM holder GROUP BY text HAVING count(*) > 1"
        )
        if evidence:
            self._compare(evidence)
        for query, marks in (
            ("SELECT root FROM holder", self._stating),
            ("SELECT root FROM holder JOIN ambiguous USING (text)", self._doubtful),
        ):
            for (root,) in self._database.execute(query):
                marks[root] = 1

    def _find_holders(self) -> None:
        """Find out which end user states each external id.

        An identify that is not sent may be of whoever has one of its ids, if they state the same.
        """
        identities, root = self._identities, self._identities.root
        query = "SELECT text, is_withheld, number, other FROM stated ORDER BY text, is_withheld"
        known = "SELECT 1 FROM holder WHERE text = ? AND root IN (?, ?)"
        for text, is_withheld, number, other in self._database.cursor().execute(query):
            if is_withheld:
                own = root(number), root(other)
                if self._database.execute(known, (text, *own)).fetchone():
                    continue
                holder = own[0]
            else:
                holder = root(_filed_under(number, other, identities))
            self._database.execute("INSERT OR IGNORE INTO holder VALUES (?, ?)", (text, holder))

    def _compare(self, evidence: Evidence) -> None:
        """Find the external ids that somebody else has stated in an earlier run, and tell this run's."""
        execute = self._database.execute
        self._database.executemany(
            "INSERT OR IGNORE INTO own VALUES (?, ?)", _own_prints(self._identities)
        )
        texts = (text for (text,) in self._database.cursor().execute(
            "SELECT DISTINCT text FROM stated ORDER BY text"
        ))  # fmt: skip
        theirs = "SELECT 1 FROM own JOIN holder USING (root) WHERE print = ? AND text = ?"
        one_more = (
            "INSERT OR REPLACE INTO ambiguous SELECT text, count(*) + 1 FROM holder WHERE text = ?"
        )
        while batch := list(islice(texts, _AT_ONCE)):
            by_print = {evidence.external_id_print(self.rule, text): text for text in batch}
            strangers: set[str] = set()
            for value, claimed in evidence.external_ids(by_print):
                text = by_print[value]
                if text not in strangers and not execute(theirs, (claimed, text)).fetchone():
                    strangers.add(text)
                    execute(one_more, (text,))
        stated = self._database.cursor().execute("SELECT text, number, other FROM stated")
        prints = self._identities.prints
        while rows := stated.fetchmany(_TOLD_AT_ONCE):
            evidence.add_external_ids(
                (evidence.external_id_print(self.rule, text), prints[number])
                for text, *numbers in rows
                for number in dict.fromkeys(numbers)
                if number < len(prints) and prints[number]
            )

    def ambiguous(self) -> Iterator[SeveralPeoplesId]:
        """Yield the external ids that several end users state."""
        query = (
            "SELECT text, people, source, min(line) FROM ambiguous JOIN stated USING (text) "
            "GROUP BY text ORDER BY text"
        )
        yield from (SeveralPeoplesId(*row) for row in self._database.cursor().execute(query))

    @property
    def stating(self) -> bytearray:
        """By the root of each end user, whether they state any external id."""
        return self._stating

    @property
    def ambiguous_count(self) -> int:
        """How many external ids several end users state."""
        (count,) = self._database.execute("SELECT count(*) FROM ambiguous").fetchone()
        return int(count)

    def states_any(self, root: int) -> bool:
        """Tell whether an end user states any external id; needs no database."""
        return bool(self._stating[root])

    def is_in_doubt(self, root: int) -> bool:
        """Tell whether an end user states an external id that others state, too; needs no database."""
        return bool(self._doubtful[root])

    def owner(self, text: str) -> int | None:
        """Return the root of the end user who alone states an external id; None if nobody does."""
        query = "SELECT root FROM holder LEFT JOIN ambiguous USING (text) WHERE text = ? AND people IS NULL"
        with self._lock:
            row = self._database.execute(query, (shortened(text),)).fetchone()
        return int(row[0]) if row else None

    def is_ambiguous(self, text: str) -> bool:
        """Tell whether several end users state an external id."""
        query = "SELECT 1 FROM ambiguous WHERE text = ?"
        with self._lock:
            return self._database.execute(query, (shortened(text),)).fetchone() is not None


def _filed_under(number: int, other: int, identities: Identities) -> int:
    """Return the id that an identify is filed under, as `filing.Filing.move` decides it."""
    is_moved = number in identities.ambiguous_users or other in identities.ambiguous_emails
    return other if other != NOBODY and is_moved else number


def _own_prints(identities: Identities) -> Iterator[tuple[int, int]]:
    """Yield the fingerprints of all ids of the run's end users, also of earlier runs, with the root."""
    for number, print_ in enumerate(identities.prints):
        if print_:
            yield print_, identities.root(number)
    for root, prints in identities.earlier_ids.items():
        yield from ((print_, root) for print_ in prints)
