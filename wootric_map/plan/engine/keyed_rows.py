"""Rows that are written in any order and read key by key: a temporary file holds what is too much."""

from array import array
from collections.abc import Hashable, Iterator
from typing import Final, Generic, Self, TypeVar

from wootric_map.plan.engine.scratch_file import ScratchFile

K = TypeVar("K", bound=Hashable)

_HELD_BYTES: Final = 4 * 1024 * 1024
"""What all keys together hold in memory."""


class KeyedRows(Generic[K]):
    """Bytes by key, each key's in the order in which they were added; used as a context."""

    def __init__(self) -> None:
        self._file = ScratchFile()
        self._held: dict[K, bytearray] = {}
        self._size = 0
        self._written: dict[K, array[int]] = {}
        """Of each key the offsets and lengths of what is in the file, alternating."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit_of: object) -> None:
        self._file.__exit__(*exit_of)

    def add(self, key: K, row: bytes) -> None:
        """Add a row.

        Raises:
            OSError: the temporary file can't be written.
        """
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = bytearray()
        held += row
        self._size += len(row)
        if self._size > _HELD_BYTES:
            self._write()

    def read(self, key: K) -> Iterator[bytes]:
        """Yield the rows of a key, many at once; nothing if there are none."""
        written = self._written.get(key, ())
        for offset, size in zip(written[::2], written[1::2], strict=True):
            yield self._file.read(offset, size)
        if key in self._held:
            yield bytes(self._held[key])

    def _write(self) -> None:
        """Write what is held, all at once: there may be thousands of keys with a row each."""
        offset, _ = self._file.add(b"".join(self._held.values()))
        for key, held in self._held.items():
            self._written.setdefault(key, array("Q")).extend((offset, len(held)))
            offset += len(held)
        self._held.clear()
        self._size = 0
