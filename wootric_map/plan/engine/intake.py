"""Parts of sources → their records in the database, each under an id of its end user.

The database itself takes what it proves to be ordinary (`read.ordinary_lines`); the exact reader takes
every other line (`part_intake`). Parts may be taken in side by side, each by its own thread.
"""

import itertools
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wootric_map.plan.earlier_rejects import KnownRejects
from wootric_map.plan.engine.database import Database, UnfitFileError, plain_lines
from wootric_map.plan.engine.ordinary_rows import Queries
from wootric_map.plan.engine.part_intake import IntakeOptions, PartIntake, Taken
from wootric_map.plan.engine.rows import ODD, SKIPPED, kept
from wootric_map.read.files import Source
from wootric_map.read.foreign import begins_export
from wootric_map.read.gzip import MAGIC
from wootric_map.read.lines import MAX_LINE_BYTES
from wootric_map.read.own_files import own_file_of

_SEVERAL_FILES: Final = frozenset("*?[]{}")
"""Characters of a path that stand for several files, for the database."""
_SMALL: Final = 128 * 1024
"""Characters that the exact reader takes in no longer than it takes to prepare the query."""
_LARGEST: Final = 32 * 1024 * 1024
"""Bytes of a part that the database is given at once; a larger one holds a very long line."""


class Intake:
    """Takes parts of sources into a database; several threads may do so at once."""

    def __init__(self, database: Database, options: IntakeOptions) -> None:
        """Take nothing yet.

        Args:
            database: gets the records.
            options: how they are taken in.
        """
        self._database = database
        self._options = options
        self._queries = Queries(options.reading, options.choice)
        self._parts = itertools.count()

    def take_file(self, source: Source) -> Taken | None:
        """Take a whole plain file in by one query, all threads of the database at work on it.

        No other part may be taken in meanwhile, since the order of the rows tells the lines.

        Returns:
            What it came to; None if the file is not as plain as that takes, and nothing was taken.
        """
        options, database = self._options, self._database
        if options.is_exact or options.keep_lines or options.known_rejects:
            return None
        if not (source.path and source.size and _begins_plainly(source.path)):
            return None
        part, path = next(self._parts), str(source.path.absolute())
        if not _SEVERAL_FILES.isdisjoint(path):
            return None
        lines = plain_lines(path, options.reading.max_line_bytes)
        lines = f"(SELECT {part} AS part, NULL::INTEGER AS line, content FROM {lines})"
        try:
            database.run(self._queries.insert(lines))
        except UnfitFileError:
            return None
        size, count, first, last = database.rows(
            "SELECT coalesce(sum(kept.size + 1), 0), count(*), min(rowid), max(rowid) "
            f"FROM line WHERE part = {part}"
        )[0]
        ends = _ends_with_newline(source.path)
        # Every byte of the file is accounted for, and the rows are in the order of the lines.
        if size != source.size + (not ends) or last - first + 1 != count:
            database.run(f"DELETE FROM line WHERE part = {part}")
            return None
        taking = PartIntake(source, part, options, database)
        taking.take_told(f"line.rowid - {first} + 1", count, is_last_ended=ends)
        return taking.taken()._replace(first_row=first)

    def take(self, sources: Sequence[Source]) -> list[Taken]:
        """Take the records in of parts of sources, each of which was read already, or is small."""
        parts = [next(self._parts) for _ in sources]
        texts = [None if self._options.is_exact else _text(each) for each in sources]
        if sum(len(each) for each in texts if each) < _SMALL:
            texts = [None] * len(texts)
        self._insert(parts, texts)
        told = []
        for source, part, text in zip(sources, parts, texts, strict=True):
            taking = PartIntake(source, part, self._options, self._database)
            if text is None:
                taking.take_exactly(source, None)
            else:
                count = text.count("\n") + (not text.endswith("\n") and bool(text))
                taking.take_told("line", count, is_last_ended=text.endswith("\n"))
            told.append(taking.taken())
        return told

    def _insert(self, parts: Sequence[int], texts: Sequence[str | None]) -> None:
        """Make a row of each line of several parts, by one query."""
        given = [each for each in zip(parts, texts, strict=True) if each[1]]
        if not given:
            return
        run = self._database.run
        run(_LINES, {"parts": [each[0] for each in given], "texts": [each[1] for each in given]})
        known = self._options.known_rejects
        if known:
            suspects = [
                (part, line)
                for part, text in given
                for line in _suspects((text or "").encode(), known)
            ]
            if suspects:
                values = {
                    "parts": [each[0] for each in suspects],
                    "lines": [each[1] for each in suspects],
                }
                run(_TAKE_SUSPECTS, values)
                run(_LEAVE_SUSPECTS, values)
        run(self._queries.insert("given"))
        if self._options.keep_lines:
            run(
                "INSERT INTO raw_line SELECT part, line, encode(content) FROM given "
                f"SEMI JOIN (FROM line WHERE mark < {SKIPPED}) AS kept USING (part, line)"
            )


_LINES: Final = """
    CREATE OR REPLACE TEMP TABLE given AS
    SELECT part, unnest(lines) AS content, generate_subscripts(lines, 1) AS line
    FROM (
        SELECT part, string_split(CASE WHEN suffix(text, chr(10)) THEN text[:-2] ELSE text END, chr(10))
            AS lines
        FROM (SELECT unnest($parts) AS part, unnest($texts) AS text)
    )
"""


_OF_SUSPECTS: Final = (
    "(part, line) IN (SELECT (unnest($parts::INTEGER[]), unnest($lines::INTEGER[])))"
)
_TAKE_SUSPECTS: Final = f"""
    INSERT INTO line SELECT part, line, line, {ODD},
        {kept({"size": "strlen(content)", "raw": "encode(content)"})}
    FROM given WHERE {_OF_SUSPECTS}
"""
_LEAVE_SUSPECTS: Final = f"DELETE FROM given WHERE {_OF_SUSPECTS}"


def _text(source: Source) -> str | None:
    """Return the text of a part; None if it is not whole lines of UTF-8 that fit into memory."""
    if source.held is not None:
        content = source.held if isinstance(source.held, bytes) else None
    elif not source.path or source.size is None or source.unread > _LARGEST:
        content = None
    else:
        content = _read(source.path, source)
    if content is None or len(content) > _LARGEST or b"\r" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _read(path: Path, source: Source) -> bytes | None:
    """Return the content of a part of a file; None if the exact reader has something to say of it."""
    try:
        with path.open("rb") as file:
            file.seek(source.begin)
            content = file.read() if source.end is None else file.read(source.end - source.begin)
    except OSError:
        return None
    first = content.partition(b"\n")[0]
    if not source.nth and (not begins_export(first) or own_file_of(first)):
        return None
    return content


def _begins_plainly(path: Path) -> bool:
    """Tell whether the beginning of a file is that of a plain export."""
    try:
        with path.open("rb") as file:
            first = file.readline(MAX_LINE_BYTES).removesuffix(b"\n")
    except OSError:
        return False
    return not first.startswith(MAGIC) and begins_export(first) and not own_file_of(first)


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _suspects(content: bytes, known: KnownRejects) -> list[int]:
    """Return the numbers of the lines that may be records which earlier runs rejected or saw refused."""
    lines = enumerate(content.split(b"\n"), 1)
    return [number for number, line in lines if line and zlib.crc32(line) in known.checks]
