"""What can be sent of real exports: emails, phones, dates and properties (segment.md 4, 5; wootric.md 6).

Each input has the shape of a fault that was reported in public.
"""

import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest

if TYPE_CHECKING:
    from tests.conftest import Run, Write


FEBRUARY = 1549166706  # 2019-02-03T04:05:06Z


def mapped(run: "Run", lines: bytes, *options: str) -> list[dict[str, Any]]:
    """What `map` makes of each record."""
    done = run("map", *options, "-", stdin=lines)
    assert done.returncode == 0, done.stderr
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def codes(record: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in record["warnings"]}


def about(record: dict[str, Any], code: str) -> set[str]:
    """The fields that warnings of one code are about."""
    return {each["field"] for each in record["warnings"] if each["code"] == code}


def planned(run: "Run", lines: bytes, *options: str) -> tuple[list[dict[str, Any]], str]:
    """The end users that `dry-run` would create, and all that it says."""
    done = run("dry-run", "--format", "json", *options, "-", stdin=lines)
    assert done.returncode == 0, done.stderr
    found = [orjson.loads(line) for line in done.stdout.splitlines()]
    users = [each for each in found if each.get("action") == "create"]
    fields = [{each["field"]: each["after"] for each in user["fields"]} for user in users]
    return fields, run("dry-run", *options, "-", stdin=lines).stdout


# 01 and 10: times as a warehouse writes them

BIGQUERY = b"""\
{"type":"identify","userId":"bq-1","messageId":"bq-m1","timestamp":"2021-04-07 08:15:30 UTC",\
"traits":{"email":"mira@bq.example","createdAt":"2019-02-03 04:05:06.123456 UTC","plan":"team"}}
{"type":"track","userId":"bq-1","messageId":"bq-m2","event":"Order Completed",\
"timestamp":"2021-04-07 08:16:30.5 UTC","properties":{"email":"mira@bq.example"}}
{"type": "identify", "userId": "ts-7", "messageId": "ts7", "timestamp": "2022-01-01 00:00:00 UTC", \
"traits": {"email": "t7@ts.example"}}
"""


def test_records_with_times_as_a_warehouse_writes_them_are_read(run: "Run") -> None:
    first, second, third = mapped(run, BIGQUERY)
    assert first["settings"]["created_at"] == FEBRUARY
    assert second["settings"]["event_name"] == "Order Completed"
    assert third["settings"]["email"] == "t7@ts.example"
    assert not codes(first) | codes(second) | codes(third)
    users, _ = planned(run, BIGQUERY)
    assert [user["external_created_at"] for user in users if user["external_id"] == "bq-1"] == [
        FEBRUARY
    ]


# 08: placeholders in place of emails

PLACEHOLDERS = b"""\
{"type":"identify","userId":"pe-1","messageId":"pe1","timestamp":"2022-05-01T00:00:00Z","traits":{"email":"N/A","name":"Ida"}}
{"type":"identify","userId":"pe-2","messageId":"pe2","timestamp":"2022-05-02T00:00:00Z","traits":{"email":"n/a","name":"Jon"}}
{"type":"identify","userId":"pe-3","messageId":"pe3","timestamp":"2022-05-03T00:00:00Z","traits":{"email":"n/a","name":"Kai"}}
{"type":"identify","userId":"pe-4","messageId":"pe4","timestamp":"2022-05-03T00:00:00Z","traits":{"email":"undefined","name":"Lin"}}
{"type":"identify","userId":"pe-5","messageId":"pe5","timestamp":"2022-05-03T00:00:00Z","traits":{"email":"-","name":"Mio"}}
"""


def test_placeholders_in_place_of_emails_merge_nobody(run: "Run", replay: Any) -> None:
    found = mapped(run, PLACEHOLDERS)
    assert all("email" not in each["settings"] for each in found)
    assert all(codes(each) == {"placeholder_id"} for each in found)
    path = replay.folder / "export.ndjson"
    path.write_bytes(PLACEHOLDERS)
    for number in range(1, 6):
        replay.holds(f"pe-{number}")
    done = replay.push(path)
    assert done.returncode == 0, done.stderr
    names = {user: held["properties"] for user, held in replay.users().items()}
    assert [names[f"pe-{n}"] for n in range(1, 6)] == [
        {"name": name} for name in ("Ida", "Jon", "Kai", "Lin", "Mio")
    ]
    assert {held["email"] for held in replay.users().values()} == {None}


# 11: creation dates

