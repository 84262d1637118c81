"""Map: what each record of an export becomes, looked at alone: its settings and its calls."""

import io
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from wootric_map.export import ExportSettings, find_sources, stream_of
from wootric_map.mapping.calls import call_for
from wootric_map.mapping.entries import (
    Located,
    ReadingOptions,
    kinds_in,
    read_in_parts,
    read_records,
    worth,
)
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.property_names import Naming
from wootric_map.mapping.record_keys import event_key_of
from wootric_map.mapping.record_warnings import of_call
from wootric_map.mapping.settings import map_record, unidentified
from wootric_map.model import MappingWarning, Rejection, Skip
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import PassedOver, Source
from wootric_map.read.json_text import to_json
from wootric_map.read.process_pool import SideBySide
from wootric_map.read.record import Page, Track
from wootric_map.wootric.address_length import LONGEST_ADDRESS
from wootric_map.wootric.regions import Services, services
from wootric_map.wootric.requests import request

_HELD: Final = 12 * 1024 * 1024
"""Bytes of a part's output that are held until those before it are written; a hostile part may grow."""


class Encoding(Protocol):
    """Writes objects as lines of JSON."""

    def encoded(self, data: dict[str, Any]) -> tuple[bytes, Any]:
        """Return an object as a line, and a note on it for `finished`; several processes call it."""

    def finished(self, line: bytes, note: Any) -> bytes:
        """Return a line, with its place, as it is to be shown; called in the order of the lines."""


