"""Files that another user has put where a run writes its own, as in a folder that several users share."""

import os
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from replaying import Replay, identify, page, track, until

NOBODY = 65534
"""Another user; there need be no such account."""

ROOT_ALONE = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user")

ADA = identify("1", "ada@example.com", plan="pro")
STRANGER = track("9", "Signed Up")
UNTITLED = {"type": "track", "userId": "1"}
EXPORT = [ADA, page("1"), STRANGER, UNTITLED]


IN_MEMORY = Path("/dev/shm")  # noqa: S108 - what stands below /dev is looked at as elsewhere
ANYWHERE = pytest.mark.parametrize("shared", [None, IN_MEMORY], indirect=True, ids=["disk", "shm"])


@pytest.fixture
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder in which everybody may make files, and nobody may delete another's."""
    above = getattr(request, "param", None) or tmp_path
    if not above.is_dir():
        pytest.skip(f"needs {above}")
    with tempfile.TemporaryDirectory(dir=above) as name:
        Path(name).chmod(0o1777)
        yield Path(name)


def planted(path: Path, content: bytes = b"") -> tuple[int, int, bytes]:
    path.write_bytes(content)
    path.chmod(0o666)
    os.chown(path, NOBODY, NOBODY)
    return seen(path)


def seen(path: Path) -> tuple[int, int, bytes]:
    """All of a file that a run could change."""
    status = path.lstat()
    return status.st_uid, stat.S_IMODE(status.st_mode), path.read_bytes()


Command = Callable[[Replay, Path], subprocess.CompletedProcess[str]]


def push(replay: Replay, *options: str | Path) -> subprocess.CompletedProcess[str]:
    return replay.push(replay.write(EXPORT), *options)


def pushed_with(option: str) -> Command:
    return lambda replay, path: push(replay, option, path)


def planned(replay: Replay, path: Path) -> subprocess.CompletedProcess[str]:
    return replay.run("dry-run", "--out", path, replay.write([ADA]))


def snapshot(replay: Replay, path: Path) -> subprocess.CompletedProcess[str]:
    return replay.run("snapshot", "-o", path)


def sandbox(replay: Replay, path: Path) -> subprocess.CompletedProcess[str]:
    return replay.run("sandbox", "--log", path)


COMMANDS: dict[str, tuple[str, Command]] = {
    "journal": ("journal", pushed_with("--journal")),
    "wal": ("journal-wal", pushed_with("--journal")),
    "shm": ("journal-shm", pushed_with("--journal")),
    "rollback": ("journal-journal", pushed_with("--journal")),
    "lock": ("journal.lock", pushed_with("--journal")),
    "list": ("journal.end_users", pushed_with("--journal")),
    "part of a list": ("journal.end_users.partial", pushed_with("--journal")),
    "rejects": ("rejects", pushed_with("--rejects")),
    "unidentified": ("nobody", pushed_with("--unidentified")),
    "plan": ("plan", planned),
    "snapshot": ("snapshot", snapshot),
    "partial": ("snapshot.partial", snapshot),
    "log": ("log", sandbox),
}
"""What another user plants, and what is run that would write to it."""


def named(shared: Path, file: str) -> Path:
    """What the option names: the file itself, or the one that it stands beside."""
    return shared / file.partition("-")[0].partition(".")[0]


@ROOT_ALONE
@ANYWHERE
@pytest.mark.parametrize("kind", COMMANDS)
def test_what_somebody_else_has_put_there_is_refused_and_left_as_it_was(
    replay: Replay, shared: Path, kind: str
) -> None:
    file, command = COMMANDS[kind]
    before = planted(shared / file)
    done = command(replay, named(shared, file))
    assert done.returncode == 2, done.stderr
    assert f"{file} belongs to another user (uid {NOBODY})" in done.stderr
    assert seen(shared / file) == before
    assert not replay.sandbox.state.end_users
    assert [path.name for path in shared.iterdir() if path.lstat().st_uid != NOBODY] in (
        [],
        ["journal.lock"],
    )


