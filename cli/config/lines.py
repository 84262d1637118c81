"""The line on which each key of a TOML document stands."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

Keys = tuple[str, ...]
"""A key, after the tables that it stands in."""

_TOKEN: Final = re.compile(
    r'''"""(?:\\[\s\S]|[^\\])*?"""(?!")|\'\'\'[\s\S]*?\'\'\'(?!\')|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*'''
    r"""|(?P<open>[\[{])|(?P<close>[\]}])|(?P<end>\n)"""
)
"""What a statement may not be cut within, and where it may end."""


@lru_cache(maxsize=4)
def lines_of_keys(text: str) -> Mapping[Keys, int]:
    """Return the line on which the statement begins that gives each key first; of a table, its header.

    A key within an inline table, or a list, has the line of its statement. `tomllib` reads each statement by
    itself, so that a key in quotes, or with dots, is known as in the whole document.

    Args:
        text: a document that `tomllib` reads, with `\\n` at the end of each line.
    """
    found: dict[Keys, int] = {}
    table: Keys = ()
    for line, statement in _statements(text):
        data = tomllib.loads(statement)
        if not data:
            continue  # blank, or a comment
        is_header = statement.lstrip(" \t").startswith("[")
        before = () if is_header else table
        for keys in _keys_in(data, before):
            found.setdefault(keys, line)
            table = keys if is_header else table
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement with the number of its first line; blank lines and comments count, too."""
    line, begin, depth = 1, 0, 0
    for token in _TOKEN.finditer(text):
        depth += (token["open"] is not None) - (token["close"] is not None)
        if token["end"] and not depth:
            statement = text[begin : token.start()]
            yield line, statement
            line += statement.count("\n") + 1
            begin = token.end()
    yield line, text[begin:]


def _keys_in(data: Mapping[str, Any], before: Keys) -> Iterator[Keys]:
    """Yield the keys of all tables within a table, outer ones first."""
    waiting = [(before, data)]
    while waiting:
        place, table = waiting.pop()
        for key, value in table.items():
            keys = (*place, key)
            yield keys
            held = value[-1] if isinstance(value, list) and value else value
            if isinstance(held, dict):
                waiting.append((keys, held))
