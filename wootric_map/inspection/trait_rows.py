"""The traits of many identifies, looked at column by column.

That is several times quicker than record by record.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, Final

from wootric_map.inspection.distinct import hash_of, hashes_of
from wootric_map.inspection.trait_table import (
    DEEPEST,
    Path,
    TraitTable,
    ValueType,
    is_nested,
    json_of,
)
from wootric_map.values import dates
from wootric_map.values.json_values import decimal_text

_LONGEST_NAME: Final = 1000
"""Characters of a longer name are cut, so that names take bounded memory."""
_LONGEST_DATE: Final = 40
"""Characters of a text for which it is remembered whether it is a date."""
_ROWS: Final = 4000
"""Records that are held before they are looked at."""
_HELD_BYTES: Final = 4 * 1024 * 1024
"""Bytes of records that are held before they are looked at."""


class TraitRows:
    """Takes the traits of identifies one by one, and looks at them many at a time."""

    def __init__(self, table: TraitTable) -> None:
        """Take no record yet; `table` gets what the traits hold."""
        self._table = table
        self._rows: dict[Path, tuple[list[tuple[object, ...]], list[int]]] = {}
        self._count = self._bytes = 0
        self._paths: dict[Path, int] = {}
        self.filled: dict[tuple[int, ...], int] = {}
        """Each set of traits that a record has values for, as their places in `paths`, with its number."""
        self.keys = array("I")
        """What records were added by, beside"""
        self.sets = array("I")
        """the number of the set of traits that the record has values for."""

    @property
    def paths(self) -> list[Path]:
        """The traits that any record has a value for."""
        return list(self._paths)

    def add(self, traits: Mapping[str, object], key: int, size: int) -> None:
        """Add the traits of a record.

        Args:
            traits: the traits.
            key: what the record is known by in `keys`.
            size: the bytes of the record.
        """
        names = tuple(traits)
        held = self._rows.get(names)
        if held is None:
            held = self._rows[names] = [], []
        held[0].append(tuple(traits.values()))
        held[1].append(key)
        self._count += 1
        self._bytes += size
        if self._count >= _ROWS or self._bytes >= _HELD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Look at the records that are held."""
        rows, self._rows = self._rows, {}
        self._count = self._bytes = 0
        for names, (values, keys) in rows.items():
            found = _Filled()
            self._object((), names, values, None, found)
            if not found.of_some:
                self.sets.extend(repeat(self._number(found.of_all), len(keys)))
            else:
                some = (found.of_some.get(row, ()) for row in range(len(keys)))
                self.sets.extend(self._number([*found.of_all, *each]) for each in some)
            self.keys.extend(keys)

    def _number(self, traits: Iterable[int]) -> int:
        return self.filled.setdefault(tuple(traits), len(self.filled))

    def _object(
        self,
        above: Path,
        names: Sequence[str],
        values: Sequence[Sequence[object]],
        rows: Sequence[int] | None,
        found: "_Filled",
    ) -> None:
        """Look at objects that have the same keys.

        Args:
            above: the keys that lead to the objects.
            names: the keys of the objects.
            values: the values of each object, in the order of the keys.
            rows: the records that the objects stand in; None for all.
            found: gets the traits that each record has a value for.
        """
        for name, column in zip(names, zip(*values, strict=True), strict=True):
            self._column((*above, _cut_name(name)), column, rows, found)

    def _column(
        self, path: Path, column: Sequence[Any], rows: Sequence[int] | None, found: "_Filled"
    ) -> None:
        """Look at the values of one key; `rows` are the records that they stand in, or None for all."""
        types = set(map(type, column))
        if types == {str}:
            texts = Counter(column)
            empty = texts.pop("", 0)
            self._see_texts(path, texts)
            self._fill(path, column, rows, found, is_whole=not empty)
            return
        if dict in types:
            self._objects(path, column, rows, found)
            column, rows = _apart(column, rows, lambda value: type(value) is not dict)
        if not column:
            return
        of_type = _by_type(column, types)
        texts = Counter(of_type.get(str, ()))
        texts.pop("", 0)
        self._see_texts(path, texts)
        self._see_numbers(path, [*of_type.get(int, ()), *of_type.get(float, ())])
        self._see_booleans(path, of_type.get(bool, []))
        self._see_lists(path, [each for each in of_type.get(list, ()) if each])
        is_whole = types <= {int, float, bool} or (types == {list} and all(column))
        self._fill(path, column, rows, found, is_whole=is_whole)

    def _fill(
        self,
        path: Path,
        column: Sequence[object],
        rows: Sequence[int] | None,
        found: "_Filled",
        *,
        is_whole: bool,
    ) -> None:
        """Note which records have a value; `is_whole` tells that all of `column` are values."""
        if self._table.of(path) is None:
            return
        if is_whole and rows is None:
            found.of_all.append(self._place(path))
            return
        places = range(len(column)) if rows is None else rows
        filled = [row for row, value in zip(places, column, strict=True) if _is_value(value)]
        if filled:
            place = self._place(path)
            for row in filled:
                found.of_some.setdefault(row, []).append(place)

    def _place(self, path: Path) -> int:
        return self._paths.setdefault(path, len(self._paths))

    def _objects(
        self, path: Path, column: Sequence[Any], rows: Sequence[int] | None, found: "_Filled"
    ) -> None:
        """Look at the objects among the values of one key."""
        if set(map(type, column)) == {dict} and len(path) < DEEPEST:
            every = set(map(tuple, column))
            if len(every) == 1 and (names := every.pop()):
                values = list(map(tuple, map(dict.values, column)))
                self._object(path, names, values, rows, found)
                return
        by_names: dict[Path, tuple[list[tuple[object, ...]], list[int]]] = {}
        places = range(len(column)) if rows is None else rows
        for row, value in zip(places, column, strict=True):
            if type(value) is dict and value:
                values, own = by_names.setdefault(tuple(value), ([], []))
                values.append(tuple(value.values()))
                own.append(row)
        if len(path) >= DEEPEST:
            for _, own in by_names.values():
                self._see(path, "object", {b"": len(own)}, bytes, {b"": {}})
                self._fill(path, [True] * len(own), own, found, is_whole=True)
            return
        for names, (values, own) in by_names.items():
            self._object(path, names, values, own, found)

    def _see(
        self,
        path: Path,
        kind: ValueType,
        values: Mapping[Any, int],
        text_of: Callable[[Any], bytes],
        meant: Mapping[Any, object] | None = None,
    ) -> None:
        """Add values of one type, each with how often it is there.

        Args:
            path: the trait.
            kind: the type.
            values: the distinct values.
            text_of: returns a text by which a value is told from all others.
            meant: what stands for each value in `values`; None if it is the value itself.
        """
        stats = self._table.of(path)
        if stats is not None and values:
            hashes = hashes_of(map(text_of, values))
            whole = [meant[each] for each in values] if meant else list(values)
            stats.see(kind, sum(values.values()), hashes, whole)

    def _see_texts(self, path: Path, texts: Counter[str]) -> None:
        if not texts:
            return
        dated = {
            text: count for text, count in texts.items() if text[4:5] == "-" and _is_date(text)
        }
        if len(dated) < len(texts):
            plain = {each: texts[each] for each in texts if each not in dated} if dated else texts
            self._see(path, "text", plain, str.encode)
        if dated:
            self._see(path, "date", dated, str.encode)

    def _see_numbers(self, path: Path, numbers: Sequence[int | float]) -> None:
        whole: Counter[int | float] = Counter()
        fractions: Counter[int | float] = Counter()
        for number, count in Counter(numbers).items():
            is_whole = isinstance(number, int) or number.is_integer()
            (whole if is_whole else fractions)[number] += count
        self._see(path, "integer", whole, _number_text)
        self._see(path, "number", fractions, _number_text)

    def _see_booleans(self, path: Path, values: Sequence[bool]) -> None:
        if values:
            self._see(path, "boolean", Counter(values), b"\0b%d".__mod__)

    def _see_lists(self, path: Path, lists: Sequence[list[Any]]) -> None:
        if set(map(type, chain.from_iterable(lists))) == {str}:
            counts = Counter(map(tuple, lists))
            self._see(path, "list", counts, _list_text, {each: list(each) for each in counts})
            return
        texts = list(map(json_of, lists))
        by_text = dict(zip(texts, lists, strict=True))
        flat = Counter(texts)
        nested = {each: flat[each] for each, value in by_text.items() if is_nested(value)}
        for each in nested:
            del flat[each]
        self._see(path, "list", flat, b"\0l".__add__, by_text)
        self._see(path, "list_of_objects", nested, b"\0l".__add__, by_text)


