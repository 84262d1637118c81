"""The records in a line, each valid, skipped or rejected: segment.md, sections 1 to 3."""

import base64
import io
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wootric_map.mapping.entries import ReadingOptions, read_records
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.settings import map_record, unidentified
from wootric_map.model import REJECTIONS, MappingWarning, Rejection, Skip
from wootric_map.read.files import Source
from wootric_map.read.json_lines import parse
from wootric_map.read.lines import Line
from wootric_map.read.ordinary_record import is_ordinary, ordinary
from wootric_map.read.record import Identify, Page, Read, Record, Track, TraitsFrom, read_line

NOON = 1533297600000  # 2018-08-03T12:00:00Z
NOON_TEXT = "2018-08-03T12:00:00Z"

IDENTIFY: Mapping[str, Any] = {"type": "identify", "userId": "u1"}
TRACK: Mapping[str, Any] = {"type": "track", "userId": "u1", "event": "Signed Up"}
PAGE: Mapping[str, Any] = {"type": "page", "userId": "u1"}


def read_all(line: bytes | str | object, **rules: Any) -> list[Read]:
    if not isinstance(line, bytes):
        line = (line if isinstance(line, str) else json.dumps(line)).encode()
    return list(read_line(line, **rules))


def read(line: object, **rules: Any) -> Record | Skip | Rejection:
    [only] = read_all(line, **rules)
    return only.reading


def taken(line: object, **rules: Any) -> Record:
    reading = read(line, **rules)
    assert isinstance(reading, Identify | Track | Page), reading
    return reading


def rejected(line: object) -> Rejection:
    reading = read(line)
    assert isinstance(reading, Rejection), reading
    return reading


def skipped(line: object) -> Skip:
    reading = read(line)
    assert isinstance(reading, Skip), reading
    return reading


# What a record holds


def test_an_identify_has_the_common_fields_and_traits() -> None:
    record = taken(
        {
            "type": "identify",
            "userId": "u1",
            "anonymousId": "a1",
            "messageId": "m1",
            "timestamp": NOON_TEXT,
            "context": {"ip": "192.0.2.1"},
            "traits": {"plan": "pro"},
        }
    )
    assert isinstance(record, Identify)
    assert (record.user_id, record.anonymous_id, record.message_id) == ("u1", "a1", "m1")
    assert record.time == NOON
    assert record.context == {"ip": "192.0.2.1"}
    assert record.traits == {"plan": "pro"}


def test_a_track_has_event_and_properties() -> None:
    record = taken({**TRACK, "event": " Signed  Up ", "properties": {"plan": "pro"}})
    assert isinstance(record, Track)
    assert record.event == " Signed  Up "
    assert record.properties == {"plan": "pro"}


def test_a_page_has_name_category_and_properties() -> None:
    record = taken({**PAGE, "name": "Home", "category": "Docs", "properties": {"title": "T"}})
    assert isinstance(record, Page)
    assert (record.name, record.category) == ("Home", "Docs")
    assert record.properties == {"title": "T"}


@pytest.mark.parametrize("record", [IDENTIFY, TRACK, PAGE])
def test_everything_but_type_identity_and_event_may_be_absent(record: Mapping[str, Any]) -> None:
    reading = taken(record)
    assert reading.type == record["type"]
    assert reading.time is None
    assert reading.anonymous_id is None
    assert reading.context == {}


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("identify", "identify"),
        ("Identify", "identify"),
        ("IDENTIFY", "identify"),
        ("Track", "track"),
        ("tRACK", "track"),
        ("PAGE", "page"),
    ],
)
def test_the_case_of_the_type_does_not_matter(spelled: str, meant: str) -> None:
    assert taken({"type": spelled, "userId": "u1", "event": "Signed Up"}).type == meant


# Lines that are no record


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b'{"type":"identify","userId":"u1"',
        b'{"type":"identify","userId":"u1",}',
        b"{'type':'identify','userId':'u1'}",
        b'{"type":"identify","userId":"u1"}x',
        b'{"type":"identify","userId":"u1","traits":{"n":NaN}}',
        b'{"type":"identify","userId":"u1","traits":{"n":Infinity}}',
        b'{"type":"identify","userId":"u1","traits":{"n":01}}',
        b'{"type":"identify","userId":"u1\t"}',
        b'{"type":"identify","userId":"\\x41"}',
        b'{"type":"identify","userId":"\\ud8"}',
    ],
)
def test_what_is_no_json_is_invalid_json(line: bytes) -> None:
    assert rejected(line).code == "invalid_json"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(b"\xff", id="no UTF-8 at all"),
        pytest.param("é".encode("latin-1"), id="latin-1"),
        pytest.param(b"\xc0\x80", id="overlong"),
        pytest.param(b"\xed\xa0\x80", id="surrogate"),
        pytest.param(b"\xf4\x90\x80\x80", id="beyond Unicode"),
    ],
)
def test_what_is_not_utf_8_is_invalid_json(wrong: bytes) -> None:
    assert rejected(b'{"type":"identify","userId":"u' + wrong + b'"}').code == "invalid_json"


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 200_000,
        b"[" * 200_000 + b"]" * 200_000,
        b'{"type":"identify","userId":"u1","traits":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"batch":' * 100_000 + b"[]" + b"}" * 100_000,
    ],
    ids=["open", "closed", "traits", "batches"],
)
def test_what_is_nested_past_the_limit_of_the_parser_is_invalid_json(line: bytes) -> None:
    assert rejected(line).code == "invalid_json"


def test_what_is_nested_deeply_but_within_the_limit_is_taken() -> None:
    traits = b'{"a":' * 500 + b"1" + b"}" * 500
    taken(b'{"type":"identify","userId":"u1","traits":' + traits + b"}")


