"""What a push says before and while it sends: how many calls, how long, and what was done.

Real seconds: a limit is one, and what is said of it is measured against the clock.
"""

import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from replaying import Replay, at, identify, page, track, until

from wootric_map.sandbox import SandboxSettings

USERS = 90
LIMIT = 300


def export(replay: Replay, users: int = USERS) -> Path:
    return replay.write(
        record
        for number in range(users)
        for record in (
            at(1, identify(f"u{number}", f"u{number}@example.com")),
            at(2, track(f"u{number}")),
            at(3, page(f"u{number}", f"/{number}")),
        )
    )


def seconds(text: str) -> float:
    """The seconds of `1 min 5 s`."""
    units = {"h": 3600, "min": 60, "s": 1}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+) (h|min|s)\b", text))


class Watched:
    """A push under way, and when it said what."""

    def __init__(self, replay: Replay, *args: str | Path) -> None:
        self.lines: list[tuple[float, str]] = []
        self.process = replay.start("push", *args)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append((time.monotonic(), line.strip()))

    def end(self) -> tuple[int, str]:
        """Wait for its end; gives its exit code, and what it printed."""
        assert self.process.stdout
        with self.process:
            printed = self.process.stdout.read()
            code = self.process.wait(150)
            self.ended = time.monotonic()
            self._reader.join()
        return code, printed

    def check(self) -> None:
        """See that each time that was told came true within a tenth, or two seconds near the end."""
        said = (
            (when, re.search(r"make: (.*?) at |, ([^,]*) left$", line)) for when, line in self.lines
        )
        told = [(when, seconds(found[1] or found[2])) for when, found in said if found]
        assert told
        for when, lasts in told:
            assert lasts == pytest.approx(self.ended - when, rel=0.1, abs=2), self.lines


def test_the_forecast_and_the_time_left_come_true_fresh_and_resumed(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings(rate_limit=LIMIT))
    path = export(replay)
    fresh = Watched(replay, path)
    # One page of the list tells that nobody is there; each kind of call has 300 a minute.
    until(lambda: len(replay.sandbox.state.end_users) >= 4)
    fresh.process.send_signal(signal.SIGINT)
    assert fresh.end()[0] == 130
    (promise,) = [line for _, line in fresh.lines if "to make" in line]
    before = "After 3 calls to sign in and to know the account, "
    assert promise.startswith(before + "270 API calls to make: ")
    assert promise.endswith(" at Wootric's limit of 300 a minute for each kind of call.")
    assert seconds(promise.removeprefix(before)) == pytest.approx(18, abs=1)
    resumed = Watched(replay, path)
    code, _ = resumed.end()
    assert code == 0
    assert any(line.startswith("sending: ") for _, line in resumed.lines)
    resumed.check()
    assert len(replay.sandbox.state.end_users) == USERS


