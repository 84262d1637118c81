"""The table of calls is what a sandbox received, and ends where a push leaves the account wrong."""

import math
import subprocess
import sys
from pathlib import Path

CALLS = Path(__file__).with_name("calls.py")
EXPORT = 20


def count(*options: str) -> "subprocess.CompletedProcess[str]":
    """Run the script on a small export."""
    command = [sys.executable, str(CALLS), "--export", str(EXPORT), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def rows(done: "subprocess.CompletedProcess[str]") -> list[list[str]]:
    """The rows of the table that it printed."""
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def test_against_the_account_an_end_user_costs_a_look_up_if_there_and_else_two_and_a_create() -> (
    None
):
    measured = rows(count("--accounts", "0,4,60", "--against", "account"))
    assert [row[:3] for row in measured] == [
        ["0", "0", ""],
        ["4", "0", ""],
        *(["4", there, state] for there in ("2", "4") for state in ("unchanged", "changed")),
        ["60", "0", ""],
        *(
            ["60", there, state]
            for there in ("2", "10", "20")
            for state in ("unchanged", "changed")
        ),
    ]
    for _, there, state, calls, minutes, least, least_minutes in measured:
        creates, updates = EXPORT - int(there), int(there) * (state == "changed")
        look_ups = int(there) + 2 * creates
        assert int(calls) == 1 + look_ups + creates + updates
        assert minutes == f"{math.ceil(60 * look_ups / 100)} s"
        assert int(least) == 1 + creates + updates
        assert least_minutes == f"{math.ceil(60 * max(creates, updates) / 100)} s"


def test_every_way_has_its_columns_and_refused_creates_count() -> None:
    done = count("--accounts", "0,2", "--against", "account,nothing")
    empty, _, unchanged, _ = rows(done)
    assert empty[3::2] == ["61", "21", "21"]
    assert unchanged[3::2] == ["57", "23", "19"]
    assert "sign ins 1, look ups 2, creates 18, refused creates 2\n" in done.stderr


def test_a_second_push_is_counted_where_all_are_there_unchanged() -> None:
    _, _, second, _ = rows(count("--accounts", "2", "--against", "account", "--again"))
    assert second[:3] == ["2", "20", "pushed before"]
    assert int(second[3]) > int(second[5]) == 1


def test_a_push_that_fails_ends_the_measuring() -> None:
    done = count("--accounts", "0", "--against", "no-such-snapshot")
    assert done.returncode == 1
    assert "--against no-such-snapshot" in done.stderr
    assert "exit code 2" in done.stderr