CREATED: list[tuple[object, int | None]] = [
    ("0001-01-01T00:00:00Z", None),
    ("0000-00-00 00:00:00", None),
    ("0000-00-00T00:00:00Z", None),
    (0, None),
    ("0", None),
    (-1, None),
    ("-1", None),
    ("1970-01-01T00:00:00Z", None),
    ("1900-01-01", None),
    ("9999-12-31T23:59:59Z", None),
    ("1420099200000000", None),
    (1420099200000000, None),
    (1420099200000000000, None),
    ("1420099200000000000", None),
    ("2019-02-03 04:05:06 UTC", FEBRUARY),
    ("2019-02-03 04:05:06.123456 UTC", FEBRUARY),
    ("2019-02-03 04:05:06 -0700", 1549191906),
    ("2019-02-03 04:05:06 +0000 UTC", FEBRUARY),
    ("Sun, 03 Feb 2019 04:05:06 GMT", FEBRUARY),
    ("Sun Feb 03 2019 04:05:06 GMT+0000 (Coordinated Universal Time)", None),
    ("2/3/2019", 1549152000),
    ("02-03-2019", None),
    ("3.2.2019", None),
    ("2019/02/03", None),
    ({"$date": "2019-02-03T04:05:06Z"}, None),
    ({"seconds": FEBRUARY, "nanos": 0}, None),
    ({"_seconds": FEBRUARY, "_nanoseconds": 0}, None),
    (["2019-02-03"], None),
    ("2019-02-03T04:05:06.000Z ", None),
    ("Feb 3, 2019", None),
    ("1.549166706E9", None),
    ("1,549,166,706", None),
    (1549166706.999, FEBRUARY + 1),
    ("2019", 1546300800),
    (2019, None),
    ("15491667061", None),
    ("/Date(1549166706000)/", None),
    ("2090-01-01T00:00:00Z", 3786912000),
]


def created_lines() -> bytes:
    return b"".join(
        orjson.dumps(
            {
                "type": "identify",
                "userId": f"cr-{n}",
                "messageId": f"cr{n}",
                "timestamp": "2022-01-01T00:00:00Z",
                "traits": {"email": f"c{n}@cr.example", "createdAt": value},
            }
        )
        + b"\n"
        for n, (value, _) in enumerate(CREATED)
    )


def test_a_creation_date_is_what_segment_takes_and_can_be_one(run: "Run") -> None:
    for (value, expected), record in zip(CREATED, mapped(run, created_lines()), strict=True):
        assert record["settings"].get("created_at") == expected, value
        warned = codes(record) & {"invalid_created_at", "implausible_created_at"}
        assert bool(warned) == (expected is None), value
    users, text = planned(run, created_lines())
    sent = {user["external_id"]: user.get("external_created_at") for user in users}
    assert sent == {f"cr-{n}": expected for n, (_, expected) in enumerate(CREATED)}
    assert "invalid_created_at" in text
    assert "implausible_created_at" in text


# 23: emails

EMAILS: list[tuple[dict[str, Any], str | None, str | None]] = [
    ({"email": ["ana@em.example", "ana2@em.example"]}, None, "invalid_email"),
    ({"email": 12345}, None, "invalid_email"),
    ({"email": {"value": "bo@em.example"}}, None, "invalid_email"),
    ({"email": "Cy Doe <cy@em.example>"}, None, "invalid_email"),
    ({"email": "mailto:di@em.example"}, None, "invalid_email"),
    ({"email": "ed@em.example, ed2@em.example"}, None, "invalid_email"),
    ({"email": "fy@em.example\u200b"}, None, "invalid_email"),
    ({"email": "\u00a0gil@em.example\n"}, "gil@em.example", None),
    ({"email": "  "}, None, "invalid_email"),
    ({"email": ""}, None, None),
    ({"email": "HAL@EM.EXAMPLE"}, "HAL@EM.EXAMPLE", None),
    ({"email": "hal@em.example"}, "hal@em.example", None),
    ({"email": "I\u0307ris@em.example"}, "I\u0307ris@em.example", None),
    ({"email": "ju@em.example."}, "ju@em.example.", None),
    ({"email": "kay%40em.example"}, None, "invalid_email"),
    ({"emailAddress": "leo@em.example"}, None, None),
    ({"e-mail": "mo@em.example"}, "mo@em.example", None),
    ({"user": {"email": "ned@em.example"}}, None, None),
    ({"$email": "ola@em.example"}, "ola@em.example", None),
    ({"email": "pat@em.example", "Email": "pat.old@em.example"}, "pat@em.example", None),
    ({"Email": "", "email": "qi@em.example"}, "qi@em.example", None),
    ({"Email": None, "email": "rob@em.example"}, "rob@em.example", None),
    ({"email": True}, None, "invalid_email"),
    ({"email": "<sue@em.example>"}, None, "invalid_email"),
]


