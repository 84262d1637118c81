"""JSON that is not a Segment record: the rejection, and the command in it that converts the file.

A shell with jq runs each command, and the result is read.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.model import REJECTIONS, Rejection, Skip
from wootric_map.read.record import Identify, Page, Record, Track, read_line

RECORD = {
    "type": "identify",
    "userId": "u1",
    "messageId": "m1",
    "timestamp": "2022-01-01T00:00:00Z",
    "traits": {"email": "ada@example.com"},
}
TRACK = {"type": "track", "anonymousId": "a1", "event": "Signed Up"}
ROW: dict[str, Any] = {
    "id": "wh-1", "user_id": "w1", "anonymous_id": "an1", "received_at": "2022-01-01 00:00:00.000 UTC",
    "sent_at": None, "original_timestamp": "2022-01-01 00:00:00 UTC",
    "timestamp": "2022-01-01T00:00:00Z", "uuid_ts": "2022-01-01T01:00:00Z",
    "context_page_url": "https://wh.example/", "context_ip": "192.0.2.1",
}  # fmt: skip

needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


def rejected(value: object) -> Rejection:
    [(_, reading)] = read_line(json.dumps(value).encode())
    assert isinstance(reading, Rejection), reading
    return reading


def convert(rejection: Rejection, lines: list[object], folder: Path) -> list[Record]:
    """Convert a file by the command in its rejection, and return its records."""
    (folder / "FILE").write_text("".join(json.dumps(each) + "\n" for each in lines))
    command = rejection.message.partition("; convert it: ")[2].partition(", with jq")[0]
    assert command.startswith("jq -")
    assert command.endswith(" FILE > users.ndjson")
    subprocess.run(["/bin/sh", "-c", command], cwd=folder, check=True)
    found: list[Record] = []
    for line in (folder / "users.ndjson").read_bytes().splitlines():
        for _, reading in read_line(line):
            assert isinstance(reading, Identify | Track | Page), reading
            found.append(reading)
    return found


def converted(value: object, folder: Path, *, code: str, beside: object = None) -> Record:
    """Convert a file with a line and another one, and return the line's record."""
    rejection = rejected(value)
    assert rejection.code == code
    lines = [value] if beside is None else [value, beside]
    return convert(rejection, lines, folder)[0]


@needs_jq
@pytest.mark.parametrize(
    ("value", "code", "looks"),
    [
        (json.dumps(RECORD), "not_an_object", "text that holds a record"),
        (json.dumps(json.dumps(RECORD)), "not_an_object", "text that holds text"),
        (json.dumps({"json": RECORD}), "not_an_object", "text that holds a wrapper"),
        ({"json": json.dumps(RECORD)}, "missing_type", '"json"'),
        ({"_airbyte_ab_id": "5d", "_airbyte_data": RECORD}, "missing_type", '"_airbyte_data"'),
        ({"_airbyte_data": json.dumps(RECORD)}, "missing_type", '"_airbyte_data"'),
        ({"body": RECORD, "remote_address": "192.0.2.1"}, "missing_type", '"body"'),
        (
            {"RECORD_METADATA": {}, "RECORD_CONTENT": json.dumps(RECORD)},
            "missing_type",
            "RECORD_CONTENT",
        ),
        ({"schema": {"type": "struct"}, "payload": RECORD}, "missing_type", '"payload"'),
        ({"payload": {"before": None, "after": RECORD, "op": "c"}}, "missing_type", '"payload"'),
        ({"payload": {"after": json.dumps(RECORD)}}, "missing_type", '"payload"'),
        ({"before": None, "after": RECORD}, "missing_type", '"after"'),
        ({"type": "insert", "table": "t", "data": RECORD}, "unknown_type", '"data"'),
        ({"any_name": RECORD}, "missing_type", '"any_name"'),
        ({"records": [RECORD]}, "missing_type", '"records"'),
        ({"Records": [{"body": json.dumps(RECORD)}]}, "missing_type", '"Records"'),
        ({"body": json.dumps({"batch": [RECORD]})}, "missing_type", '"body"'),
        ({"log": json.dumps(RECORD) + "\n", "stream": "stdout"}, "missing_type", '"log"'),
        ({"event": {**RECORD, "userId": 7}}, "missing_type", '"event"'),
        (
            {"type": "RECORD", "stream": "identifies", "record": RECORD},
            "unknown_type",
            "Singer",
        ),
    ],
)
def test_a_wrapper_is_not_opened_but_told_with_what_opens_it(
    value: object, code: str, looks: str, tmp_path: Path
) -> None:
    assert looks in rejected(value).message
    record = converted(value, tmp_path, code=code)
    assert isinstance(record, Identify)
    assert record.user_id in {"u1", "7"}
    assert record.traits == {"email": "ada@example.com"}


