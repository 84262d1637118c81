"""What a run tells programs, what it leaves unsaid, and what it keeps of whom nobody knows."""

import time
from datetime import UTC, datetime

import pytest
from replaying import Replay, at, page

DAY = 86_400


# How long ago


def ago(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds, UTC).isoformat()


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--since", "7d"), ["/6d", "/13h", "/11h", "/now"]),
        (("--since", "12h"), ["/11h", "/now"]),
        (("--until", "12h"), ["/15d", "/6d", "/13h"]),
        (("--since", "2w", "--until", "90m"), ["/6d", "/13h", "/11h"]),
    ],
)
def test_records_are_chosen_by_how_long_ago_they_were(
    replay: Replay, options: tuple[str, ...], left: list[str]
) -> None:
    times = {"/15d": 15 * DAY, "/6d": 6 * DAY, "/13h": 46_800, "/11h": 39_600, "/now": 60}
    context = {"traits": {"email": "ada@example.com"}}
    views = [at(ago(seconds), page("1", path, context=context)) for path, seconds in times.items()]
    export = replay.write(views)
    lines = replay.diff(*options, export).lines
    assert sorted(each["path"] for each in lines[:-1]) == sorted(left)
    assert replay.push(*options, export).returncode == 0
    assert len(replay.sandbox.state.page_views) == len(left)


def test_an_until_before_a_since_is_told_also_of_how_long_ago(replay: Replay) -> None:
    done = replay.run("dry-run", "--since", "1d", "--until", "2d", replay.write([page("1")]))
    assert done.returncode == 2
    assert "--until is before --since" in done.stderr
    done = replay.run("dry-run", "--since", "7x", replay.write([page("1")]))
    assert done.returncode == 2
    assert "7d or 12h" in done.stderr
