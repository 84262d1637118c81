"""The forecast of a push and the count after it agree with the log of the account.

For speed the command runs inside this process; it still talks real HTTP to the sandbox.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import event, given
from hypothesis import strategies as st
from replaying import Replay, empty_account
from somebody import PEOPLE, Somebody, fill

from wootric_map.sandbox import RunningSandbox, run_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


HOW = st.sampled_from(
    [(), (), ("--no-fold",), ("--create-only",), ("--fill-missing",), ("--again",)]
)
AGAINST = st.sampled_from(["auto", "auto", "auto", "account", "nothing"])


def told(replay: Replay, *args: Any) -> dict[str, Any]:
    """The summary of a push; its count must be that of the account's log."""
    before = len(replay.sandbox.requests)
    done = replay.push("--format", "json", *args)
    assert done.returncode in (0, 1), done.stderr
    summary: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])["summary"]
    assert summary["calls"] == len(replay.sandbox.requests) - before, done.stderr
    return summary


@examples(60)
@given(PEOPLE, HOW, AGAINST, st.booleans(), st.integers(0, 5))
def test_the_calls_are_within_the_forecast_and_are_the_forecast_where_all_is_known(
    sandbox: RunningSandbox,
    people: list[Somebody],
    how: tuple[str, ...],
    against: str,
    is_large: bool,
    pushed_before: int,
) -> None:
    if against == "nothing":
        people = [replace(each, held="no") for each in people]
        pushed_before = 0 if "--again" in how else pushed_before
    with empty_account(sandbox) as replay:
        fill(replay, people, is_large=is_large)
        records = [list(each.records(number)) for number, each in enumerate(people)]
        if pushed_before:
            first = [record for each in records[:pushed_before] for record in each]
            replay.push("--quiet", replay.write(first, "first.ndjson"))
        export = replay.write(record for each in records for record in each)
        summary = told(replay, *how, "--against", against, export)
        forecast, calls = summary["forecast"], summary["calls"]
        is_exact = forecast["least"] == forecast["most"]
        event(f"{against}: {'exact' if is_exact else 'a range'}")
        if summary["failed"]:
            event("refused")
            return  # a write that Wootric refuses is a fault, and no fault is foretold
        made = calls - forecast["made_before"]
        assert forecast["least"] <= made <= forecast["most"], (forecast, calls)
        # That nobody has a phone is asked in any case.
        by_phone = any(each.ids == "phone" for each in people)
        if against == "auto" and not (is_large or by_phone or "--fill-missing" in how):
            assert is_exact
