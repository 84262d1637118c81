"""Snapshots: files that hold an account's end users, a line each, as the API gave them (wootric.md 3).

To each are added `account`, a digest of the account's token, and `as_of`, the unix second from which on
the snapshot may have missed a change. A snapshot is whole: what an interrupted run wrote stands beside
its place as `FILE.partial`, from which the same command goes on.
"""

import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, NamedTuple, NoReturn, Self, TypeGuard, cast

import orjson

from wootric_map.deliver.run_lock import open_alone
from wootric_map.errors import (
    GzipError,
    LockedError,
    NotAFileError,
    NotOursError,
    SnapshotError,
)
from wootric_map.mapping.identity import WOOTRIC_ID
from wootric_map.model import EndUser, EndUserUpsert
from wootric_map.ownership import place_of_ours
from wootric_map.private_file import PrivateFile, remove_abandoned
from wootric_map.read.gzip import MAGIC, gunzip
from wootric_map.temporary_database import scratch_database
from wootric_map.values.contact import comparable
from wootric_map.wootric.end_users import Place, Reached, end_user_from, place_of
from wootric_map.wootric.replies import contradicts

PARTIAL: Final = ".partial"
"""What the name of an unfinished snapshot ends in."""

MARGIN: Final = 120
"""Seconds that an update looks further back than it need, since clocks differ."""

_SINCE: Final = "snapshot_updated_since"
"""Beside `account` and `as_of` in an update's partial file: from when on changes were asked for."""

_LONGEST_LINE: Final = 64 * 1024 * 1024
_BLOCK: Final = 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_ACCOUNT: Final = re.compile(r"[0-9a-f]{12}")

_TAIL: Final = re.compile(
    rb',"account":"[0-9a-f]{12}","as_of":[0-9]+(?:,"snapshot_updated_since":-?[0-9]+)?\}\Z'
)
"""How a line that was written here ends."""

_LONGEST_TAIL: Final = 200

_CACHE_KIB: Final = 32 * 1024
_SCHEMA: Final = """
    CREATE TABLE end_user (
        id INTEGER PRIMARY KEY, external_id TEXT, email TEXT, phone TEXT, content BLOB
    );
    BEGIN;
"""
_UPDATE_SCHEMA: Final = """
    CREATE TABLE line (id INTEGER PRIMARY KEY, number INTEGER, update_at INTEGER);
    BEGIN;
"""
_INDEXES: Final = "".join(
    f"CREATE INDEX by_{name} ON end_user ({name}) WHERE {name} IS NOT NULL;"
    for name in ("external_id", "email", "phone")
)


class _Line(NamedTuple):
    """A line of a snapshot."""

    number: int
    offset: int
    """Bytes before it."""
    content: bytes
    """Without its ending."""
    row: dict[str, Any]
    place: Place


class SnapshotReader:
    """A snapshot to find end users in; may be used from several threads.

    The end users wait in a temporary SQLite database, so that memory does not grow with their number.
    """

    def __init__(self, path: Path) -> None:
        """Read a snapshot, plain or gzip, from its first line to its last.

        Raises:
            SnapshotError: it is no snapshot, or not a whole one.
        """
        if path.name.endswith(PARTIAL):
            raise SnapshotError(
                f"{path}: this is the part of a snapshot that an interrupted run left; run the same "
                "snapshot command again to complete it"
            )
        self._database = scratch_database(_SCHEMA, cache_kib=_CACHE_KIB)
        self._lock = threading.Lock()
        try:
            lines = _Lines(path)
            self._database.executemany(
                "INSERT OR REPLACE INTO end_user VALUES (?, ?, ?, ?, ?)",
                _indexed(lines),
            )
            self._database.execute("COMMIT")
            self._database.executescript(_INDEXES)
            query = "SELECT count(*) FROM end_user"
            (self._count,) = self._database.execute(query).fetchone()
        except BaseException:
            self.close()
            raise
        self.account = lines.account
        """The account it is of, as `account_fingerprint` gives it; None where it holds nobody."""
        self.as_of = lines.as_of
        """Unix second from which on it may have missed a change; None where it holds nobody."""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Read a snapshot by its name; see `SnapshotReader`."""
        return cls(Path(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Throw the database away."""
        self._database.close()

    def __len__(self) -> int:
        """How many end users it holds."""
        return cast("int", self._count)

    def __bool__(self) -> Literal[True]:
        """A snapshot of an account that holds nobody is one all the same."""
        return True

    def find(self, wanted: EndUserUpsert) -> EndUser | None:
        """Look an end user up as Wootric does: by its id, then external id, then email, or phone.

        A phone counts only where no email is given, and finds nobody who has another external id.
        """
        for by, key in wanted.look_up_keys():
            found = None
            if by == "id" and WOOTRIC_ID.fullmatch(key):
                found = self._by("id", int(key))
            elif by == "external_id":
                found = self._by("external_id", key)
            elif by == "email":
                found = self._by("email", comparable(key))
            elif by == "phone_number":
                found = self._by("phone", key.strip())
            if found and not (by == "phone_number" and contradicts(wanted, found)):
                return found
        return None

    def _by(self, column: str, value: str | int) -> EndUser | None:
        """The oldest end user with this value."""
        query = f"SELECT id, content FROM end_user WHERE {column} = ? ORDER BY id LIMIT 1"  # noqa: S608
        with self._lock:
            row = self._database.execute(query, (value,)).fetchone()
        return None if row is None else EndUser(row[0], *_load(row[1]))


