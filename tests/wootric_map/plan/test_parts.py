"""The parts of a source, read side by side, give what the whole source gives."""

import gzip
import io
import os
import pickle
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.mapping.entries import ReadingOptions
from wootric_map.model import Rejection
from wootric_map.read import blocks
from wootric_map.read import parts as part_reader
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import Source, discover
from wootric_map.read.foreign import for_file
from wootric_map.read.lines import Line, read_lines
from wootric_map.read.parts import parts
from wootric_map.report import Report
from wootric_map.validate import Checker

LIMIT = 200
STDIN = Source("-", None, None)

RECORD = b'{"type":"identify","userId":"1","timestamp":"2024-02-29T00:00:00Z"}'
LINES = st.sampled_from(
    [
        RECORD,
        RECORD.replace(b"identify", b"track"),
        RECORD.replace(b"userId", b"anonymousId"),
        RECORD.replace(b"identify", b"group"),
        b'{"batch":[' + RECORD + b"," + RECORD + b"]}",
        b'{"source":"a","record":"' + b"x" * 300 + b'"}',
        b"{}",
        b"",
        b" ",
        b"\t\x0b\x0c",
        b"\r",
        b"\r\r",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf" * 7,
        b"\xef\xbb\xbf" * 7 + b" \t",
        b"\xef\xbb\xbf" + RECORD,
        b"\xef\xbb\xbf \xef\xbb\xbf",
        b"\xef\xbb",
        b"{",
        b"[1]",
        b"\xff\xfe\0",
        b"x" * LIMIT,
        b"x" * (LIMIT + 1),
        b"[" * 700,
        b" " * 300,
    ]
)
BEGINNINGS = st.sampled_from(
    [
        [],
        [RECORD],
        [b"", b"  ", RECORD],
        [b"\xef\xbb\xbf", b"\xef\xbb\xbf" + RECORD],
        [b"userId,email", b"1,a@b.co"],
        [b"{", b'"type": "identify"', b"}"],
        [b"[", RECORD + b",", b"]"],
        [b"PK\x03\x04", b"zipped"],
        [b"some text"] * 25,
        [b"x" * 5000],
        [b"{" + b"x" * 5000 + b"}"],
        [b"\n" * 300],
    ]
)
CONTENTS = st.builds(
    lambda mark, beginning, lines, ending, last: mark + ending.join((*beginning, *lines)) + last,
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\xef\xbb\xbf\xef\xbb\xbf"]),
    BEGINNINGS,
    st.lists(LINES, max_size=40),
    st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n\n\r\n \n"]),
    st.sampled_from([b"", b"\n", b"\n\n \n", b"\r"]),
)
SIZES = st.integers(1, 2000)
BLOCKS = st.sampled_from([16, 64, 333, 1024 * 1024])


class Dribble(io.BytesIO):
    """A standard input that gives a few bytes at a time."""

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read1(min(7, 7 if size is None or size < 0 else size))


def lines_of(source: Source, stdin: ByteStream | None = None) -> list[Line]:
    return list(read_lines(source, stdin=stdin or io.BytesIO(), max_line_bytes=LIMIT))


def in_parts(source: Source, size: int, stdin: ByteStream | None = None) -> list[Line]:
    """Return the lines of all parts, numbered as in the whole source; parts are pickled as for a process."""
    found: list[Line] = []
    before = 0
    cut = parts(source, size, stdin=stdin or io.BytesIO(), max_line_bytes=LIMIT)
    for nth, part in enumerate(cut):
        assert part.nth == nth
        lines = lines_of(pickle.loads(pickle.dumps(part)))  # noqa: S301 - our own
        found += (line._replace(number=before + line.number) for line in lines)
        before += lines[-1].number if lines else 0
    return found


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts") / "export.ndjson"


def source_of(path: Path, content: bytes) -> Source:
    path.write_bytes(content)
    (source,) = discover([str(path)])
    return source


