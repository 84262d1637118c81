"""Any bytes as an export: each line comes once, however it is cut, and each record has one outcome."""

import io
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Final

from wootric_map.mapping.entries import Entry, ReadingOptions, read_entries
from wootric_map.mapping.settings import Mapped
from wootric_map.model import REJECTIONS, MappingWarning, Rejection, Skip
from wootric_map.read.files import STDIN, Source
from wootric_map.read.lines import Line, read_lines
from wootric_map.read.parts import parts

_LONGEST: Final = 4_096
"""Bytes of a line: little, so that short inputs have longer ones."""
_MARK: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_OF_A_FILE: Final = {"truncated_input", "line_too_long"}

_SAMPLES: Final = Path(__file__).parents[2] / "sample_events"


def seeds() -> Iterator[bytes]:
    """Exports of many shapes."""
    for path in sorted(_SAMPLES.rglob("*")):
        if path.suffix in {".ndjson", ".json", ".jsonl"}:
            yield path.read_bytes()[:8_000]
    identify = b'{"type":"identify","userId":"1","traits":{"email":"ada@example.com","seats":3}}'
    track = b'{"type":"track","userId":"1","event":"Signed Up","timestamp":"2024-01-02T03:04:05Z"}'
    page = b'{"type":"page","anonymousId":"a","properties":{"path":"/","n":[1,{"x":null}]}}'
    yield b"\n".join((identify, track, page))
    yield identify + track + page  # as Firehose joins them
    yield b",\r\n".join((b"[" + identify, track, page + b"]"))
    yield _MARK + identify + b"\n" + _MARK + track + b"\n\n \n" + page[:40]
    yield b'{"batch":[' + identify + b"," + track + b'],"sentAt":"2024-01-02T03:04:05Z"}\n'
    yield b'{"type":"identify","userId":12345678901234567890123,"traits":{"age":1e400,"e":"\\ud83d"}}'
    yield b'{"type":"alias","previousId":"undefined","userId":"1"}\nnull\n[]\n{}\n{"type":3}\n"x"\n'
    yield b"user_id,email,received_at\n1,ada@example.com,2024-01-02 03:04:05 UTC\n"
    yield b'{"user_id":"1","email":"a@b.co","context_traits":"{\\"plan\\":\\"pro\\"}","event":"x"}\n'
    yield b'{\0(\0"\x01\x10\0\0\0\0\0\0}'  # UTF-16 that begins and ends like a record
    yield b'{"source":"a","line":1,"code":"missing_event","record":"{\\"type\\":\\"track\\"}"}\n'


def check(data: bytes) -> None:
    """Read it whole and in parts."""
    if data.startswith(_GZIP):
        return  # see packed.py
    whole = list(_lines(data))
    _check_each_once(data, whole)
    for size in (1, 64, 700):
        for given, cut in zip_longest(whole, _lines_of_parts(data, size)):
            assert given == cut, (size, given, cut)
    for each in read_entries([_SOURCE], _OPTIONS, stdin=io.BytesIO(data)):
        _check_entry(each)


_SOURCE: Final = Source(STDIN, None, None)
_OPTIONS: Final = ReadingOptions(max_line_bytes=_LONGEST)


def _lines(data: bytes) -> Iterator[Line]:
    yield from read_lines(_SOURCE, stdin=io.BytesIO(data), max_line_bytes=_LONGEST)


def _lines_of_parts(data: bytes, size: int) -> Iterator[Line]:
    before = 0
    stdin = io.BytesIO(data)
    for part in parts(_SOURCE, size, stdin=stdin, max_line_bytes=_LONGEST):
        number = 0
        for line in read_lines(part, stdin=io.BytesIO(), max_line_bytes=_LONGEST):
            number = line.number
            yield line._replace(number=before + line.number)
        before += number


def _check_each_once(data: bytes, lines: list[Line]) -> None:
    there = {
        number: content
        for number, raw in enumerate(data.split(b"\n"), 1)
        if (content := _content(raw)) is not None
    }
    given = [line.number for line in lines]
    assert given == sorted(set(given)), given
    assert set(given) <= there.keys()
    for line in lines:
        if isinstance(line.content, bytes):
            assert line.content == there[line.number], line
            assert data[line.offset :].startswith(line.content), line
        else:
            assert isinstance(line.content, Rejection), line
    # One rejection may stand for all of a file that is no export, or for what is foreign before one.
    is_foreign = lines and isinstance(lines[0].content, Rejection)
    if not is_foreign:
        assert given == list(there)


def _content(raw: bytes) -> bytes | None:
    """The line without its ending and marks; None if it is blank."""
    content = raw.removesuffix(b"\r")
    while content.startswith(_MARK):
        content = content[len(_MARK) :]
    return content if content.strip() else None


def _check_entry(entry: Entry) -> None:
    outcome = entry.outcome
    assert isinstance(outcome, Mapped | Skip | Rejection), outcome
    if isinstance(outcome, Rejection):
        assert outcome.code in REJECTIONS
    if not entry.raw or (isinstance(outcome, Rejection) and outcome.code in _OF_A_FILE):
        return
    assert b"\n" not in entry.raw
    part = Source(STDIN, None, None, nth=1, held=entry.raw)
    options = ReadingOptions(max_line_bytes=max(len(entry.raw), 1))
    again = [
        each.outcome
        for each in read_entries([part], options, stdin=io.BytesIO())
        if not isinstance(each.outcome, MappingWarning)
    ]
    assert len(again) == 1, (entry.raw, again)
    assert type(again[0]) is type(outcome), (entry.raw, outcome, again)
    if isinstance(outcome, Mapped):
        assert again[0] == outcome, (entry.raw, outcome, again)
    else:
        assert getattr(again[0], "code", None) == outcome.code, (entry.raw, outcome, again)
