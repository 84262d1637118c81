"""A dry run and a push agree: what the one promises, the other does."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from replaying import Replay, alias, at, by_device, identify, page, track

ADA = "ada@example.com"
BYRON = "byron@example.com"
Fields = Mapping[str, Any]


def by_wootric_id(number: int, record: Fields) -> dict[str, Any]:
    named = [{"type": "wootricEndUserId", "id": str(number)}]
    return {**record, "context": {**record.get("context", {}), "externalId": named}}


def visitor(record: Fields) -> dict[str, Any]:
    return {name: value for name, value in by_device("x", record).items() if name != "userId"}


def with_phone(phone: str, record: Fields) -> dict[str, Any]:
    return {**record, "context": {"traits": {"phone": phone}}}


CASES: dict[str, tuple[list[dict[str, Any]], list[Fields], tuple[str, ...]]] = {
    "a shared phone": (
        [{"external_id": "u1", "email": ADA, "phone_number": "+15550001"}],
        [
            identify("u1", ADA, phone="+15550001"),
            identify("u2", BYRON, phone="+15550001"),
            visitor({"type": "identify", "traits": {"phone": "+15550001"}}),
            visitor(with_phone("+15550001", page(""))),
        ],
        (),
    ),
    "an event of whom Wootric's id alone names": (
        [{"external_id": "u1", "email": ADA}],
        [visitor(by_wootric_id(1, track("")))],
        (),
    ),
    "an identify of whom Wootric's id alone names": (
        [{"external_id": "u1", "email": ADA}],
        [visitor(by_wootric_id(1, {"type": "identify", "traits": {"plan": "pro"}}))],
        (),
    ),
    "an id of Wootric's that it does not have": (
        [{"external_id": "u1", "email": ADA}],
        [by_wootric_id(99, identify("u9", BYRON)), track("u9")],
        (),
    ),
    "an event before the identify": (
        [{"external_id": None, "email": None, "phone_number": "+15550001"}],
        [at(1, track("u1")), at(2, identify("u1", phone="+15550001", plan="pro"))],
        ("--no-fold",),
    ),
    "an id and an email that wander": (
        [{"external_id": "u1", "email": "old@example.com"}],
        [at(1, identify("u1", "new@example.com")), at(2, identify("u2", "new@example.com"))],
        ("--no-fold",),
    ),
    "an email that changed": (
        [{"external_id": None, "email": "old@example.com"}],
        [at(1, identify("u1", "old@example.com")), at(2, identify("u1", "new@example.com"))],
        (),
    ),
    "an alias of whom the account knows": (
        [{"external_id": "u1", "email": ADA}],
        [alias("u1", "u2"), identify("u2", plan="pro"), at(2, page("u2")), at(1, page("u1"))],
        (),
    ),
    "an invitation": (
        [{"external_id": "u9", "email": ADA}],
        [track("u9", properties={"email": BYRON}), track("u9")],
        (),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("against", ["nothing", "account", "snapshot"])
@pytest.mark.parametrize("workers", ["1", "8"])
def test_a_push_does_what_the_dry_run_promises(
    replay: Replay, case: str, against: str, workers: str
) -> None:
    held, records, options = CASES[case]
    for each in held:
        replay.holds(**each)
    compared = str(replay.snapshot()) if against == "snapshot" else against
    export = replay.write(records)
    arguments: tuple[str | Path, ...] = (
        "--against",
        compared,
        "--workers",
        workers,
        *options,
        export,
    )
    promised = replay.diff(*arguments).summary
    if against == "nothing" and promised["create"]:
        pytest.skip("who is there all the same is found only by trying")
    before = len(replay.paths())
    assert replay.push(*arguments).returncode == 0
    made = replay.paths()[before:]
    writes = [*replay.paths("POST"), *replay.paths("PUT")]
    assert len([path for path in writes if path.startswith("/v1/end_users")]) == (
        promised["create"] + promised["update"]
    )
    assert made.count("/eligible.json") == promised["eligibility_checks"]
    assert made.count("/pixel.gif") == promised["page_views"]


def only(records: Iterable[Any]) -> Any:
    (record,) = records
    return record


def test_an_end_user_is_known_by_an_email_that_they_had_before(replay: Replay) -> None:
    replay.holds(None, "old@example.com")
    old = at(1, identify("u1", "old@example.com"))
    export = replay.write([old, at(2, identify("u1", "new@example.com"))])
    assert replay.push(export).returncode == 0
    assert only(replay.users().values())["email"] == "new@example.com"


def test_an_end_user_is_known_by_an_id_that_an_alias_replaced(replay: Replay) -> None:
    replay.holds("u1", ADA)
    export = replay.write([alias("u1", "u2"), identify("u2", plan="pro"), page("u2")])
    assert replay.push(export).returncode == 0
    held = only(replay.users().values())
    assert (held["external_id"], held["email"], held["properties"]) == ("u2", ADA, {"plan": "pro"})
    assert replay.paths().count("/pixel.gif") == 1


def test_whoever_invites_somebody_is_not_mixed_with_them(replay: Replay) -> None:
    replay.holds("u9", ADA)
    invitation = track("u9", properties={"email": BYRON})
    assert replay.push(replay.write([invitation])).returncode == 0
    check = only(replay.sandbox.state.eligibility_checks)
    assert check.params["email"] == BYRON
    assert "external_id" not in check.params


def test_an_id_of_wootrics_that_it_does_not_have_stays_out_of_the_plan(replay: Replay) -> None:
    records = [by_wootric_id(424242, identify("x", ADA)), track("x")]
    plan = replay.plan("--against", "account", replay.write(records))
    assert replay.push("--plan", plan).returncode == 0
    assert set(replay.users()) == {"x"}


def test_a_plan_against_nothing_creates_whom_wootrics_id_does_not_find(replay: Replay) -> None:
    plan = replay.plan(replay.write([by_wootric_id(424242, identify("x", ADA))]))
    assert replay.push("--plan", plan).returncode == 0
    assert set(replay.users()) == {"x"}


@pytest.mark.parametrize("number", ["99999999999999999999", "9" * 5000, "0", "007"])
def test_what_can_be_no_id_of_wootrics_is_none(replay: Replay, number: str) -> None:
    record = identify("x", ADA)
    record["context"] = {"externalId": [{"type": "wootricEndUserId", "id": number}]}
    plan = replay.plan(replay.write([record]))
    assert '"id"' not in plan.read_text()


@pytest.mark.parametrize("name", ["export.ndjson", "folder/more.ndjson"])
def test_a_plan_replaces_no_export(replay: Replay, name: str) -> None:
    (replay.folder / "folder").mkdir()
    export = replay.write([identify("u1", ADA)], name)
    before = export.read_bytes()
    done = replay.run("dry-run", "--out", name, name)
    assert done.returncode == 2
    assert "would replace" in done.stderr
    assert export.read_bytes() == before


def test_a_plan_replaces_no_other_file_that_is_no_plan(replay: Replay) -> None:
    other = replay.write([identify("u2", ADA)], "other.ndjson")
    before = other.read_bytes()
    done = replay.run("dry-run", "--out", other, replay.write([identify("u1", ADA)]))
    assert done.returncode == 2
    assert "no plan" in done.stderr
    assert other.read_bytes() == before


def test_a_plan_does_not_replace_the_plan_that_is_read_by_mistake(replay: Replay) -> None:
    plan = replay.plan(replay.write([identify("u1", ADA)]))
    before = plan.read_bytes()
    done = replay.run("dry-run", "--out", plan, plan)
    assert done.returncode == 2
    assert "this is a plan, not an export" in done.stderr
    assert plan.read_bytes() == before
