"""Options that name one file: refused before anything is sent, read or changed."""

import json
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from forking import COMMAND
from replaying import Replay, identify, refusing, track, until

from wootric_map.run_files import conflict, place_of, use
from wootric_map.sandbox import SandboxSettings

ADA = identify("1", "ada@example.com")
STRANGER = track("9", "Signed Up")
UNTITLED = {"type": "track", "userId": "1"}

WRITTEN = ("--rejects", "--unidentified", "--journal")
READ = ("PATHS", "--against", "--client-secret-file")
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - what stands below /dev is looked at as elsewhere
BESIDE = ("-wal", "-shm", "-journal", ".lock")


def given(option: str, path: Path) -> tuple[str | Path, ...]:
    return (path,) if option == "PATHS" else (option, path)


def same(path: Path) -> Path:
    return path


def by_a_link(path: Path) -> Path:
    link = path.with_name("link")
    link.symlink_to(path.name)
    return link


def by_a_folder(path: Path) -> Path:
    folder = path.with_name("linked")
    folder.symlink_to(path.parent, target_is_directory=True)
    return folder / path.name


def by_a_second_name(path: Path) -> Path:
    other = path.with_name("second")
    other.hardlink_to(path)
    return other


def by_a_detour(path: Path) -> Path:
    return path.parent / ".." / path.parent.name / "." / path.name


NAMINGS = [same, by_a_link, by_a_folder, by_a_second_name, by_a_detour]


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(replay: Replay, *args: str | Path) -> str:
    """Run a command that must be refused, and change nothing; gives what it says."""
    before = everything(replay.folder)
    done = replay.run(*args)
    assert done.returncode == 2, (args, done.stderr)
    assert everything(replay.folder) == before
    assert not replay.sandbox.requests
    return done.stderr


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize(
    ("one", "other"), [*combinations(WRITTEN, 2), *((r, w) for r in READ for w in WRITTEN)]
)
def test_a_push_refuses_two_uses_of_one_file(
    replay: Replay, one: str, other: str, naming: Callable[[Path], Path]
) -> None:
    export = replay.write([ADA])
    path = replay.write([ADA], "both.ndjson")
    paths = () if one == "PATHS" else (export,)
    words = refused(replay, "push", *given(one, path), *given(other, naming(path)), *paths)
    assert f"{one} and {other} name one file" in words or f"{other} and {one} name" in words
    assert "both.ndjson" in words or naming is not same


@pytest.mark.parametrize("naming", [same, by_a_link, by_a_folder, by_a_detour])
@pytest.mark.parametrize(("one", "other"), [*combinations(WRITTEN, 2)])
def test_it_does_so_before_there_is_such_a_file(
    replay: Replay, one: str, other: str, naming: Callable[[Path], Path]
) -> None:
    path = replay.folder / "both"
    args = (*given(one, path), *given(other, naming(path)), replay.write([ADA]))
    assert "name one file" in refused(replay, "push", *args)
    assert not path.exists()


@pytest.mark.parametrize("option", ["--rejects", "--unidentified"])
@pytest.mark.parametrize("suffix", BESIDE)
def test_what_stands_beside_the_journal_is_not_displaced(
    replay: Replay, option: str, suffix: str
) -> None:
    path = replay.folder / f"j{suffix}"
    words = refused(replay, "push", "--journal", "j", option, path, replay.write([ADA]))
    assert f"{option} and the {suffix} file of --journal name one file" in words


def test_nor_is_what_stands_in_the_state_folder(replay: Replay) -> None:
    export = replay.write([ADA])
    assert replay.push(export).returncode == 0
    (journal,) = (replay.folder / "state").rglob("*.journal")
    replay.sandbox.state.reset()
    for path in (journal, journal.with_name(f"{journal.name}-wal"), journal.with_suffix(".lock")):
        done = replay.push("--rejects", path, export)
        assert done.returncode == 2, done.stderr
        assert "name one file" in done.stderr
    before = journal.read_bytes()
    done = replay.push("--journal", replay.folder / "own", "--rejects", journal, export)
    assert done.returncode == 2
    assert "no rejects file" in done.stderr
    assert journal.read_bytes() == before


