"""Recognising a file that is no export, to say once what it is rather than reject its every line."""

from collections.abc import Sequence
from typing import Final

from wootric_map.outcome import Rejection

_FORMATS: Final = (
    (b"\xff\xfe", "UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE > users.ndjson"),
    (b"\xfe\xff", "UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE > users.ndjson"),
    (b"PK\x03\x04", "a zip archive", "unzip -p FILE > users.ndjson"),
    (b"BZh", "bzip2 data", "bzcat FILE > users.ndjson"),
    (b"\xfd7zXZ\0", "xz data", "xzcat FILE > users.ndjson"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "zstdcat FILE > users.ndjson"),
)
_DELIMITERS: Final = (b",", b";", b"\t")

ARRAY_HINT: Final = (
    "looks like one JSON array, not one record a line; convert it: jq -c '.[]' FILE > users.ndjson"
)
"""Also said of a line that is an array (`not_an_object`)."""

_PRETTY_HINT: Final = (
    "looks like pretty-printed JSON, not one record a line; convert it: jq -c . FILE > users.ndjson"
)
_TABLE_HINT: Final = (
    "looks like CSV, not JSON; convert it, naming its columns in their order: tail -n +2 FILE | "
    """jq -cR 'split("{delimiter}") | {{type: "identify", userId: .[0], traits: {{email: .[1]}}}}' """
    "> users.ndjson"
)


def foreign_shape(lines: Sequence[bytes]) -> Rejection | None:
    """Tell whether a file's first lines are those of something else than an export.

    It says so only when sure: where any of them could be a record, each line is judged alone.

    Args:
        lines: the first lines, without a byte-order mark.

    Returns:
        None, or the one rejection for the whole file.
    """
    for start, name, conversion in _FORMATS:
        if lines and lines[0].startswith(start):
            return Rejection("invalid_json", None, f"looks like {name}; convert it: {conversion}")
    if lines and b"\0" in lines[0]:
        return Rejection("invalid_json", None, "looks like binary data, not text; unpack it first")
    texts = [text for line in lines if (text := line.strip())]
    if not texts:
        return None
    records = [text for text in texts if text.startswith(b"{") and text.endswith(b"}")]
    first, *more = texts
    if first == b"[" and more and (texts[-1] == b"]" or more[0] not in records):
        return Rejection("not_an_object", None, ARRAY_HINT)
    if records:
        return None
    if b"\0" in first:
        return Rejection("invalid_json", None, "looks like binary data, not text; unpack it first")
    if first.startswith(b"[{") and more and first.endswith((b",", b"{")):
        return Rejection("not_an_object", None, ARRAY_HINT)
    if first.startswith(b"{") and more and more[0].startswith(b'"'):
        return Rejection("invalid_json", None, _PRETTY_HINT)
    if first.startswith((b"{", b"[")):
        return None
    for delimiter in _DELIMITERS:
        if more and all(delimiter in text for text in texts[:2]):
            message = _TABLE_HINT.format(delimiter=delimiter.decode().replace("\t", "\\t"))
            return Rejection("invalid_json", None, message)
    return None
