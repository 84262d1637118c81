"""A raw line → the JSON in it: one value or several, with the digits of long numbers kept (segment.md 1)."""

import json
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson

from wootric_map.model import Rejection
from wootric_map.read.other_formats import conversion

_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_LONG: Final = b"0" * 20
_LONG_NEGATIVE: Final = b"-" + b"0" * 19
"""The fewest digits of an integer that no 64 bits hold, with 0 for each."""
_MOST: Final = b"18446744073709551615"
_LEAST: Final = b"9223372036854775808"
"""The last integers of 64 bits, up and down."""

_DEEPEST: Final = 100
"""Levels of objects and lists in which integers past 64 bits are looked for."""
_MOST_DIGITS: Final = 1_000
"""An integer of more digits is taken as the text of them."""

_IDS: Final = ("userId", "anonymousId", "previousId", "messageId")

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Any JSON escape; group 1 is half of a surrogate pair that lacks the other half."""

_NUMBER: Final = re.compile(
    rb'((?:"(?:[^"\\]++|\\.)*+"?|[^"0-9-]++)*+)(-?[0-9]++(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+|\Z)',
    re.DOTALL,
)
"""A number (group 2) and what stands before it from the last one on (group 1); at the end, no number."""
_BRACKET: Final = re.compile(rb'(?:"(?:[^"\\]++|\\.)*+"?|[^"{}\[\]]++)*+([{}\[\]]|\Z)', re.DOTALL)
"""A bracket (group 1) and what stands before it from the last one on; at the end, no bracket."""
_OPENING: Final = frozenset({b"{", b"["})
_BETWEEN: Final = re.compile(rb"(?:[ \t\r\n,]|\xef\xbb\xbf)*+")
"""What may stand between two records on a line; the mark begins a file that was joined to another."""
_SEPARATOR: Final = re.compile(r"[^\x00-\x1f\x7f-\U0010ffff'\"{}\[\]]{1,20}")
"""What a foreign separator may be to stand in a command: printable, and neither quote nor bracket."""

_SPLIT: Final = r"""jq -rR 'split("}}{0}{{\"") | join("}}\n{{\"") | rtrimstr("{0}")'"""
"""Puts records on lines of their own that have a text between them, which `jq -c .` cannot read."""


class Joined(NamedTuple):
    """Several JSON objects on one line, or one with commas around it."""

    line: bytes
    bounds: "array[int]"
    """Where each begins and ends, one behind the other."""
    breaks_off: bool
    """Whether the last is cut off."""

    def values(self) -> Iterator[bytes]:
        """Each object as a line of its own."""
        for begin, end in zip(self.bounds[::2], self.bounds[1::2], strict=True):
            yield self.line[begin:end]

    def parsed(self) -> Iterator[tuple[bytes, object]]:
        """Each object as a line of its own, and what `parse` returns for that."""
        last = self.bounds[-1]
        for each, end in zip(self.values(), self.bounds[1::2], strict=True):
            value = parse(each)
            if end == last and self.breaks_off and isinstance(value, Rejection):
                how = conversion("jq -c .", each)
                message = f"{value.message}; if it goes on in the next line, {how}"
                value = value._replace(message=message)
            yield each, value


class _Fault(NamedTuple):
    """What the parser says of a line that is no JSON."""

    message: str
    column: int
    """Counted from 1, in characters."""


def parse(line: bytes) -> object:
    """Read a line's JSON.

    Returns:
        The value; `Joined` where there are several; a `Rejection` where it is no JSON.
    """
    return with_exact_numbers(line, parse_roughly(line))


def parse_roughly(line: bytes) -> object:
    """Read a line's JSON as `parse` does, but for what `with_exact_numbers` has still to put right."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        value = _mended_value(line, error)
    if isinstance(value, _Fault):
        return _joined(line) or Rejection("invalid_json", None, _json_message(line, value))
    return value


def has_long_integer(line: bytes) -> bool:
    """Tell whether a line may hold an integer past 64 bits, which the fast parser takes for a float."""
    digits = line.translate(_DIGITS)
    return _LONG in digits or _LONG_NEGATIVE in digits


