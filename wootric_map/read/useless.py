"""The skips of records that Wootric has no use for, though nothing is wrong with them (segment.md 2)."""

from functools import cache

from wootric_map.model import MappingWarning, Skip


def without_group(warnings: tuple[MappingWarning, ...]) -> Skip:
    """Return the skip of a group record that names no group."""
    message = "it names no group, so that nobody is a member of it; give it a groupId"
    return Skip("no_group", "group", "groupId", message, warnings=warnings)


@cache
def unsupported(kind: str) -> Skip:
    """Return the skip of a record of a type that Wootric has no use for (segment.md 2)."""
    return Skip("unsupported_type", kind, "type", f"Wootric has no use for {kind} records")
