"""Time counts across runs (segment.md 8, rule 7): an older file undoes nothing, whenever it is pushed."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from examples import examples
from forking import Forked
from hypothesis import given
from hypothesis import strategies as st
from replaying import Replay, at, empty_account, identify

from wootric_map.sandbox import (
    Fault,
    ResetConnection,
    RunningSandbox,
    SandboxRequest,
    SandboxSettings,
    run_sandbox,
)

Records = list[dict[str, Any]]

OLDER = at(1, identify("1", "old@example.com", plan="free", city="Rome"))
NEWER = at(5, identify("1", "new@example.com", plan="pro", seats_amount=3))
WHOLE = {"plan": "pro", "city": "Rome", "seats_amount": "3"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


def held(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    """What the account holds, whoever came first."""
    ours = ("email", "external_id", "phone_number", "external_created_at", "properties")
    users = [each.to_json() for each in sandbox.state.end_users]
    kept = [{name: user[name] for name in ours} for user in users]
    return sorted(kept, key=lambda user: orjson.dumps(user, option=orjson.OPT_SORT_KEYS))


def writes(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    """The forms of all writes, in their order."""
    return [dict(each) for each in sandbox.requests if each["method"] in ("POST", "PUT")
            and str(each["path"]).startswith("/v1/end_users")]  # fmt: skip


def pushes(replay: Replay, records: Records, *options: str | Path, name: str = "part") -> int:
    """Push records, which must end well; gives how many writes that took."""
    before = len(writes(replay.sandbox))
    done = replay.push(replay.write(records, name), "--quiet", *options)
    assert done.returncode == 0, done.stderr
    return len(writes(replay.sandbox)) - before


def user(replay: Replay, external_id: str = "1") -> dict[str, Any]:
    return replay.users()[external_id]


# Any order, any split.

ADDRESSES = st.fixed_dictionaries({"city": st.sampled_from(["Rome", "Oslo"]), "zip": st.just("1")})
TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "plan": st.sampled_from(["free", "pro", "team", ""]),
        "seats": st.integers(1, 3),
        "trial": st.sampled_from(["2024-02-29", "2024-03-01"]),
        "address": ADDRESSES,
        "address_city": st.sampled_from(["Bonn", "Kyiv"]),
        "tags": st.lists(st.sampled_from("ab"), max_size=2),
        "phone": st.sampled_from(["+44 20 1", "+44 20 2"]),
        "created": st.sampled_from(["2015-01-01", 1420099200]),
        "createdAt": st.sampled_from(["2016-01-01", 1520099200]),
    },
)
PEOPLE = st.sampled_from(
    [
        # Emails that change, an email of two accounts, an email that is a userId too.
        *[{"userId": "1", "email": email} for email in ("a@x.io", "b@x.io", "c@x.io")],
        *[{"userId": "2", "email": email} for email in ("d@x.io", "e@x.io")],
        *[{"userId": each, "email": "shared@x.io"} for each in ("3", "4")],
        {"email": "shared@x.io"},
        *[{"userId": "f@x.io", **each} for each in ({}, {"email": "g@x.io"})],
    ]
)
TIMES = st.sampled_from([None, 1, 1, 2, "2024-01-02T00:00:00.001Z", 3])


@st.composite
def exports(draw: st.DrawFn) -> Records:
    records = []
    unmarked = set()
    for nth in range(draw(st.integers(1, 8))):
        who, time = draw(PEOPLE), draw(TIMES)
        email = {"email": who["email"]} if "email" in who else {}
        record = {"type": "identify", "anonymousId": "d", "traits": email | draw(TRAITS)}
        if "userId" in who:
            record["userId"] = who["userId"]
        # Which of two without message ids is the later, at one time, only their lines tell.
        if time in unmarked or draw(st.booleans()):
            record["messageId"] = f"m-{draw(st.integers(0, 9))}-{nth}"
        else:
            unmarked.add(time)
        records.append(record if time is None else at(time, record))
    return records


@st.composite
def split(draw: st.DrawFn) -> tuple[Records, list[Records]]:
    """An export, and parts of it in any order; some records stand in two."""
    records = draw(exports())
    parts: list[Records] = [[] for _ in range(draw(st.integers(2, 4)))]
    for record in draw(st.permutations(records)):
        first = draw(st.integers(0, len(parts) - 1))
        parts[first].append(record)
        if "messageId" in record and draw(st.integers(0, 4)) == 0:
            parts[(first + 1) % len(parts)].append(record)
    return records, [part for part in parts if part]


WAYS = ["account", "nothing", "no-fold", "again", "plan"]


def sends(replay: Replay, way: str, path: Path) -> bool:
    if way == "plan":
        return replay.sends("--plan", replay.plan("--against", "account", path))
    options = {
        "account": (),
        "nothing": ("--against", "nothing"),
        "no-fold": ("--no-fold",),
        "again": ("--again",),
    }
    return replay.sends(*options[way], path)


@examples(15)
@given(whole_and_parts=split(), ways=st.lists(st.sampled_from(WAYS), min_size=1, max_size=2))
def test_parts_in_any_order_leave_the_account_as_the_whole_does(
    sandbox: RunningSandbox, whole_and_parts: tuple[Records, list[Records]], ways: list[str]
) -> None:
    whole, parts = whole_and_parts
    with empty_account(sandbox) as replay:
        assert replay.sends(replay.write(whole))
        expected = held(sandbox)
    with empty_account(sandbox) as replay:
        paths = [replay.write(part, f"part-{nth}") for nth, part in enumerate(parts)]
        for nth, path in enumerate(paths):
            assert sends(replay, ways[nth % len(ways)], path)
        assert held(sandbox) == expected
        before = len(writes(sandbox))
        assert sends(replay, ways[0], paths[0])
        assert writes(sandbox)[before:] == []


# An older file after a newer one.


@pytest.mark.parametrize(
    "options",
    [(), ("--against", "nothing"), ("--no-fold",), ("--again",), ("--again", "--no-fold")],
    ids=" ".join,
)
def test_an_older_file_adds_what_is_new_in_it_and_takes_nothing_back(
    replay: Replay, options: tuple[str, ...]
) -> None:
    assert pushes(replay, [NEWER], *options, name="newer") == 1
    assert pushes(replay, [OLDER], *options, name="older") == 1
    assert writes(replay.sandbox)[-1]["form"].get("properties[plan]") is None
    assert (user(replay)["email"], user(replay)["properties"]) == ("new@example.com", WHOLE)
    for name, records in (("older", [OLDER]), ("newer", [NEWER]), ("whole", [OLDER, NEWER])):
        assert pushes(replay, records, *options, name=name) == 0, name


def test_an_older_file_undoes_nothing_against_a_snapshot(replay: Replay) -> None:
    pushes(replay, [NEWER])
    assert pushes(replay, [OLDER], "--against", replay.snapshot()) == 1
    assert (user(replay)["email"], user(replay)["properties"]) == ("new@example.com", WHOLE)


def test_the_first_few_of_what_was_pushed_whole_are_no_write(replay: Replay) -> None:
    history = [
        at(day, identify(name, f"{name}-{day}@example.com", plan=f"plan-{day}"))
        for day in (1, 2, 3)
        for name in ("1", "2", "3")
    ]
    pushes(replay, history)
    whole = held(replay.sandbox)
    for options in (("--limit", "3"), ("--until", "2024-01-02"), ("--limit", "3", "--no-fold")):
        before = len(replay.paths("GET"))
        assert pushes(replay, history, *options) == 0, options
        assert not [path for path in replay.paths("GET")[before:] if "@" in path or "%40" in path]
    assert held(replay.sandbox) == whole


def test_what_was_taken_out_later_does_not_come_back(replay: Replay) -> None:
    pushes(replay, [at(5, identify("1", "a@example.com", plan=None, phone=None, created=None))])
    older = identify("1", "a@example.com", plan="free", phone="+44 20 1", created="2015-01-01")
    assert pushes(replay, [at(1, older)]) == 0
    assert user(replay)["properties"] == {}
    assert user(replay)["phone_number"] is user(replay)["external_created_at"] is None


def test_an_object_that_came_later_is_taken_whole(replay: Replay) -> None:
    pushes(replay, [at(5, identify("1", "a@example.com", address={"city": "Oslo"}))])
    older = identify("1", "a@example.com", address={"city": "Rome", "zip": "00184"})
    assert pushes(replay, [at(1, older)]) == 0
    assert user(replay)["properties"] == {"address_city": "Oslo"}


def test_created_counts_before_created_at_whatever_their_times(replay: Replay) -> None:
    pushes(replay, [at(1, identify("1", "a@example.com", created=1420099200))])
    assert pushes(replay, [at(5, identify("1", "a@example.com", createdAt=1520099200))]) == 0
    assert user(replay)["external_created_at"] == 1420099200
    pushes(replay, [at(2, identify("2", "b@example.com", createdAt=1520099200))])
    pushes(replay, [at(1, identify("2", "b@example.com", created=1420099200))])
    assert user(replay, "2")["external_created_at"] == 1420099200


def test_an_email_that_only_a_user_id_looks_like_replaces_none(replay: Replay) -> None:
    pushes(replay, [at(1, identify("a@example.com", "own@example.com"))])
    assert pushes(replay, [at(5, identify("a@example.com", plan="pro"))]) == 1
    assert user(replay, "a@example.com")["email"] == "own@example.com"


@pytest.mark.parametrize("day", [None, 1])
def test_of_one_time_and_without_message_ids_the_order_is_remembered(
    replay: Replay, day: int | None
) -> None:
    one, two, three = (
        identify("1", "a@example.com", plan=plan) | ({} if day is None else at(day, {}))
        for plan in "xyz"
    )
    assert pushes(replay, [two, one]) == 1
    assert user(replay)["properties"] == {"plan": "y"}
    # The lesser bytes are known to be the earlier.
    assert pushes(replay, [one], "--again") == pushes(replay, [two, one], "--limit", "1") == 0
    # What was not met before is taken for the later, in its turn.
    assert pushes(replay, [three]) == 1
    assert pushes(replay, [two, one], "--again") == 0
    assert user(replay)["properties"] == {"plan": "z"}
    whole = identify("1", "a@example.com", plan="w") | ({} if day is None else at(day, {}))
    assert pushes(replay, [whole]) == 1
    assert pushes(replay, [whole, one, two, three]) == 1
    assert user(replay)["properties"] == {"plan": "z"}


def test_the_same_record_mended_is_written(replay: Replay) -> None:
    record = at(1, identify("1", "a@example.com", plan="fre")) | {"messageId": "m"}
    pushes(replay, [record])
    mended = at(1, identify("1", "a@example.com", plan="free")) | {"messageId": "m"}
    assert pushes(replay, [mended]) == 1
    assert user(replay)["properties"] == {"plan": "free"}


def test_what_others_changed_in_the_account_is_no_word_of_an_identify(replay: Replay) -> None:
    replay.holds("1", "a@example.com", plan="by hand")
    assert pushes(replay, [at(1, identify("1", "a@example.com", plan="free"))]) == 1
    assert user(replay)["properties"] == {"plan": "free"}


def test_forgetting_begins_anew(replay: Replay) -> None:
    pushes(replay, [NEWER])
    assert replay.run("journal", "forget", "--yes").returncode == 0
    pushes(replay, [OLDER])
    assert user(replay)["properties"]["plan"] == "free"


def test_a_journal_of_an_earlier_release_learns_from_what_is_pushed_again(replay: Replay) -> None:
    pushes(replay, [NEWER])
    (path,) = (replay.folder / "state").rglob("*.journal")
    with closing(sqlite3.connect(path)) as journal:
        # As that release left it.
        journal.execute("UPDATE end_user SET said = NULL, run = NULL")
        journal.execute("UPDATE account SET silent_until = (SELECT max(number) FROM run)")
        journal.commit()
    assert pushes(replay, [NEWER]) == 0
    pushes(replay, [OLDER])
    assert (user(replay)["email"], user(replay)["properties"]) == ("new@example.com", WHOLE)


# Saved plans.


def test_an_older_plan_undoes_nothing(replay: Replay) -> None:
    replay.holds("1", "first@example.com")
    older = replay.plan(replay.write([OLDER], "older"), "--against", "account", name="older.plan")
    pushes(replay, [NEWER])
    done = replay.push("--plan", older)
    assert done.returncode == 0, done.stderr
    assert (user(replay)["email"], user(replay)["properties"]) == ("new@example.com", WHOLE)
    before = len(writes(replay.sandbox))
    assert replay.push("--plan", older).returncode == 0
    assert len(writes(replay.sandbox)) == before


def test_a_plan_of_which_nothing_is_left_is_unchanged(replay: Replay) -> None:
    replay.holds("1", "first@example.com")
    older = replay.plan(
        replay.write([at(1, identify("1", plan="free"))]), "--against", "account", name="older.plan"
    )
    pushes(replay, [NEWER])
    before = len(writes(replay.sandbox))
    done = replay.push("--plan", older)
    assert re.search(r"Unchanged +1 ", done.stdout)
    assert len(writes(replay.sandbox)) == before


def test_the_journal_learns_times_from_a_plan(replay: Replay) -> None:
    newer = replay.plan(replay.write([NEWER], "newer"), name="newer.plan")
    assert replay.push("--plan", newer).returncode == 0
    pushes(replay, [OLDER])
    assert (user(replay)["email"], user(replay)["properties"]) == ("new@example.com", WHOLE)


def test_a_plan_of_an_earlier_release_is_done_as_it_stands(replay: Replay) -> None:
    replay.holds("1", "first@example.com")
    older = replay.plan(replay.write([OLDER], "older"), "--against", "account", name="older.plan")
    lines = [orjson.loads(line) for line in older.read_bytes().splitlines()]
    for line in lines:
        line.pop("said", None)
    older.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    pushes(replay, [NEWER])
    assert replay.push("--plan", older).returncode == 0
    assert user(replay)["properties"]["plan"] == "free"


# Ids that were somebody's before.


def test_an_email_that_was_theirs_before_still_names_them(replay: Replay) -> None:
    pushes(replay, [at(1, identify("1", "a@example.com", plan="free"))])
    pushes(replay, [at(2, identify("1", "b@example.com"))])
    third = {"type": "identify", "anonymousId": "d", "traits": {"email": "a@example.com", "x": "y"}}
    pushes(replay, [at(3, third)])
    assert [
        (each["external_id"], each["email"], each["properties"]) for each in held(replay.sandbox)
    ] == [("1", "a@example.com", {"plan": "free", "x": "y"})]


def test_of_two_accounts_with_one_address_the_later_stays_the_external_id(replay: Replay) -> None:
    later = at(2, identify("2", "a@example.com", plan="pro"))
    for options in ((), ("--against", "nothing")):
        replay.sandbox.state.reset()
        replay.run("journal", "forget", "--yes")
        pushes(replay, [later], *options)
        before = len(replay.paths())
        earlier = [at(1, identify("1", "a@example.com", plan="free", city="Rome"))]
        assert pushes(replay, earlier, *options) == 1
        looked_up = [path for path in replay.paths("GET")[before:] if "/end_users/" in path]
        assert len(looked_up) <= 2
        assert [(each["external_id"], each["properties"]) for each in held(replay.sandbox)] == [
            ("2", {"plan": "pro", "city": "Rome"})
        ]
        # What is known of both is known by either id.
        assert pushes(replay, [at(3, identify("1", seats="3"))], *options) == 1
        assert len(held(replay.sandbox)) == 1
        assert user(replay, "1")["properties"] == {"plan": "pro", "city": "Rome", "seats": "3"}


@pytest.mark.parametrize("options", [(), ("--against", "nothing"), ("--no-fold",)], ids=" ".join)
@pytest.mark.parametrize(
    "nights",
    [
        # A userId whose email changed, and another userId with the email before.
        [[("1", "a")], [("1", "b")], [("2", "a")]],
        [[("1", "a"), ("1", "b")], [("2", "a")]],
        # Two userIds with one email, of which the earlier has another email later.
        [[("1", "a"), ("2", "a")], [("1", "b")]],
        # Two that were one person all along, by an email of the first night.
        [[("1", "a")], [("1", "b"), ("2", "a")]],
    ],
)
def test_who_is_tied_in_the_whole_is_tied_also_by_what_earlier_runs_say(
    replay: Replay, nights: list[list[tuple[str, str]]], options: tuple[str, ...]
) -> None:
    day = 0
    told = []
    for night in nights:
        records = []
        for user_id, name in night:
            day += 1
            told.append((user_id, f"{name}@example.com", {f"n{day}": "x"}))
            records.append(at(day, identify(user_id, f"{name}@example.com", **{f"n{day}": "x"})))
        pushes(replay, records, *options)
    properties = {name: value for _, _, each in told for name, value in each.items()}
    assert [
        (each["external_id"], each["email"], each["properties"]) for each in held(replay.sandbox)
    ] == [(*told[-1][:2], properties)]


def test_two_whom_a_run_holds_apart_are_not_made_one_by_what_was(replay: Replay) -> None:
    agent = [at(1, identify("agent", "a@example.com")), at(2, identify("agent", "b@example.com"))]
    pushes(replay, agent)
    both = [
        at(3, identify("1", "a@example.com", plan="one")),
        at(4, identify("2", "b@example.com", plan="two")),
    ]
    pushes(replay, both)
    assert [
        (each["external_id"], each["email"], each["properties"]["plan"])
        for each in held(replay.sandbox)
    ] == [("1", "a@example.com", "one"), ("2", "b@example.com", "two")]


# What was in doubt.


def test_a_write_that_had_arrived_when_the_run_was_killed_counts(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    started: list[Forked] = []

    def kill(request: SandboxRequest) -> Fault | None:
        if started and request.method == "PUT":
            started.pop().kill()
            return Fault(ResetConnection(), carried_out=True)
        return None

    replay = replaying(SandboxSettings(faults=(kill,)))
    replay.holds("1", "first@example.com")
    with replay.start("push", replay.write([NEWER], "newer")) as process:
        started.append(process)
        process.communicate(timeout=60)
    assert user(replay)["properties"]["plan"] == "pro"
    assert replay.in_doubt()["write"] == 1
    pushes(replay, [OLDER])
    assert replay.in_doubt()["write"] == 0
    assert (user(replay)["email"], user(replay)["properties"]) == ("new@example.com", WHOLE)
