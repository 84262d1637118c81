"""Input, names and settings that are wrong or hostile: what the installed command makes of them."""

import codecs
import gzip
import os
import pty
import re
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest

from cli.app import foreseen
from wootric_map.errors import EXIT_UNREACHABLE

if TYPE_CHECKING:
    from tests.conftest import Run, Start, Write

READERS = ("inspect", "validate", "map", "dry-run")
FAILS_NOT: Final = "inspect"
"""The reader for which a rejected record is no failure."""
ADA = {"type": "identify", "userId": "1", "traits": {"email": "ada@example.com"}}
NOBODY = {"type": "identify", "traits": {"email": "a@b.co"}}
ADA_LINE = orjson.dumps(ADA).decode()
LOGIN = {
    "WOOTRIC_ACCOUNT_TOKEN": "NPS-12345678",
    "WOOTRIC_CLIENT_ID": "client",
    "WOOTRIC_CLIENT_SECRET": "hunter2-the-secret",
}

MARKUP = "[red]m[/red][/]"
CONTROLS = "\x1b[2J\x1b]0;owned\x07\r\b\x7f\x9b31m\x85"
BIDI = "\u202egnp.\u2066\u200f\u2028"
NUL = "\x00"
HOSTILE = f"{MARKUP}{CONTROLS}{BIDI}{NUL}"

UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
"""All that a terminal obeys but the newline."""


def objects(text: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in text.split("\n") if line]


# Hostile values


def hostile_records() -> list[dict[str, Any]]:
    """The hostile text in every place that a record has, mapped, skipped and rejected."""
    ids = {"userId": f"u{HOSTILE}", "anonymousId": HOSTILE, "messageId": HOSTILE}
    traits = {
        "email": f"a{HOSTILE}@b.co",
        "phone": HOSTILE,
        "language": HOSTILE,
        "createdAt": HOSTILE,
        HOSTILE: HOSTILE,
        f"seats{HOSTILE}": 5,
        f"${HOSTILE}": HOSTILE,
        "nested": {HOSTILE: [HOSTILE, 1]},
        f"lost{HOSTILE}": [{HOSTILE: HOSTILE}],
    }
    page = {"url": HOSTILE, "path": HOSTILE, "title": HOSTILE, HOSTILE: HOSTILE}
    good = {"type": "identify", "userId": "1"}
    return [
        {"type": "identify", **ids, "traits": traits},
        {"type": "track", "userId": ids["userId"], "event": HOSTILE, "properties": traits},
        {"type": "track", "userId": HOSTILE, "event": "E", "context": {"traits": traits}},
        {"type": "page", "userId": ids["userId"], "name": HOSTILE, "properties": page},
        {"type": "page", "userId": ids["userId"], "category": HOSTILE, "context": {"page": page}},
        {"type": HOSTILE, "userId": "1"},
        good | {"timestamp": HOSTILE},
        good | {"traits": HOSTILE},
        good | {"context": HOSTILE},
        good | {"integrations": [HOSTILE]},
        {"type": "screen", "name": HOSTILE, "userId": HOSTILE},
        {"type": "track", "userId": "1", "event": "E", "integrations": {HOSTILE: 1, "All": False}},
        {"code": HOSTILE, "record": 1, "source": HOSTILE, "line": HOSTILE},
        {HOSTILE: HOSTILE},
    ]


def hostile_lines() -> list[bytes]:
    """Broken lines, in which the hostile bytes stand raw."""
    raw = HOSTILE.encode()
    return [b"{" + raw + b"}", raw, b'"' + raw + b'"', b"[" + raw + b"]", b"\x1b[2J\xff"]


EVIL_NAME = f"evil{MARKUP.replace('/', '')}{CONTROLS}{BIDI}.ndjson"


@pytest.mark.parametrize("command", [("validate",), ("dry-run",), ("push", "--sandbox")])
def test_hostile_values_and_names_are_shown_escaped_and_never_raw(
    run: "Run", write: "Write", command: Sequence[str]
) -> None:
    write(EVIL_NAME, *hostile_records(), *hostile_lines())
    done = run(*command, EVIL_NAME)
    shown = done.stdout + done.stderr
    assert done.returncode == 1
    assert UNSAFE.search(shown) is None, repr(UNSAFE.findall(shown))
    assert "evil[red]m[red][]" in shown, "markup stands as it was written"
    assert "\\x1b[2J" in shown


