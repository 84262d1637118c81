"""Where records come from: files, folders, gzip and standard input, as numbered raw lines.

Nothing is read whole: a source is read in blocks, and a line over the limit is read past without being
held. segment.md 1 says what real exports do.
"""

import difflib
import errno
import io
import os
import re
import stat
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, dropwhile
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Protocol

from wootric_map.errors import GzipError, SourceError
from wootric_map.model import MappingWarning, Rejection
from wootric_map.read.foreign import (
    BOM,
    WINDOW,
    for_file,
    foreign_shape,
    long_line_hint,
    looks_like_record,
)
from wootric_map.read.gzip import MAGIC, gunzip_all
from wootric_map.read.json_lines import whole_part
from wootric_map.read.own_files import OwnFile, own_file_at, own_file_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_LINE_BYTES: Final = 1024 * 1024
"""The longest line that is taken unless the caller says otherwise (segment.md 2, `line_too_long`)."""

STDIN: Final = "-"
"""The path and the name of standard input."""

_BLOCK: Final = 256 * 1024
"""Bytes read at once; larger blocks no longer stay in the processor's cache, and take longer."""
_LINE_BYTES: Final = 200
"""About what a line takes in memory beside its content."""
_MARKS: Final = re.compile(rb"(?:%b)+" % BOM)
_REJECTS_START: Final = b'{"source":'
_REJECTS_ESCAPED: Final = 6
_REJECTS_FIELDS: Final = 64 * 1024
"""A line of a rejects file holds another, escaped, with a few fields around it: it may be as much longer."""

_ENDINGS: Final = (".json", ".ndjson", ".jsonl", ".jsonlines", ".njson", ".gz")
"""What the names of a folder's exports end in, unless they have no ending (segment.md 1)."""
_LOOKED_FOR: Final = (
    "*.json, *.ndjson, *.jsonl, *.jsonlines, *.njson, *.gz, names without an ending"
)
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
REMOTE: Final = "addresses are not read, files on this machine are"
"""What is said of a path that `is_remote`."""
LOOP: Final = "it is a link that leads back to itself"
"""What is said of a path that `is_loop`."""
_SILENT: Final = frozenset({"_SUCCESS", "__MACOSX"})
_SILENT_ENDING: Final = ".crc"

_UNENDED: Final = (
    "; the file ends without a line ending, so that it is perhaps still being written: --min-age leaves "
    "such files for the next run"
)
NAMED: Final = 20
"""How many of the files that were passed over are named."""


class Line(NamedTuple):
    """One line of a source."""

    source: str
    """The source's name, as a person would type it."""
    number: int
    """Counted from 1, blank lines too, so that an editor finds it."""
    offset: int
    """Bytes before it, after decompression."""
    content: bytes | Rejection | MappingWarning
    """The line without its ending, or why there is none to give, or what is to be known of the file."""


class ByteStream(Protocol):
    """What standard input must be able to do."""

    def read(self, size: int, /) -> bytes:
        """Read `size` bytes, fewer only at the end."""

    def read1(self, size: int, /) -> bytes:
        """Read what one call to the system gives, at most `size` bytes."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something to read records from."""

    name: str
    """What messages call it: the path as given, or `-` for standard input."""
    path: Path | None
    """None for standard input."""
    size: int | None
    """Bytes on disk; None where that is not known, as for a pipe."""
    nth: int = 0
    """Of a part of it, the place among all parts."""
    begin: int = 0
    """Where what is read of it begins: 0, or the first byte of a line."""
    end: int | None = None
    """Where that ends: behind a line; None at its own end."""
    held: bytes | tuple[Line, ...] | None = None
    """Of a part that was read already, what it holds: whole lines, or single ones, numbered from 1."""
    packed: int = 0
    """Of a part that was read already, how many times what it holds was gzipped."""
    unended: int | None = None
    """Of a part that was read already, line by line, the number of the line that has no line ending."""

    @property
    def unread(self) -> int:
        """Bytes on disk that are still to be read of it, if that is known."""
        if self.held is not None or self.size is None:
            return 0
        return (self.size if self.end is None else self.end) - self.begin


