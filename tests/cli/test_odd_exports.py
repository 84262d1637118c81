"""Exports in the shape of real trouble, as the installed command reads them: segment.md 1, 3, 5 and 8."""

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Run, Write


def identify(number: int, **other: Any) -> dict[str, Any]:
    return {
        "type": "identify",
        "userId": f"u{number}",
        "messageId": f"m{number}",
        "timestamp": f"2022-01-01T00:00:0{number}Z",
        "traits": {"email": f"u{number}@x.example"},
        **other,
    }


def summary(run: "Run", *args: Any) -> dict[str, Any]:
    """The last line of a dry run as JSON."""
    done = run("dry-run", "--format", "json", *args)
    held: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return held


def mapped(run: "Run", *args: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("map", *args).stdout.splitlines()]


def test_records_joined_on_a_line_are_read_by_each_command(run: "Run", write: "Write") -> None:
    lines = [json.dumps(identify(number)).encode() for number in range(4)]
    path = write("a.ndjson", b"".join(lines[:2]), lines[2] + b",", lines[3])
    assert run("validate", path).returncode == 0
    assert summary(run, path)["summary"]["mapped"] == 4
    found = mapped(run, path)
    assert [each["line"] for each in found] == [1, 1, 2, 3]
    assert [each["settings"]["segment_user_id"] for each in found] == ["u0", "u1", "u2", "u3"]


def test_a_joined_record_that_is_wrong_is_kept_alone_in_the_rejects(
    run: "Run", write: "Write"
) -> None:
    good, bad = json.dumps(identify(1)), json.dumps({"type": "identify"})
    path = write("a.ndjson", f"{good}{bad}{good}".encode())
    rejects = path.with_name("rejects.ndjson")
    done = run("push", "--sandbox", path, "--rejects", rejects)
    assert done.returncode == 1
    (entry,) = map(json.loads, rejects.read_text().splitlines())
    assert (entry["line"], entry["code"], entry["record"]) == (1, "missing_identity", bad)


RUDDER = {
    "type": "identify",
    "userId": "rs-9",
    "messageId": "rs-1",
    "timestamp": "2022-03-01T10:00:00.500Z",
    "receivedAt": "2022-03-01T10:00:02.000Z",
    "integrations": {"All": True},
    "context": {
        "traits": {"email": "tove@rs.example", "plan": "growth", "createdAt": "2021-11-02"}
    },
}
"""As RudderStack writes it: the traits stand in the context."""


@pytest.mark.parametrize(
    ("options", "traits", "email"),
    [
        ([], {}, "tove@rs.example"),
        (["--traits-from", "auto"], None, "tove@rs.example"),
        (["--traits-from", "context"], {"email": "own@rs.example"}, "tove@rs.example"),
        ([], {"email": "own@rs.example"}, "own@rs.example"),
        (["--traits-from", "traits"], {"email": "own@rs.example"}, "own@rs.example"),
        (["--traits-from", "traits"], {}, None),
    ],
)
def test_traits_are_taken_from_where_the_option_says(
    run: "Run", write: "Write", options: list[str], traits: object, email: str | None
) -> None:
    path = write("a.ndjson", {**RUDDER, "traits": traits})
    (found,) = mapped(run, *options, path)
    assert found["settings"].get("email") == email
    changes = run("dry-run", "--format", "json", *options, path).stdout
    assert ("tove@rs.example" in changes) == (email == "tove@rs.example")
    assert ("own@rs.example" in changes) == (email == "own@rs.example")
    if email == "tove@rs.example":
        assert "1635811200" in changes
        assert "growth" in changes


CONSENT = [
    identify(1, context={"consent": {"destinationPreferences": {"Wootric": False}}}),
    identify(2, context={"consent": {"categoryPreferences": {"a": False, "b": False}}}),
    identify(3, context={"consent": {"categoryPreferences": {"a": True, "b": False}}}),
    identify(4, context={"consent": {"categoryPreferences": {"a": True, "b": True}}}),
    identify(5, integrations={"InMoment": "no"}),
    identify(6, providers={"all": False}),
    identify(7),
]


@pytest.mark.parametrize(
    ("options", "skipped", "unjudged"),
    [
        ([], {"consent_withheld": 2, "integration_disabled": 2}, 1),
        (["--ignore-integrations"], {"consent_withheld": 2}, 1),
        (["--consent-category", "a"], {"consent_withheld": 2, "integration_disabled": 2}, 0),
        (["--consent-category", "b"], {"consent_withheld": 3, "integration_disabled": 2}, 0),
        (
            ["--consent-category", "a", "--consent-category", "b"],
            {"consent_withheld": 3, "integration_disabled": 2},
            0,
        ),
    ],
)
def test_who_said_no_is_skipped_by_each_command(
    run: "Run", write: "Write", options: list[str], skipped: dict[str, int], unjudged: int
) -> None:
    path = write("a.ndjson", *CONSENT)
    found = summary(run, *options, path)["summary"]
    assert found["skipped"] == skipped
    assert found["warnings"].get("consent_not_judged", 0) == unjudged
    validated = json.loads(run("validate", "--format", "json", *options, path).stdout)
    assert {code: each["count"] for code, each in validated["skipped"].items()} == skipped
    pushed = run("push", "--sandbox", *options, path)
    for code, count in skipped.items():
        assert f"{code} {count}" in pushed.stdout + pushed.stderr
    codes = [each["skipped"]["code"] for each in mapped(run, *options, path) if "skipped" in each]
    assert {code: codes.count(code) for code in set(codes)} == skipped