@pytest.mark.parametrize("line", ["[]", "1", "1.5", "null", "true", '"identify"', "[{}]"])
def test_json_that_is_no_object_is_not_an_object(line: str) -> None:
    assert rejected(line).code == "not_an_object"


# Rejections of a record


def without(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


@pytest.mark.parametrize("wrong", [{}, {"type": ""}, {"type": None}, {"type": 1}, {"type": ["a"]}])
def test_a_type_that_is_absent_empty_or_no_string_is_missing_type(wrong: dict[str, Any]) -> None:
    rejection = rejected({"userId": "u1", **wrong})
    assert (rejection.code, rejection.field) == ("missing_type", "type")


@pytest.mark.parametrize(
    "word", ["identity", "tracking", "video", "_identify", "identify2", "trac\u212a"]
)
def test_a_word_that_is_no_segment_call_is_unknown_type(word: str) -> None:
    rejection = rejected({"type": word, "userId": "u1"})
    assert (rejection.code, rejection.field) == ("unknown_type", "type")


@pytest.mark.parametrize(
    "identity",
    [
        {},
        {"userId": ""},
        {"anonymousId": ""},
        {"userId": "", "anonymousId": ""},
        {"userId": None, "anonymousId": None},
    ],
)
@pytest.mark.parametrize("record", [IDENTIFY, TRACK, PAGE])
def test_neither_user_id_nor_anonymous_id_is_missing_identity(
    record: Mapping[str, Any], identity: dict[str, Any]
) -> None:
    assert rejected({**without(record, "userId"), **identity}).code == "missing_identity"


def test_an_anonymous_id_alone_is_identity_enough() -> None:
    record = taken({"type": "identify", "userId": "", "anonymousId": "a1"})
    assert (record.user_id, record.anonymous_id) == (None, "a1")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("42", "42"),
        ("12345.0", "12345"),
        ("1e3", "1000"),
        ("1.50", "1.5"),
        ("7.3852952793126938e17", "738529527931269380"),
        ("9007199254740993.0", "9007199254740993"),
        ("-7", "-7"),
        ("12.5", "12.5"),
        ("0.1", "0.1"),
        ("9007199254740993", "9007199254740993"),
        ("9223372036854775808", "9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
    ],
)
@pytest.mark.parametrize("field", ["userId", "anonymousId"])
def test_a_number_as_an_id_is_its_decimal_text(field: str, number: str, text: str) -> None:
    record = taken(f'{{"type":"identify","{field}":{number}}}')
    assert (record.user_id if field == "userId" else record.anonymous_id) == text


@pytest.mark.parametrize("number", ["1e3", "1E3", "1e21", "1e-7", "2.5e-3"])
def test_the_decimal_text_of_a_number_has_no_exponent(number: str) -> None:
    text = taken(f'{{"type":"identify","userId":{number}}}').user_id
    assert text is not None
    assert "e" not in text.lower()
    assert float(text) == float(number)


def test_message_ids_that_differ_are_never_read_as_one() -> None:
    ids = ["m1", "M1", "12345678901234567890", "123456789012345678901", "123456789012345678902"]
    numbers = [number for number in ids if number.isdigit()]
    for written in (numbers, [f'"{text}"' for text in ids]):
        read_ids = [taken(f'{{"type":"page","userId":"u1","messageId":{each}}}').message_id
                    for each in written]  # fmt: skip
        assert len(set(read_ids)) == len(written)


def test_a_boolean_is_no_number_and_so_no_id() -> None:
    record = taken({"type": "identify", "userId": True, "anonymousId": "a1"})
    assert record.user_id not in {"True", "true", "1"}


@pytest.mark.parametrize("wrong", [{}, {"event": ""}, {"event": None}, {"event": 1}, {"event": {}}])
def test_an_event_that_is_absent_empty_or_no_string_is_missing_event(wrong: dict[str, Any]) -> None:
    rejection = rejected({**without(TRACK, "event"), **wrong})
    assert (rejection.code, rejection.field) == ("missing_event", "event")


@pytest.mark.parametrize("record", [IDENTIFY, TRACK, PAGE, {**PAGE, "type": "alias"}])
@pytest.mark.parametrize("field", ["traits", "properties", "context", "integrations"])
@pytest.mark.parametrize("value", ["", "text", "[]", "1", "null", '{"a":', 0, 1, True, False, [{}]])
def test_what_should_be_an_object_and_is_none_is_invalid_in_any_record(
    record: Mapping[str, Any], field: str, value: object
) -> None:
    rejection = rejected({**record, field: value})
    assert (rejection.code, rejection.field) == (f"invalid_{field}", field)


@pytest.mark.parametrize("record", [IDENTIFY, TRACK, PAGE])
@pytest.mark.parametrize("field", ["traits", "properties", "context", "integrations"])
def test_null_stands_for_an_object_that_is_absent(record: Mapping[str, Any], field: str) -> None:
    assert taken({**record, field: None}) == taken(record)