@given(CONTENTS, SIZES, BLOCKS)
def test_parts_give_the_lines_of_the_whole(
    export: Path, content: bytes, size: int, block: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        source = source_of(export, content)
        assert in_parts(source, size) == lines_of(source)


@given(CONTENTS, SIZES, BLOCKS, st.booleans())
def test_parts_of_a_stream_give_the_lines_of_the_whole(
    content: bytes, size: int, block: int, is_slow: bool
) -> None:
    stream = Dribble if is_slow else io.BytesIO
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        whole = lines_of(STDIN, stream(content))
        assert in_parts(STDIN, size, stream(content)) == whole


def fitted(line: Line) -> Line:
    """Return a line of a plain file with the rejection that the gzipped file has."""
    content = line.content
    return line._replace(
        content=for_file(content, 1) if isinstance(content, Rejection) else content
    )


FAULTS = st.none() | st.tuples(
    st.sampled_from(["cut", "flip", "more", "pad", "again"]), st.floats(0, 1)
)


def packed(content: bytes, members: int, fault: tuple[str, float] | None) -> bytes:
    """Return gzip of some members, with a fault."""
    length = len(content) // members + 1
    whole = b"".join(
        gzip.compress(content[at : at + length], mtime=0)
        for at in range(0, max(1, len(content)), length)
    )
    if fault is None:
        return whole
    kind, share = fault
    at = int(share * (len(whole) - 1))
    if kind == "cut":
        return whole[: max(2, at)]
    if kind == "flip":
        at = max(2, at)
        return whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
    if kind == "pad":
        return whole + b"\n \r\n\0" * at
    if kind == "again":
        return gzip.compress(whole) + b"\n" + gzip.compress(b"what is this")
    return whole + b"\0" * at + b"what is this"


@given(CONTENTS, st.integers(1, 3), FAULTS, SIZES, BLOCKS, st.booleans())
def test_parts_of_gzip_give_the_lines_of_the_whole_as_far_as_they_go(
    export: Path,
    content: bytes,
    members: int,
    fault: tuple[str, float] | None,
    size: int,
    block: int,
    is_stdin: bool,
) -> None:
    data = packed(content, members, fault)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        if is_stdin:
            found = in_parts(STDIN, size, io.BytesIO(data))
            whole = lines_of(STDIN, io.BytesIO(data))
        else:
            source = source_of(export, data)
            found, whole = in_parts(source, size), lines_of(source)
    assert found == whole
    if fault is None:
        unpacked = lines_of(source_of(export, content))
        assert [line[1:] for line in found] == [fitted(line)[1:] for line in unpacked]


@given(CONTENTS, SIZES, st.sampled_from(["plain", "gzip", "stdin"]))
def test_parts_are_counted_as_the_whole_is(
    export: Path, content: bytes, size: int, kind: str
) -> None:
    source = STDIN
    if kind != "stdin":
        source = source_of(export, gzip.compress(content) if kind == "gzip" else content)

    def counted(size: int) -> Report:
        report, lines = Report(), 0
        for part in parts(source, size, stdin=io.BytesIO(content), max_line_bytes=LIMIT):
            checked = Checker(ReadingOptions(max_line_bytes=LIMIT))(part)
            report.add(checked.report, lines)
            lines += checked.lines
        return report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", 64)
        assert counted(size) == counted(1_000_000)


@given(CONTENTS, SIZES, st.sampled_from(["plain", "gzip", "stdin"]), st.integers(1, 3))
def test_every_byte_that_is_read_is_told_once(
    export: Path, content: bytes, size: int, kind: str, members: int
) -> None:
    data = packed(content, members, None) if kind == "gzip" else content
    source = STDIN if kind == "stdin" else source_of(export, data)
    told = 0

    def on_bytes(count: int) -> None:
        nonlocal told
        told += count

    cut = parts(source, size, stdin=io.BytesIO(data), max_line_bytes=LIMIT, on_bytes=on_bytes)
    unread = sum(part.unread for part in cut)
    assert kind == "plain" or not unread
    # What is surely no export is refused after a look at its beginning.
    is_refused = b"PK" in content or b"[" in map(bytes.strip, content.split(b"\n"))
    assert told + unread == len(data) or (is_refused and told + unread < len(data))


# How large parts are


def test_a_part_of_a_file_is_no_smaller_than_asked_for(tmp_path: Path) -> None:
    source = source_of(tmp_path / "export.ndjson", b"\n".join([RECORD] * 1000))
    found = list(parts(source, 1000, stdin=io.BytesIO()))
    assert len(found) > 50
    assert all((each.end or 0) - each.begin >= 1000 for each in found[:-1])
    assert [each.begin for each in found[1:]] == [each.end for each in found[:-1]]
    assert not any(each.held for each in found)


def held_bytes(part: Source) -> int:
    held = part.held or b""
    return len(held) if isinstance(held, bytes) else sum(len(line.content) for line in held)


@pytest.mark.parametrize(
    "beginning", [b"", b"userId,email\n1,a@b.co\n", b"x" * 5000 + b"\n", b" \n" * 500]
)
def test_what_is_held_of_a_stream_is_about_a_part(
    monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 500)
    monkeypatch.setattr(part_reader, "LINE_BYTES", 0)
    content = beginning + b"\n".join([RECORD] * 1000)
    cut = parts(STDIN, 2000, stdin=io.BytesIO(content), max_line_bytes=LIMIT)
    found = list(map(held_bytes, cut))
    assert len(found) > 20
    assert max(found) <= 2000 + 500
    assert all(size >= 2000 - len(RECORD) for size in found[:-1])


def test_lines_of_next_to_nothing_are_held_for_what_they_take_in_memory() -> None:
    size = 20_000
    content = b"no record\n" + RECORD + b"\n" + b"1\n" * 20_000
    cut = parts(STDIN, size, stdin=io.BytesIO(content), max_line_bytes=LIMIT)
    taken = [
        sum(sys.getsizeof(line) + sum(map(sys.getsizeof, line)) for line in lines_of(part))
        for part in cut
    ]
    assert max(taken) < 2 * size


def test_a_line_that_never_ends_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 500)

    class Endless(io.BytesIO):
        """Forty megabytes in which no line ends."""

        left = 40_000_000

        def read1(self, size: int | None = -1, /) -> bytes:
            self.left -= 100_000
            return b"x" * min(100_000, size or 0) if self.left > 0 else b""

    cut = parts(STDIN, 2000, stdin=Endless(RECORD + b"\n"), max_line_bytes=LIMIT)
    found = [line for part in cut for line in lines_of(part)]
    assert [isinstance(line.content, Rejection) for line in found][-1:] == [True]
    assert max(len(line.content) for line in found) < 1000