@dataclass(slots=True)
class PassedOver:
    """Files that are not read: those in folders that were not chosen (segment.md 1), and recent ones."""

    count: int = 0
    names: list[str] = field(default_factory=list)
    """The first `NAMED` of them in sorted order, each with the path to it."""
    recent: int = 0
    """Files that were changed too recently."""
    recent_names: list[str] = field(default_factory=list)
    """The first `NAMED` of those."""
    own: dict[OwnFile, list[str]] = field(default_factory=dict)
    """Files that this program wrote itself, and that are no exports."""

    def leave(self, name: str) -> None:
        """Count a file that is left for the next run."""
        self.recent += 1
        if len(self.recent_names) < NAMED:
            self.recent_names.append(name)

    def add(self, name: str) -> None:
        """Count a file."""
        self.count += 1
        if len(self.names) < NAMED or name < self.names[-1]:
            insort(self.names, name)
            del self.names[NAMED:]

    def include(self, other: "PassedOver") -> None:
        """Add what was passed over elsewhere."""
        count = self.count + other.count
        for name in other.names:
            self.add(name)
        self.count = count
        for kind, names in other.own.items():
            self.own[kind] = sorted([*self.own.get(kind, ()), *names])

    def as_data(self) -> dict[str, object]:
        """The count and the names, for programs."""
        data: dict[str, object] = {"count": self.count, "files": list(self.names)}
        if self.recent:
            data["left_for_later"] = {"count": self.recent, "files": list(self.recent_names)}
        if self.own:
            data["no_exports"] = [
                {"kind": kind.kind, "count": len(names), "files": names[:NAMED]}
                for kind, names in self.own.items()
            ]
        return data


def discover(
    paths: Iterable[str],
    *,
    leave_out: Path | Iterable[Path] = (),
    passed_over: PassedOver | None = None,
    unchanged_since: float | None = None,
) -> list[Source]:
    """Turn the paths of a command line into sources, in their order, each file once.

    Args:
        paths: files, folders (searched for exports, in sorted order), or `-`.
        leave_out: files that no folder's search may bring in (the run's own rejects file); a path
            that names one is read all the same.
        passed_over: gets the files that are not read.
        unchanged_since: a unix time; files that were changed after it are left out. Pipes never are.

    Raises:
        SourceError: a path is missing or can't be read, or a folder holds no export; or a path names a
            snapshot, a plan, or an address elsewhere.
    """
    paths = list(paths)
    named = frozenset(filter(None, map(_identity, map(Path, paths))))
    passed_over = PassedOver() if passed_over is None else passed_over
    left_out = (leave_out,) if isinstance(leave_out, Path) else leave_out
    search = _Search(left_out, named, passed_over)
    sources: list[Source] = []
    seen: set[object] = set()
    for given in paths:
        if given == STDIN:
            if STDIN not in seen:
                sources.append(Source(STDIN, None, None))
            seen.add(STDIN)
            continue
        if not given:
            raise SourceError("a path is empty; an unset variable in the command, perhaps?")
        _check_local(given)
        for path in search.files(given):
            status = _readable(path, typed=given)
            identity = (status.st_dev, status.st_ino)
            is_file = stat.S_ISREG(status.st_mode)
            if identity in seen:
                continue
            own = own_file_at(path) if is_file and identity in named else None
            if own:
                raise SourceError(f"{_typed(given)}: {own.message}")
            if is_file and unchanged_since is not None and status.st_mtime > unchanged_since:
                passed_over.leave(_shown(path))
            else:
                size = status.st_size if is_file else None
                sources.append(Source(_shown(path), path, size))
            seen.add(identity)
    return sources