@needs_jq
@pytest.mark.parametrize("wrapped", [{"json": json.dumps(RECORD)}, {"body": RECORD}])
def test_a_line_that_is_not_wrapped_stays_as_it_is(wrapped: object, tmp_path: Path) -> None:
    lines: list[object] = [wrapped, TRACK, wrapped]
    found = convert(rejected(wrapped), lines, tmp_path)
    assert [each.type for each in found] == ["identify", "track", "identify"]


@needs_jq
@pytest.mark.parametrize(
    "other",
    [
        json.dumps(RECORD),
        {"json": RECORD},
        {"TYPE": "identify", "USER_ID": "u1"},
        ROW,
        {key.upper(): each for key, each in ROW.items()},
        ROW | {"event": "signed_up", "event_text": "Signed Up"},
        ROW | {"name": "Home", "url": "https://wh.example/", "path": "/"},
    ],
)
def test_each_conversion_leaves_records_and_rows_of_other_tables_what_they_are(
    other: object, tmp_path: Path
) -> None:
    found = convert(rejected(other), [other, TRACK, other], tmp_path)
    assert [each.type for each in found][1] == "track"
    assert found[0] == found[2]
    if isinstance(other, dict) and "user_id" in other:
        rows: list[object] = [ROW, ROW | {"event": "signed_up"}, ROW | {"path": "/"}, TRACK]
        kinds = [each.type for each in convert(rejected(other), rows, tmp_path)]
        assert kinds == ["identify", "track", "page", "track"]


@needs_jq
@pytest.mark.parametrize(
    "element",
    [
        {"type": "identify", "user_id": "u1", "traits": {"email": "ada@example.com"}},
        {"json": RECORD},
        json.dumps(RECORD),
    ],
)
def test_elements_of_an_envelope_are_converted_where_they_stand(
    element: object, tmp_path: Path
) -> None:
    envelope = {"batch": [element, TRACK], "context": {"ip": "192.0.2.1"}}
    reading = next(iter(read_line(json.dumps(envelope).encode()))).reading
    assert isinstance(reading, Rejection)
    found = convert(reading, [envelope, TRACK], tmp_path)
    assert [each.type for each in found] == ["identify", "track", "track"]
    assert isinstance(found[0], Identify)
    assert (found[0].user_id, found[0].traits) == ("u1", {"email": "ada@example.com"})


@needs_jq
def test_an_envelope_with_text_for_its_batch_is_told_with_what_opens_that(tmp_path: Path) -> None:
    envelope = {"batch": json.dumps([RECORD, TRACK])}
    found = convert(rejected(envelope), [envelope, TRACK], tmp_path)
    assert [each.type for each in found] == ["identify", "track", "track"]


