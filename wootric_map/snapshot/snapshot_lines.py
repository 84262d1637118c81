"""The lines of a snapshot file, one for each end user: how they are written and read.

A line is the end user as the API gave it (wootric.md 3), with `account` and `as_of` as its last members.
`account` is the fingerprint of the account, and `as_of` the unix second from which on the snapshot may have
missed a change. Lines of an unfinished update end with `snapshot_updated_since` as well: the unix second from
which on changes were asked for.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn

import orjson

from wootric_map.errors import GzipError, SnapshotError
from wootric_map.private_file import LONGEST_LINE
from wootric_map.read.gzip import MAGIC, gunzip
from wootric_map.wootric.end_users import Place, place_of

BLOCK: Final = 1024 * 1024
"""Bytes of a snapshot that are read or written at once."""

UPDATED_SINCE: Final = "snapshot_updated_since"
"""The member of a line that only an unfinished update has."""

_ADDED: Final = ("account", "as_of", UPDATED_SINCE)
_ACCOUNT: Final = re.compile(r"[0-9a-f]{12}")
_ENDING: Final = re.compile(
    rb',"account":"[0-9a-f]{12}","as_of":[0-9]+(?:,"snapshot_updated_since":-?[0-9]+)?\}\Z'
)
_LONGEST_ENDING: Final = 200
_BOM: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """A line of a snapshot."""

    number: int
    offset: int
    """How many bytes stand before the line."""
    content: bytes
    """The line without its line end."""
    row: dict[str, Any]
    place: Place


class SnapshotLines:
    """Reads the lines of a snapshot, plain or gzip, and checks each."""

    def __init__(self, path: Path, *, partial: bool = False) -> None:
        """Read nothing yet.

        Args:
            path: the file.
            partial: whether the file is unfinished; a last line that is cut off is passed over then.
        """
        self._path = path
        self._partial = partial
        self.is_gzip = False
        """Whether the file is compressed."""
        self.account: str | None = None
        """The account of the lines that were read; None before the first one."""
        self.as_of: int | None = None
        """The earliest `as_of` of the lines that were read; None before the first one."""
        self.end = 0
        """Where the line that was read last ends, in bytes."""

    def __iter__(self) -> Iterator[Line]:
        number = 0
        try:
            with self._opened() as file:
                while raw := file.readline(LONGEST_LINE):
                    number += 1
                    start, self.end = self.end, self.end + len(raw)
                    is_ended = raw.endswith(b"\n")
                    if self._partial and not is_ended:
                        # A crash may leave zeros.
                        if raw.strip(b"\0")[:1] not in (b"", b"{"):
                            self.refuse(number, "it is no end user")
                        return
                    if number == 1:
                        raw = raw.removeprefix(_BOM)
                    content = raw.strip()
                    if content:
                        yield self._line(number, start, content, is_cut=not is_ended)
        except GzipError as error:
            self.refuse(number + 1, f"the file broke off or is corrupt here ({error})")
        except OSError as error:
            reason = error.strerror or str(error)
            raise SnapshotError(f"{self._path}: can't be read: {reason}") from error

    def refuse(self, number: int, what: str) -> NoReturn:
        """Raise the error about a wrong line.

        Args:
            number: the number of the line.
            what: what is wrong.

        Raises:
            SnapshotError: always.
        """
        if self._partial:
            advice = "delete it, or name another file with -o"
        else:
            advice = "a whole one is written by: wootric-replay snapshot -o FILE"
        raise SnapshotError(f"{self._path}:{number}: {what}; this is no snapshot; {advice}")

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with BufferedReader(FileIO(self._path), BLOCK) as file:
            self.is_gzip = not self._partial and file.peek(len(MAGIC)).startswith(MAGIC)
            yield gunzip(file) if self.is_gzip else file

    def _line(self, number: int, start: int, content: bytes, *, is_cut: bool) -> Line:
        try:
            row = load(content)
        except (ValueError, RecursionError):
            self.refuse(number, "the line is cut off or too long" if is_cut else "it is no JSON")
        if not isinstance(row, dict):
            self.refuse(number, "it is no end user")
        account, as_of = row.get("account"), row.get("as_of")
        is_marked = isinstance(account, str) and _ACCOUNT.fullmatch(account)
        if not is_marked or type(as_of) is not int or as_of < 0:
            self.refuse(number, "it is no end user with an account and an as_of")
        if self.account not in (None, account):
            self.refuse(number, "it is of another account than the lines before it")
        try:
            place = place_of(row)
        except ValueError as error:
            self.refuse(number, f"it is no end user: {error}")
        self.account = account
        self.as_of = as_of if self.as_of is None else min(as_of, self.as_of)
        return Line(number, start, content, row, place)


def ending(account: str, as_of: int | None, updated_since: int | None = None) -> bytes:
    """Return how each line of a snapshot ends.

    Args:
        account: the fingerprint of the account.
        as_of: the unix second from which on the snapshot may have missed a change.
        updated_since: the unix second from which on changes were asked for, in an unfinished update.
    """
    added: dict[str, object] = {"account": account, "as_of": as_of}
    if updated_since is not None:
        added[UPDATED_SINCE] = updated_since
    return b"," + orjson.dumps(added)[1:] + b"\n"


def line_of(row: Mapping[str, Any], ending: bytes) -> bytes:
    """Return the line of an end user, with `ending` in place of members with the same names.

    Raises:
        SnapshotError: the end user can't be written down.
    """
    return dump({name: value for name, value in row.items() if name not in _ADDED})[:-1] + ending


def with_ending(content: bytes, ending: bytes) -> bytes:
    """Return a line with another ending; all else in the line stays to the letter.

    Args:
        content: the line without its line end.
        ending: what `ending` returns.
    """
    found = _ENDING.search(content, max(len(content) - _LONGEST_ENDING, 0))
    return content[: found.start()] + ending if found else line_of(json.loads(content), ending)


def dump(value: object) -> bytes:
    """Return a value as JSON, also numbers of more than 64 bits and halves of surrogate pairs.

    Raises:
        SnapshotError: the value is too deeply nested.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        pass
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError:
        raise SnapshotError("an end user is too deeply nested to be written down") from None


def load(content: bytes) -> Any:
    """Return the value that `dump` wrote."""
    try:
        return orjson.loads(content)
    except ValueError:
        return json.loads(content)
