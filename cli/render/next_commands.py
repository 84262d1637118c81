"""The commands to go on with once an export was inspected."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from cli.render.text import plural
from wootric_map.inspection.inspection import Inspection
from wootric_map.read.lines import MAX_LINE_BYTES

_TYPED: Final = frozenset({"integer_without_amount", "list_without_array"})
"""The warnings that `--typed-names` mends."""
_LEFT_OUT: Final = frozenset(
    {
        "secret",
        "ip_address",
        "birth_date",
        "card",
        "bank_account",
        "id_number",
        "location",
        "address",
    }
)
"""What traits look like that a survey tool hardly needs; an end user is known by email, phone and name."""
_MOST_EXCLUDED: Final = 10
"""Traits that a command leaves out at most."""


_OF_LISTS: Final = (
    ("--suppress", "suppress"),
    ("--exclude-trait", "excluded_traits"),
    ("--include-trait", "included_traits"),
    ("--only-trait", "only_traits"),
)
"""Options about reading that may be given several times, with the names of their parameters."""
_OF_TEXTS: Final = (
    ("--group-traits", "group_prefix"),
    ("--response-event", "response_event"),
    ("--response-score", "response_score"),
    ("--response-text", "response_text"),
    ("--decline-event", "decline_event"),
)
"""Options about the mapping that are one text, with the names of their parameters."""


class NextCommand(NamedTuple):
    """A command, and what it is for."""

    command: str
    """Ready for a shell."""
    what: str


def next_commands(
    found: Inspection, values: Mapping[str, Any], of_files: Sequence[str] = ()
) -> list[NextCommand]:
    """Return the commands, in their order.

    Args:
        found: what the export holds.
        values: the values of the options of `inspect`, which the commands take over.
        of_files: the options that name the configuration files.
    """
    reading = [*of_files, *_reading(values)]
    place = values["surveys_disabled"]
    opting_out = ("--surveys-disabled", place) if place else ()
    if place := values["external_id"]:
        opting_out = (*opting_out, "--external-id", place)
    mapping = [*opting_out, *_typed_names(found, values), *_excluded(found)]
    registered = [
        word for name in values["registered_events"] for word in ("--registered-event", name)
    ]
    paths = [
        *(["--"] if any(_is_like_option(each) for each in values["paths"]) else []),
        *values["paths"],
    ]
    rejected = sum(found.rejected.values())
    mend = f"how to mend the {rejected:,} rejected" if rejected else "every record, looked at alone"
    return [
        NextCommand(_command("validate", *reading, *paths), mend),
        NextCommand(
            _command("dry-run", *reading, *mapping, *registered, *paths),
            "what a push would change, field by field",
        ),
        NextCommand(
            _command("push", "--sandbox", *reading, *mapping, *paths),
            "a rehearsal, which reaches no account",
        ),
        NextCommand(_command("push", *reading, *mapping, *paths), "send it"),
    ]


def hints(found: Inspection, values: Mapping[str, Any]) -> list[str]:
    """Return what to know of the commands; the first arguments of `next_commands`."""
    told = []
    if "-" in values["paths"]:
        told.append("- is standard input: pipe the export in again.")
    unjudged = found.warnings.get("consent_not_judged", 0)
    if unjudged:
        records = plural(unjudged, "record tells", "records tell")
        told.append(
            f"{records} of consent by category: add --consent-category NAME for each that Wootric needs."
        )
    return told


def _command(*words: str) -> str:
    return shlex.join(["wootric-replay", *words])


def _is_like_option(path: str) -> bool:
    return path.startswith("-") and path != "-"


def _reading(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options about reading that were given."""
    if values["traits_from"] != "auto":
        yield from ("--traits-from", values["traits_from"])
    if values["ignore_integrations"]:
        yield "--ignore-integrations"
    for name in values["consent_categories"]:
        yield from ("--consent-category", name)
    for option, name in _OF_LISTS:
        for each in values[name]:
            yield from (option, str(each))
    for old, new in values["renamed_traits"].items():
        yield from ("--rename-trait", f"{old}={new}")
    for option, name in _OF_TEXTS:
        if values[name] is not None:
            yield from (option, values[name])
    yield from _rollups(values["rollups"])
    if values["max_line_bytes"] != MAX_LINE_BYTES:
        yield from ("--max-line-bytes", str(values["max_line_bytes"]))
    if values["min_age"]:
        yield from ("--min-age", f"{values['min_age']:g}s")


def _rollups(given: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the options about roll-ups, by what `--rollup` became."""
    for event, parts in given.items():
        for what, named in parts.items():
            by_key = named if isinstance(named, dict) else {None: named}
            for key, name in by_key.items():
                place = what if key is None else f"{what}.{key}"
                yield from ("--rollup", f"{event}:{place}={name}")


def _typed_names(found: Inspection, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options that name properties after their types: those given, or those that fit."""
    amounts, arrays = values["amount_suffix"], values["array_suffix"]
    every = (*found.traits, *found.group_traits)
    told = any(not _TYPED.isdisjoint(each.warnings) for each in every)
    if values["typed_names"] or (amounts and arrays) or (told and not (amounts or arrays)):
        yield "--typed-names"
    elif amounts:
        yield "--amount-suffix"
    elif arrays:
        yield "--array-suffix"


def _excluded(found: Inspection) -> Iterator[str]:
    """Yield the options that leave out traits that look personal."""
    every = (*found.traits, *found.group_traits)
    names = [each.name for each in every if each.looks_like in _LEFT_OUT and each.becomes]
    for name in names[:_MOST_EXCLUDED]:
        yield from ("--exclude-trait", name)
