"""Plans of made-up records, for tests of what a plan decides."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from wootric_map import EndUserUpsert, PlanOptions, ReadingOptions, discover, plan_records, rehearse
from wootric_map.deliver.rehearse import Rehearsed
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.evidence import Evidence
from wootric_map.plan.folding import Folded
from wootric_map.plan.plan import Plan
from wootric_map.plan.steps import EndUserPlan, Event, Find, Write
from wootric_map.report import Report

Fields: TypeAlias = Mapping[str, Any]

_ENVELOPE = ("messageId", "context", "anonymousId", "integrations")


@dataclass(frozen=True)
class Planned:
    """A closed plan and what its intake was counted as."""

    plan: Plan
    report: Report

    @property
    def users(self) -> list[EndUserPlan]:
        return list(self.plan)

    @property
    def user(self) -> EndUserPlan:
        (user,) = self.plan
        return user

    @property
    def folded(self) -> Folded:
        folded = self.user.folded
        assert folded is not None
        return folded

    @property
    def upsert(self) -> EndUserUpsert:
        return self.folded.upsert

    def writes(self) -> list[Write]:
        steps = (step for user in self.plan for step in self.plan.steps(user))
        return [step for step in steps if isinstance(step, Write)]

    def events(self) -> list[Event]:
        steps = (step for user in self.plan for step in self.plan.steps(user))
        return [step for step in steps if isinstance(step, Event)]

    def rehearsed(
        self, registered: frozenset[str] | None = None, find: Find | None = None, workers: int = 1
    ) -> list[Rehearsed]:
        return list(rehearse(self.plan, registered, find, workers=workers))

    def results(
        self, registered: frozenset[str] | None = None, find: Find | None = None, workers: int = 1
    ) -> list[str]:
        """Of each step what it comes to: its action, or the code of its skip."""
        outcomes = [each.outcome for each in self.rehearsed(registered, find, workers)]
        return [each.result.code if each.result else each.action for each in outcomes]


PlanOf: TypeAlias = Callable[..., Planned]


@contextmanager
def planned(
    folder: Path,
    *files: Iterable[Fields | bytes],
    options: PlanOptions | None = None,
    snapshot: Find | None = None,
    evidence: Evidence | None = None,
) -> Iterator[Planned]:
    """Write the files, and plan what is in them."""
    paths = []
    for number, records in zip(count(), files, strict=False):
        path = folder / f"{number}.ndjson"
        lines = (each if isinstance(each, bytes) else orjson.dumps(each) for each in records)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        paths.append(str(path))
    report = Report()
    with Spool() as spool:
        plan = plan_records(
            discover(paths),
            ReadingOptions(),
            options or PlanOptions(),
            spool,
            report,
            stdin=io.BytesIO(),
            snapshot=snapshot,
            evidence=evidence,
        )
        yield Planned(plan, report)


def at(minute: int) -> str:
    return f"2024-03-01T10:{minute:02}:00.000Z"


def millis(minute: int) -> int:
    return 1_709_287_200_000 + minute * 60_000


def identify(user_id: str | None = "1", minute: int | None = None, **fields: Any) -> dict[str, Any]:
    traits = {name: value for name, value in fields.items() if name not in _ENVELOPE}
    rest = {name: value for name, value in fields.items() if name in _ENVELOPE}
    return _record("identify", user_id, minute, traits=traits, **rest)


def track(user_id: str | None = "1", minute: int | None = None, **fields: Any) -> dict[str, Any]:
    return _record("track", user_id, minute, **{"event": "Signed Up"} | fields)


def page(user_id: str | None = "1", minute: int | None = None, **fields: Any) -> dict[str, Any]:
    return _record("page", user_id, minute, **{"properties": {"path": "/home"}} | fields)


def alias(previous: str, user_id: str) -> dict[str, Any]:
    return {"type": "alias", "previousId": previous, "userId": user_id}


def wootric_id(number: str) -> dict[str, Any]:
    """The context of a record that names its end user by Wootric's own id."""
    return {"externalId": [{"type": "wootricEndUserId", "id": number}]}


def _record(kind: str, user_id: str | None, minute: int | None, **fields: Any) -> dict[str, Any]:
    record = {"type": kind, "anonymousId": "a"} | fields
    if user_id is not None:
        record["userId"] = user_id
    if minute is not None:
        record["timestamp"] = at(minute)
    return record
