"""One process or many, with the extra `fast` or without: the output is the same, to the byte."""

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


@pytest.mark.parametrize("command", [["validate", "--format", "json"], ["map"]])
def test_the_extra_for_gzip_changes_nothing(run: Run, tmp_path: Path, command: list[str]) -> None:
    lines = b"\n".join(map(orjson.dumps, records(2000, 200, 1)))
    whole = gzip.compress(lines, 6)
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "cut.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "checksum.gz").write_bytes(whole[:-8] + bytes(8))
    (folder / "members.gz").write_bytes(whole + bytes(512) + whole + b"<html>")
    corrupt = bytearray(whole)
    corrupt[len(whole) // 2] ^= 1
    (folder / "corrupt.gz").write_bytes(corrupt)
    hidden = tmp_path / "hidden" / "zlib_ng.py"
    hidden.parent.mkdir()
    hidden.write_text("raise ModuleNotFoundError(name='zlib_ng')")

    fast = run(*command, folder)
    slow = run(*command, folder, environment={"PYTHONPATH": str(hidden.parent)})
    assert fast.returncode == 1
    assert fast.stdout.count("the file broke off or is corrupt here") == 4
    assert (slow.stdout, slow.stderr, slow.returncode) == (fast.stdout, fast.stderr, 1)
