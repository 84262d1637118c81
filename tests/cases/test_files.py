"""Files in the shape of public fault reports, as the installed command reads them (segment.md 1)."""

import base64
import bz2
import gzip
import io
import json
import lzma
import re
import shutil
import sqlite3
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from wootric_map import ReadingOptions, discover
from wootric_map.report import Report
from wootric_map.validate import Checker

if TYPE_CHECKING:
    from tests.conftest import Run

BOM = b"\xef\xbb\xbf"
COMMANDS = ("validate", "map", "dry-run")


def member_line(number: int) -> bytes:
    return json.dumps(
        {
            "type": "identify",
            "userId": f"gm-{number}",
            "messageId": f"gm{number}",
            "timestamp": f"2022-01-01T00:00:0{number}Z",
            "traits": {"email": f"u{number}@gm.example"},
        }
    ).encode()


LINES = [member_line(number) + b"\n" for number in range(4)]
EXPORT = b"".join(LINES)
MEMBERS = [gzip.compress(line) for line in LINES]


def records_mapped(run: "Run", *paths: str | Path, stdin: bytes = b"") -> list[dict[str, Any]]:
    done = run("map", *paths, stdin=stdin)
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def emails(records: list[dict[str, Any]]) -> list[str]:
    return [record["settings"]["email"] for record in records if "settings" in record]


# 03, 03c, 03d, 03f, 04: gzip


GZIPPED = {
    "03": b"\n".join(MEMBERS) + b"\n",
    "03, as Windows writes it": b"\r\n".join(MEMBERS) + b"\r\n \t\n",
    "03c": gzip.compress(EXPORT) + bytes(512),
    "03c, between": (bytes(512)).join(MEMBERS),
    "03f": gzip.compress(EXPORT) + gzip.compress(b""),
    "03f, between": gzip.compress(b"").join(MEMBERS),
    "04": gzip.compress(gzip.compress(EXPORT)),
    "04, once more": gzip.compress(gzip.compress(gzip.compress(EXPORT))),
}


