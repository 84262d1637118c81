"""Night after night: what was rejected or refused once, the rejects file, and what cron would mail."""

import fcntl
import gzip
import json
import os
import pty
import re
import signal
import struct
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from replaying import NOWHERE, Replay, at, identify, page, refusing, until

from wootric_map.sandbox import FaultRule, SandboxSettings

ADA, BYRON = "ada@example.com", "byron@example.com"
GOOD = at(1, identify("1", ADA, plan="pro"))
BAD = {"type": "track", "userId": "1", "timestamp": "2024-01-01T00:00:00Z"}
MENDED = BAD | {"event": "Signed Up"}


def rejects_files(replay: Replay) -> list[str]:
    return sorted(path.name for path in replay.folder.glob("rejects.ndjson*"))


def refusing_byron_until(allowed: list[bool]) -> FaultRule:
    """A fault rule that refuses one email until there is anything in the list."""
    rule = refusing(BYRON)
    return lambda request: None if allowed else rule(request)


def mail(replay: Replay, *args: str | Path) -> tuple[int, str]:
    """What a night's push ends with, and what it prints."""
    done = replay.push("--quiet", *args)
    return done.returncode, done.stdout + done.stderr


def test_what_is_rejected_once_is_left_out_the_next_night_and_costs_no_mail(replay: Replay) -> None:
    export = replay.write([GOOD, BAD])
    code, printed = mail(replay, export)
    assert code == 1
    assert "missing_event" in printed
    assert len(replay.rejects()) == 1
    for _ in range(3):
        assert mail(replay, export) == (0, "")
    assert rejects_files(replay) == ["rejects.ndjson"]
    done = replay.push(export)
    assert done.returncode == 0
    assert "known_reject 1" in done.stdout
    assert "mend it and push it" in done.stderr


def test_a_mended_record_takes_its_place(replay: Replay) -> None:
    export = replay.write([GOOD, BAD])
    mail(replay, export)
    (entry,) = replay.rejects()
    entry["record"] = json.dumps(json.loads(entry["record"]) | {"event": "Signed Up"})
    (replay.folder / "rejects.ndjson").write_text(json.dumps(entry) + "\n")
    assert replay.push("rejects.ndjson").returncode == 0
    assert len(replay.sandbox.state.eligibility_checks) == 1
    assert rejects_files(replay) == ["rejects.ndjson.1"]
    assert mail(replay, export) == (0, "")
    assert len(replay.sandbox.state.eligibility_checks) == 1


def test_a_reject_may_be_mended_as_an_object(replay: Replay) -> None:
    mail(replay, replay.write([GOOD, BAD]))
    (entry,) = replay.rejects()
    entry["record"] = json.loads(entry["record"]) | {"event": "Signed Up"}
    (replay.folder / "rejects.ndjson").write_text(json.dumps(entry) + "\n")
    done = replay.push("rejects.ndjson")
    assert done.returncode == 0, done.stderr
    assert len(replay.sandbox.state.eligibility_checks) == 1


@pytest.mark.parametrize("settings", [SandboxSettings(faults=(refusing(BYRON),))])
def test_what_is_refused_once_is_left_out_the_next_night(replay: Replay) -> None:
    bad = [at(1, identify("2", BYRON, plan="a")), at(2, identify("2", BYRON, plan="b"))]
    export = replay.write([GOOD, *bad, at(3, page("2", "/a"))])
    assert mail(replay, export)[0] == 1
    assert [entry["code"] for entry in replay.rejects()][:2] == ["refused", "refused"]
    before = len(replay.sandbox.requests)
    code, printed = mail(replay, export)
    assert code == 0, printed
    assert printed == ""
    writes = [each for each in replay.sandbox.requests[before:] if each["method"] != "GET"]
    assert {each["path"] for each in writes} == {"/oauth/token"}
    # It is tried once more where it is said, and from the rejects file.
    assert mail(replay, "--retry-rejects", export)[0] == 1
    assert mail(replay, "rejects.ndjson")[0] == 1


@pytest.mark.parametrize("settings", [SandboxSettings(faults=(refusing(BYRON),))])
def test_a_new_identify_of_whom_was_refused_is_written_without_what_was(replay: Replay) -> None:
    bad = at(1, identify("2", BYRON, plan="a"))
    mail(replay, replay.write([bad]))
    newer = at(2, identify("2", "lord@example.com", seats="3"))
    assert mail(replay, replay.write([bad, newer])) == (0, "")
    (user,) = replay.users().values()
    assert (user["email"], user["properties"]) == ("lord@example.com", {"seats": "3"})