class PartialSnapshot:
    """`FILE.partial`: a snapshot, or an update of one, as far as it has come.

    Only its owner may read it, as personal data should be; nobody else may write it at the same time.
    """

    def __init__(self, path: Path, account: str, *, updated_since: int | None = None) -> None:
        """Open what an earlier run left, or an empty file.

        Args:
            path: the place of the snapshot itself.
            account: as `account_fingerprint` gives it.
            updated_since: unix seconds, for an update; None for all end users.

        Raises:
            SnapshotError: what is there can't be gone on with, or can't be written to.
        """
        try:
            place = place_of_ours(path)
        except OSError as error:
            raise SnapshotError(error.strerror or str(error)) from error
        path = place if path.is_symlink() else path
        if path.is_dir():
            raise SnapshotError(f"{path} is a folder; name a file in it")
        if path.exists() and not path.is_file():
            raise SnapshotError(f"{path} is no file; a snapshot needs one that it can go on with")
        if not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
            raise SnapshotError(f"the folder {path.parent} is missing or can't be written to")
        _check_replaceable(path, account)
        self.path = path.with_name(path.name + PARTIAL)
        """Where it stands."""
        self.account = account
        """The account it is of."""
        self._updated_since = updated_since
        self.as_of: int | None = None
        """When it was begun, in unix seconds; None where it holds nobody."""
        self.count = 0
        """How many end users it holds."""
        self._last: int | None = None
        self._ids: set[int] = set()
        file = _locked(self.path)
        remove_abandoned(path)
        try:
            end = self._resume()
            self._file = PrivateFile(file, self.path, path, size=end, shown=self.path)
            os.fchmod(file.fileno(), 0o600)
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it there to go on with, unless it holds nobody."""
        if self.count:
            self._file.close()
        elif not self._file.is_closed:
            self._file.discard()

    @property
    def reached(self) -> Reached | None:
        """Where to go on; None at the beginning."""
        return None if self._last is None else Reached(self._last, frozenset(self._ids))

    def begin(self, now: int) -> int:
        """Say what time it is; gives when the snapshot was begun, which may be earlier."""
        if self.as_of is None:
            self.as_of = now
        return self.as_of

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write end users, all of them or none.

        Raises:
            OSError: the disk does not take them, or another program has taken the file away.
            SnapshotError: one of them can't be written down.
        """
        said: dict[str, object] = {"account": self.account, "as_of": self.as_of}
        if self._updated_since is not None:
            said[_SINCE] = self._updated_since
        places = []
        content = b""
        for row in rows:
            places.append(place_of(row))
            content += _dump(_marked(row, said)) + b"\n"
        self._file.check()
        self._file.write(content)
        self._file.check()
        for place in places:
            self._note(place)

    def finish(self) -> int:
        """Move it to the place of the snapshot; gives how many end users it holds."""
        self._file.finish()
        return self.count

    def discard(self) -> None:
        """Throw it away."""
        self._file.discard()

    def _resume(self) -> int:
        """Take in what an earlier run left, but for a last line that it could not end.

        Returns:
            Where the last whole line ends.
        """
        end = 0
        lines = _Lines(self.path, partial=True)
        for line in lines:
            if lines.account != self.account:
                raise SnapshotError(
                    f"{self.path} was left by a snapshot of another account; name another file with "
                    "-o, or delete it"
                )
            if line.row.get(_SINCE) != self._updated_since:
                raise SnapshotError(
                    f"{self.path} was left by another snapshot command; run that one to its end, name "
                    "another file with -o, or delete it"
                )
            self._note(line.place)
            end = lines.end
        self.as_of = lines.as_of
        return end

    def _note(self, place: Place) -> None:
        self.count += 1
        if self._last is None or place.created_at > self._last:
            self._last = place.created_at
            self._ids.clear()
        if place.created_at == self._last:
            self._ids.add(place.id)


