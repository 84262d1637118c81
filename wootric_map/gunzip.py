"""What gzip files hold, whatever state they are in.

With the extra `fast` zlib-ng decompresses them, in half the time; else the standard library does. Both give
the same, to the byte and to the message, also of a file that is cut or corrupt.
"""

import io
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAGIC: Final = b"\x1f\x8b"
"""What every gzip file begins with."""

_GZIP_WRAPPER: Final = 31
"""For zlib: the data stand in a gzip member, whose checksum it is to compare."""
_PACKED: Final = 64 * 1024
_BLOCK: Final = 256 * 1024


class GzipError(Exception):
    """A gzip file that broke off or is corrupt; what it holds up to there was given before."""


class _Packed(Protocol):
    """What is read from."""

    def read1(self, size: int, /) -> bytes:
        """Read what one call to the system gives, at most `size` bytes."""


def gunzip(packed: _Packed) -> io.BufferedReader:
    """Read what a gzip file holds: all of its members, without zeros that pad them.

    Args:
        packed: the file; what has come from a pipe is given before more is waited for.

    Returns:
        A stream whose reading raises `GzipError` behind the last byte that could be had.
    """
    return io.BufferedReader(_Unpacked(_blocks(packed)), _BLOCK)


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


def _blocks(file: _Packed) -> Iterator[bytes]:
    zlib = _zlib()
    packed = b""
    while packed := _without_padding(packed, file):
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
                packed = file.read1(_PACKED)
                if not packed:
                    raise GzipError("the compressed data end too early")
        packed = member.unused_data


def _without_padding(packed: bytes, file: _Packed) -> bytes:
    """The beginning of the next member; empty if there is none."""
    while True:
        packed = packed.lstrip(b"\0")
        if packed:
            return packed
        packed = file.read1(_PACKED)
        if not packed:
            return b""


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
