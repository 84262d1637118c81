"""Standard traits are found whatever their spelling (segment.md 4)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from wootric_map.values.key_cache import KeyTable

_LONGEST_CACHED: Final = 64
"""Characters of a key that is cached: a hostile export must not fill the cache with megabytes of names."""


class Found(NamedTuple):
    """A trait of a record: the key as the record spells it, and the value."""

    key: str
    value: object


def spelling(key: str) -> str:
    """Return the letters and digits of a key in lower case, which all spellings of a name share.

    `createdAt`, `created_at`, `Created At` and `CREATEDAT` all give `createdat`.
    """
    return _cached_reduce(key) if len(key) <= _LONGEST_CACHED else _reduce(key)


def find(fields: Mapping[str, object], name: str) -> Found | None:
    """Find a standard trait in any spelling.

    Args:
        fields: traits or properties.
        name: the trait's name, as Segment's own specification spells it.

    Returns:
        The trait spelled exactly like `name`, else the first one in another spelling; None if there is
        none. A trait that is null or empty text is ignored.
    """
    key = find_key(fields, name)
    return None if key is None else Found(key, fields[key])


def find_key(fields: Mapping[str, object], name: str) -> str | None:
    """Return the key of the trait that `find` returns, or None if there is none."""
    value = fields.get(name)
    if value is not None and value != "":
        return name
    for key in _KEYS_BY_SPELLING[tuple(fields)].get(name.lower(), ()):
        value = fields[key]
        if value is not None and value != "":
            return key
    return None


def spelled(fields: Mapping[str, object]) -> Mapping[str, Sequence[str]]:
    """Return the keys of `fields` grouped by their `spelling`, each group in the record's order."""
    return _KEYS_BY_SPELLING[tuple(fields)]


def _group_by_spelling(keys: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(spelling(key), []).append(key)
    return found


def _reduce(key: str) -> str:
    return "".join(filter(str.isalnum, key)).lower()


_cached_reduce = lru_cache(maxsize=4096)(_reduce)

_KEYS_BY_SPELLING: Final = KeyTable(_group_by_spelling)
