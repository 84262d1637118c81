"""Calls of a saved plan that failed: the rejects of its push become a plan again."""

from collections import Counter
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import orjson

from wootric_map.errors import PlanFileError
from wootric_map.plan.plan_lines import dump, ending, header, integer, load
from wootric_map.private_file import LONGEST_LINE


class Origin(NamedTuple):
    """The place of a line of a plan that was made of rejects."""

    source: str
    """The plan that was pushed first."""
    line: int
    """The number of the line in that plan."""
    rejects_line: int
    """The number of the line in the rejects file."""


def holds_plan_lines(path: Path) -> bool:
    """Tell whether a file begins like the rejects of a saved plan."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return {"plan", "record"} <= (load(file.readline(LONGEST_LINE)) or {}).keys()


def plan_of_rejects(rejects: Path, out: Path) -> list[Origin]:
    """Write a plan of the calls that a push of a saved plan could not send.

    Args:
        rejects: the rejects file of that push; a user may have changed it.
        out: where the plan goes, in a folder that only this run uses.

    Returns:
        The places that the lines of the plan come from, in their order.

    Raises:
        PlanFileError: a line does not belong into such a file; the message says which line.
        OSError: a file can't be read or written.
    """
    lines: list[tuple[tuple[int, int, int], Origin, object]] = []
    sources: dict[str, str] = {}
    accounts: set[str | None] = set()
    counts: Counter[str] = Counter()
    with rejects.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                entry = orjson.loads(raw)
                record = entry["record"]
                line = orjson.loads(record) if isinstance(record, str) else record
                accounts.add(entry["plan"]["account"])
                counts[line["action"]] += 1
                place = integer(line["end_user"]), integer(entry["line"]), number
                source = str(entry.get("source", rejects))
                origin = Origin(sources.setdefault(source, source), entry["line"], number)
                lines.append((place, origin, line))
            except (KeyError, TypeError, ValueError) as error:
                raise PlanFileError(
                    f"{rejects}:{number}: this is no line of a plan's rejects"
                ) from error
    if len(accounts) > 1:
        raise PlanFileError(f"{rejects} holds rejects of plans for several accounts")
    account = accounts.pop() if accounts else None
    lines.sort(key=itemgetter(0))
    with out.open("wb") as plan:
        plan.write(dump(header(account, "rejects")))
        plan.writelines(dump(line) for *_, line in lines)
        plan.write(dump(ending(counts)))
    return [origin for _, origin, _ in lines]
