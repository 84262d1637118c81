"""What the commands say and how they end, on exports that are well: the installed command, run."""

import gzip
import os
import pty
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

if TYPE_CHECKING:
    from tests.conftest import Run, Start, Write

SAMPLES = Path(__file__).parents[2] / "sample_events"

ADA = {
    "type": "identify",
    "userId": "1001",
    "messageId": "m-1",
    "timestamp": "2024-03-01T10:00:00Z",
    "traits": {
        "email": "ada@example.com",
        "createdAt": "2018-08-03T15:28:46.493Z",
        "phone": "+442079460001",
        "language": "en",
        "plan": "pro",
        "address": {"city": "London"},
        "vip": True,
    },
}
SIGNED_UP = {
    "type": "track",
    "userId": "1001",
    "messageId": "m-2",
    "timestamp": "2024-03-01T10:01:00Z",
    "event": "Signed Up",
    "properties": {"source": "newsletter"},
}
PRICING = {
    "type": "page",
    "userId": "1001",
    "messageId": "m-3",
    "timestamp": "2024-03-01T10:02:00Z",
    "name": "Pricing",
    "category": "Docs",
    "properties": {"url": "https://example.com/pricing", "path": "/pricing"},
}
OPTED_OUT = {"type": "track", "userId": "1", "event": "E", "integrations": {"Wootric": False}}
SCREEN = {"type": "screen", "userId": "1"}
ANONYMOUS = {"type": "identify", "anonymousId": "a", "traits": {"plan": "pro"}}
NOBODY = {"type": "identify", "traits": {"email": "a@b.co"}}
MIXED = (ADA, SIGNED_UP, PRICING, OPTED_OUT, SCREEN, ANONYMOUS, NOBODY, ADA)


def user(number: int) -> dict[str, Any]:
    email = f"user{number}@example.com"
    return {"type": "identify", "userId": str(number), "traits": {"email": email}}


def objects(text: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in text.split("\n") if line]


def mapped(run: "Run", write: "Write", record: Mapping[str, Any] | bytes) -> dict[str, Any]:
    write("a.ndjson", record)
    (found,) = objects(run("map", "a.ndjson").stdout)
    return found


# Help and exit codes


@pytest.mark.parametrize(
    "command", ["inspect", "validate", "map", "dry-run", "export", "push", "status", "sandbox"]
)
def test_every_command_has_help_with_an_example(run: "Run", command: str) -> None:
    shown = run(command, "--help")
    assert shown.returncode == 0
    assert "Example" in shown.stdout
    assert f"wootric-replay {command}" in shown.stdout


def test_help_lists_the_commands_and_the_exit_codes(run: "Run") -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for command in ("inspect", "validate", "map", "dry-run", "export", "push", "sandbox"):
        assert command in shown.stdout
    words = " ".join(shown.stdout.split())
    for code in ("0 all done", "1 finished", "2 wrong usage", "4 signing in", "5 Wootric", "130"):
        assert code in words


@pytest.mark.parametrize("arguments", [(), ("journal",)])
def test_without_a_command_the_help_is_shown(run: "Run", arguments: tuple[str, ...]) -> None:
    shown = run(*arguments)
    assert shown.returncode == 2
    assert shown.stderr == run(*arguments, "--help").stdout


def test_the_version_is_told(run: "Run") -> None:
    shown = run("--version")
    assert shown.returncode == 0
    assert any(character.isdigit() for character in shown.stdout)


@pytest.mark.parametrize("command", ["inspect", "validate", "map", "dry-run"])
def test_an_export_that_is_well_ends_in_0(run: "Run", write: "Write", command: str) -> None:
    write("a.ndjson", *MIXED[:6])
    done = run(command, "a.ndjson")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["inspect", "validate", "map", "dry-run"])
def test_an_empty_export_ends_in_0(run: "Run", write: "Write", command: str) -> None:
    write("a.ndjson")
    assert run(command, "a.ndjson").returncode == 0


