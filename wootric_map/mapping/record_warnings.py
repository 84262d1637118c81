"""The warnings about a record, found in most cases without mapping it.

Most exports give warnings about a few keys, but in nearly every record. Warnings follow from the names in a
record's traits or properties and from the types of their values, so that they are computed once for all
records that share these.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from wootric_map.mapping.calls import call_for
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.plain_properties import stay_short
from wootric_map.mapping.property_names import Naming
from wootric_map.mapping.settings import event_properties, map_record, traits_as_properties
from wootric_map.model import EligibilityCheck, MappingWarning, PageView
from wootric_map.read.ordinary_record import ordinary
from wootric_map.read.record import NO_FIELDS, Fields, Group, Identify, Page, Record, Track
from wootric_map.values.key_cache import KeyTable
from wootric_map.values.trait_names import spelled
from wootric_map.wootric.address_length import is_short_check, is_short_view, too_long

K = TypeVar("K")
V = TypeVar("V")

_CONTAINERS: Final = frozenset({dict, list})
_PLAIN: Final = frozenset({str, int, bool, type(None)})
"""Types whose warnings do not depend on the value."""

_MOST_NAMES: Final = 50
_MOST_LEVELS: Final = 4
"""The warnings about an object with more names or levels are computed each time."""

_MOST_CACHED: Final = 32
"""Results that are cached for one set of names, and for one set of types."""
_MOST_WARNINGS: Final = 10
"""Warnings of a result that is cached."""

_SAMPLES: Final[dict[object, object]] = {
    str: "text", bool: True, type(None): None, int: 1, float: 0.5, False: [], True: ["x", "y"]
}  # fmt: skip
"""A value for each type but objects; False stands for an empty list, True for a list of texts."""

_TYPED_ENDING: Final = re.compile(r"[^0-9a-z](?:amount|date|array)$", re.IGNORECASE)
"""The end of a name under which Wootric takes values of one type only (wootric.md 6)."""

_is_email: Final = re.compile(r"[A-Za-z0-9._+-]++@[A-Za-z0-9.-]++").fullmatch
"""Match the commonest emails; not all emails match (segment.md 4)."""

_is_created: Final = re.compile(
    r"(?:19[89][0-9]|20[0-8][0-9])-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:Z|[+-]0[0-9]:[0-5][0-9])"
).fullmatch
"""Match the commonest creation dates; not all dates match (segment.md 5)."""

_Inside: TypeAlias = tuple[Any, ...]
"""The structure within an object's objects and lists, as far as warnings follow from it.

