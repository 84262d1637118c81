"""Files that this program writes itself are recognised, since they are not exports."""

import os
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from wootric_map.errors import GzipError
from wootric_map.model import CALLS
from wootric_map.read.gzip import MAGIC, gunzip

_BOM: Final = b"\xef\xbb\xbf"
_NAMES: Final = (b'"as_of"', b'"wootric_replay_plan"', b'"end_user"', b'"end"', b'"plan"')
"""Names of fields. Every line of this program's own files holds one of them."""
_LONGEST: Final = 1024 * 1024
"""Bytes of a line that are examined."""
_LINES: Final = 100
"""Lines that are examined beside the first and the last one."""
_ACCOUNT: Final = re.compile(r"[0-9a-f]{12}")
_RECORD_FIELDS: Final = frozenset(
    {"batch", "userId", "anonymousId", "traits", "event", "context", "messageId"}
)
"""Fields that lines of an export have, and lines of this program's own files do not."""


class OwnFile(NamedTuple):
    """A kind of file that this program writes."""

    kind: str
    """The name of the kind, without an article."""
    advice: str
    """What to do with such a file; braces stand for the word that names the file."""

    @property
    def message(self) -> str:
        """The message about a file of this kind that is given as an export."""
        return f"this is a {self.kind}, not an export: {self.use()}"

    def use(self, count: int = 1) -> str:
        """Return what to do with such a file, one of `count`, for the end of a sentence."""
        return self.advice.format("it" if count == 1 else "one")


SNAPSHOT: Final = OwnFile("snapshot", "compare with {} by --against")
PLAN: Final = OwnFile("plan", "push {} with --plan")
PLAN_REJECTS: Final = OwnFile("plan's rejects file", "push {} by itself")


def own_file_with(line: Mapping[str, Any]) -> OwnFile | None:
    """Return the kind of this program's own files that a line belongs to; None for any other line.

    Args:
        line: the JSON object on the line; it has no `type`.
    """
    # An export may use the same names of fields, for other values.
    if not line.keys().isdisjoint(_RECORD_FIELDS):
        return None
    if (
        (_is_integer(line.get("wootric_replay_plan")) and "against" in line)
        or (_is_integer(line.get("end_user")) and line.get("action") in CALLS)
        or (line.keys() == {"end"} and isinstance(line["end"], dict))
    ):
        return PLAN
    account = line.get("account")
    if _is_integer(line.get("as_of")) and isinstance(account, str) and _ACCOUNT.fullmatch(account):
        return SNAPSHOT
    if {"source", "line", "code", "record"} <= line.keys() and isinstance(line.get("plan"), dict):
        return PLAN_REJECTS
    return None


def own_file_like(line: Mapping[str, Any]) -> OwnFile | None:
    """Return the kind of this program's own files that a line that is not a record may belong to, or None.

    Beside the lines of such files this is also a line that a dry run prints.

    Args:
        line: the JSON object on the line; it has no `type`.
    """
    if {"end_user", "action"} <= line.keys():
        return PLAN
    return own_file_with(line)


def _is_integer(value: object) -> bool:
    return type(value) is int


def own_file_of(raw: bytes) -> OwnFile | None:
    """Return the kind of this program's own files that a raw line belongs to; None for any other line."""
    line = raw.removeprefix(_BOM)
    # Far quicker than parsing the line.
    if not line.startswith(b"{") or not any(name in line for name in _NAMES):
        return None
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return None if isinstance(data.get("type"), str) else own_file_with(data)


def own_file_at(path: Path) -> OwnFile | None:
    """Return the kind of this program's own files that a file is, plain or gzipped; None for any other file.

    A file that can't be read gives None. So does one with lines of an export behind its own: it is read as
    an export, and its own lines are rejected.
    """
    try:
        with path.open("rb") as file:
            packed = file.peek(len(MAGIC)).startswith(MAGIC)
            lines = gunzip(file) if packed else file
            own = own_file_of(lines.readline(_LONGEST))
            if own and any(
                map(_is_export_line, islice(iter(lambda: lines.readline(_LONGEST), b""), _LINES))
            ):
                return None
            if own and not packed:
                file.seek(-min(_LONGEST, path.stat().st_size), os.SEEK_END)
                if _is_export_line(file.read().rstrip().rpartition(b"\n")[2]):
                    return None
    except (OSError, GzipError):
        return None
    return own


def _is_export_line(raw: bytes) -> bool:
    """Tell whether a raw line is a record, or has fields that only a record has."""
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(line, dict):
        return False
    return isinstance(line.get("type"), str) or not line.keys().isdisjoint(_RECORD_FIELDS)