@pytest.mark.parametrize("option", ["--out", "--unidentified"])
def test_a_dry_run_refuses_them_too(replay: Replay, option: str) -> None:
    export = replay.write([ADA])
    assert replay.push("--journal", "j", export).returncode == 0
    snapshot = replay.snapshot()
    replay.sandbox.state.reset()
    before = everything(replay.folder)
    for args in (
        (option, export, export),
        (option, snapshot, "--against", snapshot, export),
        (option, "j", "--journal", "j", export),
        (option, "j-wal", "--journal", "j", export),
        (option, "rejects.ndjson", export),
        ("--out", "x", "--unidentified", "./x", export),
    ):
        done = replay.run("dry-run", *args)
        assert done.returncode == 2, (args, done.stderr)
        assert "name one file" in done.stderr, args
    assert everything(replay.folder) == before


def test_a_snapshot_replaces_no_secret_and_no_earlier_part(replay: Replay) -> None:
    secret = replay.folder / "secret"
    secret.write_bytes(b"sandbox-client-secret\n")
    words = refused(replay, "snapshot", "--client-secret-file", secret, "-o", secret)
    assert "-o and --client-secret-file name one file" in words
    part = replay.folder / "all.partial"
    part.write_bytes(b"sandbox-client-secret\n")
    words = refused(replay, "snapshot", "--client-secret-file", part, "-o", "all")
    assert "the .partial file of -o and --client-secret-file name one file" in words


def test_a_snapshot_is_brought_up_to_date_in_its_place_by_either_name(replay: Replay) -> None:
    replay.holds("1", "ada@example.com")
    path = replay.snapshot()
    before = path.read_bytes()
    assert replay.run("snapshot", "--update", path, "-o", path).returncode == 0
    assert replay.run("snapshot", "--update", path).returncode == 0
    assert len(path.read_bytes().splitlines()) == len(before.splitlines()) == 1


def test_rejects_are_pushed_and_replaced_by_whatever_name(replay: Replay) -> None:
    replay.push(replay.write([ADA, UNTITLED]))
    for naming in (same, by_a_link, by_a_second_name):
        path = naming(replay.folder / "rejects.ndjson")
        done = replay.push("--retry-rejects", path)
        assert done.returncode == 1, done.stderr
        assert [each["code"] for each in replay.rejects()] == ["missing_event"]


def kept(path: Path, record: object = "earlier") -> Path:
    """A rejects file that holds one record."""
    path.write_bytes(json.dumps({"code": "refused", "record": record}).encode() + b"\n")
    return path


@pytest.mark.parametrize("naming", NAMINGS)
def test_what_is_pushed_is_never_deleted_as_an_old_rejects_file(
    replay: Replay, naming: Callable[[Path], Path]
) -> None:
    rejects = replay.folder / "rejects.ndjson"
    export = kept(Path(f"{rejects}.1"), json.dumps(UNTITLED))
    kept(Path(f"{rejects}.2"), "older")
    kept(rejects)
    done = replay.push("--keep-rejects", "1", naming(export))
    assert done.returncode == 1, done.stderr
    names = sorted(path.name for path in replay.folder.glob("rejects*"))
    assert names == ["rejects.ndjson", "rejects.ndjson.1", "rejects.ndjson.3"]


def test_nor_are_the_rejects_of_a_plan(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings(faults=(refusing("ada@example.com"),)))
    assert replay.push("--plan", replay.plan(replay.write([ADA]))).returncode == 1
    rejects = replay.folder / "rejects.ndjson"
    pushed = rejects.rename(f"{rejects}.1")
    before = pushed.read_bytes()
    for arguments in ((pushed,), ("--plan", pushed)):
        kept(rejects)
        done = replay.push("--keep-rejects", "0", *arguments)
        assert done.returncode == 1, done.stderr
        assert pushed.read_bytes() == before
        names = sorted(path.name for path in replay.folder.glob("rejects*"))
        assert names == ["rejects.ndjson", "rejects.ndjson.1"]


