"""What the one at the terminal sees, and what is piped: accounts, messages, tables, colours and hints."""

import contextlib
import fcntl
import gzip
import os
import pty
import re
import struct
import termios
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import orjson
import pytest
from in_process import call_in_process
from replaying import NOWHERE, SAMPLES, Replay, at, identify, track, until

from wootric_map.sandbox import Fault, ResetConnection, SandboxRequest, SandboxSettings

ADA = "ada@example.com"
GOOD = at(1, identify("1", ADA, plan="pro"))
PATIENCE = ("--give-up-after", "1", "--retries", "0")


def state(replay: Replay) -> list[str]:
    """The names of the files in the state folder."""
    return sorted(path.name for path in (replay.folder / "state").rglob("*") if path.is_file())


def fingerprints(replay: Replay) -> list[str]:
    return re.findall(r"^Account ([0-9a-f]{12})", replay.run("status").stdout, re.MULTILINE)


def elsewhere(replay: Replay) -> str:
    """The sandbox's address by another name, which makes another account of it."""
    return replay.sandbox.base_url.replace("127.0.0.1", "localhost")


# Whose journal it is.


def test_status_marks_an_account_used_with_base_url_alone(replay: Replay) -> None:
    replay.push(replay.write([GOOD]))
    for env in ({}, {"WOOTRIC_BASE_URL": None}, {"WOOTRIC_BASE_URL": "http://127.0.0.1:1"}):
        (line, *_) = replay.run("status", env=env).stdout.splitlines()
        assert line.endswith(f"← WOOTRIC_ACCOUNT_TOKEN, --base-url {replay.sandbox.base_url}")
    (line, *_) = replay.run(
        "status", env={"WOOTRIC_ACCOUNT_TOKEN": "NPS-00000000"}
    ).stdout.splitlines()
    assert "WOOTRIC_ACCOUNT_TOKEN" not in line
    (line,) = replay.run("status", "--format", "json").stdout.splitlines()
    assert orjson.loads(line)["base_url"] == replay.sandbox.base_url


def test_forget_finds_the_only_journal_of_a_token(replay: Replay) -> None:
    replay.push(replay.write([GOOD]))
    assert len(fingerprints(replay)) == 1
    done = replay.run("journal", "forget", "--yes", env={"WOOTRIC_BASE_URL": None})
    assert done.returncode == 0, done.stderr
    assert state(replay) == []


def test_forget_names_the_journals_of_a_token_that_has_several(replay: Replay) -> None:
    export = replay.write([GOOD])
    replay.push(export)
    replay.push(export, "--base-url", elsewhere(replay))
    both = fingerprints(replay)
    assert len(both) == 2
    done = replay.run("journal", "forget", "--yes", env={"WOOTRIC_BASE_URL": None})
    assert done.returncode == 2
    for name in (*both, replay.sandbox.base_url, elsewhere(replay)):
        assert name in done.stderr
    assert fingerprints(replay) == both
    # An address tells which, and one where there is none is not taken for another.
    done = replay.run("journal", "forget", "--yes", "--base-url", NOWHERE)
    assert done.returncode == 2
    assert "nothing was delivered to this account at http://127.0.0.1:9" in done.stderr
    assert replay.run("journal", "forget", "--yes").returncode == 0
    (left,) = fingerprints(replay)
    assert elsewhere(replay) in replay.run("status").stdout
    assert left in both


@pytest.mark.parametrize("length", [12, 6])
def test_forget_takes_the_fingerprint_that_status_shows(replay: Replay, length: int) -> None:
    export = replay.write([GOOD])
    replay.push(export)
    replay.push(export, "--base-url", elsewhere(replay))
    gone, stays = fingerprints(replay)
    no_account = {"WOOTRIC_ACCOUNT_TOKEN": None, "WOOTRIC_BASE_URL": None}
    done = replay.run("journal", "forget", gone[:length].upper(), "--yes", env=no_account)
    assert done.returncode == 0, done.stderr
    assert fingerprints(replay) == [stays]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["abcde"], "write 6 characters"),
        (["ffffffffffff0"], "no account here begins so"),
        (["abcdef", "--journal", "own.journal"], "ACCOUNT and --journal both name a journal"),
        (["abcdef", "--account-token", "NPS-00000000"], "ACCOUNT and --account-token both"),
    ],
)
def test_forget_refuses_what_names_no_journal(replay: Replay, args: list[str], told: str) -> None:
    replay.push(replay.write([GOOD]))
    before = fingerprints(replay)
    done = replay.run("journal", "forget", "--yes", *args)
    assert done.returncode == 2
    assert told in done.stderr
    assert fingerprints(replay) == before


