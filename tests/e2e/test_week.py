"""A week of cron: seven nights on a growing archive, and what its owner finds each morning."""

import gzip
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from replaying import Replay, identify, page, track
from starlette.responses import JSONResponse

from wootric_map.sandbox import Fault, SandboxRequest, SandboxSettings

HOURS = 3600.0
NIGHTLY = (
    "push", "--quiet", "--wait", "60", "--min-age", "10m", "--give-up-after", "1", "--retries", "1",
    "--rejects", "rejects.ndjson", "logs",
)  # fmt: skip
"""The README's line for cron, less patient with an outage."""


class Morning(NamedTuple):
    """What is found after a night."""

    code: int
    mail: str
    """All that was printed: cron mails it, if it is anything."""
    calls: Counter[str]
    """How often each endpoint was called."""
    rejects: list[str]
    """The rejects files."""


class Week:
    """A customer's archive, and the account that it is pushed to every night."""

    def __init__(self, replaying: Callable[[SandboxSettings], Replay]) -> None:
        self.is_down = False
        settings = SandboxSettings(faults=(self._down,), registered_events=("Signed Up",))
        self.replay = replaying(settings)
        (self.replay.folder / "logs").mkdir()
        self._messages = 0

    def _down(self, request: SandboxRequest) -> Fault | None:
        return Fault(JSONResponse({"error": "down"}, 503)) if self.is_down else None

    def line(self, day: int, record: Mapping[str, Any]) -> bytes:
        """A line of the export: each message has an id, and happens on that day."""
        self._messages += 1
        stamps = {
            "messageId": f"m{self._messages}",
            "timestamp": f"2024-01-{day:02}T00:{self._messages // 60:02}:{self._messages % 60:02}Z",
        }
        return json.dumps({**stamps, **record}).encode() + b"\n"

    def arrives(self, name: str, content: bytes, *, hours_ago: float = 12) -> None:
        """Put a file into the archive that was written so long ago."""
        path = self.replay.folder / "logs" / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        then = time.time() - hours_ago * HOURS
        os.utime(path, (then, then))

    def day(self, day: int, *users: int) -> bytes:
        """A usual day: these users are identified, sign up and look at a page."""
        return b"".join(
            self.line(day, record)
            for user in users
            for record in (
                identify(f"u{user}", f"u{user}@example.com", seen=f"day {day}"),
                track(f"u{user}"),
                page(f"u{user}", f"/day-{day}"),
            )
        )

    def night(self, *command: str) -> Morning:
        """Push as cron does; gives what is found in the morning."""
        before = self._calls()
        done = self.replay.run(*(command or NIGHTLY))
        folder = self.replay.folder
        return Morning(
            done.returncode,
            done.stdout + done.stderr,
            self._calls() - before,
            sorted(path.name for path in folder.glob("*rejects*")),
        )

    def _calls(self) -> Counter[str]:
        names = {"/eligible.json": "check", "/pixel.gif": "view"}
        calls: Counter[str] = Counter()
        for request in self.replay.sandbox.requests:
            method, path = str(request["method"]), str(request["path"])
            if path in names:
                calls[names[path]] += 1
            elif "/end_users/" in path or (method == "POST" and path.endswith("/end_users")):
                calls[{"GET": "look-up", "POST": "create", "PUT": "update"}[method]] += 1
        return calls


