"""Files that this program wrote are told from exports, which may use the same names of fields."""

import gzip
from pathlib import Path

import orjson
import pytest

from wootric_map.read.own_files import PLAN, PLAN_REJECTS, SNAPSHOT, OwnFile, own_file_at

RECORD = b'{"type":"identify","userId":"1"}'
SNAPSHOT_LINE = b'{"id":7,"email":"a@b.co","account":"0123456789ab","as_of":1700000000}'
PLAN_LINES = (
    b'{"wootric_replay_plan":1,"account":null,"against":"nothing"}\n'
    b'{"end_user":0,"action":"create","key":"k","fields":{"email":"a@b.co"},"records":1}\n'
    b'{"end":{"create":1,"update":0,"eligibility_check":0,"page_view":0}}'
)
REJECT = b'{"source":"plan","line":2,"code":"refused","plan":{"account":null},"record":"{}"}'


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (SNAPSHOT_LINE, SNAPSHOT),
        (PLAN_LINES, PLAN),
        (REJECT, PLAN_REJECTS),
        (RECORD, None),
        (b"", None),
    ],
)
def test_a_file_is_known_by_its_lines(
    tmp_path: Path, content: bytes, kind: OwnFile | None, packed: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert own_file_at(path) == kind


@pytest.mark.parametrize(
    "first",
    [
        {"batch": [orjson.loads(RECORD)], "account": "0123456789ab", "as_of": 1},
        {"batch": [orjson.loads(RECORD)], "end_user": 1, "action": "create"},
        {"account": "Acme", "as_of": "2024-01-01", "userId": "1", "traits": {}},
        {"account": "Acme", "as_of": 1},
        {"end_user": "u", "action": "create"},
        {"end_user": 1, "action": "click"},
        {"end": 1},
        {"wootric_replay_plan": "gold", "against": "x"},
        {"source": "s", "line": 1, "code": "x", "plan": "pro", "record": "{}"},
        {"source": "s", "line": 1, "plan": {}, "record": "{}"},
    ],
)
def test_an_export_that_has_the_same_names_is_one(tmp_path: Path, first: object) -> None:
    path = tmp_path / "file"
    path.write_bytes(orjson.dumps(first) + b"\n" + RECORD)
    assert own_file_at(path) is None
    path.write_bytes(orjson.dumps(first))
    assert own_file_at(path) is None


@pytest.mark.parametrize("own", [SNAPSHOT_LINE, PLAN_LINES, REJECT])
@pytest.mark.parametrize("count", [1, 300])
def test_an_export_that_stands_behind_one_is_read(tmp_path: Path, own: bytes, count: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\n".join([own] * count) + b"\n" + RECORD + b"\n")
    assert own_file_at(path) is None
