"""Lines of JSON in which all is hidden that was hidden before them in the same output."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cli.render.text import json_line
from wootric_map.read.json_lines import parse

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction, Told


def redacted_line(redaction: "Redaction", line: bytes, told: "Iterable[Told]" = ()) -> bytes:
    """Return a line of JSON with all hidden in it that was hidden before it.

    Most lines have little more to hide, and need not be read for it.

    Args:
        redaction: that of the output.
        line: an object in which what its own keys tell is hidden.
        told: what was hidden in it.
    """
    redaction.learn(told)
    text = redaction.json_text(line.decode())
    if text is not None:
        return text.encode()
    return json_line(redaction.value("", parse(line)))
