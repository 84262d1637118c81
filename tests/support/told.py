"""Everything that a plan tells, to compare plans that were made in different ways."""

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from wootric_map import PlanOptions, ReadingOptions, Report, discover, plan_records, rehearse
from wootric_map.deliver.overview import Overview, tell
from wootric_map.deliver.rehearse import Rehearsed
from wootric_map.mapping import entries
from wootric_map.model import EndUserUpsert
from wootric_map.plan.change_shapes import QuickChange
from wootric_map.plan.engine import arranging, intake
from wootric_map.plan.engine import spool as engine
from wootric_map.plan.engine.database import Database
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.plan import Plan
from wootric_map.plan.steps import EndUserPlan, Write
from wootric_map.read import blocks
from wootric_map.rejects import RejectsFile
from wootric_map.unidentified import UnidentifiedRecords

WAYS: Final = ("file", "parts", "exact")
"""How lines come in: the database reads a file, or it is given parts; or the exact reader reads them all."""


@contextmanager
def read_by(way: str) -> Iterator[None]:
    """Have lines come in by one of `WAYS`, however few there are.

    Records of one time and message then stand in the order of their lines: their digests depend on the way.
    """

    def without(query: str) -> str:
        return query.replace(arranging._DIGEST, "0")

    run, stream = Database.run, Database.stream
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "_SMALL", 0)
        if way != "file":
            patch.setattr(intake, "_begins_plainly", lambda _: False)
        if way == "exact":
            patch.setattr(intake, "_text", lambda _: None)
        patch.setattr(Database, "run", lambda own, query, *more: run(own, without(query), *more))
        patch.setattr(
            Database,
            "stream",
            lambda own, query, *more, **how: stream(own, without(query), *more, **how),
        )
        yield


def everything(
    paths: Sequence[Path],
    options: PlanOptions | None = None,
    reading: ReadingOptions | None = None,
    *,
    part: int = 1_000_000,
    block: int = 1024 * 1024,
    threads: int = 1,
    memory: int = 128 * 1024 * 1024,
    giant: int | None = None,
) -> dict[str, Any]:
    """Plan what is in the files, and return all that the plan tells, each record with its place.

    Args:
        paths: the files.
        options: how records become a plan.
        reading: how the files are read.
        part: bytes of a part, of which each is taken in by itself.
        block: bytes that are read at once.
        threads: how many threads read and sort.
        memory: bytes that the database may take.
        giant: bytes of an end user whose records are not held in memory.
    """
    rejects = paths[0].with_name("rejects")
    options = options or PlanOptions()
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(entries, "PART_BYTES", part)
        patch.setattr(blocks, "BLOCK_BYTES", block)
        if giant is not None:
            patch.setattr(engine, "_GIANT_BYTES", giant)
        spool = stack.enter_context(Spool(threads=threads, memory=memory))
        rejected = stack.enter_context(RejectsFile(rejects))
        report = Report()
        plan = plan_records(
            discover(map(str, paths)),
            reading or ReadingOptions(),
            options,
            spool,
            report,
            stdin=io.BytesIO(),
            rejects=rejected,
        )
        told = {
            "report": report,
            "has_tracks": plan.has_tracks,
            "ids": plan.ids,
            "warnings": list(plan.warnings()),
            "users": [_end_user(plan, each) for each in plan],
            "rehearsed": [_rehearsed(each) for each in rehearse(plan)],
            "overview": _overview(plan) if options.fold else None,
        }
        rejected.finish(replayed=False, complete=True)
        told["rejects"] = rejects.read_bytes() if rejects.exists() else b""
        rejects.unlink(missing_ok=True)
        return told


def _end_user(plan: Plan, end_user: EndUserPlan) -> dict[str, Any]:
    person = end_user.person
    return {
        "number": person.number,
        "kinds": person.kinds,
        "flags": (
            end_user.is_ambiguous,
            end_user.is_written,
            end_user.may_be_misidentified,
            end_user.has_shared_phone,
            person.has_replayed_identifies,
            person.has_events,
        ),
        "identifiers": list(end_user.identifiers()),
        "ids": plan.spool.names.of(person.root),
        "rows": [
            row._replace(topic=None if row.kind == 0 else row.topic)
            for rows in (person.identifies, person.replayed_rows)
            for row in rows
        ],
        "steps": [
            (
                list(step.refs),
                [plan.raw(ref) for ref in step.refs],
                step.key,
                step.former_key,
                step.time,
                step.warnings,
                (step.upsert, step.origins) if isinstance(step, Write) else step.call,
            )
            for step in plan.steps(end_user)
        ],
    }


def _rehearsed(each: Rehearsed) -> tuple[Any, ...]:
    outcome = each.outcome
    return (
        outcome.action,
        list(outcome.refs),
        outcome.result,
        each.call,
        each.look_ups,
        each.warnings,
    )


def _overview(plan: Plan) -> dict[str, Any]:
    """What a dry run tells in short; of the others only that they need more."""
    told: Overview[Any] = Overview.beside(Report(unidentified_records=UnidentifiedRecords()))
    left = [each.number for each in plan.spool.people() if not tell(plan, each, told, _shown)]
    told.close()
    told.report.done["look_up"] += sum(each.look_ups(plan) for each in told.sought)
    return {
        "left": left,
        "report": told.report,
        "calls": dict(told.calls),
        "shown": told.shown,
    }


def _shown(each: Rehearsed | QuickChange) -> Any:
    if isinstance(each, QuickChange):
        return each.upsert, list(each.upsert.properties), list(each.warnings)
    call = each.call
    properties = list(call.properties) if isinstance(call, EndUserUpsert) else None
    return call, properties, [warning for _, warning in each.warnings]
