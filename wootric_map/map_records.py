"""Map: what each record of an export becomes, looked at alone: its settings and its calls."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from wootric_map.export import ExportSettings, find_sources, reading_of, stream_of
from wootric_map.mapping.entries import kinds_in, read_in_parts, read_records, worth
from wootric_map.mapping.shown_records import Encoding, PlainEncoding, ShownPart, ShownRecords
from wootric_map.model import Rejection
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import PassedOver, Source
from wootric_map.read.process_pool import SideBySide
from wootric_map.wootric.regions import services


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSettings(ExportSettings):
    """What is mapped, and how."""

    account_token: str | None = None
    """The account whose addresses the calls show; None stands for the default region."""
    base_url: str | None = None
    """One host for all of Wootric's services, in place of the region's."""
    processes: int = 1
    """How many processes read a large export side by side."""


class MappedRecord(NamedTuple):
    """What a record becomes, and where the record stands."""

    source: str
    line: int
    data: dict[str, Any]
    """`type` with `settings`, `calls` and `warnings`; or with `skipped`; or `rejected`; or, about the
    source alone, `warning`."""


class Map:
    """Maps every record of an export, each alone.

    Of properties there is one name a key all the same: where suffixes are asked for, files are read twice,
    and each record of a pipe is named by itself.
    """

    def __init__(
        self,
        settings: MapSettings,
        *,
        stdin: ByteStream | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read nothing yet.

        Args:
            settings: what is mapped, and how.
            stdin: standard input, where the settings name it.
            clock: gives the unix time.
        """
        self._settings = settings
        self._stdin = stdin
        self._clock = clock
        self.passed_over = PassedOver()
        """The files that were not read."""
        self.any_rejected = False
        """Whether a record was rejected up to now."""
        self.ignored = 0
        """How many warnings were left out up to now."""
        self.is_live = False
        """Whether a pipe is read, so that each record is given as soon as it is there."""

    def records(self) -> Iterator[MappedRecord]:
        """Yield what each record becomes, in the order of the export.

        Raises:
            SettingsError: the settings can't be right.
            SourceError: a path is missing or can't be read, or is no export.
        """
        sources, mapping = self._begin(PlainEncoding())
        stdin = stream_of(self._stdin)
        for record in read_records(sources, mapping.reading, stdin=stdin):
            data, ignored = mapping.object(record)
            self.any_rejected = self.any_rejected or isinstance(record.reading, Rejection)
            self.ignored += ignored
            if data:
                yield MappedRecord(record.source, record.line, data)

    def lines(self, encoding: Encoding) -> Generator[Iterable[bytes], None, None]:
        """Yield the lines of JSON that show what each record becomes, those of each part together.

        The lines of a part, of which one piece may hold several, are to be taken before the next part is
        asked for.

        Args:
            encoding: writes objects as lines of JSON.

        Raises:
            SettingsError: the settings can't be right.
            SourceError: a path is missing or can't be read, or is no export.
        """
        settings = self._settings
        sources, mapping = self._begin(encoding)
        processes = 1 if self.is_live else worth(settings.processes, sources)
        with SideBySide(mapping.part, processes) as workers:
            for part, lines, begun in read_in_parts(
                workers,
                sources,
                stdin=stream_of(self._stdin),
                max_line_bytes=settings.reading.max_line_bytes,
                live=self.is_live,
            ):
                yield self._lines_of(mapping, part, lines, begun)

    def _begin(self, encoding: Encoding) -> tuple[list[Source], ShownRecords]:
        settings, reading = self._settings, reading_of(self._settings)
        addresses = services(settings.account_token, settings.base_url)
        sources = find_sources(settings, self.passed_over, stdin=self._stdin, clock=self._clock)
        # Who writes to a pipe may want to see each record before the next.
        self.is_live = any(each.size is None for each in sources)
        naming = reading.naming
        if naming.renames and not self.is_live:
            naming = replace(naming, kinds=kinds_in(sources, reading, settings.processes))
        ignored = settings.ignored_warnings
        mapping = ShownRecords(
            reading, naming, addresses, settings.account_token, ignored, encoding
        )
        return sources, mapping

    def _lines_of(
        self, mapping: ShownRecords, part: Source, lines: int, shown: ShownPart
    ) -> Iterator[bytes]:
        self.any_rejected = self.any_rejected or shown.any_rejected
        self.ignored += shown.ignored
        place = mapping.place(part)
        yield from mapping.finished(place, lines, shown)
        if shown.is_all:
            return
        for line, is_rejected, ignored, text, note in mapping.records(part, after=shown.records):
            self.any_rejected = self.any_rejected or is_rejected
            self.ignored += ignored
            if text:
                yield mapping.encoding.finished(b"%b%d,%b" % (place, lines + line, text), note)
