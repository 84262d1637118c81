"""A trait gives the external id in place of the `userId`: it goes to the right end user, and ties nobody."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from examples import examples
from forking import Forked
from hypothesis import given
from hypothesis import strategies as st
from killing import Kill, Trouble
from replaying import Replay, at, empty_account, identify, page, track

from wootric_map.sandbox import RunningSandbox, SandboxSettings, run_sandbox

OPTION: Final = ("--external-id", "traits.accountId")

Replaying = Callable[[SandboxSettings], Replay]
Records = Sequence[Mapping[str, Any]]


def says(user: str, value: object = None, day: int = 1, **traits: Any) -> dict[str, Any]:
    """An identify of a day of January 2024 with the email of its user, and an account id."""
    told = {} if value is None else {"accountId": value}
    record = identify(user, f"{user}@example.com", **told, **traits)
    return at(day, record) | {"messageId": f"{user}-{day}"}


def external_ids(replay: Replay) -> dict[str, str | None]:
    """The external id of each end user in the account, by the name in the email."""
    held = replay.users().values()
    return {str(each["email"]).partition("@")[0]: each["external_id"] for each in held}


def ids(replay: Replay) -> dict[str, int]:
    """Wootric's own id of each end user in the account, by the email."""
    return {str(each["email"]): each["id"] for each in replay.users().values()}


def requests(replay: Replay) -> list[dict[str, Any]]:
    return [dict(each) for each in replay.sandbox.requests]


def sent(replay: Replay, since: int = 0) -> list[dict[str, str]]:
    """The forms of the writes of end users, in their order."""
    return [
        each["form"]
        for each in requests(replay)[since:]
        if each["method"] in ("POST", "PUT") and "/end_users" in each["path"]
    ]


def summary(done: Any) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])["summary"]
    return told


EXPORT: Final = [
    says("1", 42, plan="pro"),
    says("42", "1"),
    says("3", "S"),
    says("4", "S"),
    says("5"),
    says("6", " undefined "),
    says("7", ["no", "id"]),
    at(2, track("1", "Signed Up")),
    at(2, track("5", "Signed Up")),
]
HELD: Final = {"1": "42", "42": "1", **dict.fromkeys(["3", "4", "5", "6", "7"])}


def test_the_value_is_sent_and_looked_up_in_place_of_the_user_id(replay: Replay) -> None:
    export = replay.write(EXPORT)
    diff = replay.diff(*OPTION, export)
    fields = {each["email"]: each.get("external_id") for each in diff.users("create")}
    assert fields == {f"{user}@example.com": value for user, value in HELD.items()}
    done = replay.push("--format", "json", *OPTION, "--against", "account", export)
    assert done.returncode == 0, done.stderr
    assert external_ids(replay) == HELD
    looked_up = [each for each in requests(replay) if "lookup_by_external_id" in each["query"]]
    assert {each["path"].rpartition("/")[2] for each in looked_up} == {"42", "1"}
    assert replay.users()["42"]["properties"] == {"accountId": "42", "plan": "pro"}
    checks = {
        each["query"]["email"]: each["query"].get("external_id")
        for each in requests(replay)
        if each["path"] == "/eligible.json"
    }
    assert checks == {"1@example.com": "42", "5@example.com": None}
    before = len(replay.sandbox.requests)
    assert replay.sends(*OPTION, export)
    assert not sent(replay, before)


def test_warnings_name_values_of_several_people_and_values_that_are_no_ids(replay: Replay) -> None:
    text = replay.run("dry-run", *OPTION, replay.write(EXPORT)).stdout
    assert '"S" is stated as the external id of 2 end users: it is sent for none of them' in text
    assert text.count('"S" is stated') == 1
    assert "invalid_external_id  1" in text
    assert "placeholder_id  1" in text


def test_a_configuration_file_says_it_for_all_commands(replay: Replay) -> None:
    export = replay.write(EXPORT)
    (replay.folder / "wootric-replay.toml").write_text(
        '[identity]\nexternal_id = "traits.accountId"\n'
    )
    assert replay.push(export).returncode == 0
    assert external_ids(replay) == HELD
    shown = orjson.loads(replay.run("map", export).stdout.splitlines()[0])
    assert shown["calls"][0]["form"]["external_id"] == "42"
    assert shown["settings"]["segment_user_id"] == "1"


