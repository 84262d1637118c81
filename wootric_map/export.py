"""The export that a use case reads: its settings, and the sources that they name."""

import io
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from wootric_map.errors import UnfitSettingsError
from wootric_map.mapping.entries import ReadingOptions
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import STDIN, PassedOver, Source, discover
from wootric_map.read.suppression import Suppression
from wootric_map.rejects import REJECTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """Which records are read, and how."""

    paths: Sequence[str] = ()
    """Files, folders (which are searched for exports), or `-` for standard input."""
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    """How records are read and mapped."""
    suppress: tuple[Path, ...] = ()
    """Suppression lists: nothing is sent of the people on them."""
    min_age: float = 0.0
    """The least age of a file in seconds; files changed later are left for the next run."""
    ignored_warnings: frozenset[str] = frozenset()
    """The codes of warnings that are only counted."""


def reading_of(settings: ExportSettings) -> ReadingOptions:
    """Return how records are read, with the suppression lists that the settings name.

    Raises:
        SourceError: a list can't be read whole.
    """
    if not settings.suppress:
        return settings.reading
    return replace(settings.reading, suppression=Suppression.read(settings.suppress))


class ReadingObserver:
    """Is told how much of an export has been read; does nothing unless a subclass does."""

    def reading(self, sources: Sequence[Source]) -> AbstractContextManager[Callable[[int], object]]:
        """Return a context for the reading of the sources.

        The context gives a function that is called with the bytes of each read, before decompression.
        """
        return nullcontext(lambda _: None)

    def reading_account(self) -> AbstractContextManager[None]:
        """Return a context for the reading of the list of the account's end users."""
        return nullcontext()

    def account_read(self, unread: str | None, unkept: str | None) -> None:
        """Take note of how the reading of the list of the account's end users ended.

        Args:
            unread: why the list can't be used any further, and end users are asked about one by one; None if
                it can.
            unkept: why the list is not kept for the next run; None if it is.
        """


def find_sources(
    settings: ExportSettings,
    passed_over: PassedOver,
    *,
    stdin: ByteStream | None,
    clock: Callable[[], float] = time.time,
    leave_out: Iterable[Path] = (REJECTS,),
) -> list[Source]:
    """Return the sources that the settings name.

    Args:
        settings: name the paths.
        passed_over: gets the files that are not read.
        stdin: standard input; None if it is closed.
        clock: returns the unix time.
        leave_out: files that are not taken from a folder.

    Raises:
        SettingsError: standard input is named, and closed or a keyboard.
        SourceError: a path is missing or can't be read, or is no export.
    """
    if STDIN in settings.paths and stdin is None:
        raise UnfitSettingsError("standard input is closed; pipe an export in: zcat *.gz | … -")
    if STDIN in settings.paths and isinstance(stdin, io.IOBase) and stdin.isatty():
        raise UnfitSettingsError("standard input is a keyboard; pipe an export in: zcat *.gz | … -")
    unchanged_since = clock() - settings.min_age if settings.min_age else None
    return discover(
        settings.paths,
        leave_out=leave_out,
        passed_over=passed_over,
        unchanged_since=unchanged_since,
    )


def stream_of(stdin: ByteStream | None) -> ByteStream:
    """Return standard input, or an empty stream if it is closed."""
    return io.BytesIO() if stdin is None else stdin
