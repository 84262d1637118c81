"""From paths to numbered raw lines: which files are read, and which are not exports (segment.md 1)."""

import codecs
import gzip
import io
import os
import random
import tempfile
import tracemalloc
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wootric_map import Rejection, Source, SourceError, discover, read_lines
from wootric_map.model import MappingWarning
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import PassedOver
from wootric_map.read.foreign import for_file
from wootric_map.read.lines import MAX_LINE_BYTES, Line

RECORD = b'{"type":"identify","userId":"1"}'


class Trickle(io.RawIOBase):
    """A pipe whose writer flushes at any place: a read gives the next piece at most."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        if not self._pieces:
            return 0
        piece = self._pieces[0][: len(buffer)]
        self._pieces[0] = self._pieces[0][len(piece) :]
        if not self._pieces[0]:
            del self._pieces[0]
        buffer[: len(piece)] = piece
        return len(piece)


def trickle(*pieces: bytes) -> ByteStream:
    return io.BufferedReader(Trickle(pieces))


def pieces_of(content: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted({cut for cut in cuts if cut < len(content)}), len(content)]
    return [content[start:end] for start, end in pairwise(edges)]


def read(path: Path, *, limit: int = MAX_LINE_BYTES) -> list[Line]:
    (source,) = discover([str(path)])
    return list(read_lines(source, stdin=io.BytesIO(), max_line_bytes=limit))


def read_bytes(folder: Path, content: bytes, *, limit: int = MAX_LINE_BYTES) -> list[Line]:
    path = folder / "export"
    path.write_bytes(content)
    return read(path, limit=limit)


def read_stdin(stream: ByteStream, *, limit: int = MAX_LINE_BYTES) -> list[Line]:
    (source,) = discover(["-"])
    return list(read_lines(source, stdin=stream, max_line_bytes=limit))


def contents(lines: Iterable[Line]) -> list[bytes]:
    return [line.content for line in lines if isinstance(line.content, bytes)]


def codes(lines: Iterable[Line]) -> list[str]:
    return [line.content.code for line in lines if isinstance(line.content, Rejection)]


def only_rejection(lines: Sequence[Line]) -> Rejection:
    (line,) = lines
    assert isinstance(line.content, Rejection)
    return line.content


def names(sources: Iterable[Source]) -> list[str]:
    return [source.name for source in sources]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, for relative paths."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*paths: str) -> None:
    for each in paths:
        path = Path(each)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())


# Discovery


def test_a_folder_is_searched_for_exports_of_every_ending_and_for_nothing_else(
    folder: Path,
) -> None:
    exports = [
        "2024-03-01", "J.JSON", "a.json", "b.ndjson", "c.jsonl", "d.json.gz", "e.ndjson.gz",
        "f.jsonl.gz", "g.gz", "h.jsonlines", "i.njson", "j.jsonlines.GZ", "json", "part-00000",
    ]  # fmt: skip
    others = ["a.json.bak", "a.json.bz2", "a.ndjson (1)", "b.gz.2", "c.txt", "d.gzip", "e."]
    silent = [
        "_SUCCESS", "part.crc", "PART.CRC", "._a.ndjson", ".hidden.ndjson", ".hidden/a.ndjson",
        "__MACOSX/a.ndjson", "__MACOSX/b.txt", "sub/__MACOSX/._a.ndjson",
    ]  # fmt: skip
    touch(*(f"in/{name}" for name in exports + others + silent))
    passed_over = PassedOver()
    assert names(discover(["in"], passed_over=passed_over)) == [f"in/{name}" for name in exports]
    assert passed_over.as_data() == {"count": 7, "files": [f"in/{name}" for name in others]}


def test_what_is_passed_over_is_counted_whole_and_named_in_part(folder: Path) -> None:
    written = [f"in/{number:03}.txt" for number in range(50)]
    touch("in/a.ndjson", *reversed(written))
    passed_over = PassedOver()
    discover(["in"], passed_over=passed_over)
    assert passed_over == PassedOver(50, written[:20])


@pytest.mark.parametrize("paths", [["in"], ["in", "in"], ["in/sub", "in"], ["in", "in/sub"], ["."]])
def test_a_file_is_counted_as_passed_over_once(folder: Path, paths: list[str]) -> None:
    touch("in/a.ndjson", "in/a.txt", "in/sub/b.ndjson", "in/sub/b.txt")
    passed_over = PassedOver()
    found = discover(paths, passed_over=passed_over)
    assert sorted(names(found)) == ["in/a.ndjson", "in/sub/b.ndjson"]
    assert passed_over == PassedOver(2, ["in/a.txt", "in/sub/b.txt"])


@pytest.mark.parametrize("paths", [["in", "in/a.txt"], ["in/a.txt", "in"], ["in", "link"]])
def test_a_file_that_is_named_is_not_passed_over(folder: Path, paths: list[str]) -> None:
    touch("in/a.ndjson", "in/a.txt")
    Path("link").symlink_to("in/a.txt")
    passed_over = PassedOver()
    assert len(discover(paths, passed_over=passed_over)) == 2
    assert passed_over == PassedOver()


def test_a_pipe_and_the_rejects_file_in_a_folder_are_passed_over(folder: Path) -> None:
    touch("a.ndjson", "rejects.ndjson")
    os.mkfifo("pipe.ndjson")
    passed_over = PassedOver()
    found = discover(["."], leave_out=Path("rejects.ndjson"), passed_over=passed_over)
    assert names(found) == ["a.ndjson"]
    assert passed_over == PassedOver(2, ["pipe.ndjson", "rejects.ndjson"])


def test_several_files_may_be_left_out_of_folders(folder: Path) -> None:
    touch("a.ndjson", "b.ndjson", "c.ndjson")
    found = discover(["."], leave_out=map(Path, ("a.ndjson", "c.ndjson", "none.ndjson")))
    assert names(found) == ["b.ndjson"]


def test_a_hidden_folder_is_searched_where_it_is_named_itself(folder: Path) -> None:
    touch(".exports/a.ndjson", ".exports/.b.ndjson")
    assert names(discover([".exports"])) == [".exports/a.ndjson"]


def test_a_folder_is_searched_to_any_depth_in_sorted_order(folder: Path) -> None:
    touch("logs/b/2.gz", "logs/b/1.gz", "logs/a/9.gz", "logs/c.gz", "logs/a/deep/er/1.gz")
    expected = ["logs/a/9.gz", "logs/a/deep/er/1.gz", "logs/b/1.gz", "logs/b/2.gz", "logs/c.gz"]
    assert names(discover(["logs"])) == expected


def test_paths_keep_the_order_they_are_given_in(folder: Path) -> None:
    touch("z.ndjson", "a.ndjson", "in/m.ndjson")
    given_order = ["z.ndjson", "in", "a.ndjson", "-"]
    assert names(discover(given_order)) == ["z.ndjson", "in/m.ndjson", "a.ndjson", "-"]


def test_a_file_given_by_name_is_read_whatever_its_ending(folder: Path) -> None:
    touch("users.txt")
    assert names(discover(["users.txt"])) == ["users.txt"]


def test_a_source_knows_its_size_on_disk(folder: Path) -> None:
    Path("a.ndjson").write_bytes(b"12345")
    (source,) = discover(["a.ndjson"])
    assert (source.path, source.size) == (Path("a.ndjson"), 5)


def test_standard_input_has_neither_path_nor_size() -> None:
    (source,) = discover(["-"])
    assert (source.name, source.path, source.size) == ("-", None, None)


@pytest.mark.parametrize(
    "paths",
    [
        ("a.ndjson", "a.ndjson"),
        ("a.ndjson", "./a.ndjson"),
        ("a.ndjson", "in/../a.ndjson"),
        ("a.ndjson", "link.ndjson"),
        ("link.ndjson", "a.ndjson"),
        ("a.ndjson", "."),
        ("-", "a.ndjson", "-"),
    ],
)
def test_a_file_named_twice_is_read_once(folder: Path, paths: tuple[str, ...]) -> None:
    touch("a.ndjson", "in/other.txt")
    Path("link.ndjson").symlink_to("a.ndjson")
    found = discover(paths)
    assert len(found) == len({each.path and each.path.resolve() for each in found})
    assert names(found)[0] == paths[0]


def test_an_absolute_and_a_relative_name_are_one_file(folder: Path) -> None:
    touch("a.ndjson")
    assert names(discover(["a.ndjson", str(folder / "a.ndjson")])) == ["a.ndjson"]


def test_files_of_the_same_content_are_each_read(folder: Path) -> None:
    Path("a.ndjson").write_bytes(RECORD)
    Path("b.ndjson").write_bytes(RECORD)
    assert names(discover(["a.ndjson", "b.ndjson"])) == ["a.ndjson", "b.ndjson"]


def test_a_missing_file_is_an_error_that_names_it(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.ndjson.*No such file"):
        discover(["gone.ndjson"])


def test_a_missing_file_is_found_out_before_anything_is_read(folder: Path) -> None:
    touch("a.ndjson")
    with pytest.raises(SourceError, match=r"gone\.ndjson"):
        discover(["a.ndjson", "gone.ndjson"])


def test_a_mistyped_name_gets_the_nearest_one_as_a_hint(folder: Path) -> None:
    touch("in/export-2024.ndjson", "in/unlike.txt")
    with pytest.raises(SourceError, match=r"did you mean in/export-2024\.ndjson"):
        discover(["in/exprot-2024.ndjson"])


def test_a_name_with_a_nul_is_an_error_and_no_crash() -> None:
    with pytest.raises(SourceError):
        discover(["a\0b.ndjson"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_an_error_that_names_it(folder: Path) -> None:
    touch("secret.ndjson")
    Path("secret.ndjson").chmod(0)
    with pytest.raises(SourceError, match=r"secret\.ndjson.*Permission denied"):
        discover(["secret.ndjson"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_an_error_and_not_an_empty_one(folder: Path) -> None:
    touch("logs/a.ndjson", "logs/secret/b.ndjson")
    Path("logs/secret").chmod(0)
    try:
        with pytest.raises(SourceError, match=r"logs/secret.*Permission denied"):
            discover(["logs"])
    finally:
        Path("logs/secret").chmod(0o700)


def test_a_folder_without_exports_is_an_error_that_says_what_was_looked_for(folder: Path) -> None:
    touch("logs/readme.txt")
    with pytest.raises(SourceError, match=r"logs.*\*\.ndjson.*\*\.njson.*logs/readme\.txt"):
        discover(["logs"])
    touch("none/.hidden")
    with pytest.raises(SourceError, match=r"none.*\*\.jsonlines.*without an ending\)$"):
        discover(["logs/readme.txt", "none"])


def test_a_folder_named_like_a_file_is_searched(folder: Path) -> None:
    touch("x.ndjson/a.gz")
    assert names(discover(["x.ndjson"])) == ["x.ndjson/a.gz"]
    assert names(discover(["."])) == ["x.ndjson/a.gz"]


def test_a_link_that_leads_in_a_circle_does_not_keep_the_search_busy(folder: Path) -> None:
    touch("logs/a.ndjson")
    Path("logs/again").symlink_to(".", target_is_directory=True)
    assert names(discover(["logs"])) == ["logs/a.ndjson"]


@pytest.mark.parametrize("given_folder", [".", "{here}", "../{name}", "link"])
def test_a_folders_search_leaves_the_rejects_file_out_however_the_folder_is_named(
    folder: Path, given_folder: str
) -> None:
    touch("a.ndjson", "rejects.ndjson")
    Path("link").symlink_to(".", target_is_directory=True)
    path = given_folder.format(here=folder, name=folder.name)
    found = discover([path], leave_out=Path("rejects.ndjson"))
    assert [each.path.name for each in found if each.path] == ["a.ndjson"]


def test_the_rejects_file_is_read_where_it_is_named_itself(folder: Path) -> None:
    touch("rejects.ndjson")
    found = discover(["rejects.ndjson"], leave_out=Path("rejects.ndjson"))
    assert names(found) == ["rejects.ndjson"]


def test_a_name_that_is_no_text_still_has_a_name_to_show(folder: Path) -> None:
    path = os.fsdecode(b"caf\xe9.ndjson")
    Path(path).write_bytes(RECORD)
    (source,) = discover([path])
    assert source.name.isascii()
    assert source.name.startswith("caf")
    assert contents(read_lines(source, stdin=io.BytesIO())) == [RECORD]


# Reading


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.gz", "a"])
def test_the_first_bytes_and_not_the_name_tell_gzip(tmp_path: Path, name: str) -> None:
    plain, packed = tmp_path / "plain" / name, tmp_path / "packed" / name
    plain.parent.mkdir()
    packed.parent.mkdir()
    plain.write_bytes(RECORD + b"\n")
    packed.write_bytes(gzip.compress(RECORD + b"\n"))
    assert contents(read(plain)) == contents(read(packed)) == [RECORD]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, b"") == []
    assert read_bytes(tmp_path, gzip.compress(b"")) == []


@pytest.mark.parametrize("content", [b"{", b"\x1f", b"\n", b"\xef\xbb\xbf", b"\xef\xbb"])
def test_the_shortest_files_are_read_without_a_crash(tmp_path: Path, content: bytes) -> None:
    expected = [content] if content in (b"{", b"\x1f", b"\xef\xbb") else []
    assert contents(read_bytes(tmp_path, content)) == expected


def test_the_last_line_needs_no_newline(tmp_path: Path) -> None:
    assert contents(read_bytes(tmp_path, b"{1}\n{2}")) == [b"{1}", b"{2}"]


def test_crlf_ends_a_line_as_a_newline_does(tmp_path: Path) -> None:
    assert contents(read_bytes(tmp_path, b"{1}\r\n{2}\r\n{3}")) == [b"{1}", b"{2}", b"{3}"]


def test_a_carriage_return_inside_a_line_is_part_of_it(tmp_path: Path) -> None:
    assert contents(read_bytes(tmp_path, b"{1\r2}\n{3}\n")) == [b"{1\r2}", b"{3}"]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    marked = codecs.BOM_UTF8 + b"{1}\n{2}\n"
    assert contents(read_bytes(tmp_path, marked)) == [b"{1}", b"{2}"]
    assert contents(read_bytes(tmp_path, gzip.compress(marked))) == [b"{1}", b"{2}"]


def test_a_byte_order_mark_is_no_part_of_any_line_that_begins_with_it(tmp_path: Path) -> None:
    mark = codecs.BOM_UTF8
    content = mark + b"{1}\n" + mark + mark + b"{2}\n{%b}\n" % mark + mark + b"\n" + mark
    content += b" \r\n" + mark + b"{6}"
    for written in (content, gzip.compress(content)):
        lines = read_bytes(tmp_path, written)
        assert [(line.number, line.content) for line in lines] == [
            (1, b"{1}"),
            (2, b"{2}"),
            (3, b"{%b}" % mark),
            (6, b"{6}"),
        ]


def test_a_byte_order_mark_does_not_count_for_the_limit(tmp_path: Path) -> None:
    line = b"{" + b"x" * 98 + b"}"
    content = b"{1}\n" + codecs.BOM_UTF8 + line + b"\r\n"
    assert contents(read_bytes(tmp_path, content, limit=100)) == [b"{1}", line]
    assert codes(read_bytes(tmp_path, content, limit=99)) == ["line_too_long"]


def test_blank_lines_are_passed_over_and_keep_the_numbering(tmp_path: Path) -> None:
    lines = read_bytes(tmp_path, b"\n{2}\n\r\n   \n\t\n{6}\n\n")
    assert [(line.number, line.content) for line in lines] == [(2, b"{2}"), (6, b"{6}")]


def test_every_line_knows_its_source(tmp_path: Path) -> None:
    lines = read_bytes(tmp_path, b"{1}\n{2}\n")
    assert {line.source for line in lines} == {str(tmp_path / "export")}


@pytest.mark.parametrize("start", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_lines_offset_is_where_it_stands_in_the_uncompressed_bytes(
    tmp_path: Path, start: bytes, pack: type[bytes]
) -> None:
    content = start + b"{1}\r\n\n  \n{4}\n" + b"{" + b"x" * 5000 + b"}\n{6}"
    lines = read_bytes(tmp_path, pack(content))
    assert len(lines) == 4
    for line in lines:
        assert isinstance(line.content, bytes)
        assert content[line.offset :].startswith(line.content)


def test_reading_tells_how_many_bytes_came_from_the_disk(tmp_path: Path) -> None:
    packed = gzip.compress(random.Random(1).randbytes(300_000))
    path = tmp_path / "a.gz"
    path.write_bytes(packed)
    (source,) = discover([str(path)])
    told: list[int] = []
    list(read_lines(source, stdin=io.BytesIO(), on_bytes=told.append))
    assert sum(told) == len(packed)


# Gzip that is several members, cut or corrupt


def test_a_gzip_file_of_several_members_is_read_to_its_end(tmp_path: Path) -> None:
    members = (b"{1}\n{2", b"}\n", b"", b"{3}\n", b"{4}")
    packed = b"".join(gzip.compress(member) for member in members)
    lines = read_bytes(tmp_path, packed)
    assert [(line.number, line.content) for line in lines] == [
        (1, b"{1}"),
        (2, b"{2}"),
        (3, b"{3}"),
        (4, b"{4}"),
    ]


def test_zeros_behind_a_gzip_file_are_padding(tmp_path: Path) -> None:
    packed = gzip.compress(b"{1}\n") + bytes(512)
    assert [line.content for line in read_bytes(tmp_path, packed)] == [b"{1}"]


def numbered(count: int) -> list[bytes]:
    """Return lines that gzip shrinks little, so that a cut falls among them."""
    noise = random.Random(7)
    return [
        b'{"line":%d,"noise":"%s"}' % (n, noise.randbytes(20).hex().encode()) for n in range(count)
    ]


@pytest.mark.parametrize("cut", [2, 3, 9, 10, 11, 200, 20_000, -300, -9, -8, -4, -1])
def test_a_cut_gzip_keeps_the_lines_before_the_cut_and_is_rejected_once(
    tmp_path: Path, cut: int
) -> None:
    written = numbered(2000)
    lines = read_bytes(tmp_path, gzip.compress(b"\n".join(written) + b"\n")[:cut])
    kept = contents(lines)
    assert codes(lines) == ["truncated_input"]
    assert isinstance(lines[-1].content, Rejection), "the rejection comes last"
    assert kept == written[: len(kept)]
    assert lines[-1].number == len(kept) + 1
    if cut >= 20_000:
        assert len(kept) > 100
    if cut in (-8, -4, -1):  # only the checksum and length are gone
        assert kept == written


def test_whole_members_before_a_cut_one_lose_no_line(tmp_path: Path) -> None:
    whole, cut = numbered(50), numbered(500)
    packed = gzip.compress(b"\n".join(whole) + b"\n")
    broken = gzip.compress(b"\n".join(cut) + b"\n")
    lines = read_bytes(tmp_path, packed + broken[: len(broken) // 2])
    assert contents(lines)[:50] == whole
    assert codes(lines) == ["truncated_input"]


@pytest.mark.parametrize("behind", [b"", gzip.compress(b"{3}\n", mtime=0)])
def test_a_wrong_checksum_keeps_the_lines_before_it_and_is_rejected_once(
    tmp_path: Path, behind: bytes
) -> None:
    packed = bytearray(gzip.compress(b"{1}\n{2}\n"))
    packed[-8] ^= 0xFF
    lines = read_bytes(tmp_path, bytes(packed) + behind)
    assert [line.content for line in lines[:2]] == [b"{1}", b"{2}"]
    assert codes(lines) == ["truncated_input"]


def test_corrupt_data_keeps_the_lines_before_it_and_is_rejected_once(tmp_path: Path) -> None:
    written = numbered(2000)
    packed = bytearray(gzip.compress(b"\n".join(written) + b"\n"))
    middle = len(packed) // 2
    packed[middle : middle + 64] = b"\xff" * 64
    lines = read_bytes(tmp_path, bytes(packed))
    kept = contents(lines)
    assert codes(lines) == ["truncated_input"]
    assert len(kept) > 100
    assert kept[:100] == written[:100]


@pytest.mark.parametrize("padding", [b"\0", b"\n", b"\r\n", b" \t", b"\n\0\0\r\n ", bytes(70_000)])
def test_zeros_and_blank_lines_between_and_behind_members_are_padding(
    tmp_path: Path, padding: bytes
) -> None:
    members = (b"{1}\n", b"", b"{2", b"}\n{3}")
    packed = b"".join(gzip.compress(member) + padding for member in members)
    for lines in (read_bytes(tmp_path, packed), read_stdin(trickle(*pieces_of(packed, range(90))))):
        assert [line.content for line in lines] == [b"{1}", b"{2}", b"{3}"]


@pytest.mark.parametrize("rubbish", [b"<html>", b"x", b"garbage-after-end", b"y" * 200_000])
@pytest.mark.parametrize("padding", [b"", b"\n\0"])
@pytest.mark.parametrize("ending", [b"\n", b""])
def test_rubbish_behind_a_gzip_file_is_passed_over_with_a_warning(
    tmp_path: Path, rubbish: bytes, padding: bytes, ending: bytes
) -> None:
    packed = gzip.compress(b"{1}\n{2}" + ending) + padding
    lines = read_bytes(tmp_path, packed + rubbish)
    assert contents(lines) == [b"{1}", b"{2}"]
    assert codes(lines) == []
    warning = lines[-1]
    assert isinstance(warning.content, MappingWarning)
    assert (warning.number, warning.content.code) == (3, "trailing_data")
    assert f"{len(rubbish):,} byte{'s' * (len(rubbish) > 1)} from" in warning.content.message
    assert f"byte {len(packed) + 1:,} " in warning.content.message
    assert [line[1:] for line in read_stdin(io.BytesIO(packed + rubbish))] == [
        line[1:] for line in lines
    ]


@pytest.mark.parametrize(
    "behind",
    [
        b"\x1f",
        b"\0\n\x1f",
        b"\x1f\x8b",
        b"\x1f\x8bgarbage",
        gzip.compress(b"{2}\n", mtime=0)[:-1],
        b"garbage" + gzip.compress(b"{2}\n", mtime=0),
    ],
)
def test_what_begins_as_gzip_behind_a_gzip_file_may_be_records_that_are_lost(
    tmp_path: Path, behind: bytes
) -> None:
    lines = read_bytes(tmp_path, gzip.compress(b"{1}\n") + behind)
    assert contents(lines)[0] == b"{1}"
    assert codes(lines) == ["truncated_input"]
    assert not [line for line in lines if isinstance(line.content, MappingWarning)]


# Gzip within gzip


def wrapped(content: bytes, times: int) -> bytes:
    for _ in range(times):
        content = gzip.compress(content)
    return content


@pytest.mark.parametrize("times", [1, 2, 3])
def test_gzip_within_gzip_is_read(tmp_path: Path, times: int) -> None:
    packed = wrapped(b"{1}\n{2}\n", times)
    assert contents(read_bytes(tmp_path, packed)) == [b"{1}", b"{2}"]
    assert contents(read_stdin(trickle(*pieces_of(packed, range(200))))) == [b"{1}", b"{2}"]


def test_members_each_gzipped_again_are_read(tmp_path: Path) -> None:
    packed = gzip.compress(gzip.compress(b"{1}\n") + b"\n") + gzip.compress(gzip.compress(b"{2}\n"))
    assert contents(read_bytes(tmp_path, packed)) == [b"{1}", b"{2}"]


@pytest.mark.parametrize("times", [4, 5])
def test_gzip_too_deep_is_told_with_the_command_that_unpacks_it(tmp_path: Path, times: int) -> None:
    rejection = only_rejection(read_bytes(tmp_path, wrapped(b"{1}\n", times)))
    assert rejection.code == "invalid_json"
    assert "gzip -dc FILE | gzip -dc | gzip -dc | gzip -dc > users.ndjson" in rejection.message


def test_gzip_within_gzip_may_be_cut_or_have_rubbish_behind_it(tmp_path: Path) -> None:
    inner = gzip.compress(b"{1}\n")
    lines = read_bytes(tmp_path, gzip.compress(inner + b"rubbish") + b"more")
    assert contents(lines) == [b"{1}"]
    assert [line.content[0] for line in lines[1:]] == ["trailing_data", "trailing_data"]
    assert [line.number for line in lines] == [1, 2, 3]
    for packed in (gzip.compress(inner[:-4]), gzip.compress(inner)[:-4]):
        lines = read_bytes(tmp_path, packed)
        assert contents(lines) == [b"{1}"]
        assert codes(lines) == ["truncated_input"]


def test_what_swells_a_millionfold_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(wrapped(bytes(100_000_000) + b"\n" + RECORD, 3))
    tracemalloc.start()
    try:
        lines = read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size < 5_000
    assert codes(lines) == ["line_too_long"]
    assert contents(lines) == [RECORD]
    assert peak < 20_000_000


def test_a_file_that_is_gone_by_the_time_it_is_read_is_reported_and_no_crash(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(RECORD)
    (source,) = discover([str(path)])
    path.unlink()
    assert codes(read_lines(source, stdin=io.BytesIO())) == ["truncated_input"]


# Long lines


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"", b"\r"])
@pytest.mark.parametrize("before", [b"", b"{1}\n"])
def test_a_line_of_just_the_limit_is_taken_and_one_byte_more_is_not(
    tmp_path: Path, ending: bytes, before: bytes
) -> None:
    most = b"{" + b"x" * 98 + b"}"
    taken = read_bytes(tmp_path, before + most + ending, limit=100)
    assert taken[-1].content == most
    refused = read_bytes(tmp_path, before + b"{" + most + ending, limit=100)
    assert codes(refused) == ["line_too_long"]


@pytest.mark.parametrize("limit", [MAX_LINE_BYTES, 3 * MAX_LINE_BYTES])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_the_limit_holds_where_a_line_is_read_in_several_blocks(
    tmp_path: Path, limit: int, ending: bytes
) -> None:
    most = b"{" + b"x" * (limit - 2) + b"}"
    lines = read_bytes(tmp_path, ending.join((RECORD, most, b"{" + most, RECORD)), limit=limit)
    assert [line.number for line in lines] == [1, 2, 3, 4]
    assert contents(lines) == [RECORD, most, RECORD]
    assert codes(lines) == ["line_too_long"]


def test_the_lines_behind_a_long_one_keep_their_numbers_and_offsets(tmp_path: Path) -> None:
    content = b"{1}\n" + b"x" * 5000 + b"\n{3}\n"
    lines = read_bytes(tmp_path, content, limit=100)
    assert [(line.number, line.offset) for line in lines] == [(1, 0), (2, 4), (3, 5005)]


def test_the_rejection_of_a_long_line_tells_its_length_and_the_limit(tmp_path: Path) -> None:
    message = only_rejection(read_bytes(tmp_path, b"x" * 5000, limit=4096)).message
    assert "5,000" in message
    assert "4,096" in message


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_of_100_megabytes_is_read_past_without_being_held(
    tmp_path: Path, packed: bool
) -> None:
    path = tmp_path / "huge"
    with gzip.open(path, "wb", compresslevel=1) if packed else path.open("wb") as file:
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\n" + RECORD + b"\n")
    (source,) = discover([str(path)])
    tracemalloc.start()
    try:
        lines = list(read_lines(source, stdin=io.BytesIO()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert codes(lines) == ["line_too_long"]
    assert contents(lines) == [RECORD]
    assert peak < 10_000_000


def test_many_lines_are_read_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "many"
    path.write_bytes((b"{" + b"x" * 400 + b"}\n") * 50_000)
    (source,) = discover([str(path)])
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_lines(source, stdin=io.BytesIO()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 50_000
    assert peak < 10_000_000


# Files that are no export


ARRAYS = {
    "a line": b'[{"type":"identify","userId":"1"},{"type":"identify","userId":"2"}]\n',
    "a record a line": b'[\n{"type":"identify","userId":"1"},\n{"type":"identify","userId":"2"}\n]\n',
    "a record a line, from the bracket on": (
        b'[{"type":"identify","userId":"1"},\n{"type":"identify","userId":"2"},\n'
        b'{"type":"identify","userId":"3"}]\n'
    ),
    "pretty-printed": (
        b'[\n  {\n    "type": "identify",\n    "userId": "1"\n  },\n'
        b'  {\n    "type": "identify",\n    "userId": "2"\n  }\n]\n'
    ),
    "pretty-printed by another": b'[{\n\t"type": "identify",\n\t"userId": "1"\n}, {\n\t"type": "page"\n}]',
}


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("content", list(ARRAYS.values())[1:], ids=list(ARRAYS)[1:])
def test_an_array_over_several_lines_is_rejected_once_with_the_conversion(
    tmp_path: Path, content: bytes, newline: bytes
) -> None:
    rejection = only_rejection(read_bytes(tmp_path, content.replace(b"\n", newline)))
    assert "JSON array" in rejection.message
    assert "jq -c '.[]'" in rejection.message


def test_an_array_in_one_line_past_the_limit_is_told_to_be_one(tmp_path: Path) -> None:
    rejection = only_rejection(read_bytes(tmp_path, ARRAYS["a line"], limit=20))
    assert rejection.code == "line_too_long"
    assert "jq -c '.[]'" in rejection.message


PRETTY = (
    b'{\n  "type": "identify",\n  "userId": "1",\n  "traits": {\n    "email": "a@b.co"\n  }\n}\n'
    b'{\n  "type": "identify",\n  "userId": "2"\n}\n'
)


@pytest.mark.parametrize(
    "content",
    [
        PRETTY,
        PRETTY.replace(b"\n", b"\r\n"),
        PRETTY.replace(b"  ", b"\t"),
        codecs.BOM_UTF8 + PRETTY,
        b"\n" + PRETTY,
        PRETTY[: PRETTY.index(b"}\n{") + 2],
        b'{ "type": "identify",\n  "userId": "1",\n  "context": {}\n}\n',
    ],
)
def test_pretty_printed_json_is_rejected_once_with_the_conversion(
    tmp_path: Path, content: bytes
) -> None:
    rejection = only_rejection(read_bytes(tmp_path, content))
    assert rejection.code == "invalid_json"
    assert "pretty-printed" in rejection.message
    assert "jq -c ." in rejection.message


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_csv_is_rejected_once_with_a_conversion(
    tmp_path: Path, delimiter: str, newline: str, quote: str
) -> None:
    rows = (("userId", "email", "plan"), ("1", "a@b.co", "pro"), ("2", "c@d.co", "free"))
    table = newline.join(delimiter.join(f"{quote}{cell}{quote}" for cell in row) for row in rows)
    rejection = only_rejection(read_bytes(tmp_path, table.encode()))
    assert rejection.code == "invalid_json"
    assert "CSV" in rejection.message
    assert "jq" in rejection.message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_rejected_once_with_the_conversion(tmp_path: Path, encoding: str) -> None:
    text = "" if encoding == "utf-16" else "\ufeff"
    text += '{"type":"identify","userId":"Ж1"}\r\n' * 30
    rejection = only_rejection(read_bytes(tmp_path, text.encode(encoding)))
    assert rejection.code == "invalid_json"
    assert "UTF-16" in rejection.message
    assert "iconv" in rejection.message


FOREIGN = {
    **dict(list(ARRAYS.items())[1:]),
    "pretty": PRETTY,
    "csv": b"userId,email\n1,a@b.co\n2,c@d.co\n",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_export_is_told_of_a_gzipped_file_too(tmp_path: Path, content: bytes) -> None:
    plain = only_rejection(read_bytes(tmp_path, content))
    for times in (1, 2, 3):
        packed = only_rejection(read_bytes(tmp_path, wrapped(content, times)))
        assert packed == for_file(plain, times)
        assert "gzip -dc FILE" + " | gzip -dc" * (times - 1) in packed.message
        assert packed.message.endswith(" > users.ndjson")


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_export_is_told_of_a_pipe_too_however_its_writer_flushes(
    tmp_path: Path, content: bytes
) -> None:
    whole = only_rejection(read_bytes(tmp_path, content))
    assert only_rejection(read_stdin(trickle(*content.splitlines(keepends=True)))) == whole


GOOD = [b'{"type":"identify","userId":"%d"}' % number for number in range(100)]
BROKEN = {
    "the end of a line, as a cut log begins": b'raits":{"email":"a@b.co"},"userId":"1"}',
    "a line that lacks its end": b'{"type":"identify","userId":"1",',
    "a line cut in an object": b'{"type":"identify","traits":{',
    "a line cut in a batch": b'{"batch":[',
    "a heading": b"userId,email,plan",
    "a word": b"null",
    "an array": b'[{"type":"identify"},',
    "not UTF-8": b"\xe9,\xe9",
    "a NUL": b'{"type":"identify","userId":"\0"}',
}


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_broken_first_lines_do_not_hide_the_good_ones_behind_them(
    tmp_path: Path, broken: bytes, count: int
) -> None:
    lines = read_bytes(tmp_path, b"\n".join([*[broken] * count, *GOOD]) + b"\n")
    assert contents(lines)[-len(GOOD) :] == GOOD
    assert [line.number for line in lines][-1] == count + len(GOOD)


@pytest.mark.parametrize(
    "broken",
    [
        b"2024-03-01 12:00:00,123 INFO export begun",
        BROKEN["the end of a line, as a cut log begins"],
    ],
)
def test_a_long_broken_beginning_does_not_hide_the_good_lines_behind_it(
    tmp_path: Path, broken: bytes
) -> None:
    lines = read_bytes(tmp_path, b"\n".join([*[broken] * 30, *GOOD]) + b"\n")
    assert contents(lines)[-len(GOOD) :] == GOOD


def test_an_open_bracket_above_records_without_commas_does_not_hide_them(tmp_path: Path) -> None:
    assert contents(read_bytes(tmp_path, b"\n".join([b"[", *GOOD])))[1:] == GOOD


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_broken_first_lines_hide_nothing_however_the_pieces_arrive(broken: bytes) -> None:
    lines = [line + b"\n" for line in (broken, broken, *GOOD)]
    assert contents(read_stdin(trickle(*lines)))[-len(GOOD) :] == GOOD
    members = [gzip.compress(b"".join(lines[:2])), gzip.compress(b"".join(lines[2:]))]
    assert contents(read_stdin(io.BytesIO(b"".join(members))))[-len(GOOD) :] == GOOD


def test_a_single_line_is_judged_as_a_record(tmp_path: Path) -> None:
    for line in (b"userId,email", b"[1]", b"{", b'"text"', b"<html>"):
        assert contents(read_bytes(tmp_path, line + b"\n")) == [line]


# Standard input


def test_standard_input_is_read_plain_or_gzipped() -> None:
    content = b"{1}\n{2}\r\n{3}"
    for sent in (content, gzip.compress(content)):
        lines = read_stdin(io.BytesIO(sent))
        assert [(line.source, line.number, line.content) for line in lines] == [
            ("-", 1, b"{1}"),
            ("-", 2, b"{2}"),
            ("-", 3, b"{3}"),
        ]


def test_a_cut_gzip_on_standard_input_is_rejected_once() -> None:
    lines = read_stdin(io.BytesIO(gzip.compress(b"{1}\n{2}\n")[:-4]))
    assert contents(lines) == [b"{1}", b"{2}"]
    assert codes(lines) == ["truncated_input"]


def test_a_line_is_given_before_the_next_one_is_written() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as writer:
        (source,) = discover(["-"])
        lines = read_lines(source, stdin=stream)
        for number in (1, 2, 3):
            writer.write(b'{"record":%d}\n' % number)
            assert next(lines).content == b'{"record":%d}' % number


# Whatever is written is read


@st.composite
def written_lines(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Lines that look like records, of any bytes but NUL, and a file that holds them."""
    any_bytes = st.binary(max_size=40)
    middle = any_bytes.map(lambda each: each.replace(b"\n", b"\r").replace(b"\0", b"0"))
    lines = draw(st.lists(middle.map(lambda each: b"{" + each + b"}"), max_size=12))
    blank = st.sampled_from([b"", b"\r\n", b"\n", b" \n", b"\t\r\n"])
    content = draw(st.sampled_from([b"", codecs.BOM_UTF8]))
    for line in lines:
        content += draw(blank) + line + draw(st.sampled_from([b"\n", b"\r\n"]))
    content = draw(st.sampled_from([content, content.rstrip(b"\r\n")]))
    return lines, content