# The time


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"timestamp": NOON_TEXT}, NOON),
        ({"originalTimestamp": NOON_TEXT}, NOON),
        ({"receivedAt": NOON_TEXT}, NOON),
        ({"sentAt": NOON_TEXT}, NOON),
        (
            {
                "sentAt": "2018-08-03T12:00:04Z",
                "receivedAt": "2018-08-03T12:00:03Z",
                "originalTimestamp": "2018-08-03T12:00:02Z",
                "timestamp": "2018-08-03T12:00:01Z",
            },
            NOON + 1000,
        ),
        (
            {
                "sentAt": "2018-08-03T12:00:04Z",
                "receivedAt": "2018-08-03T12:00:03Z",
                "originalTimestamp": "2018-08-03T12:00:02Z",
            },
            NOON + 2000,
        ),
        (
            {"sentAt": "2018-08-03T12:00:04Z", "receivedAt": "2018-08-03T12:00:03Z"},
            NOON + 3000,
        ),
        ({"timestamp": "2018-08-03T12:00:00.493Z"}, NOON + 493),
        ({"timestamp": "2018-08-03T14:00:00+02:00"}, NOON),
    ],
)
def test_the_time_is_the_first_of_four_fields(times: dict[str, str], expected: int) -> None:
    assert taken({**TRACK, **times}).time == expected


@pytest.mark.parametrize("field", ["timestamp", "originalTimestamp", "receivedAt", "sentAt"])
@pytest.mark.parametrize("value", ["garbage", True, {}, [], "2018-02-30", f"{NOON_TEXT}\n"])
def test_a_chosen_time_that_is_no_date_is_invalid_timestamp(field: str, value: object) -> None:
    rejection = rejected({**TRACK, field: value})
    assert (rejection.code, rejection.field) == ("invalid_timestamp", field)


def test_a_wrong_timestamp_is_not_mended_by_a_good_time_beside_it() -> None:
    rejection = rejected({**TRACK, "timestamp": "garbage", "originalTimestamp": NOON_TEXT})
    assert (rejection.code, rejection.field) == ("invalid_timestamp", "timestamp")


def test_a_time_that_was_not_chosen_is_not_judged() -> None:
    assert taken({**TRACK, "timestamp": NOON_TEXT, "sentAt": "garbage"}).time == NOON


# A clock that was wrong: segment.md 5


def late(received: object, **other: object) -> Record:
    return taken({**TRACK, "timestamp": NOON_TEXT, "receivedAt": received, **other})


@pytest.mark.parametrize(
    "received",
    [
        "2018-08-02T12:00:00Z", "2018-08-02T12:00:00.001Z", NOON_TEXT, "2031-01-01T00:00:00Z",
        "2018-08-02T13:00:00+01:00", NOON - 86_400_000, None, "", "garbage", True, {}, ["x"],
    ],
)  # fmt: skip
def test_a_time_within_a_day_after_its_receipt_is_taken(received: object) -> None:
    record = late(received)
    assert (record.time, record.warnings) == (NOON, ())


@pytest.mark.parametrize(
    ("received", "time"),
    [
        ("2018-08-02T11:59:59.999Z", NOON - 86_400_001),
        ("2018-08-01", NOON - 216_000_000),
        ("2018-08-02T13:59:59+02:00", NOON - 86_401_000),
        (NOON - 86_400_001, NOON - 86_400_001),
    ],
)
def test_a_time_more_than_a_day_after_its_receipt_gives_way_to_that(
    received: object, time: int
) -> None:
    record = late(received, sentAt="2001-01-01")
    assert record.time == time
    ((code, field, message, _),) = record.warnings
    assert (code, field) == ("future_timestamp", "timestamp")
    assert "receivedAt" in message


def test_an_original_time_may_lie_in_the_future_too() -> None:
    record = taken({**TRACK, "originalTimestamp": NOON_TEXT, "receivedAt": "2018-01-01"})
    assert [warning.field for warning in record.warnings] == ["originalTimestamp"]


# Placeholders: segment.md 8, rule 1

PLACEHOLDERS = [
    "undefined",
    " NULL\t",
    "0",
    "[object Object]",
    "00000000-0000-0000-0000-000000000000",
]


@pytest.mark.parametrize("placeholder", [*sorted(PLACEHOLDERS), 0, -1, 0.0, -0.0])
@pytest.mark.parametrize("record", [IDENTIFY, TRACK, PAGE])
def test_a_placeholder_is_no_id_wherever_it_stands(
    record: Mapping[str, Any], placeholder: object
) -> None:
    for field, attribute in (
        ("userId", "user_id"), ("anonymousId", "anonymous_id"), ("messageId", "message_id"),
    ):  # fmt: skip
        reading = taken({**record, "userId": "u1", field: placeholder})
        assert getattr(reading, attribute) is None
        assert [(each.code, each.field) for each in reading.warnings] == [("placeholder_id", field)]
        (warning,) = reading.warnings
        assert (
            warning.subject
            == str(int(placeholder) if placeholder in (0, -1) else placeholder).strip().lower()
        )


def test_each_placeholder_of_a_record_has_its_warning() -> None:
    record = taken({**TRACK, "userId": "null", "anonymousId": "undefined", "messageId": "0"})
    assert [(each.field, each.subject) for each in record.warnings] == [
        ("userId", "null"), ("anonymousId", "undefined"), ("messageId", "0"),
    ]  # fmt: skip


@pytest.mark.parametrize("record", [IDENTIFY, TRACK, PAGE])
def test_a_placeholder_alone_is_identity_enough_to_be_read(record: Mapping[str, Any]) -> None:
    reading = taken({**record, "userId": "undefined"})
    assert (reading.user_id, reading.anonymous_id) == (None, None)
    skip = unidentified(map_record(reading))
    assert skip is not None
    assert skip.code == "unidentified"
    assert [each.code for each in map_record(reading).warnings] == ["placeholder_id"]


@pytest.mark.parametrize(
    ("previous", "user_id", "ties"),
    [("a", "b", ("a", "b")), ("undefined", "b", None), ("a", "null", None), (0, "b", None)],
)
def test_an_alias_ties_no_placeholder(
    previous: object, user_id: object, ties: tuple[str, str] | None
) -> None:
    skip = skipped({"type": "alias", "previousId": previous, "userId": user_id})
    assert skip.ties == ties
    assert [each.code for each in skip.warnings] == ([] if ties else ["placeholder_id"])


