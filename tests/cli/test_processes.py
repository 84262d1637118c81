"""One process or many: the output is the same, to the byte."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from generate import records

from tests.conftest import Run

BROKEN = (b"{", b"", b'{"type":"identify"}', b'{"type":"group","userId":"1"}', b"[]", b"\r")


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Two exports, one of them large enough to be cut, and one packed; with faults in all of them."""

    def lines(count: int) -> Iterator[bytes]:
        for number, record in enumerate(records(count, count // 10, 1)):
            yield orjson.dumps(record)
            if number % 1000 == 0:
                yield BROKEN[number // 1000 % len(BROKEN)]

    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "a.ndjson").write_bytes(b"\n".join(lines(500)))
    (folder / "b.ndjson").write_bytes(b"\r\n".join(lines(30_000)))
    (folder / "c.ndjson").write_bytes(gzip.compress(b"\n".join(lines(500)), 1))
    return folder


@pytest.mark.parametrize("command", [["validate"], ["validate", "--format", "json"]])
def test_processes_change_nothing(run: Run, exports: Path, command: list[str]) -> None:
    alone = run(*command, "--processes", "1", exports)
    assert alone.returncode == 1
    assert "b.ndjson:" in alone.stdout or '"line"' in alone.stdout
    for processes in ("2", "5"):
        many = run(*command, "--processes", processes, exports)
        assert (many.stdout, many.stderr) == (alone.stdout, alone.stderr)
        assert many.returncode == 1
