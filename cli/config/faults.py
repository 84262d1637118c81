"""What is wrong in the data of a configuration file: unknown keys, and values of another type."""

import dataclasses
import difflib
import math
from collections.abc import Iterator, Mapping
from datetime import date, time
from functools import lru_cache
from typing import (
    Annotated,
    Any,
    Final,
    NamedTuple,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import msgspec

from cli.config import model
from wootric_map.mapping.rules import Constant

Keys = tuple[str, ...]
"""A key, after the tables that it stands in."""

_LARGEST: Final = 2**63
"""One more than the largest integer that TOML has."""

_MOST_LISTED: Final = 20
"""The most keys of a table that are listed where one is unknown."""

_WANTED: Final = {
    model.Flag: "write true or false",
    model.Text: "write a text, in quotation marks",
    model.Scalar: "write a text or a number",
    model.Texts: 'write a list of texts, such as ["one", "two"]',
    Mapping[str, str]: 'write a table of texts, such as { old = "new" }',
    Mapping[
        str, Constant
    ]: 'write a table of texts, numbers, true or false, such as { source = "import" }',
}
"""What to do about a value of another type, by the type."""


class Fault(NamedTuple):
    """Something wrong in a file."""

    keys: Keys
    """Where it stands."""
    words: str
    """What is wrong, and what to do."""


def faults_in(
    data: Mapping[str, Any], table: Any = model.Configuration, keys: Keys = ()
) -> Iterator[Fault]:
    """Yield what is wrong in a table: unknown keys, values of another type, and keys that exclude each other.

    Args:
        data: the table, as `tomllib` reads it.
        table: its type, of `model`.
        keys: where it stands.
    """
    known = keys_of(table)
    for key, value in data.items():
        place = (*keys, key)
        if key not in known:
            yield Fault(place, _unknown(key, known, keys))
        else:
            yield from _faults_of(value, known[key], place)
    given = {name_of(key, value): key for key, value in data.items() if is_given(value)}
    for some, others in model.RIVALS:
        both = [given[min(each & set(given))] for each in (some, others) if each & set(given)]
        if len(both) > 1 and both[0] in known:
            one, other = sorted(both)
            yield Fault((*keys, one), f"{one} and {other} exclude each other: choose one")


def is_given(value: Any) -> bool:
    """Return whether a value is one that excludes others: no table, and no flag that is false."""
    return value is not False and not isinstance(value, dict)


def name_of(key: str, value: Any) -> str:
    """Return what `model.RIVALS` calls a key with a value."""
    return model.ASKS if key == "against" and value in ("auto", "account") else key


def plain(value: Any) -> Any:
    """Return a value of `tomllib` with dates and times as their texts, and lists as tuples.

    Raises:
        ValueError: it holds a number that TOML, or JSON, has no place for.
    """
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list):
        return tuple(map(plain, value))
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("write a number that is finite")
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise ValueError("write a number of 64 bits at most")
    return value


def marks_of(type_: Any) -> tuple[object, ...]:
    """Return the marks of a value's type, such as `model.Trusted()`."""
    return type_.__metadata__ if get_origin(type_) is Annotated else ()


def marked(
    data: Mapping[str, Any], mark: type, table: Any = model.Configuration, keys: Keys = ()
) -> Iterator[Keys]:
    """Yield the keys with a mark in a table, and in tables within it; arguments as in `faults_in`."""
    known = keys_of(table)
    for key, value in data.items():
        for_type = known.get(key)
        within = _table_in(for_type)
        if any(isinstance(each, mark) for each in marks_of(for_type)):
            yield (*keys, key)
        elif within is not None and isinstance(value, dict):
            for name, each, type_ in _tables(value, within):
                yield from marked(each, mark, type_, (*keys, key, *name))


@lru_cache(maxsize=64)
def keys_of(table: Any) -> Mapping[str, Any]:
    """Return the keys of a table's type, with the types of their values."""
    if not _is_table(table):
        return {}
    return get_type_hints(table, include_extras=True)


def dotted(keys: Keys) -> str:
    """Return keys as TOML writes them, with dots between them."""
    return ".".join(each if _is_bare(each) else f'"{each}"' for each in keys)


def _faults_of(value: Any, type_: Any, keys: Keys) -> Iterator[Fault]:
    within = _table_in(type_)
    if within is not None and isinstance(value, dict):
        for name, each, of_table in _tables(value, within):
            if isinstance(each, dict):
                found = list(faults_in(each, of_table, (*keys, *name)))
                yield from found or _unfit(each, of_table, (*keys, *name))
            else:
                yield Fault((*keys, *name), f"it is a table: write [{dotted((*keys, *name))}]")
        return
    if within is not None and model.Flag not in get_args(type_):
        yield Fault(keys, f"it is a table: write [{dotted(keys)}]")
        return
    try:
        msgspec.convert(plain(value), type_)
    except RecursionError:
        yield Fault(keys, "it is nested too deep")
    except msgspec.ValidationError as error:
        yield Fault(keys, _wanted(type_) or str(error))
    except ValueError as error:
        yield Fault(keys, str(error))


def _unfit(value: Mapping[str, Any], table: Any, keys: Keys) -> Iterator[Fault]:
    """Yield what a dataclass says is wrong with a table, each of whose values is of its type."""
    if not is_typeddict(table):
        try:
            msgspec.convert(plain(value), table)
        except msgspec.ValidationError as error:
            yield Fault(keys, str(error))


def _wanted(type_: Any) -> str | None:
    """Return what to do about a value that is not of a type; None if nothing is known."""
    for each in (type_, *get_args(type_)):
        if each in _WANTED and (each is type_ or get_origin(type_) is not Mapping):
            return _WANTED[each]
    return None


def _tables(value: Mapping[str, Any], within: Any) -> Iterator[tuple[Keys, Any, Any]]:
    """Yield the tables in a value with their types: the value itself, or those that it holds by names."""
    if _is_table(within):
        yield (), value, within
    else:
        for name, each in value.items():
            yield (name,), each, get_args(within)[1]


def _table_in(type_: Any) -> Any:
    """Return the type of a table, or of tables by names, that a type is or allows; None if there is none."""
    for each in (type_, *get_args(type_)):
        if _is_table(each):
            return each
        if get_origin(each) is Mapping and _is_table(get_args(each)[1]):
            return each
    return None


def _is_table(type_: Any) -> bool:
    return is_typeddict(type_) or (isinstance(type_, type) and dataclasses.is_dataclass(type_))


def _is_bare(key: str) -> bool:
    return key.isascii() and bool(key) and all(each.isalnum() or each in "-_" for each in key)


def _unknown(key: str, known: Mapping[str, Any], keys: Keys) -> str:
    """Return what to say about a key that a table does not have."""
    likely = key.lower().replace("-", "_")
    if likely in model.ELSEWHERE:
        return model.ELSEWHERE[likely]
    at_the_top = keys_of(model.Layer)
    homes = [f"[{name}]" for name in model.MAPPING if key in keys_of(at_the_top[name])]
    if keys and key in at_the_top:
        homes.insert(0, "at the top of the file, or in a profile")
    if homes:
        return f"it has no place here; write it {' or '.join(homes)}"
    spelled = {each.replace("-", "_"): each for each in known}
    close = difflib.get_close_matches(likely, spelled, n=1)
    if close:
        return f"unknown key; did you mean {spelled[close[0]]}?"
    if len(known) > _MOST_LISTED:
        return "unknown key; wootric-replay config show lists all"
    return f"unknown key; there are: {', '.join(sorted(known))}"