def parts(
    source: Source,
    size: int,
    *,
    stdin: ByteStream,
    max_line_bytes: int = MAX_LINE_BYTES,
    on_bytes: Callable[[int], object] | None = None,
) -> Iterator[Source]:
    """Cut a source into parts of whole lines, to be read side by side.

    A plain file is cut without being read. What can't be cut is read here, and its parts hold what was
    read: a pipe, gzip, a file that does not begin as an export does.

    Args:
        source: what to cut.
        size: about how many bytes a part has; the last may have few.
        stdin: standard input, for the source that names it.
        max_line_bytes: the longest line taken.
        on_bytes: told how many bytes were read here.

    Yields:
        The parts. The last line of each but the last is not blank, so that its number is the number of
        the part's lines.
    """
    if source.path and source.size is not None and _can_be_cut(source.path, source.size <= size):
        with source.path.open("rb") as file:
            yield from _cut(source, source.size, file, size)
        return
    blocks = _Blocks(source, stdin, on_bytes or _ignore)
    for nth, (begin, part, unended) in enumerate(_read_ahead(source, size, blocks, max_line_bytes)):
        yield replace(
            source, nth=nth, begin=begin, held=part, packed=blocks.packed, unended=unended
        )


def _can_be_cut(path: Path, is_small: bool) -> bool:
    """Whether a file is plain, and begins as an export does or is one part anyway."""
    try:
        with path.open("rb") as file:
            first = file.readline(MAX_LINE_BYTES)
    except OSError:
        return False  # whoever reads it says why
    return not first.startswith(MAGIC) and (is_small or looks_like_record(first))


def _cut(source: Source, whole: int, file: BinaryIO, size: int) -> Iterator[Source]:
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
    """Read past the rest of a line, a block at a time; gives whether it was blank, and not the last."""
    is_blank = True
    mark: bytes | None = b""  # what may yet become another mark; None behind the last
    while part := file.readline(_BLOCK):
        if mark is not None:
            part = mark + part
            part = part[_size_of_marks(part) :]
            mark = part if BOM.startswith(part) else None
        is_blank = mark is not None or (is_blank and part.isspace())
        if part.endswith(b"\n"):
            return is_blank
    return False


def _read_ahead(
    source: Source, size: int, blocks: "_Blocks", max_line_bytes: int
) -> Iterator[tuple[int, bytes | tuple[Line, ...], int | None]]:
    """Read a source into blocks of whole lines; from anything unusual on, line by line.

    Unusual is a foreign beginning, a block without a line's end or with nothing but blank lines, and an
    end where the source breaks off, or behind which stands what is passed over.

    Yields:
        Where the block begins, the block, and of single lines the number of the one without an ending.
    """
    coming = iter(blocks)
    first = next(coming, b"")
    begin = source.begin
    line = first.partition(b"\n")[0]
    if not looks_like_record(line) or own_file_of(line):
        lines = _numbered(source.name, blocks, chain((first,), coming), begin, max_line_bytes)
        yield from _batches(_without_foreign(lines, blocks), blocks, size)
        return
    buffer = bytearray()
    for block in chain((first,), coming):
        buffer += block
        if len(buffer) >= size:
            end = _end_of_lines(buffer)
            if not end:
                break
            yield begin, bytes(buffer[:end]), None
            begin += end
            del buffer[:end]
    else:
        if not blocks.broken and not blocks.trailing:
            yield begin, bytes(buffer), None
            return
    rest = chain((bytes(buffer),), coming)
    lines = _numbered(source.name, blocks, rest, begin, max_line_bytes)
    yield from _batches(lines, blocks, size)


def _end_of_lines(buffer: bytearray) -> int:
    """Where the last line that is whole and not blank ends; 0 where there is none."""
    end = buffer.rfind(b"\n") + 1
    while end:
        begin = buffer.rfind(b"\n", 0, end - 1) + 1
        if _unmarked(buffer[begin:end])[1]:
            break
        end = begin
    return end