@ROOT_ALONE
@pytest.mark.parametrize("suffix", ["", "-wal"])
@pytest.mark.parametrize(
    "command", [("status",), ("dry-run", "export.ndjson"), ("journal", "forget", "--yes")]
)
def test_a_journal_of_somebody_elses_is_not_read_either(
    replay: Replay, shared: Path, command: tuple[str, ...], suffix: str
) -> None:
    journal = shared / "journal"
    assert push(replay, "--journal", journal).returncode == 1
    path = shared / f"journal{suffix}"
    before = planted(path, path.read_bytes() if path.exists() else b"")
    done = replay.run(*command, "--journal", journal)
    assert done.returncode == 2, done.stderr
    assert f"journal{suffix} belongs to another user (uid {NOBODY})" in done.stderr
    assert seen(path) == before
    assert journal.exists()


@ROOT_ALONE
@ANYWHERE
@pytest.mark.parametrize("kind", ["journal", "rejects", "unidentified", "plan", "snapshot", "log"])
def test_a_link_of_somebody_elses_is_not_followed(
    replay: Replay, shared: Path, tmp_path: Path, kind: str
) -> None:
    file, command = COMMANDS[kind]
    link = shared / file
    link.symlink_to(tmp_path / "elsewhere")
    os.lchown(link, NOBODY, NOBODY)
    done = command(replay, link)
    assert done.returncode == 2, done.stderr
    assert "is a link that belongs to another user" in done.stderr
    assert not (tmp_path / "elsewhere").exists()


@ROOT_ALONE
@ANYWHERE
@pytest.mark.parametrize("kind", ["rejects", "unidentified", "log"])
def test_a_pipe_of_somebody_elses_is_not_written_to(
    replay: Replay, shared: Path, kind: str
) -> None:
    file, command = COMMANDS[kind]
    pipe = shared / file
    os.mkfifo(pipe)
    os.chown(pipe, NOBODY, NOBODY)
    pipe.chmod(0o666)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    done = command(replay, pipe)
    taken = os.read(reading, 100_000)
    os.close(reading)
    assert done.returncode == 2, done.stderr
    assert f"{file} belongs to another user (uid {NOBODY})" in done.stderr
    assert not taken


@pytest.mark.parametrize("kind", ["journal", "rejects", "unidentified", "plan", "snapshot"])
def test_a_link_of_ones_own_is_followed_and_stays_one(
    replay: Replay, shared: Path, tmp_path: Path, kind: str
) -> None:
    file, command = COMMANDS[kind]
    link, place = shared / file, tmp_path / "elsewhere"
    link.symlink_to(place)
    assert command(replay, link).returncode in (0, 1)
    assert link.is_symlink()
    assert place.is_file()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "kind", ["wal", "shm", "rollback", "lock", "list", "part of a list", "partial"]
)
@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_what_is_no_plain_file_is_refused_beside_a_file_of_ones_own(
    replay: Replay, shared: Path, tmp_path: Path, kind: str, what: str
) -> None:
    file, command = COMMANDS[kind]
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious\n")
    path = shared / file
    if what == "link":
        path.symlink_to(precious)
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    before = stat.S_IFMT(path.lstat().st_mode)
    done = command(replay, named(shared, file))
    assert done.returncode == 2, done.stderr
    assert file in done.stderr
    assert stat.S_IFMT(path.lstat().st_mode) == before
    assert precious.read_bytes() == b"precious\n"
    assert not replay.sandbox.state.end_users


@pytest.mark.parametrize("kind", ["journal", "log"])
def test_a_second_name_of_a_file_of_ones_own_is_refused_where_anybody_may_have_given_it(
    replay: Replay, shared: Path, tmp_path: Path, kind: str
) -> None:
    file, command = COMMANDS[kind]
    diary = tmp_path / "diary"
    diary.write_bytes(b"")
    diary.chmod(0o644)
    (shared / file).hardlink_to(diary)
    done = command(replay, shared / file)
    assert done.returncode == 2, done.stderr
    assert "has a second name" in done.stderr
    assert seen(diary)[1:] == (0o644, b"")


