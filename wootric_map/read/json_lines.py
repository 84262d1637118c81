"""A raw line → the JSON in it: one value, or several records on one line (segment.md 1)."""

import re
from array import array
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson

from wootric_map.model import Rejection
from wootric_map.read.exact_numbers import restore_long_integers, with_exact_numbers
from wootric_map.read.json_text import SyntaxFault, parse_repaired, parse_value
from wootric_map.read.other_formats import conversion

_BRACKET: Final = re.compile(rb'(?:"(?:[^"\\]++|\\.)*+"?|[^"{}\[\]]++)*+([{}\[\]]|\Z)', re.DOTALL)
"""A bracket (group 1) and what precedes it from the bracket before on; at the end, no bracket."""
_OPENING: Final = frozenset({b"{", b"["})
_BETWEEN: Final = re.compile(rb"(?:[ \t\r\n,]|\xef\xbb\xbf)*+")
"""What may stand between two records on a line. A byte-order mark does where files were joined."""
_SEPARATOR: Final = re.compile(r"[^\x00-\x1f\x7f-\U0010ffff'\"{}\[\]]{1,20}")
"""A separator of records that is safe to put into a command: printable, without quotes and brackets."""

_SPLIT: Final = r"""jq -rR 'split("}}{0}{{\"") | join("}}\n{{\"") | rtrimstr("{0}")'"""
"""The command for records with a text between them, which `jq -c .` cannot read: a line for each record."""


class Joined(NamedTuple):
    """Several JSON objects on one line, or a single object between commas."""

    line: bytes
    bounds: "array[int]"
    """Where the objects begin and end in the line: begin, end, begin, end, …"""
    breaks_off: bool
    """Whether the last object is cut off."""

    def values(self) -> Iterator[bytes]:
        """Yield each object as a line of its own."""
        for begin, end in zip(self.bounds[::2], self.bounds[1::2], strict=True):
            yield self.line[begin:end]

    def parsed(self) -> Iterator[tuple[bytes, object]]:
        """Yield each object as a line of its own, together with its JSON or a `Rejection`."""
        last = self.bounds[-1]
        for each, end in zip(self.values(), self.bounds[1::2], strict=True):
            value = parse(each)
            if end == last and self.breaks_off and isinstance(value, Rejection):
                how = conversion("jq -c .", each)
                message = f"{value.message}; if it goes on in the next line, {how}"
                value = value._replace(message=message)
            yield each, value


def parse(line: bytes) -> object:
    """Read the JSON of a line, with all digits of ids and long integers.

    Returns:
        The value; or `Joined` if the line holds several objects; or a `Rejection` if it is not JSON.
    """
    return with_exact_numbers(line, parse_roughly(line))


def parse_roughly(line: bytes) -> object:
    """Read the JSON of a line without the corrections of `exact_numbers.with_exact_numbers`.

    Returns:
        The value; or `Joined` if the line holds several objects; or a `Rejection` if it is not JSON.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        value = parse_repaired(line, error)
    if isinstance(value, SyntaxFault):
        return _joined(line) or Rejection("invalid_json", None, _json_message(line, value))
    return value


def as_object(value: object) -> dict[str, Any] | None:
    """Return the object that a value stands for, or None if it stands for none (segment.md 1).

    An object stands for itself, an empty list for an empty object, and text for the JSON object that it is.
    """
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return None if value else {}
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        line = value.encode()
        held = parse_value(line)
        if not isinstance(held, dict):
            return None
        restore_long_integers(line, held)
        return held
    return None


def _outermost(line: bytes) -> Iterator[tuple[int, int]]:
    """Yield the begin and end of each object and list that is not within another."""
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
    """Return the objects on a line that holds several, or None if anything else stands between them.

    Some objects may be broken, but not all. An object that breaks off takes the rest of the line with it.
    """
    bounds, at, is_any_valid = array("Q"), 0, False
    for begin, end in _outermost(line):
        if not _BETWEEN.fullmatch(line, at, begin):
            return None
        is_any_valid = is_any_valid or not _is_broken(line[begin:end])
        bounds.extend((begin, end))
        at = end
    rest = _BETWEEN.match(line, at)
    at = rest.end() if rest else at
    breaks_off = line[at : at + 1] == b"{"
    if breaks_off:
        bounds.extend((at, len(line)))
    elif at < len(line):
        return None
    return Joined(line, bounds, breaks_off) if is_any_valid else None


def whole_part(line: bytes) -> bytes:
    """Return the whole records at the beginning of a line that breaks off; nothing if there are none.

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
    return isinstance(parse_value(piece), SyntaxFault)


def _json_message(line: bytes, fault: SyntaxFault) -> str:
    """Return the message about a line that is not JSON: what is wrong, and what to do."""
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
    """Return the message about a line that begins with a whole object, or None for other lines."""
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
    """Return the message about a line with a whole object behind other text, as in a log, or None."""
    begin = line.find(b'{"')
    if begin <= 0 or b"{" in line[:begin] or _is_broken(line[begin:]):
        return None
    at = len(line[:begin].decode()) + 1
    how = conversion("sed 's/^[^{]*//'", line)
    return (
        f"not JSON: a record begins only at character {at}; take off what stands before it; {how}"
    )


def _foreign_separator(line: bytes, outermost: Iterator[tuple[int, int]], end: int) -> str | None:
    """Return the text that separates all objects on a line, or None if no such text does.

    Args:
        line: a line that begins with an object.
        outermost: the begins and ends of the objects that follow the first one.
        end: where the first object ends.
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
