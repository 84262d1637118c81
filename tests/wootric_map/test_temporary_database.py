"""Private temporary databases: shared between threads, and gone once they are closed."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from wootric_map.temporary_database import scratch_database, temporary_database


def open_files() -> set[str]:
    """The files under the temporary folder that this process has open, by name."""
    names = set()
    for each in Path("/proc/self/fd").iterdir():
        try:
            names.add(str(each.readlink()))
        except OSError:
            continue  # it was the listing's own
    return {each for each in names if "etilqs" in each}


def test_a_scratch_database_that_outgrows_its_cache_has_no_name() -> None:
    with closing(scratch_database("CREATE TABLE t (x BLOB); BEGIN;", cache_kib=64)) as database:
        database.executemany("INSERT INTO t VALUES (?)", ((bytes(5000),) for _ in range(200)))
        assert database.execute("SELECT count(*) FROM t").fetchone() == (200,)
        files = open_files()
        assert files
        assert all(each.endswith("(deleted)") for each in files)
    assert not open_files()


def test_several_threads_may_use_one_and_changes_can_be_rolled_back() -> None:
    with closing(temporary_database()) as database, ThreadPoolExecutor(1) as other:
        database.execute("CREATE TABLE t (x)")
        database.execute("BEGIN")
        other.submit(database.execute, "INSERT INTO t VALUES (1)").result()
        database.execute("ROLLBACK")
        assert database.execute("SELECT count(*) FROM t").fetchone() == (0,)