def test_nor_is_what_the_run_itself_has_written(replay: Replay) -> None:
    export = replay.write([ADA, STRANGER, UNTITLED])
    rejects = kept(replay.folder / "rejects.ndjson")
    nobody = replay.folder / "rejects.ndjson.1"
    done = replay.push("--keep-rejects", "0", "--unidentified", nobody, export)
    assert done.returncode == 1, done.stderr
    assert b'"code":"unidentified"' in nobody.read_bytes()
    assert b'"code":"missing_event"' in rejects.read_bytes()
    assert len(list(replay.folder.glob("rejects*"))) == 2


def test_what_is_set_aside_takes_no_name_that_the_run_needs(replay: Replay) -> None:
    export = replay.write([ADA, STRANGER])
    kept(replay.folder / "nobody")
    done = replay.run("dry-run", "--unidentified", "nobody", "--out", "nobody.1", export)
    assert done.returncode == 0, done.stderr
    assert b"wootric_replay_plan" in (replay.folder / "nobody.1").read_bytes()
    assert b'"earlier"' in (replay.folder / "nobody.2").read_bytes()


def test_an_export_in_a_folder_is_not_left_out_because_rejects_are_to_go_there(
    replay: Replay,
) -> None:
    logs = replay.folder / "logs"
    logs.mkdir()
    replay.write([ADA], "logs/a.ndjson")
    replay.write([UNTITLED], "logs/b.ndjson")
    words = refused(replay, "push", "--rejects", "logs/b.ndjson", "logs")
    assert "PATHS and --rejects name one file" in words
    # What is the run's own is left out, be it there or still to come.
    for _ in range(3):
        options = ("--rejects", "logs/r.ndjson", "--unidentified", "logs/n", "--journal", "logs/j")
        done = replay.push("--retry-rejects", *options, "logs")
        assert done.returncode == 1, done.stderr
        assert "2 mapped" not in done.stdout
        assert "Records" in done.stdout


@pytest.mark.parametrize("folder", [IN_MEMORY, Path("/proc/self/cwd")])
@pytest.mark.skipif(not IN_MEMORY.is_dir(), reason=f"needs {IN_MEMORY}")
def test_a_folder_of_the_system_is_as_any_other(replay: Replay, folder: Path) -> None:
    export = replay.write([ADA, STRANGER, UNTITLED])
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as own:
        below = Path(own) if folder == IN_MEMORY else folder
        for one, other in (
            (("--rejects", below / "x"), ("--unidentified", below / "x")),
            (("--journal", below / "j"), ("--rejects", below / "j-wal")),
            (("--journal", below / "j"), ("--unidentified", below / "j.lock")),
        ):
            assert "name one file" in refused(replay, "push", *one, *other, export)
        assert not list(Path(own).iterdir())


@pytest.mark.parametrize("device", ["/dev/null", "/dev/stdout"])
def test_devices_may_be_named_twice(replay: Replay, device: str) -> None:
    export = replay.write([ADA, STRANGER, UNTITLED])
    done = replay.push("--rejects", device, "--unidentified", device, export)
    assert done.returncode == 1, done.stderr
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_an_open_pipe_gets_what_goes_to_its_number(replay: Replay) -> None:
    export = replay.write([ADA, STRANGER, UNTITLED])
    done = subprocess.run(
        [
            "/bin/bash",
            "-c",
            '"$0" push -q --rejects >(cat >rejects) --unidentified /proc/self/fd/1 "$@" | cat',
            COMMAND,
            export,
        ],
        cwd=replay.folder,
        env=replay.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    until(lambda: (replay.folder / "rejects").read_bytes().count(b"missing_event") == 1)
    assert done.stdout.count('"code":"unidentified"') == 1, done.stdout


def test_a_link_that_leads_in_a_circle_is_one_file(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    assert conflict([use("--out", link, writes=True), use("--rejects", link, writes=True)])


def test_many_files_that_are_read_take_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    read = [use("PATHS", path) for _ in range(20_000)]
    begun = time.process_time()
    assert conflict([*read, use("--out", tmp_path / "b", writes=True)]) is None
    assert time.process_time() - begun < 1
    assert place_of(path).identity == (path.stat().st_dev, path.stat().st_ino)
