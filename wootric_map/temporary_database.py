"""Temporary SQLite databases without a name, of which nothing is left on disk, not even after a crash."""

import sqlite3
from typing import Final

_SCRATCH: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA temp_store = FILE;
    PRAGMA cache_size = -{};
"""


def temporary_database() -> sqlite3.Connection:
    """Open an empty database whose changes can be rolled back; threads may use it one at a time."""
    return sqlite3.connect("", isolation_level=None, check_same_thread=False)


def scratch_database(schema: str, *, cache_kib: int) -> sqlite3.Connection:
    """Open a database that is fast to fill, since its changes can't be rolled back.

    Args:
        schema: the statements that create the tables.
        cache_kib: the size of the cache in kibibytes.
    """
    database = temporary_database()
    try:
        database.executescript(_SCRATCH.format(cache_kib) + schema)
    except BaseException:
        database.close()
        raise
    return database
