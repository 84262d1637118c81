"""Files that are not exports are recognised, so that one message says what they are.

A message names a conversion as `convert it: COMMAND FILE > users.ndjson` or
`convert it: COMMAND FILE | COMMAND > users.ndjson`. What a person must provide stands before the colon.
`for_file` turns the command into one for a gzipped file.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import orjson

from wootric_map.model import Rejection
from wootric_map.read.gzip import LEVELS, MAGIC

BOM: Final = b"\xef\xbb\xbf"
"""The byte-order mark of UTF-8."""

_CONVERT: Final = "convert it"
_FILE: Final = "FILE"
_UNPACKED: Final = "unpacked"
"""The name of the unpacked file in a command whose tool reads no pipe."""
_NEED_A_FILE: Final = frozenset({"7z", "duckdb", "python3", "sqlite3", "unzip"})

_UTF16: Final = "UTF-16 text", ": iconv -f UTF-16 -t UTF-8 FILE > users.ndjson"
_UTF16_LE: Final = "UTF-16 text", ": iconv -f UTF-16LE -t UTF-8 FILE > users.ndjson"
_UTF16_BE: Final = "UTF-16 text", ": iconv -f UTF-16BE -t UTF-8 FILE > users.ndjson"
_UTF32: Final = "UTF-32 text", ": iconv -f UTF-32 -t UTF-8 FILE > users.ndjson"
_FORMATS: Final = (
    (b"\xff\xfe\0\0", _UTF32),
    (b"\0\0\xfe\xff", _UTF32),
    (b"\xff\xfe", _UTF16),
    (b"\xfe\xff", _UTF16),
    (b"PK\x03\x04", ("a zip archive", ": unzip -p FILE -x '__MACOSX/*' > users.ndjson")),
    (b"7z\xbc\xaf\x27\x1c", ("a 7z archive", ": 7z x -so FILE > users.ndjson")),
    (b"BZh", ("bzip2 data", ": bzcat FILE > users.ndjson")),
    (b"\xfd7zXZ\0", ("xz data", ": xzcat FILE > users.ndjson")),
    (b"\x28\xb5\x2f\xfd", ("zstd data", ": zstdcat FILE > users.ndjson")),
    (b"\x04\x22\x4d\x18", ("lz4 data", ": lz4 -dc FILE > users.ndjson")),
    (b"\xff\x06\0\0sNaPpY", ("snappy data", ": snzip -dc FILE > users.ndjson")),
    (b"\x1f\x9d", ("data of compress", ": gzip -dc FILE > users.ndjson")),
    (b"Obj\x01", ("an Avro file", ", with fastavro from PyPI: fastavro FILE > users.ndjson")),
    (
        b"SQLite format 3\0",
        (
            "a SQLite database",
            ", naming its table: sqlite3 -json FILE 'SELECT * FROM records' | jq -c '.[]' "
            "> users.ndjson",
        ),
    ),
)
"""The first bytes of a format, its name, and what follows `convert it` in the message."""
_FORMATS_LIKE_TEXT: Final = (
    (
        b"PAR1",
        (
            "a Parquet file",
            """, with DuckDB: duckdb -jsonlines -c "FROM read_parquet('FILE')" > users.ndjson""",
        ),
    ),
    (
        b"ORC",
        (
            "an ORC file",
            ", with pyarrow from PyPI: python3 -c 'import json, sys, pyarrow.orc as o; "
            "[print(json.dumps(r, default=str)) for r in o.read_table(sys.argv[1]).to_pylist()]' "
            "FILE > users.ndjson",
        ),
    ),
)
"""Formats whose first bytes a text may begin with, too."""
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")
"""Bytes that no text has."""
_SEARCHED_BYTES: Final = 512
_SEARCHED_LINES: Final = 5
"""Bytes that no text has are searched in the first `_SEARCHED_BYTES` of the first `_SEARCHED_LINES`."""
_TAR: Final = "a tar archive", ": tar -xO --exclude '._*' -f FILE > users.ndjson"
_TAR_MAGIC: Final = b"ustar"
_TAR_MAGIC_AT: Final = 257
_NESTED_GZIP: Final = f"gzip within gzip, more than {LEVELS} deep", ": gzip -dc FILE > users.ndjson"

_DELIMITERS: Final = (b",", b";", b"\t", b"|")

ARRAY_HINT: Final = (
    "looks like one JSON array, not one record a line; convert it: jq -c '.[]' FILE > users.ndjson"
)
"""The message about a file that is an array, and about a line that is one (`not_an_object`)."""

_PRETTY_HINT: Final = (
    "looks like pretty-printed JSON, not one record a line; convert it: jq -c . FILE > users.ndjson"
)
_TABLE_HINT: Final = (
    "looks like CSV, not JSON; convert it, naming its columns in their order: tail -n +2 FILE | "
    """jq -cR 'split("{delimiter}") | {{type: "identify", userId: .[0], traits: {{email: .[1]}}}}' """
    "> users.ndjson"
)
_JOINED_HINT: Final = (
    "if it is many records with nothing between them, convert it: jq -c . FILE > users.ndjson"
)
_ESCAPED_NEWLINE_HINT: Final = (
    "where its lines should end stands {newline}, written out; convert it: "
    r"""sed 's/}}{pattern}{{"/}}\n{{"/g; s/}}{pattern}$/}}/' FILE > users.ndjson"""
)


class Foreign(NamedTuple):
    """A file that is not an export, or does not begin like one."""

    rejection: Rejection
    """The single rejection that stands for all of the file, or for its beginning."""
    sure: bool
    """Whether no record can follow in the file."""


WINDOW: Final = 20
"""How many lines at the beginning of a file are examined."""


def looks_like_record(line: bytes) -> bool:
    """Tell whether a line begins and ends like a JSON object."""
    text = line.removeprefix(BOM).strip()
    return text.startswith(b"{") and text.endswith(b"}")


def begins_export(line: bytes) -> bool:
    """Tell whether the first line of a file is enough to know that the file is an export.

    A line with a byte that no text has may be the beginning of another format, whatever else it looks like.
    """
    return looks_like_record(line) and not _CONTROL.search(line, 0, _SEARCHED_BYTES)


def for_file(rejection: Rejection, gzip_levels: int) -> Rejection:
    """Return a rejection with a conversion in its message that works on the file as it is stored.

    Args:
        rejection: the rejection of a record or of a whole file. Its message names the conversion of a plain
            file, or none.
        gzip_levels: how many times the file is gzipped; 0 for a plain file.
    """
    if not gzip_levels:
        return rejection
    before, found, after = rejection.message.rpartition(_CONVERT)
    condition, colon, command = after.partition(": ")
    tool, file, rest = command.partition(_FILE)
    if not (found and file):
        return rejection
    unpack = " | ".join(["gzip -dc FILE", *["gzip -dc"] * (gzip_levels - 1)])
    name = tool.partition(" ")[0]
    if name in _NEED_A_FILE:
        command = f"{unpack} > {_UNPACKED} && {tool}{_UNPACKED}{rest}"
    elif name == "tar":
        command = f"{unpack} | {tool}-{rest}"
    else:
        command = f"{unpack} | {tool.rstrip()}{rest}"
    return rejection._replace(message=f"{before}{_CONVERT}{condition}{colon}{command}")


def escaped_newline_hint(line: bytes) -> str | None:
    """Return the advice about records with a backslash and an n between them instead of a line ending.

    Args:
        line: a line that is not JSON.

    Returns:
        What is wrong and the conversion, or None if something else is wrong with the line.
    """
    for newline in (rb"\n", rb"\r\n"):
        end = line.find(b"}" + newline + b'{"') + 1
        if not end and line.endswith(b"}" + newline):
            end = len(line) - len(newline)
        if end:
            try:
                orjson.loads(line[:end])
            except orjson.JSONDecodeError:
                continue  # the backslash is part of a text, or something else is wrong
            shown = newline.decode()
            return _ESCAPED_NEWLINE_HINT.format(newline=shown, pattern=shown.replace("\\", "\\\\"))
    return None


def long_line_hint(line: bytes) -> str:
    """Return what a line over the limit may be if it is not a record, as the end of a sentence.

    Args:
        line: the beginning of the line.

    Returns:
        The hint with a semicolon before it, or empty text.
    """
    if line.startswith(b"["):
        return f"; the file {ARRAY_HINT}"
    hint = escaped_newline_hint(line)
    if hint is None and b'}{"' in line:
        hint = _JOINED_HINT
    return f"; {hint}" if hint else ""


def foreign_shape(lines: Sequence[bytes], gzip_levels: int = 0) -> Foreign | None:
    """Return what a file is if its first lines are not those of an export, else None.

    Args:
        lines: the first lines that are not blank, without a byte-order mark: `WINDOW` lines, or fewer if one
            of them looks like a record, which is the last.
        gzip_levels: how many times the file is gzipped.
    """
    foreign = _foreign_shape(lines, gzip_levels)
    return foreign and foreign._replace(rejection=for_file(foreign.rejection, gzip_levels))


def _foreign_shape(lines: Sequence[bytes], gzip_levels: int) -> Foreign | None:
    """Return what a file is if it is not an export, with the conversion of a plain file."""
    if not lines:
        return None
    found = _format(lines, gzip_levels)
    if found:
        name, conversion = found
        return _foreign("invalid_json", f"looks like {name}; {_CONVERT}{conversion}", sure=True)
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
    if first.startswith((b"{", b"[")) or any(map(_holds_record, lines)):
        return None
    for delimiter in _DELIMITERS:
        if more and delimiter in first and delimiter in more[0]:
            shown = delimiter.decode().replace("\t", "\\t")
            return _foreign("invalid_json", _TABLE_HINT.format(delimiter=shown))
    if len(lines) == WINDOW and not any(line.lstrip().startswith((b"{", b"[")) for line in lines):
        return _foreign("invalid_json", "looks like text, not JSON; is it the file you meant?")
    return None


def _holds_record(line: bytes) -> bool:
    """Tell whether a line may hold a record that is quoted as text, or stands behind other text."""
    if line.startswith(b'"'):
        return b"{" in line
    return b'{"' in line and line.endswith(b"}")


def _format(lines: Sequence[bytes], gzip_levels: int) -> tuple[str, str] | None:
    """Return the name of a file's format, and what follows `convert it` in the message; None for text.

    Args:
        lines: the first lines.
        gzip_levels: how many times the file is gzipped.
    """
    first = lines[0]
    for start, found in _FORMATS:
        if first.startswith(start):
            return found
    if any(_CONTROL.search(line, 0, _SEARCHED_BYTES) for line in lines[:_SEARCHED_LINES]):
        for start, found in _FORMATS_LIKE_TEXT:
            if first.startswith(start):
                return found
        if first.startswith(_TAR_MAGIC, _TAR_MAGIC_AT):
            return _TAR
        if gzip_levels >= LEVELS and first.startswith(MAGIC):
            return _NESTED_GZIP
        if first[1:4:2] == b"\0\0" and _is_text(first[:4:2]):
            return _UTF16_LE
        if first[:4:2] == b"\0\0" and _is_text(first[1:4:2]):
            return _UTF16_BE
    return None


def _is_text(characters: bytes) -> bool:
    return characters.isascii() and not _CONTROL.search(characters)


def _foreign(code: str, message: str, *, sure: bool = False) -> Foreign:
    return Foreign(Rejection(code, None, message), sure)
