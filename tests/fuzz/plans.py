"""Any bytes as a saved plan, or as the rejects of one: refused, or all that is in it can be sent."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from wootric_map.errors import PlanFileError
from wootric_map.plan.plan_file import PlanFile
from wootric_map.plan.plan_lines import PlannedWrite
from wootric_map.plan.plan_rejects import holds_plan_lines, plan_of_rejects
from wootric_map.wootric.regions import services
from wootric_map.wootric.requests import create_end_user, request, update_end_user

_FOLDER: Final = Path(tempfile.mkdtemp(prefix="fuzz-plans-"))
_SERVICES: Final = services(None, "http://127.0.0.1:1")


def _file(*lines: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


def seeds() -> Iterator[bytes]:
    """Plans with each kind of line, and rejects."""
    head = {"wootric_replay_plan": 1, "account": None, "against": "nothing"}
    create = {
        "end_user": 1,
        "action": "create",
        "key": "k1",
        "fields": {"email": "a@b.co", "properties": {"plan": "pro", "seats_amount": 3}},
        "records": 2,
        "said": [[1704067200000, True, "m-1", ["email", "plan"], ["seats"]]],
        "traits": {"seats_amount": "seats"},
        "known_as": [{"external_id": "7"}, {"email": "b@b.co"}],
    }
    update = {
        "end_user": 2,
        "action": "update",
        "key": "k2",
        "id": 77,
        "fields": {"external_created_at": 0},
        "records": 1,
        "fills": True,
    }
    check_ = {
        "end_user": 2,
        "action": "eligibility_check",
        "key": "m-1",
        "former_key": "old",
        "time": 1704067200000,
        "call": {"event_name": "Signed Up", "email": "a@b.co"},
    }
    view = {
        "end_user": 3,
        "action": "page_view",
        "key": "m-2",
        "call": {"random": "ab", "email": "a@b.co", "created_at": 5},
    }
    counts = {"create": 1, "update": 1, "eligibility_check": 1, "page_view": 1}
    yield _file(head, create, update, check_, view, {"end": counts})
    yield _file(head, {"end": dict.fromkeys(counts, 0)})
    rejects = {"source": "plan", "line": 2, "code": "refused", "plan": {"account": "0123456789ab"}}
    yield _file(*({**rejects, "record": orjson.dumps(each).decode()} for each in (create, view)))
    yield _file({**rejects, "record": update})


def check(data: bytes) -> None:
    """Read it as both."""
    path, out = _FOLDER / "plan", _FOLDER / "out"
    path.write_bytes(data)
    with suppress(PlanFileError):
        _check_plan(path)
    holds_plan_lines(path)
    with suppress(PlanFileError):
        plan_of_rejects(path, out)
        _check_plan(out)


def _check_plan(path: Path) -> None:
    """What is taken for a plan holds what it says, to its last line."""
    with PlanFile(path) as plan:
        counts: Counter[str] = Counter()
        for index in range(len(plan)):
            for step in plan.steps(index):
                counts[step.action] += 1
                line = orjson.loads(plan.raw(step.ref))
                assert line["action"] == step.action
                if isinstance(step, PlannedWrite):
                    assert dict(step.fields.fields())
                    create_end_user(step.fields, _SERVICES)
                    update_end_user(step.fields, _SERVICES, step.id or 1)
                    for each in step.identifiers:
                        list(each.look_up_keys())
                else:
                    assert line["key"] == step.key
                    request(step.call, _SERVICES, "token")
        assert counts == plan.counts
