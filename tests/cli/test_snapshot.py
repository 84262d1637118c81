"""`snapshot` on the command line: what it refuses before it asks, and what it says."""

import gzip
import os
import pty
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from wootric_map.wootric.regions import account_fingerprint

if TYPE_CHECKING:
    from tests.conftest import Run, Start, Write

TOKEN = "NPS-5a4db0c5"
NOWHERE = {
    "WOOTRIC_ACCOUNT_TOKEN": TOKEN,
    "WOOTRIC_CLIENT_ID": "id",
    "WOOTRIC_CLIENT_SECRET": "secret",
    # Nothing listens there: whoever asks ends with 5.
    "WOOTRIC_BASE_URL": "http://127.0.0.1:9",
}


def held(**fields: Any) -> dict[str, Any]:
    said = {"account": account_fingerprint(TOKEN), "as_of": 1_700_000_000}
    return {"id": 1, "created_at": 1_600_000_000, **said, **fields}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "nowhere to write to: add -o FILE, or --update FILE"),
        (["-o", "."], "is a folder"),
        (["-o", "missing/file"], "the folder missing is missing"),
        (["-o", "/dev/null"], "is no file"),
        (["-o", "x.partial"], "choose another"),
        (["-o", "export.ndjson"], "is no snapshot, and would be replaced"),
        (["-o", "others.ndjson"], "is a snapshot of another account"),
        (["-o", "stopped"], "stopped.partial was left by a snapshot of another account"),
        (["-o", "rubbish"], "rubbish.partial:1: it is no JSON"),
        (["--update", "absent"], "absent: can't be read: No such file"),
        (["--update", "export.ndjson"], "export.ndjson:1: it is no end user with an account"),
        (["--update", "others.ndjson"], "others.ndjson is a snapshot of another account"),
        (["--update", "others.ndjson", "-o", "new"], "others.ndjson is a snapshot of another"),
        (["--update", "stopped.partial"], "a name in .partial is kept"),
        (["--update", "stopped.partial", "-o", "new"], "stopped.partial is no whole snapshot"),
        (["--update", "mine.gz"], "mine.gz is gzip"),
        (["-o", "new", "--rate", "0"], "such as 100 or 100/min"),
        (["-o", "new", "export.ndjson"], "unexpected extra argument"),
    ],
)
def test_wrong_use_ends_with_2_before_anything_is_asked(
    run: "Run", write: "Write", tmp_path: Path, args: list[str], words: str
) -> None:
    write("export.ndjson", {"type": "identify", "userId": "1"})
    write("others.ndjson", held(account="0" * 12))
    write("stopped.partial", held(account="0" * 12))
    write("rubbish.partial", b"rubbish")
    (tmp_path / "mine.gz").write_bytes(gzip.compress(orjson.dumps(held())))
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    done = run("snapshot", *args, environment=NOWHERE)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"WOOTRIC_ACCOUNT_TOKEN": ""}, "no account: set WOOTRIC_ACCOUNT_TOKEN"),
        ({"WOOTRIC_CLIENT_SECRET": ""}, "no client secret"),
        ({"WOOTRIC_ACCOUNT_TOKEN": "x"}, "does not look like one"),
    ],
)
def test_without_an_account_or_a_secret_it_ends_with_2(
    run: "Run", changes: dict[str, str], words: str
) -> None:
    done = run("snapshot", "-o", "new", environment=NOWHERE | changes)
    assert done.returncode == 2
    assert words in done.stderr


def test_no_wootric_ends_with_5_and_leaves_nothing(run: "Run", tmp_path: Path) -> None:
    done = run("snapshot", "-o", "new", "--retries", "0", environment=NOWHERE)
    assert done.returncode == 5
    assert "no connection to 127.0.0.1:9" in done.stderr
    assert "kept" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_rehearsal_needs_no_credentials(run: "Run", tmp_path: Path) -> None:
    done = run("snapshot", "--sandbox", "-o", "new.ndjson")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("0 end users in new.ndjson, 2 calls, ")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "new.ndjson").read_bytes() == b""
    assert stat.S_IMODE((tmp_path / "new.ndjson").stat().st_mode) == 0o600


def test_quiet_says_nothing(run: "Run") -> None:
    done = run("snapshot", "--sandbox", "-o", "new.ndjson", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_help_has_examples_and_says_what_an_update_leaves_in(run: "Run") -> None:
    shown = run("snapshot", "--help")
    assert shown.returncode == 0
    assert "wootric-replay snapshot --update end-users.ndjson" in shown.stdout
    assert "deleted in Wootric stay" in " ".join(shown.stdout.split())


def on_a_terminal(start: "Start", *args: str) -> bytes:
    """What a terminal for standard error gets."""
    ours, theirs = pty.openpty()
    with start(*args, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 1000):
                shown += part
        except OSError:
            pass  # the other side is closed
        assert process.wait(timeout=20) == 0
    os.close(ours)
    return shown


def test_a_terminal_gets_its_progress_and_the_summary_stays(start: "Start") -> None:
    shown = on_a_terminal(start, "snapshot", "--sandbox", "-o", "new")
    assert b"Listing" in shown
    assert b"0 end users in new, 2 calls" in shown


def test_where_calls_are_shown_nothing_is_drawn_over_them(start: "Start") -> None:
    shown = on_a_terminal(start, "snapshot", "--sandbox", "-o", "new", "--verbose")
    assert b"GET end_users/list: 200 in" in shown
    assert b"0 end users in new, 2 calls" in shown
    assert b"\x1b" not in shown
