"""`--against auto` leaves the account as `--against account` leaves it, with fewer calls.

For speed the command runs inside this process; it still talks real HTTP to the sandbox.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson
import pytest
from examples import examples
from faulty import (
    CREATE,
    FAULTS,
    LISTING,
    LOOK_UP,
    NO_ANSWER,
    UPDATE,
    Weather,
    place,
    said,
    unlisted,
)
from hypothesis import example, given
from hypothesis import strategies as st
from killing import Kill, Trouble
from made_up import RECORDS
from made_up_accounts import ACCOUNTS, MEDDLING, MadeUpAccount, Meddling, SetClock
from replaying import Replay, at, by_device, empty_account, identify
from starlette.responses import JSONResponse

from wootric_map.sandbox import (
    Fault,
    RunningSandbox,
    SandboxRequest,
    SandboxSettings,
    run_sandbox,
)

Records: TypeAlias = Sequence[dict[str, Any]]
Start: TypeAlias = Callable[[SandboxSettings], Replay]

ONE, TWO, OLD = "one@example.com", "two@example.com", "old@example.com"


# Whoever is behind so many strangers is not met before the walk ends: it is for the account to tell.


def put_strangers_into(replay: Replay) -> None:
    """Have the account hold so many others that a push does not read its list to the end."""
    for nth in range(170):
        replay.holds(f"s{nth}", f"s{nth}@strange.example")


def in_order(replay: Replay) -> list[tuple[str | None, str | None, dict[str, str]]]:
    """The end users who are no strangers: external id, email and properties, the oldest first."""
    users = replay.sandbox.state.end_users
    return [(each.external_id, each.email, dict(each.properties)) for each in users[170:]]


WAYS: Final = pytest.mark.parametrize("against", ["account", "auto"])


@WAYS
def test_a_phone_names_the_oldest_who_has_it_whoever_is_met_first(
    replay: Replay, against: str
) -> None:
    put_strangers_into(replay)
    replay.holds("9", phone_number="+44 12345")
    replay.holds("1", ONE, phone_number="+44 12345")
    by_phone = by_device("d", identify("", phone="+44 12345", plan="free"))
    export = replay.write([at(1, identify("1", ONE, plan="pro")), at(2, by_phone)])
    done = replay.push("--against", against, "--workers", "1", export)
    assert done.returncode == 0, done.stderr
    assert in_order(replay) == [("9", None, {"plan": "free"}), ("1", ONE, {"plan": "pro"})]


@WAYS
def test_without_a_user_id_that_is_somebody_elses_nobody_is_created_unasked(
    replay: Replay, against: str
) -> None:
    """The earlier userId is somebody else's, and the later one finds the end user."""
    put_strangers_into(replay)
    replay.holds("1", TWO, plan="free")
    replay.holds("2", OLD, plan="free")
    export = replay.write(
        [
            at(1, identify("1", ONE)),
            at(2, identify("2", ONE, seats="5")),
            at(3, identify("9", TWO)),
        ]
    )
    done = replay.push("--against", against, "--workers", "1", "--fill-missing", export)
    assert done.returncode == 0, done.stderr
    assert in_order(replay) == [
        ("1", TWO, {"plan": "free"}),
        ("2", OLD, {"plan": "free", "seats": "5"}),
    ]


def create_refused(request: SandboxRequest) -> Fault | None:
    words = {"error": "Validation failed: Email is invalid"}
    return Fault(JSONResponse(words, 422)) if place(request) == CREATE else None


@WAYS
def test_a_create_refused_for_another_reason_does_not_keep_back_whoever_is_there(
    replaying: Start, against: str
) -> None:
    """What Wootric took once it may refuse by now, though that is not what differs."""
    replay = replaying(SandboxSettings(faults=(create_refused,)))
    put_strangers_into(replay)
    replay.holds("1", ONE, plan="free")
    records = [at(1, identify("1", ONE, plan="pro")), at(2, identify("2", TWO))]
    done = replay.push("--against", against, "--workers", "1", replay.write(records))
    assert done.returncode == 1
    assert in_order(replay) == [("1", ONE, {"plan": "pro"})]
    (entry,) = replay.rejects()
    assert (entry["line"], entry["code"]) == (2, "refused")
    assert "Email is invalid" in entry["message"]
    creates = [path for path in replay.paths("POST") if "oauth" not in path]
    assert len(creates) == (1 if against == "account" else 2), "it is not tried again in vain"


