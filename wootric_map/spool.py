"""Where a plan keeps its records until all are read: a private temporary SQLite database.

SQLite makes it on disk when it outgrows the cache and removes it by itself, also after a crash, since
the file has no name from the start.
"""

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple, Self

IDENTIFY: Final = 0
EVENT: Final = 1

_BATCH: Final = 2000
_BATCH_BYTES: Final = 4 * 1024 * 1024
_CHUNK: Final = 500
_LABELS_AT_HAND: Final = 10_000
_NO_TIME: Final = -(2**63)
"""Stands for no time, and sorts before every one."""
_CACHE_KIB: Final = 32 * 1024

_NEXT_ROWS: Final = (
    "SELECT number, turn.time, turn.tie, source, line, payload FROM turn "
    "JOIN record ON record.number = turn.record WHERE person = ? AND turn.stage = ? "
    "AND (turn.time, turn.tie, turn.record) > (?, ?, ?) "
    "ORDER BY turn.time, turn.tie, turn.record LIMIT ?"
)


class Row(NamedTuple):
    """A record as the spool keeps it."""

    number: int
    time: int | None
    """Milliseconds since the epoch."""
    source: str
    line: int
    payload: bytes


class Spool:
    """Records by end user, in time order; may be read from several threads."""

    def __init__(self) -> None:
        # "" is SQLite's own temporary file. One connection serves all threads, one at a time.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        self._sources: dict[str, int] = {}
        self._waiting_bytes = 0
        self._names: list[str] = []
        self._waiting: list[tuple[object, ...]] = []
        self._database.executescript(
            f"""
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            PRAGMA cache_size = -{_CACHE_KIB};
            CREATE TABLE message (digest BLOB PRIMARY KEY) WITHOUT ROWID;
            CREATE TABLE record (
                number INTEGER PRIMARY KEY, identity INTEGER, stage INTEGER, time INTEGER, tie BLOB,
                source INTEGER, line INTEGER, payload BLOB, raw BLOB
            );
            CREATE TABLE member (identity INTEGER PRIMARY KEY, person INTEGER);
            CREATE TABLE turn (
                person INTEGER, stage INTEGER, time INTEGER, tie BLOB, record INTEGER,
                PRIMARY KEY (person, stage, time, tie, record)
            ) WITHOUT ROWID;
            CREATE TABLE tally (
                kind TEXT, label TEXT, count INTEGER, PRIMARY KEY (kind, label)
            ) WITHOUT ROWID;
            BEGIN;
            """
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def take(self, message_id: str) -> bool:
        """Mark a message id as taken; False where it was taken before."""
        digest = blake2b(message_id.encode(), digest_size=16).digest()
        with self._lock:
            cursor = self._database.execute("INSERT OR IGNORE INTO message VALUES (?)", (digest,))
            return cursor.rowcount == 1

    def add(
        self,
        identity: int,
        stage: int,
        time: int | None,
        tie: bytes,
        place: tuple[str, int],
        payload: bytes,
        raw: bytes | None,
    ) -> None:
        """Keep a record.

        Args:
            identity: the number of an id of its end user.
            stage: `IDENTIFY` or `EVENT`.
            time: when it happened; records without a time come first.
            tie: what orders records of one time.
            place: source and line.
            payload: what the plan needs of it.
            raw: its line, where it may have to be written to a rejects file.
        """
        source = self._sources.setdefault(place[0], len(self._sources))
        when = _NO_TIME if time is None else time
        self._waiting.append((identity, stage, when, tie, source, place[1], payload, raw))
        self._waiting_bytes += len(payload) + len(tie) + len(raw or b"")
        if len(self._waiting) >= _BATCH or self._waiting_bytes >= _BATCH_BYTES:
            self._flush()

    def close_intake(self, people: Iterable[int]) -> None:
        """Say that all records are in, and whose each id is; only then may they be read.

        Args:
            people: for each id's number the number of its end user.
        """
        self._flush()
        self._names = list(self._sources)
        with self._lock:
            self._database.executemany("INSERT INTO member VALUES (?, ?)", enumerate(people))
            self._database.execute(
                "INSERT INTO turn SELECT person, stage, time, tie, number FROM record "
                "JOIN member USING (identity) ORDER BY person, stage, time, tie, number"
            )

    def rows(self, person: int, stage: int) -> Iterator[Row]:
        """An end user's records of a stage, in time order."""
        names = self._names
        after: tuple[object, ...] = (_NO_TIME, b"", 0)
        while True:
            with self._lock:
                found = self._database.execute(
                    _NEXT_ROWS, (person, stage, *after, _CHUNK)
                ).fetchall()
            for number, time, _, source, line, payload in found:
                yield Row(number, None if time == _NO_TIME else time, names[source], line, payload)
            if len(found) < _CHUNK:
                return
            number, time, tie = found[-1][:3]
            after = (time, tie, number)

    def raw(self, number: int) -> bytes:
        """The line that was kept of a record; empty where none was."""
        query = "SELECT raw FROM record WHERE number = ?"
        with self._lock:
            (raw,) = self._database.execute(query, (number,)).fetchone()
        return raw or b""

    def count(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Add to the tallies: how often each label of a kind occurred."""
        with self._lock:
            self._database.executemany(
                "INSERT INTO tally VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET count = count + excluded.count",
                ((kind, label, count) for (kind, label), count in counts.items()),
            )

    def tallies(self, kind: str) -> Iterator[tuple[str, int]]:
        """The labels of a kind with their counts, most frequent first."""
        query = "SELECT label, count FROM tally WHERE kind = ? ORDER BY count DESC, label"
        yield from self._database.execute(query, (kind,))

    def _flush(self) -> None:
        with self._lock:
            self._database.executemany(
                "INSERT INTO record VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", self._waiting
            )
        self._waiting.clear()
        self._waiting_bytes = 0


class Tally:
    """Counts by kind and label; many labels wait in the spool, not in memory."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._recent: Counter[tuple[str, str]] = Counter()

    def add(self, kind: str, label: str) -> None:
        """Count one."""
        self._recent[kind, label] += 1
        if len(self._recent) >= _LABELS_AT_HAND:
            self._flush()

    def most_common(self, kind: str) -> Iterator[tuple[str, int]]:
        """The labels of a kind with their counts, most frequent first."""
        self._flush()
        return self._spool.tallies(kind)

    def _flush(self) -> None:
        self._spool.count(self._recent)
        self._recent.clear()