def test_forget_asks_for_more_where_two_accounts_begin_alike(replay: Replay) -> None:
    replay.push(replay.write([GOOD]))
    (path,) = (replay.folder / "state").rglob("*.journal")
    path.with_name("copy.journal").write_bytes(path.read_bytes())
    (account, _) = fingerprints(replay)
    done = replay.run("journal", "forget", "--yes", account)
    assert done.returncode == 2
    assert "several accounts begin so" in done.stderr
    assert len(fingerprints(replay)) == 2


# What a run that came to nothing leaves.


@pytest.mark.parametrize(
    ("environment", "code"),
    [({"WOOTRIC_CLIENT_SECRET": "wrong"}, 4), ({"WOOTRIC_BASE_URL": NOWHERE}, 5)],
)
@pytest.mark.parametrize("own", [[], ["--journal", "own.journal"]])
def test_a_failed_sign_in_leaves_no_account(
    replay: Replay, environment: dict[str, str], code: int, own: list[str]
) -> None:
    done = replay.push(*PATIENCE, *own, replay.write([GOOD]), env=environment)
    assert done.returncode == code
    assert state(replay) == []
    assert list(replay.folder.glob("own.journal*")) == []
    assert "Nothing has been delivered yet" in replay.run("status").stdout


def test_a_failed_sign_in_stays_on_record_where_there_is_a_journal(replay: Replay) -> None:
    export = replay.write([GOOD])
    assert replay.push(export).returncode == 0
    before = state(replay)
    assert replay.push(export, env={"WOOTRIC_CLIENT_SECRET": "wrong"}).returncode == 4
    assert state(replay) == before
    runs = orjson.loads(replay.run("status", "--format", "json").stdout)["runs"]
    assert [run["exit_code"] for run in runs] == [4, 0]


def test_a_first_run_that_has_sent_nothing_but_came_to_its_end_stays(replay: Replay) -> None:
    bad = {"type": "track", "userId": "1"}
    assert replay.push(replay.write([bad])).returncode == 1
    assert len(fingerprints(replay)) == 1
    assert replay.push(replay.write([bad])).returncode == 0


@pytest.mark.parametrize("settings", [SandboxSettings(latency=0.5)])
def test_who_waits_for_a_run_that_leaves_nothing_gets_the_lock_alone(replay: Replay) -> None:
    """The lock's file goes with the run; those that wait for it must not get in side by side."""
    export = replay.write([at(1, identify(str(n), f"u{n}@example.com")) for n in range(3)])
    (replay.folder / "wrong").write_text("wrong")
    first = replay.start("push", "--client-secret-file", "wrong", export)
    folder = replay.folder / "state" / "wootric-replay"
    until(lambda: any(folder.glob("*.lock")))
    waiting = [replay.start("push", "--wait", "60", export) for _ in range(3)]
    ended = [each.communicate(timeout=100) for each in (first, *waiting)]
    assert first.returncode == 4, ended[0]
    assert [each.returncode for each in waiting] == [0, 0, 0], ended
    assert len(replay.users()) == 3
    assert replay.paths("POST").count("/v1/end_users") == 3
    runs = orjson.loads(replay.run("status", "--format", "json").stdout)["runs"]
    spans = sorted((run["began"], run["ended"]) for run in runs)
    assert len(spans) == 3
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


