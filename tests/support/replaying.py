"""A sandbox over real HTTP, and the installed command to push to it."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from wootric_map.sandbox import RunningSandbox

Environment = Mapping[str, str | None]
"""Variables to set, or with None to leave out."""

COMMAND = Path(sys.executable).with_name("wootric-replay")
SAMPLES = Path(__file__).parents[2] / "sample_events"


def identify(user_id: str, email: str | None = None, **traits: Any) -> dict[str, Any]:
    known = {"email": email} if email else {}
    return {"type": "identify", "userId": user_id, "traits": known | traits}


def track(user_id: str, event: str = "Signed Up", **fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": user_id, "event": event, **fields}


def page(user_id: str, path: str = "/", **fields: Any) -> dict[str, Any]:
    return {"type": "page", "userId": user_id, "properties": {"path": path}, **fields}


@dataclass(frozen=True)
class Replay:
    """The installed command, in a folder of its own, with the sandbox's credentials."""

    folder: Path
    sandbox: RunningSandbox

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
            **changes,
        }
        return {name: value for name, value in values.items() if value is not None}

    def write(self, records: Iterable[Mapping[str, Any]], name: str = "export.ndjson") -> Path:
        path = self.folder / name
        path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
        return path

    def run(
        self, *args: str | Path, stdin: str = "", env: Environment = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *args],
            cwd=self.folder,
            env=self.environment(env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def push(
        self, *args: str | Path, stdin: str = "", env: Environment = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        return self.run("push", *args, stdin=stdin, env=env)

    def start(self, *args: str | Path) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [COMMAND, *args],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def rejects(self) -> list[dict[str, Any]]:
        path = self.folder / "rejects.ndjson"
        return (
            [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
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