_cuts = st.lists(st.integers(0, 300), max_size=6)


@settings(deadline=None)
@given(written=written_lines(), cuts=_cuts)
def test_any_lines_are_read_back_from_a_plain_file(
    written: tuple[list[bytes], bytes], cuts: list[int]
) -> None:
    lines, content = written
    with tempfile.TemporaryDirectory() as folder:
        found = read_bytes(Path(folder), content)
    assert [line.content for line in found] == lines
    for line, expected in zip(found, lines, strict=True):
        assert content[line.offset :].startswith(expected)
        assert content[: line.offset].count(b"\n") == line.number - 1


@settings(deadline=None)
@given(written=written_lines(), cuts=_cuts)
def test_any_lines_are_read_back_from_any_split_into_gzip_members(
    written: tuple[list[bytes], bytes], cuts: list[int]
) -> None:
    lines, content = written
    packed = b"".join(gzip.compress(piece, 1) for piece in pieces_of(content, cuts))
    assert [line.content for line in read_stdin(io.BytesIO(packed))] == lines


@settings(deadline=None)
@given(written=written_lines(), cuts=_cuts, packed=st.booleans())
def test_any_lines_are_read_back_from_a_pipe_however_its_writer_flushes(
    written: tuple[list[bytes], bytes], cuts: list[int], packed: bool
) -> None:
    lines, content = written
    sent = gzip.compress(content, 1) if packed else content
    assert [line.content for line in read_stdin(trickle(*pieces_of(sent, cuts)))] == lines