def test_excluding_or_renaming_the_trait_makes_no_difference(replay: Replay) -> None:
    export = replay.write([says("1", "V", details={"accountId": "no"})])
    assert replay.sends(*OPTION, "--exclude-trait", "accountId", export)
    assert external_ids(replay) == {"1": "V"}
    assert "accountId" not in replay.users()["V"]["properties"]


def test_the_latest_value_counts_and_null_takes_it_away(replay: Replay) -> None:
    records = [says("1", "old"), says("1", "new", 2), says("2", "V"), says("1", "", 3)]
    gone = at(2, identify("2", "2@example.com", accountId=None))
    assert replay.sends(*OPTION, replay.write([*reversed(records), gone]))
    assert external_ids(replay) == {"1": "new", "2": None}


def test_a_nested_trait_in_another_spelling_is_found(replay: Replay) -> None:
    record = says("1", company={"Account ID": 5})
    assert replay.sends("--external-id", "traits.company.accountId", replay.write([record]))
    assert external_ids(replay) == {"1": "5"}


def test_a_place_that_is_no_trait_is_refused(replay: Replay) -> None:
    done = replay.push("--external-id", "properties.id", replay.write(EXPORT))
    assert done.returncode == 2
    assert "external_id: properties.id is no place of a trait" in done.stderr


@pytest.mark.parametrize("against", ["account", "auto", "snapshot", "nothing"])
def test_an_end_user_with_a_value_of_ours_and_an_email_of_a_stranger_is_left_alone(
    replay: Replay, against: str
) -> None:
    replay.holds("V", "stranger@example.com", plan="theirs")
    way = str(replay.snapshot()) if against == "snapshot" else against
    assert replay.sends(*OPTION, "--against", way, replay.write([says("1", "V", plan="ours")]))
    assert external_ids(replay) == {"stranger": "V", "1": None}
    assert replay.users()["V"]["properties"] == {"plan": "theirs"}
    before = len(replay.sandbox.requests)
    assert replay.sends(*OPTION, "--against", way, replay.write([says("1", "V", plan="ours")]))
    assert not sent(replay, before)


@pytest.mark.parametrize("against", ["account", "auto", "nothing"])
def test_a_value_that_the_account_has_of_somebody_else_is_not_sent_to_whom_the_journal_knows(
    replay: Replay, against: str
) -> None:
    assert replay.sends(*OPTION, replay.write([says("1", plan="a")]))
    replay.holds("V", "stranger@example.com")
    later = replay.write([says("1", plan="a"), says("1", "V", 2, plan="b")])
    assert replay.sends(*OPTION, "--against", against, later)
    assert external_ids(replay) == {"stranger": "V", "1": None}
    held = {each["email"]: each["properties"] for each in replay.users().values()}
    assert held["1@example.com"]["plan"] == "b"
    assert held["stranger@example.com"] == {}
    before = len(replay.sandbox.requests)
    assert replay.sends(*OPTION, "--against", against, later)
    assert not sent(replay, before)


def test_an_end_user_with_the_value_and_no_other_email_is_ours(replay: Replay) -> None:
    replay.holds("V", phone_number="+44 1")
    replay.holds("W", "w@example.com")
    records = [says("1", "V", plan="a"), identify("2", accountId="W", plan="b")]
    assert replay.sends(*OPTION, replay.write(records))
    assert external_ids(replay) == {"1": "V", "w": "W"}
    assert replay.users()["W"]["properties"] == {"accountId": "W", "plan": "b"}


@pytest.mark.parametrize("against", ["account", "auto"])
def test_a_value_that_an_earlier_run_sent_as_a_user_id_is_somebody_elses(
    replay: Replay, against: str
) -> None:
    assert replay.sends(replay.write([says("7", plan="b")]))
    ours = identify("1", accountId="7", plan="a", phone="+44 1")
    assert replay.sends(*OPTION, "--against", against, replay.write([ours]))
    held = replay.users()
    assert held["7"]["email"] == "7@example.com"
    assert held["7"]["properties"] == {"plan": "b"}


