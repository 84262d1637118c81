"""From all records in the order they were read to the records of each end user in time order."""

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

from wootric_map.plan.engine.database import Database
from wootric_map.plan.engine.found import WITHOUT_WOOTRIC_ID
from wootric_map.plan.engine.rows import (
    CHOSEN,
    CLAIM,
    DETACHED,
    FILED,
    IDENTIFY,
    MENTIONED,
    OTHER,
    SKIPPED,
    TIE,
    TRACK,
)
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import NEVER, NO_TIME
from wootric_map.read.ordinary_lines import KINDS as ALL_KINDS

T = TypeVar("T")

_REPEATED: Final = 1
_LEFT_OUT: Final = 2

_DIGEST: Final = "coalesce(digest, md5_number_lower(concat(fields, url, path)))"
"""What tells records apart that have one time and one message id."""

_IN_ORDER: Final = (
    "time NULLS FIRST, message NULLS FIRST, raw NULLS FIRST, "
    f"CASE WHEN shares THEN {_DIGEST} END, place, line, slot DESC"
)
"""By time, then those without a message id by their line, then by message id and a digest."""

_KIND: Final = "mark & 3"

_NUMBERED: Final = f"""
    CREATE TABLE name AS
    SELECT (row_number() OVER () - 1)::INTEGER AS number, name FROM (
        SELECT DISTINCT name FROM (
            SELECT {FILED} AS name FROM record
            UNION ALL SELECT {OTHER} FROM record
            UNION ALL SELECT unnest([one, other]) FROM pair
            UNION ALL SELECT unnest(['u:' || user_id, 'u:' || previous, 'a:' || previous]) FROM alias
        ) WHERE name <> ''
    );
    CREATE TABLE numbered AS
    SELECT id, one.number AS first, two.number AS second
    FROM record LEFT JOIN name AS one ON one.name = {FILED} LEFT JOIN name AS two ON two.name = {OTHER}
"""
"""Numbers all ids, and tells by number which ids each record is filed under."""


_KEEP_ALIASES: Final = f"""
    INSERT INTO alias SELECT kept.name, kept.user_id, part, coalesce(line, line.rowid - first_row + 1)
    FROM line JOIN part USING (part)
    WHERE mark = {SKIPPED + ALL_KINDS.index("alias")} AND kept.name IS NOT NULL
        AND kept.user_id IS NOT NULL
"""


def number_ids(database: Database, parts: Sequence[tuple[int, ...]]) -> None:
    """Number the ids of all records.

    Args:
        database: holds the records.
        parts: rows of the table `part`.
    """
    for some in _batched(parts, 1000):
        values = ", ".join(map(str, some))
        database.run(f"INSERT INTO part VALUES {values}")
    database.run(_KEEP_ALIASES)
    database.run(_NUMBERED)


def first_seen(database: Database) -> Iterator[tuple[str, int]]:
    """Yield of each id, by number, how its name begins, and when the first record was filed under it."""
    return database.stream(
        f"""
        SELECT name[:2], coalesce(seen, {NEVER}) FROM name LEFT JOIN (
            SELECT numbered.first AS number, min(coalesce(time, {NO_TIME})) AS seen
            FROM numbered JOIN record USING (id) GROUP BY ALL
        ) USING (number) ORDER BY number
        """
    )


def pairs(database: Database, kind: int) -> Iterator[tuple[int, int]]:
    """Yield the pairs of ids of a kind, by their numbers; each once."""
    of_records = ""
    if kind in (CLAIM, TIE):
        which = "=" if kind == CLAIM else "<>"
        of_records = f"""UNION SELECT first, second
            FROM numbered JOIN record USING (id)
            WHERE filed IS NULL AND second IS NOT NULL AND {_KIND} {which} {IDENTIFY}"""
    return database.stream(
        f"""
        SELECT a.number, b.number
        FROM pair JOIN name AS a ON a.name = one JOIN name AS b ON b.name = other WHERE kind = {kind}
        {of_records}
        """
    )


