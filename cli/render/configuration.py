"""The text and JSON of `config show`."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from cli.config.shown import HIDDEN, Row
from cli.render.text import json_line, printable, quoted

_NONE: Final = "-"
"""What is shown in place of a value that is not there."""

_LONGEST: Final = 400
"""Characters of a value that are shown."""


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the rows as text, those of one command or table together."""
    shown = [(*_heading_and_name(each), _value(each.value), each.origin) for each in rows]
    keys = max((len(each[1]) for each in shown), default=0)
    for heading, group in groupby(shown, key=lambda each: each[0]):
        if heading:
            yield ""
            yield f"[{heading}]"
        for _, name, value, origin in group:
            yield f"{name:{keys}}  {value:24}  {printable(origin)}"


def json_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield the rows as lines of JSON."""
    return (json_line(each._asdict()) for each in rows)


def _heading_and_name(row: Row) -> tuple[str, str]:
    if row.command:
        return row.command, row.key
    table, _, name = row.key.rpartition(".")
    return table, name


def _value(value: Any) -> str:
    if value is None or value == ():
        return _NONE
    if value == HIDDEN:
        return HIDDEN
    if isinstance(value, Mapping):
        inside = ", ".join(f"{quoted(key)} = {quoted(each)}" for key, each in value.items())
        return printable(f"{{ {inside} }}", _LONGEST) if value else _NONE
    if isinstance(value, tuple):
        return printable(f"[{', '.join(map(quoted, value))}]", _LONGEST)
    return quoted(value)
