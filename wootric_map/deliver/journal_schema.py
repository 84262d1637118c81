"""The tables of a journal, and the migrations of older ones."""

import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, Final

from wootric_map.errors import JournalError

_APPLICATION: Final = int.from_bytes(b"WRjl")
"""Tells a journal from other SQLite files."""

_SECRET: Final = 32
LOCK_TIMEOUT: Final = 30.0
"""Seconds that SQLite waits for another process that has the file open."""

_RETRY_AFTER: Final = 0.01
"""Seconds between two tries to turn the write-ahead log on."""

IN_USE: Final = (
    "another run writes to the journal too, as happens where the file of a lock is deleted while a run is "
    "at work"
)
"""Why a journal is locked, though one run at a time may have it."""

MIGRATIONS: Final = (
    """
    CREATE TABLE account (account TEXT NOT NULL, secret BLOB NOT NULL);
    CREATE TABLE run (
        number INTEGER PRIMARY KEY, began REAL NOT NULL, ended REAL, exit_code INTEGER
    );
    CREATE TABLE delivered (key BLOB PRIMARY KEY, kind INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE in_flight (
        key BLOB PRIMARY KEY, kind INTEGER NOT NULL, run INTEGER NOT NULL,
        wootric_id TEXT, external_id TEXT, email TEXT, phone TEXT, fields BLOB
    ) WITHOUT ROWID;
    CREATE TABLE end_user (
        id INTEGER PRIMARY KEY, external_id BLOB, email BLOB, phone BLOB, fields BLOB NOT NULL
    );
    CREATE INDEX by_external_id ON end_user (external_id) WHERE external_id IS NOT NULL;
    CREATE INDEX by_email ON end_user (email) WHERE email IS NOT NULL;
    CREATE INDEX by_phone ON end_user (phone) WHERE phone IS NOT NULL;
    """,
    """
    CREATE TABLE failed (key BLOB PRIMARY KEY, kind INTEGER NOT NULL) WITHOUT ROWID;
    ALTER TABLE run ADD COLUMN created INTEGER;
    ALTER TABLE run ADD COLUMN updated INTEGER;
    ALTER TABLE run ADD COLUMN unchanged INTEGER;
    ALTER TABLE run ADD COLUMN eligibility_checks INTEGER;
    ALTER TABLE run ADD COLUMN page_views INTEGER;
    ALTER TABLE run ADD COLUMN failed INTEGER;
    """,
    """
    ALTER TABLE delivered ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE end_user ADD COLUMN met REAL;
    """,
    """
    ALTER TABLE end_user ADD COLUMN said BLOB;
    ALTER TABLE end_user ADD COLUMN run INTEGER;
    ALTER TABLE in_flight ADD COLUMN said BLOB;
    ALTER TABLE in_flight ADD COLUMN ids BLOB;
    CREATE TABLE reject (
        record BLOB PRIMARY KEY, crc INTEGER NOT NULL, state INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE former_id (name BLOB PRIMARY KEY, end_user INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE claim (
        user INTEGER NOT NULL, email INTEGER NOT NULL, ties INTEGER NOT NULL,
        PRIMARY KEY (user, email)
    ) WITHOUT ROWID;
    CREATE INDEX claim_by_email ON claim (email);
    ALTER TABLE account ADD COLUMN silent_until INTEGER NOT NULL DEFAULT 0;
    UPDATE account SET silent_until = (SELECT coalesce(max(number), 0) FROM run);
    """,
    """
    CREATE TABLE pace (endpoint TEXT PRIMARY KEY, per_minute REAL) WITHOUT ROWID;
    ALTER TABLE account ADD COLUMN token_fingerprint TEXT;
    ALTER TABLE account ADD COLUMN base_url TEXT;
    """,
    """
    CREATE TABLE witness (nonce BLOB NOT NULL);
    """,
    """
    CREATE TABLE tie (
        one INTEGER NOT NULL, other INTEGER NOT NULL, PRIMARY KEY (one, other)
    ) WITHOUT ROWID;
    CREATE INDEX tie_by_other ON tie (other);
    CREATE TABLE alias (
        previous INTEGER NOT NULL, user INTEGER NOT NULL, PRIMARY KEY (previous, user)
    ) WITHOUT ROWID;
    CREATE INDEX alias_by_user ON alias (user);
    """,
    """
    ALTER TABLE run ADD COLUMN responses INTEGER;
    ALTER TABLE run ADD COLUMN declines INTEGER;
    CREATE TABLE filled (key BLOB PRIMARY KEY, fields BLOB NOT NULL) WITHOUT ROWID;
    """,
    """
    CREATE TABLE group_trait (grp BLOB PRIMARY KEY, packed TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE membership (
        user INTEGER NOT NULL, email INTEGER NOT NULL, time INTEGER NOT NULL,
        has_message INTEGER NOT NULL, tie TEXT NOT NULL, grp BLOB NOT NULL, PRIMARY KEY (user, email)
    ) WITHOUT ROWID;
    CREATE INDEX membership_by_email ON membership (email);
    CREATE INDEX membership_by_group ON membership (grp);
    CREATE TABLE rolled_event (number INTEGER PRIMARY KEY);
    CREATE TABLE rolled_up (
        user INTEGER NOT NULL, email INTEGER NOT NULL, spec BLOB NOT NULL, packed TEXT NOT NULL,
        PRIMARY KEY (user, email, spec)
    ) WITHOUT ROWID;
    CREATE INDEX rolled_up_by_email ON rolled_up (email);
    ALTER TABLE run ADD COLUMN surveys_off INTEGER;
    CREATE TABLE external_id (
        value INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (value, id)
    ) WITHOUT ROWID;
    ALTER TABLE account ADD COLUMN external_id_from TEXT;
    ALTER TABLE account ADD COLUMN external_id_since INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE in_flight ADD COLUMN external_id_from TEXT;
    ALTER TABLE in_flight ADD COLUMN user_id TEXT;
    """,
)
"""The statements that bring a journal from each version to the next, the first from an empty file."""