def test_a_boolean_a_list_and_an_object_are_no_placeholders_but_absent() -> None:
    for value in (True, False, ["a"], {"$oid": "5"}):
        assert rejected({**IDENTIFY, "userId": value}).code == "missing_identity"
        assert taken({**IDENTIFY, "anonymousId": value}).warnings == ()


# Objects in the form of text, and empty lists: segment.md 1


@pytest.mark.parametrize("record", [IDENTIFY, TRACK, PAGE, {"type": "group", "userId": "u1"}])
@pytest.mark.parametrize("field", ["traits", "properties", "context", "integrations"])
def test_text_that_is_an_object_is_read_as_that_object(
    record: Mapping[str, Any], field: str
) -> None:
    held = {"a": {"b": [1, "\u00e9", None]}, "n": 1.5}
    for text in (json.dumps(held), f" {json.dumps(held, indent=1)}\n"):
        assert read({**record, field: text}) == read({**record, field: held})
        batch = {"batch": [{**record, field: text}]}
        assert read(batch) == read({"batch": [{**record, field: held}]})
    assert read({**record, field: []}) == read({**record, field: {}}) == read(record)
    assert read({**record, field: "{}"}) == read(record)


def test_text_that_an_envelope_lends_is_read_as_the_object() -> None:
    context = {"ip": "192.0.2.1", "traits": {"email": "a@b.co"}}
    batch = {"batch": [TRACK, PAGE], "context": json.dumps(context)}
    assert [getattr(each.reading, "context", None) for each in read_all(batch)] == [context] * 2
    off = {"batch": [TRACK], "integrations": '{"All":false}'}
    assert skipped(off).code == "integration_disabled"


def test_traits_in_the_context_may_be_text() -> None:
    record = taken({**TRACK, "context": {"traits": '{"email":"a@b.co"}', "ip": "192.0.2.1"}})
    assert record.context == {"traits": {"email": "a@b.co"}, "ip": "192.0.2.1"}
    record = taken({**TRACK, "context": '{"traits":"{\\"email\\":\\"a@b.co\\"}"}'})
    assert record.context == {"traits": {"email": "a@b.co"}}


def test_half_a_surrogate_pair_in_text_that_is_an_object_does_no_harm() -> None:
    record = taken({**IDENTIFY, "traits": '{"name":"x\\ud83d"}'})
    assert isinstance(record, Identify)
    assert record.traits == {"name": "x\ufffd"}


def test_the_message_says_that_text_holds_no_object() -> None:
    assert "text that holds none" in rejected({**TRACK, "properties": "total=3"}).message


# RudderStack's traits: segment.md 1

ELSEWHERE = {"email": "a@b.co", "plan": "pro"}


@pytest.mark.parametrize("own", [{}, {"traits": None}, {"traits": {}}, {"traits": []}])
@pytest.mark.parametrize("context", [{"traits": ELSEWHERE}, {"traits": json.dumps(ELSEWHERE)}])
def test_an_identify_without_traits_takes_those_of_its_context(
    own: dict[str, Any], context: dict[str, Any]
) -> None:
    record = {**IDENTIFY, **own, "context": context}
    for how in ({}, {"traits_from": "auto"}, {"traits_from": "context"}):
        identify = taken(record, **how)
        assert isinstance(identify, Identify)
        assert (identify.traits, identify.parent) == (ELSEWHERE, "context.traits")
    identify = taken(record, traits_from="traits")
    assert isinstance(identify, Identify)
    assert (identify.traits, identify.parent) == ({}, "traits")


def test_traits_of_its_own_come_first_unless_told_otherwise() -> None:
    record = {**IDENTIFY, "traits": {"plan": "free"}, "context": {"traits": ELSEWHERE}}
    found = {}
    for how in ("auto", "traits", "context"):
        identify = taken(record, traits_from=how)
        assert isinstance(identify, Identify)
        found[how] = identify.traits, identify.parent
    assert found == {
        "auto": ({"plan": "free"}, "traits"),
        "traits": ({"plan": "free"}, "traits"),
        "context": (ELSEWHERE, "context.traits"),
    }


@pytest.mark.parametrize("known", [None, {}, [], 1, "x", [1]])
def test_where_the_context_has_no_traits_there_are_none(known: object) -> None:
    record = {**IDENTIFY, "context": {"traits": known}}
    for how in ("auto", "context"):
        identify = taken(record, traits_from=how)
        assert isinstance(identify, Identify)
        assert identify.traits == {}
    own = {**record, "traits": {"plan": "free"}}
    identify = taken(own, traits_from="context")
    assert isinstance(identify, Identify)
    assert identify.traits == {}


def test_origins_and_warnings_say_where_the_traits_stand() -> None:
    traits = {"email": "a@b.co", "createdAt": "never"}
    named = user_of(taken({**IDENTIFY, "context": {"traits": traits}}))
    assert named.origins["email"].source == "context.traits.email"
    assert named.email_from == "context.traits"
    assert [each.field for each in named.warnings] == ["context.traits.createdAt"]


# Integers past 64 bits

LONG = "184467440737095516150"