class EarlierSnapshot:
    """A snapshot that is to be brought up to date."""

    def __init__(self, path: Path) -> None:
        """Read it once, to know whom it holds.

        Raises:
            SnapshotError: it is no snapshot, or not a whole one.
        """
        if path.name.endswith(PARTIAL):
            raise SnapshotError(f"{path} is no whole snapshot; run the command that left it again")
        if path.exists() and not path.is_file():
            raise SnapshotError(
                f"{path} is no file; a snapshot is read twice to bring it up to date"
            )
        self._path = path
        self._database = scratch_database(_UPDATE_SCHEMA, cache_kib=_CACHE_KIB)
        try:
            lines = _Lines(path)
            self._database.executemany(
                "INSERT OR REPLACE INTO line VALUES (?, ?, NULL)",
                ((line.place.id, line.number) for line in lines),
            )
        except BaseException:
            self.close()
            raise
        self.account = lines.account
        """As in `SnapshotReader`."""
        self.as_of = lines.as_of
        """As in `SnapshotReader`."""
        self.is_gzip = lines.is_gzip
        """Whether it is compressed, as its successor will not be."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Throw away what is known of it."""
        self._database.close()

    @property
    def updated_since(self) -> int | None:
        """The unix second from which on changes are asked for; None, where it holds nobody, for all."""
        return None if self.as_of is None else self.as_of - MARGIN

    def merge(self, partial: PartialSnapshot, target: Path) -> int:
        """Write the snapshot anew: who was updated in their old place, who is new after all others.

        Args:
            partial: the update; begun.
            target: what is written, at once and as a whole; may be the earlier snapshot itself.

        Returns:
            How many end users it holds.

        Raises:
            OSError: the disk does not take it.
            SnapshotError: the earlier snapshot was changed meanwhile.
        """
        tail = b"," + _dump({"account": partial.account, "as_of": partial.as_of})[1:] + b"\n"
        count = 0
        with (
            PrivateFile.beside(_led_to(target), buffer=_BLOCK) as file,
            partial.path.open("rb") as updates,
        ):
            self._database.executemany(
                "INSERT INTO line VALUES (?, NULL, ?) "
                "ON CONFLICT (id) DO UPDATE SET update_at = excluded.update_at",
                ((line.place.id, line.offset) for line in _Lines(partial.path)),
            )
            for content in self._merged(updates):
                file.write(_retailed(content, tail))
                count += 1
            file.finish()
        partial.discard()
        return count

    def _merged(self, updates: BinaryIO) -> Iterator[bytes]:
        """The lines, those of the update from where they stand in its file."""
        for line in _Lines(self._path):
            query = "SELECT number, update_at FROM line WHERE id = ?"
            row = self._database.execute(query, (line.place.id,)).fetchone()
            if row is None or row[0] is None:
                raise SnapshotError(
                    f"{self._path} was changed meanwhile; run the same command again"
                )
            number, update_at = row
            if number != line.number:
                continue  # a later line of the same end user counts
            if update_at is None:
                yield line.content
            else:
                yield _line_at(updates, update_at)
        query = "SELECT update_at FROM line WHERE number IS NULL ORDER BY update_at"
        for (update_at,) in self._database.execute(query):
            yield _line_at(updates, update_at)