# What is missing.


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        (
            "TOKEN CLIENT_ID CLIENT_SECRET",
            "no account and no credentials: set WOOTRIC_ACCOUNT_TOKEN, WOOTRIC_CLIENT_ID and "
            "WOOTRIC_CLIENT_SECRET (or WOOTRIC_USERNAME and WOOTRIC_PASSWORD in place of the last two)",
        ),
        (
            "CLIENT_ID CLIENT_SECRET",
            "no credentials: set WOOTRIC_CLIENT_ID and WOOTRIC_CLIENT_SECRET (or",
        ),
        (
            "TOKEN CLIENT_SECRET",
            "no account and no client secret: set WOOTRIC_ACCOUNT_TOKEN and WOOTRIC_CLIENT_SECRET (or "
            "--client-secret-file FILE in place of the last)",
        ),
        (
            "TOKEN CLIENT_ID",
            "no account and no client id: set WOOTRIC_ACCOUNT_TOKEN and WOOTRIC_CLIENT_ID",
        ),
        ("TOKEN", "no account: set WOOTRIC_ACCOUNT_TOKEN;"),
        (
            "CLIENT_SECRET",
            "no client secret: set WOOTRIC_CLIENT_SECRET (or --client-secret-file FILE",
        ),
    ],
)
@pytest.mark.parametrize("command", [("push", "export.ndjson"), ("snapshot", "-o", "snapshot")])
def test_all_that_is_missing_is_named_at_once(
    replay: Replay, command: tuple[str, ...], missing: str, told: str
) -> None:
    replay.write([GOOD])
    names = [f"WOOTRIC_{'ACCOUNT_' * (name == 'TOKEN')}{name}" for name in missing.split()]
    done = replay.run(*command, env=dict.fromkeys(names))
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.parametrize(
    ("has", "told"),
    [
        ("USERNAME", "no account and no password: set WOOTRIC_ACCOUNT_TOKEN and WOOTRIC_PASSWORD"),
        ("PASSWORD", "no account and no username: set WOOTRIC_ACCOUNT_TOKEN and WOOTRIC_USERNAME"),
    ],
)
def test_half_of_a_persons_login_is_taken_for_that(replay: Replay, has: str, told: str) -> None:
    env = {
        "WOOTRIC_ACCOUNT_TOKEN": None,
        "WOOTRIC_CLIENT_ID": None,
        "WOOTRIC_CLIENT_SECRET": None,
        f"WOOTRIC_{has}": "x",
    }
    done = replay.push(replay.write([GOOD]), env=env)
    assert done.returncode == 2
    assert told in done.stderr


# One, and several.


def losing_checks(request: SandboxRequest) -> Fault | None:
    """Never answer an eligibility check, but carry it out."""
    if request.path.endswith("/eligible.json"):
        return Fault(ResetConnection(), carried_out=True)
    return None


@pytest.mark.parametrize("settings", [SandboxSettings(faults=(losing_checks,))])
@pytest.mark.parametrize(
    ("count", "told", "later"),
    [
        (
            1,
            "1 record kept in rejects.ndjson.\nMend it there, then push that file.\nIt is in doubt: "
            "sent, but never answered. Pushed again it is left out, unless with --in-doubt resend; it may",
            "1 record left out in doubt: an earlier run sent it, and got no answer. --in-doubt resend sends "
            "it again; it may count twice then.",
        ),
        (
            2,
            "2 records kept in rejects.ndjson.\nMend them there, then push that file.\n2 of them are in "
            "doubt: sent, but never answered. Pushed again they are left out, unless with --in-doubt resend;",
            "2 records left out in doubt: an earlier run sent them, and got no answer. --in-doubt resend "
            "sends them again; they may count twice then.",
        ),
    ],
)
def test_what_is_said_of_what_is_in_doubt_fits_its_number(
    replay: Replay, count: int, told: str, later: str
) -> None:
    export = replay.write([GOOD, *(at(2 + n, track("1", messageId=f"m{n}")) for n in range(count))])
    done = replay.push("--retries", "0", export)
    assert told in done.stderr
    assert later in replay.push("--retries", "0", export).stderr


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a.csv"], "; name in/a.csv, the only file there, to read it all the same\n"),
        (
            ["a.csv", "b.csv"],
            "; name a file to read it all the same, such as in/a.csv of the 2 there\n",
        ),
    ],
)
def test_what_is_said_of_a_folder_without_exports_fits_the_number_of_its_files(
    replay: Replay, names: list[str], told: str
) -> None:
    (replay.folder / "in").mkdir()
    for name in names:
        (replay.folder / "in" / name).write_text("")
    done = replay.run("validate", "in")
    assert done.returncode == 2
    assert done.stderr.endswith(told)


