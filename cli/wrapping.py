"""Long lines at a terminal: broken at blanks, where the terminal would break words."""

import re
from collections.abc import Callable
from typing import Final

import click

_PIECE: Final = re.compile(" *[^ ]+")
_INDENT: Final = re.compile(" *")
_DEEPER: Final = "  "
"""What the further lines of one that is indented are indented by, beyond it."""

_DRAWN: Final = re.compile(r"\r|\x1b(?!\[[0-9;]*m)")
"""Tells what a display draws from text, which has no other escapes than those of its style."""

_PASTED: Final = re.compile(r"(convert it[^:]*: )(.*?> users\.ndjson)|(export [A-Z_]+=.*)")
"""What is there to be pasted, and must stay one line."""
_COMMAND: Final = re.compile(r" *wootric-replay ")
"""How an example begins that is a line of its own: further lines of it are marked as such for the shell."""

KEPT: Final = "\x00"
"""Stands for a blank at which no line is broken."""


def fitted(text: str, width: int) -> str:
    """Return a text whose lines are no wider than this, but for words that are.

    Args:
        text: lines that are to be shown; escapes of style take no room.
        width: columns. Where it is 0 nobody knows how many there are, and nothing is broken.
    """
    if not width or _DRAWN.search(text):
        return text
    return "\n".join(_fitted(line, width) for line in text.split("\n"))


def _fitted(line: str, width: int) -> str:
    if columns(line) <= width:
        return line
    indent = _INDENT.match(line)[0]  # type: ignore[index]
    hanging = indent + _DEEPER if indent else ""
    if _COMMAND.match(click.unstyle(line)) and "'" not in line:
        return " \\\n".join(broken(line, width - len(" \\"), hanging or _DEEPER))
    line = _PASTED.sub(_kept, line)
    return "\n".join(broken(line, width, hanging))


def _kept(found: re.Match[str]) -> str:
    before, pasted = found[1] or "", found[2] or found[3]
    return before + pasted.replace(" ", KEPT)


def broken(line: str, width: int, hanging: str) -> list[str]:
    """Break a line at its blanks.

    Args:
        line: it may have `KEPT` in place of blanks.
        width: columns that each part may take; one that is a single word may take more.
        hanging: what all parts but the first begin with.

    Returns:
        The parts, without the blanks between them.
    """
    parts = [""]
    free = width
    for piece in _PIECE.findall(line):
        size = columns(piece)
        if size > free and parts[-1].strip():
            parts.append(hanging + piece.lstrip())
            free = width - columns(parts[-1])
        else:
            parts[-1] += piece
            free -= size
    return [part.replace(KEPT, " ") for part in parts]


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    shown = click.unstyle(text) if "\x1b" in text else text
    if shown.isascii():
        return len(shown)
    from rich.cells import cell_len

    return cell_len(shown)


def for_terminal(width: Callable[[], int]) -> Callable[[str], str]:
    """Return what makes text fit a terminal that may change its size.

    Args:
        width: how many columns it has now.
    """
    return lambda text: fitted(text, width())
