"""The database that a plan is made in: in memory, and in a private folder where that is not enough."""

import errno
import fcntl
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

from wootric_map.errors import UnfitSettingsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BUFFER: Final = 2 * 1024 * 1024
"""Bytes of a file that are read at once, at least."""
_FOLDER: Final = "wootric-replay-"
_LOCK: Final = "lock"
_FULL_DISK: Final = ("No space left", "max_temp_directory_size")
"""What the database's errors say where its folder can hold no more."""


class Database:
    """A database of one run; a context, which leaves nothing behind.

    Each thread works through a connection of its own.
    """

    def __init__(self, *, threads: int, memory: int) -> None:
        """Open an empty database.

        Args:
            threads: how many threads a query may use.
            memory: bytes of memory that it takes before it writes to a private temporary folder. The folder
                is made in the system's folder for temporary files (`TMPDIR`).

        Raises:
            OSError: the temporary folder can't be made.
        """
        import duckdb  # slow to import, and not every run needs it

        _clear_up()
        self.folder: Final = Path(_in_temporary_folder(tempfile.mkdtemp, prefix=_FOLDER))
        self._lock: IO[bytes] = (self.folder / _LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._local = threading.local()
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": threads,
                "memory_limit": f"{memory}B",
                "temp_directory": str(self.folder / "spilled"),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "preserve_insertion_order": True,
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    def run(self, query: str, values: Mapping[str, object] | None = None) -> "DuckDBPyConnection":
        """Run a query on this thread's connection; the rows are to be fetched before the next one.

        Raises:
            OSError: the temporary folder can't be written.
        """
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connection.cursor()
        with translated_errors():
            return connection.execute(query, values or {})

    def rows(self, query: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query that gives few."""
        with translated_errors():
            return self.run(query, values).fetchall()

    def stream(self, query: str, at_once: int = 2000) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query that may give very many, on a connection of its own."""
        connection = self._connection.cursor()
        try:
            with translated_errors():
                connection.execute(query)
            while True:
                with translated_errors():
                    rows = connection.fetchmany(at_once)
                if not rows:
                    return
                yield from rows
        finally:
            connection.close()


_FULL: Final = "No space left on device"
_REASON: Final = re.compile(r'": ([A-Za-z ]{1,60})$', re.MULTILINE)
"""What the database says of a file that it can't write: the reason that the system gives."""


class UnfitFileError(Exception):
    """A file that the database can't read as lines."""


def plain_lines(path: str, most_bytes: int) -> str:
    """Return what the lines of a plain file are selected from: the column `content`.

    The path may hold no character that stands for several files. Reading it raises `UnfitFileError` if a
    line is longer than `most_bytes`, or not UTF-8.
    """
    quoted = path.replace("'", "''")
    return (
        f"read_csv('{quoted}', delim = chr(1), quote = '', escape = '', header = false, "
        "columns = {'content': 'VARCHAR'}, auto_detect = false, compression = 'none', "
        "hive_partitioning = false, "
        f"new_line = '\\n', max_line_size = {most_bytes + 8}, buffer_size = {2 * most_bytes + _BUFFER})"
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise `OSError` in place of the database's own error if its folder can't be written."""
    import duckdb

    try:
        yield
    except duckdb.InvalidInputException as error:
        raise UnfitFileError(str(error)) from error
    except duckdb.OutOfMemoryException as error:
        if not any(each in str(error) for each in _FULL_DISK):
            raise UnfitSettingsError(
                "the records take more memory than they may: choose a larger --memory"
            ) from error
        raise OSError(errno.ENOSPC, _FULL, tempfile.gettempdir()) from error
    except duckdb.IOException as error:
        is_full = any(each in str(error) for each in _FULL_DISK)
        code = errno.ENOSPC if is_full else errno.EIO
        reason = _REASON.search(str(error))
        what = _FULL if is_full else reason[1] if reason else "it can't be written"
        raise OSError(code, what, tempfile.gettempdir()) from error


def _in_temporary_folder(make: Any, **options: str) -> Any:
    try:
        return make(**options)
    except OSError as error:
        raise OSError(error.errno, error.strerror, tempfile.gettempdir()) from error


def _clear_up() -> None:
    """Delete the folders of runs that were killed; the lock of one that is at work is held."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(OSError):
            if folder.is_symlink() or not folder.is_dir():
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
