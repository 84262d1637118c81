"""Long lines at a terminal, broken at blanks, since the terminal would break words."""

import re
import shlex
from collections.abc import Callable
from typing import Final

import click

_PIECE: Final = re.compile(" *[^ ]+")
_INDENT: Final = re.compile(" *")
_DEEPER: Final = "  "
"""The further indent of the lines after the first, if that is indented."""

_DRAWN: Final = re.compile(r"\r|\x1b(?!\[[0-9;]*m)")
"""Finds escapes that draw; text has only escapes of style."""

_PASTED: Final = re.compile(r"(convert it[^:]*: )(.*?> users\.ndjson)|(export [A-Z_]+=.*)")
"""Commands to be pasted, which must stay one line."""
_COMMAND: Final = re.compile(r" *wootric-replay ")
"""The beginning of an example command, whose lines end in a backslash if it is broken."""
_QUOTED: Final = re.compile(r"""'[^']*'|"'\"""")
"""A quoted part of a command, as `shlex.quote` writes it."""

KEPT: Final = "\x00"
"""Stands for a blank at which no line is broken."""


def fitted(text: str, width: int) -> str:
    """Return a text whose lines are no wider than `width`, except for single words that are.

    Args:
        text: the lines; escapes of style take no columns.
        width: the columns; 0 if the number is not known: then nothing is broken.
    """
    if not width or _DRAWN.search(text):
        return text
    return "\n".join(_fitted(line, width) for line in text.split("\n"))


def _fitted(line: str, width: int) -> str:
    if columns(line) <= width:
        return line
    indent = _INDENT.match(line)[0]  # type: ignore[index]
    hanging = indent + _DEEPER if indent else ""
    if _is_command(click.unstyle(line)):
        kept = _QUOTED.sub(lambda quoted: quoted[0].replace(" ", KEPT), line)
        return " \\\n".join(broken(kept, width - len(" \\"), hanging or _DEEPER))
    line = _PASTED.sub(_kept, line)
    return "\n".join(broken(line, width, hanging))


def _is_command(line: str) -> bool:
    """Tell whether a line is a command that a shell takes."""
    if not _COMMAND.match(line):
        return False
    try:
        shlex.split(line)
    except ValueError:
        return False  # an apostrophe: it is a sentence
    return True


def _kept(found: re.Match[str]) -> str:
    before, pasted = found[1] or "", found[2] or found[3]
    return before + pasted.replace(" ", KEPT)


def broken(line: str, width: int, hanging: str) -> list[str]:
    """Break a line at its blanks.

    Args:
        line: the line, which may have `KEPT` in place of blanks.
        width: the columns of a part; a single word may take more.
        hanging: the beginning of all parts but the first.

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
    """Return the columns of a terminal that a text takes."""
    shown = click.unstyle(text) if "\x1b" in text else text
    if shown.isascii():
        return len(shown)
    from rich.cells import cell_len

    return cell_len(shown)


def for_terminal(width: Callable[[], int]) -> Callable[[str], str]:
    """Return a function that wraps text for a terminal; `width` returns the columns, which may change."""
    return lambda text: fitted(text, width())
