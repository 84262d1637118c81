"""Standard output and error: what all text passes on its way, so that no message can forget it."""

import codecs
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO, TypeAlias, cast

from cli import wrapping

if TYPE_CHECKING:
    from wootric_map.read.blocks import ByteStream
    from wootric_map.redaction.redaction import Redaction

_Change: TypeAlias = Callable[[str], str]


def change_streams(redaction: "Redaction | None") -> None:
    """Have text for standard output and error be redacted, then broken into lines at a terminal.

    JSON goes by: it is redacted as data, and each object of it is a line.
    """
    sys.stdout = _changed(sys.stdout, redaction)
    sys.stderr = _changed(sys.stderr, redaction)


def standard_input() -> "ByteStream | None":
    """Return standard input as bytes; None where it is closed."""
    stdin = cast("TextIO | None", sys.stdin)
    return cast("io.BufferedReader", stdin.buffer) if stdin is not None else None


def width_of(stream: TextIO) -> int:
    """Return how many columns a stream's terminal has; 0 where it is none, or does not tell."""
    if not stream.isatty():
        return 0
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 0


def _changed(stream: TextIO, redaction: "Redaction | None") -> TextIO:
    changes: list[_Change] = [redaction.text] if redaction else []
    if stream.isatty():
        changes.append(wrapping.for_terminal(lambda: width_of(stream)))
    return _ChangedStream(stream, changes) if changes else stream


class _ChangedStream(io.TextIOWrapper):
    """A text stream that changes what it is given; each write is taken to be whole."""

    def __init__(self, stream: TextIO, changes: Sequence[_Change]) -> None:
        stream.flush()
        # Where ASCII is asked for, click writes UTF-8 to the stream below, and would pass us by.
        encoding = "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding
        super().__init__(
            cast("io.BufferedWriter", stream.buffer),
            encoding,
            "backslashreplace",
            line_buffering=True,
        )
        self._changes = changes
        self._stream = stream  # let go of, it would close what they share

    def write(self, text: str) -> int:
        changed = text
        for change in self._changes:
            changed = change(changed)
        super().write(changed)
        return len(text)
