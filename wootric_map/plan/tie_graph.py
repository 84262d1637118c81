"""The ties of all runs: a graph of fingerprints of ids in a journal's database (segment.md 8, rule 7).

Three tables hold the edges: `claim`, the `userId` and email of an identify; `tie`, the `userId` and email of
a track or page record; `alias`, a `previousId` and its `userId`. No path leads over an id of several people.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

_ASKED_AT_ONCE: Final = 500

_HAS_ONE_USER: Final = (
    "NOT EXISTS (SELECT 1 FROM alias AS another "
    "WHERE another.previous = alias.previous AND another.user <> alias.user)"
)
"""The condition under which an alias ties: its `previousId` has one `userId` (segment.md 8, rule 5)."""

_EDGES: Final = (
    ("claim", "user", "email", "claim.ties"),
    ("tie", "one", "other", "1"),
    ("alias", "previous", "user", _HAS_ONE_USER),
)
"""Each table with its two ends, and the condition under which a row of it ties."""

_NEIGHBOURS: Final = " UNION ALL ".join(
    f"SELECT {near}, {far} FROM {table} WHERE {near} IN ({{0}}) AND {counts}"  # noqa: S608
    for table, one, other, counts in _EDGES
    for near, far in ((one, other), (other, one))
)

_FROM_OWN: Final = " UNION ALL ".join(
    f"SELECT own.print, own.number, {far}, coalesce(others.number, -1) "  # noqa: S608
    f"FROM own CROSS JOIN {table} ON {near} = own.print "
    f"LEFT JOIN own AS others ON others.print = {far} WHERE {counts}"
    for table, one, other, counts in _EDGES
    for near, far in (
        (f"{table}.{one}", f"{table}.{other}"),
        (f"{table}.{other}", f"{table}.{one}"),
    )
)


class Tie(NamedTuple):
    """Two ids that a record of any run ties."""

    one: int
    """The number of one id in this run; -1 if this run does not name the id."""
    one_print: int
    """The fingerprint of that id."""
    other: int
    """The number of the other id in this run; -1 if this run does not name the id."""
    other_print: int
    """The fingerprint of the other id."""


class Reached(NamedTuple):
    """The ids that can be reached from some ids over ties."""

    ids: Collection[int]
    """The fingerprints of the ids that were reached, and of those at the beginning."""
    touches_several: bool
    """Whether any of the ids is tied to an id that several people carry."""


def is_empty(database: sqlite3.Connection) -> bool:
    """Tell whether no run has tied any ids yet."""
    return not any(
        database.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608
        for table, *_ in _EDGES
    )


def neighbours(database: sqlite3.Connection, prints: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield each id with each id that a record ties it to, ids of several people too, as fingerprints.

    Args:
        database: the journal's database.
        prints: the fingerprints of the ids, each once.
    """
    coming = iter(prints)
    while some := list(islice(coming, _ASKED_AT_ONCE)):
        marks = ", ".join(f"?{nth}" for nth in range(1, len(some) + 1))
        yield from database.execute(_NEIGHBOURS.format(marks), some).fetchall()


def reached(
    database: sqlite3.Connection, prints: Iterable[int], several: Collection[int]
) -> Reached:
    """Find all ids that can be reached from some ids without passing an id of several people.

    Args:
        database: the journal's database.
        prints: the fingerprints of the ids to begin with.
        several: the fingerprints of the ids that several people carry.
    """
    begin = set(prints)
    ahead = begin.difference(several)
    touches = len(ahead) < len(begin)
    met = set(ahead)
    while ahead:
        found = {far for _, far in neighbours(database, ahead)}
        ahead = found.difference(several, met)
        touches = touches or not found.isdisjoint(several)
        met |= ahead
    return Reached(met, touches)


def ties(
    database: sqlite3.Connection, own: Sequence[int], several: Mapping[int, int]
) -> Iterator[Tie]:
    """Yield the ties that lead from the ids of a run to other ids without passing an id of several people.

    One end of each tie is an id of the run, or an end of a tie that was yielded before.

    Args:
        database: the journal's database.
        own: the fingerprint of each id of the run, by the number of the id; 0 for an id to leave out.
        several: the fingerprints of the ids that several people carry.
    """
    execute = database.execute
    execute("CREATE TEMP TABLE own (print INTEGER PRIMARY KEY, number INTEGER NOT NULL)")
    database.executemany(
        "INSERT OR IGNORE INTO own VALUES (?, ?)",
        sorted((each, number) for number, each in enumerate(own) if each and each not in several),
    )
    foreign: set[int] = set()
    for near_print, near, far_print, far in execute(_FROM_OWN):
        if far_print not in several:
            if far < 0:
                foreign.add(far_print)
            yield Tie(near, near_print, far, far_print)
    met = set(foreign)
    while foreign:
        ahead: set[int] = set()
        for near_print, far_print in neighbours(database, foreign):
            if far_print not in several:
                row = execute("SELECT number FROM own WHERE print = ?", (far_print,)).fetchone()
                if row is None and far_print not in met:
                    ahead.add(far_print)
                yield Tie(-1, near_print, row[0] if row else -1, far_print)
        met |= ahead
        foreign = ahead
    execute("DROP TABLE own")
