"""Lines of a rejects file: each keeps a raw line of an export to be replayed (segment.md 2)."""

import base64
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from wootric_map.model import REJECTIONS, Rejection
from wootric_map.read.json_text import to_json


def is_rejects_line(data: object) -> bool:
    """Tell whether a line's JSON is that of a line of a rejects file."""
    return isinstance(data, dict) and "type" not in data and "record" in data and "code" in data


def kept_line(entry: Mapping[str, Any]) -> bytes | Rejection:
    """Return the raw line that a line of a rejects file keeps, or a rejection if it keeps none.

    Args:
        entry: the JSON of the line of the rejects file. The raw line stands in `record`, or in
            `record_base64` if it is not UTF-8.
    """
    text, encoded = entry["record"], entry.get("record_base64")
    if isinstance(encoded, str):
        with suppress(ValueError):
            kept = base64.b64decode(encoded, validate=True)
            # A person corrects the text that they can read, not the bytes beside it.
            if text is None or text == kept.decode(errors="replace"):
                return kept
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, dict | list):  # corrected with a tool that turned the text into JSON
        with suppress(RecursionError):
            return to_json(text)
    code = entry["code"] if entry["code"] in tuple(REJECTIONS) else "invalid_json"
    origin = f"{_short_text(entry.get('source'))}:{_short_text(entry.get('line'))}"
    return Rejection(code, None, f"the line itself was not kept here; replay it from {origin}")


def _short_text(value: object) -> str:
    """Return text or a number for a message, cut short; a question mark for anything else."""
    return str(value)[:200] if isinstance(value, str | int) else "?"