@pytest.mark.parametrize(
    "number", [LONG, f"-{LONG}", "18446744073709551616", "-9223372036854775809"]
)
def test_an_integer_past_64_bits_keeps_its_digits_in_traits_and_properties(number: str) -> None:
    held = (
        f'{{"n":{number},"l":[1,{number}],"o":{{"n":[{{"n":{number}}}]}},"s":"{number}","f":1.5}}'
    )
    long = int(number)
    meant = {"n": long, "l": [1, long], "o": {"n": [{"n": long}]}, "s": number, "f": 1.5}
    identify = f'{{"type":"identify","userId":"u1","traits":{held}}}'
    track = f'{{"type":"track","userId":"u1","event":"E","properties":{held},"context":{{"traits":{held}}}}}'
    as_text = json.dumps({**IDENTIFY, "traits": held})
    lines = [identify, track, as_text, identify + track, f'{{"batch":[{identify},{track}]}}']
    for line in (*lines, *(rejects_line(line.encode()).decode() for line in lines)):
        for raw, reading in read_all(line):
            assert isinstance(reading, Identify | Track)
            fields = reading.traits if isinstance(reading, Identify) else reading.properties
            assert fields == meant
            if isinstance(reading, Track):
                assert reading.context["traits"] == meant
            assert number.encode() in raw
    lent = f'{{"batch":[{json.dumps(TRACK)}],"context":{{"traits":{held}}}}}'
    assert taken(lent).context == {"traits": meant}


@pytest.mark.parametrize(
    "number", ["18446744073709551615", "-9223372036854775808", f"{LONG}.5", f"{LONG}e1"]
)
def test_other_numbers_are_what_the_parser_makes_of_them(number: str) -> None:
    record = taken(f'{{"type":"identify","userId":"u1","traits":{{"n":{number}}}}}')
    assert isinstance(record, Identify)
    assert record.traits == {"n": json.loads(number)}


def test_a_long_integer_elsewhere_changes_nothing() -> None:
    line = f'{{"type":"track","userId":"u1","event":{LONG}}}'
    assert rejected(line).code == "missing_event"
    assert rejected(f'{{"type":{LONG},"userId":"u1"}}').code == "missing_type"


def test_a_megabyte_of_long_numbers_is_read_at_once() -> None:
    for held in (
        "9" * 1_000_000 + ".5",
        f"[{LONG}{',1' * 400_000}]",
        "[" + "1.5," * 200_000 + "1]",
    ):
        line = f'{{"type":"identify","userId":1.5,"traits":{{"n":{held}}}}}'.encode()
        before = time.process_time()
        list(read_line(line))
        assert time.process_time() - before < 5


# Several faults: the first row of the table that fits

TRACK_FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("missing_type", {"type": None}),
    ("unknown_type", {"type": "video"}),
    ("missing_identity", {"userId": None}),
    ("missing_event", {"event": None}),
    ("invalid_traits", {"traits": 1}),
    ("invalid_properties", {"properties": 1}),
    ("invalid_context", {"context": 1}),
    ("invalid_integrations", {"integrations": 1}),
    ("invalid_timestamp", {"timestamp": "garbage"}),
]
IDENTIFY_FAULTS = [fault for fault in TRACK_FAULTS if fault[0] != "missing_event"]


@pytest.mark.parametrize(
    ("record", "faults"),
    [
        (record, faults[start:])
        for record, faults in ((TRACK, TRACK_FAULTS), (IDENTIFY, IDENTIFY_FAULTS))
        for start in range(len(faults))
        if faults[start][0] != "missing_type"
    ]
    + [(TRACK, [TRACK_FAULTS[0], *TRACK_FAULTS[2:]])],
    ids=lambda value: value[0][0] if isinstance(value, list) else value["type"],
)
def test_of_several_faults_the_first_in_the_table_is_named(
    record: Mapping[str, Any], faults: list[tuple[str, dict[str, Any]]]
) -> None:
    broken = dict(record)
    for _, fault in faults:
        broken |= fault
    assert rejected(broken).code == faults[0][0]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"userId": None}, "missing_identity"),
        ({"context": 1}, "invalid_context"),
        ({"integrations": ["Wootric"]}, "invalid_integrations"),
        ({"timestamp": "garbage"}, "invalid_timestamp"),
    ],
)
@pytest.mark.parametrize("record_type", ["screen", "group", "alias"])
def test_only_a_record_that_is_fine_is_skipped(
    record_type: str, fault: dict[str, Any], code: str
) -> None:
    assert rejected({"type": record_type, "userId": "u1", **fault}).code == code


def test_a_record_kept_from_wootric_is_rejected_when_it_is_wrong() -> None:
    broken = {**TRACK, "timestamp": "garbage", "integrations": {"All": False}}
    assert rejected(broken).code == "invalid_timestamp"


def test_every_rejection_says_what_to_mend() -> None:
    for code, fault in TRACK_FAULTS:
        rejection = rejected({**TRACK, **fault})
        assert rejection.code == code
        assert rejection.code in REJECTIONS
        assert rejection.message


# Skips


@pytest.mark.parametrize("record_type", ["screen", "group", "alias", "Screen", "GROUP", "aLiAs"])
def test_screen_group_and_alias_are_skipped_as_unsupported(record_type: str) -> None:
    skip = skipped({"type": record_type, "userId": "u1"})
    assert (skip.code, skip.type) == ("unsupported_type", record_type.lower())
    assert skip.message


def test_a_record_of_an_unsupported_type_is_that_even_where_wootric_is_off() -> None:
    record = {"type": "screen", "userId": "u1", "integrations": {"All": False}}
    assert skipped(record).code == "unsupported_type"