def aliases(database: Database) -> Iterator[tuple[str, str, int, int, int, int]]:
    """Yield of each `previousId`: a `userId` that it is aliased to, and how many; then numbers.

    The numbers are those of the `userId`, and of the `previousId` as a `userId` and as an anonymousId.
    """
    return database.stream(
        """
        SELECT previous, own, users, a.number, b.number, c.number FROM (
            SELECT previous, min(user_id) AS own, count(DISTINCT user_id) AS users
            FROM alias GROUP BY previous
        ) JOIN name AS a ON a.name = 'u:' || own JOIN name AS b ON b.name = 'u:' || previous
        JOIN name AS c ON c.name = 'a:' || previous ORDER BY previous
        """
    )


def file_records(database: Database, identities: Identities) -> None:
    """Tell of each record whose it is, once it is known whose each id is; and number the end users.

    A record whose userId or email is several people's goes to its email. One whose email is perhaps
    somebody else's goes there if nobody is identified by its userId.
    """
    roots = array("i", map(identities.root, range(len(identities))))
    _make_numbers(database, "root", roots)
    _make_numbers(database, "ambiguous_user", identities.ambiguous_users)
    _make_numbers(database, "ambiguous_email", identities.ambiguous_emails)
    goes_to_email = f"""
        first IN (SELECT value FROM ambiguous_user)
        OR (mark & {MENTIONED} = 0 AND second IN (SELECT value FROM ambiguous_email))
    """
    database.run(
        f"""
        CREATE TABLE filing AS
        SELECT id, CASE WHEN detached THEN second ELSE first END AS number, detached,
            detached AND second IN (SELECT value FROM ambiguous_email) AS is_ambiguous,
            CASE WHEN NOT detached AND mark & {MENTIONED} > 0 THEN second END AS mentioned
        FROM (
            SELECT id, first, second, mark,
                second IS NOT NULL AND ({goes_to_email}) AS detached
            FROM numbered JOIN record USING (id) WHERE first IS NOT NULL
        )
        """
        if identities.ambiguous_users or identities.ambiguous_emails
        else f"""
        CREATE TABLE filing AS
        SELECT id, first AS number, false AS detached, false AS is_ambiguous,
            CASE WHEN mark & {MENTIONED} > 0 THEN second END AS mentioned
        FROM numbered JOIN record USING (id) WHERE first IS NOT NULL
        """
    )
    if identities.ambiguous_users or identities.ambiguous_emails:
        identities.see_anew(
            database.stream(
                f"SELECT number, min(coalesce(time, {NO_TIME})) FROM filing JOIN record USING (id) "
                "GROUP BY number"
            )
        )


_FATES: Final = f"""
    CREATE TABLE fate (id BIGINT, fate TINYINT, shares BOOLEAN);
    CREATE TEMP TABLE again AS
        SELECT message FROM record WHERE message IS NOT NULL GROUP BY message HAVING count(*) > 1;
    INSERT INTO fate
    SELECT id, CASE WHEN nth > 1 THEN {_REPEATED} ELSE 0 END, nth = 1 AND different > 1 FROM (
        SELECT id, nth, count(*) FILTER (nth = 1) OVER (PARTITION BY message) AS different FROM (
            SELECT id, message, row_number() OVER (
                PARTITION BY message, {_KIND}, user_id, anonymous_id, name
                ORDER BY time NULLS FIRST, {_DIGEST}, place, line, slot DESC
            ) AS nth FROM record WHERE message IN (SELECT message FROM again)
        )
    ) WHERE nth > 1 OR different > 1
"""
"""Of the same message the earliest is taken (segment.md 2), then the one with the least digest."""

_CHOOSABLE: Final = f"""
    SELECT * FROM record
    WHERE mark & {CHOSEN} > 0 AND id NOT IN (SELECT id FROM fate WHERE fate > 0)
"""