def test_a_value_that_earlier_runs_saw_of_somebody_else_is_sent_for_nobody(replay: Replay) -> None:
    assert replay.sends(*OPTION, replay.write([says("1", "V")]))
    done = replay.push(*OPTION, replay.write([says("2", "V"), says("3", "W")]))
    assert "ambiguous_external_id" in done.stdout + done.stderr
    assert external_ids(replay) == {"1": "V", "2": None, "3": "W"}
    # Of one person alone, under another email by now, it is no other's.
    moved = at(5, identify("1", "new@example.com", accountId="V"))
    assert replay.sends(*OPTION, replay.write([moved]))
    assert external_ids(replay) == {"new": "V", "2": None, "3": "W"}


def test_a_change_of_the_configuration_sends_the_difference_to_the_same_people(
    replay: Replay,
) -> None:
    records = [says("1", "A", other="X"), says("2", "B", other="Y"), says("3")]
    export = replay.write(records)
    assert replay.sends(export)
    people = ids(replay)
    for options, wanted in (
        (OPTION, {"1": "A", "2": "B", "3": "3"}),
        (("--external-id", "traits.other"), {"1": "X", "2": "Y", "3": "3"}),
        (OPTION, {"1": "A", "2": "B", "3": "3"}),
        ((), {"1": "1", "2": "2", "3": "3"}),
        (OPTION, {"1": "A", "2": "B", "3": "3"}),
    ):
        before = len(replay.sandbox.requests)
        foretold = replay.diff("--next", *options, export)
        assert foretold.writes == (0, 2)
        assert replay.sends(*options, export)
        writes = sent(replay, before)
        assert sorted(each["external_id"] for each in writes) == sorted(
            value for user, value in wanted.items() if user != "3"
        )
        assert all(set(each) <= {"external_id"} for each in writes)
        assert external_ids(replay) == wanted
        assert ids(replay) == people
        before = len(replay.sandbox.requests)
        assert replay.sends(*options, export)
        assert not sent(replay, before)


def test_a_list_of_user_ids_is_not_about_values(replay: Replay) -> None:
    (replay.folder / "list").write_text("42\n")
    records = [says("1", "42"), says("42", "V"), at(2, track("1")), at(2, page("42"))]
    export = replay.write(records)
    plan = replay.plan(*OPTION, export)
    for source in ((*OPTION, export), ("--plan", plan)):
        replay.sandbox.state.reset()
        journal = ("--journal", replay.folder / f"journal-{len(source)}")
        assert replay.sends("--suppress", replay.folder / "list", *journal, *source)
        assert external_ids(replay) == {"1": "42"}


@pytest.mark.parametrize("way", [(), ("--no-fold",), ("--create-only",), ("--fill-missing",)])
def test_a_saved_plan_leaves_what_a_push_leaves(replay: Replay, way: tuple[str, ...]) -> None:
    replay.holds(None, "5@example.com")
    replay.holds("42", "1@example.com")
    records = [*EXPORT, says("5", "five", 3)]
    export = replay.write(records)
    plan = replay.plan("--against", "account", *OPTION, *way, export)
    assert orjson.loads(plan.read_bytes().splitlines()[0])["wootric_replay_plan"] == 3
    assert replay.sends("--plan", plan)
    by_plan = external_ids(replay)
    assert by_plan["5"] == (None if "--create-only" in way else "five")
    before = len(replay.sandbox.requests)
    assert replay.sends(*OPTION, *way, export)
    assert not sent(replay, before)


def test_survey_responses_and_opt_outs_find_their_end_user(replay: Replay) -> None:
    off = ("--surveys-disabled", "traits.off", "--response-event", "NPS")
    records = [
        says("1", "2", off=True),
        says("2", "1"),
        at(2, track("2", "NPS", properties={"score": 9})),
    ]
    export = replay.write(records)
    assert replay.sends("--plan", replay.plan(*OPTION, *off, export))
    state = replay.sandbox.state
    (given,) = state.responses
    assert given.end_user_id == ids(replay)["2@example.com"]
    held = {each["email"]: each["settings"] for each in replay.users().values()}
    assert held["1@example.com"]["email_nps"] is False
    assert held["2@example.com"]["email_nps"] is not False


def test_whoever_another_has_found_by_a_value_just_now_is_still_found(
    replaying: Replaying,
) -> None:
    replay = replaying(SandboxSettings(latency=0.1))
    first = at(4, identify("1", phone="+44 1000", other="2", accountId="new"))
    assert replay.sends("--external-id", "traits.other", replay.write([first]))
    assert set(replay.users()) == {"2"}
    held = replay.users()["2"]["id"]
    # The first of two workers still holds the end user that it has found as the second gets to them.
    way = ("--against", "account", "--workers", "2")
    assert replay.sends(*OPTION, *way, replay.write([says("3", "2"), says("4", day=2), first]))
    assert replay.users()["new"]["id"] == held
    assert len(replay.users()) == 3


