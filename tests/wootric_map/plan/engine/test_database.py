"""The plan's database: what it spills to disk is private, and is gone in the end, however a run ends."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wootric_map.errors import SettingsError
from wootric_map.plan.engine.database import Database

_ROOT = Path(__file__).parents[4]
_MEMORY = 64 * 1024 * 1024

_SPILL = """
    CREATE TABLE many AS
    SELECT range AS number, md5(range::VARCHAR) || md5((range + 1)::VARCHAR) || md5((range + 2)::VARCHAR)
        AS text
    FROM range(1200000) ORDER BY text
"""
"""Makes a table of far more than `_MEMORY`."""

_RUN = f'''
import sys
from wootric_map.plan.engine.database import Database

with Database(threads=1, memory={_MEMORY}) as database:
    print(database.folder, flush=True)
    if sys.argv[1] == "spill":
        database.run("""{_SPILL}""")
        print(sum(each.stat().st_size for each in database.folder.rglob("*")), flush=True)
    sys.stdin.read()
'''


def database_of(memory: int = _MEMORY) -> Database:
    return Database(threads=1, memory=memory)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, which is empty."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return place


@contextmanager
def another(folder: Path, what: str) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Another process that has a database open; its folder."""
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(_ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, what],
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout
        yield process, Path(process.stdout.readline().strip())
    finally:
        if process.poll() is None:
            process.communicate("")
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def test_nothing_is_left_once_it_is_closed(folder: Path) -> None:
    with database_of() as database:
        database.run(_SPILL)
        spilled = [each for each in database.folder.rglob("*") if each.is_file()]
        assert sum(each.stat().st_size for each in spilled) > 1_000_000
        assert database.folder.parent == folder
        assert stat.S_IMODE(database.folder.stat().st_mode) == 0o700
        ((count, least),) = database.rows("SELECT count(*), min(number) FROM many")
        assert (count, least) == (1_200_000, 0)
        texts = [text for (text,) in database.stream("SELECT text FROM many ORDER BY rowid")]
        assert texts == sorted(texts)
    assert list(folder.iterdir()) == []


def test_nothing_is_left_of_one_that_ends_in_an_error(folder: Path) -> None:
    def fail() -> None:
        with database_of() as database:
            database.run(_SPILL)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(folder.iterdir()) == []


def test_the_folder_of_a_killed_run_goes_at_the_next_start_and_one_in_use_stays(
    folder: Path,
) -> None:
    with another(folder, "spill") as (killed, left), another(folder, "wait") as (_, used):
        assert killed.stdout
        assert int(killed.stdout.readline()) > 1_000_000
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.is_dir()
        with database_of() as database:
            assert not left.exists()
            assert used.is_dir()
            assert set(folder.iterdir()) == {used, database.folder}
    assert list(folder.iterdir()) == []


def test_the_folder_of_a_run_that_was_killed_while_it_spilled_goes_as_well(folder: Path) -> None:
    with another(folder, "spill") as (killed, left):
        deadline = time.monotonic() + 30
        while not any((left / "spilled").glob("*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert any((left / "spilled").iterdir())
        with database_of():
            assert not left.exists()
    assert list(folder.iterdir()) == []


def test_what_is_not_its_own_is_left_alone(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    (elsewhere / "kept").touch()
    (folder / "wootric-replay-link").symlink_to(elsewhere)
    (folder / "wootric-replay-file").write_text("mine")
    (folder / "another").mkdir()
    before = set(folder.iterdir())
    with database_of():
        pass
    assert set(folder.iterdir()) == before
    assert (elsewhere / "kept").exists()


def test_a_folder_without_a_lock_is_of_a_run_that_only_begins(folder: Path) -> None:
    begun = folder / "wootric-replay-begun"
    begun.mkdir()
    with database_of():
        assert begun.is_dir()


def test_a_temporary_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    folder.chmod(0o500)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("whoever may do everything can write it")
        with pytest.raises(OSError, match=r"[Pp]ermission|directory") as caught:
            database_of()
    finally:
        folder.chmod(0o700)
    assert caught.value.filename or "temporary" in str(caught.value)


def test_a_temporary_folder_that_is_gone_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "gone"))
    with pytest.raises(FileNotFoundError) as caught:
        database_of()
    assert caught.value.filename == str(folder / "gone")


_FILL = f'''
import errno, os, resource, sys
from pathlib import Path
from wootric_map.plan.engine.database import Database

try:
    with Database(threads=1, memory={_MEMORY}) as database:
        # As a full disk: no file may grow any more. The signal would end the process.
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        database.run("""{_SPILL}""")
except OSError as error:
    print(error.errno, error.filename)
    print(list(Path(os.environ["TMPDIR"]).iterdir()))
'''


def test_a_disk_that_is_full_while_it_spills_is_told_with_its_folder(folder: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _FILL],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code, left = done.stdout.splitlines()
    assert code.split(" ", 1)[1] == str(folder)
    assert int(code.split()[0]) in (errno.ENOSPC, errno.EIO, errno.EFBIG)
    assert left == "[]"


def test_too_little_memory_is_not_told_as_a_full_disk(folder: Path) -> None:
    with database_of(8 * 1024 * 1024) as database, pytest.raises(SettingsError, match="--memory"):
        database.run(_SPILL)
    assert list(folder.iterdir()) == []


def test_a_query_may_be_run_again_after_an_error(folder: Path) -> None:
    with database_of() as database:
        with pytest.raises(Exception, match="nowhere"):
            database.run("SELECT * FROM nowhere")
        assert database.rows("SELECT 1") == [(1,)]


def test_a_folder_is_locked_as_long_as_it_is_in_use(folder: Path) -> None:
    with (
        database_of() as database,
        (database.folder / "lock").open("rb") as lock,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