def test_the_forecast_knows_that_events_go_beside_the_writes_in_either_order(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    promised = []
    for options in ((), ("--events-first",)):
        replay = replaying(SandboxSettings(rate_limit=6000))
        args = ("--against", "nothing", "--max-duration", "2s", *options)
        done = replay.push(*args, export(replay, 400))
        (line,) = [line for line in done.stderr.splitlines() if "to make" in line]
        before = "After 2 calls to sign in and to know the account, "
        assert line.startswith(before + "1,200 API calls to make: ")
        promised.append(seconds(line.removeprefix(before)))
    assert promised == [pytest.approx(each, abs=1) for each in (4, 4)]


def test_where_only_the_account_can_tell_the_forecast_is_a_range(replay: Replay) -> None:
    for number in range(110):
        replay.holds(f"other{number}", f"other{number}@example.com")
    path = replay.write(identify(f"u{number}", f"u{number}@example.com") for number in range(2))
    done = replay.push("--rate", "120", path)
    # Two pages of 50 end users; one more would not be worth its call. The two may be created at once.
    told = (
        "After 3 calls to sign in and to know the account, between 2 and 8 API calls to make: "
        "1 to 4 s at --rate 120/min."
    )
    assert told in done.stderr
    assert re.search(r"API calls +5  ", done.stdout)
    looked_up = replay.push("--rate", "120", "--again", "--against", "account", path)
    assert "between 2 and 6 API calls to make: 1 to 3 s at --rate 120/min." in looked_up.stderr
    assumed = replay.push("--sandbox", path)
    assert (
        "After 2 calls to sign in and to know the account, 2 API calls to make: " in assumed.stderr
    )
    assumed = replay.push("--sandbox", "--against", "nothing", path)
    assert "After 1 call to sign in, 2 API calls to make: " in assumed.stderr


def test_the_forecast_of_a_plan_knows_the_rate_and_the_journal(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings())
    plan = replay.plan(export(replay, 20))
    rate = ("--rate", "600")
    begun = Watched(replay, *rate, "--plan", plan)
    until(lambda: len(replay.sandbox.state.page_views) >= 8)
    begun.process.send_signal(signal.SIGINT)
    assert begun.end()[0] == 130
    told = "After 2 calls to sign in and to know the account, 60 API calls to make: 6 s at --rate 600/min."
    assert told in [line for _, line in begun.lines]
    resumed = Watched(replay, *rate, "--plan", plan)
    code, printed = resumed.end()
    assert code == 0
    resumed.check()
    assert re.search(r"Calls planned +60", printed)
    assert "Records" not in printed


def test_a_limit_that_a_run_was_told_is_known_to_the_next_before_it_sends(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings(rate_limit=6000))
    assert replay.push(export(replay, 2)).returncode == 0
    done = replay.run("dry-run", "--format", "text", export(replay, 5))
    assert "at Wootric's limit of 6,000 a minute for each kind of call" in done.stdout
    assert replay.push(export(replay, 5)).returncode == 0
    summary = replay.diff("--reserve", "50%", export(replay, 100)).summary
    assert summary["forecast"]["calls_a_minute"] == 3000
    assert summary["forecast"]["kinds"]["page_view"] == {"calls": 100, "seconds": 2.0}


def test_a_dry_run_ends_with_the_time_of_each_kind_of_call(replay: Replay) -> None:
    done = replay.run("dry-run", export(replay, 100))
    assert done.stdout.splitlines()[-9:] == [
        "A push takes 1 min at 100 a minute for each kind of call, Wootric's usual limit:",
        "  100 end users to create: 1 min",
        "  100 eligibility checks: 1 min",
        "  100 page views: 1 min",
        "What each way costs for an account that holds nobody, besides signing in:",
        "  auto: 301 calls, 1 min 1 s",
        "  account: 500 calls, 2 min",
        "  snapshot first: 301 calls, 1 min 1 s",
        "  CSV: 1 file with 100 end users; no events",
    ]
    done = replay.run("dry-run", "--rate", "50", export(replay, 100))
    assert "A push takes 6 min at --rate 50/min:" in done.stdout


def test_registered_events_are_told_to_a_dry_run(replay: Replay) -> None:
    path = replay.write([identify("1", "ada@example.com"), track("1"), track("1", "Opened")])
    diff = replay.diff("--registered-event", "Opened", "--registered-event", "Closed", path)
    assert diff.events == (1, 0)
    assert diff.skipped("event_not_registered") == 1
    assert diff.summary["events_not_registered"] == [{"event": "Signed Up", "count": 1}]
    done = replay.run("dry-run", "--registered-event", "Opened", path)
    assert "Not registered\n  Signed Up: 1 record\n" in done.stdout
    assert "all counted" not in done.stdout
    done = replay.run("dry-run", "--registered-event", "Opened", "--against", "account", path)
    assert done.returncode == 2
    assert "--registered-event has no place beside --against account" in done.stderr


def test_a_push_names_who_was_eligible_and_which_events_are_not_registered(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings(registered_events=("Signed Up",)))
    path = replay.write(
        [
            identify("1", "ada@example.com"),
            at(1, track("1")),
            at(2, track("1")),
            track("1", "Op\x1b[31mened"),
        ]
    )
    done = replay.push(path)
    assert "Eligible\n  Signed Up: eligible 2 of 2\n" in done.stdout
    assert "Not registered\n  Op\\x1b[31mened: 1 record\n" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_a_push_stops_in_good_order_when_its_time_is_up(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings())
    path = export(replay, 40)
    args = ("--against", "nothing", "--rate", "2400", path)
    done = replay.push("--max-duration", "2s", *args)
    assert done.returncode == 0
    found = re.search(
        r"Stopped after 2 s, as --max-duration says: (\d+) records left\.", done.stderr
    )
    assert found
    state = replay.sandbox.state
    assert 0 < int(found[1]) < 120
    assert int(found[1]) == 120 - len(state.end_users) - len(state.page_views) - len(
        state.eligibility_checks
    )
    done = replay.push("--max-duration", "1h", *args)
    assert done.returncode == 0
    assert "Stopped" not in done.stderr
    assert len(state.page_views) == len(state.eligibility_checks) == 40


def test_a_dry_run_of_the_next_push_takes_off_what_is_delivered(replay: Replay) -> None:
    first = export(replay, 3)
    assert replay.push(first).returncode == 0
    more = replay.write(
        [
            *(identify(f"u{number}", f"u{number}@example.com") for number in range(2)),
            at(3, page("u0", "/new")),
            identify("u2", "u2@example.com", plan="pro"),
            identify("new", "new@example.com"),
        ],
        "more.ndjson",
    )
    everything = (first, more)
    before = (replay.folder / "state").rglob("*.journal")
    (journal,) = before
    bytes_before = journal.read_bytes()
    calls = len(replay.sandbox.requests)
    for how in (("--next",), ("--journal", journal)):
        diff = replay.diff(*how, *everything)
        assert diff.writes == (1, 1)
        # Of whom the journal knows no values, an update says whom it means.
        assert diff.users("update") == [{"external_id": "u2", "properties.plan": "pro"}]
        assert diff.events == (0, 1)
        assert diff.skipped("delivered_before") == 6
    assert journal.read_bytes() == bytes_before
    assert len(replay.sandbox.requests) == calls
    # It does what it has shown.
    done = replay.push(*everything)
    assert re.search(r"Created +1 ", done.stdout)
    assert re.search(r"Updated +1 ", done.stdout)
    assert re.search(r"Page views +1\b", done.stdout)
    assert replay.diff("--next", *everything).summary["api_calls"] == 0
    done = replay.run("dry-run", "--next", "--detailed-exitcode", *everything)
    assert done.returncode == 0


def test_the_next_push_to_an_account_without_a_journal_is_the_first(replay: Replay) -> None:
    path = export(replay, 1)
    assert replay.diff("--next", path).writes == (1, 0)
    done = replay.run("dry-run", "--next", path, env={"WOOTRIC_ACCOUNT_TOKEN": None})
    assert done.returncode == 2
    assert "set WOOTRIC_ACCOUNT_TOKEN, or add --journal FILE" in done.stderr
    done = replay.run("dry-run", "--journal", "none.journal", path)
    assert done.returncode == 2
    assert "there is no such journal" in done.stderr


def test_a_window_too_short_for_anything_is_told_also_by_a_quiet_push(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay = replaying(SandboxSettings(latency=0.3))
    path = export(replay, 3)
    done = replay.push("--quiet", "--max-duration", "0.01s", path)
    assert done.returncode == 0
    assert "Stopped after 0 s, as --max-duration says" in done.stderr
    assert "9 records left" in done.stderr or "before anything was sent" in done.stderr


def test_the_reserve_is_told_beside_the_limit_that_it_is_taken_off(replay: Replay) -> None:
    done = replay.run("dry-run", "--reserve", "20%", export(replay, 80))
    assert (
        "A push takes 1 min at 80 a minute for each kind of call, Wootric's usual limit less --reserve 20%:"
    ) in done.stdout


def test_an_event_that_is_registered_and_never_checked_is_named(replay: Replay) -> None:
    done = replay.run("dry-run", "--registered-event", "signed up", export(replay, 1))
    assert "--registered-event signed up: there is nothing to check for it" in done.stderr
    done = replay.run("dry-run", "--registered-event", "Signed Up", export(replay, 1))
    assert done.stderr == ""
