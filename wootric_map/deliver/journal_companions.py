"""The files that SQLite keeps beside a journal."""

from typing import Final

WAL: Final = "-wal"
"""The ending of the name of the log of a database."""

SHM: Final = "-shm"
"""The ending of the name of the log's index."""

COMPANIONS: Final = (WAL, SHM, "-journal")
"""The endings of the names of all of them."""
