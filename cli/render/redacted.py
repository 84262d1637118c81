"""Lines of JSON in which also values are redacted that were redacted earlier in the same output."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cli.render.text import json_line
from wootric_map.read.json_lines import parse

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction, Told


def redacted_line(redaction: "Redaction", line: bytes, told: "Iterable[Told]" = ()) -> bytes:
    """Return a line of JSON in which also values are redacted that were redacted before it.

    Args:
        redaction: the redaction of the output.
        line: an object that is redacted by its own keys.
        told: the values that were redacted in it.
    """
    redaction.learn(told)
    text = redaction.json_text(line.decode())
    if text is not None:
        return text.encode()
    return json_line(redaction.value("", parse(line)))