In the order of the values: for a list, whether it holds texts; for an object, its names, its types, and the
structure within it.
"""

_WarningsOf: TypeAlias = Callable[[Fields], Sequence[MappingWarning]]
"""Returns the warnings about traits or properties by mapping them."""


class _Types:
    """What follows from the names of an object and the types of its values."""

    __slots__ = ("by_inside", "containers", "floats", "warnings")

    def __init__(
        self, names: tuple[str, ...], types: tuple[type, ...], warnings_of: _WarningsOf
    ) -> None:
        named_types = [*zip(names, types, strict=True)]
        self.containers = tuple([name for name, kind in named_types if kind in _CONTAINERS])
        """The names of objects and lists."""
        self.floats = tuple([name for name, kind in named_types if kind is float])
        """The names of floats. Those that are whole numbers may have other warnings."""
        self.warnings = None if self.containers else _compute(names, types, (), warnings_of)
        """The warnings if there are no objects and lists; None if they depend on the values."""
        self.by_inside: dict[_Inside, tuple[MappingWarning, ...] | None] = {}
        """The warnings by the structure within objects and lists; None if they depend on the values."""


class _Names:
    """What follows from the names in traits or properties."""

    __slots__ = ("all", "by_types", "created", "email", "is_plain")

    def __init__(self, names: tuple[str, ...]) -> None:
        keys = spelled(dict.fromkeys(names))
        created = [*keys.get("created", ()), *keys.get("createdat", ())]
        self.all = names
        self.email = "email" in keys
        """Whether a name spells `email`."""
        self.is_plain = "email" in names and "phone" not in keys and len(created) <= 1
        """Whether nothing that traits say of their user can be wrong but `email` and the creation date."""
        self.created = created[0] if created else None
        """The name of the creation date, if there is one."""
        self.by_types: dict[tuple[type, ...], _Types] = {}


class WarningsOfRecords:
    """Finds the warnings about records, each by itself, that `map_record` gives."""

    def __init__(self, naming: Naming) -> None:
        """Begin with an empty cache.

        Args:
            naming: which properties get an ending for the type of their values.
        """
        self._naming = naming
        self._traits = _Fields(partial(_of_traits, naming=naming))
        self._properties = _Fields(partial(_of_properties, naming=naming))

    def of_ordinary(self, data: dict[str, Any]) -> Sequence[MappingWarning]:
        """Return the warnings about an ordinary record.

        Args:
            data: the JSON of a record for which `is_ordinary` is true, and whose userId is not white space.
        """
        kind, context = data["type"], data.get("context") or NO_FIELDS
        if kind == "identify":
            fields = data.get("traits") or NO_FIELDS
            names = self._traits.names[tuple(fields)]
            if names.is_plain and "externalId" not in context:
                email, created = fields["email"], names.created
                if type(email) is str and _is_email(email):
                    written = created and fields[created]
                    if not created or (type(written) is str and _is_created(written)):
                        return self._traits.warnings(fields, names)
        elif "traits" not in context and "externalId" not in context and "@" not in data["userId"]:
            fields = data.get("properties") or NO_FIELDS
            names = self._properties.names[tuple(fields)]
            if not names.email:
                if kind == "track":
                    return self._properties.warnings(fields, names)
                if _CONTAINERS.isdisjoint(map(type, fields.values())):
                    return ()
        return self.of_record(ordinary(data))

    def of_record(self, record: Record) -> Sequence[MappingWarning]:
        """Return the warnings about a record whose userId is neither absent nor white space."""
        if isinstance(record, Page | Group) or (
            isinstance(record, Identify) and record.parent != "traits"
        ):
            return map_record(record._replace(warnings=()), naming=self._naming).warnings
        if isinstance(record, Identify):
            kind, fields = self._traits, record.traits
        elif record.survey:
            return user_of(record).warnings  # its properties go nowhere
        else:
            kind, fields = self._properties, record.properties
        return [*user_of(record).warnings, *kind.warnings(fields, kind.names[tuple(fields)])]


def has_short_call(line: bytes, kind: str, properties: Fields) -> bool:
    """Tell whether a record's call is certainly not too long; False in case of doubt.

    Args:
        line: the line that holds the record.
        kind: the record's type.
        properties: the record's `properties`.
    """
    if kind == "track":
        return is_short_check(line, properties) and stay_short(properties)
    return kind in {"identify", "group"} or is_short_view(line)


def of_call(record: Record, naming: Naming) -> Sequence[MappingWarning]:
    """Return the warning `call_too_long` if the call that a record makes by itself is too long.

    Args:
        record: the record.
        naming: which properties get an ending for the type of their values.
    """
    call = call_for(map_record(record, naming=naming), "")
    if not isinstance(call, EligibilityCheck | PageView):
        return ()
    sources = {}
    if isinstance(record, Track):
        found, _ = event_properties(record.properties, naming=naming)
        sources = {each.name: each.source for each in found}
    warning = too_long(call, sources)
    return (warning,) if warning else ()


class _Fields:
    """Finds the warnings about traits or about properties, from a cache where possible."""

    def __init__(self, warnings_of: _WarningsOf) -> None:
        self.names: KeyTable[_Names] = KeyTable(_Names)
        self._warnings_of = warnings_of

    def warnings(self, fields: Fields, names: _Names) -> Sequence[MappingWarning]:
        """Return the warnings about traits or properties.

        Args:
            fields: the traits or properties.
            names: what follows from their names.
        """
        kinds = tuple(map(type, fields.values()))
        types = names.by_types.get(kinds)
        if types is None:
            if len(kinds) > _MOST_NAMES:
                return self._warnings_of(fields)
            types = _Types(names.all, kinds, self._warnings_of)
            _cache(names.by_types, kinds, types)
        for name in types.floats:
            if fields[name].is_integer():
                return self._warnings_of(fields)
        warnings = types.warnings
        if types.containers:
            inside = _inside(fields, types.containers, 1)
            if inside is None:
                return self._warnings_of(fields)
            try:
                warnings = types.by_inside[inside]
            except KeyError:
                warnings = _compute(names.all, kinds, inside, self._warnings_of)
                if warnings is None or len(warnings) <= _MOST_WARNINGS:
                    _cache(types.by_inside, inside, warnings)
        return self._warnings_of(fields) if warnings is None else warnings


def _cache(results: dict[K, V], key: K, value: V) -> None:
    """Cache a result, and forget the others if there are too many."""
    if len(results) >= _MOST_CACHED:
        results.clear()
    results[key] = value


def _compute(
    names: tuple[str, ...], types: tuple[type, ...], inside: _Inside, warnings_of: _WarningsOf
) -> tuple[MappingWarning, ...] | None:
    """Return the warnings about all objects of one structure; None if they depend on the values.

    Args:
        names: the names in the objects.
        types: the types of the values.
        inside: the structure within the values.
        warnings_of: returns the warnings about one object by mapping it.
    """
    sample = _sample(names, types, iter(inside), "")
    warnings = None if sample is None else tuple(warnings_of(sample))
    if warnings and any(each.code == "key_collision" for each in warnings):
        return None  # texts of one name do not collide if one of them is a date
    return warnings


def _of_traits(traits: Fields, *, naming: Naming) -> Sequence[MappingWarning]:
    return traits_as_properties(traits, has_user_id=True, naming=naming)[1]


def _of_properties(properties: Fields, *, naming: Naming) -> Sequence[MappingWarning]:
    return event_properties(properties, naming=naming)[1]


def _inside(fields: Fields, containers: Iterable[str], level: int) -> _Inside | None:
    """Return the structure within the objects and lists of an object; None if warnings depend on more.

    Args:
        fields: the object.
        containers: the names of its objects and lists.
        level: the number of levels down to `fields`, from 1.
    """
    found: list[Any] = []
    for name in containers:
        value = fields[name]
        if type(value) is list:
            for each in value:
                if type(each) is not str:
                    return None
            found.append(bool(value))
            continue
        types = tuple(map(type, value.values()))
        found += (tuple(value), types)
        if not _PLAIN.issuperset(types):
            if level == _MOST_LEVELS or len(types) > _MOST_NAMES or float in types:
                return None
            inner = [key for key, kind in zip(value, types, strict=True) if kind in _CONTAINERS]
            inside = _inside(value, inner, level + 1)
            if inside is None:
                return None
            found += inside
    return tuple(found)


def _sample(
    names: tuple[str, ...], types: tuple[type, ...], inside: Iterator[Any], above: str
) -> dict[str, Any] | None:
    """Return an object of a structure, to find its warnings; None if they depend on the values.

    Args:
        names: the names in the object.
        types: the types of the values.
        inside: the structure within the values, as `_inside` returns it; more may follow.
        above: the names above the object, joined.
    """
    found: dict[str, Any] = {}
    for name, kind in zip(names, types, strict=True):
        joined = f"{above}_{name}" if above else name
        if kind is dict:
            found[name] = _sample(next(inside), next(inside), inside, joined)
            if found[name] is None:
                return None
            continue
        is_typed = _TYPED_ENDING.search(joined) is not None
        fits = kind is type(None) or (kind is int and joined.lower().endswith("amount"))
        if is_typed and not fits:
            return None
        found[name] = _SAMPLES[next(inside) if kind is list else kind]
    return found
