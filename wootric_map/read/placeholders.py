"""Texts that stand in place of an id, and name nobody (segment.md 8, rule 1)."""

from typing import Final

from wootric_map.model import MappingWarning

_ZERO_UUID: Final = "00000000-0000-0000-0000-000000000000"

PLACEHOLDERS: Final = frozenset(
    {
        "undefined",
        "null",
        "(null)",
        "none",
        "nil",
        "nan",
        "n/a",
        "na",
        "-",
        "--",
        "?",
        "0",
        "-1",
        "unknown",
        "anonymous",
        "guest",
        "true",
        "false",
        "not set",
        "(not set)",
        "[object object]",
        _ZERO_UUID,
        _ZERO_UUID.replace("-", ""),
    }
)
"""In lower case, without blanks around them."""

_LENGTHS: Final = frozenset(map(len, PLACEHOLDERS))


def is_placeholder(text: str) -> bool:
    """Tell whether a text is a placeholder, in any case and with any blanks around it.

    Args:
        text: a `userId`, `anonymousId`, `previousId`, `messageId`, email or phone.
    """
    trimmed = text.strip()
    return len(trimmed) in _LENGTHS and trimmed.lower() in PLACEHOLDERS


def placeholder_warning(field: str, text: str) -> MappingWarning:
    """Make the warning `placeholder_id`, of which there is one for each value.

    Args:
        field: where the placeholder stands, as in `traits.email`.
        text: the placeholder.
    """
    value = text.strip().lower()
    message = (
        f'"{value}" stands in place of an id and names nobody: it counts as absent; '
        "have whatever writes it leave the field out"
    )
    return MappingWarning("placeholder_id", field, message, value)