def test_the_new_options_have_no_place_beside_a_plan(run: "Run", write: "Write") -> None:
    plan = write("plan.ndjson", {})
    for option, value in (("--consent-category", "a"), ("--traits-from", "context")):
        done = run("push", "--plan", plan, option, value)
        assert done.returncode == 2
        assert option in done.stderr


def test_the_help_says_that_consent_holds_all_the_same(run: "Run") -> None:
    output = " ".join(run("dry-run", "--help").stdout.split())
    assert "not if their user withholds consent" in output
    assert "--consent-category NAME" in output
    assert "--traits-from [auto|traits|context]" in output


def test_placeholders_make_nobody_one_person(run: "Run", write: "Write") -> None:
    same = [
        identify(number, userId="undefined", anonymousId=" NULL", messageId="0")
        for number in range(5)
    ]
    path = write("a.ndjson", *same, {"type": "page", "userId": "undefined"})
    found = summary(run, path)["summary"]
    assert found["create"] == 5
    assert found["skipped"] == {"unidentified": 1}
    assert found["warnings"]["placeholder_id"] == 3
    counts = {each["subject"]: each["count"] for each in found["warning_details"]}
    assert counts == {"undefined": 6, "null": 5, "0": 5}
    warnings = mapped(run, path)[0]["warnings"]
    assert [each["code"] for each in warnings] == ["placeholder_id"] * 3
    assert run("validate", path).returncode == 0


def test_a_clock_in_the_future_does_not_win(run: "Run", write: "Write") -> None:
    early = identify(1, timestamp="2031-06-04T11:36:12.799Z", receivedAt="2024-05-21T00:08:55Z")
    early["traits"]["plan"] = "trial"
    later = identify(
        1, messageId="m2", timestamp="2025-05-21T00:08:54Z", traits={"plan": "enterprise"}
    )
    path = write("a.ndjson", early, later)
    output = run("dry-run", path).stdout
    assert "enterprise" in output
    assert "trial" not in output
    assert "future_timestamp" in output


def test_long_integers_keep_their_digits_to_the_end(run: "Run", write: "Write") -> None:
    line = (
        b'{"type":"identify","userId":7.3852952793126938e17,"timestamp":"2022-01-01T00:00:00Z",'
        b'"traits":{"email":"a@b.co","n":184467440737095516150,"o":{"n":[184467440737095516150]}}}'
    )
    path = write("a.ndjson", line)
    output = run("dry-run", path).stdout
    assert output.count("184467440737095516150") >= 2
    assert "738529527931269380" in output
    (found,) = mapped(run, path)
    assert found["settings"]["properties"]["o_n"] == "184467440737095516150"
    assert run("push", "--sandbox", path).returncode == 0


# A file of texts, and lines with something before the record


@pytest.mark.parametrize("before", ["", "\x1e", "key\t", "2022-01-01T00:00:00Z tag, x "])
@pytest.mark.parametrize("count", [1, 2, 30])
def test_what_stands_around_records_is_no_csv(
    run: "Run", write: "Write", before: str, count: int
) -> None:
    record = '{"type":"identify","userId":"u%d","traits":{"email":"a%d@b.co","plan":"x,y"}}'
    lines = [record % (nth, nth) for nth in range(count)]
    told = [before + line if before else json.dumps(line) for line in lines]
    write("a.ndjson", *[line.encode() for line in told])
    done = run("validate", "--format", "json", "a.ndjson")
    found = json.loads(done.stdout)
    assert found["records"] == count
    (code,) = found["rejected"]
    message = found["rejected"][code]["places"][0]["message"]
    assert "CSV" not in message
    command = message.partition("convert it: ")[2]
    assert ("fromjson" in command) != bool(before)
    assert command.startswith("sed ") == bool(before)


def test_a_file_of_joined_records_that_breaks_off_keeps_those_before(
    run: "Run", write: "Write"
) -> None:
    record = b'{"type":"identify","userId":"u%d","traits":{"email":"a%d@b.co"}}'
    joined = b"".join(record % (nth, nth) for nth in range(500))
    write("a.ndjson", joined[:-30])
    Path(write("b.ndjson", b"")).with_name("b.gz").write_bytes(gzip.compress(joined)[:-60])
    for name, code in (("a.ndjson", "invalid_json"), ("b.gz", "truncated_input")):
        found = json.loads(run("validate", "--format", "json", name).stdout)
        assert found["valid"] > 400
        assert {each: found["rejected"][each]["count"] for each in found["rejected"]} == {code: 1}