_LAST_SECOND: Final = 253_402_300_799
"""The last second of the year 9999, in unix time: a later one can't be shown."""

_COUNTS: Final = (
    "exit_code", "created", "updated", "unchanged", "eligibility_checks", "page_views", "responses",
    "declines", "surveys_off", "failed",
)  # fmt: skip
"""The columns of a run that are whole numbers, or empty."""

_FORMS: Final[Mapping[str, str]] = {
    "account": "typeof(account) = 'text' AND typeof(secret) = 'blob' AND length(secret) BETWEEN 1 AND 64 "
    "AND typeof(silent_until) = 'integer' AND typeof(token_fingerprint) IN ('text', 'null') "
    "AND typeof(base_url) IN ('text', 'null') AND typeof(external_id_from) IN ('text', 'null') "
    "AND typeof(external_id_since) = 'integer'",
    "run": f"typeof(began) = 'real' AND began BETWEEN 0 AND {_LAST_SECOND} "
    f"AND (ended IS NULL OR typeof(ended) = 'real' AND ended BETWEEN 0 AND {_LAST_SECOND}) "
    + "".join(f"AND typeof({each}) IN ('integer', 'null') " for each in _COUNTS),
    "delivered": "typeof(key) = 'blob' AND typeof(kind) = 'integer' AND typeof(run) = 'integer'",
    "failed": "typeof(key) = 'blob' AND typeof(kind) = 'integer'",
    "in_flight": "typeof(key) = 'blob' AND typeof(kind) = 'integer' AND typeof(run) = 'integer' "
    "AND typeof(wootric_id) IN ('text', 'null') AND typeof(external_id) IN ('text', 'null') "
    "AND typeof(email) IN ('text', 'null') AND typeof(phone) IN ('text', 'null') "
    "AND (typeof(fields) = 'blob' OR kind > 0 AND fields IS NULL) AND typeof(said) IN ('blob', 'null') "
    "AND typeof(ids) IN ('blob', 'null') AND typeof(external_id_from) IN ('text', 'null') "
    "AND typeof(user_id) IN ('text', 'null')",
    "external_id": "typeof(value) = 'integer' AND typeof(id) = 'integer'",
    "end_user": "typeof(external_id) IN ('blob', 'null') AND typeof(email) IN ('blob', 'null') "
    "AND typeof(phone) IN ('blob', 'null') AND typeof(fields) = 'blob' "
    "AND typeof(met) IN ('real', 'null') AND typeof(said) IN ('blob', 'null') "
    "AND typeof(run) IN ('integer', 'null')",
    "former_id": "typeof(name) = 'blob' AND typeof(end_user) = 'integer'",
    "tie": "typeof(one) = 'integer' AND typeof(other) = 'integer'",
    "alias": "typeof(previous) = 'integer' AND typeof(user) = 'integer'",
    "claim": "typeof(user) = 'integer' AND typeof(email) = 'integer' AND typeof(ties) = 'integer'",
    "reject": "typeof(record) = 'blob' AND typeof(crc) = 'integer' AND typeof(state) = 'integer'",
    "filled": "typeof(key) = 'blob' AND typeof(fields) = 'blob'",
    "group_trait": "typeof(grp) = 'blob' AND typeof(packed) = 'text'",
    "membership": "typeof(user) = 'integer' AND typeof(email) = 'integer' AND typeof(time) = 'integer' "
    "AND typeof(has_message) = 'integer' AND typeof(tie) = 'text' AND typeof(grp) = 'blob'",
    "rolled_event": "typeof(number) = 'integer'",
    "rolled_up": "typeof(user) = 'integer' AND typeof(email) = 'integer' AND typeof(spec) = 'blob' "
    "AND typeof(packed) = 'text'",
    "witness": "typeof(nonce) = 'blob'",
    "pace": "typeof(endpoint) = 'text' "
    "AND (per_minute IS NULL OR typeof(per_minute) = 'real' AND per_minute > 0 AND per_minute < 9e999)",
}
"""The condition that each row of a table meets, since SQLite takes any value in any column."""


