"""The numbered raw lines of a source, exact about every odd file (segment.md 1).

A line over the limit is read to its end, but not held in memory.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, dropwhile
from typing import Final, NamedTuple

from wootric_map.model import MappingWarning, Rejection
from wootric_map.read.blocks import Blocks, ByteStream
from wootric_map.read.files import Source
from wootric_map.read.foreign import (
    BOM,
    WINDOW,
    for_file,
    foreign_shape,
    long_line_hint,
    looks_like_record,
)
from wootric_map.read.json_lines import whole_part
from wootric_map.read.own_files import own_file_of

MAX_LINE_BYTES: Final = 1024 * 1024
"""The longest line that is read unless the caller sets another limit (segment.md 2, `line_too_long`)."""

_BYTE_ORDER_MARKS: Final = re.compile(rb"(?:%b)+" % BOM)

_REJECTS_LINE_START: Final = b'{"source":'
_REJECTS_GROWTH: Final = 6
"""How many times longer the text in a line of a rejects file may be than the raw line: it is escaped."""
_REJECTS_FIELDS_BYTES: Final = 64 * 1024
"""Bytes that the other fields of a line of a rejects file may take."""

_UNENDED: Final = (
    "; the file ends without a line ending, so that it is perhaps still being written: --min-age leaves "
    "such files for the next run"
)


class Line(NamedTuple):
    """One line of a source, or a warning about the source."""

    source: str
    """The source's name, as a person would type it."""
    number: int
    """The line's number in the source, from 1. Blank lines count, as they do in an editor."""
    offset: int
    """The number of decompressed bytes before the line."""
    content: bytes | Rejection | MappingWarning
    """The line without its ending; or why it can't be given; or a warning about the source."""


def read_lines(
    source: Source,
    *,
    stdin: ByteStream,
    max_line_bytes: int = MAX_LINE_BYTES,
    on_bytes: Callable[[int], object] | None = None,
) -> "Lines":
    """Read the lines of a source, without their endings and without blank lines.

    Args:
        source: a source, or a part of one. The lines of a part are numbered from its beginning.
        stdin: standard input, for the source that names it.
        max_line_bytes: the longest line that is read.
        on_bytes: called with the number of bytes of each read, before decompression.

    Returns:
        The lines. A line that can't be given is a rejection: `line_too_long`, or `truncated_input` where the
        file breaks off. A file that is not an export is one rejection that says what it looks like; so is a
        beginning of an export that is not one. Warnings about the file stand among the lines.
    """
    blocks = Blocks(source, stdin, on_bytes)
    if isinstance(source.held, tuple):
        blocks.unended_line = source.unended_line
        return Lines(iter(source.held), blocks)
    lines = numbered_lines(source.name, blocks, blocks, source.begin, max_line_bytes)
    is_checked_part = source.nth or source.held is not None
    return Lines(lines if is_checked_part else reject_foreign_beginning(lines, blocks), blocks)


class Lines(Iterator[Line]):
    """The lines of a source, as `read_lines` returns them."""

    def __init__(self, lines: Iterator[Line], blocks: Blocks) -> None:
        self._lines = lines
        self._blocks = blocks

    def __iter__(self) -> Iterator[Line]:
        return self._lines  # saves a call of `__next__` for each line

    def __next__(self) -> Line:
        return next(self._lines)

    def fitted(self, rejection: Rejection, number: int) -> Rejection:
        """Return `rejection` with a message that fits the source: how to convert this very file.

        Args:
            rejection: a rejection of a record in one of these lines. Rejections among the lines themselves
                already fit.
            number: the line's number.
        """
        fitted = for_file(rejection, self._blocks.gzip_levels)
        if number == self._blocks.unended_line and rejection.code == "invalid_json":
            return fitted._replace(message=f"{fitted.message}{_UNENDED}")
        return fitted


def numbered_lines(
    source: str, blocks: Blocks, contents: Iterable[bytes], offset: int, max_line_bytes: int
) -> Iterator[Line]:
    """Cut blocks into numbered lines, without blank ones.

    If the source breaks off, the last line is a rejection that says so. Warnings about the source follow.

    Args:
        source: the source's name.
        blocks: the source's blocks, asked once `contents` ends whether the source broke off; the number of a
            line without an ending is noted there.
        contents: the blocks' contents, from a line's beginning on.
        offset: the offset of the first block in the source.
        max_line_bytes: the longest line that is read.
    """
    number = 0
    pending = _PendingLine(max_line_bytes)
    content: bytes | Rejection
    for block in contents:
        lines = block.split(b"\n")
        unended = lines.pop()
        for raw in lines:
            start, offset = offset, offset + pending.size + len(raw) + 1
            number += 1
            is_unusual = pending.size or len(raw) > max_line_bytes
            content = pending.finish(raw) if is_unusual else raw.removesuffix(b"\r")
            # Nearly every line begins with a brace. Only others can be blank, marked or rejected.
            if content[:1] != b"{":
                if isinstance(content, Rejection):
                    content = for_file(content, blocks.gzip_levels)
                else:
                    marks, content = split_marks(content)
                    if not content:
                        continue
                    start += marks
            yield Line(source, number, start, content)
        pending.add(unended)
    yield from _end_of_source(source, blocks, number + 1, offset, pending.finish(b""))