def test_hostile_values_in_the_diff_stand_as_they_were_written(run: "Run", write: "Write") -> None:
    user = {"type": "identify", "userId": f"u{HOSTILE}", "traits": {"email": "ada@b.co"}}
    write("a.ndjson", user, *hostile_records())
    shown = run("dry-run", "a.ndjson").stdout
    assert MARKUP in shown
    for escape in ("\\x1b[2J", "\\x00", "\\u202e", "\\x9b"):
        assert escape in shown


@pytest.mark.parametrize(
    "command", [("map",), ("dry-run", "--format", "json"), ("validate", "--format", "json")]
)
def test_output_for_programs_holds_nothing_that_a_terminal_obeys(
    run: "Run", write: "Write", command: Sequence[str]
) -> None:
    """Most who try `map` look at it in a terminal first."""
    write(EVIL_NAME, *hostile_records(), *hostile_lines())
    shown = run(*command, EVIL_NAME).stdout
    assert UNSAFE.search(shown) is None, repr(set(UNSAFE.findall(shown)))


def test_output_for_programs_gives_hostile_values_back_unchanged(
    run: "Run", write: "Write"
) -> None:
    write(EVIL_NAME, hostile_records()[0])
    (found,) = objects(run("map", EVIL_NAME).stdout)
    assert found["source"] == EVIL_NAME
    assert found["settings"]["segment_user_id"] == f"u{HOSTILE}"
    assert found["settings"]["properties"]["language"] == HOSTILE
    assert not {"email", "phone"} & {*found["settings"], *found["settings"]["properties"]}


def test_a_terminal_is_not_obeyed_either(start: "Start", write: "Write") -> None:
    """There the command has escapes of its own, for colour; the export's must not be among them."""
    write("a.ndjson", *hostile_records(), *hostile_lines())
    for command in (
        ("validate", "a.ndjson"),
        ("dry-run", "a.ndjson"),
        ("push", "--sandbox", "a.ndjson"),
    ):
        shown = _on_a_terminal(start, *command)
        assert "\\x1b[2J" in shown
        for raw in ("\x1b[2J", "\x1b]0;", "\x07", "\x9b", "\u202e", "\u2066", "\x00"):
            assert raw not in shown, (command, raw)


@pytest.mark.parametrize(
    "args",
    [
        ("validate", "gone\x1b[2J\u202e.ndjson"),
        ("validate", "--no-such\x1b[2J", "a.ndjson"),
        ("push", "--sandbox", "--rejects", "gone\x1b[2J/x", "a.ndjson"),
        ("push", "--sandbox", "--rejects", "folder\x1b[2J", "a.ndjson"),
        ("push", "--client-id", "x", "--client-secret-file", "gone\x1b[2J", "a.ndjson"),
        ("map", "--base-url", "ftp://\x1b[2J", "a.ndjson"),
        ("dry-run", "--rate", "\x1b[2J", "a.ndjson"),
    ],
)
def test_errors_do_not_obey_what_they_quote(
    start: "Start", write: "Write", tmp_path: Path, args: Sequence[str]
) -> None:
    write("a.ndjson", ADA)
    (tmp_path / "folder\x1b[2J").mkdir()
    shown = _on_a_terminal(start, *args, WOOTRIC_ACCOUNT_TOKEN="NPS-12345678")
    assert "rror" in shown
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown


def _on_a_terminal(start: "Start", *args: str, **environment: str) -> str:
    """All that a terminal gets of a run, from both of its outputs."""
    master, slave = pty.openpty()
    options: dict[str, Any] = {"stdout": slave, "stderr": slave}
    process = start(*args, environment=environment, **options)
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:  # Linux's word for the end of a terminal
        pass
    finally:
        os.close(master)
    process.wait(timeout=30)
    return shown.decode(errors="backslashreplace")


# Encodings


@pytest.mark.parametrize(
    ("command", "encoding"),
    [(("validate",), "ascii"), (("dry-run",), "latin-1"), (("push", "--sandbox"), "ascii")],
)
def test_an_output_that_lacks_a_character_gets_its_escape_and_no_crash(
    run: "Run", write: "Write", command: Sequence[str], encoding: str
) -> None:
    traits = {"email": "zoë@example.com", "naïve 😀": "čaj ←", "seats😀": 3}
    good = {"type": "identify", "userId": "Ж", "traits": traits}
    write("é😀.ndjson", good, {"type": "čaj", "userId": "1"})
    done = run(*command, "é😀.ndjson", environment={"PYTHONIOENCODING": encoding})
    assert done.returncode == 1, done.stderr
    assert ".ndjson" in done.stdout + done.stderr