@pytest.mark.parametrize(
    "integrations",
    [
        {},
        {"All": True},
        {"all": True},
        {"Wootric": True},
        {"wootric": True},
        {"WOOTRIC": True},
        {"InMoment (Wootric)": True},
        {"Wootric": {}},
        {"Wootric": {"eventType": "create response"}},
        {"All": False, "Wootric": True},
        {"all": False, "Wootric": True},
        {"Wootric": True, "All": False},
        {"All": False, "wootric": True},
        {"All": False, "WOOTRIC": True},
        {"All": False, "InMoment (Wootric)": True},
        {"All": False, "Wootric": {"eventType": "create response"}},
        {"Mixpanel": False},
        {"Mixpanel": False, "Amplitude": False},
        {"All": True, "Mixpanel": False},
    ],
)
def test_a_record_is_for_wootric_unless_it_is_turned_off(integrations: dict[str, Any]) -> None:
    taken({**TRACK, "integrations": integrations})


@pytest.mark.parametrize(
    "integrations",
    [
        {"All": False},
        {"all": False},
        {"All": False, "Mixpanel": True},
        {"Wootric": False},
        {"wootric": False},
        {"WOOTRIC": False},
        {"InMoment (Wootric)": False},
        {"All": True, "Wootric": False},
        {"All": False, "Wootric": False},
        {"Wootric": True, "wootric": False},
        {"Wootric": False, "wootric": True},
        {"InMoment (Wootric)": False, "Wootric": {"eventType": "create response"}},
    ],
)
@pytest.mark.parametrize("record", [IDENTIFY, TRACK, PAGE])
def test_a_record_turned_off_for_wootric_is_skipped(
    record: Mapping[str, Any], integrations: dict[str, Any]
) -> None:
    skip = skipped({**record, "integrations": integrations})
    assert (skip.code, skip.type, skip.field) == (
        "integration_disabled",
        record["type"],
        "integrations",
    )


@pytest.mark.parametrize("integrations", [{"All": False}, {"Wootric": False}])
def test_integrations_can_be_ignored(integrations: dict[str, Any]) -> None:
    record = {**TRACK, "integrations": integrations}
    assert taken(record, ignore_integrations=True) == taken(TRACK)


# Batch envelopes


def test_each_element_of_a_batch_is_a_record() -> None:
    readings = [read.reading for read in read_all({"batch": [IDENTIFY, TRACK, PAGE]})]
    assert readings == [taken(IDENTIFY), taken(TRACK), taken(PAGE)]


def test_an_empty_batch_is_not_dropped_unseen() -> None:
    (read,) = read_all({"batch": [], "sentAt": NOON_TEXT})
    assert isinstance(read.reading, Rejection)
    assert (read.reading.code, read.reading.field) == ("missing_type", "batch")


def test_elements_are_judged_one_by_one() -> None:
    batch = [IDENTIFY, 1, {"type": "screen", "userId": "u1"}, {**TRACK, "event": ""}, TRACK]
    readings = [read.reading for read in read_all({"batch": batch})]
    assert [getattr(reading, "code", reading.type if not isinstance(reading, Rejection) else None)
            for reading in readings] == [
        "identify", "not_an_object", "unsupported_type", "missing_event", "track",
    ]  # fmt: skip


def test_a_batch_lends_its_context() -> None:
    record = taken({"batch": [TRACK], "context": {"traits": {"email": "a@b.co"}}})
    assert record.context == {"traits": {"email": "a@b.co"}}


def test_a_context_of_its_own_is_taken_alone() -> None:
    own = {**TRACK, "context": {"ip": "192.0.2.1"}}
    record = taken({"batch": [own], "context": {"traits": {"email": "a@b.co"}}})
    assert record.context == {"ip": "192.0.2.1"}


def test_a_batch_lends_its_integrations() -> None:
    assert skipped({"batch": [TRACK], "integrations": {"Wootric": False}}).code == (
        "integration_disabled"
    )


def test_integrations_of_its_own_are_taken_alone() -> None:
    taken({"batch": [{**TRACK, "integrations": {}}], "integrations": {"Wootric": False}})
    own = {**TRACK, "integrations": {"Wootric": False}}
    skip = skipped({"batch": [own], "integrations": {"Wootric": True}})
    assert skip.code == "integration_disabled"


def test_a_batch_lends_its_sent_at() -> None:
    assert taken({"batch": [TRACK], "sentAt": NOON_TEXT}).time == NOON


def test_a_time_of_its_own_comes_before_the_sent_at_of_the_batch() -> None:
    later = "2020-01-01T00:00:00Z"
    for field in ("timestamp", "originalTimestamp", "receivedAt", "sentAt"):
        record = taken({"batch": [{**TRACK, field: NOON_TEXT}], "sentAt": later})
        assert record.time == NOON


def test_what_a_batch_lends_is_judged_as_if_it_stood_in_the_element() -> None:
    assert rejected({"batch": [TRACK], "context": 1}).code == "invalid_context"
    assert rejected({"batch": [TRACK], "integrations": "no"}).code == "invalid_integrations"
    assert rejected({"batch": [TRACK], "sentAt": "garbage"}).code == "invalid_timestamp"


def test_a_batch_lends_nothing_else() -> None:
    lone = {"type": "identify"}
    assert rejected({"batch": [lone], "userId": "u1"}).code == "missing_identity"
    assert taken({"batch": [TRACK], "timestamp": NOON_TEXT, "messageId": "m1"}).time is None


# Escapes


