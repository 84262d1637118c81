"""Private temporary SQLite databases.

Such a database has no name: SQLite puts it on disk when it outgrows the cache, and nothing is left of it once
it is closed, also after a crash.
"""

import sqlite3
from typing import Final

_SCRATCH: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA temp_store = FILE;
    PRAGMA cache_size = -{};
"""


def temporary_database() -> sqlite3.Connection:
    """Open an empty database whose changes can be rolled back.

    Several threads may use it, one at a time: whoever shares the connection holds a lock.
    """
    return sqlite3.connect("", isolation_level=None, check_same_thread=False)


def scratch_database(schema: str, *, cache_kib: int) -> sqlite3.Connection:
    """Open a database that is fast to fill, since none of its changes can be rolled back.

    Args:
        schema: the statements that create its tables.
        cache_kib: kibibytes that it keeps in memory.
    """
    database = temporary_database()
    try:
        database.executescript(_SCRATCH.format(cache_kib) + schema)
    except BaseException:
        database.close()
        raise
    return database
