"""The traits of groups, folded over all group records: by key, what the latest record states (wootric.md 8).

Memory stays small with many groups: their traits wait in temporary files.
"""

import json
import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

from wootric_map.plan.engine.scratch_file import ScratchFile
from wootric_map.read.json_text import to_json
from wootric_map.temporary_database import scratch_database

_HELD: Final = 8 * 1024 * 1024
"""Characters of traits that are kept in memory before they go to a database."""
_OVERHEAD: Final = 300
"""Characters that each trait counts for beside its own."""
_DEEPEST: Final = 200
"""Levels of JSON that are surely read again."""
_CACHE_KIB: Final = 4096
_HALF: Final = 2**63
"""What is taken off a digest for SQLite, whose integers have a sign."""
_SCHEMA: Final = "CREATE TABLE traits (digest INTEGER PRIMARY KEY, packed TEXT NOT NULL); BEGIN;"


class Stated(NamedTuple):
    """What a group record states about a trait; of two about one trait, the greater is the later."""

    time: int
    """Milliseconds since the epoch, or `NO_TIME`."""
    has_message: bool
    """Whether the record has a message id; of one time, records without one come first."""
    tie: str
    """The message id, or a digest of the line of a record without one."""
    value: str
    """The value as JSON; `null` takes the trait out."""


GroupFold: TypeAlias = dict[str, Stated]
"""The latest statement about each trait of a group, by its key."""


def stated(traits: Mapping[str, Any], time: int, *, has_message: bool, tie: str) -> GroupFold:
    """Return what one group record states.

    Args:
        traits: the traits.
        time: when, in milliseconds since the epoch, or `NO_TIME`.
        has_message: whether the record has a message id.
        tie: the message id, or a digest of the record's line.
    """
    values = {key: json_text(value) for key, value in traits.items()}
    return {
        key: Stated(time, has_message, tie, value)
        for key, value in values.items()
        if value is not None
    }


def json_text(value: object) -> str | None:
    """Return a value as JSON; None if it is nested deeper than any property is."""
    try:
        text = to_json(value).decode()
    except RecursionError:
        return None
    return text if text.count("[") + text.count("{") < _DEEPEST or _is_read(text) else None


def _is_read(text: str) -> bool:
    """Return whether JSON can be read again."""
    try:
        json.loads(text)
    except RecursionError:
        return False
    return True


def merge_into(fold: GroupFold, more: Mapping[str, Stated]) -> None:
    """Add statements to a fold; the order in which they are added does not matter."""
    for key, statement in more.items():
        before = fold.get(key)
        if before is None or statement > before:
            fold[key] = statement


def traits_of(fold: Mapping[str, Stated]) -> dict[str, Any]:
    """Return the traits that a fold has come to, in the order of their keys."""
    return {
        key: json.loads(each.value) for key, each in sorted(fold.items()) if each.value != "null"
    }


def packed_fold(fold: Mapping[str, Stated]) -> str:
    """Return a fold as text."""
    return to_json({key: [*each] for key, each in fold.items()}).decode()


def unpacked_fold(packed: str) -> GroupFold:
    """Return the fold that `packed_fold` made text of.

    Raises:
        ValueError: it is spoilt.
    """
    try:
        found = {str(key): Stated(*each) for key, each in json.loads(packed).items()}
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError("the traits of a group are spoilt") from error
    if any([*map(type, each)] != [int, bool, str, str] for each in found.values()):
        raise ValueError("the traits of a group are spoilt")
    return found


class GroupTraits:
    """The folds of groups by the `groupId`: add all, `finish`, then read, also in processes forked then."""

    def __init__(self, *, held: int = _HELD) -> None:
        """Know no group yet; so many characters of traits are held in memory."""
        self._most = held
        self._recent: dict[int, GroupFold] = {}
        self._size = 0
        self._database: sqlite3.Connection | None = None
        self._file = ScratchFile()
        # Of each group that is not in memory: the digest of its id, in order, and its place in the file.
        self._digests = array("Q")
        self._offsets = array("Q")
        self._sizes = array("Q")

    def close(self) -> None:
        """Delete what waits in temporary files."""
        if self._database:
            self._database.close()
        self._file.close()

    def add(self, group_id: str, more: GroupFold) -> None:
        """Add what group records state about a group."""
        merge_into(self._recent.setdefault(_digest(group_id), {}), more)
        self._size += sum(len(key) + len(each.value) + _OVERHEAD for key, each in more.items())
        if self._size > self._most:
            self._spill()

    def finish(self) -> None:
        """Take no more; only then may folds be read."""
        if self._database is None:
            return
        self._spill()
        rows = self._database.execute("SELECT digest, packed FROM traits ORDER BY digest")
        for digest, packed in rows:
            offset, size = self._file.add(packed.encode())
            self._digests.append(digest + _HALF)
            self._offsets.append(offset)
            self._sizes.append(size)
        self._database.close()
        self._database = None

    def of(self, group_id: str) -> GroupFold:
        """Return the fold of a group; empty if no group record states anything about it."""
        digest = _digest(group_id)
        at = bisect_left(self._digests, digest)
        if at < len(self._digests) and self._digests[at] == digest:
            return unpacked_fold(self._file.read(self._offsets[at], self._sizes[at]).decode())
        return self._recent.get(digest, {})

    def _spill(self) -> None:
        """Move the folds in memory to the database."""
        if self._database is None:
            self._database = scratch_database(_SCHEMA, cache_kib=_CACHE_KIB)
        execute = self._database.execute
        for digest, fold in self._recent.items():
            key = digest - _HALF
            found = execute("SELECT packed FROM traits WHERE digest = ?", (key,)).fetchone()
            whole = unpacked_fold(found[0]) if found else {}
            merge_into(whole, fold)
            execute("INSERT OR REPLACE INTO traits VALUES (?, ?)", (key, packed_fold(whole)))
        self._recent, self._size = {}, 0


def _digest(group_id: str) -> int:
    """Return a number of 64 bits that no two groups share."""
    return int.from_bytes(blake2b(group_id.encode(), digest_size=8).digest())