@pytest.mark.parametrize("content", GZIPPED.values(), ids=GZIPPED)
@pytest.mark.parametrize("is_piped", [False, True])
def test_every_record_is_read_whatever_stands_between_members(
    run: "Run", tmp_path: Path, content: bytes, *, is_piped: bool
) -> None:
    (tmp_path / "export.gz").write_bytes(content)
    path, stdin = ("-", content) if is_piped else ("export.gz", b"")
    for command in COMMANDS:
        done = run(command, path, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
    assert emails(records_mapped(run, path, stdin=stdin)) == [
        f"u{number}@gm.example" for number in range(4)
    ]


@pytest.mark.parametrize("is_piped", [False, True])
def test_03d_rubbish_behind_the_gzip_is_passed_over_with_a_warning(
    run: "Run", tmp_path: Path, *, is_piped: bool
) -> None:
    packed = gzip.compress(EXPORT)
    content = packed + b"garbage-after-end"
    (tmp_path / "export.gz").write_bytes(content)
    path, stdin = ("-", content) if is_piped else ("export.gz", b"")
    *mapped, warned = records_mapped(run, path, stdin=stdin)
    assert len(emails(mapped)) == 4
    assert (warned["source"], warned["line"], warned["warning"]["code"]) == (
        path,
        5,
        "trailing_data",
    )
    told = f"17 bytes from byte {len(packed) + 1:,} of the compressed data on are no gzip"
    assert told in warned["warning"]["message"]

    done = run("dry-run", path, stdin=stdin)
    assert done.returncode == 0
    assert "trailing_data" in done.stdout
    assert told in done.stdout
    done = run("dry-run", "--format", "json", path, stdin=stdin)
    summary = orjson.loads(done.stdout.splitlines()[-1])["summary"]
    assert (summary["records"], summary["warnings"]) == (4, {"trailing_data": 1})
    done = run("validate", "--format", "json", path, stdin=stdin)
    assert (done.returncode, orjson.loads(done.stdout)["records"]) == (0, 4)


def test_03d_a_push_warns_too(run: "Run", tmp_path: Path) -> None:
    (tmp_path / "export.gz").write_bytes(gzip.compress(EXPORT) + b"garbage-after-end")
    done = run("push", "--sandbox", "export.gz")
    assert done.returncode == 0, done.stderr
    assert "trailing_data" in done.stderr
    assert re.search(r"Records +4 +4 mapped", done.stdout)


def test_a_gzip_that_broke_off_is_still_rejected(run: "Run", tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(EXPORT) + MEMBERS[0][:-4])
    done = run("validate", "--format", "json", "cut.gz")
    assert done.returncode == 1
    assert list(orjson.loads(done.stdout)["rejected"]) == ["truncated_input"]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_line_of_a_finding_is_exact_in_a_large_file_with_rubbish_behind_it(
    run: "Run", tmp_path: Path, processes: str
) -> None:
    wrong = b'{"type":"nothing","userId":"1"}\n'
    line = b'\n{"type":"identify","userId":"1","traits":{"pad":"%b"}}\n' % (b"x" * 1000)
    content = line * 10_000 + wrong
    (tmp_path / "large.gz").write_bytes(gzip.compress(content, 1) + b"rubbish")
    done = run("validate", "--processes", processes, "--format", "json", "large.gz")
    rejected = orjson.loads(done.stdout)["rejected"]["unknown_type"]
    assert [place["line"] for place in rejected["places"]] == [20_001]


# 05d: marks within a file


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_05d_the_line_behind_a_mark_is_read(
    run: "Run", tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "joined.ndjson").write_bytes(pack(BOM + LINES[0] + BOM + LINES[1] + BOM))
    for command in COMMANDS:
        done = run(command, "joined.ndjson")
        assert done.returncode == 0, done.stdout + done.stderr
    assert emails(records_mapped(run, "joined.ndjson")) == ["u0@gm.example", "u1@gm.example"]


def test_marks_at_the_edges_of_the_parts_of_a_large_file_change_no_line(
    run: "Run", tmp_path: Path
) -> None:
    line = b'{"type":"identify","userId":"1","traits":{"pad":"%b"}}\n' % (b"x" * 1000)
    wrong = BOM + b'{"type":"nothing","userId":"1"}\n'
    (tmp_path / "large.ndjson").write_bytes((BOM + line + BOM + b"\n") * 10_000 + wrong)
    done = run("validate", "--processes", "2", "--format", "json", "large.ndjson")
    found = orjson.loads(done.stdout)
    assert found["records"] == 10_001
    assert [place["line"] for place in found["rejected"]["unknown_type"]["places"]] == [20_001]


# 20: folders


FOLDER_READ = [
    "a.ndjson", "events-000000000000", "export.JSON", "my-stream-1-2022-01-01-00-00-00-4f2a",
    "n.jsonlines", "part-00000-5f1e-c000.json", "r.njson", "s.jsonl.GZ",
]  # fmt: skip
FOLDER_PASSED_OVER = [
    "1709542923000.7c2f.gz.2", "data_0_0_0.log", "dump.txt", "k.json.bz2", "l.json.xz", "m.json.1",
    "old.gzip", "p.json.tmp", "q.ndjson (1)",
]  # fmt: skip
FOLDER_SILENT = ["_SUCCESS", "sub/.json", ".hidden/j.ndjson", "a.ndjson.crc", "._a.ndjson"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of 20-folder."""
    packed = ("GZ", "old.gzip", "gz.2", "4f2a")
    for name in (*FOLDER_READ, *FOLDER_PASSED_OVER, *FOLDER_SILENT):
        path = tmp_path / "20-folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        user = path.name[:3]
        line = b'{"type":"identify","userId":"%b","traits":{"email":"%b@fo.example"}}\n' % (
            (user.encode(),) * 2
        )
        path.write_bytes(gzip.compress(line) if name.endswith(packed) else line)
    (tmp_path / "20-folder" / "_SUCCESS").write_bytes(b"")
    (tmp_path / "20-folder" / "empty.ndjson").write_bytes(b"")
    (tmp_path / "20-folder" / "empty.gz").write_bytes(b"")
    (tmp_path / "20-folder" / "empty.jsonl.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "20-folder" / "__MACOSX").mkdir()
    (tmp_path / "20-folder" / "__MACOSX" / "._a.ndjson").write_bytes(b"\0\5\26\7\0\2\0\0Mac OS X")
    return tmp_path / "20-folder"


PASSED_OVER = [f"20-folder/{name}" for name in FOLDER_PASSED_OVER]
TOLD = f"Passed over 9 files: {', '.join(PASSED_OVER)}; to read one all the same, name it"


def test_20_validate_names_what_it_passed_over(run: "Run", folder: Path) -> None:
    done = run("validate", "20-folder")
    assert done.returncode == 0
    assert TOLD in done.stdout.splitlines()
    assert "8 records: 8 fit to be sent, none rejected." in done.stdout
    done = run("validate", "--format", "json", "20-folder")
    found = orjson.loads(done.stdout)
    assert found["passed_over"] == {"count": 9, "files": PASSED_OVER}
    assert (found["records"], found["rejected"]) == (8, {})


def test_20_a_dry_run_names_what_it_passed_over(run: "Run", folder: Path) -> None:
    done = run("dry-run", "20-folder")
    assert done.returncode == 0
    assert TOLD in done.stdout.splitlines()
    done = run("dry-run", "--format", "json", "20-folder")
    summary = orjson.loads(done.stdout.splitlines()[-1])["summary"]
    assert summary["passed_over"] == {"count": 9, "files": PASSED_OVER}
    assert summary["records"] == 8


def test_20_a_push_names_what_it_passed_over(run: "Run", folder: Path) -> None:
    done = run("push", "--sandbox", "20-folder")
    assert done.returncode == 0, done.stderr
    assert TOLD in done.stdout.splitlines()


def test_20_map_names_what_it_passed_over_beside_its_output(run: "Run", folder: Path) -> None:
    done = run("map", "20-folder")
    assert done.returncode == 0
    assert [orjson.loads(line)["source"] for line in done.stdout.splitlines()] == [
        f"20-folder/{name}" for name in FOLDER_READ
    ]
    assert TOLD in done.stderr.splitlines()


def test_a_file_that_is_named_is_read_and_not_passed_over(run: "Run", folder: Path) -> None:
    named = [f"20-folder/{name}" for name in ("dump.txt", "old.gzip", "q.ndjson (1)")]
    done = run("validate", "--format", "json", "20-folder", *named)
    found = orjson.loads(done.stdout)
    assert found["records"] == 11
    assert found["passed_over"]["count"] == 6
    assert not set(named) & set(found["passed_over"]["files"])


def test_of_many_files_that_are_passed_over_some_are_named(run: "Run", tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ndjson").write_bytes(LINES[0])
    for number in range(50):
        (tmp_path / "in" / f"{number:02}.txt").touch()
    done = run("validate", "in")
    named = ", ".join(f"in/{number:02}.txt" for number in range(20))
    assert f"Passed over 50 files: {named} … and 30 more; " in done.stdout
    done = run("validate", "--format", "json", "in")
    passed_over = orjson.loads(done.stdout)["passed_over"]
    assert (passed_over["count"], len(passed_over["files"])) == (50, 20)


def test_nothing_is_said_where_nothing_was_passed_over(run: "Run", tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(LINES[0])
    for command in COMMANDS:
        done = run(command, ".")
        assert "Passed over" not in done.stdout + done.stderr
    done = run("validate", "--format", "json", ".")
    assert orjson.loads(done.stdout)["passed_over"] == {"count": 0, "files": []}


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize("command", ["validate", "dry-run", "map"])
def test_names_of_files_are_no_threat_and_can_be_redacted(
    run: "Run", tmp_path: Path, command: str, style: str
) -> None:
    (tmp_path / "a.ndjson").write_bytes(LINES[0])
    (tmp_path / "ada@example.com \x1b[2J\u202e.txt").touch()
    options = [] if command == "map" else ["--format", style]
    done = run(command, *options, ".")
    assert "\x1b[2J" not in done.stdout + done.stderr
    assert "\u202e" not in done.stdout + done.stderr
    assert "ada@example.com" in done.stdout + done.stderr
    done = run(command, *options, "--redact", ".")
    assert "ada@example.com" not in done.stdout + done.stderr
    assert re.search(r"email:[0-9a-f]{12}", done.stdout + done.stderr)


def test_a_folder_with_nothing_to_read_names_what_was_looked_for(
    run: "Run", tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "b.log"):
        (tmp_path / "in" / name).touch()
    done = run("validate", "in")
    assert done.returncode == 2
    for ending in ("*.json", "*.ndjson", "*.jsonl", "*.jsonlines", "*.njson", "*.gz"):
        assert ending in done.stderr
    assert "in/a.txt of the 2 there" in done.stderr


# 02c: a line's end that is written out


def firehose(newline: bytes) -> bytes:
    """The shape of 02c: records on one line, with a literal line's end behind each."""
    return b"".join(
        b'{"type":"identify","userId":"fb-%d","messageId":"fb%d","timestamp":"2022-01-01T00:00:00Z",'
        b'"traits":{"email":"u%d@fb.example","pad":"%b","note":"a}\\n{b}\\n"}}'
        % (number, number, number, b"x" * 300)
        + newline
        for number in range(3)
    )


def conversion(message: str) -> str:
    """The command that a message names."""
    found = re.search(r"convert it[^:]*: (.* > users\.ndjson)", message)
    assert found, message
    return found[1]


def convert(message: str, name: str, folder: Path) -> bytes:
    """Run the command that a message names on a file; gives what is in `users.ndjson` then."""
    command = re.sub(r"\bFILE\b", name, conversion(message))
    for tool in ("jq", "sed", "iconv", "tar", "unzip", "zstdcat", "lz4", "sqlite3", "bzcat", "xzcat",
                 "duckdb", "fastavro", "snzip", "7z", "gzip"):  # fmt: skip
        if re.search(rf"\b{tool} ", command) and not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    done = subprocess.run(["/bin/sh", "-c", command], cwd=folder, capture_output=True, check=False)
    if b"No module named 'pyarrow'" in done.stderr:
        pytest.skip("pyarrow is not installed")
    assert done.returncode == 0, done.stderr
    return (folder / "users.ndjson").read_bytes()


def checked(path: Path) -> Report:
    (source,) = discover([str(path)])
    return Checker(ReadingOptions())(source).report


def told_of(path: Path) -> str:
    """What is told of a file that is rejected as a whole."""
    report = checked(path)
    ((place,),) = report.rejected.places.values()
    assert report.records == 1
    return place.message


@pytest.mark.parametrize("newline", [b"\\n", b"\\r\\n"])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_02c_is_rejected_with_the_command_that_mends_it(
    run: "Run", tmp_path: Path, newline: bytes, times: int
) -> None:
    content = firehose(newline) + b"\n" + firehose(newline)[: -len(newline)] + b"\n"
    for _ in range(times):
        content = gzip.compress(content)
    (tmp_path / "firehose").write_bytes(content)
    done = run("map", "firehose")
    assert done.returncode == 1
    rejections = [orjson.loads(line)["rejected"] for line in done.stdout.splitlines()]
    assert [each["code"] for each in rejections] == ["invalid_json"] * 2
    message = rejections[0]["message"]
    assert re.search(r"\b(sed|jq) ", message)
    assert message.count("gzip -dc") == times
    mended = convert(message, "firehose", tmp_path)
    expected = [json.loads(line) for line in firehose(b"\n").splitlines()] * 2
    assert [json.loads(line) for line in mended.splitlines()] == expected


@pytest.mark.parametrize("separator", [b"", b"\\n"])
def test_records_on_one_line_too_long_for_it_are_told_with_the_command_that_mends_it(
    run: "Run", tmp_path: Path, separator: bytes
) -> None:
    content = firehose(separator)
    (tmp_path / "long.gz").write_bytes(gzip.compress(content))
    done = run("validate", "--max-line-bytes", "600", "--format", "json", "long.gz")
    found = orjson.loads(done.stdout)["rejected"]["line_too_long"]
    mended = convert(found["places"][0]["message"], "long.gz", tmp_path)
    assert len(mended.splitlines()) == 3


# 14, 15: files of other formats


def tar(**files: bytes) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


def zipped(**files: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE records (type, userId)")
    connection.executemany("INSERT INTO records VALUES ('identify', ?)", [("1",), ("2",)])
    connection.commit()
    return connection.serialize()


def by_tool(*command: str) -> Callable[[], bytes]:
    def make() -> bytes:
        if not shutil.which(command[0]):
            pytest.skip(f"{command[0]} is not installed")
        return subprocess.run(command, input=USERS, capture_output=True, check=True).stdout

    return make


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b85decode(text))


USERS = b'{"type":"identify","userId":"1"}\n{"type":"identify","userId":"2"}\n'
PARQUET = unpacked(
    "c-n1{%?g4*5XUE577t!$X~BaR7Y`~a)X7W7AR>AL%Z&_5Teaw|dX?U&>4WglVLtft|IG}unynKA%rFa)QNxkD0ANwDflawA^"
    "r<a(w|-B)0E0ikka8C#pOPYz*#t(s+3xi*M+WHl)`+#YTKlkgQE!2FjW+Y*D+wlD87gqmkv<3c@gwPCBR0yOyR;P0f=qalO9"
    "hOep8Y%R4J^e{9eRNC1H^qGn6jxr;MKV~ce;(Xbsgo#R9Ek!O;c7UFP+BYIFTV8_PXssv7(1P0YW7)cm"
)
ORC = unpacked(
    "c-r$1a^_+aV&Py4VBk{bVrF1q5R&0wQWE3h$V^GiE6Gf&6oRuP6o85(A&P{6ig>t~OLYx}fP|3*PXL1(V+TwnjCNxD08{~#="
    "VIev6JU_w0Mm>Ts$iN)LK;Xj0r|{8nh{6~fcZ>NK9dB<WefrgAosyYDQ0)y5H1TYh?DWV6^kP|m<2X7N^t=x4+$9se+?!jDG"
    "nYXCPpSHmXgYXR4KO7;?yF~6a@wi1_K5q4i0v7mI0F$*lH`hR$F1Q+F^p92V)Yeksc6ov@-&OqoILCiHU(n!^(iI=?gQne~_"
    "~T00|sHrv"
)
AVRO = unpacked(
    "c-r$%%3@>@Nh~YM*GtY%NloU+E6vFf1M`cMGg5OCUoloIl~fj_Dp@Hg6{RNU7o{laC@AG6=0Ze3oV3i;oRnf9H@X@w0oJ0U0M"
    "}YvQk0pOu2id|fKXFfoLc0Wf=yLyErWrfk+F%XnYo2!Vp4KSY8s1)KxRs6UP)$JC0nVkAu`7ZT`d3rYC*0"
)
"""Two identifies, with `type` and `userId`."""

FOREIGN: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "tar": ("tar archive", lambda: tar(a=USERS)),
    "tar with a Mac's files": ("tar archive", lambda: tar(**{"in/._a": b"\0\5\26\7", "in/a": USERS})),
    "tar of gzip files": ("tar archive", lambda: tar(**{"in/a.gz": gzip.compress(USERS)})),
    "zip": ("zip archive", lambda: zipped(a=USERS)),
    "zip of a Mac": ("zip archive", lambda: zipped(**{"a": USERS, "__MACOSX/._a": b"\0\5\26\7"})),
    "bzip2": ("bzip2", lambda: bz2.compress(USERS)),
    "xz": ("xz data", lambda: lzma.compress(USERS)),
    "zstd": ("zstd", by_tool("zstd", "-c")),
    "lz4": ("lz4", by_tool("lz4", "-c")),
    "UTF-16": ("UTF-16", lambda: USERS.decode().encode("utf-16")),
    "UTF-16 of one order": ("UTF-16", lambda: USERS.decode().encode("utf-16-le")),
    "UTF-16 of the other order": ("UTF-16", lambda: USERS.decode().encode("utf-16-be")),
    "UTF-32": ("UTF-32", lambda: USERS.decode().encode("utf-32")),
    "SQLite": ("SQLite", database),
    "Parquet": ("Parquet", lambda: PARQUET),
    "ORC": ("ORC", lambda: ORC),
    "Avro": ("Avro", lambda: AVRO),
    "an array": ("JSON array", lambda: b"[" + USERS[:-1].replace(b"\n", b",") + b"]"),
    "an array of lines": ("JSON array", lambda: b"[\n" + USERS[:-1].replace(b"\n", b",\n") + b"\n]\n"),
    "pretty-printed": (
        "pretty-printed",
        lambda: "\n".join(json.dumps(json.loads(line), indent=2) for line in USERS.splitlines()).encode(),
    ),
    "CSV": ("CSV", lambda: b"userId,email\n1,a@b.co\n2,c@b.co\n"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "make"), FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_file_of_another_format_is_told_with_a_command_that_converts_it(
    tmp_path: Path, name: str, make: Callable[[], bytes], times: int
) -> None:
    content = make()
    for _ in range(times):
        content = gzip.compress(content)
    (tmp_path / "export").write_bytes(content)
    message = told_of(tmp_path / "export")
    assert name in message
    assert message.count("gzip -dc") == times
    convert(message, "export", tmp_path)
    report = checked(tmp_path / "users.ndjson")
    assert (report.records, report.rejected.counts) == (2, {})


@pytest.mark.parametrize("times", [4, 6])
def test_gzip_deeper_than_is_read_is_told_with_a_command_that_unpacks_it(
    tmp_path: Path, times: int
) -> None:
    content = USERS
    for _ in range(times):
        content = gzip.compress(content)
    (tmp_path / "export").write_bytes(content)
    convert(told_of(tmp_path / "export"), "export", tmp_path)
    assert checked(tmp_path / "users.ndjson").rejected.counts == {}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"7z\xbc\xaf\x27\x1c\0\4", "7z x -so FILE"),
        (b"\xff\x06\0\0sNaPpY\0", "snzip"),
        (b"\x1f\x9d\x90", "gzip -dc FILE"),
    ],
)
def test_other_formats_are_told_too(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / "export").write_bytes(content)
    assert name in told_of(tmp_path / "export")


@pytest.mark.parametrize("kind", ["tar", "Parquet", "an array", "CSV"])
@pytest.mark.parametrize("command", [*COMMANDS, "push"])
def test_each_command_tells_what_a_gzipped_file_is(
    run: "Run", tmp_path: Path, kind: str, command: str
) -> None:
    (tmp_path / "export.gz").write_bytes(gzip.compress(FOREIGN[kind][1]()))
    message = told_of(tmp_path / "export.gz")
    options = ["--sandbox"] if command == "push" else []
    for path, stdin in (("export.gz", b""), ("-", (tmp_path / "export.gz").read_bytes())):
        done = run(command, *options, path, stdin=stdin)
        assert done.returncode == 1
        shown = orjson.dumps(message).decode() if command == "map" else message
        assert shown in done.stdout + done.stderr


@pytest.mark.parametrize("start", [b"ORC_ID,email", b"PAR1,email", b"7z,email", b"Obj,email"])
def test_text_that_begins_as_a_format_does_is_text(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "export").write_bytes(start + b"\n1,a@b.co\n2,c@b.co\n")
    assert "CSV" in told_of(tmp_path / "export")
