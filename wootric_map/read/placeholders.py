"""Placeholders: texts in the place of an id that are not an id (segment.md 8, rule 1)."""

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
"""The placeholders in lower case, without surrounding white space."""

_LENGTHS: Final = frozenset(map(len, PLACEHOLDERS))


def is_placeholder(text: str) -> bool:
    """Tell whether a text is a placeholder, in any case and with any white space around it.

    Args:
        text: a `userId`, `anonymousId`, `previousId`, `messageId`, email or phone number.
    """
    trimmed = text.strip()
    return len(trimmed) in _LENGTHS and trimmed.lower() in PLACEHOLDERS


def placeholder_warning(field: str, text: str) -> MappingWarning:
    """Return the warning `placeholder_id`; all warnings about one placeholder count as one.

    Args:
        field: the place of the placeholder in the record, such as `traits.email`.
        text: the placeholder.
    """
    value = text.strip().lower()
    message = (
        f'"{value}" stands in place of an id and names nobody: it counts as absent; '
        "have whatever writes it leave the field out"
    )
    return MappingWarning("placeholder_id", field, message, value)
