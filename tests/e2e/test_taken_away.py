"""Files of a push that somebody removes, empties or replaces while it is under way."""

import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from replaying import Replay, identify, page, until

from wootric_map.sandbox import Fault, SandboxRequest, SandboxSettings

USERS = 60
EXPORT = [
    *(identify(f"u{n}", f"u{n}@example.com", seats=n) for n in range(USERS)),
    *(page(f"u{n}", f"/{n}") for n in range(USERS)),
    *(page(f"u{n}", f"/{n}/more") for n in range(USERS)),
]
SEEDS = pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (1, 2))]
)
"""Of the moment at which something is taken away."""

SLOW = pytest.mark.parametrize("settings", [SandboxSettings(latency=0.02)])

Take = Callable[[Path], object]


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def replaced(path: Path) -> None:
    """By something that is newer, as an editor or a copying program does it."""
    other = path.with_name("other")
    other.write_bytes(b"something else\n" * 1000)
    other.replace(path)


def moved(path: Path) -> None:
    path.rename(path.with_name("moved"))


def overwritten(path: Path) -> None:
    """In place, as `cp` does it."""
    path.write_bytes(b"something else\n" * 10_000)


def copied_over(path: Path) -> None:
    """With an older copy of it, in place."""
    shutil.copyfile(path.with_name("older"), path)


def linked(path: Path) -> None:
    """Something else is linked to its place."""
    other = path.with_name("other")
    other.write_bytes(b"something else\n" * 1000)
    path.unlink()
    path.symlink_to(other)


def views(replay: Replay) -> Counter[str]:
    return Counter(view.params["page_info[path]"] for view in replay.sandbox.state.page_views)


def departures(replay: Replay) -> int:
    """The calls that must be on record before they are sent."""
    state = replay.sandbox.state
    return len(state.page_views) + len(state.end_users)


def pushed_while(
    replay: Replay,
    take: Callable[[], object],
    *,
    seed: int = 0,
    after: int | None = None,
    settles: float = 1.0,
    options: tuple[str, ...] = (),
) -> tuple[subprocess.CompletedProcess[str], int]:
    """Push, and do something meanwhile; gives how it ended, and what was sent more than a moment later."""
    draw = random.Random(seed)
    export = replay.write(EXPORT)
    at = draw.randrange(3, USERS * 2) if after is None else after
    with replay.start("push", export, "--journal", "journal", "--no-progress", *options) as process:
        until(lambda: departures(replay) >= at or process.poll() is not None)
        time.sleep(draw.random() * 0.02)
        assert process.poll() is None, process.communicate()
        take()
        time.sleep(settles)  # what was under way has arrived, also on a busy machine
        before = departures(replay)
        output, errors = process.communicate(timeout=60)
        code = process.returncode
    return subprocess.CompletedProcess([], code, output, errors), departures(replay) - before


@SLOW
@SEEDS
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_journal_that_is_removed_stops_the_run_and_is_not_lost(
    replay: Replay, suffix: str, seed: int
) -> None:
    path = replay.folder / f"journal{suffix}"
    done, more = pushed_while(replay, path.unlink, seed=seed)
    assert done.returncode == 5, done.stderr
    assert more == 0
    assert f"journal{suffix} was removed or moved away" in done.stderr
    assert "run the same command again" in done.stderr
    again = replay.push("export.ndjson", "--journal", "journal", "--in-doubt", "resend")
    assert again.returncode == 0, again.stderr
    assert views(replay) == Counter(each["properties"]["path"] for each in EXPORT[USERS:])
    assert len(replay.sandbox.state.end_users) == USERS


@SLOW
@pytest.mark.parametrize("take", [replaced, linked, moved])
def test_what_a_replaced_journal_held_is_kept_beside_it(replay: Replay, take: Take) -> None:
    path = replay.folder / "journal"
    done, more = pushed_while(replay, lambda: take(path))
    assert done.returncode == 5, done.stderr
    assert more == 0
    assert "nothing more was sent" in done.stderr
    saved = list(replay.folder.glob("journal.*.saved"))
    if take is moved:
        assert saved == []
    else:
        assert "was replaced by another file" in done.stderr
        assert path.read_bytes() == b"something else\n" * 1000
        assert saved[0].name in done.stderr.replace("\n", "")
        assert saved[0].stat().st_mode & 0o777 == 0o600
        path.unlink()
        saved[0].rename(path)
    assert replay.push("export.ndjson", "--journal", "journal").returncode == 0
    assert views(replay) == Counter(each["properties"]["path"] for each in EXPORT[USERS:])


@SLOW
@pytest.mark.parametrize(
    ("suffix", "take", "words"),
    [
        ("", emptied, "journal was emptied or cut short"),
        ("-wal", emptied, "journal-wal was emptied or cut short"),
        ("-wal", replaced, "journal-wal was replaced by another file"),
        ("-wal", moved, "journal-wal was removed or moved away"),
    ],
)
@SEEDS
def test_a_journal_that_is_emptied_or_written_over_stops_the_run(
    replay: Replay, suffix: str, take: Take, words: str, seed: int
) -> None:
    path = replay.folder / f"journal{suffix}"
    done, more = pushed_while(replay, lambda: take(path), seed=seed)
    assert done.returncode == 5, done.stderr
    assert more == 0
    assert words in done.stderr
    assert "nothing more was sent" in done.stderr