def _batches(
    lines: Iterable[Line], blocks: "_Blocks", size: int
) -> Iterator[tuple[int, tuple[Line, ...], int | None]]:
    """Lines → batches of about so many bytes, in each of which they are numbered from 1."""

    def unended(first: int, last: int) -> int | None:
        number = blocks.unended
        return number - first if number is not None and first < number <= last else None

    batch: list[Line] = []
    held = before = 0
    for line in lines:
        batch.append(line._replace(number=line.number - before))
        held += _LINE_BYTES + len(line.content)
        if held >= size:
            yield batch[0].offset, tuple(batch), unended(before, line.number)
            batch.clear()
            held, before = 0, line.number
    if batch:
        yield batch[0].offset, tuple(batch), unended(before, before + batch[-1].number)


def read_lines(
    source: Source,
    *,
    stdin: ByteStream,
    max_line_bytes: int = MAX_LINE_BYTES,
    on_bytes: Callable[[int], object] | None = None,
) -> "Lines":
    """Read a source's lines, without their endings; blank ones are passed over.

    Args:
        source: what to read; of a part of one the lines are counted from its beginning.
        stdin: standard input, for the source that names it.
        max_line_bytes: the longest line taken.
        on_bytes: told how many bytes came from the disk or pipe, before decompression.

    Returns:
        The lines. One that can't be given has a rejection in its place: `line_too_long`,
        `truncated_input` where the file broke off. A file that is no export has one rejection for
        all of it, which says what it looks like; so has a foreign beginning of an export. A warning
        among the lines is about the file, and no record.
    """
    blocks = _Blocks(source, stdin, on_bytes or _ignore)
    if isinstance(source.held, tuple):
        blocks.unended = source.unended
        return Lines(iter(source.held), blocks)
    lines = _numbered(source.name, blocks, blocks, source.begin, max_line_bytes)
    is_begun = source.nth or source.held is not None
    return Lines(lines if is_begun else _without_foreign(lines, blocks), blocks)


class Lines(Iterator[Line]):
    """The lines of a source, as `read_lines` gives them."""

    def __init__(self, lines: Iterator[Line], blocks: "_Blocks") -> None:
        self._lines = lines
        self._blocks = blocks

    def __iter__(self) -> Iterator[Line]:
        return self._lines  # without a call of Python's for each line

    def __next__(self) -> Line:
        return next(self._lines)

    def fitted(self, rejection: Rejection, number: int) -> Rejection:
        """A rejection of one of these lines, with a conversion that works on their very file.

        Args:
            rejection: as a reader of single records makes it. Those among the lines are fitted already.
            number: the line's.
        """
        fitted = for_file(rejection, self._blocks.packed)
        if number == self._blocks.unended and rejection.code == "invalid_json":
            return fitted._replace(message=f"{fitted.message}{_UNENDED}")
        return fitted


def _without_foreign(lines: Iterator[Line], blocks: "_Blocks") -> Iterator[Line]:
    """The lines of a source, with one rejection for all of a foreign beginning."""
    head: list[Line] = []
    for line in lines:
        content = line.content
        head.append(line)
        if not isinstance(content, bytes) or looks_like_record(content) or len(head) == WINDOW:
            break
    first = [line.content for line in head if isinstance(line.content, bytes)]
    own = own_file_of(first[0]) if first else None
    if own:
        yield head[0]._replace(content=Rejection("missing_type", "type", own.message))
        yield from dropwhile(_is_of_own_file, chain(head, lines))
        return
    foreign = foreign_shape(first, blocks.packed)
    if foreign is None:
        yield from head
        yield from lines
        return
    yield head[0]._replace(content=foreign.rejection)
    if not foreign.sure:
        yield from dropwhile(lambda line: not _may_be_record(line), chain(head, lines))