def test_a_file_name_that_is_no_text_is_read_and_shown(run: "Run", tmp_path: Path) -> None:
    name = b"caf\xe9.ndjson"
    (tmp_path / os.fsdecode(name)).write_bytes(orjson.dumps(NOBODY))
    for command in READERS:
        done = run(command, name)
        assert done.returncode == (0 if command == FAILS_NOT else 1)
        assert "caf" in done.stdout + done.stderr
    missing = run("validate", b"cav\xe9.ndjson")
    assert missing.returncode == 2


# Paths


@pytest.mark.parametrize("command", READERS)
def test_a_mistyped_file_name_ends_in_2_and_gets_a_suggestion(
    run: "Run", write: "Write", command: str
) -> None:
    write("export-2024.ndjson", ADA)
    done = run(command, "exprot-2024.ndjson")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "exprot-2024.ndjson" in done.stderr
    assert "did you mean export-2024.ndjson?" in done.stderr


def test_one_missing_file_among_good_ones_stops_the_run_before_it_begins(
    run: "Run", write: "Write"
) -> None:
    write("a.ndjson", ADA)
    done = run("map", "a.ndjson", "gone.ndjson")
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("command", READERS)
def test_a_folder_with_nothing_in_it_ends_in_2_and_says_what_was_looked_for(
    run: "Run", write: "Write", command: str
) -> None:
    write("logs/readme.txt", b"nothing to read")
    done = run(command, "logs")
    assert done.returncode == 2
    assert "logs" in done.stderr
    assert "*.ndjson" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_ends_in_2_and_says_why(run: "Run", write: "Write") -> None:
    write("a.ndjson", ADA).chmod(0)
    done = run("validate", "a.ndjson")
    assert done.returncode == 2
    assert "Permission denied" in done.stderr


def test_a_folder_given_as_a_file_is_searched(run: "Run", write: "Write") -> None:
    write("a.ndjson/real.ndjson", ADA)
    assert run("validate", "a.ndjson").returncode == 0


@pytest.mark.parametrize("command", READERS)
def test_a_file_that_vanishes_during_the_run_is_reported(
    start: "Start", write: "Write", tmp_path: Path, command: str
) -> None:
    os.mkfifo(tmp_path / "first")
    vanishing = write("second.ndjson", ADA)
    process = start(command, "first", "second.ndjson")
    with (tmp_path / "first").open("wb") as first:  # opens once the command reads
        vanishing.unlink()
        first.write(orjson.dumps(ADA) + b"\n")
    output, errors = process.communicate(timeout=30)
    assert process.returncode in ((0,) if command == FAILS_NOT else (1, 2))
    assert b"second.ndjson" in (output + errors).partition(b"Go on with")[0]
    assert b"Traceback" not in errors


@pytest.mark.parametrize("rejects", [".", "folder", "missing/rejects.ndjson", "a.ndjson/x"])
def test_a_rejects_file_that_cannot_be_written_ends_in_2_before_anything_is_sent(
    run: "Run", write: "Write", tmp_path: Path, rejects: str
) -> None:
    write("a.ndjson", ADA)
    (tmp_path / "folder").mkdir()
    done = run("push", "--sandbox", "--rejects", rejects, "a.ndjson")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "--rejects" in done.stderr


def test_a_folder_that_is_pushed_again_does_not_bring_its_rejects_file_along(
    run: "Run", write: "Write", tmp_path: Path
) -> None:
    """However the folder is named: else each run would send the rejects of the one before."""
    write("a.ndjson", ADA, NOBODY)
    for folder in (".", f"../{tmp_path.name}", tmp_path):
        done = run("push", "--sandbox", folder)
        assert done.returncode == 1
        assert "2  1 mapped" in done.stdout, "the two records of a.ndjson and no more"


# Files that are no export

ARRAY = b'[\n  {\n    "type": "identify",\n    "userId": "1"\n  }\n]\n'
FLAT_ARRAY = orjson.dumps([ADA, ADA])
PRETTY = orjson.dumps(ADA, option=orjson.OPT_INDENT_2) + b"\n"
CSV = b"userId,email\n1,a@b.co\n2,c@d.co\n"
UTF_16 = codecs.BOM_UTF16_LE + "\r\n".join([ADA_LINE] * 3).encode("utf-16-le")


