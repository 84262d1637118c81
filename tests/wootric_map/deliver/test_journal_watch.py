"""An open journal that somebody writes over in place, at any moment: nothing departs from then on."""

import os
import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from wootric_map.deliver.journal import Journal
from wootric_map.deliver.journal_watch import Watch, Witness
from wootric_map.errors import JournalFailedError

ACCOUNT = "0123456789ab"
THREADS = 4
LOG = "-wal"

Take = Callable[[Path, Path], object]
"""Does something to a journal; gets its path, and that of another journal of the account."""


def garbage(path: Path, other: Path) -> None:
    path.write_bytes(b"something else\n" * 10_000)


def another(path: Path, other: Path) -> None:
    """As `cp` does it: the file stays the same one."""
    shutil.copyfile(other, path)


def another_as_old(path: Path, other: Path) -> None:
    """With the time of change that the journal had, as `touch -r` sets it."""
    status = path.stat()
    shutil.copyfile(other, path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def emptied_and_written(path: Path, other: Path) -> None:
    os.truncate(path, 0)
    with path.open("ab") as file:
        file.write(other.read_bytes())


def log_garbage(path: Path, other: Path) -> None:
    log = Path(f"{path}{LOG}")
    log.write_bytes(bytes(range(256)) * (log.stat().st_size // 256 + 1))


def log_cut(path: Path, other: Path) -> None:
    os.truncate(f"{path}{LOG}", 0)


def log_of_another(path: Path, other: Path) -> None:
    shutil.copyfile(f"{other}{LOG}", f"{path}{LOG}")


TAKES = [
    garbage,
    another,
    another_as_old,
    emptied_and_written,
    log_garbage,
    log_cut,
    log_of_another,
]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """Another journal, open, so that it has a log."""
    path = tmp_path / "other"
    with Journal.open(path, ACCOUNT) as journal:
        for number in range(20):
            journal.deliveries.about_to_send(f"other {number}", "page_view")
        yield path


class Departures(threading.Thread):
    """One after the other, until the journal takes no more."""

    def __init__(self, journal: Journal, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._journal = journal
        self.begun: list[float] = []
        """When each began that was taken."""
        self.failure = ""

    def run(self) -> None:
        while True:
            now = time.monotonic()
            key = f"{self.name} {len(self.begun)}"
            try:
                self._journal.deliveries.about_to_send(key, "page_view")
            except JournalFailedError as error:
                self.failure = str(error)
                return
            self.begun.append(now)
            self._journal.deliveries.delivered(key, "page_view")


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("seed", range(2))
def test_nothing_departs_once_a_journal_was_written_over(
    tmp_path: Path, other: Path, take: Take, seed: int
) -> None:
    path = tmp_path / "journal"
    with Journal.open(path, ACCOUNT) as journal:
        threads = [Departures(journal, f"t{number}") for number in range(THREADS)]
        for each in threads:
            each.start()
        while not any(each.begun for each in threads):
            time.sleep(0.001)
        time.sleep(random.Random(seed).random() * 0.2)
        take(path, other)
        done = time.monotonic()
        for each in threads:
            each.join(timeout=30)
        assert not any(each.is_alive() for each in threads)
    assert [begun for each in threads for begun in each.begun if begun > done] == []
    assert all("nothing more was sent" in each.failure for each in threads)


@pytest.mark.parametrize("take", [garbage, another])
def test_what_was_put_in_its_place_stays_as_it_was_put_there(
    tmp_path: Path, other: Path, take: Take
) -> None:
    path = tmp_path / "journal"
    with Journal.open(path, ACCOUNT) as journal:
        for number in range(20):
            journal.deliveries.about_to_send(f"page {number}", "page_view")
        take(path, other)
        put = path.read_bytes()
        with pytest.raises(JournalFailedError, match="was written to by another program"):
            journal.deliveries.about_to_send("late", "page_view")
    assert path.read_bytes() == put


def test_written_over_as_it_is_closed_it_is_noticed(tmp_path: Path, other: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal.open(path, ACCOUNT)
    journal.deliveries.about_to_send("page", "page_view")
    another(path, other)
    journal.close()
    assert journal.failure
    assert "was written to by another program" in journal.failure


def test_a_log_that_grows_is_written_back_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    log = Path(f"{path}{LOG}")
    with Journal.open(path, ACCOUNT) as journal:
        for number in range(1_500):
            journal.deliveries.about_to_send(f"page {number}", "page_view")
            journal.deliveries.delivered(f"page {number}", "page_view")
        assert log.stat().st_size < 6_000_000
        assert path.stat().st_size > 50_000
        assert journal.failure is None
    with Journal.open(path, ACCOUNT) as journal:
        assert journal.past_delivery("page 1499")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "file", isolation_level=None)) as database:
        database.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE one (x);"
            "CREATE TABLE two (x); INSERT INTO one VALUES (x'00112233445566778899');"
            "PRAGMA wal_checkpoint(PASSIVE);"
        )
        yield database


NONCE = bytes.fromhex("00112233445566778899")


def test_written_over_while_the_log_is_written_back_it_is_noticed(
    tmp_path: Path, database: sqlite3.Connection
) -> None:
    path = tmp_path / "file"
    with Watch(path, Witness(4096, 4096, NONCE)) as watch:
        database.execute("INSERT INTO two VALUES (1)")
        assert watch.check() is None
        assert watch.frames == 1
        path.write_bytes(path.read_bytes().replace(NONCE, NONCE[::-1]))
        database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        watch.note_checkpoint()
        found = watch.check()
    assert found
    assert found[0] == path
    assert found[1].what == "was written to by another program"
    assert not found[1].is_intact


def test_a_log_that_was_cut_and_has_grown_since_is_noticed(
    tmp_path: Path, database: sqlite3.Connection
) -> None:
    with Watch(tmp_path / "file", Witness(4096, 4096, NONCE)) as watch:
        database.execute("INSERT INTO two VALUES (1)")
        assert watch.check() is None
        os.truncate(tmp_path / "file-wal", 0)
        database.execute("INSERT INTO two VALUES (2)")
        found = watch.check()
    assert found
    assert found[0] == tmp_path / "file-wal"
    assert found[1].what == "was emptied or cut short"


def test_an_older_copy_of_the_log_is_noticed(tmp_path: Path, database: sqlite3.Connection) -> None:
    log = tmp_path / "file-wal"
    with Watch(tmp_path / "file", Witness(4096, 4096, NONCE)) as watch:
        database.execute("INSERT INTO two VALUES (1)")
        older = log.read_bytes()
        database.execute("INSERT INTO two VALUES (2)")
        assert watch.check() is None
        log.write_bytes(older)
        database.execute("INSERT INTO two VALUES (3)")
        found = watch.check()
    assert found
    assert found[0] == log


def test_what_the_program_itself_does_is_no_loss(
    tmp_path: Path, database: sqlite3.Connection
) -> None:
    path = tmp_path / "file"
    with (
        Watch(path, Witness(4096, 4096, NONCE)) as watch,
        closing(sqlite3.connect(path, isolation_level=None)) as reader,
    ):
        for number in range(300):
            database.execute("BEGIN")
            database.execute("INSERT INTO two VALUES (randomblob(?))", (number * 100,))
            database.execute("ROLLBACK" if number % 7 == 0 else "COMMIT")
            assert watch.check() is None, number
            if number % 11 == 0:
                reader.execute("COMMIT" if reader.in_transaction else "BEGIN")
                reader.execute("SELECT count(*) FROM two").fetchone()
            if number % 5 == 0:
                database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                watch.note_checkpoint()
                assert watch.check() is None, number


FRAME = 24 + 4096


def zeroed(frame: bytes) -> bytes:
    """Its header stays."""
    return frame[:24] + bytes(4096)


def with_junk(frame: bytes) -> bytes:
    return frame[:1000] + random.Random(1).randbytes(64) + frame[1064:]


def with_a_bit(frame: bytes) -> bytes:
    return frame[:-1] + bytes((frame[-1] ^ 1,))


def with_another_page(frame: bytes) -> bytes:
    return (7).to_bytes(4) + frame[4:]


def spoil_frame(path: Path, number: int, spoil: Callable[[bytes], bytes]) -> None:
    """Change a frame in the log of a journal; frames are counted from 0."""
    log = Path(f"{path}{LOG}")
    with log.open("r+b") as file:
        file.seek(32 + number * FRAME)
        frame = file.read(FRAME)
        assert spoil(frame) != frame
        file.seek(32 + number * FRAME)
        file.write(spoil(frame))


@pytest.mark.parametrize("spoil", [zeroed, with_junk, with_a_bit, with_another_page])
@pytest.mark.parametrize("number", [0, 1, 30])
def test_a_frame_that_is_written_over_is_not_written_back_as_the_journal_is_closed(
    tmp_path: Path, spoil: Callable[[bytes], bytes], number: int
) -> None:
    path = tmp_path / "journal"
    journal = Journal.open(path, ACCOUNT)
    for page in range(50):
        journal.deliveries.about_to_send(f"page {page}", "page_view")
    before = path.read_bytes()
    spoil_frame(path, number, spoil)
    journal.close()
    assert journal.failure
    assert f"journal{LOG} was written to by another program as this run ended" in journal.failure
    assert path.read_bytes() == before
    with Journal.open(path, ACCOUNT) as journal:  # with what stood before the frame
        assert bool(journal.past_delivery("page 0")) == (number == 30)
        assert not journal.past_delivery("page 49")
    assert journal.failure is None


def depart(journal: Journal, times: int) -> None:
    for page in range(times):
        journal.deliveries.about_to_send(f"more {page}", "page_view")


def test_a_log_whose_middle_is_written_over_is_not_written_back(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal.open(path, ACCOUNT) as journal:
        for page in range(50):
            journal.deliveries.about_to_send(f"page {page}", "page_view")
        before = path.read_bytes()
        spoil_frame(path, 30, with_junk)
        with pytest.raises(JournalFailedError, match=f"journal{LOG} was written to by another"):
            depart(journal, 1_000)
    assert path.read_bytes() == before


def test_a_log_that_a_reader_keeps_from_being_written_back_is_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with (
        Journal.open(path, ACCOUNT) as journal,
        closing(sqlite3.connect(path, isolation_level=None)) as reader,
    ):
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM run").fetchone()
        for page in range(800):
            journal.deliveries.about_to_send(f"page {page}", "page_view")
            journal.deliveries.delivered(f"page {page}", "page_view")
        reader.execute("COMMIT")
        depart(journal, 800)
    assert journal.failure is None
    assert not Path(f"{path}{LOG}").exists()
    with Journal.open(path, ACCOUNT) as journal:
        assert journal.past_delivery("page 799")