def with_exact_numbers(line: bytes, data: object) -> object:
    """Put the digits that stand in the line in place of floats that lost some.

    These are ids that are floats, which could make two users one, and become text; and integers past 64 bits
    anywhere in the traits and properties. Other numbers stay as they are: a double is all that the
    published destination has of them, too. A record has none of these that is ordinary
    (`ordinary.is_ordinary`) and without large numbers (`ordinary.has_large_number`).

    Args:
        line: the line.
        data: as `parse_roughly` gives it.
    """
    if isinstance(data, dict):
        if has_long_integer(line):
            exact = _reread(line, _quote_long)
            for record, its_exact in zip(_records(data), _records(exact), strict=True):
                _take_long_integers(record, its_exact)
        if _has_float_id(data):
            exact = _reread(line, _quote)
            for record, its_exact in zip(_records(data), _records(exact), strict=True):
                for field in _IDS:
                    if isinstance(value := record.get(field), float):
                        record[field] = _written_out(its_exact[field], value)
    return data


def as_object(value: object) -> dict[str, Any] | None:
    """The object that a value stands for (segment.md 1).

    Returns:
        The value itself, what an empty list or text that is a JSON object stands for; else None.
    """
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return None if value else {}
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        line = value.encode()
        held = _one_value(line)
        if not isinstance(held, dict):
            return None
        if has_long_integer(line):
            _put_long_integers(held, _reread(line, _quote_long))
        return held
    return None


def to_json(value: object) -> bytes:
    """Write a value as JSON, also one with integers past 64 bits or nested deeper than the fast writer goes.

    Raises:
        RecursionError: it is nested deeper still.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _one_value(line: bytes) -> object:
    """A line's JSON where it is one value, else what the parser says of it."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _mended_value(line, error)


def _mended_value(line: bytes, error: orjson.JSONDecodeError) -> object:
    """A line's JSON once it is mended, of which the parser says this; else what it says.

    JavaScript that cuts a text in the middle of an emoji writes half of a surrogate pair: JSON all the same,
    but no text, so the half becomes the replacement character.
    """
    mended = _ESCAPE.sub(_mend_escape, line) if "surrogate" in error.msg else line
    # The error itself would hold, in a cycle, the line and the frames of all callers.
    return _Fault(error.msg, error.colno) if mended == line else _one_value(mended)