@WAYS
def test_after_a_create_that_failed_the_next_write_looks_up_who_is_there(
    replaying: Start, against: str
) -> None:
    def rule(request: SandboxRequest) -> Fault | None:
        is_first = place(request) == CREATE and request.form["email"] == ONE
        return Fault(said(500)()) if is_first else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    put_strangers_into(replay)
    replay.holds(None, ONE)
    emails = enumerate([ONE, TWO, ONE], 1)
    export = replay.write([at(day, identify("1", email, nth=f"{day}")) for day, email in emails])
    once = ("--workers", "1", "--no-fold", "--retries", "1")
    replay.push("--against", against, *once, export)
    assert [user[:2] for user in in_order(replay)] == [("1", ONE)]


PATIENCE: Final = {"silence", "429"}
"""Faults that would have to be waited for."""


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - PATIENCE))
def test_a_list_that_breaks_off_costs_no_record(replaying: Start, fault: str) -> None:
    """The second page never comes: end users are created, and looked up, without the list."""
    is_bad = [True]

    def rule(request: SandboxRequest) -> Fault | None:
        breaks = is_bad and place(request) == LISTING and request.query["page"] == "2"
        return Fault(FAULTS[fault]()) if breaks else None

    replay = replaying(SandboxSettings(faults=(rule,)))
    put_strangers_into(replay)
    replay.holds("1", ONE, plan="free")
    replay.holds(None, TWO, plan="free")
    emails = {"1": ONE, "2": TWO, "3": OLD}
    for plan in ("pro", "basic"):
        export = replay.write([at(1, identify(*each, plan=plan)) for each in emails.items()])
        done = replay.push("--workers", "1", "--retries", "1", "--again", export)
        assert done.returncode == 0, done.stderr
        assert ("can't be used" in done.stderr) == bool(is_bad)
        assert in_order(replay) == [(*each, {"plan": plan}) for each in emails.items()]
        assert replay.in_doubt().total() == 0
        is_bad.clear()


def test_a_create_refused_as_taken_is_no_doubt_and_counts_as_what_became_of_it(
    replaying: Start,
) -> None:
    replay = replaying(SandboxSettings(faults=(unlisted, look_up_refused)))
    replay.holds("1", ONE, plan="pro")
    replay.holds("2", TWO, plan="free")
    replay.holds("3", OLD, plan="free")
    emails = {"1": ONE, "2": TWO, "3": OLD}
    export = replay.write([at(1, identify(*each, plan="pro")) for each in emails.items()])
    done = replay.push("--workers", "1", "--format", "json", export)
    assert done.returncode == 1
    summary = orjson.loads(done.stdout.splitlines()[-1])["summary"]
    assert [summary[name] for name in ("create", "update", "unchanged")] == [0, 1, 1]
    assert summary["failed"] == {"refused": 1}
    assert replay.in_doubt().total() == 0
    assert replay.sandbox.state.request_counts.by_status[422] == 2


def look_up_refused(request: SandboxRequest) -> Fault | None:
    is_third = place(request) == LOOK_UP and request.path.endswith("/3")
    return Fault(said(400)()) if is_third else None


# Any account, any export.


@dataclass(frozen=True)
class OnePush:
    """A push of some records, with these options."""

    records: Records
    options: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """A sandbox, the clock by which it goes, and the faults that it has."""

    sandbox: RunningSandbox
    clock: SetClock
    trouble: Trouble


@pytest.fixture(scope="module")
def stages() -> Iterator[tuple[Stage, ...]]:
    """Two sandboxes whose replies to a write show properties as JSON, and two that show them as text."""
    with ExitStack() as stack:
        made = []
        for as_text in (False, False, True, True):
            clock, trouble = SetClock(), Trouble()
            settings = SandboxSettings(properties_as_text=as_text, faults=(trouble,))
            running = stack.enter_context(run_sandbox(settings, clock=clock))
            made.append(Stage(running, clock, trouble))
        yield tuple(made)


