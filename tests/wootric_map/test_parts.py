"""Parts of a file, read side by side: together they give what the whole file gives."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.checking import check
from wootric_map.reading import ReadingOptions
from wootric_map.report import Report
from wootric_map.source import Line, Source, discover, parts, read_lines

RECORD = b'{"type":"identify","userId":"1","timestamp":"2024-02-29T00:00:00Z"}'
LINES = st.sampled_from(
    [
        RECORD,
        RECORD.replace(b"identify", b"track"),
        RECORD.replace(b"userId", b"anonymousId"),
        RECORD.replace(b"identify", b"group"),
        b'{"batch":[' + RECORD + b"," + RECORD + b"]}",
        b"",
        b" ",
        b"\r",
        b"{",
        b"[1]",
        b"x" * 300,
    ]
)
FILES = st.tuples(
    st.just(b"") | st.just(b"\xef\xbb\xbf"),
    st.lists(LINES, max_size=40),
    st.just(b"") | st.just(b"\n") | st.just(b"\n\n \n"),
).map(lambda file: file[0] + b"\n".join((RECORD, *file[1])) + file[2])


def in_parts(source: Source, size: int) -> Iterator[Line]:
    """The lines of all parts, numbered as in the whole."""
    before = 0
    for part in parts(source, size):
        number = 0
        for line in read_lines(part, stdin=io.BytesIO(), max_line_bytes=200):
            number = line.number
            yield line._replace(number=before + number)
        before += number


@given(FILES, st.integers(1, 400))
def test_parts_give_the_lines_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, size: int
) -> None:
    path = tmp_path_factory.mktemp("parts") / "export.ndjson"
    path.write_bytes(content)
    (source,) = discover([str(path)])
    whole = list(read_lines(source, stdin=io.BytesIO(), max_line_bytes=200))
    assert list(in_parts(source, size)) == whole


@given(FILES, st.integers(1, 400))
def test_parts_are_counted_as_the_whole_is(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, size: int
) -> None:
    path = tmp_path_factory.mktemp("parts") / "export.ndjson"
    path.write_bytes(content)
    (source,) = discover([str(path)])
    options = ReadingOptions(max_line_bytes=200)
    report, lines = Report(), 0
    for part in parts(source, size):
        checked = check(part, options)
        report.add(checked.report, lines)
        lines += checked.lines
    assert report == check(source, options).report


def test_a_part_is_no_smaller_than_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "export.ndjson"
    path.write_bytes(b"\n".join([RECORD] * 1000))
    (source,) = discover([str(path)])
    found = list(parts(source, 1000))
    assert len(found) > 50
    assert all((each.end or 0) - each.begin >= 1000 for each in found[:-1])
    assert [each.begin for each in found[1:]] == [each.end for each in found[:-1]]


@pytest.mark.parametrize("start", [b"\x1f\x8b", b"[", b"PK\x03\x04", b"userId,email\n", b"\n"])
def test_what_does_not_begin_as_an_export_is_not_cut(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "export.ndjson"
    path.write_bytes(start + b"\n".join([RECORD] * 100))
    (source,) = discover([str(path)])
    assert list(parts(source, 100)) == [source]