@SLOW
@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("take", [overwritten, copied_over])
@SEEDS
def test_once_a_journal_is_written_over_only_what_is_on_record_goes_out(
    replay: Replay, take: Take, workers: int, seed: int
) -> None:
    path = replay.folder / "journal"
    first = replay.write([identify("older", "older@example.com")], "older.ndjson")
    assert replay.push(first, "--journal", "journal").returncode == 0
    shutil.copyfile(path, path.with_name("older"))
    options = ("--workers", str(workers))
    done, more = pushed_while(
        replay, lambda: take(path), seed=seed * 10 + workers, settles=0, options=options
    )
    assert done.returncode == 5, done.stderr
    # Whoever writes over a file empties it first.
    assert re.search("journal was (written to by another program|emptied)", done.stderr), (
        done.stderr
    )
    assert "nothing more was sent" in done.stderr
    assert more <= workers  # what each had put on record before


def zeroed_inside(path: Path) -> None:
    """The contents of all frames of the log but the last two; the headers stay."""
    header, frame = 32, 24 + 4096
    log = path.with_name(f"{path.name}-wal")
    with log.open("r+b") as file:
        for number in range((log.stat().st_size - header) // frame - 2):
            file.seek(header + number * frame + 24)
            file.write(bytes(4096))


@SLOW
@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("seed", range(2))
def test_a_log_that_is_written_over_inside_never_gets_into_the_journal(
    replay: Replay, workers: int, seed: int
) -> None:
    path = replay.folder / "journal"
    options = ("--workers", str(workers))
    done, _ = pushed_while(
        replay, lambda: zeroed_inside(path), seed=seed, settles=0, options=options
    )
    assert done.returncode == 5, done.stderr
    assert "journal-wal was written to by another program" in done.stderr
    assert "put back a copy of the journal" in done.stderr
    status = replay.run("status", "--journal", "journal")
    assert status.returncode == 0, status.stderr


def test_a_journal_that_is_removed_after_the_last_call_was_sent_is_noticed(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    folder: list[Path] = []

    def rule(request: SandboxRequest) -> Fault | None:
        if request.path == "/pixel.gif":
            (folder[0] / "journal").unlink()
        return None

    replay = replaying(SandboxSettings(faults=(rule,)))
    folder.append(replay.folder)
    export = replay.write([identify("1", "ada@example.com"), page("1")])
    done = replay.push(export, "--journal", "journal")
    assert done.returncode == 5, done.stderr
    assert "was removed or moved away" in done.stderr
    assert replay.push(export, "--journal", "journal").returncode == 0
    assert views(replay) == Counter(["/"])


@SLOW
def test_a_journal_that_others_only_read_is_left_in_peace(replay: Replay) -> None:
    def look() -> None:
        for _ in range(3):
            assert replay.run("status", "--journal", "journal").returncode == 0
        assert replay.run("dry-run", "--journal", "journal", "export.ndjson").returncode == 0

    done, more = pushed_while(replay, look, after=3, settles=0.1)
    assert done.returncode == 0, done.stderr
    assert more > 0


def partial(replay: Replay, name: str) -> Path | None:
    return next(replay.folder.glob(f".{name}.*.partial"), None)


BROKEN = [*EXPORT, {"type": "track", "userId": "u1"}]


def pushed_with_rejects(replay: Replay, take: Take) -> subprocess.CompletedProcess[str]:
    """Push what has a reject, and do something to the file that holds it before it is in its place."""
    export = replay.write(BROKEN)
    with replay.start("push", export, "--no-progress") as process:
        until(lambda: departures(replay) > 0 and partial(replay, "rejects.ndjson") is not None)
        found = partial(replay, "rejects.ndjson")
        assert found
        take(found)
        output, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess([], process.returncode, output, errors)


@SLOW
@pytest.mark.parametrize("take", [Path.unlink, replaced, moved])
def test_rejects_whose_file_is_removed_before_it_is_whole_are_kept_all_the_same(
    replay: Replay, take: Take
) -> None:
    done = pushed_with_rejects(replay, take)
    assert done.returncode == 1, done.stderr
    assert [each["code"] for each in replay.rejects()] == ["missing_event"]


@SLOW
@pytest.mark.parametrize("take", [emptied, overwritten])
def test_rejects_whose_file_is_emptied_are_said_to_be_lost_and_come_again(
    replay: Replay, take: Take
) -> None:
    done = pushed_with_rejects(replay, take)
    assert done.returncode == 5, done.stderr
    assert "another program has changed this file" in done.stderr
    assert "push with --retry-rejects" in done.stderr
    assert replay.rejects() == []
    assert replay.push("export.ndjson", "--retry-rejects").returncode == 1
    assert [each["code"] for each in replay.rejects()] == ["missing_event"]
    assert views(replay) == Counter(each["properties"]["path"] for each in EXPORT[USERS:])


@SLOW
@pytest.mark.parametrize("take", [emptied, replaced, Path.unlink])
def test_a_snapshot_whose_file_is_taken_away_is_not_put_in_its_place(
    replay: Replay, take: Take
) -> None:
    for number in range(200):
        replay.holds(f"u{number}", f"u{number}@example.com")
    path = replay.folder / "all.partial"
    with replay.start("snapshot", "-o", "all", "--rate", "200", "--no-progress") as process:
        until(lambda: path.exists() and path.stat().st_size > 0)
        take(path)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 5, errors
    assert "another program has" in errors
    assert not (replay.folder / "all").exists()
