"""Several records on one line, and what to do about those that cannot be told apart: segment.md 1."""

import json
import shutil
import subprocess
import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wootric_map.model import Rejection, Skip
from wootric_map.read.json_lines import Joined, parse
from wootric_map.read.record import Identify, Page, Read, Track, read_line

ONE: dict[str, Any] = {"type": "identify", "userId": "u1", "traits": {"note": '}{"\\'}}
TWO: dict[str, Any] = {"type": "track", "userId": "u2", "event": "Signed Up, {at} last"}
THREE: dict[str, Any] = {"type": "page", "userId": "u3", "properties": {"list": [[], {}]}}
SCREEN: dict[str, Any] = {"type": "screen", "userId": "u4"}

needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


def written(*records: object) -> list[str]:
    return [json.dumps(each) for each in records]


def read(line: str | bytes) -> list[Read]:
    return list(read_line(line.encode() if isinstance(line, str) else line))


def rejected(line: str | bytes) -> Rejection:
    [(_, reading)] = read(line)
    assert isinstance(reading, Rejection), reading
    return reading


def alone(*lines: str) -> list[Read]:
    """Return the records of lines that hold one each."""
    return [each for line in lines for each in read(line)]


@pytest.mark.parametrize("between", ["", " ", "\t", "\r\n", ",", ", ", " ,", " , ", ",,", "\ufeff"])
def test_records_with_nothing_but_blanks_or_commas_between_them_are_read_one_by_one(
    between: str,
) -> None:
    lines = written(ONE, TWO, THREE, SCREEN)
    for before, behind in product(["", " ", ",", "\ufeff"], ["", " ", ",", " ,\r"]):
        assert read(before + between.join(lines) + behind) == alone(*lines)


def test_a_comma_behind_a_record_or_before_it_is_passed_over() -> None:
    (line,) = written(ONE)
    for odd in (f"{line},", f"{line} , ", f",{line}", f", {line},"):
        assert read(odd) == alone(line)


def test_each_is_judged_as_a_line_of_its_own() -> None:
    envelope = {"batch": [ONE, TWO], "context": {"ip": "192.0.2.1"}}
    failed = {
        "record": json.dumps(THREE),
        "code": "invalid_json",
        "key": "k",
        "source": "a",
        "line": 1,
    }
    broken = {"type": "track", "userId": "u1"}
    lines = written(envelope, failed, broken, SCREEN, [ONE], ONE)
    found = read(" ".join(lines))
    assert found == alone(*lines)
    kinds = [
        each.code if isinstance(each, Skip | Rejection) else each.type
        for each in (each.reading for each in found)
    ]
    assert kinds == [
        "identify", "track", "page", "missing_event", "unsupported_type", "not_an_object", "identify",
    ]  # fmt: skip


def test_a_rejects_file_may_keep_a_line_of_several() -> None:
    lines = written(ONE, TWO)
    entry = {"record": "".join(lines), "code": "invalid_json", "key": "k"}
    assert read(json.dumps(entry)) == alone(*lines)


def test_half_a_surrogate_pair_and_long_ids_in_one_of_several_do_no_harm() -> None:
    odd = '{"type":"page","userId":"a\\ud83d"}'
    long = '{"type":"page","userId":123456789012345678901234567890}'
    found = read(odd + long + odd)
    assert [each.raw for each in found] == [odd.encode(), long.encode(), odd.encode()]
    users = [each.reading.user_id for each in found if isinstance(each.reading, Page)]
    assert users == ["a\ufffd", "123456789012345678901234567890", "a\ufffd"]


RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["identify", "page", "screen", "x"]),
            "userId": st.text(min_size=1),
        },
        optional={
            "traits": st.recursive(
                st.text(alphabet='{}[]",\\ a\u00e9') | st.integers() | st.none(),
                lambda inner: st.dictionaries(st.text(alphabet='{}"\\a'), inner, max_size=2),
                max_leaves=4,
            )
        },
    ),
    min_size=1,
    max_size=4,
)


@given(
    RECORDS,
    st.lists(st.sampled_from(["", " ", ",", ", ", "\t", "\ufeff,"]), min_size=5, max_size=5),
)
@example([{"type": "page", "userId": '"}{'}], ["", "", "", "", ""])
def test_what_is_joined_is_told_apart_again(records: list[dict[str, Any]], gaps: list[str]) -> None:
    lines = written(*records)
    joined = gaps[0] + "".join(line + gap for line, gap in zip(lines, gaps[1:], strict=False))
    found = read(joined)
    # One record with blanks around it is a line as any other.
    assert [Read(raw.strip(), reading) for raw, reading in found] == alone(*lines)
    for each in found:
        assert read(each.raw) == [each]


# What cannot be told apart


@pytest.mark.parametrize(
    "rest",
    [
        "x",
        "}",
        ':{"a":1}',
        '"',
        "]",
        "[",
        '{"a":1}}',
        "\x00",
        "1",
    ],
)
def test_a_line_of_which_any_rest_cannot_be_told_apart_is_rejected_whole(rest: str) -> None:
    for lines in (written(ONE), written(ONE, TWO)):
        line = "".join(lines) + rest
        assert [each.raw for each in read(line)] == [line.encode()]
        rejection = rejected(line)
        assert rejection.code == "invalid_json"
        assert "jq" in rejection.message
        assert rejection.message.count(" FILE > users.ndjson") == 1


