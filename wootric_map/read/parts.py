"""A source is cut into parts of whole lines, which several processes read side by side."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from wootric_map.read import blocks as block_reader
from wootric_map.read.blocks import Blocks, ByteStream
from wootric_map.read.files import Source
from wootric_map.read.foreign import BOM, begins_export
from wootric_map.read.gzip import MAGIC
from wootric_map.read.lines import (
    MAX_LINE_BYTES,
    Line,
    numbered_lines,
    reject_foreign_beginning,
    size_of_marks,
    split_marks,
)
from wootric_map.read.own_files import own_file_of

LINE_BYTES: Final = 200
"""About what a `Line` takes in memory beside its content."""


class _Held(NamedTuple):
    """The content of a part that was read already."""

    begin: int
    """The content's offset in the source."""
    content: bytes | tuple[Line, ...]
    """Whole lines, or single lines numbered from 1."""
    unended_line: int | None = None
    """The number of the single line that has no line ending, if there is one."""


def parts(
    source: Source,
    size: int,
    *,
    stdin: ByteStream,
    max_line_bytes: int = MAX_LINE_BYTES,
    on_bytes: Callable[[int], object] | None = None,
) -> Iterator[Source]:
    """Cut a source into parts of whole lines.

    A plain file is cut without being read. Anything else is read here, and its parts hold their content: a
    pipe, gzip, a file that does not begin like an export.

    Args:
        source: the source to cut.
        size: about how many bytes a part has; the last part may have fewer.
        stdin: standard input, for the source that names it.
        max_line_bytes: the longest line that is read.
        on_bytes: called with the number of bytes of each read here, before decompression.

    Yields:
        The parts in order. No part but the last ends with a blank line, so that the number of a part's last
        line is the number of its lines.
    """
    if source.path and source.size is not None and _can_be_cut(source.path, source.size <= size):
        with source.path.open("rb") as file:
            yield from _cut(source, source.size, file, size)
        return
    blocks = Blocks(source, stdin, on_bytes)
    for nth, held in enumerate(_read_ahead(source, size, blocks, max_line_bytes)):
        yield replace(
            source,
            nth=nth,
            begin=held.begin,
            held=held.content,
            gzip_levels=blocks.gzip_levels,
            unended_line=held.unended_line,
        )


def _can_be_cut(path: Path, is_one_part: bool) -> bool:
    """Tell whether a file is plain, and begins like an export or is a single part anyway."""
    try:
        with path.open("rb") as file:
            first = file.readline(MAX_LINE_BYTES)
    except OSError:
        return False  # the reader reports the error
    return not first.startswith(MAGIC) and (is_one_part or begins_export(first))


def _cut(source: Source, whole: int, file: BinaryIO, size: int) -> Iterator[Source]:
    """Cut a plain file of `whole` bytes behind lines that are followed by a line that is not blank."""
    begin = nth = 0
    while begin + size < whole:
        file.seek(begin + size)
        _skip_line(file)
        while _skip_line(file):
            pass
        end = file.tell()
        if end >= whole:
            break
        yield replace(source, nth=nth, begin=begin, end=end)
        begin, nth = end, nth + 1
    yield replace(source, nth=nth, begin=begin)


def _skip_line(file: BinaryIO) -> bool:
    """Read to the end of a line, and return whether the line was blank and is not the last one.

    The line is read in blocks, since it may be longer than fits into memory.
    """
    is_blank = True
    possible_mark: bytes | None = (
        b""  # the bytes that may become a byte-order mark; None behind marks
    )
    while part := file.readline(block_reader.BLOCK_BYTES):
        if possible_mark is not None:
            part = possible_mark + part
            part = part[size_of_marks(part) :]
            possible_mark = part if BOM.startswith(part) else None
        is_blank = possible_mark is not None or (is_blank and part.isspace())
        if part.endswith(b"\n"):
            return is_blank
    return False


def _read_ahead(source: Source, size: int, blocks: Blocks, max_line_bytes: int) -> Iterator[_Held]:
    """Read a source into contents of about `size` bytes each.

    The contents are whole lines, and single lines from the first unusual place on: a beginning that is not
    like an export's, a block without a line ending or with blank lines only, a source that breaks off, data
    behind the end of gzip.
    """
    coming = iter(blocks)
    first = next(coming, b"")
    begin = source.begin
    line = first.partition(b"\n")[0]
    if not begins_export(line) or own_file_of(line):
        contents = chain((first,), coming)
        lines = numbered_lines(source.name, blocks, contents, begin, max_line_bytes)
        yield from _batches(reject_foreign_beginning(lines, blocks), blocks, size)
        return
    buffer = bytearray()
    for block in chain((first,), coming):
        buffer += block
        if len(buffer) >= size:
            end = _end_of_lines(buffer)
            if not end:
                break
            yield _Held(begin, bytes(buffer[:end]))
            begin += end
            del buffer[:end]
    else:
        if not blocks.truncation and not blocks.trailing_data:
            yield _Held(begin, bytes(buffer))
            return
    rest = chain((bytes(buffer),), coming)
    lines = numbered_lines(source.name, blocks, rest, begin, max_line_bytes)
    yield from _batches(lines, blocks, size)


def _end_of_lines(buffer: bytearray) -> int:
    """Return where the last line ends that is whole and not blank; 0 if there is none."""
    end = buffer.rfind(b"\n") + 1
    while end:
        begin = buffer.rfind(b"\n", 0, end - 1) + 1
        if split_marks(buffer[begin:end])[1]:
            break
        end = begin
    return end


def _batches(lines: Iterable[Line], blocks: Blocks, size: int) -> Iterator[_Held]:
    """Group lines into batches that take about `size` bytes in memory, each numbered from 1."""

    def batch_up_to(last: int) -> _Held:
        number = blocks.unended_line
        if number is not None:
            number = number - before if before < number <= last else None
        return _Held(batch[0].offset, tuple(batch), number)

    batch: list[Line] = []
    held = before = 0
    for line in lines:
        batch.append(line._replace(number=line.number - before))
        held += LINE_BYTES + len(line.content)
        if held >= size:
            yield batch_up_to(line.number)
            batch.clear()
            held, before = 0, line.number
    if batch:
        yield batch_up_to(before + batch[-1].number)
