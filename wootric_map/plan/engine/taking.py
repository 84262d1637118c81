"""The sources of an export → what their parts came to, in order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Final

from wootric_map.plan.engine.intake import Intake
from wootric_map.plan.engine.part_intake import Taken
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import Source
from wootric_map.read.parts import parts
from wootric_map.read.threads import InThreads

_PART_BYTES: Final = 8 * 1024 * 1024
"""Bytes of parts that are taken in at once: the database takes 25 ms to prepare its query."""
_MOST_PARTS: Final = 500
"""Parts that are taken in at once: an archive may have very many very small files."""


def take_sources(
    intake: Intake,
    sources: Sequence[Source],
    *,
    threads: int,
    stdin: ByteStream,
    max_line_bytes: int,
    on_bytes: Callable[[int], object] = int,
) -> Iterator[tuple[Source, int, Taken]]:
    """Take the records of sources in.

    Args:
        intake: takes them in.
        sources: the sources, as `discover` returns them.
        threads: how many threads do it.
        stdin: standard input, for the source that names it.
        max_line_bytes: the longest line that is read.
        on_bytes: called with the number of bytes that were read, before decompression.

    Yields:
        Each part in order, the number of lines of its source before it, and what it came to.
    """

    def cut(source: Source) -> Iterable[Source]:
        return parts(
            source, _PART_BYTES, stdin=stdin, max_line_bytes=max_line_bytes, on_bytes=on_bytes
        )

    for is_large, some in groupby(sources, _is_large):
        if is_large:
            for source in some:
                taken = intake.take_file(source)
                if taken:
                    on_bytes(source.unread)
                    yield source, 0, taken
                else:
                    yield from _in_threads(intake, cut(source), threads, on_bytes)
        else:
            coming = chain.from_iterable(map(cut, some))
            yield from _in_threads(intake, coming, threads, on_bytes)


def _is_large(source: Source) -> bool:
    return source.path is not None and (source.size or 0) > _PART_BYTES


def _in_threads(
    intake: Intake, coming: Iterable[Source], threads: int, on_bytes: Callable[[int], object]
) -> Iterator[tuple[Source, int, Taken]]:
    lines = 0
    for together, told in InThreads(intake.take, threads).each(_grouped(coming)):
        for part, taken in zip(together, told, strict=True):
            on_bytes(part.unread)
            lines = lines if part.nth else 0
            yield part, lines, taken
            lines += taken.lines


def _grouped(coming: Iterable[Source]) -> Iterator[Sequence[Source]]:
    """Yield parts together as long as they are small."""
    held: list[Source] = []
    size = 0
    for part in coming:
        held.append(part)
        size += len(part.held) if isinstance(part.held, bytes) else part.unread
        if size >= _PART_BYTES or len(held) >= _MOST_PARTS or isinstance(part.held, tuple):
            yield held
            held, size = [], 0
    if held:
        yield held
