"""All findings of `validate` as JSON, with their places, which are kept in a temporary file."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from cli.render.redacted import redacted_line
from cli.render.text import json_line
from wootric_map.checks.checks import Verdict
from wootric_map.checks.run_report import checks_as_data
from wootric_map.findings import CountedWarnings, Findings, WarningKey
from wootric_map.plan.engine.keyed_rows import KeyedRows
from wootric_map.read.json_lines import parse
from wootric_map.report import Report
from wootric_map.validate import PackedPlaces

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction

_Key: TypeAlias = tuple[str, str] | WarningKey
"""`rejected` or `skipped` with a code, or the key of a warning."""


VERSION: Final = 1
"""The version of the document; `docs/schemas/validate.json` describes it."""

_MOST_TEXTS: Final = 1000
_LONGEST: Final = 2000
"""The number of texts that are cached, and the bytes of the longest of them."""


class EveryPlace:
    """All places of findings; a context, and a `PlaceKeeper`."""

    def __init__(self, redaction: "Redaction | None") -> None:
        """Begin without places.

        Args:
            redaction: the redaction, if one is asked for.
        """
        self._redaction = redaction
        self._rows: KeyedRows[_Key] = KeyedRows()
        self._texts: dict[bytes, bytes] = {}
        """The redacted form of the first few texts."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit_of: object) -> None:
        self._rows.__exit__(*exit_of)

    def add(self, source: str, lines_before: int, places: PackedPlaces, report: Report) -> None:
        """Add the places of a part.

        Args:
            source: the name of the source.
            lines_before: the lines of the source before the part.
            places: the places, with texts from `text`.
            report: the report of all parts up to this one.

        Raises:
            OSError: the temporary file can't be written.
        """
        before_line = self._json({"source": source})[:-1] + b',"line":'
        end = b"\n" if self._redaction else b""
        for key, line, text in places.places():
            if text:
                text = self._redacted(text) if self._redaction else text  # noqa: PLW2901
                self._rows.add(key, b"%b%d%b%b" % (before_line, lines_before + line, text, end))
            elif key in report.warnings:
                self._rows.add(key, b"%b%d},%b" % (before_line, lines_before + line, end))

    def text(self, field: str | None, message: str) -> bytes:
        """Return the JSON that follows the line number of a place, with the comma after the place.

        It is not redacted: several processes make it, and `add` redacts it.
        """
        return b"," + json_line({"field": field, "message": message})[1:-1] + b","

    def pieces(self, report: Report, verdict: Verdict, exit_code: int) -> Iterator[bytes]:
        """Yield one line of JSON, piece by piece.

        Args:
            report: the report of all parts.
            verdict: whether the run passes.
            exit_code: the exit code of the command.
        """
        passed_over = self._json(report.passed_over.as_data())
        start = VERSION, report.records, passed_over, report.mapped
        yield b'{"version":%d,"records":%d,"passed_over":%b,"valid":%d' % start
        yield from self._findings("skipped", report.skipped)
        yield from self._findings("rejected", report.rejected)
        warnings = report.shown_warnings
        yield from self._warnings(warnings)
        yield b',"ignored_warnings":%d' % warnings.ignored
        told = json_line(checks_as_data(verdict) | {"exit_code": exit_code})
        yield b"," + told[1:]

    def _findings(self, kind: str, found: Findings) -> Iterator[bytes]:
        yield b',"%b":{' % kind.encode()
        for nth, (code, count) in enumerate(found.counts.items()):
            yield b'%b%b:{"count":%d,"places":[' % (b"," * (nth > 0), self._json(code), count)
            yield from self._places((kind, code))
            yield b"]}"
        yield b"}"

    def _warnings(self, found: CountedWarnings) -> Iterator[bytes]:
        yield b',"warnings":{'
        for nth, (code, warnings) in enumerate(found.by_code()):
            more = b',"more":%d' % found.more[code] if found.more[code] else b""
            start = self._json(code), found.counts[code], more
            yield b"," * (nth > 0) + b'%b:{"count":%d%b,"findings":[' % start
            for number, each in enumerate(warnings):
                yield b"," * (number > 0) + self._json(each.as_dict())[:-1] + b',"places":['
                yield from self._places(each.key)
                yield b"]}"
            yield b"]}"
        yield b"}"

    def _places(self, key: _Key) -> Iterator[bytes]:
        """Yield the places of a key with commas between them."""
        held = b""
        for rows in self._rows.read(key):
            yield held
            held = self._hidden(rows) if self._redaction else rows
        yield held[:-1]

    def _hidden(self, rows: bytes) -> bytes:
        """Return rows as one line in which also values are redacted that were found in other rows."""
        assert self._redaction  # noqa: S101 - the caller has seen to it
        found = (row[:-1] + b"\n" for row in rows.splitlines())
        return b"".join(redacted_line(self._redaction, row)[:-1] + b"," for row in found)

    def _redacted(self, text: bytes) -> bytes:
        """Return a text redacted; most places have one of few texts."""
        found = self._texts.get(text)
        if found is None:
            data = parse(b"{" + text[1:-1])
            found = b"," + self._json(data)[1:] + b","
            if len(text) <= _LONGEST and len(self._texts) < _MOST_TEXTS:
                self._texts[text] = found
        return found

    def _json(self, data: Any) -> bytes:
        return json_line(self._redaction.value("", data) if self._redaction else data)[:-1]