OPTIONS: Final = st.sampled_from(
    [
        (),
        (),
        ("--no-fold",),
        ("--create-only",),
        ("--fill-missing",),
        ("--no-fold", "--create-only"),
        ("--no-fold", "--fill-missing"),
        ("--link-anonymous",),
        ("--again",),
        ("--again", "--no-fold"),
    ]
)
IDENTIFIES: Final = st.builds(
    lambda day, user, context, traits: at(day, identify(user, **traits) | context),
    st.integers(1, 9),
    st.sampled_from(["1", "2", "3", "4", "x@y.zz", "undefined", ""]),
    st.sampled_from(
        [{"anonymousId": "a"}] * 6
        + [{"context": {"externalId": [{"type": "wootricEndUserId", "id": id_}]}} for id_ in "157"]
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "email": st.sampled_from(["a@b.co", "A@b.co", "c@d.co", "e@f.co", "unknown"]),
            "phone": st.sampled_from(["+15550001", "+15550002"]),
            "plan": st.sampled_from(["free", "pro"]),
            "seats": st.sampled_from(["1", "2"]),
        },
    ),
)
"""Identifies of a few ids, most of whom can be written."""
PUSHES: Final = st.builds(
    OnePush, st.lists(IDENTIFIES | IDENTIFIES | RECORDS, min_size=1, max_size=8), OPTIONS
)
HISTORIES: Final = st.tuples(
    PUSHES, st.lists(PUSHES | PUSHES | MEDDLING, max_size=3), st.booleans()
).map(lambda drawn: _history(*drawn))


def _history(
    first: OnePush, others: list[OnePush | Meddling], repeats: bool
) -> list[OnePush | Meddling]:
    """A push, further ones and what others do in between; perhaps the first push again at the end."""
    return [first, *others, *([first] if repeats else [])]


def fields_of(user: Any) -> dict[str, Any]:
    """An end user without their id and the times of Wootric's own."""
    told = user.to_json()
    return {
        name: told[name]
        for name in ("email", "external_id", "phone_number", "external_created_at", "properties")
    }


def lasting(sandbox: RunningSandbox) -> dict[str, Any]:
    """What a sandbox has come to hold: end users and events."""
    state = sandbox.state
    views = [{**view.params, "random": ""} for view in state.page_views]
    return {
        "end users": sorted(map(fields_of, state.end_users), key=str),
        "checks": sorted((dict(check.params) for check in state.eligibility_checks), key=str),
        "views": sorted(views, key=str),
    }


def told(replay: Replay, push: OnePush, against: str) -> dict[str, Any]:
    """What a push says of its records."""
    (replay.folder / "rejects.ndjson").unlink(missing_ok=True)
    export = replay.write(push.records)
    how = ("--against", against, "--workers", "1", "--retries", "2", "--format", "json")
    done = replay.push(*how, *push.options, export)
    assert done.returncode in (0, 1), done.stderr
    summary = orjson.loads(done.stdout.splitlines()[-1])["summary"]
    return {
        "exit code": done.returncode,
        "rejects": [(entry["line"], entry["code"]) for entry in replay.rejects()],
        "summary": {name: summary[name] for name in COUNTED},
    }


COUNTED: Final = (
    *("records", "mapped", "skipped", "unidentified", "rejected", "failed"),
    *("create", "update", "unchanged", "left", "eligibility_checks", "page_views"),
)
"""What a summary says of records. Of calls, and before them of what may go wrong, it says what is known."""


def after(
    stage: Stage, account: MadeUpAccount, history: Sequence[OnePush | Meddling], against: str
) -> list[Any]:
    """What each push has told, and what the account holds after each."""
    came: list[Any] = []
    with empty_account(stage.sandbox) as replay:
        account.fill(stage.sandbox, stage.clock)
        for each in history:
            if isinstance(each, Meddling):
                each.happen(stage.sandbox)
                continue
            came.append((told(replay, each, against), lasting(stage.sandbox)))
    return came


@examples(25)
@given(account=ACCOUNTS, history=HISTORIES, as_text=st.booleans())
def test_the_account_and_all_that_is_told_are_as_with_a_look_up_for_each(
    stages: tuple[Stage, ...],
    account: MadeUpAccount,
    history: list[OnePush | Meddling],
    as_text: bool,
) -> None:
    one, other = stages[2:] if as_text else stages[:2]
    expected = after(one, account, history, "account")
    assert after(other, account, history, "auto") == expected


# With faults.

LOST: Final = (*(name for name in NO_ANSWER if name != "silence"), "500", "503", "401")
"""The faults after which a call is made again, or looked up."""


@examples(20)
@given(
    account=ACCOUNTS, history=HISTORIES, seed=st.integers(0, 999), share=st.sampled_from([0.2, 0.5])
)
def test_whatever_reply_is_lost_the_account_is_as_without_faults(
    stages: tuple[Stage, ...],
    account: MadeUpAccount,
    history: list[OnePush | Meddling],
    seed: int,
    share: float,
) -> None:
    """A write without an answer may have been carried out or not, and so may a refused create."""
    one, other, *_ = stages
    expected = after(one, account, history, "account")
    other.trouble.rule = Weather(seed, share, LOST, (LISTING, LOOK_UP, CREATE, UPDATE))
    try:
        came = after(other, account, history, "auto")
    finally:
        other.trouble.rule = None
    # What was created by a call without an answer, and what was there already, may look the same.
    for told_once, _ in (*expected, *came):
        del told_once["summary"]
    assert came == expected


