"""Recognising the files that this program writes itself, and that are no exports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from wootric_map.gunzip import MAGIC, GzipError, gunzip

_BOM: Final = b"\xef\xbb\xbf"
_NAMES: Final = (b'"as_of"', b'"wootric_replay_plan"', b'"end_user"', b'"end"', b'"plan"')
"""Each of their lines has one of these."""
_LONGEST: Final = 1024 * 1024
"""Bytes of a first line that are looked at."""


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
    if (
        "wootric_replay_plan" in line
        or {"end_user", "action"} <= line.keys()
        or {"end"} == line.keys()
    ):
        return PLAN
    if {"account", "as_of"} <= line.keys():
        return SNAPSHOT
    if {"source", "line", "plan", "record"} <= line.keys():
        return PLAN_REJECTS
    return None


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
    """Return which of its own files stands at a path, plain or gzipped; None also if it can't be read."""
    try:
        with path.open("rb") as file:
            packed = file.peek(len(MAGIC)).startswith(MAGIC)
            return own_file_of((gunzip(file) if packed else file).readline(_LONGEST))
    except (OSError, GzipError):
        return None