def test_a_week_of_nights(  # noqa: PLR0915 - a week is long
    replaying: Callable[[SandboxSettings], Replay],
) -> None:
    week = Week(replaying)
    state = week.replay.sandbox.state

    # The first night takes all that is there.
    week.arrives("day-1.ndjson.gz", week.day(1, 1, 2))
    monday = week.night()
    assert (monday.code, monday.mail, monday.rejects) == (0, "", [])
    assert monday.calls == {"create": 2, "check": 2, "view": 2}

    # A line of the second day is wrong. One mail, and the line is kept to be mended.
    bad = week.line(2, {"type": "track", "userId": "u1"})
    week.arrives("day-2.ndjson", week.day(2, 2, 3) + bad)
    tuesday = week.night()
    assert tuesday.code == 1
    assert "missing_event" in tuesday.mail
    assert "logs/day-2.ndjson:7" in tuesday.mail
    assert "1 record kept in rejects.ndjson" in tuesday.mail
    assert tuesday.rejects == ["rejects.ndjson"]
    # The one who is new is looked up and created; whom the journal knows is updated at once.
    assert tuesday.calls == {"create": 1, "update": 1, "check": 2, "view": 2}

    # By day it is mended and pushed. The archive still holds it as it was, which costs no second mail.
    rejects = week.replay.folder / "rejects.ndjson"
    entry = json.loads(rejects.read_bytes())
    entry["record"] = json.loads(entry["record"]) | {"event": "Signed Up"}
    rejects.write_text(json.dumps(entry) + "\n")
    mended = week.night("push", "--quiet", "rejects.ndjson")
    assert mended.code == 0
    assert "rejects.ndjson.1" in mended.mail or not mended.mail
    assert mended.calls == {"check": 1}
    week.arrives("day-3.ndjson", week.day(3, 1))
    wednesday = week.night()
    assert (wednesday.code, wednesday.mail) == (0, "")
    assert wednesday.calls == {"update": 1, "check": 1, "view": 1}
    assert wednesday.rejects == ["rejects.ndjson.1"]

    # The fourth day's second file is still being written: it waits, its half line rejects nothing.
    whole = week.day(4, 4)
    week.arrives("day-4a.ndjson", week.day(4, 3))
    week.arrives("day-4b.ndjson", whole[: len(whole) - 40], hours_ago=0)
    thursday = week.night()
    assert (thursday.code, thursday.mail, thursday.rejects) == (0, "", ["rejects.ndjson.1"])
    assert thursday.calls == {"update": 1, "check": 1, "view": 1}
    told = week.replay.push("--min-age", "10m", "logs")
    assert "Left 1 file for the next run, changed less than --min-age ago: logs/day-4b.ndjson" in (
        told.stdout
    )

    # Wootric is down on the fifth night: a mail says so, nothing is lost, nothing is taken for refused.
    week.arrives("day-4b.ndjson", whole)
    week.arrives("day-5.ndjson", week.day(5, 1, 5))
    week.is_down = True
    friday = week.night()
    assert friday.code == 5
    assert "503" in friday.mail
    assert friday.rejects == ["rejects.ndjson.1"]
    held = (len(state.end_users), len(state.eligibility_checks), len(state.page_views))
    assert held == (3, 7, 6)
    week.is_down = False

    # The next night makes up for it.
    week.arrives("day-6.ndjson.gz", week.day(6, 6))
    saturday = week.night()
    assert (saturday.code, saturday.mail, saturday.rejects) == (0, "", ["rejects.ndjson.1"])
    assert saturday.calls == {"create": 3, "update": 1, "check": 4, "view": 4}

    # Nothing has come on the seventh day, and nothing is asked but who we are.
    sunday = week.night()
    assert sunday == (0, "", Counter(), ["rejects.ndjson.1"])

    # Everybody is there once, as they were last said to be; everything that happened was sent once.
    seen = {name: user["properties"]["seen"] for name, user in week.replay.users().items()}
    assert seen == {
        "u1": "day 5", "u2": "day 2", "u3": "day 4", "u4": "day 4", "u5": "day 5", "u6": "day 6",
    }  # fmt: skip
    checks = Counter(each.params.get("email") for each in state.eligibility_checks)
    assert checks == {
        "u1@example.com": 4, "u2@example.com": 2, "u3@example.com": 2, "u4@example.com": 1,
        "u5@example.com": 1, "u6@example.com": 1,
    }  # fmt: skip
    assert len(state.page_views) == 10