def everything_in(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize(
    "escape",
    ["\\ud800", "\\udc00", "\\uD83D", "\\udfff", "\\ud800x", "\\ud800\\ud800", "\\udc00\\ud83d"],
)
@pytest.mark.parametrize("place", ["key", "value", "id"])
def test_half_a_surrogate_pair_is_json_and_does_no_harm(escape: str, place: str) -> None:
    at = {"key": "k", "value": "v", "id": "u"} | {place: f"a{escape}b"}
    traits = f'{{"{at["key"]}":"{at["value"]}"}}'
    record = taken(f'{{"type":"identify","userId":"{at["id"]}","traits":{traits}}}')
    assert isinstance(record, Identify)
    assert len(record.traits) == 1
    everything_in([record.user_id, record.traits]).encode()  # raises if half a pair is left


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("\\ud83d\\ude00", "😀"),
        ("\\uD83D\\uDE00", "😀"),
        ("\\\\ud800", "\\ud800"),
        ("\\\\\\\\ud800", "\\\\ud800"),
        ("\\u00e9", "é"),
        ("\\u0000", "\0"),
    ],
)
@pytest.mark.parametrize("beside", ["", "\\ud800"])
def test_other_escapes_keep_their_meaning(written: str, meant: str, beside: str) -> None:
    line = f'{{"type":"identify","userId":"u1","traits":{{"k":"{written}","x":"{beside}"}}}}'
    record = taken(line)
    assert isinstance(record, Identify)
    assert record.traits["k"] == meant


# Lines of a rejects file


def rejects_line(raw: bytes) -> bytes:
    entry: dict[str, object] = {
        "source": "archive/1.gz",
        "line": 7,
        "code": "missing_identity",
        "field": "userId",
        "message": "Give the record a userId.",
        "http": None,
        "record": raw.decode(errors="replace"),
    }
    if "\ufffd" in raw.decode(errors="replace"):
        entry["record_base64"] = base64.b64encode(raw).decode()
    return json.dumps(entry).encode()


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(IDENTIFY).encode(),
        json.dumps({"batch": [IDENTIFY, TRACK, 1], "context": {"ip": "192.0.2.1"}}).encode(),
        json.dumps({"type": "screen", "userId": "u1"}).encode(),
        b'{"type":"identify"}',
        b"garbage",
        b"[]",
        b'{"type":"identify","userId":"u\xff"}',
        b'{"type":"identify","userId":"\\ud800"}',
        '{"type":"identify","userId":"\ufffd"}'.encode(),
    ],
)
def test_a_line_of_a_rejects_file_stands_for_the_line_in_it(raw: bytes) -> None:
    assert read_all(rejects_line(raw)) == read_all(raw)


def test_a_line_of_a_rejects_file_ignores_integrations_when_told_to() -> None:
    raw = json.dumps({**TRACK, "integrations": {"All": False}}).encode()
    assert taken(rejects_line(raw), ignore_integrations=True) == taken(TRACK)


@pytest.mark.parametrize("kept", ["é", "%%", "QQ", "", 1, None, {}])
def test_a_rejects_line_whose_bytes_cannot_be_read_is_judged_and_does_not_raise(
    kept: object,
) -> None:
    entry = {**json.loads(rejects_line(b"garbage")), "record_base64": kept}
    assert rejected(entry).code in REJECTIONS


# Properties of all lines

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
OBJECTS = JSON | st.fixed_dictionaries({}, optional={"traits": JSON, "consent": JSON}).map(
    json.dumps
)
ODD_RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["identify", "Track", "PAGE", "screen", "video", ""]) | JSON,
        "userId": st.sampled_from(["u1", "", 42, 12.5]) | JSON,
        "anonymousId": JSON,
        "messageId": JSON,
        "event": st.just("Signed Up") | JSON,
        "name": JSON,
        "category": JSON,
        "traits": OBJECTS,
        "properties": OBJECTS,
        "context": OBJECTS,
        "options": OBJECTS,
        "integrations": st.dictionaries(st.sampled_from(["All", "Wootric", "wootric"]), JSON)
        | JSON,
        "timestamp": st.just(NOON_TEXT) | JSON,
        "sentAt": JSON,
    },
)
ODD_ENVELOPES = st.fixed_dictionaries(
    {"batch": st.lists(ODD_RECORDS | JSON, max_size=3) | JSON},
    optional={"context": JSON, "integrations": JSON, "sentAt": JSON, "type": JSON},
)
ODD_REJECTS = st.fixed_dictionaries(
    dict.fromkeys(("source", "line", "code", "field", "message", "http", "record"), JSON),
    optional={"record_base64": JSON},
)
ODD_JSON = st.one_of(JSON, ODD_RECORDS, ODD_ENVELOPES, ODD_REJECTS)
LINES = st.one_of(
    st.binary(),
    st.text().map(str.encode),
    ODD_JSON.map(lambda value: json.dumps(value).encode()),
    st.lists(
        ODD_JSON.map(json.dumps) | st.sampled_from([",", " ", "x"]), min_size=2, max_size=4
    ).map(lambda several: "".join(several).encode()),
)


def is_empty_batch(line: bytes) -> bool:
    try:
        value = json.loads(line)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("batch") == []


@given(LINES, st.booleans())
@example(b"", False)
@example(b"\xef\xbb\xbf{}", False)
@example(b"1e999999", False)
@example(b"9" * 5000, False)
@example(b'{"type":"identify","userId":' + b"9" * 5000 + b"}", False)
@example(b'{"type":"identify","userId":"u1","timestamp":' + b"9" * 400 + b"}", False)
@example(b'{"type":"identify","userId":1e400}', False)
@example(b'{"type":"identify","userId":"u1","traits":{"created":' + b"9" * 400 + b"}}", False)
def test_no_line_raises_and_none_is_dropped_unseen(line: bytes, ignore: bool) -> None:
    reads = list(read_line(line, ignore_integrations=ignore))
    assert reads or is_empty_batch(line)
    for entry in reads:
        assert isinstance(entry.reading, Identify | Track | Page | Skip | Rejection)
        if isinstance(entry.reading, Rejection):
            assert entry.reading.code in REJECTIONS