@pytest.mark.parametrize("command", ["validate", "map", "dry-run"])
def test_a_rejected_record_makes_it_1(run: "Run", write: "Write", command: str) -> None:
    write("a.ndjson", ADA, NOBODY)
    assert run(command, "a.ndjson").returncode == 1


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["validate"],
        ["no-such-command"],
        ["validate", "--no-such-option", "a.ndjson"],
        ["validate", "--max-line-bytes", "0", "a.ndjson"],
        ["validate", "--max-line-bytes", "lots", "a.ndjson"],
        ["dry-run", "--format", "xml", "a.ndjson"],
        ["dry-run", "--limit-users", "-1", "a.ndjson"],
        ["dry-run", "--rate", "0", "a.ndjson"],
        ["dry-run", "--rate", "fast", "a.ndjson"],
        ["dry-run", "--reserve", "100%", "a.ndjson"],
        ["dry-run", "--reserve", "0.2", "a.ndjson"],
        ["push", "--reserve", "-1", "a.ndjson"],
        ["snapshot", "-o", "b", "--reserve", "most"],
        ["push", "--sandbox", "--workers", "0", "a.ndjson"],
        ["push", "--sandbox", "--give-up-after", "0", "a.ndjson"],
        ["push", "--sandbox", "--deadline", "nan", "a.ndjson"],
        ["push", "--sandbox", "--read-timeout", "inf", "a.ndjson"],
        ["push", "--sandbox", "--connect-timeout", "soon", "a.ndjson"],
        ["map", "--account-token", "no-token", "a.ndjson"],
        ["map", "--base-url", "ftp://localhost", "a.ndjson"],
        ["map", "--base-url", "http://[", "a.ndjson"],
        ["map", "--base-url", "http://localhost:port", "a.ndjson"],
    ],
)
def test_wrong_usage_ends_in_2_and_says_why(run: "Run", write: "Write", args: list[str]) -> None:
    write("a.ndjson", ADA)
    done = run(*args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr


def test_the_sample_export_ends_in_0_and_the_broken_one_in_1(run: "Run") -> None:
    assert run("validate", SAMPLES / "segment-logs").returncode == 0
    assert run("dry-run", SAMPLES / "segment-logs").returncode == 0
    assert run("validate", SAMPLES / "broken").returncode == 1
    assert run("dry-run", SAMPLES / "broken").returncode == 1


def test_the_broken_sample_shows_every_rejection(run: "Run") -> None:
    (found,) = objects(run("validate", "--format", "json", SAMPLES / "broken").stdout)
    assert set(found["rejected"]) == {
        "invalid_json",
        "line_too_long",
        "not_an_object",
        "missing_type",
        "unknown_type",
        "missing_identity",
        "missing_event",
        "invalid_traits",
        "invalid_properties",
        "invalid_context",
        "invalid_integrations",
        "invalid_timestamp",
        "invalid_score",
        "truncated_input",
    }


# validate


def test_validate_groups_rejections_by_code_with_counts_and_places(
    run: "Run", write: "Write"
) -> None:
    write("a.ndjson", ADA, NOBODY, b"{oops}", b"", NOBODY)
    write("b.ndjson", NOBODY)
    lines = run("validate", "a.ndjson", "b.ndjson").stdout.splitlines()
    heading = next(
        n for n, line in enumerate(lines) if line.split()[:2] == ["missing_identity", "3"]
    )
    places = [line.split()[0] for line in lines[heading + 1 : heading + 4]]
    assert places == ["a.ndjson:2", "a.ndjson:5", "b.ndjson:1"]
    assert "userId" in lines[heading + 1]
    other = next(n for n, line in enumerate(lines) if line.split()[:2] == ["invalid_json", "1"])
    assert lines[other + 1].split()[0] == "a.ndjson:3"


def test_validate_shows_the_first_few_places_only(run: "Run", write: "Write") -> None:
    write("a.ndjson", *[NOBODY] * 1000)
    done = run("validate", "a.ndjson")
    assert "1,000" in done.stdout
    assert "a.ndjson:1 " in done.stdout
    assert done.stdout.count("a.ndjson:") < 20


def test_validate_looks_at_each_record_alone(run: "Run", write: "Write") -> None:
    """It knows no duplicate, and a user id alone is enough."""
    alone = {"type": "track", "userId": "7", "event": "E", "messageId": "m-9"}
    write("a.ndjson", alone, alone, ANONYMOUS)
    (found,) = objects(run("validate", "--format", "json", "a.ndjson").stdout)
    assert found["records"] == 3
    assert set(found["skipped"]) == {"unidentified"}


@pytest.mark.parametrize("user_id", [" ", "\t", ""])
def test_validate_and_map_say_the_same_of_a_user_id_of_blanks(
    run: "Run", write: "Write", user_id: str
) -> None:
    blank = {"type": "page", "userId": user_id, "anonymousId": "a-1"}
    write("a.ndjson", blank, blank | {"timestamp": "2024-01-01T00:00:00Z"})
    (found,) = objects(run("validate", "--format", "json", "a.ndjson").stdout)
    assert found["skipped"]["unidentified"]["count"] == 2
    mapped = objects(run("map", "a.ndjson").stdout)
    assert [each["skipped"]["code"] for each in mapped] == ["unidentified"] * 2


def test_validate_tells_every_place_of_all_that_it_finds_for_programs(
    run: "Run", write: "Write"
) -> None:
    broken: list[Mapping[str, Any] | bytes] = [NOBODY, b"{oops}"] * 10
    warned = [user(n) | {"traits": {"email": f"{n}@b.co", "logins": n}} for n in range(20)]
    write("a.ndjson", ADA, *broken, *[ANONYMOUS] * 10)
    write("b.ndjson", *warned, b"{}")
    done = run("validate", "--format", "json", "a.ndjson", "b.ndjson")
    (found,) = objects(done.stdout)
    assert list(found) == [
        "version", "records", "passed_over", "valid", "skipped", "rejected", "warnings",
        "ignored_warnings", "thresholds", "baseline", "exit_code",
    ]  # fmt: skip
    assert (found["records"], found["valid"]) == (52, 21)
    rejected = found["rejected"]
    assert {code: each["count"] for code, each in rejected.items()} == {
        "missing_identity": 10,
        "invalid_json": 10,
        "missing_type": 1,
    }
    places = rejected["missing_identity"]["places"]
    assert [(each["source"], each["line"]) for each in places] == [
        ("a.ndjson", line) for line in range(2, 22, 2)
    ]
    assert places[0] == {
        "source": "a.ndjson",
        "line": 2,
        "field": "userId",
        "message": "give the record a userId or an anonymousId, as text that is not empty",
    }
    assert rejected["missing_type"]["places"][0]["source"] == "b.ndjson"
    skipped = found["skipped"]["unidentified"]
    assert skipped["count"] == len(skipped["places"]) == 10
    (finding,) = found["warnings"]["integer_without_amount"]["findings"]
    assert found["warnings"]["integer_without_amount"]["count"] == 1
    assert set(finding) == {"field", "count", "message", "places"}
    assert (finding["field"], finding["count"]) == ("traits.logins", 20)
    assert finding["places"] == [{"source": "b.ndjson", "line": n} for n in range(1, 21)]


def test_validate_shows_warnings_and_they_alone_fail_nothing(run: "Run", write: "Write") -> None:
    logins = {"traits": {"email": "a@b.co", "logins": 3}}
    seats = {"traits": {"email": "a@b.co", "seats": 3, "createdAt": "never"}}
    write("a.ndjson", *[user(1) | logins] * 7, user(2) | seats)
    done = run("validate", "a.ndjson")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "Warnings: 3"
    page = "docs/codes/integer_without_amount.md"
    assert lines[1].split() == ["integer_without_amount", "2", page]
    assert lines[2].startswith("    traits.logins: Wootric expects an integer")
    assert lines[2].endswith("  (7 times: a.ndjson:1, a.ndjson:2, a.ndjson:3, …)")
    assert lines[3].startswith("    traits.seats: ")
    assert lines[3].endswith("  (once: a.ndjson:8)")
    assert lines[4].split()[:2] == ["invalid_created_at", "1"]
    assert lines[-1] == "8 records: 8 fit to be sent, none rejected."


def test_of_many_keys_the_text_shows_those_that_concern_most(run: "Run", write: "Write") -> None:
    keys = {f"k{n}": n for n in range(30)}
    write("a.ndjson", user(1) | {"traits": keys}, user(2) | {"traits": {"k29": 1}})
    lines = run("validate", "a.ndjson").stdout.splitlines()
    assert "Warnings: 30" in lines
    assert sum("Wootric expects an integer" in line for line in lines) == 10
    assert lines[2].startswith("    traits.k29: ")
    assert "    … and 20 more" in lines


def test_of_a_million_keys_as_many_are_told_as_memory_holds(run: "Run", write: "Write") -> None:
    keys = [{f"k{n}": 1 for n in range(part, part + 5000)} for part in (0, 5000, 10_000)]
    write("a.ndjson", *(user(1) | {"traits": {"email": "a@b.co"} | each} for each in keys))
    (found,) = objects(run("validate", "--format", "json", "a.ndjson").stdout)
    told = found["warnings"]["integer_without_amount"]
    assert (told["count"], told["more"], len(told["findings"])) == (10_000, 5000, 10_000)
    text = run("validate", "a.ndjson").stdout
    assert "Warnings: more than 10,000" in text
    assert "… and more than 9,990 more" in text
    *_, last = objects(run("dry-run", "--no-fold", "--format", "json", "a.ndjson").stdout)
    assert last["summary"]["warnings"]["integer_without_amount"] == 10_000
    rest = last["summary"]["warning_details"][-1]
    assert rest["more"] == rest["count"] > 0


@pytest.mark.parametrize("is_timed", [True, False])
@pytest.mark.parametrize(
    "record",
    [
        {"type": "identify", "userId": "1", "traits": {"email": "a@b.co", "n": 3, "l": [{}]}},
        {"type": "identify", "userId": "1", "traits": {"email": "a@b.co", "createdAt": "x"}},
        {"type": "identify", "userId": "a@b.co", "traits": {"a": {"$b": 3}, "a_$b": 1}},
        {"type": "track", "userId": "a@b.co", "event": "E", "properties": {"n": 3.0, "x.y": {}}},
        {"type": "track", "anonymousId": "a", "event": "E", "properties": {"n": 3}},
        {
            "type": "track",
            "anonymousId": "a",
            "event": "E",
            "context": {"traits": {"created": "x"}},
        },
    ],
)
def test_validate_warns_of_what_a_dry_run_warns_of(
    run: "Run", write: "Write", record: dict[str, Any], is_timed: bool
) -> None:
    write("a.ndjson", record | ({"timestamp": "2024-01-01T00:00:00Z"} if is_timed else {}))
    (found,) = objects(run("validate", "--format", "json", "a.ndjson").stdout)
    *_, last = objects(run("dry-run", "--format", "json", "a.ndjson").stdout)
    validated = [
        {"code": code} | each
        for code, told in found["warnings"].items()
        for each in told["findings"]
    ]
    assert validated == last["summary"]["warning_details"]


def test_a_dry_run_and_a_push_count_a_key_once(run: "Run", write: "Write") -> None:
    traits = [{"email": f"{n}@b.co", "logins": n, "seats": n} for n in range(1, 31)]
    write("a.ndjson", *(user(n) | {"traits": each} for n, each in enumerate(traits, 1)))
    *_, last = objects(run("dry-run", "--format", "json", "a.ndjson").stdout)
    summary = last["summary"]
    assert summary["warnings"] == {"integer_without_amount": 2}
    details = [(each["field"], each["count"]) for each in summary["warning_details"]]
    assert details == [("traits.logins", 30), ("traits.seats", 30)]
    assert [len(each["places"]) for each in summary["warning_details"]] == [5, 5]
    shown = run("dry-run", "a.ndjson").stdout
    pushed = run("push", "--sandbox", "a.ndjson").stderr
    for text in (shown, pushed):
        assert "Warnings: 2\n" in text
        assert text.count("(30 times: a.ndjson:1, a.ndjson:2, a.ndjson:3, …)") == 2


def test_what_warnings_name_is_redacted(run: "Run", write: "Write") -> None:
    traits = {"email": "ada@example.com", "grace@example.com": 3}
    write("a.ndjson", user(1) | {"traits": traits}, {"type": "ada@example.com", "userId": "1"})
    for command in (
        ("validate",),
        ("validate", "--format", "json"),
        ("dry-run", "--format", "json"),
        ("dry-run",),
    ):
        done = run(*command, "--redact", "a.ndjson")
        assert "integer_without_amount" in done.stdout
        assert "example.com" not in done.stdout + done.stderr


# map


def test_map_shows_an_identify_with_its_settings_and_its_create_call(
    run: "Run", write: "Write"
) -> None:
    assert mapped(run, write, ADA) == {
        "source": "a.ndjson",
        "line": 1,
        "type": "identify",
        "settings": {
            "segment_user_id": "1001",
            "email": "ada@example.com",
            "created_at": 1533310126,
            "language": "en",
            "properties": {
                "phone": "+442079460001",
                "language": "en",
                "plan": "pro",
                "address_city": "London",
                "vip": "true",
                "id": "1001",
            },
        },
        "calls": [
            {
                "method": "POST",
                "url": "https://api.wootric.com/v1/end_users",
                "form": {
                    "email": "ada@example.com",
                    "external_id": "1001",
                    "phone_number": "+442079460001",
                    "external_created_at": "1533310126",
                    "properties[language]": "en",
                    "properties[plan]": "pro",
                    "properties[address_city]": "London",
                    "properties[vip]": "true",
                },
            }
        ],
        "warnings": [],
    }


def test_map_shows_a_track_with_its_eligibility_check(run: "Run", write: "Write") -> None:
    record = SIGNED_UP | {"context": {"traits": {"email": "ada@example.com"}}}
    found = mapped(run, write, record)
    assert set(found) == {"source", "line", "type", "settings", "calls", "warnings"}
    assert found["settings"] == {
        "email": "ada@example.com",
        "event_name": "Signed Up",
        "properties": {"source": "newsletter"},
    }
    (call,) = found["calls"]
    url = urlsplit(call["url"])
    assert call["method"] == "GET"
    assert (
        f"{url.scheme}://{url.netloc}{url.path}" == "https://eligibility.wootric.com/eligible.json"
    )
    assert parse_qs(url.query) == {
        "email": ["ada@example.com"],
        "event_name": ["Signed Up"],
        "external_id": ["1001"],
        "properties[source]": ["newsletter"],
    }


def test_map_shows_a_page_with_its_pixel(run: "Run", write: "Write") -> None:
    found = mapped(run, write, PRICING | {"context": {"traits": {"email": "ada@example.com"}}})
    assert found["settings"] == {
        "page_info": {
            "url": "https://example.com/pricing",
            "path": "/pricing",
            "name": "Pricing",
            "category": "Docs",
        }
    }
    (call,) = found["calls"]
    url = urlsplit(call["url"])
    query = parse_qs(url.query)
    assert call["method"] == "GET"
    assert (url.netloc, url.path) == ("d8myem934l1zi.cloudfront.net", "/pixel.gif")
    assert query.pop("random")
    assert query == {
        "email": ["ada@example.com"],
        "url": ["https://example.com/pricing"],
        "page_info[name]": ["Pricing"],
        "page_info[path]": ["/pricing"],
    }


def test_map_shows_a_skip(run: "Run", write: "Write") -> None:
    found = mapped(run, write, OPTED_OUT)
    skipped = found.pop("skipped")
    assert found == {"source": "a.ndjson", "line": 1, "type": "track", "warnings": []}
    assert skipped["code"] == "integration_disabled"
    assert skipped["message"]
    assert set(skipped) <= {"code", "field", "message"}  # the field: segment.md 2


def test_map_shows_a_rejection(run: "Run", write: "Write") -> None:
    found = mapped(run, write, NOBODY)
    rejected = found.pop("rejected")
    assert found == {"source": "a.ndjson", "line": 1}
    assert set(rejected) == {"code", "field", "message"}
    assert rejected["code"] == "missing_identity"


def test_map_shows_the_settings_of_a_record_that_names_nobody(run: "Run", write: "Write") -> None:
    found = mapped(run, write, ANONYMOUS)
    assert found["skipped"]["code"] == "unidentified"
    assert found["settings"] == {"segment_user_id": "a", "properties": {"plan": "pro"}}
    assert "calls" not in found


def test_map_shows_the_warnings_of_a_record_that_is_skipped(run: "Run", write: "Write") -> None:
    nobody = {"type": "identify", "userId": "null", "traits": {"email": "none", "phone": "no"}}
    found = mapped(run, write, nobody)
    assert found["skipped"]["code"] == "unidentified"
    codes = sorted((each["code"], each["field"]) for each in found["warnings"])
    assert codes == [
        ("invalid_phone", "traits.phone"),
        ("placeholder_id", "traits.email"),
        ("placeholder_id", "userId"),
    ]


def test_map_shows_warnings_with_code_field_and_message(run: "Run", write: "Write") -> None:
    traits = {"email": "a@b.co", "createdAt": "garbage", "seats": 5}
    found = mapped(run, write, {"type": "identify", "userId": "1", "traits": traits})
    assert [set(each) for each in found["warnings"]] == [{"code", "field", "message"}] * 2
    codes = {each["code"] for each in found["warnings"]}
    assert codes == {"invalid_created_at", "integer_without_amount"}


def test_map_keeps_the_order_of_the_input_and_knows_no_duplicate(
    run: "Run", write: "Write"
) -> None:
    write("b.ndjson", *MIXED)
    write("a.ndjson", ADA)
    found = objects(run("map", "b.ndjson", "a.ndjson").stdout)
    places = [(each["source"], each["line"]) for each in found]
    assert places == [*(("b.ndjson", number) for number in range(1, 9)), ("a.ndjson", 1)]
    kinds = [next(key for key in ("skipped", "rejected", "calls") if key in each) for each in found]
    assert kinds == [*["calls"] * 3, *["skipped"] * 3, "rejected", "calls", "calls"]


def test_map_gives_an_object_for_each_record_of_a_batch(run: "Run", write: "Write") -> None:
    write("a.ndjson", {"batch": [ADA, SIGNED_UP, 3]}, PRICING)
    found = objects(run("map", "a.ndjson").stdout)
    assert [each["line"] for each in found] == [1, 1, 1, 2]
    assert found[2]["rejected"]["code"] == "not_an_object"


def test_the_accounts_region_picks_the_addresses(run: "Run", write: "Write") -> None:
    write("a.ndjson", ADA)
    for token, url in (
        ("NPS-12345678", "https://api.wootric.com/v1/end_users"),
        ("NPS-EU-12345678", "https://app.wootric.eu/api/v1/end_users"),
        ("NPS-AU-12345678", "https://app.wootric.au/api/v1/end_users"),
    ):
        done = run("map", "a.ndjson", environment={"WOOTRIC_ACCOUNT_TOKEN": token})
        assert objects(done.stdout)[0]["calls"][0]["url"] == url
    by_option = run("map", "--account-token", token, "a.ndjson")
    assert by_option.stdout == done.stdout


def test_map_ends_quietly_when_its_reader_has_seen_enough(start: "Start", write: "Write") -> None:
    write("a.ndjson", *[ADA] * 20_000)
    process = start("map", "a.ndjson")
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline().startswith(b'{"source":"a.ndjson","line":1,')
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) != 70