def test_identifies_of_whoever_is_not_sent_count_to_tell_whose_a_value_is(replay: Replay) -> None:
    said_no = says("2", "V") | {"integrations": {"Wootric": False}}
    (replay.folder / "list").write_text("3\n")
    records = [says("1", "V"), said_no, says("3", "W"), says("4", "W"), says("5", "X")]
    own = says("5", "X", 2) | {"integrations": {"Wootric": False}}
    export = replay.write([*records, own])
    assert replay.sends(*OPTION, "--suppress", replay.folder / "list", export)
    assert external_ids(replay) == {"1": None, "4": None, "5": "X"}


def test_an_identify_with_an_id_of_several_people_states_it_of_its_email(replay: Replay) -> None:
    records = []
    for nth, name in enumerate(("ada", "bob"), 1):
        records += [
            at(nth, identify("agent", f"{name}@example.com", accountId=f"A-{name}")),
            at(nth + 3, identify(name, f"{name}@example.com")),
        ]
    assert replay.sends(*OPTION, replay.write(records))
    assert external_ids(replay) == {"ada": "A-ada", "bob": "A-bob"}


def test_inspect_tells_how_many_have_one_and_how_many_are_several_peoples(replay: Replay) -> None:
    export = replay.write([*EXPORT, {"type": "group", "userId": "1", "groupId": "g"}])
    found = replay.run("inspect", "--format", "json", *OPTION, "--group-traits", "team", export)
    told = orjson.loads(found.stdout)
    assert told["end_users"]["with_external_id"] == 4
    assert told["ids"]["ambiguous_external_ids"] == 1
    assert f"{' '.join(OPTION)}" in told["commands"][1]["command"]
    without = orjson.loads(replay.run("inspect", "--format", "json", export).stdout)
    assert without["end_users"]["with_external_id"] is None


def test_groups_and_opt_outs_beside_it_make_no_difference(replay: Replay) -> None:
    more = ("--group-traits", "team", "--surveys-disabled", "traits.off")
    group = {"type": "group", "userId": "1", "groupId": "g", "traits": {"name": "Acme"}}
    export = replay.write([says("1", "42", off=True), at(3, group), says("42", "1")])
    assert replay.sends(*OPTION, *more, export)
    assert external_ids(replay) == {"1": "42", "42": "1"}
    assert replay.users()["42"]["properties"]["team_name"] == "Acme"
    assert replay.users()["42"]["settings"]["email_nps"] is False


# Kills.


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("after", [3, 4, 5, 6, 7])
def test_a_push_that_was_killed_goes_on_and_crosses_nobody(
    replaying: Replaying, trouble: Trouble, after: int, *, carried_out: bool
) -> None:
    replay = replaying(SandboxSettings(faults=(trouble,)))
    export = replay.write([says("1", "2"), says("2", "1"), says("3", "C"), says("4")])
    assert replay.sends(replay.write([says("2"), says("4", plan="x")], "before"))
    people = ids(replay)
    kill = trouble.rule = Kill(after, carried_out)
    process: Forked = replay.start("push", "--workers", "1", *OPTION, export)
    with process:
        kill.process = process
        process.communicate(timeout=60)
    trouble.rule = None
    assert replay.sends(*OPTION, export)
    assert replay.sends(*OPTION, export)
    held = ids(replay)
    assert len(held) == 4
    assert {email: held[email] for email in people} == people
    assert external_ids(replay)["3"] == "C"
    assert external_ids(replay)["2"] == "1"
    assert external_ids(replay)["1"] in ("2", None)
    before = len(replay.sandbox.requests)
    assert replay.sends(*OPTION, export)
    assert not sent(replay, before)


# People whose values and userIds coincide in all sorts of ways.


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


USERS: Final = ("1", "2", "3", "4")
VALUES = st.sampled_from([None, None, "1", "2", 3, "V", "W", "undefined", ""])
CONFIGURATIONS: Final = ((), OPTION, ("--external-id", "traits.other"))
WAYS = st.sampled_from(
    [
        (),
        ("--against", "account"),
        ("--against", "nothing"),
        ("--no-fold",),
        ("--events-first",),
        ("--fill-missing",),
        ("--create-only",),
    ]
)