def _end_of_source(
    source: str, blocks: Blocks, number: int, offset: int, content: bytes | Rejection
) -> Iterator[Line]:
    """Yield what follows the last line ending, why the source breaks off, and warnings about the source.

    Args:
        source: the source's name.
        blocks: the source's blocks, all of them read.
        number: the number of the line without an ending.
        offset: where that line begins.
        content: that line; empty if the source ends with a line ending.
    """
    if not isinstance(content, Rejection):
        marks, content = split_marks(content)
        offset += marks
    if blocks.truncation:
        whole = b"" if isinstance(content, Rejection) else whole_part(content)
        if whole:
            yield Line(source, number, offset, whole)
        content = blocks.truncation
    if isinstance(content, Rejection):
        content = for_file(content, blocks.gzip_levels)
    if content and not blocks.truncation:
        blocks.unended_line = number
    last = (content,) if content else ()
    for each_number, each in enumerate((*last, *blocks.trailing_data), number):
        yield Line(source, each_number, offset, each)


def reject_foreign_beginning(lines: Iterator[Line], blocks: Blocks) -> Iterator[Line]:
    """Put one rejection in place of all first lines that show that the source is not an export.

    A source that is not an export at all becomes one rejection. In others, what follows from the first
    possible record on is kept.

    Args:
        lines: the lines of a source from its beginning.
        blocks: the source's blocks.
    """
    head: list[Line] = []
    for line in lines:
        content = line.content
        head.append(line)
        if not isinstance(content, bytes) or looks_like_record(content) or len(head) == WINDOW:
            break
    first_lines = [line.content for line in head if isinstance(line.content, bytes)]
    own = own_file_of(first_lines[0]) if first_lines else None
    if own:
        yield head[0]._replace(content=Rejection("missing_type", "type", own.message))
        yield from dropwhile(_is_of_own_file, chain(head, lines))
        return
    foreign = foreign_shape(first_lines, blocks.gzip_levels)
    if foreign is None:
        yield from head
        yield from lines
        return
    yield head[0]._replace(content=foreign.rejection)
    if not foreign.sure:
        yield from dropwhile(lambda line: not _may_be_record(line), chain(head, lines))


def _may_be_record(line: Line) -> bool:
    return not isinstance(line.content, bytes) or looks_like_record(line.content)


def _is_of_own_file(line: Line) -> bool:
    return isinstance(line.content, bytes) and own_file_of(line.content) is not None


def size_of_marks(line: bytes | bytearray) -> int:
    """Return the size in bytes of the byte-order marks before a line; joined files have one each."""
    marks = _BYTE_ORDER_MARKS.match(line)
    return marks.end() if marks else 0


def split_marks(line: bytes | bytearray) -> tuple[int, bytes]:
    """Return the size of the byte-order marks before a line, and the rest: nothing if it is blank."""
    size = size_of_marks(line)
    rest = line[size:]
    return size, b"" if rest.isspace() else bytes(rest)


class _PendingLine:
    """The line whose end is not read yet. No more of a line over the limit is held than the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = self._allowed = limit
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, part: bytes) -> None:
        """Append the next part of the line."""
        examined = len(BOM) + len(_REJECTS_LINE_START)
        if self.size < examined:
            start = b"".join(self._parts) + part[:examined]
            if start.removeprefix(BOM).startswith(_REJECTS_LINE_START):
                self._allowed = _REJECTS_GROWTH * self._limit + _REJECTS_FIELDS_BYTES
        # The byte-order mark and the carriage return do not count for the limit.
        if part and self.size <= len(BOM) + self._allowed + 1:
            self._parts.append(part)
        self.size += len(part)

    def finish(self, last: bytes) -> bytes | Rejection:
        """Append the last part, return the line without its carriage return, and begin a new line."""
        if self.size or len(last) > self._limit:
            self.add(last)
            last = b"".join(self._parts)
            size, allowed = self.size, self._allowed
            self.size, self._allowed = 0, self._limit
            self._parts.clear()
            marked = len(BOM) if last.startswith(BOM) else 0
            if size - marked - last.endswith(b"\r") > allowed:
                last = last[:allowed]  # so that the message does not depend on the size of blocks
                message = (
                    f"{size:,} bytes, more than the {self._limit:,} that are taken; "
                    f"raise --max-line-bytes if it is a record{long_line_hint(last)}"
                )
                return Rejection("line_too_long", None, message)
        return last.removesuffix(b"\r")
