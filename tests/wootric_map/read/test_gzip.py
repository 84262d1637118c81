"""Gzip is read the same with the extra `fast` and without it, whatever is wrong with the file."""

import gzip
import io
import os
import random
import sys
import tracemalloc
import zlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wootric_map.errors import GzipError
from wootric_map.read.files import discover
from wootric_map.read.gzip import gunzip, gunzip_all
from wootric_map.read.lines import read_lines

NOISE = random.Random(7).randbytes(60_000).hex().encode()  # gzip halves it, and no more
WRAPPED = 31  # zlib's name for a gzip member


class Trickle:
    """A file that gives a few bytes at a time, as a pipe may."""

    def __init__(self, content: bytes, most: int) -> None:
        self._content = io.BytesIO(content)
        self._most = most

    def read1(self, size: int) -> bytes:
        return self._content.read(min(size, self._most))


def unpack(
    packed: bytes, *, fast: bool, most: int = sys.maxsize, every_level: bool = False
) -> tuple[bytes, str, list[tuple[int, int]]]:
    """Return a file's content, the fault, and the place of the bytes that are ignored."""
    trailing: list[tuple[int, int]] = []

    def pass_over(begin: int, size: int) -> None:
        trailing.append((begin, size))

    with pytest.MonkeyPatch.context() as patch:
        if not fast:
            patch.setitem(sys.modules, "zlib_ng", None)
        file = Trickle(packed, most)
        unpacked = (
            gunzip_all(file, on_level=int, on_trailing=pass_over) if every_level else gunzip(file)
        )
        found: list[bytes] = []
        try:
            found.extend(iter(unpacked.read1, b""))
        except GzipError as error:
            return b"".join(found), str(error), trailing
        return b"".join(found), "", trailing


def unpack_byte_by_byte(packed: bytes) -> tuple[bytes, bool]:
    """Return all content before the first fault, and whether there is one, in the obvious way."""
    found: list[bytes] = []
    member = None
    for at in range(len(packed)):
        byte = packed[at : at + 1]
        if member is None:
            if byte in b"\0\n\r\t ":
                continue
            if found and not b"\x1f\x8b".startswith(packed[at : at + 2]):
                return b"".join(found), True
            member = zlib.decompressobj(WRAPPED)
        try:
            found.append(member.decompress(byte))
        except zlib.error:
            return b"".join(found), True
        if member.eof:
            member = None
    return b"".join(found), member is not None


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Gzip files of several members: padded, cut, with changed bytes, or with bytes behind."""
    size, times = draw(st.sampled_from([(0, 1), (3, 1), (500, 1), (20_000, 1), (500, 5000)]))
    content = NOISE[:size] * times
    cut = draw(st.integers(0, len(content)))
    level = draw(st.sampled_from([0, 1, 6, 9] if times == 1 else [6]))
    packed = gzip.compress(content[:cut], level, mtime=0)
    packed += draw(st.sampled_from([b"", b"", b"\0", b"\n", b"\r\n \t", bytes(512)]))
    packed += gzip.compress(content[cut:], level, mtime=0)
    changed = bytearray(packed)
    near_the_ends = st.integers(0, 60) | st.integers(-60, -1)
    for at in draw(st.lists(near_the_ends | st.integers(0, len(changed) - 1), max_size=2)):
        if -len(changed) <= at < len(changed):
            changed[at] ^= draw(st.integers(1, 255))
    length = draw(st.just(len(changed)) | st.integers(0, len(changed)))
    behind = draw(st.sampled_from([b"", b"", b"\x1f", b"<html>", b"\0\0", b"\0x", b"\n"]))
    return bytes(changed[:length]) + behind


@given(packed=files(), most=st.sampled_from([100, 5000, sys.maxsize]))
def test_with_and_without_the_extra_the_same_is_read(packed: bytes, most: int) -> None:
    found, fault, _ = unpack(packed, fast=True, most=most)
    assert (found, fault, []) == unpack(packed, fast=False)
    assert (found, bool(fault)) == unpack_byte_by_byte(packed)


@given(
    packed=files(),
    more=st.sampled_from([b"", b"what is this", b"\x1f", b"\x1f\x8b\x08", b"\0\nx", b"\n\n"]),
    times=st.integers(0, 2),
    most=st.sampled_from([1, 5000, sys.maxsize]),
)
def test_gzip_at_every_level_is_read_as_one_after_the_other(
    packed: bytes, more: bytes, times: int, most: int
) -> None:
    found, fault, _ = unpack(packed, fast=True)
    assume(packed.startswith(b"\x1f\x8b") and not fault)
    whole = packed + more
    for _ in range(times):
        whole = gzip.compress(whole, 1)
    result = unpack(whole, fast=True, most=most, every_level=True)
    assert result == unpack(whole, fast=False, every_level=True)
    rubbish = more.lstrip(b"\0\n")
    may_be_gzip = rubbish.startswith(b"\x1f")
    begin = len(packed) + len(more) - len(rubbish)
    passed_over = [(begin, len(rubbish))] if rubbish and not may_be_gzip else []
    assert (result[0], bool(result[1]), result[2]) == (found, may_be_gzip, passed_over)


def test_tests_have_the_extra() -> None:
    assert unpack(gzip.compress(b"x"), fast=True) == (b"x", "", [])
    assert "zlib_ng" in sys.modules


@pytest.mark.parametrize("fast", [True, False])
def test_all_that_stands_before_a_fault_is_given(*, fast: bool) -> None:
    packed = bytearray(gzip.compress(NOISE))
    packed[-8] ^= 1  # of the checksum
    assert unpack(bytes(packed), fast=fast) == (NOISE, "incorrect data check", [])
    middle = len(packed) // 2
    packed[middle : middle + 64] = b"\xff" * 64
    found, fault, _ = unpack(bytes(packed), fast=fast)
    assert found[: len(NOISE) // 3] == NOISE[: len(NOISE) // 3]
    assert fault


@pytest.mark.parametrize("fast", [True, False])
def test_a_line_from_a_pipe_is_given_before_the_next_one_is_written(
    monkeypatch: pytest.MonkeyPatch, *, fast: bool
) -> None:
    if not fast:
        monkeypatch.setitem(sys.modules, "zlib_ng", None)
    packer = zlib.compressobj(wbits=WRAPPED)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as writer:
        (source,) = discover(["-"])
        lines = read_lines(source, stdin=stream)
        for number in (1, 2, 3):
            line = b'{"record":%d}' % number
            writer.write(packer.compress(line + b"\n") + packer.flush(zlib.Z_SYNC_FLUSH))
            assert next(lines).content == line


def test_a_file_that_swells_a_thousandfold_is_read_in_small_blocks() -> None:
    packed = io.BytesIO(gzip.compress(bytes(50_000_000)))
    tracemalloc.start()
    try:
        assert sum(map(len, iter(gunzip(packed).read1, b""))) == 50_000_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000