_scraps = st.sampled_from(
    [b'{"a":1}', b"{", b"}", b"[", b"]", b",", b"a,b", b"\n", b"\r\n", b" ", b"\xff\xfe", b"PK"]
)


@given(
    content=st.binary(max_size=200) | st.lists(_scraps, max_size=40).map(b"".join),
    cuts=st.lists(st.integers(0, 80), max_size=6),
    limit=st.integers(1, 60),
)
def test_how_the_bytes_arrive_never_changes_what_is_read(
    content: bytes, cuts: list[int], limit: int
) -> None:
    whole = read_stdin(io.BytesIO(content), limit=limit)
    assert read_stdin(trickle(*pieces_of(content, cuts)), limit=limit) == whole


@settings(deadline=None)
@given(written=written_lines(), limit=st.integers(3, 50), cuts=_cuts)
def test_the_limit_takes_out_the_long_lines_and_no_other(
    written: tuple[list[bytes], bytes], limit: int, cuts: list[int]
) -> None:
    lines, content = written
    found = read_stdin(trickle(*pieces_of(content, cuts)), limit=limit)
    assert contents(found) == [line for line in lines if len(line) <= limit]
    assert codes(found) == ["line_too_long" for line in lines if len(line) > limit]


@settings(deadline=None)
@given(cut=st.integers(2, 400), count=st.integers(0, 12))
def test_a_gzip_cut_anywhere_gives_a_beginning_of_its_lines(cut: int, count: int) -> None:
    written = numbered(count)
    packed = gzip.compress(b"".join(line + b"\n" for line in written))
    lines = read_stdin(io.BytesIO(packed[:cut]))
    kept = contents(lines)
    assert kept == written[: len(kept)]
    assert codes(lines) == (["truncated_input"] if cut < len(packed) else [])


def test_a_source_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"{1}\n")
    (source,) = discover([str(path)])
    first = list(read_lines(source, stdin=io.BytesIO()))
    assert first == list(read_lines(replace(source), stdin=io.BytesIO()))
