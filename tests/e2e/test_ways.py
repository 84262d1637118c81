"""What a dry run says that each way of pushing costs is what a push by that way then takes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import event, given
from hypothesis import strategies as st
from replaying import Replay, at, empty_account, identify, page
from somebody import PEOPLE, Somebody, fill

from wootric_map.sandbox import RunningSandbox, run_sandbox

BESIDES = {"POST /oauth/token", "GET /registered_events.json"}
"""Signing in, and what is asked for the events: not counted."""

WAYS = ("auto", "account", "snapshot_first")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


def taken(replay: Replay, way: str, *args: Any) -> int | None:
    """The calls that a push by a way takes in the log of the account; None if Wootric refused any."""
    against = way if way != "snapshot_first" else replay.snapshot()
    done = replay.push("--format", "json", "--against", against, *args)
    assert done.returncode in (0, 1), done.stderr
    if orjson.loads(done.stdout.splitlines()[-1])["summary"]["failed"]:
        return None
    return sum(each["endpoint"] not in BESIDES for each in replay.sandbox.requests)


def costs(
    sandbox: RunningSandbox,
    people: Sequence[Somebody],
    compared: str,
    how: Sequence[str],
    *,
    is_large: bool,
) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Each way, what a dry run says of it, and what a push takes in an account that is filled anew."""
    told: dict[str, Any] = {}
    for way in WAYS:
        with empty_account(sandbox) as replay:
            fill(replay, people, is_large=is_large)
            records = (each.records(number) for number, each in enumerate(people))
            export = replay.write(record for each in records for record in each)
            if not told:
                against = replay.snapshot() if compared == "snapshot" else compared
                told = replay.diff("--against", against, *how, export).summary["ways"]
                sandbox.state.reset()
                fill(replay, people, is_large=is_large)
            calls = taken(replay, way, *how, export)
            if calls is not None:
                yield way, told[way], calls


@examples(25)
@given(
    PEOPLE,
    st.sampled_from(["nothing", "auto", "account", "snapshot"]),
    st.sampled_from([(), (), ("--no-fold",), ("--create-only",), ("--fill-missing",)]),
    st.booleans(),
)
def test_each_way_takes_what_a_dry_run_says_of_it(
    sandbox: RunningSandbox,
    people: list[Somebody],
    compared: str,
    how: tuple[str, ...],
    is_large: bool,
) -> None:
    if compared == "nothing":
        # An id of Wootric's own is taken for somebody's who is there.
        people = [
            replace(each, held="no", ids="both" if each.ids == "wootric" else each.ids)
            for each in people
        ]
        is_large = False
    if compared == "snapshot":
        # Of an id of Wootric's own that leads nowhere, a snapshot tells otherwise than look-ups.
        people = [
            replace(each, ids="both" if each.ids == "wootric" else each.ids) for each in people
        ]
    for way, told, calls in costs(sandbox, people, compared, how, is_large=is_large):
        is_exact = told["least"] == told["most"]
        event(f"{compared}, {way}: {'exact' if is_exact else 'a range'}")
        assert told["least"] <= calls, (way, told, calls)
        assert told["most"] is None or calls <= told["most"], (way, told, calls)
        # Of an account that nobody need be asked about, not even the size is known.
        is_known = compared in {"nothing", "auto"} and not is_large and told["most"] is not None
        # That nobody has a phone is asked in any case.
        by_phone = compared == "auto" and any(each.ids == "phone" for each in people)
        if is_known and not (by_phone or "--fill-missing" in how):
            assert is_exact


def test_a_dry_run_names_what_each_way_costs(replay: Replay) -> None:
    people = range(5001)
    records = [at(1, identify(f"u{number}", f"u{number}@x.io")) for number in people]
    export = replay.write([*records, at(2, page("u1"))])
    done = replay.run("dry-run", "--against", "nothing", "--limit-users", "0", export)
    assert done.stdout.splitlines()[-5:] == [
        "What each way costs for an account that holds nobody, besides signing in:",
        "  auto: 5,003 calls, 50 min 1 s",
        "  account: 15,004 calls, 1 h 40 min",
        "  snapshot first: 5,003 calls, 50 min 1 s",
        "  CSV: 2 files with 5,001 end users; no events",
    ]
