"""What gzip files hold, whatever state they are in.

With the extra `fast` zlib-ng decompresses them, in half the time; else the standard library does. Both give
the same, to the byte and to the message, also of a file that is cut or corrupt.
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
"""What every gzip file begins with."""

LEVELS: Final = 3
"""How deep gzip within gzip is read."""

_GZIP_WRAPPER: Final = 31
"""For zlib: the data stand in a gzip member, whose checksum it is to compare."""
_PADDING: Final = b"\0\n\r\t "
"""What may stand between and behind the members (segment.md 1)."""
_MEMBER: Final = b"\x1f\x8b\x08"
"""What every member begins with."""
_PACKED: Final = 64 * 1024
_BLOCK: Final = 256 * 1024


class _Packed(Protocol):
    """What is read from."""

    def read1(self, size: int, /) -> bytes:
        """Read what one call to the system gives, at most `size` bytes."""


OnTrailing: TypeAlias = Callable[[int, int], object]
"""Is told of bytes behind the last member that are no gzip: where they begin, and how many they are."""


def gunzip(packed: _Packed) -> io.BufferedReader:
    """Read what a gzip file holds: all of its members, without what pads them.

    Args:
        packed: the file; what has come from a pipe is given before more is waited for.

    Returns:
        A stream whose reading raises `GzipError` behind the last byte that could be had.
    """
    return _as_stream(_members(packed, None))


def gunzip_all(
    packed: _Packed, *, on_level: Callable[[], object], on_trailing: OnTrailing
) -> io.BufferedReader:
    """Read what a gzip file holds, also where that is gzipped again, up to `LEVELS` deep.

    Args:
        packed: the file, as in `gunzip`.
        on_level: called for each level, before the first byte is given.
        on_trailing: told of bytes that are passed over, at whatever level.

    Returns:
        A stream as of `gunzip`.
    """
    return _as_stream(_levels(packed, LEVELS, on_level, on_trailing))


def _as_stream(blocks: Iterator[bytes]) -> io.BufferedReader:
    return io.BufferedReader(_Unpacked(blocks), _BLOCK)


class _Unpacked(io.RawIOBase):
    """Blocks of bytes as a stream."""

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
    """What a gzip file holds, unpacked as often as it is gzipped, but no more than `most` times."""
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
    """What the members of a gzip file hold, in blocks."""
    zlib = _zlib()
    counted = _Counted(file)
    packed, is_first = b"", True
    while packed := _without_padding(packed, counted):
        if not (is_first or packed.startswith(MAGIC) or MAGIC.startswith(packed)):
            _pass_over(packed, counted, on_trailing)
            return
        is_first = False
        member = zlib.decompressobj(_GZIP_WRAPPER)
        while not member.eof:
            before = member.copy()
            try:
                block = member.decompress(packed, _BLOCK)
            except zlib.error as error:
                yield from _up_to_the_fault(before, packed, zlib.error)
                # What is wrong stands behind a number and what was being done.
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
    """A file that tells how many bytes were read of it."""

    def __init__(self, file: _Packed) -> None:
        self._file = file
        self.size = 0

    def more(self) -> bytes:
        """What comes next; empty at the end."""
        packed = self._file.read1(_PACKED)
        self.size += len(packed)
        return packed


def _without_padding(packed: bytes, file: _Counted) -> bytes:
    """The beginning of what comes next, as much of it as tells a member; empty if there is nothing."""
    packed = packed.lstrip(_PADDING)
    while len(packed) < len(MAGIC) and (more := file.more()):
        packed = (packed + more).lstrip(_PADDING)
    return packed


def _pass_over(packed: bytes, file: _Counted, on_trailing: OnTrailing | None) -> None:
    """Read past bytes that are no gzip, up to the end of the file.

    Raises:
        GzipError: nobody is to be told, or another member stands in them, so that they may not be all
            that is lost.
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


def _up_to_the_fault(member: Any, packed: bytes, fault: type[Exception]) -> Iterator[bytes]:
    """What comes before the fault: zlib gives nothing of the call that meets it, so go byte by byte."""
    try:
        for at in range(len(packed)):
            block = member.decompress(packed[at : at + 1])
            if block:
                yield block
    except fault:
        return


def _zlib() -> ModuleType:
    # Imported here since most runs meet no gzip.
    try:
        from zlib_ng import zlib_ng  # noqa: PLC0415
    except ImportError:
        import zlib  # noqa: PLC0415

        return zlib
    return zlib_ng