@pytest.mark.parametrize(
    ("command", "content", "looks", "conversion"),
    [
        ("validate", ARRAY, "JSON array", "jq -c '.[]'"),
        ("validate", FLAT_ARRAY, "JSON array", "jq -c '.[]'"),
        ("validate", PRETTY, "pretty-printed", "jq -c ."),
        ("validate", CSV, "CSV", "jq"),
        ("validate", UTF_16, "UTF-16", "iconv"),
        ("map", CSV, "CSV", "jq"),
        ("dry-run", ARRAY, "JSON array", "jq -c '.[]'"),
    ],
)
def test_a_file_that_is_no_export_is_rejected_once_with_the_way_to_convert_it(
    run: "Run", write: "Write", command: str, content: bytes, looks: str, conversion: str
) -> None:
    write("users.ndjson", content)
    done = run(command, "users.ndjson")
    assert done.returncode == 1
    shown = done.stdout + done.stderr
    assert shown.count("looks like") == 1
    assert looks in shown
    assert conversion in shown


@pytest.mark.parametrize("content", [ARRAY, FLAT_ARRAY, PRETTY])
def test_the_conversion_that_is_named_does_what_it_says(
    run: "Run", write: "Write", tmp_path: Path, content: bytes
) -> None:
    if subprocess.run(["sh", "-c", "command -v jq"], capture_output=True, check=False).returncode:
        pytest.skip("jq is not installed")
    write("users.json", content)
    shown = run("validate", "users.json").stdout
    recipe = re.search(r"jq -c \S+ FILE > users\.ndjson", shown)
    assert recipe, shown
    subprocess.run(["sh", "-c", recipe[0].replace("FILE", "users.json")], cwd=tmp_path, check=True)
    assert run("validate", "users.ndjson").returncode == 0


def test_a_cut_gzip_file_is_rejected_once_and_its_lines_are_kept(
    run: "Run", tmp_path: Path
) -> None:
    packed = gzip.compress(b"".join(orjson.dumps(ADA) + b"\n" for _ in range(3)))
    (tmp_path / "a.gz").write_bytes(packed[:-4])
    found = objects(run("map", "a.gz").stdout)
    assert [each["line"] for each in found] == [1, 2, 3, 4]
    assert found[-1]["rejected"]["code"] == "truncated_input"


def test_a_line_past_the_limit_is_rejected_and_the_limit_can_be_raised(
    run: "Run", write: "Write"
) -> None:
    long = {"type": "identify", "userId": "1", "traits": {"bio": "x" * 2_000_000}}
    write("a.ndjson", long, ADA)
    found = objects(run("map", "a.ndjson").stdout)
    assert found[0]["rejected"]["code"] == "line_too_long"
    assert found[1]["type"] == "identify"
    assert run("validate", "--max-line-bytes", "3000000", "a.ndjson").returncode == 0


@pytest.mark.parametrize("command", READERS)
def test_json_nested_past_all_reason_brings_nothing_down(
    run: "Run", write: "Write", command: str
) -> None:
    lines = []
    for depth in (200, 500, 1020, 5000, 100_000):
        deep = b'{"a":' * depth + b"1" + b"}" * depth
        lists = b"[" * depth + b"]" * depth
        record = b'{"type":"%b","userId":"1","traits":{"email":"a@b.co","x":%b},"properties":%b}'
        lines += [record % (kind, deep, deep) for kind in (b"identify", b"track", b"page")]
        lines += [record % (b"identify", lists, b"{}"), b'{"batch":[%b]}' % deep]
    write("a.ndjson", *lines, ADA)
    done = run(command, "a.ndjson")
    assert done.returncode == (0 if command == FAILS_NOT else 1)
    if command == "map":
        assert {each["line"] for each in objects(done.stdout)} == set(range(1, len(lines) + 2))