class _Connection(sqlite3.Connection):
    """A connection whose every error is SQLite's own."""

    def execute(self, *args: Any) -> sqlite3.Cursor:
        """Execute a statement.

        Raises:
            sqlite3.DatabaseError: also where SQLite quotes damaged bytes that Python can't decode.
        """
        try:
            return super().execute(*args)
        except UnicodeDecodeError as error:
            raise sqlite3.DatabaseError("its schema is damaged") from error


def connected(path: Path, query: str = "") -> sqlite3.Connection:
    """Open a database with one connection for all threads, which use it one at a time.

    Args:
        path: the database.
        query: parameters of SQLite's URI, such as `mode=ro`.
    """
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}",
        uri=True,
        timeout=LOCK_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
        factory=_Connection,
    )


def _keep_a_log(database: sqlite3.Connection) -> None:
    """Turn the write-ahead log on; SQLite does not wait if two processes do so at once."""
    until = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_RETRY_AFTER)
        else:
            return


def migrate(
    database: sqlite3.Connection, path: Path, account: str, random: Callable[[int], bytes]
) -> None:
    """Bring a journal to the version of this release, and make sure that it is the account's.

    Args:
        database: the database of the journal.
        path: the place of the journal, for messages.
        account: the account that the journal must be about.
        random: returns so many random bytes.

    Raises:
        JournalError: it is no journal, another account's, or of a newer release.
    """
    _check_schema(database, path)  # raises if it is no journal, before anything is written
    _keep_a_log(database)
    # So that a commit is on the disk also if the power fails.
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA secure_delete = ON")
    while (version := version_of(database, path)) < len(MIGRATIONS):
        database.execute("BEGIN IMMEDIATE")
        if version_of(database, path) == version:  # else another process has migrated it
            for statement in MIGRATIONS[version].split(";"):
                database.execute(statement)
            if version == 0:
                database.execute("INSERT INTO account VALUES (?, ?)", (account, random(_SECRET)))
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
            database.execute(f"PRAGMA user_version = {version + 1}")
        database.execute("COMMIT")
    if account_of(database) != account:
        raise JournalError(
            f"{path} is another account's journal; name another file with --journal, or check "
            "WOOTRIC_ACCOUNT_TOKEN"
        )


