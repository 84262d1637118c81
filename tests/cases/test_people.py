"""Who is taken for whom in small inputs in the shape of real trouble (segment.md 8)."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from forking import COMMAND
from replaying import Diff, Replay, alias, identify, track

Records = list[dict[str, Any]]


def dated(*records: dict[str, Any]) -> Records:
    """The records, a minute after each other, with message ids."""
    return [
        {"messageId": f"m{n}", "timestamp": f"2022-01-01T00:{n:02}:00Z", **record}
        for n, record in enumerate(records)
    ]


def people(diff: Diff) -> set[tuple[str | None, str | None]]:
    """The email and external id of everybody who is created."""
    return {(user.get("email"), user.get("external_id")) for user in diff.users("create")}


def details(diff: Diff, code: str) -> list[dict[str, Any]]:
    return [each for each in diff.summary["warning_details"] if each["code"] == code]


AGENT = dated(
    *(identify(f"cust-{n}", f"cust{n}@ag.example", plan=f"p{n}") for n in range(1, 6)),
    *(identify("agent-7", f"cust{n}@ag.example") for n in range(1, 6)),
)
CUSTOMERS = {(f"cust{n}@ag.example", f"cust-{n}") for n in range(1, 6)}


@pytest.mark.parametrize("order", [1, -1])
def test_36_an_agent_does_not_make_one_of_five_customers(replay: Replay, order: int) -> None:
    diff = replay.diff(replay.write(AGENT[::order]))
    assert people(diff) == CUSTOMERS
    (found,) = details(diff, "ambiguous_user_id")
    assert found["subject"] == "agent-7"
    assert "5 emails" in found["message"]
    assert "ambiguous_user_id" in replay.run("dry-run", replay.write(AGENT)).stdout


def test_36b_a_shared_mailbox_is_one_end_user_and_the_warning_tells_how_many_ids(
    replay: Replay,
) -> None:
    records = [
        {**identify(f"mb-{n}", "info@mb.example", name=f"N{n}"), "messageId": f"mb{n}"}
        for n in range(500)
    ]
    diff = replay.diff(replay.write(records))
    assert len(diff.users("create")) == 1
    (found,) = details(diff, "shared_email")
    assert found["message"].startswith("500 userIds share one end user's email")


def test_36c_each_check_goes_to_its_own_customer(replay: Replay) -> None:
    checks = [track(f"cust-{n}", properties={"by": f"cust-{n}"}) for n in range(1, 6)]
    export = replay.write([*AGENT, *dated(*checks)])
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    assert "ambiguous_user_id" in done.stderr
    sent = {
        (each.params["email"], each.params["properties[by]"])
        for each in replay.sandbox.state.eligibility_checks
    }
    assert sent == CUSTOMERS
    assert {(user["email"], user["external_id"]) for user in replay.users().values()} == CUSTOMERS


def test_07_placeholders_make_one_of_nobody(replay: Replay) -> None:
    ids = [("undefined", "kim"), ("undefined", "lea"), ("undefined", "max"), ("null", "noa")]
    records = [identify(user, f"{name}@ph.example") for user, name in (*ids, ("null", "ovi"))]
    diff = replay.diff(replay.write(dated(*records)))
    assert people(diff) == {
        (f"{name}@ph.example", None) for name in ("kim", "lea", "max", "noa", "ovi")
    }
    assert diff.summary["warnings"] == {"placeholder_id": 2}
    assert [each["count"] for each in details(diff, "placeholder_id")] == [3, 2]


def test_08_an_email_that_is_a_placeholder_ties_nobody(replay: Replay) -> None:
    emails = ["N/A", "n/a", "n/a", "undefined", "-"]
    records = dated(*(identify(f"pe-{n}", each, name=f"N{n}") for n, each in enumerate(emails, 1)))
    for n in range(1, 6):
        replay.holds(f"pe-{n}", f"pe-{n}@held.example")
    assert replay.push(replay.write(records)).returncode == 0
    held = replay.users()
    assert {user: each["properties"]["name"] for user, each in held.items()} == {
        f"pe-{n}": f"N{n}" for n in range(1, 6)
    }
    assert {each["email"] for each in held.values()} == {
        f"pe-{n}@held.example" for n in range(1, 6)
    }


def test_25_message_ids_that_begin_anew_lose_nobody(replay: Replay) -> None:
    records: Records = []
    said = [("abi", "1"), ("bob", "1"), ("cid", ""), ("deb", ""), ("eli", None), ("fay", 1)]
    for n, (name, message) in enumerate([*said, ("gia", "undefined"), ("hal", "undefined")]):
        records.append({**identify(f"mi-{n + 1}", f"{name}@mi.example"), "messageId": message})
    once = track("mi-8", "Order Completed", properties={"a": "b"})
    export = replay.write([*records, {**track("mi-1"), "messageId": "1"}, once, once])
    diff = replay.diff(export)
    names = ("abi", "bob", "cid", "deb", "eli", "fay", "gia", "hal")
    assert {email for email, _ in people(diff)} == {f"{name}@mi.example" for name in names}
    assert diff.events == (3, 0)
    (found,) = details(diff, "message_id_reused")
    assert (found["subject"], found["count"]) == ("1", 4)


def test_38_an_alias_to_several_ties_nobody(replay: Replay) -> None:
    records = dated(
        identify("al-1", "ann@al.example", plan="a"),
        identify("al-2", "bob@al.example", plan="b"),
        alias("undefined", "al-1"),
        alias("undefined", "al-2"),
        identify("al-3", "cyd@al.example", plan="c"),
        identify("al-4", "dot@al.example", plan="d"),
        alias("shared-kiosk-device", "al-3"),
        alias("shared-kiosk-device", "al-4"),
    )
    diff = replay.diff(replay.write(records))
    assert len(people(diff)) == 4
    (found,) = details(diff, "ambiguous_alias")
    assert found["subject"] == "shared-kiosk-device"
    assert [place["line"] for place in found["places"]] == [7, 8]


def test_40_the_reason_says_where_an_email_was_seen_and_not_looked_for(replay: Replay) -> None:
    record = {
        **track("rn-1", "Order Completed"),
        "traits": {"email": "mia@rn.example"},
        "context": {"traits": {}},
    }
    diff = replay.diff(replay.write([record]))
    assert diff.summary["unidentified"] == {"email_in_traits": 1}
    replay.holds("rn-1", "mia@held.example")
    assert replay.push(replay.write([record])).returncode == 0
    assert len(replay.sandbox.state.eligibility_checks) == 1, "the account knows the user"


SAMPLES = Path(__file__).parents[2] / "sample_events" / "messy"


def test_the_messy_sample_makes_one_of_nobody(replay: Replay) -> None:
    done = replay.push(str(SAMPLES))
    assert done.returncode == 0, done.stderr
    held = {user["email"]: user["external_id"] for user in replay.users().values()}
    assert held == {
        "ann@customer.example": "c-1",
        "ben@customer.example": "c-2",
        "cleo@visitor.example": None,
        "dan@visitor.example": None,
        "eva@restart.example": "r-1",
        "fay@restart.example": "r-2",
        "jo@joined.example": "j-1",
        "kim@joined.example": "j-2",
        "lea@clock.example": "f-1",
        "max@warehouse.example": "w-1",
        "noa@rudder.example": "rs-1",
    }
    assert replay.users()["f-1"]["properties"]["plan"] == "pro"


def test_the_two_formats_and_the_two_commands_tell_the_same_warnings(replay: Replay) -> None:
    codes = {
        "ambiguous_user_id", "future_timestamp", "invalid_email", "invalid_phone",
        "implausible_created_at", "message_id_reused", "placeholder_id", "wrong_type_for_suffix",
    }  # fmt: skip
    diff = replay.diff(str(SAMPLES))
    text = replay.run("dry-run", str(SAMPLES)).stdout
    pushed = replay.push(str(SAMPLES)).stderr
    assert COMMAND.exists()
    assert orjson.dumps(diff.summary)
    for code in codes - {"wrong_type_for_suffix"}:
        assert code in diff.summary["warnings"]
        assert f"  {code}  " in text
        assert f"  {code}  " in pushed
