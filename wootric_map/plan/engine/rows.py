"""The table of records: what a plan keeps of each, until all are read."""

import base64
import marshal
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from wootric_map.plan.engine.database import Database

IDENTIFY: Final = 0
TRACK: Final = 1
PAGE: Final = 2
KINDS: Final = ("identify", "track", "page")
"""The records' types, each in the place of its number."""

CHOSEN: Final = 4
"""Added to a kind: the record is replayed, as far as can be told of it alone."""
QUIET: Final = 8
"""Added to a track or page record's kind: there is nothing to warn of in its properties."""
MENTIONED: Final = 16
"""Added to a track or page record's kind: its email is perhaps not its user's, and ties nobody."""
DETACHED: Final = 32
"""Added to a kind once all records are read: the record belongs to the end user of its email alone, since
its `userId` or its email is several people's (segment.md 8)."""

SKIPPED: Final = 128
"""Added to the kind of a line that is passed over, or whose type the plan has no use for."""
ODD: Final = 255
"""In place of a kind: the line is left to the exact reader."""

EMAIL_IN_TRAITS: Final = "traits"
"""In place of where a track or page record's email stands: nowhere, but in traits that it should not have."""

CLAIM: Final = 0
"""A pair: the `userId` and the email of an identify."""
WITHHELD: Final = 1
"""A pair: the `userId` and the email of an identify whose user opted out."""
TIE: Final = 2
"""A pair: two other ids that name one end user."""
HINT: Final = 3
"""A pair: a phone or anonymous id, and an id that it was seen with."""

UNFILED: Final = ""
"""In place of the id that a record is filed under: only its message counts."""

_COLUMNS: Final = {
    "part": "INTEGER",
    "slot": "INTEGER",
    "line": "INTEGER",
    "mark": "INTEGER",
    "time": "BIGINT",
    "message": "VARCHAR",
    "digest": "UBIGINT",
    "user_id": "VARCHAR",
    "anonymous_id": "VARCHAR",
    "name": "VARCHAR",
    "filed": "VARCHAR",
    "other": "VARCHAR",
    "topic": "BIGINT",
    "raw": "VARCHAR",
    "packed": "VARCHAR",
}
"""What the exact reader tells of a record. `raw` and `packed` are bytes, in base64."""

KEPT: Final = {
    "size": "INTEGER",  # bytes of the line
    "time": "BIGINT",  # milliseconds since the epoch
    "message": "VARCHAR",  # the messageId
    "digest": "UBIGINT",  # of its line, if the exact reader has read it
    "user_id": "VARCHAR",
    "anonymous_id": "VARCHAR",
    "name": "VARCHAR",  # the event, or the name of the page; of an alias, its previousId
    "email": "VARCHAR",  # in the form in which emails are compared
    "url": "VARCHAR",
    "path": "VARCHAR",
    "topic": "BIGINT",  # equal for identifies that state the same traits of one userId
    "fields": "VARCHAR",  # traits or properties, as JSON
    "filed": "VARCHAR",  # the id that it is filed under, where the columns do not tell
    "other": "VARCHAR",  # the id to file it under if several people carry the first
    "raw": "BLOB",  # the line, if it is odd, or there is no messageId
    "packed": "BLOB",  # what the exact reader made of it
}
"""What is kept of a line, with the types of the database.

It is one column, since the database needs four megabytes of memory for each column that a thread writes.
"""

SCHEMA: Final = f"""
    CREATE TABLE part (
        part INTEGER, source INTEGER, place INTEGER, lines_before BIGINT, numbers_before BIGINT,
        lines INTEGER, first_row BIGINT
    );
    CREATE TABLE line (
        part INTEGER,     -- where the record was read
        line INTEGER,     -- its line in the part, from 1; null if the rows' own order tells it
        slot INTEGER,     -- its number in the part, from 1; the same
        mark UTINYINT,    -- its kind, and what is added to that
        kept STRUCT({", ".join(f"{name} {kind}" for name, kind in KEPT.items())})
    );
    CREATE VIEW record AS
        SELECT line.rowid AS id, mark, kept.*, part.*,
            coalesce(line, line.rowid - first_row + 1) AS line,
            coalesce(slot, line.rowid - first_row + 1) AS slot
        FROM line JOIN part USING (part) WHERE mark < {SKIPPED};
    CREATE TABLE pair (kind UTINYINT, one VARCHAR, other VARCHAR);
    CREATE TABLE alias (previous VARCHAR, user_id VARCHAR, part INTEGER, line INTEGER);
    CREATE TABLE raw_line (part INTEGER, slot INTEGER, raw BLOB)
"""

FILED: Final = """coalesce(filed, CASE WHEN user_id IS NOT NULL THEN 'u:' || user_id
    WHEN email IS NOT NULL THEN 'e:' || email ELSE 'a:' || anonymous_id END)"""
"""The name of the id that a record is filed under."""
OTHER: Final = """CASE WHEN filed IS NOT NULL THEN other
    WHEN user_id IS NOT NULL AND email IS NOT NULL THEN 'e:' || email END"""
"""The name of the id to file it under instead if the first names nobody or several people."""


class Rows:
    """Rows that the exact reader makes, on their way into the tables."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.pairs: dict[tuple[int, str, str], None] = {}
        self.aliases: list[tuple[str, str, int]] = []
        self.raw: list[tuple[int, bytes]] = []

    def write(self, database: Database, part: int) -> None:
        """Write them into the tables, as those of a part."""
        if self.records:
            structure = orjson.dumps([_COLUMNS]).decode()
            rows = orjson.dumps([{"part": part, **each} for each in self.records]).decode()
            values = {name: f"each.{name}" for name in _COLUMNS}
            values |= {name: f"from_base64(each.{name})" for name in ("raw", "packed")}
            database.run(
                f"INSERT INTO line SELECT each.part, each.line, each.slot, each.mark, {kept(values)} "
                f"FROM (SELECT unnest(from_json($rows, '{structure}')) AS each)",
                {"rows": rows},
            )
        _insert(database, "pair", list(self.pairs))
        _insert(database, "alias", [(*names, part, line) for *names, line in self.aliases])
        _insert(database, "raw_line", [(part, slot, raw) for slot, raw in self.raw])


def kept(values: Mapping[str, str]) -> str:
    """Return the expression for what is kept of a line; fields without an expression are null."""
    fields = (f"{name} := {values.get(name, 'NULL')}::{kind}" for name, kind in KEPT.items())
    return f"struct_pack({', '.join(fields)})"


def _insert(database: Database, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        columns = {f"c{at}": list(column) for at, column in enumerate(zip(*rows, strict=True))}
        unnested = ", ".join(f"unnest(${name})" for name in columns)
        database.run(f"INSERT INTO {table} SELECT {unnested}", columns)


def packed(*values: Any) -> str:
    """Return what the exact reader made of a record, in the form that a row takes."""
    return in_base64(marshal.dumps(values, 2))


def in_base64(data: bytes) -> str:
    """Return bytes as a row takes them."""
    return base64.b64encode(data).decode()
