"""The decompressed bytes of a source, in blocks: a source is never read whole (segment.md 1)."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from wootric_map.errors import GzipError
from wootric_map.model import MappingWarning, Rejection
from wootric_map.read.files import Source
from wootric_map.read.gzip import MAGIC, gunzip_all

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES: Final = 256 * 1024
"""Bytes read at once. Larger blocks do not stay in the processor's cache, and take longer."""


class ByteStream(Protocol):
    """The methods that standard input must have."""

    def read(self, size: int, /) -> bytes:
        """Read `size` bytes, or fewer only at the end."""

    def read1(self, size: int, /) -> bytes:
        """Read what one system call gives, at most `size` bytes."""


class Blocks:
    """The decompressed content of a source, block by block.

    The attributes are known once enough was read: `gzip_levels` after the first block, the others after the
    last one.
    """

    def __init__(
        self, source: Source, stdin: ByteStream, on_bytes: Callable[[int], object] | None
    ) -> None:
        """Prepare to read; nothing is opened yet.

        Args:
            source: the source to read, or a part of one.
            stdin: standard input, for the source that names it.
            on_bytes: called with the number of bytes of each read, before decompression.
        """
        self._source = source
        self._stdin = stdin
        self._on_bytes = on_bytes or _ignore
        self.gzip_levels = source.gzip_levels
        """How many times the content is gzipped; 0 for a plain file."""
        self.unended_line: int | None = None
        """The number of the last line, if it has no line ending."""
        self.truncation: Rejection | None = None
        """Why the content is incomplete, if it is."""
        self.trailing_data: list[MappingWarning] = []
        """Warnings about bytes behind the content that were ignored."""

    def __iter__(self) -> Iterator[bytes]:
        held = self._source.held
        if isinstance(held, bytes):
            yield held
            return
        try:
            yield from self._read()
        except (GzipError, OSError) as error:
            if isinstance(error, OSError):
                message = f"it could not be read from here on: {error.strerror or error}"
            else:
                message = f"the file broke off or is corrupt here ({error}); export it once more"
            self.truncation = Rejection("truncated_input", None, message)

    def _read(self) -> Iterator[bytes]:
        path, begin, end = self._source.path, self._source.begin, self._source.end
        if path is None or (begin == 0 and end is None):
            with self._opened() as reader:
                yield from iter(partial(reader.read1, BLOCK_BYTES), b"")
            return
        with path.open("rb", buffering=0) as file:
            file.seek(begin)
            left = inf if end is None else end - begin
            while left and (block := file.read(int(min(BLOCK_BYTES, left)))):
                left -= len(block)
                self._on_bytes(len(block))
                yield block

    @contextmanager
    def _opened(self) -> Iterator[ByteStream]:
        """Open the source, and decompress it if its first bytes, not its name, say that it is gzip."""
        path = self._source.path
        with path.open("rb") if path else nullcontext(self._stdin) as file:
            head = file.read(len(MAGIC))
            stream = io.BufferedReader(_CountedStream(head, file, self._on_bytes), BLOCK_BYTES)
            if head == MAGIC:
                yield gunzip_all(
                    stream, on_level=self._count_level, on_trailing=self._warn_of_trailing_data
                )
            else:
                yield stream

    def _count_level(self) -> None:
        self.gzip_levels += 1

    def _warn_of_trailing_data(self, begin: int, size: int) -> None:
        """Note `size` bytes from byte `begin` on that follow the last gzip member and are not gzip."""
        noun, are, were = ("byte", "is", "was") if size == 1 else ("bytes", "are", "were")
        message = (
            f"{size:,} {noun} from byte {begin + 1:,} of the compressed data on {are} no gzip, and {were} "
            "passed over; if records are missing, export the file once more"
        )
        self.trailing_data.append(MappingWarning("trailing_data", "", message))


class _CountedStream(io.RawIOBase):
    """A file or pipe that reports how many bytes are read, and whose first bytes are already taken."""

    def __init__(self, head: bytes, stream: ByteStream, on_bytes: Callable[[int], object]) -> None:
        self._head = head
        self._stream = stream
        self._on_bytes = on_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        data = self._head + self._stream.read1(len(view) - len(self._head))
        self._head = b""
        view[: len(data)] = data
        self._on_bytes(len(data))
        return len(data)


def _ignore(_: int) -> None:
    """Take a number of bytes that no caller asked for."""
