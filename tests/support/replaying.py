"""A sandbox over real HTTP, and the installed command to push to it."""

import io
import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
from forking import Forked, forking
from in_process import run_in_process
from starlette.responses import JSONResponse

from wootric_map.sandbox import Fault, FaultRule, RunningSandbox, SandboxRequest

Environment = Mapping[str, str | None]
"""Variables to set, or with None to leave out."""

SAMPLES = Path(__file__).parents[2] / "sample_events"

NOWHERE = f"http://127.0.0.1:9/{os.getpid()}"
"""An address where nobody listens, of this process alone: two runs on one account would not overlap."""

_FIELDS = ("email", "external_id", "phone_number", "external_created_at")


def identify(user_id: str, email: str | None = None, **traits: Any) -> dict[str, Any]:
    known = {"email": email} if email else {}
    return {"type": "identify", "userId": user_id, "traits": known | traits}


def track(user_id: str, event: str = "Signed Up", **fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": user_id, "event": event, **fields}


def page(user_id: str, path: str = "/", **fields: Any) -> dict[str, Any]:
    return {"type": "page", "userId": user_id, "properties": {"path": path}, **fields}


def alias(previous_id: str, user_id: str) -> dict[str, Any]:
    return {"type": "alias", "previousId": previous_id, "userId": user_id}


def at(when: int | str, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record, dated; a number is that day of January 2024, at midnight."""
    time = when if isinstance(when, str) else f"2024-01-{when:02}T00:00:00Z"
    return {**record, "timestamp": time}


def by_device(anonymous_id: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as it comes from somebody who is not logged in."""
    return {
        **{key: value for key, value in record.items() if key != "userId"},
        "anonymousId": anonymous_id,
    }


def until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until something has come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it has not come to that"
        time.sleep(0.005)


def refusing(*emails: str) -> FaultRule:
    """A fault rule that refuses these emails, as an account with rules of its own may."""
    words = {"error": "Validation failed: Email is invalid"}

    def rule(request: SandboxRequest) -> Fault | None:
        return Fault(JSONResponse(words, 422)) if request.form.get("email") in emails else None

    return rule


@dataclass(frozen=True)
class Diff:
    """What `dry-run --format json` printed."""

    lines: tuple[dict[str, Any], ...]

    @property
    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = self.lines[-1]["summary"]
        return summary

    @property
    def writes(self) -> tuple[int, int]:
        """How many end users are created, and how many updated."""
        return self.summary["create"], self.summary["update"]

    @property
    def events(self) -> tuple[int, int]:
        """How many eligibility checks there are, and how many page views."""
        return self.summary["eligibility_checks"], self.summary["page_views"]

    def skipped(self, code: str) -> int:
        return int(self.summary["skipped"].get(code, 0))

    def users(self, action: str) -> list[dict[str, Any]]:
        """The fields of each end user that is created or updated, with their values after."""
        return [
            {field["field"]: field["after"] for field in line["fields"]}
            for line in self.lines
            if line.get("action") == action
        ]

    def user(self, action: str = "create") -> dict[str, Any]:
        """The same for the only one that there is."""
        (fields,) = self.users(action)
        return fields


@dataclass(frozen=True)
class Replay:
    """The installed command, in a folder of its own, with the sandbox's credentials."""

    folder: Path
    sandbox: RunningSandbox
    forks: bool = False
    """Whether each run is a process of its own, so that several may be under way."""

    def environment(self, changes: Environment = MappingProxyType({})) -> dict[str, str]:
        settings = self.sandbox.settings
        values: dict[str, str | None] = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith("WOOTRIC_")
            },
            "WOOTRIC_ACCOUNT_TOKEN": settings.account_token,
            "WOOTRIC_CLIENT_ID": settings.client_id,
            "WOOTRIC_CLIENT_SECRET": settings.client_secret,
            "WOOTRIC_BASE_URL": self.sandbox.base_url,
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_RUNTIME_DIR": str(self.folder / "runtime"),
            **changes,
        }
        return {name: value for name, value in values.items() if value is not None}

    def write(self, records: Iterable[Mapping[str, Any]], name: str = "export.ndjson") -> Path:
        path = self.folder / name
        path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
        return path

    def run(
        self,
        *args: str | Path,
        stdin: str = "",
        env: Environment = MappingProxyType({}),
        against: str | None = "nothing",
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end.

        A dry run that does not say what it compares with gets `against`, unless that is None.
        """
        if "dry-run" in args and "--against" not in args and against:
            args = (*args, "--against", against)
        done = (forking().run if self.forks else run_in_process)(
            args,
            cwd=self.folder,
            env=self.environment(env),
            stdin=stdin.encode(),
            timeout=120,
        )
        output, errors = (
            io.StringIO(each.decode(), newline=None).read() for each in (done.stdout, done.stderr)
        )
        return subprocess.CompletedProcess(done.args, done.returncode, output, errors)

    def push(
        self, *args: str | Path, stdin: str = "", env: Environment = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        return self.run("push", *args, stdin=stdin, env=env)

    def diff(self, *args: str | Path, env: Environment = MappingProxyType({})) -> Diff:
        """What a dry run shows, against nothing unless told otherwise; it must end well."""
        done = self.run("dry-run", "--format", "json", *args, env=env)
        assert done.returncode == 0, done.stderr
        return Diff(tuple(orjson.loads(line) for line in done.stdout.splitlines()))

    def plan(
        self, *args: str | Path, env: Environment = MappingProxyType({}), name: str = "plan"
    ) -> Path:
        """The plan that a dry run saves, against nothing unless told otherwise; it must end well."""
        done = self.run("dry-run", "--out", name, *args, env=env)
        assert done.returncode == 0, done.stderr
        return self.folder / name

    def sends(self, *args: str | Path) -> bool:
        """Push; tells whether all went well, and leaves no rejects."""
        rejects = self.folder / "rejects.ndjson"
        done = self.push("--quiet", "--rejects", rejects, *args)
        assert done.returncode in (0, 1), done.stderr
        rejects.unlink(missing_ok=True)
        return done.returncode == 0

    def snapshot(self, name: str = "snapshot") -> Path:
        """A snapshot of the account as it is now."""
        (self.folder / name).unlink(missing_ok=True)
        done = self.run("snapshot", "-o", name)
        assert done.returncode == 0, done.stderr
        return self.folder / name

    def start(
        self, *args: str | Path, env: Environment = MappingProxyType({}), **options: Any
    ) -> Forked:
        """Start the command as a process of its own; `options` are those of `Forking.start`."""
        environment = self.environment(env)
        return forking().start(args, cwd=self.folder, env=environment, text=True, **options)

    def run_within(
        self,
        limits: Mapping[int, tuple[int, int]],
        *args: str | Path,
        env: Environment = MappingProxyType({}),
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end within limits on its resources, as in `Forking.start`."""
        with self.start(*args, env=env, limits=limits) as process:
            output, errors = process.communicate(timeout=120)
            return subprocess.CompletedProcess(args, process.wait(), output, errors)

    def rejects(self) -> list[dict[str, Any]]:
        path = self.folder / "rejects.ndjson"
        return (
            [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        )

    def in_doubt(self) -> Counter[str]:
        """How many deliveries of each kind the journal has in doubt."""
        done = self.run("status", "--format", "json")
        held = orjson.loads(done.stdout) if done.stdout else {"in_doubt": {}}
        return Counter(held["in_doubt"])

    def holds(self, external_id: str | None, email: str | None = None, **others: Any) -> None:
        """Put an end user into the account, behind the back of the command.

        What is not a field of Wootric's is a property.
        """
        known = {"external_id": external_id, "email": email} | others
        form = {
            name if name in _FIELDS else f"properties[{name}]": str(value)
            for name, value in known.items()
            if value is not None
        }
        state = self.sandbox.state
        with state.lock:
            state.create_end_user(
                SandboxRequest("", "POST", "", {}, {}, form, {}, has_other_body=False)
            )

    def users(self) -> dict[str, dict[str, Any]]:
        """The end users that the sandbox holds, by external id, else email."""
        held = [user.to_json() for user in self.sandbox.state.end_users]
        return {str(user["external_id"] or user["email"]): user for user in held}

    def paths(self, method: str | None = None) -> list[str]:
        """The paths that were asked for, in their order."""
        return [
            str(request["path"])
            for request in self.sandbox.requests
            if method in (None, request["method"])
        ]


@contextmanager
def empty_account(sandbox: RunningSandbox) -> Iterator[Replay]:
    """A fresh folder, and a sandbox that others have used with nothing in it."""
    sandbox.state.reset()
    with tempfile.TemporaryDirectory() as folder:
        yield Replay(Path(folder), sandbox)
