"""What `map` shows of each record, as lines of JSON."""

import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from wootric_map.mapping.calls import call_for
from wootric_map.mapping.entries import (
    Located,
    ReadingOptions,
    read_records,
    rewritten,
    unusual_records,
)
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.property_names import Naming
from wootric_map.mapping.quick_lines import ExactLine, QuickLines
from wootric_map.mapping.record_keys import event_key_of
from wootric_map.mapping.record_warnings import of_call
from wootric_map.mapping.settings import map_record, unidentified
from wootric_map.model import MappingWarning, Rejection, Skip
from wootric_map.read.files import Source
from wootric_map.read.json_lines import parse_roughly
from wootric_map.read.json_text import to_json
from wootric_map.read.lines import Line, Lines, read_lines
from wootric_map.read.ordinary_record import has_large_number, is_ordinary, ordinary
from wootric_map.read.record import Page, Record, Track
from wootric_map.wootric.address_length import LONGEST_ADDRESS
from wootric_map.wootric.regions import Services
from wootric_map.wootric.requests import request

_HELD: Final = 12 * 1024 * 1024
"""Bytes of a part's output that are held until those before it are written; a hostile part may grow."""


class Encoding(Protocol):
    """Writes objects as lines of JSON."""

    @property
    def is_plain(self) -> bool:
        """Whether printable text is written as it is, but for quotation marks and backslashes.

        Then there are no notes, and `finished` changes nothing.
        """

    def encoded(self, data: dict[str, Any]) -> tuple[bytes, Any]:
        """Return an object as a line, and a note on it for `finished`; several processes call it."""

    def finished(self, line: bytes, note: Any) -> bytes:
        """Return a line, with its place, as it is to be shown; called in the order of the lines."""


class PlainEncoding:
    """Writes objects as they are."""

    is_plain = True
    """Printable text is written as it is."""

    def encoded(self, data: dict[str, Any]) -> tuple[bytes, Any]:
        """Return an object as a line."""
        return to_json(data) + b"\n", None

    def finished(self, line: bytes, note: Any) -> bytes:
        """Return a line as it is."""
        return line


ShownRecord: TypeAlias = tuple[int, bool, int, bytes, Any]
"""What is shown of one record.

That is its line, counted from the beginning of what is read; whether it is rejected; how many warnings of it
are left out; the JSON behind its place with a line ending, empty where nothing is shown; and a note of the
encoding.
"""


class ShownPart(NamedTuple):
    """What is shown of a part, as far as that is to be held."""

    numbers: list[int]
    """The line of each record that is shown, counted from the beginning of the part."""
    texts: bytes
    """The texts of these records in one: a single object is handed to another process quickly."""
    notes: list[Any] | None
    """The notes on them; None if the encoding has none."""
    any_rejected: bool
    ignored: int
    """How many warnings are not shown."""
    records: int
    """How many records these are, with those of which nothing is shown."""
    is_all: bool
    """Whether there are no further records."""
    lines: int
    """How many the part has."""