# dry-run


def test_a_dry_run_shows_each_field_with_its_value_and_where_it_came_from(
    run: "Run", write: "Write"
) -> None:
    write("a.ndjson", *MIXED)
    lines = [" ".join(line.split()) for line in run("dry-run", "a.ndjson").stdout.splitlines()]
    assert "ada@example.com" in lines[0]
    for field in (
        'email "ada@example.com" ← traits.email',
        'external_id "1001" ← userId',
        'external_created_at 1533310126 ← traits.createdAt "2018-08-03T15:28:46.493Z"',
        'properties.address_city "London" ← traits.address.city',
        'properties.vip "true" ← traits.vip true',
    ):
        assert any(line.endswith(field) for line in lines), field


def test_a_dry_run_counts_events_by_name_and_page_views_by_path(run: "Run", write: "Write") -> None:
    tracks = [SIGNED_UP | {"messageId": f"t-{n}"} for n in range(3)]
    pages = [PRICING | {"messageId": f"p-{n}"} for n in range(2)]
    write("a.ndjson", ADA, *tracks, *pages)
    lines = [line.split() for line in run("dry-run", "a.ndjson").stdout.splitlines()]
    assert ["3", "Signed", "Up"] in lines
    assert ["2", "/pricing"] in lines


def test_a_dry_run_says_that_all_events_are_counted(run: "Run", write: "Write") -> None:
    write("a.ndjson", ADA, SIGNED_UP)
    assert "registered" in run("dry-run", "a.ndjson").stdout