@pytest.mark.parametrize(
    ("tail", "told"), [(b"x", "1 byte from byte"), (b"xy", "2 bytes from byte")]
)
def test_what_is_said_of_bytes_behind_gzip_fits_their_number(
    replay: Replay, tail: bytes, told: str
) -> None:
    (replay.folder / "a.gz").write_bytes(gzip.compress(orjson.dumps(GOOD)) + tail)
    said = replay.run("validate", "a.gz").stdout
    assert told in said
    assert ("is no gzip, and was passed over" in said) == (len(tail) == 1)


# What is no export.


def own_files(replay: Replay, folder: str = "in") -> dict[str, Path]:
    """An export in a folder, and beside it a snapshot, also gzipped, a plan and the rejects of a plan."""
    there = replay.folder / folder
    there.mkdir()
    export = replay.write([GOOD], f"{folder}/export.ndjson")
    replay.holds("9", "nine@example.com")
    replay.holds("8", "eight@example.com")
    files = {"snapshot": replay.snapshot(f"{folder}/snapshot.ndjson")}
    files["packed"] = there / "snapshot.gz"
    files["packed"].write_bytes(gzip.compress(files["snapshot"].read_bytes()))
    files["plan"] = replay.plan(export, name=f"{folder}/plan.ndjson")
    (line, *_) = files["plan"].read_text().splitlines()[1:]
    reject = {
        "source": "plan",
        "line": 1,
        "code": "refused",
        "plan": {"account": None},
        "record": line,
    }
    files["rejects"] = there / "left.ndjson"
    files["rejects"].write_bytes(orjson.dumps(reject) + b"\n")
    return files


def test_own_files_in_a_folder_are_told_as_one_thing_each_and_not_read(replay: Replay) -> None:
    own_files(replay)
    done = replay.push("in")
    assert done.returncode == 0, done.stderr
    assert not replay.rejects()
    assert re.search(r"^Records +1  1 mapped$", done.stdout, re.MULTILINE)
    assert (
        "Passed over 2 snapshots: in/snapshot.gz, in/snapshot.ndjson (not exports: compare with one by "
        "--against)\n" in done.stdout
    )
    assert (
        "Passed over 1 plan: in/plan.ndjson (not an export: push it with --plan)\n" in done.stdout
    )
    assert (
        "Passed over 1 plan's rejects file: in/left.ndjson (not an export: push it by itself)\n"
        in (done.stdout)
    )
    told = replay.diff("in").summary["passed_over"]["no_exports"]
    assert {each["kind"]: each["files"] for each in told} == {
        "snapshot": ["in/snapshot.gz", "in/snapshot.ndjson"],
        "plan": ["in/plan.ndjson"],
        "plan's rejects file": ["in/left.ndjson"],
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("snapshot", "this is a snapshot, not an export: compare with it by --against"),
        ("packed", "this is a snapshot, not an export: compare with it by --against"),
        ("plan", "this is a plan, not an export: push it with --plan"),
        ("rejects", "this is a plan's rejects file, not an export: push it by itself"),
    ],
)
@pytest.mark.parametrize("command", ["push", "validate", "dry-run", "map"])
def test_an_own_file_that_is_named_is_one_error(
    replay: Replay, command: str, name: str, told: str
) -> None:
    path = own_files(replay)[name]
    done = replay.run(command, "in/export.ndjson", path)
    assert done.returncode == 2
    assert done.stderr.endswith(f"Error: {path}: {told}\n")
    assert done.stdout == ""
    assert not replay.rejects()