class _Filled:
    """Which traits some records have values for."""

    def __init__(self) -> None:
        self.of_all: list[int] = []
        """The traits that all records have."""
        self.of_some: dict[int, list[int]] = {}
        """The traits that a record has besides."""


def _is_date(text: str) -> bool:
    """Tell whether a text is a date wherever it stands (segment.md 5, last paragraph)."""
    return _cached_is_date(text) if len(text) <= _LONGEST_DATE else _read_as_date(text)


def _read_as_date(text: str) -> bool:
    return dates.parse_iso_day(text) is not None


_cached_is_date: Final = lru_cache(maxsize=8192)(_read_as_date)
"""Dates come again, in the records of one end user and of one day."""


def _by_type(column: Sequence[Any], types: Collection[type]) -> dict[type, Sequence[Any]]:
    """Return the values of a column by their types."""
    if len(types) == 1:
        return dict.fromkeys(types, column)
    found: dict[type, list[Any]] = {}
    for value in column:
        found.setdefault(type(value), []).append(value)
    return dict(found)


def _list_text(texts: tuple[str, ...]) -> bytes:
    return b"\0l" + json_of(list(texts))


def _number_text(number: float) -> bytes:
    return b"\0n" + decimal_text(number).encode()


def _apart(
    column: Sequence[Any], rows: Sequence[int] | None, wanted: Callable[[object], bool]
) -> tuple[Sequence[Any], Sequence[int]]:
    """Return the wanted values of a column, and the records that they stand in."""
    places = range(len(column)) if rows is None else rows
    kept = [(value, row) for value, row in zip(column, places, strict=True) if wanted(value)]
    return [value for value, _ in kept], [row for _, row in kept]


def _is_value(value: object) -> bool:
    return value is not None and value not in ("", [])


def _cut_name(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}…{hash_of(name.encode(errors='surrogatepass')).hex()}"