@pytest.mark.parametrize("rest", ["{", '{"type":"page"', '{"a":NaN}', '{"type":identify}'])
@pytest.mark.parametrize("more", [True, False])
def test_a_broken_record_costs_none_of_those_before_it(rest: str, more: bool) -> None:
    lines = written(ONE, TWO)
    found = read("".join(lines) + rest + (lines[0] if more else ""))
    assert found[:2] == alone(*lines)
    broken = found[2].reading
    assert isinstance(broken, Rejection)
    assert broken.code == "invalid_json"
    is_cut = not rest.endswith("}")
    assert ("jq -c ." in broken.message) == is_cut
    # What stands behind a record that is cut off is no longer told apart from it.
    assert found[3:] == (alone(lines[0]) if more and not is_cut else [])


@pytest.mark.parametrize("line", ["garbage {}", "{} garbage", "}{", "{]", "{}" + "\xff"])
def test_what_is_no_line_of_records_stays_invalid_json(line: str) -> None:
    assert rejected(line.encode("latin-1")).code == "invalid_json"


def test_the_message_says_where_the_first_that_cannot_be_told_apart_begins() -> None:
    (line,) = written({"type": "page", "userId": "\u00e9"})
    assert f"character {len(line) + 1}" in rejected(line + "[").message


def converted(message: str, content: bytes, folder: Path) -> bytes:
    """Return what the command in a message makes of a file."""
    (folder / "FILE").write_bytes(content)
    command = message.split("convert it: ")[1].partition(", with jq")[0]
    assert command.endswith(" FILE > users.ndjson")
    subprocess.run(["/bin/sh", "-c", command], cwd=folder, check=True)
    return (folder / "users.ndjson").read_bytes()


@needs_jq
@pytest.mark.parametrize(
    "separator", ["\\n", "\\r\\n", ";", " | ", "\\", "\\\\", "|\t|", '"', "$(date)", "`"]
)
@pytest.mark.parametrize("last", [True, False])
def test_records_with_some_other_text_between_them_are_rejected_with_what_mends_the_file(
    separator: str, last: bool, tmp_path: Path
) -> None:
    lines = written(ONE, TWO, THREE)
    line = separator.join(lines) + (separator if last else "")
    rejection = rejected(line)
    assert rejection.code == "invalid_json"
    if separator in ('"', "|\t|"):  # not told apart, and nothing to paste
        return
    mended = converted(rejection.message, line.encode() + b"\n", tmp_path)
    assert [each for row in mended.splitlines() for each in read(row)] == alone(*lines)


@needs_jq
def test_a_record_that_runs_on_in_the_next_line_is_mended_by_the_command(tmp_path: Path) -> None:
    first, second = written(ONE, TWO)
    begun, comma, rest = second.partition(",")
    cut = f"{first}{begun}"
    *_, (_, rejection) = read(cut)
    assert isinstance(rejection, Rejection)
    mended = converted(rejection.message, f"{cut}\n{comma}{rest}\n".encode(), tmp_path)
    found = [each.reading for row in mended.splitlines() for each in read(row)]
    assert found == [each.reading for each in alone(first, second)]


def test_a_text_that_a_shell_would_run_is_in_no_command() -> None:
    (line,) = written(ONE)
    message = rejected(f"{line}'; rm -rf ~; '{line}").message
    assert "rm -rf" not in message


def test_older_versions_of_jq_round_long_numbers_and_the_message_says_so() -> None:
    (line,) = written({"type": "page", "userId": 738529527931269425})
    assert "1.7" in rejected(line + "x").message
    assert "1.7" not in rejected("".join(written(ONE)) + "x").message


# Hostile lines


@pytest.mark.parametrize(
    "line",
    [
        b"{}" * 250_000,
        b"{}," * 165_000,
        b"{}" * 250_000 + b"x",
        b"{}\\n" * 125_000,
        b"{}" + b"," * 500_000,
        b"{}" + b" " * 500_000 + b"x",
        b"," * 500_000,
        b"{" * 500_000,
        b"}" * 500_000,
        b"[" * 250_000 + b"]" * 250_000,
        b'{"a":1}' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":"' + b'\\"' * 250_000,
        b'{}"' + b'"' * 500_000,
        b'{"a":"\\ud800"}' * 30_000,
        b'{"a":"\\ud800"}' * 30_000 + b"x",
    ],
    ids=range(15),
)
def test_a_long_line_is_told_apart_in_linear_time(line: bytes) -> None:
    before = time.process_time()
    data = parse(line)
    if isinstance(data, Joined):
        assert sum(map(len, data.values())) <= len(line)
    assert time.process_time() - before < 5


def test_many_on_a_line_are_read_one_by_one() -> None:
    assert sum(1 for _ in read_line(b"{}" * 20_000)) == 20_000
    [(_, rejection)] = read_line(b"{}" * 20_000 + b"x")
    assert isinstance(rejection, Rejection)


def test_a_record_is_nested_as_deeply_on_a_line_of_several_as_alone() -> None:
    deep = '{"type":"identify","userId":"u1","traits":' + '{"a":' * 900 + "1" + "}" * 901
    found = read(deep + deep)
    assert [type(each.reading) for each in found] == [Identify, Identify]
    *_, (_, deeper) = read(deep + '{"a":' * 1100 + "1" + "}" * 1100)
    assert isinstance(deeper, Rejection)
    assert deeper.code == "invalid_json"


def test_types_stay_told_apart() -> None:
    found = [type(each.reading) for each in read("".join(written(ONE, TWO, THREE)))]
    assert found == [Identify, Track, Page]