@needs_jq
def test_the_other_messages_of_singer_are_left_out(tmp_path: Path) -> None:
    message = {
        "type": "RECORD",
        "stream": "s",
        "record": {"user_id": "st-5", "email": "moe@st.example"},
    }
    lines: list[object] = [
        {"type": "SCHEMA", "stream": "s", "schema": {"properties": {"user_id": {}}}},
        message,
        {"type": "STATE", "value": {}},
    ]
    (record,) = convert(rejected(message), lines, tmp_path)
    assert isinstance(record, Identify)
    assert record.user_id == "st-5"
    assert record.traits == {"email": "moe@st.example"}


@needs_jq
@pytest.mark.parametrize(
    "names",
    [
        ("type", "user_id", "message_id", "timestamp", "traits"),
        ("type", "userid", "messageid", "timestamp", "traits"),
        ("type", "UserID", "MessageID", "timestamp", "traits"),
        ("TYPE", "USER_ID", "MESSAGE_ID", "TIMESTAMP", "TRAITS"),
        ("Type", "UserId", "MessageId", "Timestamp", "Traits"),
        ("type", "user-id", "message id", "timestamp", "traits"),
        ("action", "userId", "messageId", "timestamp", "traits"),
        ("action", "user_id", "message_id", "timestamp", "traits"),
        ("ACTION", "USER_ID", "MESSAGE_ID", "TIMESTAMP", "TRAITS"),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_other_names_are_told_with_what_renames_them(
    names: tuple[str, ...], as_text: bool, tmp_path: Path
) -> None:
    traits: object = json.dumps(RECORD["traits"]) if as_text else RECORD["traits"]
    value = dict(zip(names, [*list(RECORD.values())[:-1], traits], strict=True))
    code = "missing_identity" if names[0] == "type" else "missing_type"
    if names[1] == "user-id":  # no name to show, but one to rename
        value["TIMESTAMP"] = value.pop("timestamp")
    record = converted(value, tmp_path, code=code, beside=RECORD)
    assert isinstance(record, Identify)
    assert (record.user_id, record.message_id) == ("u1", "m1")
    assert (record.time, record.traits) == (1640995200000, {"email": "ada@example.com"})


@needs_jq
def test_a_name_that_stands_beside_an_empty_one_wins(tmp_path: Path) -> None:
    value = {"type": "page", "user_id": "u1", "userId": None, "anonymous_id": None}
    assert converted(value, tmp_path, code="missing_identity").user_id == "u1"


@needs_jq
@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_rows_of_a_warehouse_are_told_with_what_makes_records_of_them(
    upper: bool, wrapped: bool, tmp_path: Path
) -> None:
    traits: dict[str, Any] = {"email": "dag@wh.example", "created_at": "2020-01-01T00:00:00Z"}
    properties: dict[str, Any] = {"total": 3}
    rows: dict[str, dict[str, Any]] = {
        "identify": ROW | traits,
        "track": ROW | {"event": "order_completed", "event_text": "Order Completed"} | properties,
        "page": ROW | {"name": "Home", "url": "https://wh.example/", "path": "/"},
        "user": {"id": "w1", "received_at": "2022-01-01", "context_ip": "::1"} | traits,
    }
    found = {}
    for kind, row in rows.items():
        value: object = {key.upper() if upper else key: each for key, each in row.items()}
        found[kind] = converted(
            {"data": value} if wrapped else value, tmp_path, code="missing_type"
        )
    assert {each.user_id for each in found.values()} == {"w1"}
    assert {each.time for each in found.values()} == {1640995200000}
    assert {found[kind].message_id for kind in ("identify", "track", "page")} == {"wh-1"}
    for kind in ("identify", "user"):
        identify = found[kind]
        assert isinstance(identify, Identify)
        assert identify.traits == traits
    track, page = found["track"], found["page"]
    assert isinstance(track, Track)
    assert (track.event, track.properties) == ("Order Completed", properties)
    assert isinstance(page, Page)
    assert (page.properties["path"], page.properties["name"]) == ("/", "Home")


@needs_jq
def test_a_column_that_the_first_row_lacks_is_kept_all_the_same(tmp_path: Path) -> None:
    first = {"user_id": "w1", "received_at": "2022-01-01", "email": "a@b.co"}
    second = {"anonymous_id": "an1", "received_at": "2022-01-02", "email": "c@d.co"}
    found = convert(rejected(first), [first, second], tmp_path)
    assert [(each.user_id, each.anonymous_id) for each in found] == [("w1", None), (None, "an1")]


@pytest.mark.parametrize(
    "value",
    [
        {}, {"a": 1}, {"userId": "u1"}, {"userId": "u1", "traits": {}}, {"type": "identify"},
        {"type": "video", "userId": "u1"}, {"user": {"userId": "u1", "type": "admin"}},
        {"id": 7, "name": "x"}, {"data": {"id": 7}}, {"json": "text"}, {"json": "{"}, {"records": []},
        {"action": "save", "user_id": 1, "type": "x"}, "text", 7, None, {"traits": RECORD},
        {"context": {"user_id": "u1"}}, {"end": RECORD}, {"a b": RECORD},
        {"x'; rm -rf ~; '": RECORD}, {"`date`": [RECORD]}, {"$(date)": RECORD}, {"plan\n": RECORD},
        {"\u00e9": RECORD},
    ],
)  # fmt: skip
def test_of_what_looks_like_nothing_known_nothing_is_said(value: object) -> None:
    assert "convert it" not in rejected(value).message


def test_no_name_but_a_plain_one_is_shown_in_a_command() -> None:
    value = {"type": "identify", "user_id": "u1", "USER'ID": "u2", "User-Id; rm -rf ~": "u3"}
    message = rejected(value).message
    assert "convert it" in message
    assert "rm" not in message
    assert message.count("'") == 2


def test_a_line_with_long_numbers_wants_a_jq_that_keeps_them() -> None:
    assert "jq 1.7" in rejected({"user_id": 738529527931269425, "email": "a@b.co"}).message
    assert "jq 1.7" not in rejected({"user_id": 7, "email": "a@b.co"}).message


def test_a_list_still_says_what_it_looks_like() -> None:
    assert "jq -c '.[]'" in rejected([RECORD]).message


def test_plans_and_snapshots_are_told_as_what_they_are() -> None:
    assert "--plan" in rejected({"end_user": {"user_id": "x"}, "action": "identify"}).message


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({f"k{number}": RECORD for number in range(5000)}),
        json.dumps({f"k{number}": "{" * 100 for number in range(5000)}),
        json.dumps({"json": "[" * 400_000}),
        '{"data":' * 900 + "1" + "}" * 900,
        '{"json":' * 900 + json.dumps(json.dumps(RECORD)) + "}" * 900,
        "[" * 900 + "]" * 900,
    ],
    ids=range(6),
)
def test_a_hostile_line_is_looked_at_and_does_not_raise(line: str) -> None:
    for _, reading in read_line(line.encode()):
        assert isinstance(reading, Rejection)


