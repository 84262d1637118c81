"""A limit is used and kept to: the installed command against the sandbox over real HTTP (wootric.md 4)."""

import time
from collections.abc import Callable

import pytest
from replaying import Replay, page
from windows import SECONDS, WINDOW, windows

from wootric_map.sandbox import Fault, SandboxRequest, SandboxSettings


def pushed(
    replaying: Callable[[SandboxSettings], Replay], limit: int, calls: int, *args: str
) -> tuple[Replay, list[int]]:
    """Push so many page views, each of somebody else.

    Returns:
        The account, and how many calls each window let through; the last one may not be used up.
    """
    passed: list[float] = []

    def note(request: SandboxRequest) -> Fault | None:
        if request.path == "/pixel.gif":
            passed.append(time.time())
        return None

    replay = replaying(SandboxSettings(rate_limit=limit, rate_window=WINDOW, faults=(note,)))
    export = replay.write(page(f"user-{number}@example.com") for number in range(calls))
    done = replay.push("--against", "nothing", *args, export)
    assert done.returncode == 0, done.stderr
    return replay, windows(passed)


# A hundred calls a second are much for a machine that is busy with other tests.
@pytest.mark.soak
@pytest.mark.parametrize(("per_minute", "share"), [(600, 0.95), (6000, 0.85)])
def test_two_windows_are_used_without_a_refusal(
    replaying: Callable[[SandboxSettings], Replay], per_minute: int, share: float
) -> None:
    limit = per_minute * SECONDS // 60
    calls = 2 * limit + 1
    replay, used = pushed(replaying, limit, calls, "--workers", "32")
    assert sum(used[:2]) >= share * 2 * limit
    assert replay.sandbox.state.request_counts.by_status.get(429, 0) < 0.01 * calls
    assert len(replay.sandbox.state.page_views) == calls


def test_a_window_is_used_but_for_the_reserve_without_a_refusal(
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    replay, used = pushed(replaying, 50, 81, "--reserve", "20%", "--workers", "32")
    assert max(used) <= 40
    assert sum(used[:2]) >= 0.95 * 2 * 40
    assert replay.sandbox.state.request_counts.by_status.get(429, 0) == 0
    assert len(replay.sandbox.state.page_views) == 81