def test_a_folder_of_nothing_but_a_snapshot_says_what_that_is(replay: Replay) -> None:
    (replay.folder / "in").mkdir()
    replay.holds("9", "nine@example.com")
    replay.snapshot("in/snapshot.ndjson")
    done = replay.run("validate", "in")
    assert done.returncode == 2
    assert "in/snapshot.ndjson is a snapshot: compare with it by --against" in done.stderr


@pytest.mark.parametrize("name", ["snapshot", "plan"])
def test_an_own_file_that_is_piped_in_is_one_reject_and_hides_no_record_behind_it(
    replay: Replay, name: str
) -> None:
    path = own_files(replay)[name]
    piped = path.read_text() + (replay.folder / "in/export.ndjson").read_text()
    for command in ("validate", "dry-run"):
        done = replay.run(command, "-", stdin=piped)
        assert done.returncode == 1
        assert (done.stdout + done.stderr).count(f"this is a {name}, not an export") == 1
        assert "2 records: 1 " in done.stdout


@pytest.mark.parametrize("typed", ["s3://bucket/logs", "gs://b//p/", "https://example.com/a.gz"])
@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            ["validate"],
            "; download what is there first and name that, or pipe it in, with - for its path",
        ),
        (["push"], "; download what is there first"),
        (["dry-run", "export.ndjson", "--against"], "; download it first"),
        (["push", "--plan"], "this takes a file on this machine"),
        (["push", "export.ndjson", "--rejects"], "this takes a file on this machine"),
        (["dry-run", "export.ndjson", "--out"], "this takes a file on this machine"),
        (["status", "--journal"], "this takes a file on this machine"),
        (["snapshot", "-o"], "this takes a file on this machine"),
        (["sandbox", "--log"], "this takes a file on this machine"),
    ],
)
def test_an_address_is_shown_as_it_was_typed_and_not_read(
    replay: Replay, command: list[str], typed: str, told: str
) -> None:
    replay.write([GOOD])
    done = replay.run(*command, typed)
    assert done.returncode == 2
    assert f"{typed}: " in done.stderr
    assert told in done.stderr


@pytest.mark.parametrize("typed", ["./no//such.ndjson", "no/../such.ndjson"])
def test_a_path_that_can_not_be_read_is_shown_as_it_was_typed(replay: Replay, typed: str) -> None:
    assert f"Error: {typed}: can't be read" in replay.run("validate", typed).stderr


def test_a_folder_whose_name_looks_like_an_address_is_read_all_the_same(replay: Replay) -> None:
    (replay.folder / "s3:" / "bucket").mkdir(parents=True)
    replay.write([GOOD], "s3:/bucket/export.ndjson")
    done = replay.run("validate", "s3://bucket/export.ndjson")
    assert done.returncode == 0, done.stderr


# Terminals of all widths, and pipes.

STYLE = re.compile(r"\x1b\[[0-9;]*m")
ESCAPE = "\x1b"
ODD = (SAMPLES / "broken", SAMPLES / "messy", SAMPLES / "segment-logs")
COMMANDS = (
    "",
    "inspect",
    "validate",
    "map",
    "dry-run",
    "push",
    "status",
    "journal",
    "journal forget",
    "snapshot",
    "sandbox",
)


def all_of(terminal: int) -> bytes:
    """Read what a terminal is shown until it is closed."""
    shown = bytearray()
    with contextlib.suppress(OSError):  # as Linux says that the other end is closed
        while part := os.read(terminal, 65536):
            shown += part
    return bytes(shown)


