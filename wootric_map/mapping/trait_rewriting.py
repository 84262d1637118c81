"""Traits and properties as the user's rules want them, before anything is made of them (`rules.TraitRules`).

A record whose traits are rewritten is mapped, planned and delivered like one that came so.
"""

import unicodedata
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from wootric_map.mapping.derived_rules import STANDARD_TRAITS
from wootric_map.mapping.patterns import matches
from wootric_map.mapping.rules import TraitRules
from wootric_map.mapping.secrets import is_secret
from wootric_map.model import MappingWarning
from wootric_map.read.record import Fields
from wootric_map.values import dates
from wootric_map.values.amounts import number_in
from wootric_map.values.json_values import rounded
from wootric_map.values.key_cache import KeyTable
from wootric_map.values.trait_names import spelling

_MOST_LEVELS: Final = 32
"""Levels down to which a pattern for an object holds for what is within the object."""

_DATE: Final = "_date"
_AMOUNT: Final = "_amount"
_ARRAY: Final = "_array"

Path = tuple[str, ...]
"""The keys from the traits down to a trait."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of a trait that does not stay as it is."""

    is_left_out: bool = False
    is_secret: bool = False
    """Whether it is left out for its name alone, which the user is told."""
    new_key: str | None = None
    """Its key among the traits themselves; None if it keeps its key."""
    ending: str = ""
    """The ending for the type that its value is converted to; empty if it is not converted."""


class _Changes(NamedTuple):
    """What becomes of a trait that may be of any type; None where it stays as it is."""

    value: _Change | None
    object: _Change | None


class Rewritten(NamedTuple):
    """Traits or properties as the rules want them."""

    fields: dict[str, Any]
    warnings: tuple[MappingWarning, ...]


class TraitRewriting:
    """Rewrites traits, or properties, by the user's rules."""

    def __init__(self, rules: TraitRules) -> None:
        """Prepare the rules; `rules` have been checked."""
        self._rules = rules
        self._by_keys: KeyTable[Mapping[str, _Changes]] = KeyTable(self._changes_of)
        self._rename = {_spelled(name): (name, key) for name, key in rules.rename.items()}
        self._patterns = {
            rule: [(each, _spelled(each)) for each in patterns]
            for rule, patterns in (
                ("exclude", rules.exclude),
                ("include", rules.include),
                ("only", rules.only),
                (_DATE, rules.as_date),
                (_AMOUNT, rules.as_amount),
                (_ARRAY, rules.as_array),
            )
        }
        self._touches_keys: KeyTable[bool] = KeyTable(self._touches_some)
        """Whether any of the keys of traits would not stay as it is with a value that is no object."""
        self.met: set[str] = set()
        """The patterns and names in the rules that some trait had, up to now."""

    def rewritten(self, fields: Fields, parent: str) -> Rewritten | None:
        """Return traits as the rules want them; None if that is as they are.

        Args:
            fields: the traits of one identify, or the properties of one track record.
            parent: their place in the record, such as `traits`.
        """
        if not self.touches(fields):
            return None
        kept, moved, warnings = self._walked(fields, parent)
        for path, key, value in moved:
            if not _is_there(key, kept):
                kept[key] = value
            elif value is not None:
                message = f"renamed to {key}, which another trait is; left out"
                warnings.append(MappingWarning("key_collision", _place(parent, path), message))
        return Rewritten({**kept, **self._rules.constants}, tuple(warnings))

    def touches(self, fields: Fields) -> bool:
        """Tell whether anything in traits may not stay as it is; quick for most."""
        if self._touches_keys[tuple(fields)]:
            return True
        if dict not in map(type, fields.values()):
            return False
        by_keys = self._by_keys
        levels: list[tuple[Path, Fields]] = [((), fields)]
        while levels:
            path, level = levels.pop()
            changes = by_keys[(str(len(path)), *path, *level)]
            for key, value in level.items():
                change = changes.get(key)
                is_object = type(value) is dict
                if change and (change.object if is_object else change.value):
                    return True
                if is_object:
                    levels.append(((*path, key), value))
        return False

    def _walked(
        self, fields: Fields, parent: str
    ) -> tuple[dict[str, Any], list[tuple[Path, str, object]], list[MappingWarning]]:
        """Return what stays in traits, what is renamed, each with its path and its new key, and warnings."""
        top: dict[str, Any] = {}
        moved: list[tuple[Path, str, object]] = []
        warnings: list[MappingWarning] = []
        levels: deque[tuple[Path, Fields, dict[str, Any]]] = deque([((), fields, top)])
        while levels:
            path, level, kept = levels.popleft()
            changes = self._by_keys[(str(len(path)), *path, *level)]
            for key, value in level.items():
                is_object = type(value) is dict
                of_key = changes.get(key) or _NO_CHANGES
                change = (of_key.object if is_object else of_key.value) or _NO_CHANGE
                own = (*path, key)
                if change.is_secret:
                    warnings.append(_left_out(_place(parent, own)))
                if change.is_left_out:
                    continue
                inner: Any = {} if is_object else value
                if is_object:
                    levels.append((own, value, inner))
                elif change.ending:
                    inner, warning = _converted(value, change.ending, _place(parent, own))
                    if warning:
                        warnings.append(warning)
                    if inner is None and value is not None:
                        continue
                if change.new_key is None:
                    kept[_ending_in(key, change.ending)] = inner
                else:
                    moved.append((own, _ending_in(change.new_key, change.ending), inner))
        return top, moved, warnings

    def _touches_some(self, keys: tuple[str, ...]) -> bool:
        """Return the entry of `_touches_keys` for the keys of traits."""
        changes = self._by_keys[("0", *keys)].values()
        return bool(self._rules.constants) or any(each.value for each in changes)

    def _changes_of(self, keys: tuple[str, ...]) -> Mapping[str, _Changes]:
        """Return what becomes of keys; those that stay as they are, whatever their values, are not in it.

        Args:
            keys: how many keys the path of an object has, the path, and the object's keys.
        """
        first = 1 + int(keys[0])
        path = keys[1:first]
        found = {}
        for key in keys[first:]:
            own = (*path, key)
            changes = _Changes(
                self._change(own, is_object=False), self._change(own, is_object=True)
            )
            if any(changes):
                found[key] = changes
        return found

    def _change(self, path: Path, *, is_object: bool) -> _Change | None:
        """Return what becomes of a trait; None if it stays as it is."""
        # A key with dots goes under the name that an object would give.
        path = tuple(part for key in path for part in key.split("."))
        names = _names_of(path)
        if self._has_above(path, "exclude"):
            return _Change(is_left_out=True)
        if is_secret(path) and not self._has_above(path, "include"):
            return _Change(is_left_out=True, is_secret=True)
        if is_object:
            if not self._rules.flatten:
                return _Change(is_left_out=True)
        elif self._rules.only and not (_is_standard(path) or self._has_above(path, "only")):
            return _Change(is_left_out=True)
        new_key = None
        for name in names:
            if name in self._rename:
                written, new_key = self._rename[name]
                self.met.add(written)
        ending = ""
        if not is_object:
            endings = (each for each in (_DATE, _AMOUNT, _ARRAY) if self._has(names, each, path))
            ending = next(endings, "")
        return _Change(new_key=new_key, ending=ending) if new_key or ending else None

    def _has(self, names: Sequence[str], rule: str, path: Path) -> bool:
        """Tell whether a pattern of a rule stands for a trait, and note which do."""
        found = [
            written
            for written, spelled in self._patterns[rule]
            if _is_named(names, spelled) and not ("*" in written and _is_standard(path))
        ]
        self.met.update(found)
        return bool(found)

    def _has_above(self, path: Path, rule: str) -> bool:
        """Tell whether a pattern of a rule stands for a trait, or for an object that it is in."""
        if not self._patterns[rule]:
            return False
        above = [path[: at + 1] for at in range(min(len(path), _MOST_LEVELS))]
        return any([self._has(_names_of(each), rule, each) for each in above])  # noqa: C419 - notes all