_NAMES = st.sampled_from(["type", "TYPE", "user_id", "userId", "json", "data", "record", "action", "id",
                          "received_at", "event", "batch", "traits", "stream", "x"])  # fmt: skip
_VALUES = st.recursive(
    st.sampled_from(["identify", "RECORD", "u1", 7, None, "", True]),
    lambda inner: (
        st.dictionaries(_NAMES, inner, max_size=3)
        | st.lists(inner, max_size=2)
        | inner.map(json.dumps)
    ),
    max_leaves=8,
)


@given(_VALUES)
def test_whatever_it_looks_like_its_code_is_that_of_the_table(value: object) -> None:
    for raw, reading in read_line(json.dumps(value).encode()):
        assert isinstance(reading, Rejection | Skip | Identify | Track | Page)
        if isinstance(reading, Rejection):
            assert reading.code in REJECTIONS
            assert reading.message.count("convert it") <= 1
            assert raw


def cases(name: str) -> list[Any]:
    """The lines of a case, as they stand in the shared folder of cases."""
    lines: dict[str, list[Any]] = {
        "14": [
            {"id": "wh-1", "user_id": "w1", "anonymous_id": "an1",
             "received_at": "2022-01-01 00:00:00.000 UTC", "sent_at": None,
             "original_timestamp": "2022-01-01 00:00:00 UTC", "timestamp": "2022-01-01T00:00:00Z",
             "email": "dag@wh.example", "created_at": "2020-01-01T00:00:00Z",
             "context_page_url": "https://wh.example/", "uuid_ts": "2022-01-01T01:00:00Z"},
            {"type": "identify", "user_id": "w2", "message_id": "wh2",
             "timestamp": "2022-01-01T00:00:00Z", "traits": {"email": "eli@wh.example"}},
            {"TYPE": "identify", "USER_ID": "w3", "MESSAGE_ID": "wh3",
             "TIMESTAMP": "2022-01-01 00:00:00.000", "TRAITS": '{"email":"fay@wh.example"}'},
            {"type": "identify", "userid": "w4", "messageid": "wh4",
             "timestamp": "2022-01-01T00:00:00Z", "traits": {"email": "gil@wh.example"}},
            {"type": "identify", "UserID": "w5", "MessageID": "wh5",
             "timestamp": "2022-01-01T00:00:00Z", "traits": {"email": "hal@wh.example"}},
            {"action": "Identify", "userId": "w6", "messageId": "wh6",
             "timestamp": "2013-01-01T00:00:00Z", "traits": {"email": "ike@wh.example"}},
        ],
        "15": [
            '{"type":"identify","userId":"st-2","messageId":"st3","timestamp":"2022-01-01T00:00:00Z",'
            '"traits":{"email":"jan@st.example"}}',
            {"json": '{"type":"identify","userId":"st-3","messageId":"st4","timestamp":'
             '"2022-01-01T00:00:00Z","traits":{"email":"kay@st.example"}}'},
            {"_airbyte_ab_id": "5d", "_airbyte_emitted_at": 1640995200000, "_airbyte_data": {
                "type": "identify", "userId": "st-4", "messageId": "st5",
                "timestamp": "2022-01-01T00:00:00Z", "traits": {"email": "lou@st.example"}}},
            {"type": "RECORD", "stream": "identifies", "record": {
                "user_id": "st-5", "email": "moe@st.example"}, "time_extracted": "2022-01-01T00:00:00Z"},
            {"body": {"type": "identify", "userId": "st-6", "messageId": "st7",
                      "timestamp": "2022-01-01T00:00:00Z", "traits": {"email": "ned@st.example"}},
             "remote_address": "192.0.2.1"},
        ],
    }  # fmt: skip
    return lines[name]


@needs_jq
@pytest.mark.parametrize(
    ("case", "codes", "users", "emails"),
    [
        (
            "14",
            ["missing_type", "missing_identity", "missing_type", "missing_identity",
             "missing_identity", "missing_type"],
            ["w1", "w2", "w3", "w4", "w5", "w6"],
            ["dag", "eli", "fay", "gil", "hal", "ike"],
        ),
        (
            "15",
            ["not_an_object", "missing_type", "missing_type", "unknown_type", "missing_type"],
            ["st-2", "st-3", "st-4", "st-5", "st-6"],
            ["jan", "kay", "lou", "moe", "ned"],
        ),
    ],
)  # fmt: skip
def test_each_line_of_a_warehouse_or_a_loader_is_rejected_with_its_conversion(
    case: str, codes: list[str], users: list[str], emails: list[str], tmp_path: Path
) -> None:
    for line, code, user, email in zip(cases(case), codes, users, emails, strict=True):
        record = converted(line, tmp_path, code=code)
        assert isinstance(record, Identify)
        assert record.user_id == user
        assert str(record.traits["email"]).partition("@")[0] == email
