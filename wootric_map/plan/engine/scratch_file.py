"""What does not stay in memory: a temporary file that is gone when the run ends, also by a crash."""

import errno
import os
from tempfile import TemporaryFile, gettempdir
from typing import IO, Final, Self

_HELD_BYTES: Final = 4 * 1024 * 1024
"""What is held in memory before there is a file."""


class ScratchFile:
    """A temporary file without a name, written at its end and read anywhere, also by several at once.

    It comes into being when there is more to hold than is held in memory.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._held = bytearray()
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the file."""
        if self._file:
            self._file.close()

    def add(self, data: bytes) -> tuple[int, int]:
        """Write something; gives its offset and length.

        Raises:
            OSError: it can't be written; its file name is that of the folder.
        """
        where = self._size, len(data)
        self._size += len(data)
        if self._file is None and self._size <= _HELD_BYTES:
            self._held += data
            return where
        if self._file is None:
            self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the whole
            self._write(self._held, 0)
            self._held = bytearray()
        self._write(data, where[0])
        return where

    def read(self, offset: int, size: int) -> bytes:
        """Read something again."""
        if self._file is None:
            return bytes(self._held[offset : offset + size])
        data = os.pread(self._file.fileno(), size, offset)
        while len(data) < size:  # a system gives two gigabytes at once at the most
            more = os.pread(self._file.fileno(), size - len(data), offset + len(data))
            if not more:
                raise OSError(errno.EIO, "a temporary file was cut short")
            data += more
        return data

    def _write(self, data: bytes | bytearray, offset: int) -> None:
        assert self._file  # noqa: S101 - it was opened just now
        view = memoryview(data)
        try:
            while view:
                written = os.pwrite(self._file.fileno(), view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            # It has no name, but the folder that it is in tells which disk is full.
            raise OSError(error.errno, error.strerror, gettempdir()) from error