@given(LINES)
def test_the_raw_line_of_each_record_reads_as_that_record_again(line: bytes) -> None:
    for entry in read_line(line):
        if entry.raw:
            assert [again.reading for again in read_line(entry.raw)] == [entry.reading]


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_line_can_be_kept_in_a_rejects_file_and_tried_again(raw: bytes) -> None:
    if raw:
        again = read_all(rejects_line(raw))
        assert [entry.reading for entry in again] == [entry.reading for entry in read_all(raw)]


# The quick look at a record, and the long way round

_ODD: Any = st.sampled_from(
    [
        None,
        "",
        " ",
        "x",
        0,
        7,
        1.5,
        2.0**70,
        2**70,
        True,
        [],
        ["x"],
        {},
        {"a": 1},
        {"All": True},
        {"Wootric": False},
        {"All": False, "Wootric": {}},
        {"All": "no"},
        {"Segment.io": {"enabled": 0}},
        {"InMoment": {"Enabled": " NO "}},
        {"integrations": {"Wootric": False}},
        {"consent": {"categoryPreferences": {"a": True, "b": False}}},
        {"traits": '{"a":1}'},
        {"traits": {"a": 1}},
        {"traits": []},
        '{"a":1}',
        "undefined",
        " Null",
        "[object Object]",
        "-1",
        "00000000-0000-0000-0000-000000000000",
        "184467440737095516150",
        {"n": [2**64]},
        "2018-08-01T12:00:00Z",
        "2018-08-03T23:00:00+14:00",
        "2018-08-03Z",
        "2019-01-01T00:00:00Z",
        [],
    ]
)
_TIMES = st.sampled_from(
    [
        NOON_TEXT, "2024-02-29T23:59:59.9Z", "2024-02-30T00:00:00Z", "2024-01-01T24:00:00Z",
        "2024-13-01T00:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:60.000Z",
        "2024-02-29T12:00:00.123Z", "2023-02-29T12:00:00.123Z", "2024-01-01T12:00:00,123Z",
        "2024-01-01", "0000-01-01T00:00:00Z",
        "\u0662024-01-01T00:00:00Z", "2024-01-01T00:00:00Z\n",
    ]
)  # fmt: skip
_COMMON: Mapping[str, Any] = {
    "timestamp": NOON_TEXT,
    "context": {"ip": "::1"},
    "integrations": {},
    "messageId": "m1",
    "anonymousId": "a1",
}
_NEARLY_ORDINARY = st.builds(
    lambda record, *odd: {**_COMMON, **record, **dict(odd)},
    st.sampled_from(
        [
            {**IDENTIFY, "traits": {"plan": "pro"}},
            {**TRACK, "properties": {"plan": "pro"}},
            {**PAGE, "properties": {"path": "/"}, "name": "Home", "category": "Docs"},
            {**IDENTIFY, "receivedAt": NOON_TEXT},
        ]
    ),
    *2
    * (
        st.tuples(st.just("timestamp"), _TIMES)
        | st.tuples(
            st.sampled_from(
                [
                    "type", "userId", "event", "traits", "properties", "context", "integrations",
                    "messageId", "anonymousId", "name", "category", "batch", "timestamp",
                    "receivedAt", "options", "providers",
                ]
            ),
            _ODD,
        ),
    ),
)  # fmt: skip
"""Ordinary records with one or two fields changed."""


def read_quickly(line: bytes, **rules: Any) -> list[Read]:
    """Read a record as the records of an export are read."""
    held = (Line("export", 1, 0, line),)
    records = read_records(
        [Source("export", None, None, held=held)], ReadingOptions(**rules), stdin=io.BytesIO()
    )
    found = [(each.raw, each.reading) for each in records]
    return [Read(raw, each) for raw, each in found if not isinstance(each, MappingWarning)]


@given(_NEARLY_ORDINARY, st.sampled_from(["auto", "traits", "context"]))
@example({**IDENTIFY, "timestamp": NOON_TEXT}, "auto")
@example({**TRACK, "timestamp": NOON_TEXT, "integrations": {"Wootric": False}}, "auto")
@example({**IDENTIFY, "timestamp": NOON_TEXT, "context": {"traits": {"a": 1}}}, "auto")
@example({**IDENTIFY, "timestamp": NOON_TEXT, "traits": {"a": 2}}, "context")
@example({**PAGE, "timestamp": NOON_TEXT, "receivedAt": "2018-08-0212:00:00Z"}, "auto")
def test_what_is_ordinary_at_a_glance_is_one_record_the_long_way(
    data: dict[str, Any], traits_from: TraitsFrom
) -> None:
    line = json.dumps(data).encode()
    parsed = parse(line)
    if is_ordinary(parsed, traits_from):
        assert ordinary(parsed) == taken(data, traits_from=traits_from)
    assert read_quickly(line, traits_from=traits_from) == read_all(line, traits_from=traits_from)


@given(LINES)
@example(b'{"type":"track","userId":"\\ud800","event":"x","timestamp":"2024-01-01T00:00:00Z"}')
@example(b'{"batch":[{"type":"page","userId":123456789012345678901234567890}]}')
@example(b'{"type":"page","userId":"u","messageId":123456789012345678901234567890}')
def test_any_line_is_read_quickly_as_it_is_the_long_way(line: bytes) -> None:
    assert read_quickly(line) == read_all(line)


@pytest.mark.parametrize("record", [IDENTIFY, TRACK, PAGE])
def test_the_commonest_records_are_ordinary_at_a_glance(record: Mapping[str, Any]) -> None:
    ordinary = {**record, "timestamp": NOON_TEXT, "messageId": "m1"}
    for integrations in ({}, {"All": True}, {"All": True, "Wootric": {"a": 1}}):
        assert is_ordinary({**ordinary, "integrations": integrations})
