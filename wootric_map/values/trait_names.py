"""Finding a standard trait whatever its spelling (segment.md 4)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from wootric_map.values.key_cache import KeyTable

_CACHEABLE: Final = 64
"""Longer keys are not kept: a hostile export must not fill the cache with megabytes of names."""


class Found(NamedTuple):
    """A trait that was found: the key as the record spells it, and its value."""

    key: str
    value: object


def spelling(key: str) -> str:
    """Reduce a key to what its spellings share: letters and digits, in lower case.

    `createdAt`, `created_at`, `Created At` and `CREATEDAT` all give `createdat`.
    """
    return _cached(key) if len(key) <= _CACHEABLE else _reduce(key)


def find(fields: Mapping[str, object], name: str) -> Found | None:
    """Look a standard trait up in any spelling.

    Args:
        fields: traits or properties.
        name: the trait's name, as Segment's own specification spells it.

    Returns:
        The trait spelled exactly so, else the first of another spelling in the record's order. One
        that is null or an empty string is passed over: it has no value to give.
    """
    key = find_key(fields, name)
    return None if key is None else Found(key, fields[key])


def find_key(fields: Mapping[str, object], name: str) -> str | None:
    """The key of the trait that `find` finds."""
    value = fields.get(name)
    if value is not None and value != "":
        return name
    for key in _SPELLED[tuple(fields)].get(name.lower(), ()):
        value = fields[key]
        if value is not None and value != "":
            return key
    return None


def spelled(fields: Mapping[str, object]) -> Mapping[str, Sequence[str]]:
    """The keys of traits or properties by what `spelling` makes of them, each in the record's order."""
    return _SPELLED[tuple(fields)]


def _spell(keys: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(spelling(key), []).append(key)
    return found


def _reduce(key: str) -> str:
    return "".join(filter(str.isalnum, key)).lower()


_cached = lru_cache(maxsize=4096)(_reduce)

_SPELLED: Final = KeyTable(_spell)