def _numbered(
    source: str, blocks: "_Blocks", coming: Iterable[bytes], offset: int, max_line_bytes: int
) -> Iterator[Line]:
    """The lines in blocks that are not blank; where the source breaks off, a last one that says so.

    Behind them come the warnings about the source.

    Args:
        source: its name.
        blocks: tells whether it broke off, and of what was passed over.
        coming: the blocks.
        offset: where the first of them begins.
        max_line_bytes: the longest line taken.
    """
    number = 0
    tail = _Tail(max_line_bytes)
    content: bytes | Rejection
    for block in coming:
        lines = block.split(b"\n")
        unended = lines.pop()
        for raw in lines:
            start, offset = offset, offset + tail.size + len(raw) + 1
            number += 1
            is_long = tail.size or len(raw) > max_line_bytes
            content = tail.finish(raw) if is_long else raw.removesuffix(b"\r")
            # Nearly every line begins so; only others can be blank, marked or rejected.
            if content[:1] != b"{":
                if isinstance(content, Rejection):
                    content = for_file(content, blocks.packed)
                else:
                    marks, content = _unmarked(content)
                    if not content:
                        continue
                    start += marks
            yield Line(source, number, start, content)
        tail.add(unended)
    content = tail.finish(b"")
    if not isinstance(content, Rejection):
        marks, content = _unmarked(content)
        offset += marks
    if blocks.broken:
        whole = b"" if isinstance(content, Rejection) else whole_part(content)
        if whole:
            yield Line(source, number + 1, offset, whole)
        content = blocks.broken
    if isinstance(content, Rejection):
        content = for_file(content, blocks.packed)
    if content and not blocks.broken:
        blocks.unended = number + 1
    last = (content,) if content else ()
    for behind, each in enumerate((*last, *blocks.trailing), 1):
        yield Line(source, number + behind, offset, each)


def _size_of_marks(line: bytes | bytearray) -> int:
    """Bytes of the byte-order marks before a line: each file of several that were joined may have one."""
    marks = _MARKS.match(line)
    return marks.end() if marks else 0


def _unmarked(line: bytes | bytearray) -> tuple[int, bytes]:
    """How long the byte-order marks before a line are, and what stands behind them: nothing if blank."""
    size = _size_of_marks(line)
    rest = line[size:]
    return size, b"" if rest.isspace() else bytes(rest)


class _Blocks:
    """What is in a source, decompressed, block by block."""

    def __init__(
        self, source: Source, stdin: ByteStream, on_bytes: Callable[[int], object]
    ) -> None:
        self._source = source
        self._stdin = stdin
        self._on_bytes = on_bytes
        self.packed = source.packed
        """How many times they are gzipped, once the first was read."""
        self.unended: int | None = None
        """Once the last line was read, its number, if it has no line ending."""
        self.broken: Rejection | None = None
        """Once all were read, why these are not all there are."""
        self.trailing: list[MappingWarning] = []
        """Once all were read, what was passed over behind them."""

    def __iter__(self) -> Iterator[bytes]:
        held = self._source.held
        if isinstance(held, bytes):
            yield held
            return
        try:
            yield from self._read()
        except (GzipError, OSError) as error:
            if isinstance(error, OSError):
                message = f"it could not be read from here on: {error.strerror or error}"
            else:
                message = f"the file broke off or is corrupt here ({error}); export it once more"
            self.broken = Rejection("truncated_input", None, message)

    def _read(self) -> Iterator[bytes]:
        path, begin, end = self._source.path, self._source.begin, self._source.end
        if path is None or (begin == 0 and end is None):
            with self._opened() as reader:
                yield from iter(partial(reader.read1, _BLOCK), b"")
            return
        with path.open("rb", buffering=0) as file:
            file.seek(begin)
            left = inf if end is None else end - begin
            while left and (block := file.read(int(min(_BLOCK, left)))):
                left -= len(block)
                self._on_bytes(len(block))
                yield block

    @contextmanager
    def _opened(self) -> Iterator[ByteStream]:
        """Open the source, decompressed where its first bytes, not its name, say that it is gzip."""
        path = self._source.path
        with path.open("rb") if path else nullcontext(self._stdin) as file:
            head = file.read(len(MAGIC))
            stream = io.BufferedReader(_Stream(head, file, self._on_bytes), _BLOCK)
            if head == MAGIC:
                yield gunzip_all(stream, on_level=self._count_level, on_trailing=self._pass_over)
            else:
                yield stream

    def _count_level(self) -> None:
        self.packed += 1

    def _pass_over(self, begin: int, size: int) -> None:
        """Take note of bytes behind the last gzip member that are no gzip."""
        noun, are, were = ("byte", "is", "was") if size == 1 else ("bytes", "are", "were")
        message = (
            f"{size:,} {noun} from byte {begin + 1:,} of the compressed data on {are} no gzip, and {were} "
            "passed over; if records are missing, export the file once more"
        )
        self.trailing.append(MappingWarning("trailing_data", "", message))