def test_a_dry_run_ends_in_one_line_of_totals(run: "Run", write: "Write") -> None:
    write("a.ndjson", *MIXED, *map(user, range(96)))
    lines = run("dry-run", "a.ndjson").stdout.splitlines()
    (total,) = [line for line in lines if line.startswith("Plan: ")]
    for part in (
        "97 to create",
        "0 to update",
        "0 unchanged",
        "1 eligibility check",
        "1 page view",
    ):
        assert part in total
    assert "99 API calls" in total
    assert (
        "A push takes 58 s at 100 a minute for each kind of call, Wootric's usual limit:" in lines
    )


@pytest.mark.parametrize("rate", ["50", "50/min"])
def test_the_rate_tells_how_long_a_push_takes(run: "Run", write: "Write", rate: str) -> None:
    write("a.ndjson", *map(user, range(100)))
    lines = run("dry-run", "--rate", rate, "a.ndjson").stdout
    assert "A push takes 2 min at --rate 50/min:" in lines
    # One page of the list; or each of the hundred is looked up by both ids, if they have two.
    assert "  auto: 101 calls, 2 min 1 s\n" in lines


@pytest.mark.parametrize("limit", [0, 7])
def test_limiting_the_users_shortens_the_text_and_never_the_totals(
    run: "Run", write: "Write", limit: int
) -> None:
    write(
        "a.ndjson", *map(user, range(50)), SIGNED_UP | {"userId": "49"}, PRICING | {"userId": "48"}
    )
    whole = run("dry-run", "a.ndjson").stdout
    short = run("dry-run", "--limit-users", str(limit), "a.ndjson").stdout
    assert sum(line.startswith("+ user") for line in short.splitlines()) == limit
    assert sum(line.startswith("+ user") for line in whole.splitlines()) == 50
    tail = whole[whole.index("Eligibility checks") :]
    assert short.endswith(tail)


