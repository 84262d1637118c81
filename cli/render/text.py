"""Text that is safe to show on a terminal, whatever an export holds."""

import json
import re
from collections.abc import Mapping
from typing import Final

import click

from wootric_map.read.json_text import to_json

_UNSAFE: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ud800-\\udfff\\ufff9-\\ufffb\\U000e0000-\\U000e007f]"
)
"""Control characters, and characters that reorder or hide others."""

_UNSAFE_IN_JSON: Final = re.compile(_UNSAFE.pattern.replace("\\x00-\\x1f", ""))

_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

LONGEST: Final = 200
"""The number of characters of one value that are shown."""


def printable(text: str, limit: int | None = LONGEST) -> str:
    """Return a text for a terminal: unsafe characters are escaped, and a long text is cut."""
    if limit is not None and len(text) > limit:
        text = f"{text[:limit]}… ({len(text):,} characters)"
    if text.isascii() and text.isprintable():
        return text  # as nearly all texts are
    return _UNSAFE.sub(_escape, text)


def json_line(data: object) -> bytes:
    """Return an object as a line of JSON without unsafe characters."""
    return safe_json(to_json(data) + b"\n")


def safe_json(line: bytes) -> bytes:
    """Return a line of JSON, of whichever writer, without unsafe characters."""
    if line.isascii() and b"\x7f" not in line:
        return line  # orjson has escaped all other control characters
    return _UNSAFE_IN_JSON.sub(_escape_in_json, line.decode()).encode()


def quoted(value: object) -> str:
    """Return a value of the export as JSON, safe to show."""
    if isinstance(value, str):
        # Cut first, since a value may have megabytes.
        cut = printable(value)
        return f'"{cut.replace(chr(34), chr(92) + chr(34))}"'
    return printable(to_json(value).decode())


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: `1 record`, `2 records`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


_SURVEYS: Final = (
    ("response", "survey response"),
    ("decline", "survey decline"),
    ("surveys_off", "survey opt-out"),
)


def surveys(counts: Mapping[str, int]) -> str:
    """Return how many calls there are about surveys, to go on a list with; empty if there are none.

    Args:
        counts: the numbers of `response`, `decline` and `surveys_off`.
    """
    found = (plural(counts[kind], name) for kind, name in _SURVEYS if counts[kind])
    return "".join(f", {each}" for each in found)


def by_number(count: int, one: str, many: str) -> str:
    """Return `one` for a count of 1, else `many`."""
    return one if count == 1 else many


def styled(text: str, **style: object) -> str:
    """Return a text in a style, which click removes if output is not coloured."""
    return click.style(text, **style)  # type: ignore[arg-type]


def _escape_in_json(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]  # a character beyond U+FFFF takes two escapes


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code > 0xFFFF:  # noqa: PLR2004
        return f"\\U{code:08x}"
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")  # noqa: PLR2004
