"""What a user leaves out and renames, through dry run, plan, push and a second push."""

from typing import Any

import pytest
from replaying import Replay, at, identify, page, track

ADA = "ada@example.com"
BYRON = "byron@example.com"

EXPORT = [
    at(1, identify("1", ADA, plan="pro", password="hunter2", address={"city": "Rome", "zip": "1"})),
    at(2, track("1", properties={"total": 3, "cardNumber": "4111", "coupon": "X"})),
    at(3, page("1", "/admin/users")),
    at(4, identify("2", BYRON, Plan="free", token="t")),
]


def properties(replay: Replay) -> dict[str, dict[str, str]]:
    return {user: held["properties"] for user, held in replay.users().items()}


def test_secrets_never_leave_the_house(replay: Replay) -> None:
    export = replay.write(EXPORT)
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    assert properties(replay) == {
        "1": {"plan": "pro", "address_city": "Rome", "address_zip": "1"},
        "2": {"Plan": "free"},
    }
    sent = repr(replay.sandbox.requests) + repr(replay.sandbox.state.eligibility_checks)
    for secret in ("hunter2", "4111"):
        assert secret not in sent
    assert "secret_left_out" in done.stderr + done.stdout
    shown = (
        replay.run("map", export).stdout + replay.run("dry-run", "--format", "json", export).stdout
    )
    for secret in ("hunter2", "4111"):
        assert secret not in shown


def test_an_included_secret_is_sent(replay: Replay) -> None:
    replay.push("--include-trait", "token", replay.write(EXPORT))
    assert properties(replay)["2"] == {"Plan": "free", "token": "t"}


RULES = (
    "--exclude-trait",
    "address.zip",
    "--exclude-trait",
    "coupon",
    "--rename-trait",
    "plan=tier",
)


def test_rules_hold_in_a_dry_run_a_plan_and_a_push(replay: Replay) -> None:
    export = replay.write(EXPORT)
    created = {each["external_id"]: each for each in replay.diff(*RULES, export).users("create")}
    assert created["1"] == {
        "email": ADA,
        "external_id": "1",
        "properties.tier": "pro",
        "properties.address_city": "Rome",
    }
    plan = replay.folder / "plan.ndjson"
    assert replay.run("dry-run", *RULES, "--out", plan, export).returncode == 0
    done = replay.push("--plan", plan)
    assert done.returncode == 0, done.stderr
    assert properties(replay) == {
        "1": {"tier": "pro", "address_city": "Rome"},
        "2": {"tier": "free"},
    }
    (check,) = replay.sandbox.state.eligibility_checks
    sent = {name: value for name, value in check.params.items() if name.startswith("properties")}
    assert sent == {"properties[total]": "3"}


def test_a_change_of_rules_sends_the_difference_and_only_that(replay: Replay) -> None:
    export = replay.write(EXPORT)
    assert replay.push(export).returncode == 0
    before = len(replay.sandbox.requests)
    assert replay.push("--rename-trait", "plan=tier", export).returncode == 0
    assert properties(replay)["1"] == {
        "plan": "pro", "tier": "pro", "address_city": "Rome", "address_zip": "1",
    }  # fmt: skip
    later = replay.sandbox.requests[before:]
    assert not [
        each for each in later if "eligible" in str(each["path"]) or "pixel" in str(each["path"])
    ]
    before = len(replay.sandbox.requests)
    assert replay.push("--rename-trait", "plan=tier", export).returncode == 0
    writes = [
        each for each in replay.sandbox.requests[before:] if each["method"] in {"POST", "PUT"}
    ]
    assert {each["path"] for each in writes} <= {"/oauth/token"}


@pytest.mark.parametrize("rule", ['placeholders = ["kiosk"]', 'real_ids = ["guest"]'])
def test_a_change_of_whose_ids_are_ids_sends_no_event_twice(replay: Replay, rule: str) -> None:
    told: dict[str, Any] = {"context": {"traits": {"email": ADA}}}
    events = [
        {**page(user, "/p", **told), "messageId": f"m-{user}", "anonymousId": "a"}
        for user in ("1", "kiosk", "guest")
    ]
    export = replay.write([at(1, identify("1", ADA)), *(at(2, each) for each in events)])
    assert replay.push(export).returncode == 0
    assert len(replay.sandbox.state.page_views) == 3
    (replay.folder / "own.toml").write_text(f"[identity]\n{rule}\n")
    done = replay.push("--config", "own.toml", export)
    assert done.returncode == 0, done.stderr
    assert len(replay.sandbox.state.page_views) == 3


def test_a_rule_that_nothing_is_named_in_is_said(replay: Replay) -> None:
    export = replay.write(EXPORT)
    for command in ("validate", "dry-run", "push"):
        done = replay.run(command, "--exclude-trait", "pasword*", export)
        assert "pasword*: no trait has that name" in done.stdout + done.stderr, command


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rename-trait", "plan"), "plan is no OLD=NEW"),
        (("--rename-trait", "a=b", "--rename-trait", "a=c"), "renamed to two names"),
        (("--exclude-trait", "email"), "by which Wootric knows end users"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(
    replay: Replay, options: tuple[str, ...], words: str
) -> None:
    done = replay.run("dry-run", *options, replay.write(EXPORT))
    assert done.returncode == 2
    assert words in done.stderr


def test_rules_have_no_place_beside_a_plan(replay: Replay) -> None:
    done = replay.push("--plan", "plan.ndjson", "--exclude-trait", "x")
    assert done.returncode == 2
    assert "--exclude-trait has no place beside --plan" in done.stderr
