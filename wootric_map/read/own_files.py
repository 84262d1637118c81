"""Recognising the files that this program writes itself, and that are no exports."""

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
"""Each of their lines has one of these."""
_LONGEST: Final = 1024 * 1024
"""Bytes of a line that are looked at."""
_LINES: Final = 100
"""Further lines that are looked at, beside the last."""
_ACCOUNT: Final = re.compile(r"[0-9a-f]{12}")
_OF_RECORDS: Final = frozenset(
    {"batch", "userId", "anonymousId", "traits", "event", "context", "messageId"}
)
"""What a line of an export has, and none of theirs."""


class OwnFile(NamedTuple):
    """What a file is that this program has written."""

    kind: str
    """One word or more, without an article."""
    advice: str
    """What to do with one, which is named by a word in place of the braces."""

    @property
    def message(self) -> str:
        """What to say of one that is given as an export."""
        return f"this is a {self.kind}, not an export: {self.use()}"

    def use(self, count: int = 1) -> str:
        """Return what to do with one of so many, as the end of a sentence."""
        return self.advice.format("it" if count == 1 else "one")


SNAPSHOT: Final = OwnFile("snapshot", "compare with {} by --against")
PLAN: Final = OwnFile("plan", "push {} with --plan")
PLAN_REJECTS: Final = OwnFile("plan's rejects file", "push {} by itself")


def own_file_with(line: Mapping[str, Any]) -> OwnFile | None:
    """Return which of its own files a line is of; None for all others.

    Args:
        line: the object on it, which has no `type`.
    """
    # An export may have the same names, with values of its own.
    if not line.keys().isdisjoint(_OF_RECORDS):
        return None
    if (
        (_is_whole(line.get("wootric_replay_plan")) and "against" in line)
        or (_is_whole(line.get("end_user")) and line.get("action") in CALLS)
        or (line.keys() == {"end"} and isinstance(line["end"], dict))
    ):
        return PLAN
    account = line.get("account")
    if _is_whole(line.get("as_of")) and isinstance(account, str) and _ACCOUNT.fullmatch(account):
        return SNAPSHOT
    if {"source", "line", "code", "record"} <= line.keys() and isinstance(line.get("plan"), dict):
        return PLAN_REJECTS
    return None


def own_file_like(line: Mapping[str, Any]) -> OwnFile | None:
    """Return which of its own files a line that is no record may be of, by its names; None for no other."""
    if {"end_user", "action"} <= line.keys():
        return PLAN  # what a dry run prints of one
    return own_file_with(line)


def _is_whole(value: object) -> bool:
    return type(value) is int


def own_file_of(raw: bytes) -> OwnFile | None:
    """Return which of its own files a line is of, as `own_file_with`, by the line's bytes."""
    line = raw.removeprefix(_BOM)
    # Far quicker than to parse it.
    if not line.startswith(b"{") or not any(name in line for name in _NAMES):
        return None
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return None if isinstance(data.get("type"), str) else own_file_with(data)


def own_file_at(path: Path) -> OwnFile | None:
    """Return which of its own files stands at a path, plain or gzipped; None also if it can't be read.

    One behind which an export was written is an export, with lines that are none of it.
    """
    try:
        with path.open("rb") as file:
            packed = file.peek(len(MAGIC)).startswith(MAGIC)
            lines = gunzip(file) if packed else file
            own = own_file_of(lines.readline(_LONGEST))
            if own and any(
                map(_is_of_export, islice(iter(lambda: lines.readline(_LONGEST), b""), _LINES))
            ):
                return None
            if own and not packed:
                file.seek(-min(_LONGEST, path.stat().st_size), os.SEEK_END)
                if _is_of_export(file.read().rstrip().rpartition(b"\n")[2]):
                    return None
    except (OSError, GzipError):
        return None
    return own


def _is_of_export(raw: bytes) -> bool:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(line, dict):
        return False
    return isinstance(line.get("type"), str) or not line.keys().isdisjoint(_OF_RECORDS)