ODD_LINES = [
    b'{"type":"identify","userId":1e400}',
    b'{"type":"identify","userId":' + b"9" * 5000 + b"}",
    b'{"type":"identify","userId":"1","timestamp":' + b"9" * 5000 + b"}",
    b'{"type":"identify","userId":"1","timestamp":"' + b"9" * 5000 + b'"}',
    b'{"type":"identify","userId":"1","traits":{"createdAt":-1e308,"n":1e308,"m":-1e-308}}',
    b'{"type":"identify","userId":"1","traits":{"n":18446744073709551616}}',
    b'{"type":"identify","userId":"\\ud83d","traits":{"email":"a\\udc00@b.co"}}',
    b'{"type":"identify","userId":"1","traits":{"":"","\\u0000":"\\u0000"}}',
    b'{"type":"identify","userId":true}',
    b'{"type":"identify","userId":{}}',
    b'{"type":["identify"],"userId":"1"}',
    b'{"type":"identify","userId":"1","context":{"externalId":"x","traits":[]}}',
    b'{"type":"page","userId":"1","context":{"page":[],"traits":3}}',
    b'{"batch":3}',
    b'{"batch":[[[]],null,{"batch":[]}]}',
    b'{"batch":[{"type":"page","userId":"1"}],"context":3,"integrations":[],"sentAt":{}}',
    b'{"code":[],"record":{}}',
    b'{"code":"x","record":"{","record_base64":"*"}',
    b'{"type":"identify","type":"track","userId":"1"}',
    b"NaN",
    b"\xff\xfe",
    b"\x00",
]


@pytest.mark.parametrize("command", READERS)
def test_no_line_however_odd_brings_the_command_down(
    run: "Run", write: "Write", command: str
) -> None:
    write("a.ndjson", ADA, *ODD_LINES, ADA | {"userId": "last"})
    done = run(command, "a.ndjson")
    assert done.returncode == (0 if command == FAILS_NOT else 1)
    if command == "map":
        found = objects(done.stdout)
        assert [each["line"] for each in found][-1] == len(ODD_LINES) + 2
        assert "calls" in found[-1]


# Credentials and addresses


def test_a_push_without_credentials_ends_in_2_and_says_what_to_set(
    run: "Run", write: "Write"
) -> None:
    write("a.ndjson", ADA)
    done = run("push", "a.ndjson")
    assert done.returncode == 2
    assert "WOOTRIC_ACCOUNT_TOKEN" in done.stderr
    assert "--sandbox" in done.stderr
    done = run("push", "a.ndjson", environment={"WOOTRIC_ACCOUNT_TOKEN": "NPS-12345678"})
    assert done.returncode == 2
    assert "WOOTRIC_CLIENT_ID" in done.stderr
    assert "WOOTRIC_CLIENT_SECRET" in done.stderr


@pytest.mark.parametrize(
    ("known", "missing"),
    [("WOOTRIC_CLIENT_ID", "WOOTRIC_CLIENT_SECRET"), ("WOOTRIC_USERNAME", "WOOTRIC_PASSWORD")],
)
def test_half_a_login_ends_in_2_and_names_the_other_half(
    run: "Run", write: "Write", known: str, missing: str
) -> None:
    write("a.ndjson", ADA)
    environment = {"WOOTRIC_ACCOUNT_TOKEN": "NPS-12345678", known: "x"}
    for redirect in ("", "<&-"):
        done = run("push", "a.ndjson", redirect=redirect, environment=environment)
        assert done.returncode == 2
        assert missing in done.stderr
    blank = run("push", "a.ndjson", environment=environment | {missing: "  "})
    assert blank.returncode == 2


def test_an_account_token_that_is_none_ends_in_2_without_being_shown(
    run: "Run", write: "Write"
) -> None:
    """It may be a secret that was pasted into the wrong place."""
    write("a.ndjson", ADA)
    done = run("push", "a.ndjson", environment=LOGIN | {"WOOTRIC_ACCOUNT_TOKEN": "hunter2-pasted"})
    assert done.returncode == 2
    assert "NPS-" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "http://wootric.invalid",
        "http://localhost.invalid",
        "http://127.0.0.1.invalid",
        "http://localhost@wootric.invalid",
        "http://wootric.invalid#@localhost",
        "http://0.0.0.0",
        "HTTP://wootric.invalid:8080/v1",
    ],
)
def test_plain_http_is_refused_for_anything_but_loopback(
    run: "Run", write: "Write", url: str
) -> None:
    write("a.ndjson", ADA)
    done = run("push", "--base-url", url, "a.ndjson", environment=LOGIN)
    assert done.returncode == 2
    assert "hunter2" not in done.stdout + done.stderr
    if "@" not in url:
        assert "https" in done.stderr


def test_a_base_url_from_the_environment_is_judged_alike(run: "Run", write: "Write") -> None:
    write("a.ndjson", ADA)
    done = run(
        "push", "a.ndjson", environment=LOGIN | {"WOOTRIC_BASE_URL": "http://wootric.invalid"}
    )
    assert done.returncode == 2
    assert "https" in done.stderr


