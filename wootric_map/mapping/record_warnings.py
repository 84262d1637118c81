"""The warnings that mapping a record gives, mostly without mapping it.

Most exports give warnings about few keys, but about those in nearly every record. What follows from the
names in a record's traits or properties, and from the types of their values, is worked out once for all.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from wootric_map.mapping.calls import call_for
from wootric_map.mapping.identity import user_of
from wootric_map.mapping.properties import stay_short
from wootric_map.mapping.property_names import Naming
from wootric_map.mapping.settings import event_properties, map_record, traits_as_properties
from wootric_map.model import EligibilityCheck, MappingWarning, PageView
from wootric_map.read.ordinary_record import ordinary
from wootric_map.read.record import NO_FIELDS, Fields, Identify, Page, Record, Track
from wootric_map.values.key_cache import KeyTable
from wootric_map.values.trait_names import spelled
from wootric_map.wootric.address_length import is_short_check, is_short_view, too_long

K = TypeVar("K")
V = TypeVar("V")

_NESTING: Final = frozenset({dict, list})
_PLAIN: Final = frozenset({str, int, bool, type(None)})
"""Types of which nothing but the type of a value matters."""

_MOST_NAMES: Final = 50
_MOST_LEVELS: Final = 4
"""Of an object with more names or levels the warnings are worked out each time."""

_MOST_SHAPES: Final = 32
_MOST_WARNINGS: Final = 10
"""Of one set of names so many shapes are held, and only those with so few warnings."""

_SAMPLES: Final[dict[object, object]] = {
    str: "text", bool: True, type(None): None, int: 1, float: 0.5, False: [], True: ["x", "y"]
}  # fmt: skip
"""A value for each type of values that are no objects, and for lists of no texts and of some."""

_TYPED: Final = re.compile(r"[^0-9a-z](?:amount|date|array)$", re.IGNORECASE)
"""How a name ends whose values Wootric takes to be of one type (wootric.md 6)."""

_is_email: Final = re.compile(r"[A-Za-z0-9._+-]++@[A-Za-z0-9.-]++").fullmatch
"""The commonest emails, by no means all (segment.md 4)."""

_is_created: Final = re.compile(
    r"(?:19[89][0-9]|20[0-8][0-9])-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:Z|[+-]0[0-9]:[0-5][0-9])"
).fullmatch
"""The commonest creation dates, by no means all (segment.md 5)."""

_Within: TypeAlias = tuple[Any, ...]
"""What the warnings follow from beside an object's names and types: of each list in it whether it holds any
texts, of each object in it the names, the types, and the same once more."""

_WorkOut: TypeAlias = Callable[[Fields], Sequence[MappingWarning]]
"""Gives the warnings about the properties that traits, or an event's properties, become."""


class _Types:
    """What follows from the names of an object and the types of its values."""

    __slots__ = ("all", "by_within", "known", "nested", "numbers")

    def __init__(self, names: tuple[str, ...], types: tuple[type, ...], work_out: _WorkOut) -> None:
        named = [*zip(names, types, strict=True)]
        self.all = types
        self.nested = tuple([name for name, kind in named if kind in _NESTING])
        """The names of objects and lists."""
        self.numbers = tuple([name for name, kind in named if kind is float])
        """The names of fractions, on which there may be other warnings if they are whole numbers."""
        self.known = None if self.nested else _learn(names, types, (), work_out)
        """Where there are no objects or lists, the warnings; None where they depend on the values."""
        self.by_within: dict[_Within, tuple[MappingWarning, ...] | None] = {}
        """The warnings by what stands in objects and lists."""


class _Names:
    """What follows from the names in traits or properties."""

    __slots__ = ("all", "by_types", "created", "email", "is_plain")

    def __init__(self, names: tuple[str, ...]) -> None:
        keys = spelled(dict.fromkeys(names))
        created = [*keys.get("created", ()), *keys.get("createdat", ())]
        self.all = names
        self.email = "email" in keys
        """Whether one spells `email`."""
        self.is_plain = "email" in names and "phone" not in keys and len(created) <= 1
        """Whether, of what traits say of their user, only `email` and the creation date can be wrong."""
        self.created = created[0] if created else None
        self.by_types: dict[tuple[type, ...], _Types] = {}