@pytest.mark.parametrize(
    "environment",
    [
        {"WOOTRIC_CLIENT_SECRET": "wrong"},
        {"WOOTRIC_BASE_URL": NOWHERE},
    ],
)
def test_a_run_that_sent_nothing_says_nothing_of_old_rejects(
    replay: Replay, environment: dict[str, str]
) -> None:
    export = replay.write([GOOD, BAD])
    mail(replay, export)
    kept = (replay.folder / "rejects.ndjson").read_bytes()
    done = replay.push("--give-up-after", "1", "--retries", "0", export, env=environment)
    assert done.returncode in (4, 5)
    assert "went through" not in done.stderr
    assert "gone through" not in done.stderr
    assert (replay.folder / "rejects.ndjson").read_bytes() == kept


def test_rejects_files_are_replaced_only_by_different_ones_and_few_are_kept(replay: Replay) -> None:
    export = replay.write([BAD])
    for _ in range(3):
        assert mail(replay, "--retry-rejects", export)[0] == 1
    assert rejects_files(replay) == ["rejects.ndjson"]
    for nth in range(5):
        mail(replay, "--keep-rejects", "2", replay.write([BAD | {"messageId": f"m{nth}"}]))
    assert rejects_files(replay) == ["rejects.ndjson", "rejects.ndjson.4", "rejects.ndjson.5"]
    newest = json.loads((replay.folder / "rejects.ndjson.5").read_text())
    assert json.loads(newest["record"])["messageId"] == "m3"
    mail(replay, "--keep-rejects", "0", replay.write([BAD | {"messageId": "last"}]))
    assert rejects_files(replay) == ["rejects.ndjson"]