_NO_CHANGE: Final = _Change()
_NO_CHANGES: Final = _Changes(None, None)


def _reduced(key: str) -> str:
    """Return what the spellings of a key share, also those that differ in how they are encoded."""
    return spelling(key if key.isascii() else unicodedata.normalize("NFKC", key).casefold())


def _spelled(name: str) -> str:
    """Return a name, or pattern, as names are compared: each key of its path reduced to its spelling."""
    return ".".join("*".join(map(_reduced, key.split("*"))) for key in name.split("."))


def _names_of(path: Path) -> tuple[str, ...]:
    """Return the names that stand for a trait: its keys with dots between them, and without."""
    keys = [*map(_reduced, path)]
    return (".".join(keys),) if len(keys) == 1 else (".".join(keys), "".join(keys))


def _is_there(key: str, fields: Fields) -> bool:
    """Tell whether traits have a value under a key; a standard trait is one in any spelling."""
    if fields.get(key) is not None:
        return True
    name = spelling(key)
    return name in STANDARD_TRAITS and any(
        value is not None and spelling(each) == name for each, value in fields.items()
    )


def _is_named(names: Sequence[str], pattern: str) -> bool:
    """Tell whether a pattern, in its spelling, stands for a trait that has these names."""
    without_dots = pattern.replace(".", "") if "." in pattern and "*" not in pattern else None
    return without_dots in names or any(matches(name, pattern) for name in names)


def _is_standard(path: Path) -> bool:
    """Tell whether a trait is more than a property, so that no pattern with `*` stands for it."""
    return len(path) == 1 and spelling(path[0]) in STANDARD_TRAITS


def _place(parent: str, path: Path) -> str:
    return ".".join((parent, *path))


def _left_out(place: str) -> MappingWarning:
    message = "left out, since its name is that of a secret; --include-trait with its name sends it"
    return MappingWarning("secret_left_out", place, message)


def _ending_in(key: str, ending: str) -> str:
    return key if key.endswith(ending) else key + ending


def _converted(value: object, ending: str, place: str) -> tuple[object, MappingWarning | None]:
    """Return a value converted to the type of an ending, and a warning about it.

    A value that can't be converted is left out: None is returned for it.
    """
    if value is None:
        return None, None
    if ending == _DATE:
        moment = dates.parse(value)
        if moment is not None:
            return dates.unix_seconds(moment), None
        return None, _unfit(place, "no date in any form")
    if ending == _AMOUNT:
        return _as_amount(value, place)
    return value if isinstance(value, list) else [value], None


def _as_amount(value: object, place: str) -> tuple[object, MappingWarning | None]:
    number = number_in(value)
    if number is None:
        return None, _unfit(place, "no number")
    whole = int(number) if number == int(number) else None
    if whole is not None:
        return whole, None
    message = "rounded to an integer, since its name is to end in _amount"
    return rounded(float(number)), MappingWarning("amount_rounded", place, message)


def _unfit(place: str, what: str) -> MappingWarning:
    message = f"is {what}, as the rules for traits say it is; left out"
    return MappingWarning("wrong_type_for_suffix", place, message)
