"""The forecast of a push and the count after it agree with the log of the account.

For speed the command runs inside this process; it still talks real HTTP to the sandbox.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import event, given
from hypothesis import strategies as st
from replaying import Replay, alias, at, empty_account, identify, page, track

from wootric_map.sandbox import RunningSandbox, run_sandbox

OTHERS = 60
"""End users who make the list longer than one page."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


@dataclass(frozen=True)
class Somebody:
    """An end user of the export, and how the account holds them."""

    ids: str
    """`both`, `user`, `email`, `phone`, `older` (another userId before) or `wootric` (Wootric's own, too)."""
    held: str
    """`no`, `same`, `other` (with another value), `by_email`, `by_user` or `split` (two end users)."""
    events: int
    is_identified: bool

    def records(self, number: int) -> Iterator[dict[str, Any]]:
        user, email, phone = f"u{number}", f"u{number}@x.io", f"+44 20 7946 {number:04}"
        who: dict[str, Any] = {"email": email} if self.ids in {"email", "both", "older"} else {}
        if self.ids == "wootric":
            context = {"externalId": [{"type": "wootricEndUserId", "id": str(9000 + number)}]}
        else:
            context = {}
        if self.ids == "phone":
            who = {"phone": phone}
        if self.ids == "older":
            yield at(1, identify(f"old{number}", email))
            yield at(1, alias(f"old{number}", user))
        name = "" if self.ids == "email" else user
        if self.is_identified:
            yield self._by(name, email, at(2, identify(user, **who, plan="pro")), context)
            yield self._by(name, email, at(3, identify(user, **who, seats="5")), context)
        for each in range(self.events):
            made = page(user, f"/{each}") if each % 2 else track(user)
            yield self._by(name, email, at(4, made), context)

    def _by(
        self, name: str, email: str, record: dict[str, Any], context: dict[str, Any]
    ) -> dict[str, Any]:
        """The record, of an email alone if there is no name."""
        record = record | ({"context": context} if context else {})
        if name:
            return record
        record = {**record, "anonymousId": f"d-{email}"}
        del record["userId"]
        return record

    def put(self, replay: Replay, number: int) -> None:
        user, email, phone = f"u{number}", f"u{number}@x.io", f"+44 20 7946 {number:04}"
        if self.held in {"same", "other"}:
            plan = "pro" if self.held == "same" else "free"
            replay.holds(user, email, phone_number=phone, plan=plan, seats="5")
        elif self.held == "by_email":
            replay.holds(None, email)
        elif self.held == "by_user":
            replay.holds(user, f"former{number}@x.io")
        elif self.held == "split":
            replay.holds(user, f"former{number}@x.io")
            replay.holds(None, email)


PEOPLE = st.lists(
    st.builds(
        Somebody,
        ids=st.sampled_from(["both", "both", "user", "email", "phone", "older", "wootric"]),
        held=st.sampled_from(["no", "no", "same", "other", "by_email", "by_user", "split"]),
        events=st.integers(0, 2),
        is_identified=st.sampled_from([True, True, True, False]),
    ),
    min_size=1,
    max_size=5,
)
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
    with empty_account(sandbox) as replay:
        for number, each in enumerate(people):
            if is_large and number % 2:
                each.put(replay, number)
        for number in range(OTHERS if is_large else 0):
            replay.holds(f"other{number}", f"other{number}@x.io")
        for number, each in enumerate(people):
            if not (is_large and number % 2):
                each.put(replay, number)
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
        if against == "auto" and not is_large and "--fill-missing" not in how:
            assert is_exact