class WarningsOfRecords:
    """Gives the warnings of records, each looked at alone, as `map_record` does."""

    def __init__(self, naming: Naming) -> None:
        """Begin with nothing known.

        Args:
            naming: as in `map_record`.
        """
        self._naming = naming
        self._traits = _Fields(partial(_of_traits, naming=naming))
        self._properties = _Fields(partial(_of_properties, naming=naming))

    def of_ordinary(self, data: dict[str, Any]) -> Sequence[MappingWarning]:
        """Return the warnings of an ordinary record.

        Args:
            data: the JSON of a record of which `is_ordinary` says yes, and whose userId is not blank.
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
                if _NESTING.isdisjoint(map(type, fields.values())):
                    return ()
        return self.of_record(ordinary(data))

    def of_record(self, record: Record) -> Sequence[MappingWarning]:
        """Return the warnings of a record whose userId is neither absent nor blank."""
        if isinstance(record, Page) or (isinstance(record, Identify) and record.parent != "traits"):
            return map_record(record._replace(warnings=()), naming=self._naming).warnings
        if isinstance(record, Identify):
            kind, fields = self._traits, record.traits
        else:
            kind, fields = self._properties, record.properties
        return [*user_of(record).warnings, *kind.warnings(fields, kind.names[tuple(fields)])]


def has_short_call(line: bytes, kind: str, properties: Fields) -> bool:
    """Tell whether a quick look shows that `of_call` has no warning; doubt is a no.

    Args:
        line: the record's.
        kind: its type.
        properties: its properties.
    """
    if kind == "track":
        return is_short_check(line, properties) and stay_short(properties)
    return kind == "identify" or is_short_view(line)


def of_call(record: Record, naming: Naming) -> Sequence[MappingWarning]:
    """Return the warning `call_too_long`, if the call that a record makes by itself is too long.

    Args:
        record: the record.
        naming: as in `map_record`.
    """
    call = call_for(map_record(record, naming=naming), "")
    if not isinstance(call, EligibilityCheck | PageView):
        return ()
    sources = {}
    if isinstance(record, Track):
        found, _ = event_properties(record.properties, naming=naming)
        sources = {each.name: each.source for each in found}
    long = too_long(call, sources)
    return (long,) if long else ()


class _Fields:
    """Gives the warnings about the properties that traits, or an event's properties, become."""

    def __init__(self, work_out: _WorkOut) -> None:
        self.names: KeyTable[_Names] = KeyTable(_Names)
        self._work_out = work_out

    def warnings(self, fields: Fields, names: _Names) -> Sequence[MappingWarning]:
        """Return the warnings about an object, of whose names it is known what follows from them."""
        kinds = tuple(map(type, fields.values()))
        types = names.by_types.get(kinds)
        if types is None:
            if len(kinds) > _MOST_NAMES:
                return self._work_out(fields)
            types = _Types(names.all, kinds, self._work_out)
            _keep(names.by_types, kinds, types)
        for name in types.numbers:
            if fields[name].is_integer():
                return self._work_out(fields)
        known = types.known
        if types.nested:
            within = _within(fields, types.nested, 1)
            if within is None:
                return self._work_out(fields)
            try:
                known = types.by_within[within]
            except KeyError:
                known = _learn(names.all, kinds, within, self._work_out)
                if known is None or len(known) <= _MOST_WARNINGS:
                    _keep(types.by_within, within, known)
        return self._work_out(fields) if known is None else known


def _keep(found: dict[K, V], key: K, value: V) -> None:
    """Keep what was worked out, while there is room."""
    if len(found) >= _MOST_SHAPES:
        found.clear()
    found[key] = value


def _learn(
    names: tuple[str, ...], types: tuple[type, ...], within: _Within, work_out: _WorkOut
) -> tuple[MappingWarning, ...] | None:
    """Work out what follows from names, types and what stands in objects and lists."""
    sample = _sample(names, types, iter(within), "")
    known = None if sample is None else tuple(work_out(sample))
    # Of two texts with one name both are kept if one is a date.
    return None if known and any(each.code == "key_collision" for each in known) else known


def _of_traits(traits: Fields, *, naming: Naming) -> Sequence[MappingWarning]:
    return traits_as_properties(traits, has_user_id=True, naming=naming)[1]


def _of_properties(properties: Fields, *, naming: Naming) -> Sequence[MappingWarning]:
    return event_properties(properties, naming=naming)[1]


def _within(fields: Fields, nested: Iterable[str], level: int) -> _Within | None:
    """Return what stands in the objects and lists of an object; None where the warnings depend on more."""
    found: list[Any] = []
    for name in nested:
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
            below = [name for name, kind in zip(value, types, strict=True) if kind in _NESTING]
            within = _within(value, below, level + 1)
            if within is None:
                return None
            found += within
    return tuple(found)


def _sample(
    names: tuple[str, ...], types: tuple[type, ...], within: Iterator[Any], above: str
) -> dict[str, Any] | None:
    """Make an object; None where the warnings about it depend on the values.

    Args:
        names: its names.
        types: the types of its values.
        within: what stands in its objects and lists, as `_within` gives it, and what follows that.
        above: the names that lead to it, joined.
    """
    found: dict[str, Any] = {}
    for name, kind in zip(names, types, strict=True):
        joined = f"{above}_{name}" if above else name
        if kind is dict:
            found[name] = _sample(next(within), next(within), within, joined)
            if found[name] is None:
                return None
            continue
        is_typed = _TYPED.search(joined) is not None
        is_right = kind is type(None) or (kind is int and joined.lower().endswith("amount"))
        if is_typed and not is_right:
            return None
        found[name] = _SAMPLES[next(within) if kind is list else kind]
    return found
