"""gzip in any state: what was packed comes out whole, and of what is cut or spoilt the beginning."""

import gzip
import io
from collections.abc import Iterator
from typing import Final

from wootric_map.errors import GzipError
from wootric_map.read.files import STDIN, Source
from wootric_map.read.gzip import gunzip, gunzip_all
from wootric_map.read.lines import read_lines
from wootric_map.read.parts import parts

_MOST: Final = 4 * 1024 * 1024
"""Bytes that an input may unpack to and is still read to its end."""


def seeds() -> Iterator[bytes]:
    """The first byte says what is done, the next two where; then what is packed, or a file as it is."""
    record = b'{"type":"identify","userId":"1","traits":{"email":"ada@example.com"}}\n'
    for kind in range(1, 6):
        yield bytes((kind, 0, 9)) + record * 3
        yield bytes((kind, 3, 9)) + bytes(500)
    packed = gzip.compress(record, mtime=0)
    for file in (packed, packed * 2, packed + b"\0" * 20, packed + b"rest", packed[:-3]):
        yield b"\0\0\0" + file
    yield b"\0\0\0" + gzip.compress(gzip.compress(gzip.compress(packed, mtime=0), mtime=0), mtime=0)
    yield b"\0\0\0" + gzip.compress(bytes(1_000_000), mtime=0)


def check(data: bytes) -> None:
    """Pack it, or take it as it is, and unpack it."""
    if len(data) < 3:
        return
    kind, at, content = data[0] % 6, int.from_bytes(data[1:3]), data[3:]
    if kind == 0:
        _check_any(content)
        return
    packed = gzip.compress(content, mtime=0)
    if kind == 1:
        assert _unpacked(packed) == (content, False)
    elif kind == 2:
        half = at % (len(content) + 1)
        members = (gzip.compress(content[:half], mtime=0), gzip.compress(content[half:], mtime=0))
        assert _unpacked((b"\0" * (at % 5)).join(members)) == (content, False)
    elif kind == 3:
        found, is_broken = _unpacked(packed[: 2 + at % (len(packed) - 2)])
        assert is_broken
        assert content.startswith(found)
    elif kind == 4:
        place = at % len(packed)
        spoilt = packed[:place] + bytes((packed[place] ^ (1 + at % 255),)) + packed[place + 1 :]
        found, is_broken = _unpacked(spoilt)
        assert is_broken or found == content or place < 10
    elif not content.startswith(b"\x1f\x8b"):
        levels = 1 + at % 3
        for _ in range(levels - 1):
            packed = gzip.compress(packed, mtime=0)
        told: list[object] = []
        stream = gunzip_all(
            io.BytesIO(packed), on_level=lambda: told.append(1), on_trailing=_no_trailing
        )
        assert stream.read() == content
        assert len(told) == levels


def _no_trailing(begin: int, size: int) -> None:
    raise AssertionError((begin, size))


def _unpacked(packed: bytes) -> tuple[bytes, bool]:
    """What a file holds, up to a limit, and whether it is broken."""
    stream, found = gunzip(io.BytesIO(packed)), b""
    try:
        while len(found) < _MOST and (block := stream.read1(65_536)):
            found += block
    except GzipError:
        return found, True
    return found, False


def _check_any(content: bytes) -> None:
    """As an export: read whole it gives the lines that it gives in parts."""
    source = Source(STDIN, None, None)
    file = content if content.startswith(b"\x1f\x8b") else b"\x1f\x8b\x08" + content
    if len(_unpacked(file)[0]) >= _MOST:
        return
    whole = [(line.number, line.content) for line in read_lines(source, stdin=io.BytesIO(file))]
    given, before = [], 0
    for part in parts(source, 100, stdin=io.BytesIO(file)):
        number = 0
        for line in read_lines(part, stdin=io.BytesIO()):
            number = line.number
            given.append((before + number, line.content))
        before += number
    assert given == whole, (given, whole)
