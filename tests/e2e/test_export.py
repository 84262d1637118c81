"""`export`: the end users of a plan as a CSV, checked with the standard reader."""

import csv
import io
import os
import resource
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from replaying import NOWHERE, SAMPLES, Replay, at, empty_account, identify, page, track, until
from somebody import PEOPLE, Somebody, fill

from wootric_map import PlanOptions, WriteCsv, WriteCsvSettings
from wootric_map.csv_files import CsvFiles
from wootric_map.errors import SettingsError
from wootric_map.sandbox import RunningSandbox, run_sandbox

ADA = identify("1", "ada@example.com", plan="pro", seats=5)
BYRON = identify("2", "byron@example.com", plan="free", tags=["a", "b"])
OF_PHONE = {"type": "identify", "userId": "3", "traits": {"phone": "+1 555 0100"}}
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


def read(path: Path) -> Rows:
    """The rows as the standard reader reads them."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    header = rows[0]
    assert header[0] == "email"
    assert len(set(header)) == len(header)
    assert all(len(row) == len(header) for row in rows)
    return [dict(zip(header, row, strict=True)) for row in rows[1:]]


def exported(
    replay: Replay, *args: str | Path, against: str | Path = "nothing", name: str = "users.csv"
) -> tuple[Rows, dict[str, Any]]:
    """The rows of one file, and the summary of the run; it must end well."""
    (replay.folder / name).unlink(missing_ok=True)
    done = replay.run("export", "--against", against, "--format", "json", "-o", name, *args)
    assert done.returncode == 0, done.stderr
    path = replay.folder / name
    summary: dict[str, Any] = orjson.loads(done.stdout)["summary"]
    return (read(path) if path.exists() else []), summary


def test_a_row_holds_the_email_first_and_every_property(replay: Replay) -> None:
    rows, summary = exported(replay, replay.write([ADA, BYRON, track("1"), page("1")]))
    assert rows == [
        {"email": "ada@example.com", "plan": "pro", "seats": "5", "tags": ""},
        {"email": "byron@example.com", "plan": "free", "seats": "", "tags": "a, b"},
    ]
    assert summary["csv"]["not_in_csv"] == {
        "external_id": 2,
        "eligibility_checks": 1,
        "page_views": 1,
    }
    assert replay.paths() == []


def test_names_get_their_endings_and_dates_are_seconds(replay: Replay) -> None:
    export = replay.write([identify("1", "a@x.io", n=1, f=1.5, l=["a", "b"], d="2024-04-01")])
    rows, _ = exported(replay, "--typed-names", export)
    assert rows == [
        {
            "email": "a@x.io",
            "d_date": "1711929600",
            "f": "1.5",
            "l_array": "a,b",
            "n_amount": "1",
        }
    ]


def test_what_is_no_property_has_no_column(replay: Replay) -> None:
    traits = {"phone": "+44 20 7946 0001", "createdAt": "2018-08-03", "plan": "pro"}
    rows, summary = exported(replay, replay.write([identify("1", "a@x.io", **traits)]))
    assert rows == [{"email": "a@x.io", "plan": "pro"}]
    not_in = summary["csv"]["not_in_csv"]
    assert not_in["phone_number"] == not_in["external_created_at"] == not_in["external_id"] == 1


def test_identifies_are_folded(replay: Replay) -> None:
    records = [at(2, identify("1", "new@x.io", a=2)), at(1, identify("1", "old@x.io", a=1, b=1))]
    rows, _ = exported(replay, replay.write(records))
    assert rows == [{"email": "new@x.io", "a": "2", "b": "1"}]


# Files.


def people(number: int) -> list[dict[str, Any]]:
    return [identify(str(nth), f"u{nth}@x.io", n=nth, **{f"only{nth}": 1}) for nth in range(number)]


def test_no_file_has_more_rows_than_wootric_takes(replay: Replay) -> None:
    records = [identify(str(nth), f"u{nth}@x.io", plan="pro") for nth in range(10_001)]
    _, summary = exported(replay, "--processes", "2", replay.write(records))
    told = summary["csv"]["files"]
    assert [each["path"] for each in told] == ["users.csv", "users-2.csv", "users-3.csv"]
    assert [each["rows"] for each in told] == [5_000, 5_000, 1]
    found = [read(replay.folder / each["path"]) for each in told]
    assert [len(rows) for rows in found] == [5_000, 5_000, 1]
    emails = {row["email"] for rows in found for row in rows}
    assert len(emails) == 10_001
    assert summary["csv"]["rows"] == 10_001


@pytest.mark.parametrize("rows", ["1", "2", "3", "4"])
def test_all_files_have_the_same_columns(replay: Replay, rows: str) -> None:
    _, summary = exported(replay, "--rows", rows, replay.write(people(4)))
    files = [replay.folder / each["path"] for each in summary["csv"]["files"]]
    assert len(files) == -(-4 // int(rows))
    headers = {each.read_bytes().partition(b"\r\n")[0] for each in files}
    assert headers == {b"email,n,only0,only1,only2,only3"}
    assert summary["csv"]["columns"] == 6
    assert sum(len(read(each)) for each in files) == 4


@pytest.mark.parametrize("rows", ["0", "5001", "-1", "x"])
def test_no_other_number_of_rows_is_taken(replay: Replay, rows: str) -> None:
    done = replay.run("export", "--rows", rows, "-o", "users.csv", replay.write([ADA]))
    assert done.returncode == 2
    assert not (replay.folder / "users.csv").exists()


def test_only_their_owner_reads_them(replay: Replay) -> None:
    exported(replay, "--rows", "1", replay.write([ADA, BYRON]))
    for name in ("users.csv", "users-2.csv"):
        assert stat.S_IMODE((replay.folder / name).stat().st_mode) == 0o600


def files_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name != "state")


@pytest.mark.parametrize("there", ["users.csv", "users-2.csv"])
@pytest.mark.parametrize("content", ["", "email,plan\n"])
def test_a_file_that_is_there_is_replaced_only_if_told_to(
    replay: Replay, there: str, content: str
) -> None:
    export = replay.write([ADA, BYRON])
    (replay.folder / there).write_text(content)
    how = ("export", "--against", "nothing", "--rows", "1", "-o", "users.csv")
    done = replay.run(*how, export)
    assert done.returncode == 2
    assert f"{there}: there is a file already" in done.stderr
    assert (replay.folder / there).read_text() == content
    assert files_in(replay.folder) == sorted(["export.ndjson", there])
    assert replay.run(*how, "--overwrite", export).returncode == 0
    assert files_in(replay.folder) == ["export.ndjson", "users-2.csv", "users.csv"]
    assert stat.S_IMODE((replay.folder / there).stat().st_mode) == 0o600


def test_files_of_an_earlier_run_are_named(replay: Replay) -> None:
    how = ("export", "--against", "nothing", "--overwrite", "-o", "users.csv")
    assert replay.run(*how, "--rows", "1", replay.write(people(4))).returncode == 0
    (replay.folder / "users-2024.csv").write_text("mine")
    done = replay.run(*how, "--rows", "2", replay.write(people(4)))
    told = done.stdout.splitlines()
    assert "Wrote users.csv to users-2.csv (2 files): 4 end users, 6 columns" in told
    stale = "users-3.csv to users-4.csv (2 files) are of an earlier run, and no part of this: delete them."
    assert stale in told
    assert (replay.folder / "users-4.csv").exists()
    (replay.folder / "users-4.csv").unlink()
    done = replay.run(*how, "--rows", "2", replay.write(people(4)))
    stale = "users-3.csv is of an earlier run, and no part of this: delete it."
    assert stale in done.stdout.splitlines()


def test_a_disk_that_is_full_leaves_nothing(replay: Replay) -> None:
    records = [identify(str(nth), f"u{nth}@x.io", notes="x" * 1000) for nth in range(300)]
    export = replay.write(records)
    limits = {resource.RLIMIT_FSIZE: (200_000, 200_000)}
    how = ("export", "--against", "nothing", "--rows", "100", "-o", "users.csv", export)
    done = replay.run_within(limits, *how, env={"TMPDIR": str(replay.folder)})
    assert done.returncode == 5
    assert "File too large" in done.stderr
    assert files_in(replay.folder) == ["export.ndjson"]


def test_a_run_that_is_stopped_leaves_nothing(replay: Replay) -> None:
    pipe = replay.folder / "pipe"
    os.mkfifo(pipe)
    with replay.start("export", "--against", "nothing", "-o", "users.csv", pipe) as process:
        with pipe.open("wb") as feed:
            feed.write(orjson.dumps(ADA) + b"\n")
            feed.flush()
            until(lambda: any(each.endswith(".partial") for each in files_in(replay.folder)))
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.wait() == 130, errors
    assert files_in(replay.folder) == ["pipe"]


def test_what_a_killed_run_has_left_is_removed_by_the_next(replay: Replay) -> None:
    pipe = replay.folder / "pipe"
    os.mkfifo(pipe)
    with replay.start("export", "--against", "nothing", "-o", "users.csv", pipe) as process:
        with pipe.open("wb") as feed:
            feed.write(orjson.dumps(ADA) + b"\n")
            feed.flush()
            until(lambda: any(each.endswith(".partial") for each in files_in(replay.folder)))
            process.kill()
        process.communicate(timeout=60)
    pipe.unlink()
    assert len(files_in(replay.folder)) == 1
    exported(replay, replay.write([ADA]))
    assert files_in(replay.folder) == ["export.ndjson", "users.csv"]


def test_a_move_that_fails_leaves_none(tmp_path: Path) -> None:
    """As when the disk of the folder breaks between two of the files."""
    path = tmp_path / "users.csv"
    with CsvFiles(path, overwrite=False) as files:
        files.write(iter([[["email"]], [["email"]], [["email"]]]), 3)
        (left,) = tmp_path.glob(".users-2.csv.*")
        left.unlink()
        with pytest.raises(OSError, match="another program has removed"):
            files.finish()
    assert list(tmp_path.iterdir()) == []


def test_too_many_files_at_once_are_refused_with_what_helps(replay: Replay) -> None:
    limits = {resource.RLIMIT_NOFILE: (64, 64)}
    how = ("export", "--against", "nothing", "--rows", "1", "-o", "users.csv", "--workers", "1")
    export = replay.write(people(100))
    done = replay.run_within(limits, *how, "--processes", "1", export)
    assert done.returncode == 2, done.stderr
    assert "--rows" in done.stderr
    assert files_in(replay.folder) == ["export.ndjson"]


@pytest.mark.parametrize("option", ["-o", "--output"])
def test_no_file_is_read_and_written(replay: Replay, option: str) -> None:
    export = replay.write([ADA])
    before = export.read_bytes()
    for more in ((), ("--overwrite",)):
        done = replay.run("export", "--against", "nothing", option, export, *more, export)
        assert done.returncode == 2
    assert "name one file" in done.stderr or "is not replaced" in done.stderr
    assert export.read_bytes() == before


def test_what_is_no_csv_of_end_users_is_never_replaced(replay: Replay) -> None:
    export = replay.write([ADA])
    (replay.folder / "passwords").write_text("root:x:0:0\n")
    (replay.folder / "users.csv").symlink_to("passwords")
    done = replay.run("export", "--against", "nothing", "-o", "users.csv", "--overwrite", export)
    assert done.returncode == 2
    assert "users.csv: what is there does not begin as a CSV of end users does" in done.stderr
    assert (replay.folder / "passwords").read_text() == "root:x:0:0\n"


def test_a_numbered_file_that_is_read_is_not_replaced(replay: Replay) -> None:
    export = replay.write([ADA, BYRON], "users-2.csv")
    before = export.read_bytes()
    how = (
        "export",
        "--against",
        "nothing",
        "--rows",
        "1",
        "-o",
        "users.csv",
        "--overwrite",
        export,
    )
    assert replay.run(*how).returncode == 2
    assert export.read_bytes() == before


def test_a_csv_in_the_folder_that_is_read_is_no_export(replay: Replay) -> None:
    folder = replay.folder / "logs"
    folder.mkdir()
    (folder / "a.ndjson").write_bytes(orjson.dumps(ADA))
    how = ("export", "--against", "nothing", "--overwrite", "-o", folder / "users.csv", folder)
    for _ in range(2):
        done = replay.run(*how)
        assert done.returncode == 0, done.stderr
        assert "1 record: 1 mapped" in done.stdout


def test_a_link_is_followed_and_a_folder_or_device_refused(replay: Replay) -> None:
    export = replay.write([ADA])
    (replay.folder / "users.csv").symlink_to("elsewhere.csv")
    assert replay.run("export", "--against", "nothing", "-o", "users.csv", export).returncode == 0
    assert (replay.folder / "users.csv").is_symlink()
    assert len(read(replay.folder / "elsewhere.csv")) == 1
    (replay.folder / "folder").mkdir()
    for name in ("folder", "/dev/null", "/dev/full", "nowhere/users.csv", ""):
        done = replay.run("export", "--against", "nothing", "--overwrite", "-o", name, export)
        assert done.returncode == 2, name
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user")
def test_a_file_of_another_user_is_not_written(replay: Replay) -> None:
    export = replay.write([ADA])
    (replay.folder / "users.csv").write_text("")
    os.chown(replay.folder / "users.csv", 65534, 65534)
    done = replay.run("export", "--against", "nothing", "--overwrite", "-o", "users.csv", export)
    assert done.returncode == 2
    assert "belongs to another user" in done.stderr


def test_where_nobody_is_to_be_written_no_file_is_made(replay: Replay) -> None:
    done = replay.run("export", "--against", "nothing", "-o", "users.csv", replay.write([OF_PHONE]))
    assert done.returncode == 0
    assert "There is nobody to write: no file was made." in done.stdout
    assert "Next" not in done.stdout
    assert files_in(replay.folder) == ["export.ndjson"]


# Standard output.


def test_standard_output_takes_one_file(replay: Replay) -> None:
    done = replay.run("export", "--against", "nothing", "-o", "-", replay.write([ADA, BYRON]))
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "email,plan,seats,tags",
        "ada@example.com,pro,5,",
        'byron@example.com,free,,"a, b"',
    ]
    assert "Wrote 2 end users" in done.stderr
    assert files_in(replay.folder) == ["export.ndjson"]


@pytest.mark.parametrize(
    "more", [("--rows", "1"), ("--format", "json"), ("--redact",)], ids=lambda each: str(each[0])
)
def test_what_standard_output_can_not_hold_is_refused(replay: Replay, more: Sequence[str]) -> None:
    export = replay.write([ADA, BYRON])
    done = replay.run("export", "--against", "nothing", "-o", "-", *more, export)
    assert (done.returncode, done.stdout) == (2, "")
    assert "name a file" in done.stderr


def test_a_reader_that_goes_away_ends_it(replay: Replay) -> None:
    records = [identify(str(nth), f"u{nth}@x.io", notes="x" * 1000) for nth in range(1000)]
    with replay.start(
        "export", "--against", "nothing", "-o", "-", replay.write(records), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.close()
        assert process.wait() == 141


# What it is compared with.


def test_only_who_would_be_written_is_in_it(replay: Replay) -> None:
    replay.holds("1", "ada@example.com", plan="pro", seats="5")
    replay.holds("2", "byron@example.com", plan="pro", tags="a, b", own="x")
    export = replay.write([ADA, BYRON, identify("4", "new@x.io")])
    for against in ("account", "auto", replay.snapshot()):
        rows, summary = exported(replay, export, against=against)
        # All that is planned for whoever changes, and nothing that only Wootric has.
        assert rows == [
            {"email": "byron@example.com", "plan": "free", "tags": "a, b"},
            {"email": "new@x.io", "plan": "", "tags": ""},
        ]
        assert summary["csv"]["updates"] == 1
        assert (summary["create"], summary["update"], summary["unchanged"]) == (1, 1, 1)
    rows, _ = exported(replay, "--create-only", export, against="account")
    assert [row["email"] for row in rows] == ["new@x.io"]


def test_who_is_held_with_another_email_would_become_two(replay: Replay) -> None:
    replay.holds("1", "old@example.com", plan="free")
    replay.holds("2", None, plan="pro")
    rows, summary = exported(replay, replay.write([ADA, BYRON]), against="account")
    assert rows == []
    assert summary["csv"]["left_out"] == {
        "email_changes": {"count": 2, "first": ["old@example.com", "byron@example.com"]}
    }


def test_who_is_named_by_the_account_alone_is_in_it(replay: Replay) -> None:
    replay.holds("1", "Ada@example.com", plan="free")
    rows, _ = exported(replay, replay.write([identify("1", plan="pro")]), against="account")
    assert rows == [{"email": "Ada@example.com", "plan": "pro"}]


def test_a_row_of_whom_only_ids_differ_would_change_nothing(replay: Replay) -> None:
    replay.holds(None, "ada@example.com", plan="pro", seats="5")
    rows, summary = exported(replay, replay.write([ADA]), against="account")
    assert rows == []
    assert summary["csv"]["left_out"]["no_property_differs"]["count"] == 1


def test_end_users_without_an_email_are_counted_and_named(replay: Replay) -> None:
    done = replay.run(
        "export", "--against", "nothing", "-o", "u.csv", replay.write([ADA, OF_PHONE])
    )
    assert (
        "Left out 1 end user without an email, by which a CSV names them: +1 555 0100"
        in done.stdout.splitlines()
    )


def test_they_are_hidden_where_that_is_asked_for(replay: Replay) -> None:
    export = replay.write([ADA, OF_PHONE, identify("5", "=who@example.com")])
    for style in ("text", "json"):
        done = replay.run(
            "export", "--redact", "--against", "nothing", "--overwrite", "--format", style,
            "-o", "users.csv", export,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "555" not in done.stdout
        assert "who@" not in done.stdout
        assert read(replay.folder / "users.csv")[0]["email"] == "ada@example.com"


@pytest.mark.parametrize("option", ["--no-fold", "--fill-missing", "--set-last-surveyed=now"])
def test_what_only_calls_can_do_is_no_option(replay: Replay, option: str) -> None:
    assert replay.run("export", "-o", "u.csv", option, replay.write([ADA])).returncode == 2


@pytest.mark.parametrize(
    "planning",
    [
        PlanOptions(fold=False),
        PlanOptions(existing="fill"),
        PlanOptions(last_surveyed=1_700_000_000),
    ],
)
def test_nor_is_it_a_setting(planning: PlanOptions) -> None:
    with pytest.raises(SettingsError, match="has no place here"):
        WriteCsvSettings(paths=["x"], planning=planning)


def test_from_python_there_must_be_somewhere_to_write_to() -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        WriteCsv(WriteCsvSettings(paths=[str(SAMPLES)])).run()


def test_what_is_rejected_is_told_and_ends_with_1(replay: Replay) -> None:
    export = replay.write([ADA, {"type": "track", "userId": "1"}])
    done = replay.run("export", "--against", "nothing", "-o", "users.csv", export)
    assert done.returncode == 1
    assert "missing_event" in done.stderr
    assert len(read(replay.folder / "users.csv")) == 1


def test_an_account_that_can_not_be_asked_leaves_nothing(replay: Replay) -> None:
    how = ("export", "--against", "account", "--give-up-after", "1", "--retries", "0")
    done = replay.run(
        *how, "-o", "users.csv", replay.write([ADA]), env={"WOOTRIC_BASE_URL": NOWHERE}
    )
    assert done.returncode == 5
    assert files_in(replay.folder) == ["export.ndjson"]


def test_more_columns_than_a_spreadsheet_has_are_refused(replay: Replay) -> None:
    flags = {f"flag{nth}": "on" for nth in range(9_000)}
    more = {f"other{nth}": "on" for nth in range(9_000)}
    export = replay.write(
        [identify("1", "a@x.io", flags=flags), identify("2", "b@x.io", flags=more)]
    )
    done = replay.run("export", "--against", "nothing", "-o", "users.csv", export)
    assert done.returncode == 2
    assert "16,384 columns" in done.stderr
    assert "--exclude-trait" in done.stderr
    assert files_in(replay.folder) == ["export.ndjson"]
    rows, _ = exported(replay, "--exclude-trait", "flags", export)
    assert rows == [{"email": "a@x.io"}, {"email": "b@x.io"}]


# Formulas.

HOSTILE = [
    "=1+1", "=cmd|'/C calc'!A0", "+1+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", "@SUM(1)", "\t=1",
    "\r=1", "\n=1", " =1", "\ufeff=1", "\uff1d1", "-", "--x", "+", "=",
]  # fmt: skip
LEGITIMATE = [
    "-5", "+5", "-5.25", "-1e-9", "+1 555 0100", "+44 (0)20 7946-0001", "+1-555-0100", "a=1", "'=1", "x@y",
    "", "a-b", "ümlaut", "日本", "5", "1.5", '"', ",", "a\r\nb", "\0",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_formula_is_made_harmless_and_told(replay: Replay, text: str) -> None:
    export = replay.write(
        [identify("1", "a@x.io", notes=text), identify("2", "b@x.io", **{text: 1})]
    )
    rows, summary = exported(replay, export)
    assert rows[0]["notes"] == f"'{text}"
    assert f"'{text}" in rows[1] or text == "\uff1d1"
    told = summary["csv"]["made_harmless"]
    assert told["cells"] == {"notes": 1}
    assert told["columns"] == [text]
    rows, summary = exported(replay, "--keep-formulas", export)
    assert rows[0]["notes"] == text
    assert rows[1][text] == "1"
    assert summary["csv"]["made_harmless"] == {"cells": {}, "columns": []}


@pytest.mark.parametrize("text", LEGITIMATE)
def test_what_is_no_formula_stays_as_it_is(replay: Replay, text: str) -> None:
    rows, summary = exported(replay, replay.write([identify("1", "a@x.io", notes=text)]))
    assert rows[0]["notes"] == text
    assert summary["csv"]["made_harmless"] == {"cells": {}, "columns": []}


@pytest.mark.parametrize("number", [-5, -5.25, 5, -(2**63), -1e-9])
def test_a_number_stays_a_number(replay: Replay, number: float) -> None:
    rows, _ = exported(replay, replay.write([identify("1", "a@x.io", n=number)]))
    assert float(rows[0]["n"]) == number


def test_what_is_made_harmless_is_told_in_words(replay: Replay) -> None:
    export = replay.write([identify("1", "a@x.io", notes="=1", **{"@x": "=2", "\x1b[31m=": "-a"})])
    done = replay.run("export", "--against", "nothing", "-o", "users.csv", export)
    assert (
        "Made harmless by a ' before 3 cells (\\x1b_31m= 1, @x 1, notes 1) and 1 column name (@x), which "
        "a spreadsheet would take for formulas; --keep-formulas leaves them as they are"
    ) in done.stdout.splitlines()


def test_an_email_that_is_a_formula_is_not_changed_but_left_out(replay: Replay) -> None:
    export = replay.write([identify("1", "=a|b!c@x.io", n="1"), identify("2", "b@x.io", n="1")])
    rows, summary = exported(replay, export)
    assert rows == [{"email": "b@x.io", "n": "1"}]
    assert summary["csv"]["left_out"] == {"formula_email": {"count": 1, "first": ["=a|b!c@x.io"]}}
    rows, _ = exported(replay, "--keep-formulas", export)
    assert [row["email"] for row in rows] == ["=a|b!c@x.io", "b@x.io"]


# Whatever the export.

TEXTS = st.sampled_from([*HOSTILE, *LEGITIMATE]) | st.text(max_size=8)
KEYS = st.sampled_from(
    ["a", "=a", "'=a", "''=a", "@b", "email", "E-mail", "a.b", "-", "", "\n", "id"]
)
VALUES = TEXTS | st.integers(-(2**63), 2**63) | st.floats(-1e300, 1e300) | st.booleans() | st.none()
TRAITS = st.dictionaries(KEYS | st.text(max_size=4), VALUES, max_size=6)


def planned(replay: Replay, export: Path) -> dict[str, dict[str, str]]:
    """The properties that a dry run plans, by email."""
    found = {}
    for fields in replay.diff(export).users("create"):
        email = fields.pop("email")
        found[email] = {
            name.removeprefix("properties."): str(value)
            for name, value in fields.items()
            if name.startswith("properties.")
        }
    return found


def is_number(text: str) -> bool:
    """Whether a text has nothing but digits and what stands between those of a number or a phone."""
    return any(each.isdigit() for each in text) and not set(text) - set("0123456789+-., ()/eE")


@examples(60)
@given(st.lists(TRAITS, min_size=1, max_size=5), st.integers(1, 3))
def test_the_reader_reads_what_was_planned_and_nothing_is_a_formula(
    sandbox: RunningSandbox, everybody: list[dict[str, Any]], size: int
) -> None:
    with empty_account(sandbox) as replay:
        records = [
            {**identify(f"u{nth}"), "traits": {**traits, "email": f"u{nth}@x.io"}}
            for nth, traits in enumerate(everybody)
        ]
        export = replay.write(records)
        wanted = planned(replay, export)
        for options in ((), ("--keep-formulas",)):
            _, summary = exported(
                replay, "--overwrite", "--rows", str(size), *options, export, name="u.csv"
            )
            told = summary["csv"]
            rows = [row for each in told["files"] for row in read(replay.folder / each["path"])]
            assert [row["email"] for row in rows] == list(wanted)
            names = sorted({name for each in wanted.values() for name in each})
            for row in rows:
                properties = wanted[row.pop("email")]
                assert len(row) == len(names)
                for name, (column, cell) in zip(names, row.items(), strict=True):
                    text = properties.get(name, "")
                    if options:
                        assert (column, cell) == (name, text)
                        continue
                    assert cell in (text, f"'{text}")
                    assert column.lstrip("'") == name.lstrip("'")
                    for each in (column, cell):
                        assert not each.startswith(("=", "@", "\t", "\r"))
                        assert not each.startswith(("+", "-")) or is_number(each)


@examples(40)
@given(people=PEOPLE)
def test_a_dry_run_foretells_the_rows(sandbox: RunningSandbox, people: list[Somebody]) -> None:
    with empty_account(sandbox) as replay:
        fill(replay, people, is_large=False)
        records = [each for nth, one in enumerate(people) for each in one.records(nth)]
        export = replay.write(records)
        for against in ("nothing", "account", replay.snapshot()):
            foretold = replay.diff("--against", str(against), export).summary
            rows, summary = exported(replay, export, against=against)
            assert foretold["ways"]["csv"] == {"files": int(bool(rows)), "end_users": len(rows)}
            left = sum(each["count"] for each in summary["csv"]["left_out"].values())
            assert len(rows) + left == summary["create"] + summary["update"]
            for name in (
                "create",
                "update",
                "unchanged",
                "eligibility_checks",
                "page_views",
                "skipped",
            ):
                assert foretold[name] == summary[name]


def test_several_processes_write_the_same(replay: Replay) -> None:
    notes = {"notes": "=1", "more": "x" * 2000}
    records = [identify(str(nth), f"u{nth}@x.io", n=nth, **notes) for nth in range(10_000)]
    export = replay.write(records)
    written = []
    for processes in ("1", "2"):
        _, summary = exported(replay, "--overwrite", "--processes", processes, export)
        assert summary["csv"]["made_harmless"]["cells"] == {"notes": 10_000}
        files = [replay.folder / each["path"] for each in summary["csv"]["files"]]
        written.append([each.read_bytes() for each in files])
    assert written[0] == written[1]
    assert len(written[0]) == 2


def test_what_is_imported_costs_a_push_only_what_is_missing(replay: Replay) -> None:
    export = replay.write([ADA, BYRON, track("1")])
    rows, _ = exported(replay, export)
    for row in rows:
        replay.holds(None, row.pop("email"), **{name: each for name, each in row.items() if each})
    assert replay.push(export).returncode == 0
    assert len(replay.sandbox.state.end_users) == 2
    assert set(replay.users()) == {"1", "2"}
    assert len(replay.paths("PUT")) == 2
    rows, _ = exported(replay, export, against="account")
    assert rows == []


def test_the_python_class_writes_to_any_stream() -> None:
    stream = io.BytesIO()
    result = WriteCsv(WriteCsvSettings(paths=[str(SAMPLES / "segment-logs")]), stdout=stream).run()
    rows = list(csv.reader(io.StringIO(stream.getvalue().decode(), newline="")))
    assert len(rows) == 1 + result.rows == 4
    assert result.files == ()
    assert result.exit_code == 0


def test_the_python_class_gives_the_places_of_its_files() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "users")
        how = WriteCsvSettings(paths=[str(SAMPLES / "segment-logs")], output=path, rows=2)
        result = WriteCsv(how).run()
        assert [(each.path.name, each.rows) for each in result.files] == [
            ("users", 2),
            ("users-2", 1),
        ]
        assert all(each.path.exists() for each in result.files)