def email_lines() -> bytes:
    return b"".join(
        orjson.dumps(
            {
                "type": "identify",
                "userId": f"em-{n}",
                "messageId": f"em{n}",
                "timestamp": f"2022-01-{n + 1:02}T00:00:00Z",
                "traits": traits,
            }
        )
        + b"\n"
        for n, (traits, _, _) in enumerate(EMAILS)
    )


def test_only_what_can_be_an_email_is_sent_as_one(run: "Run", replay: Any) -> None:
    for (traits, email, code), record in zip(EMAILS, mapped(run, email_lines()), strict=True):
        assert record["settings"].get("email") == email, traits
        assert codes(record) == ({code} if code else set()), traits
        assert "email" not in record["settings"]["properties"]
    _, text = planned(run, email_lines())
    assert "invalid_email" in text
    path = replay.folder / "export.ndjson"
    path.write_bytes(email_lines())
    done = replay.push(path)
    assert done.returncode == 0, done.stderr
    held = {user["email"].lower() for user in replay.users().values() if user["email"]}
    assert held == {email.lower() for _, email, _ in EMAILS if email}
    assert replay.rejects() == []


# 29 and 30: values under names that tell a type

SUFFIXES = b"""\
{"type":"identify","userId":"sv-1","messageId":"sv1","timestamp":"2022-01-01T00:00:00Z","traits":{\
"email":"amy@sv.example","renewal_date":"N/A","trial_end_date":1549166706000,"signup_date":"3 Feb 2019",\
"last_order_date":"2019-02-03 04:05:06 UTC","price_amount":"12.50","cost_amount":12.5,"seats_amount":"12",\
"big_amount":12345678901234567890,"nps_amount":null,"ok_date":1549166706,"us_date":"02/03/2019",\
"zero_date":"0001-01-01T00:00:00Z","mysql_date":"0000-00-00"}}
"""
DATE_KEYS = b"""\
{"type":"identify","userId":"dk-1","messageId":"dk1","timestamp":"2022-01-01T00:00:00Z","traits":{\
"email":"amy@dk.example","last_order_date":1350466020,"total_amount":12}}
"""


def test_a_value_that_does_not_fit_its_name_is_warned_of(run: "Run") -> None:
    [record] = mapped(run, SUFFIXES)
    wrong = {
        "renewal_date",
        "trial_end_date",
        "signup_date",
        "last_order_date",
        "us_date",
        "zero_date",
        "mysql_date",
        "price_amount",
        "cost_amount",
        "seats_amount",
    }
    assert about(record, "wrong_type_for_suffix") == {f"traits.{key}" for key in wrong}
    assert codes(record) == {"wrong_type_for_suffix"}
    properties = record["settings"]["properties"]
    assert properties["big_amount"] == 12345678901234567890
    assert properties["ok_date"] == FEBRUARY
    assert "nps_amount" not in properties
    _, text = planned(run, SUFFIXES)
    assert "wrong_type_for_suffix" in text
    assert "integer_without_amount" not in text
    [rounded] = mapped(run, SUFFIXES, "--amount-suffix")
    assert rounded["settings"]["properties"]["cost_amount"] == 13
    assert about(rounded, "amount_rounded") == {"traits.cost_amount"}
    assert about(rounded, "wrong_type_for_suffix") == {
        f"traits.{key}" for key in wrong - {"cost_amount"}
    }


@pytest.mark.parametrize("options", [[], ["--amount-suffix"], ["--typed-names"]])
def test_a_right_date_as_a_number_is_not_warned_of(run: "Run", options: list[str]) -> None:
    [record] = mapped(run, DATE_KEYS, *options)
    assert codes(record) == set()
    assert record["settings"]["properties"] == {
        "id": "dk-1",
        "last_order_date": 1350466020,
        "total_amount": 12,
    }
    _, text = planned(run, DATE_KEYS, *options)
    assert "Warnings" not in text


# 31: large and odd numbers

