"""Recognising a file that is no export, to say once what it is rather than reject its every line.

A message that names a conversion writes it as `convert it: COMMAND FILE > users.ndjson` or
`convert it: COMMAND FILE | COMMAND > users.ndjson`; what a person has to see to stands before the colon.
`for_file` makes of it a command for a gzipped file.
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
"""The first bytes of a format; its name, and what follows `convert it`."""
_ALSO_OF_TEXT: Final = (
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
"""Formats whose first bytes a text may have, too."""
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")
"""Bytes that no text has."""
_LOOKED_AT: Final = 512
_LINES_LOOKED_AT: Final = 5
"""Where bytes that no text has are looked for: the first bytes of the first lines."""
_TAR: Final = "a tar archive", ": tar -xO --exclude '._*' -f FILE > users.ndjson"
_TAR_MAGIC: Final = b"ustar"
_TAR_MAGIC_AT: Final = 257
_DEEPER: Final = f"gzip within gzip, more than {LEVELS} deep", ": gzip -dc FILE > users.ndjson"

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
_JOINED_HINT: Final = (
    "if it is many records with nothing between them, convert it: jq -c . FILE > users.ndjson"
)
_ESCAPED_NEWLINE_HINT: Final = (
    "where its lines should end stands {newline}, written out; convert it: "
    r"""sed 's/}}{pattern}{{"/}}\n{{"/g; s/}}{pattern}$/}}/' FILE > users.ndjson"""
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
    text = line.removeprefix(BOM).strip()
    return text.startswith(b"{") and text.endswith(b"}")


def for_file(rejection: Rejection, packed: int) -> Rejection:
    """Return a rejection whose message names a conversion that works on a file as it is stored.

    Args:
        rejection: of a record or of a whole file; its message names the conversion of a plain file, or none.
        packed: how many times the file is gzipped; 0 for a plain one.
    """
    if not packed:
        return rejection
    before, found, after = rejection.message.rpartition(_CONVERT)
    condition, colon, command = after.partition(": ")
    tool, file, rest = command.partition(_FILE)
    if not (found and file):
        return rejection
    unpack = " | ".join(["gzip -dc FILE", *["gzip -dc"] * (packed - 1)])
    name = tool.partition(" ")[0]
    if name in _NEED_A_FILE:
        command = f"{unpack} > {_UNPACKED} && {tool}{_UNPACKED}{rest}"
    elif name == "tar":
        command = f"{unpack} | {tool}-{rest}"
    else:
        command = f"{unpack} | {tool.rstrip()}{rest}"
    return rejection._replace(message=f"{before}{_CONVERT}{condition}{colon}{command}")


def escaped_newline_hint(line: bytes) -> str | None:
    """Return what mends a line of records that are told apart by a backslash and an n.

    Args:
        line: a line that does not parse.

    Returns:
        What is wrong and the conversion; None if something else is wrong with the line.
    """
    for newline in (rb"\n", rb"\r\n"):
        end = line.find(b"}" + newline + b'{"') + 1
        if not end and line.endswith(b"}" + newline):
            end = len(line) - len(newline)
        if end:
            try:
                orjson.loads(line[:end])
            except orjson.JSONDecodeError:
                continue  # it stands in a text, or something else is wrong
            shown = newline.decode()
            return _ESCAPED_NEWLINE_HINT.format(newline=shown, pattern=shown.replace("\\", "\\\\"))
    return None


def long_line_hint(line: bytes) -> str:
    """Return what a line past the limit may be if it is no record, to be put behind a sentence.

    Args:
        line: its beginning.
    """
    if line.startswith(b"["):
        return f"; the file {ARRAY_HINT}"
    hint = escaped_newline_hint(line)
    if hint is None and b'}{"' in line:
        hint = _JOINED_HINT
    return f"; {hint}" if hint else ""


def foreign_shape(lines: Sequence[bytes], packed: int = 0) -> Foreign | None:
    """Tell whether a file's first lines are those of something else than an export.

    It says so only where none of them looks like a record; else each line is judged alone.

    Args:
        lines: the first lines that are not blank, up to `WINDOW` or to the first that looks like a
            record, without a byte-order mark.
        packed: how many times the file is gzipped.
    """
    foreign = _foreign_shape(lines, packed)
    return foreign and foreign._replace(rejection=for_file(foreign.rejection, packed))


def _foreign_shape(lines: Sequence[bytes], packed: int) -> Foreign | None:
    if not lines:
        return None
    found = _format(lines, packed)
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
    """Whether a line may hold a record that is written as a text, or behind something else."""
    if line.startswith(b'"'):
        return b"{" in line
    return b'{"' in line and line.endswith(b"}")


def _format(lines: Sequence[bytes], packed: int) -> tuple[str, str] | None:
    """The name of the format that begins with these lines, and what follows `convert it`."""
    first = lines[0]
    for start, found in _FORMATS:
        if first.startswith(start):
            return found
    if any(_CONTROL.search(line, 0, _LOOKED_AT) for line in lines[:_LINES_LOOKED_AT]):
        for start, found in _ALSO_OF_TEXT:
            if first.startswith(start):
                return found
        if first.startswith(_TAR_MAGIC, _TAR_MAGIC_AT):
            return _TAR
        if packed >= LEVELS and first.startswith(MAGIC):
            return _DEEPER
        if first[1:4:2] == b"\0\0" and _is_text(first[:4:2]):
            return _UTF16_LE
        if first[:4:2] == b"\0\0" and _is_text(first[1:4:2]):
            return _UTF16_BE
    return None


def _is_text(characters: bytes) -> bool:
    return characters.isascii() and not _CONTROL.search(characters)


def _foreign(code: str, message: str, *, sure: bool = False) -> Foreign:
    return Foreign(Rejection(code, None, message), sure)