def test_a_dry_run_for_programs_is_one_object_a_change_and_a_summary(
    run: "Run", write: "Write"
) -> None:
    write("a.ndjson", *MIXED)
    *changes, last = objects(run("dry-run", "--format", "json", "a.ndjson").stdout)
    assert last == {
        "summary": {
            "version": 1,
            "records": 8,
            "mapped": 3,
            "skipped": {
                "integration_disabled": 1,
                "unsupported_type": 1,
                "unidentified": 1,
                "duplicate": 1,
            },
            "unidentified": {"anonymous": 1},
            "rejected": {"missing_identity": 1},
            "failed": {},
            "warnings": {},
            "ignored_warnings": 0,
            "ambiguous_anonymous_ids": 0,
            "create": 1,
            "update": 0,
            "unchanged": 0,
            "left": 0,
            "eligibility_checks": 1,
            "page_views": 1,
            "responses": 0,
            "declines": 0,
            "surveys_off": 0,
            "kept_off": 0,
            "api_calls": 3,
            "events_not_registered": [],
            "unknown_users": [],
            "unknown_events": [],
            "unmet_rules": [],
            "passed_over": {"count": 0, "files": []},
            "rejected_details": [
                {
                    "code": "missing_identity",
                    "count": 1,
                    "places": [
                        {
                            "source": "a.ndjson",
                            "line": 7,
                            "field": "userId",
                            "message": "give the record a userId or an anonymousId, "
                            "as text that is not empty",
                        }
                    ],
                }
            ],
            "failed_details": [],
            "warning_details": [],
            "forecast": {
                "least": 3,
                "most": 3,
                "least_seconds": 0.6,
                "seconds": 0.6,
                "calls_a_minute": 100.0,
                "kinds": {
                    "create": {"calls": 1, "seconds": 0.6},
                    "eligibility_check": {"calls": 1, "seconds": 0.6},
                    "page_view": {"calls": 1, "seconds": 0.6},
                },
            },
            "eligible_at_once": 1,
            "ways": {
                "auto": {"least": 4, "most": 4, "least_seconds": 1.2, "seconds": 1.2},
                "account": {"least": 5, "most": 5, "least_seconds": 1.2, "seconds": 1.2},
                "snapshot_first": {"least": 4, "most": 4, "least_seconds": 1.2, "seconds": 1.2},
                "csv": {"files": 1, "end_users": 1},
            },
            "unidentified_file": None,
            "thresholds": [],
            "baseline": {"known": 0, "gone": {}},
            "exit_code": 1,
        },
    }
    assert [each["action"] for each in changes] == ["create", "eligibility_check", "page_view"]


