"""Any bytes as a snapshot, or as what an interrupted one left: refused, or whom it holds is found."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from wootric_map.errors import SnapshotError
from wootric_map.mapping.identity import WOOTRIC_ID
from wootric_map.model import EndUser, EndUserUpsert
from wootric_map.snapshot.snapshot_reader import SnapshotReader
from wootric_map.snapshot.snapshot_writer import EarlierSnapshot, PartialSnapshot
from wootric_map.wootric.end_users import end_user_from

_FOLDER: Final = Path(tempfile.mkdtemp(prefix="fuzz-snapshots-"))
_ACCOUNT: Final = "0123456789ab"
_NOW: Final = 1_704_067_200
_LAST: Final = 10**17


def _file(*rows: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def seeds() -> Iterator[bytes]:
    """Snapshots as they are written, and as they may come."""
    said = {"account": _ACCOUNT, "as_of": _NOW}
    ada = {
        "id": 7,
        "email": "Ada@example.com",
        "external_id": "1",
        "phone_number": "+44 1",
        "created_at": _NOW - 5,
        "external_created_at": 1420099200,
        "properties": {"plan": "pro", "n": 1.5, "x": None, "l": [1]},
    }
    bob = {"id": "8", "email": None, "created_at": "2014-12-05 10:42:51 -0800", "properties": "{}"}
    yield _file(ada | said, bob | said)
    yield b"\xef\xbb\xbf" + _file(ada | said) + b"\r\n" + _file(bob | said)[:-1]
    yield _file(ada | said, ada | said | {"snapshot_updated_since": _NOW - 120})
    yield _file(ada | said)[:-20]
    yield _file(ada | said)[:-2] + b',"x":123456789012345678901234,"y":"\\ud83d"}\n'


def check(data: bytes) -> None:
    """Read it as both, and write the one anew with the other."""
    path, target = _FOLDER / "snapshot", _FOLDER / "target"
    for each in _FOLDER.iterdir():
        each.unlink()
    path.write_bytes(data)
    with suppress(SnapshotError):
        count = _check_snapshot(path)
        with EarlierSnapshot(path) as earlier:
            account = earlier.account or _ACCOUNT
            with PartialSnapshot(target, account, updated_since=earlier.updated_since) as partial:
                partial.begin(_NOW)
                partial.append([{"id": _LAST, "email": "new@example.com", "created_at": _NOW}])
                assert earlier.merge(partial) in {count, count + 1}
        assert _check_snapshot(target) in {count, count + 1}
    (_FOLDER / "left.partial").write_bytes(data)
    with suppress(SnapshotError):
        _check_partial(_FOLDER / "left")


def _check_snapshot(path: Path) -> int:
    with SnapshotReader(path) as snapshot:
        content = path.read_bytes()
        rows = (
            []
            if content.startswith(b"\x1f\x8b")
            else content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        )
        held_by_id: dict[int, EndUser] = {}
        for raw in rows:
            with suppress(ValueError):
                held = end_user_from(orjson.loads(raw))
                held_by_id[held.id] = held  # the last line of an end user counts
        for number, held in held_by_id.items():
            if WOOTRIC_ID.fullmatch(str(number)):
                found = snapshot.find(EndUserUpsert(wootric_id=str(number)))
                assert found, held
                assert found.id == number
            if (held.email or "").strip():
                assert snapshot.find(EndUserUpsert(email=held.email)), held
            if held.external_id:
                assert snapshot.find(EndUserUpsert(external_id=held.external_id)), held
        return len(snapshot)


def _check_partial(path: Path) -> None:
    """What was left is gone on with, and makes a snapshot."""
    with PartialSnapshot(path, _ACCOUNT) as partial:
        partial.begin(_NOW)
        before = partial.count
        if partial.reached:
            assert partial.reached.ids
        partial.append([{"id": _LAST, "email": "new@example.com", "created_at": _NOW}])
        assert partial.finish() == before + 1
    with suppress(SnapshotError):  # an earlier line may be none of an end user that can be found
        _check_snapshot(path)