class ShownRecords:
    """Shows records; works on one part after the other."""

    def __init__(
        self,
        reading: ReadingOptions,
        naming: Naming,
        addresses: Services,
        account_token: str | None,
        ignored: frozenset[str],
        encoding: Encoding,
    ) -> None:
        """Prepare to show records.

        Args:
            reading: how records are read.
            naming: which properties get an ending for the type of their values.
            addresses: the addresses that calls have.
            account_token: the account that calls name; None leaves it out.
            ignored: the codes of warnings that are not shown.
            encoding: writes objects as lines of JSON.
        """
        self.reading = reading
        """How records are read."""
        self._naming = naming
        self._addresses = addresses
        self._account_token = account_token
        self._ignored = ignored
        self._rewriting = reading.rewriting()
        self.encoding = encoding
        """Writes objects as lines of JSON."""
        self._by_trait = reading.configured.identity.external_id is not None
        is_quick = encoding.is_plain and not self._by_trait
        self._quick = QuickLines(self.exact_line) if is_quick else None

    def place(self, part: Source) -> bytes:
        """Return the beginning of each line, up to the line number."""
        line, _ = self.encoding.encoded({"source": part.name, "line": 0})
        return line.removesuffix(b"0}\n")

    def part(self, part: Source) -> ShownPart:
        """Return what is shown of a part, or as much of it as is to be held."""
        numbers: list[int] = []
        texts: list[bytes] = []
        notes: list[Any] | None = None if self.encoding.is_plain else []
        records, held, any_rejected, ignored = 0, 0, False, 0
        last, is_all = 0, True
        for last, is_rejected, unsaid, text, note in self.records(part):
            records += 1
            ignored += unsaid
            if is_rejected:
                any_rejected = True
            if text:
                numbers.append(last)
                texts.append(text)
                held += len(text)
                if notes is not None:
                    notes.append(note)
                if held > _HELD:
                    is_all = False
                    break
        if not is_all:
            located = read_records([part], self.reading, stdin=io.BytesIO())
            last = max(each.line for each in located)
        return ShownPart(
            numbers, b"".join(texts), notes, any_rejected, ignored, records, is_all, last
        )

    def finished(self, place: bytes, before: int, shown: ShownPart) -> Iterable[bytes]:
        """Return the lines of what is shown of a part.

        Args:
            place: the beginning of each line, as `place` returns it.
            before: how many lines of the source stand before the part.
            shown: what is shown.
        """
        texts = shown.texts.split(b"\n")
        texts.pop()
        lines = [
            b"%b%d,%b\n" % (place, before + number, text)
            for number, text in zip(shown.numbers, texts, strict=True)
        ]
        if shown.notes is None:
            return (b"".join(lines),)
        return map(self.encoding.finished, lines, shown.notes)

    def records(self, part: Source, *, after: int = 0) -> Iterator[ShownRecord]:
        """Yield what is shown of the records of a part, but for the first ones."""
        records = self._records(part)
        return islice(records, after, None) if after else records

    def _records(self, part: Source) -> Iterator[ShownRecord]:
        options, quick = self.reading, self._quick
        lines = read_lines(part, stdin=io.BytesIO(), max_line_bytes=options.max_line_bytes)
        traits_from, rewriting = options.traits_from, self._rewriting
        placeholders = options.rules.unusual_ids
        for line in lines:
            _, number, _, content = line
            if not isinstance(content, bytes):
                yield self._shown(Located(line.source, number, b"", content))
                continue
            data = parse_roughly(content)
            if not is_ordinary(data, traits_from, placeholders):
                yield from self._unusual(line, content, data, lines)
                continue
            found = quick.of(data, content) if quick and not rewriting.concerns(data) else None
            if found:
                text, ignored = found
                yield number, False, ignored, text, None
            elif has_large_number(data):
                yield from self._unusual(line, content, data, lines)
            else:
                record = rewriting.of(ordinary(data))
                yield self._shown(Located(line.source, number, content, record))

    def _unusual(
        self, line: Line, content: bytes, data: object, lines: Lines
    ) -> Iterator[ShownRecord]:
        rules = self.reading.rules
        for each in unusual_records(line.source, line.number, content, data, lines, rules):
            yield self._shown(rewritten(each, self._rewriting))

    def _shown(self, record: Located) -> ShownRecord:
        data, ignored = self.object(record)
        text, note = self.encoding.encoded(data) if data else (b"", None)
        is_rejected = isinstance(record.reading, Rejection)
        return record.line, is_rejected, ignored, text[1:], note

    def exact_line(self, record: Record, line: bytes) -> ExactLine:
        """Return the JSON of a record behind its place, and how many warnings are left out.

        Args:
            record: the record.
            line: a line that holds this record alone.
        """
        _, _, ignored, text, _ = self._shown(Located("", 0, line, record))
        return text, ignored

    def object(self, record: Located) -> tuple[dict[str, Any], int]:
        """Return what is shown of a record, empty where nothing is; and how many warnings are not shown."""
        data = self._as_data(record)
        ignored = self._ignored_in(data) if self._ignored else 0
        is_shown = not ignored or "type" in data
        return data if is_shown else {}, ignored

    def _ignored_in(self, data: dict[str, Any]) -> int:
        """Take the warnings out that are ignored; return how many they were."""
        if "warning" in data:
            return int(data["warning"]["code"] in self._ignored)
        found = data.get("warnings", ())
        left = [each for each in found if each["code"] not in self._ignored]
        if len(left) < len(found):
            data["warnings"] = left
        return len(found) - len(left)

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
        return self._mapped(reading, record.raw)

    def _mapped(self, reading: Record, raw: bytes) -> dict[str, Any]:
        mapped = map_record(reading, naming=self._naming)
        data: dict[str, Any] = {"type": reading.type, "settings": mapped.settings.as_dict()}
        skip = unidentified(mapped)
        if skip:
            # Its properties go nowhere, so nothing is wrong with them.
            about_user = [*reading.warnings, *user_of(reading).warnings]
            warnings = [_warned(warning) for warning in about_user]
            return data | {"skipped": _skipped(skip), "warnings": warnings}
        key = event_key_of(reading, raw) if isinstance(reading, Track | Page) else ""
        made = call_for(mapped, key, by_trait=self._by_trait)
        method, url, form = request(made, self._addresses, self._account_token)
        call: dict[str, object] = {"method": method, "url": url}
        if form is not None:
            call["form"] = form
        data["calls"] = [call]
        long = of_call(reading, self._naming) if len(url) > LONGEST_ADDRESS else ()
        data["warnings"] = [_warned(warning) for warning in (*mapped.warnings, *long)]
        return data


def _warned(warning: MappingWarning) -> dict[str, object]:
    return {"code": warning.code, "field": warning.field, "message": warning.message}


def _skipped(skip: Skip) -> dict[str, object]:
    return {"code": skip.code, "field": skip.field, "message": skip.message}