class PlainEncoding:
    """Writes objects as they are."""

    def encoded(self, data: dict[str, Any]) -> tuple[bytes, Any]:
        """Return an object as a line."""
        return to_json(data) + b"\n", None

    def finished(self, line: bytes, note: Any) -> bytes:
        """Return a line as it is."""
        return line


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
        for record in read_records(sources, self._settings.reading, stdin=stdin):
            _, is_rejected, ignored, data = mapping.object(record)
            self.any_rejected = self.any_rejected or is_rejected
            self.ignored += ignored
            if data:
                yield MappedRecord(record.source, record.line, data)

    def lines(self, encoding: Encoding) -> Generator[Iterable[bytes], None, None]:
        """Yield the lines of JSON that show what each record becomes, those of each part together.

        The lines of a part are to be taken before the next part is asked for.

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

    def _begin(self, encoding: Encoding) -> "tuple[list[Source], _Mapping]":
        settings, reading = self._settings, self._settings.reading
        addresses = services(settings.account_token, settings.base_url)
        sources = find_sources(settings, self.passed_over, stdin=self._stdin, clock=self._clock)
        # Who writes to a pipe may want to see each record before the next.
        self.is_live = any(each.size is None for each in sources)
        naming = reading.naming
        if naming.renames and not self.is_live:
            naming = replace(naming, kinds=kinds_in(sources, reading, settings.processes))
        ignored = settings.ignored_warnings
        mapping = _Mapping(reading, naming, addresses, settings.account_token, ignored, encoding)
        return sources, mapping

    def _lines_of(
        self, mapping: "_Mapping", part: Source, lines: int, begun: "_Begun"
    ) -> Iterator[bytes]:
        place = mapping.place(part)
        self.any_rejected = self.any_rejected or begun.any_rejected
        self.ignored += begun.ignored
        finished = mapping.encoding.finished
        for line, (each, note) in zip(begun.numbers, begun.fields, strict=True):
            if each:
                yield finished(b"%b%d,%b" % (place, lines + line, each), note)
        rest = () if begun.is_all else mapping.records(part, after=len(begun.numbers))
        for line, is_rejected, ignored, (each, note) in rest:
            self.any_rejected = self.any_rejected or is_rejected
            self.ignored += ignored
            if each:
                yield finished(b"%b%d,%b" % (place, lines + line, each), note)


_Object: TypeAlias = tuple[int, bool, int, dict[str, Any]]
"""A record's line, counted from the beginning of what is read; whether it is rejected; how many warnings of
it are ignored; and all that is shown behind its place, empty where nothing is."""

_Fields: TypeAlias = tuple[bytes, Any]
"""The JSON of what is shown of a record behind its place, empty where nothing is; and the note on it."""

_Record: TypeAlias = tuple[int, bool, int, _Fields]
"""An `_Object` whose object is written as JSON."""


class _Begun(NamedTuple):
    """What was made of a part, as far as that is to be held."""

    numbers: list[int]
    """The lines of the records, counted from the beginning of the part."""
    fields: list[_Fields]
    any_rejected: bool
    ignored: int
    """How many warnings are not shown."""
    is_all: bool
    lines: int
    """How many the part has."""


@dataclass(frozen=True, slots=True)
class _Mapping:
    """How records are shown; works on one part after the other."""

    reading: ReadingOptions
    naming: Naming
    addresses: Services
    account_token: str | None
    ignored: frozenset[str]
    """The codes of warnings that are not shown."""
    encoding: Encoding

    def place(self, part: Source) -> bytes:
        """Return the beginning of each line, up to the line number."""
        line, _ = self.encoding.encoded({"source": part.name, "line": 0})
        return line.removesuffix(b"0}\n")

    def part(self, part: Source) -> _Begun:
        """Return the records of a part, or as many of them as are to be held."""
        numbers: list[int] = []
        fields: list[_Fields] = []
        held, any_rejected, ignored = 0, False, 0
        for line, is_rejected, unsaid, each in self.records(part):
            numbers.append(line)
            fields.append(each)
            any_rejected = any_rejected or is_rejected
            ignored += unsaid
            held += len(each[0])
            if held > _HELD:
                lines = max(located.line for located in self._read(part))
                return _Begun(numbers, fields, any_rejected, ignored, is_all=False, lines=lines)
        lines = numbers[-1] if numbers else 0
        return _Begun(numbers, fields, any_rejected, ignored, is_all=True, lines=lines)

    def records(self, part: Source, *, after: int = 0) -> Iterator[_Record]:
        """Yield the records of a part as JSON, but for the first ones."""
        for record in islice(self._read(part), after, None):
            line, is_rejected, ignored, data = self.object(record)
            text, note = self.encoding.encoded(data) if data else (b"", None)
            yield line, is_rejected, ignored, (text[1:], note)

    def object(self, record: Located) -> _Object:
        """Return what is shown of a record."""
        is_rejected = isinstance(record.reading, Rejection)
        data = self._as_data(record)
        ignored = self._ignored_in(data) if self.ignored else 0
        is_shown = not ignored or "type" in data
        return record.line, is_rejected, ignored, data if is_shown else {}

    def _ignored_in(self, data: dict[str, Any]) -> int:
        """Take the warnings out that are ignored; return how many they were."""
        if "warning" in data:
            return int(data["warning"]["code"] in self.ignored)
        found = data.get("warnings", ())
        left = [each for each in found if each["code"] not in self.ignored]
        if len(left) < len(found):
            data["warnings"] = left
        return len(found) - len(left)

    def _read(self, part: Source) -> Iterator[Located]:
        return read_records([part], self.reading, stdin=io.BytesIO())

    def _as_data(self, record: Located) -> dict[str, Any]:
        reading = record.reading
        if isinstance(reading, Rejection):
            return {"rejected": reading._asdict()}
        if isinstance(reading, MappingWarning):
            return {"warning": _warned(reading)}
        if isinstance(reading, Skip):
            return {
                "type": reading.type,
                "skipped": _skipped(reading),
                "warnings": [_warned(warning) for warning in reading.warnings],
            }
        mapped = map_record(reading, naming=self.naming)
        data: dict[str, Any] = {"type": reading.type, "settings": mapped.settings.as_dict()}
        skip = unidentified(mapped)
        if skip:
            # Its properties go nowhere, so nothing is wrong with them.
            about_user = [*reading.warnings, *user_of(reading).warnings]
            warnings = [_warned(warning) for warning in about_user]
            return data | {"skipped": _skipped(skip), "warnings": warnings}
        key = event_key_of(reading, record.raw) if isinstance(reading, Track | Page) else ""
        method, url, form = request(call_for(mapped, key), self.addresses, self.account_token)
        call: dict[str, object] = {"method": method, "url": url}
        if form is not None:
            call["form"] = form
        data["calls"] = [call]
        long = of_call(reading, self.naming) if len(url) > LONGEST_ADDRESS else ()
        data["warnings"] = [_warned(warning) for warning in (*mapped.warnings, *long)]
        return data


def _warned(warning: MappingWarning) -> dict[str, object]:
    return {"code": warning.code, "field": warning.field, "message": warning.message}


def _skipped(skip: Skip) -> dict[str, object]:
    return {"code": skip.code, "field": skip.field, "message": skip.message}