# What can't be cut, or read


@pytest.mark.parametrize("start", [b"\x1f\x8b", b"[", b"PK\x03\x04", b"userId,email\n", b"\n"])
def test_what_does_not_begin_as_an_export_is_read_ahead(tmp_path: Path, start: bytes) -> None:
    source = source_of(tmp_path / "export.ndjson", start + b"\n".join([RECORD] * 100))
    found = list(parts(source, 100, stdin=io.BytesIO()))
    assert all(each.held is not None for each in found)


@pytest.mark.parametrize("size", [1, 10_000])
def test_a_file_that_is_gone_by_then_is_rejected_where_it_is_read(
    tmp_path: Path, size: int
) -> None:
    source = source_of(tmp_path / "export.ndjson", b"\n".join([RECORD] * 10))
    assert source.path
    source.path.unlink()
    found = in_parts(source, size)
    assert [line.content.code for line in found if isinstance(line.content, Rejection)] == [
        "truncated_input"
    ]
    assert found == lines_of(source)


def test_a_pipe_is_read_once_as_it_comes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (source,) = discover([str(pipe)])
    content = b"\n".join([RECORD] * 3000)

    def fill() -> None:
        pipe.write_bytes(content)

    writer = threading.Thread(target=fill)
    writer.start()
    try:
        found = in_parts(source, 10_000)
    finally:
        writer.join()
    assert [line.number for line in found] == list(range(1, 3001))
    assert [line.offset for line in found] == [n * (len(RECORD) + 1) for n in range(3000)]


def test_nothing_at_all_is_one_part_without_lines(tmp_path: Path) -> None:
    for source in (STDIN, source_of(tmp_path / "a", b""), source_of(tmp_path / "b", b"\n \n")):
        assert in_parts(source, 10) == lines_of(source) == []


def test_a_source_is_read_only_as_far_as_its_parts_are_asked_for() -> None:
    class Endless(io.BytesIO):
        """Record after record, without an end."""

        asked = 0

        def read1(self, size: int | None = -1, /) -> bytes:
            self.asked += 1
            return (RECORD + b"\n") * 100

    stream = Endless(b"{}")
    cut = parts(STDIN, 10_000, stdin=stream)
    for count in range(1, 4):
        assert held_bytes(next(cut)) >= 10_000
        assert stream.asked <= 2 * count
