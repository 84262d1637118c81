"""One JSON value in a text, read as leniently as exports need it (segment.md 1)."""

import json
import re
from typing import Final, NamedTuple

import orjson

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""A JSON escape. Group 1 is half of a surrogate pair without the other half."""


class SyntaxFault(NamedTuple):
    """What the parser says of a text that is not JSON."""

    message: str
    column: int
    """Counted from 1, in characters."""


def parse_value(text: bytes) -> object:
    """Return the JSON value that a text is, or a `SyntaxFault`.

    Integers beyond 64 bits become floats.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return parse_repaired(text, error)


def parse_repaired(text: bytes, error: orjson.JSONDecodeError) -> object:
    """Return the JSON value of a text with halves of surrogate pairs replaced, or a `SyntaxFault`.

    JavaScript that cuts a text within an emoji writes half of a surrogate pair, which is JSON but not text.
    The half becomes the replacement character.

    Args:
        text: a text that the parser refuses.
        error: the parser's error.
    """
    repaired = _ESCAPE.sub(_replace_half_pair, text) if "surrogate" in error.msg else text
    # The error is not kept: with it, the text and the frames of all callers would stay in memory.
    return SyntaxFault(error.msg, error.colno) if repaired == text else parse_value(repaired)


def _replace_half_pair(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape[1] else escape[0]


def to_json(value: object) -> bytes:
    """Write a value as JSON, including integers beyond 64 bits and nesting too deep for the fast writer.

    Raises:
        RecursionError: `value` is nested too deep for either writer.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