def run_to_the_end(
    stage: Stage, replay: Replay, against: str, push: OnePush, kills: list[Kill]
) -> None:
    """Push, killed so often, and then until nothing that was refused once has another outcome."""
    export = replay.write(push.records)
    how: tuple[str | Path, ...] = (
        *("--against", against, "--workers", "1"),
        *push.options,
        export,
    )
    for kill in kills:
        stage.trouble.rule = kill
        with replay.start("push", "--no-progress", *how) as process:
            kill.process = process
            process.communicate(timeout=60)
    stage.trouble.rule = None
    for _ in range(3):
        done = replay.push("--retry-rejects", *how)
        assert done.returncode in (0, 1), done.stderr


KILLS: Final = st.lists(st.builds(Kill, st.integers(0, 9), st.booleans()), min_size=1, max_size=3)


FILLED_TWICE: Final = OnePush(
    [at(day, identify("1", "a@b.co", plan=plan)) for day, plan in ((1, "free"), (2, "pro"))],
    ("--no-fold", "--fill-missing"),
)
"""A push that fills a property in, and then changes what it has filled in."""


@examples(8)
@example(
    account=MadeUpAccount(({"external_id": "1", "email": "a@b.co"},), 0, 0, 1),
    push=FILLED_TWICE,
    kills=[Kill(after=3, carried_out=False)],
)
@given(
    account=ACCOUNTS, push=PUSHES.filter(lambda push: "--again" not in push.options), kills=KILLS
)
def test_wherever_it_is_killed_the_account_is_as_without_kills(
    stages: tuple[Stage, ...], account: MadeUpAccount, push: OnePush, kills: list[Kill]
) -> None:
    held: list[Any] = []
    for stage, against, at_calls in zip(stages, ("account", "auto"), ([], kills), strict=False):
        with empty_account(stage.sandbox) as replay:
            account.fill(stage.sandbox, stage.clock)
            run_to_the_end(stage, replay, against, push, [replace(each) for each in at_calls])
            held.append(lasting(stage.sandbox)["end users"])
            assert replay.in_doubt()["write"] == 0
    assert held[0] == held[1]


# With many at once.

HOW_HELD: Final = {
    "not at all": [],
    "by email": [{"email": True}],
    "by userId": [{"external_id": True}],
    "by both": [{"external_id": True, "email": True}],
    "as two": [{"email": True}, {"external_id": True}],
}
HOW_NAMED: Final = ("by both", "by either", "by email", "by both, then by email")
CROWDS: Final = st.lists(
    st.tuples(st.sampled_from(sorted(HOW_HELD)), st.sampled_from(HOW_NAMED)),
    min_size=2,
    max_size=12,
)
"""End users: how the account holds each, and how the export names each."""


def put_crowd_into(replay: Replay, crowd: Sequence[tuple[str, str]]) -> None:
    for nth, (how, _) in enumerate(crowd):
        names = {"external_id": f"u{nth}", "email": f"u{nth}@example.com"}
        for fields in HOW_HELD[how]:
            known = {name: text for name, text in names.items() if name in fields}
            replay.holds(**{"external_id": None, "email": None} | known, plan="free")


def crowd_records(crowd: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Records that set a property each, so that their order makes no difference."""
    for nth, (_, how) in enumerate(crowd):
        email = f"u{nth}@example.com"
        by_email = by_device(f"d{nth}", identify("", email, a="x"))
        if how != "by email":
            yield identify(f"u{nth}", None if how == "by either" else email, b="x")
        if how != "by both":
            yield by_email


@examples(15)
@given(crowd=CROWDS, is_listed=st.booleans())
def test_however_many_are_under_way_nobody_is_there_twice(
    stages: tuple[Stage, ...], crowd: list[tuple[str, str]], is_listed: bool
) -> None:
    held: list[Any] = []
    for stage, against, workers in zip(stages, ("account", "auto"), ("1", "8"), strict=False):
        stage.trouble.rule = None if is_listed else unlisted
        with empty_account(stage.sandbox) as replay:
            put_crowd_into(replay, crowd)
            export = replay.write(crowd_records(crowd))
            done = replay.push("--against", against, "--workers", workers, export)
            assert done.returncode in (0, 1), done.stderr
            held.append(lasting(stage.sandbox)["end users"])
        stage.trouble.rule = None
    assert held[0] == held[1]
