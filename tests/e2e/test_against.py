"""What an export is compared with, what the diff shows of it, and what it costs in calls."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from replaying import Diff, Environment, Replay, alias, at, by_device, identify, page, track
from starlette.responses import JSONResponse

from wootric_map.sandbox import Fault, SandboxRequest, SandboxSettings

ADA = "ada@example.com"
BYRON = "byron@example.com"
CLARA = "clara@example.com"

OFFLINE: Environment = {
    "WOOTRIC_ACCOUNT_TOKEN": None,
    "WOOTRIC_CLIENT_ID": None,
    "WOOTRIC_CLIENT_SECRET": None,
    "WOOTRIC_BASE_URL": "http://127.0.0.1:9",
}
"""No credentials, and nobody to talk to."""


@pytest.fixture(params=["account", "snapshot"])
def known(replay: Replay, request: pytest.FixtureRequest) -> Any:
    """Compares an export with what the account holds: asked, or as a snapshot has it."""

    def diff(*args: Any) -> Diff:
        if request.param == "account":
            return replay.diff("--against", "account", *args)
        return replay.diff("--against", replay.snapshot(), *args, env=OFFLINE)

    return diff


def end_user_calls(replay: Replay, start: int = 0) -> Counter[str]:
    """How the end users were read and written, from the request of that number on."""
    return Counter(
        str(request["method"])
        for request in replay.sandbox.requests[start:]
        if str(request["path"]).startswith("/v1/end_users")
    )


# Nothing, the account, a snapshot.


@pytest.mark.parametrize(
    ("args", "env"),
    [
        ((), {"WOOTRIC_ACCOUNT_TOKEN": None}),
        ((), {"WOOTRIC_CLIENT_ID": None}),
        ((), {"WOOTRIC_CLIENT_SECRET": None}),
        (("--registered-event", "Signed Up"), {}),
        (("--sandbox",), {}),
        (("--against", "nothing"), {}),
    ],
)
def test_without_credentials_a_dry_run_is_against_nothing_and_opens_no_connection(
    replay: Replay, args: tuple[str, ...], env: dict[str, str | None]
) -> None:
    replay.holds("1", ADA)
    export = replay.write([identify("1", ADA), page("1"), track("1")])
    done = replay.run("dry-run", *args, export, env=env, against=None)
    assert "Plan: 1 to create, 0 to update" in done.stdout
    assert replay.paths() == []


@pytest.mark.parametrize("login", [(), ("--username", "ada", "--password-file", "secret")])
def test_with_credentials_a_dry_run_is_against_the_account(
    replay: Replay, login: tuple[str, ...]
) -> None:
    replay.holds("1", ADA, plan="free")
    export = replay.write([identify("1", ADA, plan="pro"), identify("2", BYRON)])
    settings = replay.sandbox.settings
    (replay.folder / "secret").write_text(settings.password)
    login = tuple(settings.username if each == "ada" else each for each in login)
    done = replay.run("dry-run", *login, export, against=None)
    assert "Plan: 1 to create, 1 to update, 0 unchanged; " in done.stdout, done.stderr
    assert "2 API calls, and no look-ups." in done.stdout
    assert replay.paths() == ["/oauth/token", "/registered_events.json", "/v1/end_users"]


def test_a_dry_run_looks_up_whom_the_list_does_not_tell_of(replay: Replay) -> None:
    for number in range(110):
        replay.holds(f"other{number}", f"other{number}@example.com")
    replay.holds("1", ADA, plan="free")
    export = replay.write([identify("1", ADA, plan="pro"), identify("2", BYRON)])
    diff = replay.diff("--against", "auto", export)
    assert diff.writes == (1, 1)
    # Two pages of three: a third would have cost as much as it could save. Then one look-up, and two.
    assert replay.paths("GET").count("/v1/end_users") == 2
    assert sum(path.startswith("/v1/end_users/") for path in replay.paths("GET")) == 3
    assert diff.summary["ways"]["auto"]["least"] == 2 + 2
    assert diff.summary["ways"]["account"]["least"] == 3 + 2
    assert diff.summary["ways"]["snapshot_first"]["most"] is None


def test_a_dry_run_reads_the_list_that_pushes_keep_and_leaves_it_as_it_is(replay: Replay) -> None:
    for number in range(60):
        replay.holds(f"u{number}", f"u{number}@example.com", plan="free")
    export = replay.write(
        identify(f"u{number}", f"u{number}@example.com", plan="free") for number in range(60)
    )
    assert replay.push(export).returncode == 0
    kept = [each for each in (replay.folder / "state").rglob("*") if each.is_file()]
    assert any(each.name.endswith(".end_users") for each in kept)
    before = {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in kept}
    start = len(replay.sandbox.requests)
    assert replay.diff("--against", "auto", export).summary["unchanged"] == 60
    asked = [str(each["path"]) for each in replay.sandbox.requests[start:]]
    assert not any(path.startswith("/v1/end_users/") for path in asked)
    assert {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in before} == before


def test_a_list_that_makes_no_sense_is_told_once_and_all_are_looked_up(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    def senseless(request: SandboxRequest) -> Fault | None:
        is_list = request.method == "GET" and request.path == "/v1/end_users"
        return Fault(JSONResponse({"no": "list"}, 200)) if is_list else None

    replay = replaying(SandboxSettings(faults=(senseless,)))
    replay.holds("1", ADA, plan="free")
    export = replay.write([identify("1", ADA, plan="pro"), identify("2", BYRON)])
    done = replay.run("dry-run", "--against", "auto", export)
    assert "Plan: 1 to create, 1 to update" in done.stdout
    told = "The list of the account's end users can't be used: "
    assert done.stderr.count(told) == 1
    assert "The account is asked about end users one by one." in done.stderr


def test_registered_events_have_no_place_beside_an_account_that_is_asked(replay: Replay) -> None:
    export = replay.write([identify("1", ADA)])
    for against in ("auto", "account"):
        done = replay.run("dry-run", "--registered-event", "X", "--against", against, export)
        assert done.returncode == 2
        assert f"--registered-event has no place beside --against {against}" in done.stderr


def test_a_plan_made_with_the_fewest_calls_is_a_plan_against_the_account(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    export = replay.write([identify("1", ADA, plan="pro"), identify("2", BYRON)])
    plan = replay.plan("--against", "auto", export)
    assert orjson.loads(plan.read_bytes().splitlines()[0])["against"] == "account"
    assert replay.push("--plan", plan).returncode == 0
    assert replay.users()["1"]["properties"] == {"plan": "pro"}


def test_a_push_is_against_the_account_unless_told(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    replay.push(replay.write([identify("1", ADA, plan="pro")]))
    assert end_user_calls(replay) == {"GET": 1, "PUT": 1}


def test_a_dry_run_against_the_account_writes_nothing(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    export = replay.write([identify("1", ADA, plan="pro"), identify("2", BYRON), page("1")])
    assert replay.diff("--against", "account", export).writes == (1, 1)
    assert set(end_user_calls(replay)) == {"GET"}
    assert not {"/pixel.gif", "/eligible.json"} & set(replay.paths())
    assert len(replay.users()) == 1


def test_a_dry_run_against_a_snapshot_needs_no_credentials_and_no_connection(
    replay: Replay,
) -> None:
    replay.holds("1", ADA, plan="free")
    snapshot = replay.snapshot()
    asked = len(replay.paths())
    export = replay.write([identify("1", ADA, plan="pro"), identify("2", BYRON)])
    assert replay.diff("--against", snapshot, export).writes == (1, 1)
    assert replay.diff("--against", snapshot, export, env=OFFLINE).writes == (1, 1)
    assert len(replay.paths()) == asked


def test_a_snapshot_shows_the_account_as_it_was_then(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free")
    snapshot = replay.snapshot()
    export = replay.write([identify("1", ADA, plan="pro")])
    replay.push(export)
    assert replay.diff("--against", snapshot, export).writes == (0, 1)
    assert replay.diff("--against", "account", export).writes == (0, 0)


def test_a_dry_run_against_the_account_needs_credentials(replay: Replay) -> None:
    export = replay.write([identify("1", ADA)])
    done = replay.run("dry-run", "--against", "account", export, env=OFFLINE)
    assert done.returncode == 2
    assert "credentials" in done.stderr or "account" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["dry-run", "push"])
@pytest.mark.parametrize("content", [None, b"nonsense\n", b'{"id":1}\n', b"\xff\x00"])
def test_what_is_no_snapshot_is_wrong_usage(
    replay: Replay, command: str, content: bytes | None
) -> None:
    if content is not None:
        (replay.folder / "no-snapshot").write_bytes(content)
    done = replay.run(command, "--against", "no-snapshot", replay.write([identify("1", ADA)]))
    assert done.returncode == 2
    assert "no-snapshot" in done.stderr
    assert "Traceback" not in done.stderr
    assert replay.users() == {}


# What the diff shows.


def test_an_update_lists_only_what_differs_with_the_value_before(
    replay: Replay, known: Any
) -> None:
    replay.holds("1", ADA, plan="free", city="Rome")
    diff = known(replay.write([identify("1", ADA, plan="pro", city="Rome")]))
    line = diff.lines[0]
    assert (line["action"], line["end_user"]["id"]) == ("update", 1)
    (field,) = line["fields"]
    assert (field["field"], field["before"], field["after"]) == ("properties.plan", "free", "pro")


def test_what_wootric_did_not_have_is_shown_without_a_value_before(
    replay: Replay, known: Any
) -> None:
    replay.holds("1", ADA)
    diff = known(replay.write([identify("1", ADA, plan="pro", phone="+44 1111")]))
    fields = {field["field"]: field for field in diff.lines[0]["fields"]}
    assert set(fields) == {"phone_number", "properties.plan"}
    assert all(field.get("before") is None for field in fields.values())


def test_what_did_not_change_is_counted_and_not_listed(replay: Replay, known: Any) -> None:
    replay.holds("1", ADA, plan="pro")
    replay.holds("2", BYRON)
    diff = known(replay.write([identify("1", ADA, plan="pro"), identify("2", BYRON)]))
    assert (diff.writes, diff.summary["unchanged"]) == ((0, 0), 2)
    assert len(diff.lines) == 1


def test_create_update_and_unchanged_are_told_apart(replay: Replay, known: Any) -> None:
    replay.holds("1", ADA)
    replay.holds("2", BYRON)
    users = [identify("1", ADA), identify("2", BYRON, plan="pro"), identify("3", CLARA)]
    diff = known(replay.write(users))
    assert (diff.writes, diff.summary["unchanged"]) == ((1, 1), 1)
    assert diff.user("create") == {"email": CLARA, "external_id": "3"}
    assert diff.user("update") == {"properties.plan": "pro"}


def test_the_text_marks_create_and_update(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free", city="Rome")
    users = [identify("1", ADA, plan="pro", city="Rome"), identify("2", BYRON, plan="pro")]
    shown = replay.run("dry-run", "--against", "account", replay.write(users)).stdout
    assert re.search(r"^~ .*ada@example\.com", shown, re.MULTILINE)
    assert re.search(r'^ +~ properties\.plan +"free" → "pro"', shown, re.MULTILINE)
    assert re.search(r"^\+ .*byron@example\.com", shown, re.MULTILINE)
    assert re.search(r'^ +\+ properties\.plan +"pro"', shown, re.MULTILINE)
    assert "properties.city" not in shown
    assert "1 to create, 1 to update, 0 unchanged" in shown


def test_the_text_counts_the_unchanged(replay: Replay) -> None:
    replay.holds("1", ADA)
    shown = replay.run("dry-run", "--against", "account", replay.write([identify("1", ADA)])).stdout
    assert "0 to create, 0 to update, 1 unchanged" in shown
    assert ADA not in shown


# What differs, and what does not.


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"seats": "5"}, {"seats": 5}),
        ({"ratio": "0.5"}, {"ratio": 0.5}),
        ({"vip": "true"}, {"vip": True}),
        ({"trial_date": "1711929600"}, {"trial": "2024-04-01"}),
        ({"tags": "a, b"}, {"tags": ["a", "b"]}),
        ({"external_created_at": 1533310126}, {"createdAt": "2018-08-03T15:28:46.493Z"}),
        ({"phone_number": "441111"}, {"phone": 441111}),
    ],
)
def test_numbers_and_other_values_equal_their_text(
    replay: Replay, known: Any, held: dict[str, Any], said: dict[str, Any]
) -> None:
    replay.holds("1", ADA, **held)
    diff = known(replay.write([identify("1", ADA, **said)]))
    assert (diff.writes, diff.summary["unchanged"]) == ((0, 0), 1)


def test_numbers_that_differ_do_differ(replay: Replay, known: Any) -> None:
    replay.holds("1", ADA, seats="5", external_created_at=1533310126)
    diff = known(replay.write([identify("1", ADA, seats=6, createdAt=1533310127)]))
    assert diff.user("update") == {"external_created_at": 1533310127, "properties.seats": 6}


def test_properties_that_the_export_does_not_have_are_left_alone(
    replay: Replay, known: Any
) -> None:
    replay.holds("1", ADA, plan="free", phone_number="+44 1111", external_created_at=1)
    export = replay.write([identify("1", ADA)])
    assert known(export).writes == (0, 0)
    replay.push(replay.write([identify("1", ADA, city="Rome")]))
    ada = replay.users()["1"]
    assert ada["properties"] == {"plan": "free", "city": "Rome"}
    assert (ada["phone_number"], ada["external_created_at"]) == ("+44 1111", 1)


def test_the_spelling_of_an_email_is_no_difference(replay: Replay, known: Any) -> None:
    replay.holds("1", ADA)
    diff = known(replay.write([identify("1", " Ada@Example.COM")]))
    assert (diff.writes, diff.summary["unchanged"]) == ((0, 0), 1)


# Whom the account knows, and by what.


def test_a_user_known_by_external_id_gets_the_new_email(replay: Replay, known: Any) -> None:
    replay.holds("1", ADA)
    assert known(replay.write([identify("1", BYRON)])).user("update") == {"email": BYRON}


def test_a_user_known_by_email_gets_the_external_id(replay: Replay, known: Any) -> None:
    replay.holds(None, ADA)
    assert known(replay.write([identify("1", "ADA@example.com")])).user("update") == {
        "external_id": "1"
    }


def test_a_user_known_by_phone_is_found_by_a_record_with_a_phone_alone(
    replay: Replay, known: Any
) -> None:
    replay.holds("1", ADA, phone_number="+44 1111")
    by_phone = by_device("d", identify("", phone="+44 1111", plan="pro"))
    assert known(replay.write([by_phone])).user("update") == {"properties.plan": "pro"}


def test_a_phone_of_somebody_elses_does_not_name_a_user_with_id_or_email(
    replay: Replay, known: Any
) -> None:
    replay.holds("1", ADA, phone_number="+44 1111")
    diff = known(replay.write([identify("2", BYRON, phone="+44 1111")]))
    assert diff.writes == (1, 0)


def test_an_identify_without_email_updates_a_user_whom_the_account_knows(
    replay: Replay, known: Any
) -> None:
    replay.holds("1", ADA)
    diff = known(replay.write([identify("1", plan="pro"), identify("2", plan="pro")]))
    assert diff.user("update") == {"properties.plan": "pro"}
    assert diff.summary["skipped"] == {"unidentified": 1}


# What it costs.


PHONE = "+44 1111"


@pytest.mark.parametrize(
    ("held", "said", "calls"),
    [
        pytest.param(("1", ADA), identify("1", ADA), {"GET": 1}, id="found by id, unchanged"),
        pytest.param(
            ("1", ADA), identify("1", ADA, plan="pro"), {"GET": 1, "PUT": 1}, id="found by id"
        ),
        pytest.param(
            ("1", ADA), identify("1", BYRON), {"GET": 1, "PUT": 1}, id="found by id, other email"
        ),
        pytest.param(
            (None, ADA), identify("1", ADA), {"GET": 2, "PUT": 1}, id="found by email after id"
        ),
        pytest.param(
            (None, ADA),
            identify("1", ADA, phone=PHONE),
            {"GET": 2, "PUT": 1},
            id="found by email after id, with a phone",
        ),
        pytest.param(None, identify("1", ADA), {"GET": 2, "POST": 1}, id="new"),
        pytest.param(
            None, identify("1", ADA, phone=PHONE), {"GET": 2, "POST": 1}, id="new, with a phone"
        ),
        pytest.param(
            None, by_device("d", identify("", ADA)), {"GET": 1, "POST": 1}, id="new, email alone"
        ),
        pytest.param(
            ("1", ADA), by_device("d", identify("", ADA)), {"GET": 1}, id="found by email alone"
        ),
        pytest.param(
            None,
            by_device("d", identify("", phone=PHONE)),
            {"GET": 1, "POST": 1},
            id="new, phone alone",
        ),
        pytest.param(None, identify("1", plan="pro"), {"GET": 1}, id="id alone, unknown"),
    ],
)
def test_against_the_account_an_end_user_costs_no_more_look_ups_than_it_takes(
    replay: Replay,
    held: tuple[str | None, str] | None,
    said: dict[str, Any],
    calls: dict[str, int],
) -> None:
    if held:
        replay.holds(*held)
    done = replay.push("--against", "account", replay.write([said]))
    assert done.returncode == 0, done.stderr
    assert end_user_calls(replay) == calls


def test_a_dry_run_against_the_account_reads_as_much_as_a_push(replay: Replay) -> None:
    replay.holds("1", ADA)
    replay.holds(None, BYRON)
    users = [identify("1", ADA), identify("2", BYRON), identify("3", CLARA)]
    replay.diff("--against", "account", replay.write(users))
    assert end_user_calls(replay) == {"GET": 1 + 2 + 2}


def test_an_end_user_is_looked_up_once_however_many_events_follow(replay: Replay) -> None:
    replay.holds("1", ADA)
    replay.push(replay.write([track("1"), page("1"), page("1"), track("1")]))
    assert end_user_calls(replay) == {"GET": 1}


def test_against_a_snapshot_each_changed_user_costs_a_write_and_nothing_costs_a_read(
    replay: Replay,
) -> None:
    for number in range(6):
        replay.holds(f"u{number}", f"u{number}@example.com", plan="free")
    snapshot = replay.snapshot()
    asked = len(replay.paths())
    unchanged = [identify(f"u{n}", f"u{n}@example.com", plan="free") for n in range(4)]
    changed = [identify(f"u{n}", f"u{n}@example.com", plan="pro") for n in (4, 5)]
    new = [identify(f"u{n}", f"u{n}@example.com", phone=PHONE) for n in range(6, 9)]
    done = replay.push("--against", snapshot, replay.write(unchanged + changed + new))
    assert done.returncode == 0, done.stderr
    assert end_user_calls(replay, asked) == {"PUT": 2, "POST": 3}
    assert len(replay.users()) == 9


def test_an_update_against_a_snapshot_sends_only_what_differs(replay: Replay) -> None:
    replay.holds("1", ADA, plan="free", city="Rome")
    snapshot = replay.snapshot()
    export = replay.write([identify("1", ADA, plan="pro", city="Rome")])
    replay.push("--against", snapshot, export)
    (update,) = [each for each in replay.sandbox.requests if each["method"] == "PUT"]
    assert update["path"] == "/v1/end_users/1"
    assert update["form"] == {"properties[plan]": "pro"}


def test_against_nothing_each_end_user_costs_a_write_and_no_read(replay: Replay) -> None:
    users = [identify(f"u{n}", f"u{n}@example.com", phone=PHONE) for n in range(3)]
    done = replay.push("--against", "nothing", replay.write(users))
    assert done.returncode == 0, done.stderr
    assert end_user_calls(replay) == {"POST": 3}


def test_an_eligible_event_and_a_page_view_cost_a_call_each_and_the_list_of_events_one(
    replay: Replay,
) -> None:
    replay.holds("1", ADA)
    snapshot = replay.snapshot()
    asked = len(replay.paths())
    records = [
        identify("1", ADA),
        identify("2", BYRON),
        *(track(user, event) for user in "12" for event in ("Signed Up", "Unregistered")),
        *(page(user, path) for user in "12" for path in ("/a", "/b", "/c")),
    ]
    replay.push("--against", snapshot, replay.write(records))
    assert Counter(replay.paths()[asked:]) == {
        "/oauth/token": 1,
        "/registered_events.json": 1,
        "/v1/end_users": 1,
        "/eligible.json": 2,
        "/pixel.gif": 6,
    }


def test_a_dry_run_tells_the_calls_that_the_push_then_makes(replay: Replay) -> None:
    replay.holds("1", ADA)
    replay.holds("2", BYRON)
    snapshot = replay.snapshot()
    users = [identify("1", ADA), identify("2", BYRON, plan="pro"), identify("3", CLARA)]
    export = replay.write([*users, page("1"), page("3"), track("1")])
    told = replay.diff("--against", snapshot, export).summary["api_calls"]
    asked = len(replay.paths())
    replay.push("--against", snapshot, export)
    around = {"/oauth/token", "/registered_events.json"}
    assert told == len([path for path in replay.paths()[asked:] if path not in around]) == 5


# The exit code.


def test_the_exit_code_is_0_whatever_changes_unless_asked(replay: Replay) -> None:
    assert replay.run("dry-run", replay.write([identify("1", ADA)])).returncode == 0


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize(
    ("records", "code"),
    [
        pytest.param([identify("1", ADA)], 0, id="unchanged"),
        pytest.param([identify("1", ADA), identify("7")], 0, id="unchanged and skipped"),
        pytest.param([], 0, id="nothing"),
        pytest.param([identify("1", ADA, plan="pro")], 3, id="update"),
        pytest.param([identify("1", ADA), identify("2", BYRON)], 3, id="create"),
        pytest.param([identify("1", ADA), {"type": "nonsense"}], 1, id="rejected"),
        pytest.param([identify("2", BYRON), {"type": "nonsense"}], 1, id="create and rejected"),
    ],
)
def test_the_detailed_exit_code_tells_whether_anything_changes(
    replay: Replay, records: list[dict[str, Any]], code: int, style: str
) -> None:
    replay.holds("1", ADA)
    export = replay.write(records)
    options = ("--against", "account", "--detailed-exitcode", "--format", style)
    assert replay.run("dry-run", *options, export).returncode == code


def test_against_nothing_too_the_detailed_exit_code_is_3_for_a_create(replay: Replay) -> None:
    export = replay.write([identify("1", ADA)])
    assert replay.run("dry-run", "--detailed-exitcode", export).returncode == 3


def test_ids_that_only_the_snapshot_knows_to_be_one_end_users_are_one_entry(
    replay: Replay,
) -> None:
    replay.holds("2", BYRON)
    snapshot = replay.snapshot()
    export = replay.write(
        [at(1, identify("2", plan="pro")), at(2, identify("9", BYRON)), at(3, page("2"))]
    )
    diff = replay.diff("--against", snapshot, export)
    assert (diff.writes, diff.events) == ((0, 1), (0, 1))
    assert diff.user("update") == {"external_id": "9", "properties.plan": "pro"}
    assert replay.push("--against", snapshot, export).returncode == 0
    assert replay.users()["9"]["properties"] == {"plan": "pro"}
    assert replay.paths("PUT") == ["/v1/end_users/1"]


def test_a_snapshot_warns_of_an_email_that_another_end_user_has(replay: Replay) -> None:
    replay.holds("1", ADA)
    replay.holds("2", BYRON)
    snapshot = replay.snapshot()
    export = replay.write([identify("1", "carol@example.com"), identify("3", phone="+15550001")])
    assert "already_taken" not in replay.run("dry-run", "--against", snapshot, export).stdout
    export = replay.write([by_device("d", identify("", ADA)), identify("2", "ada@example.com")])
    assert replay.diff("--against", snapshot, export).summary["warnings"]["already_taken"] == 1


def test_whom_an_alias_made_out_of_a_visitor_costs_no_more_reads(replay: Replay) -> None:
    export = replay.write([alias("visitor-1", "1"), identify("1", ADA)])
    assert replay.push("--against", "account", export).returncode == 0
    assert end_user_calls(replay) == {"GET": 2, "POST": 1}


def test_a_plan_or_snapshot_among_the_exports_is_named(replay: Replay) -> None:
    replay.holds("1", ADA)
    replay.snapshot("snapshot.ndjson")
    replay.plan(replay.write([identify("2", BYRON)]), name="plan.ndjson")
    said = replay.run("validate", ".").stdout
    assert "push it with --plan" in said
    assert "compare with it by --against" in said