@st.composite
def people(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Identifies of some people, each with two traits that may be external ids, and with a trait of who."""
    records = []
    for day in range(1, draw(st.integers(2, 9))):
        user = draw(st.sampled_from(USERS))
        traits: dict[str, Any] = {"who": f"p{user}"}
        for name in ("accountId", "other"):
            if (value := draw(VALUES)) is not None:
                traits[name] = value
        if draw(st.booleans()) or draw(st.booleans()):
            traits["email"] = f"{user}@example.com"
        elif draw(st.booleans()):
            traits["phone"] = f"+44 {user}000"
        records.append(at(day, identify(user, **traits)) | {"messageId": f"m{day}"})
        if draw(st.booleans()):
            records.append(at(day, track(user)) | {"messageId": f"t{day}"})
    return records


def check_nobody_is_crossed(replay: Replay, *, all_written: bool = True) -> None:
    """Make sure that each end user has what one person states, and none has two.

    Args:
        replay: has pushed.
        all_written: whether every email was written; with --create-only an event may name one that was not.
    """
    seen: set[str] = set()
    for each in replay.users().values():
        who = each["properties"]["who"]
        assert who not in seen, "two end users of one person"
        seen.add(who)
        if each["email"]:
            assert each["email"] == f"{who[1:]}@example.com"
        if each["phone_number"]:
            assert each["phone_number"].replace(" ", "") == f"+44{who[1:]}000"
    for request in requests(replay) if all_written else ():
        if request["path"] == "/eligible.json" and request["query"].get("email"):
            held = {each["email"]: each["external_id"] for each in replay.users().values()}
            assert request["query"]["email"] in held


@examples(60)
@given(records=people(), data=st.data())
def test_pushes_of_any_parts_with_any_configuration_cross_nobody(
    sandbox: RunningSandbox, records: Records, data: st.DataObject
) -> None:
    with empty_account(sandbox) as replay:
        ways = []
        for nth in range(data.draw(st.integers(1, 3))):
            part = [each for each in records if data.draw(st.booleans())]
            options = data.draw(st.sampled_from(CONFIGURATIONS))
            export = replay.write(part, f"part-{nth}")
            if data.draw(st.booleans()):
                ways.append(data.draw(WAYS))
                replay.sends(*options, *ways[-1], export)
            else:
                replay.sends("--plan", replay.plan("--next", *options, export, name=f"p{nth}"))
            check_nobody_is_crossed(replay, all_written=("--create-only",) not in ways)
        options = data.draw(st.sampled_from(CONFIGURATIONS))
        export = replay.write(data.draw(st.permutations(records)))
        replay.sends(*options, export)
        check_nobody_is_crossed(replay, all_written=("--create-only",) not in ways)
        replay.sends(*options, export)
        before = len(replay.sandbox.requests)
        assert replay.sends(*options, export)
        assert not sent(replay, before)


@examples(40)
@given(records=people(), data=st.data())
def test_the_account_gets_what_alone_each_person_states(
    sandbox: RunningSandbox, records: Records, data: st.DataObject
) -> None:
    stated: dict[str, set[str]] = {}
    latest: dict[str, str] = {}
    for each in records:
        text = str(each.get("traits", {}).get("accountId", ""))
        if text not in ("", "undefined"):
            stated.setdefault(text, set()).add(each["userId"])
            latest[each["userId"]] = text
    wanted = {f"p{user}": text if len(stated[text]) == 1 else None for user, text in latest.items()}
    with empty_account(sandbox) as replay:
        files = [replay.folder / "one.ndjson", replay.folder / "two.ndjson"]
        lines: list[list[bytes]] = [[], []]
        for each in data.draw(st.permutations(records)):
            data.draw(st.sampled_from(lines)).append(orjson.dumps(each) + b"\n")
        for path, own in zip(files, lines, strict=True):
            path.write_bytes(b"".join(own))
        export: tuple[Path, ...] = tuple(files)
        if data.draw(st.booleans()):
            assert replay.sends("--plan", replay.plan(*OPTION, *export))
        else:
            assert replay.sends(*OPTION, *data.draw(WAYS), *export)
        for each in replay.users().values():
            who = each["properties"]["who"]
            assert each["external_id"] == wanted.get(who)
        check_nobody_is_crossed(replay)
