"""A push that is killed again and again, and run again until it ends."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from faulty import LOOK_UP, UPDATE, Silence, place, unlisted
from replaying import Replay, by_device, identify, page, track, until

from wootric_map.sandbox import Fault, SandboxRequest, SandboxSettings

WORKERS = 8
SETTINGS = SandboxSettings(latency=0.01)

FEW, MANY = range(60), range(150)
"""The numbers of the end users: of many a push is not done after fifty kills."""


def records(users: range) -> Iterator[dict[str, Any]]:
    for n in users:
        yield identify(f"u{n}", f"u{n}@example.com", plan="pro", seats=n)
    for n in users:
        # Nothing but a phone names these: were they created twice, Wootric would not mind.
        yield by_device(f"d{n}", identify("", phone=f"+44 111{n}", nth=n))
    for n in users:
        yield track(f"u{n}", properties={"nth": n}, messageId=f"t-{n}")
    for n in users:
        yield page(f"u{n}", f"/{n}")


def killed_and_run_again(
    replay: Replay, users: range, kills: int, seed: int, *options: str
) -> list[Counter[str]]:
    """Push until it ends, killed so often on the way; gives what was in doubt before and after each kill."""
    draw = random.Random(seed)
    export = replay.write(records(users))
    push: tuple[str | Path, ...] = (
        "push",
        export,
        "--workers",
        str(WORKERS),
        "--no-progress",
        *options,
    )
    doubts = [replay.in_doubt()]
    for _ in range(kills):
        with replay.start(*push) as process:
            requests = replay.sandbox.state.request_counts.total
            # Signing in is one, and each run looks up what the last has left in doubt.
            more = requests + draw.randrange(2, 26)
            while replay.sandbox.state.request_counts.total < more and process.poll() is None:
                time.sleep(0.001)
            time.sleep(draw.random() * 0.012)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=30)
        doubts.append(replay.in_doubt())
    done = replay.push(*push[1:])
    assert done.returncode == 0, done.stderr
    return doubts


def check_end_users(replay: Replay, users: range) -> None:
    """Everybody is there, once, with all that the export says of them."""
    state = replay.sandbox.state
    by_email = {user.email: user for user in state.end_users if user.email}
    phones = Counter(user.phone_number for user in state.end_users if not user.email)
    assert sorted(by_email) == sorted(f"u{n}@example.com" for n in users)
    assert all(
        by_email[f"u{n}@example.com"].properties == {"plan": "pro", "seats": str(n)} for n in users
    )
    assert phones == Counter({f"+44 111{n}": 1 for n in users})


def events(replay: Replay) -> Counter[str]:
    state = replay.sandbox.state
    return Counter(
        [f"track {check.params['properties[nth]']}" for check in state.eligibility_checks]
        + [f"page {view.params['page_info[path]']}" for view in state.page_views]
    )


def all_events(users: range) -> set[str]:
    return {f"track {n}" for n in users} | {f"page /{n}" for n in users}


@pytest.mark.parametrize("settings", [SETTINGS])
@pytest.mark.parametrize(
    ("users", "kills"), [(FEW, 10), pytest.param(MANY, 50, marks=pytest.mark.soak)]
)
def test_killed_at_many_moments_it_loses_nothing_and_sends_nothing_twice(
    replay: Replay, users: range, kills: int
) -> None:
    doubts = killed_and_run_again(replay, users, kills, 1)
    left = [(after - before).total() for before, after in pairwise(doubts)]
    assert max(left) <= WORKERS
    assert sum(left) > 0, "no kill came at a moment that matters"
    check_end_users(replay, users)
    assert replay.sandbox.state.request_counts.by_status.get(422, 0) == 0
    sent = events(replay)
    assert set(sent.values()) == {1}
    # What is missing was under way when a kill came: nothing else was left out.
    doubt = replay.in_doubt()
    assert doubt["write"] == 0
    missing = all_events(users) - set(sent)
    assert len(missing) <= doubt["eligibility_check"] + doubt["page_view"]
    calls = replay.sandbox.state.request_counts.total
    assert replay.push("export.ndjson").returncode == 0
    # It signs in, and asks for the registered events and the oldest end user.
    assert replay.sandbox.state.request_counts.total - calls == 3


@pytest.mark.parametrize("settings", [SETTINGS])
@pytest.mark.parametrize(
    ("users", "kills"), [(FEW, 4), pytest.param(MANY, 20, marks=pytest.mark.soak)]
)
def test_killed_and_told_to_send_again_it_delivers_everything(
    replay: Replay, users: range, kills: int
) -> None:
    doubts = killed_and_run_again(replay, users, kills, 2, "--in-doubt", "resend")
    check_end_users(replay, users)
    assert replay.sandbox.state.request_counts.by_status.get(422, 0) == 0
    sent = events(replay)
    assert set(sent) == all_events(users)
    # Whatever is in doubt after a kill may be sent once more by the next run.
    assert sum(count - 1 for count in sent.values()) <= sum(each.total() for each in doubts)
    assert replay.in_doubt().total() == 0


# Where half of the end users are there already, and nobody knows who: they are created first, in vain.


@pytest.mark.parametrize("settings", [replace(SETTINGS, faults=(unlisted,))])
@pytest.mark.parametrize(
    ("users", "kills"), [(FEW, 8), pytest.param(MANY, 50, marks=pytest.mark.soak)]
)
def test_killed_while_end_users_are_created_in_vain_it_makes_nobody_two(
    replay: Replay, users: range, kills: int
) -> None:
    for n in users[::2]:
        replay.holds(f"u{n}", f"u{n}@example.com", plan="free")
    doubts = killed_and_run_again(replay, users, kills, 3)
    assert max((after - before).total() for before, after in pairwise(doubts)) <= WORKERS
    state = replay.sandbox.state
    assert state.request_counts.by_status[422] > 0, "nobody was created in vain"
    check_end_users(replay, users)
    sent, doubt = events(replay), replay.in_doubt()
    assert set(sent.values()) == {1}
    assert doubt["write"] == 0
    assert len(all_events(users) - set(sent)) <= doubt["eligibility_check"] + doubt["page_view"]


class Halt:
    """A fault rule that leaves a place without an answer until it is told to go on."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.is_over = False
        self.has_come = False

    def __call__(self, request: SandboxRequest) -> Fault | None:
        if self.is_over or place(request) != self._where:
            return None
        self.has_come = True
        return Fault(Silence())


@pytest.mark.parametrize(("where", "in_doubt"), [(LOOK_UP, 0), (UPDATE, 1)])
def test_killed_after_a_refused_create_only_the_update_may_be_in_doubt(
    replaying: Callable[[SandboxSettings], Replay], where: str, in_doubt: int
) -> None:
    halt = Halt(where)
    replay = replaying(SandboxSettings(faults=(unlisted, halt)))
    replay.holds("u1", "u1@example.com", plan="free")
    export = replay.write([identify("u1", "u1@example.com", plan="pro"), page("u1", "/1")])
    with replay.start("push", export, "--no-progress") as process:
        until(lambda: halt.has_come)
        assert replay.sandbox.state.request_counts.by_status[422] == 1
        until(lambda: replay.in_doubt()["write"] == in_doubt)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    assert replay.in_doubt().total() == in_doubt
    halt.is_over = True
    done = replay.push(export)
    assert done.returncode == 0, done.stderr
    (user,) = replay.users().values()
    assert (user["external_id"], user["properties"]) == ("u1", {"plan": "pro"})
    assert events(replay) == Counter({"page /1": 1})
    assert replay.in_doubt().total() == 0
