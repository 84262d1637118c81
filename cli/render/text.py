"""Text that is safe to show: what an export holds is shown, never obeyed."""

import json
import re
from typing import Final

import click

from wootric_map.read.json_text import to_json

_UNSAFE: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ud800-\\udfff\\ufff9-\\ufffb\\U000e0000-\\U000e007f]"
)
"""Control characters, and those that reorder or hide what stands around them."""

_UNSAFE_IN_JSON: Final = re.compile(_UNSAFE.pattern.replace("\\x00-\\x1f", ""))

_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

LONGEST: Final = 200
"""Characters of one value that are shown."""


def printable(text: str, limit: int | None = LONGEST) -> str:
    """A text for a terminal: unsafe characters as escapes, and cut where it is too long."""
    if limit is not None and len(text) > limit:
        text = f"{text[:limit]}… ({len(text):,} characters)"
    return _UNSAFE.sub(_escape, text)


def json_line(data: object) -> bytes:
    """An object as a line of JSON that a terminal does not obey either."""
    line = to_json(data) + b"\n"
    if line.isascii() and b"\x7f" not in line:
        return line  # orjson has escaped all other control characters
    return _UNSAFE_IN_JSON.sub(_escape_in_json, line.decode()).encode()


def quoted(value: object) -> str:
    """A value of the export as JSON, safe to show."""
    if isinstance(value, str):
        # Cut first: escaping megabytes of nothing to show two hundred characters is a waste.
        cut = printable(value)
        return f'"{cut.replace(chr(34), chr(92) + chr(34))}"'
    return printable(to_json(value).decode())


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 record`, `2 records`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def by_number(count: int, one: str, many: str) -> str:
    """Return the word that goes with so many: `one` with 1, else `many`."""
    return one if count == 1 else many


def styled(text: str, **style: object) -> str:
    """The text in a style, which click takes off again where output is not to be coloured."""
    return click.style(text, **style)  # type: ignore[arg-type]


def _escape_in_json(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]  # beyond U+FFFF it takes two escapes


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code > 0xFFFF:  # noqa: PLR2004
        return f"\\U{code:08x}"
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")  # noqa: PLR2004