def leave_out(database: Database, users: Sequence[str], limit: int | None) -> None:
    """Tell which records repeat a message, and which are not among those of the users or within the limit.

    Also numbers the end users, in the order in which they were first met.

    Args:
        database: holds the records.
        users: names of ids; if there are any, only their end users' records are replayed.
        limit: so many records are replayed at most.
    """
    database.run(_FATES)
    _number_people(database)
    _refile_mentions(database)
    if users:
        names = ", ".join("'" + each.replace("'", "''") + "'" for each in users)
        database.run(
            f"""
            INSERT INTO fate SELECT id, {_LEFT_OUT}, false FROM ({_CHOOSABLE}) WHERE id NOT IN (
                SELECT id FROM filing JOIN root USING (number) WHERE root.value IN (
                    SELECT root.value FROM root JOIN name USING (number) WHERE name IN ({names})))
            """
        )
    if limit is not None:
        database.run(
            f"""
            INSERT INTO fate SELECT id, {_LEFT_OUT}, false
            FROM ({_CHOOSABLE}) LEFT JOIN (SELECT id, shares FROM fate) USING (id)
            ORDER BY {_IN_ORDER} OFFSET {limit}
            """
        )
    database.run(
        "CREATE OR REPLACE TABLE fate AS "
        "SELECT id, max(fate) AS fate, bool_or(shares) AS shares FROM fate GROUP BY id"
    )


def _refile_mentions(database: Database) -> None:
    """File a record under the email that it mentions, if nobody is identified by its userId."""
    database.run(
        f"""
        CREATE TEMP TABLE identified AS
        SELECT DISTINCT root.value AS root FROM filing JOIN record USING (id)
        JOIN root USING (number)
        WHERE {_KIND} = {IDENTIFY} AND id NOT IN (SELECT id FROM fate WHERE fate = {_REPEATED})
            AND EXISTS (SELECT 1 FROM filing WHERE mentioned IS NOT NULL)
        """
    )
    database.run(
        """
        UPDATE filing SET number = mentioned FROM root AS own, root AS other
        WHERE mentioned IS NOT NULL AND own.number = filing.number AND other.number = mentioned
            AND own.value NOT IN (FROM identified) AND other.value IN (FROM identified)
        """
    )


def _number_people(database: Database) -> None:
    database.run(
        f"""
        CREATE TABLE person AS
        SELECT root, (row_number() OVER (ORDER BY first, least))::INTEGER AS person
        FROM (
            SELECT value AS root, min(coalesce(time, {NO_TIME})) AS first
            FROM filing JOIN record USING (id) JOIN root USING (number) GROUP BY value
        ) JOIN (
            SELECT value AS root, min(name) AS least FROM root JOIN name USING (number) GROUP BY value
        ) USING (root)
        """
    )


_NUMBER: Final = "numbers_before + CASE WHEN slot > 0 THEN slot ELSE lines - slot END"


def arrange(database: Database, *, events_apart: bool) -> None:
    """Make the table of the records that serve anything, end user by end user, each's in their order.

    Args:
        database: holds the records.
        events_apart: whether an end user's track and page records come after all identifies.
    """
    apart = f"{_KIND} > {IDENTIFY}," if events_apart else ""
    database.run(_PLACED)
    # One thread keeps the order, and takes the least memory.
    database.run("SET threads = 1; SET preserve_insertion_order = false")
    database.run(
        f"""
        CREATE TABLE arranged AS
        SELECT person, root, time, raw, message, lines_before + line AS line, {_NUMBER} AS number,
            topic, packed, source, user_id, anonymous_id, name, url, path, fields,
            (mark - CASE WHEN fate = {_LEFT_OUT} AND mark & {CHOSEN} > 0 THEN {CHOSEN} ELSE 0 END
            + CASE WHEN detached THEN {DETACHED} ELSE 0 END
            + CASE WHEN is_ambiguous AND {_KIND} = {IDENTIFY} THEN {WITHOUT_WOOTRIC_ID} ELSE 0 END
            )::UTINYINT AS mark
        FROM record JOIN placed USING (id)
        WHERE fate = 0 OR (fate = {_LEFT_OUT} AND {_KIND} = {IDENTIFY})
        ORDER BY person, {apart} {_IN_ORDER}
        """
    )
    database.run("SET preserve_insertion_order = true")