def at_terminal(
    replay: Replay,
    columns: int,
    *args: str | Path,
    env: Mapping[str, str | None] = MappingProxyType({}),
) -> str:
    """All that the command shows at a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    plain = {"TERM": "xterm", "NO_COLOR": None, "FORCE_COLOR": None, "COLUMNS": None}
    environment = replay.environment({**plain, **env})
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(all_of, ours)
        try:
            call_in_process(args, cwd=replay.folder, env=environment, onto=(theirs, theirs))
        finally:
            os.close(theirs)
        shown = reading.result(60)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def words(text: str) -> list[str]:
    """The words of a text without its styles, and without what marks a line of a command as broken."""
    return [each for each in STYLE.sub("", text).split() if each != "\\"]


def too_wide(text: str, columns: int) -> list[str]:
    """The lines that are too wide for so many columns, though they have blanks to break them at."""
    lines = STYLE.sub("", text).splitlines()
    return [
        line
        for line in lines
        if len(line) > columns and " " in line.strip() and "users.ndjson" not in line
    ]


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", ["validate", "dry-run", "push --sandbox --no-progress"])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(
    replay: Replay, command: str, columns: int
) -> None:
    shown = at_terminal(replay, columns, "--color", "never", *command.split(), *ODD)
    assert too_wide(shown, columns) == []
    (replay.folder / "rejects.ndjson").unlink(missing_ok=True)
    piped = replay.run(*command.split(), *ODD, against=None)
    took = re.compile(r"in [0-9.]+ m?s\b")
    assert Counter(words(took.sub("", shown))) == Counter(
        words(took.sub("", piped.stdout + piped.stderr))
    )
    assert too_wide(piped.stdout, columns), "what is piped is not broken"


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_breaks_no_word_either(replay: Replay, command: str, columns: int) -> None:
    shown = at_terminal(replay, columns, *command.split(), "--help")
    assert too_wide(shown, columns) == []
    wide = replay.run(*command.split(), "--help", env={"COLUMNS": "200"}).stdout
    assert words(shown) == words(wide)


def test_what_is_to_be_pasted_stays_one_line(replay: Replay) -> None:
    (replay.folder / "a.ndjson").write_text('[{"type":"identify","userId":"1"}]\n')
    shown = at_terminal(replay, 60, "validate", "a.ndjson")
    assert "\n      jq -c '.[]' FILE > users.ndjson\n" in shown
    assert "\n    wootric-replay dry-run --against account.ndjson --out \\\n" in at_terminal(
        replay, 60, "dry-run", "--help"
    )


def test_the_notes_of_the_summary_stand_below_each_other_and_keep_their_counts(
    replay: Replay,
) -> None:
    shown = STYLE.sub("", at_terminal(replay, 60, "push", "--sandbox", "--no-progress", *ODD))
    table = shown[shown.index("Records") : shown.index("\nAPI calls")].splitlines()
    begin = table[0].index(" mapped") - len("51")
    assert all(line[:begin].endswith("  ") or len(line) < begin for line in table)
    assert any(line.startswith(" " * begin) for line in table)
    skipped = "\n".join(table)
    for code in ("unsupported_type", "integration_disabled", "consent_withheld", "line_too_long"):
        assert re.search(rf"{code} [0-9]", skipped)


def test_the_piped_summary_is_not_padded_nor_broken(replay: Replay) -> None:
    done = replay.push("--sandbox", *ODD, env={"COLUMNS": "40"})
    lines = done.stdout.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    (rejected,) = [line for line in lines if line.startswith("Rejected ")]
    assert rejected.endswith("line_too_long 1")
    assert len(rejected) > 200
    assert len({line.index("  ", 18) for line in lines[:6]}) == 1


# Colours.

ALL_OF = ("--color", "always")
NONE_OF = ("--color", "never")


@pytest.mark.parametrize(
    ("args", "env", "coloured"),
    [
        ((), {}, False),
        (("--color", "auto"), {}, False),
        (ALL_OF, {}, True),
        (("--color=always",), {}, True),
        (ALL_OF, {"NO_COLOR": "1"}, True),
        (NONE_OF, {"FORCE_COLOR": "1"}, False),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": ""}, False),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
        ((), {"FORCE_COLOR": "1", "TERM": "dumb"}, True),
    ],
)
def test_what_is_piped_is_coloured_only_if_that_is_said(
    replay: Replay, args: tuple[str, ...], env: dict[str, str], coloured: bool
) -> None:
    clean = {"NO_COLOR": None, "FORCE_COLOR": None, **env}
    odd = replay.write([GOOD, {"type": "track", "userId": "1"}])
    runs = [
        replay.run("dry-run", *args, odd, env=clean),
        replay.run(*args, "dry-run", odd, env=clean),
        replay.push("--sandbox", *args, odd, env=clean),
    ]
    for done in runs:
        assert done.returncode == 1
        assert [ESCAPE in done.stdout, ESCAPE in done.stderr] == [coloured, coloured]
        # Nothing is drawn where there is no terminal.
        assert ESCAPE not in STYLE.sub("", done.stdout + done.stderr)
    assert (ESCAPE in replay.run("push", *args, "--help", env=clean).stdout) == coloured
    assert (ESCAPE in replay.run(*args, "--help", env=clean).stdout) == coloured
    assert (ESCAPE in replay.push(*args, "--no-such", env=clean).stderr) == coloured
    assert ESCAPE not in replay.run("dry-run", *args, "--format", "json", odd, env=clean).stdout


@pytest.mark.parametrize(
    ("args", "env", "coloured"),
    [
        ((), {}, True),
        (NONE_OF, {"FORCE_COLOR": "1"}, False),
        ((), {"NO_COLOR": "1"}, False),
        (ALL_OF, {"NO_COLOR": "1"}, True),
        ((), {"TERM": "dumb"}, False),
        (ALL_OF, {"TERM": "dumb"}, True),
    ],
)
def test_what_a_terminal_shows_is_coloured_unless_that_is_ruled_out(
    replay: Replay, args: tuple[str, ...], env: dict[str, str], coloured: bool
) -> None:
    for command in (["validate", *args, SAMPLES / "broken"], [*args, "push", "--help"]):
        shown = at_terminal(replay, 80, *command, env=env)
        assert bool(STYLE.search(shown)) == coloured


@pytest.mark.parametrize("settings", [SandboxSettings(latency=0.05)])
@pytest.mark.parametrize(
    ("args", "env", "drawn", "coloured"),
    [
        ((), {}, True, True),
        ((), {"NO_COLOR": "1"}, True, False),
        (NONE_OF, {}, False, False),
    ],
)
def test_progress_is_drawn_without_colours_or_not_at_all(
    replay: Replay, args: tuple[str, ...], env: dict[str, str], drawn: bool, coloured: bool
) -> None:
    export = replay.write([at(1, identify(str(n), f"u{n}@example.com")) for n in range(24)])
    shown = at_terminal(replay, 80, "push", *args, export, env=env)
    assert ("Sending" in shown) == drawn
    assert (ESCAPE in STYLE.sub("", shown)) == drawn
    assert bool(STYLE.search(shown)) == coloured


def test_a_colour_that_is_none_is_refused(replay: Replay) -> None:
    done = replay.run("status", "--color", "blue")
    assert done.returncode == 2
    assert "'always', 'never', 'auto'" in done.stderr


@pytest.mark.parametrize("command", [each for each in COMMANDS if each != "journal"])
def test_every_command_takes_a_colour(replay: Replay, command: str) -> None:
    told = replay.run(*command.split(), "--help").stdout
    for name in ("--color [always|never|auto]", "NO_COLOR", "FORCE_COLOR"):
        assert name in told


# Names that are nearly right.


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["dryrun", "in"], "No such command 'dryrun'. Did you mean 'wootric-replay dry-run'?"),
        (["Dry_Run"], "No such command 'Dry_Run'. Did you mean 'wootric-replay dry-run'?"),
        (["puhs"], "Did you mean 'wootric-replay push'?"),
        (["--color", "never", "snapshots"], "Did you mean 'wootric-replay snapshot'?"),
        (["journal", "forgt"], "Did you mean 'wootric-replay journal forget'?"),
        (
            ["frobnicate"],
            "There are: inspect, validate, map, dry-run, export, push, status, journal, snapshot, sandbox, "
            "config.",
        ),
        (["push", "--dry-run", "in"], "Did you mean the command 'wootric-replay dry-run'?"),
        (["push", "--dryrun", "in"], "Did you mean the command 'wootric-replay dry-run'?"),
    ],
)
def test_a_name_that_is_nearly_right_gets_a_hint(
    replay: Replay, args: list[str], told: str
) -> None:
    done = replay.run(*args)
    assert done.returncode == 2
    assert done.stderr.endswith(f"{told}\n")
    assert done.stdout == ""