def test_the_two_formats_of_a_dry_run_agree(run: "Run", write: "Write") -> None:
    write("a.ndjson", *MIXED, *map(user, range(30)))
    text = run("dry-run", "a.ndjson").stdout
    *changes, last = objects(run("dry-run", "--format", "json", "a.ndjson").stdout)
    summary = last["summary"]
    assert sum(each["action"] == "create" for each in changes) == summary["create"] == 31
    assert f"{summary['create']} to create" in text
    assert f"{summary['api_calls']} API calls" in text
    skipped, rejected = sum(summary["skipped"].values()), sum(summary["rejected"].values())
    assert summary["records"] == summary["mapped"] + skipped + rejected


def test_a_dry_run_needs_no_credentials_and_heeds_none(run: "Run", write: "Write") -> None:
    write("a.ndjson", ADA)
    bare = run("dry-run", "a.ndjson")
    wrong = {"WOOTRIC_ACCOUNT_TOKEN": "nonsense", "WOOTRIC_CLIENT_ID": "x"}
    assert run("dry-run", "a.ndjson", environment=wrong).stdout == bare.stdout


def test_a_dry_run_against_the_sandbox_counts_its_registered_events(
    run: "Run", write: "Write"
) -> None:
    write("a.ndjson", ADA, SIGNED_UP, SIGNED_UP | {"messageId": "m-9", "event": "Unheard Of"})
    done = run("dry-run", "--sandbox", "--format", "json", "a.ndjson")
    assert done.returncode == 0
    summary = objects(done.stdout)[-1]["summary"]
    assert summary["eligibility_checks"] == 1
    assert summary["skipped"] == {"event_not_registered": 1}