def check_whole(database: sqlite3.Connection, path: Path) -> None:
    """Make sure that no part of a journal is spoilt.

    Raises:
        JournalError: parts of it are spoilt.
    """
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    (accounts,) = database.execute("SELECT count(*) FROM account").fetchone()
    is_whole = (found, accounts) == ("ok", 1) and not any(
        database.execute(f"SELECT 1 FROM {table} WHERE NOT ifnull({form}, 0) LIMIT 1").fetchone()  # noqa: S608
        for table, form in _FORMS.items()
    )
    if not is_whole:
        raise JournalError(spoilt(path, "parts of it are spoilt"))


def check_is_one(database: sqlite3.Connection, path: Path) -> None:
    """Make sure that a file is a journal and not empty; else raise `JournalError`."""
    if not version_of(database, path):
        raise JournalError(f"{path} is empty, and no journal yet")
    _check_schema(database, path)


def _check_schema(database: sqlite3.Connection, path: Path) -> None:
    """Make sure that a journal has the tables of its version and nothing else: a view may have no end.

    Raises:
        JournalError: it has not, is no journal, or is a newer release's.
    """
    version = None
    while version != (version := version_of(database, path)):  # another process may migrate it
        is_ours = _schema_of(database) == _schema(version)
    if not is_ours:
        raise JournalError(
            spoilt(path, "it has tables, views or triggers that no journal has, or lacks some")
        )


@cache
def _schema(version: int) -> frozenset[tuple[str, str, str]]:
    """Return what `_schema_of` finds in a journal of a version."""
    with closing(sqlite3.connect(":memory:")) as database:
        for migration in MIGRATIONS[:version]:
            database.executescript(migration)
        return _schema_of(database)


def _schema_of(database: sqlite3.Connection) -> frozenset[tuple[str, str, str]]:
    """Return the type, name and table of everything in a database, but for statistics."""
    query = "SELECT type, name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite!_stat%' ESCAPE '!'"
    return frozenset(database.execute(query))


def version_of(database: sqlite3.Connection, path: Path) -> int:
    """Return the version of a journal; 0 for an empty file.

    Raises:
        JournalError: it is another database, or a newer release's.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != _APPLICATION and (version or tables):
        raise JournalError(f"{path} is a database, but no journal; name another file")
    if version > len(MIGRATIONS):
        raise JournalError(
            f"{path} is a journal of version {version}, and this program knows {len(MIGRATIONS)}; "
            "use the release that wrote it, or a newer one"
        )
    return int(version)


def account_of(database: sqlite3.Connection) -> str:
    """Return the account that a journal is about; empty if it names none."""
    row = database.execute("SELECT account FROM account").fetchone()
    return str(row[0]) if row else ""


def spoilt(path: Path, why: object) -> str:
    """Return the message for a file that can't be used as a journal."""
    return (
        f"{path} can't be used as a journal: {why}. Name another file with --journal; or, if it was one and "
        "is damaged, put a copy of it back, or move it away: a new one is begun then, and eligibility checks "
        "and page views that it knew of are sent again"
    )


def is_in_use(error: Exception) -> bool:
    """Return whether SQLite says that another process has the journal locked."""
    code = getattr(error, "sqlite_errorcode", 0)  # the last byte is the kind of error
    return isinstance(error, sqlite3.Error) and (code & 0xFF) == sqlite3.SQLITE_BUSY


def reason(error: Exception) -> str:
    """Return why a journal could not be written."""
    return IN_USE if is_in_use(error) else str(error)
