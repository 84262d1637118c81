"""What holds of every plan, whatever the export: no order of lines matters, and done is done.

For speed the command runs inside this process; it still talks real HTTP to the sandbox.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import assume, event, given
from hypothesis import strategies as st
from made_up_rules import CONFIGURED, Configured
from replaying import Diff, Replay, alias, empty_account

from wootric_map.sandbox import RunningSandbox, run_sandbox

Records = list[dict[str, Any]]
Options = tuple[str | Path, ...]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


# Records that collide: few ids, emails, phones and times, and every way to spell them.

USER_IDS = ["1", "2", "3", 1, "b@x.io"]
EMAILS = ["a@x.io", " A@X.io", "b@x.io", "B@x.io ", "c@x.io"]
DEVICES = ["d", "e"]
PHONES = ["+44 1111", "+44 2222"]
TIMES: list[dict[str, Any]] = [
    {},
    {"timestamp": "2024-01-01T00:00:00Z"},
    {"timestamp": "2024-01-01T00:00:00.000Z"},
    {"timestamp": "2024-01-01T01:00:00+01:00"},
    {"timestamp": "2024-01-02"},
    {"timestamp": "2024-01-03T00:00:00Z"},
    {"receivedAt": "2024-01-02T00:00:00Z"},
    {"originalTimestamp": "2024-01-01T12:00:00Z", "sentAt": "2024-01-04T00:00:00Z"},
]

SCALARS = (
    st.sampled_from(["free", "pro", "", "5", "é"])
    | st.integers(-5, 5)
    | st.booleans()
    | st.sampled_from([0.5, 1e300, "2024-02-29", "2024-02-30"])
)
ADDRESSES = st.none() | st.fixed_dictionaries(
    {}, optional={"city": SCALARS, "zip": SCALARS, "geo": st.fixed_dictionaries({"lat": SCALARS})}
)
TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(EMAILS) | st.none(),
        "phone": st.sampled_from(PHONES) | st.none(),
        "plan": SCALARS | st.none(),
        "address": ADDRESSES,
        "address_city": SCALARS | st.none(),
        "address.zip": SCALARS,
        "tags": st.lists(SCALARS, max_size=2) | st.none(),
        "createdAt": st.sampled_from([1420099200, "2015-01-01", "nonsense", None]),
        "language": st.sampled_from(["en", "it", None]),
    },
)
WHO: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"userId": st.sampled_from(USER_IDS)}),
    st.fixed_dictionaries({"anonymousId": st.sampled_from(DEVICES)}),
    st.fixed_dictionaries(
        {"userId": st.sampled_from(USER_IDS), "anonymousId": st.sampled_from(DEVICES)}
    ),
)
CONTEXTS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {},
        {},
        {"traits": {"email": "a@x.io"}},
        {"externalId": [{"type": "wootricEndUserId", "id": "7"}]},
    ]
).map(lambda context: {"context": context} if context else {})


def made_of(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """One record out of parts of it."""
    return st.tuples(*parts).map(lambda drawn: {k: v for part in drawn for k, v in part.items()})


WHEN = st.sampled_from(TIMES)
MESSAGE = st.sampled_from([{}, {}, {"messageId": "m-1"}, {"messageId": "m-2"}])
IDENTIFIES = made_of(
    st.just({"type": "identify"}), WHO, TRAITS.map(lambda traits: {"traits": traits}), WHEN, MESSAGE
)
TRACKS = made_of(
    st.sampled_from(
        [
            {"type": "track", "event": "Signed Up"},
            {"type": "track", "event": "Other", "properties": {"total": 1}},
            {"type": "track", "event": "Signed Up", "properties": {"email": "c@x.io"}},
        ]
    ),
    WHO,
    WHEN,
    MESSAGE,
    CONTEXTS,
)
PAGES = made_of(
    st.sampled_from(["/a", "/b"]).map(lambda path: {"type": "page", "properties": {"path": path}}),
    WHO,
    WHEN,
    MESSAGE,
    CONTEXTS,
)
SURVEYS = made_of(
    st.sampled_from(
        [
            {"event": "Survey", "properties": {"feedbackScore": 9}},
            {"event": "Survey", "properties": {"feedbackScore": "3", "email": "c@x.io"}},
            {"event": "Other", "properties": {"feedbackScore": 9, "feedbackText": "é"}},
        ]
    ).map(lambda fields: {"type": "track", **fields}),
    st.sampled_from(["create response", "create decline"]).map(
        lambda kind: {"integrations": {"Wootric": {"eventType": kind}}}
    ),
    WHO,
    st.sampled_from(TIMES[1:]),  # without a time they would be rejected
    MESSAGE,
)
ALIASES: st.SearchStrategy[dict[str, Any]] = st.tuples(
    st.sampled_from(["1", "2", "d", "e"]), st.sampled_from(["1", "2", "3"])
).map(lambda ids: alias(*ids))
OTHERS = made_of(
    ALIASES | st.just({"type": "screen", "userId": "1"}),
    WHEN,
    MESSAGE,
)
EXPORTS = st.lists(
    IDENTIFIES
    | IDENTIFIES
    | made_of(IDENTIFIES, CONTEXTS)
    | TRACKS
    | PAGES
    | made_of(SURVEYS, CONTEXTS)
    | OTHERS,
    min_size=1,
    max_size=10,
)


@st.composite
def shuffled_and_split(draw: st.DrawFn) -> tuple[Records, list[Records]]:
    """An export, and the same records in another order, over one to three files."""
    records = draw(EXPORTS)
    if draw(st.booleans()):
        records = [*records, *records[:2]]  # delivered twice
    parts: list[Records] = [[] for _ in range(draw(st.integers(1, 3)))]
    for record in draw(st.permutations(records)):
        draw(st.sampled_from(parts)).append(record)
    return records, parts


CHOICES = [
    (),
    (),
    (),
    ("--limit", "3"),
    ("--since", "2024-01-02"),
    ("--until", "2024-01-01"),
    ("--type", "identify"),
    ("--type", "page", "--type", "track"),
    ("--event", "S*"),
    ("--user", "1"),
    ("--user", "a@x.io"),
]
FOLDING = [(), ("--no-fold",)]


def without_places(output: str) -> list[dict[str, Any]]:
    """A diff without what no other split can share: where each warning was seen first."""
    *lines, last = (orjson.loads(line) for line in output.splitlines())
    details = last["summary"].pop("warning_details")
    for each in details:
        del each["places"]
        if "subject" in each:
            del each["field"]  # the one at the first place
    return [*lines, last, *sorted(details, key=orjson.dumps)]


@examples(20)
@given(
    split=shuffled_and_split(),
    configured=CONFIGURED,
    folding=st.sampled_from(FOLDING),
    choice=st.sampled_from(CHOICES),
)
def test_no_order_of_lines_and_no_split_over_files_changes_the_plan(
    sandbox: RunningSandbox,
    split: tuple[Records, list[Records]],
    configured: Configured,
    folding: tuple[str, ...],
    choice: tuple[str, ...],
) -> None:
    records, parts = split
    with empty_account(sandbox) as replay:
        rules = configured.written(replay.folder)

        def planned(paths: Iterable[Path], name: str) -> tuple[list[dict[str, Any]], bytes]:
            plan = replay.folder / name
            options: Options = ("--format", "json", "--out", plan, *rules, *folding, *choice)
            done = replay.run("dry-run", *options, *paths)
            assert done.returncode == 0, done.stderr
            return without_places(done.stdout), plan.read_bytes()

        whole = planned([replay.write(records)], "whole")
        paths = [replay.write(part, f"{9 - n}.ndjson") for n, part in enumerate(parts)]
        assert planned(paths, "split") == whole


@examples(15)
@given(split=shuffled_and_split(), configured=CONFIGURED)
def test_no_order_of_lines_changes_the_plan_against_what_is_held(
    sandbox: RunningSandbox, split: tuple[Records, list[Records]], configured: Configured
) -> None:
    records, parts = split
    with empty_account(sandbox) as replay:
        replay.holds("1", "a@x.io", plan="free")
        replay.holds("9", "c@x.io", phone_number="+44 1111")
        replay.holds(None, "b@x.io", address_city="5")
        snapshot = replay.snapshot("snapshot")
        rules = configured.written(replay.folder)

        def planned(paths: Iterable[Path], name: str) -> tuple[list[dict[str, Any]], bytes]:
            plan = replay.folder / name
            options: Options = ("--format", "json", "--out", plan, "--against", snapshot, *rules)
            done = replay.run("dry-run", *options, *paths)
            assert done.returncode == 0, done.stderr
            return without_places(done.stdout), plan.read_bytes()

        whole = planned([replay.write(records)], "whole")
        paths = [replay.write(part, f"{9 - n}.ndjson") for n, part in enumerate(parts)]
        assert planned(paths, "split") == whole


@examples(20)
@given(records=EXPORTS, configured=CONFIGURED, folding=st.sampled_from(FOLDING))
def test_every_record_is_counted_exactly_once(
    sandbox: RunningSandbox,
    records: Records,
    configured: Configured,
    folding: tuple[str, ...],
) -> None:
    with empty_account(sandbox) as replay:
        diff = replay.diff(*configured.written(replay.folder), *folding, replay.write(records))
    summary = diff.summary
    assert summary["records"] == len(records)
    assert summary["mapped"] + sum(summary["skipped"].values()) == len(records)
    assert sum(summary["unidentified"].values()) == diff.skipped("unidentified")
    assert len(diff.users("create")) == summary["create"]


# Done is done.


def state_of_users(held: Sequence[dict[str, Any]]) -> st.SearchStrategy[Records]:
    """Some of those end users."""
    return st.lists(st.sampled_from(held), unique_by=lambda user: user["email"], max_size=3)


HELD_APART = state_of_users(
    # Each is known to the export by one thing alone, so that no two of its end users are one here.
    [
        {"external_id": "1", "email": "old-1@x.io", "plan": "free"},
        {"external_id": "2", "email": "old-2@x.io", "address_city": "5"},
        {"external_id": None, "email": "a@x.io", "plan": "pro"},
        {"external_id": "old-c", "email": "c@x.io", "external_created_at": 7},
        {"external_id": "9", "email": "z@x.io", "phone_number": "+44 1111"},
    ]
)
PEOPLE = st.lists(IDENTIFIES | IDENTIFIES | SURVEYS, min_size=1, max_size=8)


def assert_nothing_is_left_to_do(replay: Replay, *args: str | Path) -> None:
    """Neither the account nor a fresh snapshot of it needs another write."""
    for against in ("account", replay.snapshot("after")):
        diff = replay.diff("--against", against, *args)
        assert diff.writes == (0, 0), (against, diff.lines)
        if against == "account":
            surveys = diff.summary["responses"], diff.summary["declines"]
            assert surveys == (0, 0), diff.lines


@examples(10)
@given(records=PEOPLE, configured=CONFIGURED)
@pytest.mark.parametrize("against", ["nothing", "account", "snapshot"])
def test_a_push_to_an_empty_account_leaves_nothing_to_do(
    sandbox: RunningSandbox, against: str, records: Records, configured: Configured
) -> None:
    with empty_account(sandbox) as replay:
        way = replay.snapshot("before") if against == "snapshot" else against
        export = replay.write(records)
        assert replay.sends("--against", way, *configured.written(replay.folder), export)
        assert_nothing_is_left_to_do(replay, *configured.written(replay.folder), export)


@examples(10)
@given(held=HELD_APART, records=PEOPLE, configured=CONFIGURED)
@pytest.mark.parametrize("against", ["account", "snapshot"])
def test_a_push_to_an_account_that_holds_users_leaves_nothing_to_do(
    sandbox: RunningSandbox,
    against: str,
    held: Records,
    records: Records,
    configured: Configured,
) -> None:
    with empty_account(sandbox) as replay:
        for user in held:
            replay.holds(**user)
        way = replay.snapshot("before") if against == "snapshot" else against
        export = replay.write(records)
        # An email or id that somebody else in the account has is refused, and stays to be done.
        sent = replay.sends("--against", way, *configured.written(replay.folder), export)
        event("sent" if sent else "refused")
        assume(sent)
        assert_nothing_is_left_to_do(replay, *configured.written(replay.folder), export)


@examples(10)
@given(records=PEOPLE, configured=CONFIGURED)
def test_a_saved_plan_that_was_done_leaves_nothing_to_do(
    sandbox: RunningSandbox, records: Records, configured: Configured
) -> None:
    with empty_account(sandbox) as replay:
        export = replay.write(records)
        assert replay.sends("--plan", replay.plan(*configured.written(replay.folder), export))
        assert_nothing_is_left_to_do(replay, *configured.written(replay.folder), export)


@examples(10)
@given(records=PEOPLE, configured=CONFIGURED)
def test_a_push_leaves_in_the_account_what_the_dry_run_showed(
    sandbox: RunningSandbox, records: Records, configured: Configured
) -> None:
    with empty_account(sandbox) as replay:
        export = replay.write(records)
        shown = replay.diff(*configured.written(replay.folder), export).users("create")
        assert replay.sends(*configured.written(replay.folder), export)
        held = []
        for user in (each.to_json() for each in sandbox.state.end_users):
            properties = user["properties"]
            assert isinstance(properties, dict)
            fields = {f"properties.{key}": value for key, value in properties.items()}
            for name in ("email", "external_id", "phone_number", "external_created_at"):
                if user[name] is not None:
                    fields[name] = str(user[name])
            held.append(fields)
    wanted = [
        {
            name: str(value).strip() if name == "email" else str(value)
            for name, value in user.items()
        }
        for user in shown
    ]
    assert sorted(map(sorted, map(dict.items, held))) == sorted(
        map(sorted, map(dict.items, wanted))
    )


@examples(10)
@given(
    held=HELD_APART,
    records=st.lists(
        IDENTIFIES | made_of(SURVEYS, CONTEXTS) | TRACKS | ALIASES, min_size=1, max_size=8
    ),
    configured=CONFIGURED,
    folding=st.sampled_from(FOLDING),
    against=st.sampled_from(["account", "auto", "snapshot"]),
    saves=st.booleans(),
)
def test_a_push_sends_the_survey_responses_that_the_dry_run_promised_and_then_none(
    sandbox: RunningSandbox,
    held: Records,
    records: Records,
    configured: Configured,
    folding: tuple[str, ...],
    against: str,
    *,
    saves: bool,
) -> None:
    with empty_account(sandbox) as replay:
        for user in held:
            replay.holds(**user)
        way = replay.snapshot("before") if against == "snapshot" else against
        export = replay.write(records)
        options: Options = ("--against", way, *configured.written(replay.folder), *folding, export)
        diff = replay.diff(*options)
        promised = diff.summary["responses"], diff.summary["declines"]
        sent = replay.sends("--plan", replay.plan(*options)) if saves else replay.sends(*options)
        assume(sent)  # an email or id that somebody else in the account has is refused
        state = sandbox.state
        assert (len(state.responses), len(state.declines)) == promised
        assert replay.sends(*options)
        assert (len(state.responses), len(state.declines)) == promised


def without_warnings(diff: Diff) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in line.items() if name != "warnings"}
        for line in diff.lines[:-1]
    ]


@examples(10)
@given(held=HELD_APART, records=PEOPLE, configured=CONFIGURED)
def test_a_snapshot_gives_the_plan_that_the_account_gives(
    sandbox: RunningSandbox, held: Records, records: Records, configured: Configured
) -> None:
    with empty_account(sandbox) as replay:
        for user in held:
            replay.holds(**user)
        export = replay.write(records)
        asked = replay.diff("--against", "account", *configured.written(replay.folder), export)
        snapshot = replay.snapshot("snapshot")
        saved = replay.diff("--against", snapshot, *configured.written(replay.folder), export)
        # That a write will be refused, only a snapshot tells before.
        assert without_warnings(saved) == without_warnings(asked)
        assert saved.summary["skipped"] == asked.summary["skipped"]