def _mend_escape(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape[1] else escape[0]


def _outermost(line: bytes) -> Iterator[tuple[int, int]]:
    """Where each object or list begins and ends that stands in no other."""
    depth = begin = 0
    for found in _BRACKET.finditer(line):
        bracket = found[1]
        if bracket in _OPENING:
            if not depth:
                begin = found.start(1)
            depth += 1
        elif depth and bracket:
            depth -= 1
            if not depth:
                yield begin, found.end()


def _joined(line: bytes) -> Joined | None:
    """The objects on a line of several, be some of them broken; None where anything else stands between them.

    An object that breaks off takes what follows with it.
    """
    bounds, at, is_any_whole = array("Q"), 0, False
    for begin, end in _outermost(line):
        if not _BETWEEN.fullmatch(line, at, begin):
            return None
        is_any_whole = is_any_whole or not _is_broken(line[begin:end])
        bounds.extend((begin, end))
        at = end
    rest = _BETWEEN.match(line, at)
    at = rest.end() if rest else at
    breaks_off = line[at : at + 1] == b"{"
    if breaks_off:
        bounds.extend((at, len(line)))
    elif at < len(line):
        return None
    return Joined(line, bounds, breaks_off) if is_any_whole else None


def whole_part(line: bytes) -> bytes:
    """Return as much of a line that breaks off as is whole records; nothing where not even one is.

    Args:
        line: the line, without byte-order marks.
    """
    at = 0
    for begin, end in _outermost(line):
        if not _BETWEEN.fullmatch(line, at, begin) or _is_broken(line[begin:end]):
            break
        at = end
    return line[:at]


def _is_broken(piece: bytes) -> bool:
    return isinstance(_one_value(piece), _Fault)


def _json_message(line: bytes, fault: _Fault) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return (
            f"not UTF-8: byte 0x{line[error.start]:02x} at byte {error.start + 1}; save it as UTF-8"
        )
    problem = fault.message.split(":")[0]
    if problem.startswith("depth limit"):
        return "nested deeper than the 1,024 levels that are read; flatten it"
    advice = _several_message(line) or _preceded_message(line)
    if advice:
        return advice
    problem = problem[0].lower() + problem[1:]
    return f"not JSON: {problem}, at character {fault.column}; each line must hold one whole record"


def _several_message(line: bytes) -> str | None:
    """What to do about a line that begins with a whole object, behind which others may follow."""
    outermost = _outermost(line)
    begin, end = next(outermost, (0, 0))
    if not (end and _BETWEEN.fullmatch(line, 0, begin)):
        return None
    if _is_broken(line[begin:end]):
        return None
    separator = _foreign_separator(line, outermost, end)
    if separator is not None:
        shown = orjson.dumps(separator).decode()[1:-1]
        how = conversion(_SPLIT.format(shown), line)
        return f"not JSON: {separator} stands behind a record, where a new line belongs; {how}"
    at = len(line[:end].decode()) + 1
    return (
        f"not JSON: what follows at character {at} cannot be told apart from the record before it; "
        f"each line must hold one whole record; {conversion('jq -c .', line)}"
    )


def _preceded_message(line: bytes) -> str | None:
    """What to do about a line with a whole object behind something else, as a log has it."""
    begin = line.find(b'{"')
    if begin <= 0 or b"{" in line[:begin] or _is_broken(line[begin:]):
        return None
    at = len(line[:begin].decode()) + 1
    how = conversion("sed 's/^[^{]*//'", line)
    return (
        f"not JSON: a record begins only at character {at}; take off what stands before it; {how}"
    )


def _foreign_separator(line: bytes, outermost: Iterator[tuple[int, int]], end: int) -> str | None:
    """The text that stands behind each object of a line but the last, if there is one such text.

    Args:
        line: the line.
        outermost: where its objects stand, but for the first.
        end: where the first ends.
    """
    separator: bytes | None = None
    for following, next_end in outermost:
        if separator is None:
            separator = line[end:following]
        if line[end:following] != separator:
            return None
        end = next_end
    rest = line[end:].strip()
    if separator is None:
        separator = rest
    if rest not in (b"", separator.strip()):
        return None
    text = separator.decode()
    return text if _SEPARATOR.fullmatch(text) and not _BETWEEN.fullmatch(separator) else None


def _reread(line: bytes, quote: Any) -> dict[str, Any]:
    """The line's JSON once more, with numbers as text."""
    data = _one_value(_NUMBER.sub(quote, line))
    return data if isinstance(data, dict) else {}


def _quote(found: re.Match[bytes]) -> bytes:
    before, number = found.groups()
    return b'%b"%b"' % (before, number) if number else before


def _quote_long(found: re.Match[bytes]) -> bytes:
    before, number = found.groups()
    last, digits = (_LEAST, number[1:]) if number[:1] == b"-" else (_MOST, number)
    is_long = digits.isdigit() and (len(digits), digits) > (len(last), last)
    return b'%b"%b"' % (before, number) if is_long else found[0]


def _has_float_id(data: Mapping[str, Any]) -> bool:
    get = data.get
    return (
        type(get("userId")) is float
        or type(get("anonymousId")) is float
        or type(get("messageId")) is float
        or type(get("previousId")) is float
        or (
            "batch" in data
            and any(type(each.get(field)) is float for each in _records(data) for field in _IDS)
        )
    )


def _written_out(literal: object, value: float) -> str:
    """A number's own digits, all of them, without an exponent."""
    if not (isinstance(literal, str) and value):
        return "0"
    # A double that is not zero has no exponent that would make this long.
    text = format(Decimal(literal), "f")
    return text.rstrip("0").removesuffix(".") if "." in text else text


def _take_long_integers(record: dict[str, Any], exact: Mapping[str, Any]) -> None:
    """Put the integers past 64 bits into a record's traits and properties."""
    for field in ("traits", "properties"):
        if field in record:
            _put_long_integers(record[field], exact[field])
    context = record.get("context")
    if isinstance(context, dict) and "traits" in context:
        _put_long_integers(context["traits"], exact["context"]["traits"])


def _put_long_integers(value: object, exact: object) -> None:
    """Put the integers past 64 bits in place of the floats that they were read as.

    Args:
        value: what is changed.
        exact: the same, with these integers as text.
    """
    waiting: list[tuple[Any, Any]] = [(value, exact)]
    for _ in range(_DEEPEST):
        below: list[tuple[Any, Any]] = []
        for held, its_exact in waiting:
            if isinstance(held, dict):
                inner: Iterable[tuple[Any, Any]] = held.items()
            elif isinstance(held, list):
                inner = enumerate(held)
            else:
                continue
            for key, each in inner:
                if isinstance(each, float) and isinstance(its_exact[key], str):
                    digits = its_exact[key]
                    held[key] = int(digits) if len(digits) <= _MOST_DIGITS else digits
                elif isinstance(each, dict | list):
                    below.append((each, its_exact[key]))
        waiting = below


def _records(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The line itself, and the elements of its batch."""
    batch = data.get("batch")
    elements = batch if isinstance(batch, list) else ()
    return [record for record in (data, *elements) if isinstance(record, dict)]