@ROOT_ALONE
def test_numbered_files_of_somebody_elses_are_never_deleted(replay: Replay, shared: Path) -> None:
    rejects = shared / "rejects"
    before = planted(shared / "rejects.1", b'{"code":"refused","record":"theirs"}\n')
    rejects.write_bytes(b'{"code":"refused","record":"mine"}\n')
    assert push(replay, "--rejects", rejects, "--keep-rejects", "0").returncode == 1
    assert seen(shared / "rejects.1") == before
    assert sorted(path.name for path in shared.iterdir()) == ["rejects", "rejects.1"]


@ROOT_ALONE
def test_root_works_on_a_users_own_files_in_a_folder_that_is_theirs_alone(
    replay: Replay, tmp_path: Path
) -> None:
    """As with `sudo`, from somebody's home."""
    home = tmp_path / "home"
    home.mkdir(0o755)
    planted(home / "rejects")
    os.chown(home, NOBODY, NOBODY)
    assert push(replay, "--rejects", home / "rejects").returncode == 1
    home.chmod(0o775)
    planted(home / "rejects")
    assert push(replay, "--rejects", home / "rejects").returncode == 2


def test_a_wrong_file_given_as_the_journal_is_left_as_it_was(
    replay: Replay, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.write_bytes(b"not a journal\n" * 1000)
    notes.chmod(0o644)
    other = tmp_path / "other.db"
    database = sqlite3.connect(other)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE t (x)")
    database.close()
    other.chmod(0o644)
    for path in (notes, other):
        before = seen(path), path.stat().st_mtime_ns
        done = push(replay, "--journal", path)
        assert done.returncode == 2, done.stderr
        assert (seen(path), path.stat().st_mtime_ns) == before
        names = {each.name for each in tmp_path.glob(f"{path.name}*")}
        assert names <= {path.name, f"{path.name}.lock"}


def test_a_database_that_another_program_has_open_is_left_in_peace(
    replay: Replay, tmp_path: Path
) -> None:
    path = tmp_path / "other.db"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE t (x)")
    path.chmod(0o644)
    wal = path.with_name("other.db-wal").read_bytes()
    assert push(replay, "--journal", path).returncode == 2
    assert seen(path)[1] == 0o644
    assert path.with_name("other.db-wal").read_bytes() == wal
    database.close()


def test_a_file_that_is_no_locks_is_not_taken_for_one(replay: Replay, tmp_path: Path) -> None:
    lock = tmp_path / "poetry.lock"
    lock.write_bytes(b"[[package]]\n")
    done = push(replay, "--journal", tmp_path / "poetry")
    assert done.returncode == 2, done.stderr
    assert "poetry.lock is in the way" in done.stderr
    assert lock.read_bytes() == b"[[package]]\n"


@pytest.fixture
def logging(replay: Replay) -> Callable[[Path], str]:
    def run(log: Path) -> str:
        with replay.start("sandbox", "--log", log) as process:
            assert process.stdout
            greeting = str(process.stdout.readline())
            process.terminate()
            process.communicate(timeout=30)
            return greeting

    return run


def test_a_log_of_ones_own_is_added_to_and_keeps_its_mode(
    logging: Callable[[Path], str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    log.chmod(0o640)
    assert "Sandbox Wootric" in logging(log)
    assert seen(log)[1:] == (0o640, b"before\n")
    link = tmp_path / "link"
    link.symlink_to(log)
    assert "Sandbox Wootric" in logging(link)
    assert "Sandbox Wootric" in logging(tmp_path / "new")
    assert seen(tmp_path / "new")[1] == 0o600


@ROOT_ALONE
def test_what_is_planted_while_a_push_is_under_way_is_refused_too(
    replay: Replay, shared: Path
) -> None:
    """The rejects are put in their place at the end, when something may stand there."""
    rejects = shared / "rejects"
    with replay.start("push", replay.write(EXPORT), "--rejects", rejects, "-v") as process:
        until(lambda: bool(replay.sandbox.requests))
        before = planted(rejects, b"theirs\n")
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 5, errors
    assert "belongs to another user" in errors
    assert "--retry-rejects" in errors
    assert seen(rejects) == before
    rejects.unlink()
    assert push(replay, "--rejects", rejects, "--retry-rejects").returncode == 1
    assert rejects.is_file()
