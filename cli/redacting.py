"""`--redact`: the boundary that all text passes, so that no message can forget to hide anything."""

import codecs
import io
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TextIO, cast

import click

if TYPE_CHECKING:
    from wootric_map.redaction import Redaction

OPTION: Final = "--redact"
KEY: Final = "WOOTRIC_REDACT_KEY"


def redaction_for(
    arguments: Sequence[str], environment: Mapping[str, str], random_key: bytes
) -> "Redaction | None":
    """The redaction that a command line asks for, if any.

    The arguments are looked at before they are understood: what is wrong with them is redacted too.

    Args:
        arguments: of the command line.
        environment: may hold the key.
        random_key: is used where it does not.

    Raises:
        click.UsageError: the key is empty.
    """
    if OPTION not in arguments:
        return None
    from wootric_map.redaction import Redaction  # noqa: PLC0415 - most runs need none

    given = environment.get(KEY)
    if given is None:
        return Redaction(random_key)
    try:
        return Redaction.keyed(given.encode(errors="surrogateescape"))
    except ValueError as error:
        raise click.UsageError(
            f"{KEY} is empty: give it a secret, or unset it for a new key each run"
        ) from error


def redact_streams(redaction: "Redaction") -> None:
    """Have all text for standard output and error pass the redaction; JSON is redacted as data."""
    sys.stdout = _RedactedStream(sys.stdout, redaction)
    sys.stderr = _RedactedStream(sys.stderr, redaction)


class _RedactedStream(io.TextIOWrapper):
    """A text stream that hides what is personal; each write is taken to be whole."""

    def __init__(self, stream: TextIO, redaction: "Redaction") -> None:
        stream.flush()
        # Where ASCII is asked for, click writes UTF-8 to the stream below, and would pass us by.
        encoding = "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding
        super().__init__(
            cast("io.BufferedWriter", stream.buffer),
            encoding,
            "backslashreplace",
            line_buffering=True,
        )
        self._redaction = redaction
        self._stream = stream  # let go of, it would close what they share

    def write(self, text: str) -> int:
        super().write(self._redaction.text(text))
        return len(text)