class _Tail:
    """The line that the blocks read so far broke off in; no more of it is held than is taken."""

    def __init__(self, limit: int) -> None:
        self._limit = self._allowed = limit
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, part: bytes) -> None:
        """Put the next part of the line behind what is held."""
        looked_at = len(BOM) + len(_REJECTS_START)
        if self.size < looked_at:
            start = b"".join(self._parts) + part[:looked_at]
            if start.removeprefix(BOM).startswith(_REJECTS_START):
                self._allowed = _REJECTS_ESCAPED * self._limit + _REJECTS_FIELDS
        # A few more, for the byte-order mark and the \r that do not count.
        if part and self.size <= len(BOM) + self._allowed + 1:
            self._parts.append(part)
        self.size += len(part)

    def finish(self, last: bytes) -> bytes | Rejection:
        """End the line; gives it without its `\\r`."""
        if self.size or len(last) > self._limit:
            self.add(last)
            last = b"".join(self._parts)
            size, allowed = self.size, self._allowed
            self.size, self._allowed = 0, self._limit
            self._parts.clear()
            marked = len(BOM) if last.startswith(BOM) else 0
            if size - marked - last.endswith(b"\r") > allowed:
                last = last[:allowed]  # how much more is held, the blocks' sizes decide
                message = (
                    f"{size:,} bytes, more than the {self._limit:,} that are taken; "
                    f"raise --max-line-bytes if it is a record{long_line_hint(last)}"
                )
                return Rejection("line_too_long", None, message)
        return last.removesuffix(b"\r")


class _Stream(io.RawIOBase):
    """A file or pipe whose first bytes were looked at, and whose reading is counted."""

    def __init__(
        self,
        head: bytes,
        stream: ByteStream,
        on_bytes: Callable[[int], object],
    ) -> None:
        self._head = head
        self._stream = stream
        self._on_bytes = on_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        data = self._head + self._stream.read1(len(view) - len(self._head))
        self._head = b""
        view[: len(data)] = data
        self._on_bytes(len(data))
        return len(data)


def _may_be_record(line: Line) -> bool:
    return not isinstance(line.content, bytes) or looks_like_record(line.content)


def _is_of_own_file(line: Line) -> bool:
    return isinstance(line.content, bytes) and own_file_of(line.content) is not None


def _ignore(_: int) -> None:
    """Nobody wants to be told."""


