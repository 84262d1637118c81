"""What `inspect` shows: the installed command, run."""

import json
import os
import pty
import shlex
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from replaying import Replay

from cli.wrapping import columns

if TYPE_CHECKING:
    from tests.conftest import Run, Start, Write

SAMPLES = Path(__file__).parents[2] / "sample_events" / "segment-logs"

HOSTILE = "\x1b[31mred\x1b]0;title\x07\u202e"


def identify(user_id: str, **traits: Any) -> dict[str, Any]:
    return {
        "type": "identify",
        "userId": user_id,
        "timestamp": "2024-03-01T10:00:00Z",
        "traits": traits,
    }


def track(user_id: str, event: str, time: str = "2024-03-01T10:00:00Z") -> dict[str, Any]:
    return {"type": "track", "userId": user_id, "timestamp": time, "event": event}


def as_json(run: "Run", *args: str | Path) -> dict[str, Any]:
    done = run("inspect", "--format", "json", *args)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def commands_in(text: str) -> list[list[str]]:
    told = text.partition("Go on with\n")[2].splitlines()
    return [shlex.split(each) for each in told if each.startswith("  wootric-replay")]


def test_the_commands_to_go_on_with_read_the_same_configuration(run: "Run", tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[profile.p.traits]\nexclude = ['plan']\n")
    done = run("inspect", "--config", file, "--profile", "p", SAMPLES)
    assert done.returncode == 0, done.stderr
    for command in commands_in(done.stdout):
        assert "--config" in command
        assert "--profile" in command
    done = run("inspect", "--no-config", SAMPLES)
    assert all("--no-config" in command for command in commands_in(done.stdout))


def test_it_tells_of_records_end_users_events_pages_and_traits(run: "Run") -> None:
    done = run("inspect", SAMPLES)
    assert (done.returncode, done.stderr) == (0, "")
    for told in (
        "16 records in 2 files, 2024-03-04 08:12 to 2024-03-05 11:00 UTC",
        "  identify  5",
        "Skipped: unsupported_type 3, duplicate 1, integration_disabled 1",
        "Opted out or suppressed: 1 record",
        "  2024-03-04  5  ███",
        "End users: 5",
        "  3 have an identify; a push writes all of them.",
        "  1  Order Completed",
        "  1  /pricing",
        "Traits: 17 (of 3 end users that have an identify)",
        "  list_without_array: tags",
    ):
        assert told in done.stdout


def test_the_json_is_one_document_that_tells_all(run: "Run") -> None:
    found = as_json(run, SAMPLES)
    assert found["types"] == {
        "alias": 1, "group": 1, "identify": 5, "page": 3, "screen": 1, "track": 4,
    }  # fmt: skip
    assert found["first"] == "2024-03-04T08:12:44.000Z"
    assert [each["day"] for each in found["days"]] == ["2024-03-04", "2024-03-05"]
    assert found["end_users"]["written"] == 3
    tags = next(each for each in found["traits"] if each["name"] == "tags")
    assert tags == {
        "name": "tags",
        "types": {"list": 1},
        "end_users": 1,
        "fill_rate": 0.3333,
        "distinct": 1,
        "is_distinct_exact": True,
        "examples": [["beta", "import"]],
        "becomes": [{"name": "tags", "kind": "text"}],
        "warnings": ["list_without_array"],
        "looks_like": None,
    }


def test_the_commands_that_it_ends_with_work(run: "Run") -> None:
    commands = commands_in(run("inspect", SAMPLES).stdout)
    assert [each[1] for each in commands] == ["validate", "dry-run", "push", "push"]
    for _, *words in commands[:3]:
        assert run(*words).returncode == 0
    assert "--sandbox" in commands[2]
    assert "--typed-names" in commands[1]


def test_the_commands_name_the_paths_and_options_as_they_were_given(
    run: "Run", write: "Write"
) -> None:
    path = write("it's an export;.ndjson", identify("1", email="a@b.co"))
    done = run("inspect", "--traits-from", "traits", "--consent-category", "a b", path)
    for _, *words in commands_in(done.stdout)[:2]:
        assert words[-1] == str(path)
        assert words[1:-1] == ["--traits-from", "traits", "--consent-category", "a b"]
        assert run(*words).returncode == 0


def test_what_is_rejected_is_no_failure_but_is_pointed_out(run: "Run", write: "Write") -> None:
    path = write("export.ndjson", b"nonsense", identify("1", email="a@b.co"))
    done = run("inspect", path)
    assert done.returncode == 0
    assert "Rejected: 1 (invalid_json 1)" in done.stdout
    assert "how to mend the 1 rejected" in done.stdout


def test_nothing_to_read_is_a_failure(run: "Run", tmp_path: Path) -> None:
    assert run("inspect", tmp_path / "missing").returncode == 2
    assert run("inspect").returncode == 2


def test_an_empty_export_is_told_as_such(run: "Run", write: "Write") -> None:
    done = run("inspect", write("export.ndjson"))
    assert done.stdout.startswith("0 records in 1 file\n")
    assert done.returncode == 0


def test_standard_input_is_read(run: "Run") -> None:
    line = json.dumps(identify("1", email="a@b.co")).encode()
    done = run("inspect", "-", stdin=line)
    assert "1 record in 1 file" in done.stdout
    assert "pipe the export in again" in done.stdout


def test_no_escape_and_no_markup_of_an_export_reaches_the_terminal(
    run: "Run", write: "Write"
) -> None:
    records = [
        identify("1", email="a@b.co", **{HOSTILE: HOSTILE, "[bold]x[/bold]": "[red]y[/red]"}),
        track("1", HOSTILE),
        {
            "type": "page",
            "userId": "1",
            "timestamp": "2024-03-01T10:00:00Z",
            "properties": {"path": HOSTILE},
        },
    ]
    path = write("export.ndjson", *records)
    for style in ("text", "json"):
        shown = run("inspect", "--format", style, path).stdout
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "[red]y[/red]" in shown


def test_secrets_are_never_shown(run: "Run", write: "Write") -> None:
    traits = {
        "password": "hunter2",
        "nested": {"apiKey": {"value": "key-of-ada"}},
        "accounts": [{"secret": "in-a-list"}],
        "note": "sk_live_0123456789abcdef",
        "card": 4111111111111111,
        "cards": ["4111 1111 1111 1111"],
    }
    path = write("export.ndjson", identify("1", email="a@b.co", **traits))
    for style in ("text", "json"):
        shown = run("inspect", "--format", style, path).stdout
        for secret in ("hunter2", "key-of-ada", "in-a-list", "sk_live_", "4111"):
            assert secret not in shown
    assert "! password" in run("inspect", path).stdout


GROUP_RECORDS = [
    identify("1", email="a@b.co"),
    {
        "type": "group",
        "userId": "2",
        "groupId": "g",
        "traits": {
            "name": "Acme",
            "api_key": "sk-very-secret",
            "seats": 5,
            "owner": {"ssn": "078-05-1120", "email": "owner@b.co"},
        },
    },
    {"type": "group", "userId": "3", "groupId": "g", "traits": {"name": "Acme"}},
]


def test_the_traits_of_groups_are_told_if_their_records_are_taken(
    run: "Run", write: "Write"
) -> None:
    export = write("groups.ndjson", *GROUP_RECORDS)
    without = as_json(run, export)
    assert (without["group_traits"], without["types"]["group"]) == ([], 2)
    rename = ("--rename-trait", "company_api_key=tier")
    found = as_json(run, "--group-traits", "company", *rename, export)
    assert found["types"] == {"identify": 1, "group": 2}
    # Whoever only a group record names has no identify.
    assert (found["end_users"]["identified"], found["end_users"]["total"]) == (1, 3)
    assert [each["name"] for each in found["traits"]] == ["email"]
    told = {each["name"]: each for each in found["group_traits"]}
    becomes = {name: [to["name"] for to in each["becomes"]] for name, each in told.items()}
    assert becomes == {
        "company_name": ["company_name"],
        "company_seats": ["company_seats"],
        "company_owner.email": ["company_owner_email"],
        "company_owner.ssn": [],
        "tier": [],
    }
    assert (told["company_name"]["records"], told["company_name"]["fill_rate"]) == (2, 1.0)
    assert told["company_seats"]["warnings"] == ["integer_without_amount"]
    for secret in ("tier", "company_owner.ssn"):
        assert (told[secret]["looks_like"], told[secret]["examples"]) == ("secret", [])
        assert told[secret]["warnings"] == ["secret_left_out"]
    included = as_json(
        run, "--group-traits", "company", "--include-trait", "api_key", *rename, export
    )
    (tier,) = (each for each in included["group_traits"] if each["name"] == "tier")
    assert (tier["becomes"][0]["name"], tier["examples"]) == ("tier", [])
    text = run("inspect", "--group-traits", "company", "--redact", export).stdout
    assert "Group traits: 5 (of 2 group records)" in text
    for hidden in ("very-secret", "078-05", "owner@b.co"):
        assert hidden not in text


def test_the_commands_to_go_on_with_take_groups_and_roll_ups_over(
    run: "Run", write: "Write"
) -> None:
    given = ["--group-traits", "company", "--rollup", "A b:sum.x.y=x_amount"]
    given += ["--rollup", "A b:count=n_amount"]
    done = run("inspect", *given, write("groups.ndjson", *GROUP_RECORDS))
    for command in commands_in(done.stdout):
        assert [each for each in given if each not in command] == []
        if "push" not in command:
            assert run(*command[1:]).returncode == 0


def test_what_people_on_a_list_are_like_is_shown_nowhere(
    run: "Run", write: "Write", tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("ada@example.com\n")
    export = write(
        "export.ndjson",
        identify("1", email="ada@example.com", nick="Countess"),
        identify("2", email="bob@example.com", nick="Bob"),
        {
            "type": "group",
            "userId": "1",
            "groupId": "g",
            "context": {"traits": {"email": "ada@example.com"}},
            "traits": {"owner": "Countess"},
        },
    )
    for form in ("text", "json"):
        done = run(
            "inspect",
            "--format",
            form,
            "--group-traits",
            "co",
            "--suppress",
            tmp_path / "list.txt",
            export,
        )
        assert done.returncode == 0, done.stderr
        assert "Bob" in done.stdout
        assert "Countess" not in done.stdout
        assert "ada@" not in done.stdout


def test_redact_hides_who_it_is(run: "Run", write: "Write") -> None:
    records = [
        identify("1", email="ada@example.com", name="Ada Lovelace", phone="+44 20 7946 0001"),
        track("1", "Invited ada@example.com"),
        {
            "type": "page",
            "userId": "1",
            "timestamp": "2024-03-01T10:00:00Z",
            "properties": {"path": "/users/Ada%20Lovelace?mail=ada%40example.com"},
        },
        identify("2", **{"bob@example.com": 1}),
    ]
    path = write("export.ndjson", *records)
    for style in ("text", "json"):
        shown = run("inspect", "--redact", "--format", style, path).stdout
        for hidden in ("ada@", "ada%40", "Lovelace", "7946", "bob@"):
            assert hidden not in shown
        assert "email:" in shown
    assert json.loads(shown)["traits"]


def test_events_are_marked_that_are_registered(run: "Run", write: "Write") -> None:
    path = write("export.ndjson", track("1", "Signed Up"), track("1", "Left"))
    done = run("inspect", "--registered-event", "Signed Up", "--registered-event", "Gone", path)
    assert "Events: 2 (* registered)" in done.stdout
    assert "  1  * Signed Up" in done.stdout
    assert "  1    Left" in done.stdout
    assert "Registered, but in no record: Gone" in done.stdout
    assert "--registered-event 'Signed Up'" in done.stdout


def test_a_sandbox_tells_which_events_are_registered(run: "Run", write: "Write") -> None:
    path = write("export.ndjson", track("1", "Signed Up"), track("1", "Nobody Knows This"))
    found = as_json(run, "--sandbox", path)
    assert found["asked_account"]
    assert {each["name"]: each["is_registered"] for each in found["events"]["names"]} == {
        "Signed Up": True,
        "Nobody Knows This": False,
    }
    done = run("inspect", "--sandbox", "--registered-event", "x", path)
    assert (done.returncode, "--registered-event" in done.stderr) == (2, True)


def test_without_credentials_the_account_is_not_asked(run: "Run", write: "Write") -> None:
    done = run("inspect", "--account", write("export.ndjson", track("1", "Signed Up")))
    assert done.returncode == 2
    assert "WOOTRIC_ACCOUNT_TOKEN" in done.stderr


@pytest.mark.parametrize(
    ("days", "unit", "lines"),
    [(31, "day", 31), (32, "week", 5), (200, "week", 29), (300, "month", 10), (1200, "year", 4)],
)
def test_more_days_than_lines_are_brought_together(
    run: "Run", write: "Write", days: int, unit: str, lines: int
) -> None:
    first = track("1", "E", "2024-01-01T00:00:00Z")
    last = track("1", "E", f"{_day(days)}T00:00:00Z")
    shown = run("inspect", write("export.ndjson", first, last)).stdout
    chart = shown.partition("Records by ")[2].partition("\n\n")[0].splitlines()
    assert chart[0].startswith(unit)
    assert len(chart) - 1 == lines
    assert sum(int(each.split()[1]) for each in chart[1:]) == 2


def _day(nth: int) -> str:
    return (date(2024, 1, 1) + timedelta(nth - 1)).isoformat()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(start: "Start", write: "Write", width: int) -> None:
    records = [
        identify(
            f"{nth}", **{f"trait number {nth} " * 3: "a long value " * 9, "界" * 30: "界" * 90}
        )
        for nth in range(3)
    ]
    path = write("export.ndjson", *records, track("1", "an event with a name " * 9))
    shown = at_a_terminal(start, width, "inspect", "--color", "never", path)
    told, _, commands = shown.partition("Go on with")
    for line in told.splitlines():
        assert columns(line) <= width
    assert "wootric-replay" in commands


def at_a_terminal(start: "Start", width: int, *args: str | Path) -> str:
    ours, theirs = pty.openpty()
    with start(
        *args, environment={"COLUMNS": str(width)}, stdout=theirs, stderr=subprocess.PIPE
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                more = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not more:
                break
            shown += more
        process.wait(timeout=60)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_a_chart_takes_no_more_characters_than_the_output_has(run: "Run") -> None:
    shown = run("inspect", SAMPLES, environment={"PYTHONIOENCODING": "ascii"}).stdout
    assert shown.isascii()
    assert "\\u" not in shown
    assert "  2024-03-04  5  ###" in shown


def test_so_many_traits_take_neither_memory_nor_lines(run: "Run", write: "Write") -> None:
    records = [
        identify(f"{nth}", **{f"trait-{nth}-{k}": k for k in range(30)}) for nth in range(1000)
    ]
    path = write("export.ndjson", *records)
    shown = run("inspect", path).stdout
    assert "Traits: about " in shown
    assert len(shown.splitlines()) < 150
    found = as_json(run, path)
    assert len(found["traits"]) == 500
    assert not found["is_more_traits_exact"]
    assert found["more_traits"] == pytest.approx(29_500, rel=0.13)


def test_values_of_megabytes_and_deep_nesting_are_taken(run: "Run", write: "Write") -> None:
    deep: Any = 1
    for _ in range(400):
        deep = {"a": [deep]}
    nested: Any = 1
    for _ in range(900):
        nested = {"a": nested}
    record = identify("1", text="x" * 10**6, **{"n" * 10**5: 1}, list=[deep], object=nested)
    path = write("export.ndjson", json.dumps(record).encode(), track("1", "e" * 10**6))
    found = as_json(run, "--max-line-bytes", "9000000", path)
    assert len(json.dumps(found)) < 20_000
    assert found["end_users"]["identified"] == 1
    assert run("inspect", "--max-line-bytes", "9000000", path).returncode == 0


def test_the_account_tells_which_events_are_registered(replay: Replay) -> None:
    path = replay.write([track("1", "Signed Up"), track("1", "Nobody Knows This")])
    done = replay.run("inspect", "--account", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  1  * Signed Up" in done.stdout
    assert "  1    Nobody Knows This" in done.stdout
    assert "Registered, but in no record: Order Completed" in done.stdout


def test_without_the_option_an_account_that_is_given_is_not_asked(replay: Replay) -> None:
    path = replay.write([track("1", "Signed Up")])
    done = replay.run("inspect", path, env={"WOOTRIC_BASE_URL": "http://127.0.0.1:9"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "registered" not in done.stdout
