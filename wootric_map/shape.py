"""Recognising a file that is no export, to say once what it is rather than reject its every line."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from wootric_map.outcome import Rejection

_FORMATS: Final = (
    (b"\xff\xfe", "UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE > users.ndjson"),
    (b"\xfe\xff", "UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE > users.ndjson"),
    (b"PK\x03\x04", "a zip archive", "unzip -p FILE > users.ndjson"),
    (b"BZh", "bzip2 data", "bzcat FILE > users.ndjson"),
    (b"\xfd7zXZ\0", "xz data", "xzcat FILE > users.ndjson"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "zstdcat FILE > users.ndjson"),
)
_DELIMITERS: Final = (b",", b";", b"\t", b"|")

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


class Foreign(NamedTuple):
    """A file that is no export."""

    rejection: Rejection
    """The one rejection for all of it."""
    sure: bool
    """Whether nothing in it can be a record; else one may turn up behind a foreign beginning."""


WINDOW: Final = 20
"""How many first lines are looked at."""


def looks_like_record(line: bytes) -> bool:
    """Whether a line is the outside of a JSON object; what is in it is judged elsewhere."""
    text = line.strip()
    return text.startswith(b"{") and text.endswith(b"}")


def foreign_shape(lines: Sequence[bytes]) -> Foreign | None:
    """Tell whether a file's first lines are those of something else than an export.

    It says so only where none of them looks like a record; else each line is judged alone.

    Args:
        lines: the first lines that are not blank, up to `WINDOW` or to the first that looks like a
            record, without a byte-order mark.
    """
    if not lines:
        return None
    for start, name, conversion in _FORMATS:
        if lines[0].startswith(start):
            return _foreign(
                "invalid_json", f"looks like {name}; convert it: {conversion}", sure=True
            )
    first, *more = (line.strip() for line in lines)
    if more and not looks_like_record(more[0]):
        inside = more[0].startswith((b"{", b'"', b"]", b","))
        if first == b"[" or (inside and first.startswith(b"[{") and not first.endswith(b"]")):
            return _foreign("not_an_object", ARRAY_HINT, sure=True)
        if first.startswith(b"{") and not first.endswith(b"}") and more[0].startswith(b'"'):
            return _foreign("invalid_json", _PRETTY_HINT)
    if any(looks_like_record(line) for line in lines):
        return None
    if b"\0" in first:
        return _foreign(
            "invalid_json", "looks like binary data or UTF-16, not UTF-8 text; convert it first"
        )
    if first.startswith((b"{", b"[")):
        return None
    for delimiter in _DELIMITERS:
        if more and delimiter in first and delimiter in more[0]:
            shown = delimiter.decode().replace("\t", "\\t")
            return _foreign("invalid_json", _TABLE_HINT.format(delimiter=shown))
    if len(lines) == WINDOW and not any(line.lstrip().startswith((b"{", b"[")) for line in lines):
        return _foreign("invalid_json", "looks like text, not JSON; is it the file you meant?")
    return None


def _foreign(code: str, message: str, *, sure: bool = False) -> Foreign:
    return Foreign(Rejection(code, None, message), sure)