def test_old_rejects_of_which_all_have_gone_through_are_told_as_such(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    allowed: list[bool] = []
    replay = replaying(SandboxSettings(faults=(refusing_byron_until(allowed),)))
    export = replay.write([GOOD, at(1, identify("2", BYRON, plan="a"))])
    assert mail(replay, export)[0] == 1
    assert "gone through" not in replay.push(export).stderr
    allowed.append(True)
    done = replay.push("--retry-rejects", export)
    assert done.returncode == 0
    assert "gone through" in done.stderr
    assert sorted(replay.users()) == ["1", "2"]
    # Once it went through, it is folded with all else of its user again.
    newer = [GOOD, at(1, identify("2", BYRON, plan="a")), at(2, identify("2", seats="3"))]
    assert mail(replay, replay.write(newer)) == (0, "")
    assert replay.users()["2"]["properties"] == {"plan": "a", "seats": "3"}


def test_what_matches_nothing_is_named(replay: Replay) -> None:
    export = replay.write([GOOD, MENDED])
    options = ("--event", "Signed*", "--event", "Left", "--event", "S* Up", "--user", "nobody")
    for command in (["dry-run"], ["push", "--sandbox"]):
        done = replay.run(*command, *options, export)
        assert "--event Left: no track record has that name" in done.stderr
        assert "--user nobody" in done.stderr
        assert "Signed*" not in done.stderr
        assert "S* Up" not in done.stderr


@pytest.mark.parametrize("types", [["identify"], ["page", "identify"]])
def test_an_event_among_types_without_tracks_is_a_contradiction(
    replay: Replay, types: list[str]
) -> None:
    options = [part for each in types for part in ("--type", each)]
    done = replay.run("dry-run", *options, "--event", "X", replay.write([GOOD]))
    assert done.returncode == 2
    assert "--type track" in done.stderr


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("settings", [SandboxSettings(latency=0.2)])
def test_what_is_said_of_a_stop_stays_on_the_screen_whole(replay: Replay, columns: int) -> None:
    export = replay.write([identify(f"u{n}", f"u{n}@example.com") for n in range(400)])
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    terminal = {"stdin": slave, "stdout": slave, "stderr": slave}
    environment = {"TERM": "xterm", "COLUMNS": None}
    process = replay.start("push", "--workers", "2", export, env=environment, **terminal)
    os.close(slave)
    shown, told = b"", False
    with process:
        try:
            while piece := os.read(master, 65536):
                shown += piece
                if len(replay.sandbox.state.end_users) > 3 and not told:
                    process.send_signal(signal.SIGINT)
                    told = True
        except OSError:  # Linux's word for the end of a terminal
            pass
        finally:
            os.close(master)
    assert process.returncode == 130
    lines = screen(shown.decode())
    said = "stopping: the calls under way are finished first; again ends at once"
    assert said in " ".join(line.strip() for line in lines)


def screen(written: str) -> list[str]:
    """What a terminal shows in the end, of text that moves the cursor up and erases lines."""
    lines, row, column = [""], 0, 0
    for part in re.finditer(r"\x1b\[(\??[0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)", written):
        number, code, end, text = part.groups()
        if code == "A":
            row = max(row - int(number or 1), 0)
        elif code == "K":
            lines[row] = ""
        elif end == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif end == "\r":
            column = 0
        elif text:
            before = lines[row].ljust(column)[:column]
            lines[row] = before + text + lines[row][column + len(text) :]
            column += len(text)
    return lines


# Files that are still written to


@pytest.mark.parametrize("command", ["validate", "dry-run", "push"])
def test_files_that_were_changed_lately_are_left_for_the_next_run(
    replay: Replay, command: str
) -> None:
    folder = replay.folder / "logs"
    folder.mkdir()
    old, new = (replay.write([GOOD], f"logs/{name}.ndjson") for name in ("old", "new"))
    new.write_bytes(new.read_bytes()[:-20])
    os.utime(old, (0, time.time() - 3600))
    done = replay.run(command, "--min-age", "10m", "logs")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "Left 1 file for the next run" in said
    assert "logs/new.ndjson" in said
    done = replay.run(command, "logs")
    assert done.returncode == 1
    assert "perhaps still being written" in done.stdout + done.stderr


def test_what_is_left_for_the_next_run_stands_in_the_summary(replay: Replay) -> None:
    export = replay.write([GOOD])
    diff = replay.diff("--min-age", "1h", export)
    assert diff.summary["records"] == 0
    left = diff.summary["passed_over"]["left_for_later"]
    assert left == {"count": 1, "files": [str(export)]}
    assert replay.run("dry-run", "--min-age", "soon", export).returncode == 2


def test_only_a_last_line_without_its_end_is_told_as_perhaps_unfinished(replay: Replay) -> None:
    for content, is_unended in ((b'{"type":', True), (b'{"type":\n', False)):
        path = replay.folder / "a.ndjson"
        path.write_bytes(b'{"type":"page","userId":"1"}\n' + content)
        for name in ("a.ndjson", "a.gz"):
            (replay.folder / "a.gz").write_bytes(gzip.compress(path.read_bytes()))
            done = replay.run("validate", name)
            assert ("perhaps still being written" in done.stdout) == is_unended


@pytest.mark.parametrize("settings", [SandboxSettings(latency=0.05, faults=(refusing(BYRON),))])
def test_a_run_that_was_refused_something_does_not_say_that_it_sent_nothing(replay: Replay) -> None:
    records = [identify(f"u{n}", BYRON if n < 2 else f"u{n}@example.com") for n in range(3)]
    started = replay.start("push", "--workers", "1", "--rate", "60", replay.write(records))
    until(lambda: any(each["method"] == "POST" and "end_users" in str(each["path"])
                      for each in replay.sandbox.requests))  # fmt: skip
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 130
    assert "has sent nothing" not in errors


# What a push of a saved plan could not send


@pytest.mark.parametrize("as_plan", [True, False])
@pytest.mark.parametrize("mended", [True, False])
@pytest.mark.parametrize("options", [(), ("--no-fold",)])
def test_a_plans_rejects_are_pushable_as_they_are(
    replaying: Callable[[SandboxSettings], Replay],
    as_plan: bool,
    mended: bool,
    options: tuple[str, ...],
) -> None:
    allowed: list[bool] = []
    replay = replaying(SandboxSettings(faults=(refusing_byron_until(allowed),)))
    bad = [at(1, identify("2", BYRON, plan="a")), at(2, identify("2", BYRON, seats="3"))]
    export = replay.write([GOOD, *bad, at(3, page("2", "/a"))])
    assert replay.push("--plan", replay.plan(*options, export)).returncode == 1
    entries = replay.rejects()
    assert len(entries) == 2 + bool(options)
    if mended:
        text = json.dumps(entries).replace(BYRON, "lord@example.com")
        entries = json.loads(text)
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        (replay.folder / "rejects.ndjson").write_text(lines)
    else:
        allowed.append(True)
    done = replay.push(*(["--plan"] if as_plan else []), "rejects.ndjson")
    assert done.returncode == 0, done.stderr
    users = {user["external_id"]: user for user in replay.users().values()}
    assert users["2"]["email"] == ("lord@example.com" if mended else BYRON)
    assert users["2"]["properties"] == {"plan": "a", "seats": "3"}
    assert len(replay.sandbox.state.page_views) == 1
    assert rejects_files(replay) == ["rejects.ndjson.1"]
    assert not list(replay.folder.glob("wootric-replay-*"))


def test_rejects_that_are_no_plans_are_told_where(replay: Replay) -> None:
    path = replay.folder / "rejects.ndjson"
    path.write_text('{"plan":{"account":null},"record":"{}","code":"x","line":1}\n')
    done = replay.push("rejects.ndjson")
    assert done.returncode == 2
    assert "rejects.ndjson:1" in done.stderr


# What is rejected once more.


@pytest.mark.parametrize(
    "again",
    [("--rejects", "other", "rejects.ndjson"), ("--retry-rejects", "logs"), ("rejects.ndjson",)],
)
def test_what_is_tried_once_more_and_rejected_again_has_not_gone_through(
    replay: Replay, again: tuple[str, ...]
) -> None:
    (replay.folder / "logs").mkdir()
    replay.write([GOOD, BAD], "logs/a.ndjson")
    assert mail(replay, "logs")[0] == 1
    assert mail(replay, *again)[0] == 1
    # It is as it was: known, left out, and no reason for a mail.
    assert mail(replay, "logs") == (0, "")
    done = replay.push("logs")
    assert "gone through" not in done.stderr
    assert "known_reject 1" in done.stdout


def test_rejects_of_which_some_are_mended_leave_the_others_known(replay: Replay) -> None:
    worse = BAD | {"userId": "2"}
    export = replay.write([GOOD, BAD, worse])
    assert mail(replay, export)[0] == 1
    path = replay.folder / "rejects.ndjson"
    mended, left = path.read_bytes().splitlines(keepends=True)
    entry = json.loads(mended)
    entry["record"] = json.dumps(MENDED)
    path.write_bytes(json.dumps(entry).encode() + b"\n" + left)
    assert mail(replay, path)[0] == 1
    assert mail(replay, export) == (0, "")
    assert len(replay.sandbox.state.eligibility_checks) == 1


def test_no_file_but_a_rejects_file_is_replaced_or_deleted(replay: Replay) -> None:
    export = replay.write([GOOD, BAD])
    before = export.read_bytes()
    for name in ("--rejects", "--unidentified"):
        (replay.folder / "notes.txt").write_text("not a rejects file")
        done = replay.push("--retry-rejects", name, "notes.txt", export)
        assert done.returncode == 2
        assert "no rejects file" in done.stderr
        assert (replay.folder / "notes.txt").read_text() == "not a rejects file"
        (replay.folder / "notes.txt").unlink()
    (replay.folder / "r.1").write_text("precious")
    for number in range(3):
        bad = replay.write([BAD | {"userId": f"u{number}"}], "bad.ndjson")
        assert replay.push("--keep-rejects", "1", "--rejects", "r", bad).returncode == 1
    assert sorted(path.name for path in replay.folder.glob("r.*")) == ["r.1", "r.3"]
    assert (replay.folder / "r.1").read_text() == "precious"
    assert export.read_bytes() == before


@pytest.mark.parametrize("narrowed", [("--type", "page"), ("--user", "9"), ("--since", "1d")])
def test_what_is_left_out_when_rejects_are_tried_once_more_has_not_gone_through(
    replaying: Callable[[SandboxSettings], Replay], narrowed: tuple[str, ...]
) -> None:
    replay = replaying(SandboxSettings(faults=(refusing(BYRON),)))
    export = replay.write([GOOD, at(1, identify("2", BYRON)), at(2, page("1"))])
    assert mail(replay, export)[0] == 1
    assert mail(replay, "--retry-rejects", *narrowed, export)[0] == 0
    assert mail(replay, export) == (0, "")
    done = replay.push(export)
    assert "gone through" not in done.stderr
    assert "known_reject 1" in done.stdout
