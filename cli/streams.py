"""Standard output and error, which redact and wrap all text, so that no message can forget it."""

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
    """Redact all text on standard output and error, and wrap it at a terminal.

    JSON is written past these streams: it is redacted as data, and each object is a line.
    """
    sys.stdout = _changed(sys.stdout, redaction)
    sys.stderr = _changed(sys.stderr, redaction)


def redacted(text: str) -> str:
    """Return a text as standard error would redact it."""
    stream = cast("TextIO | None", sys.stderr)
    redaction = stream.redaction if isinstance(stream, _ChangedStream) else None
    return redaction.text(text) if redaction else text


def standard_input() -> "ByteStream | None":
    """Return standard input as a stream of bytes; None if it is closed."""
    stdin = cast("TextIO | None", sys.stdin)
    return cast("io.BufferedReader", stdin.buffer) if stdin is not None else None


def width_of(stream: TextIO) -> int:
    """Return the columns of a stream's terminal; 0 if it is no terminal, or the number is not known."""
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
    return _ChangedStream(stream, changes, redaction) if changes else stream


class _ChangedStream(io.TextIOWrapper):
    """A text stream that changes each text before it is written."""

    def __init__(
        self, stream: TextIO, changes: Sequence[_Change], redaction: "Redaction | None"
    ) -> None:
        stream.flush()
        # With ASCII, click would write UTF-8 to the underlying stream, past this one.
        encoding = "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding
        super().__init__(
            cast("io.BufferedWriter", stream.buffer),
            encoding,
            "backslashreplace",
            line_buffering=True,
        )
        self.redaction = redaction
        self._changes = changes
        self._stream = stream  # kept, since its end would close the shared buffer

    def write(self, text: str) -> int:
        changed = text
        for change in self._changes:
            changed = change(changed)
        super().write(changed)
        return len(text)