_PLACED: Final = """
    CREATE TABLE placed AS
    SELECT id, person, root.value AS root, detached, is_ambiguous, coalesce(fate, 0) AS fate, shares
    FROM filing JOIN root USING (number) JOIN person ON person.root = root.value
    LEFT JOIN fate USING (id)
"""
"""Whose each record is: a small table, so that no large one has to be held for a join."""

HAS_TRACKS: Final = f"""
    SELECT count(*) > 0 FROM record WHERE mark & {3 | CHOSEN} = {TRACK | CHOSEN}
"""
MET_EVENTS: Final = f"""
    SELECT DISTINCT name FROM record WHERE mark & 3 = {TRACK} AND name IS NOT NULL
"""
ALIASES: Final = """
    SELECT previous, user_id, source, lines_before + line FROM alias JOIN part USING (part)
    ORDER BY previous, user_id, place, line
"""
LEFT_OUT: Final = f"""
    SELECT source, lines_before + line, mark, fate = {_REPEATED}
    FROM fate JOIN record USING (id)
    WHERE fate > 0 AND mark & {CHOSEN} > 0 ORDER BY place, line, slot DESC
"""
SHARING_MESSAGES: Final = """
    SELECT source, lines_before + line, message
    FROM fate JOIN record USING (id)
    WHERE shares AND coalesce(filed, 'u') <> ''
        AND id NOT IN (SELECT id FROM fate WHERE fate > 0)
    ORDER BY place, line, slot DESC
"""
RAW: Final = f"""
    SELECT raw FROM raw_line JOIN part USING (part) WHERE {_NUMBER} = $number
"""
KEPT_LINES: Final = f"""
    SELECT {_NUMBER}, source, lines_before + line, message, raw_line.raw
    FROM record JOIN raw_line USING (part, slot)
    ORDER BY place, line, slot DESC
"""


def naming(ids: Collection[int]) -> str:
    """Return a query for the records that name any of these ids, each with the id's number."""
    numbers = ", ".join(map(str, ids))
    return f"""
        SELECT source, lines_before + line, named FROM (
            SELECT id, unnest([first, second]) AS named, unnest([0, 1]) AS nth FROM numbered
            WHERE first IN ({numbers}) OR second IN ({numbers})
        ) JOIN record USING (id)
        WHERE named IN ({numbers}) ORDER BY place, line, slot DESC, nth
    """


def giants(size: int) -> str:
    """Return a query for the end users whose records take more bytes, with the numbers of their records."""
    return f"""
        SELECT person, count(*) FILTER ({_KIND} = {IDENTIFY}), count(*) FILTER ({_KIND} <> {IDENTIFY})
        FROM arranged GROUP BY person
        HAVING sum(200 + coalesce(strlen(fields), 0) + coalesce(octet_length(packed), 0)
            + coalesce(octet_length(raw), 0)) > {size}
    """


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    coming = iter(items)
    while some := list(islice(coming, size)):
        yield some


def _make_numbers(database: Database, table: str, numbers: Iterable[int]) -> None:
    """Make a table of numbers, each with its place, from 0."""
    database.run(f"CREATE TABLE {table} (number INTEGER, value INTEGER)")
    before = 0
    for some in _batched(numbers, 500_000):
        database.run(
            f"INSERT INTO {table} SELECT $before + generate_subscripts(each, 1) - 1, unnest(each) "
            "FROM (SELECT string_split($numbers, ',')::INTEGER[] AS each)",
            {"before": before, "numbers": ",".join(map(str, some))},
        )
        before += len(some)
