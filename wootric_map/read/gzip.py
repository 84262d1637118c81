"""Gzip files are decompressed, whatever state they are in (segment.md 1).

With the extra `fast`, zlib-ng does it in half the time; without it, the standard library does. Both give the
same bytes and the same messages, also for a file that is cut or corrupt.
"""

import io
from collections.abc import Callable, Iterator
from itertools import chain
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from wootric_map.errors import GzipError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAGIC: Final = b"\x1f\x8b"
"""The first bytes of every gzip file."""

LEVELS: Final = 3
"""How many levels of gzip within gzip are decompressed."""

_GZIP_WRAPPER: Final = 31
"""The argument that makes zlib read a gzip member and compare its checksum."""
_PADDING: Final = b"\0\n\r\t "
"""Bytes that may stand between and behind the members (segment.md 1)."""
_MEMBER: Final = b"\x1f\x8b\x08"
"""The first bytes of every member."""
_PACKED_BLOCK: Final = 64 * 1024
"""Compressed bytes read at once."""
_BLOCK: Final = 256 * 1024
"""Decompressed bytes returned at once, at most."""


class _Packed(Protocol):
    """A file or pipe that holds gzip."""

    def read1(self, size: int, /) -> bytes:
        """Read what one system call gives, at most `size` bytes."""


OnTrailing: TypeAlias = Callable[[int, int], object]
"""Called with the offset and the number of bytes behind the last member that are not gzip."""


def gunzip(packed: _Packed) -> io.BufferedReader:
    """Decompress all members of a gzip file, and leave out the padding between them.

    Args:
        packed: the file or pipe. Content is returned as soon as a pipe gives it.

    Returns:
        The content. Reading it raises `GzipError` behind the last byte that can be decompressed.
    """
    return _as_stream(_members(packed, None))


def gunzip_all(
    packed: _Packed, *, on_level: Callable[[], object], on_trailing: OnTrailing
) -> io.BufferedReader:
    """Decompress a gzip file, and its content where that is gzip again, up to `LEVELS` times.

    Args:
        packed: the file or pipe. Content is returned as soon as a pipe gives it.
        on_level: called once for each level, before the first byte is returned.
        on_trailing: called with bytes that are ignored, at any level.

    Returns:
        The content. Reading it raises `GzipError` behind the last byte that can be decompressed.
    """
    return _as_stream(_levels(packed, LEVELS, on_level, on_trailing))


def _as_stream(blocks: Iterator[bytes]) -> io.BufferedReader:
    return io.BufferedReader(_Unpacked(blocks), _BLOCK)


class _Unpacked(io.RawIOBase):
    """A stream of the bytes in blocks."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not self._left:
            self._left = memoryview(next(self._blocks, b""))
        view = memoryview(buffer)
        size = min(len(view), len(self._left))
        view[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _levels(
    packed: _Packed, most: int, on_level: Callable[[], object], on_trailing: OnTrailing
) -> Iterator[bytes]:
    """Decompress a gzip file as often as it is gzipped, but no more than `most` times."""
    on_level()
    blocks = _members(packed, on_trailing)
    start = b""
    try:
        while len(start) < len(MAGIC) and (block := next(blocks, b"")):
            start += block
    except GzipError:
        if start:
            yield start
        raise
    if not start:
        return
    whole = chain((start,), blocks)
    if most > 1 and start.startswith(MAGIC):
        yield from _levels(_as_stream(whole), most - 1, on_level, on_trailing)
    else:
        yield from whole


def _members(file: _Packed, on_trailing: OnTrailing | None) -> Iterator[bytes]:
    """Decompress the members of a gzip file, in blocks.

    Without `on_trailing`, bytes that are not gzip behind the last member are an error.

    Raises:
        GzipError: the file is cut or corrupt; raised behind the last byte that can be decompressed.
    """
    zlib = _fastest_zlib()
    counted = _Counted(file)
    packed, is_first = b"", True
    while packed := _without_padding(packed, counted):
        if not (is_first or packed.startswith(MAGIC) or MAGIC.startswith(packed)):
            _skip_trailing_data(packed, counted, on_trailing)
            return
        is_first = False
        member = zlib.decompressobj(_GZIP_WRAPPER)
        while not member.eof:
            before = member.copy()
            try:
                block = member.decompress(packed, _BLOCK)
            except zlib.error as error:
                yield from _bytes_before_fault(before, packed, zlib.error)
                # zlib's message has a number and an action before the cause.
                raise GzipError(str(error).rpartition(": ")[2]) from error
            if block:
                yield block
            packed = member.unconsumed_tail
            if not packed and len(block) < _BLOCK and not member.eof:
                packed = counted.more()
                if not packed:
                    raise GzipError("the compressed data end too early")
        packed = member.unused_data


class _Counted:
    """A file or pipe that counts the bytes read from it."""

    def __init__(self, file: _Packed) -> None:
        self._file = file
        self.size = 0

    def more(self) -> bytes:
        """Read the next bytes; none at the end."""
        packed = self._file.read1(_PACKED_BLOCK)
        self.size += len(packed)
        return packed


def _without_padding(packed: bytes, file: _Counted) -> bytes:
    """Skip padding, and return enough bytes to recognise a member; none at the end of the file.

    Args:
        packed: bytes that were read already.
        file: where the bytes that follow are read from.
    """
    packed = packed.lstrip(_PADDING)
    while len(packed) < len(MAGIC) and (more := file.more()):
        packed = (packed + more).lstrip(_PADDING)
    return packed


def _skip_trailing_data(packed: bytes, file: _Counted, on_trailing: OnTrailing | None) -> None:
    """Read past bytes that are not gzip to the end of the file, and report them to `on_trailing`.

    Raises:
        GzipError: there is no `on_trailing`; or another member follows, so that more may be lost.
    """
    if on_trailing is None:
        raise GzipError("what stands behind its end is no gzip")
    begin, size, end = file.size - len(packed), 0, b""
    while packed:
        end += packed
        if _MEMBER in end:
            raise GzipError("bytes that are no gzip stand before another of its parts")
        size += len(packed)
        end = end[1 - len(_MEMBER) :]
        packed = file.more()
    on_trailing(begin, size)


def _bytes_before_fault(member: Any, packed: bytes, fault: type[Exception]) -> Iterator[bytes]:
    """Decompress byte by byte up to the fault, since zlib returns nothing from the call that meets it.

    Args:
        member: the decompressor as it was before that call.
        packed: the bytes that hold the fault.
        fault: zlib's exception.
    """
    try:
        for at in range(len(packed)):
            block = member.decompress(packed[at : at + 1])
            if block:
                yield block
    except fault:
        return


def _fastest_zlib() -> ModuleType:
    # Imported here since many runs read no gzip.
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        import zlib

        return zlib
    return zlib_ng