NUMBERS = b"""\
{"type":"identify","userId":"bi-1","messageId":"bi1","timestamp":"2022-01-01T00:00:00Z","traits":{\
"email":"amy@bi.example","account_no":738529527931269425,"safe":9007199254740991,"unsafe":9007199254740993,\
"huge":12345678901234567890,"dec":0.1,"dec2":1e21,"dec3":1e-7,"neg":-0.0,"f":5.0,\
"list":[738529527931269425,1.0,true,null],"obj":{"id":738529527931269425}}}
{"type":"track","userId":"bi-1","messageId":"bi2","event":"Order Completed","timestamp":\
"2022-01-02T00:00:00Z","properties":{"order_id":738529527931269425}}
"""


def test_numbers_keep_their_digits(run: "Run") -> None:
    user, event = mapped(run, NUMBERS)
    assert user["settings"]["properties"] == {
        "id": "bi-1",
        "account_no": 738529527931269425,
        "safe": 9007199254740991,
        "unsafe": 9007199254740993,
        "huge": 12345678901234567890,
        "dec": "0.1",
        "dec2": "1000000000000000000000",
        "dec3": "0.0000001",
        "neg": 0,
        "f": 5,
        "list": "738529527931269425, 1, true",
        "obj_id": 738529527931269425,
    }
    assert user["calls"][0]["form"]["properties[unsafe]"] == "9007199254740993"
    assert "properties%5Border_id%5D=738529527931269425" in event["calls"][0]["url"]
    [fields], _ = planned(run, NUMBERS)
    assert fields["properties.huge"] == 12345678901234567890


# One name a key, whatever its values


def revenue() -> list[dict[str, Any]]:
    values: list[Any] = [43.0, 70.21, None, 12, 7.5]
    people = [
        {"email": f"u{n}@x.example", "mrr": value, "score": score, "tags": tags}
        for n, (value, score, tags) in enumerate(
            zip(values, [1, "n/a", 3, 4.5, 5], [["a", "b"], "a", ["c"], None, []], strict=True)
        )
    ]
    users = [{"type": "identify", "userId": f"u{n}", "traits": t} for n, t in enumerate(people)]
    events = [
        {
            "type": "track",
            "userId": "u0",
            "event": "Paid",
            "properties": {"mrr": 5.5, "skus": [1, 2]},
        }
    ]
    return [
        {**each, "messageId": f"m{n}", "timestamp": f"2024-01-0{n + 1}T00:00:00Z"}
        for n, each in enumerate([*users, *events])
    ]


def by_user(users: list[dict[str, Any]], name: str) -> dict[str, Any]:
    key = f"properties.{name}"
    return {user["external_id"]: user[key] for user in users if key in user}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("options", [["--typed-names"], ["--amount-suffix", "--array-suffix"]])
def test_a_key_has_one_name_whatever_its_values(
    run: "Run", write: "Write", reverse: bool, options: list[str]
) -> None:
    records = revenue()[::-1] if reverse else revenue()
    write("a.ndjson", *records[:2])
    write("b.ndjson", *records[2:])
    done = run("dry-run", "--format", "json", *options, "a.ndjson", "b.ndjson")
    lines = [orjson.loads(line) for line in done.stdout.splitlines()]
    users = [
        {each["field"]: each["after"] for each in line["fields"]}
        for line in lines
        if line.get("action") == "create"
    ]
    assert by_user(users, "mrr_amount") == {"u0": 43, "u1": 70, "u3": 12, "u4": 8}
    assert by_user(users, "mrr") == {}
    assert by_user(users, "score") == {"u0": 1, "u1": "n/a", "u2": 3, "u3": "4.5", "u4": 5}
    assert by_user(users, "score_amount") == {}
    assert by_user(users, "tags") == {"u0": "a, b", "u1": "a", "u2": "c", "u4": ""}
    shown = run("map", *options, "a.ndjson", "b.ndjson").stdout.splitlines()
    forms = [call.get("form", {}) for line in shown for call in orjson.loads(line)["calls"]]
    assert {form["properties[mrr_amount]"] for form in forms if "properties[mrr_amount]" in form} == {
        "43", "70", "12", "8",
    }  # fmt: skip
    assert not [form for form in forms if "properties[mrr]" in form]
    text = run("dry-run", *options, "b.ndjson", "a.ndjson").stdout
    for code in ("mixed_types", "amount_rounded", "list_without_array"):
        assert code in text