@pytest.mark.parametrize(
    "url", ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://wootric.invalid"]
)
def test_plain_http_is_taken_for_loopback_and_https_for_all(
    run: "Run", write: "Write", url: str
) -> None:
    write("a.ndjson", ADA)
    done = run("map", "--base-url", url, "a.ndjson")
    assert done.returncode == 0
    assert orjson.loads(done.stdout)["calls"][0]["url"] == f"{url}/v1/end_users"


@pytest.mark.parametrize(
    ("option", "glue"), [("--client-secret", "="), ("--client-secret", " "), ("--password", "=")]
)
def test_a_secret_cannot_be_given_on_the_command_line_and_is_not_repeated(
    run: "Run", write: "Write", option: str, glue: str
) -> None:
    write("a.ndjson", ADA)
    done = run("push", "a.ndjson", *f"{option}{glue}hunter2".split(" "))
    assert done.returncode == 2
    assert f"{option}-file" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "content",
    [
        None, b"", b" \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b"\xff\xfe",
        "hunter2".encode("utf-16"), "hunter2".encode("utf-16-le"), "hunter2".encode("utf-16-be"),
    ],
)  # fmt: skip
def test_a_secret_file_that_holds_none_ends_in_2(
    run: "Run", write: "Write", tmp_path: Path, content: bytes | None
) -> None:
    write("a.ndjson", ADA)
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    settings = {"WOOTRIC_ACCOUNT_TOKEN": "NPS-12345678", "WOOTRIC_CLIENT_ID": "x"}
    done = run("push", "--client-secret-file", "secret", "a.ndjson", environment=settings)
    assert done.returncode == 2
    assert "client secret" in done.stderr
    assert "hunter2" not in done.stderr.replace("\0", "")
    if content and b"h" in content:
        assert "UTF-8" in done.stderr


@pytest.mark.parametrize("nothing", [" ", "\n", "\ufeff", "\ufeff \r\n"])
def test_a_token_or_a_secret_of_nothing_but_blanks_ends_in_2(
    run: "Run", write: "Write", nothing: str
) -> None:
    write("a.ndjson", ADA)
    done = run("push", "a.ndjson", environment=LOGIN | {"WOOTRIC_ACCOUNT_TOKEN": nothing})
    assert done.returncode == 2
    assert "no account" in done.stderr
    done = run("push", "a.ndjson", environment=LOGIN | {"WOOTRIC_CLIENT_SECRET": nothing})
    assert done.returncode == 2
    assert "no client secret" in done.stderr
    done = run("push", "a.ndjson", environment=LOGIN | {"WOOTRIC_CLIENT_ID": nothing})
    assert done.returncode == 2
    assert "no client id: set WOOTRIC_CLIENT_ID;" in done.stderr


# Streams that are closed or full


@pytest.mark.parametrize(
    ("command", "redirect"),
    [
        ("validate", ">&-"),
        ("validate", "2>&-"),
        ("validate", "<&-"),
        ("map", "<&-"),
        ("dry-run", ">&- 2>&- <&-"),
    ],
)
def test_a_stream_that_is_closed_brings_nothing_down(
    run: "Run", write: "Write", command: str, redirect: str
) -> None:
    """As cron and some supervisors start a command."""
    write("a.ndjson", ADA)
    assert run(command, "a.ndjson", redirect=redirect).returncode == 0


def test_standard_input_that_is_closed_is_wrong_usage(run: "Run") -> None:
    assert run("validate", "-", redirect="<&-").returncode == 2


@pytest.mark.parametrize("command", READERS)
def test_an_output_that_is_full_is_told_and_does_not_end_in_0(
    start: "Start", write: "Write", command: str
) -> None:
    write("a.ndjson", ADA)
    with Path("/dev/full").open("wb") as full:
        process = start(command, "a.ndjson", stdout=full)
        _, errors = process.communicate(timeout=30)
    assert process.returncode > 1
    assert b"Traceback" not in errors
    assert errors


def test_a_full_disk_under_sqlite_says_where_temporary_files_may_go_instead() -> None:
    with closing(sqlite3.connect("")) as database:
        database.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as caught:
            database.execute("CREATE TABLE name (name TEXT)")
    told = foreseen(caught.value)
    assert told
    assert "is full" in told[0]
    assert "TMPDIR" in told[0]
    assert told[1] == EXIT_UNREACHABLE