class _Search:
    """The search of folders for exports, each folder once."""

    def __init__(
        self, leave_out: Iterable[Path], named: frozenset[object], passed_over: PassedOver
    ) -> None:
        self._leave_out = frozenset(filter(None, map(_identity, leave_out)))
        self._named = named
        self._passed_over = passed_over
        self._searched: set[object] = set()

    def files(self, given: str) -> list[Path]:
        """The file itself, or the exports below a folder, sorted by path.

        Raises:
            SourceError: the folder can't be searched, or holds no export.
        """
        path = Path(given)
        try:
            if not path.is_dir():
                return [path]
        except OSError as error:
            raise SourceError(f"{_typed(given)[:200]}: can't be read: {error.strerror}") from error
        found: list[Path] = []
        passed_over, is_new = PassedOver(), True
        for folder, folders, names in os.walk(path, onerror=_fail, followlinks=True):
            identity = _identity(Path(folder))
            if identity in self._searched:  # by another path, or through a link that leads back up
                folders.clear()
                is_new = False
                continue
            self._searched.add(identity)
            folders[:] = [name for name in folders if not _is_silent(name)]
            for each in (Path(folder, name) for name in names if not _is_silent(name)):
                if self._is_chosen(each):
                    own = own_file_at(each) if each.is_file() else None
                    if own is None:
                        found.append(each)
                    elif _identity(each) not in self._named:
                        passed_over.own.setdefault(own, []).append(_shown(each))
                elif _identity(each) not in self._named:
                    passed_over.add(_shown(each))
        if not found and is_new:
            message = f"{_typed(given)}: no export in this folder (looked for {_LOOKED_FOR})"
            for own, names in passed_over.own.items():
                message += f"; {names[0]} is a {own.kind}: {own.use()}"
            if passed_over.count == 1:
                message += (
                    f"; name {passed_over.names[0]}, the only file there, to read it all the same"
                )
            elif passed_over.count:
                message += (
                    f"; name a file to read it all the same, such as {passed_over.names[0]} of the "
                    f"{passed_over.count:,} there"
                )
            raise SourceError(message)
        self._passed_over.include(passed_over)
        return sorted(found)

    def _is_chosen(self, path: Path) -> bool:
        """Whether a file of a folder is to be read."""
        if "." in path.name and not path.name.lower().endswith(_ENDINGS):
            return False
        if is_loop(path):
            return False
        # A pipe among the files would wait for a writer for ever.
        is_regular = path.is_file() or not path.exists()
        return is_regular and not (self._leave_out and _identity(path) in self._leave_out)


def _fail(error: OSError) -> None:
    raise SourceError(f"{error.filename}: can't be searched: {error.strerror}") from error


def _is_silent(name: str) -> bool:
    """Whether a name in a folder is none of an export, so that nobody needs to know it."""
    return name.startswith(".") or name in _SILENT or name.lower().endswith(_SILENT_ENDING)


def _identity(path: Path) -> tuple[int, int] | None:
    """What two names of one file share; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _shown(path: Path) -> str:
    """A path as text, even where its bytes are none."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _typed(given: str) -> str:
    """A path as it was given, even where its bytes are no text."""
    return os.fsencode(given).decode(errors="backslashreplace")


def is_loop(path: str | Path) -> bool:
    """Return whether a path is a link that leads back to itself, so that nothing can stand there."""
    try:
        os.stat(path)  # noqa: PTH116 - a path of a library may raise something else
    except OSError as error:
        return error.errno == errno.ELOOP
    except ValueError:
        pass
    return False


def is_remote(given: str) -> bool:
    """Return whether a path is the address of something elsewhere, such as `s3://bucket/logs`."""
    return bool(_ADDRESS.match(given)) and not Path(given).exists()


def _check_local(given: str) -> None:
    if is_remote(given):
        raise SourceError(
            f"{_typed(given)[:500]}: {REMOTE}; download what is there first and name that, or pipe it in, "
            "with - for its path"
        )


def _readable(path: Path, typed: str) -> os.stat_result:
    """Return what the system knows of a file.

    Args:
        path: a file.
        typed: what was given, which may be a folder that the file is in.

    Raises:
        SourceError: it can't be read.
    """
    try:
        status = path.stat()
        # A pipe can be opened only once, and opening one may wait for its writer.
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()
    except (OSError, ValueError) as error:
        reason = LOOP if is_loop(path) else getattr(error, "strerror", None) or str(error)
        name = _typed(typed) if path == Path(typed) else _shown(path)
        message = f"{name[:500]}: can't be read: {reason}{_close_match(path)}"
        raise SourceError(message) from error
    return status


def _close_match(path: Path) -> str:
    """A hint for a mistyped name: the file beside it that is spelled most like it."""
    try:
        names = os.listdir(path.parent)  # noqa: PTH208 - names, not paths, are compared
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, set(names) - {path.name}, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""