class _Lines:
    """The lines of a snapshot, plain or gzip, each looked at."""

    def __init__(self, path: Path, *, partial: bool = False) -> None:
        """Nothing is read yet.

        Args:
            path: the file.
            partial: whether it may end in half a line, which is passed over.
        """
        self._path = path
        self._partial = partial
        self.is_gzip = False
        """Whether the file is compressed."""
        self.account: str | None = None
        """The account of the lines so far."""
        self.as_of: int | None = None
        """The earliest of the lines so far."""
        self.end = 0
        """Where the last line ended."""

    def __iter__(self) -> Iterator[_Line]:
        number = 0
        try:
            with self._opened() as file:
                while raw := file.readline(_LONGEST_LINE):
                    number += 1
                    start, self.end = self.end, self.end + len(raw)
                    is_ended = raw.endswith(b"\n")
                    if self._partial and not is_ended:
                        if not _is_begun(raw):
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
        """Say that a line is wrong.

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
        with BufferedReader(FileIO(self._path), _BLOCK) as file:
            self.is_gzip = not self._partial and file.peek(len(MAGIC)).startswith(MAGIC)
            yield gunzip(file) if self.is_gzip else file

    def _line(self, number: int, start: int, content: bytes, *, is_cut: bool) -> _Line:
        try:
            row = _load(content)
        except (ValueError, RecursionError):
            if is_cut:
                self.refuse(number, "the line is cut off or too long")
            self.refuse(number, "it is no JSON")
        if not isinstance(row, dict):
            self.refuse(number, "it is no end user")
        account, as_of = row.get("account"), row.get("as_of")
        if not (isinstance(account, str) and _ACCOUNT.fullmatch(account) and _is_second(as_of)):
            self.refuse(number, "it is no end user with an account and an as_of")
        if self.account not in (None, account):
            self.refuse(number, "it is of another account than the lines before it")
        try:
            place = place_of(row)
        except ValueError as error:
            self.refuse(number, f"it is no end user: {error}")
        self.account = account
        self.as_of = as_of if self.as_of is None else min(as_of, self.as_of)
        return _Line(number, start, content, row, place)


def _is_begun(raw: bytes) -> bool:
    """Whether this may be the first part of a line; a crash may leave zeros."""
    return raw.strip(b"\0")[:1] in (b"", b"{")


def _is_second(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _indexed(lines: _Lines) -> Iterator[tuple[int, str | None, str | None, str | None, bytes]]:
    """The rows of a snapshot's database."""
    for line in lines:
        try:
            held = end_user_from(line.row)
        except ValueError as error:
            lines.refuse(line.number, str(error))
        fields = (
            held.email,
            held.external_id,
            held.phone_number,
            held.external_created_at,
            held.properties,
            held.knows_properties,
        )
        yield (
            line.place.id,
            held.external_id or None,
            comparable(held.email) or None,
            (held.phone_number or "").strip() or None,
            _dump(fields),
        )


def _led_to(path: Path) -> Path:
    """What is to be replaced: a link stays one."""
    return path.resolve() if path.is_symlink() else path


def _check_replaceable(path: Path, account: str) -> None:
    """Make sure that no file is lost that is no snapshot of this account."""
    if not path.is_file() or not path.stat().st_size:
        return
    lines = _Lines(path)
    with closing(cast("Any", iter(lines))) as first:
        try:
            next(first, None)
        except SnapshotError as error:
            raise SnapshotError(
                f"{path} is no snapshot, and would be replaced; name another file with -o"
            ) from error
    if lines.account not in (None, account):
        raise SnapshotError(f"{path} is a snapshot of another account; name another file with -o")


def _locked(path: Path) -> FileIO:
    """Open a file to go on with, made if there is none, that no other run has open."""
    try:
        return open_alone(path)
    except NotOursError as error:
        raise SnapshotError(str(error)) from error
    except NotAFileError as error:
        raise SnapshotError(f"{path} is in the way; move or delete it") from error
    except LockedError as error:
        raise SnapshotError(f"another run is writing {path} just now") from error
    except OSError as error:
        raise SnapshotError(f"{path}: can't be written to: {error.strerror}") from error


def _line_at(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    return file.readline().strip()


def _marked(row: Mapping[str, Any], said: Mapping[str, object]) -> dict[str, Any]:
    """An end user, with what the snapshot adds as the last, and nothing else by these names."""
    own = ("account", "as_of", _SINCE)
    return {name: value for name, value in row.items() if name not in own} | dict(said)


def _retailed(content: bytes, tail: bytes) -> bytes:
    """A line with another ending; all else in it stays to the letter."""
    found = _TAIL.search(content, max(len(content) - _LONGEST_TAIL, 0))
    if found:
        return content[: found.start()] + tail
    row = json.loads(content)
    rest = _dump({name: row[name] for name in row if name not in ("account", "as_of", _SINCE)})
    return rest[:-1] + tail


def _dump(value: object) -> bytes:
    """JSON; orjson knows no number past 64 bits, and no half of a surrogate pair."""
    try:
        return orjson.dumps(value)
    except TypeError:
        pass
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError:
        raise SnapshotError("an end user is too deeply nested to be written down") from None


def _load(content: bytes) -> Any:
    """What `_dump` wrote."""
    try:
        return orjson.loads(content)
    except ValueError:
        return json.loads(content)
