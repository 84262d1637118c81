"""The JSON of an inspection: one object, whose keys are the fields of `Inspection` and `commands`.

| key | what it holds |
| --- | --- |
| `files`, `passed_over` | how many files were read; `count` and names of those that were not |
| `records`, `types`, `rejected`, `skipped`, `warnings` | counts of records, by type or code |
| `ignored_warnings` | how many warnings are not told because their code is ignored |
| `broken_off` | the first few files that broke off, so that records are missing |
| `first`, `last`, `days`, `undated` | times in ISO 8601, UTC; the records of each day by type |
| `end_users`, `ids` | counts, as `EndUserCounts` and `IdCounts` have them |
| `events`, `pages` | `names` with `name`, `records` and `is_registered`; `more` and `more_records` |
| `traits` | each trait as `TraitSummary` has it |
| `more_traits`, `is_more_traits_exact` | how many further traits there are, or about how many |
| `group_traits` | each trait of groups as `GroupTraitSummary` has it |
| `asked_account`, `unmet_events` | whether the account was asked; registered events without a record |
| `commands` | the commands to go on with: `command` and `what` |
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cli.render.next_commands import NextCommand
from cli.render.text import json_line
from wootric_map.inspection.inspection import Inspection, NameCounts

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RATE_DIGITS: Final = 4


def write(
    found: Inspection, commands: Sequence[NextCommand], redaction: "Redaction | None"
) -> None:
    """Write an inspection to standard output.

    Args:
        found: what was found.
        commands: the commands to go on with.
        redaction: the redaction, if one is asked for.
    """
    sys.stdout.buffer.write(json_line(as_data(found, commands, redaction)))
    sys.stdout.buffer.flush()


def as_data(
    found: Inspection, commands: Sequence[NextCommand], redaction: "Redaction | None"
) -> dict[str, Any]:
    """Return an inspection as data for JSON; the arguments are those of `write`."""
    text: Callable[[str], str] = redaction.text if redaction else str
    # The traits tell names, which are hidden in all that follows, too.
    traits, group_traits = (
        [_trait(asdict(each), redaction) for each in traits]
        for traits in (found.traits, found.group_traits)
    )
    passed_over = found.passed_over.as_data()
    return {
        "files": found.files,
        "passed_over": redaction.value("", passed_over) if redaction else passed_over,
        "records": found.records,
        "types": dict(sorted(found.types.items())),
        "rejected": dict(found.rejected),
        "broken_off": [text(each) for each in found.broken_off],
        "skipped": dict(found.skipped),
        "warnings": dict(found.warnings),
        "ignored_warnings": found.ignored_warnings,
        "first": iso_time(found.first),
        "last": iso_time(found.last),
        "days": [asdict(each) for each in found.days],
        "undated": found.undated,
        "end_users": asdict(found.end_users),
        "ids": asdict(found.ids),
        "events": _names(found.events, text),
        "pages": _names(found.pages, text),
        "traits": traits,
        "more_traits": found.more_traits,
        "is_more_traits_exact": found.is_more_traits_exact,
        "group_traits": group_traits,
        "asked_account": found.asked_account,
        "unmet_events": [text(each) for each in found.unmet_events],
        "commands": [{"command": text(each.command), "what": text(each.what)} for each in commands],
    }


def iso_time(milliseconds: int | None) -> str | None:
    """Return a time in UTC as ISO 8601 has it; None if there is none."""
    if milliseconds is None:
        return None
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _names(counts: NameCounts, text: Callable[[str], str]) -> dict[str, Any]:
    data = asdict(counts)
    for each in data["names"]:
        each["name"] = text(each["name"])
    return data


def _trait(data: dict[str, Any], redaction: "Redaction | None") -> dict[str, Any]:
    data["fill_rate"] = round(data["fill_rate"], _RATE_DIGITS)
    if redaction:
        data["examples"] = [redaction.value(data["name"], each) for each in data["examples"]]
        data["name"] = redaction.text(data["name"])
        for each in data["becomes"]:
            each["name"] = redaction.text(each["name"])
    return data