def test_a_saved_plan_and_a_push_name_keys_as_a_dry_run_does(replay: Any) -> None:
    export = replay.write(revenue())
    plan = replay.plan("--typed-names", export)
    saved = [orjson.loads(line) for line in plan.read_bytes().splitlines()]
    properties = {
        line["fields"]["external_id"]: line["fields"].get("properties", {})
        for line in saved
        if "fields" in line
    }
    [check] = [line["call"] for line in saved if "call" in line]
    assert check["properties"] == {"mrr_amount": 6, "skus_array": "1,2"}
    done = replay.push("--typed-names", export)
    assert done.returncode == 0, done.stderr
    held = {user: told["properties"] for user, told in replay.users().items()}
    assert held == {
        user: {name: str(value) for name, value in each.items()}
        for user, each in properties.items()
    }
    assert properties["u1"] == {"mrr_amount": 70, "score": "n/a", "tags": "a"}
    done = replay.push("--plan", plan, "--typed-names")
    assert done.returncode == 2
    assert "--typed-names has no place beside --plan" in done.stderr


def test_names_do_not_depend_on_the_number_of_processes(run: "Run", write: "Write") -> None:
    padding = {"type": "page", "userId": "9", "properties": {"url": "https://x.example/"}}
    pages = [{**padding, "messageId": f"p{n}", "padding": "x" * 900_000} for n in range(12)]
    one, *others = revenue()
    write("a.ndjson", one, *pages, *others)
    first, second = (
        run("dry-run", "--format", "json", "--typed-names", "--processes", n, "a.ndjson").stdout
        for n in ("1", "2")
    )
    assert first == second
    assert '"properties.mrr_amount"' in first
    assert '"field":"properties.mrr","after"' not in first


# A call whose address is too long


@pytest.mark.parametrize("command", [["map"], ["dry-run"], ["push", "--sandbox"]])
def test_a_call_whose_address_is_too_long_is_told_with_what_is_longest_in_it(
    run: "Run", write: "Write", command: list[str]
) -> None:
    write(
        "a.ndjson",
        {"type": "identify", "userId": "1", "traits": {"email": "a@b.example"}},
        {
            "type": "track",
            "userId": "1",
            "event": "Signed Up",
            "properties": {"short": "x", "transcript": "word " * 2000},
        },
    )
    done = run(*command, "a.ndjson")
    said = done.stdout + done.stderr
    assert "call_too_long" in said
    assert "properties.transcript" in said


@pytest.mark.parametrize("command", [["validate"], ["map"], ["dry-run"], ["push", "--sandbox"]])
@pytest.mark.parametrize(
    "properties",
    [
        {"a" * 400: {str(n): True for n in range(60)}},  # names that lead to a value are joined
        {str(n): 1e300 for n in range(30)},
        {"list": [1e300] * 30},
    ],
)
def test_a_short_record_of_which_much_becomes_has_a_call_that_is_too_long(
    run: "Run", write: "Write", command: list[str], properties: dict[str, Any]
) -> None:
    user = {"type": "identify", "userId": "1", "traits": {"email": "a@b.example"}}
    track = {"type": "track", "event": "Signed Up", "properties": properties}
    named = {"userId": "1", "timestamp": "2024-01-01T00:00:00Z"}
    write("ordinary.ndjson", user, {**track, **named})
    write("other.ndjson", user, {**track, "userId": 1})
    for name in ("ordinary.ndjson", "other.ndjson"):
        done = run(*command, name)
        assert "call_too_long" in done.stdout + done.stderr


def test_an_integer_past_64_bits_is_an_integer_also_where_types_are_told(
    run: "Run", write: "Write"
) -> None:
    long = 184467440737095516150
    first = {"email": "a@b.co", "k_amount": long, "x_date": long, "o": {"n": -long}}
    for number, traits in enumerate([first, {"email": "c@d.co", "k": long}, {"k": 5}], 1):
        line = {"type": "identify", "userId": f"u{number}", "traits": traits}
        write(f"{number}.ndjson", json.dumps(line).encode())
    files = [f"{number}.ndjson" for number in (1, 2, 3)]
    lines = [
        orjson.loads(line)
        for line in run(
            "dry-run", "--format", "json", "--amount-suffix", *files
        ).stdout.splitlines()
    ]
    told = {(each["code"], each["field"]) for each in lines[-1]["summary"]["warning_details"]}
    assert told == {
        ("wrong_type_for_suffix", "traits.x_date"),
        ("integer_without_amount", "traits.k"),
        ("integer_without_amount", "traits.o.n"),
    }
    fields = {each["field"]: each for line in lines[:-1] for each in line["fields"]}
    assert fields["properties.k_amount"]["after"] == str(long)
    assert fields["properties.o_n_amount"]["after"] == str(-long)
    assert run("push", "--sandbox", *files).returncode == 0