# Sources


def test_a_file_named_twice_is_read_once(run: "Run", write: "Write", tmp_path: Path) -> None:
    write("a.ndjson", ADA)
    (tmp_path / "link.ndjson").symlink_to("a.ndjson")
    done = run("map", "a.ndjson", "./a.ndjson", "link.ndjson", ".")
    assert len(done.stdout.splitlines()) == 1


def test_a_folder_is_searched(run: "Run", write: "Write", tmp_path: Path) -> None:
    write("logs/b/2.jsonl", ADA)
    write("logs/readme.txt", b"not an export")
    packed = tmp_path / "logs" / "a" / "1.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(orjson.dumps(SIGNED_UP)))
    sources = [each["source"] for each in objects(run("map", "logs").stdout)]
    assert sources == ["logs/a/1.gz", "logs/b/2.jsonl"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_is_read_plain_or_gzipped(run: "Run", pack: type[bytes]) -> None:
    content = b"\n".join(orjson.dumps(each) for each in (ADA, SIGNED_UP))
    found = objects(run("map", "-", stdin=pack(content)).stdout)
    assert [(each["source"], each["line"], each["type"]) for each in found] == [
        ("-", 1, "identify"),
        ("-", 2, "track"),
    ]


def test_standard_input_and_files_may_be_mixed(run: "Run", write: "Write") -> None:
    write("a.ndjson", ADA)
    done = run("map", "a.ndjson", "-", "-", stdin=orjson.dumps(SIGNED_UP))
    assert [each["source"] for each in objects(done.stdout)] == ["a.ndjson", "-"]


def test_a_keyboard_as_standard_input_is_refused_and_not_waited_for(start: "Start") -> None:
    master, slave = pty.openpty()
    try:
        process = start("validate", "-", stdin=slave)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 2
        assert b"pipe" in errors
    finally:
        os.close(master)
        os.close(slave)


# A push to the embedded sandbox; tests/e2e has the rest


def test_a_push_to_the_sandbox_needs_no_credentials_and_ends_in_0(
    run: "Run", write: "Write", tmp_path: Path
) -> None:
    write("a.ndjson", ADA, SIGNED_UP, PRICING)
    done = run("push", "--sandbox", "a.ndjson")
    assert done.returncode == 0, done.stderr
    rows = {line.split("  ")[0]: line.split() for line in done.stdout.splitlines()}
    assert "1" in rows["Created"]
    assert "0" in rows["Failed"]
    assert not (tmp_path / "rejects.ndjson").exists()


def test_a_push_keeps_what_was_rejected_to_be_tried_again(
    run: "Run", write: "Write", tmp_path: Path
) -> None:
    write("a.ndjson", ADA, NOBODY)
    done = run("push", "--sandbox", "--rejects", "bad.ndjson", "a.ndjson")
    assert done.returncode == 1
    kept = objects((tmp_path / "bad.ndjson").read_text())
    assert [(each["source"], each["line"], each["code"]) for each in kept] == [
        ("a.ndjson", 2, "missing_identity")
    ]
    assert orjson.loads(kept[0]["record"]) == NOBODY
    (again,) = objects(run("map", "bad.ndjson").stdout)
    assert again["rejected"]["code"] == "missing_identity"


def test_a_quiet_push_that_goes_well_says_nothing(run: "Run", write: "Write") -> None:
    write("a.ndjson", ADA)
    done = run("push", "--sandbox", "--quiet", "a.ndjson")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Terminals and signals


def on_a_terminal(start: "Start", *args: str) -> str:
    master, slave = pty.openpty()
    process = start(*args, stdout=slave, stderr=subprocess.DEVNULL)
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
    return shown.decode()


def test_the_diff_has_colour_on_a_terminal_and_none_in_a_pipe(
    run: "Run", start: "Start", write: "Write"
) -> None:
    write("a.ndjson", ADA)
    assert "\x1b[" in on_a_terminal(start, "dry-run", "a.ndjson")
    assert "\x1b" not in run("dry-run", "a.ndjson").stdout


def test_an_interrupted_run_ends_in_130_without_a_traceback(start: "Start", tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slow")
    process = start("validate", "slow")
    with (tmp_path / "slow").open("wb"):  # opens once the command reads
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in errors
